"""Finding, blocking and looking up plugins; files of the user's; the state of the process."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from plugin_shelf import Shelf, good

from ganzoo.common.errors import GanzooError, PluginError
from ganzoo.plugin.kinds import KINDS
from ganzoo.plugin.registry import NOT_INSTALLED, Registry, load_plugins

OWN = {"ganzoo-torch"}


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shelf]:
    """Return an empty site-packages at the front of sys.path."""
    made = Shelf(tmp_path / "site")
    made.folder.mkdir()
    monkeypatch.syspath_prepend(str(made.folder))
    yield made
    made.forget()


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shelf]:
    """Return a folder for files of the user's, which is not on sys.path."""
    made = Shelf(tmp_path / "desk")
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield made
    made.forget()


def error_of(registry: Registry) -> str:
    [broken] = registry.broken
    return broken.error


# Installed plugins


def test_an_installed_plugin_is_found_with_all_that_a_run_records_of_it(shelf: Shelf) -> None:
    file = shelf.install("hinge", good("hinge2"))

    [plugin] = load_plugins(block=OWN).plugins

    assert (plugin.name, plugin.distribution, plugin.version) == ("hinge", "ganzoo-hinge", "0.3")
    assert (plugin.source, plugin.origin, plugin.path) == ("entry point", "ganzoo-hinge 0.3", file)
    assert plugin.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert plugin.components == (("loss", "hinge2"),)


def test_the_hash_of_a_package_changes_with_the_content_and_name_of_every_python_file(
    shelf: Shelf,
) -> None:
    shelf.register("ganzoo-pack", [("pack", "ganzoo_test_pack.inner.plugin")])
    shelf.put("ganzoo_test_pack/__init__.py", "")
    shelf.put("ganzoo_test_pack/inner/__init__.py", "")
    shelf.put("ganzoo_test_pack/inner/plugin.py", good("packed"))
    other = shelf.put("ganzoo_test_pack/other.py", "a = 1\n")
    hashes = []

    def note() -> None:
        [plugin] = load_plugins(block=OWN).plugins
        assert plugin.path == shelf.folder / "ganzoo_test_pack"
        hashes.append(plugin.sha256)

    note()
    note()
    other.write_text("a = 2\n")
    note()
    other.rename(other.with_name("outer.py"))  # the same place in the order
    note()

    assert hashes[0] == hashes[1]
    assert len(set(hashes)) == 3


def test_ganzoos_own_plugins_come_first_and_the_others_by_name(shelf: Shelf) -> None:
    shelf.install("zebra", good("zebra"))
    shelf.install("ape", good("ape"))
    shelf.register("ganzoo-torch", [("own", "ganzoo_test_own")])
    shelf.put("ganzoo_test_own.py", good("own"))

    names = [plugin.name for plugin in load_plugins().plugins]

    assert names == ["own", "ape", "zebra"]


def test_ganzoos_own_plugins_are_found_through_their_entry_points() -> None:
    with (Path(__file__).parents[2] / "pyproject.toml").open("rb") as file:
        entry_points = tomllib.load(file)["project"]["entry-points"]["ganzoo"]

    registry = load_plugins(block={"*"})

    assert [plugin.name for plugin in registry.plugins] == sorted(entry_points)
    assert registry.broken == ()
    assert registry.warnings == ()
    assert all(registry.specs(kind) for kind in KINDS)


def test_two_distributions_with_the_same_entry_point_name_both_load(shelf: Shelf) -> None:
    for letter in "ab":
        shelf.register(f"ganzoo-{letter}", [("hinge", f"ganzoo_test_{letter}")])
        shelf.put(f"ganzoo_test_{letter}.py", good(f"hinge_{letter}"))

    registry = load_plugins(block=OWN)

    assert list(registry.specs("loss")) == ["hinge_a", "hinge_b"]
    assert registry.owner("loss", "hinge_b").distribution == "ganzoo-b"


def test_a_distribution_that_is_on_the_path_twice_loads_once(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.install("hinge", good("hinge2"))
    again = Shelf(tmp_path / "again")
    again.install("hinge", good("hinge2"), version="0.2")
    monkeypatch.syspath_prepend(str(again.folder))

    registry = load_plugins(block=OWN)

    assert [plugin.version for plugin in registry.plugins] == ["0.2"]
    assert registry.broken == ()


def test_a_second_entry_point_to_the_same_module_is_set_aside(shelf: Shelf) -> None:
    shelf.install("hinge", good("hinge2"))
    shelf.register("ganzoo-copy", [("copy", "ganzoo_test_hinge")])

    registry = load_plugins(block=OWN)

    assert [plugin.name for plugin in registry.plugins] == ["copy"]
    assert (
        error_of(registry) == "is the same as plugin 'copy = ganzoo_test_hinge (ganzoo-copy 0.3)'"
    )


def test_a_distribution_that_lists_a_name_twice_supplies_both(shelf: Shelf) -> None:
    shelf.register("ganzoo-ab", [("ab", "ganzoo_test_a"), ("ab", "ganzoo_test_b")])
    shelf.put("ganzoo_test_a.py", good("a"))
    shelf.put("ganzoo_test_b.py", good("b"))

    assert list(load_plugins(block=OWN).specs("loss")) == ["a", "b"]


def test_an_entry_point_may_name_an_object_with_hooks_as_methods(shelf: Shelf) -> None:
    shelf.register("ganzoo-object", [("object", "ganzoo_test_object:plugin")])
    methods = "class Plugin:\n    @hookimpl\n    def ganzoo_losses(self):\n        return [Good]\n"
    shelf.put(
        "ganzoo_test_object.py",
        good("of_object").replace("@hookimpl\ndef ganzoo_losses():\n    return [Good]\n", methods)
        + "plugin = Plugin()\n",
    )

    registry = load_plugins(block=OWN)

    assert registry.broken == ()
    assert registry.owner("loss", "of_object").path == shelf.folder / "ganzoo_test_object.py"


def test_damaged_metadata_of_any_distribution_is_reported_and_harms_no_other(
    shelf: Shelf,
) -> None:
    shelf.install("hinge", good("hinge2"))
    damaged = shelf.register("ganzoo-damaged", [("damaged", "nothing")])
    (damaged / "entry_points.txt").write_bytes(b"[ganzoo]\n\xff\xfe = \x00\n")

    registry = load_plugins(block=OWN)

    assert list(registry.specs("loss")) == ["hinge2"]
    [broken] = registry.broken
    assert broken.source == "ganzoo-damaged"
    assert broken.error.startswith("unreadable entry points: UnicodeDecodeError")


def test_a_plugin_without_metadata_about_its_distribution_still_loads(shelf: Shelf) -> None:
    shelf.install("hinge", good("hinge2"))
    (shelf.folder / "ganzoo_hinge-0.3.dist-info" / "METADATA").unlink()

    [plugin] = load_plugins(block=OWN).plugins

    assert plugin.distribution == "a nameless distribution"


def test_without_ganzoos_own_plugins_every_message_says_how_to_install_them(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [str(shelf.folder)])

    registry = load_plugins()

    assert registry.warnings == (NOT_INSTALLED,)
    with pytest.raises(GanzooError, match=r"no loss named 'bce'; .*pip install -e \."):
        registry.find("loss", "bce")


def test_a_blocked_plugin_is_not_even_imported(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.install("a", "raise SystemExit\n")
    shelf.install("b", good("hinge_b"))
    shelf.install("c", good("hinge_c"))
    monkeypatch.setenv("GANZOO_BLOCK", " a, Ganzoo_C ")

    registry = load_plugins(block=OWN)

    assert [plugin.name for plugin in registry.plugins] == ["b"]
    assert {"a", "c"} < set(registry.blocked)
    assert not {"ganzoo_test_a", "ganzoo_test_c"} & set(sys.modules)
    with pytest.raises(GanzooError, match=r"no loss named 'x'.*blocked: .*'a', 'c'"):
        registry.find("loss", "x")


def test_a_star_blocks_all_but_ganzoos_own(shelf: Shelf) -> None:
    shelf.install("a", good("hinge_a"))

    registry = load_plugins(block={"*"})

    assert registry.blocked == ("a",)
    assert {plugin.distribution for plugin in registry.plugins} == OWN


def test_blocking_what_is_not_there_is_a_warning_with_the_nearest_name(shelf: Shelf) -> None:
    shelf.install("hinge", good("hinge2"))

    registry = load_plugins(block={*OWN, "hinges"})

    assert registry.warnings == ("no plugin named 'hinges' to block; did you mean 'hinge'?",)


def test_twenty_plugins_load_in_less_than_a_second_and_without_torch(shelf: Shelf) -> None:
    for number in range(20):
        shelf.install(f"p{number}", good(f"loss_{number}"))
    script = (
        "import sys, time; from ganzoo.plugin.registry import load_plugins\n"
        "t = time.process_time(); "
        "r = load_plugins(block={'ganzoo-torch'}); "
        "print(time.process_time() - t, len(r.plugins), 'torch' in sys.modules)"
    )

    result = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"PYTHONPATH": str(shelf.folder)},
        capture_output=True,
        text=True,
        check=True,
    )

    seconds, count, has_torch = result.stdout.split()
    assert (count, has_torch) == ("20", "False")
    assert float(seconds) < 0.5


# Looking up


def test_an_unknown_name_is_answered_with_the_nearest_one() -> None:
    registry = load_plugins(block={"*"})

    with pytest.raises(GanzooError, match=r"no loss named 'hingee'; did you mean 'hinge'\?"):
        registry.find("loss", "hingee")
    with pytest.raises(GanzooError, match="no loss named 'adam'; 'adam' names an optimizer"):
        registry.find("loss", "adam")
    with pytest.raises(GanzooError, match="there are 'adam', 'rmsprop', 'sgd'"):
        registry.owner("optimizer", "zz")
    with pytest.raises(GanzooError, match=r"no kind named 'losss'; did you mean 'loss'\?"):
        registry.specs("losss")


def test_plugins_that_a_recipe_requires_are_missed_with_the_reason(shelf: Shelf) -> None:
    shelf.install("hinge", good("hinge2"))
    shelf.install("bad", "raise ValueError('no')\n")
    shelf.install("off", good("off"))

    registry = load_plugins(block={*OWN, "off"})

    assert registry.unmet(["Ganzoo_Hinge", "hinge"]) == ()
    assert registry.unmet(["ganzoo-bad", "off", "lsgan"]) == (
        "needs plugin 'ganzoo-bad', which failed to load: ganzoo-bad 0.3 (ValueError: no)",
        "needs plugin 'off', which is blocked",
        "needs plugin 'lsgan', which is not installed; try 'pip install lsgan'",
    )


# What a plugin does to the process


def test_what_plugins_print_never_reaches_stdout(
    shelf: Shelf, capfd: pytest.CaptureFixture[str]
) -> None:
    shelf.install(
        "loud",
        good("loud").replace(
            "from typing",
            "import os, subprocess, sys\nprint('by print')\nos.write(1, b'by C\\n')\n"
            "print('kept aside', file=sys.__stdout__)\n"
            "subprocess.run([sys.executable, '-c', 'print(\"by a child\")'])\nfrom typing",
        ),
    )

    print("before")
    registry = load_plugins(block=OWN)
    print("after")

    assert list(registry.specs("loss")) == ["loud"]
    out, err = capfd.readouterr()
    assert out == "before\nafter\n"
    assert {"by print", "by C", "kept aside", "by a child"} <= set(err.splitlines())


def test_changes_to_the_process_are_put_back_and_named(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    numpy_random = pytest.importorskip("numpy").random
    monkeypatch.chdir(tmp_path)
    handler = signal.getsignal(signal.SIGTERM)
    random.seed(5)
    expected = random.Random(5).random()
    numpy_random.seed(5)
    numpy_expected = numpy_random.RandomState(5).random()
    shelf.install(
        "meddler",
        good(
            "meddler",
            "import numpy, os, random, signal\nos.chdir('/')\nrandom.seed(0)\nnumpy.random.seed(0)"
            "\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n",
        ),
    )
    shelf.install("breaker", "import os\nos.chdir('/')\n1 / 0\n")

    registry = load_plugins(block=OWN)

    assert Path.cwd() == tmp_path
    assert signal.getsignal(signal.SIGTERM) == handler
    assert random.random() == expected
    assert numpy_random.random() == numpy_expected
    assert registry.warnings == (
        "plugin 'breaker' (ganzoo-breaker 0.3) changed the working directory; ganzoo put it back",
        "plugin 'meddler' (ganzoo-meddler 0.3) changed the working directory, signal handlers, "
        "Python's random generator, NumPy's random generator; ganzoo put it back",
    )


def test_changes_to_torch_are_put_back_and_named(shelf: Shelf) -> None:
    import torch

    threads = torch.get_num_threads()
    torch.manual_seed(5)
    expected = torch.rand(3, generator=torch.Generator().manual_seed(5))
    shelf.install(
        "meddler",
        good(
            "meddler",
            "import torch\ntorch.manual_seed(0)\ntorch.set_default_dtype(torch.float64)\n"
            "torch.set_default_device('meta')\n"
            f"torch.set_num_threads({threads + 1})\ntorch.set_grad_enabled(False)\n",
        ),
    )

    registry = load_plugins(block=OWN)

    assert torch.equal(torch.rand(3), expected)
    assert torch.get_default_dtype() == torch.float32
    assert torch.zeros(1).device == torch.device("cpu")
    assert torch.get_num_threads() == threads
    assert torch.is_grad_enabled()
    assert registry.broken == ()
    [warning] = registry.warnings
    traits = "random generator", "default dtype", "default device", "number of threads"
    for trait in (*traits, "gradient mode"):
        assert f"torch's {trait}" in warning


def test_a_plugin_that_imports_torch_is_named_and_its_changes_are_undone(shelf: Shelf) -> None:
    # A stand-in for torch: the real one takes seconds, and may be imported by other tests.
    shelf.put(
        "torch.py",
        "values = {'dtype': 'torch.float32', 'deterministic': False}\n"
        "float32, float64 = 'torch.float32', 'torch.float64'\n"
        "def set_default_dtype(dtype): values['dtype'] = dtype\n"
        "def get_default_dtype(): return values['dtype']\n"
        "def use_deterministic_algorithms(mode): values['deterministic'] = mode\n"
        "def are_deterministic_algorithms_enabled(): return values['deterministic']\n"
        "def get_default_device(): return 'cpu'\n"
        "def is_grad_enabled(): return True\n",
    )
    meddle = "torch.set_default_dtype(torch.float64); torch.use_deterministic_algorithms(True)"
    shelf.install("heavy", good("heavy", f"import torch; {meddle}\n"))
    script = (
        "from ganzoo.plugin.registry import load_plugins\n"
        "r = load_plugins(block={'ganzoo-torch'})\n"
        "import torch; print(torch.values, *r.warnings, sep='\\n')"
    )

    result = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"PYTHONPATH": str(shelf.folder)},
        capture_output=True,
        text=True,
        check=True,
    )

    assert result.stdout.splitlines() == [
        "{'dtype': 'torch.float32', 'deterministic': False}",
        "plugin 'heavy' (ganzoo-heavy 0.3) changed torch's default dtype, torch's deterministic "
        "mode; ganzoo put it back",
        "plugin 'heavy' (ganzoo-heavy 0.3) imports torch when it is loaded, so every command waits "
        "for it; import it inside build()",
    ]


def test_an_alarm_that_was_set_before_goes_on_after_a_plugin_that_hangs(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.install("hangs", "import time\ntime.sleep(60)\n")
    monkeypatch.setenv("GANZOO_PLUGIN_SECONDS", "0.2")
    rung: list[int] = []
    handler = signal.signal(signal.SIGALRM, lambda number, _: rung.append(number))
    left = signal.setitimer(signal.ITIMER_REAL, 0.5)[0]

    try:
        start = time.monotonic()
        registry = load_plugins(block=OWN)
        took = time.monotonic() - start
        while not rung and time.monotonic() - start < 10:
            time.sleep(0.02)
    finally:
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, left)

    assert error_of(registry).startswith("waited longer than 0.2 s while it was loaded")
    assert took < 10
    assert rung == [signal.SIGALRM]


def test_the_import_of_a_library_that_ganzoo_needs_is_never_cut_short(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "scipy"]:
        monkeypatch.delitem(sys.modules, name)
    shelf.put("scipy/__init__.py", "IS_WHOLE = True\n")
    shelf.put("scipy/slow.py", "import time\ntime.sleep(0.5)\nIS_WHOLE = True\n")
    shelf.install("slow", good("slow", "import scipy.slow\nassert scipy.slow.IS_WHOLE\n"))
    monkeypatch.setenv("GANZOO_PLUGIN_SECONDS", "0.2")

    registry = load_plugins(block=OWN)

    assert list(registry.specs("loss")) == ["slow"]


def test_plugins_load_in_a_thread_too(shelf: Shelf) -> None:
    shelf.install("hinge", good("hinge2"))
    found: list[Registry] = []
    thread = threading.Thread(target=lambda: found.append(load_plugins(block=OWN)))

    thread.start()
    thread.join()

    assert list(found[0].specs("loss")) == ["hinge2"]


def test_ctrl_c_while_plugins_load_stops_ganzoo(shelf: Shelf) -> None:
    shelf.install("interrupted", "import signal\nsignal.raise_signal(signal.SIGINT)\n")

    with pytest.raises(KeyboardInterrupt):
        load_plugins(block=OWN)


def test_a_keyboard_interrupt_that_nobody_pressed_sets_the_plugin_aside(shelf: Shelf) -> None:
    shelf.install("rude", "raise KeyboardInterrupt('mine')\n")

    assert error_of(load_plugins(block=OWN)) == "KeyboardInterrupt: mine"


@pytest.mark.parametrize("text", ["soon", "0", "-1", "nan", "inf"])
def test_a_time_limit_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("GANZOO_PLUGIN_SECONDS", text)

    with pytest.raises(GanzooError, match=f"GANZOO_PLUGIN_SECONDS is '{text}'"):
        load_plugins(block=OWN)


# Files of the user's


def test_a_file_is_loaded_by_its_stem_and_recorded_with_its_hash(desk: Shelf) -> None:
    file = desk.put("my_hinge.py", good("my_hinge"))

    [plugin] = load_plugins([file], block=OWN).plugins

    assert (plugin.name, plugin.source, plugin.path) == ("my_hinge", "file", file)
    assert (plugin.distribution, plugin.version) == ("", "")
    assert plugin.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert sys.path[-1] == str(desk.folder)
    assert sys.modules["my_hinge"].__file__ == str(file)


def test_a_file_may_import_its_neighbours_and_may_be_named_twice(desk: Shelf) -> None:
    desk.put("my_neighbour.py", "TARGET = 1.0\n")
    file = desk.put("my_hinge.py", good("my_hinge", "from my_neighbour import TARGET\n"))

    registry = load_plugins([file, file.parent / "." / file.name], block=OWN)

    assert [plugin.name for plugin in registry.plugins] == ["my_hinge"]
    assert sys.path.count(str(desk.folder)) == 1


def test_a_file_that_was_edited_is_loaded_anew_and_an_unchanged_one_is_not(desk: Shelf) -> None:
    file = desk.put("my_hinge.py", good("first"))
    first = load_plugins([file], block=OWN).find("loss", "first")

    assert load_plugins([file], block=OWN).find("loss", "first") is first
    desk.put("my_hinge.py", good("second_one"))
    assert list(load_plugins([file], block=OWN).specs("loss")) == ["second_one"]


@pytest.mark.parametrize("stem", ["random", "sys", "click", "ganzoo_losses"])
def test_a_file_named_like_another_module_is_refused(desk: Shelf, stem: str) -> None:
    file = desk.folder / f"{stem}.py"
    desk.folder.mkdir(exist_ok=True)
    file.write_text(good("mine"))

    with pytest.raises(PluginError, match=f"'{stem}' is the name of another module"):
        load_plugins([file], block=OWN)


def test_two_files_of_the_same_name_are_refused(desk: Shelf) -> None:
    one, two = (desk.put(f"{folder}/my_hinge.py", good(folder)) for folder in "ab")
    desk.modules.add("my_hinge")

    with pytest.raises(PluginError, match="'my_hinge' is the name of another module"):
        load_plugins([one, two], block=OWN)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("absent.py", "no such file"),
        ("plugin.txt", "a plugin is a .py file"),
        ("folder.py", "a folder, not a file"),
        ("my-hinge.py", "'my-hinge' is not a Python name"),
        ("__init__.py", "'__init__' is not a Python name"),
    ],
)
def test_what_is_no_importable_file_is_refused(desk: Shelf, name: str, reason: str) -> None:
    desk.put("plugin.txt", "")
    desk.put("my-hinge.py", good("mine"))
    desk.put("__init__.py", good("mine"))
    (desk.folder / "folder.py").mkdir()

    with pytest.raises(PluginError) as caught:
        load_plugins([desk.folder / name], block=OWN)

    assert str(caught.value).startswith(str(desk.folder / name))
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("\nimport a_library_that_is_absent\n", ":2: plugin cannot be loaded: ModuleNotFoundError"),
        ("a = 1\nb = = 2\n", ":2: plugin cannot be loaded: SyntaxError: invalid syntax"),
        ("\n\nraise SystemExit(3)\n", ":3: plugin cannot be loaded: SystemExit: 3"),
        ("import time\n\n\ntime.sleep(60)\n", ":4: plugin cannot be loaded: waited longer than"),
        ("a = 1\n", ": plugin cannot be loaded: no function in it is marked with @hookimpl"),
        (good("bce"), "loss 'bce' of .*broken.py is already supplied by ganzoo-torch"),
    ],
)
def test_a_file_that_fails_is_an_error_with_file_line_and_reason(
    desk: Shelf, monkeypatch: pytest.MonkeyPatch, source: str, reason: str
) -> None:
    file = desk.put("my_broken.py", source)
    monkeypatch.setenv("GANZOO_PLUGIN_SECONDS", "0.3" if "sleep" in source else "30")

    with pytest.raises(PluginError, match=f"^{file}.*{reason}") as caught:
        load_plugins([file], block={"*"})

    assert caught.value.exit_code == 2


def test_a_file_is_found_by_worker_processes_that_start_afresh(desk: Shelf) -> None:
    desk.put("my_hinge.py", good("my_hinge"))
    desk.put(
        "main_script.py",
        "from multiprocessing import get_context\nfrom pathlib import Path\n"
        "from ganzoo.plugin.registry import load_plugins\n\n"
        "def use(spec):\n    return type(spec).__module__ + ' ' + spec.use\n\n"
        "if __name__ == '__main__':\n"
        "    spec = load_plugins([Path('elsewhere/my_hinge.py')]).find('loss', 'my_hinge')()\n"
        "    with get_context('spawn').Pool(1) as pool:\n"
        "        print(pool.apply(use, (spec,)))\n",
    )
    (desk.folder / "elsewhere").mkdir()
    (desk.folder / "my_hinge.py").rename(desk.folder / "elsewhere" / "my_hinge.py")

    result = subprocess.run(
        [sys.executable, "main_script.py"],
        cwd=desk.folder,
        capture_output=True,
        text=True,
        check=True,
    )

    assert result.stdout == "my_hinge my_hinge\n"


def test_nothing_is_imported_from_the_working_directory_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "plugins").mkdir()
    for name in ("ganzoo_here.py", "plugins/mine.py", "plugin.py"):
        (tmp_path / name).write_text("raise SystemExit('imported')\n")
    monkeypatch.chdir(tmp_path)

    registry = load_plugins(block={"*"})

    assert registry.broken == ()
    assert {plugin.distribution for plugin in registry.plugins} == OWN
