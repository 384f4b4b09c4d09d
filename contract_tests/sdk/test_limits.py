"""A reply without an end, or one that unpacks to far more: neither takes all the memory, or all the time."""

from collections.abc import Iterator

import pytest
from proofs.faults.rows import ROWS, Row
from proofs.faults.trials import run_trial, warmed_up_routes
from proofs.fixtures.drivers import DRIVERS
from proofs.fixtures.ways import WAYS, ServerRoutes
from segmind_sd3._limits import MAX_DECODED_FLOOR, MAX_REPLY_BYTES


@pytest.fixture(scope="module")
def place() -> Iterator[ServerRoutes]:
    with warmed_up_routes(WAYS[driver] for driver in DRIVERS) as place:
        yield place


# Half a second of zeros each, so not on trio too.
@pytest.mark.parametrize("driver", ["sync", "asyncio"])
@pytest.mark.parametrize("row", [row for row in ROWS.values() if row.large], ids=lambda row: row.fault)
def test_a_reply_without_an_end_is_cut_off_and_takes_little_more_than_its_limit(
    row: Row, driver: str, place: ServerRoutes
):
    trial = run_trial(row, WAYS[driver], place)
    assert trial.deviations == ()
    assert trial.peak
    assert trial.peak < 1.25 * MAX_REPLY_BYTES


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_bomb_is_not_unpacked_further_than_any_picture_would_be(driver: str, place: ServerRoutes):
    trial = run_trial(ROWS["gzip:bomb"], WAYS[driver], place)
    assert trial.deviations == ()
    assert trial.peak
    assert trial.peak < 3 * MAX_DECODED_FLOOR
