"""What the reference server answers: a request in, an answer out.

`answer` is a plain function without I/O, safe to call from several threads. Only a 200 is billed, or an error
that was provoked as billed. Every answer names the balance, and says that it comes from a reference server.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from email.utils import formatdate
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any, Final, cast

from segmind_sd3_contract.reference.account import Account, Entry, price_list
from segmind_sd3_contract.reference.contract import Operation, Profile, key_pattern, operations
from segmind_sd3_contract.reference.exchange import Answer, Request
from segmind_sd3_contract.reference.faults import error_text, failed, iso_utc, page
from segmind_sd3_contract.reference.orders import MOST_RANDOM_SEED, BadValueError, Order, taken
from segmind_sd3_contract.reference.pictures import Gallery, drawn, encoded
from segmind_sd3_contract.reference.provocations import Provocation, Queue, named
from segmind_sd3_contract.reference.reply_faults import as_json, media_type_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

GALLERY: Final = Gallery()
"""Shared by all servers of a process: a file's name says all that it is made of."""

CREDITS_PATH: Final = "/v1/get-user-credits"
DEEPEST: Final = 64


class _RefusalError(Exception):
    """The call ends here, with this status."""

    def __init__(
        self, status: int, body: bytes, media_type: str = "application/json", **headers: str
    ) -> None:
        self.status, self.body, self.media_type, self.headers = status, body, media_type, headers


@dataclass(frozen=True, slots=True)
class _Settled:
    answer: Answer
    balance: Decimal
    cost: Decimal = Decimal(0)
    provocation: Provocation | None = None


class Service:
    """A server that answers as the contract says, with pictures that it draws itself.

    `profile` is "documented" (bounds, defaults and required fields as on the pages, and a bad value is a
    406) or "observed" (what is known of the live service stands above the pages, and a bad value is a
    400). `credits` is in USD. `keys` are the keys that are let in; None lets in every well-formed one.
    `prices` replaces the price of a picture in USD, by slug; a call costs its price times its pictures,
    whatever their size and steps (the live prices are averages; how they follow steps and size is not
    known). `rate_limit` is in calls a minute. `clock` gives seconds since 1970. `seed` decides every
    random seed and request id. `document` is the contract to read in place of the packaged one. With
    `strict_required`, "observed" refuses a call without what its page requires, though such calls were
    reported to be drawn.

    Raises ValueError for an unknown profile, impossible credits, or a price of an unknown slug.
    """

    def __init__(
        self,
        profile: Profile = "observed",
        credits: float = 10.0,  # noqa: A002  the service's own word
        *,
        keys: Collection[str] | None = None,
        penniless: Collection[str] = (),
        prices: Mapping[str, float] | None = None,
        rate_limit: int | None = None,
        clock: Callable[[], float] = time.time,
        seed: int = 0,
        document: Mapping[str, Any] | None = None,
        strict_required: bool = False,
    ) -> None:
        self.profile: Final = profile
        self.operations: Final = operations(profile, document, strict_required=strict_required)
        self._refusal: Final = 406 if profile == "documented" else 400
        self._keys = None if keys is None else frozenset((*keys, *penniless))
        self._penniless = frozenset(penniless)
        self._well_formed = key_pattern()
        self._clock = clock
        self._seed = seed
        self._random = Random(seed)  # noqa: S311  a picture's seed, not a secret
        self._numbers = itertools.count(1)
        self._account = Account(credits, rate_limit, clock)
        self._provocations = Queue()
        self._prices = price_list((each.slug for each in self.operations.values()), prices or {})

    @property
    def credits(self) -> float:
        """What is left on the account, in USD."""
        return self._account.credits

    @property
    def ledger(self) -> tuple[Entry, ...]:
        """The latest calls, oldest first."""
        return self._account.entries

    def provoke(self, name: str, times: int | None = 1, operation: str | None = None) -> None:
        """Let the next `times` calls of an operation (of any: None) that would have been a 200 go wrong.

        `times=None` means for ever. Provocations wait in the order in which they were asked for, and one
        call meets one; those for ever take turns. Raises ValueError for an unknown name or operation.
        """
        self._arm(named(name), times, operation)

    def fail_next(
        self,
        status: int,
        error: str = "Provoked",
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        times: int | None = 1,
        operation: str | None = None,
    ) -> None:
        """Answer the next calls with a status of 300 to 599, unbilled.

        The body is `{"error": error}`, or `body` where that is given. Raises ValueError for other statuses.
        """
        if not 300 <= status <= 599:
            raise ValueError(f"A failure has a status of 300 to 599, not {status}.")
        sent = error_text(error) if body is None else body
        added = {name.lower(): value for name, value in (headers or {}).items()}
        change = partial(failed, status=status, body=sent, media_type="application/json", **added)
        self._arm(
            Provocation(f"fail_next:{status}", f"A {status}.", billed=False, change=change), times, operation
        )

    def calm(self) -> None:
        """Forget every provocation that was not met yet."""
        self._provocations.clear()

    def _arm(self, provocation: Provocation, times: int | None, operation: str | None) -> None:
        known = [each.operation_id for each in self.operations.values()]
        if operation is not None and operation not in known:
            raise ValueError(f"There is no operation {operation!r}: they are {', '.join(known)}.")
        self._provocations.arm(provocation, times, operation)

    def answer(self, request: Request) -> Answer:
        """Answer one request."""
        n, now = next(self._numbers), self._clock()
        path = request.path.partition("?")[0]
        operation = self.operations.get(path)
        request_id = str(uuid.UUID(bytes=hashlib.sha256(f"{self._seed}:{n}".encode()).digest()[:16]))
        key = request.headers.get("x-api-key")
        balance = Decimal(0) if key in self._penniless else self._account.balance
        blank = Answer(
            200,
            {
                "date": formatdate(now, usegmt=True),
                "x-reference-server": "segmind-sd3",
                "x-request-id": request_id,
                "x-remaining-credits": _written(balance),
            },
            b"",
        )
        body = _parsed(request.body)
        try:
            self._admit(request, path, operation)
            if operation is None:
                settled = _Settled(blank.with_json({"credits": float(balance), "free-credits": 0.0}), balance)
            else:
                settled = self._settle(operation, body, blank, balance)
        except _RefusalError as refused:
            refusal = failed(blank, refused.status, refused.body, refused.media_type, **refused.headers)
            settled = _Settled(refusal, balance)
        self._account.record(
            Entry(
                n=n,
                time=now,
                method=request.method,
                path=path,
                operation=operation.operation_id if operation else None,
                key=hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()[:12] if key else None,
                body=body,
                digest=hashlib.sha256(request.body).hexdigest(),
                status=settled.answer.status,
                cost=float(settled.cost),
                balance=float(settled.balance),
                request_id=request_id,
                provocation=settled.provocation.name if settled.provocation else None,
            )
        )
        return settled.answer

    def _admit(self, request: Request, path: str, operation: Operation | None) -> None:
        """Refuse what never reaches a model: the wrong address, method, key, pace or content type."""
        if operation is None and path != CREDITS_PATH:
            raise _RefusalError(404, error_text("Not Found"))
        allowed = "POST" if operation else "GET"
        if request.method != allowed:
            raise _RefusalError(405, page("405 Method Not Allowed"), "text/html", allow=allowed)
        key = request.headers.get("x-api-key")
        if key is None and "authorization" not in request.headers:
            raise _RefusalError(401, error_text("Missing Authorization or x-api-key in header"))
        if key is None or not (self._well_formed.fullmatch(key) if self._keys is None else key in self._keys):
            raise _RefusalError(401, error_text("Unauthorized. API key is invalid or may have expired..."))
        if operation is None:
            return
        if (ends := self._account.admit()) is not None:
            reset = iso_utc(datetime.fromtimestamp(math.ceil(ends), UTC))
            raise _RefusalError(429, error_text("Rate limit exceeded"), x_rate_limit_reset_at_utc=reset)
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise _RefusalError(406, error_text("Invalid content type"))

    def _settle(self, operation: Operation, body: Any, blank: Answer, balance: Decimal) -> _Settled:
        """Judge the body, draw, and take the money; or do what was provoked."""
        try:
            order = taken(operation, body, lambda: self._random.randint(0, MOST_RANDOM_SEED))
        except BadValueError as bad:
            raise _RefusalError(self._refusal, error_text(str(bad))) from None
        cost = self._prices[operation.slug] * order.pictures
        if cost > balance:
            raise _RefusalError(406, error_text("Not enough credits"))
        provocation = self._provocations.take(operation.operation_id)
        if provocation is not None and not provocation.billed:
            return _Settled(provocation.change(blank), balance, provocation=provocation)
        pictures = self._drawn(order)
        paid = self._account.pay(cost)
        if paid is None:  # another call took the money while this one drew
            raise _RefusalError(406, error_text("Not enough credits"))
        headed = blank.with_headers(
            x_remaining_credits=_written(paid),
            x_cost=_written(cost),
            x_seed_value=str(order.seed),
            # Told, not measured: the same call always says the same.
            x_generation_time=f"{0.4 + 0.05 * order.steps * order.pictures:.2f}",
        )
        if order.base64:
            honest = headed.with_json(as_json(pictures))
        else:
            honest = headed.with_body(pictures[0], media_type_of(pictures[0]))
        return _Settled(provocation.change(honest) if provocation else honest, paid, cost, provocation)

    def _drawn(self, order: Order) -> list[bytes]:
        """Draw what will be seen: with binary replies that is the first picture alone."""
        sketches = [order.sketch(n) for n in range(order.pictures if order.base64 else 1)]
        return [
            GALLERY.file(
                (sketch.digest, order.file_format, order.quality),
                lambda sketch=sketch: encoded(drawn(sketch), order.file_format, order.quality),
            )
            for sketch in sketches
        ]


def _written(amount: Decimal) -> str:
    return format(amount, "f")


def _parsed(body: bytes) -> Any:
    """Return what JSON says, or None where it is none, or nested too deep to be anything but an attack."""

    def finite(text: str) -> float:
        if not math.isfinite(value := float(text)):
            raise ValueError(f"{text} is no JSON number.")
        return value

    try:
        value = json.loads(body, parse_float=finite, parse_constant=finite)
    except (ValueError, RecursionError):
        return None
    return value if _fits(value, DEEPEST) else None


def _fits(value: Any, levels: int) -> bool:
    if isinstance(value, dict):
        value = list(cast("dict[str, Any]", value).values())
    if not isinstance(value, list):
        return True
    return levels > 0 and all(_fits(each, levels - 1) for each in cast("list[Any]", value))
