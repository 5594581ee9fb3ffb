"""Verify an authorization response that came as a signed JWT (JARM), before any of it counts.

    read, unverified    state        finds this browser's own sealed cookie, and is compared with it
    then                signature    by the issuer's keys, with a configured algorithm
    then                claims       iss, aud, exp
    only then           code, error  are looked at: a forged denial closes nothing, a forged code is never sent

The one rule: nothing is fetched for a browser that has no cookie of the flow, and nothing is written before this ends.
"""

from __future__ import annotations

from valetkey.connections.issuer_keys import fetch_keys, signature_problem, unreachable
from valetkey.effects import Now
from valetkey.errors import ProviderError, TransportError
from valetkey.oauth2.signed_response import check_response, check_response_header, refuse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.effects import WireOp
    from valetkey.oauth2.jws import Jws
    from valetkey.providers.registration import Registration


def verify_response(registration: Registration, jws: Jws) -> WireOp[None]:
    """Ensures that the issuer signed this answer, for this client, and that it has not expired (section 2.4).

    jws: the answer as it was read, and not its text, which error reports would show with the code in it.
    Raises CallbackError `jarm_...`; TransportError where the keys are out of reach: a reload tries again.
    """
    from valetkey.connections.by_oauth2 import parts
    from valetkey.connections.grant import exchange_deadline

    server, client = parts(registration)
    check_response_header(jws, algorithms=server.authorization_response_algorithms)
    not_after = yield from exchange_deadline()
    kept = yield from fetch_keys(registration, server, not_after=not_after)
    try:
        problem = yield from signature_problem(server, jws, kept, not_after=not_after)
    except (ProviderError, TransportError) as failed:
        raise unreachable(failed) from None
    if problem == "unknown_key":
        raise refuse(problem, "the provider's key set has no key that it names")
    if problem:
        raise refuse(problem, "its signature is wrong")
    check_response(jws, issuer=server.issuer or "", client_id=client.client_id, now=(yield from Now()))
