"""What a server's ledger proves of a client: nothing is paid twice, lost, or misreported.

A call is known by its seed, and judged by what left the server and what the caller has in the end. Nothing
else of the SDK is asked.
"""

from __future__ import annotations

import base64
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from segmind_sd3 import Generation, SegmindError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from segmind_sd3_contract.reference import Entry

MAY_BE_REPEATED: Final = (429,)
"""The statuses after which an unbilled call may be sent again: it certainly cost nothing, and may pass."""


@dataclass(frozen=True, slots=True)
class Sending:
    """One sending of a call.

    Attributes:
        seed: the call.
        met: what it met, in words.
        billed: whether it was billed.
        may_be_repeated: whether the call may be sent again after it.
        delivered: the body of the reply, where it was sent to its end.
    """

    seed: int
    met: str
    billed: bool
    may_be_repeated: bool
    delivered: bytes | None = None

    @classmethod
    def of(cls, entry: Entry) -> Sending:
        """Read an entry of the reference server's ledger."""
        repeated = entry.cost == 0 and entry.status in MAY_BE_REPEATED
        met = f"{entry.provocation or 'an honest answer'} ({entry.status}, {entry.cost:g} USD)"
        return cls(entry.body["seed"], met, entry.cost > 0, repeated)


@dataclass(frozen=True, slots=True)
class End:
    """What a caller has when a call is over.

    Attributes:
        kind: `picture`, the class of an error, or why there is neither.
        billed: what the call says of money.
        timed_out: whether the deadline ended it.
        excused: whether the caller gave it up: what was under way then may be lost.
        kept: every body that the caller has.
        strange: the words of an error that is none of the SDK's.
    """

    kind: str
    billed: bool | None = None
    timed_out: bool = False
    excused: bool = False
    kept: tuple[bytes, ...] = ()
    strange: str = ""

    @classmethod
    def of(cls, outcome: object) -> End:
        """Read what a call returned or raised."""
        kind = type(outcome).__name__
        if isinstance(outcome, Generation):
            return cls("picture", billed=True, kept=tuple(image.data for image in outcome.images))
        if isinstance(outcome, SegmindError):
            body: bytes = getattr(outcome, "body", b"")
            return cls(kind, outcome.billed, isinstance(outcome, TimeoutError), kept=(body,) if body else ())
        return cls(kind, strange=str(outcome) or "no text")

    @classmethod
    def given_up(cls, kind: str) -> End:
        """Give the end of a call that its caller gave up, in that way."""
        return cls(kind, excused=True)


def sent_in_vain(sendings: Iterable[Sending]) -> Iterator[str]:
    """Say which calls were billed twice, or sent again after what may have been billed or can't pass."""
    calls: defaultdict[int, list[Sending]] = defaultdict(list)
    for sending in sendings:
        calls[sending.seed].append(sending)
    for seed, sent in calls.items():
        if (billed := sum(each.billed for each in sent)) > 1:
            yield f"call {seed} was billed {billed} times"
        yield from (
            f"call {seed} was sent again after {each.met}" for each in sent[:-1] if not each.may_be_repeated
        )


def misreported(sendings: Sequence[Sending], ends: Iterable[tuple[int, End]]) -> Iterator[str]:
    """Say which calls misreport the bill, lost what was paid for, or got what is not theirs."""
    calls: defaultdict[int, list[Sending]] = defaultdict(list)
    for sending in sendings:
        calls[sending.seed].append(sending)
    for seed, end in ends:
        sent = calls[seed]
        billed = [each for each in sent if each.billed]
        met = "; ".join(each.met for each in sent) or "nothing"
        if end.strange:
            yield f"call {seed} ended outside the tree: {end.kind}: {end.strange} (it met {met})"
        elif not end.excused and end.billed is not None and end.billed != bool(billed):
            says = f"call {seed}, {end.kind}, says billed={end.billed}"
            yield f"{says}; it was billed {len(billed)} times (it met {met})"
        if end.strange or end.excused or end.timed_out:
            continue
        yield from (
            f"call {seed}, {end.kind}, lost what was paid for (it met {met})"
            for each in billed
            if each.delivered is not None and not any(_same(each.delivered, body) for body in end.kept)
        )
        bodies = [each.delivered for each in sent if each.delivered is not None]
        if end.kind == "picture" and bodies and not any(_same(b, body) for b in bodies for body in end.kept):
            yield f"call {seed} got a picture that is not its own (it met {met})"


def _same(delivered: bytes, kept: bytes) -> bool:
    """Say whether what is kept is the body, or the picture in it."""
    return delivered == kept or base64.b64encode(kept) in delivered
