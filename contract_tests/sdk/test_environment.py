"""What the environment adds to a client: proxies, their exceptions, and trusted certificates."""

import ssl
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from proofs.fixtures.drivers import DRIVERS, Driver, draw
from proofs.fixtures.sockets import answering, authority, certified, reply, serving
from segmind_sd3 import AsyncClient, Client, InvalidRequest
from segmind_sd3._environment import proxy_for, trusted_context
from segmind_sd3_contract.reference import MADE_UP_KEY

PROXY = "http://proxy.example:3128"
CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


# -- The proxy --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scheme", "name"),
    [
        *(("https", name) for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")),
        *(("http", name) for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")),
    ],
)
def test_a_variable_names_the_proxy(scheme: str, name: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(name, PROXY)
    assert proxy_for(scheme, "api.segmind.com", None) == PROXY


def test_the_variable_of_the_scheme_wins(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ALL_PROXY", "http://other.example")
    monkeypatch.setenv("HTTPS_PROXY", PROXY)
    assert proxy_for("https", "api.segmind.com", 443) == PROXY


def test_the_variable_of_another_scheme_does_not_count(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HTTP_PROXY", PROXY)
    assert proxy_for("https", "api.segmind.com", 443) is None


def test_a_proxy_without_a_scheme_is_an_http_one(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HTTPS_PROXY", "proxy.example:3128")
    assert proxy_for("https", "api.segmind.com", 443) == PROXY


def test_a_cgi_request_names_no_proxy(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("REQUEST_METHOD", "GET")
    monkeypatch.setenv("HTTP_PROXY", PROXY)  # a request's header `Proxy` is this variable under CGI
    assert proxy_for("http", "images.example", 80) is None


@pytest.mark.parametrize(
    "wrong", ["ftp://u:secret@p.example", "http://u:secret@p.example:port", "http://p/path"]
)
def test_a_proxy_of_the_environment_that_is_none_is_named_without_its_password(
    wrong: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HTTPS_PROXY", wrong)
    with pytest.raises(
        InvalidRequest, match=r"the environment's proxy \(HTTPS_PROXY or ALL_PROXY\)"
    ) as raised:
        proxy_for("https", "api.segmind.com", 443)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST", "localhost.", "api.localhost", "127.0.0.1", "127.1", "2130706433", "::1"],
)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_no_proxy_reaches_this_machine(scheme: str, host: str, monkeypatch: pytest.MonkeyPatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, PROXY)
    assert proxy_for(scheme, host, 80) is None


# -- Its exceptions ---------------------------------------------------------------------------------------

EXCEPTED = [
    ("*", "api.segmind.com"),
    ("a.example, *", "api.segmind.com"),
    ("api.segmind.com", "api.segmind.com"),
    ("segmind.com", "api.segmind.com"),
    ("segmind.com", "segmind.com"),
    (".segmind.com", "api.segmind.com"),
    (".segmind.com", "segmind.com"),
    ("*.segmind.com", "api.segmind.com"),
    ("*.segmind.com", "a.b.segmind.com"),
    ("com", "api.segmind.com"),
    ("SEGMIND.com", "api.segmind.com"),
    ("segmind.com", "API.Segmind.COM"),
    ("segmind.com.", "api.segmind.com"),
    ("segmind.com", "api.segmind.com."),
    ("api.segmind.com:443", "api.segmind.com"),
    (".segmind.com:443", "api.segmind.com"),
    (" a.example ,\tapi.segmind.com ", "api.segmind.com"),
    ("a.example api.segmind.com", "api.segmind.com"),
    (",,api.segmind.com,", "api.segmind.com"),
    ("10.1.2.3", "10.1.2.3"),
    ("10.0.0.0/8", "10.1.2.3"),
    ("10.9.9.9/8", "10.1.2.3"),
    ("10.0.0.0/8", "10.66051"),
    ("10.0.0.0/8:443", "10.1.2.3"),
    ("10.1.2.3:443", "10.1.2.3"),
    ("0.0.0.0/0", "8.8.8.8"),
    ("fd00::/8", "fd12::1"),
    ("[fd00::]/8", "fd12::1"),
    ("fd12::1", "fd12::1"),
    ("FD12:0::1", "fd12::1"),
    ("[fd12::1]", "fd12::1"),
    ("[fd12::1]:443", "fd12::1"),
    ("[fd12::1]:443", "[fd12::1]"),
    ("::/0", "2606:4700::1111"),
]

NOT_EXCEPTED = [
    ("", "api.segmind.com"),
    ("gmind.com", "api.segmind.com"),
    ("api", "api.segmind.com"),
    ("segmind.com.example", "api.segmind.com"),
    ("other.segmind.com", "api.segmind.com"),
    ("api.segmind.com:80", "api.segmind.com"),
    ("*.api.segmind.com.example", "api.segmind.com"),
    (".", "api.segmind.com"),
    ("*.", "api.segmind.com"),
    ("a*", "api.segmind.com"),
    ("11.0.0.0/8", "10.1.2.3"),
    ("10.0.0.0/33", "10.1.2.3"),
    ("10.0.0.0/x", "10.1.2.3"),
    ("3", "10.1.2.3"),
    (".2.3", "10.1.2.3"),
    ("10.1.2.3:80", "10.1.2.3"),
    ("fd00::/8", "10.1.2.3"),
    ("10.0.0.0/8", "fd12::1"),
    ("[fd12::1]:80", "fd12::1"),
    ("10.0.0.0/8", "10.example"),
    ("0.0.0.0/0", "api.segmind.com"),
]


@pytest.mark.parametrize("name", ["NO_PROXY", "no_proxy"])
@pytest.mark.parametrize(("entries", "host"), EXCEPTED)
def test_is_excepted(entries: str, host: str, name: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HTTPS_PROXY", PROXY)
    monkeypatch.setenv(name, entries)
    assert proxy_for("https", host, None) is None


@pytest.mark.parametrize(("entries", "host"), NOT_EXCEPTED)
def test_is_not_excepted(entries: str, host: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HTTPS_PROXY", PROXY)
    monkeypatch.setenv("NO_PROXY", entries)
    assert proxy_for("https", host, 443) == PROXY


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), st.text())
def test_any_exceptions_can_be_read(entries: str, host: str):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HTTPS_PROXY", PROXY)
        patch.setenv("NO_PROXY", entries)
        assert proxy_for("https", host, 443) in (None, PROXY)


# -- The key and proxies ----------------------------------------------------------------------------------


@pytest.mark.parametrize("proxy", [PROXY, "https://proxy.example", "http://10.0.0.1:3128"])
@pytest.mark.parametrize("client", [Client, AsyncClient])
def test_no_key_goes_in_the_clear_through_a_proxy_elsewhere(proxy: str, client: type[Client | AsyncClient]):
    with pytest.raises(InvalidRequest, match="in the clear"):
        client(MADE_UP_KEY, base_url="http://127.0.0.1:8000", proxy=proxy)


@pytest.mark.parametrize("proxy", ["http://127.0.0.1:3128", "http://localhost:3128", "http://[::1]:3128"])
@pytest.mark.parametrize("client", [Client, AsyncClient])
def test_a_proxy_on_this_machine_may_see_the_key(proxy: str, client: type[Client | AsyncClient]):
    assert client(MADE_UP_KEY, base_url="http://127.0.0.1:8000", proxy=proxy)


# -- Certificates -----------------------------------------------------------------------------------------


@pytest.fixture
def trusted(tmp_path: Path) -> dict[str, Path]:
    """Give the certificate of the authority of the tests' servers, an empty folder, and another authority."""
    file, folder, other = tmp_path / "authority.pem", tmp_path / "folder", tmp_path / "other.pem"
    authority().cert_pem.write_to_path(file)
    folder.mkdir()
    other.write_text(ssl.DER_cert_to_PEM_cert(ssl.create_default_context().get_ca_certs(binary_form=True)[0]))
    return {"file": file, "folder": folder, "other": other}


def trusts_the_authority(context: ssl.SSLContext) -> bool:
    own = ssl.PEM_cert_to_DER_cert(authority().cert_pem.bytes().decode())
    return own in context.get_ca_certs(binary_form=True)


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_the_certificates_of_a_variable_are_trusted_and_no_others(
    name: str, trusted: dict[str, Path], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv(name, str(trusted["file"]))
    context = trusted_context()
    assert trusts_the_authority(context)
    assert len(context.get_ca_certs()) == 1


@pytest.mark.parametrize("winner", range(3))
def test_the_first_variable_that_is_set_wins(
    winner: int, trusted: dict[str, Path], monkeypatch: pytest.MonkeyPatch
):
    order = ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"]
    for at, name in enumerate(order):
        monkeypatch.setenv(name, "" if at < winner else str(trusted["file" if at == winner else "other"]))
    assert trusts_the_authority(trusted_context())


def test_a_folder_of_certificates_wins_over_other_variables(
    trusted: dict[str, Path], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("SSL_CERT_DIR", str(trusted["folder"]))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(trusted["file"]))
    assert trusted_context().get_ca_certs() == []  # what a folder holds is read when it is needed


def test_a_file_and_a_folder_count_together(trusted: dict[str, Path], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted["file"]))
    monkeypatch.setenv("SSL_CERT_DIR", f"/nonexistent:{trusted['folder']}")
    assert trusts_the_authority(trusted_context())


def test_without_a_variable_the_usual_authorities_are_trusted():
    context = trusted_context()
    assert not trusts_the_authority(context)
    assert len(context.get_ca_certs()) > 50


def test_certificates_are_read_once(trusted: dict[str, Path], monkeypatch: pytest.MonkeyPatch):
    usual = trusted_context()
    monkeypatch.setenv("CURL_CA_BUNDLE", str(trusted["file"]))
    own = trusted_context()
    assert own is trusted_context()
    monkeypatch.delenv("CURL_CA_BUNDLE")
    assert usual is trusted_context()
    assert own is not usual


@pytest.mark.parametrize("name", CERTIFICATES)
@pytest.mark.parametrize("content", [None, b"", b"no certificate"], ids=["missing", "empty", "another file"])
def test_certificates_that_can_t_be_read_are_named_with_their_variable(
    name: str, content: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path = tmp_path / "authorities"
    if content is not None:
        path.write_bytes(content)
    monkeypatch.setenv(name, str(path))
    with pytest.raises(
        InvalidRequest, match=rf"^{name} names '.*authorities', whose certificates can't be read"
    ):
        trusted_context()


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_a_client_trusts_them(
    name: str, driver: Driver, picture: bytes, trusted: dict[str, Path], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv(name, str(trusted["file"]))
    answer = reply(200, picture, content_type="image/png")
    with serving(answering(answer), tls=certified("127.0.0.1")) as peer:
        assert draw(driver, peer.url, verify=True).images


@pytest.mark.parametrize("driver", DRIVERS)
def test_the_argument_wins_over_every_variable(
    driver: Driver, picture: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    for name in CERTIFICATES:
        monkeypatch.setenv(name, str(tmp_path / "missing"))
    answer = reply(200, picture, content_type="image/png")
    own: Any = ssl.create_default_context(cadata=authority().cert_pem.bytes().decode())
    with serving(answering(answer), tls=certified("127.0.0.1")) as peer:
        assert draw(driver, peer.url, verify=own).images
