"""list, show, plugins, check, schema, data, doctor: what they say, and that their JSON is JSON."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from calling import Call, parsed

from ganzoo.cli.app import VERBS, added
from ganzoo.plugin.kinds import KINDS

PLURALS = [
    "generators", "discriminators", "losses", "regularizers", "optimizers", "metrics", "data",
]  # fmt: skip


@pytest.mark.parametrize("kind", PLURALS)
def test_every_kind_can_be_listed(call: Call, kind: str) -> None:
    rows = parsed(call("list", kind, "--json"))

    assert rows
    for row in rows:
        assert row["use"] in call("list", kind).stdout
        assert row["from"].startswith("ganzoo-torch ")
        assert row["about"]


def test_list_alone_lists_everything(call: Call) -> None:
    found = parsed(call("list", "--json"))

    assert set(found) == {"recipes", "ablations", "runs", "models", *KINDS}
    assert "dcgan_mnist" in [row["name"] for row in found["recipes"]]
    assert all(row["about"] for row in found["recipes"])
    assert found["runs"] == []


def test_shipped_ablations_are_listed_with_their_questions(call: Call) -> None:
    rows = parsed(call("list", "ablation", "--json"))
    text = call("list", "ablations").stdout

    assert {row["name"] for row in rows} >= {"transpose_vs_upsample", "mode_collapse"}
    for row in rows:
        assert row["name"] in text
        assert row["question"].endswith("?")
        assert len(row["variants"]) > 1 or row["axes"]
        assert row["seeds"]
        assert Path(row["file"]).is_file()


def test_a_component_is_shown_with_types_defaults_and_help(call: Call) -> None:
    (facts,) = parsed(call("show", "adam", "--json"))
    text = call("show", "optimizer/adam").stdout

    fields = {field["name"]: field for field in facts["fields"]}
    assert facts["kind"] == "optimizer"
    assert fields["lr"]["type"] == "number in (0, 100] | ramp"
    assert "ramp" in fields["betas"]["type"]
    assert fields["lr"]["default"] == "0.0002"
    assert fields["lr"]["help"] in text
    assert text.startswith("optimizer 'adam' from ganzoo-torch ")


def test_a_recipe_is_shown_with_the_origin_of_every_key(call: Call, tiny: Path) -> None:
    shown = parsed(call("show", tiny, "--set", "train.seed=7", "--json"))
    text = call("show", tiny).stdout

    keys = {row["key"]: (row["value"], row["from"]) for row in shown["keys"]}
    assert keys["train.steps"] == (3, "tiny.toml:5")
    assert keys["train.seed"] == (7, "--set")
    assert keys["train.order"] == ("shuffle", "default")
    assert keys["dataset.use"][1].startswith("dcgan_digits.toml:")
    assert "left out" in text


def test_plugins_are_listed_with_what_they_supply(call: Call, my_loss: Path) -> None:
    rows = parsed(call("plugins", "--plugin", my_loss, "--json"))

    own = {row["name"]: row for row in rows}
    assert own["ganzoo-losses"]["status"] == "loaded"
    assert "loss bce" in own["ganzoo-losses"]["supplies"]
    assert own["ganzoo-tensorboard"]["supplies"] == ["tracker tensorboard"]
    assert own["my_own_loss"]["source"] == "file"
    assert own["my_own_loss"]["supplies"] == ["loss mine"]
    assert len(own["my_own_loss"]["sha256"]) == 64


def test_a_broken_plugin_is_named_with_its_reason(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    from ganzoo.plugin import registry

    real = registry.load_plugins
    broken = registry.Broken("hinge2", "ganzoo-hinge 0.2", "ImportError: no\x1b[2J module", "x")
    monkeypatch.setattr(
        registry, "load_plugins", lambda files, block: replace(real(files, block), broken=(broken,))
    )

    text = call("plugins").stdout
    rows = parsed(call("plugins", "--json"))
    listed = call("list", "losses")
    health = call("doctor")

    assert "broken: ImportError: no[2J module" in text
    assert rows[-1]["status"] == "broken"
    assert rows[-1]["error"].startswith("ImportError")
    assert "failed to load: hinge2" in listed.stderr
    assert "bce" in listed.stdout
    assert health.exit_code == 2
    assert "1 problem found" in health.stdout


def test_blocked_plugins_are_listed_as_such(call: Call) -> None:
    rows = parsed(call("plugins", "--block", "ganzoo-dcgan", "--json"))

    assert {row["name"]: row["status"] for row in rows}["ganzoo-dcgan"] == "blocked"


def test_check_says_ok_for_each_good_recipe(call: Call, tiny: Path) -> None:
    result = call("check", tiny, "dcgan_mnist", "--set", "train.epochs=2")

    assert result.exit_code == 0
    assert [line.rpartition(": ")[2] for line in result.stdout.splitlines()] == ["ok", "ok"]
    assert result.stderr == ""


def test_check_goes_on_after_a_bad_recipe_and_tells_json_apart(call: Call, tiny: Path) -> None:
    bad = tiny.with_name("bad.toml")
    bad.write_text('extends = "tiny"\n[train]\nepochz = 3\n')

    result = call("check", bad, "nope", tiny, "--json")

    first, second, third = json.loads(result.stdout)
    assert result.exit_code == 2
    assert (first["ok"], second["ok"], third["ok"]) == (False, False, True)
    assert first["problems"][0]["line"] == 3
    assert first["problems"][0]["key"] == "train.epochz"
    assert second["problems"][0]["message"].startswith("no recipe named 'nope'")


def test_schema_describes_the_plugins_that_are_loaded(call: Call, my_loss: Path) -> None:
    assert '"mine"' not in call("schema").stdout

    assert '"mine"' in json.dumps(parsed(call("schema", "--plugin", my_loss)))


def test_the_data_folder_is_the_option_else_the_variable(call: Call, tmp_path: Path) -> None:
    assert call("data", "path").stdout == f"{tmp_path / 'data'}\n"
    assert call("data", "path", "--data", "/x").stdout == "/x\n"
    assert parsed(call("data", "path", "--data", "/x", "--json")) == {"folder": "/x"}


def test_data_that_is_not_there_is_told_with_what_helps(call: Call) -> None:
    result = call("data", "get", "mnist", "--offline")

    assert result.exit_code == 2
    assert "downloading is switched off" in result.stderr
    assert "Do one of the following" in result.stderr


def test_data_is_described_once_it_is_there(call: Call) -> None:
    found = parsed(call("data", "get", "digits", "--set", "size=16", "--json"))

    assert found["train"]["shape"] == "1×16×16"
    assert found["train"]["images"] + found["test"]["images"] == 1797
    assert found["train"]["classes"] == 10
    assert "digits train: 1," in call("data", "get", "digits").stdout


def test_doctor_finds_nothing_broken_where_nothing_is(call: Call) -> None:
    found = {item["what"]: item for item in parsed(call("doctor", "--json"))}

    assert found["torch"]["state"] == "ok"
    assert found["data"]["state"] == "ok"
    assert "ganzoo-losses" in found["plugins"]["text"]
    assert call("doctor").stdout.endswith("no problems found\n")


def test_doctor_names_a_folder_that_cannot_be_used(call: Call, tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    result = call("doctor", "--out", tmp_path / "file" / "runs")

    assert result.exit_code == 2
    assert "is not a folder" in result.stdout
    assert "-> name another with --out" in result.stdout


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere torch is asked")
def test_doctor_imports_no_torch_where_no_gpu_can_be() -> None:
    if may_have_gpu_in_a_new_process():
        pytest.skip("a GPU is there, or may be: torch is asked")

    assert without_torch([("doctor", 0)]) == []


CHEAP = [
    ("--help", 0), ("run --help", 0), ("invert --help", 0), ("play --help", 0),
    ("translate --help", 0), ("bench --help", 0), ("list", 0), ("runs", 0), ("show bce", 0),
    ("show dcgan_digits", 0), ("plugins", 0), ("plugins check nope", 2),
    ("check dcgan_digits", 0), ("schema", 0), ("speedrun", 0), ("data path", 0),
    ("data cache list", 0), ("completion bash", 0),
    ("new plugin mine", 0), ("new recipe mine", 2),
    ("run", 2), ("run nope", 2), ("run dcgan_digits --epochs 3", 2),
    ("run dcgan_digits --set loss.nope=1", 2), ("bench nope", 2),
    ("bench dcgan_digits --set loss.nope=1", 2), ("resume nope", 2), ("ablate nope", 2),
    ("speedrun nope", 2), ("compare nope other", 2), ("report nope", 2), ("runs logs nope", 2),
    ("measure nope", 2), ("sample nope -n 4", 2), ("translate nope x.png", 2), ("play nope", 2),
    ("export nope --to onnx", 2), ("invert nope x.png", 2), ("invert zoo:fast_digits x.png", 2),
    ("check nope", 2), ("show nope", 2), ("list nope", 2), ("data get nope", 2),
    ("data get digits", 0), ("measure prepare nope", 2), ("bench nope other --quality 9", 2),
    ("board nope", 2), ("data look nope", 2), ("new recipe x --from-folder nope", 2),
]  # fmt: skip
"""Commands that train and sample nothing, and how they end: of every verb one at least."""


def test_what_trains_and_samples_nothing_imports_no_torch() -> None:
    # Completeness: a new verb needs a line.
    named = {words.split()[0] for words, _ in CHEAP}
    assert {*VERBS, *added()} - named == {"doctor"}  # tested alone

    assert without_torch(CHEAP) == []


def without_torch(table: list[tuple[str, int]]) -> list[str]:
    """Return which of these commands, one after the other in a new process, went wrong."""
    program = (
        "import contextlib, io, json, sys\n"
        "from ganzoo.cli.app import ganzoo\n"
        "wrong = []\n"
        f"for words, wanted in {table!r}:\n"
        "    with contextlib.redirect_stdout(io.StringIO()):\n"
        "        try: ganzoo.main(words.split())\n"
        "        except SystemExit as end: code = end.code or 0\n"
        "    if code != wanted: wrong.append(f'{words}: exit code {code}, not {wanted}')\n"
        "    heavy = {'torch', 'sklearn', 'scipy', 'onnx'} & set(sys.modules)\n"
        "    if heavy: wrong.append(f'{words}: imports {heavy}'); break\n"
        "print(json.dumps(wrong))\n"
    )
    with TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, cwd=folder
        )
    assert done.returncode == 0, done.stderr
    found: list[str] = json.loads(done.stdout.splitlines()[-1])
    return found


def may_have_gpu_in_a_new_process() -> bool:
    code = "from ganzoo.cli.commands.doctor import may_have_gpu as may; print(may())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    return done.stdout != "False\n"
