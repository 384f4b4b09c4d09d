"""What editors and documentation tools see of the clients, without running anything of them.

A real language server, pyright's, is asked as an editor asks it. griffe reads the source as a documentation
site does. What `inspect.signature` and `help` see is in `test_signatures.py`; what type checkers refuse is in
`test_typing.py`.
"""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, cast

import griffe
import pytest
import segmind_sd3
from segmind_sd3._endpoints import Endpoints
from segmind_sd3_api.parameters import OPERATIONS, Operation, Parameter

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.slow

CLIENTS: Final = ("Client", "AsyncClient")
PATIENCE: Final = 300.0
"""Seconds after which a language server that does not answer is stopped. It decides no test that passes."""
HERE: Final = "<here>"

each_client = pytest.mark.parametrize("client", CLIENTS)
each_operation = pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)


def public(operation: Operation) -> list[Parameter]:
    return [known for known in operation.parameters.values() if not known.hidden]


def documentation(operation: Operation) -> str:
    return inspect.getdoc(getattr(Endpoints, operation.operation_id)) or ""


def words(text: str) -> str:
    """Return a text, be it Markdown, as words with one blank between them."""
    for mark, plain in (("&nbsp;", " "), ("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&"), ("\\", "")):
        text = text.replace(mark, plain)
    return " ".join(text.split())


# -- A language server ------------------------------------------------------------------------------------


class LanguageServer:
    """pyright's language server, spoken to in JSON-RPC over its standard streams."""

    def __init__(self, folder: Path) -> None:
        self._document = (folder / "program.py").as_uri()
        self._version = 0
        self._sent = 0
        self._process = subprocess.Popen(
            [Path(sys.executable).with_name("pyright-langserver"), "--stdio"],
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._timer = threading.Timer(PATIENCE, self._process.kill)
        self._timer.start()
        document = {
            "hover": {"contentFormat": ["markdown"]},
            "signatureHelp": {
                "signatureInformation": {
                    "documentationFormat": ["markdown"],
                    "parameterInformation": {"labelOffsetSupport": True},
                }
            },
            "completion": {"completionItem": {"documentationFormat": ["markdown"]}},
        }
        self._request(
            "initialize",
            processId=None,
            rootUri=folder.as_uri(),
            workspaceFolders=[{"uri": folder.as_uri(), "name": "workspace"}],
            capabilities={"textDocument": document, "workspace": {"configuration": True}},
        )
        self._send({"method": "initialized", "params": {}})
        opened = {"uri": self._document, "languageId": "python", "version": 0, "text": ""}
        self._send({"method": "textDocument/didOpen", "params": {"textDocument": opened}})

    def hover(self, text: str) -> str:
        """Return what is shown while the pointer rests at the mark."""
        return self._ask("hover", text)["contents"]["value"]

    def signature(self, text: str) -> dict[str, Any]:
        """Return the signature that is shown while a call is typed, up to the mark."""
        help_ = self._ask("signatureHelp", text)
        (signature,) = help_["signatures"]
        return {**signature, "active": help_["activeParameter"]}

    def completions(self, text: str) -> dict[str, Any]:
        """Return what is offered at the mark, by its label."""
        return {item["label"]: item for item in self._ask("completion", text)["items"]}

    def resolved(self, item: dict[str, Any]) -> dict[str, Any]:
        """Return one offer with its documentation."""
        return self._request("completionItem/resolve", **item)

    def _ask(self, what: str, text: str) -> Any:
        """Type a text into the document, and ask about the place of the mark in it."""
        before, _, after = text.partition(HERE)
        self._version += 1
        typed = {
            "textDocument": {"uri": self._document, "version": self._version},
            "contentChanges": [{"text": before + after}],
        }
        self._send({"method": "textDocument/didChange", "params": typed})
        position = {"line": before.count("\n"), "character": len(before) - before.rfind("\n") - 1}
        answer = self._request(
            f"textDocument/{what}", textDocument={"uri": self._document}, position=position
        )
        assert answer is not None, f"nothing is shown for {what} in {text!r}"
        return answer

    def _request(self, method: str, **params: Any) -> Any:
        """Send a request and wait for its answer. What the server asks or reports meanwhile is answered."""
        self._sent += 1
        self._send({"id": self._sent, "method": method, "params": params})
        while True:
            message = self._receive()
            if "method" not in message:
                assert message["id"] == self._sent
                assert "error" not in message, message
                return message["result"]
            if message["method"] == "workspace/configuration":
                settings = {"python": {"pythonPath": sys.executable}}
                wanted = [settings.get(item.get("section"), {}) for item in message["params"]["items"]]
                self._send({"id": message["id"], "result": wanted})
            elif "id" in message:
                self._send({"id": message["id"], "result": None})

    def _send(self, message: dict[str, Any]) -> None:
        content = json.dumps({"jsonrpc": "2.0", **message}).encode()
        stream = cast("IO[bytes]", self._process.stdin)
        stream.write(b"Content-Length: %d\r\n\r\n" % len(content) + content)
        stream.flush()

    def _receive(self) -> dict[str, Any]:
        stream = cast("IO[bytes]", self._process.stdout)
        length = 0
        while line := stream.readline().strip():
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        assert length, "the language server has ended"
        return json.loads(stream.read(length))

    def close(self) -> None:
        self._request("shutdown")
        self._send({"method": "exit"})
        self._process.communicate()
        self._timer.cancel()


@pytest.fixture(scope="module")
def editor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LanguageServer]:
    server = LanguageServer(tmp_path_factory.mktemp("workspace"))
    yield server
    server.close()


def program(client: str, line: str) -> str:
    """Return a program that has a client of this class, and one line."""
    before = {"Client": "def", "AsyncClient": "async def"}[client]
    return f"from segmind_sd3 import {client}\n\n\n{before} main(client: {client}) -> None:\n    {line}\n"


@each_client
@each_operation
def test_hover_shows_the_whole_docstring_and_every_parameter(
    client: str, operation: Operation, editor: LanguageServer
):
    shown = words(editor.hover(program(client, f"client.{operation.operation_id}{HERE}")))

    assert operation.summary in shown
    assert words(documentation(operation)) in shown
    assert all(f"{known.name}: " in shown for known in public(operation))


@pytest.mark.parametrize(
    ("client", "returned"), [("Client", "Generation"), ("AsyncClient", "CoroutineType[Any, Any, Generation]")]
)
def test_hover_shows_what_a_call_returns(client: str, returned: str, editor: LanguageServer):
    shown = editor.hover(program(client, f"client.sd35_turbo_txt2img{HERE}"))

    assert f"-> {returned}\n" in shown


SHOWN_TYPES: Final = {"string": "str", "integer": "int", "number": "float", "image": "ImageInput"}


@each_client
@each_operation
def test_signature_help_lists_every_parameter_with_its_type_and_the_documentation(
    client: str, operation: Operation, editor: LanguageServer
):
    signature = editor.signature(program(client, f"client.{operation.operation_id}({HERE})"))

    listed = [signature["label"][slice(*each["label"])] for each in signature["parameters"]]
    expected = [
        f"{known.name}: {SHOWN_TYPES[known.kind]}{'' if known.required else ' | None = None'}"
        for known in public(operation)
    ]
    assert listed == ["*", *expected, "extra: Mapping[str, Any] | None = None"]
    assert words(documentation(operation)) in words(signature["documentation"]["value"])


@each_client
@each_operation
def test_signature_help_documents_the_parameter_that_is_being_typed(
    client: str, operation: Operation, editor: LanguageServer
):
    for known in public(operation):
        typed = program(client, f"client.{operation.operation_id}({known.name}={HERE})")
        signature = editor.signature(typed)
        active = signature["parameters"][signature["active"]]

        # pyright takes the first line of the parameter's documentation.
        shown = words(active["documentation"]["value"])
        assert len(shown) > len(f"{known.name}: ")
        assert f"{known.name}: {known.doc} ".startswith(f"{shown} ")


@each_client
def test_completion_offers_the_five_methods_with_their_documentation(client: str, editor: LanguageServer):
    offered = editor.completions(program(client, f"client.{HERE}"))

    assert set(OPERATIONS) <= set(offered)
    for name, operation in OPERATIONS.items():
        assert operation.summary in editor.resolved(offered[name])["documentation"]["value"]


@each_client
@each_operation
def test_completion_offers_the_parameters_of_a_call(
    client: str, operation: Operation, editor: LanguageServer
):
    offered = editor.completions(program(client, f"client.{operation.operation_id}({HERE})"))

    assert {f"{known.name}=" for known in public(operation)} | {"extra="} <= set(offered)


@each_client
@each_operation
def test_completion_offers_the_known_values_of_a_parameter(
    client: str, operation: Operation, editor: LanguageServer
):
    for known in (known for known in public(operation) if known.known_values):
        offered = editor.completions(
            program(client, f'client.{operation.operation_id}({known.name}="{HERE}")')
        )

        assert set(offered) == {f'"{value}"' for value in known.known_values}


@pytest.mark.parametrize("name", [name for name in segmind_sd3.__all__ if name != "__version__"])
def test_hover_shows_the_documentation_of_a_name_that_is_resolved_on_first_use(
    name: str, editor: LanguageServer
):
    shown = editor.hover(f"from segmind_sd3 import {name}{HERE}\n")

    assert words(inspect.getdoc(getattr(segmind_sd3, name)) or "") in words(shown)


# -- A documentation tool ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def package() -> griffe.Module:
    """Read the package as griffe reads it where it may not import anything."""
    loader = griffe.GriffeLoader(allow_inspection=False)
    package = loader.load("segmind_sd3")
    loader.resolve_aliases()
    return cast("griffe.Module", package)


def method(package: griffe.Module, client: str, operation: Operation) -> griffe.Function:
    found = package[client].all_members[operation.operation_id]
    return cast("griffe.Function", found.final_target if isinstance(found, griffe.Alias) else found)


@each_client
@each_operation
def test_static_reading_sees_every_method_with_all_its_parameters(
    client: str, operation: Operation, package: griffe.Module
):
    seen = method(package, client, operation)

    assert [parameter.name for parameter in seen.parameters] == [
        "self",
        *(known.name for known in public(operation)),
        "extra",
    ]
    assert all(parameter.annotation for parameter in seen.parameters if parameter.name != "self")
    assert str(seen.returns) == "Generation"
    assert ("async" in seen.labels) == (client == "AsyncClient")


@each_client
@each_operation
def test_static_reading_parses_the_docstring_as_google_has_it(
    client: str, operation: Operation, package: griffe.Module, caplog: pytest.LogCaptureFixture
):
    docstring = method(package, client, operation).docstring
    assert docstring is not None

    sections = {section.kind: section.value for section in docstring.parse("google")}

    kinds = griffe.DocstringSectionKind
    described = {each.name: each.description for each in sections[kinds.parameters]}
    assert list(described) == [*(known.name for known in public(operation)), "extra"]
    assert all(words(described[known.name]) == words(known.doc) for known in public(operation))
    assert [str(each.annotation) for each in sections[kinds.returns]] == ["Generation"]
    assert [str(each.annotation) for each in sections[kinds.raises]] == ["InvalidRequest", "SegmindError"]
    assert caplog.messages == []


def test_static_reading_sees_every_option_of_a_client_documented(package: griffe.Module):
    client = cast("griffe.Class", package["Client"].final_target)
    assert client.docstring is not None

    (described,) = (
        section.value
        for section in client.docstring.parse("google")
        if section.kind is griffe.DocstringSectionKind.parameters
    )

    assert [each.name for each in described] == [each.name for each in client.parameters][1:]
