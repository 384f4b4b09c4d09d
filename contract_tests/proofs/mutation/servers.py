"""A reference server with one fault in one endpoint.

The fault is visible to a client, and everything else stays correct. An internal error becomes a 500.
"""

from __future__ import annotations

import itertools
import json
import re
from dataclasses import dataclass, replace
from decimal import Decimal, DecimalException
from typing import TYPE_CHECKING, Any, Final, Literal, cast

from segmind_sd3_contract.conformance.inprocess import KEY, PENNILESS
from segmind_sd3_contract.reference import CREDITS_PATH, Answer, ReferenceServer, Request, example_request
from segmind_sd3_contract.reference.faults import error_text, failed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from segmind_sd3_contract.reference.contract import Operation
    from segmind_sd3_contract.reference.orders import Order

    Draw = Callable[[Order], list[bytes]]
    Painter = Callable[["FaultyServer", Order, Draw], list[bytes]]

CREDITS: Final = 10_000.0
"""More credits than any run uses."""

BALANCE: Final = "get_user_credits"

Kind = Literal[
    "good",
    "no-key",
    "unknown-key",
    "malformed-key",
    "bearer",
    "no-credits",
    "method",
    "unknown-path",
    "content-type",
    "not-json",
    "bad-value",
]
"""The kind of a call, by a correct server's answer."""


class SuiteServer(ReferenceServer):
    """A reference server with the suite's two keys that obeys the pages or another contract."""

    def __init__(self, document: Mapping[str, Any] | None = None) -> None:
        super().__init__("documented", CREDITS, keys=[KEY], penniless=[PENNILESS], document=document)

    def answer(self, request: Request) -> Answer:
        try:
            return super().answer(request)
        except Exception:  # noqa: BLE001 - a mutant's contract may cause any error
            return Answer(
                500, {"x-remaining-credits": f"{self.credits}"}, error_text("It broke")
            ).with_headers(content_type="application/json")


@dataclass(frozen=True)
class Call:
    """One call to the faulty endpoint, and a correct server's answer."""

    server: FaultyServer
    request: Request
    kind: Kind
    answer: Answer

    @property
    def body(self) -> dict[str, Any]:
        try:
            value = json.loads(self.request.body)
        except ValueError:
            return {}
        return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


@dataclass(frozen=True)
class Behaviour:
    """One fault of a server.

    Attributes:
        name: The name in the mutant's name.
        group: The group of cases that is most likely to kill it, or the role of its parameter.
        reply: Returns another answer to a call.
        draw: Draws other pictures, with a correct server's drawing function.
        provocation: The name of a provocation for every 200.
        balance_error: Returns the USD to add to all balances reported after a call.
        fits: Returns whether the fault applies to an endpoint.
        body: Returns another body in place of a valid one, before a correct server sees it.
        named_by: The case that must find the fault, as `GROUP::PLACE` with `*` and `?`.
        left_open: Whether no page rules the fault out, so that the case is open and reports it.
    """

    name: str
    group: str
    reply: Callable[[Call], Answer] | None = None
    draw: Painter | None = None
    provocation: str | None = None
    balance_error: Callable[[Call], Decimal] | None = None
    fits: Callable[[Operation], bool] = lambda _: True
    body: Callable[[FaultyServer, dict[str, Any]], dict[str, Any]] | None = None
    named_by: str | None = None
    left_open: bool = False


class FaultyServer(SuiteServer):
    """A server with one fault in one endpoint, or in the balance."""

    def __init__(self, behaviour: Behaviour, operation: str) -> None:
        super().__init__()
        self._behaviour = behaviour
        known = {each.operation_id: each for each in self.operations.values()}
        self.operation: Final = known.get(operation)
        self._path = self.operation.path if self.operation else CREDITS_PATH
        self.memory: Final[dict[object, Any]] = {}
        self.numbers: Final = itertools.count(1)
        self._added = Decimal(0)
        if behaviour.provocation:
            self.provoke(behaviour.provocation, times=None, operation=operation)

    def answer(self, request: Request) -> Answer:
        answer = super().answer(self._changed(request))
        if request.path.startswith(self._path):
            call = Call(self, request, kind_of(request, answer), answer)
            if self._behaviour.balance_error:
                self._added += self._behaviour.balance_error(call)
            if self._behaviour.reply:
                answer = self._behaviour.reply(call)
            if answer.status >= 300:
                self._added += cost(call.answer)  # a refused call is not billed
        return self._with_balance(request, answer) if self._added else answer

    def _changed(self, request: Request) -> Request:
        """Return the request with another body, where the fault changes it and it is valid."""
        change, operation = self._behaviour.body, self.operation
        if change is None or operation is None or request.path != self._path or request.method != "POST":
            return request
        try:
            sent = json.loads(request.body)
        except ValueError:
            return request
        if not isinstance(sent, dict):
            return request
        body = cast("dict[str, Any]", sent)
        return (
            request
            if operation.errors(body)
            else replace(request, body=json.dumps(change(self, body)).encode())
        )

    def draw_anyway(self) -> Answer:
        """Return the answer to a correct call instead."""
        assert self.operation  # noqa: S101 - no balance behaviour calls this
        request = example_request(self.operation, base64=False)
        return super().answer(replace(request, headers={**request.headers, "x-api-key": KEY}))

    def _drawn(self, order: Order) -> list[bytes]:
        draw = self._behaviour.draw
        if draw is None or order.operation is not self.operation:
            return super()._drawn(order)
        return draw(self, order, super()._drawn)

    def _with_balance(self, request: Request, answer: Answer) -> Answer:
        """Add the error to every balance in an answer."""
        if request.headers.get("x-api-key") == PENNILESS:
            return answer
        try:
            balance = Decimal(answer.headers["x-remaining-credits"]) + self._added
        except (KeyError, DecimalException):
            return answer  # the fault is the missing balance itself
        changed = answer.with_headers(x_remaining_credits=format(balance, "f"))
        if request.path == CREDITS_PATH and answer.status == 200:
            changed = changed.with_json({**json.loads(answer.body), "credits": float(balance)})
        return changed


def kind_of(request: Request, answer: Answer) -> Kind:
    if answer.status in (404, 405):
        return "unknown-path" if answer.status == 404 else "method"
    if answer.status == 401:
        return _kind_of_key(request.headers)
    if answer.status != 406:
        return "good"
    text = answer.body.decode()
    for words, kind in _KINDS_BY_WORDS.items():
        if words in text:
            return kind
    return "bad-value"


_KINDS_BY_WORDS: Final[Mapping[str, Kind]] = {
    "content type": "content-type",
    "credits": "no-credits",
    "JSON object": "not-json",
}


def _kind_of_key(headers: Mapping[str, str]) -> Kind:
    key = headers.get("x-api-key")
    if key is None:
        return "bearer" if "authorization" in headers else "no-key"
    return "unknown-key" if re.fullmatch("SG_[0-9a-f]{16}", key) else "malformed-key"


def cost(answer: Answer) -> Decimal:
    """Return the cost of a call in USD, as its answer states it."""
    return Decimal(answer.headers.get("x-cost", 0))


def refusal(answer: Answer, status: int, words: str) -> Answer:
    """Return an error in the usual envelope instead of an answer."""
    return failed(answer, status, error_text(words), "application/json")
