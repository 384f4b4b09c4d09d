"""The reference server's gate and its money: who is let in, what is billed, what is written down."""

import hashlib
import json
import math
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from segmind_sd3_api.parameters import OPERATIONS
from segmind_sd3_contract.reference import (
    CREDITS_PATH,
    MADE_UP_KEY,
    PROFILES,
    Operation,
    Profile,
    ReferenceServer,
    Request,
    example_request,
)

CONTRACT = {each.operation_id: each for each in ReferenceServer().operations.values()}
TURBO = CONTRACT["sd35_turbo_txt2img"]
BALANCE = Request("GET", CREDITS_PATH, {"x-api-key": MADE_UP_KEY})


def turbo(
    method: str = "POST", path: str = TURBO.path, without: Collection[str] = (), **headers: str
) -> Request:
    """Give a good turbo request with its method, address and headers changed."""
    request = example_request(TURBO)
    sent = dict(request.headers) | {name.replace("_", "-"): value for name, value in headers.items()}
    return Request(
        method, path, {name: value for name, value in sent.items() if name not in without}, request.body
    )


class Clock:
    """A clock that goes when told to."""

    now = 1_795_233_000.25

    def __call__(self) -> float:
        return self.now


def name(operation: Operation) -> str:
    return operation.operation_id


# --- the gate


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize(
    ("request_", "status", "words"),
    [
        (turbo(path="/v1/no-such-model"), 404, "Not Found"),
        (turbo(path="/v1/no-such-model", without=["x-api-key"]), 404, "Not Found"),
        (turbo(path=TURBO.path + "/"), 404, "Not Found"),
        (turbo(without=["x-api-key"]), 401, "Missing Authorization or x-api-key in header"),
        (turbo(x_api_key=""), 401, "API key is invalid"),
        (turbo(x_api_key="SG_short"), 401, "API key is invalid"),
        (turbo(x_api_key=MADE_UP_KEY + "0"), 401, "API key is invalid"),
        (turbo(without=["x-api-key"], authorization=f"Bearer {MADE_UP_KEY}"), 401, "API key is invalid"),
        (turbo(content_type="text/plain"), 406, "Invalid content type"),
        (turbo(content_type="multipart/form-data; boundary=b"), 406, "Invalid content type"),
        (turbo(without=["content-type"]), 406, "Invalid content type"),
    ],
)
def test_what_never_reaches_a_model_is_told_in_the_usual_envelope(
    profile: Profile, request_: Request, status: int, words: str
):
    answer = ReferenceServer(profile).answer(request_)
    assert answer.status == status
    assert words in json.loads(answer.body)["error"]


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "post"])
def test_another_method_is_a_405_with_a_page_of_html(profile: Profile, method: str):
    answer = ReferenceServer(profile).answer(turbo(method))
    assert (answer.status, answer.headers["content-type"], answer.headers["allow"]) == (
        405,
        "text/html",
        "POST",
    )
    assert b"<title>405 Method Not Allowed</title>" in answer.body


def test_a_content_type_may_carry_a_charset():
    assert ReferenceServer().answer(turbo(content_type="Application/JSON; charset=utf-8")).status == 200


def test_a_query_is_not_part_of_the_address():
    assert ReferenceServer().answer(turbo(path=TURBO.path + "?trace=1")).status == 200


def test_header_names_may_be_written_in_any_case():
    request = example_request(TURBO)
    shouted = {name.upper(): value for name, value in request.headers.items()}
    assert ReferenceServer().answer(Request("POST", request.path, shouted, request.body)).status == 200


def test_a_server_with_keys_lets_in_those_alone():
    server = ReferenceServer(keys=("SG_aaaaaaaaaaaaaaaa", "letmein"))
    statuses = [
        server.answer(turbo(x_api_key=key)).status for key in ("SG_aaaaaaaaaaaaaaaa", "letmein", MADE_UP_KEY)
    ]
    assert statuses == [200, 200, 401]


# --- credits


@pytest.mark.parametrize("operation", CONTRACT.values(), ids=name)
def test_a_picture_costs_what_the_price_list_says(operation: Operation):
    server = ReferenceServer(credits=1.0)
    answer = server.answer(example_request(operation))
    price = OPERATIONS[operation.operation_id].usd_per_picture
    assert price
    assert float(answer.headers["x-cost"]) == price
    assert float(answer.headers["x-remaining-credits"]) == server.credits
    assert server.credits == pytest.approx(1.0 - price, abs=1e-12)


@pytest.mark.parametrize("said", [{"base64": True}, {"base64": False}])
def test_each_picture_of_several_is_paid_for(said: dict[str, bool]):
    answer = ReferenceServer().answer(example_request(TURBO, batch_size=10, **said))
    assert float(answer.headers["x-cost"]) == 0.035


def test_prices_can_be_given():
    server = ReferenceServer(credits=3.0, prices={TURBO.slug: 1.5})
    server.answer(example_request(TURBO))
    assert server.credits == 1.5


@pytest.mark.parametrize("impossible", [-0.01, math.nan, math.inf])
def test_an_account_begins_with_credits_or_none(impossible: float):
    with pytest.raises(ValueError, match="credits"):
        ReferenceServer(credits=impossible)


def test_a_price_of_an_unknown_model_is_refused():
    with pytest.raises(ValueError, match="no-such-model"):
        ReferenceServer(prices={"no-such-model": 1.0})


def test_an_account_is_spent_to_nothing_and_no_further():
    server = ReferenceServer(credits=0.0105)
    answers = [server.answer(example_request(TURBO)) for _ in range(4)]
    assert [each.status for each in answers] == [200, 200, 200, 406]
    assert json.loads(answers[-1].body) == {"error": "Not enough credits"}
    assert server.credits == 0


def test_many_threads_spend_exactly_what_they_draw():
    server = ReferenceServer(credits=0.07)
    requests = [example_request(TURBO, seed=seed) for seed in range(40)]
    with ThreadPoolExecutor(8) as pool:
        statuses = [answer.status for answer in pool.map(server.answer, requests)]
    assert sorted(statuses) == [200] * 20 + [406] * 20
    assert server.credits == 0
    assert sorted(entry.n for entry in server.ledger) == list(range(1, 41))


def test_a_question_for_the_balance_is_answered_and_costs_nothing():
    server = ReferenceServer(credits=2.5)
    answer = server.answer(BALANCE)
    assert (answer.status, json.loads(answer.body)) == (200, {"credits": 2.5, "free-credits": 0.0})
    assert server.credits == 2.5


@pytest.mark.parametrize(
    ("request_", "status"),
    [(Request("POST", CREDITS_PATH, BALANCE.headers), 405), (Request("GET", CREDITS_PATH), 401)],
)
def test_the_balance_is_for_a_get_with_a_key(request_: Request, status: int):
    assert ReferenceServer().answer(request_).status == status


@pytest.mark.parametrize(
    "request_",
    [
        turbo("GET"),
        turbo(path="/v1/nowhere"),
        turbo(without=["x-api-key"]),
        turbo(content_type="text/plain"),
        example_request(TURBO, steps=0),
        BALANCE,
    ],
)
def test_nothing_but_a_picture_is_billed(request_: Request):
    server = ReferenceServer(credits=1.0)
    answer = server.answer(request_)
    assert (server.credits, server.ledger[-1].cost, "x-cost" in answer.headers) == (1.0, 0.0, False)


# --- what every reply carries

names = st.sampled_from(sorted({name for each in CONTRACT.values() for name in each.properties} | {"other"}))
scraps = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.lists(st.none())
bodies = st.binary(max_size=40) | st.dictionaries(names, scraps).map(lambda each: json.dumps(each).encode())
requests = st.builds(
    Request,
    method=st.sampled_from(["POST", "POST", "POST", "GET", "PUT"]),
    path=st.sampled_from([*(each.path for each in CONTRACT.values()), CREDITS_PATH]) | st.text(max_size=20),
    headers=st.fixed_dictionaries(
        {},
        optional={
            "x-api-key": st.sampled_from([MADE_UP_KEY, MADE_UP_KEY, "wrong"]),
            "content-type": st.sampled_from(["application/json", "application/json", "text/plain"]),
        },
    ),
    body=bodies | st.sampled_from([example_request(each).body for each in CONTRACT.values()]),
)


@settings(deadline=None, max_examples=150)
@given(request=requests, profile=st.sampled_from(PROFILES), credits_left=st.sampled_from([0.0, 10.0]))
def test_every_reply_tells_the_balance_the_request_and_that_it_is_a_reference(
    request: Request, profile: Profile, credits_left: float
):
    server = ReferenceServer(profile, credits=credits_left)
    answer = server.answer(request)
    assert float(answer.headers["x-remaining-credits"]) == server.credits
    assert answer.headers["x-request-id"] == server.ledger[-1].request_id
    assert answer.headers["x-reference-server"] == "segmind-sd3"


@settings(deadline=None, max_examples=50)
@given(request=requests)
def test_only_a_200_is_billed(request: Request):
    server = ReferenceServer()
    answer = server.answer(request)
    assert (server.credits < 10.0) == (answer.status == 200 and request.method == "POST")


@pytest.mark.parametrize("operation", CONTRACT.values(), ids=name)
def test_a_picture_comes_with_its_cost_time_and_seed(operation: Operation):
    headers = ReferenceServer().answer(example_request(operation)).headers
    numbers = [float(headers[each]) for each in ("x-cost", "x-generation-time", "x-seed-value")]
    assert all(math.isfinite(each) and each >= 0 for each in numbers)


def test_request_ids_differ_and_follow_from_the_servers_seed():
    def ids(seed: int) -> list[str]:
        server = ReferenceServer(seed=seed)
        return [server.answer(BALANCE).headers["x-request-id"] for _ in range(3)]

    assert ids(1) == ids(1)
    assert len({*ids(1), *ids(2)}) == 6


# --- the ledger


def test_the_ledger_says_what_came_and_what_it_cost():
    server = ReferenceServer(clock=Clock())
    request = example_request(TURBO, seed=7)
    answer = server.answer(request)
    entry = server.ledger[-1]
    assert (entry.n, entry.time, entry.method, entry.path, entry.operation) == (
        1,
        Clock.now,
        "POST",
        TURBO.path,
        "sd35_turbo_txt2img",
    )
    assert entry.body == json.loads(request.body)
    assert entry.digest == hashlib.sha256(request.body).hexdigest()
    assert (entry.status, entry.cost, entry.balance) == (200, 0.0035, 9.9965)
    assert entry.request_id == answer.headers["x-request-id"]


def test_the_ledger_has_every_call_and_forgets_the_oldest_in_the_end():
    server = ReferenceServer()
    for _ in range(1005):
        server.answer(BALANCE)
    assert [entry.n for entry in server.ledger] == list(range(6, 1006))


def test_the_ledger_tells_keys_apart_and_holds_none():
    server = ReferenceServer()
    other = "SG_" + "f" * 16
    for key in (MADE_UP_KEY, MADE_UP_KEY, other):
        server.answer(turbo(x_api_key=key))
    first, same, another = server.ledger
    assert first.key == same.key != another.key
    assert MADE_UP_KEY not in repr(server.ledger) + repr(turbo()) + repr(vars(server))


def test_a_ledger_entry_without_key_endpoint_or_json_says_so():
    server = ReferenceServer()
    server.answer(Request("GET", "/v1/nowhere", {}, b"{"))
    entry = server.ledger[-1]
    assert (entry.key, entry.operation, entry.body, entry.status) == (None, None, None, 404)


# --- the rate limit


def test_more_calls_than_the_limit_in_a_minute_are_a_429_that_is_not_billed():
    server = ReferenceServer(rate_limit=2, clock=Clock())
    statuses = [server.answer(example_request(TURBO)).status for _ in range(4)]
    assert statuses == [200, 200, 429, 429]
    assert server.credits == pytest.approx(10 - 2 * 0.0035)


def test_a_429_says_when_the_window_resets_and_has_no_retry_after():
    server = ReferenceServer(rate_limit=1, clock=Clock())
    server.answer(example_request(TURBO))
    headers = server.answer(example_request(TURBO)).headers
    assert headers["x-rate-limit-reset-at-utc"] == "2026-11-21T03:51:01Z"
    assert headers["date"] == "Sat, 21 Nov 2026 03:50:00 GMT"
    assert "retry-after" not in headers


def test_the_next_window_lets_calls_through_again():
    clock = Clock()
    server = ReferenceServer(rate_limit=1, clock=clock)
    statuses: list[int] = []
    for later in (0, 59.9, 0.2):
        clock.now += later
        statuses.append(server.answer(example_request(TURBO)).status)
    assert statuses == [200, 429, 200]


def test_neither_a_bad_key_nor_a_question_for_the_balance_counts_against_the_limit():
    server = ReferenceServer(rate_limit=1, clock=Clock())
    requests = [turbo(x_api_key="wrong"), BALANCE, BALANCE, turbo()]
    assert [server.answer(each).status for each in requests] == [401, 200, 200, 200]
