"""From pictures to pictures: pix2pix and CycleGAN, their networks, steps and verb."""

from __future__ import annotations

from collections.abc import Mapping

from ganzoo.api import DiscriminatorSpec, GeneratorSpec, StepSpec, hookimpl
from ganzoo_translation.networks import Patch, ResnetTranslator, UNet
from ganzoo_translation.steps import CycleGan, Pix2Pix

GANZOO_API = 1


@hookimpl
def ganzoo_generators() -> list[type[GeneratorSpec]]:
    """Supply the generators of this package."""
    return [UNet, ResnetTranslator]


@hookimpl
def ganzoo_discriminators() -> list[type[DiscriminatorSpec]]:
    """Supply the discriminator of this package."""
    return [Patch]


@hookimpl
def ganzoo_steps() -> list[type[StepSpec]]:
    """Supply the steps of this package."""
    return [Pix2Pix, CycleGan]


@hookimpl
def ganzoo_commands() -> Mapping[str, tuple[str, str]]:
    """Add 'translate'."""
    return {
        "translate": (
            "ganzoo_translation.command:translate",
            "Translate pictures with a run's generator.",
        )
    }
