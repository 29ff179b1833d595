"""The residual networks: parameter counts of their papers, and values of the sums written out."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganzoo.api import GanzooError, ImageShape
from ganzoo_resnet.discriminators import ResnetDiscriminator
from ganzoo_resnet.generators import ResnetGenerator

ADAPTIVE = {"labels": "conditional_norm", "condition": "linear"}
BIGGAN = {**ADAPTIVE, "class_code": 128, "split_latent": True, "spectral": True}
DEEP = {**ADAPTIVE, "class_code": 128, "join_latent": True, "block": "deep", "spectral": True}
PROJECTION = {"labels": "projection"}
TO_1024 = [64, 128, 256, 512, 1024]
COUNTS: dict[str, tuple[int, int, dict[str, Any], int, int, dict[str, Any], int]] = {
    # name: image side, latent, generator, its count, classes, discriminator, its count
    "SNGAN 32": (32, 128, {}, 4_276_739, 10, {}, 1_053_825),
    "SNGAN 48": (
        48, 128, {"channels": [512, 256, 128, 64]}, 4_878_083, 10,
        {"channels": TO_1024, "halvings": 4}, 10_141_441,
    ),
    "SNGAN 64": (
        64, 128, {"channels": TO_1024[::-1]}, 12_220_675, 10,
        {"channels": TO_1024, "halvings": 5}, 10_141_441,
    ),
    "SNGAN 128": (
        128, 128, {"channels": [1024, *TO_1024[::-1]]}, 32_150_787, 10,
        {"channels": [*TO_1024, 1024], "halvings": 5}, 29_017_857,
    ),
    "cGAN with projection 32": (
        32, 128, {"labels": "conditional_norm"}, 4_304_387, 10, PROJECTION, 1_055_105,
    ),
    "SAGAN 32": (
        32, 128, {"labels": "conditional_norm", "attention": [16], "spectral": True}, 4_386_308,
        10, {**PROJECTION, "attention": [16]}, 1_075_586,
    ),
    "StudioGAN's 64": (
        64, 128, {"channels": TO_1024[::-1]}, 12_220_675, 10,
        {"channels": TO_1024, "halvings": 5, "hidden": "output", "norm": "batch"}, 19_550_535,
    ),
    "StudioGAN's 64 with projection": (
        64, 128, {"channels": TO_1024[::-1], **ADAPTIVE}, 12_272_515, 10,
        {"channels": TO_1024, "halvings": 5, "hidden": "output", **PROJECTION}, 19_552_961,
    ),
    "BigGAN 32": (
        32, 80, {"channels": [384] * 4, "attention": [16], **BIGGAN}, 9_416_196, 10,
        {"channels": [192] * 4, "attention": [16], **PROJECTION}, 2_415_170,
    ),
    "BigGAN 32, discriminator without classes": (
        32, 80, {"channels": [384] * 4, "attention": [16], **BIGGAN}, 9_416_196, 10,
        {"channels": [192] * 4, "attention": [16]}, 2_413_250,
    ),
    # StudioGAN's has 8,733,172: six norms of 20 channels there, of 384 maps,
    # which cannot run. This one's norms read the latent's pieces alone.
    "BigGAN 32 unconditional": (
        32, 80,
        {"channels": [384] * 4, "attention": [16], "condition": "linear", "split_latent": True},
        9_416_196 - 10 * 128 - 6 * 2 * 384 * 128, 10,
        {"channels": [192] * 4, "attention": [16]}, 2_413_250,
    ),
    "ReACGAN 32": (  # with the vectors of the classes, which belong to 'contrastive'
        32, 80, {"channels": [384] * 4, "attention": [16], **BIGGAN}, 9_416_196, 10,
        {"channels": [192] * 4, "attention": [16], "embedding_size": 512}, 2_517_186 - 10 * 512,
    ),
    "BigGAN-deep 32": (
        32, 128, {"channels": [512] * 4, "attention": [16], **DEEP}, 7_762_948, 10,
        {"channels": [512] * 4, "attention": [16], "block": "deep", **PROJECTION}, 2_908_930,
    ),
    "StudioGAN's BigGAN-deep 32": (
        32, 128,
        {"channels": [512] * 4, "attention": [16], **DEEP, "shortcut": "convolution"}, 9_338_884,
        10, {"channels": [128, 512, 512, 512], "attention": [16], "block": "deep",
             "shortcut": "convolution", **PROJECTION}, 3_177_730,
    ),
    "BigGAN 64": (
        64, 80, {"channels": [1536, 768, 384, 192, 96], "attention": [16], **BIGGAN}, 24_572_100,
        10, {"channels": [96, 192, 384, 768, 1536], "halvings": 5, "hidden": "output",
             "attention": [32], **PROJECTION}, 43_991_330,
    ),
    "BigGAN 128": (
        128, 120,
        {"channels": [1536, 1536, 768, 384, 192, 96], "attention": [64], **BIGGAN}, 70_433_988,
        1000, {"channels": [96, 192, 384, 768, 1536, 1536], "halvings": 5, "hidden": "output",
               "attention": [64], **PROJECTION}, 87_982_370,
    ),
}  # fmt: skip


def images_of(side: int, classes: int = 3) -> ImageShape:
    """Return the shape of square colour images."""
    return ImageShape(channels=3, height=side, width=side, num_classes=classes)


@pytest.mark.parametrize("name", COUNTS)
def test_a_network_of_a_paper_has_its_number_of_parameters(name: str) -> None:
    side, latent, generator, its_count, classes, discriminator, its_other = COUNTS[name]
    with torch.device("meta"):  # shapes without memory
        # Spectral norm adds no parameters, and its first vectors cannot be had without numbers.
        made = ResnetGenerator(**{**generator, "spectral": False}).build(
            latent, images_of(side, classes)
        )
        judge = ResnetDiscriminator(**{"norm": "none", **discriminator}).build(
            images_of(side, classes)
        )

    assert sum(each.numel() for each in made.parameters()) == its_count
    assert sum(each.numel() for each in judge.parameters()) == its_other


def shaken(network: nn.Module) -> nn.Module:
    """Return the network in float64 with every weight moved, so that no zero hides a term."""
    torch.manual_seed(1)
    for parameter in network.double().parameters():
        parameter.data += 0.2 * torch.randn_like(parameter)
    return network


def normed(maps: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """Normalise over the batch by the definition, with ``[N, C]`` or ``[C]`` scales."""
    mean = maps.mean((0, 2, 3), keepdim=True)
    variance = ((maps - mean) ** 2).mean((0, 2, 3), keepdim=True)
    wide = (slice(None),) * scale.ndim + (None, None)
    return (maps - mean) / (variance + 1e-5).sqrt() * scale[wide] + shift[wide]


def larger(maps: Tensor, mode: str) -> Tensor:
    """Double height and width: each number twice, or three quarters and one quarter of two."""
    if mode == "nearest":
        return maps.repeat_interleave(2, 2).repeat_interleave(2, 3)
    for axis in (2, 3):
        size = maps.shape[axis]
        near = maps.repeat_interleave(2, axis)
        towards = torch.tensor([k // 2 + (-1 if k % 2 == 0 else 1) for k in range(2 * size)])
        far = maps.index_select(axis, towards.clamp(0, size - 1))
        maps = 0.75 * near + 0.25 * far
    return maps


def attended(maps: Tensor, at: str, state: dict[str, Tensor]) -> Tensor:
    """Self-attention, place by place."""
    n, _, height, width = maps.shape
    project = {
        name: torch.einsum("oc,nchw->nohw", state[f"{at}.{name}.weight"][:, :, 0, 0], maps)
        for name in ("query", "key", "value")
    }
    found = maps.clone()
    for image in range(n):
        keys, values = [], []
        for i in range(0, height, 2):
            for j in range(0, width, 2):
                keys.append(project["key"][image, :, i : i + 2, j : j + 2].amax((1, 2)))
                values.append(project["value"][image, :, i : i + 2, j : j + 2].amax((1, 2)))
        for i in range(height):
            for j in range(width):
                query = project["query"][image, :, i, j]
                products = [float((query * key).sum()) for key in keys]
                powers = [math.exp(each - max(products)) for each in products]
                seen = sum(
                    (p / sum(powers) * value for p, value in zip(powers, values, strict=True)),
                    torch.zeros_like(values[0]),
                )
                found[image, :, i, j] += state[f"{at}.gamma"] * (
                    state[f"{at}.output.weight"][:, :, 0, 0] @ seen
                )
    return found


GENERATORS: dict[str, dict[str, Any]] = {
    "plain": {},
    "bilinear": {"interpolation": "bilinear"},
    "no norm": {"norm": "none"},
    "classes": {"labels": "conditional_norm"},
    "codes": ADAPTIVE,
    "split and attending": {**ADAPTIVE, "class_code": 2, "split_latent": True, "attention": [8]},
}


@pytest.mark.parametrize("name", GENERATORS)
def test_a_generator_makes_what_its_equations_say(name: str) -> None:
    fields = GENERATORS[name]
    spec = ResnetGenerator(channels=[8, 6, 5], output="linear", **fields)
    network = shaken(spec.build(6, images_of(16)))
    state = network.state_dict()
    latent, labels = torch.randn(4, 6).double(), torch.tensor([0, 1, 2, 1])

    first, *pieces = latent.chunk(3, 1) if spec.split_latent else [latent, None, None]
    hot = F.one_hot(labels, 3).double()
    maps = (first @ state["linear.weight"].T + state["linear.bias"]).reshape(4, 8, 4, 4)
    for number in range(2):
        at = f"blocks.{number}"

        def norm(maps: Tensor, which: str, number: int = number, at: str = at) -> Tensor:
            if spec.norm == "none":
                return maps
            key = f"{at}.{which}"
            if spec.labels == "none":
                return normed(maps, state[f"{key}.weight"], state[f"{key}.bias"])
            if spec.condition == "embedding":
                scale, shift = state[f"{key}.scale.weight"], state[f"{key}.shift.weight"]
                return normed(maps, scale[labels], shift[labels])
            code = hot @ state["code.weight"].T if spec.class_code else hot
            if spec.split_latent:
                code = torch.cat([pieces[number], code], 1)
            return normed(
                maps,
                1 + code @ state[f"{key}.scale.weight"].T,
                code @ state[f"{key}.shift.weight"].T,
            )

        def convolved(maps: Tensor, which: str, at: str = at) -> Tensor:
            names = [key for key in state if key.startswith(f"{at}.{which}.")]
            weight, bias = sorted((state[key] for key in names), key=lambda each: -each.ndim)
            return F.conv2d(maps, weight, bias, padding=weight.shape[-1] // 2)

        inner = larger(norm(maps, "norm1").clamp(min=0), spec.interpolation)
        inner = convolved(norm(convolved(inner, "conv1"), "norm2").clamp(min=0), "conv2")
        maps = inner + convolved(larger(maps, spec.interpolation), "shortcut")
        if f"attentions.{number}.gamma" in state:
            maps = attended(maps, f"attentions.{number}", state)
    if spec.norm == "batch":
        maps = normed(maps, state["norm.weight"], state["norm.bias"])
    wanted = F.conv2d(
        maps.clamp(min=0), state["convolution.weight"], state["convolution.bias"], padding=1
    )

    found = network(latent, labels) if spec.uses_labels else network(latent)
    assert found.shape == (4, 3, 16, 16)
    assert torch.allclose(found, wanted, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    "fields",
    [
        {"norm": "none"},
        {"norm": "batch", "hidden": "output"},
        {"norm": "none", "labels": "projection", "attention": [4]},
    ],
)
def test_a_discriminator_scores_as_its_equations_say(fields: dict[str, Any]) -> None:
    spec = ResnetDiscriminator(channels=[8, 6, 6], halvings=2, **fields)
    network = shaken(spec.build(images_of(16)))
    state = network.state_dict()
    images, labels = torch.randn(4, 3, 16, 16).double(), torch.tensor([0, 1, 2, 1])

    def norm(maps: Tensor, key: str) -> Tensor:
        if spec.norm == "none":
            return maps
        return normed(maps, state[f"{key}.weight"], state[f"{key}.bias"])

    def convolved(maps: Tensor, key: str) -> Tensor:
        weight, bias = state[f"{key}.weight"], state[f"{key}.bias"]
        return F.conv2d(maps, weight, bias, padding=weight.shape[-1] // 2)

    def halved(maps: Tensor) -> Tensor:
        n, c, h, w = maps.shape
        return maps.reshape(n, c, h // 2, 2, w // 2, 2).mean((3, 5))

    inner = norm(convolved(images, "layers.0.conv1"), "layers.0.norm1").clamp(min=0)
    inner = halved(convolved(inner, "layers.0.conv2"))
    maps = inner + convolved(norm(halved(images), "layers.0.norm0"), "layers.0.shortcut")
    for number in (1, 2):
        at = f"layers.{number}"
        inner = convolved(norm(maps, f"{at}.norm1").clamp(min=0), f"{at}.conv1")
        inner = convolved(norm(inner, f"{at}.norm2").clamp(min=0), f"{at}.conv2")
        if number == 1:
            beside = halved(convolved(norm(maps, f"{at}.norm0"), f"{at}.shortcut"))
            maps = halved(inner) + beside
        else:
            maps = inner + maps
    if spec.attention:  # both maps of height 4: it stands after the last one
        maps = attended(maps, "layers.3", state)
    sums = maps.clamp(min=0).sum((2, 3))
    wanted = (sums @ state["linear.weight"].T + state["linear.bias"])[:, 0]
    if spec.labels == "projection":
        wanted = wanted + (state["projection.linear.weight"][labels] * sums).sum(1)

    found = network(images, labels) if spec.uses_labels else network(images)
    assert torch.allclose(found, wanted, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("shortcut", ["channels", "convolution"])
@pytest.mark.parametrize("classes", [True, False])
def test_a_deep_generator_makes_what_its_equations_say(shortcut: Any, classes: bool) -> None:
    fields = {"labels": "conditional_norm", "class_code": 2} if classes else {}
    spec = ResnetGenerator(
        channels=[8, 8, 4], block="deep", shortcut=shortcut, condition="linear", join_latent=True,
        output="linear", **fields,
    )  # fmt: skip
    network = shaken(spec.build(5, images_of(16)))
    state = network.state_dict()
    latent, labels = torch.randn(4, 5).double(), torch.tensor([0, 1, 2, 1])

    code = latent
    if classes:
        code = torch.cat([latent, F.one_hot(labels, 3).double() @ state["code.weight"].T], 1)
    maps = (code @ state["linear.weight"].T + state["linear.bias"]).reshape(4, 8, 4, 4)
    for stage, outputs in enumerate((8, 4)):
        for block in range(2):
            at = f"blocks.{stage}.{block}"

            def step(maps: Tensor, number: int, at: str = at, *, grown: bool = False) -> Tensor:
                key = f"{at}.norm{number}"
                scale, shift = (
                    code @ state[f"{key}.{each}.weight"].T for each in ("scale", "shift")
                )
                maps = normed(maps, 1 + scale, shift).clamp(min=0)
                weight = state[f"{at}.conv{number}.weight"]
                maps = larger(maps, "nearest") if grown else maps
                return F.conv2d(
                    maps, weight, state[f"{at}.conv{number}.bias"], padding=weight.shape[-1] // 2
                )

            grows = block == 1
            inner = step(step(step(step(maps, 1), 2, grown=grows), 3), 4)
            maps = larger(maps, "nearest") if grows else maps
            if shortcut == "channels":
                maps = inner + maps[:, : inner.shape[1]]
            else:
                key = f"{at}.shortcut"
                maps = inner + F.conv2d(maps, state[f"{key}.weight"], state[f"{key}.bias"])
        assert maps.shape[1] == outputs
    maps = normed(maps, state["norm.weight"], state["norm.bias"]).clamp(min=0)
    wanted = F.conv2d(maps, state["convolution.weight"], state["convolution.bias"], padding=1)

    found = network(latent, labels) if classes else network(latent)
    assert found.shape == (4, 3, 16, 16)
    assert torch.allclose(found, wanted, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("shortcut", ["channels", "convolution"])
def test_a_deep_discriminator_scores_and_embeds_as_its_equations_say(shortcut: Any) -> None:
    spec = ResnetDiscriminator(
        channels=[4, 8, 8], block="deep", shortcut=shortcut, halvings=1, norm="none",
        embedding_size=5, labels="projection",
    )  # fmt: skip
    network = shaken(spec.build(images_of(8)))
    state = network.state_dict()
    images, labels = torch.randn(4, 3, 8, 8).double(), torch.tensor([0, 1, 2, 1])

    def convolved(maps: Tensor, key: str) -> Tensor:
        weight = state[f"{key}.weight"]
        return F.conv2d(maps, weight, state[f"{key}.bias"], padding=weight.shape[-1] // 2)

    def halved(maps: Tensor) -> Tensor:
        n, c, h, w = maps.shape
        return maps.reshape(n, c, h // 2, 2, w // 2, 2).mean((3, 5))

    maps = convolved(images, "layers.0")
    for at, halves in (("1.0", True), ("1.1", False), ("2.0", False), ("2.1", False)):
        inner = maps
        for number in (1, 2, 3):
            inner = convolved(inner.clamp(min=0), f"layers.{at}.conv{number}")
        if shortcut == "channels":
            inner = halved(inner.clamp(min=0)) if halves else inner.clamp(min=0)
        else:
            inner = (halved(inner) if halves else inner).clamp(min=0)
        inner = convolved(inner, f"layers.{at}.conv4")
        if halves and shortcut == "channels":
            maps = torch.cat([halved(maps), halved(convolved(maps, f"layers.{at}.shortcut"))], 1)
        elif halves:
            maps = halved(convolved(maps, f"layers.{at}.shortcut"))
        maps = inner + maps
    sums = maps.clamp(min=0).sum((2, 3))
    wanted = (sums @ state["linear.weight"].T + state["linear.bias"])[:, 0]
    wanted = wanted + (state["projection.linear.weight"][labels] * sums).sum(1)

    found = network(images, labels)
    embedded = sums @ state["embedding.weight"].T + state["embedding.bias"]
    assert torch.allclose(found["logits"], wanted, rtol=1e-10, atol=1e-10)
    assert torch.allclose(found["embedding"], embedded, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    ("spec", "fields"),
    [
        (ResnetGenerator, {"depth": 3}),
        (ResnetGenerator, {"block": "deep", "channels": [4, 8]}),
        (ResnetGenerator, {"join_latent": True}),
        (ResnetGenerator, {**ADAPTIVE, "join_latent": True, "split_latent": True}),
        (ResnetDiscriminator, {"shortcut": "convolution"}),
        (ResnetDiscriminator, {"block": "deep", "channels": [8, 4]}),
        (ResnetDiscriminator, {"block": "deep", "hidden": "output"}),
    ],
)
def test_fields_of_deep_blocks_that_do_not_go_together_are_refused(
    spec: Any, fields: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match="need"):
        spec(**fields)


def test_first_weights_keep_the_variance_that_glorot_wants() -> None:
    torch.manual_seed(0)
    network = ResnetGenerator().build(128, images_of(32))
    state = network.state_dict()

    inner, shortcut = state["blocks.1.conv2.weight"], state["blocks.1.shortcut.weight"]
    assert float(inner.var()) == pytest.approx(2 * 2 / (9 * 512), rel=0.02)
    assert float(shortcut.var()) == pytest.approx(2 / 512, rel=0.02)
    assert not any(value.any() for name, value in state.items() if name.endswith("bias")
                   and "norm" not in name)  # fmt: skip


def test_spectral_norm_holds_for_every_weight() -> None:
    torch.manual_seed(0)
    spec = ResnetGenerator(channels=[8, 8], spectral=True, attention=[8], **ADAPTIVE)
    network = spec.build(6, images_of(8))
    latent, labels = torch.randn(4, 6), torch.tensor([0, 1, 2, 1])
    for _ in range(30):
        network(latent, labels)

    layers = [each for each in network.modules() if isinstance(each, nn.Conv2d | nn.Linear)]
    assert len(layers) == 13
    network.eval()
    for layer in layers:
        largest = torch.linalg.matrix_norm(layer.weight.detach().flatten(1), ord=2)
        assert float(largest) == pytest.approx(1.0, abs=0.02)


def test_truncated_latents_are_those_of_the_truncated_normal() -> None:
    torch.manual_seed(0)
    drawn = torch.randn(200_000)
    kept = drawn[drawn.abs() <= 0.7]

    made = ResnetGenerator(truncation=0.7).latents(drawn)

    assert float(made.abs().max()) <= 0.7
    for share in (0.1, 0.25, 0.5, 0.9):
        assert float(made.quantile(share)) == pytest.approx(float(kept.quantile(share)), abs=0.01)
    assert ResnetGenerator().latents(drawn) is drawn


@pytest.mark.parametrize(
    ("fields", "side", "classes", "told"),
    [
        ({}, 28, 0, "28×28 images are no multiple of 8"),
        ({"attention": [5]}, 32, 0, "no map has height 5; the blocks make 8, 16, 32"),
        ({"labels": "conditional_norm"}, 32, 0, "needs images with classes"),
        ({**ADAPTIVE, "split_latent": True}, 32, 2, "use latent.size = 12"),
    ],
)
def test_a_generator_that_cannot_be_is_refused(
    fields: dict[str, Any], side: int, classes: int, told: str
) -> None:
    with pytest.raises(GanzooError, match=told):
        ResnetGenerator(**fields).build(10, images_of(side, classes))


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"halvings": 5}, "5 of 4 blocks are too many"),
        ({"channels": [4] * 7, "halvings": 6}, "nothing is left of 32×32 images"),
        ({"attention": [32]}, "no map has height 32; the blocks make 16, 8"),
        ({"labels": "projection"}, "needs images with classes"),
    ],
)
def test_a_discriminator_that_cannot_be_is_refused(fields: dict[str, Any], told: str) -> None:
    with pytest.raises(GanzooError, match=told):
        ResnetDiscriminator(**fields).build(images_of(32, 0))


@pytest.mark.parametrize(
    "fields",
    [{"condition": "linear"}, {"class_code": 3, "labels": "conditional_norm"},
     {"split_latent": True}, {"norm": "none", "labels": "conditional_norm"}],
)  # fmt: skip
def test_fields_that_do_not_go_together_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="need"):
        ResnetGenerator(**fields)
