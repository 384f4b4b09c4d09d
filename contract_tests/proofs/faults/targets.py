"""Servers for the faults that the reference server can't provoke."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, Final, Literal

from segmind_sd3_contract.reference import ReferenceServer, example_request

from proofs.fixtures.scripts import answering_early, reset_before_the_first_byte
from proofs.fixtures.sockets import answering, certified, reply, serving
from proofs.fixtures.ways import BUFFER

if TYPE_CHECKING:
    import ssl
    from collections.abc import Generator

    from proofs.fixtures.sockets import Script

Scheme = Literal["http", "https"]

Address = AbstractContextManager[tuple[str, Sequence[object]]]
"""Yields a URL, and a list with an item for each request."""

Target = Callable[[Scheme], Address]
"""Opens a server over plain http or TLS."""

ONE: Final[dict[str, Any]] = {"prompt": "a lighthouse", "seed": 7, "width": 64, "height": 64}
"""The default parameters of a call of turbo."""

LARGE: Final[dict[str, Any]] = {**ONE, "extra": {"notes": "x" * 4_000_000}}
"""A body that takes a while to send."""

LARGER: Final[dict[str, Any]] = {**ONE, "extra": {"notes": "x" * 9_000_000}}
"""A body larger than the socket buffers of both ends, which hold about 4 MB."""


def running(script: Script, *, buffer: int | None = None) -> Target:
    """Serve every connection by a script. `buffer` is that of `sockets.serving`."""

    @contextmanager
    def opened(scheme: Scheme) -> Generator[tuple[str, Sequence[object]]]:
        with serving(script, tls=_tls(scheme), buffer=buffer) as peer:
            yield peer.url, peer.heads

    return opened


def over_tls(script: Script, *, tls: Callable[[], ssl.SSLContext] | None = None) -> Target:
    """Serve by a script at an https URL. The server speaks TLS only if `tls` is given."""

    @contextmanager
    def opened(_: Scheme) -> Generator[tuple[str, Sequence[object]]]:
        with serving(script, tls=tls and tls()) as peer:
            yield peer.url.replace("http:", "https:"), peer.heads

    return opened


def unanswered(held: Callable[[], AbstractContextManager[str]]) -> Target:
    """Hold an address that does not answer."""

    @contextmanager
    def opened(scheme: Scheme) -> Generator[tuple[str, Sequence[object]]]:
        with held() as url:
            yield url.replace("http:", f"{scheme}:"), ()

    return opened


@contextmanager
def reset_when_reused(scheme: Scheme) -> Generator[tuple[str, Sequence[object]]]:
    """Reset the first connection just before its second request."""
    with reset_before_the_first_byte(_picture(), _tls(scheme)) as peer:
        yield peer.url, peer.heads


@contextmanager
def hinting_first(scheme: Scheme) -> Generator[tuple[str, Sequence[object]]]:
    """Send two informational replies before the picture."""
    with running(answering(_HINTS + _picture()))(scheme) as opened:
        yield opened


def proxy(script: Script) -> Callable[[], Address]:
    """Run a script as the proxy."""
    return lambda: running(script)("http")


def answering_and_reading_on(status: int) -> dict[str, Any]:
    """Return the fields of a row whose server answers early and reads the rest of the request."""
    return {
        "target": running(answering_early(_refusal(status), then_read=True), buffer=BUFFER),
        "params": LARGE,
    }


def answering_and_closing(status: int) -> dict[str, Any]:
    """Return the fields of a row whose server answers early and closes. Over TLS, the reset may win."""
    target = running(answering_early(_refusal(status), then_read=False), buffer=BUFFER)
    return {"target": target, "params": LARGE, "lossy": ("tls", "tunnel")}


def inside_the_body(script: Script) -> dict[str, Any]:
    """Return the fields of a row whose server acts while most of the body is still unsent."""
    return {"target": running(script, buffer=4096), "params": LARGER}


_HINTS: Final = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n"


def _tls(scheme: Scheme) -> ssl.SSLContext | None:
    return certified("127.0.0.1") if scheme == "https" else None


def _refusal(status: int) -> bytes:
    return reply(status, b'{"error": "not today"}', content_type="application/json", connection="close")


@cache
def _picture() -> bytes:
    """Return a whole reply with a picture by the reference server."""
    server = ReferenceServer()
    (turbo,) = (each for each in server.operations.values() if each.operation_id == "sd35_turbo_txt2img")
    answer = server.answer(example_request(turbo))
    headers = {name.replace("-", "_"): value for name, value in answer.headers.items()}
    return reply(answer.status, answer.body, **headers)
