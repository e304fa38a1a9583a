import pytest
import torch

from flowgen.data.images import midpoints
from flowgen.density import StandardLogistic
from flowgen.inference.target import Reals, pixel_target


def test_the_density_in_logit_coordinates_is_the_posterior(gaussian):
    target = pixel_target(gaussian.model, gaussian.image, gaussian.known.expand(1, 2, 3))
    u = torch.randn(64, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    posterior = torch.distributions.MultivariateNormal(gaussian.mean, gaussian.covariance)
    difference = target.log_density(u) - posterior.log_prob(u)
    assert target.space == Reals(4)
    torch.testing.assert_close(difference, difference[:1].expand(64), rtol=0, atol=1e-9)


def test_without_the_jacobian_it_is_the_density_of_pixels_between_the_outermost_midpoints(gaussian):
    target = pixel_target(gaussian.model, gaussian.image, gaussian.known.expand(1, 2, 3), jacobian=False)
    u = torch.randn(8, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    x = midpoints(gaussian.image).double().repeat(8, 1, 1, 1)
    x[:, ~gaussian.known.expand(1, 2, 3)] = 0.5 / 256 + 255 / 256 * torch.sigmoid(u)
    torch.testing.assert_close(target.log_density(u), gaussian.model.log_prob(x))
    darkest, lightest = target.log_density(torch.tensor([[-1e3], [1e3]]).double().expand(2, 4))
    x[0, ~gaussian.known.expand(1, 2, 3)], x[1, ~gaussian.known.expand(1, 2, 3)] = 0.5 / 256, 255.5 / 256
    torch.testing.assert_close(torch.stack([darkest, lightest]), gaussian.model.log_prob(x[:2]))


def test_tempering_goes_from_uniform_pixels_to_the_posterior(gaussian):
    target = pixel_target(gaussian.model, gaussian.image, gaussian.known.expand(1, 2, 3))
    u = torch.randn(8, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    uniform = StandardLogistic((4,)).log_prob(u)
    torch.testing.assert_close(target.log_density(u, beta=0.0), uniform)
    torch.testing.assert_close(target.log_density(u, beta=0.5), uniform + 0.5 * target.log_likelihood(u))


@pytest.mark.parametrize("extreme", [-1e4, -30.0, 0.0, 30.0, 1e4])
def test_images_keep_the_known_bytes_and_fill_the_hidden(gaussian, extreme):
    known = gaussian.known.expand(1, 2, 3)
    images = pixel_target(gaussian.model, gaussian.image, known).to_image(torch.full((3, 4), extreme))
    assert images.dtype == torch.uint8
    assert images.shape == (3, 1, 2, 3)
    assert torch.equal(images[:, known], gaussian.image[known].expand(3, -1))
    hidden = {-1e4: 0, -30.0: 0, 0.0: 128, 30.0: 255, 1e4: 255}[extreme]
    assert (images[:, ~known] == hidden).all()
