"""What a plugin does to the process does not decide how, or when, a command ends."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from calling import LOSS, shell

RUDE = """
    rude: bool = False
    \"\"\"Whether it is.\"\"\"

    @field_validator("rude")
    @classmethod
    def _check(cls, rude: bool) -> bool:
        if rude:
            raise {error}
        return rude
"""


def with_validator(error: str) -> str:
    return "from pydantic import field_validator\n" + LOSS.replace(
        "    def discriminator_terms", RUDE.format(error=error) + "\n    def discriminator_terms", 1
    )


@pytest.mark.parametrize("error", ["KeyboardInterrupt", "SystemExit(0)"])
def test_a_component_cannot_end_check_as_if_by_ctrl_c(tmp_path: Path, error: str) -> None:
    (tmp_path / "my_rude.py").write_text(with_validator(error))

    done = shell(
        "ganzoo check dcgan_digits --plugin my_rude.py --set loss.use=mine --set loss.rude=true"
    )

    assert done.returncode == 2, done.stderr
    name = error.removesuffix("(0)")
    assert f"loss 'mine' failed while checking its table ({name}" in done.stderr


def test_a_plugin_file_cannot_end_a_command_as_if_by_ctrl_c(tmp_path: Path) -> None:
    (tmp_path / "my_rude.py").write_text("raise KeyboardInterrupt\n")

    done = shell("ganzoo check dcgan_digits --plugin my_rude.py")

    assert done.returncode == 2
    assert "my_rude.py:1: plugin cannot be loaded: KeyboardInterrupt" in done.stderr


def test_a_thread_of_a_plugin_does_not_keep_a_command_from_ending(tmp_path: Path) -> None:
    thread = "import threading, time\nthreading.Thread(target=time.sleep, args=(60,)).start()\n"
    (tmp_path / "my_threads.py").write_text(thread + LOSS)
    start = time.monotonic()

    done = shell("ganzoo list losses --plugin my_threads.py; echo $?")

    assert time.monotonic() - start < 30
    assert done.stdout.splitlines()[-1] == "0"
    assert "mine" in done.stdout
    assert "a plugin left 1 thread running" in done.stderr


def test_a_thread_that_ends_in_time_is_waited_for(tmp_path: Path) -> None:
    work = "lambda: (time.sleep(1), open('late.txt', 'w').close())"
    thread = f"import threading, time\nthreading.Thread(target={work}).start()\n"
    (tmp_path / "my_threads.py").write_text(thread + LOSS)

    done = shell("ganzoo list losses --plugin my_threads.py")

    assert (tmp_path / "late.txt").exists()
    assert "a plugin left" not in done.stderr
