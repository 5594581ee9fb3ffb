"""Signed requests that reach the instances of an application: each is taken once, and none where that cannot be kept."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from tests.oauth1.cast import CLIENT, KEYS, NOW, TOKEN, URL

from valetkey.async_vault import AsyncVault
from valetkey.connections.receive import SPARE_SECONDS, nonce_key, receive_once
from valetkey.connections.records import SETTLE_ROUNDS
from valetkey.errors import RequestRefused, StoreError
from valetkey.http import Headers, Request
from valetkey.oauth1.receive import Keys, SignedRequest, read_signed_request, used_up
from valetkey.oauth1.sign import sign_request
from valetkey.secret import Secret
from valetkey.stores.memory import MemoryStore
from valetkey.stores.sqlite import SqliteStore
from valetkey.testing.crash import crashes
from valetkey.testing.interleave import schedules
from valetkey.testing.world import World
from valetkey.vault import Vault

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from typing import Any

    from valetkey.effects import Op


def world_at(time: float = NOW) -> World:
    world = World()
    world.clock.time = time
    return world


def signed(nonce: str = "0123456789abcdef01234567", *, timestamp: int = NOW, body: bytes = b"") -> Request:
    request = Request("POST", URL, Headers((("Content-Type", "application/json"),)), body)
    return sign_request(request, CLIENT, token=TOKEN, timestamp=timestamp, nonce=nonce, body_hash=False)


def known(found: SignedRequest) -> Keys | None:
    return KEYS if found.client_identifier == CLIENT.identifier else None


def receiving(world: World, request: Request | None = None) -> Op[SignedRequest]:
    return receive_once(world.settings, request or signed(), keys=known)


def refusal(world: World, request: Request | None = None) -> tuple[str, int]:
    with pytest.raises(RequestRefused) as caught:
        world.vault().receive(request or signed(), keys=known)
    return caught.value.reason, caught.value.status


def outcome(vault: Vault, request: Request | None = None) -> str:
    try:
        _ = vault.receive(request or signed(), keys=known)
    except RequestRefused as refused:
        return refused.reason
    return "taken"


def test_a_request_is_taken_once() -> None:
    world = world_at()

    assert world.vault().receive(signed(), keys=known).client_identifier == CLIENT.identifier

    assert refusal(world) == ("nonce_used", 401)
    assert world.vault().receive(signed("another0123456789abcdef"), keys=known)


def test_a_nonce_is_kept_for_longer_than_its_timestamp_passes_and_then_it_goes() -> None:
    world = world_at(NOW - 300)
    _ = world.run(receiving(world))
    spent = used_up(read_signed_request(signed()))
    assert spent is not None
    row = world.store.load(nonce_key(world.settings.environment, spent))

    assert row is not None
    assert (row.expires_at, row.sealed, row.clear) == (NOW + 300 + SPARE_SECONDS, b"", {"state": "nonce"})
    world.clock.time = NOW + 300
    assert refusal(world) == ("nonce_used", 401)
    world.clock.time = NOW + 301
    assert refusal(world) == ("timestamp_refused", 401)


def test_nonces_are_no_connections_and_hold_no_list_up() -> None:
    world = world_at()
    _ = world.connect("one")
    _ = world.run(receiving(world))

    assert [one.registration for one in world.vault().connections().connections] == ["one"]


def test_what_is_refused_uses_no_nonce_up() -> None:
    world = world_at()
    for wrong, reason in (
        (Request("POST", URL), "parameter_absent"),
        (Request("PUT", URL, signed().headers), "signature_invalid"),
        (signed(body=b"{}"), "parameter_absent"),
        (signed(timestamp=NOW - 301), "timestamp_refused"),
    ):
        assert refusal(world, wrong)[0] == reason

    assert world.store.list(None, "").rows == ()
    assert world.run(receiving(world)).timestamp == NOW


def test_the_parameters_are_those_of_receive() -> None:
    vault = world_at(NOW + 400).vault()
    with pytest.raises(RequestRefused, match="signature method"):
        vault.receive(signed(), keys=known, methods=("HMAC-SHA256",))
    assert vault.receive(signed(body=b"{}"), keys=known, window_seconds=500, accept_unsigned_body=True)
    plain = sign_request(
        Request("GET", URL.replace("https:", "http:")), CLIENT, token=TOKEN, timestamp=NOW, nonce="n",
        signature_method="PLAINTEXT",
    )  # fmt: skip
    assert vault.receive(plain, keys=known, window_seconds=500, plaintext_over_http=True)


def test_plaintext_without_a_nonce_has_none_to_use_up() -> None:
    world = world_at()
    header = 'OAuth oauth_consumer_key="c", oauth_signature_method="PLAINTEXT", oauth_signature="s%26"'
    request = Request("GET", "https://a.example/", Headers((("Authorization", header),)))

    for _ in range(2):
        assert world.vault().receive(request, keys=lambda _: Keys(Secret("s"))).nonce is None
    assert world.store.list(None, "").rows == ()


def test_where_the_nonce_cannot_be_kept_the_request_is_not_taken() -> None:
    world = world_at()
    world.store.outages = 1

    with pytest.raises(StoreError, match=r"nonces cannot be kept.*answer 503.*out of reach"):
        world.vault().receive(signed(), keys=known)

    assert world.vault().receive(signed(), keys=known)


def test_an_uncertain_write_is_settled_by_reading() -> None:
    world = world_at()
    world.store.lost_answers = 1
    assert world.run(receiving(world)).timestamp == NOW
    world.store.lost_writes = 1
    assert world.run(receiving(world, signed("n2"))).timestamp == NOW

    world.store.lost_writes = SETTLE_ROUNDS
    with pytest.raises(StoreError, match="503"):
        world.run(receiving(world, signed("n3")))

    assert [refusal(world, signed(nonce))[0] for nonce in ("0123456789abcdef01234567", "n2")] == ["nonce_used"] * 2


def test_a_crash_at_any_effect_takes_a_request_at_most_once() -> None:
    for crashed in crashes(world_at, receiving):
        results = [outcome(crashed.world.vault()) for _ in range(2)]
        assert results in (["taken", "nonce_used"], ["nonce_used", "nonce_used"]), crashed


def test_of_two_callers_in_any_order_one_takes_the_request() -> None:
    def two() -> tuple[World, Sequence[Op[Any]]]:
        world = world_at()
        return world, [receiving(world), receiving(world)]

    seen = 0
    for run in schedules(two, depth=6):
        assert sum(isinstance(result, SignedRequest) for result in run.results) == 1, run
        seen += 1
    assert seen == 2


def test_of_sixteen_instances_on_one_file_one_takes_the_request(tmp_path: Path) -> None:
    world = world_at()
    request = signed(timestamp=int(time.time()))  # the file drops rows by the real clock
    vaults = [Vault(world.settings, store=SqliteStore(str(tmp_path / "rows.db")), keys=world.keys) for _ in range(16)]

    with ThreadPoolExecutor(16) as pool:
        results = list(pool.map(outcome, vaults, [request] * 16))
    for vault in vaults:
        vault.close()

    assert sorted(results) == [*["nonce_used"] * 15, "taken"]


def test_an_async_vault_takes_a_request_once_with_keys_that_were_looked_up_before() -> None:
    world = world_at()

    async def take() -> list[object]:
        vault = AsyncVault(world.settings, store=MemoryStore(now=world.clock.now), keys=world.keys, clock=world.clock)

        async def lookup(found: SignedRequest) -> Keys | None:
            await asyncio.sleep(0)
            return known(found)

        found = await lookup(read_signed_request(signed()))
        tries = [vault.receive(signed(), keys=lambda _: found) for _ in range(3)]
        results = await asyncio.gather(*tries, return_exceptions=True)
        await vault.close()
        return list(results)

    results = asyncio.run(take())

    assert sum(isinstance(one, SignedRequest) for one in results) == 1
    assert [one.reason for one in results if isinstance(one, RequestRefused)] == ["nonce_used"] * 2
