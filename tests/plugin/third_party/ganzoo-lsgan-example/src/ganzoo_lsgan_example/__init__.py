"""Least-squares GAN loss (Mao et al. 2017, arXiv:1611.04076)."""

from ganzoo.api import LossSpec, hookimpl
from ganzoo_lsgan_example.loss import LeastSquares


@hookimpl
def ganzoo_losses() -> list[type[LossSpec]]:
    """Supply the loss."""
    return [LeastSquares]
