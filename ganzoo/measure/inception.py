"""Inception-v3 of the 2015 TensorFlow graph, by torch-fidelity; its weights are never fetched.

The library would unpickle weights, or download them unasked. Here they come from a safetensors file
that the user named together with its SHA-256 (``adopt``), and nothing in it is executed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any
from unittest.mock import patch

from safetensors import SafetensorError
from safetensors.torch import load as parse_safetensors
from torch import Tensor, nn

from ganzoo.common.data_root import DataRoot
from ganzoo.common.errors import GanzooError
from ganzoo.common.files import publish
from ganzoo.measure.classifier import FOLDER
from ganzoo.measure.features import FeatureNetwork
from ganzoo.measure.vision import vision_network
from ganzoo.training.randomness import observing

CLASSES = 1008
INSTALL = "pip install 'ganzoo-torch[inception]'"
HOW = "ganzoo measure adopt WEIGHTS.safetensors --sha256 DIGITS"


class Inception(nn.Module):
    """torch-fidelity's extractor as a feature network."""

    def __init__(self, extractor: nn.Module) -> None:
        super().__init__()
        self.extractor = extractor

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Turn ``[N, 1 or 3, H, W]`` uint8 into features ``[N, 2048]`` and logits ``[N, 1008]``."""
        colour = images if images.shape[1] == 3 else images.expand(-1, 3, -1, -1)
        features, logits = self.extractor(colour)
        return features, logits


def adopted(name: str, root: DataRoot) -> FeatureNetwork:
    """Return 'inception', 'dinov2' or 'clip' from the weights that were adopted.

    Raises:
        GanzooError: if there are none, they changed since, or torch-fidelity is missing.
    """
    path, record = _places(root.path, name)
    try:
        wanted = json.loads(record.read_text(encoding="utf-8"))["sha256"]
        content = path.read_bytes()
    except (OSError, ValueError, KeyError, TypeError):
        how = HOW if name == "inception" else f"{HOW} --network {name}"
        raise GanzooError(
            f"measure.network = '{name}': no weights in '{path.parent}'; they are never "
            f"downloaded; bring them with: {how}"
        ) from None
    return _made(name, content, _checked(path, content, wanted))


def adopt(weights: Path, sha256: str, root: DataRoot, name: str = "inception") -> FeatureNetwork:
    """Copy a network's weights into the data folder, after their digest was compared.

    Args:
        weights: as safetensors: of Inception the state of torch-fidelity's extractor, of DINOv2 and
            CLIP the published state.
        sha256: of that file, 64 hexadecimal digits.
        name: 'inception', 'dinov2' or 'clip'.

    Raises:
        GanzooError: if the file is another, or no such weights.
    """
    try:
        content = weights.read_bytes()
    except OSError as error:
        raise GanzooError(f"'{weights}': {error.strerror or error}") from error
    network = _made(name, content, _checked(weights, content, sha256.lower()))
    path, record = _places(root.path, name)
    publish(path, content)
    publish(record, json.dumps({"sha256": network.sha256}) + "\n")
    return network


def _places(root: Path, name: str) -> tuple[Path, Path]:
    return root / FOLDER / f"{name}.safetensors", root / FOLDER / f"{name}.json"


def _checked(path: Path, content: bytes, wanted: str) -> str:
    found = hashlib.sha256(content).hexdigest()
    if found != wanted:
        raise GanzooError(f"'{path}' has SHA-256 {found}, not {wanted}; it is not used")
    return found


def _made(name: str, content: bytes, sha256: str) -> FeatureNetwork:
    if name == "inception":
        return _network(content, sha256)
    return vision_network(name, content, sha256, INSTALL)


def _network(content: bytes, sha256: str) -> FeatureNetwork:
    try:
        from torch_fidelity import feature_extractor_inceptionv3 as library
    except ImportError:
        raise GanzooError(
            f"measure.network = 'inception' needs torch-fidelity: {INSTALL}"
        ) from None
    try:
        state = parse_safetensors(content)
    except (SafetensorError, ValueError) as error:
        raise GanzooError(f"Inception's weights are no safetensors file: {error}") from error

    def ours(*_: object, **__: object) -> Mapping[str, Any]:
        return state

    try:
        # Where the library would download, it is handed what was checked above.
        with observing(), patch.object(library, "load_state_dict_from_url", ours):
            extractor = library.FeatureExtractorInceptionV3("ganzoo", ["2048", "logits_unbiased"])
    except RuntimeError as error:
        first = str(error).splitlines()[0]
        raise GanzooError(f"the file holds other weights than Inception's: {first}") from error
    version = metadata.version("torch-fidelity")
    return FeatureNetwork(
        "inception-v3-2015",
        Inception(extractor),
        CLASSES,
        scaled=False,
        resized=f"TensorFlow-1 bilinear to 299×299, torch-fidelity {version}",
        sha256=sha256,
    )
