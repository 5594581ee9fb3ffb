"""The account's name and password are right."""

from __future__ import annotations

from valetkey.secret import constant_time_equal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.sandbox.exchange import Exchange


def credentials_right(exchange: Exchange) -> None:
    """Sets `account`; a wrong password leaves it unset, and the sign-in page is shown again."""
    account = exchange.sandbox.accounts.get(exchange.parameter("account") or "")
    if account is not None and constant_time_equal(exchange.parameter("password") or "", account.password):
        exchange.account = account
