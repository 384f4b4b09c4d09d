"""`python -m proofs [NAME [ARGUMENT…]]`: run a proof by its name, or list them. `make prove WHAT=…` calls it.

A proof takes longer than a test may, or needs what a checkout does not set up. `make test` runs a sample of
most.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from typing import Final

PYTHON: Final = (sys.executable, "-m")


@dataclass(frozen=True)
class Proof:
    """What a proof shows, and the commands that show it, each run if the one before succeeds."""

    claim: str
    commands: tuple[tuple[str, ...], ...]


def module(*words: str) -> tuple[str, ...]:
    return (*PYTHON, *words)


PROOFS: Final = {
    "slow-tests": Proof(
        "the tests that take long: whole conformance runs, copies of the repository, samples of planted faults",
        (module("pytest", "-n", "3", "--dist", "loadfile", "-q", "-m", "slow"),),
    ),
    "faults": Proof(
        "every fault that a paid API can meet its client with, in every way to call, as a table",
        (module("proofs.faults"),),
    ),
    "sequences": Proof(
        "10,000 random sequences of faults: nothing is paid twice, lost or misreported",
        (module("proofs.sequences"),),
    ),
    "soak": Proof(
        "20,000 async calls under faults, 64 at once, 5,000 cancelled, on asyncio and trio: nothing is left behind",
        (module("proofs.soak"), module("proofs.soak", "--trio")),
    ),
    "forks": Proof(
        "a client used by forked workers, 100 rounds of each kind: each gets its own pictures",
        (module("proofs.forks"),),
    ),
    "interrupts": Proof(
        "12,000 interrupts at the worst moments: each is raised soon, and the client goes on",
        (module("proofs.interrupts"),),
    ),
    "early-answers": Proof(
        "answers that come before a large body was read, 25 times each: the caller has them",
        (module("proofs.early_answers"),),
    ),
    "planted": Proof(
        "each quirk switched off and each bound moved, one at a time: a test notices",
        (module("proofs.planted"),),
    ),
    "mutation": Proof(
        "one thing changed at a time in servers and specs: the suite finds it; writes out/mutation.json",
        (module("proofs.mutation"),),
    ),
    "mutation-compare": Proof(
        "a sample of the same changes under schemathesis alone, side by side",
        (module("proofs.mutation.compare", "--sample", "200"),),
    ),
    "pages": Proof(
        "every fact of the docs pages and the specs changed: docs check sees it, and docs sync follows it",
        (module("proofs.pages.check"), module("proofs.pages.sync")),
    ),
    "through": Proof(
        "from each kind of change to a tested client by one command, in clones, with the time it takes",
        (module("proofs.pages.page_to_client"),),
    ),
    "generator": Proof(
        "another openapi-python-client in a temporary copy: gate, differences, tests",
        (module("proofs.generator"),),
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
    "redocly": Proof(
        "a second opinion on the rating of changes, by redocly; needs Node",
        (module("proofs.redocly"),),
    ),
}


def main(arguments: list[str]) -> int:
    """Run the proof that is named, with its further arguments; without a name, list all."""
    if not arguments:
        for name, proof in PROOFS.items():
            print(f"  make prove WHAT={name:<18}{proof.claim}")
        return 0
    name, *others = arguments
    if name not in PROOFS:
        print(f"There is no proof {name!r}; there are: {', '.join(PROOFS)}.", file=sys.stderr)
        return 2
    for command in PROOFS[name].commands:
        if status := subprocess.run([*command, *others], check=False).returncode:  # noqa: S603 - no shell
            return status
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
