"""DINOv2 and CLIP as feature networks, by torch-fidelity; their weights are never fetched.

As Inception's, they are safetensors files that the user named together with their SHA-256.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import metadata
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from safetensors import SafetensorError
from safetensors.torch import load as parse_safetensors
from torch import Tensor, nn

from ganzoo.common.errors import GanzooError
from ganzoo.measure.dinov2 import Dinov2
from ganzoo.measure.features import FeatureNetwork
from ganzoo.training.randomness import observing

TITLES = {"dinov2": "DINOv2", "clip": "CLIP"}


class Extractor(nn.Module):
    """torch-fidelity's extractor as a feature network without classes."""

    def __init__(self, extractor: nn.Module) -> None:
        super().__init__()
        self.extractor = extractor

    def forward(self, images: Tensor) -> tuple[Tensor, None]:
        """Turn ``[N, 1 or 3, H, W]`` uint8 into features ``[N, D]``."""
        colour = images if images.shape[1] == 3 else images.expand(-1, 3, -1, -1)
        return self.extractor(colour)[0], None


def vision_network(name: str, content: bytes, sha256: str, install: str) -> FeatureNetwork:
    """Return 'dinov2' or 'clip' from the bytes of its weights, whose digest was compared.

    Raises:
        GanzooError: if torch-fidelity is missing, or they are no such weights.
    """
    try:
        from torch_fidelity import feature_extractor_clip, feature_extractor_dinov2
    except ImportError:
        raise GanzooError(f"measure.network = '{name}' needs torch-fidelity: {install}") from None
    title = TITLES[name]
    try:
        state = parse_safetensors(content)
    except (SafetensorError, ValueError) as error:
        raise GanzooError(f"{title}'s weights are no safetensors file: {error}") from error
    build: Callable[[Any, Mapping[str, Tensor]], tuple[str, int, nn.Module]]
    build, library = (
        (_dinov2, feature_extractor_dinov2) if name == "dinov2" else (_clip, feature_extractor_clip)
    )
    try:
        with observing():
            called, side, extractor = build(library, state)
    except (RuntimeError, KeyError, ValueError, IndexError) as error:
        first = str(error).splitlines()[0]
        raise GanzooError(f"the file holds other weights than {title}'s: {first}") from error
    version = metadata.version("torch-fidelity")
    return FeatureNetwork(
        called,
        Extractor(extractor),
        scaled=False,
        resized=f"TensorFlow-1 bilinear to {side}×{side}, torch-fidelity {version}",
        sha256=sha256,
    )


def _dinov2(library: Any, state: Mapping[str, Tensor]) -> tuple[str, int, nn.Module]:
    network = Dinov2(state)

    def ours(*_: object, **__: object) -> nn.Module:
        return network

    # Where the library would fetch code and weights, it is handed the network.
    with patch("torch.hub.load", ours):
        extractor = library.FeatureExtractorDinoV2("dinov2-vit-b-14", ["dinov2"])
    width, depth = network.norm.weight.shape[0], len(network.blocks)
    return f"dinov2-{width}x{depth}", extractor.INPUT_IMAGE_SIZE, extractor


def _clip(library: Any, state: Mapping[str, Tensor]) -> tuple[str, int, nn.Module]:
    def ours(*_: object, **__: object) -> SimpleNamespace:
        return SimpleNamespace(state_dict=lambda: dict(state))

    with patch.object(library, "load_state_dict_from_url", ours):
        extractor = library.FeatureExtractorCLIP("clip-vit-b-32", ["clip"])
    size = state["text_projection"].shape[1]
    return f"clip-{size}", extractor.resolution, extractor
