"""The measurement of big pictures: both sides send the same picture, and a figure above its limit fails."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from proofs.bench import big_pictures
from proofs.bench.big_pictures import BigPictures, measure, send, send_sample
from proofs.bench.server import jpeg
from proofs.fixtures.sockets import Peer, answering, reply, serving
from segmind_sd3 import Client

pytestmark = pytest.mark.slow

GOOD = BigPictures(seconds=[(0.03, 0.1)], memory=[(1, 60)], at_once=[40])
TOO_SLOW = BigPictures(seconds=[(0.04, 0.1)], memory=[(1, 60)], at_once=[40])
TOO_LARGE = BigPictures(seconds=[(0.03, 0.1)], memory=[(7, 60)], at_once=[40])
TOO_LARGE_AT_ONCE = BigPictures(seconds=[(0.03, 0.1)], memory=[(1, 60)], at_once=[65])


@pytest.fixture
def peer() -> Iterator[Peer]:
    with serving(answering(reply(200, jpeg(1000), content_type="image/jpeg"))) as peer:
        yield peer


def test_the_sdk_and_the_sample_send_the_same_picture(peer: Peer, tmp_path: Path):
    path = tmp_path / "big.jpg"
    path.write_bytes(jpeg(1_000_000))
    with Client(big_pictures.KEY, base_url=peer.url) as client:
        send(client, path)
    send_sample(peer.url, path)

    ours, sample = (json.loads(request.body)["image"] for request in peer.requests)
    assert ours == sample


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of a process is read from /proc")
def test_a_picture_that_is_sent_from_its_file_takes_less_memory_than_the_sample():
    (pair,) = measure(rounds=1, size=4_000_000).memory

    assert pair[0] < pair[1]


@pytest.mark.parametrize(("done", "code"), [(GOOD, 0), (TOO_SLOW, 1), (TOO_LARGE, 1), (TOO_LARGE_AT_ONCE, 1)])
def test_a_figure_above_its_limit_fails(done: BigPictures, code: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(big_pictures, "measure", lambda: done)

    assert big_pictures.main() == code
