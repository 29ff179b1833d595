"""DINOv2's vision transformer, as large as its weights say; torch-fidelity would fetch its code.

Oquab et al. 2023, arXiv:2304.07193; the network is that of Dosovitskiy et al. 2021,
arXiv:2010.11929, with a learned scale on each branch (Touvron et al. 2021, arXiv:2103.17239).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

HEAD = 64
"""Numbers of an attention's head."""
EPS = 1e-6
OFFSET = 0.1
"""Added to the wanted grid where positions are enlarged or reduced, as in the published network."""


class Block(nn.Module):
    """Attention and two layers, each normed before, scaled, and added to what came in."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.heads = width // HEAD
        self.norm1, self.norm2 = nn.LayerNorm(width, eps=EPS), nn.LayerNorm(width, eps=EPS)
        self.attn = nn.ModuleDict(
            {"qkv": nn.Linear(width, 3 * width), "proj": nn.Linear(width, width)}
        )
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(width, hidden), "fc2": nn.Linear(hidden, width)})
        self.ls1, self.ls2 = (nn.ParameterDict({"gamma": torch.ones(width)}) for _ in "12")

    def forward(self, tokens: Tensor) -> Tensor:
        """Return ``[N, T, W]`` of ``[N, T, W]``."""
        n, count, width = tokens.shape
        qkv = self.attn["qkv"](self.norm1(tokens)).view(n, count, 3, self.heads, HEAD)
        queries, keys, values = qkv.permute(2, 0, 3, 1, 4)  # each [N, heads, T, 64]
        seen = F.scaled_dot_product_attention(queries, keys, values)
        seen = seen.transpose(1, 2).reshape(n, count, width)
        tokens = tokens + self.ls1["gamma"] * self.attn["proj"](seen)
        inner = F.gelu(self.mlp["fc1"](self.norm2(tokens)))
        out: Tensor = tokens + self.ls2["gamma"] * self.mlp["fc2"](inner)
        return out


class Dinov2(nn.Module):
    """Patches and one more token through blocks; that token, normed, is the picture's features."""

    def __init__(self, state: Mapping[str, Tensor]) -> None:
        """Build the network that ``state`` is of, and load it.

        Raises:
            KeyError, RuntimeError: if it is of another network.
        """
        super().__init__()
        patches, positions = state["patch_embed.proj.weight"], state["pos_embed"]
        width, self.patch = patches.shape[0], patches.shape[-1]
        depth = 1 + max(int(name.split(".")[1]) for name in state if name.startswith("blocks."))
        hidden = state["blocks.0.mlp.fc1.weight"].shape[0]
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.mask_token = nn.Parameter(torch.zeros(1, width))  # of the training alone
        self.pos_embed = nn.Parameter(torch.zeros_like(positions))
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(3, width, self.patch, self.patch)})
        self.blocks = nn.Sequential(*(Block(width, hidden) for _ in range(depth)))
        self.norm = nn.LayerNorm(width, eps=EPS)
        self.load_state_dict(dict(state))

    def forward(self, images: Tensor) -> Tensor:
        """Return features ``[N, W]`` of normalised images ``[N, 3, S, S]``."""
        grid = self.patch_embed["proj"](images)  # [N, W, g, g]
        tokens = grid.flatten(2).transpose(1, 2)
        first = self.cls_token.expand(len(images), -1, -1)
        tokens = torch.cat([first, tokens], 1) + self._positions(grid.shape[-1])
        out: Tensor = self.norm(self.blocks(tokens))[:, 0]
        return out

    def _positions(self, side: int) -> Tensor:
        """Return positions ``[1, 1 + side², W]``, resized by bicubic interpolation."""
        own = round((self.pos_embed.shape[1] - 1) ** 0.5)
        if own == side:
            return self.pos_embed
        grid = self.pos_embed[:, 1:].reshape(1, own, own, -1).permute(0, 3, 1, 2)
        scale = (side + OFFSET) / own
        grid = F.interpolate(grid, scale_factor=(scale, scale), mode="bicubic")
        return torch.cat([self.pos_embed[:, :1], grid.flatten(2).transpose(1, 2)], 1)
