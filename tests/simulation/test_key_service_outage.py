"""A key service that is out of reach while tokens are fetched: nothing is asked of a provider that could not be kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.connections.steps import begun, credentials, expired, record, returning, standing, token, works
from tests.keys.steps import ring
from tests.simulation.rings import use

from valetkey.connections.authorize import finish_authorization
from valetkey.connections.codec import write_credentials
from valetkey.connections.connection import IN_DOUBT, Doubt, Tokens
from valetkey.connections.records import write_record
from valetkey.connections.rescue import keep_rescue
from valetkey.effects import Place
from valetkey.errors import KeyUnavailable, StoreError
from valetkey.keys.key_service import WrappedKey
from valetkey.secret import Secret
from valetkey.testing.world import World
from valetkey.value import replace

if TYPE_CHECKING:
    from valetkey.effects import WireOp
    from valetkey.keys.envelope import EnvelopeKeyRing

OCTETS = bytes((number * 11 + 200) % 256 for number in range(32))
CLOUD = WrappedKey("cloud", "aws-kms", "arn", b"wrapped")
FAILURES = (StoreError("out of reach"), KeyUnavailable("cloud", "disabled"))


class Service:
    """A service that fails when told to."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.failure = failure
        self.asked = 0

    def unwrap(self, key: WrappedKey, *, environment: str, patient: bool = True) -> WireOp[bytes]:
        self.asked += 1
        if self.failure is not None:
            raise self.failure
        return OCTETS
        yield

    def wrap(self, name: str, *, key_id: str, environment: str) -> WireOp[WrappedKey]:
        raise NotImplementedError


def migrating(world: World, service: Service) -> EnvelopeKeyRing:
    """The world's ring with a key of a service put first."""
    found = ring(CLOUD, ("test", world.keys._keys["test"]), service=service, environment="default")
    use(world, found)
    return found


@pytest.mark.parametrize("failure", FAILURES, ids=["down", "disabled"])
def test_no_refresh_token_is_spent_while_the_new_tokens_could_not_be_sealed(failure: Exception) -> None:
    world = expired("strict")
    service = Service(failure)
    migrating(world, service)

    with pytest.raises(StoreError):
        world.run(token(world))

    assert world.refresh_requests() == 0
    assert standing(world).generation == 1
    assert standing(world).doubts == ()
    service.failure = None
    world.clock.time += 2
    assert works(world, world.run(token(world)))
    assert record(world).connection.key_id == "cloud"


def test_a_token_that_still_lives_is_handed_out_while_the_service_is_down() -> None:
    world = expired("strict")
    world.clock.time -= 20
    assert standing(world).refresh_due_at <= world.clock.now()
    migrating(world, Service(StoreError("down")))

    assert works(world, world.run(token(world)))
    assert world.refresh_requests() == 0


def test_no_code_is_exchanged_while_its_tokens_could_not_be_sealed_and_a_reload_succeeds() -> None:
    world = World()
    redirect = begun(world)
    callback = returning(world, redirect)
    service = Service(StoreError("down"))
    migrating(world, service)

    with pytest.raises(StoreError):
        world.run(finish_authorization(world.settings, callback, resource_owner="alice"))
    assert world.sandbox.seen.count("token") == 0
    service.failure = None
    world.clock.time += 2
    finished = world.run(finish_authorization(world.settings, callback, resource_owner="alice"))

    assert finished.connection is not None
    assert works(world, credentials(world).current.access_token)


def with_rescue(world: World, service: Service) -> World:
    """Alice's connection in doubt, its tokens in a rescue record that the service's key has sealed."""
    held, attempt = record(world), "a" * 32
    now = int(world.clock.now())
    rescued = replace(credentials(world), current=Tokens(Secret("rescued"), Secret("rescued-refresh")))
    doubtful = replace(held.connection, state=IN_DOUBT, doubts=(Doubt(attempt, now - 60, now - 50),))
    migrating(world, Service())
    holder = replace(held, connection=replace(held.connection, attempt=attempt))
    renewed = replace(held.connection, access_expires_at=now + 3600, refresh_due_at=now + 3000)
    world.run(keep_rescue(world.settings, holder, rescued, renewed, store_is_down=False))
    assert world.run(write_record(held.key, held.version, doubtful, held.sealed)) is not None
    # from here on the local key seals, and the service is asked for the rescue record only
    use(world, ring(("test", world.keys._keys["test"]), CLOUD, service=service, environment="default"))
    return world


def test_an_outage_hides_no_rescue_record_from_the_holder_of_a_lease() -> None:
    service = Service(StoreError("down"))
    world = with_rescue(expired("strict"), service)

    with pytest.raises(StoreError, match="down"):
        world.run(token(world))
    assert world.refresh_requests() == 0, "the old refresh token would have ended the grant"
    service.failure = None
    world.clock.time += 60

    assert world.run(token(world)) == Secret("rescued")
    assert world.refresh_requests() == 0


def test_a_rescue_record_whose_key_is_refused_holds_nobody_up_and_is_kept() -> None:
    world = with_rescue(expired("stable"), Service(KeyUnavailable("cloud", "disabled")))

    found = world.run(token(world))

    assert works(world, found)
    assert [row for row in world.store.list(None, "").rows if row.key.name.startswith("rescue/")]


def test_a_key_that_is_taken_away_during_an_exchange_still_seals_what_the_exchange_brought() -> None:
    world = World()
    service = Service()
    found = migrating(world, service)
    place, plaintext = _something(world)
    world.run(found.seal(place, plaintext))
    world.clock.time += 3_595
    sealed = world.run(found.seal(place, plaintext))
    service.failure = KeyUnavailable("cloud", "disabled")
    world.clock.time += 10

    with pytest.raises(KeyUnavailable):
        world.run(found.open(place, sealed))
    assert world.run(found.seal(place, plaintext)).startswith(b"vk1.cloud.")
    world.clock.time += 60
    with pytest.raises(KeyUnavailable):
        world.run(found.seal(place, plaintext))


def _something(world: World) -> tuple[Place, bytes]:
    _ = world.connect()
    return Place("connection", ("a",)), write_credentials(credentials(world))
