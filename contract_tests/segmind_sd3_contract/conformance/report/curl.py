"""Write the curl command that repeats an exchange, ready to paste into a POSIX shell.

It sends what was sent, large pictures included. The key is a shell variable.
"""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any, Final

from segmind_sd3_contract.conformance.results import IN_THIS_PROCESS, KEY_SHOWN_AS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from segmind_sd3_contract.conformance.results import Exchange

LONGEST_LINE: Final = 160
"""Characters of JSON that still stand on the command's own line."""

LONGEST_ARGUMENT: Final = 100_000
"""Characters that a shell still passes as one argument. A longer text of ours is padded with spaces."""

_CLOSING: Final = "BODY"


def command(exchange: Exchange, target: str) -> str:
    """Return the command; it prints status and headers, and keeps the reply's body in the file `reply`."""
    line = " \\\n  ".join(_parts(exchange, target))
    if exchange.headers.get("content-encoding") == "gzip":
        return f"printf %s {shlex.quote(json.dumps(exchange.sent))} | gzip -c | {line}"
    return line


def _parts(exchange: Exchange, target: str) -> Iterator[str]:
    if target == IN_THIS_PROCESS:
        # It ended with the run, and has no address: `segmind-sd3 serve` prints that of one like it.
        yield f'curl -sS -D - -o reply {_method(exchange)} "$SEGMIND_BASE_URL"{shlex.quote(exchange.path)}'
    else:
        address = target.rstrip("/") + exchange.path
        yield f"curl -sS -D - -o reply {_method(exchange)} {shlex.quote(address)}"
    for name, value in exchange.headers.items():
        yield f"-H {_quoted(f'{name}: {value}')}"
    if exchange.sent is not None:
        if "content-type" not in exchange.headers:
            yield "-H 'content-type:'"  # else curl names one by itself
        is_zipped = exchange.headers.get("content-encoding") == "gzip"
        yield "--data-binary @-" if is_zipped else _data(exchange.sent)


def _method(exchange: Exchange) -> str:
    # curl would wait for the body that -X HEAD announces.
    return "-I" if exchange.method == "HEAD" else f"-X {shlex.quote(exchange.method)}"


def _quoted(text: str) -> str:
    """Quote for the shell, all but the variable of the key."""
    if KEY_SHOWN_AS not in text:
        return shlex.quote(text)
    escaped = text.translate({ord(character): f"\\{character}" for character in '\\"`$'})
    return '"' + escaped.replace("\\" + KEY_SHOWN_AS, KEY_SHOWN_AS) + '"'


def _data(sent: Any) -> str:
    line = sent if isinstance(sent, str) else json.dumps(sent)
    if isinstance(sent, str) and len(sent) > LONGEST_ARGUMENT:
        padded = sent.lstrip(" ")
        return f"--data-binary @- <<{_CLOSING}\n$(printf '%{len(sent)}s' {shlex.quote(padded)})\n{_CLOSING}"
    if isinstance(sent, str) or len(line) <= LONGEST_LINE:
        return f"--data-raw {shlex.quote(line)}"
    # One member a line: a picture is one long line, and all others can be read. Too long for an argument, it
    # comes by way of standard input.
    return f"--data-binary @- <<'{_CLOSING}'\n{json.dumps(sent, indent=2)}\n{_CLOSING}"
