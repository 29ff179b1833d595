"""The addresses of the board: the page, its news, thumbnails, curves, and the runs' own pages."""

from __future__ import annotations

import json
from pathlib import Path

from ganzoo.api import Asked, Overview, PageServer, Reply, Route, own_page, page_policy

HERE = Path(__file__).parent


def board_server(out: Path, port: int = 0) -> PageServer:
    """Return a server of the board over the runs in ``out``; the caller runs and closes it.

    Raises:
        GanzooError: if the port cannot be had.
    """
    overview = Overview(out)
    script, style, body = (
        (HERE / f"board.{kind}").read_text(encoding="utf-8") for kind in ("js", "css", "html")
    )
    page = own_page("runs · ganzoo", body, script=script, style=style)

    def runs(_: Asked) -> Reply:
        return Reply(json.dumps(overview.tables(), allow_nan=False), "json")

    def thumbnail(asked: Asked) -> Reply | None:
        found = overview.thumbnail(asked.name)
        return None if found is None else Reply(found, "webp")

    def one(asked: Asked) -> Reply | None:
        found = overview.page(asked.name)
        return None if found is None else Reply(found)

    def charts(asked: Asked) -> Reply:
        keys = [key for key in asked.query.get("runs", "").split(".") if key]
        return Reply(overview.charts(keys))

    return PageServer(
        {
            "/": Route(lambda _: Reply(page), policy=page_policy(script, images=("'self'",))),
            "/runs.json": Route(runs),
            "/charts": Route(charts, query=("runs",)),
            # The second word changes with the picture, so that a browser does not show the old one.
            "/thumbnail/{name}": Route(thumbnail, query=("v",)),
            "/run/{name}": Route(one, policy=overview.page_policy),
        },
        port,
    )
