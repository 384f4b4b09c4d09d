"""How far one sending got: what came of the reply, what stopped it, and whether anything was sent at all."""

from __future__ import annotations

import ssl
import zlib
from typing import TYPE_CHECKING, Any, Final

import httpx

from ._connections import AsyncTransport, Transport, causes, told_of
from ._wire import Body, Failure, Reply

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ._connections import Deadline

MAX_REPLY_BYTES: Final = 256 * 1024 * 1024
"""The largest reply that is read: ten pictures of 2048 x 2048, as PNG in base64, stay below it."""

MAX_ERROR_BYTES: Final = 1024 * 1024
"""How much of an error's body is read: more is no message."""

_NOTHING_WAS_SENT: Final = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
    httpx.LocalProtocolError,
)


class _Enough(Exception):
    """No more of this body is wanted."""


class Progress:
    """How far one sending got: what came so far, and whether anything was sent at all."""

    def __init__(self, deadline: Deadline, pool: object) -> None:
        self._deadline = deadline
        # A transport of the user's own may not report what it does; then silence means nothing.
        self._reports = isinstance(pool, (Transport, AsyncTransport))
        self._response: httpx.Response | None = None
        self._body = Body("")
        self._stopped_by: Exception | None = None
        self._sent = False

    def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Be told by httpcore what it does. A request to a proxy to open a tunnel is not the call itself."""
        if event.endswith("send_request_headers.started") and info["request"].method != b"CONNECT":
            self._sent = True

    async def async_trace(self, event: str, info: Mapping[str, Any]) -> None:
        self.trace(event, info)

    def began(self, response: httpx.Response) -> None:
        self._response = response
        self._body = Body(response.headers.get("content-encoding", ""))

    def wants_more(self, chunk: bytes) -> bool:
        """Take a chunk of the body, and say whether to go on."""
        if self._stopped_by is not None:
            return False
        limit = MAX_REPLY_BYTES if self._success() else MAX_ERROR_BYTES
        try:
            for more in self._body.takes(chunk):
                if len(self._body) > limit:
                    raise _Enough(f"the reply is larger than {limit // 1024**2} MiB")
                if more and self._deadline.left() <= 0:
                    raise TimeoutError
        except (_Enough, TimeoutError) as fault:
            self._stopped_by = fault
        except zlib.error as fault:
            self._stopped_by = httpx.DecodingError(str(fault))
        return self._stopped_by is None

    def outcome(self) -> Reply | Failure:
        return self._reply() if self._stopped_by is None else self.ended_by(self._stopped_by)

    def _reply(self) -> Reply:
        response = self._response
        if response is None:
            raise RuntimeError("the transport gave no response")
        headers = {
            name.lower().decode("latin-1"): value.decode("latin-1") for name, value in response.headers.raw
        }
        return Reply(response.status_code, headers, self._body.data)

    def ended_by(self, fault: Exception) -> Reply | Failure:
        if self._response is not None:
            if not self._success():
                return self._reply()  # the status alone says what it means
            return Failure("reply", self._reason(fault), _is_timeout(fault), partial=self._reply())
        unsent = isinstance(fault, _NOTHING_WAS_SENT) or (self._reports and not self._sent)
        return Failure(
            "nothing" if unsent else "request",
            self._reason(fault),
            _is_timeout(fault),
            may_pass=not _is_sure_to_recur(fault),
        )

    def _success(self) -> bool:
        return self._response is not None and self._response.status_code // 100 == 2

    def _reason(self, fault: Exception) -> str:
        if isinstance(fault, _Enough):
            return str(fault)
        if _is_timeout(fault):
            return f"the deadline of {self._deadline.seconds:g} s is over"
        return told_of(fault)


def _is_timeout(fault: Exception) -> bool:
    return isinstance(fault, (httpx.TimeoutException, TimeoutError))


def _is_sure_to_recur(fault: Exception) -> bool:
    if isinstance(fault, (httpx.UnsupportedProtocol, httpx.LocalProtocolError)):
        return True
    return any(isinstance(each, ssl.SSLCertVerificationError) for each in causes(fault))
