"""Read proxies and trusted certificates from the environment."""

from __future__ import annotations

import os
import re
import ssl
import urllib.request
from functools import cache
from ipaddress import ip_address, ip_network
from pathlib import Path

import certifi

from ._addresses import is_this_machine, literal_address
from ._errors import InvalidRequest
from ._options import parse_proxy_url
from ._text import short_repr

# -- Proxies ----------------------------------------------------------------------------------------------


def proxy_for(scheme: str, host: str, port: int | None) -> str | None:
    """Return the proxy that the environment names for an address, as curl reads it.

    It is None for this machine: a proxy can't reach it, and what is sent to it unencrypted must not leave it.

    Raises:
        InvalidRequest: what the environment names is not the URL of a proxy.
    """
    port = port or {"http": 80, "https": 443}.get(scheme)
    if is_this_machine(host):
        return None
    excepted = urllib.request.getproxies_environment().get("no")
    if excepted is None:
        # The variable is not set. On macOS and Windows, the system may have exceptions of its own.
        if urllib.request.proxy_bypass(f"{host}:{port}"):
            return None
    elif any(_matches(entry, host, port) for entry in re.split(r"[\s,]+", excepted) if entry):
        return None
    proxies = urllib.request.getproxies()
    proxy = proxies.get(scheme) or proxies.get("all")
    if not proxy:
        return None
    proxy = proxy.strip() if "://" in proxy else f"http://{proxy.strip()}"
    parse_proxy_url(proxy, f"the environment's proxy ({scheme.upper()}_PROXY or ALL_PROXY)")
    return proxy


def _matches(entry: str, host: str, port: int | None) -> bool:
    """Return whether an entry of NO_PROXY matches a host.

    It is `*`, a name (which includes its subdomains), an address or a network, and may have a port.
    """
    if entry == "*":
        return True
    name, colon, digits = entry.rpartition(":")
    if colon and digits.isdecimal() and (":" not in name or name.endswith("]")):
        if port != int(digits):
            return False
        entry = name
    entry = entry.replace("[", "").replace("]", "").lower()
    if address := literal_address(host):
        try:
            return ip_address(address.partition("%")[0]) in ip_network(entry, strict=False)
        except ValueError:
            return False
    entry = entry.removeprefix("*").removeprefix(".").removesuffix(".")
    return bool(entry) and f".{host.lower().removesuffix('.')}".endswith(f".{entry}")


# -- Certificates -----------------------------------------------------------------------------------------


def trusted_context() -> ssl.SSLContext:
    """Return an SSL context that trusts the certificates which the environment names, else certifi's.

    The first that is set counts: `SSL_CERT_FILE` and `SSL_CERT_DIR` together, then `REQUESTS_CA_BUNDLE`, then
    `CURL_CA_BUNDLE`.

    Raises:
        InvalidRequest: what it names can't be read.
    """
    for variables in (("SSL_CERT_FILE", "SSL_CERT_DIR"), ("REQUESTS_CA_BUNDLE",), ("CURL_CA_BUNDLE",)):
        if named := tuple((name, path) for name in variables if (path := os.environ.get(name))):
            return _load_certificates(named)
    return _load_certificates(())


@cache
def _load_certificates(named: tuple[tuple[str, str], ...]) -> ssl.SSLContext:
    """Load certificates, only once: it takes 30 ms, and a call may have a short deadline."""
    context: ssl.SSLContext | None = None
    for name, path in named:
        is_folder = name == "SSL_CERT_DIR" or Path(path).is_dir()
        cafile, capath = (None, path) if is_folder else (path, None)
        try:
            # OpenSSL accepts several folders, and ignores those that are missing.
            if is_folder and not any(Path(each).is_dir() for each in path.split(os.pathsep)):
                raise NotADirectoryError("no such folder")
            if context is None:
                context = ssl.create_default_context(cafile=cafile, capath=capath)
            else:
                context.load_verify_locations(cafile, capath)
        except OSError as error:
            raise InvalidRequest(
                f"{name} names {short_repr(path)}, whose certificates can't be read ({error}): "
                "correct the variable, or pass an ssl.SSLContext as verify="
            ) from None
    return context or ssl.create_default_context(cafile=certifi.where())
