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
    from collections.abc import Awaitable, Callable, Iterator, Sequence

    from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

    from segmind_sd3._result import Generation

    from .outcome import BatchSummary, JobOutcome
    from .run import Plan
    from .values import Claim, Finish, Job

    _Drawn = tuple[Job, Generation]

__all__ = ["AsyncBatch", "Batch", "check_plan", "read"]

STOPPED: Final = "the caller asked for it"

STORING: Final = 8
"""How many threads of an async batch store pictures at a time."""

STORED_TOGETHER: Final = 16
"""How many pictures such a thread stores at a time, at most."""

GATHERING: Final = 0.005
"""Seconds for which a transaction of an async batch waits for others to join it."""


class Draw(Protocol):
    """Draws by an endpoint's name."""

    def __call__(self, operation: str, parameters: dict[str, Any]) -> Generation: ...


class _Waiting(deque["Claim | Finish"]):
    """The requests to the journal that wait. Once it can't be written, no other is carried out."""

    def __init__(self, apply: Callable[[list[Claim | Finish]], None]) -> None:
        super().__init__()
        self._apply = apply
        self._fault: Exception | None = None

    def check(self) -> None:
        """Raise the error because of which nothing is carried out any more."""
        if self._fault is not None:
            raise self._fault.with_traceback(None)  # else it grows with each task that raises it

    def carry_out(self) -> None:
        """Carry out all of them in one transaction."""
        self.check()
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
        stack.enter_context(run.running())
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
            run.recover(ending=True)
        with suppress(OSError):
            self._last = run.summary()


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
        left, fault = len(threads), None
        try:
            while left:
                outcome = came.get()
                left -= outcome is None
                if isinstance(outcome, BaseException):
                    fault = fault or outcome
                elif outcome is not None:
                    yield outcome
        finally:
            run.stopped.set()
            while left:
                left -= came.get() is None
        if fault is not None:
            raise fault

    def _work(self, run: Run, commits: _Commits, came: queue.Queue[Any]) -> None:
        while (delay := run.begin()) is not None:
            if delay:
                run.stopped.wait(delay)
                continue
            more, claim = run.more, run.claim()
            commits.submit(claim)
            if claim.job is None:
                if not run.nothing_claimed(claim, more=more):
                    return
                run.stopped.wait(PATIENCE)
                continue
            drawn = self._call(run, claim.job)
            run.ended(drawn)
            self._settle(run, commits, claim.job, drawn, came)

    def _settle(
        self, run: Run, commits: _Commits, job: Job, drawn: Generation | BaseException, came: queue.Queue[Any]
    ) -> None:
        """Store what came of a job, and note it in the journal."""
        finish, fault = run.conclude(job, drawn), None
        try:
            commits.submit(finish)
        except OSError as error:
            fault = error
        if (outcome := run.settled(finish, drawn, fault)) is not None:
            came.put(outcome)
        if fault is not None:
            raise fault

    def _call(self, run: Run, job: Job) -> Generation | BaseException:
        try:
            return self._draw(job.operation, run.parameters(job))
        except Exception as error:  # noqa: BLE001 - whatever it is, the journal names it
            return error


# -- With await -------------------------------------------------------------------------------------------


class _GroupCommits:
    """Writes to the journal for many tasks: one thread at a time writes for all that wait."""

    def __init__(self, apply: Callable[[list[Claim | Finish]], None]) -> None:
        self._waiting = _Waiting(apply)
        self._asked, self._written = anyio.Event(), anyio.Event()

    async def submit(self, *requests: Claim | Finish) -> None:
        """Carry out requests, together with those that wait."""
        self._waiting.extend(requests)
        self._asked.set()
        await self._written.wait()
        if not all(request.settled for request in requests):
            self._waiting.check()

    async def run(self) -> None:
        """Write what is submitted, until this is cancelled."""
        while True:
            await self._asked.wait()
            await anyio.sleep(GATHERING)
            self._asked, written, self._written = anyio.Event(), self._written, anyio.Event()
            with suppress(Exception):  # raised where it was submitted
                await anyio.to_thread.run_sync(self._waiting.carry_out)
            written.set()


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
            self._commits = _GroupCommits(run.apply)
            self._outcomes, self._came = anyio.create_memory_object_stream[Any](self._plan.at_once)
            self._drawn, pictures = anyio.create_memory_object_stream["_Drawn"](self._plan.at_once)
            tasks = await stack.enter_async_context(anyio.create_task_group())
            stack.callback(self._came.close)
            tasks.start_soon(self._store_all, run, pictures)
            tasks.start_soon(self._work_all, run)
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
        async for outcome in self._came:
            if not isinstance(outcome, BaseException):
                return outcome
            self._fault = self._fault or outcome
        raise self._fault or StopAsyncIteration

    # -- Calls ----------------------------------------------------------------------------------------------

    async def _work_all(self, run: Run) -> None:
        async with self._drawn, anyio.create_task_group() as tasks:
            for _ in range(self._plan.at_once):
                tasks.start_soon(self._work, run)
            if run.more:
                tasks.start_soon(self._add_rest, run)

    async def _add_rest(self, run: Run) -> None:
        try:
            await anyio.to_thread.run_sync(run.add_rest, self._jobs)
        except Exception as fault:  # noqa: BLE001 - raised where the outcomes are taken
            run.stop(str(fault))
            await self._outcomes.send(fault)

    async def _work(self, run: Run) -> None:
        try:
            await self._send_jobs(run)
        except OSError as fault:
            await self._outcomes.send(fault)

    async def _send_jobs(self, run: Run) -> None:
        while (delay := run.begin()) is not None:
            if delay:
                await anyio.sleep(delay)
                continue
            more, claim = run.more, run.claim()
            await self._commits.submit(claim)
            if claim.job is None:
                if not run.nothing_claimed(claim, more=more):
                    return
                await anyio.sleep(PATIENCE)
                continue
            came = await self._call(run, claim.job)
            run.ended(came)
            if isinstance(came, BaseException):
                # It is settled first: this worker claims the job again if it is to wait.
                await self._settle(run, [(claim.job, came)])
            else:
                with anyio.CancelScope(shield=True):
                    await self._drawn.send((claim.job, came))

    async def _call(self, run: Run, job: Job) -> Generation | BaseException:
        try:
            if "pictures" in job.parameters:  # to read a file takes long
                parameters = await anyio.to_thread.run_sync(run.parameters, job)
            else:
                parameters = run.parameters(job)
            return await self._draw(job.operation, parameters)
        except Exception as error:  # noqa: BLE001 - whatever it is, the journal names it
            return error

    # -- What came of them ----------------------------------------------------------------------------------

    async def _store_all(self, run: Run, pictures: MemoryObjectReceiveStream[_Drawn]) -> None:
        # What was paid for is stored even where the caller is cancelled.
        with anyio.CancelScope(shield=True):
            async with self._outcomes, pictures, anyio.create_task_group() as writing:
                writing.start_soon(self._commits.run)
                async with anyio.create_task_group() as storing:
                    for _ in range(STORING):
                        storing.start_soon(self._store, run, pictures)
                writing.cancel_scope.cancel()

    async def _store(self, run: Run, pictures: MemoryObjectReceiveStream[_Drawn]) -> None:
        async for first in pictures:
            together = [first]
            with suppress(anyio.WouldBlock, anyio.EndOfStream):
                while len(together) < STORED_TOGETHER:
                    together.append(pictures.receive_nowait())
            try:
                await self._settle(run, together)
            except OSError as fault:
                await self._outcomes.send(fault)

    async def _settle(self, run: Run, ended: Sequence[tuple[Job, Generation | BaseException]]) -> None:
        """Store what came of jobs, and note it in the journal."""
        finishes = await anyio.to_thread.run_sync(lambda: [run.conclude(*each) for each in ended])
        fault = None
        try:
            await self._commits.submit(*finishes)
        except OSError as error:
            fault = error
        for finish, (_, came) in zip(finishes, ended, strict=True):
            if (outcome := run.settled(finish, came, fault)) is not None:
                await self._outcomes.send(outcome)
        if fault is not None:
            raise fault

    _fault: Exception | None = None
    _commits: _GroupCommits
    _outcomes: MemoryObjectSendStream[JobOutcome | Exception]
    _came: MemoryObjectReceiveStream[JobOutcome | Exception]
    _drawn: MemoryObjectSendStream[_Drawn]
