"""The clients that are compared, and an environment for each, with a pinned version and nothing else."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

ROOT: Final = Path(__file__).parents[3]
CACHE: Final = ROOT / "out/bench/environments"
OURS: Final = "segmind_sd3"
HTTPX: Final = "httpx"
SEGMIND: Final = "segmind"
SAMPLE: Final = "requests, sample of the docs"
INSTALL_SECONDS: Final = 300


@dataclass(frozen=True)
class Peer:
    """A client.

    Attributes:
        requirements: what its environment has.
        imported, made, called: lines of Python that import it, make a client, and make the first call. They
            may use `URL`, `PATH`, `BODY` and `KEY`. Without `made`, the first call is not measured.
        sources: folders of this repository that are on its path.
    """

    name: str
    requirements: tuple[str, ...]
    imported: str
    made: str = ""
    called: str = ""
    sources: tuple[str, ...] = ()

    @property
    def python(self) -> Path:
        folder = CACHE / self.name.partition(",")[0]
        return folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


_POST: Final = "client.post(PATH, json=BODY, headers={'x-api-key': KEY}).content"


def _own_requirements() -> tuple[str, ...]:
    """Return what a bare install of the SDK needs, in the versions of this environment."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        needed = tomllib.load(file)["project"]["dependencies"]
    names = [each.partition(">")[0] for each in needed]
    return tuple(f"{name}=={version(name)}" for name in names)


PEERS: Final = {
    peer.name: peer
    for peer in (
        Peer(
            OURS,
            _own_requirements(),
            "import segmind_sd3",
            "client = segmind_sd3.Client(KEY, base_url=URL)",
            "client.sd35_turbo_txt2img(prompt=BODY['prompt']).image.data",
            sources=("wrapper", "generated_client"),
        ),
        Peer(
            HTTPX,
            (f"httpx=={version('httpx')}",),
            "import httpx",
            "client = httpx.Client(base_url=URL)",
            _POST,
        ),
        Peer("httpx2", ("httpx2==2.16.2",), "import httpx2", "client = httpx2.Client(base_url=URL)", _POST),
        Peer(
            "requests",
            ("requests==2.34.2",),
            "import requests",
            "client = requests.Session()",
            "client.post(URL + PATH, json=BODY, headers={'x-api-key': KEY}).content",
        ),
        Peer("aiohttp", ("aiohttp==3.14.5",), "import aiohttp"),
        Peer(
            SEGMIND,
            ("segmind==1.3.0",),
            "import segmind",
            "client = segmind.SegmindClient(KEY, base_url=URL + '/v1')",
            "client.run_sync(PATH.removeprefix('/v1/'), **BODY).content",
        ),
        Peer(
            "pyreqwest",
            ("pyreqwest==0.15.1",),
            "from pyreqwest.client import SyncClientBuilder",
            "client = SyncClientBuilder().build()",
            "client.post(URL + PATH).header('x-api-key', KEY).body_json(BODY).build().send().bytes()",
        ),
    )
}
PEERS[SAMPLE] = Peer(SAMPLE, PEERS["requests"].requirements, PEERS["requests"].imported)


def set_up(names: Iterable[str]) -> dict[str, str]:
    """Make the environments that are missing. Return why a client can't be measured, by its name."""
    return {name: reason for name in names if (reason := make_environment(PEERS[name]))}


def make_environment(peer: Peer) -> str:
    """Make the environment of a client, if it is missing; return why that failed, if it did."""
    folder, ready = peer.python.parents[1], peer.python.parents[1] / "ready.json"
    wanted = json.dumps([peer.requirements, sys.version])
    if ready.exists() and ready.read_text("utf-8") == wanted:
        return ""
    shutil.rmtree(folder, ignore_errors=True)
    uv = [sys.executable, "-m", "uv", "--quiet", "--system-certs"]
    try:
        _run([*uv, "venv", "--python", sys.executable, folder])
        _run([*uv, "pip", "install", "--compile-bytecode", "--python", peer.python, *peer.requirements])
        if peer.sources:
            get_path = "import sysconfig; print(sysconfig.get_path('purelib'))"
            site_packages = Path(_run([peer.python, "-c", get_path]).strip())
            lines = "".join(f"{ROOT / source}\n" for source in peer.sources)
            (site_packages / "sources.pth").write_text(lines, "utf-8")
        _run([peer.python, "-c", peer.imported])
    except subprocess.CalledProcessError as failed:
        words = " ".join((failed.stderr.strip().splitlines() or ["no reason given"])[0].split())
        return f"{' '.join(peer.requirements)} can't be installed: {words}"
    except (OSError, subprocess.TimeoutExpired) as failed:
        return f"{' '.join(peer.requirements)} can't be installed: {type(failed).__name__}"
    ready.write_text(wanted, "utf-8")
    return ""


def _run(command: list[Any]) -> str:
    done = subprocess.run(  # noqa: S603 - the commands above
        command, check=True, capture_output=True, text=True, timeout=INSTALL_SECONDS
    )
    return done.stdout
