"""The conformance kit from the command line and from pytest."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ganzoo.cli.app import ganzoo

pytest_plugins = "pytester"

WRONG = '''"""A loss whose discriminator wants the opposite."""

from typing import ClassVar

from ganzoo.api import LossSpec, hookimpl

GANZOO_API = 1


class Backwards(LossSpec):
    """Backwards."""

    use: ClassVar[str] = "backwards"

    def discriminator_terms(self, ctx):
        return {"gap": (ctx.real_logits - ctx.fake_logits).mean()}

    def generator_terms(self, ctx):
        return {"adversarial": -ctx.fake_logits.mean()}


@hookimpl
def ganzoo_losses():
    return [Backwards]
'''


def called(*words: str) -> int:
    with pytest.raises(SystemExit) as end:
        ganzoo.main(["plugins", "check", *words])
    assert isinstance(end.value.code, int)
    return end.value.code


def test_a_component_that_is_right_ends_with_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert called("loss.hinge") == 0

    assert "all passed" in capsys.readouterr().out


def test_a_file_that_is_wrong_is_told_and_ends_with_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "backwards_loss.py"
    file.write_text(WRONG)

    assert called(str(file), "--json") == 2

    found = json.loads(capsys.readouterr().out)
    assert [one["claim"] for one in found if one["status"] == "failed"] == [
        "a better discriminator lowers its loss"
    ]


def test_an_unknown_name_is_told_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert called("hingee") == 2

    assert "did you mean 'hinge'" in capsys.readouterr().err


def test_pytest_pays_nothing_for_the_option_where_it_is_not_used() -> None:
    program = (
        "import sys, ganzoo.testing.pytest_plugin; print({'torch', 'pydantic'} & {*sys.modules})"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "set()"


def test_pytest_checks_what_it_is_asked_for(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(wrong_loss=WRONG)

    result = pytester.runpytest_inprocess("--ganzoo", "wrong_loss.py", "-p", "no:cacheprovider")

    result.assert_outcomes(passed=19, failed=1)
    result.stdout.fnmatch_lines(["*a better discriminator lowers its loss*the sign is wrong"])
