"""A name or a text that the house can't take is refused before anything is written.

An odd one that it can take goes through to a method that can be called.
"""

import ast
import builtins
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from copy import deepcopy
from importlib.metadata import entry_points
from inspect import signature
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import Phase, assume, given, settings
from hypothesis import strategies as st
from openapi_python_client.strings import RESERVED_WORDS
from segmind_sd3 import AsyncClient, Client
from segmind_sd3_api.calls import CALLS
from segmind_sd3_api.parameters import OPERATIONS
from segmind_sd3_pipeline.generate.generator import main, make
from segmind_sd3_pipeline.generate.parameters import Endpoint, endpoints
from segmind_sd3_pipeline.generate.render import render
from segmind_sd3_pipeline.pages.new_spec import model_of
from segmind_sd3_pipeline.pages.page_writer import page_text
from segmind_sd3_pipeline.pages.sync_command import sync
from segmind_sd3_pipeline.spec import names
from segmind_sd3_pipeline.spec.documents import ContractError, Document, read
from segmind_sd3_pipeline.spec.gate import imported
from segmind_sd3_pipeline.spec.layers import read_layers

ROOT = Path(__file__).parents[2]
OPENAPI = ROOT / "openapi"
GENERATED = ROOT / "generated_client" / "segmind_sd3_api"
PICTURE: Document = {"description": "The picture.", "content": {"image/jpeg": {}}}
TEXT: Document = {"type": "string"}
SWITCH: Document = {"type": "boolean"}
TOO_LONG = "a" * (names.LONGEST + 1)


def toy(
    name: str = "toy",
    *parameters: str,
    path: str = "/v1/{name}",
    tag: str = "toys",
    model: str = "Toy",
    properties: Mapping[str, Any] | None = None,
    required: tuple[str, ...] = (),
) -> Document:
    """A small valid spec of one operation. Each parameter is a text, unless it is among the properties."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "Toy", "version": "1", "x-source": {"page": "https://toys.example/toy"}},
        "servers": [{"url": "https://api.segmind.com"}],
        "security": [{"ApiKey": []}],
        "tags": [{"name": tag}],
        "paths": {
            path.format(name=name): {
                "post": {
                    "operationId": name,
                    "tags": [tag],
                    "summary": "Draw a toy.",
                    "requestBody": {
                        "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{model}"}}}
                    },
                    "responses": {"200": PICTURE},
                }
            }
        },
        "components": {
            "securitySchemes": {"ApiKey": {"$ref": "components.yaml#/components/securitySchemes/ApiKey"}},
            "schemas": {
                model: {
                    "type": "object",
                    "required": list(required),
                    "properties": dict.fromkeys(parameters, TEXT) | dict(properties or {}),
                }
            },
        },
    }


def action(name: str, grade: str, target: str = "$.info", update: Document | None = None) -> Document:
    marks = {"x-id": name, "x-grade": grade, "x-evidence": "Seen."}
    return {**marks, "target": target, "update": update or {f"x-{name}": True}}


def quirk(actions: list[str]) -> Document:
    words = {"documented": "toys", "sdk": "keeps them", "probe": "looks at them"}
    return {"name": "toys", "kind": "default", **words, "actions": actions}


def checkout(root: Path, *specs: Document, policies: tuple[Document, ...] = ()) -> Path:
    """A checkout of toys, as far as the generator reads and writes it."""
    openapi, sdk, client = (root / name for name in ("openapi", "wrapper/segmind_sd3", "generated_client"))
    for folder in (openapi, sdk, client):
        folder.mkdir(parents=True)
    (sdk / "_endpoints.py").write_text("# what was generated before\n", encoding="utf-8")
    for name in ("components.yaml", "generator.yaml"):
        shutil.copy(OPENAPI / name, openapi)
    layers = {"observed": [action("seen", "vendor")], "sdk": [action("kept", "policy"), *policies]}
    files: dict[str, Document] = {
        **{f"toy{number}": spec for number, spec in enumerate(specs)},
        **{
            f"{name}.overlay": {
                "overlay": "1.0.0",
                "info": {"title": name, "version": "1"},
                "actions": actions,
            }
            for name, actions in layers.items()
        },
        "quirks": {"quirks": [quirk([each["x-id"] for each in layers["sdk"]])]},
    }
    for name, document in files.items():
        (openapi / f"{name}.yaml").write_text(as_yaml(document), encoding="utf-8")
    return root


def as_yaml(document: Document) -> str:
    """JSON is YAML, but for a character that JSON escapes as two."""
    pair = re.compile(r"\\ud[89ab]..\\ud[c-f]..")
    return pair.sub(lambda found: json.loads(f'"{found[0]}"'), json.dumps(document))


def contents(root: Path) -> dict[Path, bytes]:
    return {file: file.read_bytes() for file in root.rglob("*") if file.is_file()}


ADVICE = r"(change|correct|give|leave|list|rename|set|take|write) \S+"


def assert_is_one_sentence(text: str, given: str) -> None:
    """Of what was given, why it can't be, and what to do."""
    assert given in text
    assert re.search(rf"[:;] {ADVICE}", text)
    assert text.endswith(".")
    assert text.isprintable()


def assert_is_refused(root: Path, given: str, capsys: pytest.CaptureFixture[str]) -> None:
    before = contents(root)

    status = main([], root)

    output = capsys.readouterr()
    assert (status, output.out) == (1, "")
    assert_is_one_sentence(output.err.removesuffix("\n"), given)
    assert contents(root) == before


# --- What is refused --------------------------------------------------------------------------------------

PARAMETERS = [
    *("class", "lambda", "None", "__debug__", "_x", "__x", "3d"),  # no name of an argument
    *("größe", "ﬁeld", "img-width", "img width", 'a"b', "a\\b", "", TOO_LONG),  # nor of an option or a file
    *("cls", "d", "D", "to_dict", "toDict", "from_dict", "field_dict", "additional_properties"),
    *("self", "extra"),
    *sorted(names.IN_ANNOTATIONS),
]


@pytest.mark.slow
@pytest.mark.parametrize("name", PARAMETERS)
def test_a_parameter_of_that_name_is_refused(tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]):
    assert_is_refused(checkout(tmp_path, toy("toy", "prompt", name)), name[:50], capsys)


@pytest.mark.parametrize(
    ("one", "other"),
    [("Size", "size"), ("img_width", "imgwidth"), ("img_width", "imgWidth"), ("list", "list_")],
)
def test_two_parameters_that_differ_in_case_or_separators_alone_are_refused(
    tmp_path: Path, one: str, other: str, capsys: pytest.CaptureFixture[str]
):
    assert_is_refused(checkout(tmp_path, toy("toy", one, other)), f"{one} and {other}", capsys)


def test_a_parameter_that_is_the_option_to_turn_another_off_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    spec = toy("toy", "no_upscale", properties={"upscale": SWITCH})

    assert_is_refused(checkout(tmp_path, spec), "--no-upscale", capsys)


MEMBERS = sorted(
    name for name in {*dir(Client), *dir(AsyncClient)} if not name.startswith("_") and name not in CALLS
)
COMMANDS = sorted(point.name for point in entry_points(group="segmind_sd3.commands"))
ENDPOINTS = [
    *(*MEMBERS, *COMMANDS, *sorted(names.IN_METHODS), *sorted(names.RENAMED)),
    *("class", "list", "print", "type", "None", "drawPicture", "Toy", "toy-b", "a b", ""),
    *("_x", "x_", "a__b", "3d", "größe", "ﬁeld", TOO_LONG),
]


@pytest.mark.slow
@pytest.mark.parametrize("name", ENDPOINTS)
def test_an_endpoint_of_that_name_is_refused(tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]):
    spec = toy(name, "prompt", path="/v1/toy")

    assert_is_refused(checkout(tmp_path, spec), f"the operationId {name[:50]}", capsys)


@pytest.mark.parametrize("tag", ["Toys", "my-toys", "class", "list", "_x", "größe", "", TOO_LONG])
def test_a_tag_of_that_name_is_refused(tmp_path: Path, tag: str, capsys: pytest.CaptureFixture[str]):
    assert_is_refused(checkout(tmp_path, toy(tag=tag)), f"the tag {tag[:50]}", capsys)


@pytest.mark.parametrize(
    "model",
    [
        *("toy", "SD3toy", "Toy_x", "Toy-x", "T2i", "None", "Exception", "D", "A" * 101),
        *sorted(names.CLASSES),
    ],
)
def test_a_schema_of_that_name_is_refused(tmp_path: Path, model: str, capsys: pytest.CaptureFixture[str]):
    assert_is_refused(checkout(tmp_path, toy(model=model)), f"The schema {model[:50]}", capsys)


@pytest.mark.parametrize(
    "path",
    [
        *(
            "/v1/..",
            "/v1/a/../b",
            "/v1/",
            "/v1/a b",
            "/v1/a:b",
            "/v1/a?b=1",
            "/v1/a#b",
            "/v1/%2e",
            "/v1/größe",
        ),
        *('/v1/a"b', "/v1/a\\b", "/v1/-a", "/v1/.a", "/v1/con", "/v1/Aux.yaml", f"/v1/{TOO_LONG}"),
    ],
)
def test_a_path_that_can_name_no_file_is_refused(
    tmp_path: Path, path: str, capsys: pytest.CaptureFixture[str]
):
    assert_is_refused(checkout(tmp_path, toy(path=path)), f"the path {path[:50]}", capsys)


def with_schema_of(other: Document, spec: Document) -> Document:
    """The spec, whose operation takes the schema of another one, which is in the file toy0.yaml."""
    (model,) = other["components"]["schemas"]
    (item,) = spec["paths"].values()
    item["post"]["requestBody"]["content"]["application/json"]["schema"]["$ref"] = (
        f"toy0.yaml#/components/schemas/{model}"
    )
    del spec["components"]["schemas"]
    return spec


@pytest.mark.parametrize(
    ("specs", "given"),
    [
        (
            [toy("toy"), toy("toy", path="/v1/b", model="B")],
            "toy0.yaml and toy1.yaml have the operationId toy",
        ),
        ([toy("sd3_tile"), toy("sd3tile", model="B")], "The operationIds sd3_tile and sd3tile"),
        ([toy("a", path="/v1/x"), toy("b", path="/v2/x", model="B")], "end in x and x"),
        ([toy("a", path="/v1/x"), toy("b", path="/v1/X", model="B")], "end in x and X"),
        ([toy("a"), toy("b", model="TOY")], "The schemas Toy and TOY"),
        ([toy("a"), with_schema_of(toy("a"), toy("b"))], "a and b have one schema, Toy"),
    ],
)
def test_names_of_two_specs_that_become_one_are_refused(
    tmp_path: Path, specs: list[Document], given: str, capsys: pytest.CaptureFixture[str]
):
    assert_is_refused(checkout(tmp_path, *specs), given, capsys)


def text_in(place: str) -> Callable[[str], Document]:
    """Make a spec with a text in one place."""

    def spec(text: str) -> Document:
        made = deepcopy(toy("toy", "prompt", properties={"prompt": {}}))
        operation = made["paths"]["/v1/toy"]["post"]
        prompt: Document = {**TEXT, "x-note": {}}
        made["components"]["schemas"]["Toy"]["properties"]["prompt"] = prompt
        match place:
            case "title":
                made["info"]["title"] = text
            case "page":
                made["info"]["x-source"]["page"] = text
            case "summary" | "description":
                operation[place] = text
            case "default":
                prompt["default"] = text
            case "enum" | "examples":
                prompt[place] = [text]
            case "parameter":
                prompt["description"] = text
            case "header":
                operation["responses"] = {"200": {**PICTURE, "headers": {text: {"schema": TEXT}}}}
            case _:
                prompt["x-note"] = {"deep": [text]}
        return made

    return spec


PLACES = (
    "title",
    "page",
    "summary",
    "description",
    "enum",
    "examples",
    "parameter",
    "header",
    "note",
)
UNSEEN = "\0\x07\r\x0b\x1b\x7f\x85\xad\u200b\u2028\u2029\u202e\u2066\ufeff\ud800\udfff"


@pytest.mark.parametrize(
    ("place", "character"),
    [*(("default", each) for each in UNSEEN), *((place, "\u2028") for place in PLACES)],
    ids=ascii,
)
def test_a_text_with_a_character_that_nobody_sees_is_refused(
    tmp_path: Path, place: str, character: str, capsys: pytest.CaptureFixture[str]
):
    spec = text_in(place)(f"a{character}b")

    assert_is_refused(checkout(tmp_path, spec), f"U+{ord(character):04X}", capsys)


@pytest.mark.parametrize(
    "character", [each for each in UNSEEN if each < "\ud800" or each > "\udfff"], ids=ascii
)
def test_such_a_character_in_a_file_itself_is_refused_with_its_line(tmp_path: Path, character: str):
    file = tmp_path / "toy.yaml"
    file.write_bytes(f"a: 1\nb: a{character}b\n".encode())

    with pytest.raises(ContractError) as refused:
        read(file)

    assert_is_one_sentence(str(refused.value), f"toy.yaml, line 2 has the character U+{ord(character):04X}")


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("start", ["", "\ufeff"])
def test_a_file_may_begin_and_its_lines_end_as_windows_has_it(tmp_path: Path, start: str, end: str):
    file = tmp_path / "toy.yaml"
    file.write_bytes(f"{start}a: 1{end}b: 2{end}".encode())

    assert read(file) == {"a": 1, "b": 2}


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    ['"\\UFFFFFFFF"', "!!bool x", "!!float x", "9" * 5000, "&a [*a]", "[" * 3000, "!x y", "2026-99-99"],
)
def test_yaml_that_its_reader_stumbles_over_is_refused(tmp_path: Path, text: str):
    file = tmp_path / "toy.yaml"
    file.write_text(f"a: {text}", encoding="utf-8")

    with pytest.raises(ContractError, match=r"^toy\.yaml.*\.$"):
        read(file)


@pytest.mark.parametrize(
    ("facts", "given"),
    [
        ({"type": "string", "enum": []}, "toy: size has an empty list of values"),
        ("text", "is no valid OpenAPI"),
        (None, "is no valid OpenAPI"),
        (True, "toy: size is True, and no object"),
        ({"type": "string", "description": 5}, "is no valid OpenAPI"),
        ({"type": "string", "description": None}, "is no valid OpenAPI"),
        ({"type": "string", "x-sdk-note": 5}, "toy: size has the x-sdk-note 5"),
        ({"type": "string", "x-sdk-hidden": "no"}, "toy: size has the x-sdk-hidden 'no'"),
        ({"type": "string", "x-affects-pricing": 1}, "toy: size has the x-affects-pricing 1"),
    ],
)
def test_a_property_that_is_malformed_is_refused(
    tmp_path: Path, facts: Any, given: str, capsys: pytest.CaptureFixture[str]
):
    root = checkout(tmp_path, toy(properties={"size": facts}))
    before = contents(root)

    status = main([], root)

    output = capsys.readouterr()
    assert (status, output.out, output.err.count("\n")) == (1, "", 1)
    assert given in output.err
    assert contents(root) == before


def test_a_hidden_parameter_that_is_required_needs_a_value_of_the_sdk(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    root = checkout(tmp_path, toy("toy", "class", required=("class",)), policies=(hidden("class"),))

    assert_is_refused(root, "the parameter class", capsys)


# --- What goes through ------------------------------------------------------------------------------------


def hidden(*parameters: str, **facts: Any) -> Document:
    properties = {name: {"x-sdk-hidden": True, **facts} for name in parameters}
    return action(f"hide-{parameters[0]}", "policy", "$.components.schemas.Toy", {"properties": properties})


ODD = [
    *("type", "id", "format", "list", "print", "match", "case", "x_", "a__b", "imgWidth", "URL"),
    *("api_key", "operation", "parameters", "name", "values", "args", "kwargs", "params", "client", "body"),
    *("datetime", "true", "field", "os", "endpoint", "toy", "response", "http_status", "a" * names.LONGEST),
    *("no_hires", "help", "json", "as_json", "out", "timeout", "verbose", "traceback", "send", "credits"),
]
SWITCHES = ["retry", "fast", "slow", "not_slow"]
OUT_OF_REACH = ["class", "self", "mask-url", "no_fast", "hires", "int"]
ODD_TEXTS = [
    *("a\nb", "a\tb", "  a  ", "a  b" * 50, "é😀", "a\u200db", "a\xa0b", "\uffff", "\ue000"),
    *('"', "'", '"""', "\\", "\\N{x}", "{x}", "{{ x }}", "%s", "#", "`", ""),
]
CALLED = """
import asyncio, json, sys
from click.testing import CliRunner
from segmind_sd3 import AsyncClient, Client
from segmind_sd3._cli import commands
from segmind_sd3_api.parameters import OPERATIONS
from segmind_sd3_contract.reference import MADE_UP_KEY, ReferenceServer

values = {"string": "a text", "boolean": False}
server = ReferenceServer()

async def draw(name, given):
    async with AsyncClient(MADE_UP_KEY, transport=server.async_transport()) as client:
        await getattr(client, name)(**given)

for name, operation in [(name, OPERATIONS[name]) for name in sys.argv[1:]]:
    known = [each for each in operation.parameters.values() if not each.closed]
    given = {each.name: values[each.kind] for each in known if not each.hidden}
    extra = {each.name: values[each.kind] for each in known if each.hidden}
    with Client(MADE_UP_KEY, transport=server.transport()) as client:
        getattr(client, name)(**given, extra=extra)
    asyncio.run(draw(name, {**given, "extra": extra}))
    command = commands.get_command(None, name)
    words = []
    for each in known:
        options = [option for option in command.params if each.doc in option.help]
        for option in options:
            words += option.secondary_opts or [option.opts[0], given[each.name]]
        if not options:
            words += ["--extra", f"{each.name}={json.dumps((given | extra)[each.name])}"]
    words = [command.name, *words, "--dry-run", "--json"]
    shown = CliRunner().invoke(commands, words, catch_exceptions=False)
    assert shown.exit_code == 0, shown.output
    sent = [json.loads(shown.stdout)["body"], *(call.body for call in server.ledger[-2:])]
    print(json.dumps([{**given, **extra}.items() <= body.items() for body in sent]))
    helped = CliRunner().invoke(commands, [command.name, "--help"], catch_exceptions=False)
    assert helped.exit_code == 0, helped.output
"""


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout whose names look odd, generated."""
    root = tmp_path_factory.mktemp("odd")
    spec = toy(
        "match",
        *ODD,
        *OUT_OF_REACH,
        properties={
            **{name: {**SWITCH, "description": f"Whether {name}."} for name in SWITCHES},
            **{name: {**TEXT, "description": f"The {name}."} for name in ODD},
            **{
                f"text{number}": {**TEXT, "description": text, "default": text, "examples": [text]}
                for number, text in enumerate(ODD_TEXTS)
            },
            "closed": {**TEXT, "enum": ODD_TEXTS},
            "hires": SWITCH,
        },
        required=("list", "print", "type", "a__b", "int"),
    )
    policies = (hidden(*OUT_OF_REACH[:-1]), hidden("int", **{"x-sdk-default": "whole"}))
    spec["info"]["x-source"]["page"] += '"""\\N{x}'
    bare = toy("case", model="Case")
    bare["paths"]["/v1/case"]["post"]["tags"] = []
    checkout(root, spec, bare)
    # The reference server, which answers the calls, wants the contract's own specs beside them.
    for file in OPENAPI.glob("*.yaml"):
        shutil.copy(file, root / "openapi")
    overlay = read(OPENAPI / "sdk.overlay.yaml")
    overlay["actions"] += policies
    (root / "openapi" / "sdk.overlay.yaml").write_text(json.dumps(overlay), encoding="utf-8")
    rows = read(OPENAPI / "quirks.yaml")
    rows["quirks"].append(quirk([each["x-id"] for each in policies]))
    (root / "openapi" / "quirks.yaml").write_text(json.dumps(rows), encoding="utf-8")
    shutil.copytree(
        ROOT / "wrapper" / "segmind_sd3",
        root / "wrapper" / "segmind_sd3",
        ignore=shutil.ignore_patterns("__pycache__", "_endpoints.py"),
        dirs_exist_ok=True,
    )
    assert main([], root) == 0
    return root


def test_odd_names_make_methods_and_commands_that_send_them(odd: Path):
    paths = (odd / "wrapper", odd / "generated_client", ROOT / "contract_tests")
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", CALLED, "match", "case"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths))},
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines() == ["[true, true, true]"] * 2


@pytest.mark.slow
def test_odd_texts_arrive_as_they_are(odd: Path):
    with imported(odd / "generated_client" / GENERATED.name) as modules:
        parameters = modules["parameters"].OPERATIONS["match"].parameters

    texts = [parameters[f"text{number}"] for number in range(len(ODD_TEXTS))]
    assert [text.documented_default for text in texts] == ODD_TEXTS
    assert [text.known_values for text in texts] == [(text,) for text in ODD_TEXTS]
    assert parameters["closed"].known_values == tuple(ODD_TEXTS)


# --- A page with such a name ------------------------------------------------------------------------------

TURBO = "stable-diffusion-3.5-turbo-txt2img"


def page(slug: str = TURBO, prompt: str = "a cat", **attribute: Any) -> str:
    """The turbo page at another address, with one more parameter or another text in its sample."""
    facts = json.loads((OPENAPI / "facts" / f"{TURBO}.json").read_text(encoding="utf-8"))
    if attribute:
        facts["attributes"].append({"type": "str", "name": "style", **attribute})
    facts["sample"]["values"]["prompt"] = "PROMPT"
    facts |= {"slug": slug, "url": f"https://api.segmind.com/v1/{slug}"}
    return page_text(facts).replace("PROMPT", prompt)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "given"),
    [
        *((page(name=name), f"the parameter {name}") for name in ("class", "self", "extra", "cls", "int")),
        (page(name="batchsize"), "the parameters batch_size and batchsize"),
        *((page(slug), f"the operationId {slug}") for slug in ("send", "close", "credits", "class", "docs")),
        *((page(slug), f"the path /v1/{slug}"[:50]) for slug in ("con", "Nul.1", "größe", "sd3.")),
        (page("components"), "components.yaml is no spec"),
        (page(default="no\u202eir"), "U+202E"),
        (page(type="enum:str", allowed_values=["noir", "no\u2028ir"]), "U+2028"),
        (page(default="no\u0007ir"), "U+0007"),
        (page(prompt=r"\ud800"), "U+D800"),
    ],
)
def test_a_page_with_a_name_or_text_that_can_not_be_taken_leaves_the_specs_and_gives_2(
    tmp_path: Path, text: str, given: str
):
    shutil.copytree(OPENAPI, tmp_path / "openapi", ignore=shutil.ignore_patterns("__pycache__"))
    file = tmp_path / "page.txt"
    file.write_text(text, encoding="utf-8")
    before = contents(tmp_path)

    refused = CliRunner().invoke(sync, [str(file), "--root", str(tmp_path), "--yes"])

    assert refused.exit_code == 2
    assert_is_one_sentence(refused.output.removesuffix("\n"), given)
    assert contents(tmp_path) == before


def test_a_parameter_of_a_page_is_hidden_by_an_action_that_names_it_beforehand(tmp_path: Path):
    shutil.copytree(OPENAPI, tmp_path / "openapi", ignore=shutil.ignore_patterns("__pycache__"))
    overlay = read(OPENAPI / "sdk.overlay.yaml")
    hide = {"class": {"x-sdk-hidden": True}}
    target = "$.components.schemas.Sd35TurboTxt2Img"
    overlay["actions"].append(action("hide", "policy", target, {"properties": hide}))
    (tmp_path / "openapi" / "sdk.overlay.yaml").write_text(as_yaml(overlay), encoding="utf-8")
    file = tmp_path / "page.txt"
    file.write_text(page(name="class"), encoding="utf-8")

    followed = CliRunner().invoke(sync, [str(file), "--root", str(tmp_path), "--yes"])

    assert followed.exit_code == 0, followed.output
    known = {each.operation.id: each for each in endpoints(read_layers(tmp_path / "openapi"))}
    turbo = known["sd35_turbo_txt2img"]
    assert {each.name for each in turbo.parameters} - {each.name for each in turbo.shown} == {
        "base64",
        "class",
    }


# --- The lists of names -----------------------------------------------------------------------------------


def top(file: Path) -> list[ast.stmt]:
    return ast.parse(file.read_bytes()).body


def bound(*nodes: ast.AST) -> set[str]:
    """The names that are given to something in there: imported, defined, assigned, an argument."""
    found: set[str] = set()
    for each in (each for node in nodes for each in ast.walk(node)):
        match each:
            case ast.alias():
                found.add(each.asname or each.name)
            case ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
                found.add(each.name)
            case ast.arg():
                found.add(each.arg)
            case ast.Name(ctx=ast.Store()):
                found.add(each.id)
            case _:
                pass
    return found


def test_what_the_clients_have_is_what_their_source_defines():
    assert {name for name in names.client_members() if not name.startswith("_")} == set(MEMBERS)


def test_what_the_generator_renames_is_keywords_builtins_and_the_list():
    assert RESERVED_WORDS - set(dir(builtins)) == names.RENAMED


def test_the_list_of_arguments_is_what_every_method_has():
    assert {
        name
        for name in ("self", *signature(Client.sd3_medium_tile).parameters)
        if name not in OPERATIONS["sd3_medium_tile"].parameters
    } == names.ARGUMENTS


def test_the_list_of_what_methods_use_is_what_their_module_imports():
    methods = ROOT / "wrapper" / "segmind_sd3" / "_endpoints.py"
    imports = [node for node in top(methods) if isinstance(node, ast.ImportFrom)]

    assert {name for name in bound(*imports) if names.SNAKE_CASE.fullmatch(name)} == names.IN_METHODS


def test_the_list_of_what_annotations_use_is_what_those_of_the_typed_dicts_do():
    classes = [node for node in top(GENERATED / "parameters.py") if isinstance(node, ast.ClassDef)]
    keys = [
        key.annotation
        for node in classes
        if node.name.endswith("Params")
        for key in node.body
        if isinstance(key, ast.AnnAssign)
    ]
    used = {node.id for key in keys for node in ast.walk(key) if isinstance(node, ast.Name)}

    # The contract's one boolean is hidden.
    assert used | {"bool"} == names.IN_ANNOTATIONS


@pytest.mark.parametrize("file", sorted((GENERATED / "models").glob("[!_]*.py")), ids=lambda file: file.stem)
def test_the_list_of_what_models_use_is_what_they_define(file: Path):
    (model,) = [node for node in top(file) if isinstance(node, ast.ClassDef)]
    converters = [node for node in model.body if getattr(node, "name", "") in ("from_dict", "to_dict")]
    members = {getattr(node, "name", "") for node in model.body}
    fields = bound(*(node for node in model.body if isinstance(node, ast.AnnAssign)))
    parameters = {name for operation in OPERATIONS.values() for name in operation.parameters}

    own = members | fields | bound(*converters)
    assert {name for name in own - parameters if name and not name.startswith("__")} == {
        *names.IN_MODELS,
        "self",
        file.stem,
    }


def test_the_list_of_what_a_model_would_replace_is_what_modules_of_models_and_endpoints_have():
    files = [*GENERATED.glob("models/[!_]*.py"), *GENERATED.glob("api/*/[!_]*.py")]
    models = {model_of(name) for name in OPERATIONS}

    assert {
        name
        for file in files
        for node in top(file)
        for name in (bound(node) if not isinstance(node, ast.FunctionDef | ast.ClassDef) else ())
        if names.PASCAL_CASE.fullmatch(name) and name not in models
    } == names.CLASSES


# --- Any name ---------------------------------------------------------------------------------------------

WORDS = sorted({*PARAMETERS, *ENDPOINTS, *ODD, *names.CLASSES, *names.IN_MODELS, *RESERVED_WORDS, "Toy"})
any_name = st.one_of(
    st.sampled_from(WORDS),
    st.sampled_from(WORDS).map(str.title),
    st.from_regex(r"[A-Za-z0-9_.-]{1,12}", fullmatch=True),
    st.lists(st.sampled_from(["x", "img", "Url", "2", "no", "_"]), min_size=1, max_size=4).map("_".join),
    st.text(st.characters(exclude_categories=["Cc", "Cf", "Cs", "Zl", "Zp"]), max_size=6),
)
any_properties = st.dictionaries(any_name, st.sampled_from([TEXT, SWITCH]), min_size=1, max_size=4)


def accepted(folder: Path, *specs: Document) -> list[Endpoint]:
    """The endpoints of the specs; none if a name is refused."""
    shutil.rmtree(folder, ignore_errors=True)
    checkout(folder, *specs)
    try:
        return list(endpoints(read_layers(folder / "openapi")))
    except ContractError:
        return []


def run(source: str) -> dict[str, Any]:
    """Run a module as if it were the SDK's."""
    module: dict[str, Any] = {"__name__": "segmind_sd3._toys", "__package__": "segmind_sd3"}
    exec(source, module)  # noqa: S102 - what is generated
    return module


@given(properties=any_properties)
@pytest.mark.slow
@pytest.mark.thorough
def test_any_parameters_that_are_accepted_are_arguments_of_the_method_by_the_same_names(
    tmp_path_factory: pytest.TempPathFactory, properties: dict[str, Document]
):
    known = accepted(tmp_path_factory.getbasetemp() / "any", toy(properties=properties))
    assume(known)

    def draw(*call: object) -> object:
        return call

    toys = run(render("endpoints.py.jinja", known))["Endpoints"]()
    toys._draw = draw

    assert list(signature(toys.toy).parameters) == [*properties, "extra"]
    assert toys.toy(**dict.fromkeys(properties, 1)) == ("toy", dict.fromkeys(properties, 1))


@pytest.mark.slow
@settings(max_examples=5, phases=[Phase.generate])
@given(properties=st.lists(any_properties, min_size=10, max_size=10), data=st.data())
@pytest.mark.thorough
def test_any_names_that_are_accepted_are_generated_without_a_loss(
    tmp_path_factory: pytest.TempPathFactory,
    properties: list[dict[str, Document]],
    data: st.DataObject,
):
    """Many at a time, since the generator takes seconds: each that is accepted joins the others."""
    folder = tmp_path_factory.getbasetemp() / "many"
    specs = [toy("one", model="One")]
    for number, each in enumerate(properties):
        name, tag, model = data.draw(any_name), data.draw(any_name), data.draw(any_name)
        for spec in (
            toy(f"toy{number}", properties=each, model=f"Toy{number}"),
            toy(name, path=f"/v1/name{number}", model=f"Name{number}"),
            toy(f"tag{number}", tag=tag, model=f"Tag{number}"),
            toy(f"model{number}", model=model),
        ):
            if accepted(folder, *specs, spec):
                specs.append(spec)
    shutil.rmtree(folder, ignore_errors=True)
    checkout(folder, *specs)

    made = make(folder / "openapi", folder / "made" / GENERATED.name)

    assert len(made) == len(specs)
    run(render("endpoints.py.jinja", made))
