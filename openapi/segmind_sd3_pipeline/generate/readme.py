"""The tables of the README, printed from the code: `make generate` writes them, `make check` compares."""

from __future__ import annotations

import argparse
import inspect
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import segmind_sd3._errors as errors
from segmind_sd3_contract.cassettes import sources
from segmind_sd3_contract.quirks import quirks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

README: Final = Path("README.md")


def quirk_table() -> str:
    recorded = sources()
    rows = (
        (
            f"`{row.name}`",
            row.documented or "nothing",
            observed(row.observed, row.grade),
            row.sdk,
            ", ".join(sorted(recorded.get(row.name, ()))) or "—",
        )
        for row in quirks().values()
    )
    return table(("quirk", "the page says", "seen (how surely)", "what the SDK does", "recorded from"), rows)


def observed(what: str, grade: str) -> str:
    return f"{what} ({grade})" if what else "—"


def error_table() -> str:
    found = [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.SegmindError)
    ]
    listed = [kind for kind in found if kind not in (errors.SegmindError, errors.APIError)]
    rows = (row for kind in listed for row in error_rows(kind))
    return table(("error", "statuses", "billed", "tried again", "what happened, and what to do"), rows)


def error_rows(kind: type[errors.SegmindError]) -> Iterator[tuple[str, ...]]:
    """Give a row for an error, or one for each of its rules where they differ."""
    rules = [rule for rule in errors.RULES if rule.error is kind]
    meanings = dict.fromkeys((rule.billed, rule.retryable) for rule in rules)
    for billed, retryable in meanings or {(kind.billed, kind.retryable): None}:
        own = [
            status
            for rule in rules
            if (rule.billed, rule.retryable) == (billed, retryable)
            for status in rule.statuses
        ]
        again = {True: "yes", False: "no", None: "with `Retry(unknown=True)`"}[retryable]
        yield f"`{kind.__name__}`", statuses(own), f"`{billed}`", again, first_paragraph(kind)


def statuses(own: Iterable[int]) -> str:
    named = {status // 100 for rule in errors.RULES for status in rule.statuses}
    texts = [f"{'other ' if each in named else ''}{each}xx" if each < 10 else str(each) for each in own]
    return ", ".join(sorted(texts, key=lambda text: (not text.isdecimal(), text))) or "—"


def first_paragraph(kind: type) -> str:
    return " ".join((inspect.getdoc(kind) or "").split("\n\n")[0].split())


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


TABLES: Final[Mapping[str, Callable[[], str]]] = {"quirks": quirk_table, "errors": error_table}


def printed(text: str) -> str:
    """Give a README with each table between its two marks printed anew."""
    for name, made in TABLES.items():
        marks = rf"(<!-- {name}: printed by make generate -->\n).*?(<!-- end of {name} -->)"
        content = made()
        text, count = re.subn(
            marks, lambda match, new=content: f"{match[1]}{new}\n{match[2]}", text, flags=re.DOTALL
        )
        if count != 1:
            raise SystemExit(f"{README} has {count} places for the table of {name}; it needs one")
    return text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="write nothing; fail when a table is not the code's"
    )
    check = parser.parse_args().check
    old = README.read_text(encoding="utf-8")
    new = printed(old)
    if check and old != new:
        sys.exit(f"{README} is not what the code prints: run make generate")
    README.write_text(new, encoding="utf-8")


if __name__ == "__main__":
    main()
