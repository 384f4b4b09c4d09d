"""A used client in forked workers: a sample of `make prove WHAT=forks`, and the proof's own checks."""

import threading

import pytest
from proofs.fixtures.drivers import DRIVERS, Driver
from proofs.fixtures.forking import Child, Died
from proofs.forks import (
    CALLS,
    WORKERS,
    Forks,
    How,
    Start,
    close_parent_while_child_lives,
    fork_during_a_call,
    run_rounds,
)
from segmind_sd3 import Client, Generation

WAYS: dict[str, tuple[Driver, How, Start, bool]] = {
    "sync, http": ("sync", "os.fork", "at once", False),
    "sync, https, multiprocessing": ("sync", "multiprocessing", "staggered", True),
    "asyncio, https": ("asyncio", "os.fork", "at once", True),
    "trio, https": ("trio", "os.fork", "staggered", True),
}
FAST = ("sync, http", "asyncio, https")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("driver", "how", "start", "tls"),
    [
        pytest.param(*way, id=name, marks=() if name in FAST else pytest.mark.slow)
        for name, way in WAYS.items()
    ],
)
def test_forked_workers_get_their_own_pictures_and_the_parent_keeps_its_connection(
    driver: Driver, how: How, start: Start, *, tls: bool
):
    forks = Forks()
    run_rounds(2, driver, how, start, tls=tls, forks=forks)
    assert forks.violations == []


@pytest.mark.slow
@pytest.mark.parametrize("driver", DRIVERS)
def test_a_call_in_progress_during_a_fork_ends_well(driver: Driver):
    assert list(fork_during_a_call(driver, "os.fork", tls=True)) == []


@pytest.mark.parametrize("used", [True, False], ids=["used it", "did not use it"])
@pytest.mark.slow
def test_the_server_sees_a_parent_close_while_a_child_lives(*, used: bool):
    assert list(close_parent_while_child_lives("sync", "os.fork", tls=False, used=used)) == []


@pytest.mark.slow
def test_a_swapped_picture_is_detected(monkeypatch: pytest.MonkeyPatch):
    original = Client.sd35_turbo_txt2img

    def call_with_another_seed(client: Client, *, seed: int, prompt: str) -> Generation:
        return original(client, prompt=prompt, seed=seed + 1)

    monkeypatch.setattr(Client, "sd35_turbo_txt2img", call_with_another_seed)
    forks = Forks()
    run_rounds(1, "sync", "os.fork", "at once", tls=False, forks=forks)
    assert forks.counts["swapped"] == 1 + WORKERS * CALLS + 1


def test_a_child_that_fails_returns_its_traceback():
    def fail() -> None:
        raise LookupError("in a child")

    died = Child(fail).result()
    assert isinstance(died, Died)
    assert "LookupError: in a child" in died.why


def test_a_killed_child_returns_no_result():
    child = Child(threading.Event().wait)
    child.kill()
    assert isinstance(child.result(), Died)
