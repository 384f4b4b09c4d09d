"""Many async calls at once, under faults: a short `make prove WHAT=soak`, and that it would see what it is for."""

import pytest
from proofs.soak import run_soak
from segmind_sd3 import AsyncClient


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_many_calls_at_once_under_faults_and_cancelled_leave_nothing_behind(backend: str):
    done = run_soak(300, 64, cancelled=75, backend=backend)
    assert done.violations == []
    assert done.ended["picture"] > 50
    assert done.ended["cancelled"] > 20
    assert len(done.ended) > 5


def test_an_error_outside_the_tree_is_seen(monkeypatch: pytest.MonkeyPatch):
    async def broken(*_: object, **__: object) -> None:
        raise KeyError("no picture")

    monkeypatch.setattr(AsyncClient, "sd35_turbo_txt2img", broken)
    wrong = run_soak(1, 1).violations
    assert "call 0 ended with another exception: KeyError: 'no picture'" in wrong
    assert "a final call ended as KeyError: 'no picture'" in wrong
