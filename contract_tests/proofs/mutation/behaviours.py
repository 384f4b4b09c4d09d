"""What a server may do wrong, as a table: how it answers, and what it says of the money.

Law: each behaviour is one thing, and a client that knows the contract can see it.
"""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from proofs.mutation.drawing import pictures, spoils
from proofs.mutation.servers import Behaviour, cost, refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from segmind_sd3_contract.reference import Answer

    from proofs.mutation.servers import Call, Kind

    Reply = Callable[[Call], Answer]

ACCOUNT, ADDRESS, BODY, CALL = "(account)", "(address)", "(body)", "(call)"

CREDITS_WORDS: Final = "Not enough credits"
OTHER_WORDS: Final = "Something else is wrong"

PRICE: Final = Decimal("0.01")
"""What is taken, in USD, where nothing is to be paid."""


def behaviours() -> Iterator[Behaviour]:
    """List all behaviours of an endpoint."""
    yield from statuses()
    yield from lax()
    yield from replies_of_errors()
    yield from spoils()
    yield from pictures()
    yield from money()


# -- Which status -----------------------------------------------------------------------------------------

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
"""For each kind of call, where the suite most likely notices, and statuses that may not answer it."""

EVERYTHING: Final = (401, 404, 406, 500)


def statuses() -> Iterator[Behaviour]:
    for kind, (group, wrong) in WRONG_STATUSES.items():
        for status in wrong:
            yield Behaviour(f"{kind}-{status}", group, _answered(kind, status, OTHER_WORDS))
    for kind in ("good", "not-json", "bad-value", "content-type"):
        group, _ = WRONG_STATUSES[kind]
        yield Behaviour(f"{kind}-406-credits", group, _answered(kind, 406, CREDITS_WORDS))
    yield Behaviour("no-credits-406-other", ACCOUNT, _answered("no-credits", 406, OTHER_WORDS))
    yield Behaviour("content-type-406-other", BODY, _answered("content-type", 406, OTHER_WORDS))
    for status in EVERYTHING:
        words = CREDITS_WORDS if status == 406 else OTHER_WORDS
        yield Behaviour(f"everything-{status}", CALL, _everything(status, words))


def _answered(kind: Kind, status: int, words: str) -> Reply:
    def reply(call: Call) -> Answer:
        if call.kind != kind:
            return call.answer
        return replace(call.answer, status=status) if status < 300 else refused(call.answer, status, words)

    return reply


def _everything(status: int, words: str) -> Reply:
    return lambda call: refused(call.answer, status, words)


# -- What is drawn though it should be refused, and the other way round -----------------------------------


def lax() -> Iterator[Behaviour]:
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
    for name, wanted in (("text", "text/plain"), ("form", "application/x-www-form-urlencoded"), ("none", "")):
        yield Behaviour(
            f"content-type-{name}-drawn",
            BODY,
            _drawn_where(
                lambda call, wanted=wanted: (
                    call.kind == "content-type" and call.request.headers.get("content-type", "") == wanted
                )
            ),
        )
    for name, is_it in _NOT_JSON.items():
        yield Behaviour(
            f"{name}-drawn",
            BODY,
            _drawn_where(lambda call, is_it=is_it: call.kind == "not-json" and is_it(call.request.body)),
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


def _drawn_where(is_meant: Callable[[Call], bool]) -> Reply:
    return lambda call: call.server.drawn_anyway() if is_meant(call) else call.answer


def _empty_where(kind: Kind) -> Reply:
    def reply(call: Call) -> Answer:
        return replace(call.answer.with_json({}), status=200) if call.kind == kind else call.answer

    return reply


def _where(is_meant: Callable[[Call], bool], status: int) -> Reply:
    def reply(call: Call) -> Answer:
        is_now = call.kind == "good" and is_meant(call)
        return refused(call.answer, status, OTHER_WORDS) if is_now else call.answer

    return reply


def _has_unknown_field(call: Call) -> bool:
    operation = call.server.operation
    return operation is not None and bool(call.body.keys() - operation.properties.keys())


def _names_a_charset(call: Call) -> bool:
    return "charset" in call.request.headers.get("content-type", "")


# -- How an error is told ---------------------------------------------------------------------------------


def replies_of_errors() -> Iterator[Behaviour]:
    for status, group in ((401, ACCOUNT), (404, ADDRESS), (405, ADDRESS), (406, CALL)):
        for name, change in _CHANGES_OF_AN_ERROR.items():
            if (status, name) != (405, "html"):  # which is how a 405 is told
                yield Behaviour(f"{status}-{name}", group, _changed_at(status, change))


def _changed_at(status: int, change: Callable[[Answer], Answer]) -> Reply:
    return lambda call: change(call.answer) if call.answer.status == status else call.answer


_CHANGES_OF_AN_ERROR: Final[Mapping[str, Callable[[Answer], Answer]]] = {
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
        yield Behaviour(f"good-{name}", ACCOUNT, told=lambda call, factor=factor: cost(call.answer) * factor)
    for kind in ("method", "unknown-path", "content-type", "not-json", "bad-value", "bearer"):
        yield Behaviour(f"{kind}-billed", ACCOUNT, told=_billed(kind))
    yield Behaviour("balance-lags", ACCOUNT, _balance_before)


def _cost_times(factor: Decimal) -> Reply:
    def reply(call: Call) -> Answer:
        told = "x-cost" in call.answer.headers
        return (
            call.answer.with_headers(x_cost=format(cost(call.answer) * factor, "f")) if told else call.answer
        )

    return reply


def _billed(kind: str) -> Callable[[Call], Decimal]:
    return lambda call: -PRICE if call.kind == kind else Decimal(0)


def _balance_before(call: Call) -> Answer:
    """Tell the balance as it was before the call was paid for."""
    told = Decimal(call.answer.headers["x-remaining-credits"]) + cost(call.answer)
    return call.answer.with_headers(x_remaining_credits=format(told, "f"))


# -- The balance ------------------------------------------------------------------------------------------


def of_the_balance() -> Iterator[Behaviour]:
    """List what may be wrong with the answer to the question for the balance."""
    for status in (400, 401, 404, 500):
        yield Behaviour(f"good-{status}", CALL, _answered("good", status, OTHER_WORDS))
    for status in (400, 403, 500):
        yield Behaviour(f"no-key-{status}", ACCOUNT, _answered("no-key", status, OTHER_WORDS))
    yield Behaviour("no-key-told", ACCOUNT, _told_to_anybody("no-key"))
    yield Behaviour("unknown-key-told", ACCOUNT, _told_to_anybody("unknown-key"))
    told: Mapping[str, Callable[[Answer], Answer]] = {
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
    for name, change in told.items():
        yield Behaviour(
            f"good-{name}",
            CALL,
            lambda call, change=change: change(call.answer) if call.kind == "good" else call.answer,
        )
    yield Behaviour("good-billed", ACCOUNT, told=_billed("good"))


def _credits(answer: Answer) -> float:
    return json.loads(answer.body)["credits"]


def _told_to_anybody(kind: Kind) -> Reply:
    def reply(call: Call) -> Answer:
        if call.kind != kind:
            return call.answer
        told = {"credits": call.server.credits, "free-credits": 0.0}
        return replace(call.answer.with_json(told), status=200)

    return reply
