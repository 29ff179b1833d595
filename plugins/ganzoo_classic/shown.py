"""What a term reads of a discriminator beside its logits, or an error that says how to get it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ganzoo.api import GanzooError

if TYPE_CHECKING:
    from torch import Tensor

REMEDIES = {
    "classes": "with 'conv' set discriminator.labels = 'classes'",
    "real_fake_classes": "with 'conv' set discriminator.labels = 'real_fake_classes'",
    "features": "with 'conv' set discriminator.shows_features = true",
    "embedding": "with 'conv' or 'resnet' set discriminator.embedding_size",
}
"""How a shipped discriminator is told to show something."""


class NotShownError(GanzooError, KeyError):
    """A network does not give what a term reads; a lookup that failed, told in words."""

    def __str__(self) -> str:
        return str(self.args[0])  # KeyError puts it in quotes


def shown(out: Mapping[str, Tensor], name: str, use: str) -> Tensor:
    """Return what the discriminator shows as ``name``, ``[N, K]``.

    Raises:
        NotShownError: saying for component ``use`` how to have it shown.
    """
    if name not in out:
        there = ", ".join(map(repr, out))
        raise NotShownError(
            f"{use}: it reads what the discriminator shows as {name!r}, and this one shows "
            f"{there}; {REMEDIES[name]}"
        )
    return out[name]


def sized(found: Tensor, size: int, use: str, why: str) -> Tensor:
    """Return ``found``, sure that it is ``[N, size]``.

    Raises:
        GanzooError: naming both sizes and ``why`` the second is needed.
    """
    if found.ndim != 2 or found.shape[1] != size:
        raise GanzooError(
            f"{use}: the discriminator shows {list(found.shape[1:])} numbers an image as "
            f"'embedding', and {why} takes {size}; set discriminator.embedding_size = {size}"
        )
    return found
