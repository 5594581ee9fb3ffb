"""The keys of an authorization server, and whether it was they that signed a token.

The one rule: keys are fetched before anything is spent, from the configured place alone; a failure of that is a
TransportError of something that was never sent, so that a reload tries again.
"""

from __future__ import annotations

from valetkey.errors import ProviderError, TransportError
from valetkey.oauth2.jwks import key_set, key_set_anew
from valetkey.oauth2.kept import KeptKeys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    from valetkey.effects import WireOp
    from valetkey.oauth2.jws import Jws
    from valetkey.oauth2.server import AuthorizationServer
    from valetkey.providers.registration import Registration


def fetch_keys(registration: Registration, server: AuthorizationServer, *, not_after: float) -> WireOp[KeptKeys]:
    """The server's keys, from this process or fetched. Raises TransportError."""
    kept = registration.kept_keys or KeptKeys()
    try:
        _ = yield from key_set(kept, server.jwks_uri or "", reach=server.reach, not_after=not_after)
    except (ProviderError, TransportError) as problem:
        raise unreachable(problem) from None
    return kept


def signature_problem(
    server: AuthorizationServer, jws: Jws, kept: KeptKeys, *, not_after: float
) -> WireOp[Literal["", "unknown_key", "signature"]]:
    """Why the token is not signed by the server; empty where it is. Its algorithm has been checked before.

    Raises ProviderError and TransportError where a key that is new had to be fetched and could not be.
    """
    from valetkey.keys.verify import signature_is_right

    assert kept.found is not None
    keys = kept.found.candidates(jws.key_id, jws.algorithm)
    if not keys:  # rotated since: asked for once more, at most once a minute
        fresh = yield from key_set_anew(kept, server.jwks_uri or "", reach=server.reach, not_after=not_after)
        keys = fresh.candidates(jws.key_id, jws.algorithm) if fresh is not None else ()
    if not keys:
        return "unknown_key"
    right = any(signature_is_right(key, jws.algorithm, jws.signed, signature=jws.signature) for key in keys)
    return "" if right else "signature"


def unreachable(problem: ProviderError | TransportError) -> TransportError:
    """The error of keys that cannot be had now."""
    message = f"the provider's keys cannot be had now, so nothing was sent ({type(problem).__name__})"
    return TransportError(message, maybe_received=False)
