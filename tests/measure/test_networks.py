"""Feature networks: pinned, deterministic, checked when they are read."""

from pathlib import Path

import pytest
import torch

from ganzoo.common.data_root import DataRoot
from ganzoo.common.errors import GanzooError
from ganzoo.measure import classifier as prepare
from ganzoo.measure.features import points, random_network
from ganzoo.measure.networks import Classifier, Stacked
from ganzoo.measure.select import network_for
from ganzoo.plugin.registry import load_plugins
from ganzoo.plugin.types import ImageData, ImageShape
from ganzoo.recipe.model import Measure
from ganzoo_datasets import Digits, Mnist

GREY = ImageShape(1, 28, 28)


def random_images(count: int, channels: int = 1, side: int = 28) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(256, (count, channels, side, side), generator=generator, dtype=torch.uint8)


def test_the_random_network_is_the_same_for_ever() -> None:
    assert (
        random_network(1).sha256
        == "1f76961599d5d58e69fd4d16d21c719469f91f533c707117b17b14a681d1ea38"
    )
    assert (
        random_network(3).sha256
        == "8fd4082842bd88d57352bff4eb3e207ea9738e8931541ebe66667d2e929b3bdb"
    )


@pytest.mark.parametrize(("channels", "side"), [(1, 28), (3, 32), (1, 8), (3, 64)])
def test_the_random_network_tells_images_apart(channels: int, side: int) -> None:
    images = random_images(5, channels, side)
    seen = random_network(channels).see(torch.cat([images, images[:1]]))

    assert seen.features.shape == (6, 176)
    assert seen.probabilities is None
    assert torch.equal(seen.features[0], seen.features[5])
    assert float(torch.pdist(seen.features[:5]).min()) > 0


def test_building_a_network_draws_no_random_number() -> None:
    before = torch.get_rng_state()

    random_network(3)
    points()

    assert torch.equal(torch.get_rng_state(), before)


def test_points_are_seen_as_they_are() -> None:
    images = torch.randn(4, 2, 1, 1)

    assert torch.equal(points().see(images).features, images.flatten(1))


def test_a_stack_of_digits_is_read_digit_by_digit() -> None:
    torch.manual_seed(0)
    single = Classifier(1, 10).eval()
    images = torch.rand(6, 3, 28, 28)

    features, joint = Stacked(single)(images)
    apart = [single(images[:, channel : channel + 1]) for channel in range(3)]

    torch.testing.assert_close(features, torch.cat([one for one, _ in apart], 1))
    digits = [logits.argmax(1) for _, logits in apart]
    assert torch.equal(joint.argmax(1), 100 * digits[0] + 10 * digits[1] + digits[2])
    chances = [logits.softmax(1) for _, logits in apart]
    torch.testing.assert_close(
        joint.softmax(1)[:, 407], chances[0][:, 4] * chances[1][:, 0] * chances[2][:, 7]
    )


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> DataRoot:
    return DataRoot(tmp_path_factory.mktemp("data"), download=False)


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ganzoo.measure.fitting.LEAST_SEEN", 1280)
    monkeypatch.setattr("ganzoo.measure.fitting.PASSES", 0)


@pytest.mark.usefixtures("short")
def test_the_same_classifier_comes_out_twice_and_leaves_no_trace(tmp_path: Path) -> None:
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    roots = [DataRoot(tmp_path / name, download=False) for name in ("a", "b")]
    first = prepare.train_classifier(Digits(), roots[0])
    torch.rand(3)
    torch.set_rng_state(before)
    second = prepare.train_classifier(Digits(), roots[1])

    assert first.sha256 == second.sha256
    files = [next((root.path / "measure").iterdir()) for root in roots]
    assert files[0].name == files[1].name
    assert files[0].read_bytes() == files[1].read_bytes()
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.get_num_threads() == threads


def test_digits_are_ready_unasked_and_kept(root: DataRoot) -> None:
    data = Digits().build(root)

    first = network_for(Measure(), Digits(), data, GREY, load_plugins(), root)
    (path,) = (root.path / "measure").iterdir()
    written = path.stat().st_mtime_ns
    second = network_for(Measure(), Digits(), data, GREY, load_plugins(), root)

    assert first.name == "digits-classifier"
    assert first.accuracy is not None
    assert first.accuracy >= 0.98
    assert first.num_classes == 10
    assert second.sha256 == first.sha256
    assert path.stat().st_mtime_ns == written


@pytest.mark.usefixtures("short")
def test_a_file_with_one_changed_bit_is_refused(tmp_path: Path) -> None:
    root = DataRoot(tmp_path, download=False)
    prepare.train_classifier(Digits(), root)
    (path,) = (tmp_path / "measure").iterdir()
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)

    with pytest.raises(GanzooError, match="damaged: SHA-256"):
        prepare.read_classifier(path)
    path.write_bytes(b"rubbish")
    with pytest.raises(GanzooError, match="no feature network"):
        prepare.read_classifier(path)


def many(labels: torch.Tensor | None, classes: tuple[str, ...] = ()) -> ImageData:
    return ImageData(random_images(6000), labels, classes, "test", "0" * 64)


def test_a_large_data_set_is_never_prepared_unasked(tmp_path: Path) -> None:
    data = many(torch.zeros(6000, dtype=torch.int64), tuple("0123456789"))

    with pytest.raises(prepare.NotPrepared, match="ganzoo measure prepare mnist"):
        network_for(
            Measure(), Mnist(), data, GREY, load_plugins(), DataRoot(tmp_path, download=False)
        )


def test_data_without_labels_is_seen_by_the_random_network(tmp_path: Path) -> None:
    root = DataRoot(tmp_path, download=False)

    assert (
        network_for(Measure(), Mnist(), many(None), GREY, load_plugins(), root).name
        == "random-conv"
    )
    with pytest.raises(GanzooError, match="has no labels"):
        network_for(Measure(network="classifier"), Mnist(), many(None), GREY, load_plugins(), root)


def test_the_recipe_may_ask_for_the_random_network(tmp_path: Path) -> None:
    data = many(torch.zeros(6000, dtype=torch.int64), tuple("0123456789"))
    measure = Measure(network="random")

    found = network_for(
        measure, Mnist(), data, GREY, load_plugins(), DataRoot(tmp_path, download=False)
    )

    assert found.name == "random-conv"


@pytest.mark.slow
def test_the_classifier_of_mnist_is_right_about_99_3_percent(
    real_data: Path, tmp_path: Path
) -> None:
    (tmp_path / "MNIST").symlink_to(real_data / "MNIST")
    root = DataRoot(tmp_path, download=False)

    network = prepare.train_classifier(Mnist(), root)

    assert network.accuracy is not None
    assert network.accuracy >= 0.993
