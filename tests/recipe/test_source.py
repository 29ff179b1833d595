"""Reading recipes: where keys were written, what extends what, what overrides do."""

from __future__ import annotations

import os
import random
import re
import string
import time
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toys import written

from ganzoo.common.errors import GanzooError
from ganzoo.recipe.problems import RecipeError
from ganzoo.recipe.source import Origin, find_recipe, read_source, shipped
from ganzoo.recipe.toml import lines_of_keys

SCALARS = [
    "1",
    "-1_000",
    "0xff",
    "1.5",
    "6.02e23",
    "nan",
    "true",
    "1979-05-27T07:32:00Z",
    "1979-05-27 07:32:00",
    "07:32:00",
    '""',
    '"a # b"',
    '"]"',
    '"{ = , }"',
    '"quote \\" and \\\\"',
    "''",
    "'[ # \\'",
    '""""""',
    '"""a\n[b]\nc = 1 # "" \\""" """',
    '"""two more: """""',
    '"""\\\n   joined"""',
    "''''''",
    "'''\nx = \"\"\"\n[[y]]'''",
    "''' ends in '''''",
]
KEYS = ["a", "b-c", "1", "1.5", "true", "a b", "#", "=", "[x]", '"', "'", "é", "", "\\", "\t"]


class Writer:
    """Writes a tree as TOML in a random style and notes the line of every key by itself."""

    def __init__(self, dice: random.Random) -> None:
        self.dice = dice
        self.text = ""
        self.lines: dict[tuple[str | int, ...], int] = {}

    def note(self, path: tuple[str | int, ...]) -> None:
        for end in range(1, len(path) + 1):
            self.lines.setdefault(path[:end], self.text.count("\n") + 1)

    def table(self, path: tuple[str | int, ...], header: str, tree: dict[str, Any]) -> None:
        later = []
        for key, value in tree.items():
            if self.dice.random() < 0.5 and (isinstance(value, dict) or _is_tables(value)):
                later.append((key, value))
            else:
                self.pair((*path, key), self.key(key), value)
        for key, value in later:
            name = f"{header}{self.dot()}{self.key(key)}" if header else self.key(key)
            if isinstance(value, dict):
                self.note((*path, key))
                self.text += f"{self.space()}[{self.space()}{name}{self.space()}]{self.end()}"
                self.table((*path, key), name, value)
                continue
            for index, item in enumerate(value):
                self.note((*path, key, index))
                self.text += f"[[{self.space()}{name}]]{self.end()}"
                self.table((*path, key, index), name, item)

    def pair(self, path: tuple[str | int, ...], name: str, value: Any) -> None:
        if isinstance(value, dict) and value and self.dice.random() < 0.5:
            for key, inner in value.items():
                self.pair((*path, key), f"{name}{self.dot()}{self.key(key)}", inner)
            return
        self.note(path)
        self.text += f"{self.space()}{name}{self.space()}={self.space()}"
        self.value(path, value)
        self.text += self.end()

    def value(self, path: tuple[str | int, ...], value: Any) -> None:
        if isinstance(value, dict):
            self.text += "{ "
            for number, (key, inner) in enumerate(value.items()):
                self.text += ", " if number else ""
                self.note((*path, key))
                self.text += f"{self.key(key)} = "
                self.value((*path, key), inner)
            self.text += " }"
        elif isinstance(value, list):
            self.text += "["
            for index, inner in enumerate(value):
                self.text += self.gap()
                self.note((*path, index))
                self.value((*path, index), inner)
                self.text += self.gap() + ("," if index < len(value) - 1 else "")
            self.text += self.gap() + "]"
        else:
            self.text += value

    def key(self, key: str) -> str:
        bare = set(string.ascii_letters + string.digits + "-_")
        styles = ['"' + key.replace("\\", "\\\\").replace('"', '\\"').replace("\t", "\\t") + '"']
        if key and set(key) <= bare:
            styles += [key, key]
        if "'" not in key:
            styles.append(f"'{key}'")
        return self.dice.choice(styles)

    def dot(self) -> str:
        return self.dice.choice([".", ".", " . "])

    def space(self) -> str:
        return self.dice.choice(["", " ", "\t"])

    def gap(self) -> str:
        return self.dice.choice(["", " ", "\n", " # ] , [\n", "\n\n"])

    def end(self) -> str:
        return self.dice.choice(["\n", "\n", ' # [x] "\n', "\n\n", '\n# a = """\n'])


def _is_tables(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, dict) for one in value)


def _paths(value: Any, path: tuple[str | int, ...] = ()) -> set[tuple[str | int, ...]]:
    found = {path} if path else set()
    if isinstance(value, dict):
        inner: Any = value.items()
    elif isinstance(value, list):
        inner = enumerate(value)
    else:
        return found
    return found.union(*(_paths(one, (*path, key)) for key, one in inner))


trees = st.dictionaries(
    st.sampled_from(KEYS),
    st.recursive(
        st.sampled_from(SCALARS),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=3)
        ),
        max_leaves=8,
    ),
    max_size=5,
)


@settings(max_examples=300, deadline=None)
@given(trees, st.randoms(use_true_random=False))
def test_every_key_of_any_toml_is_found_on_its_line(
    tree: dict[str, Any], dice: random.Random
) -> None:
    writer = Writer(dice)
    writer.table((), "", tree)

    lines = lines_of_keys(writer.text)

    assert set(lines) == _paths(tomllib.loads(writer.text))
    assert lines == writer.lines


def test_a_key_is_placed_with_its_written_line_and_an_unwritten_one_with_the_table_around_it(
    tmp_path: Path,
) -> None:
    path = written(tmp_path, '# head\n[train]\nepochs = 3\n\n[[regularizer]]\nuse = "r1" # why\n')

    source = read_source(path)

    file = str(path)
    assert source.tables == {"train": {"epochs": 3}, "regularizer": [{"use": "r1"}]}
    assert source.place(("train", "epochs")) == Origin(file, 3, "epochs = 3")
    assert source.place(("train", "steps")) == Origin(file, 2, "[train]")
    assert source.place(("regularizer", 0, "use")) == Origin(file, 6, 'use = "r1" # why')
    assert source.place(("regularizer", 7)) == Origin(file, 5, "[[regularizer]]")
    assert source.place(("loss",)) is None


def test_a_byte_order_mark_and_dos_line_ends_are_accepted(tmp_path: Path) -> None:
    path = tmp_path / "r.toml"
    path.write_bytes(b"\xef\xbb\xbf[train]\r\nepochs = 3\r\n")

    source = read_source(path)

    assert source.tables == {"train": {"epochs": 3}}
    assert source.place(("train", "epochs")) == Origin(str(path), 2, "epochs = 3")


# --- bounds: what is refused before, or while, it is parsed


def _refusal(path: Path, *overrides: str) -> str:
    began = time.process_time()
    with pytest.raises(RecipeError) as caught:
        read_source(path, overrides)
    assert time.process_time() - began < 1
    return str(caught.value)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"#" * 100_000, "r.toml: more than 64 KiB; no recipe needs as much"),
        (b"a = 1\n#" + b"x" * 2000, "r.toml:2: a line of 2001 characters; 2000 are allowed"),
        (b"a" + b".a" * 900 + b" = 1", "r.toml:1: a key of more than 16 parts"),
        (b"[" + b"'a' . " * 300 + b"a]\n" + b"b=1\n" * 5000, "r.toml:1: a key of more than 16"),
        ((b" " * 1999 + b"\n") * 30 + b"=", "r.toml:31: not TOML: "),
        ((b"[" * 1999 + b"\n") * 30, "r.toml:1: not TOML: "),
        ((b"a" * 1999 + b"\n") * 30, "r.toml:1: not TOML: "),
        (b"x = {" + b"a." * 900 + b"a = 1}", "r.toml: tables or lists nested more than 16 deep"),
        (b"a = " + b"[" * 900 + b"]" * 900, "nested more than 16 deep"),
        (b"a = " + b"[\n" * 30_000, "nested more than 16 deep"),
        (b"a = " + b"[" * 30 + b"]" * 30, "nested more than 16 deep"),
        (b"a = 1\nb = 2\na = 3\n", "r.toml:3: not TOML: cannot overwrite a value; the key is"),
        (b"a = 1\nb\n", "r.toml:2: not TOML: expected '='"),
        (b"a = yes\n", "r.toml:1: not TOML: invalid value; a value is a number, true, false"),
        (b'a = 1\nb = "x\n', "r.toml:2: not TOML: "),
        (b"a = [1,\n2\n\n\n", "r.toml:2: not TOML: unclosed array"),
        (b"[a]\n[a]\n", "r.toml:2: not TOML: cannot declare ('a',) twice"),
        ("a = 'é'\nb = 'ü'".encode("latin-1"), "r.toml:1: not UTF-8; save it as UTF-8 text"),
        (b"a = 1\nb = '\xff'", "r.toml:2: not UTF-8"),
        ("a = 1".encode("utf-16"), "r.toml:1: not UTF-8"),
        (b"a = 1\x00", "r.toml:1: not TOML: "),
        (
            "a = 1\n\u00a0b = 1".encode(),
            "r.toml:2: not TOML: invalid statement; the line holds the ",
        ),
        ("a\u200b = 1".encode(), "the line holds the invisible character U+200B; remove it"),
        (b'[a]\nb = "x\\u0000"', "r.toml:2: a.b: holds the invisible character U+0000"),
        (b'a = "\\u001b[2J"', "r.toml:1: a: holds the invisible character U+001B; remove it"),
        ("a = ['\u202etxt']".encode(), "r.toml:1: a.0: holds the invisible character U+202E"),
        (b'"a\\u0007" = 1', "holds the invisible character U+0007"),
        (b"a = '" + b"x" * 900 + b"'", "r.toml:1: a: 900 characters of text; 800 are allowed"),
    ],
)
def test_text_that_is_no_recipe_is_refused_in_an_instant(
    tmp_path: Path, content: bytes, expected: str
) -> None:
    path = tmp_path / "r.toml"
    path.write_bytes(content)

    message = _refusal(path)

    assert expected in message
    assert message.endswith("1 error, nothing was started.")


def test_what_is_shown_of_a_recipe_has_no_control_characters(tmp_path: Path) -> None:
    path = tmp_path / "\x1b[2Jr\n.toml"
    path.write_text('a = "\\u001b]0;x" # \u202e \u2028 \x1b[31m')

    message = _refusal(path)

    assert "[2Jr .toml:1: not TOML" in message
    assert message.replace("\n", "").isprintable()


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda path: path.mkdir(), "a folder, not a file; give the path of a .toml file"),
        (lambda path: os.mkfifo(path), "a pipe or device, not a file"),
        (lambda path: path.symlink_to("/dev/zero"), "a pipe or device, not a file"),
        (lambda path: path.symlink_to(path), "cannot be read (Too many levels of symbolic links)"),
        (Path.exists, "cannot be read (No such file or directory); give the path"),
    ],
)
def test_only_regular_files_are_read(tmp_path: Path, make: Any, expected: str) -> None:
    path = tmp_path / "r.toml"
    make(path)

    assert expected in _refusal(path)


# --- extends


def test_a_child_changes_single_keys_and_replaces_lists(tmp_path: Path) -> None:
    written(
        tmp_path,
        '[train]\nepochs = 1\nseed = 2\n[[r]]\nuse = "a"\n[[r]]\nuse = "b"\n'
        '[o.g]\nuse = "x"\nl = 1\n',
        "base.toml",
    )
    path = written(
        tmp_path,
        'extends = "base.toml"\n[train]\nepochs = 3\n[[r]]\nuse = "c"\n[o.g]\nl = 2\n',
    )

    source = read_source(path)

    assert source.tables == {
        "train": {"epochs": 3, "seed": 2},
        "r": [{"use": "c"}],
        "o": {"g": {"use": "x", "l": 2}},
    }
    base = str(tmp_path / "base.toml")
    assert source.place(("train", "epochs")) == Origin(str(path), 3, "epochs = 3")
    assert source.place(("train", "seed")) == Origin(base, 3, "seed = 2")
    assert source.place(("r", 0, "use")) == Origin(str(path), 5, 'use = "c"')
    assert source.place(("o", "g", "use")) == Origin(base, 9, 'use = "x"')


def test_a_child_that_names_another_component_replaces_its_table_whole(tmp_path: Path) -> None:
    written(tmp_path, '[g]\nuse = "x"\nwidth = 3\n[h]\nuse = "x"\nwidth = 3\n', "base.toml")
    path = written(tmp_path, 'extends = "base"\n[g]\nuse = "y"\n[h]\nuse = "x"\n')

    assert read_source(path).tables == {"g": {"use": "y"}, "h": {"use": "x", "width": 3}}


def test_a_recipe_may_extend_one_that_extends_a_shipped_one(tmp_path: Path) -> None:
    written(tmp_path, 'extends = "dcgan_mnist"\n[train]\nseed = 5\n', "middle.toml")
    path = written(tmp_path, 'extends = "middle.toml"\n[train]\nepochs = 1\n')

    tables = read_source(path).tables

    assert "extends" not in tables
    assert (tables["train"]["epochs"], tables["train"]["seed"]) == (1, 5)
    assert tables["generator"]["use"] == "transpose"


@pytest.mark.parametrize(
    ("extends", "expected"),
    [
        ('"r.toml"', "r.toml:1: extends: leads back to itself: r.toml -> r.toml"),
        ('"../r.toml"', "r.toml:1: extends: '../r.toml' points outside this folder"),
        ('"a/../../r.toml"', "points outside this folder"),
        ('"..\\\\r.toml"', "points outside this folder"),
        ('"~/r.toml"', "points outside this folder"),
        (
            '"/etc/passwd"',
            "points outside this folder; name a recipe in the same folder, or a ship",
        ),
        ('"dcgan_mnits"', "there is no recipe 'dcgan_mnits'; did you mean 'dcgan_mnist'?"),
        ('"https://example.org/r.toml"', "there is no recipe 'https://example.org/r.toml'"),
        ("3", "extends: needs a name in quotes"),
        ('["a"]', "extends: needs a name in quotes"),
        ('""', "extends: needs a name in quotes"),
        ('"."', "extends: there is no recipe '.'"),
    ],
)
def test_a_wrong_extends_is_named_with_its_line(
    tmp_path: Path, extends: str, expected: str
) -> None:
    message = _refusal(written(tmp_path, f"extends = {extends}\n"))

    assert expected in message


def test_recipes_that_extend_each_other_are_named(tmp_path: Path) -> None:
    written(tmp_path, 'extends = "c.toml"\n', "b.toml")
    written(tmp_path, '\nextends = "a.toml"\n', "c.toml")
    path = written(tmp_path, 'extends = "b.toml"\n', "a.toml")

    message = _refusal(path)

    assert (
        "c.toml:2: extends: leads back to itself: a.toml -> b.toml -> c.toml -> a.toml" in message
    )


def test_a_long_chain_of_recipes_is_refused(tmp_path: Path) -> None:
    for number in range(20):
        written(tmp_path, f'extends = "{number + 1}.toml"\n', f"{number}.toml")

    assert "more than 8 levels of 'extends'" in _refusal(tmp_path / "0.toml")


def test_an_error_in_an_extended_recipe_names_that_file(tmp_path: Path) -> None:
    written(tmp_path, "a = 1\nb = \n", "base.toml")

    assert "base.toml:2: not TOML" in _refusal(written(tmp_path, 'extends = "base.toml"\n'))


# --- overrides

BASE = """\
[train]
epochs = 1
[loss]
use = "bce"
smoothing = 0.1
[[regularizer]]
use = "r1"
weight = 1.0
[[regularizer]]
use = "r2"
[optimizer.generator]
betas = [0.5, 0.9]
"""


@pytest.mark.parametrize(
    ("override", "keys", "expected"),
    [
        ("train.epochs=3", ("train", "epochs"), 3),
        (" train.epochs = 3 # three", ("train", "epochs"), 3),
        ("train.epochs=1e3", ("train", "epochs"), 1000.0),
        ("train.order=shuffle", ("train", "order"), "shuffle"),
        ("train.order=least_squares-2", ("train", "order"), "least_squares-2"),
        ('train.order="a b"', ("train", "order"), "a b"),
        ("train.order='a b'", ("train", "order"), "a b"),
        ("train.keep=true", ("train", "keep"), True),
        ("train.keep=True", ("train", "keep"), "True"),
        ("dataset.size=[28, 32]", ("dataset", "size"), [28, 32]),
        ("loss.smoothing=0", ("loss",), {"use": "bce", "smoothing": 0}),
        ("loss.use=hinge", ("loss",), {"use": "hinge"}),
        ("loss.use=bce", ("loss",), {"use": "bce", "smoothing": 0.1}),
        ('loss={use = "hinge", a = 1}', ("loss",), {"use": "hinge", "a": 1}),
        ("loss={smoothing = 0}", ("loss",), {"use": "bce", "smoothing": 0}),
        ("regularizer.0.weight=3", ("regularizer", 0), {"use": "r1", "weight": 3}),
        ("regularizer.0.use=r2", ("regularizer", 0), {"use": "r2"}),
        ("regularizer=[]", ("regularizer",), []),
        ("optimizer.generator.betas.1=0.5", ("optimizer", "generator", "betas"), [0.5, 0.5]),
    ],
)
def test_an_override_is_toml_or_a_word(
    tmp_path: Path, override: str, keys: tuple[str | int, ...], expected: object
) -> None:
    source = read_source(written(tmp_path, BASE), [override])

    value: Any = source.tables
    for key in keys:
        value = value[key]
    assert value == expected
    assert type(value) is type(expected)


def test_the_order_of_overrides_makes_no_difference(tmp_path: Path) -> None:
    path = written(tmp_path, BASE)
    overrides = [
        "loss.use=wasserstein",
        "loss.clip=0.1",
        "loss={clip = 0.2, other = 1}",
        "regularizer.0.weight=5",
        'regularizer=[{use = "r2"}]',
        "train.epochs=4",
        "train.seed=1",
    ]
    expected = read_source(path, overrides).tables
    dice = random.Random(0)

    assert expected["loss"] == {"use": "wasserstein", "clip": 0.1, "other": 1}
    assert expected["regularizer"] == [{"use": "r2", "weight": 5}]
    for _ in range(50):
        dice.shuffle(overrides)
        assert read_source(path, overrides).tables == expected


def test_of_two_values_for_one_key_the_later_counts(tmp_path: Path) -> None:
    path = written(tmp_path, BASE)

    tables = read_source(
        path, ["train.epochs=5", "loss.use=a", "train.epochs=6", "loss.use=b"]
    ).tables

    assert tables["train"]["epochs"] == 6
    assert tables["loss"] == {"use": "b"}


def test_an_overridden_key_is_placed_on_the_command_line(tmp_path: Path) -> None:
    source = read_source(written(tmp_path, BASE), ["regularizer.1.weight=2"])

    assert source.place(("regularizer", 1, "weight")) == Origin(
        "--set", 0, "regularizer.1.weight=2"
    )
    assert source.place(("regularizer", 1, "use")) == Origin(
        str(tmp_path / "r.toml"), 10, 'use = "r2"'
    )


@pytest.mark.parametrize(
    "text",
    ["/tmp/x", "~/my pictures", "../x", "C:\\images", "a=b", "1=2", "0x", "−1", "a,b", "x.y"],
)
def test_text_that_is_no_toml_stands_for_itself(tmp_path: Path, text: str) -> None:
    tables = read_source(written(tmp_path, BASE), [f"dataset.path={text}"]).tables

    assert tables["dataset"]["path"] == text


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("", "--set: needs key=value, e.g. train.epochs=3"),
        ("train", "needs key=value"),
        ("--lr", "needs key=value"),
        ("train.epochs", "needs key=value, e.g. train.epochs=3\n    train.epochs"),
        ("train.epochs=", "needs a value after the '=', e.g. train.epochs=3"),
        ("=3", "needs a key before the '='"),
        ("train..epochs=3", "needs a key before the '='"),
        (".train=1", "needs a key before the '='"),
        ("train epochs=1", "needs a key before the '='"),
        ("träin.epochs=1", "needs a key before the '='"),
        ("a\nb=1", "needs a key before the '='"),
        ("a" + ".a" * 5000 + "=1", "needs a key before the '='"),
        ("loss.use=[", "the value is not TOML; write a number, true, false, a [list], or text"),
        ("name='../x", "with a bracket or quote: name='\"some text\"'\n    name='../x"),
        ("dataset={use = x", "the value is not TOML"),
        ("name=a\u202eb", "holds the invisible character U+202E"),
        ("name=" + "../" * 300, "characters of text; 800 are allowed"),
        ("train.seed=1\n[loss]", "needs a value on one line"),
        ("a=" + "9" * 2100, "needs a value on one line of at most 2000 characters"),
        ("a=" + "[" * 900, "the value is not TOML"),
        ("a=" + "[" * 100 + "]" * 100, "nested more than 16 deep"),
        ('a="\\u001b"', "holds the invisible character U+001B"),
        ('a={"\\u001b" = 1}', "holds the invisible character U+001B"),
        ("train={}", "changes nothing; name a key in it"),
        ("extends=dcgan_mnist", "'extends' belongs in the recipe's file"),
        (
            "regularizer.2.weight=1",
            "regularizer.2: there is no such item to change; the list has 2",
        ),
        ("regularizer.9999.weight=1", "there is no such item"),
    ],
)
def test_a_wrong_override_is_quoted_with_what_to_write(
    tmp_path: Path, override: str, expected: str
) -> None:
    message = _refusal(written(tmp_path, BASE), "train.log_every=9", override)

    assert message.startswith("--set: ")
    assert expected in message


def test_every_wrong_override_is_reported(tmp_path: Path) -> None:
    message = _refusal(written(tmp_path, BASE), "a", "train.epochs=2", "b=", "=c")

    assert message.endswith("3 errors, nothing was started.")


# --- finding


def test_a_shipped_recipe_is_found_by_its_name_with_or_without_its_ending(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    assert find_recipe("dcgan_mnist") == find_recipe("dcgan_mnist.toml") == shipped()["dcgan_mnist"]


def test_a_file_is_preferred_to_a_shipped_recipe_but_a_folder_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dcgan_mnist").mkdir()
    mine = written(tmp_path, "", "wgan_mnist.toml")

    assert find_recipe("wgan_mnist.toml").samefile(mine)
    assert find_recipe(str(mine)) == mine
    assert find_recipe("dcgan_mnist") == shipped()["dcgan_mnist"]
    assert find_recipe(".") == Path(".")


@pytest.mark.parametrize("name", ["", "-", "dcgan_mnits", "\x1b[2J", "a\0b", "x" * 5000, "\udcff"])
def test_an_unknown_recipe_is_told_how_many_there_are_and_the_likely_ones(name: str) -> None:
    with pytest.raises(GanzooError) as caught:
        find_recipe(name)

    message = str(caught.value)
    assert re.search(r"here are (\d+|dcgan_mnist.* more): ganzoo list recipes; or give", message)
    assert ("did you mean 'dcgan_mnist'?" in message) == (name == "dcgan_mnits")
    assert message.isprintable()


def test_a_path_that_is_none_is_told_as_a_file(tmp_path: Path) -> None:
    with pytest.raises(
        GanzooError, match=r"^no file '.*nope\.toml', and no shipped recipe of that "
    ):
        find_recipe(str(tmp_path / "nope.toml"))


@pytest.mark.parametrize(
    ("written", "overrides", "length"),
    [
        ("epochs = 70", ["train.steps=600"], (None, 600)),
        ("steps = 600", ["train.epochs=3"], (3, None)),
        ("epochs = 70", ["train.epochs=3", "train.steps=600"], (3, 600)),
        ("epochs = 70\nsteps = 5", ["train.seed=1"], (70, 5)),
        ("epochs = 70\nsteps = 5", ["train.steps=9"], (None, 9)),
        ("epochs = 70", ["train={steps=9}"], (None, 9)),
    ],
)
def test_a_length_set_alone_replaces_an_inherited_one_in_the_other_unit(
    tmp_path: Path, written: str, overrides: list[str], length: tuple[int | None, int | None]
) -> None:
    below = tmp_path / "below.toml"
    below.write_text(f"[train]\n{written}\n")

    found = read_source(below, overrides).tables["train"]

    assert (found.get("epochs"), found.get("steps")) == length


def test_so_does_one_in_a_recipe_that_extends_another(tmp_path: Path) -> None:
    (tmp_path / "below.toml").write_text("[train]\nepochs = 70\nseed = 3\n")
    above = tmp_path / "above.toml"
    above.write_text('extends = "below"\n[train]\nsteps = 600\n')

    assert read_source(above).tables["train"] == {"seed": 3, "steps": 600}
