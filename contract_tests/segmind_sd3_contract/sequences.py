"""Random sequences of faults, met by calls with random retry policies: is anything paid for twice?

A sequence is a server with faults in a row, a client with a policy, and a few calls. In-process, some sendings
are lost before they leave or on their way as well. What comes of it is judged by `ledger.py`.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any, Final

import anyio
import httpx
from rich.console import Console
from rich.progress import Progress
from segmind_sd3 import AsyncClient, Client, Generation, Retry, SegmindError

from segmind_sd3_contract.drivers import DRIVERS
from segmind_sd3_contract.fault_rows import ONE, ROWS
from segmind_sd3_contract.ledger import Sending, sent_in_vain
from segmind_sd3_contract.reference import MADE_UP_KEY, PROVOCATIONS, ReferenceServer
from segmind_sd3_contract.reference.deliveries import DELIVERIES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from segmind_sd3_contract.drivers import Driver

AT_ONCE: Final = 16
"""Sequences that run at once: most of their time is spent in waiting."""

_SMALL: Final = [name for name in PROVOCATIONS if not ROWS[name].large]
_KINDS: Final = (
    [name for name in _SMALL if ROWS[name].posts > 1],
    [name for name in _SMALL if name in DELIVERIES],
    _SMALL,
)
"""Faults that are tried again, faults of the wire, and all: drawn alike, or few calls would be repeated."""

_NEVER_LEFT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
_LOST: Final = (
    httpx.ReadError,
    httpx.ReadTimeout,
    httpx.WriteError,
    httpx.WriteTimeout,
    httpx.CloseError,
    httpx.RemoteProtocolError,
    ConnectionResetError,
)


@dataclass(frozen=True, slots=True)
class Plan:
    """One sequence. `losses` has the failure of each sending that does not arrive, by its number."""

    seeds: range
    faults: tuple[str, ...]
    losses: dict[int, type[Exception]]
    options: dict[str, Any]


def planned(number: int, seed: int, *, unknown: bool = False) -> Plan:
    """Draw the sequence of that number."""
    random = Random(f"{seed}:{number}")  # noqa: S311 - a test, not a secret
    lossy = {n: random.choice(_NEVER_LEFT if random.random() < 0.7 else _LOST) for n in range(15)}
    return Plan(
        seeds=range(10 * number, 10 * number + random.randint(1, 3)),
        faults=tuple(random.choice(random.choice(_KINDS)) for _ in range(random.randint(1, 6))),
        losses={n: loss for n, loss in lossy.items() if random.random() < 0.15},
        options={
            "timeout": random.choice((0.02, 0.05, 0.1, 0.3)),
            "retry": Retry(
                attempts=random.randint(1, 5),
                backoff=random.choice((0.0, 0.001, 0.01)),
                rate_limit_max=random.choice((0.0, 60.0)),
                unknown=unknown,
            ),
        },
    )


@dataclass(slots=True)
class Tally:
    """What came of the sequences so far; `wrong` is what must not be."""

    sequences: int = 0
    sendings: int = 0
    billed: int = 0
    repeated: int = 0
    ended: Counter[str] = field(default_factory=Counter[str])
    wrong: list[str] = field(default_factory=list[str])

    def add(self, number: int, sendings: Sequence[Sending], ends: Sequence[tuple[int, object]]) -> None:
        self.sequences += 1
        self.sendings += len(sendings)
        self.billed += sum(each.billed for each in sendings)
        self.repeated += len(sendings) - len({each.seed for each in sendings})
        self.ended.update("picture" if isinstance(end, Generation) else type(end).__name__ for _, end in ends)
        wrong = [*sent_in_vain(sendings), *_told_wrong(sendings, ends)]
        self.wrong += [f"sequence {number}: {each}" for each in wrong]


def _told_wrong(sendings: Sequence[Sending], ends: Iterable[tuple[int, object]]) -> Iterable[str]:
    """Compare what a call says of money with what the ledger has."""
    for seed, end in ends:
        billed = sum(each.billed for each in sendings if each.seed == seed)
        if not isinstance(end, (Generation, SegmindError)):
            yield f"call {seed} ended outside the tree: {type(end).__name__}: {end}"
        elif (says := True if isinstance(end, Generation) else end.billed) is not None and billed != says:
            yield f"call {seed} says billed={says}, and was billed {billed} times"


class _Road(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Carries a sequence's sendings to its server in-process, and loses some."""

    def __init__(self, server: ReferenceServer, plan: Plan) -> None:
        self.sendings: list[Sending] = []
        self._server = server
        self._losses = plan.losses
        self._sync = server.transport()
        self._async = server.async_transport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self._lose(request.read())
        try:
            return self._sync.handle_request(request)
        finally:
            self.sendings.append(Sending.of(self._server.ledger[-1]))

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self._lose(await request.aread())
        try:
            return await self._async.handle_async_request(request)
        finally:
            self.sendings.append(Sending.of(self._server.ledger[-1]))

    def _lose(self, body: bytes) -> None:
        if loss := self._losses.get(len(self.sendings)):
            unsent = loss in _NEVER_LEFT
            seed = json.loads(body)["seed"]
            self.sendings.append(Sending(seed, loss.__name__, billed=False, may_be_repeated=unsent))
            raise loss("lost")


def _calls(plan: Plan, ends: list[tuple[int, object]], **place: Any) -> None:
    with Client(MADE_UP_KEY, **place, **plan.options) as client:
        for seed in plan.seeds:
            try:
                ends.append((seed, client.sd35_turbo_txt2img(**{**ONE, "seed": seed})))
            except Exception as error:  # noqa: BLE001 - whatever it is, it is what came of the call
                ends.append((seed, error))


async def _acalls(plan: Plan, ends: list[tuple[int, object]], **place: Any) -> None:
    async with AsyncClient(MADE_UP_KEY, **place, **plan.options) as client:
        for seed in plan.seeds:
            try:
                ends.append((seed, await client.sd35_turbo_txt2img(**{**ONE, "seed": seed})))
            except Exception as error:  # noqa: BLE001 - as above
                ends.append((seed, error))
