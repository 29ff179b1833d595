"""``python -m benchmarks.feed``: how fast do pictures reach the step that are too many for memory?

Photographs from an archive become ``--count`` JPEG files of 128×128 in folders by class, in a
temporary folder. Each contestant reads them in a process of its own, in turns: ganzoo from its
cache, ganzoo decoding with two workers, and torchvision's ImageFolder with a DataLoader of two
workers.
Linux only: memory is what /proc says of a process and its workers, shared pages counted once.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

SIZE, BATCH, WORKERS = 128, 64, 2
MIB = 2**20
CONTESTANTS = {
    "ganzoo, from its cache": {},
    f"ganzoo, {WORKERS} workers, no cache": {"GANZOO_CACHE_LIMIT": "0"},
    f"ImageFolder, DataLoader, {WORKERS} workers": {},
}


def main(arguments: list[str] | None = None) -> int:
    """Measure and print a table, or what one contestant says."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.feed", description=__doc__)
    parser.add_argument("photographs", type=Path, help="a .zip of photographs in folders by class")
    parser.add_argument("--count", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=10.0, help="of reading, a turn")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    asked = parser.parse_args(arguments)
    if asked.one is not None:
        print(json.dumps(one(asked.one, asked.photographs, asked.seconds)))
        return 0
    with tempfile.TemporaryDirectory() as place:
        folder, cache = Path(place) / "pictures", Path(place) / "cache"
        started = time.perf_counter()
        num_bytes = draw(asked.photographs, folder, asked.count)
        print(
            f"{asked.count:,} pictures, {num_bytes / 1e6:,.0f} MB of JPEG, drawn in "
            f"{time.perf_counter() - started:,.0f} s; batches of {BATCH}",
            flush=True,
        )
        found: dict[str, list[dict[str, float]]] = {"ganzoo, making its cache": []}
        for turn in range(asked.rounds):
            for name, set_ in CONTESTANTS.items():
                title = next(iter(found)) if not turn and "from" in name else name
                found.setdefault(title, []).append(call(name, folder, cache, asked.seconds, set_))
                if title != name:
                    found.setdefault(name, []).append(
                        call(name, folder, cache, asked.seconds, set_)
                    )
        kept = sum(path.stat().st_size for path in cache.rglob("*") if path.is_file())
        print(f"the cache holds {kept / 1e6:,.0f} MB")
        print(f"{'':<36} images/s        cpu/image  first batch  anonymous  of files")
        for name, each in found.items():
            print(row(name, each))
    return 0


def row(name: str, found: list[dict[str, float]]) -> str:
    """Return a line of the table: medians, of speed the range as well."""
    middle = {key: statistics.median(one[key] for one in found) for key in found[0]}
    speeds = [one["speed"] for one in found]
    return (
        f"{name:<36} {middle['speed']:7,.0f} ({min(speeds):,.0f} to {max(speeds):,.0f}) "
        f"{middle['cpu'] * 1e6:6,.0f} µs {middle['start']:8,.1f} s "
        f"{middle['anonymous'] / MIB:8,.0f} MiB {middle['files'] / MIB:8,.0f} MiB"
    )


def draw(photographs: Path, folder: Path, count: int) -> int:
    """Write ``count`` pictures, each another part of a photograph; return their bytes."""
    from PIL import Image

    archive = zipfile.ZipFile(photographs)
    names = sorted(name for name in archive.namelist() if name.endswith(".jpg"))
    contents = [archive.read(name) for name in names]

    def write(number: int) -> int:
        copy, at = divmod(number, len(names))
        image = Image.open(BytesIO(contents[at])).convert("RGB")
        left, top = copy % 4, copy // 4 % 4
        box = (left, top, image.width - 4 + left, image.height - 4 + top)
        path = folder / Path(names[at]).parent / f"{copy:03}-{Path(names[at]).name}"
        image.resize((SIZE, SIZE), Image.Resampling.BICUBIC, box).save(path, quality=90)
        return path.stat().st_size

    for each in {Path(name).parent for name in names}:
        (folder / each).mkdir(parents=True)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return sum(pool.map(write, range(count)))


def call(
    name: str, folder: Path, cache: Path, seconds: float, more: dict[str, str]
) -> dict[str, float]:
    """Have a contestant read in a process of its own."""
    words = ["--one", name, "--seconds", str(seconds), str(folder)]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.feed", *words],
        env={**os.environ, "GANZOO_CACHE": str(cache), **more},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    print(f"  {name}: {found['speed']:,.0f} images/s", flush=True)
    return found


def one(name: str, folder: Path, seconds: float) -> dict[str, float]:
    """Read batches for so many seconds; return what that took."""
    import torch

    torch.set_num_threads(1)
    started = time.perf_counter()
    take = ours(folder) if name.startswith("ganzoo") else theirs(folder)
    take()
    start = time.perf_counter() - started
    for _ in range(8):
        take()
    began, cpu, images = time.perf_counter(), spent(), 0
    while time.perf_counter() - began < seconds:
        images += take()
    took = time.perf_counter() - began
    cpu = (spent() - cpu) / images
    memory = held()
    return {"speed": images / took, "cpu": cpu, "start": start, **memory}


def ours(folder: Path) -> Callable[[], int]:
    """Return ganzoo's feed, as a run has it."""
    import torch

    from ganzoo.api import DataRoot
    from ganzoo.recipe.model import Train
    from ganzoo.training.feed import Feed, shape_of
    from ganzoo_datasets.folder import Folder

    spec = Folder(path=str(folder), size=SIZE)
    data = spec.build(DataRoot(folder, tell=lambda text: print(text, file=sys.stderr)))
    train = Train(steps=1, batch_size=BATCH)
    feed = Feed(data, shape_of(data, spec), train, torch.device("cpu"), workers=WORKERS)
    numbers = iter(range(1 << 30))
    return lambda: len(feed(next(numbers)).images)


def theirs(folder: Path) -> Callable[[], int]:
    """Return torchvision's folder with the transforms that tutorials have."""
    from torch.utils.data import DataLoader
    from torchvision import transforms
    from torchvision.datasets import ImageFolder

    middle = (0.5, 0.5, 0.5)
    change = transforms.Compose(
        [
            transforms.Resize(SIZE),
            transforms.CenterCrop(SIZE),
            transforms.ToTensor(),
            transforms.Normalize(middle, middle),
        ]
    )
    loader: DataLoader[Any] = DataLoader(
        ImageFolder(str(folder), change),
        BATCH,
        shuffle=True,
        num_workers=WORKERS,
        drop_last=True,
    )

    def batches() -> Iterator[Any]:
        while True:
            yield from loader

    found = batches()
    return lambda: len(next(found)[0])


def family() -> list[int]:
    """Return this process and its children."""
    mine = os.getpid()
    children = Path(f"/proc/{mine}/task/{mine}/children").read_text(encoding="ascii").split()
    return [mine, *map(int, children)]


def spent() -> float:
    """Return the processor seconds of this process and its workers so far."""
    ticks = 0
    for process in family():
        fields = (
            Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        )
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def held() -> dict[str, float]:
    """Return the bytes held, a page of several processes divided among them.

    Those of files are the system's to take back whenever it needs them.
    """
    found = {"anonymous": 0.0, "files": 0.0}
    keys = {"Pss_Anon": "anonymous", "Pss_Shmem": "anonymous", "Pss_File": "files"}
    for process in family():
        for line in Path(f"/proc/{process}/smaps_rollup").read_text(encoding="ascii").splitlines():
            key, _, value = line.partition(":")
            if key in keys:
                found[keys[key]] += int(value.split()[0]) * 1024
    return found


if __name__ == "__main__":
    sys.exit(main())
