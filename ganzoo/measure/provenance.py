"""Where a score comes from, and whether two scores may be compared."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from ganzoo.common.errors import GanzooError
from ganzoo.plugin.specs import GeneratorSpec, MetricSpec
from ganzoo.plugin.types import is_points
from ganzoo.recipe.model import Measure
from ganzoo.recipe.protocols import OWN

if TYPE_CHECKING:
    from ganzoo.measure.reference import Bench

FORMAT = 1
"""Version of how scores are taken; raised when the same settings would give other numbers."""


def provenance(bench: Bench, spec: MetricSpec, *, ema: bool) -> dict[str, Any]:
    """Return everything that decides a score beside the generator; a flat table."""
    settings = {
        name: value for name, value in spec.model_dump().items() if name not in {"label", "use"}
    }
    return {
        "metric": spec.use,
        **settings,
        "network": bench.network.name,
        "network_sha256": bench.network.sha256,
        "network_accuracy": bench.network.accuracy,
        "resize": bench.network.resize(bench.image),
        "pixels": "as stored" if is_points(bench.image) else "uint8",
        "data": bench.train.fingerprint,
        "image": str(bench.image),
        "split": bench.measure.split,
        "n_real": bench.n_real,
        "n_fake": bench.n_fake,
        "ema": ema,
        "mode": bench.measure.mode,
        "dtype": "float32",
        "seed": bench.measure.seed,
        **{f"generator.{name}": value for name, value in bench.sampled.items()},
        **_told(bench.measure),
        "format": FORMAT,
    }


def _told(measure: Measure) -> dict[str, Any]:
    """Return what is said where it is not the usual, so that scores of before stay comparable."""
    told: dict[str, Any] = {}
    if measure.protocol != OWN:
        told["protocol"] = measure.protocol
    if measure.protocol != OWN or measure.checkpoint != "last":
        told["checkpoint"] = measure.checkpoint
    if measure.standing:
        told["standing"] = measure.standing
    return told


def set_at_sampling(generator: GeneratorSpec) -> dict[str, Any]:
    """Return what a generator may be told when it is sampled, where it is: a truncation.

    Left out where it is not, so that scores of before stay comparable.
    """
    values = {name: getattr(generator, name) for name in sorted(generator.at_sampling)}
    return {name: value for name, value in values.items() if value is not None}


def comparable(a: Mapping[str, Any], b: Mapping[str, Any], *, apart: Collection[str] = ()) -> None:
    """Do nothing if two scores were taken alike.

    Args:
        a: provenance of a score, or the whole score with its 'provenance'.
        b: likewise.
        apart: fields that may differ, e.g. 'ema' where the two runs are compared in just that.

    Raises:
        GanzooError: naming every field that differs, with both values.
    """
    first, second = a.get("provenance", a), b.get("provenance", b)
    fields = [*first, *(name for name in second if name not in first)]
    unlike = [
        f"'{name}' is {_brief(first.get(name))} and {_brief(second.get(name))}"
        for name in fields
        if name not in apart and first.get(name) != second.get(name)
    ]
    if unlike:
        raise GanzooError(
            f"the two scores were measured differently and cannot be compared: {'; '.join(unlike)}"
            "; measure both in the same way: ganzoo measure RUN"
        )


def _brief(value: object) -> str:
    """Return a value as Python writes it; of a checksum the beginning."""
    return re.sub(r"\b([0-9a-f]{12})[0-9a-f]{52}\b", r"\1…", repr(value))
