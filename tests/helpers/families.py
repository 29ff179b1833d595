"""One small recipe of each family of networks, losses and steps that ganzoo ships."""

from __future__ import annotations

from ganzoo.common.data_root import DataRoot, data_root
from ganzoo.plugin.registry import load_plugins
from ganzoo.recipe.check import load_recipe
from ganzoo.recipe.source import find_recipe
from ganzoo.training.machine import set_up
from ganzoo.training.parts import Parts, assemble
from ganzoo.training.together import Group

DIGITS = ["dataset.use='digits'", "train.epochs=9", "train.batch_size=12", "latent.size=5"]
SMALL = [*DIGITS, "generator.base_channels=2", "discriminator.base_channels=2"]
RESNET = [
    *DIGITS,
    "generator.channels=[4, 4, 2]",
    "discriminator.channels=[2, 4, 4]",
]
R3GAN = [
    *DIGITS,
    *(
        f"{role}.{key}"
        for role in ("generator", "discriminator")
        for key in ("channels=[4, 4, 4]", "group_size=2", "blocks=1", "expansion=1")
    ),
]
TRANSLATED = [
    "train.batch_size=12",
    "generator.base_channels=2",
    "discriminator.base_channels=2",
]
LAZY = "[{use='r1', every=2}, {use='lecam'}]"
FAMILIES = {
    "dcgan": ("dcgan_digits", SMALL),
    "dropout": ("dcgan_digits", [*SMALL, "discriminator.dropout=0.3", "step.batching='joint'"]),
    "lazy": (
        "dcgan_digits",
        [*SMALL, f"regularizer={LAZY}", "view=[{use='ada', interval=1, images=50}]"],
    ),
    "packs": ("dcgan_digits", [*SMALL, "view=[{use='pack'}]", "step.generator_updates=2"]),
    "cgan": ("cdcgan_digits", SMALL),
    "wgan_gp": ("wgan_gp_mnist", [*SMALL, "step.discriminator_updates=2"]),
    "sngan": ("sngan_resnet_mnist", RESNET),
    "r3gan": ("r3gan_mnist", R3GAN),
    "began": ("began_mnist", [*SMALL, "discriminator.hidden=4"]),
    "uneven": (
        "dcgan_digits",
        [
            *SMALL,
            "train.batch_size=1476",
            "generator.norm='none'",
            "train.last_batch='keep'",
            "view=[{use='ada', interval=1, images=5000}]",
        ],
    ),
    "pix2pix": (
        "pix2pix_digits",
        [
            *TRANSLATED,
            "dataset.size=16",
            "generator.levels=3",
            "generator.norm='instance'",
            "generator.dropout=0.3",
            "discriminator.norm='instance'",
        ],
    ),
    "pix2pix_norm": (
        "pix2pix_digits",
        [
            *TRANSLATED,
            "dataset.size=16",
            "generator.levels=3",
            "generator.dropout=0.3",
            "generator.norm='batch'",
            "discriminator.norm='batch'",
        ],
    ),
    "cyclegan_norm": (
        "cyclegan_digits",
        [
            *TRANSLATED,
            "dataset.size=16",
            "generator.blocks=1",
            "step.pool=20",
            "generator.norm='batch'",
            "discriminator.norm='batch'",
            "regularizer=[{use='r1', weight=1.0}]",
        ],
    ),
    "cyclegan": (
        "cyclegan_digits",
        [*TRANSLATED, "dataset.size=16", "generator.blocks=1", "step.pool=20"],
    ),
    "ema": ("dcgan_digits", [*SMALL, "ema.half_life=3", "step.generator_noise='fresh'"]),
}
ATTENTIVE = [
    "dataset.size=16",
    "generator.channels=[4, 4]",
    "discriminator.channels=[4, 4]",
    "generator.attention=[16]",
    "discriminator.attention=[8]",
]
LOOKING_ACROSS = {
    "stylegan2": (
        "stylegan2_mnist",
        [
            *DIGITS,
            "generator.channel_max=4",
            "discriminator.channel_max=4",
            "generator.w_size=8",
            "regularizer=[{use='r1', every=2}, {use='path_length', at='w', every=2}]",
        ],
    ),
    "acgan": ("acgan_mnist", SMALL),
    "infogan": ("infogan_mnist", [*SMALL, "latent.size=20"]),
    "ebgan": ("ebgan_mnist", SMALL),
    "projection": ("cgan_projection_mnist", SMALL),
    "sagan": ("sagan_cifar10", [*DIGITS, *ATTENTIVE]),
    "biggan": (
        "biggan_cifar10",
        [*DIGITS, *ATTENTIVE, "latent.size=8", "generator.class_code=4", "ema.half_life=3"],
    ),
    "fastgan": (
        "fastgan_64",
        ["train.batch_size=4", "metric=[]"],
    ),
    "points": (
        "toy_ring",
        ["train.batch_size=12", "generator.hidden=[8]", "discriminator.hidden=[8]"],
    ),
    "contrastive": ("dcgan_digits", [*SMALL, "loss.use='dual_contrastive'"]),
    "average": (
        "dcgan_digits",
        [*SMALL, "loss={use='relativistic', pairing='average'}"],
    ),
    "stddev": ("dcgan_digits", [*SMALL, "discriminator.minibatch_stddev=3"]),
}
"""More of them: some look across the images of a batch, and so at the part that they see."""


def built(name: str, overrides: list[str], group: Group | None = None) -> Parts:
    """Return the parts of a recipe on the CPU, in one thread."""
    registry = load_plugins([], [])
    recipe = load_recipe(find_recipe(name), registry, overrides)
    machine, _ = set_up("cpu", threads=1)
    return assemble(
        recipe, registry, DataRoot(data_root(None), False), machine, warn=print, group=group
    )
