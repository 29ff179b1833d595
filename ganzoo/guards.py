"""What is tried before step 1: do the parts fit, and does every term train what it should?

The trial runs on copies, so it leaves no trace in the run.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor, nn

from ganzoo.errors import GanzooError, PluginError
from ganzoo.half import Batch, half_step, terms_of
from ganzoo.noise import observing
from ganzoo.recipe import Recipe
from ganzoo.specs import ImageShape, Role, Spec
from ganzoo.views import seen_shape, viewed, viewed_labels

T = TypeVar("T")


def probe(
    recipe: Recipe,
    generator: nn.Module,
    discriminator: nn.Module,
    batch: Batch,
    latent: Tensor,
    shape: ImageShape,
) -> list[str]:
    """Try one half-step of each side on copies of the networks; return what is wrong with it.

    Raises:
        PluginError: if a component fails outright.
    """
    with observing():
        generator, discriminator = copy.deepcopy(generator).train(), copy.deepcopy(discriminator)
        discriminator.train()
        inputs = (latent, batch.labels) if recipe.generator.uses_labels else (latent,)
        fake = attempt(recipe.generator, "making images", lambda: generator(*inputs))
        ranges = wrong_range(recipe, shape)
        problems = wrong_images(recipe.generator, fake, len(latent), shape)
        if problems:
            return problems
        seen, wanted = viewed(recipe.view, fake, "fake"), seen_shape(recipe.view, shape)
        if recipe.view and (problems := wrong_images(recipe.view[-1], seen, len(seen), wanted)):
            return problems
        labels = viewed_labels(recipe.view, batch.labels)
        scored = (seen, labels) if recipe.discriminator.uses_labels else (seen,)
        logits = attempt(recipe.discriminator, "scoring images", lambda: discriminator(*scored))
        problems = wrong_logits(recipe.discriminator, logits, len(seen))
        if problems:
            return problems
        for role, network in (("discriminator", discriminator), ("generator", generator)):
            ranges += _wrong_terms(recipe, role, network, discriminator, batch, fake, latent)  # type: ignore[arg-type]
    return ranges


def wrong_images(spec: Spec, images: object, count: int, shape: ImageShape) -> list[str]:
    """Return how ``images`` differ from ``[count, C, H, W]`` finite floats in [low, high]."""
    who = f"{spec.kind} {spec.use!r}"
    wanted = (count, shape.channels, shape.height, shape.width)
    if not isinstance(images, Tensor):
        return [f"{who} returned {type(images).__name__}, the recipe wants images {wanted}"]
    if tuple(images.shape) != wanted:
        return [f"{who} returned {tuple(images.shape)}, the recipe wants {wanted}"]
    if not images.is_floating_point():
        return [f"{who} returned {images.dtype}, the recipe wants floating point images"]
    if not bool(torch.isfinite(images).all()):
        return [f"{who} returned values that are not finite"]
    return []


def wrong_range(recipe: Recipe, shape: ImageShape) -> list[str]:
    """Return a complaint where generator and data live in different value ranges."""
    span = recipe.generator.output_range()
    if span is None or span == (shape.low, shape.high):
        return []
    return [
        f"generator {recipe.generator.use!r} makes values in [{span[0]:g}, {span[1]:g}], the data "
        f"is in [{shape.low:g}, {shape.high:g}]; change generator.output or dataset.value_range"
    ]


def wrong_logits(spec: Spec, logits: object, count: int) -> list[str]:
    """Return how ``logits`` differ from ``[count]`` finite floats."""
    who = f"{spec.kind} {spec.use!r}"
    if not isinstance(logits, Tensor) or tuple(logits.shape) != (count,):
        found = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        return [f"{who} returned {found}, one logit an image is wanted: ({count},)"]
    if not bool(torch.isfinite(logits).all()):
        return [f"{who} returned logits that are not finite"]
    return []


def couples(discriminator: nn.Module, images: Tensor, labels: Tensor | None) -> bool:
    """Return whether one image's logit depends on the other images of its batch.

    Batch norm does that; penalties on the slope at single images then lose their meaning
    (Gulrajani et al. 2017, section 4).
    """
    if len(images) < 2:
        return False
    scores = []
    for batch in (images, torch.cat([images[:1], images[1:].flip(1, 2, 3) * 0.5])):
        with observing(discriminator), torch.no_grad():
            torch.manual_seed(0)
            probe_of = copy.deepcopy(discriminator).train()
            inputs = (batch,) if labels is None else (batch, labels)
            scores.append(probe_of(*inputs)[0])
    return not torch.allclose(scores[0], scores[1], rtol=1e-3, atol=1e-6)


def _wrong_terms(
    recipe: Recipe,
    role: Role,
    network: nn.Module,
    discriminator: nn.Module,
    batch: Batch,
    fake: Tensor,
    latent: Tensor,
) -> list[str]:
    is_cut = role == "discriminator" or recipe.step.generator_noise == "detached"
    seen = fake.detach() if is_cut else fake
    discriminator.requires_grad_(role == "discriminator")
    context = half_step(
        recipe, role, 0, discriminator, batch, seen, latent, list(recipe.regularizer)
    )
    terms = attempt(
        recipe.loss, "its terms", lambda: terms_of(recipe, context, list(recipe.regularizer))
    )
    if not terms:
        return [f"loss {recipe.loss.use!r} has no term for the {role}"]
    problems = []
    parameters = [item for item in network.parameters() if item.requires_grad]
    for name, value in terms.items():
        if not bool(torch.isfinite(value)):
            problems.append(f"the {role}'s term {name!r} is {float(value)} on the first batch")
        elif not _reaches(value, parameters):
            problems.append(
                f"the {role}'s term {name!r} reaches no {role} parameter, so it trains nothing; "
                + _remedy(recipe, role)
            )
    discriminator.requires_grad_(True)
    return problems


def _reaches(term: Tensor, parameters: list[nn.Parameter]) -> bool:
    if not term.requires_grad:
        return False
    found = torch.autograd.grad(term, parameters, retain_graph=True, allow_unused=True)
    return any(gradient is not None for gradient in found)


def _remedy(recipe: Recipe, role: Role) -> str:
    if role == "generator" and recipe.step.generator_noise == "detached":
        return "step.generator_noise = 'detached' cuts it off: set it to 'shared'"
    return "a tensor was detached on the way, or a gradient taken without create_graph=True"


def attempt(spec: Spec, what: str, call: Callable[[], T]) -> T:
    """Return ``call()``; whatever a component raises becomes one line that names it.

    Raises:
        PluginError: naming the component, the error and the place.
    """
    try:
        return call()
    except (GanzooError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        place = last_place(error)
        raise PluginError(
            f"{spec.kind} {spec.use!r} failed at {what}: {type(error).__name__}: {error}{place}"
        ) from error


def last_place(error: BaseException) -> str:
    """Return `` (file:line)`` of the innermost frame outside torch, or nothing."""
    place = ""
    trace = error.__traceback__
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if "/torch/" not in file and "/ganzoo/guards.py" not in file:
            place = f" ({file}:{trace.tb_lineno})"
        trace = trace.tb_next
    return place
