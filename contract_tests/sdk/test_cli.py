"""The command line: what it takes, what it refuses before anything is paid, and what it prints."""

import base64
import json
import logging
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path
from typing import Any

import PIL.Image
import pytest
from click.testing import CliRunner, Result
from proofs.fixtures.sockets import refusing
from segmind_sd3 import Client, __version__
from segmind_sd3._cli import commands
from segmind_sd3._cli_options import as_utf8
from segmind_sd3._cli_output import fit, for_command_line, log_to_stderr
from segmind_sd3._cli_run import command_name
from segmind_sd3_api.parameters import OPERATIONS, Parameter
from segmind_sd3_contract.reference import Answer, ReferenceServer, Request

KEY = "SG_feedfacecafebeef"
SMALL = ("--width", "64", "--height", "64")
TURBO = ("sd35-turbo-txt2img", "--prompt", "a panda", *SMALL)

Run = Callable[..., Result]


class Relay(ReferenceServer):
    """One socket for the whole file, since closing one takes 0.2 s; behind it, a new server for each test."""

    behind: ReferenceServer

    def answer(self, request: Request) -> Answer:
        return self.behind.answer(request)


@pytest.fixture(scope="module")
def relay() -> Iterator[tuple[Relay, str]]:
    relay = Relay()
    with relay.listening() as url:
        yield relay, url


@pytest.fixture
def server(relay: tuple[Relay, str]) -> ReferenceServer:
    """As the live service is known to be: it lets through what a page's bounds refuse."""
    relay[0].behind = ReferenceServer(profile="observed")
    return relay[0].behind


@pytest.fixture
def url(relay: tuple[Relay, str], server: ReferenceServer) -> str:  # noqa: ARG001 - it is behind the URL
    return relay[1]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder of the command: empty."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


@pytest.fixture
def offline(folder: Path) -> Run:  # noqa: ARG001 - the command runs there
    """Run a command with neither key nor target."""

    def run(*words: str, **how: Any) -> Result:
        how["env"] = {"SEGMIND_API_KEY": None, "SEGMIND_BASE_URL": None} | how.pop("env", {})
        return CliRunner().invoke(commands, words, prog_name="segmind-sd3", **how)

    return run


@pytest.fixture
def run(offline: Run, url: str) -> Run:
    """Run a command with a key and the reference server on a socket for its target."""

    def run(*words: str, **how: Any) -> Result:
        return offline(*words, env={"SEGMIND_API_KEY": KEY, "SEGMIND_BASE_URL": url}, **how)

    return run


@pytest.fixture
def photo(tmp_path: Path, picture: bytes) -> Path:
    (tmp_path / "photo.png").write_bytes(picture)
    return tmp_path / "photo.png"


def files_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def size_of(file: Path) -> tuple[int, int]:
    with PIL.Image.open(file) as image:
        image.load()
        return image.size


# -- What can be asked for --------------------------------------------------------------------------------


def test_the_help_names_every_endpoint_and_every_command_of_other_packages(offline: Run):
    said = offline("--help").stdout
    assert {*map(command_name, OPERATIONS.values()), "credits", "serve"} <= set(
        re.findall(r"^  ([\w-]+)  ", said, re.MULTILINE)
    )


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_each_parameter_is_an_option_with_its_documentation_and_no_hidden_one_is(
    offline: Run, operation: Any
):
    said = offline(command_name(operation), "--help", terminal_width=1000, max_content_width=1000).stdout
    parameters = said[said.index("Parameters:") : said.index("Options:")]
    _, *parts = re.split(r"^  (--[\w-]+)", parameters, flags=re.MULTILINE)
    listed = {option: " ".join(text.split()) for option, text in zip(parts[::2], parts[1::2], strict=True)}
    public = {
        "--" + name.replace("_", "-"): known
        for name, known in operation.parameters.items()
        if not known.hidden
    }
    assert [*listed] == [*public]
    for option, known in public.items():
        assert for_command_line(known.doc) in listed[option]
        assert ("[required]" in listed[option]) is known.required


def test_a_parameter_that_the_table_gains_is_an_option_and_is_sent(
    run: Run, server: ReferenceServer, monkeypatch: pytest.MonkeyPatch
):
    table: Any = OPERATIONS["sd35_turbo_txt2img"].parameters
    gained = Parameter("clip_skip", "integer", "How many layers are left out.", minimum=1, maximum=3)
    switch = Parameter("hires_fix", "boolean", "Whether it is drawn twice.")
    monkeypatch.setitem(table, "clip_skip", gained)
    monkeypatch.setitem(table, "hires_fix", switch)
    assert "--clip-skip INTEGER RANGE" in run(TURBO[0], "--help").stdout
    assert run(*TURBO, "--clip-skip", "2", "--no-hires-fix").exit_code == 0
    assert server.ledger[-1].body["clip_skip"] == 2
    assert server.ledger[-1].body["hires_fix"] is False
    assert (
        "--clip-skip: got 4; allowed is a whole number from 1 to 3" in run(*TURBO, "--clip-skip", "4").stderr
    )


@pytest.mark.parametrize(
    ("parameter", "options"),
    [
        (Parameter("timeout", "integer", "Theirs.", required=True), ["--timeout", "60"]),
        (Parameter("json", "integer", "Theirs."), ["--json"]),
        (Parameter("as_json", "integer", "Theirs."), []),
        (Parameter("help", "integer", "Theirs."), []),
        (Parameter("retry", "boolean", "Theirs."), ["--no-retry"]),  # it would be --retry/--no-retry
    ],
)
def test_a_parameter_named_like_another_option_goes_by_extra(
    run: Run,
    server: ReferenceServer,
    monkeypatch: pytest.MonkeyPatch,
    parameter: Parameter,
    options: list[str],
):
    table: Any = OPERATIONS["sd35_turbo_txt2img"].parameters
    monkeypatch.setitem(table, parameter.name, parameter)
    assert "Theirs." not in run(TURBO[0], "--help").stdout
    assert run(*TURBO, *options, "--extra", f"{parameter.name}=7").exit_code == 0
    assert server.ledger[-1].body[parameter.name] == 7


def test_an_endpoint_without_parameters_has_a_help_page(offline: Run, monkeypatch: pytest.MonkeyPatch):
    endpoints: Any = OPERATIONS
    bare = replace(OPERATIONS["sd35_turbo_txt2img"], parameters={})
    monkeypatch.setitem(endpoints, "sd35_turbo_txt2img", bare)
    assert "Parameters:" not in offline(TURBO[0], "--help").stdout


WHOLE = re.compile("https://| --local$| eval |^  --[a-z-]+ [A-Z ]+$")
"""What stands in one line of help, however narrow the terminal: an address, a command to copy, an option."""


@pytest.mark.parametrize("columns", [40, 80, 120])
@pytest.mark.parametrize("command", ["", "credits", *map(command_name, OPERATIONS.values())])
def test_every_help_page_fits_the_terminal(offline: Run, command: str, columns: int):
    lines = offline(*command.split(), "--help", env={"COLUMNS": f"{columns}"}).stdout.splitlines()
    assert [line for line in lines if len(line) > columns and not WHOLE.search(line)] == []


def test_the_help_has_a_sentence_on_every_other_command_and_loads_none_of_them(tmp_path: Path):
    program = (
        "import sys; from segmind_sd3._cli import commands; commands(['--help'], standalone_mode=False);"
        "print(*(name for name in sys.modules if name.startswith(('segmind_sd3_', 'httpx'))))"
    )
    env = os.environ | {"COLUMNS": "100"}
    said = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=env, stdout=-1, text=True, check=True
    )
    assert "  serve        Serve the five endpoints from here, with drawn pictures and" in said.stdout
    assert "  docs         Keep the contract in agreement with the vendor's docs pages.\n" in said.stdout
    loaded = said.stdout.splitlines()[-1].split()
    assert {name.partition(".")[0] for name in loaded} == {"segmind_sd3_api"}


def test_the_key_is_no_option(offline: Run):
    assert "--key" not in offline(TURBO[0], "--help").stdout
    assert "SEGMIND_API_KEY alone" in offline("--help").stdout


@pytest.mark.parametrize("command", ["sd35-turbo-txt2img", "sd35_turbo_txt2img"])
def test_a_command_goes_by_the_name_of_the_method_too(offline: Run, command: str):
    assert offline(command, "--help").exit_code == 0


def test_completion_offers_the_known_values(offline: Run):
    words = "segmind-sd3 sd3-medium-txt2img --scheduler DPM++"
    asked = {"_SEGMIND_SD3_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": "3"}
    known = OPERATIONS["sd3_medium_txt2img"].parameters["scheduler"].known_values
    offered = [line.removeprefix("plain,") for line in offline(env=asked).stdout.splitlines()]
    assert offered == [value for value in known if value.startswith("DPM++")]


def test_completion_says_what_each_command_does(offline: Run):
    asked = {"_SEGMIND_SD3_COMPLETE": "zsh_complete", "COMP_WORDS": "segmind-sd3 ser", "COMP_CWORD": "1"}
    assert "Serve the five endpoints from here" in offline(env=asked).stdout


def test_the_version_is_printed(offline: Run):
    assert offline("--version").stdout == f"segmind-sd3, version {__version__}\n"


# -- What is sent -----------------------------------------------------------------------------------------


def test_options_are_sent_as_what_they_mean(run: Run, server: ReferenceServer):
    words = ("--steps", "12", "--guidance-scale", "2.5", "--seed", "0", "--sampler", "of tomorrow")
    assert run(*TURBO, *words).exit_code == 0
    sent = {"prompt": "a panda", "steps": 12, "guidance_scale": 2.5, "seed": 0, "sampler": "of tomorrow"}
    body = server.ledger[-1].body
    assert {name: body[name] for name in sent} == sent


@pytest.mark.parametrize(
    ("pair", "sent"),
    [
        ("steps=4", 4),
        ("steps=4.5", 4.5),
        ('steps="4"', "4"),
        ("steps=four", "four"),
        ("steps=null", None),
        ("steps=[1,2]", [1, 2]),
        ("steps=", ""),
        ("steps=a=b", "a=b"),
        ("steps=" + "[" * 100_000, "[" * 100_000),
    ],
    ids=lambda each: str(each)[:12],
)
def test_extra_is_read_as_json_where_it_is_json(offline: Run, pair: str, sent: object):
    printed = json.loads(offline(*TURBO, "--dry-run", "--json", "--extra", pair, "--extra", "more=1").stdout)
    assert (printed["body"]["steps"], printed["body"]["more"]) == (sent, 1)


def test_extra_sends_what_the_bounds_refuse(run: Run, server: ReferenceServer):
    assert run(*TURBO, "--extra", "steps=4").exit_code == 0
    assert server.ledger[-1].body["steps"] == 4


@pytest.mark.parametrize("form", ["path", "data URI", "base64 text", "standard input"])
def test_an_image_is_taken_in_every_form(offline: Run, photo: Path, picture: bytes, form: str):
    text = base64.b64encode(picture).decode()
    given = {
        "path": str(photo),
        "data URI": f"data:image/png;base64,{text}",
        "base64 text": text,
        "standard input": "-",
    }[form]
    words = ("sd3-large-img2img", "--prompt", "x", "--image", given, "--dry-run", "--json")
    printed = json.loads(offline(*words, input=picture).stdout)
    assert printed["body"]["image"] == text


PROMPT = "ein Panda 🐼 bei Nacht"


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        (PROMPT, PROMPT),
        (f"{PROMPT}\n", PROMPT),
        (f"{PROMPT}\r\n", PROMPT),
        (f"\ufeff{PROMPT}\n", PROMPT),
        (" two\nlines \n", " two\nlines "),
    ],
    ids=["bare", "line", "line of Windows", "byte order mark", "lines"],
)
@pytest.mark.parametrize("words", [("--prompt", "-"), ("--prompt-file", "prompt.txt")], ids=" ".join)
def test_a_prompt_is_taken_from_standard_input_and_from_a_file(
    offline: Run, folder: Path, words: tuple[str, str], given: str, sent: str
):
    (folder / "prompt.txt").write_bytes(given.encode())
    said = offline(TURBO[0], *words, "--dry-run", "--json", input=given.encode())
    assert json.loads(said.stdout)["body"]["prompt"] == sent


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--prompt-file", "no.txt"], "--prompt-file no.txt can't be read: No such file or directory"),
        (
            ["--prompt-file", "latin.txt"],
            "--prompt-file latin.txt is no UTF-8 text: byte 1 is none of it",
        ),
        (["--prompt", "-"], "--prompt - is no UTF-8 text: byte 0 is none of it"),
        (["--prompt-file", "latin.txt", "--prompt", "x"], "--prompt and --prompt-file exclude each other"),
        (["--prompt", "-", "--image", "-"], "--prompt and --image can't both be standard input"),
    ],
    ids=" ".join,
)
def test_a_prompt_that_can_not_be_read_is_refused(offline: Run, folder: Path, words: list[str], reason: str):
    (folder / "latin.txt").write_bytes("für".encode("latin-1"))
    said = offline("sd3-large-img2img", *words, "--dry-run", input=b"\xff")
    assert (said.exit_code, said.stdout) == (2, "")
    assert reason in said.stderr


def test_an_image_url_is_fetched_but_not_from_a_private_address(offline: Run, url: str):
    said = offline("sd3-large-img2img", "--prompt", "x", "--image", f"{url}/a.png", "--dry-run")
    assert said.stderr == (
        "Error: sd3-large-img2img was not sent:\n"
        f"  --image: {url}/a.png leads to a private address; pass the picture itself\n"
    )


def test_a_dry_run_prints_the_curl_and_sends_nothing(offline: Run, url: str, server: ReferenceServer):
    words = ("--steps", "11", "--seed", "5")
    said = offline(*TURBO, *words, "--dry-run", "--base-url", url)
    with Client(KEY, base_url=url) as client:
        same = client.prepare(
            "sd35_turbo_txt2img", prompt="a panda", width=64, height=64, steps=11, seed=5
        ).as_curl()
    assert (said.exit_code, said.stdout) == (0, same + "\n")
    assert server.ledger == ()


@pytest.mark.parametrize("base_url", ["https://api.segmind.com", "https://api.segmind.com/v1/"])
def test_the_live_service_is_called_live(offline: Run, base_url: str):
    printed = json.loads(offline(*TURBO, "--dry-run", "--json", "--base-url", base_url).stdout)
    assert printed["target"] == "live"


# -- What is refused, with nothing sent -------------------------------------------------------------------


def test_everything_that_is_wrong_is_named_at_once_in_options(run: Run, server: ReferenceServer):
    guidance = OPERATIONS["sd35_turbo_txt2img"].parameters["guidance_scale"]
    said = run(TURBO[0], "--steps", "4", "--width", "wide", "--guidance-scale", "nan")
    assert said.exit_code == 2
    assert said.stdout == ""
    assert said.stderr.splitlines() == [
        "Error: sd35-turbo-txt2img was not sent:",
        "  --prompt: missing; allowed is a text",
        (
            "  --steps: got 4; allowed is a whole number from 10 to 70. 4 is the page's own default, outside "
            "of its own bounds: to send it all the same, pass --extra steps=4"
        ),
        f"  --guidance-scale: got nan; allowed is a number from {guidance.minimum} to {guidance.maximum}",
        "  --width: got 'wide'; allowed is a whole number from 64 to 2048",
    ]
    assert server.ledger == ()


def test_advice_speaks_of_options(run: Run):
    said = run(*TURBO, "--aspect-ratio", "2:3").stderr
    assert "--width: given beside aspect_ratio '2:3'; it counts only with --aspect-ratio custom" in said
    said = run("sd3-medium-tile", "--prompt", "x", "--image", "no.png").stderr
    assert "a PIL image" not in said


def test_what_is_said_of_an_image_speaks_of_no_object_of_python(offline: Run, photo: Path):
    tile = ("sd3-medium-tile", "--prompt", "x", "--dry-run", "--image", str(photo))
    assert "Pillow" not in offline("sd3-medium-tile", "--help").stdout
    photo.write_bytes(photo.read_bytes()[:50])
    assert offline(*tile).stderr.endswith("pass the whole file; --extra sends base64 text unchecked\n")
    photo.write_bytes(b"BM")
    assert offline(*tile).stderr.endswith("pass one of these, since the pages name no other\n")


@pytest.mark.filterwarnings("default")
def test_a_large_image_is_noted_and_sent(offline: Run, photo: Path):
    PIL.Image.new("L", (2049, 1)).save(photo)
    said = offline("sd3-medium-tile", "--prompt", "x", "--image", str(photo), "--dry-run", "--json")
    assert said.stderr == (
        "Note: image is larger than 2048 x 2048 pixels: it is sent as it is, "
        "and the service is known to scale it down\n"
    )
    assert json.loads(said.stdout)["body"]["image"] == base64.b64encode(photo.read_bytes()).decode()


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--exclusive", "--out", "taken.jpg"], "taken.jpg exists already"),
        (["--exclusive", "--out", "taken"], "taken.jpg exists already"),
        (["--exclusive", "--out", "many.jpg", "--batch-size", "2"], "many-2.jpg exists already"),
        (["--exclusive", "--seed", "7"], "sd35-turbo-txt2img-7.jpg exists already"),
        (["--out", "nowhere/panda.jpg"], "the folder nowhere does not exist"),
        (["--out", "nowhere/"], "the folder nowhere does not exist"),
    ],
    ids=" ".join,
)
def test_a_name_that_can_not_be_had_is_refused_before_anything_is_paid(
    run: Run, server: ReferenceServer, folder: Path, words: list[str], reason: str
):
    taken = ["many-2.jpg", "sd35-turbo-txt2img-7.jpg", "taken.jpg"]
    for name in taken:
        (folder / name).write_text("mine")
    said = run(*TURBO, *words)
    assert said.exit_code == 2
    assert reason in said.stderr
    assert server.ledger == ()
    assert {(folder / name).read_text() for name in taken} == {"mine"}
    assert files_in(folder) == taken


def test_without_a_key_one_sentence_says_what_to_do(offline: Run):
    said = offline(*TURBO)
    assert said.exit_code == 2
    assert said.stderr.count("\n") == 1
    assert "set SEGMIND_API_KEY, or add --local" in said.stderr


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--base-url", ""], "--base-url is empty"),
        (["--base-url", "ftp://there"], "the base URL was 'ftp://there'"),
        (["--timeout", "0"], "timeout was 0"),
        (["--timeout", "soon"], "'soon' is not a valid float"),
        (["--extra", "steps"], "'steps' is not of the form NAME=VALUE"),
        (["--local", "--dry-run"], "--local has no address"),
        (["--local", "--base-url", "http://localhost"], "--local has no address"),
        (["--stepz", "3"], "No such option"),
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("as_json", [False, True], ids=["text", "json"])
def test_options_that_make_no_sense_are_refused(
    run: Run, server: ReferenceServer, words: list[str], reason: str, *, as_json: bool
):
    said = run(*TURBO, *words, *(["--json"] if as_json else []))
    assert said.exit_code == 2
    assert reason in (json.loads(said.stdout)["message"] if as_json else said.stderr)
    assert server.ledger == ()


# -- What is written, and printed ----------------------------------------------------------------------------


def test_a_picture_is_written_and_shown_in_one_line(
    run: Run, server: ReferenceServer, url: str, folder: Path
):
    said = run(*TURBO, "--out", "panda.jpg", "--seed", "5")
    price = server.ledger[-1].cost
    assert said.exit_code == 0
    assert said.stderr == ""
    assert said.stdout == (
        f"panda.jpg  64x64  seed 5  cost ${price}  ${server.credits} left\n"
        f"Drawn by {url}, not by the live service.\n"
    )
    assert size_of(folder / "panda.jpg") == (64, 64)


def test_without_out_the_file_is_named_after_endpoint_and_seed(run: Run, folder: Path):
    assert run(*TURBO, "--seed", "5").exit_code == 0
    assert files_in(folder) == ["sd35-turbo-txt2img-5.jpg"]


def test_where_no_seed_is_sent_the_time_stands_in_the_name(run: Run, folder: Path, photo: Path):
    assert run("sd3-large-img2img", "--prompt", "x", "--image", str(photo)).exit_code == 0
    (name,) = files_in(folder)
    assert re.fullmatch(r"sd3-large-img2img-\d{8}-\d{6}\.jpg", name)


def test_a_folder_for_out_takes_the_usual_name(run: Run, folder: Path):
    (folder / "drawn").mkdir()
    assert run(*TURBO, "--seed", "5", "--out", "drawn").exit_code == 0
    assert files_in(folder / "drawn") == ["sd35-turbo-txt2img-5.jpg"]


def test_several_pictures_are_numbered(run: Run, folder: Path):
    said = run(*TURBO, "--batch-size", "2", "--out", "panda.png", "--image-format", "png")
    assert said.stdout.startswith("panda-1.png, panda-2.png  64x64")
    assert files_in(folder) == ["panda-1.png", "panda-2.png"]


def test_a_picture_is_saved_beside_the_file_that_has_its_name(run: Run, folder: Path):
    (folder / "panda.jpg").write_text("mine")
    said = run(*TURBO, "--out", "panda.jpg")
    assert (said.exit_code, said.stdout.partition("  ")[0]) == (0, "panda (1).jpg")
    assert said.stderr == (
        "panda.jpg exists already, and is kept (--overwrite replaces it): "
        "the picture is saved in panda (1).jpg.\n"
    )
    assert ((folder / "panda.jpg").read_text(), size_of(folder / "panda (1).jpg")) == ("mine", (64, 64))


def test_in_json_the_files_are_those_that_were_written(run: Run, folder: Path):
    (folder / "panda.jpg").write_text("mine")
    said = run(*TURBO, "--out", "panda.jpg", "--json")
    assert (json.loads(said.stdout)["files"], said.stderr) == (["panda (1).jpg"], "")


def test_exclusive_draws_where_the_name_is_free(run: Run, folder: Path):
    assert run(*TURBO, "--out", "panda.jpg", "--exclusive").exit_code == 0
    assert files_in(folder) == ["panda.jpg"]


@pytest.mark.parametrize("suffix", [".png", ".webp", ".jpg", ".JPEG"])
def test_the_suffix_of_out_asks_for_its_format(run: Run, server: ReferenceServer, folder: Path, suffix: str):
    said = run(*TURBO, "--out", f"panda{suffix}")
    asked = {".png": "png", ".webp": "webp"}.get(suffix, "jpeg")
    assert (said.exit_code, said.stderr, server.ledger[-1].body["image_format"]) == (0, "", asked)
    assert files_in(folder) == [f"panda{suffix}"]


def test_each_endpoint_that_has_a_choice_of_formats_is_asked(run: Run, server: ReferenceServer, photo: Path):
    words = ("sd3-large-img2img", "--prompt", "x", "--image", str(photo), "--out", "x.png")
    assert run(*words).stdout.startswith("x.png  ")
    assert server.ledger[-1].body["output_format"] == "png"


@pytest.mark.parametrize(
    "words", [("--image-format", "webp"), ("--extra", "image_format=webp")], ids=" ".join
)
def test_a_format_that_was_asked_for_counts_more_than_the_suffix(
    run: Run, folder: Path, words: tuple[str, ...]
):
    said = run(*TURBO, "--out", "panda.png", *words)
    assert said.stderr == "The reply is no .png: the picture is saved in panda.webp.\n"
    assert files_in(folder) == ["panda.webp"]


def test_no_suffix_asks_for_no_format(run: Run, server: ReferenceServer):
    for out in ((), ("--out", "panda"), ("--out", "panda.v2")):
        assert run(*TURBO, *out).exit_code == 0
        assert "image_format" not in server.ledger[-1].body


@pytest.mark.parametrize("operation", [name for name in OPERATIONS if name.startswith("sd3_medium")])
def test_where_there_is_no_choice_of_formats_it_is_said_before_the_call(
    run: Run, folder: Path, photo: Path, operation: str
):
    command = command_name(OPERATIONS[operation])
    image = ("--image", str(photo)) if "image" in OPERATIONS[operation].parameters else ()
    said = run(command, "--prompt", "x", *image, "--out", "x.png")
    note = f"{command}: there is no option for the format; its page promises a JPEG, to be saved as x.jpg.\n"
    assert (said.exit_code, said.stderr) == (0, note)
    assert files_in(folder) == ["x.jpg"]
    said = run(
        command, "--prompt", "x", *image, "--out", "x.png", "--base-url", "http://127.0.0.1:1", "--no-retry"
    )
    assert said.stderr.startswith(note)


def test_a_format_that_an_endpoint_does_not_list_is_named(run: Run, folder: Path):
    said = run(*TURBO, "--out", "x.gif")
    assert said.stderr == (
        "sd35-turbo-txt2img: --image-format lists no gif; its page promises a JPEG, to be saved as x.jpg.\n"
    )
    assert files_in(folder) == ["x.jpg"]


def test_a_dry_run_shows_the_format_that_the_suffix_asks_for(offline: Run):
    printed = json.loads(offline(*TURBO, "--out", "x.png", "--dry-run", "--json").stdout)
    assert printed["body"]["image_format"] == "png"


def test_overwrite_replaces_a_file(run: Run, folder: Path):
    (folder / "panda.jpg").write_text("old")
    assert run(*TURBO, "--out", "panda.jpg", "--overwrite").exit_code == 0
    assert size_of(folder / "panda.jpg") == (64, 64)


def test_json_is_one_object_about_the_picture(run: Run, server: ReferenceServer, url: str):
    said = run(*TURBO, "--out", "panda.jpg", "--seed", "5", "--json")
    entry = server.ledger[-1]
    printed = json.loads(said.stdout)
    assert printed.pop("generation_time") > 0
    assert printed == {
        "operation": "sd35_turbo_txt2img",
        "files": ["panda.jpg"],
        "billed": True,
        "media_type": "image/jpeg",
        "width": 64,
        "height": 64,
        "seed": 5,
        "cost": entry.cost,
        "credits_remaining": server.credits,
        "request_id": entry.request_id,
        "target": url,
    }


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of temporary files: empty."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    return tmp_path / "temporary"


def test_a_picture_for_standard_output_is_all_that_is_there(
    run: Run, url: str, folder: Path, temporary: Path
):
    assert run(*TURBO, "--seed", "5", "--out", "same.jpg").exit_code == 0
    said = run(*TURBO, "--seed", "5", "--out", "-")
    assert (said.exit_code, said.stdout_bytes) == (0, (folder / "same.jpg").read_bytes())
    assert re.fullmatch(
        rf"-  64x64  seed 5  cost \$\S+  \$\S+ left\nDrawn by {url}, not by the live service.\n", said.stderr
    )
    assert files_in(folder) + files_in(temporary) == ["same.jpg"]


@pytest.mark.parametrize(
    ("words", "name", "value"),
    [
        ([], "files", ["-"]),
        (["--steps", "4"], "error", "InvalidRequest"),
        (["--stepz", "4"], "error", "UsageError"),
        (
            ["--batch-size", "2"],
            "message",
            "--out - takes one picture, and several are asked for: name a file",
        ),
    ],
    ids=["drawn", "refused", "misspelt", "several"],
)
@pytest.mark.parametrize("out", [["--out", "-"], ["--out=-"]], ids=" ".join)
def test_beside_a_picture_on_standard_output_json_is_on_stderr(  # noqa: PLR0917 - fixtures and a table
    run: Run, temporary: Path, out: list[str], words: list[str], name: str, value: object
):
    said = run(*TURBO, *out, *words, "--json")
    assert json.loads(said.stderr)[name] == value
    assert said.stdout_bytes.startswith(b"\xff\xd8\xff") or said.exit_code == 2
    assert files_in(temporary) == []


def test_what_came_instead_of_a_picture_for_standard_output_is_a_file(
    run: Run, server: ReferenceServer, temporary: Path
):
    server.provoke("truncated-picture")
    said = run(*TURBO, "--out", "-")
    (kept,) = temporary.glob("*/*.reply")
    assert (said.exit_code, said.stdout) == (1, "")
    assert f"Billed: what came is saved in {kept}." in said.stderr


def test_local_draws_without_key_or_target_and_says_that_it_is_not_live(offline: Run, folder: Path):
    said = offline(*TURBO, "--local", "--out", "panda.jpg", env={"SEGMIND_BASE_URL": "http://localhost:1"})
    assert said.exit_code == 0
    assert "REFERENCE server, not live" in said.stdout
    assert size_of(folder / "panda.jpg") == (64, 64)


def test_local_is_named_in_json_and_costs_nothing(offline: Run):
    printed = json.loads(offline(*TURBO, "--local", "--json").stdout)
    assert (printed["target"], printed["billed"]) == ("local", False)


def test_local_without_the_contract_package_says_what_to_install(
    offline: Run, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(sys.modules, "segmind_sd3_contract.reference", None)
    said = offline(*TURBO, "--local")
    assert (said.exit_code, said.stderr.count("\n")) == (2, 1)
    assert "pip install 'segmind-sd3[contract]'" in said.stderr


# -- What goes wrong --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """A provocation, and what the command says of it; `kept` are the files that the reply is written to."""

    provocation: str
    error: str
    status: int
    billed: bool | None
    note: str

    @property
    def kept(self) -> list[str]:
        return re.findall(r"panda\.jpg\.reply", self.note)


KEPT = "what came is saved in panda.jpg.reply"
LOOK = "see `segmind-sd3 credits` before you try again"
CASES = [
    Case("status:401", "AuthenticationError", 401, billed=False, note="Not billed."),
    Case("406-not-only-credits:credits", "InsufficientCredits", 406, billed=False, note="Not billed."),
    Case("server-error:plain", "ServerError", 500, billed=False, note="Not billed."),
    Case("error-in-200", "UnusableReply", 200, billed=True, note=f"Billed: {KEPT}."),
    Case("truncated-picture", "UnusableReply", 200, billed=True, note=f"Billed: {KEPT}."),
    Case("empty-200", "UnusableReply", 200, billed=True, note="Billed: nothing of it could be saved."),
    Case(
        "gateway-html:504", "OutcomeUnknown", 504, billed=None, note=f"May have been billed: {KEPT}; {LOOK}."
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.provocation)
def test_an_error_says_whether_it_was_billed_and_what_came_is_kept(
    run: Run, server: ReferenceServer, folder: Path, case: Case
):
    server.provoke(case.provocation)
    said = run(*TURBO, "--out", "panda.jpg")
    first, *_, last = said.stderr.splitlines()
    assert (said.exit_code, said.stdout, last) == (1, "", case.note)
    assert first.startswith(f"Error: HTTP {case.status}")
    assert files_in(folder) == case.kept


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.provocation)
def test_json_is_one_object_about_the_error(run: Run, server: ReferenceServer, case: Case):
    server.provoke(case.provocation)
    said = run(*TURBO, "--out", "panda.jpg", "--json")
    printed = json.loads(said.stdout)
    assert (said.exit_code, said.stderr) == (1, "")
    assert printed.pop("message").startswith(f"HTTP {case.status}")
    assert printed == {
        "operation": "sd35_turbo_txt2img",
        "error": case.error,
        "billed": case.billed,
        "status": case.status,
        "request_id": None if case.error == "OutcomeUnknown" else server.ledger[-1].request_id,
        "problems": [],
        "saved": (case.kept or [None])[0],
    }


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.provocation)
def test_an_error_speaks_of_the_bill_once_and_not_of_python(run: Run, server: ReferenceServer, case: Case):
    server.provoke(case.provocation)
    said = run(*TURBO, "--out", "panda.jpg").stderr
    assert len(re.findall("billed", said, re.IGNORECASE)) == 1
    assert ".body" not in said


@pytest.mark.parametrize("words", [TURBO, ("credits",)], ids=["draw", "credits"])
def test_a_refused_key_and_a_refused_connection_name_the_server_and_what_to_do(
    offline: Run, words: tuple[str, ...]
):
    env = {"SEGMIND_API_KEY": KEY}
    with Unauthorized().listening() as url:
        said = offline(*words, "--base-url", url, env=env).stderr
    assert "Check the key that was given, or SEGMIND_API_KEY." in said
    assert f" The key was sent to {url}: --base-url or SEGMIND_BASE_URL names another server.\n" in said
    with refusing() as url:
        said = offline(*words, "--base-url", url, "--no-retry", env=env).stderr
    assert f" Check that {url} can be reached, or name another server with --base-url or SEGMIND_" in said


def test_an_image_that_can_not_be_fetched_speaks_of_no_other_server(offline: Run):
    words = ("sd3-large-img2img", "--prompt", "x", "--image", "http://192.0.1.1/a.png")
    with refusing() as proxy:
        said = offline(*words, env={"SEGMIND_API_KEY": KEY, "HTTP_PROXY": proxy, "NO_PROXY": ""})
    assert said.exit_code == 1
    assert "Connection refused" in said.stderr
    assert "--base-url" not in said.stderr


RED = "\x1b[31mError:"


@pytest.mark.parametrize(
    ("words", "no_color", "red"),
    [
        ([], None, True),
        ([], "", True),
        ([], "1", False),
        (["--no-color"], None, False),
        (["--color"], "1", True),
    ],
    ids=["terminal", "empty NO_COLOR", "NO_COLOR", "--no-color", "--color"],
)
def test_an_error_is_red_on_a_terminal_unless_colours_are_unwanted(
    offline: Run, words: list[str], no_color: str | None, *, red: bool
):
    said = offline(*TURBO, *words, env={"NO_COLOR": no_color}, color=True)
    assert (RED in said.stderr) is red


def test_a_file_has_colours_if_they_are_asked_for(offline: Run):
    assert RED not in offline(*TURBO).stderr
    assert RED in offline(*TURBO, "--color").stderr


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def test_on_a_terminal_lines_break_between_words(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", "20")
    text = "one two three four five\n  six seven eight nine\nhttps://example.com/long/path"
    assert fit(text, StringIO()) == text
    assert fit(text, Terminal()).splitlines() == [
        *("one two three four", "five", "  six seven eight", "  nine", "https://example.com/long/path")
    ]


def test_json_names_every_problem(run: Run):
    said = run(TURBO[0], "--steps", "400", "--json")
    printed = json.loads(said.stdout)
    assert said.exit_code == 2
    assert said.stderr == ""
    assert (printed["error"], printed["billed"], printed["status"]) == ("InvalidRequest", False, None)
    assert [(problem["parameter"], problem["given"]) for problem in printed["problems"]] == [
        ("prompt", "missing"),
        ("steps", "got 400"),
    ]


def test_no_retry_tries_once(run: Run, server: ReferenceServer):
    server.provoke("no-retry-after:absent", times=2)
    assert run(*TURBO, "--no-retry").exit_code == 1
    assert len(server.ledger) == 1
    assert run(*TURBO).exit_code == 0
    assert len(server.ledger) == 3


def test_a_traceback_is_shown_on_demand_alone(run: Run, server: ReferenceServer):
    server.provoke("status:401", times=2)
    assert "Traceback" not in run(*TURBO).stderr
    assert "Traceback" in run(*TURBO, "--traceback").stderr


class Vanishing(ReferenceServer):
    """A server that takes away the folder that the picture is meant for."""

    folder: Path

    def answer(self, request: Request) -> Answer:
        shutil.rmtree(self.folder)
        return super().answer(request)


class Filling(ReferenceServer):
    """A server that takes the name that the picture is meant for."""

    file: Path

    def answer(self, request: Request) -> Answer:
        self.file.write_text("mine")
        return super().answer(request)


def test_a_name_that_is_taken_while_the_picture_is_drawn_costs_no_picture(offline: Run, folder: Path):
    server = Filling()
    server.file = folder / "panda.jpg"
    with server.listening() as url:
        env = {"SEGMIND_API_KEY": KEY, "SEGMIND_BASE_URL": url}
        said = offline(*TURBO, "--out", "panda.jpg", "--exclusive", env=env)
    assert said.exit_code == 0
    assert files_in(folder) == ["panda (1).jpg", "panda.jpg"]


def test_replies_that_are_kept_replace_no_other(run: Run, server: ReferenceServer, folder: Path):
    server.provoke("truncated-picture", times=2)
    said = [run(*TURBO, "--out", "panda.jpg").stderr.splitlines()[-1] for _ in range(2)]
    assert said == [f"Billed: {KEPT}.", "Billed: what came is saved in panda.jpg (1).reply."]
    assert files_in(folder) == ["panda.jpg (1).reply", "panda.jpg.reply"]


@pytest.mark.parametrize("provocation", ["", "truncated-picture"])
def test_what_can_not_be_written_where_it_should_is_written_elsewhere(
    offline: Run, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, provocation: str
):
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    server = Vanishing()
    server.folder = folder / "drawn"
    server.folder.mkdir()
    if provocation:
        server.provoke(provocation)
    with server.listening() as url:
        env = {"SEGMIND_API_KEY": KEY, "SEGMIND_BASE_URL": url}
        said = offline(*TURBO, "--out", "drawn/panda.jpg", env=env)
    assert said.exit_code == 1
    (rescued,) = (tmp_path / "temporary").glob("*/*")
    assert str(rescued) in said.stdout + said.stderr
    assert rescued.name == ("panda.jpg.reply" if provocation else "panda.jpg")
    assert rescued.read_bytes().startswith(b"\xff\xd8\xff")


def test_a_name_too_long_for_the_file_system_costs_no_picture(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert run(*TURBO, "--out", "x" * 253).exit_code == 1  # and a suffix: more than the usual 255
    (rescued,) = tmp_path.glob("segmind-sd3-*/*.jpg")
    assert size_of(rescued) == (64, 64)


class Echoing(ReferenceServer):
    """A server that says back every header that it was sent."""

    def answer(self, request: Request) -> Answer:
        answer = super().answer(request)
        return replace(answer, status=400).with_json({"error": f"You sent {dict(request.headers)}"})


def test_the_key_is_in_no_output(run: Run, server: ReferenceServer, folder: Path, photo: Path):
    server.provoke("status:401", times=2)
    server.provoke("gateway-html:504", times=2)
    image = ("sd3-medium-tile", "--prompt", "x", "--image", str(photo))
    commands = [
        *([*TURBO, *more] for more in [["--traceback"], ["--traceback", "--json"]] * 2),
        *([*words, *more] for words in (TURBO, image) for more in ([], ["--json"], ["--dry-run"])),
        [*TURBO, "--steps", "4", "--traceback"],
        [*TURBO, "--base-url", "http://127.0.0.1:1", "--no-retry", "--traceback"],
        [*TURBO, "--timeout", "0", "--traceback"],
        [*TURBO, "--key", "x"],
        ["--help"],
        [*TURBO, "--help"],
    ]
    said = [run(*words) for words in commands]
    with Echoing().listening() as echoing:
        said += [run(*TURBO, "--base-url", echoing, *more) for more in ([], ["--json"], ["--traceback"])]
    assert "You sent" in said[-1].stderr
    assert [each.stdout + each.stderr for each in said if KEY in each.stdout + each.stderr] == []
    assert [path for path in folder.iterdir() if KEY.encode() in path.read_bytes()] == []


class Refusing(ReferenceServer):
    """A server that draws, names the cost, and answers with the status of a refusal all the same."""

    def answer(self, request: Request) -> Answer:
        return replace(super().answer(request), status=400)


def test_a_picture_that_was_billed_under_the_status_of_a_refusal_is_kept(offline: Run, folder: Path):
    with Refusing().listening() as url:
        env = {"SEGMIND_API_KEY": KEY, "SEGMIND_BASE_URL": url}
        said = offline(*TURBO, "--out", "panda.jpg", env=env)
    assert (said.exit_code, said.stderr.splitlines()[-1]) == (1, f"Billed: {KEPT}.")
    assert size_of(folder / "panda.jpg.reply") == (64, 64)


# -- The balance ------------------------------------------------------------------------------------------


def test_credits_shows_the_balance_and_costs_nothing(run: Run, server: ReferenceServer, url: str):
    said = run("credits")
    assert (said.exit_code, said.stderr) == (0, "")
    assert said.stdout == (
        f"${server.credits} left: ${server.credits} paid, $0.0 free\n"
        f"The balance at {url}, not at the live service.\n"
    )
    assert server.credits == 10.0


def test_credits_is_one_object_in_json(run: Run, server: ReferenceServer, url: str):
    assert json.loads(run("credits", "--json").stdout) == {
        "operation": "credits",
        "credits": server.credits,
        "free_credits": 0.0,
        "total": server.credits,
        "target": url,
    }


def test_credits_of_the_local_server_are_called_made_up(offline: Run):
    said = offline("credits", "--local")
    assert said.exit_code == 0
    assert "The balance of the REFERENCE server, not live: made-up credits." in said.stdout
    assert json.loads(offline("credits", "--local", "--json").stdout)["target"] == "local"


def test_credits_takes_its_server_from_an_option_too(offline: Run, url: str):
    said = offline("credits", "--base-url", url, env={"SEGMIND_API_KEY": KEY})
    assert (said.exit_code, url in said.stdout) == (0, True)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--base-url", ""], "--base-url is empty"),
        (["--timeout", "0"], "timeout was 0"),
        (["--timeout", "soon"], "'soon' is not a valid float"),
        (["--local", "--base-url", "http://localhost"], "use it without --base-url"),
        (["--out", "panda.jpg"], "No such option"),
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("as_json", [False, True], ids=["text", "json"])
def test_credits_refuses_options_that_make_no_sense(
    run: Run, words: list[str], reason: str, *, as_json: bool
):
    said = run("credits", *words, *(["--json"] if as_json else []))
    assert said.exit_code == 2
    assert reason in (json.loads(said.stdout)["message"] if as_json else said.stderr)


def test_credits_without_a_key_says_what_to_do(offline: Run):
    said = offline("credits")
    assert (said.exit_code, said.stderr.count("\n")) == (2, 1)
    assert "set SEGMIND_API_KEY, or add --local" in said.stderr


class Unauthorized(ReferenceServer):
    """A server that lets nobody in."""

    def __init__(self) -> None:
        super().__init__(keys=["SG_0000000000000001"])


@pytest.mark.parametrize("as_json", [False, True], ids=["text", "json"])
def test_an_error_of_credits_has_the_form_of_every_error(offline: Run, folder: Path, *, as_json: bool):
    with Unauthorized().listening() as url:
        env = {"SEGMIND_API_KEY": KEY, "SEGMIND_BASE_URL": url}
        said = offline("credits", *(["--json"] if as_json else []), env=env)
    assert said.exit_code == 1
    if as_json:
        printed = json.loads(said.stdout)
        assert [printed[name] for name in ("operation", "error", "billed", "status", "saved")] == [
            *("credits", "AuthenticationError", False, 401, None)
        ]
    else:
        assert said.stderr.startswith("Error: HTTP 401")
        assert said.stderr.endswith("\nNot billed.\n")
    assert files_in(folder) == []


class NoBalance(ReferenceServer):
    """A server whose balance is no balance."""

    def answer(self, request: Request) -> Answer:
        return super().answer(request).with_json({"balance": "a lot"})


def test_a_balance_that_can_not_be_read_is_no_file(offline: Run, folder: Path):
    with NoBalance().listening() as url:
        said = offline("credits", env={"SEGMIND_API_KEY": KEY, "SEGMIND_BASE_URL": url})
    assert (said.exit_code, said.stderr.splitlines()[-1]) == (1, "Not billed.")
    assert files_in(folder) == []


def test_credits_obeys_the_timeout(run: Run, stalled: tuple[str, Callable[[], socket.socket]]):
    url, _ = stalled
    said = run("credits", "--base-url", url, "--timeout", "0.2", "--no-retry")
    assert said.exit_code == 1
    assert "the deadline of 0.2 s is over" in said.stderr


# -- The log ----------------------------------------------------------------------------------------------


def log_of(said: Result) -> list[tuple[str, str]]:
    """Level and text of each line on stderr; every line is of the log."""
    lines = [re.fullmatch(r"\d\d:\d\d:\d\d (\w+) (.+)", line) for line in said.stderr.splitlines()]
    assert None not in lines, said.stderr
    return [(line[1], line[2]) for line in lines if line]


@pytest.mark.parametrize("option", ["--verbose", "-v"])
@pytest.mark.parametrize(
    ("words", "name"), [(TURBO, "sd35_turbo_txt2img"), (("credits",), "credits")], ids=["draw", "credits"]
)
def test_verbose_prints_the_log_on_stderr_and_leaves_stdout_alone(
    run: Run, words: tuple[str, ...], name: str, option: str
):
    said = run(*words, option, "--json")
    (first, *_, (level, last)) = log_of(said)
    assert json.loads(said.stdout)["operation"] == name
    assert first == ("DEBUG", f"{name}: try 1")
    assert (level, re.match(rf"{name}: ok, status 200, \d+\.\d\d s, 1 try", last) is not None) == (
        "INFO",
        True,
    )


def test_verbose_prints_each_try_and_each_wait(run: Run, server: ReferenceServer):
    server.provoke("no-retry-after:absent")
    lines = [text.removeprefix("sd35_turbo_txt2img: ") for _, text in log_of(run(*TURBO, "--verbose"))]
    assert [line.partition(",")[0] for line in lines] == ["try 1", "try 1 failed", "try 2", "ok"]


def test_the_log_ends_with_the_command(run: Run):
    assert run(*TURBO, "--verbose").stderr
    assert run(*TURBO, "--seed", "5").stderr == ""


class Steering(ReferenceServer):
    """A server whose first reply is an error that breaks lines, steers a terminal, and contains the key."""

    steered = False

    def answer(self, request: Request) -> Answer:
        if self.steered:
            return super().answer(request)
        self.steered = True
        text = f"slow down\n12:00:00 INFO all is well\x1b[2J\u202e {request.headers['x-api-key']}"
        return replace(Answer(200, {}, b"").with_json({"error": text}), status=429)


def test_whatever_is_logged_is_one_line_in_which_nothing_steers(capsys: pytest.CaptureFixture[str]):
    with log_to_stderr():
        logging.getLogger("segmind_sd3").debug("one\ntwo\x1b[2J\u202e %s", "three\r\n")
    assert re.fullmatch(r"\d\d:\d\d:\d\d DEBUG one\\ntwo\\x1b\[2J\\u202e three\\n\n", capsys.readouterr().err)


@pytest.mark.parametrize("words", [TURBO, ("credits",)], ids=["draw", "credits"])
def test_a_line_of_the_log_is_one_printable_line_without_the_key(offline: Run, words: tuple[str, ...]):
    with Steering().listening() as url:
        env = {"SEGMIND_API_KEY": KEY, "SEGMIND_BASE_URL": url}
        said = offline(*words, "--verbose", "--json", env=env)
    texts = [text for _, text in log_of(said)]
    (failed,) = [text for text in texts if "slow down" in text]
    assert "all is well" in failed
    assert all(text.isprintable() for text in texts)
    assert KEY not in said.stderr + said.stdout


# -- Commands of other packages ---------------------------------------------------------------------------


OTHERS = """
[segmind_sd3.commands]
good = others:good
spoken = others:spoken
broken = no_such_module:command
lacking = others:lacking
none = json:dumps

[segmind_sd3.checkout_commands]
absent = no_such_package.module:command
unready = others.no_such_module:command
"""


@pytest.fixture
def others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Another package, with a command that works and some that don't."""
    about = tmp_path / "site" / "others-1.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: others\nVersion: 1\n")
    (about / "entry_points.txt").write_text(OTHERS)
    (about.parent / "others.py").write_text(
        "import click\n"
        "@click.command()\n"
        "@click.option('--name')\n"
        "def good(name): click.echo('hello ' + name)\n"
        "@click.command()\n"
        "def spoken():\n"
        '    """Say one\n\n    sentence. And another."""\n'
    )
    monkeypatch.syspath_prepend(about.parent)  # pyright: ignore[reportUnknownMemberType]


@pytest.mark.usefixtures("others")
def test_commands_of_packages_are_offered_and_those_of_a_checkout_only_where_their_package_is(run: Run):
    offered = set(re.findall(r"^  (\w+)  ", run("--help").stdout, re.MULTILINE))

    assert {"good", "broken", "none", "serve", "docs", "diff", "unready"} <= offered
    assert "absent" not in offered


@pytest.mark.usefixtures("others")
@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("spoken", "Say one sentence."),
        ("good", "See segmind-sd3 good --help."),
        ("broken", "See segmind-sd3 broken --help."),
    ],
)
def test_a_command_s_first_sentence_stands_in_the_help(run: Run, command: str, sentence: str):
    assert re.search(rf"^  {command} +{sentence}$", run("--help").stdout, re.MULTILINE)


@pytest.mark.usefixtures("others")
def test_a_broken_command_of_another_package_breaks_no_other(run: Run):
    assert run("good", "--name", "you").stdout == "hello you\n"
    assert run(*TURBO).exit_code == 0


@pytest.mark.usefixtures("others")
@pytest.mark.parametrize(
    ("command", "code", "reason"),
    [
        ("broken", 1, "broken can't be loaded: No module named 'no_such_module'"),
        ("lacking", 1, "lacking can't be loaded: AttributeError: module 'others' has no attribute 'lacking'"),
        ("none", 1, "none can't be loaded: json:dumps is no command."),
        (
            "absent",
            2,
            (
                "absent works on a checkout of segmind-sd3, not on an installed package: clone the "
                "repository, run `make setup` in it, and call .venv/bin/segmind-sd3 absent."
            ),
        ),
        (
            "unready",
            1,
            (
                "unready can't be loaded: No module named 'others.no_such_module'; 'others' is not a "
                "package: run `make setup`"
            ),
        ),
    ],
    ids=["module", "attribute", "type", "checkout", "set-up"],
)
def test_a_command_that_cannot_be_loaded_says_why_in_one_line(run: Run, command: str, code: int, reason: str):
    said = run(command)

    assert (said.exit_code, said.stdout, said.stderr) == (code, "", f"Error: {reason}\n")


@pytest.mark.parametrize("given", ["", " ", "it's"])
def test_what_an_error_says_to_send_all_the_same_is_sent(given: str, offline: Run):
    advice = f'extra={{"prompt": {json.dumps(given)}}}'
    words = shlex.split(for_command_line(f"(to send it all the same: {advice})").strip("()"))[-2:]
    said = offline(TURBO[0], "--prompt", "a panda", *words, "--dry-run", "--json")
    assert json.loads(said.stdout)["body"]["prompt"] == given


# -- Real processes ---------------------------------------------------------------------------------------


def process(
    *words: str,
    cwd: Path,
    target: str = "",
    key: str = KEY,
    stdout: int = subprocess.PIPE,
    stderr: int = subprocess.PIPE,
    start: str = "",
) -> subprocess.Popen[str]:
    env = os.environ | {"SEGMIND_API_KEY": key, "SEGMIND_BASE_URL": target, "TERM": "xterm", "COLUMNS": "80"}
    # Whoever runs the suite in the background has SIGINT ignored, and a child inherits that.
    start += "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    words = (sys.executable, "-c", f"{start}; from segmind_sd3.__main__ import main; main()", *words)
    return subprocess.Popen(words, cwd=cwd, env=env, stdout=stdout, stderr=stderr, encoding="utf-8")


@pytest.fixture
def stalled() -> Iterator[tuple[str, Callable[[], socket.socket]]]:
    """A server that never answers: its URL, and how to wait for a whole request to be with it."""
    held: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(20)

        def asked() -> socket.socket:
            connection, _ = listener.accept()
            held.append(connection)
            while not connection.recv(65536, socket.MSG_PEEK).endswith(b"}"):
                pass
            return connection

        yield f"http://127.0.0.1:{listener.getsockname()[1]}", asked
        for connection in held:
            connection.close()


def test_ctrl_c_says_that_the_call_may_have_been_paid_for(
    stalled: tuple[str, Callable[[], socket.socket]], tmp_path: Path
):
    url, asked = stalled
    with process(*TURBO, "--timeout", "15", target=url, cwd=tmp_path) as drawing:
        asked()
        drawing.send_signal(signal.SIGINT)
        said = drawing.communicate(timeout=20)
    assert (drawing.returncode, *said) == (130, "", f"Interrupted.\nMay have been billed: {LOOK}.\n")


def test_the_deadline_is_the_calls(run: Run, stalled: tuple[str, Callable[[], socket.socket]]):
    url, _ = stalled
    said = run(*TURBO, "--base-url", url, "--timeout", "0.2")
    assert said.exit_code == 1
    assert "the deadline of 0.2 s is over" in said.stderr
    assert "May have been billed" in said.stderr


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="a terminal is needed")
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_a_terminal_sees_the_seconds_pass_while_it_draws(
    stalled: tuple[str, Callable[[], socket.socket]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    encoding: str,
):
    monkeypatch.setenv("PYTHONIOENCODING", encoding)
    url, asked = stalled
    ours, theirs = os.openpty()
    with process(*TURBO, target=url, cwd=tmp_path, stderr=theirs) as drawing:
        connection = asked()
        seen = b""
        while b"Drawing" not in seen or b"0:00:0" not in seen:
            seen += os.read(ours, 4096)
        connection.close()
        drawing.communicate(timeout=20)
    os.close(ours)
    os.close(theirs)
    assert drawing.returncode == 1


def test_a_picture_is_kept_when_nobody_reads_the_output(url: str, tmp_path: Path):
    with process(*TURBO, "--out", "panda.jpg", target=url, cwd=tmp_path) as drawing:
        assert drawing.stdout
        assert drawing.stderr
        drawing.stdout.close()
        assert drawing.stderr.read().endswith("Billed: what came is saved in panda.jpg.\n")
    assert size_of(tmp_path / "panda.jpg") == (64, 64)


def test_a_picture_for_standard_output_that_nobody_reads_is_a_file(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with process(*TURBO, "--out", "-", target=url, cwd=tmp_path) as drawing:
        assert drawing.stdout
        assert drawing.stderr
        drawing.stdout.close()
        said = drawing.stderr.read()
    (kept,) = tmp_path.glob("*/*.jpg")
    assert (drawing.returncode, said.splitlines()[-1]) == (1, f"Billed: what came is saved in {kept}.")
    assert size_of(kept) == (64, 64)


@pytest.mark.parametrize("stdout", ["a terminal", "closed"])
def test_a_picture_is_written_to_no_terminal_and_to_nothing_closed(
    url: str, server: ReferenceServer, tmp_path: Path, stdout: str
):
    ours, theirs = os.openpty()
    start = "import sys; sys.stdout = None;" if stdout == "closed" else ""
    with process(*TURBO, "--out", "-", target=url, cwd=tmp_path, stdout=theirs, start=start) as drawing:
        assert drawing.stderr
        said = drawing.stderr.read()
    os.close(ours)
    os.close(theirs)
    assert drawing.returncode == 2
    assert f"--out - writes to standard output, which is {stdout}: send it into a file, or name one" in said
    assert server.ledger == ()


@pytest.mark.slow
@pytest.mark.parametrize(
    "locale",
    [
        {"LC_ALL": "C"},
        {"LC_ALL": "C", "PYTHONUTF8": "0"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"},
        {"PYTHONIOENCODING": "ascii"},
        {"PYTHONIOENCODING": "latin-1"},
    ],
    ids=lambda locale: " ".join(f"{name}={value}" for name, value in locale.items()),
)
def test_a_prompt_is_sent_and_shown_in_every_locale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, locale: dict[str, str]
):
    for name, value in locale.items():
        monkeypatch.setenv(name, value)
    words = (TURBO[0], "--prompt", PROMPT, "--extra", f"more={PROMPT}", "--dry-run")
    with process(*words, cwd=tmp_path, target="https://api.segmind.com") as drawing:
        stdout, stderr = drawing.communicate(timeout=20)
    body = json.loads(shlex.split(stdout.partition("--data-raw ")[2])[0])
    assert (drawing.returncode, stderr, body["prompt"], body["more"]) == (0, "", PROMPT, PROMPT)


def test_a_call_is_shown_in_characters_that_the_terminal_has():
    said = CliRunner(charset="latin-1").invoke(commands, [TURBO[0], "--prompt", PROMPT, "--dry-run"])
    assert r'"prompt":"ein Panda \ud83d\udc3c bei Nacht"' in said.stdout


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("a panda", "a panda"),
        ("für", "für"),
        (PROMPT.encode().decode("ascii", "surrogateescape"), PROMPT),
        ("f\udcfcr", "f\udcfcr"),
    ],
    ids=["ASCII", "read by the locale", "UTF-8 in LC_ALL=C", "none of both"],
)
def test_an_argument_that_the_locale_did_not_read_is_utf_8(given: str, meant: str):
    assert as_utf8(given) == meant


def test_a_picture_is_kept_when_nobody_reads_the_log(url: str, tmp_path: Path):
    with process(*TURBO, "--out", "panda.jpg", "--verbose", target=url, cwd=tmp_path) as drawing:
        assert drawing.stdout
        assert drawing.stderr
        drawing.stderr.close()
        assert drawing.stdout.read().startswith("panda.jpg  64x64")
    assert size_of(tmp_path / "panda.jpg") == (64, 64)


def test_serve_and_draw_are_two_commands_that_fit(tmp_path: Path):
    with process("serve", "--port", "0", cwd=tmp_path) as serving:
        assert serving.stdout
        while not (found := re.search(r"SEGMIND_BASE_URL=(\S+)", line := serving.stdout.readline())):
            assert line, "it ended"
        key = serving.stdout.readline().strip().partition("SEGMIND_API_KEY=")[2]
        with process(*TURBO, "--out", "panda.jpg", target=found[1], key=key, cwd=tmp_path) as drawing:
            assert drawing.communicate(timeout=20)[0].startswith("panda.jpg  64x64")
        serving.send_signal(signal.SIGINT)
        serving.communicate(timeout=20)
    assert size_of(tmp_path / "panda.jpg") == (64, 64)


@pytest.mark.parametrize("missing", ["click", "rich"])
def test_without_click_or_rich_the_script_says_what_to_install(missing: str):
    blocked = f"import sys; sys.modules[{missing!r}] = None; from segmind_sd3.__main__ import main"
    words = [sys.executable, "-c", f"{blocked}; sys.exit(main())"]
    said = subprocess.run(words, capture_output=True, text=True, check=False)
    assert said.returncode == 2
    assert said.stdout == ""
    assert said.stderr == f"The command line needs {missing}: pip install 'segmind-sd3[cli]'\n"


# -- The demo ---------------------------------------------------------------------------------------------


def test_the_demo_draws_one_picture_from_each_endpoint_and_lists_them_in_80_columns(tmp_path: Path):
    words = [sys.executable, "-m", "segmind_sd3_contract.demo", "--out", "out"]
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "sd35-turbo-txt2img.jpg").write_text("of an earlier run")
    env = os.environ | {"COLUMNS": "80"}
    said = subprocess.run(words, cwd=tmp_path, env=env, capture_output=True, text=True, check=True)
    assert "REFERENCE server, not by Segmind" in said.stdout.splitlines()[0]
    assert "…" not in said.stdout
    assert files_in(tmp_path / "out") == sorted(f"{command_name(each)}.jpg" for each in OPERATIONS.values())
    for operation in OPERATIONS.values():
        assert size_of(tmp_path / "out" / f"{command_name(operation)}.jpg") == (768, 512)
        assert re.search(
            rf"^{operation.operation_id} +{command_name(operation)}\.jpg +768x512", said.stdout, re.MULTILINE
        )
