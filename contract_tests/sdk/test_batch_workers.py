"""A worker of a batch on several machines: what it is given, what it refuses, and what it sends.

Here a worker is a thread of this process. `test_batch_on_ray.py` starts workers on the nodes of a cluster.
"""

import logging
import pickle
import ssl
import sys
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from proofs.fixtures.postgres_server import PostgresServer
from proofs.fixtures.sockets import Connection, serving
from segmind_sd3 import Client, InvalidRequest, JobOutcome
from segmind_sd3._batch.on_ray import Share, Taken, Worker
from segmind_sd3._batch.places import Folder
from segmind_sd3_contract.reference import MADE_UP_KEY, ReferenceServer

TURBO = "sd35_turbo_txt2img"
SMALL: dict[str, Any] = {"width": 64, "height": 64}
DATABASE = "postgresql://ann@host/work?batch=foxes"


# -- What is refused --------------------------------------------------------------------------------------


WRONG = [
    ({"workers": "dask"}, "workers was 'dask'; allowed are 'ray' and 'ray://HOST:PORT'"),
    ({"workers": 2}, "workers was 2; allowed are"),
    ({"journal": None}, r"journal was .*, which only one machine sees: workers need postgresql://"),
    ({"journal": "postgresql://ann:hidden@host/work"}, "journal has a password, which is not sent to other"),
    ({"out": "memory://bucket"}, "out was memory://bucket, which no other machine sees"),
]


@pytest.mark.parametrize(("options", "said"), WRONG)
def test_what_other_machines_can_not_use_is_refused(client: Client, tmp_path: Path, options: Any, said: str):
    given: dict[str, Any] = {"out": str(tmp_path), "journal": DATABASE, "workers": "ray"} | options
    with pytest.raises(InvalidRequest, match=said) as refused:
        client.batch([], **given)
    assert "hidden" not in str(refused.value)


NOT_SENT = [
    {"headers": {"x-gateway": "hidden"}},
    {"proxy": "http://ann:hidden@127.0.0.1:1"},
    {"verify": ssl.create_default_context()},
    {"transport": httpx.MockTransport(lambda _: httpx.Response(500))},
    {"budget": 1},
    {"on_event": print},
    {"spool": "."},
]


@pytest.mark.parametrize("option", NOT_SENT, ids=lambda option: next(iter(option)))
def test_a_client_with_what_is_not_sent_to_other_machines_is_refused(tmp_path: Path, option: dict[str, Any]):
    said = f"the client has {next(iter(option))}, which"
    with (
        Client(MADE_UP_KEY, base_url="http://127.0.0.1", **option) as client,
        pytest.raises(InvalidRequest, match=said) as refused,
    ):
        client.batch([], out=tmp_path, journal=DATABASE, workers="ray")
    assert "hidden" not in str(refused.value)


def test_without_ray_the_error_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with Client(MADE_UP_KEY) as client:
        needed = pytest.raises(InvalidRequest, match=r"pip install 'segmind-sd3\[ray\]'")
        with needed, client.batch([], out=tmp_path, journal=DATABASE, workers="ray"):
            pass


# -- What a worker says before it sends -------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder in which the driver has left its mark."""
    Folder(tmp_path).mark("token")
    return tmp_path


def share(folder: Path, journal: str = DATABASE, url: str = "http://127.0.0.1:1", **more: Any) -> Share:
    client = partial(Client, base_url=url, timeout=30.0)
    return Share(client, {"out": str(folder), "journal": journal, "at_once": 2}, "token", 30, **more)


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGMIND_API_KEY", MADE_UP_KEY)


@pytest.mark.usefixtures("key")
def test_a_worker_that_finds_the_mark_can_send(folder: Path):
    assert Worker("worker 1", share(folder)).prepare() == ""


@pytest.mark.usefixtures("key")
def test_a_worker_that_sees_another_folder_says_so(tmp_path: Path):
    assert "is another folder than the driver's: name" in Worker("worker 1", share(tmp_path)).prepare()


def test_a_worker_without_a_key_says_so(folder: Path):
    assert "SEGMIND_API_KEY" in Worker("worker 1", share(folder)).prepare()


@pytest.mark.usefixtures("key")
def test_a_worker_of_another_version_says_so(folder: Path):
    said = Worker("worker 1", share(folder, version="0")).prepare()
    assert said.endswith("and the driver 0: install the same")


@pytest.mark.usefixtures("key")
def test_a_worker_prints_a_log_where_the_driver_does(folder: Path, monkeypatch: pytest.MonkeyPatch):
    logger = logging.getLogger("segmind_sd3")
    monkeypatch.setattr(logger, "handlers", [])
    level = logger.level
    try:
        assert Worker("worker 1", replace(share(folder), log_level=logging.DEBUG)).prepare() == ""
        assert (len(logger.handlers), logger.level) == (1, logging.DEBUG)
    finally:
        logger.setLevel(level)


def test_a_worker_has_a_name():
    assert repr(Worker("worker 1", share(Path()))) == "worker 1"


def test_a_share_holds_no_key(folder: Path):
    with Client(MADE_UP_KEY) as client:
        made = client._for_workers()  # pyright: ignore[reportPrivateUsage]
    sent = pickle.dumps(Share(made, share(folder).batch, "token", 30))
    assert MADE_UP_KEY.encode() not in sent
    assert pickle.loads(sent).client.keywords["timeout"] == 180.0  # noqa: S301 - its own


# -- What it sends ----------------------------------------------------------------------------------------


@pytest.fixture
def journal(tmp_path: Path) -> str:
    """Return a folder: a single worker needs no database."""
    return str(tmp_path / "journal")


@pytest.fixture
def shared_journal(postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the URL of a new batch, without the password."""
    monkeypatch.setenv("PGPASSWORD", postgres.password)
    return postgres.url(uuid.uuid4().hex).replace(f":{postgres.password}@", "@")


@pytest.fixture
def url() -> Iterator[str]:
    with ReferenceServer(credits=100).listening() as url:
        yield url


def add(count: int, folder: Path, journal: str) -> None:
    jobs = [{"id": f"job-{n}", "prompt": f"a fox {n}", **SMALL} for n in range(count)]
    with (
        Client(MADE_UP_KEY) as client,
        client.batch(jobs, out=folder, journal=journal, endpoint=TURBO, limit=0),
    ):
        pass


def ready(name: str, share: Share) -> Worker:
    worker = Worker(name, share)
    assert worker.prepare() == ""
    worker.start()
    return worker


def taken(worker: Worker) -> Iterator[Taken]:
    """Yield what a worker answers until it ends."""
    while True:
        answer = worker.take()
        yield answer
        if answer.ended:
            return


def outcomes(worker: Worker) -> list[JobOutcome]:
    return [outcome for answer in taken(worker) for outcome in answer.outcomes]


@pytest.mark.slow
@pytest.mark.usefixtures("key")
def test_workers_send_each_job_once_and_their_outcomes_have_their_names(
    folder: Path, shared_journal: str, url: str
):
    add(20, folder, shared_journal)
    workers = [ready(f"worker {n}", share(folder, shared_journal, url)) for n in range(2)]
    found = [outcome for worker in workers for outcome in outcomes(worker)]
    assert Counter(outcome.id for outcome in found) == Counter(f"job-{n}" for n in range(20))
    assert {outcome.worker for outcome in found} <= {repr(worker) for worker in workers}
    assert all(outcome.files[0].is_file() for outcome in found)


@pytest.mark.usefixtures("key")
def test_a_worker_that_has_ended_says_so_each_time(folder: Path, journal: str, url: str):
    add(1, folder, journal)
    worker = ready("worker 1", share(folder, journal, url))
    assert len(outcomes(worker)) == 1
    assert worker.take() == Taken((), ended=True)


@pytest.mark.usefixtures("key")
def test_a_worker_that_is_stopped_finishes_what_is_under_way(folder: Path, journal: str, url: str):
    add(200, folder, journal)
    worker = ready("worker 1", share(folder, journal, url))
    first = next(answer for answer in taken(worker) if answer.outcomes)
    worker.stop()
    *_, last = answers = [first, *taken(worker)]
    states = {outcome.state for answer in answers for outcome in answer.outcomes}
    assert (states, last.why) == ({"done"}, "the caller asked for it")


@pytest.mark.usefixtures("key")
def test_a_worker_that_is_closed_ends_its_calls_and_they_are_unknown(folder: Path, journal: str):
    add(1, folder, journal)

    def never(connection: Connection) -> None:
        connection.request()
        worker.close()
        connection.wait_for_hangup()

    with serving(never) as peer:
        worker = ready("worker 1", share(folder, journal, peer.url))
        (outcome,) = outcomes(worker)
    assert (outcome.state, outcome.billed) == ("unknown", None)


@pytest.mark.usefixtures("key")
def test_a_worker_says_why_it_can_not_go_on(folder: Path, journal: str, url: str):
    worker = Worker("worker 1", share(folder, journal, url))
    assert worker.prepare() == ""
    Path(journal, "journal.db").mkdir()
    worker.start()
    *_, last = taken(worker)
    assert "the journal can't be used" in last.why
