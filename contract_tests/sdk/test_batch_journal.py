"""The journal of a batch keeps its promises on both databases."""

import sqlite3
import sys
import uuid
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from proofs.fixtures.postgres_server import PostgresServer
from segmind_sd3 import Client, InvalidRequest
from segmind_sd3._batch.databases import PostgreSQL, parse_journal
from segmind_sd3._batch.journal import LEASE, Journal
from segmind_sd3._batch.tables import BILLION, NEXT, VERSION, account, jobs, runs
from segmind_sd3._batch.values import Claim, Finish, Job, NewJob
from segmind_sd3_contract.reference import MADE_UP_KEY


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path | sa.URL:
    if request.param == "sqlite":
        return tmp_path
    return fresh(request.getfixturevalue("postgres"))


def fresh(server: PostgresServer) -> sa.URL:
    url = parse_journal(server.url(uuid.uuid4().hex), Path("out"))
    assert isinstance(url, sa.URL)
    return url


@contextmanager
def journal_at(place: Path | sa.URL, count: int) -> Generator[Journal]:
    """Yield a journal with jobs of a USD each, run by this process."""
    with closing(Journal(place)) as journal, journal.running(call_seconds=180):
        journal.add([NewJob(f"{n}", f"digest {n}", "turbo", "{}", BILLION, "") for n in range(count)])
        yield journal


def claimed(journal: Journal, **options: Any) -> Job:
    claim = Claim(**options)
    journal.apply([claim])
    assert claim.job is not None
    return claim.job


def money(journal: Journal) -> tuple[int, int]:
    totals = journal.totals()
    return totals.spent, totals.reserved


def execute(journal: Journal, statement: Any) -> None:
    with journal._transaction() as connection:  # pyright: ignore[reportPrivateUsage]
        connection.execute(statement)


def test_no_job_is_claimed_twice(place: Path | sa.URL):
    with journal_at(place, 5) as journal:
        claims = [Claim() for _ in range(8)]
        journal.apply(claims[:3])
        journal.apply(claims[3:])
        assert [claim.job and claim.job.n for claim in claims] == [1, 2, 3, 4, 5, None, None, None]


def test_what_waits_again_is_claimed_before_what_was_never_sent(place: Path | sa.URL):
    with journal_at(place, 4) as journal:
        first, second = claimed(journal), claimed(journal)
        journal.apply([Finish(first, "waiting", billed=False)])
        journal.apply([Finish(second, "failed", billed=False)])
        journal.retry(failed=True)
        assert [claimed(journal).n for _ in range(4)] == [1, 2, 3, 4]


def test_a_job_that_a_person_lets_wait_by_hand_is_found(place: Path | sa.URL):
    with journal_at(place, 1) as journal:
        journal.apply([Finish(claimed(journal), "failed", billed=False)])
        execute(journal, jobs.update().values(state="waiting"))
        assert claimed(journal).attempt == 2


def test_only_a_job_that_is_being_sent_can_be_finished(place: Path | sa.URL):
    with journal_at(place, 1) as journal:
        job = claimed(journal)
        journal.apply([Finish(job, "done", billed=True)])
        late = Finish(job, "failed", billed=False)
        journal.apply([late])
        assert (late.applied, late.state, journal.totals().counts) == (False, "done", {"done": 1})


def test_an_outcome_that_is_written_twice_counts_once(place: Path | sa.URL):
    with journal_at(place, 1) as journal:
        finish = Finish(claimed(journal), "done", billed=True, cost=7)
        for _ in range(2):
            journal.apply([finish])
        assert (finish.applied, money(journal)) == (True, (7, 0))


def test_an_outcome_of_an_earlier_attempt_changes_nothing(place: Path | sa.URL):
    with journal_at(place, 1) as journal:
        first = claimed(journal)
        journal.apply([Finish(first, "waiting", billed=False)])
        claimed(journal)
        late = Finish(first, "done", billed=True)
        journal.apply([late])
        assert (late.applied, journal.totals().counts, money(journal)) == (
            False,
            {"sending": 1},
            (0, BILLION),
        )


def test_a_worker_that_was_taken_for_gone_may_still_bring_its_picture(place: Path | sa.URL):
    with journal_at(place, 1) as journal:
        job = claimed(journal)
        journal.apply([Finish(job, "unknown", billed=None, call_ended=False)])
        journal.apply([Finish(job, "done", billed=True)])
        assert (journal.totals().counts, money(journal)) == ({"done": 1}, (BILLION, 0))


def test_a_worker_that_was_taken_for_gone_can_not_let_its_job_wait_again(place: Path | sa.URL):
    with journal_at(place, 1) as journal:
        job = claimed(journal)
        journal.apply([Finish(job, "unknown", billed=None, call_ended=False)])
        back = Finish(job, "waiting", billed=False)
        journal.apply([back])
        assert (back.state, journal.totals().counts) == ("unknown", {"unknown": 1})


def test_an_unknown_job_waits_again_only_once_its_call_is_over(
    place: Path | sa.URL, caplog: pytest.LogCaptureFixture
):
    with journal_at(place, 1) as journal:
        journal.apply([Finish(claimed(journal), "unknown", billed=None, call_ended=False)])
        assert journal.retry(unknown=True) == 0
        assert "1 unknown jobs may still be under way on another machine" in caplog.text
        execute(journal, jobs.update().values(started=jobs.c.started - 180 - LEASE - 1))
        assert journal.retry(unknown=True) == 1


def test_the_price_of_an_unknown_job_stays_reserved_when_it_is_sent_again(place: Path | sa.URL):
    with journal_at(place, 1) as journal:
        journal.apply([Finish(claimed(journal), "unknown", billed=None)])
        journal.retry(unknown=True)
        journal.apply([Finish(claimed(journal), "done", billed=True)])
        assert money(journal) == (BILLION, BILLION)


def test_a_claim_over_the_budget_gets_no_job(place: Path | sa.URL):
    with journal_at(place, 3) as journal:
        claims = [Claim(budget=2 * BILLION) for _ in range(3)]
        journal.apply(claims)
        assert [(bool(claim.job), claim.over_budget) for claim in claims] == [
            (True, False),
            (True, False),
            (False, True),
        ]


def test_between_two_calls_are_so_many_seconds(place: Path | sa.URL):
    with journal_at(place, 2) as journal:
        first, second = Claim(between=60), Claim(between=60)
        journal.apply([first])
        journal.apply([second])
        assert (bool(first.job), second.job, 50 < second.wait <= 60) == (True, None, True)
        execute(journal, account.update().values(next_call=account.c.next_call - 60))
        assert claimed(journal, between=60)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["claim", *NEXT["sending"]]), st.sampled_from([True, False, None]), st.integers(0, 9)
    ),
    max_size=30,
)


def check_sums(place: Path | sa.URL, steps: Any) -> None:
    """Carry out steps; check that the account is the sum of the jobs, and within the budget."""
    with journal_at(place, 4) as journal:
        under_way: list[Claim] = []
        for step, was_billed, cost in steps:
            if step == "claim":
                claim = Claim(budget=7 * BILLION)
                journal.apply([claim])
                under_way += [claim] if claim.job else []
            elif under_way and (job := under_way.pop().job):
                journal.apply([Finish(job, step, billed=was_billed, cost=cost or None)])
        with journal._transaction() as connection:  # pyright: ignore[reportPrivateUsage]
            sums = sa.select(sa.func.sum(jobs.c.cost), sa.func.sum(jobs.c.uncertain))
            summed = connection.execute(sums).one()
        assert tuple(map(int, summed)) == money(journal)
        assert sum(money(journal)) <= 7 * BILLION


@given(STEPS)
def test_the_account_is_the_sum_of_the_jobs_whatever_happens(
    tmp_path_factory: pytest.TempPathFactory, steps: Any
):
    check_sums(tmp_path_factory.mktemp("journal"), steps)


@pytest.mark.slow
@given(STEPS)
def test_the_account_is_the_sum_of_the_jobs_on_postgresql_too(postgres: PostgresServer, steps: Any):
    check_sums(fresh(postgres), steps)


def test_all_jobs_are_read_in_their_order(place: Path | sa.URL):
    with journal_at(place, 5) as journal:
        assert [row.id for row in journal.rows(size=2)] == ["0", "1", "2", "3", "4"]


def test_a_journal_can_be_copied(place: Path | sa.URL, tmp_path_factory: pytest.TempPathFactory):
    with journal_at(place, 3) as journal, closing(Journal(tmp_path_factory.mktemp("copy"))) as copy:
        claimed(journal)
        copy.copy_from(journal)
        assert copy.totals().counts == {"sending": 1, "waiting": 2}


def test_what_came_of_all_jobs_is_summed(place: Path | sa.URL):
    with journal_at(place, 3) as journal:
        journal.apply([Finish(claimed(journal), "done", billed=True, files=["a", "b"])])
        journal.apply([Finish(claimed(journal), "failed", billed=False, error="NotFound")])
        pictures, seconds = journal.work_done()
        assert (pictures, seconds >= 0, journal.failures()) == (2, True, {"NotFound": 1})
        assert journal.waiting_price() == BILLION


# -- Versions ---------------------------------------------------------------------------------------------


def test_a_journal_of_a_later_version_is_not_touched(place: Path | sa.URL):
    with closing(Journal(place)) as journal, journal._transaction() as connection:  # pyright: ignore[reportPrivateUsage]
        journal._database.set_version(connection, VERSION + 1)  # pyright: ignore[reportPrivateUsage]
    with pytest.raises(InvalidRequest, match="was written by a later version of segmind-sd3: install that"):
        Journal(place)


FIRST_VERSION = """
CREATE TABLE jobs (
    n INTEGER NOT NULL, id VARCHAR NOT NULL, digest VARCHAR NOT NULL, operation VARCHAR NOT NULL,
    parameters TEXT NOT NULL, state VARCHAR NOT NULL, attempt INTEGER NOT NULL, tries INTEGER NOT NULL,
    price BIGINT NOT NULL, cost BIGINT NOT NULL, uncertain BIGINT NOT NULL, billed BOOLEAN,
    files TEXT NOT NULL, kept TEXT, request_id VARCHAR, error VARCHAR NOT NULL,
    message TEXT NOT NULL, run INTEGER, started FLOAT, ended FLOAT,
    PRIMARY KEY (n), UNIQUE (id), UNIQUE (digest)
);
CREATE INDEX jobs_by_state ON jobs (state, n);
CREATE TABLE account (
    id INTEGER NOT NULL, spent BIGINT NOT NULL, reserved BIGINT NOT NULL, PRIMARY KEY (id)
);
CREATE TABLE runs (
    id INTEGER NOT NULL, pid INTEGER NOT NULL, host VARCHAR NOT NULL, started FLOAT NOT NULL, PRIMARY KEY (id)
);
INSERT INTO account VALUES (1, 5, 7);
INSERT INTO runs VALUES (1, 99, 'here', 0.0);
INSERT INTO jobs VALUES
    (1, 'a', 'a', 'turbo', '{}', 'done', 1, 0, 7, 5, 0, 1, '[]', NULL, NULL, '', '', 1, 1.0, 2.0),
    (2, 'b', 'b', 'turbo', '{}', 'sending', 1, 0, 7, 0, 7, NULL, '[]', NULL, NULL, '', '', 1, 1.0, NULL);
PRAGMA user_version = 1;
"""


def test_a_journal_of_the_first_version_is_brought_up_to_date(tmp_path: Path):
    with closing(sqlite3.connect(tmp_path / "journal.db")) as old:
        old.executescript(FIRST_VERSION)
    for _ in range(2):
        with closing(Journal(tmp_path)) as journal, journal.running():
            assert (journal.totals().counts, money(journal)) == ({"done": 1, "sending": 1}, (5, 7))
            assert [job.id for job, *_ in journal.abandoned()] == ["b"]


def columns(place: Path) -> dict[str, list[tuple[str, bool]]]:
    with closing(sqlite3.connect(place / "journal.db")) as database:
        return {
            table.name: sorted(
                (row[1], bool(row[3])) for row in database.execute(f"PRAGMA table_info({table.name})")
            )
            for table in (jobs, account, runs)
        }


def test_an_upgraded_journal_has_the_columns_of_a_new_one(tmp_path: Path):
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
    with closing(sqlite3.connect(tmp_path / "old" / "journal.db")) as old:
        old.executescript(FIRST_VERSION)
    for name in ("old", "new"):
        Journal(tmp_path / name).close()
    assert columns(tmp_path / "old") == columns(tmp_path / "new")


# -- Where it is ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_a_url_of_postgresql_is_taken_in_each_of_its_forms(scheme: str):
    url = parse_journal(f"{scheme}://ann:secret@host/work?batch=foxes&sslmode=require", Path("out"))
    assert isinstance(url, sa.URL)
    assert str(PostgreSQL(url).engine.url) == "postgresql+psycopg://ann:***@host/work?sslmode=require"


def test_a_batch_without_a_name_is_known_by_where_its_pictures_go(tmp_path: Path):
    names = {
        str(parse_journal("postgresql://host/work", out).query["batch"])  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType, reportUnknownArgumentType]
        for out in (tmp_path / "My Foxes", tmp_path / "x" / ".." / "My Foxes", tmp_path / "cats")
    }
    assert sorted(name[:5] for name in names) == ["cats_", "my_fo"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("mysql://ann:secret@host/work", "journal was 'mysql'://…; allowed are a folder and postgresql://"),
        ("postgresql://ann:secret@host:port/work", "journal was a URL that can't be read; allowed is"),
        ("postgresql://host/work?password=secret", "a password behind its '?': it belongs before the '@'"),
        (
            "postgresql://ann:secret@host/work?batch=No No",
            "the batch of the journal was 'No No'; allowed are",
        ),
        ("postgresql://host/work?batch=a&batch=b", "the batch of the journal was"),
    ],
)
def test_a_wrong_url_is_refused_and_its_password_not_shown(given: str, said: str):
    with pytest.raises(InvalidRequest) as refused:
        parse_journal(given, Path("out"))
    assert said in str(refused.value)
    assert "secret" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_the_password_of_a_url_is_in_no_repr_of_a_batch(tmp_path: Path):
    with Client(MADE_UP_KEY) as client:
        batch = client.batch((), out=tmp_path, journal="postgresql://ann:secret@host/work")
    assert "secret" not in repr(vars(batch))
    assert "ann:***@host" in repr(vars(batch))


def test_pictures_at_an_address_need_a_place_for_the_journal():
    with pytest.raises(InvalidRequest, match="out was s3://foxes, where no journal can be: name a folder"):
        parse_journal(None, "s3://foxes")


def test_without_psycopg_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    url = parse_journal("postgresql://host/work", Path("out"))
    with pytest.raises(InvalidRequest, match=r"needs psycopg: pip install 'segmind-sd3\[postgres\]'"):
        Journal(url)


def test_a_journal_that_must_exist_is_not_begun(place: Path | sa.URL):
    for _ in range(2):
        with pytest.raises(FileNotFoundError, match="there is no journal"):
            Journal(place, must_exist=True)
