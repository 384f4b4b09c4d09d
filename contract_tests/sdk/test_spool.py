"""`spool=`: a large picture goes straight to a file, whole or not at all; all else is as it is without."""

import base64
import copy
import errno
import gzip
import json
import os
import pickle
import re
import signal
import subprocess
import sys
import tempfile
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import httpx
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from proofs.fixtures.disks import full_disk, small_disk
from proofs.fixtures.drivers import Driver, draw, outcomes
from proofs.fixtures.forking import Child
from proofs.fixtures.seeds import picture as png
from proofs.fixtures.sockets import Connection, Peer, Script, answering, hanging_up, reply, serving
from segmind_sd3 import (
    AsyncClient,
    Client,
    Generation,
    Image,
    OutcomeUnknown,
    SegmindError,
    parameters_of,
)
from segmind_sd3._cli import commands
from segmind_sd3._connections import Deadline
from segmind_sd3._limits import MIN_SPOOLED
from segmind_sd3._outcome import event_of
from segmind_sd3._reply import interpret, largest
from segmind_sd3._spool import SpoolingIncoming
from segmind_sd3._stored import remove_own
from segmind_sd3._wire import Incoming, Key
from segmind_sd3_contract.reference import MADE_UP_KEY, ReferenceServer

LARGE = png(1, size=MIN_SPOOLED + 300_000)
DRAWN = reply(200, LARGE, content_type="image/png")
HALF = len(DRAWN) // 2
PARAMS: dict[str, Any] = {"prompt": "a lighthouse", "seed": 7}
PATIENCE = 10.0

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc or tmpfs")

Way = tuple[Driver, Callable[[], object]]

WAYS: dict[str, Way] = {
    "sync": ("sync", lambda: None),
    "asyncio": ("asyncio", lambda: None),
    "trio": ("trio", lambda: None),
    "sync, httpx's transport": ("sync", httpx.HTTPTransport),
    "asyncio, httpx's transport": ("asyncio", httpx.AsyncHTTPTransport),
    "trio, httpx's transport": ("trio", httpx.AsyncHTTPTransport),
}


FAST = ("sync", "asyncio, httpx's transport")


@pytest.fixture(
    params=[
        pytest.param(way, id=name, marks=() if name in FAST else pytest.mark.slow)
        for name, way in WAYS.items()
    ]
)
def way(request: pytest.FixtureRequest) -> Way:
    return request.param


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return tmp_path / "spool"


@pytest.fixture
def peer() -> Iterator[Peer]:
    with serving(answering(DRAWN)) as peer:
        yield peer


def spooled(way: Way, peer: Peer, spool: Path, **options: Any) -> Generation:
    driver, transport = way
    return draw(driver, peer.url, spool=spool, transport=transport(), **options)


@pytest.fixture
def picture(peer: Peer, spool: Path) -> Image:
    return spooled(WAYS["sync"], peer, spool).image


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def only_file(folder: Path) -> Path:
    (file,) = folder.iterdir()
    return file


# -- While it arrives -------------------------------------------------------------------------------------


def test_a_large_picture_goes_to_a_file_of_the_folder(way: Way, peer: Peer, spool: Path):
    drawn = spooled(way, peer, spool)

    file = only_file(spool)
    assert re.fullmatch(r"segmind-sd3-[0-9a-f]{16}\.png", file.name)
    assert file.read_bytes() == drawn.image.data == LARGE


def with_a_half(then: Callable[[Connection], object]) -> Script:
    """Send half of the picture, and do something; then send the rest."""

    def script(connection: Connection) -> None:
        connection.request()
        connection.send(DRAWN[:HALF])
        then(connection)
        connection.send(DRAWN[HALF:])

    return script


def wait_for_part(folder: Path, connection: Connection) -> Path:
    """Wait until the picture's half is in a file, and return the file."""
    at_least = HALF - 1000
    while True:
        for part in folder.glob("segmind-sd3-*.part"):
            if part.stat().st_size >= at_least:
                return part
        assert not connection.peer.ending.is_set()
        connection.pause(0.001)


def test_it_has_its_name_only_once_it_is_whole(way: Way, spool: Path):
    seen: list[str] = []

    def look(connection: Connection) -> None:
        seen.append(wait_for_part(spool, connection).name)

    with serving(with_a_half(look)) as peer:
        drawn = spooled(way, peer, spool)

    assert seen == [f"{only_file(spool).name}.part"]
    assert drawn.image.data == LARGE


def test_memory_holds_little_of_it(spool: Path):
    large = png(1, size=8_000_000)
    with (
        serving(answering(reply(200, large, content_type="image/png"))) as peer,
        Client(MADE_UP_KEY, base_url=peer.url, spool=spool) as client,
    ):
        client.sd35_turbo_txt2img(prompt="a lighthouse")  # what is loaded once is loaded
        tracemalloc.start()
        drawn = client.sd35_turbo_txt2img(prompt="a lighthouse")
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()

    assert peak < MIN_SPOOLED
    assert drawn.image.data == large


SIXTEEN = """
import asyncio, sys
from pathlib import Path
from segmind_sd3 import AsyncClient

def peak():
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines["VmHWM"].split()[0]) * 1024

async def main():
    key, url, spool = sys.argv[1:]
    async with AsyncClient(key, base_url=url, spool=spool) as client:
        await client.sd35_turbo_txt2img(prompt="a lighthouse")
        before = peak()
        drawn = await asyncio.gather(*(client.sd35_turbo_txt2img(prompt="a lighthouse") for _ in range(16)))
        print(peak() - before, len(list(Path(spool).iterdir())))

asyncio.run(main())
"""


@pytest.mark.slow
@linux
def test_sixteen_large_pictures_at_once_take_less_memory_than_two(spool: Path):
    large = png(1, size=8_000_000)
    with serving(answering(reply(200, large, content_type="image/png"))) as peer:
        command = [sys.executable, "-c", SIXTEEN, MADE_UP_KEY, peer.url, str(spool)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)

    grown, files = map(int, done.stdout.split())
    assert grown < 2 * len(large)
    assert files >= 16


def test_the_call_to_the_reference_server_is_as_without(server: ReferenceServer, spool: Path):
    with Client(MADE_UP_KEY, transport=server.transport()) as client:
        held = client.sd35_turbo_txt2img(prompt="a lighthouse", seed=7)
        drawn = client.with_options(spool=spool).sd35_turbo_txt2img(prompt="a lighthouse", seed=7)

    assert drawn.image == held.image
    assert names(spool) == []  # it is small


# -- What is not spooled ----------------------------------------------------------------------------------

TEXT = json.dumps({"image": base64.b64encode(LARGE).decode()}).encode()
SMALL = png(1)
CHUNKED = b"HTTP/1.1 200 OK\r\ncontent-type: image/png\r\ntransfer-encoding: chunked\r\n\r\n" + (
    b"%x\r\n%b\r\n0\r\n\r\n" % (len(LARGE), LARGE)
)

IN_MEMORY: dict[str, bytes] = {
    "a small picture": reply(200, SMALL, content_type="image/png"),
    "JSON with a large picture": reply(200, TEXT, content_type="application/json"),
    "of no known length": CHUNKED,
    "compressed": reply(200, gzip.compress(LARGE), content_type="image/png", content_encoding="gzip"),
    "of another content type": reply(200, LARGE, content_type="application/octet-stream"),
    "no picture": reply(200, b"x" * len(LARGE), content_type="image/png"),
    "a damaged picture": reply(200, LARGE[:16] + b"x" * len(LARGE), content_type="image/png"),
    "a picture in an error": reply(500, LARGE, content_type="image/png"),
    "an error": reply(406, b'{"error": "no credits"}', content_type="application/json"),
}


def described(outcome: Generation | SegmindError) -> object:
    """Return all that a caller can see of an outcome."""
    if isinstance(outcome, Generation):
        return outcome
    shown = {
        name: getattr(outcome, name, None) for name in ("billed", "retryable", "status", "headers", "body")
    }
    return type(outcome), str(outcome), shown


def outcome_of(way: Way, answer: Script, **options: Any) -> object:
    with serving(answer) as peer:
        try:
            return described(draw(way[0], peer.url, PARAMS, transport=way[1](), **options))
        except SegmindError as error:
            return described(error)


@pytest.mark.parametrize("answer", IN_MEMORY.values(), ids=list(IN_MEMORY))
def test_every_other_reply_is_held_in_memory(answer: bytes, way: Way, spool: Path):
    outcome = outcome_of(way, answering(answer), spool=spool)

    assert names(spool) == []
    assert outcome == outcome_of(way, answering(answer))


def test_a_picture_that_is_cut_short_is_in_the_error_and_in_no_file(way: Way, spool: Path):
    with (
        serving(hanging_up(DRAWN[:-1000])) as peer,
        pytest.raises(OutcomeUnknown, match="no whole reply came") as caught,
    ):
        spooled(way, peer, spool)

    assert caught.value.billed is True
    assert caught.value.body == LARGE[:-1000]
    assert names(spool) == []


@pytest.mark.slow
def test_what_came_by_the_deadline_is_in_the_error_and_in_no_file(way: Way, spool: Path):
    held = threading.Event()

    def wait(connection: Connection) -> None:
        wait_for_part(spool, connection)
        held.set()
        connection.wait_for_hangup()

    with serving(with_a_half(wait)) as peer, pytest.raises(OutcomeUnknown) as caught:
        spooled(way, peer, spool, timeout=1.0)

    assert held.is_set()
    assert LARGE.startswith(caught.value.body)
    assert len(caught.value.body) > HALF - 1000
    assert names(spool) == []


# -- A space of replies -----------------------------------------------------------------------------------

GOOD: dict[str, Any] = {
    "status": 200,
    "body": LARGE,
    "content-type": "image/png",
    "content-encoding": None,
    "content-length": None,  # that of the body
    "whole": True,
    "room": 2**40,
}
"""A reply that comes to its end, and a disk that has room for it."""

ODD: dict[str, st.SearchStrategy[Any]] = {
    "status": st.sampled_from([201, 206, 402, 503]),
    "body": st.one_of(
        st.integers(0, 200_000).map(lambda more: png(2, size=MIN_SPOOLED - 100_000 + more)),
        st.sampled_from([LARGE + b"trailing", LARGE[:-1], SMALL, TEXT, b"x" * MIN_SPOOLED, b"\xff\xd8\xff"]),
    ),
    "content-type": st.sampled_from(["IMAGE/JPEG; q=1", "image/", "application/json", "", "text/html"]),
    "content-encoding": st.sampled_from(["identity", "gzip", "br"]),
    "content-length": st.sampled_from(["x", "²", "-1", "5, 5", "9" * 5000, "0", f" {MIN_SPOOLED}"]),
    "whole": st.just(value=False),
    "room": st.integers(0, 2 * MIN_SPOOLED),
}


@st.composite
def replies(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a reply that is odd in two ways at most."""
    odd = draw(st.sets(st.sampled_from([*ODD]), max_size=2))
    return {name: draw(ODD[name]) if name in odd else value for name, value in GOOD.items()}


def interpreted(
    incoming: Incoming, status: int, headers: list[tuple[bytes, bytes]], pieces: list[bytes], *, whole: bool
) -> object:
    """Take a reply piece by piece, and return all that a caller can see of what it means."""
    incoming.begin(status, headers)
    incoming.complete = all(incoming.add(piece) for piece in pieces) and whole
    event = event_of(incoming, Deadline(60), None)
    return described(interpret(event, Key(MADE_UP_KEY), None))


@given(
    made=replies(),
    cost=st.sampled_from([None, "0.5"]),
    cuts=st.lists(st.integers(0, 2 * MIN_SPOOLED), max_size=6),
)
def test_no_outcome_depends_on_where_the_reply_was_held(
    made: dict[str, Any], cost: str | None, cuts: list[int]
):
    body: bytes = made["body"]
    values: dict[str, str | None] = {
        "content-type": made["content-type"],
        "content-encoding": made["content-encoding"],
        "content-length": made["content-length"] or str(len(body)),
        "x-cost": cost,
    }
    headers = [(name.encode(), value.encode("latin-1")) for name, value in values.items() if value]
    ends = [*sorted(cuts), None]
    pieces = [body[start:end] for start, end in zip([0, *ends], ends, strict=False)]
    with tempfile.TemporaryDirectory() as folder:
        with full_disk(after=made["room"]):
            there = SpoolingIncoming(largest, Path(folder))
            outcome = interpreted(there, made["status"], headers, pieces, whole=made["whole"])
        held = interpreted(Incoming(largest), made["status"], headers, pieces, whole=made["whole"])
        assert outcome == held
        files = [path.read_bytes() for path in Path(folder).iterdir()]
        assert files in ([], [body])
        assert not files or isinstance(outcome, Generation)


# -- A disk or a folder that fails ------------------------------------------------------------------------


@pytest.mark.parametrize("room", [0, 10, 200_000, len(LARGE) - 1])
def test_a_picture_for_which_the_disk_has_no_room_is_held_in_memory(
    room: int, way: Way, peer: Peer, spool: Path
):
    with full_disk(after=room):
        drawn = spooled(way, peer, spool)

    assert names(spool) == []
    assert drawn.image.data == LARGE


@linux
def test_a_file_system_that_fills_up_loses_no_picture(way: Way, peer: Peer, tmp_path: Path):
    with small_disk(tmp_path / "disk") as disk:
        drawn = spooled(way, peer, disk)

        assert names(disk) == []
        assert drawn.image.data == LARGE


FAILING: dict[str, Callable[[Path], object]] = {
    "the file is removed": Path.unlink,
    "another file has its name": lambda part: (part.unlink(), part.write_bytes(LARGE)),
}


@pytest.mark.parametrize("fail", FAILING.values(), ids=list(FAILING))
def test_a_file_that_is_another_at_the_end_costs_no_picture(
    fail: Callable[[Path], object], way: Way, spool: Path
):
    with serving(with_a_half(lambda connection: fail(wait_for_part(spool, connection)))) as peer:
        drawn = spooled(way, peer, spool)

    assert drawn.image.data == LARGE


def test_a_folder_that_is_removed_costs_no_picture(way: Way, spool: Path):
    with serving(answering(reply(500), DRAWN)) as peer:
        outcome = outcomes(
            way[0], peer.url, PARAMS, times=2, between=spool.rmdir, spool=spool, transport=way[1]()
        )[1]

    assert isinstance(outcome, Generation)
    assert outcome.image.data == LARGE


def descriptor_of(path: Path) -> int:
    """Return the descriptor by which this process has a file open."""
    folder = Path("/proc/self/fd")
    return next(int(each.name) for each in folder.iterdir() if os.path.realpath(each) == str(path))


def spoil(path: Path, other: Path, flags: int) -> None:
    """Let this process write to and read from a file as if it had opened another file with these flags."""
    descriptor, opened = descriptor_of(path), os.open(other, flags)
    os.dup2(opened, descriptor)
    os.close(opened)


@linux
def test_a_file_that_can_not_be_written_any_more_costs_no_picture(way: Way, spool: Path):
    def spoil_part(connection: Connection) -> None:
        part = wait_for_part(spool, connection)
        spoil(part, part, os.O_RDONLY)

    with serving(with_a_half(spoil_part)) as peer:
        assert spooled(way, peer, spool).image.data == LARGE
    assert names(spool) == []


def hide(part: Path) -> None:
    spoil(part, part, os.O_WRONLY | os.O_APPEND)
    part.rename(part.with_name("hidden"))


UNREADABLE: dict[str, Callable[[Path], object]] = {
    "in the middle": lambda part: spoil(part, part.parent, os.O_RDONLY),
    "at the end": hide,
}


@linux
@pytest.mark.parametrize("spoil_part", UNREADABLE.values(), ids=list(UNREADABLE))
def test_what_can_be_neither_kept_nor_read_stays_in_the_file_and_counts_as_billed(
    spoil_part: Callable[[Path], object], way: Way, spool: Path
):
    with (
        serving(with_a_half(lambda connection: spoil_part(wait_for_part(spool, connection)))) as peer,
        pytest.raises(SegmindError) as caught,
    ):
        spooled(way, peer, spool)

    assert caught.value.billed is True
    kept = only_file(spool).read_bytes()
    assert len(kept) >= HALF - 1000
    assert LARGE.startswith(kept)


def test_what_a_signals_handler_raises_while_the_file_is_written_is_not_swallowed(spool: Path):
    incoming = SpoolingIncoming(largest, spool)
    spool.mkdir()
    incoming.begin(200, [(b"content-type", b"image/png"), (b"content-length", str(len(LARGE)).encode())])
    incoming.add(LARGE[:1000])
    reader, writer = os.pipe()
    os.dup2(writer, descriptor_of(only_file(spool)))  # a pipe that nobody reads is full at some time

    def handle(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, handle)
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    try:
        with pytest.raises(TimeoutError):
            incoming.add(LARGE[1000:])
    finally:
        signal.signal(signal.SIGALRM, before)
        os.close(reader)
        os.close(writer)
    incoming.discard()
    assert names(spool) == []


# -- A call that is ended ---------------------------------------------------------------------------------


@pytest.mark.parametrize("transport", [None, httpx.HTTPTransport])
def test_ctrl_c_leaves_no_file(transport: Callable[[], object] | None, spool: Path):
    def interrupt(connection: Connection) -> None:
        wait_for_part(spool, connection)
        os.kill(os.getpid(), signal.SIGINT)
        connection.wait_for_hangup()

    way: Way = ("sync", transport or (lambda: None))
    with serving(with_a_half(interrupt)) as peer, pytest.raises(KeyboardInterrupt) as caught:
        spooled(way, peer, spool)

    assert names(spool) == []
    assert caught.traceback  # it holds on to all that the call had


@pytest.mark.parametrize("loop", ["asyncio", pytest.param("trio", marks=pytest.mark.slow)])
@pytest.mark.parametrize("transport", [lambda: None, httpx.AsyncHTTPTransport])
def test_a_cancelled_call_leaves_no_file(transport: Callable[[], Any], loop: str, spool: Path):
    half = threading.Event()

    def wait(connection: Connection) -> None:
        wait_for_part(spool, connection)
        half.set()
        connection.wait_for_hangup()

    async def cancelled(url: str) -> None:
        async with (
            AsyncClient(MADE_UP_KEY, base_url=url, spool=spool, transport=transport()) as client,
            anyio.create_task_group() as tasks,
        ):

            async def call() -> None:
                await client.sd35_turbo_txt2img(prompt="a lighthouse")

            tasks.start_soon(call)
            assert await anyio.to_thread.run_sync(half.wait, PATIENCE)
            tasks.cancel_scope.cancel()

    with serving(with_a_half(wait)) as peer:
        anyio.run(cancelled, peer.url, backend=loop)

    assert names(spool) == []


# -- The picture ------------------------------------------------------------------------------------------


def test_it_is_equal_to_one_in_memory(picture: Image):
    held = Image(LARGE, "image/png", 8, 8)

    assert (picture, repr(picture), hash(picture)) == (held, repr(held), hash(held))
    assert picture.to_dict() == held.to_dict()


def test_the_format_is_that_of_its_bytes(spool: Path, tmp_path: Path):
    with serving(answering(reply(200, LARGE, content_type="image/jpeg"))) as peer:
        image = spooled(WAYS["sync"], peer, spool).image

    assert image.media_type == "image/png"
    assert image.save(tmp_path / "panda.jpg") == tmp_path / "panda.png"


def test_it_knows_what_was_sent(picture: Image):
    assert picture.request is not None
    assert picture.request.parameters["prompt"] == "a lighthouse"


def test_a_key_that_the_server_echoes_is_in_no_name_and_no_header_and_the_picture_is_as_it_came(
    way: Way, spool: Path
):
    body = png(1, size=MIN_SPOOLED).replace(b"call\0", MADE_UP_KEY.encode()[:5])
    body = body[:-12] + b"\0\0\0\x20tEXt" + MADE_UP_KEY.encode()[:32].ljust(32) + b"\0\0\0\0" + body[-12:]
    with serving(answering(reply(200, body, content_type="image/png", x_request_id=MADE_UP_KEY))) as peer:
        drawn = spooled(way, peer, spool)

    assert drawn.request_id == "[API key]"
    assert MADE_UP_KEY not in only_file(spool).name
    assert drawn.image.data == body


def test_the_file_of_a_picture_that_is_not_saved_is_removed_with_it(way: Way, peer: Peer, spool: Path):
    drawn = spooled(way, peer, spool)
    image = drawn.image
    del drawn
    assert len(names(spool)) == 1
    del image
    assert names(spool) == []


COPIES: dict[str, Callable[[Image], Image]] = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda image: pickle.loads(pickle.dumps(image)),  # noqa: S301 - our own
}


@pytest.mark.parametrize("copied", COPIES.values(), ids=list(COPIES))
def test_a_copy_does_without_the_file(copied: Callable[[Image], Image], peer: Peer, spool: Path):
    image = spooled(WAYS["sync"], peer, spool).image
    other = copied(image)
    del image

    assert names(spool) == []
    assert other.data == LARGE


AT_THE_END = """
import os, sys
from segmind_sd3 import Client
key, url, spool, end = sys.argv[1:]
drawn = Client(key, base_url=url, spool=spool).sd35_turbo_txt2img(prompt="a lighthouse")
if end == "crash":
    os._exit(1)
"""


@pytest.mark.slow
@pytest.mark.parametrize(("end", "left"), [("crash", [LARGE]), ("end", [])])
def test_the_file_outlives_a_process_only_where_it_dies(end: str, left: list[bytes], peer: Peer, spool: Path):
    subprocess.run([sys.executable, "-c", AT_THE_END, MADE_UP_KEY, peer.url, str(spool), end], check=False)

    assert [file.read_bytes() for file in spool.glob("segmind-sd3-*.png")] == left


# -- A fork -----------------------------------------------------------------------------------------------


def test_a_fork_that_lets_go_of_a_picture_leaves_the_file_to_its_parent(peer: Peer, spool: Path):
    held = [spooled(WAYS["sync"], peer, spool)]

    assert Child(held.clear).result() is None
    assert held[0].image.data == only_file(spool).read_bytes() == LARGE


def test_a_file_is_removed_by_the_process_alone_that_made_it(tmp_path: Path):
    file = tmp_path / "file"
    file.touch()

    remove_own(str(file), os.getppid())
    assert file.exists()
    remove_own(str(file), os.getpid())
    assert not file.exists()


def test_a_fork_that_saves_a_picture_copies_it(picture: Image, spool: Path, tmp_path: Path):
    def save() -> bytes:
        path = picture.save(tmp_path / "of the child")
        return picture.data if path.read_bytes() == picture.data else b"another"

    assert Child(save).result() == LARGE
    assert picture.data == only_file(spool).read_bytes() == LARGE
    assert not (tmp_path / "of the child.png").samefile(only_file(spool))


def test_a_fork_in_the_middle_of_a_call_leaves_the_file_to_its_parent(spool: Path):
    spool.mkdir()
    incoming = SpoolingIncoming(largest, spool)
    incoming.begin(200, [(b"content-type", b"image/png"), (b"content-length", str(len(LARGE)).encode())])
    incoming.add(LARGE[:HALF])

    assert Child(incoming.discard).result() is None
    incoming.add(LARGE[HALF:])
    incoming.complete = True
    stored = incoming.reply().stored
    assert stored is not None
    assert stored.read() == LARGE


# -- save -------------------------------------------------------------------------------------------------


def test_save_moves_the_file(picture: Image, spool: Path, tmp_path: Path):
    inode = only_file(spool).stat().st_ino

    path = picture.save(tmp_path / "panda.jpg")

    assert path == tmp_path / "panda.png"
    assert path.stat().st_ino == inode
    assert names(spool) == []
    assert picture.data == LARGE


def test_what_is_saved_stays_when_the_picture_is_let_go_of(peer: Peer, spool: Path, tmp_path: Path):
    spooled(WAYS["sync"], peer, spool).save(tmp_path / "panda")

    assert (tmp_path / "panda.png").read_bytes() == LARGE


def test_a_second_save_makes_a_second_file(picture: Image, tmp_path: Path):
    first, second = picture.save(tmp_path / "first"), picture.save(tmp_path / "second")

    assert not first.samefile(second)
    assert first.read_bytes() == second.read_bytes() == LARGE
    first.unlink()
    assert picture.data == LARGE


@pytest.fixture
def without_links(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_path: Path, _target: Path) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refuse)


@pytest.mark.usefixtures("without_links")
def test_where_a_file_can_have_no_second_name_it_is_copied(picture: Image, spool: Path, tmp_path: Path):
    path = picture.save(tmp_path / "panda")

    assert path.read_bytes() == picture.data == LARGE
    assert names(spool) == []


@linux
def test_it_is_saved_on_another_file_system(picture: Image, spool: Path, tmp_path: Path):
    with small_disk(tmp_path / "disk", "4m") as disk:
        path = picture.save(disk / "panda")

        assert path.read_bytes() == picture.data == LARGE
    assert names(spool) == []


Rule = tuple[dict[str, bool], list[str], str | None]

RULES: dict[str, Rule] = {
    "a free name": ({}, [], "panda.png"),
    "a taken name": ({}, ["panda.png"], "panda (1).png"),
    "two taken names": ({}, ["panda.png", "panda (1).png"], "panda (2).png"),
    "overwrite": ({"overwrite": True}, ["panda.png"], "panda.png"),
    "exclusive, free": ({"exclusive": True}, [], "panda.png"),
    "exclusive, taken": ({"exclusive": True}, ["panda.png"], None),
}


@pytest.mark.filterwarnings("ignore:.*exists already and is kept")
@pytest.mark.parametrize(("options", "there", "saved"), RULES.values(), ids=list(RULES))
def test_the_rules_of_names_are_those_of_a_picture_in_memory(
    picture: Image, tmp_path: Path, options: dict[str, bool], there: list[str], saved: str | None
):
    folder = tmp_path / "folder"
    folder.mkdir()
    for name in there:
        (folder / name).write_bytes(b"mine")
    if saved is None:
        with pytest.raises(FileExistsError):
            picture.save(folder / "panda.png", **options)
    else:
        assert picture.save(folder / "panda.png", **options) == folder / saved
        assert (folder / saved).read_bytes() == LARGE

    kept = {name for name in there if name != saved}
    assert {*names(folder)} == kept | ({saved} if saved else set())
    assert all((folder / name).read_bytes() == b"mine" for name in kept)
    assert picture.data == LARGE


def test_saved_under_the_very_name_that_it_has_it_stays(peer: Peer, spool: Path):
    image = spooled(WAYS["sync"], peer, spool).image
    file = only_file(spool)

    assert image.save(file, overwrite=True) == file
    del image
    assert names(spool) == [file.name]
    assert file.read_bytes() == LARGE


def test_what_was_sent_can_be_written_into_the_file(picture: Image, tmp_path: Path):
    path = picture.save(tmp_path / "panda", metadata=True)

    assert parameters_of(path).parameters["prompt"] == "a lighthouse"


def test_where_it_can_not_be_saved_it_is_moved_elsewhere_and_the_error_names_the_file(
    picture: Image, spool: Path, tmp_path: Path, elsewhere: Path
):
    with pytest.raises(FileNotFoundError, match="saved elsewhere instead") as caught:
        picture.save(tmp_path / "none" / "panda")

    (written,) = elsewhere.rglob("panda.png")
    assert caught.value.filename2 == str(written)
    assert (written.read_bytes(), names(spool)) == (LARGE, [])


@pytest.mark.usefixtures("without_links")
def test_where_no_place_is_left_it_stays_in_its_file_and_the_error_names_it(
    peer: Peer, spool: Path, tmp_path: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    image = spooled(WAYS["sync"], peer, spool).image
    with full_disk(after=100), pytest.raises(OSError, match="saved elsewhere instead") as caught:
        image.save(tmp_path / "panda")
    del image

    assert caught.value.filename2 == str(only_file(spool))
    assert only_file(spool).read_bytes() == LARGE
    elsewhere.rmdir()  # it is empty


CHANGES: dict[str, Callable[[Path], object]] = {
    "removed": Path.unlink,
    "written": lambda file: file.write_bytes(b"another"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=list(CHANGES))
def test_a_picture_whose_file_was_changed_is_not_given_out(
    change: Callable[[Path], object], picture: Image, tmp_path: Path
):
    change(picture.save(tmp_path / "panda"))

    with pytest.raises(ValueError, match=r"panda\.png' (was changed|can't be read any more)"):
        _ = picture.data


def test_threads_may_save_one_picture_at_once(picture: Image, spool: Path, tmp_path: Path):
    begin, saved = threading.Barrier(4), list[Path]()

    def save(n: int) -> None:
        begin.wait(PATIENCE)
        saved.append(picture.save(tmp_path / f"panda-{n}"))

    threads = [threading.Thread(target=save, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert [path.read_bytes() == LARGE for path in saved] == [True] * 4
    assert names(spool) == []


# -- Options ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("client", [Client, AsyncClient])
def test_the_folder_is_made(client: Callable[..., object], tmp_path: Path):
    client(MADE_UP_KEY, spool=tmp_path / "a" / "b")

    assert names(tmp_path / "a" / "b") == []


def test_a_relative_folder_is_that_of_when_the_client_was_made(
    peer: Peer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    with Client(MADE_UP_KEY, base_url=peer.url, spool="spool") as client:
        monkeypatch.chdir("/")
        drawn = client.sd35_turbo_txt2img(prompt="a lighthouse")

    assert only_file(tmp_path / "spool").read_bytes() == drawn.image.data


def test_a_copy_of_a_client_has_its_folder_or_another(peer: Peer, tmp_path: Path):
    with Client(MADE_UP_KEY, base_url=peer.url, spool=tmp_path / "one") as client:
        same = client.with_options(timeout=60).sd35_turbo_txt2img(prompt="a lighthouse")
        other = client.with_options(spool=tmp_path / "two").sd35_turbo_txt2img(prompt="a lighthouse")

        assert [len(names(tmp_path / name)) for name in ("one", "two")] == [1, 1]
    assert same.image == other.image


# -- The command line -------------------------------------------------------------------------------------


@pytest.mark.parametrize("writable", [True, False])
def test_the_command_takes_a_large_picture_straight_to_a_file_beside_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, writable: bool
):
    monkeypatch.setenv("SEGMIND_API_KEY", MADE_UP_KEY)
    folder = tmp_path / "folder"
    folder.mkdir()
    if not writable:

        def refuse(**_: object) -> None:
            raise PermissionError(errno.EACCES, "Permission denied")

        monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    parts: list[str] = []

    def look(connection: Connection) -> None:
        if writable:
            parts.append(wait_for_part(folder, connection).name)

    with serving(with_a_half(look)) as peer:
        given = ["sd35-turbo-txt2img", "--prompt", "a lighthouse", "--base-url", peer.url]
        done = CliRunner().invoke(commands, [*given, "--out", str(folder / "panda.png")])

    assert done.exit_code == 0, done.output
    assert len(parts) == writable
    assert names(folder) == ["panda.png"]
    assert (folder / "panda.png").read_bytes() == LARGE


# -- A batch ----------------------------------------------------------------------------------------------

JOBS = [{"prompt": f"a lighthouse {n}", "id": f"job-{n}"} for n in range(2)]
TURBO = "sd35_turbo_txt2img"


@pytest.mark.parametrize("driver", ["sync", "asyncio"])
def test_a_batch_takes_large_pictures_straight_to_its_folder(driver: Driver, tmp_path: Path):
    inodes: list[int] = []

    def look(connection: Connection) -> None:
        inodes.append(wait_for_part(tmp_path, connection).stat().st_ino)

    async def awaited(url: str) -> None:
        async with (
            AsyncClient(MADE_UP_KEY, base_url=url) as client,
            client.batch(JOBS, out=tmp_path, endpoint=TURBO, at_once=1) as batch,
        ):
            assert [outcome.state async for outcome in batch] == ["done"] * 2

    with serving(with_a_half(look)) as peer:
        if driver == "sync":
            with (
                Client(MADE_UP_KEY, base_url=peer.url) as client,
                client.batch(JOBS, out=tmp_path, endpoint=TURBO, at_once=1) as batch,
            ):
                assert [outcome.state for outcome in batch] == ["done"] * 2
        else:
            anyio.run(awaited, peer.url)

    stored = [tmp_path / f"job-{n}.png" for n in range(2)]
    assert [file.read_bytes() for file in stored] == [LARGE] * 2
    assert [file.stat().st_ino for file in stored] == inodes
    assert [name for name in names(tmp_path) if not name.startswith("journal")] == ["job-0.png", "job-1.png"]


def test_the_class_shows_the_attribute_that_reads_the_bytes():
    assert Image.data is vars(Image)["data"]
