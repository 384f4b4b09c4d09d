"""What every test file shares: a reference server for each test, clients that draw by it, a small picture."""

import signal
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import anyio
import PIL.Image
import pytest
from hypothesis import settings
from proofs.fixtures.postgres_server import PostgresServer, find_postgres, postgres_server
from segmind_sd3 import AsyncClient, Client, Generation
from segmind_sd3_api.parameters import OPERATIONS
from segmind_sd3_contract.needed import needed
from segmind_sd3_contract.reference import MADE_UP_KEY, ReferenceServer

# No deadline: the first example pays for imports and fonts, and a busy machine for everything else.
settings.register_profile("suite", deadline=None, max_examples=25, print_blob=True)
settings.load_profile("suite")


@pytest.fixture(autouse=True, scope="session")
def _no_settings_from_outside() -> Iterator[None]:
    """Whoever runs the suite may have a key, a base URL, a proxy or certificates: none counts here.

    A background job has SIGINT ignored, and so have its children: here Ctrl-C ends what a test starts.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    certificates = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("SEGMIND_API_KEY", "SEGMIND_BASE_URL", *certificates):
            patch.delenv(name, raising=False)
        for scheme in ("http", "https", "all", "no"):
            patch.delenv(f"{scheme}_proxy", raising=False)
            patch.delenv(f"{scheme}_proxy".upper(), raising=False)
        yield


@pytest.fixture
def server() -> ReferenceServer:
    """By the pages' own rules, the stricter of the two profiles."""
    return ReferenceServer(profile="documented")


@pytest.fixture
def client(server: ReferenceServer) -> Iterator[Client]:
    with Client(MADE_UP_KEY, transport=server.transport()) as client:
        yield client


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of temporary files, which is not that of the test."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    """A database server; each test has a batch of its own there."""
    programs = find_postgres()
    if programs is None:
        pytest.skip("there is no PostgreSQL server: Debian's package is postgresql")
    with postgres_server(programs) as server:
        yield server


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
async def async_client(anyio_backend: str, server: ReferenceServer) -> AsyncIterator[AsyncClient]:  # noqa: ARG001 - it runs on it
    async with AsyncClient(MADE_UP_KEY, transport=server.async_transport()) as client:
        yield client


@pytest.fixture(params=["sync", "asyncio", "trio"])
def draw(request: pytest.FixtureRequest, server: ReferenceServer) -> Callable[..., Generation]:
    """Call an endpoint by its name: for claims that hold whichever way it is called."""

    def blocking(operation: str, **params: Any) -> Generation:
        with Client(MADE_UP_KEY, transport=server.transport()) as client:
            return getattr(client, operation)(**params)

    async def awaited(operation: str, params: dict[str, Any]) -> Generation:
        async with AsyncClient(MADE_UP_KEY, transport=server.async_transport()) as client:
            return await getattr(client, operation)(**params)

    def run(operation: str, **params: Any) -> Generation:
        return anyio.run(awaited, operation, params, backend=request.param)

    return blocking if request.param == "sync" else run


@pytest.fixture(scope="session")
def picture() -> bytes:
    """A PNG of 48 x 32 pixels."""
    file = BytesIO()
    PIL.Image.new("RGB", (48, 32), "teal").save(file, "PNG")
    return file.getvalue()


@pytest.fixture(scope="session")
def least(picture: bytes) -> Callable[..., dict[str, Any]]:
    """Give the least that an endpoint, by its name, must be asked for, in the smallest size; and any more."""

    def params(operation: str, **more: Any) -> dict[str, Any]:
        known = OPERATIONS[operation].parameters.values()
        required = {
            each.name: needed(each, text="a lighthouse", picture=picture) for each in known if each.required
        }
        smallest = {each.name: each.minimum for each in known if each.name.endswith(("width", "height"))}
        return required | smallest | more

    return params
