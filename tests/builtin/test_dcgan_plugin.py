"""The DCGAN plugin as a plugin: what it registers, what it imports, what its fields teach."""

from __future__ import annotations

import subprocess
import sys

import pytest

import ganzoo_dcgan
from ganzoo.api import DiscriminatorSpec, GeneratorSpec
from ganzoo.plugin.loader import new_manager
from ganzoo.plugin.table import help_of
from ganzoo_dcgan.discriminators import Conv
from ganzoo_dcgan.generators import Transpose, Upsample

SPECS = [Transpose, Upsample, Conv]


def test_the_hooks_supply_two_generators_and_a_discriminator() -> None:
    manager = new_manager()
    manager.register(ganzoo_dcgan)
    manager.check_pending()

    (generators,) = manager.hook.ganzoo_generators()
    (discriminators,) = manager.hook.ganzoo_discriminators()

    assert [spec.use for spec in generators] == ["transpose", "upsample"]
    assert [spec.use for spec in discriminators] == ["conv"]


def test_specs_are_imported_and_checked_without_torch() -> None:
    code = (
        "import sys, ganzoo_dcgan as d\n"
        "d.Transpose(base_channels=8); d.Upsample(); d.Conv(norm='spectral')\n"
        "assert 'torch' not in sys.modules, 'torch was imported'\n"
    )

    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

    assert finished.returncode == 0, finished.stderr


@pytest.mark.parametrize("spec", SPECS)
def test_every_field_says_what_it_is_for(spec: type[GeneratorSpec | DiscriminatorSpec]) -> None:
    undescribed = [name for name in spec.model_fields if not help_of(spec, name)]

    assert undescribed == []


@pytest.mark.parametrize("spec", SPECS)
def test_a_spec_read_back_from_its_own_dump_is_equal(
    spec: type[GeneratorSpec | DiscriminatorSpec],
) -> None:
    original = spec.model_validate({"base_channels": 16, "init": "he"})

    assert spec.model_validate(original.model_dump(exclude_none=True)) == original
