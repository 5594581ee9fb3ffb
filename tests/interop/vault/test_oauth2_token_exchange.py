"""Token exchange (RFC 8693), both vaults, with idpyoidc's authorization server as the other side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.interop import peers
from tests.interop.vault.parties import BASE_URL, OWNER, Party
from tests.interop.vault.test_oauth2_proofs import claims_of

from valetkey.connections.settings import Settings
from valetkey.errors import ProviderError
from valetkey.oauth2.server import AuthorizationServer
from valetkey.oauth2.token_exchange import ACCESS_TOKEN
from valetkey.providers.provider import Provider, Rotation
from valetkey.providers.registration import register
from valetkey.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Iterator

    from valetkey.async_vault import AsyncVault
    from valetkey.vault import Vault

BACK = "https://back.example"


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    yield from peers.python_server("idpyoidc_server.py")


@pytest.fixture
def party(colour: type[Vault | AsyncVault], store_url: str, issuer: str) -> Iterator[Party]:
    """The application and the API behind it, as two registrations of one deployment; the first one is connected."""
    server = AuthorizationServer(
        issuer,
        f"{issuer}/authorization",
        f"{issuer}/token",
        revocation_endpoint=f"{issuer}/revocation",
        introspection_endpoint=f"{issuer}/introspection",
        iss_required=True,
    )
    provider = Provider(
        name="peer",
        title="Peer",
        protocol="oauth2",
        server=server,
        api_hosts=("127.0.0.1",),
        rotation=Rotation("none"),
        source="https://idpy-oidc.readthedocs.io/",
        verified_on="2026-11-28",
        loopback_allowed=True,
    )
    known = {
        name: register(
            name,
            provider,
            client_id=name,
            client_secret=Secret(f"{name}-secret"),
            redirect_uri=f"{BASE_URL}/callback/{name}",
            scope=("read", "write", "offline_access"),
        )
        for name in ("front", "back")
    }
    with Party(colour, store_url, Settings(known, BASE_URL)) as found:
        found.name = "front"
        found.connect()
        yield found


def exchanged(party: Party, name: str, token: Secret, **wanted: Any) -> Any:
    return party.done(party.vault.exchange_token(name, **{"subject_token": token, **wanted}))


def subject_of(token: Secret) -> Any:
    return claims_of(token.reveal())[1]["sub"]


def test_a_connections_token_is_traded_for_one_that_is_good_for_less_and_elsewhere(party: Party) -> None:
    token = party.done(party.vault.access_token("front", OWNER))

    found = exchanged(party, "front", token, audience=(BACK,), scope=("read",))

    assert (found.issued_token_type, found.token_type) == (ACCESS_TOKEN, "bearer")
    assert (found.scope, found.refresh_token) == (("read",), None)
    claims = claims_of(found.token.reveal())[1]
    assert (claims["aud"], claims["scope"], claims["client_id"]) == ([BACK], "read", "front")
    assert claims["sub"] == subject_of(token)
    assert [one.registration for one in party.done(party.vault.connections(OWNER)).connections] == ["front"]
    assert party.done(party.vault.access_token("front", OWNER)) == token, "the connection is as it was"


def test_the_api_behind_goes_on_with_what_it_was_given(party: Party) -> None:
    given = exchanged(party, "front", party.done(party.vault.access_token("front", OWNER)), scope=("read", "write"))

    found = exchanged(party, "back", given.token, scope=("read",), requested_token_type=ACCESS_TOKEN)

    claims = claims_of(found.token.reveal())[1]
    assert (claims["client_id"], claims["scope"], claims["sub"]) == ("back", "read", subject_of(given.token))


@pytest.mark.parametrize(
    ("wanted", "error"),
    [
        ({"audience": ("https://elsewhere.example",)}, "invalid_target"),
        ({"subject_token": Secret("canary-nobodys")}, "invalid_request"),
        ({"requested_token_type": "urn:ietf:params:oauth:token-type:saml2"}, "invalid_request"),
    ],
)
def test_what_the_server_does_not_trade_is_told_by_its_own_word(
    party: Party, wanted: dict[str, Any], error: str
) -> None:
    with pytest.raises(ProviderError) as caught:
        exchanged(party, "front", party.done(party.vault.access_token("front", OWNER)), **wanted)

    assert caught.value.error == error
    assert "canary" not in str(caught.value)


def test_a_token_that_was_refreshed_is_traded(party: Party) -> None:
    party.later.ahead = 700
    token = party.done(party.vault.access_token("front", OWNER))

    assert exchanged(party, "front", token).issued_token_type == ACCESS_TOKEN
    assert party.transport.sent("refresh_token") == 1


def test_one_that_was_revoked_is_not(party: Party) -> None:
    party.connect(scope=("read",))  # without a refresh token, whose end would be all that this server makes of it
    token = party.done(party.vault.access_token("front", OWNER))
    assert party.done(party.vault.introspect("front", OWNER)).active
    assert party.done(party.vault.revoke("front", OWNER)).at_provider == "revoked"

    with pytest.raises(ProviderError) as caught:
        exchanged(party, "front", token)
    assert caught.value.error == "invalid_request"
