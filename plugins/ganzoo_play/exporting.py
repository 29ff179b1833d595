"""The page as one file: network, runtime and directions inside, opened from disk without Python."""

from __future__ import annotations

import base64
import gzip
import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from ganzoo.api import GanzooError, Progress, own_page, page_policy, publish
from ganzoo_play.game import Game, packed
from ganzoo_play.runtime import runtime
from ganzoo_play.serving import own

MOST_MIB = 32
"""Of weights in a page: browsers read it whole before anything is shown."""
SEEDS = 256
"""Latents to begin with, as many as a page carries: a browser cannot draw torch's numbers."""


def export_page(run: Any, game: Game, path: Path, progress: Progress) -> float:
    """Write the page of a small generator as one file.

    Returns:
        The largest difference of a pixel between torch and the program that is in it.

    Raises:
        GanzooError: if the network is too large or not for a page, or cannot be traced.
        FetchError: if the runtime for browsers cannot be had.
        MachineError: if the file cannot be written.
    """
    refuse_unsuited(game)
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        program = Path(folder) / "generator.onnx"
        worst = float(run.export("onnx", program))
        network = program.read_bytes()
    parts = runtime(progress)
    script = parts.script + own("exported.js") + own("play.js")
    facts = {**game.facts(), "truncation": None, "seeds": SEEDS}
    starts = torch.cat([game.model.draw(1, seed) for seed in range(SEEDS)])
    body = own("play.html") + "\n".join(
        [
            held("facts", json.dumps(facts, allow_nan=False).replace("<", "\\u003c")),
            held("starts", packed(starts)),
            held("network", zipped(network)),
            held("wasm", zipped(parts.wasm)),
        ]
    )
    policy = page_policy(script, asks=False, wasm=True)
    page = own_page(
        f"{game.title} · ganzoo", body, script=script, style=own("play.css"), policy=policy
    )
    publish(path, page, "name another place with --export")
    return worst


def refuse_unsuited(game: Game) -> None:
    """Raise GanzooError for a network that is too large, or makes what a page cannot draw."""
    network, image = game.model.network, game.model.image
    num_bytes = sum(each.numel() * each.element_size() for each in network.state_dict().values())
    if num_bytes > MOST_MIB << 20:
        raise GanzooError(
            f"the generator has {num_bytes / 2**20:.0f} MiB of weights, but a page holds "
            f"at most {MOST_MIB} MiB; without --export it can be played with on this machine"
        )
    if image.channels not in (1, 3):
        raise GanzooError(
            f"images of {image.channels} channels cannot be drawn by a page without Python, only "
            "those of 1 and 3; leave out --export"
        )


def held(name: str, text: str) -> str:
    """Return data as an element that browsers neither run nor show."""
    return f'<script type="application/octet-stream" id="{name}">{text}</script>'


def zipped(content: bytes) -> str:
    """Return gzip as base64; equal content gives equal text."""
    return base64.b64encode(gzip.compress(content, 9, mtime=0)).decode()
