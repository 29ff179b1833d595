"""What fakes are held against: a fixed choice of real images, seen through one feature network."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from ganzoo.common.data_root import Progress, no_progress
from ganzoo.common.errors import GanzooError
from ganzoo.measure.features import BATCH, FeatureNetwork
from ganzoo.measure.fitting import fit
from ganzoo.measure.sharing import Row, Sharing
from ganzoo.plugin.types import ImageData, ImageShape, Seen
from ganzoo.recipe.model import Measure
from ganzoo.recipe.protocols import ALL, PROTOCOLS
from ganzoo.training.feed import pick, to_range
from ganzoo.training.randomness import key

MOST_KEPT = 256 << 20
"""Bytes of features that are kept between metrics; a larger reference is looked at anew."""
NEIGHBOURS = 5
"""Training images beside each fake of a sheet."""


@dataclass
class Bench:
    """The ``Reference`` that metrics are shown; see ``ganzoo.api.Reference``.

    Where there are too few real images for both a reference and a floor of as many images as there
    are fakes, all three are made smaller, by the same rule for every run on that data. A published
    protocol keeps its numbers, and the floor has what is left.

    Attributes:
        n_floor: real images that stand in for fakes at the floor; none may be left by a protocol.
        train: the images that were trained on.
        test: images nobody trained on, or None where the dataset has none.
        discriminate: scores images in the networks' range, or None without a discriminator.
    """

    measure: Measure
    image: ImageShape
    train: ImageData
    test: ImageData | None
    network: FeatureNetwork
    discriminate: Callable[[Tensor], Tensor] | None = None
    sampled: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the generator that may be changed at sampling and were set: a truncation."""
    translates: bool = False
    """Whether fakes are made of what the data has beside its images."""
    has_asked_labels: bool = False
    """Whether fakes are made for labels that were asked for."""
    progress: Progress = no_progress
    """Is told how the training of a classifier gets on."""
    sharing: Sharing = field(default_factory=Sharing)
    """Who looks at which batch, where several processes measure."""
    _classifier: Callable[[Tensor], Tensor] | None = None
    _kept: list[tuple[Tensor, Tensor | None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.num_classes = self.network.num_classes
        self.seed = self.measure.seed
        self._main, other = self.train, self.test
        if self.measure.split == "test" and self.test is not None:
            self._main, other = self.test, self.train
        others = 0 if other is None else len(other)
        size = len(self._main)
        wanted = self.measure.samples
        spare = size - max(0, wanted - others)
        self.n_real = min(self.measure.reference, max(spare, size // 2, 1))
        self._order = shuffled(size, self.seed, f"reference of {self.measure.split}")
        self._other = other
        self.n_fake = min(wanted, others + size - self.n_real)
        protocol = PROTOCOLS.get(self.measure.protocol)
        if protocol is not None and protocol.exact:
            self.n_real, self.n_fake = self._as_published(size), wanted
        self.n_floor = min(self.n_fake, others + size - self.n_real)
        if self.translates:
            assert self._main.inputs is not None
            # Of each input one image is made, and measured once.
            self.n_fake = min(self.n_fake, len(self._main.inputs))
            self.n_floor = min(self.n_floor, self.n_fake)
        self.share(self.sharing)

    def _as_published(self, size: int) -> int:
        """Return how many real images a protocol wants, whatever is left for a floor.

        Raises:
            GanzooError: if there are fewer.
        """
        wanted = self.measure.reference
        if wanted != ALL and wanted > size:
            raise GanzooError(
                f"measure.protocol = '{self.measure.protocol}' takes {wanted:,} real images of "
                f"split '{self.measure.split}', and the dataset has {size:,}; use another protocol"
            )
        return min(wanted, size)

    def share(self, sharing: Sharing) -> None:
        """Look with other processes from now on, or by itself again."""
        self.sharing = sharing
        for name in ("real", "held out", "unseen"):
            sharing.rows[name] = self.row(self._pieces(name))

    def _pieces(self, name: str) -> list[tuple[ImageData, Tensor]]:
        """Return the batches of real images by that name: data, and numbers in it."""
        if name == "real":
            return [(self._main, part) for part in torch.split(self._order[: self.n_real], BATCH)]
        if name == "unseen":
            if self.test is None:
                return []
            order = shuffled(len(self.test), self.seed, "unseen")[: self.measure.samples]
            return [(self.test, part) for part in torch.split(order, BATCH)]
        found: list[tuple[ImageData, Tensor]] = []
        left = self.n_floor
        if self._other is not None:
            order = shuffled(len(self._other), self.seed, "floor")[:left]
            left -= len(order)
            found += [(self._other, part) for part in torch.split(order, BATCH)]
        if left:
            rest = self._order[self.n_real : self.n_real + left]
            found += [(self._main, part) for part in torch.split(rest, BATCH)]
        return found

    def row(self, pieces: Sequence[tuple[ImageData, Tensor]]) -> Row:
        """Return batches of images that are there: each of some data, and numbers in it."""

        def known(number: int) -> tuple[Tensor, Tensor | None, None]:
            data, chosen = pieces[number]
            labels = None if data.labels is None else data.labels[chosen]
            return pick(data, chosen), labels, None

        def see(number: int) -> Seen:
            images, labels, _ = known(number)
            return self.network.see(images, labels)

        return Row(len(pieces), BATCH, see, known)

    @property
    def floor_split(self) -> str:
        """Which images stand in for fakes at the floor."""
        splits = ["test", "train"] if self.measure.split == "train" else ["train", "test"]
        used = (
            splits[:1] if self._other is not None and len(self._other) >= self.n_floor else splits
        )
        return "+".join(used if self._other is not None else splits[1:])

    def real(self) -> Iterator[Seen]:
        """Yield the reference images, batch by batch, in the same order every time."""
        chosen = torch.split(self._order[: self.n_real], BATCH)
        if self._kept:
            for indices, (features, probabilities) in zip(chosen, self._kept, strict=True):
                yield Seen(
                    pick(self._main, indices), features, probabilities, self._labels(indices)
                )
            return
        kept: list[tuple[Tensor, Tensor | None]] = []
        size = 0
        for seen in self.sharing.each("real"):
            size += 4 * seen.features.numel()
            size += 0 if seen.probabilities is None else 4 * seen.probabilities.numel()
            if size <= MOST_KEPT:
                kept.append((seen.features, seen.probabilities))
            yield seen
        if size <= MOST_KEPT:
            self._kept = kept

    def given(self, number: int) -> Tensor:
        """Return the inputs that batch ``number`` of fakes is made of, as stored."""
        assert self._main.inputs is not None
        chosen = self._inputs_order[: self.n_fake][rows_of(number)]
        return torch.stack([self._main.inputs[int(index)] for index in chosen])

    @property
    def has_pairs(self) -> bool:
        """Whether fakes have targets."""
        return self.translates and self._main.paired

    @property
    def _inputs_order(self) -> Tensor:
        if self._main.paired:
            return self._order
        assert self._main.inputs is not None
        return shuffled(len(self._main.inputs), self.seed, "measured inputs")

    def asked(self) -> Tensor | None:
        """Return the labels that fakes are made for, ``[n_fake]``: those of the reference."""
        labels = self._labels(self._order[: self.n_real])
        return None if labels is None else labels[torch.arange(self.n_fake) % len(labels)]

    def targets(self, number: int) -> Tensor | None:
        """Return what batch ``number`` of fakes should be, where they have targets."""
        if not self.has_pairs:
            return None
        chosen = self._inputs_order[: self.n_fake][rows_of(number)]
        return pick(self._main, chosen)

    def held_out(self) -> Iterator[Seen]:
        """Yield ``n_floor`` real images outside the reference, as many as fakes if it can be."""
        return self.sharing.each("held out")

    def unseen(self) -> Iterator[Seen]:
        """Yield images of the test split, at most as many as there are fakes."""
        assert self.test is not None
        return self.sharing.each("unseen")

    def nearest(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return distance and number ``[N]`` of the nearest training image of each."""
        distances, numbers = nearest(images, self.train, 1)
        return distances[:, 0], numbers[:, 0]

    def critic(self, images: Tensor) -> Tensor:
        """Score stored images ``[N, C, H, W]`` by the run's discriminator: ``[N]``."""
        assert self.discriminate is not None
        return self.discriminate(to_range(images, self.image)).float().cpu()

    def classifier(
        self, images: Tensor | None = None, labels: Tensor | None = None
    ) -> Callable[[Tensor], Tensor]:
        """Train a small classifier; without images on real ones, as many as there are fakes."""
        if images is not None and labels is not None:
            return self._trained(images, labels, "classifier of fakes")
        if self._classifier is None:
            chosen = self._order[: min(self.n_fake, self.n_real)]
            real = self._labels(chosen)
            assert real is not None
            self._classifier = self._trained(
                pick(self._main, chosen), real, "classifier of real images"
            )
        return self._classifier

    def _trained(self, images: Tensor, labels: Tensor, what: str) -> Callable[[Tensor], Tensor]:
        data = ImageData(images, labels, self.train.classes, what, "")
        network = fit(data, self.image.num_classes, self.progress, what)

        @torch.no_grad()
        def logits(others: Tensor) -> Tensor:
            found: Tensor = network(others.float() / 255)[1]
            return found

        return logits

    def look(self, images: Iterable[tuple[Tensor, Tensor | None]]) -> Iterator[Seen]:
        """Yield what the network sees in batches of images as stored, with their labels."""
        for batch, labels in images:
            yield self.network.see(batch, labels)

    def _labels(self, indices: Tensor) -> Tensor | None:
        return None if self._main.labels is None else self._main.labels[indices]


def nearest(images: Tensor, data: ImageData, k: int) -> tuple[Tensor, Tensor]:
    """Return distances and numbers ``[N, k]`` of the nearest of ``data``, the nearest first.

    Root mean square differences of pixels in [0, 1] (of points: of their numbers). The data is
    looked at in pieces, so memory does not grow with it.
    """
    wanted = _unit(images)
    best = torch.full((len(images), k), torch.inf)
    numbers = torch.zeros((len(images), k), dtype=torch.int64)
    for indices in torch.split(torch.arange(len(data)), 2000):
        found = torch.cdist(wanted, _unit(pick(data, indices)))
        # Squares cancel where two are equal: candidates are measured again, exactly, below.
        both = torch.cat([best, found], 1)
        ids = torch.cat([numbers, indices.expand(len(images), -1)], 1)
        best, position = both.topk(min(k, both.shape[1]), dim=1, largest=False)
        numbers = ids.gather(1, position)
    exact = torch.stack(
        [
            (wanted - _unit(pick(data, numbers[:, column]))).square().mean(1).sqrt()
            for column in range(numbers.shape[1])
        ],
        1,
    )
    return exact, numbers


def rows_of(number: int) -> slice:
    """Return where the rows of batch ``number`` are."""
    return slice(number * BATCH, (number + 1) * BATCH)


def shuffled(count: int, seed: int, stream: str) -> Tensor:
    """Return the numbers below ``count`` in an order that depends on seed and stream alone."""
    generator = torch.Generator().manual_seed(key(seed, stream, count))
    return torch.randperm(count, generator=generator)


def _unit(images: Tensor) -> Tensor:
    flat = images.flatten(1)
    return flat.float() / 255 if images.dtype == torch.uint8 else flat.float()
