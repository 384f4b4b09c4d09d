"""Every bound on both sides of the wire: the SDK refuses unsent what a server refuses when it is sent.

The cases are read from the documents as the oracle reads them, not from the table that the SDK checks by.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from segmind_sd3 import Client, InvalidRequest
from segmind_sd3_api.calls import CALLS
from segmind_sd3_api.client import AuthenticatedClient
from segmind_sd3_contract import oracle
from segmind_sd3_contract.reference import MADE_UP_KEY, PROFILES, Profile, ReferenceServer, example_request

REFUSED = {"documented": 406, "observed": 400}
SERVERS = {profile: ReferenceServer(profile, credits=10_000.0) for profile in PROFILES}
ENDPOINTS = {each.operation_id: each for each in SERVERS["documented"].operations.values()}

Least = Callable[..., dict[str, Any]]

each_profile = pytest.mark.parametrize("profile", PROFILES)
each_endpoint = pytest.mark.parametrize("operation", ENDPOINTS)


@dataclass(frozen=True)
class Case:
    """A value at, or a step beside, a bound. `place` says where: `min-1`, `max`, `between` two multiples."""

    operation: str
    name: str
    place: str
    value: float
    allowed: bool

    def __str__(self) -> str:
        return f"{self.operation}::{self.name}::{self.place}"


def cases(*places: str, profiles: tuple[Profile, ...] = PROFILES) -> list[Any]:
    """Give what profiles and their cases at some places make: the bounds that were observed are others."""
    return [
        pytest.param(profile, case, id=f"{profile}-{case}")
        for profile in profiles
        for operation in ENDPOINTS
        for name, held in oracle.request_schema(profile, operation)["properties"].items()
        for case in beside(operation, name, held)
        if case.place in places
    ]


def beside(operation: str, name: str, held: dict[str, Any]) -> Iterator[Case]:
    def case(place: str, value: float, *, allowed: bool) -> Case:
        # Rounded, since 0.1 - 0.01 is not 0.09 in binary.
        return Case(operation, name, place, round(value, 2), allowed)

    step = held.get("multipleOf", 1 if held["type"] == "integer" else 0.01)
    for bound, inwards in (("min", 1), ("max", -1)):
        edge: Any = held.get(f"{bound}imum")
        if edge is None:
            continue
        yield case(bound, edge, allowed=True)
        yield case(f"{bound}{inwards:+}", edge + inwards * step, allowed=True)
        yield case(f"{bound}{-inwards:+}", edge - inwards * step, allowed=False)
        if "multipleOf" in held:
            yield case(f"between, by {bound}", edge + inwards, allowed=False)


AT = ("min", "max")
INSIDE = ("min+1", "max-1")
OUTSIDE = ("min-1", "max+1")
BETWEEN = ("between, by min", "between, by max")


def test_each_bound_of_the_pages_is_tried_from_both_sides():
    documented = [
        each
        for operation in ENDPOINTS
        for each in oracle.request_schema("documented", operation)["properties"].values()
    ]
    bounds = sum(("minimum" in each) + ("maximum" in each) for each in documented)

    assert {len(cases(*places, profiles=("documented",))) for places in (AT, INSIDE, OUTSIDE)} == {bounds}
    assert len(cases(*BETWEEN)) == 2 * 2 * sum("multipleOf" in each for each in documented)


# -- Through the SDK --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("_profile", "case"), cases(*AT, *INSIDE, *OUTSIDE, *BETWEEN, profiles=("documented",))
)
def test_the_sdk_lets_through_just_what_the_page_allows(
    _profile: Profile, case: Case, client: Client, least: Least, server: ReferenceServer
):
    params = least(case.operation, **{case.name: case.value})

    if case.allowed:
        assert client.prepare(case.operation, **params).body[case.name] == case.value
    else:
        with pytest.raises(InvalidRequest, match=case.name):
            client.prepare(case.operation, **params)
    assert server.ledger == ()


@pytest.mark.parametrize(
    ("operation", "name"),
    [
        (operation, name)
        for operation in ENDPOINTS
        for name in oracle.COUNTS
        if name in oracle.request_schema("documented", operation)["properties"]
    ],
)
def test_the_sdk_asks_for_one_picture_itself_and_for_more_as_json(
    operation: str, name: str, client: Client, least: Least
):
    asked = [
        client.prepare(operation, **least(operation, **{name: count})).body["base64"] for count in (1, 2)
    ]

    assert asked == [False, True]


# -- Through the generated client -------------------------------------------------------------------------


def generated(profile: Profile, operation: str, **values: Any) -> oracle.Exchange:
    """Call an endpoint by the generated client, which checks nothing, with the least body that is good."""
    server, call = SERVERS[profile], CALLS[operation]
    body = json.loads(example_request(ENDPOINTS[operation]).body) | values
    with AuthenticatedClient(
        base_url="http://reference.invalid",
        token=MADE_UP_KEY,
        prefix="",
        auth_header_name="x-api-key",
        httpx_args={"transport": server.transport()},
    ) as client:
        reply = call.sync(client=client, body=call.body(body))
    assert server.ledger[-1].body == body
    headers = {name.lower(): value for name, value in reply.headers.items()}
    return oracle.Exchange(operation, body, int(reply.status_code), headers, reply.content)


@pytest.mark.slow
@pytest.mark.parametrize(("profile", "case"), cases(*AT, *INSIDE))
def test_the_generated_client_sends_what_is_allowed_and_it_is_drawn(profile: Profile, case: Case):
    exchange = generated(profile, case.operation, base64=False, **{case.name: case.value})

    assert exchange.status == 200
    assert oracle.findings(exchange) == []


@pytest.mark.slow
@pytest.mark.parametrize(("profile", "case"), cases(*OUTSIDE, *BETWEEN))
def test_the_generated_client_sends_what_is_not_allowed_and_the_server_refuses_it(
    profile: Profile, case: Case
):
    exchange = generated(profile, case.operation, **{case.name: case.value})

    assert exchange.status == REFUSED[profile]
    assert case.name in json.loads(exchange.body)["error"]


def test_the_minimum_that_is_not_enforced_was_tried_where_it_was_seen():
    steps = [case.value for _, case in (each.values for each in cases("min")) if case.name == "steps"]

    assert steps == [10, 1]


@each_profile
@each_endpoint
def test_the_generated_client_sends_a_field_that_no_page_knows(profile: Profile, operation: str):
    assert generated(profile, operation, base64=False, shimmer={"of": [None, 0.5]}).status == 200


@each_profile
@each_endpoint
def test_the_generated_client_sends_a_wrong_type_and_the_server_refuses_it(profile: Profile, operation: str):
    properties = oracle.request_schema("documented", operation)["properties"]
    wrong = {"string": 7, "integer": "7", "number": "7", "boolean": 1}

    statuses = {
        generated(profile, operation, **{name: wrong[held["type"]]}).status
        for name, held in properties.items()
    }

    assert statuses == {REFUSED[profile]}


@each_endpoint
def test_the_generated_client_makes_no_body_without_what_the_page_requires(operation: str):
    body = json.loads(example_request(ENDPOINTS[operation]).body)

    for name in oracle.request_schema("documented", operation)["required"]:
        with pytest.raises(KeyError, match=name):
            CALLS[operation].body({key: value for key, value in body.items() if key != name})


# -- As raw JSON ------------------------------------------------------------------------------------------


def raw(profile: Profile, operation: str, **values: Any) -> httpx.Response:
    request = example_request(ENDPOINTS[operation], **values)
    with httpx.Client(transport=SERVERS[profile].transport()) as client:
        return client.post(
            f"http://reference.invalid{request.path}", content=request.body, headers=dict(request.headers)
        )


@pytest.mark.parametrize(("profile", "case"), cases(*INSIDE, *BETWEEN))
def test_raw_json_one_step_inside_is_drawn_and_between_two_multiples_refused(profile: Profile, case: Case):
    reply = raw(profile, case.operation, **{case.name: case.value})

    assert reply.status_code == (200 if case.allowed else REFUSED[profile])


@pytest.mark.parametrize(("profile", "case"), cases("max", "max+1"))
def test_raw_json_may_write_a_whole_number_with_a_point(profile: Profile, case: Case):
    reply = raw(profile, case.operation, **{case.name: float(case.value)})

    assert reply.status_code == (200 if case.allowed else REFUSED[profile])
