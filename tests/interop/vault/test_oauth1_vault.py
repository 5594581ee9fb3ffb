"""Vault and AsyncVault with Authlib's and oauthlib's OAuth 1.0a servers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.interop.oauth1.peers import CLIENT_KEY, CLIENT_SECRET, AuthlibPeer, OauthlibPeer, serving
from tests.interop.oauth1.test_three_legs import OAUTHLIB_ONLY
from tests.interop.vault.parties import BASE_URL, OWNER, Party
from tests.oauth1.cast import key_pair

from valetkey.effects import PrivateKey
from valetkey.errors import AuthorizationDenied, CallbackError, ProviderError, ReauthorizationRequired
from valetkey.http import FORM, Headers, Request, read_form, read_url, write_form
from valetkey.oauth1.credentials import ClientCredentials, Server
from valetkey.providers.provider import Provider, Rotation
from valetkey.providers.registration import Registration
from valetkey.sandbox.visitor import over_http
from valetkey.secret import Secret
from valetkey.value import replace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from valetkey.async_vault import AsyncVault
    from valetkey.http import Pairs
    from valetkey.oauth1.credentials import SignatureMethod
    from valetkey.vault import Vault

METHODS: tuple[SignatureMethod, ...] = ("HMAC-SHA256", "RSA-SHA1", "PLAINTEXT")


@pytest.fixture(params=[AuthlibPeer, OauthlibPeer], ids=["authlib", "oauthlib"])
def peer(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> AuthlibPeer | OauthlibPeer:
    monkeypatch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")
    return request.param(key_pair()[1])  # type: ignore[no-any-return]


@pytest.fixture
def address(peer: AuthlibPeer | OauthlibPeer) -> Iterator[str]:
    with serving(peer) as url:
        yield url


@pytest.fixture
def party(colour: type[Vault | AsyncVault], store_url: str, address: str) -> Iterator[Party]:
    with Party(colour, store_url, registered(address)) as found:
        yield found


def registered(address: str, method: SignatureMethod = "HMAC-SHA1") -> Registration:
    server = Server(
        f"{address}/initiate", f"{address}/authorize", f"{address}/token", signature_method=method, realm="photos"
    )
    provider = Provider(
        name="peer",
        title="Peer",
        protocol="oauth1",
        server=server,
        api_hosts=("127.0.0.1",),
        rotation=Rotation("none"),
        source="https://www.rfc-editor.org/rfc/rfc5849",
        verified_on="2026-11-22",
        loopback_allowed=True,
    )
    client = ClientCredentials(CLIENT_KEY, Secret(CLIENT_SECRET), PrivateKey(Secret(key_pair()[0])))
    return Registration("peer", provider, client, (), f"{BASE_URL}/callback/peer")


def visit(url: str) -> Pairs:
    """What the resource owner brings back after an approval."""
    location = over_http(Request("GET", url)).headers.get("Location") or ""
    assert location.startswith(f"{BASE_URL}/callback/peer?")
    return read_form(read_url(location).query)


def test_an_account_is_connected_and_called_and_the_provider_verifies(party: Party, address: str) -> None:
    brought = visit(party.begin())
    party.vault = party.again()  # the function has forgotten everything

    finished = party.finish(party.callback(brought))
    party.vault = party.again()

    assert (finished.connection.state, finished.repeated) == ("active", False)
    assert party.get(f"{address}/photos?size=original&q=%E2%98%83").text == "photos"


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_every_signature_method_that_both_have(
    colour: type[Vault | AsyncVault], store_url: str, address: str, method: SignatureMethod
) -> None:
    form = write_form([("naïve", "☃ +&="), ("repeated", "1"), ("repeated", "2")]).encode()
    upload = Request("POST", f"{address}/photos?a=b%20c", Headers((("Content-Type", FORM),)), form)

    with Party(colour, store_url, registered(address, method)) as party:
        party.finish(party.callback(visit(party.begin())))
        signed = party.done(party.vault.sign(upload, registration="peer", resource_owner=OWNER))

        assert over_http(signed).status == 200
        if method.startswith("HMAC"):  # signed is what was sent: another body is refused, even the first time
            signed = party.done(party.vault.sign(upload, registration="peer", resource_owner=OWNER))
            assert over_http(replace(signed, body=form + b"&more=1")).status == 401


@pytest.mark.parametrize("method", OAUTHLIB_ONLY)
@pytest.mark.parametrize("peer", [OauthlibPeer], indirect=True, ids=["oauthlib"])
@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_the_signature_methods_that_only_oauthlib_has(
    colour: type[Vault | AsyncVault], store_url: str, address: str, method: SignatureMethod
) -> None:
    with Party(colour, store_url, registered(address, method)) as party:
        party.finish(party.callback(visit(party.begin())))

        assert party.get(f"{address}/photos?a=b%20c").text == "photos"


@pytest.mark.parametrize("store_url", ["sqlite"], indirect=True)
def test_a_verifier_that_is_typed_in_connects(
    colour: type[Vault | AsyncVault], store_url: str, address: str, peer: AuthlibPeer | OauthlibPeer
) -> None:
    usual = registered(address)
    server: Any = replace(usual.provider.server, verifier_typed=True, callback_out_of_band=True)
    registration = replace(usual, provider=replace(usual.provider, server=server))

    with Party(colour, store_url, registration) as party:
        page = read_url(party.begin())
        state = dict(read_form(page.query))["state"]
        identifier = next(iter(peer.temporary))
        _ = over_http(Request("GET", f"{address}/authorize?oauth_token={identifier}"))  # the provider shows it
        kept = (
            peer.verifiers[identifier]
            if isinstance(peer, OauthlibPeer)
            else peer.temporary[identifier]["oauth_verifier"]
        )
        finished = party.done(
            party.vault.finish_with_verifier(
                "peer", verifier=f" {kept} ", state=state, cookies=party.jar, resource_owner=OWNER
            )
        )

        assert page.path == "/oauth/verifier/peer"
        assert finished.connection.state == "active"
        assert party.get(f"{address}/photos").text == "photos"


def test_a_callback_that_comes_twice_asks_for_token_credentials_once(party: Party, address: str) -> None:
    request = party.callback(visit(party.begin()))

    first, second = party.finish(request), party.finish(request)

    asked = [one for one in party.transport.requests if read_url(one.url).path == "/token"]
    assert (first.repeated, second.repeated) == (False, True)
    assert len(asked) == 1
    assert party.get(f"{address}/photos").status == 200


def test_callbacks_at_the_same_moment_ask_for_token_credentials_once(party: Party, address: str) -> None:
    request = party.callback(visit(party.begin()))

    finished = party.at_once(lambda vault: vault.finish_authorization(request, resource_owner=OWNER), callers=4)

    asked = [one for one in party.transport.requests if read_url(one.url).path == "/token"]
    assert sorted(one.repeated for one in finished) == [False, True, True, True]
    assert len(asked) == 1
    assert party.get(f"{address}/photos").status == 200


def test_another_flows_temporary_credentials_are_refused_before_anything_is_sent(party: Party) -> None:
    mine, other = dict(visit(party.begin())), dict(visit(party.begin()))
    sent = len(party.transport.requests)
    mixed = {**other, "state": mine["state"]}

    with pytest.raises(CallbackError) as caught:
        party.finish(party.callback(tuple(mixed.items())))

    assert caught.value.reason == "temporary_credentials_mismatch"
    assert len(party.transport.requests) == sent


def test_a_verifier_that_was_guessed_connects_nothing(party: Party) -> None:
    brought = {**dict(visit(party.begin())), "oauth_verifier": "0" * 24}

    with pytest.raises(ProviderError):
        party.finish(party.callback(tuple(brought.items())))

    assert party.done(party.vault.connections(OWNER)).connections == ()


def test_a_denial_connects_nothing(party: Party, peer: AuthlibPeer | OauthlibPeer) -> None:
    location = party.begin()
    if isinstance(peer, AuthlibPeer):
        brought = visit(location + "&deny=1")
    else:  # oauthlib leaves it to the application: as Twitter did
        asked = dict(visit(location))
        brought = (("state", asked["state"]), ("denied", asked["oauth_token"]))

    with pytest.raises(AuthorizationDenied):
        party.finish(party.callback(brought))

    assert party.done(party.vault.connections(OWNER)).connections == ()


def test_a_provider_without_a_revocation_endpoint_is_said_to_have_none(party: Party, address: str) -> None:
    party.finish(party.callback(visit(party.begin())))

    report = party.done(party.vault.revoke("peer", OWNER))

    assert report.at_provider == "unsupported"
    with pytest.raises(ReauthorizationRequired):
        party.get(f"{address}/photos")


def test_tokens_that_the_provider_forgot_answer_401_to_the_application(
    party: Party, peer: AuthlibPeer | OauthlibPeer, address: str
) -> None:
    party.finish(party.callback(visit(party.begin())))
    peer.tokens.clear()

    assert party.get(f"{address}/photos").status == 401
