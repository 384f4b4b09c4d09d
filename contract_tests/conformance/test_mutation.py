"""The mutation score: the suite notices a fixed sample of mutants, and what measures it tells the truth.

`make prove WHAT=mutation` runs them all.
"""

import json
import subprocess
import sys
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from proofs.mutation import contracts
from proofs.mutation.equivalents import Equivalent, outdated_rows, read_equivalents, reason_of
from proofs.mutation.mutants import UNCHANGED, all_mutants, named_mutants, packaged, sample
from proofs.mutation.score import Result, Score, try_mutant

pytestmark = pytest.mark.slow

EQUIVALENTS = read_equivalents()
NOTICEABLE = [mutant for mutant in all_mutants() if not reason_of(mutant.name, EQUIVALENTS)]
SAMPLE = sample(NOTICEABLE, 40, seed=20261121)
ENDPOINTS = list(contracts.operations(packaged().documented))


@pytest.mark.parametrize("name", [mutant.name for mutant in SAMPLE])
@pytest.mark.thorough
def test_the_suite_notices(name: str):
    result = try_mutant(name)

    assert result.killed_by, result.why or "no case is broken"


@pytest.mark.thorough
def test_what_is_not_changed_survives_and_is_told(tmp_path: Path):
    file = tmp_path / "score.json"
    noticed = "behaviour:get_user_credits::good-500"
    command = [sys.executable, "-m", "proofs.mutation", "nothing", noticed, "--out", str(file)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = ran.stdout.splitlines()

    assert ran.returncode == 1, ran.stderr
    assert [line for line in lines if line.startswith("SURVIVED")] == ["SURVIVED nothing"]
    assert [line.split()[1] for line in lines if line.startswith("killed")] == [noticed]
    assert lines[-2] == "2 mutants: 1 killed, 0 equivalent, 1 survived. Score 50.00 %."
    score = json.loads(file.read_text("utf-8"))
    assert (score["format"], score["survivors"]) == ("segmind-sd3 mutation 1", ["nothing"])


# -- The mutants ------------------------------------------------------------------------------------------


def test_each_mutant_has_a_name_of_its_own():
    names = Counter(mutant.name for mutant in (UNCHANGED, *all_mutants()))

    assert [name for name, count in names.items() if count > 1] == []


def test_there_are_at_least_400_and_each_endpoint_has_some_of_each_kind():
    found = Counter((mutant.kind, mutant.operation) for mutant in all_mutants())

    assert found.total() >= 400
    assert {(kind, each) for kind in ("server", "behaviour", "spec") for each in ENDPOINTS} <= set(found)


@pytest.mark.parametrize("of_what", [contracts.server_edits, contracts.spec_edits])
def test_each_change_of_a_contract_changes_it(of_what: Any):
    without_effect: list[str] = []
    for edit in of_what(packaged().documented):
        bundle = json.loads(json.dumps(packaged().observed))
        edit.change(bundle)
        if bundle == packaged().observed:
            without_effect.append(edit.name)

    assert without_effect == []


@pytest.mark.parametrize("word", ["minimum", "maximum", "multipleOf", "default", "type"])
def test_each_word_about_each_parameter_is_changed(word: str):
    documented = packaged().documented
    expected = {
        (operation, name)
        for operation in ENDPOINTS
        for name, node in contracts.schema(documented, operation)["properties"].items()
        if word in node
    }

    for by_edit in changed_words():
        assert {edit for edit, words in by_edit if word in words} >= expected


@cache
def changed_words() -> list[list[tuple[tuple[str, str], set[str]]]]:
    """For the server, and for the specs: of each change its parameter, and the words that it changes."""
    documented = packaged().documented
    return [
        [((edit.operation, edit.group), words(edit)) for edit in edits if not edit.group.startswith("(")]
        for edits in (contracts.server_edits(documented), contracts.spec_edits(documented))
    ]


def words(edit: contracts.Edit) -> set[str]:
    bundle = json.loads(json.dumps(packaged().documented))
    edit.change(bundle)
    before = contracts.schema(packaged().documented, edit.operation)["properties"][edit.group]
    after = contracts.schema(bundle, edit.operation)["properties"].get(edit.group)
    return (
        set() if after is None else {word for word in before | after if before.get(word) != after.get(word)}
    )


def test_a_sample_is_the_same_each_time_and_spread_over_kinds_and_endpoints():
    again = sample(NOTICEABLE, 40, seed=20261121)
    rows = Counter((mutant.kind, mutant.operation) for mutant in SAMPLE)

    assert again == SAMPLE
    assert len(SAMPLE) == 40
    assert len(rows) == len({(mutant.kind, mutant.operation) for mutant in all_mutants()})


def test_a_pattern_chooses_by_name():
    chosen = [mutant.name for mutant in named_mutants(["server:sd35_turbo_txt2img::steps::max*1"])]

    assert chosen == [f"server:sd35_turbo_txt2img::steps::{each}" for each in ("max-1", "max+1")]


# -- The list of equivalents ------------------------------------------------------------------------------


def test_each_line_of_the_list_of_equivalents_matches_a_mutant_and_has_a_reason():
    assert list(outdated_rows(read_equivalents(), [mutant.name for mutant in all_mutants()], [])) == []
    assert [row.pattern for row in read_equivalents() if not row.reason] == []


def test_a_line_that_matches_nothing_or_whose_mutant_is_killed_is_reported():
    rows = [Equivalent("spec:gone", "…"), Equivalent("spec:*max+1", "…")]

    assert list(outdated_rows(rows, ["spec:a::max+1"], ["spec:a::max+1"])) == [
        "spec:gone is listed as equivalent, but there is no such mutant",
        "spec:a::max+1 is listed as equivalent (spec:*max+1), but was killed",
    ]


def test_an_equivalent_mutant_counts_neither_way():
    results = [Result("a", "case", None, 1.0), Result("b", None, None, 1.0), Result("c", None, None, 1.0)]
    score = Score.of(results, [Equivalent("b", "it changes nothing")])

    assert (score.percent, [each.mutant for each in score.survivors]) == (50.0, ["c"])
    assert score.equivalent == {"b": "it changes nothing"}
