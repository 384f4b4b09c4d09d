"""What was sent is written into the file of a picture and read back, and nothing else in the file changes."""

import io
import json
import shutil
import struct
import subprocess
import zlib
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import PIL.ExifTags
import PIL.Image
import PIL.PngImagePlugin
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from segmind_sd3._imagefile import read_picture, sniff
from segmind_sd3._metadata import NAME, NoMetadata, embed, extract

NOISE = PIL.Image.effect_noise((37, 23), 99)
RGB = PIL.Image.merge("RGB", (NOISE, NOISE.rotate(90).resize(NOISE.size), NOISE.rotate(180)))  # pyright: ignore[reportUnknownMemberType]  # numpy
RGBA = PIL.Image.merge("RGBA", (*RGB.split(), NOISE))

USER_COMMENT, DESCRIPTION = 0x9286, 0x010E
DETAILS, THUMBNAIL = PIL.ExifTags.IFD.Exif, PIL.ExifTags.IFD.IFD1
CONTENT = {"operation": "x", "parameters": {"prompt": 'панда 🐼 "neon" \0 \u2028 \ud800', "seed": 5}}


def saved(file_format: str, image: PIL.Image.Image = RGB, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, file_format, **options)
    return file.getvalue()


def exif(
    *, comment: bytes = b"", description: str = "", thumbnail: bool = False, little: bool = False
) -> bytes:
    """EXIF of another program: a camera's tags, and what is asked for."""
    tags = PIL.Image.Exif()
    tags[0x010F] = "Maker"
    tags[0x0112] = 6
    details = tags.get_ifd(DETAILS)
    details[0x829A] = (1, 250)
    details[0x927C] = b"maker note" * 9
    if comment:
        details[USER_COMMENT] = comment
    if description:
        tags[DESCRIPTION] = description
    if little:
        tags.endian = "<"
    return with_thumbnail(tags.tobytes()) if thumbnail else tags.tobytes()


def with_thumbnail(data: bytes) -> bytes:
    """Add a second directory to big-endian EXIF, that of a thumbnail: Pillow only reads one."""
    tiff = bytearray(data[6:])
    (start,) = struct.unpack_from(">I", tiff, 4)
    (count,) = struct.unpack_from(">H", tiff, start)
    struct.pack_into(">I", tiff, start + 2 + 12 * count, len(tiff))
    width = struct.pack(">HHII", 0x0100, 4, 1, 160)
    return data[:6] + tiff + struct.pack(">H", 1) + width + b"\0" * 4


def png_text() -> PIL.PngImagePlugin.PngInfo:
    text = PIL.PngImagePlugin.PngInfo()
    text.add_text("parameters", "of another program")
    text.add_itxt("Title", "Ëin Titel")
    text.add_text("Comment", "compressed" * 50, zip=True)
    return text


MOVING: dict[str, Any] = {"save_all": True, "append_images": [RGB.rotate(180)], "duration": 40}
PROFILE = b"profile" * 99
XMP = b"<x:xmpmeta/>"

FILES: dict[str, bytes] = {
    "PNG": saved("PNG"),
    "PNG, alpha": saved("PNG", RGBA),
    "PNG, palette": saved("PNG", RGB.quantize()),
    "PNG, moving": saved("PNG", **MOVING),
    "PNG, foreign chunks": saved("PNG", pnginfo=png_text(), exif=exif(), icc_profile=PROFILE, dpi=(72, 72)),
    "PNG, bytes after it": saved("PNG") + b"\0\0\0\0IDATmore",
    "JPEG": saved("JPEG"),
    "JPEG, progressive": saved("JPEG", progressive=True),
    "JPEG, grey": saved("JPEG", NOISE),
    "JPEG, CMYK": saved("JPEG", RGB.convert("CMYK")),
    "JPEG, no JFIF": b"\xff\xd8" + saved("JPEG")[20:],
    "JPEG, fill bytes": saved("JPEG").replace(b"\xff\xdb", b"\xff\xff\xff\xdb", 1),
    "JPEG, foreign segments": saved("JPEG", comment=b"\xff\xd9", icc_profile=PROFILE * 200, xmp=XMP),
    "JPEG, EXIF": saved("JPEG", exif=exif(thumbnail=True), comment=b"a comment", xmp=XMP),
    "JPEG, EXIF, little-endian": saved("JPEG", exif=exif(little=True)),
    "JPEG, EXIF with a comment": saved("JPEG", exif=exif(comment=b"ASCII\0\0\0of another program")),
    "JPEG, bytes after it": saved("JPEG") + b"more",
    "WebP": saved("WEBP"),
    "WebP, lossless": saved("WEBP", lossless=True),
    "WebP, alpha": saved("WEBP", RGBA),
    "WebP, lossless, alpha": saved("WEBP", RGBA, lossless=True, exact=True),
    "WebP, moving": saved("WEBP", **MOVING),
    "WebP, foreign chunks": saved("WEBP", icc_profile=PROFILE, xmp=XMP),
    "WebP, EXIF": saved("WEBP", exif=exif(), icc_profile=PROFILE, xmp=XMP),
    "WebP, EXIF with a comment": saved("WEBP", exif=exif(comment=b"\0" * 8 + b"of another program")),
    "WebP, bytes after it": saved("WEBP") + b"more",
}
each_file = pytest.mark.parametrize("data", FILES.values(), ids=FILES)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def read_back(data: bytes) -> Any:
    found = extract(data)
    return found and {key: value for key, value in found.items() if key != NAME}


def frames(data: bytes) -> list[tuple[str, tuple[int, int], bytes]]:
    """Every frame of a picture, as Pillow decodes it."""
    with PIL.Image.open(io.BytesIO(data)) as image:
        count = getattr(image, "n_frames", 1)
        found: list[tuple[str, tuple[int, int], bytes]] = []
        for number in range(count):
            image.seek(number)
            image.load()
            found.append((image.mode, image.size, image.tobytes()))
        return found


def tags_of(data: bytes) -> dict[str, Any]:
    """Every EXIF tag of a picture but where the directories are."""
    with PIL.Image.open(io.BytesIO(data)) as image:
        tags = image.getexif()
        every = {"main": dict(tags), "details": tags.get_ifd(DETAILS), "thumbnail": tags.get_ifd(THUMBNAIL)}
    return {
        f"{directory} {tag:x}": value
        for directory, entries in every.items()
        for tag, value in entries.items()
        if tag != DETAILS
    }


# -- There and back ---------------------------------------------------------------------------------------


@each_file
def test_it_is_read_back_from_every_kind_of_file(data: bytes):
    assert read_back(embed(data, CONTENT)) == CONTENT


@given(data=st.sampled_from(sorted(FILES.values())), content=st.dictionaries(st.text(), JSON, max_size=5))
def test_whatever_json_can_say_is_read_back(data: bytes, content: dict[str, Any]):
    assume(NAME not in content)
    assert read_back(embed(data, content)) == content


@each_file
def test_no_pixel_changes(data: bytes):
    written = embed(data, CONTENT)
    assert frames(written) == frames(data)
    assert (sniff(written), read_picture(written)) == (sniff(data), read_picture(data))


@each_file
def test_what_is_written_again_replaces_what_was_written(data: bytes):
    once = embed(data, {"n": 1})
    twice = embed(embed(data, {"n": 2}), {"n": 1})
    assert read_back(twice) == {"n": 1}
    assert (frames(twice), tags_of(twice)) == (frames(once), tags_of(once))


@each_file
def test_every_other_tag_of_exif_is_kept(data: bytes):
    before, after = tags_of(data), tags_of(embed(data, CONTENT))
    added = {tag: value for tag, value in after.items() if tag not in before}
    assert after == before | added
    assert len(added) == (0 if sniff(data) == "image/png" else 1)


# -- Each other part of a file stays as it is --------------------------------------------------------------


def png_parts(data: bytes) -> list[bytes]:
    parts, at = [data[:8]], 8
    while at + 12 <= len(data):
        end = at + 12 + int.from_bytes(data[at : at + 4])
        parts.append(data[at:end])
        at = end
    return [*parts, data[at:]]


def jpeg_parts(data: bytes) -> list[bytes]:
    parts, at = [data[:2]], 2
    while data[at + 1] != 0xDA:
        if data[at + 1] == 0xFF:
            parts.append(b"\xff")
            at += 1
            continue
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4])
        parts.append(data[at:end])
        at = end
    return [*parts, data[at:]]


def webp_parts(data: bytes) -> list[bytes]:
    end = 8 + int.from_bytes(data[4:8], "little")
    parts: list[bytes] = []
    at = 12
    while at < end:
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        following = at + 8 + size + size % 2
        parts.append(data[at:following])
        at = following
    assert at == end
    return [*parts, data[end:]]


PARTS: dict[str | None, Callable[[bytes], list[bytes]]] = {
    "image/png": png_parts,
    "image/jpeg": jpeg_parts,
    "image/webp": webp_parts,
}


def is_exif(part: bytes) -> bool:
    return part[4:10] == b"Exif\0\0" or part[:4] in (b"EXIF", b"VP8X")


@each_file
def test_every_other_part_of_the_file_is_kept_in_its_order(data: bytes):
    parts = PARTS[sniff(data)]
    before = [part for part in parts(data) if not is_exif(part)]
    after = [part for part in parts(embed(data, CONTENT)) if not is_exif(part)]
    assert [part for part in after if part in before] == before
    assert len(after) - len(before) == (1 if sniff(data) == "image/png" else 0)


@given(
    kind=st.sampled_from([b"prVt", b"tEXt", b"iTXt", b"zTXt", b"eXIf"]),
    body=st.binary(max_size=80),
    place=st.sampled_from(["IHDR", "IEND"]),
)
def test_any_chunk_of_a_png_is_kept(kind: bytes, body: bytes, place: str):
    chunk = len(body).to_bytes(4) + kind + body + zlib.crc32(kind + body).to_bytes(4)
    signature, first, *others, last, after = png_parts(FILES["PNG"])
    middle = [chunk, *others] if place == "IHDR" else [*others, chunk]
    written = embed(b"".join([signature, first, *middle, last, after]), CONTENT)
    assert read_back(written) == CONTENT
    assert b"".join(middle) in written


@given(marker=st.sampled_from([0xE0, 0xE1, 0xE2, 0xED, 0xEE, 0xFE]), body=st.binary(max_size=80))
def test_any_segment_of_a_jpeg_is_kept(marker: int, body: bytes):
    assume(not body.startswith(b"Exif\0\0"))
    segment = bytes([0xFF, marker]) + (len(body) + 2).to_bytes(2) + body
    start, jfif, *others = jpeg_parts(FILES["JPEG"])
    data = b"".join([start, jfif, segment, *others])
    written = embed(data, CONTENT)
    assert read_back(written) == CONTENT
    assert [part for part in jpeg_parts(written) if not is_exif(part)] == jpeg_parts(data)


@given(kind=st.sampled_from([b"XMP ", b"ABCD"]), body=st.binary(max_size=80), first=st.booleans())
def test_any_chunk_of_a_webp_is_kept(kind: bytes, body: bytes, *, first: bool):
    chunk = kind + len(body).to_bytes(4, "little") + body + b"\0" * (len(body) % 2)
    head, *others, _ = webp_parts(FILES["WebP, alpha"])
    inner = b"WEBP" + b"".join([head, chunk, *others] if first else [head, *others, chunk])
    data = b"RIFF" + len(inner).to_bytes(4, "little") + inner
    written = embed(data, CONTENT)
    assert read_back(written) == CONTENT
    assert [part for part in webp_parts(written) if not is_exif(part)] == webp_parts(data)[1:]


ASCII = st.text(st.characters(codec="ascii", exclude_categories=["C"]), min_size=1)
MAIN_TAGS = {0x010F: ASCII, 0x0112: st.integers(1, 8), 0x013B: ASCII, DESCRIPTION: ASCII}
DETAIL_TAGS = {0x829A: st.just((1, 250)), 0x927C: st.binary(min_size=1), USER_COMMENT: st.binary(min_size=1)}


@given(
    main=st.fixed_dictionaries({}, optional=MAIN_TAGS),
    details=st.fixed_dictionaries({}, optional=DETAIL_TAGS),
    endian=st.sampled_from("<>"),
    file_format=st.sampled_from(["JPEG", "WEBP"]),
)
def test_any_exif_is_kept(main: dict[int, Any], details: dict[int, Any], endian: str, file_format: str):
    tags = PIL.Image.Exif()
    tags.endian = endian
    tags.update(main)
    tags.get_ifd(DETAILS).update(details)
    data = saved(file_format, exif=tags.tobytes())
    if DESCRIPTION in main and USER_COMMENT in details:
        with pytest.raises(NoMetadata):
            embed(data, CONTENT)
        return
    written = embed(data, CONTENT)
    assert read_back(written) == CONTENT
    before, after = tags_of(data), tags_of(written)
    assert after == {**after, **before}
    assert len(after) == len(before) + 1


# -- Read by others ---------------------------------------------------------------------------------------

TEXT = {"operation": "x", "parameters": {"prompt": 'панда 🐼 "neon" é'}}


@each_file
def test_pillow_reads_it(data: bytes):
    written = embed(data, TEXT)
    with PIL.Image.open(io.BytesIO(written)) as image:
        tags = image.getexif()
        if sniff(data) == "image/png":
            text = image.info[NAME]
        elif DESCRIPTION in tags:
            text = tags[DESCRIPTION]
        else:
            text = tags.get_ifd(DETAILS)[USER_COMMENT].removeprefix(b"\0" * 8).decode()
    assert json.loads(text).items() >= TEXT.items()


@pytest.mark.skipif(not shutil.which("exiftool"), reason="apt-get install libimage-exiftool-perl")
def test_exiftool_reads_it_and_finds_no_more_wrong_than_before(tmp_path: Path):
    def told(version: str, files: Iterable[bytes]) -> list[dict[str, Any]]:
        names = [f"{version}-{number}" for number, _ in enumerate(FILES)]
        for name, data in zip(names, files, strict=True):
            (tmp_path / name).write_bytes(data)
        tags = ["-UserComment", "-ImageDescription", "-segmind-sd3", "-Warning", "-Error"]
        command = ["exiftool", "-json", *tags, *names]
        return json.loads(subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).stdout)

    before = told("before", FILES.values())
    after = told("after", (embed(data, TEXT) for data in FILES.values()))
    for old, new in zip(before, after, strict=True):
        said = [each.get("Error") or each.get("Warning", "").partition(" after ")[0] for each in (old, new)]
        assert said[0] == said[1]
        (text,) = (value for value in new.values() if str(value).startswith(f'{{"{NAME}"'))
        assert json.loads(text).items() >= TEXT.items()


@pytest.mark.skipif(not shutil.which("exiftool"), reason="apt-get install libimage-exiftool-perl")
def test_it_is_read_from_a_file_to_which_exiftool_has_copied_it(tmp_path: Path):
    (tmp_path / "from.jpg").write_bytes(embed(FILES["JPEG"], TEXT))
    (tmp_path / "to.webp").write_bytes(FILES["WebP"])
    subprocess.run(
        ["exiftool", "-q", "-TagsFromFile", "from.jpg", "-UserComment", "to.webp"], cwd=tmp_path, check=True
    )
    assert read_back((tmp_path / "to.webp").read_bytes()) == TEXT


# -- What can't hold it -----------------------------------------------------------------------------------


def jpeg_with(*bodies: bytes) -> bytes:
    """A JPEG with EXIF of these bytes."""
    segments = [b"\xff\xe1" + (len(body) + 8).to_bytes(2) + b"Exif\0\0" + body for body in bodies]
    return b"".join([b"\xff\xd8", *segments, saved("JPEG")[2:]])


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (saved("GIF"), "only PNG, JPEG and WebP"),
        (b"no picture", "only PNG, JPEG and WebP"),
        (b"", "only PNG, JPEG and WebP"),
        (saved("JPEG", exif=exif(comment=b"x" * 20, description="theirs")), "a comment and a description"),
        (saved("WEBP", exif=exif(comment=b"x" * 20, description="theirs")), "a comment and a description"),
        (jpeg_with(b"nonsense"), "damaged"),
        (jpeg_with(b"MM\0*\0\0\xff\xff"), "damaged"),
        (jpeg_with(b"II*\0\x08\0\0\0\xff\xff"), "damaged"),
        (jpeg_with(exif()[6:], exif()[6:]), "several parts"),
        (b"RIFF\x10\0\0\0WEBPABCD\x04\0\0\0\0\0\0\0", "damaged"),
        (saved("WEBP")[:-20], "damaged"),
        (b"\xff\xd8\xff", "damaged"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_what_can_not_hold_it_is_refused_with_the_reason(data: bytes, reason: str):
    with pytest.raises(NoMetadata, match=reason):
        embed(data, CONTENT)


def test_exif_without_anything_in_it_will_do():
    assert read_back(embed(jpeg_with(b""), CONTENT)) == CONTENT


def test_a_jpeg_takes_no_more_than_its_exif_may_have():
    assert read_back(embed(FILES["JPEG"], {"prompt": "x" * 65_000})) == {"prompt": "x" * 65_000}
    with pytest.raises(NoMetadata, match="at most 65535 bytes: save a PNG"):
        embed(FILES["JPEG"], {"prompt": "x" * 65_500})
    for name in ("PNG", "WebP"):
        assert read_back(embed(FILES[name], {"prompt": "x" * 10**6})) == {"prompt": "x" * 10**6}


# -- Files from anybody -----------------------------------------------------------------------------------


@each_file
def test_a_file_to_which_nothing_was_written_has_nothing(data: bytes):
    assert extract(data) is None


@given(
    data=st.sampled_from(sorted(FILES.values())),
    at=st.integers(0, 1500),
    put=st.binary(min_size=1, max_size=8),
)
def test_no_damage_makes_it_fail(data: bytes, at: int, put: bytes):
    written = embed(data, CONTENT)
    damaged = written[:at] + put + written[at + len(put) :]
    extract(damaged)
    with suppress(NoMetadata):
        embed(damaged, CONTENT)


@given(data=st.sampled_from(sorted(FILES.values())), share=st.floats(0, 1))
def test_no_part_of_a_file_makes_it_fail(data: bytes, share: float):
    written = embed(data, CONTENT)
    part = written[: int(len(written) * share)]
    assert read_back(part) in (None, CONTENT)


def test_exif_that_leads_in_a_circle_is_read_to_an_end():
    one = struct.pack(">HHII", 0x8769, 4, 1, 8)
    circle = b"MM\0*\0\0\0\x08" + b"\0\x01" + one + b"\0\0\0\x08"
    assert extract(jpeg_with(circle)) is None
    assert read_back(embed(jpeg_with(circle), CONTENT)) == CONTENT


@pytest.mark.parametrize("text", ["[" * 100_000, "{", '"text"', "5", '{"segmind-sd3": '])
def test_text_that_is_no_object_of_ours_is_none(text: str):
    body = b"iTXtsegmind-sd3\0\0\0\0\0" + text.encode()
    chunk = (len(body) - 4).to_bytes(4) + body + zlib.crc32(body).to_bytes(4)
    signature, first, *others = png_parts(FILES["PNG"])
    assert extract(b"".join([signature, first, chunk, *others])) is None
