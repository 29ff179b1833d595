"""Pictures with something beside them: pairs, two folders that belong together, edges, digits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from ganzoo.api import DataError, DataRoot, DatasetSpec, ImageData, Split, Varied, fingerprint
from ganzoo_datasets.archives import Listing, Store, open_store
from ganzoo_datasets.folder import located
from ganzoo_datasets.image_dataset import PictureDataset

if TYPE_CHECKING:
    from torch import Tensor

    from ganzoo_datasets.frame import Frame
    from ganzoo_datasets.image_files import Loaded

Place = Annotated[str, Field(min_length=1, max_length=4096, pattern=r"^[^\x00-\x1f\x7f]+$")]
NAMED = 5
"""Pictures named in an error."""


class _Beside(PictureDataset):
    """Pictures and what is translated into them."""

    labelled: ClassVar[bool] = False

    path: Annotated[Place, Field(examples=["photos"])]
    """Folder or archive of the target pictures."""
    input_channels: Annotated[int, Field(ge=1, le=64)] = 3
    """Channels of the inputs, like 'channels' for the pictures."""
    larger: Annotated[int, Field(ge=0, le=1024)] = 0
    """In training, load both this many pixels larger than 'size' and crop at random."""
    flip: bool = False
    """Whether to mirror half of them in training, left to right; pairs are mirrored together."""

    def frames(self, larger: int = 0) -> tuple[Frame, Frame]:
        """Return what pictures and inputs become."""
        frame = self.frame
        frame = replace(frame, height=frame.height + larger, width=frame.width + larger)
        return frame, replace(frame, channels=self.input_channels)

    def read(self, store: Store, names: list[str], frame: Frame, root: DataRoot) -> Loaded:
        """Return pictures of a store.

        Raises:
            DataError: naming those that cannot be read.
        """
        from ganzoo_datasets.image_files import load

        return load(store, names, frame, skip=self.on_bad == "skip", root=root)

    def kept(self, names: Sequence[str], split: Split, path: Path) -> list[str]:
        """Return the names that belong to a split.

        Raises:
            DataError: if there are none.
        """
        found = [name for name in names if self._is_in(stem(name), split)]
        if not found:
            raise DataError(
                f"{self.use}: none of {len(names)} images in '{path}' is for '{split}'; set "
                f"dataset.holdout, which is {self.holdout}, to another share"
            )
        return found

    @model_validator(mode="after")
    def _can_be_read(self) -> Self:
        problems = []
        if self.range == "data":
            problems.append("'range' is not measured for inputs; write [lowest, highest]")
        if self.copies > 1:
            problems.append("'copies' are not made of pictures with inputs; use 'larger'")
        if problems:
            raise ValueError("; ".join(problems))
        return self


class Paired(_Beside):
    """Pairs: two folders whose pictures have the same names, or pictures with both halves in one.

    Like pix2pix's datasets (Isola et al. 2017, arXiv:1611.07004): each target has an input, and
    both are cropped and mirrored together.
    """

    use: ClassVar[str] = "paired"

    inputs: Place | None = None
    """Folder or archive of the inputs, with the same names apart from the extension; omit it if \
each picture has input and target side by side."""
    input_half: Literal["left", "right"] = "left"
    """Which half of such a picture is the input."""

    def build(self, root: DataRoot, split: Split = "train") -> ImageData:
        """Return targets ``[N, C, H, W]`` and their inputs ``[N, C', H, W]``.

        Raises:
            DataError: if a picture has no partner, or cannot be read.
        """
        store = open_store(located(self.path, root.path))
        stores: tuple[Store, Store]
        if self.inputs is None:
            right = self.input_half == "left"
            stores = Half(store, right=right), Half(store, right=not right)
            names = self.kept(scanned(stores[0], self.use), split, store.path)
            both = names, names
        else:
            stores = store, open_store(located(self.inputs, root.path))
            both = self._partners(*stores, split)

        def read(larger: int) -> tuple[Loaded, Loaded]:
            targets, inputs = both
            frames = self.frames(larger)
            first = self.read(stores[0], targets, frames[0], root)
            second = self.read(stores[1], inputs, frames[1], root)
            good = {stem(name) for name in first.names} & {stem(name) for name in second.names}
            if len(good) < len(targets):  # one of a pair was left out: so is the other
                targets = [name for name in targets if stem(name) in good]
                inputs = [name for name in inputs if stem(name) in good]
                told = [*first.notes, *second.notes]
                first = self.read(stores[0], targets, frames[0], root)
                second = self.read(stores[1], inputs, frames[1], root)
                second.notes[:] = [*dict.fromkeys([*told, *second.notes])]
            return first, second

        return beside(self, *read(0), split, str(store.path), read=read)

    def _partners(self, targets: Store, inputs: Store, split: Split) -> tuple[list[str], list[str]]:
        """Return the names of targets and of their inputs, in one order."""
        found = []
        for store in (targets, inputs):
            names = scanned(store, self.use)
            by_stem = {stem(name): name for name in names}
            if len(by_stem) < len(names):
                twice = [name for name in names if by_stem[stem(name)] != name]
                raise DataError(
                    f"'{store.path}': {listed(twice)} have the same name as another picture, "
                    "without its ending; rename one of them"
                )
            found.append(by_stem)
        alone = [found[0][key] for key in found[0].keys() - found[1].keys()]
        more = [found[1][key] for key in found[1].keys() - found[0].keys()]
        if alone or more:
            parts = [
                f"{len(names)} in '{store.path}' have no partner: {listed(names)}"
                for store, names in ((targets, alone), (inputs, more))
                if names
            ]
            raise DataError(f"paired: {'; '.join(parts)}; remove them, or add what is missing")
        keys = self.kept(sorted(found[0]), split, targets.path)
        return [found[0][key] for key in keys], [found[1][key] for key in keys]


class Unpaired(_Beside):
    """Two folders of pictures without pairs.

    Like CycleGAN's datasets (Zhu et al. 2017, arXiv:1703.10593): inputs and targets are drawn,
    cropped and mirrored independently.
    """

    use: ClassVar[str] = "unpaired"

    inputs: Annotated[Place, Field(examples=["paintings"])]
    """Folder or archive of the inputs."""

    def build(self, root: DataRoot, split: Split = "train") -> ImageData:
        """Return targets ``[N, C, H, W]`` and inputs ``[M, C', H, W]``.

        Raises:
            DataError: if there are none, or some cannot be read.
        """
        stores = [open_store(located(each, root.path)) for each in (self.path, self.inputs)]
        both = [self.kept(scanned(store, self.use), split, store.path) for store in stores]

        def read(larger: int) -> tuple[Loaded, Loaded]:
            first, second = zip(stores, both, self.frames(larger), strict=True)
            return self.read(*first, root), self.read(*second, root)

        source = f"{stores[0].path} and {stores[1].path}"
        return beside(self, *read(0), split, source, read=read, paired=False)


class Edges(_Beside):
    """Your own images, and their edges as inputs: black lines on white, computed by ganzoo.

    Edges are Sobel's gradient of grey levels after a 3×3 binomial blur.
    """

    use: ClassVar[str] = "edges"
    input_channels: Literal[1] = 1
    """Channels of the inputs; edges are grey."""
    gain: Annotated[float, Field(gt=0, le=100)] = 2.0
    """How black edges are: factor of the step in grey levels across the edge."""
    threshold: Annotated[int, Field(ge=0, le=255)] | None = None
    """Make pixels black from this blackness on, and white below it; by default they stay grey."""

    def build(self, root: DataRoot, split: Split = "train") -> ImageData:
        """Return pictures ``[N, C, H, W]`` and their edges ``[N, 1, H, W]``.

        Raises:
            DataError: if there are none, or some cannot be read.
        """
        store = open_store(located(self.path, root.path))
        names = self.kept(scanned(store, self.use), split, store.path)

        def read(larger: int) -> tuple[Loaded, Loaded]:
            found = self.read(store, names, self.frames(larger)[0], root)
            made = EdgesOf(found.images, self.gain, self.threshold)
            inputs: Any = made
            if not isinstance(found.images, EdgesOf) and hasattr(found.images, "dtype"):
                inputs = made.all()
            return found, replace(found, images=inputs)

        return beside(self, *read(0), split, str(store.path), read=read)


class EdgesOf:
    """The edges of pictures, made when they are asked for."""

    def __init__(self, images: Any, gain: float, threshold: int | None) -> None:
        self.images, self.gain, self.threshold = images, gain, threshold

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int, /) -> Tensor:
        """Return ``[1, H, W]``."""
        return edges(self.images[index][None], self.gain, self.threshold)[0]

    def all(self) -> Tensor:
        """Return ``[N, 1, H, W]``, of pictures that are in memory."""
        import torch

        found: list[Tensor] = [
            edges(some, self.gain, self.threshold) for some in torch.split(self.images, 256)
        ]
        return torch.cat(found)


def edges(images: Tensor, gain: float, threshold: int | None = None) -> Tensor:
    """Return the edges ``[N, 1, H, W]`` of ``[N, C, H, W]`` bytes, black on white."""
    import torch
    from torch.nn.functional import conv2d, pad

    grey = images[:, :3].double().mean(1, keepdim=True)
    blur = torch.tensor([1.0, 2.0, 1.0], dtype=torch.double)
    slope = torch.tensor([-1.0, 0.0, 1.0], dtype=torch.double)
    soft = conv2d(pad(grey, (1, 1, 1, 1), "reflect"), (blur[:, None] * blur)[None, None] / 16)
    around = pad(soft, (1, 1, 1, 1), "reflect")
    across = conv2d(around, (blur[:, None] * slope)[None, None] / 4)
    down = conv2d(around, (slope[:, None] * blur)[None, None] / 4)
    black = (gain * (across.square() + down.square()).sqrt()).clamp(max=255).round()
    if threshold is not None:
        black = torch.where(black >= threshold, 255.0, 0.0)
    return (255 - black).to(torch.uint8)


class ChangedDigits(DatasetSpec):
    """Digits, and changed digits: a small dataset to try image translation on.

    With 'paired', each digit and its changed version; otherwise two halves of the dataset, so that
    no digit has its changed version on the other side.
    """

    use: ClassVar[str] = "changed_digits"

    of: Literal["digits", "mnist"] = "digits"
    """The packaged digits, or MNIST."""
    change: Literal["invert", "rotate"] = "invert"
    """Inverted (black on white), or rotated by a quarter turn to the left."""
    paired: bool = False
    """Whether inputs and images are pairs."""
    size: Annotated[int, Field(ge=8, le=512)] = 32
    """Height and width in pixels."""

    def build(self, root: DataRoot, split: Split = "train") -> ImageData:
        """Return changed digits ``[N, 1, S, S]`` and digits ``[M, 1, S, S]``.

        Raises:
            DataError: if MNIST is not to be had.
        """
        from ganzoo_datasets.digits import Digits
        from ganzoo_datasets.mnist import Mnist

        spec = Digits if self.of == "digits" else Mnist
        found = spec(size=self.size).build(root, split)
        images, labels = found.images, found.labels
        assert not isinstance(images, EdgesOf)
        assert labels is not None
        plain: Any = images
        changed = 255 - plain if self.change == "invert" else plain.rot90(1, (2, 3)).contiguous()
        if not self.paired:
            # The halves are those of even and of odd numbers.
            plain, changed, labels = plain[0::2], changed[1::2], labels[1::2]
        return replace(
            found,
            images=changed,
            labels=labels,
            inputs=plain,
            paired=self.paired,
            fingerprint=fingerprint(found.fingerprint, self.change, str(self.paired)),
        )


class Half(Store):
    """The halves of pictures that hold two side by side."""

    def __init__(self, store: Store, *, right: bool) -> None:
        self.store, self.right = store, right
        self.path = store.path

    def scan(self) -> Listing:
        """Return what there is."""
        return self.store.scan()

    def read(self, name: str, limit: int) -> bytes:
        """Return a half as PNG, which loses nothing.

        Raises:
            UnreadableError: if it is no picture.
        """
        from PIL import Image

        from ganzoo_datasets.archives import UnreadableError
        from ganzoo_datasets.decode import BROKEN, reason

        data = self.store.read(name, limit)
        try:
            with Image.open(BytesIO(data)) as image:
                image.load()
                width, height = image.size
                box = (width // 2, 0, width, height) if self.right else (0, 0, width // 2, height)
                written = BytesIO()
                image.crop(box).save(written, "PNG")
        except BROKEN as error:
            raise UnreadableError(reason(error)) from error
        return written.getvalue()

    def peek(self, name: str, length: int) -> tuple[bytes, int]:
        """Return the beginning of a half, and its length."""
        data = self.read(name, 256 << 20)
        return data[:length], len(data)


def beside(
    spec: _Beside,
    targets: Loaded,
    inputs: Loaded,
    split: Split,
    source: str,
    *,
    read: Any,
    paired: bool = True,
) -> ImageData:
    """Return pictures with their inputs, and what training sees of both."""
    varied = None
    if split == "train" and spec.larger:
        more = read(spec.larger)
        varied = Varied(more[0].images, more[1].images, spec.flip)
    elif split == "train" and spec.flip:
        varied = Varied(targets.images, inputs.images, True)
    return ImageData(
        images=targets.images,
        labels=None,
        classes=(),
        source=source,
        fingerprint=fingerprint(spec.use, targets.fingerprint, inputs.fingerprint, *_told(spec)),
        notes=(*targets.notes, *(note for note in inputs.notes if note not in targets.notes)),
        inputs=inputs.images,
        paired=paired,
        varied=varied,
    )


def _told(spec: _Beside) -> list[str]:
    if isinstance(spec, Edges):
        return [str(spec.gain), str(spec.threshold)]
    return [spec.input_half] if isinstance(spec, Paired) and spec.inputs is None else []


def scanned(store: Store, use: str) -> list[str]:
    """Return the names of a store's pictures.

    Raises:
        DataError: if there are none.
    """
    names = store.scan().names
    if not names:
        raise DataError(f"{use}: no images in '{store.path}'")
    return names


def stem(name: str) -> str:
    """Return a picture's name without its ending."""
    return str(PurePosixPath(name).with_suffix(""))


def listed(names: Sequence[str]) -> str:
    """Return the first names."""
    some = sorted(names)
    return ", ".join(some[:NAMED]) + (" and more" if len(some) > NAMED else "")
