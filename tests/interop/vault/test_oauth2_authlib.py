"""Passwords, JWT assertions and a scope that grows, both vaults, with Authlib's authorization server and its API."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from tests.interop.oauth2 import authlib_server
from tests.interop.vault.parties import OWNER, Party

from valetkey.errors import ConfigurationError, ProviderError, ReauthorizationRequired
from valetkey.http import Headers, Request
from valetkey.oauth2.server import AuthorizationServer
from valetkey.oauth2.signed_jwt import authenticate_jwt
from valetkey.providers.provider import Provider, Rotation
from valetkey.providers.registration import register
from valetkey.sandbox.visitor import over_http
from valetkey.secret import Secret
from valetkey.value import replace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from valetkey.async_vault import AsyncVault
    from valetkey.providers.registration import Registration
    from valetkey.vault import Vault

USERNAME, PASSWORD = "alice", "pass wörd+%&="
ITS_END = 900_000  # Authlib's own lifetime of tokens for a password or a client is ten days, for a code as well


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    yield from authlib_server.serve()


@pytest.fixture(scope="module")
def registration(address: str) -> Registration:
    server = AuthorizationServer(
        address,
        f"{address}/authorize",
        f"{address}/token",
        revocation_endpoint=f"{address}/revoke",
        introspection_endpoint=f"{address}/introspect",
        iss_required=True,
        error_aliases=(("invalid_request", "invalid_grant"),),  # what Authlib says of a wrong password
    )
    provider = Provider(
        name="peer",
        title="Peer",
        protocol="oauth2",
        server=server,
        api_hosts=("127.0.0.1",),
        rotation=Rotation("strict"),
        source="https://docs.authlib.org/",
        verified_on="2026-11-28",
        loopback_allowed=True,
    )
    return register(
        "peer",
        provider,
        client_id="vault",
        client_secret=Secret("vault-secret"),
        redirect_uri=authlib_server.VAULTS_REDIRECT_URI,
        scope=("read",),
        accept_password_grant=True,
    )


@pytest.fixture
def party(colour: type[Vault | AsyncVault], store_url: str, registration: Registration) -> Iterator[Party]:
    with Party(colour, store_url, registration) as found:
        yield found


def by_password(party: Party, password: str = PASSWORD) -> object:
    connecting = party.vault.connect_by_password("peer", OWNER, username=USERNAME, password=Secret(password))
    return party.done(connecting)


def by_assertion(party: Party, address: str, *, subject: str = "alice") -> object:
    claims = {"iss": "vault", "sub": subject, "aud": f"{address}/token", "exp": int(time.time()) + 60}
    assertion = Secret(authenticate_jwt(Secret("vault-secret" * 4), header={"alg": "HS256"}, claims=claims))
    return party.done(party.vault.connect_by_assertion("peer", OWNER, assertion=assertion))


def test_a_password_connects_and_the_connection_is_one_like_any_other(party: Party, address: str) -> None:
    by_password(party)
    party.vault = party.again()  # another process, which never saw the password

    assert party.get(f"{address}/api/read").json() == {"scope": "read"}
    first = party.done(party.vault.access_token("peer", OWNER))
    party.later.ahead = ITS_END
    tokens = party.at_once(lambda vault: vault.access_token("peer", OWNER), callers=4)
    assert len({token.reveal() for token in (first, *tokens)}) == 2
    assert (party.transport.sent("password"), party.transport.sent("refresh_token")) == (1, 1)
    found = party.done(party.vault.introspect("peer", OWNER))
    assert (found.active, found.client_id, found.scope) == (True, "vault", ("read",))

    report = party.done(party.vault.revoke("peer", OWNER))

    assert report.at_provider == "revoked"
    assert call(address, tokens[0]) == 401


def call(address: str, token: Secret) -> int:
    """What the API makes of a token that somebody kept."""
    headers = Headers((("Authorization", f"Bearer {token.reveal()}"),))
    return over_http(Request("GET", f"{address}/api/read", headers)).status


def test_a_wrong_password_connects_nobody_and_leaves_what_is_there(party: Party, address: str) -> None:
    with pytest.raises(ProviderError) as caught:
        by_password(party, "canary-wrong")
    assert caught.value.error == "invalid_grant"
    assert party.done(party.vault.connection("peer", OWNER)) is None

    by_password(party)
    with pytest.raises(ProviderError):
        by_password(party, "canary-wrong")

    assert party.get(f"{address}/api/read").status == 200


def test_without_the_opt_in_no_password_is_sent(
    colour: type[Vault | AsyncVault], store_url: str, registration: Registration
) -> None:
    with Party(colour, store_url, replace(registration, accept_password_grant=False)) as party:
        with pytest.raises(ConfigurationError, match="set accept_password_grant"):
            by_password(party)

        assert party.transport.requests == []


def test_an_assertion_connects_until_its_token_ends_and_a_new_one_goes_on(party: Party, address: str) -> None:
    by_assertion(party, address)
    party.vault = party.again()

    assert party.get(f"{address}/api/read").json() == {"scope": "read"}
    token = party.done(party.vault.access_token("peer", OWNER))
    assert party.done(party.vault.introspect("peer", OWNER)).active
    party.later.ahead = ITS_END
    with pytest.raises(ReauthorizationRequired) as caught:
        party.get(f"{address}/api/read")
    assert caught.value.reason == "expired_without_refresh_token"

    by_assertion(party, address)

    assert party.get(f"{address}/api/read").status == 200
    another = party.done(party.vault.access_token("peer", OWNER))
    assert party.done(party.vault.revoke("peer", OWNER)).at_provider == "revoked"
    assert [call(address, one) for one in (token, another)] == [200, 401]
    assert party.transport.sent("refresh_token") == 0


def test_an_assertion_about_somebody_unknown_connects_nobody(party: Party, address: str) -> None:
    with pytest.raises(ProviderError) as caught:
        by_assertion(party, address, subject="mallory")

    assert caught.value.error == "invalid_grant"
    assert party.done(party.vault.connections(OWNER)).connections == ()


def test_an_api_that_does_not_say_which_scope_it_wants_is_left_to_the_application_which_knows(
    party: Party, address: str
) -> None:
    party.connect()
    assert party.get(f"{address}/api/write").status == 403  # Authlib names no scope
    with pytest.raises(ReauthorizationRequired) as caught:
        party.done(party.vault.require("peer", OWNER, scope=("write",)))

    asked, _ = party.consent(caught.value.connect_url)

    assert asked["scope"] == "read write"
    assert party.done(party.vault.require("peer", OWNER, scope=("write",))).scope == ("read", "write")
    assert party.get(f"{address}/api/write").json() == {"scope": "read write"}
