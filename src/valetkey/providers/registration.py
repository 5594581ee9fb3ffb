"""A registration: what a provider gave the application, joined with the provider."""

from __future__ import annotations

from valetkey.effects import PrivateKey
from valetkey.errors import ConfigurationError
from valetkey.providers import schema
from valetkey.providers.of_protocol import of_the_other
from valetkey.value import replace, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal, TypeAlias

    from valetkey.effects import ClientCertificate, SigningFunction
    from valetkey.http import Pairs
    from valetkey.oauth1.clocks import ClockOffsets
    from valetkey.oauth1.credentials import ClientCredentials, Server
    from valetkey.oauth2.client import Client
    from valetkey.oauth2.dpop import Nonces
    from valetkey.oauth2.kept import KeptKeys, KeptMetadata
    from valetkey.oauth2.server import AuthorizationServer
    from valetkey.providers.client_registration import ClientRegistration
    from valetkey.providers.provider import Provider
    from valetkey.secret import Secret

    Enrolment: TypeAlias = Literal["configured", "document", "dynamic"]
    GrantType: TypeAlias = Literal["authorization_code", "client_credentials"]


SKEW_SECONDS = 60
"""How far two machines' clocks may be apart, that of the one which registered a client and that of a callback."""


@value
class Registration:
    """Client credentials at a provider, for one purpose.

    name: how configuration, URLs and connections call it; the provider's name unless configured otherwise.
    redirect_uri: where the browser comes back; this is what is entered at the provider.
    accept_missing_verifier: the loud opt-in for a provider of OAuth 1.0 without `a`, which sends no verifier: whoever
      authorizes last is connected (the session fixation of 2009 that RFC 5849 section 4.10 tells of).
    accept_xauth: the loud opt-in for connecting by the resource owner's password (`connections.xauth`).
    accept_password_grant: the same by OAuth 2.0, which RFC 9700 section 2.4 forbids (`connections.password`).
    accept_implicit_grant: the loud opt-in for tokens that the authorization endpoint gives out (RFC 6749 section 4.2),
      which RFC 9700 section 2.1.2 advises against (`connections.by_implicit`).
    clocks: what this process has learned of the provider's clocks.
    nonces: what its servers last wanted in proofs of possession, in this process (RFC 9449 section 8).
    client_secret_expires: the day, 2027-01-31, on which the provider stops taking the secret; empty: nobody said.
    kept_keys, kept_metadata: what it has fetched of an authorization server's keys and metadata.
    enrolment: how the client came to the server: `configured`; or at run time (`connections.enrolment`), by a
      `document` of ours that the server reads, or a `dynamic` registration there (RFC 7591).
    client_registration: what the operator says in place of a client; None where it is configured, or where somebody
      else named the resource.
    seat: of one that a resource's URL led to, where it may be used (`connections.seat`).
    stale: the server takes this client no more, or its secret has expired: it must enrol anew.
    registered_at: when the server made this client at run time (Unix seconds); 0 of every other.
    grant: what brings new tokens; only `connections.client` makes one that is not `authorization_code`.
    """

    name: str
    provider: Provider
    client: ClientCredentials | Client
    scope: tuple[str, ...]
    redirect_uri: str
    accept_missing_verifier: bool = False
    accept_xauth: bool = False
    accept_password_grant: bool = False
    accept_implicit_grant: bool = False
    clocks: ClockOffsets | None = None
    nonces: Nonces | None = None
    grant: GrantType = "authorization_code"
    client_secret_expires: str = ""
    kept_keys: KeptKeys | None = None
    kept_metadata: KeptMetadata | None = None
    enrolment: Enrolment = "configured"
    seat: str = ""
    stale: bool = False
    registered_at: int = 0
    client_registration: ClientRegistration | None = None

    def is_newer_than(self, consent: int) -> bool:
        """Whether the client was made after that consent (Unix seconds; 0: nobody knows), which another one was given.

        What was granted to one client is no other's (RFC 6749 section 6), who may be at another issuer, too.
        """
        return 0 < consent < self.registered_at - SKEW_SECONDS

    def is_anothers(self, client: tuple[str, str], *, consent: int) -> bool:
        """Whether what was granted to that `made_client` is not this one's; where it is not known, the times tell."""
        if not client[0]:
            return self.is_newer_than(consent)
        return self.is_elsewhere(client) or (self.enrolment != "configured" and client != self.made_client)

    def is_elsewhere(self, client: tuple[str, str]) -> bool:
        """Whether that `made_client` is at another issuer; False where either is not known."""
        issuer = getattr(self.provider.server, "issuer", None) or ""
        return client[0] not in ("", issuer) and bool(issuer)

    @property
    def by_url(self) -> bool:
        """Whether a resource's URL led to it, which anybody may have named: its issuer is somebody else's word."""
        return self.enrolment != "configured" and self.client_registration is None

    @property
    def keeps_client(self) -> bool:
        """Whether the client stands in the store, where it may be replaced."""
        return self.by_url or self.enrolment == "dynamic"

    @property
    def awaits_client(self) -> bool:
        """Whether it is configured, and its client has yet to be taken from the store."""
        return self.client_registration is not None and not getattr(self.client, "client_id", "")

    @property
    def made_client(self) -> tuple[str, str]:
        """The issuer and the client identifier there, of a client that was made at run time; of others both empty."""
        if self.enrolment == "configured":
            return "", ""
        return getattr(self.provider.server, "issuer", None) or "", getattr(self.client, "client_id", "")

    @property
    def takes_fragments(self) -> bool:
        """Whether its answers come in the fragment of the callback's address (RFC 6749 section 4.2.2)."""
        return getattr(self.provider.server, "response_type", "code") != "code"

    @property
    def renews_alone(self) -> bool:
        """Whether new tokens are had without a refresh token (RFC 6749 section 4.4)."""
        return self.grant == "client_credentials"


def register(
    name: str,
    provider: Provider,
    *,
    client_id: str = "",
    client_secret: Secret | None = None,
    private_key: PrivateKey | SigningFunction | None = None,
    redirect_uri: str,
    scope: tuple[str, ...] = (),
    application: str = "",
    signature_method: str = "",
    authorization_parameters: Pairs = (),
    accept_missing_verifier: bool = False,
    accept_xauth: bool = False,
    accept_password_grant: bool = False,
    accept_implicit_grant: bool = False,
    public_client: bool = False,
    token_endpoint_auth_method: str = "",
    resources: tuple[str, ...] = (),
    authorization_details: str = "",
    dpop_bound_access_tokens: bool = False,
    client_certificate: ClientCertificate | None = None,
    tls_client_certificate_bound_access_tokens: bool = False,
    client_secret_expires: str = "",
    response_mode: str = "",
    response_type: str = "",
    authorization_signed_response_alg: str = "",
    request_object_signing_alg: str = "",
    require_pushed_authorization_requests: bool = False,
    client_registration: str = "",
    grant_types: tuple[str, ...] = (),
    initial_access_token: Secret | None = None,
    software_statement: Secret | None = None,
) -> Registration:
    """The registration, its provider adjusted to it. Raises ConfigurationError with everything that is wrong.

    client_id: what the provider calls the application; left out only with `client_registration`.

    private_key: for the RSA methods of OAuth 1.0a and for private_key_jwt; a function
      `(algorithm, message) -> signature`, plain or async, for a key that stays in a key service.
    scope: empty asks for the provider's default.
    signature_method: of OAuth 1.0a; for OAuth 2.0 the algorithm of private_key_jwt.
    token_endpoint_auth_method: how the client proves who it is, where that is not as the provider's entry says.
    resources: what the tokens are for, as URIs (RFC 8707); empty leaves it to the provider's entry.
    authorization_details: a JSON array (RFC 9396); empty leaves it to the provider's entry.
    dpop_bound_access_tokens: bind tokens to a key of the connection's own (RFC 9449), also where the entry does not.
    client_certificate: what the client presents in TLS (RFC 8705), to prove who it is or to have tokens bound to it;
      without a secret and a private key it is the former.
    tls_client_certificate_bound_access_tokens: bind tokens to it, also where the entry does not.
    application: the name that the provider shows its user, where it takes one.
    authorization_parameters: replace the provider's own of the same name.
    client_secret_expires: the last day of the secret, such as 2027-01-31; the doctor warns before.
    response_type: what is asked of the authorization endpoint, where that is not as its entry says; anything but `code`
      needs accept_implicit_grant.
    response_mode: how the provider's answer comes back, where that is not as its entry says; where it ends in `jwt` it
      must be signed (JARM), with one of the entry's algorithms, or with `authorization_signed_response_alg` alone.
    request_object_signing_alg: authorization requests are signed with private_key (RFC 9101), whatever the entry says.
    require_pushed_authorization_requests: they are pushed (RFC 9126), also where the issuer leaves it open.
    public_client: there is no secret (RFC 6749 section 2.1); PKCE alone protects the code.
    client_registration: `dynamic` or `document` in place of a client identifier, see `providers.client_registration`,
      with grant_types (authorization codes and their refresh tokens where it is empty), initial_access_token and
      software_statement.
    """
    problems = of_the_other(name, provider.protocol, dict(locals()))  # every setting by its name: nothing else is there
    if not schema.is_context(name):
        problems.append(f"{name!r}: a registration is named with a-z, 0-9 and -")
    if provider.tenants is not None and not provider.tenant:
        problems.append(f"{name}: {provider.title} has a host for each tenant: use `register_tenants`")
    if client_secret_expires and not schema.is_date(client_secret_expires):
        problems.append(f"{name}: `client_secret_expires` must be a date such as 2027-01-31")
    told = (client_registration, grant_types, initial_access_token, software_statement)
    own: ClientRegistration | None = None
    if any(told) and provider.protocol == "oauth2":
        from valetkey.providers.client_registration import Told, read_client_registration

        beside = (client_id, bool(client_secret or client_secret_expires), redirect_uri, accept_password_grant)
        own = read_client_registration(name, provider, Told(*told, *beside), problems)
        client_id = own.document or client_id
    elif not client_id and not client_registration:
        problems.append(f"{name}: `client_id` is missing")
    scope = scope or provider.scope
    server = provider.server
    if authorization_parameters:
        server = replace(server, authorization_parameters=_merged(server, authorization_parameters))
    client: ClientCredentials | Client
    clocks: ClockOffsets | None = None
    kept_keys: KeptKeys | None = None
    kept_metadata: KeptMetadata | None = None
    nonces: Nonces | None = None
    client_certificate = client_certificate and _read_certificate(name, client_certificate, problems)
    if callable(private_key):
        private_key = PrivateKey(signer=private_key)
    if provider.protocol == "oauth1":
        from valetkey.providers.oauth1_client import oauth1_client

        server, client, clocks = oauth1_client(
            name,
            provider,
            server,  # type: ignore[arg-type] # of OAuth 1.0a
            method=signature_method,
            client_id=client_id,
            client_secret=client_secret,
            private_key=private_key,
            scope=scope,
            application=application,
            accepts=accept_missing_verifier,
            problems=problems,
        )
    else:
        from valetkey.oauth2.kept import KeptKeys, KeptMetadata
        from valetkey.providers.oauth2_client import Wishes, adjusted_server, oauth2_client

        wishes = Wishes(
            token_endpoint_auth_method=token_endpoint_auth_method,
            signing_alg=signature_method,
            resources=resources,
            authorization_details=authorization_details,
            bound=dpop_bound_access_tokens,
            certificate_bound=tls_client_certificate_bound_access_tokens,
            public=public_client or bool(own is not None and own.document and private_key is None),
            response_mode=response_mode,
            response_type=response_type,
            accept_implicit=accept_implicit_grant,
            response_alg=authorization_signed_response_alg,
            request_alg=request_object_signing_alg,
            pushed=require_pushed_authorization_requests,
        )
        kept_keys, kept_metadata = KeptKeys(), KeptMetadata()
        keyed = private_key is not None and not client_secret
        certified = client_certificate is not None and private_key is None and not client_secret
        server = adjusted_server(name, server, wishes, keyed=keyed, certified=certified, problems=problems)  # type: ignore[arg-type]
        if own is not None:
            chosen = bool(token_endpoint_auth_method) or public_client
            own = own.proving(name, server, chosen=chosen, private_key=private_key, problems=problems)
        client = oauth2_client(
            name,
            server,
            client_id=client_id,
            client_secret=client_secret,
            private_key=private_key,
            certificate=client_certificate,
            redirect_uri=redirect_uri,
            public=public_client or (own is not None and not client_secret),  # none is missing yet
            problems=problems,
        )
        if getattr(server, "response_type", "code") == "id_token token" and "openid" not in scope:
            problems.append(f"{name}: response_type id_token token needs openid in the `scope`")
        from valetkey.oauth2.dpop import Nonces

        nonces = Nonces()
    if problems:
        raise ConfigurationError(problems)
    return Registration(
        name,
        replace(provider, server=server),
        client,
        scope,
        redirect_uri,
        accept_missing_verifier=accept_missing_verifier,
        accept_xauth=accept_xauth,
        accept_password_grant=accept_password_grant,
        accept_implicit_grant=accept_implicit_grant,
        clocks=clocks,
        nonces=nonces,
        client_secret_expires=client_secret_expires,
        kept_keys=kept_keys,
        kept_metadata=kept_metadata,
        enrolment="configured" if own is None else own.way,
        client_registration=own,
    )


def _read_certificate(name: str, given: ClientCertificate, problems: list[str]) -> ClientCertificate:
    from valetkey.providers.certificates import read_client_certificate

    return read_client_certificate(name, given, problems)


def _merged(server: Server | AuthorizationServer, chosen: Pairs) -> Pairs:
    names = {name for name, _ in chosen}
    return (*(pair for pair in server.authorization_parameters if pair[0] not in names), *chosen)
