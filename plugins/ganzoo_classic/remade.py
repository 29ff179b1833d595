"""Images of latents that are not the step's own."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from ganzoo.api import Context, Terms


def remade(ctx: Context, latent: Tensor, count: int | None = None) -> Terms:
    """Return what the generator makes of ``latent``, by name, with the step's labels.

    Batch norm's running statistics are left as they are.

    Args:
        count: how many of the step's labels belong to it; all unless given.
    """
    import torch

    network = ctx.generator
    labels = (
        ctx.fake_labels if count is None or ctx.fake_labels is None else ctx.fake_labels[:count]
    )
    # The context does not say whether the network takes labels; how it is called does.
    takes_labels = len(inspect.signature(network.forward).parameters) > 1
    inputs = (latent, labels) if takes_labels else (latent,)
    copies = {name: buffer.clone() for name, buffer in network.named_buffers()}
    found = torch.func.functional_call(network, copies, inputs)
    return {"images": found} if isinstance(found, torch.Tensor) else dict(found)
