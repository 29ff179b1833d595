"""``python -m benchmarks.step``: ganzoo's training step beside the loop that tutorials teach.

All contestants take turns in one process. Ratios are medians over rounds; on one thread they are
of processor time, which a busy neighbour disturbs least, else of time by the clock.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch

from benchmarks import layers
from benchmarks.contestants import bare_loop, ganzoo_loop, ganzoo_parts, naive_loop
from benchmarks.timing import interleaved, ratio
from benchmarks.works import WORKS, Work
from ganzoo.training.machine import Machine, device_name, peak_memory_mib, set_up


def main(arguments: list[str] | None = None) -> int:
    """Measure the works asked for, print tables and write JSON."""
    asked = parse(arguments)
    machine, _ = set_up(asked.device, threads=asked.threads, precision=asked.precision)
    print(f"{device_name(machine.device)}, {machine.threads} thread(s), {machine.precision}, "
          f"torch {torch.__version__}")  # fmt: skip
    ceiling = layers.gemm_ceiling(machine.device)
    print(f"matrix product: {ceiling / 1e9:.1f} GFLOP/s")
    found: dict[str, Any] = {"machine": machine.state(), "gemm_gflops": ceiling / 1e9}
    for name in asked.work:
        found[name] = measure(WORKS[name], machine, asked, ceiling)
    if asked.json:
        asked.json.write_text(json.dumps(found, indent=1) + "\n")
    return 0


def parse(arguments: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.step", description=__doc__)
    parser.add_argument("--work", nargs="*", default=list(WORKS), choices=list(WORKS))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=0, help="0: as many as torch takes")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.5, help="length of one turn")
    parser.add_argument("--workers", type=int, default=0, help="of the naive loop's DataLoader")
    parser.add_argument("--set", action="append", default=[], help="key=value over the recipe")
    parser.add_argument("--no-layers", action="store_true", help="leave out the layers")
    parser.add_argument("--json", type=Path)
    return parser.parse_args(arguments)


def measure(
    work: Work, machine: Machine, asked: argparse.Namespace, ceiling: float
) -> dict[str, Any]:
    """Measure one work and print what was found."""
    naive = naive_loop(work, machine, workers=asked.workers)
    calls = {
        "naive": naive,
        "ganzoo": ganzoo_loop(work, machine, *asked.set),
        "bare": bare_loop(work, machine),
    }
    flops = layers.step_flops(naive)
    times = interleaved(
        calls,
        rounds=asked.rounds,
        seconds=asked.seconds,
        cuda=machine.device.type == "cuda",
    )
    recipe, _ = work.load(*asked.set)
    size = recipe.train.batch_size
    is_cpu_time = machine.device.type == "cpu" and machine.threads == 1
    print(f"\n{work.name}: batch {size}, {flops / 1e9:.1f} GFLOP a naive step")
    rows = {}
    for name, each in times.items():
        told = each.told(on_processor=is_cpu_time)
        seconds = statistics.median(told)
        rows[name] = {
            "wall_ms": each.wall_s * 1e3,
            "cpu_ms": each.cpu_s * 1e3,
            "images_per_second": size / seconds,
            "times_naive": ratio(times["naive"].told(on_processor=is_cpu_time), told),
            "share_of_ceiling": flops / seconds / ceiling,
        }
        print(
            f"  {name:8} {each.wall_s * 1e3:9.2f} ms  cpu {each.cpu_s * 1e3:9.2f} ms  "
            f"{size / seconds:10,.0f} images/s  {rows[name]['times_naive']:5.2f} x naive  "
            f"{rows[name]['share_of_ceiling']:6.1%} of the matrix product"
        )
    best = {name: min(each.told(on_processor=is_cpu_time)) for name, each in times.items()}
    bookkeeping = best["ganzoo"] / best["bare"] - 1
    print(f"  bookkeeping (best of ganzoo over best of bare): {bookkeeping:+.1%}; "
          f"peak memory {peak_memory_mib(machine.device):,.0f} MiB")  # fmt: skip
    result = {"batch": size, "gflop": flops / 1e9, "rows": rows, "bookkeeping": bookkeeping}
    if not asked.no_layers:
        result["layers"] = show_layers(work, machine, size, ceiling)
    return result


def show_layers(work: Work, machine: Machine, size: int, ceiling: float) -> list[dict[str, Any]]:
    """Print the cost of each layer, forward and both gradients."""
    parts, _ = ganzoo_parts(work, machine)
    plain = tuple(network.to(machine.device) for network in work.networks())
    latent = torch.randn(size, parts.recipe.latent.size, device=machine.device)
    ours = (parts.generator.network, parts.discriminator.network)
    found = layers.rows((plain[0], plain[1]), latent, ours, repeats=8)
    for row in found:
        share = row["ceiling_ms"] / row["ganzoo_ms"]
        print(
            f"  {row['layer']:50} {row['gflop']:6.2f} GFLOP  pytorch {row['pytorch_ms']:7.2f} ms  "
            f"ganzoo {row['ganzoo_ms']:7.2f} ms, {row['ganzoo_gflops'] * 1e9 / ceiling:4.0%} of a "
            f"matrix product, {share:4.0%} of three convolutions"
        )
    return found


if __name__ == "__main__":
    sys.exit(main())
