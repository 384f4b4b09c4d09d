"""Draw one picture with the generated client alone."""

import os
import sys
from pathlib import Path

import httpx
from segmind_sd3_api.api.images import sd35_turbo_txt2img
from segmind_sd3_api.client import AuthenticatedClient
from segmind_sd3_api.models import Sd35TurboTxt2Img

client = AuthenticatedClient(
    base_url=os.environ.get("SEGMIND_BASE_URL", "https://api.segmind.com"),
    token=os.environ["SEGMIND_API_KEY"],
    auth_header_name="x-api-key",
    prefix="",
    timeout=httpx.Timeout(180),
)
body = Sd35TurboTxt2Img(
    prompt="a panda in a neon market", sampler="dpmpp_2m", scheduler="sgm_uniform", base64=False
)
with client:
    reply = sd35_turbo_txt2img.sync_detailed(client=client, body=body)
if reply.parsed is None:
    sys.exit(f"HTTP {reply.status_code}: {reply.content.decode(errors='replace')}")
Path("panda.jpg").write_bytes(reply.parsed.payload.read())
print("panda.jpg", reply.headers.get("x-cost"), reply.headers.get("x-remaining-credits"))
