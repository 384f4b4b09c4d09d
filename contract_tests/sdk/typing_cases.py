# pyright: strict, reportUnnecessaryTypeIgnoreComment=true
# ruff: noqa: INP001, TC002 - test files are no package, and this one is never run
"""Calls as an editor sees them. `test_typing.py` has pyright and mypy read this file; nothing runs it.

A line is right, or it names the rule of pyright's that it breaks. A rule that is named and not broken is an
error as well. mypy must refuse the same lines.
"""

import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any, assert_type

import httpx
import numpy as np
import PIL.Image
from segmind_sd3 import AsyncClient, Client, Generation, SentRequest, parameters_of
from segmind_sd3_api.parameters import Sd35TurboTxt2ImgParams
from starlette.datastructures import UploadFile


def right(client: Client, picture: Path) -> None:
    assert_type(client.sd3_medium_tile(prompt="a lighthouse", image=picture), Generation)
    assert_type(client.sd3_medium_img2img(prompt="a lighthouse", image=picture), Generation)
    assert_type(client.sd3_medium_txt2img(prompt="a lighthouse"), Generation)
    assert_type(client.sd3_large_img2img(prompt="a lighthouse", image=picture), Generation)
    assert_type(client.sd35_turbo_txt2img(prompt="a lighthouse"), Generation)
    client.sd35_turbo_txt2img(prompt="a lighthouse", steps=12, guidance_scale=2, width=64, height=64)
    client.sd35_turbo_txt2img(prompt="a lighthouse", guidance_scale=2.5)
    client.sd35_turbo_txt2img(prompt="a lighthouse", seed=None, sampler="euler", scheduler="of tomorrow")
    client.sd35_turbo_txt2img(prompt="a lighthouse", extra={"steps": 4, "lora": ["pixel"]})
    params: Sd35TurboTxt2ImgParams = {"prompt": "a lighthouse", "steps": 12}
    client.sd35_turbo_txt2img(**params)


async def right_with_await(client: AsyncClient, picture: Path) -> None:
    assert_type(await client.sd3_medium_tile(prompt="a lighthouse", image=picture), Generation)
    assert_type(await client.sd3_medium_img2img(prompt="a lighthouse", image=picture), Generation)
    assert_type(await client.sd3_medium_txt2img(prompt="a lighthouse"), Generation)
    assert_type(await client.sd3_large_img2img(prompt="a lighthouse", image=picture), Generation)
    assert_type(await client.sd35_turbo_txt2img(prompt="a lighthouse"), Generation)


def every_kind_of_picture(client: Client, picture: Path) -> None:
    client.sd3_medium_tile(prompt="a lighthouse", image=picture)
    client.sd3_medium_tile(prompt="a lighthouse", image="https://example.com/a.jpg")
    client.sd3_medium_tile(prompt="a lighthouse", image=b"")
    client.sd3_medium_tile(prompt="a lighthouse", image=bytearray())
    client.sd3_medium_tile(prompt="a lighthouse", image=memoryview(b""))
    client.sd3_medium_tile(prompt="a lighthouse", image=BytesIO())
    client.sd3_medium_tile(prompt="a lighthouse", image=picture.open("rb"))
    client.sd3_medium_tile(prompt="a lighthouse", image=PIL.Image.new("RGB", (1, 1)))
    client.sd3_medium_tile(prompt="a lighthouse", image=np.zeros((1, 1, 3), "uint8"))
    client.sd3_medium_tile(prompt="a lighthouse", image=zipfile.Path("a.zip", "a.png"))
    client.sd3_medium_tile(prompt="a lighthouse", image=httpx.get("https://example.com/a.jpg"))
    drawn = client.sd35_turbo_txt2img(prompt="a lighthouse")
    client.sd3_medium_tile(prompt="a lighthouse at dusk", image=drawn)
    client.sd3_medium_tile(prompt="a lighthouse at dusk", image=drawn.image)


async def a_picture_that_is_read_with_await(client: AsyncClient, upload: UploadFile) -> None:
    await client.sd3_medium_tile(prompt="a lighthouse", image=upload)


def what_is_drawn(drawn: Generation, picture: Path, client: Client) -> None:
    assert_type(drawn.save(picture), list[Path])
    assert_type(drawn.image.save("a.jpg", overwrite=True, metadata=True), Path)
    assert_type(drawn.save("a.jpg", exclusive=True), list[Path])
    assert_type(drawn.to_dict(), dict[str, Any])
    assert_type(drawn.request, SentRequest | None)
    assert_type(parameters_of(picture), SentRequest)
    assert_type(parameters_of(b""), SentRequest)
    assert_type(parameters_of(picture.open("rb")), SentRequest)
    assert_type(client.sd3_medium_tile(**parameters_of("a.png").parameters), Generation)


def what_is_drawn_wrongly(drawn: Generation, picture: Path) -> None:
    drawn.save(7)  # pyright: ignore[reportArgumentType]
    drawn.save(picture, picture)  # pyright: ignore[reportCallIssue]
    drawn.image.save(picture, overwite=True)  # pyright: ignore[reportCallIssue]
    parameters_of(drawn)  # pyright: ignore[reportArgumentType]
    parameters_of(picture.open())  # pyright: ignore[reportArgumentType]
    parameters_of(picture).parameters["seed"] = 7  # pyright: ignore[reportIndexIssue]


def wrong(client: Client, picture: Path) -> None:
    client.sd3_medium_tile(image=picture)  # pyright: ignore[reportCallIssue]
    client.sd3_medium_img2img(prompt="a lighthouse")  # pyright: ignore[reportCallIssue]
    client.sd3_medium_txt2img(promt="a lighthouse")  # pyright: ignore[reportCallIssue]
    client.sd3_large_img2img(image=picture)  # pyright: ignore[reportCallIssue]
    client.sd35_turbo_txt2img()  # pyright: ignore[reportCallIssue]
    client.sd35_turbo_txt2img("a lighthouse")  # pyright: ignore[reportCallIssue]
    client.sd35_turbo_txt2img(prompt="a lighthouse", step=12)  # pyright: ignore[reportCallIssue]
    client.sd35_turbo_txt2img(prompt="a lighthouse", base64=True)  # pyright: ignore[reportCallIssue]
    client.sd35_turbo_txt2img(prompt=None)  # pyright: ignore[reportArgumentType]
    client.sd35_turbo_txt2img(prompt=b"a lighthouse")  # pyright: ignore[reportArgumentType]
    client.sd35_turbo_txt2img(prompt="a lighthouse", steps="12")  # pyright: ignore[reportArgumentType]
    client.sd35_turbo_txt2img(prompt="a lighthouse", steps=12.5)  # pyright: ignore[reportArgumentType]
    client.sd35_turbo_txt2img(prompt="a lighthouse", sampler=7)  # pyright: ignore[reportArgumentType]
    client.sd35_turbo_txt2img(prompt="a lighthouse", extra=["steps"])  # pyright: ignore[reportArgumentType]
    client.sd3_medium_tile(prompt="a lighthouse", image=[b""])  # pyright: ignore[reportArgumentType]
    client.sd3_medium_tile(prompt="a lighthouse", image=7)  # pyright: ignore[reportArgumentType]
    client.sd3_medium_tile(prompt="a lighthouse", image=picture.open())  # pyright: ignore[reportArgumentType]
    client.sd3_large_img2img(prompt="a lighthouse", image=picture, seed=7)  # pyright: ignore[reportCallIssue]
    client.sd36_turbo_txt2img(prompt="a")  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]


async def wrong_with_await(client: AsyncClient) -> None:
    await client.sd35_turbo_txt2img()  # pyright: ignore[reportCallIssue]
    await client.sd35_turbo_txt2img("a lighthouse")  # pyright: ignore[reportCallIssue]
    await client.sd35_turbo_txt2img(promt="a lighthouse")  # pyright: ignore[reportCallIssue]
    await client.sd35_turbo_txt2img(prompt="a lighthouse", steps="12")  # pyright: ignore[reportArgumentType]
    client.sd35_turbo_txt2img(prompt="a lighthouse")  # pyright: ignore[reportUnusedCoroutine]
