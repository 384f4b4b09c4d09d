"""Measure how a picture of 16 MB is sent from its file, beside the sample of the docs pages.

The sample reads the file, makes base64 text of it, and posts JSON by `requests`. Times are compared in one
process, in turns. Memory is the peak above that of an idle client, each in a new process (Linux only).
"""

from __future__ import annotations

import asyncio
import base64
import re
import subprocess
import sys
import time
import warnings
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

import requests
from segmind_sd3 import AsyncClient, Client

from proofs.bench.server import jpeg, server_command, serving

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

KEY: Final = "SG_0123456789abcdef"
SIZE: Final = 16_000_000
REPLY_SIZE: Final = 300_000
AT_ONCE: Final = 64
ROUNDS: Final = 7

Pairs = list[tuple[float, float]]
"""What a call by the SDK and by the sample took, for each round."""


@dataclass(frozen=True, slots=True)
class BigPictures:
    """What was measured: seconds, and megabytes above the idle client."""

    seconds: Pairs
    memory: Pairs
    at_once: Sequence[float]

    def limits(self) -> list[tuple[str, float, float]]:
        """Return each figure by name, with the highest that is permitted."""
        return [
            ("time, as a ratio", _ratio(self.seconds), 0.35),
            ("memory, as a ratio", _ratio(self.memory), 0.1),
            (f"memory of {AT_ONCE} at once, in MB", median(self.at_once), 64),
        ]


def _ratio(pairs: Pairs) -> float:
    return median(ours / sample for ours, sample in pairs)


def measure(*, rounds: int = ROUNDS, size: int = SIZE) -> BigPictures:
    """Send a picture of this size from a file, in turns with the sample."""
    with TemporaryDirectory() as folder, server_command() as command:
        path = Path(folder, "big.jpg")
        path.write_bytes(jpeg(size))
        with serving(command, jpeg(REPLY_SIZE)) as url:
            peaks = [[_peak(kind, url, path) for kind in PEAKS] for _ in range(rounds)]
            return BigPictures(
                _seconds(url, path, rounds),
                [(ours, sample) for ours, sample, _ in peaks],
                [p[2] for p in peaks],
            )


def send_sample(url: str, path: Path) -> None:
    """Send a picture as the sample of the docs pages does."""
    body = {"prompt": "a panda", "image": base64.b64encode(path.read_bytes()).decode()}
    reply = requests.post(f"{url}/v1/sd3-med-img2img", json=body, headers={"x-api-key": KEY}, timeout=60)
    reply.raise_for_status()


def send(client: Client, path: Path) -> None:
    client.sd3_medium_img2img(prompt="a panda", image=path)


def _seconds(url: str, path: Path, rounds: int) -> Pairs:
    with Client(KEY, base_url=url) as client, warnings.catch_warnings(action="ignore"):
        calls: list[Callable[[], None]] = [lambda: send(client, path), lambda: send_sample(url, path)]
        for call in calls:
            call()  # imports what a first call needs
        return [(_timed(calls[0]), _timed(calls[1])) for _ in range(rounds)]


def _timed(call: Callable[[], None]) -> float:
    before = time.perf_counter()
    call()
    return time.perf_counter() - before


# -- Memory -----------------------------------------------------------------------------------------------


def _peak(kind: str, url: str, path: Path) -> float:
    words = [sys.executable, "-m", "proofs.bench.big_pictures", kind, url, str(path)]
    return float(subprocess.run(words, check=True, capture_output=True, text=True).stdout)  # noqa: S603 - this module


def _peak_of_ours(url: str, path: Path) -> float:
    with Client(KEY, base_url=url) as client:
        client.sd35_turbo_txt2img(prompt="a panda")
        before = _begin()
        send(client, path)
        return _megabytes("VmHWM") - before


def _peak_of_sample(url: str, path: Path) -> float:
    requests.post(url, json={}, timeout=60).raise_for_status()
    before = _begin()
    send_sample(url, path)
    return _megabytes("VmHWM") - before


def _peak_of_many(url: str, path: Path) -> float:
    async def many() -> float:
        async with AsyncClient(KEY, base_url=url) as client:
            await client.sd35_turbo_txt2img(prompt="a panda")
            before = _begin()
            calls: list[Awaitable[object]] = [
                client.sd3_medium_img2img(prompt="a panda", image=path) for _ in range(AT_ONCE)
            ]
            await asyncio.gather(*calls)
            return _megabytes("VmHWM") - before

    return asyncio.run(many())


PEAKS: Final = {"ours": _peak_of_ours, "sample": _peak_of_sample, "at-once": _peak_of_many}


def _begin() -> float:
    """Begin a new peak, and return the memory in use."""
    Path("/proc/self/clear_refs").write_text("5", "ascii")
    return _megabytes("VmRSS")


def _megabytes(name: str) -> float:
    status = Path("/proc/self/status").read_text("ascii")
    found = re.search(rf"^{name}:\s+(\d+) kB$", status, re.MULTILINE)
    assert found is not None  # noqa: S101 - Linux has it
    return int(found[1]) * 1024 / 1e6


def main() -> int:
    """Measure, print each figure beside its limit, and return 1 if one is above it."""
    done = measure()
    for name, figure, limit in done.limits():
        print(f"{name}: {figure:.3f} (at most {limit:g})")
    return int(any(figure > limit for _, figure, limit in done.limits()))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        warnings.simplefilter("ignore")
        print(PEAKS[sys.argv[1]](sys.argv[2], Path(sys.argv[3])))
        sys.exit()
    sys.exit(main())
