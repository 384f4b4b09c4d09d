"""Interrupts at any moment: a sample of `make prove WHAT=interrupts`, and the proof's own check."""

from contextlib import suppress

import pytest
from proofs.interrupts import MOMENTS, After, Interrupts, interrupt_calls
from segmind_sd3 import Client, Generation


@pytest.mark.parametrize(
    ("after", "tls"),
    [
        ("the call began", True),
        *(pytest.param(after, False, marks=[pytest.mark.slow, pytest.mark.thorough]) for after in MOMENTS),
    ],
)
def test_an_interrupt_is_raised_soon_and_loses_nothing(after: After, *, tls: bool):
    done = Interrupts()
    interrupt_calls(30, after, tls=tls, done=done)
    assert done.violations == []
    assert done.raised == 30


@pytest.mark.slow
def test_a_swallowed_interrupt_is_detected(monkeypatch: pytest.MonkeyPatch):
    original = Client.sd35_turbo_txt2img

    def swallow(client: Client, *, seed: int, prompt: str) -> Generation | None:
        with suppress(KeyboardInterrupt):
            return original(client, prompt=prompt, seed=seed)

    monkeypatch.setattr(Client, "sd35_turbo_txt2img", swallow)
    done = Interrupts()
    interrupt_calls(1, "the request arrived", done=done)
    assert done.raised == 0
    assert any("no interrupt was raised" in violation for violation in done.violations)
