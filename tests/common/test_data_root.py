"""Where datasets live."""

from __future__ import annotations

from pathlib import Path

import platformdirs
import pytest

from ganzoo.common.data_root import cache_root, data_root


def test_the_option_wins_over_the_environment_and_that_over_the_cache(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("GANZOO_DATA", "/from/environment")

    assert data_root("/from/option") == Path("/from/option")
    assert data_root() == Path("/from/environment")
    monkeypatch.setenv("GANZOO_DATA", "")
    assert data_root().name == "ganzoo"
    assert not data_root().exists()


def test_what_a_person_typed_becomes_an_absolute_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")

    assert data_root("~/data") == Path("/home/somebody/data")
    assert data_root("data") == Path.cwd() / "data"


@pytest.mark.parametrize("problem", ["raised", "left as it is"])
def test_who_has_no_home_has_data_in_the_working_folder_and_no_cache(
    monkeypatch: pytest.MonkeyPatch, problem: str
) -> None:
    def unknown(*_: object, **__: object) -> Path:
        if problem == "raised":
            raise RuntimeError("could not determine the home directory")
        return Path("~/.cache/ganzoo")

    monkeypatch.setattr(platformdirs, "user_cache_path", unknown)
    monkeypatch.delenv("GANZOO_DATA", raising=False)
    monkeypatch.delenv("GANZOO_CACHE")

    assert data_root() == Path.cwd() / "ganzoo-data"
    assert cache_root() is None
    monkeypatch.setenv("GANZOO_CACHE", "/somewhere")
    assert cache_root() == Path("/somewhere")
