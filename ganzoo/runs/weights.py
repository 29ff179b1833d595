"""The weights people share: one safetensors file that says what it makes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import torch
from pydantic import Field, NonNegativeInt
from safetensors import SafetensorError
from safetensors.torch import load as parse_safetensors
from safetensors.torch import save as to_safetensors
from torch import Tensor, nn

from ganzoo.common.errors import CheckpointError, RefusedError
from ganzoo.common.files import OUT, parse_json, publish
from ganzoo.plugin.table import Table
from ganzoo.plugin.types import ImageShape
from ganzoo.runs.checkpoint import canonical, header_of, sized


def write_weights(
    path: Path,
    module: nn.Module,
    metadata: Mapping[str, str],
    elsewhere: str = OUT,
    *,
    half: bool = False,
) -> None:
    """Write a module's state alone, as plain safetensors that any tool reads; see ``publish``.

    Args:
        half: whether numbers are rounded to half precision, for half the bytes.
    """
    state = {name: value.detach().cpu().contiguous() for name, value in module.state_dict().items()}
    if half:
        state = {
            name: value.half() if value.is_floating_point() else value
            for name, value in state.items()
        }
    publish(path, canonical(to_safetensors(state, metadata=dict(metadata))), elsewhere)


Side = Annotated[int, Field(ge=1, le=16_384)]


class Facts(Table):
    """What the weights' file says beside the recipe."""

    channels: Side
    height: Side
    width: Side
    low: float
    high: float = 1.0
    classes: list[str] = Field(default_factory=list)
    label_shape: list[Side] = Field(default_factory=list, max_length=4)
    input_shape: list[Side] = Field(default_factory=list, max_length=3)
    step: NonNegativeInt = 0


def write_generator(
    path: Path,
    network: nn.Module,
    recipe: str,
    image: ImageShape,
    classes: Sequence[str],
    step: int,
    elsewhere: str = OUT,
    *,
    half: bool = False,
) -> None:
    """Write a generator's weights, what its images are, and its recipe as TOML."""
    metadata = {"ganzoo": "generator", "recipe": recipe, "image": _facts(image, classes, step)}
    write_weights(path, network, metadata, elsewhere, half=half)


def _facts(image: ImageShape, classes: Sequence[str], step: int) -> str:
    return Facts(
        channels=image.channels,
        height=image.height,
        width=image.width,
        low=image.low,
        high=image.high,
        classes=list(classes),
        label_shape=list(image.label_shape),
        input_shape=list(image.input_shape),
        step=step,
    ).model_dump_json(
        exclude={name for name in ("label_shape", "input_shape") if not getattr(image, name)}
    )


def _read_weights(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        content = sized(path)
        stored = parse_safetensors(content)
        metadata = parse_json(header_of(content)).get("__metadata__") or {}
    except (OSError, ValueError, RefusedError, SafetensorError) as error:
        raise CheckpointError(f"weights '{path}' cannot be read: {error}") from error
    # Half precision is how weights are stored, not how networks compute.
    halves = {torch.float16, torch.bfloat16}
    tensors = {
        name: each.float() if each.dtype in halves else each for name, each in stored.items()
    }
    return tensors, metadata
