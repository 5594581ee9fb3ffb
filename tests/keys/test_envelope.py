"""A ring whose keys a service wraps: how often the service is asked, and what happens while it does not answer."""

from __future__ import annotations

import asyncio
import os
import pickle
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from tests.keys.steps import PLACE, World, ring

from valetkey.effects import Place
from valetkey.errors import ConfigurationError, KeyUnavailable, SealBroken, StoreError, TransportError
from valetkey.keys.envelope import (
    CLAIM_SECONDS,
    FAILURE_SECONDS,
    LIFETIME_SECONDS,
    MAX_AGE_SECONDS,
    RENEWAL_PAUSE_SECONDS,
    EnvelopeKeyRing,
)
from valetkey.keys.key_service import WrappedKey
from valetkey.keys.local import LocalKeyRing

if TYPE_CHECKING:
    from typing import Any

    from tests.keys.steps import KmsServer

    from valetkey.effects import Send, WireOp
    from valetkey.http import Response

OCTETS = bytes((number * 7 + 200) % 256 for number in range(32))
ONE, TWO = (WrappedKey(key_id, "aws-kms", "arn", b"wrapped") for key_id in ("k-1", "k-2"))


class Service:
    """A service that fails when told to. asked: the key ids, with whether the caller was patient."""

    def __init__(self) -> None:
        self.failure: Exception | None = None
        self.asked: list[tuple[str, bool]] = []

    def unwrap(self, key: WrappedKey, *, environment: str, patient: bool = True) -> WireOp[bytes]:
        self.asked.append((key.key_id, patient))
        if self.failure is not None:
            raise self.failure
        return OCTETS if key.key_id == "k-1" else OCTETS[::-1]
        yield

    def wrap(self, name: str, *, key_id: str, environment: str) -> WireOp[WrappedKey]:
        raise NotImplementedError


def unreachable(_: Send) -> Response:
    raise TransportError("no network", maybe_received=False)


def world() -> World:
    return World(unreachable)


def test_one_unwrap_serves_an_hour_and_then_the_key_is_renewed() -> None:
    service, here = Service(), world()
    found = ring(ONE, service=service)
    sealed = here.run(found.seal(PLACE, b"x"))
    here.now += LIFETIME_SECONDS - 1
    assert here.run(found.open(PLACE, sealed)) == b"x"
    assert len(service.asked) == 1

    here.now += 1

    assert here.run(found.open(PLACE, sealed)) == b"x"
    assert service.asked == [("k-1", True), ("k-1", False)]


def test_only_keys_that_are_needed_are_unwrapped() -> None:
    service, here = Service(), world()

    here.run(ring(TWO, ONE, service=service).seal(PLACE, b"x"))

    assert service.asked == [("k-2", True)]


def test_the_last_good_key_serves_while_the_service_is_down_and_no_longer_than_its_age() -> None:
    service, here = Service(), world()
    found = ring(ONE, service=service)
    sealed, began = here.run(found.seal(PLACE, b"x")), here.now
    service.failure = StoreError("down")
    here.now += LIFETIME_SECONDS

    assert here.run(found.open(PLACE, sealed)) == b"x"
    assert here.run(found.open(PLACE, sealed)) == b"x"
    assert len(service.asked) == 2, "it is asked again after a pause only"
    here.now += RENEWAL_PAUSE_SECONDS
    assert here.run(found.open(PLACE, sealed)) == b"x"
    assert len(service.asked) == 3
    here.now = began + MAX_AGE_SECONDS
    with pytest.raises(StoreError, match="down"):
        here.run(found.open(PLACE, sealed))
    service.failure = None
    here.now += FAILURE_SECONDS
    assert here.run(found.open(PLACE, sealed)) == b"x"


def test_a_key_that_the_service_refuses_stops_serving_and_serves_again_when_it_is_back() -> None:
    service, here = Service(), world()
    found = ring(ONE, service=service)
    sealed = here.run(found.seal(PLACE, b"x"))
    service.failure = KeyUnavailable("k-1", "disabled")
    here.now += LIFETIME_SECONDS

    with pytest.raises(KeyUnavailable, match="disabled"):
        here.run(found.open(PLACE, sealed))
    with pytest.raises(KeyUnavailable, match="disabled") as caught:
        here.run(found.open(PLACE, sealed))
    assert (caught.value.key_id, len(service.asked)) == ("k-1", 2), "the second caller was told without asking"
    service.failure = None
    here.now += FAILURE_SECONDS

    assert here.run(found.open(PLACE, sealed)) == b"x"


def test_missing_credentials_are_an_outage_for_a_key_that_serves_and_an_error_for_one_that_does_not() -> None:
    service, here = Service(), world()
    found = ring(ONE, service=service)
    here.run(found.seal(PLACE, b"x"))
    service.failure = ConfigurationError("no credentials")
    here.now += LIFETIME_SECONDS

    assert here.run(found.seal(PLACE, b"x"))
    with pytest.raises(ConfigurationError, match="no credentials"):
        here.run(ring(ONE, service=service).seal(PLACE, b"x"))


def test_a_clock_that_is_set_back_asks_again_instead_of_keeping_a_key_for_ever() -> None:
    service, here = Service(), world()
    found = ring(ONE, service=service)
    here.run(found.seal(PLACE, b"x"))
    here.now -= 100_000

    here.run(found.seal(PLACE, b"x"))

    assert len(service.asked) == 2


def test_a_listing_under_an_outage_asks_once_for_all_its_rows() -> None:
    service, here = Service(), world()
    sealed = here.run(ring(ONE, service=service).seal(PLACE, b"x"))
    found = ring(ONE, service=service)
    service.failure, service.asked = StoreError("down"), []

    for _ in range(100):
        with pytest.raises(StoreError, match="down"):
            here.run(found.open(PLACE, sealed))

    assert len(service.asked) == 1


def test_local_and_wrapped_keys_open_each_others_past_during_a_migration() -> None:
    service, here = Service(), world()
    local = LocalKeyRing([("old", OCTETS[:1] + os.urandom(31))], random=os.urandom)
    pair = ("old", local._keys["old"])
    before = local.seal(PLACE, b"before")

    open_only, promoted = ring(pair, ONE, service=service), ring(ONE, pair, service=service)

    assert here.run(open_only.seal(PLACE, b"x")).startswith(b"vk1.old.")
    assert service.asked == []
    after = here.run(promoted.seal(PLACE, b"after"))
    assert after.startswith(b"vk1.k-1.")
    assert here.run(promoted.open(PLACE, before)) == b"before"
    assert here.run(open_only.open(PLACE, after)) == b"after"
    assert promoted.key_ids == ("k-1", "old")


def test_a_wrong_key_under_the_right_id_opens_nothing_and_no_other_is_tried() -> None:
    service, here = Service(), world()
    wrong = LocalKeyRing([("k-1", OCTETS[::-1]), ("k-9", OCTETS)], random=os.urandom)
    sealed = here.run(ring(ONE, service=service).seal(PLACE, b"x"))

    with pytest.raises(SealBroken):
        wrong.open(PLACE, sealed)
    with pytest.raises(SealBroken):
        here.run(ring(ONE, service=service).open(Place("connection", ("elsewhere",)), sealed))
    with pytest.raises(SealBroken):
        here.run(ring(ONE, service=service).open(PLACE, b"plaintext"))


class SlowNetwork:
    """A network that takes a moment, so that callers meet."""

    def __init__(self, kms: KmsServer) -> None:
        self.kms = kms

    def send(self, effect: Send) -> Response:
        time.sleep(0.1)
        return self.kms.transport.send(effect)


def test_sixteen_threads_that_need_a_key_for_the_first_time_ask_for_it_once(kms: KmsServer) -> None:
    wrapped = kms.wrap(kms.create_key())
    here = World(SlowNetwork(kms).send, real=True)
    found = ring(wrapped, service=kms.service)

    with ThreadPoolExecutor(16) as threads:
        sealed = list(threads.map(lambda _: here.run(found.seal(PLACE, b"x")), range(16)))

    assert len(here.sent) == 1
    assert all(here.run(found.open(PLACE, each)) == b"x" for each in sealed)


def test_sixteen_tasks_that_need_a_key_for_the_first_time_ask_for_it_once(kms: KmsServer) -> None:
    wrapped = kms.wrap(kms.create_key())
    here = World(SlowNetwork(kms).send, real=True)
    found = ring(wrapped, service=kms.service)

    async def all_at_once() -> list[bytes]:
        return list(await asyncio.gather(*(here.run_async(found.seal(PLACE, b"x")) for _ in range(16))))

    sealed = asyncio.run(all_at_once())

    assert len(here.sent) == 1
    assert all(here.run(found.open(PLACE, each)) == b"x" for each in sealed)


def test_threads_that_wait_for_a_service_that_is_down_are_told_by_the_one_that_asked(kms: KmsServer) -> None:
    wrapped = kms.wrap(kms.create_key())

    def cut(_: Send) -> Response:
        time.sleep(0.02)
        raise TransportError("cut", maybe_received=True)

    here = World(cut, real=True)
    found = ring(wrapped, service=kms.service)

    def attempt(_: int) -> str:
        try:
            here.run(found.seal(PLACE, b"x"))
        except StoreError as error:
            return str(error)
        return ""

    with ThreadPoolExecutor(16) as threads:
        told = set(threads.map(attempt, range(16)))

    assert len(told) == 1
    assert "out of reach" in told.pop()
    assert len(here.sent) <= 8  # once, or twice where a thread came more than a second later


def start(program: Any, here: World) -> Any:
    """Run the program up to its first request and leave it there: its function was frozen."""
    reply: object = None
    while True:
        effect = program.send(reply)
        if type(effect).__name__ == "Send":
            return effect
        reply = here.answer(effect)


def test_a_caller_that_froze_while_asking_holds_nobody_up_for_long(kms: KmsServer) -> None:
    wrapped = kms.wrap(kms.create_key())
    here = kms.world()
    found = ring(wrapped, service=kms.service)
    frozen = found.seal(PLACE, b"x")
    start(frozen, here)
    began = here.now

    assert here.run(found.seal(PLACE, b"x"))

    assert here.now - began <= CLAIM_SECONDS + 1
    frozen.close()


def test_a_caller_that_was_cancelled_while_asking_holds_nobody_up(kms: KmsServer) -> None:
    wrapped = kms.wrap(kms.create_key())
    here = kms.world()
    found = ring(wrapped, service=kms.service)
    cancelled = found.seal(PLACE, b"x")
    start(cancelled, here)
    cancelled.close()

    assert here.run(found.seal(PLACE, b"x"))

    assert here.slept == []


def test_who_waits_has_only_the_time_of_its_invocation(kms: KmsServer) -> None:
    wrapped = kms.wrap(kms.create_key())
    here = kms.world()
    found = ring(wrapped, service=kms.service)
    frozen = found.seal(PLACE, b"x")
    start(frozen, here)
    here.remaining = 0.3

    with pytest.raises(StoreError, match="another caller"):
        here.run(found.seal(PLACE, b"x"))
    frozen.close()


def test_a_caller_that_thaws_after_another_has_unwrapped_does_not_ask_again() -> None:
    service, here = Service(), world()
    found = ring(ONE, service=service)
    late = found.seal(PLACE, b"x")
    next(late)
    late.send(here.now)  # it has claimed, and froze before it asked
    here.now += CLAIM_SECONDS + 1
    here.run(found.seal(PLACE, b"x"))

    late.send(here.now)
    late.close()

    assert len(service.asked) == 1


def test_while_one_caller_renews_the_others_use_the_copy_that_is_there(kms: KmsServer) -> None:
    wrapped = kms.wrap(kms.create_key())
    here = kms.world()
    found = ring(wrapped, service=kms.service)
    sealed = here.run(found.seal(PLACE, b"x"))
    here.now += LIFETIME_SECONDS
    renewing = found.open(PLACE, sealed)
    start(renewing, here)

    assert here.run(found.open(PLACE, sealed)) == b"x"

    assert (here.slept, len(here.sent)) == ([], 1)
    renewing.close()


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ((), "no key"),
        ((ONE, ONE), "k-1 stands there twice"),
        ((("k-1", OCTETS), ONE), "k-1 stands there twice"),
        ((("k-0", bytes(32)), ONE), "a sample, a repetition"),
        (tuple(WrappedKey(f"k-{number}", "aws-kms", "arn", b"x") for number in range(33)), "too many"),
    ],
)
def test_a_ring_that_could_not_work_is_refused_at_start(keys: Any, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        ring(*keys, service=Service())


def test_a_ring_is_not_pickled() -> None:
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(EnvelopeKeyRing([ONE], services={}, environment="production"))
