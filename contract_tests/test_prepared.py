"""A call that is prepared and not sent yet: checked, complete, and to be had as a shell command."""

import json
import os
import shlex
import shutil
import subprocess
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import PIL.Image
import pytest
from segmind_sd3 import AsyncClient, Client, InvalidRequest
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
