"""Planted faults: the list is complete, each fault changes something, and survivors are reported.

These tests plant a sample. `make prove WHAT=planted` plants all.
"""

import subprocess
import sys
from pathlib import Path

import pytest
from proofs import planted
from segmind_sd3_api.parameters import OPERATIONS
from segmind_sd3_contract.quirks import quirks

pytestmark = pytest.mark.slow

SAMPLE = [
    "row:405-html",
    "row:base64-default-1:sdk-several-pictures",
    "bound:sd35_turbo_txt2img:steps:minimum:down",
]


def every_fault() -> list[planted.Fault]:
    return list(planted.faults(planted.rows_with_function()))


def run(*names: str) -> tuple[int, list[str]]:
    """Plant faults from the command line. Return the exit code and the printed lines."""
    command = [sys.executable, "-m", "proofs.planted", "--likely-only", *names]
    ran = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    return ran.returncode, (ran.stdout + ran.stderr).splitlines()


def test_every_function_and_action_of_every_row_has_a_fault():
    names = {fault.name for fault in every_fault()}

    for row in quirks().values():
        own = {f"row:{row.name}"} if row.name in planted.rows_with_function() else set[str]()
        policy = [action.id for action in row.actions if action.grade == "policy"]
        assert own | {f"row:{row.name}:{action}" for action in policy} <= names
    assert {f"row:enum-without-values:{each.id}" for each in quirks()["enum-without-values"].actions} <= names


def test_every_bound_is_moved_in_both_directions():
    moved = [change for fault in every_fault() if fault.name.startswith("bound:") for change in fault.changes]
    bounds = [
        (operation, name)
        for operation, each in OPERATIONS.items()
        for name, known in each.parameters.items()
        for bound in (known.minimum, known.maximum, known.multiple_of)
        if bound is not None
    ]

    assert sorted(moved) == sorted([*bounds, *bounds])


def test_every_fault_has_a_unique_name_and_changes_something():
    faults = every_fault()

    assert len({fault.name for fault in faults}) == len(faults)
    for fault in faults:
        different = [
            (operation, name, field)
            for (operation, name), change in fault.changes.items()
            for field, value in change.items()
            if getattr(OPERATIONS[operation].parameters[name], field) != value
        ]
        assert fault.row or different, fault.name


@pytest.mark.thorough
def test_each_fault_of_a_sample_is_noticed():
    code, lines = run(*SAMPLE)

    assert code == 0, lines
    assert {line.split()[1] for line in lines if line.startswith("noticed")} == set(SAMPLE)
    assert lines[-1].startswith("3 planted, 3 noticed, 0 survived")


def test_a_fault_that_changes_nothing_is_reported_as_a_survivor():
    code, lines = run("nothing")

    assert code == 1
    assert [line.split()[:2] for line in lines if line.startswith("SURVIVED")] == [["SURVIVED", "nothing"]]
    assert lines[-1].startswith("1 planted, 0 noticed, 1 survived")
