"""The pages of the site: their code runs, their words are plain, and they document every public name."""

from __future__ import annotations

import inspect
import os
import re
from typing import TYPE_CHECKING, Any, Final

import pytest
import segmind_sd3
from click.testing import CliRunner
from proofs.fixtures.blocks import DOCS, RUN, Block, blocks_of, run_blocks, without
from proofs.prose import complaints
from segmind_sd3._cli import commands
from segmind_sd3_api.parameters import OPERATIONS
from segmind_sd3_contract.quirks import quirks
from segmind_sd3_contract.reference import MADE_UP_KEY, ReferenceServer
from segmind_sd3_pipeline.generate.site_tables import error_table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PAGES: Final = sorted(DOCS.rglob("*.md"))
NOTEBOOK: Final = DOCS / "notebook.md"
"""Its code is that of `examples/sweep.ipynb`, which `test_examples.py` runs."""

EXCUSED: Final = {
    "pip install": "house/test_followed.py installs",
    "make ": "a target of the checkout: pipeline/test_regenerate.py",
    "segmind-sd3 docs": "it needs a page of the vendor: pipeline/test_check.py, test_sync.py",
    "segmind-sd3 diff": "it needs two versions of the contract: pipeline/test_changes.py",
    "segmind-sd3 serve": "it runs until Ctrl-C: house/test_wheel.py",
    "schemathesis run": "it knows no budget, and takes half a minute: house/test_wheel.py",
}
"""The commands that are not run here, and why."""

SHOWN: Final = ("text", "http", "json")
"""What is output or data, not code."""

NOT_RUN: Final = {
    "guides/many-machines.md": "it needs a database, a store or a cluster: sdk/",
    "guides/nightly.md": "a job for GitHub Actions; its commands run above it",
}
"""The pages with code in another language than Python and sh, which is not run here, and why."""

WITHOUT_SERVER: Final = {DOCS / "index.md"}
"""The pages whose code brings a server of its own."""


def runnable(page: Path) -> list[Block]:
    return [] if page == NOTEBOOK else [each for each in blocks_of(page) if each.kind in RUN or each.title]


WITH_CODE: Final = [page for page in PAGES if runnable(page)]


def name(page: Path) -> str:
    return page.relative_to(DOCS).as_posix()


# -- Code -------------------------------------------------------------------------------------------------


@pytest.fixture
def env(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Return the variables of a reader, in which a reference server is the target."""
    own = {key: value for key, value in os.environ.items() if not key.startswith("SEGMIND")}
    with ReferenceServer(credits=10, keys=[MADE_UP_KEY]).listening() as url:
        yield own | {"SEGMIND_BASE_URL": url, "SEGMIND_API_KEY": MADE_UP_KEY, "HOME": str(tmp_path)}


@pytest.mark.slow
@pytest.mark.parametrize("page", WITH_CODE, ids=name)
def test_the_code_of_a_page_runs_in_its_order_and_prints_what_the_page_shows(
    page: Path, env: dict[str, str], tmp_path: Path
):
    if page in WITHOUT_SERVER:
        env = {key: value for key, value in env.items() if not key.startswith("SEGMIND")}
    blocks = [without(each, list(EXCUSED)) for each in runnable(page)]
    blocks = [aimed(each, env) for each in blocks]

    results = run_blocks(blocks, tmp_path, env)

    shown = {each.where: each.output for each in blocks if each.output is not None}
    printed = {
        each.where: result["printed"]
        for each, result in zip(blocks, results, strict=True)
        if each.where in shown
    }
    assert printed == shown


@pytest.mark.slow
def test_the_first_page_leads_to_a_picture_an_error_a_passed_test_and_twenty_pictures(
    env: dict[str, str], tmp_path: Path
):
    own = {key: value for key, value in env.items() if not key.startswith("SEGMIND")}
    blocks = [without(each, list(EXCUSED)) for each in runnable(DOCS / "index.md")]

    printed = "".join(result["printed"] for result in run_blocks(blocks, tmp_path, own))

    assert (tmp_path / "panda.jpg").read_bytes().startswith(b"\xff\xd8\xff")
    assert "InvalidRequest False" in printed
    assert "2 passed" in printed
    assert "20 done; $0.0700 spent" in printed
    assert len(list(tmp_path.glob("pandas/*.jpg"))) == 20


def aimed(block: Block, env: dict[str, str]) -> Block:
    """Put the reference server in place of the live service in a program that names it and calls it."""
    if not block.where.startswith("docs/generated-client.md"):
        return block
    code = block.code.replace("https://api.segmind.com", env["SEGMIND_BASE_URL"])
    return Block(block.where, block.kind, block.title, code, block.output)


def test_each_command_that_is_not_run_stands_on_a_page():
    lines = [
        line
        for page in PAGES
        for each in blocks_of(page)
        if each.kind == "sh"
        for line in each.code.splitlines()
    ]
    assert [text for text in EXCUSED if not any(line.startswith(text) for line in lines)] == []


def test_code_that_is_not_run_stands_on_few_pages():
    found = {name(page) for page in PAGES for each in blocks_of(page) if each.kind not in (*RUN, *SHOWN)}
    assert found <= set(NOT_RUN)


def test_at_least_45_blocks_are_run():
    blocks = [without(each, list(EXCUSED)) for page in PAGES for each in runnable(page)]
    assert sum(bool(each.code.strip()) for each in blocks) >= 45


# -- Words ------------------------------------------------------------------------------------------------


def test_a_word_that_is_not_ours_is_found_and_code_is_left_out():
    text = "Fine.\n\nWe simply call `simply()`.\n\n```sh\nsimply\n```\n"
    assert list(complaints(text)) == [(3, "'simply': write nothing")]


def test_a_sentence_that_is_too_long_is_found():
    ((line, complaint),) = complaints(f"Short.\n\n{'word ' * 50}.\n")
    assert line == 3
    assert "a sentence of 5" in complaint


# -- What is documented -----------------------------------------------------------------------------------


def documented() -> list[str]:
    return [
        found
        for page in PAGES
        for found in re.findall(r"^::: segmind_sd3\.(\w+)$", page.read_text("utf-8"), re.MULTILINE)
    ]


def test_every_public_name_has_its_place_in_the_reference_once():
    public = set(segmind_sd3.__all__) - {"__version__"}
    assert sorted(documented()) == sorted(public)


def public_functions() -> dict[str, Any]:
    """Return every public function and method by its name."""
    found: dict[str, Any] = {}
    for name in set(segmind_sd3.__all__) - {"__version__"}:
        value = getattr(segmind_sd3, name)
        found[name] = value
        if isinstance(value, type):
            members = ((key, getattr(value, key)) for key in dir(value) if not key.startswith("_"))
            found |= {f"{name}.{key}": each for key, each in members if inspect.isroutine(each)}
    return {
        name: each
        for name, each in found.items()
        if getattr(each, "__module__", "").startswith("segmind_sd3")
    }


def test_every_public_name_and_method_has_a_docstring():
    assert [name for name, value in public_functions().items() if not inspect.getdoc(value)] == []


@pytest.mark.parametrize("client", ["Client", "AsyncClient"])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_parameter_of_an_endpoint_is_in_its_docstring(operation: str, client: str):
    method = getattr(getattr(segmind_sd3, client), operation)
    arguments = (inspect.getdoc(method) or "").partition("Args:")[2].partition("Returns:")[0]
    described = set(re.findall(r"^ {4}(\w+): ", arguments, re.MULTILINE))
    assert described == set(inspect.signature(method).parameters) - {"self"}


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=lambda each: each.operation_id)
def test_the_page_of_the_contract_has_a_row_for_every_parameter_of_an_endpoint(operation: Any):
    text = (DOCS / "reference/contract.md").read_text("utf-8")
    section = text.partition(f"## `{operation.operation_id}`\n")[2].partition("\n## ")[0]
    rows = re.findall(
        r"^\| `(\w+)`(?: \(set by the SDK\))? \| (?:integer|number|string|boolean|image) \|",
        section,
        re.MULTILINE,
    )
    assert rows == list(operation.parameters)


def test_every_quirk_has_a_section():
    sections = re.findall(r"^## (\S+)$", (DOCS / "quirks.md").read_text("utf-8"), re.MULTILINE)
    assert sections == list(quirks())


def test_every_command_has_a_section():
    listed = CliRunner().invoke(commands, ["--help"]).output
    top = set(re.findall(r"^  ([a-z][a-z0-9-]+)  ", listed, re.MULTILINE))
    sections = re.findall(r"^## (\S+)", (DOCS / "reference/command-line.md").read_text("utf-8"), re.MULTILINE)
    assert top
    assert set(sections) == top


def test_the_table_of_errors_has_every_public_error():
    public = {getattr(segmind_sd3, name) for name in segmind_sd3.__all__}
    errors = {
        kind for kind in public if isinstance(kind, type) and issubclass(kind, segmind_sd3.SegmindError)
    }
    raised = {kind.__name__ for kind in errors - {segmind_sd3.SegmindError, segmind_sd3.APIError}}
    assert set(re.findall(r"^\| `(\w+)`", error_table(), re.MULTILINE)) == raised
