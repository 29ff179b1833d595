"""Training a data set's own classifier, once, deterministically, into the data folder."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import load as parse_safetensors

from ganzoo.common.data_root import DataRoot
from ganzoo.common.errors import DataError, GanzooError
from ganzoo.measure.features import FeatureNetwork
from ganzoo.measure.fitting import fit, one_thread
from ganzoo.measure.networks import Classifier, Stacked, weights_sha256
from ganzoo.measure.reference import shuffled
from ganzoo.plugin.specs import DatasetSpec
from ganzoo.plugin.table import Table
from ganzoo.plugin.types import ImageData
from ganzoo.runs.weights import write_weights
from ganzoo.training.feed import pick
from ganzoo.training.randomness import observing

FOLDER = "measure"
ARCHITECTURE = "ganzoo-classifier-1"
QUICK = 5_000
"""Training images up to which a classifier is ready in seconds, and so is trained unasked."""


class NotPrepared(GanzooError):  # noqa: N818
    """A classifier that is wanted and not there, for a data set too large to train it unasked."""


class Card(Table):
    """What a classifier's file says of it."""

    architecture: str
    name: str
    dataset: str
    fingerprint: str
    """Of the training images."""
    channels: int
    num_classes: int
    images: int
    accuracy: float
    """Share of the test images that it classifies rightly."""
    tested_on: int
    sha256: str
    """Over the weights; see ``networks.weights_sha256``."""


def path_of(root: Path, dataset: str, fingerprint: str) -> Path:
    """Return where the classifier of a data set with that content belongs."""
    return root / FOLDER / f"{dataset}-{fingerprint[:12]}.safetensors"


def classifier(spec: DatasetSpec, train: ImageData, root: DataRoot) -> FeatureNetwork:
    """Return the data set's classifier, trained on the spot where that takes seconds.

    Raises:
        NotPrepared: if it is not there and the data set is large; says what to do.
        GanzooError: if its file is damaged, or the data set has no labels.
    """
    if spec.judge is not None:
        raise AssertionError("stacked images are read by their judge's classifier; see stacked()")
    path = path_of(root.path, spec.use, train.fingerprint)
    if path.is_file():
        return read_classifier(path)
    if len(train) > QUICK:
        raise NotPrepared(
            f"measures need the classifier of data set {spec.use!r}, which is not in "
            f"'{path.parent}'; train it once, a few minutes on a CPU: "
            f"ganzoo measure prepare {spec.use}"
        )
    return train_classifier(spec, root)


def stacked(single: FeatureNetwork, channels: int) -> FeatureNetwork:
    """Return the network that reads each channel of stacked images by ``single``."""
    return FeatureNetwork(
        f"{single.name} per channel",
        Stacked(single.module),
        single.num_classes**channels,
        accuracy=None if single.accuracy is None else single.accuracy**channels,
        sha256=single.sha256,
    )


def train_classifier(spec: DatasetSpec, root: DataRoot) -> FeatureNetwork:
    """Train the classifier of a data set and write it, with its accuracy, into the data folder.

    Always on the CPU with one thread, whatever the machine has: the same weights every time.

    Raises:
        GanzooError: if the data set has no labels.
        DataError: if it cannot be had.
    """
    train = spec.build(root, "train")
    if train.labels is None or not train.classes:
        raise GanzooError(
            f"data set {spec.use!r} has no labels to train a classifier on; its images are "
            "measured by measure.network = 'random'"
        )
    train, test = _with_test(spec, root, train)
    network = fit(train, len(train.classes), root.progress, f"classifier of {spec.use}")
    with observing(), one_thread():
        right = _right(network, test)
    channels = pick(train, torch.tensor([0])).shape[1]
    card = Card(
        architecture=ARCHITECTURE,
        name=f"{spec.use}-classifier",
        dataset=spec.use,
        fingerprint=train.fingerprint,
        channels=channels,
        num_classes=len(train.classes),
        images=len(train),
        accuracy=right / len(test),
        tested_on=len(test),
        sha256=weights_sha256(network),
    )
    path = path_of(root.path, spec.use, train.fingerprint)
    write_weights(path, network, {"ganzoo": "feature network", "card": card.model_dump_json()})
    return read_classifier(path)


def read_classifier(path: Path) -> FeatureNetwork:
    """Read a classifier; its weights must be the ones its card names.

    Raises:
        GanzooError: if the file is damaged or no classifier of this ganzoo's.
    """
    again = "remove it, and 'ganzoo measure prepare' trains it again"
    try:
        card = read_card(path)
        with observing():
            network = Classifier(card.channels, card.num_classes)
        network.load_state_dict(parse_safetensors(path.read_bytes()))
    except (OSError, KeyError, ValueError, RuntimeError, SafetensorError) as error:
        raise GanzooError(f"'{path}' is no feature network: {error}; {again}") from error
    found = weights_sha256(network)
    if found != card.sha256:
        raise GanzooError(f"'{path}' is damaged: SHA-256 {found}, not {card.sha256}; {again}")
    return FeatureNetwork(
        card.name, network, card.num_classes, accuracy=card.accuracy, sha256=card.sha256
    )


def read_card(path: Path) -> Card:
    """Return what the file says of its network.

    Raises:
        ValueError: if it says nothing that can be understood.
    """
    with safe_open(str(path), "pt") as file:
        text = (file.metadata() or {}).get("card", "{}")
    try:
        card = Card.model_validate(json.loads(text))
    except ValidationError as error:
        raise ValueError(f"{error.error_count()} mistakes in its card") from error
    if card.architecture != ARCHITECTURE:
        raise ValueError(f"its architecture is {card.architecture!r}, not {ARCHITECTURE!r}")
    return card


def _with_test(spec: DatasetSpec, root: DataRoot, train: ImageData) -> tuple[ImageData, ImageData]:
    """Return images to train on and to test on; without a test split, a tenth is held out."""
    try:
        return train, spec.build(root, "test")
    except DataError:
        order = shuffled(len(train), 0, "held out for a classifier")
        cut = max(1, len(train) // 10)
        return _part(train, order[cut:]), _part(train, order[:cut])


def _part(data: ImageData, indices: torch.Tensor) -> ImageData:
    labels = None if data.labels is None else data.labels[indices]
    return ImageData(
        pick(data, indices), labels, data.classes, data.source, data.fingerprint, data.notes
    )


@torch.no_grad()
def _right(network: Classifier, test: ImageData) -> int:
    assert test.labels is not None
    count = 0
    for chosen in torch.split(torch.arange(len(test)), 500):
        logits = network(pick(test, chosen).float() / 255)[1]
        count += int((logits.argmax(1) == test.labels[chosen]).sum())
    return count
