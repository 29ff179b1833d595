"""Files from the network: whole, checked and in their place, or one error that says what to do.

What a dataset of one's own needs: ``fetch`` brings a file, ``fingerprint`` identifies content.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO

from ganzoo.common.data_root import DataRoot
from ganzoo.common.download import AddressError, download, restart
from ganzoo.common.errors import DataError, printable
from ganzoo.common.unfinished import put_in_place, unfinished

LIMIT = 16 << 30
"""Bytes at most, of a file whose size is not known beforehand."""


class FetchError(DataError):
    """A file that is neither here nor downloadable."""


@dataclass(frozen=True)
class Expected:
    """What is known beforehand about a file."""

    digests: tuple[tuple[str, str], ...]
    size: int | None

    def fault(self, path: Path) -> str | None:
        """Return what is wrong with the file, or None."""
        if self.size is not None and (size := path.stat().st_size) != self.size:
            return f"{size} bytes long, not {self.size}"
        for algorithm, digest in self.digests:
            with path.open("rb") as file:
                # The digest is a checksum here: it also works where md5 is barred for secrets.
                new = partial(hashlib.new, algorithm, usedforsecurity=False)
                found = hashlib.file_digest(file, new).hexdigest()
            if found != digest.lower():
                return f"{algorithm} {found}, not {digest.lower()}"
        return None


def fetch(
    urls: str | Sequence[str],
    target: Path,
    root: DataRoot,
    *,
    sha256: str | None = None,
    md5: str | None = None,
    sha1: str | None = None,
    size: int | None = None,
    http: bool = False,
    remedies: Sequence[str] = (),
    timeout: float = 15.0,
) -> Path:
    """Return ``target``, downloaded from the first of ``urls`` that works unless it is there.

    The bytes go to ``target`` + '.part', are checked, flushed to disk and renamed. What a broken
    download left is continued, at the same or at another address, where a checksum guards the
    joint. A second process that wants the same file waits for the first.

    Args:
        urls: addresses of the same file, tried in order; https, or http to this very machine.
        target: where the file belongs; one that is there and passes the checks is kept.
        root: says whether to download at all, and whom to tell how far it is.
        sha256: hexadecimal digest; likewise ``md5`` and ``sha1``. All that are given are checked.
        size: bytes, if known; not one more is taken.
        http: whether plain http will do; only for a file with a checksum.
        remedies: lines for the error that say what else would help.
        timeout: seconds to wait for a connection, and for each next piece.

    Raises:
        FetchError: with the folder, each address and its reason, and what to do.
        MachineError: if the disk is full or the folder cannot be written.
        ValueError: for ``http`` without a checksum.
    """
    addresses = [urls] if isinstance(urls, str) else list(urls)
    given = (("sha256", sha256), ("md5", md5), ("sha1", sha1))
    expected = Expected(tuple((name, digest) for name, digest in given if digest), size)
    if http and not expected.digests:
        raise ValueError("a download over plain http needs a checksum")
    fault = _fault(target, expected)
    if fault is None:
        return target
    reasons = ["downloading is switched off"]
    if root.download:
        with unfinished(target, root.elsewhere) as file:
            if _fault(target, expected) is None:  # brought by the process we waited for
                return target
            reasons = []
            for url in addresses:
                try:
                    _complete(url, file, expected, http, root, timeout)
                except AddressError as error:
                    reasons.append(f"{url}: {error}")
                else:
                    put_in_place(file, target, root.elsewhere)
                    return target
    raise FetchError(_explain(target, fault, reasons, remedies))


def fingerprint(*parts: str | bytes | bytearray | memoryview) -> str:
    """Return the SHA-256 of ``parts`` in order, each after its length, as hexadecimal digits."""
    digest = hashlib.sha256()
    for part in parts:
        content = part.encode("utf-8", "surrogateescape") if isinstance(part, str) else part
        digest.update(len(content).to_bytes(8, "big"))
        digest.update(content)
    return digest.hexdigest()


def _fault(target: Path, expected: Expected) -> str | None:
    """Return None for a good file, '' for none at all, else what is wrong with it."""
    try:
        return expected.fault(target) if target.is_file() else ""
    except OSError as error:
        return str(error.strerror or error)


def _complete(
    url: str, file: IO[bytes], expected: Expected, http: bool, root: DataRoot, timeout: float
) -> None:
    """Download the whole file from ``url`` and check it; a bad joint is given a second try."""
    part = Path(file.name)
    resume = bool(expected.digests)
    continued = resume and part.stat().st_size > 0
    for attempt in range(2):
        if not (attempt == 0 and continued and expected.fault(part) is None):
            download(
                url,
                file,
                limit=LIMIT if expected.size is None else expected.size,
                http=http,
                resume=resume,
                progress=root.progress,
                timeout=timeout,
                elsewhere=root.elsewhere,
            )
        fault = expected.fault(part)
        if fault is None:
            return
        restart(file, root.elsewhere)
        if not continued:
            break
    raise AddressError(f"not the right file: {fault}")


def _explain(target: Path, fault: str, reasons: list[str], remedies: Sequence[str]) -> str:
    state = f"is damaged ({fault})" if fault else "is not there"
    return printable(
        "\n".join(
            [
                f"'{target}' {state} and could not be downloaded",
                *(f"  {reason}" for reason in reasons),
                "Do one of the following:",
                *(f"  {remedy}" for remedy in remedies),
                f"  put the file '{target.name}' into '{target.parent}' yourself",
            ]
        ),
        limit=4000,
    )
