"""Let a protected resource say which authorization server it trusts (RFC 9728), from nothing but its URL.

    POST without a token -> 401, WWW-Authenticate: resource_metadata="..."  -> that document
                            anything else  -> the well-known one, at the path, at the root

The one rule: a document is believed only if its `resource` is the URL that was asked for; so nobody can have a token
made that is good at somebody else's resource.
"""

from __future__ import annotations

from valetkey.effects import CONFIGURED, PUBLIC, Send
from valetkey.errors import MalformedResponse, ProviderError
from valetkey.http import Headers, Request, is_loopback, read_url, shown_address
from valetkey.oauth2.requested import is_scope
from valetkey.oauth2.strict_json import read_json_object
from valetkey.value import replace, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from valetkey.effects import Reach, WireOp
    from valetkey.http import Response

MAX_METADATA_OCTETS = 64 * 1024
MAX_RESOURCE = 500
MAX_SERVERS = 10
MAX_SCOPES = 100
MAX_SCOPE = 4000  # characters of all together: they stand in an address that a browser is sent to
UNUSABLE = "resource_metadata_unusable"
WELL_KNOWN = "/.well-known/oauth-protected-resource"
# JSON-RPC's smallest question. An open server answers it at once; a GET could be the beginning of an endless stream.
PROBE = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'
_ODD = ("//", "/./", "/../", "%2e", "%2f", "%5c", ";")


@value
class ResourceMetadata:
    """What a resource publishes about itself (RFC 9728 section 2), as far as we use it.

    resource: as the resource spells it. scope: of its challenge, else `scopes_supported`; empty where it has neither.
    scopes_supported: all that it lists.
    """

    resource: str
    authorization_servers: tuple[str, ...]
    scope: tuple[str, ...] = ()
    dpop_bound_access_tokens_required: bool = False
    scopes_supported: tuple[str, ...] = ()


def read_resource(text: str, *, reach: Reach = PUBLIC) -> str:
    """The URL of a resource in its canonical form: host in lower case, no default port, no slash alone.

    Raises ValueError for what a token could not be bound to: a query, dot segments, and with PUBLIC anything but https
    on its usual port.
    """
    if len(text) > MAX_RESOURCE:
        message = f"it has more than {MAX_RESOURCE} characters"
        raise ValueError(message)
    url = read_url(text)
    if "?" in text:
        message = "it has a query, which a resource should not have (RFC 9728 section 1.2)"
        raise ValueError(message)
    if not is_plain_path(url.path):
        message = "its path can be read in two ways"
        raise ValueError(message)
    on_loopback = reach == CONFIGURED and is_loopback(url.host)
    if url.scheme != "https" and not on_loopback:
        message = "it is not an https URL"
        raise ValueError(message)
    if reach == PUBLIC and url.port not in (None, 443):
        message = "it has a port: the servers that anybody may name are reached on the usual one only"
        raise ValueError(message)
    return url.origin + ("" if url.path == "/" else url.path)


def is_plain_path(path: str) -> bool:
    """Whether every server reads the path alike, so that one path can be said to lie below another."""
    lower = f"{path.lower()}/" if path.endswith(("/.", "/..")) else path.lower()
    return path.startswith("/") and not any(odd in lower for odd in _ODD)


def metadata_urls(resource: str) -> tuple[str, ...]:
    """Where the metadata may stand, in the order to try: at the resource's path (RFC 9728 section 3.1), at the root.

    The root is an addition of MCP's, and its document must speak of the same resource.
    """
    url = read_url(resource)
    inserted = f"{url.origin}{WELL_KNOWN}{url.path if url.path != '/' else ''}"
    return tuple(dict.fromkeys((inserted, f"{url.origin}{WELL_KNOWN}")))


def fetch_resource_metadata(resource: str, *, reach: Reach = PUBLIC, not_after: float) -> WireOp[ResourceMetadata]:
    """The metadata of the resource. resource: in canonical form.

    Raises ProviderError where it has none, MalformedResponse where it is not to be believed, TransportError.
    """
    accepts = (("Accept", "application/json, text/event-stream"), ("Content-Type", "application/json"))
    asked = yield from Send(Request("POST", resource, Headers(accepts), PROBE), reach, not_after)
    named, scope = read_resource_challenge(asked) if asked.status == 401 else ("", ())
    response = None
    for url in (_checked(named, reach),) if named else metadata_urls(resource):
        response = yield from Send(Request("GET", url, Headers((("Accept", "application/json"),))), reach, not_after)
        if not 400 <= response.status < 500 or response.status == 429:
            break
    assert response is not None
    if response.status >= 400:
        raise _without_metadata(asked, response)
    found = read_resource_metadata(response, resource=resource, reach=reach)
    return replace(found, scope=scope) if scope else found


def read_resource_challenge(response: Response) -> tuple[str, tuple[str, ...]]:
    """The metadata's URL and the scope in a challenge (RFC 9728 section 5.1, RFC 6750 section 3); empty: not said."""
    from valetkey.oauth2.bearer import read_challenges

    for challenge in read_challenges(response.headers):
        if challenge.scheme in ("bearer", "dpop"):
            words = tuple((challenge.get("scope") or "").split())
            sound = len(words) <= MAX_SCOPES and len(" ".join(words)) <= MAX_SCOPE and all(map(is_scope, words))
            return challenge.get("resource_metadata") or "", words if sound else ()
    return "", ()


def read_resource_metadata(response: Response, *, resource: str, reach: Reach = PUBLIC) -> ResourceMetadata:
    """The metadata in an answer (RFC 9728 section 3.2), checked to be this resource's (section 3.3).

    resource: in canonical form. Raises MalformedResponse.
    """
    if response.status != 200:
        message = f"the resource's metadata answered {response.status}, not 200"
        raise MalformedResponse(message, status=response.status, error=UNUSABLE)
    try:
        return _read_members(read_json_object(response.body, limit=MAX_METADATA_OCTETS), resource, reach)
    except ValueError as why:
        message = f"the resource's metadata is not usable: {why}"
        raise MalformedResponse(message, status=response.status, error=UNUSABLE) from None


def _read_members(members: dict[str, Any], resource: str, reach: Reach) -> ResourceMetadata:
    said = members.get("resource")
    if not isinstance(said, str) or not is_same_resource(said, resource, reach=reach):
        hint = (
            ""
            if not isinstance(said, str) or not _is_above(said, resource)
            else f": connect {shown_address(said)} if that is meant"
        )
        message = f"it speaks of another resource{hint}"
        raise ValueError(message)
    issuers = _texts(members, "authorization_servers", MAX_SERVERS)
    if not issuers:
        message = "it names no authorization server"
        raise ValueError(message)
    if any(len(issuer) > MAX_RESOURCE for issuer in issuers):
        message = f"it names an authorization server by more than {MAX_RESOURCE} characters"
        raise ValueError(message)
    methods = _texts(members, "bearer_methods_supported", MAX_SERVERS)
    if methods is not None and "header" not in methods:
        message = "it does not take tokens in the Authorization header"
        raise ValueError(message)
    scopes = _texts(members, "scopes_supported", MAX_SCOPES) or ()
    if not all(map(is_scope, scopes)):
        message = "scopes_supported has what is no scope"
        raise ValueError(message)
    if len(" ".join(scopes)) > MAX_SCOPE:
        message = f"scopes_supported has more than {MAX_SCOPE} characters"
        raise ValueError(message)
    bound = members.get("dpop_bound_access_tokens_required") is True
    return ResourceMetadata(said, issuers, scopes, bound, scopes)


def is_same_resource(said: str, resource: str, *, reach: Reach) -> bool:
    """Whether both are one URL, the second being in canonical form.

    Of a URL without a path that is so with and without its slash (RFC 3986 section 6.2.3).
    """
    try:
        return read_resource(said, reach=reach) == resource
    except ValueError:
        return False


def _is_above(said: str, resource: str) -> bool:
    """Whether it is a plain URL above the resource's, at the same origin: then its owner may mean all of that."""
    plain, above = said.isascii() and said.isprintable() and len(said) <= MAX_RESOURCE, said.rstrip("/")
    return plain and resource.startswith(f"{above}/") and above.count("/") >= 2


def _checked(url: str, reach: Reach) -> str:
    try:
        scheme, host = read_url(url).scheme, read_url(url).host
    except ValueError:
        scheme, host = "", ""
    if scheme != "https" and not (scheme == "http" and reach == CONFIGURED and is_loopback(host)):
        message = "the resource's challenge names a resource_metadata that is not an https URL"
        raise MalformedResponse(message, status=401, error=UNUSABLE)
    return url


def _without_metadata(asked: Response, response: Response) -> ProviderError:
    if response.status >= 500 or response.status == 429:
        message = f"the resource's metadata cannot be read now: it answered {response.status}"
        return ProviderError(message, error="server_error", status=response.status)
    message = (
        f"the resource answered {asked.status} to a request without a token and publishes no metadata (RFC 9728): "
        "it cannot be connected by its URL"
    )
    return ProviderError(message, error="resource_metadata_missing", status=response.status)


def _texts(members: dict[str, Any], name: str, most: int) -> tuple[str, ...] | None:
    texts = members.get(name)
    if texts is None:
        return None
    if not isinstance(texts, list) or len(texts) > most or not all(isinstance(text, str) for text in texts):
        message = f"{name} is not a list of at most {most} texts"
        raise ValueError(message)
    return tuple(texts)
