"""Each example runs as a reader runs it, in a process of its own, against a reference server."""

from __future__ import annotations

import ast
import io
import json
import os
import re
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import PIL.Image
import pytest
from segmind_sd3_contract.reference import MADE_UP_KEY, ReferenceServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Run = Callable[..., str]

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"


@dataclass(frozen=True)
class Program:
    """A program, what it prints and writes, and how often it calls the server.

    Attributes:
        name: of its file, without suffix.
        printed: a pattern of the whole of what it prints.
        files: what is in its folder afterwards.
        statuses: how the server answered, call by call.
    """

    name: str
    printed: str
    files: set[str]
    statuses: list[int]

    def __str__(self) -> str:
        return self.name


COST = r"\$0\.0035"
PROGRAMS = [
    Program("first_picture", rf"panda\.jpg: seed \d+, {COST}, \$9\.9965 left\n", {"panda.jpg"}, [200]),
    Program(
        "async_gather",
        "".join(rf"{season}: {season}\.jpg, {COST}\n" for season in ("spring", "summer", "autumn", "winter")),
        {"spring.jpg", "summer.jpg", "autumn.jpg", "winter.jpg"},
        [200] * 4,
    ),
    Program("image_from_pil", r"mountain\.jpg: 768x512, JPEG\n", {"mountain.jpg"}, [200]),
    Program(
        "chaining",
        rf"1024x1024, {COST}\n1024x1024, \$0\.00758\n1024x1024, \$0\.00769\n",
        {"draft.jpg", "painting.jpg", "poster.jpg"},
        [200] * 3,
    ),
    Program(
        "adding_up_cost",
        "".join(rf"fox-{number}\.jpg: {COST}\n" for number in (1, 2, 3))
        + r"The limit of \$0\.012 comes before picture 4\.\nspent: \$0\.0105\n",
        {"fox-1.jpg", "fox-2.jpg", "fox-3.jpg"},
        [200] * 3,
    ),
    Program(
        "errors_and_billed",
        r"InvalidRequest False width: .*\nRequestRefused False .*\nAuthenticationError False .*\ndrawn\n",
        {"owl.jpg"},
        [400, 401, 200],
    ),
    Program(
        "custom_transport",
        r"GET /v1/get-user-credits 200\nPOST /v1/stable-diffusion-3\.5-turbo-txt2img 200\n",
        {"train.jpg"},
        [200, 200],
    ),
    Program("generated_client", r"panda\.jpg 0\.0035 9\.9965\n", {"panda.jpg"}, [200]),
]
OTHERS = {"fastapi_endpoint", "pytest_fixture", "notebook", "sweep"}
"""The examples that are no programs by themselves: each is started by a tool."""


@pytest.fixture
def server() -> ReferenceServer:
    return ReferenceServer(keys=[MADE_UP_KEY])


@pytest.fixture
def env(server: ReferenceServer) -> Iterator[dict[str, str]]:
    """Return the variables of a process in which that server is the target."""
    with server.listening() as url:
        yield os.environ | {"SEGMIND_BASE_URL": url, "SEGMIND_API_KEY": MADE_UP_KEY}


@pytest.fixture
def python(env: dict[str, str], tmp_path: Path) -> Run:
    """Run Python in an empty folder, to its good end, and return all that it prints."""

    def python(*words: str | Path) -> str:
        done = subprocess.run(
            [sys.executable, *words],
            cwd=tmp_path,
            env=env,
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    return python


def statuses(server: ReferenceServer) -> list[int | None]:
    return [entry.status for entry in server.ledger]


# -- Programs ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("program", PROGRAMS, ids=str)
def test_a_program_prints_writes_and_pays_for_what_it_shows(
    program: Program, python: Run, server: ReferenceServer, tmp_path: Path
):
    printed = python(EXAMPLES / f"{program.name}.py")

    assert re.fullmatch(program.printed, printed), printed
    assert {file.name for file in tmp_path.iterdir()} == program.files
    assert statuses(server) == program.statuses


def test_the_loop_that_adds_up_its_cost_pays_for_no_picture_twice(python: Run, server: ReferenceServer):
    printed = [python(EXAMPLES / "adding_up_cost.py") for _ in range(3)]

    assert printed[2] == "spent: $0.0000\n"
    assert statuses(server) == [200] * 5


def test_pictures_that_are_drawn_at_once_survive_the_failure_of_one(
    python: Run, server: ReferenceServer, tmp_path: Path
):
    server.fail_next(400, "no such season")

    printed = python(EXAMPLES / "async_gather.py")

    assert Counter(statuses(server)) == {200: 3, 400: 1}
    assert printed.count("no such season") == 1
    assert len(list(tmp_path.iterdir())) == 3


def test_what_came_of_a_call_that_may_be_paid_for_is_saved(
    python: Run, server: ReferenceServer, tmp_path: Path
):
    server.provoke("error-in-200")

    printed = python(EXAMPLES / "errors_and_billed.py")

    assert re.search(r"^UnusableReply (True|None) .*\nWhat came is in owl-reply", printed, re.MULTILINE)
    assert len(list(tmp_path.glob("owl-reply*"))) == 1


# -- Examples that a tool runs ----------------------------------------------------------------------------


@pytest.mark.slow
def test_the_tests_with_the_fixtures_pass(python: Run):
    path = EXAMPLES / "pytest_fixture.py"

    printed = python(
        "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "segmind_sd3_contract.pytest_plugin", path
    )

    assert "2 passed" in printed


@pytest.fixture
def web_service(env: dict[str, str], tmp_path: Path) -> Iterator[str]:
    """Run the web service as its docstring says, on a port that is free, and return its address."""
    command = (sys.executable, "-m", "uvicorn", "--app-dir", EXAMPLES, "fastapi_endpoint:app", "--port", "0")
    with subprocess.Popen(command, cwd=tmp_path, env=env, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        lines = iter(process.stderr.readline, "")
        try:
            yield next(found[0] for line in lines if (found := re.search(r"http://[\d.:]+", line)))
        finally:
            process.terminate()
            process.communicate(timeout=60)


def test_the_web_service_answers_with_the_picture(web_service: str, server: ReferenceServer):
    reply = httpx.post(f"{web_service}/pictures", json={"prompt": "a panda"}, timeout=60)

    assert reply.headers["content-type"] == "image/jpeg"
    assert PIL.Image.open(io.BytesIO(reply.content)).size == (1024, 1024)
    assert statuses(server) == [200]


def test_the_web_service_says_why_it_could_not_draw_and_whether_that_was_billed(
    web_service: str, server: ReferenceServer
):
    server.fail_next(402, "no credits")

    reply = httpx.post(f"{web_service}/pictures", json={"prompt": "a panda"}, timeout=60)

    assert reply.status_code == 502
    assert reply.json()["billed"] is False
    assert "no credits" in reply.json()["error"]


@pytest.mark.slow
def test_the_notebook_shows_its_pictures_and_what_they_cost(
    python: Run, env: dict[str, str], server: ReferenceServer, tmp_path: Path
):
    """Jupyter runs it, with a kernel of its own, and writes what each cell shows."""
    env["HOME"] = str(tmp_path)  # the kernel keeps its history there
    notebook = tmp_path / "notebook.ipynb"
    notebook.write_bytes((EXAMPLES / "notebook.ipynb").read_bytes())

    python("-m", "jupyter", "execute", "--inplace", notebook)

    shown = shown_by(notebook)
    assert [len(re.findall("<img", each.get("text/html", ""))) for each in shown] == [0, 1, 3, 1, 0, 0]
    assert "SentRequest(operation='sd35_turbo_txt2img'" in shown[4]["text/plain"]
    assert shown[5]["text/plain"] == f"'${10 - server.credits:.4f}'"
    assert (tmp_path / "panda.jpg").exists()
    assert statuses(server) == [200] * 4  # the balance, and three calls that draw


@pytest.mark.slow
def test_the_sweep_shows_a_sheet_of_nine_pictures_and_pays_for_each_once(
    python: Run, env: dict[str, str], server: ReferenceServer, tmp_path: Path
):
    env["HOME"] = str(tmp_path)
    notebook = tmp_path / "sweep.ipynb"
    notebook.write_bytes((EXAMPLES / "sweep.ipynb").read_bytes())

    for _ in range(2):
        python("-m", "jupyter", "execute", "--inplace", notebook)

    assert sum("image/png" in output.get("data", {}) for output in outputs_of(notebook)) == 1
    assert [entry.status for entry in server.ledger if entry.cost] == [200] * 9


def outputs_of(notebook: Path) -> list[dict[str, Any]]:
    return [output for cell in code_of(notebook) for output in cell["outputs"]]


def shown_by(notebook: Path) -> list[dict[str, str]]:
    """Return the values of a notebook's cells, each by media type."""
    found = (output["data"] for output in outputs_of(notebook))
    return [{kind: "".join(lines) for kind, lines in data.items()} for data in found]


def code_of(notebook: Path) -> list[dict[str, Any]]:
    cells = json.loads(notebook.read_text("utf-8"))["cells"]
    return [cell for cell in cells if cell["cell_type"] == "code"]


@pytest.mark.parametrize("name", ["notebook", "sweep"])
def test_a_notebook_is_kept_without_what_a_run_left_in_it(name: str):
    left = [(cell["outputs"], cell["execution_count"]) for cell in code_of(EXAMPLES / f"{name}.ipynb")]

    assert left == [([], None)] * len(left)


# -- What all have in common ------------------------------------------------------------------------------


def test_each_example_is_run_here():
    found = {file.stem for file in EXAMPLES.iterdir() if file.suffix in (".py", ".ipynb")}
    assert found == {program.name for program in PROGRAMS} | OTHERS


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_an_example_is_short_and_begins_with_one_line_that_says_what_it_shows(path: Path):
    text = path.read_text("utf-8")

    assert len(text.splitlines()) <= 32
    assert (ast.get_docstring(ast.parse(text)) or "").count("\n") == 0
    assert re.match(r'"""[A-Z]', text)
