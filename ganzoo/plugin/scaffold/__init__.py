"""A new plugin package: complete, so that it installs, is found and passes its checks at once."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path
from string import Template
from typing import Literal

from ganzoo.common import names
from ganzoo.common.errors import GanzooError
from ganzoo.common.files import publish
from ganzoo.plugin.kinds import kind_named
from ganzoo.plugin.limits import overlong

Special = Literal["", "labels", "state"]
SPECIAL: dict[tuple[str, str], dict[str, str]] = {
    ("generator", "labels"): {"network.py": "generator_network.py.txt"},
    ("discriminator", "labels"): {"network.py": "discriminator_network.py.txt"},
    ("loss", "state"): {},
}
"""What a component may begin with beside its kind, and the files that come with it."""
DISTRIBUTION = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


def write(name: str, kind: str, folder: Path, special: Special = "") -> dict[Path, str]:
    """Write a package named ``name`` with a component of ``kind`` into ``folder / name``.

    Args:
        name: of the package.
        kind: of its component.
        folder: where it goes.
        special: 'labels' for a network that is told the class, 'state' for a loss that remembers.

    Returns:
        The files that were written and their content.

    Raises:
        GanzooError: if the name is none, the kind does not exist or has nothing special of that
            sort, or the folder is there already.
    """
    if problem := overlong(name):
        raise GanzooError(problem)
    if not DISTRIBUTION.fullmatch(name):
        raise GanzooError(
            f"{name!r} is not a package name: use lowercase letters, digits and '-', starting "
            "with a letter; for example 'ganzoo-quadratic'"
        )
    if problem := names.fault(name):
        raise GanzooError(f"{name!r} {problem}; choose another name for the package")
    kind_named(kind)
    if special and (kind, special) not in SPECIAL:
        kinds = " or ".join(one for one, what in SPECIAL if what == special)
        raise GanzooError(f"--{special} goes with --kind {kinds}, not with {kind}")
    root = folder / name
    if root.exists():
        raise GanzooError(f"'{root}' already exists; choose another name or folder")
    files = {root / path: text for path, text in package(name, kind, special).items()}
    for path, text in files.items():
        publish(path, text)
    return files


def package(name: str, kind: str, special: Special = "") -> dict[str, str]:
    """Return the package's files by their paths."""
    row = kind_named(kind)
    module = name.replace("-", "_")
    use = module.removeprefix("ganzoo_")
    words = {
        "distribution": name,
        "entry": name.removeprefix("ganzoo-"),
        "module": module,
        "use": use,
        "name": "".join(part.capitalize() for part in use.split("_")),
        "kind": kind,
        "base": row.spec.__name__,
        "hook": row.hook,
        "try": f"ganzoo run dcgan_digits {row.choosing(use)}",
    }
    written = {
        "pyproject.toml": "pyproject.toml.txt",
        "README.md": "README.md.txt",
        f"src/{module}/__init__.py": "__init__.py.txt",
        f"src/{module}/{kind}.py": f"{kind}_{special}.py.txt" if special else row.template,
        f"tests/test_{module}.py": "test.py.txt",
    }
    if special:
        more = SPECIAL[kind, special]
        written |= {f"src/{module}/{file}": source for file, source in more.items()}
    texts = {path: Template(template(file)).substitute(words) for path, file in written.items()}
    return {**texts, f"src/{module}/py.typed": ""}


def template(file: str) -> str:
    """Return a template's text."""
    return (resources.files(__name__) / "templates" / file).read_text(encoding="utf-8")
