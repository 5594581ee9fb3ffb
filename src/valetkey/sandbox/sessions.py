"""Browser sessions: one cookie, drawn anew at every sign-in."""

from __future__ import annotations

from valetkey.http import base64url
from valetkey.sandbox.state import Session, fingerprint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.sandbox.exchange import Exchange

SESSION_SECONDS = 8 * 3600


def current_session(exchange: Exchange) -> Session | None:
    """The session of the browser's cookie, if it is one of ours and has not expired."""
    session = exchange.sandbox.state.sessions.get(fingerprint(exchange.session_cookie))
    return session if session is not None and exchange.now < session.expires_at else None


def open_session(exchange: Exchange, *, account: str = "", fresh_for: str = "") -> tuple[Session, tuple[str, str]]:
    """A new session and the header that sets its cookie; the browser's former one ends (against fixation)."""
    sandbox = exchange.sandbox
    close_session(exchange)
    cookie = base64url(sandbox.random(32))
    session = Session(base64url(sandbox.random(32)), exchange.now + SESSION_SECONDS, account, fresh_for)
    sandbox.state.sessions[fingerprint(cookie)] = session
    secure = "; Secure" if sandbox.base_url.startswith("https:") else ""
    header = f"{sandbox.cookie_name}={cookie}; Path=/; HttpOnly; SameSite=Lax; Max-Age={SESSION_SECONDS}{secure}"
    return session, ("Set-Cookie", header)


def close_session(exchange: Exchange) -> None:
    """Forget the browser's session."""
    exchange.sandbox.state.sessions.pop(fingerprint(exchange.session_cookie), None)
