"""Early answers: a sample of `make prove WHAT=early-answers`, and the proof's own checks."""

from collections.abc import Iterator

import pytest
from proofs.early_answers import Cell, EarlyAnswers, Scheme, try_calls
from proofs.fixtures.drivers import DRIVERS, Driver
from proofs.fixtures.server_process import ServerProcess, server_process
from segmind_sd3 import ConnectionFailed, OutcomeUnknown


@pytest.fixture(scope="module", params=[False, True], ids=["http", "https"])
def server(request: pytest.FixtureRequest) -> Iterator[ServerProcess]:
    with server_process(EarlyAnswers, tls=request.param) as server:
        yield server


@pytest.mark.parametrize("megabytes", [0.1, pytest.param(4.0, marks=pytest.mark.slow)])
@pytest.mark.parametrize("driver", DRIVERS)
def test_an_answer_before_the_body_was_read_reaches_the_caller(
    driver: Driver, megabytes: float, server: ServerProcess
):
    (cell,) = try_calls(driver, server, megabytes, statuses=[413], tries=8)
    assert cell.problem() is None


@pytest.mark.parametrize(
    ("scheme", "lost", "wrong"), [("http", 1, True), ("https", 3, False), ("https", 4, True)]
)
def test_lost_answers_are_counted(scheme: Scheme, lost: int, wrong: bool):  # noqa: FBT001 - a parameter of the test
    cell = Cell("sync", scheme, 4.0, 413, tries=25 - lost, answered=25 - lost)
    for _ in range(lost):
        cell.note(OutcomeUnknown("lost"))
    assert bool(cell.problem()) == wrong


def test_a_lost_answer_reported_as_unbilled_is_a_problem():
    cell = Cell("sync", "https", 4.0, 413, tries=24, answered=24)
    cell.note(ConnectionFailed("lost"))
    assert cell.problem() == "a lost answer is reported as billed=False"
