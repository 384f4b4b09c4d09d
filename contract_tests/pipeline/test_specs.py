"""The specs agree with their pages, are valid OpenAPI, and overlays follow their rules."""

import json
from collections.abc import Iterable, Iterator
from copy import deepcopy
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate
from segmind_sd3_pipeline.pages.facts import Difference, differences
from segmind_sd3_pipeline.spec.bundle import bundle
from segmind_sd3_pipeline.spec.documents import read
from segmind_sd3_pipeline.spec.layers import Layers, read_layers

OPENAPI = Path(__file__).parents[2] / "openapi"
SAVED_PAGES = Path(__file__).parents[3] / "shared" / "docs"

PAGES: dict[str, dict[str, Any]] = {
    file.stem: json.loads(file.read_text(encoding="utf-8"))
    for file in sorted((OPENAPI / "facts").glob("*.json"))
}
SPECS: dict[str, dict[str, Any]] = {slug: bundle([OPENAPI / f"{slug}.yaml"]) for slug in PAGES}
OVERLAYS = {file.name.partition(".")[0]: read(file) for file in sorted(OPENAPI.glob("*.overlay.yaml"))}
ACTIONS: list[Any] = [
    pytest.param(layer, action, id=action["x-id"])
    for layer, overlay in OVERLAYS.items()
    for action in overlay["actions"]
]

# Keywords that state no fact of a page.
NO_FACT = {"description", "examples"}


@pytest.fixture(scope="module")
def layers() -> Layers:
    return read_layers(OPENAPI)


each_page = pytest.mark.parametrize("slug", PAGES)
each_action = pytest.mark.parametrize(("layer", "action"), ACTIONS)


def request_schema(document: dict[str, Any]) -> dict[str, Any]:
    (schema,) = document["components"]["schemas"].values()
    return schema


# --- Facts and specs --------------------------------------------------------------------------------------


@each_page
def test_a_spec_agrees_with_its_page(slug: str):
    assert differences(PAGES[slug], SPECS[slug]) == []


def test_every_spec_has_a_page_and_every_page_a_spec(layers: Layers):
    assert {path.rpartition("/")[2] for path in layers.documented["paths"]} == set(PAGES)


@each_page
def test_a_page_with_one_fact_less_differs_in_that_fact(slug: str):
    for fact, shorter in pages_with_one_fact_less(PAGES[slug]):
        assert [each.fact for each in differences(shorter, SPECS[slug])] == [fact]


@each_page
def test_a_spec_with_one_keyword_less_differs(slug: str):
    for place, shorter in specs_with_one_keyword_less(SPECS[slug]):
        assert differences(PAGES[slug], shorter), place


@each_page
def test_attributes_in_another_order_differ(slug: str):
    page = deepcopy(PAGES[slug])
    page["attributes"].reverse()

    assert [each.fact for each in differences(page, SPECS[slug])] == ["attributes"]


def test_a_difference_prints_the_values_of_page_and_spec():
    page = deepcopy(PAGES["stable-diffusion-3.5-turbo-txt2img"])
    page["attributes"][2]["min"] = "1"

    (difference,) = differences(page, SPECS[page["slug"]])

    assert difference == Difference("attributes.steps.min", '"1"', '"10"')
    assert str(difference) == 'attributes.steps.min: the page says "1", the spec "10"'


def test_a_page_without_a_spec_raises_lookup_error(layers: Layers):
    with pytest.raises(LookupError, match="/v1/sd4"):
        differences({**PAGES["sd3-med-tile"], "slug": "sd4"}, layers.documented)


@pytest.mark.skipif(not SAVED_PAGES.is_dir(), reason="the saved pages are not beside this checkout")
@each_page
def test_the_facts_are_those_of_the_saved_page(slug: str):
    text = (SAVED_PAGES / f"{slug}.txt").read_bytes()

    assert PAGES[slug]["digest"] == f"sha256:{sha256(text).hexdigest()}"


def pages_with_one_fact_less(page: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the page without one fact, for each fact that a spec states, and the path of that fact."""
    for fact in page.keys() - {"slug", "attributes", "statuses", "sample", "prose"}:
        yield fact, {name: value for name, value in page.items() if name != fact}
    for kind, key in (("attributes", "name"), ("statuses", "code")):
        for number, row in enumerate(page[kind]):
            for fact in row.keys() - {key, "description"}:
                shorter = deepcopy(page)
                del shorter[kind][number][fact]
                yield f"{kind}.{row[key]}.{fact}", shorter
    for name in page["sample"]["values"]:
        shorter = deepcopy(page)
        del shorter["sample"]["values"][name]
        yield f"sample.{name}", shorter


def specs_with_one_keyword_less(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the spec without one keyword of a parameter, one parameter or one status."""
    for name, schema in request_schema(document)["properties"].items():
        for keyword in schema.keys() - NO_FACT:
            shorter = deepcopy(document)
            del request_schema(shorter)["properties"][name][keyword]
            yield f"{name}.{keyword}", shorter
        shorter = deepcopy(document)
        del request_schema(shorter)["properties"][name]
        yield name, shorter
    for path, item in document["paths"].items():
        for status in item["post"]["responses"].keys() - {"200"}:
            shorter = deepcopy(document)
            del shorter["paths"][path]["post"]["responses"][status]
            yield status, shorter


# --- OpenAPI ----------------------------------------------------------------------------------------------


@each_page
def test_a_spec_is_valid_openapi_by_itself(slug: str):
    file = OPENAPI / f"{slug}.yaml"

    validate(read(file), base_uri=file.as_uri())


@pytest.mark.parametrize("layer", ["documented", "observed", "sdk"])
def test_a_layer_is_valid_openapi(layer: str, layers: Layers):
    validate(getattr(layers, layer))


@pytest.mark.parametrize(
    ("layer", "keyword"), [("documented", "default"), ("sdk", "default"), ("sdk", "x-sdk-default")]
)
def test_every_default_is_valid_in_its_own_schema(layer: str, keyword: str, layers: Layers):
    for schema in schemas_with(keyword, getattr(layers, layer)["components"]["schemas"]):
        for value in sent_values(schema[keyword]):
            # typeshed leaves the argument of a deprecated overload untyped.
            assert Draft202012Validator(schema).is_valid(value), schema  # pyright: ignore[reportUnknownMemberType]


@each_page
def test_the_examples_of_an_open_enum_include_its_default_and_its_sample_value(slug: str):
    schema = request_schema(SPECS[slug])
    for name, each in schema["properties"].items():
        if each.get("x-documented-type") == "enum:str":
            stated = {each.get("default", each["examples"][0]), schema["x-documented-sample"]["values"][name]}
            assert stated <= set(each["examples"]), name


def sent_values(default: Any) -> list[Any]:
    """Return the default, or both ends of a random one's range."""
    match default:
        case {"random": [low, high]}:
            return [low, high]
        case _:
            return [default]


def schemas_with(keyword: str, node: Any) -> Iterator[dict[str, Any]]:
    """Yield every object that has the keyword, at any depth."""
    children: Iterable[Any] = ()
    if isinstance(node, dict):
        members = cast("dict[str, Any]", node)
        if keyword in members:
            yield members
        children = members.values()
    elif isinstance(node, list):
        children = cast("list[Any]", node)
    for child in children:
        yield from schemas_with(keyword, child)


# --- Overlays ---------------------------------------------------------------------------------------------


def test_action_names_are_unique():
    names = [param.values[1]["x-id"] for param in ACTIONS]

    assert sorted(set(names)) == sorted(names)


@each_action
def test_an_action_has_a_grade_of_its_layer_and_its_evidence(layer: str, action: dict[str, Any]):
    grades = {"observed": {"vendor", "client", "reported", "inferred"}, "sdk": {"policy"}}[layer]

    assert action["x-grade"] in grades
    assert action["x-evidence"].endswith(".")


@each_action
def test_an_observed_value_has_its_actions_grade_and_an_expected_value(layer: str, action: dict[str, Any]):
    for update in schemas_with("x-observed", action["update"]):
        assert layer == "observed"
        assert update["x-observed"]["x-grade"] == action["x-grade"]
        assert "x-expect" in action or action["x-id"] == "wrong-media-type"
