"""What a GPU need not wait for: sheets and checkpoints are copied and written beside the training.

Copies leave through pinned memory on a stream of their own; a thread, which never talks to the
device, writes the files. Everything else stays on the thread that trains. Where host and device are
one, as on a CPU, everything is done at once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

MOST = 4
"""Jobs that may be under way; more wait, so that memory does not fill up before a slow disk."""

Tensors = Mapping[str, Tensor]


class Copies(Protocol):
    """Copies on their way into the host's memory."""

    @property
    def tensors(self) -> Tensors:
        """The copies, to be read once they are there."""
        ...

    def are_there(self, *, wait: bool) -> bool:
        """Return whether they have arrived."""
        ...


class Copier(Protocol):
    """Copies tensors to the host; a CUDA stream, or a stand-in for tests."""

    def copy(self, tensors: Tensors) -> Copies:
        """Begin to copy the tensors as they are now; they may change right after."""
        ...


class CudaCopies:
    """Copies that have arrived when their event has passed."""

    def __init__(self, tensors: Tensors, event: torch.cuda.Event) -> None:
        self.tensors = tensors
        self.event = event

    def are_there(self, *, wait: bool) -> bool:
        """Return whether they have arrived."""
        if wait:
            self.event.synchronize()
        arrived: bool = self.event.query()  # type: ignore[no-untyped-call]
        return arrived


class CudaCopier:
    """Copies on a stream of its own, into pinned memory."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]

    def copy(self, tensors: Tensors) -> Copies:
        """Begin to copy the tensors as they are now; they may change right after."""
        # The next step writes to the same places, so the device keeps a copy of its own first.
        kept = {name: tensor.detach().clone() for name, tensor in tensors.items()}
        self.stream.wait_stream(torch.cuda.current_stream(self.device))
        arriving = {}
        with torch.cuda.stream(self.stream):
            for name, tensor in kept.items():
                if tensor.device.type == "cuda":
                    place = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
                    arriving[name] = place.copy_(tensor, non_blocking=True)
                    # ``kept`` goes at the end of this method, the copy may still be reading.
                    tensor.record_stream(self.stream)
                else:
                    arriving[name] = tensor
            event = torch.cuda.Event()  # type: ignore[no-untyped-call]
            event.record(self.stream)
        return CudaCopies(arriving, event)


@dataclass
class Job:
    """Something on its way to the disk."""

    copies: Copies
    write: Callable[[Tensors], None]
    then: Callable[[], None]
    written: Future[None] | None = None


class Aside:
    """Hands tensors to whoever writes them, without the training waiting where it need not.

    Args:
        copier: of a device with memory of its own; None does everything at once.
    """

    def __init__(self, copier: Copier | None = None) -> None:
        self.copier = copier
        self._jobs: deque[Job] = deque()
        self._writer: ThreadPoolExecutor | None = None

    def hand(
        self, tensors: Tensors, write: Callable[[Tensors], None], then: Callable[[], None]
    ) -> None:
        """Have ``write`` called with the tensors as they are now, and ``then`` when it has ended.

        Args:
            write: makes files of tensors on the host; called on another thread.
            then: called on this thread, by a later ``collect`` or ``settle``.

        Raises:
            Whatever ``write`` or ``then`` of this or an earlier job raises.
        """
        if self.copier is None:
            write(tensors)
            then()
            return
        while len(self._jobs) >= MOST:
            self._end_first()
        self._jobs.append(Job(self.copier.copy(tensors), write, then))

    def collect(self) -> None:
        """Get on with what is there: write what has been copied, end what has been written."""
        for job in self._jobs:
            if not self._begin(job, wait=False):
                break
        while self._jobs and (written := self._jobs[0].written) is not None and written.done():
            self._end_first()

    def settle(self) -> None:
        """Return when everything that was handed over is on the disk."""
        while self._jobs:
            self._end_first()

    def close(self) -> list[Exception]:
        """End what is under way, and the thread; return what went wrong instead of raising it."""
        problems = []
        while self._jobs:
            try:
                self._end_first()
            except Exception as error:  # noqa: BLE001  the run has ended or failed already
                problems.append(error)
        if self._writer is not None:
            self._writer.shutdown()
            self._writer = None
        return problems

    def _begin(self, job: Job, *, wait: bool) -> bool:
        """Have the job written if it has been copied; return whether it is being written."""
        if job.written is None and job.copies.are_there(wait=wait):
            if self._writer is None:
                self._writer = ThreadPoolExecutor(1, "ganzoo-writer")
            job.written = self._writer.submit(job.write, job.copies.tensors)
        return job.written is not None

    def _end_first(self) -> None:
        # Out of the queue first: after a failure the others are gone on with.
        job = self._jobs.popleft()
        self._begin(job, wait=True)
        assert job.written is not None
        job.written.result()
        job.then()
