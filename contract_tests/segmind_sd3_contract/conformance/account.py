"""Whose key it is, how an address is called, and what a body is: the cases that say nothing of a picture."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from segmind_sd3_contract.conformance.calls import JSON, NO_SUCH_MODEL
from segmind_sd3_contract.conformance.case import Case
from segmind_sd3_contract.conformance.credits import ROUNDING, balance_in, number
from segmind_sd3_contract.conformance.judging import (
    all_drawn,
    all_refused,
    answered,
    fails_no_server,
    understood,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from segmind_sd3_contract.conformance.bodies import Endpoint
    from segmind_sd3_contract.conformance.calls import Call
    from segmind_sd3_contract.conformance.reply import Reply
    from segmind_sd3_contract.conformance.results import Tier

GROUP: Final = "(account)"
ADDRESS: Final = "(address)"
BODY: Final = "(body)"

LARGE_HEADER: Final = 16_384
LARGE_BODY: Final = 1_048_576
"""Bytes that many servers take no more of; a usual limit of a gateway."""


def about_the_account(endpoint: Endpoint) -> Iterator[Case]:
    good = endpoint.call()

    def case(  # noqa: PLR0917 - as they stand in a case
        group: str, place: str, claim: str, call: Call, check: Any, tier: Tier = "smoke", **more: Any
    ) -> Case:
        return Case(endpoint.operation, group, place, claim, (call,), check, tier=tier, **more)

    for auth, place, claim in (
        ("none", "no-key", "A call without a key is refused with 401."),
        ("unknown", "unknown-key", "A key that nobody has is refused with 401."),
        ("malformed", "malformed-key", "What is no key is refused with 401."),
    ):
        yield case(GROUP, place, claim, replace(good, auth=auth), answered(401))
    yield case(
        GROUP,
        "bearer",
        "The key as a bearer token is refused with 401.",
        replace(good, auth="bearer"),
        answered(401),
        layer="observed",
        tier="boundary",
    )
    yield case(
        GROUP,
        "no-credits",
        "A call without credits is refused with 406, and the text says so.",
        replace(good, auth="penniless"),
        answered(406, about="credit|balance"),
        tier="boundary",
    )
    for method in ("GET", "PUT", "PATCH", "DELETE"):
        yield case(
            ADDRESS,
            f"method:{method}",
            f"{method} is answered with 405.",
            replace(good, method=method, body=None, content_type=None),
            answered(405),
        )
    yield case(
        ADDRESS,
        "unknown-path",
        "An address that nobody serves is answered with 404.",
        replace(good, path=good.path + NO_SUCH_MODEL),
        answered(404),
    )
    for place, named in (
        ("text", "text/plain"),
        ("form", "application/x-www-form-urlencoded"),
        ("none", None),
    ):
        yield case(
            BODY,
            f"content-type:{place}",
            "A body that is not named JSON is refused with 406, and the text says so.",
            replace(good, content_type=named),
            answered(406, about="content.?type"),
            layer="observed",
            tier="boundary",
        )
    for place, raw in (
        ("malformed", '{"prompt": "a lighthouse"'),
        ("empty", ""),
        ("list", "[]"),
        ("text", '"a"'),
    ):
        yield case(
            BODY,
            place,
            "A body that is no JSON object is refused.",
            replace(good, body=None, raw=raw),
            all_refused,
            layer="assumed",
        )
    yield case(
        BODY,
        "unknown-field",
        "No page says what becomes of a field that it does not have.",
        endpoint.call(no_such_parameter="x"),
        understood,
        layer="assumed",
        tier="full",
        is_open=True,
    )
    yield case(
        BODY,
        "charset",
        "The content type of JSON may name its charset.",
        replace(good, content_type=f"{JSON}; charset=utf-8"),
        understood,
        layer="assumed",
        tier="full",
        is_open=True,
    )


def unusual(endpoint: Endpoint) -> Iterator[Case]:
    """Return requests that people's tools send, and of which no page speaks. None of them can be drawn."""
    good = endpoint.call()
    for group, place, claim, call in (
        *(
            (ADDRESS, f"method:{method}", method, replace(good, method=method, body=None, content_type=None))
            for method in ("HEAD", "OPTIONS")
        ),
        (BODY, "content-type:xml", "XML", replace(good, body=None, raw="<a/>", content_type="text/xml")),
    ):
        yield _unusual(endpoint, group, place, f"No page says how {claim} is answered.", call)


def framed(endpoint: Endpoint) -> Iterator[Case]:
    """Return good calls that are sent in another way: in chunks, zipped, after a question, at the end."""
    good = endpoint.call()
    for place, how, call in (
        ("chunked", "in chunks", replace(good, coding="chunked")),
        ("gzip", "with a zipped body", replace(good, coding="gzip")),
        ("expect", "with Expect: 100-continue", replace(good, headers=(("expect", "100-continue"),))),
        ("connection-close", "as the last one", replace(good, headers=(("connection", "close"),))),
    ):
        yield _unusual(
            endpoint,
            BODY,
            place,
            f"No page says how a call that is sent {how} is answered.",
            call,
            tier="thorough",
        )


def about_limits(endpoint: Endpoint) -> Iterator[Case]:
    """Return a request with a large header, and one with a large body that is no JSON."""
    good = endpoint.call()
    header = replace(good, body=None, raw="", headers=(("x-filler", "a" * LARGE_HEADER),))
    body = replace(good, body=None, raw=" " * LARGE_BODY + "[")
    for group, place, what, call in (
        (ADDRESS, "large-header", f"a header of {LARGE_HEADER} bytes", header),
        (BODY, "large", f"a body of {LARGE_BODY} bytes that is no JSON", body),
    ):
        yield _unusual(
            endpoint, group, place, f"No page says how {what} is answered.", call, may_hang_up=True
        )


def _unusual(endpoint: Endpoint, group: str, place: str, claim: str, call: Call, **more: Any) -> Case:
    calls = (call,)
    return Case(
        endpoint.operation, group, place, claim, calls, fails_no_server, "assumed", is_open=True, **more
    )


def about_the_balance(question: Call) -> Iterator[Case]:
    """Return the call for the balance. It comes first: it costs nothing, and shows who answers."""

    def case(group: str, place: str, claim: str, calls: tuple[Call, ...], check: Any, **more: Any) -> Case:
        return Case(
            question.operation, group, place, claim, calls, check, layer="observed", tier="smoke", **more
        )

    yield case("(call)", "good", "The balance is told.", (question,), all_drawn)
    yield case(
        "(call)",
        "again",
        "To ask for it costs nothing.",
        (question, question.again()),
        the_same_balance,
        about_the_balance=True,
    )
    yield case(
        "(call)",
        "header",
        "The balance in the reply is that of its own header.",
        (question,),
        the_balance_of_its_header,
    )
    for auth, place in (("none", "no-key"), ("unknown", "unknown-key")):
        claim = "Nobody is told the balance without a key of its account."
        yield case(GROUP, place, claim, (replace(question, auth=auth),), answered(401))


def the_same_balance(replies: Sequence[Reply]) -> Iterator[str]:
    yield from all_drawn(replies)
    first, second = (reply.exchange.body for reply in replies)
    if first != second:
        yield f"the balance was {first[:80]!r}, and then {second[:80]!r}"


def the_balance_of_its_header(replies: Sequence[Reply]) -> Iterator[str]:
    yield from all_drawn(replies)
    for reply in replies:
        told, header = balance_in(reply.exchange), number(reply.exchange.received.get("x-remaining-credits"))
        if told is not None and header is not None and abs(told - header) > ROUNDING:
            yield f"the balance is {told:g}, and {header:g} in the header"
