"""A memory is no part of what a registration is."""

from __future__ import annotations

from typing import Any

import pytest
from tests.oauth2.tokens import ec_jwk, key_set_answer

from valetkey.oauth2.jwks import read_key_set
from valetkey.oauth2.kept import KeptKeys, KeptMetadata
from valetkey.oauth2.metadata import Metadata


@pytest.mark.parametrize("kind", [KeptKeys, KeptMetadata])
def test_two_memories_are_equal_whatever_they_hold(kind: Any) -> None:
    one, other = kind(), kind()
    one.found = object()

    assert one == other
    assert hash(one) == hash(other)
    assert one != object()
    assert hash(one) == hash(kind)


def test_a_memory_says_how_much_it_holds() -> None:
    keys, metadata = KeptKeys(), KeptMetadata()
    assert (repr(keys), repr(metadata)) == ("KeptKeys(0 keys)", "KeptMetadata(nothing)")

    keys.found = read_key_set(key_set_answer(ec_jwk()))
    metadata.found = Metadata("https://as.example", "", "")

    assert (repr(keys), repr(metadata)) == ("KeptKeys(1 keys)", "KeptMetadata(https://as.example)")
