"""Latents as files: what a generator starts from, kept with the classes that are asked for."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load as parse_safetensors
from safetensors.torch import save as to_safetensors
from torch import Tensor

from ganzoo.common.errors import CheckpointError, GanzooError, RefusedError
from ganzoo.common.files import publish
from ganzoo.common.inside import read_inside
from ganzoo.runs.checkpoint import canonical

LATENTS, LABELS = "latents", "labels"
MOST_LATENTS = 1_000
MOST_BYTES = 512 * 1024**2
_MEANT = "a .safetensors file with 'latents', [N, Z]"


def write_latents(path: Path, latents: Tensor, labels: Tensor | None = None) -> None:
    """Write latents ``[N, Z]`` and the classes ``[N]`` of their images as safetensors.

    Raises:
        MachineError: if the disk refuses.
    """
    tensors = {LATENTS: latents.detach().float().cpu().contiguous()}
    if labels is not None:
        tensors[LABELS] = labels.detach().long().cpu().contiguous()
    publish(path, canonical(to_safetensors(tensors, metadata={"ganzoo": "latents"})))


def read_latents(paths: Sequence[Path], size: int, classes: int) -> tuple[Tensor, Tensor | None]:
    """Return the latents ``[N, Z]`` of some files, one after the other, and their classes ``[N]``.

    Args:
        paths: the files.
        size: numbers in a latent of the generator, Z.
        classes: how many classes it can be asked for; 0 where it takes none.

    Raises:
        GanzooError: naming the file that does not fit.
    """
    read = [_read(path, size, classes) for path in paths]
    latents = torch.cat([each for each, _ in read])
    if len(latents) > MOST_LATENTS:
        raise GanzooError(f"{len(latents):,} latents are too many; {MOST_LATENTS:,} at most")
    labels = [each for _, each in read if each is not None]
    return latents, torch.cat(labels) if len(labels) == len(read) and classes else None


def _read(path: Path, size: int, classes: int) -> tuple[Tensor, Tensor | None]:
    where = Path(os.path.realpath(path))
    try:
        tensors = parse_safetensors(read_inside(where.parent, where.name, most=MOST_BYTES))
    except (OSError, RefusedError, SafetensorError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise CheckpointError(
            f"latents '{path}' cannot be read: {reason}; give {_MEANT}"
        ) from error
    latents, labels = tensors.get(LATENTS), tensors.get(LABELS)
    if latents is None or latents.ndim != 2 or not latents.is_floating_point():
        raise CheckpointError(f"'{path}' holds no latents; give {_MEANT}")
    if latents.shape[1] != size or not len(latents):
        raise CheckpointError(
            f"'{path}' holds {len(latents)} latents of {latents.shape[1]} numbers, this generator "
            f"starts from {size}; latents belong to the generator they were found for"
        )
    if not bool(torch.isfinite(latents).all()):
        raise CheckpointError(f"'{path}' holds latents that are not finite")
    if (
        labels is not None
        and classes
        and (
            labels.shape != (len(latents),)
            or labels.dtype != torch.int64
            or bool(((labels < 0) | (labels >= classes)).any())
        )
    ):
        raise CheckpointError(f"'{path}': its labels are not one of {classes} classes a latent")
    return latents.float(), labels
