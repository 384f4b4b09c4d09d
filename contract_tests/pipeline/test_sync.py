"""`docs sync` edits the specs line by line to match a page, or refuses and gives the reason.

`python -m proofs.pages.sync` tries each single change, and `python -m proofs.pages.page_to_client` each kind
of change up to a tested client.
"""

import difflib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from copy import deepcopy
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from proofs.pages.sync import outcomes
from segmind_sd3_pipeline.pages.comparison import located_differences
from segmind_sd3_pipeline.pages.contract import write_files
from segmind_sd3_pipeline.pages.new_spec import model_of, operation_id_of
from segmind_sd3_pipeline.pages.page_writer import page_text
from segmind_sd3_pipeline.pages.sync import CanNotSync, synced_files
from segmind_sd3_pipeline.pages.sync_command import sync
from segmind_sd3_pipeline.pages.yaml_editor import YamlEditor, block, scalar
from segmind_sd3_pipeline.spec.documents import read

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
OPENAPI = ROOT / "openapi"
PACKAGES = ("openapi", "wrapper", "generated_client", "contract_tests")
SIGNATURES = """
import inspect
from segmind_sd3 import AsyncClient, Client
print({tuple(inspect.signature(each.sd4_test).parameters)[:3] for each in (Client, AsyncClient)})
"""
PAGES: dict[str, dict[str, Any]] = {
    file.stem: json.loads(file.read_text(encoding="utf-8"))
    for file in sorted((OPENAPI / "facts").glob("*.json"))
}
TURBO = "stable-diffusion-3.5-turbo-txt2img"
MEDIUM = "stable-diffusion-3-medium-txt2img"
DAY = date(2027, 1, 2)

each_page = pytest.mark.parametrize("slug", PAGES)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Copy the specs into a folder that the test may change."""
    shutil.copytree(OPENAPI, tmp_path / "openapi", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


@pytest.fixture
def folder(root: Path) -> Path:
    return root / "openapi"


def changed(slug: str, name: str, **facts: Any) -> dict[str, Any]:
    """Return the page with facts of one parameter changed. None removes a fact."""
    page = deepcopy(PAGES[slug])
    attribute = next(each for each in page["attributes"] if each["name"] == name)
    attribute |= facts
    for fact in [fact for fact, value in facts.items() if value is None]:
        del attribute[fact]
    return page


def diff(folder: Path, page: dict[str, Any]) -> list[str]:
    """Return the lines that a sync removes from and adds to the page's spec."""
    file = folder / f"{page['slug']}.yaml"
    new = synced_files([page], folder, saved_on=DAY).get(file, file.read_text(encoding="utf-8"))
    lines = difflib.ndiff(file.read_text(encoding="utf-8").splitlines(), new.splitlines())
    return [f"{line[0]} {line[2:].strip()}" for line in lines if line[0] in "+-"]


# --- Lines ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", sorted(OPENAPI.glob("*.yaml")), ids=lambda file: file.name)
def test_a_text_without_edits_stays_the_same(file: Path):
    assert str(YamlEditor(file.read_text(encoding="utf-8"))) == file.read_text(encoding="utf-8")


TEXT = """\
# of all
a:
  # of one
  one: 1  # and this
  two: [x, y]
  three:
    deep: >-
      many
      lines

  four: {in: braces}
b: end
"""


YAML_EDITS: list[tuple[Callable[[YamlEditor], None], str, str]] = [
    (lambda e: e.put(("a", "one"), 2), "one: 1  #", "one: 2  #"),
    (lambda e: e.put(("a", "two"), ["x", "a, b"]), "[x, y]", '[x, "a, b"]'),
    (
        lambda e: e.put(("a", "three"), "flat"),
        "three:\n    deep: >-\n      many\n      lines\n",
        "three: flat\n",
    ),
    (lambda e: e.put(("a", "one"), {"x": 1}), "one: 1  # and this\n", "one:\n    x: 1\n"),
    (lambda e: e.remove(("a", "one")), "  # of one\n  one: 1  # and this\n", ""),
    (lambda e: e.remove(("a", "four")), "  four: {in: braces}\n", ""),
    (lambda e: e.rename(("a", "one"), "1"), "one: 1", '"1": 1'),
    (lambda e: e.insert(("a", "n"), True, order=["n", "one"]), "  # of one\n", "  n: true\n  # of one\n"),
    (lambda e: e.insert(("a", "n"), True, order=["two", "n"]), "y]\n", "y]\n  n: true\n"),
    (lambda e: e.insert(("c",), None), "b: end\n", "b: end\nc: null\n"),
    (
        lambda e: e.reorder(("a",), ["two", "one", "three", "four"]),
        "  # of one\n  one: 1  # and this\n  two: [x, y]\n",
        "  two: [x, y]\n  # of one\n  one: 1  # and this\n",
    ),
]


@pytest.mark.parametrize(("edit", "old", "new"), YAML_EDITS)
def test_an_edit_changes_its_own_lines_only(edit: Callable[[YamlEditor], None], old: str, new: str):
    edited = YamlEditor(TEXT)
    edit(edited)

    assert TEXT.count(old) == 1
    assert str(edited) == TEXT.replace(old, new)


def test_insertions_at_one_place_keep_their_order():
    edited = YamlEditor("a: 1\nb: 2\n")
    edited.remove(("a",))
    edited.insert(("x",), 1, order=["x", "a"])
    edited.insert(("y",), 2, order=["x", "y"])

    assert str(edited) == "x: 1\ny: 2\nb: 2\n"


@pytest.mark.parametrize(
    "text",
    [
        "plain",
        "1",
        "true",
        "null",
        "2026-11-21",
        "a: b",
        "a #b",
        "- a",
        "",
        " a",
        "'",
        '"a"',
        "{",
        "a\tb",
        "é",
    ],
)
def test_a_written_text_is_read_back_unchanged(text: str, tmp_path: Path):
    file = tmp_path / "written.yaml"
    file.write_text(block({"a": text, "b": [text], "c": {"d": text}}, 0), encoding="utf-8")

    assert read(file) == {"a": text, "b": [text], "c": {"d": text}}


def test_a_text_that_needs_no_quotes_is_written_without():
    assert scalar("DPM++ 2M") == "DPM++ 2M"


# --- Facts ------------------------------------------------------------------------------------------------


@each_page
def test_an_unchanged_page_edits_nothing(slug: str):
    assert synced_files([PAGES[slug]], OPENAPI) == {}


@each_page
@pytest.mark.thorough
def test_a_changed_fact_edits_its_own_places_only(slug: str):
    found = list(outcomes(slug, every=41))

    assert [each for each in found if each.problem] == []
    assert any(each.kind == "synced" for each in found)


def test_a_raised_maximum_edits_one_line_and_the_pages_digest(folder: Path):
    page = changed(TURBO, "guidance_scale", max="20") | {"digest": f"sha256:{'0' * 64}"}

    assert diff(folder, page) == [
        '- saved: "2026-11-21"',
        '+ saved: "2027-01-02"',
        f"- digest: {PAGES[TURBO]['digest']}",
        f"+ digest: sha256:{'0' * 64}",
        "- maximum: 15",
        "+ maximum: 20",
    ]


def test_the_recorded_facts_become_those_of_the_page(folder: Path):
    page = changed(TURBO, "guidance_scale", max="20")

    recorded = synced_files([page], folder)[folder / "facts" / f"{TURBO}.json"]

    assert json.loads(recorded) == page


@pytest.mark.parametrize(
    ("name", "facts", "lines"),
    [
        # The default is no longer within the bounds.
        (
            "width",
            {"max": "99"},
            ["- default: 1024", "+ x-documented-default: 1024", "- maximum: 2048", "+ maximum: 99"],
        ),
        ("batch_size", {"affects_pricing": True}, ["+ x-affects-pricing: true"]),
        ("width", {"multiple_of": "64"}, ["+ multipleOf: 64"]),
        ("image_quality", {"min": None}, ["- minimum: 10"]),
        ("image_quality", {"type": "float"}, ["- type: integer", "+ type: number"]),
        ("image_quality", {"default": "95.5"}, ["- default: 95", "+ x-documented-default: 95.5"]),
        ("image_quality", {"default": None}, ["- default: 95"]),
        ("sampler", {"allowed_values": ["dpmpp_2m", "a, b"]}, ['+ enum: [dpmpp_2m, "a, b"]']),
        # The sample sends 95, so that a 1 may stand for none.
        ("image_quality", {"default": "1"}, ["- default: 95", "+ x-documented-default: 1"]),
        ("base64", {"default": "true"}, ["- x-documented-default: 1", "+ default: true"]),
        ("base64", {"default": "false"}, ["- x-documented-default: 1", "+ default: false"]),
        ("prompt", {"default": "None"}, ["+ x-documented-default: None"]),
        ("prompt", {"default": "a cat"}, ["+ default: a cat"]),
        (
            "width",
            {"required": True},
            [
                "- required: [prompt, sampler, scheduler]",
                "+ required: [prompt, sampler, scheduler, width]",
            ],
        ),
    ],
)
def test_a_changed_fact_edits_these_lines(folder: Path, name: str, facts: dict[str, Any], lines: list[str]):
    without_actions(folder)

    assert sorted(diff(folder, changed(TURBO, name, **facts))) == sorted(lines)


def test_a_renamed_parameter_keeps_its_description_and_comment(folder: Path):
    page = deepcopy(PAGES[MEDIUM])
    next(each for each in page["attributes"] if each["name"] == "img_width")["name"] = "width"

    assert diff(folder, page) == ["- img_width:", "+ width:"]


def test_the_examples_of_an_open_enum_include_the_new_default_and_sample(folder: Path):
    without_actions(folder)
    page = changed("sd3-med-tile", "sampler", default="heun")
    page["sample"]["values"]["sampler"] = "euler"

    lines = diff(folder, page)

    assert "- examples: [dpmpp_2m, ddim]" in lines
    assert "+ examples: [ddim, heun, euler]" in lines


def test_an_unsupported_type_is_refused_and_the_supported_types_are_named(folder: Path):
    with pytest.raises(CanNotSync, match=r"steps has the type video\. The contract supports .*bool, .*int"):
        synced_files([changed(TURBO, "steps", type="video")], folder)


def test_a_shared_fact_changes_once_all_pages_have_changed(folder: Path):
    pages = [deepcopy(page) for page in PAGES.values()]
    for page in pages:
        page["url"] = page["url"].replace("api.segmind.com", "api.segmind.example")

    with pytest.raises(CanNotSync, match="differ in servers"):
        synced_files([pages[0]], folder)
    write_files(synced_files(pages, folder))

    assert [row for page in pages for row in located_differences(page, folder)] == []


def test_one_pages_own_status_name_stays_in_its_spec_until_all_pages_have_it(folder: Path):
    pages = [deepcopy(page) for page in PAGES.values()]
    for page in pages:
        next(each for each in page["statuses"] if each["code"] == 500)["name"] = "Own Goal"

    assert [line for line in diff(folder, pages[0]) if "digest" not in line] == [
        "+ x-documented-names:",
        '+ "500": Own Goal',
    ]
    write_files(synced_files([pages[0]], folder))
    without_actions(folder)  # one action expects the old name
    write_files(synced_files(pages, folder))

    assert "x-documented-names" not in (folder / f"{pages[0]['slug']}.yaml").read_text(encoding="utf-8")
    assert [row for page in pages for row in located_differences(page, folder)] == []


# --- Overlays ---------------------------------------------------------------------------------------------


def without_actions(folder: Path) -> None:
    """Replace the actions of each overlay by one without effect, so that no action stops a sync."""
    for file in folder.glob("*.overlay.yaml"):
        overlay = read(file)
        policy = {"x-grade": "policy"} if file.name.startswith("sdk") else {}
        action: dict[str, Any] = {"target": "$.paths", "x-id": file.name, "x-evidence": "None."}
        overlay["actions"] = [{**action, "update": {}, "x-grade": "vendor", **policy}]
        file.write_text(json.dumps(overlay), encoding="utf-8")


@pytest.mark.parametrize(
    ("page", "action"),
    [
        (changed(TURBO, "steps", default="10"), "turbo-steps-minimum-not-enforced"),
        (changed(MEDIUM, "seed", min="0"), "medium-seed-minus-one-is-random"),
        (changed(TURBO, "scheduler", required=None), "turbo-sampler-and-scheduler-optional"),
        (changed("sd3-med-tile", "strength", max="2"), "sdk-medium-image-strength"),
    ],
)
def test_a_change_of_a_value_that_an_action_expects_is_refused_with_its_name(
    page: dict[str, Any], action: str
):
    with pytest.raises(CanNotSync, match=f"The action {action} of "):
        synced_files([page], OPENAPI)


# --- New endpoints ----------------------------------------------------------------------------------------


@each_page
def test_the_name_derived_from_a_slug_is_the_one_in_its_spec(slug: str):
    spec = read(OPENAPI / f"{slug}.yaml")

    assert operation_id_of(slug) == spec["paths"][f"/v1/{slug}"]["post"]["operationId"]
    assert [model_of(operation_id_of(slug))] == list(spec["components"]["schemas"])


@each_page
def test_a_new_page_gets_a_spec_that_matches_it(folder: Path, slug: str):
    page = deepcopy(PAGES[slug]) | {"slug": "sd4-test", "url": "https://api.segmind.com/v1/sd4-test"}

    write_files(synced_files([page], folder))

    assert located_differences(page, folder) == []
    assert read(folder / "sd4-test.yaml")["paths"]["/v1/sd4-test"]["post"]["operationId"] == "sd4_test"


def test_a_new_endpoint_gets_a_method_on_both_clients(root: Path):
    for name in PACKAGES:
        shutil.copytree(
            ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__", ".*"), dirs_exist_ok=True
        )
    page = deepcopy(PAGES["sd3-med-img2img"])
    page |= {"slug": "sd4-test", "url": "https://api.segmind.com/v1/sd4-test"}
    called(root, page, "--yes")

    ran = [
        subprocess.run(
            [sys.executable, *command],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(str(root / name) for name in PACKAGES)},
            capture_output=True,
            text=True,
            check=False,
        )
        for command in (["-m", "segmind_sd3_pipeline.generate"], ["-c", SIGNATURES])
    ]

    assert [each.returncode for each in ran] == [0, 0], ran
    assert ran[1].stdout == "{('self', 'prompt', 'negative_prompt')}\n"


# --- The command ------------------------------------------------------------------------------------------


def called(root: Path, page: dict[str, Any], *arguments: str, answer: str | None = None) -> Result:
    file = root / "page.txt"
    file.write_text(page_text(page), encoding="utf-8")
    return CliRunner().invoke(sync, [str(file), "--root", str(root), *arguments], input=answer)


def texts(root: Path) -> dict[Path, bytes]:
    return {
        file: file.read_bytes() for file in (root / "openapi").rglob("*") if file.suffix in (".yaml", ".json")
    }


def test_it_shows_the_diff_and_writes_after_a_yes(root: Path):
    done = called(root, changed(TURBO, "guidance_scale", max="20"), answer="y\n")

    assert done.exit_code == 0
    assert "-          maximum: 15\n+          maximum: 20\n" in done.output
    assert "maximum: 20" in (root / "openapi" / f"{TURBO}.yaml").read_text(encoding="utf-8")


def test_brackets_are_printed_literally(root: Path):
    declined = called(root, changed("sd3-med-img2img", "strength", required=True), answer="n\n")

    assert "+      required: [prompt, image, strength]\n" in declined.output


def test_a_no_writes_nothing_and_exits_with_1(root: Path):
    before = texts(root)

    declined = called(root, changed(TURBO, "guidance_scale", max="20"), answer="n\n")

    assert (declined.exit_code, texts(root)) == (1, before)


def test_a_refused_sync_writes_nothing_and_exits_with_2(root: Path):
    before = texts(root)

    stopped = called(root, changed(TURBO, "steps", default="10"), "--yes")

    assert (stopped.exit_code, texts(root)) == (2, before)
    assert "turbo-steps-minimum-not-enforced" in stopped.output


def test_an_unreadable_page_writes_nothing_and_exits_with_2(root: Path):
    before = texts(root)
    file = root / "page.txt"
    file.write_text("Welcome to another site.", encoding="utf-8")

    refused = CliRunner().invoke(sync, [str(file), "--root", str(root), "--yes"])

    assert (refused.exit_code, texts(root)) == (2, before)


def test_a_second_sync_has_nothing_to_do(root: Path):
    page = changed(TURBO, "guidance_scale", max="20")
    called(root, page, "--yes")

    again = called(root, page)

    assert (again.exit_code, again.output) == (0, "The specs match the pages.\n")


def test_it_names_the_line_that_needs_a_description(root: Path):
    page = deepcopy(PAGES[TURBO])
    page["attributes"].insert(0, {"name": "clip_skip", "type": "int", "default": "1", "description": ""})

    output = called(root, page, "--yes").output

    lines = (root / "openapi" / f"{TURBO}.yaml").read_text(encoding="utf-8").splitlines()
    number = lines.index("        clip_skip:") + 1
    assert f"{TURBO}.yaml:{number}: a description of clip_skip" in output


def test_a_reworded_page_names_the_description_to_review(root: Path):
    called(root, PAGES[TURBO], "--yes")  # records the invented prose of a written page
    file = root / "page.txt"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("The words on seed", "Other words on seed"), encoding="utf-8")

    output = CliRunner().invoke(sync, [str(file), "--root", str(root), "--yes"]).output

    assert output.count(": review the description") == 1
    assert "the page's seed was reworded" in output


def test_a_spec_with_another_layout_is_refused_and_left_unchanged(root: Path):
    spec = root / "openapi" / f"{TURBO}.yaml"
    without = spec.read_text(encoding="utf-8").replace("x-documented-sample", "x-sample")
    spec.write_text(without, encoding="utf-8")

    refused = called(root, changed(TURBO, "guidance_scale", max="20"), "--yes")

    assert (refused.exit_code, spec.read_text(encoding="utf-8")) == (2, without)
    assert f"{TURBO}.yaml is not laid out as the other specs" in refused.output


def test_a_folder_that_is_no_checkout_is_refused(tmp_path: Path):
    refused = called(tmp_path, PAGES[TURBO], "--yes")

    assert (refused.exit_code, sorted(tmp_path.iterdir())) == (2, [tmp_path / "page.txt"])
    assert "name one with --root" in refused.output
