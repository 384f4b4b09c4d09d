"""Changes of the contract: their ratings, the version, the changelog, and what became outdated."""

import json
import subprocess
from copy import deepcopy
from pathlib import Path
from typing import Any, cast

import pytest
import yaml
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from proofs.opinions.classes import FILE, ChangeClass, read_classes
from segmind_sd3_contract.cassettes import cases
from segmind_sd3_contract.oracle import carried
from segmind_sd3_pipeline.changes import python_api
from segmind_sd3_pipeline.changes.command import diff as command
from segmind_sd3_pipeline.changes.effects import worst_of
from segmind_sd3_pipeline.changes.outdated import Outdated, broken_actions, outdated_cases, outdated_cassettes
from segmind_sd3_pipeline.changes.rating import Change, merge_ratings, rate_changes
from segmind_sd3_pipeline.changes.report import Report, format_markdown
from segmind_sd3_pipeline.changes.states import State, StateUnavailable, open_state
from segmind_sd3_pipeline.changes.table import read_table
from segmind_sd3_pipeline.changes.versions import add_to_changelog, changelog_lines, suggest_version

ROOT = Path(__file__).parents[2]
OPENAPI = ROOT / "openapi"
TURBO = "sd35_turbo_txt2img"
DOCUMENTED: dict[str, Any] = carried("documented")
TABLE = read_table(ROOT)

CLASSES = list(read_classes())

each_class = pytest.mark.parametrize("each", CLASSES, ids=[each.name for each in CLASSES])


# --- The wire contract ------------------------------------------------------------------------------------


def test_equal_bundles_have_no_changes():
    assert rate_changes(DOCUMENTED, deepcopy(DOCUMENTED)) == []


@each_class
def test_a_class_of_changes_has_the_expected_rating(each: ChangeClass):
    changes = rate_changes(each.before, each.after)

    assert (worst_of(change.wire for change in changes) if changes else "same") == each.expected


@pytest.mark.slow
@each_class
def test_a_change_that_only_adds_or_does_nothing_is_breaking_or_does_nothing_the_other_way(each: ChangeClass):
    changes = rate_changes(each.after, each.before)
    back = worst_of(change.wire for change in changes) if changes else "same"

    match each.expected:
        case "same" | "harmless" | "unknown":
            assert back == each.expected
        case "additive":
            assert back == "breaking"
        case _:
            assert back != "same"


def test_the_classes_are_many_and_named_apart():
    assert len({each.name for each in CLASSES}) == len(CLASSES) >= 240


def test_a_disagreement_of_another_program_names_a_class_and_a_reason():
    others = yaml.safe_load(FILE.read_text("utf-8"))["others"]
    groups = [group for each in others.values() for group in each]

    assert {name for group in groups for name in group["classes"]} <= {each.name for each in CLASSES}
    assert all(group["why"] for group in groups)


def test_an_unknown_keyword_is_named_as_something_to_look_at():
    bundle = deepcopy(DOCUMENTED)
    bundle["components"]["schemas"]["Sd35TurboTxt2Img"]["properties"]["steps"]["sparkle"] = {"a": 1}

    (change,) = rate_changes(DOCUMENTED, bundle)

    assert change.wire == "unknown"
    assert change.sentence == f'`{TURBO}`, `steps`: sparkle nothing -> {{"a": 1}}. No rule knows it: look.'


@st.composite
def numbers_changed(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a bundle with some bounds changed or removed."""
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
def test_a_bound_change_or_its_reverse_is_breaking(one: dict[str, Any], other: dict[str, Any]):
    there = {(each.endpoint, each.about, each.what): each.wire for each in rate_changes(one, other)}
    back = {(each.endpoint, each.about, each.what): each.wire for each in rate_changes(other, one)}

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
def test_a_change_of_any_value_is_reported(path: tuple[Any, ...]):
    bundle = deepcopy(DOCUMENTED)
    node: Any = bundle
    for step in path[:-1]:
        node = node[step]
    node[path[-1]] = another(node[path[-1]])

    assert rate_changes(DOCUMENTED, bundle)


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
"""A made-up table, so that the cases do not depend on the pages."""


def python(name: str, **facts: Any) -> dict[str, str]:
    """Change facts of one parameter and return the ratings by clause. None removes a fact."""
    table = deepcopy(TOY)
    row = table["toy"]["parameters"][name]
    row.update(facts)
    for fact, value in facts.items():
        if value is None:
            del row[fact]
    return {each.what: each.python for each in python_api.table_changes(TOY, table)}


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
        ("steps", {"documented_default": 5}, {"default": "harmless"}),  # 10 is sent before and after
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
def test_a_changed_fact_of_a_parameter_is_rated_for_callers_of_the_sdk(
    name: str, facts: dict[str, Any], expected: dict[str, str]
):
    assert python(name, **facts) == expected


def test_a_new_endpoint_is_additive_and_a_removed_one_breaking():
    others = {name: row for name, row in TABLE.items() if name != TURBO}

    (gone,), (new,) = python_api.table_changes(TABLE, others), python_api.table_changes(others, TABLE)

    assert (gone.endpoint, gone.what, gone.python) == (TURBO, "removed", "breaking")
    assert (new.endpoint, new.what, new.python) == (TURBO, "added", "additive")


def test_deprecating_an_endpoint_is_additive():
    table = deepcopy(TABLE)
    table[TURBO]["deprecated"] = True

    (change,) = python_api.table_changes(TABLE, table)

    assert (change.what, change.python) == ("deprecated", "additive")


def test_the_table_read_from_text_equals_the_imported_one():
    from segmind_sd3_api.parameters import OPERATIONS  # noqa: PLC0415 - beside what it is compared with

    assert {name: list(row["parameters"]) for name, row in TABLE.items()} == {
        name: list(known.parameters) for name, known in OPERATIONS.items()
    }
    assert TABLE[TURBO]["parameters"]["steps"]["maximum"] == OPERATIONS[TURBO].parameters["steps"].maximum


def test_a_change_in_both_lists_gets_both_ratings():
    wire = Change(TURBO, "steps", "default", 4, 5, "breaking", "harmless")
    python = Change(TURBO, "steps", "default", 10, 10, None, "additive")

    assert merge_ratings([wire], [python]) == [
        Change(TURBO, "steps", "default", 4, 5, "breaking", "additive")
    ]


def project(folder: Path, **edits: tuple[str, str]) -> State:
    """Copy the SDK and its client into a folder, with edits."""
    for name in ("wrapper/segmind_sd3", "generated_client/segmind_sd3_api"):
        for file in (ROOT / name).rglob("*.py"):
            copy = folder / file.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            text = file.read_text("utf-8")
            if (place := f"{file.parent.name}_{file.stem}") in edits:
                assert edits[place][0] in text
                text = text.replace(*edits[place])
            copy.write_text(text, "utf-8")
    return State("the edited one", folder)


NOW = State("the working tree", ROOT)


def signatures(after: State) -> list[Change]:
    return list(python_api.signature_changes(NOW.api, after.api))


def test_a_parameter_removed_from_a_method_is_reported_for_both_clients(tmp_path: Path):
    after = project(tmp_path, segmind_sd3__endpoints=("        steps: int | None = None,\n", ""))

    found = {each.about.removeprefix("segmind_sd3."): each.python for each in signatures(after)}
    assert found == {f"{client}.{TURBO}(steps)": "breaking" for client in ("Client", "AsyncClient")}


def test_a_signature_change_without_a_table_change_is_reported(tmp_path: Path):
    after = project(tmp_path, segmind_sd3__client=("api_key: str | None = None,\n        timeout", "timeout"))

    found = list(python_api.unexplained_changes(signatures(after), []))

    assert [(each.wire, each.python) for each in found] == [(None, "breaking")]
    assert "Client.with_options(api_key)` is gone." in found[0].sentence


def test_a_change_of_a_private_function_is_not_reported(tmp_path: Path):
    after = project(tmp_path, segmind_sd3__retry=("def seconds_asked", "def renamed"))

    assert signatures(after) == []


def test_a_signature_change_that_a_table_change_explains_is_reported_once():
    table_change = Change(TURBO, "steps", "removed", None, None, None, "breaking")
    place = f"segmind_sd3.Client.{TURBO}(steps)"
    signature_change = Change("", place, "parameter was removed", "", None, None, "breaking")

    assert list(python_api.unexplained_changes([signature_change], [table_change])) == []
    assert list(python_api.unexplained_changes([signature_change], [])) == [signature_change]


def test_an_endpoint_without_a_method_is_reported_for_both_clients():
    table = {**TABLE, "sd4_txt2img": TABLE[TURBO]}

    messages = list(python_api.missing_methods(NOW.api, table))

    assert [line.split()[0] for line in messages] == ["Client", "AsyncClient"]
    assert all("sd4_txt2img" in line and "make generate" in line for line in messages)
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

    assert suggest_version(version, changes, f"# Changelog\n\n## {version}\n\n- It was.\n")[0] == expected


def test_without_a_change_the_version_stays():
    assert suggest_version("0.3.2", [], "## 0.3.2\n")[0] == "0.3.2"


@pytest.mark.parametrize(
    ("changelog", "expected"),
    [
        ("## 0.1.0 (unreleased)\n", "0.1.0"),
        ("## 0.4.0 (unreleased)\n\n## 0.3.2\n", "0.4.0"),
        ("## 0.3.3 (unreleased)\n\n## 0.3.2\n", "0.4.0"),
    ],
)
def test_an_unreleased_version_is_suggested_if_it_is_high_enough(changelog: str, expected: str):
    assert suggest_version("0.3.2", [change("breaking")], changelog)[0] == expected


def test_the_changelog_marks_breaking_changes_and_omits_harmless_ones():
    assert changelog_lines(
        [change("breaking"), change("harmless", "additive"), change("harmless", "harmless")]
    ) == [
        f"- **Breaking:** `{TURBO}`, `steps`: maximum 70 -> 60.",
        f"- `{TURBO}`, `steps`: maximum 70 -> 60.",
    ]


def test_an_entry_is_added_after_the_last_item_of_its_version():
    text = "# Changelog\n\n## 0.2.0 (unreleased)\n\n- One\n  more.\n\nA word.\n\n## 0.1.0\n\n- Old.\n"

    assert add_to_changelog(text, "0.2.0", ["- Two."]) == text.replace("more.\n", "more.\n- Two.\n")


def test_an_entry_of_a_new_version_gets_a_new_heading():
    text = "# Changelog\n\n## 0.1.0\n\n- Old.\n"

    assert add_to_changelog(text, "0.2.0", ["- Two."]) == text.replace(
        "## 0.1.0", "## 0.2.0 (unreleased)\n\n- Two.\n\n## 0.1.0"
    )


def test_an_entry_is_added_once():
    text = (ROOT / "CHANGELOG.md").read_text("utf-8")
    once = add_to_changelog(text, "0.1.0", ["- Two."])

    assert once != text
    assert add_to_changelog(once, "0.1.0", ["- Two."]) == once
    assert add_to_changelog(text, "0.1.0", []) == text


# --- What no longer holds ---------------------------------------------------------------------------------


def test_every_overlay_action_holds_today():
    assert broken_actions(DOCUMENTED, OPENAPI) == []


def test_every_action_that_a_change_breaks_is_reported_with_its_quirk_rows():
    bundle = deepcopy(DOCUMENTED)
    bundle["components"]["schemas"]["Sd35TurboTxt2Img"]["properties"]["steps"]["minimum"] = 4

    broken = broken_actions(bundle, OPENAPI)

    assert [(each.action, each.rows) for each in broken] == [
        ("turbo-steps-minimum-not-enforced", ("steps-default-below-minimum",)),
        ("sdk-turbo-steps", ("steps-default-below-minimum",)),
    ]
    assert all("no longer has that" in each.why for each in broken)


class Contract(State):
    """A state with given bundles."""

    def __init__(self, documented: Any, observed: Any) -> None:
        super().__init__("made up", ROOT)
        vars(self).update(documented=documented, observed=observed)


def test_cases_of_a_moved_bound_are_stale_and_those_of_a_removed_parameter_gone():
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


def test_equal_contracts_have_no_outdated_cases():
    contract = Contract(carried("documented"), carried("observed"))

    found = outdated_cases(contract, contract)

    assert (found.stale, found.new, found.gone) == ((), (), ())


def test_only_the_cassettes_of_a_changed_endpoint_are_stale():
    contract = Contract(carried("documented"), carried("observed"))
    properties = contract.documented["components"]["schemas"]["Sd35TurboTxt2Img"]["properties"]
    properties["guidance_scale"]["maximum"] = 16
    names = [name for name in cases() if name != f"{TURBO}::plain"]

    found = outdated_cassettes(contract, [*names, f"{TURBO}::shiny::max"])

    assert set(found.stale) == {name for name in names if name.startswith(TURBO)}
    assert found.new == (f"{TURBO}::shiny::max",)
    assert found.gone == (f"{TURBO}::plain",)


# --- Revisions --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a project with two commits. The second lowers the maximum of `steps` in the generated files."""
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
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.com"]
    subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True)


def commit(folder: Path, message: str) -> None:
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", message)
    git(folder, "tag", message)


def diff(folder: Path, *words: str) -> Result:
    return CliRunner().invoke(command, ["--root", str(folder), *words], catch_exceptions=False)


@pytest.mark.slow
def test_diff_compares_two_revisions_as_json(repository: Path):
    done = diff(repository, "one", "two", "--json")

    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert [(each["about"], each["what"], each["wire"], each["python"]) for each in report["changes"]] == [
        ("steps", "maximum", "breaking", "breaking")
    ]
    assert report["version"][0] == "0.2.0"
    assert report["entry"] == [f"- **Breaking:** `{TURBO}`, `steps`: maximum 70 -> 60."]
    assert f"{TURBO}::steps::max" in report["cases"]["stale"]


@pytest.mark.slow
def test_diff_compares_with_the_working_tree_and_exits_with_1_on_a_breaking_change(repository: Path):
    done = diff(repository, "one", "--fail-on", "breaking")

    assert done.exit_code == 1
    assert "breaking  breaking  `sd35_turbo_txt2img`, `steps`: maximum 70 -> 60." in done.stdout
    assert "Version: 0.2.0" in done.stdout
    assert "0.2.0" not in (repository / "CHANGELOG.md").read_text()


@pytest.mark.slow
def test_diff_prints_markdown_for_a_pull_request(repository: Path):
    done = diff(repository, "one", "two", "--markdown")

    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert lines[0] == "### From `one` to `two`: 1 breaking"
    assert f"| **breaking** | **breaking** | `{TURBO}`, `steps`: maximum 70 -> 60. |" in lines
    assert "Version: **0.2.0** (the Python API has a breaking change since 0.1.0)." in lines


def test_a_bar_in_a_value_does_not_end_a_cell_of_the_markdown():
    report = make_up([Change(TURBO, "steps", "pattern", None, "a|b", "unknown", "harmless")])

    assert 'pattern nothing -> "a\\|b". No rule knows it: look. |' in format_markdown(report)


def test_a_change_that_no_rule_knows_may_break():
    assert make_up([Change(TURBO, "steps", "sparkle", None, 3, "unknown", "harmless")]).may_break
    assert not make_up([Change(TURBO, "steps", "title", None, "A", "harmless", "harmless")]).may_break


def make_up(changes: list[Change]) -> Report:
    nothing = Outdated((), (), ())
    return Report("one", "two", changes, ("0.2.0", "made up"), [], [], [], nothing, nothing, cases_known=True)


def test_two_formats_at_once_are_refused(repository: Path):
    assert diff(repository, "one", "two", "--json", "--markdown").exit_code == 2


@pytest.mark.parametrize("revision", ["nowhere", "--output=x", "two:openapi"])
def test_a_name_that_is_no_revision_is_refused(repository: Path, revision: str):
    with pytest.raises(StateUnavailable, match="no revision"), open_state(revision, repository):
        pass


def test_a_folder_outside_a_repository_is_refused(tmp_path: Path):
    with pytest.raises(StateUnavailable, match="not a git repository"), open_state("HEAD", tmp_path):
        pass


def test_a_folder_without_a_generated_client_is_refused(tmp_path: Path):
    with pytest.raises(StateUnavailable, match=r"documented\.json"):
        _ = State("it", tmp_path).documented
