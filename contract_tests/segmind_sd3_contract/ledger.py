"""What the reference server's ledger proves of a client: nothing was sent again that may have been billed.

Law: a call is known by its seed, and judged by what left and what arrived; nothing of the SDK is asked.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from segmind_sd3_contract.reference import Entry

MAY_BE_REPEATED: Final = (429, 503)
"""The statuses after which a call may be sent again: they certainly cost nothing, and may pass."""


@dataclass(frozen=True, slots=True)
class Sending:
    """One sending of a call: whether it was billed, whether it may be repeated, and what it met."""

    seed: int
    met: str
    billed: bool
    may_be_repeated: bool

    @classmethod
    def of(cls, entry: Entry) -> Sending:
        repeated = entry.cost == 0 and entry.status in MAY_BE_REPEATED
        met = f"{entry.provocation or 'an honest answer'} ({entry.status}, {entry.cost:g} USD)"
        return cls(entry.body["seed"], met, entry.cost > 0, repeated)


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
