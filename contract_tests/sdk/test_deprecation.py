"""An endpoint that its spec marks as deprecated: each call of it warns, once, at the caller's line."""

import asyncio
from dataclasses import replace

import pytest
from segmind_sd3 import AsyncClient, Client
from segmind_sd3_api.parameters import OPERATIONS
from segmind_sd3_contract.reference import MADE_UP_KEY, ReferenceServer

TURBO = "sd35_turbo_txt2img"


@pytest.fixture
def deprecated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(OPERATIONS, TURBO, replace(OPERATIONS[TURBO], deprecated=True))  # pyright: ignore[reportArgumentType] - a dict, which the module shows as a Mapping


@pytest.mark.usefixtures("deprecated")
def test_a_call_of_a_deprecated_endpoint_warns_at_the_callers_line():
    with Client(MADE_UP_KEY, transport=ReferenceServer().transport()) as client:
        with pytest.warns(DeprecationWarning, match=f"{TURBO} is deprecated.*stable-diffusion-3.5") as told:
            assert client.sd35_turbo_txt2img(prompt="a panda").images
        with pytest.warns(DeprecationWarning, match=TURBO) as prepared:
            client.prepare(TURBO, prompt="a panda")

    assert [each.filename for each in (*told, *prepared)] == [__file__, __file__]


@pytest.mark.usefixtures("deprecated")
def test_an_awaited_call_warns_likewise():
    async def draw() -> None:
        async with AsyncClient(MADE_UP_KEY, transport=ReferenceServer().async_transport()) as client:
            await client.sd35_turbo_txt2img(prompt="a panda")
            await client.prepare(TURBO, prompt="a panda")

    with pytest.warns(DeprecationWarning, match=TURBO) as told:
        asyncio.run(draw())

    assert [each.filename for each in told] == [__file__, __file__]


@pytest.mark.usefixtures("deprecated")
def test_sending_what_was_prepared_does_not_warn_again():
    with Client(MADE_UP_KEY, transport=ReferenceServer().transport()) as client:
        with pytest.warns(DeprecationWarning, match=TURBO):
            prepared = client.prepare(TURBO, prompt="a panda")

        assert client.send(prepared).images
