"""One code path for CPU and CUDA.

Without a device, steps run on fake tensors that know only where they are and how large: a stray CPU tensor among them
raises. The gradient itself and what reads numbers back cannot run there, and are checked where there is a device.
"""

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from flowgen.inference import KERNELS, ChainGenerators, complete, interpolate, pixel_target
from flowgen.inference import target as target_module
from flowgen.inference.kernels.gradient import GradientState
from flowgen.inference.kernels.gradient_ascent import AscentState
from flowgen.inference.target import latent_target
from flowgen.models import MODELS

SHAPE = (1, 4, 4)


def on_fake_cuda(model):
    """Replace every parameter and buffer by a fake one on a CUDA device."""
    for module in model.modules():
        for name, parameter in module.named_parameters(recurse=False):
            fake = torch.empty(parameter.shape, dtype=parameter.dtype, device="cuda")
            setattr(module, name, nn.Parameter(fake, requires_grad=False))
        for name, buffer in module.named_buffers(recurse=False):
            setattr(module, name, torch.empty(buffer.shape, dtype=buffer.dtype, device="cuda"))
    return model


def fake_targets(model):
    image = torch.zeros(SHAPE, dtype=torch.uint8)
    known = torch.ones(SHAPE, dtype=torch.bool)
    yield pixel_target(model, image, known, jacobian=True), 5
    yield pixel_target(model, image, known, jacobian=False), 5
    yield latent_target(model, image, known, sigma=1.0, coordinates=torch.logit), 16


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("method", KERNELS)
def test_a_step_stays_on_the_device(name, method, monkeypatch):
    kernel, model = KERNELS[method](), MODELS[name](hidden=8).build(SHAPE).frozen()
    monkeypatch.setattr(torch.autograd, "grad", lambda value, u: (torch.empty_like(u),))
    monkeypatch.setattr(target_module, "hidden_coordinates", lambda known: torch.empty(5, dtype=torch.int64))
    with FakeTensorMode():
        for target, dim in fake_targets(on_fake_cuda(model)):
            u = torch.empty(3, dim, device="cuda")
            state = GradientState(u, target.log_density(u).detach(), u)
            if method == "gradient_ascent":
                state = AscentState(**vars(state), mean=u, square=u, age=u[:, :1], length=u[:, :1])
            state, info = kernel.step(target, state, ChainGenerators(0, range(3)))
            placed = (state.position, state.log_density, state.gradient, info.rejected, target.to_image(u))
            assert all(tensor.device.type == "cuda" for tensor in placed)
            assert target.to_image(u).shape == (3, *SHAPE)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("method", KERNELS)
def test_a_run_on_the_device_is_that_on_the_cpu(name, method):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = MODELS[name](hidden=8).build(SHAPE)
        model.initialize(torch.rand(64, *SHAPE))
    model = model.double()
    image = torch.randint(0, 256, SHAPE, dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    known = torch.ones(4, 4, dtype=torch.bool)
    known[1:3, 1:3] = False
    *_, here = complete(model, image, known, method=method, num=2, steps=6)
    path = interpolate(model, image, image.flip(2), 3)
    model = model.cuda()
    *_, there = complete(model, image, known, method=method, num=2, steps=6)
    assert there.position.device.type == "cuda"
    torch.testing.assert_close(there.position.cpu(), here.position, rtol=0, atol=1e-6)
    assert torch.equal(there.levels.cpu(), here.levels)
    torch.testing.assert_close(interpolate(model, image, image.flip(2), 3).cpu(), path, rtol=0, atol=1e-6)
