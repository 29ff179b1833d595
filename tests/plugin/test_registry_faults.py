"""Every way in which an installed plugin can be broken, with real modules on disk."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from plugin_shelf import Shelf, good

from ganzoo.plugin.kinds import KINDS
from ganzoo.plugin.registry import Broken, Registry, load_plugins

FOLDER = Path(__file__).parent / "bad_plugins"
EXPECTED = {
    "bad_default": r"Negative: the default of 'weight' is refused: Input should be greater than 0",
    "base_exception": r"GeneratorExit: out of the ordinary",
    "exits": r"SystemExit: this plugin would rather stop",
    "future_api": r"needs plugin API 2; this ganzoo has 1",
    "half": r"OSError: no regularizers today",
    "half_metric": r"HalfMetric: it does not say 'scores'; "
    r"HalfMetric: it does not define meter\(\)",
    "hook_arguments": r"hook 'ganzoo_losses' has no argument 'config'",
    "hostile_error": r"ValueError: red \[31m and split over lines",
    "lax_inside": r"Outer: Inner accepts unknown keys; set extra='forbid'",
    "lax_table": r"Lax: model_config has extra = 'ignore'; leave it 'forbid'; "
    r"Lax: model_config has strict = False; leave it True",
    "many_faults": r"CamelCase: use = 'CamelCase' is not in snake_case; "
    r"CamelCase: it has no docstring; CamelCase: it does not define discriminator_terms\(\); "
    r"Idle: it defines none of discriminator_terms\(\), generator_terms\(\), constrain\(\)",
    "missing_dependency": r"ModuleNotFoundError: No module named "
    r"'a_library_that_is_not_installed'",
    "misspelt_hook": r"there is no hook named 'ganzoo_loses'; did you mean 'ganzoo_losses'\?",
    "name_as_key": r"Keyed: 'use' is not a key of the recipe: annotate it as ClassVar\[str\]",
    "nameless": r"Nameless: it has no name: use: ClassVar\[str\] = 'its_name'",
    "no_hook": r"no function in it is marked with @hookimpl",
    "no_schema": r"Calls: its fields have no JSON schema: PydanticInvalidForJsonSchema: .*",
    "not_a_class": r"ganzoo_generators\(\) supplies Instance\(\), which is not a subclass of "
    r"GeneratorSpec; ganzoo_generators\(\) supplies Instance, which is not a subclass of "
    r"GeneratorSpec",
    "not_a_list": r"ganzoo_losses\(\) returned <class '.*Single'>, not a list of classes",
    "other_kind": r"Turncoat: it says kind = 'generator'; a loss must not set 'kind'",
    "raises_in_hook": r"KeyError: 'losses'",
    "recurses": r"RecursionError: maximum recursion depth exceeded.*",
    "sleeps": r"waited longer than 0\.3 s while it was loaded; .* raise GANZOO_PLUGIN_SECONDS",
    "spins": r"took longer than 0\.3 s of processor time to load; .* raise GANZOO_PLUGIN_SECONDS",
    "syntax": r"SyntaxError: .*\(ganzoo_test_syntax\.py, line 2\)",
    "takes_a_name": r"loss 'good_one' of ganzoo-takes_a_name 0\.3 is already supplied by "
    r"ganzoo-good 1\.2 \(plugin 'good'\)",
    "twice": r"it supplies loss 'twin' more than once",
    "undefined_type": r"Undefined: its fields have no JSON schema: .*Wieght.*",
    "unmarked_hook": r"'ganzoo_losses' is not marked with @hookimpl",
    "unprintable_error": r"UnprintableError: \(its message cannot be read\)",
}


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """Load three good plugins among all bad ones, under a limit of 0.3 s each."""
    shelf = Shelf(tmp_path_factory.mktemp("site"))
    for file in FOLDER.glob("*.py"):
        shelf.install(file.stem, file.read_text(encoding="utf-8"))
    # Kept out of the folder: no formatter could read it.
    shelf.install("syntax", '"""Stops in the middle."""\nclass Loss(\n')
    shelf.install("good", good("good_one"), version="1.2")
    shelf.install("a", good("good_two"))
    shelf.install("zz", good("good_three"))
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(shelf.folder))
        patch.setenv("GANZOO_PLUGIN_SECONDS", "0.3")
        yield load_plugins(block={"ganzoo-torch"})
    shelf.forget()


def test_every_bad_plugin_on_disk_is_expected() -> None:
    assert {file.stem for file in FOLDER.glob("*.py")} | {"syntax"} == set(EXPECTED)


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_a_bad_plugin_is_set_aside_with_its_reason_in_one_clean_line(
    loaded: Registry, name: str
) -> None:
    [broken] = [each for each in loaded.broken if each.name == name]

    assert broken.source == f"ganzoo-{name} 0.3"
    assert re.fullmatch(EXPECTED[name], broken.error)
    assert broken.error.isprintable()


def test_good_plugins_among_bad_ones_are_usable(loaded: Registry) -> None:
    assert list(loaded.specs("loss")) == ["good_one", "good_three", "good_two"]
    assert [plugin.name for plugin in loaded.plugins] == ["a", "good", "zz"]


def test_nothing_of_a_bad_plugin_stays_registered(loaded: Registry) -> None:
    assert len(loaded.manager.get_plugins()) == 3
    assert len(loaded.manager.hook.ganzoo_losses()) == 3
    assert loaded.manager.hook.ganzoo_regularizers() == []


def test_every_kind_says_which_methods_its_components_have() -> None:
    for kind in KINDS.values():
        assert kind.must_define or kind.must_define_one
        assert all(hasattr(kind.spec, name) for name in (*kind.must_define, *kind.must_define_one))


def test_a_missing_name_names_the_nearest_one_and_the_plugins_that_failed() -> None:
    broken = Broken("hinge", "ganzoo-hinge 0.3", "ModuleNotFoundError: No module named 'x'")

    with pytest.raises(Exception, match="no loss named 'hinge'") as caught:
        Registry(broken=(broken,)).find("loss", "hinge")

    assert (
        "1 plugin failed to load and may provide it: "
        "ganzoo-hinge 0.3 (ModuleNotFoundError: No module named 'x')"
    ) in str(caught.value)
    assert "ganzoo plugins" in str(caught.value)
