"""The page where a resource owner connects a server by its URL, with the URL filled in.

The one rule: a URL may hold a key, so it stands sealed in the page's address, for a day and for one resource owner:
whoever else finds the address, in a log, sees nothing of it.
"""

from __future__ import annotations

from valetkey.connections.codec import partition_of
from valetkey.connections.seal import open_given, server_place
from valetkey.effects import Now, Seal
from valetkey.errors import RequestRefused, StoreError
from valetkey.http import with_query

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.connections.settings import Settings
    from valetkey.effects import Op

SERVER_SECONDS = 86_400
MAX_SERVER = 2_048
MAX_ADDRESS = 500


def server_page(settings: Settings, url: str, *, owner: str) -> Op[str]:
    """Where a resource owner may connect the server of that URL; empty where there is no such page.

    Without the URL where nobody is named, where it is none that can be connected (longer, or not ASCII), and where
    nothing can be sealed now.
    """
    import json

    if not settings.base_url or not settings.mcp.page:
        return ""
    page = f"{settings.base_url}/mcp"
    if not owner or len(url) > MAX_ADDRESS or not (url.isascii() and url.isprintable()):
        return page
    content = json.dumps([int((yield from Now())), url], separators=(",", ":"))
    try:
        sealed = yield from Seal(server_place(settings.environment, partition_of(owner)), content.encode())
    except StoreError:
        return page
    return with_query(page, (("server", sealed.decode()),))


def read_server_page(settings: Settings, text: str, *, owner: str) -> Op[str]:
    """The URL in such an address, for the one it was made for.

    Raises RequestRefused: `link_invalid` (404), `link_expired` (410).
    """
    import json

    invalid = RequestRefused("link_invalid", "this link is not complete, or somebody else's", status=404)
    if len(text) > MAX_SERVER:
        raise invalid
    plaintext = yield from open_given(server_place(settings.environment, partition_of(owner)), text)
    if plaintext is None:
        raise invalid
    issued_at, url = json.loads(plaintext)
    if (yield from Now()) - issued_at > SERVER_SECONDS:
        raise RequestRefused("link_expired", "this link was made too long ago: go back to the application", status=410)
    return str(url)
