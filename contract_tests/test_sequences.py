"""Nothing is paid for twice: a sample of `make sequences`, and that it would be seen."""

import pytest
from segmind_sd3_contract.drivers import DRIVERS, Driver
from segmind_sd3_contract.ledger import Sending, sent_in_vain
from segmind_sd3_contract.sequences import Tally, in_process, over_sockets, planned, run


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize(("lending", "count"), [(in_process, 80), (over_sockets, 20)])
def test_nothing_is_sent_again_that_may_have_been_billed(driver: Driver, lending: object, count: int):
    tally = Tally()
    with lending(tally) as lend:
        run([planned(number, 1) for number in range(count)], driver, lend)
    assert tally.wrong == []
    assert min(tally.repeated, tally.billed, tally.ended.total() - tally.ended["picture"]) > count / 10
