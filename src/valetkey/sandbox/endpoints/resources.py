"""The protected resources, for both protocols."""

from __future__ import annotations

from valetkey.sandbox.answers import json_answer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.http import Response
    from valetkey.sandbox.exchange import Exchange


def me(exchange: Exchange) -> Response:
    """Whose account it is."""
    account = exchange.account
    exchange.notes["account"] = account.name
    fields: dict[str, object] = {"account": account.name, "name": account.title}
    if exchange.query:
        fields["query"] = [list(pair) for pair in exchange.query if not pair[0].startswith("oauth_")]
    return json_answer(fields)


def client(exchange: Exchange) -> Response:
    """Whose request it is, signed by the client alone."""
    return json_answer({"client": exchange.client.client_id})


def echo(exchange: Exchange) -> Response:
    """The form that was sent, as pairs, so that a caller sees how it arrived."""
    exchange.notes["account"] = exchange.account.name
    form = [list(pair) for pair in exchange.form if not pair[0].startswith("oauth_")]
    return json_answer({"account": exchange.account.name, "form": form})
