"""Pictures are read from their own bytes: which format, which size, and whether the file is whole."""

import io
import zlib
from collections.abc import Callable
from typing import Any

import PIL.Image
import pytest
from hypothesis import given
from hypothesis import strategies as st
from segmind_sd3._imagefile import PNG_SIGNATURE, SUFFIXES, Picture, read_picture, sniff

NOISE = PIL.Image.effect_noise((37, 23), 99)
RGB = PIL.Image.merge("RGB", (NOISE, NOISE.rotate(90).resize(NOISE.size), NOISE.rotate(180)))  # pyright: ignore[reportUnknownMemberType]  # numpy
RGBA = PIL.Image.merge("RGBA", (*RGB.split(), NOISE))


def saved(file_format: str, image: PIL.Image.Image = RGB, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, file_format, **options)
    return file.getvalue()


def exif() -> bytes:
    """EXIF with a whole JPEG inside, as cameras write their thumbnails."""
    tags = PIL.Image.Exif()
    tags[0x0112] = 6
    tags[0x9286] = b"ASCII\0\0\0" + saved("JPEG")
    return tags.tobytes()


FRAMES = [RGB, RGB.rotate(180), RGB.rotate(90).resize(RGB.size)]  # pyright: ignore[reportUnknownMemberType]  # numpy
MOVING: dict[str, Any] = {"save_all": True, "append_images": FRAMES[1:], "duration": 40}

FILES: dict[str, tuple[str, bytes]] = {
    "JPEG": ("image/jpeg", saved("JPEG")),
    "JPEG, progressive": ("image/jpeg", saved("JPEG", progressive=True, optimize=True)),
    "JPEG, grey": ("image/jpeg", saved("JPEG", NOISE)),
    "JPEG, CMYK": ("image/jpeg", saved("JPEG", RGB.convert("CMYK"))),
    "JPEG with EXIF": ("image/jpeg", saved("JPEG", exif=exif())),
    "JPEG with a comment": ("image/jpeg", saved("JPEG", comment=b"\xff\xd9 the end? \xff\xda")),
    "JPEG with restarts": ("image/jpeg", saved("JPEG", restart_marker_blocks=1)),
    "JPEG with a profile": ("image/jpeg", saved("JPEG", icc_profile=b"\xff\xd9" * 50_000)),
    "JPEG, best": ("image/jpeg", saved("JPEG", quality=100, subsampling=0)),
    "PNG": ("image/png", saved("PNG")),
    "PNG, with alpha": ("image/png", saved("PNG", RGBA)),
    "PNG, palette": ("image/png", saved("PNG", RGB.quantize())),
    "PNG, one bit": ("image/png", saved("PNG", NOISE.convert("1"))),
    "PNG, moving": ("image/png", saved("PNG", **MOVING)),
    "GIF": ("image/gif", saved("GIF")),
    "GIF, grey": ("image/gif", saved("GIF", NOISE)),
    "GIF, moving": ("image/gif", saved("GIF", **MOVING, loop=0)),
    "GIF with a comment": ("image/gif", saved("GIF", comment=b"; the end? ;" * 99)),
    "WebP": ("image/webp", saved("WEBP")),
    "WebP, lossless": ("image/webp", saved("WEBP", lossless=True)),
    "WebP, with alpha": ("image/webp", saved("WEBP", RGBA)),
    "WebP, lossless with alpha": ("image/webp", saved("WEBP", RGBA, lossless=True)),
    "WebP, moving": ("image/webp", saved("WEBP", **MOVING)),
    "WebP with EXIF": ("image/webp", saved("WEBP", exif=exif())),
}
NAMES = st.sampled_from(sorted(FILES))


@pytest.mark.parametrize("name", FILES)
def test_format_and_size_are_what_pillow_says(name: str):
    media_type, data = FILES[name]
    with PIL.Image.open(io.BytesIO(data)) as image:
        assert image.format is not None
        assert (PIL.Image.MIME[image.format], *image.size) == (media_type, 37, 23)
    assert sniff(data) == media_type
    assert read_picture(data) == Picture(media_type, 37, 23)


WITHOUT_A_TABLE = b"GIF89a" + bytes([37, 0, 23, 0, 0, 0, 0])
PIXELS = b"\x2c" + bytes([0, 0, 0, 0, 37, 0, 23, 0, 0]) + b"\x02\x02\x44\x01\0"


def test_a_gif_with_a_block_of_no_known_kind_is_not_whole():
    assert read_picture(WITHOUT_A_TABLE + PIXELS + b"\x3b") == Picture("image/gif", 37, 23)
    assert read_picture(WITHOUT_A_TABLE + PIXELS + b"\x2d\x3b") is None


def png_chunk(kind: bytes, content: bytes = b"") -> bytes:
    return len(content).to_bytes(4) + kind + content + zlib.crc32(kind + content).to_bytes(4)


HEADER = png_chunk(b"IHDR", bytes([0, 0, 0, 37, 0, 0, 0, 23, 8, 0, 0, 0, 0]))
ROWS = png_chunk(b"IDAT", zlib.compress(bytes(38 * 23)))


@pytest.mark.parametrize(
    ("whole", "without_pixels"),
    [
        (
            PNG_SIGNATURE + HEADER + ROWS + png_chunk(b"IEND"),
            PNG_SIGNATURE + HEADER + png_chunk(b"IEND"),
        ),
        (WITHOUT_A_TABLE + PIXELS + b"\x3b", WITHOUT_A_TABLE + b"\x3b"),
        (saved("WEBP", RGBA), b"RIFF\x16\0\0\0" + saved("WEBP", RGBA)[8:30]),
    ],
    ids=["PNG", "GIF", "WebP"],
)
def test_a_header_without_pixels_is_no_picture(whole: bytes, without_pixels: bytes):
    assert read_picture(whole) == Picture(sniff(whole) or "", 37, 23)
    assert sniff(without_pixels) == sniff(whole)
    assert read_picture(without_pixels) is None


def test_a_webp_whose_chunk_is_longer_than_its_file_is_not_whole():
    picture = bytearray(saved("WEBP", lossless=True))
    picture[16:20] = (len(picture)).to_bytes(4, "little")
    assert read_picture(bytes(picture)) is None


@pytest.mark.parametrize("kind", [b"VP8X", b"VP8 ", b"VP8L"])
def test_a_webp_whose_chunk_is_too_short_for_a_size_is_no_picture(kind: bytes):
    assert read_picture(b"RIFF\x10\0\0\0WEBP" + kind + b"\x04\0\0\0\0\0\0\0") is None


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "GIF", "WEBP"])
@pytest.mark.parametrize("size", [(1, 1), (1, 300), (4000, 2), (2048, 2048)], ids=str)
def test_every_size_is_read(file_format: str, size: tuple[int, int]):
    picture = read_picture(saved(file_format, PIL.Image.new("RGB", size)))
    assert picture is not None
    assert (picture.width, picture.height) == size


@given(name=NAMES, share=st.floats(0, 1, exclude_max=True))
def test_no_part_of_a_picture_is_whole(name: str, share: float):
    _, data = FILES[name]
    assert read_picture(data[: int(len(data) * share)]) is None


@pytest.mark.parametrize("name", FILES)
def test_a_picture_that_lacks_a_few_bytes_is_not_whole(name: str):
    _, data = FILES[name]
    assert [cut for cut in range(1, 60) if read_picture(data[:-cut]) is not None] == []


@given(name=NAMES, more=st.binary(max_size=99))
def test_bytes_after_a_picture_are_no_matter(name: str, more: bytes):
    media_type, data = FILES[name]
    assert read_picture(data + more) == Picture(media_type, 37, 23)


@given(name=NAMES, at=st.integers(0, 400), put=st.binary(min_size=1, max_size=8))
def test_no_damage_makes_it_fail(name: str, at: int, put: bytes):
    _, data = FILES[name]
    read_picture(data[:at] + put + data[at + len(put) :])


BEGINNINGS = [
    b"",
    b"\xff\xd8\xff",
    PNG_SIGNATURE,
    b"GIF87a",
    b"GIF89a",
    b"RIFF\x09\0\0\0WEBPVP8X",
    b"RIFF\0\0\0\0WEBP",
]


@given(beginning=st.sampled_from(BEGINNINGS), rest=st.binary(max_size=200))
def test_no_bytes_at_all_make_it_fail(beginning: bytes, rest: bytes):
    picture = read_picture(beginning + rest)
    assert picture is None or (picture.width > 0 and picture.height > 0)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xd8",
        b"BM" + b"\0" * 60,
        b"II*\0",
        b"<svg/>",
        b"%PDF-1.7",
        b"RIFF\x04\0\0\0WAVE",
        b"\0\0\0\x0cjP  ",
    ],
    ids=repr,
)
def test_what_is_none_of_the_four_formats_is_no_picture(data: bytes):
    assert (sniff(data), read_picture(data)) == (None, None)


@pytest.mark.parametrize(
    "make",
    [
        lambda: b"\xff\xd8\xff" + b"\xff" * 3_000_000,
        lambda: PNG_SIGNATURE + b"\0" * 3_000_000,
        lambda: b"GIF89a" + b"\0" * 7 + b"\x21\xf9\x01" * 1_000_000,
        lambda: b"\xff\xd8" + b"\xff\xe0\x00\x02" * 750_000,
    ],
    ids=["fill bytes", "empty chunks", "empty extensions", "empty segments"],
)
def test_megabytes_of_nothing_are_walked_in_passing(make: Callable[[], bytes]):
    assert read_picture(make()) is None


def test_every_format_has_its_suffixes():
    assert set(SUFFIXES) == {media_type for media_type, _ in FILES.values()}
