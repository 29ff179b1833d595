"""``python -m benchmarks.gpu``: everything that is to be known of a GPU, in one command.

Under nine minutes on one H100, without a network. It needs torch, torchvision, pytest, and what
ganzoo asks for in ``pyproject.toml``; MNIST's files are looked for under ``GANZOO_DATA``. Every
part has a process of its own and a limit, so that one that fails leaves the others; what is there
is written after each to ``gpu.json`` and ``gpu.md``. ``--rehearse`` runs the same code on a CPU
with small batches, few steps and narrow deep networks: it shows that the command works and says
nothing of speed.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from safetensors.torch import load_file

from benchmarks.contestants import ganzoo_loop, naive_loop
from benchmarks.layers import best, gemm_ceiling, step_flops
from benchmarks.recipes import plain_loop, work_of
from benchmarks.timing import interleaved, ratio
from benchmarks.works import WORKS, Work
from ganzoo.recipe.source import shipped
from ganzoo.runs.folder import list_runs
from ganzoo.runs.log import MEASURES
from ganzoo.training.machine import device_name, peak_memory_mib, set_up

_RESNET = ("generator.channels=[16,16,16,16]", "discriminator.channels=[16,16,16,16]")
_R3GAN = tuple(
    f"{side}.{words}"
    for side in ("generator", "discriminator")
    for words in ("channels=[32,32,32,32]", "blocks=1")
)
_STYLEGAN2 = tuple(
    f"{side}.{words}"
    for side in ("generator", "discriminator")
    for words in ("channel_base=512", "channel_max=16")
)
FAMILIES = {
    "sngan_cifar10": _RESNET,
    "sagan_cifar10": _RESNET,
    "biggan_cifar10": _RESNET,
    "wgan_gp_resnet_cifar10": _RESNET,
    "r3gan_cifar10": _R3GAN,
    "stylegan2_cifar10": _STYLEGAN2,
    "fastgan_64": (),
}
"""One recipe of each deep family, at its paper's batch and width; how a rehearsal narrows it."""
PRECISIONS = ("fp32", "tf32", "bf16")
TARGET = 10.0
"""Frechet distance whose time is taken."""
QUICK = "fast_mnist_gpu"
"""The recipe that is trained until then."""


@dataclass(frozen=True)
class Scale:
    """How much is done: for measurements, or to rehearse.

    Attributes:
        batch: images of a step at most; 0 leaves the recipe's.
        rounds: turns of each contestant.
        seconds: length of one turn.
        size: side of the matrices whose product is the ceiling.
        steps: of the whole run, of the search for the target, and before a resume.
    """

    device: str
    batch: int
    rounds: int
    seconds: float
    size: int
    whole: int
    search: int
    before: int


REAL = Scale("cuda", 0, 3, 0.3, 8192, 0, 4000, 200)
REHEARSAL = Scale("cpu", 4, 1, 0.01, 256, 6, 6, 3)

Part = Callable[[Scale, Path], dict[str, Any]]


def main(arguments: list[str] | None = None) -> int:
    """Run all parts, or one of them in this process; return 1 if one failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--rehearse", action="store_true", help="on a CPU, in minutes")
    parser.add_argument("--out", type=Path, default=Path("gpu"), help="folder for the results")
    parser.add_argument("--minutes", type=float, default=9.0, help="no part begins after this")
    parser.add_argument("--only", choices=list(PARTS), help="one part, in this process")
    asked = parser.parse_args(arguments)
    scale = REHEARSAL if asked.rehearse else REAL
    asked.out.mkdir(parents=True, exist_ok=True)
    if asked.only:
        print(json.dumps(PARTS[asked.only][0](scale, asked.out)))
        return 0
    if scale.device == "cuda" and not torch.cuda.is_available():
        print("torch sees no CUDA device; --rehearse runs the same on a CPU", file=sys.stderr)
        return 3
    return run_parts(asked, scale)


def run_parts(asked: argparse.Namespace, scale: Scale) -> int:
    """Run each part in its own process and write what it found."""
    device = torch.device(scale.device)
    found: dict[str, Any] = {
        "card": device_name(device),
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "python": sys.version.split()[0],
        "rehearsal": asked.rehearse,
        "parts": {},
    }
    started = time.monotonic()
    for name, (_, limit) in PARTS.items():
        if time.monotonic() - started > 60 * asked.minutes:
            found["parts"][name] = {"failed": "not begun: the minutes were over"}
            continue
        print(f"{name} ...", flush=True)
        began = time.monotonic()
        result = in_a_child(name, asked, limit)
        result["took_s"] = round(time.monotonic() - began, 1)
        found["parts"][name] = result
        print(f"  {result.get('failed', 'done')} ({result['took_s']} s)", flush=True)
        (asked.out / "gpu.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        (asked.out / "gpu.md").write_text(table(found), encoding="utf-8")
    print(table(found))
    return int(any("failed" in each for each in found["parts"].values()))


def in_a_child(name: str, asked: argparse.Namespace, limit: float) -> dict[str, Any]:
    """Return what a part prints as its last line, or why there is nothing."""
    command = [sys.executable, "-m", "benchmarks.gpu", "--only", name, "--out", str(asked.out)]
    command += ["--rehearse"] if asked.rehearse else []
    limit = 20 * limit if asked.rehearse else limit
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit, check=False)
    except subprocess.TimeoutExpired:
        return {"failed": f"not done after {limit:g} s"}
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit {done.returncode}"]
        return {"failed": lines[-1][:300], "stderr": lines[-12:]}
    result: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return result


def floors(scale: Scale, out: Path) -> dict[str, Any]:  # noqa: ARG001
    """Measure what nothing can beat: a launch, a replay, and matrix products."""
    device = torch.device(scale.device)
    found: dict[str, Any] = {}
    for precision, kind in (
        ("fp32", torch.float32),
        ("tf32", torch.float32),
        ("bf16", torch.bfloat16),
    ):
        torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
        found[f"{precision}_tflops"] = gemm_ceiling(device, scale.size, kind) / 1e12
    small = torch.zeros(1, device=device)
    count = 100

    def launches() -> None:
        for _ in range(count):
            small.add_(1)

    found["launch_us"] = best(launches, device, 7) / count * 1e6
    if scale.device == "cuda":
        launches()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            launches()
        found["replayed_launch_us"] = best(graph.replay, device, 7) / count * 1e6
    return found


def tests(scale: Scale, out: Path) -> dict[str, Any]:  # noqa: ARG001
    """Run ``pytest -m gpu``."""
    command = [sys.executable, "-m", "pytest", "-m", "gpu", "-n", "0", "-q", "-rfE"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = done.stdout.strip().splitlines()
    found: dict[str, Any] = {"exit": done.returncode, "said": lines[-1] if lines else ""}
    if done.returncode not in {0, 5}:
        found["failed"] = f"pytest -m gpu: {found['said']}"
        found["lines"] = [line for line in lines if line.startswith(("FAILED", "ERROR"))]
    return found


def graphs(on: bool) -> AbstractContextManager[Any]:
    """Have runs captured, or not."""
    return patch.dict(os.environ, GANZOO_GRAPH="1" if on else "0")


def steps_of(work: Work, scale: Scale, other: Mapping[str, Any]) -> dict[str, Any]:
    """Return a step's times in every precision, captured and not, beside the other loop's."""
    found: dict[str, Any] = {}
    batch = [f"train.batch_size={scale.batch}"] if scale.batch else []
    own = replace(work, overrides=(*work.overrides, *batch))
    recipe, _ = own.load()
    found["batch"] = recipe.train.batch_size
    for precision in PRECISIONS if scale.device == "cuda" else ("fp32", "bf16"):
        machine, _ = set_up(scale.device, precision=precision, threads=0)
        if scale.device == "cuda":
            torch.cuda.reset_peak_memory_stats()
        with graphs(on=False):
            calls = {
                **{name: make(own, machine) for name, make in other.items()},
                "plain": ganzoo_loop(own, machine),
            }
        if "gflop" not in found:
            found["gflop"] = step_flops(calls["plain"]) / 1e9
        if scale.device == "cuda":
            with graphs(on=True):
                calls["captured"] = ganzoo_loop(own, machine)
                for _ in range(6):
                    calls["captured"]()
        times = interleaved(
            calls, rounds=scale.rounds, seconds=scale.seconds, cuda=scale.device == "cuda"
        )
        row: dict[str, Any] = {}
        for name, each in times.items():
            row[name] = {"ms": each.wall_s * 1e3, "images_per_second": found["batch"] / each.wall_s}
            for rival in other:
                row[name][f"times_{rival}"] = ratio(times[rival].wall, each.wall)
        row["peak_mib"] = peak_memory_mib(machine.device)
        found[precision] = row
    return found


def w1(scale: Scale, out: Path) -> dict[str, Any]:  # noqa: ARG001
    """Measure MNIST's network beside the loop of tutorials."""
    return steps_of(
        WORKS["w1"], scale, {"naive fp32": lambda work, at: naive_loop(work, at, workers=0)}
    )


def w2(scale: Scale, out: Path) -> dict[str, Any]:  # noqa: ARG001
    """Measure the 64x64 network of pytorch/examples at its own batch."""
    work = replace(WORKS["w2"], overrides=("train.batch_size=128",))
    return steps_of(work, scale, {"naive fp32": lambda work, at: naive_loop(work, at, workers=0)})


def families(scale: Scale, out: Path) -> dict[str, Any]:  # noqa: ARG001
    """Measure one recipe of each deep family beside itself in PyTorch's own parts."""
    found: dict[str, Any] = {}
    for name, narrow in FAMILIES.items():
        if name not in shipped():
            continue
        # The recipe's own batch and width, not what a CPU can bear; a rehearsal's small ones.
        work = replace(work_of(name), overrides=narrow if scale.device == "cpu" else ())
        try:
            found[name] = steps_of(work, scale, {"ported": plain_loop})
        except (RuntimeError, ValueError) as error:
            found[name] = {"failed": str(error).partition("\n")[0][:300]}
        if scale.device == "cuda":
            torch.cuda.empty_cache()
    broken = [name for name, each in found.items() if "failed" in each]
    return found | ({"failed": f"{', '.join(broken)} failed"} if broken else {})


def command_line(*words: str) -> dict[str, Any]:
    """Run ganzoo and return how it ended."""
    command = [sys.executable, "-m", "ganzoo", *words]
    started = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    seconds = time.monotonic() - started
    if done.returncode:
        said = " | ".join(done.stderr.strip().splitlines())[-300:]
        raise RuntimeError(f"ganzoo {' '.join(words[:2])} ended with {done.returncode}: {said}")
    return {"seconds": seconds}


def classifier(scale: Scale, out: Path) -> dict[str, Any]:  # noqa: ARG001
    """Train the classifier in whose features MNIST is scored, on one CPU thread, or find it."""
    return command_line("measure", "prepare", "mnist", "--offline")


def whole(scale: Scale, out: Path) -> dict[str, Any]:
    """Train ``dcgan_mnist`` in full: sheets, checkpoints, measures and page."""
    words = ["run", "dcgan_mnist", "--out", str(out / "whole"), "--device", scale.device]
    words += ["--offline", *(["--set", f"train.steps={scale.whole}"] if scale.whole else [])]
    found = command_line(*words)
    last = list_runs(out / "whole")[-1].read_log()[-1]
    found |= {"steps": last["step"], "training_s": last["seconds"]}
    found["scores"] = {name: value for name, value in last.items() if name.startswith(MEASURES)}
    return found


def target(scale: Scale, out: Path) -> dict[str, Any]:
    """Train until the Frechet distance on MNIST is 10; measuring is not counted."""
    words = ["run", QUICK, "--out", str(out / "target"), "--device", scale.device, "--offline"]
    words += ["--set", f"train.steps={scale.search}"]
    words += ["--set", f"measure.every={max(1, scale.search // 20)}"]
    command_line(*words)
    scores = [
        (entry["step"], entry["seconds"], value)
        for entry in list_runs(out / "target")[-1].read_log()
        for name, value in entry.items()
        if name == f"{MEASURES}frechet" and isinstance(value, int | float)
    ]
    reached = next((each for each in scores if each[2] <= TARGET), None)
    return {
        "target": TARGET,
        "reached": reached and {"step": reached[0], "seconds": reached[1], "frechet": reached[2]},
        "best": min((each[2] for each in scores), default=math.nan),
    }


def resume(scale: Scale, out: Path) -> dict[str, Any]:
    """Stop a run, go on with it on the same device and on the CPU; compare repeated bits."""
    found: dict[str, Any] = {}
    weights = {}
    for name, device in (("same", scale.device), ("cpu", "cpu")):
        place = out / f"resume-{name}"
        steps = [f"--set=train.steps={2 * scale.before}", f"--set=checkpoint.every={scale.before}"]
        command_line("run", "dcgan_digits", "--out", str(place), "--device", scale.device,
                     "--offline", "--deterministic", *steps)  # fmt: skip
        run = list_runs(place)[-1]
        weights[name] = load_file(run.generator)
        command_line(
            "resume", str(run.path), "--device", device, "--set", f"train.steps={3 * scale.before}"
        )
        found[f"step_after_resume_{name}"] = run.read_log()[-1]["step"]
    found["repeated_bits"] = all(
        torch.equal(value, weights["cpu"][key]) for key, value in weights["same"].items()
    )
    return found


def table(found: Mapping[str, Any]) -> str:
    """Return the results as Markdown."""
    title = f"# {found['card']}, torch {found['torch']}"
    lines = [title + (" (a rehearsal: its times mean nothing)" if found["rehearsal"] else ""), ""]
    parts = found["parts"]
    if "floors" in parts:
        lines += ["| Floor | |", "|---|---|"]
        lines += [f"| {name} | {value:,.2f} |" for name, value in parts["floors"].items()
                  if isinstance(value, float) and name != "took_s"]  # fmt: skip
        lines.append("")
    lines += ["| Work | Batch | Precision | Loop | ms | images/s | times the other | TFLOP/s |",
              "|---|---|---|---|---|---|---|---|"]  # fmt: skip
    works = {name: parts[name] for name in ("w1", "w2") if name in parts}
    works |= {
        name: each for name, each in parts.get("families", {}).items() if isinstance(each, dict)
    }
    for name, work in works.items():
        for precision in PRECISIONS:
            for loop, row in work.get(precision, {}).items():
                if loop == "peak_mib":
                    continue
                other = next((v for k, v in row.items() if k.startswith("times_")), math.nan)
                tera = work["gflop"] / row["ms"]
                lines.append(
                    f"| {name} | {work['batch']} | {precision} | {loop} | {row['ms']:.2f} | "
                    f"{row['images_per_second']:,.0f} | {other:.2f} | {tera:.2f} |"
                )
    lines.append("")
    for name, part in parts.items():
        if name not in {"floors", "w1", "w2", "families"}:
            told = {key: value for key, value in part.items() if key != "stderr"}
            lines.append(f"- {name}: {json.dumps(told)}")
        elif "failed" in part:
            lines.append(f"- {name}: failed: {part['failed']}")
    return "\n".join(lines) + "\n"


PARTS: dict[str, tuple[Part, float]] = {
    "floors": (floors, 30),
    "tests": (tests, 120),
    "w1": (w1, 60),
    "w2": (w2, 60),
    "classifier": (classifier, 180),
    "whole": (whole, 90),
    "target": (target, 90),
    "families": (families, 200),
    "resume": (resume, 120),
}
"""Every part with the seconds it may take on a GPU; the most wanted first."""


if __name__ == "__main__":
    sys.exit(main())
