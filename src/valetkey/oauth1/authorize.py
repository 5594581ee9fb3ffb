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
clocks: what is remembered of servers' clocks, so that the next request is signed rightly at once.
Not here: the callback and whose browser it is (`connections`).
"""

from __future__ import annotations

from valetkey.effects import CONFIGURED, Now, Send
from valetkey.errors import ConfigurationError
from valetkey.http import FORM, Headers, Request, percent_encode, read_url, with_query, write_form
from valetkey.oauth1 import answers
from valetkey.oauth1.sign import sign_for

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.effects import WireOp
    from valetkey.http import Pairs, Response
    from valetkey.oauth1.clocks import ClockOffsets
    from valetkey.oauth1.credentials import ClientCredentials, Server, TemporaryCredentials, TokenCredentials

OUT_OF_BAND = "oob"


def request_temporary_credentials(
    server: Server, client: ClientCredentials, *, callback: str, not_after: float, clocks: ClockOffsets | None = None
) -> WireOp[TemporaryCredentials]:
    """Temporary credentials for one authorization (section 2.1).

    callback: where the resource owner's browser returns; `oob` is sent instead where the provider takes only that, or
      shows the verifier to the resource owner.
    Raises ProviderError, MalformedResponse, TransportError, ConfigurationError.
    """
    sent = OUT_OF_BAND if server.callback_out_of_band or server.verifier_typed else callback
    if sent != OUT_OF_BAND:
        _check_address(sent, "callback")
    response = yield from exchange(
        server,
        client,
        method=server.temporary_credentials_method or server.endpoint_method,
        url=with_query(server.temporary_credentials_endpoint, server.temporary_credentials_parameters),
        token=None,
        extra_parameters=() if server.callback_in_authorization else (("oauth_callback", sent),),
        not_after=not_after,
        clocks=clocks,
    )
    required = server.callback_confirmed_required
    return answers.read_temporary_credentials(response, callback_confirmed_required=required, errors=server.errors)


def authorization_url(server: Server, temporary: TemporaryCredentials, *, callback: str = "") -> str:
    """Where to send the resource owner (section 2.2). Raises ConfigurationError.

    callback: goes along only where the provider takes it there (`callback_in_authorization`).
    """
    _check_address(server.authorization_endpoint, "authorization_endpoint")
    named: Pairs = ((server.authorization_token_parameter, temporary.identifier),)
    if server.callback_in_authorization and callback:
        named = (*named, ("oauth_callback", callback))
    return with_query(server.authorization_endpoint, (*server.authorization_parameters, *named))


def request_token_credentials(
    server: Server,
    client: ClientCredentials,
    *,
    temporary: TemporaryCredentials,
    verifier: str | None,
    not_after: float,
    clocks: ClockOffsets | None = None,
) -> WireOp[TokenCredentials]:
    """Token credentials for what the resource owner authorized (section 2.3).

    verifier: from the callback; None only where the provider's entry says that it has none, else ConfigurationError:
    without it anybody's authorization could be finished here.
    Raises ProviderError, MalformedResponse, TransportError, ConfigurationError.
    """
    if not verifier and server.verifier_required:
        message = "the callback brought no oauth_verifier: refuse it, or set verifier_required = false for the provider"
        raise ConfigurationError(message)
    response = yield from exchange(
        server,
        client,
        method=server.token_method or server.endpoint_method,
        url=server.token_endpoint,
        token=temporary,
        extra_parameters=(("oauth_verifier", verifier),) if verifier else (),
        not_after=not_after,
        clocks=clocks,
    )
    return answers.read_token_credentials(response, errors=server.errors)


def revoke_token_credentials(
    server: Server,
    client: ClientCredentials,
    *,
    token: TokenCredentials,
    not_after: float,
    clocks: ClockOffsets | None = None,
) -> WireOp[bool]:
    """Whether the provider revoked the token; False where it has no endpoint for that (none is in RFC 5849).

    Raises ProviderError where it refused, TransportError where it did not answer.
    """
    if server.revocation_endpoint is None:
        return False
    response = yield from exchange(
        server,
        client,
        method=server.revocation_method,
        url=server.revocation_endpoint.replace("{token}", percent_encode(token.identifier)),
        token=token,
        extra_parameters=(),
        not_after=not_after,
        clocks=clocks,
    )
    answers.check_success(response, errors=server.errors)
    return True


def exchange(
    server: Server,
    client: ClientCredentials,
    *,
    method: str,
    url: str,
    token: TokenCredentials | TemporaryCredentials | None,
    extra_parameters: Pairs,
    not_after: float,
    form: Pairs = (),
    clocks: ClockOffsets | None = None,
) -> WireOp[Response]:
    """The answer to a signed request; a refused timestamp is tried once more at the server's time (section 3.3).

    form: what is sent as the body.
    """
    request = _unsigned(method, url, server.headers, form)
    host = read_url(url).host
    known = clocks.of(host) if clocks is not None else 0
    signed = yield from sign_for(
        server, request, client, token=token, extra_parameters=extra_parameters, clock_offset=known
    )
    response = yield from Send(signed, CONFIGURED, not_after=not_after)
    now = int((yield from Now()))
    offset = answers.clock_offset(response, now=now)
    if offset is None or (abs(offset - known) <= 1 and answers.problem(response) != "timestamp_refused"):
        return response
    if abs(offset) > answers.MAX_CLOCK_OFFSET_SECONDS:
        raise answers.clock_skew(now=now, offset=offset, status=response.status)
    signed = yield from sign_for(
        server, request, client, token=token, extra_parameters=extra_parameters, clock_offset=offset
    )
    again = yield from Send(signed, CONFIGURED, not_after=not_after)
    if again.status in (400, 401) and answers.problem(again) in (None, "timestamp_refused"):
        raise answers.clock_skew(now=now, offset=offset, status=again.status)
    if clocks is not None:
        clocks.learn(host, offset)
    return again


def _unsigned(method: str, url: str, headers: Pairs, form: Pairs) -> Request:
    _check_address(url, "endpoint")
    if not form:
        return Request(method.upper(), url, Headers(headers))
    return Request(method.upper(), url, Headers((*headers, ("Content-Type", FORM))), write_form(form).encode())


def _check_address(url: str, name: str) -> None:
    try:
        _ = read_url(url)
    except ValueError as wrong:
        message = f"the {name} of the OAuth 1.0a server is no address: {wrong}"
        raise ConfigurationError(message) from None
