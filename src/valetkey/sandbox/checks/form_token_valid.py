"""A form was sent by a page of ours, in the same browser."""

from __future__ import annotations

from valetkey.sandbox.exchange import Exchange, Refusal
from valetkey.sandbox.sessions import current_session
from valetkey.secret import constant_time_equal


def form_token_valid(exchange: Exchange) -> None:
    """Against forgery across sites: the session's own token, and an Origin that is ours where the browser names one."""
    origins = exchange.request.headers.all("Origin")
    session = current_session(exchange)
    sent = exchange.parameter("form_token") or ""
    if any(origin != exchange.sandbox.origin for origin in origins) or len(origins) > 1:
        raise Refusal("forged_form", "This form was sent from another site.", status=403)
    if session is None or not constant_time_equal(sent, session.form_token):
        raise Refusal("forged_form", "This form does not belong to this browser. Go back and start again.", status=403)
