"""A reply without an end, or one that unpacks to far more: neither takes all the memory, or all the time."""

from collections.abc import Iterator

import pytest
from segmind_sd3._limits import MAX_DECODED_FLOOR, MAX_REPLY_BYTES
from segmind_sd3_contract import faults
from segmind_sd3_contract.drivers import DRIVERS, Driver
from segmind_sd3_contract.fault_rows import ROWS, Row
from segmind_sd3_contract.faults import tried
from segmind_sd3_contract.reference import ReferenceServer


@pytest.fixture(scope="module")
def listening() -> Iterator[tuple[ReferenceServer, str]]:
    with faults.listening() as server_and_url:
        yield server_and_url


# Half a second of zeros each, so not on trio too.
@pytest.mark.parametrize("driver", ["sync", "asyncio"])
@pytest.mark.parametrize("row", [row for row in ROWS.values() if row.large], ids=lambda row: row.fault)
def test_a_reply_without_an_end_is_cut_off_and_takes_little_more_than_its_limit(
    row: Row, driver: Driver, listening: tuple[ReferenceServer, str]
):
    trial = tried(row, driver, *listening)
    assert trial.deviations == ()
    assert trial.peak
    assert trial.peak < 1.25 * MAX_REPLY_BYTES


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_bomb_is_not_unpacked_further_than_any_picture_would_be(
    driver: Driver, listening: tuple[ReferenceServer, str]
):
    trial = tried(ROWS["gzip:bomb"], driver, *listening)
    assert trial.deviations == ()
    assert trial.peak
    assert trial.peak < 3 * MAX_DECODED_FLOOR
