"""How an authorization response goes back to the client: in the query, posted by a page, or either way as a signed JWT.

    fragment                     a redirect, for tokens alone (RFC 6749 section 4.2.2)
    query, query.jwt, jwt        a redirect (Multiple Response Type Encoding Practices section 2.1; JARM section 2.3)
    form_post, form_post.jwt     a page whose form is posted to the redirect URI (Form Post Response Mode section 2)

The one rule: every answer to a client goes out here, the errors too, in the mode that the request asked for.
"""

from __future__ import annotations

from valetkey.http import with_query, write_form
from valetkey.sandbox.answers import redirect_answer
from valetkey.sandbox.clients import IMPLICIT
from valetkey.sandbox.pages import render
from valetkey.sandbox.signing import signed
from valetkey.sandbox.spoilt import spoil

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.http import Pairs, Response
    from valetkey.sandbox.clients import SandboxClient
    from valetkey.sandbox.exchange import Exchange

RESPONSE_MODES = ("query", "form_post", "jwt", "query.jwt", "form_post.jwt")
TOKEN_RESPONSES = ("token", "id_token token")
RESPONSE_SECONDS = 300  # JARM section 2.1: at most ten minutes


def response_mode(exchange: Exchange) -> str:
    """The mode that the request asks for: `query` where it names none, more than one, or one that there is not.

    Where a client that may do so asks for tokens, the answer to it comes in the fragment, errors too (6749 s4.2.2.1).
    """
    if exchange.parameter("response_type") in TOKEN_RESPONSES and IMPLICIT in exchange.client.grant_types:
        return "fragment"
    asked = [text for name, text in exchange.query + exchange.form if name == "response_mode"]
    return asked[0] if len(asked) == 1 and asked[0] in RESPONSE_MODES else "query"


def answer_client(
    exchange: Exchange, pairs: Pairs, *, client: SandboxClient, redirect_uri: str, state: str | None, mode: str
) -> Response:
    """The authorization response: these parameters, with `state` as it came and `iss` (RFC 9207 section 2)."""
    said: dict[str, object] = dict(pairs)
    if state is not None:
        said["state"] = state
    if mode.endswith("jwt"):
        fields: Pairs = (("response", _signed_answer(exchange, said, client)),)
    else:
        if exchange.sandbox.iss_in_responses:
            said["iss"] = exchange.sandbox.issuer
        fields = tuple((name, str(text)) for name, text in spoil(said, exchange.fault, now=exchange.now).items())
    if mode.startswith("form_post"):
        return render(
            exchange.sandbox,
            "form_post.html",
            title="Back to the application",
            leads_to=redirect_uri,
            posts_itself=True,
            action=redirect_uri,
            fields=fields,
        )
    if mode == "fragment":
        return redirect_answer(f"{redirect_uri}#{write_form(fields)}")
    return redirect_answer(with_query(redirect_uri, fields))


def _signed_answer(exchange: Exchange, said: dict[str, object], client: SandboxClient) -> str:
    claims = {
        "iss": exchange.sandbox.issuer,
        "aud": client.client_id,
        "exp": int(exchange.now) + RESPONSE_SECONDS,
        **said,
    }
    return signed(exchange, claims, client=client, algorithm=client.authorization_signed_response_alg)
