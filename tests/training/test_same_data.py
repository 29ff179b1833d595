"""Data may lie elsewhere, and must be what the run began with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from ganzoo.common.errors import DataError, GanzooError
from ganzoo.plugin.registry import load_plugins
from ganzoo.plugin.specs import DatasetSpec
from ganzoo.plugin.types import ImageData
from ganzoo.runs.folder import RunDir
from ganzoo.training.same_data import lying_at, refuse_other_data

TABLE = '[dataset]\nuse = "folder"\npath = "/old"\n'
DATA = ImageData(torch.zeros(4, 1, 2, 2, dtype=torch.uint8), None, (), "here", "a" * 64)


def asked() -> DatasetSpec:
    spec = (
        load_plugins()
        .find("dataset", "folder")
        .model_validate({"path": "/old", "size": 8, "channels": 1})
    )
    assert isinstance(spec, DatasetSpec)
    return spec


def cell(folder: Path, name: str, fingerprint: str = "", table: str = TABLE) -> RunDir:
    """Make a cell of an experiment; one that has begun knows its data."""
    run = RunDir(folder / f"cell-{name}")
    run.path.mkdir(parents=True)
    run.recipe.write_text(table)
    if fingerprint:
        run.write_json("environment.json", {"data": {"name": "folder", "fingerprint": fingerprint}})
    (folder / "experiment.json").write_text(json.dumps({}))
    return run


def test_a_path_is_replaced_and_the_rest_stays() -> None:
    moved = lying_at(asked(), "/new")

    assert moved.model_dump() == {**asked().model_dump(), "path": "/new"}
    assert lying_at(asked(), None) == asked()
    with pytest.raises(GanzooError, match="--data-path"):
        lying_at(asked(), "/new\n")


def test_a_run_that_has_begun_takes_its_own_data_alone(tmp_path: Path) -> None:
    refuse_other_data(cell(tmp_path, "a", "a" * 64), asked(), lying_at(asked(), "/new"), DATA)

    with pytest.raises(DataError, match=r"fingerprint bbbbbbbbbbbb.*now there is 'folder'"):
        refuse_other_data(cell(tmp_path, "b", "b" * 64), asked(), asked(), DATA)


def test_a_cell_that_has_not_begun_goes_by_the_other_cells_of_that_data(tmp_path: Path) -> None:
    moved = lying_at(asked(), "/new")
    new = cell(tmp_path, "new")
    cell(tmp_path, "of-other-data", "a" * 64, TABLE.replace("/old", "/another"))

    refuse_other_data(new, asked(), asked(), DATA)  # where its recipe says
    with pytest.raises(DataError, match="does not record its data"):
        refuse_other_data(new, asked(), moved, DATA)
    cell(tmp_path, "begun", "a" * 64)
    refuse_other_data(new, asked(), moved, DATA)
