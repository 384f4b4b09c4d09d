"""A second page of a model, in another layout: its facts stand beside those of the first.

What it says beyond the first enters the observed overlay; where the two differ, it is reported.
"""

import json
import shutil
from collections.abc import Callable, Iterable
from copy import deepcopy
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from proofs.pages.fact_mutants import in_layout
from proofs.pages.models_to_client import MODELS, facts_of
from segmind_sd3_pipeline.generate.parameters import Endpoint, endpoints
from segmind_sd3_pipeline.pages.check_command import check
from segmind_sd3_pipeline.pages.contract import write_files
from segmind_sd3_pipeline.pages.facts import all_recorded_facts
from segmind_sd3_pipeline.pages.page import read_page
from segmind_sd3_pipeline.pages.page_writer import LAYOUTS
from segmind_sd3_pipeline.pages.second_page import usd_of
from segmind_sd3_pipeline.pages.spec_editor import CanNotSync
from segmind_sd3_pipeline.pages.sync import plan_sync
from segmind_sd3_pipeline.pages.sync_command import sync
from segmind_sd3_pipeline.spec.documents import read
from segmind_sd3_pipeline.spec.layers import Layers, read_layers

pytestmark = pytest.mark.slow

OPENAPI = Path(__file__).parents[2] / "openapi"
RECORDED = {facts["slug"]: facts for facts in all_recorded_facts(OPENAPI)}
TURBO = "stable-diffusion-3.5-turbo-txt2img"
LARGE = "stable-diffusion-3-large-img2img"
DAY = date(2027, 1, 2)

Facts = dict[str, Any]
Edit = Callable[[Facts], object]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Copy the contract."""
    shutil.copytree(
        OPENAPI, tmp_path / "openapi", ignore=shutil.ignore_patterns("*.py", "__pycache__", "second")
    )
    return tmp_path / "openapi"


def in_n(slug: str, edit: Edit = lambda _: None) -> Facts:
    """Return the facts of a page in the layout N that says what the recorded page says, with an edit."""
    facts = deepcopy(in_layout(RECORDED[slug], "N"))
    for each in facts["attributes"]:
        each.pop("allowed_values", None)
        each.pop("values_more", None)
    edit(facts)
    return facts


def parameter(facts: Facts, name: str) -> Facts:
    return next(each for each in facts["attributes"] if each["name"] == name)


def changing(name: str, **changes: Any) -> Edit:
    def edit(facts: Facts) -> None:
        attribute = parameter(facts, name)
        attribute |= changes
        for fact in [fact for fact, value in attribute.items() if value is None]:
            del attribute[fact]

    return edit


def without_seed(facts: Facts) -> None:
    facts["attributes"].remove(parameter(facts, "seed"))
    del facts["sample"]["values"]["seed"]


def rows(facts: Facts, folder: Path) -> dict[str, tuple[object, object, str]]:
    """Return the rows of the comparison: first page, second page, outcome."""
    (comparison,) = plan_sync([facts], folder, saved_on=DAY).seconds.values()
    return {row.fact: (row.first, row.second, row.outcome) for row in comparison.rows}


def taken_in(facts: Facts, folder: Path) -> Layers:
    write_files(plan_sync([facts], folder, saved_on=DAY).texts)
    return read_layers(folder)


OF_EVERY_N_PAGE = {"operation.returns", "operation.seconds", "operation.price", "operation.x-usd-per-picture"}


@pytest.mark.parametrize("slug", sorted(set(RECORDED) - {LARGE}))
def test_a_second_page_that_says_the_same_adds_its_price_and_seconds_alone(slug: str, folder: Path):
    assert rows(in_n(slug), folder).keys() == OF_EVERY_N_PAGE


def with_status_451(facts: Facts) -> None:
    facts["statuses"].append({"code": 451, "name": "Legal", "description": ""})


def with_another_name_of_401(facts: Facts) -> None:
    facts["statuses"][0]["name"] = "No Key"


def with_clip_skip(facts: Facts) -> None:
    facts["attributes"].append({"name": "clip_skip", "type": "integer"})


def with_the_known_price(facts: Facts) -> None:
    facts["price"] = "$0.0035"


Difference = tuple[str, Edit, str, tuple[object, ...] | None]

DIFFERENCES: Iterable[Difference] = [
    (TURBO, changing("guidance_scale", default="2"), "guidance_scale.default", (1, 2, "put beside")),
    (
        TURBO,
        changing("guidance_scale", default=None, no_default="null"),
        "guidance_scale.default",
        (1, None, "put beside"),
    ),
    (TURBO, changing("guidance_scale", default=None), "guidance_scale.default", (1, None, "by hand")),
    (LARGE, changing("prompt", default=None, no_default="null"), "prompt.omitted", None),
    (LARGE, changing("prompt", default="a fox"), "prompt.default", (1, "a fox", "added")),
    (TURBO, changing("seed", min="0"), "seed.minimum", (None, 0, "added")),
    (TURBO, changing("width", min="128"), "width.minimum", (64, 128, "put beside")),
    (TURBO, changing("steps", min="5"), "steps.minimum", (10, 5, "by hand")),
    (TURBO, changing("steps", min="1"), "steps.minimum", None),
    (TURBO, changing("width", type="number"), "width.type", ("integer", "number", "by hand")),
    (
        TURBO,
        changing("sampler", allowed_values=["dpmpp_2m", "euler"]),
        "sampler.values",
        (("dpmpp_2m",), ["euler"], "added"),
    ),
    (
        LARGE,
        changing("image", required=None),
        "body.required",
        (["mode", "image"], ["mode"], "put beside"),
    ),
    (TURBO, changing("sampler", required=None), "body.required", None),
    (
        TURBO,
        with_status_451,
        "replies.451",
        (None, {"description": "Legal."}, "added"),
    ),
    (
        TURBO,
        with_another_name_of_401,
        "replies.401",
        ({"$ref": "#/components/responses/Unauthorized"}, "No Key", "by hand"),
    ),
    (
        TURBO,
        with_clip_skip,
        "clip_skip",
        (None, "integer", "by hand"),
    ),
    (
        TURBO,
        without_seed,
        "seed",
        ("integer", None, "by hand"),
    ),
    (TURBO, with_the_known_price, "operation.x-usd-per-picture", None),
]


@pytest.mark.parametrize(("slug", "edit", "fact", "expected"), DIFFERENCES)
def test_a_difference_is_in_a_row_of_its_own(
    slug: str, edit: Edit, fact: str, expected: tuple[object, ...] | None, folder: Path
):
    found = rows(in_n(slug, edit), folder)

    if expected is None:
        assert found.get(fact, ("", "", "by hand"))[2] != "added"
    else:
        assert found[fact] == expected


def test_what_is_taken_in_is_observed_at_grade_vendor_beside_what_is_documented(folder: Path):
    before = read_layers(folder).documented

    layers = taken_in(in_n(TURBO, changing("width", min="128")), folder)

    width = layers.observed["components"]["schemas"]["Sd35TurboTxt2Img"]["properties"]["width"]
    assert layers.documented == before
    assert (width["minimum"], width["x-observed"]) == (64, {"minimum": 128, "x-grade": "vendor"})


def test_every_action_names_the_page_that_it_came_from(folder: Path):
    facts = in_n(TURBO, changing("width", min="128"))
    taken_in(facts, folder)

    own = [
        action
        for action in read(folder / "observed.overlay.yaml")["actions"]
        if action["x-id"].startswith("second-page-sd35_turbo_txt2img:")
    ]
    assert len(own) == 2
    assert {action["x-grade"] for action in own} == {"vendor"}
    assert all(
        f"layout N, saved 2027-01-02 ({facts['digest'][:19]})" in action["x-evidence"] for action in own
    )


def test_a_page_that_was_taken_in_changes_nothing_when_it_is_taken_in_again(folder: Path):
    facts = in_n(TURBO, changing("width", min="128"))
    taken_in(facts, folder)

    assert plan_sync([facts], folder).texts == {}


def test_a_changed_second_page_replaces_the_actions_of_the_earlier_one(folder: Path):
    taken_in(in_n(TURBO, changing("width", min="128")), folder)

    layers = taken_in(in_n(TURBO, changing("height", min="256")), folder)

    properties = layers.observed["components"]["schemas"]["Sd35TurboTxt2Img"]["properties"]
    assert "x-observed" not in properties["width"]
    assert properties["height"]["x-observed"]["minimum"] == 256


def test_a_first_page_that_now_says_the_same_takes_the_action_away(folder: Path):
    taken_in(in_n(TURBO, changing("guidance_scale", max="20")), folder)
    first = deepcopy(RECORDED[TURBO])
    parameter(first, "guidance_scale")["max"] = "20"

    layers = taken_in(first, folder)

    scale = layers.observed["components"]["schemas"]["Sd35TurboTxt2Img"]["properties"]["guidance_scale"]
    assert (scale["maximum"], "x-observed" in scale) == (20, False)


def test_a_page_of_another_address_is_refused(folder: Path):
    with pytest.raises(CanNotSync, match="not of one endpoint"):
        plan_sync([in_n(TURBO, lambda facts: facts.update(url="https://example.org/v1/x"))], folder)


def test_two_pages_in_one_family_of_layouts_are_refused(folder: Path):
    with pytest.raises(CanNotSync, match="one family of layouts"):
        plan_sync([in_n(TURBO), in_n(TURBO)], folder)


@pytest.mark.parametrize(
    ("printed", "usd"),
    [
        ("~$0.003", 0.003),
        ("$0.01 per generation", 0.01),
        ("$0.01 - $0.05 per generation", 0.05),
        ("~$0", None),
        (None, None),
    ],
)
def test_the_highest_price_on_a_page_counts_and_0_is_unknown(printed: str | None, usd: float | None):
    assert usd_of({"price": printed} if printed else {}) == usd


# -- Two pages of a new model ------------------------------------------------------------------------------


def shape(endpoint: Endpoint) -> list[tuple[object, ...]]:
    """Return what a client's method takes and sends."""
    return [
        (each.name, each.kind, each.required, each.minimum, each.maximum, each.sdk_default)
        for each in sorted(endpoint.parameters, key=lambda each: each.name)
    ]


def client_of(pages: list[Facts], folder: Path) -> list[tuple[object, ...]]:
    before = {each.operation.id for each in endpoints(read_layers(folder))}
    (made,) = (each for each in endpoints(taken_in_all(pages, folder)) if each.operation.id not in before)
    return shape(made)


def taken_in_all(pages: list[Facts], folder: Path) -> Layers:
    write_files(plan_sync(pages, folder, saved_on=DAY).texts)
    return read_layers(folder)


@pytest.mark.parametrize(
    ("old", "new", "model"),
    [
        pytest.param(old, new, model, id=f"{old}-{new}-{model.slug}", marks=marks)
        for old, new in (("A-titled", "N"), ("B", "N2"))
        for model in MODELS
        for marks in ([pytest.mark.thorough] if old == "B" or model not in MODELS[::3] else [],)
    ],
)
def test_an_old_and_a_new_page_make_the_same_client_as_either(model: Any, old: str, new: str, folder: Path):
    like = RECORDED["sd3-med-tile"]
    one, other = (
        read_page(LAYOUTS[layout](in_layout(facts_of(model, like), layout))) for layout in (old, new)
    )
    folders = [shutil.copytree(folder, folder.with_name(name)) for name in ("one", "other", "both")]

    first, second, both = (
        client_of(pages, each) for pages, each in zip(([one], [other], [other, one]), folders, strict=True)
    )

    assert first == second == both


# -- The commands ------------------------------------------------------------------------------------------


def written(facts: Facts, folder: Path) -> str:
    page = folder.parent / f"{facts.get('layout', 'A')}.txt"
    page.write_text(LAYOUTS[facts.get("layout", "A-titled")](facts), "utf-8")
    return str(page)


def test_sync_shows_both_values_and_asks_before_it_writes(folder: Path):
    page = written(in_n(TURBO, changing("width", min="128")), folder)
    before = (folder / "observed.overlay.yaml").read_bytes()

    declined = CliRunner().invoke(sync, [page, "--root", str(folder.parent)], input="n\n")

    assert declined.exit_code == 1
    row = next(line for line in declined.output.splitlines() if "width.minimum" in line)
    assert [cell.strip() for cell in row.split("│")[1:4]] == ["width.minimum", "64", "128"]
    assert (folder / "observed.overlay.yaml").read_bytes() == before


def test_check_notices_a_second_page_until_it_is_taken_in(folder: Path):
    page = written(in_n(TURBO, changing("width", min="128")), folder)
    root = ["--root", str(folder.parent)]

    before = CliRunner().invoke(check, [page, *root])
    written_out = CliRunner().invoke(sync, [page, *root, "--yes"])
    after = CliRunner().invoke(check, [page, *root])

    assert (before.exit_code, written_out.exit_code, after.exit_code) == (1, 0, 0), written_out.output
    assert "width.minimum" in before.output


def test_check_notices_a_statement_that_a_second_page_no_longer_has(folder: Path):
    root = ["--root", str(folder.parent)]
    CliRunner().invoke(
        sync, [written(in_n(TURBO, changing("seed", min="0", max="9")), folder), *root, "--yes"]
    )

    after = CliRunner().invoke(check, [written(in_n(TURBO), folder), *root])

    assert after.exit_code == 1
    assert "attributes.seed.min" in after.output


def test_check_lists_what_is_left_to_a_person_as_json_too(folder: Path):
    page = written(in_n(TURBO, without_seed), folder)

    said = CliRunner().invoke(check, [page, "--json", "--root", str(folder.parent)])

    (result,) = json.loads(said.output)
    assert {
        "fact": "seed",
        "first": "integer",
        "second": None,
        "outcome": "by hand",
        "reason": "the page has no such parameter",
    } in result["second_page"]
