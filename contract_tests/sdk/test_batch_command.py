"""`segmind-sd3 batch`: what a person types, and what is printed."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from click.testing import CliRunner, Result
from proofs.batch import prove_batch
from proofs.fixtures.sockets import Connection, Script, reply, serving, stalling
from segmind_sd3 import Client, _cli_batch
from segmind_sd3._batch.journal import Journal
from segmind_sd3._batch.values import Claim
from segmind_sd3._cli import commands
from segmind_sd3._cli_batch import _Bar  # pyright: ignore[reportPrivateUsage]
from segmind_sd3._cli_signals import Signals
from segmind_sd3_contract.reference import MADE_UP_KEY, ReferenceServer

LINE = json.dumps({"id": "fox", "prompt": "a fox", "width": 64, "height": 64})
PATIENCE = 60.0
processes = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
TURBO = ("--endpoint", "sd35-turbo-txt2img")


@pytest.fixture
def batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.chdir(tmp_path)
    Path("jobs.jsonl").write_text(f"{LINE}\n", "utf-8")

    def run(*words: str) -> Result:
        return CliRunner().invoke(commands, ["batch", *words])

    return run


def send(batch: Callable[..., Result], *words: str) -> Result:
    return batch("run", "jobs.jsonl", *TURBO, "--out", "out", "--local", *words)


def test_run_sends_the_jobs_of_a_file_and_says_how_they_stand(batch: Callable[..., Result]):
    ran = send(batch)
    assert (ran.exit_code, ran.output) == (0, "1 done; $0.0035 spent\n")
    assert Path("out/fox.jpg").is_file()


def test_run_makes_jobs_of_a_grid_alone(batch: Callable[..., Result]):
    small = ("--set", "width=64", "--set", "height=64", "--set", "prompt=a fox")
    ran = batch(
        "run", *TURBO, "--out", "out", "--local", *small, "--vary", "seed=1..2", "--vary", "steps=10,12"
    )
    assert ran.output == "4 done; $0.0140 spent\n"


def test_run_prints_each_outcome_as_a_line_of_json(batch: Callable[..., Result]):
    first, last = map(json.loads, send(batch, "--json").output.splitlines())
    assert (first["id"], first["state"], first["files"]) == ("fox", "done", ["out/fox.jpg"])
    assert last["summary"]["counts"] == {"done": 1}


def test_run_names_the_wrong_line_and_ends_with_1(batch: Callable[..., Result]):
    Path("jobs.jsonl").write_text(f"{LINE}\n{{broken\n", "utf-8")
    ran = send(batch)
    assert ran.exit_code == 1
    assert "Error: jobs.jsonl, line 2: it is no JSON object" in ran.output
    assert "1 jobs are wrong and were not taken." in ran.output


def test_run_says_why_it_stopped(batch: Callable[..., Result]):
    ran = send(batch, "--limit", "0")
    assert "Stopped: the limit of 0 jobs is reached. The same command goes on." in ran.output


def test_run_says_what_a_job_failed_of(batch: Callable[..., Result]):
    ran = send(batch, "--set", 'extra={"seed": "none"}')
    assert "fox failed: RequestRefused: HTTP 400" in ran.output
    assert ran.exit_code == 1


def test_a_dry_run_counts_and_prices_what_is_left_and_sends_nothing(batch: Callable[..., Result]):
    dry = send(batch, "--dry-run", "--per-minute", "50")
    said = "1 jobs to send, $0.0088 at the worst (an estimate), 0.0 minutes at 50 a minute.\n"
    assert (dry.exit_code, dry.output) == (0, said)
    send(batch)
    assert json.loads(send(batch, "--dry-run", "--json").output)["jobs"] == 0


def test_a_dry_run_names_what_is_wrong(batch: Callable[..., Result]):
    Path("jobs.jsonl").write_text("{broken\n", "utf-8")
    dry = send(batch, "--dry-run")
    assert dry.exit_code == 2
    assert "jobs.jsonl, line 1" in dry.output
    assert "1 jobs are wrong." in dry.output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("run", "--out", "out", "--local"), "there are no jobs: name a file, or give --set and --vary"),
        (("run", "no.jsonl", "--out", "out", "--local"), "there is no file no.jsonl"),
        (("run", "--out", "out", "--vary", "seed"), "'seed' is not of the form NAME=VALUES"),
        (("status", "."), ". holds no journal: `batch run --out .` begins one"),
        (("retry", "out"), "say which jobs: --failed, --unknown or --billed"),
    ],
)
def test_a_wrong_command_is_refused_with_2(batch: Callable[..., Result], words: tuple[str, ...], said: str):
    send(batch)
    refused = batch(*words)
    assert (refused.exit_code, said in refused.output) == (2, True)


@pytest.mark.parametrize("command", ["run", "status"])
def test_without_sqlalchemy_the_command_names_the_extra(
    batch: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, command: str
):
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    ran = send(batch) if command == "run" else batch("status", ".")
    assert "batch needs SQLAlchemy: pip install 'segmind-sd3[batch]'" in ran.output


def test_status_counts_jobs_and_failures(batch: Callable[..., Result]):
    send(batch)
    assert batch("status", "out").output.startswith("1 done; $0.0035 spent\n")
    with closing(Journal(Path("out"))) as journal:
        assert journal.failures() == {}
    assert json.loads(batch("status", "out", "--json").output)["counts"] == {"done": 1}


def test_status_tells_time_and_pictures_a_minute_without_the_pause_between_runs(batch: Callable[..., Result]):
    send(batch, "--vary", "seed=1..4", "--limit", "2")
    send(batch, "--vary", "seed=1..4")
    with closing(Journal(Path("out"))) as journal, journal._transaction() as connection:  # pyright: ignore[reportPrivateUsage]
        times = "UPDATE jobs SET started = 1000 * run, ended = 1000 * run + 10 * n"
        connection.exec_driver_sql(times)  # the runs took 20 s and 40 s
    assert "\n4 pictures in 60.0 s of sending, 4 a minute\n" in batch("status", "out").output
    status = json.loads(batch("status", "out", "--json").output)
    assert (status["pictures"], status["seconds"], status["per_minute"]) == (4, 60, 4)


def test_status_tells_no_pace_before_the_first_picture(batch: Callable[..., Result]):
    send(batch, "--limit", "0")
    assert batch("status", "out").output == "1 waiting; $0.0000 spent\n"


def test_retry_lets_jobs_wait_and_run_sends_them(batch: Callable[..., Result]):
    send(batch, "--limit", "0")
    with closing(Journal(Path("out"))) as journal:
        journal.apply([Claim()])
    send(batch)  # the run of that claim died
    assert "1 unknown; $0.0000 spent, up to $0.0088 more may have been billed\n  1 Interrupted" in (
        batch("status", "out").output
    )
    assert batch("retry", "out", "--unknown").output == "1 jobs wait again: `batch run` sends them.\n"
    assert send(batch).output.startswith("1 done")


def test_retry_leaves_a_folder_alone_that_a_run_works_on(batch: Callable[..., Result]):
    send(batch)
    with closing(Journal(Path("out"))) as journal, journal.running():
        refused = batch("retry", "out", "--failed")
    assert (refused.exit_code, "another run works on out" in refused.output) == (2, True)


def test_a_journal_that_is_none_is_named(batch: Callable[..., Result]):
    Path("journal.db").write_bytes(b"no database at all" * 99)
    assert "the journal can't be used" in batch("status", ".").output


def test_export_writes_each_job_with_file_seed_cost_and_request_id(batch: Callable[..., Result]):
    send(batch)
    assert batch("export", "out", "--out", "all.jsonl").output == "1 jobs are in all.jsonl.\n"
    (job,) = map(json.loads, Path("all.jsonl").read_text("utf-8").splitlines())
    assert (job["id"], job["files"], job["cost"], job["attempts"]) == ("fox", ["fox.jpg"], 0.0035, 1)
    assert job["seed"] == job["parameters"]["seed"]
    assert job["request_id"]


def test_export_writes_the_same_as_a_parquet_file(
    batch: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("segmind_sd3._batch.report.ROWS_TOGETHER", 2)
    send(batch, "--vary", "seed=1..3")
    batch("export", "out")
    assert batch("export", "out", "--format", "parquet").output == "3 jobs are in out/jobs-done.parquet.\n"
    lines = [json.loads(line) for line in Path("out/jobs-done.jsonl").read_text("utf-8").splitlines()]
    rows = pytest.importorskip("pyarrow.parquet").read_table("out/jobs-done.parquet").to_pylist()
    assert [row | {"parameters": json.loads(row["parameters"])} for row in rows] == lines


def test_export_says_that_parquet_needs_pyarrow(
    batch: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
):
    send(batch, "--limit", "0")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    output = batch("export", "out", "--format", "parquet").output
    assert "Parquet needs pyarrow: pip install 'segmind-sd3[parquet]'" in output
    assert not Path("out/jobs-done.parquet").exists()


def test_export_names_a_file_that_can_not_be_written(batch: Callable[..., Result]):
    send(batch, "--limit", "0")
    output = batch("export", "out", "--out", "none/all.jsonl").output
    assert output == "Error: none/all.jsonl can't be written: No such file or directory\n"


def test_sheet_makes_a_contact_sheet_and_a_page(batch: Callable[..., Result]):
    send(batch, "--vary", "seed=1..3")
    Path("out/fox seed-2.jpg").unlink()
    assert batch("sheet", "out").output == "3 pictures are in out/sheet/index.html, out/sheet/sheet.jpg.\n"
    assert Path("out/sheet/index.html").read_text("utf-8").count('src="../fox%20seed-') == 3


def test_without_a_picture_there_is_no_sheet(batch: Callable[..., Result]):
    send(batch, "--limit", "0")
    assert batch("sheet", "out").output == "0 pictures are in out/sheet/index.html.\n"


def test_more_pictures_than_a_sheet_holds_are_on_several(
    batch: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("segmind_sd3._batch.report.ON_A_SHEET", 8)
    send(batch, "--vary", "seed=1..9")
    assert "out/sheet/sheet.jpg, out/sheet/sheet-2.jpg" in batch("sheet", "out").output


def test_sheet_says_that_it_needs_pillow(batch: Callable[..., Result], monkeypatch: pytest.MonkeyPatch):
    send(batch)
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    assert "a contact sheet needs Pillow: pip install 'segmind-sd3[pil]'" in batch("sheet", "out").output


# -- The bar ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("budget", "left"), [(None, ""), (5, ", $5.00 left")])
def test_the_bar_shows_done_failed_pace_spent_and_left(tmp_path: Path, budget: float | None, left: str):
    with (
        Client(MADE_UP_KEY, transport=ReferenceServer().transport()) as client,
        client.batch([json.loads(LINE)], out=tmp_path, endpoint="sd35_turbo_txt2img") as batch,
    ):
        bar = _Bar(batch, budget, color=False)
        with bar as show:
            show()
            list(batch)
            bar._shown = bar._begun - 1  # pyright: ignore[reportPrivateUsage]
            show()
            (task,) = bar._progress.tasks  # pyright: ignore[reportPrivateUsage]
    assert (task.completed, task.total) == (1, 1)
    assert re.fullmatch(r"0 failed, \d+ a minute, \$0\.00 spent" + re.escape(left), task.description)


def test_a_terminal_sees_the_bar(batch: Callable[..., Result], monkeypatch: pytest.MonkeyPatch):
    shown: list[object] = []

    def bar(*words: object, **_: object) -> object:
        shown.append(words)
        return nullcontext(lambda: None)

    monkeypatch.setattr(_cli_batch, "_Bar", bar)
    monkeypatch.setattr("click.testing._NamedTextIOWrapper.isatty", Mock(return_value=True), raising=False)
    send(batch)
    assert len(shown) == 1


@processes
@pytest.mark.slow
def test_what_is_printed_takes_the_line_of_the_bar(tmp_path: Path):
    import pty  # noqa: PLC0415 - Windows has no such module

    ours, theirs = pty.openpty()
    words = [sys.executable, "-m", "segmind_sd3", "batch", "run", *TURBO, "--out", str(tmp_path)]
    environment = {**os.environ, "SEGMIND_API_KEY": MADE_UP_KEY, "COLUMNS": "200", "NO_COLOR": "1"}
    server = ReferenceServer()
    server.provoke("status:400")
    with server.listening() as url, open(ours, "rb", buffering=0) as screen:  # noqa: PTH123 - a descriptor
        base = {"SEGMIND_BASE_URL": url, "TERM": "xterm"}
        words += ["--set", "prompt=a fox", "--set", "seed=1"]
        run = subprocess.Popen(words, env=environment | base, stderr=theirs, stdout=subprocess.DEVNULL)
        os.close(theirs)
        shown = b""
        with suppress(OSError):  # the other end is closed
            while some := screen.read(65536):
                shown += some
        assert run.wait(PATIENCE) == 1
    before, _, said = shown.partition(b" failed: RequestRefused: HTTP 400")
    assert said
    assert re.search(rb"\x1b\[2K[0-9a-f]{16}$", before)  # the id, where the bar was


class Stopped(Signals):
    """Ctrl-C comes before the first call."""

    def carry_out(self, work: Callable[[], object], *ends: Callable[[], object]) -> Any:
        self.number = signal.SIGINT
        ends[0]()
        return work()


def test_a_signal_is_named_and_decides_on_the_exit_code(
    batch: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(_cli_batch, "SIGNALS", Stopped())
    ran = send(batch)
    assert ran.exit_code == 130
    assert ran.stderr.splitlines() == [
        "Interrupted. What is under way is finished; Ctrl-C stops it too.",
        "Interrupted. The same command goes on.",
    ]


# -- Signals ----------------------------------------------------------------------------------------------


def slowly(picture: bytes) -> Script:
    """Answer each request after a moment."""

    def script(connection: Connection) -> None:
        while connection.request():
            connection.pause(0.2)
            connection.send(reply(200, picture, content_type="image/png", x_cost="0.0035"))

    return script


@contextmanager
def started(url: str, out: Path) -> "Generator[subprocess.Popen[bytes]]":
    """Run the command in a process, which does not outlast the test."""
    words = [sys.executable, "-m", "segmind_sd3", "batch", "run", *TURBO, "--out", str(out), "--at-once", "1"]
    words += ["--set", "prompt=a fox", "--vary", "seed=1..500"]
    environment = {**os.environ, "SEGMIND_API_KEY": MADE_UP_KEY, "SEGMIND_BASE_URL": url}
    run = subprocess.Popen(words, env=environment, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    with run:
        try:
            yield run
        finally:
            run.kill()


def counts(out: Path) -> dict[str, int]:
    with closing(Journal(out)) as journal:
        return dict(journal.totals().counts)


@processes
@pytest.mark.slow
def test_ctrl_c_once_finishes_what_is_in_flight(tmp_path: Path, picture: bytes):
    with serving(slowly(picture)) as peer, started(peer.url, tmp_path) as run:
        assert peer.arrived.wait(PATIENCE)
        run.send_signal(signal.SIGINT)
        assert run.wait(PATIENCE) == 130
        states = counts(tmp_path)
    assert states.keys() == {"done", "waiting"}
    assert states["done"] == len(peer.requests)


@processes
@pytest.mark.slow
def test_ctrl_c_twice_stops_and_what_was_in_flight_is_unknown(tmp_path: Path):
    with serving(stalling()) as peer, started(peer.url, tmp_path) as run:
        assert peer.arrived.wait(PATIENCE)
        for _ in range(2):
            run.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):  # two signals at once are one
                run.wait(1)
        assert run.wait(PATIENCE) == 130
    assert counts(tmp_path) == {"unknown": 1, "waiting": 499}


def test_each_signal_calls_the_next_end():
    signals, first, second = Signals(), threading.Event(), threading.Event()
    signals.watch()

    def work() -> str:
        signal.raise_signal(signal.SIGINT)
        first.wait(PATIENCE)
        signal.raise_signal(signal.SIGINT)
        second.wait(PATIENCE)
        return "ended"

    try:
        assert signals.carry_out(work, first.set, second.set) == "ended"
    finally:
        signals.unwatch()


@pytest.mark.slow
@processes
def test_a_batch_that_is_killed_and_goes_on_pays_nothing_twice_and_loses_nothing():
    batch = prove_batch(40, 4, seed=3)
    assert batch.violations == []
    assert batch.killed_at_work > 0
