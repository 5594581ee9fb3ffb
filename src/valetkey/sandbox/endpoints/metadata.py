"""Authorization server metadata (RFC 8414 section 2, OpenID Connect Discovery 1.0 section 3)."""

from __future__ import annotations

from valetkey.oauth2.server import ALIASED
from valetkey.sandbox.answers import json_answer
from valetkey.sandbox.clients import GRANT_TYPES, IMPLICIT
from valetkey.sandbox.refusals import RESOURCE_METADATA
from valetkey.sandbox.responses import RESPONSE_MODES, TOKEN_RESPONSES
from valetkey.sandbox.signing import ALGORITHMS
from valetkey.sandbox.spoilt import spoil

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.http import Response
    from valetkey.sandbox.exchange import Exchange

SECRET_METHODS = ["client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt"]


def metadata(exchange: Exchange) -> Response:
    """What a client needs to know of this server."""
    base_url = exchange.sandbox.base_url
    clients = exchange.sandbox.clients
    scopes = dict.fromkeys(name for client in clients for name in client.scopes)
    registered = [name for client in clients for name in client.grant_types]
    members: dict[str, object] = {
        "issuer": exchange.sandbox.issuer,
        "authorization_endpoint": f"{base_url}/oauth2/authorize",
        "token_endpoint": f"{base_url}/oauth2/token",
        "revocation_endpoint": f"{base_url}/oauth2/revoke",
        "introspection_endpoint": f"{base_url}/oauth2/introspect",
        "device_authorization_endpoint": f"{base_url}/oauth2/device_authorization",
        "pushed_authorization_request_endpoint": f"{base_url}/oauth2/par",
        "require_pushed_authorization_requests": all(
            client.require_pushed_authorization_requests for client in clients if client.redirect_uris
        ),
        "registration_endpoint": f"{base_url}/oauth2/register",
        "jwks_uri": f"{base_url}/oauth2/jwks",
        "userinfo_endpoint": f"{base_url}/oauth2/userinfo",
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": list(
            dict.fromkeys(client.id_token_signed_response_alg for client in clients if client.redirect_uris)
        ),
        "scopes_supported": list(scopes),
        "authorization_details_types_supported": list(
            dict.fromkeys(one for client in clients for one in client.authorization_details_types)
        ),
        "response_types_supported": ["code", *(TOKEN_RESPONSES if IMPLICIT in registered else ())],
        "response_modes_supported": [*RESPONSE_MODES, *(("fragment",) if IMPLICIT in registered else ())],
        "authorization_signing_alg_values_supported": list(ALGORITHMS),
        "grant_types_supported": list(dict.fromkeys((*GRANT_TYPES, *registered))),
        "token_endpoint_auth_methods_supported": [*SECRET_METHODS, "none"],
        "revocation_endpoint_auth_methods_supported": [*SECRET_METHODS, "none"],
        "introspection_endpoint_auth_methods_supported": SECRET_METHODS,
        "token_endpoint_auth_signing_alg_values_supported": [*ALGORITHMS, "HS256"],
        "request_parameter_supported": True,
        "request_object_signing_alg_values_supported": list(ALGORITHMS),
        "dpop_signing_alg_values_supported": list(ALGORITHMS),
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": exchange.sandbox.iss_in_responses,
    }
    if base := exchange.sandbox.mtls_base_url:
        names = [name for name, url in members.items() if name in ALIASED and isinstance(url, str)]
        members["mtls_endpoint_aliases"] = {name: base + str(members[name]).removeprefix(base_url) for name in names}
    return json_answer(spoil(members, exchange.fault, now=exchange.now))


def of_resource(exchange: Exchange) -> Response:
    """Which server a protected resource trusts (RFC 9728 section 2): the one whose path follows the well-known part."""
    sandbox = exchange.sandbox
    members: dict[str, object] = {
        "resource": sandbox.base_url + exchange.path.removeprefix(RESOURCE_METADATA),
        "authorization_servers": [sandbox.issuer],
        "scopes_supported": ["read"],
        "bearer_methods_supported": ["header"],
    }
    return json_answer(members)
