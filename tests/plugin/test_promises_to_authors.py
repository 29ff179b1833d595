"""What docs/write-a-plugin.md says of a step, seen from inside a term."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from small_recipe import small

from ganzoo.plugin import registry
from ganzoo.recipe.check import load_recipe
from ganzoo.session import build, train
from ganzoo.training.loop import new_run
from ganzoo.training.place import Place
from ganzoo.training.state import Silent

WITNESS = '''
"""A loss that writes down what it sees."""
from typing import ClassVar
from ganzoo.api import LossSpec, RegularizerSpec, hookimpl

GANZOO_API = 1
SEEN = []

def note(ctx):
    SEEN.append({
        "role": ctx.role, "step": ctx.step, "network": id(ctx.discriminator),
        "labels": bool((ctx.fake_labels == ctx.real_labels).all()),
        "count": len(ctx.real),
        "grads": [p.grad is not None for p in ctx.discriminator.parameters()],
        "frozen": [not p.requires_grad for p in ctx.discriminator.parameters()],
    })

class Witness(LossSpec):
    """The simplest game."""

    use: ClassVar[str] = "witness"

    def discriminator_terms(self, ctx):
        note(ctx)
        return {"apart": (ctx.fake_logits - ctx.real_logits).mean()}

    def generator_terms(self, ctx):
        note(ctx)
        return {"fooled": -ctx.fake_logits.mean()}

class After(RegularizerSpec):
    """Looks at the discriminator after its update."""

    use: ClassVar[str] = "after"

    def constrain(self, discriminator):
        grads = [p.grad is not None for p in discriminator.parameters()]
        SEEN.append({"role": "after", "grads": grads})

@hookimpl
def ganzoo_losses():
    return [Witness]

@hookimpl
def ganzoo_regularizers():
    return [After]
'''


def seen(tmp_path: Path, *overrides: str) -> tuple[list[dict[str, Any]], int]:
    """Train two steps; return what the loss saw, and the discriminator's identity."""
    file = tmp_path / f"witness_{tmp_path.name}.py"
    file.write_text(WITNESS)
    (tmp_path / "r.toml").write_text(small(loss="witness") + '[[regularizer]]\nuse = "after"\n')
    found = registry.load_plugins([file])
    recipe = load_recipe(tmp_path / "r.toml", found, overrides)
    parts = build(recipe, found, Place("cpu", None, 1, offline=True), Silent())
    train(parts, new_run(parts, tmp_path, "seen"), found, Silent())
    noted: list[dict[str, Any]] = vars(sys.modules[type(recipe.loss).__module__])["SEEN"]
    return noted, id(parts.discriminator.network)


def test_a_term_sees_copies_before_step_1_and_no_gradient_of_before(
    tmp_path: Path,
) -> None:
    saw, network = seen(tmp_path)

    terms = [each for each in saw if each["role"] != "after"]
    trained = [each for each in terms if each["network"] == network]
    assert [(each["step"], each["role"]) for each in trained] == [
        (0, "discriminator"), (0, "generator"), (1, "discriminator"), (1, "generator"),
    ]  # fmt: skip
    assert len(terms) > len(trained)
    assert terms[0]["network"] != network
    assert all(each["labels"] for each in terms)
    assert not any(any(each["grads"]) for each in trained)
    assert not any(any(each["grads"]) for each in saw if each["role"] == "after")
    assert [all(each["frozen"]) for each in trained] == [False, True, False, True]


def test_parts_of_a_batch_are_asked_for_one_by_one_and_see_no_gradient_of_each_other(
    tmp_path: Path,
) -> None:
    saw, network = seen(tmp_path, "step.accumulate=4")

    first = [each for each in saw if each.get("network") == network and each["step"] == 0]
    asked = [each for each in first if each["role"] == "discriminator"]
    assert [each["count"] for each in asked] == [2, 2, 2, 2]
    assert [any(each["grads"]) for each in asked] == [False] * 4
