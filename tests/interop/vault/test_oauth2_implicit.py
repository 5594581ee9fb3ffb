"""The implicit grant (OpenID Connect Core 1.0 section 3.2), both vaults, with oidc-provider as the other side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.interop.peers import Browser, NodeOidcProvider, run, soon
from tests.interop.vault.parties import BASE_URL, OWNER, Party
from tests.interop.vault.test_oauth2_proofs import provider_of

from valetkey.errors import AuthorizationDenied, CallbackError, ReauthorizationRequired
from valetkey.http import FORM, Headers, Request, read_form, read_url, write_form
from valetkey.oauth2.introspection import introspect_token
from valetkey.providers.registration import register

if TYPE_CHECKING:
    from collections.abc import Iterator

    from valetkey.async_vault import AsyncVault
    from valetkey.http import Pairs
    from valetkey.providers.registration import Registration
    from valetkey.vault import Vault

pytestmark = pytest.mark.node
REDIRECT_URI = f"{BASE_URL}/callback/peer"
AN_HOUR_AND_MORE = 4000


def registered(peer: NodeOidcProvider) -> Registration:
    """A client that the provider lets ask for tokens, and whose registration takes them."""
    made = peer.register(REDIRECT_URI, grant_types=["implicit"], response_types=["id_token token"])
    return register(
        "peer",
        provider_of(peer),
        client_id=made.client_id,
        client_secret=made.client_secret,
        redirect_uri=REDIRECT_URI,
        scope=("openid",),
        response_type="id_token token",
        accept_implicit_grant=True,
    )


@pytest.fixture(scope="module")
def registration(node_oidc_provider: NodeOidcProvider) -> Registration:
    return registered(node_oidc_provider)


@pytest.fixture
def party(colour: type[Vault | AsyncVault], store_url: str, registration: Registration) -> Iterator[Party]:
    with Party(colour, store_url, registration) as found:
        yield found


def posting(party: Party, pairs: Pairs) -> Request:
    """What our page posts, once it has taken the fragment out of the address."""
    cookies = "; ".join(f"{name}={text}" for name, text in party.jar.items())
    headers = Headers((("cookie", cookies), ("content-type", FORM)))
    target = f"{read_url(BASE_URL).path}/callback/{party.name}"
    return Request("POST", target, headers, write_form((("fragment", write_form(pairs)),)).encode())


def test_tokens_in_a_fragment_are_checked_and_kept_until_they_end(party: Party, registration: Registration) -> None:
    pairs = Browser().visit(party.begin())
    assert {"access_token", "id_token", "token_type", "state"} <= set(dict(pairs))
    party.vault = party.again()

    connection = party.finish(posting(party, pairs)).connection
    token = party.done(party.vault.access_token("peer", OWNER))

    server: Any = registration.provider.server
    client: Any = registration.client
    assert (connection.subject, connection.issuer) == ("alice", server.issuer)
    found = run(introspect_token(server, client, token=token, not_after=soon()))
    assert (found.active, found.client_id) == (True, client.client_id)
    party.later.ahead = AN_HOUR_AND_MORE
    with pytest.raises(ReauthorizationRequired) as caught:
        party.done(party.again().access_token("peer", OWNER))
    assert caught.value.reason == "expired_without_refresh_token"


def test_a_fragment_that_comes_twice_is_one_connection(party: Party) -> None:
    pairs = Browser().visit(party.begin())

    first, second = party.finish(posting(party, pairs)), party.finish(posting(party, pairs))

    assert (first.repeated, second.repeated) == (False, True)
    assert first.connection.generation == second.connection.generation == 1


def test_tokens_of_another_client_are_refused_one_by_one_and_together(
    party: Party, node_oidc_provider: NodeOidcProvider
) -> None:
    other = registered(node_oidc_provider)
    with Party(party.colour, party.store_url, other) as attacker:
        theirs = dict(Browser().visit(attacker.begin()))

    for names, reason in (
        (("access_token",), "at_hash"),
        (("id_token",), "audience"),
        (("access_token", "id_token"),) * 2,
    ):
        ours = dict(Browser().visit(party.begin()))
        forged = ours | {name: theirs[name] for name in names}
        with pytest.raises(CallbackError) as caught:
            party.finish(posting(party, tuple(forged.items())))
        assert caught.value.reason == f"id_token_{reason}" or reason == names
        assert "id_token_" in caught.value.reason
        assert theirs["access_token"] not in str(caught.value)
    assert party.done(party.vault.connection("peer", OWNER)) is None


def test_an_id_token_of_another_flow_is_refused(party: Party) -> None:
    before = dict(Browser().visit(party.begin()))
    now = dict(Browser().visit(party.begin()))
    replayed = now | {name: before[name] for name in ("access_token", "id_token")}

    with pytest.raises(CallbackError) as caught:
        party.finish(posting(party, tuple(replayed.items())))

    assert caught.value.reason == "id_token_nonce"


def test_a_denial_comes_in_the_fragment(party: Party) -> None:
    pairs = Browser().visit(party.begin() + "&login_hint=deny")

    assert dict(pairs)["error"] == "access_denied"
    with pytest.raises(AuthorizationDenied):
        party.finish(posting(party, pairs))
    assert read_form("") == ()
