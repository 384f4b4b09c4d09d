"""The reference server without and with a socket gives the same answers; and `serve` is for people."""

import gc
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from typing import Any

import anyio
import httpx
import pytest
from click.testing import CliRunner
from segmind_sd3_contract.reference import (
    CREDITS_PATH,
    MADE_UP_KEY,
    PROVOCATIONS,
    Answer,
    ReferenceServer,
    Request,
    example_request,
)
from segmind_sd3_contract.reference.billed_errors import BROKEN_OFF
from segmind_sd3_contract.reference.deliveries import DELIVERIES
from segmind_sd3_contract.reference.serve import serve

CONTRACT = {each.operation_id: each for each in ReferenceServer().operations.values()}
TURBO = CONTRACT["sd35_turbo_txt2img"]
GOOD = example_request(TURBO)
OTHER_KEY = "SG_feedfacefeedface"
SCRIPT: list[tuple[Request, str | None]] = [
    *((example_request(each, seed=7), None) for each in CONTRACT.values()),
    (example_request(TURBO, batch_size=3, base64=True), None),
    (example_request(TURBO, steps=0), None),
    (Request("GET", CREDITS_PATH, GOOD.headers), None),
    (Request("GET", TURBO.path, GOOD.headers), None),
    (Request("POST", "/v1/nowhere?x=1", GOOD.headers, b"{}"), None),
    (Request("POST", TURBO.path, {}, GOOD.body), None),
    *(
        (GOOD, name)
        for name in PROVOCATIONS
        # Encoded ones are not read as they are, and deliveries go astray.
        if not name.startswith("odd-header") and not name.endswith("in-gzip")
        if name not in DELIVERIES and name not in BROKEN_OFF
    ),
]
HOST = "https://api.example.invalid"


def scripted() -> ReferenceServer:
    return ReferenceServer(seed=3, clock=lambda: 1_795_233_000.0)


def answer_of(response: httpx.Response) -> Answer:
    """Give what came, without what the connection itself added."""
    added = {"content-length", "connection"}
    return Answer(
        response.status_code,
        {name: value for name, value in response.headers.items() if name not in added},
        response.content,
    )


def sent_by(client: httpx.Client, server: ReferenceServer) -> Iterator[Answer]:
    for request, provocation in SCRIPT:
        if provocation:
            server.provoke(provocation)
        yield answer_of(
            client.request(request.method, request.path, headers=request.headers, content=request.body)
        )


async def sent_by_async(client: httpx.AsyncClient, server: ReferenceServer) -> list[Answer]:
    answers: list[Answer] = []
    for request, provocation in SCRIPT:
        if provocation:
            server.provoke(provocation)
        response = await client.request(
            request.method, request.path, headers=request.headers, content=request.body
        )
        answers.append(answer_of(response))
    return answers


@pytest.fixture(scope="module")
def expected() -> list[Answer]:
    server = scripted()
    answers: list[Answer] = []
    for request, provocation in SCRIPT:
        if provocation:
            server.provoke(provocation)
        answers.append(server.answer(request))
    return answers


def test_the_sync_transport_gives_the_servers_own_answers(expected: list[Answer]):
    server = scripted()
    with httpx.Client(transport=server.transport(), base_url=HOST) as client:
        assert list(sent_by(client, server)) == expected


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_the_async_transport_gives_the_servers_own_answers(expected: list[Answer], backend: str):
    async def main() -> list[Answer]:
        server = scripted()
        async with httpx.AsyncClient(transport=server.async_transport(), base_url=HOST) as client:
            return await sent_by_async(client, server)

    assert anyio.run(main, backend=backend) == expected


def test_the_socket_gives_the_servers_own_answers(expected: list[Answer]):
    server = scripted()
    with server.listening() as url, httpx.Client(base_url=url, trust_env=False) as client:
        assert list(sent_by(client, server)) == expected


def test_async_calls_are_answered_side_by_side():
    async def main() -> ReferenceServer:
        server = ReferenceServer()
        async with (
            httpx.AsyncClient(transport=server.async_transport(), base_url=HOST) as client,
            anyio.create_task_group() as calls,
        ):
            for seed in range(20):
                request = example_request(TURBO, seed=seed)
                send = partial(client.post, request.path, headers=request.headers, content=request.body)
                calls.start_soon(send)
        return server

    assert [entry.status for entry in anyio.run(main).ledger] == [200] * 20


def serving() -> set[threading.Thread]:
    return {each for each in threading.enumerate() if "reference server" in each.name}


def test_a_server_is_gone_when_its_context_is():
    before = serving()
    with ReferenceServer().listening() as url:
        assert httpx.get(url + "/reference", trust_env=False).status_code == 200
    gc.collect()
    assert serving() <= before
    with pytest.raises(httpx.ConnectError):
        httpx.get(url + "/reference", trust_env=False)


def test_a_server_closes_while_a_client_keeps_its_connection():
    before = serving()
    with httpx.Client(trust_env=False) as client, ReferenceServer().listening() as url:
        client.get(url + "/reference")
    assert serving() <= before


def test_a_server_listens_on_the_port_that_it_is_given_once_that_is_free():
    with ReferenceServer().listening() as url:
        port = httpx.URL(url).port
        assert port is not None
        with pytest.raises(OSError, match="in use"), ReferenceServer().listening(port):
            pass
    with ReferenceServer().listening(port) as again:
        assert again == url


# --- control over the wire


@pytest.fixture(scope="module")
def listening() -> Iterator[tuple[ReferenceServer, httpx.Client]]:
    server = ReferenceServer()
    with server.listening() as url, httpx.Client(base_url=url, trust_env=False) as client:
        yield server, client


@pytest.fixture
def control(listening: tuple[ReferenceServer, httpx.Client]) -> tuple[ReferenceServer, httpx.Client]:
    listening[0].calm()
    return listening


def test_a_visitor_is_told_what_this_is(control: tuple[ReferenceServer, httpx.Client]):
    _, client = control
    told: dict[str, Any] = client.get("/reference").json()
    assert "not the live service" in told["what"]
    assert told["operations"].keys() == CONTRACT.keys()
    assert told["provocations"].keys() == PROVOCATIONS.keys()


def test_each_example_that_a_visitor_is_told_draws(control: tuple[ReferenceServer, httpx.Client]):
    _, client = control
    told: dict[str, Any] = client.get("/reference").json()["operations"]
    statuses = [
        client.post(each["path"], json=each["example"], headers={"x-api-key": MADE_UP_KEY}).status_code
        for each in told.values()
    ]
    assert set(statuses) == {200}


@pytest.mark.parametrize(
    ("asked", "statuses"),
    [
        ({"name": "status:503"}, [503, 200]),
        ({"name": "status:503", "times": 2}, [503, 503]),
        ({"name": "status:503", "times": None}, [503, 503]),
        ({"name": "status:503", "operation": "sd3_large_img2img"}, [200, 200]),
        ({"status": 418, "error": "teapot", "times": 1, "operation": None}, [418, 200]),
    ],
)
def test_a_provocation_can_be_asked_for(
    control: tuple[ReferenceServer, httpx.Client], asked: dict[str, Any], statuses: list[int]
):
    server, client = control
    assert client.post("/reference/provoke", json=asked).status_code == 204
    assert [server.answer(GOOD).status for _ in range(2)] == statuses


def test_calm_can_be_asked_for(control: tuple[ReferenceServer, httpx.Client]):
    server, client = control
    server.provoke("status:503", times=None)
    assert client.post("/reference/calm").status_code == 204
    assert server.answer(GOOD).status == 200


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (b"", "Expecting value"),
        (b"7", 'Send {"name"'),
        (b'{"nome": 1}', 'Send {"name"'),
        (b'{"name": "no-such"}', "There is no provocation"),
        (b'{"name": "empty-200", "times": "x"}', "whole number"),
        (b'{"name": "empty-200", "times": 0}', "at least once"),
        (b'{"name": "empty-200", "body": "x"}', "There is no body"),
        (b'{"name": "empty-200", "operation": 7}', "There is no operation"),
        (b'{"status": 200}', "300 to 599"),
    ],
)
def test_a_request_that_makes_no_sense_is_answered_with_a_sentence(
    control: tuple[ReferenceServer, httpx.Client], asked: bytes, words: str
):
    _, client = control
    answer = client.post("/reference/provoke", content=asked)
    assert answer.status_code == 400
    assert words in answer.json()["error"]


def test_the_ledger_can_be_read_and_shows_no_whole_picture(control: tuple[ReferenceServer, httpx.Client]):
    server, client = control
    long = ["x" * 300, {"a": "y" * 300}]
    server.answer(example_request(CONTRACT["sd3_large_img2img"], negative_prompt=long))
    read = client.get("/reference/ledger").json()[-1]
    assert (read["n"], read["operation"], read["status"]) == (server.ledger[-1].n, "sd3_large_img2img", 400)
    assert read["body"]["negative_prompt"] == [
        "x" * 200 + "… (300 characters)",
        {"a": "y" * 200 + "… (300 characters)"},
    ]


# --- the command


def test_serve_says_what_it_is_and_how_to_try_it_answers_and_ends_quietly():
    program = "from segmind_sd3_contract.reference.serve import serve; serve()"
    options = ["--port", "0", "--credits", "3", "--profile", "documented", "--provoke", "empty-200"]
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", program, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"COLUMNS": "60"},
    )
    with process:
        assert process.stdout
        told: list[str] = []
        while not told or "SEGMIND_API_KEY" not in told[-1]:
            told.append(process.stdout.readline())
        text = "".join(told)
        found = re.search(r"^  export SEGMIND_BASE_URL=(http://127\.0\.0\.1:\d+)$", text, re.MULTILINE)
        assert found
        assert text.startswith("REFERENCE server of segmind-sd3, profile documented: not live")
        assert f"  export SEGMIND_API_KEY={MADE_UP_KEY}" in text
        answer = httpx.post(found[1] + GOOD.path, content=GOOD.body, headers=GOOD.headers, trust_env=False)
        assert (answer.status_code, answer.content, answer.headers["x-remaining-credits"]) == (
            200,
            b"",
            "2.9965",
        )
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
        assert process.stderr
        assert process.stderr.read() == ""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "let_in"),
    [
        ([], {MADE_UP_KEY}),
        (["--key", OTHER_KEY], {OTHER_KEY}),
        (["--any-key"], {MADE_UP_KEY, OTHER_KEY}),
    ],
    ids=["printed", "given", "any"],
)
def test_serve_lets_in_the_key_that_it_prints_alone(options: list[str], let_in: set[str]):
    program = "from segmind_sd3_contract.reference.serve import serve; serve()"
    command = [sys.executable, "-c", program, "--port", "0", *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        url = next(found[0] for line in process.stdout if (found := re.findall(r"BASE_URL=(\S+)", line)))
        statuses = {
            key: httpx.get(url + CREDITS_PATH, headers={"x-api-key": key}, trust_env=False).status_code
            for key in (MADE_UP_KEY, OTHER_KEY)
        }
        process.terminate()

    assert {key for key, status in statuses.items() if status == 200} == let_in


def test_serve_takes_one_rule_about_keys():
    result = CliRunner().invoke(serve, ["--any-key", "--key", OTHER_KEY])
    assert (result.exit_code, "use it without --key" in result.output) == (2, True)


def test_serve_on_a_busy_port_says_so_in_one_sentence():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = CliRunner().invoke(serve, ["--port", str(taken.getsockname()[1])])
    assert result.exit_code == 1
    assert re.fullmatch(r"Error: Can't listen on 127\.0\.0\.1, port \d+: [^\n]*\.\n", result.output)


def test_serve_on_a_host_that_does_not_exist_says_so_in_one_sentence():
    result = CliRunner().invoke(serve, ["--host", "nowhere.invalid"])
    assert result.exit_code == 1
    assert result.output.count("\n") == 1


def test_serve_refuses_an_unknown_provocation_with_the_nearest():
    result = CliRunner().invoke(serve, ["--provoke", "several-images"])
    assert result.exit_code == 2
    assert "several-images:list" in result.output
