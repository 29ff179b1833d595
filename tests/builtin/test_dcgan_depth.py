"""Networks whose depth follows the images' size: any height and width, first map 4 to 7 wide."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from ganzoo.api import GanzooError, ImageShape
from ganzoo.plugin.table import Table
from ganzoo_dcgan import depth
from ganzoo_dcgan.discriminators import Conv
from ganzoo_dcgan.generators import Transpose, Upsample


def test_the_first_map_is_4_to_7_wide_and_each_next_at_most_twice_as_large() -> None:
    for side in range(4, 600):
        sizes = [height for height, _ in depth.grown(side, 3 * side)]
        assert 4 <= sizes[0] <= 7
        assert sizes[-1] == side
        assert all(after in {2 * before, 2 * before - 1} for before, after in pairwise(sizes))


@pytest.mark.parametrize("size", [(30, 30), (50, 150), (100, 100), (28, 28), (5, 5), (33, 64)])
@pytest.mark.parametrize("kind", [Transpose, Upsample])
def test_images_of_any_size_are_made_and_read(
    size: tuple[int, int], kind: type[Transpose | Upsample]
) -> None:
    image = ImageShape(3, *size)
    generator = kind(scales="auto", base_channels=1).build(8, image)
    discriminator = Conv(strides="auto", base_channels=1).build(image)
    last: list[torch.Size] = []
    discriminator.layers.register_forward_hook(lambda *seen: last.append(seen[2].shape))

    made = generator(torch.randn(2, 8))

    assert made.shape == (2, 3, *size)
    assert discriminator(made).shape == (2,)
    assert 4 <= min(last[0][2:]) <= 7


@pytest.mark.parametrize("settings", [{"downsample": "average"}, {"padding": "same"}])
def test_discriminators_of_every_kind_end_at_such_a_map(settings: dict[str, str]) -> None:
    for side in (8, 31, 33, 57, 100):
        image = ImageShape(1, side, side)
        spec = Conv.model_validate({"strides": "auto", "base_channels": 1, **settings})
        _, last = spec.for_size(image).paddings(image)
        assert 4 <= min(last) <= 7


def test_no_layer_holds_most_of_the_weights_of_large_images() -> None:
    network = Transpose(scales="auto").build(100, ImageShape(3, 64, 64))

    sizes = [parameter.numel() for parameter in network.parameters()]
    assert max(sizes) < 0.75 * sum(sizes)


def test_where_a_list_of_scales_does_not_fit_the_nearest_sizes_are_told() -> None:
    with pytest.raises(GanzooError, match=r"height 28 or 32, width 48 or 52.*scales = 'auto'"):
        Transpose().build(8, ImageShape(3, 30, 50))


@pytest.mark.parametrize(
    ("spec", "given"), [(Transpose, {"scales": "auto"}), (Conv, {"strides": "auto"})]
)
def test_widths_need_a_list(spec: type[Table], given: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="as a list"):
        spec.model_validate({**given, "widths": [1, 2]})
