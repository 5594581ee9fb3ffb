"""A provider over HTTP, a store, a clock, and alice's connection."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tests.fleet.clock import make_clock, process_of
from tests.fleet.provider import FleetProvider
from tests.fleet.worker import CALLBACK, open_vault, shown

from valetkey.connections.records import load_record
from valetkey.drivers.defaults import system_random
from valetkey.http import Headers, Request
from valetkey.keys.local import generate_key
from valetkey.sandbox import SandboxClient, approve, serve
from valetkey.secret import Secret
from valetkey.testing.world import callback_request

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.fleet.clock import FleetClock

    from valetkey.connections.connection import Connection
    from valetkey.sandbox.clients import RotationMode

ROTATIONS: dict[RotationMode, dict[str, Any]] = {
    "strict": {"kind": "strict"},
    "strict_family": {"kind": "strict", "reuse_kills_family": True},
    "window": {"kind": "window", "window_seconds": 120},
}
LEASE_SECONDS = 15.5  # no lease is longer
TOKEN_SECONDS = 300


class Deployment:
    """What a fleet shares."""

    def __init__(self, provider: FleetProvider, setup: dict[str, Any], clock: FleetClock, *, real_time: bool) -> None:
        self.provider, self.setup, self.clock, self.real_time = provider, setup, clock, real_time
        self.vault = open_vault(setup)

    def create(self) -> None:
        made: Any = self.vault._store.create()
        if made is not None:
            self.vault.run(made)

    def connect(self) -> None:
        """Alice connects, or connects again."""
        begun = self.vault.begin_authorization("two", "alice")
        request = callback_request(approve(self.provider.base_url, begun.location), begun.set_cookies)
        assert self.vault.finish_authorization(request, resource_owner="alice").connection is not None

    def connection(self) -> Connection:
        record = self.vault.run(load_record("two", resource_owner="alice"))
        assert record is not None
        return record.connection

    def pass_time(self, seconds: float) -> None:
        if self.real_time:
            time.sleep(max(0.0, seconds))
        else:
            self.clock.move(seconds)

    def expire(self) -> None:
        """Let the access token end."""
        self.pass_time(self.connection().access_expires_at - self.clock.now() + 1)

    def holder(self) -> int:
        """The process that holds the lease, -1 where none does."""
        return process_of(self.connection().attempt)

    def refused(self) -> int:
        """How many refresh requests were answered `invalid_grant`."""
        return self.provider.seen.count("token", grant_type="refresh_token", outcome="invalid_grant")

    def working_token(self) -> str:
        """The fingerprint of the stored token, which the provider takes."""
        token = self.vault.access_token("two", "alice")
        headers = Headers((("Authorization", f"Bearer {token.reveal()}"),))
        assert self.provider.respond(Request("GET", f"{self.provider.base_url}/oauth2/me", headers)).status == 200
        return shown(token)


@contextmanager
def deployed(
    store: str,
    directory: Path,
    *,
    mode: RotationMode = "strict_family",
    token_seconds: int = TOKEN_SECONDS,
    real_time: bool = False,
) -> Iterator[Deployment]:
    """Alice is connected, and her rows stand in the store of that URL."""
    file = directory / f"clock-{os.urandom(4).hex()}"
    clock = make_clock(file)
    client = SandboxClient(
        "client-two",
        Secret("secret-of-two"),
        redirect_uris=(CALLBACK,),
        rotation=mode,
        window_seconds=120,
        access_token_seconds=token_seconds,
    )
    provider = FleetProvider(now=clock.now, random=os.urandom, clients=(client,))
    with serve(provider) as server:
        setup = {
            "store": store,
            "clock": str(file),
            "key": generate_key(system_random),
            "base_url": server.base_url,
            "rotation": ROTATIONS[mode],
        }
        deployment = Deployment(provider, setup, clock, real_time=real_time)
        try:
            deployment.create()
            deployment.connect()
            yield deployment
        finally:
            deployment.vault.close()
