"""Pictures in an object store, at an address such as `s3://bucket/prefix`.

One put writes a picture whole or not at all, and no picture replaces another object. The keys of the store
come from the environment; they are never part of an address, and so they are not in the journal either.
"""

from __future__ import annotations

import os
import secrets
import socket
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import unquote, urlsplit

from segmind_sd3._errors import InvalidRequest
from segmind_sd3._imagefile import SUFFIXES, read_picture
from segmind_sd3._result import save_images
from segmind_sd3._saving import numbered, save_all, target_path
from segmind_sd3._text import describe_error, printable, short_repr

from .storing import OLDER, numbers_of

if TYPE_CHECKING:
    from segmind_sd3._result import Generation

    from .values import Job

STORES: Final = {"s3": "pip install 'segmind-sd3[s3]'", "memory": "pip install fsspec"}
"""The schemes of addresses, and what installs each. `memory` is for tests: it ends with the process."""

_UNSENT: Final = "keys and passwords come from the environment, never with an address"
_LONGEST_REASON: Final = 300


def parse_place(out: object) -> Path | str:
    """Return the folder that was given, or the address of a store.

    Raises:
        InvalidRequest: it is no address that pictures can be stored at.
    """
    text = os.fspath(cast("str", out))
    if "://" not in text:
        return Path(text)
    if any(mark in text for mark in "@?#"):
        # What was given may hold a password, so it is not shown.
        raise InvalidRequest(f"out is an address with '@', '?' or '#': leave that out; {_UNSENT}")
    parts = urlsplit(text)
    if ":" in parts.netloc:
        raise InvalidRequest(f"out is an address with ':' behind its host: leave that out; {_UNSENT}")
    if parts.scheme == "file" and parts.netloc in ("", "localhost"):
        return Path(unquote(parts.path))
    if parts.scheme not in STORES or not parts.netloc:
        raise InvalidRequest(
            f"out was {short_repr(text)}; allowed are a folder, file:///folder and s3://bucket/prefix"
        )
    return text.rstrip("/")


class Address:
    """A place for pictures in an object store.

    Args:
        url: the address, as `parse_place` returned it.
        fallback: the folder for what can't be written there.

    Raises:
        InvalidRequest: a library is missing that its scheme needs.
    """

    def __init__(self, url: str, fallback: Path) -> None:
        self.url = url
        self._fallback = fallback
        scheme = url.partition(":")[0]
        try:
            fsspec: Any = import_module("fsspec")
            # Another process may write too: no listing is remembered.
            self._store: Any = fsspec.filesystem(scheme, use_listings_cache=False)
        except ImportError as missing:
            raise InvalidRequest(f"{scheme}:// addresses need a library: {STORES[scheme]}") from missing

    def check(self) -> None:
        """Put a small object and remove it, before anything is paid for.

        Raises:
            InvalidRequest: that failed.
        """
        token = secrets.token_hex(8)
        self.mark(token)
        self.unmark(token)

    def mark(self, token: str) -> None:
        """Put a small object, by which another machine knows the place.

        Raises:
            InvalidRequest: that failed.
        """
        try:
            self._store.pipe_file(self._mark(token), token.encode())
        except Exception as error:  # a library's own kinds
            raise InvalidRequest(f"out was {self.url}, which can't be written: {_reason(error)}") from error

    def sees(self, token: str) -> bool:
        """Return whether a mark is here."""
        return self._store.exists(self._mark(token))

    def unmark(self, token: str) -> None:
        """Remove a mark; what can't be removed stays, and harms nobody."""
        with suppress(Exception):
            self._store.rm_file(self._mark(token))

    def _mark(self, token: str) -> str:
        return f"{self.url}/.segmind-sd3-{token}"

    def room(self, _calls: int) -> str:
        """A store has room."""
        return ""

    def store(self, job: Job, drawn: Generation) -> tuple[list[str], str]:
        """Put the pictures of a job; return their addresses, and what went wrong."""
        several = len(drawn.images) > 1
        files: list[str] = []
        try:
            for number, image in enumerate(drawn.images, 1):
                name = target_path(Path(job.id), image.media_type, number if several else None)
                files.append(self._put(name, image.data))
        except Exception as error:  # noqa: BLE001 - whatever it is, what was paid for reaches a disk
            with suppress(OSError):
                self._fallback.mkdir(parents=True, exist_ok=True)
            left = drawn.images[len(files) :]
            saved = save_images(left, self._fallback / job.id)
            where = ", ".join(map(str, saved.files)) or "in no place"
            lost = f"; {len(left) - len(saved.files)} lost" if len(saved.files) < len(left) else ""
            return [*files, *map(str, saved.files)], (
                f"{self.url} could not be written ({_reason(error)}); "
                f"saved on {socket.gethostname()} instead: {where}{lost}"
            )
        return files, ""

    def keep(self, job: Job, body: bytes) -> str | None:
        """Keep the body of a reply that is no picture; return its address or file."""
        name = f"{job.id}-{job.attempt}.reply"
        try:
            return self._put(Path("kept", name), body)
        except Exception:  # noqa: BLE001 - as above
            with suppress(OSError):
                self._fallback.mkdir(parents=True, exist_ok=True)
            saved = save_all([body], self._fallback / name, lambda asked: [asked])
            return str(saved.files[0]) if saved.files else None

    def find(self, job: Job, started: float) -> list[str]:
        """Return the pictures of a job whose run died, where all of them are there, whole."""
        found: list[str] = []
        for number in numbers_of(job):
            names = (target_path(Path(job.id), kind, number) for kind in SUFFIXES)
            url = next((url for name in names if self._is_whole(url := f"{self.url}/{name}", started)), None)
            if url is None:
                return []
            found.append(url)
        return found

    def sync(self, _files: object) -> None:
        """A store that has answered keeps what it took."""

    def locate(self, file: str) -> str | Path:
        """Return where a file of the journal is."""
        return file if file.startswith(f"{self.url}/") else Path(file)

    def _put(self, name: Path, data: bytes) -> str:
        """Put an object under a name that is free; return its address."""
        number = 0
        while True:
            url = f"{self.url}/{numbered(name, number).as_posix()}"
            try:
                self._store.pipe_file(url, data, mode="create")
            except FileExistsError:
                # The answer to a put may be lost, and the library puts again.
                if self._store.cat_file(url) != data:
                    number += 1
                    continue
            return url

    def _is_whole(self, url: str, started: float) -> bool:
        try:
            # A picture that was there before the call is another one.
            recent = self._store.modified(url).timestamp() >= started - OLDER
            return recent and read_picture(self._store.cat_file(url)) is not None
        except FileNotFoundError:
            return False


def read_object(url: str) -> bytes:
    """Return the bytes at an address.

    Raises:
        OSError: it can't be read.
    """
    try:
        fsspec: Any = import_module("fsspec")
        store, path = fsspec.core.url_to_fs(url)
        return store.cat_file(path)
    except Exception as error:
        raise OSError(f"{url} can't be read: {_reason(error)}") from error


def _reason(error: BaseException) -> str:
    return printable(describe_error(error), _LONGEST_REASON)
