"""Tokens that are bound to a key (RFC 9449), in rows and in calls."""

from __future__ import annotations

import json

import pytest

from valetkey.connections.codec import read_credentials, write_credentials
from valetkey.connections.connection import Credentials, Tokens
from valetkey.secret import Secret


@pytest.mark.parametrize("key", [None, Secret("key-canary")])
def test_a_key_is_kept_with_the_tokens_that_are_bound_to_it(key: Secret | None) -> None:
    before = Credentials("owner", Tokens(Secret("a"), Secret("r"), proof_key=key), Tokens(Secret("old"), proof_key=key))

    assert read_credentials(write_credentials(before)) == before


def test_tokens_without_a_key_are_written_as_before() -> None:
    content = json.loads(write_credentials(Credentials("owner", Tokens(Secret("a")))))

    assert content["now"] == ["a", None, None]


def test_a_key_is_not_printed() -> None:
    assert "canary" not in repr(Tokens(Secret("a"), proof_key=Secret("key-canary")))
