"""A URL whose resource trusts the npm package oidc-provider: open registration, resource indicators, RFC 7592."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from tests.interop.mcp.visitors import OWNER, Stranger
from tests.interop.peers import NodeOidcProvider, run, soon

from valetkey.connections.enrolled_rows import enrolled_key, load_enrolled
from valetkey.connections.unenrol import forget_enrolled
from valetkey.effects import CONFIGURED
from valetkey.errors import ProviderError, ReauthorizationRequired
from valetkey.oauth2.client import Client
from valetkey.oauth2.introspection import introspect_token
from valetkey.oauth2.metadata import authorization_server, fetch_metadata

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from valetkey.async_vault import AsyncVault
    from valetkey.vault import Vault

pytestmark = pytest.mark.node
PRM = "/.well-known/oauth-protected-resource/mcp"


class Resource:
    """A protected resource on this machine that says which issuer it trusts."""

    def __init__(self, issuer: str) -> None:
        resource = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path != PRM:
                    return self._answer(404, {})
                return self._answer(
                    200,
                    {"resource": resource.url, "authorization_servers": [issuer], "scopes_supported": ["api"]},
                )

            def do_POST(self) -> None:
                _ = self.rfile.read(int(self.headers.get("Content-Length", "0")))
                resource.tokens.append(self.headers.get("Authorization", "").removeprefix("Bearer "))
                self._answer(200 if resource.tokens[-1] else 401, {"ok": True})

            def _answer(self, status: int, members: object) -> None:
                body = json.dumps(members).encode()
                self.send_response(status)
                if status == 401:
                    self.send_header(
                        "WWW-Authenticate", f'Bearer resource_metadata="{resource.origin}{PRM}"{resource.wants}'
                    )
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                _ = self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Nothing."""

        self.tokens: list[str] = []
        self.wants = ""
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.origin = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.url = f"{self.origin}/mcp"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()


@pytest.fixture(scope="module")
def resource(node_oidc_provider: NodeOidcProvider) -> Iterator[Resource]:
    found = Resource(node_oidc_provider.issuer)
    yield found
    found.server.shutdown()
    found.server.server_close()


@pytest.fixture
def party(colour: type[Vault | AsyncVault], tmp_path: Path, resource: Resource) -> Iterator[Stranger]:
    with Stranger(colour, f"sqlite://{tmp_path}/connections.db", resource.url) as found:
        yield found


def enrolled(party: Stranger) -> Any:
    row = party.done(party.vault.run(load_enrolled(party.settings, enrolled_key(party.url))))
    assert row is not None
    return row.clients[0]


def about(party: Stranger, provider: NodeOidcProvider, token: Any) -> Any:
    """What the provider says of a token to the client that has it."""
    ours = enrolled(party)
    metadata = run(fetch_metadata(provider.issuer, not_after=soon(), reach=CONFIGURED))
    server = authorization_server(metadata, reach=CONFIGURED)
    server = type(server)(
        server.issuer,
        server.authorization_endpoint,
        server.token_endpoint,
        introspection_endpoint=server.introspection_endpoint,
        token_endpoint_auth_method=ours.method,
    )
    client = Client(ours.client_id, ours.client_secret, "")
    return run(introspect_token(server, client, token=token, not_after=soon()))


def test_its_tokens_are_for_this_resource_before_and_after_a_refresh(
    party: Stranger, resource: Resource, node_oidc_provider: NodeOidcProvider
) -> None:
    connection = party.connect()
    first = party.done(party.vault.access_token(party.url, OWNER))
    assert party.done(party.vault.session(party.url, OWNER).post(party.url, json={})).status == 200
    party.later.ahead += 4000
    party.vault = party.again()
    second = party.done(party.vault.access_token(party.url, OWNER))

    assert connection.scope == ("api",)
    assert resource.tokens[-1] == first.reveal() != second.reveal()
    assert about(party, node_oidc_provider, second).active
    assert party.done(party.vault.revoke(party.url, OWNER)).at_provider == "revoked"
    assert not about(party, node_oidc_provider, second).active


def test_scope_that_the_challenge_did_not_name_can_be_had_later(
    party: Stranger, resource: Resource, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The provider refuses a client the scope that it was not registered for."""
    monkeypatch.setattr(resource, "wants", ', scope="openid"')
    assert party.connect().scope == ()
    first = enrolled(party).client_id

    with pytest.raises(ReauthorizationRequired, match="insufficient_scope") as caught:
        party.done(party.vault.require(party.url, OWNER, scope=("api",)))
    _ = party.consent(caught.value.connect_url)

    assert party.done(party.vault.require(party.url, OWNER, scope=("api",))).scope == ("api",)
    assert enrolled(party).client_id == first


def test_many_who_begin_at_once_register_one_client(party: Stranger) -> None:
    found = party.at_once(lambda vault: vault.begin_mcp_authorization(party.url, OWNER), callers=8)

    assert len({going.location.partition("&redirect_uri")[0] for going in found}) == 1


def test_a_client_that_the_provider_has_lost_is_made_anew(party: Stranger) -> None:
    _ = party.connect()
    first = enrolled(party).client_id

    _ = party.done(party.vault.run(forget_enrolled(party.settings, party.url)))
    _ = party.connect()

    assert enrolled(party).client_id != first


def test_a_redirect_uri_that_the_provider_does_not_take_is_said(
    colour: type[Vault | AsyncVault], tmp_path: Path, resource: Resource
) -> None:
    # a native application at oidc-provider has loopback redirect URIs, and those over https it does not take
    with (
        Stranger(colour, f"sqlite://{tmp_path}/x.db", resource.url, "https://localhost:8443/oauth") as party,
        pytest.raises(ProviderError, match="redirect URI"),
    ):
        _ = party.begin()
