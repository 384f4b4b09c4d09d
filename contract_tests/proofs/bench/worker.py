"""Measure one HTTP client: a process in the client's own environment, which has nothing else of the project.

Usage: `python worker.py CLIENT TASK_AS_JSON`. Each line of stdin is a command: a function's name and its
arguments, as JSON. Its result is printed as a line of JSON.
"""

from __future__ import annotations

import asyncio
import base64
import gc
import hashlib
import importlib
import json
import os
import resource
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

TIMEOUT: Final = 120.0
"""Seconds. A default of five could end a run on a busy machine."""

MAX_THREADS: Final = 64
LEAST_CALLS: Final = 3


def load(name: str) -> Any:
    """Import a module that is in the environment of one client alone."""
    return importlib.import_module(name)


class Task:
    """What each call does.

    Attributes:
        kind: `picture` draws and takes the bytes; `base64` draws and decodes the pictures of a JSON reply;
            `image` sends the picture of a file; `file` draws, and leaves the picture where it is, in a file
            if there is a folder for that; `credits` asks for the balance.
        url, path, body, key, operation, max_connections: how to call.
        file: the picture that is sent, or the folder; `small_file` is sent by the first call.
    """

    def __init__(self, text: str) -> None:
        given = json.loads(text)
        self.kind: str = given["kind"]
        self.url: str = given["url"]
        self.path: str = given["path"]
        self.body: dict[str, Any] = given["body"]
        self.key: str = given["key"]
        self.operation: str = given["operation"]
        self.max_connections: int = given["max_connections"]
        self.file: str = given["file"]
        self.small_file: str = given["small_file"]

    @property
    def headers(self) -> dict[str, str]:
        return {"x-api-key": self.key}

    def arguments(self) -> tuple[str, dict[str, Any] | None]:
        """Return the path and the JSON of a call."""
        if self.kind == "credits":
            return "/v1/get-user-credits", None
        if self.kind == "image":
            # As in the sample of the docs.
            text = base64.b64encode(Path(self.file).read_bytes()).decode("utf-8")
            return self.path, {**self.body, "image": text}
        return self.path, self.body

    def result(self, reply: bytes) -> list[bytes]:
        """Return what a user of the client makes of a reply."""
        if self.kind in ("picture", "image"):
            return [reply]
        content: dict[str, Any] = json.loads(bytes(reply))
        if self.kind == "credits":
            return [str(float(content["credits"])).encode()]
        texts: Any = content["image"]
        return [base64.b64decode(texts)] if isinstance(texts, str) else [*map(base64.b64decode, texts)]


Result = list[bytes]


# -- The clients ------------------------------------------------------------------------------------------


def options(task: Task) -> dict[str, Any]:
    """Return options of the SDK's clients."""
    spool = {"spool": task.file} if task.kind == "file" and task.file else {}
    return {"max_connections": task.max_connections, **spool}


def segmind_sd3(task: Task) -> Callable[[], Result]:
    client = load("segmind_sd3").Client(task.key, base_url=task.url, **options(task))
    draw = getattr(client, task.operation)

    def call() -> Result:
        if task.kind == "credits":
            return [str(client.credits().credits).encode()]
        image = {"image": task.file} if task.kind == "image" else {}
        images = draw(prompt=task.body["prompt"], **image).images
        return [] if task.kind == "file" else [each.data for each in images]

    return call


def segmind_sd3_async(task: Task) -> Callable[[], Awaitable[Result]]:
    client = load("segmind_sd3").AsyncClient(task.key, base_url=task.url, **options(task))
    draw = getattr(client, task.operation)

    async def call() -> Result:
        if task.kind == "credits":
            return [str((await client.credits()).credits).encode()]
        image = {"image": task.file} if task.kind == "image" else {}
        images = (await draw(prompt=task.body["prompt"], **image)).images
        return [] if task.kind == "file" else [each.data for each in images]

    return call


def httpx(task: Task, module: str = "httpx") -> Callable[[], Result]:
    library = load(module)
    # Its default of 20 idle connections would reopen most of 64.
    pool = library.Limits(
        max_connections=task.max_connections, max_keepalive_connections=task.max_connections
    )
    client = library.Client(base_url=task.url, headers=task.headers, limits=pool, timeout=TIMEOUT)

    def call() -> Result:
        path, body = task.arguments()
        return task.result((client.get(path) if body is None else client.post(path, json=body)).content)

    return call


def httpx_async(task: Task, module: str = "httpx") -> Callable[[], Awaitable[Result]]:
    library = load(module)
    pool = library.Limits(
        max_connections=task.max_connections, max_keepalive_connections=task.max_connections
    )
    client = library.AsyncClient(base_url=task.url, headers=task.headers, limits=pool, timeout=TIMEOUT)

    async def call() -> Result:
        path, body = task.arguments()
        reply = await (client.get(path) if body is None else client.post(path, json=body))
        return task.result(reply.content)

    return call


def requests(task: Task) -> Callable[[], Result]:
    library = load("requests")
    session = library.Session()
    session.mount("http://", library.adapters.HTTPAdapter(pool_maxsize=task.max_connections))

    def call() -> Result:
        path, body = task.arguments()
        method = "GET" if body is None else "POST"
        reply = session.request(method, task.url + path, json=body, headers=task.headers, timeout=TIMEOUT)
        return task.result(reply.content)

    return call


def requests_sample(task: Task) -> Callable[[], Result]:
    """Call as the sample of the docs does: without a session."""
    library = load("requests")

    def call() -> Result:
        path, body = task.arguments()
        return task.result(library.post(task.url + path, json=body, headers=task.headers).content)

    return call


def aiohttp_async(task: Task) -> Callable[[], Awaitable[Result]]:
    library = load("aiohttp")
    session: Any = None

    async def call() -> Result:
        nonlocal session
        if session is None:  # it is made in its event loop
            session = library.ClientSession(
                task.url,
                headers=task.headers,
                connector=library.TCPConnector(limit=task.max_connections),
                timeout=library.ClientTimeout(total=TIMEOUT),
            )
        path, body = task.arguments()
        async with session.get(path) if body is None else session.post(path, json=body) as reply:
            return task.result(await reply.read())

    return call


def segmind(task: Task) -> Callable[[], Result]:
    client = load("segmind").SegmindClient(task.key, base_url=f"{task.url}/v1", timeout=TIMEOUT)

    def call() -> Result:
        path, body = task.arguments()
        return task.result(client.run_sync(path.removeprefix("/v1/"), **(body or {})).content)

    return call


def pyreqwest(task: Task) -> Callable[[], Result]:
    client = load("pyreqwest.client").SyncClientBuilder().default_headers(task.headers).build()

    def call() -> Result:
        path, body = task.arguments()
        url = task.url + path
        request = client.get(url) if body is None else client.post(url).body_json(body)
        return task.result(request.build().send().bytes())

    return call


def pyreqwest_async(task: Task) -> Callable[[], Awaitable[Result]]:
    client = load("pyreqwest.client").ClientBuilder().default_headers(task.headers).build()

    async def call() -> Result:
        path, body = task.arguments()
        url = task.url + path
        request = client.get(url) if body is None else client.post(url).body_json(body)
        return task.result(await (await request.build().send()).bytes())

    return call


SYNC: Final[dict[str, Callable[[Task], Callable[[], Result]]]] = {
    "segmind_sd3": segmind_sd3,
    "httpx": httpx,
    "httpx2": lambda task: httpx(task, "httpx2"),
    "requests": requests,
    "requests, sample of the docs": requests_sample,
    "segmind": segmind,
    "pyreqwest": pyreqwest,
}
ASYNC: Final[dict[str, Callable[[Task], Callable[[], Awaitable[Result]]]]] = {
    "segmind_sd3": segmind_sd3_async,
    "httpx": httpx_async,
    "httpx2": lambda task: httpx_async(task, "httpx2"),
    "aiohttp": aiohttp_async,
    "pyreqwest": pyreqwest_async,
}


# -- The commands -----------------------------------------------------------------------------------------


class Worker:
    """The functions that stdin may name."""

    def __init__(self, name: str, task: Task, run: Callable[[Awaitable[Any]], Any]) -> None:
        self._name = name
        self._task = task
        self._run = run
        self._threads: ThreadPoolExecutor | None = None
        self._sync = SYNC[name](task) if name in SYNC else None
        self._async = ASYNC[name](task) if name in ASYNC else None

    def first(self) -> str:
        """Make a small call in each way, and return the digest of what came."""
        file, self._task.file = self._task.file, self._task.small_file
        results = [self._sync()] if self._sync else []
        if self._async:
            results.append(self._run(self._async()))
        self._task.file = file
        digests = {hashlib.sha256(b"".join(result)).hexdigest() for result in results}
        return digests.pop() if len(digests) == 1 else "the ways to call differ"

    def one_by_one(self, seconds: float) -> dict[str, float]:
        """Make one call after the other, and return the median time, the rate and the CPU time."""
        call = self._sync or (lambda: self._run(self._async()))  # type: ignore[misc]
        taken: list[float] = []
        gc.collect()
        cpu, began = time.process_time(), time.perf_counter()
        before = began
        while before - began < seconds or len(taken) < LEAST_CALLS:
            call()
            after = time.perf_counter()
            taken.append(after - before)
            before = after
        used = time.process_time() - cpu
        return {"p50": median(taken), "rate": len(taken) / (before - began), "cpu": used / len(taken)}

    def at_once(self, count: int, seconds: float) -> dict[str, float]:
        """Make calls, so many at once, and return the rate and the CPU time."""
        made = 0
        gc.collect()
        cpu, began = time.process_time(), time.perf_counter()

        async def calls(call: Callable[[], Awaitable[Result]]) -> None:
            nonlocal made
            while True:
                await call()
                made += 1
                if time.perf_counter() - began >= seconds:
                    return

        async def all_calls(call: Callable[[], Awaitable[Result]]) -> None:
            await asyncio.gather(*(calls(call) for _ in range(count)))

        def calls_of_a_thread(call: Callable[[], Result]) -> int:
            done = 0
            while not done or time.perf_counter() - began < seconds:
                call()
                done += 1
            return done

        if self._async:
            self._run(all_calls(self._async))
        elif self._sync:
            self._threads = self._threads or ThreadPoolExecutor(MAX_THREADS)
            threads = min(count, MAX_THREADS)
            made = sum(self._threads.map(calls_of_a_thread, [self._sync] * threads))
        taken = time.perf_counter() - began
        return {"rate": made / taken, "cpu": (time.process_time() - cpu) / made}

    def repeat(self, calls: int) -> float:
        """Make so many calls, one after the other, and return the median time."""
        assert self._sync  # noqa: S101 - asked of such a client alone
        taken: list[float] = []
        for _ in range(calls):
            before = time.perf_counter()
            self._sync()
            taken.append(time.perf_counter() - before)
        return median(taken)

    def memory(self) -> dict[str, float]:
        """Return the memory of this process, now and at its highest, in bytes."""
        # On Linux, the peak of getrusage includes the parent's.
        if (status := Path("/proc/self/status")).exists():
            lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
            return {"now": _kilobytes(lines["VmRSS"]), "peak": _kilobytes(lines["VmHWM"])}
        unit = 1 if sys.platform == "darwin" else 1024
        peak = float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)
        return {"now": peak, "peak": peak}


def _kilobytes(text: str) -> float:
    return 1024.0 * int(text.split(maxsplit=1)[0])


def main() -> None:
    with asyncio.Runner() as runner:

        def run(awaitable: Awaitable[Any]) -> Any:
            async def awaited() -> Any:
                return await awaitable

            return runner.run(awaited())

        worker = Worker(sys.argv[1], Task(sys.argv[2]), run)
        for line in sys.stdin:
            name, *arguments = json.loads(line)
            print(json.dumps(getattr(worker, name)(*arguments)), flush=True)
        # The clients need no orderly end.
        os._exit(0)


if __name__ == "__main__":
    main()
