"""A change of the contract is rated, and what follows from it is told."""

import json
import subprocess
from copy import deepcopy
from pathlib import Path
from typing import Any, cast

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from segmind_sd3_contract.cassettes import cases
from segmind_sd3_contract.oracle import carried
from segmind_sd3_pipeline.changes import python_api
from segmind_sd3_pipeline.changes.command import diff as command
from segmind_sd3_pipeline.changes.edits import EDITS, Edit
from segmind_sd3_pipeline.changes.outdated import broken_actions, outdated_cases, outdated_cassettes
from segmind_sd3_pipeline.changes.rating import Change, merged, rated
from segmind_sd3_pipeline.changes.states import NoState, State, state
from segmind_sd3_pipeline.changes.table import read_table
from segmind_sd3_pipeline.changes.versions import entered, lines, suggested

ROOT = Path(__file__).parents[2]
OPENAPI = ROOT / "openapi"
TURBO = "sd35_turbo_txt2img"
DOCUMENTED: dict[str, Any] = carried("documented")
TABLE = read_table(ROOT)

each_edit = pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS.keys())


def edited(edit: Edit) -> dict[str, Any]:
    bundle = deepcopy(DOCUMENTED)
    edit.make(bundle)
    return bundle


# --- The wire contract ------------------------------------------------------------------------------------


def test_a_bundle_against_itself_has_no_change():
    assert rated(DOCUMENTED, deepcopy(DOCUMENTED)) == []


@each_edit
def test_an_edit_has_its_rating_and_is_the_only_change(edit: Edit):
    (change,) = rated(DOCUMENTED, edited(edit))

    assert (change.about, change.what, change.wire) == (edit.about, edit.what, edit.wire)


@each_edit
def test_the_reverse_of_what_is_additive_is_breaking_and_of_what_is_harmless_harmless(edit: Edit):
    (change,) = rated(edited(edit), DOCUMENTED)

    if edit.wire != "breaking":
        assert change.wire == {"additive": "breaking", "harmless": "harmless"}[edit.wire]


def test_every_rating_is_among_the_edits():
    assert {edit.wire for edit in EDITS.values()} == {"breaking", "additive", "harmless"}


@st.composite
def numbers_changed(draw: st.DrawFn) -> dict[str, Any]:
    """A bundle with other bounds on some parameters, some of them none."""
    bundle = deepcopy(DOCUMENTED)
    found: list[Any] = [
        schema
        for model in bundle["components"]["schemas"].values()
        for schema in model["properties"].values()
        if schema["type"] in ("integer", "number")
    ]
    for schema in draw(st.lists(st.sampled_from(found), min_size=1, max_size=4, unique_by=id)):
        word = draw(st.sampled_from(["minimum", "maximum", "multipleOf"]))
        if (value := draw(st.none() | st.integers(1, 200) | st.sampled_from([8.0, 0.5]))) is None:
            schema.pop(word, None)
        else:
            schema[word] = value
    return bundle


@given(numbers_changed(), numbers_changed())
def test_no_way_back_from_a_bound_is_as_harmless_as_the_way_there(one: dict[str, Any], other: dict[str, Any]):
    there = {(each.endpoint, each.about, each.what): each.wire for each in rated(one, other)}
    back = {(each.endpoint, each.about, each.what): each.wire for each in rated(other, one)}

    assert there.keys() == back.keys()
    assert all("breaking" in (there[place], back[place]) for place in there)


def leaves(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    match node:
        case dict() | list():
            members = cast("Any", node)
            keys: Any = members if isinstance(node, dict) else range(len(members))
            return [leaf for key in keys for leaf in leaves(members[key], (*path, key))]
        case _:
            return [path]


def another(value: Any) -> Any:
    match value:
        case bool():
            return not value
        case int() | float():
            return value + 1
        case _:
            return f"{value}x"


LEAVES = [
    path
    for path in leaves({"paths": DOCUMENTED["paths"], "components": DOCUMENTED["components"]})
    if path[-1] not in ("$ref", "saved")
]


@given(st.sampled_from(LEAVES))
def test_whatever_is_changed_anywhere_is_told(path: tuple[Any, ...]):
    bundle = deepcopy(DOCUMENTED)
    node: Any = bundle
    for step in path[:-1]:
        node = node[step]
    node[path[-1]] = another(node[path[-1]])

    assert rated(DOCUMENTED, bundle)


# --- The Python API ---------------------------------------------------------------------------------------


TOY: dict[str, dict[str, Any]] = {
    "toy": {
        "parameters": {
            "prompt": {"kind": "string", "required": True},
            "steps": {"kind": "integer", "minimum": 10, "documented_default": 4, "sdk_default": 10},
            "guidance_scale": {"kind": "number", "maximum": 15, "documented_default": 1},
            "batch_size": {"kind": "integer", "documented_default": 1},
            "sampler": {"kind": "string", "known_values": ("dpmpp_2m",)},
            "image_format": {"kind": "string", "known_values": ("jpeg", "png")},
            "scheduler": {"kind": "string", "known_values": ("karras", "beta"), "closed": True},
            "image_quality": {"kind": "integer", "doc": "A sentence."},
            "base64": {"kind": "boolean", "hidden": True},
        }
    }
}
"""A table of its own, so that no page decides what is tried here."""


def python(name: str, **facts: Any) -> dict[str, str]:
    """The ratings that other facts of one parameter have, by what is told of them; None takes a fact out."""
    table = deepcopy(TOY)
    row = table["toy"]["parameters"][name]
    row.update(facts)
    for fact, value in facts.items():
        if value is None:
            del row[fact]
    return {each.what: each.python for each in python_api.compared(TOY, table)}


@pytest.mark.parametrize(
    ("name", "facts", "expected"),
    [
        ("guidance_scale", {"maximum": 16}, {"maximum": "additive"}),
        ("guidance_scale", {"maximum": 14}, {"maximum": "breaking"}),
        ("guidance_scale", {"maximum": None}, {"maximum": "additive"}),
        ("guidance_scale", {"kind": "integer"}, {"type": "breaking"}),
        ("batch_size", {"kind": "number"}, {"type": "additive"}),
        ("batch_size", {"required": True}, {"required": "breaking"}),
        ("prompt", {"required": False}, {"required": "additive"}),
        ("guidance_scale", {"documented_default": 2}, {"default": "breaking"}),
        ("steps", {"documented_default": 5}, {"default": "harmless"}),  # 10 is sent before as after
        ("steps", {"sdk_default": 20}, {"default": "breaking"}),
        ("sampler", {"known_values": ("dpmpp_2m",)}, {}),
        ("sampler", {"known_values": ("dpmpp_2m", "euler")}, {"allowed values": "additive"}),
        ("image_format", {"known_values": ("jpeg",)}, {"allowed values": "harmless"}),
        ("image_format", {"closed": True}, {"allowed values": "breaking"}),
        ("scheduler", {"closed": False}, {"allowed values": "additive"}),
        ("scheduler", {"known_values": ("karras",)}, {"allowed values": "breaking"}),
        ("scheduler", {"known_values": ("karras", "beta", "simple")}, {"allowed values": "additive"}),
        ("image_quality", {"affects_pricing": True}, {"affects the price": "harmless"}),
        ("image_quality", {"doc": "Another sentence."}, {"description": "harmless"}),
        ("image_quality", {"hidden": True}, {"removed": "breaking"}),
        ("base64", {"maximum": 3}, {}),  # the SDK sets it: no caller sees it
        ("base64", {"hidden": False}, {"added": "additive"}),
    ],
)
def test_a_fact_of_a_parameter_is_rated_for_who_calls_the_sdk(
    name: str, facts: dict[str, Any], expected: dict[str, str]
):
    assert python(name, **facts) == expected


def test_an_endpoint_that_comes_is_additive_and_one_that_goes_breaking():
    others = {name: row for name, row in TABLE.items() if name != TURBO}

    (gone,), (new,) = python_api.compared(TABLE, others), python_api.compared(others, TABLE)

    assert (gone.endpoint, gone.what, gone.python) == (TURBO, "removed", "breaking")
    assert (new.endpoint, new.what, new.python) == (TURBO, "added", "additive")


def test_an_endpoint_that_is_deprecated_is_additive_for_it_only_warns():
    table = deepcopy(TABLE)
    table[TURBO]["deprecated"] = True

    (change,) = python_api.compared(TABLE, table)

    assert (change.what, change.python) == ("deprecated", "additive")


def test_the_table_read_as_text_is_the_one_that_is_imported():
    from segmind_sd3_api.parameters import OPERATIONS  # noqa: PLC0415 - beside what it is compared with

    assert {name: list(row["parameters"]) for name, row in TABLE.items()} == {
        name: list(known.parameters) for name, known in OPERATIONS.items()
    }
    assert TABLE[TURBO]["parameters"]["steps"]["maximum"] == OPERATIONS[TURBO].parameters["steps"].maximum


def test_a_change_that_both_know_has_both_ratings():
    wire = Change(TURBO, "steps", "default", 4, 5, "breaking", "harmless")
    python = Change(TURBO, "steps", "default", 10, 10, None, "additive")

    assert merged([wire], [python]) == [Change(TURBO, "steps", "default", 4, 5, "breaking", "additive")]


def project(folder: Path, **edits: tuple[str, str]) -> State:
    """The SDK and its client in a folder, edited."""
    for name in ("wrapper/segmind_sd3", "generated_client/segmind_sd3_api"):
        (folder / name).mkdir(parents=True)
        for file in (ROOT / name).glob("*.py"):
            text = file.read_text("utf-8")
            if (place := f"{file.parent.name}_{file.stem}") in edits:
                assert edits[place][0] in text
                text = text.replace(*edits[place])
            (folder / name / file.name).write_text(text, "utf-8")
    return State("the edited one", folder)


NOW = State("the working tree", ROOT)


def signatures(after: State) -> list[Change]:
    return list(python_api.breakages(NOW.api, after.api))


def test_a_parameter_that_goes_from_a_method_is_seen_in_both_clients(tmp_path: Path):
    after = project(tmp_path, segmind_sd3__endpoints=("        steps: int | None = None,\n", ""))

    found = {each.about.removeprefix("segmind_sd3."): each.python for each in signatures(after)}
    assert found == {f"{client}.{TURBO}(steps)": "breaking" for client in ("Client", "AsyncClient")}


def test_a_signature_of_the_sdks_own_is_told_where_no_table_explains_it(tmp_path: Path):
    after = project(
        tmp_path, segmind_sd3__client=("api_key: str | None = None, timeout: float", "timeout: float")
    )

    found = list(python_api.unexplained(signatures(after), []))

    assert [(each.wire, each.python) for each in found] == [(None, "breaking")]
    assert "Client.with_options(api_key)` is gone." in found[0].sentence


def test_what_the_package_does_not_export_is_nobodys_business(tmp_path: Path):
    after = project(tmp_path, segmind_sd3__retry=("def seconds_asked", "def renamed"))

    assert signatures(after) == []


def test_what_a_table_explains_is_told_once():
    told = Change(TURBO, "steps", "removed", None, None, None, "breaking")
    place = f"segmind_sd3.Client.{TURBO}(steps)"
    seen = Change("", place, "parameter was removed", "", None, None, "breaking")

    assert list(python_api.unexplained([seen], [told])) == []
    assert list(python_api.unexplained([seen], [])) == [seen]


def test_an_endpoint_without_a_method_is_a_line_to_write():
    table = {**TABLE, "sd4_txt2img": TABLE[TURBO]}

    told = list(python_api.missing_methods(NOW.api, table))

    assert [line.split()[0] for line in told] == ["Client", "AsyncClient"]
    assert all("sd4_txt2img" in line and "make generate" in line for line in told)
    assert list(python_api.missing_methods(NOW.api, TABLE)) == []


# --- Versions and the changelog ---------------------------------------------------------------------------


def change(python: Any, wire: Any = None) -> Change:
    return Change(TURBO, "steps", "maximum", 70, 60, wire, python)


@pytest.mark.parametrize(
    ("version", "worst", "expected"),
    [
        ("0.3.2", "breaking", "0.4.0"),
        ("0.3.2", "additive", "0.3.3"),
        ("0.3.2", "harmless", "0.3.3"),
        ("1.3.2", "breaking", "2.0.0"),
        ("1.3.2", "additive", "1.4.0"),
        ("1.3.2", "harmless", "1.3.3"),
    ],
)
def test_the_worst_change_of_the_python_api_decides_the_version(version: str, worst: Any, expected: str):
    changes = [change("harmless", "breaking"), change(worst)]

    assert suggested(version, changes, f"# Changelog\n\n## {version}\n\n- It was.\n")[0] == expected


def test_without_a_change_the_version_stays():
    assert suggested("0.3.2", [], "## 0.3.2\n")[0] == "0.3.2"


@pytest.mark.parametrize(
    ("changelog", "expected"),
    [
        ("## 0.1.0 (unreleased)\n", "0.1.0"),
        ("## 0.4.0 (unreleased)\n\n## 0.3.2\n", "0.4.0"),
        ("## 0.3.3 (unreleased)\n\n## 0.3.2\n", "0.4.0"),
    ],
)
def test_a_version_that_is_not_released_takes_changes_in_if_it_is_new_enough(changelog: str, expected: str):
    assert suggested("0.3.2", [change("breaking")], changelog)[0] == expected


def test_the_changelog_says_what_is_breaking_and_leaves_out_what_is_harmless_for_all():
    assert lines([change("breaking"), change("harmless", "additive"), change("harmless", "harmless")]) == [
        f"- **Breaking:** `{TURBO}`, `steps`: maximum 70 -> 60.",
        f"- `{TURBO}`, `steps`: maximum 70 -> 60.",
    ]


def test_an_entry_goes_behind_the_list_of_its_version():
    text = "# Changelog\n\n## 0.2.0 (unreleased)\n\n- One\n  more.\n\nA word.\n\n## 0.1.0\n\n- Old.\n"

    assert entered(text, "0.2.0", ["- Two."]) == text.replace("more.\n", "more.\n- Two.\n")


def test_an_entry_of_a_new_version_has_a_heading_of_its_own():
    text = "# Changelog\n\n## 0.1.0\n\n- Old.\n"

    assert entered(text, "0.2.0", ["- Two."]) == text.replace(
        "## 0.1.0", "## 0.2.0 (unreleased)\n\n- Two.\n\n## 0.1.0"
    )


def test_an_entry_is_made_once():
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    once = entered(text, "0.1.0", ["- Two."])

    assert once != text
    assert entered(once, "0.1.0", ["- Two."]) == once
    assert entered(text, "0.1.0", []) == text


# --- What no longer holds ---------------------------------------------------------------------------------


def test_every_overlay_action_holds_today():
    assert broken_actions(DOCUMENTED, OPENAPI) == []


def test_every_action_that_a_change_breaks_is_named_with_its_quirk_row():
    bundle = deepcopy(DOCUMENTED)
    bundle["components"]["schemas"]["Sd35TurboTxt2Img"]["properties"]["steps"]["minimum"] = 4

    broken = broken_actions(bundle, OPENAPI)

    assert [(each.action, each.rows) for each in broken] == [
        ("turbo-steps-minimum-not-enforced", ("steps-default-below-minimum",)),
        ("sdk-turbo-steps", ("steps-default-below-minimum",)),
    ]
    assert all("the document no longer has that" in each.why for each in broken)


class Contract(State):
    """A state with other bundles than the packaged ones."""

    def __init__(self, documented: Any, observed: Any) -> None:
        super().__init__("made up", ROOT)
        vars(self).update(documented=documented, observed=observed)


def test_the_cases_of_a_bound_that_moved_are_changed_and_those_of_a_parameter_that_went_gone():
    before, after = (Contract(carried("documented"), carried("observed")) for _ in range(2))
    for bundle in (after.documented, after.observed):
        properties = bundle["components"]["schemas"]["Sd35TurboTxt2Img"]["properties"]
        properties["guidance_scale"]["maximum"] = 16
        del properties["image_quality"]
        properties["shiny"] = {"type": "boolean"}

    found = outdated_cases(before, after)

    assert f"{TURBO}::guidance_scale::max" in found.stale
    assert f"{TURBO}::image_quality::max" in found.gone
    assert f"{TURBO}::shiny::type:text" in found.new
    assert {name.partition("::")[0] for name in (*found.stale, *found.gone, *found.new)} == {TURBO}


def test_the_cases_of_the_same_contract_are_as_they_were():
    contract = Contract(carried("documented"), carried("observed"))

    found = outdated_cases(contract, contract)

    assert (found.stale, found.new, found.gone) == ((), (), ())


def test_the_cassettes_of_an_endpoint_that_changed_are_stale_and_no_others():
    contract = Contract(carried("documented"), carried("observed"))
    properties = contract.documented["components"]["schemas"]["Sd35TurboTxt2Img"]["properties"]
    properties["guidance_scale"]["maximum"] = 16
    wanted = [name for name in cases() if name != f"{TURBO}::plain"]

    found = outdated_cassettes(contract, [*wanted, f"{TURBO}::shiny::max"])

    assert set(found.stale) == {name for name in wanted if name.startswith(TURBO)}
    assert found.new == (f"{TURBO}::shiny::max",)
    assert found.gone == (f"{TURBO}::plain",)


# --- Revisions --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of two commits: in the second the maximum of `steps` is lower, as if it was generated."""
    folder = tmp_path_factory.mktemp("repository")
    project(folder)
    for name in ("generated_client/segmind_sd3_api", "openapi"):
        for file in (ROOT / name).iterdir():
            if file.suffix in (".json", ".yaml", ".py"):
                (folder / name).mkdir(exist_ok=True)
                (folder / name / file.name).write_bytes(file.read_bytes())
    (folder / "CHANGELOG.md").write_text("# Changelog\n\n## 0.1.0\n\n- The first.\n")
    git(folder, "init", "-q")
    commit(folder, "one")
    for name in ("documented.json", "observed.json"):
        file = folder / "generated_client/segmind_sd3_api" / name
        file.write_text(file.read_text("utf-8").replace('"maximum": 70', '"maximum": 60'), "utf-8")
    file = folder / "generated_client/segmind_sd3_api/parameters.py"
    file.write_text(file.read_text("utf-8").replace("maximum=70", "maximum=60"), "utf-8")
    commit(folder, "two")
    return folder


def git(folder: Path, *words: str) -> None:
    own = ["-c", "user.name=somebody", "-c", "user.email=somebody@example.com"]
    subprocess.run(["git", *own, *words], cwd=folder, check=True, capture_output=True)


def commit(folder: Path, message: str) -> None:
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", message)
    git(folder, "tag", message)


def diff(folder: Path, *words: str) -> Result:
    return CliRunner().invoke(command, ["--root", str(folder), *words], catch_exceptions=False)


def test_two_revisions_are_compared(repository: Path):
    done = diff(repository, "one", "two", "--json")

    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert [(each["about"], each["what"], each["wire"], each["python"]) for each in told["changes"]] == [
        ("steps", "maximum", "breaking", "breaking")
    ]
    assert told["version"][0] == "0.2.0"
    assert told["entry"] == [f"- **Breaking:** `{TURBO}`, `steps`: maximum 70 -> 60."]
    assert f"{TURBO}::steps::max" in told["cases"]["stale"]


def test_a_revision_and_the_working_tree_are_compared_for_people_and_a_gate(repository: Path):
    done = diff(repository, "one", "--fail-on", "breaking")

    assert done.exit_code == 1
    assert "breaking  breaking  `sd35_turbo_txt2img`, `steps`: maximum 70 -> 60." in done.stdout
    assert "Version: 0.2.0" in done.stdout
    assert "0.2.0" not in (repository / "CHANGELOG.md").read_text()


@pytest.mark.parametrize("revision", ["nowhere", "--output=x", "two:openapi"])
def test_what_is_no_revision_is_refused_with_status_2(repository: Path, revision: str):
    with pytest.raises(NoState, match="no revision"), state(revision, repository):
        pass


def test_a_folder_that_is_no_repository_is_refused(tmp_path: Path):
    with pytest.raises(NoState, match="not a git repository"), state("HEAD", tmp_path):
        pass


def test_a_folder_without_a_client_is_refused(tmp_path: Path):
    with pytest.raises(NoState, match=r"documented\.json"):
        _ = State("it", tmp_path).documented
