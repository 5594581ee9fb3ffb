"""What a registration says about an OAuth 2.0 client, joined with what its provider's entry says."""

from __future__ import annotations

from valetkey.errors import ConfigurationError
from valetkey.oauth2.client import Client
from valetkey.oauth2.mutual_tls import alias_of
from valetkey.oauth2.server import TLS_METHODS
from valetkey.providers import schema
from valetkey.value import replace, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from valetkey.effects import ClientCertificate, PrivateKey
    from valetkey.oauth2.server import AuthorizationServer
    from valetkey.secret import Secret


@value
class Wishes:
    """What one registration wants that its provider's entry does not say; empty is as the entry says.

    authorization_details: JSON (RFC 9396). bound: tokens are bound to a key (RFC 9449). certificate_bound: to the
      client's certificate (RFC 8705).
    response_alg: how its answers are signed (JARM section 3). request_alg: how its requests are (RFC 9101 section 4).
    pushed: its requests are pushed (RFC 9126 section 6).
    """

    token_endpoint_auth_method: str = ""
    signing_alg: str = ""
    resources: tuple[str, ...] = ()
    authorization_details: str = ""
    bound: bool = False
    certificate_bound: bool = False
    public: bool = False
    response_mode: str = ""
    response_type: str = ""
    accept_implicit: bool = False
    response_alg: str = ""
    request_alg: str = ""
    pushed: bool = False


def adjusted_server(
    name: str, server: AuthorizationServer, wishes: Wishes, *, keyed: bool, certified: bool, problems: list[str]
) -> AuthorizationServer:
    """The server as this registration uses it.

    keyed: whether the client has a private key and no secret. certified: whether it has a certificate and neither.
    """
    method = _method(name, server, wishes, keyed=keyed, certified=certified, problems=problems)
    proof: dict[str, Any] = {"token_endpoint_auth_method": method}
    if wishes.certificate_bound:
        proof["tls_client_certificate_bound_access_tokens"] = True
    changes: dict[str, Any] = {}
    if wishes.signing_alg and wishes.signing_alg not in schema.SIGNING_ALGORITHMS:
        known = ", ".join(schema.SIGNING_ALGORITHMS)
        problems.append(f"{name}: `signature_method` of OAuth 2.0 must be one of {known}")
    elif wishes.signing_alg:
        changes["token_endpoint_auth_signing_alg"] = wishes.signing_alg
        if server.request_object_signing_alg:  # the same key signs both
            changes["request_object_signing_alg"] = wishes.signing_alg
    changes |= _requests(name, wishes, problems)
    if wishes.resources:
        changes["resources"] = wishes.resources
    if wishes.authorization_details:
        changes["authorization_details"] = wishes.authorization_details
    if wishes.bound:
        changes["dpop_bound_access_tokens"] = True
    changes |= _answers(name, server, wishes, problems)
    for step in (proof, changes):  # so that what is wrong with the one is not taken for a want of the other
        try:
            server = replace(server, **step)
        except ConfigurationError as error:
            problems += [f"{name}: {problem}" for problem in error.problems]
    return server


def _method(
    name: str, server: AuthorizationServer, wishes: Wishes, *, keyed: bool, certified: bool, problems: list[str]
) -> str:
    """How the client proves who it is: as it says, or with what it has."""
    method = wishes.token_endpoint_auth_method
    if method and method not in schema.AUTH_METHODS:
        problems.append(f"{name}: `token_endpoint_auth_method` must be one of {', '.join(schema.AUTH_METHODS)}")
    elif method:
        return method
    elif wishes.public:
        return "none"
    elif keyed and not server.request_object_signing_alg:  # it could not be used for anything else
        return "private_key_jwt"
    elif certified and server.token_endpoint_auth_method not in TLS_METHODS:
        return "tls_client_auth"
    return server.token_endpoint_auth_method


def _requests(name: str, wishes: Wishes, problems: list[str]) -> dict[str, Any]:
    """How authorization requests travel, where the registration says so: signed, pushed."""
    changes: dict[str, Any] = {}
    if wishes.request_alg and wishes.request_alg not in schema.SIGNING_ALGORITHMS:
        known = ", ".join(schema.SIGNING_ALGORITHMS)
        problems.append(f"{name}: `request_object_signing_alg` must be one of {known}")
    elif wishes.request_alg:
        changes["request_object_signing_alg"] = wishes.request_alg
    if wishes.pushed:
        changes["require_pushed_authorization_requests"] = True
    return changes


def _answers(name: str, server: AuthorizationServer, wishes: Wishes, problems: list[str]) -> dict[str, Any]:
    """How the provider's answers come back through the browser, where the registration says so."""
    mode, algorithm = wishes.response_mode, wishes.response_alg
    changes: dict[str, Any] = {}
    if wishes.response_type and wishes.response_type not in schema.RESPONSE_TYPES:
        problems.append(f"{name}: `response_type` must be one of {', '.join(schema.RESPONSE_TYPES)}")
    elif wishes.response_type:
        changes["response_type"] = wishes.response_type
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
    if changes.get("response_type", server.response_type) != "code" and not wishes.accept_implicit:
        problems.append(
            f"{name}: tokens would come in the address (RFC 6749 section 4.2), which RFC 9700 section 2.1.2 advises "
            "against; use `response_type` code, or set `accept_implicit_grant` to true if the provider has nothing else"
        )
    return changes


def oauth2_client(
    name: str,
    server: AuthorizationServer,
    *,
    client_id: str,
    client_secret: Secret | None,
    private_key: PrivateKey | None,
    certificate: ClientCertificate | None,
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
    presents = server.token_endpoint_auth_method in TLS_METHODS
    if not client_secret and not public and not signs and not presents:
        problems.append(f"{name}: `client_secret` is missing; a client that has none says so: `public_client` = true")
    if client_secret and public:
        problems.append(f"{name}: it has a `client_secret` and `public_client` is true: leave one of the two out")
    if private_key is not None and not signs and not signs_requests:
        problems.append(f"{name}: `private_key` is not used: set `token_endpoint_auth_method` to private_key_jwt")
    problems += _certificate_problems(name, server, certificate, public=public)
    return Client(client_id, client_secret, redirect_uri, private_key, certificate)


def _certificate_problems(
    name: str, server: AuthorizationServer, certificate: ClientCertificate | None, *, public: bool
) -> list[str]:
    """What is missing or too much for mutual TLS (RFC 8705)."""
    method = server.token_endpoint_auth_method
    if not server.mutual_tls:
        unused = f"{name}: `client_certificate` is not used: set `token_endpoint_auth_method` to tls_client_auth, or "
        return [] if certificate is None else [unused + "`tls_client_certificate_bound_access_tokens` to true"]
    problems = []
    if certificate is None:
        why = f"{method} needs it" if method in TLS_METHODS else "tokens are bound to it"
        problems.append(f"{name}: `client_certificate` is missing: {why}")
    if public and method in TLS_METHODS:
        problems.append(f"{name}: `public_client` is true and {method} proves who it is: leave one of the two out")
    if server.token_endpoint and not alias_of(server, server.token_endpoint).startswith("https://"):
        problems.append(f"{name}: `client_certificate` is presented over https only: its provider's endpoints are http")
    return problems
