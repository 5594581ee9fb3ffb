"""Device authorization: the resource owner types a short code at another device (RFC 8628).

The one rule: nothing that came from the provider is shown to a person that could not stand in a page or a terminal.
Not here: how often to ask and what was granted to whom (`connections.device`).
"""

from __future__ import annotations

from valetkey.effects import Now
from valetkey.errors import ConfigurationError, MalformedResponse
from valetkey.http import is_loopback, read_url
from valetkey.oauth2.endpoint import ask
from valetkey.oauth2.error_response import error_response, read_answer
from valetkey.oauth2.requested import requested
from valetkey.oauth2.token import ask_for_tokens
from valetkey.secret import Secret
from valetkey.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from valetkey.effects import WireOp
    from valetkey.http import Response
    from valetkey.oauth2.client import Client
    from valetkey.oauth2.dpop import ProofKey
    from valetkey.oauth2.server import AuthorizationServer
    from valetkey.oauth2.token_response import TokenResponse

DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
DEFAULT_INTERVAL = 5  # 8628 s3.2
MAX_INTERVAL = 300
MAX_LIFETIME = 86_400
MAX_USER_CODE = 64
MAX_DEVICE_CODE = 4096
MAX_URL = 2048


@value
class DeviceCodes:
    """What the provider answered (RFC 8628 section 3.2).

    user_code: what the resource owner types in at verification_uri, printable ASCII.
    verification_uri_complete: the same page with the code in it, for a QR code; empty where there is none.
    expires_at: Unix seconds. interval: the least seconds between two requests for the token.
    """

    device_code: Secret
    user_code: str
    verification_uri: str
    verification_uri_complete: str
    expires_at: int
    interval: int


def request_device_codes(
    server: AuthorizationServer, client: Client, *, scope: tuple[str, ...] = (), not_after: float
) -> WireOp[DeviceCodes]:
    """A device code and the user code that belongs to it (RFC 8628 sections 3.1 and 3.2).

    Raises ConfigurationError where the server has no endpoint for it, ProviderError, MalformedResponse, TransportError.
    """
    if server.device_authorization_endpoint is None:
        message = "this provider's entry has no device_authorization_endpoint: it does not offer the device grant"
        raise ConfigurationError(message)
    endpoint, fields = server.device_authorization_endpoint, tuple(requested(server, scope))
    response = yield from ask(server, client, endpoint=endpoint, fields=fields, not_after=not_after)
    return read_device_codes(response, server=server, received_at=(yield from Now()))


def read_device_codes(response: Response, *, server: AuthorizationServer, received_at: float) -> DeviceCodes:
    """The codes in an answer; ProviderError for an error, MalformedResponse for what is neither."""
    if response.status != 200:
        raise error_response(server, response, received_at=received_at)
    try:
        members = read_answer(response)
    except ValueError as why:
        raise _malformed(f"a body that is {why}") from None
    if members.get("error"):  # some answer 200 with an error
        raise error_response(server, response, received_at=received_at, fields=members)
    # Google's name for it, from before the RFC
    page = members.get("verification_uri") or members.get("verification_url")
    complete = members.get("verification_uri_complete")
    return DeviceCodes(
        device_code=Secret(_text(members, "device_code", MAX_DEVICE_CODE)),
        user_code=_text(members, "user_code", MAX_USER_CODE),
        verification_uri=_page(page, server),
        verification_uri_complete=_page(complete, server) if complete else "",
        expires_at=int(received_at) + _seconds(members.get("expires_in"), MAX_LIFETIME, "expires_in"),
        interval=_interval(members.get("interval")),
    )


def device_token(
    server: AuthorizationServer,
    client: Client,
    *,
    device_code: Secret,
    proof_key: ProofKey | None = None,
    not_after: float,
) -> WireOp[TokenResponse]:
    """Ask once whether the resource owner has decided (RFC 8628 section 3.4).

    Raises ProviderError with `authorization_pending`, `slow_down`, `access_denied`, `expired_token` among its codes
    (section 3.5), MalformedResponse, TransportError.
    """
    grant = (("grant_type", DEVICE_CODE), ("device_code", device_code.reveal()))
    return (yield from ask_for_tokens(server, client, grant=grant, proof_key=proof_key, not_after=not_after))


def _malformed(what: str) -> MalformedResponse:
    return MalformedResponse(f"the device authorization endpoint answered with {what}", status=200)


def _text(members: dict[str, Any], name: str, limit: int) -> str:
    text = members.get(name)
    if not isinstance(text, str) or not 0 < len(text) <= limit or not text.isascii() or not text.isprintable():
        raise _malformed(f"no usable {name}")
    return text


def _page(text: object, server: AuthorizationServer) -> str:
    """A page that a person is sent to: https, and http only on loopback where the server itself is there."""
    if not isinstance(text, str) or len(text) > MAX_URL:
        raise _malformed("no usable verification_uri")
    try:
        url = read_url(text)
    except ValueError:
        raise _malformed("no usable verification_uri") from None
    local = url.scheme == "http" and is_loopback(url.host) and is_loopback(read_url(server.token_endpoint).host)
    if url.scheme != "https" and not local:
        raise _malformed("a verification_uri that is not https")
    return text


def _seconds(found: object, limit: int, name: str) -> int:
    if isinstance(found, str) and found.isascii() and found.isdigit() and len(found) < 10:
        found = int(found)
    if isinstance(found, bool) or not isinstance(found, int | float) or not 0 < found <= limit:
        raise _malformed(f"no usable {name}")
    return max(1, int(found))


def _interval(found: object) -> int:
    if found is None:
        return DEFAULT_INTERVAL
    return _seconds(found, MAX_INTERVAL, "interval")
