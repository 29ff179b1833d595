"""Kill writers and flip bits: ganzoo's checkpoints beside ``torch.save`` to the path.

    python -m benchmarks.reliability --kills 200 --flips 1000

For each writer a process saves the same weights over and over; it is killed at a random instant,
and what lies at the path is read back. Then one random bit of a good file is flipped, or its end
cut off, and the file is read: accepting it counts, whatever it then contains.

    python -m benchmarks.reliability --attacks 2 --processes 2

attacks run folders instead, with so many forgeries of each file: see ``benchmarks.run_folders``.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import random
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from multiprocessing.queues import SimpleQueue
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from benchmarks.run_folders import ON_RUNS, ON_STUDIES, Attack, attacks, attempt, lay_out, warm
from ganzoo.runs import checkpoint
from ganzoo.runs.checkpoint import State

Writer = Callable[[Path, dict[str, torch.Tensor]], None]
Reader = Callable[[Path], object]


def ganzoo_write(path: Path, tensors: dict[str, torch.Tensor]) -> None:
    """Write as a run does."""
    state = State(step=1, log_lines=0, recipe="", optimizers={}, health={}, measures={}, machine={})
    checkpoint.write(path, tensors, state)


def torch_write(path: Path, tensors: dict[str, torch.Tensor]) -> None:
    """Write as torchgan, mimicry and StudioGAN do."""
    torch.save(tensors, path)


def torch_read(path: Path) -> object:
    """Read with the restricted unpickler."""
    return torch.load(path, weights_only=True)


def safetensors_write(path: Path, tensors: dict[str, torch.Tensor]) -> None:
    """Write with the safetensors library alone."""
    save_file(tensors, path)


CONTESTANTS: dict[str, tuple[Writer, Reader]] = {
    "ganzoo": (ganzoo_write, checkpoint.read_checkpoint),
    "torch.save to the path": (torch_write, torch_read),
    "safetensors save_file": (safetensors_write, load_file),
}
SUFFIXES = {
    "ganzoo": "safetensors",
    "torch.save to the path": "pt",
    "safetensors save_file": "safetensors",
}


def write_forever(name: str, path: Path, told: Path) -> None:
    """Save about 6 MB over and over."""
    torch.manual_seed(0)
    tensors = {f"layer{number}": torch.randn(100_000) for number in range(15)}
    while True:
        CONTESTANTS[name][0](path, tensors)
        told.touch()


def kills(name: str, count: int, folder: Path, chance: random.Random) -> int:
    """Return after how many of ``count`` kills no readable checkpoint was left."""
    context = multiprocessing.get_context("fork")
    path, told = folder / f"checkpoint.{SUFFIXES[name]}", folder / "told"
    unreadable = 0
    for _ in range(count):
        told.unlink(missing_ok=True)
        child = context.Process(target=write_forever, args=(name, path, told))
        child.start()
        while not told.exists():
            time.sleep(0.001)
        time.sleep(chance.uniform(0.001, 0.06))
        child.kill()
        child.join()
        unreadable += not readable(name, path)
    return unreadable


def flips(name: str, count: int, folder: Path, chance: random.Random) -> tuple[int, int]:
    """Return how many flipped bits and how many cut ends were accepted."""
    path = folder / f"flipped.{SUFFIXES[name]}"
    torch.manual_seed(0)
    CONTESTANTS[name][0](path, {"a": torch.randn(64, 64), "b": torch.randn(64)})
    CONTESTANTS[name][1](path)
    content = path.read_bytes()
    flipped = cut = 0
    for _ in range(count):
        damaged = bytearray(content)
        damaged[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        path.write_bytes(damaged)
        flipped += readable(name, path)
        path.write_bytes(content[: chance.randrange(len(content))])
        cut += readable(name, path)
    return flipped, cut


def readable(name: str, path: Path) -> bool:
    """Return whether the reader accepts the file."""
    try:
        CONTESTANTS[name][1](path)
    except Exception:  # noqa: BLE001 - the contestants raise half a dozen kinds
        return False
    return True


def attack(forgeries: int, processes: int) -> None:
    """Attack run folders; print every fault, and what held by command and kind of attack."""
    tried = [
        (command, each)
        for each in attacks(forgeries)
        for command in (ON_STUDIES if each.study else ON_RUNS)
    ]
    with tempfile.TemporaryDirectory() as name:
        context = multiprocessing.get_context("fork")
        base, told = Path(name) / "base", context.SimpleQueue()
        base.mkdir()
        first = context.Process(target=lay_out, args=(base,))
        first.start()
        first.join()
        warm(base)
        for part in range(processes):
            own = shutil.copytree(base, Path(name) / f"part-{part}")
            mine = range(part, len(tried), processes)
            context.Process(target=one_by_one, args=(tried, mine, own, told)).start()
        held, longest = Counter[str](), 0.0
        for _ in tried:
            number, fault, seconds = told.get()
            command, each = tried[number]
            longest = max(longest, seconds)
            if fault:
                print(f"{command}, {each.kind}, {each.target}: {fault}", flush=True)
            else:
                held.update([command, each.kind, "all"])
    numbers = Counter(what for command, each in tried for what in (command, each.kind, "all"))
    for what, number in numbers.items():
        print(f"{what}: {held[what]} of {number}")
    print(f"longest: {longest:.1f} s of processor time")


def one_by_one(
    tried: list[tuple[str, Attack]], mine: range, folder: Path, told: SimpleQueue[object]
) -> None:
    """Make the attempts with the numbers ``mine``; put number, fault and seconds of each."""
    for number in mine:
        made = attempt(*tried[number], folder)
        told.put((number, made.fault, made.seconds))


def main() -> None:
    """Print the table and a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--flips", type=int, default=1000)
    parser.add_argument("--attacks", type=int, metavar="FORGERIES")
    parser.add_argument("--processes", type=int, default=1)
    chosen = parser.parse_args()
    if chosen.attacks is not None:
        attack(chosen.attacks, chosen.processes)
        return
    torch.set_num_threads(1)
    rows = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in CONTESTANTS:
            chance = random.Random(0)
            flipped, cut = flips(name, chosen.flips, Path(folder), chance)
            rows[name] = {
                "kills": chosen.kills,
                "unreadable after a kill": kills(name, chosen.kills, Path(folder), chance),
                "flips and cuts, each": chosen.flips,
                "flips accepted": flipped,
                "cuts accepted": cut,
            }
    width = max(map(len, rows))
    for name, row in rows.items():
        print(f"{name:{width}}  " + "   ".join(f"{key} {value}" for key, value in row.items()))
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
