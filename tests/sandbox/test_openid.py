"""The sandbox as an OpenID provider: keys, id_tokens, userinfo, and the faults that spoil them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.sandbox.steps import BASE_URL, Bench, callback, fields

from valetkey.errors import CallbackError, ConfigurationError
from valetkey.http import read_form
from valetkey.keys.verify import signature_is_right
from valetkey.oauth2.id_token import check_bindings, check_header, check_identity, check_moment, left_half
from valetkey.oauth2.jwks import KeySet, read_key_set
from valetkey.oauth2.jws import Jws, read_jws
from valetkey.sandbox import SandboxClient, approve
from valetkey.sandbox.spoilt import WORDS, WRONG
from valetkey.secret import Secret
from valetkey.value import replace

if TYPE_CHECKING:
    from valetkey.sandbox.signing import Algorithm

SCOPES = ("openid", "profile", "email", "phone", "address", "read")
REDIRECT_URI = "https://app.example/oauth/callback/sandbox"
APP = SandboxClient("app", Secret("app-secret"), redirect_uris=(REDIRECT_URI,), scopes=SCOPES)


def bench(algorithm: Algorithm = "RS256") -> Bench:
    return Bench(replace(APP, id_token_signed_response_alg=algorithm))


def tokens(sandbox: Bench, scope: str = "openid read", nonce: str | None = "n-1") -> dict[str, Any]:
    return sandbox.tokens(scope=scope, nonce=nonce)


def keys(sandbox: Bench) -> KeySet:
    return read_key_set(sandbox.get("/oauth2/jwks"))


def verified(sandbox: Bench, token: str) -> Jws:
    jws = read_jws(token)
    check_header(jws, algorithms=("RS256", "PS256", "ES256"))
    found = keys(sandbox).candidates(jws.key_id, jws.algorithm)
    if not any(signature_is_right(key, jws.algorithm, jws.signed, signature=jws.signature) for key in found):
        reason = "signature"
        raise CallbackError(reason, "no key of the set made it")
    return jws


@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES256"])
def test_an_id_token_is_signed_with_a_published_key_and_bound_to_the_flow(algorithm: Algorithm) -> None:
    sandbox = bench(algorithm)

    found = tokens(sandbox)

    jws = verified(sandbox, found["id_token"])
    assert jws.algorithm == algorithm
    assert check_identity(jws, issuer=BASE_URL, client_id="app").subject == "alice"
    check_moment(jws, now=sandbox.clock())
    check_bindings(jws, nonce="n-1", access_token=Secret(found["access_token"]))
    assert jws.claims["at_hash"] == left_half(found["access_token"])


def test_without_openid_there_is_no_id_token() -> None:
    assert "id_token" not in tokens(bench(), scope="read")


def test_a_refreshed_id_token_has_no_nonce() -> None:
    sandbox = bench()

    refreshed = fields(sandbox.refresh(tokens(sandbox)["refresh_token"]))

    assert "nonce" not in verified(sandbox, refreshed["id_token"]).claims


def test_the_same_keys_are_published_until_they_are_rotated() -> None:
    sandbox = bench()
    before = keys(sandbox)
    token = tokens(sandbox)["id_token"]

    assert keys(sandbox) == before
    sandbox.sandbox.signing_keys.rotate()

    assert {key.key_id for key in keys(sandbox).keys}.isdisjoint(key.key_id for key in before.keys)
    with pytest.raises(CallbackError):
        verified(sandbox, token)


def test_userinfo_says_what_the_scope_covers() -> None:
    sandbox = bench()
    token = tokens(sandbox, scope="openid email address")["access_token"]

    claims = fields(sandbox.get("/oauth2/userinfo", ("Authorization", f"Bearer {token}")))

    assert (claims["sub"], claims["email"]) == ("alice", "alice@accounts.example")
    assert "address" in claims
    assert "phone_number" not in claims
    assert "preferred_username" not in claims


def test_userinfo_needs_openid() -> None:
    sandbox = bench()
    token = tokens(sandbox, scope="read")["access_token"]

    assert sandbox.get("/oauth2/userinfo", ("Authorization", f"Bearer {token}")).status == 403


def test_both_well_known_paths_describe_the_provider() -> None:
    sandbox = bench()

    described = fields(sandbox.get("/.well-known/openid-configuration"))

    assert described == fields(sandbox.get("/.well-known/oauth-authorization-server"))
    assert described["jwks_uri"] == f"{BASE_URL}/oauth2/jwks"
    assert described["userinfo_endpoint"] == f"{BASE_URL}/oauth2/userinfo"


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("iss_wrong", "id_token_issuer"),
        ("iss_missing", "id_token_issuer"),
        ("aud_wrong", "id_token_audience"),
        ("aud_missing", "id_token_audience"),
        ("aud_extra", "id_token_audience"),
        ("sub_missing", "id_token_subject"),
        ("exp_past", "id_token_expired"),
        ("exp_missing", "id_token_times"),
        ("iat_missing", "id_token_times"),
        ("iat_future", "id_token_times"),
        ("nonce_wrong", "id_token_nonce"),
        ("nonce_missing", "id_token_nonce"),
        ("at_hash_wrong", "id_token_at_hash"),
        ("signature_wrong", "signature"),
        ("kid_wrong", "signature"),
        ("alg_symmetric", "id_token_algorithm"),
        ("aud_array", ""),
        ("at_hash_missing", ""),
        ("alg_other", ""),
        ("kid_missing", ""),
        ("key_rotated", ""),
    ],
)
def test_a_fault_spoils_one_thing_in_an_id_token(fault: str, reason: str) -> None:
    sandbox = bench()
    sandbox.sandbox.faults.add(endpoint="token", fault=fault)
    found = tokens(sandbox)
    refused = ""

    try:
        jws = verified(sandbox, found["id_token"])
        check_identity(jws, issuer=BASE_URL, client_id="app")
        check_moment(jws, now=sandbox.clock())
        check_bindings(jws, nonce="n-1", access_token=Secret(found["access_token"]))
    except CallbackError as error:
        refused = error.reason

    assert refused == reason
    assert sandbox.sandbox.seen.entries("token")[-1].get("fault") == fault
    assert verified(sandbox, tokens(sandbox)["id_token"]).claims["sub"] == "alice"  # it happens once


@pytest.mark.parametrize(("fault", "parts"), [("alg_none", 3), ("encrypted", 5)])
def test_a_token_that_is_not_signed_or_encrypted_cannot_be_read(fault: str, parts: int) -> None:
    sandbox = bench()
    sandbox.sandbox.faults.add(endpoint="token", fault=fault)

    token = tokens(sandbox)["id_token"]

    assert len(token.split(".")) == parts
    with pytest.raises(ValueError, match="not three parts"):
        read_jws(token)


@pytest.mark.parametrize(
    ("fault", "iss", "state"),
    [
        ("iss_wrong", WRONG["iss"], "s t&te"),
        ("iss_missing", None, "s t&te"),
        ("state_wrong", BASE_URL, WRONG["state"]),
        ("state_missing", BASE_URL, None),
    ],
)
@pytest.mark.parametrize("decision", ["allow", "deny"])
def test_an_authorization_response_lies_when_told_to(fault: str, iss: object, state: object, decision: str) -> None:
    sandbox = bench()
    sandbox.sandbox.faults.add(endpoint="consent", fault=fault)

    answer = callback(approve(sandbox.sandbox.respond, sandbox.location(), decision=decision))

    assert (answer.get("iss"), answer.get("state")) == (iss, state)


def test_an_error_of_the_authorization_endpoint_lies_too() -> None:
    sandbox = bench()
    sandbox.sandbox.faults.add(endpoint="authorize", fault="iss_wrong")

    location = sandbox.get(sandbox.location(prompt="none")).headers.get("Location") or ""

    assert dict(read_form(location.partition("?")[2]))["iss"] == WRONG["iss"]


@pytest.mark.parametrize(
    ("fault", "member", "found"),
    [
        ("issuer_wrong", "issuer", WRONG["issuer"]),
        ("issuer_missing", "issuer", None),
        ("jwks_uri_missing", "jwks_uri", None),
    ],
)
def test_metadata_lies_when_told_to(fault: str, member: str, found: object) -> None:
    sandbox = bench()
    sandbox.sandbox.faults.add(endpoint="metadata", fault=fault)

    assert fields(sandbox.get("/.well-known/openid-configuration")).get(member) == found


@pytest.mark.parametrize(
    ("fault", "count", "named"), [("keys_several", 4, True), ("keys_missing", 0, True), ("kid_missing", 2, False)]
)
def test_the_key_set_is_as_odd_as_it_is_told_to_be(fault: str, count: int, named: bool) -> None:
    sandbox = bench()
    sandbox.sandbox.faults.add(endpoint="jwks", fault=fault)

    entries = json.loads(sandbox.get("/oauth2/jwks").body)["keys"]

    assert len(entries) == count
    assert all(("kid" in entry) is named for entry in entries)


@pytest.mark.parametrize(
    ("fault", "member", "found"),
    [
        ("expires_in_missing", "expires_in", None),
        ("scope_missing", "scope", None),
        ("id_token_missing", "id_token", None),
        ("access_token_missing", "access_token", None),
        ("token_type_missing", "token_type", None),
        ("token_type_swapped", "token_type", "bEARER"),
    ],
)
def test_a_token_response_lacks_a_member_when_told_to(fault: str, member: str, found: object) -> None:
    sandbox = bench()
    sandbox.sandbox.faults.add(endpoint="token", fault=fault)

    assert tokens(sandbox).get(member) == found


def test_userinfo_speaks_of_somebody_else_when_told_to() -> None:
    sandbox = bench()
    token = tokens(sandbox)["access_token"]
    sandbox.sandbox.faults.add(endpoint="userinfo", fault="sub_wrong")

    assert fields(sandbox.get("/oauth2/userinfo", ("Authorization", f"Bearer {token}")))["sub"] == WRONG["sub"]


def test_a_fault_that_nobody_knows_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="iss_wrong"):
        bench().sandbox.faults.add(endpoint="token", fault="iss_odd")
    assert len(set(WORDS)) == len(WORDS)
