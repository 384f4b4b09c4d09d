"""A run from its plan to what it found, with a journal that it can be resumed from."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final, Literal, Self

import httpx

from segmind_sd3_contract import oracle
from segmind_sd3_contract.conformance.cases import cases
from segmind_sd3_contract.conformance.coverage import covered
from segmind_sd3_contract.conformance.journal import Journal, UnreadableJournal
from segmind_sd3_contract.conformance.judging import packaged
from segmind_sd3_contract.conformance.probes import ledger
from segmind_sd3_contract.conformance.results import TIERS, Exchange, Outcome, Run, Tier, Verdict
from segmind_sd3_contract.conformance.running import Progress, exit_code, planned, run
from segmind_sd3_contract.conformance.sending import Pace, Sender, Stopped

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

    from segmind_sd3_contract.conformance.case import Case
    from segmind_sd3_contract.conformance.prices import Prices
    from segmind_sd3_contract.conformance.running import Plan
    from segmind_sd3_contract.conformance.target import Target

DISTRIBUTIONS: Final = ("segmind-sd3", "httpx", "pillow", "jsonschema", "allpairspy")
"""What decides a verdict."""

JOURNAL: Final = "journal.sqlite"
SAYS_REFERENCE: Final = "x-reference-server"


class CouldNotRun(Exception):
    """Nothing was tried; the text says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a run is begun with, and goes on with when it is resumed.

    `way` names the headers and the proxy that it needs. Their values may be secrets, and are not kept.
    """

    target: str
    profile: Literal["documented", "observed"]
    tier: Tier
    seed: int
    strict: bool
    only: str
    shared_account: bool
    way: Sequence[str] = ()


def begun_with(folder: Path) -> Mapping[str, Any]:
    """Return the options of the run that a folder holds.

    Raises CouldNotRun where it holds none, or one that can't be read.
    """
    with _kept_journal(folder) as journal:
        return journal.settings()


class Session:
    """One run. `folder` is where its journal is; None keeps it in memory, for a plan that is only shown.

    `others` are options that the journal keeps and that may be others when the run is resumed. `failures`
    are the broken cases of an earlier run with their calls: where they are given, they alone are tried.
    `a_minute` is how many calls may go in a minute; None is no limit.

    Raises:
        CouldNotRun: there is a journal where a new run was to begin, or none, or another run's, to resume; or
            no case is to be tried; or this version does not make the calls of `failures`.
    """

    def __init__(
        self,
        target: Target,
        settings: Settings,
        prices: Prices,
        *,
        folder: Path | None = None,
        resumed: bool = False,
        budget: float | None = None,
        others: Mapping[str, Any] | None = None,
        failures: Mapping[str, Sequence[str]] | None = None,
        a_minute: float | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        documented, observed = oracle.carried("documented"), oracle.carried("observed")
        self.settings: Final = settings
        self.spec: Final = digest(documented, observed)
        vendors = {httpx.URL(server["url"]).host for server in documented["servers"]}
        self._live = httpx.URL(target.url).host in vendors
        self._target = target
        self._transport = transport
        self.progress: Final = Progress()

        readings = packaged(exact=False)
        again = None if failures is None else _failed(failures, cases(readings, settings.seed))

        def chosen(name: str) -> bool:
            return fnmatchcase(name, settings.only) and (again is None or name in again)

        self.plan: Final = planned(
            readings,
            prices,
            can_send=target.can_send,
            tier=settings.tier,
            live=self._live,
            shared_account=settings.shared_account,
            a_minute=a_minute,
            only=chosen,
            seed=settings.seed,
        )
        if not any(chosen(case.id) for case in self.plan.cases):
            raise CouldNotRun(_matches_nothing(self.plan, settings))
        must_be = {**asdict(settings), "way": list(settings.way), "spec": self.spec}
        self.journal: Final = _journal(folder, must_be, others or {}, resumed=resumed)
        self.price: Final = sum(
            self.plan.worst[name] for name in self.plan.calls() if not self.journal.has(name)
        )
        spent = self.journal.spent() + self.journal.reserved()
        self.budget: Final = spent + self.price if budget is None else budget

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self.journal.close()

    def run(
        self, pace: Pace, tell: Callable[[Outcome], None], earlier: Mapping[str, Verdict] | None = None
    ) -> Run:
        """Try the plan, and give what was found.

        Raises:
            CouldNotRun: the target can't be reached at all.
        """
        target, settings = self._target, self.settings
        with Sender(
            target.url,
            target.key,
            self.journal,
            self._transport or target.transport(),
            budget=self.budget,
            penniless=target.penniless,
            pace=pace,
            headers=target.headers,
            live=self._live,
            shared_account=settings.shared_account,
        ) as sender:
            first = self._reached(sender)
            is_reference = SAYS_REFERENCE in first.received
            readings = packaged(exact=is_reference)
            run(self.plan, sender, readings, strict=settings.strict, tell=tell, progress=self.progress)
        outcomes, exchanges = tuple(self.progress.outcomes), self.progress.exchanges
        changed = None if earlier is None else compared(earlier, outcomes)
        code = exit_code(outcomes, self.progress)
        if changed is not None and code in (0, 1):
            code = 1 if changed else 0
        return Run(
            target=settings.target,
            reference=is_reference,
            profile=settings.profile,
            strict=settings.strict,
            tier=settings.tier,
            seed=settings.seed,
            spec=self.spec,
            versions={name: version(name) for name in DISTRIBUTIONS},
            started=self.journal.settings()["started"],
            finished=now(),
            outcomes=outcomes,
            exchanges=exchanges,
            ledger=tuple(ledger(readings, outcomes, exchanges)),
            spent=self.journal.spent(),
            reserved=self.journal.reserved(),
            budget=self.budget,
            stopped=self.progress.stopped,
            exit_code=code,
            changed=changed,
            coverage=covered(exchanges.values(), readings),
        )

    def _reached(self, sender: Sender) -> Exchange:
        """Send the first call, that for the balance, to learn who answers."""
        call = next(iter(self.plan.calls().values()))
        try:
            exchange = sender.answer(call, self.plan.worst[call.name])
        except Stopped as stop:
            self.progress.stopped = str(stop)
            exchange = sender.kept(call)
        if exchange is None or exchange.status is None:
            why = exchange.failure if exchange else self.progress.stopped
            raise CouldNotRun(f"{self._target.url} can't be reached: {why}")
        if exchange.status == 401:
            # A run that is resumed with another key asks again.
            self.journal.forget(call.name)
            self.progress.stopped, self.progress.key_refused = "the key was refused with 401", True
        return exchange


def compared(earlier: Mapping[str, Verdict], outcomes: Sequence[Outcome]) -> dict[str, Verdict | None]:
    """Return by case the earlier verdict where it is another now; None for a new case that is broken."""
    found = {outcome.id: outcome.verdict for outcome in outcomes}
    changed: dict[str, Verdict | None] = {
        name: verdict for name, verdict in earlier.items() if found.get(name) != verdict
    }
    return changed | {
        name: None for name, verdict in found.items() if name not in earlier and verdict == "broken"
    }


def digest(documented: Any, observed: Any) -> str:
    text = json.dumps([documented, observed], sort_keys=True)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _failed(failures: Mapping[str, Sequence[str]], every: Sequence[Case]) -> set[str]:
    """Return the ids of the cases that send the calls of failures again, each call as it was.

    A failure that was seen in replies of other cases is sent again by these.
    """
    if not failures:
        raise CouldNotRun("No case of that run is broken: there is nothing to send again.")
    by_id = {case.id: case for case in every}
    found: set[str] = set()
    for name, calls in failures.items():
        # The smallest case first: a call that many cases share is not a reason to try them all.
        having = [by_id[name]] if name in by_id else sorted(every, key=_size)
        of_a_call = {call.name: case.id for case in reversed(having) for call in case.calls}
        if not calls or not set(calls) <= of_a_call.keys():
            raise CouldNotRun(
                f"The calls of {name} can't be sent again: another version of the suite has made them. "
                "--only with its id tries the case as it is now."
            )
        found |= {of_a_call[call] for call in calls}
    return found


def _size(case: Case) -> tuple[int, int]:
    return TIERS.index(case.tier), len(case.calls)


def _matches_nothing(plan: Plan, settings: Settings) -> str:
    others = sorted({why for case, why in plan.left_out if fnmatchcase(case.id, settings.only)})
    if others:
        return f"No case of the tier {settings.tier} is like {settings.only!r}: {'; '.join(others)}."
    return (
        f"No case has an id like {settings.only!r}. An id is ENDPOINT::PARAMETER::PLACE, such as "
        "'sd35_turbo_txt2img::steps::max+1', and * stands for anything."
    )


def _kept_journal(folder: Path) -> Journal:
    file = folder / JOURNAL
    if not file.is_file():
        raise CouldNotRun(f"{folder} holds no run to resume: there is no {JOURNAL}.")
    try:
        return Journal.of_an_earlier_run(file)
    except UnreadableJournal as error:
        raise CouldNotRun(f"{error} Begin another run: --out names its folder.") from None


def _journal(
    folder: Path | None, must_be: Mapping[str, Any], others: Mapping[str, Any], *, resumed: bool
) -> Journal:
    if folder and resumed:
        journal = _kept_journal(folder)
        kept = journal.settings()
        if other := [name for name, value in must_be.items() if kept.get(name) != value]:
            journal.close()
            told = ", ".join(f"{name} {kept.get(name)!r}" for name in other)
            raise CouldNotRun(f"The run in {folder} was begun with {told}: say the same, or begin another.")
        return journal
    if folder and (folder / JOURNAL).exists():
        raise CouldNotRun(
            f"{folder} holds a run already: --resume {folder} goes on with it, --out names another."
        )
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
    journal = Journal(folder and folder / JOURNAL)
    journal.keep({**others, **must_be, "started": now()})
    return journal
