"""The cassettes: that each case has one, what it replays to, where it came from, and what is never in one."""

import copy
import json
import re
import shutil
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from click.testing import CliRunner, Result
from proofs.fixtures.drivers import Driver, draw
from segmind_sd3 import (
    AuthenticationError,
    Generation,
    InsufficientCredits,
    NotFound,
    OutcomeUnknown,
    RateLimited,
    RequestRefused,
    Retry,
    SegmindError,
    ServerError,
    UnusableReply,
)
from segmind_sd3._errors import Fault, rule_for
from segmind_sd3._quirks import FUNCTIONS
from segmind_sd3._settings import BASE_URL
from segmind_sd3._wire import Reply
from segmind_sd3_api.calls import CALLS
from segmind_sd3_api.parameters import OPERATIONS, Parameter
from segmind_sd3_api.types import File, Response
from segmind_sd3_contract.cassettes import (
    LIVE,
    Case,
    Recorded,
    cases,
    live_cases,
    load,
    recorded,
    replaying,
    sources,
)
from segmind_sd3_contract.cassettes.cases import REFERENCE_URL, body_of, inside, outside, quirk_of
from segmind_sd3_contract.cassettes.commands import cassettes
from segmind_sd3_contract.cassettes.library import digest_of
from segmind_sd3_contract.cassettes.live import Target
from segmind_sd3_contract.cassettes.recording import (
    generated_client,
    leftovers,
    record,
)
from segmind_sd3_contract.quirks import quirks, shows
from segmind_sd3_contract.reference import MADE_UP_KEY, PROVOCATIONS, ReferenceServer, Request
from vcr.errors import CannotOverwriteExistingCassetteException  # pyright: ignore[reportMissingTypeStubs] - it has none

FOLDER = Path(__file__).parents[2] / "cassettes"
MARKED_KEY = "SG_feedfacefeedface"
VENDOR = httpx.URL(BASE_URL).host.partition(".")[2]

# Made once: it takes longer than all the rest of a replay.
TLS = ssl.create_default_context()

FAULTS: dict[int, tuple[type[SegmindError], bool | None]] = {
    400: (RequestRefused, False),
    401: (AuthenticationError, False),
    402: (InsufficientCredits, False),
    403: (AuthenticationError, False),
    404: (NotFound, False),
    405: (RequestRefused, False),
    406: (RequestRefused, False),
    410: (NotFound, False),
    422: (RequestRefused, False),
    429: (RateLimited, False),
    500: (ServerError, False),
    502: (OutcomeUnknown, None),
    503: (ServerError, None),
    504: (OutcomeUnknown, None),
}
"""What each status means to a caller, and whether it was paid for."""

ABOUT_CREDITS = ("406-not-only-credits:credits", "406-not-only-credits:spend-limit")

Command = Callable[..., Result]

CASES = cases().values()
ALL = recorded(FOLDER)
DRAWN = [
    case
    for case in CASES
    if case.expects == 200 and case.by == "sdk" and quirk_of(case.provocation) != "error-in-200"
]
REFUSED = [case for case in CASES if case.by == "generated"]
RAW = [case for case in CASES if case.by == "raw"]
FAILED = [case for case in CASES if case not in DRAWN and case not in REFUSED and case not in RAW]

# What is replayed does not depend on the loop: one of the two stands for both.
each_driver = pytest.mark.parametrize("driver", ["sync", "asyncio"])


def each(some: list[Case]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", some, ids=[case.id for case in some])


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any connection, datagram or name look-up fails the test, by what no client takes for its own error."""

    def blocked(*to: object, **_: object) -> None:
        raise AssertionError(f"something was to leave this process, to {to}")

    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, blocked)
    monkeypatch.setattr(socket, "getaddrinfo", blocked)


def call(driver: Driver, case: Case) -> Generation:
    """Make the case's call through the SDK, by its own transport."""
    once = Retry(attempts=1)
    return draw(driver, REFERENCE_URL, case.params, operation=case.operation, retry=once, verify=TLS)


def played(driver: Driver, case: Case) -> Generation:
    with replaying(FOLDER / case.file):
        return call(driver, case)


# --- What is there ----------------------------------------------------------------------------------------


def test_every_case_has_its_cassette_and_no_file_is_left_over():
    assert {name: each.file for name, each in ALL.items()} == {case.id: FOLDER / case.file for case in CASES}
    assert leftovers(FOLDER) == []


def test_every_case_has_a_file_of_its_own():
    for known in (cases(), live_cases()):
        assert len({case.file for case in known.values()}) == len(known)


def test_every_bound_of_every_parameter_is_recorded_from_both_sides():
    expected = {
        f"{name}::{known.name}::{place}"
        for name, operation in OPERATIONS.items()
        for known in operation.parameters.values()
        for place, is_there in (
            ("min", known.minimum is not None),
            ("below-min", known.minimum is not None),
            ("max", known.maximum is not None),
            ("above-max", known.maximum is not None),
            ("no-multiple", known.multiple_of is not None),
        )
        if is_there
    }

    assert len(expected) > 80
    assert ALL.keys() >= expected


def test_each_default_that_a_page_contradicts_is_recorded_by_the_rules_of_both_profiles():
    turbo, large = "sd35_turbo_txt2img", "sd3_large_img2img"
    expected = {f"{turbo}::steps::4": (406, 200)}
    expected |= {f"{turbo}::{name}::omitted": (406, 200) for name in ("sampler", "scheduler")}
    expected |= {f"{turbo}::steps::omitted": (200, 200)}
    expected |= {f"{large}::{name}::omitted": (200, 200) for name in ("prompt", "negative_prompt")}
    expected |= {f"{operation}::base64::omitted": (200, 200) for operation in OPERATIONS}

    seen = {name for name, each in ALL.items() if each.profile == "observed"}
    assert seen == {f"{name}::observed" for name in expected}
    assert {name: (ALL[name].status, ALL[f"{name}::observed"].status) for name in expected} == expected


def test_a_parameter_that_a_page_gains_brings_its_cases_by_itself():
    turbo = OPERATIONS["sd35_turbo_txt2img"]
    known = Parameter("eta", "number", "", minimum=0.5, maximum=2)
    changed = replace(turbo, parameters={**turbo.parameters, "eta": known})

    found = {
        case.id: {**case.params, **case.beyond}.get("eta") for case in (*inside(changed), *outside(changed))
    }

    assert {name: value for name, value in found.items() if "::eta::" in name} == {
        "sd35_turbo_txt2img::eta::min": 0.5,
        "sd35_turbo_txt2img::eta::max": 2,
        "sd35_turbo_txt2img::eta::below-min": 0.49,
        "sd35_turbo_txt2img::eta::above-max": 2.01,
    }


@pytest.mark.parametrize("document", ["documented", "observed"])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_status_that_the_contract_names_is_recorded(operation: str, document: str):
    bundle = json.loads(files("segmind_sd3_api").joinpath(f"{document}.json").read_text(encoding="utf-8"))
    named = {int(status) for status in bundle["paths"][OPERATIONS[operation].path]["post"]["responses"]}

    assert {each.status for each in ALL.values() if each.operation == operation} >= named


def test_every_provocation_of_a_quirk_is_recorded():
    provoked = {each.provocation for each in ALL.values()}

    assert provoked >= {name for name in PROVOCATIONS if quirk_of(name)}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_what_was_provoked_shows_beside_an_honest_answer_to_the_same_call(operation: str):
    path, headers = OPERATIONS[operation].path, {"x-api-key": MADE_UP_KEY, "content-type": "application/json"}
    unseen: list[str] = []
    for exchange in ALL.values():
        if exchange.operation == operation and exchange.provocation:
            request = Request("POST", path, headers, json.dumps(exchange.sent).encode())
            honest = ReferenceServer("documented").answer(request)
            told = (exchange.status, exchange.headers.get("content-type"), exchange.body)
            if told == (honest.status, honest.headers.get("content-type"), honest.body):
                unseen.append(exchange.case)

    assert unseen == []


each_row_of_a_reply = pytest.mark.parametrize(
    "name", [row.name for row in quirks().values() if row.kind in ("repair", "diagnosis")]
)


@each_row_of_a_reply
def test_a_row_about_replies_is_shown_by_a_cassette_and_by_no_plain_call(name: str):
    found = [each.case for each in ALL.values() if shows(name, each.seen)]

    assert found
    assert [case for case in found if case.endswith("::plain")] == []


@each_row_of_a_reply
def test_the_function_of_a_row_acts_on_every_cassette_that_shows_the_row(name: str):
    for each in ALL.values():
        if shows(name, each.seen):
            reply = Reply(each.status, each.headers, each.body)
            fault = Fault(rule_for(each.status).error, "", None)
            before = {"repair": (reply,), "diagnosis": (reply, fault)}[quirks()[name].kind]
            assert FUNCTIONS[quirks()[name].kind][name](*before) != before[-1], each.case


def test_every_call_names_a_seed_where_its_endpoint_takes_one():
    with_seed = {name for name, operation in OPERATIONS.items() if "seed" in operation.parameters}

    assert {each.operation for each in ALL.values() if "seed" in each.sent} == with_seed
    assert [each.case for each in ALL.values() if (each.operation in with_seed) - ("seed" in each.sent)] == []


def test_all_cassettes_together_stay_small():
    assert sum(file.stat().st_size for folder in by_reference() for file in folder.iterdir()) < 3_000_000


# --- Replayed ---------------------------------------------------------------------------------------------


def expected_size(body: dict[str, Any]) -> tuple[int, int]:
    sides = [value for name, value in body.items() if name.endswith(("width", "height"))]
    return (sides[0], sides[1]) if sides else (64, 64)


def expected_count(case: Case) -> int:
    return 1 if case.provocation == "several-images:string" else case.pictures


def expected_format(case: Case) -> str:
    row, _, variant = (case.provocation or "").partition(":")
    return variant.upper() if row == "reply-format" else "JPEG"


@pytest.mark.usefixtures("no_network")
@each_driver
@each(DRAWN)
def test_a_drawn_picture_replays_as_what_was_asked_for(case: Case, driver: Driver):
    drawn = played(driver, case)

    pictures = [image.to_pil() for image in drawn.images]
    sent = load(FOLDER / case.file).sent
    assert [picture.size for picture in pictures] == [expected_size(sent)] * expected_count(case)
    assert {picture.format for picture in pictures} == {expected_format(case)}
    assert drawn.seed is not None
    assert drawn.cost == pytest.approx(10 - (drawn.credits_remaining or 0))


@pytest.mark.usefixtures("no_network")
@each_driver
@each(FAILED)
def test_a_failure_replays_as_its_error_and_says_whether_it_was_billed(case: Case, driver: Driver):
    error, billed = FAULTS.get(case.expects, (UnusableReply, True))
    if case.provocation in ABOUT_CREDITS or case.id.endswith("status::406"):
        error = InsufficientCredits

    with pytest.raises(error) as caught:
        played(driver, case)

    assert type(caught.value) is error
    assert (caught.value.billed, getattr(caught.value, "status", None)) == (billed, case.expects)


def sent_unchecked(driver: Driver, case: Case) -> Response[File]:
    """Send what the SDK would refuse, by the generated client alone."""
    generated = CALLS[case.operation]
    body = generated.body(body_of(case))
    if driver == "sync":
        with generated_client(REFERENCE_URL, MADE_UP_KEY, verify_ssl=TLS) as client:
            return generated.sync(client=client, body=body)

    async def awaited() -> Response[File]:
        async with generated_client(REFERENCE_URL, MADE_UP_KEY, verify_ssl=TLS) as client:
            return await generated.asyncio(client=client, body=body)

    return anyio.run(awaited, backend=driver)


@pytest.mark.usefixtures("no_network")
@each_driver
@each(REFUSED)
def test_a_value_one_step_outside_replays_as_the_services_refusal(case: Case, driver: Driver):
    ((name, value),) = case.beyond.items()

    with replaying(FOLDER / case.file):
        refused = sent_unchecked(driver, case)

    assert (refused.status_code, refused.parsed) == (406, None)
    assert f"{name} must be" in json.loads(refused.content)["error"]
    assert load(FOLDER / case.file).sent[name] == value


@pytest.mark.usefixtures("no_network")
@each(RAW)
def test_a_call_without_a_parameter_replays_as_drawn_or_as_the_refusal_that_names_it(case: Case):
    kept = load(FOLDER / case.file)

    with replaying(FOLDER / case.file), httpx.Client(base_url=REFERENCE_URL, verify=TLS) as bare:
        came = bare.post(OPERATIONS[case.operation].path, json=body_of(case))

    assert case.without not in kept.sent
    assert (came.status_code, came.content) == (case.expects, kept.body)
    if came.status_code == 406:
        assert came.json() == {"error": f"{case.without} is required"}
    else:
        assert came.headers["content-type"] == "image/jpeg"


# --- Matched, and never twice -----------------------------------------------------------------------------

BOUNDED = [
    (name, known.name)
    for name, operation in OPERATIONS.items()
    for known in operation.parameters.values()
    if known.minimum is not None and known.maximum is not None
]


@pytest.mark.usefixtures("no_network")
@each_driver
@pytest.mark.parametrize(("operation", "parameter"), BOUNDED)
def test_a_maximum_is_not_answered_by_what_was_recorded_of_the_minimum(
    operation: str, parameter: str, driver: Driver
):
    lowest, highest = (cases()[f"{operation}::{parameter}::{place}"] for place in ("min", "max"))

    with replaying(FOLDER / lowest.file), pytest.raises(OutcomeUnknown, match="differ in json_body"):
        call(driver, highest)


@pytest.mark.usefixtures("no_network")
@pytest.mark.parametrize("other", [{"steps": 10.0}, {"base64": 0}, {"tomorrow": None}])
def test_a_body_that_python_alone_takes_for_the_same_is_another(other: dict[str, Any]):
    plain = cases()["sd35_turbo_txt2img::plain"]

    with replaying(FOLDER / plain.file), pytest.raises(OutcomeUnknown, match="differ in json_body"):
        draw("sync", REFERENCE_URL, {**plain.params, "extra": other}, operation=plain.operation, verify=TLS)


@pytest.mark.usefixtures("no_network")
def test_another_path_or_method_is_another_call():
    plain = cases()["sd35_turbo_txt2img::plain"]
    body, path = body_of(plain), OPERATIONS[plain.operation].path

    with replaying(FOLDER / plain.file), httpx.Client(base_url=REFERENCE_URL, verify=TLS) as bare:
        for method, other in (("PUT", path), ("POST", f"{path}x")):
            with pytest.raises(CannotOverwriteExistingCassetteException):
                bare.request(method, other, json=body)
        assert bare.post(path, json=body).status_code == 200


@pytest.mark.usefixtures("no_network")
@each_driver
def test_an_exchange_is_played_once(driver: Driver):
    plain = cases()["sd35_turbo_txt2img::plain"]

    with replaying(FOLDER / plain.file):
        call(driver, plain)
        with pytest.raises(OutcomeUnknown, match="already been played"):
            call(driver, plain)


@pytest.mark.usefixtures("no_network")
@each_driver
def test_without_a_cassette_the_network_is_seen_to_be_blocked(driver: Driver):
    with pytest.raises(AssertionError, match="to leave this process"):
        call(driver, cases()["sd35_turbo_txt2img::plain"])


def test_a_body_that_was_changed_on_disk_is_refused(tmp_path: Path):
    case = cases()["sd3_medium_txt2img::plain"]
    for part in (Path(case.file).parent, "blobs"):
        shutil.copytree(FOLDER / part, tmp_path / part)
    digest = re.findall(r"blob: (\w+)", (tmp_path / case.file).read_text(encoding="utf-8"))[0]
    (tmp_path / "blobs" / digest).write_bytes(b"another picture")

    with pytest.raises(ValueError, match=f"{digest} is not what its name says"):
        load(tmp_path / case.file)


# --- What is never in one ---------------------------------------------------------------------------------


def never_in(folder: Path, *words: str) -> list[tuple[str, str]]:
    """List the files of a folder that hold one of some words, in any case."""
    contents = ((file.name, file.read_bytes().lower()) for file in folder.rglob("*") if file.is_file())
    return [(name, word) for name, content in contents for word in words if word.lower().encode() in content]


def test_no_file_holds_a_key_wherever_it_was_recorded():
    key = re.compile(rb"SG_[0-9a-fA-F]{16}")

    assert [file for file in FOLDER.rglob("*") if file.is_file() and key.search(file.read_bytes())] == []


def test_no_cassette_says_who_sent_it_or_holds_a_cookie():
    words = ("x-api-key", "authorization:", "cookie", "user-agent", "python")

    assert [found for folder in by_reference() for found in never_in(folder, *words)] == []
    assert {name for file in FOLDER.glob("*/*.yaml") for name in request_headers(file)} == {"content-type"}


def by_reference() -> list[Path]:
    """List the folders of what the reference server answered; others hold the words of a stranger."""
    slugs = {operation.slug for operation in OPERATIONS.values()}
    return [folder for folder in FOLDER.iterdir() if folder.name in {*slugs, "blobs"}]


def request_headers(cassette: Path) -> list[str]:
    request = cassette.read_text(encoding="utf-8").partition("  response:")[0]
    return re.findall(r"^      ([\w-]+):", request, flags=re.MULTILINE)


def test_no_cassette_of_the_reference_server_names_the_vendors_host():
    assert [found for folder in by_reference() for found in never_in(folder, VENDOR)] == []
    assert {httpx.URL(each.url).host for each in ALL.values()} == {"reference.invalid"}


# --- Where it came from -----------------------------------------------------------------------------------


def test_each_says_where_it_came_from_and_none_says_that_it_is_live():
    sources = {(each.target, each.profile) for each in ALL.values()}

    assert sources == {("reference", "documented"), ("reference", "observed")}
    assert all(each.headers["x-reference-server"] for each in ALL.values())


def test_each_says_when_and_by_which_versions_it_was_recorded():
    for exchange in ALL.values():
        assert re.fullmatch(r"\d{4}-\d\d-\d\d", exchange.date)
        assert exchange.versions.keys() == {"segmind-sd3", "vcrpy", "pillow"}
        assert all(re.match(r"\d+\.\d", number) for number in exchange.versions.values())


def test_each_was_recorded_by_the_spec_that_is_here():
    assert [name for name, exchange in ALL.items() if not exchange.fresh] == []


def test_an_edit_to_one_endpoint_makes_its_cassettes_stale_and_no_other():
    old = json.loads(files("segmind_sd3_api").joinpath("documented.json").read_text(encoding="utf-8"))
    new = copy.deepcopy(old)
    new["components"]["schemas"]["Sd35TurboTxt2Img"]["properties"]["steps"]["maximum"] = 71

    changed = {path for path in old["paths"] if digest_of(old, path) != digest_of(new, path)}

    assert changed == {OPERATIONS["sd35_turbo_txt2img"].path}


@pytest.mark.slow
@pytest.mark.parametrize("operation", OPERATIONS)
def test_recorded_again_each_is_the_same_but_for_its_date(operation: str, tmp_path: Path):
    if version("pillow") != ALL[f"{operation}::plain"].versions["pillow"]:
        pytest.skip("the committed pictures were encoded by another Pillow")

    for case in CASES:
        if case.operation == operation:
            record(case, tmp_path)

    assert {
        str(file.relative_to(tmp_path))
        for file in tmp_path.rglob("*")
        if file.is_file() and undated(file) != undated(FOLDER / file.relative_to(tmp_path))
    } == set()


def undated(file: Path) -> bytes:
    # The project's own version changes with each release, and no exchange with it.
    return re.sub(rb"(?m)^ +(date|segmind-sd3): .*$", b"", file.read_bytes())


# --- Sources ----------------------------------------------------------------------------------------------


def test_every_row_that_shows_on_the_wire_was_recorded_from_the_reference_server():
    shown = {quirk_of(name) for name in PROVOCATIONS} - {None}

    assert {name for name, where in sources(FOLDER).items() if where} == shown
    assert sources(FOLDER).keys() == quirks().keys()


def test_a_live_exchange_is_a_source_of_the_rows_that_it_shows(tmp_path: Path):
    as_live(
        FOLDER / cases()["sd3_large_img2img::405-html"].file, tmp_path / LIVE / "slug" / "status.405.yaml"
    )

    assert {name: where for name, where in sources(tmp_path).items() if where} == {"405-html": {"live"}}


def test_an_exchange_from_elsewhere_is_no_live_source(tmp_path: Path):
    case = cases()["sd3_large_img2img::405-html"]
    as_live(FOLDER / case.file, tmp_path / LIVE / "slug" / "x.yaml", target="http://127.0.0.1:1")

    assert not any(sources(tmp_path).values())


def as_live(cassette: Path, copied: Path, target: str = LIVE) -> None:
    copied.parent.mkdir(parents=True)
    text = cassette.read_text(encoding="utf-8").replace("target: reference", f"target: {target}")
    copied.write_text(text, encoding="utf-8")


# --- Recording from a live server -------------------------------------------------------------------------


@pytest.fixture
def elsewhere() -> ReferenceServer:
    return ReferenceServer("observed", keys={MARKED_KEY}, credits=100)


@pytest.fixture
def url(elsewhere: ReferenceServer) -> Iterator[str]:
    with elsewhere.listening() as url:
        yield url


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str) -> Command:
    """Run a command in an empty folder, with a marked key to a server that is not the vendor's."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEGMIND_API_KEY", MARKED_KEY)
    monkeypatch.setenv("SEGMIND_BASE_URL", url)

    def run(*words: str, answers: str | None = None) -> Result:
        return CliRunner().invoke(cassettes, words, input=answers)

    return run


def there(folder: Path) -> dict[str, Recorded]:
    """Read what was recorded from a server that is neither the vendor's nor our own."""
    (target,) = (folder / "cassettes").iterdir()
    return dict(recorded(target))


@pytest.mark.slow
def test_what_another_server_answers_is_recorded_as_from_its_url_and_never_as_live(
    command: Command, tmp_path: Path, url: str, elsewhere: ReferenceServer
):
    done = command("record", "--live", "--yes")

    assert done.exit_code == 0, done.output
    found = there(tmp_path)
    assert found.keys() == live_cases().keys()
    assert {(each.target, each.profile) for each in found.values()} == {(url, None)}
    assert {name: each.status for name, each in found.items()} == {
        case.id: case.expects for case in live_cases().values()
    }
    assert not (tmp_path / "cassettes" / LIVE).exists()
    assert never_in(tmp_path, MARKED_KEY) == []
    assert len(elsewhere.ledger) == len(found)


def test_at_most_two_pictures_are_asked_for_in_one_call():
    assert max(case.pictures for case in live_cases().values()) <= 2


def test_no_live_call_is_paid_for_twice():
    paid = [(case.operation, body_of(case)) for case in live_cases().values() if case.pictures]

    assert len({json.dumps(each, sort_keys=True) for each in paid}) == len(paid)


def test_every_endpoint_is_asked_for_its_plain_call_its_bounds_and_what_is_free():
    for operation in OPERATIONS:
        found = {name.partition("::")[2] for name in live_cases() if name.startswith(f"{operation}::")}
        assert found >= {"plain", "status::401", "status::404", "status::405"}
    assert {case.expects for case in live_cases().values()} == {200, 401, 404, 405}


def test_what_would_be_sent_and_its_price_are_said_before_anything_is(
    command: Command, elsewhere: ReferenceServer
):
    done = command("record", "--live", "--only", "sd3_large_img2img::plain", answers="n\n")

    assert done.exit_code == 1
    assert elsewhere.ledger == ()
    said = " ".join(done.output.split())
    assert 'POST {"mode": "image-to-image"' in said
    assert "Calls to" in said
    assert "pictures: 1; price: $0.065, an ESTIMATE" in said
    assert MARKED_KEY not in done.output


def test_a_cassette_that_is_there_is_not_made_again_unless_told(command: Command, elsewhere: ReferenceServer):
    plain = ("record", "--live", "--yes", "--only", "sd3_large_img2img::plain")

    assert [command(*plain).exit_code, command(*plain).exit_code] == [0, 0]
    assert len(elsewhere.ledger) == 1
    assert command(*plain, "--overwrite").exit_code == 0
    assert len(elsewhere.ledger) == 2


def test_an_answer_about_the_account_ends_the_run_and_is_not_kept(
    command: Command, tmp_path: Path, elsewhere: ReferenceServer
):
    elsewhere.provoke("no-retry-after:iso")
    large = ("record", "--live", "--yes", "--only", "sd3_large_img2img::*")

    first = command(*large)

    assert (first.exit_code, len(elsewhere.ledger)) == (1, 1)
    assert "Rate limit exceeded" in first.output
    assert list(tmp_path.rglob("*.yaml")) == []
    assert command(*large).exit_code == 0
    assert there(tmp_path).keys() == {name for name in live_cases() if name.startswith("sd3_large_img2img::")}


def test_what_was_paid_for_before_the_end_of_a_run_is_kept(
    command: Command, tmp_path: Path, elsewhere: ReferenceServer
):
    elsewhere.provoke("error-in-200")
    elsewhere.provoke("gateway-html:504")

    done = command("record", "--live", "--yes", "--only", "sd3_medium_tile::*")

    assert (done.exit_code, len(elsewhere.ledger)) == (1, 2)
    assert "may have been billed" in done.output
    assert [each.status for each in there(tmp_path).values()] == [504, 200]


def test_an_answer_that_was_not_expected_is_kept_for_what_it_says(
    command: Command, tmp_path: Path, elsewhere: ReferenceServer
):
    elsewhere.provoke("status:422")

    command("record", "--live", "--yes", "--only", "sd3_large_img2img::plain")

    assert [each.status for each in there(tmp_path).values()] == [422]


def test_a_key_or_a_cookie_in_the_answer_is_not_kept(
    command: Command, tmp_path: Path, elsewhere: ReferenceServer
):
    echo = {"x-echo": MARKED_KEY, "set-cookie": "session=1"}
    elsewhere.fail_next(422, f"No such thing, {MARKED_KEY}", headers=echo)

    done = command("record", "--live", "--yes", "--only", "sd3_large_img2img::plain")

    (exchange,) = there(tmp_path).values()
    assert json.loads(exchange.body) == {"error": "No such thing, [API key]"}
    assert never_in(tmp_path, MARKED_KEY, "cookie") == []
    assert MARKED_KEY not in done.output


def test_without_a_key_nothing_is_recorded_and_one_sentence_says_what_to_do(
    command: Command, monkeypatch: pytest.MonkeyPatch, elsewhere: ReferenceServer
):
    monkeypatch.delenv("SEGMIND_API_KEY")

    done = command("record", "--live", "--yes")

    assert (done.exit_code, done.output) == (1, "Error: --live: there is no API key: set SEGMIND_API_KEY.\n")
    assert elsewhere.ledger == ()


@pytest.mark.parametrize("origin", ["http://127.0.0.1:1", "https://api.elsewhere.invalid", REFERENCE_URL])
def test_a_target_is_live_where_its_host_is_the_vendors_and_nowhere_else(origin: str):
    assert (Target(BASE_URL, MARKED_KEY).name, Target(origin, MARKED_KEY).name) == (LIVE, origin)
    assert MARKED_KEY not in repr(Target(origin, MARKED_KEY))


# --- The commands -----------------------------------------------------------------------------------------


def test_record_makes_what_was_asked_for_and_removes_what_no_case_makes(command: Command, tmp_path: Path):
    old = tmp_path / "cassettes" / "sd3-med-tile" / "gone.max.yaml"
    blob = tmp_path / "cassettes" / "blobs" / ("0" * 64)
    for file in (old, blob):
        file.parent.mkdir(parents=True)
        file.touch()

    done = command("record", "--only", "sd3_medium_tile::strength::*")

    assert done.exit_code == 0, done.output
    assert "From the REFERENCE server, not live." in done.output
    assert (old.exists(), blob.exists()) == (False, False)
    assert {name.rpartition("::")[2] for name in recorded(tmp_path / "cassettes")} == {
        "min", "max", "below-min", "above-max",
    }  # fmt: skip


def test_a_recording_that_says_the_same_leaves_the_older_one_with_its_date(command: Command, tmp_path: Path):
    plain = ("record", "--only", "sd3_medium_tile::plain")
    command(*plain)
    (file,) = tmp_path.rglob("*.yaml")
    older = re.sub(r"date: '.*'", "date: '2001-01-01'", file.read_text(encoding="utf-8"))
    file.write_text(older, encoding="utf-8")

    command(*plain)

    assert file.read_text(encoding="utf-8") == older


def test_list_tells_fresh_from_stale(command: Command, tmp_path: Path):
    command("record", "--only", "sd3_medium_tile::strength::m*")
    file = tmp_path / "cassettes" / cases()["sd3_medium_tile::strength::min"].file
    file.write_text(re.sub(r"spec: sha256:\w+", "spec: sha256:0", file.read_text("utf-8")), encoding="utf-8")

    rows = json.loads(command("list", "--json").output)

    assert {(row["case"], row["target"], row["stale"]) for row in rows} == {
        ("sd3_medium_tile::strength::min", "reference", "recorded under another spec"),
        ("sd3_medium_tile::strength::max", "reference", None),
    }
    assert "2 cassettes, 1 stale, 0 live." in command("list").output


def test_list_says_what_to_do_where_there_is_none(command: Command):
    done = command("list")

    assert done.exit_code == 1
    assert done.output.endswith(": segmind-sd3 cassettes record makes some.\n")


@pytest.mark.parametrize(
    "words", [("record", "--only", "nothing"), ("record", "--yes"), ("record", "--overwrite")]
)
def test_a_command_that_means_nothing_is_refused(command: Command, words: tuple[str, ...]):
    assert command(*words).exit_code == 2


@pytest.mark.slow
def test_the_module_is_a_command():
    done = subprocess.run(
        [sys.executable, "-m", "segmind_sd3_contract.cassettes", "list"],
        cwd=FOLDER.parent,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert f"{len(cases())} cassettes, 0 stale" in done.stdout
