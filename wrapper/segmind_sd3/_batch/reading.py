"""Read jobs from JSONL, CSV or an iterable, lay a grid over them, and check each before anything is paid."""

from __future__ import annotations

import csv
import hashlib
import json
import re
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from segmind_sd3_api.parameters import Random

from segmind_sd3._budget import worst_price
from segmind_sd3._errors import InvalidRequest
from segmind_sd3._sent import file_digest
from segmind_sd3._text import describe_error, short_repr
from segmind_sd3._validation import build_body, find_operation

from .outcome import JobProblem
from .values import NewJob, billionths

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from segmind_sd3_api.parameters import Operation, Parameter

Source = "str | os.PathLike[str] | Iterable[Mapping[str, Any]]"

_ID: Final = re.compile(r"[^\W_][\w.+ -]{0,99}")
LONGEST_NAME: Final = 200
"""Bytes of an id: a file's name has at most 255 on most systems."""

_FLAGS: Final = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


class Reader:
    """Reads jobs.

    Args:
        source: the file, or the jobs themselves.
        endpoint: the endpoint of jobs that name none.
        common: parameters that every job has, unless it has its own.
        vary: values for parameters; each job is made once for each combination.
        priced: whether a job without a known price is refused.
    """

    def __init__(
        self,
        source: str | os.PathLike[str] | Iterable[Mapping[str, Any]],
        endpoint: str | None = None,
        *,
        common: Mapping[str, Any] | None = None,
        vary: Mapping[str, Sequence[Any]] | None = None,
        priced: bool = False,
    ) -> None:
        self._source = source
        self._endpoint = endpoint and find_operation(endpoint.replace("-", "_")).operation_id
        self._common = dict(common or {})
        self._vary = dict(vary or {})
        self._priced = priced
        is_file = isinstance(source, str) or hasattr(source, "__fspath__")
        self._file = Path(cast("str", source)) if is_file else None
        # A path in a file means the same wherever the command is called.
        self._base = self._file.absolute().parent if self._file else Path.cwd()

    def __iter__(self) -> Iterator[NewJob | JobProblem]:
        for where, given in self._given():
            if isinstance(given, str):
                yield JobProblem(where, given)
                continue
            for values in product(*self._vary.values()):
                varied = dict(zip(self._vary, values, strict=True))
                try:
                    yield self._check(where, given, varied)
                except (ValueError, OSError, TypeError) as wrong:
                    yield JobProblem(where, str(wrong))

    # -- Where jobs come from -------------------------------------------------------------------------------

    def _given(self) -> Iterator[tuple[str, Mapping[str, Any] | str]]:
        """Yield where a job stands, and what it says, or what is wrong with it."""
        if self._file is None:
            for number, job in enumerate(cast("Iterable[Mapping[str, Any]]", self._source), 1):
                yield f"job {number}", job if isinstance(cast("object", job), dict) else _no_object(job)
        elif self._file.suffix.lower() == ".csv":
            yield from self._csv()
        else:
            yield from self._jsonl()

    def _jsonl(self) -> Iterator[tuple[str, Mapping[str, Any] | str]]:
        assert self._file is not None  # noqa: S101 - the caller has looked
        with self._file.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                where = f"{self._file.name}, line {number}"
                if not line.strip():
                    continue
                try:
                    job = json.loads(line.decode("utf-8-sig"))
                except (ValueError, RecursionError) as broken:
                    yield where, f"it is no JSON object ({describe_error(broken)})"
                    continue
                yield where, cast("dict[str, Any]", job) if isinstance(job, dict) else _no_object(job)

    def _csv(self) -> Iterator[tuple[str, Mapping[str, Any] | str]]:
        assert self._file is not None  # noqa: S101 - the caller has looked
        with self._file.open(encoding="utf-8-sig", newline="", errors="surrogateescape") as lines:
            reader = csv.DictReader(lines, restkey="", strict=True)
            while True:
                try:
                    row = next(reader)
                except StopIteration:
                    return
                except csv.Error as broken:
                    yield f"{self._file.name}, line {reader.line_num}", f"it is no CSV ({broken})"
                    return  # where the next row begins is not known
                where = f"{self._file.name}, line {reader.line_num}"
                if "" in row:
                    yield where, "it has more columns than the first line"
                    continue
                yield where, {name: text for name, text in row.items() if text}

    # -- One job --------------------------------------------------------------------------------------------

    def _check(self, where: str, given: Mapping[str, Any], varied: dict[str, Any]) -> NewJob:
        values: dict[str, Any] = {**self._common, **given, **varied}
        own_id, endpoint = values.pop("id", None), values.pop("endpoint", None) or self._endpoint
        if endpoint is None:
            raise InvalidRequest("it names no endpoint: add one, or give one for all jobs")
        operation = find_operation(str(endpoint).replace("-", "_"))
        if self._file is not None and self._file.suffix.lower() == ".csv":
            known = operation.parameters
            values = {
                name: _from_text(known[name], value) if name in known and isinstance(value, str) else value
                for name, value in values.items()
            }
        pictures = {name: self._picture(name, values[name]) for name in _pictures(operation, values)}
        body = _checked_body(operation, values, set(pictures))
        values |= {name: address for name, (address, _) in pictures.items()}
        drawn = {
            name: body[name]
            for name, parameter in operation.parameters.items()
            if isinstance(parameter.sdk_default, Random) and name not in {**values, **values.get("extra", {})}
        }
        job_id = None if own_id is None else _check_id(str(own_id), varied)
        # Without a seed each job draws its own picture, so its id is part of what it asks for.
        content = {**values, **{name: digest for name, (_, digest) in pictures.items()}}
        asked = [operation.operation_id, content, job_id if drawn else None]
        digest = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()
        price = worst_price(operation, body)
        if price is None and self._priced:
            raise InvalidRequest(f"no price of {operation.operation_id} is known: no budget can cover it")
        parameters: dict[str, Any] = {**values, **drawn}
        if pictures:
            parameters["pictures"] = {name: digest for name, (_, digest) in pictures.items()}
        return NewJob(
            job_id or digest[:16],
            digest,
            operation.operation_id,
            json.dumps(parameters),
            0 if price is None else billionths(price),
            where,
        )

    def _picture(self, name: str, value: object) -> tuple[str, str]:
        """Return the address of a picture, and the digest of what is there; of a URL, the URL itself."""
        if not isinstance(value, str) and not hasattr(value, "__fspath__"):
            raise InvalidRequest(f"{name}: got {short_repr(value)}; allowed is a path or a URL")
        text = str(value)
        if text[:8].lower().startswith(("http://", "https://", "data:")):
            return text, text
        file = self._base / text
        try:
            return str(file), file_digest(file)
        except OSError as error:
            raise InvalidRequest(f"{name}: {file} can't be read: {error.strerror}") from error


def read(
    source: Reader | str | os.PathLike[str] | Iterable[Mapping[str, Any]],
    endpoint: str | None,
    vary: Mapping[str, Sequence[Any]] | None,
    budget: object,
) -> Reader:
    """Return what reads jobs; a reader is one already."""
    if isinstance(source, Reader):
        return source
    return Reader(source, endpoint, vary=vary, priced=budget is not None)


def _pictures(operation: Operation, values: Mapping[str, Any]) -> list[str]:
    return [
        name
        for name, parameter in operation.parameters.items()
        if parameter.kind == "image" and values.get(name) is not None
    ]


def _checked_body(operation: Operation, values: Mapping[str, Any], pictures: set[str]) -> dict[str, Any]:
    """Return the body of a job, checked, but for its pictures: each is read again when it is sent."""
    others = {name: value for name, value in values.items() if name not in pictures}
    if pictures:
        others["extra"] = {**others.get("extra", {}), **dict.fromkeys(pictures)}
    return build_body(operation, others)


def _check_id(text: str, varied: Mapping[str, Any]) -> str:
    """Return an id that can be the name of a file everywhere; a grid adds its values to it."""
    marks = [f"{name}-{re.sub(r'[^0-9A-Za-z.+-]', '_', str(value))[:40]}" for name, value in varied.items()]
    job_id = " ".join([text, *marks])
    if _ID.fullmatch(job_id) is None or job_id.endswith((".", " ")) or len(job_id.encode()) > LONGEST_NAME:
        raise InvalidRequest(
            f"id {short_repr(job_id)} can't be the name of a file: allowed are up to 100 letters, digits, "
            "blanks and . _ + -, with a letter or digit first"
        )
    return job_id


def _from_text(parameter: Parameter, text: str) -> object:
    """Return the value that a cell of a table holds; text that is none stays, and is refused by name."""
    if parameter.kind == "boolean":
        return _FLAGS.get(text.strip().lower(), text)
    if parameter.kind in ("integer", "number"):
        for parse in (int, float):
            try:
                return parse(text)
            except ValueError:
                continue
    return text


def _no_object(job: object) -> str:
    return f"it is no JSON object, but {short_repr(job)}"
