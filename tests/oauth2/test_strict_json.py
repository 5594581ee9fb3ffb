from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from valetkey.oauth2.strict_json import read_json_object

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**38), 10**38)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), JSON, max_size=4), st.booleans())
def test_what_json_can_say_once_is_read_as_the_standard_library_wrote_it(members: dict, ascii_only: bool) -> None:
    octets = json.dumps(members, ensure_ascii=ascii_only).encode()

    assert read_json_object(octets, limit=1 << 20) == members


@given(st.binary(max_size=200) | st.text('{}[]",:0123456789eE+-.\\ud8nulltrefas ', max_size=60).map(str.encode))
def test_any_octets_are_an_object_or_a_value_error(octets: bytes) -> None:
    try:
        found = read_json_object(octets, limit=150)
    except ValueError:
        return
    assert isinstance(found, dict)


def test_a_refusal_holds_nothing_of_what_was_read() -> None:
    with pytest.raises(ValueError, match="not JSON") as caught:
        read_json_object(b'{"access_token":"CANARY"', limit=99)

    assert "CANARY" not in repr(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_a_number_has_at_most_40_digits() -> None:
    assert read_json_object(b'{"a":' + b"9" * 40 + b"}", limit=99) == {"a": int("9" * 40)}
    with pytest.raises(ValueError, match="not JSON"):
        read_json_object(b'{"a":' + b"9" * 41 + b"}", limit=99)


def test_the_limit_counts_octets() -> None:
    assert read_json_object(b'{"a":1}', limit=7) == {"a": 1}
    with pytest.raises(ValueError, match="longer than 6"):
        read_json_object(b'{"a":1}', limit=6)


def test_a_pair_of_escaped_surrogates_is_a_character_and_half_of_one_is_refused() -> None:
    assert read_json_object(rb'{"a":"\ud83d\ude00"}', limit=99) == {"a": "😀"}
    for half in (rb'{"a":"\ud83d"}', rb'{"\ude00":1}', rb'{"a":[{"b":"\ud83dx"}]}', rb'{"a":"\ude00\ud83d"}'):
        with pytest.raises(ValueError, match="not JSON"):
            read_json_object(half, limit=99)


def test_a_byte_order_mark_before_the_document_is_passed_over_once() -> None:
    """RFC 8259 section 8.1: nobody may add one, and a reader may ignore it."""
    mark = b"\xef\xbb\xbf"

    assert read_json_object(mark + b'{"a":1}', limit=99) == {"a": 1}
    for broken in (mark * 2 + b'{"a":1}', b'{"a":1}' + mark):
        with pytest.raises(ValueError, match="not JSON"):
            read_json_object(broken, limit=99)
