"""What made the single pictures in a folder, kept beside them: no folder holds two kinds."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch

from ganzoo.common.errors import GanzooError
from ganzoo.common.files import publish, to_json
from ganzoo.sampling.classes import Label
from ganzoo.sampling.model import Model

NAME = ".made.json"
"""Hidden, so that nobody takes it for a picture."""
LARGEST = 1 << 16
"""Bytes of it that are read."""
REMARKS = ("run", "count")
"""What it says beside what decides the pictures."""
PICTURE = re.compile(r"[0-9]{6,8}\.png")


def claim(
    folder: Path,
    model: Model,
    run: Path,
    count: int,
    *,
    seed: int,
    label: Label,
    tell: Callable[[str], None],
) -> None:
    """Make sure that the pictures in ``folder`` are of this model, seed and label; write it down.

    Args:
        tell: is told of pictures beyond ``count``, and of other files.

    Raises:
        GanzooError: if they are of something else, or nothing says of what.
        MachineError: if the folder cannot be written.
    """
    made = {"run": str(run.absolute()), **maker(model, seed, label, count), "count": count}
    whole = count * max(1, len(model.class_numbers(label)))
    names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    pictures = [name for name in names if PICTURE.fullmatch(name)]
    if pictures:
        _refuse_others(folder, pictures, made)
    surplus = [name for name in pictures if int(name.partition(".")[0]) >= whole]
    if surplus:
        tell(
            f"'{folder}' has {len(surplus):,} more than the {whole:,} images requested, "
            f"{_span(surplus)}: of the same model and seed, from before"
        )
    if others := [name for name in names if name not in pictures and not name.startswith(".")]:
        tell(f"'{folder}' holds other files, too: {_span(others)}")
    publish(folder / NAME, to_json(made, indent=2) + "\n")


def maker(model: Model, seed: int, label: Label, count: int) -> dict[str, Any]:
    """Return everything that decides a picture beside its number."""
    classes = model.class_numbers(label)
    settings = {
        "generator": model.recipe.generator.model_dump(mode="json"),
        "latent": model.recipe.latent.model_dump(mode="json"),
        "mode": model.recipe.samples.mode,
    }
    return {
        "step": model.step,
        "ema": model.is_average,
        "weights": weights_digest(model),
        "seed": seed,
        # Of several classes, which picture is of which depends on how many each has.
        "label": classes if len(classes) < 2 else {"classes": classes, "each": count},
        "settings": settings,
    }


def weights_digest(model: Model) -> str:
    """Return the SHA-256 of all weights and buffers with their names."""
    found = hashlib.sha256()
    for name, value in sorted(model.network.state_dict().items()):
        found.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
        found.update(value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return found.hexdigest()


def _refuse_others(folder: Path, pictures: Iterable[str], made: dict[str, Any]) -> None:
    remedy = "choose another --file, or remove the folder"
    was = _read(folder / NAME)
    if was is None:
        raise GanzooError(
            f"'{folder}' holds pictures, {_span(list(pictures))}, and no readable "
            f"'{NAME}' that says what made them; {remedy}"
        )
    other = [name for name in made if name not in REMARKS and was.get(name) != made[name]]
    if other:
        listed = "; ".join(f"{name} {_differs(was.get(name), made[name])}" for name in other)
        raise GanzooError(f"'{folder}' holds images made differently: {listed}; {remedy}")


def _read(path: Path) -> dict[str, Any] | None:
    try:
        with path.open("rb") as file:
            found = json.loads(file.read(LARGEST))
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _differs(was: object, now: object) -> str:
    if isinstance(now, dict) and isinstance(was, dict):
        inner = [key for key in now | was if was.get(key) != now.get(key)]
        return ", ".join(f"{key} {_differs(was.get(key), now.get(key))}" for key in inner)
    return f"was {_brief(was)}, is {_brief(now)}"


def _brief(value: object) -> str:
    text = "none" if value is None else str(value)
    return text[:12] if re.fullmatch(r"[0-9a-f]{64}", text) else text[:60]


def _span(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}"
