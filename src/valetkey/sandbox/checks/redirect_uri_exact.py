"""The redirect URI is one that the client registered."""

from __future__ import annotations

from valetkey.sandbox.exchange import Exchange, Refusal


def redirect_uri_exact(exchange: Exchange) -> None:
    """RFC 9700 section 2.1: compared character by character. Sets `redirect_uri`, from where errors may be redirected.

    It may be left out only where exactly one is registered (RFC 6749 section 3.1.2.3).
    """
    asked = [text for name, text in exchange.query + exchange.form if name == "redirect_uri"]
    registered = exchange.client.redirect_uris
    if len(asked) > 1:
        raise Refusal("invalid_request", "The redirect_uri is included more than once.")
    given = asked[0] if asked else ""
    if given not in registered if given else len(registered) != 1:
        raise Refusal("invalid_request", "The redirect_uri is not, character by character, one that is registered.")
    exchange.redirect_uri_given = bool(given)
    exchange.redirect_uri = given or registered[0]
