"""Measure calls on loopback, each client in a process of its own, in turns: noise affects all alike."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

from segmind_sd3 import Client

from proofs.bench.figures import ALL_PICTURES, AT_64, FIRST_TENTH, IN_MEMORY, Figure
from proofs.bench.peers import HTTPX, OURS, PEERS, SAMPLE, SEGMIND
from proofs.bench.server import jpeg, reference_server, serving

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from proofs.bench.options import Options

KEY: Final = "SG_0123456789abcdef"
PROMPT: Final = "a panda"
DRAW: Final = "sd35_turbo_txt2img"
REDRAW: Final = "sd3_medium_img2img"
MAX_CONNECTIONS: Final = 100
"""The default of the SDK and of httpx."""

WORKER: Final = Path(__file__).with_name("worker.py")
WARM_UP: Final = 0.1
MB: Final = 1_000_000
IN_SYNC: Final = (OURS, HTTPX, "httpx2", "requests", SEGMIND, "pyreqwest")
AT_ONCE: Final = (OURS, HTTPX, "httpx2", "aiohttp", SEGMIND, "pyreqwest")
LEVELS: Final = (1, 8, 64, 256, 1000)
MANY: Final = 100_000
MANY_SHORT: Final = 1_000
STARTS: Final = 3


class Worker:
    """A client's process."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def ask(self, command: str, *arguments: object) -> Any:
        """Run a command of `worker.py`.

        Raises:
            SystemExit: the process ended.
        """
        assert self._process.stdin is not None  # noqa: S101 - it is a pipe
        assert self._process.stdout is not None  # noqa: S101 - as above
        self._process.stdin.write(json.dumps([command, *arguments]) + "\n")
        self._process.stdin.flush()
        if not (line := self._process.stdout.readline()):
            raise SystemExit(f"{self._process.args} ended in {command}")
        return json.loads(line)


@contextmanager
def workers(
    names: Sequence[str], url: str, kind: str, expected: bytes | None, files: tuple[str, str] = ("", "")
) -> Generator[dict[str, Worker]]:
    """Start the clients' processes, and make a first call in each. `files` are the picture and a small one.

    Raises:
        SystemExit: a call returned something else than expected.
    """
    task = task_of(kind, url, files)
    with ExitStack() as stack:
        running: dict[str, Worker] = {}
        for name in names:
            command = [PEERS[name].python, "-P", WORKER, name, task]
            process = stack.enter_context(
                subprocess.Popen(  # noqa: S603 - our own program
                    command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment()
                )
            )
            running[name] = Worker(process)
            digest = running[name].ask("first")
            if expected is not None and digest != hashlib.sha256(expected).hexdigest():
                raise SystemExit(f"{name} returned something else than the server sent ({kind})")
        yield running


def task_of(kind: str, url: str, files: tuple[str, str] = ("", "")) -> str:
    """Return a task for `worker.py`."""
    operation = REDRAW if kind == "image" else DRAW
    path, body = request(operation)
    return json.dumps(
        {
            "kind": kind,
            "url": url,
            "path": path,
            "body": body,
            "key": KEY,
            "operation": operation,
            "max_connections": MAX_CONNECTIONS,
            "file": files[0],
            "small_file": files[1],
        }
    )


def request(operation: str) -> tuple[str, dict[str, Any]]:
    """Return path and JSON of the SDK's own request, so that the others send the same."""
    image = {"image": jpeg(1000)} if operation == REDRAW else {}
    with Client(KEY, base_url="http://127.0.0.1") as client:
        prepared = client.prepare(operation, prompt=PROMPT, **image)
    return prepared.url.removeprefix("http://127.0.0.1"), prepared.body


def environment() -> dict[str, str]:
    """Return the variables of a process: compiled files are kept, and no proxy is between it and loopback."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "NO_PROXY": "*", "no_proxy": "*"}


def turns(names: Sequence[str], rounds: int) -> Iterator[list[str]]:
    """Yield the names for each round. Another one goes first each time."""
    for number in range(rounds):
        first = number % len(names)
        yield [*names[first:], *names[:first]]


# -- The figures ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Reply:
    """What the bare server sends, and the pictures, or the balance, that a client makes of it."""

    name: str
    kind: str
    media_type: str
    body: bytes
    expected: bytes


def replies(*, short: bool) -> Iterator[Reply]:
    for size in (300_000, 30_000) if short else (300_000, 30_000, 4 * MB):
        name = f"{size // 1000} KB" if size < MB else f"{size // MB} MB"
        yield Reply(name, "picture", "image/jpeg", picture := jpeg(size), picture)
    if short:
        return
    for count in (1, 4):
        pictures = [jpeg(300_000)] * count
        texts = [base64.b64encode(each).decode() for each in pictures]
        body = json.dumps({"image": texts if count > 1 else texts[0]}).encode()
        name = f"base64, {count} x 300 KB"
        yield Reply(name, "base64", "application/json", body, b"".join(pictures))
    yield Reply("small JSON", "credits", "application/json", b'{"credits": 12.5}', b"12.5")


def single_calls(options: Options) -> Iterator[Figure]:
    """Measure one call after the other, with replies of several kinds."""
    for reply in replies(short=options.short):
        names = options.clients(IN_SYNC)
        if reply.kind == "credits":
            names = [name for name in names if name != SEGMIND]  # it asks another host for them
        measured: dict[str, list[dict[str, float]]] = {name: [] for name in names}
        with (
            serving(options.server, reply.body, reply.media_type) as url,
            workers(names, url, reply.kind, reply.expected) as running,
        ):
            for name in names:
                running[name].ask("one_by_one", WARM_UP)
            for turn in turns(names, options.rounds):
                for name in turn:
                    measured[name].append(running[name].ask("one_by_one", options.seconds))
            peaks = {name: [running[name].ask("memory")["peak"] / MB] for name in names}
        yield Figure(f"sync, {reply.name}: p50", "µs", _column(measured, "p50", 1e6))
        yield Figure(f"sync, {reply.name}: rate", "1/s", _column(measured, "rate"), more_is_better=True)
        yield Figure(f"sync, {reply.name}: CPU", "µs", _column(measured, "cpu", 1e6))
        yield Figure(f"sync, {reply.name}: peak memory", "MB", peaks)


def _column(
    measured: dict[str, list[dict[str, float]]], key: str, factor: float = 1
) -> dict[str, list[float]]:
    return {name: [each[key] * factor for each in values] for name, values in measured.items()}


def calls_at_once(options: Options) -> Iterator[Figure]:
    """Measure many calls at once. `segmind` has no async client: it runs in threads, 64 at most."""
    names = options.clients(AT_ONCE)
    for size in (300_000, 30_000):
        picture = jpeg(size)
        measured: dict[int, dict[str, list[dict[str, float]]]] = {
            level: {each: [] for each in names} for level in LEVELS
        }
        with (
            serving(options.server, picture) as url,
            workers(names, url, "picture", picture) as running,
        ):
            for each in names:
                running[each].ask("at_once", 64, WARM_UP)
            for turn in turns(names, options.rounds):
                for level in LEVELS:
                    for each in turn:
                        measured[level][each].append(running[each].ask("at_once", level, options.seconds))
            peaks = {each: [running[each].ask("memory")["peak"] / MB] for each in names}
        for level in LEVELS:
            name = f"async, {size // 1000} KB, {level:,} at once"
            rates = _column(measured[level], "rate")
            if level == 256:
                rates[AT_64] = [each["rate"] for each in measured[64][OURS]]
            yield Figure(f"{name}: rate", "1/s", rates, more_is_better=True)
            yield Figure(f"{name}: CPU", "µs", _column(measured[level], "cpu", 1e6))
        yield Figure(f"async, {size // 1000} KB: peak memory", "MB", peaks)


def pictures_in(options: Options) -> Iterator[Figure]:
    """Measure calls that send a big picture, beside the sample of the docs."""
    names = options.clients((OURS, SAMPLE))
    reply = jpeg(30_000)
    with TemporaryDirectory() as folder, serving(options.server, reply) as url:
        small = _file(folder, 1000)
        for megabytes in (8, 16):
            files = _file(folder, megabytes * MB), small
            times: dict[str, list[float]] = {each: [] for each in names}
            memory: dict[str, list[float]] = {each: [] for each in names}
            for turn in turns(names, options.rounds):
                # A new process has the memory of no earlier call.
                with workers(turn, url, "image", reply, files) as running:
                    for each in turn:
                        idle = running[each].ask("memory")["now"]
                        times[each].append(running[each].ask("one_by_one", options.seconds)["p50"] * 1e3)
                        memory[each].append((running[each].ask("memory")["peak"] - idle) / MB)
            yield Figure(f"{megabytes} MB picture in: p50", "ms", times)
            yield Figure(f"{megabytes} MB picture in: memory", "MB", memory)
        if OURS in names:
            with workers([OURS], url, "image", reply, (_file(folder, 16 * MB), small)) as running:
                idle = running[OURS].ask("memory")["now"]
                running[OURS].ask("at_once", 64, 0)
                above = (running[OURS].ask("memory")["peak"] - idle) / MB
            name = "64 pictures of 16 MB in at once: memory"
            yield Figure(name, "MB", {OURS: [above], ALL_PICTURES: [64 * 16.0]})


def pictures_to_files(options: Options) -> Iterator[Figure]:
    """Measure calls whose pictures go straight to a file, beside calls that hold them in memory."""
    reply = jpeg(4 * MB)
    times: dict[str, list[float]] = {OURS: [], IN_MEMORY: []}
    memory: dict[str, list[float]] = {OURS: [], IN_MEMORY: []}
    with serving(options.server, reply) as url, TemporaryDirectory() as folder:
        for turn in turns(list(times), options.rounds):
            for each in turn:
                files = folder if each == OURS else "", ""
                # A new process has the memory of no earlier call.
                with workers([OURS], url, "file", None, files) as running:
                    idle = running[OURS].ask("memory")["now"]
                    times[each].append(running[OURS].ask("one_by_one", options.seconds)["p50"] * 1e3)
                    running[OURS].ask("at_once", 64, 0)
                    memory[each].append((running[OURS].ask("memory")["peak"] - idle) / MB)
    yield Figure("4 MB replies, straight to a file: p50", "ms", times)
    yield Figure("64 replies of 4 MB at once, straight to files: memory", "MB", memory)


def _file(folder: str, size: int) -> str:
    file = Path(folder, f"{size}.jpg")
    if not file.exists():
        file.write_bytes(jpeg(size))
    return str(file)


def many_calls(options: Options) -> Iterator[Figure]:
    """Measure the last calls of a long run in one process, in turns with the first calls of another."""
    picture = jpeg(30_000)
    calls = MANY_SHORT if options.short else MANY
    tenth = calls // 10
    times: dict[str, list[float]] = {OURS: [], FIRST_TENTH: []}
    with serving(options.server, picture) as url, workers([OURS], url, "picture", picture) as old:
        old[OURS].ask("repeat", tenth)
        first = old[OURS].ask("memory")["now"] / MB
        for _ in range(8):
            old[OURS].ask("repeat", tenth)
        with workers([OURS], url, "picture", picture) as new:
            new[OURS].ask("one_by_one", WARM_UP)
            for turn in turns([OURS, FIRST_TENTH], options.rounds):
                for name in turn:
                    worker = (old if name == OURS else new)[OURS]
                    times[name].append(worker.ask("repeat", tenth // options.rounds) * 1e6)
        last = old[OURS].ask("memory")["now"] / MB
    yield Figure(f"{calls:,} calls: p50 of the last tenth", "µs", times)
    memory = {OURS: [last], FIRST_TENTH: [first]}
    yield Figure(f"{calls:,} calls: memory after the last tenth", "MB", memory)


def starts(options: Options) -> Iterator[Figure]:
    """Measure new processes that import a client, make one, and make a first call; a bare one is deducted."""
    picture = jpeg(30_000)
    path, body = request(DRAW)
    names = options.clients((OURS, HTTPX, "httpx2", "requests", "aiohttp", SEGMIND, "pyreqwest"))
    with serving(options.server, picture) as url:
        constants = f"URL, PATH, BODY, KEY = {(url, path, body, KEY)!r}"
        for name, count in (("import", 1), ("import, client made", 2), ("import, first call made", 3)):
            programs = {
                each: "\n".join((constants, *lines[:count]))
                for each in names
                if all((lines := (PEERS[each].imported, PEERS[each].made, PEERS[each].called))[:count])
            }
            for each, program in programs.items():
                _start(each, program)  # writes compiled files, and fills the disk cache
            taken: dict[str, list[float]] = {each: [] for each in programs}
            for turn in turns(list(programs), options.rounds):
                for each in turn:
                    pairs = [
                        (_start(each, programs[each]), _start(each, constants)) for _ in range(options.starts)
                    ]
                    whole, bare = (median(values) for values in zip(*pairs, strict=True))
                    taken[each].append((whole - bare) * 1e3)
            yield Figure(name, "ms", taken)


def _start(name: str, program: str) -> float:
    before = time.perf_counter()
    subprocess.run([PEERS[name].python, "-P", "-c", program], env=environment(), check=True)  # noqa: S603 - above
    return time.perf_counter() - before


def reference_calls(options: Options) -> Iterator[Figure]:
    """Measure how many calls a second the reference server answers, with a new picture for each."""
    names = options.clients((OURS,))
    with reference_server() as url, workers(names, url, "picture", None) as running:
        measured = {
            each: [running[each].ask("at_once", 8, options.seconds) for _ in range(options.rounds)]
            for each in names
        }
    yield Figure("reference server, 8 at once: rate", "1/s", _column(measured, "rate"), more_is_better=True)
