"""Requests that others sign, checked by your application: webhooks, LTI launches, an API of your own (RFC 5849 s3.2).

    signed = receive(request, keys=keys_of, nonces=nonces, now=time.time())

The one rule: the order of the checks. What is malformed is refused first, then what is old, then what is signed
wrongly, and only then is the nonce used up, so that nobody can spend another's nonces; a client that nobody knows costs
the work that a known one costs.
Not here: what a client or a token may do, and who remembers nonces. `Vault.receive` keeps them in the vault's store,
for all instances of an application; `MemoryNonces` is for one process and for tests.
"""

from __future__ import annotations

from valetkey.oauth1 import transmission
from valetkey.oauth1.signature import SIGNATURE_METHODS
from valetkey.oauth1.verify import (
    NOBODY,
    TIMESTAMP_WINDOW_SECONDS,
    Keys,
    SignedRequest,
    check_signature,
    check_timestamp,
    read_signed_request,
    refuse,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn, Protocol

    from valetkey.http import Request

    class Nonces(Protocol):
        """Remembers which nonces were used, for all instances of the application (section 3.3)."""

        def add(self, nonce: tuple[str, ...], *, expires_at: float, now: float) -> bool:
            """Whether the nonce was not there before; it is there from now on, until `expires_at`.

            One step for all who ask at once: `SET key 1 NX EX seconds`, a conditional put. A store that is out of
            reach raises StoreError: answer 503, for who cannot remember nonces cannot verify.
            """
            ...


__all__ = ["Keys", "MemoryNonces", "SignedRequest", "proven", "read_signed_request", "receive", "used_up"]

MAX_NONCES = 10_000


class MemoryNonces:
    """Nonces in this process: it forgets them with it, and knows nothing of other processes."""

    def __init__(self) -> None:
        self._expiries: dict[tuple[str, ...], float] = {}

    def add(self, nonce: tuple[str, ...], *, expires_at: float, now: float) -> bool:
        """Whether the nonce was not there before; it is there from now on."""
        if len(self._expiries) > MAX_NONCES:
            self._expiries = {key: expiry for key, expiry in self._expiries.items() if expiry >= now}
        if nonce in self._expiries and self._expiries[nonce] >= now:
            return False
        self._expiries[nonce] = expires_at
        return True


def receive(
    request: Request,
    *,
    keys: Callable[[SignedRequest], Keys | None],
    nonces: Nonces,
    now: float,
    window_seconds: int = TIMESTAMP_WINDOW_SECONDS,
    methods: tuple[str, ...] = SIGNATURE_METHODS,
    plaintext_over_http: bool = False,
    accept_unsigned_body: bool = False,
) -> SignedRequest:
    """The request, proven to be of who signed it, and not a repetition.

    What the parameters are, see `proven`. Raises RequestRefused with a `status` (400, 401) and a `reason` of OAuth
    Problem Reporting, and what `nonces` does.
    """
    signed = proven(
        request,
        keys=keys,
        now=now,
        window_seconds=window_seconds,
        methods=methods,
        plaintext_over_http=plaintext_over_http,
        accept_unsigned_body=accept_unsigned_body,
    )
    spent = used_up(signed)
    if spent is not None and signed.timestamp is not None:
        fresh = nonces.add(spent, expires_at=signed.timestamp + window_seconds, now=now)
        if not fresh:
            refuse_repetition()
    return signed


def proven(
    request: Request,
    *,
    keys: Callable[[SignedRequest], Keys | None],
    now: float,
    window_seconds: int = TIMESTAMP_WINDOW_SECONDS,
    methods: tuple[str, ...] = SIGNATURE_METHODS,
    plaintext_over_http: bool = False,
    accept_unsigned_body: bool = False,
) -> SignedRequest:
    """The request, proven to be of who signed it; it may be a repetition, which only its nonce tells.

    request: its URL absolute and as the sender wrote it: behind a proxy, the public scheme and host with the raw path
      and query.
    keys: what the client (`client_identifier`) and its token (`token_identifier`) sign with, None where they are
      unknown. It is asked before anything is proven: look up and do nothing else.
    now: Unix seconds. window_seconds: how far a timestamp may be off, and how long nonces are remembered.
    methods: the signature methods that are taken. Leave PLAINTEXT out unless the sender can do nothing else.
    accept_unsigned_body: take a body that is no form and that no `oauth_body_hash` covers. Anybody on the way can have
      changed it: only for a sender that cannot send the hash, and whose body is believed for another reason.
    Raises RequestRefused.
    """
    signed = read_signed_request(request, methods=methods, plaintext_over_http=plaintext_over_http)
    if not accept_unsigned_body:
        _check_body(request, signed)
    check_timestamp(signed, now=now, window_seconds=window_seconds)
    found = keys(signed)
    check_signature(signed, NOBODY if found is None else found)
    return signed


def used_up(signed: SignedRequest) -> tuple[str, ...] | None:
    """What may be used once: the nonce with what it is unique among (section 3.3); None with PLAINTEXT alone."""
    if signed.timestamp is None or signed.nonce is None:
        return None
    return (signed.client_identifier, signed.token_identifier or "", str(signed.timestamp), signed.nonce)


def refuse_repetition() -> NoReturn:
    """Raise RequestRefused: this very request was here before."""
    refuse("nonce_used", "the nonce was used before", status=401)


def _check_body(request: Request, signed: SignedRequest) -> None:
    """Refuse a body that nothing signs: the signature covers a form, or the hash of what is none, or no body at all.

    PLAINTEXT signs nothing, neither URL nor body: there it is https that protects both (section 3.4.4).
    """
    if not request.body or signed.signature_method == "PLAINTEXT" or transmission.is_form(request):
        return
    if signed.parameter("oauth_body_hash") is None:
        message = (
            "nothing signs the body: it is no form, and the request has no oauth_body_hash; send the hash, or take such"
            " bodies on purpose (accept_unsigned_body)"
        )
        refuse("parameter_absent", message, status=400)
