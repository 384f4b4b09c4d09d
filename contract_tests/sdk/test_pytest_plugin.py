"""The fixtures for those who use the SDK: each claim is a test of theirs, run by a pytest of its own."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from segmind_sd3._settings import BASE_URL
from segmind_sd3_contract.reference import MADE_UP_KEY

pytest_plugins = ["pytester"]

CONFTEST = 'pytest_plugins = ["segmind_sd3_contract.pytest_plugin"]\n'
GUIDE = (Path(__file__).parents[2] / "docs/guides/testing.md").read_text("utf-8")

Passed = Callable[..., int]


@pytest.fixture
def passed(pytester: pytest.Pytester) -> Passed:
    """Run a test file beside that conftest, and give how many tests passed; any other outcome fails."""

    def run(source: str, conftest: str = CONFTEST) -> int:
        pytester.makeconftest(conftest)
        pytester.makepyfile(source)
        # Not the order and no cache of this run; and what would warn a user is an error.
        options = (
            "-p",
            "no:randomly",
            "-p",
            "no:cacheprovider",
            "-p",
            "no:xdist",
            "--strict-markers",
            "-Werror",
        )
        outcomes = pytester.runpytest_inprocess(*options).parseoutcomes()
        assert outcomes.keys() == {"passed"}, outcomes
        return outcomes["passed"]

    return run


def test_a_client_draws_by_a_server_that_tells_what_was_asked_and_billed(passed: Passed):
    source = """
        def test_it(segmind_server, segmind_client):
            drawn = segmind_client.sd35_turbo_txt2img(prompt="a panda", width=64, height=64)

            (call,) = segmind_server.ledger
            assert (call.status, call.body["prompt"], call.cost) == (200, "a panda", drawn.cost)
            assert segmind_server.credits == drawn.credits_remaining
    """
    assert passed(source) == 1


def test_the_next_replies_can_be_made_to_go_wrong(passed: Passed):
    source = """
        import pytest
        from segmind_sd3 import RequestRefused, UnusableReply

        def test_it(segmind_server, segmind_client):
            segmind_server.provoke("error-in-200")
            with pytest.raises(UnusableReply):
                segmind_client.sd35_turbo_txt2img(prompt="a panda", width=64, height=64)
            segmind_server.fail_next(422, "no such sampler")
            with pytest.raises(RequestRefused, match="no such sampler"):
                segmind_client.sd35_turbo_txt2img(prompt="a panda", width=64, height=64)
            segmind_client.sd35_turbo_txt2img(prompt="a panda", width=64, height=64)
    """
    assert passed(source) == 1


def test_each_test_has_a_server_of_its_own(passed: Passed):
    source = """
        import pytest

        @pytest.mark.parametrize("time", [1, 2])
        def test_it(time, segmind_server, segmind_client):
            segmind_client.sd35_turbo_txt2img(prompt="a panda", width=64, height=64)
            assert len(segmind_server.ledger) == 1
    """
    assert passed(source) == 2


def test_a_marker_sets_the_options_of_the_server_and_the_nearest_one_counts(passed: Passed):
    source = """
        import pytest

        pytestmark = pytest.mark.segmind_server(credits=1, profile="documented")

        def test_of_the_module(segmind_server):
            assert (segmind_server.credits, segmind_server.profile) == (1, "documented")

        @pytest.mark.segmind_server(credits=0)
        def test_of_its_own(segmind_server):
            assert (segmind_server.credits, segmind_server.profile) == (0, "documented")
    """
    assert passed(source) == 2


def test_the_async_client_draws_on_asyncio_and_trio_and_in_runs_of_its_own(passed: Passed):
    source = """
        import asyncio
        import pytest

        async def draw(client):
            return await client.sd35_turbo_txt2img(prompt="a panda", width=64, height=64)

        @pytest.mark.anyio
        async def test_by_the_plugin_of_anyio(anyio_backend, segmind_server, segmind_async_client):
            await draw(segmind_async_client)
            assert len(segmind_server.ledger) == 1

        def test_in_two_runs(segmind_server, segmind_async_client):
            first, second = (asyncio.run(draw(segmind_async_client)) for _ in range(2))
            assert len(segmind_server.ledger) == 2

        @pytest.mark.anyio
        async def test_entered_and_closed_by_the_test(anyio_backend, segmind_async_client):
            async with segmind_async_client as client:
                await draw(client)
    """
    assert passed(source) == 5


def test_both_clients_of_a_test_call_the_same_server(passed: Passed):
    source = """
        import asyncio

        def test_it(segmind_server, segmind_client, segmind_async_client):
            segmind_client.sd35_turbo_txt2img(prompt="a panda", width=64, height=64)
            asyncio.run(segmind_async_client.sd35_turbo_txt2img(prompt="a panda", width=64, height=64))
            assert len(segmind_server.ledger) == 2
    """
    assert passed(source) == 1


def test_what_the_environment_names_is_no_matter_to_the_clients(
    passed: Passed, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("SEGMIND_BASE_URL", "no URL at all")
    monkeypatch.setenv("SEGMIND_API_KEY", "SG_feedfacefeedface")
    source = """
        def test_it(segmind_client, segmind_async_client):
            segmind_client.sd35_turbo_txt2img(prompt="a panda", width=64, height=64)
            assert "feedface" not in repr((segmind_client, segmind_async_client))
    """
    assert passed(source) == 1


def test_code_that_makes_its_own_clients_reaches_the_server_on_a_socket(passed: Passed):
    source = """
        import asyncio
        from segmind_sd3 import AsyncClient, Client

        def test_it(segmind_server, segmind_env):
            with Client() as client:
                client.sd35_turbo_txt2img(prompt="a panda", width=64, height=64)
            assert segmind_env.startswith("http://127.0.0.1:")

            async def draw():
                async with AsyncClient() as client:
                    await client.sd35_turbo_txt2img(prompt="a panda", width=64, height=64)

            asyncio.run(draw())
            assert len(segmind_server.ledger) == 2
    """
    assert passed(source) == 1


def test_the_environment_is_given_back_and_the_socket_closed(passed: Passed, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SEGMIND_BASE_URL", BASE_URL)
    monkeypatch.delenv("SEGMIND_API_KEY", raising=False)
    source = f"""
        import os
        import httpx
        import pytest

        seen = []

        def test_first(segmind_env):
            seen.append(segmind_env)
            told = os.environ["SEGMIND_BASE_URL"], os.environ["SEGMIND_API_KEY"]
            assert told == (segmind_env, "{MADE_UP_KEY}")

        def test_then():
            assert os.environ["SEGMIND_BASE_URL"] == "{BASE_URL}"
            assert "SEGMIND_API_KEY" not in os.environ
            with pytest.raises(httpx.ConnectError):
                httpx.get(seen[0])
    """
    assert passed(source) == 2


def test_what_the_guide_shows_passes(passed: Passed):
    section = GUIDE.partition("## Fixtures for pytest\n")[2].partition("\n## ")[0]
    conftest, tests = re.findall(r"```python [^\n]*\n(.*?)```", section, re.DOTALL)

    assert passed(tests, conftest) == tests.count("def test_")
