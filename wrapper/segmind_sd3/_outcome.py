"""What came of one sending: a reply, or how far the exchange got and by what it was stopped."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import h11

from ._content import FileChanged
from ._reply import largest
from ._routing import ConnectionFault, DeadlineOver, ProxyRefused
from ._wire import Failure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ._connections import Deadline
    from ._routing import Route
    from ._wire import Incoming, Reply


def event_of(
    incoming: Incoming, deadline: Deadline, fault: BaseException | None, route: Route | None = None
) -> Reply | Failure:
    """Return what came of one sending, as far as the reply came and by what stopped it."""
    success = incoming.status // 100 == 2
    if incoming.status and (incoming.complete or not success):
        return incoming.reply()  # the status of a refusal alone says what it means
    reason, timed_out = describe(fault), isinstance(fault, DeadlineOver)
    if timed_out:
        reason = f"the deadline of {deadline.seconds:g} s is over"
    elif incoming.overflowed:
        reason = f"the reply is larger than {largest(incoming) // 1024**2} MiB"
    if incoming.status:
        return Failure("reply", reason, timed_out, partial=incoming.reply())
    if isinstance(fault, ProxyRefused):
        return Failure("nothing", f"no connection to {route}: {reason}", timed_out, not _is_final(fault))
    reached = "request" if incoming.handed_over else "part" if incoming.begun else "nothing"
    if reached == "nothing" and route is not None:
        reason = f"no connection to {route}: {reason}"
    return Failure(reached, reason, timed_out, not _is_final(fault))


def describe(fault: BaseException | None) -> str:
    """Return the words of a fault, or of the first of its causes that has any: anyio's have none."""
    if isinstance(fault, (ConnectionFault, FileChanged)):
        return str(fault)
    if isinstance(fault, ssl.SSLCertVerificationError):
        why = f"the certificate is not trusted ({fault.verify_message})"
        return f"{why}: name its authority by SSL_CERT_FILE or verify="
    if fault is None:
        return "the reply broke off"
    if isinstance(fault, OSError) and fault.strerror and not isinstance(fault, ssl.SSLError):
        return fault.strerror
    text = next((text for each in causes(fault) if (text := str(each))), "")
    return f"{type(fault).__name__}: {text}" if text else type(fault).__name__


def causes(fault: BaseException | None) -> Iterator[BaseException]:
    """Yield a fault and, one under the other, what it was made of; where they go in a circle, each once."""
    seen: set[int] = set()
    while fault is not None and id(fault) not in seen:
        seen.add(id(fault))
        yield fault
        fault = fault.__cause__ or fault.__context__


def _is_final(fault: BaseException | None) -> bool:
    """Return whether another try is sure to end alike."""
    if isinstance(fault, ProxyRefused):
        return fault.status == 407
    if isinstance(fault, ConnectionFault):
        return not isinstance(fault, DeadlineOver)
    return isinstance(fault, (ssl.SSLCertVerificationError, h11.LocalProtocolError, FileChanged))
