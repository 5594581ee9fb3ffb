"""Let an authorization server describe itself (RFC 8414, OpenID Connect Discovery 1.0).

The one rule: metadata is believed only if its `issuer` is, character by character, the one that was asked for.
Not here: keeping metadata. An error is never kept by anybody.
"""

from __future__ import annotations

from valetkey.effects import CONFIGURED, PUBLIC, Send
from valetkey.errors import MalformedResponse, ProviderError
from valetkey.http import Headers, Request, is_loopback, read_url
from valetkey.oauth2.jws import ALGORITHMS
from valetkey.oauth2.server import ALIASED, AuthorizationServer
from valetkey.oauth2.strict_json import read_json_object
from valetkey.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from valetkey.effects import Reach, WireOp
    from valetkey.http import Pairs, Response, Url
    from valetkey.oauth2.server import AuthMethod

MAX_METADATA_OCTETS = 64 * 1024
MAX_LIST_LENGTH = 500
MAX_URL = 2000  # a browser is sent to one of them, and what stands in front of servers takes 8,000 in all
_AUTH_METHODS: tuple[AuthMethod, ...] = (
    "client_secret_basic",
    "client_secret_post",
    "none",
    "private_key_jwt",
    "client_secret_jwt",
    "tls_client_auth",
    "self_signed_tls_client_auth",
)
_PATHS = ("oauth-authorization-server", "openid-configuration")


@value
class Metadata:
    """What a server publishes about itself (RFC 8414 section 2), as far as we use it; endpoints have been checked.

    tls_client_certificate_bound_access_tokens: whether it can bind tokens (RFC 8705 section 3.3), not that it does.
    code_challenge_methods_supported: None where it does not say, which some profiles refuse.
    """

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    revocation_endpoint: str | None = None
    introspection_endpoint: str | None = None
    device_authorization_endpoint: str | None = None
    registration_endpoint: str | None = None
    jwks_uri: str | None = None
    userinfo_endpoint: str | None = None
    id_token_signing_alg_values_supported: tuple[str, ...] | None = None
    scopes_supported: tuple[str, ...] | None = None
    code_challenge_methods_supported: tuple[str, ...] | None = None
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)
    authorization_response_iss_parameter_supported: bool = False
    pushed_authorization_request_endpoint: str | None = None
    require_pushed_authorization_requests: bool = False
    require_signed_request_object: bool = False
    response_modes_supported: tuple[str, ...] | None = None
    authorization_signing_alg_values_supported: tuple[str, ...] | None = None
    client_id_metadata_document_supported: bool = False
    tls_client_certificate_bound_access_tokens: bool = False
    mtls_endpoint_aliases: Pairs = ()
    protected_resources: tuple[str, ...] | None = None


def metadata_urls(issuer: str, *, reach: Reach = PUBLIC) -> tuple[str, ...]:
    """Where an issuer's metadata may stand, in the order to try.

    RFC 8414 section 3.1 puts the well-known part before the issuer's path, OpenID Connect Discovery section 4 after it.
    """
    url = _check_url(issuer, "issuer", reach)
    if "?" in issuer:
        message = "an issuer has no query (RFC 8414 section 2)"
        raise ValueError(message)
    path = url.path.rstrip("/")
    inserted = [f"{url.origin}/.well-known/{name}{path}" for name in _PATHS]
    return (*inserted, f"{url.origin}{path}/.well-known/openid-configuration") if path else tuple(inserted)


def read_metadata(response: Response, *, issuer: str, reach: Reach = PUBLIC) -> Metadata:
    """The metadata in an answer (RFC 8414 section 3.2), checked to be this issuer's (section 3.3).

    reach: with `configured`, endpoints may be http on loopback. Raises MalformedResponse.
    """
    if response.status != 200:
        raise MalformedResponse(f"the issuer's metadata answered {response.status}, not 200", status=response.status)
    try:
        return _read_members(read_json_object(response.body, limit=MAX_METADATA_OCTETS), issuer, reach)
    except ValueError as why:
        message = f"the issuer's metadata is not usable: {why}"
        raise MalformedResponse(message, status=response.status) from None


def fetch_metadata(issuer: str, *, not_after: float, reach: Reach = PUBLIC) -> WireOp[Metadata]:
    """The issuer's metadata, from the first well-known URL that has one.

    Raises ValueError for an issuer that is not an https URL; ProviderError, MalformedResponse, TransportError.
    """
    response = None
    for url in metadata_urls(issuer, reach=reach):
        request = Request("GET", url, Headers((("Accept", "application/json"),)))
        response = yield from Send(request, reach, not_after)
        if not 400 <= response.status < 500 or response.status == 429:  # some answer 401 to what is not there
            break
    assert response is not None
    if response.status >= 400:
        raise ProviderError(
            f"the issuer has no metadata that can be read now: it answered {response.status}",
            error="server_error" if response.status >= 500 else "provider_error",
            status=response.status,
        )
    return read_metadata(response, issuer=issuer, reach=reach)


def authorization_server(metadata: Metadata, *, reach: Reach = PUBLIC) -> AuthorizationServer:
    """The authorization server that its metadata describes; ValueError where it cannot be used safely."""
    methods = metadata.code_challenge_methods_supported
    if methods is not None and "S256" not in methods:
        message = "the authorization server does not offer S256 code challenges (RFC 7636 section 4.2)"
        raise ValueError(message)
    return AuthorizationServer(
        metadata.issuer,
        metadata.authorization_endpoint,
        metadata.token_endpoint,
        revocation_endpoint=metadata.revocation_endpoint,
        introspection_endpoint=metadata.introspection_endpoint,
        device_authorization_endpoint=metadata.device_authorization_endpoint,
        iss_required=metadata.authorization_response_iss_parameter_supported,
        jwks_uri=metadata.jwks_uri,
        userinfo_endpoint=metadata.userinfo_endpoint,
        id_token_algorithms=_algorithms(metadata.id_token_signing_alg_values_supported or ("RS256",)),
        authorization_response_algorithms=_algorithms(metadata.authorization_signing_alg_values_supported or ()),
        token_endpoint_auth_method=_auth_method(metadata.token_endpoint_auth_methods_supported),
        pushed_authorization_request_endpoint=(
            metadata.pushed_authorization_request_endpoint if metadata.require_pushed_authorization_requests else None
        ),
        require_signed_request_object=metadata.require_signed_request_object,
        mtls_endpoint_aliases=metadata.mtls_endpoint_aliases,
        reach=reach,
    )


def _auth_method(supported: tuple[str, ...]) -> AuthMethod:
    """The first that it offers of those which need the least of a registration; one with a key says so itself."""
    for method in _AUTH_METHODS:
        if method in supported:
            return method
    message = f"the authorization server offers none of {', '.join(_AUTH_METHODS)}"
    raise ValueError(message)


def _algorithms(said: tuple[str, ...]) -> tuple[str, ...]:
    """How it may sign: what it says and we verify. For id_tokens RS256 where it does not say (Discovery section 3)."""
    return tuple(name for name in ALGORITHMS if name in said) or ALGORITHMS


def write_metadata(metadata: Metadata) -> bytes:
    """The metadata as the JSON object that `read_metadata` reads."""
    import json

    names: tuple[str, ...] = Metadata.__match_args__
    members = {name: getattr(metadata, name) for name in names}
    members["mtls_endpoint_aliases"] = dict(metadata.mtls_endpoint_aliases) or None
    return json.dumps({name: found for name, found in members.items() if found is not None}).encode()


def _read_members(members: dict[str, Any], issuer: str, reach: Reach) -> Metadata:
    if members.get("issuer") != issuer:  # 8414 s3.3: identical, nothing is normalised
        message = "its issuer is not the one that was asked for"
        raise ValueError(message)
    iss_supported = members.get("authorization_response_iss_parameter_supported", False)  # 9207 s3
    if not isinstance(iss_supported, bool):
        message = "authorization_response_iss_parameter_supported is neither true nor false"
        raise ValueError(message)  # noqa: TRY004 - what came from outside is a value, not a caller's type
    pushed = _endpoint(members, "pushed_authorization_request_endpoint", reach)
    must_push = members.get("require_pushed_authorization_requests") is True  # 9126 s5
    if must_push and pushed is None:
        message = "it has require_pushed_authorization_requests, and no pushed_authorization_request_endpoint"
        raise ValueError(message)
    return Metadata(
        issuer=issuer,
        authorization_endpoint=_required_endpoint(members, "authorization_endpoint", reach),
        token_endpoint=_required_endpoint(members, "token_endpoint", reach),
        revocation_endpoint=_endpoint(members, "revocation_endpoint", reach),
        introspection_endpoint=_endpoint(members, "introspection_endpoint", reach),
        device_authorization_endpoint=_endpoint(members, "device_authorization_endpoint", reach),
        registration_endpoint=_endpoint(members, "registration_endpoint", reach),
        jwks_uri=_endpoint(members, "jwks_uri", reach),
        userinfo_endpoint=_endpoint(members, "userinfo_endpoint", reach),
        id_token_signing_alg_values_supported=_texts(members, "id_token_signing_alg_values_supported"),
        scopes_supported=_texts(members, "scopes_supported"),
        code_challenge_methods_supported=_texts(members, "code_challenge_methods_supported"),
        # 8414 s2: client_secret_basic where it is left out
        token_endpoint_auth_methods_supported=_texts(members, "token_endpoint_auth_methods_supported")
        or ("client_secret_basic",),
        authorization_response_iss_parameter_supported=iss_supported,
        pushed_authorization_request_endpoint=pushed,
        require_pushed_authorization_requests=must_push,
        require_signed_request_object=members.get("require_signed_request_object") is True,  # 9101 s10.5
        response_modes_supported=_texts(members, "response_modes_supported"),
        authorization_signing_alg_values_supported=_texts(members, "authorization_signing_alg_values_supported"),
        client_id_metadata_document_supported=members.get("client_id_metadata_document_supported") is True,
        tls_client_certificate_bound_access_tokens=members.get("tls_client_certificate_bound_access_tokens") is True,
        mtls_endpoint_aliases=_aliases(members, reach),
        protected_resources=_texts(members, "protected_resources"),  # 9728 s4
    )


def _aliases(members: dict[str, Any], reach: Reach) -> Pairs:
    """The endpoints for clients with a certificate, as far as they are ours to use (RFC 8705 section 5)."""
    aliases = members.get("mtls_endpoint_aliases", {})
    if not isinstance(aliases, dict):
        message = "mtls_endpoint_aliases is not an object"
        raise ValueError(message)  # noqa: TRY004 - as above
    found = {name: _endpoint(aliases, name, reach) for name in sorted(ALIASED)}
    # http is taken on loopback only, for tests; there nothing could be presented, and the endpoint itself does as well
    return tuple((name, url) for name, url in found.items() if url is not None and url.startswith("https://"))


def _required_endpoint(members: dict[str, Any], name: str, reach: Reach) -> str:
    url = _endpoint(members, name, reach)
    if url is None:
        message = f"it has no {name}"
        raise ValueError(message)
    return url


def _endpoint(members: dict[str, Any], name: str, reach: Reach) -> str | None:
    url = members.get(name)
    if url is None:
        return None
    if not isinstance(url, str):
        message = f"{name} is not a text"
        raise ValueError(message)  # noqa: TRY004 - as above
    _ = _check_url(url, name, reach)
    return url


def _check_url(url: str, name: str, reach: Reach) -> Url:
    if len(url) > MAX_URL:
        message = f"{name} has more than {MAX_URL} characters"
        raise ValueError(message)
    try:
        parts = read_url(url)
    except ValueError as why:
        message = f"{name}: {why}"
        raise ValueError(message) from None
    if parts.scheme != "https" and not (reach == CONFIGURED and is_loopback(parts.host)):
        message = f"{name} is not an https URL"
        raise ValueError(message)
    return parts


def _texts(members: dict[str, Any], name: str) -> tuple[str, ...] | None:
    texts = members.get(name)
    if texts is None:
        return None
    if not isinstance(texts, list) or len(texts) > MAX_LIST_LENGTH or not all(isinstance(text, str) for text in texts):
        message = f"{name} is not a list of at most {MAX_LIST_LENGTH} texts"
        raise ValueError(message)
    return tuple(texts)
