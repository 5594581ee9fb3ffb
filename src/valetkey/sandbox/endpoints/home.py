"""The front page, signing in and signing out."""

from __future__ import annotations

from valetkey.sandbox.answers import redirect_answer
from valetkey.sandbox.endpoints.asking import sign_in_page
from valetkey.sandbox.pages import render
from valetkey.sandbox.sessions import close_session, current_session, open_session
from valetkey.sandbox.state import fingerprint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.http import Response
    from valetkey.sandbox.exchange import Exchange

CONTINUES_AT = ("/oauth1/authorize?", "/oauth2/authorize?", "/device")


def home(exchange: Exchange) -> Response:
    """What is here and for whom."""
    from valetkey.sandbox.table import TABLE

    session = current_session(exchange)
    rows = {(row.path, " ".join(row.methods)): row.says for row in TABLE if row.says}
    return render(
        exchange.sandbox,
        "home.html",
        title="valetkey sandbox",
        accounts=tuple(exchange.sandbox.accounts.values()),
        signed_in=session.account if session is not None else "",
        rows=tuple((path, methods, says) for (path, methods), says in rows.items()),
        clients=exchange.sandbox.clients,
    )


def _target(exchange: Exchange) -> str:
    """Where a form leads back to: an authorization of ours, else the front page; never another site."""
    target = exchange.parameter("target") or ""
    printable = target.isascii() and target.isprintable() and "\\" not in target
    return target if printable and target.startswith(CONTINUES_AT) else "/"


def sign_in(exchange: Exchange) -> Response:
    """A new session for the account, or the page again."""
    target = _target(exchange)
    if not hasattr(exchange, "account"):
        return sign_in_page(exchange, target=target, wrong=True)
    exchange.notes["account"] = exchange.account.name
    _, cookie = open_session(exchange, account=exchange.account.name, fresh_for=fingerprint(target))
    return redirect_answer(exchange.sandbox.base_url + target, headers=[cookie])


def sign_out(exchange: Exchange) -> Response:
    """No session any more."""
    close_session(exchange)
    gone = ("Set-Cookie", f"{exchange.sandbox.cookie_name}=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0")
    return redirect_answer(exchange.sandbox.base_url + _target(exchange), headers=[gone])
