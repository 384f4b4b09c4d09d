"""The file that ARCHITECTURE.md names for a task is the only one to edit, in copies of the checkout."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from proofs.generator import copy_repository
from segmind_sd3_pipeline.pages.page_writer import page_text

if TYPE_CHECKING:
    from collections.abc import Sequence

pytestmark = [pytest.mark.slow, pytest.mark.thorough]

PAGE = (Path(__file__).parents[2] / "ARCHITECTURE.md").read_text("utf-8")
FILES = dict(re.findall(r"^\| ([^|]+?) \| `([^`]+)` \|", PAGE, flags=re.MULTILINE))
"""The file that is named for each task."""

((COMMAND, _made),) = re.findall(r"then `make ([^`]+)`: it makes (.*?) anew\.", PAGE, flags=re.DOTALL)
GENERATED = tuple(re.findall(r"`([^`]+)`", _made))
"""What the command may change besides."""

FOLDERS = ("openapi", "wrapper", "generated_client", "contract_tests")


# -- A copy of the checkout -------------------------------------------------------------------------------


def git(folder: Path, *arguments: str) -> str:
    author = ("-c", "user.name=test", "-c", "user.email=test@localhost")
    done = subprocess.run(
        ["git", *author, *arguments], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout


def run(folder: Path, *command: str) -> str:
    """Run a command on the code of a copy, and return its output."""
    paths = os.pathsep.join(str(folder / name) for name in FOLDERS)
    environment = {**os.environ, "PYTHONPATH": paths, "SEGMIND_API_KEY": "SG_0123456789abcdef"}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def make(folder: Path, *words: str) -> None:
    """Run make with the tools that are installed here, as in a checkout that is set up."""
    run(folder, "make", "--assume-old=.venv/ready", f"BIN={Path(sys.executable).parent}", *words)


def changed(folder: Path) -> set[str]:
    status = git(folder, "status", "--porcelain", "--untracked-files=all")
    return {line[3:] for line in status.splitlines()}


def by_hand(folder: Path, *generated: str) -> set[str]:
    """List the files of a copy that changed and are not generated."""
    return {name for name in changed(folder) if not name.startswith(generated)}


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy the checkout into a new repository."""
    folder = tmp_path_factory.mktemp("original")
    copy_repository(folder)
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "The checkout as it is")
    return folder


@pytest.fixture
def copy(original: Path, tmp_path: Path) -> Path:
    git(tmp_path, "clone", "--quiet", str(original), "copy")
    return tmp_path / "copy"


# -- The tasks --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Task:
    """One task.

    Attributes:
        edits: what is replaced in the file, each of which stands there once.
        question: a program, whose answer shows whether it is done.
        before, after: what it prints.
    """

    edits: Sequence[tuple[str, str]]
    question: str
    before: str
    after: str


def below(line: str, more: str) -> tuple[str, str]:
    return line, f"{line}\n{more}"


def above(line: str, more: str) -> tuple[str, str]:
    return line, f"{more}\n{line}"


TASKS = {
    "change a default": Task(
        [("x-sdk-default: 10 ", "x-sdk-default: 20 ")],
        """
from pathlib import Path
from segmind_sd3 import Client
steps = Client().prepare("sd35_turbo_txt2img", prompt="a lighthouse").body["steps"]
print(steps, f"sends {steps} unless given" in Path("docs/quirks.md").read_text("utf-8"))
""",
        before="10 True",
        after="20 True",
    ),
    "add an alias to a reply": Task(
        [
            below(
                "    update: { required: [images] }",
                """
  - target: $.components.schemas.Base64Reply.properties
    x-id: base64-reply-pictures
    x-grade: reported
    x-evidence: A program reads the pictures from a member named `pictures`.
    update:
      pictures: { type: array, items: { type: string, contentEncoding: base64 } }

  - target: $.components.schemas.Base64Reply.anyOf
    x-id: base64-reply-pictures-alone
    x-grade: reported
    x-evidence: The program that reads `pictures` looks for nothing else.
    update: { required: [pictures] }""",
            )
        ],
        """
import json
from proofs.fixtures.sockets import answering, reply, serving
from segmind_sd3 import Client, UnusableReply
from segmind_sd3_contract.oracle import Exchange, pictures_in
from segmind_sd3_contract.reference import ReferenceServer, example_request
server = ReferenceServer()
turbo = next(each for each in server.operations.values() if each.operation_id == "sd35_turbo_txt2img")
drawn = json.loads(server.answer(example_request(turbo, base64=True)).body)["image"]
body = json.dumps({"pictures": [drawn, drawn]}).encode()
with serving(answering(reply(200, body, content_type="application/json"))) as peer:
    try:
        came = len(Client(base_url=peer.url).sd35_turbo_txt2img(prompt="a lighthouse").images)
    except UnusableReply:
        came = 0
seen = Exchange("sd35_turbo_txt2img", {}, 200, {"content-type": "application/json"}, body)
print(came, len(pictures_in(seen)))
""",
        before="0 0",
        after="2 2",
    ),
    "add a status": Task(
        [
            above(
                "    Rule((429,), RateLimited, billed=False, retryable=True),",
                '    Rule((451,), NotFound, billed=False, advice="Choose another model."),',
            )
        ],
        """
from pathlib import Path
from proofs.fixtures.sockets import answering, reply, serving
from segmind_sd3 import APIError, Client
with serving(answering(reply(451, b'{"error": "withdrawn"}'))) as peer:
    try:
        Client(base_url=peer.url).sd35_turbo_txt2img(prompt="a lighthouse")
    except APIError as error:
        page = Path("docs/guides/errors-and-money.md").read_text("utf-8")
        print(type(error).__name__, error, "404, 410, 451" in page)
""",
        before="RequestRefused HTTP 451: withdrawn False",
        after="NotFound HTTP 451: withdrawn. Choose another model. True",
    ),
    "add a CLI option": Task(
        [
            below("    dry_run: bool = False", "    attempts: int | None = None"),
            above(
                "        return arguments",
                """\
        if self.attempts is not None:
            arguments["retry"] = Retry(attempts=self.attempts)""",
            ),
            above(
                '    click.Option(["--traceback"], is_flag=True, help="Show the traceback of an error."),',
                '    click.Option(["--attempts"], type=int, help="How often to try in all."),',
            ),
        ],
        """
from click.testing import CliRunner
from proofs.fixtures.sockets import answering, reply, serving
from segmind_sd3._cli import commands
with serving(answering(reply(429, b'{"error": "busy"}', retry_after="0"))) as peer:
    CliRunner().invoke(commands, ["credits", "--base-url", peer.url, "--attempts", "3"])
    print(len(peer.heads))
""",
        before="0",
        after="3",
    ),
    "price a model": Task(
        [("{ x-usd-per-picture: 0.00769 }", "{ x-usd-per-picture: 0.5 }")],
        """
import re
from click.testing import CliRunner
from segmind_sd3_contract.conformance.command import conformance
shown = CliRunner().invoke(conformance, ["--dry-run", "--only", "sd3_medium_tile::(call)::good"]).output
print(re.search(r"at the worst ([\\d.]+)", shown)[1])
""",
        before="0.00769",
        after="0.5000",
    ),
    "add a conformance case": Task(
        [
            below(
                "def good(endpoint: Endpoint) -> Iterator[Case]:",
                """\
    name, call = endpoint.operation, endpoint.call()
    yield Case(name, "(call)", "new-drawn", "A good call is drawn.", (call,), all_drawn)
    yield Case(name, "(call)", "new-refused", "A good call is refused.", (call,), all_refused)""",
            )
        ],
        """
import json
from click.testing import CliRunner
from pathlib import Path
from tempfile import mkdtemp
from segmind_sd3_contract.conformance.command import conformance
out = mkdtemp()
CliRunner().invoke(conformance, ["--only", "sd35_turbo_txt2img::(call)::*", "--out", out])
cases = json.loads(Path(out, "report.json").read_text("utf-8"))["outcomes"]
print(*(f"{case['id'].rpartition('::')[2]}={case['verdict']}" for case in cases if "::new-" in case["id"]))
""",
        before="",
        after="new-drawn=held new-refused=broken",
    ),
    "add a fault": Task(
        [
            above(
                "    # Sent, and no intelligible reply.",
                '    ("teapot", RequestRefused, False, 1, {"target": running(answering(reply(418)))}),',
            )
        ],
        """
from proofs.faults.rows import ROWS
from proofs.faults.table import summary
from proofs.faults.trials import run_trials
from proofs.fixtures.ways import WAYS
rows = [row for row in ROWS.values() if row.fault == "teapot"]
counts = summary(list(run_trials(rows, list(WAYS.values()))))
print(counts["trials"] > 10, counts["trials that deviate"])
""",
        before="False 0",
        after="True 0",
    ),
}


@pytest.mark.parametrize("task", TASKS)
def test_a_task_needs_an_edit_of_its_named_file_only(task: str, original: Path, copy: Path):
    asked = (sys.executable, "-c", TASKS[task].question)
    file = copy / FILES[task]
    text = file.read_text("utf-8")
    for old, new in TASKS[task].edits:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    file.write_text(text, "utf-8")

    make(copy, *COMMAND.split())

    assert by_hand(copy, *GENERATED) == {FILES[task]}
    assert run(original, *asked).strip() == TASKS[task].before
    assert run(copy, *asked).strip() == TASKS[task].after


def test_a_changed_page_changes_a_bound_in_its_spec_only(copy: Path, tmp_path: Path):
    slug, page = "stable-diffusion-3.5-turbo-txt2img", tmp_path / "page.txt"
    facts = json.loads((copy / f"openapi/facts/{slug}.json").read_text("utf-8"))
    # A page written from facts has invented prose, so the copy must record that page first.
    page.write_text(page_text(facts), "utf-8")
    make(copy, "regenerate", f"PAGES={page}", "YES=1")
    git(copy, "commit", "--quiet", "--all", "--message", "The page as it is")
    (scale,) = (each for each in facts["attributes"] if each["name"] == "guidance_scale")
    scale["max"] = "16"
    page.write_text(page_text(facts), "utf-8")

    make(copy, "regenerate", f"PAGES={page}", "YES=1")

    assert by_hand(copy, *GENERATED, "openapi/facts/") == {FILES["change a bound"].replace("<slug>", slug)}
    asked = """
from segmind_sd3 import Client, InvalidRequest
try:
    Client().prepare("sd35_turbo_txt2img", prompt="a lighthouse", guidance_scale=16.01)
except InvalidRequest as error:
    print(error, Client().prepare("sd35_turbo_txt2img", prompt="a lighthouse", guidance_scale=16).body)
"""
    assert "from 1 to 16" in run(copy, sys.executable, "-c", asked)
    run(copy, sys.executable, "-m", "pytest", "-q", "contract_tests/pipeline/test_specs.py", "-k", slug)
