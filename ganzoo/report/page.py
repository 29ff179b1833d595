"""Filling a template: everything escaped, pictures inside, one script known by its hash."""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from ganzoo._version import __version__
from ganzoo.common.errors import RefusedError, printable
from ganzoo.runs.folder import MOST_PICTURE, RunDir

TEMPLATES = Path(__file__).parent / "templates"
MAGIC = {b"\x89PNG\r\n\x1a\n": "image/png", b"GIF89a": "image/gif", b"GIF87a": "image/gif"}


def render(template: str, *, live: bool = False, **content: Any) -> str:
    """Return the page ``template`` filled with ``content``.

    Every value is escaped and stripped of control characters; only the style sheet and the script,
    which are files of ganzoo, go in as they are. The page may load nothing: its policy allows
    pictures inside the file, its own style, and the script with exactly this hash. A ``live`` page
    may ask its own server for news besides.
    """
    script = script_of(live=live)
    return (
        _environment()
        .get_template(template)
        .render(
            **content,
            policy=policy(live=live),
            style=Markup(_own("style.css")),
            script=Markup(script),
            version=__version__,
        )
    )


def fragment(template: str, **content: Any) -> str:
    """Return a piece of a page; every value is escaped and stripped of control characters."""
    return _environment().get_template(template).render(**content)


def script_of(*, live: bool) -> str:
    """Return the script of a page."""
    return _own("script.js") + (_own("live.js") if live else "")


def policy(*, live: bool) -> str:
    """Return the Content-Security-Policy of a page."""
    return page_policy(script_of(live=live), asks=live)


def page_policy(
    script: str, *, asks: bool = True, images: Sequence[str] = (), wasm: bool = False
) -> str:
    """Return the Content-Security-Policy of a page with one inline script, and no other.

    Args:
        script: the text between ``<script>`` and ``</script>``, to the letter.
        asks: whether the page may ask its own server.
        images: where pictures may come from besides the page itself: ``'self'`` in quotes for its
            server, ``blob:`` for those that its script was sent (``URL.createObjectURL``).
        wasm: whether the script may compile WebAssembly.
    """
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    compiles = " 'wasm-unsafe-eval'" if wasm else ""
    return (
        f"default-src 'none'; img-src {' '.join(['data:', *images])}; style-src 'unsafe-inline'; "
        f"script-src 'sha256-{digest}'{compiles}; base-uri 'none'; form-action 'none'"
        + ("; connect-src 'self'" if asks else "")
    )


def own_page(title: str, body: str, *, script: str, style: str = "", policy: str = "") -> str:
    """Return a page in the look of ganzoo's own, for a plugin that serves or writes one.

    Args:
        title: text; it is escaped.
        body: the markup of its body, as it is. Let the script put in what others have written, as
            ``textContent``.
        script: its one script.
        style: rules that follow ganzoo's own style sheet.
        policy: of a page that is a file: its Content-Security-Policy, by ``page_policy``. A page
            that is served has it in its route.
    """
    parts = {name: Markup(text) for name, text in {"body": body, "script": script}.items()}
    whole = Markup(_own("style.css") + style)
    return (
        _environment()
        .get_template("own.html")
        .render(title=title, style=whole, policy=policy, version=__version__, **parts)
    )


def picture(run: RunDir, *parts: str) -> str:
    """Return a picture of a run as an address that holds it; empty for a link, or none at all."""
    try:
        content = run.read(*parts, most=MOST_PICTURE)
    except (OSError, RefusedError):
        return ""
    kinds = [kind for magic, kind in MAGIC.items() if content.startswith(magic)]
    return f"data:{kinds[0]};base64,{base64.b64encode(content).decode()}" if kinds else ""


def _own(name: str) -> str:
    return (TEMPLATES / name).read_text(encoding="utf-8")


@functools.cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_visible,
    )


def _visible(value: Any) -> Any:
    """Take invisible characters out of text that came from elsewhere."""
    if isinstance(value, str) and not isinstance(value, Markup) and not value.startswith("data:"):
        return printable(value, 20_000)
    return "" if value is None else value
