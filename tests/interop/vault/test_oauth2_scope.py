"""More scope when it is needed, and connect links: both vaults and our pages, with oidc-provider as the other side.

Its userinfo endpoint is an API: it wants `openid`, and says so (RFC 6750 section 3.1). So does one of express-oauth2-jwt-bearer,
which is elsewhere and takes tokens that are for it alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.interop.peers import run, running, soon
from tests.interop.vault.parties import BASE_URL, OWNER, Party
from tests.interop.vault.test_oauth2_proofs import registered
from tests.interop.vault.test_own_clients import CLIENTS

from valetkey.errors import ReauthorizationRequired, RequestRefused
from valetkey.http import Request
from valetkey.oauth2.introspection import introspect_token
from valetkey.secret import Secret
from valetkey.value import replace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.interop.peers import NodeOidcProvider

    from valetkey.async_vault import AsyncVault
    from valetkey.providers.registration import Registration
    from valetkey.vault import Vault

pytestmark = pytest.mark.node
DONE = "https://app.example/done"


@pytest.fixture(scope="module", params=[False, True], ids=["bearer", "bound"])
def registration(node_oidc_provider: NodeOidcProvider, request: pytest.FixtureRequest) -> Registration:
    """A client whose tokens are anybody's, or bound to a key (RFC 9449), and whose scope is not enough."""
    bound = {"dpop_bound_access_tokens": request.param}
    return replace(registered(node_oidc_provider, client=bound, **bound), scope=("api",))


@pytest.fixture
def party(colour: type[Vault | AsyncVault], store_url: str, registration: Registration) -> Iterator[Party]:
    with Party(colour, store_url, registration) as found:
        yield found


@pytest.fixture
def me(node_oidc_provider: NodeOidcProvider) -> str:
    return f"{node_oidc_provider.base_url}/me"


def grown(party: Party, url: str) -> Any:
    """The connection after its resource owner went there and agreed."""
    asked, landed = party.consent(url)
    assert asked["scope"].split() == ["api", "openid"]
    assert landed == f"{BASE_URL}/connections?connected=peer"
    return party.done(party.vault.connection("peer", OWNER))


def test_what_the_application_requires_is_asked_for_together_with_what_is_there(party: Party, me: str) -> None:
    before = party.connect().connection
    with pytest.raises(ReauthorizationRequired) as caught:
        party.done(party.vault.require("peer", OWNER, scope=("openid",)))

    after = grown(party, caught.value.connect_url)

    assert (before.scope, caught.value.reason) == (("api",), "insufficient_scope")
    assert set(after.scope) == {"api", "openid"}
    assert party.done(party.vault.require("peer", OWNER, scope=("openid", "api"))) == after
    assert party.get(me).json() == {"sub": "alice"}
    found = party.done(party.vault.introspect("peer", OWNER))
    assert set(found.scope) == {"api", "openid"}, "by the provider's own word"


def test_a_403_leads_to_the_same_and_the_request_then_goes_well_before_and_after_a_refresh(
    party: Party, me: str
) -> None:
    party.connect()
    with pytest.raises(ReauthorizationRequired) as caught:
        party.get(me)

    after = grown(party, caught.value.connect_url)

    assert set(after.scope) == {"api", "openid"}
    assert party.get(me).json() == {"sub": "alice"}
    party.later.ahead = 4000
    assert party.get(me).json() == {"sub": "alice"}
    assert party.transport.sent("refresh_token") == 1


@pytest.mark.parametrize(("colour", "call"), CLIENTS)
def test_in_everybodys_own_client_too(
    registration: Registration,
    me: str,
    tmp_path: Path,
    colour: type[Vault | AsyncVault],
    call: Callable[..., Any],
) -> None:
    with Party(colour, f"sqlite://{tmp_path}/c.db", registration) as party:
        party.connect()
        with pytest.raises(ReauthorizationRequired) as caught:
            party.done(call(party.vault, me))

        grown(party, caught.value.connect_url)

        assert party.done(call(party.vault, me)) == (200, '{"sub":"alice"}')


@pytest.fixture(scope="module")
def notes(node_oidc_provider: NodeOidcProvider) -> Iterator[str]:
    """An API that reads and writes."""
    for told in running("notes_api.mjs", node_oidc_provider.issuer):
        yield told["url"]


def test_a_resource_server_that_is_not_the_issuers_own_is_written_to_once_that_was_consented_to(
    colour: type[Vault | AsyncVault], store_url: str, node_oidc_provider: NodeOidcProvider, notes: str
) -> None:
    reading = replace(registered(node_oidc_provider, resources=(notes,)), scope=("notes:read",))

    with Party(colour, store_url, reading) as party:
        party.connect()
        assert party.get(notes).json() == {"whose": "alice"}
        with pytest.raises(ReauthorizationRequired) as caught:
            party.done(party.vault.session("peer", OWNER).post(notes, json={}))

        asked, _ = party.consent(caught.value.connect_url)

        assert (asked["scope"], asked["resource"]) == ("notes:read notes:write", notes)
        assert party.done(party.vault.session("peer", OWNER).post(notes, json={})).json() == {"by": "alice"}
        party.later.ahead = 4000
        assert party.done(party.vault.session("peer", OWNER).post(notes, json={})).status == 201, "after a refresh"
        found = party.done(party.vault.connection("peer", OWNER))
        assert (found.scope, party.transport.sent("refresh_token")) == (("notes:read", "notes:write"), 1)


def test_a_link_connects_its_resource_owner_and_nobody_else_and_what_is_forgotten_lives_on_at_the_provider(
    party: Party, registration: Registration, me: str
) -> None:
    party.settings = replace(party.settings, completion_url=DONE)
    party.vault = party.again()
    link = party.done(party.vault.connect_url("peer", OWNER, account="work"))
    assert link.startswith(f"{BASE_URL}/link/")

    _, landed = party.consent(link, owner=None)  # whoever holds the browser: its application is asked who that is
    url, _, handle = landed.partition("?handle=")
    with pytest.raises(RequestRefused) as caught:
        party.done(party.vault.complete_authorization(handle, "somebody-else"))
    assert (url, caught.value.reason) == (DONE, "user_changed")
    assert party.transport.sent("authorization_code") == 0
    connection = party.done(party.vault.complete_authorization(handle, OWNER))

    assert (connection.state, connection.account, connection.resource_owner) == ("active", "work", OWNER)
    assert party.done(party.again().complete_authorization(handle, OWNER)) == connection  # a reload
    assert party.transport.sent("authorization_code") == 1
    signing = party.vault.sign(Request("GET", me), registration="peer", resource_owner=OWNER, account="work")
    token = Secret((party.done(signing).headers.get("Authorization") or "").partition(" ")[2])
    party.done(party.vault.forget("peer", OWNER, "work"))
    assert party.done(party.vault.connection("peer", OWNER, "work")) is None
    with pytest.raises(ReauthorizationRequired):
        party.done(party.vault.access_token("peer", OWNER, "work"))
    server: Any = registration.provider.server
    client: Any = registration.client
    assert run(introspect_token(server, client, token=token, not_after=soon())).active
