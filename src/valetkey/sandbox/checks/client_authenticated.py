"""The client is who it says (token, revocation and introspection endpoints)."""

from __future__ import annotations

from valetkey.http import percent_decode
from valetkey.oauth2.client_authentication import ASSERTION_TYPE
from valetkey.oauth2.jws import read_jws
from valetkey.sandbox.client_jwt import SKEW_SECONDS, read_client_jwt
from valetkey.sandbox.exchange import Exchange, Refusal
from valetkey.sandbox.state import fingerprint
from valetkey.secret import constant_time_equal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.sandbox.clients import SandboxClient

DUMMY_SECRET = "a secret that nobody has, so that unknown clients take as long as known ones"  # noqa: S105
ASSERTIONS = ("client_secret_jwt", "private_key_jwt")


def client_authenticated(exchange: Exchange) -> None:
    """RFC 6749 sections 2.3 and 5.2: one method, the registered one, and the right secret. Sets `client`."""
    method, client_id, secret = _presented(exchange)
    client = exchange.sandbox.client(client_id)
    right = _is_right(exchange, client, method, secret)
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


def _is_right(exchange: Exchange, client: SandboxClient | None, method: str, secret: str) -> bool:
    if method not in ASSERTIONS:
        known = client.secret.reveal() if client is not None and client.secret is not None else DUMMY_SECRET
        return constant_time_equal(secret, known)
    if client is None or client.public:
        return False
    try:
        found = read_client_jwt(exchange.sandbox, client, secret, alone=True)
    except ValueError as why:
        raise _refused(f"The client assertion is refused: {why}.") from None
    token_id, state = found.claims.get("jti"), exchange.sandbox.state
    if found.claims.get("sub") != client.client_id or not isinstance(token_id, str):
        raise _refused("The client assertion has no jti, or its sub is not this client.")
    if found.type not in ("", "jwt", "client-authentication+jwt"):
        raise _refused("The client assertion is another kind of token.")
    used = fingerprint(f"client {client.client_id} {token_id}")
    if used in state.assertions:  # 7523 s3: only once
        raise _refused("The client assertion was used before.")
    state.assertions[used] = found.claims["exp"] + SKEW_SECONDS
    return True


def _presented(exchange: Exchange) -> tuple[str, str, str]:
    """Method, client identifier, secret or assertion. 2.3: not more than one method in each request."""
    headers = exchange.request.headers.all("Authorization")
    client_id, secret = exchange.parameter("client_id"), exchange.parameter("client_secret")
    if len(headers) > 1:
        raise _refused("There is more than one Authorization header.")
    assertion, kind = exchange.parameter("client_assertion"), exchange.parameter("client_assertion_type")
    if assertion is not None or kind is not None:
        if headers or secret is not None or assertion is None or kind != ASSERTION_TYPE:
            raise _refused("The client authenticates in two ways at once, or with half of an assertion.")
        return _read_assertion(assertion, client_id)
    if not headers:
        return ("none" if secret is None else "client_secret_post", client_id or "", secret or "")
    if secret is not None:
        raise _refused("The client authenticates in two ways at once.")
    basic_id, basic_secret = _read_basic(headers[0])
    if client_id is not None and client_id != basic_id:
        raise _refused("The client_id of the body is not that of the Authorization header.")
    return "client_secret_basic", basic_id, basic_secret


def _read_assertion(assertion: str, client_id: str | None) -> tuple[str, str, str]:
    """RFC 7523 section 3: the client is the subject; a client_id beside it must be the same (7521 section 4.2)."""
    try:
        jws = read_jws(assertion)
    except ValueError:
        raise _refused("The client assertion is not a signed JWT.") from None
    subject = jws.claims.get("sub")
    if not isinstance(subject, str) or client_id not in (None, subject):
        raise _refused("The client_id is not the subject of the assertion.")
    return ASSERTIONS[0] if jws.algorithm == "HS256" else ASSERTIONS[1], subject, assertion


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
