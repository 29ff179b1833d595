"""Which classes fakes fall into: modes that were found, and how evenly."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar, Literal

from ganzoo.api import Meter, MetricSpec, Reference, Scale, Seen

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

HITS = (1, 5)


class ClassHistogram(MetricSpec):
    """How many classes the fakes cover, and KL(fakes ‖ target) in nats.

    Metz et al. 2017, arXiv:1611.02163, section 3.3.1, and Srivastava et al. 2017, arXiv:1705.07761,
    section 4.2, count a class with one hit. But a classifier errs, and with many samples its errors
    alone hit most of a thousand classes, so ``modes_5`` requires five hits.
    """

    use: ClassVar[str] = "class_histogram"
    scores: ClassVar[Mapping[str, Scale]] = {
        "class_kl": Scale(lower_is_better=True, positive=True),
        "modes_1": Scale(lower_is_better=False),
        "modes_5": Scale(lower_is_better=False),
    }
    needs: ClassVar[frozenset[str]] = frozenset({"classes"})

    against: Literal["real", "uniform"] = "real"
    """Target shares of the classes: those the classifier finds in the reference, or equal ones."""

    def meter(self, reference: Reference) -> Meter:
        """Return a meter that keeps one count per class."""
        return _Meter(self._wanted(reference), reference.num_classes)

    def perfect(self, reference: Reference) -> Mapping[str, float]:
        """Return what a generator with exactly the wanted shares is expected to reach."""
        from scipy.special import bdtrc

        wanted, n = self._wanted(reference), reference.n_fake
        modes = {f"modes_{hits}": float(bdtrc(hits - 1, n, wanted).sum()) for hits in HITS}
        return {"class_kl": expected_kl(wanted, n), **modes}

    def _wanted(self, reference: Reference) -> Array:
        """Return the share of each class, ``[K]``."""
        import numpy as np

        classes = reference.num_classes
        if self.against == "uniform":
            return np.full(classes, 1 / classes)
        counts = np.zeros(classes)
        for seen in reference.real():
            counts += histogram(seen, classes)
        # A class that the reference misses would make every hit infinitely bad.
        return shares(counts if counts.min() else counts + 1)


def histogram(seen: Seen, classes: int) -> Array:
    """Count the most probable classes of a batch, ``[K]``."""
    assert seen.probabilities is not None
    found = seen.probabilities.argmax(1).bincount(minlength=classes)
    counts: Array = found.double().numpy()
    return counts


def shares(counts: Array) -> Array:
    """Return counts as shares that add up to one."""
    found: Array = counts / counts.sum()
    return found


def kl(found: Array, wanted: Array) -> float:
    """Return KL(found ‖ wanted) = Σ p log(p / q) in nats; a class with p = 0 adds nothing."""
    from scipy.special import rel_entr

    return float(rel_entr(found, wanted).sum())


def expected_kl(wanted: Array, n: int) -> float:
    """Return the expected KL of ``n`` draws from the shares themselves: about (K - 1) / 2n.

    Exactly Σ E[(x/n) log(x / (n q))] over x ~ Binomial(n, q); the expansion (Paninski 2003,
    section 4) is far off where some class is expected less than a few times.
    """
    import numpy as np
    from scipy.special import kl_div
    from scipy.stats import binom

    total = 0.0
    for q, times in zip(*np.unique(wanted, return_counts=True), strict=True):
        # Farther from the mean lies less than 1e-34 of the chance (Bernstein's inequality).
        reach = 13 * np.sqrt(n * q * (1 - q)) + 54
        hits = np.arange(max(0, int(n * q - reach)), min(n, int(n * q + reach) + 1) + 1)
        # E[x/n] is q, so that q - x/n adds nothing, and no term is below 0: nothing cancels.
        total += float(times) * float((binom.pmf(hits, n, q) * kl_div(hits / n, q)).sum())
    return total


class _Meter:
    def __init__(self, wanted: Array, classes: int) -> None:
        import numpy as np

        self.wanted = wanted
        self.counts = np.zeros(classes)

    def add(self, seen: Seen) -> None:
        self.counts += histogram(seen, len(self.counts))

    def result(self) -> dict[str, float]:
        modes = {f"modes_{hits}": float((self.counts >= hits).sum()) for hits in HITS}
        return {"class_kl": kl(shares(self.counts), self.wanted), **modes}
