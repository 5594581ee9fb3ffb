"""The three steps of RFC 5849 section 2, and revocation: programs over signed requests.

    client                         server                         resource owner
      | request_temporary_credentials |                                 |
      |------------------------------>|                                 |
      |   authorization_url           |                                 |
      |---------------------------------------------------------------->|
      |                               |<------------- decides ----------|
      |<-------------------- callback with oauth_verifier --------------|
      | request_token_credentials     |                                 |
      |------------------------------>|                                 |

The one rule: a refused timestamp is tried once more, at the server's own time, and nothing else is tried again.
Not here: the callback and whose browser it is (`connections`).
"""

from __future__ import annotations

from valetkey.effects import CONFIGURED, Now, Send
from valetkey.errors import ConfigurationError
from valetkey.http import Headers, Request, percent_encode, read_url, with_query
from valetkey.oauth1 import answers
from valetkey.oauth1.sign import sign

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.effects import WireOp
    from valetkey.http import Pairs, Response
    from valetkey.oauth1.credentials import ClientCredentials, Server, TemporaryCredentials, TokenCredentials

OUT_OF_BAND = "oob"


def request_temporary_credentials(
    server: Server, client: ClientCredentials, *, callback: str, not_after: float
) -> WireOp[TemporaryCredentials]:
    """Temporary credentials for one authorization (section 2.1).

    callback: where the resource owner's browser returns; `oob` is sent instead where the provider takes only that.
    Raises ProviderError, MalformedResponse, TransportError, ConfigurationError.
    """
    sent = OUT_OF_BAND if server.callback_out_of_band else callback
    if sent != OUT_OF_BAND:
        _check_address(sent, "callback")
    response = yield from _exchange(
        server,
        client,
        method=server.endpoint_method,
        url=with_query(server.temporary_credentials_endpoint, server.temporary_credentials_parameters),
        token=None,
        extra_parameters=(("oauth_callback", sent),),
        not_after=not_after,
    )
    required = server.callback_confirmed_required
    return answers.read_temporary_credentials(response, callback_confirmed_required=required)


def authorization_url(server: Server, temporary: TemporaryCredentials) -> str:
    """Where to send the resource owner (section 2.2). Raises ConfigurationError."""
    _check_address(server.authorization_endpoint, "authorization_endpoint")
    named = ((server.authorization_token_parameter, temporary.identifier),)
    return with_query(server.authorization_endpoint, (*server.authorization_parameters, *named))


def request_token_credentials(
    server: Server,
    client: ClientCredentials,
    *,
    temporary: TemporaryCredentials,
    verifier: str | None,
    not_after: float,
) -> WireOp[TokenCredentials]:
    """Token credentials for what the resource owner authorized (section 2.3).

    verifier: from the callback; None only where the provider's entry says that it has none, else ConfigurationError:
    without it anybody's authorization could be finished here.
    Raises ProviderError, MalformedResponse, TransportError, ConfigurationError.
    """
    if not verifier and server.verifier_required:
        message = "the callback brought no oauth_verifier: refuse it, or set verifier_required = false for the provider"
        raise ConfigurationError(message)
    response = yield from _exchange(
        server,
        client,
        method=server.endpoint_method,
        url=server.token_endpoint,
        token=temporary,
        extra_parameters=(("oauth_verifier", verifier),) if verifier else (),
        not_after=not_after,
    )
    return answers.read_token_credentials(response)


def revoke_token_credentials(
    server: Server, client: ClientCredentials, *, token: TokenCredentials, not_after: float
) -> WireOp[bool]:
    """Whether the provider revoked the token; False where it has no endpoint for that (none is in RFC 5849).

    Raises ProviderError where it refused, TransportError where it did not answer.
    """
    if server.revocation_endpoint is None:
        return False
    response = yield from _exchange(
        server,
        client,
        method=server.revocation_method,
        url=server.revocation_endpoint.replace("{token}", percent_encode(token.identifier)),
        token=token,
        extra_parameters=(),
        not_after=not_after,
    )
    answers.check_success(response)
    return True


def _exchange(
    server: Server,
    client: ClientCredentials,
    *,
    method: str,
    url: str,
    token: TokenCredentials | TemporaryCredentials | None,
    extra_parameters: Pairs,
    not_after: float,
) -> WireOp[Response]:
    """The answer to a signed request; a refused timestamp is tried once more at the server's time (section 3.3)."""
    request = _unsigned(method, url, server.headers)
    response = yield from _send_signed(
        server, client, request, token=token, extra_parameters=extra_parameters, clock_offset=0, not_after=not_after
    )
    now = int((yield from Now()))
    offset = answers.clock_offset(response, now=now)
    if offset is None:
        return response
    if abs(offset) > answers.MAX_CLOCK_OFFSET_SECONDS:
        raise answers.clock_skew(now=now, offset=offset, status=response.status)
    again = yield from _send_signed(
        server,
        client,
        request,
        token=token,
        extra_parameters=extra_parameters,
        clock_offset=offset,
        not_after=not_after,
    )
    if again.status in (400, 401) and answers.problem(again) in (None, "timestamp_refused"):
        raise answers.clock_skew(now=now, offset=offset, status=again.status)
    return again


def _send_signed(
    server: Server,
    client: ClientCredentials,
    request: Request,
    *,
    token: TokenCredentials | TemporaryCredentials | None,
    extra_parameters: Pairs,
    clock_offset: int,
    not_after: float,
) -> WireOp[Response]:
    signed = yield from sign(
        request,
        client,
        token=token,
        signature_method=server.signature_method,
        placement=server.placement,
        realm=server.realm,
        extra_parameters=extra_parameters,
        body_hash=server.body_hash,
        clock_offset=clock_offset,
    )
    return (yield from Send(signed, CONFIGURED, not_after=not_after))


def _unsigned(method: str, url: str, headers: Pairs) -> Request:
    _check_address(url, "endpoint")
    return Request(method.upper(), url, Headers(headers))


def _check_address(url: str, name: str) -> None:
    try:
        _ = read_url(url)
    except ValueError as wrong:
        message = f"the {name} of the OAuth 1.0a server is no address: {wrong}"
        raise ConfigurationError(message) from None
