"""Check the words of the pages: `python -m proofs.prose`, a part of `make check`. Code is left out."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGES: Final = (
    "README.md",
    "ARCHITECTURE.md",
    "CONTRIBUTING.md",
    "RELEASING.md",
    "SECURITY.md",
    "docs/**/*.md",
)
CODE: Final = re.compile(r"^```.*?^```$|`[^`\n]*`|<!--.*?-->|\]\([^)]*\)", re.MULTILINE | re.DOTALL)
MOST_WORDS: Final = 45
"""How many words a sentence may have."""

BETTER: Final = {
    "told(?! apart)": "said, given, or shown",
    "tells apart": "distinguishes",
    "blot": "redact",
    "brought": "given, or made",
    "fate": "outcome",
    "may pass": "is temporary, or is worth another try",
    "unless told": "unless given",
    "floors": "layers",
    "simply": "nothing",
    "easily": "nothing, or a figure",
    "just": "nothing, or only",
    "obviously": "nothing",
    "of course": "nothing",
    "in order to": "to",
    "utilize": "use",
    "leverage": "use",
    "robust": "what it withstands",
    "seamless": "what it does",
    "powerful": "what it does",
    "blazing": "a figure",
}
"""Words that the project does not use, and what to write in their place."""


def complaints(text: str) -> Iterator[tuple[int, str]]:
    """Yield the line and the complaint for each word that is not ours and each sentence that is too long."""
    prose = CODE.sub(lambda match: re.sub(r"[^\n]", "x", match[0]), text)
    for word, better in BETTER.items():
        for match in re.finditer(rf"(?<![\w-]){word}(?![\w-])", prose, re.IGNORECASE):
            yield prose.count("\n", 0, match.start()) + 1, f"{match[0]!r}: write {better}"
    at = 0
    for paragraph in re.split(r"(\n\s*\n|^[-|#].*$)", prose, flags=re.MULTILINE):
        if not paragraph.lstrip().startswith(("|", "-", "#")):
            for sentence in re.split(r"(?<=[.:?!;])\s", paragraph):
                if (count := len(sentence.split())) > MOST_WORDS:
                    yield prose.count("\n", 0, at) + 1, f"a sentence of {count} words: {sentence.split()[:6]}"
        at += len(paragraph)


def main() -> int:
    found = [
        f"{file}:{line}: {complaint}"
        for pattern in PAGES
        for file in sorted(Path().glob(pattern))
        for line, complaint in complaints(file.read_text("utf-8"))
    ]
    print("\n".join(found) or "The words of the pages are plain.")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
