"""Learning-rate schedules: pure functions of the update number, with no state to lose."""

from __future__ import annotations

import math


def rate(schedule: str, decay: float, update: int, total: int) -> float:
    """Return the factor on the learning rate at ``update`` (from 0) of ``total``.

    'linear' and 'cosine' fall from 1 to 0 at the end of the run; 'inverse_time' is
    1 / (1 + decay · update), what Keras' optimizers called ``decay``.
    """
    if schedule == "linear":
        return max(0.0, 1 - update / total)
    if schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * min(1.0, update / total)))
    if schedule == "inverse_time":
        return 1 / (1 + decay * update)
    return 1.0
