"""Every shipped recipe, put together on random images: whole, or with narrow networks."""

from __future__ import annotations

import json
from contextlib import nullcontext
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor

from benchmarks.works import HERE, IMAGES
from ganzoo.common.data_root import DataRoot
from ganzoo.plugin import registry
from ganzoo.plugin.registry import Registry
from ganzoo.recipe.check import load_recipe
from ganzoo.recipe.model import Latent, Recipe
from ganzoo.recipe.source import find_recipe
from ganzoo.training import parts as parts_module
from ganzoo.training.machine import Machine
from ganzoo.training.parts import Parts, assemble
from ganzoo.training.randomness import Noise

META = torch.device("meta")
WIDTHS = {"base_channels", "channels", "hidden", "max_channels", "mapping_width", "width", "widths"}
NARROW = 8
FEW = 8


class NoiseElsewhere(Noise):
    """Draws on the CPU for a device that has no numbers of its own."""

    def __init__(self, seed: int, device: torch.device) -> None:
        super().__init__(seed, torch.device("cpu"))
        self.to = device

    def latents(self, latent: Latent, count: int, stream: str, *position: int) -> Tensor:
        return super().latents(latent, count, stream, *position).to(self.to)


@cache
def plugins() -> Registry:
    """Return every plugin, with random images among the datasets."""
    return registry.load_plugins([HERE / "random_images.py"])


def adapted(name: str, *overrides: str, narrow: bool) -> Recipe:
    """Return a shipped recipe on random images of its dataset's shape, without measures."""
    asked = load_recipe(find_recipe(name), plugins(), ())
    values = ["metric=[]", "samples.every=0", "checkpoint.every=0"]
    if asked.dataset.use in IMAGES:
        channels, size, classes = IMAGES[asked.dataset.use]
        size = getattr(asked.dataset, "size", None) or size
        beside = 0
        if asked.step.takes_inputs:
            beside = getattr(asked.dataset, "input_channels", channels)
        values.append(
            'dataset={use="random_images",count=512,'
            f"channels={channels},size={size},classes={classes},input_channels={beside}}}"
        )
    if narrow:
        values.append(f"train.batch_size={FEW}")
        for role in ("generator", "discriminator"):
            spec = getattr(asked, role)
            values.extend(
                f"{role}.{field}={json.dumps(_narrowed(getattr(spec, field)))}"
                for field in type(spec).model_fields
                if field in WIDTHS and isinstance(getattr(spec, field), int | list)
            )
            if "group_size" in type(spec).model_fields:
                values.append(f"{role}.group_size=4")
        values.extend(
            f"regularizer.{number}.base_channels={_narrowed(spec.base_channels)}"  # the network's
            for number, spec in enumerate(asked.regularizer)
            if hasattr(spec, "base_channels")
        )
    return load_recipe(find_recipe(name), plugins(), (*values, *overrides))


def put_together(
    name: str, *overrides: str, device: str = "cpu", narrow: bool = True, precision: str = "fp32"
) -> Parts:
    """Return the parts of a shipped recipe; on 'meta' they have shapes and no numbers."""
    recipe = adapted(name, *overrides, narrow=narrow)
    drawing = patch.object(parts_module, "Noise", NoiseElsewhere)
    with drawing if device == "meta" else nullcontext():
        return assemble(
            recipe,
            plugins(),
            DataRoot(Path(), download=False),
            Machine(torch.device(device), precision),
            warn=print,
        )


def _narrowed(value: Any) -> Any:
    return [min(each, NARROW) for each in value] if isinstance(value, list) else min(value, NARROW)
