"""Networks begin with weights that were given, by name and shape; some of them stay as they are."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import Tensor, nn

from ganzoo.common.errors import CheckpointError, GanzooError, suggest
from ganzoo.recipe.model import Init
from ganzoo.runs.given import Given

MOST_NAMES = 40
"""Names in an error, and rows of a table on the terminal."""
_RANGE = re.compile(r"(\d{1,6})-(\d{1,6})")


@dataclass(frozen=True)
class Row:
    """What became of one layer's tensors.

    Attributes:
        layer: its name in the network.
        taken: how many of its tensors were taken.
        tensors: how many it has.
        why: what kept the others back; empty where all were taken.
    """

    network: str
    layer: str
    taken: int
    tensors: int
    why: str = ""


@dataclass(frozen=True)
class Beginning:
    """What a run begins with."""

    source: str
    given: Given
    rows: Sequence[Row]
    unused: Sequence[str]
    """Tensors that were given and that no network has."""
    written: frozenset[str]
    """Names of the tensors that were taken."""

    @property
    def taken(self) -> int:
        """How many tensors were taken."""
        return sum(row.taken for row in self.rows)

    @property
    def tensors(self) -> int:
        """How many tensors the networks have that were to begin with the weights."""
        return sum(row.tensors for row in self.rows)

    def left(self, names: Iterable[str]) -> list[str]:
        """Return those of some tensors of these networks that were not taken."""
        begun = tuple(f"{network}." for network in self.given.networks)
        return [name for name in names if name.startswith(begun) and name not in self.written]

    def sentence(self) -> str:
        """Return in a sentence where the weights come from and how many were taken."""
        given = self.given
        step = "" if given.step is None else f" of step {given.step:,}"
        whose = " and ".join(f"the {name}'s" for name in given.averaged)
        average = f", {whose} averaged" if whose else ""
        unused = f"; {len(self.unused)} of them unused" if self.unused else ""
        return (
            f"starts from '{given.path}'{step}{average}: {self.taken} of the networks' "
            f"{self.tensors} tensors loaded{unused}"
        )

    def lines(self) -> Iterator[str]:
        """Yield the table as text: every layer, or of many those that were not taken whole."""
        rows = [row for row in self.rows if row.why] if len(self.rows) > MOST_NAMES else self.rows
        width = max((len(f"{row.network}.{row.layer}") for row in rows), default=0)
        for row in rows:
            name = f"{row.network}.{row.layer}"
            why = f"  {row.why}" if row.why else ""
            yield f"  {name:<{width}}  {row.taken} of {row.tensors} loaded{why}"
        if len(rows) < len(self.rows):
            yield f"  and {len(self.rows) - len(rows)} layers loaded whole"

    def facts(self) -> dict[str, Any]:
        """Return what the run's folder keeps of it."""
        return {
            "from": self.source,
            "file": str(self.given.path),
            "step": self.given.step,
            "average": bool(self.given.averaged),
            "sha256": self.given.sha256,
            "ancestors": [dict(each) for each in self.given.ancestors],
            "taken": self.taken,
            "tensors": self.tensors,
            "layers": [vars(row) for row in self.rows],
            "unused": list(self.unused),
        }


@torch.no_grad()
def begin_with(given: Given, networks: Mapping[str, nn.Module], source: str) -> Beginning:
    """Write into ``networks`` what fits of the given weights, and tell what does not.

    Raises:
        CheckpointError: if nothing fits.
    """
    rows: list[Row] = []
    unused: list[str] = []
    written: set[str] = set()
    for network, tensors in given.networks.items():
        state: dict[str, Tensor] = networks[network].state_dict()
        for layer, names in _layers(state):
            misfits = {name: _misfit(name, state[name], tensors.get(name)) for name in names}
            why = "; ".join(dict.fromkeys(filter(None, misfits.values())))
            # A count of batches means nothing without the statistics that it is of.
            fitting = [
                name for name in names if not misfits[name] and (state[name].ndim or not why)
            ]
            for name in fitting:
                state[name].copy_(tensors[name])
                written.add(f"{network}.{name}")
            rows.append(Row(network, layer, len(fitting), len(names), why))
        unused += [f"{network}.{name}" for name in tensors if name not in state]
    found = Beginning(source, given, rows, unused, frozenset(written))
    if not found.taken:
        raise CheckpointError(
            "\n".join([f"init.from: nothing of '{given.path}' fits:", *found.lines()])
        )
    return found


def _layers(state: Mapping[str, Tensor]) -> Iterator[tuple[str, list[str]]]:
    """Yield the names of a network's tensors by the layer that they belong to."""
    layers: dict[str, list[str]] = {}
    for name in state:
        layer = name.partition(".parametrizations.")[0] if ".parametrizations." in name else ""
        layers.setdefault(layer or name.rpartition(".")[0] or name, []).append(name)
    yield from layers.items()


def _misfit(name: str, here: Tensor, there: Tensor | None) -> str:
    """Return why a tensor is not taken; nothing where it is."""
    short = name.rpartition(".")[2]
    if there is None:
        return f"no {short} there"
    if there.shape != here.shape:
        return f"{short} is {_sides(there)} there, {_sides(here)} here"
    if there.dtype != here.dtype and not (here.is_floating_point() and there.is_floating_point()):
        return f"{short} is {there.dtype} there, {here.dtype} here"
    return ""


def _sides(tensor: Tensor) -> str:
    return "×".join(map(str, tensor.shape)) or "one number"


def freeze(patterns: Sequence[str], networks: Mapping[str, nn.Module]) -> list[str]:
    """Take parameters out of training, and return their names.

    A pattern is the beginning of a name, by its parts: of 'discriminator.layers.0-2' the second
    is a range of numbers; '*' stands for any letters of one part.

    Raises:
        GanzooError: if one matches nothing, or nothing of a network is left to train.
    """
    names = {
        f"{network}.{name}": parameter
        for network, module in networks.items()
        for name, parameter in module.named_parameters()
    }
    frozen: list[str] = []
    for pattern in patterns:
        found = [name for name in names if _matches(pattern, name)]
        if not found:
            raise GanzooError(_nothing(pattern, names))
        frozen += [name for name in found if name not in frozen]
    for name in frozen:
        names[name].requires_grad_(False)
    for network, module in networks.items():
        if not any(parameter.requires_grad for parameter in module.parameters()):
            raise GanzooError(
                f"init.freeze leaves nothing of the {network} to train; freeze less of it"
            )
    return frozen


def _matches(pattern: str, name: str) -> bool:
    wanted, parts = pattern.split("."), name.split(".")
    return len(wanted) <= len(parts) and all(map(_part_matches, wanted, parts))


def _part_matches(wanted: str, part: str) -> bool:
    if span := _RANGE.fullmatch(wanted):
        first, last = map(int, span.groups())
        return part.isdecimal() and first <= int(part) <= last
    return fnmatchcase(part, wanted)


def _nothing(pattern: str, names: Iterable[str]) -> str:
    """Return what to say of a pattern that matches nothing, with the names there are."""
    layers = [*dict.fromkeys(name.rpartition(".")[0] for name in names)]
    network = pattern.partition(".")[0]
    own = [name for name in layers if name.partition(".")[0] == network] or layers
    shown = ", ".join(own[:MOST_NAMES]) + (", …" if len(own) > MOST_NAMES else "")
    near = suggest(pattern, own, then=f"there are {shown}")
    return f"init.freeze: '{pattern}' matches nothing{near}"


def frozen_by(init: Init | None, networks: Mapping[str, nn.Module]) -> list[str]:
    """Freeze what a recipe's init says, and return the parameters' names."""
    return [] if init is None else freeze(init.freeze, networks)
