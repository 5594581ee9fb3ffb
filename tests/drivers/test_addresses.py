"""The table of addresses that a URL chosen by somebody else may lead to (RFC 6890; CVE-2024-4032 for ipaddress)."""

from __future__ import annotations

import pytest

from valetkey.drivers.addresses import is_metadata_address, is_public_address

PUBLIC = (
    "1.1.1.1",
    "8.8.8.8",
    "93.184.216.34",
    "100.63.255.255",
    "100.128.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "192.0.1.0",
    "198.17.255.255",
    "198.20.0.0",
    "223.255.255.255",
    "2606:4700:4700::1111",
    "2a00:1450:4001:81b::200e",
    "2001:4860:4860::8888",
    "2001:200::1",
)

NOT_PUBLIC = {
    "unspecified": ("0.0.0.0", "0.1.2.3", "::"),
    "loopback": ("127.0.0.1", "127.255.255.254", "::1"),
    "private": ("10.0.0.1", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.0.1"),
    "link-local": ("169.254.0.1", "169.254.169.254", "fe80::1", "febf::1", "fe80::1%eth0", "fec0::1"),
    "metadata": ("169.254.170.2", "fd00:ec2::254", "100.100.100.200", "192.0.0.192", "168.63.129.16"),
    "carrier-grade NAT": ("100.64.0.1", "100.127.255.255"),
    "IETF protocol assignments": ("192.0.0.1", "192.0.0.8", "192.0.0.170", "2001:1::1", "2001:10::1", "2001:20::1"),
    "documentation": ("192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1", "3fff::1"),
    "benchmarks": ("198.18.0.1", "198.19.255.255", "2001:2::1"),
    "multicast": ("224.0.0.1", "239.255.255.255", "ff02::1"),
    "reserved": ("240.0.0.1", "255.255.255.255", "4000::1", "100::1", "5f00::1"),
    "mapped": ("::ffff:10.0.0.1", "::ffff:8.8.8.8", "::ffff:7f00:1", "::FFFF:169.254.169.254"),
    "compatible": ("::8.8.8.8", "::a00:1"),
    "translated": ("::ffff:0:10.0.0.1",),
    "NAT64": ("64:ff9b::a00:1", "64:ff9b::8.8.8.8", "64:ff9b:1::1"),
    "6to4": ("2002:a00:1::", "2002:7f00:1::1", "2002:808:808::1", "192.88.99.1"),
    "Teredo": ("2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001::1"),
    "unique-local": ("fc00::1", "fd12:3456:789a::1", "fdff::1"),
    "not an address": ("", "example.com", "127.1", "0x7f.0.0.1", "2130706433", "0177.0.0.1", "1.1.1.1 ", "[::1]"),
}


@pytest.mark.parametrize("address", PUBLIC)
def test_a_host_on_the_public_internet_is_public(address: str) -> None:
    assert is_public_address(address)


@pytest.mark.parametrize(("kind", "address"), [(kind, one) for kind, some in NOT_PUBLIC.items() for one in some])
def test_an_address_for_special_purposes_is_not_public(kind: str, address: str) -> None:
    assert not is_public_address(address), kind


@pytest.mark.parametrize(
    "address",
    ["169.254.169.254", "fd00:ec2::254", "fd00:0ec2:0::254", "fd00:ec2::23", "169.254.129.2", "169.254.255.2"],
)
def test_a_metadata_address_is_known_in_every_spelling(address: str) -> None:
    assert is_metadata_address(address)


@pytest.mark.parametrize(
    "address",
    ["169.254.169.253", "169.254.136.1", "169.254.254.2", "::ffff:169.254.169.254", "fd00:ec2::255", "metadata"],
)
def test_a_neighbour_of_a_metadata_address_is_not_one(address: str) -> None:
    assert not is_metadata_address(address)
