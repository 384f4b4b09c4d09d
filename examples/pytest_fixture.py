"""Test on the reference server, no key: `pytest -p segmind_sd3_contract.pytest_plugin pytest_fixture.py`."""

from pathlib import Path

import pytest
from segmind_sd3 import Client, RateLimited
from segmind_sd3_contract.reference import ReferenceServer


def poster(client: Client, topic: str, folder: Path) -> Path:
    """Stand in for your own code."""
    [path] = client.sd35_turbo_txt2img(prompt=f"a poster about {topic}").save(folder / "poster.jpg")
    return path


def test_a_poster_is_one_call(
    segmind_server: ReferenceServer, segmind_client: Client, tmp_path: Path
) -> None:
    assert poster(segmind_client, "tea", tmp_path).exists()
    assert len(segmind_server.ledger) == 1


@pytest.mark.segmind_server(rate_limit=1)
def test_a_second_poster_waits_no_longer_than_it_may(segmind_client: Client, tmp_path: Path) -> None:
    poster(segmind_client, "tea", tmp_path)
    with pytest.raises(RateLimited):
        poster(segmind_client.with_options(timeout=1), "coffee", tmp_path)
