"""Downloads: what arrives is whole and checked, what does not is explained in seconds."""

from __future__ import annotations

import hashlib
import resource
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from local_server import Answer, Exchange, LocalServer, cut, page, whole

from ganzoo.api import DataError, DataRoot, FetchError, fetch, fingerprint
from ganzoo.common.errors import MachineError

CONTENT = hashlib.shake_256(b"file").digest(1_000_003)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
SHA1 = hashlib.sha1(CONTENT).hexdigest()
MD5 = hashlib.md5(CONTENT).hexdigest()


@pytest.fixture
def root(tmp_path: Path) -> DataRoot:
    return DataRoot(tmp_path)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "set" / "file.zip"


def part(target: Path) -> Path:
    return target.with_name("file.zip.part")


def test_a_file_arrives_whole_and_leaves_nothing_else(server: LocalServer, target: Path) -> None:
    told: list[tuple[str, int, int]] = []
    root = DataRoot(target.parent, progress=lambda *args: told.append(args))

    found = fetch(server.url("/file.zip", whole(CONTENT)), target, root, sha256=SHA256, sha1=SHA1)

    assert found == target
    assert target.read_bytes() == CONTENT
    assert list(target.parent.iterdir()) == [target]
    assert told[-1] == ("downloading file.zip", len(CONTENT), len(CONTENT))


def test_a_file_that_is_here_is_not_asked_for(
    server: LocalServer, root: DataRoot, target: Path
) -> None:
    target.parent.mkdir()
    target.write_bytes(CONTENT)

    fetch(server.url("/file.zip", whole(b"other")), target, root, md5=MD5, size=len(CONTENT))

    assert server.requests == []


@pytest.mark.parametrize("damage", ["flipped", "cut", "empty"])
def test_a_damaged_file_is_replaced(
    server: LocalServer, root: DataRoot, target: Path, damage: str
) -> None:
    target.parent.mkdir()
    broken = {"flipped": b"\0" + CONTENT[1:], "cut": CONTENT[:999], "empty": b""}[damage]
    target.write_bytes(broken)

    fetch(server.url("/file.zip", whole(CONTENT)), target, root, sha256=SHA256)

    assert target.read_bytes() == CONTENT


def test_a_broken_connection_is_taken_up_where_it_broke(
    server: LocalServer, root: DataRoot, target: Path
) -> None:
    url = server.url("/file.zip", cut(CONTENT, after=400_000), whole(CONTENT))

    fetch(url, target, root, sha256=SHA256)

    assert target.read_bytes() == CONTENT
    assert server.requests == [("/file.zip", None), ("/file.zip", "bytes=400000-")]


def test_what_a_killed_download_left_is_continued(
    server: LocalServer, root: DataRoot, target: Path
) -> None:
    target.parent.mkdir()
    part(target).write_bytes(CONTENT[:250_000])

    fetch(server.url("/file.zip", whole(CONTENT)), target, root, md5=MD5)

    assert target.read_bytes() == CONTENT
    assert server.requests == [("/file.zip", "bytes=250000-")]


def test_what_was_killed_just_before_its_renaming_needs_no_network(
    root: DataRoot, target: Path
) -> None:
    target.parent.mkdir()
    part(target).write_bytes(CONTENT)

    fetch("https://nowhere.invalid/file.zip", target, root, md5=MD5)

    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize("left", [b"x" * 1000, b"x" * len(CONTENT), b"x" * (len(CONTENT) + 1)])
def test_a_left_over_of_another_file_is_thrown_away(
    server: LocalServer, root: DataRoot, target: Path, left: bytes
) -> None:
    target.parent.mkdir()
    part(target).write_bytes(left)

    fetch(server.url("/file.zip", whole(CONTENT)), target, root, sha256=SHA256, size=len(CONTENT))

    assert target.read_bytes() == CONTENT


def test_a_server_that_knows_no_ranges_sends_all_again(
    server: LocalServer, root: DataRoot, target: Path
) -> None:
    target.parent.mkdir()
    part(target).write_bytes(CONTENT[:250_000])

    fetch(server.url("/file.zip", cut(CONTENT, len(CONTENT))), target, root, sha256=SHA256)

    assert target.read_bytes() == CONTENT


def test_without_a_checksum_nothing_is_continued(
    server: LocalServer, root: DataRoot, target: Path
) -> None:
    target.parent.mkdir()
    part(target).write_bytes(b"x" * 1000)

    fetch(server.url("/file.zip", whole(CONTENT)), target, root)

    assert target.read_bytes() == CONTENT
    assert server.requests == [("/file.zip", None)]


def test_a_second_address_finishes_what_the_first_began(
    server: LocalServer, root: DataRoot, target: Path
) -> None:
    first = server.url("/a/file.zip", cut(CONTENT, 300_000), lambda exchange: exchange.head(503))
    second = server.url("/b/file.zip", whole(CONTENT))

    fetch([first, second], target, root, sha256=SHA256)

    assert target.read_bytes() == CONTENT
    assert server.requests[-1] == ("/b/file.zip", "bytes=300000-")


def test_other_bytes_than_the_checksum_says_are_refused(
    server: LocalServer, root: DataRoot, target: Path
) -> None:
    url = server.url("/file.zip", whole(b"\0" + CONTENT[1:]))

    with pytest.raises(FetchError, match="not the right file: sha256 .* not " + SHA256):
        fetch(url, target, root, sha256=SHA256)

    assert not target.exists()
    assert not part(target).exists()


def test_the_page_of_a_captive_portal_is_called_one(
    server: LocalServer, root: DataRoot, target: Path
) -> None:
    with pytest.raises(FetchError, match="answered with a web page: does this network want you"):
        fetch(server.url("/file.zip", page), target, root, sha256=SHA256)

    assert not part(target).exists()


def test_a_captive_portal_does_not_cost_what_is_here_already(
    server: LocalServer, root: DataRoot, target: Path
) -> None:
    target.parent.mkdir()
    part(target).write_bytes(CONTENT[:250_000])

    with pytest.raises(FetchError, match="web page"):
        fetch(server.url("/file.zip", page), target, root, sha256=SHA256)

    assert part(target).read_bytes() == CONTENT[:250_000]


def boasting(exchange: Exchange) -> None:
    exchange.head(200, Content_Length=10**15)
    exchange.wfile.write(b"x")


def endless(exchange: Exchange) -> None:
    exchange.head(200)
    for _ in range(1000):
        exchange.wfile.write(b"x" * 100_000)


@pytest.mark.parametrize("answer", [boasting, endless])
def test_more_than_the_known_size_is_never_taken(
    server: LocalServer, root: DataRoot, target: Path, answer: Answer
) -> None:
    with pytest.raises(FetchError, match="longer than 1000003 bytes"):
        fetch(server.url("/file.zip", answer), target, root, sha256=SHA256, size=len(CONTENT))

    assert not part(target).exists()


def silent(exchange: Exchange) -> None:
    exchange.server.stall()


def stalling(exchange: Exchange) -> None:
    exchange.head(200, Content_Length=len(CONTENT))
    exchange.wfile.write(CONTENT[:5000])
    exchange.wfile.flush()
    exchange.server.stall()


def dripping(exchange: Exchange) -> None:
    exchange.head(200, Content_Length=len(CONTENT))
    while not exchange.server.released.wait(0.05):
        exchange.wfile.write(b"x")
        exchange.wfile.flush()


@pytest.mark.parametrize("answer", [silent, stalling, dripping])
def test_a_server_that_goes_quiet_is_left(
    server: LocalServer, root: DataRoot, target: Path, answer: Answer
) -> None:
    before = time.monotonic()

    with pytest.raises(FetchError, match=r"no answer for 0\.3 s"):
        fetch(server.url("/file.zip", answer), target, root, sha256=SHA256, timeout=0.3)

    assert time.monotonic() - before < 5


def test_one_error_names_the_folder_every_address_and_what_to_do(
    server: LocalServer, root: DataRoot, target: Path
) -> None:
    missing = server.url("/missing")
    closed = "http://127.0.0.1:9/file.zip"
    unknown = "https://nowhere.invalid/file.zip"
    before = time.monotonic()

    with pytest.raises(DataError) as error:
        fetch([missing, closed, unknown], target, root, remedies=["ask a friend"])

    assert time.monotonic() - before < 5
    lines = str(error.value).splitlines()
    assert lines[0] == f"'{target}' is not there and could not be downloaded"
    assert lines[1] == f"  {missing}: 404 Not Found"
    assert lines[2] == f"  {closed}: Connection refused"
    assert lines[3].startswith(f"  {unknown}: ")
    assert lines[4] == "Do one of the following:"
    assert lines[5] == "  ask a friend"
    assert not target.parent.exists()


def test_offline_nothing_is_asked_for(server: LocalServer, target: Path) -> None:
    root = DataRoot(target.parent, download=False)

    with pytest.raises(FetchError, match="downloading is switched off"):
        fetch(server.url("/file.zip", whole(CONTENT)), target, root)

    assert server.requests == []


def test_plain_http_is_for_this_machine_or_for_checksums(root: DataRoot, target: Path) -> None:
    with pytest.raises(FetchError, match=r"http://nowhere\.invalid/a: not an https address"):
        fetch("http://nowhere.invalid/a", target, root, sha256=SHA256)
    with pytest.raises(FetchError, match=r"file:///etc/hostname: not an https address"):
        fetch("file:///etc/hostname", target, root)
    with pytest.raises(ValueError, match="needs a checksum"):
        fetch("http://nowhere.invalid/a", target, root, http=True)


@pytest.mark.parametrize("place", ["http://nowhere.invalid/a", "file:///etc/hostname", "ftp://x/a"])
def test_a_redirection_to_an_unsafe_place_is_not_followed(
    server: LocalServer, root: DataRoot, target: Path, place: str
) -> None:
    url = server.url("/file.zip", lambda exchange: exchange.head(302, Location=place))

    with pytest.raises(FetchError, match=r"which is not https|is not allowed"):
        fetch(url, target, root)


def test_a_redirection_to_a_safe_place_is_followed(
    server: LocalServer, root: DataRoot, target: Path
) -> None:
    place = server.url("/there", whole(CONTENT))
    url = server.url("/file.zip", lambda exchange: exchange.head(302, Location=place))

    fetch(url, target, root, sha256=SHA256)

    assert target.read_bytes() == CONTENT


def test_two_that_want_the_same_file_download_it_once(
    server: LocalServer, root: DataRoot, target: Path
) -> None:
    def slow(exchange: Exchange) -> None:
        exchange.server.released.wait(0.3)
        whole(CONTENT)(exchange)

    url = server.url("/file.zip", slow)
    threads = [
        threading.Thread(target=fetch, args=(url, target, root), kwargs={"sha256": SHA256})
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert target.read_bytes() == CONTENT
    assert len(server.requests) == 1
    assert list(target.parent.iterdir()) == [target]


def test_interrupting_a_download_that_brought_nothing_leaves_nothing(
    root: DataRoot, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("ganzoo.common.fetch.download", interrupted)

    with pytest.raises(KeyboardInterrupt):
        fetch("https://nowhere.invalid/file.zip", target, root)

    assert list(root.path.iterdir()) == []


@pytest.fixture
def small_files() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.usefixtures("small_files")
def test_a_full_disk_is_the_machines_fault_and_not_the_servers(
    server: LocalServer, root: DataRoot, target: Path
) -> None:
    with pytest.raises(MachineError, match=r"cannot write '.*file\.zip\.part': .*; make room"):
        fetch(server.url("/file.zip", whole(CONTENT)), target, root, sha256=SHA256)


def test_a_folder_that_cannot_be_made_is_named(root: DataRoot, tmp_path: Path) -> None:
    (tmp_path / "set").write_text("a file where a folder should be")

    with pytest.raises(MachineError, match=r"cannot write '.*/set/file\.zip\.part'"):
        fetch("https://nowhere.invalid/a", tmp_path / "set" / "file.zip", root)


def test_a_fingerprint_knows_where_parts_end() -> None:
    by_hand = hashlib.sha256(bytes(7) + b"\x02ab" + bytes(7) + b"\x01c").hexdigest()

    assert fingerprint("ab", b"c") == by_hand
    assert fingerprint("a", "bc") != by_hand
