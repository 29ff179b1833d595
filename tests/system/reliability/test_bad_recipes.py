"""Bad recipes: only GanzooError, with file, line and remedy, in an instant, and nothing written."""

from __future__ import annotations

import os
import random
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ganzoo.common.errors import GanzooError
from ganzoo.plugin import registry
from ganzoo.recipe.check import load_recipe
from ganzoo.recipe.model import Recipe, freeze
from ganzoo.recipe.problems import RecipeError
from ganzoo.recipe.source import find_recipe, shipped

SECONDS = 1.0
"""Processor time for one recipe, at most."""

SHIPPED = str(shipped()["dcgan_mnist"].parent)
GOOD = shipped()["dcgan_mnist"].read_text(encoding="utf-8") + '[[regularizer]]\nuse = "r1"\n'


@pytest.fixture(scope="module")
def own() -> registry.Registry:
    return registry.load_plugins(block={"*"})


@contextmanager
def nothing_written(folder: Path) -> Iterator[None]:
    before = {path: path.lstat().st_mtime_ns for path in folder.rglob("*")}
    yield
    assert {path: path.lstat().st_mtime_ns for path in folder.rglob("*")} == before


def refusal(path: Path, own: registry.Registry, *overrides: str) -> str:
    """Return the one error a bad recipe gives, after what holds for all of them was looked at."""
    began = time.process_time()
    with nothing_written(path.parent), pytest.raises(RecipeError) as caught:
        load_recipe(path, own, overrides)
    assert time.process_time() - began < SECONDS
    message = str(caught.value)
    assert is_helpful(caught.value, path)
    return message


def is_helpful(error: RecipeError, path: Path) -> bool:
    """Whether every mistake names its file, and its key or line where it has one."""
    folders = (str(path.parent), SHIPPED)
    return (
        error.exit_code == 2
        and 0 < len(error.problems) <= 20
        and len(str(error)) < 30_000
        and str(error).replace("\n", "").isprintable()
        and re.fullmatch(r"\d+ errors?, nothing was started\.", str(error).split("\n")[-1])
        is not None
        and all(
            (one.file == "--set" or one.file.startswith(folders)) and len(one.message) > 10
            for one in error.problems
        )
    )


def changed(old: str, new: str) -> str:
    assert old in GOOD
    return GOOD.replace(old, new, 1)


def added(table: str, line: str) -> str:
    return changed(f"[{table}]\n", f"[{table}]\n{line}\n")


# Changes of a good recipe, and a part of the message: 'key: what' in most.
TEXTS: dict[str, tuple[str, str]] = {
    # unknown keys and tables
    "unknown key": (added("train", "batch = 3"), ":10: train.batch: unknown key; did you mean 'ba"),
    "unknown table": (GOOD + "[zoo]\n", "zoo: unknown key"),
    "misspelt table": (changed("[generator]", "[genrator]"), "did you mean 'generator'?"),
    "misspelt table is missing": (changed("[generator]", "[genrator]"), "add [generator] with"),
    "unknown key of a component": (added("generator", "depth = 3"), "generator.depth: unknown key"),
    "key of another component": (added("loss", "limit = 3"), "loss.limit: unknown key"),
    "key in capitals": (added("train", "SEED = 3"), "train.SEED: unknown key; did you mean 'seed'"),
    "flat key": ("epochs = 3\n" + GOOD, "epochs: unknown key"),
    "optimizer of a third": (GOOD + "[optimizer.critic]\n", "optimizer.critic: unknown key"),
    "device": (added("train", 'device = "cuda"'), "train.device: unknown key"),
    "output path": (added("train", 'out = "/tmp/x"'), "train.out: unknown key"),
    "name": ('name = "../../x"\n' + GOOD, "name: unknown key"),
    # what other systems would have executed
    "hydra target": (added("generator", '_target_ = "os.system"'), "_target_: unknown key"),
    "torchtune component": (added("loss", '_component_ = "os.system"'), "_component_: unknown key"),
    "dunder": (added("loss", '__class__ = "os"'), "loss.__class__: unknown key"),
    "dunder at the top": ('__reduce__ = "os"\n' + GOOD, "__reduce__: unknown key"),
    "dotted import as use": (changed('"transpose"', '"torch.nn.Linear"'), "no generator named 'to"),
    "path as use": (changed('"transpose"', '"./evil.py"'), "no generator named './evil.py'"),
    "url as use": (changed('"transpose"', '"https://x.y/z"'), "no generator named 'https://x.y/z'"),
    "interpolation": (added("train", 'seed = "${oc.env:HOME}"'), "train.seed: needs an integer"),
    "template": (changed('"bce"', '"{{7*7}}"'), "no loss named '{{7*7}}'"),
    "format string": (changed('"bce"', '"{message}"'), "no loss named '{message}'"),
    "plugins": ('plugins = ["evil.py"]\n' + GOOD, "plugins: unknown key"),
    "required option": ('requires = ["--pre"]\n' + GOOD, "'--pre' is not a plugin name"),
    "required url": ('requires = ["git+https://x"]\n' + GOOD, "is not a plugin name"),
    "required plugin": ('requires = ["ganzoo-xyzzy"]\n' + GOOD, "try 'pip install ganzoo-xyzzy'"),
    # wrong types
    "text for integer": (changed("epochs = 25", 'epochs = "many"'), "needs an integer, got 'many'"),
    "digits in text": (changed("epochs = 25", 'epochs = "25"'), "needs an integer, got '25'"),
    "float for integer": (changed("epochs = 25", "epochs = 25.0"), "got 25.0; write 25"),
    "true for integer": (changed("epochs = 25", "epochs = true"), "needs an integer, got true"),
    "list for integer": (changed("epochs = 25", "epochs = [25]"), "needs an integer, got a list"),
    "table for integer": (changed("epochs = 25", "epochs.a = 25"), "needs an integer, got a table"),
    "date for integer": (changed("epochs = 25", "epochs = 2020-01-01"), "got the date or time 202"),
    "time for integer": (changed("epochs = 25", "epochs = 10:00:00"), "got the date or time 10:00"),
    "integer for text": (changed('prior = "normal"', "prior = 1"), "needs 'normal', 'uniform'"),
    "float for a choice of integers": (added("generator", "scales = [2.0]"), "generator.scales.0:"),
    "true for a choice of integers": (added("generator", "scales = [true]"), "generator.scales.0:"),
    "integer for boolean": (added("generator", "bias = 1"), "needs true or false, got 1"),
    "text for boolean": (added("generator", 'bias = "yes"'), "needs true or false, got 'yes'"),
    "text for float": (changed("dropout = 0.3", 'dropout = "0.3"'), "needs a number, got '0.3'"),
    "number for table": (changed('[loss]\nuse = "bce"', "") + "", "loss: missing; add [loss] with"),
    "text for table": ('loss = "bce"\n' + changed('[loss]\nuse = "bce"', ""), "needs a table, got"),
    "table for list": (changed("[[regularizer]]", "[regularizer]"), "write its header in double"),
    "list for table": (changed("[train]", "[[train]]"), "train: needs a table, got a list"),
    "list too short": (changed("[0.5, 0.999]", "[0.5]"), "betas: needs at least 2 items, got 1"),
    "list too long": (changed("[0.5, 0.999]", "[0.5, 0.9, 0.9]"), "needs at most 2 items, got 3"),
    "list of text": (changed("[0.5, 0.999]", '["0.5", 0.9]'), "betas.0: needs a number, got '0.5'"),
    "empty list": (added("generator", "scales = []"), "generator.scales: needs at least 1 item"),
    "number as use": (changed('use = "transpose"', "use = 3"), "needs a name in quotes, got 3"),
    "list as use": (changed('use = "transpose"', 'use = ["conv"]'), "needs a name in quotes, got"),
    "table as use": (changed('use = "transpose"', "use = {}"), "needs a name in quotes, got a tab"),
    # out of range
    "zero epochs": (changed("epochs = 25", "epochs = 0"), "train.epochs: needs at least 1, got 0"),
    "negative batch": (changed("= 128", "= -128"), "batch_size: needs at least 1, got -128"),
    "negative rate": (changed("lr = 2e-4", "lr = -2e-4"), "lr: needs a number above 0, got -0.000"),
    "rate not a number": (changed("lr = 2e-4", "lr = nan"), "lr: needs a finite number, got nan"),
    "infinite rate": (changed("lr = 2e-4", "lr = inf"), "lr: needs a finite number, got inf"),
    "overflowing rate": (changed("lr = 2e-4", "lr = 1e999"), "needs a finite number, got inf"),
    "beta of 1": (changed("[0.5, 0.999]", "[0.5, 1.0]"), "betas.1: needs a number below 1, got 1."),
    "dropout of 1": (changed("dropout = 0.3", "dropout = 1.0"), "needs a number below 1, got 1.0"),
    "negative seed": (added("train", "seed = -1"), "train.seed: needs at least 0, got -1"),
    "huge seed": (added("train", "seed = 99999999999999999999"), "needs a number below 4294967296"),
    "negative weight": (GOOD + "weight = -1\n", "regularizer.0.weight: needs at least 0, got -1"),
    "every of 0": (GOOD + "every = 0\n", "regularizer.0.every: needs a number above 0, got 0"),
    "scale of 3": (added("generator", "scales = [3]"), "generator.scales.0: needs"),
    # what would only exhaust the memory
    "batch of a milliard": (changed("= 128", "= 1_000_000_000"), "needs at most 1000000, got 1000"),
    "a million channels": (added("generator", "base_channels = 1_000_000"), "needs at most 8192"),
    "latent of a milliard": (changed("size = 100", "size = 1_000_000_000"), "needs at most 65536"),
    "huge sheets": (GOOD + "[samples]\nrows = 100_000\n", "samples.rows: needs at most 100"),
    "a thousand penalties": (GOOD + '[[regularizer]]\nuse = "r1"\n' * 1000, "at most 32 items, go"),
    "a hundred layers": (added("generator", f"scales = {[1] * 100}"), "needs at most 12 items"),
    # choices
    "unknown component": (changed('"conv"', '"convv"'), "discriminator.use: no discriminator name"),
    "component of another kind": (changed('"bce"', '"adam"'), "no loss named 'adam'; 'adam' names"),
    "component in capitals": (changed('"bce"', '"BCE"'), "no loss named 'BCE'"),
    "empty use": (changed('"bce"', '""'), "no loss named ''"),
    "no use": (changed('use = "bce"', ""), "loss.use: missing; add e.g. use ="),
    "unknown choice": (changed('"normal"', '"gauss"'), "latent.prior: needs 'normal', 'uniform'"),
    "unknown fallback": (changed('"digits"', '"digit"'), "no dataset named 'digit'; did you mean"),
    "fallback to itself": (changed('"digits"', '"mnist"'), "dataset.fallback: is the dataset its"),
    # missing and contradictory
    "empty": ("", "train: missing; add [train] with epochs = 25 or steps = 10000"),
    "only a comment": ("# TODO\n", "dataset: missing; add [dataset] with e.g. use ="),
    "no end": (changed("epochs = 25\n", ""), "train: does not say when to stop; add epochs ="),
    "no dataset": (changed('[dataset]\nuse = "mnist"\nfallback = "digits"', ""), "dataset: missin"),
    "no optimizers": (GOOD[: GOOD.index("[optimizer")], "optimizer: missing; add [optimizer.gener"),
    "half of the optimizers": (GOOD[: GOOD.index("[optimizer.d")], "optimizer.discriminator: miss"),
    "widths and scales": (added("generator", "widths = [1]"), "'widths' names 1 maps and 'scales'"),
    "weight of a clip": (
        changed('"r1"', '"weight_clip"\nweight = 2'),
        "clipping adds no term to weigh",
    ),
    # sheets' names are file names
    "path traversal": (GOOD + "[samples]\nname = '../{step}'\n", "samples.name: needs text of the"),
    "absolute path": (GOOD + "[samples]\nname = '/tmp/{step}'\n", "needs text of the form"),
    "format attack": (GOOD + "[samples]\nname = '{step.__class__}'\n", "needs text of the form"),
    "wide format": (GOOD + "[samples]\nname = '{step:0999999999d}'\n", "needs text of the form"),
    "no step": (GOOD + "[samples]\nname = 'CON'\n", "needs text of the form"),
    "html name": (GOOD + "[samples]\nname = '<script>{step}'\n", "needs text of the form"),
    "name of 300": (GOOD + f"[samples]\nname = '{'x' * 300}{{step}}'\n", "needs at most 100 char"),
    # hostile characters
    "NUL": (changed('"bce"', '"b\\u0000ce"'), "loss.use: holds the invisible character U+0000"),
    "newline": (changed('"bce"', '"b\\nce"'), "holds the invisible character U+000A"),
    "ANSI": (changed('"bce"', '"\\u001b[2J"'), "holds the invisible character U+001B; remove it"),
    "right to left": (changed('"bce"', '"\u202eecb"'), "holds the invisible character U+202E"),
    "zero width": (changed('"bce"', '"b\u200bce"'), "holds the invisible character U+200B"),
    "ANSI in a key": (added("train", '"\\u001b[2J" = 1'), "holds the invisible character U+001B"),
    "multi-line text": (changed('"bce"', '"""b\nce"""'), "holds the invisible character U+000A"),
    "rich markup": (changed('"bce"', '"[/x]"'), "no loss named '[/x]'"),
    "homoglyph": (changed("epochs", '"\u0435pochs"'), "train.\u0435pochs: unknown key; did you me"),
    "long text": (changed('"bce"', f'"{"b" * 1000}"'), "1000 characters of text; 800 are allowed"),
    # not TOML
    "json": ('{"train": {"epochs": 3}}', ":1: not TOML: invalid statement; a line is a [table], k"),
    "yaml": ("train:\n  epochs: 3\n", ":1: not TOML: "),
    "python": ("import os\nos.system('x')\n", ":1: not TOML: "),
    "ini": ("[train]\nepochs: 3\n", ":2: not TOML: "),
    "pickle": ("\x80\x04\x95.", ":1: not TOML: "),
    "html": ("<!doctype html><html></html>", ":1: not TOML: "),
    "merge marker": ("<<<<<<< HEAD\n" + GOOD, ":1: not TOML: "),
    "no quotes": (changed('"bce"', "bce"), "not TOML: invalid value; a value is a number, true, f"),
    "python constants": (added("generator", "bias = True"), "not TOML: invalid value"),
    "key twice": (added("train", "epochs = 3"), "not TOML: cannot overwrite a value; the key is t"),
    "table twice": (GOOD + "[train]\n", "not TOML: cannot declare"),
    "unclosed text": (changed('"bce"', '"bce'), "not TOML: "),
    "unclosed list": (GOOD + "every = [1,\n", "not TOML: "),
    "unclosed header": (changed("[train]", "[train"), ":9: not TOML: "),
    "no value": (changed("epochs = 25", "epochs ="), ":10: not TOML: invalid value"),
    "comma": (changed("epochs = 25", "epochs = 25,"), ":10: not TOML: "),
    "leading zero": (changed("epochs = 25", "epochs = 025"), ":10: not TOML: "),
    "NUL byte": (GOOD + "\x00", "not TOML: "),
    # giants
    "64 KiB and more": ("#" * 70_000, "more than 64 KiB; no recipe needs as much"),
    "long line": ("#" + "x" * 3000 + "\n" + GOOD, ":1: a line of 3001 characters; 2000 are allowe"),
    "deep list": (GOOD + "every = " + "[" * 500 + "]" * 500, "nested more than 16 deep"),
    "deeper list": (GOOD + "every = " + "[\n" * 20_000, "nested more than 16 deep"),
    "deep table": (GOOD + "x = " + "{a = " * 300 + "1" + "}" * 300, "nested more than 16 deep"),
    "long key": ("a" + ".a" * 900 + " = 1", ":1: a key of more than 16 parts; recipes need 4"),
    "long header": ("[a" + ".a" * 900 + "]\n" + "b = 1\n" * 9000, ":1: a key of more than 16 part"),
    "thousands of keys": ("".join(f"k{n} = 1\n" for n in range(6000)), "... and 5986 more."),
    "thousands of tables": ("[a]\n" + "".join(f"[t{n}]\n" for n in range(6000)), "... and 5987 mo"),
    "thousands of items": (GOOD + f"every = {[1] * 600}", "needs an integer, got a list"),
    "large integer": (added("train", f"seed = {'9' * 1900}"), "got a number of more than 40 digit"),
    "large hexadecimal": (added("train", f"seed = 0x{'f' * 1900}"), "got a number of more than 40"),
    "large exponent": (added("train", "seed = 1e400"), "train.seed: needs an integer, got inf"),
    # extends
    "extends itself": ('extends = "r.toml"\n', "extends: leads back to itself: r.toml -> r.toml"),
    "extends nothing": ('extends = "nothing"\n', "extends: there is no recipe 'nothing'"),
    "extends upwards": ('extends = "../r.toml"\n', "'../r.toml' points outside this folder"),
    "extends absolutely": ('extends = "/etc/passwd"\n', "'/etc/passwd' points outside this folder"),
    "extends a device": ('extends = "/dev/zero"\n', "'/dev/zero' points outside this folder"),
    "extends a folder": ('extends = "."\n', "extends: there is no recipe '.'"),
    "extends an address": ('extends = "http://x.y/z"\n', "there is no recipe 'http://x.y/z'"),
    "extends a number": ("extends = 3\n", "extends: needs a name in quotes"),
    "extends a list": ('extends = ["dcgan_mnist"]\n', "extends: needs a name in quotes"),
    "extends within a table": (GOOD + '[step]\nextends = "x"\n', "step.extends: unknown key"),
    "wrong child": ('extends = "dcgan_mnist"\n[loss]\nuse = "bec"\n', ":3: loss.use: no loss name"),
    "position too far": (
        'extends = "wgan_mnist"\n[regularizer.1]\nweight = 2\n',
        ":2: regularizer.1: there is no such item to change; the list has 1",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TEXTS)
def test_a_bad_recipe_is_refused(name: str, tmp_path: Path, own: registry.Registry) -> None:
    text, expected = TEXTS[name]
    path = tmp_path / "r.toml"
    path.write_text(text, encoding="utf-8")

    message = refusal(path, own)

    assert expected in message
    assert str(path) in message


BYTES: dict[str, tuple[bytes, str]] = {
    "utf-16": (GOOD.encode("utf-16"), "r.toml:1: not UTF-8; save it as UTF-8 text"),
    "utf-32": (GOOD.encode("utf-32"), "r.toml:1: not UTF-8"),
    "latin-1": (GOOD.replace("MNIST", "MÜNIST", 1).encode("latin-1"), "r.toml:2: not UTF-8"),
    "cut utf-8": ("# é".encode()[:-1], "r.toml:1: not UTF-8"),
    "surrogates": (b"# \xed\xa0\x80", "r.toml:1: not UTF-8"),
    "gzip": (b"\x1f\x8b\x08\x00\x00\x00", "r.toml:1: not UTF-8"),
    "png": (b"\x89PNG\r\n\x1a\n", "r.toml:1: not UTF-8"),
    "old mac line ends": (GOOD.replace("\n", "\r").encode(), "r.toml:1: not TOML"),
    "two byte order marks": (b"\xef\xbb\xbf" * 2 + GOOD.encode(), "r.toml:1: not TOML"),
}


@pytest.mark.parametrize("name", BYTES)
def test_a_recipe_in_another_encoding_is_refused(
    name: str, tmp_path: Path, own: registry.Registry
) -> None:
    content, expected = BYTES[name]
    path = tmp_path / "r.toml"
    path.write_bytes(content)

    assert expected in refusal(path, own)


def _sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(100 << 20)


FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    "folder": (Path.mkdir, "a folder, not a file"),
    "pipe": (os.mkfifo, "a pipe or device, not a file"),
    "link to a device": (lambda path: path.symlink_to("/dev/zero"), "a pipe or device, not a file"),
    "link to itself": (lambda path: path.symlink_to(path), "cannot be read"),
    "link to nothing": (lambda path: path.symlink_to("nothing"), "cannot be read"),
    "nothing": (Path.exists, "cannot be read (No such file or directory)"),
    "100 MiB": (_sparse, "more than 64 KiB"),
}


@pytest.mark.parametrize("name", FILES)
def test_what_is_no_ordinary_file_is_refused(
    name: str, tmp_path: Path, own: registry.Registry
) -> None:
    make, expected = FILES[name]
    path = tmp_path / "r.toml"
    make(path)

    assert expected in refusal(path, own)


@pytest.mark.parametrize(
    "name", ["-rf", "a b", "é\u202e", "\x1b[2J", "<img src=x>", "x" * 250, "[b]x"]
)
def test_a_hostile_file_name_is_shown_harmlessly(
    name: str, tmp_path: Path, own: registry.Registry
) -> None:
    path = tmp_path / name
    path.write_text("a")

    refusal(path, own)


@pytest.mark.parametrize(
    "name", ["\0", "x" * 300, "a/" * 3000, "\udcff", "/dev/null/x", "~", "", "-"]
)
def test_a_name_that_no_file_can_have_is_no_recipe(name: str, own: registry.Registry) -> None:
    with pytest.raises(GanzooError) as caught:
        load_recipe(find_recipe(name), own)
    with pytest.raises(RecipeError):
        load_recipe(Path(name), own)

    assert str(caught.value).isprintable()


OVERRIDES = [
    "",
    "train",
    "train=",
    "=3",
    "train.batch_size",
    "train.batch_size=",
    "train..batch_size=3",
    ".train=1",
    "train.=1",
    "train.batch_size=1=2",
    "train.batchsize=3",
    "train.batch_size=abc",
    'train.batch_size="64"',
    "train.batch_size=1e9",
    "train.batch_size=1000000001",
    "train.batch_size=true",
    "loss.name=[",
    "loss.use=[",
    "name=../x",
    "name='../x'",
    "train={}",
    "train=3",
    "train.seed=0x",
    "train.seed=\N{MINUS SIGN}1",
    "train.seed=\N{FULLWIDTH DIGIT ONE}",
    "train.seed=__import__('os').system('touch x')",
    "train.seed=$(touch x)",
    "train.seed=None",
    "__class__=1",
    "train.__class__=1",
    "loss._target_=os",
    "regularizer.1.weight=1",
    "regularizer.-1.weight=1",
    "regularizer.x.weight=1",
    "regularizer.0.wait=1",
    "regularizer.0=1",
    "optimizer.generator.betas.0=1",
    "optimizer.generator.betas.2=0",
    "optimizer.lr=1",
    "generator.use=conv",
    "extends=wgan_mnist",
    "a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q.r.s=1",
    "train.epochs=" + "9" * 5000,
    "train.epochs=" + "[" * 1000,
    "train.epochs=1\nseed=2",
    "train.epochs=1\r\nseed=2",
    "train.order=\x1b[2J",
    "train.order='\u202e'",
    "train.order='\udcff'",
    "train.order=\0",
    "--device=cuda",
    "requires=['a b']",
    "samples.name='{step}/..'",
]


@pytest.mark.parametrize("override", OVERRIDES, ids=lambda override: ascii(override)[:40])
def test_a_bad_override_is_refused_and_quoted(
    override: str, tmp_path: Path, own: registry.Registry
) -> None:
    path = tmp_path / "r.toml"
    path.write_text(GOOD, encoding="utf-8")

    message = refusal(path, own, "train.log_every=9", override)

    visible = "".join(filter(str.isprintable, override.strip().partition("\n")[0]))
    assert "--set: " in message
    assert visible[:50] in message


def test_there_are_more_than_a_hundred_of_them() -> None:
    assert len(TEXTS) + len(BYTES) + len(FILES) + len(OVERRIDES) > 200


# --- what must pass

PASS: dict[str, Callable[[str], str | bytes]] = {
    "as it is": lambda text: text,
    "byte order mark": lambda text: b"\xef\xbb\xbf" + text.encode(),
    "dos line ends": lambda text: text.replace("\n", "\r\n").encode(),
    "no last line end": lambda text: text.rstrip(),
    "comments in all scripts": lambda text: "# 日本語 \N{PILE OF POO} Ä\n" + text,
    "integer for float": lambda text: text.replace("dropout = 0.3", "dropout = 0"),
    "quoted keys": lambda text: text.replace("[train]", '["train"]').replace("epochs", "'epochs'"),
    "dotted keys": lambda text: text.replace("[loss]\nuse =", "[loss] # x\n\"use\" ="),
    "steps": lambda text: text.replace("epochs = 25", "steps = 1"),
    "largest seed": lambda text: text.replace("epochs = 25", "epochs = 25\nseed = 4294967295"),
    "a long comment": lambda text: text + "#" + "x" * 1999,
    "many comments": lambda text: text + "# x\n" * 15_000,
    "its own plugins": lambda text: 'requires = ["ganzoo-torch"]\n' + text,
}  # fmt: skip


@pytest.mark.parametrize("name", PASS)
def test_an_unusual_but_good_recipe_passes(
    name: str, tmp_path: Path, own: registry.Registry
) -> None:
    content = PASS[name](GOOD)
    path = tmp_path / "r.toml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())

    assert isinstance(load_recipe(path, own), Recipe)


# --- mutations


def mutated(text: str, dice: random.Random) -> bytes:
    """Change a recipe in one to four places: its lines, values, names, characters or bytes."""
    for _ in range(dice.randint(1, 4)):
        text = dice.choice(CHANGES)(text, dice)
    content = text.encode("utf-8", "replace")
    if dice.random() < 0.1:
        at = dice.randrange(len(content) + 1)
        content = content[:at] + bytes([dice.randrange(256)]) + content[at + 1 :]
    return content


VALUES = [
    "0", "-1", "1", "3.5", "nan", "-inf", "1e308", "true", "false", '""', '"x"', "'transpose'",
    "[]", "[1]", "[[1]]", "[1, 'a']", "{}", "{ use = 'bce' }", "{ a = { b = 1 } }", "1979-05-27",
    "07:32:00", "0xffffffffffffffffffff", "9999999999999999999999999", '"\\u0000"', "'''\n'''",
    '"{step}"', "[" * 20 + "]" * 20, "", "=", "None", '"' + "x" * 900 + '"',
]  # fmt: skip
NAMES = [
    "use",
    "extends",
    "requires",
    "x",
    "''",
    '"a.b"',
    "0",
    "loss",
    "regularizer",
    "weight",
    "é",
]
CHARACTERS = "\n\r\t \"'[]{}=.,#\\-_0aé\x00\x1b\u202e\u2028\ufeff\N{PILE OF POO}"


def _value(text: str, dice: random.Random) -> str:
    lines = text.split("\n")
    at = dice.choice([n for n, line in enumerate(lines) if "=" in line] or [0])
    lines[at] = lines[at].partition("=")[0] + "= " + dice.choice(VALUES)
    return "\n".join(lines)


def _name(text: str, dice: random.Random) -> str:
    found = list(re.finditer(r"[A-Za-z_]+", text))
    if not found:
        return text
    word = dice.choice(found)
    letters = list(word[0])
    letters[dice.randrange(len(letters))] = dice.choice("aeiou_")
    other = dice.choice([dice.choice(NAMES), "".join(letters)])
    return text[: word.start()] + other + text[word.end() :]


def _line(text: str, dice: random.Random) -> str:
    lines = text.split("\n")
    at = dice.randrange(len(lines))
    new = f"{dice.choice(NAMES)} = {dice.choice(VALUES)}"
    other = dice.choice(lines)
    head = dice.choice(
        ["[x]", "[[regularizer]]", "[loss.a]", "[[loss]]", "[", "[optimizer.generator]"]
    )
    lines[at : at + 1] = dice.choice([[], [lines[at]] * 2, [lines[at], new], [other], [head]])
    return "\n".join(lines)


def _character(text: str, dice: random.Random) -> str:
    at = dice.randrange(len(text) + 1)
    new = dice.choice(CHARACTERS) * dice.choice([0, 1, 1, 3])
    return text[:at] + new + text[at + dice.randint(0, 2) :]


def _cut(text: str, dice: random.Random) -> str:
    start, end = sorted(dice.randrange(len(text) + 1) for _ in range(2))
    return dice.choice([text[:start], text[:start] + text[end:], text + text[start:end]])


def attempt(path: Path, own: registry.Registry, overrides: list[str]) -> Recipe | RecipeError:
    try:
        return load_recipe(path, own, overrides)
    except RecipeError as error:
        return error


CHANGES = [_value, _value, _name, _line, _line, _character, _cut]


@pytest.mark.parametrize("mutations", [1000, pytest.param(20_000, marks=pytest.mark.slow)])
def test_a_mutated_recipe_is_a_recipe_or_a_helpful_error(
    tmp_path: Path, own: registry.Registry, mutations: int
) -> None:
    dice = random.Random(20)
    texts = [path.read_text(encoding="utf-8") for path in shipped().values()]
    texts += [freeze(load_recipe(path, own)) for path in shipped().values()]
    path, frozen = tmp_path / "r.toml", tmp_path / "frozen.toml"
    passed = 0
    slowest = 0.0

    for number in range(mutations):
        content = mutated(dice.choice(texts), dice)
        path.write_bytes(content)
        overrides = [f"{dice.choice(NAMES)}={dice.choice(VALUES)}"] if number % 5 == 0 else []
        began = time.process_time()
        outcome = attempt(path, own, overrides)
        slowest = max(slowest, time.process_time() - began)
        if isinstance(outcome, Recipe):
            passed += 1
            if passed % 5 == 0:
                frozen.write_text(freeze(outcome), encoding="utf-8")
                # Another recipe in its place is no part of a run, and not frozen with it.
                here = outcome.model_copy(update={"fallback": None})
                assert load_recipe(frozen, own) == here
        else:
            assert is_helpful(outcome, path), (number, content, str(outcome))

    assert slowest < SECONDS
    assert mutations * 0.02 < passed < mutations * 0.5
    assert {each.name for each in tmp_path.iterdir()} <= {"r.toml", "frozen.toml"}
