"""The page reader: the facts of a docs page, and the errors for any other text."""

import json
import re
from copy import deepcopy
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from segmind_sd3_pipeline.pages.facts import as_page_text
from segmind_sd3_pipeline.pages.page import MAX_PAGE_CHARS, PageError, read_page
from segmind_sd3_pipeline.pages.page_writer import page_text
from segmind_sd3_pipeline.pages.properties import property_of

ROOT = Path(__file__).parents[2]
SAVED_PAGES = ROOT.parent / "shared" / "docs"
FACTS: dict[str, dict[str, Any]] = {
    file.stem: json.loads(file.read_text(encoding="utf-8"))
    for file in sorted((ROOT / "openapi" / "facts").glob("*.json"))
}
PAGE = page_text(FACTS["stable-diffusion-3-medium-txt2img"])

each_page = pytest.mark.parametrize("slug", FACTS)
needs_saved_pages = pytest.mark.skipif(
    not SAVED_PAGES.is_dir(), reason="the saved pages are not beside this checkout"
)


def saved(slug: str) -> str:
    return (SAVED_PAGES / f"{slug}.txt").read_bytes().decode()


def digest(text: str) -> str:
    return f"sha256:{sha256(text.encode()).hexdigest()}"


def without_digests(facts: dict[str, Any]) -> Any:
    """Return the facts with digests masked: a page written from facts has invented prose."""
    return json.loads(re.sub(r"sha256:\w+", "a digest", json.dumps(facts)))


def read_or_refused(text: str) -> str:
    """Return the facts of a page as JSON text, or the error."""
    try:
        return json.dumps({**read_page(text), "digest": ""}, allow_nan=False)
    except PageError as refused:
        return str(refused)


def refusal(text: str) -> PageError:
    with pytest.raises(PageError) as refused:
        read_page(text)
    return refused.value


def with_attributes(*blocks: str, sample: str = '"prompt": "a cat"') -> str:
    """Return a small page with these parameters."""
    parameters = "\n\n\n".join(blocks)
    return f"""A model

POST
python
1 2 3 import requests url = "https://api.segmind.com/v1/sd4" data = {{ {sample} }} headers = {{'x-key': k}}
RESPONSE
image/jpeg
HTTP Response Codes
200 - OKImage Generated

Attributes


{parameters}

To keep track of your credits, read the response headers. The x-remaining-credits property counts them."""


def with_code(code: str, name: str = "") -> str:
    return with_attributes("promptstr *\n\nWhat to draw").replace(
        re.findall(r"python\n1 2 3 .*", with_attributes("x"))[0], f"{name}\n{code}"
    )


# --- The five pages ---------------------------------------------------------------------------------------


@needs_saved_pages
@each_page
def test_a_saved_page_has_the_recorded_facts(slug: str):
    assert read_page(saved(slug)) == FACTS[slug]


@needs_saved_pages
@each_page
def test_every_line_of_a_saved_page_matters(slug: str):
    # A word more on any line changes the facts, or makes the page unreadable.
    lines = saved(slug).split("\n")
    known = read_or_refused("\n".join(lines))
    for number, line in enumerate(lines):
        if line.strip():
            changed = "\n".join([*lines[:number], f"{line} indeed", *lines[number + 1 :]])
            assert read_or_refused(changed) != known, line


@each_page
def test_a_page_written_from_facts_is_read_back_as_those_facts(slug: str):
    facts = read_page(page_text(FACTS[slug]))

    assert without_digests(facts) == without_digests(FACTS[slug])


@each_page
@pytest.mark.parametrize("language", ["javascript", "python", "curl"])
def test_a_sample_has_the_same_facts_in_every_language(slug: str, language: str):
    facts = deepcopy(FACTS[slug])
    facts["sample"]["language"] = language

    assert without_digests(read_page(page_text(facts))) == without_digests(facts)


# --- Names and types --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "sample", "name", "kind"),
    [
        ("imageimage *", '"image": "x"', "image", "image"),
        ("base64boolean ( default: 1 )", '"base64": True', "base64", "boolean"),
        ("base64bool ( default: 1 )", '"base64": True', "base64", "bool"),
        ("samplerenum:str *", '"sampler": "x"', "sampler", "enum:str"),
        ("pointint *", '"point": 1', "point", "int"),
        ("point_intstr *", '"point": 1, "point_int": "x"', "point_int", "str"),
        ("tintstr *", '"prompt": "x"', "tint", "str"),
        ("promptvec3 *", '"prompt": "x"', "prompt", "vec3"),
        ("prompt str *", '"prompt": "x"', "prompt", "str"),
    ],
    ids=lambda value: value.partition(" ")[0] if value.endswith(("*", ")")) else "",
)
def test_a_joined_header_is_split_into_name_and_type(header: str, sample: str, name: str, kind: str):
    (found,) = read_page(with_attributes(header, sample=sample))["attributes"]

    assert (found["name"], found["type"]) == (name, kind)


def test_one_header_states_type_default_requirement_and_pricing():
    (found,) = read_page(with_attributes("stepsint * ( default: 4 (four) ) Affects Pricing"))["attributes"]

    assert found == {
        "name": "steps",
        "type": "int",
        "required": True,
        "default": "4 (four)",
        "affects_pricing": True,
    }


def test_a_word_of_a_description_is_not_a_parameter():
    (found,) = read_page(with_attributes("promptstr *\n\nBlueprint\nconstraint"))["attributes"]

    assert found["description"] == digest("Blueprint\nconstraint")


def test_windows_line_ends_and_no_break_spaces_change_no_fact():
    changed = read_page(PAGE.replace("\n", "\r\n").replace(" *", "\u00a0*"))

    assert {**changed, "digest": ""} == {**read_page(PAGE), "digest": ""}


# --- Bounds and values ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prose", "facts"),
    [
        ("It is between 512 and 2048 in multiples of 8", {"min": "512", "max": "2048", "multiple_of": "8"}),
        ("from 0.5 to 2.5", {"min": "0.5", "max": "2.5"}),
        ("A multiple of 64", {"multiple_of": "64"}),
    ],
)
def test_bounds_in_prose_are_bounds(prose: str, facts: dict[str, str]):
    (found,) = read_page(with_attributes(f"widthint *\n\n{prose}"))["attributes"]

    assert found.items() >= {**facts, "bounds_from": "prose"}.items()


def test_numbers_in_the_description_of_a_text_are_not_bounds():
    (found,) = read_page(with_attributes("promptstr *\n\nbetween 3 and 10 words"))["attributes"]

    assert "min" not in found


def test_a_bound_on_its_own_line_takes_precedence_over_prose():
    (found,) = read_page(with_attributes("widthint *\n\nbetween 1 and 9\n\nmin : 2,\n\nmax : 8"))[
        "attributes"
    ]

    assert (found["min"], found["max"], "bounds_from" in found) == ("2", "8", False)


@pytest.mark.parametrize(
    "listed",
    [
        "Allowed values:\nDPM++ 2M\nLMS Karras",
        "Allowed values:\n\n\u2022 DPM++ 2M\n\n\u2022 LMS Karras",
        "Allowed values: DPM++ 2M, LMS Karras",
        "Allowed values:\n\n'DPM++ 2M',\n'LMS Karras',",
        "Allowed values:\n- DPM++ 2M\n- LMS Karras",
    ],
)
def test_allowed_values_may_be_on_lines_or_separated_by_commas(listed: str):
    (found,) = read_page(with_attributes(f"schedulerenum:str *\n\nIts name\n\n{listed}"))["attributes"]

    assert found["allowed_values"] == ["DPM++ 2M", "LMS Karras"]


# --- Samples ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("literal", "value"),
    [
        ("'it\\'s'", "it's"),
        ('"say\\"hi\\""', 'say"hi"'),
        ("-0.5", -0.5),
        ("1e3", 1000.0),
        ("None", None),
        ("false", False),
        ("[1, 2]", [1, 2]),
        ("toB64('https://x/a,b}.jpg')", {"code": "toB64('https://x/a,b}.jpg')"}),
        ("f(g(1), {2: 3})", {"code": "f(g(1), {2: 3})"}),
        ("`${name}`", {"code": "`${name}`"}),
        ("1e999", {"code": "1e999"}),
        ("[NaN]", {"code": "[NaN]"}),
    ],
)
def test_a_literal_is_read_as_its_value_and_anything_else_as_code(literal: str, value: Any):
    sample = f'"prompt": {literal}, "last": 1'

    assert read_page(with_attributes("promptstr *", sample=sample))["sample"]["values"] == {
        "prompt": value,
        "last": 1,
    }


def test_a_comment_without_an_end_ends_before_the_next_key():
    sample = (
        '"image": to_base64("x.jpg"), # Or use file("PATH") "prompt": "cat", // a comma, "last": 1 # the end'
    )

    page = with_attributes("promptstr *", "imageimage *", "lastint *", sample=sample)
    assert read_page(page)["sample"]["values"] == {
        "image": {"code": 'to_base64("x.jpg")'},
        "prompt": "cat",
        "last": 1,
    }


CURL = r"""curl -X POST https://api.segmind.com/v1/sd4 \\
 -H 'x-api-key: KEY' -H 'Content-Type: application/json' \\
 -d '{"prompt": "cat"}'"""
PYTHON = """import requests
url = "https://api.segmind.com/v1/sd4"
payload = json.dumps({
  "prompt": "cat", # it
})
headers = {'x-api-key': KEY, 'Content-Type': 'application/json'}"""
JAVASCRIPT = """const reply = await fetch('https://api.segmind.com/v1/sd4', {
  headers: { 'x-api-key': KEY },
  body: JSON.stringify({ prompt: "cat", })
});"""


@pytest.mark.parametrize(
    ("code", "language"),
    [(CURL, "curl"), (PYTHON, "python"), (JAVASCRIPT, "javascript")],
    ids=["curl", "python", "javascript"],
)
def test_other_layouts_of_a_sample_are_read(code: str, language: str):
    facts = read_page(with_code(code))

    assert facts["sample"] == {"language": language, "values": {"prompt": "cat"}}
    assert (facts["slug"], facts["auth_header"]) == ("sd4", "x-api-key")


def test_a_text_of_several_words_is_a_digest_unless_it_is_the_default():
    page = with_attributes(
        "promptstr *", "stylestr ( default: oil on wood )", sample='"prompt": "a cat", "style": "oil on wood"'
    )

    assert read_page(page)["sample"]["values"] == {"prompt": digest("a cat"), "style": "oil on wood"}


# --- Drift ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "before", ["Attributes", "To keep track of", "HTTP Response Codes"], ids=["codes", "attributes", "reply"]
)
def test_an_unknown_section_is_prose_under_its_heading(before: str):
    section = "\n\n\nRate Limits\n\nFive calls a minute.\nFifty on Pro.\n\n\n"
    page = PAGE.replace(before, section + before, 1)

    assert read_page(page)["prose"]["Rate Limits"] == digest(
        "Rate Limits\nFive calls a minute.\nFifty on Pro."
    )
    assert read_page(page)["attributes"] == read_page(PAGE)["attributes"]


@pytest.mark.parametrize(
    ("old", "new", "section", "found"),
    [
        ("min : 10,", "min : ten,", "attributes", "min : ten,"),
        ("min : 10,", "step : 10,\n\nmin : 10", "attributes", "step : 10,"),
        ("max : 100,", "min : 20,", "attributes", "min : 20,"),
        ("Allowed values:", "Allowed values:\nOne.\nTwo.", "attributes", "One."),
        ("Allowed values:", "Allowed values: one, one", "attributes", "one, one"),
        ("seedint ( default: -1 )", "seed!int ( default: -1 )", "attributes", "seed!int ( default: -1 )"),
        ("seedint ( default: -1 )", "samplesint ( default: -1 )", "attributes", "samples"),
        ("404 - Not Found", "4o4 - Not Found", "response codes", "4o4 - Not FoundWhat is meant"),
        ("404 - Not Found", "401 - Not Found", "response codes", "401 - Not FoundWhat is meant"),
        ("image/jpeg", "a picture", "response", "a picture"),
        ("RESPONSE", "REPLY", "response", "the page's end"),
        ("Attributes", "Parameters", "layout", None),
        ('"samples": 1,', '"samples" 1,', "sample", None),
        ("const data =", "const nothing =", "sample", None),
        ("/v1/", "/", "sample", None),
        ("'x-api-key'", "'accept'", "sample", None),
        ("POST", "SEND", "method", "the page's end"),
        ("The x-remaining-credits property", "It", "credits", None),
        ("The x-remaining-credits property is the rest.", "It is the rest", "credits", None),
    ],
)
def test_a_line_that_is_not_understood_is_named_with_its_section(
    old: str, new: str, section: str, found: str | None
):
    assert old in PAGE
    refused = refusal(PAGE.replace(old, new, 1))

    assert refused.section == section
    assert found is None or refused.found == found
    assert refused.line > 0
    assert refused.expected in str(refused)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "nothing"),
        (" \n\n", "nothing"),
        ("a\0b", "a binary file"),
        ("<!doctype html><html>", "<!doctype html>"),
        ('{"slug": "sd4"}', "slug"),
        ("Weather in Rome\n\nSunny, 25 degrees", "in no layout that is known"),
        ("x" * (MAX_PAGE_CHARS + 1), f"{MAX_PAGE_CHARS + 1:,}"),
    ],
    ids=["empty", "blank", "binary", "html", "json", "another site", "too big"],
)
def test_a_text_that_is_no_docs_page_is_refused_and_described(text: str, found: str):
    assert found in str(refusal(text))


def test_a_page_cut_before_the_end_of_the_credits_paragraph_is_refused():
    end = PAGE.index("property is the rest.")
    for length in range(end):
        assert refusal(PAGE[:length]).line > 0


def test_a_page_of_one_very_long_line_is_refused():
    for start in ("# ", "credit response header a-", "( default: ", '"a": {'):
        refusal(PAGE.replace("negative", start * 5000, 1)[:MAX_PAGE_CHARS])
        refusal(f"POST\n{start * 20_000}"[:MAX_PAGE_CHARS])


# --- Anything at all --------------------------------------------------------------------------------------

PIECES = [
    *(
        "POST",
        "RESPONSE",
        "image/jpeg",
        "HTTP Response Codes",
        "200 - OKFine",
        "Attributes",
        "Allowed values:",
    ),
    *(
        "seedint ( default: -1 )",
        "imageimage *",
        "min : 1,",
        "a",
        "",
        "\n",
        "Rate Limits",
        "\u00a0",
        "\ud800",
    ),
    *("data = {", "}", '"a": ', "'", '"', "#", "//", ",", "[" * 3000, "1" * 5000, "https://a/v1/b"),
    "To keep track of your credits, read the response headers: x-a.",
]


@given(st.one_of(st.text(), st.lists(st.sampled_from(PIECES)).map("\n".join)))
@example("POST\n[" * 500)
def test_any_text_is_read_or_refused_with_a_page_error(text: str):
    assert read_or_refused(text)


@given(st.data())
def test_any_damaged_page_is_read_or_refused_with_a_page_error(data: st.DataObject):
    start = data.draw(st.integers(0, len(PAGE)))
    end = data.draw(st.integers(start, min(len(PAGE), start + 80)))
    instead = data.draw(st.one_of(st.text(max_size=20), st.sampled_from(PIECES)))
    assert read_or_refused(PAGE[:start] + instead + PAGE[end:])


NAMES = st.from_regex(r"[a-z]{2,8}(_[a-z]{1,8})?", fullmatch=True)
NUMBERS = st.integers(-1000, 1000).map(str)


@st.composite
def attributes(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(st.sampled_from(["int", "float", "str", "bool", "boolean", "image", "enum:str"]))
    found: dict[str, Any] = {"name": draw(NAMES), "type": kind}
    if draw(st.booleans()):
        found["required"] = True
    if draw(st.booleans()):
        found["default"] = draw(NUMBERS)
    if kind in ("int", "float"):
        found |= {bound: draw(NUMBERS) for bound in draw(st.sets(st.sampled_from(["min", "max"])))}
    if kind == "enum:str":
        found["allowed_values"] = draw(st.lists(NAMES, unique=True))
    if draw(st.booleans()):
        found["affects_pricing"] = True
    return {**found, "description": "a digest"}


@given(
    st.lists(attributes(), min_size=1, unique_by=lambda each: each["name"]),
    st.sampled_from(["javascript", "python", "curl"]),
    st.lists(st.integers(100, 599), min_size=1, unique=True),
)
def test_any_page_in_this_layout_is_read_back_as_its_facts(
    parameters: list[dict[str, Any]], language: str, codes: list[int]
):
    facts = {
        **FACTS["sd3-med-tile"],
        "attributes": parameters,
        "statuses": [{"code": code, "name": "Not Quite", "description": "a digest"} for code in codes],
        "sample": {"language": language, "values": {each["name"]: 1 for each in parameters}},
    }

    assert without_digests(read_page(page_text(facts))) == without_digests(facts)


# --- A printed default of 1 -------------------------------------------------------------------------------

ONE: dict[str, Any] = {"x-documented-default": 1}


@pytest.mark.parametrize(
    ("kind", "printed", "sampled", "keywords"),
    [
        ("bool", "1", False, ONE),
        ("bool", "1", True, ONE),
        ("boolean", "1", None, ONE),
        ("boolean", "true", False, {"default": True}),
        ("boolean", "false", True, {"default": False}),
        ("str", "1", "a cat", ONE),
        ("str", "1", None, ONE),
        ("int", "1", 4, ONE),
        ("int", "1", 0, ONE),
        ("int", "1", None, ONE),
        ("int", "1", 1, {"default": 1}),
        ("float", "1", 0.7, ONE),
        ("float", "1", 1, {"default": 1}),
        ("float", "1", 1.0, {"default": 1}),
        ("int", "2", 4, {"default": 2}),
    ],
)
def test_a_printed_1_is_a_default_only_if_the_sample_sends_it_too(
    kind: str, printed: str, sampled: Any, keywords: dict[str, Any]
):
    made = property_of({"name": "it", "type": kind, "default": printed}, sampled, {})

    found = {name: value for name, value in made.items() if "default" in name}
    assert [*map(repr, found.items())] == [*map(repr, keywords.items())]  # in which 1 differs from True


@given(
    kind=st.sampled_from(["int", "float", "str", "bool", "image", "enum:str"]),
    printed=st.sampled_from(["1", "0", "true", "false", "None", "a cat"]) | st.integers().map(str),
    sampled=st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from([1.0, 0.5, "1", "a cat"]),
)
def test_a_default_is_printed_again_as_it_was(kind: str, printed: str, sampled: Any):
    made = property_of({"name": "it", "type": kind, "default": printed}, sampled, {})

    (default,) = (value for name, value in made.items() if "default" in name)
    assert as_page_text(default) == printed
