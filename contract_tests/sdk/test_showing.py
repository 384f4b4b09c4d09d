"""A picture is shown in a notebook, opened with Pillow, and described without its bytes."""

import base64
import io
import pickle
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import PIL.Image
import pytest
from hypothesis import given
from hypothesis import strategies as st
from proofs.fixtures.browsing import needs_browser, open_browser
from segmind_sd3 import Generation, Image, SentRequest

MARKUP = "</figcaption><script>document.title='run'</script>\"' onerror=\"document.title='run'\" x=\"<b>&amp;"


def image(file_format: str = "JPEG", size: tuple[int, int] = (8, 6), prompt: str = "a panda") -> Image:
    file = io.BytesIO()
    PIL.Image.new("RGB", size, "teal").save(file, file_format)
    sent = SentRequest("sd35_turbo_txt2img", {"prompt": prompt})
    return Image(file.getvalue(), PIL.Image.MIME[file_format], *size, request=sent)


JPEG, PNG, WEBP = image(), image("PNG"), image("WEBP")


# -- In text ----------------------------------------------------------------------------------------------


def test_a_repr_shows_no_bytes():
    drawn = Generation((JPEG, PNG), seed=7, cost=0.0035)
    assert repr(JPEG) == "Image(media_type='image/jpeg', width=8, height=6)"
    assert repr(drawn).startswith(f"Generation(images=({JPEG!r}, {PNG!r}), seed=7, cost=0.0035")


def test_a_generation_survives_pickling():
    drawn = Generation((JPEG, PNG), seed=7, cost=0.0035, credits_remaining=9.5, request_id="r")
    assert pickle.loads(pickle.dumps(drawn)) == drawn  # noqa: S301 - our own bytes


# -- In a notebook ----------------------------------------------------------------------------------------


def shown(value: Any) -> str:
    return value._repr_html_()


def test_a_notebook_shows_every_picture_whole():
    html = shown(Generation((JPEG, PNG)))
    assert html.count("<img ") == 2
    for each in (JPEG, PNG):
        text = base64.b64encode(each.data).decode()
        assert f'src="data:{each.media_type};base64,{text}">' in html
        assert each.as_html() in html


@pytest.mark.parametrize(
    ("drawn", "line"),
    [
        (Generation((JPEG,), seed=7, cost=0.0035), "8x6 · seed 7 · cost $0.0035"),
        (Generation((JPEG,), seed=0, cost=0.0), "8x6 · seed 0 · cost $0.0"),
        (Generation((JPEG,)), "8x6"),
        (Generation((JPEG, PNG), seed=7), "2 pictures · 8x6 · seed 7"),
        (Generation((JPEG, image(size=(3, 4)))), "2 pictures · 8x6 · 3x4"),
        (JPEG, "8x6"),
    ],
)
def test_size_seed_and_cost_stand_below(drawn: Any, line: str):
    assert f">{line}</figcaption>" in shown(drawn)


@pytest.mark.parametrize(
    ("value", "png", "jpeg"),
    [
        (JPEG, None, JPEG.data),
        (PNG, PNG.data, None),
        (WEBP, None, None),
        (Generation((JPEG,)), None, JPEG.data),
        (Generation((PNG,)), PNG.data, None),
        (Generation((PNG, PNG)), None, None),
    ],
)
def test_one_picture_is_given_in_its_own_format_too(value: Any, png: bytes | None, jpeg: bytes | None):
    assert (value._repr_png_(), value._repr_jpeg_()) == (png, jpeg)


@given(prompt=st.text(), media_type=st.text())
def test_no_text_from_outside_is_markup(prompt: str, media_type: str):
    drawn = Image(b"", media_type, 1, 1, SentRequest("x", {"prompt": prompt}))
    plain = Image(b"", "", 1, 1, SentRequest("x", {"prompt": ""}))
    for mark in "<>\"'":
        assert shown(drawn).count(mark) == shown(plain).count(mark)


@pytest.mark.slow
@pytest.mark.parametrize("prompt", [None, 7, ["a"], "x" * 10_000])
def test_no_prompt_makes_it_fail_or_long(prompt: Any):
    drawn = Image(b"", "image/png", 1, 1, SentRequest("x", {"prompt": prompt}))
    assert len(shown(drawn)) < 1500


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with open_browser() as browser:
        yield browser


def opened(browser: Any, drawn: Any, folder: Path, width: int) -> Any:
    """Open a page with one output in a column of this width."""
    page = folder / "page.html"
    page.write_text(f'<title>quiet</title><div style="width:{width}px">{shown(drawn)}</div>', "utf-8")
    browser.get(page.as_uri())
    return browser


@needs_browser
@pytest.mark.parametrize(
    ("size", "column", "seen"),
    [
        ((2048, 1024), 1000, (512, 256)),
        ((2048, 1024), 300, (300, 150)),
        ((512, 2048), 1000, (160, 640)),
        ((64, 48), 1000, (64, 48)),
    ],
)
def test_a_picture_is_no_wider_than_its_column_and_keeps_its_shape(
    browser: Any, size: tuple[int, int], column: int, seen: tuple[int, int], tmp_path: Path
):
    page = opened(browser, Generation((image(size=size),)), tmp_path, column)
    (element,) = page.find_elements("css selector", "img")
    assert (element.size["width"], element.size["height"]) == seen


@needs_browser
def test_several_pictures_are_a_grid(browser: Any, tmp_path: Path):
    page = opened(browser, Generation((image(size=(512, 512)),) * 4), tmp_path, 700)
    places = [each.location for each in page.find_elements("css selector", "img")]
    assert places[0]["y"] == places[1]["y"] < places[2]["y"] == places[3]["y"]
    assert places[0]["x"] == places[2]["x"] < places[1]["x"] == places[3]["x"]


@needs_browser
def test_a_prompt_is_the_text_for_those_who_see_no_picture_and_runs_nothing(browser: Any, tmp_path: Path):
    page = opened(browser, Generation((image(prompt=MARKUP),)), tmp_path, 1000)
    (element,) = page.find_elements("css selector", "img")
    assert element.get_attribute("alt") == MARKUP
    assert page.find_elements("css selector", "script, b") == []
    assert page.title == "quiet"


# -- In Pillow --------------------------------------------------------------------------------------------


def test_the_only_picture_is_the_picture():
    assert Generation((JPEG,)).image is JPEG


def test_where_there_are_several_none_is_the_only_one():
    with pytest.raises(ValueError, match=r"2 pictures: take them from \.images"):
        _ = Generation((JPEG, PNG)).image


def test_pillow_opens_it():
    with PNG.to_pil() as opened:
        assert (opened.format, opened.size) == ("PNG", (8, 6))


def test_without_pillow_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "PIL.Image", None)
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(ImportError, match=r"pip install 'segmind-sd3\[pil\]'"):
        PNG.to_pil()
