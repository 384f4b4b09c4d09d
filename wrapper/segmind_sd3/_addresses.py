"""Decide which addresses are public, which are this machine's, and which hosts of URLs are IP addresses.

The tables follow the IANA special-purpose address registries of IPv4 and IPv6. Python's own `is_global`
differs between its patch releases, and calls the metadata services of some clouds public.
"""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final
from urllib.parse import unquote

_NOT_PUBLIC_4: Final = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # RFC 791: this network
        "10.0.0.0/8",  # RFC 1918: private use
        "100.64.0.0/10",  # RFC 6598: shared by carriers; Alibaba's metadata, 100.100.100.200
        "127.0.0.0/8",  # RFC 1122: loopback
        "168.63.129.16/32",  # no RFC: the host of every machine in Azure
        "169.254.0.0/16",  # RFC 3927: link-local; the metadata of most clouds, 169.254.169.254
        "172.16.0.0/12",  # RFC 1918: private use
        "192.0.0.0/24",  # RFC 6890: protocol assignments; Oracle's metadata, 192.0.0.192
        "192.0.2.0/24",  # RFC 5737: documentation
        "192.88.99.0/24",  # RFC 7526: relays of 6to4, deprecated
        "192.168.0.0/16",  # RFC 1918: private use
        "198.18.0.0/15",  # RFC 2544: benchmarks
        "198.51.100.0/24",  # RFC 5737: documentation
        "203.0.113.0/24",  # RFC 5737: documentation
        "224.0.0.0/4",  # RFC 5771: multicast
        "240.0.0.0/4",  # RFC 1112: reserved; RFC 919: broadcast
    )
)

# All that IANA has allocated for global unicast (RFC 4291). Outside it are loopback, link-local (fe80::/10),
# site-local (fec0::/10), unique local (fc00::/7, with the metadata of Amazon, fd00:ec2::254, and Google,
# fd20:ce::254), multicast, segment routing (5f00::/16), and what contains an IPv4 address: compatible
# (::/96), translated (::ffff:0:0:0/96), and NAT64 within one network (64:ff9b:1::/48).
_GLOBAL_UNICAST: Final = IPv6Network("2000::/3")

_NOT_PUBLIC_6: Final = tuple(
    IPv6Network(network)
    for network in (
        "2001::/23",  # RFC 2928: protocol assignments; in it Teredo (RFC 4380), ORCHID, benchmarks
        "2001:db8::/32",  # RFC 3849: documentation
        "2002::/16",  # RFC 7526: 6to4, deprecated
        "3ffe::/16",  # RFC 3701: the 6bone, given back
        "3fff::/20",  # RFC 9637: documentation
    )
)

# An address in these networks reaches the IPv4 address in it: mapped (RFC 4291), and NAT64 (RFC 6052), by
# which a network without IPv4 reaches every host that has no IPv6 address.
_CONTAINS_IPV4: Final = (IPv6Network("::ffff:0:0/96"), IPv6Network("64:ff9b::/96"))

_ISATAP: Final = 0x0000_5EFE
"""The upper half of an interface identifier that contains an IPv4 address (RFC 5214), without one bit."""


def is_public(address: str) -> bool:
    """Return whether an IP address belongs to the public internet.

    An address with a scope (`fe80::1%eth0`) does not. An IPv6 address that contains an IPv4 one does where it
    is mapped or NAT64's and the IPv4 one does; 6to4, Teredo, ISATAP and the other ways are obsolete.

    Raises:
        ValueError: it is no IP address.
    """
    parsed = ip_address(address)
    if isinstance(parsed, IPv6Address):
        if parsed.scope_id or (int(parsed) >> 32) & 0xFDFF_FFFF == _ISATAP:
            return False
        if not any(parsed in network for network in _CONTAINS_IPV4):
            return parsed in _GLOBAL_UNICAST and not any(parsed in network for network in _NOT_PUBLIC_6)
        parsed = IPv4Address(int(parsed) & 0xFFFF_FFFF)
    return not any(parsed in network for network in _NOT_PUBLIC_4)


def is_loopback(address: str) -> bool:
    """Return whether an IP address is a loopback address, mapped ones (`::ffff:127.0.0.1`) included.

    Raises:
        ValueError: it is no IP address.
    """
    parsed = ip_address(address)
    mapped = parsed.ipv4_mapped if isinstance(parsed, IPv6Address) else None
    return (mapped or parsed).is_loopback


def literal_address(host: str) -> str | None:
    """Return the IP address that the host of a URL is, or None where it is a name to look up.

    Every spelling counts that a resolver accepts: `127.1`, `0x7f.1`, `017700000001`, `2130706433`, `[::1]`,
    with a dot at the end, percent-encoded, in full-width digits.
    """
    # In the IPv6 address of a URL, what comes after % is a scope.
    text = host.partition("%")[0] if ":" in host else unquote(host)
    text = text.translate(_TO_ASCII).strip().removeprefix("[").removesuffix("]").removesuffix(".")
    try:
        return str(ip_address(text))
    except ValueError:
        pass
    try:
        # What the C library accepts as IPv4. It ignores what follows a blank, which is no address here.
        return None if len(text.split()) != 1 else socket.inet_ntoa(socket.inet_aton(text))
    except (OSError, ValueError):
        return None


_TO_ASCII: Final = {
    **{0xFF01 + at: 0x21 + at for at in range(94)},  # full-width forms
    **dict.fromkeys((0x3002, 0xFF61), "."),  # ideographic full stops
}


def is_this_machine(host: str) -> bool:
    """Return whether the host of a URL is this machine: a loopback address in any spelling, or `localhost`.

    A name counts by the name alone (RFC 6761), whatever address a resolver returns for it.
    """
    if address := literal_address(host):
        return is_loopback(address)
    name = host.lower().removesuffix(".")
    return name == "localhost" or name.endswith(".localhost")
