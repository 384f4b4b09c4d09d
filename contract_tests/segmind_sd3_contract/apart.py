"""Servers of `sockets.py` in a process of their own, for clients that fork or are interrupted.

A fork copies every socket of its process. If the server lived in that process, its connections would stay
open in each child, and no test could tell who holds them. It would also take time from the client that is
measured.

```python
with apart(Naming, tls=True) as server:       # Naming: a `Served` that can be imported
    Client(key, base_url=server.url, verify=server.trust)
    server.ask("ledger")                      # calls `Naming.ledger()` over there
```
"""

from __future__ import annotations

import json
import signal
import ssl
import subprocess
import sys
import threading
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, Protocol

from segmind_sd3_contract.sockets import PATIENCE, authority, certified, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from segmind_sd3_contract.sockets import Connection, Peer

_END: Final = "end"


class Served(Protocol):
    """What a server does. Its other public methods can be asked for; they take and give JSON."""

    def script(self, connection: Connection, /) -> None:
        """Serve one connection, from its beginning to its end."""
        ...


class Apart:
    """A server in another process.

    Attributes:
        url: where it listens.
        trust: what a client needs in order to trust it, or True where it speaks no TLS.
        pid: its process.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._lock = threading.Lock()
        self.pid = process.pid
        self.url, certificate = self._answer()
        self.trust: ssl.SSLContext | bool = True
        if certificate is not None:
            self.trust = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            self.trust.load_verify_locations(cadata=certificate)

    def ask(self, method: str, *arguments: Any) -> Any:
        """Call a method over there, and give what it returns."""
        with self._lock:
            if self._process.stdin is None:
                raise RuntimeError("the server has no standard input")
            print(json.dumps([method, arguments]), file=self._process.stdin, flush=True)
            return self._answer()

    def connections(self) -> int:
        """Count the connections that were accepted so far."""
        return self.ask("connections")

    def wait_until_hung_up(self) -> bool:
        """Wait until every connection is closed; False where one stays open."""
        return self.ask("wait_until_hung_up")

    def _answer(self) -> Any:
        line = self._process.stdout.readline() if self._process.stdout else ""
        if not line:
            raise RuntimeError(f"the server ended with code {self._process.wait()}")
        return json.loads(line)


@contextmanager
def apart(
    served: Callable[..., Served], *arguments: Any, tls: bool = False, buffer: int | None = None
) -> Generator[Apart]:
    """Serve in another process while the context lasts. The arguments, of JSON, are those of `served`."""
    where = f"{served.__module__}:{served.__name__}"
    if served.__module__ == "__main__":
        spec = sys.modules["__main__"].__spec__
        where = f"{spec.name if spec else '__main__'}:{served.__name__}"
    command = [
        *(sys.executable, "-m", "segmind_sd3_contract.apart"),
        *(where, json.dumps(arguments), json.dumps({"tls": tls, "buffer": buffer})),
    ]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own
        try:
            server = Apart(process)
            yield server
            server.ask(_END)
            process.wait(PATIENCE)
        finally:
            process.kill()


def _answer(value: Any) -> None:
    print(json.dumps(value), flush=True)  # noqa: T201 - this is how the two processes talk


def _converse(served: Served, peer: Peer) -> None:
    """Answer what is asked on standard input, until it ends or says so."""
    for line in sys.stdin:
        method, arguments = json.loads(line)
        match method:
            case "end":
                _answer(None)
                return
            case "connections":
                _answer(peer.connections)
            case "wait_until_hung_up":
                _answer(peer.wait_until_hung_up())
            case _:
                _answer(getattr(served, method)(*arguments))


def main() -> None:
    # Ctrl-C goes to every process of a terminal; this one ends with its client.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    where, arguments, options = sys.argv[1:]
    module, _, name = where.partition(":")
    served: Served = getattr(import_module(module), name)(*json.loads(arguments))
    tls, buffer = (json.loads(options)[option] for option in ("tls", "buffer"))
    with serving(served.script, tls=certified("127.0.0.1") if tls else None, buffer=buffer) as peer:
        _answer([peer.url, authority().cert_pem.bytes().decode() if tls else None])
        _converse(served, peer)


if __name__ == "__main__":
    main()
