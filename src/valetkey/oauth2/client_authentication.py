"""How a client proves who it is at an endpoint that we call directly (RFC 6749 section 2.3)."""

from __future__ import annotations

from binascii import b2a_base64

from valetkey.effects import Random
from valetkey.errors import ConfigurationError
from valetkey.http import base64url, percent_encode
from valetkey.oauth2.server import TLS_METHODS
from valetkey.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.effects import WireOp
    from valetkey.http import Pairs
    from valetkey.oauth2.client import Client
    from valetkey.oauth2.server import AuthorizationServer

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ASSERTION_SECONDS = 60
JTI_OCTETS = 16
SIGNED_METHODS = ("private_key_jwt", "client_secret_jwt")


@value
class ClientAuthentication:
    """What authenticates a request: header fields, and fields of its body. Prints neither."""

    headers: Pairs = ()
    fields: Pairs = ()

    def __repr__(self) -> str:
        return "ClientAuthentication(***)"


def client_authentication(server: AuthorizationServer, client: Client) -> ClientAuthentication:
    """The client's authentication in the server's method; never two methods at once (RFC 6749 section 2.3).

    A client without a secret is a public one: it sends its identifier in the body (section 3.2.1).
    """
    method = server.token_endpoint_auth_method
    if method in SIGNED_METHODS:
        raise ConfigurationError(f"{method} is signed for each request: send it with valetkey.oauth2.endpoint.ask")
    if client.client_secret is None or method == "none" or method in TLS_METHODS:  # 8705 s2: client_id is always sent
        return ClientAuthentication(fields=(("client_id", client.client_id),))
    secret = client.client_secret.reveal()
    if method == "client_secret_post":
        return ClientAuthentication(fields=(("client_id", client.client_id), ("client_secret", secret)))
    if method == "client_secret_basic":
        return ClientAuthentication(headers=(("Authorization", _basic(server, client.client_id, secret)),))
    raise ConfigurationError(
        f"token_endpoint_auth_method {method!r} is not known: use none, client_secret_basic, client_secret_post, "
        "client_secret_jwt, private_key_jwt, tls_client_auth or self_signed_tls_client_auth"
    )


def authenticate(server: AuthorizationServer, client: Client, *, now: float) -> WireOp[ClientAuthentication]:
    """The same for every method: an assertion is signed where the method wants one (RFC 7523 section 2.2).

    Raises ConfigurationError where the key or secret that the method needs is missing or unusable.
    """
    method = server.token_endpoint_auth_method
    if method not in SIGNED_METHODS:
        return client_authentication(server, client)
    assertion = yield from client_assertion(server, client, now=now)
    fields = (("client_id", client.client_id), ("client_assertion_type", ASSERTION_TYPE))
    return ClientAuthentication(fields=(*fields, ("client_assertion", assertion)))


def client_assertion(server: AuthorizationServer, client: Client, *, now: float) -> WireOp[str]:
    """A JWT that says who the client is, once and for a minute (RFC 7523 section 3).

    Its audience is the issuer identifier alone, as a text (draft-ietf-oauth-rfc7523bis section 4): an endpoint's URL
    may come from the metadata of a server that wants the assertion for use elsewhere (CVE-2025-27371).
    """
    from valetkey.oauth2.signed_jwt import authenticate_jwt, key_id, sign_jwt

    if not server.issuer:
        raise ConfigurationError("a signed client assertion is addressed to the issuer: configure the server's issuer")
    claims = {
        "iss": client.client_id,
        "sub": client.client_id,
        "aud": server.issuer,
        "jti": base64url((yield from Random(JTI_OCTETS))),
        "iat": int(now),
        "exp": int(now) + ASSERTION_SECONDS,
    }
    header = {"typ": "client-authentication+jwt"}
    if server.token_endpoint_auth_method == "client_secret_jwt":  # noqa: S105 - a method, not a secret
        if not client.client_secret:
            raise ConfigurationError("client_secret_jwt needs the client's secret: configure it")
        return authenticate_jwt(client.client_secret, header=header, claims=claims)
    if client.private_key is None:
        raise ConfigurationError("private_key_jwt needs the client's private key: configure it")
    header["kid"] = yield from key_id(client.private_key)
    algorithm = server.token_endpoint_auth_signing_alg
    return (yield from sign_jwt(client.private_key, algorithm, header=header, claims=claims))


def _basic(server: AuthorizationServer, client_id: str, secret: str) -> str:
    # 6749 s2.3.1: both are form-encoded first, so that a colon in the identifier is not the separator
    if not server.basic_unencoded:
        client_id, secret = _form_encode(client_id), _form_encode(secret)
    elif ":" in client_id:
        raise ConfigurationError("a client identifier with a colon cannot be sent as Basic without form-encoding")
    return "Basic " + b2a_base64(f"{client_id}:{secret}".encode(), newline=False).decode()


def _form_encode(text: str) -> str:
    return percent_encode(text).replace("%20", "+")  # 6749 appendix B
