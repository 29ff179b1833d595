"""What a dataset promises; nothing is downloaded."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor

from ganzoo.common.data_root import DataRoot, data_root
from ganzoo.common.errors import DataError
from ganzoo.plugin.specs import DatasetSpec
from ganzoo.plugin.types import ImageData, Split
from ganzoo.testing.claims import Claim, cases_of, show
from ganzoo.testing.findings import Case, Note, Report

MOST = 20_000
"""Images that are compared one by one."""
COMMON = 0.01
"""Share of test images among the training images from which on it is no accident."""


class Trial:
    """A dataset and what its splits hold here."""

    def __init__(self, spec: DatasetSpec, root: DataRoot | None) -> None:
        self.spec = spec
        self.root = root or DataRoot(data_root(None), download=False)
        self.reason = ""

    @cached_property
    def train(self) -> ImageData | None:
        """The training images, or None where they are not here."""
        try:
            return self.spec.build(self.root)
        except DataError as error:
            self.reason = str(error).splitlines()[0]
            return None

    @cached_property
    def test(self) -> ImageData | None:
        """The test images, or None where there are none."""
        try:
            return self.spec.build(self.root, "test")
        except DataError:
            return None

    def splits(self) -> Iterator[tuple[Split, ImageData]]:
        """Yield what is here."""
        if self.train is not None:
            yield "train", self.train
        if self.train is not None and self.test is not None:
            yield "test", self.test


def check(spec: DatasetSpec, root: DataRoot | None = None) -> Report:
    """Try all that a dataset promises, on the images that are in ``root``."""
    return Report.of(cases(spec, root))


def cases(spec: DatasetSpec, root: DataRoot | None = None) -> list[Case]:
    """Return the checks one by one."""
    return cases_of(spec, CLAIMS, lambda: Trial(spec, root))


def is_here(trial: Trial) -> Iterator[str]:
    if trial.train is None:
        yield Note(f"its images are not here, so they were not looked at: {trial.reason}")
    elif trial.test is None:
        yield Note("it has no test split here")


def images_have_one_shape_and_the_promised_range(trial: Trial) -> Iterator[str]:
    for split, data in trial.splits():
        found = first(data, 64)
        if found.ndim != 4 or len(data) == 0:
            yield f"{split} images are {show(found.shape)}, not [N, C, H, W] with N above 0"
        elif found.dtype not in {torch.uint8, torch.float32}:
            yield f"{split} images are {found.dtype}, not uint8 or float32"
        elif found.dtype == torch.float32 and found.shape[2:] != (1, 1):
            low = -1.0 if trial.spec.value_range == "symmetric" else 0.0
            least, most = float(found.min()), float(found.max())
            if not (low <= least and most <= 1):
                yield f"{split} images run from {least:g} to {most:g}, not within [{low:g}, 1]"


def labels_fit_the_images_and_the_classes(trial: Trial) -> Iterator[str]:
    for split, data in trial.splits():
        if data.labels is None:
            if trial.spec.labelled:
                yield f"labelled is True, and the {split} images have no labels"
            continue
        if not trial.spec.labelled:
            yield f"labelled is False, and the {split} images have labels"
        if data.labels.shape != (len(data),) or data.labels.dtype != torch.int64:
            yield (
                f"{split} labels are {data.labels.dtype} {show(data.labels.shape)}, not int64 "
                f"[{len(data)}]"
            )
        elif int(data.labels.min()) < 0 or int(data.labels.max()) >= len(data.classes):
            yield (
                f"{split} labels run from {int(data.labels.min())} to {int(data.labels.max())}, "
                f"with {len(data.classes)} classes"
            )


def is_the_same_every_time(trial: Trial) -> Iterator[str]:
    state = torch.get_rng_state()
    for split, data in trial.splits():
        torch.manual_seed(123)
        again = trial.spec.build(trial.root, split)
        if again.fingerprint != data.fingerprint:
            yield f"the {split} split's fingerprint differs when it is built again"
        if len(again) != len(data) or not torch.equal(first(again, 256), first(data, 256)):
            yield f"the {split} images differ when they are built again"
        if data.labels is not None and (
            again.labels is None or not torch.equal(again.labels, data.labels)
        ):
            yield f"the {split} labels differ when they are built again"
    torch.set_rng_state(state)


def leaves_the_random_generators_alone(trial: Trial) -> Iterator[str]:
    if trial.train is not None:
        state = torch.get_rng_state()
        trial.spec.build(trial.root)
        if not torch.equal(state, torch.get_rng_state()):
            yield "building it draws from torch's global generator"


def its_fingerprint_is_a_sha256(trial: Trial) -> Iterator[str]:
    for split, data in trial.splits():
        if not re.fullmatch(r"[0-9a-f]{64}", data.fingerprint):
            yield f"the {split} fingerprint is {data.fingerprint!r}, no SHA-256 in hexadecimal"
    if trial.train and trial.test and trial.train.fingerprint == trial.test.fingerprint:
        yield "train and test have one fingerprint: it must depend on the content"


def train_and_test_share_no_image(trial: Trial) -> Iterator[str]:
    if trial.train is None or trial.test is None:
        return
    known = set(_bytes(trial.train))
    test = list(_bytes(trial.test))
    common = sum(image in known for image in test)
    if common:
        text = f"{common} of {len(test)} test images are training images as well"
        is_accident = common <= COMMON * len(test) or first(trial.test, 1).shape[2:] == (1, 1)
        yield Note(text) if is_accident else text


def tells_what_is_missing(trial: Trial) -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:
        empty = DataRoot(Path(folder), download=False)
        try:
            trial.spec.build(empty)
        except DataError as error:
            text = str(error)
            if len(text) < 20 or (folder not in text and "/" not in text):
                yield f"without its files it says {text!r}; name the file and what to do"
        except Exception as error:  # noqa: BLE001
            yield (
                f"without its files it raises {type(error).__name__}: {error}; raise a DataError "
                "that names the file and what to do"
            )


def first(data: ImageData, count: int) -> Tensor:
    """Return the first images as stored, ``[count, C, H, W]``."""
    if isinstance(data.images, Tensor):
        return data.images[:count]
    return torch.stack([data.images[at] for at in range(min(count, len(data)))])


def _bytes(data: ImageData) -> Iterator[bytes]:
    if isinstance(data.images, Tensor):
        for image in data.images[:MOST]:
            yield image.numpy().tobytes()
    else:
        for at in range(min(1000, len(data))):
            yield data.images[at].numpy().tobytes()


CLAIMS: tuple[Claim[Trial], ...] = (
    is_here,
    images_have_one_shape_and_the_promised_range,
    labels_fit_the_images_and_the_classes,
    is_the_same_every_time,
    leaves_the_random_generators_alone,
    its_fingerprint_is_a_sha256,
    train_and_test_share_no_image,
    tells_what_is_missing,
)
