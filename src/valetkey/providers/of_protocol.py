"""The settings of a registration that belong to one protocol alone.

The one rule: one that the provider's protocol does not know is refused at start. It would do nothing, and whoever wrote
it believes that it does: that tokens are bound, that a password is refused.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

TITLES = {"oauth1": "OAuth 1.0a", "oauth2": "OAuth 2.0"}
SETTINGS = {
    "oauth1": ("accept_missing_verifier", "accept_xauth"),
    "oauth2": (
        "accept_implicit_grant",
        "accept_password_grant",
        "authorization_details",
        "authorization_signed_response_alg",
        "client_certificate",
        "client_registration",
        "dpop_bound_access_tokens",
        "grant_types",
        "initial_access_token",
        "public_client",
        "request_object_signing_alg",
        "require_pushed_authorization_requests",
        "resources",
        "response_mode",
        "response_type",
        "software_statement",
        "tls_client_certificate_bound_access_tokens",
        "token_endpoint_auth_method",
    ),
}


def of_the_other(name: str, protocol: str, given: Mapping[str, object]) -> list[str]:
    """What is wrong with a registration of that protocol whose settings are these; an empty one says nothing."""
    return [
        f"{name}: `{key}` belongs to {TITLES[other]}: this provider speaks {TITLES[protocol]}"
        for other, keys in SETTINGS.items()
        for key in keys
        if other != protocol and given[key]
    ]
