"""The model card of an exported generator: Markdown in which nothing foreign can break out."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from ganzoo._version import __version__
from ganzoo.common.errors import printable
from ganzoo.common.text import number
from ganzoo.recipe.model import Recipe, freeze
from ganzoo.runs.record import Table, table


def model_card(
    *,
    name: str,
    recipe: Recipe,
    image: str,
    step: int,
    parameters: int,
    result: Table,
    surroundings: Table,
    licence: str,
) -> str:
    """Return README.md: YAML front matter for a hub, then text for people.

    Args:
        name: of the model.
        recipe: it was trained with.
        image: shape of its images, in words.
        step: after how many steps its weights were taken.
        parameters: of the generator.
        result: content of the run's result.json, which need not be trusted.
        surroundings: content of its environment.json, likewise.
        licence: identifier of the licence.
    """
    data = table(surroundings.get("data"))
    data_name = str(data.get("name") or recipe.dataset.use)
    scores = list(_scores(result))
    losses = " + ".join([recipe.loss.use, *(item.use for item in recipe.regularizer)])
    front: dict[str, Any] = {
        "library_name": "ganzoo",
        "license": licence,
        "tags": ["gan", "unconditional-image-generation", "ganzoo", recipe.generator.use],
        "pipeline_tag": "unconditional-image-generation",
        "datasets": [data_name],
    }
    if scores:
        front["model-index"] = [_index(name, data_name, scores)]
    facts = [
        ("generator", f"{recipe.generator.use}, {parameters:,} parameters"),
        ("loss", losses),
        ("images", image),
        ("latent", f"{recipe.latent.size} numbers, {recipe.latent.prior}"),
        ("weights", f"after step {step:,}{', running average' if recipe.ema else ''}"),
        ("trained on", f"{data_name}, {number(data.get('images', '?'))} images"),
        ("data fingerprint", str(data.get("fingerprint", "not recorded"))),
        ("dataset requested", str(data.get("wanted", "")) if data.get("reason") else ""),
        ("torch", str(surroundings.get("torch", "not recorded"))),
        ("device", str(surroundings.get("device_name", "not recorded"))),
        ("ganzoo", __version__),
    ]
    parts = [
        "---\n" + "".join(f"{key}: {json.dumps(value)}\n" for key, value in front.items()) + "---",
        f"# {text(name)}",
        "![64 samples of this model, not cherry-picked](samples.png)",
        "A GAN trained with ganzoo. The sheet shows seed 0, not cherry-picked.",
        markdown_table(("what", "value"), [row for row in facts if row[1]]),
        "## Use",
        fenced("ganzoo sample . -n 64 --seed 1", "sh"),
        fenced('import ganzoo\n\nganzoo.open_run(".").sample(16)', "python"),
        "## Measures",
        _measures(scores),
        "## Limits",
        _limits(result),
        "## Recipe",
        fenced(freeze(recipe), "toml"),
    ]
    return "\n\n".join(parts) + "\n"


def _measures(scores: Sequence[tuple[str, Table]]) -> str:
    if not scores:
        return "None."
    all_ways = [table(entry.get("provenance")) for _, entry in scores]
    shared = {
        key: value
        for key, value in all_ways[0].items()
        if len(scores) > 1 and all(key in way and way[key] == value for way in all_ways)
    }
    rows = []
    for (name, entry), way in zip(scores, all_ways, strict=True):
        floor = table(entry.get("floor")).get("value")
        rows.append(
            (
                name,
                number(table(entry.get("last")).get("value")),
                number(floor) if isinstance(floor, float) else "",
                "lower" if entry.get("lower_is_better") is True else "higher",
                ", ".join(
                    f"{key} {_short(value)}" for key, value in way.items() if key not in shared
                ),
            )
        )
    head = ("measure", "value", "real against real", "better", "how")
    together = ", ".join(f"{key} {_short(value)}" for key, value in shared.items())
    return (
        markdown_table(head, rows)
        + (f"\n\nAll of them: {text(together)}." if shared else "")
        + "\n\nThese are comparable only with values that were measured in the same way."
    )


def _limits(result: Table) -> str:
    told = result.get("health")
    events = [table(event) for event in told] if isinstance(told, list) else []
    lines = [
        "For research: the images reflect the training data with its gaps and flaws, and may "
        "resemble individual training images. The dataset's licence applies in addition to that "
        "of the weights.",
        *(f"- Step {event.get('step')}: {text(str(event.get('text')))}" for event in events),
    ]
    return "\n".join(lines)


def _index(name: str, data: str, scores: Sequence[tuple[str, Table]]) -> Table:
    return {
        "name": name,
        "results": [
            {
                "task": {"type": "unconditional-image-generation"},
                "dataset": {"name": data, "type": data},
                "metrics": [
                    {"type": metric, "value": table(entry.get("last")).get("value")}
                    for metric, entry in scores
                ],
            }
        ],
    }


def _scores(result: Table) -> list[tuple[str, Table]]:
    found = table(result.get("metrics"))
    return [
        (str(name), entry)
        for name, entry in found.items()
        if isinstance(entry, dict)
        and isinstance(table(entry.get("last")).get("value"), (int, float))
    ]


def _short(value: Any) -> str:
    written = f"{value:.6g}" if isinstance(value, float) else str(value)
    return written[:12] if re.fullmatch(r"[0-9a-f]{64}", written) else written


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table whose cells are text, whatever they hold."""
    lines = [head, ["---"] * len(head), *([text(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def text(foreign: str) -> str:
    """Return text that Markdown and HTML leave alone: one line, all signs escaped."""
    line = " ".join(printable(foreign, 1000).split())
    return re.sub(r"([\\`*_{}\[\]()<>#+!|~&$:])", r"\\\1", line).replace("\\<", "&lt;")


def fenced(code: str, language: str) -> str:
    """Return a code block whose fence is longer than any inside."""
    longest = max((len(run) for run in re.findall(r"`+", code)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{code.rstrip()}\n{fence}"
