"""Many concurrent async calls with faults: a short `make prove WHAT=soak`, and the proof's own check."""

import pytest
from proofs.soak import run_soak
from segmind_sd3 import AsyncClient


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.thorough
def test_concurrent_calls_with_faults_and_cancellation_leak_nothing(backend: str):
    done = run_soak(300, 64, cancelled=75, backend=backend)
    assert done.violations == []
    assert done.ended["picture"] > 50
    assert done.ended["cancelled"] > 20
    assert len(done.ended) > 5


def test_an_exception_of_another_library_is_detected(monkeypatch: pytest.MonkeyPatch):
    async def broken(*_: object, **__: object) -> None:
        raise KeyError("no picture")

    monkeypatch.setattr(AsyncClient, "sd35_turbo_txt2img", broken)
    violations = run_soak(1, 1).violations
    assert "call 0 ended with another exception: KeyError: 'no picture'" in violations
    assert "a final call ended as KeyError: 'no picture'" in violations
