"""What becomes of a bound connection when its provider answers a refresh with another type of token (RFC 9449)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.oauth2.crypto_peer import SigningPeer
from tests.oauth2.peer import CLIENT, NOW, SERVER, answer

from valetkey.connections.by_oauth2 import authorize, must_prove_again, refresh
from valetkey.connections.connection import Tokens
from valetkey.connections.refresh_commit import verdict_of
from valetkey.errors import ProviderError
from valetkey.http import Headers, Request, Response
from valetkey.keys.jwk import make_key
from valetkey.oauth2.dpop import Nonces
from valetkey.providers.provider import Provider, Rotation
from valetkey.providers.registration import Registration
from valetkey.secret import Secret

if TYPE_CHECKING:
    from valetkey.http import Response as Answer

PROVIDER = Provider(
    name="bank",
    title="Bank",
    protocol="oauth2",
    server=SERVER,
    api_hosts=("api.example",),
    rotation=Rotation("strict"),
    source="https://bank.example",
    verified_on="2026-11-22",
)


def bound() -> tuple[Registration, Tokens]:
    registration = Registration("bank", PROVIDER, CLIENT, (), CLIENT.redirect_uri, nonces=Nonces())
    return registration, Tokens(Secret("a"), Secret("r"), proof_key=make_key().pem)


@pytest.mark.parametrize(
    ("response", "verdict"),
    [
        (answer('{"access_token": "b", "token_type": "Bearer"}'), "unknown"),  # the old refresh token may be spent
        (answer('{"error": "invalid_dpop_proof"}', status=400), "not_processed"),
        (answer('{"error": "invalid_grant"}', status=400), "refused"),
    ],
    ids=["downgrade", "bad proof", "dead"],
)
def test_what_a_failed_refresh_says_of_the_refresh_token(response: Answer, verdict: str) -> None:
    registration, tokens = bound()

    with pytest.raises(ProviderError) as caught:
        SigningPeer(response).run(refresh(registration, tokens, scope=(), not_after=NOW + 9))

    assert verdict_of(caught.value) == verdict


def test_a_refreshed_connection_keeps_its_key() -> None:
    registration, tokens = bound()
    peer = SigningPeer(answer('{"access_token": "b", "token_type": "DPoP", "refresh_token": "r2"}'))

    grant = peer.run(refresh(registration, tokens, scope=(), not_after=NOW + 9))

    assert grant.tokens == Tokens(Secret("b"), Secret("r2"), proof_key=tokens.proof_key)


def test_what_one_connection_learns_of_nonces_brings_another_no_token() -> None:
    """CVE-2026-40155: a cache for nonces gave one user's result to another."""
    registration, mine = bound()
    theirs = Tokens(Secret("t"), proof_key=make_key().pem)
    request = Request("GET", "https://api.example/me")
    fields = (("WWW-Authenticate", 'DPoP error="use_dpop_nonce"'), ("DPoP-Nonce", "n-1"))

    assert must_prove_again(registration, request, Response(401, Headers(fields)))
    signed = [SigningPeer().run(authorize(registration, request, tokens)) for tokens in (mine, theirs)]

    assert [one.headers.get("Authorization") for one in signed] == ["DPoP a", "DPoP t"]
    assert signed[0].headers.get("DPoP") != signed[1].headers.get("DPoP")
