"""A batch on the nodes of a Ray cluster: one worker on each node, which joins the journal and sends jobs.

The journal coordinates, so Ray only starts the workers and carries their outcomes to the driver. It restarts
no worker and repeats no call: a job in flight on a node that dies is unknown, and may have been billed.

Each worker takes its API key, its password of the database and its keys of the store from the environment of
its own node. None of them is sent through Ray.
"""

from __future__ import annotations

import logging
import queue
import secrets
import threading
import warnings
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, Self

from sqlalchemy import URL

from segmind_sd3._errors import InvalidRequest
from segmind_sd3._text import describe_error, short_repr
from segmind_sd3._version import __version__

from .batch import Batch
from .places import place_at

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from segmind_sd3._result import Generation

    from .outcome import JobOutcome
    from .reading import Reader
    from .run import Plan, Run

MOMENT: Final = 0.25
"""Seconds: how long a worker waits for an outcome before it answers that there is none yet."""

START: Final = 120.0
"""Seconds: how long a node may take to start its worker."""


@dataclass(frozen=True, slots=True)
class Share:
    """What a worker is to do. It goes through Ray, so it holds no key and no password.

    Attributes:
        client: makes the worker's client.
        batch: the options of its batch.
        token: names the mark that the driver has left where the pictures go.
        log_level: from which level on the worker prints its log; Ray shows it where the driver runs.
        version: the driver's version.
    """

    client: Callable[..., Any]
    batch: dict[str, Any]
    token: str
    log_level: int
    version: str = __version__


@dataclass(frozen=True, slots=True)
class Taken:
    """What came of a worker's jobs since it was last asked; once it has ended, why it stopped early."""

    outcomes: tuple[JobOutcome, ...]
    ended: bool
    why: str = ""


class Worker:
    """Sends jobs of a journal, in an actor. Its methods are called in several threads."""

    def __init__(self, name: str, share: Share) -> None:
        self._name = name
        self._share = share
        self._why = ""
        self._ended = False
        self._came: queue.Queue[JobOutcome | None] = queue.Queue(share.batch["at_once"])

    def __repr__(self) -> str:
        """Return the name. Ray shows it before each line that the worker prints."""
        return self._name

    def prepare(self) -> str:
        """Make the client; return why this node can't send jobs, empty where it can."""
        if self._share.version != __version__:
            return f"it has segmind-sd3 {__version__}, and the driver {self._share.version}: install the same"
        _log_from(self._share.log_level)
        try:
            self._client = self._share.client(max_connections=self._share.batch["at_once"])
            self._batch = self._client.batch([], **self._share.batch)
            if not place_at(self._share.batch["out"]).sees(self._share.token):
                return (
                    f"its {self._share.batch['out']} is another folder than the driver's: "
                    "name a folder that all nodes share, or s3://bucket/prefix"
                )
        except Exception as error:  # noqa: BLE001 - a person reads it where the driver runs
            return str(error) if isinstance(error, InvalidRequest) else describe_error(error)
        return ""

    def start(self) -> None:
        """Begin to send jobs."""
        threading.Thread(target=self._work, daemon=True).start()

    def _work(self) -> None:
        try:
            with self._client, self._batch as outcomes:
                for outcome in outcomes:
                    self._came.put(replace(outcome, worker=self._name))
            self._why = self._batch.summary.stopped
        except BaseException as fault:  # noqa: BLE001 - the driver says it
            self._why = describe_error(fault)
        finally:
            self._came.put(None)

    def take(self) -> Taken:
        """Return what came since the last time; wait a moment where that is nothing."""
        came: list[JobOutcome] = []
        with suppress(queue.Empty):
            while not self._ended:
                outcome = self._came.get(timeout=0 if came else MOMENT)
                if outcome is None:
                    self._ended = True  # an answer may be lost, and the driver asks again
                else:
                    came.append(outcome)
        return Taken(tuple(came), self._ended, self._why if self._ended else "")

    def stop(self) -> None:
        """Begin no other job. What is under way is finished."""
        self._batch.stop()

    def close(self) -> None:
        """End the calls that are under way. Their jobs are unknown, and what came of them is kept."""
        self._batch.stop()
        self._client.close()


def _log_from(level: int) -> None:
    logger = logging.getLogger("segmind_sd3")
    if level < logging.WARNING and not logger.handlers:
        logger.addHandler(logging.StreamHandler())
        logger.setLevel(level)


# -- The driver -------------------------------------------------------------------------------------------


def check_workers(workers: object, plan: Plan) -> str | None:
    """Return the address of the cluster; None where Ray is to find it.

    Raises:
        InvalidRequest: the workers, the journal or the place of the pictures is none for several machines.
    """
    if not isinstance(workers, str) or (workers != "ray" and not workers.startswith("ray://")):
        raise InvalidRequest(f"workers was {short_repr(workers)}; allowed are 'ray' and 'ray://HOST:PORT'")
    if not isinstance(plan.journal, URL):
        raise InvalidRequest(
            f"journal was {plan.journal}, which only one machine sees: "
            "workers need postgresql://USER@HOST/DATABASE"
        )
    if plan.journal.password is not None:
        raise InvalidRequest(
            "journal has a password, which is not sent to other machines: leave it out, and set PGPASSWORD "
            "in the environment of each node, or use its ~/.pgpass"
        )
    if str(plan.out).startswith("memory:"):
        raise InvalidRequest(
            f"out was {plan.out}, which no other machine sees: name a shared folder or s3://"
        )
    return None if workers == "ray" else workers


class RayBatch(Batch):
    """A batch whose jobs are sent by workers on the nodes of a Ray cluster. Made by `Client.batch`."""

    def __init__(
        self,
        plan: Plan,
        jobs: Reader,
        client: Callable[..., Any],
        closed: threading.Event,
        address: str | None,
        *,
        retry: dict[str, bool],
    ) -> None:
        super().__init__(_no_draw, plan, jobs, retry=retry)
        self._client = client
        self._closed = closed
        self._address = address
        self._workers: dict[str, Any] = {}
        self._whys: list[str] = []
        self._asked: dict[Any, str] = {}

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._ray = stack.enter_context(_cluster(self._address))
            run = self._open(stack)
            stack.callback(self._kill)
            self._start(run)
            run.add_rest(self._jobs)
            self._stack = stack.pop_all()
        return self

    def _start(self, run: Run) -> None:
        """Start a worker on each node, and ask each whether it can send jobs. A node that dies is left out.

        Raises:
            InvalidRequest: one of them can't, or none is left.
        """
        strategies: Any = import_module("ray.util.scheduling_strategies")
        nodes = [node for node in self._ray.nodes() if node["Alive"]][: self._plan.at_once]
        actor = self._ray.remote(max_restarts=0, max_task_retries=0, num_cpus=0, max_concurrency=4)(Worker)
        token = secrets.token_hex(16)
        asked: dict[Any, str] = {}
        run.place.mark(token)
        try:
            for index, node in enumerate(nodes):
                name = f"worker {index + 1} on {node['NodeManagerHostname']}"
                here = strategies.NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
                share = self._share(index, len(nodes), token)
                self._workers[name] = actor.options(scheduling_strategy=here).remote(name, share)
                asked[self._workers[name].prepare.remote()] = name
            ready, late = self._ray.wait(list(asked), num_returns=len(asked), timeout=START)
            problems = [f"{asked[ref]}: it did not start within {START:.0f} s" for ref in late]
            for ref in ready:
                with self._noting_loss(asked[ref]):
                    if why := self._ray.get(ref):
                        problems.append(f"{asked[ref]}: {why}")
        finally:
            run.place.unmark(token)
        if problems or not self._workers:
            reasons = problems or self._whys or ["the cluster has no node"]
            raise InvalidRequest("no job was sent: " + "; ".join(reasons))

    @contextmanager
    def _noting_loss(self, name: str) -> Generator[None]:
        """Go on without a worker that is gone."""
        try:
            yield
        except self._ray.exceptions.RayError as gone:
            kind = type(gone).__name__
            self._whys.append(f"{name} is gone ({kind}): the calls that it had under way are unknown")
            del self._workers[name]

    def _share(self, index: int, count: int, token: str) -> Share:
        """Return a worker's share of what may be under way."""
        plan = self._plan
        return Share(
            self._client,
            {
                "out": str(plan.out if isinstance(plan.out, str) else plan.out.absolute()),
                "journal": str(plan.journal),
                "at_once": _part(plan.at_once, index, count),
                "budget": plan.budget,
                "per_minute": plan.per_minute,
                "limit": None if plan.limit is None else _part(plan.limit, index, count),
            },
            token,
            logging.getLogger("segmind_sd3").getEffectiveLevel(),
        )

    def __iter__(self) -> Iterator[JobOutcome]:
        """Yield what came of each job, wherever it was sent. To leave the loop finishes what is under way."""
        run = self._opened()
        yield from self._found
        self._tell("start")
        if self._ended:  # before the workers were there
            self._tell("stop")
        self._asked = {worker.take.remote(): name for name, worker in self._workers.items()}
        try:
            yield from self._outcomes()
        finally:
            if self._asked:
                self._tell("stop")
                for _ in self._outcomes():
                    pass
            if self._whys:
                run.stop("; ".join(self._whys))

    def _outcomes(self) -> Iterator[JobOutcome]:
        """Yield what comes until every worker has ended or is gone."""
        closed = False
        while self._asked:
            if self._closed.is_set() and not closed:
                closed = True
                self._tell("close")
            ready, _ = self._ray.wait(list(self._asked), timeout=MOMENT)
            for ref in ready:
                name = self._asked.pop(ref)
                with self._noting_loss(name):
                    yield from self._taken(name, ref)

    def _taken(self, name: str, ref: Any) -> tuple[JobOutcome, ...]:
        """Return what a worker answered, and ask it again unless it has ended."""
        try:
            taken: Taken = self._ray.get(ref)
        except self._ray.exceptions.ActorUnavailableError:
            # Its connection broke; it may work on, or Ray may find out that it is gone.
            self._closed.wait(MOMENT)
            taken = Taken((), ended=False)
        if not taken.ended:
            self._asked[self._workers[name].take.remote()] = name
        elif taken.why:
            self._whys.append(f"{name}: {taken.why}")
        return taken.outcomes

    def stop(self) -> None:
        """Begin no other job on any node. What is under way is finished."""
        super().stop()
        self._tell("stop")

    def _tell(self, method: str) -> None:
        for worker in [*self._workers.values()]:
            getattr(worker, method).remote()

    def _kill(self) -> None:
        for worker in self._workers.values():
            self._ray.kill(worker)


@contextmanager
def _cluster(address: str | None) -> Generator[Any]:
    """Connect to a cluster, unless this program is connected to one already.

    Raises:
        InvalidRequest: Ray is not installed, or there is no such cluster.
    """
    try:
        ray: Any = import_module("ray")
    except ImportError as missing:
        raise InvalidRequest("workers='ray' needs Ray: pip install 'segmind-sd3[ray]'") from missing
    if ray.is_initialized():
        yield ray
        return
    logging.getLogger("ray").setLevel(logging.ERROR)  # it says how it connects
    try:
        # What workers print is shown where somebody asked for a log.
        verbose = logging.getLogger("segmind_sd3").isEnabledFor(logging.INFO)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what goes wrong is raised, too
            ray.init(address, logging_level=logging.ERROR, log_to_driver=verbose)
    except (OSError, RuntimeError, ValueError) as error:
        raise InvalidRequest(f"workers: no cluster of Ray can be reached: {describe_error(error)}") from error
    try:
        yield ray
    finally:
        ray.shutdown()


def _part(whole: int, index: int, count: int) -> int:
    """Return one of `count` parts that differ by one at most."""
    return whole // count + (index < whole % count)


def _no_draw(operation: str, parameters: dict[str, Any]) -> Generation:
    raise AssertionError(f"the driver sends no job: {operation}, {len(parameters)} parameters")
