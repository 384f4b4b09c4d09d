"""Proof that a changed page is through in seconds: `python -m proofs.pages.through`.

For each kind of change, in a clone of this repository: the page is changed, the one command that
`make regenerate` stands for is given, and the new client is asked whether it knows. The clock runs until the
tests of what changed are green.
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

from segmind_sd3_pipeline.pages.writing import written

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from segmind_sd3_pipeline.pages.facts import Facts

ROOT: Final = Path(__file__).parents[3]
FOLDERS: Final = ("openapi", "wrapper", "generated_client", "contract_tests")
SLUG: Final = "stable-diffusion-3.5-turbo-txt2img"
OTHER_SLUG: Final = "sd3-med-img2img"
"""No overlay action speaks of what it requires."""
NEW_SLUG: Final = "stable-diffusion-4-large-txt2img"
COMMAND: Final = ("-m", "segmind_sd3_pipeline.changes.regenerate")
ENOUGH: Final = 10.0
"""Seconds."""

OPERATION: Final = "sd35_turbo_txt2img"
ASK: Final = """
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


def _optional(facts: Facts) -> None:
    new = {"name": "clip_skip", "type": "int", "default": "1", "min": "1", "max": "12", "description": ""}
    facts["attributes"].insert(4, new)
    facts["sample"]["values"]["clip_skip"] = 2


def _required(facts: Facts) -> None:
    facts["attributes"].insert(1, {"name": "style", "type": "str", "required": True, "description": ""})
    facts["sample"]["values"]["style"] = "photo"


def _removed(facts: Facts) -> None:
    facts["attributes"].remove(_attribute(facts, "image_quality"))
    del facts["sample"]["values"]["image_quality"]


def _raised(facts: Facts) -> None:
    _attribute(facts, "guidance_scale")["max"] = "20"


def _filled_in(facts: Facts) -> None:
    _attribute(facts, "sampler")["allowed_values"] = ["dpmpp_2m", "euler", "quite_new"]


def _endpoint(facts: Facts) -> None:
    facts |= {"slug": NEW_SLUG, "url": facts["url"].replace(SLUG, NEW_SLUG)}
    for name in ("steps", "sampler", "scheduler"):
        facts["attributes"].remove(_attribute(facts, name))
        del facts["sample"]["values"][name]


@dataclass(frozen=True, slots=True)
class Edit:
    """A change to a page, and what is true of the new client alone, in Python."""

    change: Callable[[Facts], None]
    is_known: str
    slug: str = SLUG


EDITS: Final[Mapping[str, Edit]] = {
    "a new optional parameter": Edit(
        _optional,
        "'from 1 to 12' in refused(prompt='a', clip_skip=13) and not refused(prompt='a', clip_skip=2)",
    ),
    "a new required one": Edit(
        _required,
        "'style' in refused('sd3_medium_img2img') "
        "and 'style' not in refused('sd3_medium_img2img', style='photo')",
        OTHER_SLUG,
    ),
    "a removed one": Edit(_removed, "'image_quality' in refused(prompt='a', image_quality=95)"),
    "a raised maximum": Edit(
        _raised,
        "not refused(prompt='a', guidance_scale=20) and '1 to 20' in Client.sd35_turbo_txt2img.__doc__",
    ),
    "a filled-in enum": Edit(
        _filled_in,
        "'quite_new' in refused(prompt='a', sampler='no-such') "
        "and not refused(prompt='a', sampler='quite_new')",
    ),
    "a whole new endpoint": Edit(
        _endpoint,
        "not refused('sd4_large_txt2img', prompt='a') and Client.sd4_large_txt2img and "
        "AsyncClient.sd4_large_txt2img",
    ),
}


@dataclass(frozen=True, slots=True)
class Through:
    """What came of one edit. `problem` is empty where all is well."""

    seconds: float
    passed: int
    problem: str


def through(edit: Edit) -> Through:
    """Bring one change through, in a clone of its own."""
    with TemporaryDirectory() as scratch:
        clone, page = Path(scratch, "clone"), Path(scratch, "page.txt")
        _clone(clone)
        kept = clone / "openapi" / "facts" / f"{edit.slug}.json"
        facts = json.loads(kept.read_text(encoding="utf-8"))
        # The page is written from facts, whose words are ours: the repository has to know it so first. That
        # compiles Python's files, too, as in any checkout that is in use.
        page.write_text(written(facts), encoding="utf-8")
        _run(clone, *COMMAND, str(page), "--yes")
        _git(clone, "commit", "--quiet", "--all", "--message", "The page as it is")
        changed = deepcopy(facts)
        edit.change(changed)
        page.write_text(written(changed), encoding="utf-8")
        began = time.monotonic()
        done = _run(clone, *COMMAND, str(page), "--yes")
        seconds = time.monotonic() - began
        passed = re.search(r"^(\d+) passed", done.stdout, re.MULTILINE)
        asked = _run(clone, "-c", f"{ASK.format(operation=OPERATION)}\nassert {edit.is_known}")
    problem = next((each.stdout + each.stderr for each in (done, asked) if each.returncode), "")
    return Through(seconds, int(passed[1]) if passed else 0, problem)


def _clone(folder: Path) -> None:
    """Copy the repository as it was last committed."""
    subprocess.run(["git", "clone", "--quiet", ROOT, folder], check=True)  # noqa: S603, S607 - git, and no shell
    _git(folder, "config", "user.name", "proof")
    _git(folder, "config", "user.email", "proof@localhost")


def _git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", "-C", folder, *arguments], check=True)  # noqa: S603, S607 - as above


def _run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
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
    parser = argparse.ArgumentParser(description="Change a page: how long until a tested client knows?")
    parser.add_argument("only", nargs="*", metavar="EDIT", help=f"of: {'; '.join(EDITS)}")
    chosen = parser.parse_args(arguments).only or EDITS
    failed = False
    for name in chosen:
        came = through(EDITS[name])
        is_slow = came.seconds > ENOUGH
        failed = failed or is_slow or bool(came.problem) or not came.passed
        mark = "FAILED" if came.problem or not came.passed else "too slow" if is_slow else "through"
        say(f"{name:<26} {mark:<8} {came.seconds:5.1f} s {came.passed:4} tests")
        if came.problem:
            say(came.problem)
    return int(failed)


def say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
