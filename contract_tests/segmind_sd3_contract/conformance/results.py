"""What a run found, as plain values. Every report is made from these alone.

No I/O. The key is in none of them: whoever makes an `Exchange` leaves it out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Verdict = Literal["held", "broken", "known deviation", "open", "inconclusive", "not run"]
"""What a case ended as.

held             the target does what the contract says
broken           it does not
known deviation  it does not do what the page says, but what was observed; a row of the quirk table, or an
                 action of the overlay, says so
open             the contract does not say what should happen; what did is told
inconclusive     nothing can be said: a rate limit, a gateway, a timeout, an answer that was never kept
not run          it was not tried, and why
"""

VERDICTS: Final[tuple[Verdict, ...]] = get_args(Verdict)

Layer = Literal["documented", "observed", "assumed"]
Tier = Literal["smoke", "boundary", "full", "thorough"]
TIERS: Final[tuple[Tier, ...]] = get_args(Tier)

Probed = Literal["as documented", "as observed", "neither", "not probed"]

FORMAT: Final = "segmind-sd3 conformance 1"
"""Name and version of the JSON report."""

IN_THIS_PROCESS: Final = "reference"
"""The target of a run against the reference server that the command starts itself."""

KEY_SHOWN_AS: Final = "$SEGMIND_API_KEY"
SECOND_KEY_SHOWN_AS: Final = "$SEGMIND_API_KEY_WITHOUT_CREDITS"


@dataclass(frozen=True, slots=True)
class Exchange:
    """One call and what came of it.

    Attributes:
        call: its name within the run: `sd35_turbo_txt2img:1f3a…`.
        method, path: what was called.
        headers: of the request, each key shown as a variable; names in lower case.
        sent: the request's body as JSON, or its text where that was sent as it is. None where there was none.
        status: of the reply; None where none came.
        received: the reply's headers; names in lower case.
        body: the reply's bytes.
        seconds: from the first byte sent to the last one received.
        failure: why no whole reply came; None where one did.
        live: whether the vendor's own host answered.
        wrong_cost: what is wrong with what it cost; None where that can't be judged.
        leaks: where the reply held the key, and in which form; it is redacted there.
        started: when it was sent, ISO 8601 in UTC; None for one that an older version has kept.
    """

    call: str
    method: str
    path: str
    headers: Mapping[str, str] = field(repr=False)
    sent: Any = field(repr=False)
    status: int | None
    received: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    seconds: float = 0.0
    failure: str | None = None
    live: bool = False
    wrong_cost: Sequence[str] | None = None
    leaks: Sequence[str] = ()
    started: str | None = None

    @property
    def request_id(self) -> str | None:
        return self.received.get("x-request-id")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one case.

    Attributes:
        id: stable from run to run: `sd35_turbo_txt2img::steps::max+1`.
        operation: the endpoint's operationId.
        group: the row of the grid: the parameter's name, or a heading such as `(account)`.
        place: the column of the grid: `max+1`, `type:text`, `omitted=default`.
        layer: where the clause that the case is about stands.
        claim: what the contract says, in a sentence.
        verdict, reasons: what it ended as, and why, in sentences; no reasons where it held.
        deviation: the row of the quirk table or action of the overlay that knows of it.
        calls: the names of the exchanges that it was judged by.
    """

    id: str
    operation: str
    group: str
    place: str
    layer: Layer
    claim: str
    verdict: Verdict
    reasons: tuple[str, ...] = ()
    deviation: str | None = None
    calls: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """A row of the quirk table, and how the target behaves.

    `probe` says what decides it, and `why` what came of that.
    """

    quirk: str
    documented: str
    observed: str
    grade: str
    probe: str
    probed: Probed
    why: str


@dataclass(frozen=True, slots=True)
class Clause:
    """One thing that the contract states, and how often a run exercised each side of it.

    Attributes:
        operation: the endpoint's operationId.
        place: a parameter's name, a reply's status, or `(call)`.
        keyword: `type`, `required`, `minimum`, `status`, `header`, `media type`, ...
        value: what is stated, in words: the bound, the default, the header's name.
        layer: where it stands.
        sides: by side, the calls that show it: `inside` and `outside`; of a default `sent` and `omitted`; of
            a list each known value, and `outside`; of a reply `came`.
    """

    operation: str
    place: str
    keyword: str
    value: str
    layer: Layer
    sides: Mapping[str, int]

    @property
    def missing(self) -> tuple[str, ...]:
        """The sides that were not exercised, by name."""
        return tuple(f"{self.operation} {self}: {side}" for side, calls in self.sides.items() if not calls)

    def __str__(self) -> str:
        # The value of a status is the place itself.
        value = "" if self.keyword == "status" else self.value
        return " ".join(filter(None, (self.place, self.keyword, value)))


@dataclass(frozen=True, slots=True)
class Run:
    """A whole run.

    Attributes:
        target: the URL that was called.
        reference: whether what answered said that it is the reference server.
        profile: what the target was judged by.
        strict: whether a known deviation counts as broken.
        tier, seed: what was tried.
        spec: digest of the contract.
        versions: of what decides a verdict, by distribution.
        started, finished: ISO 8601, in UTC.
        spent: credits that the replies name, in USD. `reserved`: what else may have been spent, at the worst.
        budget: the cap, or None.
        stopped: why the run ended before its plan; None where it did not.
        changed: by case id, the verdict of an earlier run that is another now; None where none was given.
        exit_code: 0 nothing broken, 1 broken, 2 the key was refused or nothing was tried, 3 incomplete.
        coverage: every clause of the contract, and which sides of it were exercised.
    """

    target: str
    reference: bool
    profile: Literal["documented", "observed"]
    strict: bool
    tier: Tier
    seed: int
    spec: str
    versions: Mapping[str, str]
    started: str
    finished: str
    outcomes: tuple[Outcome, ...]
    exchanges: Mapping[str, Exchange]
    ledger: tuple[LedgerRow, ...]
    spent: float
    reserved: float
    budget: float | None
    stopped: str | None
    exit_code: int
    changed: Mapping[str, Verdict | None] | None = None
    coverage: tuple[Clause, ...] = ()

    @property
    def live_exchanges(self) -> int:
        return sum(each.live for each in self.exchanges.values())

    def counts(self) -> dict[Verdict, int]:
        return {verdict: sum(each.verdict == verdict for each in self.outcomes) for verdict in VERDICTS}
