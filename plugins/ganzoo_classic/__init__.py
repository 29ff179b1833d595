"""Built-in remedies, codes and energies: what twelve years of GAN papers add to a plain game."""

from __future__ import annotations

from ganzoo.api import (
    DiscriminatorSpec,
    GeneratorSpec,
    LossSpec,
    RegularizerSpec,
    ViewSpec,
    hookimpl,
    on_demand,
)

GANZOO_API = 1


@hookimpl
def ganzoo_losses() -> list[type[LossSpec]]:
    """Supply the losses of this package."""
    from ganzoo_classic.losses.boundary_equilibrium import BoundaryEquilibrium
    from ganzoo_classic.losses.dual_contrastive import DualContrastive
    from ganzoo_classic.losses.energy import Energy
    from ganzoo_classic.losses.multi_hinge import MultiHinge
    from ganzoo_classic.losses.top_k import TopK
    from ganzoo_classic.losses.unrolled import Unrolled

    return [BoundaryEquilibrium, Energy, Unrolled, TopK, DualContrastive, MultiHinge]


@hookimpl
def ganzoo_regularizers() -> list[type[RegularizerSpec]]:
    """Supply the regularizers of this package."""
    from ganzoo_classic.regularizers.auxiliary_classifier import AuxiliaryClassifier
    from ganzoo_classic.regularizers.consistency import Consistency
    from ganzoo_classic.regularizers.contrastive import Contrastive
    from ganzoo_classic.regularizers.feature_matching import FeatureMatching
    from ganzoo_classic.regularizers.lecam import LeCam
    from ganzoo_classic.regularizers.mutual_information import MutualInformation
    from ganzoo_classic.regularizers.orthogonal import Orthogonal
    from ganzoo_classic.regularizers.path_length import PathLength
    from ganzoo_classic.regularizers.pull_away import PullAway
    from ganzoo_classic.regularizers.zero_centered_gp import ZeroCenteredGp

    return [
        AuxiliaryClassifier,
        Contrastive,
        MutualInformation,
        FeatureMatching,
        LeCam,
        Consistency,
        PathLength,
        Orthogonal,
        PullAway,
        ZeroCenteredGp,
    ]


@hookimpl
def ganzoo_generators() -> list[type[GeneratorSpec]]:
    """Supply 'decoder'."""
    from ganzoo_classic.networks.specs import Decoder

    return [Decoder]


@hookimpl
def ganzoo_discriminators() -> list[type[DiscriminatorSpec]]:
    """Supply 'autoencoder'."""
    from ganzoo_classic.networks.specs import Autoencoder

    return [Autoencoder]


@hookimpl
def ganzoo_views() -> list[type[ViewSpec]]:
    """Supply the views of this package."""
    from ganzoo_classic.views.ada import Ada
    from ganzoo_classic.views.apa import Apa
    from ganzoo_classic.views.instance_noise import InstanceNoise

    return [Ada, Apa, InstanceNoise]


__getattr__ = on_demand(
    __name__,
    ganzoo_losses,
    ganzoo_regularizers,
    ganzoo_generators,
    ganzoo_discriminators,
    ganzoo_views,
)
