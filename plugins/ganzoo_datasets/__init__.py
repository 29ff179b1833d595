"""Built-in datasets: real images as ``[N, C, H, W]`` bytes."""

from __future__ import annotations

from ganzoo.api import DatasetSpec, hookimpl, on_demand

GANZOO_API = 1


@hookimpl
def ganzoo_datasets() -> list[type[DatasetSpec]]:
    """Supply the datasets of this package."""
    from ganzoo_datasets.cifar10 import Cifar10
    from ganzoo_datasets.digits import Digits
    from ganzoo_datasets.folder import Folder
    from ganzoo_datasets.hdf5 import Hdf5
    from ganzoo_datasets.hugging_face import HuggingFace
    from ganzoo_datasets.mnist import FashionMnist, Mnist
    from ganzoo_datasets.pairs import ChangedDigits, Edges, Paired, Unpaired
    from ganzoo_datasets.sprites import Sprites
    from ganzoo_datasets.stacked_mnist import StackedMnist

    own: list[type[DatasetSpec]] = [Folder, HuggingFace, Hdf5, Paired, Unpaired, Edges]
    return [Mnist, FashionMnist, StackedMnist, Digits, Cifar10, Sprites, ChangedDigits, *own]


__getattr__ = on_demand(__name__, ganzoo_datasets)
