"""A half of a step over the parts of a batch: each begins alike, and what they leave is one.

Every part begins with the buffers and the random numbers that the half began with, as if it were
seen at once with the others. Afterwards gradients are summed, terms and buffers averaged by their
images, in an order that does not depend on how many processes share the parts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from ganzoo.plugin.specs import OwnerSpec
from ganzoo.training.randomness import HostGenerators
from ganzoo.training.shards import Branches, Cut, summed
from ganzoo.training.together import Group

Gradients = list[Tensor | None]
MEAN = "mean"


class RandomState:
    """The global generators as they are now.

    A graph that is being captured cannot read or set the device's: see ``GraphStep``, which lets
    no step be captured in parts that draws from it.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._host = HostGenerators()
        self._torch = torch.default_generator.get_state()
        is_read = device.type == "cuda" and not torch.cuda.is_current_stream_capturing()
        self._cuda = torch.cuda.get_rng_state(device) if is_read else None
        self._mps = torch.mps.get_rng_state() if device.type == "mps" else None

    def put_back(self) -> None:
        """Have them go on from there."""
        self._host.put_back()
        torch.default_generator.set_state(self._torch)
        if self._cuda is not None:
            torch.cuda.set_rng_state(self._cuda, self.device)
        if self._mps is not None:
            torch.mps.set_rng_state(self._mps)


@dataclass
class Leaf:
    """What one part leaves, beside its gradients."""

    share: float
    terms: dict[str, Tensor]
    buffers: list[Tensor]
    has_gradient: bool = False
    present: list[bool] = field(default_factory=list)
    """Which parameters have a gradient."""
    logits: dict[str, Tensor] = field(default_factory=dict)
    """Of 'real' and 'fake' images, where somebody observes them."""


class Memory:
    """The buffers of everything that plays: statistics of norms, what components remember.

    Args:
        modules: by any names.
        specs: of the modules of components, by the same names; they say how buffers that differ
            between the parts come together.
    """

    def __init__(self, modules: Mapping[str, nn.Module], specs: Mapping[str, OwnerSpec]) -> None:
        self.buffers: list[Tensor] = []
        self.ways: list[str] = []
        known: set[int] = set()
        for place, module in modules.items():
            ways = specs[place].reduced if place in specs else {}
            for name, buffer in module.named_buffers():
                if id(buffer) not in known:
                    known.add(id(buffer))
                    self.buffers.append(buffer)
                    self.ways.append(ways.get(name, MEAN))

    @torch.no_grad()
    def now(self) -> list[Tensor]:
        """Return copies of them."""
        return [buffer.detach().clone() for buffer in self.buffers]

    @torch.no_grad()
    def put_back(self, values: Sequence[Tensor], only: nn.Module | None = None) -> None:
        """Set them, or those of one module."""
        chosen = None if only is None else {id(buffer) for buffer in only.buffers()}
        for buffer, value in zip(self.buffers, values, strict=True):
            if chosen is not None and id(buffer) not in chosen:
                continue
            # By ``data``, whose version is its own: a backward pass that kept the buffer still
            # has what it needs, for only running statistics are kept, and training reads none.
            buffer.data.copy_(value)

    @torch.no_grad()
    def settle(self, before: Sequence[Tensor], leaves: Sequence[Leaf]) -> None:
        """Set them to what the parts left together.

        Args:
            before: what every part began with.
        """
        shares = [leaf.share for leaf in leaves]
        for at, (buffer, way, was) in enumerate(zip(self.buffers, self.ways, before, strict=True)):
            buffer.data.copy_(joined(way, was, [leaf.buffers[at] for leaf in leaves], shares))


def joined(way: str, was: Tensor, found: Sequence[Tensor], shares: Sequence[float]) -> Tensor:
    """Return one buffer of what the parts left of it.

    Where all parts agree that is it, whatever the way: averaging may move the last bit.
    """
    first = found[0]
    if way == "first":
        return first
    if way == "sum":
        return was + summed([each - was for each in found])
    same = torch.stack([each == first for each in found]).all(0)
    if way == "max" or not first.is_floating_point():
        other = torch.stack(list(found)).amax(0)
    else:
        weighed = [each * share for each, share in zip(found, shares, strict=True)]
        other = summed(weighed)
    return torch.where(same, first, other)


def add(first: Gradients, second: Gradients) -> Gradients:
    """Return the sums of gradients, in the memory of the first."""
    for at, value in enumerate(second):
        own = first[at]
        first[at] = value if own is None else own if value is None else own.add_(value)
    return first


def branches(cut: Cut) -> Branches[Gradients]:
    """Return what sums the gradients of this process's parts."""
    return Branches(add, None if cut.processes == 1 else cut.unit)


def taken(parameters: Sequence[nn.Parameter]) -> Gradients:
    """Return the gradients, and leave none behind."""
    found: Gradients = []
    for parameter in parameters:
        # In one order of memory, that of several processes: a norm's last bits depend on it.
        found.append(None if parameter.grad is None else parameter.grad.contiguous())
        parameter.grad = None
    return found


def everyones(
    group: Group, leaves: list[Leaf], cut: Cut, first: Sequence[bool], size: int
) -> list[Leaf]:
    """Return the leaves of all processes in their order, the same everywhere.

    Args:
        size: images of the whole batch.
        first: which buffers are taken from the first part alone.
    """
    if group.count == 1:
        return leaves
    likeness = leaves[0]
    device = next(iter(likeness.terms.values())).device
    # As many as the largest part of all has, the same everywhere: parts may be unlike in size, and
    # an image has many logits where patches are judged.
    start, stop = cut.bounds(size)[0]
    width = max(
        (
            -(-len(value) * (stop - start) // round(leaf.share * size))
            for leaf in leaves
            for value in leaf.logits.values()
        ),
        default=0,
    )
    rows = [_packed(leaf, first, width, device, group.wish()) for leaf in leaves]
    found = group.gather(torch.stack(rows)).flatten(0, 1)
    group.agreed = int(found[:, 0].max())
    everyone = [_unpacked(row, likeness, first, width) for row in found]
    for at, is_first in enumerate(first):
        if is_first:
            value = group.broadcast(leaves[0].buffers[at].clone())
            for leaf in everyone:
                leaf.buffers[at] = value
    assert len(everyone) == cut.parts
    return everyone


def _packed(
    leaf: Leaf, first: Sequence[bool], width: int, device: torch.device, wish: int
) -> Tensor:
    """Return a part as one row: float64 holds float32 and counts exactly."""
    numbers = [float(wish), leaf.share, float(leaf.has_gradient), *map(float, leaf.present)]
    pieces = [torch.tensor(numbers, dtype=torch.float64, device=device)]
    pieces += [value.double().reshape(1) for value in leaf.terms.values()]
    for buffer, is_first in zip(leaf.buffers, first, strict=True):
        if not is_first:
            pieces.append(buffer.to(device, torch.float64).flatten())
    for logits in leaf.logits.values():
        padded = torch.zeros(width + 1, dtype=torch.float64, device=device)
        padded[0] = len(logits)
        padded[1 : 1 + len(logits)] = logits
        pieces.append(padded)
    return torch.cat(pieces)


def _unpacked(row: Tensor, like: Leaf, first: Sequence[bool], width: int) -> Leaf:
    at = 0

    def next_ones(count: int) -> Tensor:
        nonlocal at
        at += count
        return row[at - count : at]

    _, share, has_gradient, *present = next_ones(3 + len(like.present)).tolist()
    terms = {name: next_ones(1)[0].to(value.dtype) for name, value in like.terms.items()}
    buffers = [
        value if is_first else next_ones(value.numel()).view(value.shape).to(value)
        for value, is_first in zip(like.buffers, first, strict=True)
    ]
    logits = {}
    for name, value in like.logits.items():
        padded = next_ones(width + 1)
        logits[name] = padded[1 : 1 + int(padded[0])].to(value.dtype)
    return Leaf(share, terms, buffers, bool(has_gradient), [*map(bool, present)], logits)


def reduced(
    group: Group,
    own: Branches[Gradients],
    parameters: Sequence[nn.Parameter],
    present: Sequence[bool],
) -> Gradients:
    """Return the gradients of the whole batch, the same bits in every process.

    Each process gets a slice of all branches, sums it in the order of the tree, and gives it to
    the others: as many bytes as a ring takes, in an order that is known.

    Args:
        present: which parameters have a gradient from any part.
    """
    if group.count == 1:
        return own.total()
    found: dict[int, Tensor] = {}
    places = [at for at, is_there in enumerate(present) if is_there]
    for dtype in dict.fromkeys(parameters[at].dtype for at in places):
        mine = [at for at in places if parameters[at].dtype == dtype]
        flat = torch.stack([_flat(values, mine, parameters) for values in own.values])
        length = flat.shape[1]
        flat = torch.nn.functional.pad(flat, (0, -length % group.count))
        sliced = flat.view(len(flat), group.count, -1).transpose(0, 1).contiguous()
        slice_of_all = group.swap(sliced).flatten(0, 1)
        whole = group.gather(summed(list(slice_of_all))).flatten()[:length]
        sizes = [parameters[at].numel() for at in mine]
        for at, value in zip(mine, torch.split(whole, sizes), strict=True):
            found[at] = value.view(parameters[at].shape).clone()
    return [found.get(at) for at in range(len(parameters))]


def _flat(values: Gradients, places: Sequence[int], parameters: Sequence[nn.Parameter]) -> Tensor:
    pieces = []
    for at in places:
        value = values[at]
        if value is None:
            value = torch.zeros_like(parameters[at]).detach()
        pieces.append(value.flatten())
    return torch.cat(pieces)


def means(leaves: Sequence[Leaf]) -> dict[str, Tensor]:
    """Return the terms of the whole batch: each part counts by its images."""
    return {
        name: summed([leaf.terms[name].detach() * leaf.share for leaf in leaves])
        for name in leaves[0].terms
    }


def logits_of(leaves: Sequence[Leaf]) -> dict[str, dict[str, Any]]:
    """Return the logits of the whole batch as a half keeps what the discriminator said."""
    return {
        f"{which}_out": {"logits": torch.cat([leaf.logits[which] for leaf in leaves])}
        for which in leaves[0].logits
    }
