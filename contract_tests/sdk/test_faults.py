"""Every fault that a paid API can meet its client with: all of them without `await`, and one of each kind in
every other way, most of those among the slow tests. `make prove WHAT=faults` tries all of them in all ways.
"""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from proofs.faults import trials as fault_trials
from proofs.faults.rows import ROWS, Row, allowed_ends
from proofs.faults.table import select_rows, select_ways, shorten, summary
from proofs.faults.trials import Trial, run_trial, warmed_up_routes
from proofs.fixtures.ways import WAYS, ServerRoutes, Way
from segmind_sd3._errors import ConnectionFailed
from segmind_sd3_contract.reference import PROVOCATIONS

OF_EACH_KIND = (
    "refused",
    "tls:untrusted",
    "proxy:407",
    "proxy:502",
    "reset-when-reused",
    "early-closed:413",
    "reset",
    "reset-in-body",
    "billed:429:picture-and-cost",
    "status:503",
    "no-retry-after:absent",
)


@pytest.fixture(scope="module")
def place() -> Iterator[ServerRoutes]:
    with warmed_up_routes(WAYS.values()) as place:
        yield place


def is_fast(way: Way) -> bool:
    return (way.own and not way.name.endswith("auth")) or way.name == "httpx-asyncio"


# What is large has test_limits.py.
TRIALS = [
    pytest.param(
        row,
        way,
        id=f"{row.fault}-{way.name}",
        marks=() if is_fast(way) else (pytest.mark.slow, pytest.mark.thorough),
    )
    for row in ROWS.values()
    for way in WAYS.values()
    if not row.large and row.applies_to(way)
    if way.name == "sync" or row.fault in OF_EACH_KIND or (row.fault == "stall-headers" and not way.own)
]


@pytest.mark.parametrize(("row", "way"), TRIALS)
def test_a_fault_ends_as_it_must_in_time_and_without_a_trace(row: Row, way: Way, place: ServerRoutes):
    assert run_trial(row, way, place).deviations == ()


def test_every_provocation_of_the_reference_server_has_its_row():
    assert {row.fault for row in ROWS.values() if row.provoked} == PROVOCATIONS.keys()


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_every_fault_can_be_met_in_some_way_by_the_sdks_own_connections(row: Row):
    assert any(row.applies_to(way) for way in WAYS.values() if way.own)


# --- what follows for a transport that is not the SDK's own


def end(fault: str, way: str) -> list[str]:
    return [str(each) for each in allowed_ends(ROWS[fault], WAYS[way])]


UNKNOWN = "OutcomeUnknown or OutcomeTimedOut"


@pytest.mark.parametrize(
    ("fault", "way", "expected"),
    [
        ("refused", "trio-tunnel", ["ConnectionFailed, billed=False, POSTs 0"]),
        ("refused", "aiohttp", [f"{UNKNOWN}, billed=None, POSTs 0 to 1"]),
        ("reset-in-request", "sync", ["ConnectionFailed, billed=False, POSTs 3"]),
        ("reset-in-request", "httpx-sync", [f"{UNKNOWN}, billed=None, POSTs 0 to 1"]),
        ("reset-in-body", "sync", ["OutcomeUnknown, billed=True, POSTs 1"]),
        (
            "reset-in-body",
            "pyreqwest",
            ["OutcomeUnknown, billed=True, POSTs 1", f"{UNKNOWN}, billed=None or True, POSTs 1"],
        ),
        ("no-retry-after:absent", "respx-trio", ["RateLimited, billed=False, POSTs 3"]),
        ("reply-format:png", "mock-sync", ["Generation, billed=True, POSTs 1"]),
        ("early-closed:401", "asyncio", ["AuthenticationError, billed=False, POSTs 1"]),
        (
            "early-closed:401",
            "asyncio-tls",
            [
                "AuthenticationError, billed=False, POSTs 1 to 3",
                "ConnectionFailed, billed=False, POSTs 1 to 3",
            ],
        ),
    ],
)
def test_what_another_transport_lost_is_unknown_and_all_else_is_as_in_any_way(
    fault: str, way: str, expected: list[str]
):
    assert end(fault, way) == expected


def test_nothing_that_another_transport_says_makes_a_call_unbilled():
    foreign = [way for way in WAYS.values() if not way.own]
    unsent = [row for row in ROWS.values() if row.errors and issubclass(row.errors[0], ConnectionFailed)]
    right = [each for row in unsent for way in foreign for each in allowed_ends(row, way)]
    assert {each.billed for each in right} == {(None,)}


# --- that the trials see what they are to see


def wrong(place: ServerRoutes, fault: str, **changes: object) -> tuple[str, ...]:
    return run_trial(replace(ROWS[fault], **changes), WAYS["sync"], place).deviations


@pytest.mark.parametrize(
    "changes", [{"errors": (ConnectionFailed,)}, {"billed": None}, {"posts": 2}, {"errors": ()}]
)
def test_another_end_than_the_rows_is_seen(changes: dict[str, object], place: ServerRoutes):
    (deviation,) = wrong(place, "status:400", **changes)
    assert deviation.startswith("ended as RequestRefused, billed=False, POSTs 1; not as ")


def test_a_call_that_ends_too_early_is_seen(place: ServerRoutes):
    (deviation,) = wrong(place, "status:400", lasts=60.0)
    assert deviation.endswith("too early")


def test_lateness_is_seen(place: ServerRoutes, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(fault_trials, "GRACE", -0.25)
    (deviation,) = wrong(place, "stall-body")
    assert "after its deadline" in deviation


def trial(**changes: object) -> Trial:
    made = Trial("reset", "sync", "OutcomeUnknown", None, 1, 1, False, 0.1, None, ())  # noqa: FBT003 - not foreign
    return replace(made, **changes)


@pytest.mark.parametrize(
    ("changes", "count"),
    [
        ({"payments": 2}, "calls paid twice"),
        ({"foreign": True}, "foreign exceptions"),
        ({"billed": False}, "billed=False for what the ledger billed"),
        ({"deviations": ("late",)}, "trials that deviate"),
    ],
)
def test_what_must_not_be_is_counted(changes: dict[str, object], count: str):
    honest = {"trials": 1, "faults": 1, "ways": 1}
    assert {name for name, n in summary([trial()]).items() if n} == honest.keys()
    assert {name for name, n in summary([trial(**changes)]).items() if n} == {*honest, count}


# --- what `make prove WHAT=faults` is asked for


def test_faults_are_chosen_by_name_and_by_the_beginning_of_it():
    assert [row.fault for row in select_rows(["reset", "proxy"])][:2] == ["proxy:407", "proxy:refused"]
    assert select_rows([]) == list(ROWS.values())


def test_ways_are_chosen_by_name_and_by_group():
    assert [way.name for way in select_ways(["aiohttp", "sync", "aiohttp"])] == ["aiohttp", "sync"]
    assert all(way.own for way in select_ways(["own"]))
    assert select_ways([]) == list(WAYS.values())


def test_what_is_not_there_can_not_be_chosen():
    with pytest.raises(ValueError, match="no fault 'rest'; there are refused, "):
        select_rows(["rest"])
    with pytest.raises(ValueError, match="no way 'curl'; there are all, own, foreign, sync, "):
        select_ways(["curl"])


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["sync", "trio"], "own"),
        (["aiohttp"], "foreign"),
        (["sync", "trio", "aiohttp"], "all"),
        (["sync"], "sync"),
        (["sync", "aiohttp"], "all but trio"),
    ],
)
def test_ways_that_agree_are_named_in_few_words(names: list[str], words: str):
    assert shorten(names, ["sync", "trio", "aiohttp"]) == words
