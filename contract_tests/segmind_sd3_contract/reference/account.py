"""The account: credits, the rate limit, and a ledger of every call.

Only this module changes a balance, under one lock, in decimal: ten calls at 0.0035 cost 0.035.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from segmind_sd3_contract.pricing import UNLISTED, usd_per_picture

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

WINDOW: Final = 60.0
"""Seconds in which `rate_limit` calls are let through."""

MOST_ENTRIES: Final = 1000
"""Entries that the ledger keeps; the oldest go first, since each holds its request's body."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One call in the ledger.

    `n` numbers the calls as they came in, from 1. `time` is in seconds since 1970, `cost` and `balance`
    (after the call) in USD. `operation` is the operationId, or None where no endpoint was called. `key`
    is a fingerprint, never the key. `body` is the parsed JSON of the request, or None; `digest` is the
    SHA-256 of its bytes, in hex. `provocation` names what was provoked.
    """

    n: int
    time: float
    method: str
    path: str
    operation: str | None
    key: str | None
    body: Any = field(repr=False)
    digest: str
    status: int
    cost: float
    balance: float
    request_id: str
    provocation: str | None = None


def price_list(slugs: Iterable[str], changes: Mapping[str, float]) -> Mapping[str, Decimal]:
    """Return the price of one picture in USD for each slug: the known ones, with changes laid over them.

    Raises ValueError for a change to another slug.
    """
    slugs = tuple(slugs)
    if unknown := changes.keys() - set(slugs):
        raise ValueError(f"There is no {', '.join(sorted(unknown))} to price: there are {', '.join(slugs)}.")
    known = {**usd_per_picture(), **changes}
    return {slug: Decimal(str(known.get(slug, UNLISTED))) for slug in slugs}


class Account:
    """Credits in USD, and the calls that moved them. Safe to use from several threads.

    Raises ValueError for a balance that is negative or no number.
    """

    def __init__(self, balance: float, rate_limit: int | None, clock: Callable[[], float]) -> None:
        if not 0 <= balance < math.inf:
            raise ValueError(f"An account begins with some credits or none, not with {balance}.")
        self._lock = threading.Lock()
        self._balance = Decimal(str(balance))
        self._rate_limit = rate_limit
        self._clock = clock
        self._window_ends = float("-inf")
        self._calls_in_window = 0
        self._entries: deque[Entry] = deque(maxlen=MOST_ENTRIES)

    @property
    def balance(self) -> Decimal:
        """What is left, in USD."""
        return self._balance

    @property
    def credits(self) -> float:
        """What is left, in USD, as the wire tells it."""
        return float(self._balance)

    @property
    def entries(self) -> tuple[Entry, ...]:
        with self._lock:
            return tuple(self._entries)

    def admit(self) -> float | None:
        """Count one call against the rate limit; give when the window ends where that is one too many."""
        if self._rate_limit is None:
            return None
        with self._lock:
            now = self._clock()
            if now >= self._window_ends:
                self._window_ends, self._calls_in_window = now + WINDOW, 0
            self._calls_in_window += 1
            return self._window_ends if self._calls_in_window > self._rate_limit else None

    def pay(self, cost: Decimal) -> Decimal | None:
        """Take what a call costs and give the balance after it, or None where there is too little to take."""
        with self._lock:
            if cost > self._balance:
                return None
            self._balance -= cost
            return self._balance

    def record(self, entry: Entry) -> None:
        """Keep an entry."""
        with self._lock:
            self._entries.append(entry)
