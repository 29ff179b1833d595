"""Exported generators make the images that torch makes; a hub folder reads back; cards hold."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from safetensors import safe_open

import ganzoo
from ganzoo.cli.app import ganzoo as command
from ganzoo.common.errors import GanzooError
from ganzoo.sampling.card import fenced, model_card, text
from ganzoo.sampling.export import compare
from ganzoo.session import Run

EVIL = "a\n---\nlicense: evil\n| b | `x` ``` </td><script>alert(1)</script> [c](javascript:1)"


def export(folder: Path, to: str, *words: str | Path) -> dict[str, object]:
    done = CliRunner().invoke(
        command, ["export", str(folder), "--to", to, "--json", *map(str, words)]
    )
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found


def front_matter(card: str) -> dict[str, object]:
    """Return the values before the text: one line of JSON for each key, which is YAML."""
    start, head, _ = card.split("---\n", 2)
    assert start == ""
    pairs = (line.partition(": ") for line in head.splitlines())
    return {key: json.loads(value) for key, _, value in pairs}


def test_a_torch_program_makes_the_same_images(run: Run, tmp_path: Path) -> None:
    found = export(run.path, "pt2", "--file", tmp_path / "g.pt2")

    program = torch.export.load(tmp_path / "g.pt2").module()
    latents = torch.randn(7, 100, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(program(latents), run.generator(latents), atol=1e-5)
    assert float(str(found["largest_difference"])) < 1e-5


def test_onnx_makes_the_same_images_for_any_batch(run: Run, tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime", reason="the extra 'onnx' is not installed")
    pytest.importorskip("onnxscript", reason="the extra 'onnx' is not installed")
    export(run.path, "onnx", "--file", tmp_path / "g.onnx")

    session = onnxruntime.InferenceSession(tmp_path / "g.onnx")
    for size in (1, 5):
        latents = torch.randn(size, 100, generator=torch.Generator().manual_seed(size))
        (images,) = session.run(["images"], {"latent": latents.numpy()})
        assert torch.allclose(torch.from_numpy(images), run.generator(latents), atol=1e-5)
    assert [path.name for path in tmp_path.iterdir()] == ["g.onnx"]


def test_a_program_that_makes_other_images_is_refused(run: Run) -> None:
    network = run.generator.network

    with pytest.raises(GanzooError, match="differ from torch's"):
        compare(run.generator, network, lambda latents: network(latents) + 0.01)
    with pytest.raises(GanzooError, match="differ from torch's"):
        compare(run.generator, network, lambda latents: network(latents) * float("nan"))


def test_safetensors_hold_weights_recipe_and_shape(run: Run, tmp_path: Path) -> None:
    export(run.path, "safetensors", "--file", tmp_path / "g.safetensors")

    with safe_open(tmp_path / "g.safetensors", framework="pt") as file:
        metadata, names = file.metadata(), set(file.keys())
    assert names == set(run.generator.network.state_dict())
    assert metadata["recipe"] == (run.path / "recipe.toml").read_text()
    assert json.loads(metadata["image"])["channels"] == 1
    assert (tmp_path / "g.safetensors").read_bytes() == run.folder.generator.read_bytes()


def test_a_hub_folder_has_a_card_and_is_read_back(run: Run, tmp_path: Path) -> None:
    hub = tmp_path / "hub"
    export(run.path, "hub", "--file", hub, "--licence", "mit")

    card = (hub / "README.md").read_text()
    front = front_matter(card)
    assert sorted(path.name for path in hub.iterdir()) == [
        "README.md", "generator.safetensors", "recipe.toml", "samples.png",
    ]  # fmt: skip
    assert front["license"] == "mit"
    assert front["datasets"] == ["digits"]
    assert "None." in card
    again = ganzoo.open_run(hub).sample(3, seed=4)
    assert torch.equal(torch.Tensor(again), torch.Tensor(run.sample(3, seed=4)))
    sampled = CliRunner().invoke(command, ["sample", str(hub), "-n", "4"])
    assert sampled.exit_code == 0, sampled.output


def card(run: Run, **other: object) -> str:
    metric = {
        "last": {"value": 3.5, "step": 4},
        "floor": {"value": 0.25},
        "lower_is_better": True,
        "provenance": {"network": EVIL, "data": "f" * 64},
    }
    known = {
        "name": EVIL,
        "recipe": run.recipe,
        "image": "1×28×28",
        "step": 4,
        "parameters": 10,
        "result": {"metrics": {EVIL: metric}, "health": [{"step": 1, "text": EVIL}]},
        "surroundings": {"data": {"name": EVIL, "reason": EVIL, "wanted": EVIL}, "torch": EVIL},
        "licence": EVIL,
    }
    return model_card(**{**known, **other})  # type: ignore[arg-type]


def test_what_all_measures_share_is_told_once_in_a_card(run: Run) -> None:
    def taken(**more: object) -> dict[str, object]:
        return {"last": {"value": 1.5}, "provenance": {"n_real": 749, "accuracy": 1 / 3, **more}}

    made = card(run, result={"metrics": {"a": taken(k=5), "b": taken()}})

    assert made.count("749") == 1
    assert "All of them: n\\_real 749, accuracy 0.333333." in made
    assert "| k 5 |" in made


def test_hostile_names_stay_text_in_a_card(run: Run) -> None:
    made = card(run)

    front = front_matter(made)
    body = made.split("---\n", 2)[2]
    assert front["license"] == EVIL
    assert set(front) == {
        "library_name", "license", "tags", "pipeline_tag", "datasets", "model-index",
    }  # fmt: skip
    assert "<script" not in body
    assert "](javascript" not in body
    rows = [line for line in body.splitlines() if line.startswith("| ")]
    assert {len(line.replace("\\|", "").split("|")) for line in rows} == {4, 7}
    assert "3.500" in body


def test_text_and_fences_cannot_be_left() -> None:
    assert text("a|b\n# c") == "a\\|b \\# c"
    assert fenced("```\nx", "sh") == "````sh\n```\nx\n````"
