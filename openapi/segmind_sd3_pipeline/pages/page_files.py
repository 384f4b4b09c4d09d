"""Read the pages that a command is given. An unreadable page ends the command with exit status 2."""

from __future__ import annotations

from typing import TYPE_CHECKING

from segmind_sd3_contract.terminal import Failed

from segmind_sd3_pipeline.pages.page import MAX_PAGE_CHARS, PageError, read_page
from segmind_sd3_pipeline.spec.documents import ContractError, as_json
from segmind_sd3_pipeline.spec.names import require_path

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from segmind_sd3_pipeline.pages.facts import Facts


class Refused(Failed):
    """The command stops before it compares or writes anything."""

    exit_code = 2


def read_pages(files: Iterable[Path]) -> dict[Path, Facts]:
    """Return the facts of each page.

    Raises:
        Refused: A file is no page, or two pages of one endpoint are in the same family of layouts.
    """
    found: dict[Path, Facts] = {}
    for file in files:
        facts = _read_file(file)
        for other, known in found.items():
            if known["slug"] == facts["slug"] and ("layout" in known) == ("layout" in facts):
                raise Refused(f"{other} and {file} are both pages of {facts['slug']}: give one.")
        found[file] = facts
    return found


def _read_file(file: Path) -> Facts:
    try:
        # A character has at most four bytes.
        if file.stat().st_size > 4 * MAX_PAGE_CHARS:
            raise Refused(f"{file} is no docs page: it has more than {4 * MAX_PAGE_CHARS:,} bytes.")
        facts = read_page(file.read_bytes().decode())
        require_path(f"/v1/{facts['slug']}", file.name)
        return as_json(facts, file.name)
    except OSError as problem:
        raise Refused(f"{file} can't be read: {problem.strerror}.") from None
    except UnicodeDecodeError:
        raise Refused(f"{file} is no docs page: it is not UTF-8 text.") from None
    except PageError as problem:
        raise Refused(f"{file}, {problem}.") from None
    except ContractError as problem:
        raise Refused(str(problem)) from None
