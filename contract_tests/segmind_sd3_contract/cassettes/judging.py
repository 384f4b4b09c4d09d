"""Judge the cassettes by today's contract, offline: sound, a known deviation, broken; stale or not.

The oracle decides which clauses an exchange breaks, the pages first. A broken clause is known if a row of the
quirk table or an observation in the contract accounts for it. A row accounts only for the clauses that
`BREAKS` names, so that a new failure beside a known one still fails. The reference server deviates only where
it was provoked.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, get_args

from segmind_sd3_contract import oracle
from segmind_sd3_contract.cassettes.cases import quirk_of
from segmind_sd3_contract.cassettes.library import load, spec_digest, today
from segmind_sd3_contract.quirks import shows

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from segmind_sd3_contract.cassettes.library import Recorded
    from segmind_sd3_contract.oracle import Finding, Profile

Verdict = Literal["sound", "known deviation", "broken"]
VERDICTS: Final[tuple[Verdict, ...]] = get_args(Verdict)

BREAKS: Final[Mapping[str, tuple[str, ...]]] = {
    "base64-default-1": ("base64",),
    "error-in-200": ("base64", "media-type", "picture"),
    "gateway-html": ("status",),
    "reply-format": ("media-type", "picture-format"),
    "several-images": ("picture-count",),
    "wrong-media-type": ("media-type", "picture-media-type", "json"),
}
"""By row of the quirk table, the clauses that a reply which shows it may break. What other rows show breaks
none: the overlay has it in the contract."""

MAX_AGE_DAYS: Final = 90
"""After how many days what another server answered says nothing of today's: services change unannounced.

What the reference server answered has no age. It follows from the contract and the code, the digest of the
spec tells when the one changes, and a test records all again and compares.
"""


@dataclass(frozen=True, slots=True)
class Judged:
    """One cassette, and what it is worth today.

    Attributes:
        name, file, target, status, date: as it says itself; what can't be read has its path for a name.
        verdict: `sound` where it breaks nothing; `known deviation` where all that it breaks is accounted for,
            or it was provoked to show a row; `broken` otherwise, an unreadable file too.
        deviation: the rows of the quirk table that account for it, or how the contract knows of it.
        clauses: what it breaks, in a word each; of a broken one, what is not accounted for.
        reasons: the same in sentences.
        stale: why it may no longer be what would come today; None where nothing says so.
    """

    name: str
    file: Path
    target: str | None
    status: int | None
    date: str | None
    verdict: Verdict
    deviation: str | None = None
    clauses: tuple[str, ...] = ()
    reasons: tuple[str, ...] = field(default=(), repr=False)
    stale: str | None = None

    @property
    def told(self) -> str:
        """The verdict in a line: `known deviation: error-in-200; stale: recorded under another spec`."""
        why = self.deviation if self.verdict == "known deviation" else ", ".join(self.clauses)
        parts = [f"{self.verdict}: {why}" if why else self.verdict]
        if self.stale:
            parts = [*(parts if self.verdict != "sound" else []), f"stale: {self.stale}"]
        return "; ".join(parts)


def judged_in(folder: Path, *, max_age: int | None = None, on: dt.date | None = None) -> Iterator[Judged]:
    """Judge every cassette in a folder, at any depth, by the day `on` (today).

    `max_age` is in days, for all of them; else `MAX_AGE_DAYS` for those of other servers.
    """
    for file in sorted(folder.rglob("*.yaml")):
        try:
            kept = load(file)
        except (OSError, ValueError) as odd:
            yield Judged(str(file), file, None, None, None, "broken", None, ("unreadable",), (str(odd),))
        else:
            yield judged(kept, max_age=max_age, on=on)


def judged(kept: Recorded, *, max_age: int | None = None, on: dt.date | None = None) -> Judged:
    """Judge one cassette, as `judged_in` does."""
    verdict, deviation, found = _verdict(kept)
    return Judged(
        kept.name,
        kept.file,
        kept.target,
        kept.status,
        str(kept.date),
        verdict,
        deviation,
        tuple(dict.fromkeys(each.clause for each in found)),
        tuple(map(str, found)),
        _stale(kept, max_age, on or today()),
    )


def _verdict(kept: Recorded) -> tuple[Verdict, str | None, list[Finding]]:
    pages = _findings(kept, "documented")
    shown = _rows(kept, pages)
    if not pages and not shown:
        return "sound", None, []
    left = _unaccounted(pages, shown)
    if not left:
        return "known deviation", ", ".join(shown), pages
    for profile in _observations(kept):
        if not _unaccounted(_findings(kept, profile), shown):
            return "known deviation", ", ".join([*shown, f"as {profile}"]), pages
    return "broken", None, left


def _findings(kept: Recorded, profile: Profile) -> list[Finding]:
    return oracle.findings(kept.seen, oracle.packaged(profile))


def _rows(kept: Recorded, found: list[Finding]) -> list[str]:
    """Return the row that was provoked on the reference server; elsewhere the rows that a finding shows."""
    if kept.target == "reference":
        provoked = quirk_of(kept.provocation)
        return [provoked] if provoked else []
    broken = {each.clause for each in found}
    return [row for row, clauses in BREAKS.items() if broken.intersection(clauses) and shows(row, kept.seen)]


def _observations(kept: Recorded) -> tuple[Profile, ...]:
    """Return the readings by which a server may deviate from the pages without a row that shows it."""
    if kept.target != "reference":
        return ("observed", "reported")
    return ("observed",) if kept.profile == "observed" else ()


def _unaccounted(found: list[Finding], rows: list[str]) -> list[Finding]:
    accounted = {clause for row in rows for clause in BREAKS.get(row, ())}
    return [each for each in found if each.clause not in accounted]


def _stale(kept: Recorded, max_age: int | None, on: dt.date) -> str | None:
    digest = spec_digest(kept.operation)
    if digest is None:
        return f"there is no endpoint {kept.operation}"
    if kept.spec != digest:
        return "recorded under another spec"
    limit = MAX_AGE_DAYS if max_age is None and kept.target != "reference" else max_age
    if limit is None:
        return None
    try:
        age = (on - dt.date.fromisoformat(str(kept.date))).days
    except ValueError:
        return f"{kept.date!r} is no date"
    return f"{age} days old, more than {limit}" if age > limit else None
