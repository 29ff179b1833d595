"""Labels in the DCGAN networks: what reaches the image and the logit, against plain operations."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from pydantic import ValidationError
from torch import Tensor, nn

from ganzoo import testing
from ganzoo.api import DiscriminatorSpec, GanzooError, GeneratorSpec, ImageShape
from ganzoo_dcgan.discriminators import Conv
from ganzoo_dcgan.generators import Transpose, Upsample

CLASSES = 4
LATENT = 6
IMAGE = ImageShape(1, 16, 16, num_classes=CLASSES)
LABELS = torch.tensor([2, 0, 0, 3, 2])


def stirred(network: nn.Module) -> nn.Module:
    """Return it in float64 with every weight and buffer moved, so that none is a neutral one."""
    torch.manual_seed(1)
    for weight in network.double().parameters():
        weight.data += 0.3 * torch.randn_like(weight)
    return network


def latents() -> Tensor:
    return torch.randn(5, LATENT, dtype=torch.float64, generator=torch.Generator().manual_seed(2))


def images() -> Tensor:
    generator = torch.Generator().manual_seed(3)
    return torch.randn(5, 1, 16, 16, dtype=torch.float64, generator=generator)


def weights(network: nn.Module) -> dict[str, Tensor]:
    """Return weights and buffers by name, as they are now."""
    return {name: value.detach().clone() for name, value in network.state_dict().items()}


def class_norm(maps: Tensor, state: dict[str, Tensor], name: str) -> Tensor:
    """Normalise over the batch and the places, then scale and shift image by image."""
    axes = [0, 2, 3] if maps.ndim == 4 else [0]
    mean = maps.mean(axes, keepdim=True)
    normed = (maps - mean) / (maps.var(axes, correction=0, keepdim=True) + 1e-5).sqrt()
    rows = []
    for image, label in zip(normed, LABELS.tolist(), strict=True):
        scale, shift = state[f"{name}.scale.weight"][label], state[f"{name}.shift.weight"][label]
        if maps.ndim == 4:
            scale, shift = scale[:, None, None], shift[:, None, None]
        rows.append(image * scale + shift)
    return torch.stack(rows)


@pytest.mark.parametrize("stem", ["linear", "convolution"])
def test_conditional_norm_scales_and_shifts_by_class_after_the_statistics_of_the_whole_batch(
    stem: str,
) -> None:
    spec = Transpose.model_validate(
        {"labels": "conditional_norm", "base_channels": 3, "scales": [2, 2], "stem": stem}
    )
    network = stirred(spec.build(LATENT, IMAGE)).train()
    state = weights(network)

    made = network(latents(), LABELS)

    if stem == "linear":
        maps = latents() @ state["stem.linear.weight"].t()
        maps = F.relu(class_norm(maps, state, "stem.norm")).view(5, 6, 4, 4)
    else:
        maps = F.conv_transpose2d(latents()[..., None, None], state["stem.convolution.weight"])
        maps = F.relu(class_norm(maps, state, "stem.norm"))
    maps = F.conv_transpose2d(maps, state["layers.0.convolution.weight"], stride=2, padding=1)
    maps = F.relu(class_norm(maps, state, "layers.0.norm"))
    maps = F.conv_transpose2d(maps, state["layers.1.convolution.weight"], stride=2, padding=1)
    torch.testing.assert_close(made, maps.tanh(), rtol=0, atol=1e-12)


def test_conditional_norm_starts_as_the_norm_that_tells_no_classes_apart() -> None:
    plain = Transpose(base_channels=3, scales=[2, 2])
    torch.manual_seed(0)
    unlabelled = plain.build(LATENT, IMAGE).double()
    conditional = plain.model_copy(update={"labels": "conditional_norm"}).build(LATENT, IMAGE)
    conditional = conditional.double()
    own = conditional.state_dict()
    for name, weight in unlabelled.named_parameters():
        if "norm" not in name:
            own[name].copy_(weight)

    made, wanted = conditional(latents(), LABELS), unlabelled(latents())

    torch.testing.assert_close(made, wanted, rtol=0, atol=1e-12)
    means = [f"{name}.running_mean" for name in ("stem.norm", "layers.0.norm")]
    for name in means:
        theirs = unlabelled.get_buffer(name)
        ours = conditional.get_buffer(name.replace("norm.", "norm.norm."))
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)


def test_the_scales_of_every_class_start_with_the_spread_that_is_asked_for() -> None:
    torch.manual_seed(0)
    spec = Transpose(labels="conditional_norm", base_channels=16, gamma_std=0.02)

    scale = spec.build(LATENT, ImageShape(1, 28, 28, num_classes=10)).get_parameter(
        "stem.norm.scale.weight"
    )

    assert scale.shape == (10, 64 * 7 * 7)
    assert float(scale.detach().mean()) == pytest.approx(1, abs=1e-3)
    assert float(scale.detach().std()) == pytest.approx(0.02, rel=0.05)


@pytest.mark.parametrize("stem", ["linear", "convolution", "constant"])
@pytest.mark.parametrize("labels", ["one_hot", "embedding"])
def test_a_code_of_the_class_stands_after_the_latent(labels: str, stem: str) -> None:
    fields = {"labels": labels, "base_channels": 3, "scales": [2, 2], "embedding_size": 5}
    spec = Upsample.model_validate({**fields, "stem": stem})
    network = stirred(spec.build(LATENT, IMAGE)).train()
    size = LATENT + (CLASSES if labels == "one_hot" else 5)
    plain = spec.model_copy(update={"labels": "none"}).build(size, IMAGE).double().train()
    state = weights(network)
    plain.load_state_dict({k: v for k, v in state.items() if not k.startswith("code.")})

    made = network(latents(), LABELS)

    code = torch.eye(CLASSES).double() if labels == "one_hot" else state["code.weight"]
    wanted = plain(torch.cat([latents(), code[LABELS]], 1))
    torch.testing.assert_close(made, wanted, rtol=0, atol=1e-12)


@pytest.mark.parametrize("head", ["linear", "convolution"])
def test_projection_adds_the_classs_vector_times_the_sum_of_the_last_map(head: str) -> None:
    fields = {"labels": "projection", "base_channels": 3, "dropout": 0.0, "head": head}
    spec = Conv.model_validate(fields)
    network = stirred(spec.build(IMAGE))
    state = weights(network)

    logits = network(images(), LABELS)

    maps = images()
    for layer in ("layers.0", "layers.1"):
        kernels, bias = (state[f"{layer}.convolution.{part}"] for part in ("weight", "bias"))
        maps = F.leaky_relu(F.conv2d(maps, kernels, bias, stride=2, padding=1), 0.2)
    name = "head" if head == "convolution" else "head.1"
    plain = maps.flatten(1) @ state[f"{name}.weight"].flatten() + state[f"{name}.bias"]
    vectors = state["projection.linear.weight"][LABELS]  # [N, C]
    wanted = plain + (vectors * maps.sum((2, 3))).sum(1)
    torch.testing.assert_close(logits, wanted, rtol=0, atol=1e-12)


def test_a_projections_vectors_start_as_a_linear_layer_and_are_spectrally_normalised() -> None:
    torch.manual_seed(0)
    spec = Conv(labels="projection", norm="spectral", linear_init="orthogonal", base_channels=8)
    network = spec.build(IMAGE)
    vectors = network.get_submodule("projection.linear")
    for _ in range(50):  # one power iteration each
        network(images().float(), LABELS)

    network.eval()

    assert isinstance(vectors.weight, Tensor)
    largest = torch.linalg.svdvals(vectors.weight.detach())
    torch.testing.assert_close(largest, torch.ones(CLASSES), rtol=0, atol=1e-4)


def test_maps_say_the_class_beside_the_image() -> None:
    spec = Conv(labels="maps", base_channels=3, dropout=0.0)
    network = stirred(spec.build(IMAGE))
    plain = spec.model_copy(update={"labels": "none"})
    unlabelled = plain.build(ImageShape(1 + CLASSES, 16, 16)).double()
    unlabelled.load_state_dict(network.state_dict())

    logits = network(images(), LABELS)

    maps = torch.zeros(5, CLASSES, 16, 16, dtype=torch.float64)
    maps[torch.arange(5), LABELS] = 1
    wanted = unlabelled(torch.cat([images(), maps], 1))
    torch.testing.assert_close(logits, wanted, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    "spec",
    [
        *(
            pytest.param(
                kind.model_validate({"labels": labels, "base_channels": 4, "stem": stem}),
                marks=[]
                if (kind, labels, stem) == (Transpose, "conditional_norm", "linear")
                else [pytest.mark.slow],
            )
            for kind in (Transpose, Upsample)
            for labels in ("embedding", "one_hot", "conditional_norm")
            for stem in ("linear", "constant")
        ),
        *(
            pytest.param(
                Conv.model_validate({"labels": labels, "base_channels": 4, "norm": norm}),
                marks=[] if norm == "spectral" else [pytest.mark.slow],
            )
            for labels in ("maps", "projection")
            for norm in ("none", "batch", "spectral")
        ),
    ],
    ids=repr,
)
def test_labelled_networks_keep_the_promises_of_all_networks(
    spec: GeneratorSpec | DiscriminatorSpec,
) -> None:
    assert spec.uses_labels
    testing.check(spec).raise_for_problems()


@pytest.mark.parametrize(
    ("kind", "fields", "message"),
    [
        (Transpose, {"norm": "none"}, "labels = 'conditional_norm' needs norm = 'batch'"),
        (Upsample, {"norm_affine": False}, "labels = 'conditional_norm' needs norm = 'batch'"),
        (Transpose, {"stem": "constant", "scales": [2]}, "a constant stem with one layer has none"),
    ],
)
def test_conditional_norm_without_a_norm_is_refused(
    kind: type[Transpose | Upsample], fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        kind.model_validate({**fields, "labels": "conditional_norm"})


def test_images_without_classes_are_refused() -> None:
    bare = ImageShape(1, 16, 16)
    for labels in ("embedding", "one_hot", "conditional_norm"):
        spec = Transpose.model_validate({"labels": labels, "scales": [2, 2]})
        with pytest.raises(GanzooError, match=f"generator.labels: '{labels}' needs images with"):
            spec.build(LATENT, bare)
    for labels in ("maps", "projection"):
        with pytest.raises(GanzooError, match=f"discriminator.labels: '{labels}' needs images"):
            Conv.model_validate({"labels": labels}).build(bare)
