"""What fakes teach and what reals recognise: GAN-train and GAN-test."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from typing import TYPE_CHECKING, ClassVar, Literal

from ganzoo.api import Meter, MetricSpec, Reference, Scale, Seen

if TYPE_CHECKING:
    from torch import Tensor


class GanTrainTest(MetricSpec):
    """Train a small classifier on fakes and test it on real images, and the other way round.

    Shmelkov et al. 2018, arXiv:1807.09499, section 3. 'gan_train' is low if fakes do not show their
    class, or lack variety; 'gan_test' is low if fakes do not show their class, but high for good
    fakes without variety. Both classifiers are trained on the same number of images, and the floor
    of both is a classifier trained and tested on real images. Training takes seconds to minutes, so
    prefer ``ganzoo measure`` to measuring it during a run.
    """

    use: ClassVar[str] = "gan_train_test"
    scores: ClassVar[Mapping[str, Scale]] = {
        "gan_train": Scale(lower_is_better=False),
        "gan_test": Scale(lower_is_better=False),
    }
    needs: ClassVar[frozenset[str]] = frozenset({"classifier", "asked_labels", "test"})
    has_floor: ClassVar[bool] = False

    classifier: Literal["ganzoo-classifier-1"] = "ganzoo-classifier-1"
    """Classifier to train: three convolutions with batch norm, the same as for features."""

    def meter(self, reference: Reference) -> Meter:
        """Return a meter that keeps the fakes: they are what is learned from."""
        return _Transfer(reference)

    def real_scores(self, reference: Reference) -> Mapping[str, float]:
        """Return the share of real test images that is told right after training on reals."""
        right = accuracy(reference.classifier(), reference.unseen())
        return {"gan_train": right, "gan_test": right}


class _Transfer:
    def __init__(self, reference: Reference) -> None:
        self.reference = reference
        self.fakes: list[Seen] = []

    def add(self, seen: Seen) -> None:
        self.fakes.append(seen)

    def result(self) -> dict[str, float]:
        import torch

        images = torch.cat([seen.images for seen in self.fakes])
        labels = torch.cat([seen.labels for seen in self.fakes if seen.labels is not None])
        number = in_order(images, labels)[: self.reference.n_real]
        of_fakes = self.reference.classifier(images[number], labels[number])
        return {
            "gan_train": accuracy(of_fakes, self.reference.unseen()),
            "gan_test": accuracy(self.reference.classifier(), self.fakes),
        }


def in_order(images: Tensor, labels: Tensor) -> Tensor:
    """Return the numbers of the images in an order that does not depend on the one they came in.

    Classes take turns, so that the first images have as many of each as there are.
    """
    import torch

    found = sorted(
        range(len(images)),
        key=lambda each: (int(labels[each]), sha256(images[each].numpy().tobytes()).digest()),
    )
    turns: dict[int, int] = {}
    turn = []
    for each in found:
        label = int(labels[each])
        turns[label] = turns.get(label, -1) + 1
        turn.append(turns[label])
    return torch.tensor(found)[torch.tensor(turn).argsort(stable=True)]


def accuracy(classifier: Callable[[Tensor], Tensor], images: Iterable[Seen]) -> float:
    """Return the share of labelled images that a classifier tells right."""
    right = count = 0
    for seen in images:
        assert seen.labels is not None
        right += int((classifier(seen.images).argmax(1) == seen.labels).sum())
        count += len(seen)
    return right / max(1, count)
