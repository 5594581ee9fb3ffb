from __future__ import annotations

import hashlib
import hmac
import json
from base64 import b64encode
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from oauthlib.oauth1.rfc5849 import signature as oauthlib_signature

from valetkey.http import percent_decode, percent_encode, read_form, write_form
from valetkey.oauth1.signature import (
    base_string_uri,
    body_hash,
    hmac_signature,
    normalized_parameters,
    plaintext_signature,
    signature_base_string,
)
from valetkey.secret import Secret

VECTORS: dict[str, list[dict[str, Any]]] = json.loads(
    (Path(__file__).parent.parent / "vectors" / "oauth1.json").read_text(encoding="utf-8")
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
PAIRS = st.lists(st.tuples(TEXTS, TEXTS), max_size=8)


def every(group: str) -> pytest.MarkDecorator:
    cases = VECTORS[group]
    return pytest.mark.parametrize("vector", cases, ids=[f"{group}-{number}" for number in range(len(cases))])


def parameters(vector: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    given = vector["input"]
    own = tuple((name, text) for name, text in given["parameters"])
    return own + read_form(given["url"].partition("?")[2]) + read_form(given["body"])


@every("signatures")
def test_the_base_string_is_that_of_the_rfc(vector: dict[str, Any]) -> None:
    text = signature_base_string(vector["input"]["method"], vector["input"]["url"], parameters(vector))

    assert text == vector["expect"]["base_string"]


@every("signatures")
def test_the_hmac_sha1_signature_is_that_of_the_vector(vector: dict[str, Any]) -> None:
    secrets = Secret(vector["input"]["client_secret"]), Secret(vector["input"]["token_secret"])

    assert hmac_signature("HMAC-SHA1", vector["expect"]["base_string"], *secrets) == vector["expect"]["signature"]


def test_the_normalized_parameters_are_those_of_the_rfc() -> None:
    vector = next(vector for vector in VECTORS["signatures"] if "normalized" in vector["expect"])

    assert normalized_parameters(parameters(vector)) == vector["expect"]["normalized"]


@every("normalization")
def test_parameters_are_sorted_after_they_are_encoded(vector: dict[str, Any]) -> None:
    assert normalized_parameters([(name, text) for name, text in vector["input"]]) == vector["expect"]


@every("base_string_uris")
def test_the_base_string_uri_has_a_lower_case_host_and_no_default_port(vector: dict[str, Any]) -> None:
    assert base_string_uri(vector["input"]) == vector["expect"]


@every("refused_urls")
def test_a_url_that_two_parsers_could_read_differently_is_not_signed(vector: dict[str, Any]) -> None:
    with pytest.raises(ValueError) as caught:
        base_string_uri(vector["input"])

    assert vector["input"] not in str(caught.value)


@every("percent_encoding")
def test_percent_encoding_is_that_of_the_test_cases(vector: dict[str, Any]) -> None:
    assert percent_encode(vector["input"]) == vector["expect"]


@given(TEXTS)
def test_percent_encoding_agrees_with_quote_and_comes_back(text: str) -> None:
    encoded = percent_encode(text)

    assert encoded == quote(text, safe="-._~")
    assert percent_decode(encoded) == text


@given(st.text(st.sampled_from("%%%=09afAFgG_ \r\n\té+&-")))
def test_percent_decoding_is_strict_and_otherwise_agrees_with_unquote(text: str) -> None:
    digits = set("0123456789abcdefABCDEF")
    whole = all(len(part) >= 2 and set(part[:2]) <= digits for part in text.split("%")[1:])
    try:
        expected = unquote(text, errors="strict") if whole else None
    except UnicodeDecodeError:
        expected = None

    if expected is None:
        with pytest.raises(ValueError):
            percent_decode(text)
    else:
        assert percent_decode(text) == expected


@given(PAIRS)
def test_a_form_comes_back_as_it_was_written(pairs: list[tuple[str, str]]) -> None:
    kept = [pair for pair in pairs if pair != ("", "")]

    assert read_form(write_form(pairs)) == tuple(pairs)
    assert parse_qsl(write_form(kept), keep_blank_values=True) == kept


@given(PAIRS, st.randoms())
def test_the_order_of_parameters_does_not_matter(pairs: list[tuple[str, str]], random: Any) -> None:
    shuffled = list(pairs)
    random.shuffle(shuffled)

    one = signature_base_string("GET", "https://example.com/", pairs)

    assert one == signature_base_string("get", "https://example.com/", shuffled)
    assert one.count("&") == 2


@given(PAIRS, st.sampled_from(["GET", "POST", "delete"]))
def test_the_base_string_agrees_with_oauthlib(pairs: list[tuple[str, str]], method: str) -> None:
    url = "https://Example.com:8443/a%20b/c;d"
    theirs = oauthlib_signature.signature_base_string(
        method, oauthlib_signature.base_string_uri(url), oauthlib_signature.normalize_parameters(pairs)
    )

    assert signature_base_string(method, url, pairs) == theirs


@given(
    st.sampled_from(["HMAC-SHA1", "HMAC-SHA256", "HMAC-SHA512"]),
    TEXTS,
    st.one_of(st.none(), TEXTS),
    st.text(max_size=300),
)
def test_hmac_agrees_with_the_standard_library(method: str, client: str, token: str | None, base_string: str) -> None:
    base_string = base_string.encode("ascii", "ignore").decode()
    key = f"{quote(client, safe='')}&{quote(token or '', safe='')}"
    expected = b64encode(hmac.digest(key.encode(), base_string.encode(), method[5:].lower())).decode()

    given_token = None if token is None else Secret(token)

    assert hmac_signature(method, base_string, Secret(client), given_token) == expected


def test_a_key_longer_than_a_block_is_hashed_first() -> None:
    client, token = Secret("k" * 200), Secret("t" * 200)
    key = f"{'k' * 200}&{'t' * 200}".encode()

    for method in ("HMAC-SHA1", "HMAC-SHA256", "HMAC-SHA512"):
        expected = b64encode(hmac.digest(key, b"message", method[5:].lower())).decode()
        assert hmac_signature(method, "message", client, token) == expected


@pytest.mark.parametrize(("method", "block"), [("HMAC-SHA1", 64), ("HMAC-SHA256", 64), ("HMAC-SHA512", 128)])
def test_a_key_of_exactly_a_block_is_not_hashed(method: str, block: int) -> None:
    """RFC 2104 section 2."""
    for length in (block - 1, block, block + 1):
        key = b"k" * (length - 1) + b"&"
        expected = b64encode(hmac.digest(key, b"message", method[5:].lower())).decode()
        assert hmac_signature(method, "message", Secret("k" * (length - 1)), None) == expected


def test_plaintext_is_both_secrets_encoded() -> None:
    assert (
        plaintext_signature(Secret("djr9rjt0jd78jf88"), Secret("jjd999tj88uiths3"))
        == "djr9rjt0jd78jf88&jjd999tj88uiths3"
    )
    assert plaintext_signature(Secret("a&b"), None) == "a%26b&"


def test_an_hmac_of_another_method_is_refused() -> None:
    for method in ("PLAINTEXT", "RSA-SHA1", "HMAC-MD5", "HMAC-", "hmac-sha1"):
        with pytest.raises(ValueError):
            hmac_signature(method, "text", Secret("a"), None)


def test_the_body_hash_uses_the_hash_of_the_method() -> None:
    # OAuth Request Body Hash 1.0 draft 4, appendix: "Hello World!" and the empty body
    assert body_hash("HMAC-SHA1", b"Hello World!") == "Lve95gjOVATpfV8EL5X4nxwjKHE="
    assert body_hash("RSA-SHA1", b"") == "2jmj7l5rSw0yVb/vlWAYkK/YBwk="
    assert body_hash("RSA-SHA256", b"{}") == b64encode(hashlib.sha256(b"{}").digest()).decode()
    for method in ("PLAINTEXT", "HMAC-MD5"):
        with pytest.raises(ValueError):
            body_hash(method, b"")
