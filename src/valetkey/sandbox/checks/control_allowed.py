"""The control endpoints are switched on, and the request is not a web page's."""

from __future__ import annotations

from valetkey.sandbox.exchange import Exchange, Refusal, content_type


def control_allowed(exchange: Exchange) -> None:
    """A browser names an Origin, or another host after DNS rebinding; a POST is JSON, which no plain form can send."""
    headers = exchange.request.headers
    if not exchange.sandbox.control:
        raise Refusal("not_found", "There is nothing here.", status=404)
    host = headers.get("Host")
    if headers.get("Origin") is not None or (host is not None and host != exchange.sandbox.host):
        raise Refusal("forbidden", "The control endpoints are not for web pages.", status=403)
    if exchange.request.method == "POST" and content_type(exchange.request) != "application/json":
        raise Refusal("invalid_request", "Send a JSON object.", status=415)
