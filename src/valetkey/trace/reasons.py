"""Why a request was sent: read from the chain of programs that were waiting for its answer.

    finish_authorization > establish > redeem > exchange_code > ask > _ask_once > Send
                                                ^ the innermost one with a row says what the request is

The one rule: a program that sends, or that sends for more than one purpose through another, has a row here; a test goes
through the source and finds those that have none.
"""

from __future__ import annotations

from types import GeneratorType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from valetkey.http import Response

PACKAGE = "valetkey."
MAX_DEPTH = 64

# What a request is, by the innermost program that has a row.
STEPS: Mapping[str, str] = {
    "oauth1.authorize:request_temporary_credentials": "temporary credentials (RFC 5849 section 2.1)",
    "oauth1.authorize:request_token_credentials": "token credentials (RFC 5849 section 2.3)",
    "oauth1.authorize:revoke_token_credentials": "revocation of token credentials",
    "oauth1.renewal:renew_token_credentials": "renewal of token credentials (OAuth Session 1.0 section 4)",
    "oauth1.renewal:request_token_by_password": "token credentials for a password (xAuth)",
    "oauth2.token:exchange_code": "token request (RFC 6749 section 4.1.3)",
    "oauth2.token:refresh_grant": "refresh (RFC 6749 section 6)",
    "oauth2.client_credentials:client_credentials_grant": "client credentials (RFC 6749 section 4.4.2)",
    "oauth2.assertion:jwt_bearer_grant": "token request with a JWT (RFC 7523 section 2.1)",
    "oauth2.assertion:saml_bearer_grant": "token request with a SAML assertion (RFC 7522 section 2.1)",
    "oauth2.token_exchange:exchange_token": "token exchange (RFC 8693 section 2.1)",
    "oauth2.device:request_device_codes": "device authorization request (RFC 8628 section 3.1)",
    "oauth2.device:device_token": "device access token request (RFC 8628 section 3.4)",
    "oauth2.authorization_request:push_request": "pushed authorization request (RFC 9126 section 2.1)",
    "oauth2.revocation:revoke_token": "revocation (RFC 7009 section 2.1)",
    "oauth2.introspection:introspect_token": "introspection (RFC 7662 section 2.1)",
    "oauth2.jwks:_fetch": "JWKS of the issuer (OpenID Connect Core 1.0 section 10.1.1)",
    "oauth2.metadata:fetch_metadata": "authorization server metadata (RFC 8414 section 3)",
    "oauth2.protected_resource:fetch_resource_metadata": "protected resource metadata (RFC 9728 section 3)",
    "oauth2.registration:register_client": "dynamic client registration (RFC 7591 section 3.1)",
    "oauth2.registration:update_client": "change of a registration (RFC 7592 section 2.2)",
    "oauth2.registration:delete_client": "end of a registration (RFC 7592 section 2.3)",
    "connections.identity:userinfo": "userinfo (OpenID Connect Core 1.0 section 5.3)",
    "connections.call:_send": "call of the API (RFC 6749 section 7)",
    "connections.call:_send_at_their_time": "call of the API, signed at the server's own time (RFC 5849 section 3.3)",
    "connections.outbox:_sent": "webhook",
    "connections.doctor_gateway:_ask": "the doctor looks at what answers at the base URL",
    "connections.doctor_providers:_ask": "the doctor looks at the provider",
    "connections.doctor_redirect:_asked": "the doctor begins a flow, to see what the provider says",
}
# The same for programs that send on behalf of others, where none of those has a row.
SHARED: Mapping[str, str] = {
    "oauth2.token:ask_for_tokens": "token request (RFC 6749 section 3.2)",
    "oauth2.endpoint:ask": "request to an endpoint of the authorization server",
    "connections.call:_exchange": "request with a connection's token (RFC 6749 section 7)",
    "oauth1.authorize:exchange": "signed request (RFC 5849 section 3)",
}
# What made it necessary, where a program further out says more than the request itself.
CAUSES: Mapping[str, str] = {
    "connections.call:call_as_client": "by the client alone",
    "connections.rescue:": "recovering fresh tokens",
    "connections.keepalive:": "keepalive",
    "connections.manage:revoke": "disconnect",
    "connections.signed_response:": "to verify the signed answer (JARM section 2.4)",
}
# What is no step of a flow, and whose URL may be a secret.
NO_STEPS = frozenset(
    ("connections.outbox:_sent", "connections.doctor_gateway:_ask", "connections.doctor_providers:_ask")
)
# Whose path is a resource of an API or made by a server for one client, and not an endpoint that somebody configured.
CALLS = frozenset(name for name in (*STEPS, *SHARED) if name.startswith("connections.call:"))
RESOURCES = CALLS | {
    "oauth2.protected_resource:fetch_resource_metadata",
    "oauth2.registration:update_client",
    "oauth2.registration:delete_client",
}


def chain(op: Any) -> tuple[str, ...]:
    """The programs that wait for each other, outermost first, as `room.module:function`."""
    found: list[str] = []
    while isinstance(op, GeneratorType) and len(found) < MAX_DEPTH:
        module = op.gi_frame.f_globals.get("__name__", "") if op.gi_frame else ""
        found.append(f"{module.removeprefix(PACKAGE)}:{op.gi_code.co_name}")
        op = op.gi_yieldfrom
    return tuple(found)


def step_of(programs: tuple[str, ...]) -> str:
    """The innermost program with a row in STEPS, else in SHARED; empty where there is none."""
    found = next((name for name in reversed(programs) if name in STEPS), "")
    return found or next((name for name in programs if name in SHARED), "")


def reason(programs: tuple[str, ...], before: Response | None) -> str:
    """Why the request is sent. before: the API's answer to the request before this one, in the same run."""
    step = step_of(programs)
    said = STEPS.get(step) or SHARED.get(step) or f"asked for by {programs[-2] if len(programs) > 1 else 'valetkey'}"
    refused = before is not None and before.status == 401
    if refused and step in CALLS:
        said += ", once more after 401"
    elif refused:
        said += ", after 401 (RFC 6750 section 3.1)"
    causes = (text for name in programs for start, text in CAUSES.items() if name.startswith(start))
    cause = next(causes, "")
    return f"{said}; {cause}" if cause else said
