from __future__ import annotations

from typing import Any

import pytest
from tests.oauth2.tokens import signed

from valetkey.errors import CallbackError
from valetkey.oauth2.id_token import (
    check_bindings,
    check_header,
    check_identity,
    check_moment,
    left_half,
    require_at_hash,
)
from valetkey.oauth2.jws import ALGORITHMS, read_jws
from valetkey.secret import Secret

NOW = 1_800_000_000
ISSUER = "https://as.example"
TOKEN = Secret("access-token")
GOOD = {"iss": ISSUER, "aud": "me", "sub": "alice", "exp": NOW + 300, "iat": NOW, "nonce": "n"}
GONE = object()


def reason(changes: dict[str, Any], **header: Any) -> str:
    """Why the token is refused; empty where it is not."""
    claims = {name: found for name, found in {**GOOD, **changes}.items() if found is not GONE}
    jws = read_jws(signed(claims, **header))
    try:
        check_header(jws, algorithms=ALGORITHMS)
        check_identity(jws, issuer=ISSUER, client_id="me")
        check_moment(jws, now=NOW)
        check_bindings(jws, nonce="n", access_token=TOKEN)
    except CallbackError as refused:
        return refused.reason.removeprefix("id_token_")
    return ""


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"aud": ["me"]},
        {"aud": ["other", "me"], "azp": "me"},
        {"azp": "me"},
        {"exp": NOW + 0.5},
        {"exp": NOW - 59},
        {"iat": NOW + 60},
        {"iat": NOW - 86_400},
        {"nbf": NOW + 60},
        {"at_hash": left_half("access-token")},
        {"unknown": {"claims": ["are", "not", "looked", "at"]}},
    ],
)
def test_a_good_token_passes(changes: dict[str, Any]) -> None:
    assert reason(changes) == ""


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"iss": "https://as.example/"}, "issuer"),
        ({"iss": "https://AS.example"}, "issuer"),
        ({"iat": NOW - 86_401}, "times"),
        ({"iss": GONE}, "issuer"),
        ({"iss": [ISSUER]}, "issuer"),
        ({"aud": GONE}, "audience"),
        ({"aud": "other"}, "audience"),
        ({"aud": []}, "audience"),
        ({"aud": {"me": 1}}, "audience"),
        ({"aud": ["me", "other"]}, "audience"),
        ({"aud": ["me"] * 33}, "audience"),
        ({"azp": "other"}, "audience"),
        ({"azp": None}, "audience"),
        ({"sub": GONE}, "subject"),
        ({"sub": ""}, "subject"),
        ({"sub": 17}, "subject"),
        ({"sub": "x" * 256}, "subject"),
        ({"exp": GONE}, "times"),
        ({"exp": str(NOW + 300)}, "times"),
        ({"exp": True}, "times"),
        ({"exp": 1e20}, "times"),
        ({"exp": -1}, "times"),
        ({"exp": NOW - 60}, "expired"),
        ({"iat": GONE}, "times"),
        ({"iat": NOW + 61}, "times"),
        ({"nbf": NOW + 61}, "times"),
        ({"nbf": "soon"}, "times"),
        ({"nonce": GONE}, "nonce"),
        ({"nonce": "N"}, "nonce"),
        ({"nonce": ["n"]}, "nonce"),
        ({"at_hash": left_half("another")}, "at_hash"),
        ({"at_hash": None}, "at_hash"),
        ({"at_hash": 7}, "at_hash"),
    ],
)
def test_each_check_has_its_own_reason(changes: dict[str, Any], expected: str) -> None:
    assert reason(changes) == expected


@pytest.mark.parametrize("algorithm", ["none", "HS256", "RS384", "rs256", "NONE", ""])
def test_only_algorithms_of_the_configuration_are_taken(algorithm: str) -> None:
    assert reason({}, alg=algorithm) == "algorithm"


@pytest.mark.parametrize("kind", ["at+jwt", "logout+jwt", "dpop+jwt", "application/at+jwt"])
def test_another_kind_of_token_is_not_an_id_token(kind: str) -> None:
    assert reason({}, typ=kind) == "type"


@pytest.mark.parametrize(
    ("header", "why"),
    [
        ({"alg": "none"}, "it is not signed with one of RS256, ES256;"),
        ({"typ": "at+jwt"}, "it is another kind of token;"),
    ],
)
def test_a_header_that_is_refused_is_told_what_is_wrong_with_it(header: dict[str, Any], why: str) -> None:
    with pytest.raises(CallbackError, match=why):
        check_header(read_jws(signed(GOOD, **header)), algorithms=("RS256", "ES256"))


@pytest.mark.parametrize("kind", ["JWT", "jwt", "application/jwt"])
def test_the_usual_type_is_taken_in_any_case(kind: str) -> None:
    assert reason({}, typ=kind) == ""


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"sub": "x"}, ""),
        ({"sub": "x" * 255}, ""),
        ({"sub": "x" * 256}, "subject"),
        ({"aud": [str(number) for number in range(31)] + ["me"], "azp": "me"}, ""),
        ({"aud": [str(number) for number in range(32)] + ["me"], "azp": "me"}, "audience"),
        ({"aud": ["me"] + [str(number) for number in range(32)], "azp": "me"}, "audience"),
        ({"iat": 0}, "times"),  # more than a day ago
        ({"nbf": 0}, ""),
        ({"exp": 253_402_300_799}, ""),
        ({"exp": 253_402_300_800}, "times"),
        ({"exp": 0}, "expired"),
        ({"iat": -1}, "times"),
    ],
)
def test_limits_are_what_they_are_said_to_be(changes: dict[str, Any], expected: str) -> None:
    assert reason(changes) == expected


def test_the_identity_is_the_issuers_word_for_the_subject() -> None:
    found = check_identity(read_jws(signed(GOOD)), issuer=ISSUER, client_id="me")

    assert (found.issuer, found.subject) == (ISSUER, "alice")


def test_beside_a_token_that_came_through_the_browser_at_hash_must_be_there() -> None:
    """Core sections 3.2.2.9 and 3.2.2.10: else an access token of another flow could stand beside it."""
    require_at_hash(read_jws(signed({**GOOD, "at_hash": left_half("access-token")})))

    with pytest.raises(CallbackError) as caught:
        require_at_hash(read_jws(signed(GOOD)))
    assert caught.value.reason == "id_token_at_hash"
    assert reason({"at_hash": None}) == "at_hash"
