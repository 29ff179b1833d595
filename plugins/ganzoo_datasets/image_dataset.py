"""Datasets made of encoded images: which, in which classes, how they become equal in shape."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import blake2b
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Annotated, Literal, Self

from pydantic import Field, model_validator

from ganzoo.api import DataError, DataRoot, DatasetSpec, ImageData, Split, fingerprint, printable
from ganzoo_datasets.archives import Listing, Store

if TYPE_CHECKING:
    from ganzoo_datasets.frame import Frame

Side = Annotated[int, Field(ge=4, le=4096)]
Share = Annotated[float, Field(gt=0, le=1)]
Axes = Literal["auto", "HW", "HWC", "CHW", "NHW", "NHWC", "NCHW"]
Byte = Annotated[int, Field(ge=0, le=255)]
Sorted = tuple[tuple[str, ...], dict[str, int] | None, list[str]]
"""Classes, the class of each name or None, and notes."""
Sort = Callable[[list[str]], Sorted]
READ = "PNG, JPEG, WEBP, AVIF, TIFF, PPM, BMP, GIF, .npy and .npz"
KINDS_SHOWN = 8
"""Kinds of files that are no images, named in a note."""
ARCHIVES = frozenset({".zip", ".tar", ".gz", ".tgz", ".7z", ".rar", ".bz2", ".xz"})
Size = Side | Annotated[list[Side], Field(min_length=2, max_length=2)]


class PictureDataset(DatasetSpec):
    """Images of any size, brought to one."""

    size: Annotated[Size, Field(examples=[64])]
    """Height and width in pixels: one number, or [height, width]."""
    crop: Literal["center", "none", "pad", "random"] = "center"
    """How images of other proportions are handled: 'center' crops the middle, 'none' stretches \
the image, 'pad' pads it with the background, 'random' crops anywhere."""
    crop_share: Annotated[list[Share], Field(min_length=2, max_length=2)] = [1.0, 1.0]  # noqa: RUF012
    """Smallest and largest side of a random crop, as a share of the largest that fits."""
    rotate: Annotated[float, Field(ge=0, le=180)] = 0.0
    """Maximum rotation in degrees, either way, cropped to the filled part."""
    copies: Annotated[int, Field(ge=1, le=1000)] = 1
    """Versions made of each image, with different random crops and rotations; drawn by file name, \
so every run has the same."""
    resample: Literal["bilinear", "bicubic", "lanczos", "box", "nearest"] = "bilinear"
    """Filter for resizing, antialiased (except 'nearest')."""
    channels: Annotated[int, Field(ge=1, le=64)] = 3
    """1 for grey, 3 for colour; 2 and 4 keep opacity as the last channel; arrays may have any \
number."""
    range: Literal["full", "data"] | Annotated[list[float], Field(min_length=2, max_length=2)] = (
        "full"
    )
    """Raw values that become black and white: 'full', the range of 8 or 16 bits, and 0 to 1 for \
floats; 'data', the lowest and highest value of all images; or [lowest, highest]."""
    profiles: Literal["ignore", "srgb"] = "ignore"
    """What to do with colour profiles: ignore them, or convert the image to sRGB."""
    axes: Axes = "auto"
    """Axes of .npy and .npz arrays, N for a stack; 'auto' infers them from their lengths."""
    background: Annotated[list[Byte], Field(min_length=3, max_length=3)] = [255, 255, 255]  # noqa: RUF012
    """Red, green and blue of the background behind transparent images and around padded ones."""
    on_bad: Literal["error", "skip"] = "error"
    """What to do if images cannot be read: stop before training, or skip them."""
    max_pixels: Annotated[int, Field(ge=1, le=178_000_000)] = 50_000_000
    """Maximum number of pixels of an image; larger images are not read."""
    holdout: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    """Share of the images held out for testing, chosen by file name."""

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        problems = []
        if isinstance(self.range, list) and self.range[0] >= self.range[1]:
            problems.append(f"'range' is {self.range}; write the lower value first")
        if self.crop_share[0] > self.crop_share[1]:
            problems.append(f"'crop_share' is {self.crop_share}; write the smaller share first")
        if self.crop_share != [1.0, 1.0] and self.crop != "random":
            problems.append("'crop_share' needs crop = 'random'")
        if self.copies > 1 and self.crop != "random" and not self.rotate:
            problems.append("'copies' would all be alike; set crop = 'random' or 'rotate'")
        if problems:
            raise ValueError("; ".join(problems))
        return self

    @property
    def frame(self) -> Frame:
        """What all images become, their range left open where it has to be measured."""
        from ganzoo_datasets.frame import Frame

        height, width = self.size if isinstance(self.size, list) else (self.size, self.size)
        red, green, blue = self.background
        return Frame(
            self.channels,
            height,
            width,
            self.crop,
            self.resample,
            (red, green, blue),
            self.max_pixels,
            (self.range[0], self.range[1]) if isinstance(self.range, list) else None,
            self.profiles,
            self.copies,
            self.rotate,
            (self.crop_share[0], self.crop_share[1]),
            self.axes,
        )

    def collect(
        self,
        store: Store,
        split: Split,
        root: DataRoot,
        *,
        sort: Sort | None = None,
        whole: bool = False,
    ) -> ImageData:
        """Read the images of a store.

        Args:
            sort: says which class each image is of; without it, its folder does.
            whole: whether all images belong to the split.

        Raises:
            DataError: if there are none, or some cannot be read.
        """
        from dataclasses import replace

        from ganzoo_datasets.arrays import ArrayStore
        from ganzoo_datasets.image_files import load, measured

        frame = self.frame
        store = ArrayStore(store, self.axes, self.channels)
        listing = store.scan()
        if not listing.names:
            raise DataError(f"{self.use}: no images in '{store.path}' ({_counts(listing)})")
        classes, label_of, notes = (sort or classify)(listing.names)
        names = [name for name in listing.names if whole or self._is_in(name, split)]
        if not names:
            raise DataError(
                f"{self.use}: none of {len(listing.names)} images is for '{split}'; set "
                f"dataset.holdout, which is {self.holdout}, to another share"
            )
        if self.range == "data":
            frame = replace(frame, value_range=measured(store, listing.names, frame, root.progress))
            low, high = frame.value_range or (0.0, 0.0)
            notes.append(
                f"range: {low:g} … {high:g}, measured over all {len(listing.names)} images"
            )
        if frame.copies > 1:
            notes.append(f"copies: {len(names)} images, {frame.copies} of each")
        loaded = load(store, names, frame, skip=self.on_bad == "skip", root=root)
        skipped = [f"skipped: {count} {kind}" for kind, count in listing.skipped.items()]
        if listing.others:
            skipped.insert(0, printable(f"left out, not readable images: {_others(listing)}"))
        return ImageData(
            images=loaded.images,
            labels=loaded.labels(label_of),
            classes=classes,
            source=str(store.path),
            fingerprint=fingerprint(loaded.fingerprint, *classes),
            notes=(*notes, *listing.notes, *skipped, *loaded.notes),
        )

    def _is_in(self, name: str, split: Split) -> bool:
        """Tell whether an image belongs to the split, whatever other images there are."""
        digest = blake2b(name.encode("utf-8", "surrogateescape"), digest_size=8, key=b"holdout")
        is_held_out = int.from_bytes(digest.digest(), "big") < self.holdout * 2**64
        return is_held_out == (split == "test")


def classify(names: list[str]) -> Sorted:
    """Return the classes, each name's class and notes: classes are the first sub-folders.

    Folders around all images are looked through. Where not every image is in a sub-folder, or all
    are in the same, there are no classes.
    """
    paths = [PurePosixPath(name).parts[:-1] for name in names]
    depth = 0
    while all(len(path) > depth for path in paths) and len({path[depth] for path in paths}) == 1:
        depth += 1
    flat = sum(len(path) <= depth for path in paths)
    if flat:
        mixed = flat < len(paths)
        note = f"no classes: {flat} of {len(paths)} images are not in a subfolder"
        return (), None, [note] if mixed else []
    classes = tuple(sorted({path[depth] for path in paths}))
    index = {name: at for at, name in enumerate(classes)}
    return classes, {name: index[path[depth]] for name, path in zip(names, paths, strict=True)}, []


def _counts(listing: Listing) -> str:
    skipped = [f"{count} {what}" for what, count in listing.skipped.items()]
    counted = ", ".join(filter(None, [_most_others(listing), *skipped]))
    return f"{counted or 'it is empty'}; {_reads(listing)}"


def _others(listing: Listing) -> str:
    return f"{_most_others(listing)}; {_reads(listing)}"


def _most_others(listing: Listing) -> str:
    """Return how many of each other kind of file there are, the most frequent first."""
    others = sorted(listing.others.items(), key=lambda item: (-item[1], item[0]))
    rest = sum(count for _, count in others[KINDS_SHOWN:])
    counted = [f"{count} {what}" for what, count in others[:KINDS_SHOWN]]
    return ", ".join([*counted, f"{rest} others"] if rest else counted)


def _reads(listing: Listing) -> str:
    inner = "; archives beside images are not opened" if listing.others.keys() & ARCHIVES else ""
    return f"{READ} are read{inner}"
