"""ONNX Runtime for browsers: one version from the npm registry, checked, kept in a cache."""

from __future__ import annotations

import re
import tarfile
from dataclasses import dataclass
from pathlib import Path

from ganzoo.api import CACHE_FOLDER, DataRoot, GanzooError, Progress, cache_root, fetch

VERSION = "1.30.0"
NAME = f"onnxruntime-web-{VERSION}.tgz"
URL = f"https://registry.npmjs.org/onnxruntime-web/-/{NAME}"
SHA256 = "d2228df7e4616bc3348bf504ee888f3bec43789a273f0a63f3e68d203ce3bf71"
SIZE = 33_106_585
SCRIPT = "package/dist/ort.wasm.bundle.min.mjs"
WASM = "package/dist/ort-wasm-simd-threaded.wasm"
MOST_MEMBER = 64 << 20


@dataclass(frozen=True)
class Runtime:
    """What a page needs of it.

    Attributes:
        script: defines ``ort``, for a page's classic script.
        wasm: the WebAssembly module.
    """

    script: str
    wasm: bytes


def runtime(progress: Progress, url: str = URL) -> Runtime:
    """Return the runtime from the user's cache, downloaded once (33 MB).

    Raises:
        FetchError: if it is neither there nor downloadable.
        GanzooError: without a folder for a cache.
    """
    cache = cache_root()
    if cache is None:
        raise GanzooError(f"there is no home folder that could hold a cache; {CACHE_FOLDER}")
    path = fetch(
        url,
        cache / "npm" / NAME,
        DataRoot(cache, progress=progress, elsewhere=CACHE_FOLDER),
        sha256=SHA256,
        size=SIZE,
        remedies=(
            "go online once; after that it is in the cache",
            f"download it on a machine with internet access: npm pack onnxruntime-web@{VERSION}",
        ),
    )
    with tarfile.open(path, "r:gz") as archive:
        script, wasm = (_member(archive, name, path) for name in (SCRIPT, WASM))
    return Runtime(classic(script.decode()), wasm)


def _member(archive: tarfile.TarFile, name: str, path: Path) -> bytes:
    file = archive.extractfile(name)
    content = b"" if file is None else file.read(MOST_MEMBER)
    if not content:
        raise GanzooError(f"'{path}' holds no '{name}'; remove it, and it is downloaded again")
    return content


def classic(module: str) -> str:
    """Return a bundled module as a classic script that defines ``ort``.

    The page's own script follows it in the same element, so that one hash allows both; nothing but
    'import.meta' and 'export' makes a module of it.
    """
    before, _, names = module.rpartition("export{")
    names = names.partition("}")[0]
    exported = ",".join(
        f"{outer}:{inner}" for inner, outer in re.findall(r"([\w$]+) as ([\w$]+)", names)
    )
    body = before.replace("import.meta.url", "location.href")
    assert "InferenceSession:" in exported
    assert "import.meta" not in body
    assert "</script" not in body.lower()
    return f"const ort = (() => {{\n{body}\nreturn {{{exported}}};\n}})();\n"
