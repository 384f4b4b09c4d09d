"""One call goes the way that CONTRIBUTING.md draws, function by function."""

import re
import sys
from pathlib import Path
from types import FrameType

import pytest
from segmind_sd3 import Client
from segmind_sd3_contract.reference import MADE_UP_KEY, ReferenceServer

ROOT = Path(__file__).parents[2]
STEPS = re.findall(
    r"^\d  (\S+\.py) +(\w+) ", (ROOT / "CONTRIBUTING.md").read_text("utf-8"), flags=re.MULTILINE
)


@pytest.fixture(scope="module")
def walked() -> list[tuple[str, str]]:
    """The functions of SDK and generated client that one call enters, each when it is first entered."""
    entered: list[tuple[str, str]] = []

    def trace(frame: FrameType, event: str, _argument: object) -> None:
        code = frame.f_code
        if event == "call" and "segmind_sd3" in code.co_filename:
            step = Path(code.co_filename).name, code.co_name
            if step not in entered:
                entered.append(step)

    with ReferenceServer().listening() as url, Client(MADE_UP_KEY, base_url=url) as client:
        client.sd35_turbo_txt2img(prompt="a lighthouse", width=64, height=64)
        sys.setprofile(trace)
        try:
            client.sd35_turbo_txt2img(prompt="a lighthouse", width=64, height=64)
        finally:
            sys.setprofile(None)
    return entered


def test_the_picture_has_seven_steps():
    assert len(STEPS) == 7


def test_each_step_is_entered_and_after_the_one_before(walked: list[tuple[str, str]]):
    assert [step for step in walked if step in STEPS] == STEPS
