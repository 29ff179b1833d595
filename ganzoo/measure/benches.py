"""What the fakes of each player are held against, by the recipe and the data of a run."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ganzoo.common.data_root import Tell, nobody
from ganzoo.common.errors import DataError, GanzooError
from ganzoo.measure.provenance import set_at_sampling
from ganzoo.measure.reference import Bench
from ganzoo.measure.select import network_for
from ganzoo.plugin.registry import Registry
from ganzoo.plugin.specs import DatasetSpec
from ganzoo.plugin.types import ImageData
from ganzoo.training.half_step import seen_shape
from ganzoo.training.precision import named as named_outputs

if TYPE_CHECKING:
    from ganzoo.training.parts import Parts


def bench_of(
    parts: Parts,
    registry: Registry,
    *,
    budget: float = math.inf,
    reason: str = "",
    tell: Tell = nobody,
) -> Bench:
    """Return what the run's fakes are held against; see ``classifier.classifier``."""
    recipe, device = parts.recipe, parts.machine.device
    network = network_for(
        recipe.measure,
        parts.dataset,
        parts.data,
        parts.shape,
        registry,
        parts.root,
        budget=budget,
        reason=reason,
        tell=tell,
    )
    judge = recipe.step.judge
    discriminator = parts.sides[judge].network if judge else None
    seen = seen_shape(recipe.view, parts.shape)

    is_able = bool(judge) and not recipe.discriminator.uses_labels and seen == parts.shape

    @torch.no_grad()
    def discriminate(images: Tensor) -> Tensor:
        assert discriminator is not None
        discriminator.eval()
        return named_outputs(discriminator(images.to(device)), "logits")["logits"]

    return Bench(
        recipe.measure,
        parts.shape,
        parts.data,
        test_images(parts.dataset, parts),
        network.to(device),
        discriminate if is_able else None,
        sampled=set_at_sampling(recipe.generator),
        translates=recipe.generator.translates,
        has_asked_labels=recipe.generator.uses_labels and parts.data.labels is not None,
        progress=parts.root.progress,
    )


def ways_back(parts: Parts) -> list[str]:
    """Return the players that make of images what the data has beside them."""
    step, shape = parts.recipe.step, parts.shape
    others = {name: step.makes(name, shape) for name in step.makers()[1:]}
    return [
        name
        for name, image in others.items()
        if shape.input_shape and (image.channels, image.height, image.width) == shape.input_shape
    ]


def bench_back(parts: Parts, player: str, registry: Registry) -> Bench:
    """Return what a way back is held against.

    There are no classes on that side: a feature network that is made of them does not serve.
    """
    recipe = parts.recipe
    image = replace(recipe.step.makes(player, parts.shape), num_classes=0)
    train, test = turned(parts.data), test_images(parts.dataset, parts)
    measure = recipe.measure
    if measure.network in {"auto", "classifier"}:
        measure = measure.model_copy(update={"network": "random"})
    network = network_for(measure, parts.dataset, train, image, registry, parts.root)
    return Bench(
        measure,
        image,
        train,
        None if test is None else turned(test),
        network.to(parts.machine.device),
        translates=True,
        progress=parts.root.progress,
    )


def turned(data: ImageData) -> ImageData:
    """Return data with images for inputs and inputs for images."""
    assert data.inputs is not None
    return replace(
        data, images=data.inputs, inputs=data.images, labels=None, classes=(), varied=None
    )


def test_images(dataset: DatasetSpec, parts: Parts) -> ImageData | None:
    """Return the dataset's test images, or None where it has none.

    Raises:
        GanzooError: if they are the reference and are not there.
    """
    try:
        return dataset.build(parts.root, "test")
    except DataError as error:
        if parts.recipe.measure.split == "test":
            raise GanzooError(f"measure.split = 'test': {error}") from error
        return None
