"""Where Google puts an application's credentials: a file with a service account or a person's consent, or the metadata.

    GOOGLE_APPLICATION_CREDENTIALS      a file: service_account or authorized_user
    CLOUDSDK_CONFIG or HOME             gcloud's application_default_credentials.json, where it is there
    (nothing)                           the metadata server of Cloud Run, Functions and Compute Engine

That is the order of "application default credentials". The one rule: the metadata server is asked at its fixed address,
169.254.169.254, which is what metadata.google.internal means; GCE_METADATA_HOST may name it, or one on loopback.
Not here: external accounts (workload identity federation) and impersonation.
"""

from __future__ import annotations

from valetkey.clouds.service import read_json
from valetkey.clouds.tokens import MAX_FILE_OCTETS, TokenSource, ask_for_token, read_file
from valetkey.effects import CONFIGURED, PLATFORM, Now, PrivateKey, Sign
from valetkey.errors import ConfigurationError
from valetkey.http import FORM, Headers, Request, base64url, is_loopback, read_url, with_query, write_form
from valetkey.secret import Secret

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from valetkey.clouds.tokens import AccessToken
    from valetkey.effects import WireOp

METADATA = "169.254.169.254"
METADATA_NAMES = ("metadata.google.internal", "metadata", METADATA)
TOKEN_PATH = "/computeMetadata/v1/instance/service-accounts/default/token"  # noqa: S105 - a path
TOKEN_URI = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"  # RFC 7523 section 2.1
ASSERTION_SECONDS = 3600
VARIABLE = "GOOGLE_APPLICATION_CREDENTIALS"
WELL_KNOWN = "application_default_credentials.json"
ADVICE = "give the service an account, or name a service account's file in GOOGLE_APPLICATION_CREDENTIALS"


class GoogleTokenSource(TokenSource):
    """Access tokens for Google's APIs."""

    def __init__(self, environ: Mapping[str, str], *, scope: tuple[str, ...]) -> None:
        """scope: such as `https://www.googleapis.com/auth/datastore`; environ: read when a token is asked for."""
        super().__init__()
        self._environ, self._scope = environ, scope

    def _ask(self) -> WireOp[AccessToken]:
        found = self._file()
        if found is None:
            return (yield from self._from_metadata())
        kind = found.get("type")
        if kind == "service_account":
            return (yield from self._from_service_account(found))
        if kind == "authorized_user":
            return (yield from self._from_consent(found))
        message = f"{VARIABLE} names credentials of another kind: use a service account's or gcloud's own"
        raise ConfigurationError(message)

    def _file(self) -> dict[str, str] | None:
        """What the credentials' file says, texts only; None where there is no file."""
        path = self._environ.get(VARIABLE)
        text = read_file(path, VARIABLE) if path else self._well_known_file()
        if not text:
            return None
        found = read_json(text)
        if not isinstance(found, dict):
            message = f"{VARIABLE} names a file that is not a JSON object"
            raise ConfigurationError(message)
        return {name: content for name, content in found.items() if isinstance(content, str)}

    def _well_known_file(self) -> str:
        folder = self._environ.get("CLOUDSDK_CONFIG") or self._environ.get("HOME", "") + "/.config/gcloud"
        try:
            with open(f"{folder}/{WELL_KNOWN}", encoding="utf-8") as file:  # noqa: PTH123 - pathlib costs a cold start
                return file.read(MAX_FILE_OCTETS)
        except (OSError, UnicodeDecodeError, ValueError):
            return ""

    def _from_service_account(self, found: Mapping[str, str]) -> WireOp[AccessToken]:
        """A signed JWT for a token (RFC 7523; "Using OAuth 2.0 for Server to Server Applications")."""
        email, pem = _required(found, "client_email"), _required(found, "private_key")
        endpoint, now = _token_uri(found), int((yield from Now()))
        header = {"alg": "RS256", "typ": "JWT"} | _key_id(found)
        claims = {"iss": email, "scope": " ".join(self._scope), "aud": endpoint}
        signed = f"{_part(header)}.{_part({**claims, 'iat': now, 'exp': now + ASSERTION_SECONDS})}"
        signature = yield from Sign(PrivateKey(Secret(pem)), "RS256", signed.encode())
        pairs = (("grant_type", JWT_BEARER), ("assertion", f"{signed}.{base64url(signature)}"))
        advice = "check that the service account and its key still exist, and this machine's clock"
        return (yield from ask_for_token(_form(endpoint, pairs), CONFIGURED, who="Google", advice=advice))

    def _from_consent(self, found: Mapping[str, str]) -> WireOp[AccessToken]:
        """A person's refresh token for a token (RFC 6749 section 6)."""
        names = ("client_id", "client_secret", "refresh_token")
        pairs = (("grant_type", "refresh_token"), *((name, _required(found, name)) for name in names))
        advice = "sign in again with `gcloud auth application-default login`"
        return (yield from ask_for_token(_form(_token_uri(found), pairs), CONFIGURED, who="Google", advice=advice))

    def _from_metadata(self) -> WireOp[AccessToken]:
        """The service's own account ("Get an access token from the metadata server")."""
        url = with_query(f"http://{self._metadata_host()}{TOKEN_PATH}", (("scopes", ",".join(self._scope)),))
        request = Request("GET", url, Headers((("Metadata-Flavor", "Google"),)))
        return (yield from ask_for_token(request, PLATFORM, who="the metadata server", advice=ADVICE))

    def _metadata_host(self) -> str:
        host = self._environ.get("GCE_METADATA_HOST", METADATA)
        if host in METADATA_NAMES:
            return METADATA  # no name is resolved: whoever answers DNS must not be asked for credentials
        try:
            good = is_loopback(read_url(f"http://{host}").host) and "/" not in host
        except ValueError:
            good = False
        if not good:
            message = "GCE_METADATA_HOST is metadata.google.internal, 169.254.169.254 or a host on loopback"
            raise ConfigurationError(message)
        return host


def _required(found: Mapping[str, str], name: str) -> str:
    if not found.get(name):
        message = f"{VARIABLE} names a file without {name}: download it again"
        raise ConfigurationError(message)
    return found[name]


def _key_id(found: Mapping[str, str]) -> dict[str, str]:
    return {"kid": found["private_key_id"]} if "private_key_id" in found else {}


def _token_uri(found: Mapping[str, str]) -> str:
    endpoint = found.get("token_uri", TOKEN_URI)
    try:
        url = read_url(endpoint)
        good = url.scheme == "https" or is_loopback(url.host)
    except ValueError:
        good = False
    if not good:
        message = f"{VARIABLE} names a file whose token_uri is not https"
        raise ConfigurationError(message)
    return endpoint


def _form(endpoint: str, pairs: tuple[tuple[str, str], ...]) -> Request:
    headers = Headers((("Content-Type", FORM), ("Accept", "application/json")))
    return Request("POST", endpoint, headers, write_form(pairs).encode())


def _part(content: Mapping[str, object]) -> str:
    from json import dumps

    return base64url(dumps(content, separators=(",", ":")).encode())
