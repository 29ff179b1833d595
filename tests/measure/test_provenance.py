"""Scores say where they come from, and unlike ones are not compared."""

from typing import Any

import pytest
import torch

from ganzoo.common.errors import GanzooError
from ganzoo.measure.features import random_network
from ganzoo.measure.provenance import comparable, provenance, set_at_sampling
from ganzoo.measure.reference import Bench, nearest
from ganzoo.measure.scoring import Scorer, check_names, measurable
from ganzoo.plugin.types import ImageData, ImageShape
from ganzoo.recipe.model import Measure
from ganzoo_metrics import ClassHistogram, DiscriminatorGap, Frechet, Memorisation, Neighbourhoods
from ganzoo_metrics.pairs import Pairs
from ganzoo_resnet.generators import ResnetGenerator

GENERATOR = torch.Generator().manual_seed(0)


def data(count: int, fingerprint: str = "a") -> ImageData:
    images = torch.randint(256, (count, 1, 8, 8), generator=GENERATOR, dtype=torch.uint8)
    return ImageData(images, None, (), "test", fingerprint)


def bench(train: int = 400, test: int | None = 200, **measure: Any) -> Bench:
    return Bench(
        Measure(**{"samples": 100, "reference": 300, **measure}),
        ImageShape(1, 8, 8),
        data(train),
        None if test is None else data(test),
        random_network(1),
    )


def test_a_score_says_everything_that_decided_it() -> None:
    found = provenance(bench(), Neighbourhoods(k=3), ema=True)

    assert found["network"] == "random-conv"
    assert found["network_sha256"] == random_network(1).sha256
    expected = {
        "metric": "neighbourhoods", "k": 3, "count": 2000, "resize": "none", "pixels": "uint8",
        "data": "a", "split": "train", "n_real": 300, "n_fake": 100, "ema": True, "mode": "eval",
        "dtype": "float32", "seed": 0,
    }  # fmt: skip
    assert {name: found[name] for name in expected} == expected
    assert not any(isinstance(value, dict | list) for value in found.values())


def test_a_truncated_generators_score_is_no_other_ones() -> None:
    plain, cut = bench(), bench()
    plain.sampled = set_at_sampling(ResnetGenerator())
    cut.sampled = set_at_sampling(ResnetGenerator(truncation=0.5))
    found = [provenance(each, Frechet(), ema=True) for each in (plain, cut)]

    assert found[0] == provenance(bench(), Frechet(), ema=True)
    with pytest.raises(GanzooError, match=r"'generator\.truncation' is None and 0\.5"):
        comparable(*found)


def test_alike_scores_may_be_compared() -> None:
    comparable(provenance(bench(), Frechet(), ema=False), provenance(bench(), Frechet(), ema=False))


@pytest.mark.parametrize(
    ("field", "other"),
    [
        ("network_sha256", "f" * 64), ("resize", "bilinear"), ("split", "test"), ("n_fake", 99),
        ("n_real", 5), ("ema", True), ("mode", "train"), ("dtype", "float16"), ("seed", 1),
        ("data", "b"),
    ],
)  # fmt: skip
def test_unlike_scores_are_an_error_that_names_the_field(field: str, other: object) -> None:
    one = provenance(bench(), Frechet(), ema=False)

    with pytest.raises(GanzooError, match=f"'{field}' is .* and {repr(other)[:13]}"):
        comparable({"provenance": one, "value": 1.0}, {**one, field: other})
    comparable(one, {**one, field: other}, apart=[field])


def test_all_differing_fields_are_named_at_once() -> None:
    one = provenance(bench(), Frechet(), ema=False)

    with pytest.raises(GanzooError) as caught:
        comparable(one, {**one, "n_fake": 7, "mode": "train"})

    assert "'n_fake' is 100 and 7" in str(caught.value)
    assert "'mode' is 'eval' and 'train'" in str(caught.value)


def test_reference_and_floor_have_no_image_in_common() -> None:
    for made in (bench(), bench(test=None), bench(test=30), bench(split="test")):
        real = {bytes(image.numpy()) for seen in made.real() for image in seen.images}
        held_out = [bytes(image.numpy()) for seen in made.held_out() for image in seen.images]

        assert len(real) == made.n_real
        assert len(held_out) == made.n_fake
        assert not real & set(held_out)


@pytest.mark.parametrize(
    ("train", "test", "expected"),
    [
        (400, 200, (300, 100, "test")),
        (400, None, (300, 100, "train")),
        (1498, 299, (1297, 500, "test+train")),
        (60, 10, (30, 40, "test+train")),
    ],
)
def test_small_data_is_shared_between_reference_and_floor(
    train: int, test: int | None, expected: tuple[int, int, str]
) -> None:
    samples, reference = (500, 10_000) if train != 400 else (100, 300)
    made = bench(train, test, samples=samples, reference=reference)

    assert (made.n_real, made.n_fake, made.floor_split) == expected


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_floor_of_the_reference_itself_names_its_split(split: str) -> None:
    floors = Scorer(bench(split=split), [Pairs()], ema=False).floors()

    assert {floor["split"] for floor in floors.values()} == {split}


def test_the_reference_is_the_same_every_time() -> None:
    made = bench()
    first, again = ([seen.features for seen in made.real()] for _ in range(2))

    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))


def test_what_cannot_be_measured_is_said_and_left_out() -> None:
    metrics = [Frechet(), ClassHistogram(), DiscriminatorGap(), Memorisation()]

    usable, reasons = measurable(metrics, bench(test=None))

    assert [spec.use for spec in usable] == ["frechet"]
    assert reasons["class_kl"] == "the feature network 'random-conv' has no class labels"
    assert reasons["memorised"] == "the dataset has no test images"
    assert reasons["discriminator_gap"] == (
        "no discriminator judges plain single images; the dataset has no test images"
    )


def test_two_metrics_with_one_score_need_a_label() -> None:
    check_names([Neighbourhoods(), Neighbourhoods(k=3, label="near")])

    with pytest.raises(GanzooError, match="'precision' is also one of metric 'neighbourhoods'"):
        check_names([Neighbourhoods(), Neighbourhoods(k=3)])


def test_the_nearest_training_images_are_found_piece_by_piece() -> None:
    stored = data(500)
    chosen = torch.tensor([3, 499, 77])
    assert isinstance(stored.images, torch.Tensor)
    images = stored.images[chosen].clone()
    images[0, 0, 0, 0] ^= 1

    distances, numbers = nearest(images, stored, 3)

    assert numbers[:, 0].tolist() == chosen.tolist()
    assert distances[1:, 0].tolist() == [0, 0]
    assert float(distances[0, 0]) == pytest.approx(1 / 255 / 8, rel=1e-4)
    plain = (images.float() - stored.images[int(numbers[0, 2])].float()).square().mean((1, 2, 3))
    assert float(distances[0, 2]) == pytest.approx(float(plain[0].sqrt()) / 255, rel=1e-5)
