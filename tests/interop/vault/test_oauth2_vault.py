"""Vault and AsyncVault with the npm package oidc-provider, which ends the whole grant when a token is used twice."""

from __future__ import annotations

import base64
import shutil
from typing import TYPE_CHECKING

import pytest
from tests.interop.peers import Browser, NodeOidcProvider, run, soon
from tests.interop.vault.parties import BASE_URL, OWNER, Party

from valetkey.effects import CONFIGURED
from valetkey.errors import AuthorizationDenied, CallbackError, ReauthorizationRequired
from valetkey.http import FORM, Headers, Request, read_form
from valetkey.oauth2.client import Client
from valetkey.oauth2.metadata import authorization_server, fetch_metadata
from valetkey.oauth2.server import AuthorizationServer
from valetkey.providers.provider import Provider, Rotation
from valetkey.providers.registration import Registration
from valetkey.sandbox.visitor import over_http
from valetkey.value import replace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from valetkey.async_vault import AsyncVault
    from valetkey.vault import Vault

pytestmark = pytest.mark.node
CALLERS = 16
AN_HOUR_AND_MORE = 4000


@pytest.fixture(scope="module")
def registration(node_oidc_provider: NodeOidcProvider) -> Registration:
    """A client that was registered on the spot, at a provider that described itself."""
    metadata = run(fetch_metadata(node_oidc_provider.issuer, not_after=soon(), reach=CONFIGURED))
    redirect_uri = f"{BASE_URL}/callback/peer"
    provider = Provider(
        name="peer",
        title="Peer",
        protocol="oauth2",
        server=authorization_server(metadata, reach=CONFIGURED),
        api_hosts=("127.0.0.1",),
        rotation=Rotation("strict", reuse_kills_family=True),
        source="https://github.com/panva/node-oidc-provider",
        verified_on="2026-11-22",
        loopback_allowed=True,
    )
    client = node_oidc_provider.register(redirect_uri)
    return Registration("peer", provider, client, ("openid", "api"), redirect_uri)


@pytest.fixture
def party(colour: type[Vault | AsyncVault], store_url: str, registration: Registration) -> Iterator[Party]:
    with Party(colour, store_url, registration) as found:
        yield found


@pytest.fixture
def me(node_oidc_provider: NodeOidcProvider) -> str:
    """A protected resource."""
    return f"{node_oidc_provider.base_url}/me"


def test_an_account_is_connected_with_pkce_and_the_issuer_and_called(party: Party, me: str) -> None:
    location = party.begin()
    asked = dict(read_form(location.partition("?")[2]))
    brought = Browser().visit(location)

    finished = party.finish(party.callback(brought))

    assert (asked["code_challenge_method"], len(asked["code_challenge"])) == ("S256", 43)
    assert dict(brought)["iss"] == me.removesuffix("/me")
    assert (finished.connection.state, finished.repeated) == ("active", False)
    assert party.get(me).json() == {"sub": "alice"}
    assert (finished.connection.issuer, finished.connection.subject) == (me.removesuffix("/me"), "alice")
    assert party.done(party.vault.userinfo("peer", OWNER)).claims == {"sub": "alice"}


def test_the_provider_says_what_the_token_is_good_for_until_it_is_revoked(party: Party, me: str) -> None:
    party.connect()
    found = party.done(party.vault.introspect("peer", OWNER))
    over_http(
        revocation(party, me, party.done(party.vault.access_token("peer", OWNER)).reveal()),
    )

    assert (found.active, found.subject, found.scope) == (True, "alice", ("openid", "api"))
    assert found.expires_at is not None
    assert not party.done(party.vault.introspect("peer", OWNER)).active
    assert party.done(party.vault.connection("peer", OWNER)).state == "active"


def revocation(party: Party, me: str, token: str) -> Request:
    """What the client would send, were it to end its token behind the vault's back."""
    client = party.settings.registration("peer").client
    assert isinstance(client, Client)
    assert client.client_secret is not None
    pair = base64.b64encode(f"{client.client_id}:{client.client_secret.reveal()}".encode()).decode()
    fields = (("Content-Type", FORM), ("Authorization", f"Basic {pair}"))
    return Request("POST", me.replace("/me", "/token/revocation"), Headers(fields), f"token={token}".encode())


def test_a_connection_outlives_the_vault_that_made_it(party: Party, me: str) -> None:
    party.connect()
    party.vault = party.again()

    page = party.done(party.vault.connections(OWNER))

    assert [(one.registration, one.resource_owner) for one in page.connections] == [("peer", OWNER)]
    assert party.get(me).status == 200


def test_sixteen_callers_of_an_expired_token_make_one_refresh_request(party: Party, me: str) -> None:
    party.connect()
    party.later.ahead = AN_HOUR_AND_MORE

    tokens = party.at_once(lambda vault: vault.access_token("peer", OWNER), callers=CALLERS)

    assert len({token.reveal() for token in tokens}) == 1
    assert party.transport.sent("refresh_token") == 1
    assert party.get(me).status == 200


def test_rotation_goes_on_and_on(party: Party, me: str) -> None:
    party.connect()
    tokens = set()

    for round_ in range(1, 4):
        party.later.ahead = AN_HOUR_AND_MORE * round_
        party.vault = party.again()
        tokens.add(party.done(party.vault.access_token("peer", OWNER)).reveal())

    assert len(tokens) == 3
    assert party.transport.sent("refresh_token") == 3
    assert party.get(me).status == 200


def test_a_callback_that_comes_twice_sends_the_code_once_and_the_grant_lives(party: Party, me: str) -> None:
    request = party.callback(Browser().visit(party.begin()))

    first, second = party.finish(request), party.finish(request)

    assert (first.repeated, second.repeated) == (False, True)
    assert party.transport.sent("authorization_code") == 1
    party.later.ahead = AN_HOUR_AND_MORE
    assert party.get(me).status == 200  # refreshed: a replayed code would have ended the grant


def test_callbacks_at_the_same_moment_send_the_code_once(party: Party, me: str) -> None:
    request = party.callback(Browser().visit(party.begin()))

    finished = party.at_once(lambda vault: vault.finish_authorization(request, resource_owner=OWNER), callers=4)

    assert sorted(one.repeated for one in finished) == [False, True, True, True]
    assert party.transport.sent("authorization_code") == 1
    assert party.get(me).status == 200


def test_a_refreshed_id_token_is_of_the_same_account(party: Party, me: str) -> None:
    party.connect()
    party.later.ahead = AN_HOUR_AND_MORE

    party.get(me)

    assert party.done(party.vault.connection("peer", OWNER)).subject == "alice"
    assert party.transport.sent("refresh_token") == 1


def test_an_issuer_alone_is_enough(
    colour: type[Vault | AsyncVault], store_url: str, registration: Registration, me: str
) -> None:
    issuer = me.removesuffix("/me")
    server = AuthorizationServer(issuer, "", "", discovery="oidc")
    provider = replace(registration.provider, server=server)

    with Party(colour, store_url, replace(registration, provider=provider)) as party:
        finished = party.connect()
        answer = party.get(me).json()
        report = party.done(party.vault.revoke("peer", OWNER))

    assert (finished.connection.issuer, finished.connection.subject) == (issuer, "alice")
    assert answer == {"sub": "alice"}
    assert report.at_provider == "revoked"


def test_the_doctor_finds_nothing_wrong_with_this_provider(party: Party) -> None:
    arrived = Request("GET", "/oauth/connections", Headers((("host", "app.example"),)))

    diagnosis = party.done(party.vault.doctor(arrived))

    assert diagnosis.problems == ()
    assert {finding.check for finding in diagnosis.findings if finding.about == "peer"} >= {"redirect_uri"}


def test_a_denial_leaves_the_earlier_connection_alone(party: Party, me: str) -> None:
    before = party.connect().connection
    pairs = Browser().visit(party.begin() + "&login_hint=deny")

    with pytest.raises(AuthorizationDenied):
        party.finish(party.callback(pairs))

    assert party.done(party.vault.connection("peer", OWNER)) == before
    assert party.get(me).status == 200


def test_an_answer_that_names_another_issuer_is_refused_before_the_code_is_sent(party: Party) -> None:
    brought = tuple(
        (name, "https://evil.example" if name == "iss" else text) for name, text in Browser().visit(party.begin())
    )

    with pytest.raises(CallbackError) as caught:
        party.finish(party.callback(brought))

    assert caught.value.reason == "issuer_mismatch"
    assert party.transport.sent("authorization_code") == 0


def test_revoking_ends_what_the_provider_granted(party: Party, me: str) -> None:
    party.connect()
    token = party.done(party.vault.access_token("peer", OWNER)).reveal()

    report = party.done(party.vault.revoke("peer", OWNER))

    assert report.at_provider == "revoked"
    assert over_http(Request("GET", me, Headers((("Authorization", f"Bearer {token}"),)))).status == 401
    assert party.done(party.vault.connections(OWNER)).connections == ()
    with pytest.raises(ReauthorizationRequired):
        party.get(me)


def test_a_restored_backup_asks_the_resource_owner_again(
    colour: type[Vault | AsyncVault], registration: Registration, tmp_path: Path
) -> None:
    with Party(colour, f"sqlite://{tmp_path}/connections.db", registration) as party:
        party.connect()
        shutil.copytree(tmp_path, tmp_path / "backup", ignore=shutil.ignore_patterns("backup"))
        party.later.ahead = AN_HOUR_AND_MORE
        party.done(party.vault.access_token("peer", OWNER))

        restored = party.again(f"sqlite://{tmp_path}/backup/connections.db")
        with pytest.raises(ReauthorizationRequired) as caught:
            party.done(restored.access_token("peer", OWNER))

        assert caught.value.connect_url == f"{BASE_URL}/connect/peer"
        assert party.done(restored.connection("peer", OWNER)).state == "needs_reauthorization"
