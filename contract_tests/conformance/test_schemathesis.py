"""schemathesis against the reference server: in-process, and its command line over a socket.

What the checks promise is proved on servers that break it.
"""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from schemathesis.engine import Status, events, from_schema
from segmind_sd3_contract import (
    oracle,
    schemathesis_hooks,  # noqa: F401 # pyright: ignore[reportUnusedImport] - importing it registers the hooks
)
from segmind_sd3_contract.reference import Answer, ReferenceServer, Request
from segmind_sd3_contract.reference.asgi import application

ROOT = Path(__file__).parents[2]
CONFIG = Path(__file__).with_name("schemathesis.toml")
OBSERVED = ROOT / "generated_client" / "segmind_sd3_api" / "observed.json"
OPERATIONS = [
    each["operationId"] for path in oracle.document("observed")["paths"].values() for each in path.values()
]
PHASES = ("examples", "coverage", "fuzzing")
RICH = 1e6
"""Credits that no run uses up."""


def run(
    server: ReferenceServer, operation: str, chosen: tuple[str, ...] = PHASES
) -> tuple[set[str], set[str]]:
    """Try one operation in-process; give the phases that sent anything, and what failed."""
    # Any: what it loads is typed in part only.
    load: Any = schemathesis
    config = load.Config.from_path(CONFIG)
    config.projects.default.phases.update(phases=list(chosen))
    schema = load.openapi.from_path(OBSERVED, config=config)
    schema.app = application(server)
    phases: set[str] = set()
    failed: set[str] = set()
    for event in from_schema(schema.include(operation_id=operation)).execute():
        match event:
            case events.ScenarioFinished(recorder=recorder):
                phases |= {event.phase.value} if recorder.cases else set()
                checks = [check for each in recorder.checks.values() for check in each]
                failed |= {
                    f"{check.name}: {check.failure_info.failure.message}\n{check.failure_info.code_sample}"
                    for check in checks
                    if check.status == Status.FAILURE and check.failure_info
                }
            case events.EngineFinished():
                failed |= {failure.message for failure in event.failures}
            case events.NonFatalError() | events.FatalError():
                failed.add(f"schemathesis itself: {event}")
            case _:
                pass
    return phases, failed


@pytest.mark.parametrize(
    "operation",
    [
        pytest.param(operation, marks=() if operation == "sd3_medium_tile" else pytest.mark.slow)
        for operation in OPERATIONS
    ],
)
def test_whatever_schemathesis_sends_is_answered_as_the_contract_says(operation: str):
    phases, failed = run(ReferenceServer("observed", RICH), operation)

    assert failed == set()
    assert phases == {*PHASES} - ({"examples"} if operation == "get_user_credits" else set())


def test_a_server_that_answers_401_to_everything_fails():
    nobody = ReferenceServer("observed", RICH, keys=())

    _, failed = run(nobody, "sd3_medium_tile", ("examples",))

    assert "never a 200: POST /v1/sd3-med-tile" in failed


def test_a_server_that_sends_garbage_for_a_picture_fails():
    server = ReferenceServer("observed", RICH)
    server.provoke("garbage", times=None)

    _, failed = run(server, "sd3_medium_tile", ("examples",))

    assert any("kept_contract: picture (documented): expected a whole picture" in each for each in failed)


@pytest.mark.slow
def test_a_server_that_answers_406_to_bad_data_fails():
    class Unspecific(ReferenceServer):
        def answer(self, request: Request) -> Answer:
            answer = super().answer(request)
            return replace(answer, status=406) if answer.status == 400 else answer

    _, failed = run(Unspecific("observed", RICH), "sd3_medium_tile", ("coverage",))

    assert {each.partition(":")[0] for each in failed} == {"negative_data_rejection"}


# -- The command line -------------------------------------------------------------------------------------


def command(server: ReferenceServer, *options: str, config: Path = CONFIG) -> tuple[int, str]:
    """Run schemathesis over a socket; give its exit code, and what it said."""
    with server.listening() as url:
        run_it = [sys.executable, "-m", "schemathesis.cli", "--no-color", "--config-file", str(config), "run"]
        ran = subprocess.run(
            [*run_it, str(OBSERVED), "--url", url, *options],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
    return ran.returncode, ran.stdout + ran.stderr


@pytest.mark.slow
def test_the_command_line_finds_nothing_to_fail_or_to_warn_of():
    code, said = command(ReferenceServer("observed", RICH), "--phases=examples,fuzzing", "--max-examples=5")

    assert (code, "No issues found" in said) == (0, True), said
    assert f"Operations:       {len(OPERATIONS)} selected" in said


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
