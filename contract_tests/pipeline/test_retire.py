"""`docs retire` takes an endpoint out; `deprecated: true` says before that it will go."""

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from segmind_sd3_pipeline.generate.methods import endpoint_methods
from segmind_sd3_pipeline.generate.parameters import endpoints
from segmind_sd3_pipeline.pages.overlays import without, without_citations
from segmind_sd3_pipeline.pages.retire_command import retire
from segmind_sd3_pipeline.pages.retiring import CanNotRetire, Retired, retired
from segmind_sd3_pipeline.spec.layers import read_layers
from segmind_sd3_pipeline.spec.quirks import read_rows

ROOT = Path(__file__).parents[2]
SLUG, OPERATION = "sd3-med-tile", "sd3_medium_tile"
METHODS = "wrapper/segmind_sd3/_endpoints.py"


@pytest.fixture(scope="module")
def change() -> Retired:
    """What the checkout that the tests are in would become. Nothing is written."""
    return retired(SLUG, ROOT)


def text(change: Retired, name: str) -> str:
    return change.texts[ROOT / name]


# --- What goes --------------------------------------------------------------------------------------------


def test_spec_and_facts_go(change: Retired):
    assert {ROOT / "openapi" / f"{SLUG}.yaml", ROOT / "openapi" / "facts" / f"{SLUG}.json"} <= {
        *change.removed
    }


def test_both_clients_lose_the_method_and_nothing_else(change: Retired):
    others = [each for each in endpoints(read_layers(ROOT / "openapi")) if each.operation.id != OPERATION]

    assert OPERATION not in text(change, METHODS)
    assert text(change, METHODS) == endpoint_methods(others)


def test_its_cassettes_go_and_no_body_that_another_one_has(change: Retired):
    cassettes = ROOT / "cassettes"
    gone = {file for file in change.removed if cassettes in file.parents}
    kept = {
        digest
        for file in cassettes.glob("*/*.yaml")
        if file not in gone
        for digest in re.findall(r"blob: (\w{64})", file.read_text(encoding="utf-8"))
    }

    assert {*(cassettes / SLUG).iterdir()} <= gone
    assert {file.name for file in (cassettes / "blobs").iterdir()} - {file.name for file in gone} == kept


def test_an_action_that_speaks_of_it_alone_goes_and_the_others_stay(change: Retired):
    assert change.actions == ("tile-sample-quotes-a-call", "sdk-tile-strength")
    for layer, gone in (("observed", change.actions[0]), ("sdk", change.actions[1])):
        overlay = text(change, f"openapi/{layer}.overlay.yaml")
        assert gone not in overlay
        before = (ROOT / "openapi" / f"{layer}.overlay.yaml").read_text(encoding="utf-8")
        assert overlay.count("x-id:") == before.count("x-id:") - 1


def test_a_quirk_that_cites_such_actions_alone_goes_and_the_others_stay(change: Retired, tmp_path: Path):
    rows = tmp_path / "quirks.yaml"
    rows.write_text(text(change, "openapi/quirks.yaml"), encoding="utf-8")

    assert change.rows == ("strength-both-ways", "tob64-inside-quotes")
    before = read_rows(ROOT / "openapi")
    assert read_rows(tmp_path) == [row for row in before if row["name"] not in change.rows]


def test_no_target_names_it_any_more(change: Retired):
    assert "Sd3MediumTile" not in text(change, "openapi/observed.overlay.yaml")
    assert "['Sd3MediumImg2Img', 'Sd35TurboTxt2Img'].properties.seed" in text(
        change, "openapi/observed.overlay.yaml"
    )


def test_the_changelog_says_so(change: Retired):
    assert f"- **Breaking:** `{OPERATION}` is gone.\n" in text(change, "CHANGELOG.md")


def test_the_lists_of_methods_and_of_prices_lose_their_row(change: Retired):
    assert OPERATION not in text(change, "README.md")
    prices = "contract_tests/segmind_sd3_contract/prices.json"
    texts = ((ROOT / prices).read_text(encoding="utf-8"), text(change, prices))
    before, after = ({*json.loads(each)["per_picture"]} for each in texts)
    assert before - after == {SLUG}


def test_what_people_have_written_for_it_is_listed_with_its_line(change: Retired):
    named = [line for line in change.left if line.startswith("wrapper/segmind_sd3/_quirks.py:")]

    assert [line.partition(": ")[2] for line in named] == ['@_quirk("refusal", "tob64-inside-quotes")']


@pytest.mark.parametrize("slug", ["sd4", "", "../facts/sd3-med-tile"])
def test_an_endpoint_that_is_not_there_is_refused_with_those_that_are(slug: str):
    with pytest.raises(CanNotRetire, match=f"There is no endpoint .*; there are .*{SLUG}"):
        retired(slug, ROOT)


def test_an_overlay_without_an_action_keeps_every_other_line():
    overlay = "actions:\n  # one\n  - x-id: one\n    update: {}\n\n  # two\n  - x-id: two\n    update: {}\n"

    assert without(overlay, ["one"], ()) == "actions:\n  # one\n  # two\n  - x-id: two\n    update: {}\n"
    assert without(overlay, ["two"], ()) == "actions:\n  # one\n  - x-id: one\n    update: {}\n\n  # two\n"
    assert without(overlay, [], ()) == overlay


ROWS = """quirks:
  # --- One
  - name: one
    actions:
      - a

  # --- Two
  - name: two
    actions:
      - a
      - b
"""


def test_quirks_without_an_action_keep_every_other_line():
    assert without_citations(ROWS, ["b"]) == (ROWS.replace("      - b\n", ""), [])
    assert without_citations(ROWS, ["a"]) == (
        "quirks:\n  # --- One\n  # --- Two\n  - name: two\n    actions:\n      - b\n",
        ["one"],
    )
    assert without_citations(ROWS, []) == (ROWS, [])


# --- The command ------------------------------------------------------------------------------------------


def test_a_folder_that_is_no_checkout_is_status_2(tmp_path: Path):
    refused = CliRunner().invoke(retire, [SLUG, "--root", str(tmp_path), "--yes"])

    assert refused.exit_code == 2
    assert "name one with --root" in refused.output
