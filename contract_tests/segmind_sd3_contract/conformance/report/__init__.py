"""The report of a run, for programs and for people, and a summary of it for the terminal.

    Run -> contents, curl, words -> as_json | har | junit | markdown | page | terminal

A report is made from a `Run` alone. Each file is written whole or not at all. The page loads nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from segmind_sd3._saving import write_whole

from segmind_sd3_contract.conformance.report import as_json, har, junit, markdown, page
from segmind_sd3_contract.conformance.report.as_json import Recorded, read
from segmind_sd3_contract.conformance.report.terminal import summary

if TYPE_CHECKING:
    from pathlib import Path

    from segmind_sd3_contract.conformance.results import Run

__all__ = ["Recorded", "read", "summary", "write"]


def write(run: Run, folder: Path) -> list[Path]:
    """Write all forms of the report into a folder, over those of an earlier run."""
    folder.mkdir(parents=True, exist_ok=True)
    written = {
        folder / "report.json": as_json.written(run),
        folder / "junit.xml": junit.written(run),
        folder / "report.har": har.written(run),
        folder / "summary.md": markdown.written(run),
        folder / "report.html": page.written(run),
    }
    for path, content in written.items():
        write_whole(content, path, overwrite=True)
    return list(written)
