"""Digits that come with scikit-learn, and digits stacked by threes."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

import pytest
import torch
from resident import assert_facts, images_of, labels_of

from ganzoo.api import DataError, DataRoot, Split
from ganzoo_datasets import digits
from ganzoo_datasets.digits import Digits, packaged
from ganzoo_datasets.stacked_mnist import StackedMnist

NOWHERE = DataRoot(Path("/nowhere"), download=False)


def test_digits_are_scikit_learns() -> None:
    from sklearn.datasets import load_digits

    reference = load_digits()
    train = Digits(size=8).build(NOWHERE)
    test = Digits(size=8).build(NOWHERE, "test")

    images = torch.tensor(reference.images).mul(255 / 16).round().to(torch.uint8).unsqueeze(1)
    labels = torch.tensor(reference.target)
    held_out = torch.arange(1797) % 6 == 5
    assert torch.equal(images_of(train), images[~held_out])
    assert torch.equal(labels_of(train), labels[~held_out])
    assert torch.equal(images_of(test), images[held_out])
    assert torch.equal(labels_of(test), labels[held_out])
    assert (len(train), len(test)) == (1498, 299)


def test_enlarged_digits_fit_recipes_for_mnist() -> None:
    data = Digits().build(NOWHERE)

    assert images_of(data).shape == (1498, 1, 28, 28)
    assert images_of(data).dtype == torch.uint8
    assert int(images_of(data).max()) == 255


def test_enlarging_by_a_whole_factor_repeats_pixels() -> None:
    small = images_of(Digits(size=8).build(NOWHERE))
    large = images_of(Digits(size=24, enlarge="nearest").build(NOWHERE))

    assert torch.equal(large, small.repeat_interleave(3, 2).repeat_interleave(3, 3))


def test_enlarging_keeps_the_ink() -> None:
    small = images_of(Digits(size=8).build(NOWHERE)).float().mean().item()
    large = images_of(Digits(size=32).build(NOWHERE)).float().mean().item()

    assert large == pytest.approx(small, rel=0.01)


def test_the_splits_and_sizes_have_their_own_fingerprints() -> None:
    data = [Digits(), Digits(size=32), Digits(enlarge="nearest")]
    found = {spec.build(NOWHERE, split).fingerprint for spec in data for split in ("train", "test")}

    assert len(found) == 6
    assert Digits().build(NOWHERE).fingerprint in found


@pytest.mark.parametrize("spec", [Digits(), Digits(size=9, enlarge="nearest")])
@pytest.mark.parametrize("split", ["train", "test"])
def test_what_is_told_without_torch_is_what_is_built(spec: Digits, split: Split) -> None:
    assert_facts(spec, NOWHERE, split)


@pytest.mark.parametrize(
    "content",
    [b"", b"text", gzip.compress(b"1,2,3\n"), gzip.compress(b"\xff\xfe"), gzip.compress(b"")],
    ids=["empty", "text", "short", "no-text", "no-lines"],
)
def test_another_file_in_its_place_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes
) -> None:
    broken = tmp_path / "digits.csv.gz"
    broken.write_bytes(content)
    monkeypatch.setattr(digits, "packaged", lambda: broken)

    with pytest.raises(DataError, match=r"'.*/digits\.csv\.gz': .*; install scikit-learn again"):
        Digits().build(NOWHERE)


def test_a_line_with_a_wrong_value_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "digits.csv.gz"
    broken.write_bytes(gzip.compress(gzip.decompress(packaged().read_bytes())[:-2] + b"17\n"))
    monkeypatch.setattr(digits, "packaged", lambda: broken)

    with pytest.raises(DataError, match="not 64 pixels and a label"):
        Digits().build(NOWHERE)


def test_without_scikit_learn_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)

    with pytest.raises(DataError, match="pip install scikit-learn"):
        Digits().build(NOWHERE)


def test_stacked_digits_are_three_of_mnist_and_their_class_is_the_number(real_data: Path) -> None:
    root = DataRoot(real_data, download=False)
    spec = StackedMnist(count=2000)
    data = spec.build(root)

    raw = (real_data / "MNIST/raw/train-images-idx3-ubyte").read_bytes()
    names = (real_data / "MNIST/raw/train-labels-idx1-ubyte").read_bytes()
    chosen = spec.choice("train", 60_000)
    assert images_of(data).shape == (2000, 3, 28, 28)
    for image in (0, 7, 1999):
        three = chosen[3 * image : 3 * image + 3]
        for plane, at in zip(data.images[image], three, strict=True):
            assert plane.numpy().tobytes() == raw[16 + 784 * at : 16 + 784 * (at + 1)]
        number = "".join(str(names[8 + at]) for at in three)
        assert int(labels_of(data)[image]) == int(number)
        assert data.classes[labels_of(data)[image]] == number


def test_which_digits_are_stacked_follows_from_the_seed_alone() -> None:
    first = StackedMnist(count=3).choice("train", 60_000)

    stream = hashlib.shake_256(b"stacked_mnist:0:train").digest(72)
    by_hand = [int.from_bytes(stream[8 * at : 8 * at + 8], "little") % 60_000 for at in range(9)]
    assert first == by_hand
    assert StackedMnist(count=4).choice("train", 60_000)[:9] == first
    assert StackedMnist(count=3, seed=1).choice("train", 60_000) != first
    assert StackedMnist(count=3).choice("test", 60_000) != first


def test_every_digit_is_drawn_about_equally_often() -> None:
    counts = torch.bincount(torch.tensor(StackedMnist(count=100_000).choice("train", 1000)))

    # 300 draws a digit: a chi-square over 999 degrees of freedom, within five deviations.
    chi_square = ((counts - 300) ** 2 / 300).sum()
    assert abs(chi_square - 999) < 5 * (2 * 999) ** 0.5
