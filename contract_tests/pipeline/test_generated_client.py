"""The generated client alone: its functions draw, and its guide says what they do."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import anyio
import httpx
import PIL.Image
import pytest
from proofs.fixtures.sockets import answering, hanging_up, refusing, reply, serving
from segmind_sd3_api.calls import CALLS
from segmind_sd3_api.client import AuthenticatedClient
from segmind_sd3_api.errors import UnexpectedStatus
from segmind_sd3_contract.reference import MADE_UP_KEY, ReferenceServer, example_request

if TYPE_CHECKING:
    from collections.abc import Iterator

    from segmind_sd3_api.types import File, Response

pytestmark = pytest.mark.slow

Driver = Literal["sync", "asyncio", "trio"]

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "generated-client.md").read_text("utf-8")
EXAMPLE = ROOT / "examples" / "generated_client.py"

each_operation = pytest.mark.parametrize("operation", CALLS)
each_driver = pytest.mark.parametrize("driver", ["sync", "asyncio", "trio"])


@pytest.fixture
def server() -> ReferenceServer:
    return ReferenceServer()


@pytest.fixture
def url(server: ReferenceServer) -> Iterator[str]:
    with server.listening() as url:
        yield url


def client_of(url: str, **options: Any) -> AuthenticatedClient:
    """Make a client as the guide has it."""
    return AuthenticatedClient(
        base_url=url, token=MADE_UP_KEY, auth_header_name="x-api-key", prefix="", **options
    )


def call(url: str, operation: str, driver: Driver = "sync", *, values: Any = None, **options: Any) -> Any:
    """Call an endpoint with the least body that is good, and values over it."""
    (endpoint,) = (each for each in ReferenceServer().operations.values() if each.operation_id == operation)
    body = CALLS[operation].body(json.loads(example_request(endpoint, **(values or {})).body))
    client = client_of(url, **options)

    async def awaited() -> Response[File]:
        async with client:
            return await CALLS[operation].asyncio(client=client, body=body)

    if driver != "sync":
        return anyio.run(awaited, backend=driver)
    with client:
        return CALLS[operation].sync(client=client, body=body)


# -- What is drawn ----------------------------------------------------------------------------------------


@each_driver
@each_operation
def test_every_function_draws_a_picture(operation: str, driver: Driver, server: ReferenceServer, url: str):
    came = call(url, operation, driver, values={"base64": False})

    assert came.status_code == 200
    with PIL.Image.open(came.parsed.payload) as picture:
        assert picture.format == "JPEG"
    assert [(entry.operation, entry.status) for entry in server.ledger] == [(operation, 200)]


@each_driver
@each_operation
def test_every_function_draws_a_picture_as_json(
    operation: str, driver: Driver, server: ReferenceServer, url: str
):
    came = call(url, operation, driver, values={"base64": True})

    assert came.parsed.payload.read() == came.content
    data = base64.b64decode(json.loads(came.content)["image"])
    with PIL.Image.open(BytesIO(data)) as picture:
        assert picture.format == "JPEG"
    assert float(came.headers["x-cost"]) == server.ledger[-1].cost > 0


@each_driver
def test_the_key_goes_in_its_own_header_without_a_prefix(driver: Driver):
    with serving(answering(reply(401))) as peer:
        call(peer.url, "sd35_turbo_txt2img", driver)

    (request,) = peer.requests
    assert request.headers["x-api-key"] == MADE_UP_KEY
    assert "authorization" not in request.headers


@each_driver
def test_the_server_knows_the_key(driver: Driver, server: ReferenceServer, url: str):
    call(url, "sd35_turbo_txt2img", driver)

    assert server.ledger[-1].key == sha256(MADE_UP_KEY.encode()).hexdigest()[:12]


def test_a_parameter_that_no_page_knows_is_sent(server: ReferenceServer, url: str):
    call(url, "sd35_turbo_txt2img", values={"lora": "pixel"})

    assert server.ledger[-1].body["lora"] == "pixel"


def test_the_short_functions_return_what_is_parsed_alone(url: str):
    from segmind_sd3_api.api.images import sd35_turbo_txt2img as endpoint  # noqa: PLC0415 - as the guide has it
    from segmind_sd3_api.models import Sd35TurboTxt2Img  # noqa: PLC0415

    body = Sd35TurboTxt2Img(prompt="a lighthouse", sampler="dpmpp_2m", scheduler="sgm_uniform", base64=False)
    client = client_of(url)

    async def awaited() -> File | None:
        async with client:
            return await endpoint.asyncio(client=client, body=body)

    with client:
        drawn = endpoint.sync(client=client, body=body)
    drawn_async = anyio.run(awaited)

    assert drawn is not None
    assert drawn_async is not None
    assert drawn.payload.read() == drawn_async.payload.read() != b""


# -- Errors -----------------------------------------------------------------------------------------------

STATUSES = [302, 401, 429, 503]  # the client has no rule for any of them


@each_driver
@pytest.mark.parametrize("status", STATUSES)
def test_of_another_status_nothing_is_parsed_and_the_text_is_kept(
    status: int, driver: Driver, server: ReferenceServer, url: str
):
    server.fail_next(status, "no such thing")

    came = call(url, "sd35_turbo_txt2img", driver)

    assert (came.status_code, came.parsed) == (status, None)
    assert came.content == b'{"error": "no such thing"}'


@each_driver
@pytest.mark.parametrize("status", STATUSES)
def test_another_status_is_raised_for_whoever_asks_for_that(
    status: int, driver: Driver, server: ReferenceServer, url: str
):
    server.fail_next(status, "no such thing")

    with pytest.raises(UnexpectedStatus) as caught:
        call(url, "sd35_turbo_txt2img", driver, raise_on_unexpected_status=True)

    assert caught.value.status_code == status
    assert caught.value.content == b'{"error": "no such thing"}'


@each_driver
@pytest.mark.parametrize("raises", [True, False])
def test_a_status_that_python_has_no_name_for_is_a_value_error(
    raises: bool,  # noqa: FBT001 - a parameter of the test
    driver: Driver,
    server: ReferenceServer,
    url: str,
):
    server.fail_next(520)

    with pytest.raises(ValueError, match="520 is not a valid HTTPStatus"):
        call(url, "sd35_turbo_txt2img", driver, raise_on_unexpected_status=raises)


@each_driver
def test_an_error_under_a_200_is_parsed_as_if_it_were_a_picture(
    driver: Driver, server: ReferenceServer, url: str
):
    server.provoke("error-in-200")

    came = call(url, "sd35_turbo_txt2img", driver)

    assert "error" in json.loads(came.parsed.payload.read())


@each_driver
def test_without_a_reply_httpx_raises(driver: Driver):
    with refusing() as url, pytest.raises(httpx.ConnectError):
        call(url, "sd35_turbo_txt2img", driver)
    with serving(hanging_up()) as peer, pytest.raises(httpx.TransportError):
        call(peer.url, "sd35_turbo_txt2img", driver)


# -- What it does not do ----------------------------------------------------------------------------------


@each_driver
@pytest.mark.parametrize("status", [429, 503])
def test_nothing_is_sent_twice(status: int, driver: Driver, server: ReferenceServer, url: str):
    server.fail_next(status)

    call(url, "sd35_turbo_txt2img", driver)

    assert [entry.status for entry in server.ledger] == [status]


@each_driver
def test_the_same_call_twice_is_two_bills(driver: Driver, server: ReferenceServer, url: str):
    for _ in range(2):
        call(url, "sd35_turbo_txt2img", driver)

    assert server.credits == pytest.approx(10 - 2 * server.ledger[0].cost)


@each_driver
def test_a_redirect_is_not_followed_and_the_key_stays(driver: Driver):
    with serving(answering(reply(200))) as other:
        with serving(answering(reply(307, location=other.url))) as peer:
            assert call(peer.url, "sd35_turbo_txt2img", driver).status_code == 307
        assert other.requests == []


@pytest.mark.parametrize("values", [{"steps": 4}, {"steps": "ten"}, {"guidance_scale": 99}], ids=str)
def test_no_bound_and_no_type_is_checked(values: dict[str, Any], server: ReferenceServer, url: str):
    call(url, "sd35_turbo_txt2img", values=values)

    assert server.ledger[-1].body.items() >= values.items()


def test_it_imports_nothing_of_ours():
    code = """
import pkgutil, sys
import segmind_sd3_api
for module in pkgutil.walk_packages(segmind_sd3_api.__path__, "segmind_sd3_api."):
    __import__(module.name)
print(*sorted({name.partition(".")[0] for name in sys.modules if name.startswith("segmind")}))
"""
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert loaded.split() == ["segmind_sd3_api"]


# -- The guide and the example ----------------------------------------------------------------------------


def run(folder: Path, *arguments: str | Path, **variables: str) -> str:
    environment = {**os.environ, "SEGMIND_API_KEY": MADE_UP_KEY, **variables}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_code_of_the_guide_runs_from_its_first_line_to_its_last(
    tmp_path: Path, server: ReferenceServer, url: str
):
    blocks = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
    program = "\n".join(blocks)
    assert program.count("https://api.segmind.com") == 1

    printed = run(tmp_path, "-c", program.replace("https://api.segmind.com", url)).splitlines()

    assert [entry.status for entry in server.ledger] == [200, 200, 200, 400]
    assert (tmp_path / "panda.jpg").read_bytes().startswith(b"\xff\xd8\xff")
    assert (tmp_path / "panda-again.jpg").read_bytes().startswith(b"\xff\xd8\xff")
    assert printed[1:] == ["200", printed[2]]
    assert printed[2].startswith('400 {"error": ')


def test_every_name_of_the_guide_exists():
    modules = set(re.findall(r"`(sd3\w+)`", GUIDE))

    assert modules == set(CALLS) - {"sd35_turbo_txt2img"}


def test_the_example_says_what_the_service_refused(tmp_path: Path, server: ReferenceServer, url: str):
    server.fail_next(402, "Insufficient credits")

    with pytest.raises(AssertionError, match=r"HTTP 402: .*Insufficient credits"):
        run(tmp_path, EXAMPLE, SEGMIND_BASE_URL=url)
