"""The body is a form and says so."""

from __future__ import annotations

from valetkey.http import FORM
from valetkey.sandbox.exchange import Exchange, Refusal, content_type


def form_content_type(exchange: Exchange) -> None:
    """RFC 6749 section 3.2: one media type, application/x-www-form-urlencoded; a list of two is not it."""
    if content_type(exchange.request) != FORM:
        raise Refusal("invalid_request", f"Send the parameters in the body, with Content-Type: {FORM}.")
