"""The SDK and the command line where Windows lacks what POSIX systems have, as far as Linux can show it.

`make check` has pyright compare every name that is used with those that Windows has. Here calls are made in a
process that lost such modules and names before it imported the SDK.
"""

from __future__ import annotations

import os
import subprocess
import sys
from functools import partial
from typing import TYPE_CHECKING

import pytest
from segmind_sd3_contract.reference import MADE_UP_KEY

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from segmind_sd3_contract.reference import ReferenceServer

NO_POSIX = """
import asyncio, importlib, os, runpy, select, selectors, signal, socket, sys
import anyio._backends._asyncio, segmind_sd3._cli, segmind_sd3.__main__, segmind_sd3._client, rich.progress

# Libraries stay as they are: they have their own branches for Windows. The SDK is imported anew.
for name in [name for name in sys.modules if name.partition(".")[0] in ("segmind_sd3", "segmind_sd3_api")]:
    del sys.modules[name]
sys.platform = "win32"
for name in ("fcntl", "termios", "resource", "pwd", "grp", "pty", "tty", "syslog", "readline"):
    sys.modules[name] = None
ABSENT = {
    os: "fork forkpty register_at_fork getuid geteuid getgid getpgid setsid killpg mkfifo chown fchown uname "
    "openpty pread pwrite sendfile wait O_CLOEXEC O_DIRECTORY O_NOFOLLOW O_NONBLOCK O_SYNC",
    signal: "SIGHUP SIGALRM SIGUSR1 SIGUSR2 SIGKILL SIGPIPE SIGCHLD SIGQUIT SIGTSTP SIGWINCH alarm pause "
    "pthread_kill pthread_sigmask setitimer siginterrupt sigwait",
    socket: "SO_REUSEPORT SO_PEERCRED SO_BINDTODEVICE MSG_DONTWAIT MSG_NOSIGNAL",
    select: "poll epoll",
}
for module, names in ABSENT.items():
    for name in names.split():
        delattr(module, name)

def refuse(*_):
    raise OSError(9, "Bad file descriptor")

os.dup2 = refuse  # it takes no socket

def run(awaitable):
    loop = lambda: asyncio.SelectorEventLoop(selectors.SelectSelector())
    with asyncio.Runner(loop_factory=loop) as runner:
        return runner.run(awaitable)

def command(*words):
    sys.argv = ["segmind-sd3", *words]
    runpy.run_module("segmind_sd3", run_name="__main__")

from segmind_sd3 import AsyncClient, Client, ConnectionFailed, Retry
"""

SYNC = """
with Client() as client:
    print(*client.sd35_turbo_txt2img(prompt="a panda", width=64, height=64).save("panda.jpg"))
    print(*client.sd35_turbo_txt2img(prompt="a panda", width=64, height=64).save("panda.jpg"))
"""
ASYNC = """
async def draw():
    async with AsyncClient() as client:
        calls = [client.sd35_turbo_txt2img(prompt=f"panda {n}", width=64, height=64) for n in (1, 2, 3)]
        for n, drawn in enumerate(await asyncio.gather(*calls), 1):
            print(*drawn.save(f"panda-{n}.jpg"))

run(draw())
"""
NOBODY_LISTENS = """
with socket.create_server(("127.0.0.1", 0)) as listener:
    port = listener.getsockname()[1]
with Client(base_url=f"http://127.0.0.1:{port}", retry=Retry(attempts=1)) as client:
    try:
        client.credits()
    except ConnectionFailed as error:
        print(type(error).__name__, error.billed)
"""
DRAW = 'command("sd35-turbo-txt2img", "--prompt=a panda", "--width=64", "--height=64", "--out=panda.jpg")'


slow = partial(pytest.param, marks=pytest.mark.slow)


@pytest.fixture
def env(server: ReferenceServer) -> Iterator[dict[str, str]]:
    with server.listening() as url:
        yield os.environ | {"SEGMIND_BASE_URL": url, "SEGMIND_API_KEY": MADE_UP_KEY}


@pytest.mark.skipif(sys.platform != "linux", reason="it takes from Linux what Windows lacks")
@pytest.mark.parametrize(
    ("program", "printed"),
    [
        (SYNC, "panda.jpg\npanda (1).jpg\n"),
        slow(ASYNC, "panda-1.jpg\npanda-2.jpg\npanda-3.jpg\n"),
        slow(NOBODY_LISTENS, "ConnectionFailed False\n"),
        (DRAW, "panda.jpg  64x64"),
        slow('command("credits")', "$10.0 left"),
        slow('command("--help")', "Usage: segmind-sd3"),
        slow('command("sd35-turbo-txt2img", "--prompt=a panda", "--dry-run")', "curl "),
    ],
    ids=["sync", "async", "nobody listens", "command", "credits", "help", "dry run"],
)
def test_a_call_is_made_without_what_only_posix_systems_have(
    program: str, printed: str, env: dict[str, str], tmp_path: Path
):
    command = (sys.executable, "-W", "ignore::UserWarning", "-c", NO_POSIX + program)

    done = subprocess.run(command, cwd=tmp_path, env=env, check=False, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(printed)
