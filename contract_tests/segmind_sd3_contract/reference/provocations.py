"""The faults that the server can be asked for, by name, and the queue of those that were asked for.

A fault that shows a row of the quirk table has the row's name, with a variant after a `:`.
"""

from __future__ import annotations

import difflib
import threading
from dataclasses import dataclass, field, replace
from inspect import getdoc
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from segmind_sd3_contract.reference.billed_errors import BILLED_ERRORS
from segmind_sd3_contract.reference.deliveries import DELIVERIES
from segmind_sd3_contract.reference.faults import FAULTS
from segmind_sd3_contract.reference.reply_faults import FAULTS_OF_200

if TYPE_CHECKING:
    from collections.abc import Mapping

    from segmind_sd3_contract.reference.exchange import Change


@dataclass(frozen=True, slots=True)
class Provocation:
    """One way to go wrong. `claim` says what is seen; `billed` whether the call is paid for."""

    name: str
    claim: str
    billed: bool
    change: Change = field(repr=False)


PROVOCATIONS: Final[Mapping[str, Provocation]] = MappingProxyType(
    {
        name: Provocation(name, getdoc(change) or "", table is not FAULTS, change)
        for table in (FAULTS_OF_200, DELIVERIES, FAULTS, BILLED_ERRORS)
        for name, change in table.items()
    }
)
"""Every provocation, by name."""

REPLY_FAULTS: Final[Mapping[str, Change]] = MappingProxyType(
    {name: each.change for name, each in PROVOCATIONS.items()}
)
"""What each provocation does to an answer: a pure function, for tests of what repairs it."""


def named(name: str) -> Provocation:
    """Return the provocation of that name; raises ValueError with the nearest names."""
    if name in PROVOCATIONS:
        return PROVOCATIONS[name]
    near = difflib.get_close_matches(name, PROVOCATIONS, 3, 0.4)
    near = [each for each in PROVOCATIONS if each.startswith(name + ":")] or near
    hint = f" Perhaps {', '.join(near)}?" if near else ""
    raise ValueError(f"There is no provocation {name!r}.{hint} `GET /reference` lists them all.")


@dataclass(frozen=True, slots=True)
class _Armed:
    provocation: Provocation
    times: int | None
    operation: str | None


class Queue:
    """What was asked for and not done yet. Safe to use from several threads.

    Each call that would have been a 200 takes the first that means its operation. One with a number of
    times stays first until they are used up; those for ever take turns.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._armed: list[_Armed] = []

    def arm(self, provocation: Provocation, times: int | None, operation: str | None) -> None:
        """Put a provocation last; raises ValueError for fewer times than one."""
        if times is not None and times < 1:
            raise ValueError(f"A provocation happens at least once, or for ever (None); not {times} times.")
        with self._lock:
            self._armed.append(_Armed(provocation, times, operation))

    def take(self, operation: str) -> Provocation | None:
        """Return the next provocation for an operation, and count it as done."""
        with self._lock:
            for place, armed in enumerate(self._armed):
                if armed.operation in (None, operation):
                    del self._armed[place]
                    if armed.times is None:
                        self._armed.append(armed)
                    elif armed.times > 1:
                        self._armed.insert(place, replace(armed, times=armed.times - 1))
                    return armed.provocation
            return None

    def clear(self) -> None:
        """Forget everything that was asked for."""
        with self._lock:
            self._armed.clear()
