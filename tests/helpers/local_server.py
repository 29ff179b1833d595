"""A file server on this machine that can be told to misbehave."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Answer = Callable[["Exchange"], None]


class Exchange(BaseHTTPRequestHandler):
    """One request; answers use its methods."""

    server: LocalServer

    def do_GET(self) -> None:
        """Answer as the path was told to, once for every answer but the last."""
        self.server.requests.append((self.path, self.headers.get("Range")))
        answers = self.server.answers.get(self.path, [])
        if not answers:
            self.send_error(404)
        else:
            (answers.pop(0) if len(answers) > 1 else answers[0])(self)

    def head(self, status: int, **headers: str | int) -> None:
        """Send the status line and headers, with '-' for '_' in their names."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Keep quiet."""


class LocalServer(ThreadingHTTPServer):
    """Answers by path; ``requests`` are the paths asked for and their Range headers."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Exchange)
        self.answers: dict[str, list[Answer]] = {}
        self.requests: list[tuple[str, str | None]] = []
        self.released = threading.Event()

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that hang up."""

    def url(self, path: str, *answers: Answer) -> str:
        """Return the address of a path that gives ``answers`` in turn, the last one for ever."""
        self.answers[path] = list(answers)
        return f"http://127.0.0.1:{self.server_port}{path}"

    def stall(self) -> None:
        """Wait until the test is over."""
        self.released.wait(30)


@contextmanager
def running() -> Iterator[LocalServer]:
    """Serve while the context lasts."""
    server = LocalServer()
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server
    finally:
        server.released.set()
        server.shutdown()
        thread.join()
        server.server_close()


def whole(content: bytes) -> Answer:
    """Give the content, or the range of it that is asked for."""

    def answer(exchange: Exchange) -> None:
        wanted = exchange.headers.get("Range")
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        if wanted and start >= len(content):
            exchange.head(416, Content_Range=f"bytes */{len(content)}", Content_Length=0)
            return
        headers: dict[str, str | int] = {"Content_Length": len(content) - start}
        if wanted:
            headers["Content_Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        exchange.head(206 if wanted else 200, **headers)
        exchange.wfile.write(content[start:])

    return answer


def cut(content: bytes, after: int) -> Answer:
    """Promise the content and hang up after so many bytes of it."""

    def answer(exchange: Exchange) -> None:
        exchange.head(200, Content_Length=len(content))
        exchange.wfile.write(content[:after])

    return answer


def page(exchange: Exchange) -> None:
    """Give the log-in page of some network, with a friendly status."""
    body = b"\n<!DOCTYPE html><title>Welcome to Hotel Wi-Fi</title>" + b" " * 5000
    exchange.head(200, Content_Type="text/html", Content_Length=len(body))
    exchange.wfile.write(body)
