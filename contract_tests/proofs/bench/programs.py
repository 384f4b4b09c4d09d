"""Measure generation beside the bare generator, and the suite beside schemathesis."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import time
from dataclasses import replace
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from proofs.bench.figures import BARE_GENERATOR, SCHEMATHESIS, Figure
from proofs.bench.network import DRAW
from proofs.bench.peers import OURS, ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from proofs.bench.options import Options


def generation(options: Options) -> Iterator[Figure]:
    """Measure `make generate` and openapi-python-client alone, each into an empty folder."""
    document = str(ROOT / "generated_client/segmind_sd3_api/documented.json")
    ours = [sys.executable, "-m", "segmind_sd3_pipeline.generate", "--output"]
    bare = [sys.executable, "-m", "openapi_python_client", "generate", "--meta", "none", "--path", document]
    # Both run `ruff` from the PATH.
    path = f"{sysconfig.get_path('scripts')}{os.pathsep}{os.environ.get('PATH', '')}"
    environment = {**os.environ, "PATH": path}
    taken: dict[str, list[float]] = {OURS: [], BARE_GENERATOR: []}
    for number in range(options.rounds + 1):
        with TemporaryDirectory() as folder:
            commands = {
                OURS: [*ours, f"{folder}/ours"],
                BARE_GENERATOR: [*bare, "--output-path", f"{folder}/bare"],
            }
            for name in sorted(commands, reverse=bool(number % 2)):
                before = time.perf_counter()
                subprocess.run(commands[name], env=environment, check=True, capture_output=True)  # noqa: S603 - the above
                if number:  # the first round fills the disk cache
                    taken[name].append((time.perf_counter() - before) * 1e3)
    yield Figure("generation", "ms", taken)


def suite(options: Options) -> Iterator[Figure]:
    """Measure calls a second of the suite and of schemathesis, each in a new process, as people run them."""
    rates: dict[str, list[float]] = {OURS: [], SCHEMATHESIS: []}
    for number in range(options.rounds):
        for name in sorted(rates, reverse=bool(number % 2)):
            command = [sys.executable, "-m", "proofs.bench.programs", name]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)  # noqa: S603 - this file
            rates[name].append(float(done.stdout))
    yield Figure("suite: rate", "1/s", rates, more_is_better=True)


def calls_a_second(program: str) -> float:
    """Run the suite or schemathesis on one endpoint of a new reference server, in this process."""
    # They take a second to load.
    from proofs.mutation import compare  # noqa: PLC0415 - see above
    from proofs.mutation.mutants import UNCHANGED  # noqa: PLC0415 - see above
    from proofs.mutation.score import outcome_of  # noqa: PLC0415 - see above

    compare.SCHEMATHESIS.hook(compare.before_call)
    endpoint = replace(UNCHANGED, operation=DRAW)
    server, before = endpoint.server(), time.perf_counter()
    broken = outcome_of(endpoint, server) if program == OURS else compare.first_failure(endpoint, server)
    if broken:
        raise SystemExit(f"{program} finds a fault in the reference server: {broken}")
    return len(server.ledger) / (time.perf_counter() - before)


if __name__ == "__main__":
    print(calls_a_second(sys.argv[1]))
