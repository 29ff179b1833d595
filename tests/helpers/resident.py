"""The tensors of a dataset that is all in memory."""

from __future__ import annotations

from torch import Tensor

from ganzoo.api import DataRoot, DatasetSpec, Facts, ImageData, Split


def images_of(data: ImageData) -> Tensor:
    """Return ``[N, C, H, W]``."""
    assert isinstance(data.images, Tensor)
    return data.images


def labels_of(data: ImageData) -> Tensor:
    """Return ``[N]``."""
    assert data.labels is not None
    return data.labels


def assert_facts(spec: DatasetSpec, root: DataRoot, split: Split) -> Facts:
    """Hold what a dataset tells of its images against the images; return it."""
    found, built = spec.facts(root, split), spec.build(root, split)
    assert found is not None
    assert str(found.shape) == "×".join(map(str, images_of(built).shape[1:]))
    assert (found.images, found.classes) == (len(built), len(built.classes))
    assert (found.source, found.fingerprint) == (built.source, built.fingerprint)
    assert found.notes == built.notes
    return found
