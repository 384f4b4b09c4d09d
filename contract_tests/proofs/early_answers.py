"""Prove that a caller gets an answer that comes before its large body was read.

The server process reads the head of a request, answers 413, 401, 402 or 429, and closes. The unread body
makes the system reset the connection, and the reset may discard the answer.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

import anyio
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from segmind_sd3 import APIError, AsyncClient, Client, Retry, SegmindError

from proofs.fixtures.drivers import DRIVERS
from proofs.fixtures.seeds import Incoming, close_at_once, key_for, picture
from proofs.fixtures.server_process import server_process
from proofs.fixtures.sockets import reply

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from segmind_sd3 import Prepared

    from proofs.fixtures.drivers import Driver
    from proofs.fixtures.server_process import ServerProcess
    from proofs.fixtures.sockets import Connection

Scheme = Literal["http", "https"]

STATUSES: Final = (413, 401, 402, 429)

SIZES: Final = (0.1, 4.0, 12.0)
"""The sizes of the body, in megabytes."""

TRIES: Final = 25

MIN_SHARE: Final[dict[Scheme, float]] = {"http": 1.0, "https": 22 / 25}
"""The minimum share of tries that end with the answer. Over TLS a reset may discard it."""

DEADLINE: Final = 30.0


class EarlyAnswers:
    """A server that answers with the status in the key, without reading the body."""

    def script(self, connection: Connection) -> None:
        head = Incoming(connection.socket).head()
        if head is not None:
            error = json.dumps({"error": f"early {head.seed}"}).encode()
            connection.send(reply(head.seed, error, content_type="application/json", connection="close"))
        close_at_once(connection.socket)


@dataclass(slots=True)
class Cell:
    """The results of one kind of try.

    Attributes:
        answered: The number of tries that ended with the answer and billed=False.
        others: The other ends and their `billed`, counted.
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

    def problem(self) -> str | None:
        """Return what is wrong with the results, or None."""
        if self.answered < int(MIN_SHARE[self.scheme] * self.tries):
            return f"{self.answered} of {self.tries} got the answer"
        if any(end.endswith("billed=False") for end in self.others):
            return "a lost answer is reported as billed=False"
        return None


def params_of(megabytes: float) -> dict[str, Any]:
    """Return the parameters of a call whose body has this size. Base64 takes four bytes for three."""
    return {"prompt": "a lighthouse", "image": picture(0, size=int(megabytes * 1e6 * 3 / 4))}


def try_calls(
    driver: Driver,
    server: ServerProcess,
    megabytes: float,
    *,
    statuses: Sequence[int] = STATUSES,
    tries: int = TRIES,
    after_each: Callable[[], object] = lambda: None,
) -> list[Cell]:
    """Make the calls of one driver and size. `after_each` is called after each."""
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
                cell.note(_outcome(client.with_options(api_key=key_for(cell.status)), prepared))
                after_each()

    async def awaited() -> None:
        async with AsyncClient(key_for(0), **options) as client:
            prepared = await client.prepare("sd3_medium_img2img", **params)
            for cell, _ in itertools.product(cells, range(tries)):
                cell.note(await _async_outcome(client.with_options(api_key=key_for(cell.status)), prepared))
                after_each()

    if driver == "sync":
        blocking()
    else:
        anyio.run(awaited, backend=driver)
    return cells


def _outcome(client: Client, prepared: Prepared) -> object:
    try:
        return client.send(prepared)
    except Exception as error:  # noqa: BLE001 - any exception is a result
        return error


async def _async_outcome(client: AsyncClient, prepared: Prepared) -> object:
    try:
        return await client.send(prepared)
    except Exception as error:  # noqa: BLE001 - as above
        return error


def _table(cells: Sequence[Cell]) -> Table:
    """Return a table with a row for each driver, scheme and size, and a column for each status."""
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
            style="red" if any(cell.problem() for cell in row) else None,
        )
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tries", type=int, default=TRIES, help="for each driver, scheme, size and status")
    parser.add_argument("--driver", choices=DRIVERS, action="append", help="try only this driver")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    # Without a terminal, rich assumes a narrow one, and would cut names.
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 120)
    drivers: list[Driver] = options.driver or list(DRIVERS)
    cells: list[Cell] = []
    begun = time.perf_counter()
    with Progress(console=Console(stderr=True)) as progress:
        for tls in (False, True):
            with server_process(EarlyAnswers, tls=tls) as server:
                for driver, megabytes in itertools.product(drivers, SIZES):
                    name = f"{driver}, {'https' if tls else 'http'}, {megabytes:g} MB"
                    bar = progress.add_task(name, total=options.tries * len(STATUSES))
                    cells += try_calls(
                        *(driver, server, megabytes),
                        tries=options.tries,
                        after_each=lambda bar=bar: progress.advance(bar),
                    )
    failed = [cell for cell in cells if cell.problem()]
    if options.json:
        print(json.dumps([asdict(cell) for cell in cells], indent=1))
    else:
        console.print(_table(cells))
        for cell in failed:
            where = f"{cell.driver}, {cell.scheme}, {cell.megabytes:g} MB, {cell.status}"
            console.print(f"{where}: {cell.problem()}", style="red", markup=False)
        console.print(
            f"{sum(cell.tries for cell in cells)} calls in {time.perf_counter() - begun:.0f} s: "
            f"{sum(cell.answered for cell in cells)} got the early answer; "
            f"{len(failed)} of {len(cells)} kinds failed"
        )
    sys.exit(bool(failed))


if __name__ == "__main__":
    main()
