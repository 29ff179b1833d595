"""Real images against real images, and generators whose quality is known beforehand."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

from ganzoo.common.data_root import DataRoot
from ganzoo.measure import classifier as prepare
from ganzoo.measure.features import FeatureNetwork
from ganzoo.measure.reference import Bench
from ganzoo.measure.scoring import Scorer
from ganzoo.plugin.types import ImageShape
from ganzoo.recipe.model import Measure
from ganzoo.training.feed import pick
from ganzoo_datasets import Digits, Mnist, StackedMnist
from ganzoo_metrics import (
    ClassHistogram,
    Diversity,
    Frechet,
    Kernel,
    Memorisation,
    Neighbourhoods,
)

GENERATOR = torch.Generator().manual_seed(0)
METRICS = [
    Frechet(),
    Kernel(),
    Neighbourhoods(count=500),
    ClassHistogram(),
    Diversity(),
    Memorisation(count=200),
]


@pytest.fixture(scope="module")
def scorer(tmp_path_factory: pytest.TempPathFactory) -> Scorer:
    root = DataRoot(tmp_path_factory.mktemp("data"), download=False)
    train, test = Digits().build(root), Digits().build(root, "test")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ganzoo.measure.fitting.LEAST_SEEN", 5000)
        patch.setattr("ganzoo.measure.fitting.PASSES", 0)
        network = prepare.classifier(Digits(), train, root)
    bench = Bench(Measure(samples=500), ImageShape(1, 28, 28), train, test, network)
    return Scorer(bench, METRICS, ema=False)


def test_the_floor_of_digits_is_low_and_all_classes_are_there(scorer: Scorer) -> None:
    floors = {name: floor["value"] for name, floor in scorer.floors().items()}

    assert floors["frechet"] < 1
    assert abs(floors["kernel"]) < 0.1
    assert floors["precision"] > 0.85
    assert floors["recall"] > 0.85
    assert floors["coverage"] > 0.85
    assert floors["diversity"] == pytest.approx(1, abs=0.05)
    assert floors["modes_5"] == 10
    assert floors["class_kl"] < 0.02


def test_noise_is_far_from_digits_imprecise_and_not_memorised(scorer: Scorer) -> None:
    floors = scorer.floors()
    noise = torch.randint(256, (500, 1, 28, 28), generator=GENERATOR, dtype=torch.uint8)

    found = scorer.score([(noise, None)])

    assert found["frechet"] > 50 * floors["frechet"]["value"]
    assert found["kernel"] > 1
    assert found["precision"] < 0.05
    assert found["recall"] < 0.05
    assert found["coverage"] < 0.05
    assert found["memorised"] == 0


def test_a_generator_that_copies_scores_well_on_all_but_memorisation(scorer: Scorer) -> None:
    chosen = torch.randperm(1498, generator=GENERATOR)[:500]

    found = scorer.score([(pick(scorer.bench.train, chosen), None)])

    assert found["frechet"] < 1
    assert found["precision"] > 0.9
    assert found["recall"] > 0.9
    assert found["memorised"] == 1


def test_a_generator_with_one_image_is_precise_and_neither_complete_nor_diverse(
    scorer: Scorer,
) -> None:
    found = scorer.score([(pick(scorer.bench.train, torch.zeros(500, dtype=torch.int64)), None)])

    assert found["precision"] == 1
    assert found["recall"] < 0.05
    assert found["coverage"] < 0.05
    assert found["diversity"] == pytest.approx(0, abs=1e-6)
    assert found["modes_1"] == 1


def test_the_order_of_fakes_does_not_matter(scorer: Scorer) -> None:
    images = pick(scorer.bench.train, torch.arange(500))
    order = torch.randperm(500, generator=GENERATOR)

    first = scorer.score([(images, None)])
    second = scorer.score((part, None) for part in torch.split(images[order], 37))

    # The first 200 of another order are other images: diversity and memorisation look at batches.
    for name in ("frechet", "kernel", "precision", "recall", "density", "coverage", "class_kl"):
        assert second[name] == pytest.approx(first[name], rel=1e-3, abs=1e-6), name


def test_memory_does_not_grow_with_the_number_of_fakes(scorer: Scorer) -> None:
    images = pick(scorer.bench.train, torch.arange(100))
    meters = [spec.meter(scorer.bench) for spec in METRICS]
    seen = scorer.bench.network.see(images)

    def held() -> int:
        return sum(size_of(vars(meter)) for meter in meters)

    for _ in range(20):
        for meter in meters:
            meter.add(seen)
    early = held()
    for _ in range(100):
        for meter in meters:
            meter.add(seen)

    assert held() <= early + 1000 * seen.features.shape[1] * 8


def size_of(value: object) -> int:
    """Return the bytes of all tensors and arrays in what a meter holds, its reference apart."""
    if isinstance(value, Bench):
        return 0
    if hasattr(value, "nbytes"):
        return int(value.nbytes)
    if isinstance(value, dict):
        return sum(map(size_of, value.values()))
    if isinstance(value, list | tuple):
        return sum(map(size_of, value))
    return size_of(vars(value)) if hasattr(value, "__dict__") else 0


def stacks(digits: Tensor, classes: Tensor, wanted: Tensor) -> Iterator[tuple[Tensor, None]]:
    """Yield stacked images whose channels show test digits of the wanted classes."""
    of_class = [torch.nonzero(classes == digit).flatten() for digit in range(10)]
    for part in torch.split(wanted, 500):
        channels = []
        for place in (100, 10, 1):
            rows = part // place % 10
            drawn = torch.rand(len(part), generator=GENERATOR)
            index = torch.stack(
                [
                    of_class[int(row)][int(share * len(of_class[int(row)]))]
                    for row, share in zip(rows, drawn, strict=True)
                ]
            )
            channels.append(digits[index, 0])
        yield torch.stack(channels, 1), None


@pytest.fixture(scope="module")
def stacked(real_data: Path) -> Scorer:
    root = DataRoot(real_data, download=False)
    path = prepare.path_of(real_data, "mnist", Mnist().build(root).fingerprint)
    if not path.is_file():
        pytest.skip("needs the classifier of MNIST: ganzoo measure prepare mnist")
    network: FeatureNetwork = prepare.stacked(prepare.read_classifier(path), 3)
    data = StackedMnist(count=2000).build(root)
    measure = Measure(samples=26_000, reference=200)
    test = StackedMnist(count=26_000).build(root, "test")
    bench = Bench(measure, ImageShape(3, 28, 28), data, test, network)
    return Scorer(bench, [ClassHistogram(against="uniform")], ema=False)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_perfect_sampler_of_stacked_digits_finds_a_thousand_modes(
    stacked: Scorer, real_data: Path
) -> None:
    test = Mnist().build(DataRoot(real_data, download=False), "test")
    assert isinstance(test.images, Tensor)
    assert test.labels is not None
    everything = torch.randint(1000, (26_000,), generator=GENERATOR)
    hundred = 7 * torch.randint(100, (26_000,), generator=GENERATOR)

    perfect = stacked.score(stacks(test.images, test.labels, everything))
    few = stacked.score(stacks(test.images, test.labels, hundred))

    print("perfect sampler", perfect, "100 modes", few, "floor", stacked.floors())
    assert stacked.bench.n_fake == 26_000
    assert perfect["modes_1"] == 1000
    assert perfect["class_kl"] == pytest.approx(0.0192, abs=0.004)
    assert few["modes_1"] < 443
    assert few["modes_5"] < 150
