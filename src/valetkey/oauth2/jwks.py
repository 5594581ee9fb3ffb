"""The public keys of an authorization server (RFC 7517), fetched from its own `jwks_uri` and nowhere else.

The one rule: a key is found by looking its id up in the set; what a token says never leads to another place.
An unknown id makes the set be fetched again at most once a minute, so that tokens with invented ids are no storm.
"""

from __future__ import annotations

from valetkey.effects import Now, Send
from valetkey.errors import MalformedResponse, ProviderError
from valetkey.http import Headers, Request, base64url_decode
from valetkey.oauth2.strict_json import read_json_object
from valetkey.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from valetkey.effects import Reach, WireOp
    from valetkey.http import Response
    from valetkey.oauth2.kept import KeptKeys

MAX_KEY_SET_OCTETS = 256 * 1024
MAX_KEYS = 100
MAX_CANDIDATES = 4
LEAST_RSA_OCTETS = 256  # 2048 bits (RFC 7518 section 3.3)
MOST_RSA_OCTETS = 1024
KEPT_SECONDS = 3600
REFETCH_SECONDS = 60
ORDERS = (
    *((11, 2), (13, 6), (17, 8), (19, 9), (37, 3), (53, 26), (61, 20), (71, 35), (73, 24)),
    *((79, 13), (97, 6), (103, 51), (107, 53), (109, 54), (127, 42), (151, 50), (157, 78)),
)
"""Primes, and the order of 65537 modulo each."""


@value
class VerificationKey:
    """A key that signatures are verified with: of RSA (n and e) or of P-256 (x and y), as unsigned big-endian octets.

    algorithm: the one that the key is for; empty where the set does not say.
    """

    kind: str
    key_id: str
    algorithm: str
    first: bytes
    second: bytes

    def serves(self, algorithm: str) -> bool:
        """Whether it can have made a signature of that algorithm."""
        return self.kind == ("EC" if algorithm == "ES256" else "RSA") and self.algorithm in ("", algorithm)


@value
class KeySet:
    """The keys that can be used, and the ids that more than one of them bears: those are nobody's."""

    keys: tuple[VerificationKey, ...]
    ambiguous: frozenset[str] = frozenset()

    def candidates(self, key_id: str, algorithm: str) -> tuple[VerificationKey, ...]:
        """The keys that may have signed: the one of that id, or, where the token names none, the few that fit."""
        fitting = tuple(key for key in self.keys if key.serves(algorithm) and key.key_id not in self.ambiguous)
        if key_id:
            return tuple(key for key in fitting if key.key_id == key_id)
        return fitting if len(fitting) <= MAX_CANDIDATES else ()


def key_set(kept: KeptKeys, uri: str, *, reach: Reach, not_after: float) -> WireOp[KeySet]:
    """The key set, from this process or fetched. Raises ProviderError, MalformedResponse, TransportError."""
    now = yield from Now()
    if kept.found is not None and kept.uri == uri and 0 <= now - kept.fetched_at < KEPT_SECONDS:
        return kept.found
    return (yield from _fetch(kept, uri, reach=reach, not_after=not_after))


def key_set_anew(kept: KeptKeys, uri: str, *, reach: Reach, not_after: float) -> WireOp[KeySet | None]:
    """The key set fetched once more, for a key that it did not have; None where that was tried a moment ago."""
    if 0 <= (yield from Now()) - kept.asked_at < REFETCH_SECONDS:
        return None
    return (yield from _fetch(kept, uri, reach=reach, not_after=not_after))


def _fetch(kept: KeptKeys, uri: str, *, reach: Reach, not_after: float) -> WireOp[KeySet]:
    again = kept.found is not None
    now = yield from Now()
    if again:
        kept.asked_at = now  # whatever comes of it: the first fetch may be followed by one for a rotated key
    request = Request("GET", uri, Headers((("Accept", "application/json"),)))
    found = read_key_set((yield from Send(request, reach, not_after)))
    kept.found, kept.uri, kept.fetched_at = found, uri, now
    return found


def read_key_set(response: Response) -> KeySet:
    """The keys in an answer (RFC 7517 section 5); one that is unknown, unusable or unsafe is passed over."""
    if response.status != 200:
        message = f"the authorization server's keys cannot be read now: jwks_uri answered {response.status}"
        raise ProviderError(message, error="jwks_unavailable", status=response.status)
    try:
        entries = read_json_object(response.body, limit=MAX_KEY_SET_OCTETS).get("keys")
        if not isinstance(entries, list) or len(entries) > MAX_KEYS:
            message = f"keys is not a list of at most {MAX_KEYS}"
            raise ValueError(message)  # noqa: TRY301 - what came from outside is a value
    except ValueError as why:
        message = f"the authorization server's keys cannot be used: {why}"
        raise MalformedResponse(message, status=response.status) from None
    keys = tuple(key for key in map(_read_key, entries) if key is not None)
    # An id that two entries bear is refused, whatever else they are, even where only one of them is usable.
    named = [entry["kid"] for entry in entries if isinstance(entry, dict) and isinstance(entry.get("kid"), str)]
    seen: set[str] = set()
    ambiguous = frozenset(name for name in named if name in seen or seen.add(name))  # type: ignore[func-returns-value]
    return KeySet(keys, ambiguous)


def _read_key(entry: Any) -> VerificationKey | None:
    if not isinstance(entry, dict) or entry.get("use", "sig") != "sig":
        return None
    operations = entry.get("key_ops", ["verify"])
    if not isinstance(operations, list) or "verify" not in operations:
        return None
    key_id, algorithm = entry.get("kid", ""), entry.get("alg", "")
    if not isinstance(key_id, str) or not isinstance(algorithm, str):
        return None
    try:
        return _read_parts(entry, key_id, algorithm)
    except (KeyError, ValueError):
        return None


def _read_parts(entry: dict[str, Any], key_id: str, algorithm: str) -> VerificationKey | None:
    if entry.get("kty") == "RSA":
        modulus, exponent = _octets(entry["n"]).lstrip(b"\0"), _octets(entry["e"])
        size = int.from_bytes(exponent, "big")
        strong = LEAST_RSA_OCTETS <= len(modulus) <= MOST_RSA_OCTETS and modulus[0] >= 0x80 and modulus[-1] & 1
        # An exponent of 1 makes every signature right; a long one makes verifying slow.
        if not strong or not 3 <= size < 2**33 or not size & 1 or _can_be_factored(modulus):
            return None
        return VerificationKey("RSA", key_id, algorithm, modulus, exponent)
    if entry.get("kty") == "EC" and entry.get("crv") == "P-256":
        x, y = _octets(entry["x"]), _octets(entry["y"])
        return VerificationKey("EC", key_id, algorithm, x, y) if len(x) == len(y) == 32 else None
    return None


def _can_be_factored(modulus: bytes) -> bool:
    """Whether it bears the mark of a generator whose keys can be factored (ROCA, CVE-2017-15361).

    Modulo small primes such a modulus is a power of 65537; of all others one in 240 million is.
    """
    number = int.from_bytes(modulus, "big")
    return all(pow(number, order, prime) == 1 for prime, order in ORDERS)


def _octets(text: object) -> bytes:
    if not isinstance(text, str):
        message = "not base64url"
        raise ValueError(message)  # noqa: TRY004 - as above
    return base64url_decode(text)
