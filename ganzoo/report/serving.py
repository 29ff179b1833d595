"""Pages on this machine's loopback address, for whoever sits here, as long as the command runs.

A server knows a few routes, each with a function that makes its reply. No path of a request reaches
the disk: a parameter is a short name, and its function looks it up among what it knows. A request
must name this host, so that a web page elsewhere cannot read it through a name of its own that
leads here (DNS rebinding), and must not be sent by a page of another origin.

Where a page can do something, or see what not everybody with an account here should, its routes ask
for the server's secret. It is in the fragment of ``PageServer.url``, which browsers send to nobody:
not to the server, not as a referrer, and no log has it. The page's script reads it there and sends
it as the header ``X-Ganzoo-Token``, which no page of another origin can set and no form can send.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl

from ganzoo.common.errors import GanzooError, MachineError, printable
from ganzoo.common.system import IS_WINDOWS

LOOPBACK = "127.0.0.1"
TOKEN = "X-Ganzoo-Token"
KINDS = {
    "html": "text/html; charset=utf-8",
    "json": "application/json",
    "text": "text/plain; charset=utf-8",
    "png": "image/png",
    "gif": "image/gif",
    "webp": "image/webp",
    "bytes": "application/octet-stream",
}
"""Kinds of replies, and how they are announced."""
INERT = "default-src 'none'"
MOST_QUERY = 8192
"""Characters of a query."""
MOST_BODY = 64 * 1024
"""Bytes that are posted, unless a route allows more."""
MOST_DRAINED = 1 << 20
"""Bytes of a refused body that are taken off the line."""
HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_NAME = re.compile(r"[A-Za-z0-9_~-][A-Za-z0-9_.~-]{0,199}")
_PATTERN = re.compile(r"/|(/[a-z0-9_.-]+)+(/\{[a-z_]+\})?")


@dataclass(frozen=True)
class Asked:
    """What a request asks for.

    Attributes:
        name: what stands in the path where the route has ``{...}``: letters, digits and ``_.~-``,
            at most 200, with no point in front. Look it up; never make a path of it.
        query: the values of the query, by name; only names that the route allows.
        body: what was posted.
    """

    name: str = ""
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True)
class Reply:
    """What is sent back.

    Attributes:
        body: text or bytes.
        kind: a name in ``KINDS``.
        save_as: the name under which a browser should save it, instead of showing it.
    """

    body: str | bytes
    kind: str = "html"
    save_as: str = ""


@dataclass(frozen=True)
class Route:
    """One address of a server.

    Attributes:
        make: makes the reply, in a thread of its own; None where there is no such name. A
            GanzooError is told to the page as text with status 400.
        method: 'GET' (answers HEAD, too) or 'POST'.
        secret: whether the token is asked for; a POST always asks.
        query: names that its query may have.
        most: bytes that may be posted.
        policy: the Content-Security-Policy of its replies; see ``page.page_policy``.
    """

    make: Callable[[Asked], Reply | None]
    method: str = "GET"
    secret: bool = False
    query: tuple[str, ...] = ()
    most: int = MOST_BODY
    policy: str = INERT


class PageServer(ThreadingHTTPServer):
    """Serves routes to this machine alone.

    Args:
        routes: by path: ``/``, ``/runs.json``, or ``/sheet/{name}`` with a parameter at its end.
        port: 0 for any that is free.

    Raises:
        MachineError: if the port cannot be had.
    """

    daemon_threads = True
    allow_reuse_address = not IS_WINDOWS  # where it would let two servers share a port

    def __init__(self, routes: Mapping[str, Route], port: int = 0) -> None:
        for path, route in routes.items():
            assert _PATTERN.fullmatch(path), path
            assert route.method in {"GET", "POST"}, route.method
        try:
            super().__init__((LOOPBACK, port), Answer)
        except OSError as error:
            raise MachineError(
                f"port {port} is not available: {error.strerror}; choose another, or omit --port"
            ) from error
        self.token = secrets.token_urlsafe(32)
        self.exact = {path: route for path, route in routes.items() if "{" not in path}
        self.named = {
            path.partition("{")[0]: route for path, route in routes.items() if "{" in path
        }
        self.has_secret = any(each.secret or each.method == "POST" for each in routes.values())
        found = self.server_port
        self.hosts = {f"{name}:{found}" for name in (LOOPBACK, "localhost")}

    @property
    def address(self) -> str:
        """Where the page is, without the secret."""
        return f"http://{LOOPBACK}:{self.server_port}/"

    @property
    def url(self) -> str:
        """Where the page is, with the secret if a route asks for it: for who may use it alone."""
        return f"{self.address}#token={self.token}" if self.has_secret else self.address

    def serve(self) -> None:
        """Answer until Ctrl-C, then close."""
        with self, suppress(KeyboardInterrupt):
            self.serve_forever(poll_interval=0.2)

    def route(self, path: str) -> tuple[Route, str] | None:
        """Return the route of a path, and the name in it."""
        if path in self.exact:
            return self.exact[path], ""
        before, slash, name = path.rpartition("/")
        route = self.named.get(before + slash)
        return (route, name) if route and _NAME.fullmatch(name) else None

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002
        """Leave a reader alone who went away; say what else went wrong, in a line."""
        error = sys.exception()
        if not isinstance(error, OSError):
            print(f"a request failed: {type(error).__name__}", file=sys.stderr)


class Answer(BaseHTTPRequestHandler):
    """Answers one request."""

    server: PageServer
    server_version = "ganzoo"
    sys_version = ""
    timeout = 10
    policy = INERT
    is_read = False

    def do_GET(self) -> None:
        """Send what was asked for, or say that it is what the reader has."""
        self._answer()

    def do_HEAD(self) -> None:
        """Send the headers of what was asked for."""
        self._answer()

    def do_POST(self) -> None:
        """Do what was asked for, where a route allows that."""
        self._answer()

    def _answer(self) -> None:
        if self.headers.get_all("Host", []) != [self.headers.get("Host")] or (
            self.headers["Host"].lower() not in self.server.hosts
        ):
            return self._refuse(HTTPStatus.FORBIDDEN, "request this host by its name")
        path, mark, query = self.path.partition("?")
        found = self.server.route(path)
        is_post = self.command == "POST"
        if is_post and not any(
            each.method == "POST"
            for each in [*self.server.exact.values(), *self.server.named.values()]
        ):
            return self._refuse(HTTPStatus.METHOD_NOT_ALLOWED, "only GET and HEAD")
        asked = found and self._query(found[0], query if mark else None)
        if found is None or asked is None:
            return self._refuse(HTTPStatus.NOT_FOUND, "there is no such page; start at /")
        route, name = found
        if is_post != (route.method == "POST"):
            return self._refuse(HTTPStatus.METHOD_NOT_ALLOWED, f"only {route.method}")
        if not self._is_own(is_post):
            return self._refuse(HTTPStatus.FORBIDDEN, "requests from other pages are refused")
        if (route.secret or is_post) and not self._has_token():
            return self._refuse(HTTPStatus.FORBIDDEN, "open the address that the command printed")
        body = self._body(route) if is_post else b""
        if body is None:
            return None
        self.policy = route.policy
        try:
            reply = route.make(Asked(name, asked, body))
        except GanzooError as error:
            return self._refuse(HTTPStatus.BAD_REQUEST, printable(str(error)))
        except Exception as error:
            self._refuse(HTTPStatus.INTERNAL_SERVER_ERROR, "this cannot be shown")
            raise error from None
        if reply is None:
            return self._refuse(HTTPStatus.NOT_FOUND, "there is no such name here")
        return self._reply(reply)

    def _query(self, route: Route, query: str | None) -> dict[str, str] | None:
        """Return the query's values; None where it is not one that the route allows."""
        if query is None:
            return {}
        try:
            pairs = parse_qsl(
                query[: MOST_QUERY + 1], keep_blank_values=True, strict_parsing=True,
                errors="strict", max_num_fields=64,
            )  # fmt: skip
        except ValueError:
            return None
        values = dict(pairs)
        is_fine = len(query) <= MOST_QUERY and len(values) == len(pairs)
        return values if is_fine and set(values) <= set(route.query) else None

    def _is_own(self, is_post: bool) -> bool:
        """Return whether no page of another origin asks, as far as browsers tell."""
        site = self.headers.get("Sec-Fetch-Site", "same-origin")
        if is_post:
            own = {f"http://{host}" for host in self.server.hosts}
            return self.headers.get_all("Origin", [""])[0] in own and site == "same-origin"
        is_visit = self.headers.get("Sec-Fetch-Mode") == "navigate"
        return site in {"same-origin", "none"} or is_visit

    def _has_token(self) -> bool:
        given = self.headers.get(TOKEN, "").encode("utf-8", "replace")
        return hmac.compare_digest(given, self.server.token.encode())

    def _body(self, route: Route) -> bytes | None:
        """Return what was posted; None where it is refused, which was then said."""
        length = _length(self.headers.get("Content-Length", ""))
        if length < 0 or self.headers.get("Transfer-Encoding"):
            self._refuse(HTTPStatus.LENGTH_REQUIRED, "send a Content-Length")
            return None
        if length > route.most:
            most = f"at most {route.most:,} bytes"
            self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, most)
            return None
        body, self.is_read = self.rfile.read(length), True
        if len(body) < length:
            self._refuse(HTTPStatus.BAD_REQUEST, "the request ends too early")
            return None
        return body

    def _reply(self, reply: Reply) -> None:
        body = reply.body.encode() if isinstance(reply.body, str) else reply.body
        more = {}
        if self.command != "POST":
            more["ETag"] = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
            if self.headers.get("If-None-Match") == more["ETag"]:
                return self._send(HTTPStatus.NOT_MODIFIED, KINDS[reply.kind], b"", more)
        if reply.save_as:
            name = re.sub(r"[^A-Za-z0-9_.-]+", "-", reply.save_as).strip(".-") or "file"
            more["Content-Disposition"] = f'attachment; filename="{name[:150]}"'
        return self._send(HTTPStatus.OK, KINDS[reply.kind], body, more)

    def _refuse(self, status: HTTPStatus, why: str) -> None:
        self.close_connection = True
        self._send(status, KINDS["text"], why.encode(), {})
        if self.command == "POST" and not self.is_read:
            # What is left unread would make the system take the answer back.
            with suppress(OSError):
                self.connection.settimeout(1)
                left = _length(self.headers.get("Content-Length", ""))
                self.rfile.read(min(max(left, 0), MOST_DRAINED))

    def _send(self, status: HTTPStatus, kind: str, body: bytes, more: Mapping[str, str]) -> None:
        self.send_response(status)
        own = {
            "Content-Security-Policy": f"{self.policy}; frame-ancestors 'none'",
            "Content-Type": kind,
            "Content-Length": str(len(body)),
        }
        for name, value in {**HEADERS, **own, **more}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:  # noqa: ARG002
        """Refuse a method that nobody has, and what is no request, without echoing it."""
        refused = HTTPStatus.METHOD_NOT_ALLOWED if code == HTTPStatus.NOT_IMPLEMENTED else code
        self._refuse(HTTPStatus(refused), "only GET, HEAD and, where a page says so, POST")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing: requests may hold anything."""


def _length(text: str) -> int:
    """Return the length that a request gives; -1 where that is none."""
    return int(text) if re.fullmatch(r"[0-9]{1,15}", text) else -1
