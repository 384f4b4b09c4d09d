"""One run of a batch: what both of its drivers decide alike. Nothing here waits."""

from __future__ import annotations

import itertools
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from segmind_sd3._budget import named_cost
from segmind_sd3._errors import (
    APIError,
    BudgetExceeded,
    ConnectionFailed,
    InvalidRequest,
    OutcomeUnknown,
    RateLimited,
    mark_unsent,
)
from segmind_sd3._events import log
from segmind_sd3._result import Generation
from segmind_sd3._sent import file_digest
from segmind_sd3._text import describe_error, printable, short_repr

from .address import parse_place
from .databases import parse_journal
from .journal import LEASE, Journal
from .outcome import MOST_PROBLEMS, BatchSummary, JobOutcome, JobProblem
from .pace import PATIENCE, REASONS, Pace
from .places import place_at
from .tables import NEXT
from .values import Claim, Finish, Job, NewJob, billionths, usd

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence

    from sqlalchemy import URL

CHUNK: Final = 500
"""How many jobs are added to the journal at a time."""

MOST_TRIES: Final = 4
"""How often a job is sent before it fails, where each sending certainly was not billed."""

BEAT: Final = LEASE / 6
"""Seconds between two heartbeats of a run."""

LONGEST_HOLD: Final = LEASE / 2
"""Seconds after which a claimed job is not sent any more: other runs may take this one for gone."""

_LONGEST_MESSAGE: Final = 2000


class _StaleClaim(Exception):
    """The process was halted between the claim of a job and its call."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The options of a batch, checked."""

    out: Path | str
    at_once: int
    budget: Decimal | None = None
    limit: int | None = None
    per_minute: float | None = None
    journal: Path | URL | None = None
    call_seconds: float = 0.0


def check_plan(  # noqa: PLR0917 - one for each option
    out: object,
    at_once: object,
    budget: Decimal | None,
    limit: object,
    per_minute: object,
    journal: object,
    call_seconds: float,
    most: int,
) -> Plan:
    """Check the options of a batch.

    Raises:
        InvalidRequest: one of them is wrong, or the folder can't be made.
    """
    place = parse_place(out)
    if isinstance(place, Path):
        _make_folder(place, f"out was {short_repr(str(out))}")
    if type(at_once) is not int or not 1 <= at_once <= most:
        raise InvalidRequest(
            f"at_once was {short_repr(at_once)}; allowed is a whole number from 1 to the client's "
            f"max_connections, which is {most}"
        )
    if limit is not None and (type(limit) is not int or limit < 0):
        raise InvalidRequest(f"limit was {short_repr(limit)}; allowed is a whole number of jobs, or None")
    if per_minute is not None and (
        isinstance(per_minute, bool) or not isinstance(per_minute, (int, float)) or not per_minute > 0
    ):
        raise InvalidRequest(f"per_minute was {short_repr(per_minute)}; allowed is a number of calls above 0")
    where = parse_journal(journal, place)
    if isinstance(where, Path):
        _make_folder(where, f"journal was {short_repr(str(where))}")
    return Plan(place, at_once, budget, limit, per_minute, where, call_seconds)


def _make_folder(folder: Path, given: str) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidRequest(f"{given}: no folder can be there ({error.strerror})") from error


class Run:
    """One run. Threads may share it."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.journal = Journal(plan.journal or Path(plan.out))
        self.place = place_at(plan.out, self.journal.folder)
        self.pace = Pace(plan.at_once, plan.per_minute)
        self.stopped = self.journal.stopped
        self.more = False
        self.why = ""
        self.problems: list[JobProblem] = []
        self.wrong = 0
        self._sent = 0
        self._open = 0
        self._lock = threading.Lock()
        self._budget = None if plan.budget is None else billionths(plan.budget)

    @contextmanager
    def running(self) -> Generator[None]:
        """Enter the journal, and let other runs hear that this one is alive.

        Raises:
            InvalidRequest: another process runs a journal that is for one at a time.
        """
        with self.journal.running(self.plan.call_seconds):
            if not self.journal.shared:
                yield
                return
            ended = threading.Event()
            watch = threading.Thread(target=self._watch, args=(ended,), daemon=True)
            watch.start()
            try:
                yield
            finally:
                ended.set()
                watch.join()

    def _watch(self, ended: threading.Event) -> None:
        while not ended.wait(BEAT):
            if self.journal.beat():
                with suppress(OSError):  # the workers say it
                    for found in self.recover():
                        log.warning("job %s of a run that is gone is %s", found.id, found.state)

    # -- Before the first call ------------------------------------------------------------------------------

    def add(self, jobs: Iterator[NewJob | JobProblem]) -> bool:
        """Add some jobs to the journal, and note those that are wrong; return whether there may be more."""
        chunk = list(itertools.islice(jobs, CHUNK))
        for each in chunk:
            if isinstance(each, JobProblem):
                self._note(each)
        for added in self.journal.add([each for each in chunk if isinstance(each, NewJob)]):
            if added.problem:
                self._note(JobProblem(added.job.where, added.problem))
        self.more = len(chunk) == CHUNK
        if not self.more:
            self.journal.added_all()
        return self.more

    def add_rest(self, jobs: Iterator[NewJob | JobProblem]) -> None:
        """Add all that is left, while the first jobs are sent."""
        try:
            while not self.stopped.is_set() and self.add(_gently(jobs)):
                pass
        finally:
            self.more = False
            self.journal.added_all()

    def _note(self, problem: JobProblem) -> None:
        self.wrong += 1
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(problem)

    def recover(self, *, ending: bool = False) -> list[JobOutcome]:
        """Settle the jobs of runs that are gone: done where their pictures are there, else unknown.

        Args:
            ending: whether this run sends no job any more.
        """
        finishes: list[Finish] = []
        for job, started, call_ended in self.journal.abandoned(ending=ending):
            files = self.place.find(job, started)
            message = "the run ended while it was sent: it may have been billed"
            finishes.append(
                Finish(job, "done", billed=True, files=files)
                if files
                else Finish(
                    job, "unknown", billed=None, error="Interrupted", message=message, call_ended=call_ended
                )
            )
        if finishes:
            self.apply(finishes)
        return [self.outcome(finish, None) for finish in finishes if finish.applied]

    # -- One job after the other ----------------------------------------------------------------------------

    def begin(self) -> float | None:
        """Return 0 where a job may be claimed, None where no more is, else the seconds after which to ask."""
        if self.stopped.is_set():
            return None
        with self._lock:
            if self.plan.limit is not None and self._sent >= self.plan.limit:
                self.stop(f"the limit of {self.plan.limit} jobs is reached")
                return None
            delay = self.pace.begin()
            if delay:
                return delay
            self._sent += 1
            self._open += 1
        return 0.0

    def claim(self) -> Claim:
        between = 60 / self.plan.per_minute if self.journal.shared and self.plan.per_minute else 0.0
        return Claim(self._budget, between)

    def nothing_claimed(self, claim: Claim, *, more: bool) -> bool:
        """Take note of a claim that got no job, and return whether there may be one later.

        A worker that puts a job back claims it again itself.

        Args:
            claim: it.
            more: whether jobs were still being added when it was made.
        """
        self._leave()
        if claim.wait:
            self.pace.hold(claim.wait)
            return True
        if claim.more:
            self.pace.hold(PATIENCE)  # all workers ask together
            return True
        if not claim.over_budget:
            return more
        if self._open == 0:
            self.stop(f"the budget of ${self.plan.budget} does not cover the next job")
        return True  # what is settled may free a part of the budget

    def _leave(self) -> None:
        self.pace.leave()
        with self._lock:
            self._sent -= 1
            self._open -= 1

    def stop(self, why: str) -> None:
        """Begin no other job. What is under way goes on."""
        self.why = self.why or why
        self.stopped.set()

    def parameters(self, job: Job) -> dict[str, Any]:
        """Return the arguments of a job's call, with its pictures read.

        Raises:
            InvalidRequest: a picture is not the one that it was when the job was added.
        """
        try:
            parameters = self._parameters(job)
            if self.journal.shared and time.monotonic() - job.claimed > LONGEST_HOLD:
                raise _StaleClaim("this process was halted before the call, which was not made")
        except Exception as error:
            mark_unsent(error)
            raise
        return parameters

    def _parameters(self, job: Job) -> dict[str, Any]:
        parameters = dict(job.parameters)
        digests: Mapping[str, str] = parameters.pop("pictures", {})
        for name, digest in digests.items():
            if digest == parameters[name]:  # a URL
                continue
            try:
                now = file_digest(Path(parameters[name]))
            except OSError as error:
                raise InvalidRequest(f"{name}: {parameters[name]} can't be read: {error.strerror}") from error
            if now != digest:
                raise InvalidRequest(
                    f"{name}: {parameters[name]} has changed since the job was added: "
                    "add a job with another id for the new picture"
                )
            parameters[name] = Path(parameters[name])
        return parameters

    def conclude(self, job: Job, came: Generation | BaseException) -> Finish:
        """Store what came of a job, and return what the journal is to say of it."""
        try:
            return self._conclude(job, came)
        except Exception as fault:  # noqa: BLE001 - what was paid for is in the journal all the same
            message = printable(describe_error(fault), _LONGEST_MESSAGE)
            return Finish(job, "unknown", billed=None, error=type(fault).__name__, message=message)

    def _conclude(self, job: Job, came: Generation | BaseException) -> Finish:
        cost = named_cost(came)
        money = None if cost is None else billionths(cost)
        if isinstance(came, Generation):
            files, trouble = self.place.store(job, came)
            if trouble:
                self.stop(trouble)
            state, error = ("done", "") if files else ("failed", "OSError")
            return Finish(
                job,
                state,
                billed=True,
                cost=money,
                files=files,
                request_id=came.request_id,
                error=error,
                message=trouble,
            )
        billed: bool | None = getattr(came, "billed", None)
        kept = None
        if isinstance(came, (APIError, OutcomeUnknown)) and came.body and billed is not False:
            kept = self.place.keep(job, came.body)
        limited = isinstance(came, (RateLimited, BudgetExceeded, _StaleClaim))
        state = "unknown" if billed is None else "failed"
        if billed is False and _may_pass(came) and (limited or job.tries + 1 < MOST_TRIES):
            state = "waiting"
        return Finish(
            job,
            state,
            billed=billed,
            cost=money,
            kept=kept,
            request_id=getattr(came, "request_id", None),
            error=type(came).__name__,
            message=printable(describe_error(came), _LONGEST_MESSAGE),
            counts_as_try=not limited,
        )

    def ended(self, came: Generation | BaseException) -> None:
        """Take note of how a call ended, for those that follow."""
        if why := self.pace.end(came):
            self.stop(why)
        if isinstance(came, BudgetExceeded):
            self.stop("the client's budget does not cover the next job")

    def settled(
        self, finish: Finish, came: Generation | BaseException, fault: OSError | None = None
    ) -> JobOutcome | None:
        """Take note that a job is settled; return what to tell, or None where it waits again.

        Args:
            finish: what the journal was to say of it.
            came: what came of its call.
            fault: why the journal does not say so. The next run finds its picture, or the job is unknown.
        """
        with self._lock:
            self._open -= 1
            if finish.state == "waiting":
                self._sent -= 1
                return None
        outcome = self.outcome(finish, came)
        if fault is None:
            return outcome
        message = "; ".join(filter(None, (finish.message, f"the journal has no note of it ({fault})")))
        return replace(outcome, state="unknown", message=message)

    def outcome(self, finish: Finish, came: object) -> JobOutcome:
        """Describe what came of a job."""
        seed = getattr(came, "seed", None)
        cost = finish.job.price if finish.cost is None else finish.cost
        files = [self.place.locate(file) for file in finish.files]
        kept = finish.kept or ""
        stored = [*files, *([kept] if "://" in kept else [])]
        return JobOutcome(
            finish.job.id,
            finish.state,
            tuple(file for file in files if isinstance(file, Path)),
            finish.job.parameters.get("seed") if seed is None else seed,
            usd(cost) if finish.billed else Decimal(0) if finish.billed is False else None,
            finish.billed,
            finish.error,
            finish.message,
            Path(kept) if kept and kept not in stored else None,
            finish.request_id,
            tuple(file for file in stored if isinstance(file, str)),
        )

    # -- The journal ----------------------------------------------------------------------------------------

    def apply(self, requests: Sequence[Claim | Finish]) -> None:
        """Write to the journal. The names of pictures are on disk first; without room no job is claimed."""
        finishes = [each for each in requests if isinstance(each, Finish)]
        claims = [each for each in requests if isinstance(each, Claim)]
        if claims and (lack := self.place.room(self._open)):
            self.stop(lack)
            requests = finishes
        try:
            self.place.sync(file for each in finishes for file in each.files)
            self.journal.apply(requests)
        except OSError as error:
            self.stop(str(error))
            raise
        for claim in claims:
            claim.settled = True

    def summary(self) -> BatchSummary:
        """Return what the batch came to so far."""
        totals = self.journal.totals()
        return BatchSummary(
            {state: totals.counts[state] for state in NEXT if state in totals.counts},
            float(usd(totals.spent)),
            float(usd(totals.reserved)),
            self.problems,
            self.wrong,
            self.why,
        )


def _gently(jobs: Iterator[NewJob | JobProblem]) -> Iterator[NewJob | JobProblem]:
    """Yield jobs so slowly that to check them does not hold up the calls that are made meanwhile."""
    for job in jobs:
        yield job
        time.sleep(0.0002)


def _may_pass(error: BaseException) -> bool:
    """Return whether a call that certainly was not billed may go better later, as it stands."""
    if isinstance(error, ConnectionFailed):
        return error.retryable is not False
    return isinstance(error, (*REASONS, BudgetExceeded, _StaleClaim))
