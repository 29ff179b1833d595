"""``python -m benchmarks.equal_time``: what each family makes of MNIST in equal processor time.

The contestants are in ``equal_time.toml``. A few steps of each are timed on one thread and say how
many fit the minutes; these numbers are kept in ``steps.json``, so that all seeds, and a second
call, train the same runs. Runs that are done are not repeated. Prints a table.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
import tomllib
from pathlib import Path
from typing import Any

from ganzoo.common.data_root import DataRoot, data_root
from ganzoo.plugin import registry
from ganzoo.recipe import source
from ganzoo.recipe.check import load_recipe
from ganzoo.training import loop as train
from ganzoo.training.machine import set_up
from ganzoo.training.parts import assemble
from ganzoo.training.state import Silent

CONTESTANTS = Path(__file__).with_suffix(".toml")
SCORES = ("frechet", "precision", "recall", "class_accuracy")
COMMON = (
    "latent.size=64", 'train.last_batch="drop"', "train.log_every=50", "measure.samples=2500",
    "measure.every=0", "samples={every=0,rows=10,columns=10}", "checkpoint.every=0",
    "ema={half_life=100}",
)  # fmt: skip


def contestants() -> dict[str, dict[str, Any]]:
    """Return what is changed in which recipe, by name; one that is 'of' another adds to it."""
    found: dict[str, dict[str, Any]] = {}
    for name, own in tomllib.loads(CONTESTANTS.read_text(encoding="utf-8")).items():
        base = found[own["of"]] if "of" in own else {"recipe": own["recipe"], "set": []}
        found[name] = {"recipe": base["recipe"], "set": [*base["set"], *own["set"]]}
    return found


def overrides(contestant: dict[str, Any], steps: int, seed: int) -> tuple[str, ...]:
    """Return everything that is changed in the contestant's recipe."""
    metrics = ["frechet", "neighbourhoods"]
    if any("labels=" in each for each in contestant["set"]):
        metrics.append("class_accuracy")
    wanted = ",".join(f'{{use="{name}"}}' for name in metrics)
    return (
        "train.batch_size=64", *COMMON, *contestant["set"], f"metric=[{wanted}]",
        f"train.seed={seed}", f"train.steps={steps}",
    )  # fmt: skip


def cost(contestant: dict[str, Any], rehearsed: int) -> dict[str, Any]:
    """Time steps in this process; return seconds of processor time, batch size and parameters."""
    found = registry.load_plugins([])
    machine, _ = set_up("cpu", threads=1, precision="fp32")
    file = source.find_recipe(contestant["recipe"])
    recipe = load_recipe(file, found, (*overrides(contestant, 1000, 0), "metric=[]"))
    root = DataRoot(data_root())
    parts = assemble(recipe, found, root, machine, warn=print, allow_fallback=False)
    with tempfile.TemporaryDirectory() as folder:
        run = train.new_run(parts, Path(folder), "timed")
        training = train.at_the_start(parts, found, run, Silent())
        for _ in range(4):
            training.advance()
        started = time.process_time()
        for _ in range(rehearsed):
            training.advance()
        seconds = (time.process_time() - started) / rehearsed
    sizes = [
        sum(weight.numel() for weight in side.network.parameters())
        for side in (parts.generator, parts.discriminator)
    ]
    return {"seconds": seconds, "batch": recipe.train.batch_size, "parameters": sizes}


def finished(folder: Path) -> dict[str, Any] | None:
    """Return the result of the run below a folder, if it is done."""
    file = min(folder.glob("*/*/result.json"), default=None)
    return None if file is None else json.loads(file.read_text(encoding="utf-8"))


def main(arguments: list[str] | None = None) -> int:
    """Train what is missing and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.equal_time", description=__doc__)
    parser.add_argument("--minutes", type=float, default=20.0, help="processor time of each run")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("runs/equal_time"))
    parser.add_argument("--only", nargs="*", help="names of contestants")
    parser.add_argument("--rehearsed", type=int, default=32, help="steps that are timed")
    asked = parser.parse_args(arguments)
    known = contestants()
    if unknown := {*(asked.only or ())} - {*known}:
        parser.error(f"no contestant {', '.join(unknown)}; there are {', '.join(known)}")
    chosen = {name: known[name] for name in asked.only or known}
    asked.out.mkdir(parents=True, exist_ok=True)
    kept = asked.out / "steps.json"
    costs: dict[str, Any] = json.loads(kept.read_text()) if kept.exists() else {}
    for name, contestant in chosen.items():
        if name not in costs:
            costs[name] = cost(contestant, asked.rehearsed)
            costs[name]["steps"] = max(1, round(60 * asked.minutes / costs[name]["seconds"]))
            costs[name]["minutes"] = asked.minutes
            kept.write_text(json.dumps(costs, indent=1), encoding="utf-8")
            print(f"{name}: {costs[name]}", flush=True)
    if other := {each["minutes"] for each in costs.values()} - {asked.minutes}:
        parser.error(f"{asked.out} has runs of {other.pop():g} minutes; give another --out")
    failed = 0
    for seed in range(asked.seeds):
        for name, contestant in chosen.items():
            folder = asked.out / name / str(seed)
            if finished(folder) is not None:
                continue
            command = [sys.executable, "-m", "ganzoo", "run", contestant["recipe"], "--quiet"]
            command += ["--threads", "1", "--device", "cpu", "--out", str(folder)]
            for each in overrides(contestant, costs[name]["steps"], seed):
                command += ["--set", each]
            ended = subprocess.run(command, check=False).returncode
            failed += ended != 0
            print(f"{name}, seed {seed}: exit code {ended}", flush=True)
    table(costs, asked.out, asked.seeds)
    return 1 if failed else 0


def table(costs: dict[str, Any], out: Path, seeds: int) -> None:
    """Print a row for each contestant that was timed."""
    print("| contestant | parameters (G, D) | steps | images/s |", " | ".join(SCORES), "|")
    print("| --- | --- | --- | --- |", " | ".join("---" for _ in SCORES), "|")
    for name, known in costs.items():
        results = [finished(out / name / str(seed)) for seed in range(seeds)]
        row = [name, ", ".join(f"{each:,}" for each in known["parameters"]), f"{known['steps']:,}"]
        row.append(f"{known['batch'] / known['seconds']:.0f}")
        for score in SCORES:
            values = [
                result["metrics"][score]["last"]["value"]
                for result in results
                if result and score in result["metrics"]
            ]
            row.append(shown(values))
        print("|", " | ".join(row), "|")


def shown(values: list[float]) -> str:
    """Return mean and standard deviation; how many runs they are of, if it is one."""
    if not values:
        return "-"
    if len(values) == 1:
        return f"{values[0]:.3g} (one seed)"
    return f"{statistics.mean(values):.3g} ± {statistics.stdev(values):.2g}"


if __name__ == "__main__":
    sys.exit(main())
