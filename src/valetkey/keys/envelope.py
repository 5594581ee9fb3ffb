"""The key ring whose keys, or some of them, are wrapped by a key service; local keys may stand among them.

    first use     --unwrap--> the data key stays in this object
    an hour later --unwrap--> renewed; while the service is out of reach the last good one serves, a day at most
    refused       the data key is dropped at once: disabling a key in the service is how to stop it

The one rule: one caller asks the service for a key, all others wait for its answer or use the copy that is there; a
row never costs a request of its own. Every place has a key of its own under the data key (`aead`), so that the number
of its uses needs no limit. Not here: how a service is asked (`key_service` and one file for each).
"""

from __future__ import annotations

from valetkey.effects import Now, Random, Remaining, Sleep
from valetkey.errors import ConfigurationError, KeyUnavailable, StoreError
from valetkey.keys import aead
from valetkey.keys.key_service import WrappedKey
from valetkey.keys.local import MAX_KEYS, problems_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from valetkey.effects import Place, WireOp
    from valetkey.keys.key_service import KeyService

LIFETIME_SECONDS = 3_600.0
MAX_AGE_SECONDS = 86_400.0
RENEWAL_PAUSE_SECONDS = 60.0  # between attempts to renew a key that still serves
FAILURE_SECONDS = 1.0  # so long nobody asks again for a key that could not be had
SEAL_GRACE_SECONDS = 60.0  # longer than any exchange with a provider
CLAIM_SECONDS = 15.0  # after which whoever was asking is taken for frozen or dead
WAIT_ROUNDS = 400
WAIT_SECONDS = 0.02
MAX_WAIT_SECONDS = 0.2
LEAST_SECONDS = 0.3


class EnvelopeKeyRing:
    """Seals with the first key, opens with the one that the sealed value names; one class for sync and async."""

    def __init__(
        self,
        keys: Iterable[tuple[str, bytes] | WrappedKey],
        *,
        services: Mapping[str, KeyService],
        environment: str,
        lifetime_seconds: float = LIFETIME_SECONDS,
        max_age_seconds: float = MAX_AGE_SECONDS,
    ) -> None:
        """keys: pairs of id and 32 octets, or wrapped ones; the sealing one first. services: by name.

        environment: what the keys were wrapped for. max_age_seconds: how long an unwrapped key may serve at most.
        """
        ring = tuple(keys)
        problems = problems_of_ring(ring)
        if problems:
            raise ConfigurationError(problems)
        self._local = {key[0]: key[1] for key in ring if not isinstance(key, WrappedKey)}
        self._wrapped = {key.key_id: _DataKey(key) for key in ring if isinstance(key, WrappedKey)}
        self._services, self._environment = services, environment
        self._lifetime, self._max_age = lifetime_seconds, max_age_seconds
        self._claims: dict[str, tuple[float, object]] = {}
        self.key_ids = tuple(key.key_id if isinstance(key, WrappedKey) else key[0] for key in ring)

    def seal(self, place: Place, plaintext: bytes) -> WireOp[bytes]:
        """The plaintext sealed for that place by the first key. Raises KeyUnavailable, StoreError.

        A caller that could seal a minute ago still can: it may have fetched tokens since, which must not be lost.
        """
        key_id = self.key_ids[0]
        try:
            key = yield from self._key(key_id)
        except StoreError:
            kept = self._wrapped[key_id].lately((yield from Now())) if key_id in self._wrapped else None
            if kept is None:
                raise
            key = kept
        nonce = yield from Random(aead.NONCE_OCTETS)
        return aead.seal(key, place, key_id=key_id, plaintext=plaintext, nonce=nonce)

    def derive(self, place: Place) -> WireOp[bytes]:
        """32 octets from the first key, for that place alone. Raises KeyUnavailable, StoreError."""
        return aead.derive((yield from self._key(self.key_ids[0])), place)

    def open(self, place: Place, sealed: bytes) -> WireOp[bytes]:
        """The plaintext. Raises KeyUnavailable, SealBroken, and StoreError where the service does not answer."""
        key = yield from self._key(aead.key_id_of(sealed))
        return aead.open_sealed(key, place, sealed=sealed)

    def __repr__(self) -> str:
        return f"EnvelopeKeyRing({', '.join(self.key_ids)})"

    def __reduce__(self) -> str:
        message = "a key ring is not pickled: make it anew from its configuration"
        raise TypeError(message)

    def _key(self, key_id: str) -> WireOp[bytes]:
        local = self._local.get(key_id)
        if local is not None:
            return local
        data_key = self._wrapped.get(key_id)
        if data_key is None:
            raise KeyUnavailable(key_id)
        pause = WAIT_SECONDS
        for _ in range(WAIT_ROUNDS):
            now = yield from Now()
            octets = data_key.answer(now, self._max_age)
            if octets is not None and not data_key.is_due(now):
                return octets
            claim = self._claim(key_id, now)
            if claim is not None:
                return (yield from self._renew(data_key, claim))
            if octets is not None:
                return octets  # somebody else is renewing it
            if (yield from Remaining()) < pause + LEAST_SECONDS:
                break
            yield from Sleep(pause)
            pause = min(pause * 1.5, MAX_WAIT_SECONDS)
        message = f"sealing key {key_id!r} is still being unwrapped by another caller: try again"
        raise StoreError(message)

    def _renew(self, data_key: _DataKey, claim: object) -> WireOp[bytes]:
        """The key as the service answers it, or the copy that is there where it does not answer."""
        wrapped = data_key.wrapped
        try:
            now = yield from Now()
            kept = data_key.answer(now, self._max_age)
            if kept is not None and not data_key.is_due(now):
                return kept  # it was unwrapped between our look and our claim
            service = self._services[wrapped.service]
            try:
                octets = yield from service.unwrap(wrapped, environment=self._environment, patient=kept is None)
            except KeyUnavailable as error:
                data_key.refuse(str(error), (yield from Now()))
                raise
            except (StoreError, ConfigurationError) as error:
                now = yield from Now()
                if kept is None:
                    data_key.fail(str(error), now)
                    raise
                data_key.postpone(now)
                return kept
            data_key.keep(octets, (yield from Now()), self._lifetime)
            return octets
        finally:
            self._release(wrapped.key_id, claim)

    def _claim(self, key_id: str, now: float) -> object | None:
        """A claim, if nobody else is asking; without a lock, which a fork could leave locked."""
        claim = object()
        mine = (now, claim)
        found = self._claims.setdefault(key_id, mine)
        if found is mine:
            return claim
        if 0 <= now - found[0] < CLAIM_SECONDS:
            return None
        self._claims[key_id] = mine  # two may do so at once: then two ask
        return claim

    def _release(self, key_id: str, claim: object) -> None:
        found = self._claims.get(key_id)
        if found is not None and found[1] is claim:
            del self._claims[key_id]


class _DataKey:
    """A wrapped key, and what this process knows of it. Each field is assigned whole, so threads need no lock."""

    __slots__ = ("_failed", "_kept", "_served", "wrapped")

    def __init__(self, wrapped: WrappedKey) -> None:
        self.wrapped = wrapped
        self._kept: tuple[bytes, float, float, float] | None = None  # octets, unwrapped at, asked at, due after
        self._failed: tuple[str, bool, float] | None = None  # message, whether it was refused, when
        self._served: tuple[bytes, float] | None = None  # octets, when they were last good

    def answer(self, now: float, max_age: float) -> bytes | None:
        """The key, if it may still be used; raises again what has just been raised."""
        kept, failed = self._kept, self._failed
        if kept is not None and 0 <= now - kept[1] < max_age:
            self._served = kept[0], now
            return kept[0]
        if failed is not None and 0 <= now - failed[2] < FAILURE_SECONDS:
            if failed[1]:
                raise KeyUnavailable(self.wrapped.key_id, failed[0])
            raise StoreError(failed[0])
        return None

    def lately(self, now: float) -> bytes | None:
        """The key as it was a moment ago, to seal with; forgotten when that is longer ago."""
        served = self._served
        if served is not None and 0 <= now - served[1] < SEAL_GRACE_SECONDS:
            return served[0]
        self._served = None
        return None

    def is_due(self, now: float) -> bool:
        """Whether the service is to be asked again; also where the clock was set back."""
        kept = self._kept
        return kept is None or not 0 <= now - kept[2] < kept[3]

    def keep(self, octets: bytes, now: float, lifetime: float) -> None:
        self._kept, self._failed, self._served = (octets, now, now, lifetime), None, (octets, now)

    def postpone(self, now: float) -> None:
        kept = self._kept
        if kept is not None:
            self._kept = (kept[0], kept[1], now, RENEWAL_PAUSE_SECONDS)

    def refuse(self, message: str, now: float) -> None:
        self._kept, self._failed = None, (message, True, now)

    def fail(self, message: str, now: float) -> None:
        self._failed = (message, False, now)


def problems_of_ring(keys: Iterable[tuple[str, bytes] | WrappedKey]) -> list[str]:
    """A sentence for everything that is wrong with the keys; none holds any of them."""
    keys = tuple(keys)
    wrapped = [key for key in keys if isinstance(key, WrappedKey)]
    local = [key for key in keys if not isinstance(key, WrappedKey)]
    problems = problems_of(local) if local or not wrapped else []
    if wrapped and len(keys) > MAX_KEYS:
        problems.append(f"{len(keys)} keys are too many: at most {MAX_KEYS}")
    seen = {key_id for key_id, _ in local}
    for key in wrapped:
        if key.key_id in seen:
            problems.append(f"key id {key.key_id} stands there twice: each key has its own id, for ever")
        seen.add(key.key_id)
    return problems
