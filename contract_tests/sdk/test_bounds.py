"""Every bound of every parameter, tried from both sides: made out of the table that the SDK checks by."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from segmind_sd3 import Client, Generation, InvalidRequest, RequestRefused
from segmind_sd3_api.parameters import OPERATIONS, Operation, Parameter
from segmind_sd3_contract.reference import ReferenceServer

FACTS = Path(__file__).parents[2] / "openapi" / "facts"

Draw = Callable[..., Generation]
Least = Callable[..., dict[str, Any]]


@dataclass(frozen=True)
class Case:
    """One value at or beside a bound. `place` says where it lies: `min`, `max+1`."""

    operation: str
    known: Parameter
    place: str
    value: float

    def __str__(self) -> str:
        return f"{self.operation}::{self.known.name}::{self.place}"


def step(known: Parameter) -> float:
    return known.multiple_of or (1 if known.kind == "integer" else 0.01)


def cases(*, allowed: bool) -> list[Any]:
    """The values at the bounds, or those one step outside and those between two multiples."""
    return [
        pytest.param(case, id=str(case))
        for operation in OPERATIONS.values()
        for known in operation.parameters.values()
        for case in (inside if allowed else outside)(operation.operation_id, known)
    ]


def inside(operation: str, known: Parameter) -> Iterator[Case]:
    if known.minimum is not None:
        yield Case(operation, known, "min", known.minimum)
    if known.maximum is not None:
        yield Case(operation, known, "max", known.maximum)
    if known.minimum is not None and known.multiple_of:
        yield Case(operation, known, "min+1", known.minimum + known.multiple_of)


def outside(operation: str, known: Parameter) -> Iterator[Case]:
    # Rounded, since 0.1 - 0.01 is not 0.09 in binary.
    if known.minimum is not None:
        yield Case(operation, known, "min-1", round(known.minimum - step(known), 2))
    if known.maximum is not None:
        yield Case(operation, known, "max+1", round(known.maximum + step(known), 2))
    if known.minimum is not None and known.multiple_of:
        yield Case(operation, known, "no multiple", known.minimum + known.multiple_of - 1)


def bounded(operation: Operation) -> dict[str, Parameter]:
    return {name: known for name, known in operation.parameters.items() if known.maximum is not None}


def test_every_bound_that_a_page_names_is_tried():
    pages = [json.loads(file.read_text(encoding="utf-8")) for file in FACTS.glob("*.json")]
    named = [
        (page["slug"], row["name"])
        for page in pages
        for row in page["attributes"]
        if row.keys() & {"min", "max"}
    ]

    tried = {
        (OPERATIONS[case.operation].slug, case.known.name)
        for param in cases(allowed=True)
        for case in param.values
    }

    assert sorted(tried) == sorted(named)


@pytest.mark.parametrize("case", cases(allowed=True))
def test_a_value_at_a_bound_is_drawn_and_arrives(
    case: Case, client: Client, least: Least, server: ReferenceServer
):
    params = least(case.operation, **{case.known.name: case.value})

    assert getattr(client, case.operation)(**params).images
    assert server.ledger[-1].body[case.known.name] == case.value


@pytest.mark.parametrize("case", cases(allowed=False))
def test_a_value_one_step_outside_is_refused_before_sending(
    case: Case, client: Client, least: Least, server: ReferenceServer
):
    with pytest.raises(InvalidRequest) as caught:
        getattr(client, case.operation)(**least(case.operation, **{case.known.name: case.value}))

    assert server.ledger == ()
    assert [problem.parameter for problem in caught.value.problems] == [case.known.name]


@pytest.mark.parametrize("case", cases(allowed=False))
def test_the_service_as_documented_refuses_it_too(case: Case, client: Client, least: Least):
    params = least(case.operation, extra={case.known.name: case.value})

    with pytest.raises(RequestRefused, match=f"{case.known.name} must be"):
        getattr(client, case.operation)(**params)


@pytest.mark.parametrize("case", cases(allowed=False))
def test_the_refusal_names_what_was_given_and_what_is_allowed(case: Case, client: Client, least: Least):
    with pytest.raises(InvalidRequest) as caught:
        client.prepare(case.operation, **least(case.operation, **{case.known.name: case.value}))

    (problem,) = caught.value.problems
    assert problem.given == f"got {case.value}"
    assert f"from {case.known.minimum} to {case.known.maximum}" in problem.advice
    assert case.known.multiple_of is None or f"multiples of {case.known.multiple_of}" in problem.advice
    assert str(problem) in str(caught.value)


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_all_wrong_parameters_are_named_at_once(
    operation: Operation, draw: Draw, least: Least, server: ReferenceServer
):
    wrong = {name: known.maximum + 1 for name, known in bounded(operation).items() if known.maximum}

    with pytest.raises(InvalidRequest) as caught:
        draw(operation.operation_id, **least(operation.operation_id, **wrong, nonsense=1))

    assert {problem.parameter for problem in caught.value.problems} == {*wrong, "nonsense"}
    assert server.ledger == ()


@pytest.mark.parametrize("value", [-(10**6), 10**6])
@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_what_the_page_does_not_bound_is_not_refused(
    operation: Operation, value: int, client: Client, least: Least
):
    unbounded = {
        known.name: value
        for known in operation.parameters.values()
        if known.kind in ("integer", "number") and known.minimum is None and known.maximum is None
        if known.sdk_maximum is None
    }

    prepared = client.prepare(operation.operation_id, **least(operation.operation_id, **unbounded))

    assert prepared.body.items() >= unbounded.items()
