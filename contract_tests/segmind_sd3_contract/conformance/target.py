"""The target of a run: its address, its keys, and how it is reached.

A key goes over TLS, to loopback, or over plain http where the caller allowed it. Proxies and certificate
authorities of the environment are not used: only those given here are.
"""

from __future__ import annotations

import ipaddress
import os
import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import httpx

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from segmind_sd3_contract.conformance.calls import Call

KEY_VARIABLE: Final = "SEGMIND_API_KEY"
PENNILESS_VARIABLE: Final = "SEGMIND_API_KEY_WITHOUT_CREDITS"


class UnusableTarget(ValueError):
    """It can't be tried; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Target:
    """A running API. `penniless` is a second key, of an account without credits."""

    url: str
    key: str = field(repr=False)
    penniless: str | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)
    proxy: str | None = field(default=None, repr=False)
    authorities: Path | None = None

    def can_send(self, call: Call) -> bool:
        """Return whether there is a key for the target."""
        return call.auth != "penniless" or self.penniless is not None

    def transport(self) -> httpx.BaseTransport:
        """Return what reaches it; nothing is tried twice there."""
        try:
            trusted = ssl.create_default_context()
            if self.authorities:
                trusted.load_verify_locations(self.authorities)
        except OSError as error:
            raise UnusableTarget(f"--ca {self.authorities} can't be used: {error}.") from None
        try:
            return httpx.HTTPTransport(verify=trusted, proxy=self.proxy, retries=0)
        except ValueError as error:
            raise UnusableTarget(f"--proxy can't be used: {error}.") from None


def origin(url: str, *, allow_http: bool) -> str:
    """Return the origin of a target's URL; one that ends in /v1 means the same.

    Raises UnusableTarget for what is no http(s) URL, or would carry the key in the clear.
    """
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise UnusableTarget(f"--target {url!r} is no URL: {error}.") from None
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise UnusableTarget(
            f"--target is `reference` or the URL of an API, such as https://host; not {url!r}."
        )
    if parsed.userinfo or parsed.query or parsed.fragment:
        raise UnusableTarget("--target is an origin: it has no user, query or fragment.")
    if parsed.scheme == "http" and not is_loopback(parsed.host) and not allow_http:
        raise UnusableTarget(
            f"--target {url} would carry the key in the clear. Use https, or say --allow-http."
        )
    return str(parsed).rstrip("/").removesuffix("/v1")


def is_local(url: str) -> bool:
    return is_loopback(httpx.URL(url).host)


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def keys() -> tuple[str, str | None]:
    """Read the two keys from the environment. Raises UnusableTarget where the first is missing."""
    key = os.environ.get(KEY_VARIABLE, "").strip()
    if not key:
        raise UnusableTarget(f"A key is needed: export {KEY_VARIABLE}=…")
    return key, os.environ.get(PENNILESS_VARIABLE, "").strip() or None


def header(text: str) -> tuple[str, str]:
    """Read `NAME: VALUE`. Raises UnusableTarget for anything else."""
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise UnusableTarget("--header is `NAME: VALUE`.")
    return name.strip(), value.strip()
