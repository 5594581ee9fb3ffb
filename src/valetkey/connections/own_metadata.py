"""What a configured registration tells a server of its client: in a registration (RFC 7591), or in our document.

The one rule: it says what this registration will really do, and asks for nothing else.
"""

from __future__ import annotations

from valetkey.effects import PublicKey
from valetkey.oauth2.client_metadata import client_document, client_keys, client_metadata
from valetkey.value import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from valetkey.connections.enrolled_rows import EnrolledClient
    from valetkey.connections.settings import Settings
    from valetkey.effects import Op
    from valetkey.oauth2.server import AuthMethod
    from valetkey.providers.registration import Registration

FLAGS = (  # 9126 s6, 9449 s5.2, 8705 s3.4
    "require_pushed_authorization_requests",
    "dpop_bound_access_tokens",
    "tls_client_certificate_bound_access_tokens",
)


def own_metadata(settings: Settings, registration: Registration, method: AuthMethod) -> Op[dict[str, Any]]:
    """The metadata of a client that proves who it is in that way (RFC 7591 section 2).

    Raises ConfigurationError where its private key is unusable.
    """
    own = registration.client_registration
    assert own is not None
    more = yield from _more(registration, method)
    if own.software_statement is not None:
        more["software_statement"] = own.software_statement
    return client_metadata(
        redirect_uri=registration.redirect_uri,
        application=settings.application,
        home=settings.origin,
        method=method,
        scope=registration.scope,
        grant_types=own.grant_types,
        more=more,
    )


def own_document(settings: Settings, registration: Registration) -> Op[dict[str, Any]]:
    """The same as a document (draft-ietf-oauth-client-id-metadata-document section 4)."""
    own = registration.client_registration
    assert own is not None
    method: AuthMethod = registration.provider.server.token_endpoint_auth_method  # type: ignore[union-attr]
    return client_document(
        getattr(registration.client, "client_id", ""),
        redirect_uri=registration.redirect_uri,
        application=settings.application,
        home=settings.origin,
        method=method,
        grant_types=own.grant_types,
        more=(yield from _more(registration, method)),
    )


def registered_for(registration: Registration, client: EnrolledClient) -> Op[EnrolledClient]:
    """The client with what the registration is by now, for which it has just been registered."""
    own = registration.client_registration
    assert own is not None
    key = yield from key_thumbprint(registration, client)
    return replace(client, redirect_uri=registration.redirect_uri, grant_types=own.grant_types, key=key)


def key_thumbprint(registration: Registration, client: EnrolledClient) -> Op[str]:
    """The thumbprint of the key that the client proves itself by, as it is configured; empty where it has none.

    Raises ConfigurationError where the key is unusable.
    """
    key = getattr(registration.client, "private_key", None)
    if key is None or client.method != "private_key_jwt":
        return ""
    from valetkey.oauth2.signed_jwt import thumbprint

    return thumbprint((yield from PublicKey(key)))


def _more(registration: Registration, method: AuthMethod) -> Op[dict[str, Any]]:
    """What only some clients have: flags, algorithms, and the public half of the key that they sign with."""
    server: Any = registration.provider.server
    said: dict[str, Any] = {flag: True for flag in FLAGS if getattr(server, flag)}
    if method == "private_key_jwt":
        said["token_endpoint_auth_signing_alg"] = server.token_endpoint_auth_signing_alg
    if server.request_object_signing_alg:
        said["request_object_signing_alg"] = server.request_object_signing_alg
    if server.signs_responses and len(server.authorization_response_algorithms) == 1:
        said["authorization_signed_response_alg"] = server.authorization_response_algorithms[0]
    key = getattr(registration.client, "private_key", None)
    if key is not None:
        said["jwks"] = yield from client_keys(key)
    return said
