"""Compare what SDKs of paid APIs do with a call that may have been billed: `python -m proofs.paid_calls`.

Each SDK makes one call of each server. A server reads the whole request, as one that draws would, and then
fails in its own way. Counted is how often the call was sent: each time may have been billed. Every SDK has an
environment of its own, and its own defaults but for the address and the timeout.
"""

from __future__ import annotations

import argparse
import base64
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.console import Console
from segmind_sd3_contract.conformance.bodies import picture

from proofs.fixtures.sockets import refusing, reply, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from proofs.fixtures.sockets import Connection, Peer, Script

ROOT: Final = Path(__file__).parents[3]
CALL: Final = Path(__file__).with_name("call.py")
PAGE: Final = ROOT / "docs" / "paid-calls.md"
ENVIRONMENTS: Final = ROOT / "out" / "paid-calls"
TIMEOUT: Final = 2.0
"""The timeout that each SDK is given, in seconds."""

OURS: Final = "segmind-sd3"
REQUIREMENTS: Final = {
    "openai": "openai==3.57.0",
    "together": "together==3.1.1",
    "replicate": "replicate==1.0.7",
    "fal-client": "fal-client==1.0.3",
    "segmind": "segmind==1.3.0",
    OURS: "this checkout",
}
INSTALL_SECONDS: Final = 300
"""How long an installation may take."""


# -- Servers ----------------------------------------------------------------------------------------------


def good_reply(target: str) -> bytes:
    """Return the reply that the API behind an address gives to a call that worked."""
    text = picture()
    if "/images/" in target:
        content: object = {"created": 1, "data": [{"b64_json": text, "index": 0, "type": "b64_json"}]}
        content = {**content, "id": "1", "model": "a-model", "object": "list"}
    elif target.endswith("/predictions"):
        content = {
            "id": "1",
            "model": "an-owner/a-model",
            "version": "1",
            "status": "succeeded",
            "input": {},
            "output": "https://example.org/1.jpg",
            "urls": {},
        }
    elif target.startswith("/fal/"):
        content = {"images": [{"url": f"data:image/jpeg;base64,{text}"}]}
    else:
        return reply(body=base64.b64decode(text), content_type="image/jpeg", x_cost="0.0035")
    return reply(body=json.dumps(content).encode(), content_type="application/json")


def after_the_request(act: Callable[[Connection, str], object]) -> Script:
    """Read each whole request, and then act."""

    def script(connection: Connection) -> None:
        while (request := connection.request()) is not None:
            if act(connection, request.path) is not True:
                return

    return script


def _hang_up(_connection: Connection, _target: str) -> None:
    """Let the connection be closed."""


def _reset(connection: Connection, _target: str) -> None:
    connection.reset()


def _be_silent(connection: Connection, _target: str) -> None:
    connection.wait_for_hangup()


def _draw(connection: Connection, target: str) -> bool:
    connection.send(good_reply(target))
    return True


def _cut(connection: Connection, target: str) -> None:
    whole = good_reply(target)
    connection.send(whole[: len(whole) // 2])


def _stall(connection: Connection, target: str) -> None:
    _cut(connection, target)
    connection.wait_for_hangup()


def status(code: int, **headers: str) -> Script:
    body = json.dumps({"error": f"status {code}"}).encode()
    answer = reply(code, body, content_type="application/json", **headers)

    def act(connection: Connection, _: str) -> bool:
        connection.send(answer)
        return True

    return after_the_request(act)


@dataclass(frozen=True)
class Fault:
    """A way to fail after the request was read, and whether the call may have been billed."""

    name: str
    script: Script | None
    may_be_billed: bool = True


WORKS: Final = Fault("none: the picture comes", after_the_request(_draw))
FAULTS: Final = (
    Fault("closed without a reply", after_the_request(_hang_up)),
    Fault("reset without a reply", after_the_request(_reset)),
    Fault("silent until the timeout", after_the_request(_be_silent)),
    Fault("half a reply, then closed", after_the_request(_cut)),
    Fault("half a reply, then silent", after_the_request(_stall)),
    *(Fault(f"status {code}", status(code)) for code in (408, 409, 500, 502, 503, 504)),
    Fault("status 429, Retry-After: 0", status(429, retry_after="0"), may_be_billed=False),
    Fault("connection refused", None, may_be_billed=False),
)
ALL: Final = (WORKS, *FAULTS)


# -- Calls ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Result:
    """What one SDK did with one fault.

    Attributes:
        posts: How often the whole call arrived.
        billed: What the error says of the bill: True, False, None for "nobody can know", or "not said".
    """

    sdk: str
    fault: str
    posts: int
    seconds: float
    error: str | None
    billed: object


def set_up(sdk: str) -> str:
    """Make the environment of an SDK, if it is missing. Return the path of its Python."""
    if sdk == OURS:
        return sys.executable
    folder = ENVIRONMENTS / REQUIREMENTS[sdk]
    python = str(folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python"))
    if not (folder / "ready").exists():
        uv = [sys.executable, "-m", "uv", "--quiet", "--system-certs"]
        for command in (
            [*uv, "venv", "--clear", "--python", sys.executable, str(folder)],
            [*uv, "pip", "install", "--python", python, REQUIREMENTS[sdk]],
        ):
            subprocess.run(command, check=True, capture_output=True, text=True, timeout=INSTALL_SECONDS)  # noqa: S603 - as above
        (folder / "ready").touch()
    return python


def results_of(sdk: str, faults: Sequence[Fault] = ALL) -> list[Result]:
    """Make one call for each fault."""
    results: list[Result] = []
    command = [set_up(sdk), str(CALL), sdk, str(TIMEOUT)]
    with ExitStack() as stack:
        servers = [_server(fault, stack) for fault in faults]
        urls = "".join(f"{url}\n" for url, _ in servers)
        done = subprocess.run(command, input=urls, capture_output=True, text=True, check=True)  # noqa: S603 - as above
        for fault, (_, peer), line in zip(faults, servers, done.stdout.splitlines(), strict=True):
            posts = [each for each in peer.requests if each.method == "POST"] if peer else []
            results.append(Result(sdk, fault.name, len(posts), **json.loads(line)))
    return results


def _server(fault: Fault, stack: ExitStack) -> tuple[str, Peer | None]:
    if fault.script is None:
        return stack.enter_context(refusing()), None
    peer = stack.enter_context(serving(fault.script))
    return peer.url, peer


# -- The report -------------------------------------------------------------------------------------------


PAGE_TEXT: Final = """\
# Paid calls: who sends one twice

A server read the whole request and then failed: the call may have been drawn and billed. The table counts how
often each SDK sent it. `make prove WHAT=peers` makes it with servers on loopback; no live service was called.

{day}; {versions};
each with its own defaults and a timeout of {timeout:g} s, as in a program whose author changed nothing.

{paid}

A number is how often the call was sent, with the seconds until the error. What certainly was not billed may
be sent again:

{unpaid}

## What the error says

{errors}
"""


def markdown(results: Mapping[tuple[str, str], Result], sdks: Sequence[str], day: str) -> str:
    """Return the page."""
    paid = [fault for fault in FAULTS if fault.may_be_billed]
    again = [sum(results[sdk, fault.name].posts > 1 for fault in paid) for sdk in sdks]
    sums = [f"**sent again, of {len(paid)}**", *(f"**{number}**" for number in again)]

    def rows(faults: Sequence[Fault]) -> list[list[str]]:
        return [[fault.name, *(_cell(results[sdk, fault.name]) for sdk in sdks)] for fault in faults]

    shown = [results[sdk, fault.name] for sdk in sdks for fault in (paid[0], paid[2])]
    return PAGE_TEXT.format(
        day=day,
        versions=", ".join(REQUIREMENTS[sdk].replace("==", " ") for sdk in sdks if sdk != OURS),
        timeout=TIMEOUT,
        paid=_table(["after the request was read", *sdks], [*rows(paid), sums]),
        unpaid=_table(["not billed", *sdks], rows([each for each in FAULTS if not each.may_be_billed])),
        errors=_table(
            ["SDK", "fault", "the error", "of the bill"],
            [[each.sdk, each.fault, _escaped(each.error), _bill(each.billed)] for each in shown],
        ),
    )


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _cell(result: Result) -> str:
    return f"{result.posts} ({result.seconds:.1f} s)"


def _bill(billed: object) -> str:
    texts = {"None": "`billed=None`: nobody can know", "True": "`billed=True`", "False": "`billed=False`"}
    return texts.get(str(billed), "nothing")


def _escaped(error: str | None) -> str:
    text = (error or "none").replace("\\", "\\\\").replace("|", "\\|").replace("`", "'")
    return f"`{text[:160]}`"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description="Count how often SDKs send a call that may have been billed."
    )
    parser.add_argument("only", nargs="*", metavar="SDK", help=f"of: {', '.join(REQUIREMENTS)}")
    parser.add_argument("--docs", action="store_true", help=f"write {PAGE.relative_to(ROOT)}")
    options = parser.parse_args(arguments)
    sdks, console = options.only or list(REQUIREMENTS), Console()
    results: dict[tuple[str, str], Result] = {}
    with ThreadPoolExecutor(len(sdks)) as pool, console.status("Calling…"):
        for found in pool.map(results_of, sdks):
            results |= {(each.sdk, each.fault): each for each in found}
    broken = [sdk for sdk in sdks if results[sdk, WORKS.name].error or results[sdk, WORKS.name].posts != 1]
    text = markdown(results, sdks, f"{datetime.now(UTC):%Y-%m-%d}")
    console.print(text, markup=False, soft_wrap=True)
    ENVIRONMENTS.mkdir(parents=True, exist_ok=True)
    report = {"version": version("segmind-sd3"), "results": [asdict(each) for each in results.values()]}
    (ENVIRONMENTS / "results.json").write_text(json.dumps(report, indent=2), "utf-8")
    if options.docs and not broken:
        PAGE.write_text(text, "utf-8")
    for sdk in broken:
        print(
            f"{sdk}: a call without a fault did not work: {results[sdk, WORKS.name].error}", file=sys.stderr
        )
    twice = [f.name for f in FAULTS if OURS in sdks and f.may_be_billed and results[OURS, f.name].posts > 1]
    for name in twice:
        print(f"{OURS} sent a call again that may have been billed: {name}", file=sys.stderr)
    return 1 if broken or twice else 0


if __name__ == "__main__":
    sys.exit(main())
