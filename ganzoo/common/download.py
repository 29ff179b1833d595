"""One address into one open file: over https, with timeouts, continued where it broke off."""

from __future__ import annotations

import os
import re
import time
from functools import partial
from itertools import chain
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ganzoo.common.data_root import Progress
from ganzoo.common.files import cannot_write

if TYPE_CHECKING:
    from urllib.request import OpenerDirector

TRIES = 3
"""Connections to one address, as long as each brings the file further."""
CRAWL = 1024
"""Bytes that must arrive within the timeout; less is taken for a stall."""
PIECE = 1 << 18
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class AddressError(Exception):
    """An address does not work; the message is the reason."""


class BrokenOffError(AddressError):
    """A connection was lost with the file unfinished; what came is kept."""


def download(
    url: str,
    file: IO[bytes],
    *,
    limit: int,
    http: bool,
    resume: bool,
    progress: Progress,
    timeout: float,
    elsewhere: str,
) -> None:
    """Bring ``file`` to the length the server tells, from where it ends now if ``resume``.

    Args:
        elsewhere: what to do where the folder takes no file.

    Raises:
        AddressError: with the reason; ``file`` keeps what may be continued.
        MachineError: if the file cannot be written.
    """
    for attempt in range(TRIES):
        before = file.seek(0, os.SEEK_END)
        try:
            return _connect(url, file, limit, http, resume, progress, timeout, elsewhere)
        except BrokenOffError:
            if not resume or attempt + 1 == TRIES or file.seek(0, os.SEEK_END) <= before:
                raise
    return None


def restart(file: IO[bytes], elsewhere: str) -> None:
    """Empty the file."""
    try:
        file.truncate(0)
    except OSError as error:
        raise cannot_write(Path(file.name), error, elsewhere=elsewhere) from error


def _connect(
    url: str,
    file: IO[bytes],
    limit: int,
    http: bool,
    resume: bool,
    progress: Progress,
    timeout: float,
    elsewhere: str,
) -> None:
    import http.client as client
    from urllib.error import HTTPError
    from urllib.request import Request

    if not _allowed(url, http):
        raise AddressError("not an https address")
    if not resume:
        restart(file, elsewhere)
    start = file.seek(0, os.SEEK_END)
    headers = {"User-Agent": "ganzoo", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    try:
        with _opener(url, http).open(Request(url, headers=headers), timeout=timeout) as response:
            _receive(response, file, start, limit, progress, timeout, elsewhere)
    except HTTPError as error:
        error.close()
        if error.code != 416 or not start:  # 416: there is nothing after what is here
            raise AddressError(f"{error.code} {error.reason}") from error
    except (OSError, client.HTTPException, ValueError) as error:
        here = file.seek(0, os.SEEK_END)
        reason = _reason(error, timeout)
        if here > start:
            raise BrokenOffError(f"{reason}, after {here} bytes") from error
        raise AddressError(reason) from error


def _receive(
    response: Any,
    file: IO[bytes],
    start: int,
    limit: int,
    progress: Progress,
    timeout: float,
    elsewhere: str,
) -> None:
    """Append the body to ``file``, which holds the first ``start`` bytes."""
    first = response.read1(PIECE)
    if response.status == 200:
        if _is_page(first):  # seen before what is here already is thrown away for it
            raise AddressError("answered with a web page: does this network want you to log in?")
        start = 0
        restart(file, elsewhere)
    elif response.status != 206 or not _continues(response.headers.get("Content-Range"), start):
        raise AddressError(f"answered {response.status} without the file")
    length = response.headers.get("Content-Length")
    total = start + int(length) if length else 0
    here = start
    window, arrived = time.monotonic(), start
    for piece in chain([first], iter(partial(response.read1, PIECE), b"")):
        here += len(piece)
        if max(here, total) > limit:
            restart(file, elsewhere)
            raise AddressError(f"longer than {limit} bytes")
        _write(file, piece, elsewhere)
        progress(f"downloading {_name(file)}", here, total)
        if (now := time.monotonic()) - window > timeout:
            if here - arrived < CRAWL:
                raise TimeoutError
            window, arrived = now, here
    if here < total:
        raise BrokenOffError(f"broke off after {here} of {total} bytes")


def _name(file: IO[bytes]) -> str:
    return Path(file.name).stem


def _write(file: IO[bytes], piece: bytes, elsewhere: str) -> None:
    try:
        file.write(piece)
        file.flush()
    except OSError as error:
        raise cannot_write(Path(file.name), error, elsewhere=elsewhere) from error


def _continues(content_range: str | None, start: int) -> bool:
    return re.match(rf"bytes {start}-", content_range or "") is not None


def _is_page(piece: bytes) -> bool:
    return piece[:512].lstrip().lower().startswith((b"<!doctype html", b"<html"))


def _allowed(url: str, http: bool) -> bool:
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and (http or host in LOOPBACK))


def _opener(url: str, http: bool) -> OpenerDirector:
    from urllib.request import HTTPRedirectHandler, ProxyHandler, build_opener

    class Redirect(HTTPRedirectHandler):
        """Follow to where we may go; never from https to http."""

        def redirect_request(
            self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str
        ) -> Any:
            secure = urlsplit(req.full_url).scheme == "https"
            if not _allowed(newurl, http) or (secure and urlsplit(newurl).scheme != "https"):
                raise AddressError(f"redirects to '{newurl}', which is not https")
            return super().redirect_request(req, fp, code, msg, headers, newurl)

    local = urlsplit(url).hostname in LOOPBACK
    return build_opener(Redirect, *([ProxyHandler({})] if local else []))


def _reason(error: Exception, timeout: float) -> str:
    """Return the heart of what went wrong, without Python's wrapping."""
    cause = getattr(error, "reason", error)
    if isinstance(cause, TimeoutError):
        return f"no answer for {timeout:g} s"
    if isinstance(cause, OSError):
        verify = getattr(cause, "verify_message", None)
        return f"certificate: {verify}" if verify else str(cause.strerror or cause)
    return f"{type(cause).__name__}: {cause}" if isinstance(cause, Exception) else str(cause)
