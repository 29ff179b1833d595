"""The processes of one run, and what they say to each other.

Started by torchrun or anything else that sets its variables. Nothing of it is pickled: tensors go
as they are, words as JSON.
"""

from __future__ import annotations

import atexit
import hashlib
import json
import math
import re
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.rendezvous import rendezvous

from ganzoo.common import ranks
from ganzoo.common.errors import GanzooError, LostProcessError

SHORTEST_POLL_S, LONGEST_POLL_S = 0.001, 0.05
END = "end"
"""What the first process says last."""
HEARD = "heard"
"""How many of the others have heard it."""
PATIENCE_S = 30.0
"""Seconds that a process which failed gives the first one to write down what happened."""
TOLD_S = 3.0
"""Seconds in which the first process tells what went wrong in all."""


class Group:
    """A process by itself, which has nobody to talk to; ``Together`` is several."""

    rank = 0
    count = 1
    agreed = 0
    """The largest wish of all processes at the last exchange: the same everywhere."""

    def wish(self) -> int:
        """Return what this process wants of all, by the loop's numbers; 0 is to go on."""
        return 0

    @property
    def is_first(self) -> bool:
        """Whether this process writes and speaks for all."""
        return self.rank == 0

    def gather(self, own: Tensor) -> Tensor:
        """Return everybody's tensor, ``[count, ...]`` in the order of ranks."""
        return own[None]

    def swap(self, given: Tensor) -> Tensor:
        """Give row n of ``[count, ...]`` to process n; return what the others gave."""
        return given

    def broadcast(self, value: Tensor) -> Tensor:
        """Return the first process's tensor."""
        return value

    def say(self, what: Any = None) -> Any:
        """Return what the first process says, which JSON can hold; wait as long as it takes."""
        return what

    def compare(self, what: dict[str, Any]) -> None:
        """Raise GanzooError where another process has something else."""

    def hand(self, content: bytes = b"") -> bytes:
        """Return the bytes that the first process has."""
        return content

    @contextmanager
    def first_here(self) -> Iterator[None]:
        """Do the block in the first process of each machine, then in its others."""
        yield

    def meet(self) -> None:
        """Wait until all are here, as long as it takes."""

    def end(self) -> None:
        """Say, as the first process, that this was all; let the others end after it."""

    def is_told(self, text: str) -> bool:  # noqa: ARG002
        """Return whether the first process tells the user this."""
        return False


class Together(Group):
    """One of several processes.

    Args:
        device: whose tensors are exchanged.

    Raises:
        MachineError: if the others are not to be found.
    """

    def __init__(self, device: torch.device) -> None:
        self.rank, self.count = ranks.rank(), ranks.count()
        self._device = device
        self._said = 0
        self._longest = ranks.longest_wait()
        wait = timedelta(seconds=self._longest)
        is_cuda = device.type == "cuda"
        with self._answered():
            met = next(rendezvous("env://", self.rank, self.count))[0]
            # torchrun may keep its store: what processes of before said is not for these.
            name = f"ganzoo/{ranks.restarts()}"
            self._store = dist.PrefixStore(name, met)  # type: ignore[attr-defined]
            dist.init_process_group(
                "cpu:gloo,cuda:nccl" if is_cuda else "gloo",
                store=self._store,
                rank=self.rank,
                world_size=self.count,
                timeout=wait,
                device_id=device if is_cuda else None,
            )
        atexit.register(self.end)

    @contextmanager
    def _answered(self) -> Iterator[None]:
        try:
            yield
        except RuntimeError as error:  # what torch raises of a connection, whatever was asked
            reason = re.sub(r"^\[[^]]*\] *", "", str(error).strip().partition("\n")[0])
            reason = reason.partition(". ")[0][:100]
            raise LostProcessError(
                f"process {self.rank} of {self.count} lost the others, or waited more than "
                f"{self._longest:g} s for one within a step (GANZOO_WAIT): {reason}"
            ) from error

    def gather(self, own: Tensor) -> Tensor:
        """Return everybody's tensor, ``[count, ...]`` in the order of ranks."""
        own = own.contiguous()
        found = own.new_empty(self.count * own.numel())
        with self._answered():
            dist.all_gather(list(found.view(self.count, -1).unbind()), own.flatten())
        return found.view(self.count, *own.shape)

    def swap(self, given: Tensor) -> Tensor:
        """Give row n of ``[count, ...]`` to process n; return what the others gave."""
        given = given.contiguous()
        found = torch.empty_like(given)
        with self._answered():
            dist.all_to_all_single(found, given)
        return found

    def broadcast(self, value: Tensor) -> Tensor:
        """Return the first process's tensor."""
        value = value.contiguous()
        with self._answered():
            dist.broadcast(value, 0)
        return value

    def say(self, what: Any = None) -> Any:
        """Return what the first process says, which JSON can hold; wait as long as it takes."""
        self._said += 1
        key = f"said/{self._said}"
        if self.is_first:
            with self._answered():
                self._store.set(key, json.dumps(what))
            return what
        return json.loads(self._heard(key))

    def _heard(self, key: str, most: float = math.inf) -> bytes:
        """Return a word, once it is said; the first process may take hours over something."""
        pause, until = SHORTEST_POLL_S, time.monotonic() + most
        while time.monotonic() < until:
            with self._answered():
                if self._store.check([key]):
                    found: bytes = self._store.get(key)
                    return found
                if key != END and self._store.check([END]):
                    break
            time.sleep(pause)
            pause = min(LONGEST_POLL_S, 1.5 * pause)
        raise LostProcessError("process 0 has ended")

    def hand(self, content: bytes = b"") -> bytes:
        """Return the bytes that the first process has."""
        size = self.say(len(content))
        place = torch.empty(size, dtype=torch.uint8)
        if self.is_first and size:
            place = torch.frombuffer(bytearray(content), dtype=torch.uint8)
        return bytes(self.broadcast(place.to(self._device)).cpu().numpy().tobytes())

    def compare(self, what: dict[str, Any]) -> None:
        """Raise GanzooError where another process has something else."""
        there = self.say(what)
        for name, value in json.loads(json.dumps(what)).items():
            if there[name] != value:
                raise GanzooError(
                    f"process {self.rank} has another {name} than process 0: {value}, not "
                    f"{there[name]}; all processes of a run need the same"
                )

    @contextmanager
    def first_here(self) -> Iterator[None]:
        """Do the block in the first process of each machine, then in its others."""
        self._said += 1
        key = f"here/{self._said}/{socket.gethostname()}"
        if ranks.local_rank() != 0:
            self._heard(key)
        yield
        if ranks.local_rank() == 0:
            with self._answered():
                self._store.set(key, "")

    def meet(self) -> None:
        """Wait until all are here, as long as it takes."""
        self._said += 1
        key = f"met/{self._said}"
        with self._answered():
            if self._store.add(key, 1) == self.count:
                self._store.set(f"{key}/all", "")
        self._heard(f"{key}/all")

    def end(self) -> None:
        """Say, as the first process, that this was all; let the others end after it.

        Whoever starts the processes ends them all as soon as one has failed, and the first one
        may still be writing down what happened.
        """
        leave()
        with suppress(LostProcessError):
            if not self.is_first:
                self._heard(END, PATIENCE_S)
            with self._answered():
                if self.is_first:
                    self._store.set(END, "")
                    self._last()
                else:
                    self._store.add(HEARD, 1)

    def _last(self) -> None:
        """Wait for the others where the store is this process's own and would go with it."""
        until = time.monotonic() + PATIENCE_S
        while not ranks.launcher_keeps_store() and time.monotonic() < until:
            if self._store.add(HEARD, 0) >= self.count - 1:
                return
            time.sleep(LONGEST_POLL_S)

    def is_told(self, text: str) -> bool:
        """Return whether the first process tells the user this; tell the others, if this is it."""
        key = f"told/{hashlib.sha256(text.encode()).hexdigest()}"
        try:
            if self.is_first:
                with self._answered():
                    self._store.set(key, "")
                return False
            self._heard(key, TOLD_S)
        except LostProcessError:
            return False
        return True


def leave() -> None:
    """Take leave of the others."""
    if dist.is_initialized():
        dist.destroy_process_group()


@contextmanager
def in_company(group: Group) -> Iterator[None]:
    """Have the others find out at once where this process fails in the block."""
    try:
        yield
    except BaseException:
        if group.count > 1:
            leave()
        raise


def known() -> Group:
    """Return the processes that have met, or this one by itself."""
    return _group or Group()


def device_for(wanted: str) -> str:
    """Return the device of this process: of several on one machine, each has a GPU of its own.

    Raises:
        GanzooError: if there are not as many GPUs, or one device was asked for.
    """
    here = ranks.local_count()
    if here == 1:
        return wanted
    if wanted == "auto" and not torch.cuda.is_available():
        return "cpu"  # Apple's GPU is one, and nothing adds up tensors of several processes there
    if wanted not in {"auto", "cuda", "cpu"}:
        raise GanzooError(
            f"--device {wanted}: {here} processes on one machine take one GPU each; use --device "
            "cuda or cpu"
        )
    if wanted == "cpu":
        return wanted
    if (there := torch.cuda.device_count()) < here:
        raise GanzooError(
            f"{here} processes on a machine with {there} visible GPUs, and each needs one; start "
            f"{there or 'none'}, or use --device cpu"
        )
    return f"cuda:{ranks.local_rank()}"


def join(device: torch.device) -> Group:
    """Meet the other processes of this run, where there are any."""
    if ranks.count() == 1:
        return Group()
    global _group
    if _group is None:
        _group = Together(device)
    return _group


_group: Together | None = None
