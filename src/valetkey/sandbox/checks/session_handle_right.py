"""The session handle is the one that came with the token, where tokens come with one."""

from __future__ import annotations

from valetkey.sandbox.exchange import Exchange, Refusal
from valetkey.sandbox.state import fingerprint
from valetkey.secret import constant_time_equal


def session_handle_right(exchange: Exchange) -> None:
    """OAuth Session 1.0, draft 1, section 5."""
    handle = exchange.signed.parameter("oauth_session_handle") or ""
    wanted = exchange.token_credential.session
    if wanted and not constant_time_equal(fingerprint(handle), wanted):
        raise Refusal("token_rejected", "The session handle is not that of this token.", status=401)
