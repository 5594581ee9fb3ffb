"""Connect an MCP server by nothing but its URL (MCP authorization, revision 2026-07-28).

The one rule: it is an authorization like any other once the registration is there; what is special about a URL that
anybody may name stands in `enrol_resource`.
"""

from __future__ import annotations

from valetkey.connections.authorize import begin_at
from valetkey.connections.enrol_resource import enrol_resource

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.connections.authorize import Redirect
    from valetkey.connections.settings import Settings
    from valetkey.effects import Op
    from valetkey.http import Pairs


def begin_mcp_authorization(
    settings: Settings,
    url: str,
    *,
    resource_owner: str,
    cookies: Pairs,
    return_to: str | None = None,
    scope: tuple[str, ...] | None = None,
    account: str = "",
) -> Op[Redirect]:
    """Where to send the resource owner's browser to connect the MCP server of that URL, as `begin_authorization` says.

    Everything that is needed for it is found and registered on the way. Afterwards the URL names the registration in
    every verb, and its tokens go to that URL and below, never elsewhere. scope: None asks for what the server wants.
    Raises what `begin_authorization` raises; RequestRefused: `resource_url_refused`, `resource_refused`; StoreError,
    and RefreshInProgress where another caller is registering.
    """
    at = yield from enrol_resource(settings, url)
    return (
        yield from begin_at(
            settings,
            at,
            resource_owner=resource_owner,
            cookies=cookies,
            return_to=return_to,
            scope=scope,
            account=account,
        )
    )
