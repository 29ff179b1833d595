"""The addresses of the page: what it is about, latents to begin with, pictures."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

from ganzoo.api import Asked, GanzooError, PageServer, Reply, Route, own_page, page_policy
from ganzoo_play.game import Game

HERE = Path(__file__).parent


def play_server(game: Game, port: int = 0) -> PageServer:
    """Return a server of the page; the caller runs and closes it.

    Every address but the page's own wants the secret: pictures cost time, and are the run's.

    Raises:
        GanzooError: if the port cannot be had.
    """
    script = own("served.js") + own("play.js")
    page = own_page("play · ganzoo", own("play.html"), script=script, style=own("play.css"))
    facts = json.dumps(game.facts(), allow_nan=False)
    most = 4 * game.model.recipe.latent.size

    def start(asked: Asked) -> Reply:
        text = asked.query.get("seed", "")
        if not text.isascii() or not text.isdecimal() or len(text) > 10:
            raise GanzooError(f"seed {text[:20]!r}: a whole number from 0 on")
        return Reply(game.start(int(text)), "bytes")

    def made(asked: Asked, *, sheet: bool) -> Reply:
        label, truncation = (asked.query.get(name, "") for name in chosen)
        return Reply(game.picture(asked.body, label, truncation, sheet=sheet), "png")

    chosen = ("label", "truncation")
    return PageServer(
        {
            "/": Route(lambda _: Reply(page), policy=page_policy(script)),
            "/facts.json": Route(lambda _: Reply(facts, "json"), secret=True),
            "/start": Route(start, secret=True, query=("seed",)),
            "/picture": Route(partial(made, sheet=False), "POST", query=chosen, most=most),
            "/sheet": Route(partial(made, sheet=True), "POST", query=chosen, most=most),
        },
        port,
    )


def own(name: str) -> str:
    """Return a file of this plugin."""
    return (HERE / name).read_text(encoding="utf-8")
