"""What the environment adds to a client: proxies and trusted certificates."""

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
from ._options import proxy_url_of
from ._text import shown

# -- Proxies ----------------------------------------------------------------------------------------------


def proxy_for(scheme: str, host: str, port: int | None) -> str | None:
    """Give the proxy that the environment names for an address, as curl reads it.

    None for this machine: it is no proxy's to reach, and what is sent to it in the clear must not leave it.

    Raises:
        InvalidRequest: the proxy is no URL of one.
    """
    port = port or {"http": 80, "https": 443}.get(scheme)
    if is_this_machine(host):
        return None
    excepted = urllib.request.getproxies_environment().get("no")
    if excepted is None:
        # No variable: on macOS and Windows the system may have exceptions of its own.
        if urllib.request.proxy_bypass(f"{host}:{port}"):
            return None
    elif any(_matches(entry, host, port) for entry in re.split(r"[\s,]+", excepted) if entry):
        return None
    proxies = urllib.request.getproxies()
    proxy = proxies.get(scheme) or proxies.get("all")
    if not proxy:
        return None
    proxy = proxy.strip() if "://" in proxy else f"http://{proxy.strip()}"
    proxy_url_of(proxy, f"the environment's proxy ({scheme.upper()}_PROXY or ALL_PROXY)")
    return proxy


def _matches(entry: str, host: str, port: int | None) -> bool:
    """Say whether an entry of NO_PROXY means a host.

    It is `*`, a name that stands for all below it too, an address, or a network, and may have a port.
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
    """Give the TLS that trusts what the environment names: the first of these that is set, else certifi's.

    `SSL_CERT_FILE` and `SSL_CERT_DIR` together, then `REQUESTS_CA_BUNDLE`, then `CURL_CA_BUNDLE`.

    Raises:
        InvalidRequest: what it names can't be read.
    """
    for variables in (("SSL_CERT_FILE", "SSL_CERT_DIR"), ("REQUESTS_CA_BUNDLE",), ("CURL_CA_BUNDLE",)):
        if named := tuple((name, path) for name in variables if (path := os.environ.get(name))):
            return _context_of(named)
    return _context_of(())


@cache
def _context_of(named: tuple[tuple[str, str], ...]) -> ssl.SSLContext:
    """Load certificates, once for all: it takes 30 ms, and a call may have a short deadline."""
    context: ssl.SSLContext | None = None
    for name, path in named:
        is_folder = name == "SSL_CERT_DIR" or Path(path).is_dir()
        cafile, capath = (None, path) if is_folder else (path, None)
        try:
            # OpenSSL takes several folders, and says nothing of those that are not there.
            if is_folder and not any(Path(each).is_dir() for each in path.split(os.pathsep)):
                raise NotADirectoryError("no such folder")
            if context is None:
                context = ssl.create_default_context(cafile=cafile, capath=capath)
            else:
                context.load_verify_locations(cafile, capath)
        except OSError as error:
            raise InvalidRequest(
                f"{name} names {shown(path)}, whose certificates can't be read ({error}): "
                "mend the variable, or pass verify= an ssl.SSLContext"
            ) from None
    return context or ssl.create_default_context(cafile=certifi.where())
