"""Prove that a batch pays for nothing twice and loses nothing, whatever fails and whenever it is killed.

`segmind-sd3 batch run` sends its jobs to the reference server, under every fault that the server knows. The
process is killed (SIGKILL) at random moments, and the same command goes on each time. At the end the folder
is compared with the server's ledger. It needs a POSIX system.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import time
from collections import Counter, defaultdict
from contextlib import closing, suppress
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

import PIL.Image
from rich.console import Console
from segmind_sd3._batch.journal import Journal
from segmind_sd3._batch.report import records
from segmind_sd3._batch.values import usd
from segmind_sd3_contract.reference import MADE_UP_KEY, ReferenceServer
from segmind_sd3_contract.reference.deliveries import DELIVERIES
from segmind_sd3_contract.reference.provocations import PROVOCATIONS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from segmind_sd3_contract.reference import Entry

ENDPOINT: Final = "sd3-medium-txt2img"
"""Its jobs have default settings, at which the worst price is the listed one."""

_COSTLY: Final = ("bomb", "endless", ":far", ":huge", "more-seconds")
COSTLY: Final = tuple(name for name in PROVOCATIONS if any(part in name for part in _COSTLY))
"""The faults that keep this machine busy for seconds, or let a run pause for a minute: each comes once."""

FAULTS: Final = tuple(name for name in PROVOCATIONS if name not in COSTLY)

DEADLINE: Final = 2.0
"""Seconds for each call; an answer that stalls or drips takes as long."""

MOMENT: Final = 0.05
"""Seconds: a run is killed up to so long after its last call but some."""

LAST_RUNS: Final = 30
"""After how many runs without a fault all jobs must be settled."""

PATIENCE: Final = 300.0


@dataclass
class Batch:
    """The numbers of a run of the proof, and its violations."""

    jobs: int
    kills: int
    runs: int = 0
    killed_at_work: int = 0
    sendings: int = 0
    faults: set[str] = field(default_factory=set[str])
    seconds: float = 0.0
    states: Counter[str] = field(default_factory=Counter[str])
    ledger: Decimal = Decimal(0)
    spent: Decimal = Decimal(0)
    uncertain: Decimal = Decimal(0)
    violations: list[str] = field(default_factory=list[str])


class _Ledger:
    """Keeps all entries by seed: the server itself drops old ones."""

    def __init__(self, server: ReferenceServer) -> None:
        self._server = server
        self._read: set[int] = set()
        self.by_seed: defaultdict[int, list[Entry]] = defaultdict(list)
        self.faults: Counter[str] = Counter()

    def read(self) -> None:
        entries = self._server.ledger
        for entry in entries:
            if entry.n not in self._read:
                self.by_seed[entry.body["seed"]].append(entry)
                self.faults[entry.provocation or ""] += 1
        self._read |= {entry.n for entry in entries}

    @property
    def sendings(self) -> int:
        """How many calls have arrived."""
        self.read()
        return len(self._read)


def _run(jobs: Path, out: Path, url: str, at_once: int, log: Path) -> subprocess.Popen[bytes]:
    words = [sys.executable, "-m", "segmind_sd3", "batch", "run", str(jobs), "--endpoint", ENDPOINT]
    words += ["--out", str(out), "--at-once", str(at_once), "--timeout", str(DEADLINE), "--json"]
    environment = {**os.environ, "SEGMIND_API_KEY": MADE_UP_KEY, "SEGMIND_BASE_URL": url}
    with log.open("ab") as file:
        return subprocess.Popen(words, env=environment, stdout=file, stderr=file)  # noqa: S603 - the project's own


def _wait(process: subprocess.Popen[bytes], ledger: _Ledger, sendings: float = math.inf) -> bool:
    """Wait until the process ends, or the ledger has so many calls; return whether it ended."""
    end = time.monotonic() + PATIENCE
    while ledger.sendings < sendings and time.monotonic() < end:
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.02)
            return True
    return False


def prove_batch(
    jobs: int, kills: int, costly: Sequence[str] = (), *, at_once: int = 16, seed: int = 0
) -> Batch:
    """Send so many jobs, kill the process so often, and compare what is there with the ledger.

    Args:
        jobs: how many there are.
        kills: how often the process is killed.
        costly: the faults that the first calls meet.
        at_once: how many calls are under way.
        seed: decides on faults and moments.
    """
    batch, random = Batch(jobs, kills), Random(seed)  # noqa: S311 - a proof, not a secret
    begun = time.perf_counter()
    server = ReferenceServer(credits=1e6)
    ledger = _Ledger(server)
    with TemporaryDirectory() as place, server.listening() as url:
        file, out, log = Path(place, "jobs.jsonl"), Path(place, "out"), Path(place, "log")
        size = {"img_width": 512, "img_height": 512}
        lines = (json.dumps({"id": f"job-{n}", "prompt": f"a lighthouse {n}", **size}) for n in range(jobs))
        file.write_text("\n".join(lines), "utf-8")
        for number in range(kills):
            first = () if number else costly
            for name in first:
                server.provoke(name)
            # Those that came least often come next.
            met = ledger.faults
            for name in sorted(FAULTS, key=lambda name: (met[name], random.random()))[
                : max(2, jobs // (2 * kills))
            ]:
                server.provoke(name)
            process = _run(file, out, url, at_once, log)
            # So few that there is work left for the last kill.
            more = len(first) + random.randint(0, max(1, 3 * jobs // (2 * kills)))
            ended = _wait(process, ledger, ledger.sendings + more)
            time.sleep(random.uniform(0, MOMENT))
            process.kill()
            process.wait()
            batch.runs += 1
            batch.killed_at_work += not ended
            server.calm()
        for _ in range(LAST_RUNS):
            process = _run(file, out, url, at_once, log)
            if not _wait(process, ledger):
                process.kill()
                process.wait()
                batch.violations.append(f"the last run does not end: {log.read_text('utf-8')[-2000:]}")
                break
            batch.runs += 1
            if not _count(out, "waiting"):
                break
        ledger.read()
        with closing(Journal(out)) as journal:
            totals = journal.totals()
            batch.spent, batch.uncertain = usd(totals.spent), usd(totals.reserved)
            batch.states.update(totals.counts)
            batch.violations += violations(out, list(records(journal)), ledger.by_seed)
        entries = [entry for each in ledger.by_seed.values() for entry in each]
        batch.faults = {name for name in PROVOCATIONS if ledger.faults[name]}
        batch.sendings, batch.ledger = len(entries), _cost(entries)
        if batch.states.total() != jobs:
            batch.violations.append(f"the journal has {batch.states.total()} jobs")
        if not batch.spent <= batch.ledger <= batch.spent + batch.uncertain:
            batch.violations.append(
                f"the ledger has ${batch.ledger}, the journal ${batch.spent} and ${batch.uncertain} uncertain"
            )
    batch.seconds = time.perf_counter() - begun
    return batch


def _count(out: Path, state: str) -> int:
    with closing(Journal(out)) as journal:
        return journal.totals().counts.get(state, 0)


def _cost(entries: list[Entry]) -> Decimal:
    return sum((Decimal(str(entry.cost)) for entry in entries), Decimal(0))


def violations(  # noqa: C901 - one case for each state
    out: Path, jobs: list[dict[str, Any]], by_seed: dict[int, list[Entry]]
) -> Iterator[str]:
    """Yield what a journal and its folder have that the ledger has not, or the reverse."""
    known = {job["seed"] for job in jobs}
    yield from (f"the ledger has seed {seed}, the journal has not" for seed in by_seed if seed not in known)
    for job in jobs:
        sent = by_seed.get(job["seed"], [])
        billed = [entry for entry in sent if entry.cost > 0]
        name, cost = f"{job['id']}, {job['state']} ({job['error']})", Decimal(str(job["cost"]))
        faults = "; ".join(entry.provocation or "a normal answer" for entry in sent)
        if len(billed) > 1:
            yield f"{name} was billed {len(billed)} times: {faults}"
        match job["state"]:
            case "done":
                if not job["files"] or not all(_opens(out / file) for file in job["files"]):
                    yield f"{name} has no picture: {faults}"
            case "failed":
                whole = [entry for entry in billed if entry.provocation not in DELIVERIES]
                if not job["error"]:
                    yield f"{name} has no reason: {faults}"
                if whole and not _is_kept(job, whole):
                    yield f"{name} was billed and delivered, and is not kept: {faults}"
            case "unknown":
                if Decimal(str(job["uncertain"])) < _cost(billed):
                    yield f"{name} was billed more than is reserved: {faults}"
                continue
            case _:
                yield f"{name} is not settled: {faults}"
        if cost != _cost(billed):
            yield f"{name} cost ${cost}, but ${_cost(billed)} by the ledger: {faults}"


def _is_kept(job: dict[str, Any], whole: list[Entry]) -> bool:
    """Return whether the reply is kept. Of an empty one there is nothing to keep."""
    empty = all("empty" in str(entry.provocation) or "lost" in str(entry.provocation) for entry in whole)
    return bool(job["kept"] and Path(job["kept"]).is_file()) or empty


def _opens(file: Path) -> bool:
    try:
        with PIL.Image.open(file) as picture:
            picture.load()
    except OSError:
        return False
    return True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=2_000)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    console = Console(highlight=False)
    batch = prove_batch(options.jobs, options.kills, COSTLY, seed=options.seed)
    console.print(
        f"{batch.jobs} jobs, killed {batch.killed_at_work} times in {batch.runs} runs (seed {options.seed}), "
        f"in {batch.seconds:.0f} s: {batch.sendings} sendings, "
        f"{len(batch.faults)} of {len(PROVOCATIONS)} faults"
    )
    console.print(", ".join(f"{count} {state}" for state, count in batch.states.most_common()))
    console.print(
        f"ledger ${batch.ledger}, journal ${batch.spent}, and ${batch.uncertain} that may have been billed"
    )
    if missing := sorted(PROVOCATIONS.keys() - batch.faults):
        batch.violations.append(f"these faults did not come, add jobs or kills: {', '.join(missing)}")
    for each in batch.violations[:50]:
        console.print(each, style="red")
    console.print(f"{len(batch.violations)} violations")
    sys.exit(bool(batch.violations))


if __name__ == "__main__":
    main()
