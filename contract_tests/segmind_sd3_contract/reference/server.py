"""The reference server: its answers in-process, by a transport of httpx, or on a socket."""

from __future__ import annotations

from typing import TYPE_CHECKING

from segmind_sd3_contract.reference.service import Service
from segmind_sd3_contract.reference.transports import AsyncReferenceTransport, ReferenceTransport

if TYPE_CHECKING:
    import ssl
    from contextlib import AbstractContextManager

    import httpx


class ReferenceServer(Service):
    __doc__ = Service.__doc__

    def transport(self) -> httpx.BaseTransport:
        """Return a transport for `httpx.Client` that answers in-process."""
        return ReferenceTransport(self.answer)

    def async_transport(self) -> httpx.AsyncBaseTransport:
        """Return a transport for `httpx.AsyncClient` that answers in-process, on asyncio and trio."""
        return AsyncReferenceTransport(self.answer)

    def listening(
        self, port: int = 0, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None
    ) -> AbstractContextManager[str]:
        """Listen on a socket, from a thread, while the context lasts; yield the URL.

        Port 0 is any free one. With `tls`, it speaks TLS. Raises OSError when the port is taken.
        """
        from segmind_sd3_contract.reference.asgi import listening  # noqa: PLC0415  uvicorn is for this alone

        return listening(self, host, port, tls)
