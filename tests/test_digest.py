"""HMAC by hand against the standard library's."""

from __future__ import annotations

import hashlib
import hmac

from hypothesis import given
from hypothesis import strategies as st

from valetkey.digest import hmac_sha256, sha1, sha256, sha256_hex, sha512


@given(key=st.binary(max_size=200), message=st.binary(max_size=300))
def test_hmac_agrees_with_the_standard_library(key: bytes, message: bytes) -> None:
    assert hmac_sha256(key, message) == hmac.digest(key, message, "sha256")


@given(message=st.binary(max_size=300))
def test_the_hash_functions_agree_with_hashlib(message: bytes) -> None:
    assert sha1(message).digest() == hashlib.sha1(message).digest()
    assert sha256(message).digest() == hashlib.sha256(message).digest()
    assert sha512(message).digest() == hashlib.sha512(message).digest()


def test_texts_hash_byte_for_byte_even_with_unpaired_surrogates() -> None:
    assert sha256_hex("é") != sha256_hex("é".encode().decode("latin-1"))
    assert sha256_hex("\ud800") == hashlib.sha256(b"\xed\xa0\x80").hexdigest()
