"""The main ways of the command line, called as on Windows: in one process, on a cp1252 console."""

from __future__ import annotations

import io
import json
import sys
import time
from pathlib import Path
from typing import Any

RECIPE = """\
extends = "dcgan_digits"
metric = []
[train]
steps = 6
batch_size = 8
log_every = 2
[generator]
base_channels = 2
[discriminator]
base_channels = 2
[samples]
rows = 2
columns = 2
every = 2
"""
STOPPER = '''\
"""A loss in whose fourth step somebody presses Ctrl-C, once."""

import signal
from pathlib import Path
from typing import ClassVar

from ganzoo.api import LossSpec, hookimpl


class Stopped(LossSpec):
    """A line through the logits."""

    use: ClassVar[str] = "stopped"

    def discriminator_terms(self, ctx):
        if ctx.step == 3 and not Path("pressed").exists():
            Path("pressed").touch()
            signal.raise_signal(signal.SIGINT)
        return {"real": -ctx.real_logits.mean(), "fake": ctx.fake_logits.mean()}

    def generator_terms(self, ctx):
        return {"adversarial": -ctx.fake_logits.mean()}


@hookimpl
def ganzoo_losses():
    return [Stopped]
'''
PLAN = """\
base = "tiny"
seeds = [0]
metrics = ["d/loss"]
[budget]
steps = 3
[variants.plain]
[variants.slow]
optimizer.generator.lr = 1e-5
"""


FOLDER = ("dataset.use=folder", "dataset.path=pictures", "dataset.size=28", "dataset.channels=1")


def call(*words: str) -> tuple[int, str, str]:
    """Run one command; return its exit code and what it wrote to a console of 256 characters."""
    from ganzoo.cli.app import ganzoo

    streams = [io.TextIOWrapper(io.BytesIO(), encoding="cp1252", newline="\r\n") for _ in range(2)]
    sys.stdout, sys.stderr = streams
    try:
        ganzoo.main([*words], prog_name="ganzoo")
        code: Any = 0
    except SystemExit as leaving:
        code = leaving.code
    finally:
        sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
    written = []
    for stream in streams:
        stream.flush()
        written.append(stream.buffer.getvalue().decode("cp1252"))  # type: ignore[attr-defined]
    return int(code or 0), written[0], written[1]


def draw_pictures(folder: Path) -> None:
    """Write sixteen grey pictures, and have them read one by one as if they were many."""
    from PIL import Image

    import ganzoo_datasets.image_files as reading

    folder.mkdir()
    for number in range(16):
        Image.new("L", (28, 28), 16 * number).save(folder / f"{number}.png")
    reading.RESIDENT = 0


def main() -> None:
    """Run the session in the working directory; print what happened as JSON."""
    Path("tiny.toml").write_text(RECIPE, encoding="utf-8", newline="\r\n")
    Path("stopper.py").write_text(STOPPER, encoding="utf-8", newline="\r\n")
    Path("small.toml").write_text(PLAN, encoding="utf-8", newline="\r\n")
    stopped = ("run", "tiny.toml", "--plugin", "stopper.py", "--set", "loss.use=stopped")
    commands = {
        "help": ("--help",),
        "check": ("check", "tiny.toml"),
        "wrong": ("check", "tiny.toml", "--set", "train.stepz=1"),
        "device": ("run", "tiny.toml", "--out", "nul/runs"),
        "run": ("run", "tiny.toml", "--name", "con", "--device", "cpu"),
        "stopped": (*stopped, "--device", "cpu"),
        "resume": ("resume", "last", "--plugin", "stopper.py", "--device", "cpu"),
        "whole": (*stopped, "--out", "whole", "--device", "cpu"),
        "workers": (
            *("run", "tiny.toml", "--out", "many", "--workers", "1", "--device", "cpu"),
            *(word for each in FOLDER for word in ("--set", each)),
        ),
        "sample": ("sample", "last", "-n", "4", "--plugin", "stopper.py"),
        "film": ("sample", "last", "-n", "4", "--walk", "--gif", "--plugin", "stopper.py"),
        "report": ("report", "last"),
        "list": ("list", "runs"),
        "doctor": ("doctor",),
        "ablate": ("ablate", "small.toml", "--jobs", "2", "--device", "cpu"),
        "tag": ("runs", "tag", "last", "good"),
        "logs": ("runs", "logs", "last"),
        "prune": ("runs", "prune", "last", "--yes"),
        "remove": ("runs", "remove", "last", "--out", "many", "--yes"),
    }
    draw_pictures(Path("pictures"))
    told = {}
    for name, words in commands.items():
        begun = time.monotonic()
        code, out, err = call(*words)
        told[name] = {"code": code, "out": out, "err": err, "s": time.monotonic() - begun}
    print(json.dumps(told))


if __name__ == "__main__":
    main()
