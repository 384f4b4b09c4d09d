"""Record from a live server: print what would be sent and its price first, and write each exchange at once.

No call is made twice. An existing cassette is not recorded again unless asked for. The key is in no cassette.
A cassette says `live` if the vendor's own host answered, and else names the server's URL.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import httpx
from segmind_sd3 import (
    AuthenticationError,
    InsufficientCredits,
    OutcomeUnknown,
    RateLimited,
    SegmindError,
)
from segmind_sd3._settings import BASE_URL
from segmind_sd3_api.parameters import OPERATIONS

from segmind_sd3_contract.cassettes.library import LIVE, provenance
from segmind_sd3_contract.cassettes.recording import send
from segmind_sd3_contract.cassettes.storage import recording
from segmind_sd3_contract.reference.account import price_list

if TYPE_CHECKING:
    from decimal import Decimal
    from pathlib import Path

    from segmind_sd3_contract.cassettes.cases import Case

ABOUT_THE_ACCOUNT: Final = (AuthenticationError, InsufficientCredits, RateLimited)
"""Answers that say nothing of a case, and cost nothing: they are not kept, and the next would be the same."""


class Stopped(Exception):
    """No further call is worth sending; the text says why."""


@dataclass(frozen=True, slots=True)
class Target:
    """A server that is not our own, and the key to it."""

    origin: str
    key: str = field(repr=False)

    @property
    def name(self) -> str:
        """What its cassettes call it."""
        return LIVE if httpx.URL(self.origin).host == httpx.URL(BASE_URL).host else self.origin

    def folder(self, cassettes: Path) -> Path:
        """Return the folder of its own: no cassette from elsewhere lies among the live ones."""
        netloc = httpx.URL(self.origin).netloc.decode("ascii")
        return cassettes / (LIVE if self.name == LIVE else netloc.replace(":", "-"))


def price(case: Case) -> Decimal:
    """Estimate what a case costs, in USD: the listed average of its endpoint, for each picture."""
    slug = OPERATIONS[case.operation].slug
    return price_list([slug], {})[slug] * case.pictures


def record(case: Case, target: Target, folder: Path) -> int:
    """Make the call of a case, keep the exchange, and give the status that came.

    Raises:
        Stopped: nothing came, nobody knows what came of it, or the answer is about the account.
    """
    known = provenance(case.id, target=target.name, profile=None, provocation=None)
    fault: Exception | None = None
    with recording(folder / case.file, known, target.key) as recorder:
        try:
            send(case, target.origin, target.key)
        except (SegmindError, httpx.HTTPError) as error:
            fault = error
            if isinstance(error, ABOUT_THE_ACCOUNT) and error.status != case.expects:
                recorder.keep = False
    status = recorder.status
    if status is None or not recorder.keep or isinstance(fault, OutcomeUnknown):
        raise Stopped(f"{case.id}: {fault}")
    return status
