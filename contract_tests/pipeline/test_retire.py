"""`docs retire` removes an endpoint: the changes that it plans."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from segmind_sd3_pipeline.generate.methods import endpoint_methods
from segmind_sd3_pipeline.generate.parameters import endpoints
from segmind_sd3_pipeline.pages.overlays import remove_actions, remove_citations
from segmind_sd3_pipeline.pages.retire_command import retire
from segmind_sd3_pipeline.pages.retirement import CanNotRetire, Retirement, plan_retirement
from segmind_sd3_pipeline.spec.layers import read_layers
from segmind_sd3_pipeline.spec.quirks import read_rows

ROOT = Path(__file__).parents[2]
SLUG, OPERATION = "sd3-med-tile", "sd3_medium_tile"
METHODS = "wrapper/segmind_sd3/_endpoints.py"


@pytest.fixture(scope="module")
def change() -> Retirement:
    """Plan a retirement in this checkout. Nothing is written."""
    return plan_retirement(SLUG, ROOT)


def text(change: Retirement, name: str) -> str:
    return change.texts[ROOT / name]


# --- The changes --------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_spec_and_facts_are_removed(change: Retirement):
    assert {ROOT / "openapi" / f"{SLUG}.yaml", ROOT / "openapi" / "facts" / f"{SLUG}.json"} <= {
        *change.removed
    }


def test_both_clients_lose_only_the_method(change: Retirement):
    others = [each for each in endpoints(read_layers(ROOT / "openapi")) if each.operation.id != OPERATION]

    assert OPERATION not in text(change, METHODS)
    assert text(change, METHODS) == endpoint_methods(others)


def test_its_cassettes_are_removed_but_no_body_that_another_cassette_uses(change: Retirement):
    cassettes = ROOT / "cassettes"
    removed = {file for file in change.removed if cassettes in file.parents}
    shared = {
        digest
        for file in cassettes.glob("*/*.yaml")
        if file not in removed
        for digest in re.findall(r"blob: (\w{64})", file.read_text(encoding="utf-8"))
    }

    assert {*(cassettes / SLUG).iterdir()} <= removed
    assert {file.name for file in (cassettes / "blobs").iterdir()} - {file.name for file in removed} == shared


def test_only_the_overlay_actions_for_it_alone_are_removed(change: Retirement):
    assert change.actions == ("tile-sample-quotes-a-call", "tile-price")
    for layer, removed in (("observed", change.actions), ("sdk", ())):
        overlay = text(change, f"openapi/{layer}.overlay.yaml")
        before = (ROOT / "openapi" / f"{layer}.overlay.yaml").read_text(encoding="utf-8")
        assert not any(name in overlay for name in removed)
        assert overlay.count("x-id:") == before.count("x-id:") - len(removed)


def test_only_the_quirks_that_cite_no_other_action_are_removed(change: Retirement, tmp_path: Path):
    rows = tmp_path / "quirks.yaml"
    rows.write_text(text(change, "openapi/quirks.yaml"), encoding="utf-8")

    assert change.rows == ("tob64-inside-quotes",)
    before = read_rows(ROOT / "openapi")
    assert read_rows(tmp_path) == [row for row in before if row["name"] not in change.rows]


def test_no_overlay_target_names_it(change: Retirement):
    assert "Sd3MediumTile" not in text(change, "openapi/observed.overlay.yaml")
    assert "Sd3MediumTile" not in text(change, "openapi/sdk.overlay.yaml")
    assert "['Sd3MediumImg2Img', 'Sd35TurboTxt2Img'].properties.seed" in text(
        change, "openapi/observed.overlay.yaml"
    )


def test_the_changelog_gets_a_breaking_line(change: Retirement):
    assert f"- **Breaking:** `{OPERATION}` is gone.\n" in text(change, "CHANGELOG.md")


def test_readme_and_overlay_lose_its_row_and_its_price(change: Retirement):
    assert OPERATION not in text(change, "README.md")
    overlay = "openapi/observed.overlay.yaml"
    texts = ((ROOT / overlay).read_text(encoding="utf-8"), text(change, overlay))
    before, after = (each.count("x-usd-per-picture") for each in texts)
    assert before - after == 1


def test_hand_written_mentions_are_listed_with_their_lines(change: Retirement):
    mentions = [line for line in change.mentions if line.startswith("wrapper/segmind_sd3/_quirks.py:")]

    assert [line.partition(": ")[2] for line in mentions] == ['@_quirk("refusal", "tob64-inside-quotes")']


@pytest.mark.parametrize("slug", ["sd4", "", "../facts/sd3-med-tile"])
def test_an_unknown_endpoint_is_refused_and_the_known_ones_are_named(slug: str):
    with pytest.raises(CanNotRetire, match=f"There is no endpoint .*; there are .*{SLUG}"):
        plan_retirement(slug, ROOT)


def test_removing_an_action_keeps_every_other_line():
    overlay = "actions:\n  # one\n  - x-id: one\n    update: {}\n\n  # two\n  - x-id: two\n    update: {}\n"

    assert (
        remove_actions(overlay, ["one"], ()) == "actions:\n  # one\n  # two\n  - x-id: two\n    update: {}\n"
    )
    assert (
        remove_actions(overlay, ["two"], ())
        == "actions:\n  # one\n  - x-id: one\n    update: {}\n\n  # two\n"
    )
    assert remove_actions(overlay, [], ()) == overlay


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


def test_removing_a_citation_keeps_every_other_line():
    assert remove_citations(ROWS, ["b"]) == (ROWS.replace("      - b\n", ""), [])
    assert remove_citations(ROWS, ["a"]) == (
        "quirks:\n  # --- One\n  # --- Two\n  - name: two\n    actions:\n      - b\n",
        ["one"],
    )
    assert remove_citations(ROWS, []) == (ROWS, [])


# --- The command ------------------------------------------------------------------------------------------


def test_outside_a_checkout_the_exit_code_is_2(tmp_path: Path):
    refused = CliRunner().invoke(retire, [SLUG, "--root", str(tmp_path), "--yes"])

    assert refused.exit_code == 2
    assert "name one with --root" in refused.output
