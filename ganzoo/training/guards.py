"""What is tried before step 1: do the parts fit, and does every term train what it should?

The trial runs on copies, so it leaves no trace in the run.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim import Optimizer

from ganzoo.common.errors import GanzooError
from ganzoo.plugin.attempt import attempt
from ganzoo.plugin.specs import Spec
from ganzoo.plugin.types import ImageShape, Role
from ganzoo.recipe.model import Recipe
from ganzoo.training import guards
from ganzoo.training.coupling import coupled_terms, couples, leaves_out
from ganzoo.training.feed import Batch
from ganzoo.training.half_step import (
    Game,
    Player,
    Players,
    apply_views,
    half_step,
    in_halves,
    owners,
    seen_shape,
    terms_of,
    viewed_labels,
)
from ganzoo.training.parts import Parts
from ganzoo.training.precision import named
from ganzoo.training.randomness import observing
from ganzoo.training.state import Reporter
from ganzoo.training.step import Ramps, cut_of


def probe(
    recipe: Recipe,
    generator: nn.Module,
    discriminator: nn.Module,
    batch: Batch,
    latent: Tensor,
    shape: ImageShape,
    own: Mapping[str, nn.Module] | None = None,
    optimizer: Optimizer | None = None,
) -> list[str]:
    """Try one half-step of each side on copies of the networks; return what is wrong with it.

    Args:
        own: the modules of components, by their places; see ``half_step.owners``.
        optimizer: the discriminator's, to be read.

    Raises:
        PluginError: if a component fails outright.
    """
    with observing():
        generator, discriminator = copy.deepcopy(generator).train(), copy.deepcopy(discriminator)
        discriminator.train()
        copies = {place: copy.deepcopy(module).train() for place, module in (own or {}).items()}
        game = Game(
            recipe,
            generator,
            discriminator,
            PROBE_STEPS,
            copies,
            discriminator_optimizer=optimizer,
        )
        players = players_of(recipe, copies)
        inputs = (latent, batch.labels) if recipe.generator.uses_labels else (latent,)
        made = attempt(recipe.generator, "making images", lambda: generator(*inputs))
        ranges = wrong_range(recipe, shape)
        problems = wrong_output(recipe.generator, made, "images")
        made = {} if problems else named(made, "images")
        problems += wrong_images(recipe.generator, made.get("images"), len(latent), shape)[
            : not problems
        ]
        if problems:
            return problems
        seen, wanted = seen_of(players, made["images"]), seen_shape(recipe.view, shape)
        seen_of(players, batch.images, "real")
        if recipe.view and (problems := wrong_images(recipe.view[-1], seen, len(seen), wanted)):
            return problems
        labels = viewed_labels(recipe.view, batch.labels)
        scored = (seen, labels) if recipe.discriminator.uses_labels else (seen,)
        logits = attempt(recipe.discriminator, "scoring images", lambda: discriminator(*scored))
        problems = wrong_output(recipe.discriminator, logits, "logits")
        if not problems:
            main = named(logits, "logits")["logits"]
            problems = wrong_logits(recipe.discriminator, main, len(seen))
        if problems:
            return problems
        roles: tuple[Role, Role] = ("discriminator", "generator")
        for role in roles:
            ranges += _wrong_terms(game, role, players, batch, made, latent)
    return ranges


def players_of(recipe: Recipe, own: Mapping[str, nn.Module]) -> Players:
    """Return every component of a recipe with the numbers of its first step."""
    specs = owners(recipe)
    ramps = Ramps(specs, PROBE_STEPS)
    found = {place: Player(ramps.at(spec, 0), own.get(place)) for place, spec in specs.items()}
    return Players(
        found["loss"],
        [player for place, player in found.items() if place.startswith("regularizer.")],
        [player for place, player in found.items() if place.startswith("view.")],
    )


def seen_of(players: Players, images: Tensor, which: Literal["real", "fake"] = "fake") -> Tensor:
    """Return what is seen of images; a view that fails is named."""
    for view in players.views:
        apply = partial(apply_views, [view], images, which)
        images = attempt(view.spec, f"changing {which} images", apply)
    return images


def wrong_output(spec: Spec, found: object, main: str) -> list[str]:
    """Return what is wrong with a network's output as such: no tensor, no mapping, no ``main``."""
    who = f"{spec.kind} {spec.use!r}"
    if isinstance(found, Tensor):
        return []
    if not isinstance(found, Mapping):
        wanted = f"a tensor, or a mapping of tensors with {main!r} in it"
        return [f"{who} returned {type(found).__name__}, expected {wanted}"]
    if main not in found:
        names = ", ".join(map(repr, found)) or "nothing"
        return [f"{who} returned a mapping of {names} without {main!r}"]
    problems = [
        f"{who} returned {name!r} as {type(value).__name__}, expected a tensor"
        for name, value in found.items()
        if not isinstance(value, Tensor)
    ]
    return problems or [
        f"{who} returned {name!r} with values that are not finite"
        for name, value in found.items()
        if name != main and not bool(torch.isfinite(value).all())
    ]


def wrong_images(spec: Spec, images: object, count: int, shape: ImageShape) -> list[str]:
    """Return how ``images`` differ from ``[count, C, H, W]`` finite floats in [low, high]."""
    who = f"{spec.kind} {spec.use!r}"
    wanted = (count, shape.channels, shape.height, shape.width)
    if not isinstance(images, Tensor):
        return [f"{who} returned {type(images).__name__}, the recipe needs images {wanted}"]
    if tuple(images.shape) != wanted:
        return [f"{who} returned {tuple(images.shape)}, the recipe needs {wanted}"]
    if not images.is_floating_point():
        return [f"{who} returned {images.dtype}, the recipe needs floating point images"]
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
        return [f"{who} returned {found}, one logit per image is expected: ({count},)"]
    if not bool(torch.isfinite(logits).all()):
        return [f"{who} returned logits that are not finite"]
    return []


def told_of_parts(
    parts: Parts, batch: Batch, labels: Tensor | None, seen: Tensor, reporter: Reporter
) -> None:
    """Warn where a batch that is cut into parts trains otherwise than in one piece.

    Args:
        batch: a few images.
        labels: theirs, where the discriminator takes them.
        seen: what the discriminator is shown of them.
    """
    cut, recipe = cut_of(parts.recipe, parts.group), parts.recipe
    if cut.parts == 1 or len(batch.images) < 2:
        return
    shards, accumulate = recipe.train.shards, recipe.step.accumulate
    ways = [f"train.shards = {shards}"] if shards > 1 and not recipe.train.sync_norm else []
    ways += [f"step.accumulate = {accumulate}"] if accumulate > 1 else []
    way = " and ".join(ways) or f"a run of {cut.parts} processes"
    for reason in coupled(parts, batch, labels, seen, cut.parts):
        reporter.warn(
            f"{way} is not the same as one large batch here: {reason}; docs/scaling.md says more"
        )


def _wrong_terms(
    game: Game,
    role: Role,
    players: Players,
    batch: Batch,
    made: Mapping[str, Tensor],
    latent: Tensor,
) -> list[str]:
    recipe, discriminator = game.recipe, game.discriminator
    is_cut = role == "discriminator" or in_halves(recipe).generator_noise == "detached"
    seen = {name: value.detach() if is_cut else value for name, value in made.items()}
    movable = [item for item in discriminator.parameters() if item.requires_grad]
    for parameter in movable:
        parameter.requires_grad_(role == "discriminator")
    context = half_step(game, role, 0, batch, seen, latent, players)
    terms: dict[str, Tensor] = {}
    for player in (players.loss, *players.regularizers):
        alone = Players(player, [], players.views)  # type: ignore[arg-type]
        for name, value in attempt(
            player.spec,
            "its terms",
            lambda: terms_of(context, alone),  # noqa: B023
        ).items():
            if name in terms:
                raise GanzooError(
                    f"{player.spec.kind} {player.spec.use!r}: a term named {name!r} exists twice"
                )
            terms[name] = value
    if not terms:
        return [f"loss {recipe.loss.use!r} has no term for the {role}"]
    problems = []
    network = discriminator if role == "discriminator" else game.generator
    specs = owners(recipe)
    trained = [network, *(m for at, m in game.own.items() if specs[at].trained_with == role)]
    parameters = [item for each in trained for item in each.parameters() if item.requires_grad]
    for name, value in terms.items():
        if not bool(torch.isfinite(value)):
            problems.append(f"the {role}'s term {name!r} is {float(value)} on the first batch")
        elif not _reaches(value, parameters):
            problems.append(
                f"the {role}'s term {name!r} reaches no {role} parameter, so it trains nothing; "
                + _remedy(recipe, role)
            )
    for parameter in movable:
        parameter.requires_grad_(True)
    return problems


def _reaches(term: Tensor, parameters: list[nn.Parameter]) -> bool:
    if not term.requires_grad:
        return False
    found = torch.autograd.grad(term, parameters, retain_graph=True, allow_unused=True)
    return any(gradient is not None for gradient in found)


def _remedy(recipe: Recipe, role: Role) -> str:
    if role == "generator" and in_halves(recipe).generator_noise == "detached":
        return "step.generator_noise = 'detached' cuts it off: set it to 'shared'"
    return "a tensor was detached on the way, or a gradient taken without create_graph=True"


PROBE_IMAGES = 8
PROBE_STEPS = 1000
"""Length of the run that a trial pretends to be in."""
TOO_FEW = "Expected more than 1 value per channel when training"
"""How torch's batch norm refuses one image."""


def try_halves(parts: Parts, reporter: Reporter) -> list[str]:
    """Return what is wrong with the first step of a game in two halves."""
    networks = (parts.generator.network, parts.discriminator.network, *parts.own.values())
    with observing(*networks):
        torch.manual_seed(0)
        batch = _first(parts, min(PROBE_IMAGES, parts.recipe.train.batch_size))
        with _few_images(parts, len(batch.images), is_last=False):
            problems = _tried(parts, batch, len(batch.images))
        fewest, fakes, is_last = _fewest(parts)
        if not problems and fewest < len(batch.images):
            with _few_images(parts, fewest, is_last=is_last):
                problems = _tried(parts, _first(parts, fewest), fakes)
        labels = batch.labels if parts.recipe.discriminator.uses_labels else None
        penalised = [item.use for item in parts.recipe.regularizer if item.second_order]
        seen = apply_views(players_of(parts.recipe, parts.own).views, batch.images, "real")
        by_design = getattr(parts.recipe.discriminator, "minibatch_stddev", 0) and not any(
            isinstance(module, _BatchNorm) for module in parts.discriminator.network.modules()
        )
        if penalised and not by_design and couples(parts.discriminator.network, seen, labels):
            reporter.warn(
                f"the discriminator's logit of an image depends on the rest of its batch (batch "
                f"norm does that), so {penalised[0]!r} penalises something else than the slope at "
                "an image; use discriminator.norm = 'layer' or 'none'"
            )
        if not problems:
            told_of_parts(parts, batch, labels, seen, reporter)
    return problems


def settle(parts: Parts, problems: list[str], reporter: Reporter) -> None:
    """Tell what is wrong.

    Raises:
        GanzooError: listing it, unless the recipe only wants to be warned.
    """
    if not problems:
        return
    if parts.recipe.step.guards == "warn":
        for problem in problems:
            reporter.warn(problem)
        return
    raise GanzooError(
        "\n".join([*problems, "nothing was trained; step.guards = 'warn' trains anyway"])
    )


def coupled(
    parts: Parts, batch: Batch, labels: Tensor | None, seen: Tensor, pieces: int
) -> list[str]:
    """Return why a batch in parts trains otherwise than in one piece; nothing where it does not.

    Args:
        batch: a few images.
        labels: theirs, where the discriminator takes them.
        seen: what the discriminator is shown of them.
        pieces: how many parts there are.
    """
    recipe, own = parts.recipe, parts.own
    generator, discriminator = parts.generator.network, parts.discriminator.network
    if recipe.train.sync_norm:  # it takes the statistics of all parts together
        generator, discriminator = without_norms(generator), without_norms(discriminator)
    players = players_of(recipe, own)
    size = recipe.train.batch_size
    sizes = [len(each) for each in torch.arange(size).tensor_split(min(pieces, size))]
    latent = recipe.generator.latents(
        parts.noise.latents(recipe.latent, len(batch.images), "probe")
    )
    classes = batch.labels if recipe.generator.uses_labels else None
    reasons = []
    if couples(generator, latent, classes, "images"):
        reasons.append(
            "a fake depends on the others of its batch (the generator's batch norm does that), and "
            "each part has statistics of its own"
        )
    if couples(discriminator, seen, labels):
        reasons.append(
            "the discriminator's logit of an image depends on the rest of its batch (batch norm "
            "and minibatch_stddev do that), and each part has statistics of its own"
        )
    if leaves_out(players.views, batch.images, sizes):
        reasons.append(
            f"parts of {sizes[0]} images do not fill whole packs; choose another train.batch_size"
        )
    if reasons:
        return reasons
    game = Game(recipe, generator, discriminator, PROBE_STEPS, own)
    try:
        found = coupled_terms(game, players, batch, latent, sizes)
    except (RuntimeError, TypeError) as error:
        what = str(error).partition("\n")[0]
        return [f"or it may be different: the check, in float64, failed with: {what}"]
    return [
        f"{why}, the {' and the '.join(term for term, other in found.items() if other == why)}"
        for why in dict.fromkeys(found.values())
    ]


def without_norms(network: nn.Module) -> nn.Module:
    """Return a copy of a network without its batch norms."""
    found = copy.deepcopy(network)
    for module in list(found.modules()):
        for name, child in list(module.named_children()):
            if isinstance(child, _BatchNorm):
                setattr(module, name, nn.Identity())
    return found


def _first(parts: Parts, count: int) -> Batch:
    """Return the first ``count`` images of the run."""
    return parts.feed(0).rows(slice(count))


def _tried(parts: Parts, batch: Batch, fakes: int) -> list[str]:
    """Return what is wrong with one step at these images and as many latents as are wanted.

    Raises:
        GanzooError: if ``latents()`` breaks its promise.
        PluginError: if a component fails outright.
    """
    recipe = parts.recipe
    drawn = parts.noise.latents(recipe.latent, fakes, "probe")
    latent = attempt(recipe.generator, "latents()", lambda: recipe.generator.latents(drawn))
    if not isinstance(latent, Tensor) or len(latent) != len(drawn):
        found = tuple(latent.shape) if isinstance(latent, Tensor) else type(latent).__name__
        raise GanzooError(
            f"generator {recipe.generator.use!r}: latents() returned {found} for "
            f"{tuple(drawn.shape)}; it returns one row for each latent"
        )
    networks = parts.generator.network, parts.discriminator.network
    return guards.probe(
        recipe, *networks, batch, latent, parts.shape, parts.own, parts.discriminator.optimizer
    )


def _fewest(parts: Parts) -> tuple[int, int, bool]:
    """Return how few real images the networks are shown at once, the fakes with them, and why.

    It is a part of a batch, or of the last batch of an epoch where that is kept and gets its turn.
    """
    train, step = parts.recipe.train, in_halves(parts.recipe)
    rest = len(parts.data) % train.batch_size
    is_reached = parts.steps * step.discriminator_updates >= parts.feed.order.batches_per_epoch
    is_kept = train.last_batch == "keep" and train.order != "replacement"
    is_last = bool(rest) and is_kept and is_reached
    size = rest if is_last else train.batch_size
    count = min(cut_of(parts.recipe, parts.group).parts, size)
    return size // count, (train.batch_size if step.fakes == "full" else size) // count, is_last


@contextmanager
def _few_images(parts: Parts, count: int, *, is_last: bool) -> Iterator[None]:
    """Say of a component that fails at so few images which batch has them, and the ways out.

    Args:
        is_last: whether it is the last batch of an epoch that has.

    Raises:
        GanzooError: in place of what the component raised.
    """
    try:
        yield
    except GanzooError as error:
        what = str(error)
        is_norm = TOO_FEW in what
        if not is_norm and not is_last:
            raise
        train, accumulate = parts.recipe.train, parts.recipe.step.accumulate
        shards = 1 if train.sync_norm else train.shards
        some = "1 image" if count == 1 else f"{count} images"
        keys = [f"train.batch_size = {train.batch_size}"]
        ways = ["another train.batch_size"]
        if shards > 1:
            keys.append(f"train.shards = {shards}")
            ways.append("fewer train.shards")
        if accumulate > 1:
            keys.append(f"step.accumulate = {accumulate}")
            ways.append("a smaller step.accumulate")
        if is_last:
            keys = [f"{len(parts.data):,} images", *keys, "train.last_batch = 'keep'"]
            ways = ["train.last_batch = 'drop'", *ways]
        if is_norm:
            what = f"{what.partition(': ')[0]}, as batch norm needs more than one value a channel"
            ways.append("a norm without statistics of the batch, as norm = 'none' is")
        where = "the last batch of an epoch has" if is_last else "the networks are shown"
        raise GanzooError(
            f"{where} {some} ({', '.join(keys)}): {what}; nothing was trained; use "
            f"{', '.join(ways[:-1])}{' or ' if len(ways) > 1 else ''}{ways[-1]}"
        ) from error
