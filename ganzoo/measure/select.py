"""Which feature network a run is measured by, and where it comes from."""

from __future__ import annotations

import math

from ganzoo.common.data_root import DataRoot, Tell, nobody
from ganzoo.common.errors import GanzooError
from ganzoo.measure import classifier as prepare
from ganzoo.measure.features import FeatureNetwork, points, random_network
from ganzoo.plugin.registry import Registry
from ganzoo.plugin.specs import DatasetSpec
from ganzoo.plugin.types import ImageData, ImageShape, is_points
from ganzoo.recipe.model import Measure


def network_for(
    measure: Measure,
    dataset: DatasetSpec,
    data: ImageData,
    image: ImageShape,
    registry: Registry,
    root: DataRoot,
    *,
    budget: float = math.inf,
    reason: str = "",
    tell: Tell = nobody,
) -> FeatureNetwork:
    """Return the network that ``measure.network`` names for this data.

    Args:
        budget: seconds that training a classifier may take; see ``classifier.classifier`` for this
            and the rest.

    Raises:
        NotPrepared: if it is a classifier that takes longer than that to train.
        GanzooError: if the data has no labels to train one on, or the file is damaged.
    """
    if is_points(image):
        return points()
    if measure.network in {"inception", "dinov2", "clip"}:
        from ganzoo.measure.inception import adopted

        return adopted(measure.network, root)
    labelled = data.labels is not None and dataset.labelled
    if measure.network == "random" or (measure.network == "auto" and not labelled):
        return random_network(image.channels)
    if not labelled:
        raise GanzooError(
            f"measure.network = 'classifier': dataset {dataset.use!r} has no labels to train one "
            "on; use 'random' or 'auto'"
        )
    if dataset.judge is not None:
        judge = registry.find("dataset", dataset.judge)()
        assert isinstance(judge, DatasetSpec)
        single = prepare.classifier(
            judge, judge.build(root, "train"), root, budget=budget, reason=reason, tell=tell
        )
        return prepare.stacked(single, image.channels)
    return prepare.classifier(dataset, data, root, budget=budget, reason=reason, tell=tell)
