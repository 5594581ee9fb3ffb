"""Registrations that name only their issuer, at the npm package oidc-provider, through both vaults.

It registers whoever brings its initial access token, or anybody, lets clients be managed (RFC 7592), and reads client id
metadata documents.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from tests.interop.peers import Browser, NodeOidcProvider, node_oidc_provider
from tests.interop.vault.parties import BASE_URL, OWNER, Pages, Party

from valetkey.cli.commands import valetkey as valetkey_command
from valetkey.connections.doctor import diagnose
from valetkey.connections.enrolled_rows import configured_key, load_enrolled
from valetkey.connections.reenrol import update_enrolled
from valetkey.connections.settings import Settings
from valetkey.connections.unenrol import forget_enrolled
from valetkey.errors import ConfigurationError, ProviderError, ReauthorizationRequired
from valetkey.http import read_form
from valetkey.keys.jwk import make_key
from valetkey.keys.local import generate_key
from valetkey.providers.discovered import discovered_provider
from valetkey.providers.registration import register
from valetkey.secret import Secret
from valetkey.value import replace
from valetkey.vault import Vault

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from valetkey.async_vault import AsyncVault
    from valetkey.providers.registration import Registration

pytestmark = pytest.mark.node
TOKEN = "canary-initial-access-token"
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"


@pytest.fixture(scope="module")
def pages() -> Iterator[Pages]:
    with Pages(Settings({}, BASE_URL, application="Notes")) as served:
        yield served


@pytest.fixture(scope="module")
def guarded(pages: Pages) -> Iterator[NodeOidcProvider]:
    """It wants an initial access token, lets clients be deleted, and reads our documents."""
    yield from node_oidc_provider(INITIAL_ACCESS_TOKEN=TOKEN, PAGES=pages.origin)


def login(issuer: str, **changes: Any) -> Registration:
    wanted = {
        "client_registration": "dynamic",
        "redirect_uri": f"{BASE_URL}/callback/login",
        "scope": ("openid", "offline_access"),
    }
    return register("login", discovered_provider("oidc", issuer=issuer), **wanted | changes)


def party_of(colour: type[Vault | AsyncVault], folder: Path, registration: Registration) -> Party:
    return Party(colour, f"sqlite://{folder}/connections.db", registration)


def client(party: Party) -> Any:
    row = party.done(party.vault.run(load_enrolled(party.settings, configured_key("login"))))
    assert row is not None
    return row.clients[0]


def goes_the_whole_way(party: Party) -> str:
    """From nothing to a revoked grant, in a vault of its own at every step; the client that it was done with."""
    connection = party.connect().connection
    assert (connection.registration, connection.subject) == ("login", "alice")
    first = party.done(party.vault.access_token("login", OWNER))
    found = party.done(party.vault.introspect("login", OWNER))
    assert found.active
    assert party.done(party.vault.userinfo("login", OWNER)).claims["sub"] == "alice"
    party.later.ahead += 4000
    party.vault = party.again()
    second = party.done(party.vault.access_token("login", OWNER))
    assert first != second
    assert party.done(party.vault.revoke("login", OWNER)).at_provider == "revoked"
    assert party.transport.sent("refresh_token") == 1
    return str(found.client_id)


def registrations(party: Party) -> list[Any]:
    """What was sent to the registration endpoint."""
    posted = [one for one in party.transport.requests if one.url.endswith("/reg") and one.method == "POST"]
    return [json.loads(one.body) for one in posted]


def test_an_issuer_that_registers_anybody(
    colour: type[Vault | AsyncVault], tmp_path: Path, node_oidc_provider: NodeOidcProvider
) -> None:
    with party_of(colour, tmp_path, login(node_oidc_provider.issuer)) as party:
        used = goes_the_whole_way(party)

        (asked,) = registrations(party)
        assert asked["grant_types"] == ["authorization_code", "refresh_token"]
        assert used == client(party).client_id


def test_an_issuer_that_wants_an_initial_access_token_and_lets_clients_be_deleted(
    colour: type[Vault | AsyncVault], tmp_path: Path, guarded: NodeOidcProvider
) -> None:
    with party_of(colour, tmp_path, login(guarded.issuer, initial_access_token=Secret(TOKEN))) as party:
        first = goes_the_whole_way(party)
        told = [one.url for one in party.transport.requests if TOKEN in str(one.headers.get("authorization"))]
        assert party.done(party.vault.run(forget_enrolled(party.settings, "login"))) == "deleted"
        with pytest.raises(ReauthorizationRequired):
            _ = party.done(party.vault.introspect("login", OWNER))
        party.later.ahead = 0  # an id_token is of now
        party.vault = party.again()
        _ = party.connect()

        assert told == [f"{guarded.issuer}/reg"]
        assert client(party).client_id != first


def test_an_issuer_that_is_told_of_a_change_keeps_the_client_and_its_connections(
    colour: type[Vault | AsyncVault], tmp_path: Path, guarded: NodeOidcProvider
) -> None:
    old, new = ({"private_key": make_key(), "signature_method": "ES256"} for _ in range(2))
    token = {"initial_access_token": Secret(TOKEN)}
    with party_of(colour, tmp_path, login(guarded.issuer, **token, **old)) as party:
        _ = party.connect()
        changed = login(guarded.issuer, grant_types=("authorization_code", "client_credentials"), **token, **new)
        party.settings = replace(party.settings, registrations={"login": changed})
        party.vault = party.again()
        with pytest.raises(ConfigurationError, match="another private key"):
            _ = party.begin()
        first = client(party).client_id
        for _ in range(2):  # its management token may be another one after each change
            party.done(party.vault.run(update_enrolled(party.settings, "login")))
        party.later.ahead += 4000
        party.vault = party.again()

        assert party.done(party.vault.access_token("login", OWNER))
        assert party.done(party.vault.client_token("login", scope=()))
        assert client(party).client_id == first
        assert len(registrations(party)) == 1
        assert party.done(party.vault.run(forget_enrolled(party.settings, "login"))) == "deleted"


def test_without_its_token_it_says_what_it_wants(
    colour: type[Vault | AsyncVault], tmp_path: Path, guarded: NodeOidcProvider
) -> None:
    with party_of(colour, tmp_path, login(guarded.issuer)) as party:
        with pytest.raises(ProviderError, match="initial access token") as caught:
            _ = party.begin()

        assert caught.value.error in ("invalid_request", "invalid_token")


@pytest.mark.parametrize("method", ["private_key_jwt", "client_secret_basic", "client_secret_jwt", "none"])
def test_each_way_to_prove_who_the_client_is(
    method: str, colour: type[Vault | AsyncVault], tmp_path: Path, node_oidc_provider: NodeOidcProvider
) -> None:
    signs = {"private_key": make_key(), "signature_method": "ES256"} if method == "private_key_jwt" else {}
    known = login(node_oidc_provider.issuer, token_endpoint_auth_method=method, public_client=method == "none", **signs)
    with party_of(colour, tmp_path, known) as party:
        connection = party.connect().connection
        party.later.ahead += 4000
        party.vault = party.again()

        assert party.done(party.vault.access_token("login", OWNER))
        assert connection.subject == "alice"
        assert client(party).method == registrations(party)[0]["token_endpoint_auth_method"] == method


def test_many_who_begin_at_once_register_one_client(
    colour: type[Vault | AsyncVault], tmp_path: Path, node_oidc_provider: NodeOidcProvider
) -> None:
    with party_of(colour, tmp_path, login(node_oidc_provider.issuer)) as party:
        found = party.at_once(lambda vault: vault.begin_authorization("login", OWNER), callers=8)

        assert len({going.location.partition("&redirect_uri")[0] for going in found}) == 1
        assert len(registrations(party)) == 1


def test_an_application_alone_is_registered_for_nothing_else(
    colour: type[Vault | AsyncVault], tmp_path: Path, node_oidc_provider: NodeOidcProvider
) -> None:
    alone = replace(login(node_oidc_provider.issuer, grant_types=("client_credentials",)), scope=())
    with party_of(colour, tmp_path, alone) as party:
        first = party.done(party.vault.client_token("login"))
        party.vault = party.again()

        assert party.done(party.vault.client_token("login")) == first
        (asked,) = registrations(party)
        assert (asked["grant_types"], asked["redirect_uris"], asked["response_types"]) == (
            ["client_credentials"],
            [],
            [],
        )


def test_a_device_without_a_browser_registers_what_it_needs(
    colour: type[Vault | AsyncVault], tmp_path: Path, node_oidc_provider: NodeOidcProvider
) -> None:
    with party_of(colour, tmp_path, login(node_oidc_provider.issuer, grant_types=(DEVICE,))) as party:
        begun = party.done(party.vault.begin_device_authorization("login", OWNER))
        party.later.ahead += begun.interval + 1
        party.vault = party.again()
        step = party.done(party.vault.poll_device_authorization(begun.handle, OWNER))

        assert step.connection is None, "nobody has typed the code in"
        assert step.retry_after > 0
        assert registrations(party)[0]["grant_types"] == [DEVICE, "refresh_token"]


@pytest.mark.parametrize("signs", [False, True], ids=["public", "private_key_jwt"])
def test_a_document_of_ours_is_the_client(
    signs: bool, colour: type[Vault | AsyncVault], tmp_path: Path, guarded: NodeOidcProvider, pages: Pages
) -> None:
    key = {"private_key": make_key(), "signature_method": "ES256"} if signs else {}
    name = f"login-{'key' if signs else 'none'}-{colour.__name__.lower()}"  # what was read is kept
    known = documented(name, guarded.issuer, **key)
    with party_of(colour, tmp_path, known) as party:
        pages.settings = replace(pages.settings, registrations={name: known})
        connection = party.finish(party.callback(Browser().visit(party.begin()))).connection
        party.later.ahead += 4000
        party.vault = party.again()
        token = party.done(party.vault.access_token(name, OWNER))

        assert token
        assert connection.subject == "alice"
        assert registrations(party) == []
        assert party.done(party.vault.revoke(name, OWNER)).at_provider == "revoked"
        sent = [one for one in party.transport.requests if one.url.endswith("/token")]
        assert all((b"client_assertion=" in one.body) == signs for one in sent)


def documented(name: str, issuer: str, **more: Any) -> Registration:
    """A registration whose client is a document."""
    return register(
        name,
        discovered_provider("oidc", issuer=issuer),
        client_registration="document",
        redirect_uri=f"{BASE_URL}/callback/{name}",
        scope=("openid", "offline_access"),
        **more,
    )


def test_the_doctor_finds_nothing_wrong_before_and_after(
    colour: type[Vault | AsyncVault], tmp_path: Path, guarded: NodeOidcProvider
) -> None:
    with party_of(colour, tmp_path, login(guarded.issuer, initial_access_token=Secret(TOKEN))) as party:
        before = party.done(party.vault.run(diagnose(party.settings)))
        _ = party.begin()
        party.vault = party.again()
        after = party.done(party.vault.run(diagnose(party.settings)))

        for diagnosis, what in (
            (before, "no client is registered for it yet"),
            (after, "its client was registered at"),
        ):
            ours = [one for one in diagnosis.findings if one.about == "login"]
            assert any(what in one.what for one in ours)
            assert not [one for one in ours if one.level == "problem"]


def test_an_operator_does_it_all_from_the_environment(
    guarded: NodeOidcProvider, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environ = {
        "VALETKEY_STORE": f"sqlite://{tmp_path}/connections.db",
        "VALETKEY_KEY": generate_key(os.urandom, key_id="k1"),
        "VALETKEY_BASE_URL": BASE_URL,
        "VALETKEY_LOGIN_ISSUER": guarded.issuer,
        "VALETKEY_LOGIN_CLIENT_REGISTRATION": "dynamic",
        "VALETKEY_LOGIN_INITIAL_ACCESS_TOKEN": TOKEN,
    }
    monkeypatch.chdir(tmp_path)
    for name, text in environ.items():
        monkeypatch.setenv(name, text)
    vault = Vault.from_env()
    _ = vault.begin_authorization("login", OWNER)
    vault.close()

    def run(*arguments: str) -> str:
        result = CliRunner().invoke(valetkey_command, ["registrations", *arguments])
        assert result.exit_code == 0, result.output
        assert TOKEN not in result.output
        return result.output

    (listed,) = json.loads(run("list", "--json"))["registrations"]
    monkeypatch.setenv("VALETKEY_BASE_URL", "https://new.example/oauth")
    assert run("update", "login") == "The issuer knows it now.\n"
    vault = Vault.from_env()
    place = vault.begin_authorization("login", OWNER).location
    vault.close()

    asked = dict(read_form(place.partition("?")[2]))
    assert asked["redirect_uri"] == "https://new.example/oauth/callback/login"
    assert asked["client_id"] == listed["client_id"]
    assert json.loads(run("update", "login", "--json")) == {"registration": "login", "at_server": "updated"}
    assert json.loads(run("forget", "login", "--yes", "--json"))["at_server"] == "deleted"
