"""The secrets of clients that were registered at run time are in no local variable that an error report would show."""

from __future__ import annotations

import json
from traceback import TracebackException
from typing import TYPE_CHECKING, Any

import pytest
from tests.connections.internet import ISSUER, URL
from tests.connections.steps import failure
from tests.connections.test_mcp import begun, there
from tests.connections.test_own_registrations import there as issuer

from valetkey.connections.authorize import begin_authorization
from valetkey.connections.enrolled_rows import REGISTRATION, SCHEMA
from valetkey.connections.mcp import begin_mcp_authorization
from valetkey.connections.reenrol import update_enrolled
from valetkey.connections.seal import registration_place
from valetkey.effects import Open, Seal, Swap
from valetkey.errors import ProviderError, StoreError
from valetkey.secret import Secret
from valetkey.value import replace

if TYPE_CHECKING:
    from valetkey.testing.world import World

SECRET = f"secret-1-of-{ISSUER}"
OURS = ("valetkey/connections/", "valetkey/drivers/")


def locals_of(error: Exception) -> str:
    report = TracebackException.from_exception(error, capture_locals=True)
    frames = [frame for frame in report.stack if any(room in frame.filename for room in OURS)]
    assert len(frames) > 3
    return " ".join(text for frame in frames for text in (frame.locals or {}).values())


def failing(world: World, kind: type[Any]) -> None:
    """From now on what is asked of the row of a registration fails."""
    perform: Any = world.ports._performers[kind]

    def fail(effect: Any) -> object:
        named = effect.key.name if isinstance(effect, Swap) else " ".join(effect.place.fields)
        if REGISTRATION in named:
            message = "out of reach"
            raise StoreError(message)
        return perform(effect)

    world.ports._performers[kind] = fail


@pytest.mark.parametrize("kind", [Seal, Swap, Open])
def test_a_row_that_cannot_be_written_or_opened_shows_no_secret_of_its_clients(kind: type[Any]) -> None:
    world, internet, server = there()
    server.registered = {"scope": None}
    _ = begun(world)
    internet.documents[URL]["scopes_supported"] = ["notes:read", "notes:write"]  # so that the row is written anew
    failing(world, kind)

    error = failure(world, begin_mcp_authorization(world.settings, URL, resource_owner="alice", cookies=()))

    assert isinstance(error, StoreError)
    assert SECRET not in locals_of(error)


def test_a_row_of_a_newer_valetkey_shows_no_secret_of_its_clients() -> None:
    world, _, _ = there()
    _ = begun(world)
    ((place, row),) = [(at, row) for at, row in world.store.rows._rows.items() if at[1].startswith(REGISTRATION)]
    where = registration_place(world.settings.environment, place[1])
    content = json.loads(world.run(Open(where, row.sealed).__iter__()))
    newer: Any = world.run(Seal(where, json.dumps({**content, "v": SCHEMA + 1}).encode()).__iter__())
    world.store.rows._rows[place] = replace(row, sealed=newer)

    error = failure(world, begin_mcp_authorization(world.settings, URL, resource_owner="alice", cookies=()))

    assert "newer valetkey" in str(error)
    assert SECRET not in locals_of(error)


def configured() -> tuple[World, Any, Any]:
    world, internet, server = issuer(software_statement=Secret("canary.software.statement"))
    server.registered = {"registration_client_uri": f"{ISSUER}/manage", "registration_access_token": "canary-token"}
    return world, internet, server


def everywhere(error: Exception) -> str:
    report = TracebackException.from_exception(error, capture_locals=True)
    frames = [frame for frame in report.stack if "/valetkey/" in frame.filename]
    assert len(frames) > 3
    return " ".join(text for frame in frames for text in (frame.locals or {}).values())


def test_what_vouches_for_the_software_is_in_no_local_where_its_issuer_refuses() -> None:
    world, internet, _ = configured()
    del internet.pages[f"{ISSUER}/register"]

    error = failure(world, begin_authorization(world.settings, "notes", resource_owner="alice", cookies=()))

    assert isinstance(error, ProviderError)
    assert "canary" not in everywhere(error)


def test_what_a_client_is_told_again_is_in_no_local_where_its_issuer_refuses() -> None:
    world, _, _ = configured()
    _ = world.run(begin_authorization(world.settings, "notes", resource_owner="alice", cookies=()))

    error = failure(world, update_enrolled(world.settings, "notes"))

    assert isinstance(error, ProviderError)
    assert SECRET not in everywhere(error)
    assert "canary" not in everywhere(error)
