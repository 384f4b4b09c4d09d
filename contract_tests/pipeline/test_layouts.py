"""The layouts of the vendor's pages: each is recognised, and read or refused by its name."""

import json
import re
import shutil
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from proofs.pages.fact_mutants import in_layout
from proofs.pages.layouts import survivors
from ruamel.yaml import YAML
from segmind_sd3_pipeline.pages import parameters
from segmind_sd3_pipeline.pages.check_command import check
from segmind_sd3_pipeline.pages.comparison import page_differences
from segmind_sd3_pipeline.pages.contract import write_files
from segmind_sd3_pipeline.pages.contradictions import contradictions
from segmind_sd3_pipeline.pages.digests import digest
from segmind_sd3_pipeline.pages.facts import all_recorded_facts
from segmind_sd3_pipeline.pages.layouts.recognise import READ
from segmind_sd3_pipeline.pages.page import MAX_PAGE_CHARS, PageError, read_page
from segmind_sd3_pipeline.pages.page_error import BrokenPage, LayoutError
from segmind_sd3_pipeline.pages.page_writer import LAYOUTS, page_text
from segmind_sd3_pipeline.pages.spec_editor import CanNotSync
from segmind_sd3_pipeline.pages.sync import synced_files
from segmind_sd3_pipeline.pages.value_lists import split_numbers

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT.parent / "shared" / "layouts"
_YAML: Any = YAML(typ="safe", pure=True)
EXPECTED: dict[str, Any] = _YAML.load(Path(__file__).with_name("layouts.yaml"))
FACTS: dict[str, dict[str, Any]] = {each["slug"]: each for each in all_recorded_facts(ROOT / "openapi")}
MEDIUM = FACTS["stable-diffusion-3-medium-txt2img"]

each_layout = pytest.mark.parametrize("layout", READ)
needs_examples = pytest.mark.skipif(
    not EXAMPLES.is_dir(), reason="the example pages are not beside this checkout"
)


def example(name: str) -> str:
    return (EXAMPLES / f"{name}.txt").read_bytes().decode()


def written(layout: str, facts: dict[str, Any] = MEDIUM) -> str:
    return LAYOUTS[layout](in_layout(facts, layout))


def masked(facts: dict[str, Any]) -> Any:
    """Return facts with each digest as `words`, without those of the page as a whole."""
    bare = {name: value for name, value in facts.items() if name not in {"page", "digest", "prose"}}
    return json.loads(re.sub(r"sha256:[\w-]+|a digest", "words", json.dumps(bare)))


def refusal(text: str) -> PageError:
    with pytest.raises(PageError) as refused:
        read_page(text)
    return refused.value


def parameter_page(
    parameters: str, sample: str = '"prompt": "a cat"', kind: str = "Image", head: str = "~4.20s"
) -> str:
    """Return a small page in the layout N with these parameters beside the prompt."""
    code = [
        "import requests",
        'url = "https://api.segmind.com/v1/sd4"',
        f"data = {{{sample}}}",
        "requests.post(url)",
    ]
    numbered = "\n".join(f" {number}{line}" for number, line in enumerate(code, 1))
    return f"""A model

What it draws.

{head}
{numbered}

API Endpoint

POST https://api.segmind.com/v1/sd4

Parameters

promptrequired
string

What to draw

{parameters}

Response Type

Returns: {kind}
"""


def parameter(text: str, sample: str = '"prompt": "a cat"', name: str = "") -> dict[str, Any]:
    """Return the facts of the parameter below the prompt, or of the one with this name."""
    found = read_page(parameter_page(text, sample))["attributes"]
    (chosen,) = [each for each in found if (each["name"] == name if name else each["name"] != "prompt")]
    return chosen


# --- The examples -----------------------------------------------------------------------------------------


@needs_examples
@pytest.mark.parametrize("name", EXPECTED["read"])
def test_an_example_has_the_facts_of_the_table(name: str):
    assert masked(read_page(example(name))) == masked(EXPECTED["read"][name])


@needs_examples
@pytest.mark.parametrize("name", EXPECTED["refused"])
def test_an_example_that_is_not_read_is_refused_by_the_name_of_its_layout(name: str):
    refused = refusal(example(name))

    assert isinstance(refused, LayoutError)
    assert f"in the layout {name}, which is not read" in str(refused)
    assert EXPECTED["refused"][name] in str(refused).lower()


@needs_examples
def test_every_example_is_in_the_table():
    assert {file.stem for file in EXAMPLES.glob("*.txt")} == {*EXPECTED["read"], *EXPECTED["refused"]}


# --- Every layout -----------------------------------------------------------------------------------------


@each_layout
@pytest.mark.parametrize("slug", FACTS)
def test_a_page_written_in_a_layout_is_read_back_as_its_facts(layout: str, slug: str):
    facts = in_layout(FACTS[slug], layout)

    assert masked(read_page(LAYOUTS[layout](facts))) == masked(facts)


@each_layout
def test_a_change_of_any_fact_is_noticed_in_every_layout(layout: str):
    facts = deepcopy(MEDIUM)
    facts["attributes"] = facts["attributes"][:5]
    kept = {each["name"] for each in facts["attributes"]}
    values = facts["sample"]["values"]
    facts["sample"]["values"] = {name: value for name, value in values.items() if name in kept}

    tried, left = survivors(facts, layout)

    assert tried > 100
    assert left == []


def test_a_mutant_that_the_reader_overlooks_is_named(monkeypatch: pytest.MonkeyPatch):
    def overlook(*_: object) -> None:
        """Read no range."""

    monkeypatch.setattr(parameters, "_add_range", overlook)

    _, left = survivors(MEDIUM, "N")

    assert any("num_inference_steps: min" in each for each in left)


NOISE: dict[str, Callable[[str], str]] = {
    "Windows line ends": lambda text: text.replace("\n", "\r\n"),
    "a byte order mark": lambda text: f"\ufeff{text}",
    "trailing blanks": lambda text: text.replace("\n", " \t\n"),
    "no-break spaces at the line ends": lambda text: text.replace("\n", "\u00a0\n"),
    "a navigation bar": lambda text: f"Models\nPricing\nGET STARTED\nDocs\n\n{text}",
    "a cookie banner": lambda text: (
        f"{text}\n\nCookie settings\n\nWe use cookies to improve this site. Accept all"
    ),
    "a marketing sentence": lambda text: f"{text}\n\nPictures up to 2048x2048, in seconds.\n",
}


@each_layout
@pytest.mark.parametrize("noise", NOISE)
def test_what_states_no_fact_changes_none(layout: str, noise: str):
    text = written(layout)

    assert masked(read_page(NOISE[noise](text))) == masked(read_page(text))


@each_layout
def test_a_page_without_blank_lines_has_the_same_facts_or_is_refused(layout: str):
    text = written(layout)
    changed = "\n".join(line for line in text.split("\n") if line.strip())

    assert masked(read_page(changed)) == masked(read_page(text))


def test_without_blank_lines_a_word_that_may_be_a_parameter_is_refused():
    text = "\n".join(line for line in written("A-flat-js").split("\n") if line.strip())
    changed = text.replace("seedint ( default: -1 )", "extraint\nMore\nseedint ( default: -1 )")

    assert "extraint" in str(refusal(changed))


# --- Recognition ------------------------------------------------------------------------------------------


def test_an_unknown_layout_is_refused_with_the_nearest_and_why():
    refused = refusal("A model\n\nAPI Endpoint\n\nPOST https://a/v1/b\n\nArguments\n\nprompt: text\n")

    assert isinstance(refused, LayoutError)
    assert "in no layout that is known" in str(refused)
    assert "nearest is N, because of API Endpoint in line 3" in str(refused)


def test_a_page_of_parameters_in_prose_is_no_page_of_the_n_family():
    text = written("A-titled") + "\n\nParameters\n\nThere are many of them.\n"

    assert "layout" not in read_page(text)


@pytest.mark.parametrize("kind", ["video/mp4", "audio/mpeg", "application/json", "model/gltf-binary"])
def test_a_page_whose_model_answers_with_no_picture_is_refused(kind: str):
    with pytest.raises(LayoutError, match=rf"answers with {kind}, which is no picture"):
        read_page(page_text({**MEDIUM, "reply": kind}))


def test_a_new_page_whose_model_answers_with_another_kind_of_picture_makes_a_spec(contract: Path):
    page = MEDIUM | {"slug": "otter-png", "url": "https://api.segmind.com/v1/otter-png", "reply": "image/png"}

    write_files(synced_files([read_page(page_text(page))], contract))

    assert page_differences(read_page(page_text(page)), contract) == []


@pytest.mark.parametrize(
    ("kind", "layout"),
    [
        ("Video", "N-video"),
        ("Short videos", "N-video"),
        ("Audio", "N-audio"),
        ("3D", "N-3d"),
        ("Embeddings", "N-numbers"),
    ],
)
def test_a_page_of_other_media_is_refused_by_name(kind: str, layout: str):
    assert f"in the layout {layout}" in str(refusal(parameter_page("", kind=kind)))


# --- Broken pages -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "gave_away"),
    [
        ("/v1/sd4", "/v1/models/sd4", "/v1/models/sd4"),
        ('"a cat"', '"sample text"', "sample text"),
        ('"prompt": "a cat"', '"text": "a cat"', "text"),
        ('"prompt": "a cat"', '"prompt": "a cat", "steps": 4', "steps"),
        ("POST https://api.segmind.com/v1/sd4", "POST https://api.segmind.com/v1/sd5", "sd5"),
        ("promptrequired", "param1required", "param1"),
    ],
)
def test_a_broken_page_is_refused_with_what_gave_it_away(old: str, new: str, gave_away: str):
    page = parameter_page("")
    assert old in page

    refused = refusal(page.replace(old, new))

    assert isinstance(refused, BrokenPage)
    assert gave_away in str(refused)


def test_the_list_of_a_picture_model_on_the_page_of_an_embedding_is_broken():
    text = written("N", FACTS["stable-diffusion-3.5-turbo-txt2img"])

    assert "embed" in str(refusal(text.replace("stable-diffusion-3.5-turbo-txt2img", "text-embedding-3")))


# --- Parameters of the N family ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "facts"),
    [
        (
            "stepsoptional\ninteger\n\nMany\n\nDefault: 5Range: 1 - 10",
            {"default": "5", "min": "1", "max": "10"},
        ),
        ("shadeoptional\nnumber\nRange: -0.5 - 1", {"min": "-0.5", "max": "1"}),
        ("moodoptional\nstring\n\nIt\n\nDefault: null", {"no_default": "null"}),
        ('moodoptional\nstring\n\nIt\n\nDefault: "null"', {"default": "null"}),
        ('moodoptional\nstring\n\nIt\n\nDefault: ""', {"default": ""}),
        ("gridoptional\nboolean\n\nIt\n\nDefault: false", {"default": "false"}),
        ('stepsoptional\ninteger\n\nMany\n\nDefault: "5"', {"default": "5", "default_type": "string"}),
        (
            'moodoptional\nstring\n\nIt\n\nDefault: "a \\"b\\"\\nRange: 1 - 2"',
            {"default": 'a "b"\nRange: 1 - 2'},
        ),
        (
            'moodoptional\nstring\nAllowed values :\n"a""b c"+7 more',
            {"allowed_values": ["a", "b c"], "values_more": "7"},
        ),
        ('moodoptional\nstring\nAllowed values (12 total):\n"a""b"', {"values_total": "12"}),
        ("sideoptional\ninteger\n\nIt\n\nDefault: 4\nAllowed values :\n248", {"allowed_values": [2, 4, 8]}),
        ("sideoptional\ninteger\nAllowed values :\n512768", {"values_as_printed": "512768"}),
        ('moodoptional\nstring\n\nThe mask is optional\n\nDefault: "x"', {"default": "x"}),
        ("maskoptional\nstring (uri)", {"type": "string (uri)"}),
        (
            "sideoptional\ninteger\n\nA side divisible by 16, up to 2048x2048",
            {"max": "2048", "multiple_of": "16"},
        ),
        (
            "sideoptional\ninteger\n\nDeprecated, use `size_px` instead",
            {"retired": "deprecated", "instead": "size_px"},
        ),
    ],
    ids=range(16),
)
def test_a_parameter_has_the_facts_that_its_lines_state(text: str, facts: dict[str, Any]):
    assert parameter(text).items() >= facts.items()


def test_a_parameter_follows_another_without_a_blank_line():
    text = "footprintoptional\ninteger\nThe size\nmoodoptional\nstring\nIt"

    assert [each["name"] for each in read_page(parameter_page(text))["attributes"]] == [
        "prompt",
        "footprint",
        "mood",
    ]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("Default: calm", "Default: calm"),
        ("Default: 5 or so", "or so"),
        ("Default: 5\nDefault: 6", "Default: 6"),
        ("Range: 9 - 1", "Range: 9 - 1"),
        ("Allowed values :\none, two", "one, two"),
    ],
)
def test_a_rule_that_is_not_understood_is_named(line: str, found: str):
    assert found in str(refusal(parameter_page(f"moodoptional\nstring\n\nIt\n\n{line}")))


def test_a_page_cut_above_the_response_type_is_refused():
    page = parameter_page("moodoptional\nstring")

    assert "Response Type" in str(refusal(page.partition("Response Type")[0]))


LIST = "listrequired\nobject[]\n\nThem\n\nArray items:\nitemrequired\nstring\n\nOne\nseedoptional\ninteger"


def test_a_nested_parameter_is_where_the_sample_has_it():
    sample = '"prompt": "a cat", "list": [{"item": "x"}], "seed": 1'

    assert parameter(LIST, sample, "list")["members"][0]["name"] == "item"


@pytest.mark.parametrize(
    ("sample", "found"),
    [
        ('"prompt": "a cat", "list": [{"item": "x"}], "item": "y", "seed": 1', "in list and at the top"),
        ('"prompt": "a cat", "list": [{"item": "x"}]', "seed is inside list or beside it"),
    ],
)
def test_a_nested_parameter_whose_place_can_not_be_settled_is_refused(sample: str, found: str):
    assert found in str(refusal(parameter_page(LIST, sample)))


@pytest.mark.parametrize(
    ("text", "holds", "values"),
    [
        ("510", [5], (5, 10)),
        ("248", [4], (2, 4, 8)),
        ("512768", [512], (512, 768)),
        ("102420484096", [1024], (1024, 2048, 4096)),
        ("510", [510], (510,)),
        ("512768", [], None),
        ("12", [3], None),
        ("1" * 200, [], None),
    ],
)
def test_glued_numbers_are_split_in_the_one_way_that_holds_the_default(
    text: str, holds: list[int], values: tuple[int, ...] | None
):
    assert split_numbers(text, holds, (float("-inf"), float("inf"))) == values


def test_what_can_not_be_settled_is_reported():
    facts = read_page(parameter_page("sideoptional\ninteger\nAllowed values :\n512768"))

    assert [(each.attribute, each.what) for each in contradictions(facts, ())] == [
        ("side", "values run together")
    ]


def test_a_sample_of_another_type_is_reported_and_the_type_kept():
    facts = read_page(parameter_page("scaleoptional\ninteger\n\nIt", '"prompt": "a cat", "scale": "2"'))

    assert facts["attributes"][1]["type"] == "integer"
    assert [each.what for each in contradictions(facts, ())] == ["sample of another type"]


# --- Samples ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    ["9", "10", "11", "[9, 10, 11]", '"mends 10 kettles 11"', '"it\\"s 10"', "'10 11'", "false"],
)
def test_a_number_of_the_sample_is_told_from_that_of_its_line(value: str):
    lines = ["const data = {", '"prompt": "a",', f'"x": {value},', f'"y": {value}', "};"]
    code = [
        "const axios = require('axios'); // it's",
        'const url = "https://api.segmind.com/v1/sd4";',
        "",
        "",
        "",
        *lines,
    ]
    code.append("axios.post(url, data, { headers: { 'x-api-key': k } });")
    text = " ".join(f"{number}{line}" for number, line in enumerate(code, 1))
    facts = {
        **MEDIUM,
        "attributes": [{"name": name, "type": "str", "description": ""} for name in ("prompt", "x", "y")],
    }
    page = re.sub(r"^1const .*$", lambda _: text, written("C", facts), flags=re.MULTILINE)

    values = read_page(page)["sample"]["values"]

    plain = json.loads(value.replace("'", '"'))
    assert values["y"] == values["x"] == (digest(plain) if " " in value and isinstance(plain, str) else plain)


@pytest.mark.parametrize(
    "call",
    [
        'segmind.run("sd4", prompt="a", steps=4, grid=False, )',
        'payload = {"prompt": "a", "steps": 4, "grid": False}\n 6segmind.submit_async("sd4", **payload)',
    ],
)
def test_a_call_of_the_sdk_is_read_in_both_forms(call: str):
    code = f" 1# pip install\n 2import segmind\n 3\n 4# don't\n 5{call}"
    head = f"POST /v2/sd4 \u00b7 submit + poll\n{code}"
    page = parameter_page("stepsoptional\ninteger\ngridoptional\nboolean")
    page = re.sub(r"~4\.20s\n(?: \d.*\n)+", lambda _: f"{head}\n", page)

    assert read_page(page)["sample"]["values"] == {"prompt": "a", "steps": 4, "grid": False}


# --- Words ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "facts"),
    [
        ("Must be divisible by 16", {"multiple_of": "16"}),
        ("between 1 and 50", {"min": "1", "max": "50"}),
        ("Up to 2048x2048 pixels", {"max": "2048"}),
        ("At least 64 and at most 4096.", {"min": "64", "max": "4096"}),
        ("Range: 1-100", {"min": "1", "max": "100"}),
        ("maximum value is 12, minimum 3", {"min": "3", "max": "12"}),
        ("Typically between 7 and 15", {}),
        ("up to 4x faster, up to 50% cheaper", {}),
    ],
)
def test_bounds_in_words_are_bounds_and_advice_is_none(words: str, facts: dict[str, str]):
    found = parameter(f"sideoptional\ninteger\n\n{words}")

    assert {name: found[name] for name in ("min", "max", "multiple_of") if name in found} == facts


@pytest.mark.parametrize(
    ("sentence", "facts"),
    [
        ("This model is deprecated.", {"retired": "deprecated"}),
        ("Deprecated: use sd4-large instead.", {"retired": "deprecated", "instead": "sd4-large"}),
        ("Use sd4-large instead.", {"retired": "instead", "instead": "sd4-large"}),
        ("The endpoint is no longer available.", {"retired": "no longer available"}),
        ("This model has been retired. Please migrate to flux-2-pro.", {"retired": "retired"}),
        ("A model (Deprecated)", {"retired": "deprecated"}),
        ("This model is not deprecated.", {}),
        ("Deprecated models", {}),
        ("Use a negative prompt instead.", {}),
        ("It needs no deprecated sampler.", {}),
    ],
)
@pytest.mark.parametrize("layout", ["A-titled", "N"])
def test_a_retirement_is_a_fact(layout: str, sentence: str, facts: dict[str, str]):
    found = read_page(f"{written(layout)}\n\n{sentence}")

    assert {name: found[name] for name in ("retired", "instead") if name in found}.items() >= facts.items()
    assert bool(facts) == ("retired" in found)


# --- Slow and hostile pages -------------------------------------------------------------------------------

RUNS = [
    " ",
    "\t",
    "\n",
    "(",
    "[",
    "{",
    '{"a":',
    '"',
    "'",
    "\\",
    "#",
    "//",
    ",",
    "1",
    "1 ",
    "9" * 40,
    "a",
    "_",
    "-",
    ".",
    "Range: ",
    "Default: ",
    "Allowed values :\n",
    "requiredstring",
    "https://",
    "/v1/",
    "POST\n",
    "min : ",
    "\u00b7",
    "between 1 and ",
    "use a-b instead ",
    "deprecated. ",
    "up to 1x",
    "**p",
    "seg.run(",
    "x-credits ",
    "+3 more",
    '""',
]
LINES = {
    "A-titled": ["numbers", "Attributes", "What is meant", "The words on seed", "seedint"],
    "B": ["12};", "POST/v1", "8"],
    "C": ["1const"],
    "N": ["API Endpoint", " 5", "Returns: ", "The words on seed", "Default: -1", "~4.20s", "Common"],
    "N2": ["submit", " 6", "Range: "],
}


@pytest.mark.slow
@pytest.mark.thorough
@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize(
    ("layout", "line"), [(name, line) for name, lines in LINES.items() for line in lines]
)
def test_no_page_takes_long(layout: str, line: str, run: str):
    text = written(layout)
    at = max(text.find(line), 0)
    long = run * ((MAX_PAGE_CHARS - len(text)) // len(run))
    begun = time.process_time()
    for changed in (text[:at] + long + text[at:], text.replace(line, f"{line}{long}", 1)[:MAX_PAGE_CHARS]):
        try:
            facts = read_page(changed)
        except PageError:
            continue
        contradictions(facts, ())

    assert time.process_time() - begun < 4, "two pages, each 2 s"


# --- From a page to its spec ------------------------------------------------------------------------------

OF_OVERLAYS = {"base64", "samples"}  # overlay actions for all pages expect these as the five have them
NEW = {
    **MEDIUM,
    "slug": "otter-brush",
    "url": "https://api.segmind.com/v1/otter-brush",
    "attributes": [each for each in MEDIUM["attributes"] if each["name"] not in OF_OVERLAYS],
    "sample": {
        **MEDIUM["sample"],
        "values": {
            name: value for name, value in MEDIUM["sample"]["values"].items() if name not in OF_OVERLAYS
        },
    },
}


@pytest.fixture
def contract(tmp_path: Path) -> Path:
    """Copy the contract into a folder."""
    shutil.copytree(
        ROOT / "openapi", tmp_path / "openapi", ignore=shutil.ignore_patterns("*.py", "__pycache__")
    )
    return tmp_path / "openapi"


@each_layout
def test_a_new_page_makes_a_spec_that_agrees_with_it_and_notices_a_change(layout: str, contract: Path):
    facts = read_page(written(layout, NEW))
    write_files(synced_files([facts], contract))
    changed = read_page(written(layout, NEW).replace("DPM++ 2M", "DPM++ 3M"))

    assert page_differences(facts, contract) == []
    assert "attributes.scheduler.default" in {row.fact for row in page_differences(changed, contract)}


@pytest.mark.parametrize("layout", ["N", "N2"])
def test_a_changed_page_of_the_n_family_edits_its_spec(layout: str, contract: Path):
    text = written(layout, NEW)
    write_files(synced_files([read_page(text)], contract))
    text = text.replace("Range: 10 - 100", "Range: 10 - 90").replace("$0.003", "$0.004")
    changed = read_page(text.replace("Unauthorized", "No Key"))

    write_files(synced_files([changed], contract))

    assert page_differences(changed, contract) == []


def test_a_page_without_parameters_edits_no_spec(contract: Path):
    facts = read_page(written("A-lines").partition("RESPONSE")[0])

    assert [row for row in page_differences(facts, contract) if row.fact.startswith("attributes")] == []
    with pytest.raises(CanNotSync, match="above the parameters"):
        synced_files([facts], contract)


def test_a_page_of_another_layout_leaves_the_spec_and_its_facts_as_they_are(contract: Path):
    texts = synced_files([read_page(written("N"))], contract)

    assert {file.relative_to(contract).parts[0] for file in texts} == {"facts", "observed.overlay.yaml"}
    assert [file.parent.name for file in texts if file.suffix == ".json"] == ["second"]


def test_other_text_is_no_drift_and_is_listed_with_prose(contract: Path):
    text = written("A-titled")
    write_files(synced_files([read_page(text)], contract))
    file = contract.parent / "page.txt"
    noisy = f"\ufeff{text}\n\nCookie settings\n\nWe use cookies. Accept all\n".replace("\n", "\r\n")
    file.write_bytes(noisy.encode())

    usual, listed = (
        CliRunner().invoke(check, [str(file), "--root", str(contract.parent), *more])
        for more in ((), ("--prose",))
    )

    assert (usual.exit_code, listed.exit_code) == (0, 0), usual.output
    assert "0 differences" in usual.output
    assert "no drift" not in usual.output
    assert "no drift" in listed.output


HOSTILE = (
    *(
        "../../x",
        "..",
        "a/../b",
        "models/x",
        ".hidden",
        "x\ny",
        "${x}",
        "{{x}}",
        "a" * 300,
        "x;rm -rf",
        "%2e",
    ),
    *("self: [1]", "a\n  b: 1", '"""', "'''", "{# x #}", "!!python/object/apply:os.system", "&a", "*a", "<<"),
    *("__class__", "import os", "{0.__class__}", "\u202ex", "\x1b[2J", "# x", "null", "%YAML", "---", "\t"),
)


SPEC_MEMBERS = {"openapi", "info", "servers", "security", "tags", "paths", "components", "quirks"}
MEMBERS = {"overlay.yaml": {"overlay", "info", "extends", "actions"}}


@pytest.mark.parametrize(
    "layout",
    ["N", pytest.param("A-titled", marks=pytest.mark.slow), pytest.param("N2", marks=pytest.mark.slow)],
)
@pytest.mark.parametrize(
    "old",
    [
        "otter-brush",
        "negative_prompt",
        *(
            pytest.param(text, marks=[pytest.mark.slow, pytest.mark.thorough])
            for text in ("DPM++ 2M", "Unauthorized")
        ),
    ],
)
@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_page_is_refused_or_its_text_stays_text(layout: str, old: str, text: str, contract: Path):
    page = written(layout, NEW).replace(old, text)
    before = {file: file.read_bytes() for file in contract.rglob("*") if file.is_file()}

    texts: Mapping[Path, str] = {}
    with suppress(PageError, CanNotSync):
        texts = synced_files([read_page(page)], contract)

    assert {file: file.read_bytes() for file in contract.rglob("*") if file.is_file()} == before
    for file, content in texts.items():
        assert file.resolve().is_relative_to(contract.resolve())
        if file.suffix == ".yaml":
            assert set(_YAML.load(content)) <= MEMBERS.get(file.name.partition(".")[2], SPEC_MEMBERS)
