"""The steps of pix2pix and CycleGAN: who is moved when, and by which terms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field, NonNegativeFloat

from ganzoo.api import ImageShape, Role, StepSpec, Terms

if TYPE_CHECKING:
    from torch import Tensor, nn

    from ganzoo.api import Part, Play, Setting


class Pix2Pix(StepSpec):
    """pix2pix: a generator with an L1 loss to its target, and a discriminator of input and output.

    Isola et al. 2017, arXiv:1611.07004, equation 4: the recipe's loss on pairs, and L1. The
    discriminator is updated first, then the generator, with new fakes.
    """

    use: ClassVar[str] = "pix2pix"
    takes_inputs: ClassVar[bool] = True
    is_captured: ClassVar[bool] = True

    l1: NonNegativeFloat = 100.0
    """Factor of the mean absolute difference from the target."""

    def networks(self, setting: Setting) -> Mapping[str, nn.Module]:
        """Return a generator, and a discriminator of input and image together."""
        image = setting.image
        both = replace(image, channels=image.channels + image.input_shape[0])
        return {
            "generator": setting.generator("generator"),
            "discriminator": setting.discriminator("discriminator", both),
        }

    def update(self, play: Play) -> Terms:
        """Move the discriminator, then the generator."""
        import torch

        def beside(part: Part, images: Tensor) -> Tensor:
            assert part.inputs is not None
            return torch.cat([part.inputs, images], 1)

        def judged(part: Part) -> Terms:
            fake = beside(part, part.make("generator"))
            return part.terms("discriminator", fake, beside(part, part.images))

        def liked(part: Part) -> Terms:
            made = part.make("generator")
            found = part.terms("generator", beside(part, made), beside(part, part.images))
            return {**found, "l1": self.l1 * (made - part.images).abs().mean()}

        return {**play.minimise("discriminator", judged), **play.minimise("generator", liked)}

    def sheet(
        self, networks: Mapping[str, nn.Module], inputs: Tensor, targets: Tensor
    ) -> Tensor | None:
        """Return input, output and target beside each other."""
        return side_by_side(inputs, networks["generator"](inputs), targets)


class CycleGan(StepSpec):
    """CycleGAN: two generators that undo each other, and a discriminator on either side.

    Zhu et al. 2017, arXiv:1703.10593, equation 3 and section 5.2: both generators are updated, then
    both discriminators, which see earlier fakes among the new ones.
    """

    use: ClassVar[str] = "cyclegan"
    takes_inputs: ClassVar[bool] = True
    players: ClassVar[Mapping[str, Role]] = MappingProxyType(
        {
            "generator": "generator",
            "generator_back": "generator",
            "discriminator": "discriminator",
            "discriminator_back": "discriminator",
        }
    )

    adversarial: NonNegativeFloat = 1.0
    """Factor of the generators' terms of the recipe's loss; use 2 with 'least_squares', which \
halves them while the paper does not."""
    cycle: NonNegativeFloat = 10.0
    """Factor of the cycle loss: the mean absolute difference after translating there and back."""
    identity: NonNegativeFloat = 0.5
    """Times 'cycle', the factor of the identity loss: how much a generator changes images that \
already are targets; use 0 if the two sides have different channels."""
    pool: Annotated[int, Field(ge=0, le=10_000)] = 50
    """Number of earlier fakes to keep on either side; 0 for none."""

    def networks(self, setting: Setting) -> Mapping[str, nn.Module]:
        """Return both generators, both discriminators and both pools."""
        from ganzoo_translation.modules import ImagePool

        there = setting.image
        back = self.makes("generator_back", there)
        return {
            "generator": setting.generator("generator", there),
            "generator_back": setting.generator("generator_back", back),
            "discriminator": setting.discriminator("discriminator", there),
            "discriminator_back": setting.discriminator("discriminator_back", back),
            **{
                name: setting.build(
                    name,
                    lambda image=image: ImagePool(  # type: ignore[misc]
                        self.pool, (image.channels, image.height, image.width)
                    ),
                )
                for name, image in (("pool", there), ("pool_back", back))
            },
        }

    def makes(self, player: str, image: ImageShape) -> ImageShape:
        """Return the inputs' shape for the way back."""
        return turned(image) if player == "generator_back" else image

    def update(self, play: Play) -> Terms:
        """Move both generators, then both discriminators."""

        def translated(part: Part) -> Terms:
            given, wanted = part.inputs, part.images
            assert given is not None
            fake, fake_back = part.make("generator", given), part.make("generator_back", wanted)
            part.keep("fake", fake)
            part.keep("fake_back", fake_back)
            again = part.make("generator_back", fake), part.make("generator", fake_back)
            terms = {
                **self._liked(part.terms("generator", fake, wanted, "discriminator")),
                **named_back(
                    self._liked(part.terms("generator", fake_back, given, "discriminator_back"))
                ),
                "cycle": self.cycle * (again[0] - given).abs().mean(),
                "cycle_back": self.cycle * (again[1] - wanted).abs().mean(),
            }
            if self.identity:
                own, own_back = part.make("generator", wanted), part.make("generator_back", given)
                factor = self.cycle * self.identity
                terms["identity"] = factor * (own - wanted).abs().mean()
                terms["identity_back"] = factor * (own_back - given).abs().mean()
            return terms

        found = dict(play.minimise(("generator", "generator_back"), translated))
        shown = {}
        for name in ("", "_back"):
            pool, fakes = play.networks[f"pool{name}"], play.kept[f"fake{name}"]
            shown[name] = pool.exchanged(fakes, play.uniform(len(fakes), 2))  # type: ignore[operator]

        def judged(part: Part) -> Terms:
            return part.terms("discriminator", part.of(shown[""]), part.images)

        def judged_back(part: Part) -> Terms:
            fake = part.of(shown["_back"])
            judge = "discriminator_back"
            return named_back(part.terms("discriminator", fake, part.inputs, judge))

        found.update(play.minimise("discriminator", judged))
        found.update(play.minimise("discriminator_back", judged_back))
        return found

    def _liked(self, terms: Terms) -> dict[str, Tensor]:
        return {name: self.adversarial * value for name, value in terms.items()}

    def sheet(
        self, networks: Mapping[str, nn.Module], inputs: Tensor, targets: Tensor
    ) -> Tensor | None:
        """Return an input and what becomes of it, a target and what becomes of that."""
        there, back = networks["generator"], networks["generator_back"]
        count = min(len(inputs), len(targets))
        inputs, targets = inputs[:count], targets[:count]
        return side_by_side(inputs, there(inputs), targets, back(targets))


def turned(image: ImageShape) -> ImageShape:
    """Return the shapes of the way back."""
    channels, height, width = image.input_shape
    other = (image.channels, image.height, image.width)
    return replace(image, channels=channels, height=height, width=width, input_shape=other)


def named_back(terms: Terms) -> dict[str, Tensor]:
    """Return the terms of the way back by names of their own."""
    return {f"{name}_back": value for name, value in terms.items()}


def side_by_side(*images: Tensor) -> Tensor:
    """Return pictures beside each other, grey ones in colour where others are."""
    import torch

    widest = 1 if all(each.shape[1] == 1 for each in images) else 3
    seen = []
    for each in images:
        if each.shape[1] not in (1, 3):
            each = each.mean(1, keepdim=True)
        seen.append(each.expand(-1, widest, -1, -1) if each.shape[1] < widest else each)
    return torch.cat(seen, 3)
