"""How requests to Azure's Table service are addressed, authorized and understood.

    https://<account>.table.core.windows.net/<table>(PartitionKey='...',RowKey='...')

With the account's key where the environment has it, else with a token of Entra ID. The one rule: whatever writes names
what it expects, since an update without `If-Match` would replace anything. Sending and repeating is in `http_wire`.
"""

from __future__ import annotations

from valetkey.clouds.azure_shared_key import sign_with_shared_key
from valetkey.effects import Now
from valetkey.errors import ConfigurationError
from valetkey.http import Headers, Request, is_loopback, read_url, with_query
from valetkey.stores.http_wire import HttpWire
from valetkey.value import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from valetkey.clouds.azure_credentials import AzureTokenSource
    from valetkey.effects import WireOp
    from valetkey.http import Pairs, Response
    from valetkey.secret import Secret

VERSION = "2019-02-02"
HEADERS = (
    ("Accept", "application/json;odata=minimalmetadata"),
    ("DataServiceVersion", "3.0;NetFx"),
    ("MaxDataServiceVersion", "3.0;NetFx"),
    ("x-ms-version", VERSION),
)
NO_SUCH_TABLE = "TableNotFound"
NO_SUCH_ENTITY = "ResourceNotFound"
ENTITY_EXISTS = "EntityAlreadyExists"
TABLE_EXISTS = "TableAlreadyExists"
CONDITION_FAILED = frozenset({"UpdateConditionNotSatisfied", "ConditionNotMet"})
AGAIN = "Azure failed: try again, and look at Azure's status page if it stays"
ACCOUNT_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789")


class AzureTablesWire(HttpWire):
    """Sends requests to one account's Table service."""

    throttled = frozenset({"TooManyRequests", "TableBeingDeleted"})
    stale = frozenset({"InvalidAuthenticationInfo"})
    advice: Mapping[str, str] = {
        NO_SUCH_TABLE: "there is no such table: name another, or make it with `valetkey store create`",
        "AuthenticationFailed": "Azure refused the signature: check the account's key and this machine's clock",
        "InvalidAuthenticationInfo": "Azure refused the token: check the tenant of the identity",
        "AuthorizationFailure": "access denied: check the account's key and its network rules",
        "AuthorizationPermissionMismatch": "access denied: give the identity `Storage Table Data Contributor`",
        "KeyBasedAuthenticationNotPermitted": "the account refuses its keys: unset AZURE_STORAGE_KEY, use an identity",
        "AuthorizationSourceIPMismatch": "access denied from this address: change the account's network rules",
        "InsufficientAccountPermissions": "access denied: check the account's key, and that the account is not locked",
        "NoAuthenticationInformation": "Azure saw no signature: check what stands between",
        "AccountIsDisabled": "the account is disabled: look at it in the portal",
        "TooManyRequests": "throttled: ask less often, or spread the rows",
        "ServerBusy": "Azure is busy or throttles: spread the load, or use another account",
        "TableBeingDeleted": "the table is being deleted: wait, then make it with `valetkey store create`",
        "InternalError": AGAIN,
        "OperationTimedOut": AGAIN,
    }
    otherwise = "look it up among the error codes of Azure's Table service; check account, table and endpoint"

    def __init__(
        self, description: str, *, account: str, key: Secret | None, tokens: AzureTokenSource, endpoint: str
    ) -> None:
        """key: signs where it is there; tokens: asked where it is not."""
        super().__init__(description)
        if not 3 <= len(account) <= 24 or not ACCOUNT_CHARACTERS.issuperset(account):
            message = "a storage account's name is 3 to 24 of a-z and 0-9: write aztables://account/table"
            raise ConfigurationError(message)
        self._account, self._key, self._tokens = account, key, tokens
        self._base = _endpoint(endpoint, account)

    def request(
        self, method: str, path: str, *, query: Pairs = (), if_match: str = "", content: object = None
    ) -> Request:
        """A request, not yet authorized. if_match: the ETag that must still stand there."""
        headers = HEADERS if not if_match else (*HEADERS, ("If-Match", if_match))
        url = with_query(f"{self._base}/{path}", query)
        if content is None:
            return Request(method, url, Headers(headers))
        from json import dumps

        headers = (*headers, ("Content-Type", "application/json"), ("Prefer", "return-no-content"))
        return Request(method, url, Headers(headers), dumps(content, ensure_ascii=False).encode())

    def authorize(self, request: Request) -> WireOp[Request]:
        """The request with the account's signature, or with a token."""
        now = int((yield from Now()))
        if self._key is not None:
            return sign_with_shared_key(request, account=self._account, key=self._key, now=now)
        token = yield from self._tokens.current()
        headers = request.headers.with_set("Authorization", f"Bearer {token.reveal()}")
        return replace(request, headers=headers)

    def forget(self) -> None:
        """Ask for another token next time."""
        self._tokens.forget()

    def read_error(self, response: Response, content: Any, /) -> str:
        """The code of an OData error."""
        code = response.headers.get("x-ms-error-code")
        if code is None and isinstance(content, dict):
            error = content.get("odata.error")
            code = error.get("code") if isinstance(error, dict) else None
        return code if isinstance(code, str) else ""


def _endpoint(endpoint: str, account: str) -> str:
    if not endpoint:
        return f"https://{account}.table.core.windows.net"
    try:
        url = read_url(endpoint)
    except ValueError as error:
        message = f"the Table service's endpoint: {error}"
        raise ConfigurationError(message) from None
    if url.query or (url.scheme == "http" and not is_loopback(url.host)):
        message = "the Table service's endpoint is https://host (http only on loopback), without a query"
        raise ConfigurationError(message)
    return (url.origin + url.path).rstrip("/")
