"""One, two and four processes over gloo: the same inputs, bits and scores for every family."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from families import FAMILIES, LOOKING_ACROSS, built
from torch import Tensor

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked"),
]
EVERY = FAMILIES | LOOKING_ACROSS
SHARDS = 4
STEPS = 3
LONGEST_S = 240.0
MEASURED = ["metric=[{use='frechet'}, {use='sliced'}]", "measure.network='random'"]
FEW = ["measure.samples=300", "measure.reference=500", f"train.steps={STEPS}"]


def digest(*tensors: Tensor | None) -> str:
    found = hashlib.sha256()
    for tensor in tensors:
        found.update(b"-" if tensor is None else tensor.contiguous().numpy().tobytes())
    return found.hexdigest()


def made(family: str) -> dict[str, Any]:
    """Train and measure as one of the processes of the environment; return what came of it."""
    from ganzoo.measure.company import Following
    from ganzoo.measure.watch import watch
    from ganzoo.plugin.registry import load_plugins
    from ganzoo.training import own_step, step, together

    seen: dict[str, str] = {}
    plain = step.parts_of

    def watched(cut: Any, batch: Any, latent: Tensor) -> Iterator[Any]:
        turn = len({key.partition(" ")[0] for key in seen})
        for rows, part, own in plain(cut, batch, latent):
            key = f"{turn} {rows.start}+{rows.count} of {rows.whole}"
            seen[key] = digest(part.images, part.labels, part.inputs, own)
            yield rows, part, own

    step.parts_of = own_step.parts_of = watched  # type: ignore[assignment]
    group = together.join(torch.device("cpu"))
    name, overrides = EVERY[family]
    cut = f"train.shards={SHARDS}"
    parts = built(name, [*overrides, *MEASURED, *FEW, cut], group)
    for number in range(STEPS):
        parts.step(number, parts.feed, observe=True)
        for player, average in parts.averages.items():
            average.follow(parts.sides[player].network, number)
    registry = load_plugins([], [])
    scores: dict[str, Any] = {}
    if group.is_first:
        measures = watch(parts, registry, str, asked="yes")
        measures.take(STEPS)
        scores = measures.result()["metrics"]
    else:
        Following(parts, registry).take(STEPS)
    weights = [each for net in parts.networks.values() for each in net.state_dict().values()]
    if group.count > 1:
        together.known().end()
    return {"inputs": seen, "weights": digest(*weights), "scores": scores}


def forked(family: str, count: int, folder: Path) -> list[dict[str, Any]]:
    """Do it in so many processes."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    pids = []
    for rank in range(count):
        pid = os.fork()
        if pid == 0:
            os.environ |= {
                "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(count),
                "LOCAL_WORLD_SIZE": str(count), "MASTER_ADDR": "127.0.0.1",
                "MASTER_PORT": str(port),
            }  # fmt: skip
            try:
                (folder / f"{rank}.json").write_text(json.dumps(made(family)))
            except BaseException:  # noqa: BLE001  told by the parent
                (folder / f"{rank}.txt").write_text(traceback.format_exc())
            finally:
                os._exit(0)
        pids.append(pid)
    until, left = time.monotonic() + LONGEST_S, set(pids)
    while left and time.monotonic() < until:
        left -= {pid for pid in left if os.waitpid(pid, os.WNOHANG)[0]}
        time.sleep(0.02)
    for pid in left:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
    for failure in folder.glob("*.txt"):
        print(failure.name, failure.read_text(), file=sys.stderr)
    assert not left, f"{len(left)} of {count} processes hung"
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in range(count)]


@pytest.mark.parametrize("family", EVERY)
def test_one_two_and_four_processes_are_alike(family: str, tmp_path: Path) -> None:
    found = {}
    for count in (1, 2, 4):
        (folder := tmp_path / str(count)).mkdir()
        found[count] = forked(family, count, folder)

    (one,) = found[1]
    assert len(one["inputs"]) >= 2 * SHARDS * STEPS
    assert one["scores"]
    for count in (2, 4):
        together: dict[str, str] = {}
        for each in found[count]:
            together |= each["inputs"]
            assert each["weights"] == one["weights"]
        assert together == one["inputs"]
        assert repr(found[count][0]["scores"]) == repr(one["scores"])
