"""What the operator says of MCP servers that are connected by their URL.

The one rule: nothing here is needed to connect one from a program; what opens more than that is said out loud.
"""

from __future__ import annotations

from valetkey.connections.settings import McpSettings
from valetkey.http import is_loopback, read_url
from valetkey.providers.schema import url_problem
from valetkey.secret import Secret

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.config.sources import Sources


def read_mcp(sources: Sources, *, base_url: str) -> McpSettings:
    """The settings; problems go into the sources."""
    accept_loopback = sources.flag("mcp_accept_loopback", "")
    if accept_loopback and base_url and not is_loopback(read_url(base_url).host):
        why = f"it is for development: {sources.label('base_url')} is not on loopback, so others could use it"
        sources.problem("mcp_accept_loopback", why)
    return McpSettings(
        page=sources.flag("mcp_page", ""),
        accept_loopback=accept_loopback,
        client_documents=not sources.has("mcp_client_documents") or sources.flag("mcp_client_documents", ""),
        initial_access_tokens=_tokens(sources),
    )


def _tokens(sources: Sources) -> tuple[tuple[str, Secret], ...]:
    """The tokens by issuer, written as `https://as.example=token`."""
    found = []
    for text in sources.texts("initial_access_tokens"):
        issuer, equals, token = text.partition("=")
        if not equals or not token or url_problem(issuer, loopback_allowed=True):
            sources.problem("initial_access_tokens", "each is written as https://issuer.example=token")
        else:
            found.append((issuer, Secret(token)))
    return tuple(found)
