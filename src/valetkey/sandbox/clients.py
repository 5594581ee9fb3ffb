"""Who is registered with the sandbox: clients and accounts, as values."""

from __future__ import annotations

from valetkey.errors import ConfigurationError
from valetkey.http import is_loopback, read_url
from valetkey.secret import Secret
from valetkey.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal, TypeAlias

    from valetkey.sandbox.signing import Algorithm

    RotationMode: TypeAlias = Literal["none", "stable", "window", "until_new_used", "strict", "strict_family"]
    ClientAuthentication: TypeAlias = Literal[
        "any_secret", "client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt", "none"
    ]

ROTATION_MODES = ("none", "stable", "window", "until_new_used", "strict", "strict_family")
SIGNATURE_METHODS = (
    "HMAC-SHA1",
    "HMAC-SHA256",
    "HMAC-SHA512",
    "RSA-SHA1",
    "RSA-SHA256",
    "RSA-SHA512",
    "RSA-PSS",
    "PLAINTEXT",
)
OUT_OF_BAND = "oob"
DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"  # noqa: S105 - a name, not a secret
PASSWORD = "password"  # noqa: S105 - as above
IMPLICIT = "implicit"  # of RFC 7591 section 2: no grant type of the token endpoint
GRANT_TYPES = (
    "authorization_code",
    "refresh_token",
    "client_credentials",
    DEVICE_CODE,
    JWT_BEARER,
    TOKEN_EXCHANGE,
)
READ = "read"
WRITE = "write"
OPENID = "openid"
DETAILS_TYPES = ("payment_initiation", "account_information")  # 9396 s2


@value
class SandboxClient:
    """A client as the provider registered it, for OAuth 2.0, OAuth 1.0a or both.

    secret: None for a public client (RFC 6749 section 2.1).
    redirect_uris: compared as they are, character by character (RFC 9700 section 2.1).
    callbacks: OAuth 1.0a callbacks, compared without their query, which belongs to the client; `oob` among them allows
    out-of-band verifiers.
    rotation: `none` (the refresh token stays and is not repeated), `stable` (it stays and is repeated), `window` (the
    previous one works for window_seconds after its first use), `until_new_used` (it works until its successor is used),
    `strict` (it works once), `strict_family` (and using it again revokes everything of its grant).
    reuse_kills_family: None is the mode's habit: all but `none`, `stable` and `strict` do.
    old_access_dies: whether a refresh ends the earlier access tokens of its grant.
    resource_server: may introspect the tokens of every client.
    oauth1_token_seconds: how long OAuth 1.0a tokens work; 0: until they are revoked. They are renewed at /oauth1/renew.
    session_handles: whether they come with an `oauth_session_handle` and are renewed by it, for new ones; otherwise
    renewing prolongs the same token.
    callback_at_authorization: the callback comes to the authorization page, as at providers of OAuth 1.0.
    public_key: PEM of the RSA or P-256 key that signs its own assertions (private_key_jwt) and request objects.
    require_pushed_authorization_requests, require_signed_request_object, dpop_bound_access_tokens: what their RFCs
    (9126, 9101, 9449) let a client be registered for; each may be done without being required.
    assertion_public_key: PEM of the RSA key whose JWTs (RS256) vouch for accounts, for the grant of RFC 7523.
    grant_types: what it may ask the token endpoint for; `password` must be named, and `implicit`, with which the
    authorization endpoint gives it tokens.
    userinfo_signed_response_alg: how userinfo is signed; empty: it is plain JSON.
    id_token_signed_response_alg, authorization_signed_response_alg: how its id_tokens, and its authorization responses
      where it wants them signed (JARM section 3), are signed.
    authorization_details_types: which it may ask for (RFC 9396 section 10).
    xauth: whether /oauth1/token takes a user name and a password.
    """

    client_id: str
    secret: Secret | None = None
    redirect_uris: tuple[str, ...] = ()
    callbacks: tuple[str, ...] = ()
    name: str = ""
    scopes: tuple[str, ...] = (READ, WRITE)
    authentication: ClientAuthentication = "any_secret"
    pkce_required: bool = True
    rotation: RotationMode = "strict"
    window_seconds: int = 60
    reuse_kills_family: bool | None = None
    old_access_dies: bool = False
    refresh_tokens: bool = True
    access_token_seconds: int = 3600
    rsa_public_key: str = ""
    signature_methods: tuple[str, ...] = SIGNATURE_METHODS
    resource_server: bool = False
    oauth1_token_seconds: int = 0
    session_handles: bool = False
    callback_at_authorization: bool = False
    xauth: bool = False
    grant_types: tuple[str, ...] = GRANT_TYPES
    assertion_public_key: str = ""
    public_key: str = ""
    require_pushed_authorization_requests: bool = False
    require_signed_request_object: bool = False
    dpop_bound_access_tokens: bool = False
    id_token_signed_response_alg: Algorithm = "RS256"  # noqa: S105 - an algorithm, not a secret
    authorization_signed_response_alg: Algorithm = "RS256"
    userinfo_signed_response_alg: Algorithm | Literal[""] = ""
    authorization_details_types: tuple[str, ...] = DETAILS_TYPES

    def __post_init__(self) -> None:
        from valetkey.oauth1.verify import is_rsa_public_key

        problems = []
        if not self.client_id or not self.client_id.isascii() or not self.client_id.isprintable():
            problems.append("a sandbox client needs a client_id of printable ASCII")
        if self.rotation not in ROTATION_MODES:
            problems.append(f"client {self.client_id!r}: rotation is one of {', '.join(ROTATION_MODES)}")
        if self.secret is None and self.authentication not in ("any_secret", "none", "private_key_jwt"):
            problems.append(f"client {self.client_id!r}: {self.authentication} needs a secret")
        if (self.authentication == "private_key_jwt" or self.require_signed_request_object) and not self.public_key:
            problems.append(f"client {self.client_id!r}: it signs, so it needs its public_key here")
        problems += [
            f"client {self.client_id!r}: redirect URI {uri!r} must be absolute, without a fragment, and use https "
            "or a loopback host or a scheme of its own"
            for uri in self.redirect_uris
            if not _can_be_redirected_to(uri)
        ]
        problems += [
            f"client {self.client_id!r}: callback {uri!r} must be absolute and without query and fragment, or 'oob'"
            for uri in self.callbacks
            if uri != OUT_OF_BAND and ("?" in uri or not _can_be_redirected_to(uri))
        ]
        if self.rsa_public_key and not is_rsa_public_key(self.rsa_public_key):
            problems.append(f"client {self.client_id!r}: rsa_public_key is the PEM text of an RSA public key")
        if self.public_key and not _is_usable_key(self.public_key):
            problems.append(f"client {self.client_id!r}: public_key is the PEM text of an RSA or P-256 public key")
        if self.assertion_public_key and not is_rsa_public_key(self.assertion_public_key):
            problems.append(f"client {self.client_id!r}: assertion_public_key is the PEM text of an RSA public key")
        if problems:
            raise ConfigurationError(problems)

    @property
    def title(self) -> str:
        """What the consent page calls it."""
        return self.name or self.client_id

    @property
    def public(self) -> bool:
        """Whether it has nothing to authenticate with."""
        return self.secret is None and self.authentication != "private_key_jwt"


def _can_be_redirected_to(uri: str) -> bool:
    scheme, separator, _ = uri.partition(":")
    if not separator or "#" in uri or not uri.isascii() or not uri.isprintable() or " " in uri:
        return False
    if scheme.lower() not in ("http", "https"):
        return "." in scheme and scheme.replace(".", "").replace("-", "").isalnum()  # RFC 8252 section 7.1
    try:
        return scheme.lower() == "https" or is_loopback(read_url(uri).host)
    except ValueError:
        return False


def _is_usable_key(pem: str) -> bool:
    from valetkey.sandbox.client_jwt import verification_key

    try:
        _ = verification_key(pem)
    except ValueError:
        return False
    return True


@value
class SandboxAccount:
    """Someone who can sign in. The password is shown on the page: it is a sandbox."""

    name: str
    title: str
    password: str


DEMO_ACCOUNTS = (
    SandboxAccount("alice", "Alice Liddell", "wonderland"),
    SandboxAccount("bob", "Bob Sawyer", "pickwick"),
)


def demo_clients(
    *, redirect_uris: tuple[str, ...] = (), callbacks: tuple[str, ...] = (), access_token_seconds: int = 3600
) -> tuple[SandboxClient, ...]:
    """Four clients to begin with: one for OAuth 1.0a, two for OAuth 2.0 (confidential, public), a resource server."""
    return (
        SandboxClient(
            "demo-oauth1", Secret("demo-oauth1-secret"), callbacks=(*callbacks, OUT_OF_BAND), name="Demo (OAuth 1.0a)"
        ),
        SandboxClient(
            "demo-oauth2",
            Secret("demo-oauth2-secret"),
            redirect_uris=redirect_uris,
            name="Demo (OAuth 2.0)",
            scopes=(READ, WRITE, OPENID),
            rotation="strict_family",
            access_token_seconds=access_token_seconds,
        ),
        SandboxClient(
            "demo-public",
            redirect_uris=redirect_uris,
            name="Demo (public client)",
            scopes=(READ, WRITE, OPENID),
            authentication="none",
            rotation="strict_family",
            access_token_seconds=access_token_seconds,
        ),
        SandboxClient(
            "demo-resource-server", Secret("demo-resource-server-secret"), name="Demo API", resource_server=True
        ),
    )


def old_grant_clients(
    *, redirect_uris: tuple[str, ...] = (), access_token_seconds: int = 3600
) -> tuple[SandboxClient, ...]:
    """Two clients for grants that RFC 9700 advises against, to try opt-ins on: the password grant, the implicit one.

    They are no demo clients: a provider says that it offers the implicit grant as soon as somebody may use it.
    """
    return (
        SandboxClient(
            "demo-password",
            Secret("demo-password-secret"),
            name="Demo (password grant)",
            grant_types=(PASSWORD, "refresh_token"),
            access_token_seconds=access_token_seconds,
        ),
        SandboxClient(
            "demo-implicit",
            Secret("demo-implicit-secret"),
            redirect_uris=redirect_uris,
            name="Demo (implicit grant)",
            scopes=(READ, WRITE, OPENID),
            grant_types=(IMPLICIT,),
            access_token_seconds=access_token_seconds,
        ),
    )
