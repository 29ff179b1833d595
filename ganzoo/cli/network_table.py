"""The networks of a recipe, layer by layer, as a dry run shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ganzoo.cli import output as streams
from ganzoo.cli.output import show_table
from ganzoo.cli.summaries import count, data_line
from ganzoo.common.files import megabytes
from ganzoo.training.cost import cost_of_a_step
from ganzoo.training.randomness import observing

if TYPE_CHECKING:
    from ganzoo.training.parts import Parts

COUNT = 16
"""Images that are sent through; batch norm and packs want more than one."""


def show_networks(parts: Parts, *, as_json: bool) -> None:
    """Print both networks with output shapes and parameters."""
    tables = layers_of(parts)
    facts = parts.facts()
    begun = parts.beginning
    cost = cost_of_a_step(parts)
    if as_json:
        costs = {**cost._asdict(), "memory": cost.memory}
        init = {} if begun is None else {"init": begun.facts()}
        frozen = {"frozen": list(parts.frozen)} if parts.frozen else {}
        streams.result({**facts, "networks": tables, "cost": costs, **init, **frozen})
        return
    streams.say(f"data  {data_line(facts['data'])}\n")
    for role, rows in tables.items():
        spec = getattr(parts.recipe, role)
        show_table(
            f"{role} '{spec.use}': {facts['parameters'][role]:,} parameters",
            ("layer", "type", "output", "parameters"),
            [
                (row["name"], row["type"], shape_text(row["output"]), f"{row['parameters']:,}")
                for row in rows
            ],
        )
        streams.say()
    if begun is not None:
        show_table(
            begun.sentence(),
            ("layer", "loaded", "reason"),
            [
                (f"{row.network}.{row.layer}", f"{row.taken} of {row.tensors}", row.why)
                for row in begun.rows
            ],
        )
        streams.say()
    if parts.frozen:
        streams.say(f"not trained: {', '.join(parts.frozen)}\n")
    streams.say(
        f"a step takes {cost.gflop:,.4g} GFLOP and about {megabytes(cost.memory)}: "
        f"{megabytes(cost.weights)} for weights and gradients, {megabytes(cost.optimizers)} for "
        f"optimizers, {megabytes(cost.kept)} kept for gradients (counted in one step of "
        f"{count(cost.tried, 'image')}, scaled to the batch; the libraries need more on top)"
    )
    streams.say(
        f"dry run: nothing was trained or written; the run would take "
        f"{count(parts.steps, 'step')} on {parts.machine.device}"
    )


def layers_of(parts: Parts) -> dict[str, list[dict[str, Any]]]:
    """Return the layers of every player in the order in which they are called."""
    return {
        name: layers(
            side.network,
            [_repeated(each).to(parts.machine.device) for each in parts.examples[name]],
        )
        for name, side in parts.sides.items()
        if name in parts.examples
    }


def _repeated(example: Tensor) -> Tensor:
    return example[:1].expand(COUNT, *example.shape[1:])


@torch.no_grad()
def layers(network: nn.Module, inputs: Sequence[Any]) -> list[dict[str, Any]]:
    """Return name, type, output shape and own parameters of every layer that is called.

    A layer is a module without children, or one with parameters of its own. Layers that are not
    called come last, without a shape; one that is called twice is listed twice, its parameters
    once. The network is left as it was.
    """
    names = {module: name for name, module in network.named_modules()}
    rows: list[dict[str, Any]] = []
    seen: set[nn.Module] = set()

    def own(module: nn.Module) -> int:
        mine = module.parameters(recurse=False)
        return sum(item.numel() for item in mine if item.requires_grad)

    def is_layer(module: nn.Module) -> bool:
        return not any(module.children()) or own(module) > 0

    def row(module: nn.Module, output: object) -> dict[str, Any]:
        shape = list(output.shape[1:]) if isinstance(output, Tensor) else None
        parameters = 0 if module in seen else own(module)
        seen.add(module)
        name = names[module] or "(itself)"
        return {
            "name": name,
            "type": type(module).__name__,
            "output": shape,
            "parameters": parameters,
        }

    def record(module: nn.Module, given: object, output: object) -> None:  # noqa: ARG001
        rows.append(row(module, output))

    parts = [module for module in network.modules() if is_layer(module)]
    handles = [module.register_forward_hook(record) for module in parts]
    try:
        with observing(network):
            network(*inputs)
    finally:
        for handle in handles:
            handle.remove()
    rows += [
        {**row(module, None), "output": "not called"} for module in parts if module not in seen
    ]
    return rows


def shape_text(shape: list[int] | str | None) -> str:
    """Return '64×14×14' for one image of the batch."""
    if isinstance(shape, list):
        return "×".join(map(str, shape)) or "one number"
    return shape or "no tensor"
