"""The server on a socket: a Starlette app, and uvicorn in a thread.

The app passes requests to `Service.answer` and sends its answers, byte for byte or with the faulty delivery
that was provoked. The control endpoints under `/reference` need no key, so serve this on a loopback address.
"""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, cast

import anyio.to_thread
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from segmind_sd3_contract.reference.examples import example_body
from segmind_sd3_contract.reference.exchange import Request
from segmind_sd3_contract.reference.front import Front, misdelivered
from segmind_sd3_contract.reference.provocations import PROVOCATIONS

if TYPE_CHECKING:
    import ssl
    from collections.abc import Generator

    from starlette.types import Receive, Scope, Send

    from segmind_sd3_contract.reference.service import Service

SHOWN: int = 200
"""Characters of a text that the ledger shows over the wire: an input picture has millions."""


def application(server: Service) -> Starlette:
    """Return the ASGI app of a server."""

    async def calls(scope: Scope, receive: Receive, send: Send) -> None:
        request = HttpRequest(scope, receive)
        path, headers = request.url.path, dict(request.headers)
        carried = Request(request.method, path, headers, await request.body())
        answer = await anyio.to_thread.run_sync(server.answer, carried)
        if answer.delivery is not None:
            await misdelivered(answer, scope, receive)
            return
        await Response(answer.body, answer.status, dict(answer.headers))(scope, receive, send)

    def about(_: HttpRequest) -> Response:
        return JSONResponse(
            {
                "what": "The reference server of segmind-sd3, not the live service: no model draws here.",
                "profile": server.profile,
                "credits": server.credits,
                "operations": {
                    each.operation_id: {"path": each.path, "example": example_body(each)}
                    for each in server.operations.values()
                },
                "provocations": {name: each.claim for name, each in PROVOCATIONS.items()},
            }
        )

    def ledger(_: HttpRequest) -> Response:
        return JSONResponse([_shortened(asdict(entry)) for entry in server.ledger])

    async def provoke(request: HttpRequest) -> Response:
        try:
            _provoke(server, await request.json())
        except ValueError as error:
            return JSONResponse({"error": str(error)}, 400)
        return Response(status_code=204)

    def calm(_: HttpRequest) -> Response:
        server.calm()
        return Response(status_code=204)

    return Starlette(
        routes=[
            Route("/reference", about),
            Route("/reference/ledger", ledger),
            Route("/reference/provoke", provoke, methods=["POST"]),
            Route("/reference/calm", calm, methods=["POST"]),
            Mount("/", calls),
        ]
    )


def _provoke(server: Service, asked: Any) -> None:
    """Do what `{"name": …}` or `{"status": …, "error": …}` asks for; `times` and `operation` go with both."""
    match asked:
        case {"name": str(name), **rest}:
            server.provoke(name, **_when(rest))
        case {"status": int(status), **rest}:
            server.fail_next(status, str(rest.pop("error", "Provoked")), **_when(rest))
        case _:
            raise ValueError(
                'Send {"name": …} or {"status": …, "error": …}, each with "times" and "operation".'
            )


def _when(asked: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(times := asked.pop("times", 1), int | None):
        raise ValueError("`times` is a whole number, or null for ever.")  # noqa: TRY004  one error for all that is sent
    operation = asked.pop("operation", None)
    if asked:
        raise ValueError(f"There is no {', '.join(asked)} to set here: there are times and operation.")
    return {"times": times, "operation": operation}


def _shortened(value: Any) -> Any:
    if isinstance(value, str) and len(value) > SHOWN:
        return f"{value[:SHOWN]}… ({len(value)} characters)"
    if isinstance(value, dict):
        return {name: _shortened(each) for name, each in cast("dict[str, Any]", value).items()}
    if isinstance(value, list):
        return [_shortened(each) for each in cast("list[Any]", value)]
    return value


class SocketServer(uvicorn.Server):
    """uvicorn with nothing of its own in the answers, which says when it is ready."""

    def __init__(self, server: Service, tls: ssl.SSLContext | None = None) -> None:
        config = uvicorn.Config(
            application(server),
            http=Front,
            log_config=None,
            log_level="critical",
            access_log=False,
            lifespan="off",
            ws="none",
            server_header=False,
            date_header=False,
            timeout_graceful_shutdown=2,
        )
        config.load()
        config.ssl = tls
        super().__init__(config)
        self.ready = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()


def bound(host: str, port: int) -> socket.socket:
    """Return a socket bound to an address; port 0 is any free one. Raises OSError when it is taken."""
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    listener = socket.create_server(address[:2], family=family)
    # asyncio sets this only where the socket names its protocol; without it a short body waits 40 ms.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def url_of(listener: socket.socket) -> str:
    """Return the URL of a bound socket."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@contextmanager
def listening(server: Service, host: str, port: int, tls: ssl.SSLContext | None = None) -> Generator[str]:
    """Serve from a thread while the context lasts."""
    listener = bound(host, port)
    uvicorn_server = SocketServer(server, tls)
    thread = threading.Thread(
        target=uvicorn_server.run, args=([listener],), name="segmind-sd3 reference server", daemon=True
    )
    thread.start()
    uvicorn_server.ready.wait()
    try:
        yield url_of(listener).replace("http:", "https:") if tls else url_of(listener)
    finally:
        uvicorn_server.should_exit = True
        thread.join()
