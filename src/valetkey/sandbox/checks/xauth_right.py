"""The user name and password of an xAuth request, for a client that may do that."""

from __future__ import annotations

from valetkey.sandbox.exchange import Exchange, Refusal
from valetkey.secret import constant_time_equal


def xauth_right(exchange: Exchange) -> None:
    """Not in RFC 5849. Sets `account`."""
    if not exchange.client.xauth:
        raise Refusal("permission_denied", "This client may not ask for passwords.", status=401)
    account = exchange.sandbox.accounts.get(exchange.parameter("x_auth_username") or "")
    password = exchange.parameter("x_auth_password") or ""
    if account is None or not constant_time_equal(account.password, password):
        raise Refusal("permission_denied", "The user name or the password is wrong.", status=401)
    exchange.account = account
