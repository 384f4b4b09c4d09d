"""A batch on two nodes of a Ray cluster: outcomes, progress and Ctrl-C are as on one machine.

`make prove WHAT=ray` runs these tests where Ray is installed; elsewhere they are skipped.
"""

import json
import os
import re
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from proofs.fixtures.postgres_server import PostgresServer
from proofs.fixtures.ray_nodes import Nodes, ray_nodes
from proofs.fixtures.store_process import environment_of_store, store_listening
from segmind_sd3 import Client
from segmind_sd3_contract.reference import MADE_UP_KEY, ReferenceServer

ray: Any = pytest.importorskip("ray")
pytestmark = [pytest.mark.slow, pytest.mark.thorough, pytest.mark.filterwarnings("default")]

TURBO = "sd35_turbo_txt2img"
SMALL: dict[str, Any] = {"width": 64, "height": 64}


@pytest.fixture(scope="module")
def nodes(postgres: PostgresServer) -> Iterator[Nodes]:
    with store_listening() as store:
        keys = {"SEGMIND_API_KEY": MADE_UP_KEY, "PGPASSWORD": postgres.password}
        with ray_nodes(keys | environment_of_store(store)) as nodes:
            yield nodes


@pytest.fixture
def server() -> ReferenceServer:
    return ReferenceServer(credits=100)


@pytest.fixture
def url(server: ReferenceServer) -> Iterator[str]:
    with server.listening() as url:
        yield url


@pytest.fixture
def journal(postgres: PostgresServer) -> str:
    return postgres.url(uuid.uuid4().hex).replace(f":{postgres.password}@", "@")


@pytest.fixture
def in_ray(nodes: Nodes) -> Iterator[None]:
    """Make this process a Ray program."""
    ray.init(nodes.address, log_to_driver=False)
    yield
    ray.shutdown()


def some(count: int) -> list[dict[str, Any]]:
    return [{"id": f"job-{n}", "prompt": f"a fox {n}", **SMALL} for n in range(count)]


def test_two_nodes_send_each_job_once_and_the_outcomes_name_their_workers(
    in_ray: None, server: ReferenceServer, url: str, journal: str, tmp_path: Path
):
    with Client(MADE_UP_KEY, base_url=url) as client:
        batch = client.batch(some(60), out=tmp_path, journal=journal, endpoint=TURBO, workers="ray")
        with batch as outcomes:
            found = list(outcomes)
    assert in_ray is None
    assert len({outcome.id for outcome in found}) == len(found) == len(server.ledger) == 60
    assert {outcome.worker.partition(" on ")[0] for outcome in found} == {"worker 1", "worker 2"}
    assert batch.summary.counts == {"done": 60}
    assert ray.is_initialized()


@pytest.mark.usefixtures("in_ray")
def test_two_nodes_put_their_pictures_into_a_store(server: ReferenceServer, url: str, journal: str):
    store: Any = import_module("fsspec").filesystem("s3")
    store.mkdir("foxes")
    with Client(MADE_UP_KEY, base_url=url) as client:
        place: dict[str, Any] = {"out": "s3://foxes/small", "journal": journal, "workers": "ray"}
        with client.batch(some(20), endpoint=TURBO, **place) as outcomes:
            found = [file for outcome in outcomes for file in outcome.urls]
    assert sorted(found) == sorted(f"s3://foxes/small/job-{n}.jpg" for n in range(20))
    assert all(store.cat_file(file).endswith(b"\xff\xd9") for file in found)
    assert len(store.ls("foxes/small")) == len(server.ledger) == 20


@pytest.mark.usefixtures("in_ray")
def test_to_leave_the_loop_finishes_what_is_under_way(
    server: ReferenceServer, url: str, journal: str, tmp_path: Path
):
    with Client(MADE_UP_KEY, base_url=url) as client:
        batch = client.batch(some(500), out=tmp_path, journal=journal, endpoint=TURBO, workers="ray")
        with batch as outcomes:
            next(iter(outcomes))
    assert batch.summary.counts["done"] == len(server.ledger) < 500
    assert "sending" not in batch.summary.counts


@pytest.mark.usefixtures("in_ray")
def test_a_worker_that_dies_is_named_and_its_calls_are_unknown(
    nodes: Nodes, server: ReferenceServer, url: str, journal: str, tmp_path: Path
):
    with Client(MADE_UP_KEY, base_url=url) as client:
        batch = client.batch(some(200), out=tmp_path, journal=journal, endpoint=TURBO, workers="ray")
        with batch as outcomes:
            for number, _ in enumerate(outcomes):
                if number == 20:
                    assert nodes.kill_worker()
    summary = batch.summary
    assert re.search(
        r"worker \d on .* is gone \(ActorDiedError\): the calls that it had under way", summary.stopped
    )
    assert (sum(summary.counts.values()), {*summary.counts} - {"done", "unknown"}) == (200, set())
    assert summary.counts["done"] <= len(server.ledger) <= 200


def start(nodes: Nodes, url: str, journal: str, folder: Path, *words: str) -> subprocess.Popen[str]:
    (folder / "jobs.jsonl").write_text("\n".join(map(json.dumps, some(500))), "utf-8")
    command = [sys.executable, "-m", "segmind_sd3", "batch", "run", str(folder / "jobs.jsonl"), "--json"]
    command += ["--endpoint", TURBO, "--out", str(folder / "out"), "--journal", journal, *words]
    own = os.environ | {"SEGMIND_BASE_URL": url, "RAY_ADDRESS": nodes.address}
    return subprocess.Popen(command, env=own, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_once_or_twice_ends_the_workers_and_loses_nothing(  # noqa: PLR0917 - fixtures
    nodes: Nodes, server: ReferenceServer, url: str, journal: str, tmp_path: Path, times: int
):
    with start(nodes, url, journal, tmp_path, "--workers", "ray") as command:
        assert command.stdout is not None
        first = json.loads(command.stdout.readline())
        for _ in range(times):
            command.send_signal(signal.SIGINT)
        *_, last = command.stdout.read().splitlines()
    counts = json.loads(last)["summary"]["counts"]
    assert (first["state"], command.returncode) == ("done", 130)
    assert counts["done"] + counts.get("unknown", 0) == len(server.ledger) < 500
    assert "sending" not in counts


def test_verbose_prints_the_log_of_each_node_with_its_worker(
    nodes: Nodes, url: str, journal: str, tmp_path: Path
):
    with start(nodes, url, journal, tmp_path, "--workers", "ray", "--verbose", "--limit", "200") as command:
        _, errors = command.communicate()
    assert {"worker 1", "worker 2"} <= set(re.findall(r"\((worker \d) on \S+ pid=\d+\)", errors))
    assert MADE_UP_KEY not in errors


def test_without_a_cluster_the_error_says_so(nodes: Nodes, url: str, journal: str, tmp_path: Path):
    with start(nodes, url, journal, tmp_path, "--workers", "ray://127.0.0.1:1") as command:
        printed, errors = command.communicate()
    assert command.returncode == 2
    assert "no cluster of Ray can be reached" in json.loads(printed)["message"]
    assert errors == ""


def test_a_driver_outside_of_the_cluster_does_the_same(
    nodes: Nodes, server: ReferenceServer, url: str, journal: str, tmp_path: Path
):
    with start(nodes, url, journal, tmp_path, "--workers", nodes.client_address, "--limit", "20") as command:
        printed, errors = command.communicate()
    assert '"summary"' in printed, printed
    *lines, last = map(json.loads, printed.splitlines())
    assert (last["summary"]["counts"], errors) == ({"waiting": 480, "done": 20}, "")
    assert len({line["id"] for line in lines}) == len(server.ledger) == 20
