"""Make one call by each server with one SDK: a process in an environment that has that SDK and nothing else.

Usage: `python call.py SDK TIMEOUT`. Each line of stdin is a server's URL. What came of the call is printed as
a line of JSON. Each SDK is used as its own documentation does, with its defaults but for address and timeout.
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

KEY: Final = "SG_0123456789abcdef"
PROMPT: Final = "a lighthouse at dawn"
LONGEST: Final = 300


def load(name: str) -> Any:
    """Import a module that the environment of one SDK alone has."""
    return importlib.import_module(name)


def openai(url: str, timeout: float) -> object:
    client = load("openai").OpenAI(api_key=KEY, base_url=f"{url}/v1", timeout=timeout)
    return client.images.generate(model="a-model", prompt=PROMPT)


def together(url: str, timeout: float) -> object:
    client = load("together").Together(api_key=KEY, base_url=f"{url}/v1", timeout=timeout)
    return client.images.generate(model="a-model", prompt=PROMPT)


def replicate(url: str, timeout: float) -> object:
    client = load("replicate").Client(api_token=KEY, base_url=url, timeout=timeout)
    return client.run("an-owner/a-model", input={"prompt": PROMPT})


def fal(url: str, timeout: float) -> object:
    # It takes a host, and always speaks https to it.
    load("fal_client.client").RUN_URL_FORMAT = f"{url}/fal/"
    client = load("fal_client").SyncClient(key=KEY)
    return client.run("an-owner/a-model", arguments={"prompt": PROMPT}, timeout=timeout)


def segmind(url: str, timeout: float) -> object:
    client = load("segmind").SegmindClient(KEY, base_url=f"{url}/v1", timeout=timeout)
    return client.run_sync("stable-diffusion-3.5-turbo-txt2img", prompt=PROMPT).content


def ours(url: str, timeout: float) -> object:
    client = load("segmind_sd3").Client(KEY, base_url=url, timeout=timeout)
    return client.sd35_turbo_txt2img(prompt=PROMPT).image.data


CALLS: Final[dict[str, Callable[[str, float], object]]] = {
    "openai": openai,
    "together": together,
    "replicate": replicate,
    "fal-client": fal,
    "segmind": segmind,
    "segmind-sd3": ours,
}


def outcome(sdk: str, url: str, timeout: float) -> dict[str, Any]:
    """Return the seconds that a call took, and its error as text, or None."""
    began = time.monotonic()
    error = billed = None
    try:
        CALLS[sdk](url, timeout)
    except Exception as raised:  # noqa: BLE001 - whatever an SDK raises is what its user sees
        text = " ".join(str(raised).split())
        error = f"{type(raised).__name__}: {text}"[:LONGEST]
        billed = getattr(raised, "billed", "not said")
    return {"seconds": time.monotonic() - began, "error": error, "billed": billed}


def main() -> None:
    sdk, timeout = sys.argv[1], float(sys.argv[2])
    first, *others = sys.stdin.read().split()
    # The first call imports the SDK. Some SDKs wait long between their tries: the others go side by side.
    print(json.dumps(outcome(sdk, first, timeout)))
    with ThreadPoolExecutor(len(others)) as pool:
        for result in pool.map(partial(outcome, sdk, timeout=timeout), others):
            print(json.dumps(result))


if __name__ == "__main__":
    main()
