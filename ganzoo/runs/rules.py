"""The rules by which a run is judged: what is seen, what it means, what to change, who says so.

A rule is one row of ``RULES``, the gravest first. It holds where its function returns words. Its
changes are tried in order; one that does not fit the recipe returns no keys and is passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ganzoo.common.text import number
from ganzoo.recipe.toml import inline
from ganzoo.runs.evidence import Evidence, Score, rounded

# What the watch over a run and the rules go by

CERTAIN = 0.995
"""Discriminator accuracy from which it counts as having won."""
FOOLED = 0.9
"""Share of the generator's fakes taken for real from which its half counts as won."""
NEAR_ZERO = 0.05
"""Discriminator loss below which it counts as near zero."""
CERTAIN_LOGS = 10
"""Lines of the log in a row that show it."""
FEWEST_LOGS = 4
"""Lines that are enough in a run with fewer in all, where they are half of them."""
WARM_UP_STEPS = 500
"""Steps in which samples may be alike or flat: an untrained generator's always are."""
FEW_STEPS = 100
"""Steps after which nothing is said of a run but that it is short."""
STILL = 0.01
"""Share of the real images' contrast by which sheets differ that count as the same."""
UNMOVED = 0.002
"""Span of both losses over a run, of their size, that counts as none."""
ALIKE = 0.3
"""Share of the real images' mean distance below which fakes are alike."""
FLAT = 0.05
"""Share of the real images' contrast below which fakes are flat."""
NONE = 0.05
"""Share of what real images reach below which a score counts as none at all."""
MUCH = 0.5
"""Share of what real images reach from which it counts."""
FEW = 0.25
"""Share of the real images' kinds, or of the classes, below which they are few."""
LEAST_KINDS = 1.8
"""Of the real images: of fewer, nothing is said."""
FEW_CENTRES = 0.5
"""Share of a mixture's centres below which they are few."""
COPIED = 0.5
"""Share of memorised fakes from which they count as copies."""
WORSE = 1.5
"""Times its best value from which a score that shall be low has become worse."""
BETTER = 0.9
"""Share of what was missing two thirds of the way below which a score still improves."""
NEARLY = 0.98
"""Share of full marks from which a score has no way to go."""
FAR = 20
"""Times the floor from which images are far from real ones."""
REACHED = 1.5
"""Times the floor up to which a score is that of real images."""

# Who says so

ADVICE = "docs/troubleshooting.md"
KERAS = f"the Keras tutorial ({ADVICE})"
PYTORCH = f"the PyTorch tutorial ({ADVICE})"
FLUX = f"the fault of the Flux tutorial ({ADVICE})"
DCGAN = "Radford et al. 2016, arXiv:1511.06434, section 4"
WGAN = "Arjovsky et al. 2017, arXiv:1701.07875; Gulrajani et al. 2017, arXiv:1704.00028"
BOTH = f"{PYTORCH}; {WGAN}"
R1 = "Mescheder et al. 2018, arXiv:1801.04406"
R3GAN = "Huang et al. 2024, arXiv:2501.05441"
TTUR = "Heusel et al. 2017, arXiv:1706.08500"
PACGAN = "Lin et al. 2018, arXiv:1712.04086"
DIFFAUGMENT = "Zhao et al. 2020, arXiv:2006.10738"
DECAY = "Gulrajani et al. 2017, arXiv:1704.00028, appendix F"
AVERAGE = "Yazici et al. 2019, arXiv:1806.04498"
CLIPPING = "Pascanu et al. 2013, arXiv:1211.5063"
SEEN = "this run's own scores"

PLAIN = {"bce", "hinge", "least_squares", "relativistic", "wasserstein"}
"""Losses that play with logits alone, so that one can take another's place."""
SLOPES = {"gradient_penalty", "dragan", "r1", "r2", "weight_clip"}
"""Penalties and limits on the discriminator's slope, of which a game needs one."""

Verb = Literal["run", "resume", "measure"]
Keys = Sequence[str]
"""``key=value`` of each change, as ``--set`` takes them."""


@dataclass(frozen=True)
class Change:
    """Something to try.

    Attributes:
        keys: returns what to set; nothing where it does not fit the recipe.
        why: what it does, for the end of a sentence.
        source: who advises it.
        verb: whether a new run is made, this one goes on, or it is measured.
    """

    keys: Callable[[Evidence], Keys]
    why: str
    source: str
    verb: Verb = "run"


@dataclass(frozen=True)
class Rule:
    """What is seen of a run, and what to do about it.

    Attributes:
        name: as results have it.
        words: returns what was seen and what it means; nothing where it was not seen.
        changes: what to try, the likeliest first.
        is_trouble: whether something went wrong.
        of_scores: whether it looks at nothing but scores.
        hides: rules that say less of the same thing, and are left out beside this one.
    """

    name: str
    words: Callable[[Evidence], str]
    changes: tuple[Change, ...] = ()
    is_trouble: bool = True
    of_scores: bool = False
    hides: frozenset[str] = frozenset()


# What to change


def _half_rates(e: Evidence) -> Keys:
    return [
        f"optimizer.{role}.lr={rate / 2:g}"
        for role in ("generator", "discriminator")
        if (rate := e.rate(role)) is not None
    ]


def _clip(e: Evidence) -> Keys:
    roles = [role for role in ("generator", "discriminator") if e.key(f"optimizer.{role}")]
    return [
        f"optimizer.{role}.clip_norm=1.0"
        for role in roles
        if e.key(f"optimizer.{role}.clip_norm") is None
    ]


def _usual_rate(e: Evidence) -> Keys:
    """Rates that move nothing, at what DCGANs train with, or ten times what they are."""
    found = []
    for role in ("generator", "discriminator"):
        rate = e.rate(role)
        if rate is not None and rate < 1e-4:
            found.append(f"optimizer.{role}.lr={2e-4 if rate <= 2e-5 else 10 * rate:g}")
    return found


def _generator_rate(e: Evidence) -> Keys:
    return [each for each in _usual_rate(e) if each.startswith("optimizer.generator.")]


def _shared_noise(e: Evidence) -> Keys:
    is_cut = e.key("step.generator_noise") == "detached"
    return ["step.generator_noise=same"] if is_cut else []


def _fresh_noise(e: Evidence) -> Keys:
    is_reused = e.key("step.generator_noise") in ("shared", "same", "detached")
    return ["step.generator_noise=fresh"] if is_reused else []


def _short_average(e: Evidence) -> Keys:
    half_life = e.key("ema.half_life")
    is_long = isinstance(half_life, int | float) and half_life > e.step / 4
    return [f"ema.half_life={max(1, e.step // 20)}"] if is_long else []


def _no_head_start(e: Evidence) -> Keys:
    return ["step.generator_waits=0"] if e.key("step.generator_waits") else []


def _rates_together(e: Evidence) -> Keys:
    own, other = e.rate("discriminator"), e.rate("generator")
    if own is None or other is None or own < 4 * other:
        return []
    return [f"optimizer.discriminator.lr={other:g}"]


def _rates_apart(e: Evidence) -> Keys:
    own, other = e.rate("discriminator"), e.rate("generator")
    if own is None or other is None or not other / 2 < own < 2 * other:
        return []
    return [f"optimizer.discriminator.lr={2 * other:g}"]


def _slower_generator(e: Evidence) -> Keys:
    rate = e.rate("generator")
    return [] if rate is None else [f"optimizer.generator.lr={rate / 4:g}"]


def _dropout(e: Evidence) -> Keys:
    found = []
    for key, most in (("discriminator.dropout", 0.4), ("generator.stem_dropout", 0.4)):
        value = e.key(key)
        if isinstance(value, int | float) and value < 0.3:
            found.append(f"{key}={most}")
    return found


def _critic_dropout(e: Evidence) -> Keys:
    return [each for each in _dropout(e) if each.startswith("discriminator.")]


def _without_batch_norm(e: Evidence) -> Keys:
    """A penalty on slopes is refused where batch norm lets images look at each other."""
    if e.key("discriminator.norm") != "batch":
        return []
    return ["discriminator.norm=" + ("layer" if e.key("discriminator.use") == "conv" else "none")]


def _penalised(e: Evidence, loss: str, *penalties: Mapping[str, Any]) -> Keys:
    """Another loss with penalties on slopes, in place of those there are."""
    if e.key("loss.use") not in PLAIN:
        return []
    kept = [each for each in e.used("regularizer") if each.get("use") not in SLOPES]
    found = [f"loss.use={loss}"] if e.key("loss.use") != loss else []
    found.append(f"regularizer={inline([*map(dict, kept), *map(dict, penalties)])}")
    return [*found, *_without_batch_norm(e)]


def _wasserstein(e: Evidence) -> Keys:
    if e.key("loss.use") == "wasserstein" and e.uses("regularizer", "gradient_penalty"):
        return []
    return _penalised(e, "wasserstein", {"use": "gradient_penalty"})


def _pairs(e: Evidence) -> Keys:
    if e.key("loss.use") == "relativistic" and e.uses("regularizer", "r1"):
        return []
    return _penalised(e, "relativistic", {"use": "r1", "weight": 1.0}, {"use": "r2", "weight": 1.0})


def _r1(e: Evidence) -> Keys:
    if e.uses("regularizer", *SLOPES) or e.key("loss.use") == "wasserstein":
        return []
    return _penalised(e, str(e.key("loss.use")), {"use": "r1", "weight": 1.0})


def _viewed(e: Evidence, view: Mapping[str, Any]) -> Keys:
    if e.uses("view", str(view["use"])):
        return []
    return [f"view={inline([*map(dict, e.used('view')), dict(view)])}"]


def _packs(e: Evidence) -> Keys:
    size = e.key("train.batch_size")
    takes_labels = e.key("discriminator.labels") not in (None, "none")
    if takes_labels or not isinstance(size, int) or size % 2 or e.used("view"):
        return []
    if e.key("loss.use") not in PLAIN or e.used("regularizer"):
        return []
    return _viewed(e, {"use": "pack", "size": 2})


def _augmented(e: Evidence) -> Keys:
    if e.are_points or e.uses("view", "pack"):
        return []
    return _viewed(e, {"use": "diffaugment", "policy": ["translation", "cutout"]})


def _separate(e: Evidence) -> Keys:
    return ["step.batching=separate"] if e.key("step.batching") == "joint" else []


def _twice_as_long(e: Evidence) -> Keys:
    epochs, steps = e.key("train.epochs"), e.key("train.steps")
    if isinstance(steps, int):
        return [f"train.steps={max(2 * steps, 2 * WARM_UP_STEPS)}"]
    if not isinstance(epochs, int | float):
        return []
    return [f"train.epochs={epochs * max(2, -(-2 * WARM_UP_STEPS // max(1, e.step))):g}"]


def _to_the_best(e: Evidence) -> Keys:
    best = e.scores[0].best if e.scores else None
    return [] if best is None or best[1] >= e.step else [f"train.steps={best[1]}"]


def _average(e: Evidence) -> Keys:
    return [f"ema.half_life={max(10, e.step // 20)}"] if e.recipe and e.key("ema") is None else []


def _falling_rates(e: Evidence) -> Keys:
    roles = ("generator", "discriminator")
    if any(e.key(f"optimizer.{role}.schedule") != "constant" for role in roles):
        return []
    return [f"optimizer.{role}.schedule=linear" for role in roles]


LONGER = Change(_twice_as_long, "train for longer before you judge it", SEEN, "resume")
CUT = Change(_shared_noise, "give the generator its gradient", FLUX)
LESS = (
    Change(_wasserstein, "use Wasserstein's loss with a gradient penalty", f"{PYTORCH}; {WGAN}"),
    Change(_pairs, "judge images in pairs, with R1 and R2", R3GAN),
    Change(_packs, "show the discriminator two images at a time", PACGAN),
    Change(_slower_generator, "slow the generator down", ADVICE),
    Change(_dropout, "use dropout in both networks", KERAS),
)
"""Against images that are alike, or of few kinds."""


# What is seen


def _not_finite(e: Evidence) -> str:
    if e.status != "failed" or not ("became" in e.reason or "not finite" in e.reason):
        return ""
    return "The numbers diverged: the run was stopped before they could spoil a checkpoint"


def _stands_still(e: Evidence) -> str:
    if e.step and e.status == "done" and _shared_noise(e):
        return (
            "It has not learned: step.generator_noise = 'detached' cuts the generator from its "
            "gradient"
        )
    moved, between = e.look.get("moved"), e.look.get("moved_over", 0)
    if moved is not None and between >= 20 and moved < STILL:
        return (
            f"It has not learned: over {between:,.0f} steps the sheets changed by {moved:.1%} of "
            "the real images' contrast"
        )
    spans = [_span(e.course(name)) for name in ("d/loss", "g/loss")]
    if all(span is not None and span < UNMOVED for span in spans):
        return "It has not learned: neither loss has moved since the first line of the log"
    return ""


def _span(course: Sequence[tuple[int, float]]) -> float | None:
    values = [value for _, value in course]
    if len(values) < FEWEST_LOGS:
        return None
    return (max(values) - min(values)) / (max(map(abs, values)) or 1.0)


def certain_since(e: Evidence) -> tuple[int, bool] | None:
    """Return since which step the discriminator has won, and whether the generator was fooling it.

    It has won where the last lines of the log say so: ten of them, or half of a short log.
    """
    waits = e.key("step.generator_waits")
    alone = waits if isinstance(waits, int) else 0  # then it shall be right about everything
    lines = [
        each
        for each in e.log
        if not each.keys().isdisjoint({"d/loss", "d/accuracy"}) and (each.get("step") or 0) > alone
    ]
    first, fooled, count = None, [], 0
    for line in reversed(lines):
        if not is_certain(line):
            break
        first, count = line, count + 1
        fooled.append(is_fooled(line))
    if first is None or count < min(CERTAIN_LOGS, max(FEWEST_LOGS, -(-len(lines) // 2))):
        return None
    return int(first.get("step") or 0), sum(fooled) > count / 2


def is_certain(terms: Mapping[str, Any]) -> bool:
    """Return whether a discriminator was right about nearly every image, at hardly any loss.

    A Wasserstein critic may well be right about every image; its loss is then far below zero.
    """
    accuracy, loss = terms.get("d/accuracy", 1.0), terms.get("d/loss", 0.0)
    return (
        not terms.keys().isdisjoint({"d/accuracy", "d/loss"})
        and isinstance(accuracy, int | float)
        and isinstance(loss, int | float)
        and accuracy >= CERTAIN
        and 0 <= loss < NEAR_ZERO
    )


def is_fooled(terms: Mapping[str, Any]) -> bool:
    """Return whether the discriminator took nearly all fakes of the generator's half for real."""
    share = terms.get("g/accuracy", 0.0)
    return isinstance(share, int | float) and share >= FOOLED


def _told_by_the_batch(e: Evidence) -> str:
    found = certain_since(e)
    if found is None or not found[1]:
        return ""
    return (
        f"The discriminator judges by the batch: since step {found[0]:,} it has classified every "
        "image correctly in its own half and fakes as real in the generator's, so the "
        "generator learns nothing"
    )


def _discriminator_wins(e: Evidence) -> str:
    found = certain_since(e)
    if found is None or found[1] or _is_close(e):
        return ""
    last = next(each for each in reversed(e.log) if is_certain(each))
    told = [
        f"{name} {last[key]:.{digits}f}"
        for key, name, digits in (("d/accuracy", "accuracy", 2), ("d/loss", "loss", 3))
        if key in last
    ]
    return (
        f"The discriminator wins: {' and '.join(told)} since step {found[0]:,}, so the generator "
        "learns little from it"
    )


def _flat(e: Evidence) -> str:
    is_flat = e.look.get("contrast", 1.0) < FLAT and e.step > WARM_UP_STEPS
    if "flat" not in e.events and not is_flat:
        return ""
    return "The images are flat: they have hardly any contrast, so the generator learned nothing"


def _collapsed(e: Evidence) -> str:
    distance = e.look.get("distance")
    if distance is not None and distance < ALIKE and e.step > WARM_UP_STEPS:
        return (
            f"The generator collapsed: its images differ by {distance:.0%} of what real images "
            "differ"
        )
    if distance is None and "collapsed" in e.events:
        return (
            f"The generator collapsed: its images have been nearly the same since step {_since(e)}"
        )
    return ""


def _since(e: Evidence) -> str:
    return f"{e.events['collapsed']:,}"


def are_few(kinds: float | None, real_kinds: float | None) -> bool:
    """Return whether images are of one kind or two of many: how many they are, and real ones."""
    if kinds is None or real_kinds is None or real_kinds < LEAST_KINDS:
        return False
    return kinds < max(FEW * real_kinds, 1.2)


def _few_kinds(e: Evidence) -> str:
    kinds, real_kinds = e.look.get("kinds"), e.look.get("real_kinds")
    if e.step <= WARM_UP_STEPS or not are_few(kinds, real_kinds):
        return ""
    return (
        f"The generator lost kinds of images: it makes about {kinds:.1f} of the "
        f"{real_kinds:.1f} that real images are of"
    )


def _off_centre(e: Evidence) -> str:
    for score in e.all_of("high_quality"):
        if score.share < NONE:
            return (
                f"{score.name} {number(score.value)} of {number(score.wanted)}: hardly a point "
                "lies near a centre yet"
            )
    return ""


def _few_centres(e: Evidence) -> str:
    if _off_centre(e) or e.step <= WARM_UP_STEPS:
        return ""
    for score in e.all_of("modes"):
        if score.share <= FEW_CENTRES:
            return (
                f"The generator misses modes: its points lie near {score.value:.0f} of "
                f"{score.wanted:.0f} centres"
            )
    return ""


def _few_classes(e: Evidence) -> str:
    for score in e.all_of("modes_5"):
        if score.share < FEW:
            return (
                f"{score.name} {number(score.value)}: the classifier finds only "
                f"{score.value:.0f} of {score.wanted:.0f} classes at least five times among the "
                "fakes; look at the sheets: the generator makes either only these classes or no "
                "recognisable images yet"
            )
    return ""


def _memorised(e: Evidence) -> str:
    for score in e.all_of("memorised"):
        if score.value >= COPIED:
            return (
                f"{score.name} {number(score.value)}: that share of the fakes is closer to a "
                "training image than almost any real image is: they are copies, and inflate the "
                "other scores; look at the nearest training images"
            )
    return ""


def _pair(group: Mapping[str, Score]) -> tuple[str, float, float] | None:
    if not {"precision", "recall"} <= group.keys():
        return None
    near, wide = group["precision"], group["recall"]
    both = f"{near.name} {number(near.value)} with {wide.name} {number(wide.value)}"
    return both, near.share, wide.share


def _of_pairs(e: Evidence, holds: Callable[[float, float], bool], words: str) -> str:
    for group in e.groups.values():
        found = _pair(group)
        if found is not None and holds(*found[1:]):
            return f"{found[0]}: {words}"
    return ""


def _narrow(e: Evidence) -> str:
    return _of_pairs(
        e,
        lambda near, wide: near >= MUCH and wide < NONE,
        "the fakes lie among real images, but no real image lies among them. They are too "
        "similar, of few kinds, or noise that the features mistake for one kind; high precision "
        "alone means nothing here. Look at the newest sheet: while it shows noise, train longer; "
        "where all tiles are one image or one kind, the generator has collapsed",
    )


def _wide(e: Evidence) -> str:
    return _of_pairs(
        e,
        lambda near, wide: near < NONE and wide >= MUCH,
        "the fakes are spread so widely that real images lie among them, but no fake lies among "
        "real images; high recall alone means nothing here",
    )


def _apart(e: Evidence) -> str:
    return _of_pairs(
        e,
        lambda near, wide: near < NONE and wide < NONE,
        "fakes and real images are far apart; no fake looks like a real image yet",
    )


def _too_short(e: Evidence) -> str:
    if e.status != "done" or not 0 < e.step <= WARM_UP_STEPS:
        return ""
    early = f"Too early to tell after {e.step:,} steps"
    if e.look.get("distance", 1.0) < ALIKE:
        return f"{early}: the images are still much alike"
    if "few_kinds" in e.events or _narrow(e) or _few_classes(e):
        return f"{early}: the images are still of few kinds"
    if _apart(e) or _off_centre(e):
        return f"{early}: no image looks like a real one yet"
    return early if e.step <= FEW_STEPS else ""


def _overshot(e: Evidence) -> str:
    for score in e.scores[:1]:
        if score.best is None or score.best[1] > 0.8 * e.step:
            continue
        best = score.missing(score.best[0])
        if best > 0 and score.missing(score.value) > WORSE * best and _is_worse(score):
            return (
                f"It was better before: {score.name} was {number(score.best[0])} at step "
                f"{score.best[1]:,} and is {number(score.value)} now"
            )
    return ""


def _is_worse(score: Score) -> bool:
    """Tell apart what is much worse from what was near full marks, of which little is missing."""
    return score.is_lower_better or (
        score.best is not None and score.value < BETTER * score.best[0]
    )


def _improves(e: Evidence) -> str:
    for score in e.scores[:1]:
        course = score.course
        is_there = score.share >= NEARLY if not score.is_lower_better else _times(score) <= REACHED
        if len(course) < 3 or is_there:
            continue
        before = [value for step, value in course if step <= 2 / 3 * course[-1][0]]
        last, missing = course[-1][1], [score.missing(value) for _, value in course]
        if (
            before
            and missing[-1] <= min(missing)
            and (missing[-1] < BETTER * score.missing(before[-1]))
        ):
            went = "fell" if score.is_lower_better else "rose"
            return (
                f"It is still improving: {score.name} {went} from {number(before[-1])} to "
                f"{number(last)} in the last third of the training"
            )
    return ""


def _times(score: Score) -> float:
    return float("inf") if score.times is None else score.times


def _is_close(e: Evidence) -> bool:
    return bool(e.scores) and _times(e.scores[0]) <= 3


def _as_real(e: Evidence) -> str:
    if e.scores and (times := _times(e.scores[0])) <= REACHED:
        return (
            f"It reached the floor: by {e.scores[0].name} its images are as good as real ones "
            f"({rounded(times)} times what real images score against each other)"
        )
    return ""


def _learned(e: Evidence) -> str:
    if e.status != "done" or not e.scores:
        return ""
    first = e.scores[0]
    far = _times(first) > FAR if first.times is not None else first.share < MUCH
    if far and (first.times is not None or not first.is_lower_better):
        return "It has learned something, and its images are still far from real ones"
    return "It learned, and nothing looks wrong"


def _unmeasured(e: Evidence) -> str:
    if e.status != "done" or e.scores:
        return ""
    return "Nothing looks wrong, but nothing was measured: no score says how good the images are"


OF_ONE = frozenset(
    {
        "flat",
        "collapsed",
        "few_kinds",
        "few_centres",
        "few_classes",
        "off_centre",
        "narrow",
        "wide",
        "apart",
    }
)
"""What a generator that does not learn also shows."""

RULES: tuple[Rule, ...] = (
    Rule(
        "not_finite",
        _not_finite,
        (
            Change(_half_rates, "halve both learning rates", DCGAN),
            Change(_clip, "clip the gradients", CLIPPING),
            Change(_r1, "penalise a steep discriminator", R1),
        ),
    ),
    Rule(
        "stands_still",
        _stands_still,
        (
            CUT,
            Change(_usual_rate, "raise the learning rate so that the weights move", DCGAN),
            Change(_short_average, "average over fewer steps", AVERAGE),
            Change(_no_head_start, "let the generator train from the start", KERAS),
        ),
        hides=OF_ONE | {"too_short", "discriminator_wins", "told_by_the_batch"},
    ),
    Rule(
        "told_by_the_batch",
        _told_by_the_batch,
        (
            Change(_separate, "score real images and fakes in separate batches", ADVICE),
            Change(_without_batch_norm, "normalise each image by itself", WGAN),
            Change(_r1, "penalise a steep discriminator", R1),
        ),
        hides=OF_ONE | {"too_short", "discriminator_wins"},
    ),
    Rule(
        "discriminator_wins",
        _discriminator_wins,
        (
            Change(_no_head_start, "do not train the discriminator beforehand", KERAS),
            CUT,
            Change(
                _generator_rate,
                "raise the generator's learning rate so that its weights move",
                DCGAN,
            ),
            Change(_rates_together, "give both networks the same learning rate", DCGAN),
            Change(_critic_dropout, "make the discriminator's task harder with dropout", KERAS),
            Change(_r1, "penalise a steep discriminator", R1),
            Change(_fresh_noise, "give the generator fresh latents", KERAS),
            Change(_rates_apart, "give the discriminator a different learning rate", KERAS),
        ),
        hides=OF_ONE | {"too_short"},
    ),
    Rule(
        "flat",
        _flat,
        (
            CUT,
            Change(_usual_rate, "raise the learning rate so that the weights move", DCGAN),
            Change(_slower_generator, "slow the generator down", ADVICE),
            Change(_dropout, "use dropout in both networks", KERAS),
        ),
        hides=OF_ONE | {"too_short"},
    ),
    Rule("collapsed", _collapsed, LESS, hides=OF_ONE | {"too_short"}),
    Rule("few_kinds", _few_kinds, LESS, hides=frozenset({"narrow", "few_classes"})),
    Rule("few_centres", _few_centres, LESS),
    Rule(
        "memorised",
        _memorised,
        (
            Change(_augmented, "augment what the discriminator sees", DIFFAUGMENT),
            Change(_dropout, "use dropout in both networks, against memorising", KERAS),
            Change(_to_the_best, "stop where the scores were best", SEEN),
            Change(_r1, "penalise a steep discriminator", R1),
        ),
        of_scores=True,
    ),
    Rule("too_short", _too_short, (LONGER,), is_trouble=False, hides=OF_ONE),
    Rule("off_centre", _off_centre, (LONGER, *LESS), of_scores=True),
    Rule("narrow", _narrow, (LONGER, *LESS), of_scores=True),
    Rule(
        "wide",
        _wide,
        (LONGER, Change(_rates_apart, "try another learning rate for the discriminator", KERAS)),
        of_scores=True,
    ),
    Rule(
        "apart",
        _apart,
        (LONGER, Change(_dropout, "use dropout in both networks", KERAS)),
        of_scores=True,
    ),
    Rule("few_classes", _few_classes, (LONGER, *LESS), of_scores=True),
    Rule(
        "better_before",
        _overshot,
        (
            Change(_average, "average the generator's weights", AVERAGE),
            Change(_falling_rates, "let the learning rates fall to zero", DECAY),
            Change(_to_the_best, "stop where the score was best", SEEN),
        ),
    ),
    Rule("improves", _improves, (LONGER,), is_trouble=False),
    Rule("as_real", _as_real, (), is_trouble=False),
    Rule(
        "learned",
        _learned,
        (
            LONGER,
            Change(_average, "average the generator's weights", AVERAGE),
            Change(_falling_rates, "let the learning rates fall to zero", DECAY),
        ),
        is_trouble=False,
    ),
    Rule(
        "unmeasured",
        _unmeasured,
        (Change(lambda _: ["measure"], "evaluate it against real images", SEEN, "measure"),),
        is_trouble=False,
    ),
)
"""The gravest first; what else holds is said after it."""
LAST = ("as_real", "learned", "unmeasured")
"""Said only where nothing else is."""
