"""What a call gives back: saved whole or not at all, shown in a notebook, opened with Pillow."""

import base64
import io
import os
import pickle
import resource
import stat
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import PIL.Image
import pytest
from segmind_sd3 import Generation, Image
from segmind_sd3._result import write_whole


def image(file_format: str = "JPEG", size: tuple[int, int] = (8, 6)) -> Image:
    file = io.BytesIO()
    PIL.Image.new("RGB", size, "teal").save(file, file_format)
    return Image(file.getvalue(), PIL.Image.MIME[file_format], *size)


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


JPEG, PNG, WEBP = image(), image("PNG"), image("WEBP")


# -- Names ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "picture", "written"),
    [
        ("panda", JPEG, "panda.jpg"),
        ("panda.jpg", JPEG, "panda.jpg"),
        ("panda.JPEG", JPEG, "panda.JPEG"),
        ("panda.jfif", JPEG, "panda.jfif"),
        ("panda.png", PNG, "panda.png"),
        ("panda.jpg", PNG, "panda.jpg.png"),
        ("panda.webp", JPEG, "panda.webp.jpg"),
        ("panda.v2", WEBP, "panda.v2.webp"),
        (".hidden", image("GIF"), ".hidden.gif"),
        ("panda.", JPEG, "panda..jpg"),
        ("пан да", JPEG, "пан да.jpg"),
        ("x" * 240, JPEG, "x" * 240 + ".jpg"),
    ],
)
def test_a_name_gets_the_suffix_that_the_bytes_have(given: str, picture: Image, written: str, tmp_path: Path):
    assert picture.save(tmp_path / given) == tmp_path / written
    assert files(tmp_path) == {written: picture.data}


@pytest.mark.parametrize("kind", [str, Path, os.fspath])
def test_a_name_may_be_text_or_a_path(kind: Any, tmp_path: Path):
    assert JPEG.save(kind(tmp_path / "panda")) == tmp_path / "panda.jpg"


def test_several_are_numbered(tmp_path: Path):
    drawn = Generation((JPEG, PNG, JPEG))
    assert drawn.save(tmp_path / "panda.jpg") == [
        tmp_path / "panda-1.jpg",
        tmp_path / "panda.jpg-2.png",
        tmp_path / "panda-3.jpg",
    ]
    assert len(files(tmp_path)) == 3


def test_one_is_not_numbered(tmp_path: Path):
    assert Generation((JPEG,)).save(tmp_path / "panda") == [tmp_path / "panda.jpg"]


# -- Replacing --------------------------------------------------------------------------------------------


def test_a_file_that_is_there_is_not_replaced(tmp_path: Path):
    (tmp_path / "panda.jpg").write_bytes(b"mine")
    with pytest.raises(FileExistsError, match="overwrite=True"):
        JPEG.save(tmp_path / "panda")
    assert files(tmp_path) == {"panda.jpg": b"mine"}


def test_a_file_that_is_there_is_replaced_where_that_is_asked_for(tmp_path: Path):
    (tmp_path / "panda.jpg").write_bytes(b"mine")
    JPEG.save(tmp_path / "panda", overwrite=True)
    assert files(tmp_path) == {"panda.jpg": JPEG.data}


def test_where_one_of_several_names_is_taken_none_is_written(tmp_path: Path):
    (tmp_path / "panda-2.jpg").write_bytes(b"mine")
    with pytest.raises(FileExistsError, match=r"panda-2\.jpg"):
        Generation((JPEG, JPEG)).save(tmp_path / "panda")
    assert files(tmp_path) == {"panda-2.jpg": b"mine"}


def test_a_link_that_leads_nowhere_is_a_name_that_is_taken(tmp_path: Path):
    (tmp_path / "panda.jpg").symlink_to(tmp_path / "nowhere")
    with pytest.raises(FileExistsError):
        JPEG.save(tmp_path / "panda")
    assert [path.name for path in tmp_path.iterdir()] == ["panda.jpg"]


def test_of_many_that_save_one_name_at_once_one_does(tmp_path: Path):
    together = threading.Barrier(8)
    outcomes: list[str] = []

    def save() -> None:
        together.wait(10)
        try:
            write_whole(JPEG.data, tmp_path / "panda.jpg", overwrite=False)
            outcomes.append("written")
        except FileExistsError:
            outcomes.append("taken")

    threads = [threading.Thread(target=save) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["taken"] * 7 + ["written"]
    assert files(tmp_path) == {"panda.jpg": JPEG.data}


# -- Whole or not at all ----------------------------------------------------------------------------------


@contextmanager
def full_disk(after: int) -> Generator[None]:
    """Let no file of this process grow beyond so many bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (after, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("before", [{}, {"panda.jpg": b"mine"}], ids=["new", "replacing"])
def test_where_the_disk_is_full_nothing_is_written_and_nothing_is_lost(
    before: dict[str, bytes], tmp_path: Path
):
    for name, data in before.items():
        (tmp_path / name).write_bytes(data)
    with full_disk(after=100), pytest.raises(OSError, match="large"):
        JPEG.save(tmp_path / "panda", overwrite=bool(before))
    assert files(tmp_path) == before


def test_where_there_is_no_folder_nothing_is_written(tmp_path: Path):
    with pytest.raises(FileNotFoundError):
        JPEG.save(tmp_path / "none" / "panda")
    assert files(tmp_path) == {}


def test_a_folder_of_that_name_is_left_alone(tmp_path: Path):
    (tmp_path / "panda.jpg").mkdir()
    with pytest.raises(OSError, match=r"panda\.jpg"):
        JPEG.save(tmp_path / "panda", overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["panda.jpg"]


def test_a_reader_never_sees_half_a_file(tmp_path: Path):
    target = tmp_path / "panda.png"
    versions = [image("PNG", (500, 500 + n)) for n in range(2)]
    whole = {version.data for version in versions}
    versions[0].save(target)
    done = threading.Event()
    seen: set[bytes] = set()

    def read() -> None:
        while not done.is_set():
            seen.add(target.read_bytes())

    reader = threading.Thread(target=read)
    reader.start()
    for n in range(60):
        versions[n % 2].save(target, overwrite=True)
    done.set()
    reader.join()
    assert seen <= whole
    assert files(tmp_path).keys() == {"panda.png"}


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_who_may_read_it_is_what_the_umask_says(umask: int, tmp_path: Path):
    before = os.umask(umask)
    try:
        written = JPEG.save(tmp_path / "panda")
    finally:
        os.umask(before)
    assert stat.S_IMODE(written.stat().st_mode) == 0o666 & ~umask


@pytest.fixture
def without_links(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some file systems know no links, such as that of a memory card."""

    def refuse(_path: Path, _target: Path) -> None:
        raise PermissionError("Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refuse)


@pytest.mark.usefixtures("without_links")
def test_a_file_system_without_links_will_do(tmp_path: Path):
    JPEG.save(tmp_path / "panda")
    with pytest.raises(FileExistsError):
        write_whole(b"another", tmp_path / "panda.jpg", overwrite=False)
    assert files(tmp_path) == {"panda.jpg": JPEG.data}


# -- Shown ------------------------------------------------------------------------------------------------


def test_a_repr_shows_no_bytes():
    drawn = Generation((JPEG, PNG), seed=7, cost=0.0035)
    assert repr(JPEG) == "Image(media_type='image/jpeg', width=8, height=6)"
    assert repr(drawn).startswith(f"Generation(images=({JPEG!r}, {PNG!r}), seed=7, cost=0.0035")


def test_a_notebook_shows_every_picture():
    drawn: Any = Generation((JPEG, PNG))
    html = drawn._repr_html_()
    assert html.count("<img ") == 2
    for each in (JPEG, PNG):
        text = base64.b64encode(each.data).decode()
        assert f'<img width="8" height="6" src="data:{each.media_type};base64,{text}">' in html


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


def test_a_generation_survives_pickling():
    drawn = Generation((JPEG, PNG), seed=7, cost=0.0035, credits_remaining=9.5, request_id="r")
    assert pickle.loads(pickle.dumps(drawn)) == drawn  # noqa: S301 - our own bytes
