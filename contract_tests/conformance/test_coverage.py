"""How much of the contract a run has exercised: which call shows which side of which clause."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from segmind_sd3_contract.conformance.bodies import endpoints
from segmind_sd3_contract.conformance.coverage import covered
from segmind_sd3_contract.conformance.judging import packaged
from segmind_sd3_contract.conformance.results import KEY_SHOWN_AS, Exchange

READINGS = packaged(exact=True)
ENDPOINTS = {each.operation: each for each in endpoints(READINGS.pages)}
TURBO, MEDIUM = "sd35_turbo_txt2img", "sd3_medium_txt2img"


def an_exchange(operation: str = TURBO, *, without: str = "", **changes: Any) -> Exchange:
    """Return the exchange of a good call that is changed, as a server that draws everything answers it."""
    endpoint = ENDPOINTS[operation]
    body = {name: value for name, value in {**endpoint.base(), **changes}.items() if name != without}
    sent = {"content-type": "application/json", "x-api-key": KEY_SHOWN_AS}
    received = {"content-type": "image/jpeg", "x-remaining-credits": "1"}
    return Exchange(f"{operation}:1", "POST", endpoint.path, sent, body, 200, received, b"")


def exercised(*exchanges: Exchange) -> set[str]:
    """Name each side that these exchanges exercise."""
    return {
        f"{clause.layer} {clause}: {side}"
        for clause in covered(exchanges, READINGS)
        for side, calls in clause.sides.items()
        if calls
    }


@pytest.mark.parametrize(
    ("changes", "side"),
    [
        ({"steps": 10}, "documented steps minimum 10: inside"),
        ({"steps": 9}, "documented steps minimum 10: outside"),
        ({"steps": 70}, "documented steps maximum 70: inside"),
        ({"steps": 71}, "documented steps maximum 70: outside"),
        ({"steps": 1}, "observed steps minimum 1: inside"),
        ({"steps": 0}, "observed steps minimum 1: outside"),
        ({"steps": 11}, "documented steps type integer: inside"),
        ({"steps": "many"}, "documented steps type integer: outside"),
        ({"steps": 4}, "documented steps default 4: sent"),
        ({}, "documented steps default 4: omitted"),
        ({}, "documented sampler required: inside"),
        ({"without": "sampler"}, "documented sampler required: outside"),
        ({"sampler": "dpmpp_2m"}, "documented sampler enum: 'dpmpp_2m'"),
        ({"sampler": "no-such-value"}, "documented sampler enum: outside"),
        ({"aspect_ratio": "2:3"}, "observed aspect_ratio enum: '2:3'"),
        ({"operation": MEDIUM, "img_width": 513}, "documented img_width multipleOf 8: outside"),
        ({}, "documented (call) key x-api-key: inside"),
        ({}, "documented (call) required a body: inside"),
        ({}, "documented 200 status: came"),
        ({}, "documented 200 header x-remaining-credits: came"),
        ({}, "documented 200 media type image/jpeg: came"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_call_shows_the_side_that_it_is_on(changes: dict[str, Any], side: str):
    assert side in exercised(an_exchange(**changes))


@given(st.integers(-100, 200))
def test_a_bound_is_shown_by_itself_and_by_whatever_is_beyond_it(steps: int):
    shown = exercised(an_exchange(steps=steps))

    assert ("documented steps minimum 10: inside" in shown) is (steps == 10)
    assert ("documented steps minimum 10: outside" in shown) is (steps < 10)
    assert ("documented steps maximum 70: inside" in shown) is (steps == 70)
    assert ("documented steps maximum 70: outside" in shown) is (steps > 70)


def test_a_call_that_is_wrong_twice_shows_no_side_of_any_parameter():
    shown = exercised(an_exchange(steps=9, batch_size=11))

    assert not [side for side in shown if " steps " in side or " batch_size " in side or " prompt " in side]


def of_another_key(exchange: Exchange) -> Exchange:
    return replace(exchange, headers={**exchange.headers, "x-api-key": "SG_0000000000000000"})


def under_another_name(exchange: Exchange) -> Exchange:
    return replace(exchange, headers={**exchange.headers, "content-type": "text/plain"})


def by_another_method(exchange: Exchange) -> Exchange:
    return replace(exchange, method="PUT")


def that_was_limited(exchange: Exchange) -> Exchange:
    return replace(exchange, status=429)


def that_was_never_answered(exchange: Exchange) -> Exchange:
    return replace(exchange, status=None)


@pytest.mark.parametrize(
    "change",
    [of_another_key, under_another_name, by_another_method, that_was_limited, that_was_never_answered],
)
def test_a_call_whose_answer_is_not_about_its_body_shows_nothing_of_a_parameter(change: Any):
    shown = exercised(change(an_exchange(steps=10)))

    assert not [side for side in shown if " steps " in side or " prompt " in side]


def test_a_run_without_calls_has_exercised_nothing_and_names_every_clause():
    clauses = covered((), READINGS)

    assert exercised() == set()
    assert len({name for clause in clauses for name in clause.missing}) == sum(
        len(clause.sides) for clause in clauses
    )


def test_each_parameter_of_each_page_has_a_clause():
    stated = {(clause.operation, clause.place) for clause in covered((), READINGS)}

    assert stated >= {(name, each) for name, endpoint in ENDPOINTS.items() for each in endpoint.properties}
