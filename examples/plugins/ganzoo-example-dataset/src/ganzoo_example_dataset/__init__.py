"""The author's own images as a dataset, as a package of its own."""

from ganzoo.api import DatasetSpec, hookimpl
from ganzoo_example_dataset.dataset import DrawnShapes

GANZOO_API = 1


@hookimpl
def ganzoo_datasets() -> list[type[DatasetSpec]]:
    """Supply the dataset of this package."""
    return [DrawnShapes]
