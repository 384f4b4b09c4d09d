"""Many async calls at once, under faults: a short one of `make soak`, and that it would see what it is for."""

import warnings
from collections.abc import Callable
from typing import Any

import pytest
from segmind_sd3 import AsyncClient
from segmind_sd3_contract import soak
from segmind_sd3_contract.soak import soaked
from segmind_sd3_contract.traces import open_files

Drawing = Callable[..., Any]


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_many_calls_at_once_under_faults_leave_nothing_behind(backend: str):
    done = soaked(300, 64, backend=backend)
    assert done.wrong == []
    assert done.ended["picture"] > 100
    assert len(done.ended) > 5


def test_an_error_outside_the_tree_ends_a_soak(monkeypatch: pytest.MonkeyPatch):
    async def broken(*_: object, **__: object) -> None:
        raise KeyError

    monkeypatch.setattr(AsyncClient, "sd35_turbo_txt2img", broken)
    with pytest.raises(ExceptionGroup):
        soaked(10, 2)
