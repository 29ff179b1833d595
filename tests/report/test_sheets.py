"""Sheets show every image in its place; the GIF shows every sheet."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ganzoo.plugin.types import ImageShape
from ganzoo.report.sheets import mosaic, picture, save_gif, save_png, sheet, to_pixels
from ganzoo.report.spacing import evenly


@pytest.mark.parametrize(("count", "columns"), [(25, 5), (21, 7), (7, 3), (1, 4)])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_sheet_equals_torchvisions_grid(count: int, columns: int, channels: int) -> None:
    utils = pytest.importorskip("torchvision.utils")
    images = torch.rand(count, channels, 6, 5) * 2 - 1

    found = np.asarray(sheet(images, ImageShape(channels, 6, 5), columns))

    grid = utils.make_grid((images + 1) / 2, nrow=columns, padding=2)
    if count == 1:
        # torchvision returns a single image without its frame and its empty places.
        grid = torch.nn.functional.pad(grid, (2, 2 + 7 * (columns - 1), 2, 2))
    missing = found.shape[1] - grid.shape[2]
    grid = torch.nn.functional.pad(grid, (0, missing))
    wanted = grid.mul(255).round().clamp(0, 255).byte().permute(1, 2, 0).numpy()
    assert np.array_equal(
        found if channels == 3 else found[:, :, None].repeat(3, 2), wanted[..., :3]
    )


def test_a_sheet_without_gaps_is_as_large_as_its_images() -> None:
    images = torch.arange(6.0).view(6, 1, 1, 1).expand(-1, 1, 3, 4) / 5

    found = np.asarray(sheet(images, ImageShape(1, 3, 4, low=0.0), 3, gap=0))

    assert found.shape == (2 * 3, 3 * 4)
    assert found[::3, ::4].tolist() == [[0, 51, 102], [153, 204, 255]]


def test_a_sheet_can_be_filled_column_by_column() -> None:
    images = torch.arange(6.0).view(6, 1, 1, 1).expand(-1, 1, 3, 4) / 5

    found = np.asarray(sheet(images, ImageShape(1, 3, 4, low=0.0), 3, gap=0, fill="columns"))

    assert found[::3, ::4].tolist() == [[0, 102, 204], [51, 153, 255]]


def test_pixels_cover_the_whole_range() -> None:
    values = torch.tensor([-1.5, -1.0, 0.0, 1.0, 2.0]).view(5, 1, 1, 1)

    assert to_pixels(values, ImageShape(1, 1, 1)).flatten().tolist() == [0, 0, 128, 255, 255]
    unit = to_pixels(values, ImageShape(1, 1, 1, low=0.0))
    assert unit.flatten().tolist() == [0, 0, 0, 255, 255]


def test_opacity_lets_a_chequered_ground_through() -> None:
    images = torch.zeros(1, 4, 16, 16, dtype=torch.uint8)
    images[:, 0], images[:, 3, :8] = 255, 255

    found = np.asarray(mosaic(images, 1, gap=0))

    assert (found[:8] == [255, 0, 0]).all()
    assert set(found[8:].ravel()) == {160, 224}
    assert np.asarray(picture(images[0])).shape == (16, 16, 4)


def test_channels_beyond_four_lie_side_by_side() -> None:
    images = torch.arange(5, dtype=torch.uint8).view(1, 5, 1, 1).expand(2, -1, 3, 4)

    found = np.asarray(mosaic(images, 2, gap=0))

    assert found.shape == (2 * 3, 2 * 3 * 4)
    assert found[::3, ::4].tolist() == [[0, 1, 2] * 2, [3, 4, 0] * 2]


def test_a_gif_has_a_frame_for_every_sheet(tmp_path: Path) -> None:
    paths = []
    for number in range(4):
        path = tmp_path / f"step-{number}.png"
        save_png(sheet(torch.rand(4, 3, 8, 8), ImageShape(3, 8, 8), 2), path)
        paths.append(path)

    save_gif(paths, tmp_path / "samples.gif")

    with Image.open(tmp_path / "samples.gif") as gif:
        assert gif.n_frames == 4  # type: ignore[attr-defined]
        assert gif.width >= 300


def test_many_sheets_are_thinned_out_evenly_with_both_ends() -> None:
    chosen = evenly([Path(str(n)) for n in range(1000)], 60)

    assert len(chosen) == 60
    assert (chosen[0], chosen[-1]) == (Path("0"), Path("999"))
