"""Prove that a batch on several machines pays for nothing twice and loses nothing, whatever dies.

`segmind-sd3 batch run --workers ray` sends its jobs from two nodes of a Ray cluster, under the faults of
`proofs.batch`. Workers, a node, the driver and the PostgreSQL server of the journal are killed at random
moments, and the same command goes on. At the end the journal and the pictures are compared with the ledger.

Ray takes some 600 MB. This program first makes an environment with it in `out/`, and goes on there.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
import tomllib
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from decimal import Decimal
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from packaging.requirements import Requirement
from rich.console import Console
from segmind_sd3._batch.databases import parse_journal
from segmind_sd3._batch.journal import Journal
from segmind_sd3._batch.report import records
from segmind_sd3._batch.values import usd
from segmind_sd3_api.parameters import OPERATIONS
from segmind_sd3_contract.reference import MADE_UP_KEY, ReferenceServer

from proofs.batch import DEADLINE, ENDPOINT, FAULTS, MOMENT, Ledger, cost_of, violations
from proofs.bench.peers import ROOT, Peer, make_environment
from proofs.fixtures.postgres_server import PostgresServer, find_postgres, postgres_server
from proofs.fixtures.ray_nodes import LOOPBACK, Nodes, ray_nodes

if TYPE_CHECKING:
    from collections.abc import Iterator

EXTRAS: Final = ("cli", "batch", "pil", "postgres", "s3", "contract")
KINDS: Final = ("worker", "node", "driver", "database")

RAY: Final = "2.60.0"
TESTS: Final = "contract_tests/sdk/test_batch_on_ray.py"

SHARE: Final = Decimal("0.6")
"""The part of the jobs' whole price that the budget covers until all kills are over."""

DRIVERS: Final = 3
"""How many drivers are started until one of them is at work, for a kill."""

LAST_RUNS: Final = 10
PATIENCE: Final = 300.0


def environment() -> Peer:
    """Return the environment of this proof: what a node needs, in the versions that are installed here."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)["project"]
    tables = [project["dependencies"], *(project["optional-dependencies"][extra] for extra in EXTRAS)]
    needed = {each.name: each for table in tables for each in map(Requirement, table)}
    ours = [f"{each}=={version(each)}" for each in needed if each != project["name"]]
    binary = [f"psycopg-binary=={version('psycopg')}"]
    tools = [
        f"{each}=={version(each)}" for each in ("packaging", "pytest-timeout", "moto", "flask", "flask-cors")
    ]
    return Peer(
        "ray",
        (f"ray[client]=={RAY}", *ours, *binary, *tools),
        "import ray, psycopg",
        sources=("wrapper", "generated_client", "contract_tests"),
    )


@dataclass
class Proof:
    """The numbers of a run of the proof, and its violations."""

    jobs: int
    kills: Counter[str] = field(default_factory=Counter[str])
    idle: int = 0
    runs: int = 0
    sendings: int = 0
    seconds: float = 0.0
    states: Counter[str] = field(default_factory=Counter[str])
    errors: dict[str, int] = field(default_factory=dict[str, int])
    ledger: Decimal = Decimal(0)
    spent: Decimal = Decimal(0)
    uncertain: Decimal = Decimal(0)
    budget: Decimal = Decimal(0)
    at_the_budget: Decimal = Decimal(0)
    violations: list[str] = field(default_factory=list[str])


class Machines:
    """What can be killed: the cluster, the database, and the driver, which is started again.

    Attributes:
        runs: how many drivers were started.
    """

    def __init__(  # noqa: PLR0917 - the parts
        self, nodes: Nodes, database: PostgresServer, ledger: Ledger, place: Path, url: str, random: Random
    ) -> None:
        self._nodes, self._database, self._ledger = nodes, database, ledger
        self._place, self._random = place, random
        self.runs = 0
        journal = re.sub(":[^:@]*@", "@", database.url("proof"), count=1)  # without the password
        self._words = [
            sys.executable,
            "-m",
            "segmind_sd3",
            "batch",
            "run",
            str(place / "jobs.jsonl"),
            "--json",
        ]
        self._words += ["--endpoint", ENDPOINT, "--timeout", str(DEADLINE), "--at-once", "16"]
        self._words += ["--out", str(place / "out"), "--journal", journal, "--workers", "ray"]
        self._environment = os.environ | {"RAY_ADDRESS": nodes.address, "SEGMIND_BASE_URL": url}
        self._driver: subprocess.Popen[bytes] | None = None

    def drive(self, *words: str) -> subprocess.Popen[bytes]:
        """Return the driver that runs, or start one."""
        if self._driver is None or self._driver.poll() is not None:
            with (self._place / "log").open("ab") as log:
                self._driver = subprocess.Popen(  # noqa: S603 - the project's own
                    [*self._words, *words], env=self._environment, stdout=log, stderr=log
                )
            self.runs += 1
        return self._driver

    def wait(self, driver: subprocess.Popen[bytes], sendings: int | None = None) -> bool:
        """Wait until the driver has ended, or so many calls have arrived; return whether it has ended."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if driver.poll() is not None:
                return True
            if sendings is not None and self._ledger.sendings >= sendings:
                return False
            time.sleep(0.02)
        driver.kill()
        driver.wait()
        raise TimeoutError(f"the driver does not end: {self.log[-3000:]}")

    @property
    def log(self) -> str:
        return (self._place / "log").read_text("utf-8", "replace")

    def send_until(self, sendings: int, *words: str) -> bool:
        """Let a driver work until so many calls have arrived; return whether it still does."""
        return any(not self.wait(self.drive(*words), sendings) for _ in range(DRIVERS))

    def kill(self, kind: str) -> bool:
        """Kill something, and start it again; return whether it was there."""
        match kind:
            case "worker":
                return self._nodes.kill_worker(self._random)
            case "node":
                self._nodes.kill_node()
                time.sleep(self._random.uniform(0, 1))
                self._nodes.replace_node()
            case "driver":
                if self._driver is not None:
                    self._driver.kill()
                    self._driver.wait()
            case _:
                self._database.kill()
                time.sleep(self._random.uniform(0, 2))
                self._database.start()
        return True


def prove(jobs: int, kills: int, *, seed: int) -> Proof:
    """Send so many jobs, kill so often, and compare what is there with the ledger."""
    programs = find_postgres()
    if programs is None:
        raise FileNotFoundError("no PostgreSQL server is installed: Debian's package is named postgresql")
    proof, random = Proof(jobs), Random(seed)  # noqa: S311 - a proof, not a secret
    begun = time.perf_counter()
    server = ReferenceServer(credits=1e6)
    ledger = Ledger(server)
    with (
        TemporaryDirectory() as folder,
        postgres_server(programs) as database,
        server.listening() as url,
        ray_nodes({"SEGMIND_API_KEY": MADE_UP_KEY, "PGPASSWORD": database.password}) as nodes,
    ):
        place = Path(folder)
        size = {"img_width": 512, "img_height": 512}
        lines = (json.dumps({"id": f"job-{n}", "prompt": f"a lighthouse {n}", **size}) for n in range(jobs))
        (place / "jobs.jsonl").write_text("\n".join(lines), "utf-8")
        machines = Machines(nodes, database, ledger, place, url, random)
        price = OPERATIONS[ENDPOINT.replace("-", "_")].usd_per_picture
        proof.budget = SHARE * jobs * Decimal(str(price))
        kinds = [KINDS[n % len(KINDS)] for n in range(kills)]
        random.shuffle(kinds)
        for kind in kinds:
            for name in random.sample(FAULTS, k=min(len(FAULTS), max(2, jobs // (2 * kills)))):
                server.provoke(name)
            sendings = ledger.sendings + random.randint(1, jobs // kills)
            at_work = machines.send_until(sendings, "--budget", str(proof.budget))
            time.sleep(random.uniform(0, MOMENT))
            there = machines.kill(kind)
            proof.kills[kind] += 1
            proof.idle += not (at_work and there)
            server.calm()
        machines.wait(machines.drive("--budget", str(proof.budget)))
        machines.wait(machines.drive("--budget", str(proof.budget)))
        ledger.read()
        proof.at_the_budget = cost_of([entry for each in ledger.by_seed.values() for entry in each])
        for _ in range(LAST_RUNS):
            machines.wait(machines.drive())
            if not _totals(database, place).get("waiting"):
                break
        proof.runs = machines.runs
        _compare(proof, database, ledger, place)
    proof.seconds = time.perf_counter() - begun
    return proof


def _journal(database: PostgresServer, place: Path) -> Journal:
    return Journal(parse_journal(database.url("proof"), place / "out"))


def _totals(database: PostgresServer, place: Path) -> dict[str, int]:
    with closing(_journal(database, place)) as journal:
        return dict(journal.totals().counts)


def _compare(proof: Proof, database: PostgresServer, ledger: Ledger, place: Path) -> None:
    ledger.read()
    entries = [entry for each in ledger.by_seed.values() for entry in each]
    with closing(_journal(database, place)) as journal:
        totals = journal.totals()
        proof.states.update(totals.counts)
        proof.errors = journal.failures()
        proof.spent, proof.uncertain = usd(totals.spent), usd(totals.reserved)
        proof.violations += violations(place / "out", list(records(journal)), ledger.by_seed)
    proof.sendings, proof.ledger = len(entries), cost_of(entries)
    proof.violations += _sums(proof)
    if MADE_UP_KEY in (place / "log").read_text("utf-8", "replace"):
        proof.violations.append("the log has the key")


def _sums(proof: Proof) -> Iterator[str]:
    if proof.states.total() != proof.jobs:
        yield f"the journal has {proof.states.total()} jobs"
    if not proof.spent <= proof.ledger <= proof.spent + proof.uncertain:
        yield f"the ledger has ${proof.ledger}, the journal ${proof.spent} and ${proof.uncertain} uncertain"
    if proof.at_the_budget > proof.budget:
        yield f"${proof.at_the_budget} were billed under a budget of ${proof.budget}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=2_000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--tests", action="store_true", help=f"run {TESTS} instead")
    options = parser.parse_args()
    if find_spec("ray") is None:
        own = environment()
        if reason := make_environment(own):
            sys.exit(reason)
        command = [str(own.python), "-m", "proofs.many_machines", *sys.argv[1:]]
        sys.exit(subprocess.run(command, env=os.environ | LOOPBACK, check=False).returncode)  # noqa: S603 - our own
    if options.tests:
        words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--timeout", "300", TESTS]
        sys.exit(subprocess.run(words, cwd=ROOT, check=False).returncode)  # noqa: S603 - our own
    proof = prove(options.jobs, options.kills, seed=options.seed)
    console = Console(highlight=False)
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(proof.kills.items()))
    console.print(
        f"{proof.jobs} jobs on two nodes, {proof.kills.total()} kills ({kinds}), {proof.idle} of them with "
        f"nothing under way, {proof.runs} drivers (seed {options.seed}), in {proof.seconds:.0f} s: "
        f"{proof.sendings} sendings"
    )
    console.print(", ".join(f"{count} {state}" for state, count in proof.states.most_common()))
    console.print(", ".join(f"{count} {error}" for error, count in sorted(proof.errors.items())))
    console.print(
        f"ledger ${proof.ledger}, journal ${proof.spent}, and ${proof.uncertain} that may have been billed"
    )
    console.print(f"${proof.at_the_budget} were billed under a budget of ${proof.budget}")
    for each in proof.violations[:50]:
        console.print(each, style="red")
    console.print(f"{len(proof.violations)} violations")
    sys.exit(bool(proof.violations))


if __name__ == "__main__":
    main()
