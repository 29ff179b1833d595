"""Datasets of the Hugging Face library. Needs the extra ``ganzoo-torch[datasets]``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

from pydantic import Field, model_validator

from ganzoo.api import DataError, DataRoot, FetchError, ImageData, Split, printable
from ganzoo_datasets.archives import Listing, UnreadableError
from ganzoo_datasets.folder import located
from ganzoo_datasets.image_dataset import PictureDataset
from ganzoo_datasets.tables import AUTO, NONE, names_of, row_of, sorting

MISSING = (
    "huggingface: the library 'datasets' is not installed: pip install 'ganzoo-torch[datasets]'"
)
MOST = 256 << 20
"""Bytes at most in one picture."""
Name = Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[^\x00-\x1f\x7f]+$")]


class HuggingFace(PictureDataset):
    """A dataset of the Hugging Face library: by its name on the hub, or a local folder.

    It is downloaded completely into that library's own cache (HF_HOME), and none of its code is
    run. Needs pip install 'ganzoo-torch[datasets]'.
    """

    use: ClassVar[str] = "huggingface"

    path: Annotated[str, Field(min_length=1, max_length=4096, pattern=r"^[^\x00-\x1f\x7f]+$")]
    """Name on the hub, as 'owner/name'; or a folder (parquet, images, or of save_to_disk), looked \
for in the data folder, then in the working folder."""
    config: Annotated[str, Field(max_length=256)] = ""
    """Name of the configuration, if the dataset has several."""
    revision: Annotated[str, Field(max_length=256)] = ""
    """Revision on the hub: pin a commit to always get the same data; empty for the newest."""
    split: Name = "train"
    """Split to train on."""
    test_split: Name = NONE
    """Split to test on; 'none' for what dataset.holdout holds out."""
    image: Name = AUTO
    """Column of the images; 'auto' if there is only one."""
    label: Name = AUTO
    """Column of the classes; 'auto' for the only column of type ClassLabel, 'none' for no \
classes."""

    @model_validator(mode="after")
    def _splits_agree(self) -> Self:
        if self.test_split != NONE and self.holdout:
            raise ValueError("'test_split' and 'holdout' both set the test images; keep one")
        return self

    def build(self, root: DataRoot, split: Split = "train") -> ImageData:
        """Return ``[N, C, H, W]`` bytes, kept as those of a folder are.

        Raises:
            FetchError: if it is neither here nor to be had.
            DataError: if it has no such split or column, or the library is not installed.
        """
        try:
            import datasets  # noqa: F401
        except ImportError as error:
            raise DataError(MISSING) from error
        has_own = self.test_split != NONE
        wanted = self.test_split if has_own and split == "test" else self.split
        table = self._table(root, wanted)
        image = self._image(table)
        label = self._label(table)
        labels = None if label is None else list(table[label])
        names = getattr(table.features[label], "names", ()) if label else ()
        try:
            sort = sorting(labels, names or ())
        except (UnreadableError, TypeError, ValueError) as error:
            raise self._refused(
                f"column '{label}': {error}; name another in dataset.label"
            ) from error
        store = RowStore(Path(self.path), wanted, _undecoded(table, image), image, labels)
        return self.collect(store, split, root, sort=sort, whole=has_own)

    def _table(self, root: DataRoot, wanted: str) -> Any:
        import datasets

        folder = self._folder(root.path)
        chosen: dict[str, Any] = {"name": self.config or None}
        if folder is None:
            chosen["revision"] = self.revision or None
        try:
            with _offline(folder is not None or not root.download):
                if folder is not None and _is_saved(folder):
                    found = datasets.load_from_disk(str(folder))
                else:
                    found = datasets.load_dataset(str(folder or self.path), **chosen)
        except Exception as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            if folder is not None:
                raise self._refused(reason) from error
            off = "" if root.download else " (downloading is switched off)"
            raise FetchError(
                printable(
                    f"huggingface: '{self.path}' is not a folder in '{root.path}' or "
                    f"'{Path.cwd()}', and the hub has no dataset of that name{off}: {reason}; "
                    "correct dataset.path, or go online",
                    limit=1000,
                )
            ) from error
        if not isinstance(found, Mapping):
            return found
        if wanted not in found:
            there = ", ".join(f"'{each}'" for each in found)
            raise self._refused(f"no split is named '{wanted}'; there are {there}")
        return found[wanted]

    def _folder(self, data: Path) -> Path | None:
        """Return the folder that is meant, or None where it is a name on the hub."""
        try:
            found = located(self.path, data)
        except DataError:
            if self.path.startswith(("~", "/", ".")):
                raise
            return None
        return found if found.is_dir() or (found.is_absolute() and found.exists()) else None

    def _image(self, table: Any) -> str:
        if self.image != AUTO:
            self._check(table, self.image)
            return self.image
        found = [name for name, kind in table.features.items() if _is_picture(kind)]
        if len(found) != 1:
            what = f"{_listed(found)} contain images" if found else "no column contains images"
            there = _listed(table.column_names)
            raise self._refused(f"{what}; set dataset.image to one of {there}")
        return str(found[0])

    def _label(self, table: Any) -> str | None:
        import datasets

        if self.label == NONE:
            return None
        if self.label != AUTO:
            self._check(table, self.label)
            return self.label
        found = [
            name for name, kind in table.features.items() if isinstance(kind, datasets.ClassLabel)
        ]
        return found[0] if len(found) == 1 else None

    def _check(self, table: Any, column: str) -> None:
        if column not in table.column_names:
            raise self._refused(
                f"no column is named '{column}'; there are {_listed(table.column_names)}"
            )

    def _refused(self, reason: str) -> DataError:
        return DataError(printable(f"huggingface: '{self.path}': {reason}", limit=1000))


class RowStore:
    """The pictures of a table's rows, as they are stored there."""

    def __init__(
        self, path: Path, split: str, table: Any, column: str, labels: Sequence[Any] | None
    ) -> None:
        self.path = path / split
        self._table = table
        self._column = column
        self._names = names_of(len(table), labels)

    def scan(self) -> Listing:
        """List the rows."""
        return Listing(list(self._names))

    def read(self, name: str, limit: int) -> bytes:
        """Return a row's picture."""
        found = self._table[row_of(name)][self._column]
        data = _bytes(found)
        if len(data) > limit:
            raise UnreadableError(f"{len(data):,} bytes, more than {limit:,}")
        return data

    def peek(self, name: str, length: int) -> tuple[bytes, int]:
        """Return the beginning of a picture, and how many bytes it has."""
        data = self.read(name, MOST)
        return data[:length], len(data)


def _bytes(found: Any) -> bytes:
    """Return a picture as a file holds it; of numbers, as .npy does."""
    if isinstance(found, bytes):
        return found
    if isinstance(found, Mapping):
        if found.get("bytes"):
            return bytes(found["bytes"])
        if found.get("path"):
            try:
                return Path(found["path"]).read_bytes()
            except OSError as error:
                raise UnreadableError(str(error.strerror)) from error
    if isinstance(found, list):
        import numpy as np

        from ganzoo_datasets.arrays import stored

        try:
            return stored(np.asarray(found))
        except ValueError as error:
            raise UnreadableError("rows of unequal length") from error
    raise UnreadableError(
        "no picture in this row" if found is None else f"a {type(found).__name__}"
    )


def _is_picture(kind: Any) -> bool:
    import datasets

    return isinstance(kind, datasets.Image | datasets.Array2D | datasets.Array3D)


def _undecoded(table: Any, column: str) -> Any:
    """Return the one column, its pictures left as they are stored."""
    import datasets

    table = table.select_columns([column]).with_format(None)
    if isinstance(table.features[column], datasets.Image):
        return table.cast_column(column, datasets.Image(decode=False))
    return table


def _is_saved(folder: Path) -> bool:
    """Tell whether a folder was written by ``save_to_disk``."""
    return (folder / "dataset_dict.json").is_file() or (folder / "state.json").is_file()


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)


@contextmanager
def _offline(wanted: bool) -> Iterator[None]:
    """Keep the library off the network for as long as the block lasts."""
    import datasets
    import huggingface_hub

    places: tuple[Any, ...] = (datasets.config, huggingface_hub.constants)
    before = [place.HF_HUB_OFFLINE for place in places]
    try:
        for place in places if wanted else ():
            place.HF_HUB_OFFLINE = True
        yield
    finally:
        for place, was in zip(places, before, strict=True):
            place.HF_HUB_OFFLINE = was
