"""Published ways to take scores have names, decide what they say, and are told from each other."""

from pathlib import Path
from typing import Any

import pytest
import torch
from small_recipe import small

from ganzoo.common.errors import GanzooError
from ganzoo.measure.features import random_network
from ganzoo.measure.provenance import comparable, provenance
from ganzoo.measure.reference import Bench
from ganzoo.measure.scoring import Scorer
from ganzoo.plugin.types import ImageData, ImageShape
from ganzoo.recipe.model import Measure
from ganzoo.recipe.protocols import ALL, PROTOCOLS
from ganzoo.recipe.source import read_source
from ganzoo_metrics import Frechet

SOURCES = {  # samples, reference, split, network, checkpoint
    "studiogan-2021": (10_000, 10_000, "test", "inception", "best"),
    "mimicry": (50_000, 50_000, "train", "inception", "last"),
    "stylegan": (50_000, ALL, "train", "inception", "best"),
    "digits": (2000, 10_000, "train", "classifier", "last"),
}


def data(count: int) -> ImageData:
    images = torch.randint(256, (count, 1, 8, 8), dtype=torch.uint8)
    return ImageData(images, None, (), "test", "a")


def bench(train: int, test: int | None, measure: Measure) -> Bench:
    held = None if test is None else data(test)
    return Bench(measure, ImageShape(1, 8, 8), data(train), held, random_network(1))


@pytest.mark.parametrize("name", SOURCES)
def test_a_protocol_sets_what_its_source_says(name: Any) -> None:
    found = Measure(protocol=name)

    assert (
        found.samples, found.reference, found.split, found.network, found.checkpoint
    ) == SOURCES[name]  # fmt: skip
    assert found.mode == "eval"
    assert Measure.model_validate(found.model_dump()) == found
    assert set(SOURCES) == set(PROTOCOLS)


def test_other_values_beside_a_protocol_are_all_refused() -> None:
    with pytest.raises(ValueError, match=r"samples = 100 .*sets 50000.*split = 'test'") as caught:
        Measure.model_validate({"protocol": "mimicry", "samples": 100, "split": "test"})

    assert "network" not in str(caught.value)
    assert Measure.model_validate({"protocol": "mimicry", "samples": 50_000}).samples == 50_000


def test_a_protocol_replaces_what_the_recipe_under_it_says(tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text(small() + "[measure]\nsamples = 7\nseed = 3\nevery = 5\n", encoding="utf-8")

    found = read_source(path, ["measure.protocol='mimicry'"]).tables["measure"]
    both = read_source(path, ["measure.protocol='mimicry'", "measure.samples=8"]).tables["measure"]

    assert found == {"seed": 3, "every": 5, "protocol": "mimicry"}
    assert both["samples"] == 8


def test_a_published_protocol_keeps_its_numbers_and_the_floor_has_what_is_left() -> None:
    measure = Measure(protocol="mimicry").model_copy(update={"samples": 300, "reference": 400})
    made, alone = bench(400, 100, measure), bench(400, None, measure)

    assert (made.n_real, made.n_fake, made.n_floor, made.floor_split) == (400, 300, 100, "test")
    assert (alone.n_real, alone.n_fake, alone.n_floor) == (400, 300, 0)
    floor = Scorer(made, [Frechet()], ema=False).floors()["frechet"]
    assert floor["n"] == 100
    assert floor["value"] > 0
    assert Scorer(alone, [Frechet()], ema=False).floors()["frechet"]["value"] is None


def test_too_few_real_images_for_a_protocol_are_refused_unless_it_takes_all() -> None:
    with pytest.raises(GanzooError, match=r"takes 50,000 real images .*, and the dataset has 400"):
        bench(400, 100, Measure(protocol="mimicry"))
    assert bench(400, 100, Measure(protocol="stylegan")).n_real == 400


def test_scores_of_different_protocols_are_not_compared() -> None:
    own = Measure(samples=100, reference=200)
    named = [own.model_copy(update={"protocol": name}) for name in ("mimicry", "digits")]
    found = [provenance(bench(400, 200, each), Frechet(), ema=True) for each in (own, *named)]

    assert "protocol" not in found[0]
    assert "checkpoint" not in found[0]
    assert [each.get("protocol") for each in found] == [None, "mimicry", "digits"]
    assert found[1]["checkpoint"] == "last"
    for other in (found[0], found[2]):
        with pytest.raises(GanzooError, match="'protocol' is 'mimicry' and"):
            comparable(found[1], other)


def test_a_score_says_that_statistics_were_taken_anew() -> None:
    plain, standing = (
        provenance(
            bench(99, None, Measure(samples=9, reference=20, standing=n)), Frechet(), ema=True
        )
        for n in (0, 16)
    )

    assert "standing" not in plain
    with pytest.raises(GanzooError, match="'standing' is None and 16"):
        comparable(plain, standing)
