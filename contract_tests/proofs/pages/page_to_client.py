"""Prove that a changed page becomes a tested client within seconds: `python -m proofs.pages.page_to_client`.

For each kind of change, the proof clones this repository, changes the page and runs the command behind
`make regenerate`. It times the command, which ends with the tests of what changed. Then the new client must
show the change.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

from segmind_sd3_pipeline.pages.page_writer import page_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from segmind_sd3_pipeline.pages.facts import Facts

ROOT: Final = Path(__file__).parents[3]
FOLDERS: Final = ("openapi", "wrapper", "generated_client", "contract_tests")
SLUG: Final = "stable-diffusion-3.5-turbo-txt2img"
OTHER_SLUG: Final = "sd3-med-img2img"
"""No overlay action concerns this endpoint's required parameters."""
NEW_SLUG: Final = "stable-diffusion-4-large-txt2img"
COMMAND: Final = ("-m", "segmind_sd3_pipeline.changes.regenerate")
PASSED: Final = re.compile(r"^(\d+) passed", re.MULTILINE)
MAX_SECONDS: Final = 10.0
"""Seconds."""

OPERATION: Final = "sd35_turbo_txt2img"
CLIENT_CODE: Final = """
from segmind_sd3 import AsyncClient, Client, InvalidRequest
from segmind_sd3_api.parameters import OPERATIONS
client = Client("SG_0123456789abcdef")
def refused(operation="{operation}", **params):
    try:
        client.prepare(operation, **params)
    except InvalidRequest as error:
        return str(error)
    return ""
"""


def _attribute(facts: Facts, name: str) -> dict[str, Any]:
    return next(each for each in facts["attributes"] if each["name"] == name)


def _add_optional(facts: Facts) -> None:
    new = {"name": "clip_skip", "type": "int", "default": "1", "min": "1", "max": "12", "description": ""}
    facts["attributes"].insert(4, new)
    facts["sample"]["values"]["clip_skip"] = 2


def _add_required(facts: Facts) -> None:
    facts["attributes"].insert(1, {"name": "style", "type": "str", "required": True, "description": ""})
    facts["sample"]["values"]["style"] = "photo"


def _remove_parameter(facts: Facts) -> None:
    facts["attributes"].remove(_attribute(facts, "image_quality"))
    del facts["sample"]["values"]["image_quality"]


def _raise_maximum(facts: Facts) -> None:
    _attribute(facts, "guidance_scale")["max"] = "20"


def _list_values(facts: Facts) -> None:
    _attribute(facts, "sampler")["allowed_values"] = ["dpmpp_2m", "euler", "quite_new"]


def _add_endpoint(facts: Facts) -> None:
    facts |= {"slug": NEW_SLUG, "url": facts["url"].replace(SLUG, NEW_SLUG)}
    for name in ("steps", "sampler", "scheduler"):
        facts["attributes"].remove(_attribute(facts, name))
        del facts["sample"]["values"][name]


@dataclass(frozen=True, slots=True)
class Edit:
    """A change to a page, and a Python expression that is true of the new client only."""

    change: Callable[[Facts], None]
    assertion: str
    slug: str = SLUG


EDITS: Final[Mapping[str, Edit]] = {
    "a new optional parameter": Edit(
        _add_optional,
        "'from 1 to 12' in refused(prompt='a', clip_skip=13) and not refused(prompt='a', clip_skip=2)",
    ),
    "a new required one": Edit(
        _add_required,
        "'style' in refused('sd3_medium_img2img') "
        "and 'style' not in refused('sd3_medium_img2img', style='photo')",
        OTHER_SLUG,
    ),
    "a removed one": Edit(_remove_parameter, "'image_quality' in refused(prompt='a', image_quality=95)"),
    "a raised maximum": Edit(
        _raise_maximum,
        "not refused(prompt='a', guidance_scale=20) and '1 to 20' in Client.sd35_turbo_txt2img.__doc__",
    ),
    "a filled-in enum": Edit(
        _list_values,
        "'quite_new' in refused(prompt='a', sampler='no-such') "
        "and not refused(prompt='a', sampler='quite_new')",
    ),
    "a whole new endpoint": Edit(
        _add_endpoint,
        "not refused('sd4_large_txt2img', prompt='a') and Client.sd4_large_txt2img and "
        "AsyncClient.sd4_large_txt2img",
    ),
}


@dataclass(frozen=True, slots=True)
class Result:
    """The result of one edit. `problem` is empty on success."""

    seconds: float
    passed: int
    problem: str


def run_edit(edit: Edit) -> Result:
    """Run the command for one change of a page, in a new clone."""
    with TemporaryDirectory() as scratch:
        clone, page = Path(scratch, "clone"), Path(scratch, "page.txt")
        clone_to(clone)
        recorded = clone / "openapi" / "facts" / f"{edit.slug}.json"
        facts = json.loads(recorded.read_text(encoding="utf-8"))
        # A page written from facts has invented prose, so the clone must record that page first. This also
        # compiles the Python files, as in any checkout in use.
        page.write_text(page_text(facts), encoding="utf-8")
        run_in(clone, *COMMAND, str(page), "--yes")
        _git(clone, "commit", "--quiet", "--all", "--message", "The page as it is")
        changed = deepcopy(facts)
        edit.change(changed)
        page.write_text(page_text(changed), encoding="utf-8")
        began = time.monotonic()
        done = run_in(clone, *COMMAND, str(page), "--yes")
        seconds = time.monotonic() - began
        passed = PASSED.search(done.stdout)
        checked = run_in(clone, "-c", f"{CLIENT_CODE.format(operation=OPERATION)}\nassert {edit.assertion}")
    problem = next((each.stdout + each.stderr for each in (done, checked) if each.returncode), "")
    return Result(seconds, int(passed[1]) if passed else 0, problem)


def clone_to(folder: Path) -> None:
    """Copy the repository as it was last committed."""
    subprocess.run(["git", "clone", "--quiet", ROOT, folder], check=True)  # noqa: S603, S607 - git, and no shell
    _git(folder, "config", "user.name", "proof")
    _git(folder, "config", "user.email", "proof@localhost")


def _git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", "-C", folder, *arguments], check=True)  # noqa: S603, S607 - as above


def run_in(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    paths = os.pathsep.join(str(folder / name) for name in FOLDERS)
    return subprocess.run(  # noqa: S603 - the project's own commands
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": paths, "COLUMNS": "120"},
        capture_output=True,
        text=True,
        check=False,
    )


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description="Change a page and time the command that makes a tested client."
    )
    parser.add_argument("only", nargs="*", metavar="EDIT", help=f"of: {'; '.join(EDITS)}")
    chosen = parser.parse_args(arguments).only or EDITS
    failed = False
    for name in chosen:
        result = run_edit(EDITS[name])
        is_slow = result.seconds > MAX_SECONDS
        failed = failed or is_slow or bool(result.problem) or not result.passed
        mark = "FAILED" if result.problem or not result.passed else "too slow" if is_slow else "passed"
        print(f"{name:<26} {mark:<8} {result.seconds:5.1f} s {result.passed:4} tests", flush=True)
        if result.problem:
            print(result.problem, flush=True)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
