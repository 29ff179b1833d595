"""A page on this machine's loopback address, for whoever sits here, as long as the command runs.

The server knows one page, made anew when it is asked for; no path of a request reaches the disk.
A request must name this host, so that a web page elsewhere cannot read it through a name of its
own that leads here (DNS rebinding); only GET and HEAD are answered.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock

from ganzoo.common.system import IS_WINDOWS
from ganzoo.report.page import policy
from ganzoo.report.run_page import run_page
from ganzoo.runs.folder import RunDir

LOOPBACK = "127.0.0.1"
HEADERS = {
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class PageServer(ThreadingHTTPServer):
    """Serves what ``make`` returns at '/', to this machine alone."""

    daemon_threads = True
    allow_reuse_address = not IS_WINDOWS  # where it would let two servers share a port

    def __init__(self, make: Callable[[], str], policy: str, port: int = 0) -> None:
        super().__init__((LOOPBACK, port), Answer)
        self.make = make
        self.policy = policy
        found = self.server_port
        self.hosts = {f"{name}:{found}" for name in (LOOPBACK, "localhost")}

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://{LOOPBACK}:{self.server_port}/"


class Answer(BaseHTTPRequestHandler):
    """Answers one request."""

    server: PageServer
    server_version = "ganzoo"
    sys_version = ""
    timeout = 10

    def do_GET(self) -> None:
        """Send the page, or say that it is what the reader has."""
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        """Send the page's headers."""
        self._answer(with_body=False)

    def _answer(self, *, with_body: bool) -> None:
        if self.headers.get_all("Host", []) != [self.headers.get("Host")] or (
            self.headers["Host"].lower() not in self.server.hosts
        ):
            return self._send(HTTPStatus.FORBIDDEN, "text/plain", b"ask for this host by its name")
        if self.path != "/":
            return self._send(HTTPStatus.NOT_FOUND, "text/plain", b"there is one page, at /")
        body = self.server.make().encode()
        tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
        if self.headers.get("If-None-Match") == tag:
            return self._send(HTTPStatus.NOT_MODIFIED, "text/html; charset=utf-8", b"", tag)
        return self._send(HTTPStatus.OK, "text/html; charset=utf-8", body, tag, with_body)

    def _send(
        self, status: HTTPStatus, kind: str, body: bytes, tag: str = "", with_body: bool = True
    ) -> None:
        self.send_response(status)
        for name, value in HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Security-Policy", self.server.policy + "; frame-ancestors 'none'")
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        if tag:
            self.send_header("ETag", tag)
        self.end_headers()
        if with_body and self.command != "HEAD":
            self.wfile.write(body)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:  # noqa: ARG002
        """Refuse what is no GET or HEAD, and what is no request, without echoing it."""
        refused = HTTPStatus.METHOD_NOT_ALLOWED if code == HTTPStatus.NOT_IMPLEMENTED else code
        self.close_connection = True
        self._send(HTTPStatus(refused), "text/plain", b"only GET and HEAD")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing: requests may hold anything."""


WATCHED = ("status.json", "log.jsonl", "result.json", "environment.json", "samples", "checkpoints")


class LivePage:
    """Makes the page when it is asked for, at most once for each state of the folder."""

    def __init__(self, run: RunDir) -> None:
        self.run = run
        self._lock = Lock()
        self._state: tuple[object, ...] = ()
        self._page = ""

    def __call__(self) -> str:
        """Return the page as the folder is now."""
        with self._lock:
            state = tuple(map(self._stamp, WATCHED))
            if not self._page or state != self._state:
                self._page, self._state = run_page(self.run, live=True), state
            return self._page

    def _stamp(self, name: str) -> tuple[int, int]:
        try:
            found = (self.run.path / name).lstat()
        except OSError:
            return 0, 0
        return found.st_mtime_ns, found.st_size


def live_server(run: RunDir, port: int = 0) -> PageServer:
    """Return a server of the run's page; the caller runs and closes it.

    Raises:
        OSError: if the port cannot be had.
    """
    return PageServer(LivePage(run), policy(live=True), port)
