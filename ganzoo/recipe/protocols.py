"""How published scores were taken: what ``measure.protocol`` sets, and where that is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

OWN = "own"
"""The protocol of a recipe that names none: its keys are what they say."""
ALL = 10**7
"""As many real images as there are."""


@dataclass(frozen=True)
class Protocol:
    """A way in which scores are taken that others use.

    Attributes:
        about: whose it is, in one line.
        source: where it is written.
        sets: the keys of [measure] that it decides.
        resizer: how images come to the network's size; it goes with the network.
        exact: whether the numbers are kept whatever is left for a floor.
        differs: in what ganzoo's scores differ from theirs even so.
    """

    about: str
    source: str
    sets: Mapping[str, Any]
    resizer: str
    exact: bool = True
    differs: str = ""


BILINEAR = "TensorFlow 1's bilinear to 299×299"


def _sets(**keys: Any) -> Mapping[str, Any]:
    return MappingProxyType({"mode": "eval", **keys})


PROTOCOLS: Mapping[str, Protocol] = MappingProxyType(
    {
        "studiogan-2021": Protocol(
            "the tables of StudioGAN up to 2021: test images, the best checkpoint of a run",
            "Kang & Park 2020, arXiv:2006.12681; logs of POSTECH-CVLab/PyTorch-StudioGAN",
            _sets(
                samples=10_000,
                reference=10_000,
                split="test",
                network="inception",
                checkpoint="best",
            ),
            BILINEAR,
            differs="StudioGAN enlarged images by PyTorch's bilinear; its StyleGAN2 rows are "
            "against training images",
        ),
        "mimicry": Protocol(
            "mimicry's tables: 50,000 fakes against 50,000 training images, the last checkpoint",
            "Lee & Town 2020, arXiv:2005.02494; README of kwotsin/mimicry",
            _sets(
                samples=50_000,
                reference=50_000,
                split="train",
                network="inception",
                checkpoint="last",
            ),
            BILINEAR,
            differs="mimicry ran TensorFlow itself, and its mean is over three seeds of the fakes",
        ),
        "stylegan": Protocol(
            "FID of StyleGAN2-ADA, StyleGAN-XL and R3GAN: 50,000 fakes against all training images",
            "Karras et al. 2020, arXiv:2006.06676; 'fid50k_full' of NVlabs/stylegan2-ada-pytorch",
            _sets(
                samples=50_000,
                reference=ALL,
                split="train",
                network="inception",
                checkpoint="best",
            ),
            BILINEAR,
        ),
        "digits": Protocol(
            "ganzoo's own for small labelled images: 2,000 fakes in their classifier's features",
            "docs/measures.md",
            _sets(
                samples=2000,
                reference=10_000,
                split="train",
                network="classifier",
                checkpoint="last",
            ),
            "none",
            exact=False,
        ),
    }
)


def filled(keys: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys of [measure] with what its protocol sets.

    Raises:
        ValueError: naming every key beside the protocol that has another value than it sets.
    """
    protocol = PROTOCOLS.get(str(keys.get("protocol", OWN)))
    if protocol is None:
        return dict(keys)
    unlike = [
        f"{name} = {_written(keys[name])} (the protocol sets {_written(value)})"
        for name, value in protocol.sets.items()
        if name in keys and keys[name] != value
    ]
    if unlike:
        raise ValueError(
            f"protocol = '{keys['protocol']}' sets these keys; leave them or the protocol "
            f"out: {'; '.join(unlike)}"
        )
    return {**keys, **protocol.sets}


def _written(value: object) -> str:
    return f"'{value}'" if isinstance(value, str) else str(value)
