"""A budget bounds what a client and its copies spend: by the server's ledger, not by the client's word."""

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal
from itertools import cycle, repeat
from typing import Any
from unittest.mock import Mock

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from segmind_sd3 import AsyncClient, BudgetExceeded, Client, InvalidRequest, Retry, SegmindError
from segmind_sd3._budget import worst_price
from segmind_sd3_api.parameters import OPERATIONS, Operation
from segmind_sd3_contract.reference import MADE_UP_KEY, ReferenceServer

TURBO, MEDIUM = OPERATIONS["sd35_turbo_txt2img"], OPERATIONS["sd3_medium_txt2img"]
ONE: dict[str, Any] = {"prompt": "a lighthouse", "img_width": 512, "img_height": 512, "seed": 1}
PRICE = Decimal("0.041")
FAULTS = (
    *("status:402", "no-retry-after:past", "garbage", "no-header:x-cost", "odd-header:x-cost:plenty"),
    *("status:503", "gateway-html:504", "billed:400:picture-cost-0", "hang-up"),
)


def billed(server: ReferenceServer) -> Decimal:
    return sum((Decimal(str(entry.cost)) for entry in server.ledger), Decimal(0))


def client_of(server: ReferenceServer, budget: float | None, retry: Retry = Retry(attempts=1)) -> Client:  # noqa: B008 - frozen
    return Client(MADE_UP_KEY, transport=server.transport(), budget=budget, retry=retry)


# -- The worst price of a call ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operation", "values", "times"),
    [
        (MEDIUM, {}, 1),
        (MEDIUM, {"samples": 3}, 3),
        (MEDIUM, {"img_width": 512, "img_height": 512}, 1),
        (MEDIUM, {"samples": True, "img_width": "wide"}, 1),
        (TURBO, {"steps": 4}, 1),
        (TURBO, {"steps": 10}, Decimal("2.5")),
        (TURBO, {"batch_size": 2, "steps": 40}, 20),
    ],
    ids=str,
)
def test_the_worst_price_is_the_known_price_times_pictures_steps_and_pixels(
    operation: Operation, values: dict[str, Any], times: int | Decimal
):
    assert worst_price(operation, values) == Decimal(str(operation.usd_per_picture)) * times


def test_an_endpoint_whose_price_is_not_known_has_no_worst_price():
    assert worst_price(replace(TURBO, usd_per_picture=None), {}) is None


# -- Before a call is sent --------------------------------------------------------------------------------


@pytest.mark.parametrize("wrong", [-1, "5", float("nan"), float("inf"), True, 10**10])
def test_a_budget_is_an_amount_of_usd(wrong: Any):
    with pytest.raises(InvalidRequest, match=r"budget was .*; allowed is a number of USD from 0"):
        Client(MADE_UP_KEY, budget=wrong)


def test_a_call_that_the_budget_does_not_cover_is_not_sent(server: ReferenceServer):
    with client_of(server, 0.04) as client, pytest.raises(BudgetExceeded) as caught:
        client.sd3_medium_txt2img(**ONE)
    assert (caught.value.billed, server.ledger) == (False, ())


def test_the_error_says_what_is_spent_what_is_reserved_and_what_the_call_may_cost(server: ReferenceServer):
    server.provoke("garbage")
    server.provoke("status:503")
    with client_of(server, 0.1) as client:
        for _ in range(2):
            with pytest.raises(SegmindError):
                client.sd3_medium_txt2img(**ONE)
        with pytest.raises(
            BudgetExceeded, match=r"is \$0.1, .* \$0.041 is spent and \$0.041 reserved .* \$0.041"
        ):
            client.sd3_medium_txt2img(**ONE)


def test_an_endpoint_without_a_known_price_is_not_called_under_a_budget(
    server: ReferenceServer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("segmind_sd3._budget.worst_price", Mock(return_value=None))
    with (
        client_of(server, 1) as client,
        pytest.raises(BudgetExceeded, match="no price of sd3_medium_txt2img"),
    ):
        client.sd3_medium_txt2img(**ONE)


def test_copies_share_the_budget(server: ReferenceServer):
    with client_of(server, 0.05) as client:
        client.with_options(timeout=5).sd3_medium_txt2img(**ONE)
        with pytest.raises(BudgetExceeded):
            client.sd3_medium_txt2img(**ONE)


# -- What a sending came to -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "spent"),
    [
        (None, 0.041),
        ("no-header:x-cost", 0.041),
        ("odd-header:x-cost:nan", 0.041),
        ("garbage", 0.041),
        ("billed:400:picture-cost-0", 0.041),
        ("status:402", 0),
        ("status:503", 0),
    ],
)
@pytest.mark.parametrize("budget", [None, 1])
def test_spent_is_what_was_certainly_billed(
    server: ReferenceServer, fault: str | None, spent: float, budget: float | None
):
    if fault:
        server.provoke(fault)
    with client_of(server, budget) as client:
        _end(client)
        assert client.spent == spent


def test_the_cost_that_a_reply_names_takes_the_place_of_the_worst_price(server: ReferenceServer):
    with Client(MADE_UP_KEY, transport=server.transport(), budget=0.01) as client:
        client.sd35_turbo_txt2img(prompt="a lighthouse")  # 0.00875 at the worst
        assert client.spent == 0.0035


def test_what_may_have_been_billed_stays_reserved(server: ReferenceServer):
    server.provoke("status:503")
    with client_of(server, 0.05) as client:
        with pytest.raises(SegmindError):
            client.sd3_medium_txt2img(**ONE)
        with pytest.raises(BudgetExceeded):
            client.sd3_medium_txt2img(**ONE)


def test_what_was_not_billed_is_free_again(server: ReferenceServer):
    server.provoke("status:402")
    with client_of(server, 0.05) as client:
        with pytest.raises(SegmindError):
            client.sd3_medium_txt2img(**ONE)
        client.sd3_medium_txt2img(**ONE)


def test_each_try_of_one_call_is_reserved_and_the_last_that_was_sent_is_the_outcome(server: ReferenceServer):
    server.provoke("status:503", times=None)
    retry = Retry(attempts=9, backoff=0, unknown=True)
    with client_of(server, 0.1, retry) as client, pytest.raises(SegmindError) as caught:
        client.sd3_medium_txt2img(**ONE)
    assert (caught.value.billed, len(server.ledger)) == (None, 2)


# -- Many at once -----------------------------------------------------------------------------------------


@pytest.fixture
def faulty() -> ReferenceServer:
    server = ReferenceServer(credits=100)
    for name, _ in zip(cycle((*FAULTS, None, None)), range(160), strict=False):
        if name:
            server.provoke(name)
    return server


def test_64_threads_never_spend_more_than_the_budget(faulty: ReferenceServer):
    with client_of(faulty, 2) as client, ThreadPoolExecutor(64) as pool:
        ends = list(pool.map(_end, repeat(client, 300)))
        assert BudgetExceeded in ends
        assert Decimal(str(client.spent)) <= billed(faulty) <= 2


@pytest.mark.anyio
async def test_64_tasks_never_spend_more_than_the_budget(faulty: ReferenceServer):
    ends: list[type] = []
    async with AsyncClient(
        MADE_UP_KEY, transport=faulty.async_transport(), budget=2, retry=Retry(attempts=1)
    ) as client:

        async def worker() -> None:
            for _ in range(5):
                try:
                    await client.sd3_medium_txt2img(**ONE)
                except SegmindError as error:
                    ends.append(type(error))

        async with anyio.create_task_group() as tasks:
            for _ in range(64):
                tasks.start_soon(worker)
        assert BudgetExceeded in ends
        assert Decimal(str(client.spent)) <= billed(faulty) <= 2


def _end(client: Client) -> type:
    try:
        return type(client.sd3_medium_txt2img(**ONE))
    except SegmindError as error:
        return type(error)


@given(st.lists(st.sampled_from([None, *FAULTS]), max_size=12), st.integers(0, 300))
def test_whatever_goes_wrong_the_ledger_stays_within_the_budget(faults: list[str | None], thousandths: int):
    server = ReferenceServer(credits=100)
    for fault in filter(None, faults):
        server.provoke(fault)
    with client_of(server, thousandths / 1000) as client:
        for _ in range(len(faults) + 4):
            _end(client)
    assert billed(server) <= Decimal(thousandths) / 1000


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_a_forked_process_can_spend_while_a_thread_of_its_parent_did(server: ReferenceServer):
    with client_of(server, 1) as client:
        spending = client._settings.spending  # pyright: ignore[reportPrivateUsage]
        held, done = threading.Event(), threading.Event()

        def hold() -> None:
            with spending._lock:  # pyright: ignore[reportPrivateUsage]
                held.set()
                done.wait(30)

        thread = threading.Thread(target=hold)
        thread.start()
        held.wait(30)
        child = os.fork()
        if child == 0:
            code = 1
            try:
                _in_child(client.sd3_medium_txt2img)
                code = 0
            finally:
                os._exit(code)
        done.set()
        thread.join()
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def _in_child(draw: Callable[..., object]) -> None:
    draw(**ONE)
