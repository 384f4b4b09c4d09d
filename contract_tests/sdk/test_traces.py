"""What calls leave behind is seen: open sockets, warnings, records of loggers, and the key wherever it is."""

import gc
import logging
import socket

import pytest
from proofs.fixtures import traces
from proofs.fixtures.traces import places_of, resident_bytes, watching

KEY = "SG_badc0ffee0ddf00d"


def test_a_socket_that_is_left_open_is_seen(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(traces, "PATIENCE", 0.0)
    with watching() as watch:
        left = socket.socket()
    assert watch.files == 1
    left.close()


def test_a_socket_that_nobody_closed_is_warned_of():
    with watching() as watch:
        socket.socket()
    assert [each.partition(":")[0] for each in watch.warnings] == ["ResourceWarning"]


def test_a_socket_that_is_lost_in_a_circle_is_warned_of_too():
    with watching() as watch:
        circle: list[object] = [socket.socket()]
        circle.append(circle)
        del circle
    assert [each.partition(":")[0] for each in watch.warnings] == ["ResourceWarning"]


def test_every_logger_is_listened_to_and_left_as_it_was():
    level = logging.getLogger().level
    with watching() as watch:
        logging.getLogger("httpcore.http11").debug("a record")
    assert (watch.log, logging.getLogger().level) == (["a record"], level)


def test_nothing_is_frozen_afterwards():
    with watching():
        pass
    assert gc.get_freeze_count() == 0


def with_attribute() -> Exception:
    error = KeyError("told")
    error.body = KEY.encode()  # pyright: ignore[reportAttributeAccessIssue] - as errors of the SDK have one
    return error


def with_local() -> Exception:
    try:
        secret = KEY
        raise KeyError(len(secret))
    except KeyError as error:
        return error


def with_cause() -> Exception:
    try:
        try:
            raise ValueError(KEY)
        except ValueError as cause:
            raise KeyError("told") from cause
    except KeyError as error:
        return error


@pytest.mark.parametrize(
    ("error", "places"),
    [
        (KeyError("told"), []),
        (ValueError(KEY), ["str", "repr", "args", "pickle", "traceback"]),
        (with_attribute(), ["attributes", "pickle"]),
        (with_local(), ["traceback"]),
        (with_cause(), ["traceback"]),
    ],
    ids=["nowhere", "message", "attribute", "local", "cause"],
)
def test_the_key_is_found_wherever_it_can_be_read(error: Exception, places: list[str]):
    assert list(places_of(KEY, error)) == places


def test_the_memory_of_the_process_is_told_in_bytes():
    assert 10_000_000 < resident_bytes() < 100_000_000_000
