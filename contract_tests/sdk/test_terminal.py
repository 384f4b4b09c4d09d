"""Whatever comes from outside, no command lets it steer the terminal, and no report lets it steer the reader.

Each command runs in a process of its own, and the bytes that come out are looked at.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from proofs.fixtures.sockets import Connection, Script, answering, hanging_up, reply, serving
from rich.table import Table
from rich.text import Text
from segmind_sd3 import Prepared
from segmind_sd3._text import printable, short_repr
from segmind_sd3_contract import terminal
from segmind_sd3_contract.conformance import report
from segmind_sd3_contract.conformance.results import Exchange, Outcome, Run
from segmind_sd3_contract.reference import MADE_UP_KEY

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
TURBO = ("sd35-turbo-txt2img", "--prompt", "x", "--no-retry")

# A title for the window, red text, a C1 sequence, DEL, a backspace, text turned around, a line separator.
STEERING = "\x1b]0;pwned\x07\x1b[31m\x9b31m\x7f\x08\u202eabc\u2066d\u2069\u2028e\u200f\u200bend"
IN_A_HEADER = STEERING.encode().decode("latin-1").replace("\x00", "")
MARKUP = "[bold red]loud[/bold red] :warning: [/]"
FOREIGN = f"{STEERING} {MARKUP} <b>&lt;"

FORBIDDEN = {
    *map(chr, [*range(0x0A), *range(0x0B, 0x20), *range(0x7F, 0xA0)]),
    *map(chr, [*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x2028, 0x2029, 0x200B, 0x200F]),
} - {"\t"}


def steering_in(text: str) -> set[str]:
    return FORBIDDEN & set(text)


def run(*words: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """Run a command; its output is that which a terminal would get."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("SEGMIND_")}
    env = {**inherited, "SEGMIND_API_KEY": MADE_UP_KEY, "PYTHONIOENCODING": "utf-8", **environment}
    command = [sys.executable, "-m", "segmind_sd3", *words]
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, timeout=120, check=False)


def said_by(done: subprocess.CompletedProcess[bytes]) -> str:
    return (done.stdout + done.stderr).decode()


# -- The functions ----------------------------------------------------------------------------------------

BOTH = pytest.mark.parametrize("function", [printable, terminal.printable])


@BOTH
@given(text=st.text(st.characters()))
def test_what_is_printable_steers_nothing(function: Any, text: str):
    told = function(text)
    assert not steering_in(told)
    assert told.encode().decode() == told
    assert function(told) == told


@BOTH
@given(text=st.text(st.characters(exclude_categories=["C", "Z"])))
def test_what_prints_stays_as_it_is(function: Any, text: str):
    assert function(f"{text}\n\t {text}") == f"{text}\n\t {text}"


@BOTH
@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("\x1b[31m", r"\x1b[31m"),
        ("\x9b", r"\x9b"),
        ("\u202e", r"\u202e"),
        ("\ud800", r"\ud800"),
        ("a\r\nb\rc", "a\nb\\rc"),
        ("\U000e0041", r"\U000e0041"),
    ],
)
def test_what_does_not_print_is_escaped(function: Any, text: str, told: str):
    assert function(text) == told


def test_a_long_text_is_clipped_before_it_is_looked_at():
    assert printable("ab\x1b" * 10**6, 5) == "ab\\x1ba…"


@given(st.text(), st.integers(1, 50))
def test_a_clipped_text_keeps_its_beginning(text: str, limit: int):
    assert printable(text, limit) == printable(text if len(text) <= limit else text[: limit - 1] + "…")


@given(st.one_of(st.text(), st.lists(st.text()), st.dictionaries(st.text(), st.binary())))
def test_a_value_in_an_error_is_short_and_on_one_line(value: object):
    assert short_repr(value).isprintable()
    assert len(short_repr(value)) <= 80 * 10


def printed(*things: Any) -> str:
    file = StringIO()
    terminal.Console(file=file, force_terminal=True, highlight=False, width=200).print(*things)
    return file.getvalue()


def test_a_console_prints_text_and_no_markup():
    table = Table("a")
    table.add_row(MARKUP)
    for thing in (MARKUP, table):
        assert "[bold red]loud[/bold red] :warning: [/]" in printed(thing)


def test_a_console_keeps_its_own_colours():
    assert printed(Text("x", "bold red")) == "\x1b[1;31mx\x1b[0m\n"


@given(st.text(st.characters()))
def test_a_console_prints_nothing_that_steers(text: str):
    table = Table("a", "b")
    table.add_row(text, text)
    for thing in (text, Text(text), table):
        file = StringIO()
        terminal.Console(file=file, width=200).print(thing)
        assert not steering_in(file.getvalue())


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_call_that_is_shown_steers_nothing_and_means_the_same(prompt: str):
    command = Prepared(
        "x", "https://api.segmind.com/v1/x", json.dumps({"prompt": prompt}, ensure_ascii=False).encode()
    ).as_curl()
    assert not steering_in(command)
    text = command.partition("--data-raw ")[2]
    assert json.loads(shlex.split(text)[0]) == {"prompt": prompt}


# -- Drawing ----------------------------------------------------------------------------------------------


def hostile(status: int, body: bytes, **headers: str) -> Script:
    return answering(reply(status, body, x_request_id=IN_A_HEADER, **headers))


REPLIES: dict[str, Script] = {
    "an error in JSON": hostile(
        400, json.dumps({"error": FOREIGN}).encode(), content_type="application/json"
    ),
    "an error in raw JSON": hostile(400, json.dumps({"error": FOREIGN}, ensure_ascii=False).encode()),
    "an error as text": hostile(500, FOREIGN.encode()),
    "an error in HTML": hostile(502, f"<html><title>{FOREIGN}</title>".encode(), content_type="text/html"),
    "an error in a 200": hostile(200, json.dumps({"error": FOREIGN}).encode()),
    "text in a 200": hostile(200, FOREIGN.encode(), content_type=IN_A_HEADER),
    "a redirect": hostile(302, b"", location=IN_A_HEADER),
    "no HTTP": hanging_up(FOREIGN.encode() + b"\r\n\r\n"),
    "a bad header": hanging_up(b"HTTP/1.1 200 OK\r\n" + FOREIGN.encode() + b"\r\n\r\n"),
}


@pytest.mark.parametrize("script", REPLIES.values(), ids=REPLIES)
@pytest.mark.parametrize("options", [(), ("--json",), ("--traceback",)], ids=["plain", "json", "traceback"])
@pytest.mark.thorough
def test_no_reply_steers_the_terminal(script: Script, options: tuple[str, ...], tmp_path: Path):
    with serving(script) as peer:
        done = run(*TURBO, *options, cwd=tmp_path, SEGMIND_BASE_URL=peer.url)
    assert done.returncode == 1
    assert steering_in(said_by(done)) == set()


def test_no_successful_reply_steers_the_terminal(tmp_path: Path, picture: bytes):
    script = hostile(200, picture, content_type="image/png", x_cost=IN_A_HEADER, x_seed_value=IN_A_HEADER)
    with serving(script) as peer:
        done = run(*TURBO, cwd=tmp_path, SEGMIND_BASE_URL=peer.url)
    assert done.returncode == 0
    assert steering_in(said_by(done)) == set()


def refusing_the_tunnel(connection: Connection) -> None:
    connection.request()
    connection.send(b"HTTP/1.1 403 " + STEERING.encode() + b"\r\ncontent-length: 0\r\n\r\n")


@pytest.mark.parametrize("options", [(), ("--traceback",)], ids=["plain", "traceback"])
def test_no_proxy_s_reason_steers_the_terminal(options: tuple[str, ...], tmp_path: Path):
    with serving(refusing_the_tunnel) as proxy:
        done = run(
            *TURBO,
            *options,
            cwd=tmp_path,
            HTTPS_PROXY=proxy.url,
            SEGMIND_BASE_URL="https://api.segmind.invalid",
        )
    assert done.returncode == 1
    assert steering_in(said_by(done)) == set()


def test_no_image_host_steers_the_terminal(tmp_path: Path):
    with serving(hostile(404, FOREIGN.encode())) as host:
        done = run("sd3-medium-tile", "--prompt", "x", "--image", f"{host.url}/{STEERING}", cwd=tmp_path)
    assert done.returncode == 2
    assert steering_in(said_by(done)) == set()


NAME = STEERING.replace("/", "")


@pytest.mark.parametrize(
    "words",
    [
        (*TURBO, "--out", f"{NAME}.png"),
        (*TURBO, "--out", f"{NAME}/x.png"),
        ("sd3-medium-tile", "--prompt", "x", "--image", NAME),
        (*TURBO, "--dry-run", "--negative-prompt", FOREIGN),
        (*TURBO, "--sampler", NAME, "--steps", NAME),
        (*TURBO, "--extra", NAME),
        (*TURBO, NAME),
        (*TURBO, f"--{NAME}"),
        (NAME,),
        ("docs", "check", NAME),
        ("docs", "retire", "x", NAME),
        ("docs", "retire", NAME),
        ("docs", "sync", NAME),
        ("diff", NAME),
        ("cassettes", "list", "--folder", NAME),
        ("cassettes", "record", "--only", NAME),
        ("conformance", "--target", NAME),
        ("conformance", "--baseline", NAME),
        ("conformance", "--only", NAME),
        ("serve", "--provoke", NAME),
        ("serve", "--host", NAME),
    ],
    ids=lambda words: " ".join(words).replace(NAME, "…").replace(FOREIGN, "…")[-40:],
)
@pytest.mark.thorough
def test_no_name_steers_the_terminal(words: tuple[str, ...], tmp_path: Path):
    (tmp_path / f"{NAME}.png").write_bytes(b"x")
    done = run(*words, cwd=ROOT if words[0] in ("docs", "diff") else tmp_path)
    assert said_by(done)
    assert steering_in(said_by(done)) == set()


# -- Pages, cassettes -------------------------------------------------------------------------------------


def test_no_page_steers_the_terminal(tmp_path: Path):
    shutil.copytree(ROOT / "openapi", tmp_path / "openapi", ignore=shutil.ignore_patterns("__pycache__"))
    facts = json.loads((ROOT / "openapi/facts/stable-diffusion-3.5-turbo-txt2img.json").read_text("utf-8"))
    from segmind_sd3_pipeline.pages.page_writer import page_text  # noqa: PLC0415 - of this test alone

    text = page_text(facts)
    hostile_page = tmp_path / "page.txt"
    changed = [
        line.replace("sgm_uniform", f"sgm{STEERING.replace(chr(0x2028), '')}") for line in text.splitlines()
    ]
    hostile_page.write_text("\n".join(changed), encoding="utf-8")
    for words in (("check",), ("check", "--json"), ("sync", "--yes")):
        done = run("docs", *words[:1], str(hostile_page), *words[1:], "--root", str(tmp_path), cwd=tmp_path)
        assert said_by(done)
        assert steering_in(said_by(done)) == set()


def test_no_cassette_steers_the_terminal(tmp_path: Path):
    source = next(file for file in (ROOT / "cassettes").rglob("*.yaml") if "406" in file.name)
    folder = tmp_path / "cassettes"
    folder.mkdir()
    hostile_text = source.read_text("utf-8")
    for name in ("target", "profile", "date", "case"):
        changed = re.sub(rf"(?m)^  {name}: .*$", rf'  {name}: "[bold]\\\\e[31m\\\\u202e"', hostile_text)
        assert changed != hostile_text
        (folder / f"{name}.yaml").write_text(changed, encoding="utf-8")
    (folder / f"{NAME}.yaml").write_text(f"- {FOREIGN}", encoding="utf-8")
    for options in ((), ("--json",)):
        done = run("cassettes", "list", "--folder", str(folder), *options, cwd=tmp_path)
        assert said_by(done)
        assert steering_in(said_by(done)) == set()


# -- A conformance run ------------------------------------------------------------------------------------


def everywhere(connection: Connection) -> None:
    """Answer every request with text that steers, in the body and in the headers."""
    body = json.dumps({"error": FOREIGN}, ensure_ascii=False).encode()
    answer = reply(500, body, content_type="application/json", x_request_id=IN_A_HEADER, x_cost=IN_A_HEADER)
    while connection.request() is not None:
        connection.send(answer)


def test_no_target_steers_the_terminal_or_the_report(tmp_path: Path):
    with serving(everywhere) as peer:
        done = run(
            *(
                "conformance",
                "--target",
                peer.url,
                "--tier",
                "smoke",
                "--yes",
                "--out",
                "report",
                "--rate",
                "6000",
            ),
            cwd=tmp_path,
        )
    assert "pwned" in said_by(done)
    assert steering_in(said_by(done)) == set()
    for name in ("report.html", "junit.xml", "report.json"):
        text = (tmp_path / "report" / name).read_text("utf-8")
        assert "pwned" in text
        assert steering_in(text) == set()


def test_no_part_of_a_report_steers_its_reader():
    exchange = Exchange(
        "one", "POST", f"/v1/{STEERING}", {"x-foreign": STEERING}, {"prompt": FOREIGN}, 400,
        {"content-type": "text/plain", "x-request-id": STEERING}, FOREIGN.encode(), seconds=1.0,
        failure=FOREIGN,
    )  # fmt: skip
    outcome = Outcome(
        *(f"turbo::{STEERING}::max", STEERING, STEERING, STEERING, "documented"),
        *(FOREIGN, "broken", (FOREIGN,), None, ("one",)),
    )
    run_of: Any = Run(
        *(STEERING, False, "documented", False, "full", 7, STEERING, {STEERING: STEERING}),
        *("2026-10-01T10:00:00+00:00", "2026-10-01T10:01:00+00:00", (outcome,), {"one": exchange}, ()),
        *(0.5, 0.0, 2.0, FOREIGN, 1),
    )
    file = StringIO()
    report.summary(run_of, terminal.Console(file=file))
    from segmind_sd3_contract.conformance.report import har, junit, markdown, page  # noqa: PLC0415 - of this test

    written = (form.written(run_of).decode() for form in (har, junit, markdown, page))
    for text in (file.getvalue(), *written):
        assert "pwned" in text
        assert steering_in(text) == set()
    (data,) = page.written(run_of).decode().split('id="data">')[1:]
    assert not steering_in(json.dumps(json.loads(data.partition("</script>")[0]), ensure_ascii=False))
