"""`make regenerate` after a spec was edited by hand, and for a new page."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from proofs.pages.page_to_client import EDITS, run_edit
from segmind_sd3_pipeline.changes.regenerate import regenerate

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
FOLDERS = ("openapi", "generated_client", "wrapper", "contract_tests", "cassettes")
SPEC = "openapi/stable-diffusion-3.5-turbo-txt2img.yaml"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Copy the project into a new repository and commit it."""
    for name in FOLDERS:
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    for name in ("pyproject.toml", "CHANGELOG.md"):
        shutil.copy(ROOT / name, tmp_path)
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.com"]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "As it is"]):
        subprocess.run(["git", *identity, *words], cwd=tmp_path, check=True)
    return tmp_path


def edit(copy: Path, old: str, new: str) -> None:
    text = (copy / SPEC).read_text("utf-8")
    assert text.count(old) == 1
    (copy / SPEC).write_text(text.replace(old, new), "utf-8")


def run(copy: Path, *words: str) -> subprocess.CompletedProcess[str]:
    paths = os.pathsep.join(str(copy / name) for name in FOLDERS)
    return subprocess.run(
        [sys.executable, "-m", "segmind_sd3_pipeline.changes.regenerate", *words],
        cwd=copy,
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )


def test_an_edited_bound_is_generated_rated_tested_and_added_to_the_changelog(copy: Path):
    edit(copy, "maximum: 15\n", "maximum: 16\n")

    done = run(copy, "--write")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "additive  additive  `sd35_turbo_txt2img`, `guidance_scale`: maximum 15 -> 16." in done.stdout
    assert re.search(r"^[1-9]\d+ passed", done.stdout, re.MULTILINE)
    assert "maximum=16" in (copy / "generated_client/segmind_sd3_api/parameters.py").read_text("utf-8")
    assert "`guidance_scale`: maximum 15 -> 16." in (copy / "CHANGELOG.md").read_text("utf-8")


def test_an_edit_that_breaks_overlay_actions_fails_and_names_all_of_them(copy: Path):
    edit(copy, "minimum: 10\n          maximum: 70\n", "minimum: 4\n          maximum: 70\n")

    done = run(copy)

    assert done.returncode == 1
    assert "- turbo-steps-minimum-not-enforced (steps-default-below-minimum)\n" in done.stderr
    assert "- sdk-turbo-steps (steps-default-below-minimum)\n" in done.stderr
    changed = subprocess.run(
        ["git", "diff", "--name-only"],
        cwd=copy,
        check=True,
        capture_output=True,
        text=True,
    )
    assert changed.stdout.split() == [SPEC]


@pytest.mark.thorough
def test_without_a_change_no_test_runs(copy: Path):
    done = run(copy)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "Neither the wire contract nor the Python API has changed." in done.stdout
    assert " passed" not in done.stdout


def test_outside_a_checkout_the_exit_code_is_2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)

    done = CliRunner().invoke(regenerate, [])

    assert done.exit_code == 2
    assert "is no checkout" in done.output


@pytest.mark.thorough
def test_one_command_makes_a_tested_client_of_a_new_page():
    result = run_edit(EDITS["a whole new endpoint"])

    assert (result.problem, result.passed > 100) == ("", True)
