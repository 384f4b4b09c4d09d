"""`segmind-sd3 conformance` as a person or a script meets it: exit codes, plans, resuming, no key at all."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result
from proofs.fixtures.sockets import answering, authority, certified, refusing, reply, serving
from segmind_sd3_contract.conformance import report
from segmind_sd3_contract.conformance.command import conformance
from segmind_sd3_contract.conformance.leaks import Secret
from segmind_sd3_contract.reference import Answer, ReferenceServer, Request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.slow

KEY, PENNILESS = "SG_feedfacefeedface", "SG_feedfacefeed0000"
"""Marked: whatever holds one of them was leaked by the suite."""

GOOD = "*::(call)::good"
NOTHING = reply(503, b'{"error": "busy"}', content_type="application/json")


def server(**options: Any) -> ReferenceServer:
    return ReferenceServer("observed", 1000.0, keys=[KEY], penniless=[PENNILESS], **options)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Call the command in a folder of its own, with both keys in the environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEGMIND_API_KEY", KEY)
    monkeypatch.setenv("SEGMIND_API_KEY_WITHOUT_CREDITS", PENNILESS)

    def call(*words: str, **options: Any) -> Result:
        return CliRunner().invoke(conformance, words, **options)

    return call


# -- Exit codes -------------------------------------------------------------------------------------------


def test_the_reference_server_is_tried_without_a_key_and_named_in_capitals(
    run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("SEGMIND_API_KEY")

    result = run("--tier", "smoke", "--out", "found")

    assert (result.exit_code, "REFERENCE" in result.stderr) == (0, True)
    assert sorted(path.name for path in Path("found").glob("report.*")) == [
        "report.har",
        "report.html",
        "report.json",
    ]


def test_a_broken_contract_ends_with_1_and_names_the_case(run: Callable[..., Result]):
    broken = server()
    broken.provoke("garbage", times=None, operation="sd3_medium_tile")
    with broken.listening() as url:
        result = run("--target", url, "--tier", "smoke", "--yes", "--json")

    assert result.exit_code == 1
    assert json.loads(result.stdout)["broken"] == ["sd3_medium_tile::(call)::good"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--target", "http://api.example.com"), "--allow-http"),
        (("--target", "ftp://api.example.com"), "is `reference` or the URL"),
        (("--target", "https://me@api.example.com"), "has no user"),
        (("--target", "http://127.0.0.1:9", "--header", "nonsense"), "NAME: VALUE"),
        (("--baseline", "absent.json"), "absent.json"),
        (("--prices", "absent.json"), "absent.json"),
        (("--resume", "."), "holds no run to resume"),
        (("--resume", ".", "--out", "other"), "leave out --out"),
        (("--only", "*::stepz::*"), "No case has an id like '*::stepz::*'"),
        (("--only", "*::steps::*", "--tier", "smoke"), "it is of the tier boundary"),
    ],
    ids=str,
)
def test_what_can_not_be_run_ends_with_2_and_says_what_to_do(
    words: tuple[str, ...], message: str, run: Callable[..., Result]
):
    result = run(*words)

    assert (result.exit_code, message in result.stderr) == (2, True), result.stderr


def test_without_a_key_a_url_is_not_tried(run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("SEGMIND_API_KEY")

    result = run("--target", "https://api.example.com")

    assert (result.exit_code, "export SEGMIND_API_KEY" in result.stderr) == (2, True)


def test_a_target_that_can_not_be_reached_ends_with_2(run: Callable[..., Result]):
    with refusing() as url:
        result = run("--target", url, "--yes")

    assert (result.exit_code, "can't be reached" in result.stderr) == (2, True)


def test_a_refused_key_ends_with_2_at_the_first_good_call_and_breaks_nothing(run: Callable[..., Result]):
    other = ReferenceServer("observed", 1000.0, keys=["SG_0123456789abcdef"])
    with other.listening() as url:
        result = run("--target", url, "--yes", "--json")

    counted = json.loads(result.stdout)
    assert (result.exit_code, counted["broken"], len(other.ledger)) == (2, [], 1)
    assert "Exit 2: it could not run: the key was refused with 401." in result.stderr


def test_a_key_that_is_refused_where_the_balance_is_told_to_anybody_ends_with_2_and_breaks_nothing(
    run: Callable[..., Result],
):
    class Careless(ReferenceServer):
        def answer(self, request: Request) -> Answer:
            answer = super().answer(request)
            return replace(answer, status=404) if request.method == "GET" else answer

    other = Careless("observed", 1000.0, keys=["SG_0123456789abcdef"])
    with other.listening() as url:
        result = run("--target", url, "--yes", "--json", "--only", "sd35_turbo_txt2img::(call)::good")

    counted = json.loads(result.stdout)
    assert (result.exit_code, counted["verdicts"]["inconclusive"]) == (2, 1)
    assert not [case for case in counted["broken"] if case.startswith("sd35")]


def test_a_run_whose_key_was_refused_goes_on_with_another_key(
    run: Callable[..., Result], monkeypatch: pytest.MonkeyPatch
):
    other = ReferenceServer("observed", 1000.0, keys=["SG_0123456789abcdef"])
    with other.listening() as url:
        refused = run("--target", url, "--yes", "--out", "found", "--only", GOOD)
        monkeypatch.setenv("SEGMIND_API_KEY", "SG_0123456789abcdef")
        resumed = run("--resume", "found", "--yes")

    assert (refused.exit_code, resumed.exit_code) == (2, 0), resumed.stderr


def test_a_used_up_budget_ends_with_3(run: Callable[..., Result]):
    with server().listening() as url:
        result = run("--target", url, "--yes", "--budget", "0.005")

    assert (result.exit_code, "is used up" in result.stderr) == (3, True)


def test_an_outage_ends_with_3(run: Callable[..., Result]):
    limited = server()
    limited.provoke("status:503", times=None)
    with limited.listening() as url:
        result = run("--target", url, "--tier", "smoke", "--yes")

    assert result.exit_code == 3


# -- Failures that are sent again -------------------------------------------------------------------------

TILE = "sd3_medium_tile::(call)::good"
RECORDS = ["found/report.json", "found/report.har"]


@pytest.fixture
def damaged(run: Callable[..., Result]) -> Iterator[tuple[ReferenceServer, str]]:
    """A server that damages one endpoint's pictures, and the report of a run against it in `found`."""
    faulty = server()
    faulty.provoke("garbage", times=None, operation="sd3_medium_tile")
    with faulty.listening() as url:
        assert run("--target", url, "--tier", "smoke", "--yes", "--out", "found").exit_code == 1
        yield faulty, url


def posted(faulty: ReferenceServer, before: int) -> list[tuple[str, str]]:
    return [(entry.path, entry.digest) for entry in faulty.ledger[before:] if entry.cost]


@pytest.mark.parametrize("record", RECORDS)
def test_a_recorded_failure_is_sent_again_as_it_was_and_nothing_else_that_is_paid_for(
    record: str, run: Callable[..., Result], damaged: tuple[ReferenceServer, str]
):
    faulty, url = damaged
    first = {each for each in posted(faulty, 0) if each[0].endswith("sd3-med-tile")}
    before = len(faulty.ledger)

    result = run("--replay", record, "--target", url, "--yes", "--json")

    assert (result.exit_code, json.loads(result.stdout)["broken"]) == (1, [TILE])
    assert posted(faulty, before) == list(first)
    assert f"{TILE} was broken, and is broken." in result.stderr


@pytest.mark.usefixtures("damaged")
def test_a_failure_that_was_mended_is_held_and_the_replay_ends_with_0(run: Callable[..., Result]):
    with server().listening() as mended:
        result = run("--replay", RECORDS[0], "--target", mended, "--yes")

    assert result.exit_code == 0
    assert f"{TILE} was broken, and is held." in result.stderr


def test_a_replay_tells_its_price_and_asks_first(
    run: Callable[..., Result], damaged: tuple[ReferenceServer, str]
):
    faulty, url = damaged
    before = len(faulty.ledger)

    result = run("--replay", RECORDS[0], "--target", url, input="n\n")

    assert (result.exit_code, len(faulty.ledger)) == (2, before)
    assert "1 of which may still be paid for: at the worst 0.00769 credits" in result.stderr
    assert f"Send these calls to {url}?" in result.stderr


@pytest.mark.parametrize("record", RECORDS)
def test_a_file_does_not_decide_who_gets_the_key(
    record: str, run: Callable[..., Result], damaged: tuple[ReferenceServer, str]
):
    faulty, url = damaged
    before = len(faulty.ledger)

    result = run("--replay", record, "--yes")

    assert (result.exit_code, len(faulty.ledger)) == (2, before)
    assert f"say --target {url}" in result.stderr


def test_a_replay_that_was_interrupted_goes_on_with_its_own_cases_alone(
    run: Callable[..., Result], damaged: tuple[ReferenceServer, str]
):
    faulty, url = damaged
    stopped = run("--replay", RECORDS[0], "--target", url, "--yes", "--out", "again", "--budget", "0")
    before = len(faulty.ledger)

    resumed = run("--resume", "again", "--yes", "--budget", "1")

    assert (stopped.exit_code, resumed.exit_code) == (3, 1), resumed.stderr
    assert len(posted(faulty, before)) == 1


def without_failures(report: str) -> str:
    return report.replace('"broken"', '"held"')


def of_other_calls(report: str) -> str:
    return report.replace('"sd3_medium_tile:', '"sd3_medium_tile:0')


def of_an_unknown_tier(report: str) -> str:
    return report.replace('"tier": "smoke"', '"tier": "vast"')


def of_another_program(report: str) -> str:
    return json.dumps({"log": {"version": "1.2", "entries": [], "was": len(report)}})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without_failures, "there is nothing to send again"),
        (of_other_calls, "another version of the suite has made them"),
        (of_an_unknown_tier, "nobody knows the tier 'vast'"),
        (of_another_program, "is no report of a conformance run"),
    ],
)
def test_a_record_that_can_not_be_sent_again_says_why(
    change: Callable[[str], str],
    message: str,
    run: Callable[..., Result],
    damaged: tuple[ReferenceServer, str],
):
    faulty, url = damaged
    before = len(faulty.ledger)
    Path("changed").write_text(change(Path(RECORDS[0]).read_text()))

    result = run("--replay", "changed", "--target", url, "--yes")

    assert (result.exit_code, message in result.stderr, len(faulty.ledger)) == (2, True, before), (
        result.stderr
    )


# -- Before anything is sent ------------------------------------------------------------------------------


def test_a_plan_is_shown_with_its_price_and_time_and_nothing_is_sent(run: Callable[..., Result]):
    free = server()
    with free.listening() as url:
        result = run("--target", url, "--rate", "50", "--tier", "boundary", "--dry-run")

    assert (result.exit_code, free.ledger) == (0, ())
    assert "ESTIMATE" in result.stderr
    assert "At 50 a minute they take" in result.stderr


@pytest.mark.parametrize("answer", ["n\n", ""], ids=["no", "closed"])
def test_whoever_does_not_say_yes_sends_nothing_and_the_run_ends_with_2(
    answer: str, run: Callable[..., Result]
):
    free = server()
    with free.listening() as url:
        result = run("--target", url, input=answer)

    assert (result.exit_code, free.ledger) == (2, ())
    assert "Nothing was sent" in result.stderr


# -- Baseline, resuming -----------------------------------------------------------------------------------


def test_against_a_baseline_only_what_changed_fails(run: Callable[..., Result]):
    steady = server()
    steady.provoke("no-header:x-cost", times=None, operation="sd3_medium_tile")
    with steady.listening() as url:
        first = run("--target", url, "--tier", "smoke", "--yes", "--out", "first")
        again = run("--target", url, "--tier", "smoke", "--yes", "--baseline", "first/report.json")
        steady.provoke("garbage", times=None, operation="sd35_turbo_txt2img")
        other = run("--target", url, "--tier", "smoke", "--yes", "--baseline", "first/report.json")

    assert [first.exit_code, again.exit_code, other.exit_code] == [1, 0, 1]
    assert "sd35_turbo_txt2img::(call)::good" in other.stderr


def test_a_run_that_goes_on_has_the_options_that_it_was_begun_with(run: Callable[..., Result]):
    with server().listening() as url:
        words = ("--tier", "boundary", "--only", "sd35_turbo_txt2img::sampler::*", "--strict", "--seed", "3")
        first = run("--target", url, "--yes", "--out", "found", *words, "--json")
        again = run("--resume", "found", "--yes", "--json")

    assert again.exit_code == first.exit_code == 1, "strictly, a call without sampler is to be refused"
    assert json.loads(again.stdout) == json.loads(first.stdout)


def test_a_run_does_not_go_on_as_another_one(run: Callable[..., Result]):
    with server().listening() as url:
        run("--target", url, "--yes", "--out", "found", "--only", GOOD, "--header", "x-stage: blue")
        other = run("--resume", "found", "--yes", "--header", "x-stage: blue", "--seed", "4")
        without = run("--resume", "found", "--yes")
        same = run("--resume", "found", "--yes", "--header", "x-stage: green")

    assert (other.exit_code, "was begun with seed 0" in other.stderr) == (2, True)
    assert (without.exit_code, "--header x-stage" in without.stderr) == (2, True)
    assert same.exit_code == 0


def test_a_header_or_a_proxy_whose_value_may_be_a_secret_is_in_no_journal(run: Callable[..., Result]):
    with server().listening() as url:
        run("--target", url, "--yes", "--out", "found", "--only", GOOD, "--header", "x-stage: bluebird")

    assert all(b"bluebird" not in file.read_bytes() for file in Path("found").iterdir())


def damage_text(file: Path) -> None:
    file.write_text("these are no tables")


def damage_pages(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    file.write_bytes(content)


def damage_answer(file: Path) -> None:
    with closing(sqlite3.connect(file)) as journal, journal:
        journal.execute("UPDATE call SET answer = '[1' WHERE answer IS NOT NULL")


def journal_of_another_program(file: Path) -> None:
    file.unlink()
    with closing(sqlite3.connect(file)) as journal, journal:
        journal.execute("CREATE TABLE setting (name TEXT, value TEXT)")
        journal.execute("INSERT INTO setting VALUES ('colour', 'blue')")


@pytest.mark.parametrize("damage", [damage_text, damage_pages, damage_answer, journal_of_another_program])
def test_a_journal_that_can_not_be_read_ends_with_2_in_one_sentence_and_stays_as_it_is(
    damage: Callable[[Path], None], run: Callable[..., Result]
):
    with server().listening() as url:
        run("--target", url, "--yes", "--out", "found", "--only", GOOD)
        damage(journal := Path("found/journal.sqlite"))
        before = journal.read_bytes()
        result = run("--resume", "found", "--yes")

    assert (result.exit_code, result.stderr.count("\n")) == (2, 1), result.stderr
    assert "is no journal of a conformance run" in result.stderr
    assert isinstance(result.exception, SystemExit)
    assert journal.read_bytes() == before


class Interrupting(ReferenceServer):
    """Sends Ctrl-C to its client while it draws for it."""

    client: subprocess.Popen[bytes] | None = None

    def answer(self, request: Request) -> Answer:
        answer = super().answer(request)
        if answer.headers.get("x-cost") and self.client:
            self.client.send_signal(signal.SIGINT)
            self.client = None
        return answer


def test_ctrl_c_waits_for_the_call_on_its_way_writes_the_report_and_the_run_can_be_resumed(tmp_path: Path):
    drawing = Interrupting("observed", 1000.0, keys=[KEY], penniless=[PENNILESS])
    with drawing.listening() as url:
        command = [
            sys.executable,
            "-m",
            "segmind_sd3",
            "conformance",
            "--target",
            url,
            "--tier",
            "smoke",
            "--yes",
        ]
        environment = {**os.environ, "SEGMIND_API_KEY": KEY, "SEGMIND_API_KEY_WITHOUT_CREDITS": PENNILESS}

        def start(*more: str) -> subprocess.Popen[bytes]:
            return subprocess.Popen(
                [*command, *more],
                cwd=tmp_path,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )

        drawing.client = start("--out", "found")
        interrupted = drawing.client
        _, told = interrupted.communicate(timeout=60)
        resumed = start("--resume", "found")
        resumed.communicate(timeout=60)

    assert (interrupted.returncode, b"interrupted" in told) == (3, True), told
    assert resumed.returncode == 0
    billed = [(entry.path, entry.digest) for entry in drawing.ledger if entry.cost]
    assert len(billed) == len(set(billed)) == 5
    assert set(report.read(tmp_path / "found" / "report.json").verdicts.values()) <= {
        "held",
        "not run",
        "open",
    }


# -- Against `serve`, as the README has it ----------------------------------------------------------------


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of `segmind-sd3 serve`, whose variables are in the environment."""
    command = [sys.executable, "-m", "segmind_sd3", "serve", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as serving:
        assert serving.stdout
        for name in ("SEGMIND_BASE_URL", "SEGMIND_API_KEY"):
            line = next(line for line in serving.stdout if f"export {name}=" in line)
            monkeypatch.setenv(name, line.strip().partition("=")[2])
        yield os.environ["SEGMIND_BASE_URL"]
        serving.terminate()


def test_serve_keeps_the_contract_with_the_key_that_it_prints(
    run: Callable[..., Result], served: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("SEGMIND_API_KEY_WITHOUT_CREDITS")

    result = run("--target", served, "--tier", "boundary", "--yes", "--json")

    assert (result.exit_code, json.loads(result.stdout)["broken"]) == (0, []), result.stderr


def test_the_curl_lines_of_a_run_whose_server_has_ended_work_on_that_of_serve(
    run: Callable[..., Result], served: str
):
    assert served
    run("--only", "sd3_medium_img2img::([ab][do]d*", "--out", "found")
    page = Path("found/report.html").read_text("utf-8")
    data = json.loads(page.partition('id="data">')[2].partition("</script>")[0])
    exchanges = list(data["exchanges"].values())
    statuses: list[str] = []
    for each in exchanges:
        ran = subprocess.run(["sh", "-c", each["curl"]], capture_output=True, text=True, check=True)
        statuses.append(re.findall(r"^HTTP/1.1 (\d+)", ran.stdout, re.MULTILINE)[-1])

    assert len(exchanges) > 15
    assert statuses == [each["came"][:3] for each in exchanges]


# -- The way to a host of one's own -----------------------------------------------------------------------


def test_an_authority_of_ones_own_is_trusted_where_it_is_named(run: Callable[..., Result], tmp_path: Path):
    pem = tmp_path / "ca.pem"
    authority().cert_pem.write_to_path(str(pem))
    with serving(answering(NOTHING), tls=certified("127.0.0.1")) as peer:
        url = peer.url.replace("http://", "https://")
        distrusted = run("--target", url, "--tier", "smoke", "--yes", "--only", GOOD)
        trusted = run("--target", url, "--tier", "smoke", "--yes", "--only", GOOD, "--ca", str(pem))

    assert (distrusted.exit_code, "certificate" in distrusted.stderr.lower()) == (2, True)
    assert trusted.exit_code == 3, trusted.stderr


def test_a_header_goes_with_every_call(run: Callable[..., Result]):
    with serving(answering(NOTHING)) as peer:
        run("--target", peer.url, "--yes", "--only", GOOD, "--header", "x-stage: blue")

    assert peer.requests
    assert {request.headers.get("x-stage") for request in peer.requests} == {"blue"}


def test_plain_http_to_a_host_of_ones_own_goes_through_the_proxy_that_is_named(run: Callable[..., Result]):
    words = ("--target", "http://staging.invalid", "--allow-http", "--yes", "--only", GOOD, "--rate", "60000")
    with serving(answering(NOTHING)) as proxy:
        run(*words, "--proxy", proxy.url)

    assert proxy.requests
    assert all(request.path.startswith("http://staging.invalid/v1/") for request in proxy.requests)


# -- Secrets ----------------------------------------------------------------------------------------------


class Telltale(ReferenceServer):
    """Repeats the key that it was given in each of its answers: in a header, and in the text of an error."""

    def answer(self, request: Request) -> Answer:
        answer = super().answer(request).with_headers(x_echo=request.headers.get("x-api-key", "none"))
        if answer.status in (400, 401, 406):
            return answer.with_json({"error": f"Not with {dict(request.headers)}"})
        return answer


def test_no_key_is_in_anything_that_a_run_writes_or_says(run: Callable[..., Result], tmp_path: Path):
    telltale = Telltale("observed", 1000.0, keys=[KEY], penniless=[PENNILESS])
    telltale.provoke("garbage", times=2)
    with telltale.listening() as url:
        words = ("--target", url, "--tier", "boundary", "--yes", "--json", "--only", "sd35_turbo_txt2img::*")
        result = run(*words, "--out", "found", "--record", "recorded")
        again = run("--replay", "found/report.har", "--target", url, "--yes", "--out", "again")

    assert (result.exit_code, again.exit_code) == (1, 1)
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) > 20
    assert {"report.har", "summary.md"} <= {path.name for path in tmp_path.glob("again/*")}
    said = "".join(each.output + repr(each.exception) for each in (result, again))
    for text in (said, *(path.read_bytes().decode("latin-1") for path in written)):
        assert not Secret(KEY, "").forms_in(text)
        assert not Secret(PENNILESS, "").forms_in(text)
