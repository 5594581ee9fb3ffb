"""The user name and password of a resource owner password credentials grant."""

from __future__ import annotations

from valetkey.sandbox.exchange import Exchange, Refusal
from valetkey.secret import constant_time_equal


def password_right(exchange: Exchange) -> None:
    """RFC 6749 sections 4.3.2 and 5.2. Sets `account`."""
    username, password = exchange.parameter("username"), exchange.parameter("password")
    if username is None or password is None:
        raise Refusal("invalid_request", "The username or the password is missing.")
    account = exchange.sandbox.accounts.get(username)
    if account is None or not constant_time_equal(account.password, password):
        raise Refusal("invalid_grant", "The user name or the password is wrong.")
    exchange.account = account
