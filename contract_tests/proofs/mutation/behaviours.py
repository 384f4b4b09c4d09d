"""List the faulty behaviours of a server: wrong answers, wrong pictures, wrong bills.

Each behaviour is a single fault that a client can see if it knows the contract.
"""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from proofs.mutation.contents import content_behaviours
from proofs.mutation.drawing import provoked_behaviours, wrong_pictures
from proofs.mutation.replies import OTHER_WORDS, reply_behaviours
from proofs.mutation.requests import request_behaviours
from proofs.mutation.sending import sending_behaviours
from proofs.mutation.servers import Behaviour, cost, refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from segmind_sd3_contract.reference import Answer

    from proofs.mutation.servers import Call, Kind

    Reply = Callable[[Call], Answer]

ACCOUNT, ADDRESS, BODY, CALL = "(account)", "(address)", "(body)", "(call)"

CREDITS_WORDS: Final = "Not enough credits"

PRICE: Final = Decimal("0.01")
"""The amount billed, in USD, for a call that costs nothing."""


def behaviours() -> Iterator[Behaviour]:
    """List all behaviours of an endpoint."""
    yield from statuses()
    yield from wrongly_drawn()
    yield from malformed_errors()
    yield from provoked_behaviours()
    yield from wrong_pictures()
    yield from money()
    yield from reply_behaviours()
    yield from request_behaviours()
    yield from content_behaviours()
    yield from sending_behaviours()


# -- Wrong statuses---------------------------------------------------------------------------------------

WRONG_STATUSES: Final[Mapping[Kind, tuple[str, tuple[int, ...]]]] = {
    "good": (CALL, (201, 302, 400, 401, 404, 500)),
    "no-key": (ACCOUNT, (400, 403, 500)),
    "unknown-key": (ACCOUNT, (403, 500)),
    "malformed-key": (ACCOUNT, (400, 500)),
    "bearer": (ACCOUNT, (403,)),
    "no-credits": (ACCOUNT, (402, 403, 500)),
    "method": (ADDRESS, (404, 500)),
    "unknown-path": (ADDRESS, (401, 500)),
    "content-type": (BODY, (401, 500)),
    "not-json": (BODY, (401, 500)),
    "bad-value": (CALL, (401, 404, 500)),
}
"""For each kind of call, the group of cases that is most likely to fail, and wrong statuses."""

EVERYTHING: Final = (401, 404, 406, 500)


def statuses() -> Iterator[Behaviour]:
    for kind, (group, wrong) in WRONG_STATUSES.items():
        for status in wrong:
            yield Behaviour(f"{kind}-{status}", group, _wrong_status(kind, status, OTHER_WORDS))
    for kind in ("good", "not-json", "bad-value", "content-type"):
        group, _ = WRONG_STATUSES[kind]
        yield Behaviour(f"{kind}-406-credits", group, _wrong_status(kind, 406, CREDITS_WORDS))
    yield Behaviour("no-credits-406-other", ACCOUNT, _wrong_status("no-credits", 406, OTHER_WORDS))
    yield Behaviour("content-type-406-other", BODY, _wrong_status("content-type", 406, OTHER_WORDS))
    for status in EVERYTHING:
        words = CREDITS_WORDS if status == 406 else OTHER_WORDS
        yield Behaviour(f"everything-{status}", CALL, _everything(status, words))


def _wrong_status(kind: Kind, status: int, words: str) -> Reply:
    def reply(call: Call) -> Answer:
        if call.kind != kind:
            return call.answer
        return replace(call.answer, status=status) if status < 300 else refusal(call.answer, status, words)

    return reply


def _everything(status: int, words: str) -> Reply:
    return lambda call: refusal(call.answer, status, words)


# -- Calls that are wrongly drawn or refused --------------------------------------------------------------


def wrongly_drawn() -> Iterator[Behaviour]:
    drawn: tuple[tuple[Kind, str], ...] = (
        ("no-key", ACCOUNT),
        ("unknown-key", ACCOUNT),
        ("malformed-key", ACCOUNT),
        ("bearer", ACCOUNT),
        ("no-credits", ACCOUNT),
        ("unknown-path", ADDRESS),
        ("bad-value", CALL),
    )
    for kind, group in drawn:
        yield Behaviour(f"{kind}-drawn", group, _drawn_where(lambda call, kind=kind: call.kind == kind))
    for method in ("GET", "PUT", "DELETE", "PATCH"):
        yield Behaviour(
            f"method-{method}-drawn",
            ADDRESS,
            _drawn_where(lambda call, method=method: call.request.method == method),
        )
    for name, content_type in (
        ("text", "text/plain"),
        ("form", "application/x-www-form-urlencoded"),
        ("none", ""),
    ):
        yield Behaviour(
            f"content-type-{name}-drawn",
            BODY,
            _drawn_where(
                lambda call, content_type=content_type: (
                    call.kind == "content-type"
                    and call.request.headers.get("content-type", "") == content_type
                )
            ),
        )
    for name, matches in _NOT_JSON.items():
        yield Behaviour(
            f"{name}-drawn",
            BODY,
            _drawn_where(
                lambda call, matches=matches: call.kind == "not-json" and matches(call.request.body)
            ),
        )
    yield Behaviour("method-200-empty", ADDRESS, _empty_where("method"))
    yield Behaviour("unknown-path-200-empty", ADDRESS, _empty_where("unknown-path"))
    for status in (406, 500):
        yield Behaviour(f"unknown-field-{status}", BODY, _where(_has_unknown_field, status))
        yield Behaviour(f"charset-{status}", BODY, _where(_names_a_charset, status))


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None


_NOT_JSON: Final[Mapping[str, Callable[[bytes], bool]]] = {
    "malformed-json": lambda body: bool(body) and _parsed(body) is None,
    "empty-body": lambda body: not body,
    "list-body": lambda body: isinstance(_parsed(body), list),
    "text-body": lambda body: isinstance(_parsed(body), str),
}


def _drawn_where(applies: Callable[[Call], bool]) -> Reply:
    return lambda call: call.server.draw_anyway() if applies(call) else call.answer


def _empty_where(kind: Kind) -> Reply:
    def reply(call: Call) -> Answer:
        return replace(call.answer.with_json({}), status=200) if call.kind == kind else call.answer

    return reply


def _where(applies: Callable[[Call], bool], status: int) -> Reply:
    def reply(call: Call) -> Answer:
        is_now = call.kind == "good" and applies(call)
        return refusal(call.answer, status, OTHER_WORDS) if is_now else call.answer

    return reply


def _has_unknown_field(call: Call) -> bool:
    operation = call.server.operation
    return operation is not None and bool(call.body.keys() - operation.properties.keys())


def _names_a_charset(call: Call) -> bool:
    return "charset" in call.request.headers.get("content-type", "")


# -- Malformed errors -------------------------------------------------------------------------------------


def malformed_errors() -> Iterator[Behaviour]:
    for status, group in ((401, ACCOUNT), (404, ADDRESS), (405, ADDRESS), (406, CALL)):
        for name, change in _ERROR_CHANGES.items():
            if (status, name) != (405, "html"):  # a correct 405 is html
                yield Behaviour(f"{status}-{name}", group, _changed_at(status, change))


def _changed_at(status: int, change: Callable[[Answer], Answer]) -> Reply:
    return lambda call: change(call.answer) if call.answer.status == status else call.answer


_ERROR_CHANGES: Final[Mapping[str, Callable[[Answer], Answer]]] = {
    "no-balance": lambda answer: answer.with_headers(x_remaining_credits=None),
    "no-number-for-balance": lambda answer: answer.with_headers(x_remaining_credits="plenty"),
    "json": lambda answer: answer.with_json("an error"),
    "html": lambda answer: answer.with_body(b"<html><body>an error</body></html>", "text/html"),
    "broken-json": lambda answer: answer.with_body(answer.body[:-1], "application/json"),
    "list": lambda answer: answer.with_json(["an error"]),
}


# -- Money ------------------------------------------------------------------------------------------------


def money() -> Iterator[Behaviour]:
    for name, factor in (
        ("half", Decimal("0.5")),
        ("double", Decimal(2)),
        ("nothing", Decimal(0)),
        ("debt", Decimal(-1)),
    ):
        yield Behaviour(f"x-cost-{name}", ACCOUNT, _cost_times(factor))
    for name, factor in (
        ("not-billed", 1),
        ("half-billed", Decimal("0.5")),
        ("billed-twice", -1),
        ("credited", 2),
    ):
        yield Behaviour(
            f"good-{name}", ACCOUNT, balance_error=lambda call, factor=factor: cost(call.answer) * factor
        )
    for kind in ("method", "unknown-path", "content-type", "not-json", "bad-value", "bearer"):
        yield Behaviour(f"{kind}-billed", ACCOUNT, balance_error=_billed(kind))
    yield Behaviour("balance-lags", ACCOUNT, _balance_before)


def _cost_times(factor: Decimal) -> Reply:
    def reply(call: Call) -> Answer:
        has_cost = "x-cost" in call.answer.headers
        return (
            call.answer.with_headers(x_cost=format(cost(call.answer) * factor, "f"))
            if has_cost
            else call.answer
        )

    return reply


def _billed(kind: str) -> Callable[[Call], Decimal]:
    return lambda call: -PRICE if call.kind == kind else Decimal(0)


def _balance_before(call: Call) -> Answer:
    """Report the balance before the call."""
    balance = Decimal(call.answer.headers["x-remaining-credits"]) + cost(call.answer)
    return call.answer.with_headers(x_remaining_credits=format(balance, "f"))


# -- The balance ------------------------------------------------------------------------------------------


def balance_behaviours() -> Iterator[Behaviour]:
    """List the faults of the answer to a balance query."""
    for status in (400, 401, 404, 500):
        yield Behaviour(f"good-{status}", CALL, _wrong_status("good", status, OTHER_WORDS))
    for status in (400, 403, 500):
        yield Behaviour(f"no-key-{status}", ACCOUNT, _wrong_status("no-key", status, OTHER_WORDS))
    yield Behaviour("no-key-answered", ACCOUNT, _balance_without_key("no-key"))
    yield Behaviour("unknown-key-answered", ACCOUNT, _balance_without_key("unknown-key"))
    changes: Mapping[str, Callable[[Answer], Answer]] = {
        "no-credits": lambda answer: answer.with_json({"free-credits": 0.0}),
        "no-free-credits": lambda answer: answer.with_json({"credits": _credits(answer)}),
        "credits-as-text": lambda answer: answer.with_json(
            {"credits": str(_credits(answer)), "free-credits": 0.0}
        ),
        "credits-of-another": lambda answer: answer.with_json(
            {"credits": _credits(answer) + 1, "free-credits": 0.0}
        ),
        "list": lambda answer: answer.with_json([_credits(answer)]),
        "plain": lambda answer: answer.with_body(answer.body, "text/plain"),
        "broken-json": lambda answer: answer.with_body(answer.body[:-1], "application/json"),
    }
    for name, change in changes.items():
        yield Behaviour(
            f"good-{name}",
            CALL,
            lambda call, change=change: change(call.answer) if call.kind == "good" else call.answer,
        )
    yield Behaviour("good-billed", ACCOUNT, balance_error=_billed("good"))


def _credits(answer: Answer) -> float:
    return json.loads(answer.body)["credits"]


def _balance_without_key(kind: Kind) -> Reply:
    def reply(call: Call) -> Answer:
        if call.kind != kind:
            return call.answer
        balance = {"credits": call.server.credits, "free-credits": 0.0}
        return replace(call.answer.with_json(balance), status=200)

    return reply
