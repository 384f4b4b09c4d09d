"""A large picture is sent piece by piece, and one in a file is read each time; a changed file is refused."""

import base64
import hashlib
import io
import json
import os
import pickle
import tracemalloc
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, cast

import anyio
import httpx
import PIL.Image
import pytest
import respx
import vcr  # pyright: ignore[reportMissingTypeStubs] - it has none
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from proofs.fixtures.drivers import DRIVERS, Driver, draw, outcomes
from proofs.fixtures.seeds import picture as png
from proofs.fixtures.sockets import (
    Connection,
    Peer,
    Script,
    answering,
    certified,
    reply,
    serving,
    trusting,
)
from pytest_httpx import HTTPXMock
from segmind_sd3 import (
    AsyncClient,
    Client,
    ConnectionFailed,
    ConnectionTimedOut,
    Generation,
    InvalidRequest,
    OutcomeUnknown,
    Prepared,
    RequestRefused,
    Retry,
    SegmindError,
    StreamedContent,
)
from segmind_sd3._cli import commands
from segmind_sd3._content import PictureBytes
from segmind_sd3._imagefile import FileView, read_picture
from segmind_sd3._limits import MAX_HELD
from segmind_sd3._request import prepare
from segmind_sd3_contract.reference import MADE_UP_KEY, ReferenceServer

TILE = "sd3_medium_tile"
LARGE = png(1, size=2 * MAX_HELD)
ENDLESS = png(1, size=12_000_000)
"""More than the buffers of a connection hold: it is never handed over whole to a peer that reads nothing."""

DRAWN = reply(200, png(2), content_type="image/png")
AT_ONCE = Retry(backoff=0.001, backoff_max=0.001)
PARAMS: dict[str, Any] = {"prompt": 'a "lighthouse" 日本', "seed": 7}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "large.png"
    path.write_bytes(LARGE)
    return path


@pytest.fixture
def peer() -> Iterator[Peer]:
    with serving(answering(DRAWN)) as peer:
        yield peer


def send(driver: Driver, peer: Peer, image: object, **options: Any) -> Generation:
    return draw(driver, peer.url, {**PARAMS, "image": image}, operation=TILE, **options)


def picture_in(body: bytes) -> bytes:
    return base64.b64decode(json.loads(body)["image"], validate=True)


def prepared(image: object, **params: Any) -> Prepared:
    with Client(MADE_UP_KEY) as client:
        return client.prepare(TILE, **{**PARAMS, **params}, image=image)


# -- What is sent -----------------------------------------------------------------------------------------

GIVEN: dict[str, Callable[[Path], object]] = {
    "path": lambda path: path,
    "str path": str,
    "bytes": lambda path: path.read_bytes(),
    "bytearray": lambda path: bytearray(path.read_bytes()),
    "file in memory": lambda path: io.BytesIO(path.read_bytes()),
    "base64": lambda path: base64.b64encode(path.read_bytes()).decode(),
}


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("form", GIVEN)
def test_a_large_picture_arrives_byte_for_byte(form: str, driver: Driver, file: Path, peer: Peer):
    send(driver, peer, GIVEN[form](file))

    (request,) = peer.requests
    assert picture_in(request.body) == LARGE
    assert request.headers["content-length"] == str(len(request.body))
    assert "transfer-encoding" not in request.headers


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_large_picture_arrives_over_tls(driver: Driver, file: Path):
    with serving(answering(DRAWN), tls=certified("127.0.0.1")) as peer:
        send(driver, peer, file, verify=trusting())

    assert picture_in(peer.requests[0].body) == LARGE


@pytest.mark.parametrize("form", GIVEN)
def test_what_is_shown_is_what_is_sent(form: str, file: Path, peer: Peer):
    with Client(MADE_UP_KEY, base_url=peer.url) as client:
        shown = client.prepare(TILE, **PARAMS, image=GIVEN[form](file))
        client.send(shown)

    assert peer.requests[0].body == bytes(shown.content)


def test_the_content_of_a_call_with_a_small_picture_is_bytes(picture: bytes):
    assert isinstance(prepared(picture).content, bytes)


def test_the_content_of_a_call_with_a_large_picture_is_read_again_and_again(file: Path):
    content = prepared(file).content

    assert isinstance(content, StreamedContent)
    assert b"".join(content) == bytes(content)
    assert len(content) == len(bytes(content))


@given(
    sizes=st.lists(st.integers(0, 40), min_size=1, max_size=3),
    piece=st.sampled_from([3, 6, 12]),
    others=st.dictionaries(st.text(), st.text() | st.integers() | st.none(), max_size=3),
    held=st.sampled_from([0, 10**6]),
)
def test_a_body_in_pieces_is_the_json_text_of_the_whole(
    sizes: list[int], piece: int, others: dict[str, Any], held: int
):
    pictures = {f"image{number or ''}": bytes(range(size)) for number, size in enumerate(sizes)}
    values = {"prompt": "a", **others, **pictures}
    texts = {name: base64.b64encode(data).decode() for name, data in pictures.items()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("segmind_sd3._content.PIECE", piece)
        patch.setattr("segmind_sd3._request.MAX_HELD", held)
        sources = {name: PictureBytes(data) for name, data in pictures.items()}
        in_pieces = prepare("http://127.0.0.1", TILE, {**values, **sources})[0].content
        whole = prepare("http://127.0.0.1", TILE, {**values, **texts})[0].content

        assert bytes(in_pieces) == whole
        assert len(in_pieces) == len(whole)
        assert isinstance(in_pieces, bytes) == (held > 0)


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_picture_in_a_file_is_never_whole_in_memory(driver: Driver, tmp_path: Path):
    path = tmp_path / "larger.png"
    path.write_bytes(ENDLESS)

    def draining(connection: Connection) -> None:
        while (head := connection.head()) is not None:
            for _ in connection.body(head):
                pass
            connection.send(DRAWN)

    with serving(draining) as peer:
        draw(driver, peer.url)  # loads what a first call loads
        tracemalloc.start()
        send(driver, peer, path)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()

    assert peak < len(ENDLESS) / 3


def test_the_command_line_sends_a_picture_from_its_file(file: Path, tmp_path: Path, peer: Peer):
    words = [TILE.replace("_", "-"), "--prompt", "a", "--image", str(file), "--out", str(tmp_path / "out")]
    environment = {"SEGMIND_API_KEY": MADE_UP_KEY, "SEGMIND_BASE_URL": peer.url}

    done = CliRunner().invoke(commands, words, env=environment)

    assert done.exit_code == 0, done.output
    assert picture_in(peer.requests[0].body) == LARGE


def test_a_dry_run_shows_the_whole_body(file: Path):
    words = [TILE.replace("_", "-"), "--prompt", "a", "--image", str(file), "--dry-run"]

    shown = CliRunner().invoke(commands, words, env={"SEGMIND_API_KEY": MADE_UP_KEY}).stdout

    assert base64.b64encode(LARGE).decode() in shown


# -- What is kept -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("form", GIVEN)
def test_the_digest_of_a_large_picture_is_kept(form: str, driver: Driver, file: Path, peer: Peer):
    drawn = send(driver, peer, GIVEN[form](file))

    assert drawn.request is not None
    assert drawn.request.parameters["image"] == f"picture sha256:{hashlib.sha256(LARGE).hexdigest()}"
    assert drawn.request.seed == 7


def test_a_prepared_call_with_a_picture_in_a_file_may_be_pickled(file: Path, peer: Peer):
    with Client(MADE_UP_KEY, base_url=peer.url) as client:
        made = client.prepare(TILE, **PARAMS, image=file)
        again = pickle.loads(pickle.dumps(made))  # noqa: S301 - our own
        client.send(again)

    assert again == made
    assert hash(again) == hash(made)
    assert picture_in(peer.requests[0].body) == LARGE


def test_a_relative_path_is_that_of_the_folder_in_which_the_call_was_prepared(
    file: Path, peer: Peer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(file.parent)
    with Client(MADE_UP_KEY, base_url=peer.url) as client:
        made = client.prepare(TILE, **PARAMS, image=file.name)
        monkeypatch.chdir("/")
        client.send(made)

    assert picture_in(peer.requests[0].body) == LARGE


# -- A file that is changed -------------------------------------------------------------------------------


def overwrite(path: Path) -> None:
    """Write other bytes into the file, of the same length, at another time."""
    before = path.stat()
    with path.open("r+b") as opened:
        opened.seek(-100, os.SEEK_END)
        opened.write(b"x")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 10_000_000))


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def append(path: Path) -> None:
    with path.open("ab") as opened:
        opened.write(b"x")


def replace_by_its_like(path: Path) -> None:
    before, other = path.stat(), path.with_name("other")
    other.write_bytes(path.read_bytes())
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(path)


CHANGES = [overwrite, cut, append, replace_by_its_like, Path.unlink]

each_change = pytest.mark.parametrize("change", CHANGES)


@each_change
@pytest.mark.parametrize("driver", DRIVERS)
def test_a_prepared_call_whose_file_was_changed_is_refused(
    change: Callable[[Path], None], driver: Driver, file: Path, peer: Peer
):
    made = replace(prepared(file), url=f"{peer.url}/v1/x")
    change(file)

    async def awaited() -> None:
        async with AsyncClient(MADE_UP_KEY, base_url=peer.url) as client:
            await client.send(made)

    def blocking() -> None:
        with Client(MADE_UP_KEY, base_url=peer.url) as client:
            client.send(made)

    with pytest.raises(InvalidRequest, match=r"large\.png.*prepare the call anew") as refused:
        blocking() if driver == "sync" else anyio.run(awaited, backend=driver)

    assert refused.value.billed is False
    assert peer.heads == []


SHOWN: dict[str, Callable[[Prepared], object]] = {
    "body": lambda made: made.body,
    "curl command": lambda made: made.as_curl(),
    "content": lambda made: bytes(made.content),
}


@pytest.mark.parametrize("show", SHOWN.values(), ids=SHOWN)
def test_a_call_whose_file_was_changed_is_not_shown(show: Callable[[Prepared], object], file: Path):
    made = prepared(file)
    append(file)

    with pytest.raises(ValueError, match="was changed"):
        show(made)


def changing(path: Path, change: Callable[[Path], None]) -> Script:
    """Change the client's file once the first bytes of the picture have come, and read the rest."""

    def script(connection: Connection) -> None:
        if (head := connection.head()) is not None:
            pieces, first = connection.body(head), b""
            while len(first) < 1000:
                first += next(pieces)
            change(path)
            connection.peer.requests.append(replace(head, body=first + b"".join(pieces)))

    return script


@pytest.mark.slow
@pytest.mark.parametrize("change", [overwrite, cut, append])
@pytest.mark.parametrize("driver", DRIVERS)
def test_a_request_whose_file_is_changed_while_it_is_sent_is_never_handed_over_whole(
    change: Callable[[Path], None], driver: Driver, tmp_path: Path
):
    path = tmp_path / "large.png"
    path.write_bytes(ENDLESS)
    with serving(changing(path, change)) as peer:
        with pytest.raises(
            ConnectionFailed, match=r"not sent whole: the file .*large\.png. was changed"
        ) as end:
            send(driver, peer, path)
        assert peer.wait_until_hung_up()

    assert (end.value.billed, end.value.retryable) == (False, False)
    (request,) = peer.requests
    assert len(request.body) < int(request.headers["content-length"])


@pytest.mark.slow
@pytest.mark.parametrize("change", [replace_by_its_like, Path.unlink])
@pytest.mark.parametrize("driver", DRIVERS)
def test_a_file_that_is_replaced_while_it_is_sent_is_sent_as_it_was(
    change: Callable[[Path], None], driver: Driver, tmp_path: Path
):
    path = tmp_path / "large.png"
    path.write_bytes(ENDLESS)
    with serving(changing(path, change)) as peer, pytest.raises(OutcomeUnknown):
        send(driver, peer, path)

    assert picture_in(peer.requests[0].body) == ENDLESS


@pytest.mark.parametrize("driver", DRIVERS)
def test_another_try_reads_the_file_again(driver: Driver, file: Path):
    with serving(answering(reply(429, retry_after="0"), DRAWN)) as peer:
        send(driver, peer, file, retry=AT_ONCE)

    first, second = (request.body for request in peer.requests)
    assert first == second


@each_change
@pytest.mark.parametrize("driver", DRIVERS)
def test_no_other_try_is_made_with_a_file_that_was_changed(
    change: Callable[[Path], None], driver: Driver, file: Path
):
    def limiting(connection: Connection) -> None:
        while connection.request() is not None:
            if len(connection.peer.requests) == 1:
                change(file)
            connection.send(reply(429, retry_after="0"))

    with serving(limiting) as peer:
        with pytest.raises(ConnectionFailed, match=r"the file .*large\.png") as end:
            send(driver, peer, file, retry=AT_ONCE)
        assert peer.wait_until_hung_up()

    assert (end.value.billed, len(peer.requests)) == (False, 1)


# -- A request that is not sent to its end ----------------------------------------------------------------


@pytest.mark.parametrize("driver", DRIVERS)
def test_an_answer_that_comes_while_the_picture_is_sent_is_the_answer(driver: Driver, tmp_path: Path):
    path = tmp_path / "large.png"
    path.write_bytes(ENDLESS)

    def refusing_early(connection: Connection) -> None:
        connection.head()
        connection.send(reply(413, b"too large"))
        connection.wait_for_hangup()

    with serving(refusing_early) as peer, pytest.raises(RequestRefused, match="too large") as refused:
        send(driver, peer, path)

    assert refused.value.billed is False


def open_files() -> list[str]:
    return [str(link.readlink()) for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="this system does not list open files")
@pytest.mark.parametrize("driver", DRIVERS)
def test_a_call_that_ends_by_its_deadline_leaves_no_file_open(driver: Driver, tmp_path: Path):
    path = tmp_path / "large.png"
    path.write_bytes(ENDLESS)

    def deaf(connection: Connection) -> None:
        connection.head()
        connection.peer.ending.wait()

    with serving(deaf) as peer:
        (end,) = outcomes(
            driver, peer.url, {"prompt": "a", "image": path}, times=1, operation=TILE, timeout=0.3
        )

    assert isinstance(end, ConnectionTimedOut)
    assert str(path) not in open_files()


# -- Transports, and tools that record or mock -------------------------------------------------------------


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_transport_gets_a_body_of_known_length_and_may_send_it_twice(
    driver: Driver, file: Path, peer: Peer
):
    class Blocking(httpx.HTTPTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            super().handle_request(request).close()
            return super().handle_request(request)

    class Awaited(httpx.AsyncHTTPTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            await (await super().handle_async_request(request)).aclose()
            return await super().handle_async_request(request)

    send(driver, peer, file, transport=Blocking() if driver == "sync" else Awaited())

    assert [picture_in(request.body) for request in peer.requests] == [LARGE, LARGE]
    assert [request.headers["content-length"] for request in peer.requests] == [
        str(len(request.body)) for request in peer.requests
    ]


@pytest.mark.parametrize("driver", DRIVERS)
def test_whether_a_transport_sent_a_body_whose_file_was_changed_is_unknown(driver: Driver, file: Path):
    class Changing(httpx.MockTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            append(file)
            return super().handle_request(request)

        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            append(file)
            return await super().handle_async_request(request)

    transport = Changing(lambda _: httpx.Response(200, content=png(2)))
    (end,) = outcomes(
        driver,
        "http://127.0.0.1",
        {"prompt": "a", "image": file},
        times=1,
        operation=TILE,
        transport=transport,
    )

    assert isinstance(end, OutcomeUnknown)
    assert end.billed is None


def test_the_reference_server_in_the_same_process_gets_the_whole_body(file: Path):
    server = ReferenceServer()
    with Client(MADE_UP_KEY, transport=server.transport()) as client, pytest.raises(SegmindError):
        client.sd3_medium_tile(prompt="a", image=file, extra={"strength": 7})

    assert base64.b64decode(server.ledger[-1].body["image"]) == LARGE


@contextmanager
def by_respx(_folder: Path) -> Generator[Callable[[], Any]]:
    with respx.mock as router:
        router.post().respond(200, content=png(2), headers={"content-type": "image/png"})
        yield lambda: cast("Any", router.calls).last.request.content


@contextmanager
def by_vcrpy(folder: Path) -> Generator[Callable[[], Any]]:
    with cast("Any", vcr).use_cassette(str(folder / "cassette.yaml")) as cassette:
        yield lambda: cassette.requests[-1].body


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("tool", [by_respx, by_vcrpy])
def test_a_tool_that_records_or_mocks_sees_the_whole_body(
    tool: Callable[[Path], AbstractContextManager[Callable[[], Any]]],
    driver: Driver,
    file: Path,
    tmp_path: Path,
    peer: Peer,
):
    with tool(tmp_path) as seen:
        send(driver, peer, file)

        assert picture_in(seen()) == LARGE


@pytest.mark.parametrize("driver", DRIVERS)
def test_pytest_httpx_sees_the_whole_body(driver: Driver, file: Path, peer: Peer, httpx_mock: HTTPXMock):
    httpx_mock.add_response(content=png(2), headers={"content-type": "image/png"})

    send(driver, peer, file)

    (request,) = httpx_mock.get_requests()
    assert picture_in(request.content) == LARGE


# -- A picture is judged in its file as it is in memory ----------------------------------------------------


@cache
def noise(file_format: str) -> bytes:
    written = io.BytesIO()
    PIL.Image.effect_noise((640, 640), 99).save(written, file_format, quality=100)
    return written.getvalue()


FORMATS = ["PNG", "JPEG", "GIF", "WEBP"]

each_format = pytest.mark.parametrize("file_format", FORMATS)


@each_format
def test_a_large_file_of_each_format_is_sent(file_format: str, tmp_path: Path):
    path = tmp_path / "input"
    path.write_bytes(noise(file_format))

    content = prepared(path).content

    assert isinstance(content, StreamedContent)
    assert picture_in(bytes(content)) == noise(file_format)


@each_format
def test_half_of_a_large_file_is_refused(file_format: str, tmp_path: Path):
    path = tmp_path / "input"
    path.write_bytes(noise(file_format) + bytes(MAX_HELD))
    os.truncate(path, len(noise(file_format)) * 3 // 4)

    with pytest.raises(InvalidRequest, match="cut short"):
        prepared(path)


def test_a_large_gif_without_its_last_byte_is_taken(tmp_path: Path):
    path = tmp_path / "input.gif"
    path.write_bytes(noise("GIF").removesuffix(b";"))

    assert isinstance(prepared(path).content, StreamedContent)


def test_base64_text_in_a_large_file_is_a_picture_too(tmp_path: Path):
    path = tmp_path / "input.txt"
    path.write_bytes(base64.encodebytes(LARGE))

    assert picture_in(bytes(prepared(path).content)) == LARGE


def test_a_large_file_with_too_many_pixels_is_warned_of(tmp_path: Path):
    path = tmp_path / "wide.png"
    PIL.Image.new("1", (3000, 8)).save(path)
    path.write_bytes(path.read_bytes() + bytes(MAX_HELD))

    with pytest.warns(UserWarning, match="larger than 2048"):
        prepared(path)


small = {file_format: io.BytesIO() for file_format in FORMATS}
for file_format, written in small.items():
    PIL.Image.effect_noise((16, 16), 99).save(written, file_format)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("views") / "file"


@given(
    data=st.sampled_from([written.getvalue() for written in small.values()]) | st.binary(max_size=40),
    tail=st.binary(max_size=3),
    change=st.tuples(st.integers(0, 899), st.integers(0, 255), st.integers(0, 900)),
    window=st.sampled_from([1, 7, 512]),
)
def test_a_file_is_judged_as_its_bytes_are(
    place: Path, data: bytes, tail: bytes, change: tuple[int, int, int], window: int
):
    at, byte, cut_at = change
    data = (data[:at] + bytes([byte]) + data[at + 1 :])[:cut_at]
    place.write_bytes(data)
    with place.open("rb") as opened, pytest.MonkeyPatch.context() as patch:
        patch.setattr("segmind_sd3._imagefile._WINDOW", window)
        view = FileView(opened, len(data)) + tail

        assert read_picture(view) == read_picture(data + tail)


@given(
    data=st.binary(max_size=60), tail=st.binary(max_size=3), start=st.integers(0, 70), stop=st.integers(0, 70)
)
def test_a_view_of_a_file_reads_what_is_in_it(place: Path, data: bytes, tail: bytes, start: int, stop: int):
    place.write_bytes(data)
    whole = data + tail
    with place.open("rb") as opened, pytest.MonkeyPatch.context() as patch:
        patch.setattr("segmind_sd3._imagefile._SEARCHED", 4)
        patch.setattr("segmind_sd3._imagefile._WINDOW", 4)
        view = FileView(opened, len(data)) + tail

        assert len(view) == len(whole)
        assert view[start:stop] == whole[start:stop]
        assert view.rfind(whole[stop : stop + 2] or b"xy", start) == whole.rfind(
            whole[stop : stop + 2] or b"xy", start
        )
        if start < len(whole):
            assert view[start] == whole[start]
