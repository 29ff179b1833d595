"""A checkpoint is whole and true, or refused by name."""

import json
import math
import os
import random
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load, save

from ganzoo.common.errors import CheckpointError, DamagedError, MachineError, RefusedError
from ganzoo.runs import checkpoint
from ganzoo.runs.checkpoint import State
from ganzoo.runs.optimizer_state import pack_optimizer, unpack_optimizer


def state(step: int = 7) -> State:
    return State(
        step=step, log_lines=3, recipe="ab", optimizers={}, health={}, measures={}, machine={}
    )


def write(path: Path) -> dict[str, torch.Tensor]:
    tensors = {
        "a/w": torch.randn(3, 4),
        "b": torch.tensor(5),
        "c": torch.zeros(2, dtype=torch.uint8),
    }
    checkpoint.write(path, tensors, state())
    return tensors


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "step-000007.safetensors"
    tensors = write(path)

    found, found_state = checkpoint.read_checkpoint(path)

    assert found_state == state()
    assert found.keys() == tensors.keys()
    assert all(torch.equal(found[name], tensors[name]) for name in tensors)


def test_it_is_written_in_safetensors_own_order_without_a_copy_of_any_tensor(
    tmp_path: Path,
) -> None:
    whole = torch.randn(6, 4)
    kinds = [torch.bool, torch.uint8, torch.int64, torch.float16, torch.bfloat16, torch.float64]
    tensors = {f"k/{kind}": torch.ones(3, dtype=kind) for kind in kinds}
    tensors |= {"b": torch.tensor(5), "a": whole, "empty": torch.empty(0, 2), "é": whole[2:]}
    path = tmp_path / "x.safetensors"

    header, order = checkpoint.begin(tensors, "{}")
    pieces = [each for each in checkpoint.parts(header, order) if isinstance(each, memoryview)]
    checkpoint.write(path, {**tensors, "t": whole.t()}, state())

    own = {name: value.clone() for name, value in tensors.items()}
    wanted = save(own, metadata={"sha256": "0" * 64, "state": "{}"})
    content = b"".join([header, *pieces])
    assert content == checkpoint.canonical(wanted)
    there = {each.data_ptr() for each in tensors.values() if each.numel()}
    assert {torch.frombuffer(each, dtype=torch.uint8).data_ptr() for each in pieces} == there
    assert torch.equal(checkpoint.read_checkpoint(path)[0]["t"], whole.t())


CHILD = """
import resource, sys, torch
from pathlib import Path
from ganzoo.runs import checkpoint
tensors = {str(number): torch.randn(2_500_000) for number in range(10)}
state = checkpoint.State(step=7, log_lines=3, recipe="ab", optimizers={}, health={}, measures={},
                         machine={})
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
checkpoint.write(Path(sys.argv[1]), tensors, state)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss is in KiB on Linux")
def test_writing_100_mb_takes_a_tenth_of_that_in_memory_at_most(tmp_path: Path) -> None:
    command = [sys.executable, "-c", CHILD, str(tmp_path / "x.safetensors")]

    done = subprocess.run(command, capture_output=True, text=True, check=True)

    assert int(done.stdout) < 10_000


def test_any_safetensors_tool_can_open_it(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    tensors = write(path)

    with safe_open(path, "pt") as file:  # type: ignore[no-untyped-call]
        assert set(file.keys()) == tensors.keys()
        assert "state" in file.metadata()


def test_no_flipped_bit_and_no_truncation_is_accepted(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    write(path)
    content = path.read_bytes()
    chance = random.Random(0)
    for trial in range(3000):
        damaged = bytearray(content)
        if trial % 3 == 0:
            damaged = damaged[: chance.randrange(len(content))]
        else:
            position = chance.randrange(len(content) if trial % 3 == 1 else 400)
            damaged[position] ^= 1 << chance.randrange(8)
        path.write_bytes(damaged)
        with pytest.raises(CheckpointError) as caught:
            checkpoint.read_checkpoint(path)
        assert str(path) in str(caught.value)


def test_a_byte_after_the_end_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    write(path)
    with path.open("ab") as file:
        file.write(b"\0")

    with pytest.raises(DamagedError):
        checkpoint.read_checkpoint(path)


def test_a_checkpoint_without_a_tensor_is_one(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    checkpoint.write(path, {}, state())

    assert checkpoint.read_checkpoint(path) == ({}, state())


def test_a_file_of_the_first_format_is_read(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    checkpoint.write(path, {}, state().model_copy(update={"format": 1}))

    assert checkpoint.read_checkpoint(path)[1].format == 1


@pytest.mark.parametrize("length", range(8))
def test_headers_are_sorted_and_tensors_begin_at_a_multiple_of_eight(length: int) -> None:
    tensors = {"é" + "b" * length: torch.arange(3), "a": torch.ones(2)}
    backwards = dict(reversed(tensors.items()))
    content = checkpoint.seal(tensors, "{}")
    header = checkpoint.header_of(content)

    assert checkpoint.seal(backwards, "{}") == content
    assert len(header) % 8 == 0
    assert list(json.loads(header)) == sorted(json.loads(header))
    assert "é".encode() in header  # as safetensors writes names, and not as \u00e9
    again = load(checkpoint.canonical(save(tensors)))
    assert all(torch.equal(again[name], tensors[name]) for name in tensors)


def sparse(path: Path, size: int, header: int) -> Path:
    """Write a file of zeros, which takes no room, that says how long its header is."""
    path.write_bytes(header.to_bytes(8, "little"))
    os.truncate(path, size)
    return path


@pytest.mark.skipif(sys.platform == "win32", reason="zeros take room there")
def test_files_of_16_gib_and_headers_of_16_mib_are_the_largest_that_are_read(
    tmp_path: Path,
) -> None:
    path = tmp_path / "x.safetensors"
    most, header = 2**34, 2**24

    assert len(checkpoint.sized(sparse(path, most, header))) >= 8 + header
    assert len(checkpoint.sized(sparse(path, most, header + 1))) == 8
    with pytest.raises(RefusedError, match="at most 17,179,869,184 are allowed"):
        checkpoint.sized(sparse(path, most + 1, header))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"nothing\.safetensors"):
        checkpoint.read_checkpoint(tmp_path / "nothing.safetensors")


def test_a_newer_format_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    checkpoint.write(path, {"a": torch.zeros(1)}, state().model_copy(update={"format": 2}))

    with pytest.raises(CheckpointError, match="format 2"):
        checkpoint.read_checkpoint(path)


def test_a_write_goes_through_a_synced_temporary_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    for name in ("write", "fsync", "replace"):
        original = getattr(os, name)

        def spy(*args: object, name: str = name, original: object = original) -> object:
            calls.append(name)
            return original(*args)  # type: ignore[operator]

        monkeypatch.setattr(os, name, spy)

    write(tmp_path / "x.safetensors")

    once = [call for call, before in zip(calls, ["", *calls], strict=False) if call != before]
    assert once == ["write", "fsync", "replace", "fsync"]


def test_a_failed_write_leaves_the_old_file_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.safetensors"
    write(path)
    before = path.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)

    needed = f"{len(before):,} bytes are needed"
    with pytest.raises(MachineError, match=rf"x\.safetensors.*No space left.*{needed}; make room"):
        write(path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["x.safetensors"]


def test_an_older_checkpoint_is_taken_with_a_word_about_the_newer_ones(tmp_path: Path) -> None:
    for step in (3, 7, 9):
        write(tmp_path / f"step-{step:06d}.safetensors")
    for step in (7, 9):
        (tmp_path / f"step-{step:06d}.safetensors").write_bytes(b"damaged")
    told: list[str] = []

    path, _, found = checkpoint.newest_readable(tmp_path, "there is none", told.append)

    assert path.name == "step-000003.safetensors"
    (text,) = told
    assert "step-000009.safetensors' is damaged" in text
    assert "step-000007.safetensors' is damaged" in text
    assert text.endswith(f"using an older one instead: '{path}', of step {found.step}")
    with pytest.raises(CheckpointError, match="there is none"):
        checkpoint.newest_readable(tmp_path, "there is none", told.append, after=3)


def test_a_checkpoint_of_before_the_first_step_is_one_to_go_on_from(tmp_path: Path) -> None:
    write(tmp_path / "step-000000.safetensors")

    assert checkpoint.newest_readable(tmp_path, "", print)[0].name == "step-000000.safetensors"


class Rows(torch.optim.Optimizer):
    """Remembers one number for each row of a weight, as Adafactor does."""

    def __init__(self, parameters: Iterable[torch.nn.Parameter]) -> None:
        super().__init__(parameters, {"lr": 0.1})

    def step(self) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for weight in group["params"]:
                self.state[weight]["rows"] = weight.grad.square().mean(1)


def test_an_optimizer_may_remember_what_has_another_shape_than_its_weights() -> None:
    weight = torch.nn.Parameter(torch.ones(2, 3))
    weight.grad = torch.ones(2, 3)
    optimizer = Rows([weight])
    optimizer.step()
    tensors, numbers = pack_optimizer("o", optimizer)
    forged = {"o/0/rows": torch.ones(7)}
    wanted = optimizer.state_dict()["state"]
    again = Rows([weight])

    unpack_optimizer("o", again, tensors, numbers, wanted)

    assert torch.equal(again.state[weight]["rows"], torch.ones(2))
    with pytest.raises(CheckpointError, match="'0/rows' has the shape"):
        unpack_optimizer("o", again, forged, numbers, wanted)


@pytest.mark.parametrize(
    "forged",
    [torch.ones(3), torch.ones(2, dtype=torch.float64), torch.ones(3, dtype=torch.float64)],
    ids=["shape", "dtype", "both"],
)
def test_an_entry_must_have_the_shape_and_the_dtype_that_such_an_optimizer_remembers(
    forged: torch.Tensor,
) -> None:
    optimizer = Rows([torch.nn.Parameter(torch.ones(2, 3))])
    wanted = {0: {"rows": torch.ones(2)}}

    with pytest.raises(CheckpointError, match=f"'0/rows' has the shape .* dtype {forged.dtype}"):
        unpack_optimizer("o", optimizer, {"o/0/rows": forged}, {}, wanted)


def test_weights_of_another_shape_are_refused_by_name() -> None:
    tensors = checkpoint.pack_module("generator", torch.nn.Linear(3, 2))

    with pytest.raises(
        CheckpointError, match=r"generator does not fit.*'weight'.*\(2, 3\).*\(2, 4\)"
    ):
        checkpoint.unpack_module("generator", torch.nn.Linear(4, 2), tensors)
    with pytest.raises(CheckpointError, match=r"'bias' is unknown"):
        checkpoint.unpack_module("generator", torch.nn.Linear(3, 2, bias=False), tensors)


def test_weights_that_are_not_finite_are_refused_by_name() -> None:
    for bad in (torch.nan, torch.inf, -torch.inf):
        forged = {"g/weight": torch.ones(2, 3), "g/bias": torch.tensor([0.0, bad])}
        with pytest.raises(CheckpointError, match="'bias' is not finite") as refused:
            checkpoint.unpack_module("g", torch.nn.Linear(3, 2), forged)
        assert "weight" not in str(refused.value)
    assert checkpoint.is_finite(torch.tensor([1, 2]))
    assert not checkpoint.is_finite(math.inf)


def test_of_many_mistakes_the_first_five_are_told(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(checkpoint.seal({}, "{}"))
    many = {f"g/{number}": torch.ones(1) for number in range(6)}

    with pytest.raises(CheckpointError) as fields:
        checkpoint.read_checkpoint(path)
    with pytest.raises(CheckpointError) as names:
        checkpoint.unpack_module("g", torch.nn.Identity(), many)

    wanted = "'step', 'log_lines', 'recipe', 'optimizers', 'health'"
    assert f"ganzoo: {wanted} of its state" in str(fields.value)
    assert str(names.value).endswith("; ".join(f"'{number}' is unknown" for number in range(5)))


def test_an_optimizer_goes_on_as_if_nothing_had_happened() -> None:
    def steps(layer: torch.nn.Linear, optimizer: torch.optim.Optimizer, count: int) -> None:
        for _ in range(count):
            layer(torch.ones(1, 3)).square().sum().backward()
            optimizer.step()
            optimizer.zero_grad()

    torch.manual_seed(0)
    layer = torch.nn.Linear(3, 2)
    optimizer = torch.optim.Adam(layer.parameters())
    steps(layer, optimizer, 3)
    tensors, numbers = pack_optimizer("o", optimizer)
    other = torch.nn.Linear(3, 2)
    other.load_state_dict(layer.state_dict())
    restored = torch.optim.Adam(other.parameters())
    unpack_optimizer("o", restored, tensors, numbers)
    steps(layer, optimizer, 3)
    steps(other, restored, 3)

    assert torch.equal(layer.weight, other.weight)


def test_a_state_of_another_version_is_named_by_its_fields(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(checkpoint.seal({"a": torch.zeros(1)}, '{"step": -1, "colour": "red"}'))

    with pytest.raises(
        CheckpointError, match=r"written by another version of ganzoo: .*'step'.*use that"
    ):
        checkpoint.read_checkpoint(path)


def test_weights_of_another_dtype_are_refused_by_name_and_equal_ones_taken() -> None:
    layer = torch.nn.Linear(3, 2)
    tensors = checkpoint.pack_module("g", layer)
    again = torch.nn.Linear(3, 2)
    checkpoint.unpack_module("g", again, tensors)

    assert torch.equal(again.weight, layer.weight)
    with pytest.raises(CheckpointError, match=r"has torch\.float32, here torch\.float64"):
        checkpoint.unpack_module("g", torch.nn.Linear(3, 2).double(), tensors)


@pytest.mark.parametrize("raised", [ValueError, TypeError, KeyError, IndexError, AttributeError,
                                    OverflowError, RuntimeError])  # fmt: skip
def test_whatever_a_forged_file_raises_names_the_file(raised: type[Exception]) -> None:
    with pytest.raises(CheckpointError, match="'x' does not fit"), checkpoint.fitting(Path("x")):
        raise raised("odd")


@pytest.mark.parametrize(
    ("tensors", "numbers", "said"),
    [
        ({}, {"0/step": -1}, "'0/step' is negative"),
        ({"o/0/square_avg": -torch.ones(2, 3)}, {}, "'0/square_avg' is negative"),
        ({"o/1/rows": torch.ones(2)}, {}, "parameter 1 is unknown"),
        ({"o/0/more": torch.ones(7)}, {}, "'0/more' has the shape"),
    ],
)
def test_what_no_optimizer_comes_to_is_refused(
    tensors: dict[str, torch.Tensor], numbers: dict[str, int], said: str
) -> None:
    optimizer = Rows([torch.nn.Parameter(torch.ones(2, 3))])

    with pytest.raises(CheckpointError, match=said):
        unpack_optimizer("o", optimizer, tensors, numbers)


def test_one_number_stands_for_no_row_of_them() -> None:
    optimizer = Rows([torch.nn.Parameter(torch.ones(2, 3))])

    with pytest.raises(CheckpointError, match="'0/rows' has the shape"):
        unpack_optimizer(
            "o", optimizer, {"o/0/rows": torch.tensor(1.0)}, {}, {0: {"rows": torch.ones(2)}}
        )
