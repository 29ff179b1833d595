"""What each convolution of a work costs by itself, beside the ceiling of a plain matrix product."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from ganzoo.training.cost import Operations


def gemm_ceiling(
    device: torch.device, size: int = 1024, kind: torch.dtype = torch.float32
) -> float:
    """Return the FLOP/s of a square matrix product, best of several."""
    a, b = (torch.randn(size, size, device=device).to(kind) for _ in range(2))
    return 2.0 * size**3 / best(lambda: a @ b, device, 8)


def best(call: Callable[[], object], device: torch.device, repeats: int) -> float:
    """Return the shortest time of one call: on the processor for one thread, else by the clock."""
    cuda = device.type == "cuda"
    clock = time.perf_counter if cuda or torch.get_num_threads() > 1 else time.thread_time
    call()
    found = []
    for _ in range(repeats):
        if cuda:
            torch.cuda.synchronize()
        started = clock()
        call()
        if cuda:
            torch.cuda.synchronize()
        found.append(clock() - started)
    return min(found)


def rows(
    networks: tuple[nn.Module, nn.Module],
    latent: Tensor,
    ours: tuple[nn.Module, nn.Module],
    repeats: int,
) -> list[dict[str, Any]]:
    """Time forward and backward passes of every layer with weights, PyTorch's and ganzoo's.

    Args:
        networks: generator and discriminator as plain modules.
        latent: ``[N, Z]``.
        ours: the same networks as ganzoo builds them; layers are matched in their order.
    """
    found = []
    device = latent.device
    for role, plain, own in zip(("generator", "discriminator"), networks, ours, strict=True):
        inputs = latent if role == "generator" else networks[0](latent).detach()
        shapes = _inputs_of(plain, inputs)
        pairs = zip(_weighted(plain), _weighted(own), strict=True)
        for (layer, mine), shape in zip(pairs, shapes, strict=True):
            images = torch.randn(shape, device=device)
            flops = _flops(layer, images)
            theirs_s = best(_pass(layer, images), device, repeats)
            ours_s = best(_pass(mine, images), device, repeats)
            ceiling_s = 3 * best_forward(layer, images, repeats)
            found.append(
                {
                    "layer": f"{role}: {type(layer).__name__} {tuple(layer.weight.shape)}",
                    "gflop": flops / 1e9,
                    "pytorch_ms": theirs_s * 1e3,
                    "ganzoo_ms": ours_s * 1e3,
                    "ceiling_ms": ceiling_s * 1e3,
                    "pytorch_gflops": flops / theirs_s / 1e9,
                    "ganzoo_gflops": flops / ours_s / 1e9,
                }
            )
    return found


def best_forward(layer: nn.Module, images: Tensor, repeats: int) -> float:
    """Return the shortest time of one convolution at a layer's shapes, in either memory format.

    A layer and its two gradients are three convolutions of as many products each, in directions
    that a library is not equally quick in. Forward is the quickest: three of it are the ceiling.
    """
    if not isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
        with torch.no_grad():
            return best(lambda: layer(images), images.device, repeats)
    is_transposed = isinstance(layer, nn.ConvTranspose2d)
    found = []
    for form in (torch.contiguous_format, torch.channels_last):
        with torch.no_grad():
            read = layer(images) if is_transposed else images
            read = read.contiguous(memory_format=form)
            kernels = layer.weight.contiguous(memory_format=form)
            found.append(
                best(
                    partial(
                        torch.nn.functional.conv2d,
                        read,
                        kernels,
                        stride=layer.stride,
                        padding=layer.padding,
                    ),
                    images.device,
                    repeats,
                )
            )
    return min(found)


def step_flops(step: Callable[[], object]) -> int:
    """Return the floating-point operations of one call, as its kernels are defined."""
    with Operations() as counter:
        step()
    return counter.total


def _weighted(network: nn.Module) -> list[Any]:
    kinds = nn.Conv2d | nn.ConvTranspose2d | nn.Linear
    return [module for module in network.modules() if isinstance(module, kinds)]


def _inputs_of(network: nn.Module, inputs: Tensor) -> list[torch.Size]:
    shapes: list[torch.Size] = []
    hooks = [
        layer.register_forward_pre_hook(lambda _, given: shapes.append(given[0].shape))
        for layer in _weighted(network)
    ]
    with torch.no_grad():
        network(inputs)
    for hook in hooks:
        hook.remove()
    return shapes


def _pass(layer: nn.Module, images: Tensor) -> Callable[[], object]:
    images = images.clone().requires_grad_()
    wanted = [images, *layer.parameters()]
    gradient = torch.randn_like(layer(images))
    return lambda: torch.autograd.grad(layer(images), wanted, gradient)


def _flops(layer: nn.Module, images: Tensor) -> int:
    images = images.clone().requires_grad_()
    gradient = torch.randn_like(layer(images))
    return step_flops(lambda: layer(images).backward(gradient))
