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


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Return this test's own cache folder."""
    monkeypatch.setenv("GANZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(prepare, "_unkept", {})
    return tmp_path / "cache"


@pytest.mark.usefixtures("short")
def test_the_same_classifier_comes_out_twice_and_leaves_no_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, root: DataRoot
) -> None:
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    first = prepare.train_classifier(Digits(), root)
    torch.rand(3)
    torch.set_rng_state(before)
    monkeypatch.setenv("GANZOO_CACHE", str(tmp_path / "other"))
    second = prepare.train_classifier(Digits(), root)

    assert first.sha256 == second.sha256
    files = [next((tmp_path / name / "measure").iterdir()) for name in ("cache", "other")]
    assert files[0].name == files[1].name
    assert files[0].read_bytes() == files[1].read_bytes()
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.get_num_threads() == threads


def test_digits_are_ready_when_asked_for_and_kept_in_the_cache(root: DataRoot, cache: Path) -> None:
    data, told = Digits().build(root), []

    first = network_for(
        Measure(), Digits(), data, GREY, load_plugins(), root, budget=60, tell=told.append
    )
    (path,) = (cache / "measure").iterdir()
    written = path.stat().st_mtime_ns
    second = network_for(Measure(), Digits(), data, GREY, load_plugins(), root, budget=0)

    assert first.name == "digits-classifier"
    assert first.accuracy is not None
    assert first.accuracy >= 0.98
    assert first.num_classes == 10
    assert second.sha256 == first.sha256
    assert path.stat().st_mtime_ns == written
    assert not (root.path / "measure").exists()
    (line,) = told
    assert "once for dataset 'digits': about " in line
    assert "--set measure.network=random" in line


@pytest.mark.usefixtures("short")
def test_a_classifier_that_lies_in_the_data_folder_is_used(
    tmp_path: Path, root: DataRoot, cache: Path
) -> None:
    prepare.train_classifier(Digits(), root)
    earlier = DataRoot(tmp_path / "data", download=False)
    earlier.path.mkdir()
    (cache / "measure").rename(earlier.path / "measure")

    found = prepare.classifier(Digits(), Digits().build(earlier), earlier, budget=0)

    assert found.name == "digits-classifier"
    assert not (cache / "measure").exists()


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("place", ["file in the way", "no home"])
def test_where_nothing_can_be_kept_the_classifier_is_used_and_that_is_told_once(
    place: str, root: DataRoot, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if place == "no home":
        monkeypatch.setattr(prepare, "cache_root", lambda: None)
    else:
        cache.write_text("in the way")
    told: list[str] = []
    data = Digits().build(root)

    found = [prepare.classifier(Digits(), data, root, tell=told.append) for _ in range(2)]

    assert found[0] is found[1]
    assert found[0].sha256
    problems = [line for line in told if "is used but not saved" in line]
    assert len(problems) == 1
    assert "GANZOO_CACHE" in problems[0]


@pytest.mark.usefixtures("short")
def test_a_file_with_one_changed_bit_is_refused(root: DataRoot, cache: Path) -> None:
    prepare.train_classifier(Digits(), root)
    (path,) = (cache / "measure").iterdir()
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)

    with pytest.raises(GanzooError, match="damaged: SHA-256"):
        prepare.read_classifier(path)
    path.write_bytes(b"rubbish")
    with pytest.raises(GanzooError, match="not a feature network"):
        prepare.read_classifier(path)


def many(labels: torch.Tensor | None, classes: tuple[str, ...] = ()) -> ImageData:
    return ImageData(random_images(6000), labels, classes, "test", "0" * 64)


@pytest.mark.parametrize(("side", "longer"), [(8, 1), (64, 8)])
def test_the_time_that_is_told_counts_pixels_and_not_images(side: int, longer: int) -> None:
    images = torch.zeros(200, 3, side, side, dtype=torch.uint8)
    labels = torch.zeros(200, dtype=torch.int64)
    few = ImageData(images, labels, tuple("0123"), "here", "0" * 64)
    small = ImageData(images[..., :8, :8], labels, tuple("0123"), "here", "0" * 64)

    assert prepare.seconds_to_train(few) >= longer * prepare.seconds_to_train(small) / 4


def test_a_classifier_that_takes_longer_than_allowed_is_not_trained(
    tmp_path: Path, cache: Path
) -> None:
    data = many(torch.zeros(6000, dtype=torch.int64), tuple("0123456789"))
    root = DataRoot(tmp_path, download=False)

    with pytest.raises(prepare.NotPrepared, match=r"about .* longer; .*measure prepare mnist"):
        network_for(
            Measure(), Mnist(), data, GREY, load_plugins(), root, budget=1e-3, reason="longer"
        )
    assert not list(cache.rglob("*.safetensors"))


@pytest.mark.usefixtures("short")
def test_a_classifier_that_was_thought_quicker_is_given_up_in_time(
    root: DataRoot, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepare, "seconds_to_train", lambda _: 0.0)

    with pytest.raises(prepare.NotPrepared, match="measure prepare digits") as caught:
        prepare.classifier(Digits(), Digits().build(root), root, budget=1e-4)

    assert caught.value.seconds > 1e-4
    assert not cache.exists()


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
