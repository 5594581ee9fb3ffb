"""How a refusal reads in each dialect: JSON, an answer to the client, a page, `oauth_problem`, a bearer challenge.

The one rule: nothing of the request is repeated in an answer to it, except `state` to a redirect URI that was proved.
"""

from __future__ import annotations

from valetkey.sandbox.answers import form_answer, json_answer
from valetkey.sandbox.pages import render
from valetkey.sandbox.responses import answer_client, response_mode
from valetkey.value import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.http import Response
    from valetkey.sandbox.exchange import Exchange, Refusal

REALM = "valetkey sandbox"
RESOURCE_METADATA = "/.well-known/oauth-protected-resource"


def as_json(_: Exchange, refusal: Refusal) -> Response:
    """The error of RFC 6749 section 5.2; a 401 says how to authenticate."""
    headers = [("WWW-Authenticate", f'Basic realm="{REALM}", charset="UTF-8"')] if refusal.status == 401 else []
    headers += _more(refusal)
    fields = {"error": refusal.error, "error_description": refusal.description}
    return json_answer(fields, status=refusal.status, headers=headers)


def as_redirect(exchange: Exchange, refusal: Refusal) -> Response:
    """The error of RFC 6749 section 4.1.2.1, to the redirect URI once it is proved to be the client's; else a page."""
    if not hasattr(exchange, "redirect_uri"):
        return as_page(exchange, refusal)
    once = [name for name, _ in exchange.query + exchange.form].count("state") == 1
    return answer_client(
        exchange,
        (("error", refusal.error), ("error_description", refusal.description)),
        client=exchange.client,
        redirect_uri=exchange.redirect_uri,
        state=exchange.parameter("state") if once else None,
        mode=response_mode(exchange),
    )


def as_page(exchange: Exchange, refusal: Refusal) -> Response:
    """A page that says what is wrong; the browser stays here."""
    return render(
        exchange.sandbox,
        "refused.html",
        status=refusal.status,
        title="This request was refused",
        error=refusal.error,
        description=refusal.description,
    )


def as_oauth_problem(_: Exchange, refusal: Refusal) -> Response:
    """Status 400 or 401 (RFC 5849 section 3.2) with `oauth_problem`, as most servers of its time say it."""
    headers = [("WWW-Authenticate", f'OAuth realm="{REALM}"')] if refusal.status == 401 else []
    headers += _more(refusal)
    pairs = (("oauth_problem", refusal.error), ("oauth_problem_advice", refusal.description))
    return form_answer(pairs, status=refusal.status, headers=headers)


def as_bearer_challenge(exchange: Exchange, refusal: Refusal) -> Response:
    """The challenge of RFC 6750 section 3; who sent no token at all is not told about an error (section 3.1).

    Who came with a proof is challenged for one (RFC 9449 section 7.1).
    """
    scheme = "DPoP" if exchange.request.headers.get("DPoP") is not None else "Bearer"
    challenge = f'{scheme.swapcase() if exchange.fault == "scheme_swapped" else scheme} realm="{REALM}"'
    if refusal.error != "token_missing":
        challenge += f', error="{refusal.error}", error_description="{refusal.description}"'
    if refusal.error == "insufficient_scope" and exchange.endpoint is not None:
        challenge += f', scope="{exchange.endpoint.scope}"'
    fields = {"error": refusal.error, "error_description": refusal.description}
    return json_answer(fields, status=refusal.status, headers=[("WWW-Authenticate", challenge), *_more(refusal)])


def as_resource_challenge(exchange: Exchange, refusal: Refusal) -> Response:
    """The same with the place of the resource's metadata (RFC 9728 section 5.1) and the scope that it wants."""
    response = as_bearer_challenge(exchange, refusal)
    said = response.headers.get("WWW-Authenticate") or ""
    said += f', resource_metadata="{exchange.sandbox.base_url}{RESOURCE_METADATA}{exchange.path}"'
    if "scope=" not in said and exchange.endpoint is not None:
        said += f', scope="{exchange.endpoint.scope}"'
    return replace(response, headers=response.headers.with_set("WWW-Authenticate", said))


def _more(refusal: Refusal) -> list[tuple[str, str]]:
    waiting = [] if refusal.retry_after is None else [("Retry-After", str(refusal.retry_after))]
    return [*refusal.headers, *waiting]
