"""Checking recipes: every mistake in words with its place; freezing, comparing, digesting."""

from __future__ import annotations

import pickle
import re
import tomllib
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from toys import PLUGIN, RECIPE, REGISTRY, Critic, Large, Small, written

from ganzoo.plugin.registry import Registry
from ganzoo.plugin.specs import GeneratorSpec
from ganzoo.recipe.check import check, load_recipe
from ganzoo.recipe.layers import Origin, placed
from ganzoo.recipe.model import Recipe, differences, digest, freeze
from ganzoo.recipe.problems import RecipeError
from ganzoo.recipe.source import Source, read_source


def recipe(folder: Path, text: str = RECIPE, *overrides: str) -> Recipe:
    return load_recipe(written(folder, text), REGISTRY, overrides)


def refusal(folder: Path, text: str = RECIPE, *overrides: str) -> RecipeError:
    with pytest.raises(RecipeError) as caught:
        recipe(folder, text, *overrides)
    return caught.value


def from_text(text: str) -> Source:
    return Source("r.toml", placed(tomllib.loads(text), {}, Origin("r.toml", 0, "")))


# --- what is accepted


def test_the_smallest_recipe_has_every_default(tmp_path: Path) -> None:
    whole = recipe(tmp_path)

    assert isinstance(whole.generator, Small)
    assert isinstance(whole.discriminator, Critic)
    assert (whole.train.epochs, whole.train.steps, whole.train.batch_size) == (2, None, 128)
    assert (whole.latent.size, whole.step.discriminator_updates) == (100, 1)
    assert whole.regularizer == []
    assert whole.ema is None


def test_use_chooses_the_spec_and_the_spec_its_keys(tmp_path: Path) -> None:
    whole = recipe(tmp_path, RECIPE, "generator.use=large", "generator.depth=7")

    assert whole.generator == Large(depth=7)


def test_an_integer_will_do_for_a_float_and_becomes_one(tmp_path: Path) -> None:
    rate = recipe(tmp_path, RECIPE, "optimizer.generator.lr=1").optimizer.generator.lr

    assert (rate, type(rate)) == (1.0, float)


def test_a_recipe_can_be_put_together_from_specs(tmp_path: Path) -> None:
    whole = recipe(tmp_path)

    parts = {name: getattr(whole, name) for name in Recipe.model_fields}

    assert Recipe(**parts) == whole


# --- mistakes

CASES = [
    ("train.batch=3", "--set: train.batch: unknown key; did you mean 'batch_size'?"),
    ("epochs=3", "--set: epochs: unknown key; did you mean 'train.epochs'?"),
    ("batchSize=3", "--set: batchSize: unknown key; did you mean 'train.batch_size'?"),
    (
        "lr=3",
        "lr: unknown key; did you mean 'optimizer.generator.lr' or 'optimizer.discriminator.lr'?",
    ),
    ("train.lr=3", "--set: train.lr: unknown key; there are 'epochs', 'steps', 'batch_size', 'see"),
    ("generator.kernel=3", "generator.kernel: unknown key; there are 'use', 'width', 'size',"),
    ("generator.layers=3", "generator.layers: unknown key; there are 'use', 'width'"),
    ("generator.Width=3", "generator.Width: unknown key; did you mean 'width'?"),
    ("ema.x=1", "ema.x: unknown key; there is only 'half_life'"),
    ("ema.x=1", "ema.half_life: missing; add half_life = ..."),
    ("genrator.use=small", "genrator: unknown key; did you mean 'generator'?"),
    ("generator.noise.scael=1", "generator.noise.scael: unknown key; did you mean 'scale'?"),
    ("__class__=1", "__class__: unknown key"),
    ("loss._target_=os", "loss._target_: unknown key; there is only 'use'"),
    ("train.epochs=many", "train.epochs: needs an integer, got 'many'"),
    ("train.epochs=3.0", "train.epochs: needs an integer, got 3.0; write 3"),
    ("train.epochs=3.5", "train.epochs: needs an integer, got 3.5"),
    ("train.epochs=true", "train.epochs: needs an integer, got true"),
    ("train.epochs=nan", "train.epochs: needs an integer, got nan"),
    ("train.epochs=inf", "train.epochs: needs an integer, got inf"),
    ("train.epochs=[]", "train.epochs: needs an integer, got an empty list"),
    ("train.epochs={a = 1}", "train.epochs: needs an integer, got a table"),
    ("train.epochs=1979-05-27", "train.epochs: needs an integer, got the date or time 1979-05-27"),
    ("train.epochs=" + "9" * 50, "train.epochs: needs at most 1000000000, got a number of more th"),
    ('train.batch_size="64"', "train.batch_size: needs an integer, got '64'"),
    ("train.batch_size=0", "train.batch_size: needs at least 1, got 0"),
    ("train.batch_size=1_000_000_000", "train.batch_size: needs at most 1000000, got 1000000000"),
    ("train.batch_size=1e9", "train.batch_size: needs an integer, got 1000000000.0; write 1000000"),
    ("train.seed=-1", "train.seed: needs at least 0, got -1"),
    ("train.seed=4294967296", "train.seed: needs a number below 4294967296, got 4294967296"),
    ("train.order=shufle", "'sequential' or 'replacement', got 'shufle'; did you mean 'shuffle'?"),
    ("train.order=1", "train.order: needs 'shuffle', 'sequential' or 'replacement', got 1"),
    ("samples.name='../{step}'", "samples.name: needs text of the form ^"),
    ("samples.name='{step:01000000d}'", "samples.name: needs text of the form ^"),
    (f"samples.name='{'a' * 200}{{step}}'", "samples.name: needs at most 100 characters"),
    ("samples.rows=1000", "samples.rows: needs at most 100, got 1000"),
    ("latent.size=100_000_000", "latent.size: needs at most 65536"),
    ("ema.half_life=0.0", "ema.half_life: needs a number above 0, got 0.0"),
    ("ema.half_life=nan", "ema.half_life: needs a finite number, got nan"),
    ("discriminator.dropout=1.0", "discriminator.dropout: needs a number below 1, got 1.0"),
    ("discriminator.dropout=half", "discriminator.dropout: needs a number, got 'half'"),
    ("discriminator.dropout=" + "9" * 400, "discriminator.dropout: needs a number, got a number o"),
    ("optimizer.generator.betas=[0.5]", "betas: needs at least 2 items, got 1"),
    ("optimizer.generator.betas=[0.5, 0.5, 1]", "betas: needs at most 2 items, got 3"),
    ("optimizer.generator.betas=0.5", "betas: needs a list in [brackets], got 0.5"),
    ("optimizer.generator.betas=[0.5, 'x']", "optimizer.generator.betas.1: needs a number, got 'x"),
    ("generator.size=big", "generator.size: needs an integer, got 'big', or needs a list in"),
    ("generator.size=[1, 'a']", "generator.size"),
    ("generator.name=3", "generator.name: needs text in quotes, got 3"),
    ("generator.noise=3", "generator.noise: needs a table, got 3"),
    ("generator.change={scael = 1}", "generator.change: has the unknown key 'scael', or needs the"),
    ("generator.change={scael = 1}", ", or needs the key 'radius'"),
    ("latent=3", "latent: needs a table, got 3"),
    ("latent=[]", "latent: needs a table, got an empty list"),
    ("generator.use=smal", "generator.use: no generator named 'smal'; did you mean 'small'?"),
    ("generator.use=smal", "1 plugin failed to load and may provide it: ganzoo-bad 0.1 (ModuleNot"),
    ("generator.use=plain", "generator.use: no generator named 'plain'; 'plain' names a loss"),
    ("generator.use='os.system'", "generator.use: no generator named 'os.system'"),
    ("generator.use=3", "generator.use: needs a name in quotes, got 3; e.g. use = \"conditional\""),
    ("generator.use=['small']", "generator.use: needs a name in quotes, got a list"),
    ("regularizer=3", "regularizer: needs a list in [brackets], got 3"),
    ("regularizer={use = 'penalty'}", "regularizer: needs a list of tables, got a table; write it"),
    ("regularizer=[3]", "regularizer.0: needs a table, got 3; with use = \"penalty\""),
    ("regularizer=[{weight = 1}]", "regularizer.0.use: missing; add e.g. use = \"penalty\"; there"),
    ("regularizer=[{use = 'penalty', wait = 1}]", "regularizer.0.wait: unknown key; did you mean"),
    ("regularizer.0.weight=1", "regularizer: has no items that could be changed"),
    ("loss={use = 'picky', how = 'told'}", "loss: this loss has moods; write how = 'well'"),
    ("loss={use = 'picky', how = 'raised'}", "loss: loss 'picky' failed while checking its table"),
    ("loss={use = 'picky', how = 'value'}", "loss: 'how' disagrees with everything"),
    ("requires=['lsgan']", "requires.0: needs plugin 'lsgan', which is not installed; try 'pip in"),
    ("requires=['toys', 'bad']", "requires.1: needs plugin 'bad', which failed to load: ganzoo-ba"),
    ("requires=['x; rm -rf /']", "requires.0: 'x; rm -rf /' is not a plugin name; e.g. 'ganzoo"),
    ("requires=['--index-url']", "requires.0: '--index-url' is not a plugin name"),
    ("requires='toys'", "requires: needs a list in [brackets], got 'toys'"),
    ("requires=[3]", "requires.0: needs text in quotes, got 3"),
    ("dataset.fallback=squares", "dataset.fallback: is the dataset itself"),
    ("dataset.fallback=bolbs", "dataset.fallback: no dataset named 'bolbs'; did you mean 'blobs'?"),
    ("dataset.fallback=nothing", "dataset.fallback: no dataset named 'nothing'; there are 'blobs'"),
    ("dataset.fallback=3", "dataset.fallback: needs text in quotes, got 3"),
]  # fmt: skip


@pytest.mark.parametrize(("override", "expected"), CASES, ids=lambda value: str(value)[:60])
def test_a_mistake_is_told_in_words(tmp_path: Path, override: str, expected: str) -> None:
    message = str(refusal(tmp_path, RECIPE, override))

    assert expected in message
    assert f"\n    {override[:100]}" in message


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            ('[generator]\nuse = "small"\n', ""),
            "r.toml: generator: missing; add [generator] with e.g. use = \"conditional\"; there are"
            " 'conditional', 'large', 'small'",
        ),
        (
            ("[train]\nepochs = 2", ""),
            "r.toml: train: missing; add [train] with epochs = 25 or steps = 10000",
        ),
        (
            ("epochs = 2", ""),
            "r.toml:1: train: does not say when to stop; add epochs = 25 or steps = 10000\n"
            "    [train]",
        ),
        (
            ('[optimizer.generator]\nuse = "momentum"\n', ""),
            "r.toml:11: optimizer.generator: missing; add [optimizer.generator] with e.g. use = "
            "\"descent\"; there are 'descent', 'momentum'\n    [optimizer.discriminator]",
        ),
        (
            (RECIPE[RECIPE.index("[optimizer.g") :], ""),
            "r.toml: optimizer: missing; add [optimizer.generator] and [optimizer.discriminator] "
            "with e.g. use = \"descent\"",
        ),
        (
            ('[generator]\nuse = "small"\n', "[generator]\nwidth = 3\n"),
            "r.toml:5: generator.use: missing; add e.g. use = \"conditional\"",
        ),
        (
            ("[train]", 'generator = "small"\n[train]'),
            "r.toml:6: not TOML: cannot overwrite a value; the key is there twice",
        ),
        (
            ('use = "small"', 'use = "small"\nwidth = 0'),
            "r.toml:7: generator.width: needs at least 1, got 0\n    width = 0",
        ),
    ],
)  # fmt: skip
def test_a_mistake_is_placed_on_its_line(
    tmp_path: Path, change: tuple[str, str], expected: str
) -> None:
    message = str(refusal(tmp_path, RECIPE.replace(*change)))

    assert message.startswith(str(tmp_path))
    assert expected in message


def test_all_mistakes_are_reported_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = RECIPE.replace("epochs = 2", "epochs = 2\nbatch = 1\nseed = -1").replace("small", "smal")

    error = refusal(tmp_path, text, "train.log_every=0", "zoo.use=1")

    lines = str(error).splitlines()
    assert [line for line in lines if line.startswith("    ")] == [
        "    batch = 1",
        "    seed = -1",
        '    use = "smal"',
        "    train.log_every=0",
        "    zoo.use=1",
    ]
    assert lines[-1] == "5 errors, nothing was started."
    assert error.exit_code == 2
    first = error.problems[0]
    assert (first.file, first.line, first.key) == (str(tmp_path / "r.toml"), 3, "train.batch")
    assert first.text == "batch = 1"


def test_twenty_mistakes_are_shown_and_the_rest_counted(tmp_path: Path) -> None:
    error = refusal(tmp_path, RECIPE + "".join(f"unknown_{n} = 1\n" for n in range(3000)))

    assert len(error.problems) == 20
    assert str(error).endswith("... and 2980 more.\n3000 errors, nothing was started.")


def test_a_component_that_needs_labels_is_refused_where_there_are_none(tmp_path: Path) -> None:
    labels = ("loss.use=labelled", "generator.use=conditional")

    message = str(refusal(tmp_path, RECIPE, *labels, "dataset.use=blobs"))
    fallback = str(refusal(tmp_path, RECIPE, *labels, "dataset.fallback=blobs"))

    assert recipe(tmp_path, RECIPE, *labels)
    for text in (message, fallback):
        assert "loss.use: needs labels, and the dataset 'blobs' has none" in text
        assert "generator.use: needs labels, and the dataset 'blobs' has none" in text
        assert text.endswith("2 errors, nothing was started.")


class Choosing(GeneratorSpec):
    """A generator that is told the label if a field says so."""

    use: ClassVar[str] = "choosing"
    labels: Literal["none", "one_hot"] = "none"

    @property
    def uses_labels(self) -> bool:  # type: ignore[override]
        return self.labels != "none"


def test_labels_that_a_field_asks_for_are_refused_at_that_field(tmp_path: Path) -> None:
    components = {**REGISTRY.components, ("generator", "choosing"): (Choosing, PLUGIN)}
    registry = Registry(plugins=(PLUGIN,), components=components)
    path = written(tmp_path, RECIPE)
    chosen = ["generator.use=choosing", "dataset.use=blobs"]

    with pytest.raises(RecipeError) as asked:
        load_recipe(path, registry, [*chosen, "generator.labels=one_hot"])
    with pytest.raises(RecipeError) as wrong:
        load_recipe(path, registry, [*chosen, "generator.labels=some"])

    assert load_recipe(path, registry, chosen)
    assert load_recipe(path, registry, [*chosen, "generator.labels=none"])
    assert "generator.labels: needs labels, and the dataset 'blobs' has none" in str(asked.value)
    assert "needs labels" not in str(wrong.value)


def test_a_required_plugin_that_is_there_is_accepted(tmp_path: Path) -> None:
    assert recipe(tmp_path, RECIPE, "requires=['ganzoo-toys', 'toys']").requires


def test_without_any_plugin_the_message_says_so(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"no loss named 'plain'"):
        load_recipe(written(tmp_path, RECIPE), Registry())


def test_a_recipe_that_is_too_large_once_defaults_are_filled_in_is_refused(tmp_path: Path) -> None:
    many = "regularizer=[" + ",".join("{use='penalty'}" for _ in range(40)) + "]"

    message = str(refusal(tmp_path, RECIPE, many))

    assert "regularizer: needs at most 32 items, got 40" in message


# --- frozen recipes


@settings(max_examples=100, deadline=None)
@given(
    st.fixed_dictionaries(
        {"use": st.just("small")},
        optional={
            "width": st.integers(1, 1000),
            "size": st.integers(-(10**30), 10**30)
            | st.lists(st.integers(), min_size=2, max_size=2),
            "noise": st.fixed_dictionaries({"scale": st.floats(min_value=1e-300, max_value=1e300)}),
            "name": st.text(st.characters(exclude_categories=("C", "Z")), max_size=800),
        },
    ),
    st.lists(
        st.fixed_dictionaries(
            {"use": st.just("penalty"), "weight": st.floats(min_value=0, max_value=1e308)}
        ),
        max_size=32,
    ),
    st.none() | st.floats(min_value=1e-300, max_value=1e300),
)
def test_a_frozen_recipe_reads_back_equal(
    tmp_path_factory: pytest.TempPathFactory,
    generator: dict[str, Any],
    regularizers: list[Any],
    half_life: float | None,
) -> None:
    tables = tomllib.loads(RECIPE) | {"generator": generator, "regularizer": regularizers}
    if half_life:
        tables["ema"] = {"half_life": half_life}
    whole = check(Source("r.toml", placed(tables, {}, Origin("r.toml", 0, ""))), REGISTRY)
    path = tmp_path_factory.getbasetemp() / "frozen.toml"

    path.write_text(freeze(whole), encoding="utf-8")

    again = load_recipe(path, REGISTRY)
    assert again == whole
    assert digest(again) == digest(whole)
    assert freeze(again) == freeze(whole)


def test_a_frozen_recipe_names_every_component_and_every_default(tmp_path: Path) -> None:
    frozen = tomllib.loads(freeze(recipe(tmp_path, RECIPE, "regularizer=[{use = 'penalty'}]")))

    assert frozen["generator"] == {
        "use": "small",
        "width": 8,
        "size": 28,
        "activation": "relu",
        "name": "",
    }
    assert frozen["regularizer"] == [{"use": "penalty", "weight": 1.0, "every": 1}]
    assert frozen["optimizer"]["generator"]["use"] == "momentum"
    assert frozen["train"] == {
        "epochs": 2,
        "batch_size": 128,
        "seed": 0,
        "shards": 1,
        "sync_norm": False,
        "order": "shuffle",
        "last_batch": "drop",
        "log_every": 50,
        "log_each_epoch": False,
        "count_from": 1,
    }


def test_the_digest_depends_on_what_a_recipe_says_and_not_on_how(tmp_path: Path) -> None:
    plain = recipe(tmp_path)
    explicit = recipe(tmp_path, RECIPE, "latent.size=100", "optimizer.generator.lr=2e-4")
    tables = RECIPE.split("[")
    shuffled = recipe(tmp_path, "[".join([tables[0], *reversed(tables[1:])]))
    other = recipe(tmp_path, RECIPE, "generator.width=9")

    assert digest(plain) == digest(explicit) == digest(shuffled)
    assert digest(plain) != digest(other)
    assert re.fullmatch("[0-9a-f]{64}", digest(plain))


def test_two_components_with_equal_keys_have_different_digests(tmp_path: Path) -> None:
    one = recipe(tmp_path, RECIPE, "loss.use=plain")
    other = recipe(tmp_path, RECIPE, "loss.use=labelled")

    assert digest(one) != digest(other)
    assert one != other
    assert differences(one, other) == [("loss.use", "plain", "labelled")]


def test_differences_are_named_with_both_values(tmp_path: Path) -> None:
    a = recipe(tmp_path, RECIPE, "train.steps=9", "optimizer.generator.betas=[0.5, 0.9]")
    b = recipe(
        tmp_path, RECIPE, "train.epochs=3", "regularizer=[{use = 'penalty'}]", "ema.half_life=10"
    )

    assert differences(a, a) == []
    assert {key: values for key, *values in differences(a, b)} == {
        "train.epochs": [None, 3],
        "train.steps": [9, None],
        "optimizer.generator.betas": [[0.5, 0.9], [0.9, 0.999]],
        "regularizer.0.use": [None, "penalty"],
        "regularizer.0.weight": [None, 1.0],
        "regularizer.0.every": [None, 1],
        "ema.half_life": [None, 10.0],
    }


def test_overrides_that_cannot_be_read_hide_no_other_mistake(tmp_path: Path) -> None:
    message = str(refusal(tmp_path, RECIPE, "foo", "dataset.use=bolbs", "train.sed=1"))

    assert message.count("needs key=value") == 1
    assert "did you mean 'blobs'?" in message
    assert message.count("did you mean 'seed'?") == 1
    assert message.endswith("3 errors, nothing was started.")


def test_an_override_does_not_move_the_table_it_changes(tmp_path: Path) -> None:
    text = RECIPE.replace("epochs = 2\n", "")

    message = str(refusal(tmp_path, text, "train.seed=1"))

    assert "r.toml:1: train: does not say when to stop" in message


def test_an_error_survives_the_way_between_processes(tmp_path: Path) -> None:
    error = refusal(tmp_path, RECIPE, "train.seed=-1")

    again = pickle.loads(pickle.dumps(error))

    assert str(again) == str(error)
    assert (again.problems, again.count) == (error.problems, error.count)


def test_a_recipe_from_elsewhere_is_checked_without_a_file() -> None:
    assert check(from_text(RECIPE), REGISTRY).train.epochs == 2


def test_the_place_of_an_inherited_mistake_is_the_file_it_is_in(tmp_path: Path) -> None:
    written(tmp_path, RECIPE.replace("epochs = 2", "epochs = 0"), "base.toml")
    path = written(tmp_path, 'extends = "base.toml"\n[train]\nseed = -1\n')

    with pytest.raises(RecipeError) as caught:
        check(read_source(path), REGISTRY)

    assert [(Path(one.file).name, one.line) for one in caught.value.problems] == [
        ("r.toml", 3),
        ("base.toml", 2),
    ]
