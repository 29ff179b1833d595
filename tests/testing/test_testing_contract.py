"""The kit knows the whole contract: no false alarm for ten papers, and no fault gets through."""

from __future__ import annotations

from pathlib import Path
from unittest import mock

import planted
import pytest
from kit import missed

from ganzoo import testing
from ganzoo.plugin import registry
from ganzoo.plugin.specs import Spec
from ganzoo.sampling.export import write_onnx
from ganzoo.testing.targets import of_names

HERE = Path(__file__).parents[1] / "plugin" / "third_party"
NAMES = sorted(path.stem for path in HERE.glob("*.py"))
REGISTRY = registry.load_plugins([HERE / f"{name}.py" for name in NAMES], block={"*"})


@pytest.mark.parametrize("name", NAMES)
def test_ten_papers_as_single_files_keep_their_promises(name: str) -> None:
    report = testing.Report.of(of_names(REGISTRY, name, {"program": "pt2"}))

    report.raise_for_problems()
    of_steps_alone = 9  # they make fewer promises
    assert len(report.findings) >= (of_steps_alone if name == "extragradient" else 15)
    assert not [note for note in report.notes if "not tried" in note.text]


@pytest.mark.parametrize(
    ("component", "words"),
    [
        (planted.Penalty(fault="global"), "the same state and seed gives 'd/pull' = .* keeps "
         "something outside of ctx.own"),
        (planted.Light(), "the same state and seed gives 'd/gap' = .* outside of ctx.own"),
        (planted.Penalty(fault="first"), "in a fresh process, the step after the checkpoint gives "
         "'d/pull' = .* state in a module's globals or on a class is lost"),
        (planted.Penalty(fault="idle"), "parameter 'idle' gets no gradient: .* in the "
         "discriminator's half, with which its module is trained"),
        (planted.Late(), "parameter 'scale' gets no gradient: .* in the generator's half"),
        (planted.Penalty(fault="device"), r"planted.py:\d+ makes a tensor \[8\] on the CPU"),
        (planted.Penalty(fault="no buffer"), r"planted.py:\d+ uses a tensor \[8\] that stays on "
         r"the CPU: keep it with register_buffer\(\)"),
        (planted.Shift(), "the generator's term 'shift' is .* with every = 4; the step multiplies"),
        (planted.Shift(), "the generator's term 'shift' is .* with weight = 0"),
        (planted.Judge(fault="attribute"), "'classes' hangs on its tensor 'logits' as an"),
        (planted.Judge(fault="scalar"), r"returned 'norm' as \[\] for 4 images; joint batches"),
        (planted.Judge(fault="infinite"), "returned 'classes' with values that are not finite"),
        (planted.Judge(fault="modes"), "what it returns changes with mode or batch"),
        (planted.Judge(fault="device"), r"planted.py:\d+ makes a tensor \[4\] on the CPU"),
        (planted.Judge(fault="bf16"), "works in bfloat16: RuntimeError"),
        (planted.Images(fault="names"), "returned a mapping of 'pictures' without 'images'"),
        (planted.Images(fault="fixed"), "cannot be traced: it fixes the number of images"),
        (planted.Images(fault="numpy"), "is exported for batches of any size: "),
        (planted.Images(fault="device"), r"planted.py:\d+ makes a tensor \[8\] on the CPU"),
        (planted.Images(fault="attribute"), r"that stays on the CPU: keep it with register_buffer"),
        (planted.Images(fault="rows"), r"latents\(\) returned \[1, 12\] for 4 latents"),
        (planted.Misnamed(), "at_sampling names 'truncation', which is no key of it"),
        (planted.Grouped(fault="own rate"), r"groups have \[0.01, 0.002\] whatever lr is"),
        (planted.Grouped(fault="flat"), r"makes rates of .* all .*: multiply each group's"),
    ],
)  # fmt: skip
def test_what_breaks_the_contract_is_named(component: Spec, words: str) -> None:
    assert missed(component, words, program="pt2") == []


@pytest.mark.parametrize(
    "right",
    [planted.Penalty, planted.Judge, planted.Images, planted.Grouped, planted.Attributes],
)
def test_what_keeps_the_contract_is_left_alone(right: type[Spec]) -> None:
    testing.check(right, program="pt2").raise_for_problems()


def test_what_hangs_on_logits_is_lost_in_joint_batches() -> None:
    beside = planted.Judge(fault="attribute")

    told = "with step.batching = 'joint' it fails: AttributeError"
    assert missed(planted.ByAttribute, told, beside=beside) == []


def test_a_step_that_reads_numbers_back_is_noted() -> None:
    notes = testing.check(planted.Penalty(fault="reads")).notes

    assert any("it reads numbers back from the device" in note.text for note in notes)


def test_what_no_network_returns_is_said_and_not_tried() -> None:
    (note,) = [
        note for note in testing.check(planted.Wishful).notes if note.claim == "can be tried"
    ]

    assert "it asks for 'poses' of a network" in note.text
    assert "check(Wishful, beside=[...])" in note.text


def test_a_key_without_default_is_tried_with_its_example() -> None:
    report = testing.check(planted.Needy, program="pt2")

    report.raise_for_problems()
    assert len(report.findings) > 10


def test_a_generator_is_exported_to_onnx_where_that_is_installed() -> None:
    for package in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(package)
    (case,) = [case for case in testing.cases(planted.Images) if "exported" in case.claim]

    with mock.patch("ganzoo.testing.generators.write_onnx", wraps=write_onnx) as writer:
        (finding,) = case()

    assert finding.status == "ok"
    writer.assert_called_once()
