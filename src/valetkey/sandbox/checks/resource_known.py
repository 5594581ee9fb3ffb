"""What the token is for is a resource of this server."""

from __future__ import annotations

from valetkey.sandbox.exchange import Exchange, Refusal


def resource_known(exchange: Exchange) -> None:
    """RFC 8707 section 2. Sets `resource`; without the parameter it is empty: the token is for no one of them."""
    resource = exchange.parameter("resource") or ""
    if resource and not resource.startswith(f"{exchange.sandbox.base_url}/"):
        raise Refusal("invalid_target", "The resource is not one of this server's.")
    exchange.resource = resource
