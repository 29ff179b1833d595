"""Training a dataset's own classifier, once, deterministically, into the user's cache."""

from __future__ import annotations

import json
import math
import os
import shlex
from pathlib import Path

import torch
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import load as parse_safetensors

from ganzoo.common.data_root import CACHE_FOLDER, DataRoot, Tell, cache_root, nobody
from ganzoo.common.errors import DataError, GanzooError, MachineError
from ganzoo.common.text import duration
from ganzoo.measure.features import FeatureNetwork
from ganzoo.measure.fitting import TooLong, fit, one_thread, seconds_to_train
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
UNASKED = 60.0
"""Seconds that a classifier may take to train without being asked for."""


class NotPrepared(GanzooError):  # noqa: N818
    """A classifier that is wanted, not there, and would take too long to be trained unasked.

    Attributes:
        seconds: how long it would take.
    """

    def __init__(self, text: str, seconds: float) -> None:
        super().__init__(text)
        self.seconds = seconds


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
    """Return where in ``root`` the classifier of a dataset with that content belongs."""
    return root / FOLDER / f"{dataset}-{fingerprint[:12]}.safetensors"


def places(spec: DatasetSpec, fingerprint: str, root: DataRoot) -> list[Path]:
    """Return where a classifier may lie: the user's cache, for new ones; the data folder.

    Data folders held them once, and may still.
    """
    return [
        path_of(folder, spec.use, fingerprint)
        for folder in (cache_root(), root.path)
        if folder is not None
    ]


def kept(spec: DatasetSpec, fingerprint: str, root: DataRoot) -> FeatureNetwork | None:
    """Return the classifier of a dataset if it is there; nothing is trained.

    Raises:
        GanzooError: if its file is damaged.
    """
    found = (path for path in places(spec, fingerprint, root) if os.path.isfile(path))
    path = next(found, None)
    return None if path is None else read_classifier(path)


_unkept: dict[tuple[str, str], FeatureNetwork] = {}
"""Classifiers that could not be stored, for as long as the process lives."""


def classifier(
    spec: DatasetSpec,
    train: ImageData,
    root: DataRoot,
    *,
    budget: float = math.inf,
    reason: str = "too long to start automatically",
    tell: Tell = nobody,
) -> FeatureNetwork:
    """Return the dataset's classifier; where it is not there, it is trained on the spot.

    Args:
        budget: seconds that training it may take.
        reason: what to say of a time that is more than that.
        tell: is told before training begins what is done, why, how long it takes, and how to leave
            it out.

    Raises:
        NotPrepared: if training it takes longer than ``budget``; says what to do.
        GanzooError: if its file is damaged, or the dataset has no labels.
    """
    if spec.judge is not None:
        raise AssertionError("stacked images are read by their judge's classifier; see stacked()")
    if (kept := _unkept.get((spec.use, train.fingerprint))) is not None:
        return kept
    for path in places(spec, train.fingerprint, root):
        if os.path.isfile(path):
            return read_classifier(path)
    seconds = seconds_to_train(train)
    if seconds > budget:
        raise _not_prepared(spec, seconds, reason)
    tell(
        f"training the classifier whose features the scores use, once for dataset "
        f"{spec.use!r}: about {duration(seconds)} on one CPU thread; to skip it: "
        "--set measure.network=random for other features, --set metric=[] for no scores"
    )
    return train_classifier(spec, root, train=train, limit=budget, reason=reason, tell=tell)


def _not_prepared(spec: DatasetSpec, seconds: float, reason: str) -> NotPrepared:
    given = spec.model_dump(mode="json", exclude={"value_range", "fallback"})
    words = [f"{name}={json.dumps(given[name])}" for name in given if name in spec.model_fields_set]
    command = shlex.join(["ganzoo", "measure", "prepare", spec.use])
    settings = "".join(f" --set {shlex.quote(word)}" for word in words if word[:4] != "use=")
    return NotPrepared(
        f"scores need the classifier of dataset {spec.use!r}, which is missing; training "
        f"it takes about {duration(seconds)} on one CPU thread, {reason}; train it once: "
        f"{command}{settings}",
        seconds,
    )


def stacked(single: FeatureNetwork, channels: int) -> FeatureNetwork:
    """Return the network that reads each channel of stacked images by ``single``."""
    return FeatureNetwork(
        f"{single.name} per channel",
        Stacked(single.module),
        single.num_classes**channels,
        accuracy=None if single.accuracy is None else single.accuracy**channels,
        sha256=single.sha256,
    )


def train_classifier(
    spec: DatasetSpec,
    root: DataRoot,
    *,
    train: ImageData | None = None,
    limit: float = math.inf,
    reason: str = "",
    tell: Tell = nobody,
) -> FeatureNetwork:
    """Train the classifier of a dataset and write it, with its accuracy, into the user's cache.

    Always on the CPU with one thread, whatever the machine has: the same weights every time on the
    same kind of processor. Where it cannot be written, that is told and the process keeps it.

    Args:
        train: the training images, if they are there already.
        limit: seconds after which it is given up.
        reason: what to say of such a time.

    Raises:
        NotPrepared: if it took longer than ``limit``.
        GanzooError: if the dataset has no labels.
        DataError: if it cannot be had.
    """
    train = spec.build(root, "train") if train is None else train
    if train.labels is None or not train.classes:
        raise GanzooError(
            f"dataset {spec.use!r} has no labels to train a classifier on; use "
            "measure.network = 'random'"
        )
    train, test = _with_test(spec, root, train)
    try:
        what = f"classifier of {spec.use}"
        network = fit(train, len(train.classes), root.progress, what, limit)
    except TooLong as error:
        raise _not_prepared(spec, error.seconds, reason) from None
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
    metadata = {"ganzoo": "feature network", "card": card.model_dump_json()}
    cache = cache_root()
    problem = "there is no home folder to keep it in; name a folder with GANZOO_CACHE"
    if cache is not None:
        path = path_of(cache, spec.use, train.fingerprint)
        try:
            write_weights(path, network, metadata, CACHE_FOLDER)
        except MachineError as error:
            problem = str(error)
        else:
            return read_classifier(path)
    tell(f"the classifier of dataset {spec.use!r} is used but not saved: {problem}")
    found = _unkept[spec.use, train.fingerprint] = _network_of(card, network)
    return found


def read_classifier(path: Path) -> FeatureNetwork:
    """Read a classifier; its weights must be the ones its card names.

    Raises:
        GanzooError: if the file is damaged or no classifier of this ganzoo's.
    """
    again = "'ganzoo measure prepare' trains it again"
    try:
        card = read_card(path)
        with observing():
            network = Classifier(card.channels, card.num_classes)
        network.load_state_dict(parse_safetensors(path.read_bytes()))
    except (OSError, KeyError, ValueError, RuntimeError, SafetensorError) as error:
        raise GanzooError(f"'{path}' is not a feature network: {error}; {again}") from error
    found = weights_sha256(network)
    if found != card.sha256:
        raise GanzooError(f"'{path}' is damaged: SHA-256 {found}, not {card.sha256}; {again}")
    return _network_of(card, network)


def _network_of(card: Card, network: Classifier) -> FeatureNetwork:
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
