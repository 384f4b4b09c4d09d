"""List the faults of calls at the same time, and of calls that are sent in another way."""

from __future__ import annotations

import threading
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from proofs.mutation.requests import WORDS, has_parameter
from proofs.mutation.servers import Behaviour, refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from segmind_sd3_contract.reference import Answer

    from proofs.mutation.servers import Call, FaultyServer

    Body = dict[str, Any]


def sending_behaviours() -> Iterator[Behaviour]:
    """List all faults of this kind."""
    yield from parallel_calls()
    yield from refused_framings()


# -- Calls at the same time -------------------------------------------------------------------------------

AT_ONCE: Final = "(parallel)"
OVERLAP: Final = 0.1
"""Seconds that a call waits for another one."""


class Meeting:
    """Tells a call whether another one came while it was here."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._arrived: list[Body] = []
        self.met: set[int] = set()

    def next_after(self, sent: Body) -> Body | None:
        """Return the body of the next call to arrive; None where none does soon."""
        with self._changed:
            self._arrived.append(sent)
            mine = len(self._arrived)
            self._changed.notify_all()
            if not self._changed.wait_for(lambda: len(self._arrived) > mine, OVERLAP):
                return None
            self.met.add(threading.get_ident())
            return self._arrived[mine]


def _meeting(server: FaultyServer) -> Meeting:
    return server.memory.setdefault("meeting", Meeting())


def parallel_calls() -> Iterator[Behaviour]:
    for fault, body in (("draw-each-other", _of_the_next), ("share-a-seed", _with_the_seed_of_the_next)):
        yield Behaviour(
            f"parallel-calls-{fault}",
            AT_ONCE,
            body=body,
            named_by=f"{AT_ONCE}::eight",
            fits=partial(has_parameter, "seed"),
        )
    yield Behaviour(
        "parallel-calls-500", AT_ONCE, _fails_in_company, body=_unchanged, named_by=f"{AT_ONCE}::eight"
    )
    for fault, amount in (("billed-twice", Decimal("-0.05")), ("billed-too-little", Decimal("0.001"))):
        yield Behaviour(
            f"parallel-calls-{fault}",
            AT_ONCE,
            body=_unchanged,
            balance_error=partial(_in_company, amount),
            named_by="(account)::x-cost=fall",
        )


def _of_the_next(server: FaultyServer, sent: Body) -> Body:
    return _meeting(server).next_after(sent) or sent


def _with_the_seed_of_the_next(server: FaultyServer, sent: Body) -> Body:
    other = _meeting(server).next_after(sent)
    return {**sent, "seed": sent["seed"] + 1} if other and "seed" in sent else sent


def _unchanged(server: FaultyServer, sent: Body) -> Body:
    _meeting(server).next_after(sent)
    return sent


def _in_company(amount: Decimal, call: Call) -> Decimal:
    met = _meeting(call.server).met
    here = threading.get_ident()
    if here not in met:
        return Decimal(0)
    met.discard(here)
    return amount


def _fails_in_company(call: Call) -> Answer:
    met = threading.get_ident() in _meeting(call.server).met
    return refusal(call.answer, 500, WORDS) if met else call.answer


# -- How a request is sent --------------------------------------------------------------------------------

BODY: Final = "(body)"


def refused_framings() -> Iterator[Behaviour]:
    for place, status, header, value in (
        ("chunked", 411, "transfer-encoding", "chunked"),
        ("gzip", 415, "content-encoding", "gzip"),
        ("expect", 417, "expect", "100-continue"),
        ("connection-close", 400, "connection", "close"),
    ):
        for refused in (status, 500):
            yield Behaviour(
                f"{place}-{refused}",
                BODY,
                partial(_refused_framing, refused, header, value),
                named_by=f"{BODY}::{place}",
                left_open=refused != 500,
            )


def _refused_framing(status: int, header: str, value: str, call: Call) -> Answer:
    is_so = call.request.headers.get(header) == value
    return refusal(call.answer, status, "Refused") if is_so else call.answer
