"""Images of one's own, looked at for ``data look`` and ``new recipe --from-folder``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ganzoo.cli import output as streams
from ganzoo.common.data_root import DataRoot, data_root

if TYPE_CHECKING:
    from ganzoo.plugin.registry import Registry
    from ganzoo.plugin.types import Look

USE = "folder"
"""The dataset that reads them."""


def look_at(folder: str, registry: Registry, *, pictures: int = 0) -> Look:
    """Look at the images in a folder or archive, with progress where it takes long.

    Raises:
        GanzooError: if there are none.
    """
    from pydantic import ValidationError

    from ganzoo.cli.progress import Display
    from ganzoo.common.errors import GanzooError
    from ganzoo.plugin.attempt import attempt

    if folder in registry.specs("dataset") and not Path(folder).exists():
        raise GanzooError(
            f"'{folder}' is a dataset, and this looks at a folder of your own images; to get the "
            f"dataset: ganzoo data get {folder}; its settings: ganzoo show {folder}"
        )
    path = str(Path(folder).expanduser().absolute())
    try:
        spec = registry.find("dataset", USE).model_validate({"path": path, "size": 64})
    except ValidationError as error:
        raise GanzooError(f"{folder!r}: {error.errors()[0]['msg']}") from error
    with Display() as display:
        root = DataRoot(data_root(None), False, display.transfers)
        found: Look = attempt(spec, "looking", lambda: spec.look(root, pictures=pictures))  # type: ignore[attr-defined]
    return found


def as_json(look: Look) -> dict[str, object]:
    """Return what was seen as JSON holds it."""
    return {
        "source": look.source,
        "images": look.images,
        "bytes": look.num_bytes,
        "formats": dict(look.formats),
        "sizes": [{"height": h, "width": w, "images": n} for (h, w), n in look.sizes.items()],
        "kinds": dict(look.kinds),
        "bits": dict(look.bits),
        "values": list(look.values),
        "classes": dict(look.classes),
        "duplicates": [list(names) for names in look.duplicates],
        "broken": dict(look.broken),
        "decoded": look.sampled,
        "settings": {key: value for key, (value, _) in look.settings.items()},
        "reasons": {key: reason for key, (_, reason) in look.settings.items()},
        "notes": list(look.notes),
        "seconds": look.seconds,
    }


def save_contact_sheet(look: Look, path: Path, columns: int = 8) -> None:
    """Write the thumbnails as one picture.

    Raises:
        GanzooError: if the file's name says no format, or it cannot be written.
    """
    from PIL import Image

    from ganzoo.report.sheets import save_picture

    if not look.pictures:
        streams.warn("no image could be decoded: there is no contact sheet")
        return
    gap = 2
    width, height = look.pictures[0].size
    across = min(columns, len(look.pictures))
    down = -(-len(look.pictures) // columns)
    sheet = Image.new("RGB", (across * (width + gap) + gap, down * (height + gap) + gap))
    for at, each in enumerate(look.pictures):
        row, column = divmod(at, columns)
        sheet.paste(each, (column * (width + gap) + gap, row * (height + gap) + gap))
    save_picture(sheet, path)
