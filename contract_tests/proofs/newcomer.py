"""Follow the site's first page in its order, and compare each step's seconds with what the page says.

`python -m proofs.newcomer`: the exit code is 1 where a step takes longer than the page says. Installing is
left out: it depends on the network.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.table import Table

from proofs.fixtures.blocks import DOCS, RUN, blocks_of, run_blocks, without

PAGE = DOCS / "index.md"


def main() -> int:
    text = PAGE.read_text("utf-8")
    blocks = [without(each, ["pip install"]) for each in blocks_of(PAGE) if each.kind in RUN or each.title]
    env = {name: value for name, value in os.environ.items() if not name.startswith("SEGMIND")}
    with TemporaryDirectory() as folder:
        results = run_blocks(blocks, Path(folder), env)
        pictures = len(list(Path(folder).rglob("*.jpg")))
    taken: dict[str, float] = {}
    lines = text.splitlines()
    for block, result in zip(blocks, results, strict=True):
        before = lines[: int(block.where.rpartition(":")[2])]
        title = next(line[3:] for line in reversed(before) if line.startswith("## "))
        taken[title] = taken.get(title, 0) + result["seconds"]
    said = {
        title: int(number)
        for title, number in re.findall(r"^## (.+)\n\n\*(\d+) seconds\.\*", text, re.MULTILINE)
    }
    table = Table("step", "seconds", "the page says")
    for title, seconds in taken.items():
        if title in said:
            table.add_row(
                title, f"{seconds:.1f}", str(said[title]), style="red" if seconds > said[title] else None
            )
    console = Console()
    console.print(table)
    console.print(f"{pictures} pictures are on disk.")
    return any(taken[title] > most for title, most in said.items())


if __name__ == "__main__":
    sys.exit(main())
