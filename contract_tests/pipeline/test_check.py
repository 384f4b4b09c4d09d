"""`segmind-sd3 docs check`: differences between pages and specs, and contradictions within a page."""

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from proofs.pages import check as proof
from proofs.pages.page_mutants import page_mutants
from proofs.pages.spec_mutants import shared_mutants, spec_mutants
from segmind_sd3_contract.oracle import carried
from segmind_sd3_contract.quirks import quirks
from segmind_sd3_pipeline.pages.check_command import check
from segmind_sd3_pipeline.pages.comparison import located_differences
from segmind_sd3_pipeline.pages.contradictions import ROWS, contradictions, unused_rows
from segmind_sd3_pipeline.pages.facts import all_recorded_facts
from segmind_sd3_pipeline.pages.page import read_page
from segmind_sd3_pipeline.pages.page_writer import page_text

ROOT = Path(__file__).parents[2]
OPENAPI = ROOT / "openapi"
SAVED_PAGES = sorted((ROOT.parent / "shared" / "docs").glob("*.txt"))
FACTS: dict[str, dict[str, Any]] = {each["slug"]: each for each in all_recorded_facts(OPENAPI)}
TURBO = FACTS["stable-diffusion-3.5-turbo-txt2img"]

each_page = pytest.mark.parametrize("slug", FACTS)
needs_saved_pages = pytest.mark.skipif(not SAVED_PAGES, reason="the saved pages are not beside this checkout")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Copy the specs of this checkout into a folder."""
    shutil.copytree(OPENAPI, tmp_path / "openapi", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


@pytest.fixture
def record(checkout: Path) -> Callable[[str], dict[str, Any]]:
    """Return a function that records a page in the checkout's facts and puts its digests into the spec."""

    def record_page(text: str) -> dict[str, Any]:
        facts = read_page(text)
        recorded = FACTS[facts["slug"]]
        spec = checkout / "openapi" / f"{facts['slug']}.yaml"
        spec_text = spec.read_text(encoding="utf-8").replace(recorded["digest"], facts["digest"])
        for name, value in recorded["sample"]["values"].items():
            if facts["sample"]["values"][name] != value:
                spec_text = spec_text.replace(value, facts["sample"]["values"][name])
        spec.write_text(spec_text, encoding="utf-8")
        (checkout / "openapi" / "facts" / f"{facts['slug']}.json").write_text(json.dumps(facts))
        return facts

    return record_page


def run(*arguments: object) -> Result:
    return CliRunner().invoke(check, [str(each) for each in arguments])


def page(folder: Path, text: str, name: str = "page.txt") -> Path:
    file = folder / name
    file.write_bytes(text.encode())
    return file


# --- The pages as they are --------------------------------------------------------------------------------


@needs_saved_pages
def test_the_saved_pages_and_the_specs_agree():
    specs = carried("documented")
    attributes = sum(len(each.get("properties", ())) for each in specs["components"]["schemas"].values())
    statuses = sum(len(each["post"]["responses"]) for each in specs["paths"].values())

    ran = run(*SAVED_PAGES, "--root", ROOT)

    assert ran.exit_code == 0, ran.output
    summary = f"{len(SAVED_PAGES)} pages, {attributes} attributes, {statuses} status lines: 0 differences."
    assert summary in ran.output


@each_page
def test_a_recorded_page_has_no_differences(
    slug: str, checkout: Path, record: Callable[[str], dict[str, Any]]
):
    text = page_text(FACTS[slug])
    record(text)

    ran = run(page(checkout, text), "--root", checkout)

    assert ran.exit_code == 0, ran.output


# --- Pages and specs that differ --------------------------------------------------------------------------


def test_a_difference_is_printed_with_both_values_and_the_line_of_the_spec(
    checkout: Path, record: Callable[[str], dict[str, Any]]
):
    text = page_text(TURBO)
    record(text)
    spec = checkout / "openapi" / f"{TURBO['slug']}.yaml"
    lines = spec.read_text(encoding="utf-8").splitlines()
    line = lines.index("          minimum: 10") + 1

    ran = run(page(checkout, text.replace("min : 10", "min : 12", 1)), "--root", checkout)

    assert ran.exit_code == 1
    (row,) = (each for each in ran.output.splitlines() if "attributes.steps.min" in each)
    assert [cell.strip() for cell in row.split("│")[2:-1]] == [
        "attributes.steps.min",
        '"12"',
        '"10"',
        f"{spec}:{line}",
    ]
    assert f"docs sync {checkout / 'page.txt'}" in ran.output


def test_json_output_has_differences_and_contradictions(
    checkout: Path, record: Callable[[str], dict[str, Any]]
):
    text = page_text(TURBO)
    record(text)

    ran = run(page(checkout, text.replace("min : 10", "min : 12", 1)), "--root", checkout, "--json")

    (result,) = json.loads(ran.output)
    assert result["slug"] == TURBO["slug"]
    assert {"fact": "attributes.steps.min", "page": "12", "spec": "10"}.items() <= result["differences"][
        0
    ].items()
    assert result["contradictions"][0]["row"] == "steps-default-below-minimum"


@pytest.mark.parametrize(
    ("fact", "old", "new", "line"),
    [
        ("attributes.steps.default", "( default: 4 )", "( default: 5 )", "          x-documented-default: 4"),
        (
            "attributes.sampler.required",
            "samplerenum:str *",
            "samplerenum:str",
            "      required: [prompt, sampler, scheduler]",
        ),
        (
            "attributes.seed.max",
            "The words on seed",
            "The words on seed\n\nmax : 9",
            "        seed:",
        ),
        ("statuses.404.name", "404 - Not Found", "404 - Gone", "      x-documented-name: Not Found"),
        ("statuses", "404 - Not Found", "403 - Not Found", "      responses:"),
        ("sample.steps", '"steps": 4', '"steps": 5', "          steps: 4"),
        ("reply", "image/jpeg", "image/png", "            image/jpeg: {}"),
        ("headers", "x-remaining-credits", "x-credits", None),
        ("auth_header", "'x-api-key'", "'x-key'", None),
        ("attributes", "stepsint", "step_countint", "      properties:"),
        ("method", "POST", "PUT", "    post:"),
    ],
)
def test_a_difference_has_the_line_of_the_spec_that_states_it(
    fact: str, old: str, new: str, line: str | None
):
    text = page_text(TURBO)
    assert old in text
    rows = {row.fact: row for row in located_differences(read_page(text.replace(old, new, 1)), OPENAPI)}

    place = rows[fact].place
    assert line is None or place.file.read_text(encoding="utf-8").splitlines()[place.line - 1] == line


def test_a_page_without_a_spec_has_one_difference(checkout: Path):
    text = page_text(TURBO).replace("stable-diffusion-3.5-turbo-txt2img", "stable-diffusion-4")

    ran = run(page(checkout, text), "--root", checkout)

    assert ran.exit_code == 1
    assert "1 difference." in ran.output


def test_a_rule_that_only_the_spec_has_is_a_difference(checkout: Path):
    spec = checkout / "openapi" / f"{TURBO['slug']}.yaml"
    text = spec.read_text(encoding="utf-8")
    spec.write_text(
        text.replace("minimum: 10\n", "minimum: 10\n          multipleOf: 2\n", 1), encoding="utf-8"
    )

    rows = {row.fact: (row.page, row.spec) for row in located_differences(TURBO, checkout / "openapi")}

    assert rows == {"attributes.steps.multiple_of": (None, '"2"')}


def test_an_unknown_section_is_a_difference(checkout: Path, record: Callable[[str], dict[str, Any]]):
    text = page_text(TURBO)
    record(text)
    changed = text.replace("Attributes", "Rate Limits\n\nFive calls a minute.\n\nAttributes", 1)

    ran = run(page(checkout, changed), "--root", checkout)

    assert ran.exit_code == 1
    assert "prose.Rate Limits" in ran.output
    assert "new text" in ran.output


# --- Every fact -------------------------------------------------------------------------------------------


@pytest.mark.slow
@each_page
def test_every_page_mutant_is_reported_as_the_changed_fact(slug: str):
    tally = proof.try_page_mutants(FACTS[slug])

    assert tally.survivors == ()


def test_there_are_at_least_550_distinct_page_mutants():
    pages = [page_text(facts) for facts in FACTS.values()]
    mutants = [each for text in pages for each in page_mutants(text, read_page(text))]

    assert len(mutants) >= 550
    assert len({(each.text, each.fact) for each in mutants}) == len(mutants)


def test_a_sample_of_spec_mutants_is_reported_as_the_changed_fact():
    # `make prove WHAT=pages` tries many more.
    for number, facts in enumerate(FACTS.values()):
        tally = proof.try_spec_mutants(facts, among=range(number, number + 1), round_of=30)
        assert (tally.survivors, tally.tried > 0) == ((), True)


def test_the_proof_tries_at_least_300_distinct_spec_mutants():
    mutants = [
        each for slug in FACTS for every in (spec_mutants, shared_mutants) for each in every(OPENAPI, slug)
    ]

    assert len(mutants) * proof.SHARE / proof.ROUND >= 300
    assert len({(each.slug, each.file, each.text) for each in mutants}) == len(mutants)


def test_a_mutant_that_the_check_does_not_report_survives(monkeypatch: pytest.MonkeyPatch):
    # A check that reports nothing: every mutant must survive.
    monkeypatch.setattr(proof, "page_differences", lambda _facts, _folder: [])  # pyright: ignore[reportUnknownArgumentType, reportUnknownLambdaType] - as above

    tally = proof.try_page_mutants(FACTS["sd3-med-tile"])

    assert len(tally.survivors) == tally.tried > 0


# --- Contradictions ---------------------------------------------------------------------------------------


@each_page
def test_each_contradiction_of_a_page_has_a_quirk_row(slug: str):
    assert [each for each in contradictions(FACTS[slug], quirks()) if each.row is None] == []


def test_every_row_for_a_contradiction_is_in_quirks_yaml():
    assert {*ROWS.values()} <= quirks().keys()


def test_every_row_for_a_contradiction_is_used():
    assert unused_rows(FACTS.values()) == set()
    assert "steps-default-below-minimum" in unused_rows(
        facts for slug, facts in FACTS.items() if slug != TURBO["slug"]
    )


def with_attribute(sample: Any = None, **facts: Any) -> dict[str, Any]:
    attribute = {"name": "it", **facts}
    values = {} if sample is None else {"it": sample}
    return {**TURBO, "attributes": [attribute], "sample": {"language": "python", "values": values}}


@pytest.mark.parametrize(
    ("facts", "what"),
    [
        (with_attribute(type="int", default="4", min="5"), ["default outside its bounds"]),
        (with_attribute(type="float", default="0.3", multiple_of="0.1", max="0.3"), []),
        (with_attribute(type="int", default="4", multiple_of="8"), ["default outside its bounds"]),
        (with_attribute(9, type="int", max="8"), ["sample outside its bounds"]),
        (with_attribute(type="int", default="four"), ["default of another type"]),
        (with_attribute(type="int", default="4.5"), ["default of another type"]),
        (with_attribute(type="float", default="4.5"), []),
        (with_attribute(type="str", default="None"), ["default of another type"]),
        (with_attribute(type="str", default="a 1"), []),
        (with_attribute(type="boolean", default="2"), ["default of another type"]),
        (with_attribute(type="boolean", default="true"), []),
        (with_attribute(type="boolean", default="1"), ["default that may be none"]),
        (with_attribute(False, type="boolean", default="1"), ["default that may be none"]),  # noqa: FBT003 - a value
        (with_attribute(True, type="boolean", default="1"), ["default that may be none"]),  # noqa: FBT003 - a value
        (with_attribute("a cat", type="str", default="1"), ["default that may be none"]),
        (with_attribute(type="int", default="1", min="10"), ["default that may be none"]),
        (with_attribute(0.7, type="float", default="1"), ["default that may be none"]),
        (with_attribute(1, type="float", default="1"), []),
        (
            with_attribute(1, type="int", default="1", min="10"),
            ["default outside its bounds", "sample outside its bounds"],
        ),
        (with_attribute(type="enum:str", default="a", allowed_values=[]), ["enum without values"]),
        (with_attribute(type="enum:str", default="a", allowed_values=["b"]), ["default outside its values"]),
        (with_attribute("a", type="enum:str", allowed_values=["b"]), ["sample outside its values"]),
        (with_attribute("toB64('x')", type="image"), ["code inside quotes"]),
        (with_attribute({"code": "toB64('x.png')"}, type="image"), []),
        (with_attribute({"code": "toB64('https://x')"}, type="image"), ["address opened as a file"]),
        (
            with_attribute(type="enum:str", required=True, allowed_values=[]),
            ["enum without values", "required, and nothing to choose from"],
        ),
    ],
)
def test_a_contradiction_is_found(facts: dict[str, Any], what: Sequence[str]):
    assert [each.what for each in contradictions(facts, ())] == what


def test_a_contradiction_without_a_quirk_row_is_reported(checkout: Path):
    text = page_text(TURBO).replace("( default: 95 )", "( default: 5 )")

    ran = run(page(checkout, text), "--root", checkout)

    assert "1 contradiction without a row in quirks.yaml." in ran.output


def test_a_contradiction_whose_row_is_not_in_quirks_yaml_has_no_row(checkout: Path):
    rows = checkout / "openapi" / "quirks.yaml"
    rows.write_text(rows.read_text("utf-8").replace("name: mode-without-values", "name: another"), "utf-8")
    text = page_text(FACTS["stable-diffusion-3-large-img2img"])

    ran = run(page(checkout, text), "--root", checkout)

    assert "1 contradiction without a row in quirks.yaml." in ran.output


# --- Pages that can't be read -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "line 1"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "not UTF-8 text"),
        (b"x" * 20_000_000, "800,000 bytes"),
        (b"Weather in Rome\n\nSunny", "in no layout that is known"),
        (page_text(TURBO)[: len(page_text(TURBO)) // 2].encode(), "expected"),
    ],
    ids=["empty", "binary", "20 MB", "another site", "cut"],
)
def test_an_unreadable_page_is_named_and_the_exit_code_is_2(checkout: Path, content: bytes, message: str):
    file = checkout / "page.txt"
    file.write_bytes(content)

    ran = run(file, "--root", checkout)

    assert ran.exit_code == 2
    assert str(file) in ran.output
    assert message in ran.output


@pytest.mark.parametrize("where", ["no-file.txt", "openapi"], ids=["none", "a folder"])
def test_a_missing_file_or_a_folder_is_named(checkout: Path, where: str):
    ran = run(checkout / where, "--root", checkout)

    assert ran.exit_code == 2
    assert where in ran.output


def test_two_pages_of_one_endpoint_are_refused(checkout: Path):
    files = [page(checkout, page_text(TURBO), name) for name in ("one.txt", "two.txt")]

    ran = run(*files, "--root", checkout)

    assert ran.exit_code == 2
    assert "one.txt" in ran.output
    assert "two.txt" in ran.output


def test_a_folder_without_specs_is_refused(tmp_path: Path):
    ran = run(page(tmp_path, page_text(TURBO)), "--root", tmp_path)

    assert ran.exit_code == 2
    assert "--root" in ran.output


def test_an_unreadable_spec_is_named(checkout: Path):
    spec = checkout / "openapi" / f"{TURBO['slug']}.yaml"
    spec.write_text("openapi: [", encoding="utf-8")

    ran = run(page(checkout, page_text(TURBO)), "--root", checkout)

    assert ran.exit_code == 2
    assert spec.name in ran.output
