"""Send each call once, within the budget, at the given pace, and record it before it is judged.

Every request goes through `Purse`, which refuses what the budget does not cover at its worst price. No POST
is repeated. The key goes to the target alone, and is in no recorded exchange.
"""

from __future__ import annotations

import math
import threading
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Self

import httpx

from segmind_sd3_contract.conformance.credits import ROUNDING, balance_of, number, usd
from segmind_sd3_contract.conformance.leaks import Secret
from segmind_sd3_contract.conformance.results import KEY_SHOWN_AS, SECOND_KEY_SHOWN_AS, Exchange
from segmind_sd3_contract.oracle import speaks_of_credits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from types import TracebackType

    from segmind_sd3_contract.conformance.calls import Auth, Call
    from segmind_sd3_contract.conformance.journal import Journal

PATIENCE: Final = 180.0
"""Seconds without a byte after which a call is given up."""

LONGEST: Final = 300.0
"""Seconds that a reply's body may take."""

LARGEST: Final = 64_000_000
"""Bytes of a reply that are read at most."""

MAY_BE_BILLED: Final = (408, 499, 502, 504, *range(520, 525))
"""Statuses of somebody between us and the service, which may still draw and bill."""

WORST: Final = "segmind-sd3.worst"
"""The extension of a request that says what it costs at the worst."""

SHOWN: Final = ("content-type", "content-encoding", "transfer-encoding", "x-api-key", "authorization")
"""The headers of a request that a report shows, beside those that its case is about."""

NOBODYS: Final[Mapping[Auth, str]] = {"unknown": "SG_0000000000000000", "malformed": "no-key"}


class Stopped(Exception):
    """No further call may be sent; the text says why. `of_the_key`: the key was refused."""

    def __init__(self, why: str, *, of_the_key: bool = False) -> None:
        super().__init__(why)
        self.of_the_key = of_the_key


class Refused(Stopped):
    """The key or the account was refused; `exchange` is the reply, which says nothing of the contract."""

    def __init__(self, why: str, exchange: Exchange, *, of_the_key: bool) -> None:
        super().__init__(why, of_the_key=of_the_key)
        self.exchange = exchange


class Purse(httpx.BaseTransport):
    """Lets a request through where its worst price is left, and keeps that aside until it is settled.

    `budget` is in USD; None is no limit.
    """

    def __init__(self, inner: httpx.BaseTransport, budget: float | None, spent: float = 0.0) -> None:
        self._inner = inner
        self.budget: Final = math.inf if budget is None else budget
        self.spent = spent
        self._lock = threading.Lock()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        worst = float(request.extensions[WORST])
        with self._lock:
            self.check(worst)
            self.spent += worst
        return self._inner.handle_request(request)

    def check(self, worst: float) -> None:
        """Raise Stopped where the budget does not cover what a call costs at the worst."""
        if self.spent + worst > self.budget + ROUNDING / 2:
            raise Stopped(
                f"the budget of {usd(self.budget)} credits is used up: {usd(self.spent)} are spent or may "
                f"be, and the next call may cost {usd(worst)}"
            )

    def settle(self, worst: float, debit: float) -> None:
        """Put back what was kept aside for a call, less what it cost."""
        self.spent += debit - worst

    def close(self) -> None:
        self._inner.close()


@dataclass
class Pace:
    """At most so many calls a minute, evenly; None is as fast as they go."""

    a_minute: float | None = None
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    _next: float = field(default=-math.inf, init=False)

    def wait(self, calls: int = 1) -> None:
        if self.a_minute:
            self.sleep(max(0.0, self._next - self.clock()))
            self._next = max(self._next, self.clock()) + calls * 60 / self.a_minute


class Sender:
    """Gives the answer to a call: the kept one, or that of sending it now."""

    def __init__(
        self,
        base_url: str,
        key: str,
        journal: Journal,
        transport: httpx.BaseTransport,
        *,
        budget: float | None = None,
        penniless: str | None = None,
        pace: Pace | None = None,
        headers: Mapping[str, str] | None = None,
        live: bool = False,
        shared_account: bool = False,
    ) -> None:
        self._keys: dict[str, str] = {"key": key, **NOBODYS}
        self._secrets = [Secret(key, KEY_SHOWN_AS)]
        if penniless:
            self._keys["penniless"] = penniless
            self._secrets.append(Secret(penniless, SECOND_KEY_SHOWN_AS))
        self._journal = journal
        self._purse = Purse(transport, budget, journal.spent() + journal.reserved())
        self._client = httpx.Client(
            base_url=base_url,
            transport=self._purse,
            timeout=PATIENCE,
            headers=dict(headers or {}),
            trust_env=False,
        )
        self._pace = pace or Pace()
        self._live = live
        self._shared = shared_account
        self._balance: float | None = None
        self._let_in = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self._client.close()

    def answer(self, call: Call, worst: float) -> Exchange:
        """Return what came of a call, which is sent if it never was.

        Raises:
            Stopped: it was not sent, or what came of it forbids any further call.
        """
        if self._journal.has(call.name):
            return self._journal.answer(call.name) or self._unanswered(call)
        self._pace.wait()
        request = self._request(call, worst)
        self._purse.check(worst)
        self._journal.begin(call.name, worst)
        exchange = self._sent(call, request)
        if refusal := self._refusal(call, exchange, worst):
            # It was not paid for: a run that is resumed with another key, or with credits, sends it again.
            self._journal.forget(call.name)
            self._purse.settle(worst, 0.0)
            raise refusal
        debit, wrong = self._debit(call, exchange, worst)
        exchange = replace(exchange, wrong_cost=wrong)
        self._journal.end(exchange, debit)
        self._purse.settle(worst, debit)
        if stop := self._stop(call, exchange, worst, debit):
            raise Stopped(stop, of_the_key=exchange.status == 401)
        return exchange

    def answers_at_once(self, calls: Sequence[Call], worst: Mapping[str, float]) -> list[Exchange]:
        """Return what came of calls that are sent at the same time, in the order given.

        Raises:
            Stopped: none was sent, or what came of one of them forbids any further call.
        """
        waiting = [call for call in calls if not self._journal.has(call.name)]
        if waiting:
            self._send_at_once(waiting, worst)
        return [self._journal.answer(call.name) or self._unanswered(call) for call in calls]

    def _send_at_once(self, calls: Sequence[Call], worst: Mapping[str, float]) -> None:
        self._purse.check(sum(worst[call.name] for call in calls))
        self._pace.wait(len(calls))
        for call in calls:
            self._journal.begin(call.name, worst[call.name])
        before, stops = self._balance, list[Stopped]()
        answered: list[tuple[Exchange, float]] = []
        with ThreadPoolExecutor(len(calls)) as pool:
            sending = {
                pool.submit(self._sent, call, self._request(call, worst[call.name])): call for call in calls
            }
            for done in as_completed(sending):
                call, exchange = sending[done], done.result()
                price = worst[call.name]
                if refusal := self._refusal(call, exchange, price):
                    self._journal.forget(call.name)
                    self._purse.settle(price, 0.0)
                    stops.append(refusal)
                    continue
                self._balance = None  # how far it fell for one of them can't be known
                debit, wrong = self._debit(call, exchange, price)
                answered.append((replace(exchange, wrong_cost=wrong), debit))
                self._journal.end(*answered[-1])
                self._purse.settle(price, debit)
                if stop := self._stop(call, exchange, price, debit):
                    stops.append(Stopped(stop, of_the_key=exchange.status == 401))
        self._settle_at_once(answered, before)
        if stops:
            raise stops[0]

    def _settle_at_once(self, answered: Sequence[tuple[Exchange, float]], before: float | None) -> None:
        """Compare what calls at the same time say they cost with what the balance fell by in all."""
        balances = [balance_of(exchange) for exchange, _ in answered]
        told = [balance for balance in balances if balance is not None]
        self._balance = min(told, default=None)
        if self._shared or before is None or self._balance is None or len(told) < len(balances):
            return
        cost = sum(number(exchange.received.get("x-cost")) or 0.0 for exchange, _ in answered)
        fall = round(before - self._balance, 9)
        if abs(fall - cost) > ROUNDING:
            why = f"{len(answered)} calls at once cost {cost:g}, and the balance fell by {fall:g}"
            (last, debit), missing = answered[-1], max(0.0, fall - cost)
            self._journal.end(replace(last, wrong_cost=(*(last.wrong_cost or ()), why)), debit + missing)
            self._purse.settle(0.0, missing)

    def kept(self, call: Call) -> Exchange | None:
        """Return what came of a call, where it was sent."""
        return self._journal.answer(call.name)

    def _unanswered(self, call: Call) -> Exchange:
        why = "it was sent, and the run ended before its answer was kept; it is never sent again"
        return Exchange(call.name, call.method, call.path, {}, call.body, None, {}, b"", failure=why)

    def _request(self, call: Call, worst: float) -> httpx.Request:
        headers = dict(call.headers)
        if call.coding == "gzip":
            headers["content-encoding"] = "gzip"
        if call.content_type:
            headers["content-type"] = call.content_type
        if call.auth == "bearer":
            headers["authorization"] = f"Bearer {self._keys['key']}"
        elif call.auth != "none":
            headers["x-api-key"] = self._keys[call.auth]
        return self._client.build_request(
            call.method,
            call.path,
            headers=headers,
            content=call.coded,
            # A request that brings extensions of its own loses the client's timeout.
            extensions={WORST: worst, "timeout": self._client.timeout.as_dict()},
        )

    def _sent(self, call: Call, request: httpx.Request) -> Exchange:
        response: httpx.Response | None = None
        body, failure = bytearray(), None
        started = datetime.now(UTC).isoformat(timespec="milliseconds")
        began = time.perf_counter()
        try:
            response = self._client.send(request, stream=True)
            with closing(response):
                for piece in response.iter_bytes():
                    body += piece
                    if len(body) > LARGEST or time.perf_counter() - began > LONGEST:
                        failure = f"it did not end within {LARGEST} bytes and {LONGEST:g} s"
                        break
        except httpx.HTTPError as error:
            failure = f"{type(error).__name__}: {error}"
        headers = {} if response is None else {n.lower(): value for n, value in response.headers.items()}
        text = body.decode("latin-1")
        return Exchange(
            call=call.name,
            method=call.method,
            path=call.path,
            headers=self._shown(request.headers, call),
            sent=call.body if call.raw is None else call.raw,
            status=None if response is None else response.status_code,
            received={name: self._redacted(value) for name, value in headers.items()},
            body=self._redacted(text).encode("latin-1"),
            seconds=round(time.perf_counter() - began, 4),
            failure=failure and self._redacted(failure),
            live=self._live,
            leaks=tuple(self._leaks(headers, text)),
            started=started,
        )

    def _leaks(self, headers: Mapping[str, str], body: str) -> Iterator[str]:
        for where, text in (("the body", body), *((f"the header {name}", headers[name]) for name in headers)):
            for secret in self._secrets:
                for form in secret.forms_in(text):
                    yield f"{where} holds the key, {form}"

    def _shown(self, headers: httpx.Headers, call: Call) -> dict[str, str]:
        """Return a request's headers without any key, and without what differs from run to run."""
        shown: dict[str, str] = {}
        for name, value in headers.items():
            if name in SHOWN or name in dict(call.headers):
                shown[name] = self._redacted(value)
        return shown

    def _redacted(self, text: str) -> str:
        """Redact the keys of people, which a service may repeat in its answer."""
        for secret in self._secrets:
            text = secret.redact(text)
        return text

    def _debit(self, call: Call, exchange: Exchange, worst: float) -> tuple[float, tuple[str, ...] | None]:
        """Return what a call cost, and what is wrong with that; None where it can't be judged.

        It costs what it says, or what the balance fell by, or its worst price.
        """
        if call.auth in ("bearer", "penniless"):
            # Who pays for such a call, and whose balance its reply tells, is not known.
            unknown = exchange.status in (None, 200)
            self._balance = None if unknown else self._balance
            return (worst if unknown else 0.0), None
        if call.auth != "key":
            # Who pays for what was drawn with no key of ours is not known either.
            self._balance = None if exchange.status == 200 else self._balance
            return 0.0, None
        cost = number(exchange.received.get("x-cost"))
        balance, before = balance_of(exchange), self._balance
        fall = None if balance is None or before is None or self._shared else round(before - balance, 9)
        if balance is not None:
            self._balance = balance
        if exchange.status is None or exchange.failure or exchange.status in MAY_BE_BILLED:
            self._balance = None
            return worst, None
        wrong = tuple(_wrong(exchange, cost, fall))
        named = max(0.0, cost or 0.0, fall or 0.0)
        drawn = exchange.method == "POST" and 200 <= exchange.status < 300
        # What is not believed counts at the worst: a target that lies must not be able to empty the account.
        lies = (drawn and (cost is None or cost <= 0)) or (fall is not None and fall < -ROUNDING)
        return (max(worst, named) if lies else named), wrong

    def _refusal(self, call: Call, exchange: Exchange, worst: float) -> Refused | None:
        """Say whether a good call was refused for its key or its account, as far as it can be believed."""
        if call.auth != "key":
            return None
        self._let_in = self._let_in or exchange.status == 200
        if not call.may_draw or exchange.failure:
            return None
        if exchange.status == 401 and not self._let_in:
            return Refused("the key was refused with 401", exchange, of_the_key=True)
        if _lacks_credits(exchange) and (self._balance is None or self._balance < worst):
            return Refused(f"the account has no credits: {exchange.status}", exchange, of_the_key=False)
        return None

    def _stop(self, call: Call, exchange: Exchange, worst: float, debit: float) -> str | None:
        if debit > worst + ROUNDING:
            return f"{call.name} cost {usd(debit)} credits, more than its worst price of {usd(worst)}"
        if call.auth != "key" or not call.may_draw:
            return None
        if exchange.status == 401:
            return f"the key was refused with 401 by {call.path}, and let in elsewhere"
        if _lacks_credits(exchange):
            return f"the target says that the account has no credits: {exchange.status}"
        if exchange.status is None and exchange.failure and exchange.failure.startswith("Connect"):
            return f"the target can't be reached: {exchange.failure}"
        return None


def _lacks_credits(exchange: Exchange) -> bool:
    text = exchange.body[:2000].decode("utf-8", "replace")
    return exchange.status in (402, 406) and speaks_of_credits(text)


def _wrong(exchange: Exchange, cost: float | None, fall: float | None) -> Iterator[str]:
    if exchange.status == 200 and exchange.method == "POST":
        if cost is None:
            yield "a 200 names no x-cost"
        elif fall is not None and abs(fall - cost) > ROUNDING:
            yield f"x-cost is {cost:g}, and the balance fell by {fall:g}"
        elif cost <= 0:
            yield f"x-cost is {cost:g}"
    elif fall is not None and abs(fall) > ROUNDING:
        yield f"the balance fell by {fall:g} with a {exchange.status}"
