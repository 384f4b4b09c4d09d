"""A call of each endpoint, with and without `await`: what it sends, and what it gives back."""

import base64
import random
from collections.abc import Callable
from io import BytesIO
from typing import Any

import PIL.Image
import pytest
from segmind_sd3 import AsyncClient, Client, Generation, InvalidRequest, RequestRefused
from segmind_sd3_api.parameters import NO_DEFAULT, OPERATIONS, Operation, Parameter, Random
from segmind_sd3_contract.needed import needed
from segmind_sd3_contract.reference import MADE_UP_KEY, Entry, ReferenceServer

Draw = Callable[..., Generation]
Least = Callable[..., dict[str, Any]]

each_operation = pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
each_with_a_count = pytest.mark.parametrize(
    ("operation", "count"),
    [
        pytest.param(operation.operation_id, known.name, id=operation.operation_id)
        for operation in OPERATIONS.values()
        for known in operation.parameters.values()
        if known.counts_images
    ],
)
each_with_a_seed = pytest.mark.parametrize(
    "operation", [name for name, operation in OPERATIONS.items() if "seed" in operation.parameters]
)


def only_call(server: ReferenceServer) -> Entry:
    (entry,) = server.ledger
    return entry


# --- Drawing ----------------------------------------------------------------------------------------------


@each_operation
def test_a_call_draws_a_picture_of_the_size_asked_for(operation: Operation, draw: Draw, least: Least):
    params = least(operation.operation_id)
    sides = [value for name, value in params.items() if name.endswith(("width", "height"))]

    image = draw(operation.operation_id, **params).image

    opened = PIL.Image.open(BytesIO(image.data))
    opened.load()
    assert opened.size == (image.width, image.height) == tuple(sides or (48, 32))


@each_operation
def test_a_call_tells_what_the_reply_tells(
    operation: Operation, draw: Draw, least: Least, server: ReferenceServer
):
    drawn = draw(operation.operation_id, **least(operation.operation_id))

    call = only_call(server)
    assert (drawn.cost, drawn.credits_remaining, drawn.request_id) == (
        call.cost,
        server.credits,
        call.request_id,
    )
    assert drawn.generation_time is not None


@each_operation
@pytest.mark.anyio
async def test_both_clients_draw_the_same_picture_from_the_same_parameters(
    operation: Operation, client: Client, async_client: AsyncClient, least: Least
):
    params = least(operation.operation_id, extra={"seed": 7})

    awaited = await getattr(async_client, operation.operation_id)(**params)

    assert awaited.image == getattr(client, operation.operation_id)(**params).image


@pytest.mark.parametrize("profile", ["documented", "observed"])
@each_operation
def test_the_least_that_can_be_asked_for_is_drawn_by_both_profiles(
    profile: Any, operation: Operation, picture: bytes
):
    known = [each for each in operation.parameters.values() if each.required]
    params = {each.name: needed(each, text="a lighthouse", picture=picture) for each in known}

    with Client(MADE_UP_KEY, transport=ReferenceServer(profile).transport()) as client:
        assert getattr(client, operation.operation_id)(**params).image.data


# --- What is sent -----------------------------------------------------------------------------------------


@each_operation
def test_the_body_is_what_was_given_and_what_the_policy_names_and_no_more(
    operation: Operation, draw: Draw, least: Least, server: ReferenceServer
):
    params = least(operation.operation_id)
    policy = {
        known.name: known.sdk_default
        for known in operation.parameters.values()
        if known.sdk_default is not NO_DEFAULT
    }

    draw(operation.operation_id, **params)

    body = only_call(server).body
    drawn_anew = {name: value for name, value in policy.items() if isinstance(value, Random)}
    assert all(value.low <= body[name] <= value.high for name, value in drawn_anew.items())
    if "image" in params:
        params["image"] = base64.b64encode(params["image"]).decode()
    assert body == {**policy, **params, "base64": False, **{name: body[name] for name in drawn_anew}}


@each_with_a_count
def test_several_pictures_are_asked_for_as_base64_and_all_come(
    operation: str, count: str, draw: Draw, least: Least, server: ReferenceServer
):
    drawn = draw(operation, **least(operation, **{count: 2}))

    assert only_call(server).body["base64"] is True
    assert len(drawn.images) == 2


@each_with_a_count
def test_one_picture_is_asked_for_as_itself(
    operation: str, count: str, draw: Draw, least: Least, server: ReferenceServer
):
    draw(operation, **least(operation, **{count: 1}))

    assert only_call(server).body["base64"] is False


@each_operation
def test_none_means_not_given(operation: Operation, client: Client, least: Least, server: ReferenceServer):
    call = getattr(client, operation.operation_id)
    nothing: dict[str, Any] = dict.fromkeys([*operation.parameters, "extra"])

    call(**least(operation.operation_id))
    call(**nothing | least(operation.operation_id))

    without, with_none = ({**entry.body, "seed": None} for entry in server.ledger)
    assert without == with_none


def test_a_prompt_of_none_is_a_missing_prompt(client: Client):
    with pytest.raises(InvalidRequest, match="prompt: missing; allowed is a str"):
        client.sd35_turbo_txt2img(prompt=None)  # pyright: ignore[reportArgumentType] - the claim


# --- extra= -----------------------------------------------------------------------------------------------


def another(known: Parameter) -> str:
    """Give a text that a server takes."""
    return known.known_values[-1] if known.closed else f"other {known.name}"


@each_operation
def test_extra_wins_over_every_parameter_and_every_default(
    operation: Operation, draw: Draw, least: Least, server: ReferenceServer
):
    given = least(operation.operation_id)
    over = {
        known.name: another(known) if known.kind == "string" else given.get(known.name, known.minimum)
        for known in operation.parameters.values()
        if known.kind == "string" or known.minimum is not None
    }

    draw(operation.operation_id, **given, extra=over)

    assert only_call(server).body.items() >= over.items()


@each_operation
def test_unknown_names_in_extra_arrive(
    operation: Operation, draw: Draw, least: Least, server: ReferenceServer
):
    tomorrow = {"lora": [{"name": "pïxel", "weight": 0.5}, None, True], "additional_properties": 1}

    draw(operation.operation_id, **least(operation.operation_id, extra=tomorrow))

    assert only_call(server).body.items() >= tomorrow.items()


def test_extra_is_sent_unchecked(client: Client, server: ReferenceServer):
    with pytest.raises(RequestRefused, match="steps must be at least 10"):
        client.sd35_turbo_txt2img(prompt="a lighthouse", extra={"steps": 4})

    assert only_call(server).body["steps"] == 4


def test_what_extra_holds_is_not_missing(client: Client):
    prepared = client.prepare("sd35_turbo_txt2img", extra={"prompt": "a lighthouse"})

    assert prepared.body["prompt"] == "a lighthouse"


def test_null_in_extra_is_sent_as_null(client: Client):
    assert client.prepare("sd35_turbo_txt2img", prompt="x", extra={"steps": None}).body["steps"] is None


@each_operation
def test_the_reading_of_the_reply_follows_base64_in_extra(
    operation: Operation, draw: Draw, least: Least, server: ReferenceServer
):
    drawn = draw(operation.operation_id, **least(operation.operation_id, extra={"base64": True}))

    assert only_call(server).body["base64"] is True
    assert drawn.image.to_pil().size == (drawn.image.width, drawn.image.height)


@each_with_a_count
def test_a_count_in_extra_decides_on_base64_too(
    operation: str, count: str, draw: Draw, least: Least, server: ReferenceServer
):
    drawn = draw(operation, **least(operation, extra={count: 3}))

    assert only_call(server).body["base64"] is True
    assert len(drawn.images) == 3


@each_with_a_count
def test_base64_in_extra_wins_over_the_count(operation: str, count: str, draw: Draw, least: Least):
    drawn = draw(operation, **least(operation, **{count: 2}, extra={"base64": False}))

    assert len(drawn.images) == 1


def test_extra_is_copied_as_it_is_when_the_call_is_prepared(client: Client):
    extra = {"lora": ["pixel"]}

    prepared = client.prepare("sd35_turbo_txt2img", prompt="x", extra=extra)
    extra["lora"].append("paint")

    assert prepared.body["lora"] == ["pixel"]


# --- seed -------------------------------------------------------------------------------------------------


@each_with_a_seed
def test_a_seed_is_drawn_anew_for_each_call_and_reported(
    operation: str, draw: Draw, least: Least, server: ReferenceServer
):
    drawn = [draw(operation, **least(operation)).seed for _ in range(2)]

    assert drawn == [entry.body["seed"] for entry in server.ledger]
    assert drawn[0] != drawn[1]


def test_a_program_that_seeds_random_still_gets_new_seeds(client: Client):
    seeds: list[int] = []
    for _ in range(2):
        random.seed(1)
        seeds.append(client.prepare("sd35_turbo_txt2img", prompt="x").body["seed"])

    assert seeds[0] != seeds[1]


@each_with_a_seed
@pytest.mark.parametrize("seed", [0, 698845])
def test_a_given_seed_is_sent_and_reported(
    operation: str, seed: int, draw: Draw, least: Least, server: ReferenceServer
):
    drawn = draw(operation, **least(operation, seed=seed))

    assert drawn.seed == seed == only_call(server).body["seed"]


def test_a_seed_of_minus_one_is_sent_and_the_replys_own_reported(
    draw: Draw, least: Least, server: ReferenceServer
):
    drawn = draw("sd3_medium_txt2img", **least("sd3_medium_txt2img", seed=-1))

    assert only_call(server).body["seed"] == -1
    assert drawn.seed is not None
    assert drawn.seed >= 0


def test_without_a_seed_to_send_the_replys_own_is_reported(draw: Draw, least: Least, server: ReferenceServer):
    seeds = {draw("sd3_large_img2img", **least("sd3_large_img2img", prompt=prompt)).seed for prompt in "ab"}

    assert "seed" not in server.ledger[0].body
    assert len(seeds) == 2
    assert None not in seeds


def test_a_seed_that_no_reply_names_is_none(draw: Draw, least: Least, server: ReferenceServer):
    server.provoke("no-header:x-seed-value")

    assert draw("sd3_large_img2img", **least("sd3_large_img2img")).seed is None


def test_the_reported_seed_draws_the_picture_again(client: Client, least: Least):
    params = least("sd35_turbo_txt2img")
    drawn = client.sd35_turbo_txt2img(**params)

    assert client.sd35_turbo_txt2img(**params, seed=drawn.seed).image == drawn.image
    assert client.sd35_turbo_txt2img(**params).image != drawn.image
