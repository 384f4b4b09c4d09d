"""The two drivers of a batch: threads that call a `Client`, and tasks that call an `AsyncClient`."""

from __future__ import annotations

import queue
import threading
from collections import deque
from contextlib import AsyncExitStack, ExitStack, suppress
from typing import TYPE_CHECKING, Any, Final, Protocol, Self

import anyio
import anyio.to_thread

from .pace import PATIENCE
from .reading import Reader, read
from .run import Run, check_plan

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from anyio.abc import ObjectReceiveStream, ObjectSendStream

    from segmind_sd3._result import Generation

    from .journal import Claim, Finish, Job
    from .outcome import BatchSummary, JobOutcome
    from .run import Plan

__all__ = ["AsyncBatch", "Batch", "check_plan", "read"]

STOPPED: Final = "the caller asked for it"

STORING: Final = 8
"""How many threads store pictures at a time."""


class Draw(Protocol):
    """Draws by an endpoint's name."""

    def __call__(self, operation: str, parameters: dict[str, Any]) -> Generation: ...


class _Waiting(deque["Claim | Finish"]):
    """The requests to the journal that wait. Once it can't be written, no other is carried out."""

    def __init__(self, apply: Callable[[list[Claim | Finish]], None]) -> None:
        super().__init__()
        self._apply = apply
        self._fault: Exception | None = None

    def carry_out(self) -> None:
        """Carry out all of them in one transaction."""
        if self._fault is not None:
            raise self._fault
        mine: list[Claim | Finish] = []
        while self:
            mine.append(self.popleft())
        try:
            self._apply(mine)
        except Exception as fault:
            self._fault = fault
            raise


class _Commits:
    """Writes to the journal for many threads: whoever comes first writes for all that wait."""

    def __init__(self, apply: Callable[[list[Claim | Finish]], None]) -> None:
        self._waiting = _Waiting(apply)
        self._lock = threading.Lock()

    def submit(self, *requests: Claim | Finish) -> None:
        """Carry out requests, together with those that wait."""
        self._waiting.extend(requests)
        with self._lock:
            if not all(request.settled for request in requests):
                self._waiting.carry_out()


class _Shared:
    """What both drivers share: opening, stopping, the summary."""

    def __init__(self, plan: Plan, jobs: Reader, *, retry: dict[str, bool]) -> None:
        self._plan = plan
        self._jobs = iter(jobs)
        self._retry = retry
        self._run: Run | None = None
        self._ended = False
        self._last: BatchSummary | None = None
        self._found: list[JobOutcome] = []

    def _open(self, stack: ExitStack | AsyncExitStack) -> Run:
        run = Run(self._plan)
        stack.callback(run.journal.close)
        stack.enter_context(run.journal.running())
        stack.callback(self._close, run)
        run.place.check()
        # What was in flight when an earlier run died comes first: its price stays reserved.
        self._found = run.recover()
        run.add(self._jobs)
        if any(self._retry.values()):
            run.journal.retry(**self._retry)
        if self._ended:
            run.stop(STOPPED)
        self._run = run
        return run

    def _opened(self) -> Run:
        if self._run is None:
            raise RuntimeError("enter the batch first: `with client.batch(…) as outcomes`")
        return self._run

    def _settle(
        self, run: Run, commits: _Commits, job: Job, came: Generation | BaseException
    ) -> JobOutcome | None:
        """Store what came of a job, and note it; return what to tell, or None where the job waits again."""
        finish = run.conclude(job, came)
        commits.submit(finish)
        run.ended(finish, came)
        return None if finish.state == "waiting" else run.outcome(finish, came)

    def stop(self) -> None:
        """Begin no other job. What is under way is finished."""
        self._ended = True
        if self._run is not None:
            self._run.stop(STOPPED)

    @property
    def summary(self) -> BatchSummary:
        """What the batch came to so far, earlier runs included."""
        return self._last or self._opened().summary()

    def _close(self, run: Run) -> None:
        """Keep how the batch stands before its journal is closed."""
        with suppress(OSError):
            run.recover()
            self._last = run.summary()
        run.journal.close()


# -- Without await ----------------------------------------------------------------------------------------


class Batch(_Shared):
    """Many jobs, each sent once by threads. Made by `Client.batch`.

    ```python
    with client.batch("jobs.jsonl", endpoint="sd35_turbo_txt2img", out="pictures") as outcomes:
        for outcome in outcomes:
            print(outcome.id, outcome.state)
        print(outcomes.summary)
    ```
    """

    def __init__(self, draw: Draw, plan: Plan, jobs: Reader, *, retry: dict[str, bool]) -> None:
        super().__init__(plan, jobs, retry=retry)
        self._draw = draw
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._open(stack)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def __iter__(self) -> Iterator[JobOutcome]:
        """Send what waits, and yield what came of each job. To leave the loop finishes what is under way."""
        run = self._opened()
        yield from self._found
        commits = _Commits(run.apply)
        # Bounded, so that pictures do not come faster than they are looked at.
        came: queue.Queue[JobOutcome | BaseException | None] = queue.Queue(self._plan.at_once)

        def work(task: Callable[[], None]) -> None:
            try:
                task()
            except BaseException as fault:  # noqa: BLE001 - raised below
                run.stop(str(fault))
                came.put(fault)
            finally:
                came.put(None)

        tasks = [lambda: self._work(run, commits, came)] * self._plan.at_once
        if run.more:
            tasks.append(lambda: run.add_rest(self._jobs))
        threads = [threading.Thread(target=work, args=(task,), daemon=True) for task in tasks]
        for thread in threads:
            thread.start()
        left = len(threads)
        try:
            while left:
                outcome = came.get()
                left -= outcome is None
                if isinstance(outcome, BaseException):
                    raise outcome
                if outcome is not None:
                    yield outcome
        finally:
            run.stopped.set()
            while left:
                left -= came.get() is None

    def _work(self, run: Run, commits: _Commits, came: queue.Queue[Any]) -> None:
        while (delay := run.begin()) is not None:
            if delay:
                run.stopped.wait(delay)
                continue
            claim = run.claim()
            commits.submit(claim)
            if claim.job is None:
                if not run.nothing_claimed(claim):
                    return
                run.stopped.wait(PATIENCE)
                continue
            outcome = self._settle(run, commits, claim.job, self._call(run, claim.job))
            if outcome is not None:
                came.put(outcome)

    def _call(self, run: Run, job: Job) -> Generation | BaseException:
        try:
            return self._draw(job.operation, run.parameters(job))
        except Exception as error:  # noqa: BLE001 - whatever it is, the journal names it
            return error


# -- With await -------------------------------------------------------------------------------------------


class _Claims:
    """Claims jobs for many tasks, in a thread: whoever comes first claims for all that wait."""

    def __init__(self, commits: _Commits) -> None:
        self._commits = commits
        self._lock = anyio.Lock(fast_acquire=True)
        self._waiting: list[Claim] = []

    async def submit(self, claim: Claim) -> None:
        """Carry out a claim, together with those that wait."""
        self._waiting.append(claim)
        async with self._lock:
            if not claim.settled:
                mine, self._waiting = self._waiting, []
                await anyio.to_thread.run_sync(self._commits.submit, *mine)


class AsyncBatch(_Shared):
    """Many jobs, each sent once by tasks. Made by `AsyncClient.batch`; used as `Batch` is, with `async`."""

    def __init__(
        self,
        draw: Callable[[str, dict[str, Any]], Awaitable[Generation]],
        plan: Plan,
        jobs: Reader,
        *,
        retry: dict[str, bool],
    ) -> None:
        super().__init__(plan, jobs, retry=retry)
        self._draw = draw
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            run = await anyio.to_thread.run_sync(self._open, stack)
            send, self._came = anyio.create_memory_object_stream[Any](self._plan.at_once)
            tasks = await stack.enter_async_context(anyio.create_task_group())
            stack.callback(self._came.close)
            tasks.start_soon(self._work_all, run, send)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(self, *_reason: object) -> None:
        self._opened().stopped.set()
        with anyio.CancelScope(shield=True):
            async for _ in self._came:  # what is under way is finished
                pass
        # Without the body's exception, which would come out in a group.
        await self._stack.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> JobOutcome:
        """Return what came of the next job that ends."""
        if self._found:
            return self._found.pop(0)
        outcome = await anext(self._came)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    async def _work_all(self, run: Run, came: ObjectSendStream[Any]) -> None:
        commits, storing = _Commits(run.apply), anyio.CapacityLimiter(STORING)
        claims = _Claims(commits)
        async with came, anyio.create_task_group() as tasks:
            for _ in range(self._plan.at_once):
                tasks.start_soon(self._work, run, commits, claims, storing, came)
            if run.more:
                tasks.start_soon(self._add_rest, run, came)

    async def _add_rest(self, run: Run, came: ObjectSendStream[Any]) -> None:
        try:
            await anyio.to_thread.run_sync(run.add_rest, self._jobs)
        except Exception as fault:  # noqa: BLE001 - raised where the outcomes are taken
            run.stop(str(fault))
            await came.send(fault)

    async def _work(
        self,
        run: Run,
        commits: _Commits,
        claims: _Claims,
        storing: anyio.CapacityLimiter,
        came: ObjectSendStream[JobOutcome | OSError],
    ) -> None:
        try:
            await self._send_jobs(run, commits, claims, storing, came)
        except OSError as fault:
            await came.send(fault)

    async def _send_jobs(
        self,
        run: Run,
        commits: _Commits,
        claims: _Claims,
        storing: anyio.CapacityLimiter,
        came: ObjectSendStream[JobOutcome | OSError],
    ) -> None:
        while (delay := run.begin()) is not None:
            if delay:
                await anyio.sleep(delay)
                continue
            claim = run.claim()
            await claims.submit(claim)
            if claim.job is None:
                if not run.nothing_claimed(claim):
                    return
                await anyio.sleep(PATIENCE)
                continue
            drawn = await self._call(run, claim.job)
            outcome = await anyio.to_thread.run_sync(
                self._settle, run, commits, claim.job, drawn, limiter=storing
            )
            if outcome is not None:
                await came.send(outcome)

    async def _call(self, run: Run, job: Job) -> Generation | BaseException:
        try:
            if "pictures" in job.parameters:  # to read a file takes long
                parameters = await anyio.to_thread.run_sync(run.parameters, job)
            else:
                parameters = run.parameters(job)
            return await self._draw(job.operation, parameters)
        except Exception as error:  # noqa: BLE001 - whatever it is, the journal names it
            return error

    _came: ObjectReceiveStream[JobOutcome | OSError]
