"""Protocols of scores are explained, and a wrong name is told which there are."""

import json
from pathlib import Path

from calling import Call, parsed
from small_recipe import small

from ganzoo.recipe.protocols import PROTOCOLS


def test_an_unknown_protocol_is_an_error_that_lists_what_there_is(
    call: Call, tmp_path: Path
) -> None:
    path = tmp_path / "a.toml"
    path.write_text(small() + '[measure]\nprotocol = "mimikry"\n', encoding="utf-8")

    for failed in (call("check", str(path)), call("show", "protocol", "mimikry")):
        assert all(name in failed.stderr for name in PROTOCOLS)


def test_show_explains_a_protocol_and_all_of_them(call: Call) -> None:
    one, every = call("show", "protocol", "mimicry").stdout, call("show", "protocol").stdout
    as_json = parsed(call("show", "protocol", "--json"))

    assert "50000" in one
    assert "studiogan-2021" not in one
    assert all(f"measure.protocol = '{name}'" in every for name in PROTOCOLS)
    assert {each["name"]: each["sets"] for each in as_json} == {
        name: json.loads(json.dumps(dict(found.sets))) for name, found in PROTOCOLS.items()
    }
    assert "only 'protocol' takes one" in call("show", "adam", "sgd").stderr
