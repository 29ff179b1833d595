"""BEGAN's networks as modules (Berthelot et al. 2017, arXiv:1703.10717, figure 1)."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from ganzoo.api import ImageShape


class AutoencoderDiscriminator(nn.Module):
    """An encoder and a decoder, whose error is minus the logit."""

    def __init__(
        self,
        image: ImageShape,
        channels: int,
        halvings: int,
        hidden: int,
        start: tuple[int, int],
        error: Literal["absolute", "squared"],
    ) -> None:
        super().__init__()
        self.encoder = encoder(image.channels, channels, halvings, hidden, start)
        self.decoder = decoder(hidden, image.channels, channels, halvings, start)
        self.error = error

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """Return minus the error of ``[N, C, H, W]`` as 'logits' ``[N]``, and 'features'.

        Gradients flow through image and reconstruction alike.
        """
        code: Tensor = self.encoder(images)  # [N, hidden]
        apart = self.decoder(code) - images  # [N, C, H, W]
        error = apart.abs() if self.error == "absolute" else apart.square()
        return {"logits": -error.mean((1, 2, 3)), "features": code}


def encoder(
    inputs: int, channels: int, halvings: int, hidden: int, start: tuple[int, int]
) -> nn.Sequential:
    """Return a module from ``[N, C, H, W]`` to ``[N, hidden]``: n, 2n, 3n ... channels."""
    layers: list[nn.Module] = [nn.Conv2d(inputs, channels, 3, padding=1), nn.ELU()]
    for level in range(1, halvings + 2):
        width = level * channels
        layers += [nn.Conv2d(width, width, 3, padding=1), nn.ELU()]
        if level <= halvings:
            layers += [nn.Conv2d(width, width + channels, 3, 2, 1), nn.ELU()]  # half the size
        else:
            layers += [nn.Conv2d(width, width, 3, padding=1), nn.ELU()]
    flat = (halvings + 1) * channels * start[0] * start[1]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(flat, hidden))


def decoder(
    inputs: int, outputs: int, channels: int, halvings: int, start: tuple[int, int]
) -> nn.Sequential:
    """Return a module from ``[N, inputs]`` to ``[N, C, H, W]``: n channels at every size."""
    height, width = start
    layers: list[nn.Module] = [
        nn.Linear(inputs, channels * height * width),
        nn.Unflatten(1, (channels, height, width)),
    ]
    for level in range(halvings + 1):
        for _ in range(2):
            layers += [nn.Conv2d(channels, channels, 3, padding=1), nn.ELU()]
        if level < halvings:
            layers.append(nn.Upsample(scale_factor=2))  # nearest neighbours
    return nn.Sequential(*layers, nn.Conv2d(channels, outputs, 3, padding=1))
