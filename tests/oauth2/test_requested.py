"""What a request asks for beyond scope, and what was granted (RFC 8707, RFC 9396)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.oauth2.peer import SERVER

from valetkey.oauth2.requested import MAX_DETAILS_OCTETS, granted_details, is_scope, requested
from valetkey.value import replace

if TYPE_CHECKING:
    from valetkey.http import Pairs

DETAILS = '[{"type":"account","actions":["read"]}]'


def test_nothing_is_asked_for_where_nothing_is_configured() -> None:
    assert requested(SERVER, ()) == []


def test_scope_resources_and_details_are_asked_for_each_by_its_name() -> None:
    server = replace(SERVER, resources=("https://a.example/", "https://b.example/"), authorization_details=DETAILS)

    assert requested(server, ("read", "write")) == [
        ("scope", "read write"),
        ("resource", "https://a.example/"),
        ("resource", "https://b.example/"),
        ("authorization_details", DETAILS),
    ]
    assert requested(server, (), ("https://c.example/",)) == [
        ("resource", "https://c.example/"),
        ("authorization_details", DETAILS),
    ]


def granted(text: str) -> Pairs:
    return (("instance_url", "[]"), ("authorization_details", text))


def test_details_are_read_as_they_were_granted() -> None:
    """RFC 9396 section 7."""
    assert granted_details(granted(DETAILS)) == ({"type": "account", "actions": ["read"]},)
    assert granted_details(granted("[]")) == ()
    assert granted_details(granted('[{"type":"a"},"b",7,{"type":"c"}]')) == ({"type": "a"}, {"type": "c"})


@pytest.mark.parametrize("extra", [(), (("AUTHORIZATION_DETAILS", DETAILS),), (("details", DETAILS),)])
def test_where_nothing_was_granted_there_are_none(extra: Pairs) -> None:
    assert granted_details(extra) == ()


@pytest.mark.parametrize("text", ["", "[", "7", '{"type":"a"}', '[{"type":"a"}],"more":[]', '"[]"', "null", "[\ud800]"])
def test_what_is_no_array_of_objects_grants_nothing(text: str) -> None:
    assert granted_details(granted(text)) == ()


def test_details_are_read_up_to_twice_what_can_be_asked_for() -> None:
    around = len('{"details":[{"type":""}]}')
    most = "a" * (2 * MAX_DETAILS_OCTETS - around)

    assert granted_details(granted(f'[{{"type":"{most}"}}]')) == ({"type": most},)
    assert granted_details(granted(f'[{{"type":"{most}a"}}]')) == ()


@given(st.text() | st.recursive(st.none() | st.text() | st.integers(), st.lists).map(json.dumps))
def test_any_text_is_details_or_none(text: str) -> None:
    assert all(isinstance(one, dict) for one in granted_details(granted(text)))


def test_a_scope_token_is_printable_ascii_without_blanks_quotes_and_backslashes() -> None:
    """RFC 6749 section 3.3."""
    assert all(map(is_scope, ("read", "https://api.example/a.b", "!", "#", "[", "]", "~", "X")))
    assert not any(map(is_scope, ("", " ", "a b", 'a"', "a\\", "\u00e9", "a\n", "\x7f", None, 7, b"read", ("read",))))
