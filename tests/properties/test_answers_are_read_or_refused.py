"""Whatever a provider answers is what was asked for or the error that says who must act: nothing else comes out."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.oauth2.peer import NOW, SERVER
from tests.oauth2.tokens import ec_jwk, rsa_jwk
from tests.properties.outside import altered, answers, anything, documents, nearly, octets, outcome

from valetkey.dates import MAX_RETRY_AFTER, read_retry_after
from valetkey.errors import CallbackError, MalformedResponse, ProviderError
from valetkey.http import Headers, Response, base64url
from valetkey.oauth1 import answers as oauth1_answers
from valetkey.oauth1.transmission import authorization_header, read_authorization_header, read_quoted_list
from valetkey.oauth2.authorization_request import MAX_PUSHED_SECONDS, read_pushed_response
from valetkey.oauth2.bearer import read_challenges
from valetkey.oauth2.device import MAX_INTERVAL, MAX_LIFETIME, read_device_codes
from valetkey.oauth2.dpop import read_nonce, wants_nonce
from valetkey.oauth2.error_response import error_response, read_answer
from valetkey.oauth2.id_token import Identity, check_bindings, check_identity, check_moment
from valetkey.oauth2.introspection import read_introspection_response
from valetkey.oauth2.jwks import read_key_set
from valetkey.oauth2.jws import Jws
from valetkey.oauth2.metadata import read_metadata, write_metadata
from valetkey.oauth2.requested import details_problems, resource_problems
from valetkey.oauth2.revocation import read_revocation_response
from valetkey.oauth2.token_response import read_lifetime, read_token_response
from valetkey.secret import Secret
from valetkey.value import replace

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from valetkey.oauth1.credentials import TemporaryCredentials, TokenCredentials

TOKENS = {
    "access_token": "at",
    "token_type": "Bearer",
    "expires_in": 3600,
    "refresh_token": "rt",
    "scope": "read write",
    "id_token": "a.b.c",
    "account": 7,
    "authorization_details": [{"type": "payment"}],
}
ERROR = {"error": "invalid_grant", "error_description": "text", "errors": [{"errorType": "expired_token"}]}
CODES = {
    "device_code": "dc",
    "user_code": "WDJB-MJHT",
    "verification_uri": "https://as.example/activate",
    "verification_uri_complete": "https://as.example/activate?user_code=x",
    "expires_in": 1800,
    "interval": 5,
}
PUSHED = {"request_uri": "urn:ietf:params:oauth:request_uri:x", "expires_in": 60}
CLAIMS = {
    "active": True,
    "scope": "read",
    "client_id": "c",
    "username": "u",
    "token_type": "bearer",
    "sub": "s",
    "aud": ["a"],
    "iss": "https://as.example",
    "exp": NOW + 60,
    "iat": NOW - 60,
    "nbf": NOW,
}
METADATA = {
    "issuer": "https://as.example",
    "authorization_endpoint": "https://as.example/authorize",
    "token_endpoint": "https://as.example/token",
    "jwks_uri": "https://as.example/keys",
    "scopes_supported": ["read"],
    "code_challenge_methods_supported": ["S256"],
    "token_endpoint_auth_methods_supported": ["none"],
    "authorization_response_iss_parameter_supported": True,
}
RSA = {"kty": "RSA", "kid": "1", "use": "sig", "alg": "RS256", "key_ops": ["verify"], "n": base64url(b"\xff" * 256)}
KEYS = ({**RSA, "e": "AQAB"}, {"kty": "EC", "crv": "P-256", "x": base64url(b"x" * 32), "y": base64url(b"y" * 32)})
FORM = "oauth_token=t&oauth_token_secret=s&oauth_callback_confirmed=true&user_id=7"


@given(answers(documents(TOKENS, ERROR), names=["Retry-After"]), st.booleans(), st.booleans())
def test_a_token_answer_gives_tokens_or_a_provider_error(response: Response, odd: bool, bound: bool) -> None:
    server = replace(SERVER, token_path=("data",) if odd else (), token_type_optional=odd, error_with_status_200=odd)

    tokens, error = outcome(
        lambda: read_token_response(response, server=server, received_at=NOW, bound=bound), ProviderError
    )

    if tokens is None:
        assert error
        assert error.status == response.status
        return
    assert response.status // 100 == 2
    assert tokens.token_type == ("dpop" if bound else "bearer")
    for secret in filter(None, (tokens.access_token, tokens.refresh_token, tokens.id_token)):
        assert secret.reveal().isascii()
        assert secret.reveal().isprintable()


@given(answers(documents(ERROR, TOKENS), statuses=(400, 401, 429, 503), names=["Retry-After"]))
def test_an_error_shows_a_code_and_no_other_word_of_the_answer(response: Response) -> None:
    error = error_response(SERVER, response, received_at=NOW)

    assert error.status == response.status
    assert error.error.replace("_", "").isalpha()
    assert error.error.islower()
    assert error.retry_after is None or 0 <= error.retry_after <= MAX_RETRY_AFTER


@given(answers(documents(TOKENS, ERROR)))
def test_a_body_is_an_object_or_a_value_error(response: Response) -> None:
    try:
        members = read_answer(response)
    except ValueError:
        return
    assert all(isinstance(name, str) for name in members)


@given(st.none() | st.text(max_size=40) | nearly("120", "Sun, 06 Nov 1994 08:49:37 GMT", "9" * 5_000))
def test_retry_after_is_seconds_up_to_an_hour_or_nothing(text: str | None) -> None:
    seconds = read_retry_after(text, now=NOW)

    assert seconds is None or 0 <= seconds <= MAX_RETRY_AFTER


@given(anything | nearly("3600", "3600.0", "1"))
def test_a_lifetime_is_a_number_of_seconds_or_nothing(found: Any) -> None:
    seconds = read_lifetime(found)
    assert seconds is None or (type(seconds) is int and seconds > 0)


@given(answers(documents(CODES, ERROR)))
def test_device_codes_are_usable_or_refused(response: Response) -> None:
    server = replace(SERVER, device_authorization_endpoint="https://as.example/device")

    try:
        codes = read_device_codes(response, server=server, received_at=NOW)
    except ProviderError:
        return
    assert codes.verification_uri.startswith("https://")
    assert codes.verification_uri_complete.startswith("https://") or not codes.verification_uri_complete
    assert codes.user_code.isprintable()
    assert 1 <= codes.interval <= MAX_INTERVAL
    assert 0 < codes.expires_at - int(NOW) <= MAX_LIFETIME


@given(answers(documents(PUSHED, ERROR), statuses=(200, 201)))
def test_a_pushed_request_is_a_reference_or_refused(response: Response) -> None:
    try:
        pushed = read_pushed_response(response, server=SERVER, received_at=NOW)
    except ProviderError:
        return
    assert pushed.request_uri.isprintable()
    assert 0 < pushed.expires_at - int(NOW) <= MAX_PUSHED_SECONDS


@given(answers(documents(CLAIMS, {"active": False}, ERROR)))
def test_a_token_is_active_only_where_that_is_said_in_json(response: Response) -> None:
    try:
        found = read_introspection_response(response, server=SERVER, received_at=NOW)
    except ProviderError:
        return
    assert found.active is json.loads(response.body.removeprefix(b"\xef\xbb\xbf"))["active"]


@given(answers(documents(ERROR), statuses=(200, 400, 401)))
def test_a_revocation_went_well_or_is_a_provider_error(response: Response) -> None:
    try:
        read_revocation_response(response, server=SERVER, received_at=NOW)
    except ProviderError:
        assert response.status != 200


@given(answers(documents(METADATA)), st.sampled_from(["https://as.example", "https://other.example", ""]))
def test_metadata_is_that_of_the_issuer_or_malformed_and_comes_back_as_it_was(response: Response, issuer: str) -> None:
    try:
        found = read_metadata(response, issuer=issuer)
    except MalformedResponse:
        return
    assert found.issuer == issuer
    assert found.token_endpoint.startswith("https://")
    assert read_metadata(Response(200, body=write_metadata(found)), issuer=issuer) == found


# --- keys and what they sign


@given(
    answers(
        st.lists(altered(KEYS[0]) | altered(KEYS[1]) | anything, max_size=4)
        .map(lambda keys: {"keys": keys})
        .map(lambda found: json.dumps(found).encode())
        | documents({"keys": list(KEYS)})
    )
)
def test_a_key_set_holds_only_keys_that_are_strong_and_whole(response: Response) -> None:
    try:
        found = read_key_set(response)
    except ProviderError:
        return
    for key in found.keys:
        assert (len(key.first) >= 256 and key.second not in (b"", b"\1")) if key.kind == "RSA" else len(key.first) == 32
        assert not (key.serves("RS256") and key.serves("ES256"))
    for name in found.ambiguous:
        assert found.candidates(name, "RS256") == found.candidates(name, "ES256") == ()


def test_keys_of_another_library_are_read_as_they_are() -> None:
    found = read_key_set(Response(200, body=json.dumps({"keys": [rsa_jwk(kid="r"), ec_jwk(kid="e")]}).encode()))

    assert [(key.kind, key.key_id) for key in found.keys] == [("RSA", "r"), ("EC", "e")]


ID_TOKEN = {
    "iss": "https://as.example",
    "sub": "alice",
    "aud": "client",
    "azp": "client",
    "exp": NOW + 60,
    "iat": NOW - 60,
    "nbf": NOW - 60,
    "nonce": "n",
    "at_hash": "h",
}


@given(altered(ID_TOKEN))
@example(ID_TOKEN)
def test_an_id_token_is_believed_only_with_every_claim_right(claims: Mapping[str, Any]) -> None:
    jws = Jws("RS256", "", "jwt", dict(claims), b"", b"")

    def check() -> Identity:
        identity = check_identity(jws, issuer="https://as.example", client_id="client")
        check_moment(jws, now=NOW)
        check_bindings(jws, nonce="n", access_token=Secret("at"))
        return identity

    identity, error = outcome(check, CallbackError)

    if identity is None:
        assert error
        assert error.reason.startswith("id_token_")
        return
    assert claims["nonce"] == "n"
    assert (identity.issuer, identity.subject) == (claims["iss"], claims["sub"])
    assert "client" in claims["aud"]
    assert claims["exp"] > NOW - 61
    assert "at_hash" not in claims, "nothing hashes to h"


# --- header fields


@given(answers(documents(ERROR), statuses=(400, 401), names=["DPoP-Nonce", "WWW-Authenticate"]))
def test_a_nonce_is_asked_for_only_together_with_one(response: Response) -> None:
    nonce = read_nonce(response)

    assert not wants_nonce(response) or nonce
    if nonce is not None:
        assert nonce.isascii()
        assert nonce.isprintable()
        assert not set(nonce) & set(' "\\')


LATIN1 = st.text(st.characters(max_codepoint=255, exclude_characters="\r\n\0"), max_size=40)
CHALLENGE = 'Bearer realm="a b", error="invalid_token", scope=x, Basic YWJj==, DPoP algs="ES256 PS256"'


@given(
    st.lists(
        nearly(CHALLENGE).filter(lambda text: text.isascii() and not set(text) & set("\r\n\0")) | LATIN1, max_size=3
    )
)
@example([CHALLENGE, "," * 9_000])
@example([CHALLENGE * 80])
def test_challenges_are_few_and_whole(fields: list[str]) -> None:
    found = read_challenges(Headers(tuple(("WWW-Authenticate", text) for text in fields)))

    assert len(found) <= 16
    for challenge in found:
        assert challenge.scheme == challenge.scheme.lower() != ""
        assert not (challenge.parameters and challenge.token68)
        assert len(dict(challenge.parameters)) == len(challenge.parameters) <= 32


names = st.from_regex(r"[a-z][a-z_-]{0,10}", fullmatch=True)
quotable = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=12)


@given(
    st.lists(
        st.tuples(
            names, st.dictionaries(names, quotable, min_size=1, max_size=4).map(lambda found: tuple(found.items()))
        ),
        max_size=4,
    )
)
def test_challenges_that_are_written_are_read(challenges: list[tuple[str, tuple[tuple[str, str], ...]]]) -> None:
    def quoted(text: str) -> str:
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'

    field = ", ".join(
        f"{scheme} " + ", ".join(f"{name}={quoted(text)}" for name, text in pairs) for scheme, pairs in challenges
    )

    found = read_challenges(Headers((("WWW-Authenticate", field),)))

    assert [(one.scheme, one.parameters) for one in found] == challenges


# --- OAuth 1.0a


@given(
    answers(
        nearly(FORM, "oauth_problem=token_expired", "error=x").map(octets) | documents(TOKENS),
        statuses=(200, 400, 401),
        names=["WWW-Authenticate", "Date", "Retry-After"],
    )
)
def test_an_oauth1_answer_gives_credentials_or_a_provider_error(response: Response) -> None:
    readers: list[Callable[[Response], TemporaryCredentials | TokenCredentials]] = [
        oauth1_answers.read_temporary_credentials,
        oauth1_answers.read_token_credentials,
    ]
    for read in readers:
        found, error = outcome(partial(read, response), ProviderError)
        if error:
            assert error.status == response.status
            assert error.error.replace("_", "").isalpha()
        else:
            assert response.status // 100 == 2
            assert found
            assert found.identifier
    named = oauth1_answers.problem(response)
    assert named is None or 0 < len(named) <= 64
    offset = oauth1_answers.clock_offset(response, now=int(NOW))
    assert offset is None or isinstance(offset, int)


HEADER = 'OAuth realm="a b", oauth_consumer_key="k%20y", oauth_signature="x%3D"'


@given(nearly(HEADER) | st.text(max_size=60))
def test_an_authorization_header_is_read_in_one_way_or_a_value_error(text: str) -> None:
    found, error = outcome(lambda: read_authorization_header(text), ValueError)

    if found is None:
        assert error
        return
    realm, pairs = found
    assert text[:6].lower() == "oauth " or (text.lower() == "oauth" and not pairs)
    assert realm is None or '"' not in realm
    assert len(pairs) <= 100


@given(nearly('a="b", c="d"'))
def test_a_quoted_list_that_is_read_is_the_one_that_was_written(text: str) -> None:
    try:
        pairs = read_quoted_list(text)
    except ValueError:
        return
    again = authorization_header(pairs).removeprefix("OAuth ")
    assert read_quoted_list(again) == pairs


# --- what we ask for


@given(st.lists(nearly("https://api.example/", "urn:a:b") | st.text(max_size=12), max_size=3).map(tuple))
def test_resources_are_absolute_uris_or_a_problem(resources: tuple[str, ...]) -> None:
    if not resource_problems(resources):
        assert len(set(resources)) == len(resources)
        assert all(":" in one and "#" not in one and one.isascii() for one in resources)


@given(nearly('[{"type":"payment","amount":"1.00"}]') | anything.map(json.dumps) | st.text(max_size=20))
@example("[" * 100_000)
@example('[{"type":"a"}], "b": [{"type":"c"}]')
def test_authorization_details_are_a_list_of_typed_objects_or_a_problem(text: str) -> None:
    if text and not details_problems(text):
        found = json.loads(text)
        assert found
        assert all(isinstance(one["type"], str) and one["type"] for one in found)


@pytest.mark.parametrize("text", ["\ud800", '["\\ud800"]'])
def test_half_a_character_in_authorization_details_is_a_problem(text: str) -> None:
    assert details_problems(text)
