"""Check the options of a client. An error says what was given and what is allowed instead."""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Final, cast

from segmind_sd3_api.parameters import OPERATIONS

from ._addresses import is_this_machine
from ._errors import InvalidRequest
from ._retry import Retry
from ._text import short_repr
from ._url import URL, InvalidURL
from ._wire import Key

BASE_URL: Final = "https://api.segmind.com"

MAX_TIMEOUT: Final = 2_147_483.0
"""Seconds, some 24 days. Systems count the milliseconds of a wait in 31 bits, and some wrap around."""

MAX_BUDGET: Final = 10**9
"""The highest budget in USD. A sum up to it has no more digits than are counted exactly."""

_BUDGET: Final = f"a number of USD from 0 to {MAX_BUDGET}, or None for no budget"


def invalid_option(option: str, value: object, allowed: str) -> InvalidRequest:
    return InvalidRequest(f"{option} was {short_repr(value)}; allowed is {allowed}")


def check_timeout(timeout: float) -> float:
    allowed = f"a number of seconds above 0, at most {MAX_TIMEOUT:.0f}"
    # No float can represent 10**400, and every comparison with NaN is false.
    number = cast("object", timeout)
    if isinstance(number, bool) or not isinstance(number, (int, float)) or not 0 < number <= MAX_TIMEOUT:
        raise invalid_option("timeout", timeout, allowed)
    return float(number)


def check_budget(budget: float | Decimal | None) -> Decimal | None:
    number = cast("object", budget)
    if number is None:
        return None
    if isinstance(number, bool) or not isinstance(number, (int, float, Decimal)):
        raise invalid_option("budget", budget, _BUDGET)
    amount = Decimal(str(number))
    if not amount.is_finite() or not 0 <= amount <= MAX_BUDGET:
        raise invalid_option("budget", budget, _BUDGET)
    return amount


def check_retry(retry: Retry) -> Retry:
    if isinstance(cast("object", retry), Retry):
        return retry
    given = cast("object", retry)
    is_count = type(given) is int and given > 0
    tries = given if is_count else 1 if given is None or given is False or given == 0 else 4
    raise invalid_option(
        "retry", given, f"a Retry, such as Retry(attempts={tries}): how often a call is tried in all"
    )


def check_spool(spool: str | os.PathLike[str] | None) -> Path | None:
    """Return the folder as an absolute path, after a file was made in it and removed.

    Raises:
        InvalidRequest: it is no folder, or no file can be made in it.
    """
    given = cast("object", spool)
    if given is None:
        return None
    if not given or not isinstance(given, (str, os.PathLike)):
        raise invalid_option("spool", given, "the path of a folder on a local disk, or None")
    import tempfile  # noqa: PLC0415 - rare, and takes a while to load

    folder = Path(cast("str", given)).absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InvalidRequest(
            f"spool was {short_repr(str(folder))}, where no file can be made ({reason}): "
            "name a folder on a local disk that can be written to"
        ) from error


def check_verify(verify: ssl.SSLContext | bool) -> ssl.SSLContext | bool:  # noqa: FBT001 - httpx's own value
    allowed = "True, False or an ssl.SSLContext"
    if isinstance(verify, ssl.SSLContext):
        if verify.protocol == ssl.PROTOCOL_TLS_SERVER:
            raise invalid_option("verify", verify, f"{allowed}, and this context is a server's")
    elif not isinstance(cast("object", verify), bool):
        advice = "for a file of certificates, ssl.create_default_context(cafile=…)"
        raise invalid_option("verify", verify, f"{allowed}: {advice}")
    return verify


# -- The key ----------------------------------------------------------------------------------------------


def read_key(text: str | None) -> Key | InvalidRequest:
    """Return the key, from the environment where none is given, or the error for what is wrong with it.

    The error is returned, not raised, and contains nothing of the text. Tracebacks may show local variables,
    so the caller deletes its own copy of the text before it raises the error.
    """
    source, given = "api_key", cast("object", text)
    if given is None:
        source, given = "SEGMIND_API_KEY", os.environ.get("SEGMIND_API_KEY", "")
        if not given.strip():
            return InvalidRequest("there is no API key: set SEGMIND_API_KEY, or pass api_key=")
    if not isinstance(given, str):
        return InvalidRequest(f"{source} is of type {type(given).__name__}; allowed is a str")
    stripped = given.strip(" \t\r\n\v\f")
    wrong = next((why for why, pattern in _WRONG_KEYS.items() if re.search(pattern, stripped)), None)
    return InvalidRequest(f"{source} is no usable key: {wrong}") if wrong else Key(stripped)


_WRONG_KEYS: Final = {
    "it is empty; give a key, or leave it out for that of SEGMIND_API_KEY": r"\A\Z",
    "it begins with a byte order mark; read its file with encoding='utf-8-sig'": "\\A(?:\ufeff|\xef\xbb\xbf)",
    "it stands in quotes; give the text between them": "\\A[\"'`\u2018-\u201f]|[\"'`\u2018-\u201f]\\Z",
    "it is an assignment; give what stands behind the =": r"(?i)\A(?:export\s+)?\w*API_?KEY\s*=",
    "it is a whole header; give its value alone": r"(?i)\A(?:x-api-key|authorization)\s*:",
    "it begins with a scheme, such as Bearer; give the key alone": r"(?i)\A(?:bearer|basic|token)\s",
    "it is a placeholder; give your own key, from your account at segmind.com": (
        r"(?i)\A(?:<.*>|\[.*\]|\{.*\}|\$.*|%.*%|(?:your|insert|enter|paste)[-_ .].*|yourapikey"
        r"|(?:segmind_)?api_?key|(?:sg_)?(?:x{3,}|\*+|\.{3,}|\u2026)|changeme|none|null|undefined)\Z"
    ),
    "there is a line break in it; give one line": "[\r\n\v\f\x1c-\x1e\x85\u2028\u2029]",
    "there is a non-breaking space in it; type it anew, or copy it from another place": "[\xa0\u2007\u202f]",
    "there is a blank in it; give the key alone": r"\s",
    "there is a character in it that is no printable ASCII; copy it anew": r"[^\x21-\x7e]",
}
"""What may be wrong with a key, and the pattern that finds it. The first that matches is reported."""


def read_secrets(api_key: str | None, headers: Mapping[str, str] | None) -> Key | InvalidRequest:
    """Return the key with a gateway's headers, or the error for what is wrong with either."""
    key, more = read_key(api_key), check_headers(headers)
    if isinstance(key, InvalidRequest):
        return key
    return more if isinstance(more, InvalidRequest) else key.with_headers(more)


# -- Headers ----------------------------------------------------------------------------------------------


_RESERVED_HEADERS: Final = (
    *("accept", "accept-encoding", "content-encoding", "content-length", "content-type", "host"),
    *("connection", "expect", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "x-api-key"),
    *("proxy-authorization", "proxy-connection", "user-agent"),
)
"""Headers that the SDK sets, that HTTP sets for each connection, or that belong to a proxy."""


def check_headers(headers: Mapping[str, str] | None) -> tuple[tuple[str, str], ...] | InvalidRequest:
    """Return the headers for a gateway, or the error for what is wrong, which contains no value."""
    if headers is None:
        return ()
    given = cast("object", headers)
    if not isinstance(given, Mapping):
        return InvalidRequest(
            f"headers is of type {type(given).__name__}; allowed is a mapping of str to str"
        )
    pairs: list[tuple[str, str]] = []
    seen: set[str] = set()
    for name, value in cast("Mapping[object, object]", given).items():
        if not isinstance(name, str) or not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name):
            return InvalidRequest(
                f"headers has the name {short_repr(name)}; allowed are letters, digits and -"
            )
        if name.lower() in _RESERVED_HEADERS:
            advice = "use api_key= for the key" if name.lower() == "x-api-key" else "leave it out"
            return InvalidRequest(f"headers has {name}, which the SDK sets itself: {advice}")
        if name.lower() in seen:
            return InvalidRequest(f"headers has {name} twice, in two spellings: leave one out")
        if not isinstance(value, str) or not re.fullmatch(
            r"[\x21-\x7e](?:[\t\x20-\x7e]*[\x21-\x7e])?", value
        ):
            return InvalidRequest(
                f"headers has a value for {name} that can't be sent; allowed is printable ASCII, "
                "without a line break, and without blanks around it"
            )
        seen.add(name.lower())
        pairs.append((name, value))
    return tuple(pairs)


# -- The base URL -----------------------------------------------------------------------------------------

_PATH: Final = re.compile(r"(?:/[A-Za-z0-9._~:@!$&'()*+,;=-]+)*")


def check_base_url(base_url: str) -> str:
    """Return the base URL without a /v1 at its end, since the contract's paths begin with /v1.

    It is an origin, or a gateway's address with a path.

    Raises:
        InvalidRequest: it is no http(s) URL, has more than an origin and a path, or would send the key
            unencrypted.
    """
    example = f"an origin such as {BASE_URL}"
    if not isinstance(cast("object", base_url), str):
        raise invalid_option("the base URL", base_url, example)
    try:
        url = URL(base_url.strip())
        host = url.host
    except (InvalidURL, ValueError):
        raise InvalidRequest(f"the base URL is no URL; allowed is {example}") from None
    shown_url = str(url.copy_with(userinfo=b"", query=None, fragment=None))

    def wrong(allowed: str) -> InvalidRequest:
        return InvalidRequest(f"the base URL was {shown_url!r}; {allowed}")

    if url.scheme not in ("http", "https") or not host:
        raise wrong(f"allowed is {example}")
    # From the text that was given: in `url`, dot segments are resolved.
    _, _, rest = base_url.strip().partition("://")
    path = re.sub(r"\A[^/?#]*", "", rest).rstrip("/")
    segments = path.split("/")
    if url.userinfo or url.query or url.fragment or not _PATH.fullmatch(path) or {".", ".."} & set(segments):
        raise wrong(f"allowed is an origin alone, such as {BASE_URL}, or one with a plain path")
    path = path.removesuffix("/v1")
    if path and host == URL(BASE_URL).host:
        raise wrong(f"allowed is an origin alone: the live service is {BASE_URL}")
    if any(f"/v1/{segment}" == known.path for segment in segments for known in OPERATIONS.values()):
        raise wrong("it names an endpoint: leave out what comes after /v1")
    if re.search(r"/v\d+\w*\Z", path):
        raise wrong("allowed is a path that ends in /v1, or before it: no other version is known")
    if url.scheme == "http" and not is_this_machine(host):
        raise wrong("the key goes over plain http to this machine alone")
    return f"{url.scheme}://{url.netloc.decode('ascii')}{path}"


# -- A proxy ------------------------------------------------------------------------------------------------


def parse_proxy_url(proxy: str, source: str) -> URL:
    """Parse the URL of a proxy. No error contains its user or password.

    Raises:
        InvalidRequest: it is not the URL of a proxy. `source` says where it was given.
    """
    allowed = "allowed is the URL of a proxy, such as http://proxy.example:3128"
    if not isinstance(cast("object", proxy), str):
        raise InvalidRequest(f"{source} is of type {type(proxy).__name__}; {allowed}")
    try:
        url = URL(proxy.strip())
    except (InvalidURL, ValueError):
        raise InvalidRequest(f"{source} is no URL; {allowed}") from None
    if not url.host or url.path not in ("", "/") or url.query or url.fragment:
        raise InvalidRequest(f"{source} is not an address alone; {allowed}")
    if url.scheme.startswith("socks"):
        advice = "give an HTTP proxy, or transport=httpx.HTTPTransport(proxy=…)"
        raise InvalidRequest(f"{source} has the scheme {url.scheme}, which is not supported: {advice}")
    if url.scheme not in ("http", "https"):
        raise InvalidRequest(f"{source} has the scheme {url.scheme!r}; {allowed}")
    return url
