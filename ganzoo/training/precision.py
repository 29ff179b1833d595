"""In which numbers networks compute: what ``--precision`` and ``--deterministic`` set up."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from ganzoo.common.errors import GanzooError
from ganzoo.plugin.specs import GeneratorSpec
from ganzoo.training.place import PRECISIONS

AMPERE = 8
"""Compute capability from which a GPU has TF32 and bf16."""


def choose(wanted: str, device: torch.device) -> str:
    """Return 'fp32', 'tf32' or 'bf16'; 'auto' is TF32 on a GPU that has it, else fp32.

    bf16 is never chosen by itself: it has 8 bits of precision, and on processors without matrix
    units for it, it is slower than fp32.

    Raises:
        GanzooError: if the device does not have what was asked for.
    """
    if wanted not in PRECISIONS:
        raise GanzooError(f"--precision {wanted!r}: choose {', '.join(PRECISIONS)}")
    is_new_gpu = device.type == "cuda" and torch.cuda.get_device_capability(device)[0] >= AMPERE
    if wanted == "auto":
        return "tf32" if is_new_gpu else "fp32"
    if wanted == "tf32" and not is_new_gpu:
        raise GanzooError(
            f"--precision tf32: {device.type} has no TF32; use auto, or an NVIDIA GPU from 2020 on"
        )
    if wanted == "bf16" and not (is_new_gpu or device.type == "cpu"):
        raise GanzooError("--precision bf16: this device has no bf16; use auto or fp32")
    return wanted


def apply(precision: str, device: torch.device, *, deterministic: bool) -> None:
    """Set torch's switches; they hold for the whole process."""
    if deterministic:
        # Read when the first cuBLAS handle is made, so before anything runs on the GPU.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    if deterministic != torch.are_deterministic_algorithms_enabled():
        # Only where it changes something: torch imports its compiler for it, which takes seconds.
        torch.use_deterministic_algorithms(deterministic)
    torch.set_float32_matmul_precision("highest" if precision == "fp32" else "high")
    if device.type == "cuda":
        torch.backends.cudnn.allow_tf32 = precision != "fp32"
        # Shapes never change in a run, so the quickest algorithm for each is tried out once.
        torch.backends.cudnn.benchmark = not deterministic


def cast_of(precision: str) -> torch.dtype | None:
    """Return the type that networks are cast to, or None where they compute in their own."""
    return torch.bfloat16 if precision == "bf16" else None


def outputs(
    network: nn.Module, inputs: Sequence[Tensor | None], main: str, cast: torch.dtype | None
) -> dict[str, Tensor]:
    """Return what ``network`` makes of ``inputs`` by name; a bare tensor is called ``main``."""
    if cast is None:
        return named(network(*inputs), main)
    # Each weight is used once in a call: nothing to keep, and a CUDA graph must not keep it.
    assert inputs[0] is not None
    with torch.autocast(inputs[0].device.type, cast, cache_enabled=False):
        found = named(network(*inputs), main)
    return {
        name: value.float() if value.is_floating_point() else value for name, value in found.items()
    }


def images_of(
    spec: GeneratorSpec, network: nn.Module, drawn: Tensor, labels: Tensor | None
) -> Tensor:
    """Return the images ``[N, C, H, W]`` of latents drawn from the prior, for those who look.

    Args:
        spec: the generator's; it says whether the network takes labels, and changes the latents.
        network: the network, or its average.
        drawn: ``[N, Z]`` on the network's device.
        labels: ``[N]``; left out where the network takes none.
    """
    latents = spec.latents(drawn)
    inputs = (latents, labels) if spec.uses_labels else (latents,)
    return named(network(*inputs), "images")["images"]


def named(found: Tensor | Mapping[str, Tensor], main: str) -> dict[str, Tensor]:
    """Return a network's output as a mapping."""
    return dict(found) if isinstance(found, Mapping) else {main: found}
