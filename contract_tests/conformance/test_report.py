"""What a report says of a run: to programs, to CI, to the next run, in the terminal, and to repeat a call."""

import base64
import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import asdict, fields, replace
from html.parser import HTMLParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any, cast

import PIL.Image
import pytest
from hypothesis import given
from hypothesis import strategies as st
from junitparser import JUnitXml
from markdown_it import MarkdownIt
from markdown_it.token import Token
from rich.console import Console
from segmind_sd3_contract.conformance import report
from segmind_sd3_contract.conformance.report import har, markdown, words
from segmind_sd3_contract.conformance.report.curl import command
from segmind_sd3_contract.conformance.results import (
    FORMAT,
    KEY_SHOWN_AS,
    VERDICTS,
    Clause,
    Exchange,
    LedgerRow,
    Outcome,
    Run,
    Verdict,
)
from segmind_sd3_contract.terminal import printable

OPERATION = "sd35_turbo_txt2img"
REQUEST_ID = "5a0c-77"


def an_exchange(call: str = "one", body: bytes = b'{"error": "steps"}', **changed: Any) -> Exchange:
    exchange = Exchange(
        call,
        "POST",
        "/v1/turbo",
        {"content-type": "application/json", "x-api-key": KEY_SHOWN_AS},
        {"prompt": "a lighthouse"},
        400,
        {"content-type": "application/json", "x-request-id": REQUEST_ID},
        body,
        seconds=0.25,
    )
    return replace(exchange, **changed)


def an_outcome(verdict: Verdict = "broken", place: str = "max+1", **changed: Any) -> Outcome:
    reasons = () if verdict == "held" else ("a bad call was drawn, not refused",)
    name = f"{OPERATION}::steps::{place}"
    outcome = Outcome(
        name, OPERATION, "steps", place, "documented", "71 is refused.", verdict, reasons, None, ("one",)
    )
    return replace(outcome, **changed)


def a_run(*outcomes: Outcome, **changed: Any) -> Run:
    run = Run(
        target="https://staging.example",
        reference=False,
        profile="documented",
        strict=False,
        tier="full",
        seed=7,
        spec="sha256:0123",
        versions={"httpx": "0.28.1"},
        started="2026-10-01T10:00:00+00:00",
        finished="2026-10-01T10:01:00+00:00",
        outcomes=outcomes,
        exchanges={"one": an_exchange()},
        ledger=(
            LedgerRow(
                "fixed-seed-default", "one seed", "another", "client", "two calls", "as observed", "it drew"
            ),
        ),
        spent=0.5,
        reserved=0.0,
        budget=2.0,
        stopped=None,
        exit_code=1,
    )
    return replace(run, **changed)


EVERY_VERDICT = tuple(an_outcome(verdict, verdict) for verdict in VERDICTS)


def a_picture(side: int, media_format: str = "PNG") -> bytes:
    file = BytesIO()
    PIL.Image.effect_noise((side, side), 64).save(file, media_format)
    return file.getvalue()


def base64_of(data: bytes) -> str:
    return base64.b64encode(data).decode()


LARGE = a_picture(64)
SMALL = a_picture(8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "report"


def as_json(run: Run, folder: Path) -> Any:
    report.write(run, folder)
    return json.loads((folder / "report.json").read_bytes())


def read_as_junit(path: Path) -> Any:
    reader: Any = JUnitXml  # its types are partly unknown
    return reader.fromfile(str(path))


# -- Files ------------------------------------------------------------------------------------------------


def test_a_report_is_five_files_that_replace_those_of_an_earlier_run(folder: Path):
    report.write(a_run(), folder)
    written = report.write(a_run(an_outcome()), folder)
    assert [path.name for path in written] == [
        "report.json",
        "junit.xml",
        "report.har",
        "summary.md",
        "report.html",
    ]
    assert set(folder.iterdir()) == set(written)
    assert all(OPERATION in path.read_text() for path in written)


# -- JSON -------------------------------------------------------------------------------------------------


def test_the_json_has_all_that_a_run_has_under_its_names(folder: Path):
    run = a_run(*EVERY_VERDICT, changed={EVERY_VERDICT[0].id: None})
    written = as_json(run, folder)
    assert written["format"] == FORMAT
    assert {each.name for each in fields(Run)} <= written.keys()
    assert {each.name for each in fields(Exchange)} <= written["exchanges"]["one"].keys()
    assert written["outcomes"] == json.loads(json.dumps([asdict(each) for each in run.outcomes]))
    assert written["ledger"] == [asdict(row) for row in run.ledger]
    assert written["counts"] == run.counts()
    assert written["live_exchanges"] == 0


def test_the_json_of_a_reply_stands_in_the_report(folder: Path):
    body = as_json(a_run(), folder)["exchanges"]["one"]["body"]
    assert (body["form"], body["value"], body["bytes"]) == ("json", {"error": "steps"}, 18)


def test_a_large_picture_is_named_and_not_inlined(folder: Path):
    exchange = an_exchange(body=LARGE, sent={"image": base64_of(LARGE)})
    written = as_json(a_run(exchanges={"one": exchange}), folder)["exchanges"]["one"]
    described = written["sent"]["image"]
    assert (described["bytes"], described["media_type"]) == (len(LARGE), "image/png")
    assert written["body"] == {**described, "form": "picture", "value": None}


def test_a_large_picture_within_json_is_named_and_not_inlined(folder: Path):
    body = json.dumps({"images": [base64_of(LARGE), base64_of(SMALL)]}).encode()
    value = as_json(a_run(exchanges={"one": an_exchange(body=body)}), folder)["exchanges"]["one"]["body"][
        "value"
    ]
    assert value["images"][0]["bytes"] == len(LARGE)
    assert value["images"][1] == base64_of(SMALL)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x00\xff\xfe",
        b'{"x": NaN, "y": 1e999}',
        b'{"x": "\\ud800"}',
        b"[" * 100_000,
        b"[" * 700 + b"]" * 700,
        b"\x89PNG\r\n\x1a\n and no more",
        b"a\x00b\x0bc",
    ],
    ids=["empty", "bytes", "infinite", "half-a-pair", "bottomless", "deep", "no-picture", "control"],
)
def test_whatever_a_server_sends_can_be_reported(body: bytes, folder: Path):
    outcome = an_outcome(reasons=(body.decode("utf-8", "replace"), "half \ud800 a pair"))
    run = a_run(outcome, exchanges={"one": an_exchange(body=body)})
    written = as_json(run, folder)
    assert written["exchanges"]["one"]["body"]["bytes"] == len(body)
    assert read_as_junit(folder / "junit.xml").tests == 1
    assert outcome.id in (folder / "report.html").read_text()


def test_a_report_is_read_back_as_the_verdict_of_each_case(folder: Path):
    report.write(a_run(*EVERY_VERDICT), folder)
    assert report.read(folder / "report.json").verdicts == {each.id: each.verdict for each in EVERY_VERDICT}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<html>", "is no report"),
        ("[]", "is no report"),
        ('{"format": 1}', "is no report"),
        ('{"format": "openapi 3.1"}', "is no report"),
        ('{"format": "segmind-sd3 conformance 99", "outcomes": []}', "conformance 99"),
        (f'{{"format": "{FORMAT}"}}', "damaged"),
        (f'{{"format": "{FORMAT}", "outcomes": [{{"id": "a", "verdict": "fine"}}]}}', "'fine'"),
    ],
)
def test_a_baseline_that_can_not_be_read_says_why(text: str, said: str, tmp_path: Path):
    file = tmp_path / "baseline.json"
    file.write_text(text)
    with pytest.raises(ValueError, match=said) as raised:
        report.read(file)
    assert str(file) in str(raised.value)


def test_a_baseline_that_is_not_there_says_so(tmp_path: Path):
    with pytest.raises(ValueError, match="No such file"):
        report.read(tmp_path / "report.json")


# -- JUnit ------------------------------------------------------------------------------------------------


def junit(run: Run, folder: Path) -> Any:
    report.write(run, folder)
    return read_as_junit(folder / "junit.xml")


def test_junit_counts_as_a_reader_of_it_counts(folder: Path):
    told = junit(a_run(*EVERY_VERDICT), folder)
    counted = (told.tests, told.failures, told.skipped)
    told.update_statistics()
    assert counted == (told.tests, told.failures, told.skipped) == (6, 1, 3)


def test_a_case_is_a_test_case_of_its_endpoint(folder: Path):
    (suite,) = junit(a_run(an_outcome("held")), folder)
    (case,) = suite
    assert (case.classname, case.name) == (OPERATION, f"{OPERATION}::steps::max+1")


def test_a_broken_case_is_a_failure_with_its_reasons_and_request_id(folder: Path):
    (suite,) = junit(a_run(an_outcome("broken")), folder)
    (case,) = suite
    (failure,) = case.result
    assert failure.message == "a bad call was drawn, not refused"
    assert REQUEST_ID in failure.text


@pytest.mark.parametrize("verdict", ["open", "inconclusive", "not run"])
def test_what_nothing_can_be_said_of_is_skipped_with_its_reason(verdict: Verdict, folder: Path):
    (suite,) = junit(a_run(an_outcome(verdict)), folder)
    (case,) = suite
    assert case.is_skipped
    assert case.result[0].message == f"{verdict}: a bad call was drawn, not refused"


@pytest.mark.parametrize("verdict", ["held", "known deviation"])
def test_what_held_or_is_known_passes(verdict: Verdict, folder: Path):
    (suite,) = junit(a_run(an_outcome(verdict)), folder)
    (case,) = suite
    assert case.is_passed


# -- HTTP Archive -----------------------------------------------------------------------------------------

HAR_MEMBERS = {
    "log": "version creator entries",
    "entries": "startedDateTime time request response cache timings",
    "request": "method url httpVersion cookies headers queryString headersSize bodySize",
    "response": "status statusText httpVersion cookies headers content redirectURL headersSize bodySize",
    "content": "size mimeType text",
    "postData": "mimeType text",
    "timings": "send wait receive",
    "creator": "name version",
    "headers": "name value",
}
"""What HAR 1.2 requires of each of its objects."""


def as_har(run: Run, folder: Path) -> Any:
    report.write(run, folder)
    return json.loads((folder / "report.har").read_bytes())


def members(name: str, value: Any) -> Iterator[tuple[str, set[str]]]:
    """Give each object of an archive with the name that it has there."""
    if isinstance(value, list):
        for each in cast("list[Any]", value):
            yield from members(name, each)
    elif isinstance(value, dict):
        having = cast("dict[str, Any]", value)
        yield name, set(having)
        for inner, part in having.items():
            if not inner.startswith("_"):
                yield from members(inner, part)


def test_the_archive_has_all_that_har_requires(folder: Path):
    archive = as_har(a_run(an_outcome(), exchanges={"one": an_exchange(), "two": an_exchange("two")}), folder)
    found = list(members("", archive))
    assert {name for name, _ in found} >= HAR_MEMBERS.keys()
    for name, has in found:
        assert set(HAR_MEMBERS.get(name, "").split()) <= has, name
    assert archive["log"]["version"] == "1.2"


def test_the_archive_has_each_exchange_as_it_was_sent(folder: Path):
    sent = an_exchange(sent={"image": base64_of(LARGE)}, started="2026-10-01T10:00:07.250+00:00")
    (entry,) = as_har(a_run(exchanges={"one": sent}), folder)["log"]["entries"]
    request = entry["request"]
    assert (request["method"], request["url"]) == ("POST", "https://staging.example/v1/turbo")
    assert {"name": "x-api-key", "value": KEY_SHOWN_AS} in request["headers"]
    assert json.loads(request["postData"]["text"]) == sent.sent
    assert (entry["startedDateTime"], entry["time"]) == (sent.started, 250)


@given(body=st.binary(max_size=200) | st.text(max_size=50).map(str.encode))
def test_the_archive_has_the_body_of_each_reply_whole(body: bytes):
    written = json.loads(har.written(a_run(exchanges={"one": an_exchange(body=body)})))
    content = written["log"]["entries"][0]["response"]["content"]
    text = content["text"]
    assert (base64.b64decode(text) if "encoding" in content else text.encode()) == body
    assert content["size"] == len(body)


def test_a_call_without_a_reply_is_in_the_archive_with_the_reason(folder: Path):
    lost = an_exchange(status=None, received={}, body=b"", failure="ReadTimeout: no byte came")
    (entry,) = as_har(a_run(exchanges={"one": lost}), folder)["log"]["entries"]
    assert (entry["response"]["status"], entry["response"]["_error"]) == (0, lost.failure)


def test_an_entry_of_the_archive_names_the_cases_that_were_judged_by_it(folder: Path):
    (entry,) = as_har(a_run(an_outcome()), folder)["log"]["entries"]
    assert entry["_cases"] == [f"broken: {an_outcome().id}"]


@pytest.mark.parametrize("name", ["report.json", "report.har"])
def test_the_failures_of_a_run_are_read_back_with_their_calls(name: str, folder: Path):
    report.write(a_run(*EVERY_VERDICT, strict=True), folder)
    read = report.read(folder / name)
    assert read.failures == {f"{OPERATION}::steps::broken": ["one"]}
    assert read.verdicts == {each.id: each.verdict for each in EVERY_VERDICT}
    assert (read.target, read.profile, read.tier) == ("https://staging.example", "documented", "full")
    assert (read.seed, read.strict) == (7, True)


# -- Markdown ---------------------------------------------------------------------------------------------


def as_markdown(run: Run, folder: Path) -> str:
    report.write(run, folder)
    return (folder / "summary.md").read_text()


def inline(text: str) -> Iterator[Token]:
    """Give what a reader of Markdown makes of a text, in its smallest parts."""
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        yield from token.children or [token]


def test_the_summary_for_a_pipeline_says_first_what_came_out(folder: Path):
    assert as_markdown(a_run(an_outcome()), folder).startswith("## ✗ 1 of 1 cases is broken\n")
    assert as_markdown(a_run(an_outcome("held"), exit_code=0), folder).startswith(
        "## ✓ Nothing is broken in 1"
    )


def test_the_summary_for_a_pipeline_has_failures_changes_money_and_what_was_not_tested(folder: Path):
    run = a_run(an_outcome(), an_outcome("not run", "min"), changed={an_outcome().id: "held"})
    text = as_markdown(run, folder)
    for part in (
        f"**`{OPERATION}::steps::max+1`**",
        "`a bad call was drawn, not refused`",
        "400 in 0.25 s",
        "held → broken",
        "0.5000 of 2.0000 credits",
        "1 not run",
    ):
        assert part in text


@given(text=st.text(max_size=60) | st.text("`|\\<>[]()!*_ \n@#&ab", max_size=30))
def test_what_a_server_says_is_code_to_a_reader_of_markdown(text: str):
    shown = markdown.code(text)
    (token,) = (each for each in inline(f"- {shown}") if each.type not in AROUND_A_LIST)
    assert token.type == "code_inline"
    assert token.content == (" ".join(printable(text).split()) or " ")


AROUND_A_LIST = {
    f"{part}_{end}" for part in ("bullet_list", "list_item", "paragraph") for end in ("open", "close")
}


def test_nothing_that_a_server_says_is_a_link_a_picture_or_a_tag(folder: Path):
    said = "![x](https://elsewhere.invalid/x.png) <img src=x> https://elsewhere.invalid `` </details> | @me"
    run = a_run(an_outcome(reasons=(said,)), an_outcome("not run", "min", reasons=(said,)))
    kinds = {token.type for token in inline(as_markdown(run, folder))}
    assert "code_inline" in kinds
    assert not kinds & {"link_open", "image", "html_inline", "html_block"}


def test_a_server_of_many_broken_cases_does_not_overflow_the_page_of_a_pipeline():
    outcomes = (an_outcome(place=str(number), reasons=("ü" * 100_000,)) for number in range(2000))
    written = markdown.written(a_run(*outcomes))
    assert "… and 1950 more".encode() in written
    assert len(written) < 1_048_576


# -- Coverage ---------------------------------------------------------------------------------------------

CLAUSES = (
    Clause(OPERATION, "steps", "minimum", "10", "documented", {"inside": 3, "outside": 0}),
    Clause(OPERATION, "500", "status", "500", "documented", {"came": 0}),
    Clause(OPERATION, "200", "header", "x-cost", "observed", {"came": 9}),
)


def test_the_json_says_how_much_was_exercised_and_names_what_was_not(folder: Path):
    written = as_json(a_run(coverage=CLAUSES), folder)
    assert written["coverage"] == [asdict(each) for each in CLAUSES]
    assert written["covered"]["documented"] == {
        "stated": 3,
        "exercised": 1,
        "within_reach": 2,
        "percent": 33.33,
        "missing": [f"{OPERATION} steps minimum 10: outside", f"{OPERATION} 500 status: came"],
    }
    assert written["covered"]["observed"]["percent"] == 100


def test_the_summary_the_page_junit_and_the_markdown_say_it_too(folder: Path):
    run = a_run(an_outcome("held"), coverage=CLAUSES)
    whole = page(run, folder)
    assert "33.3 %" in (folder / "junit.xml").read_text()
    for text in (summary(run), as_markdown(run, folder), Text(whole).text):
        assert "33.3 %" in text
        assert "steps minimum 10: outside" in text
        assert "100 %" in text


def test_only_the_whole_is_100_percent():
    assert words.percent(9_999, 10_000) == "99.9 %"
    assert words.percent(10_000, 10_000) == "100 %"


# -- The terminal -----------------------------------------------------------------------------------------


def summary(run: Run) -> str:
    text = StringIO()
    report.summary(run, Console(file=text, width=300))
    return text.getvalue()


def test_without_a_live_exchange_the_summary_says_reference_in_capitals():
    assert "REFERENCE" in summary(a_run())


def test_with_a_live_exchange_the_summary_counts_them():
    told = summary(a_run(exchanges={"one": an_exchange(live=True)}))
    assert "LIVE: 1 exchanges" in told
    assert "REFERENCE" not in told


def test_the_summary_names_a_broken_case_its_reason_and_its_request_id():
    told = summary(a_run(an_outcome()))
    for part in (f"{OPERATION}::steps::max+1", "a bad call was drawn", REQUEST_ID, "     1 ✗ broken"):
        assert part in told


def test_the_summary_ends_with_money_why_it_stopped_and_the_exit_code():
    told = summary(a_run(reserved=0.25, stopped="the budget is used up", exit_code=3))
    assert told.splitlines()[-3:] == [
        "Exchanges: 1, live: 0. Spent: 0.5000 (and up to 0.2500 more) of 2.0000 credits.",
        "Stopped before its end: the budget is used up",
        "Exit 3: it is incomplete.",
    ]


def test_the_summary_has_the_ledger_and_what_was_not_tested():
    told = summary(a_run(an_outcome("not run", reasons=("it is of the tier full",))))
    assert "as observed" in told
    assert "it is of the tier full" in told


def test_the_summary_tells_each_changed_verdict():
    told = summary(a_run(an_outcome(), changed={an_outcome().id: "held", "gone": "open"}))
    rows = [line.split() for line in told.splitlines()]
    assert [an_outcome().id, "held", "broken"] in rows
    assert ["gone", "open", "no", "such", "case"] in rows
    assert "Exit 1: a verdict changed." in told


def test_a_server_of_many_broken_cases_does_not_flood_the_terminal():
    told = summary(a_run(*(an_outcome(place=str(number)) for number in range(500))))
    assert "… and 460 more: they are in the report" in told


def test_what_a_server_says_is_no_markup_of_the_terminal():
    assert "[red]x[/red] [/nothing]" in summary(a_run(an_outcome(reasons=("[red]x[/red] [/nothing]",))))


# -- The command that repeats a call ----------------------------------------------------------------------


class Listener(BaseHTTPRequestHandler):
    """Keeps what arrives."""

    arrived: list[tuple[str, str, dict[str, str], bytes]]

    def _keep(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.arrived.append((self.command, self.path, headers, body))
        self.send_response(200)
        self.send_header("content-length", "4")
        self.end_headers()
        self.wfile.write(b"done")

    do_GET = do_POST = _keep  # noqa: N815 - http.server's names

    def log_message(self, format: str, *args: Any):  # noqa: A002 - http.server's name
        pass


@pytest.fixture
def listener() -> Iterator[str]:
    Listener.arrived = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Listener) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def repeated(exchange: Exchange, target: str, folder: Path) -> tuple[str, str, dict[str, str], bytes]:
    environment = {"PATH": "/usr/bin:/bin", "SEGMIND_API_KEY": "SG_of_mine"}
    text = command(exchange, target)
    subprocess.run(
        ["/bin/sh"], input=text, text=True, env=environment, cwd=folder, check=True, capture_output=True
    )
    assert (folder / "reply").read_bytes() == b"done"
    return Listener.arrived[-1]


needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl: apt-get install curl")


@needs_curl
@pytest.mark.parametrize(
    "sent",
    [
        {"prompt": 'a panda\'s "$HOME" `id` \\ ünder\nBODY\n'},
        {"prompt": "a panda", "image": base64_of(a_picture(512))},
        {},
    ],
    ids=["quotes", "large-picture", "empty"],
)
def test_the_command_sends_the_same_json(sent: Any, listener: str, tmp_path: Path):
    method, path, headers, body = repeated(an_exchange(sent=sent), listener, tmp_path)
    assert (method, path, headers["content-type"]) == ("POST", "/v1/turbo", "application/json")
    assert json.loads(body) == sent


@needs_curl
@pytest.mark.parametrize("sent", ["", '{"prompt": "a light', "it's $HOME", "@/etc/hostname"])
def test_the_command_sends_the_same_text(sent: str, listener: str, tmp_path: Path):
    assert repeated(an_exchange(sent=sent), listener, tmp_path)[3] == sent.encode()


@needs_curl
def test_the_command_takes_the_key_from_the_variable(listener: str, tmp_path: Path):
    headers = {"x-api-key": KEY_SHOWN_AS, "authorization": f'Bearer {KEY_SHOWN_AS} "$HOME"'}
    arrived = repeated(an_exchange(headers=headers), listener, tmp_path)[2]
    assert arrived["x-api-key"] == "SG_of_mine"
    assert arrived["authorization"] == 'Bearer SG_of_mine "$HOME"'


@needs_curl
def test_the_command_adds_no_content_type_of_its_own(listener: str, tmp_path: Path):
    assert "content-type" not in repeated(an_exchange(headers={}), listener, tmp_path)[2]


@needs_curl
def test_the_command_of_a_get_has_no_body(listener: str, tmp_path: Path):
    method, _, headers, body = repeated(an_exchange(method="GET", sent=None, headers={}), listener, tmp_path)
    assert (method, body) == ("GET", b"")
    assert "content-length" not in headers


# -- The page, without a browser --------------------------------------------------------------------------


class Text(HTMLParser):
    """The text of a page, without that of its scripts."""

    def __init__(self, page: str):
        super().__init__()
        self.text = ""
        self._within = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: Any):  # noqa: ARG002 - html.parser's interface
        self._within = tag

    def handle_data(self, data: str):
        if self._within not in ("script", "style"):
            self.text += data


def page(run: Run, folder: Path) -> str:
    report.write(run, folder)
    return (folder / "report.html").read_text()


def test_a_failure_can_be_read_without_scripts(folder: Path):
    run = a_run(an_outcome())
    text = Text(page(run, folder)).text
    for part in (run.outcomes[0].reasons[0], REQUEST_ID, command(run.exchanges["one"], run.target)):
        assert part in text


@pytest.mark.parametrize(
    ("spent", "budget", "told"),
    [
        (0.12477, 0.12477, "0.12477 of 0.12477"),
        (0.1 + 0.2, 0.3, "0.3000 of 0.3000"),
        (0.1247704, 0.12477, "0.12477 of 0.12477"),
        (0.0035, 2, "0.0035 of 2.0000"),
        (0.5, 0.25, "0.5000 of 0.2500"),
    ],
)
def test_what_was_spent_reads_as_an_overrun_only_where_it_is_one(spent: float, budget: float, told: str):
    assert f"Spent: {told} credits" in summary(a_run(spent=spent, budget=budget))


def test_an_incomplete_run_says_what_is_broken_all_the_same():
    told = summary(a_run(an_outcome("broken"), an_outcome("inconclusive"), exit_code=3))

    assert "Exit 3: it is incomplete, and 1 of what was tried is broken." in told


def test_the_page_says_what_was_tried_when_and_with_what(folder: Path):
    text = Text(page(a_run(stopped="the budget is used up"), folder)).text
    for part in (
        "REFERENCE 0 live exchanges",
        "https://staging.example",
        "2026-10-01 10:00:00 UTC",
        "documented",
        "full, 7",
        "sha256:0123",
        "httpx 0.28.1",
        "0.5000 of 2.0000 credits",
        "the budget is used up",
    ):
        assert part in text


def test_the_page_has_the_ledger_what_was_not_tested_and_what_changed(folder: Path):
    left_out = an_outcome("not run", reasons=("it is of the tier full",))
    text = Text(page(a_run(left_out, changed={left_out.id: "held"}), folder)).text
    assert "fixed-seed-defaultas observedone seedanother" in text
    assert "1 case: it is of the tier full" in text
    assert f"{left_out.id}heldnot run" in text


@pytest.mark.slow
def test_the_page_of_two_thousand_cases_stays_small(folder: Path):
    picture = a_picture(256, "JPEG")
    # What follows the end of a JPEG makes it another file, and no other picture.
    exchanges = {str(n): an_exchange(str(n), body=picture + str(n).encode()) for n in range(800)}
    outcomes = [an_outcome("held", str(n), calls=(str(n % 800),)) for n in range(2000)]
    assert len(page(a_run(*outcomes, exchanges=exchanges), folder)) < 10_000_000


def test_a_picture_that_came_twice_is_on_the_page_once(folder: Path):
    exchanges = {name: an_exchange(name, body=LARGE) for name in ("one", "two")}
    run = a_run(an_outcome(calls=("one", "two")), exchanges=exchanges)
    assert page(run, folder).count("data:image/webp") == 1
