"""Interrupts at the worst moments: a sample of `make prove WHAT=interrupts`, and that it would see a deaf client."""

from contextlib import suppress

import pytest
from proofs.interrupts import MOMENTS, After, Interrupts, interrupt_calls
from segmind_sd3 import Client, Generation


@pytest.mark.parametrize(
    ("after", "tls"),
    [*((after, False) for after in MOMENTS), ("the call began", True)],
)
def test_an_interrupt_is_raised_soon_and_the_client_goes_on(after: After, *, tls: bool):
    done = Interrupts()
    interrupt_calls(30, after, tls=tls, done=done)
    assert done.violations == []
    assert done.raised == 30


def test_an_interrupt_that_is_swallowed_is_seen(monkeypatch: pytest.MonkeyPatch):
    ask = Client.sd35_turbo_txt2img

    def deaf(client: Client, *, seed: int, prompt: str) -> Generation | None:
        with suppress(KeyboardInterrupt):
            return ask(client, prompt=prompt, seed=seed)

    monkeypatch.setattr(Client, "sd35_turbo_txt2img", deaf)
    done = Interrupts()
    interrupt_calls(1, "the request arrived", done=done)
    assert done.raised == 0
    assert any("no interrupt was raised" in violation for violation in done.violations)
