"""The pages' own samples, pasted as keyword arguments: they draw, or the error says what to change."""

import ast
import base64
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from segmind_sd3 import Client, Generation, InvalidRequest
from segmind_sd3_api.parameters import OPERATIONS
from segmind_sd3_contract.reference import MADE_UP_KEY, ReferenceServer

FACTS = Path(__file__).parents[2] / "openapi" / "facts"
OPERATION_OF = {operation.slug: name for name, operation in OPERATIONS.items()}
SAMPLES: dict[str, dict[str, Any]] = {
    OPERATION_OF[page["slug"]]: page["sample"]
    for page in (json.loads(file.read_text(encoding="utf-8")) for file in sorted(FACTS.glob("*.json")))
}

Draw = Callable[..., Generation]


def pasted(operation: str, picture: bytes) -> dict[str, Any]:
    """Give a sample's values as a program has them that pastes it; prose, kept as a digest, is ours.

    Python runs the code in a sample, which gives base64 text. JavaScript awaits nothing: JSON then has an
    empty object.
    """
    sample = SAMPLES[operation]
    ran: object = picture_as_text(picture) if sample["language"] == "python" else {}
    return {name: of_value(value, ran) for name, value in sample["values"].items()}


def of_value(value: Any, ran: object) -> Any:
    match value:
        case {"code": _}:
            return ran
        case str() if value.startswith("sha256:"):
            return "a lighthouse at dawn"
        case _:
            return value


def picture_as_text(picture: bytes) -> str:
    return base64.b64encode(picture).decode()


def refusal_of(call: Callable[..., object], operation: str, picture: bytes) -> str:
    with pytest.raises(InvalidRequest) as caught:
        call(operation, **pasted(operation, picture))
    (problem,) = caught.value.problems
    return str(problem)


@pytest.mark.parametrize("operation", ["sd3_large_img2img", "sd3_medium_txt2img"])
def test_a_sample_without_a_fault_draws_as_it_is(
    operation: str, draw: Draw, picture: bytes, server: ReferenceServer
):
    sample = pasted(operation, picture)

    assert draw(operation, **sample).image
    assert server.ledger[-1].body == sample


@pytest.mark.parametrize("operation", ["sd3_medium_tile", "sd3_medium_img2img"])
def test_a_sample_with_tob64_is_told_what_to_pass_instead(
    operation: str, draw: Draw, picture: bytes, server: ReferenceServer
):
    told = refusal_of(draw, operation, picture)

    assert "toB64(…)" in told
    assert "pass a path, bytes, an open file, a PIL image, base64 text, or the URL itself" in told
    assert server.ledger == ()


@pytest.mark.parametrize("operation", ["sd3_medium_tile", "sd3_medium_img2img"])
def test_a_sample_with_tob64_draws_with_what_it_was_told_to_pass(
    operation: str, draw: Draw, picture: bytes, tmp_path: Path
):
    path = tmp_path / "tile.png"
    path.write_bytes(picture)
    sample = pasted(operation, picture)

    for instead in (path, str(path), picture, picture_as_text(picture)):
        assert draw(operation, **{**sample, "image": instead}).seed == sample["seed"]


def test_the_turbo_sample_is_told_both_numbers_and_the_way_around(
    draw: Draw, picture: bytes, server: ReferenceServer
):
    told = refusal_of(draw, "sd35_turbo_txt2img", picture)

    known = OPERATIONS["sd35_turbo_txt2img"].parameters["steps"]
    assert told.startswith(f"steps: got {known.documented_default}; ")
    assert f"from {known.minimum} to {known.maximum}" in told
    assert 'extra={"steps": 4}' in told
    assert server.ledger == ()


def test_the_turbo_sample_draws_the_way_that_it_was_told(client: Client, picture: bytes):
    told = refusal_of(client.prepare, "sd35_turbo_txt2img", picture)
    extra = ast.literal_eval(re.findall(r"extra=(\{.*?\})", told)[0])
    sample = pasted("sd35_turbo_txt2img", picture)
    del sample["steps"]

    # As observed, and not as documented, the service takes the page's own default.
    observed = ReferenceServer("observed")
    with Client(MADE_UP_KEY, transport=observed.transport()) as caller:
        assert caller.sd35_turbo_txt2img(**sample, extra=extra).image

    assert observed.ledger[-1].body == pasted("sd35_turbo_txt2img", picture)


def test_every_page_has_a_sample_that_is_pasted_here():
    assert SAMPLES.keys() == OPERATIONS.keys()
