"""`make prove WHAT=redocly`: our rating of each edit beside that of `redocly diff`, an extra opinion that needs Node.

Law: they agree on what is breaking, or the edit says that they don't and why. Any other answer fails.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

import click
from segmind_sd3_contract.oracle import carried
from segmind_sd3_pipeline.changes.edits import EDITS

if TYPE_CHECKING:
    from segmind_sd3_pipeline.changes.edits import Edit

REDOCLY: Final = "@redocly/cli@2.77.0"
DONE_AT_ONCE: Final = 2


def bump(edit: Edit, folder: Path) -> str:
    """Ask redocly what bump an edit needs."""
    before = carried("documented")
    after = deepcopy(before)
    edit.make(after)
    files = [folder / "before.json", folder / "after.json"]
    for file, bundle in zip(files, (before, after), strict=True):
        file.write_text(json.dumps(bundle), encoding="utf-8")
    done = subprocess.run(  # noqa: S603 - no shell
        ["npx", "--yes", REDOCLY, "diff", *map(str, files), "--format", "json", "--fail-on", "none"],  # noqa: S607 - the npx of the path
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"redocly says: {done.stderr.strip()[-500:]}")
    return json.loads(done.stdout)["bump"]


def main() -> int:
    """Print the table, and count what is not as told."""
    if not shutil.which("npx"):
        click.echo("Skipped: npx is not installed, and redocly runs by it.")
        return 0
    with TemporaryDirectory() as scratch, ThreadPoolExecutor(DONE_AT_ONCE) as pool:
        folders = [Path(scratch, str(number)) for number in range(len(EDITS))]
        for folder in folders:
            folder.mkdir()
        bumps = list(pool.map(bump, EDITS.values(), folders))
    wrong = 0
    click.echo(f"{'edit':36}{'our rating':12}{'redocly':9}")
    for (name, edit), said in zip(EDITS.items(), bumps, strict=True):
        is_told = said == edit.redocly if edit.redocly else (said == "major") == (edit.wire == "breaking")
        wrong += not is_told
        note = "" if is_told and not edit.redocly else edit.why if is_told else "NOT AS TOLD"
        click.echo(f"{name:36}{edit.wire:12}{said:9}{note}".rstrip())
    others = sum(edit.redocly is not None for edit in EDITS.values())
    click.echo(f"{len(EDITS)} edits, {others} of them rated otherwise as told, {wrong} not as told.")
    return min(wrong, 1)


if __name__ == "__main__":
    sys.exit(main())
