"""What `segmind-sd3 docs check` says where pages and specs differ, and where a page contradicts itself."""

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
from segmind_sd3._quirks import QUIRKS
from segmind_sd3_contract.oracle import carried
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
    """A folder with the specs of this checkout and the scripts that read them."""
    shutil.copytree(OPENAPI, tmp_path / "openapi", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


@pytest.fixture
def follow(checkout: Path) -> Callable[[str], dict[str, Any]]:
    """Lets the kept facts be those of a page, and its spec name it; gives them."""

    def followed(text: str) -> dict[str, Any]:
        facts = read_page(text)
        kept = FACTS[facts["slug"]]
        spec = checkout / "openapi" / f"{facts['slug']}.yaml"
        said = spec.read_text(encoding="utf-8").replace(kept["digest"], facts["digest"])
        for name, value in kept["sample"]["values"].items():
            if facts["sample"]["values"][name] != value:
                said = said.replace(value, facts["sample"]["values"][name])
        spec.write_text(said, encoding="utf-8")
        (checkout / "openapi" / "facts" / f"{facts['slug']}.json").write_text(json.dumps(facts))
        return facts

    return followed


def run(*arguments: object) -> Result:
    return CliRunner().invoke(check, [str(each) for each in arguments])


def page(folder: Path, text: str, name: str = "page.txt") -> Path:
    file = folder / name
    file.write_bytes(text.encode())
    return file


# --- The pages as they are --------------------------------------------------------------------------------


@needs_saved_pages
def test_the_saved_pages_and_the_specs_say_the_same():
    specs = carried("documented")
    attributes = sum(len(each.get("properties", ())) for each in specs["components"]["schemas"].values())
    statuses = sum(len(each["post"]["responses"]) for each in specs["paths"].values())

    ran = run(*SAVED_PAGES, "--root", ROOT)

    assert ran.exit_code == 0, ran.output
    told = f"{len(SAVED_PAGES)} pages, {attributes} attributes, {statuses} status lines: 0 differences."
    assert told in ran.output


@each_page
def test_a_page_that_was_followed_differs_in_nothing(
    slug: str, checkout: Path, follow: Callable[[str], dict[str, Any]]
):
    text = page_text(FACTS[slug])
    follow(text)

    ran = run(page(checkout, text), "--root", checkout)

    assert ran.exit_code == 0, ran.output


# --- Pages and specs that differ --------------------------------------------------------------------------


def test_a_difference_is_told_with_both_values_and_the_line_of_the_spec(
    checkout: Path, follow: Callable[[str], dict[str, Any]]
):
    text = page_text(TURBO)
    follow(text)
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


def test_as_json_the_same_is_data(checkout: Path, follow: Callable[[str], dict[str, Any]]):
    text = page_text(TURBO)
    follow(text)

    ran = run(page(checkout, text.replace("min : 10", "min : 12", 1)), "--root", checkout, "--json")

    (told,) = json.loads(ran.output)
    assert told["slug"] == TURBO["slug"]
    assert {"fact": "attributes.steps.min", "page": "12", "spec": "10"}.items() <= told["differences"][
        0
    ].items()
    assert told["contradictions"][0]["row"] == "steps-default-below-minimum"


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
def test_a_difference_is_told_where_the_spec_says_it(fact: str, old: str, new: str, line: str | None):
    text = page_text(TURBO)
    assert old in text
    rows = {row.fact: row for row in located_differences(read_page(text.replace(old, new, 1)), OPENAPI)}

    place = rows[fact].place
    assert line is None or place.file.read_text(encoding="utf-8").splitlines()[place.line - 1] == line


def test_a_page_of_a_new_endpoint_differs_in_having_no_spec(checkout: Path):
    text = page_text(TURBO).replace("stable-diffusion-3.5-turbo-txt2img", "stable-diffusion-4")

    ran = run(page(checkout, text), "--root", checkout)

    assert ran.exit_code == 1
    assert "1 difference." in ran.output


def test_what_a_spec_says_beyond_the_page_is_told(checkout: Path):
    spec = checkout / "openapi" / f"{TURBO['slug']}.yaml"
    said = spec.read_text(encoding="utf-8")
    spec.write_text(
        said.replace("minimum: 10\n", "minimum: 10\n          multipleOf: 2\n", 1), encoding="utf-8"
    )

    rows = {row.fact: (row.page, row.spec) for row in located_differences(TURBO, checkout / "openapi")}

    assert rows == {"attributes.steps.multiple_of": (None, '"2"')}


def test_a_section_that_nobody_knows_is_told(checkout: Path, follow: Callable[[str], dict[str, Any]]):
    text = page_text(TURBO)
    follow(text)
    changed = text.replace("Attributes", "Rate Limits\n\nFive calls a minute.\n\nAttributes", 1)

    ran = run(page(checkout, changed), "--root", checkout)

    assert ran.exit_code == 1
    assert "prose.Rate Limits" in ran.output
    assert "words that nobody has read yet" in ran.output


# --- Every fact -------------------------------------------------------------------------------------------


@each_page
def test_every_change_of_one_fact_of_a_page_is_seen_for_what_it_is(slug: str):
    tally = proof.try_page_mutants(FACTS[slug])

    assert tally.survivors == ()


def test_there_are_enough_changes_to_pages():
    pages = [page_text(facts) for facts in FACTS.values()]
    mutants = [each for text in pages for each in page_mutants(text, read_page(text))]

    assert len(mutants) >= 550
    assert len({(each.text, each.fact) for each in mutants}) == len(mutants)


def test_changes_of_one_fact_of_a_spec_are_seen_for_what_they_are():
    # `make prove WHAT=pages` tries many times as many.
    for number, facts in enumerate(FACTS.values()):
        tally = proof.try_spec_mutants(facts, among=range(number, number + 1), round_of=30)
        assert (tally.survivors, tally.tried > 0) == ((), True)


def test_there_are_enough_changes_to_specs():
    mutants = [
        each for slug in FACTS for every in (spec_mutants, shared_mutants) for each in every(OPENAPI, slug)
    ]

    assert len(mutants) * proof.SHARE / proof.ROUND >= 300
    assert len({(each.slug, each.file, each.text) for each in mutants}) == len(mutants)


def test_a_change_that_is_not_seen_survives(monkeypatch: pytest.MonkeyPatch):
    # pyright can't know that the check is blinded here: it is what the proof would have to notice.
    monkeypatch.setattr(proof, "differing", lambda _facts, _folder: [])  # pyright: ignore[reportUnknownArgumentType, reportUnknownLambdaType] - as above

    tally = proof.try_page_mutants(FACTS["sd3-med-tile"])

    assert len(tally.survivors) == tally.tried > 0


# --- Contradictions ---------------------------------------------------------------------------------------


@each_page
def test_each_contradiction_of_a_page_is_answered(slug: str):
    assert [each for each in contradictions(FACTS[slug]) if each.row is None] == []


def test_every_answer_is_a_row_of_the_quirk_table():
    assert {*ROWS.values()} <= QUIRKS.keys()


def test_no_answer_is_left_without_its_contradiction():
    assert unused_rows(FACTS.values()) == set()
    assert "steps-default-below-minimum" in unused_rows(
        facts for slug, facts in FACTS.items() if slug != TURBO["slug"]
    )


def with_attribute(sample: Any = None, **said: Any) -> dict[str, Any]:
    attribute = {"name": "it", **said}
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
        (with_attribute(type="boolean", default="1"), []),
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
    assert [each.what for each in contradictions(facts)] == what


def test_a_contradiction_without_a_row_is_told(checkout: Path):
    text = page_text(TURBO).replace("( default: 95 )", "( default: 5 )")

    ran = run(page(checkout, text), "--root", checkout)

    assert "1 contradiction without a row in quirks.py." in ran.output


# --- Pages that can't be read -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "line 1"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "no text in UTF-8"),
        (b"x" * 20_000_000, "800,000 bytes"),
        (b"Weather in Rome\n\nSunny", "method"),
        (page_text(TURBO)[: len(page_text(TURBO)) // 2].encode(), "expected"),
    ],
    ids=["empty", "binary", "20 MB", "another site", "cut"],
)
def test_a_page_that_cannot_be_read_is_named_and_ends_with_2(checkout: Path, content: bytes, told: str):
    file = checkout / "page.txt"
    file.write_bytes(content)

    ran = run(file, "--root", checkout)

    assert ran.exit_code == 2
    assert str(file) in ran.output
    assert told in ran.output


@pytest.mark.parametrize("where", ["no-file.txt", "openapi"], ids=["none", "a folder"])
def test_a_file_that_cannot_be_opened_is_named(checkout: Path, where: str):
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


def test_a_spec_that_cannot_be_read_is_named(checkout: Path):
    spec = checkout / "openapi" / f"{TURBO['slug']}.yaml"
    spec.write_text("openapi: [", encoding="utf-8")

    ran = run(page(checkout, page_text(TURBO)), "--root", checkout)

    assert ran.exit_code == 2
    assert spec.name in ran.output
