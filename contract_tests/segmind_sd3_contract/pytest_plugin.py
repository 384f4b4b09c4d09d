"""Fixtures for tests of programs that use the SDK: the reference server, and clients that call it.

```python
pytest_plugins = ["segmind_sd3_contract.pytest_plugin"]   # in conftest.py
```

Each test has a server of its own. Nothing reaches the network or needs a key. No fixture is async, so they
work the same under anyio's plugin, pytest-asyncio, `asyncio.run` and without an event loop.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest
from segmind_sd3 import AsyncClient, Client

from segmind_sd3_contract.reference import MADE_UP_KEY, ReferenceServer

if TYPE_CHECKING:
    from collections.abc import Iterator

IN_PROCESS: Final = "https://reference.invalid"
"""What a client takes for the base URL, whatever the environment names: an address that can't exist."""


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        "segmind_server(**options): the options of the test's ReferenceServer, such as credits=0 or "
        'profile="documented".',
    )


@pytest.fixture
def segmind_server(request: pytest.FixtureRequest) -> ReferenceServer:
    """The server that the other fixtures call, made for this test alone.

    `provoke` and `fail_next` make its next replies go wrong; `ledger` tells what was asked, answered and
    billed, `credits` what is left. `@pytest.mark.segmind_server(credits=0)` makes it with other options, on a
    test, a class or a module.
    """
    marks = reversed(list(request.node.iter_markers("segmind_server")))
    return ReferenceServer(**{name: value for mark in marks for name, value in mark.kwargs.items()})


@pytest.fixture
def segmind_client(segmind_server: ReferenceServer) -> Iterator[Client]:
    """Return a client of that server, in-process."""
    with Client(MADE_UP_KEY, base_url=IN_PROCESS, transport=segmind_server.transport()) as client:
        yield client


@pytest.fixture
def segmind_async_client(segmind_server: ReferenceServer) -> AsyncClient:
    """An async client of that server, in-process, for any event loop and for several one after the other.

    There is nothing to close: an event loop that ends closes what the client made for it.
    """
    return AsyncClient(MADE_UP_KEY, base_url=IN_PROCESS, transport=segmind_server.async_transport())


@pytest.fixture
def segmind_env(segmind_server: ReferenceServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """That server on a loopback socket, for code that makes its own `Client()`, and its URL.

    SEGMIND_BASE_URL and SEGMIND_API_KEY are set for this test, and whatever they were comes back after it.
    """
    with segmind_server.listening() as url, monkeypatch.context() as patch:
        patch.setenv("SEGMIND_BASE_URL", url)
        patch.setenv("SEGMIND_API_KEY", MADE_UP_KEY)
        yield url
