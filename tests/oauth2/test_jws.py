from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.oauth2.tokens import compact, ec_key, key_set_answer, rsa_jwk, sign, signed
from tests.oauth2.vectors import load

from valetkey.http import base64url_decode
from valetkey.keys.verify import signature_is_right
from valetkey.oauth2.id_token import left_half
from valetkey.oauth2.jwks import read_key_set
from valetkey.oauth2.jws import ALGORITHMS, MAX_TOKEN_CHARACTERS, read_jws

VECTORS = load("jws")


def verdict(compact_form: str, entry: dict[str, Any] | None) -> str:
    """The algorithm that verified it, or `refused`."""
    header, _, _ = compact_form.partition(".")
    algorithm = next((name for name in ALGORITHMS if f'"{name}"'.encode() in base64url_decode(header)), "")
    keys = read_key_set(key_set_answer(entry)).candidates(str((entry or {}).get("kid", "")), algorithm)
    text, _, signature = compact_form.rpartition(".")
    good = signature and any(
        signature_is_right(key, algorithm, text.encode(), signature=base64url_decode(signature)) for key in keys
    )
    return algorithm if good else "refused"


@pytest.mark.parametrize("vector", VECTORS["signatures"], ids=lambda vector: vector["source"])
def test_published_signatures_are_verified_or_refused(vector: dict[str, Any]) -> None:
    given_ = vector["input"]

    assert verdict(given_["compact"], given_.get("key")) == vector["expect"]


@pytest.mark.parametrize("vector", VECTORS["hashes"], ids=lambda vector: vector["source"])
def test_hashes_are_those_of_openid_connect_core(vector: dict[str, Any]) -> None:
    assert left_half(vector["input"]) == vector["expect"]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_token_of_another_library_is_read_and_verified(algorithm: str) -> None:
    from joserfc import jwt
    from joserfc.jwk import ECKey, RSAKey

    private: Any = ECKey.generate_key("P-256") if algorithm == "ES256" else RSAKey.generate_key(2048)
    made = jwt.encode({"alg": algorithm, "kid": "k"}, {"sub": "alice"}, private, algorithms=[algorithm])
    keys = read_key_set(key_set_answer({**private.as_dict(private=False), "kid": "k"}))

    jws = read_jws(made)

    assert (jws.claims, jws.algorithm, jws.key_id) == ({"sub": "alice"}, algorithm, "k")
    [key] = keys.candidates("k", algorithm)
    assert signature_is_right(key, algorithm, jws.signed, signature=jws.signature)
    assert not signature_is_right(key, algorithm, jws.signed + b"x", signature=jws.signature)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "..",
        "a.b",
        "a.b.c.d.e",
        compact({"alg": "RS256"}, {})[:-1] + "=",
        compact({"alg": "RS256"}, {}) + "\n",
        compact({"alg": "RS256"}, {}) + "é",
        compact({"alg": "RS256", "crit": []}, {}),
        compact({"alg": "RS256", "crit": ["exp"], "exp": 1}, {}),
        compact({"alg": "RS256", "b64": False}, {}),
        compact({"alg": "RS256", "kid": 7}, {}),
        compact({"alg": "RS256", "kid": ["a"]}, {}),
        compact({"alg": ["RS256"]}, {}),
        compact(b'{"alg":"RS256","alg":"none"}', {}),
        compact({"alg": "RS256"}, b'{"sub":"alice","sub":"bob"}'),
        compact({"alg": "RS256"}, b"[]"),
        compact({"alg": "RS256"}, b'{"exp":NaN}'),
        compact({"alg": "RS256", "x": "y" * 5000}, {}),
        compact({"alg": "RS256"}, {"x": "y" * MAX_TOKEN_CHARACTERS}),
        compact({"alg": "none"}, {}, b""),
    ],
)
def test_what_is_not_one_strict_token_is_refused_without_quoting_it(text: str) -> None:
    with pytest.raises(ValueError) as caught:
        read_jws(text)

    assert "alice" not in str(caught.value)


def test_a_long_token_is_refused_before_anything_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("valetkey.oauth2.jws.base64url_decode", lambda _: pytest.fail("it was decoded"))

    with pytest.raises(ValueError, match="longer"):
        read_jws("a" * (MAX_TOKEN_CHARACTERS + 1))


@given(st.text(max_size=300))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        read_jws(text)
    except ValueError:
        return


def test_keys_that_a_header_brings_along_are_not_looked_at() -> None:
    jws = read_jws(signed({"sub": "a"}, jwk=rsa_jwk(), jku="https://evil.example/keys", x5u="https://evil.example/x"))

    assert "evil" not in repr(jws)
    assert not hasattr(jws, "jwk")


@pytest.mark.parametrize("change", ["short", "long", "zero_r", "zero_s", "large", "der"])
def test_an_elliptic_signature_in_another_form_is_wrong(change: str) -> None:
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.hashes import SHA256
    from tests.oauth2.tokens import ec_jwk

    [key] = read_key_set(key_set_answer(ec_jwk())).candidates("", "ES256")
    right = sign("ES256", b"message")
    forms = {
        "short": right[:-1],
        "long": right + b"\0",
        "zero_r": bytes(32) + right[32:],
        "zero_s": right[:32] + bytes(32),
        "large": b"\xff" * 64,
        "der": ec_key().sign(b"message", ec.ECDSA(SHA256())),
    }

    assert signature_is_right(key, "ES256", b"message", signature=right)
    assert not signature_is_right(key, "ES256", b"message", signature=forms[change])


def test_a_key_verifies_its_own_kind_of_algorithm_only() -> None:
    [key] = read_key_set(key_set_answer(rsa_jwk(alg="RS256"))).keys

    assert signature_is_right(key, "RS256", b"m", signature=sign("RS256", b"m"))
    assert not signature_is_right(key, "PS256", b"m", signature=sign("PS256", b"m"))
    assert not signature_is_right(key, "ES256", b"m", signature=sign("ES256", b"m"))
    assert not signature_is_right(key, "none", b"m", signature=b"")
    assert not signature_is_right(key, "RS256", b"m", signature=b"\0" + sign("RS256", b"m"))


def test_a_token_of_16_kib_is_read_and_one_character_more_is_not() -> None:
    text = compact({"alg": "RS256"}, {"a": "b"})
    longest = text + "A" * (16_384 - len(text))

    with pytest.raises(ValueError, match="longer"):
        _ = read_jws(longest + "A")
    try:
        _ = read_jws(longest)
    except ValueError as why:
        assert "longer" not in str(why)  # noqa: PT017 - its padding may be wrong, its length is not


@pytest.mark.parametrize("part", [0, 1, 2])
def test_a_part_that_is_not_ascii_is_refused(part: int) -> None:
    parts = compact({"alg": "RS256"}, {"a": "b"}).split(".")
    parts[part] = "\N{FULLWIDTH LATIN SMALL LETTER A}" + parts[part][1:]

    with pytest.raises(ValueError, match="base64url"):
        _ = read_jws(".".join(parts))
