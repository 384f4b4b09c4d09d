"""Every fault that a paid API can meet its client with: each row of the table, in each way to call."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from segmind_sd3._errors import ConnectionFailed
from segmind_sd3_contract import faults
from segmind_sd3_contract.drivers import DRIVERS, Driver
from segmind_sd3_contract.fault_rows import ROWS, Row
from segmind_sd3_contract.faults import tried
from segmind_sd3_contract.reference import PROVOCATIONS, ReferenceServer
from segmind_sd3_contract.reference.deliveries import DELIVERIES


@pytest.fixture(scope="module")
def listening() -> Iterator[tuple[ReferenceServer, str]]:
    with faults.listening() as server_and_url:
        yield server_and_url


# Only what happens to a connection is another matter on trio. The command tries all three.
TRIALS = [
    pytest.param(row, driver, id=f"{row.fault}-{driver}")
    for row in ROWS.values()
    for driver in DRIVERS
    if not row.large and (driver != "trio" or row.address or row.fault in DELIVERIES)
]


@pytest.mark.parametrize(("row", "driver"), TRIALS)
def test_a_fault_ends_as_it_must_in_time_and_without_a_trace(
    row: Row, driver: Driver, listening: tuple[ReferenceServer, str]
):
    assert tried(row, driver, *listening).deviations == ()


def test_every_provocation_of_the_reference_server_has_its_row():
    assert {row.fault for row in ROWS.values() if row.address is None} == PROVOCATIONS.keys()


# --- that the trials see what they are to see


def wrong(row: str, listening: tuple[ReferenceServer, str], **changes: object) -> tuple[str, ...]:
    return tried(replace(ROWS[row], **changes), "sync", *listening).deviations


def test_another_class_is_seen(listening: tuple[ReferenceServer, str]):
    (told,) = wrong("status:400", listening, error=ConnectionFailed)
    assert told.startswith("ended as RequestRefused, not ConnectionFailed")


def test_another_bill_is_seen(listening: tuple[ReferenceServer, str]):
    assert wrong("status:520", listening, billed=False) == ("says billed=None, not False",)


def test_another_number_of_posts_is_seen(listening: tuple[ReferenceServer, str]):
    assert wrong("status:503", listening, posts=1) == ("3 POSTs arrived, not 1",)


def test_lateness_is_seen(listening: tuple[ReferenceServer, str], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("segmind_sd3_contract.faults.GRACE", -0.25)
    (told,) = wrong("stall-body", listening)
    assert "after its deadline" in told
