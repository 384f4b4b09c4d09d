"""What make generate promises: the contract arrives in generated_client/ whole, or the build stops."""

import ast
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Generator, Mapping
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st
from segmind_sd3_pipeline.generate.generator import differences, main, run_generator
from segmind_sd3_pipeline.generate.paragraphs import paragraph
from segmind_sd3_pipeline.generate.parameters import Endpoint, endpoints, picture_members
from segmind_sd3_pipeline.generate.render import render
from segmind_sd3_pipeline.spec.bundle import bundle, operations, request_schema
from segmind_sd3_pipeline.spec.documents import ContractError, Document, contains, read
from segmind_sd3_pipeline.spec.gate import imported, losses
from segmind_sd3_pipeline.spec.layers import Layers, read_layers, specs
from segmind_sd3_pipeline.spec.overlay import apply, read_overlays
from segmind_sd3_pipeline.spec.view import PICTURE, generators_view

ROOT = Path(__file__).parents[2]
OPENAPI = ROOT / "openapi"
COMMITTED = ROOT / "generated_client" / "segmind_sd3_api"

DAMAGED = {"api/by_hand.py": "extra", "calls.py": "missing", "types.py": "changed"}


def damage(package: Path) -> None:
    (package / "types.py").write_bytes((package / "types.py").read_bytes().replace(b"Unset", b"UnSet", 1))
    (package / "api" / "by_hand.py").touch()
    (package / "calls.py").unlink()


@pytest.fixture(scope="session")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package as the command made it over a damaged one, hashing unlike the committed one's Python.

    Nobody writes into it.
    """
    package = tmp_path_factory.mktemp("generated") / COMMITTED.name
    shutil.copytree(COMMITTED, package, ignore=shutil.ignore_patterns("__pycache__"))
    damage(package)
    made = generate(OPENAPI, "--output", str(package.parent), PYTHONHASHSEED="1")
    assert made.returncode == 0, made.stderr
    return package


@pytest.fixture(scope="session")
def layers() -> Layers:
    return read_layers(OPENAPI)


@pytest.fixture(scope="session")
def modules(generated: Path) -> Generator[dict[str, ModuleType]]:
    """Its modules calls, client and parameters."""
    with imported(generated) as modules:
        yield modules


@pytest.fixture
def copied(generated: Path, tmp_path: Path) -> Path:
    """A copy of the package, to be damaged."""
    return shutil.copytree(generated, tmp_path / "segmind_sd3_api")


def spec(
    name: str = "toy", properties: Mapping[str, Any] | None = None, *, required: tuple[str, ...] = ()
) -> Document:
    """A small valid spec of one operation."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "Toy", "version": "1", "x-source": {"page": f"https://toys.example/{name}"}},
        "tags": [{"name": "toys"}],
        "paths": {
            f"/v1/{name}": {
                "post": {
                    "operationId": name,
                    "tags": ["toys"],
                    "security": [{"Key": []}],
                    "requestBody": {
                        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Toy"}}}
                    },
                    "responses": {"200": PICTURE},
                }
            }
        },
        "components": {
            "securitySchemes": {"Key": {"type": "apiKey", "in": "header", "name": "x-api-key"}},
            "schemas": {
                "Toy": {"type": "object", "required": list(required), "properties": dict(properties or {})}
            },
        },
    }


def written(folder: Path, **files: Document) -> list[Path]:
    """The documents as files of a folder; JSON is YAML."""
    paths = [folder / f"{name}.yaml" for name in files]
    for path, document in zip(paths, files.values(), strict=True):
        path.write_text(json.dumps(document), encoding="utf-8")
    return paths


def bundled(folder: Path, **files: Document) -> Document:
    return bundle(written(folder, **files))


def endpoint(tmp_path: Path, **properties: Any) -> Endpoint:
    """The endpoint that a toy with these properties is."""
    document = bundled(tmp_path, toy=spec(properties=properties))
    return next(endpoints(Layers(document, document, document)))


def generate(openapi: Path, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command as a process of its own, in a directory that has nothing to do with it."""
    return subprocess.run(
        [sys.executable, "-m", "segmind_sd3_pipeline.generate", *options],
        cwd=openapi.anchor,
        env={**os.environ, "PYTHONPATH": str(openapi), **environment},
        capture_output=True,
        text=True,
        check=False,
    )


# --- the command ---


def test_the_command_puts_right_what_is_damaged_and_gives_the_committed_bytes(generated: Path):
    assert differences(generated, COMMITTED) == {}


@pytest.mark.slow
def test_check_lists_what_differs_and_writes_nothing(
    generated: Path, copied: Path, capsys: pytest.CaptureFixture[str]
):
    damage(copied)

    status = main(["--check", "--output", str(copied.parent)])

    listed = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert (status, listed) == (1, [[kind, str(copied / name)] for name, kind in DAMAGED.items()])
    assert differences(generated, copied) == DAMAGED


@pytest.mark.parametrize("damaged", ["changed", "extra", "missing"])
def test_a_single_byte_or_file_is_a_difference(generated: Path, copied: Path, damaged: str):
    path = copied / ("new.py" if damaged == "extra" else "models/__init__.py")
    match damaged:
        case "changed":
            path.write_bytes(path.read_bytes()[:-1])
        case "extra":
            path.touch()
        case _:
            path.unlink()

    assert differences(generated, copied) == {path.relative_to(copied).as_posix(): damaged}


def test_an_error_is_one_sentence_and_exit_1(tmp_path: Path):
    openapi = shutil.copytree(OPENAPI, tmp_path / "openapi", ignore=shutil.ignore_patterns("__pycache__"))
    broken = next(iter(specs(openapi)))
    broken.write_text(
        broken.read_text(encoding="utf-8").replace("type: integer", "type: 'int", 1), encoding="utf-8"
    )

    run = generate(openapi)

    assert (run.returncode, run.stdout, run.stderr.count("\n")) == (1, "", 1)
    assert run.stderr.startswith(f"{broken.name}, line ")
    assert not (tmp_path / "generated_client").exists()


# --- the bundle ---


def test_every_reference_of_the_bundle_stays_inside_and_leads_somewhere(layers: Layers):
    def references(node: Any) -> list[str]:
        match node:
            case {"$ref": str(ref)}:
                return [ref]
            case dict():
                return [ref for value in node.values() for ref in references(value)]  # type: ignore[misc]
            case list():
                return [ref for value in node for ref in references(value)]  # type: ignore[misc]
            case _:
                return []

    for document in (layers.documented, layers.observed):
        for ref in references(document):
            root, _, section, name = ref.split("/")
            assert root == "#"
            assert name in document["components"][section]


def test_every_spec_is_in_the_bundle_with_the_page_it_was_read_from(layers: Layers):
    pages = {path.stem: read(path)["info"]["x-source"] for path in specs(OPENAPI)}
    assert {
        operation.slug: operation.spec["x-source"] for operation in operations(layers.documented)
    } == pages


def renamed(**names: str) -> Document:
    """A second spec that shares with the first only what is named here."""
    given = {"path": "other", "operation_id": "other", "schema": "Other", **names}
    other = spec(given["operation_id"])
    (item,) = other["paths"].values()
    item["post"]["requestBody"]["content"]["application/json"]["schema"]["$ref"] += given["schema"]
    other["paths"] = {f"/v1/{given['path']}": item}
    other["components"]["schemas"] = {f"Toy{given['schema']}": other["components"]["schemas"]["Toy"]}
    other["components"]["securitySchemes"] = {}
    return other


def test_two_specs_that_share_no_name_are_one_bundle(tmp_path: Path):
    both = bundled(tmp_path, first=spec(), second=renamed())
    assert [operation.id for operation in operations(both)] == ["toy", "other"]


@pytest.mark.parametrize(
    ("shared", "conflict"),
    [
        ({"path": "toy"}, "the path /v1/toy"),
        ({"operation_id": "toy"}, "the operationId toy"),
        ({"schema": ""}, "components.schemas Toy"),
    ],
)
def test_a_name_that_two_specs_have_stops_the_build_and_names_both(
    tmp_path: Path, shared: dict[str, str], conflict: str
):
    with pytest.raises(ContractError) as stop:
        bundled(tmp_path, first=spec(), second=renamed(**shared))
    assert str(stop.value) == f"Both first.yaml and second.yaml have {conflict}: change it in one of them."


def of_version_3_0(toy: Document):
    toy["openapi"] = "3.0.0"


def no_source(toy: Document):
    del toy["info"]["x-source"]


def no_operation_id(toy: Document):
    del toy["paths"]["/v1/toy"]["post"]["operationId"]


def path_item_elsewhere(toy: Document):
    toy["paths"]["/v1/toy"] = {"$ref": "elsewhere.yaml#/paths/~1v1~1toy"}


def refers(ref: str) -> Callable[[Document], None]:
    def refer(toy: Document):
        toy["paths"]["/v1/toy"]["post"]["responses"]["401"] = {"$ref": ref}

    return refer


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (of_version_3_0, "toy.yaml is no valid OpenAPI: "),
        (no_source, "toy.yaml has no info.x-source"),
        (no_operation_id, "POST /v1/toy has no operationId."),
        (path_item_elsewhere, "The path item /v1/toy is a $ref to elsewhere.yaml#"),
        (refers("gone.yaml#/components/responses/No"), "gone.yaml can't be read"),
        (refers("#/components/responses/No"), "toy.yaml has no components.responses.No."),
        (refers("https://toys.example/a.yaml#/components/responses/No"), "toy.yaml refers to https://"),
        (refers("#/paths"), "toy.yaml refers to #/paths, which is no component."),
    ],
)
def test_a_spec_that_can_not_be_bundled_stops_the_build(
    tmp_path: Path, damage: Callable[[Document], None], sentence: str
):
    toy = spec()
    damage(toy)
    with pytest.raises(ContractError) as stop:
        bundled(tmp_path, toy=toy)
    assert str(stop.value).startswith(sentence)


def test_what_holds_for_all_specs_is_said_alike_by_all(tmp_path: Path):
    with pytest.raises(ContractError, match=r"first\.yaml and second\.yaml differ in security"):
        bundled(tmp_path, first=spec(), second={**renamed(), "security": [{"Key": []}]})


@pytest.mark.parametrize(
    "text", ["200: a", "saved: 2026-11-21", "a: .inf", "a: 1\na: 2", "- a", "a: [", "a: !!binary aGk="]
)
def test_yaml_that_json_can_not_say_stops_the_build(tmp_path: Path, text: str):
    path = tmp_path / "spec.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ContractError, match=r"^spec\.yaml.*\.$"):
        read(path)


# --- overlays ---

MARKS = {"x-id": "row", "x-grade": "client", "x-evidence": "Seen."}
TOY = {
    "info": {"title": "Toy"},
    "tags": [{"name": "a"}, {"name": "b"}, {"name": "c"}],
    "bound": {"minimum": 10},
}


def overlaid(tmp_path: Path, *actions: Document, document: Document = TOY) -> Document:
    """The document after an overlay file with these actions, marks filled in."""
    marked = [{**MARKS, "x-id": f"row-{number}", **action} for number, action in enumerate(actions)]
    overlay = {"overlay": "1.0.0", "info": {"title": "Seen", "version": "1"}, "actions": marked}
    (path,) = written(tmp_path, overlay=overlay)
    return apply(document, read_overlays(path)[0])


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        (
            {"target": "$", "update": {"info": {"version": "2"}, "tags": [{"name": "d"}], "new": {"a": [1]}}},
            {
                "info": {"title": "Toy", "version": "2"},
                "tags": [{"name": "a"}, {"name": "b"}, {"name": "c"}, {"name": "d"}],
                "bound": {"minimum": 10},
                "new": {"a": [1]},
            },
        ),
        ({"target": "$.bound", "update": {"minimum": 1}}, {**TOY, "bound": {"minimum": 1}}),
        ({"target": "$.tags", "update": {"name": "d"}}, {**TOY, "tags": [*TOY["tags"], {"name": "d"}]}),
        (
            {"target": "$.tags[*]", "update": {"x": 1}},
            {**TOY, "tags": [{"name": "a", "x": 1}, {"name": "b", "x": 1}, {"name": "c", "x": 1}]},
        ),
        ({"target": "$.tags[?@.name != 'b']", "remove": True}, {**TOY, "tags": [{"name": "b"}]}),
        ({"target": "$.tags[2, 0, 0]", "remove": True}, {**TOY, "tags": [{"name": "b"}]}),
        ({"target": "$.bound", "remove": True}, {"info": TOY["info"], "tags": TOY["tags"]}),
        ({"target": "$.bound", "update": {}, "x-expect": {"minimum": 10}}, TOY),
    ],
)
def test_an_action_does_what_overlay_1_0_says(tmp_path: Path, action: Document, expected: Document):
    before = deepcopy(TOY)
    assert overlaid(tmp_path, action) == expected
    assert before == TOY


def test_an_action_meets_the_result_of_the_one_before(tmp_path: Path):
    actions = ({"target": "$.bound", "update": {"x": {"y": 1}}}, {"target": "$.bound.x", "update": {"z": 2}})
    assert overlaid(tmp_path, *actions)["bound"] == {"minimum": 10, "x": {"y": 1, "z": 2}}


@pytest.mark.parametrize(
    ("action", "why"),
    [
        ({"target": "$.gone", "update": {}}, "matches nothing: $.gone."),
        (
            {"target": "$.bound.minimum", "update": {}},
            "selects $['bound']['minimum'], which is neither object",
        ),
        ({"target": "$..", "update": {}}, "has a target that is no JSONPath"),
        ({"target": "$.~", "update": {}}, "has a target that is no JSONPath"),
        ({"target": "$.bound", "update": {}, "x-expect": {"minimum": 4}}, 'expects {"minimum": 4} at'),
        ({"target": "$.bound", "update": {}, "x-expect": {"minimum": True}}, "expects"),
        ({"target": "$.bound", "update": {}, "x-expect": {"maximum": None}}, "expects"),
        ({"target": "$", "update": {}, "x-expect": {"tags": [{"name": "a"}]}}, "expects"),
        ({"target": "$.bound", "update": [1]}, "at $['bound']: the update of an object has to be an object."),
        ({"target": "$", "update": {"tags": {"name": "d"}}}, "at $: the update has a dict for tags"),
        ({"target": "$", "remove": True}, "would remove the whole document."),
        ({"target": "$.bound"}, "has to have either an update or"),
        ({"target": "$.bound", "update": {}, "remove": True}, "has to have either an update or"),
        ({"target": "$.bound", "updates": {}, "update": {}}, "has updates, which is no field of an action"),
        ({"target": "$.bound", "update": {}, "x-grade": "rumour"}, "has a grade that is none of vendor, "),
        ({"target": "$.bound", "update": {}, "x-grade": ""}, "has no x-grade."),
        ({"target": "$.bound", "update": {}, "x-evidence": None}, "has no x-evidence."),
        ({"update": {}}, "has no target."),
    ],
)
def test_an_action_that_is_not_as_it_says_stops_the_build(tmp_path: Path, action: Document, why: str):
    with pytest.raises(ContractError) as stop:
        overlaid(tmp_path, action)
    assert str(stop.value).startswith(f"The action row-0 of overlay.yaml {why}")


def test_an_action_without_a_name_is_called_by_its_number(tmp_path: Path):
    with pytest.raises(ContractError, match=r"^The action number 1 of overlay\.yaml has no x-id\.$"):
        overlaid(tmp_path, {"target": "$", "update": {}, "x-id": ""})


def test_two_actions_of_two_overlays_with_one_name_stop_the_build(tmp_path: Path):
    action: Document = {**MARKS, "target": "$", "update": {}}
    overlay: Document = {"overlay": "1.0.0", "info": {"title": "Seen", "version": "1"}, "actions": [action]}
    with pytest.raises(ContractError, match=r"row of first\.yaml and one of second\.yaml have the same x-id"):
        read_overlays(*written(tmp_path, first=overlay, second=overlay))


@pytest.mark.parametrize(
    "change", [{"overlay": "1.1.0"}, {"actions": []}, {"actions": ["remove"]}, {"info": {"title": "Seen"}}]
)
def test_what_is_no_overlay_1_0_stops_the_build(tmp_path: Path, change: Document):
    overlay = {"overlay": "1.0.0", "info": {"title": "Seen", "version": "1"}, "actions": [MARKS], **change}
    with pytest.raises(ContractError, match=r"^overlay\.yaml (is|has an action, number 1,) "):
        read_overlays(*written(tmp_path, overlay=overlay))


@pytest.mark.parametrize(
    ("overlay", "action", "why"),
    [
        (
            "observed",
            {"target": "$.info", "update": {"title": "Mine"}},
            "changes or removes what is documented",
        ),
        ("observed", {"target": "$.paths.*.post.responses", "remove": True}, "changes or removes"),
        ("observed", {"target": "$.info", "update": {}, "x-grade": "policy"}, "has the grade policy"),
        ("sdk", {"target": "$.info", "update": {}, "x-grade": "vendor"}, "has a grade other than policy"),
        ("sdk", {"target": "$.info", "update": {"title": "Mine"}, "x-grade": "policy"}, "changes or removes"),
    ],
)
def test_an_overlay_adds_what_its_layer_may_say_and_changes_nothing(
    tmp_path: Path, overlay: str, action: Document, why: str
):
    harmless = {**MARKS, "target": "$.info", "update": {"x-seen": True}}
    actions = {
        "observed": [{**harmless, "x-id": "first"}],
        "sdk": [{**harmless, "x-id": "second", "x-grade": "policy"}],
    }
    actions[overlay].append({**MARKS, "x-id": "third", **action})
    files = {
        f"{name}.overlay": {"overlay": "1.0.0", "info": {"title": name, "version": "1"}, "actions": rows}
        for name, rows in actions.items()
    }
    written(tmp_path, toy=spec(), **files)
    with pytest.raises(ContractError, match=rf"^The action third of {overlay}\.overlay\.yaml {why}"):
        read_layers(tmp_path)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from(["a", "b"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=12,
)
json_objects = st.dictionaries(st.sampled_from("abc"), json_values, max_size=3)


@given(document=json_objects, update=json_objects)
def test_an_update_keeps_each_member_that_it_does_not_name_and_shares_none_of_its_own(
    tmp_path_factory: pytest.TempPathFactory, document: Document, update: Document
):
    folder = tmp_path_factory.getbasetemp()
    try:
        result = overlaid(folder, {"target": "$", "update": update}, document=document)
    except ContractError:
        return
    assert result.keys() == document.keys() | update.keys()
    assert {key: result[key] for key in document.keys() - update.keys()} == {
        key: document[key] for key in document.keys() - update.keys()
    }
    assert contains(result, {key: update[key] for key in update.keys() - document.keys()})


@given(whole=json_objects, others=st.sets(st.sampled_from("abc")))
def test_an_object_contains_itself_and_what_is_left_when_members_are_taken_out(
    whole: Document, others: set[str]
):
    assert contains(whole, whole)
    assert contains(whole, {key: value for key, value in whole.items() if key not in others})


# --- the gate ---


def test_what_is_generated_has_lost_nothing(generated: Path, layers: Layers):
    assert losses(layers.documented, generated) == []


TURBO_CALL = "api/images/sd35_turbo_txt2img.py"
TURBO_MODEL = "models/sd_35_turbo_txt_2_img.py"


@pytest.mark.parametrize(
    ("damage", "loss"),
    [
        ((TURBO_CALL, '"method": "post"', '"method": "put"'), "is sent as PUT /v1/"),
        ((TURBO_CALL, "3.5-turbo-txt2img", "3.5-turbo"), "is sent as POST /v1/stable-diffusion-3.5-turbo."),
        ((TURBO_CALL, "body.to_dict()", "{}"), "is sent with the body b'{}'."),
        ((TURBO_CALL, "client: AuthenticatedClient,", "client: Client,"), "can be called without a key."),
        ((TURBO_CALL, "BytesIO(response.content)", "BytesIO()"), "the bytes of the reply are read as"),
        ((TURBO_CALL, "async def asyncio_detailed", "def asyncio_detailed"), "can't be imported"),
        ((TURBO_CALL, "*,\n    body:", "*,\n    data:"), "can't be called"),
        ((TURBO_MODEL, 'field_dict["steps"]', 'field_dict["step"]'), "steps=1 is sent as"),
        ((TURBO_MODEL, 'd.pop("steps", UNSET)', 'd.pop("step", UNSET)'), "the model has no steps."),
        ((TURBO_MODEL, 'd.pop("steps", UNSET)', 'd.pop("steps", 4)'), "steps may be left out, and then {"),
        (
            (TURBO_MODEL, 'd.pop("steps", UNSET)', 'd.pop("steps")'),
            "steps may be left out, and then KeyError",
        ),
        ((TURBO_MODEL, "steps: int | Unset = UNSET", "steps: int | Unset = 4"), "'steps': 4}."),
        ((TURBO_MODEL, "if steps is not UNSET", "if steps"), "steps=0 is sent as"),
        ((TURBO_MODEL, 'd.pop("prompt")', 'd.pop("prompt", UNSET)'), "prompt is required, and without it"),
        (("calls.py", '"sd35_turbo_txt2img": Call', '"turbo": Call'), "is not in CALLS."),
        (("calls.py", "from . import models", "from . import model"), "can't be imported"),
        (("parameters.py", '"sd35_turbo_txt2img": Op', '"turbo": Op'), "OPERATIONS does not have its"),
        (("parameters.py", '"steps": Parameter', '"step": Parameter'), "OPERATIONS does not have its"),
        (("parameters.py", "maximum=70", "maximum=71"), "steps is {"),
        (("parameters.py", "maximum=70,", ""), "steps is {"),
        (("parameters.py", "multiple_of=8", "multiple_of=1"), "img_width is {"),
        (("parameters.py", "documented_default=4,", "documented_default=True,"), "steps is {"),
        (
            ("parameters.py", 'known_values=("dpmpp_2m",),', ""),
            "sampler may be dpmpp_2m, but not in OPERATIONS.",
        ),
    ],
)
def test_the_gate_names_what_is_lost(copied: Path, layers: Layers, damage: tuple[str, str, str], loss: str):
    file, made, damaged = damage
    source = (copied / file).read_text(encoding="utf-8")
    assert made in source
    (copied / file).write_text(source.replace(made, damaged), encoding="utf-8")
    assert loss in "\n".join(losses(layers.documented, copied))


def test_the_gate_names_a_module_that_is_missing_and_one_that_is_nobodys(copied: Path, layers: Layers):
    name, path = "sd35_turbo_txt2img", "/v1/stable-diffusion-3.5-turbo-txt2img"
    (copied / TURBO_CALL).rename(copied / "api/images/sd35_turbo.py")
    assert losses(layers.documented, copied) == [
        f"The generator made 0 modules named {name} for POST {path}, not one.",
        "The generator made a module named sd35_turbo, which is no operationId.",
    ]


def in_the_schema(toy: Document):
    toy["components"]["schemas"]["Toy"]["additionalProperties"] = False


def in_a_property(toy: Document):
    toy["components"]["schemas"]["Toy"]["properties"]["height"]["exclusiveMinimum"] = 0


def in_the_operation(toy: Document):
    toy["paths"]["/v1/toy"]["post"]["parameters"] = []


def in_the_path_item(toy: Document):
    toy["paths"]["/v1/toy"]["parameters"] = []


def in_the_body(toy: Document):
    toy["paths"]["/v1/toy"]["post"]["requestBody"]["content"]["multipart/form-data"] = {}


@pytest.mark.parametrize(
    ("say", "loss"),
    [
        (in_the_schema, "toy: its schema has additionalProperties, which no generated code carries."),
        (in_a_property, "toy: height has exclusiveMinimum, which no generated code carries."),
        (in_the_operation, "toy has parameters, which no generated code carries."),
        (in_the_path_item, "/v1/toy has parameters, which no generated code carries."),
        (in_the_body, "toy has multipart/form-data, which no generated code carries."),
    ],
)
def test_the_gate_names_a_word_of_the_contract_that_nothing_carries(
    tmp_path: Path, say: Callable[[Document], None], loss: str
):
    toy = spec(properties={"height": {"type": "integer"}})
    say(toy)
    assert loss in losses(bundled(tmp_path, toy=toy), tmp_path)


def external_path_item(folder: Path) -> Document:
    written(folder, elsewhere={"item": spec()["paths"]["/v1/toy"]})
    return {**spec(), "paths": {"/v1/toy": {"$ref": f"{folder}/elsewhere.yaml#/item"}}}


def one_id_twice(_: Path) -> Document:
    toy = spec()
    toy["paths"]["/v1/doll"] = toy["paths"]["/v1/toy"]
    return toy


def key_for_all(_: Path) -> Document:
    toy = spec()
    del toy["paths"]["/v1/toy"]["post"]["security"]
    toy["security"] = [{"Key": []}]
    return toy


def values_of_one_name(_: Path) -> Document:
    return spec(properties={"size": {"type": "string", "enum": ["DPM++ 2M", "DPM 2M"]}})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("document", "loss"),
    [
        (external_path_item, "The path item /v1/toy is a $ref to "),
        (one_id_twice, "2 operations have the operationId toy; the generator keeps one."),
        (key_for_all, "toy can be called without a key."),
        (values_of_one_name, "toy: size='DPM++ 2M' is sent as "),
    ],
)
def test_the_gate_names_what_the_generator_loses_in_silence(
    tmp_path: Path, document: Callable[[Path], Document], loss: str
):
    given = document(tmp_path)
    package = tmp_path / "toys"
    (config,) = written(tmp_path, config={"post_hooks": [], "literal_enums": False})

    run_generator(given, package, config)

    known = bundled(tmp_path, toy=spec(properties=given["components"]["schemas"]["Toy"]["properties"]))
    for module in ("parameters.py", "calls.py"):
        source = render(f"{module}.jinja", endpoints(Layers(known, known, known)))
        (package / module).write_text(source, encoding="utf-8")
    assert losses(given, package)[0].startswith(loss)


def test_a_warning_of_the_generator_stops_the_build(tmp_path: Path):
    toy = spec()
    toy["paths"]["/v1/toy"]["post"]["requestBody"]["content"] = {"text/strange": {}}
    (config,) = written(tmp_path, config={"post_hooks": []})
    with pytest.raises(ContractError, match=r"^openapi-python-client failed: .*POST /v1/toy"):
        run_generator(toy, tmp_path / "toys", config)


# --- the generated package ---


def test_every_bound_of_the_specs_stands_in_operations(modules: dict[str, ModuleType]):
    words = ("minimum", "maximum", "multipleOf")
    documented: dict[tuple[str, str], Any] = {}
    for path in specs(OPENAPI):
        document = read(path)
        for operation in operations(document):
            _, schema = request_schema(document, operation)
            for name, facts in schema["properties"].items():
                documented[operation.id, name] = tuple(facts.get(word) for word in words)

    told = {
        (operation.operation_id, name): (parameter.minimum, parameter.maximum, parameter.multiple_of)
        for operation in modules["parameters"].OPERATIONS.values()
        for name, parameter in operation.parameters.items()
    }
    assert told == documented


@given(data=st.data())
@pytest.mark.slow
def test_a_body_has_just_what_the_caller_set(
    modules: dict[str, ModuleType], layers: Layers, data: st.DataObject
):
    operation = data.draw(st.sampled_from(list(operations(layers.documented))))
    _, schema = request_schema(layers.documented, operation)
    values = {
        "string": st.text(),
        "integer": st.integers(),
        "number": st.floats(allow_nan=False) | st.integers(),
        "boolean": st.booleans(),
    }
    kinds = {name: values[facts["type"]] for name, facts in schema["properties"].items()}
    required = {name: kinds.pop(name) for name in schema["required"]}
    body = data.draw(st.fixed_dictionaries(required, optional=kinds))

    made = modules["calls"].CALLS[operation.id].body(body)

    assert made.to_dict() == body
    assert type(made)(**body).to_dict() == body


def test_the_bounds_are_there_without_an_http_library(generated: Path):
    program = "import sys, segmind_sd3_api.parameters as p; print(p.__file__, 'httpx' in sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(generated.parent)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.split() == [str(generated / "parameters.py"), "False"]


def params_classes(modules: dict[str, ModuleType], layers: Layers) -> dict[str, Any]:
    """The TypedDict of each operation, by operationId."""
    return {
        operation.id: getattr(
            modules["parameters"], f"{request_schema(layers.documented, operation)[0]}Params"
        )
        for operation in operations(layers.documented)
    }


def test_a_typed_dict_has_each_parameter_that_is_not_hidden_and_requires_the_required_ones(
    modules: dict[str, ModuleType], layers: Layers
):
    for operation_id, params in params_classes(modules, layers).items():
        shown = [
            p for p in modules["parameters"].OPERATIONS[operation_id].parameters.values() if not p.hidden
        ]
        assert list(get_type_hints(params)) == [*(parameter.name for parameter in shown), "extra"]
        assert params.__required_keys__ == {parameter.name for parameter in shown if parameter.required}


def test_every_key_of_a_typed_dict_is_documented_by_its_paragraph(
    generated: Path, modules: dict[str, ModuleType]
):
    paragraphs = {
        parameter.doc
        for operation in modules["parameters"].OPERATIONS.values()
        for parameter in operation.parameters.values()
    }
    for node in ast.parse((generated / "parameters.py").read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef) and node.name.endswith("Params"):
            keys, docs = node.body[1::2], node.body[2::2]
            assert len(keys) == len(docs)
            for key, doc in zip(keys[:-1], docs[:-1], strict=True):
                assert isinstance(key, ast.AnnAssign)
                assert isinstance(doc, ast.Expr)
                assert " ".join(ast.literal_eval(doc.value).split()) in paragraphs


# --- the text of a parameter ---


@pytest.mark.parametrize(
    ("facts", "text"),
    [
        ({"type": "string"}, "A text."),
        ({"type": "string", "description": "What it shows"}, "What it shows."),
        ({"type": "integer", "minimum": 10, "maximum": 70, "default": 12}, "10 to 70. Default 12."),
        ({"type": "number", "minimum": 0.5}, "0.5 or more."),
        ({"type": "number", "maximum": 0}, "0 or less."),
        ({"type": "integer", "multipleOf": 8}, "Multiples of 8."),
        (
            {"type": "integer", "minimum": 512, "maximum": 2048, "multipleOf": 8, "x-affects-pricing": True},
            "512 to 2048, multiples of 8. Affects the price.",
        ),
        (
            {"type": "integer", "minimum": 10, "x-documented-default": 4, "x-sdk-default": 10},
            "10 or more. The page says 4, below its own minimum; 10 is sent.",
        ),
        (
            {"type": "string", "x-documented-default": 1, "x-sdk-required": True},
            "The page prints 1, which may stand for no default; here it is required.",
        ),
        (
            {"type": "string", "x-documented-default": 1, "x-sdk-default": ""},
            "The page prints 1, which may stand for no default; an empty text is sent.",
        ),
        (
            {"type": "string", "x-documented-default": "None", "x-sdk-note": "Nothing is sent"},
            "The page says `None`. Nothing is sent.",
        ),
        (
            {"type": "boolean", "x-documented-default": 1},
            "The page prints 1, which may stand for no default; nothing is sent unless it is given.",
        ),
        (
            {"type": "integer", "default": 1, "x-sdk-maximum": 10},
            "1 to 10 here; `extra` sends more. Default 1.",
        ),
        ({"type": "integer", "default": 1, "maximum": 4, "x-sdk-maximum": 10}, "4 or less. Default 1."),
        ({"type": "string", "x-sdk-default": "a"}, "The page names no default; `a` is sent."),
        ({"type": "string", "default": "a", "x-sdk-default": "a"}, "Default `a`."),
        (
            {"type": "integer", "default": 7, "x-sdk-default": {"random": [0, 9]}},
            "The page says 7; a number from 0 to 9, drawn anew for each call, is sent.",
        ),
        ({"type": "boolean", "default": True, "x-sdk-hidden": True}, "The page says True; the SDK sets it."),
        (
            {"type": "string", "examples": ["a"], "anyOf": [{"enum": ["b", "a"]}, {"type": "string"}]},
            "Known values: `a`, `b`; any other is sent as it is.",
        ),
    ],
)
def test_a_parameter_is_documented_by_its_facts(tmp_path: Path, facts: Document, text: str):
    (parameter,) = endpoint(tmp_path, size=facts).parameters
    assert paragraph(parameter) == text


def test_a_default_that_can_not_be_sent_needs_an_action_that_says_what_is(tmp_path: Path):
    with pytest.raises(ContractError, match=r"no action of sdk\.overlay\.yaml says what is"):
        endpoint(tmp_path, size={"type": "string", "x-documented-default": 7})


@pytest.fixture(scope="session")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Endpoint:
    return endpoint(tmp_path_factory.mktemp("toy"), size={"type": "string"})


def test_a_member_of_the_reply_holds_pictures_where_its_schema_says_base64():
    text = {"type": "string", "contentEncoding": "base64"}
    members = {"image": {"anyOf": [text]}, "status": {}, "pictures": {"type": "array", "items": text}}

    found = picture_members({"components": {"schemas": {"Base64Reply": {"properties": members}}}})

    assert found == ("image", "pictures")


@given(description=st.text(st.characters(exclude_categories=["C"])) | st.text("\"'\\\\{}%# \n"))
def test_whatever_a_description_says_arrives_as_text_and_never_as_code(toy: Endpoint, description: str):
    sentence = " ".join(description.split())
    (size,) = toy.parameters
    described = replace(toy, parameters=(replace(size, sentence=sentence),))

    module = ast.parse(render("parameters.py.jinja", [described]))

    docs = [node.value for node in ast.walk(module) if isinstance(node, ast.keyword) and node.arg == "doc"]
    assert [ast.literal_eval(doc) for doc in docs] == ["", paragraph(described.parameters[0])]
    params = module.body[-1]
    assert isinstance(params, ast.ClassDef)
    key, text = params.body[1:3]
    assert isinstance(key, ast.AnnAssign)
    assert isinstance(text, ast.Expr)
    assert " ".join(ast.literal_eval(text.value).split()) == paragraph(described.parameters[0])
    overview = ast.get_docstring(params)
    assert overview is not None
    assert f"size: {paragraph(described.parameters[0])}".strip() in " ".join(overview.split())


@pytest.mark.parametrize(
    ("name", "facts", "why"),
    [
        ("size", {"type": "array"}, "has the type array, which is none of integer, number"),
        ("size", {"type": ["string", "null"]}, "has the type ['string', 'null'], which is none of"),
        ("size", {"type": "integer", "minimum": "one"}, "has the minimum 'one', which is no such number."),
        ("size", {"type": "number", "multipleOf": 0.5}, "has the multipleOf 0.5, which is no such number."),
        (
            "size",
            {"type": "integer", "minimum": 10, "default": 4},
            "has the default 4, below its own minimum",
        ),
        (
            "size",
            {"type": "integer", "maximum": 9, "x-sdk-default": 10},
            "would be sent as 10, above its own",
        ),
        (
            "size",
            {"type": "integer", "maximum": 9, "x-sdk-default": {"random": [0, 10]}},
            "would be sent as 10",
        ),
        ("size", {"type": "integer", "x-sdk-default": {"random": [0]}}, "would be sent as {'random': [0]}"),
        (
            "size",
            {"type": "integer", "x-sdk-default": True},
            "would be sent as True, which is no whole number.",
        ),
        ("size", {"type": "string", "x-sdk-defualt": "a"}, "has x-sdk-defualt, which is none of"),
        ("size", {"type": "integer", "examples": [1]}, "lists 1, and only texts can be listed"),
    ],
)
def test_a_property_that_can_be_no_parameter_stops_the_build(
    tmp_path: Path, name: str, facts: Document, why: str
):
    with pytest.raises(ContractError) as stop:
        endpoint(tmp_path, **{name: facts})
    assert str(stop.value).startswith(f"toy: {name} {why}")


# --- what the generator is given ---


def test_the_view_has_nothing_that_the_generator_would_misuse(layers: Layers):
    view = generators_view(layers.documented)
    for operation in operations(view):
        assert list(operation.spec["responses"]) == ["200"]
        assert operation.spec["security"] == layers.documented["security"]
        for facts in request_schema(view, operation)[1]["properties"].values():
            assert facts.keys() <= {"type", "description"}
