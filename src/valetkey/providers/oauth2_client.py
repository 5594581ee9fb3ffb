"""What a registration says about an OAuth 2.0 client, joined with what its provider's entry says."""

from __future__ import annotations

from valetkey.errors import ConfigurationError
from valetkey.oauth2.client import Client
from valetkey.providers import schema
from valetkey.value import replace, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from valetkey.effects import PrivateKey
    from valetkey.oauth2.server import AuthorizationServer
    from valetkey.secret import Secret


@value
class Wishes:
    """What one registration wants that its provider's entry does not say; empty is as the entry says.

    authorization_details: JSON (RFC 9396). bound: tokens are bound to a key (RFC 9449).
    response_alg: how its answers are signed (JARM section 3).
    """

    token_endpoint_auth_method: str = ""
    signing_alg: str = ""
    resources: tuple[str, ...] = ()
    authorization_details: str = ""
    bound: bool = False
    public: bool = False
    response_mode: str = ""
    response_alg: str = ""


def adjusted_server(
    name: str, server: AuthorizationServer, wishes: Wishes, *, keyed: bool, problems: list[str]
) -> AuthorizationServer:
    """The server as this registration uses it. keyed: whether the client has a private key and no secret."""
    changes: dict[str, Any] = {}
    method = wishes.token_endpoint_auth_method
    if method and method not in schema.AUTH_METHODS:
        problems.append(f"{name}: `token_endpoint_auth_method` must be one of {', '.join(schema.AUTH_METHODS)}")
    elif method:
        changes["token_endpoint_auth_method"] = method
    elif wishes.public:
        changes["token_endpoint_auth_method"] = "none"  # noqa: S105 - a method, not a secret
    elif keyed and not server.request_object_signing_alg:  # it could not be used for anything else
        changes["token_endpoint_auth_method"] = "private_key_jwt"  # noqa: S105 - as above
    if wishes.signing_alg and wishes.signing_alg not in schema.SIGNING_ALGORITHMS:
        known = ", ".join(schema.SIGNING_ALGORITHMS)
        problems.append(f"{name}: `signature_method` of OAuth 2.0 must be one of {known}")
    elif wishes.signing_alg:
        changes["token_endpoint_auth_signing_alg"] = wishes.signing_alg
        if server.request_object_signing_alg:  # the same key signs both
            changes["request_object_signing_alg"] = wishes.signing_alg
    if wishes.resources:
        changes["resources"] = wishes.resources
    if wishes.authorization_details:
        changes["authorization_details"] = wishes.authorization_details
    if wishes.bound:
        changes["dpop_bound_access_tokens"] = True
    changes |= _answers(name, server, wishes, problems)
    try:
        return replace(server, **changes)
    except ConfigurationError as error:
        problems += [f"{name}: {problem}" for problem in error.problems]
        return server


def _answers(name: str, server: AuthorizationServer, wishes: Wishes, problems: list[str]) -> dict[str, Any]:
    """How the provider's answers come back through the browser, where the registration says so."""
    mode, algorithm = wishes.response_mode, wishes.response_alg
    changes: dict[str, Any] = {}
    if mode and mode not in schema.RESPONSE_MODES:
        problems.append(f"{name}: `response_mode` must be one of {', '.join(schema.RESPONSE_MODES)}")
    elif mode:
        changes["response_mode"] = mode
    if algorithm and algorithm not in schema.SIGNING_ALGORITHMS:
        known = ", ".join(schema.SIGNING_ALGORITHMS)
        problems.append(f"{name}: `authorization_signed_response_alg` must be one of {known}; unsigned is none")
    elif algorithm:
        changes["authorization_response_algorithms"] = (algorithm,)
        if not (mode or server.response_mode).endswith("jwt"):
            problems.append(f"{name}: `authorization_signed_response_alg` needs a `response_mode` of jwt")
    return changes


def oauth2_client(
    name: str,
    server: AuthorizationServer,
    *,
    client_id: str,
    client_secret: Secret | None,
    private_key: PrivateKey | None,
    redirect_uri: str,
    public: bool,
    problems: list[str],
) -> Client:
    """The client; what is missing or too much for its method goes into `problems`."""
    signs = server.token_endpoint_auth_method == "private_key_jwt"  # noqa: S105 - a method, not a secret
    signs_requests = bool(server.request_object_signing_alg)
    if (signs or signs_requests) and private_key is None:
        what = "private_key_jwt needs it" if signs else "authorization requests are signed with it"
        problems.append(f"{name}: `private_key` is missing: {what}")
    if private_key is not None and private_key.signer is not None and not private_key.key_id:
        problems.append(f"{name}: `private_key_id` is missing: the key's own thumbprint is not known here")
    if not client_secret and not public and not signs:
        problems.append(f"{name}: `client_secret` is missing; a client that has none says so: `public_client` = true")
    if client_secret and public:
        problems.append(f"{name}: it has a `client_secret` and `public_client` is true: leave one of the two out")
    if private_key is not None and not signs and not signs_requests:
        problems.append(f"{name}: `private_key` is not used: set `token_endpoint_auth_method` to private_key_jwt")
    return Client(client_id, client_secret, redirect_uri, private_key)
