"""Over plain http the key goes to this machine alone, by the address connected to and not by a name."""

import socket
from typing import Any

import anyio
import pytest
from proofs.fixtures.drivers import DRIVERS, Driver, draw
from proofs.fixtures.sockets import answering, reply, serving
from segmind_sd3 import Client, ConnectionFailed, InvalidRequest
from segmind_sd3_contract.reference import MADE_UP_KEY


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """A resolver that has another machine's address for every name."""
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 80))]

    def look_up(*_: Any, **__: Any) -> list[Any]:
        return found

    async def look_up_async(*_: Any, **__: Any) -> list[Any]:
        return found

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setattr(anyio, "getaddrinfo", look_up_async)


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("host", ["localhost", "api.localhost"])
def test_a_local_name_that_leads_elsewhere_is_not_connected_to(host: str, driver: Driver):
    with pytest.raises(ConnectionFailed, match="this machine alone") as raised:
        draw(driver, f"http://{host}:8000", timeout=5)
    assert (raised.value.billed, raised.value.retryable) == (False, False)


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize("driver", DRIVERS)
def test_a_proxy_with_a_local_name_that_leads_elsewhere_is_not_connected_to(driver: Driver):
    with pytest.raises(ConnectionFailed, match="this machine alone"):
        draw(driver, "http://127.0.0.1:8000", proxy="http://localhost:3128", timeout=5)


def test_a_proxy_elsewhere_is_refused_when_the_client_is_made():
    with pytest.raises(InvalidRequest, match="in the clear"):
        Client(MADE_UP_KEY, base_url="http://127.0.0.1:8000", proxy="http://proxy.example:3128")


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_proxy_on_this_machine_forwards_the_call(driver: Driver, picture: bytes):
    with serving(answering(reply(200, picture, content_type="image/png"))) as proxy:
        assert draw(driver, "http://127.0.0.1:9", proxy=proxy.url).images
        assert proxy.requests[0].path == "http://127.0.0.1:9/v1/stable-diffusion-3.5-turbo-txt2img"
        assert proxy.requests[0].headers["x-api-key"] == MADE_UP_KEY
