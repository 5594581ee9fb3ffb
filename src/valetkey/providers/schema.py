"""What a provider's file may hold, and the strict reading of it: every problem is collected, nothing is guessed.

The one rule: a key that is not in these tables is a mistake, and a value is never converted.
"""

from __future__ import annotations

from valetkey.http import is_loopback, read_url
from valetkey.providers.provider import ROTATION_KINDS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TypeAlias

    # text, url, date, flag, number, texts, hosts, pairs, table, or the words that are allowed
    Kind: TypeAlias = str | tuple[str, ...]
    Fields: TypeAlias = Mapping[str, Kind]

LETTERS_AND_DIGITS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789")
NAME_CHARACTERS = LETTERS_AND_DIGITS | {"-"}
MAX_NAME = 63
SIGNATURE_METHODS = (
    "HMAC-SHA1", "HMAC-SHA256", "HMAC-SHA512", "PLAINTEXT", "RSA-SHA1", "RSA-SHA256", "RSA-SHA512",
    "RSA-PSS",
)  # fmt: skip
RESPONSE_TYPES = ("code", "token", "id_token token")
PKCE_REFUSED = "refused_by_provider"
AUTH_METHODS = (
    "client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt", "tls_client_auth",
    "self_signed_tls_client_auth", "none",
)  # fmt: skip
SIGNING_ALGORITHMS = ("RS256", "PS256", "ES256")
RESPONSE_MODES = ("query", "form_post", "jwt", "query.jwt", "form_post.jwt")

PROVIDER: Fields = {
    "name": "text",
    "title": "text",
    "protocol": ("oauth1", "oauth2"),
    "server": "table",
    "rotation": "table",
    "api_hosts": "hosts",
    "source": "url",
    "verified_on": "date",
    "tried": "text",
    "scope": "texts",
    "sunset": "date",
    "successor": "text",
    "note": "text",
    "pkce_note": "text",
    "code_lifetime": "number",
    "refresh_token_idle_seconds": "number",
    "refresh_token_seconds": "number",
    "shared_grant_revocation": "flag",
    "loopback_allowed": "flag",
    "base_url": "text",
    "api_hosts_apart": "flag",
    "tenants": "table",
    "scope_parameter": "text",
    "scope_separator": "text",
    "application_parameter": "text",
    "client_identifier_parameter": "text",
    "refresh_token_scopes": "texts",
    "refresh_token_parameters": "pairs",
}
PROVIDER_REQUIRED = (
    "name", "title", "protocol", "server", "rotation", "api_hosts", "source", "verified_on", "tried",
)  # fmt: skip

TENANTS: Fields = {"allowed": "texts", "shared_redirect_uri": "flag"}

ROTATION: Fields = {
    "kind": ROTATION_KINDS,
    "window_seconds": "number",
    "reuse_kills_family": "flag",
    "old_access_dies": "flag",
}

OAUTH1: Fields = {
    "temporary_credentials_endpoint": "url",
    "authorization_endpoint": "url",
    "token_endpoint": "url",
    "revocation_endpoint": "url",
    "revocation_method": ("POST", "GET", "DELETE"),
    "endpoint_method": ("POST", "GET"),
    "signature_method": SIGNATURE_METHODS,
    "placement": ("header", "query", "body"),
    "realm": "text",
    "temporary_credentials_parameters": "pairs",
    "authorization_parameters": "pairs",
    "headers": "pairs",
    "callback_confirmed_required": "flag",
    "verifier_required": "flag",
    "state_in_callback": "flag",
    "callback_out_of_band": "flag",
    "authorization_token_parameter": "text",
    "body_hash": "flag",
    "body_hash_algorithm": ("SHA1", "SHA256", "SHA512"),
    "parameter_encoding": ("rfc5849", "unencoded"),
    "client_only": "flag",
    "temporary_credentials_method": ("POST", "GET"),
    "token_method": ("POST", "GET"),
    "callback_in_authorization": "flag",
    "verifier_typed": "flag",
    "token_lifetime_seconds": "number",
    "renewal_endpoint": "url",
    "renewal_method": ("POST", "GET"),
    "renewal_keeps_token": "flag",
    "errors": "table",
}
OAUTH1_REQUIRED = ("temporary_credentials_endpoint", "authorization_endpoint", "token_endpoint")

OAUTH2: Fields = {
    "issuer": "url",
    "authorization_endpoint": "url",
    "token_endpoint": "url",
    "revocation_endpoint": "url",
    "introspection_endpoint": "url",
    "device_authorization_endpoint": "url",
    "iss_required": "flag",
    "pkce": ("S256", PKCE_REFUSED),
    "scope_separator": (" ", ",", "+", "|", ";"),
    "token_endpoint_auth_method": AUTH_METHODS,
    "token_endpoint_auth_signing_alg": SIGNING_ALGORITHMS,
    "resources": "texts",
    "authorization_details": "text",
    "pushed_authorization_request_endpoint": "url",
    "request_object_signing_alg": SIGNING_ALGORITHMS,
    "dpop_bound_access_tokens": "flag",
    "tls_client_certificate_bound_access_tokens": "flag",
    "mtls_endpoint_aliases": "pairs",
    "basic_unencoded": "flag",
    "authorization_parameters": "pairs",
    "token_parameters": "pairs",
    "token_headers": "pairs",
    "error_with_status_200": "flag",
    "error_aliases": "pairs",
    "errors": "table",
    "discovery": ("oidc", "oauth2"),
    "default_expires_in": "number",
    "token_type_optional": "flag",
    "token_types": "texts",
    "response_mode": RESPONSE_MODES,
    "response_type": RESPONSE_TYPES,
    "authorization_response_algorithms": "texts",
    "token_encoding": ("form", "json"),
    "token_path": "texts",
    "scope_parameter": "text",
    "code_parameter": "text",
    "refresh_endpoint": "url",
    "jwks_uri": "url",
    "id_token_algorithms": "texts",
    "userinfo_endpoint": "url",
}
OAUTH2_REQUIRED = ("authorization_endpoint", "token_endpoint")

EXPLANATION: Fields = {
    "means": "text",
    "advice": "text",
    "source": "url",
    "verified_on": "date",
    "in_text": "flag",
    "stands_for": (
        "access_denied", "invalid_client", "invalid_grant", "invalid_request", "invalid_scope",
        "temporarily_unavailable", "unauthorized_client",
    ),
}  # fmt: skip
EXPLANATION_REQUIRED = ("means", "advice", "source", "verified_on")
MAX_CODE = 64
MAX_EXPLANATION = 200

_TYPES: Mapping[str, tuple[type, str]] = {
    "text": (str, "a text"),
    "url": (str, "a URL"),
    "date": (str, 'a date in quotes, such as "2026-11-22"'),
    "flag": (bool, "true or false"),
    "number": (int, "a whole number"),
    "texts": (list, "a list of texts"),
    "hosts": (list, "a list of hosts"),
    "pairs": (dict, "a table of texts"),
    "table": (dict, "a table"),
}


def is_name(text: str) -> bool:
    """Whether it can name a provider or a registration: `[a-z0-9][a-z0-9-]{0,62}`, the whole of it."""
    return 0 < len(text) <= MAX_NAME and NAME_CHARACTERS.issuperset(text) and text[0] != "-"


def is_tenant(text: str) -> bool:
    """Whether it can name a tenant: one label of a host name, in lower case, without the `--` of encoded names.

    `xn--...` looks like another name to a person (UTS 46, RFC 5891 section 4.2.3.1), so none is taken.
    """
    return _is_label(text) and text[2:4] != "--"


def is_context(text: str) -> bool:
    """Whether it can name a registration, or the context of one of its tenants: `zendesk`, `zendesk:acme`."""
    name, separator, tenant = text.partition(":")
    return is_name(name) and (not separator or is_tenant(tenant))


def is_host(text: str) -> bool:
    """Whether it is a host of an API: a name with a dot, `*.` before one, or a loopback address."""
    if is_loopback(text):
        return True
    labels = text.removeprefix("*.").split(".")
    return len(text) <= 253 and len(labels) > 1 and not labels[-1].isdigit() and all(map(_is_label, labels))


def _is_label(label: str) -> bool:
    return 0 < len(label) <= 63 and NAME_CHARACTERS.issuperset(label) and "-" not in (label[0], label[-1])


def is_date(text: str) -> bool:
    """Whether it is written like 2026-11-22."""
    parts = text.split("-")
    if [len(part) for part in parts] != [4, 2, 2] or not all(part.isascii() and part.isdigit() for part in parts):
        return False
    return 0 < int(parts[1]) <= 12 and 0 < int(parts[2]) <= 31


def url_problem(text: str, *, loopback_allowed: bool) -> str:
    """Why this is not a URL that credentials may be sent to; empty where it is one."""
    try:
        url = read_url(text)
    except ValueError as problem:
        return str(problem)
    if url.scheme == "http" and not (loopback_allowed and is_loopback(url.host)):
        return "it must start with https://"
    return ""


def read_table(
    table: Mapping[str, object],
    fields: Fields,
    *,
    required: tuple[str, ...],
    where: str,
    problems: list[str],
    loopback_allowed: bool = False,
) -> dict[str, object]:
    """The fields of a table that are sound, lists and tables as tuples; what is wrong goes into `problems`."""
    problems += [f"{where}: {key} is missing" for key in required if key not in table]
    sound: dict[str, object] = {}
    for key, found in table.items():
        if key not in fields:
            problems.append(f"{where}: {key} is not a known key{_near(key, fields)}")
            continue
        problem = _problem(found, fields[key], loopback_allowed=loopback_allowed)
        if problem:
            problems.append(f"{where}: {key}: {problem}")
        else:
            sound[key] = _frozen(found, fields[key])
    return sound


def _problem(found: object, kind: Kind, *, loopback_allowed: bool) -> str:
    if not isinstance(kind, str):
        return "" if isinstance(found, str) and found in kind else f"it must be one of {', '.join(map(repr, kind))}"
    wanted, description = _TYPES[kind]
    if type(found) is not wanted:
        return f"it must be {description}"
    if kind == "url":
        return url_problem(str(found), loopback_allowed=loopback_allowed)
    if kind == "date" and not is_date(str(found)):
        return f"it must be {description}"
    if kind == "number" and isinstance(found, int) and found < 0:
        return "it must not be negative"
    return _items_problem(found, kind)


def _items_problem(found: object, kind: str) -> str:
    if isinstance(found, dict) and kind == "pairs":
        return "" if all(type(text) is str for text in found.values()) else "every value in it must be a text"
    if isinstance(found, list):
        if not all(type(text) is str and text for text in found):
            return "every item must be a text that is not empty"
        if kind == "hosts":
            wrong = [text for text in found if not is_host(text)]
            if wrong or not found:
                return f"not a host: {', '.join(wrong)}" if wrong else "at least one host is needed"
    return ""


def _frozen(found: object, kind: Kind) -> object:
    if isinstance(found, list):
        return tuple(found)
    if isinstance(found, dict) and kind == "pairs":
        return tuple(found.items())
    return found


def _near(key: str, fields: Fields) -> str:
    from difflib import get_close_matches

    near = get_close_matches(key, fields, n=1)
    return f"; did you mean {near[0]}?" if near else ""
