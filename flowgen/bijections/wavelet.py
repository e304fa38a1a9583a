"""Haar's wavelet on 2x2 blocks of pixels, as a matrix for an invertible 1x1 convolution to start from."""

import torch
from torch import Tensor

__all__ = ["haar", "swap_halves"]

# Mean, horizontal, vertical and diagonal difference of a block's pixels, in the order in which Squeeze lists them.
_BLOCK = torch.tensor([[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]], dtype=torch.float64) / 2


def haar(num_channels: int) -> Tensor:
    """The orthogonal matrix that takes squeezed blocks to their means and differences, (4 c, 4 c) in float64.

        y_{b c + k} = sum_i H_{b i} x_{4 k + i},   b = 0 mean, 1 horizontal, 2 vertical, 3 diagonal difference

    so that the means of all channels come first, and the coarse image survives where half of the channels leaves.

    Args:
        num_channels: c, channels before the squeeze.
    References:
        Wavelet Flow (Yu et al., 2020), arXiv:2010.13821
    """
    eye = torch.eye(num_channels, dtype=torch.float64)
    return torch.einsum("bi,kl->bkli", _BLOCK, eye).reshape(4 * num_channels, 4 * num_channels)


def swap_halves(num_channels: int) -> Tensor:
    """The permutation matrix that puts the second half of the channels first, (c, c) in float64."""
    return torch.eye(num_channels, dtype=torch.float64).roll(num_channels // 2, 0)
