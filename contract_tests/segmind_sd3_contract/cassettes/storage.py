# vcrpy has no types.
# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportUnknownVariableType=false
"""Store a cassette: vcrpy's YAML, with large bodies in files beside it, and nothing about the sender.

A request is stored with its method, address, content type and body, without key, host, cookie or user agent.
A request matches by method, path and body (as JSON if it is JSON). Each reply is played once. A request that
is not on the cassette is never sent. A body over 2 KB is a file in `blobs`, named by its SHA-256, which is
checked whenever it is read.
"""

from __future__ import annotations

import hashlib
import json
import re
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import responses
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import vcr
import yaml
from segmind_sd3._saving import write_whole
from vcr.patch import PATCHER_NAMES
from vcr.persisters.filesystem import CassetteNotFoundError
from vcr.request import Request
from vcr.serialize import deserialize, serialize
from vcr.serializers import yamlserializer

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from segmind_sd3._wire import Reply

LARGEST_INLINE: Final = 2048
"""Bytes of a body that still stands in the cassette itself."""

KEY_SHOWN_AS: Final = "[API key]"


def _bare(request: Any) -> Any:
    kept = {name: value for name, value in request.headers.items() if name.lower() == "content-type"}
    request.headers = kept
    return request


def _without_cookies(response: Any) -> Any:
    kept = {name: value for name, value in response["headers"].items() if name.lower() != "set-cookie"}
    return {**response, "headers": kept}


def json_body(one: Any, other: Any) -> None:
    """Compare two bodies as JSON, where 1, 1.0 and true differ."""
    if _written(one.body) != _written(other.body):
        raise AssertionError("the JSON bodies differ")


def _written(body: bytes | None) -> str:
    try:
        return json.dumps(json.loads(body or b"null"), sort_keys=True)
    except (ValueError, RecursionError):
        return repr(body)


_VCR: Final = vcr.VCR(
    match_on=("method", "path", "json_body"),
    before_record_request=_bare,
    before_record_response=_without_cookies,
    # httpx alone is watched: nothing here sends by another library.
    skip_patchers=[name for name in PATCHER_NAMES if name != "httpx"],
    # What is compressed could hide a key.
    decode_compressed_response=True,
)
_VCR.register_matcher("json_body", json_body)


def _blob(cassette: Path, digest: str) -> Path:
    return cassette.parents[1] / "blobs" / digest


class Shelf:
    """Reads cassettes. (What vcrpy calls a persister.)"""

    def load_cassette(self, cassette_path: str, serializer: Any) -> Any:
        path = Path(cassette_path)
        if not path.is_file():
            raise CassetteNotFoundError(path)
        requests, responses, *metadata = deserialize(path.read_text(encoding="utf-8"), serializer)
        return [requests, [_whole(path, response) for response in responses], *metadata]

    def save_cassette(self, cassette_path: str, cassette_dict: Any, serializer: Any) -> None:
        raise NotImplementedError(f"{cassette_path} is only read")


def _whole(cassette: Path, response: Any) -> Any:
    digest = response["body"].get("blob")
    if digest is None:
        return response
    data = _blob(cassette, digest).read_bytes()
    if hashlib.sha256(data).hexdigest() != digest:
        raise ValueError(
            f"{_blob(cassette, digest)} is not what its name says: restore it, or record it anew"
        )
    return {**response, "body": {"string": data}}


@dataclass(slots=True)
class Recorder(Shelf):
    """Writes one cassette anew, whatever was there, as soon as its exchange is over.

    Attributes:
        keep: whether to write it at all.
        status: what came, or None where nothing did.
        changed: whether more than the date differs from what was there.
    """

    keep: bool = True
    status: int | None = None
    changed: bool = False

    def load_cassette(self, cassette_path: str, serializer: Any) -> Any:  # noqa: ARG002 - vcrpy's interface
        raise CassetteNotFoundError(cassette_path)

    def save_cassette(self, cassette_path: str, cassette_dict: Any, serializer: Any) -> None:
        path = Path(cassette_path)
        if not self.keep:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        responses = [_parted(path, response) for response in cassette_dict["responses"]]
        text = serialize({**cassette_dict, "responses": responses}, serializer)
        # A recording that says the same again leaves the older one, with its date, where it is.
        if not path.is_file() or _undated(path.read_text(encoding="utf-8")) != _undated(text):
            self.changed = True
            write_whole(text.encode(), path, overwrite=True)


@dataclass(frozen=True, slots=True)
class Sent:
    """A request as it left; `body` is None where it had none."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None


def _undated(text: str) -> str:
    return re.sub(r"^  date: .*$", "", text, flags=re.MULTILINE)


def _parted(cassette: Path, response: Any) -> Any:
    data: bytes = response["body"]["string"]
    if len(data) <= LARGEST_INLINE:
        return response
    digest = hashlib.sha256(data).hexdigest()
    blob = _blob(cassette, digest)
    if not blob.is_file():
        blob.parent.mkdir(exist_ok=True)
        write_whole(data, blob, overwrite=True)
    return {**response, "body": {"blob": digest}}


@contextmanager
def recording(path: Path, provenance: Mapping[str, Any], key: str) -> Generator[Recorder]:
    """Record what httpx sends in this context, with where it came from; the key is blotted out."""
    recorder = Recorder()
    tape: Any = _VCR.use_cassette(
        path, record_mode="all", persister=recorder, filter_sensitive_data={KEY_SHOWN_AS: key}
    )
    with tape as cassette:
        try:
            yield recorder
        finally:
            if len(cassette):
                recorder.status = cassette.responses[0]["status"]["code"]
                for name, value in provenance.items():
                    cassette.get_metadata(name, value)


def write(path: Path, sent: Sent, came: Reply, provenance: Mapping[str, Any]) -> None:
    """Write the cassette of an exchange that was made elsewhere, in the form that `recording` gives it."""
    response = {
        "status": {"code": came.status, "message": responses.get(came.status, "")},
        "headers": {name: [value] for name, value in came.headers.items()},
        "body": {"string": came.body},
    }
    request = Request(sent.method, sent.url, sent.body, dict(sent.headers))
    kept = {"requests": [_bare(request)], "responses": [_without_cookies(response)]}
    Recorder().save_cassette(str(path), {**kept, "metadata": dict(provenance)}, yamlserializer)


@contextmanager
def replaying(path: Path) -> Generator[None]:
    """Answer what httpx sends in this context from a cassette, each exchange once, and send nothing.

    Raises:
        OutcomeUnknown: a call is not on it, or was played already; it names vcrpy's own error.
        ValueError: a blob was changed.
    """
    with _VCR.use_cassette(path, record_mode="none", persister=Shelf()):
        yield


def read(path: Path) -> tuple[Any, Any, dict[str, Any]]:
    """Return the request, the response and the provenance of a cassette, which holds one exchange.

    Raises:
        ValueError: it is no cassette of ours, or a blob was changed.
        OSError: the file, or a blob, is not there.
    """
    try:
        kept = Shelf().load_cassette(str(path), yamlserializer)
    except (yaml.YAMLError, TypeError, KeyError, AttributeError) as odd:
        raise ValueError(f"{path} is no cassette: {type(odd).__name__}") from odd
    match kept:
        case [[request], [response], dict() as provenance]:
            return request, response, cast("dict[str, Any]", provenance)
        case _:
            raise ValueError(f"{path} holds no single exchange with its provenance: record it anew")
