"""Where a call goes, by which way, with what, and what is taken of the answer."""

import gc
import gzip
import json
import re
import socket
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from proofs.fixtures.drivers import DRIVERS, Driver, draw, outcomes
from proofs.fixtures.sockets import (
    Peer,
    answering,
    authority,
    certified,
    greeting,
    hanging_up,
    reply,
    serving,
    stalling,
    trusting,
    tunnelling,
)
from segmind_sd3 import (
    AsyncClient,
    Client,
    ConnectionFailed,
    InvalidRequest,
    OutcomeUnknown,
    RequestRefused,
    Retry,
    UnusableReply,
)
from segmind_sd3_contract.reference import MADE_UP_KEY

ENDPOINT = "/v1/stable-diffusion-3.5-turbo-txt2img"
ONCE = Retry(attempts=1)


@pytest.fixture
def drawn(picture: bytes) -> bytes:
    return reply(200, picture, content_type="image/png")


@pytest.fixture
def peer(drawn: bytes) -> Generator[Peer]:
    with serving(answering(drawn)) as peer:
        yield peer


# -- What is sent -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_call_is_one_post_of_json_with_the_key_in_its_own_header(driver: Driver, peer: Peer):
    draw(driver, peer.url, {"prompt": "a lighthouse ☂", "seed": 7})
    (request,) = peer.requests
    assert (request.method, request.path) == ("POST", ENDPOINT)
    assert request.headers["content-type"] == "application/json"
    assert request.headers["x-api-key"] == MADE_UP_KEY
    assert "authorization" not in request.headers
    assert json.loads(request.body) | {"prompt": "a lighthouse ☂", "seed": 7} == json.loads(request.body)


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_large_call_arrives_whole(driver: Driver, peer: Peer):
    prompt = "".join(map(chr, range(0x20, 0x7F))) * 20_000
    draw(driver, peer.url, {"prompt": prompt})
    assert json.loads(peer.requests[0].body)["prompt"] == prompt


@pytest.mark.parametrize("driver", DRIVERS)
def test_no_compression_is_asked_for_and_the_sdk_names_itself(driver: Driver, peer: Peer):
    draw(driver, peer.url)
    headers = peer.requests[0].headers
    assert headers["accept-encoding"] == "identity"
    assert re.fullmatch(r"segmind-sd3/\d+\.\d+\.\d+", headers["user-agent"])


# -- The key ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("given", [f"  {MADE_UP_KEY}\n", f"{MADE_UP_KEY}\r\n", f"\t{MADE_UP_KEY}"], ids=repr)
def test_a_key_is_stripped(given: str, peer: Peer, monkeypatch: pytest.MonkeyPatch):
    draw("sync", peer.url, api_key=given)
    monkeypatch.setenv("SEGMIND_API_KEY", given)
    draw("sync", peer.url, api_key=None)
    assert [request.headers["x-api-key"] for request in peer.requests] == [MADE_UP_KEY] * 2


def test_the_key_that_is_given_wins_over_the_environment_s(peer: Peer, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SEGMIND_API_KEY", "SG_fedcba9876543210")
    draw("sync", peer.url)
    assert peer.requests[0].headers["x-api-key"] == MADE_UP_KEY


ILL_FORMED: list[Any] = [None, "", "  ", "SG 1", "SG\n1", "SG_\x00", "SG_é", "SG_\x7f", b"SG_1", 7, ["SG_1"]]


@pytest.mark.parametrize("key", ILL_FORMED, ids=repr)
@pytest.mark.parametrize("client", [Client, AsyncClient])
def test_without_a_usable_key_no_client_is_made(key: Any, client: type[Client | AsyncClient]):
    with pytest.raises(InvalidRequest, match="api_key"):
        client(key)


@pytest.mark.parametrize("key", ILL_FORMED[3:], ids=repr)
def test_a_copy_takes_no_unusable_key(key: Any):
    with Client(MADE_UP_KEY) as client, pytest.raises(InvalidRequest, match="key"):
        client.with_options(api_key=key)


def test_a_copy_may_have_a_key_of_its_own(peer: Peer):
    with Client(MADE_UP_KEY, base_url=peer.url) as client:
        client.with_options(api_key="SG_fedcba9876543210").sd35_turbo_txt2img(prompt="a lighthouse")
        client.sd35_turbo_txt2img(prompt="a lighthouse")
    assert [request.headers["x-api-key"] for request in peer.requests] == ["SG_fedcba9876543210", MADE_UP_KEY]


# -- The base URL -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["", "/", "/v1", "/v1/", " "])
def test_a_base_url_is_an_origin_that_v1_may_follow(ending: str, peer: Peer):
    draw("sync", peer.url + ending)
    assert peer.requests[0].path == ENDPOINT


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("path", ["/segmind", "/a/b-c.d_e~f/@g", "/v1/account/segmind"])
@pytest.mark.parametrize("ending", ["", "/", "/v1", "/v1/"])
def test_a_gateway_s_path_comes_before_v1(path: str, ending: str, driver: Driver, peer: Peer):
    draw(driver, peer.url + path + ending)
    assert peer.requests[0].path == path + ENDPOINT


def test_the_environment_may_name_the_base_url(peer: Peer, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SEGMIND_BASE_URL", peer.url + "/v1")
    with Client(MADE_UP_KEY) as client:
        client.sd35_turbo_txt2img(prompt="a lighthouse")
    assert peer.requests[0].path == ENDPOINT


def test_without_a_base_url_it_is_the_live_service_s():
    with Client(MADE_UP_KEY) as client:
        assert client.prepare("sd35_turbo_txt2img", prompt="x").url == f"https://api.segmind.com{ENDPOINT}"


BAD_BASE_URLS: dict[str, str] = {
    "http://api.segmind.com": "plain http",
    "http://10.0.0.1": "plain http",
    "http://[2001:db8::1]": "plain http",
    "http://127.0.0.1.example": "plain http",
    "http://127.0.0.1@example.com": "an origin alone",
    "http://localhost.example": "plain http",
    "http://0.0.0.0": "plain http",
    "https://somebody:secret@api.segmind.com": "an origin alone",
    "https://api.segmind.com/v2": "an origin alone",
    "https://api.segmind.com/v1/extra": "an origin alone",
    f"https://api.segmind.com{ENDPOINT}": "an origin alone",
    "https://gateway.example/v2": "no other version",
    "https://gateway.example/segmind/v2/": "no other version",
    "https://gateway.example/segmind/v1beta": "no other version",
    f"https://gateway.example/segmind{ENDPOINT}": "names an endpoint",
    "https://gateway.example/a/../b": "a plain path",
    "https://gateway.example/a/..": "a plain path",
    "https://gateway.example/./v1": "a plain path",
    "https://gateway.example/%2e%2e/v1": "a plain path",
    "https://gateway.example/a//b": "a plain path",
    "https://gateway.example/a b": "a plain path",
    "https://gateway.example/a\\b": "a plain path",
    "https://gateway.example/\u00e9": "a plain path",
    "https://gateway.example/a?": "a plain path",
    "https://gateway.example/a?x=y": "a plain path",
    "https://gateway.example/a#x": "a plain path",
    "https://somebody:secret@gateway.example/a": "a plain path",
    "http://gateway.example/segmind": "plain http",
    "https://api.segmind.com?x=y": "an origin alone",
    "https://api.segmind.com#x": "an origin alone",
    "ftp://api.segmind.com": "an origin such as",
    "api.segmind.com": "an origin such as",
    "https://": "an origin such as",
    "https://api.segmind.com:port": "no URL",
    "https://[::1": "no URL",
    "https://a\x00b": "no URL",
}


@pytest.mark.parametrize(("base_url", "advice"), BAD_BASE_URLS.items(), ids=map(repr, BAD_BASE_URLS))
@pytest.mark.parametrize("client", [Client, AsyncClient])
def test_a_base_url_that_the_key_must_not_go_to_is_refused(
    base_url: str, advice: str, client: type[Client | AsyncClient]
):
    with pytest.raises(InvalidRequest, match=advice) as raised:
        client(MADE_UP_KEY, base_url=base_url)
    assert "secret" not in str(raised.value)
    assert raised.value.billed is False


def test_the_environment_s_base_url_is_judged_alike(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SEGMIND_BASE_URL", "http://api.segmind.com")
    with pytest.raises(InvalidRequest, match="plain http"):
        Client(MADE_UP_KEY)


@pytest.mark.parametrize("base_url", [7, b"https://api.segmind.com", ["https://api.segmind.com"]], ids=repr)
def test_a_base_url_is_text(base_url: Any):
    with pytest.raises(InvalidRequest, match="base URL"):
        Client(MADE_UP_KEY, base_url=base_url)


@pytest.mark.parametrize("empty", ["", "  "])
def test_an_empty_base_url_is_refused_and_not_taken_for_the_live_one(empty: str):
    with pytest.raises(InvalidRequest, match="base URL"):
        Client(MADE_UP_KEY, base_url=empty)


@pytest.mark.parametrize(
    "base_url", ["http://localhost:1", "http://127.9.9.9:1", "http://[::1]:1", "http://a.localhost"]
)
def test_plain_http_to_this_machine_is_allowed(base_url: str):
    with Client(MADE_UP_KEY, base_url=base_url) as client:
        assert client.prepare("sd35_turbo_txt2img", prompt="x").url == base_url + ENDPOINT


# -- Redirects --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_never_followed(status: int, driver: Driver, peer: Peer):
    with serving(answering(reply(status, location=peer.url + ENDPOINT))) as first:
        with pytest.raises(RequestRefused, match="never followed") as raised:
            draw(driver, first.url)
        assert len(first.requests) == 1
    assert raised.value.headers["location"] == peer.url + ENDPOINT
    assert peer.connections == 0


def test_a_redirect_to_the_same_server_is_not_followed_either():
    with serving(answering(reply(308, location=ENDPOINT + "/"))) as peer:
        with pytest.raises(RequestRefused):
            draw("sync", peer.url)
        assert len(peer.requests) == 1


# -- TLS --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_context_that_trusts_the_server_is_used(driver: Driver, drawn: bytes):
    with serving(answering(drawn), tls=certified("127.0.0.1")) as peer:
        assert draw(driver, peer.url, verify=trusting()).images


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("name", ["127.0.0.1", "api.segmind.com"], ids=["unknown authority", "another name"])
def test_a_certificate_that_is_not_to_be_trusted_ends_the_call_at_once(
    name: str, driver: Driver, drawn: bytes
):
    verify: dict[str, Any] = {"verify": trusting()} if name != "127.0.0.1" else {}
    with serving(answering(drawn), tls=certified(name)) as peer:
        with pytest.raises(ConnectionFailed, match=r"(?i)certificate") as raised:
            draw(driver, peer.url, **verify)
        assert (peer.connections, peer.requests) == (1, [])
    assert raised.value.billed is False
    assert raised.value.retryable is False


def test_ssl_cert_file_counts(drawn: bytes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    authority().cert_pem.write_to_path(tmp_path / "authority.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    with serving(answering(drawn), tls=certified("127.0.0.1")) as peer:
        assert draw("sync", peer.url, verify=True).images


def test_certificates_that_can_t_be_read_are_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SSL_CERT_FILE", "/nonexistent")
    with pytest.raises(InvalidRequest, match="SSL_CERT_FILE"):
        draw("sync", "https://api.segmind.invalid", verify=True)


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_server_that_speaks_no_tls_is_no_connection(driver: Driver):
    with serving(greeting(reply(400))) as peer, pytest.raises(ConnectionFailed, match="Nothing was sent"):
        draw(driver, peer.url.replace("http://", "https://"), retry=ONCE)


# -- Proxies ----------------------------------------------------------------------------------------------

NOWHERE = "https://api.segmind.invalid"


@contextmanager
def tunnel(drawn: bytes) -> Generator[tuple[Peer, Peer]]:
    """A proxy that leads to a server, which has the certificate of a name that leads nowhere by itself."""
    with (
        serving(answering(drawn), tls=certified("api.segmind.invalid")) as server,
        serving(tunnelling(server.host, server.port)) as proxy,
    ):
        yield proxy, server


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_proxy_is_asked_for_a_tunnel_and_never_sees_the_key(driver: Driver, drawn: bytes):
    with tunnel(drawn) as (proxy, server):
        assert draw(driver, NOWHERE, proxy=proxy.url, verify=trusting()).images
        (asked,), (request,) = proxy.requests, server.requests
    assert (asked.method, asked.path) == ("CONNECT", "api.segmind.invalid:443")
    assert "x-api-key" not in asked.headers
    assert request.headers["x-api-key"] == MADE_UP_KEY


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
@pytest.mark.parametrize("scheme", ["http://", ""], ids=["with a scheme", "without"])
def test_the_environment_s_proxy_counts(
    name: str, scheme: str, driver: Driver, drawn: bytes, monkeypatch: pytest.MonkeyPatch
):
    with tunnel(drawn) as (proxy, _):
        monkeypatch.setenv(name, proxy.url.replace("http://", scheme))
        assert draw(driver, NOWHERE, verify=trusting()).images


@pytest.mark.parametrize("driver", DRIVERS)
def test_the_argument_wins_over_the_environment_s_proxy(
    driver: Driver, drawn: bytes, monkeypatch: pytest.MonkeyPatch
):
    with tunnel(drawn) as (proxy, _), serving(hanging_up()) as other:
        monkeypatch.setenv("HTTPS_PROXY", other.url)
        assert draw(driver, NOWHERE, proxy=proxy.url, verify=trusting()).images
        assert other.connections == 0


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize(
    "excepted",
    [
        "segmind.invalid",
        ".segmind.invalid",
        "other.example, api.segmind.invalid",
        "api.segmind.invalid:443",
        "*",
    ],
)
def test_no_proxy_is_an_exception(excepted: str, driver: Driver, monkeypatch: pytest.MonkeyPatch):
    with serving(hanging_up()) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        monkeypatch.setenv("NO_PROXY", excepted)
        with pytest.raises(ConnectionFailed):
            draw(driver, NOWHERE + ":443", retry=ONCE)
        assert proxy.connections == 0


@pytest.mark.parametrize("driver", DRIVERS)
def test_what_goes_to_this_machine_in_the_clear_goes_by_no_proxy_of_the_environment(
    driver: Driver, peer: Peer, monkeypatch: pytest.MonkeyPatch
):
    with serving(hanging_up()) as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        assert draw(driver, peer.url).images
        assert proxy.connections == 0


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_proxy_that_opens_no_tunnel_has_sent_nothing(driver: Driver):
    with serving(answering(reply(407))) as proxy, pytest.raises(ConnectionFailed, match="407") as raised:
        draw(driver, NOWHERE, proxy=proxy.url, retry=ONCE)
    assert raised.value.billed is False


OPENINGS = [b"", b"HTTP/1.1 2", b"HTTP/1.1 200 OK\r\n\r\n"]


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("opening", OPENINGS, ids=["silent", "cut", "open"])
def test_a_proxy_that_breaks_off_has_sent_nothing(opening: bytes, driver: Driver):
    with serving(hanging_up(opening)) as proxy, pytest.raises(ConnectionFailed) as raised:
        draw(driver, NOWHERE, proxy=proxy.url, retry=ONCE)
    assert raised.value.billed is False


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("opening", OPENINGS, ids=["silent", "cut", "open"])
def test_a_proxy_that_stalls_has_sent_nothing(opening: bytes, driver: Driver):
    with serving(stalling(opening)) as proxy, pytest.raises(ConnectionFailed, match="deadline") as raised:
        draw(driver, NOWHERE, proxy=proxy.url, timeout=0.05)
    assert raised.value.billed is False


@pytest.mark.parametrize(
    "proxy", ["smoke://127.0.0.1:1", "127.0.0.1", "socks5://127.0.0.1:1", "http://a:port"], ids=repr
)
@pytest.mark.parametrize("driver", DRIVERS)
def test_a_proxy_that_is_none_is_named(proxy: Any, driver: Driver):
    with pytest.raises(InvalidRequest, match="proxy"):
        draw(driver, NOWHERE, proxy=proxy)


# -- Sockets ----------------------------------------------------------------------------------------------


def sockets_to(peer: Peer) -> list[socket.socket]:
    """Give the sockets of this process that are connected to a server."""

    def leads_there(each: socket.socket) -> bool:
        try:
            return each.family == socket.AF_INET and each.getpeername()[1] == peer.port
        except OSError:
            return False

    return [each for each in gc.get_objects() if isinstance(each, socket.socket) and leads_there(each)]


@pytest.mark.parametrize("driver", DRIVERS)
def test_the_system_probes_a_server_that_is_silent(driver: Driver, peer: Peer):
    options = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE), (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE)]
    seen: list[list[int]] = []

    def look() -> None:
        seen.extend([each.getsockopt(*option) for option in options] for each in sockets_to(peer))

    outcomes(driver, peer.url, times=2, between=look)
    assert seen == [[1, 30]]


# -- What is taken ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_reply_that_is_compressed_all_the_same_is_read(driver: Driver, picture: bytes):
    answer = reply(200, gzip.compress(picture), content_type="image/png", content_encoding="gzip")
    with serving(answering(answer)) as peer:
        assert draw(driver, peer.url).image.data == picture


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_reply_whose_compression_is_broken_was_paid_for(driver: Driver):
    with (
        serving(answering(reply(200, b"no gzip", content_encoding="gzip"))) as peer,
        pytest.raises(OutcomeUnknown) as raised,
    ):
        draw(driver, peer.url)
    assert raised.value.billed is True


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_reply_without_a_length_ends_with_its_connection(driver: Driver, picture: bytes):
    with serving(hanging_up(reply(200, picture, content_length="", content_type="image/png"))) as peer:
        assert draw(driver, peer.url).image.data == picture


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_reply_in_chunks_is_put_together(driver: Driver, picture: bytes):
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in picture) + b"0\r\n\r\n"
    answer = reply(200, chunks, content_length="", transfer_encoding="chunked", content_type="image/png")
    with serving(answering(answer)) as peer:
        assert draw(driver, peer.url).image.data == picture


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_reply_that_ends_before_its_length_keeps_what_came(driver: Driver, picture: bytes):
    answer = reply(200, picture, content_type="image/png", content_length=str(len(picture) + 1))
    with serving(hanging_up(answer)) as peer, pytest.raises(OutcomeUnknown) as raised:
        draw(driver, peer.url)
    assert (raised.value.billed, raised.value.body) == (True, picture)


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_length_that_is_too_short_cuts_the_picture_and_keeps_it(driver: Driver, picture: bytes):
    answer = reply(200, picture, content_type="image/png", content_length=str(len(picture) - 1))
    with serving(hanging_up(answer)) as peer, pytest.raises(UnusableReply, match="cut short") as raised:
        draw(driver, peer.url)
    assert (raised.value.billed, raised.value.body) == (True, picture[:-1])


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("answer", [reply(200), reply(204), reply(200, content_type="image/jpeg")])
def test_a_success_without_a_byte_says_so(answer: bytes, driver: Driver):
    with serving(answering(answer)) as peer, pytest.raises(UnusableReply, match="empty") as raised:
        draw(driver, peer.url)
    assert raised.value.billed is None


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_reply_has_a_largest_size(driver: Driver, drawn: bytes, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("segmind_sd3._reply.MAX_REPLY_BYTES", 50)
    with serving(answering(drawn)) as peer, pytest.raises(OutcomeUnknown, match="larger than") as raised:
        draw(driver, peer.url)
    assert raised.value.billed is True
    assert raised.value.body


@pytest.mark.parametrize("driver", DRIVERS)
def test_an_error_is_read_up_to_a_size_and_stays_the_error_it_is(
    driver: Driver, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("segmind_sd3._reply.MAX_ERROR_BYTES", 50)
    with (
        serving(answering(reply(400, b"x" * 500_000))) as peer,
        pytest.raises(RequestRefused, match="xxx") as raised,
    ):
        draw(driver, peer.url)
    assert 50 < len(raised.value.body) < 500_000


def test_a_header_in_any_case_is_read(picture: bytes):
    answer = reply(200, picture, CONTENT_TYPE="Image/PNG", X_COST="0.5", x_Seed_Value="9", X_Request_ID="r")
    with serving(answering(answer)) as peer:
        drawn = draw("sync", peer.url)
    assert (drawn.cost, drawn.request_id) == (0.5, "r")


def test_a_header_of_no_text_is_read(picture: bytes):
    answer = reply(200, picture, content_type="image/png", x_request_id="caf\xe9")
    with serving(answering(answer)) as peer:
        assert draw("sync", peer.url).request_id == "caf\xe9"
