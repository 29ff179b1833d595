"""ganzoo from Python: what a notebook's cells do."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

import ganzoo
from ganzoo.common.errors import CheckpointError, GanzooError
from ganzoo.recipe.model import Recipe
from ganzoo.recipe.problems import RecipeError
from ganzoo.runs import checkpoint
from ganzoo.runs.folder import RunDir, checkpoints
from ganzoo.session import Run


def test_importing_ganzoo_imports_nothing_heavy() -> None:
    program = (
        "import sys, ganzoo; assert 'run' in dir(ganzoo); before = {'torch', 'pydantic', 'PIL'};"
        "assert not before & set(sys.modules), before & set(sys.modules);"
        "ganzoo.load('dcgan_digits'); assert 'torch' not in sys.modules"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode == 0, done.stderr


def test_a_recipe_is_loaded_with_values_of_python() -> None:
    recipe = ganzoo.load(
        "dcgan_digits", {"train.steps": 7, "loss.use": "hinge", "generator.base_channels": 4}
    )

    assert isinstance(recipe, Recipe)
    assert (recipe.train.steps, recipe.loss.use) == (7, "hinge")


def test_tables_and_lists_of_tables_are_values_too() -> None:
    penalties = [{"use": "r1", "weight": 5.0}, {"use": "r2", "weight": 0.5, "every": 16}]

    recipe = ganzoo.load(
        "wgan_mnist", {"regularizer": penalties, "latent": {"size": 7, "prior": "uniform"}}
    )

    assert [item.use for item in recipe.regularizer] == ["r1", "r2"]
    assert (recipe.latent.size, recipe.latent.prior) == (7, "uniform")


def test_a_mistake_in_a_value_is_named() -> None:
    with pytest.raises(RecipeError, match="batch_size"):
        ganzoo.load("dcgan_digits", {"train.batchsize": 7})


def test_a_run_tells_what_became_of_it(run: Run) -> None:
    assert run.status == "done"
    assert run.result["step"] == 4
    assert [entry["step"] for entry in run.log] == [2, 4]
    assert run.recipe.train.batch_size == 8
    assert (run.path / "report.html").stat().st_size > 1000


def test_a_run_with_a_plugin_file_says_that_it_wants_the_file(tmp_path: Path) -> None:
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "mine.py").write_text("raise SystemExit")
    (tmp_path / "recipe.toml").write_text("")

    with pytest.raises(GanzooError, match=r"code and never loaded .* plugins=\['.*mine.py'\]"):
        ganzoo.open_run(tmp_path).sample(1)


def test_a_run_is_opened_by_folder_by_letters_and_as_the_last(run: Run) -> None:
    out = run.path.parent.parent

    same = [ganzoo.open_run(run.path), ganzoo.open_run("last", out=out),
            ganzoo.open_run(run.folder.id, out=out)]  # fmt: skip

    assert [one.path for one in same] == [run.path] * 3
    with pytest.raises(GanzooError, match="no run named"):
        ganzoo.open_run("zzzz", out=out)


def test_samples_are_a_tensor_that_shows_itself(run: Run) -> None:
    images = run.sample(5, seed=3)

    shown = Image.open(io.BytesIO(images._repr_png_()))
    assert isinstance(images, torch.Tensor)
    assert images.shape == (5, 1, 28, 28)
    assert float(images.min()) >= -1
    assert float(images.max()) <= 1
    assert type(images + 1) is torch.Tensor
    assert images.picture(columns=5).size == (5 * 30 + 2, 32)
    assert shown.width >= 160


def test_a_run_shows_its_last_sheet(run: Run) -> None:
    shown = run._repr_png_()

    assert shown == (run.path / "samples" / "step-000004.png").read_bytes()


def test_the_first_images_are_the_same_whatever_the_count(run: Run) -> None:
    few, many = run.sample(3, seed=1), run.sample(130, seed=1)

    assert torch.equal(torch.Tensor(few), torch.Tensor(many[:3]))
    assert not torch.equal(torch.Tensor(few), torch.Tensor(run.sample(3, seed=2)))
    assert not torch.equal(torch.Tensor(many[:64]), torch.Tensor(many[64:128]))


def test_sampling_leaves_torchs_random_numbers_alone(run: Run) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)

    torch.manual_seed(5)
    run.sample(2)

    assert torch.equal(torch.rand(3), expected)


def test_a_class_cannot_be_ordered_from_a_generator_without_classes(run: Run) -> None:
    with pytest.raises(GanzooError, match="is not class-conditional"):
        run.sample(2, label="7")


def test_without_weights_the_newest_checkpoint_is_sampled(run: Run, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(run.path, copy := tmp_path / "copy")
    (copy / "generator.safetensors").unlink()

    from_checkpoint = ganzoo.open_run(copy)

    assert torch.equal(torch.Tensor(from_checkpoint.sample(4)), torch.Tensor(run.sample(4)))
    shutil.rmtree(copy / "checkpoints")
    with pytest.raises(CheckpointError, match="no weights yet"):
        ganzoo.open_run(copy).sample(1)


def with_nan(path: Path) -> None:
    """Make a number of every weight in a file NaN, and seal it again."""
    from safetensors import safe_open
    from safetensors.torch import save_file

    if path.parent.name == "checkpoints":
        tensors, state = checkpoint.read_checkpoint(path)
        for tensor in tensors.values():
            if tensor.is_floating_point() and tensor.ndim:
                tensor.view(-1)[0] = torch.nan
        path.write_bytes(checkpoint.seal(tensors, state.model_dump_json()))
        return
    with safe_open(path, "pt") as file:  # type: ignore[no-untyped-call]
        weights, metadata = {name: file.get_tensor(name) for name in file.keys()}, file.metadata()  # noqa: SIM118
    next(iter(weights.values())).view(-1)[0] = torch.nan
    save_file(weights, path, metadata)


def test_weights_that_are_not_finite_are_refused_by_file(run: Run, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(run.path, copy := tmp_path / "copy")
    kept = RunDir(copy)
    with_nan(kept.generator)
    with pytest.raises(CheckpointError, match=r"generator\.safetensors' does not fit.*not finite"):
        ganzoo.open_run(copy).sample(1)
    kept.generator.unlink()
    with_nan(checkpoints(kept.checkpoints)[0])
    with pytest.raises(CheckpointError, match=r"step-000004.*does not fit.*not finite"):
        ganzoo.open_run(copy).sample(1)


def test_weights_older_than_the_newest_are_taken_with_a_warning(run: Run, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(run.path, copy := tmp_path / "copy")
    (copy / "checkpoints" / "step-000009.safetensors").write_bytes(b"damaged")
    with pytest.warns(UserWarning, match="(?s)step-000009.*damaged.*older weights.*of step 4"):
        shared = ganzoo.open_run(copy).generator
    (copy / "generator.safetensors").unlink()
    with pytest.warns(UserWarning, match="(?s)step-000009.*damaged.*an older one.*of step 4"):
        saved = ganzoo.open_run(copy).generator

    assert shared.step == saved.step == 4


@pytest.mark.parametrize("shape", ["1×0×8", "1×99999×8", "8×8", 3, None, [1, 8, 8]])
def test_images_of_a_forged_size_are_refused_by_file(
    run: Run, tmp_path: Path, shape: object
) -> None:
    import shutil

    shutil.copytree(run.path, copy := tmp_path / "copy")
    (copy / "generator.safetensors").unlink()
    record = RunDir(copy).read_json("environment.json")
    RunDir(copy).write_json("environment.json", {"data": {**record["data"], "shape": shape}})

    with pytest.raises(CheckpointError, match=r"environment\.json'"):
        ganzoo.open_run(copy).sample(1)


def test_a_file_in_place_of_the_checkpoints_is_no_checkpoint(run: Run, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(run.path, copy := tmp_path / "copy")
    shutil.rmtree(copy / "checkpoints")
    (copy / "checkpoints").write_text("")

    assert len(ganzoo.open_run(copy).sample(1)) == 1
    (copy / "generator.safetensors").unlink()
    with pytest.raises(CheckpointError, match="no weights yet"):
        ganzoo.open_run(copy).sample(1)


def test_weights_of_another_recipe_are_refused_by_shape(run: Run, tmp_path: Path) -> None:
    import shutil

    shutil.copytree(run.path, copy := tmp_path / "copy")
    text = (copy / "recipe.toml").read_text()
    head, _, tail = text.partition("[generator]")
    (copy / "recipe.toml").write_text(
        head + "[generator]" + tail.replace("base_channels = 4", "base_channels = 8", 1)
    )

    with pytest.raises(CheckpointError, match="the checkpoint has"):
        ganzoo.open_run(copy).sample(1)
