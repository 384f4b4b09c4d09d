"""What every reply of a run must keep, whatever its case is about. All replies are judged, and none is sent.

A rule says what is wrong with a reply. What no page speaks of and harms nobody is open: the run says what the
target does.
"""

from __future__ import annotations

import html
import json
import math
import re
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final, cast

from segmind_sd3_contract import oracle
from segmind_sd3_contract.conformance.judging import PASSING
from segmind_sd3_contract.conformance.reply import Reply
from segmind_sd3_contract.conformance.results import Outcome
from segmind_sd3_contract.quirks import picture_type

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from segmind_sd3_contract.conformance.judging import Readings
    from segmind_sd3_contract.conformance.results import Exchange, Layer, Verdict

GROUP: Final = "(reply)"
MOST_REASONS: Final = 5
LONGEST: Final = 65_536
"""Bytes of a reply that are read as text."""

WRONG_CLOCK: Final = timedelta(days=1)
"""How far the date of a reply may lie from ours, whose clock may be wrong too."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One claim about every reply of an endpoint.

    Attributes:
        place: the column of the report's grid.
        layer: where the clause stands.
        claim: what must hold, in a sentence.
        applies: whether a reply can break it.
        wrong: yields each call whose reply is wrong, and why.
        concerns: whether an endpoint whose body has this schema, None for none, can show it.
        is_open: whether no page promises it, so that a reply that breaks it is reported and not broken.
    """

    place: str
    layer: Layer
    claim: str
    applies: Callable[[Reply], bool] = field(repr=False)
    wrong: Callable[[Sequence[Reply]], Iterator[tuple[str, str]]] = field(repr=False)
    concerns: Callable[[Any], bool] = field(default=lambda _: True, repr=False)
    is_open: bool = False


def about_replies(operation: str, exchanges: Sequence[Exchange], readings: Readings) -> Iterator[Outcome]:
    """Judge all replies of an endpoint by each rule."""
    replies = [
        Reply(readings.observed, each, operation, readings.exact)
        for each in exchanges
        if each.status is not None
    ]
    schema = readings.pages.schema(operation)
    for rule in RULES:
        if rule.concerns(schema):
            judged = [reply for reply in replies if rule.applies(reply)]
            yield _outcome(operation, rule, len(judged), list(rule.wrong(judged)))


def _outcome(operation: str, rule: Rule, judged: int, wrong: Sequence[tuple[str, str]]) -> Outcome:
    calls = tuple(dict.fromkeys(call for call, _ in wrong))
    reasons = [f"{reason} ({call})" for call, reason in wrong[:MOST_REASONS]]
    if len(calls) > MOST_REASONS:
        reasons.append(f"{len(calls)} of {judged} replies are like this")
    verdict: Verdict = "broken" if wrong else "held"
    if not judged:
        verdict, reasons = "not run", ["no reply of this run shows it"]
    elif rule.is_open:
        verdict, reasons = "open", reasons or [f"no page speaks of it; {judged} replies keep it"]
    return Outcome(
        f"{operation}::{GROUP}::{rule.place}",
        operation,
        GROUP,
        rule.place,
        rule.layer,
        rule.claim,
        verdict,
        tuple(reasons),
        calls=calls[:MOST_REASONS],
    )


def each(wrong: Callable[[Reply], Iterator[str]]) -> Callable[[Sequence[Reply]], Iterator[tuple[str, str]]]:
    """Make a check of all replies from a check of one."""

    def check(replies: Sequence[Reply]) -> Iterator[tuple[str, str]]:
        return ((reply.exchange.call, reason) for reply in replies for reason in wrong(reply))

    return check


# -- Which replies ----------------------------------------------------------------------------------------


def any_reply(_: Reply) -> bool:
    return True


def is_own(reply: Reply) -> bool:
    """Return whether a reply is the service's own: a gateway and a rate limit keep no contract."""
    return reply.status not in PASSING and reply.exchange.failure is None


def is_drawn(reply: Reply) -> bool:
    return is_own(reply) and reply.status == 200 and reply.exchange.method == "POST"


def has_several(reply: Reply) -> bool:
    return is_drawn(reply) and len(pictures_of(reply)) > 1


def draws(schema: Any) -> bool:
    return schema is not None


def draws_several(schema: Any) -> bool:
    return draws(schema) and any(name in schema["properties"] for name in oracle.COUNTS)


def is_error(reply: Reply) -> bool:
    return is_own(reply) and reply.status >= 400 and reply.exchange.method != "HEAD"


# -- The key, pictures ------------------------------------------------------------------------------------


def holds_the_key(reply: Reply) -> Iterator[str]:
    yield from reply.exchange.leaks


def pictures_of(reply: Reply) -> list[bytes]:
    try:
        return reply.pictures()
    except ValueError:
        return []  # the case of the call says so


def holds_more_than_pictures(reply: Reply) -> Iterator[str]:
    for picture in pictures_of(reply):
        end = picture_end(picture)
        if end is not None and end < len(picture):
            more = picture[end:]
            yield f"{len(more)} bytes follow the picture: {more[:40]!r}"


def repeats_a_picture(reply: Reply) -> Iterator[str]:
    pictures = pictures_of(reply)
    if len(set(pictures)) < len(pictures):
        yield f"of {len(pictures)} pictures, {len(set(pictures))} are different"


_MARKER: Final = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
"""What ends the compressed data of a JPEG."""


def picture_end(data: bytes) -> int | None:
    """Return where a whole JPEG, PNG or WebP ends; None where it is none, or not whole."""
    match picture_type(data):
        case "image/jpeg":
            return _jpeg_end(data)
        case "image/png":
            return _png_end(data)
        case "image/webp":
            size = int.from_bytes(data[4:8], "little")
            return 8 + size + size % 2
        case _:
            return None


def _jpeg_end(data: bytes) -> int | None:
    at = 2
    while found := _MARKER.search(data, at):
        if found[0] == b"\xff\xd9":
            return found.end()
        # A segment says its own length: a thumbnail in it has an end of its own.
        at = found.end() + int.from_bytes(data[found.end() : found.end() + 2], "big")
    return None


def _png_end(data: bytes) -> int | None:
    at = 8
    while at + 12 <= len(data):
        kind, length = data[at + 4 : at + 8], int.from_bytes(data[at : at + 4], "big")
        at += 12 + length
        if kind == b"IEND":
            return at
    return None


# -- Numbers, ids -----------------------------------------------------------------------------------------


def has_odd_numbers(reply: Reply) -> Iterator[str]:
    for name in ("x-cost", "x-generation-time"):
        text = reply.exchange.received.get(name)
        try:
            value = None if text is None else float(text)
        except ValueError:
            continue  # the oracle says so
        if value is not None and not (math.isfinite(value) and value >= 0):
            yield f"{name} is {text}"


def repeats_an_id(replies: Sequence[Reply]) -> Iterator[tuple[str, str]]:
    seen: dict[str, str] = {}
    for reply in replies:
        request_id = reply.exchange.request_id
        if request_id is not None and not request_id.strip():
            yield reply.exchange.call, "x-request-id is empty"
        elif request_id in seen:
            yield reply.exchange.call, f"x-request-id is {request_id}, which {seen[request_id]} has too"
        elif request_id is not None:
            seen[request_id] = reply.exchange.call


# -- Errors -----------------------------------------------------------------------------------------------

TRACEBACK: Final = re.compile(
    r"Traceback \(most recent call last\)|File \"[^\"\n]+\", line \d+|^\s*at [^\n(]+\([^)\n]+:\d+(:\d+)?\)"
    r"|goroutine \d+ \[|panicked at |stack backtrace:|Stack trace:|\.rb:\d+:in |\.cs:line \d+",
    re.MULTILINE,
)
"""What a traceback of a usual language looks like."""


def says_nothing(reply: Reply) -> Iterator[str]:
    if not re.search(r"\w\w", words_of(reply)):
        yield f"the {reply.status} says nothing: {reply.exchange.body[:60]!r}"


def shows_a_traceback(reply: Reply) -> Iterator[str]:
    headers = "\n".join(reply.exchange.received.values())
    text = "" if is_picture(reply) else words_of(reply)
    if found := TRACEBACK.search(f"{headers}\n{text}"):
        yield f"the {reply.status} holds {found[0].strip()[:60]!r}"


def is_picture(reply: Reply) -> bool:
    return oracle.media_type(reply.seen).startswith("image/")


def words_of(reply: Reply) -> str:
    """Return all texts in a reply: the values of its JSON, its page without tags, or its body."""
    text = reply.exchange.body[:LONGEST].decode("utf-8", "replace")
    if reply.is_json and len(reply.exchange.body) <= LONGEST:
        try:
            return "\n".join(_texts(json.loads(text)))
        except (ValueError, RecursionError):
            return text
    if oracle.media_type(reply.seen) == "text/html":
        return html.unescape(re.sub(r"<[^<>]*>", " ", text))
    return text


def _texts(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for each in cast("dict[str, Any]", value).values():
                yield from _texts(each)
        case list():
            for each in cast("list[Any]", value):
                yield from _texts(each)
        case _:
            pass


# -- HTTP -------------------------------------------------------------------------------------------------


def is_measured(reply: Reply) -> bool:
    """Return whether a reply says how long its body is."""
    has_length = "content-length" in reply.exchange.received
    return has_length and reply.status not in PASSING and reply.exchange.method != "HEAD"


def cuts_all_of_a_status(replies: Sequence[Reply]) -> Iterator[tuple[str, str]]:
    """Yield the replies that end before their content-length, where all of their status do.

    A single one may have been cut on its way, and its case is inconclusive.
    """
    by_status: defaultdict[int, list[Reply]] = defaultdict(list)
    for reply in replies:
        by_status[reply.status].append(reply)
    for status, alike in by_status.items():
        if len(alike) > 1 and all(map(_is_cut, alike)):
            for reply in alike:
                length, came = reply.exchange.received["content-length"], len(reply.exchange.body)
                yield (
                    reply.exchange.call,
                    f"content-length of the {status} is {length}, and {came} bytes came",
                )


def _is_cut(reply: Reply) -> bool:
    return (reply.exchange.failure or "").startswith("RemoteProtocolError")


def has_an_odd_date(reply: Reply) -> Iterator[str]:
    text = reply.exchange.received.get("date")
    if text is None:
        return
    try:
        date = parsedate_to_datetime(text)
    except ValueError:
        yield f"the date is {text!r}"
        return
    date = date if date.tzinfo else date.replace(tzinfo=UTC)
    if abs(date - datetime.now(UTC)) > WRONG_CLOCK:
        yield f"the date is {text}"


def sets_a_cookie(reply: Reply) -> Iterator[str]:
    if "set-cookie" in reply.exchange.received:
        yield "it sets a cookie"


def may_be_cached(reply: Reply) -> Iterator[str]:
    control = reply.exchange.received.get("cache-control", "").lower()
    if re.search(r"no-store|no-cache|private|max-age=0", control):
        return
    if "public" in control or "max-age" in control:
        yield f"cache-control is {control}"
    elif "expires" in reply.exchange.received and "x-cost" in reply.exchange.received:
        yield f"it expires {reply.exchange.received['expires']}"


RULES: Final = (
    Rule(
        "key",
        "assumed",
        "No reply holds the key: no header, body or error, as it is or encoded.",
        any_reply,
        each(holds_the_key),
    ),
    Rule(
        "picture-alone",
        "documented",
        "A 200 holds its pictures, and nothing behind them.",
        is_drawn,
        each(holds_more_than_pictures),
        draws,
    ),
    Rule(
        "pictures-differ",
        "documented",
        "The pictures of one call differ.",
        has_several,
        each(repeats_a_picture),
        draws_several,
    ),
    Rule("request-ids", "observed", "No two replies have the same x-request-id.", is_own, repeats_an_id),
    Rule(
        "numbers", "observed", "Costs and times are finite and not negative.", is_own, each(has_odd_numbers)
    ),
    Rule("errors", "observed", "An error says what is wrong.", is_error, each(says_nothing)),
    Rule("traceback", "assumed", "No reply holds a traceback.", is_own, each(shows_a_traceback)),
    Rule(
        "length",
        "assumed",
        "A body has the bytes that content-length says.",
        is_measured,
        cuts_all_of_a_status,
    ),
    Rule("date", "assumed", "The date is about now.", is_own, each(has_an_odd_date), is_open=True),
    Rule("cookie", "assumed", "No reply sets a cookie.", is_own, each(sets_a_cookie), is_open=True),
    Rule(
        "cache",
        "assumed",
        "No cache may keep a paid reply.",
        is_drawn,
        each(may_be_cached),
        draws,
        is_open=True,
    ),
)
