"""The code that a person typed in belongs to a device that waits."""

from __future__ import annotations

from valetkey.sandbox.exchange import Exchange, Refusal
from valetkey.sandbox.sessions import current_session
from valetkey.secret import constant_time_equal

MOST_WRONG = 5
WINDOW = 300  # seconds
MAX_TYPED = 32


def user_code_known(exchange: Exchange) -> None:
    """RFC 8628 sections 5.1 and 6.1: few tries, whatever case and punctuation. Sets `device`, `client`, `scope`."""
    session, state = current_session(exchange), exchange.sandbox.state
    if session is None or not session.account:
        raise Refusal("login_required", "Sign in first.", status=401)
    wrong = tuple(at for at in state.wrong_user_codes.get(session.account, ()) if at > exchange.now - WINDOW)
    if len(wrong) >= MOST_WRONG:
        raise Refusal("too_many_tries", "Too many wrong codes. Wait five minutes.", status=429, retry_after=WINDOW)
    typed = (exchange.parameter("user_code") or "")[:MAX_TYPED].upper()
    code = "".join(letter for letter in typed if letter.isascii() and letter.isalnum())
    for name, grant in state.device_grants.items():
        waits = not grant.decision and exchange.now < grant.expires_at
        client = exchange.sandbox.client(grant.client_id)
        if constant_time_equal(grant.user_code, code) and waits and client is not None:
            exchange.device, exchange.client, exchange.scope = name, client, grant.scope
            return
    state.wrong_user_codes[session.account] = (*wrong, exchange.now)
    raise Refusal("user_code_unknown", "No device waits with this code. Look at it again.")
