"""Compare our rating of each class of changes with redocly's and oasdiff's: `make prove WHAT=opinions`.

The table of classes gives the expected rating, and the reason wherever another program is known to disagree
on whether a change is breaking. Any other answer is unexpected. A program that is not installed is left out.
The comparison is written to `out/opinions.md` and `out/opinions.json`.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

import click
from segmind_sd3_pipeline.changes.effects import worst_of
from segmind_sd3_pipeline.changes.rating import rate_changes

from proofs.opinions.classes import ChangeClass, read_classes
from proofs.opinions.programs import find_programs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from proofs.opinions.programs import Program

WORKERS: Final = 2
OUT: Final = Path("out")
PROGRAMS: Final = ("redocly", "oasdiff")


@dataclass(frozen=True, slots=True)
class Row:
    """A class with our rating and the other programs' answers."""

    each: ChangeClass
    ours: str
    answers: Mapping[str, str]
    disagrees: Mapping[str, bool]

    def surprises(self) -> Iterator[tuple[str, str]]:
        """Yield whose answer is not as the table of classes has it, and the answer."""
        if self.ours != self.each.expected:
            yield "ours", f"{self.each.name}: rated {self.ours}, expected {self.each.expected}"
        for program, disagrees in self.disagrees.items():
            if disagrees != (program in self.each.others):
                verb = "disagrees" if disagrees else "agrees"
                yield program, f"{self.each.name}: {program} {verb} ({self.answers[program]})"


def compare(each: ChangeClass, programs: Mapping[str, Program]) -> Row:
    """Rate a class, and ask each program about it."""
    changes = rate_changes(each.before, each.after)
    ours = worst_of(change.wire for change in changes) if changes else "same"
    with TemporaryDirectory() as scratch:
        files = [Path(scratch, "before.json"), Path(scratch, "after.json")]
        for file, bundle in zip(files, (each.before, each.after), strict=True):
            file.write_text(json.dumps(bundle), encoding="utf-8")
        answers = {name: program.answer(*files) for name, program in programs.items()}
    disagrees = {
        # Unknown asks a person to look, which contradicts nobody.
        name: ours != "unknown" and (answer in programs[name].breaking) != (ours == "breaking")
        for name, answer in answers.items()
    }
    return Row(each, ours, answers, disagrees)


def format_table(rows: Sequence[Row], programs: Mapping[str, Program]) -> str:
    """Return the comparison as a Markdown table, those with a disagreement first."""
    names = [f"{name} {program.version}" for name, program in programs.items()]
    lines = [f"| change | ours | {' | '.join([*names, 'reason'])} |", f"|{' --- |' * (len(names) + 3)}"]
    for row in sorted(rows, key=lambda row: not any(row.disagrees.values())):
        others = [
            f"**{row.answers[name]}**" if row.disagrees[name] else row.answers[name] for name in programs
        ]
        reasons = [
            row.each.why,
            *(f"{name}: {row.each.others.get(name, '?')}" for name in programs if row.disagrees[name]),
        ]
        lines.append(f"| {' | '.join([row.each.name, row.ours, *others, ' '.join(reasons)])} |")
    return "\n".join(lines) + "\n"


def summarize(rows: Sequence[Row], programs: Mapping[str, Program]) -> Iterator[str]:
    """Yield the figures."""
    counts = Counter(row.each.expected for row in rows)
    yield f"{len(rows)} classes: {', '.join(f'{number} {word}' for word, number in counts.most_common())}."
    breaking = [row for row in rows if row.each.expected == "breaking"]
    others = [row for row in rows if row.each.expected not in ("breaking", "unknown")]
    missed, cried = (
        sum(row.ours != "breaking" for row in breaking),
        sum(row.ours == "breaking" for row in others),
    )
    yield (
        f"ours: {missed} of {len(breaking)} breaking missed, {cried} of {len(others)} others called breaking."
    )
    for name in programs:
        missed, cried = (sum(row.disagrees[name] for row in each) for each in (breaking, others))
        yield (
            f"{name}: {missed} of {len(breaking)} breaking missed, "
            f"{cried} of {len(others)} others called breaking."
        )


def main() -> int:
    """Print the figures and what is unexpected. Return 1 if anything is."""
    programs = find_programs()
    for name in PROGRAMS:
        if name not in programs:
            click.echo(f"{name} is not installed here, and is left out.")
    with ThreadPoolExecutor(WORKERS) as pool:
        rows = list(pool.map(compare, read_classes(), repeat(programs)))
    OUT.mkdir(exist_ok=True)
    (OUT / "opinions.md").write_text(format_table(rows, programs), encoding="utf-8")
    report = [
        {
            "change": row.each.name,
            "ours": row.ours,
            "why": row.each.why,
            **row.answers,
            "others": dict(row.each.others),
        }
        for row in rows
    ]
    (OUT / "opinions.json").write_text(json.dumps(report, indent=2), encoding="utf-8")
    for line in summarize(rows, programs):
        click.echo(line)
    surprises = [surprise for row in rows for surprise in row.surprises()]
    for _, text in surprises:
        click.echo(f"UNEXPECTED {text}")
    click.echo(f"{len(surprises)} unexpected. The table is in {OUT}/opinions.md.")
    # A program that is not pinned may have learned something.
    return int(any(name == "ours" or programs[name].is_pinned for name, _ in surprises))


if __name__ == "__main__":
    sys.exit(main())
