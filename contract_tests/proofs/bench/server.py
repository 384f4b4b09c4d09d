"""Run the server that both clients call: another process, in C if there is a compiler, else in Python."""

from __future__ import annotations

import shutil
import subprocess
import sys
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

HERE: Final = Path(__file__).parent

PYTHON_SERVER: Final = (sys.executable, "-P", str(HERE / "bare_server.py"))


@contextmanager
def server_command() -> Generator[tuple[str, ...]]:
    """Compile the server into a temporary folder, and yield the command that starts it."""
    compiler = shutil.which("cc")
    with TemporaryDirectory() as folder:
        program = str(Path(folder, "bare_server"))
        compile_it = (compiler or "cc", "-O2", "-o", program, str(HERE / "bare_server.c"))
        if compiler and subprocess.run(compile_it, check=False).returncode == 0:  # noqa: S603 - our own source
            yield (program,)
        else:
            yield PYTHON_SERVER


@contextmanager
def serving(command: Sequence[str], body: bytes, media_type: str = "image/jpeg") -> Generator[str]:
    """Run a server that answers every request with the body, and yield its base URL."""
    head = f"HTTP/1.1 200 OK\r\ncontent-type: {media_type}\r\ncontent-length: {len(body)}\r\n\r\n"
    reply = head.encode() + body
    with subprocess.Popen(  # noqa: S603 - a command of `server_command`
        [*command, str(len(reply))], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None  # noqa: S101 - tells pyright what PIPE means
        assert process.stdout is not None  # noqa: S101 - as above
        process.stdin.write(reply)
        process.stdin.flush()
        # Leaving the context closes stdin, which ends the server.
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"


@contextmanager
def reference_server() -> Generator[str]:
    """Run the reference server in a process of its own, and yield its base URL."""
    command = [
        sys.executable,
        "-m",
        "segmind_sd3",
        "serve",
        "--port",
        "0",
        "--any-key",
        "--credits",
        "1000000",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own program
        assert process.stdout is not None  # noqa: S101 - as above
        try:
            lines = (line.partition("export SEGMIND_BASE_URL=")[2].strip() for line in process.stdout)
            yield next(url for url in lines if url)
        finally:
            process.terminate()


def jpeg(size: int) -> bytes:
    """Return a whole JPEG of exactly `size` bytes: noise, padded with comments.

    Args:
        size: At least 1,000.
    """
    data, side = _noise(8), 8
    # The API takes no longer side than 2,048 pixels.
    while side <= 1_800 and len(larger := _noise(side * 9 // 8)) + 4 <= size:
        data, side = larger, side * 9 // 8
    missing = size - len(data)
    # A comment has a head of four bytes and holds up to 65,533. All have about the same length.
    count = -(-missing // 60_000)
    lengths = [missing // count + (number < missing % count) - 4 for number in range(count)]
    comments = b"".join(b"\xff\xfe" + (length + 2).to_bytes(2) + bytes(length) for length in lengths)
    return data[:2] + comments + data[2:]


def _noise(side: int) -> bytes:
    buffer = BytesIO()
    Image.effect_noise((side, side), 80).convert("RGB").save(buffer, format="JPEG", quality=90)
    return buffer.getvalue()
