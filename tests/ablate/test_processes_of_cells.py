"""Cells in several processes: the same tables, and as many GPUs of a cluster as they ask for."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from small import ablate, plan, tables

from ganzoo.ablate import company, on_ray
from ganzoo.ablate.worker import Answer, Setup, Task
from ganzoo.cli.commands.ablate import engine_of
from ganzoo.common.errors import GanzooError
from ganzoo.training.place import Place


class Stub(ModuleType):
    """Stands in for Ray: keeps what is asked of it."""

    def __init__(self, gpus: list[int]) -> None:
        super().__init__("ray")
        self.asked: dict[str, Any] = {}
        self.gpus = gpus

    def is_initialized(self) -> bool:
        return False

    def init(self, **settings: Any) -> None: ...

    def shutdown(self) -> None: ...

    def cluster_resources(self) -> dict[str, float]:
        return {"CPU": 16.0, "GPU": float(sum(self.gpus))}

    def nodes(self) -> list[dict[str, Any]]:
        return [{"Alive": True, "Resources": {"GPU": float(count)}} for count in self.gpus]

    def remote(self, **options: Any) -> Any:
        self.asked = options
        return lambda function: SimpleNamespace(remote=function)


def test_a_cell_asks_ray_for_a_gpu_of_each_of_its_processes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ray = Stub([4, 4])
    monkeypatch.setitem(sys.modules, "ray", ray)

    engine = engine_of("ray", None, Place("cuda", threads=2), 2)

    assert (ray.asked["num_gpus"], ray.asked["num_cpus"]) == (2, 4)
    assert engine.jobs == 4
    engine_of("ray", None, Place("cpu", threads=1), 2)
    assert (ray.asked["num_gpus"], ray.asked["num_cpus"]) == (0, 2)
    with pytest.raises(GanzooError, match="asks for 5 GPUs on one node"):
        engine_of("ray", None, Place("cuda"), 5)


def test_local_cells_get_gpus_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5,6,7,8")

    engine: Any = engine_of(None, None, Place("cuda"), 2)

    assert engine.devices == ["cuda:0,cuda:1", "cuda:2,cuda:3"]
    assert engine.jobs == 2
    assert [company.visible(each) for each in engine.devices] == ["4,5", "6,7"]
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert company.visible("cuda:2,cuda:3") == "2,3"
    assert company.visible("") == ""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4")
    with pytest.raises(GanzooError, match="need a GPU each, and 1 are visible"):
        engine_of(None, None, Place("cuda"), 2)


def test_a_task_goes_as_json_and_comes_back() -> None:
    import json
    from dataclasses import asdict

    setup = Setup(("a.py",), ("b",), Place("cpu", threads=3), 2.5, ("frechet",), 2)
    task = Task(setup, "folder", device="cuda:0,cuda:1")

    assert company.task_of(json.loads(json.dumps(asdict(task)))) == task


def test_parts_that_do_not_come_out_even_are_told_before_anything_is_tried(tmp_path: Path) -> None:
    code, said = ablate(tmp_path, plan(tmp_path), "out", "--processes", "2")

    assert code == 2
    assert "variant 'slow': its batches have 1 parts" in said
    assert "set train.shards = 2 in the ablation's [recipe.train]" in said
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_cells_in_two_processes_make_the_tables_of_one(tmp_path: Path) -> None:
    file = plan(tmp_path)
    file.write_text(file.read_text().replace("batch_size = 16", "batch_size = 16\nshards = 2"))

    one = ablate(tmp_path, file, "one")
    two = ablate(tmp_path, file, "two", "--processes", "2")

    assert (one[0], two[0]) == (0, 0), two[1]
    assert tables(tmp_path / "one/small") == tables(tmp_path / "two/small")


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.timeout(280)
def test_ray_itself_gives_each_cell_two_gpus_of_four(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("ray")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "num_gpus": 4})

    def asked(task: Task) -> Answer:
        return Answer(os.environ.get("CUDA_VISIBLE_DEVICES", ""), steps=int(task.folder))

    monkeypatch.setattr(on_ray, "perform_in", asked)
    try:
        engine = on_ray.OnRay(made.address, None, cpus_per_cell=1, gpus_per_cell=2)
        found: dict[int, str] = {}
        lost: list[str] = []

        def finished(task: Task, answer: Answer) -> None:  # noqa: ARG001
            found[answer.steps] = answer.error

        tasks = [Task(Setup(processes=2), str(number)) for number in range(4)]
        engine.run(tasks, finished, lambda _, how: lost.append(how), lambda: False)
        assert not lost
        assert engine.jobs == 2
        assert sorted(found) == [0, 1, 2, 3]
        for gpus in found.values():
            assert len(set(gpus.split(",")) & {"0", "1", "2", "3"}) == 2, found
        with pytest.raises(GanzooError, match="asks for 8 GPUs"):
            on_ray.OnRay(made.address, None, gpus_per_cell=8)
    finally:
        import ray

        ray.shutdown()
        made.shutdown()
