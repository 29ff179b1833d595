"""The local server: this machine alone, known addresses, no path to the disk, a secret to act."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPResponse
from threading import Thread

import pytest

from ganzoo.common.errors import GanzooError, MachineError
from ganzoo.report.serving import Asked, PageServer, Reply, Route

PAGE = "<p>the page</p>"
POLICY = "default-src 'none'"


@contextmanager
def running(routes: dict[str, Route]) -> Iterator[PageServer]:
    with PageServer(routes) as made:
        Thread(target=made.serve_forever, args=(0.02,), daemon=True).start()
        yield made
        made.shutdown()


@pytest.fixture
def server() -> Iterator[PageServer]:
    """Return a server of one page that runs."""
    with running({"/": Route(lambda _: Reply(PAGE), policy=POLICY)}) as made:
        yield made


@pytest.fixture(scope="module")
def desk() -> Iterator[PageServer]:
    """Return a server with routes of every sort, some of which ask for the secret."""
    with running(DESK) as made:
        yield made


def sheet(asked: Asked) -> Reply | None:
    return {"20260101-1200-abcd": Reply(b"\x89PNG", "png")}.get(asked.name)


def fail(_: Asked) -> Reply:
    raise ZeroDivisionError("/home/somebody")


def refuse(_: Asked) -> Reply:
    raise GanzooError("no such\x1b class")


DESK = {
    "/": Route(lambda _: Reply(PAGE), policy=POLICY),
    "/runs.json": Route(lambda asked: Reply(json.dumps(dict(asked.query)), "json"), query=("q",)),
    "/sheet/{name}": Route(sheet),
    "/made": Route(lambda _: Reply(b"made", "bytes", save_as='a"b\r\nX: 1/../c.png'), secret=True),
    "/save": Route(lambda asked: Reply(asked.body[::-1], "text"), "POST", most=8),
    "/fails": Route(fail),
    "/refuses": Route(refuse),
}


def ask(
    server: PageServer, path: str = "/", method: str = "GET", body: bytes = b"", **headers: str
) -> tuple[HTTPResponse, bytes]:
    connection = HTTPConnection("127.0.0.1", server.server_port, timeout=5)
    connection.putrequest(method, path, skip_host=True)
    given = {"Host": f"127.0.0.1:{server.server_port}", **headers}
    if body:
        given.setdefault("Content-Length", str(len(body)))
    for name, value in given.items():
        connection.putheader(name.replace("_", "-"), value)
    connection.endheaders(body or None)
    answer = connection.getresponse()
    return answer, answer.read()


def post(server: PageServer, body: bytes = b"abc", **headers: str) -> tuple[HTTPResponse, bytes]:
    own = {"Origin": server.address.rstrip("/"), "X_Ganzoo_Token": server.token}
    given = {name: value for name, value in {**own, **headers}.items() if value != "left out"}
    return ask(server, "/save", "POST", body, **given)


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


def test_each_route_has_its_own_kind_and_policy(desk: PageServer) -> None:
    page, _ = ask(desk)
    news, table = ask(desk, "/runs.json?q=a%26b")

    assert page.headers["Content-Security-Policy"].startswith(POLICY)
    assert news.headers["Content-Type"] == "application/json"
    assert news.headers["Content-Security-Policy"].startswith("default-src 'none';")
    assert json.loads(table) == {"q": "a&b"}


def test_a_name_in_a_path_is_looked_up(desk: PageServer) -> None:
    answer, body = ask(desk, "/sheet/20260101-1200-abcd")

    assert (answer.status, answer.headers["Content-Type"], body) == (200, "image/png", b"\x89PNG")
    assert ask(desk, "/sheet/20260101-1200-zzzz")[0].status == 404


@pytest.mark.parametrize(
    "path",
    [
        "/sheet/", "/sheet", "/sheet/..", "/sheet/.lock", "/sheet/a/b", "/sheet/%2e%2e",
        "/sheet/a%00", "/sheet/" + "a" * 201, "/runs.json?other=1",
        "/runs.json?q=1&q=2", "/runs.json?q", "/runs.json?q=%ff", "/runs.json?q=" + "a" * 9000,
    ],
)  # fmt: skip
def test_what_is_no_name_or_no_query_reaches_no_function(desk: PageServer, path: str) -> None:
    assert ask(desk, path)[0].status == 404


def test_the_secret_stands_in_the_fragment_and_opens_what_asks_for_it(desk: PageServer) -> None:
    address, _, token = desk.url.partition("#token=")

    refused, nothing = ask(desk, "/made")
    guessed, _ = ask(desk, "/made", X_Ganzoo_Token=token[:-1])
    opened, body = ask(desk, "/made", X_Ganzoo_Token=token)

    assert address == desk.address
    assert len(token) >= 40
    assert (refused.status, guessed.status, opened.status) == (403, 403, 200)
    assert (b"made" in nothing, body) == (False, b"made")
    assert opened.headers["Content-Disposition"] == 'attachment; filename="a-b-X-1-..-c.png"'


def test_a_server_that_only_shows_has_no_secret_and_no_two_have_the_same(
    server: PageServer, desk: PageServer
) -> None:
    assert server.url == server.address
    assert server.token != desk.token


def test_a_post_is_answered_where_a_route_says_so(desk: PageServer) -> None:
    answer, body = post(desk)

    assert (answer.status, body) == (200, b"cba")
    assert ask(desk, "/save")[0].status == 405
    assert ask(desk, "/", "POST", b"a")[0].status == 405


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"X_Ganzoo_Token": "left out"}, 403),
        ({"X_Ganzoo_Token": "wrong"}, 403),
        ({"Origin": "left out"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "http://127.0.0.1:1"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Sec_Fetch_Site": "same-site"}, 403),
        ({"Sec_Fetch_Site": "cross-site"}, 403),
        ({"Host": "evil.example"}, 403),
        ({"Content_Length": "9"}, 413),
        ({"Content_Length": "-1"}, 411),
        ({"Content_Length": "1e3"}, 411),
        ({"Transfer_Encoding": "chunked"}, 411),
    ],
)
def test_a_post_that_is_not_the_pages_own_is_refused(
    desk: PageServer, headers: dict[str, str], status: int
) -> None:
    answer, body = post(desk, **headers)

    assert answer.status == status
    assert body != b"cba"


def test_another_page_may_lead_here_but_not_ask(desk: PageServer) -> None:
    visit = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate"}

    assert ask(desk, **visit)[0].status == 200
    assert ask(desk, "/runs.json", Sec_Fetch_Site="cross-site")[0].status == 403
    assert ask(desk, "/runs.json", Sec_Fetch_Site="same-site")[0].status == 403
    assert ask(desk, "/runs.json", Sec_Fetch_Site="same-origin")[0].status == 200


def test_a_mistake_is_told_and_a_fault_is_not_laid_open(
    desk: PageServer, capfd: pytest.CaptureFixture[str]
) -> None:
    told, why = ask(desk, "/refuses")
    failed, nothing = ask(desk, "/fails")
    still, _ = ask(desk)

    assert (told.status, why) == (400, b"no such class")
    assert (failed.status, b"somebody" in nothing) == (500, False)
    assert still.status == 200
    for _ in range(100):
        if said := capfd.readouterr().err:
            break
        time.sleep(0.01)
    assert said == "a request failed: ZeroDivisionError\n"


def test_a_port_that_is_taken_is_named(desk: PageServer) -> None:
    with pytest.raises(MachineError, match=f"port {desk.server_port} is not available"):
        PageServer({}, desk.server_port)


def test_plugins_have_what_serves_pages_and_nobody_else_loads_it() -> None:
    program = """
import html
import sys
import ganzoo.api as api
assert not {"http.server", "jinja2"} & set(sys.modules)
from ganzoo.api import Asked, PageServer, Reply, Route, own_page, page_policy
page = own_page("<b>", "<main>x</main>", script="go()", style="p {}", policy=page_policy("go()"))
assert "&lt;b&gt;" in page and "<main>x</main>" in page and "<script>go()</script>" in page
assert page_policy("go()") in html.unescape(page)
assert "connect-src" not in page_policy("go()", asks=False)
try:
    api.nothing
except AttributeError:
    print("as promised")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)

    assert done.stdout == "as promised\n", done.stderr
