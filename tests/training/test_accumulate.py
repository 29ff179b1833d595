"""A batch in parts: the same gradients as in one piece; who remembers, too."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from children import assembled, write_recipe
from heard import Heard
from small_recipe import small
from torch import Tensor

import ganzoo
from ganzoo.common.errors import GanzooError
from ganzoo.runs import checkpoint
from ganzoo.runs.folder import RunDir, checkpoints
from ganzoo.training.feed import Batch
from ganzoo.training.randomness import Noise
from ganzoo.training.trial import try_out

THIRD_PARTY = Path(__file__).parents[1] / "plugin" / "third_party"
PLAIN = {"discriminator.dropout": 0.0, "generator.norm": "none", "step.generator_noise": "same"}


def run(folder: Path, chosen: dict[str, Any], plugin: str = "") -> RunDir:
    """Train two steps; return the run's folder."""
    recipe = folder / "r.toml"
    recipe.write_text(small())
    done = ganzoo.run(
        recipe,
        chosen,
        plugins=[THIRD_PARTY / f"{plugin}.py"] if plugin else [],
        out=folder / "runs",
        device="cpu",
        offline=True,
        quiet=True,
    )
    return done.folder


@pytest.mark.parametrize(
    ("plugin", "chosen"),
    [("lecam", {"regularizer": [{"use": "zoo_lecam"}]}), ("ada", {"view": [{"use": "zoo_ada"}]})],
)
def test_who_remembers_something_remembers_the_whole_batch(
    plugin: str, chosen: dict[str, Any], tmp_path: Path
) -> None:
    ends = []
    for parts in (1, 2):
        folder = tmp_path / str(parts)
        folder.mkdir()
        found = run(folder, {**PLAIN, **chosen, "step.accumulate": parts}, plugin)
        ends.append(checkpoint.read_checkpoint(checkpoints(found.checkpoints)[0])[0])

    kept = [key for key in ends[0] if key.startswith("own/")]
    assert any(bool(ends[0][key].any()) for key in kept)
    assert all(torch.allclose(ends[0][key], ends[1][key], atol=1e-6) for key in ends[0])


def test_the_one_key_for_it_is_told_to_who_looks_for_it_beside_the_batch(tmp_path: Path) -> None:
    with pytest.raises(
        GanzooError, match=r"train\.accumulate: unknown key; it belongs in \[step\]"
    ):
        run(tmp_path, {"train.accumulate": 2})


UNCOUPLED = (
    "dataset.size=8",
    "discriminator.dropout=0",
    "discriminator.norm='none'",
    "generator.norm='none'",
)
R1 = "regularizer=[{use='r1', weight=1.0}]"


@pytest.mark.parametrize(
    "chosen",
    [
        (),
        ("loss.use='hinge'", R1),
        ("loss.use='relativistic'", R1, "view=[{use='flip'}]"),
        ("view=[{use='pack', size=2}]", "train.batch_size=12"),
        ("step.discriminator_updates=2", "step.generator_noise='fresh'"),
    ],
    ids=["plain", "hinge", "paired", "packs", "updates"],
)
def test_parts_are_equal_to_the_larger_batch_where_nothing_couples_it(
    chosen: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = Noise.latents
    ends: list[Tensor] = []
    heard = Heard()
    for count in (1, 3):
        parts, _ = assembled(
            write_recipe(tmp_path), (*UNCOUPLED, *chosen, f"step.accumulate={count}")
        )
        try_out(parts, heard)
        networks = (parts.generator.network, parts.discriminator.network)
        for network in networks:
            network.double()
        with monkeypatch.context() as patch:
            patch.setattr(Noise, "latents", lambda *given, **more: drawn(*given, **more).double())
            for step in range(3):
                parts.step(step, lambda number, feed=parts.feed: in_double(feed(number)))
        ends.append(
            torch.cat(
                [weight.detach().flatten() for each in networks for weight in each.parameters()]
            )
        )

    assert heard.warnings == []
    assert ends[0].dtype == torch.float64
    assert float((ends[0] - ends[1]).abs().max()) < 1e-12


def in_double(batch: Batch) -> Batch:
    return Batch(batch.images.double(), batch.labels, batch.inputs)


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        (("generator.norm='batch'",), "a fake depends on the others of its batch"),
        (("discriminator.norm='batch'",), "the discriminator's logit of an image depends on the"),
        (("discriminator.minibatch_stddev=2",), "the discriminator's logit of an image depends"),
        (
            ("loss.use='relativistic'", "loss.pairing='average'"),
            "it looks at the images of a batch together, the discriminator's term 'real' and the ",
        ),
        (
            ("loss.use='dual_contrastive'",),
            "it looks at the images of a batch together, the discriminator's term",
        ),
        (("view=[{use='pack', size=3}]",), "parts of 8 images do not fill whole packs"),
    ],
    ids=["generator", "discriminator", "stddev", "average", "contrastive", "packs"],
)
@pytest.mark.parametrize("way", ["step.accumulate", "train.shards"])
def test_what_couples_a_batch_is_told_before_step_1(
    way: str, chosen: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    heard = Heard()
    parts, _ = assembled(write_recipe(tmp_path), (*UNCOUPLED, *chosen, f"{way}=2"))

    try_out(parts, heard)

    assert f"{way} = 2 is not the same as one large batch here: " in heard.warnings[0]
    assert any(said in warning for warning in heard.warnings), heard.warnings
