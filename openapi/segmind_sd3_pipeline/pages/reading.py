"""The pages that a command is given, as facts; or a message with the file, and exit status 2."""

from __future__ import annotations

from typing import TYPE_CHECKING

from segmind_sd3_contract.terminal import Failed

from segmind_sd3_pipeline.pages.page import BIGGEST, PageError, read_page
from segmind_sd3_pipeline.spec.documents import ContractError, as_json
from segmind_sd3_pipeline.spec.names import require_path

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from segmind_sd3_pipeline.pages.facts import Facts


class Refused(Failed):
    """Nothing was compared, and nothing written."""

    exit_code = 2


def pages(files: Iterable[Path]) -> dict[Path, Facts]:
    """The facts of each page. All are read before anything is done with one.

    Raises:
        Refused: A file is no page, or two are of one endpoint.
    """
    found: dict[Path, Facts] = {}
    for file in files:
        facts = _facts_of(file)
        for other, known in found.items():
            if known["slug"] == facts["slug"]:
                raise Refused(f"{other} and {file} are both pages of {facts['slug']}: give one.")
        found[file] = facts
    return found


def _facts_of(file: Path) -> Facts:
    try:
        # A character has at most four bytes. What is longer is not even read.
        if file.stat().st_size > 4 * BIGGEST:
            raise Refused(f"{file} is no docs page: it has more than {4 * BIGGEST:,} bytes.")
        facts = read_page(file.read_bytes().decode())
        require_path(f"/v1/{facts['slug']}", file.name)
        return as_json(facts, file.name)
    except OSError as problem:
        raise Refused(f"{file} can't be read: {problem.strerror}.") from None
    except UnicodeDecodeError:
        raise Refused(f"{file} is no docs page: it is no text in UTF-8.") from None
    except PageError as problem:
        raise Refused(f"{file}, {problem}.") from None
    except ContractError as problem:
        raise Refused(str(problem)) from None
