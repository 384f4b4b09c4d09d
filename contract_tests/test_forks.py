"""Forked workers of a client that was used: a sample of `make forks`, and that it would see a swap."""

import threading

import pytest
from segmind_sd3 import Client, Generation
from segmind_sd3_contract.drivers import DRIVERS, Driver
from segmind_sd3_contract.forking import Child, Died
from segmind_sd3_contract.forks import (
    CALLS,
    WORKERS,
    Forks,
    fork_during_a_call,
    hang_up_beside_a_child,
    rounds,
)


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
@pytest.mark.parametrize("driver", DRIVERS)
def test_forked_workers_get_their_own_pictures_and_the_parent_keeps_its_connection(driver: Driver, tls: bool):  # noqa: FBT001 - a parameter of the test
    forks = Forks()
    rounds(2, driver, "os.fork", "at once", tls=tls, forks=forks)
    assert forks.wrong == []


def test_workers_of_multiprocessing_get_their_own_pictures():
    forks = Forks()
    rounds(2, "sync", "multiprocessing", "staggered", tls=True, forks=forks)
    assert forks.wrong == []


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_call_under_way_during_a_fork_ends_well(driver: Driver):
    assert list(fork_during_a_call(driver, "os.fork", tls=True)) == []


@pytest.mark.parametrize("driver", DRIVERS)
def test_a_parent_that_hangs_up_is_seen_to_while_its_child_lives(driver: Driver):
    assert list(hang_up_beside_a_child(driver, "os.fork", tls=False, used=True)) == []


def test_a_swapped_picture_is_seen(monkeypatch: pytest.MonkeyPatch):
    ask = Client.sd35_turbo_txt2img

    def ask_for_another(client: Client, *, seed: int, prompt: str) -> Generation:
        return ask(client, prompt=prompt, seed=seed + 1)

    monkeypatch.setattr(Client, "sd35_turbo_txt2img", ask_for_another)
    forks = Forks()
    rounds(1, "sync", "os.fork", "at once", tls=False, forks=forks)
    assert forks.counts["swapped"] == 1 + WORKERS * CALLS + 1


def test_a_child_that_fails_says_where():
    def fail() -> None:
        raise LookupError("in a child")

    died = Child(fail).result()
    assert isinstance(died, Died)
    assert "LookupError: in a child" in died.why


def test_a_child_that_is_killed_gives_nothing():
    child = Child(threading.Event().wait)
    child.kill()
    assert isinstance(child.result(), Died)
