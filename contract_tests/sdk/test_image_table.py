"""A table of what may be given for an image: each kind of input, and what is sent or said.

Each row is tried on a client that prepares a call, so nothing is paid. `table()` returns it as Markdown, and
`pytest -s -k table` prints it.
"""

import array
import base64
import io
import mmap
import os
import tempfile
import types
import zipfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import anyio
import httpx
import numpy as np
import PIL.Image
import PIL.ImageCms
import pytest
import requests
from proofs.fixtures.drivers import AUTHORITIES
from proofs.fixtures.sockets import answering, reply, serving
from segmind_sd3 import AsyncClient, Client, Generation, Image, InvalidRequest
from segmind_sd3_contract.reference import MADE_UP_KEY
from starlette.datastructures import UploadFile

# -- Pictures ---------------------------------------------------------------------------------------------

CORNERS = PIL.Image.fromarray(
    np.kron(
        np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [255, 255, 0]]], np.uint8),
        np.ones((10, 20, 1), np.uint8),
    )
)
"""Red and green above blue and yellow, 40 x 20."""

GREY = PIL.Image.fromarray(np.arange(200, dtype=np.uint8).reshape(10, 20))


def saved(file_format: str, image: PIL.Image.Image = CORNERS, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, file_format, **options)
    return file.getvalue()


def text_of(data: bytes) -> str:
    return base64.b64encode(data).decode()


PNG, JPEG, GIF, WEBP = (saved(each) for each in ("PNG", "JPEG", "GIF", "WEBP"))
DRAWN = Image(JPEG, "image/jpeg", 40, 20)


def opened(data: bytes) -> PIL.Image.Image:
    return PIL.Image.open(io.BytesIO(data))


def turned(orientation: int) -> PIL.Image.Image:
    """Return an opened picture that is stored as an orientation of EXIF says.

    By its text, 6 means that the first row is the right side as seen, and the first column the top.
    """
    upright = np.asarray(CORNERS)
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright),
        7: np.rot90(upright, 2).transpose(1, 0, 2),
        8: np.rot90(upright, -1),
    }[orientation]
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    return opened(saved("PNG", PIL.Image.fromarray(np.ascontiguousarray(stored)), exif=exif))


def wide(mode: str) -> PIL.Image.Image:
    """Return the grey picture in 16 bits: 257 times each value."""
    kind = {"I;16": "<u2", "I;16L": "<u2", "I;16B": ">u2", "I;16N": "=u2"}[mode]
    values = np.asarray(GREY).astype(np.uint16) * 257
    return PIL.Image.frombytes(mode, GREY.size, values.astype(kind).tobytes())


def lab() -> PIL.Image.Image:
    cms: Any = PIL.ImageCms
    transform = cms.buildTransform(cms.createProfile("sRGB"), cms.createProfile("LAB"), "RGB", "LAB")
    return cms.applyTransform(CORNERS, transform)


def seen_through() -> PIL.Image.Image:
    image = CORNERS.convert("RGBA")
    image.putalpha(PIL.Image.linear_gradient("L").resize(CORNERS.size))  # pyright: ignore[reportUnknownMemberType]  # numpy
    return image


def cmyk_jpeg() -> bytes:
    data = saved("JPEG", CORNERS.convert("CMYK"), quality=100, subsampling=0)
    assert b"Adobe" in data
    return data


def palette() -> PIL.Image.Image:
    image = CORNERS.quantize(4)
    image.info["transparency"] = 0
    return image


# -- Values -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Place:
    """Where a row makes its value: its folder is the current one and home; its stack ends with the row."""

    folder: Path
    stack: ExitStack

    def file(self, data: bytes, name: str = "a.png") -> Path:
        path = self.folder / name
        path.write_bytes(data)
        return path

    def host(self, *answers: bytes) -> str:
        return self.stack.enter_context(serving(answering(*answers))).url + "/a.png"

    def open(self, data: bytes, mode: str = "rb") -> Any:
        return self.stack.enter_context(self.file(data).open(mode))


class PathLike:
    def __init__(self, path: bytes) -> None:
        self.path = path

    def __fspath__(self) -> bytes:
        return self.path


class Giving:
    """A file of a foreign kind."""

    def __init__(self, given: object) -> None:
        self.given = given

    def read(self) -> object:
        return self.given


class Tensor:
    """As torch's: numpy can read it, and nothing else."""

    def __array__(self) -> object:
        raise AssertionError


def rewound(file: Any, to: int = 0) -> Any:
    file.seek(to)
    return file


def archive(place: Place) -> zipfile.ZipFile:
    with zipfile.ZipFile(place.folder / "a.zip", "w") as made:
        made.writestr("a.png", PNG)
    return place.stack.enter_context(zipfile.ZipFile(place.folder / "a.zip"))


def entry(place: Place) -> os.DirEntry[str]:
    place.file(PNG)
    return next(place.stack.enter_context(os.scandir(place.folder)))


def temporary(place: Place, kind: Callable[[], Any] = tempfile.TemporaryFile, data: bytes = PNG) -> Any:
    file = place.stack.enter_context(kind())
    file.write(data)
    return file


def mapped(place: Place) -> mmap.mmap:
    return mmap.mmap(place.open(PNG).fileno(), 0, access=mmap.ACCESS_READ)


def fifo(place: Place) -> Path:
    os.mkfifo(place.folder / "fifo")
    return place.folder / "fifo"


def released() -> memoryview:
    view = memoryview(PNG)
    view.release()
    return view


def closed(file: Any) -> Any:
    file.close()
    return file


async def coroutine() -> bytes:
    raise AssertionError


def never_awaited(place: Place) -> object:
    value = coroutine()
    place.stack.callback(value.close)
    return value


def pieces() -> Iterator[bytes]:
    yield PNG


async def async_pieces() -> AsyncIterator[bytes]:
    yield PNG


def upload(data: bytes = PNG) -> UploadFile:
    return UploadFile(io.BytesIO(data))


def pixels(*shape: int, kind: str = "uint8") -> Any:
    return np.zeros(shape, kind)


HttpUrl = type("HttpUrl", (), {})

# -- Rows -------------------------------------------------------------------------------------------------

Sent = bytes | PIL.Image.Image


@dataclass(frozen=True)
class Row:
    """One input: its kind, its name, how it is made, and what is sent (bytes or pixels) or said."""

    kind: str
    given: str
    make: Callable[[Place], object]
    expected: Sent | str
    use_async: bool = False


def text(given: str, value: str, expected: Sent | str) -> Row:
    return Row("text", given, lambda _: value, expected)


def pil(given: str, make: Callable[[], PIL.Image.Image], expected: Sent | str) -> Row:
    return Row("PIL image", given, lambda _: make(), expected)


def raw(given: str, value: bytes, expected: Sent | str) -> Row:
    return Row("bytes", given, lambda _: value, expected)


def held(given: str, value: object, expected: Sent | str) -> Row:
    return Row("array", given, lambda _: value, expected)


def other(given: str, value: object, expected: Sent | str) -> Row:
    return Row("other", given, lambda _: value, expected)


CUT = "cut short or damaged"
NO_PICTURE = "no PNG, JPEG, GIF or WebP"
HALF = len(JPEG) // 2
LONGEST, LONGER = (saved("PNG", PIL.Image.new("L", (side, 3))) for side in (2048, 2049))

ROWS = [
    # Formats
    raw("a PNG", PNG, PNG),
    raw("a JPEG", JPEG, JPEG),
    raw("a GIF", GIF, GIF),
    raw("a GIF without its last byte", GIF[:-1], GIF[:-1]),
    raw("a WebP", WEBP, WEBP),
    raw("a JPEG with EXIF", saved("JPEG", exif=turned(6).getexif()), saved("JPEG", exif=turned(6).getexif())),
    raw("a PNG, 2048 pixels wide", LONGEST, LONGEST),
    raw("a PNG, 2049 pixels wide", LONGER, LONGER),
    raw("half a JPEG", JPEG[:HALF], CUT),
    raw("half a PNG", PNG[: len(PNG) // 2], CUT),
    raw("half a WebP", WEBP[: len(WEBP) // 2], CUT),
    raw("half a GIF", GIF[: len(GIF) // 2], CUT),
    raw("a bare PNG signature", PNG[:8], CUT),
    raw("the first 3 bytes of a JPEG", JPEG[:3], CUT),
    raw("a BMP", saved("BMP"), f"BMP, and {NO_PICTURE}"),
    raw("a TIFF", saved("TIFF"), f"TIFF, and {NO_PICTURE}"),
    raw("an AVIF", saved("AVIF"), f"AVIF, and {NO_PICTURE}"),
    raw(
        "a HEIC",
        b"\0\0\0\x18ftypheic" + bytes(12),
        f"HEIC (opened by Pillow with pillow-heif), and {NO_PICTURE}",
    ),
    raw("an HTML page", b"\n<!DOCTYPE html><html>", f"an HTML page, and {NO_PICTURE}"),
    raw("an SVG", b'<svg xmlns="http://www.w3.org/2000/svg"/>', f"SVG, and {NO_PICTURE}"),
    raw("no bytes", b"", "is empty"),
    # Text
    text("base64", text_of(PNG), PNG),
    text("base64, url-safe", base64.urlsafe_b64encode(JPEG).decode(), JPEG),
    text("base64 without padding", text_of(PNG).rstrip("="), PNG),
    text("base64 in lines", base64.encodebytes(PNG).decode(), PNG),
    text("base64 with blanks around it", f" \r\n{text_of(PNG)}\n\n", PNG),
    text("base64, percent-encoded", quote(text_of(PNG), safe=""), PNG),
    text("base64 whose + a form made blanks", text_of(JPEG).replace("+", " "), JPEG),
    text("base64 of half a JPEG", text_of(JPEG[:HALF]), CUT),
    text("base64 with a line break as \\n", text_of(PNG).replace("A", r"\n", 1), r"it has '\\' at "),
    text("base64 of a text", text_of(b"a lighthouse at dusk"), "neither the base64 of a picture nor a file"),
    text("str(…) of base64 bytes", str(base64.b64encode(PNG)), ".decode()"),
    text("a data: URI", f"data:image/png;base64,{text_of(PNG)}", PNG),
    text("a data: URI with a leading blank", f" data:image/png;base64,{text_of(PNG)}", PNG),
    text("a data: URI in capitals", f"DATA:IMAGE/PNG;BASE64,{text_of(PNG)}", PNG),
    text("a data: URI with '; base64'", f"data:image/png; base64,{text_of(PNG)}", PNG),
    text("a data: URI without a media type", f"data:;base64,{text_of(PNG)}", PNG),
    text("a data: URI with a comma in quotes", f'data:image/png;name="a,b";base64,{text_of(PNG)}', PNG),
    text("a data: URI with escaped base64", f"data:image/png;base64,{quote(text_of(PNG), safe='')}", PNG),
    text("a data: URI, escaped as a whole", quote(f"data:image/png;base64,{text_of(PNG)}", safe=""), PNG),
    text("a data: URI that is no base64", f"data:image/png,{quote(PNG)}", PNG),
    text("a data: URI that forgot ;base64", f"data:image/png,{text_of(PNG)}", PNG),
    text("a data: URI of half a JPEG", f"data:image/jpeg;base64,{text_of(JPEG[:HALF])}", CUT),
    text("a data: URI without a comma", "data:image/png;base64", "without a comma"),
    text("a data: URI with a wrong character", "data:image/png;base64,iVBOR*w0KGgo", "it has '*' at 5"),
    text("no text", " \n", "an empty text"),
    text("prose", "a lighthouse at dusk", "neither the base64 of a picture nor a file"),
    text("a file: URL", "file:///home/panda.jpg", "pass its path as a path"),
    text("a blob: URL", "blob:https://example.com/6c8b", "only the browser that made it"),
    text("an s3: URL", "s3://bucket/panda.jpg", "only http, https and data:"),
    text("a Windows path, its \\ not doubled", "C:\temp\new.png", "write the path as r'…'"),
    text("JavaScript in quotes", "toB64('https://example.com/a.png')", "the text of a call"),
    # Paths
    Row("path", "Path", lambda place: place.file(PNG), PNG),
    Row("path", "text", lambda place: str(place.file(PNG)), PNG),
    Row("path", "text with a line break after it", lambda place: f"{place.file(PNG)}\n", PNG),
    Row("path", "text, from the home folder", lambda place: "~/" + place.file(PNG).name, PNG),
    Row("path", "Path, from the home folder", lambda place: Path("~", place.file(PNG).name), PNG),
    Row(
        "path",
        "text, from nobody's home folder",
        lambda _: "~nobody-of-that-name/a.png",
        "a file that exists",
    ),
    Row("path", "another path-like, in bytes", lambda place: PathLike(bytes(place.file(PNG))), PNG),
    Row("path", "an entry of a folder", entry, PNG),
    Row("path", "one in a ZIP archive", lambda place: zipfile.Path(archive(place), "a.png"), PNG),
    Row("path", "of base64 text", lambda place: place.file(text_of(PNG).encode()), PNG),
    Row("path", "of half a JPEG", lambda place: place.file(JPEG[:HALF]), CUT),
    Row("path", "of a text", lambda place: place.file(b"a lighthouse"), NO_PICTURE),
    Row("path", "of an empty file", lambda place: place.file(b""), "is empty"),
    Row("path", "of nothing", lambda place: place.folder / "none.png", "does not exist"),
    Row("path", "a folder", lambda place: place.folder, "is a folder"),
    Row("path", "a folder, as text", lambda place: str(place.folder), "is a folder"),
    Row("path", "a named pipe", fifo, "is no regular file"),
    Row("path", "an endless device", lambda _: Path("/dev/zero"), "is no regular file"),
    # Bytes of all kinds
    raw("base64", base64.b64encode(PNG), PNG),
    raw("a data: URI", f"data:image/png;base64,{text_of(PNG)}".encode(), PNG),
    Row("bytes", "bytearray", lambda _: bytearray(PNG), PNG),
    Row("bytes", "memoryview", lambda _: memoryview(PNG), PNG),
    Row("bytes", "every second of a memoryview", lambda _: memoryview(PNG.hex().encode())[::2], NO_PICTURE),
    Row(
        "bytes", "a released memoryview", lambda _: released(), "ValueError: operation forbidden on released"
    ),
    Row("bytes", "array.array", lambda _: array.array("B", PNG), PNG),
    Row("bytes", "a memory-mapped file", mapped, PNG),
    # Open files
    Row("file", "open", lambda place: place.open(PNG), PNG),
    Row("file", "BytesIO", lambda _: io.BytesIO(PNG), PNG),
    Row("file", "spooled", lambda place: rewound(temporary(place, tempfile.SpooledTemporaryFile)), PNG),
    Row("file", "named", lambda place: rewound(temporary(place, tempfile.NamedTemporaryFile)), PNG),
    Row("file", "member of a ZIP archive", lambda place: archive(place).open("a.png"), PNG),
    Row("file", "read() gives a bytearray", lambda _: Giving(bytearray(PNG)), PNG),
    Row("file", "read() gives a memoryview", lambda _: Giving(memoryview(PNG)), PNG),
    Row("file", "read() gives a text", lambda _: Giving("x"), 'open(path, "rb")'),
    Row("file", "read() gives None", lambda _: Giving(None), "gives a NoneType, and no bytes"),
    Row("file", "at its end", temporary, "rewind it first: file.seek(0)"),
    Row("file", "BytesIO, at its end", lambda place: temporary(place, io.BytesIO), "file.seek(0)"),
    Row("file", "read in part", lambda _: rewound(io.BytesIO(PNG), 9), "file.seek(0)"),
    Row("file", "of half a JPEG", lambda _: io.BytesIO(JPEG[:HALF]), CUT),
    Row("file", "opened as text", lambda place: place.open(PNG, "r"), 'open(path, "rb")'),
    Row("file", "opened for writing", lambda place: place.open(b"", "wb"), "open it for reading"),
    Row("file", "closed", lambda _: closed(io.BytesIO(PNG)), "a closed file"),
    Row("file", "async read(), AsyncClient", lambda _: upload(), PNG, use_async=True),
    Row("file", "async read(), Client", lambda _: upload(), "pass await value.read()"),
    Row("file", "async, at its end", lambda _: upload(b""), "await file.seek(0)", use_async=True),
    Row("file", "async, of half a JPEG", lambda _: upload(JPEG[:HALF]), CUT, use_async=True),
    # Hosts
    Row("URL", "of a PNG", lambda place: place.host(reply(200, PNG)), PNG),
    Row("URL", "with HTTP:// and blanks", lambda place: f" {place.host(reply(200, PNG)).upper()}\n", PNG),
    Row("URL", "of httpx", lambda place: httpx.URL(place.host(reply(200, PNG))), PNG),
    Row("URL", "of half a JPEG", lambda place: place.host(reply(200, JPEG[:HALF])), CUT),
    Row("URL", "of a web page", lambda place: place.host(reply(200, b"<html></html>")), "an HTML page, and"),
    Row("URL", "that is not found", lambda place: place.host(reply(404, PNG)), "answered 404, not 200"),
    Row("URL", "of another library", lambda _: HttpUrl(), "pass it as a text: str(url)"),
    Row("URL", "as a path", lambda _: Path("https://example.com/a.png"), "a URL made into a path"),
    Row("URL", "of this machine", lambda _: "http://127.0.0.1/a.png", "leads to a private address"),
    Row("response", "of httpx", lambda _: httpx.Response(200, content=PNG), PNG),
    Row("response", "of httpx, 404", lambda _: httpx.Response(404, content=PNG), "the status 404, not 200"),
    Row("response", "of requests", lambda place: requests.get(place.host(reply(200, PNG)), timeout=9), PNG),
    # Images of Pillow
    *(pil(f"orientation {n} of EXIF", lambda n=n: turned(n), CORNERS) for n in range(1, 9)),
    pil("mode 1", lambda: CORNERS.convert("1"), CORNERS.convert("1")),
    pil("mode L", lambda: GREY, GREY),
    pil("mode LA", lambda: seen_through().convert("LA"), seen_through().convert("LA")),
    pil("mode La", lambda: CORNERS.convert("LA").convert("La"), CORNERS.convert("LA")),
    pil("mode P", lambda: CORNERS.quantize(4), CORNERS.quantize(4)),
    pil("mode P with transparency", palette, palette()),
    pil("mode PA", lambda: palette().convert("PA"), palette().convert("RGBA")),
    pil("mode RGB", lambda: CORNERS, CORNERS),
    pil("mode RGBA", seen_through, seen_through()),
    pil("mode RGBa", lambda: CORNERS.convert("RGBA").convert("RGBa"), CORNERS.convert("RGBA")),
    pil("mode RGBX", lambda: CORNERS.convert("RGBX"), CORNERS),
    pil("mode CMYK", lambda: CORNERS.convert("CMYK"), CORNERS),
    pil("a CMYK JPEG, inverted as Adobe's", lambda: opened(cmyk_jpeg()), CORNERS),
    pil("mode YCbCr", lambda: CORNERS.convert("YCbCr"), CORNERS),
    pil("mode LAB", lab, lab().convert("RGB")),
    pil("mode HSV", lambda: CORNERS.convert("HSV"), CORNERS),
    *(
        pil(f"mode {mode}", lambda mode=mode: wide(mode), GREY)
        for mode in ("I;16", "I;16L", "I;16B", "I;16N")
    ),
    pil("mode I", lambda: GREY.convert("I"), 'image.point(lambda v: v / 256).convert("L")'),
    pil("mode F", lambda: GREY.convert("F"), 'image.point(lambda v: v * 255).convert("L")'),
    pil("without pixels", lambda: PIL.Image.new("RGB", (0, 0)), "without pixels"),
    pil("closed", lambda: closed(opened(PNG)), "ValueError: Operation on closed image"),
    pil("of a JPEG that is cut short", lambda: opened(JPEG[:-9]), "OSError: image file is truncated"),
    # Arrays
    held("20 x 40 x 3", np.asarray(CORNERS), CORNERS),
    held("20 x 40 x 3, BGR turned to RGB", np.asarray(CORNERS)[..., ::-1][..., ::-1], CORNERS),
    held("20 x 40 x 4", np.asarray(seen_through()), seen_through()),
    held("10 x 20", np.asarray(GREY), GREY),
    held("10 x 20 x 1", np.asarray(GREY)[..., None], GREY),
    held("20 x 40 x 2", np.asarray(seen_through().convert("LA")), seen_through().convert("LA")),
    held("uint16", np.asarray(GREY).astype("<u2") * 257, GREY),
    held("uint16, big-endian", (np.asarray(GREY).astype("<u2") * 257).astype(">u2"), GREY),
    held("bool", np.asarray(CORNERS)[..., 0] > 0, PIL.Image.fromarray(np.asarray(CORNERS)[..., 0])),
    held("a file's bytes, as OpenCV encodes", np.frombuffer(JPEG, np.uint8), JPEG),
    held("a file's bytes, n x 1", np.frombuffer(JPEG, np.uint8)[:, None], JPEG),
    held("a file's bytes, cut short", np.frombuffer(JPEG[:HALF], np.uint8), CUT),
    held("floats", pixels(2, 2, 3, kind="float32"), '(array * 255).round().astype("uint8")'),
    held("int64", pixels(2, 2, kind="int64"), 'array.astype("uint8")'),
    held("complex", pixels(2, 2, kind="complex64"), "an array of uint8"),
    held("3 x 20 x 40", pixels(3, 20, 40), "array.transpose(1, 2, 0)"),
    held("1 x 20 x 40 x 3", pixels(1, 20, 40, 3), "array[0]"),
    held("20 x 40 x 5", pixels(20, 40, 5), "height x width x 3 (RGB) or 4"),
    held("a row of numbers", pixels(20), "height x width x 3 (RGB) or 4"),
    held("0 x 40 x 3", pixels(0, 40, 3), "height x width x 3 (RGB) or 4"),
    held("a tensor", Tensor(), "(tensor.permute(1, 2, 0) * 255).byte().cpu().numpy()"),
    # Chaining
    other("what a call returned", Generation((DRAWN,)), JPEG),
    other("one of its pictures", DRAWN, JPEG),
    other(
        "what drew two",
        Generation((DRAWN, DRAWN)),
        "a Generation of 2 pictures; pass one of them: .images[0]",
    ),
    other("its tuple of pictures", (DRAWN,), "value[0]"),
    # What is no picture
    Row("other", "a coroutine", never_awaited, "await it"),
    other("a generator", pieces(), 'b"".join(value)'),
    other("an async generator", async_pieces(), "async for piece"),
    other("a list of bytes", [PNG], "value[0]"),
    other("a method", io.BytesIO(PNG).read, "call it"),
    other("an object of JavaScript", dict[str, str](), "un-awaited toB64"),
    other("a number", 7, "a value of type int"),
    other("a module", types, "a value of type module"),
]

# -- The table --------------------------------------------------------------------------------------------


def outcome(row: Row, folder: Path) -> bytes | str:
    """Return what is sent, or what is said of the image."""
    params = {"prompt": "a lighthouse"}
    options: dict[str, Any] = {
        "verify": AUTHORITIES,
        "allow_private_image_urls": row.given != "of this machine",
    }

    async def awaited(image: object) -> Any:
        async with AsyncClient(MADE_UP_KEY, **options) as client:
            return await client.prepare("sd3_medium_tile", **params, image=image)

    with ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("HOME", str(folder))
        image = row.make(Place(folder, stack))
        try:
            if row.use_async:
                prepared = anyio.run(awaited, image)
            else:
                prepared = stack.enter_context(Client(MADE_UP_KEY, **options)).prepare(
                    "sd3_medium_tile", **params, image=image
                )
        except InvalidRequest as refused:
            (problem,) = refused.problems
            return str(problem)
        return base64.b64decode(prepared.body["image"], validate=True)


def table() -> str:
    """Return the table as Markdown: kind, what was given, what was sent or said."""
    lines = ["| kind | given | sent, or said |", "| --- | --- | --- |"]
    for row in ROWS:
        with tempfile.TemporaryDirectory() as folder:
            came = outcome(row, Path(folder))
        if isinstance(came, str):
            told = came.replace(folder, "…").replace("|", "\\|")
        elif came == row.expected:
            told = "**sent** byte for byte"
        else:
            image = opened(came)
            told = f"**sent** as {image.format}, {image.mode}, {image.width} x {image.height}"
        lines.append(f"| {row.kind} | {row.given} | {told} |")
    return "\n".join(lines)


large = pytest.mark.filterwarnings("ignore:image is larger")


@large
@pytest.mark.parametrize("row", ROWS, ids=[f"{row.kind}: {row.given}" for row in ROWS])
def test_each_input_is_sent_or_refused_as_the_table_says(row: Row, tmp_path: Path):
    came = outcome(row, tmp_path)
    if isinstance(row.expected, str):
        assert isinstance(came, str)
        assert row.expected in came
    elif isinstance(row.expected, bytes):
        assert came == row.expected
    else:
        assert isinstance(came, bytes), came
        image = opened(came)
        assert (image.format, image.size) == ("PNG", row.expected.size)
        # The colour spaces of print and of the eye come back within a few values of 255.
        difference = np.asarray(image.convert("RGBA"), int) - np.asarray(row.expected.convert("RGBA"), int)
        assert np.abs(difference).max() <= 3
        assert image.mode == row.expected.mode


@large
def test_the_table_has_more_than_80_inputs_and_no_input_twice():
    print(made := table())  # noqa: T201 - to be read with -s
    assert made.count("\n") == len(ROWS) + 1
    assert len({(row.kind, row.given) for row in ROWS}) == len(ROWS) > 80
