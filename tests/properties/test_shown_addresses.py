"""What people and logs see of an address: never the part that looks like a key, always the host."""

from __future__ import annotations

import random
from base64 import urlsafe_b64encode
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from valetkey.errors import ReauthorizationRequired
from valetkey.http import shown_address

if TYPE_CHECKING:
    from collections.abc import Callable

CHANCE = random.Random(20261127)
KEYS: dict[str, Callable[[], str]] = {
    "base64url of 16 octets": lambda: urlsafe_b64encode(CHANCE.randbytes(16)).rstrip(b"=").decode(),
    "base64url of 32 octets": lambda: urlsafe_b64encode(CHANCE.randbytes(32)).rstrip(b"=").decode(),
    "8 octets in hexadecimal": lambda: CHANCE.randbytes(8).hex(),
    "a UUID": lambda: str(UUID(int=CHANCE.getrandbits(128), version=4)),
    "a key with a prefix": lambda: "sk_live_" + urlsafe_b64encode(CHANCE.randbytes(18)).decode(),
}


@pytest.mark.parametrize("kind", KEYS)
def test_keys_as_servers_make_them_are_not_shown(kind: str) -> None:
    keys = [KEYS[kind]() for _ in range(400)]

    shown = [shown_address(f"https://mcp.example/s/{key}/mcp") for key in keys]

    assert shown.count("https://mcp.example/s/…/mcp") >= 398, [one for one in shown if "…" not in one]


@pytest.mark.parametrize(
    "address",
    [
        "https://mcp.example",
        "https://mcp.example/",
        "https://mcp.example/mcp",
        "https://mcp.example/v1/my-notes-server-v2-production/mcp",
        "https://mcp.example/.well-known/thing",
        "https://mcp.example/projects/2026-11-27/archive",
        "http://127.0.0.1:8400/mcp",
        "github",
        "zendesk:acme",
        "mcp-87df641b2d349851930c5d58-3c279eaf5c281eb14afb8b72",
        "",
    ],
)
def test_names_and_addresses_of_words_are_shown_as_they_are(address: str) -> None:
    assert shown_address(address) == address


def test_user_query_and_fragment_are_never_shown() -> None:
    assert shown_address("https://user:password@mcp.example/mcp?key=canary#canary") == "https://mcp.example/mcp"


@given(st.text(), st.text(), st.text())
def test_whatever_an_address_holds_it_is_shown_without_its_query(before: str, path: str, query: str) -> None:
    shown = shown_address(f"https://{before}@h.example/{path}?CANARY-{query}")

    assert "CANARY" not in shown.replace("CANARY", "", (before + path).count("CANARY"))
    assert len(shown) <= len(f"https://{before}@h.example/{path}")


@given(st.text(alphabet="abcXYZ019", min_size=16, max_size=64))
def test_a_long_run_of_letters_and_digits_is_never_shown(key: str) -> None:
    assert shown_address(f"https://mcp.example/{key}") == "https://mcp.example/…"
    assert key not in str(ReauthorizationRequired(f"https://mcp.example/{key}", "not_connected"))
