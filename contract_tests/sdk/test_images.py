"""What may be given for an image, what becomes of it, and what is refused before anything is sent."""

import base64
import io
import logging
import os
import subprocess
import sys
import time
import warnings
import zlib
from collections.abc import Callable, Generator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import anyio
import anyio.lowlevel
import numpy as np
import PIL.Image
import pytest
import trio as trio  # noqa: PLC0414 - loaded here, so that no measured call pays for it
from hypothesis import given, settings
from hypothesis import strategies as st
from proofs.fixtures.drivers import AUTHORITIES, DRIVERS, Driver, draw
from proofs.fixtures.sockets import (
    Peer,
    answering,
    certified,
    dripping,
    hanging_up,
    refusing,
    reply,
    serving,
    stalling,
    trusting,
    tunnelling,
)
from segmind_sd3 import (
    AsyncClient,
    Client,
    ConnectionFailed,
    Generation,
    InvalidRequest,
    __version__,
    _foreign,
    _image_fetch,
    _routing,
)
from segmind_sd3_contract.reference import MADE_UP_KEY, ReferenceServer

IMG2IMG = ("sd3_medium_tile", "sd3_medium_img2img", "sd3_large_img2img")


def sent(
    driver: Driver,
    image: Any,
    operation: str = "sd3_medium_tile",
    prompt: Any = "a lighthouse",
    **options: Any,
) -> bytes:
    """Give the image that a call would send: whole and decoded."""
    params = {"prompt": prompt, "image": image}
    options = {"verify": AUTHORITIES, **options}

    def blocking() -> Any:
        with Client(MADE_UP_KEY, **options) as client:
            return client.prepare(operation, **params).body["image"]

    async def awaited() -> Any:
        async with AsyncClient(MADE_UP_KEY, **options) as client:
            return (await client.prepare(operation, **params)).body["image"]

    text = blocking() if driver == "sync" else anyio.run(awaited, backend=driver)
    return base64.b64decode(text, validate=True)


def refusal(driver: Driver, image: Any, **options: Any) -> str:
    """Give the words with which an image is refused."""
    with pytest.raises(InvalidRequest) as raised:
        sent(driver, image, **options)
    assert raised.value.billed is False
    assert [problem.parameter for problem in raised.value.problems] == ["image"]
    return str(raised.value)


# -- What may be given ------------------------------------------------------------------------------------


class PathLike:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __fspath__(self) -> str:
        return str(self.path)


def saved_noise(file_format: str) -> bytes:
    file = io.BytesIO()
    PIL.Image.effect_noise((64, 64), 99).save(file, file_format)
    return file.getvalue()


def lines(data: bytes) -> str:
    return base64.encodebytes(data).decode()


GIVEN: dict[str, Callable[[bytes, Path, ExitStack], Any]] = {
    "bytes": lambda data, _path, _stack: data,
    "bytearray": lambda data, _path, _stack: bytearray(data),
    "memoryview": lambda data, _path, _stack: memoryview(data),
    "part of a memoryview": lambda data, _path, _stack: memoryview(b"--" + data)[2:],
    "Path": lambda _data, path, _stack: path,
    "str path": lambda _data, path, _stack: str(path),
    "relative str path": lambda _data, path, _stack: os.path.relpath(path),
    "other path-like": lambda _data, path, _stack: PathLike(path),
    "open file": lambda _data, path, stack: stack.enter_context(path.open("rb")),
    "unbuffered file": lambda _data, path, stack: stack.enter_context(path.open("rb", buffering=0)),
    "BytesIO": lambda data, _path, _stack: io.BytesIO(data),
    "data URI": lambda data, _path, _stack: f"data:image/png;base64,{base64.b64encode(data).decode()}",
    "data URI with parameters": lambda data, _path, _stack: f"data:image/png;a=b;base64,{lines(data)}",
    "data URI in capitals": lambda data, _path, _stack: f"DATA:image/png;base64,{lines(data)}",
    "data URI without base64": lambda data, _path, _stack: f"data:image/png,{quote(data)}",
    "base64": lambda data, _path, _stack: base64.b64encode(data).decode(),
    "base64 without padding": lambda data, _path, _stack: base64.b64encode(data + b"x").decode().rstrip("="),
    "base64 in lines": lambda data, _path, _stack: lines(data),
    "base64 in lines of another system": lambda data, _path, _stack: lines(data).replace("\n", "\r\n"),
}


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("form", GIVEN)
def test_a_picture_may_be_given_as(form: str, driver: Driver, picture: bytes, tmp_path: Path):
    path = tmp_path / "input.png"
    path.write_bytes(picture)
    with ExitStack() as stack:
        arrived = sent(driver, GIVEN[form](picture, path, stack))
    assert arrived.removesuffix(b"x") == picture


@pytest.mark.parametrize("operation", IMG2IMG)
def test_every_endpoint_that_takes_a_picture_takes_it_so(operation: str, picture: bytes):
    assert sent("sync", picture, operation) == picture


@pytest.mark.parametrize("file_format", ["PNG", "JPEG", "GIF", "WEBP"])
def test_a_picture_is_sent_in_the_format_it_has(file_format: str, tmp_path: Path):
    path = tmp_path / "input"
    PIL.Image.new("RGB", (4, 3)).save(path, file_format)
    assert sent("sync", path) == path.read_bytes()


def gif(comment: bytes = b"") -> bytes:
    """Return a GIF of one pixel, with a comment of up to 255 bytes."""
    screen = b"GIF89a" + bytes([1, 0, 1, 0, 0, 0, 0])
    pixels = b"\x2c" + bytes([0, 0, 0, 0, 1, 0, 1, 0, 0]) + b"\x02\x02\x44\x01\0"
    return screen + b"\x21\xfe" + bytes([len(comment)]) * bool(comment) + comment + b"\0" + pixels + b";"


@dataclass(frozen=True)
class Spelling:
    """How to write base64 text."""

    url_safe: bool
    padded: bool
    width: int
    line_end: str
    around: tuple[str, str]
    prefix: str
    escaped: bool
    as_bytes: bool

    def write(self, data: bytes) -> str | bytes:
        encode = base64.urlsafe_b64encode if self.url_safe else base64.b64encode
        text = encode(data).decode()
        text = text if self.padded else text.rstrip("=")
        text = self.line_end.join(text[at : at + self.width] for at in range(0, len(text), self.width))
        text = quote(text, safe="") if self.escaped else text
        text = self.around[0] + self.prefix + text + self.around[1]
        return text.encode() if self.as_bytes else text


blanks = st.sampled_from(["", " ", "\n", "\r\n\t", "\f "])
spellings = st.builds(
    Spelling,
    url_safe=st.booleans(),
    padded=st.booleans(),
    width=st.sampled_from([3 * 16, 57, 76, 10**6]),
    line_end=st.sampled_from(["\n", "\r\n", " ", "\n\t"]),
    around=st.tuples(blanks, blanks),
    prefix=st.sampled_from(
        [
            "",
            "data:image/gif;base64,",
            "DATA:;BASE64,",
            "data:image/gif; base64 ,",
            'data:image/gif;name="a,b;c";base64,',
            "data:;charset=utf-8;Base64,",
        ]
    ),
    escaped=st.booleans(),
    as_bytes=st.booleans(),
)


@given(comment=st.binary(max_size=255), spelling=spellings)
@settings(max_examples=200)
def test_base64_is_taken_however_it_is_written(comment: bytes, spelling: Spelling):
    assert sent("sync", spelling.write(gif(comment))) == gif(comment)


@given(comment=st.binary(max_size=255), cut=st.integers(2, 20), spelling=spellings)
def test_base64_of_a_part_is_refused_however_it_is_written(comment: bytes, cut: int, spelling: Spelling):
    assert "cut short" in refusal("sync", spelling.write(gif(comment)[:-cut]))


@given(comment=st.binary(max_size=255))
def test_base64_whose_plus_signs_a_form_made_blanks_is_taken(comment: bytes):
    assert sent("sync", base64.b64encode(gif(comment)).decode().replace("+", " ")) == gif(comment)


# -- Pillow -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_a_pil_image_is_sent_as_a_png_with_the_same_pixels(mode: str):
    image = PIL.Image.linear_gradient("L").convert(mode)
    with PIL.Image.open(io.BytesIO(sent("sync", image))) as arrived:
        assert (arrived.format, arrived.mode, arrived.size) == ("PNG", mode, (256, 256))
        assert arrived.tobytes() == image.tobytes()


@pytest.mark.parametrize("mode", ["CMYK", "YCbCr", "HSV"])
def test_a_pil_image_that_no_png_can_hold_is_sent_as_rgb(mode: str):
    image = PIL.Image.new("RGB", (16, 16), "teal").convert(mode)
    with PIL.Image.open(io.BytesIO(sent("sync", image))) as arrived:
        assert (arrived.format, arrived.mode) == ("PNG", "RGB")
        assert arrived.tobytes() == image.convert("RGB").tobytes()


def closed_image() -> PIL.Image.Image:
    with PIL.Image.open(io.BytesIO(png())) as image:
        return image


def png() -> bytes:
    file = io.BytesIO()
    PIL.Image.new("L", (1, 1)).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize(
    "image", [closed_image(), PIL.Image.new("RGB", (0, 0))], ids=["closed", "without pixels"]
)
def test_a_pil_image_that_can_t_be_written_is_refused(image: PIL.Image.Image):
    refusal("sync", image)


def test_an_opened_pil_image_is_sent_as_a_png_too(tmp_path: Path):
    path = tmp_path / "input.jpg"
    PIL.Image.new("RGB", (4, 3)).save(path)
    with PIL.Image.open(path) as image:
        assert sent("sync", image).startswith(b"\x89PNG")


def chunks_of(png: bytes) -> set[bytes]:
    kinds: set[bytes] = set()
    at = 8
    while at < len(png):
        kinds.add(png[at + 4 : at + 8])
        at += 12 + int.from_bytes(png[at : at + 4])
    return kinds


def photo(**options: Any) -> bytes:
    """Return a JPEG with its place, time and maker in EXIF, a comment, and XMP."""
    exif = PIL.Image.Exif()
    exif[0x010F] = "the-secret"
    exif.get_ifd(0x8825)[29] = "the-secret"
    file = io.BytesIO()
    options = {"exif": exif, "comment": b"the-secret", "xmp": b"<x>the-secret</x>", **options}
    PIL.Image.new("RGB", (4, 3), "teal").save(file, "JPEG", **options)
    return file.getvalue()


def test_no_metadata_of_a_pil_image_is_sent():
    with PIL.Image.open(io.BytesIO(photo())) as image:
        assert "the-secret" in f"{image.getexif().get_ifd(0x8825)} {image.getexif()} {image.info}"
        assert chunks_of(sent("sync", image)) == {b"IHDR", b"IDAT", b"IEND"}


def test_the_metadata_of_bytes_is_sent_as_it_is():
    assert sent("sync", photo()) == photo()


def test_a_pil_image_is_not_changed_by_its_sending():
    with PIL.Image.open(io.BytesIO(photo())) as image:
        before = dict(image.info), image.getexif().tobytes()
        sent("sync", image)
        assert (dict(image.info), image.getexif().tobytes()) == before


def profile(colour_space: bytes) -> bytes:
    return bytes(16) + colour_space + bytes(108)


@pytest.mark.parametrize(
    ("mode", "colour_space", "is_sent"),
    [
        ("RGB", b"RGB ", True),
        ("RGBA", b"RGB ", True),
        ("P", b"RGB ", True),
        ("YCbCr", b"RGB ", True),
        ("L", b"GRAY", True),
        ("L", b"RGB ", False),
        ("CMYK", b"CMYK", False),
        ("RGB", b"", False),
    ],
)
def test_a_colour_profile_is_sent_where_it_fits_the_png(mode: str, colour_space: bytes, is_sent: bool):  # noqa: FBT001 - an example
    image = PIL.Image.new("RGB", (4, 3), "teal").convert(mode)
    image.info["icc_profile"] = profile(colour_space)
    assert (b"iCCP" in chunks_of(sent("sync", image))) == is_sent


@pytest.mark.parametrize("exif", [b"Exif\0\0broken", b"Exif\0\0II*\0\xff\xff\xff\xff", b""], ids=repr)
def test_exif_data_that_can_t_be_read_turns_nothing(exif: bytes):
    image = PIL.Image.new("L", (4, 3))
    image.info["exif"] = exif
    with PIL.Image.open(io.BytesIO(sent("sync", image))) as arrived:
        assert arrived.size == (4, 3)


@pytest.mark.parametrize(("mode", "values"), [("I", (0, 65535)), ("F", (0.0, 1.0))])
def test_the_way_out_of_a_mode_that_does_not_say_what_is_white_leads_to_a_picture(
    mode: str, values: tuple[float, float]
):
    image = PIL.Image.new(mode, (2, 1))
    for x, value in enumerate(values):
        image.putpixel((x, 0), value)
    advised = refusal("sync", image).partition("first: ")[2].partition(" for values")[0]
    scaled = eval(advised, {"image": image})  # noqa: S307 - the SDK's own words
    with PIL.Image.open(io.BytesIO(sent("sync", scaled))) as arrived:
        assert [arrived.getpixel((x, 0)) for x in (0, 1)] == [0, 255]


# -- Arrays -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "array",
    [
        np.ones((3, 2, 3), "float32"),
        np.full((3, 2), 255, "int64"),
        np.full((3, 9, 8), 255, "uint8"),
        np.full((1, 9, 8, 3), 255, "uint8"),
    ],
    ids=["floats", "int64", "channels first", "one in a row"],
)
def test_the_way_out_of_an_array_leads_to_a_white_picture(array: Any):
    advised = refusal("sync", array).partition("pass ")[2].partition(" for values")[0]
    with PIL.Image.open(io.BytesIO(sent("sync", eval(advised, {"array": array})))) as arrived:  # noqa: S307 - as above
        assert arrived.convert("L").getextrema() == (255, 255)


@given(height=st.integers(1, 40), width=st.integers(1, 40), data=st.data())
def test_every_pixel_of_an_array_arrives(height: int, width: int, data: st.DataObject):
    channels = data.draw(st.sampled_from([1, 3, 4]))
    count = height * width * channels
    pixels = np.frombuffer(data.draw(st.binary(min_size=count, max_size=count)), "uint8")
    array = pixels.reshape(height, width, channels)[::-1]
    with PIL.Image.open(io.BytesIO(sent("sync", array))) as arrived:
        assert np.array_equal(np.asarray(arrived).reshape(array.shape), array)


# -- In which order a string is tried ---------------------------------------------------------------------


def test_base64_of_a_picture_comes_before_a_file_of_that_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, picture: bytes
):
    name = base64.b64encode(gif()).decode()
    assert "/" not in name
    (tmp_path / name).write_bytes(picture)
    monkeypatch.chdir(tmp_path)
    assert sent("sync", name) == gif()
    assert sent("sync", Path(name)) == picture


def test_a_path_may_begin_as_base64_of_a_picture_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "R0lGODlhAQABAAAA.gif"
    path.write_bytes(gif())
    monkeypatch.chdir(tmp_path)
    assert sent("sync", path.name) == gif()


def test_base64_of_no_picture_may_be_the_name_of_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, picture: bytes
):
    (tmp_path / "abcd").write_bytes(picture)
    monkeypatch.chdir(tmp_path)
    assert sent("sync", "abcd") == picture


@pytest.mark.parametrize("name", ["data:picture", "http://127.0.0.1"])
def test_a_data_uri_and_a_url_come_before_a_file_of_that_name(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, picture: bytes
):
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(picture)
    monkeypatch.chdir(tmp_path)
    refusal("sync", name)


# -- What is refused --------------------------------------------------------------------------------------

SECRET = "root:x:0:0:the-secret"  # noqa: S105 - made up


class FailingFile:
    def read(self) -> bytes:
        raise OSError("the disk is gone")


def fifo(folder: Path) -> Path:
    os.mkfifo(folder / "fifo")
    return folder / "fifo"


def sparse(folder: Path) -> Path:
    with (folder / "sparse").open("wb") as file:
        file.truncate(1 << 40)
    return folder / "sparse"


def closed(folder: Path) -> Any:
    with (folder / "passwd").open("rb") as file:
        return file


REFUSED: dict[str, Callable[[Path], Any]] = {
    "path of a text file": lambda folder: folder / "passwd",
    "str path of a text file": lambda folder: str(folder / "passwd"),
    "open text file in binary": lambda folder: io.BytesIO((folder / "passwd").read_bytes()),
    "base64 of a text": lambda _folder: base64.b64encode(SECRET.encode()).decode(),
    "data URI of a text": lambda _folder: (
        f"data:text/plain;base64,{base64.b64encode(SECRET.encode()).decode()}"
    ),
    "data URI that is none": lambda _folder: "data:",
    "data URI of no base64": lambda _folder: "data:image/png;base64,?",
    "file opened as text": lambda _folder: io.StringIO(SECRET),
    "closed file": closed,
    "file that fails": lambda _folder: FailingFile(),
    "missing path": lambda folder: folder / "none.png",
    "missing str path": lambda folder: str(folder / "none.png"),
    "directory": lambda folder: folder,
    "directory as str": str,
    "fifo": fifo,
    "fifo as str": lambda folder: str(fifo(folder)),
    "endless device": lambda _folder: Path("/dev/zero"),
    "endless device as str": lambda _folder: "/dev/zero",
    "a tebibyte of another kind": sparse,
    "empty file": lambda folder: folder / "empty",
    "empty bytes": lambda _folder: b"",
    "bytes of a text": lambda _folder: SECRET.encode(),
    "empty str": lambda _folder: "",
    "spaces": lambda _folder: "  \n",
    "prose": lambda _folder: "a picture of a lighthouse",
    "name that no system allows": lambda _folder: "a\x00b",
    "name that is too long": lambda _folder: "a/" * 5000,
    "lone surrogate": lambda _folder: "\ud800",
    "code in quotes": lambda _folder: "toB64('https://example.com/a.png')",
    "un-awaited promise": lambda _folder: dict[str, str](),
    "number": lambda _folder: 7,
    "True": lambda _folder: True,
    "list": lambda _folder: [b"\x89PNG\r\n\x1a\n"],
    "class": lambda _folder: Path,
    "URL as a path": lambda _folder: Path("https://example.com/a.png"),
    "URL without a host": lambda _folder: "http://",
    "URL with a bad port": lambda _folder: "http://example.com:port/a.png",
    "URL of another scheme": lambda _folder: "ftp://example.com/a.png",
    "URL of a file": lambda folder: (folder / "passwd").as_uri(),
}


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("form", REFUSED)
def test_what_is_no_picture_is_refused_and_not_shown(form: str, driver: Driver, tmp_path: Path):
    (tmp_path / "passwd").write_text(SECRET)
    (tmp_path / "empty").touch()
    told = refusal(driver, REFUSED[form](tmp_path))
    assert "the-secret" not in told
    assert len(told) < 500


WHOLE = {file_format: saved_noise(file_format) for file_format in ("PNG", "JPEG", "GIF", "WEBP")}
HALVES = {file_format: data[: len(data) // 2] for file_format, data in WHOLE.items()}


@pytest.mark.parametrize("file_format", HALVES)
@pytest.mark.parametrize("form", GIVEN)
def test_a_part_of_a_picture_is_not_sent_however_it_is_given(form: str, file_format: str, tmp_path: Path):
    half, path = HALVES[file_format], tmp_path / "input"
    path.write_bytes(half)
    with ExitStack() as stack:
        assert "cut short" in refusal("sync", GIVEN[form](half, path, stack))


def test_a_picture_is_not_decoded_to_be_judged():
    # Its rows would take 3.6 GB.
    header = b"IHDR" + (60_000).to_bytes(4) * 2 + bytes([8, 0, 0, 0, 0])
    chunks = (header, b"IDATx", b"IEND")
    bomb = b"\x89PNG\r\n\x1a\n" + b"".join(
        (len(chunk) - 4).to_bytes(4) + chunk + zlib.crc32(chunk).to_bytes(4) for chunk in chunks
    )
    with pytest.warns(UserWarning, match="larger"):
        assert sent("sync", bomb) == bomb


def test_the_file_of_passwords_is_not_sent():
    assert "PNG, JPEG, GIF or WebP" in refusal("sync", "/etc/passwd")


def test_a_long_text_is_shown_in_part():
    assert len(refusal("sync", "A" * 1_000_000)) < 500


# -- URLs -------------------------------------------------------------------------------------------------


@pytest.fixture
def host(picture: bytes) -> Generator[Peer]:
    with serving(answering(reply(200, picture, content_type="image/png"))) as peer:
        yield peer


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_url_is_fetched_without_the_key(driver: Driver, host: Peer, picture: bytes):
    assert sent(driver, f"{host.url}/a.png?b=c", allow_private_image_urls=True) == picture
    (request,) = host.requests
    assert (request.method, request.path) == ("GET", "/a.png?b=c")
    assert request.headers["accept-encoding"] == "identity"
    assert MADE_UP_KEY not in f"{request.headers!r}"
    assert "x-api-key" not in request.headers
    assert host.wait_until_hung_up()


@pytest.mark.parametrize("driver", DRIVERS)
def test_no_key_goes_to_the_image_host_even_where_it_is_the_api_s_own(
    driver: Driver, host: Peer, picture: bytes
):
    assert sent(driver, host.url.upper(), base_url=host.url, allow_private_image_urls=True) == picture
    assert "x-api-key" not in host.requests[0].headers


@pytest.mark.parametrize("driver", DRIVERS)
def test_an_image_host_s_certificate_is_judged_as_the_api_s_is(driver: Driver, picture: bytes):
    with serving(answering(reply(200, picture)), tls=certified("127.0.0.1")) as host:
        assert sent(driver, host.url, allow_private_image_urls=True, verify=trusting()) == picture
        with pytest.raises(ConnectionFailed, match=r"(?i)certificate"):
            sent(driver, host.url, allow_private_image_urls=True)


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_of_an_image_is_followed(status: int, driver: Driver, host: Peer, picture: bytes):
    with serving(answering(reply(status, location=f"{host.url}/a.png"))) as first:
        assert sent(driver, first.url, allow_private_image_urls=True) == picture
    assert [request.path for request in host.requests] == ["/a.png"]


@pytest.mark.parametrize("encoding", ["gzip", "gzip, gzip, gzip", "br", "deflate"])
def test_a_picture_that_comes_in_an_encoding_nobody_asked_for_is_refused(encoding: str, picture: bytes):
    with serving(answering(reply(200, picture, content_encoding=encoding))) as host:
        assert encoding in refusal("sync", host.url, allow_private_image_urls=True)


PRIVATE = (
    "127.0.0.1",
    "127.8.8.8",
    "localhost",
    "0.0.0.0",  # noqa: S104 - to be refused
    "[::1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:10.0.0.1]",
    "2130706433",
    "0x7f.1",
    "127.1",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.0.1",
    "169.254.169.254",
    "100.64.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "[fe80::1]",
    "[fd00::1]",
    "[2001:db8::1]",
)


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_that_is_not_public_is_not_even_called(address: str, driver: Driver, host: Peer):
    told = refusal(driver, f"http://{address}:{host.port}/a.png", timeout=5)
    assert "private address" in told
    assert "allow_private_image_urls=True" in told
    assert host.connections == 0


@pytest.fixture
def one_public_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take 127.0.0.2 for the public internet, which tests don't reach."""
    judge = _routing.judge_public

    def judge_all_others(host: str, address: str) -> None:
        if address != "127.0.0.2":
            judge(host, address)

    monkeypatch.setattr(_routing, "judge_public", judge_all_others)


@pytest.mark.usefixtures("one_public_address")
@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("address", ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0"])  # noqa: S104 - to be refused
def test_no_redirect_leads_to_an_address_that_is_not_public(address: str, driver: Driver, host: Peer):
    elsewhere = reply(302, location=f"http://{address}:{host.port}/a.png")
    with serving(answering(elsewhere), host="127.0.0.2") as first:
        assert "private address" in refusal(driver, first.url)
        assert len(first.requests) == 1
    assert host.connections == 0


@pytest.mark.usefixtures("one_public_address")
@pytest.mark.parametrize("driver", DRIVERS)
def test_a_redirect_from_one_public_address_to_another_is_followed(driver: Driver, picture: bytes):
    hops = answering(reply(302, location="/b.png")), answering(reply(200, picture))
    with serving(*hops, host="127.0.0.2") as host:
        assert sent(driver, host.url) == picture


def test_too_many_redirects_are_too_many():
    with serving(answering(reply(302, location="/again"))) as host:
        assert "redirects" in refusal("sync", host.url, allow_private_image_urls=True)
        assert len(host.requests) == _image_fetch.MAX_REDIRECTS + 1


BAD_ANSWERS: dict[str, bytes] = {
    "404, not 200": reply(404, b"\x89PNG\r\n\x1a\n"),
    "500, not 200": reply(500),
    "204, not 200": reply(204),
    "304, not 200": reply(304),
    "no PNG, JPEG, GIF or WebP": reply(200, b"<html>no picture</html>", content_type="image/png"),
    "it is empty": reply(200, content_type="image/png"),
    "no http(s) URL": reply(302, location="file:///etc/passwd"),
}


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize(("told", "answer"), BAD_ANSWERS.items(), ids=BAD_ANSWERS)
def test_an_answer_that_is_no_picture_is_refused(told: str, answer: bytes, driver: Driver):
    with serving(answering(answer)) as host:
        assert told in refusal(driver, host.url, allow_private_image_urls=True).replace("'", "")


def test_a_large_answer_of_another_kind_is_not_read_to_its_end():
    with serving(dripping(reply(200, b"<html>" * 9, content_length="100000000"))) as host:
        assert "no PNG" in refusal("sync", host.url, allow_private_image_urls=True)


@pytest.mark.parametrize("driver", DRIVERS)
def test_an_image_has_a_largest_size(driver: Driver, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(_image_fetch, "MAX_IMAGE_BYTES", 1024**2)
    endless = dripping(reply(200, b"GIF89a", content_length="100000000"), b"x" * 1024**2, every=0)
    with serving(endless) as host:
        assert "larger than 1 MiB" in refusal(driver, host.url, allow_private_image_urls=True)


SLOW = {
    "stalls": stalling(),
    "stalls in the picture": stalling(reply(200, b"GIF89a", content_length="99")),
    "drips the headers": dripping(b"HTTP/1.1 200 OK\r\nx: "),
    "drips the picture": dripping(reply(200, b"GIF89a" + b"x" * 20, content_length="9999")),
    "redirects for ever, slowly": stalling(reply(302, location="/", content_length="9")),
}


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("script", SLOW.values(), ids=SLOW)
def test_fetching_counts_within_the_deadline_of_the_call(script: Any, driver: Driver):
    with serving(script) as host:
        begun = time.monotonic()
        with pytest.raises(ConnectionFailed, match=r"Nothing was sent.*deadline of 0\.1 s") as raised:
            sent(driver, host.url, timeout=0.1, allow_private_image_urls=True)
        assert time.monotonic() - begun < 0.35
    assert (raised.value.billed, isinstance(raised.value, TimeoutError)) == (False, True)


@pytest.mark.parametrize("driver", DRIVERS)
def test_what_fetching_took_is_gone_from_the_deadline(driver: Driver, picture: bytes):
    # 0.3 s for the picture, 0.4 s for the call: each for itself would make 0.7 s.
    slow = dripping(reply(200, picture, content_length=str(len(picture) + 6)), every=0.05)
    options: dict[str, Any] = {"operation": "sd3_medium_tile", "allow_private_image_urls": True}
    with serving(stalling()) as api, serving(slow) as host:
        begun = time.monotonic()
        with pytest.raises(TimeoutError):
            draw(driver, api.url, {"prompt": "x", "image": host.url}, timeout=0.4, **options)
        assert time.monotonic() - begun < 0.65


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_host_that_can_t_be_reached_is_a_failed_connection(driver: Driver):
    with refusing() as url, pytest.raises(ConnectionFailed, match="could not be fetched") as raised:
        sent(driver, url, allow_private_image_urls=True)
    assert raised.value.billed is False


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_host_that_hangs_up_is_a_failed_connection(driver: Driver):
    with serving(hanging_up()) as host, pytest.raises(ConnectionFailed, match="could not be fetched"):
        sent(driver, host.url, allow_private_image_urls=True)


def test_what_a_url_may_hold_in_secret_is_not_told():
    with serving(answering(reply(404))) as host:
        url = (
            host.url.replace("http://", "http://user:the-secret@") + "/a.png?signature=the-secret#the-secret"
        )
        told = refusal("sync", url, allow_private_image_urls=True)
    assert "the-secret" not in told
    assert "/a.png" in told


def test_extra_lets_the_vendor_fetch_it(host: Peer):
    with Client(MADE_UP_KEY) as client:
        prepared = client.prepare("sd3_medium_tile", prompt="x", extra={"image": host.url})
    assert prepared.body["image"] == host.url
    assert host.connections == 0


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("file_format", HALVES)
def test_an_answer_that_ends_in_the_middle_of_a_picture_is_refused(file_format: str, driver: Driver):
    whole_by_its_length = reply(200, HALVES[file_format])
    with serving(answering(whole_by_its_length)) as host:
        assert "cut short" in refusal(driver, host.url, allow_private_image_urls=True)


@pytest.mark.parametrize("driver", DRIVERS)
def test_an_answer_that_breaks_off_is_a_failed_connection(driver: Driver):
    broken_off = hanging_up(reply(200, HALVES["JPEG"], content_length=str(len(WHOLE["JPEG"]))))
    with serving(broken_off) as host, pytest.raises(ConnectionFailed, match="could not be fetched"):
        sent(driver, host.url, allow_private_image_urls=True)


def looking_on(method: Any) -> Any:
    def call(*args: Any) -> Any:
        return method(*args)

    return call


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("by", ["our own connections", "httpx"])
def test_an_image_s_host_is_told_who_asks(
    by: str, driver: Driver, host: Peer, picture: bytes, monkeypatch: pytest.MonkeyPatch
):
    if by == "httpx":  # as where somebody records
        for cls, name in _foreign._SENT_BY:  # pyright: ignore[reportPrivateUsage]
            monkeypatch.setattr(cls, name, looking_on(getattr(cls, name)))
    assert sent(driver, host.url, allow_private_image_urls=True) == picture
    assert [request.headers["user-agent"] for request in host.requests] == [f"segmind-sd3/{__version__}"]


# -- Proxies ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("driver", DRIVERS)
def test_the_environment_s_proxy_fetches_an_image(
    driver: Driver, host: Peer, picture: bytes, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HTTP_PROXY", host.url)
    assert sent(driver, "http://pictures.invalid/a.png") == picture
    assert [request.path for request in host.requests] == ["http://pictures.invalid/a.png"]
    assert "x-api-key" not in host.requests[0].headers


@pytest.mark.parametrize("driver", DRIVERS)
def test_the_argument_s_proxy_fetches_an_image(
    driver: Driver, host: Peer, picture: bytes, monkeypatch: pytest.MonkeyPatch
):
    with serving(hanging_up()) as other:
        monkeypatch.setenv("HTTP_PROXY", other.url)
        assert sent(driver, "http://pictures.invalid/a.png", proxy=host.url) == picture
        assert other.connections == 0


@pytest.mark.parametrize("driver", DRIVERS)
def test_an_image_over_tls_comes_through_a_tunnel(driver: Driver, picture: bytes):
    with (
        serving(answering(reply(200, picture)), tls=certified("pictures.invalid")) as host,
        serving(tunnelling(host.host, host.port)) as proxy,
    ):
        assert sent(driver, "https://pictures.invalid/a.png", proxy=proxy.url, verify=trusting()) == picture


@pytest.mark.parametrize("driver", DRIVERS)
def test_no_proxy_of_the_environment_leads_to_this_machine(
    driver: Driver, host: Peer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HTTP_PROXY", host.url)
    assert "private address" in refusal(driver, "http://127.0.0.1:1/a.png")
    assert host.connections == 0


# -- Files that are read with await -----------------------------------------------------------------------


class Upload:
    """As a file of an async library: what its `read()` gives, or raises, comes after a while."""

    def __init__(self, given: object) -> None:
        self.given = given

    async def read(self) -> Any:
        await anyio.lowlevel.checkpoint()
        if isinstance(self.given, Exception):
            raise self.given
        return self.given


ASYNC_DRIVERS = [driver for driver in DRIVERS if driver != "sync"]


@pytest.mark.parametrize("driver", ASYNC_DRIVERS)
@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_the_async_client_reads_a_file_that_is_read_with_await(
    kind: Callable[[bytes], object], driver: Driver, picture: bytes
):
    assert sent(driver, Upload(kind(picture))) == picture


@pytest.mark.parametrize("driver", ASYNC_DRIVERS)
def test_the_async_client_reads_a_file_of_an_async_library(driver: Driver, tmp_path: Path, picture: bytes):
    (tmp_path / "a.png").write_bytes(picture)

    async def draw() -> bytes:
        async with (
            await anyio.open_file(tmp_path / "a.png", "rb") as file,
            AsyncClient(MADE_UP_KEY, verify=AUTHORITIES) as client,
        ):
            prepared = await client.prepare("sd3_medium_tile", prompt="x", image=file)
        return base64.b64decode(prepared.body["image"])

    assert anyio.run(draw, backend=driver) == picture


def test_the_async_client_reads_a_response_of_aiohttp(host: Peer, picture: bytes):
    async def draw() -> bytes:
        async with (
            aiohttp.ClientSession() as session,
            session.get(host.url) as response,
            AsyncClient(MADE_UP_KEY, verify=AUTHORITIES) as client,
        ):
            prepared = await client.prepare("sd3_medium_tile", prompt="x", image=response)
        return base64.b64decode(prepared.body["image"])

    assert anyio.run(draw) == picture


@pytest.mark.parametrize("driver", ASYNC_DRIVERS)
@pytest.mark.parametrize(
    ("given", "said"),
    [
        (b"", "the file is empty; rewind it first: await file.seek(0)"),
        (b"GIF89a", "cut short"),
        ("text", 'open(path, "rb")'),
        (7, "gives a int, and no bytes"),
        (OSError("the disk is gone"), "a file that can't be read (OSError: the disk is gone)"),
    ],
    ids=["empty", "cut", "text", "number", "broken"],
)
def test_a_file_that_is_read_with_await_is_judged_as_any_other(given: object, said: str, driver: Driver):
    assert said in refusal(driver, Upload(given))


@pytest.mark.parametrize("driver", ASYNC_DRIVERS)
def test_a_file_that_is_read_with_await_is_not_read_where_another_parameter_is_wrong(driver: Driver):
    class Unread:
        async def read(self) -> bytes:
            raise AssertionError

    with pytest.raises(InvalidRequest) as raised:
        sent(driver, Unread(), prompt=7)
    assert [problem.parameter for problem in raised.value.problems] == ["prompt"]


@pytest.mark.parametrize("driver", ASYNC_DRIVERS)
def test_a_file_that_is_read_with_await_has_the_time_of_the_call(driver: Driver):
    class Stalled:
        async def read(self) -> bytes:
            await anyio.sleep_forever()
            raise AssertionError

    with pytest.raises(ConnectionFailed, match=r"Nothing was sent: the deadline of 0\.1 s is over") as raised:
        sent(driver, Stalled(), timeout=0.1)
    assert (raised.value.billed, isinstance(raised.value, TimeoutError)) == (False, True)


# -- What a call drew -------------------------------------------------------------------------------------


def test_what_a_call_drew_may_be_given_to_the_next(draw: Callable[..., Generation], server: ReferenceServer):
    drawn = draw("sd35_turbo_txt2img", prompt="a lighthouse", width=64, height=64)
    assert draw("sd3_medium_img2img", prompt="at dusk", image=drawn).images
    assert draw("sd3_medium_img2img", prompt="at dusk", image=drawn.image).images
    assert [call.status for call in server.ledger] == [200] * 3


# -- Large pictures ---------------------------------------------------------------------------------------


def wide(file_format: str, width: int) -> bytes:
    file = io.BytesIO()
    PIL.Image.new("L", (width, 2)).save(file, file_format)
    return file.getvalue()


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("file_format", ["PNG", "JPEG", "GIF", "WEBP"])
def test_a_large_picture_is_sent_as_it_is_with_a_warning(file_format: str, driver: Driver):
    with pytest.warns(UserWarning, match="image is larger than 2048 x 2048 pixels: it is sent as it is"):
        assert sent(driver, wide(file_format, 2049)) == wide(file_format, 2049)


@pytest.mark.parametrize("file_format", ["PNG", "JPEG", "GIF", "WEBP"])
def test_a_picture_of_2048_pixels_is_not_large(file_format: str):
    sent("sync", wide(file_format, 2048))  # a warning would be an error


def test_a_large_picture_behind_a_url_is_warned_of_too():
    with (
        serving(answering(reply(200, wide("PNG", 2049)))) as host,
        pytest.warns(UserWarning, match="image is larger"),
    ):
        sent("sync", host.url, allow_private_image_urls=True)


@pytest.mark.parametrize("image", [PIL.Image.new("L", (2, 3000)), np.zeros((3000, 2), "uint8")], ids=type)
def test_a_large_picture_that_is_no_file_is_warned_of_too(image: object):
    with pytest.warns(UserWarning, match="image is larger"):
        sent("sync", image)


def test_a_large_picture_has_a_line_in_the_log_with_its_size(caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.INFO, "segmind_sd3"), pytest.warns(UserWarning, match="larger"):
        sent("sync", wide("JPEG", 3000))
    assert caplog.messages == [
        "sd3_medium_tile: image is larger than 2048 x 2048 pixels: it is sent as it is (3000 x 2)"
    ]


def test_the_warning_of_large_pictures_names_the_caller_s_line_and_is_given_there_once(
    server: ReferenceServer,
):
    async def awaited() -> None:
        async with AsyncClient(MADE_UP_KEY, transport=server.async_transport()) as client:
            for width in (2049, 2050):
                await client.sd3_medium_tile(prompt="x", image=wide("PNG", width))

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("default")
        with Client(MADE_UP_KEY, transport=server.transport()) as client:
            for width in (2049, 2050):
                client.sd3_medium_tile(prompt="x", image=wide("PNG", width))
            for width in (2049, 2050):
                prepared = client.prepare("sd3_medium_tile", prompt="x", image=wide("PNG", width))
            client.send(prepared)
        anyio.run(awaited)
    assert [each.filename for each in told] == [__file__] * 3


def test_a_bare_install_reads_the_size_of_a_picture(tmp_path: Path):
    (tmp_path / "wide.png").write_bytes(wide("PNG", 2049))
    program = """
import sys
sys.modules["PIL"] = sys.modules["numpy"] = None
from segmind_sd3 import Client
Client("SG_0123456789abcdef").prepare("sd3_medium_tile", prompt="x", image="wide.png")
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert "image is larger than 2048 x 2048 pixels" in done.stderr
