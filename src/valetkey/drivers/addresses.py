"""Which addresses a URL that somebody else chose may lead to.

The one rule: an address that is not plainly a host on the public internet is refused. The table is our own, from the
IANA special-purpose registries (RFC 6890), because `ipaddress.is_private` differs between versions of Python
and knows nothing of tunnels. Not here: resolving (`transports.reach`).
"""

from __future__ import annotations

# IPv4: everything but these.
_REFUSED_4 = (
    ("0.0.0.0", 8),  # noqa: S104 - "this network", RFC 791; nothing is bound to it here
    ("10.0.0.0", 8),  # private, RFC 1918
    ("100.64.0.0", 10),  # carrier-grade NAT, RFC 6598; a cloud's metadata service lives at 100.100.100.200
    ("127.0.0.0", 8),  # loopback
    ("168.63.129.16", 32),  # Azure's wire server: in a public range, but answered by the host underneath
    ("169.254.0.0", 16),  # link-local and metadata services, RFC 3927
    ("172.16.0.0", 12),  # private
    ("192.0.0.0", 24),  # IETF protocol assignments; a cloud's metadata service lives at 192.0.0.192
    ("192.0.2.0", 24),  # documentation, RFC 5737
    ("192.88.99.0", 24),  # 6to4 relays, RFC 7526
    ("192.168.0.0", 16),  # private
    ("198.18.0.0", 15),  # benchmarks, RFC 2544
    ("198.51.100.0", 24),  # documentation
    ("203.0.113.0", 24),  # documentation
    ("224.0.0.0", 4),  # multicast
    ("240.0.0.0", 4),  # reserved, and broadcast
)

# IPv6: global unicast (RFC 4291 section 2.4) but these. That alone leaves out ::, ::1, mapped ::ffff:0:0/96, compatible
# ::/96, NAT64 64:ff9b::/96 and 64:ff9b:1::/48, discard 100::/64, unique-local fc00::/7, link-local and multicast.
_GLOBAL_UNICAST = ("2000::", 3)
_REFUSED_6 = (
    ("2001::", 23),  # IETF protocol assignments: Teredo 2001::/32, benchmarks, ORCHID
    ("2001:db8::", 32),  # documentation, RFC 3849
    ("2002::", 16),  # 6to4 carries any IPv4 address, RFC 3056
    ("3fff::", 20),  # documentation, RFC 9637
)

METADATA_ADDRESSES = ("169.254.169.254", "169.254.170.2", "169.254.170.23", "fd00:ec2::254", "fd00:ec2::23")
"""Where the clouds give credentials to the functions that they run."""

# Azure's App Service and Functions put IDENTITY_ENDPOINT at an address of their own for each instance, such as
# 169.254.129.2 or 169.254.255.2: link-local (RFC 3927), so never another machine's than the platform's.
_APP_SERVICE = (("169.254.128.0", 21), ("169.254.255.0", 24))


def packed_address(text: str) -> bytes | None:
    """The 4 or 16 octets of an address as it is written on the wire; None for names and anything shortened."""
    import socket  # only who connects pays for it

    try:
        return socket.inet_pton(socket.AF_INET6 if ":" in text else socket.AF_INET, text)
    except (OSError, ValueError):
        return None


def is_public_address(text: str) -> bool:
    """Whether the address is a host on the public internet; what is not an address, or has a zone, is not."""
    packed = packed_address(text)
    if packed is None:
        return False
    if len(packed) == 4:
        return not any(_inside(packed, *network) for network in _REFUSED_4)
    return _inside(packed, *_GLOBAL_UNICAST) and not any(_inside(packed, *network) for network in _REFUSED_6)


def is_metadata_address(text: str) -> bool:
    """Whether the address is one of the clouds' own, in whatever spelling."""
    packed = packed_address(text)
    if packed is None:
        return False
    if packed in map(packed_address, METADATA_ADDRESSES):
        return True
    return len(packed) == 4 and any(_inside(packed, *network) for network in _APP_SERVICE)


def _inside(packed: bytes, network: str, prefix: int) -> bool:
    base = packed_address(network)
    shift = len(packed) * 8 - prefix
    return base is not None and int.from_bytes(packed, "big") >> shift == int.from_bytes(base, "big") >> shift
