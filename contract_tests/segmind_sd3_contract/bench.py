"""A call through the SDK beside one with bare httpx, on loopback: what the SDK costs.

Both send the same small body to the same bare socket server, which answers each with the same 300 KB JPEG;
the calls are interleaved, so that whatever else the machine does falls on both alike.
"""

from __future__ import annotations

import argparse
import gc
import json
import socket
import statistics
import sys
import threading
import time
from io import BytesIO
from typing import TYPE_CHECKING, Final

import httpx
from PIL import Image
from segmind_sd3 import Client

if TYPE_CHECKING:
    from collections.abc import Callable

REPLY_BYTES: Final = 300_000
LIMIT: Final = 1.25


def picture() -> bytes:
    """Make a JPEG and lengthen it to the size wanted: bytes after its end marker are part of no picture."""
    buffer = BytesIO()
    Image.effect_noise((512, 512), 80).convert("RGB").save(buffer, format="JPEG", quality=90)
    data = buffer.getvalue()
    # A comment segment holds up to 64 KiB; put where readers skip it, it makes the file as long as wanted.
    missing = REPLY_BYTES - len(data)
    filler = b""
    while missing > 0:
        size = min(missing, 60_000)
        filler += b"\xff\xfe" + (size + 2).to_bytes(2) + bytes(size)
        missing -= size + 4
    return data[:2] + filler + data[2:]


class Server:
    """Answers every POST on a kept connection with one picture; of a request it reads the length alone."""

    def __init__(self) -> None:
        body = picture()
        head = f"HTTP/1.1 200 OK\r\ncontent-type: image/jpeg\r\ncontent-length: {len(body)}\r\n\r\n"
        self._reply = head.encode() + body
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            connection, _ = self._socket.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as stream:
            while line := stream.readline():
                length = 0
                while line not in (b"\r\n", b""):
                    if line.lower().startswith(b"content-length:"):
                        length = int(line.split(b":")[1])
                    line = stream.readline()
                stream.read(length)
                connection.sendall(self._reply)


def timed(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return (time.perf_counter() - start) * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    server = Server()
    key = "SG_0123456789abcdef"
    path = "/v1/stable-diffusion-3.5-turbo-txt2img"
    with Client(key, base_url=server.url) as client, httpx.Client(base_url=server.url) as bare:
        body = dict(client.prepare("sd35_turbo_txt2img", prompt="a panda").body)
        headers = {"x-api-key": key}

        def with_httpx() -> bytes:
            return bare.post(path, json=body, headers=headers).content

        def with_sdk() -> bytes:
            return client.sd35_turbo_txt2img(prompt="a panda").image.data

        for _ in range(100):
            if with_httpx() != with_sdk():
                raise SystemExit("the two calls brought different pictures")
        gc.collect()
        times: dict[str, list[float]] = {"httpx": [], "segmind_sd3": []}
        for _ in range(options.calls):
            times["httpx"].append(timed(with_httpx))
            times["segmind_sd3"].append(timed(with_sdk))
    p50 = {name: statistics.median(taken) for name, taken in times.items()}
    ratio = p50["segmind_sd3"] / p50["httpx"]
    if options.json:
        print(json.dumps({"p50_us": p50, "ratio": ratio, "limit": LIMIT, "calls": options.calls}))  # noqa: T201
    else:
        for name, value in p50.items():
            print(f"{name:12} p50 {value:7.0f} µs")  # noqa: T201
        print(f"ratio        {ratio:7.2f} (limit {LIMIT})")  # noqa: T201
    sys.exit(ratio > LIMIT)


if __name__ == "__main__":
    main()
