"""Makes the pictures of docs/components.md: a short run on digits with each component in place.

    python docs/gallery.py [--steps 600] [KIND/USE ...]

Everything else is ``dcgan_digits`` at half its channels, so that only the named part differs.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import ganzoo
from ganzoo.grids import save_png
from ganzoo.registry import load

PICTURES = Path(__file__).parent / "images" / "components"
SMALL = {"generator.base_channels": 16, "discriminator.base_channels": 16, "metric": [],
         "samples.every": 0, "checkpoint.every": 0, "train.epochs": 10_000}  # fmt: skip
NEEDS: dict[str, dict[str, Any]] = {
    "loss/wasserstein": {"regularizer": [{"use": "gradient_penalty"}],
                         "discriminator.norm": "none"},
    "loss/relativistic": {"regularizer": [{"use": "r1"}, {"use": "r2"}],
                          "discriminator.norm": "none"},
}  # fmt: skip
"""What a component is not used without."""


def shown() -> Iterator[str]:
    """Yield the components that a picture says something of."""
    registry = load(block=["*"])
    for kind in ("generator", "loss"):
        for use in registry.specs(kind):
            yield f"{kind}/{use}"


def main() -> None:
    """Make the pictures that were asked for, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("names", nargs="*", metavar="KIND/USE")
    asked = parser.parse_args()
    for name in asked.names or shown():
        kind, _, use = name.partition("/")
        values = {**SMALL, "train.steps": asked.steps, f"{kind}.use": use, **NEEDS.get(name, {})}
        with TemporaryDirectory() as out:
            run = ganzoo.run("dcgan_digits", values, out=out, threads=asked.threads, quiet=True)
            save_png(run.sample(20, seed=1).picture(columns=10), PICTURES / f"{kind}-{use}.png")
        print(name, flush=True)


if __name__ == "__main__":
    main()
