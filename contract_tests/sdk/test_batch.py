"""A batch sends each job once, and keeps a journal of them: what it promises in one process."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import anyio
import pytest
from proofs.fixtures.disks import small_disk
from proofs.fixtures.sockets import refusing
from segmind_sd3 import (
    AsyncClient,
    BatchSummary,
    Client,
    Generation,
    InvalidRequest,
    JobOutcome,
    RateLimited,
    Retry,
    Sending,
)
from segmind_sd3._batch import storing
from segmind_sd3._batch.journal import Journal
from segmind_sd3._batch.pace import MOST_REFUSALS, Pace
from segmind_sd3._batch.report import records
from segmind_sd3._batch.run import Plan, Run
from segmind_sd3._batch.tables import BILLION
from segmind_sd3._batch.values import Claim, Finish, Job, NewJob
from segmind_sd3._wire import Reply
from segmind_sd3_contract.reference import MADE_UP_KEY, ReferenceServer

SMALL: dict[str, Any] = {"width": 64, "height": 64}
TURBO = "sd35_turbo_txt2img"
PRICE = Decimal("0.00875")
"""The worst price of a job: 10 steps, where the listed price is for 4."""


def some(count: int, **more: Any) -> list[dict[str, Any]]:
    return [{"id": f"job-{n}", "prompt": f"a lighthouse {n}", **SMALL, **more} for n in range(count)]


@pytest.fixture
def server() -> ReferenceServer:
    return ReferenceServer(credits=100)


def send(client: Client, source: Any, out: Path, **options: Any) -> tuple[list[JobOutcome], BatchSummary]:
    with client.batch(source, out=out, endpoint=TURBO, **options) as batch:
        outcomes = list(batch)
    return outcomes, batch.summary


def billed(server: ReferenceServer) -> Decimal:
    return sum((Decimal(str(entry.cost)) for entry in server.ledger), Decimal(0))


# -- Each job once ----------------------------------------------------------------------------------------


def test_each_job_is_sent_once_and_its_picture_has_its_name(
    server: ReferenceServer, client: Client, tmp_path: Path
):
    outcomes, summary = send(client, some(5), tmp_path)
    assert {(each.id, each.state, each.files) for each in outcomes} == {
        (f"job-{n}", "done", (tmp_path / f"job-{n}.jpg",)) for n in range(5)
    }
    assert (len(server.ledger), summary.counts, summary.spent) == (5, {"done": 5}, 0.0175)
    assert all(each.files[0].read_bytes().startswith(b"\xff\xd8") for each in outcomes)


@pytest.mark.anyio
@pytest.mark.parametrize("together", [1, 16])
async def test_tasks_do_what_threads_do(
    server: ReferenceServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, together: int
):
    monkeypatch.setattr("segmind_sd3._batch.batch.STORED_TOGETHER", together)
    async with AsyncClient(MADE_UP_KEY, transport=server.async_transport()) as client:
        async with client.batch(some(5), out=tmp_path, endpoint=TURBO) as batch:
            outcomes = [outcome async for outcome in batch]
        assert batch.summary.counts == {"done": 5}
    assert sorted(file.name for each in outcomes for file in each.files) == [f"job-{n}.jpg" for n in range(5)]


def test_the_same_command_again_does_what_is_left(server: ReferenceServer, client: Client, tmp_path: Path):
    _, first = send(client, some(5), tmp_path, limit=2)
    _, second = send(client, some(5), tmp_path)
    assert (first.counts, first.stopped) == ({"waiting": 3, "done": 2}, "the limit of 2 jobs is reached")
    assert (second.counts, len(server.ledger)) == ({"done": 5}, 5)


def test_what_is_under_way_is_finished_when_the_caller_leaves(
    server: ReferenceServer, client: Client, tmp_path: Path
):
    with client.batch(some(50), out=tmp_path, endpoint=TURBO, at_once=2) as batch:
        for _ in batch:
            break
    assert batch.summary.counts["done"] == len(server.ledger) < 50
    assert "sending" not in batch.summary.counts


@pytest.mark.anyio
async def test_what_is_under_way_is_finished_when_a_task_leaves(server: ReferenceServer, tmp_path: Path):
    async with (
        AsyncClient(MADE_UP_KEY, transport=server.async_transport()) as client,
        client.batch(some(50), out=tmp_path, endpoint=TURBO, at_once=2) as batch,
    ):
        async for _ in batch:
            break
    assert batch.summary.counts["done"] == len(server.ledger) < 50


@pytest.mark.anyio
async def test_what_a_cancelled_call_leaves_is_unknown(tmp_path: Path):
    begun = 0

    async with AsyncClient(MADE_UP_KEY) as client:
        batch = client.batch(some(2), out=tmp_path, endpoint=TURBO)
        with anyio.CancelScope() as scope:

            async def never(_operation: str, _parameters: dict[str, Any]) -> Generation:
                nonlocal begun
                begun += 1
                if begun == 2:
                    scope.cancel()
                await anyio.sleep_forever()
                raise AssertionError

            batch._draw = never  # pyright: ignore[reportPrivateUsage]
            async with batch:
                async for _ in batch:
                    pass
        assert batch.summary.counts == {"unknown": 2}


@pytest.mark.anyio
async def test_a_picture_that_came_is_stored_even_where_the_caller_is_cancelled(
    server: ReferenceServer, tmp_path: Path
):
    async with AsyncClient(MADE_UP_KEY, transport=server.async_transport()) as client:
        batch = client.batch(some(1), out=tmp_path, endpoint=TURBO)
        with anyio.CancelScope() as scope:

            async def cancelled(_operation: str, parameters: dict[str, Any]) -> Generation:
                drawn = await client.sd35_turbo_txt2img(**parameters)
                scope.cancel()
                return drawn

            batch._draw = cancelled  # pyright: ignore[reportPrivateUsage]
            async with batch:
                async for _ in batch:
                    pass
        assert batch.summary.counts == {"done": 1}


def test_jobs_of_one_content_and_seed_are_paid_once(server: ReferenceServer, client: Client, tmp_path: Path):
    same: list[dict[str, Any]] = [{"id": name, "prompt": "a fox", "seed": 7, **SMALL} for name in ("a", "b")]
    _, summary = send(client, same, tmp_path)
    assert (len(server.ledger), summary.wrong) == (1, 1)
    assert str(summary.problems[0]) == "job 2: it asks for the same as job 'a', which is not paid twice"


def test_the_seed_is_in_the_journal_before_the_call_is_sent(server: ReferenceServer, tmp_path: Path):
    seen: list[tuple[str, int, int]] = []

    def look(_event: object) -> None:
        with closing(Journal(tmp_path)) as journal:
            seen.extend(
                (row.state, row.attempt, json.loads(row.parameters)["seed"]) for row in journal.rows()
            )

    with Client(MADE_UP_KEY, transport=server.transport(), on_event=look) as client:
        send(client, some(1), tmp_path)
    assert seen[0] == ("sending", 1, server.ledger[0].body["seed"])


def test_a_grid_makes_each_job_once_for_each_combination(client: Client, tmp_path: Path):
    outcomes, _ = send(
        client,
        [{"id": "fox", "prompt": "a fox", **SMALL}],
        tmp_path,
        vary={"seed": [1, 2], "steps": [10, 12]},
    )
    assert sorted(each.id for each in outcomes) == [
        f"fox seed-{seed} steps-{steps}" for seed in (1, 2) for steps in (10, 12)
    ]


def test_the_key_is_in_no_file_of_a_batch(server: ReferenceServer, client: Client, tmp_path: Path):
    server.provoke("garbage")
    send(client, some(3), tmp_path)
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert len(files) >= 5
    assert not any(MADE_UP_KEY.encode() in file.read_bytes() for file in files)


# -- What came --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "state", "cost", "uncertain", "kept"),
    [
        (None, "done", "0.0035", 0, False),
        ("no-header:x-cost", "done", "0.00875", 0, False),
        ("garbage", "failed", "0.0035", 0, True),
        ("billed:400:picture", "failed", "0.00875", 0, True),
        ("status:400", "failed", "0", 0, False),
        ("status:503", "unknown", "0", 0.00875, True),
        ("hang-up", "unknown", "0", 0.00875, False),
        ("no-retry-after:past", "done", "0.0035", 0, False),
    ],
)
def test_an_outcome_is_done_failed_or_unknown(  # noqa: PLR0917 - columns of the table
    server: ReferenceServer,
    client: Client,
    tmp_path: Path,
    fault: str | None,
    state: str,
    cost: str,
    uncertain: float,
    kept: bool,  # noqa: FBT001 - a column of the table
):
    if fault:
        server.provoke(fault)
    (outcome,), summary = send(client, some(1), tmp_path)
    assert (outcome.state, bool(outcome.kept)) == (state, kept)
    assert (summary.spent, summary.uncertain) == (float(cost), uncertain)
    assert outcome.kept is None or outcome.kept.is_file()


def test_what_may_have_been_billed_is_sent_again_only_where_a_person_says_so(
    server: ReferenceServer, client: Client, tmp_path: Path
):
    server.provoke("hang-up")
    send(client, some(1), tmp_path)
    _, again = send(client, some(1), tmp_path, retry_failed=True)
    assert (len(server.ledger), again.counts) == (1, {"unknown": 1})
    _, said = send(client, some(1), tmp_path, retry_unknown=True)
    assert (len(server.ledger), said.counts, said.uncertain) == (2, {"done": 1}, float(PRICE))


def test_what_failed_and_was_billed_is_not_among_what_failed(
    server: ReferenceServer, client: Client, tmp_path: Path
):
    server.provoke("garbage")
    send(client, some(1), tmp_path)
    _, again = send(client, some(1), tmp_path, retry_failed=True, retry_unknown=True)
    assert (len(server.ledger), again.counts) == (1, {"failed": 1})


def test_a_refusal_that_meets_every_call_stops_the_batch_and_its_jobs_wait(
    server: ReferenceServer, client: Client, tmp_path: Path
):
    server.provoke("status:402", times=None)
    _, summary = send(client, some(40), tmp_path)
    assert summary.stopped == "the account has too few credits"
    assert summary.counts["waiting"] > 30
    assert len(server.ledger) < 40


def test_a_client_whose_budget_is_spent_stops_the_batch(server: ReferenceServer, tmp_path: Path):
    with Client(MADE_UP_KEY, transport=server.transport(), budget=0.02) as client:
        _, summary = send(client, some(9), tmp_path, at_once=1)
    assert summary.stopped == "the client's budget does not cover the next job"
    assert summary.counts["waiting"] == 9 - len(server.ledger)


FAULTS = (
    *("status:402", "no-retry-after:past", "garbage", "no-header:x-cost", "odd-header:x-cost:plenty"),
    *("status:503", "gateway-html:504", "billed:400:picture-cost-0", "hang-up", "billed:429:picture"),
)


def test_64_workers_never_spend_more_than_the_budget(server: ReferenceServer, client: Client, tmp_path: Path):
    for fault in FAULTS * 4:
        server.provoke(fault)
    _, summary = send(client, some(200), tmp_path, at_once=64, budget=0.5)
    assert summary.stopped == "the budget of $0.5 does not cover the next job"
    assert Decimal("0.2") < billed(server) <= Decimal("0.5")
    assert float(billed(server)) <= summary.spent + summary.uncertain <= 0.5


def test_the_budget_is_that_of_all_runs(server: ReferenceServer, client: Client, tmp_path: Path):
    for _ in range(3):
        send(client, some(20), tmp_path, budget=0.02)
    assert billed(server) <= Decimal("0.02")


# -- What is added late, and what breaks ------------------------------------------------------------------

WAYS = ["sync", "asyncio", "trio"]


def sent(way: str, server: ReferenceServer, source: Any, out: Path, **options: Any) -> Iterator[JobOutcome]:
    """Yield the outcomes of a batch; of an async one all at the end, even where it raises."""
    outcomes: list[JobOutcome] = []

    async def run() -> None:
        async with (
            AsyncClient(MADE_UP_KEY, transport=server.async_transport()) as client,
            client.batch(source, out=out, endpoint=TURBO, **options) as batch,
        ):
            async for outcome in batch:
                outcomes.append(outcome)  # noqa: PERF401 - an error loses none of them

    if way != "sync":
        try:
            anyio.run(run, backend=way)
        finally:
            yield from outcomes
        return
    with (
        Client(MADE_UP_KEY, transport=server.transport()) as client,
        client.batch(source, out=out, endpoint=TURBO, **options) as batch,
    ):
        yield from batch


@pytest.mark.parametrize("way", WAYS)
def test_jobs_are_sent_while_the_rest_is_read(
    server: ReferenceServer, tmp_path: Path, way: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("segmind_sd3._batch.run.CHUNK", 1)

    def slowly() -> Iterator[dict[str, Any]]:
        for job in some(3):
            yield job
            while len(server.ledger) <= int(job["id"][-1]):  # this job is sent before the next is read
                time.sleep(0.01)

    assert {each.id for each in sent(way, server, slowly(), tmp_path)} == {"job-0", "job-1", "job-2"}


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    run = Run(Plan(tmp_path, 2, budget=Decimal("0.01")))
    with closing(run.journal):
        yield run


def test_a_job_that_is_added_while_a_worker_finds_none_is_found_by_its_next_claim(run: Run):
    run.begin()
    run.more = False  # what reads the jobs has just added the last
    assert run.nothing_claimed(run.claim(), more=True)


def test_over_the_budget_a_worker_waits_for_what_is_not_settled(run: Run):
    over = Claim(over_budget=True)
    for _ in range(2):
        run.begin()
    assert (run.nothing_claimed(over, more=False), run.why) == (True, "")
    run.nothing_claimed(over, more=False)
    assert run.why == "the budget of $0.01 does not cover the next job"


@pytest.mark.parametrize("way", WAYS)
def test_a_source_that_breaks_off_is_raised_and_what_was_sent_is_kept(
    server: ReferenceServer, tmp_path: Path, way: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("segmind_sd3._batch.run.CHUNK", 1)

    def broken() -> Iterator[dict[str, Any]]:
        yield from some(2)
        raise LookupError("no more")

    with pytest.raises(LookupError, match="no more"):
        list(sent(way, server, broken(), tmp_path))
    with closing(Journal(tmp_path)) as journal:
        assert journal.totals().counts.get("done", 0) == len(server.ledger)


def line(number: int, prompt: str = "a fox") -> str:
    return padded(json.dumps({"id": f"job-{number}", "prompt": prompt, **SMALL}))


def padded(text: str) -> str:
    """Return a line that begins with more blanks than a file object reads ahead."""
    return text.rjust(200_000) + "\n"


@pytest.mark.parametrize(
    ("changed", "done", "problem"),
    [
        (
            [line(0), padded("{broken"), line(2)],
            {"job-0", "job-2"},
            "jobs.jsonl, line 2: it is no JSON object",
        ),
        (
            [line(0), line(0, "a cat"), line(2)],
            {"job-0", "job-2"},
            "jobs.jsonl, line 2: id 'job-0' is that of another job: give each job its own id",
        ),
        ([line(0), line(1, "a cat"), line(2)], {"job-0", "job-1", "job-2"}, None),
        ([line(0)], {"job-0"}, None),
        ([*map(line, range(4))], {"job-0", "job-1", "job-2", "job-3"}, None),
    ],
    ids=["broken", "another job's id", "another content", "shorter", "longer"],
)
def test_a_file_that_changes_while_it_is_read_is_read_as_it_is_then(  # noqa: PLR0917 - columns and fixtures
    client: Client,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    changed: list[str],
    done: set[str],
    problem: str | None,
):
    monkeypatch.setattr("segmind_sd3._batch.run.CHUNK", 1)
    file = tmp_path / "jobs.jsonl"
    file.write_text("".join(map(line, range(3))))
    with client.batch(file, out=tmp_path / "out", endpoint=TURBO) as batch:  # the first line is read
        file.write_text("".join(changed))
        outcomes = list(batch)
    assert {each.id for each in outcomes if each.state == "done"} == done
    said = [str(each) for each in batch.summary.problems]
    assert len(said) == (problem is not None)
    assert problem is None or said[0].startswith(problem)


def test_a_line_that_changed_since_an_earlier_run_is_named_and_its_old_job_stays(
    server: ReferenceServer, client: Client, tmp_path: Path
):
    send(client, some(2), tmp_path, limit=0)
    _, summary = send(client, [some(1)[0] | {"prompt": "a cat"}], tmp_path)
    assert str(summary.problems[0]).startswith("job 1: id 'job-0' is that of another job")
    assert {entry.body["prompt"] for entry in server.ledger} == {"a lighthouse 0", "a lighthouse 1"}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("step", ["_client.prepare", "_batch.run.Run._parameters"])
def test_an_unexpected_error_before_a_call_is_sent_costs_nothing(
    server: ReferenceServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str, step: str
):
    monkeypatch.setattr(f"segmind_sd3.{step}", Mock(side_effect=LookupError("none")))
    (outcome,) = sent(way, server, some(1), tmp_path)
    assert (outcome.state, outcome.billed, outcome.cost) == ("failed", False, 0)
    assert (outcome.error, server.ledger) == ("LookupError", ())


@pytest.mark.anyio
async def test_what_the_caller_raises_comes_out_as_it_is(server: ReferenceServer, tmp_path: Path):
    async with AsyncClient(MADE_UP_KEY, transport=server.async_transport()) as client:
        with pytest.raises(LookupError):
            async with client.batch(some(3), out=tmp_path, endpoint=TURBO):
                raise LookupError


@pytest.mark.parametrize("way", WAYS)
def test_a_journal_that_fails_ends_the_batch(
    server: ReferenceServer, tmp_path: Path, way: str, monkeypatch: pytest.MonkeyPatch
):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Journal, "apply", full)
    with pytest.raises(OSError, match="No space left"):
        list(sent(way, server, some(3), tmp_path))
    assert server.ledger == ()


@pytest.mark.parametrize("way", WAYS)
def test_a_picture_is_named_even_where_the_journal_can_not_note_it(
    server: ReferenceServer, tmp_path: Path, way: str, monkeypatch: pytest.MonkeyPatch
):
    apply, outcomes = Journal.apply, list[JobOutcome]()

    def no_finish(journal: Journal, requests: Sequence[Claim | Finish]) -> None:
        if any(isinstance(each, Finish) for each in requests):
            raise OSError(28, "No space left on device")
        apply(journal, requests)

    monkeypatch.setattr(Journal, "apply", no_finish)

    with pytest.raises(OSError, match="No space left"):
        outcomes.extend(sent(way, server, some(1), tmp_path))
    (outcome,) = outcomes
    assert (outcome.state, [file.name for file in outcome.files]) == ("unknown", ["job-0.jpg"])
    assert outcome.message == "the journal has no note of it ([Errno 28] No space left on device)"


@pytest.mark.parametrize("way", WAYS)
def test_what_an_earlier_run_left_is_told_first(server: ReferenceServer, tmp_path: Path, way: str):
    with closing(journal_of(tmp_path, 1)) as journal:
        journal.apply([Claim()])
    first, second = sent(way, server, some(1), tmp_path)
    assert ((first.id, first.state), (second.id, second.state)) == (("0", "unknown"), ("job-0", "done"))


@pytest.mark.parametrize("way", WAYS)
def test_a_429_lets_the_job_wait_and_every_call_keeps_the_pace(
    server: ReferenceServer, tmp_path: Path, way: str, picture: bytes
):
    server.provoke("no-retry-after:past")
    (tmp_path / "in.png").write_bytes(picture)
    redrawn = {"endpoint": "sd3-medium-img2img", "prompt": "a fox", "image": str(tmp_path / "in.png")}
    outcomes = list(sent(way, server, [redrawn, *some(2)], tmp_path / "out", per_minute=600))
    assert [each.state for each in outcomes] == ["done"] * 3
    assert [entry.status for entry in server.ledger].count(429) == 1


@pytest.mark.parametrize("way", WAYS)
def test_a_picture_that_is_gone_fails_its_job_alone(
    server: ReferenceServer, tmp_path: Path, way: str, picture: bytes
):
    file = tmp_path / "in.png"
    file.write_bytes(picture)
    job = {"endpoint": "sd3-medium-img2img", "prompt": "a fox", "image": str(file)}
    assert list(sent(way, server, [job], tmp_path / "out", limit=0)) == []
    file.unlink()
    assert [each.error for each in sent(way, server, [], tmp_path / "out")] == ["InvalidRequest"]


def test_a_batch_that_is_stopped_before_it_begins_sends_nothing(
    server: ReferenceServer, client: Client, tmp_path: Path
):
    batch = client.batch(some(3), out=tmp_path, endpoint=TURBO)
    batch.stop()
    with batch:
        assert list(batch) == []
    assert (batch.summary.stopped, server.ledger) == ("the caller asked for it", ())


def test_a_batch_that_is_stopped_finishes_what_is_under_way(
    server: ReferenceServer, client: Client, tmp_path: Path
):
    with client.batch(some(50), out=tmp_path, endpoint=TURBO, at_once=1) as batch:
        for _ in batch:
            batch.stop()
    assert batch.summary.counts["done"] == len(server.ledger) < 50


def test_what_a_batch_can_make_nothing_of_is_unknown(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def broken(*_: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("segmind_sd3._batch.storing.store_pictures", broken)
    (outcome,), summary = send(client, some(1), tmp_path)
    assert (outcome.error, outcome.billed, summary.counts) == ("RuntimeError", None, {"unknown": 1})


def test_wrong_jobs_are_all_counted_and_the_first_are_named(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("segmind_sd3._batch.run.MOST_PROBLEMS", 1)
    _, summary = send(client, ["no", "job"], tmp_path)
    assert (summary.wrong, [each.where for each in summary.problems]) == (2, ["job 1"])


def test_under_a_budget_a_job_needs_a_known_price(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("segmind_sd3._batch.reading.worst_price", Mock(return_value=None))
    _, summary = send(client, some(1), tmp_path, budget=1)
    assert "no price of sd35_turbo_txt2img is known: no budget can cover it" in str(summary.problems[0])


# -- What is wrong with a job, and the rest goes on -------------------------------------------------------

WRONG: list[tuple[str, str]] = [
    ('{"id": "../x", "prompt": "a fox"}', "id '../x' can't be the name of a file: allowed are"),
    ('{"id": "x/y", "prompt": "a fox"}', "id 'x/y' can't be the name of a file"),
    (json.dumps({"id": "漢" * 100, "prompt": "a fox"}), "can't be the name of a file"),
    ('{"id": ".x", "prompt": "a fox"}', "id '.x' can't be the name of a file"),
    ('{"id": "good", "prompt": "another"}', "id 'good' is that of another job: give each job its own id"),
    ("{broken", "it is no JSON object (JSONDecodeError"),
    ("[1]", "it is no JSON object, but [1]"),
    ('{"id": "\xff"'.encode("latin-1").decode("utf-8", "surrogateescape"), "it is no JSON object (Unicode"),
    ('{"prompt": "a fox", "steps": 1}', "steps: got 1; allowed is a whole number from 10 to"),
    ('{"prompt": "a fox", "extra": 3}', "extra: got 3; allowed is a mapping"),
    ('{"prompt": "a fox", "endpoint": "sd4"}', "there is no endpoint 'sd4'; there are"),
    ('{"endpoint": "sd3-medium-img2img", "prompt": "a", "image": "no.png"}', "no.png can't be read: No such"),
    (
        '{"endpoint": "sd3-medium-img2img", "prompt": "a", "image": {}}',
        "image: got {}; allowed is a path or a URL",
    ),
]


@pytest.mark.parametrize(("line", "said"), WRONG)
def test_a_wrong_line_is_named_and_the_rest_goes_on(client: Client, tmp_path: Path, line: str, said: str):
    file = tmp_path / "jobs.jsonl"
    good = json.dumps({"id": "good", "prompt": "a fox", **SMALL})
    last = json.dumps({"prompt": "the last", **SMALL})
    file.write_bytes(f"{good}\n\n{line}\n{last}\n".encode("utf-8", "surrogateescape"))
    _, summary = send(client, file, tmp_path / "out")
    assert str(summary.problems[0]).startswith("jobs.jsonl, line 3: ")
    assert said in str(summary.problems[0])
    assert (summary.wrong, summary.counts) == (1, {"done": 2})


def test_a_table_has_a_job_in_each_line_and_numbers_in_its_cells(client: Client, tmp_path: Path):
    file = tmp_path / "jobs.csv"
    file.write_text(
        "id,prompt,width,height,base64,negative_prompt\n"
        "a,a fox,64,64,true,\nb,a fox,wide,64,no,\nc,a,64,64,1,x,y\n"
    )
    outcomes, summary = send(client, file, tmp_path / "out")
    assert [each.id for each in outcomes] == ["a"]
    assert [str(each).splitlines()[-1] for each in summary.problems] == [
        "  width: got 'wide'; allowed is a whole number from 64 to 2048",
        "jobs.csv, line 4: it has more columns than the first line",
    ]


def test_a_table_that_breaks_off_is_named(client: Client, tmp_path: Path):
    file = tmp_path / "jobs.csv"
    file.write_text('prompt\n"a fox\n')
    _, summary = send(client, file, tmp_path / "out")
    assert "jobs.csv, line 1: it is no CSV (unexpected end of data)" in str(summary.problems[0])


def test_an_iterable_may_hold_what_is_no_job(client: Client, tmp_path: Path):
    _, summary = send(client, ["a fox", *some(1)], tmp_path)
    assert str(summary.problems[0]) == "job 1: it is no JSON object, but 'a fox'"


def test_a_job_needs_an_endpoint(client: Client, tmp_path: Path):
    with client.batch(some(1), out=tmp_path) as batch:
        assert [*batch] == []
    assert "it names no endpoint" in str(batch.summary.problems[0])


def change_content(file: Path) -> None:
    file.write_bytes(b"else")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (change_content, "has changed since the job was added"),
        (Path.unlink, "can't be read"),
    ],
    ids=["changed", "removed"],
)
def test_a_picture_that_is_not_the_one_that_was_added_is_not_sent(  # noqa: PLR0917 - fixtures
    server: ReferenceServer, client: Client, tmp_path: Path, picture: bytes, change: Any, said: str
):
    file = tmp_path / "in.png"
    file.write_bytes(picture)
    job = {"endpoint": "sd3-medium-img2img", "prompt": "a fox", "image": str(file)}
    send(client, [job], tmp_path / "out", limit=0)
    change(file)
    with client.batch([], out=tmp_path / "out") as batch:
        (outcome,) = batch
    assert (outcome.state, outcome.error, server.ledger) == ("failed", "InvalidRequest", ())
    assert said in outcome.message


def test_a_picture_is_given_by_path_or_url(
    server: ReferenceServer, client: Client, tmp_path: Path, picture: bytes
):
    (tmp_path / "in.png").write_bytes(picture)
    file = tmp_path / "jobs.jsonl"
    job = {"endpoint": "sd3-medium-img2img", "prompt": "a fox"}
    lines = [job | {"image": "in.png"}, job | {"image": "data:image/png;base64,AAAA"}]
    file.write_text("\n".join(map(json.dumps, lines)))
    outcomes, _ = send(client, file, tmp_path / "out")
    assert Counter(each.state for each in outcomes) == {"done": 1, "failed": 1}
    assert len(server.ledger) == 1


@pytest.mark.parametrize("jump", [-1e6, 1e6])
def test_a_clock_that_jumps_changes_nothing(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jump: float
):
    real, calls = time.time, iter(range(10**6))
    monkeypatch.setattr(time, "time", lambda: real() + jump * (next(calls) % 2))
    _, summary = send(client, some(6), tmp_path, per_minute=6000)
    assert (summary.counts, summary.stopped) == ({"done": 6}, "")


# -- The folder -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("at_once", 0, "at_once was 0; allowed is a whole number from 1 to the client's max_connections"),
        ("at_once", 101, "which is 100"),
        ("limit", -1, "limit was -1; allowed"),
        ("per_minute", 0, "per_minute was 0; allowed"),
        ("budget", -1, "budget was -1; allowed"),
        ("out", "/dev/null/x", "no folder can be there"),
        ("journal", "/dev/null/x", "journal was '/dev/null/x': no folder can be there"),
    ],
)
def test_a_wrong_option_is_refused(client: Client, tmp_path: Path, option: str, value: Any, said: str):
    options: dict[str, Any] = {"out": tmp_path, option: value}
    with pytest.raises(InvalidRequest, match=said):
        client.batch(some(1), **options)


def test_a_folder_that_takes_no_journal_is_named(client: Client):
    with (
        pytest.raises(OSError, match=r"the journal can't be used.*journal\.db"),
        client.batch([], out="/proc/self"),
    ):
        pass


def test_a_journal_may_be_in_another_folder_and_names_whole_paths(client: Client, tmp_path: Path):
    _, summary = send(client, some(1), tmp_path / "out", journal=tmp_path / "journal")
    with closing(Journal(tmp_path / "journal")) as journal:
        (record,) = records(journal)
    assert (summary.counts, record["files"]) == ({"done": 1}, [str(tmp_path / "out" / "job-0.jpg")])


def test_a_batch_is_entered_first(client: Client, tmp_path: Path):
    with pytest.raises(RuntimeError, match="enter the batch first"):
        next(iter(client.batch([], out=tmp_path)))


def test_a_second_run_says_who_works_on_the_folder(client: Client, tmp_path: Path):
    refused = pytest.raises(InvalidRequest, match=rf"another run works on .* \(process {os.getpid()} on ")
    with client.batch([], out=tmp_path), refused, client.batch([], out=tmp_path):
        pass


def test_a_folder_that_another_program_holds_is_refused_too(client: Client, tmp_path: Path):
    with closing(sqlite3.connect(tmp_path / "journal.lock", isolation_level=None)) as lock:
        lock.execute("BEGIN EXCLUSIVE")
        refused = pytest.raises(InvalidRequest, match=f"another run works on {tmp_path}: wait")
        with refused, client.batch([], out=tmp_path):
            pass


def test_a_batch_begins_no_call_where_its_pictures_have_no_room(
    server: ReferenceServer, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(storing, "ROOM", 2**60)
    _, summary = send(client, some(1), tmp_path, at_once=1)
    assert "MiB free, and 1 at once may need" in summary.stopped
    assert (server.ledger, summary.counts) == ((), {"waiting": 1})


def job_named(name: str) -> Job:
    return Job(1, name, TURBO, {}, 0, 1, 0)


def test_a_picture_that_can_not_be_stored_in_the_folder_is_saved_elsewhere_and_named(
    client: Client, tmp_path: Path
):
    drawn = client.sd35_turbo_txt2img(prompt="a fox", **SMALL)
    files, trouble = storing.store_pictures(tmp_path, job_named("n" * 300), drawn)
    assert f"{tmp_path} could not be written" in trouble
    assert f"saved elsewhere: {files[0]}" in trouble
    assert Path(files[0]).read_bytes() == drawn.image.data


def test_a_picture_never_replaces_a_file(client: Client, tmp_path: Path):
    (tmp_path / "fox.jpg").write_bytes(b"a file of the user's")
    drawn = client.sd35_turbo_txt2img(prompt="a fox", **SMALL)
    assert storing.store_pictures(tmp_path, job_named("fox"), drawn) == (["fox (1).jpg"], "")


def test_several_pictures_of_a_job_are_numbered_and_found_again(client: Client, tmp_path: Path):
    job = Job(1, "fox", TURBO, {"batch_size": 2}, 0, 1, 0)
    drawn = client.sd35_turbo_txt2img(prompt="a fox", batch_size=2, **SMALL)
    assert storing.store_pictures(tmp_path, job, drawn) == (["fox-1.jpg", "fox-2.jpg"], "")
    assert storing.find_pictures(tmp_path, job, time.time()) == ["fox-1.jpg", "fox-2.jpg"]


def test_a_picture_that_can_not_be_stored_stops_the_batch(
    server: ReferenceServer, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    store = storing.store_pictures

    def in_a_lost_folder(folder: Path, job: Job, drawn: Generation) -> tuple[list[str], str]:
        return store(folder / "lost", job, drawn)

    monkeypatch.setattr("segmind_sd3._batch.storing.store_pictures", in_a_lost_folder)
    outcomes, summary = send(client, some(9), tmp_path, at_once=1)
    assert "could not be written" in summary.stopped
    assert (len(server.ledger), outcomes[0].files[0].is_file()) == (1, True)


def test_a_folder_that_can_not_be_opened_is_not_synced(tmp_path: Path):
    storing.sync_folders([tmp_path / "none"])


def remount(disk: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(disk)], check=True)


linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs tmpfs")


@linux
@pytest.mark.parametrize(("left", "side"), [(40_000, 64), (400_000, 64), (400_000, 1024)])
def test_a_full_disk_loses_no_picture_that_was_paid_for(  # noqa: PLR0917 - fixtures and columns
    server: ReferenceServer,
    client: Client,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    left: int,
    side: int,
):
    monkeypatch.setattr(storing, "ROOM", 0)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    outcomes: list[JobOutcome] = []
    wanted = some(40, width=side, height=side)
    with small_disk(tmp_path / "disk") as disk:
        send(client, wanted, disk, limit=0)
        free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
        (disk / "ballast").write_bytes(bytes(max(0, free - left)))
        batch = client.batch([], out=disk, at_once=2)
        try:
            with batch:
                outcomes += batch
            why = batch.summary.stopped
        except OSError as full:  # the journal may be the first that finds no room
            why = str(full)
        assert str(disk) in why
        assert len(server.ledger) < 40

        remount(disk, "size=64m")
        again, summary = send(client, wanted, disk)
        paid = Counter(entry.body["prompt"] for entry in server.ledger)
        whole = [
            file for each in outcomes + again for file in each.files if file.read_bytes()[-2:] == b"\xff\xd9"
        ]
        assert summary.counts.keys() <= {"done", "unknown"}
        assert (sum(summary.counts.values()), max(paid.values())) == (40, 1)
        assert len({*whole}) >= summary.counts["done"]
        with closing(Journal(disk)) as journal:
            unknown = {f"a lighthouse {row.id[4:]}" for row in journal.rows() if row.state == "unknown"}
        named = {f"a lighthouse {each.id[4:]}" for each in outcomes + again if each.files}
        assert paid.keys() <= named | unknown


@linux
def test_a_read_only_folder_is_named_and_nothing_is_sent(
    server: ReferenceServer, client: Client, tmp_path: Path
):
    with small_disk(tmp_path / "disk") as disk:
        send(client, some(2), disk, limit=0)
        remount(disk, "ro")
        with pytest.raises(OSError, match=rf"the journal can't be used.*{disk}/journal\.db"):
            send(client, some(2), disk)
        assert server.ledger == ()
        remount(disk, "rw,size=128m")
        _, summary = send(client, some(2), disk)
    assert summary.counts == {"done": 2}


@contextmanager
def mounted(image: Path, disk: Path) -> Generator[None]:
    """Mount a disk that is read-only as a whole once it fails."""
    disk.mkdir(exist_ok=True)
    words = ["mount", "-o", "loop,errors=remount-ro", str(image), str(disk)]
    if subprocess.run(words, capture_output=True, check=False).returncode:
        pytest.skip("only root can mount a disk")
    try:
        yield
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@linux
@pytest.mark.skipif(shutil.which("mkfs.ext4") is None, reason="needs a disk of its own")
def test_a_disk_that_fails_halfway_loses_no_picture_that_was_paid_for(
    server: ReferenceServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    disk, image = tmp_path / "disk", tmp_path / "image"
    image.write_bytes(b"")
    os.truncate(image, 256 * 1024**2)
    subprocess.run(["mkfs.ext4", "-q", str(image)], check=True)
    calls = 0

    def fail(event: object) -> None:
        nonlocal calls
        calls += isinstance(event, Sending)
        if isinstance(event, Sending) and calls == 8:
            remount(disk, "abort")

    outcomes: list[JobOutcome] = []
    with Client(MADE_UP_KEY, transport=server.transport(), on_event=fail) as client:
        # One at a time: no other is in the midst of a write.
        batch = client.batch(some(20), out=disk, endpoint=TURBO, at_once=1)
        with mounted(image, disk), pytest.raises(OSError, match=str(disk)), batch:
            outcomes.extend(batch)
        assert (len(outcomes), outcomes[-1].state) == (8, "unknown")
        assert outcomes[-1].message.startswith(f"{disk} could not be written")
        with mounted(image, disk):
            again, summary = send(client, some(20), disk)
            whole = {
                file
                for each in outcomes + again
                for file in each.files
                if file.read_bytes()[-2:] == b"\xff\xd9"
            }
    assert (len(whole), len(server.ledger), summary.counts) == (20, 20, {"done": 19, "unknown": 1})


# -- The journal ------------------------------------------------------------------------------------------


def journal_of(folder: Path, count: int) -> Journal:
    journal = Journal(folder)
    journal.add([NewJob(f"{n}", f"digest {n}", TURBO, "{}", BILLION, "") for n in range(count)])
    return journal


def test_the_next_job_is_found_by_an_index_however_many_are_done(tmp_path: Path):
    with closing(journal_of(tmp_path, 1)) as journal, journal._transaction() as connection:  # pyright: ignore[reportPrivateUsage]
        query = "SELECT n FROM jobs WHERE state = 'waiting' ORDER BY n LIMIT 8"
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}").all()
    assert [row[3] for row in plan] == ["SEARCH jobs USING COVERING INDEX jobs_by_state (state=?)"]


def test_the_jobs_of_a_run_that_died_are_done_where_their_picture_is_there_else_unknown(
    tmp_path: Path, picture: bytes
):
    with closing(journal_of(tmp_path, 2)) as journal:
        journal.apply([Claim(), Claim()])
        (tmp_path / "0.png").write_bytes(picture)
    run = Run(Plan(tmp_path, 1))
    with closing(run.journal), run.journal.running():
        assert [(each.id, each.state) for each in run.recover()] == [("0", "done"), ("1", "unknown")]


def test_a_picture_whose_run_died_before_it_had_its_name_gets_it(tmp_path: Path, picture: bytes):
    (tmp_path / ".fox.png.part").write_bytes(picture)
    (tmp_path / ".half.png.part").write_bytes(picture[:-9])
    found = [storing.find_pictures(tmp_path, job_named(name), time.time()) for name in ("fox", "half")]
    assert found == [["fox.png"], []]
    assert (tmp_path / "fox.png").read_bytes() == picture


def test_a_picture_that_was_there_before_a_call_is_not_its_own(tmp_path: Path, picture: bytes):
    (tmp_path / "0.png").write_bytes(picture)
    os.utime(tmp_path / "0.png", (1, 1))
    with closing(journal_of(tmp_path, 1)) as journal:
        journal.apply([Claim()])
    run = Run(Plan(tmp_path, 1))
    with closing(run.journal), run.journal.running():
        assert [each.state for each in run.recover()] == ["unknown"]


def test_each_job_of_a_journal_is_told(client: Client, tmp_path: Path):
    send(client, some(3), tmp_path)
    with closing(Journal(tmp_path)) as journal:
        assert [row.id for row in journal.rows(size=2)] == ["job-0", "job-1", "job-2"]
        assert [each["files"] for each in records(journal)] == [[f"job-{n}.jpg"] for n in range(3)]


# -- The pace ---------------------------------------------------------------------------------------------


def limited(seconds: int) -> RateLimited:
    return RateLimited("HTTP 429", Reply(429, {"retry-after": str(seconds)}, b""))


def test_after_a_429_half_as_many_calls_begin_and_none_before_the_window_ends():
    now = 100.0
    pace = Pace(8, clock=lambda: now)
    assert [pace.begin() for _ in range(9)] == [0.0] * 8 + [0.25]
    for _ in range(8):
        pace.end(limited(30))
    assert (int(pace.limit), pace.begin()) == (4, 0.25)
    now += 30
    assert [pace.begin() for _ in range(5)] == [0.0] * 4 + [0.25]


def test_with_each_round_of_successes_one_more_call_begins():
    pace = Pace(8, clock=lambda: 0.0)
    pace.limit = 4.0
    for _ in range(5):
        pace.begin()
        pace.end(None)
    assert int(pace.limit) == 5


def test_a_job_whose_service_can_not_be_reached_is_tried_again_before_it_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("segmind_sd3._batch.run.MOST_TRIES", 2)
    with refusing() as url, Client(MADE_UP_KEY, base_url=url, retry=Retry(attempts=1)) as client:
        (outcome,), summary = send(client, some(1), tmp_path)

    with closing(sqlite3.connect(tmp_path / "journal.db")) as journal:
        assert journal.execute("SELECT attempt, tries FROM jobs").fetchall() == [(2, 1)]
    assert (outcome.state, outcome.error, outcome.billed) == ("failed", "ConnectionFailed", False)
    assert summary.spent == 0


def test_a_pace_that_is_held_begins_no_call_until_then():
    now = 100.0
    pace = Pace(8, clock=lambda: now)
    pace.hold(0.1)
    assert 0 < pace.begin() <= 0.1
    now += 0.1
    assert pace.begin() == 0.0


def test_so_many_calls_begin_in_a_minute():
    now = 0.0
    pace = Pace(99, per_minute=60, clock=lambda: now)
    begun = 0
    for _ in range(400):
        begun += pace.begin() == 0.0
        now += 0.025
    assert begun == 10


def test_a_service_that_limits_every_call_ends_the_batch():
    pace = Pace(8, clock=lambda: 0.0)
    said = [pace.end(limited(1)) for _ in range(MOST_REFUSALS)]
    assert said == [""] * (MOST_REFUSALS - 1) + ["the service limits every call"]


# -- What it needs ----------------------------------------------------------------------------------------


def test_only_a_batch_imports_sqlalchemy():
    code = "import sys; from segmind_sd3 import Client, JobOutcome; sys.exit('sqlalchemy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_without_sqlalchemy_the_error_names_the_extra(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    for name in [name for name in sys.modules if name.startswith(("segmind_sd3._batch.", "sqlalchemy"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    with pytest.raises(ImportError, match=r"batch\(\) needs sqlalchemy: pip install 'segmind-sd3\[batch\]'"):
        client.batch([], out=tmp_path)
