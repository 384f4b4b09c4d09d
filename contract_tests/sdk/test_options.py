"""A wrong option is refused when the client is made: named, with what was given and what is allowed."""

import ssl
import traceback
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, NoReturn

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from proofs.fixtures.drivers import DRIVERS, Driver, draw
from proofs.fixtures.sockets import answering, reply, serving
from rich.traceback import Traceback
from segmind_sd3 import AsyncClient, Client, InvalidRequest, Retry
from segmind_sd3._options import check_headers, read_key
from segmind_sd3._wire import Key
from segmind_sd3_contract.reference import MADE_UP_KEY, ReferenceServer

CLIENTS = [Client, AsyncClient]


class Unshowable:
    def __repr__(self) -> NoReturn:
        raise RuntimeError


# -- One option -------------------------------------------------------------------------------------------

WRONG: list[tuple[str, Any, str]] = [
    ("retry", 3, r"retry was 3; allowed is a Retry, such as Retry\(attempts=3\)"),
    ("retry", 0, r"retry was 0; .*Retry\(attempts=1\)"),
    ("retry", False, r"retry was False; .*Retry\(attempts=1\)"),
    ("retry", None, r"retry was None; .*Retry\(attempts=1\)"),
    ("retry", 2.5, r"retry was 2\.5; .*Retry\(attempts=4\)"),
    ("retry", Retry, r"retry was <class .*>; allowed is a Retry"),
    ("retry", {"attempts": 3}, r"retry was \{'attempts': 3\}; allowed is a Retry"),
    ("timeout", "10", "timeout was '10'; allowed is a number of seconds above 0"),
    ("timeout", 10**400, "timeout was 10+.*; allowed is a number of seconds above 0, at most 2147483"),
    ("timeout", 10**9, "timeout was 1000000000; .* at most 2147483"),
    ("timeout", float("inf"), "timeout was inf; .* at most"),
    ("timeout", float("nan"), "timeout was nan; "),
    ("timeout", True, "timeout was True; "),
    ("timeout", 0, "timeout was 0; "),
    ("timeout", -1.5, r"timeout was -1\.5; "),
    ("timeout", Decimal(10), r"timeout was Decimal\('10'\); "),
    ("timeout", timedelta(seconds=10), "timeout was datetime.timedelta"),
    ("timeout", httpx.Timeout(10), "timeout was Timeout"),
    ("verify", 0, r"verify was 0; allowed is True, False or an ssl\.SSLContext"),
    ("verify", None, "verify was None; allowed is True, False"),
    ("verify", "nope", r"verify was 'nope'; .* ssl\.create_default_context\(cafile=…\)"),
    ("verify", ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), "verify was .*this context is a server's"),
    ("proxy", {"https": "http://user:secret@proxy.example"}, "proxy is of type dict; .* the URL of a proxy"),
    ("proxy", b"http://user:secret@proxy.example", "proxy is of type bytes"),
    ("proxy", httpx.URL("http://user:secret@proxy.example"), "proxy is of type URL"),
    ("proxy", "", "proxy is not an address alone"),
    ("proxy", "proxy.example:3128", "proxy"),
    ("proxy", "user:secret@proxy.example", "proxy"),
    ("proxy", "http://user:secret@proxy.example/path", "proxy is not an address alone"),
    ("proxy", "http://user:secret@proxy.example?x=y", "proxy is not an address alone"),
    ("proxy", "http://user:secret@proxy.example:port", "proxy is no URL"),
    ("proxy", "ftp://user:secret@proxy.example", "proxy has the scheme 'ftp'"),
    ("base_url", 7, "the base URL was 7; allowed is an origin"),
    ("base_url", b"https://api.segmind.com", "the base URL was 23 bytes"),
    ("base_url", httpx.URL("https://api.segmind.com"), "the base URL was URL"),
    ("transport", httpx.HTTPTransport, "transport was <class .*; allowed is an instance of httpx"),
    ("transport", "https://api.segmind.com", "transport was 'https.*; allowed is an instance of httpx"),
    ("transport", httpx.Client, "transport was <class"),
    ("allow_private_image_urls", "no", "allow_private_image_urls was 'no'; allowed is True or False"),
    ("allow_private_image_urls", 1, "allow_private_image_urls was 1; "),
    ("allow_private_image_urls", None, "allow_private_image_urls was None; "),
    ("max_connections", 0, "max_connections was 0; allowed is a whole number of at least 1"),
    ("max_connections", -1, "max_connections was -1; "),
    ("max_connections", True, "max_connections was True; "),
    ("max_connections", 2.0, r"max_connections was 2\.0; "),
    ("max_connections", "5", "max_connections was '5'; "),
    ("max_connections", None, "max_connections was None; "),
    ("headers", [("x-a", "b")], "headers is of type list; allowed is a mapping"),
    ("headers", "x-a: b", "headers is of type str"),
    ("headers", "", "headers is of type str"),
    ("spool", "", "spool was ''; allowed is the path of a folder on a local disk, or None"),
    ("spool", 5, "spool was 5; allowed is the path of a folder"),
    ("spool", b"folder", "spool was 6 bytes; allowed is the path of a folder"),
    ("spool", False, "spool was False; allowed is the path of a folder"),
    ("spool", "a\0b", "spool was '.*', where no file can be made .*: name a folder on a local disk"),
    ("spool", __file__, r"spool was '.*', where no file can be made \(File exists\): name a folder"),
    ("spool", f"{__file__}/folder", r"spool was '.*', where no file can be made \(Not a directory\): name"),
    ("spool", Path("/proc"), "spool was '/proc', where no file can be made .*: name a folder"),
    *(
        (option, Unshowable(), f"{option} .*")
        for option in ("retry", "timeout", "verify", "transport", "spool")
    ),
    *((option, Unshowable(), f"{option} .*") for option in ("proxy", "max_connections", "headers")),
    ("base_url", Unshowable(), "the base URL was .*"),
]


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize(
    ("option", "value", "message"), WRONG, ids=[f"{at}-{option}" for at, (option, _, _) in enumerate(WRONG)]
)
def test_a_wrong_option_is_named(option: str, value: Any, message: str, client: type[Client | AsyncClient]):
    with pytest.raises(InvalidRequest, match=message) as raised:
        client(MADE_UP_KEY, **{option: value})
    assert isinstance(raised.value, ValueError)
    assert raised.value.billed is False
    assert "secret" not in str(raised.value)
    assert len(str(raised.value)) < 300


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        (option, value, message)
        for option, value, message in WRONG
        if option in ("retry", "timeout") and value is not None
    ],
)
def test_a_copy_takes_no_wrong_option_either(
    option: str, value: Any, message: str, client: type[Client | AsyncClient]
):
    made = client(MADE_UP_KEY, transport=None)
    with pytest.raises(InvalidRequest, match=message):
        made.with_options(**{option: value})


@given(
    st.sampled_from(["retry", "timeout", "verify", "proxy", "base_url", "transport"]),
    st.one_of(st.text(), st.binary(), st.lists(st.integers()), st.floats(max_value=0), st.complex_numbers()),
)
def test_any_other_value_is_refused_as_an_invalid_request(option: str, value: Any):
    with pytest.raises(InvalidRequest):
        Client(MADE_UP_KEY, **{option: value})


def test_a_transport_must_be_of_the_client_s_own_kind():
    server = ReferenceServer()
    wrong: list[tuple[Any, Any, str]] = [
        (Client, server.async_transport(), "BaseTransport"),
        (AsyncClient, server.transport(), "AsyncBaseTransport"),
    ]
    for client, transport, needed in wrong:
        with pytest.raises(InvalidRequest, match=rf"transport was .*httpx\.{needed}"):
            client(MADE_UP_KEY, transport=transport)


@pytest.mark.parametrize("client", CLIENTS)
def test_a_transport_of_both_kinds_is_taken(client: type[Client | AsyncClient]):
    both: Any = httpx.MockTransport(lambda _: httpx.Response(200))
    assert client(MADE_UP_KEY, transport=both)


RIGHT: list[dict[str, Any]] = [
    {"timeout": 1},
    {"timeout": 0.001},
    {"timeout": 2_147_483},
    {"verify": False},
    {"verify": ssl.create_default_context()},
    {"proxy": "http://proxy.example:3128"},
    {"proxy": " https://user:secret@proxy.example "},
    {"max_connections": 1},
    {"headers": {}},
    {"headers": {"Authorization": "Bearer of-a-gateway", "X-Team": "pictures and more"}},
]


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("options", RIGHT, ids="-".join)
def test_a_right_option_is_taken_and_no_secret_is_shown(
    options: dict[str, Any], client: type[Client | AsyncClient]
):
    made: Any = client(MADE_UP_KEY, **options)
    assert "secret" not in f"{made!r} {made._settings!r}"
    assert "of-a-gateway" not in f"{made!r} {made._settings!r}"


# -- The retry policy -------------------------------------------------------------------------------------

WRONG_POLICIES: list[tuple[str, Any]] = [
    *(("attempts", value) for value in ("3", 2.5, 3.0, True, None, 0, -1)),
    *(("backoff", value) for value in ("x", -0.1, True, None, float("nan"), float("inf"), 10**400)),
    *(("backoff_max", value) for value in ("x", -1, False, None, float("nan"), float("inf"), 10**400)),
    *(("rate_limit_max", value) for value in ("x", -1, True, None, float("nan"))),
    *(("unknown", value) for value in (1, 0, "yes", None)),
    *((name, Unshowable()) for name in ("attempts", "backoff", "unknown")),
]


@pytest.mark.parametrize(("name", "value"), WRONG_POLICIES)
def test_a_wrong_part_of_a_policy_is_named(name: str, value: Any):
    with pytest.raises(InvalidRequest, match=f"^{name} was .*; allowed is "):
        Retry(**{name: value})


def test_a_policy_s_limits():
    assert Retry(attempts=1, backoff=0, backoff_max=0, rate_limit_max=float("inf"), unknown=True)
    assert Retry(attempts=10**6, backoff=1e300, backoff_max=1e300)


# -- The key ----------------------------------------------------------------------------------------------

TEXT = "SG_c0ffee11decade42"

WRONG_KEYS: dict[str, str] = {
    f"Bearer {TEXT}": "begins with a scheme, such as Bearer; give the key alone",
    f"bearer\t{TEXT}": "begins with a scheme",
    f"Basic {TEXT}": "begins with a scheme",
    f"\ufeff{TEXT}": "byte order mark",
    f"\u00ef\u00bb\u00bf{TEXT}": "byte order mark",
    f" \ufeff{TEXT}\n": "byte order mark",
    f'"{TEXT}"': "in quotes",
    f"'{TEXT}'": "in quotes",
    f'"{TEXT}': "in quotes",
    f"{TEXT}'": "in quotes",
    f"`{TEXT}`": "in quotes",
    f"\u201c{TEXT}\u201d": "in quotes",
    f"{TEXT}\u00a0": "non-breaking space",
    f"\u00a0{TEXT}": "non-breaking space",
    f"{TEXT[:5]}\u202f{TEXT[5:]}": "non-breaking space",
    f"SEGMIND_API_KEY={TEXT}": "assignment",
    f"SEGMIND_API_KEY = {TEXT}": "assignment",
    f"export SEGMIND_API_KEY={TEXT}": "assignment",
    f"api_key={TEXT}": "assignment",
    f"x-api-key: {TEXT}": "header",
    f"Authorization: Bearer {TEXT}": "header",
    f"{TEXT[:9]}\n{TEXT[9:]}": "line break",
    f"{TEXT[:9]}\r\n{TEXT[9:]}": "line break",
    f"{TEXT[:9]}\u2028{TEXT[9:]}": "line break",
    f"{TEXT} {TEXT}": "blank",
    f"{TEXT}\x00": "printable ASCII",
    f"{TEXT}\u200b": "printable ASCII",
    f"{TEXT}é": "printable ASCII",
    f"{TEXT}\ud800": "printable ASCII",
    "YOUR_API_KEY": "placeholder",
    "your-api-key": "placeholder",
    "Your API key here": "placeholder",
    "<your key>": "placeholder",
    "[API KEY]": "placeholder",
    "{{SEGMIND_API_KEY}}": "placeholder",
    "$SEGMIND_API_KEY": "placeholder",
    "${SEGMIND_API_KEY}": "placeholder",
    "%SEGMIND_API_KEY%": "placeholder",
    "SEGMIND_API_KEY": "placeholder",
    "API_KEY": "placeholder",
    "SG_xxxxxxxxxxxxxxxx": "placeholder",
    "SG_****************": "placeholder",
    "SG_…": "placeholder",
    "xxx": "placeholder",
    "None": "placeholder",
    "null": "placeholder",
    "": "empty",
    " \n": "empty",
}


def everything_shown(error: BaseException) -> str:
    """Show an error with the locals of every frame that is ours."""
    plain = traceback.TracebackException.from_exception(error, capture_locals=True)
    inner = [frame for frame in plain.stack if "segmind_sd3/_" in frame.filename]
    rich = Traceback.extract(type(error), error, error.__traceback__, show_locals=True)
    frames = [frame for stack in rich.stacks for frame in stack.frames if "segmind_sd3/_" in frame.filename]
    locals_of = [str(node) for frame in frames for node in (frame.locals or {}).values()]
    return "\n".join([str(error), repr(error), *(str(frame.locals) for frame in inner), *locals_of])


@pytest.mark.parametrize(("key", "message"), WRONG_KEYS.items(), ids=map(ascii, WRONG_KEYS))
@pytest.mark.parametrize("client", CLIENTS)
def test_what_is_wrong_with_a_key_is_told_without_the_key(
    key: str, message: str, client: type[Client | AsyncClient]
):
    with pytest.raises(InvalidRequest, match=f"^api_key is no usable key: .*{message}") as raised:
        client(key)
    shown = everything_shown(raised.value)
    assert not [part for at in range(len(TEXT) - 5) if (part := TEXT[at : at + 6]) in shown]


@pytest.mark.parametrize("key", [key for key in WRONG_KEYS if key.strip() and key.isprintable()], ids=ascii)
def test_what_is_wrong_with_the_environment_s_key_is_told(key: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SEGMIND_API_KEY", key)
    with pytest.raises(InvalidRequest, match=f"^SEGMIND_API_KEY is no usable key: .*{WRONG_KEYS[key]}"):
        Client()


@pytest.mark.parametrize("variable", [None, "", " "])
def test_without_a_key_both_ways_to_give_one_are_told(variable: str | None, monkeypatch: pytest.MonkeyPatch):
    if variable is not None:
        monkeypatch.setenv("SEGMIND_API_KEY", variable)
    with pytest.raises(InvalidRequest, match="there is no API key: set SEGMIND_API_KEY, or pass api_key="):
        Client()


def test_an_empty_argument_does_not_stand_for_the_environment_s_key(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SEGMIND_API_KEY", MADE_UP_KEY)
    with pytest.raises(InvalidRequest, match="empty"):
        Client("")
    with Client() as client, pytest.raises(InvalidRequest, match="empty"):
        client.with_options(api_key="")


@given(
    st.text(
        st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="\"'`<>[]{}$%*=:"),
        min_size=1,
    )
)
def test_a_key_of_printable_ascii_is_taken(text: str):
    read = read_key(f" SG_1-{text}\n")
    assert isinstance(read, Key)
    assert read.reveal() == f"SG_1-{text}"


@given(st.text())
def test_any_text_is_a_key_that_can_stand_in_a_header_or_is_refused(text: str):
    read = read_key(text)
    assert isinstance(read, InvalidRequest) or (read.reveal().isascii() and " " not in read.reveal())


# -- Headers ----------------------------------------------------------------------------------------------

SET_BY_THE_SDK = (
    *("x-api-key", "X-API-Key", "Host", "Content-Type", "Content-Length", "Content-Encoding", "User-Agent"),
    *(
        "Accept",
        "Accept-Encoding",
        "Transfer-Encoding",
        "Connection",
        "Keep-Alive",
        "Upgrade",
        "TE",
        "Trailer",
    ),
    *("Expect", "Proxy-Authorization", "Proxy-Connection"),
)


@pytest.mark.parametrize("name", SET_BY_THE_SDK)
@pytest.mark.parametrize("client", CLIENTS)
def test_a_header_that_the_sdk_sets_is_refused(name: str, client: type[Client | AsyncClient]):
    with pytest.raises(InvalidRequest, match=f"headers has {name}, which the SDK sets itself"):
        client(MADE_UP_KEY, headers={name: "x"})


@pytest.mark.parametrize(
    "name", ["", "x y", "x:", "x\n", "é", "x\x00", "(x)", "x,y", 7, b"x-a", None, Unshowable()]
)
def test_a_name_that_is_none_is_refused(name: Any):
    with pytest.raises(InvalidRequest, match="headers has the name"):
        Client(MADE_UP_KEY, headers={name: "x"})


VALUES = [
    "tok\r\nen",
    "tok\nen",
    "tok\x00en",
    "token ",
    " token",
    "tokén",
    "",
    "tok\x7fen",
    b"token",
    7,
    None,
    ["token"],
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
@pytest.mark.parametrize("client", CLIENTS)
def test_a_value_that_can_t_be_sent_is_refused_and_not_shown(value: Any, client: type[Client | AsyncClient]):
    with pytest.raises(
        InvalidRequest, match="headers has a value for X-Gateway that can't be sent"
    ) as raised:
        client(MADE_UP_KEY, headers={"X-Gateway": value})
    assert "tok" not in everything_shown(raised.value)


def test_a_header_in_two_spellings_is_refused():
    with pytest.raises(InvalidRequest, match="headers has x-team twice"):
        Client(MADE_UP_KEY, headers={"X-Team": "a", "x-team": "b"})


@pytest.mark.parametrize("client", CLIENTS)
def test_no_other_wrong_option_shows_a_header(client: type[Client | AsyncClient]):
    with pytest.raises(InvalidRequest) as raised:
        client(MADE_UP_KEY, headers={"Authorization": "Bearer of-a-gateway"}, timeout=-1)
    assert "of-a-gateway" not in everything_shown(raised.value)


@given(
    st.dictionaries(
        st.from_regex(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", fullmatch=True).map(lambda name: f"x-{name.lower()}"),
        st.from_regex(r"[\x21-\x7e]([\t\x20-\x7e]*[\x21-\x7e])?", fullmatch=True),
    )
)
def test_what_http_allows_in_a_header_is_taken_as_it_is(headers: dict[str, str]):
    read = check_headers({name: value for name, value in headers.items() if name != "x-api-key"})
    assert not isinstance(read, InvalidRequest)
    assert dict(read) == {name: value for name, value in headers.items() if name != "x-api-key"}


@pytest.mark.parametrize("driver", DRIVERS)
def test_headers_go_to_the_base_url_with_each_call(driver: Driver, picture: bytes):
    with serving(answering(reply(200, picture, content_type="image/png"))) as peer:
        draw(driver, peer.url, headers={"Authorization": "Bearer of-a-gateway", "X-Team": "pictures"})
    sent = peer.requests[0].headers
    assert (sent["authorization"], sent["x-team"]) == ("Bearer of-a-gateway", "pictures")
    assert sent["x-api-key"] == MADE_UP_KEY
