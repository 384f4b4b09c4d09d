"""Prove that a signal at any moment of a command loses no picture that was paid for.

Each trial runs `segmind-sd3 sd35-turbo-txt2img` in a process of its own, and sends it SIGINT, SIGTERM or
SIGHUP, once or twice. The reference server answers on a socket, and its ledger says what was billed. An
answer is delivered at once, in drops, or stalls after its half. The moments are random: after the start,
after the request arrived, and within 20 ms of the end of the answer. It needs Linux.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final, Literal

from rich.console import Console
from rich.progress import Progress
from segmind_sd3_contract.reference import MADE_UP_KEY, ReferenceServer

from proofs.fixtures.sockets import reply, serving

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from proofs.fixtures.sockets import Connection

Delivery = Literal["whole", "drip", "stall"]
Moment = Literal["after the start", "after the request", "around the end of the answer"]

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
DELIVERIES: Final[tuple[Delivery, ...]] = ("whole", "drip", "stall")
MOMENTS: Final[dict[Moment, tuple[int, int]]] = {
    "after the start": (0, 600),
    "after the request": (0, 300),
    "around the end of the answer": (-20, 20),
}
"""The moments, with the least and the greatest delay in milliseconds."""

ANSWER_TAKES: Final = (0.05, 0.1, 1.0)
"""Seconds from the arrival of a request to the end of its answer. A signalled command gives up before 1 s."""

DROPS: Final = 10
"""The number of pieces of the second half of an answer that drips."""

GRACE: Final = 0.2
"""Seconds after a signal within which a reply is still taken: a little less than what the command says."""

PATIENCE: Final = 60.0
"""Seconds after which a command that has not ended has failed."""

START: Final = """
import signal, sys
for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
from segmind_sd3.__main__ import main
sys.exit(main())
"""
"""A background job's child has SIGINT ignored, and `nohup` ignores SIGHUP: neither is so here."""

BILLED_LINE: Final = re.compile(r"^(Not billed|Billed|May have been billed)\b.*$", re.MULTILINE)
BILLED: Final = {"Not billed": False, "Billed": True, "May have been billed": None}


@dataclass(frozen=True, slots=True)
class Trial:
    """A command and its signals. The delay is in milliseconds; a second signal follows after `again`."""

    seed: int
    number: signal.Signals
    delivery: Delivery
    takes: float
    moment: Moment
    delay: int
    again: int | None
    as_json: bool

    def __str__(self) -> str:
        twice = "" if self.again is None else f", again after {self.again} ms"
        answer = f"{self.delivery}, {self.takes} s"
        return f"{self.number.name} {self.delay} ms {self.moment} ({answer}{twice}, seed {self.seed})"


def trials(count: int, seed: int) -> list[Trial]:
    """Draw the trials. Each signal, delivery and moment has its turn, the end of the answer two of four."""
    random = Random(f"signals {seed}")  # noqa: S311 - a test, not a secret
    moments: tuple[Moment, ...] = (*MOMENTS, "around the end of the answer")
    return [
        Trial(
            seed=n,
            number=SIGNALS[n % 3],
            delivery=DELIVERIES[n // 3 % 3],
            takes=random.choice(ANSWER_TAKES),
            moment=(moment := moments[n // 9 % 4]),
            delay=random.randint(*MOMENTS[moment]),
            again=random.choice((None, None, random.randint(0, 100))),
            as_json=random.random() < 0.5,
        )
        for n in range(count)
    ]


class Call:
    """What the server knows of one call. All times are monotonic."""

    def __init__(self) -> None:
        self.arrived = threading.Event()
        self.ends_at = 0.0
        self.body = b""
        self.sent: list[tuple[float, int]] = []

    def sent_by(self, moment: float) -> int:
        """Return how many bytes of the body were sent by then."""
        return max((size for at, size in self.sent if at <= moment), default=0)


class LedgerServer:
    """The reference server, with its answers delivered as each call's trial says."""

    def __init__(self, made: list[Trial]) -> None:
        self.reference = ReferenceServer(profile="observed", credits=1000.0)
        self.calls = {trial.seed: Call() for trial in made}
        self._trials = {trial.seed: trial for trial in made}

    def billed(self, seed: int) -> list[bool]:
        """Return for each sending of a call whether it was billed."""
        return [entry.cost > 0 for entry in self.reference.ledger if entry.body["seed"] == seed]

    def script(self, connection: Connection) -> None:
        if (request := connection.request()) is None:
            return
        seed = json.loads(request.body)["seed"]
        call, trial = self.calls[seed], self._trials[seed]
        call.ends_at = time.monotonic() + trial.takes
        answer = self.reference.answer(request)
        call.body = answer.body
        call.arrived.set()
        size, headers = 0, {name.replace("-", "_"): value for name, value in answer.headers.items()}
        headers["content_length"] = str(len(answer.body))
        before = reply(answer.status, b"", **headers)
        for at, piece in _pieces(call, trial):
            connection.pause(at - time.monotonic())
            connection.send(before + piece)
            before, size = b"", size + len(piece)
            call.sent.append((time.monotonic(), size))
        connection.wait_for_hangup()


def _pieces(call: Call, trial: Trial) -> Iterator[tuple[float, bytes]]:
    """Yield the pieces of an answer's body, each with the time at which it is sent."""
    if trial.delivery == "whole":
        yield call.ends_at, call.body
        return
    half = len(call.body) // 2
    if trial.delivery == "stall":
        yield call.ends_at, call.body[:half]
        return
    yield 0.0, call.body[:half]
    rest = call.body[half:]
    for n in range(DROPS):
        part = rest[n * len(rest) // DROPS : (n + 1) * len(rest) // DROPS]
        yield call.ends_at - (DROPS - 1 - n) * trial.takes / DROPS, part


# -- The commands -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class End:
    """How a command ended.

    Attributes:
        code: Its exit code.
        stdout: What it printed.
        stderr: What it printed on stderr.
        files: The files in its folder, by name.
        signalled_at: The time of the first signal, or None if the command had ended before.
        took: The seconds from the first signal to its end.
    """

    code: int
    stdout: str
    stderr: str
    files: dict[str, bytes]
    signalled_at: float | None
    took: float


def run(trial: Trial, url: str, call: Call, start: str = START) -> End:
    """Run a trial's command in a new folder, and signal it at the trial's moment."""
    words = ("--prompt", "a lighthouse", "--width", "128", "--height", "128", "--out", "lighthouse.jpg")
    command = [sys.executable, "-c", start, "sd35-turbo-txt2img", *words, "--seed", str(trial.seed)]
    command += ["--json"] if trial.as_json else []
    env = os.environ | {"SEGMIND_API_KEY": MADE_UP_KEY, "SEGMIND_BASE_URL": url, "TMPDIR": "."}
    with (
        TemporaryDirectory() as folder,
        subprocess.Popen(command, cwd=folder, env=env, stdout=-1, stderr=-1, text=True) as process,  # noqa: S603 - our own
    ):
        signalled_at = None
        try:
            signalled_at = _signal(process, trial, call)
            stdout, stderr = process.communicate(timeout=PATIENCE)
        finally:
            process.kill()
        took = time.monotonic() - signalled_at if signalled_at else 0.0
        found = {str(file.relative_to(folder)): file for file in Path(folder).rglob("*") if file.is_file()}
        files = {name: file.read_bytes() for name, file in found.items()}
        return End(process.returncode, stdout, stderr, files, signalled_at, took)


def _signal(process: subprocess.Popen[str], trial: Trial, call: Call) -> float | None:
    """Send the signals of a trial. Return the time of the first, or None if the command had ended before."""
    if trial.moment == "after the start":
        _wait_for_handlers(process)
        at = time.monotonic()
    elif call.arrived.wait(PATIENCE):
        at = call.ends_at if trial.moment == "around the end of the answer" else time.monotonic()
    else:
        return None
    time.sleep(max(0.0, at + trial.delay / 1000 - time.monotonic()))
    if process.poll() is not None:
        return None
    signalled_at = time.monotonic()
    process.send_signal(trial.number)
    if trial.again is not None:
        time.sleep(trial.again / 1000)
        process.send_signal(trial.number)
    return signalled_at


def _wait_for_handlers(process: subprocess.Popen[str]) -> None:
    """Wait until the command handles SIGTERM. Before, Python itself is starting."""
    status, ends = Path(f"/proc/{process.pid}/status"), time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < ends:
        caught = re.search(r"^SigCgt:\s*(\w+)", status.read_text("ascii"), re.MULTILINE)
        if caught and int(caught[1], 16) >> signal.SIGTERM - 1 & 1:
            return
        time.sleep(0.001)


# -- The verdict ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Report:
    """What a command said: whether it was billed, and the files that it named."""

    billed: bool | None
    names: tuple[str, ...]


def report_of(trial: Trial, end: End) -> Report | None:
    """Read what a command said. Return None if it did not say whether it was billed."""
    if trial.as_json:
        try:
            printed: dict[str, Any] = json.loads(end.stdout)
        except ValueError:
            return None
        if "billed" not in printed:
            return None
        saved = (printed["saved"],) if printed.get("saved") else ()
        return Report(printed["billed"], tuple(printed.get("files", saved)))
    if end.code == 0:
        return Report(billed=True, names=(end.stdout.partition("  ")[0],))
    said = list(BILLED_LINE.finditer(end.stderr))
    if len(said) != 1:
        return None
    saved = re.search(r"what came is saved in (.+?)(;|\.$)", said[0][0])
    return Report(BILLED[said[0][1]], (saved[1],) if saved else ())


def violations(trial: Trial, end: End, call: Call, billed: list[bool]) -> Iterator[str]:
    """Yield what is wrong with the end of a command, by the server's ledger."""
    if len(billed) > 1:
        yield f"sent {len(billed)} times"
    if end.code not in (0, 128 + trial.number):
        yield f"ended with code {end.code}"
    if "Traceback" in end.stderr:
        yield f"showed a traceback: {end.stderr!r}"
    report = report_of(trial, end)
    if report is None:
        yield f"did not say whether it was billed: {end.stdout!r} {end.stderr!r}"
        return
    if report.billed is not None and report.billed != any(billed):
        yield f"says billed={report.billed}, but the ledger says {billed}"
    if {*report.names} != {*end.files}:
        yield f"named {report.names}, but the files are {[*end.files]}"
        return
    if not any(billed):
        return
    kept = b"".join(end.files.values())
    signalled_at = time.monotonic() if end.signalled_at is None else end.signalled_at
    if call.sent_by(signalled_at + GRACE) == len(call.body) and end.files != {"lighthouse.jpg": call.body}:
        yield f"lost a picture: the files are {[*end.files]}"
    if not call.body.startswith(kept) or len(kept) < call.sent_by(signalled_at):
        yield f"kept {len(kept)} of the {call.sent_by(signalled_at)} bytes that were sent by then"


@dataclass(slots=True)
class Outcome:
    """The results of all trials. `violations` must stay empty."""

    trials: int = 0
    signalled: int = 0
    billed: int = 0
    whole: int = 0
    part: int = 0
    nothing: int = 0
    codes: Counter[int] = field(default_factory=Counter[int])
    said: Counter[str] = field(default_factory=Counter[str])
    slowest: float = 0.0
    violations: list[str] = field(default_factory=list[str])

    def note(self, trial: Trial, end: End, call: Call, billed: list[bool]) -> None:
        self.trials += 1
        self.signalled += end.signalled_at is not None
        self.codes[end.code] += 1
        report = report_of(trial, end)
        self.said[str(report.billed) if report else "nothing"] += 1
        if any(billed):
            self.billed += 1
            kept = sum(map(len, end.files.values()))
            self.whole += kept == len(call.body)
            self.part += 0 < kept < len(call.body)
            self.nothing += kept == 0
        self.slowest = max(self.slowest, end.took)
        self.violations += (f"{trial}: {each}" for each in violations(trial, end, call, billed))


def prove(count: int, *, seed: int = 0, at_once: int = 2, start: str = START) -> Generator[Outcome]:
    """Run the trials, and yield the outcome after each."""
    made, outcome = trials(count, seed), Outcome()
    server = LedgerServer(made)
    with serving(server.script) as peer, ThreadPoolExecutor(at_once) as threads:

        def run_one(trial: Trial) -> tuple[Trial, End]:
            return trial, run(trial, peer.url, server.calls[trial.seed], start)

        for trial, end in threads.map(run_one, made):
            outcome.note(trial, end, server.calls[trial.seed], server.billed(trial.seed))
            yield outcome


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0, help="seed of the random moments")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    console, outcome = Console(highlight=False), Outcome()
    with Progress(console=Console(stderr=True)) as progress:
        bar = progress.add_task("signals", total=options.trials)
        for outcome in prove(options.trials, seed=options.seed):  # noqa: B007 - the last one counts
            progress.advance(bar)
    if options.json:
        print(json.dumps(asdict(outcome), indent=1))
    else:
        for each in outcome.violations[:50]:
            console.print(each, style="red", markup=False)
        codes = ", ".join(f"{count} with {code}" for code, count in sorted(outcome.codes.items()))
        said = ", ".join(f"{count} {billed}" for billed, count in sorted(outcome.said.items()))
        console.print(
            f"{outcome.trials} commands, {outcome.signalled} of them signalled, ended: {codes}. "
            f"Billed, they said: {said}. Of {outcome.billed} billed pictures {outcome.whole} are on disk, "
            f"{outcome.part} as the part that came; of {outcome.nothing} nothing had come. "
            f"The slowest ended {outcome.slowest:.2f} s after its signal; "
            f"{len(outcome.violations)} violations"
        )
    sys.exit(bool(outcome.violations))


if __name__ == "__main__":
    main()
