"""The client is who it says (token, revocation and introspection endpoints)."""

from __future__ import annotations

from valetkey.http import percent_decode
from valetkey.sandbox.exchange import Exchange, Refusal
from valetkey.secret import constant_time_equal

DUMMY_SECRET = "a secret that nobody has, so that unknown clients take as long as known ones"  # noqa: S105
NO_METHOD = ("none", "", "")


def client_authenticated(exchange: Exchange) -> None:
    """RFC 6749 sections 2.3 and 5.2: one method, the registered one, and the right secret. Sets `client`."""
    method, client_id, secret = _presented(exchange)
    client = exchange.sandbox.client(client_id)
    known = client.secret.reveal() if client is not None and client.secret is not None else DUMMY_SECRET
    right = constant_time_equal(secret, known)
    if client is None:
        raise _refused("The client is not known or its secret is wrong.")
    if client.public:
        if method != "none":
            raise _refused("This client is public: it has no secret to send.")
    elif method == "none":
        raise _refused("This client must authenticate with its secret.")
    elif client.authentication not in ("any_secret", method):
        raise _refused("This client is registered for another authentication method.")
    elif not right:
        raise _refused("The client is not known or its secret is wrong.")
    exchange.notes["client_id"] = client.client_id
    exchange.client = client


def _presented(exchange: Exchange) -> tuple[str, str, str]:
    """Method, client identifier, secret. 2.3: a client must not use more than one method in each request."""
    headers = exchange.request.headers.all("Authorization")
    client_id, secret = exchange.parameter("client_id"), exchange.parameter("client_secret")
    if len(headers) > 1:
        raise _refused("There is more than one Authorization header.")
    if any(name in ("client_assertion", "client_assertion_type") for name, _ in exchange.form):
        raise _refused("Client assertions are not supported.")
    if not headers:
        return ("none" if secret is None else "client_secret_post", client_id or "", secret or "")
    if secret is not None:
        raise _refused("The client authenticates in two ways at once.")
    basic_id, basic_secret = _read_basic(headers[0])
    if client_id is not None and client_id != basic_id:
        raise _refused("The client_id of the body is not that of the Authorization header.")
    return "client_secret_basic", basic_id, basic_secret


def _read_basic(header: str) -> tuple[str, str]:
    """RFC 6749 section 2.3.1: both halves are form-encoded before base64."""
    from base64 import b64decode

    scheme, _, credentials = header.partition(" ")
    if scheme.lower() != "basic":
        raise _refused("The Authorization header is not Basic.")
    try:
        text = b64decode(credentials.strip(" "), validate=True).decode()
        client_id, colon, secret = text.partition(":")
        if not colon:
            raise ValueError  # noqa: TRY301 - the same answer as for bad base64
        return percent_decode(client_id, plus_is_space=True), percent_decode(secret, plus_is_space=True)
    except ValueError:
        raise _refused("The Basic credentials are not base64 of a form-encoded id and secret.") from None


def _refused(description: str) -> Refusal:
    return Refusal("invalid_client", description, status=401)
