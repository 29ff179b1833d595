"""A reference for tests of formulas: features are given, nothing is looked at."""

from collections.abc import Iterator

import torch
from torch import Tensor

from ganzoo.api import ImageShape, Meter, MetricSpec, Seen


class Given:
    """The ``Reference`` whose real images and their features a test chooses."""

    def __init__(
        self,
        features: Tensor,
        *,
        probabilities: Tensor | None = None,
        unseen: Tensor | None = None,
        n_fake: int | None = None,
    ) -> None:
        self.features = features
        self.probabilities = probabilities
        self.unseen_features = unseen
        self.image = ImageShape(1, 1, features.shape[1])
        self.num_classes = 0 if probabilities is None else probabilities.shape[1]
        self.n_real = len(features)
        self.n_fake = n_fake or len(features)
        self.seed = 0

    def real(self) -> Iterator[Seen]:
        for at in range(0, len(self.features), 100):
            part = slice(at, at + 100)
            found = None if self.probabilities is None else self.probabilities[part]
            yield shown(self.features[part], found)

    def unseen(self) -> Iterator[Seen]:
        assert self.unseen_features is not None
        yield shown(self.unseen_features)

    def nearest(self, images: Tensor) -> tuple[Tensor, Tensor]:
        found = torch.cdist(images.flatten(1), self.features).min(1)
        return found.values, found.indices

    def critic(self, images: Tensor) -> Tensor:
        return images.flatten(1).sum(1)


def shown(features: Tensor, probabilities: Tensor | None = None) -> Seen:
    """Return features as a batch that was seen; its images are the features themselves."""
    return Seen(features[:, None, None, :], features, probabilities)


def score(spec: MetricSpec, reference: Given, fakes: Tensor, batch: int = 100) -> dict[str, float]:
    """Show fakes' features to a new meter, batch by batch."""
    meter: Meter = spec.meter(reference)
    for part in torch.split(fakes, batch):
        meter.add(shown(part))
    return dict(meter.result())


def hits(classes: Tensor, count: int) -> Tensor:
    """Return certain probabilities ``[N, K]`` of classes ``[N]``."""
    return torch.nn.functional.one_hot(classes, count).float()
