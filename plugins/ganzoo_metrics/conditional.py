"""How well a generator keeps to the class that was asked of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import ClassVar

from ganzoo.api import GanzooError, Meter, MetricSpec, Reference, Scale, Seen
from ganzoo_metrics.frechet import Moments, frechet


class ClassAccuracy(MetricSpec):
    """How often the dataset's classifier recognises the requested class in a fake.

    Shmelkov et al. 2018, arXiv:1807.09499, call this GAN-test: a classifier trained on real images
    classifies fakes. The floor is the classifier's accuracy on held-out real images.
    """

    use: ClassVar[str] = "class_accuracy"
    scores: ClassVar[Mapping[str, Scale]] = {"class_accuracy": Scale(lower_is_better=False)}
    needs: ClassVar[frozenset[str]] = frozenset({"classes", "asked_labels"})

    def meter(self, reference: Reference) -> Meter:
        """Return a meter that keeps two counts."""
        return _Accuracy(reference)


class IntraFrechet(MetricSpec):
    """Fréchet distance within each class: the mean over classes, and the worst class.

    Miyato & Koyama 2018, arXiv:1802.05637, section 5.1 (intra FID, in Inception's features). A
    generator that ignores its labels may match all images together, but no single class. Each class
    only has a share of the images, so the bias is larger than that of 'frechet': look at the floor.
    """

    use: ClassVar[str] = "intra_frechet"
    scores: ClassVar[Mapping[str, Scale]] = {
        "intra_frechet": Scale(lower_is_better=True, positive=True),
        "intra_frechet_worst": Scale(lower_is_better=True, positive=True),
    }
    needs: ClassVar[frozenset[str]] = frozenset({"labels", "asked_labels"})

    def meter(self, reference: Reference) -> Meter:
        """Return a meter that keeps two moments of the features for each class."""
        return _Intra(reference)


class _Accuracy:
    def __init__(self, reference: Reference) -> None:
        self.classes = reference.num_classes
        self.right = self.count = 0

    def add(self, seen: Seen) -> None:
        assert seen.probabilities is not None
        assert seen.labels is not None
        if len(seen.labels) and int(seen.labels.max()) >= self.classes:
            raise GanzooError(
                f"class_accuracy: the classifier knows {self.classes} classes and the images have "
                "others; it cannot judge them"
            )
        self.right += int((seen.probabilities.argmax(1) == seen.labels).sum())
        self.count += len(seen)

    def result(self) -> dict[str, float]:
        return {"class_accuracy": self.right / self.count if self.count else 0.0}


class _Intra:
    def __init__(self, reference: Reference) -> None:
        self.real: dict[int, Moments] = defaultdict(Moments)
        self.fake: dict[int, Moments] = defaultdict(Moments)
        for seen in reference.real():
            self._add(self.real, seen)

    def add(self, seen: Seen) -> None:
        self._add(self.fake, seen)

    def _add(self, moments: dict[int, Moments], seen: Seen) -> None:
        assert seen.labels is not None
        features = seen.features.double().numpy()
        for label in sorted(set(seen.labels.tolist())):
            moments[label].add(features[(seen.labels == label).numpy()])

    def result(self) -> dict[str, float]:
        shared = sorted(self.real.keys() & self.fake.keys())
        found = [
            frechet(real.mean, real.covariance, fake.mean, fake.covariance)
            for real, fake in ((self.real[label], self.fake[label]) for label in shared)
        ]
        if not found:
            raise GanzooError("intra_frechet: fakes and real images have no class in common")
        return {
            "intra_frechet": sum(found) / len(found),
            "intra_frechet_worst": max(found),
        }
