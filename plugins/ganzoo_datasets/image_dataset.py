"""Data sets made of encoded images: which, in which classes, how they become equal in shape."""

from __future__ import annotations

from hashlib import blake2b
from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import Field

from ganzoo.api import DataError, DataRoot, DatasetSpec, ImageData, Split, fingerprint, printable
from ganzoo_datasets.archives import Listing, Store

Side = Annotated[int, Field(ge=4, le=4096)]
Byte = Annotated[int, Field(ge=0, le=255)]
KINDS_SHOWN = 8
"""Kinds of files that are no images, named in a note."""
ARCHIVES = frozenset({".zip", ".tar", ".gz", ".tgz", ".7z", ".rar", ".bz2", ".xz"})
Size = Side | Annotated[list[Side], Field(min_length=2, max_length=2)]


class PictureDataset(DatasetSpec):
    """Images of any size, brought to one."""

    size: Size
    """Height and width in pixels: one number, or [height, width]."""
    crop: Literal["center", "none"] = "center"
    """Keep proportions and cut off what stands over, or squeeze the whole image into the size."""
    resample: Literal["bilinear", "bicubic", "lanczos", "box", "nearest"] = "bilinear"
    """Filter for resizing, antialiased (but for 'nearest')."""
    channels: Literal[1, 3] = 3
    """1 for grey, 3 for colour."""
    background: Annotated[list[Byte], Field(min_length=3, max_length=3)] = [255, 255, 255]  # noqa: RUF012
    """Red, green and blue behind transparent images."""
    on_bad: Literal["error", "skip"] = "error"
    """What to do when images cannot be read: stop before training, or leave them out."""
    max_pixels: Annotated[int, Field(ge=1, le=178_000_000)] = 50_000_000
    """Pixels at most in one image; one with more cannot be read."""
    holdout: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    """Share of the images kept for testing, chosen by their names."""

    def collect(self, store: Store, split: Split, root: DataRoot) -> ImageData:
        """Read the images of a store.

        Raises:
            DataError: if there are none, or some cannot be read.
        """
        from ganzoo_datasets.decode import Frame
        from ganzoo_datasets.image_files import load

        height, width = self.size if isinstance(self.size, list) else (self.size, self.size)
        red, green, blue = self.background
        frame = Frame(
            self.channels,
            height,
            width,
            self.crop,
            self.resample,
            (red, green, blue),
            self.max_pixels,
        )
        listing = store.scan()
        if not listing.names:
            raise DataError(f"{self.use}: no images in '{store.path}' ({_counts(listing)})")
        classes, label_of, notes = classify(listing.names)
        names = [name for name in listing.names if self._is_in(name, split)]
        if not names:
            raise DataError(
                f"{self.use}: none of {len(listing.names)} images is for '{split}'; set "
                f"dataset.holdout, which is {self.holdout}, to another share"
            )
        loaded = load(store, names, frame, skip=self.on_bad == "skip", root=root)
        skipped = [f"passed by: {count} {kind}" for kind, count in listing.skipped.items()]
        if listing.others:
            skipped.insert(0, printable(f"left out, being no images we read: {_others(listing)}"))
        return ImageData(
            images=loaded.images,
            labels=loaded.labels(label_of),
            classes=classes,
            source=str(store.path),
            fingerprint=fingerprint(loaded.fingerprint, *classes),
            notes=(*notes, *skipped, *loaded.notes),
        )

    def _is_in(self, name: str, split: Split) -> bool:
        """Tell whether an image belongs to the split, whatever other images there are."""
        digest = blake2b(name.encode("utf-8", "surrogateescape"), digest_size=8, key=b"holdout")
        is_held_out = int.from_bytes(digest.digest(), "big") < self.holdout * 2**64
        return is_held_out == (split == "test")


def classify(names: list[str]) -> tuple[tuple[str, ...], dict[str, int] | None, list[str]]:
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
        note = f"no classes: {flat} of {len(paths)} images are in no sub-folder"
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
    inner = "; archives inside are not opened" if listing.others.keys() & ARCHIVES else ""
    return f"PNG, JPEG, WEBP, BMP and GIF are read{inner}"
