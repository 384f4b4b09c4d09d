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
from segmind_sd3_contract.conformance.journal import Journal
from segmind_sd3_contract.conformance.judging import packaged
from segmind_sd3_contract.conformance.probes import ledger
from segmind_sd3_contract.conformance.results import Exchange, Outcome, Run, Tier, Verdict
from segmind_sd3_contract.conformance.running import Progress, exit_code, planned, run
from segmind_sd3_contract.conformance.sending import Pace, Sender, Stopped

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

    from segmind_sd3_contract.conformance.prices import Prices
    from segmind_sd3_contract.conformance.target import Target

DISTRIBUTIONS: Final = ("segmind-sd3", "httpx", "pillow", "jsonschema", "allpairspy")
"""What decides a verdict."""

JOURNAL: Final = "journal.sqlite"
SAYS_REFERENCE: Final = "x-reference-server"


class CouldNotRun(Exception):
    """Nothing was tried; the text says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a run is begun with, and must be the same when it is resumed."""

    target: str
    profile: Literal["documented", "observed"]
    tier: Tier
    seed: int
    strict: bool
    only: str
    shared_account: bool


class Session:
    """One run. `folder` is where its journal is; None keeps it in memory, for a plan that is only shown.

    Raises:
        CouldNotRun: there is a journal where a new run was to begin, or none, or another run's, to resume.
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
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        documented, observed = oracle.carried("documented"), oracle.carried("observed")
        self.settings: Final = settings
        self.spec: Final = digest(documented, observed)
        self.journal: Final = _journal(folder, {**asdict(settings), "spec": self.spec}, resumed=resumed)
        vendors = {httpx.URL(server["url"]).host for server in documented["servers"]}
        self._live = httpx.URL(target.url).host in vendors
        self._target = target
        self._transport = transport
        self.progress: Final = Progress()

        self.plan: Final = planned(
            packaged(exact=False),
            prices,
            can_send=target.can_send,
            tier=settings.tier,
            live=self._live,
            shared_account=settings.shared_account,
            only=lambda name: fnmatchcase(name, settings.only),
            seed=settings.seed,
        )
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
        code = exit_code(outcomes, self.progress.stopped)
        if changed is not None:
            code = 1 if changed else 0 if code == 1 else code
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


def _journal(folder: Path | None, begun_with: Mapping[str, Any], *, resumed: bool) -> Journal:
    file = folder and folder / JOURNAL
    if file and file.exists() and not resumed:
        raise CouldNotRun(
            f"{folder} holds a run already: --resume {folder} goes on with it, --out names another."
        )
    if resumed and not (file and file.exists()):
        raise CouldNotRun(f"{folder} holds no run to resume: there is no {JOURNAL}.")
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
    journal = Journal(file)
    kept = journal.settings()
    if not kept:
        journal.keep({**begun_with, "started": now()})
    elif other := [name for name, value in begun_with.items() if kept.get(name) != value]:
        journal.close()
        told = ", ".join(f"{name} {kept.get(name)!r}" for name in other)
        raise CouldNotRun(f"The run in {folder} was begun with {told}: say the same, or begin another.")
    return journal
