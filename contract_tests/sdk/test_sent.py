"""What a call sent is kept with its pictures, can be saved in their files, and repeats the call."""

import base64
import hashlib
import json
import pickle
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from segmind_sd3 import AsyncClient, Client, Generation, Image, InvalidRequest, SentRequest, parameters_of
from segmind_sd3._client import with_pictures
from segmind_sd3._metadata import embed
from segmind_sd3._request import sent_request
from segmind_sd3._validation import build_body
from segmind_sd3_api.parameters import OPERATIONS, Operation, Parameter
from segmind_sd3_contract.reference import MADE_UP_KEY, ReferenceServer

each_operation = pytest.mark.parametrize("operation", OPERATIONS)
IMAGES = [name for name, known in OPERATIONS.items() if "image" in known.parameters]
TURBO: dict[str, Any] = {"prompt": "a panda", "width": 64, "height": 64}

Draw = Callable[..., Generation]
Least = Callable[..., dict[str, Any]]


@pytest.fixture
def server() -> ReferenceServer:
    """As the live service is known to be: it lets through what a page's bounds refuse."""
    return ReferenceServer(profile="observed")


def digest(data: bytes) -> str:
    return f"picture sha256:{hashlib.sha256(data).hexdigest()}"


# -- What is kept -----------------------------------------------------------------------------------------


@each_operation
def test_the_request_is_what_was_sent(operation: str, draw: Draw, least: Least, server: ReferenceServer):
    drawn = draw(operation, **least(operation))
    sent, body = drawn.request, server.ledger[-1].body
    assert sent is not None
    assert sent.operation == operation
    pictures = {name: digest(base64.b64decode(body[name])) for name in ("image",) if name in body}
    assert (
        dict(sent.parameters) == {name: value for name, value in body.items() if name != "base64"} | pictures
    )


def test_the_seed_that_was_drawn_is_in_it(client: Client, server: ReferenceServer):
    drawn = client.sd35_turbo_txt2img(**TURBO)
    assert drawn.request is not None
    assert (
        drawn.request.seed == drawn.request.parameters["seed"] == drawn.seed == server.ledger[-1].body["seed"]
    )


def test_a_picture_stands_as_the_digest_of_its_file(client: Client, least: Least, picture: bytes):
    sent = client.sd3_medium_img2img(**least("sd3_medium_img2img", image=BytesIO(picture))).request
    assert sent is not None
    assert sent.parameters["image"] == digest(picture)


def test_what_extra_alone_can_send_is_in_extra(client: Client, picture: bytes):
    text = base64.b64encode(picture).decode()
    extra = {"steps": 4, "seed": 7, "lora": [{"mask": text}], "prompt": "another"}
    sent = client.sd35_turbo_txt2img(**TURBO, extra=extra).request
    assert sent is not None
    assert sent.parameters["extra"] == {"steps": 4, "lora": [{"mask": digest(picture)}]}
    assert (sent.seed, sent.parameters["prompt"]) == (7, "another")


def test_neither_pictures_nor_the_key_are_in_it(client: Client, least: Least, picture: bytes, tmp_path: Path):
    drawn = client.sd3_medium_img2img(
        **least("sd3_medium_img2img", extra={"mask": [f"data:;base64,{'A' * 9}"]})
    )
    (file,) = drawn.save(tmp_path / "x", metadata=True)
    kept = repr(drawn.request) + json.dumps(drawn.to_dict()) + str(file.read_bytes())
    assert base64.b64encode(picture).decode() not in kept
    assert MADE_UP_KEY not in kept


@pytest.mark.parametrize("operation", ["sd35_turbo_txt2img", "sd3_medium_tile"])
def test_a_prepared_call_is_kept_too(operation: str, client: Client, least: Least):
    drawn = client.send(client.prepare(operation, **least(operation, seed=5)))
    assert drawn.request == getattr(client, operation)(**least(operation, seed=5)).request


def test_every_picture_of_a_call_has_it(client: Client):
    drawn = client.sd35_turbo_txt2img(**TURBO, batch_size=2)
    assert [image.request for image in drawn.images] == [drawn.request] * 2


def test_a_picture_that_was_not_drawn_by_a_call_has_none(picture: bytes):
    assert Generation((Image(picture, "image/png", 48, 32),)).request is None


def test_it_can_be_hashed_and_pickled(client: Client):
    drawn = client.sd35_turbo_txt2img(**TURBO)
    again = pickle.loads(pickle.dumps(drawn))  # noqa: S301 - our own bytes
    assert (again, again.request) == (drawn, drawn.request)
    assert hash(again) == hash(drawn)


def test_json_can_say_it_and_the_outcome(client: Client, server: ReferenceServer):
    drawn = client.sd35_turbo_txt2img(**TURBO, seed=7)
    image = drawn.image
    assert json.loads(json.dumps(drawn.to_dict())) == {
        "images": [
            {
                "media_type": "image/jpeg",
                "width": 64,
                "height": 64,
                "bytes": len(image.data),
                "sha256": hashlib.sha256(image.data).hexdigest(),
            }
        ],
        "seed": 7,
        "cost": server.ledger[-1].cost,
        "credits_remaining": server.credits,
        "generation_time": drawn.generation_time,
        "request_id": drawn.request_id,
        "request": {
            "operation": "sd35_turbo_txt2img",
            "parameters": {
                **TURBO,
                "seed": 7,
                "steps": 10,
                "sampler": "dpmpp_2m",
                "scheduler": "sgm_uniform",
            },
        },
    }


# -- The same again ---------------------------------------------------------------------------------------


@each_operation
def test_one_line_repeats_a_call_from_its_file(
    operation: str, client: Client, least: Least, picture: bytes, tmp_path: Path
):
    (file,) = getattr(client, operation)(**least(operation)).save(tmp_path / "panda", metadata=True)
    sent = parameters_of(file)
    anew = {"image": picture} if operation in IMAGES else {}
    again = getattr(client, sent.operation)(**{**sent.parameters, **anew})
    assert again.image.data == drawn_in(file, again)
    assert again.request == sent


def drawn_in(file: Path, like: Generation) -> bytes:
    """The picture of a file as it was before what was sent was written into it."""
    assert like.request is not None
    assert embed(like.image.data, like.request.to_dict()) == file.read_bytes()
    return like.image.data


@pytest.mark.anyio
async def test_one_line_repeats_a_call_with_await(async_client: AsyncClient):
    drawn = await async_client.sd35_turbo_txt2img(**TURBO)
    sent = drawn.request
    assert sent is not None
    again = await getattr(async_client, sent.operation)(**sent.parameters)
    assert again.image.data == drawn.image.data


@pytest.mark.parametrize("operation", IMAGES)
def test_a_picture_must_be_given_anew_and_the_error_says_so(
    operation: str, client: Client, least: Least, server: ReferenceServer
):
    sent = getattr(client, operation)(**least(operation)).request
    reason = r"image: the digest of a picture.*; give the picture itself anew"
    with pytest.raises(InvalidRequest, match=reason) as caught:
        getattr(client, sent.operation)(**sent.parameters)
    assert [problem.parameter for problem in caught.value.problems] == ["image"]
    assert len(server.ledger) == 1


def test_a_picture_in_extra_must_be_given_anew_too(client: Client, picture: bytes):
    extra = {"lora": {"masks": [base64.b64encode(picture).decode()]}}
    sent = client.sd35_turbo_txt2img(**TURBO, extra=extra).request
    assert sent is not None
    with pytest.raises(
        InvalidRequest, match=r"extra: 'lora' holds the digest of a picture.*; give the picture"
    ):
        getattr(client, sent.operation)(**sent.parameters)


@pytest.mark.parametrize("samples", [1, 2])
@pytest.mark.parametrize("given", [{}, {"base64": True}, {"base64": False}, {"base64": "no"}], ids=str)
def test_base64_is_in_extra_only_where_the_sdk_would_send_another(samples: int, given: dict[str, Any]):
    """Or a repeated call for more pictures would send the `base64` of one picture."""
    known = OPERATIONS["sd3_medium_txt2img"]
    body = build_body(known, {"prompt": "x", "samples": samples, "extra": given})
    sent = sent_request(known.operation_id, body)
    usual = given.get("base64", samples > 1) is (samples > 1)
    assert sent.parameters.get("extra") == (None if usual else given)
    assert build_body(known, sent.parameters) == body


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
).filter(lambda value: not isinstance(value, str) or value.isprintable())


def allowed(parameter: Parameter, picture: bytes) -> st.SearchStrategy[Any]:
    low, high = parameter.minimum, parameter.maximum
    match parameter.kind:
        case "integer":
            least, most = (None if bound is None else int(bound) for bound in (low, high))
            return st.integers(least if least is not None else -(2**40), most if most is not None else 2**40)
        case "number":
            return st.floats(low, high, allow_nan=False, allow_infinity=False)
        case "image":
            return st.just(picture)
        case "boolean":
            return st.booleans()
        case "string":
            return st.sampled_from(parameter.known_values) if parameter.closed else st.text(min_size=1)


@st.composite
def calls(draw: st.DrawFn, operation: Operation, picture: bytes) -> dict[str, Any]:
    """Arguments that a call takes, with anything in `extra`."""
    names = [name for name, known in operation.parameters.items() if not known.hidden]
    required = [name for name in names if operation.parameters[name].required]
    chosen = {*required, *draw(st.lists(st.sampled_from(names), max_size=4))} - {"aspect_ratio"}
    given = {name: draw(allowed(operation.parameters[name], picture)) for name in sorted(chosen)}
    extra = draw(st.dictionaries(st.sampled_from([*names, "lora", "base64"]), JSON, max_size=3))
    return {**given, "extra": extra}


@each_operation
@given(data=st.data())
def test_whatever_is_sent_is_sent_again_by_the_arguments_that_are_kept(
    operation: str, picture: bytes, data: st.DataObject
):
    known = OPERATIONS[operation]
    given_to_call = data.draw(calls(known, picture))
    try:
        body = with_pictures(operation, build_body(known, given_to_call), frames=0)
    except InvalidRequest:
        return  # a quirk refuses two values beside each other
    sent = sent_request(operation, body)
    kept = SentRequest(**json.loads(json.dumps(sent.to_dict())))
    anew = {"image": picture} if "image" in kept.parameters else {}
    again = build_body(known, {**kept.parameters, **anew})
    assert with_pictures(operation, again, frames=0) == body


# -- Files ------------------------------------------------------------------------------------------------


def test_it_is_read_from_a_path_from_bytes_and_from_an_open_file(client: Client, tmp_path: Path):
    drawn = client.sd35_turbo_txt2img(**TURBO)
    file = drawn.image.save(tmp_path / "x", metadata=True)
    assert parameters_of(file) == parameters_of(str(file)) == drawn.request
    assert parameters_of(file.read_bytes()) == drawn.request
    with file.open("rb") as opened:
        assert parameters_of(opened) == drawn.request


@pytest.mark.parametrize("image_format", ["jpeg", "png", "webp"])
def test_every_format_of_a_reply_holds_it(image_format: str, client: Client, tmp_path: Path):
    drawn = client.sd35_turbo_txt2img(**TURBO, image_format=image_format, batch_size=2)
    files = drawn.save(tmp_path / "x", metadata=True)
    assert [parameters_of(file) for file in files] == [drawn.request] * 2
    assert [file.suffix for file in files] == [{"jpeg": ".jpg"}.get(image_format, f".{image_format}")] * 2


def test_without_metadata_a_file_is_the_reply_byte_for_byte(client: Client, tmp_path: Path):
    drawn = client.sd35_turbo_txt2img(**TURBO)
    (file,) = drawn.save(tmp_path / "x")
    assert file.read_bytes() == drawn.image.data


GIF = b"GIF89a\x01\0\x01\0\0\0\0\x3b"


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (Image(GIF, "image/gif", 1, 1, SentRequest("x", {})), "only PNG, JPEG and WebP hold metadata"),
        (Image(GIF, "image/gif", 1, 1), "it was not drawn by a call"),
    ],
)
def test_a_picture_that_can_not_hold_it_is_saved_without_it_with_a_warning(
    image: Image, reason: str, tmp_path: Path
):
    with pytest.warns(UserWarning, match=f"saved without metadata: {reason}") as caught:
        file = image.save(tmp_path / "x", metadata=True)
    assert (file.read_bytes(), caught[0].filename) == (GIF, __file__)


def test_a_file_without_it_is_refused_by_its_name(picture: bytes, tmp_path: Path):
    (tmp_path / "x.png").write_bytes(picture)
    with pytest.raises(ValueError, match=r"x\.png holds no parameters.*metadata=True"):
        parameters_of(tmp_path / "x.png")
    with pytest.raises(ValueError, match="this file holds no parameters"):
        parameters_of(b"")


def test_a_file_that_is_not_there_is_an_error_of_the_system(tmp_path: Path):
    with pytest.raises(FileNotFoundError):
        parameters_of(tmp_path / "none.jpg")


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        (
            {"operation": "close", "parameters": {}},
            "drawn by 'close', an endpoint that this version does not",
        ),
        ({"operation": "__init__", "parameters": {}}, "an endpoint that this version does not know"),
        ({"operation": "\x1b[2J", "parameters": {}}, r"drawn by '\\x1b\[2J'"),
        (
            {"operation": "sd3_medium_tile", "parameters": {"image": "/etc/passwd"}},
            "a picture is no digest",
        ),
        ({"operation": "sd3_medium_tile", "parameters": {"image": None}}, "a picture is no digest"),
        ({"operation": ["sd3_medium_tile"], "parameters": {}}, "holds no parameters of a call"),
        ({"operation": "sd3_medium_tile", "parameters": [1]}, "holds no parameters of a call"),
        ({"operation": "sd3_medium_tile"}, "holds no parameters of a call"),
        ({}, "holds no parameters of a call"),
    ],
    ids=str,
)
def test_a_file_that_anybody_may_have_written_calls_nothing_else_and_names_no_file(
    written: dict[str, Any], reason: str, picture: bytes
):
    with pytest.raises(ValueError, match=reason):
        parameters_of(embed(picture, written))


@given(written=st.dictionaries(st.sampled_from(["operation", "parameters"]), st.sampled_from(IMAGES) | JSON))
def test_whatever_a_file_holds_is_read_or_refused(written: dict[str, Any], picture: bytes):
    file = embed(picture, written)
    match written:
        case {"operation": str(name), "parameters": dict()} if name in OPERATIONS:
            assert parameters_of(file).to_dict() == written
        case _:
            with pytest.raises(ValueError, match="this file"):
                parameters_of(file)
