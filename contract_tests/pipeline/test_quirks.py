"""quirks.yaml in the pipeline: rows are complete, cited actions exist, and nothing is repeated."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from segmind_sd3_pipeline.generate.generator import make
from segmind_sd3_pipeline.spec.documents import ContractError, read
from segmind_sd3_pipeline.spec.quirks import read_quirks

OPENAPI = Path(__file__).parents[2] / "openapi"
PACKAGED = Path(__file__).parents[2] / "generated_client" / "segmind_sd3_api" / "quirks.json"

Rows = list[dict[str, Any]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(
        shutil.copytree(OPENAPI, tmp_path / "openapi", ignore=shutil.ignore_patterns("*.py", "*.pyc"))
    )


def write(folder: Path, content: object) -> None:
    (folder / "quirks.yaml").write_text(json.dumps(content), encoding="utf-8")


def test_the_package_has_each_row_with_the_grade_and_evidence_of_what_it_cites():
    overlays = (read(OPENAPI / f"{layer}.overlay.yaml")["actions"] for layer in ("observed", "sdk"))
    actions = {action["x-id"]: action for overlay in overlays for action in overlay}
    rows: Rows = json.loads(PACKAGED.read_text(encoding="utf-8"))

    for row, packaged in zip(read(OPENAPI / "quirks.yaml")["quirks"], rows, strict=True):
        cited = [
            {"id": name, "grade": actions[name]["x-grade"], "evidence": actions[name]["x-evidence"]}
            for name in row["actions"]
        ]
        words = {"documented": "", "observed": "", **row, "sdk": packaged["sdk"]}
        assert packaged == {**words, "actions": cited}


def test_a_row_states_the_value_that_its_action_makes_the_sdk_send(folder: Path):
    rows: Rows = read(folder / "quirks.yaml")["quirks"]
    put(sdk='sends {sdk-turbo-steps} unless given; `extra={"steps": 4}`')(rows)
    write(folder, {"quirks": rows})
    default = next(a for a in read(folder / "sdk.overlay.yaml")["actions"] if a["x-id"] == "sdk-turbo-steps")

    said = read_quirks(folder)[0]["sdk"]

    assert said == f'sends {default["update"]["x-sdk-default"]} unless given; `extra={{"steps": 4}}`'


def put(**members: Any) -> Callable[[Rows], None]:
    """Return an edit that changes members of the first row. None removes a member."""

    def edit(rows: Rows) -> None:
        rows[0] = {name: value for name, value in {**rows[0], **members}.items() if value is not None}

    return edit


def uncite(rows: Rows) -> None:
    rows[0]["actions"] = ["turbo-steps-minimum-not-enforced"]


FIRST = "The row steps-default-below-minimum of quirks.yaml"
MISTAKES: dict[str, tuple[Callable[[Rows], object], str]] = {
    "unknown member": (
        put(grade="client"),
        f"{FIRST} has grade; a row has name, kind, sdk, probe, actions, documented, observed.",
    ),
    "no sentence on the SDK": (put(sdk=None), f"{FIRST} has no sdk."),
    "neither documented nor observed": (
        put(documented=None, observed=None),
        f"{FIRST} says neither what is documented nor what was observed.",
    ),
    "two lines": (put(probe="one\ntwo"), f"{FIRST} has no line of text as its probe."),
    "an empty text": (put(observed=""), f"{FIRST} has no line of text as its observed."),
    "a name that is none": (
        put(name="Steps"),
        "The row Steps of quirks.yaml has a name that is not in small letters, digits and hyphens.",
    ),
    "unknown kind": (
        put(kind="remedy"),
        f"{FIRST} is of kind remedy; the kinds are default, refusal, repair, diagnosis.",
    ),
    "no action": (put(actions=[]), f"{FIRST} cites no action: its actions have to be a list of x-ids."),
    "unknown action": (
        put(actions=["sdk-turbo-steps", "turbo-stepps"]),
        f"{FIRST} cites turbo-stepps, which no overlay has.",
    ),
    "a value of no cited action": (
        put(sdk="sends {sdk-large-mode} unless given"),
        f"{FIRST} cites no action sdk-large-mode with an x-sdk-default or x-sdk-maximum.",
    ),
    "a value of an action without any": (
        put(sdk="sends {turbo-steps-minimum-not-enforced} unless given"),
        f"{FIRST} cites no action turbo-steps-minimum-not-enforced with an x-sdk-default or x-sdk-maximum.",
    ),
    "observed by nobody": (
        put(actions=["sdk-turbo-steps"]),
        f"{FIRST} says what was observed, and cites no action that says how surely.",
    ),
    "an action of our policy that no row cites": (
        uncite,
        "The action sdk-turbo-steps of sdk.overlay.yaml is cited by no row of quirks.yaml.",
    ),
    "two rows of one name": (
        lambda rows: rows.append(rows[0]),
        "Two rows of quirks.yaml have the name steps-default-below-minimum.",
    ),
    "a row that is no object": (lambda rows: rows.insert(0, "steps"), "Row 1 of quirks.yaml is no object."),  # type: ignore[arg-type]
}


@pytest.mark.parametrize(("edit", "sentence"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_in_a_row_stops_the_build_with_a_sentence_before_anything_is_written(
    folder: Path, edit: Callable[[Rows], object], sentence: str
):
    rows: Rows = read(OPENAPI / "quirks.yaml")["quirks"]
    edit(rows)
    write(folder, {"quirks": rows})

    with pytest.raises(ContractError) as stop:
        make(folder, folder / "package")

    assert str(stop.value) == sentence
    assert not (folder / "package").exists()


@pytest.mark.parametrize("content", [{}, {"quirks": {}}, {"quirks": [], "more": 1}])
def test_a_file_that_holds_anything_but_the_rows_is_refused(folder: Path, content: object):
    write(folder, content)

    with pytest.raises(ContractError, match="has to hold one list, named quirks"):
        read_quirks(folder)
