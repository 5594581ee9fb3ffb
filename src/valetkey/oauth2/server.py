"""What is known about an authorization server: its endpoints, and its habits as words."""

from __future__ import annotations

from valetkey.errors import ConfigurationError
from valetkey.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal, TypeAlias

    from valetkey.effects import Reach
    from valetkey.errors import Explanation
    from valetkey.http import Pairs

    Pkce: TypeAlias = Literal["S256", "refused by the provider"]
    from valetkey.oauth2.signed_jwt import KeyAlgorithm

    AuthMethod: TypeAlias = Literal[
        "none",
        "client_secret_basic",
        "client_secret_post",
        "client_secret_jwt",
        "private_key_jwt",
        "tls_client_auth",
        "self_signed_tls_client_auth",
    ]
    ResponseMode: TypeAlias = Literal["query", "form_post", "jwt", "query.jwt", "form_post.jwt"]
    ResponseType: TypeAlias = Literal["code", "token", "id_token token"]
    Discovery: TypeAlias = Literal["", "oidc", "oauth2"]
    BodyEncoding: TypeAlias = Literal["form", "json"]

PKCE_REFUSED_BY_PROVIDER: Pkce = "refused by the provider"
"""Only for a provider that fails when it is sent a code challenge; the catalog says since when that is known."""

OURS_TO_AUTHORIZE = frozenset(
    (
        "response_type",
        "client_id",
        "redirect_uri",
        "state",
        "code_challenge",
        "code_challenge_method",
        "nonce",
        "response_mode",
        "iss",
        "request",
        "request_uri",
        "dpop_jkt",
    )
)
"""Authorization parameters that nobody else may set."""
OURS_AT_TOKEN = frozenset(
    (
        "grant_type",
        "code",
        "code_verifier",
        "refresh_token",
        "redirect_uri",
        "client_id",
        "client_secret",
        "token",
        "client_assertion",
        "client_assertion_type",
    )
)
"""Token request parameters that nobody else may set."""

TLS_METHODS = ("tls_client_auth", "self_signed_tls_client_auth")
"""The certificate proves who the client is (RFC 8705 section 2): to us both are the same."""
ALIASED = frozenset(
    (
        "token_endpoint",
        "refresh_endpoint",
        "revocation_endpoint",
        "introspection_endpoint",
        "pushed_authorization_request_endpoint",
        "device_authorization_endpoint",
        "userinfo_endpoint",
    )
)
"""The endpoints of ours that mutual TLS may have elsewhere (RFC 8705 section 5)."""

_VERIFIED_ALGORITHMS = frozenset(("RS256", "PS256", "ES256"))


@value
class AuthorizationServer:
    """An authorization server. Everything after the endpoints is a habit, and the default is what the RFC says.

    issuer: its issuer identifier (RFC 8414), or None where it has none: then `iss` cannot be checked.
    iss_required: whether it advertises `iss` in authorization responses (RFC 9207): an answer without is refused.
    token_endpoint_auth_method: how a client with a secret authenticates; one without is always a public client.
    basic_unencoded: it expects Basic credentials that are not form-encoded first, against RFC 6749 section 2.3.1.
    authorization_parameters, token_parameters, token_headers: added to every such request; none of ours may be named.
    token_encoding: how it wants the token request's body.
    token_path: where in the answer the token object stands, from the outside in; () for the whole answer.
    error_with_status_200: an answer with status 200 and no access token is an error, whatever its shape.
    error_aliases: its own error codes and the registered codes they stand for.
    errors: what it means by its error codes, as its own documentation says.
    default_expires_in: the lifetime of access tokens, in seconds, where answers do not say.
    token_type_optional, token_types: whether `token_type` may be absent, and which are used as bearer tokens.
    scope_separator: between scopes in a request; answers are read more liberally.
    scope_parameter, code_parameter: its own names for `scope` in the request and `code` in the callback.
    refresh_endpoint: where refresh tokens are used, if not at the token endpoint.
    token_endpoint_auth_signing_alg: how private_key_jwt is signed (RFC 8414 has a list of the same name).
    resources: what the tokens are for, as URIs (RFC 8707).
    authorization_details: what exactly is asked for, as a JSON array of objects with a type (RFC 9396).
    pushed_authorization_request_endpoint: authorization requests are pushed there first (RFC 9126).
    request_object_signing_alg: authorization requests are signed with the client's private key (RFC 9101).
    require_pushed_authorization_requests: this client's are pushed (RFC 9126 section 6).
    require_signed_request_object: it takes signed ones alone (RFC 9101 section 10.5); others are not sent to it.
    dpop_bound_access_tokens: tokens are bound to a key of the connection's own (RFC 9449).
    response_type: what the authorization endpoint gives out: a code, or, in the implicit grant, tokens (RFC 6749
      section 3.1.1); those need introspection_endpoint, or issuer and jwks_uri for an id_token, to know whose they are.
    response_mode: how the answer comes back through the browser: in the query, as a form that its page posts, or either
      way as a signed JWT (JARM); `jwt` is `query.jwt`.
    authorization_response_algorithms: how it may sign such answers; they need issuer and jwks_uri.
    tls_client_certificate_bound_access_tokens: tokens are bound to the client's certificate (RFC 8705 section 3).
    mtls_endpoint_aliases: where endpoints are for a client with a certificate, by their names (RFC 8705 section 5).
    jwks_uri, id_token_algorithms: where its keys are, and how it may sign id_tokens; needs issuer.
    userinfo_endpoint: where an access token tells whose account it is.
    discovery: the endpoints come from the issuer's metadata when they are first needed; empty: they stand here.
    reach: how far its endpoints may lie, see `effects`.
    """

    issuer: str | None
    authorization_endpoint: str
    token_endpoint: str
    revocation_endpoint: str | None = None
    introspection_endpoint: str | None = None
    iss_required: bool = False
    pkce: Pkce = "S256"
    scope_separator: str = " "
    token_endpoint_auth_method: AuthMethod = "client_secret_basic"  # noqa: S105 - a method, not a secret
    basic_unencoded: bool = False
    authorization_parameters: Pairs = ()
    token_parameters: Pairs = ()
    token_headers: Pairs = ()
    error_with_status_200: bool = False
    error_aliases: Pairs = ()
    default_expires_in: int | None = None
    token_type_optional: bool = False
    token_types: tuple[str, ...] = ("bearer",)
    response_mode: ResponseMode = "query"
    reach: Reach = "configured"
    token_encoding: BodyEncoding = "form"  # noqa: S105 - an encoding, not a secret
    token_path: tuple[str, ...] = ()
    scope_parameter: str = "scope"
    code_parameter: str = "code"
    refresh_endpoint: str | None = None
    jwks_uri: str | None = None
    id_token_algorithms: tuple[str, ...] = ("RS256", "PS256", "ES256")
    userinfo_endpoint: str | None = None
    discovery: Discovery = ""
    token_endpoint_auth_signing_alg: KeyAlgorithm = "RS256"  # noqa: S105 - an algorithm, not a secret
    resources: tuple[str, ...] = ()
    authorization_details: str = ""
    pushed_authorization_request_endpoint: str | None = None
    request_object_signing_alg: KeyAlgorithm | Literal[""] = ""
    dpop_bound_access_tokens: bool = False
    device_authorization_endpoint: str | None = None
    authorization_response_algorithms: tuple[str, ...] = ("RS256", "PS256", "ES256")
    errors: tuple[Explanation, ...] = ()
    tls_client_certificate_bound_access_tokens: bool = False
    mtls_endpoint_aliases: Pairs = ()
    response_type: ResponseType = "code"
    require_pushed_authorization_requests: bool = False
    require_signed_request_object: bool = False

    @property
    def posts_back(self) -> bool:
        """Whether its page posts the answer (OAuth 2.0 Form Post Response Mode section 2)."""
        return self.response_mode.startswith("form_post")

    @property
    def gives_tokens_out(self) -> bool:
        """Whether its authorization endpoint gives tokens out, in a fragment: the implicit grant (6749 section 4.2)."""
        return self.response_type != "code"

    @property
    def signs_responses(self) -> bool:
        """Whether its answers come as a signed JWT (JARM section 2.3)."""
        return self.response_mode.endswith("jwt")

    @property
    def mutual_tls(self) -> bool:
        """Whether clients present a certificate: to prove themselves, or to have their tokens bound to it (8705)."""
        return self.tls_client_certificate_bound_access_tokens or self.token_endpoint_auth_method in TLS_METHODS

    def __post_init__(self) -> None:
        problems = []
        if self.iss_required and not self.issuer:
            problems.append("an authorization server with iss_required needs its issuer, or iss cannot be compared")
        if self.token_endpoint_auth_method in ("client_secret_jwt", "private_key_jwt") and not self.issuer:
            problems.append(f"{self.token_endpoint_auth_method} needs the issuer, which the assertion is addressed to")
        if self.jwks_uri and not self.issuer:
            problems.append("an authorization server with jwks_uri needs its issuer, or id_tokens cannot be checked")
        if self.signs_responses and not (self.issuer and (self.jwks_uri or self.discovery)):
            problems.append(f"response_mode {self.response_mode} needs issuer and jwks_uri, or nothing can be verified")
        if self.gives_tokens_out:
            problems += _implicit_problems(self)
        for name in ("id_token_algorithms", "authorization_response_algorithms"):
            algorithms: tuple[str, ...] = getattr(self, name)
            if not algorithms or not _VERIFIED_ALGORITHMS.issuperset(algorithms):
                problems.append(f"{name}: some of {', '.join(sorted(_VERIFIED_ALGORITHMS))}, and no other")
        if self.mtls_endpoint_aliases:
            from valetkey.oauth2.mutual_tls import alias_problems

            problems += alias_problems(self.mtls_endpoint_aliases)
        if not self.scope_separator:
            problems.append("scope_separator is what stands between two scopes: it cannot be empty")
        problems += _request_problems(self)
        if self.resources or self.authorization_details:
            from valetkey.oauth2.requested import details_problems, resource_problems

            problems += [*resource_problems(self.resources), *details_problems(self.authorization_details)]
        problems += _misplaced("authorization_parameters", self.authorization_parameters, OURS_TO_AUTHORIZE)
        problems += _misplaced("token_parameters", self.token_parameters, OURS_AT_TOKEN)
        if problems:
            raise ConfigurationError(problems)


def _request_problems(server: AuthorizationServer) -> list[str]:
    problems = []
    if server.request_object_signing_alg and not server.issuer:
        problems.append("signed authorization requests need the issuer, which they are addressed to")
    pushes = server.pushed_authorization_request_endpoint or server.discovery
    if server.require_pushed_authorization_requests and not pushes:
        problems.append("require_pushed_authorization_requests needs pushed_authorization_request_endpoint")
    return problems


def _implicit_problems(server: AuthorizationServer) -> list[str]:
    problems, asks = [], f"response_type {server.response_type}"
    if server.response_mode != "query":
        problems.append(f"{asks} comes back in the fragment: leave response_mode out")
    problems += [
        f"{asks} gives tokens that are bound to nothing: leave {binding} out"
        for binding in ("dpop_bound_access_tokens", "tls_client_certificate_bound_access_tokens")
        if getattr(server, binding)
    ]
    known = server.introspection_endpoint or server.discovery
    if server.response_type == "token" and not known:  # 6749 s10.16
        problems.append(f"{asks} needs introspection_endpoint, or nobody knows to whom a token was issued")
    if server.response_type == "id_token token" and not (server.issuer and (server.jwks_uri or server.discovery)):
        problems.append(f"{asks} needs issuer and jwks_uri, or the id_token cannot be checked")
    return problems


def _misplaced(field: str, pairs: Pairs, ours: frozenset[str]) -> list[str]:
    names = [name for name, _ in pairs]
    return [f"{field}: {name} is set by valetkey, remove it" for name in names if name in ours] + [
        f"{field}: {name} stands there twice" for name in sorted(set(names)) if names.count(name) > 1
    ]
