"""The answer to a consent page, for both protocols."""

from __future__ import annotations

from valetkey.sandbox.endpoints.authorize import redirect_denied as oauth2_denied
from valetkey.sandbox.endpoints.authorize import redirect_with_code as oauth2_allowed
from valetkey.sandbox.endpoints.device import decide
from valetkey.sandbox.endpoints.oauth1_authorize import redirect_denied as oauth1_denied
from valetkey.sandbox.endpoints.oauth1_authorize import redirect_with_verifier as oauth1_allowed
from valetkey.sandbox.state import fingerprint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.http import Response
    from valetkey.sandbox.exchange import Exchange


def consent(exchange: Exchange) -> Response:
    """Back to the client, with a code or verifier, or with the news that the resource owner said no."""
    pending = exchange.consent
    del exchange.sandbox.state.consents[fingerprint(exchange.parameter("consent") or "")]
    exchange.notes["account"] = pending.account
    exchange.notes["decision"] = exchange.parameter("decision") or ""
    if pending.device:
        return decide(exchange, pending)
    if exchange.parameter("decision") == "deny":
        return (oauth2_denied if pending.protocol == "oauth2" else oauth1_denied)(exchange, pending)
    exchange.sandbox.state.consented |= {(pending.account, pending.client_id, name) for name in pending.scope}
    return (oauth2_allowed if pending.protocol == "oauth2" else oauth1_allowed)(exchange, pending)
