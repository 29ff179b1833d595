"""Kill a process of a run, go on with another number of them: do the bits stay?

    python -m benchmarks.killed --runs 30
    python -m benchmarks.killed --runs 3 --by torchrun

Each run trains a small DCGAN on the digits in two or three processes, of which one is killed
(SIGKILL) at a random step; the others have to end by themselves. The run then goes on in another
number of processes, and its weights are held against those of one process that was left alone.
Processes are forked here with torchrun's variables set, which saves them the start of Python, or
started by torchrun itself.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from ganzoo.cli.app import ganzoo
from ganzoo.runs.folder import RunDir, list_runs
from ganzoo.training import together

STEPS = 24
SHARDS = 12
RECIPE = [
    "run", "dcgan_digits", "--device", "cpu", "--offline", "-q",
    *(word for key in (
        f"train.steps={STEPS}", "train.epochs=99", f"train.shards={SHARDS}", "train.batch_size=24",
        "train.log_every=1", "checkpoint.every=3", "samples.every=0", "metric=[]",
        "generator.base_channels=2", "discriminator.base_channels=2", "ema.half_life=5",
    ) for word in ("--set", key)),
]  # fmt: skip
LONGEST_S = 60.0
"""Seconds in which the processes that are left have to end."""
LONGEST_START_S = 300.0
"""Seconds in which a run has to reach the step at which it is killed."""


def forked(words: Sequence[str], count: int) -> list[int]:
    """Start so many processes of a command line; return their numbers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    found = []
    for rank in range(count):
        pid = os.fork()
        if pid == 0:
            os.environ |= {
                "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(count),
                "LOCAL_WORLD_SIZE": str(count), "MASTER_ADDR": "127.0.0.1",
                "MASTER_PORT": str(port),
            }  # fmt: skip
            with open(os.devnull, "w") as nowhere:
                os.dup2(nowhere.fileno(), 1)
                os.dup2(nowhere.fileno(), 2)
            code = 1
            try:
                ganzoo.main(words, prog_name="ganzoo")
            except SystemExit as leaving:
                code = leaving.code if isinstance(leaving.code, int) else 0
            finally:
                together.known().end()
                os._exit(code)
        found.append(pid)
    return found


class Started:
    """Processes of one command line, forked or torchrun's."""

    def __init__(self, words: Sequence[str], count: int, by: str) -> None:
        self.parent = None
        self.pids: list[int] = []
        if by == "torchrun":
            self.parent = subprocess.Popen(
                [sys.executable, "-m", "torch.distributed.run", "--standalone",
                 "--nproc-per-node", str(count), "-m", "ganzoo", *words],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )  # fmt: skip
        else:
            self.pids = forked(words, count)

    def members(self) -> list[int]:
        """Return the processes that train."""
        if self.parent is None:
            return self.pids
        out = subprocess.run(
            ["pgrep", "-P", str(self.parent.pid)], capture_output=True, text=True, check=False
        )
        return [int(pid) for pid in out.stdout.split()]

    def stop(self) -> None:
        """End them all."""
        for pid in self.members() if self.parent is None else [self.parent.pid]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)

    def wait(self, seconds: float) -> bool:
        """Wait for their end; return whether it came in time."""
        until = time.monotonic() + seconds
        left = set(self.pids)
        while time.monotonic() < until:
            if self.parent is not None and self.parent.poll() is not None:
                return True
            for pid in list(left):
                if os.waitpid(pid, os.WNOHANG)[0]:
                    left.discard(pid)
            if self.parent is None and not left:
                return True
            time.sleep(0.02)
        return False


def only_run(out: Path) -> RunDir | None:
    """Return the run in a folder, once there is one."""
    return next(iter(list_runs(out)), None)


def killed_at(started: Started, out: Path, step: int, chosen: random.Random) -> int:
    """Kill one of the processes once ``step`` is logged; return the step that was reached."""
    until = time.monotonic() + LONGEST_START_S
    while time.monotonic() < until:
        run = only_run(out)
        lines = run.read_log() if run is not None else []
        if lines and lines[-1]["step"] >= step:
            os.kill(chosen.choice(started.members()), signal.SIGKILL)
            return int(lines[-1]["step"])
        time.sleep(0.005)
    started.stop()
    sys.exit(f"step {step} was not reached within {LONGEST_START_S:g} s")


def weights(out: Path) -> bytes:
    """Return the bytes of the last checkpoint's tensors."""
    from safetensors.torch import load_file, save

    run = only_run(out)
    assert run is not None
    return save(load_file(run.checkpoints / f"step-{STEPS:06d}.safetensors"))


def main() -> None:
    """Kill, go on, compare; tell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=30)
    parser.add_argument("--by", choices=["fork", "torchrun"], default="fork")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    chosen = random.Random(asked.seed)
    same, slowest, began = 0, 0.0, time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        alone = Path(folder) / "alone"
        # In this process: what it imports, every fork has.
        with suppress(SystemExit):
            ganzoo.main([*RECIPE, "--out", str(alone)], prog_name="ganzoo")
        expected = weights(alone)
        for number in range(asked.runs):
            out = Path(folder) / str(number)
            count, others = chosen.choice([(2, 3), (3, 2), (2, 1), (3, 4), (2, 4), (3, 1)])
            at = chosen.randrange(1, STEPS - 4)
            started = Started([*RECIPE, "--out", str(out)], count, asked.by)
            reached = killed_at(started, out, at, chosen)
            stopped = time.monotonic()
            ended = started.wait(LONGEST_S)
            slowest = max(slowest, time.monotonic() - stopped)
            run = only_run(out)
            assert run is not None
            words = ["resume", str(run.path), "--device", "cpu", "--offline", "-q"]
            gone_on = Started(words, others, asked.by).wait(600)
            is_same = ended and gone_on and weights(out) == expected
            same += is_same
            print(
                f"{number + 1:3d}: killed 1 of {count} at step {reached}, gone on in {others}: "
                f"{'same bits' if is_same else 'OTHER BITS' if gone_on and ended else 'HUNG'}",
                flush=True,
            )
    print(
        f"{same} of {asked.runs} end in the bits of a run that was left alone; those left ended "
        f"within {slowest:.1f} s; {time.monotonic() - began:.0f} s in all"
    )
    sys.exit(same != asked.runs)


if __name__ == "__main__":
    main()
