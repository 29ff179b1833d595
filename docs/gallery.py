"""Makes the pictures of docs/components.md: a short run with each component in place.

    python docs/gallery.py [--steps 1200] [KIND/USE ...]

Most are ``dcgan_digits`` at 16×16 pixels, so that only the named part differs; points and other
data have recipes of their own. What was run goes into captions.json, which the page prints. Data
that is not in $GANZOO_DATA is downloaded, or its picture left out.
"""

from __future__ import annotations

import argparse
import json
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from PIL import Image

import ganzoo
from ganzoo.common.errors import DataError
from ganzoo.plugin.registry import load_plugins
from ganzoo.report.sheets import save_png

PICTURES = Path(__file__).parent / "images" / "components"
CAPTIONS = PICTURES / "captions.json"
KINDS = ("generator", "discriminator", "loss", "regularizer", "dataset", "optimizer", "view")
"""All but metrics, which make no images."""
WIDE = 540
"""Pixels that a row of ten images takes at least."""

Values = dict[str, Any]

QUIET: Values = {"metric": [], "samples.rows": 1, "samples.columns": 10, "samples.every": 0,
                 "checkpoint.every": 0}  # fmt: skip
DIGITS = "dcgan_digits", {"dataset.size": 16, "generator.scales": [2, 2]}
HALF: Values = {"generator.base_channels": 32, "discriminator.base_channels": 32}
CRITIC: Values = {"loss.use": "wasserstein", "discriminator.norm": "none"}
PAIR: Values = {"discriminator.norm": "none", "discriminator.dropout": 0.0}
RMSPROP: Values = {f"optimizer.{side}": {"use": "rmsprop", "lr": 2e-4}
                   for side in ("generator", "discriminator")}  # fmt: skip
SGD: Values = {f"optimizer.{side}": {"use": "sgd", "lr": 1e-2}
               for side in ("generator", "discriminator")}  # fmt: skip

ASKED: Values = {"generator.labels": "conditional_norm"}
AUTOENCODER: Values = {"discriminator": {"use": "autoencoder", "base_channels": 16}}
ENERGY: Values = {"loss": {"use": "energy", "margin": 0.25},
                  "discriminator": {"use": "autoencoder", "base_channels": 16,
                                    "error": "squared"}}  # fmt: skip
BALANCE: Values = {"loss": {"use": "boundary_equilibrium"}, **AUTOENCODER,
                   "generator": {"use": "decoder", "base_channels": 16},
                   "latent.prior": "uniform"}  # fmt: skip

RESNET: Values = {"generator": {"use": "resnet", "channels": [64, 64, 64]},
                  "discriminator": {"use": "resnet", "channels": [32, 32, 32]},
                  "loss.use": "hinge"}  # fmt: skip
R3GAN: Values = {"dataset.use": "digits", "dataset.size": 16, "train.steps": 400,
                 "train.batch_size": 32, "generator.channels": [64, 64, 32],
                 "discriminator.channels": [32, 64, 64]}  # fmt: skip
FASTGAN: Values = {"dataset.size": 32, "train.steps": 600}

OTHERS: dict[str, tuple[str, Values]] = {
    **{f"{kind}/r3gan": ("r3gan_mnist", R3GAN) for kind in ("generator", "discriminator")},
    **dict.fromkeys(
        ("generator/fastgan", "discriminator/fastgan", "loss/patch_hinge",
         "regularizer/reconstruction"),
        ("fastgan_64", FASTGAN)),
    **{name: ("pix2pix_digits", {}) for name in (
        "generator/unet", "discriminator/patch")},
    **{name: ("cyclegan_digits", {"train.steps": 700}) for name in (
        "generator/resnet_translator", "dataset/changed_digits")},
    "generator/mlp": ("toy_ring", {}),
    "generator/offset": ("toy_dirac", {}),
    "discriminator/mlp": ("toy_ring", {}),
    "discriminator/linear": ("toy_dirac", {}),
    "generator/stylegan2": ("stylegan2_mnist", {"dataset.use": "digits", "dataset.size": 16}),
    "discriminator/stylegan2": ("stylegan2_mnist", {"dataset.use": "digits", "dataset.size": 16}),
    "loss/unrolled": ("toy_ring_unrolled", {}),
    "dataset/ring": ("toy_ring", {}),
    "dataset/grid": ("toy_grid", {}),
    "dataset/dirac": ("toy_dirac", {}),
    "dataset/mnist": ("dcgan_mnist", {"train.steps": 3000}),
    "dataset/fashion_mnist": ("dcgan_mnist", {"dataset.use": "fashion_mnist", **HALF}),
    "dataset/stacked_mnist": ("dcgan_mnist", {"dataset.use": "stacked_mnist", **HALF}),
    "dataset/cifar10": (
        "dcgan_mnist",
        {"dataset.use": "cifar10", "generator.scales": [2, 2, 2], **HALF},
    ),
    "dataset/sprites": (
        "dcgan_mnist",
        {"dataset.use": "sprites", "dataset.size": 32, "generator.scales": [2, 2, 2], **HALF},
    ),
    "dataset/folder": (
        "dcgan_mnist",
        {"dataset": {"use": "folder", "path": "cifar10-jpg.zip", "size": 32},
         "generator.scales": [2, 2, 2], **HALF},
    ),
}  # fmt: skip
"""What is not made with digits."""
CHANGES: dict[str, Values] = {
    "generator/upsample": {"generator.use": "upsample"},
    "generator/resnet": RESNET,
    "discriminator/resnet": RESNET,
    "loss/hinge": {"loss.use": "hinge"},
    "loss/least_squares": {"loss.use": "least_squares"},
    "loss/relativistic": {"loss.use": "relativistic", **PAIR,
                          "regularizer": [{"use": "r1"}, {"use": "r2"}]},
    "loss/wasserstein": {**CRITIC, "regularizer": [{"use": "gradient_penalty"}]},
    "regularizer/gradient_penalty": {**CRITIC, "regularizer": [{"use": "gradient_penalty"}]},
    "regularizer/dragan": {"discriminator.norm": "none", "regularizer": [{"use": "dragan"}]},
    "regularizer/r1": {**PAIR, "regularizer": [{"use": "r1"}]},
    "regularizer/r2": {**PAIR, "regularizer": [{"use": "r2"}]},
    "regularizer/weight_clip": {"loss.use": "wasserstein", "discriminator.norm": "batch",
                                "regularizer": [{"use": "weight_clip"}], **RMSPROP},
    "discriminator/autoencoder": BALANCE,
    "generator/decoder": BALANCE,
    "loss/boundary_equilibrium": BALANCE,
    "loss/energy": ENERGY,
    "loss/top_k": {"loss": {"use": "top_k"}},
    "loss/dual_contrastive": {"loss.use": "dual_contrastive"},
    "loss/multi_hinge": {
        **ASKED, "discriminator.labels": "classes", "samples.labels": "mixed",
        "loss.use": "multi_hinge"},
    "regularizer/auxiliary_classifier": {
        **ASKED, "discriminator.labels": "classes", "samples.labels": "mixed",
        "regularizer": [{"use": "auxiliary_classifier"}]},
    "regularizer/consistency": {"regularizer": [{"use": "consistency", "fake": 10.0}]},
    "regularizer/contrastive": {
        **ASKED, "discriminator.embedding_size": 64, "samples.labels": "mixed",
        "regularizer": [{"use": "contrastive"}]},
    "regularizer/feature_matching": {"discriminator.shows_features": True,
                                     "regularizer": [{"use": "feature_matching"}]},
    "regularizer/lecam": {"regularizer": [{"use": "lecam"}]},
    "regularizer/mutual_information": {"generator.codes": [10],
                                       "regularizer": [{"use": "mutual_information"}]},
    "regularizer/orthogonal": {"regularizer": [{"use": "orthogonal"}]},
    "regularizer/path_length": {"regularizer": [{"use": "path_length"}]},
    "regularizer/pull_away": {**ENERGY, "regularizer": [{"use": "pull_away"}]},
    "regularizer/zero_centered_gp": {**PAIR, "regularizer": [{"use": "zero_centered_gp"}]},
    "optimizer/rmsprop": RMSPROP,
    "optimizer/sgd": SGD,
    "view/ada": {"view": [{"use": "ada", "images": 50_000.0}]},
    "view/apa": {"view": [{"use": "apa", "images": 50_000.0}]},
    "view/instance_noise": {"view": [{"use": "instance_noise"}]},
    "view/diffaugment": {"view": [{"use": "diffaugment"}]},
    "view/flip": {"view": [{"use": "flip"}]},
    "view/pack": {"view": [{"use": "pack"}]},
}  # fmt: skip
"""What replaces a part of the digits' recipe; a component that is not here is part of it."""
TRANSLATED = {"pix2pix_digits": "Input, output and target",
              "cyclegan_digits": "Input and output"}  # fmt: skip
"""Recipes whose sheets show what went in beside what came out, and what they show."""
NONE = {"dataset/edges": "is made of your own pictures",
        "dataset/hdf5": "reads your own pictures",
        "dataset/huggingface": "reads your own pictures",
        "dataset/paired": "reads your own pictures",
        "dataset/unpaired": "reads your own pictures"}  # fmt: skip
"""What has no picture, and why."""


def main() -> None:
    """Make the pictures that were asked for, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=1200)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("names", nargs="*", metavar="KIND/USE")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    captions = json.loads(CAPTIONS.read_text()) if CAPTIONS.is_file() else {}
    made: dict[str, Image.Image] = {}
    for name in asked.names or shown():
        recipe, values = what(name)
        with_data = name.startswith("dataset/") and not recipe.startswith(("toy_", *TRANSLATED))
        key = f"{recipe} {values} {with_data}"
        if key not in made:
            try:
                made[key] = picture(recipe, values, asked.steps, asked.threads, with_data=with_data)
            except DataError as error:
                print(f"{name}: left out: {str(error).splitlines()[0]}", flush=True)
                continue
        save_png(made[key], PICTURES / f"{name.replace('/', '-')}.png")
        captions[name] = caption(recipe, values, asked.steps, with_data=with_data)
        CAPTIONS.write_text(json.dumps(dict(sorted(captions.items())), indent=1) + "\n")
        print(name, flush=True)


def shown() -> Iterator[str]:
    """Yield the components that a picture says something of."""
    registry = load_plugins(block=["*"])
    for kind in KINDS:
        for use in registry.specs(kind):
            if f"{kind}/{use}" not in NONE:
                yield f"{kind}/{use}"


def what(name: str) -> tuple[str, Values]:
    """Return the recipe that shows a component, and what is changed in it."""
    if name in OTHERS:
        return OTHERS[name]
    recipe, small = DIGITS
    values = CHANGES.get(name, {})
    if "generator" in values:  # another network has no scales
        small = {key: value for key, value in small.items() if not key.startswith("generator.")}
    return recipe, {**small, **values}


def picture(
    recipe: str, values: Values, steps: int, threads: int, *, with_data: bool
) -> Image.Image:
    """Train and return two rows of samples, or one under a row of real images."""
    given = {**QUIET, "train.steps": steps, **values}
    if recipe.startswith(("toy_", *TRANSLATED)):
        given = {"train.steps": steps, "samples.every": 0, "checkpoint.every": 0, **values}
    if recipe in TRANSLATED:
        given |= {"metric": [], "samples.rows": 4}
    with TemporaryDirectory() as out:
        run = ganzoo.run(recipe, given, out=out, threads=threads, quiet=True)
        if run.status != "done":  # a signal ends a run early; no picture shows half of one
            raise SystemExit(130)
        if recipe in TRANSLATED:
            with Image.open(run.folder.sheets()[-1]) as sheet:
                return sheet.copy()
        if recipe.startswith("toy_"):
            with Image.open(run.folder.sheets()[-1]) as sheet:
                small = sheet.resize((240, 240), Image.Resampling.LANCZOS)
            # The Dirac GAN lives on a line.
            return small.crop((0, 90, 240, 150)) if recipe == "toy_dirac" else small
        rows = [run.sample(10 if with_data else 20, seed=1).picture(columns=10)]
        if with_data:
            rows.insert(0, Image.open(run.path / "real.png"))
        both = stacked([row.convert(rows[-1].mode) for row in rows])
    factor = -(-WIDE // both.width)
    return both.resize((factor * both.width, factor * both.height), Image.Resampling.NEAREST)


def stacked(rows: list[Image.Image]) -> Image.Image:
    """Lay pictures of one width below each other."""
    whole = Image.new(rows[0].mode, (rows[0].width, sum(row.height for row in rows)))
    top = 0
    for row in rows:
        whole.paste(row, (0, top))
        top += row.height
    return whole


def caption(recipe: str, values: Mapping[str, Any], steps: int, *, with_data: bool) -> str:
    """Return in Markdown what was run."""
    size = (
        " at 16×16" if recipe == DIGITS[0] else " at half its channels" * (set(HALF) <= set(values))
    )
    own = {key: value for key, value in values.items() if key not in {*DIGITS[1], *HALF}}
    steps = own.pop("train.steps", steps)
    changes = ", ".join(f"`{key} = {written(value)}`" for key, value in own.items())
    changed = f"{size}, with {changes}" if changes else size
    start = "Grey: data; red: samples" if recipe.startswith("toy_") else "Samples"
    start = "First row: data; second: samples" if with_data else start
    start = TRANSLATED.get(recipe, start)
    return f"{start} after {steps:,} steps of `{recipe}`{changed}; seed 0, not cherry-picked."


def written(value: object) -> str:
    """Return a value nearly as a recipe writes it."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {written(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(written, value)) + "]"
    return json.dumps(value)


if __name__ == "__main__":
    main()
