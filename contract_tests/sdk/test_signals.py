"""A signal ends a command at any moment. Nothing that came is lost, and the command says if it was billed."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import suppress
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from proofs.fixtures.sockets import Connection, serving, stalling
from proofs.fixtures.sockets import reply as reply_of
from proofs.signals import START, prove
from segmind_sd3 import _cli_run, _cli_signals
from segmind_sd3._cli import commands
from segmind_sd3._cli_signals import Interrupted, Signals
from segmind_sd3_contract.reference import MADE_UP_KEY, Answer, ReferenceServer, Request

TURBO = ("sd35-turbo-txt2img", "--prompt", "a panda", "--width", "64", "--height", "64", "--out", "panda.jpg")
LOOK = "see `segmind-sd3 credits` before you try again"
PATIENCE = 30.0

processes = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
linux = pytest.mark.skipif(sys.platform != "linux", reason="the proof reads /proc")


def send() -> None:
    signal.raise_signal(signal.SIGTERM)


# -- Signals ----------------------------------------------------------------------------------------------


@pytest.fixture
def signals(monkeypatch: pytest.MonkeyPatch) -> Generator[Signals]:
    """Those of this process, which the command line takes for its own."""
    made = Signals()
    monkeypatch.setattr(_cli_run, "SIGNALS", made)
    before = signal.getsignal(signal.SIGTERM)
    made.watch()
    yield made
    made.unwatch()
    signal.signal(signal.SIGTERM, before)


def wait_for(signals: Signals) -> None:
    """Wait, in the thread of the work, until the main thread has handled a signal."""
    while not signals.number:
        time.sleep(0.001)


def test_a_signal_raises_once_all_is_imported_and_not_before(signals: Signals):
    send()
    with pytest.raises(Interrupted), signals.raising():
        pytest.fail("the command began")


def test_before_a_call_a_signal_raises_once(signals: Signals):
    with pytest.raises(Interrupted), signals.raising():
        send()
    send()
    assert (signals.number, signals.exit_code, signals.word) == (signal.SIGTERM, 143, "Terminated.")


class Destroyed:
    """Raises in its destructor, where all that is raised is lost."""

    def __init__(self, act: Callable[[], object]) -> None:
        self._act = act

    def __del__(self) -> None:
        self._act()


def test_what_a_signal_raises_in_a_destructor_is_raised_before_the_call(
    signals: Signals, capsys: pytest.CaptureFixture[str]
):
    with signals.raising():
        Destroyed(send)
    assert signals.number
    with pytest.raises(Interrupted):
        signals.carry_out(lambda: pytest.fail("the call was sent"), lambda: None)
    assert capsys.readouterr().err == ""


def test_a_second_signal_raises_where_the_first_was_lost(signals: Signals):
    with signals.raising():
        Destroyed(send)
        assert signals.number
        with pytest.raises(Interrupted):
            send()


def test_what_else_is_raised_in_a_destructor_is_reported_as_ever(monkeypatch: pytest.MonkeyPatch):
    reported: list[object] = []

    def report(lost: "sys.UnraisableHookArgs") -> None:
        reported.append(lost.exc_type)

    monkeypatch.setattr(sys, "unraisablehook", report)
    signals = Signals()
    signals.watch()
    try:
        Destroyed(lambda: 1 // 0)
    finally:
        signals.unwatch()
    assert reported == [ZeroDivisionError]


def test_a_call_returns_or_raises_as_it_does_without_signals(signals: Signals):
    assert signals.carry_out(lambda: 7, lambda: pytest.fail("it was ended")) == 7
    with pytest.raises(ZeroDivisionError):
        signals.carry_out(lambda: 1 // 0, lambda: pytest.fail("it was ended"))
    assert not signals.settle()


def test_a_call_that_ends_a_moment_after_a_signal_is_not_ended(signals: Signals):
    def work() -> str:
        send()
        wait_for(signals)
        return "whole"

    assert signals.carry_out(work, lambda: pytest.fail("it was ended")) == "whole"
    assert signals.settle()


def test_a_call_that_takes_longer_is_ended_and_hands_over_what_came(signals: Signals):
    ended = threading.Event()

    def work() -> str:
        send()
        return "a part" if ended.wait(PATIENCE) else "nothing"

    assert signals.carry_out(work, ended.set) == "a part"


def test_only_a_second_signal_leaves_a_call_that_does_not_end(
    signals: Signals, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(_cli_signals, "PATIENCE", 0.1)
    for_ever, told = threading.Event(), threading.Event()

    def work() -> None:
        send()
        told.wait(PATIENCE)
        send()
        for_ever.wait(PATIENCE)

    with pytest.raises(Interrupted):
        signals.carry_out(work, told.set)
    assert told.is_set()
    for_ever.set()


def test_a_signal_may_raise_again_once_all_is_on_disk(signals: Signals):
    signals.carry_out(lambda: None, lambda: None)
    with pytest.raises(Interrupted), signals.raising():
        send()
    send()


def test_the_signal_of_the_call_itself_is_raised_then(signals: Signals):
    signals.carry_out(send, lambda: None)
    with pytest.raises(Interrupted), signals.raising():
        pytest.fail("it was written out")


@processes
def test_a_signal_that_the_process_was_started_to_ignore_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signals = Signals()
    try:
        signals.watch()
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        signals.unwatch()
    finally:
        signal.signal(signal.SIGHUP, before)


def test_at_the_end_signals_are_ignored(signals: Signals):
    signals.ignore()
    send()
    assert not signals.number


def test_outside_of_the_main_thread_no_handler_is_set():
    before, signals = signal.getsignal(signal.SIGTERM), Signals()
    thread = threading.Thread(target=signals.watch)
    thread.start()
    thread.join()
    assert signal.getsignal(signal.SIGTERM) is before


# -- Commands ---------------------------------------------------------------------------------------------


class Signalling(ReferenceServer):
    """A server that ends its client with a signal, just before the answer."""

    def answer(self, request: Request) -> Answer:
        answer = super().answer(request)
        send()
        return answer


Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[Run]:
    """Run a command whose server signals this process."""
    monkeypatch.chdir(tmp_path)
    with Signalling().listening() as url:
        env = {"SEGMIND_API_KEY": MADE_UP_KEY, "SEGMIND_BASE_URL": url}
        yield lambda *words: CliRunner().invoke(commands, words, prog_name="segmind-sd3", env=env)


@pytest.mark.usefixtures("signals")
def test_a_picture_that_comes_after_a_signal_is_saved_under_its_name(run: Run, tmp_path: Path):
    said = run(*TURBO)
    assert (said.exit_code, said.stdout) == (143, "")
    assert said.stderr == "Terminated.\nBilled: what came is saved in panda.jpg.\n"
    assert [file.name for file in tmp_path.iterdir()] == ["panda.jpg"]


@pytest.mark.usefixtures("signals")
def test_a_picture_for_standard_output_is_then_a_file(run: Run):
    said = run(*TURBO[:-1], "-", "--json")
    printed = json.loads(said.stderr)
    assert (said.exit_code, said.stdout_bytes) == (143, b"")
    assert (printed["error"], printed["message"], printed["billed"]) == ("Interrupted", "Terminated.", True)
    assert Path(printed["saved"]).read_bytes().startswith(b"\xff\xd8\xff")


@pytest.mark.usefixtures("signals")
def test_a_balance_that_was_asked_for_costs_nothing_then_too(run: Run):
    said = run("credits")
    assert (said.exit_code, said.stderr) == (143, "Terminated.\nNot billed.\n")


class Refusing(Signalling):
    """A server that refuses, just after its signal."""

    def answer(self, request: Request) -> Answer:
        return super().answer(request).with_json({"error": "no such key"})


@pytest.mark.usefixtures("signals")
def test_an_answer_of_the_service_is_told_all_the_same(run: Run):
    with Refusing().listening() as url:
        said = run(*TURBO, "--base-url", url)
    assert said.exit_code == 143
    assert said.stderr.startswith("Error: HTTP 200: no such key")


# -- Processes --------------------------------------------------------------------------------------------


def command(
    *words: str,
    cwd: Path,
    url: str,
    start: str = START,
    stdin: int | None = None,
    stdout: int = subprocess.PIPE,
    stderr: int = subprocess.PIPE,
) -> subprocess.Popen[bytes]:
    env = os.environ | {"SEGMIND_API_KEY": MADE_UP_KEY, "SEGMIND_BASE_URL": url, "TMPDIR": str(cwd)}
    words = (sys.executable, "-c", start, *words)
    return subprocess.Popen(words, cwd=cwd, env=env, stdin=stdin, stdout=stdout, stderr=stderr)


PART = b"\xff\xd8\xff half of a picture"
BEGUN = stalling(reply_of(200, PART, content_type="image/jpeg", content_length="5000"))


@processes
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_what_came_of_a_reply_is_saved_and_named(name: str, tmp_path: Path):
    number = signal.Signals[name]
    with serving(BEGUN) as peer, command(*TURBO, "--json", cwd=tmp_path, url=peer.url) as drawing:
        assert peer.arrived.wait(PATIENCE)
        drawing.send_signal(number)
        stdout, stderr = drawing.communicate(timeout=PATIENCE)
    printed = json.loads(stdout)
    assert (drawing.returncode, stderr) == (128 + number, b"")
    assert (printed["error"], printed["billed"], printed["saved"]) == ("Interrupted", True, "panda.jpg.reply")
    assert (tmp_path / "panda.jpg.reply").read_bytes() == PART


@processes
def test_a_command_that_waits_for_its_input_ends_without_a_bill(tmp_path: Path):
    os.mkfifo(tmp_path / "prompt.txt")
    words = (TURBO[0], "--prompt-file", "prompt.txt")
    with serving(BEGUN) as peer, command(*words, cwd=tmp_path, url=peer.url) as drawing:
        with (tmp_path / "prompt.txt").open("wb"):  # it waits until the command reads
            drawing.send_signal(signal.SIGTERM)
            _, stderr = drawing.communicate(timeout=PATIENCE)
        assert (drawing.returncode, stderr) == (143, b"Terminated.\nNot billed.\n")
        assert not peer.connections


AT_THE_IMPORT_OF_CLICK = START.replace(
    "from segmind_sd3",
    """
class AtTheImport:
    def find_spec(self, name, *_):
        if name == "click":
            signal.raise_signal(signal.SIGTERM)
sys.meta_path.insert(0, AtTheImport())
from segmind_sd3""",
)


@pytest.mark.parametrize("as_json", [False, True], ids=["text", "json"])
def test_a_command_that_has_not_begun_says_so_too(tmp_path: Path, *, as_json: bool):
    words = (*TURBO, "--json") if as_json else TURBO
    with command(*words, cwd=tmp_path, url="", start=AT_THE_IMPORT_OF_CLICK) as drawing:
        stdout, stderr = drawing.communicate(timeout=PATIENCE)
    assert drawing.returncode == 143
    if as_json:
        printed = json.loads(stdout)
        assert (printed["operation"], printed["billed"], printed["saved"]) == (
            *("sd35_turbo_txt2img", False, None),
        )
    else:
        assert (stdout, stderr) == (b"", b"Terminated.\nNot billed.\n")


@processes
def test_a_hang_up_that_the_command_was_started_to_ignore_costs_no_picture(tmp_path: Path):
    nohup = START.replace(
        "from segmind_sd3", "signal.signal(signal.SIGHUP, signal.SIG_IGN)\nfrom segmind_sd3"
    )
    server = Answering()
    with serving(server.script) as peer, command(*TURBO, cwd=tmp_path, url=peer.url, start=nohup) as drawing:
        assert peer.arrived.wait(PATIENCE)
        drawing.send_signal(signal.SIGHUP)
        server.may_answer.set()
        stdout, _ = drawing.communicate(timeout=PATIENCE)
    assert (drawing.returncode, stdout[:16]) == (0, b"panda.jpg  64x64")


class Answering:
    """The reference server on a socket, which answers when it may."""

    def __init__(self) -> None:
        self.may_answer = threading.Event()

    def script(self, connection: Connection) -> None:
        if request := connection.request():
            answer = ReferenceServer().answer(request)
            assert self.may_answer.wait(PATIENCE)
            connection.send(reply_of(answer.status, answer.body, x_cost=answer.headers["x-cost"]))


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="a terminal is needed")
def test_a_terminal_that_is_closed_loses_nothing_and_the_report_is_in_its_file(tmp_path: Path):
    import termios  # noqa: PLC0415 - Windows has none

    ours, theirs = os.openpty()
    start = f"import fcntl, os\nos.setsid()\nfcntl.ioctl(0, {termios.TIOCSCTTY}, 0)\n{START}"
    with (
        serving(BEGUN) as peer,
        (tmp_path / "report").open("wb") as report,
        command(
            *(*TURBO, "--json"),
            cwd=tmp_path,
            url=peer.url,
            start=start,
            stdin=theirs,
            stdout=report.fileno(),
            stderr=theirs,
        ) as drawing,
    ):
        os.close(theirs)
        seen = b""
        while b"Drawing" not in seen or not peer.arrived.is_set():
            seen += os.read(ours, 4096)
        os.close(ours)  # the system sends SIGHUP
        drawing.wait(PATIENCE)
    assert drawing.returncode == 129
    printed = json.loads((tmp_path / "report").read_bytes())
    assert (printed["message"], printed["billed"], printed["saved"]) == ("Hung up.", True, "panda.jpg.reply")
    assert (tmp_path / "panda.jpg.reply").read_bytes() == PART


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="a terminal is needed")
def test_an_interrupted_command_shows_the_cursor_again(tmp_path: Path):
    ours, theirs = os.openpty()
    with serving(BEGUN) as peer, command(*TURBO, cwd=tmp_path, url=peer.url, stderr=theirs) as drawing:
        os.close(theirs)
        seen = b""
        while b"Drawing" not in seen or not peer.arrived.is_set():
            seen += os.read(ours, 4096)
        drawing.send_signal(signal.SIGINT)
        while b"Billed" not in seen:
            seen += os.read(ours, 4096)
        drawing.communicate(timeout=PATIENCE)
    os.close(ours)
    assert seen.rfind(b"\x1b[?25h") > seen.rfind(b"\x1b[?25l") >= 0


@processes
def test_a_picture_that_nobody_reads_from_standard_output_is_a_file(tmp_path: Path):
    words = (
        *TURBO[:3],
        "--image-format",
        "png",
        "--extra",
        "width=2048",
        "--extra",
        "height=2048",
        "--out",
        "-",
    )
    server = Answering()
    server.may_answer.set()
    with serving(server.script) as peer, command(*words, cwd=tmp_path, url=peer.url) as drawing:
        assert drawing.stdout
        first = drawing.stdout.read(1)  # it writes, more than the pipe holds
        drawing.send_signal(signal.SIGTERM)
        assert drawing.wait(PATIENCE) == 143
        (file,) = tmp_path.glob("segmind-sd3-*/*.png")
        assert drawing.stderr
        assert drawing.stderr.read().decode() == f"Terminated.\nBilled: what came is saved in {file}.\n"
        written = first + drawing.stdout.read()
    assert len(written) < len(file.read_bytes())
    assert file.read_bytes().startswith(written)


HANGING = START.replace(
    "from segmind_sd3",
    """
import socket, threading
def hang(*_, **__):
    open("hangs", "x").close()
    threading.Event().wait()
socket.getaddrinfo = hang
from segmind_sd3""",
)


@processes
def test_a_second_signal_ends_a_look_up_that_hangs(tmp_path: Path):
    with command(*TURBO, cwd=tmp_path, url="https://api.segmind.invalid", start=HANGING) as drawing:
        while not (tmp_path / "hangs").exists():
            time.sleep(0.01)
            assert drawing.poll() is None
        for number in (signal.SIGINT, signal.SIGTERM):
            drawing.send_signal(number)
        _, stderr = drawing.communicate(timeout=PATIENCE)
    assert (drawing.returncode, stderr.decode()) == (130, f"Interrupted.\nMay have been billed: {LOOK}.\n")


@processes
@pytest.mark.slow
def test_a_signal_ends_a_command_whose_report_nobody_reads(tmp_path: Path):
    server = Answering()
    server.may_answer.set()
    theirs, ours = os.pipe()
    os.set_blocking(ours, False)
    with suppress(BlockingIOError):
        while os.write(ours, b"x" * 4096):
            pass
    os.set_blocking(ours, True)
    with (
        serving(server.script) as peer,
        command(*TURBO, "--json", cwd=tmp_path, url=peer.url, stdout=ours) as drawing,
    ):
        while not (tmp_path / "panda.jpg").exists():
            time.sleep(0.01)
        while drawing.poll() is None:
            drawing.send_signal(signal.SIGTERM)
            time.sleep(0.1)
    os.close(theirs)
    os.close(ours)
    assert drawing.returncode == 143
    assert (tmp_path / "panda.jpg").read_bytes().startswith(b"\xff\xd8\xff")


# -- The proof --------------------------------------------------------------------------------------------


@pytest.mark.thorough
@linux
@pytest.mark.slow
def test_at_36_random_moments_no_billed_picture_is_lost():
    *_, outcome = prove(36)
    assert outcome.violations == []
    assert outcome.whole
    assert outcome.part


ENDING_AT_ONCE = START.replace(
    "from segmind_sd3",
    """import os, segmind_sd3._cli_signals as ours
def end_at_once(*_):
    os._exit(1)
ours.Signals._handle = end_at_once
from segmind_sd3""",
)


@linux
@pytest.mark.slow
def test_the_proof_notices_a_command_that_ends_at_once():
    *_, outcome = prove(9, start=ENDING_AT_ONCE)
    assert any("did not say whether it was billed" in each for each in outcome.violations)
