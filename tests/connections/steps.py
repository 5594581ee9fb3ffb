"""What the tests of connections do again and again: steps of a browser, and what stands in a world's rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from valetkey.connections.authorize import Redirect, begin_authorization
from valetkey.connections.codec import connection_key
from valetkey.connections.manage import connection
from valetkey.connections.records import Record, load_record, open_record
from valetkey.connections.refresh import current_tokens
from valetkey.connections.sign import access_token
from valetkey.errors import RefreshInProgress, ValetkeyError
from valetkey.http import Headers, Request
from valetkey.sandbox import approve
from valetkey.testing.storm import ROTATIONS
from valetkey.testing.world import World, callback_request, sandbox_client

if TYPE_CHECKING:
    from valetkey.connections.connection import Connection, Credentials
    from valetkey.effects import Op
    from valetkey.providers.provider import Rotation
    from valetkey.sandbox.clients import RotationMode
    from valetkey.secret import Secret

MODES = ROTATIONS
FORGIVING: tuple[RotationMode, ...] = ("none", "stable", "window", "until_new_used")
LEASE_SECONDS = 16


def world_of(mode: RotationMode = "strict", *, rotation: Rotation | None = None, **changes: Any) -> World:
    """A world whose provider rotates like that, and whose catalog says so."""
    return World(client=sandbox_client(mode, **changes), rotation=rotation or MODES[mode])


def expired(mode: RotationMode = "strict", **changes: Any) -> World:
    """The same with alice connected to `two`, her access token expired."""
    world = world_of(mode, **changes)
    _ = world.connect()
    world.clock.time += world.client.access_token_seconds + 1
    return world


def token(world: World, rejected: Secret | None = None) -> Op[Secret]:
    """A caller that needs alice's access token."""
    return access_token(world.settings, "two", resource_owner="alice", rejected=rejected)


def row(world: World, registration: str = "two", resource_owner: str = "alice", account: str = "") -> Connection | None:
    """The connection as it stands, without its tokens."""
    return world.run(connection(world.settings, registration, resource_owner=resource_owner, account=account))


def standing(world: World, registration: str = "two", resource_owner: str = "alice") -> Connection:
    """The same, where there must be one."""
    found = row(world, registration, resource_owner)
    assert found is not None
    return found


def record(world: World, registration: str = "two", resource_owner: str = "alice") -> Record:
    """The stored record."""
    found = world.run(load_record(registration, resource_owner=resource_owner))
    assert found is not None
    return found


def credentials(world: World, registration: str = "two", resource_owner: str = "alice") -> Credentials:
    """What is sealed in the row."""
    return world.run(open_record(world.settings, record(world, registration, resource_owner)))


def works(world: World, secret: Secret) -> bool:
    """Whether the provider takes that access token now."""
    headers = Headers((("Authorization", f"Bearer {secret.reveal()}"),))
    return world.sandbox.respond(Request("GET", f"{world.sandbox.base_url}/oauth2/me", headers)).status == 200


def eventually(world: World, *, patience: int = 40) -> Secret:
    """The token of a caller who comes back after every cool-down, as long as it is told to."""
    for _ in range(patience):
        try:
            return world.run(token(world))
        except RefreshInProgress as busy:
            world.clock.time += busy.retry_after
    message = "the connection cools down for ever"
    raise AssertionError(message)


def begun(world: World, registration: str = "two", **changes: Any) -> Redirect:
    """A flow that was begun."""
    return world.run(
        begin_authorization(world.settings, registration, **{"resource_owner": "alice", "cookies": (), **changes})
    )


def returning(world: World, redirect: Redirect, *, decision: str = "allow") -> Request:
    """The callback of the browser that was sent there and came back."""
    return callback_request(approve(world.sandbox.respond, redirect.location, decision=decision), redirect.set_cookies)


def failure(world: World, op: Op[Any]) -> ValetkeyError:
    """The error that the program ends with."""
    try:
        _ = world.run(op)
    except ValetkeyError as error:
        return error
    message = "it was expected to fail"
    raise AssertionError(message)


def alice_key(registration: str = "two") -> Any:
    """Where alice's connection stands."""
    return connection_key(registration, "alice")


def tokens_of(world: World, registration: str = "two") -> Any:
    """The program that gives alice's tokens, whichever protocol."""
    return current_tokens(world.settings, world.settings.registration(registration), resource_owner="alice")
