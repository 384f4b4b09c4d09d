"""Pictures are saved whole or not at all: beside what is there, and elsewhere where a place can't be had."""

import errno
import io
import logging
import os
import stat
import subprocess
import sys
import tempfile
import threading
import warnings
from pathlib import Path
from typing import Any

import PIL.Image
import pytest
from proofs.fixtures.disks import full_disk
from segmind_sd3 import Generation, Image
from segmind_sd3._saving import write_whole


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
        ("panda.jpg", PNG, "panda.png"),
        ("panda.webp", JPEG, "panda.jpg"),
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
        tmp_path / "panda-2.png",
        tmp_path / "panda-3.jpg",
    ]
    assert len(files(tmp_path)) == 3


def test_one_is_not_numbered(tmp_path: Path):
    assert Generation((JPEG,)).save(tmp_path / "panda") == [tmp_path / "panda.jpg"]


# -- A name that is taken ---------------------------------------------------------------------------------

TAKEN = r"panda\.jpg exists already and is kept"


def test_a_picture_is_saved_beside_the_file_that_has_its_name(tmp_path: Path):
    (tmp_path / "panda.jpg").write_bytes(b"mine")
    with pytest.warns(UserWarning, match=TAKEN):
        written = JPEG.save(tmp_path / "panda")
    assert written == tmp_path / "panda (1).jpg"
    assert files(tmp_path) == {"panda.jpg": b"mine", "panda (1).jpg": JPEG.data}


@pytest.mark.filterwarnings("ignore")
def test_the_first_free_number_is_taken(tmp_path: Path):
    for name in ("panda.jpg", "panda (1).jpg", "panda (3).jpg"):
        (tmp_path / name).write_bytes(b"mine")
    assert [JPEG.save(tmp_path / "panda.jpg").name for _ in range(2)] == ["panda (2).jpg", "panda (4).jpg"]


@pytest.mark.filterwarnings("ignore")
def test_the_path_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.INFO, logger="segmind_sd3")
    for _ in range(2):
        JPEG.save(tmp_path / "panda.jpg")
    assert caplog.messages == [f"{tmp_path / 'panda.jpg'} was saved as {tmp_path / 'panda (1).jpg'}"]


def test_a_program_is_warned_once_at_its_own_line(tmp_path: Path):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for _ in range(4):
            Generation((JPEG, PNG)).save(tmp_path / "panda")
    assert [(each.filename, each.category) for each in caught] == [(__file__, UserWarning)]


@pytest.mark.filterwarnings("ignore")
def test_several_pictures_of_one_call_have_one_number(tmp_path: Path):
    (tmp_path / "panda-2.jpg").write_bytes(b"mine")
    drawn = Generation((JPEG, JPEG, PNG))
    assert [path.name for path in drawn.save(tmp_path / "panda")] == [
        "panda-1 (1).jpg",
        "panda-2 (1).jpg",
        "panda-3 (1).png",
    ]
    assert len(files(tmp_path)) == 4


@pytest.mark.filterwarnings("ignore")
def test_a_folder_and_a_link_that_leads_nowhere_are_names_that_are_taken(tmp_path: Path):
    (tmp_path / "panda.jpg").mkdir()
    (tmp_path / "panda (1).jpg").symlink_to(tmp_path / "nowhere")
    assert JPEG.save(tmp_path / "panda") == tmp_path / "panda (2).jpg"
    assert not (tmp_path / "nowhere").exists()


def test_a_file_is_replaced_where_that_is_asked_for(tmp_path: Path):
    (tmp_path / "panda.jpg").write_bytes(b"mine")
    assert JPEG.save(tmp_path / "panda", overwrite=True) == tmp_path / "panda.jpg"
    assert files(tmp_path) == {"panda.jpg": JPEG.data}


@pytest.mark.filterwarnings("ignore")
def test_a_file_that_was_not_named_is_never_replaced(tmp_path: Path):
    """Asked for a PNG, it must not replace the JPEG that the picture was drawn from."""
    (tmp_path / "photo.jpg").write_bytes(b"mine")
    assert JPEG.save(tmp_path / "photo.png", overwrite=True) == tmp_path / "photo (1).jpg"
    assert files(tmp_path)["photo.jpg"] == b"mine"


def test_exclusive_raises_where_a_name_is_taken(tmp_path: Path):
    (tmp_path / "panda.jpg").write_bytes(b"mine")
    with pytest.raises(FileExistsError, match=r"panda\.jpg exists already"):
        JPEG.save(tmp_path / "panda", exclusive=True)
    assert files(tmp_path) == {"panda.jpg": b"mine"}


def test_exclusive_writes_none_of_several_where_one_name_is_taken(tmp_path: Path):
    (tmp_path / "panda-2.jpg").write_bytes(b"mine")
    with pytest.raises(FileExistsError, match=r"panda-2\.jpg"):
        Generation((JPEG, JPEG)).save(tmp_path / "panda", exclusive=True)
    assert files(tmp_path) == {"panda-2.jpg": b"mine"}


def test_exclusive_writes_where_the_name_is_free(tmp_path: Path):
    assert JPEG.save(tmp_path / "panda", exclusive=True) == tmp_path / "panda.jpg"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("exclusive", [False, True])
def test_of_threads_that_save_one_name_at_once_each_has_a_file_of_its_own(tmp_path: Path, *, exclusive: bool):
    together = threading.Barrier(8)
    outcomes: list[str] = []

    def save() -> None:
        together.wait(10)
        try:
            outcomes.append(write_whole(JPEG.data, tmp_path / "panda.jpg", exclusive=exclusive).name)
        except FileExistsError:
            outcomes.append("taken")

    threads = [threading.Thread(target=save) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    names = ["panda.jpg", *(f"panda ({n}).jpg" for n in range(1, 8))]
    assert sorted(outcomes) == sorted([*["taken"] * 7, "panda.jpg"] if exclusive else names)
    assert files(tmp_path) == dict.fromkeys(names[:1] if exclusive else names, JPEG.data)


SAVING = """
import sys, warnings
from segmind_sd3 import Image
warnings.simplefilter("ignore")
picture = Image(open(sys.argv[1], "rb").read(), "image/jpeg", 8, 6)
print("ready", flush=True)
sys.stdin.readline()
print(*(picture.save("panda.jpg") for _ in range(25)), sep="\\n")
"""


def test_of_processes_that_save_one_name_at_once_each_picture_has_a_file_of_its_own(tmp_path: Path):
    (tmp_path / "source").write_bytes(JPEG.data)
    (tmp_path / "drawn").mkdir()
    pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    command = [sys.executable, "-c", SAVING, tmp_path / "source"]
    processes: list[Any] = [subprocess.Popen(command, cwd=tmp_path / "drawn", **pipes) for _ in range(4)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    told = [name for process in processes for name in process.communicate(timeout=60)[0].splitlines()]
    assert sorted(told) == sorted(["panda.jpg", *(f"panda ({n}).jpg" for n in range(1, 100))])
    assert files(tmp_path / "drawn") == dict.fromkeys(told, JPEG.data)


# -- Whole or not at all ----------------------------------------------------------------------------------


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: it holds a file, and a folder with a picture's name."""
    folder = tmp_path / "here"
    (folder / "folder.jpg").mkdir(parents=True)
    (folder / "file").write_bytes(b"mine")
    monkeypatch.chdir(folder)
    return folder


REFUSED: dict[str, tuple[Any, dict[str, bool], type[OSError]]] = {
    "no such folder": ("no/such/panda.jpg", {}, FileNotFoundError),
    "a file for a folder": ("file/panda.jpg", {}, NotADirectoryError),
    "a folder": ("folder.jpg/", {}, IsADirectoryError),
    "the current folder": (".", {}, IsADirectoryError),
    "the folder above": ("..", {}, IsADirectoryError),
    "the root": ("/", {}, IsADirectoryError),
    "no name": ("", {}, IsADirectoryError),
    "a folder that is not replaced": ("folder.jpg", {"overwrite": True}, OSError),
    "a folder of the system's": ("/proc/self/panda.jpg", {}, OSError),
    "a name that is too long": ("p" * 300, {}, OSError),
    "no character of a name": ("pan\0da.jpg", {}, OSError),
    "bytes": (b"panda.jpg", {}, OSError),
    "nothing": (None, {}, OSError),
    "a number": (7, {}, OSError),
    "both": ("panda.jpg", {"overwrite": True, "exclusive": True}, OSError),
}


@pytest.mark.parametrize(("path", "options", "error"), REFUSED.values(), ids=REFUSED)
def test_a_picture_that_can_not_be_saved_there_is_saved_elsewhere_and_the_error_names_both(
    path: Any, options: dict[str, bool], error: type[OSError], here: Path, elsewhere: Path
):
    before = sorted(here.rglob("*"))
    with pytest.raises(error) as caught:
        JPEG.save(path, **options)
    (written,) = elsewhere.rglob("*.jpg")
    assert written.read_bytes() == JPEG.data
    assert not written.name.startswith(".")
    assert (caught.value.filename, caught.value.filename2) == (str(path), str(written))
    assert f"{str(path)!r} -> {str(written)!r}" in str(caught.value)
    assert isinstance(caught.value.__cause__, (OSError, ValueError, TypeError))
    assert sorted(here.rglob("*")) == before


@pytest.mark.usefixtures("here")
def test_several_pictures_are_saved_elsewhere_in_one_folder(elsewhere: Path):
    with pytest.raises(FileNotFoundError, match="saved elsewhere instead") as caught:
        Generation((JPEG, PNG)).save("no/such/panda")
    assert files(Path(caught.value.filename2)) == {"panda-1.jpg": JPEG.data, "panda-2.png": PNG.data}
    assert [folder.name for folder in elsewhere.iterdir()] == [Path(caught.value.filename2).name]


def test_where_temporary_files_have_no_place_the_current_folder_has_one(
    here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    with pytest.raises(FileNotFoundError) as caught:
        JPEG.save("no/such/panda")
    (written,) = here.rglob("panda.jpg")
    assert (caught.value.filename2, written.read_bytes()) == (str(written), JPEG.data)


@pytest.mark.parametrize("before", [{}, {"panda.jpg": b"mine"}], ids=["new", "replacing"])
def test_where_no_place_is_left_nothing_is_written_and_the_error_says_so(
    before: dict[str, bytes], tmp_path: Path, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for name, data in before.items():
        (tmp_path / name).write_bytes(data)
    with full_disk(after=100), pytest.raises(OSError, match=r"large; 1 could be saved in no other place"):
        JPEG.save(tmp_path / "panda", overwrite=bool(before))
    elsewhere.rmdir()  # it is empty
    assert files(tmp_path) == before


def test_of_several_those_that_have_a_place_are_saved(tmp_path: Path, elsewhere: Path):
    small = max(len(JPEG.data), len(PNG.data)) - 1
    assert len(JPEG.data) > small >= len(PNG.data)
    with full_disk(after=small), pytest.raises(OSError, match="1 could be saved in no other place"):
        Generation((PNG, JPEG)).save(tmp_path / "panda")
    elsewhere.rmdir()
    assert files(tmp_path) == {"panda-1.png": PNG.data}


ON_A_FULL_DISK = """
import sys
from segmind_sd3 import Generation, Image
picture = Image(open(sys.argv[1], "rb").read(), "image/jpeg", 8, 6)
try:
    Generation((picture,) * 3).save("disk/panda")
except OSError as error:
    print(error.errno, error.filename, error.filename2, sep="\\n")
"""


def test_on_a_disk_that_fills_up_no_picture_is_lost(tmp_path: Path, elsewhere: Path):
    (tmp_path / "disk").mkdir()
    picture = JPEG.data + b"\0" * 20_000  # what follows the end of a picture is no matter
    (tmp_path / "source").write_bytes(picture)
    mounted = "mount -t tmpfs -o size=32k none disk"
    isolated = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
    if subprocess.run([*isolated, mounted], cwd=tmp_path, capture_output=True, check=False).returncode:
        pytest.skip("a file system can't be mounted here")
    program = f'{mounted} && "$0" -c "$1" source && ls -A disk && cat disk/*'
    done = subprocess.run(
        [*isolated, program, sys.executable, ON_A_FULL_DISK],
        cwd=tmp_path,
        env={**os.environ, "TMPDIR": str(elsewhere)},
        capture_output=True,
        check=True,
    )
    (folder,) = elsewhere.iterdir()
    told = f"{errno.ENOSPC}\ndisk/panda\n{folder}\npanda-1.jpg\n"
    assert done.stdout == told.encode() + picture
    assert files(folder) == {"panda-2.jpg": picture, "panda-3.jpg": picture}


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


def test_a_file_is_on_the_disk_before_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    found: list[list[bytes]] = []
    fsync = os.fsync

    def look(descriptor: int) -> None:
        fsync(descriptor)
        assert not (tmp_path / "panda.jpg").exists()
        found.append([*files(tmp_path).values()])

    monkeypatch.setattr(os, "fsync", look)
    JPEG.save(tmp_path / "panda")
    assert found == [[JPEG.data]]


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
        write_whole(b"another", tmp_path / "panda.jpg", exclusive=True)
    write_whole(b"another", tmp_path / "panda.jpg")
    assert files(tmp_path) == {"panda.jpg": JPEG.data, "panda (1).jpg": b"another"}
