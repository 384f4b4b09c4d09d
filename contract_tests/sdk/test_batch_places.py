"""Where the pictures of a batch go: a folder, or an address of an object store, whole or not at all.

The store of most tests is fsspec's own, in memory. The last part asks a real server of S3.
"""

import json
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import PIL.Image
import pytest
from click.testing import CliRunner
from proofs.fixtures.store_process import KEY_ID, SECRET, environment_of_store, store_listening
from segmind_sd3 import BatchSummary, Client, Generation, InvalidRequest, JobOutcome
from segmind_sd3._batch.address import Address, parse_place
from segmind_sd3._batch.journal import Journal
from segmind_sd3._batch.places import Folder, Place, place_at
from segmind_sd3._batch.report import records
from segmind_sd3._batch.run import Plan, Run
from segmind_sd3._batch.values import Claim, Job, NewJob
from segmind_sd3._cli import commands
from segmind_sd3_contract.reference import ReferenceServer

fsspec: Any = import_module("fsspec")  # it has no types
TURBO = "sd35_turbo_txt2img"
SMALL: dict[str, Any] = {"width": 64, "height": 64}
LATER = 1e9


@pytest.fixture
def server() -> ReferenceServer:
    return ReferenceServer(credits=100)


@pytest.fixture
def store() -> Iterator[str]:
    """Return an address in memory."""
    yield "memory://bucket/pictures"
    fsspec.filesystem("memory").store.clear()


def job_named(name: str, **parameters: Any) -> Job:
    return Job(1, name, TURBO, parameters, 0, 1, 0)


def drawn_by(client: Client, **more: Any) -> Generation:
    return client.sd35_turbo_txt2img(prompt="a fox", **SMALL, **more)


def read(address: str) -> bytes:
    filesystem, path = fsspec.core.url_to_fs(address)
    return filesystem.cat_file(path)


def send(client: Client, count: int, out: object, **options: Any) -> tuple[list[JobOutcome], BatchSummary]:
    jobs = [{"id": f"job-{n}", "prompt": f"a fox {n}", **SMALL} for n in range(count)]
    with client.batch(jobs, out=str(out), endpoint=TURBO, **options) as batch:
        return list(batch), batch.summary


# -- What may be given ------------------------------------------------------------------------------------

PLACES = [
    ("pictures", Path("pictures")),
    (Path("pictures"), Path("pictures")),
    ("file:///shared/my%20pictures", Path("/shared/my pictures")),
    ("file://localhost/shared", Path("/shared")),
    ("s3://bucket/a/prefix/", "s3://bucket/a/prefix"),
]


@pytest.mark.parametrize(("given", "place"), PLACES)
def test_a_place_is_a_folder_or_an_address(given: object, place: Path | str):
    assert parse_place(given) == place


REFUSED = [
    ("ftp://host/folder", "allowed are a folder, file:///folder and s3://bucket/prefix"),
    ("s3:///prefix", "allowed are a folder"),
    ("file://host/folder", "allowed are a folder"),
    ("simplecache::s3://bucket/prefix", "allowed are a folder"),
    ("s3://AKIA:hidden@bucket/prefix", "keys and passwords come from the environment"),
    ("s3://AKIA:hid/den@bucket/prefix", "keys and passwords come from the environment"),
    ("s3://AKIA:hidden/prefix", "keys and passwords come from the environment"),
    ("s3://bucket/prefix?key=hidden", "keys and passwords come from the environment"),
    ("s3://bucket/prefix#hidden", "keys and passwords come from the environment"),
]


@pytest.mark.parametrize(("given", "said"), REFUSED)
def test_another_address_is_refused_and_no_key_in_it_is_shown(given: str, said: str):
    with pytest.raises(InvalidRequest) as refused:
        parse_place(given)
    assert said in str(refused.value)
    assert "hid" not in str(refused.value)


def test_a_store_needs_another_place_for_the_journal(client: Client, store: str):
    with pytest.raises(InvalidRequest, match="no journal can be: name a folder for it, or"):
        client.batch([], out=store)


def test_a_missing_library_is_named_with_its_extra(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(sys.modules, "fsspec", None)
    needed = pytest.raises(InvalidRequest, match=r"s3:// .*: pip install 'segmind-sd3\[s3\]'")
    with needed, client.batch([], out="s3://bucket/prefix", journal=tmp_path):
        pass


def test_a_batch_in_a_folder_imports_no_fsspec(tmp_path: Path):
    code = (
        "import sys; from segmind_sd3 import Client; "
        f"Client('a-made-up-key').batch([], out={str(tmp_path)!r}); sys.exit('fsspec' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# -- In a store -------------------------------------------------------------------------------------------


def test_pictures_are_in_the_store_and_the_journal_has_their_addresses(
    server: ReferenceServer, client: Client, tmp_path: Path, store: str
):
    outcomes, _ = send(client, 3, store, journal=tmp_path)
    assert sorted(each.urls for each in outcomes) == [(f"{store}/job-{n}.jpg",) for n in range(3)]
    assert all(PIL.Image.open(BytesIO(read(url))).size == (64, 64) for each in outcomes for url in each.urls)
    with closing(Journal(tmp_path)) as journal:
        assert [each["files"] for each in records(journal)] == [[f"{store}/job-{n}.jpg"] for n in range(3)]
    assert len(server.ledger) == 3


def test_a_second_run_sends_nothing_again(
    server: ReferenceServer, client: Client, tmp_path: Path, store: str
):
    for _ in range(2):
        send(client, 2, store, journal=tmp_path)
    assert len(server.ledger) == 2


def test_a_run_leaves_nothing_but_pictures_in_the_store(client: Client, tmp_path: Path, store: str):
    send(client, 1, store, journal=tmp_path)
    assert [*fsspec.filesystem("memory").store] == ["/bucket/pictures/job-0.jpg"]


def test_a_reply_that_is_no_picture_is_kept_in_the_store(
    server: ReferenceServer, client: Client, tmp_path: Path, store: str
):
    server.provoke("truncated-picture")
    (outcome,), _ = send(client, 1, store, journal=tmp_path)
    assert (outcome.files, outcome.kept, outcome.urls) == ((), None, (f"{store}/kept/job-0-1.reply",))
    assert read(outcome.urls[0])


def test_a_store_that_can_not_be_written_is_named_and_nothing_is_sent(
    server: ReferenceServer, client: Client, tmp_path: Path, store: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(
        "fsspec.implementations.memory.MemoryFileSystem.pipe_file", Mock(side_effect=OSError("no"))
    )
    with pytest.raises(InvalidRequest, match=rf"out was {store}, which can't be written: OSError: no"):
        send(client, 1, store, journal=tmp_path)
    assert server.ledger == ()


@pytest.fixture(params=["folder", "store"])
def place(request: pytest.FixtureRequest, tmp_path: Path, store: str) -> Place:
    if request.param == "store":
        return place_at(store, tmp_path / "journal")
    (tmp_path / "pictures").mkdir()
    return place_at(tmp_path / "pictures", tmp_path / "journal")


def test_a_picture_never_replaces_another(client: Client, place: Place):
    first, second = drawn_by(client, seed=1), drawn_by(client, seed=2)
    names = [place.store(job_named("fox"), drawn)[0][0].rpartition("/")[2] for drawn in (first, second)]
    assert names == ["fox.jpg", "fox (1).jpg"]


def test_a_put_whose_answer_was_lost_is_not_stored_twice(client: Client, tmp_path: Path, store: str):
    place, drawn = place_at(store, tmp_path), drawn_by(client)
    assert place.store(job_named("fox"), drawn) == place.store(job_named("fox"), drawn)


def test_the_pictures_of_a_job_are_found_again_if_all_are_there(client: Client, place: Place):
    begun, drawn = time.time(), drawn_by(client, batch_size=2)
    files, trouble = place.store(job_named("fox", batch_size=2), drawn)
    assert (place.find(job_named("fox", batch_size=2), begun), trouble) == (files, "")
    assert place.find(job_named("fox", batch_size=3), begun) == []


def test_a_picture_that_was_there_before_the_call_is_not_its_own(client: Client, place: Place):
    place.store(job_named("fox"), drawn_by(client))
    assert place.find(job_named("fox"), time.time() + LATER) == []


def test_a_picture_that_is_not_whole_is_not_found(client: Client, store: str, tmp_path: Path):
    whole = drawn_by(client).image.data
    fsspec.filesystem("memory").pipe_file(f"{store}/fox.jpg", whole[:-200])
    assert place_at(store, tmp_path).find(job_named("fox"), 0) == []


def test_the_jobs_of_a_run_that_died_are_done_where_their_picture_is_in_the_store(
    client: Client, tmp_path: Path, store: str
):
    with closing(Run(Plan(store, 1, journal=tmp_path)).journal) as journal:
        journal.add([NewJob(name, name, TURBO, "{}", 0, name) for name in ("fox", "cat")])
        with journal.running():
            journal.apply([Claim(), Claim()])
    place_at(store, tmp_path).store(job_named("fox"), drawn_by(client))
    outcomes, _ = send(client, 0, store, journal=tmp_path)
    assert [(each.id, each.state) for each in outcomes] == [("fox", "done"), ("cat", "unknown")]


class Broken(Address):
    """A store that fails from its second put on."""

    puts = 0

    def _put(self, name: Path, data: bytes) -> str:
        self.puts += 1
        if self.puts > 1:
            raise ConnectionResetError(104, "reset")
        return super()._put(name, data)


def test_what_the_store_does_not_take_is_saved_beside_the_journal_and_named(
    client: Client, tmp_path: Path, store: str
):
    drawn = drawn_by(client, batch_size=2)
    files, trouble = Broken(store, tmp_path / "unstored").store(job_named("fox", batch_size=2), drawn)
    assert files[0] == f"{store}/fox-1.jpg"
    assert Path(files[1]).read_bytes() == drawn.images[1].data
    assert str(tmp_path / "unstored") in trouble
    assert "reset" in trouble


def test_a_store_that_fails_stops_the_batch_and_nothing_paid_for_is_lost(
    server: ReferenceServer, client: Client, tmp_path: Path, store: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("segmind_sd3._batch.places.Address", Broken)
    outcomes, summary = send(client, 9, store, journal=tmp_path, at_once=1)
    assert "could not be written" in summary.stopped
    assert [(len(each.urls), len(each.files)) for each in outcomes] == [(1, 0), (0, 1)]
    assert len(server.ledger) == 2


def test_a_kept_reply_goes_beside_the_journal_where_the_store_fails(tmp_path: Path, store: str):
    place = Broken(store, tmp_path / "unstored")
    place.puts = 1
    kept = place.keep(job_named("fox"), b"no picture")
    assert kept is not None
    assert Path(kept).read_bytes() == b"no picture"


# -- The journal in another folder ------------------------------------------------------------------------


def test_a_journal_in_another_folder_has_whole_paths(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    send(client, 1, "pictures", journal="journal")
    with closing(Journal(Path("journal"))) as journal:
        assert [each["files"] for each in records(journal)] == [[str(tmp_path / "pictures" / "job-0.jpg")]]
    assert not [*Path("pictures").glob("journal*")]


# -- Another machine knows the place ----------------------------------------------------------------------


def test_a_mark_is_seen_at_the_same_place_alone(place: Place, tmp_path: Path):
    place.mark("token")
    try:
        assert place.sees("token")
        assert not Folder(tmp_path).sees("token")
        assert not place.sees("another")
    finally:
        place.unmark("token")
    assert not place.sees("token")


def test_a_folder_that_can_not_be_written_is_named(tmp_path: Path):
    with pytest.raises(InvalidRequest, match=rf"out was {tmp_path}/none, which can't be written"):
        Folder(tmp_path / "none").mark("token")


# -- The commands -----------------------------------------------------------------------------------------


def command(*words: str) -> str:
    return CliRunner().invoke(commands, ["batch", *words]).output


def test_the_commands_work_with_a_store(tmp_path: Path, store: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    grid = ("--set", "prompt=a fox", "--set", "width=64", "--set", "height=64", "--vary", "seed=1..3")
    ran = command("run", "--endpoint", TURBO, *grid, "--local", "--out", store, "--journal", "journal")
    assert ran == "3 done; $0.0105 spent\n"
    place = (store, "--journal", "journal")
    assert "3 pictures in" in command("status", *place)
    command("export", *place)
    lines = Path("jobs-done.jsonl").read_text("utf-8").splitlines()
    assert all(json.loads(line)["files"][0].startswith(store) for line in lines)
    assert command("sheet", *place) == (
        "3 pictures are in sheet/index.html, sheet/sheet.jpg.\n"
        "The page lacks 3: they are in a store, and a browser has not its keys.\n"
    )
    with PIL.Image.open("sheet/sheet.jpg") as picture:
        assert len(picture.convert("RGB").getcolors(2**24) or ()) > 100


def test_a_picture_that_is_gone_from_the_store_is_gray_on_the_sheet(
    client: Client, tmp_path: Path, store: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    send(client, 1, store, journal="journal")
    fsspec.filesystem("memory").rm(f"{store}/job-0.jpg")
    command("sheet", store, "--journal", "journal")
    with PIL.Image.open("sheet/sheet.jpg") as picture:
        assert picture.getpixel((96, 96)) == (211, 211, 211)


@pytest.mark.parametrize(
    ("place", "said"), [("none", "'none' is no folder."), ("s3://key@bucket", "leave that out; keys")]
)
def test_a_wrong_place_is_named(place: str, said: str):
    assert said in command("status", place)


# -- A real server of S3 ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def s3_url() -> Iterator[str]:
    with store_listening() as url:
        yield url


def new_bucket(url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Let this process use a server of S3; return an address in a new bucket."""
    for name, value in environment_of_store(url).items():
        monkeypatch.setenv(name, value)
    fsspec.get_filesystem_class("s3").clear_instance_cache()  # it remembers the server
    bucket = secrets.token_hex(8)
    fsspec.filesystem("s3").mkdir(bucket)
    return f"s3://{bucket}/my pictures"


@pytest.fixture
def s3(s3_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    return new_bucket(s3_url, monkeypatch)


@pytest.mark.slow
def test_s3_holds_the_pictures_and_neither_journal_nor_error_holds_a_key(
    client: Client, tmp_path: Path, s3: str
):
    outcomes, summary = send(client, 3, s3, journal=tmp_path)
    assert all(PIL.Image.open(BytesIO(read(each.urls[0]))).size == (64, 64) for each in outcomes)
    with pytest.raises(InvalidRequest) as refused:
        send(client, 1, "s3://another-bucket/prefix", journal=tmp_path)
    assert "bucket does not exist" in str(refused.value)
    texts = [str(outcomes), str(summary), str(refused.value), repr(refused.getrepr(showlocals=True))]
    everything = b"".join(file.read_bytes() for file in tmp_path.iterdir()) + "".join(texts).encode()
    assert SECRET.encode() not in everything
    assert KEY_ID.encode() not in everything


@pytest.mark.slow
def test_s3_replaces_no_object_and_finds_what_was_put(client: Client, tmp_path: Path, s3: str):
    place, begun = place_at(s3, tmp_path), time.time()
    first, second = drawn_by(client, seed=1), drawn_by(client, seed=2)
    assert place.store(job_named("fox"), first) == ([f"{s3}/fox.jpg"], "")
    assert place.store(job_named("fox"), second) == ([f"{s3}/fox (1).jpg"], "")
    assert place.store(job_named("fox"), first) == ([f"{s3}/fox.jpg"], "")
    assert place.find(job_named("fox"), begun) == [f"{s3}/fox.jpg"]
    assert place.find(job_named("fox"), begun + LATER) == []
    assert place.find(job_named("cat"), begun) == []
    place.mark("token")
    assert place.sees("token")


@pytest.mark.slow
def test_what_s3_no_longer_takes_is_saved_beside_the_journal(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    drawn = drawn_by(client)
    with store_listening() as url:
        place = Address(new_bucket(url, monkeypatch), tmp_path)
        place.check()
    files, trouble = place.store(job_named("fox"), drawn)
    assert Path(files[0]).read_bytes() == drawn.image.data
    assert "Could not connect" in trouble
