"""How a client proves who it is at an endpoint that we call directly (RFC 6749 section 2.3)."""

from __future__ import annotations

from binascii import b2a_base64

from valetkey.errors import ConfigurationError
from valetkey.http import percent_encode
from valetkey.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.http import Pairs
    from valetkey.oauth2.client import Client
    from valetkey.oauth2.server import AuthorizationServer


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
    if client.client_secret is None or method == "none":
        return ClientAuthentication(fields=(("client_id", client.client_id),))
    secret = client.client_secret.reveal()
    if method == "client_secret_post":
        return ClientAuthentication(fields=(("client_id", client.client_id), ("client_secret", secret)))
    if method == "client_secret_basic":
        return ClientAuthentication(headers=(("Authorization", _basic(server, client.client_id, secret)),))
    raise ConfigurationError(
        f"token_endpoint_auth_method {method!r} is not known: use none, client_secret_basic or client_secret_post"
    )


def _basic(server: AuthorizationServer, client_id: str, secret: str) -> str:
    # 6749 s2.3.1: both are form-encoded first, so that a colon in the identifier is not the separator
    if not server.basic_unencoded:
        client_id, secret = _form_encode(client_id), _form_encode(secret)
    elif ":" in client_id:
        raise ConfigurationError("a client identifier with a colon cannot be sent as Basic without form-encoding")
    return "Basic " + b2a_base64(f"{client_id}:{secret}".encode(), newline=False).decode()


def _form_encode(text: str) -> str:
    return percent_encode(text).replace("%20", "+")  # 6749 appendix B
