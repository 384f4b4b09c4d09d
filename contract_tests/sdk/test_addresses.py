"""Which addresses an image may be fetched from, and which hosts of URLs are addresses in any spelling."""

# ruff: noqa: S104 - no address is bound to here

import ipaddress
import random
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from segmind_sd3._addresses import is_loopback, is_public, is_this_machine, literal_address

# -- Public or not ----------------------------------------------------------------------------------------

# Each row of the IANA special-purpose registries that is not globally reachable, and the other networks.
NOT_PUBLIC_NETWORKS = (
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.0.0/29",
    "192.0.0.8/32",
    "192.0.0.170/31",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "239.255.0.0/16",
    "240.0.0.0/4",
    "255.255.255.255/32",
    "::/128",
    "::1/128",
    "::/96",
    "::ffff:0:0:0/96",
    "64:ff9b:1::/48",
    "100::/64",
    "100:0:0:1::/64",
    "2001::/32",
    "2001:2::/48",
    "2001:10::/28",
    "2001:20::/28",
    "2001:db8::/32",
    "2002::/16",
    "3ffe::/16",
    "3fff::/20",
    "4000::/3",
    "5f00::/16",
    "fc00::/7",
    "fd00::/8",
    "fe80::/10",
    "fec0::/10",
    "ff00::/8",
)

NOT_PUBLIC = (
    *("192.0.0.192", "168.63.129.16", "100.100.100.200", "169.254.169.254", "169.254.170.2"),  # metadata
    *("fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254", "fe80::a9fe:a9fe"),  # metadata over IPv6
    *("fe80::1%eth0", "2606:4700::1111%eth0", "::ffff:8.8.8.8%1"),  # with a scope
    *("::10.0.0.1", "::8.8.8.8", "::ffff:0:127.0.0.1", "::ffff:0:8.8.8.8"),  # compatible, translated
    *("2002:7f00:1::", "2002:a00:1::1", "2002:808:808::1"),  # 6to4
    *("2001:0:808:808::f5ff:fffe", "2001:0:a00:1::"),  # Teredo
    *("2606:4700::5efe:10.0.0.1", "2606:4700::200:5efe:8.8.8.8", "fe80::5efe:10.0.0.1"),  # ISATAP
    *("64:ff9b:1::8.8.8.8", "64:ff9b:1:808:8:800::", "64:ff9b:1:7f00:0:100::"),  # NAT64 of one's own network
)

PUBLIC = (
    *("8.8.8.8", "1.1.1.1", "168.63.129.15", "168.63.129.17", "192.0.1.0", "192.1.0.0"),
    *("9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0"),
    *("169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0", "192.167.255.255", "192.169.0.0"),
    *("198.17.255.255", "198.20.0.0", "223.255.255.255", "1.0.0.0"),
    *(
        "2001:4860:4860::8888",
        "2606:4700::1111",
        "2620:4f:8000::1",
        "2001:200::",
        "2001:db7:ffff::",
        "2003::",
    ),
    *("::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "64:ff9b::808:808", "3fff:1000::", "2a00::1"),
)


def members(network: str) -> list[str]:
    """Give the first and the last address of a network, and some between them."""
    read = ipaddress.ip_network(network)
    drawn = random.Random(network)  # noqa: S311 - no secret
    return [str(read[at]) for at in (0, -1, *(drawn.randrange(read.num_addresses) for _ in range(20)))]


@pytest.mark.parametrize("network", NOT_PUBLIC_NETWORKS)
def test_no_address_of_a_network_for_special_purposes_is_public(network: str):
    assert [address for address in members(network) if is_public(address)] == []


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_is_not_public(address: str):
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_is_public(address: str):
    assert is_public(address)


@pytest.mark.parametrize("prefix", ["::ffff:", "64:ff9b::"])
@given(address=st.ip_addresses(v=4))
def test_a_mapped_or_translated_address_is_as_public_as_the_one_it_carries(prefix: str, address: IPv4Address):
    assert is_public(f"{prefix}{address}") == is_public(str(address))


@given(st.ip_addresses(v=4) | st.ip_addresses(network="2000::/3"))
def test_what_is_public_python_takes_for_global_too(address: IPv4Address | IPv6Address):
    assert address.is_global or not is_public(str(address))


@given(st.ip_addresses(v=6), st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1))
def test_no_address_with_a_scope_is_public(address: IPv6Address, scope: str):
    assert not is_public(f"{address}%{scope}")


@given(st.ip_addresses(v=6), st.ip_addresses(v=4), st.sampled_from([0x0000_5EFE, 0x0200_5EFE]))
def test_no_isatap_address_is_public(prefix: IPv6Address, carried: IPv4Address, mark: int):
    high = int(prefix) >> 64 << 64
    assert not is_public(str(IPv6Address(high | mark << 32 | int(carried))))


@pytest.mark.parametrize("no_address", ["", "localhost", "8.8.8", "8.8.8.8/32", "[::1]"])
def test_what_is_no_address_is_neither_public_nor_private(no_address: str):
    with pytest.raises(ValueError, match="address"):
        is_public(no_address)


# -- Loopback ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["127.0.0.1", "127.255.255.254", "::1", "::1%lo", "::ffff:127.0.0.1"])
def test_is_loopback(address: str):
    assert is_loopback(address)


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "128.0.0.1",
        "::",
        "::127.0.0.1",
        "::ffff:0:127.0.0.1",
        "64:ff9b::127.0.0.1",
        "2002:7f00:1::",
    ],
)
def test_is_not_loopback(address: str):
    assert not is_loopback(address)


@given(st.ip_addresses())
def test_what_is_loopback_is_not_public(address: IPv4Address | IPv6Address):
    assert not (is_loopback(str(address)) and is_public(str(address)))


# -- Spellings of an address ------------------------------------------------------------------------------

SPELLINGS = {
    "127.0.0.1": "127.0.0.1",
    "127.0.0.1.": "127.0.0.1",
    "127.1": "127.0.0.1",
    "127.0.1": "127.0.0.1",
    "2130706433": "127.0.0.1",
    "0x7f.1": "127.0.0.1",
    "0X7F000001": "127.0.0.1",
    "0x7f.0x0.0x0.0x1": "127.0.0.1",
    "0177.0.0.01": "127.0.0.1",
    "017700000001": "127.0.0.1",
    "127.0.0.1%20": "127.0.0.1",
    "%31%32%37.0.0.1": "127.0.0.1",
    "127%2e0%2e0%2e1": "127.0.0.1",
    "\uff11\uff12\uff17.0.0.1": "127.0.0.1",
    "127\u30020\uff610\uff0e1": "127.0.0.1",
    "0": "0.0.0.0",
    "0x0": "0.0.0.0",
    "1": "0.0.0.1",
    "169.254.43518": "169.254.169.254",
    "0xa9fea9fe": "169.254.169.254",
    "[::1]": "::1",
    "::1": "::1",
    "0:0:0:0:0:0:0:1": "::1",
    "[%3a%3a1]": "::1",
    "[::ffff:127.0.0.1]": "::ffff:7f00:1",
    "[::FFFF:7F00:1]": "::ffff:7f00:1",
    "[fe80::1%25eth0]": "fe80::1",
    "fe80::1%eth0": "fe80::1",
    "fe80::1%12": "fe80::1",
}

NAMES = (
    *(
        "localhost",
        "api.segmind.com",
        "127.0.0.1.example",
        "1.2.3.4.5",
        "256.0.0.1",
        "4294967296",
        "0x",
        "0xg",
    ),
    *(
        "",
        ".",
        "..",
        "a",
        "08",
        "1.2.3.4 example",
        "1e3",
        "-1",
        "+1",
        "1_0",
        "1\x00",
        "::1.example",
        "٣.1.1.1",
    ),
)


@pytest.mark.parametrize(("host", "address"), SPELLINGS.items(), ids=map(ascii, SPELLINGS))
def test_a_host_spells_an_address(host: str, address: str):
    read = literal_address(host)
    assert read is not None
    assert ipaddress.ip_address(read) == ipaddress.ip_address(address)


@pytest.mark.parametrize("host", NAMES, ids=ascii)
def test_a_host_is_a_name(host: str):
    assert literal_address(host) is None


def spellings(address: IPv4Address) -> st.SearchStrategy[str]:
    """Spell an address in one to four numbers, each decimal, octal or hexadecimal."""
    last = {1: 0xFFFF_FFFF, 2: 0xFF_FFFF, 3: 0xFFFF, 4: 0xFF}

    def spelled(count: int, forms: list[str]) -> str:
        numbers = [*address.packed[: count - 1], int(address) & last[count]]
        return ".".join(form.format(number) for form, number in zip(forms, numbers, strict=False))

    forms = st.lists(st.sampled_from(["{}", "0{:o}", "0x{:x}", "0X{:08X}"]), min_size=4, max_size=4)
    return st.builds(spelled, st.integers(1, 4), forms)


@given(st.data(), st.ip_addresses(v=4), st.sampled_from(["", "."]), st.sampled_from(["{}", "%{:02x}"]))
def test_an_address_is_known_in_every_spelling(
    data: st.DataObject, address: IPv4Address, ending: str, form: str
):
    spelled = data.draw(spellings(address)) + ending
    host = spelled if form == "{}" else "".join(form.format(ord(each)) for each in spelled)
    assert literal_address(host) == str(address)


@given(st.text())
def test_any_host_is_an_address_or_a_name(host: str):
    address = literal_address(host)
    assert address is None or ipaddress.ip_address(address)


# -- This machine -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST", "localhost.", "api.localhost", "127.0.0.1", "127.1", "[::1]", "::1", "0x7f.1"],
)
def test_is_this_machine(host: str):
    assert is_this_machine(host)


@pytest.mark.parametrize(
    "host",
    ["", "localhost.example", "mylocalhost", "0.0.0.0", "127.0.0.1.example", "10.0.0.1", "api.segmind.com"],
)
def test_is_another_machine(host: str):
    assert not is_this_machine(host)
