"""django-oauth-toolkit, both vaults: passwords and codes, and refresh tokens that it takes a while longer than once."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.interop import peers
from tests.interop.vault.parties import BASE_URL, OWNER, Party

from valetkey.errors import ProviderError, ReauthorizationRequired, TransportError
from valetkey.http import Headers, Request
from valetkey.oauth2.server import AuthorizationServer
from valetkey.providers.provider import Provider, Rotation
from valetkey.providers.registration import register
from valetkey.sandbox.visitor import over_http
from valetkey.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Iterator

    from valetkey.async_vault import AsyncVault
    from valetkey.providers.registration import Registration
    from valetkey.vault import Vault

PASSWORD = "pass wörd+%&="
ITS_END = 700
GRACE_SECONDS = 600


@pytest.fixture(scope="module")
def gracious() -> Iterator[str]:
    """One that takes a replaced refresh token for ten minutes more."""
    yield from peers.python_server("django_server.py", str(GRACE_SECONDS))


@pytest.fixture(scope="module")
def strict() -> Iterator[str]:
    """One that ends the grant when a replaced refresh token comes again."""
    yield from peers.python_server("django_server.py", "0")


def registered(address: str, rotation: Rotation, *, name: str = "web", **more: Any) -> Registration:
    server = AuthorizationServer(
        "",
        f"{address}/o/authorize/",
        f"{address}/o/token/",
        revocation_endpoint=f"{address}/o/revoke_token/",
        introspection_endpoint=f"{address}/o/introspect/",
    )
    provider = Provider(
        name="peer",
        title="Peer",
        protocol="oauth2",
        server=server,
        api_hosts=("127.0.0.1",),
        rotation=rotation,
        source="https://django-oauth-toolkit.readthedocs.io/",
        verified_on="2026-11-28",
        loopback_allowed=True,
    )
    return register(
        name,
        provider,
        client_id=name,
        client_secret=Secret(f"{name}-secret"),
        redirect_uri=f"{BASE_URL}/callback/{name}",
        scope=("read",),
        **more,
    )


def tokens_answered(address: str) -> int:
    """How many token requests it says went well."""
    return int(json.loads(over_http(Request("GET", f"{address}/tokens")).body)["tokens"])


WINDOW = Rotation("window", window_seconds=GRACE_SECONDS)


def test_an_account_is_connected_called_refreshed_by_one_of_many_and_revoked(
    colour: type[Vault | AsyncVault], store_url: str, gracious: str
) -> None:
    with Party(colour, store_url, registered(gracious, WINDOW)) as party:
        party.connect()
        assert party.get(f"{gracious}/api/read").json() == {"whose": "alice"}
        assert party.get(f"{gracious}/api/write").status == 403
        party.later.ahead = ITS_END
        tokens = party.at_once(lambda vault: vault.access_token("web", OWNER), callers=8)

        assert len({token.reveal() for token in tokens}) == party.transport.sent("refresh_token") == 1
        found = party.done(party.vault.introspect("web", OWNER))
        assert (found.active, found.username, found.client_id, found.scope) == (True, "alice", "web", ("read",))
        assert party.done(party.vault.revoke("web", OWNER)).at_provider == "revoked"
        headers = Headers((("Authorization", f"Bearer {tokens[0].reveal()}"),))
        assert over_http(Request("GET", f"{gracious}/api/read", headers)).status == 403, "its word for a dead token"


def test_a_password_connects_refreshes_and_is_told_from_a_wrong_one(
    colour: type[Vault | AsyncVault], store_url: str, gracious: str
) -> None:
    old = registered(gracious, WINDOW, name="old", accept_password_grant=True)

    def connect(party: Party, password: str) -> Any:
        return party.done(party.vault.connect_by_password("old", OWNER, username="alice", password=Secret(password)))

    with Party(colour, store_url, old) as party:
        with pytest.raises(ProviderError) as caught:
            connect(party, "canary-wrong")
        assert (caught.value.error, "canary" in str(caught.value)) == ("invalid_grant", False)

        assert connect(party, PASSWORD).scope == ("read",)
        party.later.ahead = ITS_END
        assert party.get(f"{gracious}/api/read").json() == {"whose": "alice"}
        assert (party.transport.sent("password"), party.transport.sent("refresh_token")) == (2, 1)


@pytest.mark.parametrize("rotation", [WINDOW, Rotation("unknown")], ids=["window", "unknown"])
def test_an_answer_that_was_lost_is_had_again_with_the_same_refresh_token_and_the_grant_goes_on(
    colour: type[Vault | AsyncVault], store_url: str, gracious: str, rotation: Rotation
) -> None:
    with Party(colour, store_url, registered(gracious, rotation)) as party:
        party.connect()
        answered = tokens_answered(gracious)
        party.later.ahead = ITS_END
        party.transport.losing = 1
        with pytest.raises(TransportError):
            party.done(party.vault.access_token("web", OWNER))
        assert tokens_answered(gracious) == answered + 1, "the provider has replaced the refresh token"
        assert party.done(party.vault.connection("web", OWNER)).state == "in_doubt"

        party.later.ahead += 60  # the cool-down is over
        assert party.done(party.again().session("web", OWNER).get(f"{gracious}/api/read")).status == 200

        assert party.done(party.vault.connection("web", OWNER)).state == "active"
        party.later.ahead += ITS_END
        assert party.get(f"{gracious}/api/read").status == 200, "with the refresh token that came the second time"
        assert party.transport.sent("refresh_token") == 3


def test_with_a_strict_server_it_is_the_resource_owner_who_goes_on(
    colour: type[Vault | AsyncVault], store_url: str, strict: str
) -> None:
    rotation = Rotation("strict", reuse_kills_family=True)

    with Party(colour, store_url, registered(strict, rotation)) as party:
        party.connect()
        party.later.ahead = ITS_END
        party.transport.losing = 1
        with pytest.raises(TransportError):
            party.done(party.vault.access_token("web", OWNER))

        party.later.ahead += 60
        with pytest.raises(ReauthorizationRequired) as caught:
            party.done(party.again().access_token("web", OWNER))
        party.consent(caught.value.connect_url)

        assert caught.value.reason == "invalid_grant"
        assert party.get(f"{strict}/api/read").json() == {"whose": "alice"}
        party.later.ahead += ITS_END
        assert party.get(f"{strict}/api/read").status == 200
