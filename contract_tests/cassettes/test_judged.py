"""The cassettes judged by today's contract, and the exchanges of a conformance run kept as cassettes."""

import datetime as dt
import gzip
import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner, Result
from segmind_sd3_api.parameters import OPERATIONS
from segmind_sd3_contract.cassettes import LIVE, Recorded, cases, load, recorded, replaying
from segmind_sd3_contract.cassettes.cases import quirk_of
from segmind_sd3_contract.cassettes.commands import cassettes
from segmind_sd3_contract.cassettes.judging import BREAKS, MAX_AGE_DAYS, judged, judged_in
from segmind_sd3_contract.conformance.recording import keep
from segmind_sd3_contract.conformance.results import KEY_SHOWN_AS, Exchange
from segmind_sd3_contract.quirks import quirks
from segmind_sd3_contract.reference import CREDITS_PATH, ReferenceServer

FOLDER = Path(__file__).parents[2] / "cassettes"
ALL = recorded(FOLDER)
MARKED_KEY = "SG_feedfacefeedface"
TURBO = "sd35_turbo_txt2img"
PLAIN = ALL[f"{TURBO}::plain"]
ERROR = ALL[f"{TURBO}::error-in-200"]

Keep = Callable[..., Recorded]
Command = Callable[..., Result]


def changed(kept: Recorded, **headers: str | None) -> Recorded:
    """Give an exchange with other headers; None takes one away."""
    every = {**kept.headers, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return replace(kept, headers={name: value for name, value in every.items() if value is not None})


def from_live(kept: Recorded, **more: Any) -> Recorded:
    told: dict[str, Any] = {"target": LIVE, "profile": None, "provocation": None, **more}
    return replace(kept, **told)


# --- What is committed ------------------------------------------------------------------------------------


AS_SEEN = {
    f"{TURBO}::steps::4::observed": "known deviation: as observed",
    f"{TURBO}::sampler::omitted::observed": "known deviation: as reported",
    f"{TURBO}::scheduler::omitted::observed": "known deviation: as reported",
}
"""What the profile "observed" draws, and the page refuses."""


def test_every_honest_cassette_is_sound_and_every_provoked_row_is_told():
    told = {each.name: each.told for each in judged_in(FOLDER)}

    assert told == {
        name: f"known deviation: {row}" if (row := quirk_of(kept.provocation)) else AS_SEEN.get(name, "sound")
        for name, kept in ALL.items()
    }


def test_what_was_provoked_breaks_the_contract_but_for_what_the_overlay_has_in_it():
    """Else the oracle would be blind to it, or the row out of date."""
    breaking = {
        kept.provocation for name, kept in ALL.items() if judged(kept).clauses and name not in AS_SEEN
    }
    provoked = {kept.provocation for kept in ALL.values() if quirk_of(kept.provocation) in BREAKS}

    in_the_contract = {"gateway-html:502", "gateway-html:504", "several-images:images", "several-images:list"}
    assert breaking == provoked - in_the_contract


@pytest.mark.parametrize("operation", OPERATIONS)
def test_what_breaks_the_contract_breaks_it_on_every_endpoint_that_bounds_it(operation: str):
    unseen = {
        kept.provocation
        for kept in ALL.values()
        if kept.operation == operation
        and quirk_of(kept.provocation) in BREAKS
        and not judged(kept).clauses
        and kept.provocation not in ("gateway-html:502", "gateway-html:504")
    }

    # Where a page bounds no count, one picture of two is nothing that it forbids.
    assert unseen <= {"several-images:list", "several-images:images", "several-images:string"}
    unbounded = {"sd3_medium_img2img", "sd3_medium_tile"}
    assert ("several-images:string" in unseen) == (operation in unbounded)


def test_what_a_row_accounts_for_is_of_the_quirk_table():
    assert BREAKS.keys() <= quirks().keys()


# --- Broken -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kept", "clause"),
    [
        (replace(PLAIN, status=418), "status"),
        (replace(PLAIN, body=PLAIN.body[:300]), "picture"),
        (replace(PLAIN, body=ALL["sd3_medium_txt2img::plain"].body), "picture-size"),
        (replace(PLAIN, sent={**PLAIN.sent, "steps": 9}), "refusal"),
        (replace(PLAIN, sent=None), "refusal"),
        (changed(PLAIN, content_type="text/plain"), "media-type"),
        (changed(PLAIN, x_remaining_credits="many"), "header:x-remaining-credits"),
        (replace(ALL[f"{TURBO}::status::422"], body=b"no JSON"), "json"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_honest_cassette_with_a_finding_is_broken_and_the_clause_is_named(kept: Recorded, clause: str):
    found = judged(kept)

    assert (found.verdict, found.told) == ("broken", f"broken: {clause}")
    assert [reason.startswith(clause) for reason in found.reasons] == [True]


def test_a_new_failure_beside_a_known_one_is_a_failure():
    found = judged(changed(ERROR, x_remaining_credits="many"))

    assert found.told == "broken: header:x-remaining-credits"


@pytest.mark.parametrize("provocation", [None, "405-html", "status:422"])
def test_what_no_row_that_was_provoked_accounts_for_is_broken(provocation: str | None):
    assert judged(replace(ERROR, provocation=provocation)).told == "broken: base64"


# --- Known of other servers -------------------------------------------------------------------------------


@pytest.mark.parametrize("provocation", ["error-in-200", "wrong-media-type", "gateway-html:503"])
def test_what_another_server_does_is_a_known_deviation_where_the_code_of_a_row_finds_it(provocation: str):
    kept = ALL[f"{TURBO}::{provocation.replace(':', '::')}"]

    assert judged(from_live(kept)).told == f"known deviation: {quirk_of(provocation)}"


def test_what_no_row_knows_of_is_broken_from_whichever_server():
    assert judged(from_live(replace(PLAIN, status=418))).verdict == "broken"
    assert judged(from_live(changed(ERROR, x_remaining_credits="many"))).verdict == "broken"


FEW_STEPS = replace(PLAIN, sent={**PLAIN.sent, "steps": 4})
NO_SAMPLER = replace(PLAIN, sent={name: value for name, value in PLAIN.sent.items() if name != "sampler"})


def test_what_was_observed_beside_the_page_is_known_and_the_page_is_named():
    found = judged(from_live(FEW_STEPS))

    assert (found.told, found.clauses) == ("known deviation: as observed", ("refusal",))
    assert "4 is less than the minimum of 10" in found.reasons[0]
    assert judged(from_live(NO_SAMPLER)).told == "known deviation: as reported"


def test_the_reference_server_goes_by_the_profile_that_it_was_recorded_in():
    assert judged(FEW_STEPS).told == "broken: refusal"
    assert judged(replace(FEW_STEPS, profile="observed")).told == "known deviation: as observed"
    assert judged(NO_SAMPLER).told == "broken: refusal"
    assert judged(replace(NO_SAMPLER, profile="observed")).told == "known deviation: as reported"


# --- Stale ------------------------------------------------------------------------------------------------

STATUS_405 = ALL[f"{TURBO}::status::405"]
DAY = dt.date.fromisoformat(PLAIN.date)
LAST = DAY + dt.timedelta(days=MAX_AGE_DAYS)


def test_a_cassette_of_another_spec_is_stale():
    assert judged(replace(PLAIN, spec="sha256:0")).told == "stale: recorded under another spec"


def test_a_live_cassette_is_stale_after_its_maximum_age_and_not_on_its_last_day():
    live = from_live(PLAIN)

    assert judged(live, on=LAST).stale is None
    stale = judged(live, on=LAST + dt.timedelta(days=1)).stale
    assert stale == f"{MAX_AGE_DAYS + 1} days old, more than {MAX_AGE_DAYS}"


def test_another_servers_cassette_ages_as_a_live_one_does():
    assert judged(replace(PLAIN, target="https://staging.invalid"), on=LAST + dt.timedelta(days=1)).stale


def test_what_the_reference_server_answered_has_no_age_unless_one_is_given():
    much_later = DAY + dt.timedelta(days=10_000)

    assert judged(PLAIN, on=much_later).stale is None
    assert judged(PLAIN, on=DAY + dt.timedelta(days=8), max_age=7).stale == "8 days old, more than 7"
    assert judged(PLAIN, on=DAY + dt.timedelta(days=7), max_age=7).stale is None


def test_a_cassette_without_a_date_is_stale_where_its_age_counts():
    undated = replace(PLAIN, date="lately")

    assert judged(undated, max_age=7).stale == "'lately' is no date"
    assert judged(undated).stale is None


def test_a_cassette_of_an_endpoint_that_is_gone_is_stale_too():
    assert judged(replace(PLAIN, case="sd2_txt2img::plain")).stale == "there is no endpoint sd2_txt2img"


def test_what_is_stale_and_broken_says_both():
    kept = replace(PLAIN, status=418, spec="sha256:0")

    assert judged(kept).told == "broken: status; stale: recorded under another spec"


# --- The command ------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of three cassettes and their blobs, in the place where they are looked for."""
    there = tmp_path / "cassettes"
    shutil.copytree(FOLDER / "blobs", there / "blobs")
    for name in ("plain", "error-in-200", "status::405"):
        file = cases()[f"{TURBO}::{name}"].file
        (there / file).parent.mkdir(exist_ok=True)
        shutil.copy(FOLDER / file, there / file)
    monkeypatch.chdir(tmp_path)
    return there


@pytest.fixture
def command() -> Command:
    return lambda *words: CliRunner().invoke(cassettes, words)


def edit(folder: Path, old: str, new: str, name: str = "plain") -> None:
    file = folder / cases()[f"{TURBO}::{name}"].file
    text, count = re.subn(old, new, file.read_text("utf-8"))
    assert count == 1
    file.write_text(text, "utf-8")


@pytest.mark.usefixtures("folder")
def test_without_a_word_every_cassette_is_listed_with_source_date_status_and_verdict(command: Command):
    done = command()

    assert done.exit_code == 0, done.output
    assert [line.split() for line in done.output.splitlines()] == [
        ["case", "source", "date", "status", "verdict"],
        [f"{TURBO}::error-in-200", "reference", ERROR.date, "200", "known", "deviation:", "error-in-200"],
        [f"{TURBO}::plain", "reference", PLAIN.date, "200", "sound"],
        [f"{TURBO}::status::405", "reference", STATUS_405.date, "405", "known", "deviation:", "405-html"],
        ["3", "cassettes,", "0", "stale,", "0", "live."],
        ["1", "sound,", "2", "known", "deviations,", "0", "broken."],
    ]
    assert command("list").output == done.output


def test_a_broken_one_fails_and_its_reason_is_told(command: Command, folder: Path):
    edit(folder, r"code: 200", "code: 418")

    done = command()

    assert done.exit_code == 1
    assert f"{TURBO}::plain is broken:\n  status (observed): expected one of 200, " in done.output
    assert "1 broken." in done.output


def test_a_stale_one_fails_strictly_alone(command: Command, folder: Path):
    edit(folder, r"spec: sha256:\w+", "spec: sha256:0")

    done = command()

    assert (done.exit_code, command("--strict").exit_code) == (0, 1)
    assert "stale: recorded under another spec" in done.output
    assert "3 cassettes, 1 stale, 0 live." in done.output


def test_the_maximum_age_is_an_option(command: Command, folder: Path):
    edit(folder, r"date: '.*'", "date: '2001-01-01'")

    assert command("--strict").exit_code == 0
    assert command("--strict", "--max-age", "36500").exit_code == 0
    assert command("--strict", "--max-age", "365").exit_code == 1


def test_json_tells_the_same(command: Command, folder: Path):
    edit(folder, r"code: 200", "code: 418")

    done = command("--json")

    rows = {row["case"]: row for row in json.loads(done.output)}
    assert done.exit_code == 1
    assert rows[f"{TURBO}::error-in-200"] | {"reasons": []} == {
        "case": f"{TURBO}::error-in-200",
        "file": f"cassettes/{cases()[f'{TURBO}::error-in-200'].file}",
        "target": "reference",
        "status": 200,
        "date": ERROR.date,
        "verdict": "known deviation",
        "deviation": "error-in-200",
        "clauses": ["base64"],
        "reasons": [],
        "stale": None,
    }
    assert (rows[f"{TURBO}::plain"]["verdict"], rows[f"{TURBO}::plain"]["clauses"]) == ("broken", ["status"])


def blob_of(folder: Path) -> Path:
    """Put the body of a cassette in the folder, that of a small one, into a blob."""
    case = cases()["sd3_medium_txt2img::plain"]
    (folder / case.file).parent.mkdir()
    shutil.copy(FOLDER / case.file, folder / case.file)
    return folder / "blobs" / re.findall(r"blob: (\w+)", (folder / case.file).read_text("utf-8"))[0]


def test_a_cassette_whose_blob_was_changed_is_broken_and_the_blob_is_named(command: Command, folder: Path):
    blob = blob_of(folder)
    assert command().exit_code == 0
    blob.write_bytes(blob.read_bytes()[:-1] + b"?")

    done = command()

    assert done.exit_code == 1
    assert f"{blob.name} is not what its name says" in done.output


def test_a_cassette_whose_blob_is_gone_is_broken(command: Command, folder: Path):
    blob = blob_of(folder)
    blob.unlink()

    done = command()

    assert done.exit_code == 1
    assert blob.name in done.output


@pytest.mark.parametrize(
    "text", ["", "[]", "just words", "interactions: 7", "a: [", "interactions:\n- request: 1\n"]
)
def test_a_file_that_is_no_cassette_is_broken_and_the_others_are_still_judged(
    command: Command, folder: Path, text: str
):
    file = folder / "slug" / "odd.yaml"
    file.parent.mkdir()
    file.write_text(text, "utf-8")

    done = command()

    assert done.exit_code == 1
    assert "slug/odd.yaml is broken:" in done.output
    assert "1 sound, 2 known deviations, 1 broken." in done.output


def test_cassettes_in_another_folder_are_judged_where_it_is_named(
    command: Command, tmp_path: Path, folder: Path
):
    folder.rename(tmp_path / "elsewhere")

    assert command().exit_code == 1
    assert "3 cassettes" in command("--folder", "elsewhere").output


# --- A conformance run's exchanges, kept ------------------------------------------------------------------

JSON_TYPE = {"content-type": "application/json", "x-api-key": MARKED_KEY}


def exchange(
    content: bytes = b"",
    method: str = "POST",
    path: str = OPERATIONS[TURBO].path,
    call: str = f"{TURBO}:0a1b",
    **more: Any,
) -> Exchange:
    """Make a call to the reference server, and give it as a conformance run does."""
    with httpx.Client(base_url="https://any.invalid", transport=ReferenceServer().transport()) as client:
        came = client.request(method, path, content=content, headers=JSON_TYPE)
    try:
        sent = json.loads(content)
    except ValueError:
        sent = content.decode() or None
    shown = {**JSON_TYPE, "x-api-key": KEY_SHOWN_AS}
    made = Exchange(call, method, path, shown, sent, came.status_code, dict(came.headers), came.content)
    return replace(made, **more)


GOOD = json.dumps(PLAIN.sent).encode()


@pytest.fixture
def kept(tmp_path: Path) -> Keep:
    """Keep an exchange, and give it as it is read back."""

    def keep_and_load(made: Exchange, **more: Any) -> Recorded:
        told: dict[str, Any] = {"case": f"{TURBO}::steps::min", "target": "reference", "profile": "observed"}
        file = keep(made, folder=tmp_path, **{**told, **more})
        assert file is not None
        return load(file)

    return keep_and_load


def test_an_exchange_is_kept_in_a_file_named_by_endpoint_and_call_and_reads_back(kept: Keep, tmp_path: Path):
    made = exchange(GOOD)

    read = kept(made)

    assert read.file == tmp_path / OPERATIONS[TURBO].slug / "0a1b.yaml"
    assert (read.case, read.call, read.target, read.profile) == (
        f"{TURBO}::steps::min",
        f"{TURBO}:0a1b",
        "reference",
        "observed",
    )
    assert (read.method, read.sent, read.status, read.body) == ("POST", made.sent, 200, made.body)
    assert read.headers == {name: value for name, value in made.received.items() if name != "content-length"}
    assert read.fresh
    assert judged(read).told == "sound"


def test_two_calls_of_a_case_are_two_cassettes(kept: Keep, tmp_path: Path):
    kept(exchange(GOOD))
    kept(exchange(GOOD, call=f"{TURBO}:2c3d"))

    assert recorded(tmp_path).keys() == {f"{TURBO}::steps::min {TURBO}:{call}" for call in ("0a1b", "2c3d")}


def test_a_call_that_stands_for_no_case_is_kept_by_its_own_name(kept: Keep, tmp_path: Path):
    made = exchange(GOOD)

    read = kept(made, case=made.call)

    assert (read.operation, read.fresh, judged(read).told) == (TURBO, True, "sound")
    assert recorded(tmp_path).keys() == {made.call}


def test_a_large_body_is_kept_as_a_blob(kept: Keep, tmp_path: Path):
    made = exchange(GOOD, body=b"x" * 2049)

    assert kept(made).body == made.body
    assert [blob.read_bytes() for blob in (tmp_path / "blobs").iterdir()] == [made.body]


@pytest.mark.parametrize("content", [b'{"prompt": "a light', b"prompt=a+lighthouse", "ein Käse".encode()])
def test_a_request_that_is_no_json_is_kept_as_it_was_sent_and_replays(kept: Keep, content: bytes):
    made = exchange(content)

    read = kept(made)

    assert (read.sent, read.status) == (None, made.status)
    with replaying(read.file):
        came = httpx.post(read.url, content=content)
    assert (came.status_code, came.content) == (made.status, made.body)


def test_a_request_without_a_body_is_kept_without_one(kept: Keep):
    made = exchange(method="GET")

    read = kept(made)

    assert (read.method, read.sent, read.status) == ("GET", None, 405)
    with replaying(read.file):
        assert httpx.get(read.url).status_code == 405


def test_the_json_of_a_text_is_kept_as_such_where_the_bytes_are_given(kept: Keep):
    assert kept(exchange(b'"a"'), content=b'"a"').sent == "a"


def test_the_question_for_the_balance_is_kept_under_its_own_name(kept: Keep):
    made = exchange(method="GET", path=CREDITS_PATH, call="get_user_credits:1")

    read = kept(made, case="get_user_credits::(account)::balance")

    assert read.file.parent.name == "get_user_credits"
    assert read.fresh
    assert judged(read).told == "sound"


def test_no_key_and_no_cookie_is_kept_even_if_the_server_sends_one_back(kept: Keep):
    echoed = {"set-cookie": f"session={MARKED_KEY}", "x-echo": MARKED_KEY, "content-type": "application/json"}
    made = exchange(
        json.dumps({"prompt": MARKED_KEY}).encode(),
        headers={**JSON_TYPE, "cookie": "session=1", "authorization": f"Bearer {MARKED_KEY}"},
        received=echoed,
        body=json.dumps({"error": f"no such thing, {MARKED_KEY}"}).encode(),
    )

    read = kept(made)

    text = read.file.read_text("utf-8").lower()
    assert [
        word for word in (MARKED_KEY.lower(), "cookie", "x-api-key", "authorization") if word in text
    ] == []
    assert json.loads(read.body) == {"error": "no such thing, [API key]"}


def test_a_body_that_travelled_packed_is_kept_unpacked_and_says_so(kept: Keep):
    made = exchange(GOOD)
    length = str(len(gzip.compress(made.body)))
    packed = {**made.received, "content-encoding": "gzip", "content-length": length}

    read = kept(replace(made, received=packed))

    with replaying(read.file):
        assert httpx.post(read.url, content=GOOD).content == made.body


@pytest.mark.parametrize("more", [{"status": None}, {"failure": "ReadError: cut off"}])
def test_what_has_no_whole_reply_is_not_kept(tmp_path: Path, more: dict[str, Any]):
    made = exchange(GOOD, **more)

    assert keep(made, case=f"{TURBO}::a::b", target=LIVE, folder=tmp_path, profile=None) is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("target", "host"),
    [
        ("reference", "reference.invalid"),
        (LIVE, "api.segmind.com"),
        ("https://staging.invalid", "staging.invalid"),
    ],
)
def test_a_kept_exchange_says_whose_answer_it_is(kept: Keep, target: str, host: str):
    read = kept(exchange(GOOD), target=target)

    assert (read.target, httpx.URL(read.url).host) == (target, host)
