"""Where the parts write: the pages of the site, between marks, and its pictures."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

ROOT: Final = Path(__file__).parents[3]
DOCS: Final = ROOT / "docs"
PICTURES: Final = DOCS / "pictures"


def write_between_marks(page: Path, name: str, content: str) -> None:
    """Replace what stands between a page's two marks of that name.

    Raises:
        SystemExit: The page does not have one such place.
    """
    marks = rf"(<!-- {name}: [^\n]*-->\n).*?(<!-- end of {name} -->)"
    text, count = re.subn(
        marks, lambda match: f"{match[1]}\n{content}\n\n{match[2]}", page.read_text("utf-8"), flags=re.DOTALL
    )
    if count != 1:
        raise SystemExit(f"{page} has {count} places for {name}; it needs one.")
    page.write_text(text, "utf-8")


def write_picture(name: str, content: str | bytes) -> None:
    PICTURES.mkdir(exist_ok=True)
    (PICTURES / name).write_bytes(content.encode() if isinstance(content, str) else content)


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        "| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines
    )


def result_of(file: str, *command: str, printed: bool = False) -> tuple[Any, str]:
    """Read a proof's result in `out/`, and its day. Where there is none, run the proof first."""
    path = ROOT / "out" / file
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        print(f"{path.relative_to(ROOT)} is missing: python -m {' '.join(command)}", flush=True)
        done = subprocess.run(  # noqa: S603 - no shell
            [sys.executable, "-m", *command],
            cwd=ROOT,
            check=False,
            stdout=subprocess.PIPE if printed else None,
        )
        if printed:
            path.write_bytes(done.stdout)
    day = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    return json.loads(path.read_text("utf-8")), f"{day:%Y-%m-%d}"
