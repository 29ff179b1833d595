"""``python -m benchmarks.mutants [PART OF A PATH ...]``: whether the tests of a module notice.

One small fault at a time is put into a module of ``mutants.toml``, and the tests named there are
run until one fails. The faults are Cosmic Ray's (``pip install cosmic-ray``), each operator changed
into its nearest: ``<`` into ``<=``, ``+`` into ``-``, a number by one up and down. Cosmic Ray
itself starts Python anew for every fault; here a process that has imported torch forks.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import gc
import json
import os
import random
import re
import signal
import sys
import tempfile
import time
import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import import_module
from importlib.abc import MetaPathFinder, SourceLoader
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"

import cosmic_ray.plugins
import pytest
import torch
import torch._dynamo  # what the first of torch's own optimizers imports
import torch.fx.experimental.symbolic_shapes  # what the first gradient imports
import torch.utils.data
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from hypothesis.internal.conjecture import engine  # noqa: F401
from scipy import special, stats  # noqa: F401

ROOT = Path(__file__).parent.parent
LIST = Path(__file__).with_suffix(".toml")
NEAREST = {
    "ReplaceBinaryOperator": (
        "Add_Sub Sub_Add Mul_Div Div_Mul FloorDiv_Div Mod_Div Pow_Mul BitAnd_BitOr BitOr_BitAnd"
    ),
    "ReplaceComparisonOperator": "Lt_LtE LtE_Lt Gt_GtE GtE_Gt Eq_NotEq NotEq_Eq Is_IsNot IsNot_Is",
    "ReplaceUnaryOperator": "USub_UAdd Delete_Invert Delete_Not",
}
WHOLE = (
    "AddNot ReplaceTrueWithFalse ReplaceFalseWithTrue ReplaceAndWithOr ReplaceOrWithAnd "
    "ReplaceBreakWithContinue ReplaceContinueWithBreak ExceptionReplacer NumberReplacer "
    "RemoveDecorator ZeroIterationForLoop"
)
OPERATORS = [f"{kind}_{each}" for kind, some in NEAREST.items() for each in some.split()]
OPERATORS += WHOLE.split()


@dataclass(frozen=True)
class Module:
    """A module, the tests beside it, and its faults that are none, with the reason."""

    path: str
    tests: list[str]
    without: str = ""
    """Long tests that are left out, as pytest's -k names them: simulations, whole runs."""
    equivalent: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What it is imported as."""
        return self.path.removeprefix("plugins/").removesuffix(".py").replace("/", ".")


def main(arguments: list[str] | None = None) -> int:
    """Try every fault; print those that no test notices, and the share that is noticed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mutants", description=__doc__)
    parser.add_argument("part", nargs="*", help="only modules with this in their path")
    parser.add_argument("--most", type=int, default=50, help="faults of a module, drawn at random")
    parser.add_argument("--seed", type=int, default=0, help="of the draw")
    parser.add_argument("--again", type=Path, help="only those that an earlier run put into a file")
    asked = parser.parse_args(arguments)
    again = set(asked.again.read_text("utf-8").splitlines()) if asked.again else None
    modules = [Module(**each) for each in tomllib.loads(LIST.read_text("utf-8"))["module"]]
    modules = [
        each
        for each in modules
        if (not asked.part or any(part in each.path for part in asked.part))
        and (again is None or any(line.startswith(f"{each.path}: ") for line in again))
    ]
    sys.path[:0] = [str(ROOT / "plugins")]
    torch.set_num_threads(1)
    noticed = tried = same = 0
    orders: dict[str, Order] = {}
    for module in modules:
        order = orders.setdefault(f"{module.tests} {module.without}", Order())
        found = try_module(module, order, asked.most, asked.seed, again)
        noticed, tried, same = noticed + found[0], tried + found[1], same + found[2]
    share = f" ({noticed / tried:.1%})" if tried else ""
    print(f"{noticed} of {tried} noticed{share}; {same} that change nothing")
    return 0


def try_module(
    module: Module, order: Order, most: int, seed: int, again: set[str] | None = None
) -> tuple[int, int, int]:
    """Return how many faults were noticed, of how many, and how many more change nothing.

    Args:
        again: lines of an earlier run, which name the faults to try; None for all.
    """
    source = (ROOT / module.path).read_text("utf-8")
    import_below(module)
    began = time.monotonic()
    limit = as_it_is(module, order)
    noticed = tried = same = 0
    everything = dict(faults(source))
    if unknown := module.equivalent.keys() - everything:
        raise SystemExit(f"{module.path}: no such faults: {sorted(unknown)}")
    asked = [line for line in everything if again is None or f"{module.path}: {line}" in again]
    chosen = random.Random(f"{module.path} {seed}").sample(asked, len(asked))[:most]
    for line in sorted(chosen, key=list(everything).index):
        if line in module.equivalent:
            same += 1
            continue
        tried += 1
        if passes(module, everything[line], order, limit):
            print(f"{module.path}: {line}", flush=True)
        else:
            noticed += 1
    seconds = time.monotonic() - began
    share = f"{noticed} of {tried} noticed, {same} change nothing"
    print(f"{module.path}: {share}; drawn from {len(everything)}, {seconds:.0f} s", flush=True)
    return noticed, tried, same


def as_it_is(module: Module, order: Order) -> float:
    """Return how long the tests may take, once they have passed on the module as it is."""
    if not order.limit:
        began = time.monotonic()
        if not passes(module, (ROOT / module.path).read_text("utf-8"), order, limit=600):
            raise SystemExit(f"{module.path}: its tests fail as it is")
        order.limit = 60 + 5 * (time.monotonic() - began)
    return order.limit


def import_below(module: Module) -> None:
    """Have what the module itself builds on imported, and nothing that builds on the module.

    Imports go down only, and no plugin is imported by anything of ganzoo's.
    """
    for name in [name for name in sys.modules if name.startswith("ganzoo")]:
        del sys.modules[name]
    if module.path.startswith("plugins/"):
        import_module("ganzoo.session")
    else:
        import_module(module.name)
        package, _, name = module.name.rpartition(".")
        delattr(sys.modules[package], name)
        del sys.modules[module.name]
    gc.freeze()


def faults(source: str) -> Iterator[tuple[str, str]]:
    """Yield every fault once: the lines it changes, old and new, and the whole source with it."""
    tree = get_ast(source)
    types = list(annotations(source))
    seen = {source}
    known = Counter[str]()
    for name in OPERATORS:
        operator = cosmic_ray.plugins.get_operator(f"core/{name}")()
        places = [at for node in ast_nodes(tree) for at in operator.mutation_positions(node)]
        for number, (start, _) in enumerate(places):
            if "BitOr" in name and any(first <= start < last for first, last in types):
                continue  # a union of types
            line = source.splitlines()[start[0] - 1]
            is_marker = re.match(r"\*+(,|\w)", line[start[1] :]) and "Binary" in name
            if "if TYPE_CHECKING" in line or is_marker:
                continue  # '*,' of keyword-only arguments, and '**more'
            mutated = mutate_code(source, operator, number)
            if mutated is None or mutated in seen or not is_python(mutated):
                continue
            seen.add(mutated)
            changed = difflib.ndiff(source.splitlines(), mutated.splitlines())
            parts = [line[2:].strip() for line in changed if line[0] in "-+" and line[2:].strip()]
            line = " => ".join(parts)
            known[line] += 1
            yield line if known[line] == 1 else f"{line} ({known[line]})", mutated


def is_python(source: str) -> bool:
    """Return whether a source can be compiled: what cannot is no fault that anybody makes."""
    try:
        compile(source, "", "exec")
    except SyntaxError:
        return False
    return True


def annotations(source: str) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """Yield where types stand, which are never computed."""
    for node in ast.walk(ast.parse(source)):
        for each in (getattr(node, "annotation", None), getattr(node, "returns", None)):
            if isinstance(each, ast.expr) and each.end_lineno and each.end_col_offset is not None:
                yield (each.lineno, each.col_offset), (each.end_lineno, each.end_col_offset)


class Order:
    """What pytest is told: tests that were quick the first time come first."""

    def __init__(self) -> None:
        self.place = Path(tempfile.mkdtemp()) / "took.json"
        self.took: dict[str, float] = {}
        self.limit = 0.0
        """Seconds that they may take."""

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Sort the tests."""
        known = json.loads(self.place.read_text("utf-8")) if self.place.exists() else {}
        items.sort(key=lambda item: known.get(item.nodeid, 0.0))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take down how long a test took."""
        self.took[report.nodeid] = self.took.get(report.nodeid, 0.0) + report.duration

    def pytest_sessionfinish(self) -> None:
        """Keep it for the processes to come."""
        if not self.place.exists():
            self.place.write_text(json.dumps(self.took), "utf-8")


class InPlace(MetaPathFinder, SourceLoader):
    """Imports a module with another source."""

    def __init__(self, module: Module, source: str) -> None:
        self.module, self.source = module, source

    def find_spec(self, fullname: str, *_: Any) -> ModuleSpec | None:
        """Take over the one module."""
        if fullname != self.module.name:
            return None
        return spec_from_file_location(fullname, ROOT / self.module.path, loader=self)

    def get_filename(self, fullname: str) -> str:  # noqa: ARG002
        """Return where the module lies."""
        return str(ROOT / self.module.path)

    def get_data(self, path: str | bytes) -> bytes:  # noqa: ARG002
        """Return the other source."""
        return self.source.encode()


def passes(module: Module, source: str, order: Order, limit: float) -> bool:
    """Return whether the tests of a module pass, within ``limit`` seconds, with this source."""
    child = os.fork()
    if not child:
        os.setpgid(0, 0)
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        sys.meta_path.insert(0, InPlace(module, source))
        options = ["-x", "-o", "addopts=-m 'not slow'", "-p", "no:cacheprovider", "--tb=no", "-q"]
        left_out = ["-k", f"not ({module.without})"] if module.without else []
        try:
            import_module(module.name)  # before pytest, which would take it from the disk
        except BaseException:  # noqa: BLE001
            os._exit(1)
        os._exit(int(pytest.main([*options, *left_out, *module.tests], plugins=[order])))
    end = time.monotonic() + limit
    while time.monotonic() < end:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return status == 0
        time.sleep(0.02)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False


if __name__ == "__main__":
    sys.exit(main())
