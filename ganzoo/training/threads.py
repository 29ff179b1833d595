"""How many CPU threads a run is worth: small networks are quicker on one.

Handing work to another thread and waiting for it costs tens of microseconds an operation. A network
whose operations take no longer loses by it: one with 8 channels took 18 ms a step on two threads
and 7 on one. The number follows from the networks and the batch alone, never from a clock, so that
a recipe gives the same bits every time on one machine.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from ganzoo.training.machine import Machine
from ganzoo.training.randomness import observing

PER_THREAD = 250e6
"""Floating-point operations of one pass through both networks that are worth a thread."""
TRIED = 2
"""Images of the pass whose operations are counted."""
COUNTED = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)


def with_suited_threads(
    machine: Machine, batch_size: int, *calls: tuple[nn.Module, tuple[Tensor, ...]]
) -> Machine:
    """Return the machine with as many threads as the networks are worth, and set torch to them.

    Only lowers what torch chose by itself; threads that were asked for stay.

    Args:
        calls: networks, each with what it is called with for ``TRIED`` images.
    """
    if machine.device.type != "cpu" or not machine.chooses_threads or machine.threads == 1:
        return machine
    try:
        counted = operations(*calls)
    except Exception:  # noqa: BLE001
        return machine  # the first-step guards say what is wrong with the network
    if counted is None:
        return machine
    worth = int(counted / TRIED * batch_size / PER_THREAD)
    threads = max(1, min(machine.threads, worth))
    torch.set_num_threads(threads)
    return replace(machine, threads=threads)


def operations(*calls: tuple[nn.Module, tuple[Tensor, ...]]) -> int | None:
    """Return the floating-point operations of these forward passes; nothing is left behind.

    Linear and convolution layers are counted, by their definition. None where a network has
    matrices of weights outside of these, of whose use nothing is known.
    """
    networks = [network for network, _ in calls]
    layers = [part for each in networks for part in each.modules() if isinstance(part, COUNTED)]
    # A vector that is looked up for each image takes no operations worth counting.
    looked_up = [part for each in networks for part in each.modules() if type(part) is nn.Embedding]
    known = {id(weight) for layer in (*layers, *looked_up) for weight in layer.parameters()}
    every = [weight for network in networks for weight in network.parameters()]
    if any(weight.ndim > 1 and id(weight) not in known for weight in every):
        return None
    counted = 0

    def count(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal counted
        assert isinstance(layer, COUNTED)
        # Each number of the smaller side meets one row of weights: of what a transposed
        # convolution reads, and of what the others write.
        met = inputs[0] if isinstance(layer, nn.ConvTranspose2d) else output
        counted += 2 * met.numel() * layer.weight[0].numel()

    hooks = [layer.register_forward_hook(count) for layer in layers]
    try:
        with observing(*networks), torch.no_grad():
            for network, inputs in calls:
                network.eval()(*inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return counted
