"""From a folder of one's own to a run and its page: looked at, written, checked, trained."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from calling import Call, parsed
from own_folders import EXPECTED, Maker, duplicates, five_channels, mixed_jpeg, picture, x_rays
from PIL import Image, features

import ganzoo

LABELLED = {"four_classes", "one_of_a_class"}


def walk(call: Call, make: Maker, tmp_path: Path, steps: int, *words: str) -> None:
    """Go the whole way with no hand edit, and see that every remark is told."""
    if make.__name__ == "tiff_and_avif" and not features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    folder = tmp_path / "photos"
    folder.mkdir()
    place = make(folder, np.random.default_rng(1))
    labels = ["--labels"] if make.__name__ in LABELLED else []
    looked, told = EXPECTED[make]

    made = call("new", "recipe", "mine", "--from-folder", place, *labels)
    assert made.exit_code == 0, made.output
    assert all(text in made.output for text in looked), made.output
    checked = call("check", "mine.toml")
    assert checked.exit_code == 0, checked.output
    ran = call("run", "mine.toml", "--device", "cpu", "--set", f"train.steps={steps}", *words)

    assert ran.exit_code == 0, ran.output
    begun = ran.output.index("step 1") if "step 1" in ran.output else len(ran.output)
    before = ran.output[:begun]
    assert all(f"data: {text}" in before or text in before for text in told), ran.output
    run = Path(ran.stdout.strip().splitlines()[-1])
    assert (run / "report.html").is_file()
    with Image.open(next((run / "samples").glob("*.png"))) as sheet:
        assert min(sheet.size) > 40


@pytest.mark.slow
@pytest.mark.parametrize("make", EXPECTED, ids=lambda make: make.__name__)
def test_ten_folders_go_from_a_look_to_a_page(call: Call, make: Maker, tmp_path: Path) -> None:
    walk(call, make, tmp_path, 20)


def test_an_unusual_folder_trains_without_a_hand_edit(call: Call, tmp_path: Path) -> None:
    narrow = ["generator", "discriminator"]
    tiny = [word for side in narrow for word in ("--set", f"{side}.base_channels=2")]

    walk(call, five_channels, tmp_path, 2, *tiny, "--set", "train.batch_size=8")


def test_a_look_tells_what_is_there_and_shows_it(call: Call, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    mixed_jpeg(folder, np.random.default_rng(1))

    found = parsed(call("data", "look", folder, "--sheet", "sheet.png", "--json"))
    said = call("data", "look", folder)

    assert (found["images"], found["formats"]) == (199, {"JPEG": 199})
    assert found["broken"] == {"007.jpg": "truncated"}
    assert sum(size["images"] for size in found["sizes"]) == 199
    assert found["settings"]["channels"] == 3
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.size == (8 * 98 + 2, 8 * 98 + 2)
    assert "199 images (199 JPEG)" in said.stdout
    assert "1 cannot be read and will be left out, as '007.jpg' (truncated)" in said.output


def test_a_picture_with_something_behind_it_is_whole(call: Call, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(3):
        picture(np.random.default_rng(number), 20, 20).save(folder / f"{number}.jpg")
    motion, short = folder / "0.jpg", folder / "1.jpg"
    motion.write_bytes(motion.read_bytes() + b"a film of a telephone")
    short.write_bytes(short.read_bytes()[:-40])

    found = parsed(call("data", "look", folder, "--json"))

    assert (found["images"], found["broken"]) == (2, {"1.jpg": "truncated"})


def test_what_suits_deep_and_doubled_pictures_is_found(call: Call, tmp_path: Path) -> None:
    for name, make in (("deep", x_rays), ("double", duplicates)):
        (tmp_path / name).mkdir()
        make(tmp_path / name, np.random.default_rng(1))

    deep = parsed(call("data", "look", "deep", "--json"))
    double = parsed(call("data", "look", "double", "--json"))

    assert (deep["settings"]["channels"], deep["settings"]["range"]) == (1, "data")
    assert deep["bits"] == {"16": 40}
    assert ["0.png", "copy of 0.png"] in double["duplicates"]
    assert len(double["duplicates"]) == 20


def test_each_choice_has_its_reason_and_size_purpose_and_labels_are_heard(
    call: Call, tmp_path: Path
) -> None:
    for name in ("a", "b"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for at in range(3):
            picture(np.random.default_rng(at), 40, 60).save(
                tmp_path / "photos" / name / f"{at}.png"
            )

    plain = call("new", "recipe", "plain", "--from-folder", "photos")
    asked = call("new", "recipe", "asked", "--from-folder", "photos", "--size", "16x30", "--for",
                 "quality", "--labels")  # fmt: skip

    assert (plain.exit_code, asked.exit_code) == (0, 0), plain.output + asked.output
    recipe, other = ganzoo.load("plain.toml"), ganzoo.load("asked.toml")
    assert recipe.dataset.size == [40, 60]  # type: ignore[attr-defined]
    assert not recipe.generator.uses_labels
    assert other.dataset.size == [16, 30]  # type: ignore[attr-defined]
    assert other.generator.uses_labels
    assert other.discriminator.uses_labels
    assert other.generator.base_channels == 64  # type: ignore[attr-defined]
    text = (tmp_path / "plain.toml").read_text()
    for key in ("steps", "batch_size", "order", "size", "channels", "scales", "base_channels"):
        assert re.search(rf"^{key} = .+  # \w", text, re.MULTILINE), key
    assert "2 classes were found" in text


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--from-folder", "empty"), "no images in"),
        (("--from-folder", "nowhere"), "nowhere"),
        (("--from-folder", "flat", "--labels"), "has no classes"),
        (("--from-folder", "flat", "--size", "big"), "write one number"),
        (("--from-folder", "flat", "--loss", "hinge"), "chooses all parts"),
        (("--labels",), "go with --from-folder"),
    ],
)
def test_a_folder_that_will_not_do_leaves_no_recipe(
    call: Call, tmp_path: Path, words: tuple[str, ...], told: str
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "flat").mkdir()
    picture(np.random.default_rng(1), 8, 8).save(tmp_path / "flat" / "a.png")

    done = call("new", "recipe", "mine", *words)

    assert done.exit_code == 2, done.output
    assert told in done.output
    assert not list(tmp_path.glob("*.toml"))


def test_a_chosen_folder_gets_examples_to_fill_in(call: Call) -> None:
    done = call("new", "recipe", "photos", "--dataset", "folder")

    assert done.exit_code == 0, done.output
    assert "# yours" in done.output
    recipe = ganzoo.load("photos.toml")
    assert (recipe.dataset.path, recipe.dataset.size) == ("photos", 64)  # type: ignore[attr-defined]
    assert recipe.generator.scales == "auto"  # type: ignore[attr-defined]
    assert recipe.discriminator.strides == "auto"  # type: ignore[attr-defined]


def test_a_look_is_quick_and_its_json_is_plain(call: Call, tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    picture(np.random.default_rng(1), 8, 8).save(tmp_path / "x" / "a.png")

    done = call("data", "look", "x", "--json")

    assert json.loads(done.stdout)["images"] == 1
    assert json.loads(done.stdout)["seconds"] < 5
