"""The reference server over TLS: it answers as it does without, and may break off as it does without."""

import httpx
import pytest
from proofs.fixtures.sockets import certified, trusting
from segmind_sd3_contract.reference import ReferenceServer, example_request


@pytest.mark.parametrize("fault", [None, "reset"])
def test_it_speaks_tls_with_the_context_that_it_is_given(fault: str | None):
    server = ReferenceServer()
    good = example_request(server.operations["/v1/stable-diffusion-3.5-turbo-txt2img"])
    if fault:
        server.provoke(fault)
    with server.listening(tls=certified("127.0.0.1")) as url, httpx.Client(verify=trusting()) as client:
        assert url.startswith("https://127.0.0.1:")
        if fault:
            with pytest.raises(httpx.TransportError):
                client.post(url + good.path, headers=good.headers, content=good.body)
        else:
            assert client.post(url + good.path, headers=good.headers, content=good.body).status_code == 200
    assert [call.cost > 0 for call in server.ledger] == [True]
