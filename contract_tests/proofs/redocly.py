"""Compare our rating of each edit with that of `redocly diff`, which needs Node: `make prove WHAT=redocly`.

The two must agree on what is breaking, unless the edit states redocly's answer and the reason.
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
WORKERS: Final = 2


def redocly_bump(edit: Edit, folder: Path) -> str:
    """Return the version bump that redocly suggests for an edit."""
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
        raise SystemExit(f"redocly failed: {done.stderr.strip()[-500:]}")
    return json.loads(done.stdout)["bump"]


def main() -> int:
    """Print the table. Return 1 if an answer is not as expected."""
    if not shutil.which("npx"):
        click.echo("Skipped: npx, which runs redocly, is not installed.")
        return 0
    with TemporaryDirectory() as scratch, ThreadPoolExecutor(WORKERS) as pool:
        folders = [Path(scratch, str(number)) for number in range(len(EDITS))]
        for folder in folders:
            folder.mkdir()
        bumps = list(pool.map(redocly_bump, EDITS.values(), folders))
    unexpected = 0
    click.echo(f"{'edit':36}{'our rating':12}{'redocly':9}")
    for (name, edit), answer in zip(EDITS.items(), bumps, strict=True):
        is_expected = (
            answer == edit.redocly if edit.redocly else (answer == "major") == (edit.wire == "breaking")
        )
        unexpected += not is_expected
        note = edit.why if is_expected else "UNEXPECTED"
        click.echo(f"{name:36}{edit.wire:12}{answer:9}{note}".rstrip())
    others = sum(edit.redocly is not None for edit in EDITS.values())
    click.echo(f"{len(EDITS)} edits, {others} with another rating as expected, {unexpected} unexpected.")
    return min(unexpected, 1)


if __name__ == "__main__":
    sys.exit(main())
