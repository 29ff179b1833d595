"""A trained generator for other tools: safetensors, a torch program, ONNX, a folder for a hub.

Programs are checked on the spot: they are read back and must make the images that torch makes, for
batches of other sizes than the one they were traced with.
"""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor, nn

from ganzoo.common.errors import GanzooError
from ganzoo.common.files import FILE, publish, to_json
from ganzoo.recipe.model import freeze
from ganzoo.report.sheets import save_png
from ganzoo.runs.folder import MOST_LOG, RunDir
from ganzoo.runs.weights import write_generator
from ganzoo.sampling.model import Model
from ganzoo.training.precision import images_of

BATCHES = (1, 3, 8)
"""Sizes at which a program is compared with the network."""
CLOSE = 1e-4
"""Largest difference of a pixel between torch and a program, in the images' own range."""
SHEET_IMAGES = 64
PLACES = frozenset({"command", "path", "reason", "source"})
"""Keys of a run's tables that say where on its machine things lay."""


def export(model: Model, run: RunDir, to: str, path: Path, *, licence: str = "unknown") -> float:
    """Write ``model`` as ``to`` says and return the largest difference that was found.

    Args:
        model: what to write.
        run: where it comes from.
        to: one of ``formats.FORMATS``.
        path: the file, or for 'hub' and 'zoo' the folder.
        licence: identifier of the licence for the model card.

    Raises:
        GanzooError: if a package is missing, the network cannot be traced, or the program makes
            other images than the network.
    """
    if to == "hub":
        write_hub(model, run, path, licence)
        return 0.0
    if to == "zoo":
        write_shipped(model, run, path, licence)
        return 0.0
    if to == "safetensors":
        write_weights(model, path)
        return 0.0
    if model.recipe.samples.mode == "train":
        raise GanzooError(
            f"--to {to} writes a program in evaluation mode, and the recipe samples with "
            "samples.mode = 'train'; use --to safetensors"
        )
    writers = {"pt2": write_program, "onnx": write_onnx}
    return writers[to](model, path)


def write_weights(model: Model, path: Path) -> None:
    """Write the weights with recipe and image shape in their metadata."""
    write_generator(
        path, model.network, freeze(model.recipe), model.image, model.classes, model.step, FILE
    )


def write_program(model: Model, path: Path) -> float:
    """Write a program that ``torch.export.load`` reads without ganzoo; N is free."""
    network, example = prepared(model)
    with quiet(), TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        traced = _traced(model, lambda: torch.export.export(network, example, **_free(example)))
        file = Path(folder) / "generator.pt2"
        torch.export.save(traced, file)
        again = torch.export.load(file).module()
        worst = compare(model, network, again)
        publish(path, file.read_bytes(), FILE)
    return worst


def write_onnx(model: Model, path: Path) -> float:
    """Write ONNX with input 'latent' [N, Z] and output 'images' [N, C, H, W]; N is free.

    A generator that takes labels has 'labels' [N] as its second input; one that translates has
    'pictures' [N, C', H, W] in place of latents.
    """
    try:
        import onnxruntime
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise GanzooError(
            f"--to onnx needs the package '{error.name}'; install ganzoo with its extra 'onnx': "
            "pip install '.[onnx]' in its source folder"
        ) from error
    network, example = prepared(model)
    first = "pictures" if model.recipe.generator.translates else "latent"
    names = [first, "labels"][: len(example)]
    with quiet(), TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        file = Path(folder) / "generator.onnx"
        _traced(
            model,
            lambda: torch.onnx.export(
                network, example, file, input_names=names, output_names=["images"],
                dynamo=True, external_data=False, verbose=False, **_free(example),
            ),
        )  # fmt: skip
        session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])

        def again(*inputs: Tensor) -> Tensor:
            given = {name: each.numpy() for name, each in zip(names, inputs, strict=True)}
            (images,) = session.run(["images"], given)
            return torch.from_numpy(images)

        worst = compare(model, network, again)
        publish(path, file.read_bytes(), FILE)
    return worst


class Program(nn.Module):
    """What is exported: images alone, from latents of the prior, whatever the network returns."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.network = model.network.cpu().eval()
        self._spec = model.recipe.generator

    def forward(self, latent: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return ``[N, C, H, W]``."""
        return images_of(self._spec, self.network, latent, labels)


def prepared(model: Model) -> tuple[nn.Module, tuple[Tensor, ...]]:
    """Return the program on the CPU in evaluation mode, and inputs to trace it with."""
    return Program(model).eval(), _inputs(model, torch.zeros(2, *_sides(model)))


def _sides(model: Model) -> tuple[int, ...]:
    """Return the shape of one thing that the generator is given."""
    if model.recipe.generator.translates:
        return model.image.input_shape
    return (model.recipe.latent.size,)


def _inputs(model: Model, latents: Tensor) -> tuple[Tensor, ...]:
    if not model.recipe.generator.uses_labels:
        return (latents,)
    if not model.image.num_classes:
        source = torch.Generator().manual_seed(0)
        return latents, torch.rand(len(latents), *model.image.label_shape, generator=source)
    return latents, torch.arange(len(latents)) % max(1, model.image.num_classes)


@torch.no_grad()
def compare(model: Model, network: nn.Module, program: Callable[..., Any]) -> float:
    """Return the largest difference between network and program.

    Raises:
        GanzooError: if it is more than rounding.
    """
    found = []
    for size in BATCHES:
        generator = torch.Generator().manual_seed(size)
        latents = torch.randn(size, *_sides(model), generator=generator)
        inputs = _inputs(model, latents)
        found.append(float((network(*inputs) - program(*inputs)).abs().max()))
    worst = math.nan if any(map(math.isnan, found)) else max(found)
    if not worst <= CLOSE * (model.image.high - model.image.low):
        raise GanzooError(
            f"the exported program's images differ from torch's (by up to {worst:g}); "
            "nothing was written"
        )
    return worst


def write_hub(model: Model, run: RunDir, folder: Path, licence: str) -> None:
    """Write a folder that a model hub shows and that ``ganzoo sample`` reads back."""
    write_weights(model, folder / run.generator.name)
    publish(folder / "recipe.toml", freeze(model.recipe), FILE)
    if not model.recipe.generator.translates:
        save_png(model.sample(SHEET_IMAGES, seed=0).picture(), folder / "samples.png")
    elif sheets := run.sheets():
        publish(folder / "samples.png", sheets[-1].read_bytes(), FILE)
    publish(folder / "README.md", card(model, run, licence), FILE)


def write_shipped(model: Model, run: RunDir, folder: Path, licence: str) -> None:
    """Write the small run folder that a plugin ships as a trained model: ``ganzoo_models``.

    The weights are rounded to half precision; recipe, log, scores and machine go along, but for
    where files lay.
    """
    write_generator(
        folder / run.generator.name,
        model.network,
        freeze(model.recipe),
        model.image,
        model.classes,
        model.step,
        FILE,
        half=True,
    )
    publish(folder / "recipe.toml", freeze(model.recipe), FILE)
    tables = {
        "environment.json": without_places(run.read_json("environment.json")),
        "status.json": {"status": "done", "step": model.step, "reason": ""},
        "result.json": without_places(run.read_json("result.json")),
    }
    for name, content in tables.items():
        publish(folder / name, to_json(content, indent=2) + "\n", FILE)
    with suppress(FileNotFoundError):
        publish(folder / "log.jsonl", run.read("log.jsonl", most=MOST_LOG), FILE)
    save_png(model.sample(SHEET_IMAGES, seed=0).picture(), folder / "samples.png")
    publish(folder / "README.md", card(model, run, licence), FILE)


def without_places(content: Any) -> Any:
    """Return a run's table without what says where on its machine things lay."""
    if isinstance(content, list):
        return [without_places(each) for each in content]
    if not isinstance(content, dict):
        return content
    return {key: without_places(each) for key, each in content.items() if key not in PLACES}


def card(model: Model, run: RunDir, licence: str) -> str:
    """Return the model card: front matter, and what a stranger must know."""
    from ganzoo.sampling.card import model_card

    return model_card(
        name=run.path.parent.name or run.path.name,
        recipe=model.recipe,
        image=str(model.image),
        step=model.step,
        parameters=sum(weight.numel() for weight in model.network.parameters()),
        result=run.read_json("result.json"),
        surroundings=run.read_json("environment.json"),
        licence=licence,
    )


def _free(example: tuple[Tensor, ...]) -> dict[str, Any]:
    count = torch.export.Dim("N", min=1, max=65_536)
    return {"dynamic_shapes": tuple({0: count} for _ in example)}


def _traced(model: Model, trace: Callable[[], Any]) -> Any:
    try:
        return trace()
    except Exception as error:
        first = str(error).strip().split("\n")[0][:300]
        # What torch says of a batch size that was written down is for those who know its tracer.
        is_fixed = "Constraints violated" in str(error)
        hint = "it fixes the number of images: write x.shape[0], not len(x) or a number; "
        raise GanzooError(
            f"generator '{model.recipe.generator.use}' cannot be traced: "
            f"{hint if is_fixed else ''}{type(error).__name__}: {first}; use --to safetensors"
        ) from error


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the tracer's remarks about itself from the user."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
