"""Several runs share the journal of a batch in a PostgreSQL database: what is promised then."""

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import traceback
import uuid
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import anyio
import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from proofs.fixtures.postgres_server import PostgresServer
from proofs.fixtures.sockets import Connection, reply, serving, stalling
from segmind_sd3 import AsyncClient, Client, JobOutcome
from segmind_sd3._batch import journal as journal_module
from segmind_sd3._batch import run as run_module
from segmind_sd3._batch import store as store_module
from segmind_sd3._batch.databases import PostgreSQL, parse_journal
from segmind_sd3._batch.journal import Journal
from segmind_sd3._batch.run import Plan, Run
from segmind_sd3._batch.tables import BILLION, runs
from segmind_sd3._batch.values import Claim, Finish, Job, NewJob
from segmind_sd3._cli import commands
from segmind_sd3_contract.reference import MADE_UP_KEY, ReferenceServer
from sqlalchemy import event

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform == "win32", reason="the server is on a Unix socket"),
]

SMALL: dict[str, Any] = {"width": 64, "height": 64}
TURBO = "sd35_turbo_txt2img"
PATIENCE = 60.0


def some(count: int) -> list[dict[str, Any]]:
    return [{"id": f"job-{n}", "prompt": f"a lighthouse {n}", **SMALL} for n in range(count)]


@pytest.fixture
def server() -> ReferenceServer:
    return ReferenceServer(credits=100)


@pytest.fixture
def address(postgres: PostgresServer) -> str:
    """The URL of a batch of this test."""
    return postgres.url(uuid.uuid4().hex)


def url_of(address: str) -> sa.URL:
    url = parse_journal(address, Path("out"))
    assert isinstance(url, sa.URL)
    return url


@pytest.fixture
def journal(address: str) -> Iterator[Journal]:
    """The journal as another run sees it, which adds no jobs."""
    with closing(Journal(url_of(address))) as journal, journal.running():
        journal.added_all()
        yield journal


def add(journal: Journal, count: int) -> None:
    journal.add([NewJob(f"{n}", f"digest {n}", TURBO, "{}", BILLION, "") for n in range(count)])


def execute(journal: Journal, statement: Any) -> list[Any]:
    with journal._transaction() as connection:  # pyright: ignore[reportPrivateUsage]
        result = connection.execute(statement)
        return [*result.all()] if result.returns_rows else []


def silence(journal: Journal, pid: int) -> None:
    """Let the last heartbeat of a process be long ago."""
    execute(journal, runs.update().where(runs.c.pid == pid).values(heartbeat=runs.c.heartbeat - 1000))


def run_of(out: Path, address: str) -> Run:
    return Run(Plan(out, 1, journal=url_of(address)))


def started(url: str, address: str, out: Path, *words: str) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "segmind_sd3", "batch", "run", "--endpoint", TURBO, "--out", str(out)]
    command += ["--journal", address, *words]
    environment = {**os.environ, "SEGMIND_API_KEY": MADE_UP_KEY, "SEGMIND_BASE_URL": url}
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)


FOX = ("--set", "prompt=a fox", "--vary")


# -- Claims -----------------------------------------------------------------------------------------------

CLAIM_ALL = """
import json, sys
from pathlib import Path
from segmind_sd3._batch.databases import parse_journal
from segmind_sd3._batch.journal import Claim, Journal
journal, claimed = Journal(parse_journal(sys.argv[1], Path())), []
with journal.running():
    while True:
        claims = [Claim() for _ in range(7 if claimed else 1)]
        journal.apply(claims)
        claimed += [claim.job.n for claim in claims if claim.job]
        if len(claimed) == 1:
            print(flush=True)
            sys.stdin.readline()
        if not claims[-1].job:
            break
print(json.dumps(claimed))
"""


def test_two_processes_claim_a_thousand_jobs_each_once(address: str, journal: Journal):
    add(journal, 1000)
    words = [sys.executable, "-c", CLAIM_ALL, address]
    pipe = subprocess.PIPE
    processes = [subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True) for _ in range(2)]
    for process in processes:
        assert process.stdout
        process.stdout.readline()  # each has claimed one
    claimed = [json.loads(process.communicate("\n", PATIENCE)[0]) for process in processes]
    assert sorted(claimed[0] + claimed[1]) == [*range(1, 1001)]


def test_two_runs_that_add_the_same_jobs_add_each_once(address: str):
    def run(_: int) -> None:
        with closing(Journal(url_of(address))) as journal:
            add(journal, 500)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(run, range(4)))
    with closing(Journal(url_of(address))) as journal:
        assert journal.totals().counts == {"waiting": 500}


def test_the_next_job_is_found_by_an_index_even_where_most_jobs_seem_to_wait(address: str, journal: Journal):
    add(journal, 500)
    with journal._transaction() as connection:  # pyright: ignore[reportPrivateUsage]
        connection.exec_driver_sql(f"SET LOCAL search_path TO segmind_{url_of(address).query['batch']}")
        connection.exec_driver_sql("ANALYZE jobs")
        query = journal_module._WAITING.params(first=0).limit(8)  # pyright: ignore[reportPrivateUsage]
        text = query.compile(connection, compile_kwargs={"literal_binds": True})
        plan = "\n".join(connection.exec_driver_sql(f"EXPLAIN {text}").scalars())
    assert "Index Scan using jobs_waiting on jobs" in plan


def noting(called: threading.Event, method: Callable[..., bool]) -> Callable[..., bool]:
    def noted(*given: Any, **named: Any) -> bool:
        called.set()
        return method(*given, **named)

    return noted


def test_a_worker_waits_for_jobs_that_another_run_still_adds(
    address: str, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    driver = run_of(tmp_path, address)
    asked = threading.Event()
    with (
        closing(driver.journal),
        driver.running(),
        client.batch((), out=tmp_path, journal=address, at_once=1) as batch,
        ThreadPoolExecutor(1) as thread,
    ):
        monkeypatch.setattr(Run, "nothing_claimed", noting(asked, Run.nothing_claimed))
        outcomes = thread.submit(lambda: [*batch])
        assert asked.wait(PATIENCE)
        parameters = json.dumps({"prompt": "a fox", **SMALL})
        driver.journal.add([NewJob("late", "digest", TURBO, parameters, 1, "")])
        driver.journal.added_all()
        assert [each.id for each in outcomes.result(PATIENCE)] == ["late"]


def test_eight_starters_make_the_tables_once(address: str):
    with ThreadPoolExecutor(8) as threads:
        journals = [*threads.map(Journal, [url_of(address)] * 8)]
    for journal in journals:
        with closing(journal):
            assert journal.totals().counts == {}


# -- Money ------------------------------------------------------------------------------------------------

FAULTS = ("no-retry-after:past", "garbage", "no-header:x-cost", "status:503", "hang-up", "billed:429:picture")


def test_64_workers_of_two_processes_never_spend_more_than_the_budget(
    server: ReferenceServer, address: str, journal: Journal, tmp_path: Path
):
    for fault in FAULTS * 4:
        server.provoke(fault)
    (tmp_path / "jobs.jsonl").write_text("\n".join(map(json.dumps, some(200))))
    words = [str(tmp_path / "jobs.jsonl"), "--at-once", "32", "--budget", "0.5"]
    with server.listening() as url:
        processes = [started(url, address, tmp_path / "out", *words) for _ in range(2)]
        codes = [process.wait(PATIENCE) for process in processes]
    billed = sum((Decimal(str(entry.cost)) for entry in server.ledger), Decimal(0))
    totals = journal.totals()
    assert codes == [1, 1]
    assert Decimal("0.2") < billed <= Decimal("0.5")
    assert billed * BILLION <= totals.spent + totals.reserved <= BILLION // 2
    assert len({row.run for row in journal.rows() if row.run}) == 2


def test_two_runs_share_the_calls_of_a_minute(client: Client, address: str, journal: Journal, tmp_path: Path):
    def run(_: int) -> None:
        with client.batch(
            some(20), out=tmp_path, journal=address, endpoint=TURBO, at_once=4, per_minute=600
        ) as batch:
            assert not [outcome for outcome in batch if outcome.state != "done"]

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(run, range(2)))
    rows = [*journal.rows()]
    times = sorted(row.started for row in rows)
    assert min(later - earlier for earlier, later in pairwise(times)) > 0.0999
    assert len({row.run for row in rows}) == 2


# -- Runs that are gone -----------------------------------------------------------------------------------


def test_the_jobs_of_a_killed_run_are_unknown_once_it_is_silent_for_the_lease(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    run = run_of(tmp_path, address)
    with (
        serving(stalling()) as peer,
        started(peer.url, address, tmp_path, *FOX, "seed=1", "--at-once", "1") as process,
        closing(run.journal),
        run.running(),
    ):
        assert peer.arrived.wait(PATIENCE)
        process.kill()
        assert run.recover() == []
        monkeypatch.setattr(journal_module, "LEASE", 1.0)  # the server is up for no longer
        silence(run.journal, process.pid)
        assert [(each.state, each.error) for each in run.recover()] == [("unknown", "Interrupted")]
        assert run.journal.retry(unknown=True) == 0


def test_a_halted_run_that_returns_brings_its_picture_after_all(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, picture: bytes
):
    monkeypatch.setattr(journal_module, "LEASE", 1.0)
    taken_for_gone = threading.Event()

    def script(connection: Connection) -> None:
        while connection.request():
            taken_for_gone.wait(PATIENCE)
            connection.send(reply(200, picture, content_type="image/png", x_cost="0.0035"))

    run = run_of(tmp_path, address)
    with (
        serving(script) as peer,
        started(peer.url, address, tmp_path, *FOX, "seed=1", "--at-once", "1") as process,
        closing(run.journal),
        run.running(),
    ):
        run.journal.added_all()
        assert peer.arrived.wait(PATIENCE)
        process.send_signal(signal.SIGSTOP)
        silence(run.journal, process.pid)
        assert [each.state for each in run.recover()] == ["unknown"]
        taken_for_gone.set()
        process.send_signal(signal.SIGCONT)
        assert process.wait(PATIENCE) == 0
        totals = run.journal.totals()
    assert (totals.counts, totals.spent, totals.reserved) == ({"done": 1}, 3_500_000, 0)


def test_a_picture_that_a_run_left_is_found(address: str, tmp_path: Path, picture: bytes):
    with closing(Journal(url_of(address))) as gone, gone.running():
        add(gone, 2)
        gone.apply([Claim(), Claim()])
    (tmp_path / "0.png").write_bytes(picture)
    run = run_of(tmp_path, address)
    run.journal._back_since = -1e9  # pyright: ignore[reportPrivateUsage]
    with closing(run.journal), run.running(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(journal_module, "LEASE", 0.0)
        assert {each.id: each.files for each in run.recover()} == {"0": (tmp_path / "0.png",), "1": ()}


def test_a_job_that_was_claimed_long_ago_is_not_sent_and_waits_again(address: str, tmp_path: Path):
    run = run_of(tmp_path, address)
    job = Job(1, "fox", TURBO, {"prompt": "a fox"}, 0, 1, 0, claimed=-run_module.LONGEST_HOLD)
    with closing(run.journal):
        with pytest.raises(Exception, match="this process was halted before the call") as halted:
            run.parameters(job)
        finish = run.conclude(job, halted.value)
    assert (finish.state, finish.billed, finish.counts_as_try) == ("waiting", False, False)


# -- A database that is away ------------------------------------------------------------------------------


class _Said(logging.Handler):
    """Notes that a text was logged."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text, self.event = text, threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        if self._text in record.getMessage():
            self.event.set()


@contextmanager
def saying(text: str) -> Generator[threading.Event]:
    handler = _Said(text)
    logging.getLogger("segmind_sd3").addHandler(handler)
    try:
        yield handler.event
    finally:
        logging.getLogger("segmind_sd3").removeHandler(handler)


@pytest.mark.parametrize("way", ["sync", "asyncio", "trio"])
def test_a_database_that_is_killed_and_started_again_loses_nothing(
    postgres: PostgresServer, server: ReferenceServer, address: str, tmp_path: Path, way: str
):
    count, outcomes = 200, list[JobOutcome]()
    options: dict[str, Any] = {"out": tmp_path, "journal": address, "endpoint": TURBO, "at_once": 16}

    def restart() -> None:
        with saying("No job is sent until it is back") as away:
            postgres.kill()
            assert away.wait(PATIENCE)
        postgres.start()

    async def run() -> None:
        async with (
            AsyncClient(MADE_UP_KEY, transport=server.async_transport()) as client,
            client.batch(some(count), **options) as batch,
        ):
            async for outcome in batch:
                outcomes.append(outcome)
                if len(outcomes) in (20, 100):
                    await anyio.to_thread.run_sync(restart)

    if way == "sync":
        with (
            Client(MADE_UP_KEY, transport=server.transport()) as client,
            client.batch(some(count), **options) as batch,
        ):
            for outcome in batch:
                outcomes.append(outcome)
                if len(outcomes) in (20, 100):
                    restart()
    else:
        anyio.run(run, backend=way)
    with closing(Journal(url_of(address))) as journal:
        totals = journal.totals()
    paid = Counter(entry.body["prompt"] for entry in server.ledger)
    assert (len(outcomes), totals.counts, totals.reserved) == (count, {"done": count}, 0)
    assert (len(paid), max(paid.values())) == (count, 1)
    assert totals.spent == sum(Decimal(str(entry.cost)) for entry in server.ledger) * BILLION
    assert all(file.is_file() for outcome in outcomes for file in outcome.files)


def lose_the_answer_to_the_next_commit(journal: Journal) -> None:
    """Commit the next transaction, and cut the connection before this process knows it."""
    left = [True]

    def commit(connection: sa.Connection) -> None:
        if left:
            left.clear()
            driver: Any = connection.connection.dbapi_connection
            driver.commit()
            driver.pgconn.finish()

    event.listen(journal._database.engine, "commit", commit)  # pyright: ignore[reportPrivateUsage]


def test_an_outcome_whose_commit_may_have_failed_counts_once(journal: Journal):
    add(journal, 1)
    claim = Claim()
    journal.apply([claim])
    assert claim.job
    lose_the_answer_to_the_next_commit(journal)
    finish = Finish(claim.job, "done", billed=True, cost=7)
    with saying("The journal can be used again") as back:
        journal.apply([finish])
    totals = journal.totals()
    assert (back.is_set(), finish.applied, totals.spent, totals.reserved) == (True, True, 7, 0)


def test_a_claim_whose_commit_may_have_failed_leaves_no_job_in_sending(journal: Journal):
    add(journal, 3)
    first, second, third = Claim(), Claim(), Claim(budget=2 * BILLION)
    journal.apply([first])
    lose_the_answer_to_the_next_commit(journal)
    journal.apply([second])
    assert (first.job and first.job.n, second.job and second.job.n) == (1, 2)
    totals = journal.totals()
    assert (totals.counts, totals.reserved) == ({"sending": 2, "waiting": 1}, 2 * BILLION)
    lose_the_answer_to_the_next_commit(journal)
    journal.apply([third])
    assert (third.job, third.over_budget) == (None, True)


def test_a_claim_that_was_not_heard_of_is_unsent_when_its_run_ends(journal: Journal):
    add(journal, 2)
    journal.apply([Claim()])
    lose_the_answer_to_the_next_commit(journal)
    journal._given_up = True  # pyright: ignore[reportPrivateUsage]
    with pytest.raises(OSError, match="the connection is closed"):
        journal.apply([Claim()])
    assert journal.totals().counts == {"sending": 2}
    assert [job.n for job, *_ in journal.abandoned(ending=True)] == [1]
    assert journal.totals().counts == {"sending": 1, "waiting": 1}


def test_a_run_that_is_stopped_while_its_database_is_away_claims_nothing_more(journal: Journal):
    add(journal, 1)
    journal.stopped.set()
    lose_the_answer_to_the_next_commit(journal)
    claim = Claim()
    journal.apply([claim])
    assert (claim.job, journal.totals().counts) == (None, {"waiting": 1})


def test_a_run_that_gives_up_its_database_loses_no_picture(  # noqa: PLR0917 - fixtures
    postgres: PostgresServer,
    server: ReferenceServer,
    client: Client,
    address: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(store_module, "LAST_PATIENCE", 0.0)
    batch = client.batch(some(50), out=tmp_path, journal=address, endpoint=TURBO, at_once=4)

    def send() -> None:
        with batch:
            for _ in batch:
                postgres.kill()
                batch.stop()

    with pytest.raises(OSError, match="the journal can't be used") as given_up:
        send()
    postgres.start()
    assert postgres.password not in "".join(traceback.format_exception(given_up.value))
    monkeypatch.setattr(journal_module, "LEASE", 0.0)
    with client.batch(some(50), out=tmp_path, journal=address, endpoint=TURBO) as again:
        outcomes = [*again]
    assert {each.state for each in outcomes} == {"done"}
    assert again.summary.counts == {"done": 50}
    assert len(server.ledger) == 50


def test_a_database_that_was_never_there_is_named_at_once(client: Client, tmp_path: Path):
    address = f"postgresql://ann:secret@/work?host={tmp_path}"
    with pytest.raises(OSError, match=r"the journal can't be used.*ann:\*\*\*@") as named:
        client.batch((), out=tmp_path, journal=address).__enter__()
    assert "secret" not in "".join(traceback.format_exception(named.value))


# -- The password, and the commands -----------------------------------------------------------------------


def test_the_password_is_in_no_log_repr_or_file(
    postgres: PostgresServer, client: Client, address: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.DEBUG)
    for name in ("psycopg", "sqlalchemy"):
        caplog.set_level(logging.DEBUG, name)
    with client.batch(some(2), out=tmp_path, journal=address, endpoint=TURBO) as batch:
        outcomes = [*batch]
    shown = [repr(vars(batch)), repr(batch._plan), repr(outcomes), repr(batch.summary), caplog.text]  # pyright: ignore[reportPrivateUsage]
    files = [file.read_bytes().decode("latin-1") for file in tmp_path.rglob("*") if file.is_file()]
    assert len(files) == 2
    assert not any(postgres.password in text for text in shown + files)


@pytest.fixture
def batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str) -> Callable[..., str]:
    monkeypatch.chdir(tmp_path)
    Path("jobs.jsonl").write_text("\n".join(map(json.dumps, some(2))))

    def run(command: str, *words: str) -> str:
        return CliRunner().invoke(commands, ["batch", command, *words, "--journal", address]).output

    return run


RUN = ("run", "jobs.jsonl", "--endpoint", TURBO, "--out", "out", "--local")


def test_each_command_takes_the_journal_of_a_database(batch: Callable[..., str]):
    assert batch(*RUN, "--limit", "1").startswith("1 waiting, 1 done; $0.0035 spent\n")
    assert batch(*RUN) == "2 done; $0.0070 spent\n"
    assert batch("status", "out").startswith("2 done; $0.0070 spent\n2 pictures in ")
    assert batch("retry", "out", "--failed") == "0 jobs wait again: `batch run` sends them.\n"
    assert batch("export", "out") == "2 jobs are in out/jobs-done.jsonl.\n"
    files = [json.loads(line)["files"] for line in Path("out/jobs-done.jsonl").read_text().splitlines()]
    assert files == [[str(Path("out", f"job-{n}.jpg").absolute())] for n in range(2)]
    assert batch("sheet", "out") == "2 pictures are in out/sheet/index.html, out/sheet/sheet.jpg.\n"
    assert 'src="../job-0.jpg"' in Path("out/sheet/index.html").read_text()
    assert not Path("out/journal.db").exists()


def test_a_dry_run_counts_what_a_database_has_done(batch: Callable[..., str]):
    batch(*RUN, "--limit", "1")
    assert batch(*RUN, "--dry-run").startswith("1 jobs to send, $0.0088 at the worst")


def test_a_batch_that_is_not_there_is_named_without_the_password(
    batch: Callable[..., str], postgres: PostgresServer
):
    Path("out").mkdir()
    said = batch("status", "out")
    assert "holds no journal: `batch run --out out --journal …` begins one" in said
    assert postgres.password not in said


class BrokenOff:
    """A connection that breaks off before it is configured."""

    closed = False

    def execute(self, _statement: str) -> None:
        raise ConnectionResetError

    def close(self) -> None:
        self.closed = True


def test_a_connection_that_breaks_off_at_once_is_closed():
    connection = BrokenOff()
    with pytest.raises(ConnectionResetError):
        PostgreSQL._configure(connection, None)  # pyright: ignore[reportPrivateUsage]
    assert connection.closed
