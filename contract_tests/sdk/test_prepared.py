"""A call that is prepared and not sent yet: checked, complete, and to be had as a shell command."""

import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

import anyio
import httpx
import PIL.Image
import pytest
from hypothesis import given
from hypothesis import strategies as st
from proofs.fixtures.sockets import Peer, answering, reply, serving
from segmind_sd3 import AsyncClient, Client, Generation, InvalidRequest, Prepared, SegmindError
from segmind_sd3_api.parameters import OPERATIONS
from segmind_sd3_contract.reference import MADE_UP_KEY, ReferenceServer

Least = Callable[..., dict[str, Any]]

# What a shell, a header or a here-document could stumble over.
AWKWARD = "it's $HOME `id` \"$(id)\" \\ !x %s @file 'END'\nEND_OF_BODY\n日本 🐼"


class Unusable:
    """No name at all: not even its hash can be had."""

    def __hash__(self) -> int:
        raise RuntimeError


def noise(side: int) -> bytes:
    """A PNG that hardly compresses, of a side in pixels."""
    file = BytesIO()
    PIL.Image.effect_noise((side, side), 100).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize("operation", OPERATIONS)
def test_preparing_sends_nothing_and_sending_sends_what_was_prepared(
    operation: str, client: Client, least: Least, server: ReferenceServer
):
    prepared = client.prepare(operation, **least(operation))
    assert server.ledger == ()

    drawn = client.send(prepared)

    assert server.ledger[-1].body == prepared.body
    assert drawn.image.data


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.anyio
async def test_both_clients_prepare_the_same(
    operation: str, client: Client, async_client: AsyncClient, least: Least
):
    params = least(operation, extra={"seed": 7})

    assert await async_client.prepare(operation, **params) == client.prepare(operation, **params)


def test_a_prepared_call_may_be_sent_again(client: Client, least: Least):
    prepared = client.prepare("sd35_turbo_txt2img", **least("sd35_turbo_txt2img"))

    assert client.send(prepared).images == client.send(prepared).images


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("sd35_turbo", id="another name"),
        pytest.param(None, id="None"),
        pytest.param(["sd35_turbo_txt2img"], id="a list"),
        pytest.param(Unusable(), id="what has no hash"),
    ],
)
def test_an_endpoint_that_does_not_exist_is_refused_with_those_that_do(name: Any, client: Client):
    with pytest.raises(InvalidRequest) as caught:
        client.prepare(name, prompt="a lighthouse")

    assert all(operation in str(caught.value) for operation in OPERATIONS)


# --- Byte for byte -----------------------------------------------------------------------------------------

Way = Literal["sync", "asyncio", "trio", "sync, by a transport", "asyncio, by a transport"]
WAYS: tuple[Way, ...] = ("sync", "asyncio", "trio", "sync, by a transport", "asyncio, by a transport")

each_way = pytest.mark.parametrize("way", WAYS)


@pytest.fixture(scope="module")
def peer(picture: bytes) -> Iterator[Peer]:
    """Draw for everybody, and keep what arrives."""
    with serving(answering(reply(200, picture, content_type="image/png"))) as peer:
        yield peer


def do(way: Way, peer: Peer, action: Callable[[Any], Any]) -> Any:
    """Do something with a client, and return what came of it, be it an error of the SDK."""
    driver, _, transport = way.partition(", ")

    async def awaited() -> Any:
        sending = httpx.AsyncHTTPTransport() if transport else None
        async with AsyncClient(MADE_UP_KEY, base_url=peer.url, transport=sending) as client:
            return await action(client)

    try:
        if driver == "sync":
            sending = httpx.HTTPTransport() if transport else None
            with Client(MADE_UP_KEY, base_url=peer.url, transport=sending) as client:
                return action(client)
        return anyio.run(awaited, backend=driver)
    except SegmindError as error:
        return error


def send(way: Way, peer: Peer, prepared: Prepared) -> Any:
    return do(way, peer, lambda client: client.send(prepared))


@each_way
@pytest.mark.parametrize("operation", OPERATIONS)
def test_what_a_method_sends_is_what_prepare_shows(operation: str, way: Way, least: Least, peer: Peer):
    params = least(operation, prompt="日本 🐼 \"'\\", extra={"zeta": 1.50, "seed": 7, "alpha": [None, {}]})
    prepared = do(way, peer, lambda client: client.prepare(operation, **params))

    do(way, peer, lambda client: getattr(client, operation)(**params))

    sent = peer.requests[-1]
    assert (sent.method, peer.url + sent.path, sent.body) == ("POST", prepared.url, prepared.content)


LEAST = {"prompt": "a", "sampler": "b", "scheduler": "c"}


def by_hand(peer: Peer, **changed: Any) -> Prepared:
    """Make a call by hand that is good, but for what is changed; `URL` stands for the peer's address."""
    if isinstance(url := changed.get("url"), str):
        changed["url"] = url.replace("URL", peer.url)
    content = json.dumps(LEAST).encode()
    made = Prepared("sd35_turbo_txt2img", f"{peer.url}{OPERATIONS['sd35_turbo_txt2img'].path}", content)
    return replace(made, **changed)


def with_more(more: bytes) -> bytes:
    return json.dumps(LEAST).encode()[:-1] + b", " + more + b"}"


AS_IT_STANDS: dict[str, dict[str, Any]] = {
    "as it was": {},
    "another key order": {"content": json.dumps(dict(reversed(LEAST.items()))).encode()},
    "blanks and line breaks": {"content": json.dumps(LEAST, indent=4).encode()},
    "more fields, first": {"content": json.dumps({"lora": None} | LEAST).encode()},
    "a field twice": {"content": with_more(b'"prompt": "b"')},
    "a number in another spelling": {"content": with_more(b'"steps": 1.0e1')},
    "characters as they are": {"content": with_more('"lora": "日本 🐼"'.encode())},
    "characters as escapes": {"content": with_more(b'"lora": "\\u65e5\\ud83d"')},
    "another encoding": {"content": json.dumps(LEAST).encode("utf-16")},
    "wrong types": {"content": with_more(b'"steps": "ten"')},
    "another path": {"url": "URL/other"},
    "the root": {"url": "URL/"},
    "a query": {"url": "URL/v1/other?a=1&b"},
    "two slashes": {"url": "URL//other.example/v1"},
    "percent signs": {"url": "URL/a%20b%2F%zz"},
    "another endpoint": {"operation": "sd3_medium_txt2img"},
}


@each_way
@pytest.mark.parametrize("changed", AS_IT_STANDS.values(), ids=AS_IT_STANDS)
def test_what_is_made_by_hand_is_sent_as_it_stands(changed: dict[str, Any], way: Way, peer: Peer):
    prepared = by_hand(peer, **changed)

    assert isinstance(send(way, peer, prepared), Generation)

    sent = peer.requests[-1]
    assert (sent.method, peer.url + sent.path, sent.body) == ("POST", prepared.url, prepared.content)
    assert sent.headers["content-type"] == "application/json"


REFUSED: dict[str, dict[str, Any]] = {
    "another origin": {"url": "https://other.example/v1/stable-diffusion-3.5-turbo-txt2img"},
    "another scheme": {"url": "ftp://127.0.0.1/"},
    "a longer port": {"url": "URL0/"},
    "a user before another host": {"url": "URL@other.example/"},
    "no path": {"url": "URL"},
    "a path alone": {"url": "/v1/stable-diffusion-3.5-turbo-txt2img"},
    "a blank": {"url": "URL/a b"},
    "a blank at the end": {"url": "URL/a "},
    "a line break": {"url": "URL/a\r\nx-more: 1"},
    "a NUL": {"url": "URL/\0"},
    "a fragment": {"url": "URL/a#b"},
    "an empty fragment": {"url": "URL/a#"},
    "beyond ASCII": {"url": "URL/é"},
    "quotes": {"url": 'URL/"a"'},
    "dot segments": {"url": "URL/a/../b"},
    "more than httpx takes": {"url": "URL/" + "a" * 70_000},
    "an empty url": {"url": ""},
    "a url in bytes": {"url": b"URL/a"},
    "no url": {"url": None},
    "an unknown endpoint": {"operation": "sd4"},
    "no endpoint": {"operation": None},
    "an endpoint without a hash": {"operation": ["sd35_turbo_txt2img"]},
    "no content": {"content": b""},
    "None": {"content": None},
    "a str": {"content": json.dumps(LEAST)},
    "a bytearray": {"content": bytearray(json.dumps(LEAST).encode())},
    "a memoryview": {"content": memoryview(json.dumps(LEAST).encode())},
    "a dict": {"content": LEAST},
    "no JSON": {"content": b"prompt=a"},
    "half of it": {"content": json.dumps(LEAST).encode()[:-1]},
    "two of it": {"content": json.dumps(LEAST).encode() * 2},
    "bytes that are no text": {"content": b"\xff\xd8\xff"},
    "a list": {"content": b"[]"},
    "a list of pairs": {"content": json.dumps(list(LEAST.items())).encode()},
    "a text": {"content": b'"prompt"'},
    "a number": {"content": b"7"},
    "null": {"content": b"null"},
    "an empty object": {"content": b"{}"},
    "a missing field": {"content": b'{"prompt": "a", "sampler": "b"}'},
    "deep nesting": {"content": with_more(b'"lora": ' + b"[" * 100_000 + b"]" * 100_000)},
    "deep nesting that never ends": {"content": b'{"a":' * 100_000},
    "a number of thousands of digits": {"content": with_more(b'"seed": ' + b"9" * 10_000)},
}


@each_way
@pytest.mark.parametrize("changed", REFUSED.values(), ids=REFUSED)
def test_what_can_t_be_sent_as_it_stands_is_refused_and_nothing_is_sent(
    changed: dict[str, Any], way: Way, peer: Peer
):
    before = len(peer.requests)

    error = send(way, peer, by_hand(peer, **changed))

    assert isinstance(error, InvalidRequest)
    assert re.search("endpoint" if "operation" in changed else next(iter(changed)), str(error))
    assert error.billed is False
    assert len(peer.requests) == before


def test_a_refusal_says_what_is_allowed(peer: Peer):
    url = send("sync", peer, by_hand(peer, url="https://other.example/"))
    content = send("sync", peer, by_hand(peer, content=b"{}"))

    assert f"begins with {peer.url}/" in str(url)
    assert "'prompt'" in str(content)
    assert "client.prepare()" in str(content)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
contents = st.one_of(
    st.binary(max_size=40),
    json_values.map(lambda value: json.dumps(value).encode()),
    st.dictionaries(st.text(), json_values, max_size=4).map(lambda more: json.dumps(more | LEAST).encode()),
    st.tuples(st.permutations([*LEAST]), st.booleans()).map(
        lambda pair: json.dumps(dict.fromkeys(pair[0], "é"), ensure_ascii=pair[1]).encode()
    ),
)
paths = st.one_of(
    st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=20),
    st.text("/.%?#@:aZ09 ", max_size=20),
    st.text(max_size=10),
)


@each_way
@given(path=paths, operation=st.sampled_from([*OPERATIONS, "sd4", ""]), content=contents)
@pytest.mark.slow
def test_whatever_is_made_by_hand_is_sent_as_it_stands_or_refused(
    way: Way, peer: Peer, path: str, operation: str, content: bytes
):
    before = len(peer.requests)
    prepared = Prepared(operation, f"{peer.url}/{path}", content)

    outcome = send(way, peer, prepared)

    sent = [(peer.url + request.path, request.body) for request in peer.requests[before:]]
    if isinstance(outcome, InvalidRequest):
        assert sent == []
    else:
        assert isinstance(outcome, Generation)
        assert sent == [(prepared.url, prepared.content)]


# --- As a shell command -----------------------------------------------------------------------------------


@pytest.mark.skipif(shutil.which("curl") is None, reason="this machine has no curl")
@pytest.mark.parametrize("side", [16, 512], ids=["small body", "body beyond one argument"])
def test_the_curl_command_draws_the_picture_that_sending_draws(
    side: int, tmp_path: Path, server: ReferenceServer
):
    with server.listening() as url, Client(MADE_UP_KEY, base_url=url) as client:
        prepared = client.prepare("sd3_medium_tile", prompt=AWKWARD, image=noise(side))

        # In a file, since a body may be longer than what one argument of the shell can be.
        (tmp_path / "call.sh").write_text(prepared.as_curl(), encoding="utf-8")
        environment = {"SEGMIND_API_KEY": MADE_UP_KEY, "PATH": os.environ["PATH"]}
        subprocess.run(["/bin/sh", "call.sh"], check=True, capture_output=True, cwd=tmp_path, env=environment)

        assert (tmp_path / "reply").read_bytes() == client.send(prepared).image.data
    by_curl, by_client = server.ledger
    assert by_curl.body == by_client.body == prepared.body


def test_the_curl_command_names_the_address_and_the_body(client: Client):
    prepared = client.prepare("sd35_turbo_txt2img", prompt=AWKWARD, extra={"lora": None})

    words = shlex.split(prepared.as_curl())

    assert prepared.url in words
    assert json.loads(words[words.index("--data-raw") + 1]) == prepared.body


@pytest.mark.parametrize("side", [16, 512], ids=["small body", "body beyond one argument"])
def test_the_curl_command_takes_the_key_from_the_environment(side: int, client: Client):
    command = client.prepare("sd3_medium_tile", prompt="a lighthouse", image=noise(side)).as_curl()

    assert '-H "x-api-key: $SEGMIND_API_KEY"' in command
    assert MADE_UP_KEY not in command
