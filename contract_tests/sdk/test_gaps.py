"""Claims about corners of the SDK that no other file comes by."""

import os
import pickle
import sys
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner, Result
from segmind_sd3 import AsyncClient, Client, InvalidRequest, OutcomeUnknown, UnusableReply
from segmind_sd3._cli import commands
from segmind_sd3._cli_run import command_name
from segmind_sd3._imagefile import read_picture
from segmind_sd3._quirks import refuse_ignored_size, rename_images
from segmind_sd3._reply import decode_base64
from segmind_sd3._text import describe_error, short_repr
from segmind_sd3._validation import describe_range
from segmind_sd3._wire import Key, Reply
from segmind_sd3_api.parameters import OPERATIONS, Parameter
from segmind_sd3_contract.reference import MADE_UP_KEY, Answer, ReferenceServer, Request

Least = Callable[..., dict[str, Any]]


# -- Checks -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bounds", "text"),
    [
        ({"minimum": 1}, " of at least 1"),
        ({"maximum": 9}, " of at most 9"),
        ({"minimum": 0, "multiple_of": 8}, " of at least 0 in multiples of 8"),
    ],
)
def test_a_bound_that_a_page_sets_on_one_side_alone_is_told(bounds: dict[str, int], text: str):
    assert describe_range(Parameter("steps", "integer", "", **bounds)) == text  # pyright: ignore[reportArgumentType]


def test_a_value_that_can_not_be_shown_is_told_all_the_same():
    def lost(_: object) -> type:
        raise RuntimeError

    # Before the repr, reprlib asks for the type.
    nameless = type("Nameless", (), {"__class__": property(lost)})

    assert short_repr(nameless()) == "a value whose own repr fails"


def test_an_error_whose_own_text_fails_is_named_all_the_same():
    class Silent(OSError):
        def __str__(self) -> str:
            raise RuntimeError

    assert describe_error(Silent()) == "Silent"


def test_a_path_that_the_system_can_not_look_up_is_refused(client: Client):
    with pytest.raises(InvalidRequest, match="can't be read"):
        client.prepare("sd3_medium_tile", prompt="x", image=Path("a" * 5000))


def test_a_key_is_not_pickled():
    with pytest.raises(TypeError, match="never pickled"):
        pickle.dumps(Key(MADE_UP_KEY))


# -- Pictures ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "segments",
    [b"\xff\xe0\x00\x02no marker", b"\xff\xe0\x00\x01\x00\x00"],
    ids=["no segment follows", "a segment is shorter than its own length"],
)
def test_a_jpeg_whose_segments_lead_nowhere_is_not_whole(segments: bytes):
    assert read_picture(b"\xff\xd8" + segments) is None


def test_a_webp_with_a_chunk_of_no_known_kind_is_not_whole():
    assert read_picture(b"RIFF\x16\0\0\0WEBPVP8?\x0a\0\0\0" + bytes(10)) is None


# -- The wire ---------------------------------------------------------------------------------------------


@pytest.mark.anyio
@pytest.mark.parametrize("operation", OPERATIONS)
async def test_each_method_of_the_async_client_draws(operation: str, async_client: AsyncClient, least: Least):
    assert (await getattr(async_client, operation)(**least(operation))).images


@pytest.mark.anyio
async def test_the_async_client_sends_what_it_has_prepared(async_client: AsyncClient, least: Least):
    prepared = await async_client.prepare("sd35_turbo_txt2img", **least("sd35_turbo_txt2img"))

    assert (await async_client.send(prepared)).seed == prepared.body["seed"]


@pytest.mark.parametrize("fault", [httpx.UnsupportedProtocol, httpx.LocalProtocolError])
def test_what_is_sure_to_fail_again_is_tried_once(fault: type[httpx.TransportError]):
    class Unable(httpx.BaseTransport):
        tried = 0

        def handle_request(self, request: httpx.Request) -> httpx.Response:
            self.tried += 1
            raise fault("not like this", request=request)

    with Client(MADE_UP_KEY, transport=(unable := Unable())) as client, pytest.raises(Exception) as caught:
        client.sd35_turbo_txt2img(prompt="a lighthouse")

    assert isinstance(caught.value, OutcomeUnknown)
    assert (caught.value.billed, unable.tried) == (None, 1)


def test_whatever_a_transport_of_ones_own_raises_leaves_the_outcome_unknown_and_is_named():
    class Broken(httpx.BaseTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            raise LookupError(request.url.path)

    with (
        Client(MADE_UP_KEY, transport=Broken()) as client,
        pytest.raises(OutcomeUnknown, match="LookupError"),
    ):
        client.sd35_turbo_txt2img(prompt="a lighthouse")


def test_a_picture_that_is_no_text_is_no_picture(least: Least):
    class Numbers(ReferenceServer):
        def answer(self, request: Request) -> Answer:
            return super().answer(request).with_json({"image": [7]})

    with Client(MADE_UP_KEY, transport=Numbers().transport()) as client, pytest.raises(UnusableReply):
        client.sd35_turbo_txt2img(**least("sd35_turbo_txt2img"))


# -- The command line -------------------------------------------------------------------------------------


def completions(words: list[str], begun: str) -> list[tuple[str, str]]:
    completing = ShellComplete(commands, {}, "segmind-sd3", "_SEGMIND_SD3_COMPLETE")
    return [(each.type, each.value) for each in completing.get_completions(words, begun)]


def test_completion_offers_every_command():
    offered = {value for _, value in completions([], "")}

    assert {*map(command_name, OPERATIONS.values()), "serve"} <= offered


def test_completion_of_an_image_is_of_files():
    assert completions(["sd3-medium-tile", "--image"], "pho") == [("file", "pho")]


def test_the_help_has_no_part_for_other_packages_where_there_are_none(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("segmind_sd3._cli.plugin_commands", dict[str, Any])

    assert "Other commands" not in CliRunner().invoke(commands, ["--help"]).stdout


def drawn_locally(*words: str) -> Result:
    size = ("--width", "64", "--height", "64")
    return CliRunner().invoke(commands, ["sd35-turbo-txt2img", "--prompt", "x", *size, "--local", *words])


@pytest.mark.parametrize(
    ("fault", "code", "said"),
    [
        (KeyboardInterrupt(), 130, "Interrupted."),
        (RuntimeError("of nobody"), 1, "RuntimeError: of nobody (--traceback shows where)"),
    ],
    ids=["interruption", "error of nobody's"],
)
def test_whatever_ends_a_call_is_told_in_a_sentence(
    fault: BaseException, code: int, said: str, monkeypatch: pytest.MonkeyPatch
):
    def end(*_: object) -> None:
        raise fault

    monkeypatch.setattr(Client, "send", end)
    result = drawn_locally()

    assert (result.exit_code, said in result.stderr) == (code, True)
    assert "Not billed." in result.stderr


def test_a_folder_that_can_not_be_written_to_is_refused_unpaid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def forbidden(*_: object) -> bool:
        return False

    # Whoever may write everywhere can't have such a folder.
    monkeypatch.setattr(os, "access", forbidden)
    result = drawn_locally("--out", str(tmp_path / "panda.jpg"))

    assert (result.exit_code, "can't be written to" in result.stderr) == (2, True)


def test_a_terminal_for_standard_input_is_no_picture(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    class Terminal(StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdin", Terminal())
    with pytest.raises(SystemExit) as ended:
        commands(["sd3-medium-tile", "--prompt", "x", "--image", "-", "--local"], prog_name="segmind-sd3")

    assert (ended.value.code, "send a picture into it" in capsys.readouterr().err) == (2, True)


# -- Repairs ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [b'["images"]', b'{"images": []}', b'{"image": "a", "images": ["b"]}'])
def test_a_reply_that_only_names_images_is_left_as_it_is(body: bytes):
    reply = Reply(200, {}, body)

    assert rename_images(reply) is reply


@pytest.mark.parametrize("prefix", ["", "data:image/jpeg;base64,"])
def test_a_picture_as_text_is_read_with_a_prefix_and_without(prefix: str):
    assert decode_base64(f"{prefix}/9j/\n4A==") == b"\xff\xd8\xff\xe0"


# -- Refusals ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("sides", "refused"), [({"width": 512}, ["width"]), ({"width": None}, [])])
def test_a_side_counts_as_given_beside_a_ratio_where_it_is_a_value(sides: dict[str, Any], refused: list[str]):
    problems = refuse_ignored_size(OPERATIONS["sd35_turbo_txt2img"], {"aspect_ratio": "1:1", **sides})

    assert [each.parameter for each in problems] == refused
