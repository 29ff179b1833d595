"""The page of latents: directions, pictures, the saved latent, the page without Python."""

from __future__ import annotations

import dataclasses
import io
import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from threading import Thread
from typing import Any

import numpy
import pytest
import torch
from click.testing import CliRunner
from local_server import LocalServer
from PIL import Image
from safetensors.torch import load_file
from torch import nn

from ganzoo.api import FetchError, GanzooError, PageServer
from ganzoo.cli.commands.sample import sample
from ganzoo.recipe.model import Latent
from ganzoo.sampling.model import Model, within
from ganzoo.session import Run
from ganzoo_play import exporting, runtime
from ganzoo_play.command import play
from ganzoo_play.directions import directions
from ganzoo_play.game import Game, raw
from ganzoo_play.serving import play_server


@pytest.fixture(scope="module")
def game(run: Run) -> Game:
    """Return the game of a tiny generator whose pictures are seen to change."""
    return Game(lively(run), str(run.path), "tiny")


def lively(run: Run) -> Model:
    """Return the model of a run with a last layer that is no longer all but zero."""
    model = run.model()
    last = [each for each in model.network.modules() if getattr(each, "weight", None) is not None]
    with torch.no_grad():
        [each for each in last if each.weight.ndim == 4][-1].weight.mul_(3000)
    return model


class Linear(nn.Module):
    """A generator of 2×2 pictures whose first layer is a matrix."""

    def __init__(self, weight: torch.Tensor) -> None:
        super().__init__()
        self.first = nn.Linear(weight.shape[1], weight.shape[0], bias=True)
        self.first.weight.data = weight

    def forward(self, latent: torch.Tensor) -> torch.Tensor:
        return self.first(latent)[:, :4].tanh().view(-1, 1, 2, 2)


# Directions


def test_directions_of_a_linear_layer_are_its_right_singular_vectors(run: Run) -> None:
    size, generator = run.recipe.latent.size, torch.Generator().manual_seed(3)
    left, _ = torch.linalg.qr(torch.randn(size, size, generator=generator))
    right, _ = torch.linalg.qr(torch.randn(size, size, generator=generator))
    scales = 0.5 ** torch.arange(size).float().clamp(max=8)
    model = dataclasses.replace(run.generator, network=Linear(left * scales @ right.T))

    found = directions(model, 3)

    for number in range(3):
        vector = found.vectors[number]
        assert abs(float(vector @ right[:, number])) > 0.98
        assert float(vector.norm()) == pytest.approx(1, abs=0.1)  # one standard deviation
        assert float(vector[vector.abs().argmax()]) > 0
    expected = scales[:3].square() / scales.square().sum()
    assert found.shares.tolist() == pytest.approx(expected.tolist(), rel=0.15)
    assert found.layer == "first"


def test_directions_repeat_and_leave_the_generators_of_random_numbers_alone(run: Run) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)

    once, twice, other = (directions(run.generator, seed=seed) for seed in (0, 0, 1))

    assert torch.equal(torch.rand(3), expected)
    assert torch.equal(once.vectors, twice.vectors)
    assert not torch.equal(once.vectors, other.vectors)
    assert once.vectors.shape == (8, run.recipe.latent.size)
    assert once.layer == "stem.linear"


def test_without_a_layer_the_directions_are_the_latents_own_numbers(run: Run) -> None:
    class Bare(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(()))

        def forward(self, latent: torch.Tensor) -> torch.Tensor:
            return (latent[:, :4] * self.scale).view(-1, 1, 2, 2)

    found = directions(dataclasses.replace(run.generator, network=Bare()), 3)

    assert found.layer == ""
    assert (found.vectors != 0).sum().item() == 3
    assert found.vectors.diagonal().tolist() == pytest.approx([1, 1, 1], abs=0.1)


@pytest.mark.parametrize("prior", ["normal", "uniform", "truncated", "sphere"])
def test_latents_are_brought_back_to_their_prior(prior: Any) -> None:
    latent = Latent(size=16, prior=prior, truncation=1.5)
    far, near = torch.full((1, 16), 9.0), torch.full((1, 16), 0.25)

    back = within(latent, far)

    most = {"normal": 4 + 3.1 * math.sqrt(0.5), "uniform": 4, "truncated": 6, "sphere": 4}[prior]
    assert float(back.norm()) == pytest.approx(most, rel=1e-5)
    if prior != "sphere":
        assert torch.equal(within(latent, near), near)


# Pictures


def test_a_picture_is_that_of_the_latent_and_a_sheet_is_the_file_of_sample(
    game: Game, run: Run, tmp_path: Path
) -> None:
    model = run.generator
    plain = Game(model, "x")
    start = plain.start(4)
    latent = tmp_path / "a.safetensors"
    model.write_latents(latent, model.draw(1, 4))

    arguments = [str(run.path), "--latent", str(latent), "--file", str(tmp_path / "a.png")]
    CliRunner().invoke(sample, arguments, catch_exceptions=False)

    assert start == raw(model.draw(1, 4))
    assert plain.picture(start, sheet=True) == (tmp_path / "a.png").read_bytes()
    image = model.image
    with Image.open(io.BytesIO(plain.picture(start))) as picture:
        assert picture.size == (image.width, image.height)
    assert game.picture(start) != game.picture(game.start(5))


def test_what_does_not_fit_is_told(game: Game) -> None:
    size = game.model.recipe.latent.size
    start = game.start(0)
    for arguments, said in {
        (b"1234",): f"{size} numbers",
        (b"\xff\xff\xff\x7f" * size,): "finite",
        (start, "3"): "takes no class",
        (start, "", "0.5"): "no truncation",
    }.items():
        with pytest.raises(GanzooError, match=said):
            game.picture(*arguments)
    with pytest.raises(GanzooError, match="seed"):
        game.start(2**32)


def test_truncation_is_that_of_sample(tmp_path: Path) -> None:
    import ganzoo

    changes = {
        "train.steps": 1, "train.batch_size": 4, "latent.size": 8, "dataset.use": "digits",
        "generator.channel_base": 64, "generator.w_size": 8, "discriminator.channel_base": 64,
        "samples.every": 0, "metric": [],
    }  # fmt: skip
    run = ganzoo.run(
        "stylegan2_mnist", changes, out=tmp_path, device="cpu", offline=True, quiet=True
    )
    game = Game(run.generator, "x")
    start = game.start(1)
    file = tmp_path / "a.safetensors"
    game.model.write_latents(file, game.model.draw(1, 1))

    CliRunner().invoke(
        sample,
        [str(run.path), "--latent", str(file), "--file", str(tmp_path / "a.png"),
         "--set", "generator.truncation=0.3"],
        catch_exceptions=False,
    )  # fmt: skip
    changed = game.model.changed(truncation=0.3)

    assert game.truncation == 1
    assert game.picture(start, "", "0.3", sheet=True) == (tmp_path / "a.png").read_bytes()
    weights = dict(changed.network.named_parameters())
    for name, weight in game.model.network.named_parameters():
        assert weights[name].data_ptr() == weight.data_ptr()
    for field, value, said in (
        ("truncation", 9, "generator.truncation"), ("w_size", 4, "cannot be sampled with another"),
    ):  # fmt: skip
        with pytest.raises(GanzooError, match=said):
            game.model.changed(**{field: value})
    for text in ("nan", "2.5", "x"):
        with pytest.raises(GanzooError, match="a number from 0 to 2"):
            game.picture(start, "", text)


def test_generators_that_make_no_picture_of_a_latent_are_refused(run: Run) -> None:
    model = run.generator
    samples = model.recipe.samples.model_copy(update={"mode": "train"})
    depends = model.recipe.model_copy(update={"samples": samples})
    points = dataclasses.replace(model.image, height=1, width=1)

    for changed, said in (({"recipe": depends}, "samples.mode"), ({"image": points}, "points")):
        with pytest.raises(GanzooError, match=said):
            Game(dataclasses.replace(model, **changed), "x")


# The server


@contextmanager
def serving(game: Game) -> Iterator[PageServer]:
    with play_server(game) as server:
        Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server
        server.shutdown()


def ask(server: PageServer, path: str, body: bytes | None = None, **more: str) -> Any:
    connection = HTTPConnection("127.0.0.1", server.server_port, timeout=10)
    headers = {name.replace("_", "-"): value for name, value in more.items()}
    if body is not None:
        headers.setdefault("Origin", server.address.rstrip("/"))
    connection.request("GET" if body is None else "POST", path, body, headers)
    answer = connection.getresponse()
    return answer.status, answer.read()


def test_only_who_has_the_address_is_shown_anything_of_the_run(game: Game) -> None:
    start = game.start(0)
    with serving(game) as server:
        key = {"X_Ganzoo_Token": server.token}
        page = ask(server, "/")
        without = [ask(server, path)[0] for path in ("/facts.json", "/start?seed=1")]
        without.append(ask(server, "/picture", start)[0])
        foreign = ask(server, "/picture", start, Origin="http://evil.example", **key)[0]
        facts = json.loads(ask(server, "/facts.json", **key)[1])
        given = ask(server, "/start?seed=1", **key)
        made = ask(server, "/picture", start, **key)
        wrong = [
            ask(server, "/start?seed=-1", **key), ask(server, "/picture", start[4:], **key),
            ask(server, "/picture?label=1", start, **key),
        ]  # fmt: skip
        large = ask(server, "/picture", start + b"1234", **key)[0]

    assert (page[0], b"tiny" in page[1]) == (200, False)
    assert (without, foreign, large) == ([403] * 3, 403, 413)
    assert (facts["title"], facts["size"]) == ("tiny", game.model.recipe.latent.size)
    assert given == (200, game.start(1))
    assert made == (200, game.picture(start))
    assert [status for status, _ in wrong] == [400] * 3


def test_the_verb_prints_an_address_or_writes_a_page(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served: list[str] = []
    monkeypatch.setattr(PageServer, "serve", lambda self: served.append(self.url))
    monkeypatch.setattr(Run, "export", lambda _self, _to, path: path.write_bytes(b"x") * 1e-6)
    monkeypatch.setattr(exporting, "runtime", lambda _: runtime.Runtime("const ort = 1;", b"wasm"))
    file = tmp_path / "a.html"

    plain = CliRunner().invoke(play, [str(run.path)], catch_exceptions=False)
    written = CliRunner().invoke(
        play, [str(run.path), "--export", str(file), "--json"], catch_exceptions=False
    )
    wrong = CliRunner().invoke(play, [str(run.path), "--export", "a.png"])

    assert plain.stdout.strip() == served[0]
    assert "#token=" in served[0]
    told = json.loads(written.stdout)
    assert told == {"file": str(file), "largest_difference": 1e-6}
    text = file.read_text(encoding="utf-8")
    assert "default-src &#39;none&#39;" in text
    assert "&#39;wasm-unsafe-eval&#39;" in text
    assert "connect-src" not in text
    assert "does not end in .html" in str(wrong.exception)


def test_a_page_refuses_networks_that_are_too_large_and_says_their_size(
    game: Game, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "MOST_MIB", 0)

    with pytest.raises(GanzooError, match="MiB of weights, but a page holds at most 0 MiB"):
        exporting.refuse_unsuited(game)


def test_a_runtime_that_cannot_be_had_says_what_helps(
    server: LocalServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GANZOO_CACHE", str(tmp_path))

    with pytest.raises(FetchError, match="npm pack onnxruntime-web") as told:
        runtime.runtime(lambda *_: None, f"{server.url}/none.tgz")

    assert str(tmp_path / "npm" / runtime.NAME) in str(told.value)


def test_a_bundled_module_becomes_a_classic_script() -> None:
    module = "var a=1,$b=import.meta.url;export{a as InferenceSession,$b as default};\n//# x"

    found = runtime.classic(module)

    assert found == (
        "const ort = (() => {\nvar a=1,$b=location.href;\n"
        "return {InferenceSession:a,default:$b};\n})();\n"
    )


# In a browser


def tab(browser: Any, url: str, width: int = 1280, scheme: str = "light") -> tuple[Any, list[str]]:
    page = browser.new_page(
        viewport={"width": width, "height": 900}, color_scheme=scheme, accept_downloads=True
    )
    told: list[str] = []
    page.on("console", lambda message: told.append(message.text))
    page.on("pageerror", lambda error: told.append(str(error)))
    page.goto(url)
    page.wait_for_selector("#picture[data-made]", timeout=60_000)
    return page, told


def settle(page: Any) -> None:
    """Wait until the picture is of what the controls say."""
    while page.evaluate("isBusy || isStale"):
        page.wait_for_timeout(10)


def pixels(page: Any) -> numpy.ndarray:
    """Return what the canvas shows, ``[H, W, 3]``."""
    settle(page)
    width, height, values = page.evaluate(
        "(() => { const c = document.createElement('canvas'); draw(c, at('picture'));"
        "const d = c.getContext('2d').getImageData(0, 0, c.width, c.height);"
        "return [c.width, c.height, Array.from(d.data)]; })()"
    )
    return numpy.array(values, dtype=numpy.int16).reshape(height, width, 4)[..., :3]


def saved(page: Any, button: str, folder: Path) -> Path:
    with page.expect_download() as told:
        page.click(button)
    path = folder / told.value.suggested_filename
    told.value.save_as(path)
    return path


def move(page: Any, number: int, value: float) -> None:
    page.evaluate(
        f"(() => {{ const s = document.getElementById('move-{number}'); s.value = {value};"
        "s.dispatchEvent(new Event('input')); })()"
    )
    settle(page)


@pytest.mark.browser
def test_a_slider_moves_the_picture_and_the_saved_latent_makes_it_again(
    game: Game, run: Run, tmp_path: Path, browser: Any
) -> None:
    plain = Game(run.generator, str(run.path))
    with serving(game) as server:
        page, told = tab(browser, server.url)
        before = pixels(page)
        move(page, 0, 2)
        after = pixels(page)
        page.keyboard.press("0")
        again = pixels(page)
        address = page.url
        page.close()
    with serving(plain) as server:
        page, more = tab(browser, server.url)
        page.fill("#seed", "7")
        page.keyboard.press("Tab")
        move(page, 1, -1.5)
        picture, latent = (saved(page, each, tmp_path) for each in ("#save", "#save-latent"))
        command = page.text_content("#saved code")
        page.close()

    CliRunner().invoke(
        sample,
        [str(run.path), "--latent", str(latent), "--file", str(tmp_path / "again.png")],
        catch_exceptions=False,
    )

    assert abs(after - before).max() > 20
    assert (again == before).all()
    assert "token=" in address
    assert picture.read_bytes() == (tmp_path / "again.png").read_bytes()
    moved = run.generator.draw(1, 7) - 1.5 * plain.directions.vectors[1]
    assert torch.allclose(load_file(latent)["latents"], run.generator.within(moved), atol=1e-5)
    assert command == f"ganzoo sample {run.path} --latent {latent.name}"
    assert told + more == []


@pytest.mark.browser
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_the_page_works_by_keyboard_and_fits_a_telephone(
    game: Game, browser: Any, width: int, scheme: str
) -> None:
    with serving(game) as server:
        page, told = tab(browser, server.url, width, scheme)
        before = pixels(page)
        page.keyboard.press("p")
        page.focus("#pad")
        for key in ("ArrowRight", "Shift+ArrowUp", "Shift+ArrowUp"):
            page.keyboard.press(key)
        moved = page.input_value("#move-0"), page.input_value("#move-1")
        walked = pixels(page)
        beside = page.locator("#held").is_visible()
        box = page.locator("#pad").bounding_box()
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"], box["y"] + box["height"] * 2)
        page.mouse.up()
        dragged = page.input_value("#move-0"), page.input_value("#move-1")
        page.keyboard.press("r")
        settle(page)
        seed = page.input_value("#seed")
        address = page.url
        page.click("#pins button:has-text('back')")
        back = pixels(page)
        page.click("#pins button:has-text('remove')")
        gone = page.locator("#held").is_hidden() and page.locator("#pinned").is_hidden()
        page.goto("about:blank")
        page.goto(address)
        page.wait_for_selector("#picture[data-made]")
        kept = page.input_value("#seed"), page.input_value("#move-0")
        coded = page.evaluate(
            "(() => { facts.codes = [3];"
            "return Array.from(latentOf([0.25, 0.5, 0.125, 0.75], {moves: [], codes: [2]})); })()"
        )
        wide = page.evaluate("document.documentElement.scrollWidth")
        paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
        page.close()

    assert (moved, dragged) == (("0.1", "1"), ("3", "-3"))
    assert beside
    assert abs(walked - before).max() > 5
    assert (back == before).all()
    assert gone
    assert kept == (seed, "3")
    assert coded == [0.25, 0.125, 0.5, 0.75]  # the largest of a code's numbers says its value
    assert wide <= width
    assert (sum(map(int, paper[4:-1].split(","))) < 200) == (scheme == "dark")
    assert told == []


@pytest.mark.slow
@pytest.mark.browser
def test_the_exported_page_draws_the_same_picture_from_disk(tmp_path: Path, browser: Any) -> None:
    import ganzoo

    changes = {
        "train.epochs": 100, "train.steps": 4, "train.batch_size": 8, "samples.every": 0,
        "generator.base_channels": 4, "discriminator.base_channels": 4, "metric": [],
    }  # fmt: skip
    run = ganzoo.run("cdcgan_digits", changes, out=tmp_path, device="cpu", offline=True, quiet=True)
    try:
        runtime.runtime(lambda *_: None)
    except FetchError as error:
        pytest.skip(f"needs the npm registry: {error}")
    file = tmp_path / "page.html"
    CliRunner().invoke(play, [str(run.path), "--export", str(file)], catch_exceptions=False)
    game = Game(run.generator, str(run.path))

    page, told = tab(browser, file.as_uri())
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.fill("#seed", "9")
    page.keyboard.press("Tab")
    page.check("input[name=class][value='6']", force=True)
    move(page, 0, 1.5)
    shown = pixels(page)
    latent = saved(page, "#save-latent", tmp_path)
    with Image.open(saved(page, "#save", tmp_path)) as picture:
        written = numpy.asarray(picture.convert("RGB"), dtype=numpy.int16)
    title = page.text_content("#title")

    z, label = run.generator.read_latents(latent)
    with Image.open(io.BytesIO(game.picture(raw(z), "6"))) as picture:
        expected = numpy.asarray(picture.convert("RGB"), dtype=numpy.int16)
    assert label is not None
    assert label.tolist() == [6]
    assert abs(shown - expected).max() <= 1  # of 255: a value between two levels may go either way
    assert (written == shown).all()
    assert title == "cdcgan_digits"
    assert [url for url in asked if not url.startswith("blob:")] == []
    assert told == []
