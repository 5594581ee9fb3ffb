"""JARM, the pure part: whatever arrives, it is a signed answer or one named refusal, and quotes nothing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.oauth2.tokens import compact, signed

from valetkey.errors import CallbackError
from valetkey.http import base64url
from valetkey.oauth2.authorization import read_authorization_response
from valetkey.oauth2.jws import read_jws
from valetkey.oauth2.server import AuthorizationServer
from valetkey.oauth2.signed_response import (
    check_response,
    check_response_header,
    read_signed_response,
    response_parameters,
)
from valetkey.web.reasons import REASONS

if TYPE_CHECKING:
    from collections.abc import Callable

ISSUER, CLIENT, NOW = "https://as.example", "me", 1_800_000_000.0
SERVER = AuthorizationServer(ISSUER, f"{ISSUER}/a", f"{ISSUER}/t", response_mode="jwt", jwks_uri=f"{ISSUER}/k")

names = st.sampled_from(("response", "code", "state", "iss", "session_state", "Response", "RESPONSE"))
scalars = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=12)
)
json_values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner))
claim_names = st.sampled_from(("iss", "aud", "exp", "nbf", "iat", "code", "state", "error", "sub", "x"))

RIGHT = {"iss": ISSUER, "aud": CLIENT, "exp": int(NOW) + 60}


def reason_of(read: Callable[[], object]) -> str:
    """The reason of the refusal, empty where there was none; any other error is the test's."""
    try:
        _ = read()
    except CallbackError as refused:
        return refused.reason
    return ""


@given(st.lists(st.tuples(names, st.text(max_size=40)), max_size=4))
@example([("response", "..")])
@example([("response", "a..b")])
def test_whatever_arrives_is_read_or_refused_with_a_reason_that_has_a_page(pairs: list[tuple[str, str]]) -> None:
    reason = reason_of(lambda: read_signed_response(tuple(pairs)))

    assert reason in REASONS or (not reason and [name for name, _ in pairs].count("response") == 1)


@given(st.dictionaries(claim_names, json_values, max_size=8) | st.builds(dict, st.just(RIGHT), exp=scalars))
@example(RIGHT)
@example({**RIGHT, "aud": [CLIENT]})
def test_only_an_answer_of_this_issuer_for_this_client_alone_that_lives_passes(claims: dict[str, Any]) -> None:
    pairs = (("response", compact({"alg": "RS256"}, claims)),)  # claims may be drawn that are longer than one may be

    reason = reason_of(lambda: check_response(read_signed_response(pairs), issuer=ISSUER, client_id=CLIENT, now=NOW))

    if reason:
        assert reason in REASONS
    else:
        assert (claims["iss"], claims["aud"] in (CLIENT, [CLIENT])) == (ISSUER, True)
        assert claims["exp"] > NOW - 60


@given(
    st.dictionaries(
        st.text(min_size=1, max_size=12).filter(lambda name: name not in ("aud", "exp", "iat", "nbf", "jti", "sub")),
        st.text(max_size=30),
        max_size=6,
    )
)
def test_the_texts_among_the_claims_are_the_parameters_as_they_were_signed(claims: dict[str, str]) -> None:
    octets = json.dumps({**claims, "aud": CLIENT, "exp": 1, "nested": {"code": "no"}, "list": ["no"]}).encode()
    text = f"{base64url(b'{}')}.{base64url(octets)}.AAAA"

    assert dict(response_parameters(read_signed_response((("response", text),)))) == claims


def test_the_issuer_of_the_answer_is_the_one_of_rfc_9207() -> None:
    claims = {"iss": ISSUER, "aud": CLIENT, "exp": NOW + 60, "code": "c", "state": "s"}
    pairs = response_parameters(read_signed_response((("response", signed(claims)),)))
    strict = AuthorizationServer(
        ISSUER, f"{ISSUER}/a", f"{ISSUER}/t", response_mode="jwt", jwks_uri=f"{ISSUER}/k", iss_required=True
    )

    found = read_authorization_response(pairs, server=strict)

    assert (found.code.reveal(), found.iss) == ("c", ISSUER)


def test_what_is_signed_beside_the_answer_is_neither_code_nor_token() -> None:
    claims = {"iss": ISSUER, "code": "c", "access_token": "canary", "expires_in": 3600, "session_state": "x"}
    pairs = response_parameters(read_signed_response((("response", signed(claims)), ("session_state", "x"))))

    found = read_authorization_response(pairs, server=SERVER)

    assert found.extra == (("session_state", "x"),)
    assert "canary" not in repr(found)


@pytest.mark.parametrize(
    "text", ["canary.canary.canary", "canary", "canary.e30.canary.c.c", "eyJhbGciOiJub25lIn0.e30."]
)
def test_a_refusal_quotes_nothing_of_the_answer(text: str) -> None:
    with pytest.raises(CallbackError) as caught:
        read_signed_response((("response", text),))

    assert "canary" not in str(caught.value)
    assert "start again" in str(caught.value)


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ({"alg": "RS256"}, ""),
        ({"alg": "RS256", "typ": "JWT"}, ""),
        ({"alg": "RS256", "typ": "application/jwt"}, ""),
        ({"alg": "none"}, "jarm_algorithm"),
        ({"alg": "HS256"}, "jarm_algorithm"),
        ({"alg": "ES256"}, "jarm_algorithm"),
        ({}, "jarm_algorithm"),
        ({"alg": "RS256", "typ": "at+jwt"}, "jarm_type"),
        ({"alg": "RS256", "typ": "logout+jwt"}, "jarm_type"),
    ],
)
def test_a_header_names_a_configured_algorithm_and_no_other_kind_of_token(header: dict[str, Any], reason: str) -> None:
    jws = read_jws(compact(header, RIGHT))

    assert reason_of(lambda: check_response_header(jws, algorithms=("RS256",))) == reason


@pytest.mark.parametrize(
    ("header", "why"),
    [
        ({"alg": "none"}, "it is not signed with one of RS256, ES256;"),
        ({"alg": "RS256", "typ": "at+jwt"}, "it is another kind of token;"),
    ],
)
def test_a_header_that_is_refused_is_told_what_is_wrong_with_it(header: dict[str, Any], why: str) -> None:
    with pytest.raises(CallbackError, match=why):
        check_response_header(read_jws(compact(header, RIGHT)), algorithms=("RS256", "ES256"))


@pytest.mark.parametrize("name", ["code", "state", "iss", "error", "access_token", "id_token", "token_type"])
@pytest.mark.parametrize("claim", [None, 7, True, ["c"], {"c": "c"}])
def test_a_parameter_that_is_signed_and_no_text_is_refused(name: str, claim: Any) -> None:
    jws = read_jws(compact({"alg": "RS256"}, {**RIGHT, name: claim}))

    assert reason_of(lambda: response_parameters(jws)) == "jarm_malformed"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, ""),
        ({"aud": [CLIENT] * 32}, ""),
        ({"aud": [CLIENT] * 33}, "jarm_audience"),
        ({"aud": []}, "jarm_audience"),
        ({"aud": [CLIENT, "other"]}, "jarm_audience"),
        ({"exp": NOW - 59}, ""),
        ({"exp": NOW - 60}, "jarm_expired"),
        ({"exp": "soon"}, "jarm_times"),
        ({"iat": NOW + 60}, ""),
        ({"iat": NOW + 61}, "jarm_times"),
        ({"nbf": NOW + 60}, ""),
        ({"nbf": NOW + 61}, "jarm_times"),
        ({"iat": None}, "jarm_times"),
        ({"iss": f"{ISSUER}/"}, "jarm_issuer"),
    ],
)
def test_limits_are_what_they_are_said_to_be(changes: dict[str, Any], reason: str) -> None:
    jws = read_jws(compact({"alg": "RS256"}, {**RIGHT, **changes}))

    assert reason_of(lambda: check_response(jws, issuer=ISSUER, client_id=CLIENT, now=NOW)) == reason


@pytest.mark.parametrize(
    ("pairs", "reason"),
    [
        ((), "jarm_missing"),
        ((("response", ""),), "jarm_missing"),
        ((("response", "a.b.c"), ("response", "a.b.c")), "duplicate_parameter"),
        ((("response", "a.b.c"), ("code", "c")), "jarm_mixed"),
        ((("response", "a.b.c"), ("expires_in", "9")), "jarm_mixed"),
        ((("response", "a.b.c.d.e"),), "jarm_encrypted"),
        ((("response", "a.b."),), "jarm_algorithm"),
        ((("response", "a.b"),), "jarm_malformed"),
        ((("response", "a.b.c.d"),), "jarm_malformed"),
    ],
)
def test_what_is_no_signed_answer_has_a_reason_of_its_own(pairs: Any, reason: str) -> None:
    assert reason_of(lambda: read_signed_response(pairs)) == reason
