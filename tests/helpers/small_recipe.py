"""The smallest recipe that trains a real generator against a real discriminator."""

from __future__ import annotations

TEXT = """\
{above}
[train]
steps = {steps}
batch_size = 8
log_every = {log_every}
[dataset]
use = "{dataset}"
[generator]
use = "transpose"
scales = [1, 2]
base_channels = 2
[discriminator]
use = "conv"
base_channels = 2
strides = [2]
[loss]
use = "{loss}"
[optimizer.generator]
use = "{optimizer}"
[optimizer.discriminator]
use = "{optimizer}"
"""


def small(
    *,
    above: str = "",
    steps: int = 2,
    log_every: int = 50,
    dataset: str = "digits",
    loss: str = "bce",
    optimizer: str = "sgd",
) -> str:
    """Return its TOML; more tables may follow.

    Args:
        above: top-level keys.
    """
    return TEXT.format(
        above=above,
        steps=steps,
        log_every=log_every,
        dataset=dataset,
        loss=loss,
        optimizer=optimizer,
    )
