"""Where Azure puts an application's credentials: a storage account's key, or tokens of Entra ID.

    AZURE_STORAGE_KEY, AZURE_STORAGE_CONNECTION_STRING              the account's key
    AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_CLIENT_SECRET           a client secret
    ..., AZURE_FEDERATED_TOKEN_FILE                                 workload identity (Kubernetes, GitHub)
    IDENTITY_ENDPOINT, IDENTITY_HEADER                              App Service, Functions, Container Apps
    (nothing)                                                       a virtual machine's metadata, at 169.254.169.254

They are tried in that order. AZURE_CLIENT_ID also names one of several managed identities; AZURE_AUTHORITY_HOST is
another cloud's Entra. The one rule: the platform's own endpoints are asked at their addresses only. Not here: the Azure
CLI's sign-in and certificates, which are for people's machines.
"""

from __future__ import annotations

from valetkey.clouds.tokens import TokenSource, ask_for_token, read_file
from valetkey.effects import CONFIGURED, PLATFORM
from valetkey.errors import ConfigurationError
from valetkey.http import FORM, Headers, Request, is_loopback, read_url, with_query, write_form
from valetkey.secret import Secret

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from valetkey.clouds.tokens import AccessToken
    from valetkey.effects import WireOp

AUTHORITY = "https://login.microsoftonline.com"
IMDS = "http://169.254.169.254/metadata/identity/oauth2/token"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"  # RFC 7523 section 2.2
TENANT = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-")
ENTRA, IDENTITY = "Entra ID", "the managed identity's endpoint"
WRONG_URL = "is https, loopback, or the platform's own address"
# What `UseDevelopmentStorage=true` stands for ("Use the Azurite emulator"): the same on every machine, and no secret.
DEVELOPMENT = {
    "accountname": "devstoreaccount1",
    "accountkey": "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==",
    "tableendpoint": "http://127.0.0.1:10002/devstoreaccount1",
}


class AzureTokenSource(TokenSource):
    """Tokens of Entra ID for one resource."""

    def __init__(self, environ: Mapping[str, str], *, resource: str) -> None:
        """resource: such as `https://storage.azure.com`; environ: read when a token is asked for."""
        super().__init__()
        self._environ, self._resource = environ, resource

    def _ask(self) -> WireOp[AccessToken]:
        environ = self._environ
        if environ.get("AZURE_CLIENT_SECRET"):
            return (yield from self._from_entra((("client_secret", environ["AZURE_CLIENT_SECRET"]),)))
        path = environ.get("AZURE_FEDERATED_TOKEN_FILE")
        if path:  # read each time: the platform renews it
            assertion = read_file(path, "AZURE_FEDERATED_TOKEN_FILE")
            pairs = (("client_assertion_type", ASSERTION_TYPE), ("client_assertion", assertion))
            return (yield from self._from_entra(pairs))
        if environ.get("IDENTITY_ENDPOINT") and environ.get("IDENTITY_HEADER"):
            return (yield from self._from_app_service())
        return (yield from self._from_virtual_machine())

    def _from_entra(self, proof: tuple[tuple[str, str], ...]) -> WireOp[AccessToken]:
        tenant, client_id = self._environ.get("AZURE_TENANT_ID", ""), self._environ.get("AZURE_CLIENT_ID", "")
        if not client_id or not tenant or not TENANT.issuperset(tenant):
            message = "AZURE_TENANT_ID and AZURE_CLIENT_ID belong to a client secret or a federated token: set both"
            raise ConfigurationError(message)
        authority = self._environ.get("AZURE_AUTHORITY_HOST", "").rstrip("/") or AUTHORITY
        if not _is_safe(authority):
            message = f"AZURE_AUTHORITY_HOST {WRONG_URL}"
            raise ConfigurationError(message)
        pairs = (("grant_type", "client_credentials"), ("client_id", client_id), *proof)
        body = write_form((*pairs, ("scope", f"{self._resource}/.default"))).encode()
        headers = Headers((("Content-Type", FORM), ("Accept", "application/json")))
        request = Request("POST", f"{authority}/{tenant}/oauth2/v2.0/token", headers, body)
        return (yield from ask_for_token(request, CONFIGURED, who=ENTRA, advice="check the client and its secret"))

    def _from_app_service(self) -> WireOp[AccessToken]:
        """Managed identity of App Service, Functions and Container Apps ("REST endpoint reference", 2019-08-01)."""
        endpoint = self._environ["IDENTITY_ENDPOINT"]
        try:
            scheme = read_url(endpoint).scheme
            headers = Headers((("X-IDENTITY-HEADER", self._environ["IDENTITY_HEADER"]), ("Accept", "application/json")))
        except ValueError:
            message = "IDENTITY_ENDPOINT or IDENTITY_HEADER is not what Azure sets: unset both away from Azure"
            raise ConfigurationError(message) from None
        request = Request("GET", self._with_resource(endpoint, "2019-08-01"), headers)
        reach = CONFIGURED if scheme == "https" else PLATFORM  # plain http leads to the platform's addresses only
        return (yield from ask_for_token(request, reach, who=IDENTITY, advice="give the application an identity"))

    def _from_virtual_machine(self) -> WireOp[AccessToken]:
        """Managed identity of a virtual machine ("How to use managed identities to acquire an access token")."""
        host = self._environ.get("AZURE_POD_IDENTITY_AUTHORITY_HOST", "").rstrip("/")
        endpoint = f"{host}/metadata/identity/oauth2/token" if host else IMDS
        request = Request("GET", self._with_resource(endpoint, "2018-02-01"), Headers((("Metadata", "true"),)))
        advice = "set AZURE_STORAGE_KEY, or AZURE_CLIENT_SECRET with its tenant and client, or give it an identity"
        # 404 and 410: the endpoint is being updated ("Error handling": retry)
        return (yield from ask_for_token(request, PLATFORM, who=IDENTITY, advice=advice, passing=(404, 410, 429)))

    def _with_resource(self, endpoint: str, version: str) -> str:
        client_id = self._environ.get("AZURE_CLIENT_ID")
        pairs = (("api-version", version), ("resource", self._resource))
        return with_query(endpoint, (*pairs, *((("client_id", client_id),) if client_id else ())))


def storage_account_key(environ: Mapping[str, str], account: str) -> Secret | None:
    """The key of that storage account, where the environment has it. Raises ConfigurationError for a broken one."""
    key = environ.get("AZURE_STORAGE_KEY", "")
    if environ.get("AZURE_STORAGE_ACCOUNT", account) != account:
        key = ""  # it belongs to another account
    if not key:
        key = _connection_fields(environ, account).get("accountkey", "")
    if not key:
        return None
    from binascii import Error, a2b_base64

    try:
        _ = a2b_base64(key, strict_mode=True)
    except (Error, ValueError):
        message = "the storage account's key is not base64: copy it whole, with the equals signs at its end"
        raise ConfigurationError(message) from None
    return Secret(key)


def storage_table_endpoint(environ: Mapping[str, str], account: str) -> str:
    """Where the connection string says that the account's tables are, as for an emulator; empty where it does not."""
    return _connection_fields(environ, account).get("tableendpoint", "")


def _connection_fields(environ: Mapping[str, str], account: str) -> dict[str, str]:
    """What AZURE_STORAGE_CONNECTION_STRING says, names in lower case; nothing where it is another account's."""
    pairs = (field.partition("=") for field in environ.get("AZURE_STORAGE_CONNECTION_STRING", "").split(";"))
    fields = {name.strip().lower(): content.strip() for name, _, content in pairs}
    if fields.get("usedevelopmentstorage", "").lower() == "true":
        fields = DEVELOPMENT | fields
    return fields if fields.get("accountname") == account else {}


def _is_safe(url: str) -> bool:
    try:
        parts = read_url(url)
    except ValueError:
        return False
    return parts.path == "/" and not parts.query and (parts.scheme == "https" or is_loopback(parts.host))
