"""Receive a signed request once, whichever instance of the application it reaches (RFC 5849 sections 3.2, 3.3).

The one rule: a nonce is used up by a write that only the first of all callers wins, and where it cannot be written the
request is not taken. Not here: how a request is proven (`oauth1.receive`).

    Now                 the request is proven: form, time, signature
    Random, Swap        its nonce is used up, unless it was before
"""

from __future__ import annotations

from valetkey.connections.records import swap_settled
from valetkey.digest import sha256_hex
from valetkey.effects import Key, Load, Now, Random, Row
from valetkey.errors import StoreError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from valetkey.connections.settings import Settings
    from valetkey.effects import Op
    from valetkey.http import Request
    from valetkey.oauth1.receive import Keys, SignedRequest

# A store drops rows by its own clock: a nonce stays five minutes longer than its timestamp passes by ours.
SPARE_SECONDS = 300


def receive_once(
    settings: Settings,
    request: Request,
    *,
    keys: Callable[[SignedRequest], Keys | None],
    window_seconds: int = 300,
    methods: tuple[str, ...] | None = None,
    plaintext_over_http: bool = False,
    accept_unsigned_body: bool = False,
) -> Op[SignedRequest]:
    """The request, proven to be of who signed it, and not a repetition. Parameters: see `oauth1.receive.proven`.

    keys: a plain function; on an event loop look up first (`read_signed_request`), and hand in what was found.
    methods: None for all. The nonce is kept in the vault's store until its timestamp passes nowhere any more.
    Raises RequestRefused (`status` 400 or 401, `reason` a word of OAuth Problem Reporting), and StoreError where the
    nonce cannot be kept: answer 503, and the sender comes again.
    """
    from valetkey.oauth1.receive import proven, refuse_repetition, used_up
    from valetkey.oauth1.signature import SIGNATURE_METHODS

    now = yield from Now()
    signed = proven(
        request,
        keys=keys,
        now=now,
        window_seconds=window_seconds,
        methods=SIGNATURE_METHODS if methods is None else methods,
        plaintext_over_http=plaintext_over_http,
        accept_unsigned_body=accept_unsigned_body,
    )
    spent = used_up(signed)
    if spent is None or signed.timestamp is None:
        return signed
    try:
        key = nonce_key(settings.environment, spent)
        is_first = yield from _use_up(key, expires_at=signed.timestamp + window_seconds + SPARE_SECONDS)
    except StoreError as error:
        message = f"nonces cannot be kept, so no signed request is taken: answer 503 ({error})"
        raise StoreError(message) from None
    if not is_first:
        refuse_repetition()
    return signed


def _use_up(key: Key, *, expires_at: int) -> Op[bool]:
    """Whether this caller is the first to use the nonce. Raises StoreError where nobody can tell."""
    row = Row(key, (yield from Random(16)), {"state": "nonce"}, b"", expires_at)
    if (yield from swap_settled(key, None, row)):
        return True
    if (yield from Load(key)) is None:  # not even an uncertain write is there
        message = "the store said of each write that it may have happened, and none is there"
        raise StoreError(message)
    return False


def nonce_key(environment: str, spent: tuple[str, ...]) -> Key:
    """Where a used nonce stands: under the SHA-256 of it and what it is unique among, each with its length."""
    return Key(sha256_hex("nonce/" + "".join(f"{len(text)}:{text}" for text in (environment, *spent))), "nonce")
