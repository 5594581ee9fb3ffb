from __future__ import annotations

import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.oauth2.vectors import load

from valetkey.http import UNRESERVED
from valetkey.oauth2.pkce import code_challenge, code_verifier, read_code_verifier

VECTORS = load("pkce")


@pytest.mark.parametrize("vector", VECTORS["challenges"], ids=lambda vector: vector["source"])
def test_the_published_verifier_and_challenge_are_made(vector: dict) -> None:
    verifier = code_verifier(bytes(vector["input"]["octets"]))

    assert verifier == vector["expect"]["code_verifier"]
    assert code_challenge(verifier) == vector["expect"]["code_challenge"]


@pytest.mark.parametrize("vector", VECTORS["verifiers"], ids=lambda vector: vector["source"])
def test_a_verifier_is_43_to_128_unreserved_characters(vector: dict) -> None:
    if vector["expect"] == "valid":
        assert read_code_verifier(vector["input"]) == vector["input"]
    else:
        with pytest.raises(ValueError, match="43 to 128"):
            read_code_verifier(vector["input"])


@pytest.mark.parametrize("octets", [b"", bytes(31), bytes(97)])
def test_too_few_or_too_many_octets_make_no_verifier(octets: bytes) -> None:
    with pytest.raises(ValueError, match="43 to 128"):
        code_verifier(octets)


@given(st.binary(min_size=32, max_size=96))
def test_challenges_agree_with_the_standard_library(octets: bytes) -> None:
    verifier = code_verifier(octets)

    digest = hashlib.sha256(verifier.encode()).digest()
    assert code_challenge(verifier) == base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


@given(st.text(max_size=140))
def test_any_text_is_a_verifier_or_a_value_error(text: str) -> None:
    try:
        assert read_code_verifier(text) == text
    except ValueError:
        assert len(text) < 43 or len(text) > 128 or not text.isascii() or set(text) - set(UNRESERVED.decode())
