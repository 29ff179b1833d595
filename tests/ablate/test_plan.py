"""The ablation file and the cells it stands for."""

from __future__ import annotations

from pathlib import Path

import pytest
from toys import RECIPE, REGISTRY, written

from ganzoo.ablate.experiment import claimed, create
from ganzoo.ablate.grid import Grid, expand
from ganzoo.ablate.plan import find_ablation, read_plan, shipped_ablations
from ganzoo.common.errors import GanzooError, MachineError
from ganzoo.recipe.check import load_recipe
from ganzoo.recipe.problems import RecipeError

PLAN = """\
base = "r"
seeds = [0, 1]
metrics = ["d/loss"]
[budget]
steps = 5
[variants.narrow]
[variants.wide]
generator.width = 16
"""


def grid(folder: Path, text: str) -> Grid:
    """Expand a plan beside the smallest whole recipe."""
    written(folder, RECIPE)
    path = written(folder, text, "plan.toml")
    return expand(read_plan(str(path), REGISTRY), REGISTRY)


def problems(folder: Path, text: str) -> str:
    """Return what is wrong with a plan."""
    with pytest.raises(RecipeError) as error:
        grid(folder, text)
    return str(error.value)


def test_every_variant_meets_every_seed(tmp_path: Path) -> None:
    found = grid(tmp_path, PLAN)

    assert [(cell.variant, cell.seed) for cell in found.cells] == [
        ("narrow", 0),
        ("wide", 0),
        ("narrow", 1),
        ("wide", 1),
    ]
    assert found.baseline == "narrow"
    assert found.variants[1].changes == (("generator.width", 8, 16),)


def test_a_cells_recipe_is_the_base_with_changes_budget_and_seed(tmp_path: Path) -> None:
    found = grid(tmp_path, PLAN)

    frozen = written(tmp_path, found.cells[3].frozen, "cell.toml")
    recipe = load_recipe(frozen, REGISTRY)

    assert (recipe.train.steps, recipe.train.epochs, recipe.train.seed) == (5, None, 1)
    assert recipe.generator.width == 16  # type: ignore[attr-defined]


def test_a_cell_keeps_its_name_when_seeds_and_variants_are_added(tmp_path: Path) -> None:
    before = grid(tmp_path, PLAN)
    more = PLAN.replace("[0, 1]", "[0, 1, 2]") + "[variants.large]\ngenerator.use = 'large'\n"

    after = grid(tmp_path, more)

    assert len(after.cells) == 9
    assert {cell.id for cell in before.cells} < {cell.id for cell in after.cells}


def test_another_base_recipe_makes_other_cells(tmp_path: Path) -> None:
    before = {cell.id for cell in grid(tmp_path, PLAN).cells}

    changed = grid(tmp_path, PLAN + "[recipe.train]\nbatch_size = 7\n")

    assert not before & {cell.id for cell in changed.cells}


def test_axes_are_crossed_and_the_named_baseline_comes_first(tmp_path: Path) -> None:
    found = grid(
        tmp_path,
        'base = "r"\nseeds = [0]\nmetrics = ["d/loss"]\nbaseline = "wide / 2"\nbudget.epochs = 1\n'
        "[axes.size]\nnarrow = {}\nwide = { generator.width = 16 }\n"
        '[axes.batch]\nkey = "train.batch_size"\nvalues = [1, 2]\n',
    )

    assert [variant.name for variant in found.variants] == [
        "wide / 2",
        "narrow / 1",
        "narrow / 2",
        "wide / 1",
    ]
    assert found.axes == {"size": ["narrow", "wide"], "batch": ["1", "2"]}
    assert found.variants[1].levels == {"size": "narrow", "batch": "1"}


def test_one_at_a_time_leaves_out_combined_changes(tmp_path: Path) -> None:
    found = grid(
        tmp_path,
        'base = "r"\nseeds = [0]\nmetrics = ["d/loss"]\nmode = "one_at_a_time"\nbudget.steps = 1\n'
        '[axes.width]\nkey = "generator.width"\nvalues = [8, 16, 32]\n'
        '[axes.batch]\nkey = "train.batch_size"\nvalues = [1, 2]\n',
    )

    assert [variant.name for variant in found.variants] == ["8 / 1", "8 / 2", "16 / 1", "32 / 1"]


def test_mistakes_in_all_variants_are_told_at_once_and_once(tmp_path: Path) -> None:
    text = problems(
        tmp_path,
        PLAN.replace("[variants.narrow]", "[variants.narrow]\ntrain.bach_size = 3")
        + "[variants.other]\ngenerator.use = 'smal'\n[recipe.latent]\nsize = -1\n",
    )

    assert "plan.toml:7: train.bach_size: unknown key; did you mean 'batch_size'?" in text
    assert "plan.toml:11: generator.use: no generator named 'smal'; did you mean 'small'?" in text
    assert text.count("latent.size") == 1
    assert "3 errors, nothing was started." in text


def test_mistakes_in_the_file_itself_are_told_with_their_lines(tmp_path: Path) -> None:
    text = problems(
        tmp_path,
        'base = "r"\nseeds = [-1]\nmetric = ["x"]\nmetrics = []\n[budget]\nsteps = 1\n'
        "epochs = 1\n[variants.a]\n",
    )

    assert "plan.toml:2: seeds.0: needs at least 0, got -1" in text
    assert "plan.toml:3: metric: unknown key; did you mean 'metrics'?" in text
    assert "plan.toml:4: metrics: needs at least 1 item" in text
    assert "plan.toml:5: budget: needs exactly one of steps, epochs and minutes" in text


def test_what_a_file_lacks_is_told_with_what_to_write(tmp_path: Path) -> None:
    text = problems(tmp_path, "steps = 50\n[variants.a]\n")

    assert 'plan.toml: base: missing; add base = "dcgan_mnist"\n' in text
    assert "plan.toml: seeds: missing; add seeds = [0, 1, 2]\n" in text
    assert 'plan.toml: metrics: missing; add metrics = ["frechet"]\n' in text
    assert "plan.toml: budget: missing; add [budget] with steps = 1000\n" in text
    assert "plan.toml:1: steps: unknown key; did you mean 'budget.steps'?\n" in text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("generator.width = 16", "generator.width = 8"), "'narrow' and 'wide' are the same"),
        (('base = "r"', 'base = "nowhere"'), "base: no recipe named 'nowhere'"),
        (('["d/loss"]', '["frechet"]'), "metrics.0: the recipe has no such score"),
        (("seeds = [0, 1]", "seeds = [1, 1]"), "seeds lists a value twice"),
        (('base = "r"', 'base = "r"\nbaseline = "wode"'), "did you mean 'wide'?"),
        (("[variants.wide]\ngenerator.width = 16", "[axes.wide]\na = 3"), "a table of changes"),
    ],
)  # fmt: skip
def test_a_plan_that_cannot_answer_is_refused(
    tmp_path: Path, change: tuple[str, str], message: str
) -> None:
    assert message in problems(tmp_path, PLAN.replace(*change))


def test_cells_that_end_by_the_clock_are_measured_on_the_way(tmp_path: Path) -> None:
    text = PLAN.replace("steps = 5", "minutes = 0.5")

    assert len(grid(tmp_path, text).cells) == 4  # terms of the log are there at any moment


def test_ablation_files_are_found_by_name_and_misspelt_ones_suggested() -> None:
    assert "transpose_vs_upsample" in shipped_ablations()
    assert find_ablation("transpose_vs_upsample").is_file()
    with pytest.raises(GanzooError, match="did you mean 'transpose_vs_upsample'"):
        find_ablation("transpose_vs_upsampl")


@pytest.mark.parametrize("name", sorted(shipped_ablations()))
def test_a_shipped_ablation_checks_and_says_how_to_run_it_in_full(name: str) -> None:
    from ganzoo.plugin import registry

    path = shipped_ablations()[name]
    loaded = registry.load_plugins()
    found = expand(read_plan(name, loaded), loaded)

    assert len(found.plan.seeds) >= 5
    assert found.plan.question.endswith("?")
    header = path.read_text().split("\n\n")[0]
    assert "In full:" in header
    assert "minutes" in header


def test_a_second_driver_leaves_the_plan_of_the_first_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ganzoo.runs.folder.LOCK_SECONDS", 0.1)
    found, path = grid(tmp_path, PLAN), tmp_path / "runs" / "plan"
    with claimed(path):
        create(tmp_path / "runs", found, ["first"], PLAN)
        before = (path / "experiment.json").read_bytes()

        with pytest.raises(MachineError, match="is in use by"), claimed(path):
            create(tmp_path / "runs", found, ["second"], PLAN)

    assert (path / "experiment.json").read_bytes() == before
