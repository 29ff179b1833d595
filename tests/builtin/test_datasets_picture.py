"""Every kind of image becomes the bytes it should, and every broken one an error."""

from __future__ import annotations

import random
import warnings
from dataclasses import replace
from io import BytesIO
from typing import Any

import pytest
from PIL import Image, ImageFile

from ganzoo.common.memory import is_out_of_memory
from ganzoo_datasets.archives import UnreadableError
from ganzoo_datasets.decode import check, decode
from ganzoo_datasets.frame import Frame

ON_WHITE = "with alpha, composited on (255, 255, 255)"
RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def frame(width: int = 8, height: int = 8, **changes: Any) -> Frame:
    settings: dict[str, Any] = {
        "channels": 3,
        "crop": "center",
        "resample": "bilinear",
        "background": (255, 255, 255),
    }
    return Frame(height=height, width=width, **{**settings, **changes})


def encoded(image: Image.Image, format_: str = "PNG", **options: Any) -> bytes:
    buffer = BytesIO()
    image.save(buffer, format_, **options)
    return buffer.getvalue()


def plain(colour: tuple[int, ...] | int, mode: str = "RGB", size: int = 8) -> Image.Image:
    return Image.new(mode, (size, size), colour)


def first_pixel(data: bytes, how: Frame) -> tuple[int, ...]:
    pixels, _ = decode(data, how)
    plane = how.height * how.width
    return tuple(pixels[channel * plane] for channel in range(how.channels))


def picture_of_noise(width: int, height: int) -> Image.Image:
    return Image.frombytes("RGB", (width, height), random.Random(2).randbytes(3 * width * height))


def test_an_image_of_the_right_size_comes_out_as_its_planes() -> None:
    image = picture_of_noise(8, 6)

    pixels, changes = decode(encoded(image), frame(8, 6))

    interleaved = image.tobytes()
    assert pixels == interleaved[0::3] + interleaved[1::3] + interleaved[2::3]
    assert changes == frozenset()


def test_sixteen_bits_are_divided_by_257_and_rounded() -> None:
    levels = b"".join(value.to_bytes(2, "little") for value in range(65536))
    ramp = Image.frombytes("I;16", (256, 256), levels)

    pixels, changes = decode(encoded(ramp), frame(256, 256, channels=1))

    assert list(pixels) == [(2 * value + 257) // 514 for value in range(65536)]
    assert sum(pixels) / 65536 == pytest.approx(127.5, abs=0.5)
    assert changes == {"16-bit, divided by 257"}


@pytest.mark.parametrize(
    ("data", "expected", "change"),
    [
        (encoded(plain(RED).convert("P")), RED, "palette, converted to RGB"),
        (encoded(plain(1, "1")), (255, 255, 255), "1-bit, converted to black and white"),
        (encoded(plain((0, 255, 255, 0), "CMYK"), "JPEG"), (254, 0, 0), "CMYK, converted to RGB"),
        (encoded(plain(GREEN), "GIF"), GREEN, "palette, converted to RGB"),
        (encoded(plain(77, "L")), (77, 77, 77), None),
        (encoded(plain(GREEN), "BMP"), GREEN, None),
        (encoded(plain(BLUE), "WEBP", lossless=True), BLUE, None),
        (encoded(plain((9, 8, 7, 255), "RGBA")), (9, 8, 7), ON_WHITE),
    ],
    ids=["palette", "1-bit", "CMYK", "GIF", "grey", "BMP", "WEBP", "opaque"],
)
def test_every_kind_of_image_becomes_its_colours(
    data: bytes, expected: tuple[int, ...], change: str | None
) -> None:
    _, changes = decode(data, frame())

    assert first_pixel(data, frame()) == pytest.approx(expected, abs=1)
    assert changes == check(data, frame()) == ({change} if change else set())


def test_transparent_images_lie_on_the_stated_background() -> None:
    half_red = encoded(plain((255, 0, 0, 128), "RGBA"))
    palette = plain(RED).convert("P")
    hole = encoded(palette, transparency=palette.getpixel((0, 0)))
    grey = encoded(plain((100, 0), "LA"))

    _, changes = decode(half_red, frame(background=BLUE))

    assert changes == {"with alpha, composited on (0, 0, 255)"}
    # over: α · red + (1 - α) · blue with α = 128 / 255
    assert first_pixel(half_red, frame(background=BLUE)) == pytest.approx((128, 0, 127), abs=1)
    assert first_pixel(hole, frame(background=GREEN)) == GREEN
    assert first_pixel(grey, frame(background=(10, 20, 30))) == (10, 20, 30)


def test_colours_become_grey_by_their_luma() -> None:
    how = frame(channels=1)

    # ITU-R 601: 0.299 R + 0.587 G + 0.114 B
    assert first_pixel(encoded(plain(RED)), how) == pytest.approx((76,), abs=1)
    assert first_pixel(encoded(plain(GREEN)), how) == pytest.approx((150,), abs=1)
    assert first_pixel(encoded(plain(BLUE)), how) == pytest.approx((29,), abs=1)


@pytest.mark.parametrize(
    ("orientation", "row_of_first", "column_of_first"),
    # Where the stored top left pixel is on the upright image (EXIF 2.32, tag 0x0112).
    [
        (1, 0, 0),
        (2, 0, -1),
        (3, -1, -1),
        (4, -1, 0),
        (5, 0, 0),
        (6, 0, -1),
        (7, -1, -1),
        (8, -1, 0),
    ],
)
def test_photographs_stand_upright(
    orientation: int, row_of_first: int, column_of_first: int
) -> None:
    image = plain((0, 0, 0))
    image.putpixel((0, 0), (255, 255, 255))
    image.putpixel((1, 0), (200, 200, 200))  # tells apart orientations that keep the corner
    exif = Image.Exif()
    exif[0x0112] = orientation

    pixels, changes = decode(encoded(image.convert("L"), exif=exif), frame(channels=1))

    rows = [list(pixels[8 * at : 8 * at + 8]) for at in range(8)]
    assert rows[row_of_first][column_of_first] == 255
    is_transposed = orientation >= 5
    inwards = 1 if (row_of_first if is_transposed else column_of_first) == 0 else -2
    second = rows[inwards][column_of_first] if is_transposed else rows[row_of_first][inwards]
    assert second == 200
    assert bool(changes) == (orientation != 1)


@pytest.mark.parametrize("format_", ["GIF", "PNG", "WEBP"])
def test_of_an_animation_the_first_frame_is_taken(format_: str) -> None:
    options = {"lossless": True} if format_ == "WEBP" else {}
    data = encoded(plain(RED), format_, save_all=True, append_images=[plain(BLUE)], **options)

    _, changes = decode(data, frame())

    assert first_pixel(data, frame()) == RED
    assert "animated, using the first frame" in changes


def test_a_crop_keeps_proportions_and_the_middle() -> None:
    image = Image.new("RGB", (24, 8), RED)
    image.paste(GREEN, (8, 0, 16, 8))

    cropped, _ = decode(encoded(image), frame(8, 8))
    squeezed, _ = decode(encoded(image), frame(3, 1, crop="none", resample="nearest"))

    assert cropped == bytes(64) + b"\xff" * 64 + bytes(64)
    assert squeezed == bytes([255, 0, 255, 0, 255, 0, 0, 0, 0])


def test_small_and_very_long_images_are_noted() -> None:
    _, small = decode(encoded(plain(RED, size=4)), frame())
    _, long = decode(encoded(Image.new("RGB", (100, 20))), frame())

    assert small == {"smaller than 8×8, enlarged"}
    assert long == {"longer than 4:1, only the middle is used"}


JPEG = encoded(picture_of_noise(64, 64), "JPEG")
PNG = encoded(picture_of_noise(64, 64))
WEBP = encoded(picture_of_noise(64, 64), "WEBP", lossless=True)
GIF = encoded(picture_of_noise(64, 64), "GIF")
OTHER = "not PNG, JPEG, WEBP, BMP, GIF, AVIF, TIFF or PPM"
BMP = encoded(picture_of_noise(64, 64), "BMP")


@pytest.mark.parametrize("see", [check, decode], ids=["check", "decode"])
@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty file"),
        (b"hello", OTHER),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", OTHER),
        (encoded(plain(RED), "ICO"), OTHER),
        (
            encoded(Image.new("1", (10_000, 5_001))),
            "10000×5001 is more than 50,000,000 pixels, which dataset.max_pixels allows",
        ),
        (PNG[: len(PNG) // 2], "truncated"),
        (JPEG[: len(JPEG) // 2], "truncated"),
        (BMP[: len(BMP) // 2], "truncated"),
        (GIF[: len(GIF) // 2], "truncated"),
    ],
    ids=["empty", "text", "EPS", "ICO", "bomb", "PNG", "JPEG", "BMP", "GIF"],
)
def test_what_cannot_be_used_is_refused_with_the_reason(see: Any, data: bytes, reason: str) -> None:
    with warnings.catch_warnings(action="error"), pytest.raises(UnreadableError) as error:
        see(data, frame())

    assert str(error.value) == reason


@pytest.mark.parametrize("see", [check, decode], ids=["check", "decode"])
def test_half_a_webp_is_refused(see: Any) -> None:
    with pytest.raises(UnreadableError):
        see(WEBP[: len(WEBP) // 2], frame())


@pytest.mark.parametrize(
    "error", [MemoryError(), OSError("out of memory error when reading image file")], ids=repr
)
@pytest.mark.parametrize("see", [check, decode], ids=["check", "decode"])
def test_an_image_is_not_called_broken_where_the_machine_has_no_memory(
    monkeypatch: pytest.MonkeyPatch, see: Any, error: Exception
) -> None:
    def load(_: Image.Image) -> None:
        raise error

    monkeypatch.setattr(ImageFile.ImageFile, "load", load)

    with pytest.raises(type(error)) as raised:
        see(encoded(Image.new("I;16", (4, 4))), frame())

    assert is_out_of_memory(raised.value)  # which ends a run with 4


def test_whole_images_pass_the_check_without_being_decoded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Image.Image, "load", None)

    for data in (PNG, JPEG, WEBP):
        check(data, frame())


def test_no_mutation_ends_in_another_kind_of_error() -> None:
    chance = random.Random(3)
    exif = Image.Exif()
    exif[0x0112] = 6
    noise = picture_of_noise(20, 20)
    sources = [
        *(encoded(noise, format_, exif=exif) for format_ in ("PNG", "JPEG", "WEBP")),
        *(encoded(noise, format_) for format_ in ("BMP", "GIF")),
        *(encoded(noise.convert(mode)) for mode in ("1", "L", "LA", "P", "RGBA", "I;16")),
        encoded(noise, "PNG", save_all=True, append_images=[noise.rotate(90)]),
    ]
    reasons: list[str] = []
    for _ in range(2000):
        data = bytearray(chance.choice(sources))
        for _ in range(chance.choice([1, 3, 9])):
            data[chance.randrange(min(len(data), chance.choice([60, 9999])))] = chance.randrange(
                256
            )
        whole = bytes(data[: chance.choice([len(data), len(data), chance.randrange(len(data))])])
        for see in (check, decode):
            with warnings.catch_warnings(action="ignore"):
                try:
                    see(whole, frame())
                except UnreadableError as error:
                    reasons.append(str(error))

    assert 500 < len(reasons) < 4000
    assert all(0 < len(reason) <= 100 for reason in reasons)


NEARLY_BLACK = '16 bits of which 12 or fewer are used, nearly black; set dataset.range = "data"'


def sixteen_bits(top: int) -> Image.Image:
    """Return an image of 16-bit grey from 1 to ``top``."""
    values = [1 + (top - 1) * at // 63 for at in range(64)]
    return Image.frombytes(
        "I;16", (8, 8), b"".join(value.to_bytes(2, "little") for value in values)
    )


@pytest.mark.parametrize("see", [check, lambda *given: decode(*given)[1]], ids=["check", "decode"])
@pytest.mark.parametrize(("top", "is_told"), [(4095, True), (4096, False), (65535, False)])
def test_twelve_bits_in_sixteen_are_told(see: Any, top: int, is_told: bool) -> None:
    changes = see(encoded(sixteen_bits(top)), frame())

    assert (NEARLY_BLACK in changes) == is_told
    assert "16-bit, divided by 257" in changes


@pytest.mark.parametrize("see", [check, lambda *given: decode(*given)[1]], ids=["check", "decode"])
def test_colours_that_become_grey_are_told(see: Any) -> None:
    assert "colour, converted to grey" in see(encoded(plain(RED)), frame(channels=1))
    assert "colour, converted to grey" not in see(encoded(plain(RED)), frame(channels=3))
    assert "colour, converted to grey" in see(encoded(plain(RED).convert("P")), frame(channels=1))


@pytest.mark.parametrize("see", [check, lambda *given: decode(*given)[1]], ids=["check", "decode"])
@pytest.mark.parametrize(
    ("mode", "kind"),
    [(mode, "PNG") for mode in ("L", "RGB", "RGBA", "P")]
    + [(mode, "JPEG") for mode in ("L", "RGB", "CMYK")],
)
def test_grey_that_is_stored_as_colour_loses_none(see: Any, mode: str, kind: str) -> None:
    grey = Image.linear_gradient("L").resize((16, 16))
    # Straight from grey, or Pillow takes a palette of colours.
    grey = grey.convert(mode) if mode == "P" else grey.convert("RGB").convert(mode)

    assert "colour, converted to grey" not in see(encoded(grey, kind), frame(channels=1))


def test_the_clear_value_of_sixteen_bit_grey_lies_on_the_background() -> None:
    image = sixteen_bits(65535)
    clear = image.getpixel((0, 0))

    pixels, changes = decode(encoded(image, transparency=clear), frame())

    planes = [pixels[at : at + 64] for at in (0, 64, 128)]
    assert [plane[0] for plane in planes] == list(frame().background)
    assert [plane[63] for plane in planes] == [255, 255, 255]
    assert [plane[1] for plane in planes] == [round(image.getpixel((1, 0)) / 257)] * 3
    assert f"with alpha, composited on {frame().background}" in changes


@pytest.mark.parametrize("see", [check, decode], ids=["check", "decode"])
def test_more_pixels_are_read_where_they_are_asked_for(see: Any) -> None:
    large = encoded(Image.new("1", (10_000, 5_001)))

    see(large, replace(frame(), most_pixels=50_010_000))

    with pytest.raises(UnreadableError, match="more than 50,009,999 pixels"):
        see(large, replace(frame(), most_pixels=50_009_999))
    assert repr(replace(frame(), most_pixels=1)) == repr(frame())
