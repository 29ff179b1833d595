"""The weights people share: one safetensors file that says what it makes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

from pydantic import Field, NonNegativeInt
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_safetensors
from torch import Tensor, nn

from ganzoo.common.errors import CheckpointError
from ganzoo.common.files import publish
from ganzoo.plugin.table import Table
from ganzoo.plugin.types import ImageShape
from ganzoo.runs.checkpoint import canonical


def write_weights(path: Path, module: nn.Module, metadata: Mapping[str, str]) -> None:
    """Write a module's state alone, as plain safetensors that any tool reads."""
    state = {name: value.detach().cpu().contiguous() for name, value in module.state_dict().items()}
    publish(path, canonical(to_safetensors(state, metadata=dict(metadata))))


Side = Annotated[int, Field(ge=1, le=16_384)]


class Facts(Table):
    """What the weights' file says beside the recipe."""

    channels: Side
    height: Side
    width: Side
    low: float
    high: float = 1.0
    classes: list[str] = Field(default_factory=list)
    step: NonNegativeInt = 0


def write_generator(
    path: Path,
    network: nn.Module,
    recipe: str,
    image: ImageShape,
    classes: Sequence[str],
    step: int,
) -> None:
    """Write a generator's weights, what its images are, and its recipe as TOML."""
    metadata = {"ganzoo": "generator", "recipe": recipe, "image": _facts(image, classes, step)}
    write_weights(path, network, metadata)


def _facts(image: ImageShape, classes: Sequence[str], step: int) -> str:
    return Facts(
        channels=image.channels,
        height=image.height,
        width=image.width,
        low=image.low,
        high=image.high,
        classes=list(classes),
        step=step,
    ).model_dump_json()


def _read_weights(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"weights '{path}' cannot be read: {error}") from error
