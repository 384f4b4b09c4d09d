"""What may be given for an image, what becomes of it, and what is refused before anything is sent."""

import base64
import io
import logging
import os
import time
from collections.abc import Callable, Generator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import anyio
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
from segmind_sd3 import AsyncClient, Client, ConnectionFailed, InvalidRequest, _image_fetch, _routing
from segmind_sd3_contract.reference import MADE_UP_KEY

IMG2IMG = ("sd3_medium_tile", "sd3_medium_img2img", "sd3_large_img2img")


def sent(driver: Driver, image: Any, operation: str = "sd3_medium_tile", **options: Any) -> bytes:
    """Give the image that a call would send: whole and decoded."""
    params = {"prompt": "a lighthouse", "image": image}
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
