"""Experiments on a Ray cluster of two nodes on this machine, one of which dies."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from small import ablate, plan, statuses, tables

from ganzoo.ablate import driver, experiment
from ganzoo.ablate.grid import expand
from ganzoo.ablate.plan import read_plan
from ganzoo.ablate.worker import Setup
from ganzoo.plugin import registry
from ganzoo.runs.record import State
from ganzoo.training.place import Place
from ganzoo.training.signals import Stop

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(900)]


class Told:
    """Remembers which cells ended, and does something with each tick."""

    def __init__(self, tick: Any = None) -> None:
        self.ended: list[tuple[str, str]] = []
        self.on_tick = tick or (lambda: None)

    def note(self, text: str) -> None: ...

    def tick(self) -> None:
        self.on_tick()

    def cell_ended(self, cell: str, state: State, error: str) -> None:  # noqa: ARG002
        self.ended.append((state.status, error))


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Return a cluster of two nodes with one CPU each; the head itself has none."""
    pytest.importorskip("ray")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    made.nodes = [made.add_node(num_cpus=1) for _ in range(2)]
    made.wait_for_nodes()
    yield made
    import ray

    ray.shutdown()
    made.shutdown()


def conducted(folder: Path, file: Path, cluster: Any, told: Told, stop: Stop) -> Path:
    """Run an experiment on the cluster; return its folder, tables written."""
    from ganzoo.ablate.on_ray import OnRay

    loaded = registry.load_plugins()
    grid = expand(read_plan(str(file), loaded), loaded)
    made = experiment.create(folder, grid, ["ganzoo", "ablate", str(file)], "")
    engine = OnRay(cluster.address, None)
    setup = Setup(place=Place("cpu", str(file.parent / "data"), threads=1))
    try:
        driver.conduct(made, setup, engine, told, stop)
    finally:
        engine.close()
    driver.write_tables(made, driver.compared(made))
    return made.path


def test_two_nodes_and_two_local_jobs_make_the_same_tables(tmp_path: Path, cluster: Any) -> None:
    file = plan(tmp_path)
    told = Told()

    on_ray = conducted(tmp_path / "ray", file, cluster, told, Stop())
    code, said = ablate(tmp_path, file, "local", "--jobs", "2")

    assert code == 0, said
    assert [status for status, _ in told.ended] == ["done"] * 4
    assert tables(on_ray) == tables(tmp_path / "local/small")


def test_a_node_that_dies_leaves_its_cells_to_the_other(tmp_path: Path, cluster: Any) -> None:
    file = plan(tmp_path, steps=150)
    folder = tmp_path / "ray"
    killed: list[float] = []

    def kill_one() -> None:
        if not killed and statuses(folder / "small").count("running") == 2:
            killed.append(time.monotonic())
            cluster.remove_node(cluster.nodes[0], allow_graceful=False)

    told = Told(kill_one)
    path = conducted(folder, file, cluster, told, Stop())

    assert killed
    assert [status for status, _ in told.ended] == ["done"] * 4
    code, said = ablate(tmp_path, file, "local", "--jobs", "2")
    assert code == 0, said
    assert tables(path) == tables(tmp_path / "local/small")


def test_a_stopped_driver_leaves_checkpoints_and_the_next_goes_on(
    tmp_path: Path, cluster: Any
) -> None:
    file = plan(tmp_path, steps=150)
    folder, stop = tmp_path / "ray", Stop()

    def stop_when_two_run() -> None:
        if statuses(folder / "small").count("running") == 2:
            stop.signal = signal.SIGINT

    path = conducted(folder, file, cluster, Told(stop_when_two_run), stop)
    between = statuses(path)
    conducted(folder, file, cluster, Told(), Stop())

    assert "done" not in between
    assert between.count("interrupted") == 2
    assert statuses(path) == ["done"] * 4


def test_a_cluster_that_is_not_there_is_the_machines_fault() -> None:
    pytest.importorskip("ray")
    from ganzoo.ablate.on_ray import OnRay
    from ganzoo.common.errors import MachineError

    with pytest.raises(MachineError, match=r"Ray cannot reach or start 127\.0\.0\.1:1"):
        OnRay("127.0.0.1:1", None)
