"""DINOv2 and CLIP: networks by their weights' file and digest, with features that are theirs."""

import hashlib
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from ganzoo.common.data_root import DataRoot
from ganzoo.common.errors import GanzooError
from ganzoo.measure.dinov2 import Dinov2
from ganzoo.measure.inception import adopt, adopted

pytest.importorskip("torch_fidelity", reason="needs the extra: pip install ganzoo-torch[inception]")


def dinov2_state(width: int = 128, depth: int = 2, grid: int = 5) -> dict[str, Tensor]:
    """Return random weights with the names and shapes of the published ones."""
    shapes: dict[str, tuple[int, ...]] = {
        "cls_token": (1, 1, width), "mask_token": (1, width),
        "pos_embed": (1, 1 + grid**2, width), "patch_embed.proj.weight": (width, 3, 14, 14),
        "patch_embed.proj.bias": (width,), "norm.weight": (width,), "norm.bias": (width,),
    }  # fmt: skip
    for number in range(depth):
        at = f"blocks.{number}."
        for name, size in (("attn.qkv", (3, 1)), ("attn.proj", (1, 1)), ("mlp.fc1", (4, 1)),
                           ("mlp.fc2", (1, 4))):  # fmt: skip
            shapes[f"{at}{name}.weight"] = (size[0] * width, size[1] * width)
            shapes[f"{at}{name}.bias"] = (size[0] * width,)
        for name in ("norm1.weight", "norm1.bias", "norm2.weight", "norm2.bias", "ls1.gamma",
                     "ls2.gamma"):  # fmt: skip
            shapes[at + name] = (width,)
    torch.manual_seed(0)
    return {name: 0.1 * torch.randn(shape) for name, shape in shapes.items()}


def clip_state() -> dict[str, Tensor]:
    """Return random weights of a small CLIP, its text side cut down to what tells sizes."""
    from torch_fidelity.feature_extractor_clip import CLIPVisual

    torch.manual_seed(0)
    state = CLIPVisual(16, 64, 2, 64, 32).state_dict()
    return {name: value.clone() for name, value in state.items()} | {
        "text_projection": torch.zeros(3, 16)
    }


STATES: dict[str, Any] = {"dinov2": dinov2_state, "clip": clip_state}


def written(name: str, folder: Path) -> tuple[Path, str]:
    path = folder / f"random-{name}.safetensors"
    save_file(STATES[name](), path)
    return path, hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_transformer_makes_what_its_equations_say() -> None:
    state = {name: value.double() for name, value in dinov2_state().items()}
    images = torch.randn(2, 3, 70, 70).double()

    def normed(x: Tensor, at: str) -> Tensor:
        mean = x.mean(-1, keepdim=True)
        variance = ((x - mean) ** 2).mean(-1, keepdim=True)
        scaled = (x - mean) / (variance + 1e-6).sqrt()
        return scaled * state[f"{at}.weight"] + state[f"{at}.bias"]

    def linear(x: Tensor, at: str) -> Tensor:
        return x @ state[f"{at}.weight"].T + state[f"{at}.bias"]

    patches = images.unfold(2, 14, 14).unfold(3, 14, 14)  # [N, 3, 5, 5, 14, 14]
    tokens = torch.einsum("ncijhw,ochw->nijo", patches, state["patch_embed.proj.weight"])
    tokens = tokens.reshape(2, 25, 128) + state["patch_embed.proj.bias"]
    tokens = torch.cat([state["cls_token"].expand(2, 1, 128), tokens], 1) + state["pos_embed"]
    for number in range(2):
        at = f"blocks.{number}"
        qkv = linear(normed(tokens, f"{at}.norm1"), f"{at}.attn.qkv")
        heads = []
        for head in range(2):
            part = slice(64 * head, 64 * (head + 1))
            queries, keys, values = (each[..., part] for each in qkv.split(128, -1))
            heads.append(torch.softmax(queries @ keys.transpose(1, 2) / 8, -1) @ values)
        seen = linear(torch.cat(heads, -1), f"{at}.attn.proj")
        tokens = tokens + state[f"{at}.ls1.gamma"] * seen
        inner = linear(normed(tokens, f"{at}.norm2"), f"{at}.mlp.fc1")
        inner = inner * (1 + torch.erf(inner / 2**0.5)) / 2
        tokens = tokens + state[f"{at}.ls2.gamma"] * linear(inner, f"{at}.mlp.fc2")

    found = Dinov2(state).double()(images)

    assert torch.allclose(found, normed(tokens, "norm")[:, 0], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("name", "size", "side"), [("dinov2", 128, "224"), ("clip", 16, "64")])
def test_adopted_weights_give_features_and_are_neither_fetched_nor_unpickled(
    name: str, size: int, side: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("something was loaded")

    for module, called in ((torch, "load"), (torch.hub, "load"), (torch.jit, "load")):
        monkeypatch.setattr(module, called, refuse)
    path, sha256 = written(name, tmp_path)
    root = DataRoot(tmp_path / "data", download=True)
    adopt(path, sha256, root, name)

    network = adopted(name, root)
    grey = torch.randint(256, (2, 1, 28, 28), dtype=torch.uint8)
    seen = network.see(grey)

    assert seen.features.shape == (2, size)
    assert seen.features.isfinite().all()
    assert not torch.allclose(seen.features[0], seen.features[1])
    assert seen.probabilities is None
    assert torch.allclose(network.see(grey.expand(-1, 3, -1, -1)).features, seen.features)
    assert network.sha256 == sha256
    assert f"{side}×{side}" in network.resized


@pytest.mark.parametrize("name", STATES)
def test_missing_changed_and_other_weights_are_errors_that_say_what_to_bring(
    name: str, tmp_path: Path
) -> None:
    root = DataRoot(tmp_path / "data", download=True)
    with pytest.raises(GanzooError, match=f"never downloaded; bring them .* --network {name}"):
        adopted(name, root)

    path, sha256 = written(name, tmp_path)
    with pytest.raises(GanzooError, match=f"has SHA-256 {sha256}, not 00"):
        adopt(path, "0" * 64, root, name)

    other, its = written({"dinov2": "clip", "clip": "dinov2"}[name], tmp_path)
    with pytest.raises(GanzooError, match="other weights than"):
        adopt(other, its, root, name)
