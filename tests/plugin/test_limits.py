"""A plugin's limits are fair: its own computing and waiting count, a busy machine does not."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from plugin_shelf import Shelf, good

from ganzoo.common.errors import GanzooError, MachineError, PluginError
from ganzoo.plugin import limits
from ganzoo.plugin.attempt import attempt
from ganzoo.plugin.contract import trackers_of
from ganzoo.plugin.limits import Clock, Starved, TooSlow, signals_noted, time_limit
from ganzoo.plugin.registry import Registry, load_plugins
from ganzoo.plugin.scaffold import write
from ganzoo.plugin.specs import LossSpec

OWN = {"ganzoo-torch"}


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shelf]:
    shelf = Shelf(tmp_path / "site-packages")
    shelf.folder.mkdir()
    monkeypatch.syspath_prepend(str(shelf.folder))
    yield shelf
    shelf.forget()


def errors(registry: Registry) -> dict[str, str]:
    return {broken.name: broken.error for broken in registry.broken}


# A limit that rings while the test runner's own garbage is collected is swallowed there.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(autouse=True)
def no_garbage() -> Iterator[None]:
    """Collect what other tests have left before the time is taken, and nothing meanwhile."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def spin(seconds: float) -> None:
    """Compute for that long on a processor."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        sum(range(100))


def test_computing_and_waiting_each_have_the_whole_limit() -> None:
    with time_limit(0.4):
        spin(0.25)
        time.sleep(0.25)


def test_computing_too_long_is_told_from_waiting_too_long() -> None:
    with (
        pytest.raises(TooSlow, match=r"took longer than 0\.2 s of processor time"),
        time_limit(0.2),
    ):
        spin(30)
    with pytest.raises(TooSlow, match=r"waited longer than 0\.2 s"), time_limit(0.2):
        time.sleep(30)


def test_what_others_take_of_the_processor_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    start = time.monotonic()
    monkeypatch.setattr(limits, "_delay", lambda: time.monotonic() - start)

    # Time enough for the test runner's own garbage.
    with time_limit(0.5):
        time.sleep(1)  # the system says that a processor was wanted all along


def test_a_machine_without_a_processor_to_spare_is_not_the_plugins_fault(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.install("starved", "import time\ntime.sleep(30)\n")
    # Much more time to compute than to starve: the test runner's own garbage is collected, too.
    monkeypatch.setenv("GANZOO_PLUGIN_SECONDS", "4")
    monkeypatch.setattr(limits, "PATIENCE", 0.1)
    start = time.monotonic()
    monkeypatch.setattr(limits, "_delay", lambda: time.monotonic() - start)

    with pytest.raises(MachineError, match=r"machine is overloaded: .* plugin 'starved'") as told:
        load_plugins(block=OWN)

    assert told.value.exit_code == 4


def test_where_the_system_does_not_tell_the_load_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "_delay", lambda: 0.0)
    monkeypatch.setattr(limits, "_tells_delay", lambda: False)

    monkeypatch.setattr(os, "getloadavg", lambda: (1e6, 0.0, 0.0))
    with pytest.raises(Starved), time_limit(0.1):
        time.sleep(30)
    monkeypatch.setattr(os, "getloadavg", lambda: (0.0, 0.0, 0.0))
    with pytest.raises(TooSlow), time_limit(0.1):
        time.sleep(30)


def test_a_stop_of_the_whole_process_is_no_waiting() -> None:
    clock = Clock()
    time.sleep(0.6)

    clock.ring(due=0.1)

    assert clock.waiting == 0


def test_a_command_that_was_stopped_goes_on_with_all_its_plugins(shelf: Shelf) -> None:
    shelf.install("slow", good("slow", "import time\nprint('in', flush=True)\ntime.sleep(0.6)\n"))
    program = (
        "from ganzoo.plugin.registry import load_plugins\n"
        "print([broken.error for broken in load_plugins(block={'ganzoo-torch'}).broken])\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(shelf.folder), "GANZOO_PLUGIN_SECONDS": "1"},
    )
    assert child.stderr is not None
    assert child.stderr.readline() == "in\n"

    child.send_signal(signal.SIGSTOP)
    time.sleep(1.5)
    child.send_signal(signal.SIGCONT)

    assert child.communicate(timeout=60)[0] == "[]\n"


def test_ganzoos_own_plugins_have_no_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANZOO_PLUGIN_SECONDS", "1e-6")

    assert load_plugins(block={"*"}).broken == ()


# Signals


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_a_component_that_raises_to_end_the_process_is_named(error: type[BaseException]) -> None:
    class Rude(LossSpec):
        """A loss."""

        use = "rude"

    def call() -> None:
        raise error

    with pytest.raises(PluginError, match=f"loss 'rude' failed at building: {error.__name__}"):
        attempt(Rude(), "building", call)
    with pytest.raises(KeyboardInterrupt):
        attempt(Rude(), "building", lambda: signal.raise_signal(signal.SIGINT))


def test_handlers_are_as_before_after_signals_were_noted() -> None:
    before = [signal.getsignal(number) for number in limits.STOPPING]

    with signals_noted() as is_stop:
        assert not is_stop(KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        assert is_stop(KeyboardInterrupt())
        assert not is_stop(ValueError())

    assert [signal.getsignal(number) for number in limits.STOPPING] == before


def test_trackers_that_cannot_be_named_are_one_clean_error() -> None:
    def rude() -> list[str]:
        raise KeyboardInterrupt

    with pytest.raises(PluginError, match="KeyboardInterrupt"):
        trackers_of(rude)
    with pytest.raises(PluginError, match=r"has 5,000 characters; 100 are allowed"):
        trackers_of(lambda: ["x" * 5000])
    with pytest.raises(PluginError, match="7 is not a name"):
        trackers_of(lambda: [7])


# Names and threads


def test_names_of_any_kind_have_a_length(shelf: Shelf, tmp_path: Path) -> None:
    long = "n" * 5000
    shelf.put("fine.py", good("fine"))
    shelf.register("ganzoo-entry", [(long, "fine")])
    shelf.install("component", good(long))
    shelf.install("key", good("key").replace("    use:", f"    {long}: int = 1\n    use:"))

    found = errors(load_plugins(block=OWN))

    assert len(found) == 3
    assert all("5,000 characters; 100 are allowed" in error for error in found.values())
    assert max(len(text) for pair in found.items() for text in pair) < 300
    with pytest.raises(GanzooError, match=r"5,000 characters; 100 are allowed"):
        write(long, "loss", tmp_path)


def test_a_distribution_with_an_endless_name_is_set_aside(shelf: Shelf) -> None:
    shelf.put("fine.py", good("fine"))
    info = shelf.register("ganzoo-fine", [("fine", "fine")])
    metadata = (info / "METADATA").read_text().replace("Name: ganzoo-fine", f"Name: {'n' * 5000}")
    (info / "METADATA").write_text(metadata)

    (error,) = errors(load_plugins(block=OWN)).values()

    assert "5,000 characters" in error


def test_a_thread_that_a_plugin_starts_on_loading_is_told(shelf: Shelf) -> None:
    go_on = threading.Event()
    threading.go_on = go_on  # type: ignore[attr-defined]
    shelf.install(
        "threaded",
        good("x", "import threading\nthreading.Thread(target=threading.go_on.wait).start()\n"),
    )

    try:
        warnings = load_plugins(block=OWN).warnings
    finally:
        go_on.set()
        del threading.go_on  # type: ignore[attr-defined]

    assert any("plugin 'threaded'" in text and "leaves thread" in text for text in warnings)
