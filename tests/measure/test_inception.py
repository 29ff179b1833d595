"""Inception's weights are named with their digest, never fetched and never unpickled."""

import hashlib
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from ganzoo.common.data_root import DataRoot
from ganzoo.common.errors import GanzooError
from ganzoo.measure.inception import adopt, adopted

pytest.importorskip("torch_fidelity", reason="needs the extra: pip install ganzoo-torch[inception]")


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return random weights in Inception's shape; only the real ones give published figures."""
    from torch_fidelity import feature_extractor_inceptionv3 as library

    class Caught(Exception):  # noqa: N818
        pass

    caught = {}

    def empty(self: torch.nn.Module, _: object) -> None:
        caught["state"] = {name: value.clone() for name, value in self.state_dict().items()}
        raise Caught

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(library, "load_state_dict_from_url", lambda *_, **__: {})
        patch.setattr(library.FeatureExtractorInceptionV3, "load_state_dict", empty)
        torch.manual_seed(0)
        with pytest.raises(Caught):
            library.FeatureExtractorInceptionV3("test", ["2048"])
    path = tmp_path_factory.mktemp("weights") / "random.safetensors"
    save_file(caught["state"], path)
    return path


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def no_pickle(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("torch.load was called")

    monkeypatch.setattr(torch, "load", refuse)


@pytest.mark.usefixtures("no_pickle")
def test_adopted_weights_give_features_and_classes(tmp_path: Path, weights: Path) -> None:
    root = DataRoot(tmp_path, download=False)
    adopt(weights, digest(weights).upper(), root)

    network = adopted("inception", root)
    grey = torch.randint(256, (2, 1, 28, 28), dtype=torch.uint8)
    seen = network.see(grey)

    assert seen.features.shape == (2, 2048)
    assert seen.probabilities is not None
    assert seen.probabilities.shape == (2, 1008)
    assert torch.allclose(network.see(grey.expand(-1, 3, -1, -1)).features, seen.features)
    assert network.sha256 == digest(weights)
    assert "299" in network.resized


def test_weights_with_another_digest_are_refused(tmp_path: Path, weights: Path) -> None:
    root = DataRoot(tmp_path, download=False)

    with pytest.raises(GanzooError, match=f"has SHA-256 {digest(weights)}, not 00"):
        adopt(weights, "0" * 64, root)
    assert not list(tmp_path.iterdir())


def test_weights_that_changed_since_are_refused(tmp_path: Path, weights: Path) -> None:
    root = DataRoot(tmp_path, download=False)
    adopt(weights, digest(weights), root)
    with (tmp_path / "measure" / "inception.safetensors").open("ab") as file:
        file.write(b"x")

    with pytest.raises(GanzooError, match="it is not used"):
        adopted("inception", root)


def test_missing_weights_are_an_error_that_says_how_to_bring_them(tmp_path: Path) -> None:
    with pytest.raises(GanzooError, match="never downloaded; bring them with"):
        adopted("inception", DataRoot(tmp_path, download=True))


def test_other_weights_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    save_file({"fc.weight": torch.zeros(2, 2)}, path)

    with pytest.raises(GanzooError, match="other weights than Inception's"):
        adopt(path, digest(path), DataRoot(tmp_path / "data"))
