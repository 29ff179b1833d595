"""Runs that begin with the weights of others, and networks of which some is not trained."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

import ganzoo
from ganzoo import session
from ganzoo.cli.commands.run import newest
from ganzoo.common.errors import GanzooError
from ganzoo.plugin.registry import load_plugins
from ganzoo.recipe.model import Init
from ganzoo.runs.folder import RunDir
from ganzoo.runs.frozen import frozen_recipe
from ganzoo.runs.given import Given, digest_of, given, pinned
from ganzoo.session import Run
from ganzoo.training.beginning import begin_with, freeze
from ganzoo.training.place import Place
from ganzoo.training.state import Silent

FROZEN = "discriminator.layers.0"


def trained(out: Path, tiny: dict[str, object], minutes: float | None = None, **more: Any) -> Run:
    """Train the tiny recipe with some changes, by dotted keys with '__' for the dot."""
    changes = {**tiny, **{key.replace("__", "."): value for key, value in more.items()}}
    return ganzoo.run(
        "dcgan_digits", changes, out=out, device="cpu", offline=True, quiet=True, minutes=minutes
    )


def weights(run: Run, step: int) -> dict[str, torch.Tensor]:
    return load_file(run.path / "checkpoints" / f"step-{step:06d}.safetensors")


@pytest.fixture(scope="module")
def child(run: Run, tiny: dict[str, object], tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return a run from the weights of ``run``, with an average and a frozen layer."""
    out = tmp_path_factory.mktemp("children")
    more = {"init__from": str(run.path), "init__freeze": [FROZEN], "checkpoint__keep": 9}
    return trained(out, tiny, train__seed=3, ema__half_life=10.0, **more)


def test_a_run_begins_with_the_weights_of_another_and_leaves_the_frozen_ones(
    run: Run, child: Run
) -> None:
    before, begun, after = weights(run, 4), weights(child, 0), weights(child, 4)
    networks = [name for name in before if name.startswith(("generator/", "discriminator/"))]
    frozen = {name for name in networks if name.startswith(f"{FROZEN.replace('.', '/', 1)}.")}

    assert all(torch.equal(begun[name], before[name]) for name in networks)
    assert all(
        torch.equal(begun[f"average/{name.partition('/')[2]}"], before[name])
        for name in networks
        if name.startswith("generator/")
    )
    assert len(frozen) == 2
    assert {name for name in networks if torch.equal(after[name], before[name])} == frozen
    told = json.loads((child.path / "init.json").read_text())
    assert told["frozen"] == [f"{FROZEN}.convolution.weight", f"{FROZEN}.convolution.bias"]
    assert told["taken"] == told["tensors"] == len(networks)
    assert [each["id"] for each in told["ancestors"]] == [run.folder.id]
    assert f"Lineage: dcgan_digits {run.folder.id}, step 4" in child.report().read_text()


def test_its_recipe_names_their_content_and_repeats_it_bit_by_bit(
    run: Run, child: Run, tmp_path: Path
) -> None:
    own = {name: weights(run, 4) for name in ("generator", "discriminator")}
    content = digest_of(
        {n: {k[len(n) + 1 :]: v for k, v in t.items() if k.startswith(f"{n}/")}
         for n, t in own.items()}
    )  # fmt: skip
    again = ganzoo.run(
        child.path / "recipe.toml", out=tmp_path, device="cpu", offline=True, quiet=True
    )

    init = child.recipe.init
    assert init is not None
    assert init.sha256 == content
    unnamed = child.recipe.model_copy(update={"init": init.model_copy(update={"sha256": None})})
    found = newest(unnamed, child.path.parent.parent)
    assert found is not None
    assert found.id == child.folder.id
    assert again.folder.generator.read_bytes() == child.folder.generator.read_bytes()
    with pytest.raises(GanzooError, match="holds other weights than the recipe started with"):
        ganzoo.run(
            child.path / "recipe.toml",
            {"init.sha256": "0" * 64},
            out=tmp_path,
            device="cpu",
            offline=True,
            quiet=True,
        )


def test_it_goes_on_to_the_same_end_after_its_source_is_gone(
    run: Run, child: Run, tiny: dict[str, object], tmp_path: Path
) -> None:
    shutil.copytree(run.path, run.path.parent / "moved-aaaa", dirs_exist_ok=True)
    source = run.path.parent / "moved-aaaa"
    more = {"init__from": str(source), "init__freeze": [FROZEN], "checkpoint__keep": 9}
    cut = trained(tmp_path, tiny, 1e-6, train__seed=3, ema__half_life=10.0, **more)
    shutil.rmtree(source)
    registry, folder = load_plugins([]), cut.folder
    recipe = frozen_recipe(folder, registry)
    place = Place("cpu", offline=True)
    assert cut.status == "interrupted"

    parts = session.build(recipe, registry, place, Silent(), begins=False)
    session.train(parts, folder, registry, Silent(), resume=True)

    ended, straight = weights(cut, 4), weights(child, 4)
    assert all(torch.equal(ended[name], value) for name, value in straight.items())


def test_what_is_no_weights_of_such_networks_is_refused(run: Run, tmp_path: Path) -> None:
    good = load_file(run.folder.generator)
    bad = {name: torch.full_like(value, float("nan")) for name, value in good.items()
           if value.is_floating_point()}  # fmt: skip
    save_file(bad, tmp_path / "nan.safetensors")
    save_file({"a": torch.zeros(3)}, tmp_path / "other.safetensors")
    torn = (run.path / "checkpoints/step-000004.safetensors").read_bytes()
    flipped = bytearray(torn)
    flipped[-5] ^= 1
    (tmp_path / "flipped.safetensors").write_bytes(flipped)
    (tmp_path / "torn.safetensors").write_bytes(torn[:-9])
    (tmp_path / "pickle.safetensors").write_bytes(b"\x80\x04cos\nsystem\n(S'true'\ntR.")
    wanted = {
        "nan": "is not finite",
        "flipped": "damaged",
        "torn": "cannot be read",
        "pickle": "cannot be read",
        "none": "there is no file",
    }

    def read(name: str, networks: list[str]) -> Given:
        table = {"from": str(tmp_path / f"{name}.safetensors"), "networks": networks}
        return given(Init.model_validate(table), tmp_path, print)

    for name, said in wanted.items():
        with pytest.raises(GanzooError, match=said):
            read(name, ["generator"])
    with pytest.raises(GanzooError, match="does not say which network"):
        read("other", ["generator", "discriminator"])
    with pytest.raises(GanzooError, match="nothing of"):
        begin_with(read("other", ["generator"]), {"generator": run.generator.network}, "other")


def test_layers_that_fit_are_taken_and_the_others_are_told() -> None:
    here = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Linear(8, 2))
    there = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(6), nn.Linear(8, 2), nn.Linear(2, 2))
    before = here[1].weight.clone()
    source = Given(Path("x"), {"discriminator": there.state_dict()}, [], None, "")

    found = begin_with(source, {"discriminator": here}, "x")

    assert [(row.layer, row.taken, row.tensors) for row in found.rows] == [
        ("0", 2, 2),
        ("1", 0, 5),
        ("2", 2, 2),
    ]
    assert "weight is 6 there, 4 here" in found.rows[1].why
    assert found.unused == ["discriminator.3.weight", "discriminator.3.bias"]
    assert torch.equal(here[0].weight, there[0].weight)
    assert torch.equal(here[1].weight, before)
    assert found.left(["discriminator.1.weight", "discriminator.0.bias"]) == [
        "discriminator.1.weight"
    ]


def test_a_pattern_freezes_by_the_beginnings_of_names_or_is_refused_with_those_there_are() -> None:
    networks = {"generator": nn.Linear(2, 2), "discriminator": nn.Sequential(*[nn.Linear(2, 2)] * 1,
                *(nn.Linear(2, 2) for _ in range(11)))}  # fmt: skip

    assert freeze(["discriminator.1-2", "discriminator.1*.bias"], networks) == [
        "discriminator.1.weight", "discriminator.1.bias",
        "discriminator.2.weight", "discriminator.2.bias",
        "discriminator.10.bias", "discriminator.11.bias",
    ]  # fmt: skip
    with pytest.raises(GanzooError, match=r"'discriminator\.12' matches nothing.*discriminator\.0"):
        freeze(["discriminator.12"], networks)
    with pytest.raises(GanzooError, match="leaves nothing of the generator to train"):
        freeze(["generator"], networks)


def test_clipping_leaves_frozen_weights_as_they_are(
    run: Run, tiny: dict[str, object], tmp_path: Path
) -> None:
    clipped = trained(
        tmp_path,
        tiny,
        loss__use="wasserstein",
        regularizer=[{"use": "weight_clip", "limit": 1e-4}],
        init__from=str(run.path),
        init__freeze=[FROZEN],
    )

    before, after = weights(run, 4), weights(clipped, 4)
    name = "discriminator/layers.0.convolution.weight"
    assert torch.equal(before[name], after[name])
    assert float(after["discriminator/layers.1.convolution.weight"].abs().max()) <= 1e-4


def test_a_run_is_found_by_its_recipes_name_and_all_cells_name_the_same_content(run: Run) -> None:
    out = run.path.parent.parent
    recipe = session.load("dcgan_digits", {"init.from": "dcgan_digits", "init.average": False})

    found = given(Init.model_validate({"from": run.folder.id}), out, print)

    named = pinned(recipe, out, print).init
    assert named is not None
    assert named.sha256 == found.sha256
    assert RunDir(found.path.parent.parent).id == run.folder.id


def test_named_networks_are_read_with_the_averages_that_are_theirs(tmp_path: Path) -> None:
    there = {
        name: torch.full((2,), float(number))
        for number, name in enumerate(
            ("maker/w", "maker_back/w", "judge/w", "average/w", "average.maker_back/w")
        )
    }
    save_file(there, tmp_path / "all.safetensors")

    def read(maker: str = "maker", **more: Any) -> tuple[dict[str, float], list[str]]:
        table = {"from": str(tmp_path / "all.safetensors"), **more}
        found = given(Init.model_validate(table), tmp_path, print, maker)
        return {name: float(each["w"][0]) for name, each in found.networks.items()}, [
            *found.averaged
        ]

    everyone = ["maker", "maker_back", "judge"]
    assert read(networks=everyone) == (
        {"maker": 3, "maker_back": 4, "judge": 2}, ["maker", "maker_back"],
    )  # fmt: skip
    assert read(networks=everyone, average=False) == (
        {"maker": 0, "maker_back": 1, "judge": 2}, [],
    )  # fmt: skip
    assert read(networks=["maker_back"]) == ({"maker_back": 4}, ["maker_back"])
    # What goes by no name is the average of the generator, and of no other player.
    assert read("maker_back", networks=["judge"]) == ({"judge": 2}, [])
    with pytest.raises(GanzooError, match=r"set init.networks = \['other'\] or \['more'\]"):
        read(networks=["other", "more"])


def test_networks_are_the_players_of_the_step_and_others_are_refused() -> None:
    def networks(recipe: str, **more: Any) -> list[str]:
        init = session.load(recipe, {"init.from": "x", **more}).init
        assert init is not None
        return list(init.networks)

    four = ["generator", "generator_back", "discriminator", "discriminator_back"]
    assert networks("dcgan_digits") == ["generator", "discriminator"]
    assert networks("cyclegan_digits") == four
    assert networks("cyclegan_digits", **{"init.networks": four[1:2]}) == four[1:2]
    with pytest.raises(GanzooError, match=r"no player 'generator_bak'; did you mean .*_back'\?"):
        networks("cyclegan_digits", **{"init.networks": ["generator", "generator_bak"]})
    with pytest.raises(GanzooError, match=r"no player 'average'.*are generator, discriminator"):
        networks("dcgan_digits", **{"init.networks": ["average"]})
