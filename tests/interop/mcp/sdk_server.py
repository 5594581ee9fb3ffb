"""An MCP server made of the official Python SDK, on a free port of this machine: resource and authorization server.

Streamable HTTP at /mcp with one tool, RFC 9728 metadata, dynamic registration, PKCE, rotation of refresh tokens. Whoever
visits its authorization endpoint consents at once. What is a decision of the SDK's user stands in `Provider`, and no more.
"""

from __future__ import annotations

import secrets
import socket
import threading
import time
import warnings
from typing import TYPE_CHECKING, Any

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of what the SDK imports
    import uvicorn
    from mcp.server.auth.provider import AccessToken, AuthorizationCode, RefreshToken, construct_redirect_uri
    from mcp.server.auth.settings import AuthSettings, ClientRegistrationOptions, RevocationOptions
    from mcp.server.mcpserver import MCPServer
    from mcp.shared.auth import OAuthToken

if TYPE_CHECKING:
    from collections.abc import Iterator

SCOPE = "notes:read"
LIFETIME = 3600


class Provider:
    """The SDK's interface to an authorization server, in memory."""

    def __init__(self) -> None:
        self.clients: dict[str, Any] = {}
        self.codes: dict[str, AuthorizationCode] = {}
        self.access: dict[str, AccessToken] = {}
        self.refresh: dict[str, RefreshToken] = {}
        self.resources: list[str | None] = []
        self.registrations = 0
        self.withholds = False

    async def get_client(self, client_id: str) -> Any:
        return self.clients.get(client_id)

    async def register_client(self, client_info: Any) -> None:
        self.registrations += 1
        self.clients[client_info.client_id] = client_info

    async def authorize(self, client: Any, params: Any) -> str:
        code = secrets.token_urlsafe(16)
        self.resources.append(params.resource)
        self.codes[code] = AuthorizationCode(
            code=code,
            client_id=client.client_id,
            scopes=[] if self.withholds else params.scopes or [SCOPE],
            expires_at=time.time() + 60,
            code_challenge=params.code_challenge,
            redirect_uri=params.redirect_uri,
            redirect_uri_provided_explicitly=params.redirect_uri_provided_explicitly,
            resource=params.resource,
        )
        return construct_redirect_uri(str(params.redirect_uri), code=code, state=params.state)

    async def load_authorization_code(self, _: Any, authorization_code: str) -> AuthorizationCode | None:
        return self.codes.get(authorization_code)

    async def exchange_authorization_code(self, client: Any, authorization_code: AuthorizationCode) -> OAuthToken:
        del self.codes[authorization_code.code]
        return self._issue(client, authorization_code.scopes, authorization_code.resource)

    async def load_refresh_token(self, client: Any, refresh_token: str) -> RefreshToken | None:
        found = self.refresh.get(refresh_token)
        return found if found and found.client_id == client.client_id else None

    async def exchange_refresh_token(self, client: Any, refresh_token: RefreshToken, scopes: list[str]) -> OAuthToken:
        del self.refresh[refresh_token.token]
        return self._issue(client, scopes, refresh_token.resource)

    async def load_access_token(self, token: str) -> AccessToken | None:
        return self.access.get(token)

    async def revoke_token(self, token: AccessToken | RefreshToken) -> None:
        self.access.clear()
        self.refresh.pop(token.token, None)

    def _issue(self, client: Any, scopes: list[str], resource: str | None) -> OAuthToken:
        one, two = secrets.token_urlsafe(16), secrets.token_urlsafe(16)
        about: dict[str, Any] = {"client_id": client.client_id, "scopes": scopes, "resource": resource}
        self.access[one] = AccessToken(token=one, expires_at=int(time.time()) + LIFETIME, **about)
        self.refresh[two] = RefreshToken(token=two, **about)
        return OAuthToken(access_token=one, expires_in=LIFETIME, scope=" ".join(scopes), refresh_token=two)


class SdkServer:
    """The server while it runs."""

    def __init__(self, url: str, provider: Provider) -> None:
        self.url, self.provider = url, provider


def sdk_server() -> Iterator[SdkServer]:
    """Start it, and stop it at the end."""
    listening = socket.create_server(("127.0.0.1", 0))
    base_url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    provider = Provider()
    options = {"enabled": True, "valid_scopes": [SCOPE], "default_scopes": [SCOPE]}
    auth = AuthSettings(
        issuer_url=base_url,  # type: ignore[arg-type]
        resource_server_url=f"{base_url}/mcp",  # type: ignore[arg-type]
        required_scopes=[SCOPE],
        client_registration_options=ClientRegistrationOptions(**options),  # type: ignore[arg-type]
        revocation_options=RevocationOptions(enabled=True),
        validate_token_resource=True,
    )
    server = MCPServer("notes", auth=auth, auth_server_provider=provider)  # type: ignore[arg-type]

    @server.tool()
    def count_notes(folder: str) -> str:
        """How many notes there are."""
        return f"3 notes in {folder}"

    app = server.streamable_http_app(json_response=True, stateless_http=True)
    running = uvicorn.Server(uvicorn.Config(app, log_level="error", ws="none"))
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        yield SdkServer(f"{base_url}/mcp", provider)
    finally:
        running.should_exit = True
        thread.join(10)
        listening.close()
