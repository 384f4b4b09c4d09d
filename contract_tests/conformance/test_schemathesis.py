"""schemathesis against the reference server: in-process, and its command line over a socket.

Both contracts are tried as they stand. What the checks promise is proved on servers that break it.
"""

import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from PIL import Image
from schemathesis.engine import Status, events, from_schema
from segmind_sd3_contract import (
    schemathesis_hooks,  # noqa: F401 # pyright: ignore[reportUnusedImport] - importing it registers the hooks
)
from segmind_sd3_contract.oracle import carried
from segmind_sd3_contract.reference import (
    PROFILES,
    Answer,
    Profile,
    ReferenceServer,
    Request,
    example_request,
)
from segmind_sd3_contract.reference.asgi import application

ROOT = Path(__file__).parents[2]
CONFIG = Path(__file__).with_name("schemathesis.toml")
DOCUMENTS = {name: ROOT / "generated_client" / "segmind_sd3_api" / f"{name}.json" for name in PROFILES}
OPERATIONS = {
    profile: [
        operation["operationId"] for path in carried(profile)["paths"].values() for operation in path.values()
    ]
    for profile in PROFILES
}
PHASES = ("examples", "coverage", "fuzzing")
RICH = 1e6
"""Credits that no run uses up."""

REFUSED: dict[Profile, int] = {"documented": 406, "observed": 400}
TURBO, TILE = "sd35_turbo_txt2img", "sd3_medium_tile"


@dataclass
class Tried:
    """What schemathesis did: how many cases it made, the phases that sent any, and what failed."""

    cases: int
    phases: set[str]
    failed: set[str]


def settings(profile: Profile, chosen: Sequence[str] = PHASES) -> Any:
    """Return the settings of the file. A refusal by the pages is the one that is assumed of them."""
    read = tomllib.loads(CONFIG.read_text("utf-8"))
    read["checks"]["negative_data_rejection"]["expected-statuses"] += [REFUSED[profile]]
    # Any: what it loads is typed in part only.
    config: Any = schemathesis.Config.from_dict(read)  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
    config.projects.default.phases.update(phases=list(chosen))
    return config


def run(server: ReferenceServer, operation: str, chosen: Sequence[str] = PHASES) -> Tried:
    """Try one operation in-process by the document of the server's own profile."""
    load: Any = schemathesis
    schema = load.openapi.from_path(DOCUMENTS[server.profile], config=settings(server.profile, chosen))
    schema.app = application(server)
    cases = 0
    phases: set[str] = set()
    failed: set[str] = set()
    for event in from_schema(schema.include(operation_id=operation)).execute():
        match event:
            case events.ScenarioFinished(recorder=recorder):
                cases += len(recorder.cases)
                phases |= {event.phase.value} if recorder.cases else set()
                checks = [check for each in recorder.checks.values() for check in each]
                failed |= {
                    f"{check.name}: {check.failure_info.failure.message}\n{check.failure_info.code_sample}"
                    for check in checks
                    if check.status == Status.FAILURE and check.failure_info
                }
            case events.EngineFinished():
                failed |= {f"in the end: {failure.message}" for failure in event.failures}
            case events.NonFatalError() | events.FatalError():
                failed.add(f"schemathesis itself: {event}")
            case _:
                pass
    return Tried(cases, phases, failed)


def drawn_steps(server: ReferenceServer) -> dict[object, bool]:
    """Say for each value of `steps` that was sent whether a call with it was drawn."""
    found: dict[object, bool] = {}
    for call in server.ledger:
        match call.body:
            case {"steps": int(steps)}:
                found[steps] = found.get(steps, False) or call.status == 200
            case _:
                pass
    return found


# -- An honest server -------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    ("profile", "operation"),
    [(profile, operation) for profile in PROFILES for operation in OPERATIONS[profile]],
)
@pytest.mark.thorough
def test_whatever_schemathesis_sends_is_answered_as_the_contract_says(
    profile: Profile, operation: str, record_property: Callable[[str, object], None]
):
    server = ReferenceServer(profile, RICH)

    tried = run(server, operation)

    record_property("explored", ["schemathesis", profile, operation, tried.cases, server.ledger[-1].n])
    assert tried.failed == set()
    assert tried.phases == {*PHASES} - ({"examples"} if operation == "get_user_credits" else set())


@pytest.mark.parametrize("profile", ["documented", pytest.param("observed", marks=pytest.mark.slow)])
def test_the_minimum_of_steps_is_tried_from_both_sides_in_each_contract(
    profile: Profile, record_property: Callable[[str, object], None]
):
    server = ReferenceServer(profile, RICH)

    tried = run(server, TURBO, ("coverage",))

    record_property("explored", ["schemathesis", profile, TURBO, tried.cases, server.ledger[-1].n])
    assert tried.failed == set()
    drawn = drawn_steps(server)
    assert (drawn[9], drawn[10]) == (profile == "observed", True)


# -- A server that breaks what a check promises -----------------------------------------------------------


class Changed(ReferenceServer):
    """Changes each answer to an endpoint."""

    def __init__(self, change: Callable[[Answer], Answer]) -> None:
        super().__init__("observed", RICH)
        self.change = change

    def answer(self, request: Request) -> Answer:
        return self.change(super().answer(request))


def provoked(name: str) -> ReferenceServer:
    server = ReferenceServer("observed", RICH)
    server.provoke(name, times=None)
    return server


def drawn(change: Callable[[Answer], Answer]) -> ReferenceServer:
    return Changed(lambda answer: change(answer) if answer.status == 200 else answer)


def without_a_column(answer: Answer) -> Answer:
    picture = Image.open(BytesIO(answer.body))
    file = BytesIO()
    picture.crop((0, 0, picture.width - 1, picture.height)).save(file, picture.format)
    return answer.with_body(file.getvalue(), answer.headers["content-type"])


def drawn_for_nothing(refusal: Answer) -> Answer:
    server = ReferenceServer("observed")
    (tile,) = (each for each in server.operations.values() if each.operation_id == TILE)
    balance = refusal.headers["x-remaining-credits"]
    return server.answer(example_request(tile)).with_headers(x_cost="0", x_remaining_credits=balance)


PAID: dict[str, tuple[Callable[[], ReferenceServer], str]] = {
    "a seed that is no number": (
        lambda: provoked("odd-header:x-seed-value:plenty"),
        "kept_contract: header:x-seed-value (observed): expected a integer; came 'plenty'",
    ),
    "a picture that is called a page": (
        lambda: provoked("wrong-media-type:html"),
        "kept_contract: media-type",
    ),
    "garbage": (
        lambda: provoked("garbage"),
        "promised_picture: picture (documented): expected a whole picture",
    ),
    "another format": (lambda: provoked("reply-format:webp"), "promised_picture: picture-format"),
    "another size": (
        lambda: drawn(without_a_column),
        "promised_picture: picture-size (documented): expected 64 x 64; came 63 x 64",
    ),
    "bytes behind the picture": (
        lambda: provoked("bytes-after-picture"),
        "bytes follow the picture: b",
    ),
    "a negative cost": (
        lambda: drawn(lambda answer: answer.with_headers(x_cost="-1")),
        "MoneyAddsUp: a 200 costs -1",
    ),
    "no call that is let in": (lambda: ReferenceServer("observed", RICH, keys=()), "never a 200: POST /v1/"),
}
"""Servers that break what a drawn call is promised, and the failure that names it."""

WHOLE_RUN: dict[str, tuple[int, Callable[[Answer], Answer], str]] = {
    "a balance that stays": (
        200,
        lambda answer: answer.with_headers(x_remaining_credits="1000000"),
        "in the end: the balance fell from 1000000.000000 to 1000000.000000 by a call that costs 0.00769",
    ),
    "a cost that is doubled": (
        200,
        lambda answer: answer.with_headers(x_cost="0.01538"),
        "in the end: the balance fell from",
    ),
    "a refusal that takes money in silence": (
        400,
        lambda answer: answer.with_headers(x_remaining_credits="999"),
        "in the end: the balance is 999.000000 after a call that drew nothing",
    ),
    "a refusal that costs": (
        400,
        lambda answer: answer.with_headers(x_cost="0.1"),
        "MoneyAddsUp: a 400 costs 0.1",
    ),
    "a 406 for bad data": (400, lambda answer: replace(answer, status=406), "negative_data_rejection: "),
    "a bad call that is drawn": (400, drawn_for_nothing, "kept_contract: refusal (documented)"),
}
"""What is made of each answer of a status, and the failure that names it."""


@pytest.mark.parametrize(("server", "words"), PAID.values(), ids=PAID)
def test_a_reply_that_breaks_what_is_promised_of_a_drawn_call_fails(
    server: Callable[[], ReferenceServer], words: str
):
    failed = run(server(), TURBO, ("examples",)).failed

    assert [each for each in failed if words in each] != []


@pytest.mark.slow
@pytest.mark.parametrize(("status", "change", "words"), WHOLE_RUN.values(), ids=WHOLE_RUN)
@pytest.mark.thorough
def test_replies_that_break_what_is_promised_of_a_run_fail(
    status: int, change: Callable[[Answer], Answer], words: str
):
    server = Changed(lambda answer: change(answer) if answer.status == status else answer)

    failed = run(server, TILE, ("coverage",)).failed

    assert [each for each in failed if each.startswith(words)] != []


# -- The command line -------------------------------------------------------------------------------------


def command(
    server: ReferenceServer, *options: str, config: Path = CONFIG, profile: Profile = "observed"
) -> tuple[int, str]:
    """Run schemathesis over a socket; give its exit code, and what it said."""
    with server.listening() as url:
        run_it = [sys.executable, "-m", "schemathesis.cli", "--no-color", "--config-file", str(config), "run"]
        ran = subprocess.run(
            [*run_it, str(DOCUMENTS[profile]), "--url", url, *options],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
    return ran.returncode, ran.stdout + ran.stderr


@pytest.fixture(params=PROFILES)
def profile(request: pytest.FixtureRequest) -> Profile:
    return request.param


@pytest.mark.slow
def test_the_command_line_finds_nothing_to_fail_or_to_warn_of(
    profile: Profile, tmp_path: Path, record_property: Callable[[str, object], None]
):
    config = tmp_path / "schemathesis.toml"
    config.write_text(CONFIG.read_text("utf-8").replace("[400, ", f"[{REFUSED[profile]}, "), "utf-8")
    server = ReferenceServer(profile, RICH)

    options = ("--phases=examples,fuzzing", "--max-examples=5")
    code, said = command(server, *options, config=config, profile=profile)

    assert (code, "No issues found" in said) == (0, True), said
    assert f"Operations:       {len(OPERATIONS[profile])} selected" in said
    made = re.search(r"(\d+) generated", said)
    record_property(
        "explored",
        ["schemathesis", profile, "over a socket", int(made[1]) if made else 0, server.ledger[-1].n],
    )


@pytest.mark.slow
def test_a_warning_alone_fails_the_command_line(tmp_path: Path):
    config = tmp_path / "schemathesis.toml"
    unused = '\n[auth.openapi.NoSuchScheme]\napi_key = "nobody\'s"\n'
    config.write_text(CONFIG.read_text("utf-8") + unused, "utf-8")

    code, said = command(
        ReferenceServer("observed", RICH),
        "--phases=examples",
        "--include-operation-id=sd3_large_img2img",
        config=config,
    )

    assert (code, "NoSuchScheme" in said, "failed" in said) == (1, True, False), said
