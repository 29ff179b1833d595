"""Kill training runs and checkpoint writers at random instants; run it for the long form.

python tests/system/reliability/kills.py --runs 200 --writers 1000
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from children import begin, differing, digest, empty_state, run_child, train, write_recipe  # noqa: E402


def killed_runs(folder: Path, runs: int, seed: int = 0, most_kills: int = 4) -> tuple[int, int]:
    """Train ``runs`` times with one to ``most_kills`` SIGKILLs each.

    Returns:
        How many runs ended with the digest of an undisturbed one, and how many kills struck.
    """
    chance = random.Random(seed)
    recipe = write_recipe(folder)
    # The first child waits for the fork server; the second one's time is that of a run.
    assert run_child(train, recipe, folder / "first") == 0
    begun = time.monotonic()
    assert run_child(train, recipe, folder / "whole") == 0
    length = time.monotonic() - begun
    wanted = digest(folder / "whole")
    equal = kills = 0
    for number in range(runs):
        run = folder / f"run{number}"
        while not (struck := killed(recipe, run, length, most_kills, chance)):
            # The machine has become quicker than when the length was taken.
            length *= 0.8
            shutil.rmtree(run)
        assert run_child(train, recipe, run) == 0
        equal += not differing(wanted, digest(run))
        kills += struck
    return equal, kills


def killed(recipe: Path, run: Path, length: float, most: int, chance: random.Random) -> int:
    """Train in ``run``, killed up to ``most`` times within ``length`` seconds; return how often."""
    struck = 0
    for _ in range(most):
        child = begin(train, recipe, run)
        child.join(chance.uniform(0.02, length))
        if child.exitcode is None:
            child.kill()
            child.join()
            struck += 1
        if child.exitcode == 0:
            break
    return struck


def write_forever(path: Path) -> None:
    """Save checkpoint after checkpoint; the step says how many there were."""
    import torch

    from ganzoo.runs import checkpoint

    weights = torch.randn(200_000)
    step = 0
    while True:
        step += 1
        state = empty_state(step)
        checkpoint.write(path, {"weights": weights + step}, state)
        path.with_suffix(".told").write_text(str(step))


def killed_writers(folder: Path, kills: int, seed: int = 0) -> tuple[int, int]:
    """Kill a writer ``kills`` times.

    Returns:
        How often no valid checkpoint was left, and how often one that had been reported was lost.
    """
    from ganzoo.common.errors import CheckpointError
    from ganzoo.runs import checkpoint

    chance = random.Random(seed)
    path = folder / "step-000001.safetensors"
    invalid = lost = 0
    for _ in range(kills):
        told = path.with_suffix(".told")
        told.unlink(missing_ok=True)
        child = begin(write_forever, path)
        while not told.exists() or not told.read_text():
            time.sleep(0.001)
        time.sleep(chance.uniform(0.001, 0.06))
        child.kill()
        child.join()
        try:
            found = checkpoint.read_checkpoint(path)[1].step
            lost += found < int(told.read_text() or 0)
        except CheckpointError:
            invalid += 1
    return invalid, lost


def die_at(path: Path, call: int, torn: bool) -> None:
    """Write one checkpoint over another and die at system call number ``call``."""
    import torch

    from ganzoo.runs import checkpoint

    count = 0

    def dying(name: str) -> None:
        original = getattr(os, name)

        def wrapped(*arguments: object, **options: object) -> object:
            nonlocal count
            count += 1
            if count == call:
                if torn and name == "write":
                    descriptor, content = arguments
                    original(descriptor, bytes(content)[: len(bytes(content)) // 2])  # type: ignore[call-overload, arg-type]
                os.kill(os.getpid(), signal.SIGKILL)
            return original(*arguments, **options)

        setattr(os, name, wrapped)

    for name in ("open", "write", "fsync", "close", "replace"):
        dying(name)
    state = empty_state(2)
    checkpoint.write(path, {"weights": torch.ones(1000)}, state)
    sys.exit(0)


def main() -> None:
    """Print what became of the runs and writers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--writers", type=int, default=1000)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        begun = time.monotonic()
        equal, kills = killed_runs(Path(folder), chosen.runs)
        invalid, lost = killed_writers(Path(folder), chosen.writers)
        print(
            json.dumps(
                {
                    "runs": chosen.runs,
                    "kills of runs": kills,
                    "runs with equal digests": equal,
                    "kills of writers": chosen.writers,
                    "without a valid checkpoint": invalid,
                    "reported and lost": lost,
                    "seconds": round(time.monotonic() - begun, 1),
                }
            )
        )
    sys.exit(not (equal == chosen.runs and invalid == lost == 0))


if __name__ == "__main__":
    main()
