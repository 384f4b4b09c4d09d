"""Answers that come before a large body was read: does the caller have the answer, or a lost connection?

The server, a process of its own, reads the head of a request, answers 413, 401, 402 or 429, and closes at
once. What it has not read makes the system reset the connection, which may discard the answer on its way.
"""

from __future__ import annotations

import argparse
import itertools
import json
import struct
import sys
import time
import zlib
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

import anyio
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from segmind_sd3 import APIError, AsyncClient, Client, Retry, SegmindError

from proofs.fixtures.apart import apart
from proofs.fixtures.drivers import DRIVERS
from proofs.fixtures.seeds import Incoming, close_at_once, key_for
from proofs.fixtures.sockets import reply

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from segmind_sd3 import Prepared

    from proofs.fixtures.apart import Apart
    from proofs.fixtures.drivers import Driver
    from proofs.fixtures.sockets import Connection

Scheme = Literal["http", "https"]

STATUSES: Final = (413, 401, 402, 429)

SIZES: Final = (0.1, 4.0, 12.0)
"""Megabytes of the body."""

TRIES: Final = 25

AT_LEAST: Final[dict[Scheme, float]] = {"http": 1.0, "https": 22 / 25}
"""The share of the tries that must end with the answer. Over TLS a reset may discard it."""

DEADLINE: Final = 30.0


class Early:
    """A server that answers with the status that the key names, and reads no body."""

    def script(self, connection: Connection) -> None:
        head = Incoming(connection.socket).head()
        if head is not None:
            error = json.dumps({"error": f"early {head.seed}"}).encode()
            connection.send(reply(head.seed, error, content_type="application/json", connection="close"))
        close_at_once(connection.socket)


@dataclass(slots=True)
class Cell:
    """What came of the tries of one kind.

    Attributes:
        answered: how many ended with the answer, and say that nothing was billed.
        others: how the others ended, and what they say of the bill.
    """

    driver: Driver
    scheme: Scheme
    megabytes: float
    status: int
    tries: int = 0
    answered: int = 0
    others: Counter[str] = field(default_factory=Counter[str])

    def note(self, end: object) -> None:
        self.tries += 1
        if isinstance(end, APIError) and (end.status, end.billed) == (self.status, False):
            self.answered += 1
        elif isinstance(end, SegmindError):
            self.others[f"{type(end).__name__}, billed={end.billed}"] += 1
        else:
            self.others[f"{type(end).__name__}: {end}"] += 1

    def wrong(self) -> str | None:
        """Say what must not be of it."""
        if self.answered < int(AT_LEAST[self.scheme] * self.tries):
            return f"{self.answered} of {self.tries} have the answer"
        if any(end.endswith("billed=False") for end in self.others):
            return "a lost answer is reported as billed=False"
        return None


def picture_of(size: int) -> bytes:
    """Give a PNG of so many bytes: a small picture, and a chunk that nobody reads."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    return b"\x89PNG\r\n\x1a\n" + b"".join(
        (
            chunk(b"IHDR", struct.pack(">IIBBBBB", 64, 64, 8, 0, 0, 0, 0)),
            chunk(b"fiLL", bytes(size)),
            chunk(b"IDAT", zlib.compress(bytes(65 * 64))),
            chunk(b"IEND", b""),
        )
    )


def params_of(megabytes: float) -> dict[str, Any]:
    """Give what a call is asked for, so that its body has the size: base64 takes four bytes for three."""
    return {"prompt": "a lighthouse", "image": picture_of(int(megabytes * 1e6 * 3 / 4))}


def tried(
    driver: Driver,
    server: Apart,
    megabytes: float,
    *,
    statuses: Sequence[int] = STATUSES,
    tries: int = TRIES,
    each: Callable[[], object] = lambda: None,
) -> list[Cell]:
    """Make the calls of one way and size, one after the other; `each` is called after each."""
    scheme: Scheme = "https" if server.url.startswith("https:") else "http"
    cells = [Cell(driver, scheme, megabytes, status) for status in statuses]
    options: dict[str, Any] = {
        "base_url": server.url,
        "verify": server.trust,
        "timeout": DEADLINE,
        "retry": Retry(attempts=1),
    }
    params = params_of(megabytes)

    def blocking() -> None:
        with Client(key_for(0), **options) as client:
            prepared = client.prepare("sd3_medium_img2img", **params)
            for cell, _ in itertools.product(cells, range(tries)):
                cell.note(_end_of(client.with_options(api_key=key_for(cell.status)), prepared))
                each()

    async def awaited() -> None:
        async with AsyncClient(key_for(0), **options) as client:
            prepared = await client.prepare("sd3_medium_img2img", **params)
            for cell, _ in itertools.product(cells, range(tries)):
                cell.note(await _aend_of(client.with_options(api_key=key_for(cell.status)), prepared))
                each()

    if driver == "sync":
        blocking()
    else:
        anyio.run(awaited, backend=driver)
    return cells


def _end_of(client: Client, prepared: Prepared) -> object:
    try:
        return client.send(prepared)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what came of the call
        return error


async def _aend_of(client: AsyncClient, prepared: Prepared) -> object:
    try:
        return await client.send(prepared)
    except Exception as error:  # noqa: BLE001 - as above
        return error


def _table(cells: Sequence[Cell]) -> Table:
    """Give a row for each way, scheme and size, with a column for each status."""
    table = Table("", "MB", *(f"{status} of {cells[0].tries}" for status in STATUSES), "others")
    for (driver, scheme, megabytes), same in itertools.groupby(
        cells, lambda cell: (cell.driver, cell.scheme, cell.megabytes)
    ):
        row = list(same)
        others: Counter[str] = sum((cell.others for cell in row), Counter[str]())
        table.add_row(
            *(f"{driver}, {scheme}", f"{megabytes:g}"),
            *(str(cell.answered) for cell in row),
            ", ".join(f"{count} {end}" for end, count in others.most_common()),
            style="red" if any(cell.wrong() for cell in row) else None,
        )
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tries", type=int, default=TRIES, help="of each way, scheme, size and status")
    parser.add_argument("--driver", choices=DRIVERS, action="append", help="try this one")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    # A name that is cut short is none; where there is no terminal, rich takes it to be a narrow one.
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
    drivers: list[Driver] = asked.driver or list(DRIVERS)
    cells: list[Cell] = []
    begun = time.perf_counter()
    with Progress(console=Console(stderr=True)) as progress:
        for tls in (False, True):
            with apart(Early, tls=tls) as server:
                for driver, megabytes in itertools.product(drivers, SIZES):
                    name = f"{driver}, {'https' if tls else 'http'}, {megabytes:g} MB"
                    bar = progress.add_task(name, total=asked.tries * len(STATUSES))
                    cells += tried(
                        *(driver, server, megabytes),
                        tries=asked.tries,
                        each=lambda bar=bar: progress.advance(bar),
                    )
    wrong = [cell for cell in cells if cell.wrong()]
    if asked.json:
        print(json.dumps([asdict(cell) for cell in cells], indent=1))
    else:
        console.print(_table(cells))
        for cell in wrong:
            where = f"{cell.driver}, {cell.scheme}, {cell.megabytes:g} MB, {cell.status}"
            console.print(f"{where}: {cell.wrong()}", style="red", markup=False)
        console.print(
            f"{sum(cell.tries for cell in cells)} calls in {time.perf_counter() - begun:.0f} s: "
            f"{sum(cell.answered for cell in cells)} have the early answer; "
            f"{len(wrong)} of {len(cells)} kinds are not as they must be"
        )
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
