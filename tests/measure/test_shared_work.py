"""Several processes share the work of measuring, and the scores are those of one, bit for bit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from crowd import Crowd
from torch import Tensor

from ganzoo.common.data_root import DataRoot
from ganzoo.measure import classifier as prepare
from ganzoo.measure.company import Following
from ganzoo.measure.features import FeatureNetwork
from ganzoo.measure.watch import watch
from ganzoo.plugin.registry import load_plugins
from ganzoo.recipe.check import load_recipe
from ganzoo.recipe.source import find_recipe
from ganzoo.training.machine import Machine
from ganzoo.training.parts import Parts, assemble
from ganzoo.training.shards import WHOLE
from ganzoo.training.together import Group
from ganzoo_datasets import Digits

REGISTRY = load_plugins([], [])
NARROW = ["generator.base_channels=2", "discriminator.base_channels=2"]
EVERY = "metric=[{}]".format(", ".join(f"{{use='{name}'}}" for name in REGISTRY.specs("metric")))
FEW = ["measure.samples=600", "measure.reference=700", "train.batch_size=8", "train.steps=2"]


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> DataRoot:
    return DataRoot(tmp_path_factory.mktemp("bare"), download=False)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DataRoot]:
    root = DataRoot(tmp_path_factory.mktemp("data"), download=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ganzoo.measure.fitting.LEAST_SEEN", 1280)
        patch.setattr("ganzoo.measure.fitting.PASSES", 0)
        patch.setenv("GANZOO_CACHE", str(root.path))
        prepare.train_classifier(Digits(), root)
        yield root


def measured(name: str, overrides: list[str], root: DataRoot, group: Group) -> dict[str, Any]:
    """Build a run, and measure it at its beginning; return what its result says."""
    recipe = load_recipe(find_recipe(name), REGISTRY, [*FEW, *overrides])
    cpu = Machine(torch.device("cpu"))
    parts: Parts = assemble(recipe, REGISTRY, root, cpu, warn=str, group=group, cut=WHOLE)
    torch.manual_seed(group.rank)  # of the random numbers, the first process's count
    if not group.is_first:
        Following(parts, REGISTRY).take(0)
        return {}
    measures = watch(parts, REGISTRY, str, asked="yes")
    entries = measures.take(0)
    assert {f"m/{name}" for name in measures.last} == entries.keys()
    return measures.result()


def same(name: str, overrides: list[str], root: DataRoot, *counts: int) -> dict[str, Any]:
    one = measured(name, overrides, root, Group())
    for count in counts:
        found, *others = Crowd(count).run(lambda group: measured(name, overrides, root, group))
        assert repr(found) == repr(one)
        assert others == [{}] * (count - 1)
    metrics: dict[str, Any] = one["metrics"]
    return metrics


def test_every_metric_of_points_is_that_of_one_process(bare: DataRoot) -> None:
    metrics = same("toy_ring", ["measure.samples=1000", EVERY], bare, 3)
    assert {"high_quality", "frechet", "kernel", "sliced"} <= metrics.keys()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "overrides", "taken"),
    [
        ("dcgan_digits", NARROW, "discriminator_gap"),
        ("cdcgan_digits", NARROW, "class_accuracy"),
        ("stylegan2_mnist", [], "frechet"),
    ],
)
def test_every_metric_is_that_of_one_process(
    name: str, overrides: list[str], taken: str, root: DataRoot
) -> None:
    if name == "stylegan2_mnist":
        overrides = [
            "dataset.use='digits'",
            "generator.channel_max=8",
            "discriminator.channel_max=8",
        ]
    metrics = same(name, [*overrides, EVERY], root, 2, 3)
    assert taken in metrics


def test_a_generator_that_leaves_traces_makes_all_batches_everywhere(bare: DataRoot) -> None:
    wanted = ["metric=[{use='frechet'}]", "measure.mode='train'", "measure.network='random'"]
    same("dcgan_digits", [*NARROW, *wanted, "generator.dropout=0.5"], bare, 2)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["pix2pix_digits", "cyclegan_digits"])
def test_translators_are_scored_as_by_one_process(name: str, root: DataRoot) -> None:
    wanted = [*NARROW, "dataset.size=32", "measure.samples=300"]
    metrics = same(name, wanted, root, 2)
    assert metrics


def test_each_process_looks_at_its_share(bare: DataRoot, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: Counter[int] = Counter()
    plain = FeatureNetwork.see

    def see(self: FeatureNetwork, images: Tensor, labels: Tensor | None = None) -> Any:
        seen[len(images)] += 1
        return plain(self, images, labels)

    monkeypatch.setattr(FeatureNetwork, "see", see)
    sizes = ["measure.samples=250", "measure.reference=1000", "measure.network='random'"]
    wanted = [*NARROW, "metric=[{use='frechet'}]", *sizes]
    measured("dcgan_digits", wanted, bare, Group())
    assert seen == {250: 6}  # fakes, their floor, and four of the reference
    seen.clear()
    Crowd(2).run(lambda group: measured("dcgan_digits", wanted, bare, group))
    # In a round of one the other sees the same again: a round takes as long as a batch.
    assert seen == {250: 8}
