"""A provider with tenants in memory: one sandbox for each, on hosts of their own."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from valetkey.connections.cache import TokenCache
from valetkey.errors import TransportError
from valetkey.providers.catalog import read_provider
from valetkey.providers.tenants import Tenants, register_tenants
from valetkey.sandbox import Sandbox, SandboxClient
from valetkey.secret import Secret
from valetkey.testing.world import BASE_URL, World
from valetkey.value import replace

if TYPE_CHECKING:
    from valetkey.effects import Send
    from valetkey.http import Response

TABLE: dict[str, Any] = {
    "name": "desk",
    "title": "Desk",
    "protocol": "oauth2",
    "source": "https://example.com/",
    "verified_on": "2026-11-27",
    "tried": "never",
    "api_hosts": ["{tenant}.desk.example"],
    "scope": ["read"],
    "tenants": {},
    "server": {
        "issuer": "https://{tenant}.desk.example",
        "iss_required": True,
        "authorization_endpoint": "https://{tenant}.desk.example/oauth2/authorize",
        "token_endpoint": "https://{tenant}.desk.example/oauth2/token",
        "revocation_endpoint": "https://{tenant}.desk.example/oauth2/revoke",
    },
    "rotation": {"kind": "strict"},
}
CALLBACK = f"{BASE_URL}/callback/desk"


def tenants_of(*, allowed: tuple[str, ...] = (), rules: dict[str, Any] | None = None, **server: Any) -> Tenants:
    """The registration `desk` of the table, changed like that."""
    table = {**TABLE, "tenants": rules or {}, "server": {**TABLE["server"], **server}}
    given: dict[str, Any] = {"client_id": "desk-client", "client_secret": Secret("desk-secret")}
    return register_tenants("desk", read_provider(table), redirect_uri=CALLBACK, allowed=allowed, **given)


class Tenancy:
    """A world whose network has a sandbox for each tenant. All know the same client, as a global one would be known."""

    def __init__(self, *names: str, shared: bool = False, allowed: tuple[str, ...] = (), **server: Any) -> None:
        self.world = World()
        self.sandboxes = {
            name: Sandbox(
                now=self.world.clock.now,
                random=self.world.clock.random,
                base_url=f"https://{name}.desk.example",
                sleep=self.world.clock.sleep,
                clients=(
                    SandboxClient(
                        "desk-client",
                        Secret("desk-secret"),
                        redirect_uris=(CALLBACK, *(f"{CALLBACK}:{other}" for other in names)),
                    ),
                ),
            )
            for name in names
        }
        self.sent: list[str] = []
        rules = {"shared_redirect_uri": True} if shared else {}
        self.tenants = tenants_of(allowed=allowed, rules=rules, **server)
        self.world.settings = replace(self.world.settings, tenants={"desk": self.tenants}, cache=TokenCache())
        from valetkey.effects import Send as SendEffect

        self.world.ports._performers[SendEffect] = self.send

    def send(self, effect: Send) -> Response:
        """One exchange with the tenant whose host it is."""
        self.sent.append(effect.request.url)
        found = re.fullmatch(r"https://([a-z0-9-]+)\.desk\.example/.*", effect.request.url)
        if found is None or found[1] not in self.sandboxes:
            message = "no such host"
            raise TransportError(message, maybe_received=False)
        return self.sandboxes[found[1]].respond(effect.request)
