"""A folder on sys.path that looks like site-packages, for tests to put plugins into."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

GOOD = '''"""A plugin without fault."""

from typing import ClassVar

from ganzoo.api import LossSpec, hookimpl


class Good(LossSpec):
    """A loss."""

    use: ClassVar[str] = "{use}"

    def discriminator_terms(self, ctx):
        return {{"real": -ctx.real_logits.mean()}}

    def generator_terms(self, ctx):
        return {{"fake": -ctx.fake_logits.mean()}}

{extra}
@hookimpl
def ganzoo_losses():
    return [Good]
'''


def good(use: str, extra: str = "") -> str:
    """Return the source of a plugin that supplies the loss ``use``, with ``extra`` lines in it."""
    return GOOD.format(use=use, extra=extra)


class Shelf:
    """Installs distributions as a package manager would leave them: modules and a dist-info."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.modules: set[str] = set()

    def put(self, file: str, source: str) -> Path:
        """Write a file of source code, in a package perhaps."""
        path = self.folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source, encoding="utf-8")
        self.modules.add(Path(file).parts[0].removesuffix(".py"))
        return path

    def register(
        self, distribution: str, entries: Iterable[tuple[str, str]], version: str = "0.3"
    ) -> Path:
        """Write the metadata of a distribution with entry points (name, module)."""
        info = self.folder / f"{distribution.replace('-', '_')}-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n"
        )
        lines = [f"{name} = {module}" for name, module in entries]
        (info / "entry_points.txt").write_text("\n".join(["[ganzoo]", *lines, ""]))
        return info

    def install(self, name: str, source: str, version: str = "0.3") -> Path:
        """Install distribution ``ganzoo-NAME`` with one module and entry point ``NAME``."""
        module = f"ganzoo_test_{name}"
        self.register(f"ganzoo-{name}", [(name, module)], version)
        return self.put(f"{module}.py", source)

    def forget(self) -> None:
        """Drop every module that was imported from here."""
        for name, module in list(sys.modules.items()):
            file = getattr(module, "__file__", None) or ""
            if name.partition(".")[0] in self.modules and Path(file).is_relative_to(self.folder):
                del sys.modules[name]
