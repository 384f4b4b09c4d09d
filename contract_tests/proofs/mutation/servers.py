"""A reference server that does one thing wrong about one endpoint.

Law: only what a client can see is changed, and all else stays as good as it was. What breaks inside is a 500,
as it would be anywhere.
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
    Painter = Callable[["Altered", Order, Draw], list[bytes]]

RICH: Final = 10_000.0
"""Credits that no run uses up."""

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
"""What a call is, by what a good server makes of it."""


class Served(ReferenceServer):
    """A reference server that obeys the pages, or another contract, for the suite's two keys."""

    def __init__(self, document: Mapping[str, Any] | None = None) -> None:
        super().__init__("documented", RICH, keys=[KEY], penniless=[PENNILESS], document=document)

    def answer(self, request: Request) -> Answer:
        try:
            return super().answer(request)
        except Exception:  # noqa: BLE001 - whatever a contract that was changed leads to
            return Answer(
                500, {"x-remaining-credits": f"{self.credits}"}, error_text("It broke")
            ).with_headers(content_type="application/json")


@dataclass(frozen=True)
class Call:
    """One call to the endpoint that is changed, and what a good server answers."""

    server: Altered
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
    """What is done wrong.

    Attributes:
        name: what a mutant is called by.
        group: the row of the grid where the suite most likely notices, or the role of its parameter.
        reply: gives another answer to a call.
        draw: draws other pictures of an order, by a good server's way to draw.
        spoil: a provocation that every 200 meets.
        told: what is added to each balance that is told after a call of this kind, in USD, for good.
        fits: whether an endpoint has what it is about.
    """

    name: str
    group: str
    reply: Callable[[Call], Answer] | None = None
    draw: Painter | None = None
    spoil: str | None = None
    told: Callable[[Call], Decimal] | None = None
    fits: Callable[[Operation], bool] = lambda _: True


class Altered(Served):
    """A server with one behaviour that is wrong about one endpoint, or about the balance."""

    def __init__(self, behaviour: Behaviour, operation: str) -> None:
        super().__init__()
        self._behaviour = behaviour
        known = {each.operation_id: each for each in self.operations.values()}
        self.operation: Final = known.get(operation)
        self._path = self.operation.path if self.operation else CREDITS_PATH
        self.memory: Final[dict[object, Any]] = {}
        self.numbers: Final = itertools.count(1)
        self._added = Decimal(0)
        if behaviour.spoil:
            self.provoke(behaviour.spoil, times=None, operation=operation)

    def answer(self, request: Request) -> Answer:
        answer = super().answer(request)
        if request.path.startswith(self._path):
            call = Call(self, request, kind_of(request, answer), answer)
            if self._behaviour.told:
                self._added += self._behaviour.told(call)
            if self._behaviour.reply:
                answer = self._behaviour.reply(call)
            if answer.status >= 300:
                self._added += cost(call.answer)  # whoever refuses a call does not bill it
        return self._with_balance(request, answer) if self._added else answer

    def drawn_anyway(self) -> Answer:
        """Give the answer to a good call in place of the one that came."""
        assert self.operation  # noqa: S101 - no behaviour of the balance asks for it
        request = example_request(self.operation, base64=False)
        return super().answer(replace(request, headers={**request.headers, "x-api-key": KEY}))

    def _drawn(self, order: Order) -> list[bytes]:
        draw = self._behaviour.draw
        if draw is None or order.operation is not self.operation:
            return super()._drawn(order)
        return draw(self, order, super()._drawn)

    def _with_balance(self, request: Request, answer: Answer) -> Answer:
        """Tell another balance than the true one, wherever the account with credits is told of."""
        if request.headers.get("x-api-key") == PENNILESS:
            return answer
        try:
            balance = Decimal(answer.headers["x-remaining-credits"]) + self._added
        except (KeyError, DecimalException):
            return answer  # it does not tell the balance, which is what is wrong with it
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
    said = answer.body.decode()
    for words, kind in _KINDS_BY_WORDS.items():
        if words in said:
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
    """Give what an answer says that its call cost, in USD."""
    return Decimal(answer.headers.get("x-cost", 0))


def refused(answer: Answer, status: int, words: str) -> Answer:
    """Give an error in the usual envelope in place of an answer."""
    return failed(answer, status, error_text(words), "application/json")
