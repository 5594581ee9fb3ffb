"""Client credentials and device authorization, both vaults, with the npm package oidc-provider as the other side."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from tests.interop.peers import NodeOidcProvider, run, soon
from tests.interop.vault.parties import BASE_URL, OWNER, Party

from valetkey.effects import CONFIGURED
from valetkey.errors import AuthorizationDenied
from valetkey.http import FORM, Headers, Request, write_form
from valetkey.oauth2.introspection import introspect_token
from valetkey.oauth2.metadata import authorization_server, fetch_metadata
from valetkey.providers.provider import Provider, Rotation
from valetkey.providers.registration import Registration
from valetkey.sandbox.visitor import over_http

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from valetkey.async_vault import AsyncVault
    from valetkey.vault import Vault

pytestmark = pytest.mark.node
DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"


@pytest.fixture(scope="module")
def registration(node_oidc_provider: NodeOidcProvider) -> Registration:
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
    grants = ["authorization_code", "refresh_token", "client_credentials", DEVICE_CODE]
    client = node_oidc_provider.register(redirect_uri, grant_types=grants)
    return Registration("peer", provider, client, ("openid", "api"), redirect_uri)


@pytest.fixture
def party(colour: type[Vault | AsyncVault], store_url: str, registration: Registration) -> Iterator[Party]:
    with Party(colour, store_url, registration) as found:
        yield found


def test_the_client_gets_a_token_of_its_own_once_for_all_and_a_new_one_when_it_ends(
    party: Party, registration: Registration
) -> None:
    first = party.done(party.vault.client_token("peer", scope=("api",)))
    again = party.done(party.again().client_token("peer", scope=("api",)))
    party.later.ahead = 700  # oidc-provider's own lifetime of such tokens is ten minutes
    later = party.done(party.vault.client_token("peer", scope=("api",)))

    assert first == again != later
    assert (party.transport.sent("client_credentials"), party.transport.sent("refresh_token")) == (2, 0)
    server: Any = registration.provider.server
    client: Any = registration.client
    found = run(introspect_token(server, client, token=later, not_after=soon()))
    assert found.active
    assert (found.client_id, found.scope) == (client.client_id, ("api",))


class Person:
    """Types a code in at oidc-provider's own pages, and says yes or no."""

    def __init__(self) -> None:
        self.cookies: dict[str, str] = {}

    def visit(self, method: str, url: str, form: dict[str, str] | None = None) -> str:
        body = write_form(tuple((form or {}).items())).encode()
        for _ in range(10):
            cookie = "; ".join(f"{name}={text}" for name, text in self.cookies.items())
            headers = [("Cookie", cookie)] if cookie else []
            headers += [("Content-Type", FORM)] if form else []
            answer = over_http(Request(method, url, Headers(tuple(headers)), body))
            for line in answer.headers.all("Set-Cookie"):
                name, _, text = line.partition(";")[0].partition("=")
                self.cookies[name] = text
            location = answer.headers.get("Location")
            if location is None:
                return answer.body.decode()
            origin = "/".join(url.split("/")[:3])
            method, url, form, body = "GET", origin + location if location.startswith("/") else location, None, b""
        pytest.fail("redirects without end")

    def decide(self, page: str, user_code: str, answer: str) -> str:
        xsrf = hidden(self.visit("GET", page), "xsrf")
        asked = self.visit("POST", page, {"xsrf": xsrf, "user_code": user_code})
        return self.visit("POST", page, {"xsrf": hidden(asked, "xsrf"), "user_code": user_code, answer: "yes"})


def hidden(page: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]+)"', page)
    assert found is not None, page
    return found.group(1)


def test_a_device_is_connected_by_a_code_that_is_typed_in_elsewhere(
    party: Party, registration: Registration, node_oidc_provider: NodeOidcProvider
) -> None:
    begun = party.done(party.vault.begin_device_authorization("peer", OWNER))
    party.later.ahead = 6
    assert party.done(party.vault.poll_device_authorization(begun.handle, OWNER)).connection is None

    _ = Person().decide(begun.verification_uri, begun.user_code, "confirm")
    party.later.ahead = 12
    connection = party.done(party.again().poll_device_authorization(begun.handle, OWNER)).connection
    token = party.done(party.vault.access_token("peer", OWNER))

    assert connection.state == "active"
    assert (connection.issuer, connection.subject) == (node_oidc_provider.issuer, "alice"), "by its id_token"
    server: Any = registration.provider.server
    client: Any = registration.client
    found = run(introspect_token(server, client, token=token, not_after=soon()))
    assert (found.active, found.subject) == (True, "alice")
    party.later.ahead = 4000
    assert party.done(party.vault.access_token("peer", OWNER)) != token


def test_a_person_who_says_no_denies_it(party: Party) -> None:
    begun = party.done(party.vault.begin_device_authorization("peer", OWNER))
    _ = Person().decide(begun.verification_uri, begun.user_code, "abort")
    party.later.ahead = 6

    with pytest.raises(AuthorizationDenied):
        party.done(party.vault.poll_device_authorization(begun.handle, OWNER))
