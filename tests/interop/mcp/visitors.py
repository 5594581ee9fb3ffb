"""A vault that knows nothing of a server but its URL, and the resource owner who brings its flows to an end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.interop.peers import Browser
from tests.interop.vault.parties import BASE_URL, OWNER, Party

from valetkey.connections.settings import McpSettings, Settings
from valetkey.http import Headers, Request, read_form, read_url, with_query

if TYPE_CHECKING:
    from valetkey.async_vault import AsyncVault
    from valetkey.http import Pairs
    from valetkey.vault import Vault

__all__ = ["OWNER", "Stranger"]


class Stranger(Party):
    """One vault and its resource owner; nothing is configured but that servers on loopback may be connected."""

    def __init__(self, colour: type[Vault | AsyncVault], store_url: str, url: str, base_url: str = BASE_URL) -> None:
        self.url, self.base_url = url, base_url
        settings = Settings({}, base_url, application="Notes", mcp=McpSettings(accept_loopback=True))
        super().__init__(colour, store_url, settings)

    def begin(self, **wanted: Any) -> str:
        going = self.done(self.vault.begin_mcp_authorization(self.url, OWNER, cookies=self.jar, **wanted))
        for cookie in going.set_cookies:
            name, _, text = cookie.partition(";")[0].partition("=")
            self.jar[name] = text
        asked = dict(read_form(going.location.partition("?")[2]))
        self.name = asked["redirect_uri"].rpartition("/")[2]
        return str(going.location)

    def callback(self, pairs: Pairs) -> Request:
        target = with_query(f"{read_url(self.base_url).path}/callback/{self.name}", pairs)
        cookies = "; ".join(f"{name}={text}" for name, text in self.jar.items())
        return Request("GET", target, Headers((("cookie", cookies),)))

    def connect(self, **wanted: Any) -> Any:
        pairs = Browser().visit(self.begin(**wanted))
        self.vault = self.again()
        return self.finish(self.callback(pairs)).connection
