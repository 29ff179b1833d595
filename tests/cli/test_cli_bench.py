"""``ganzoo bench`` measures and keeps nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ganzoo.cli.app import ganzoo


def test_bench_tells_speed_and_memory_and_keeps_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    small = ("generator.base_channels=2", "discriminator.base_channels=2", "train.batch_size=4")
    words = [word for each in small for word in ("--set", each)]

    with pytest.raises(SystemExit) as ended:
        ganzoo.main(["bench", "dcgan_digits", *words, "--seconds", "1", "--json", "-q"])

    found = json.loads(capsys.readouterr().out)
    assert ended.value.code in (0, None)
    assert found["images_per_second"] == pytest.approx(4 / found["step_ms"] * 1e3)
    assert found["peak_memory_mib"] > 10
    assert list(tmp_path.iterdir()) == []
