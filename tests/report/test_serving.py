"""The local server: this machine alone, one page, no path to the disk, nothing to write."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPResponse
from threading import Thread

import pytest

from ganzoo.report.serving import PageServer

PAGE = "<p>the page</p>"
POLICY = "default-src 'none'"


@pytest.fixture
def server() -> Iterator[PageServer]:
    """Return a server that runs."""
    with PageServer(lambda: PAGE, POLICY) as made:
        Thread(target=made.serve_forever, args=(0.02,), daemon=True).start()
        yield made
        made.shutdown()


def ask(
    server: PageServer, path: str = "/", method: str = "GET", **headers: str
) -> tuple[HTTPResponse, bytes]:
    connection = HTTPConnection("127.0.0.1", server.server_port, timeout=5)
    connection.putrequest(method, path, skip_host=True)
    for name, value in {"Host": f"127.0.0.1:{server.server_port}", **headers}.items():
        connection.putheader(name.replace("_", "-"), value)
    connection.endheaders()
    answer = connection.getresponse()
    return answer, answer.read()


def test_the_page_comes_with_headers_that_lock_it_in(server: PageServer) -> None:
    answer, body = ask(server)

    assert (answer.status, body.decode()) == (200, PAGE)
    assert answer.headers["Content-Security-Policy"].startswith(POLICY)
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert "Python" not in answer.headers["Server"]


def test_it_listens_on_the_loopback_address_only(server: PageServer) -> None:
    assert server.socket.getsockname()[0] == "127.0.0.1"


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "localhost.x:{port}", ""],
)
def test_a_request_for_another_host_is_refused(server: PageServer, host: str) -> None:
    answer, body = ask(server, Host=host.format(port=server.server_port))

    assert answer.status == 403
    assert b"page</p>" not in body


def test_localhost_by_name_is_this_host(server: PageServer) -> None:
    assert ask(server, Host=f"LocalHost:{server.server_port}")[0].status == 200


@pytest.mark.parametrize(
    "path",
    [
        "/../../etc/passwd", "/..%2f..%2fetc/passwd", "//etc/passwd", "/%00", "/..\\..\\x",
        "/recipe.toml", "/?x=1", "/index.html", "http://evil.example/", "/<script>",
    ],
)  # fmt: skip
def test_there_is_no_other_address(server: PageServer, path: str) -> None:
    answer, body = ask(server, path)

    assert answer.status == 404
    assert b"script" not in body


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "X"])
def test_only_reading_is_allowed(server: PageServer, method: str) -> None:
    assert ask(server, method=method)[0].status == 405


def test_head_gives_headers_alone_and_news_only_where_there_are_some(server: PageServer) -> None:
    head, nothing = ask(server, method="HEAD")
    again, empty = ask(server, If_None_Match=head.headers["ETag"])

    assert (head.status, nothing) == (200, b"")
    assert (again.status, empty) == (304, b"")


def test_garbage_is_answered_without_an_echo(server: PageServer) -> None:
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=5) as link:
        link.sendall(b"<script>alert(1)</script>\r\n\r\n")
        answer = link.recv(4096)

    assert b"alert" not in answer
