"""Judge a case: apply its check to each reading of the contract, from the pages to reported observations.

A check yields what is wrong under one reading, and knows nothing of verdicts. The pages come first: the reply
keeps them or not. If not, an observation at a grade that counts makes it a known deviation, and one at a
lower grade leaves it open. In strict mode the pages alone count.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

from PIL import Image, ImageChops, ImageStat

from segmind_sd3_contract import oracle
from segmind_sd3_contract.conformance.reply import Reply

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from segmind_sd3_contract.conformance.case import Case
    from segmind_sd3_contract.conformance.results import Exchange, Verdict
    from segmind_sd3_contract.oracle import Contract

REFUSALS: Final = (400, 406, 422)
"""The statuses that may refuse a bad value: no page says which. A 406 must not speak of credits."""

PASSING: Final = (408, 429, 499, 502, 503, 504, 520, 521, 522, 523, 524)
"""The statuses that say nothing of the contract: a limit, or somebody between us and the service."""

ALIKE: Final = 4.0
"""How far two pictures may lie apart and still be the same, in steps of 255, where bytes may differ."""


@dataclass(frozen=True, slots=True)
class Readings:
    """The contract as the pages say it, as it was observed, and as it was seen or guessed at any grade.

    `exact`: whether the same picture means the same bytes.
    """

    pages: Contract
    observed: Contract
    reported: Contract
    exact: bool

    @classmethod
    def of(cls, documented: Any, observed: Any, *, exact: bool) -> Readings:
        profiles: tuple[oracle.Profile, ...] = ("documented", "observed", "reported")
        return cls(*(oracle.Contract(documented, observed, profile) for profile in profiles), exact=exact)


@cache
def packaged(*, exact: bool) -> Readings:
    """Return the contract that this package carries."""
    return Readings.of(oracle.carried("documented"), oracle.carried("observed"), exact=exact)


@dataclass(frozen=True, slots=True)
class Judgement:
    verdict: Verdict
    reasons: tuple[str, ...] = ()
    deviation: str | None = None


# -- Checks -----------------------------------------------------------------------------------------------


def draws(reply: Reply) -> Iterator[str]:
    """Check that a good call is drawn as the contract says."""
    if reply.status != 200:
        yield f"a good call was answered with {reply.status}: {reply.text()!r}"
    yield from reply.findings()


def refuses(reply: Reply) -> Iterator[str]:
    """Check that a bad call is refused with a fitting status, and that the reply keeps the contract."""
    if reply.status == 200:
        yield "a bad call was drawn, not refused"
    elif reply.status not in REFUSALS:
        yield f"a bad call was answered with {reply.status}, not one of {REFUSALS}: {reply.text()!r}"
    elif reply.status == 406 and oracle.speaks_of_credits(reply.text()):
        yield f"a bad call was answered with a 406 about credits: {reply.text()!r}"
    if reply.status != 200:
        yield from reply.findings()


def as_the_schema_says(replies: Sequence[Reply]) -> Iterator[str]:
    for reply in replies:
        valid = reply.contract.judge(reply.operation).is_valid(reply.exchange.sent)
        yield from draws(reply) if valid else refuses(reply)


def all_drawn(replies: Sequence[Reply]) -> Iterator[str]:
    for reply in replies:
        yield from draws(reply)


def all_refused(replies: Sequence[Reply]) -> Iterator[str]:
    for reply in replies:
        yield from refuses(reply)


def sound(replies: Sequence[Reply]) -> Iterator[str]:
    """Check that the answer, whatever it is, is whole and in the contract."""
    for reply in replies:
        yield from reply.findings()


def understood(replies: Sequence[Reply]) -> Iterator[str]:
    """Check that a call that is at worst wrong is drawn or refused, and fails no server."""
    for reply in replies:
        if reply.status >= 500:
            yield f"the service failed with {reply.status}: {reply.text()!r}"
        yield from reply.findings()


def drawn_or_refused(replies: Sequence[Reply]) -> Iterator[str]:
    """Check that a valid call is drawn as the contract says, or refused with any 4xx, and fails no server."""
    for reply in replies:
        if reply.status >= 500:
            yield f"the service failed with {reply.status}: {reply.text()!r}"
        elif not 400 <= reply.status < 500:
            yield from draws(reply)


def refusals(replies: Sequence[Reply]) -> Iterator[str]:
    """Yield that a valid call was refused, where no page rules that out."""
    for status in sorted({reply.status for reply in replies if 400 <= reply.status < 500}):
        yield f"it is refused with {status}, which no page rules out"


def fails_no_server(replies: Sequence[Reply]) -> Iterator[str]:
    """Check that an unusual request is answered in whatever way, but not by a failure."""
    for reply in replies:
        if reply.status == 500:
            yield f"the service failed with 500: {reply.text()!r}"


def answered(*statuses: int, about: str = "") -> Callable[[Sequence[Reply]], Iterator[str]]:
    """Check that the answer has one of some statuses, and that its text speaks of a subject."""

    def check(replies: Sequence[Reply]) -> Iterator[str]:
        for reply in replies:
            if reply.status not in statuses:
                wanted = " or ".join(map(str, statuses))
                yield f"expected {wanted}, came {reply.status}: {reply.text()!r}"
            elif about and not re.search(about, reply.text(), re.IGNORECASE):
                subject = about.replace("|", " or ")
                yield f"the {reply.status} says {reply.text()!r}, which is not about {subject}"
            yield from reply.findings()

    return check


def same_picture(replies: Sequence[Reply]) -> Iterator[str]:
    yield from all_drawn(replies)
    if all(reply.status == 200 for reply in replies):
        yield from _compared(replies, alike=True)


def another_picture(replies: Sequence[Reply]) -> Iterator[str]:
    yield from all_drawn(replies)
    if all(reply.status == 200 for reply in replies):
        yield from _compared(replies, alike=False)


def drawn(replies: Sequence[Reply]) -> bool:
    return all(reply.status == 200 for reply in replies)


def difference(one: Reply, other: Reply) -> float:
    """Say how far the first pictures of two replies lie apart, in steps of 255; 0 where they are the same.

    Where the same picture means the same bytes, any other bytes are infinitely far.
    """
    first, second = (next(iter(pictures_of(reply)), b"") for reply in (one, other))
    if first == second:
        return 0.0
    return math.inf if one.exact else _distance(first, second)


def _distance(one: bytes, other: bytes) -> float:
    try:
        first, second = (Image.open(BytesIO(each)).convert("RGB") for each in (one, other))
    except OSError:
        return math.inf
    if first.size != second.size:
        return math.inf
    return max(ImageStat.Stat(ImageChops.difference(first, second)).mean)


def _compared(replies: Sequence[Reply], *, alike: bool) -> Iterator[str]:
    first, other = (pictures_of(reply) for reply in replies)
    if len(first) != len(other):
        yield f"{len(first)} and {len(other)} pictures came"
    elif first and all(map(_alike(replies[0].exact), first, other)) is not alike:
        yield "the pictures differ" if alike else "the pictures are the same"


def pictures_of(reply: Reply) -> list[bytes]:
    try:
        return reply.pictures()
    except ValueError:
        return []  # a finding says so


def _alike(exact: bool) -> Callable[[bytes, bytes], bool]:  # noqa: FBT001 - given by its meaning above
    return bytes.__eq__ if exact else _look_alike


def _look_alike(one: bytes, other: bytes) -> bool:
    return _distance(one, other) <= ALIKE


# -- Verdicts ---------------------------------------------------------------------------------------------


def judged(case: Case, exchanges: Sequence[Exchange], readings: Readings, *, strict: bool) -> Judgement:
    """Judge a case by all that was sent for it."""
    if passing := tuple(_passing(exchanges)):
        return Judgement("open" if case.may_hang_up else "inconclusive", passing)

    def wrong(contract: Contract) -> tuple[str, ...]:
        replies = [Reply(contract, each, case.operation, readings.exact) for each in exchanges]
        return tuple(case.check(replies))

    reasons = wrong(readings.pages)
    if not reasons:
        replies = [Reply(readings.pages, each, case.operation, readings.exact) for each in exchanges]
        described = tuple(case.describe(replies)) if case.describe else ()
        if case.is_open or described:
            return Judgement("open", described or tuple(_told(exchanges)))
        return Judgement("held")
    if not strict:
        if case.deviation and not wrong(readings.observed):
            return Judgement("known deviation", reasons, case.deviation)
        if not wrong(readings.reported):
            return Judgement("open", reasons, case.deviation)
    return Judgement("broken", reasons)


def _passing(exchanges: Sequence[Exchange]) -> Iterator[str]:
    for each in exchanges:
        if each.status is None:
            yield each.failure or "no answer was kept"
        elif each.status in PASSING:
            yield f"a {each.status} says nothing of the contract"
        elif each.failure:
            yield f"the reply is not whole: {each.failure}"


def _told(exchanges: Sequence[Exchange]) -> Iterator[str]:
    answers = ", ".join(str(each.status) for each in exchanges)
    yield f"the contract leaves this open; the answer was {answers}"
