"""Authorization details (RFC 9396): asked for wherever a scope may be, and read as they were granted."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.connections.steps import begun, failure, returning, standing, token, world_of
from tests.connections.test_assertions import PEM, assertion

from valetkey.async_vault import AsyncVault
from valetkey.connections.assertion import connect_by_assertion, exchange_token
from valetkey.connections.authorize import finish_authorization
from valetkey.connections.client import client_connection
from valetkey.connections.device import begin_device_authorization, poll_device_authorization
from valetkey.connections.introspect import introspect
from valetkey.connections.password import connect_by_password
from valetkey.errors import CallbackError, ProviderError
from valetkey.http import FORM, Headers, Request, read_form, with_query, write_form
from valetkey.sandbox import approve, approve_device
from valetkey.sandbox.clients import GRANT_TYPES, PASSWORD
from valetkey.sandbox.visitor import Visitor
from valetkey.secret import Secret
from valetkey.value import replace

if TYPE_CHECKING:
    from collections.abc import Callable

    from valetkey.connections.connection import Connection
    from valetkey.testing.world import World

WANTED = [{"type": "payment_initiation", "actions": ["initiate"], "instructedAmount": {"currency": "EUR"}}]
DETAILS = json.dumps(WANTED, separators=(",", ":"))


def asking(details: str = DETAILS, **client: Any) -> World:
    """A world whose `two` asks for them."""
    world = world_of(grant_types=(*GRANT_TYPES, PASSWORD), assertion_public_key=PEM, **client)
    two = world.settings.registrations["two"]
    server: Any = two.provider.server
    provider = replace(two.provider, server=replace(server, authorization_details=details))
    two = replace(two, provider=provider, accept_password_grant=True)
    world.settings = replace(world.settings, registrations={**world.settings.registrations, "two": two})
    return world


def by_code(world: World) -> Connection:
    finished = world.run(finish_authorization(world.settings, returning(world, begun(world)), resource_owner="alice"))
    assert finished.connection is not None
    return finished.connection


def by_device(world: World) -> Connection:
    codes = world.run(begin_device_authorization(world.settings, "two", resource_owner="alice"))
    _ = approve_device(world.sandbox.respond, codes.verification_uri, codes.user_code)
    world.clock.time += 6
    step = world.run(poll_device_authorization(world.settings, codes.handle, resource_owner="alice"))
    assert step.connection is not None
    return step.connection


def by_password(world: World) -> Connection:
    word = Secret("wonderland")
    return world.run(
        connect_by_password(world.settings, "two", resource_owner="alice", username="alice", password=word)
    )


def by_assertion(world: World) -> Connection:
    vouching = assertion(world)
    return world.run(connect_by_assertion(world.settings, "two", resource_owner="alice", assertion=vouching))


def alone(world: World) -> Connection:
    return world.run(client_connection(world.settings, "two"))


EVERY = pytest.mark.parametrize("connecting", [by_code, by_device, by_password, by_assertion, alone])


@EVERY
def test_what_was_granted_is_read_from_the_connection(connecting: Callable[[World], Connection]) -> None:
    world = asking()

    assert connecting(world).authorization_details == tuple(WANTED)
    if connecting is not alone:
        assert standing(world).authorization_details == tuple(WANTED)


@EVERY
def test_a_type_that_the_client_may_not_ask_for_is_refused_by_its_name(
    connecting: Callable[[World], Connection],
) -> None:
    world = asking('[{"type":"anything"}]')

    with pytest.raises((ProviderError, CallbackError)) as caught:
        connecting(world)

    assert "invalid_authorization_details" in f"{getattr(caught.value, 'error', '')} {caught.value}"


@pytest.mark.parametrize("connecting", [by_code, by_device, by_password])
def test_a_refresh_asks_for_no_less_and_says_them_again(connecting: Callable[[World], Connection]) -> None:
    world = asking()
    _ = connecting(world)
    world.clock.time += 4000

    _ = world.run(token(world))

    assert standing(world).generation == 2
    assert standing(world).authorization_details == tuple(WANTED)
    found = world.run(introspect(world.settings, "two", resource_owner="alice"))
    assert found.active


def test_an_exchanged_token_has_them_too_and_nothing_more_can_be_had_by_exchanging() -> None:
    world = asking()
    _ = by_code(world)
    subject = world.run(token(world))

    found = world.run(exchange_token(world.settings, "two", subject_token=subject))
    more = asking('[{"type":"account_information"}]').settings
    refused = failure(world, exchange_token(more, "two", subject_token=subject))

    assert found.authorization_details == tuple(WANTED)
    assert isinstance(refused, ProviderError)
    assert refused.error == "invalid_authorization_details"


def test_both_vaults_ask_for_them() -> None:
    world = asking()

    async def connecting() -> Connection:
        ports = {"store": world.store, "keys": world.keys, "transport": world.network, "clock": world.clock}
        vault = AsyncVault(world.settings, **ports)  # type: ignore[arg-type]
        return await vault.connect_by_password("two", "alice", username="alice", password=Secret("wonderland"))

    assert asyncio.run(connecting()).authorization_details == tuple(WANTED)
    assert world.vault().client_connection("two").authorization_details == tuple(WANTED)


def test_without_them_nothing_is_sent_and_nothing_is_said() -> None:
    world = world_of()

    assert "authorization_details" not in begun(world).location
    assert by_code(world).authorization_details == ()
    assert alone(world).authorization_details == ()


# --- the sandbox


def test_the_consent_page_says_exactly_what_is_asked_for_and_markup_in_it_is_text() -> None:
    world = asking('[{"type":"payment_initiation","to":"<b>x</b>"}]')
    visitor, location = Visitor(world.sandbox.respond), begun(world).location
    _ = visitor.walk(location, {"account": "alice", "password": "wonderland"}, ends="Exactly this")

    page = visitor.request("GET", location).body.decode()

    assert "payment_initiation" in page
    assert "<b>x</b>" not in page


def test_consent_to_a_scope_is_none_to_details() -> None:
    world = asking()
    _ = by_code(world)
    silent = with_query(begun(world).location, (("prompt", "none"),))

    response = world.sandbox.respond(Request("GET", silent))

    assert "code=" not in (response.headers.get("Location") or "")


@pytest.mark.parametrize("grant", [("authorization_code", "code"), ("refresh_token", "refresh_token")])
def test_the_token_endpoint_takes_them_again_only_as_they_were_granted(grant: tuple[str, str]) -> None:
    kind, name = grant
    for details, status in ((DETAILS, 200), ('[{"type":"account_information"}]', 400)):
        world = asking(pkce_required=False)
        fields = redeemable(world, kind, name)
        answered = world.sandbox.respond(form(world, (*fields, ("authorization_details", details))))
        said = json.loads(answered.body)
        assert answered.status == status
        assert said.get("error", "") == ("" if status == 200 else "invalid_authorization_details")
        assert said.get("authorization_details", WANTED) == WANTED


def redeemable(world: World, kind: str, name: str) -> tuple[tuple[str, str], ...]:
    redirect = with_query(
        f"{world.sandbox.base_url}/oauth2/authorize",
        (
            ("response_type", "code"),
            ("client_id", "client-two"),
            ("redirect_uri", world.client.redirect_uris[0]),
            ("state", "s"),
            ("authorization_details", DETAILS),
        ),
    )
    back = dict(read_form(approve(world.sandbox.respond, redirect).partition("?")[2]))
    code = (
        ("grant_type", "authorization_code"),
        ("code", back["code"]),
        ("redirect_uri", world.client.redirect_uris[0]),
    )
    if kind == "authorization_code":
        return code
    first = json.loads(world.sandbox.respond(form(world, code)).body)
    return (("grant_type", kind), (name, first[name]))


def form(world: World, fields: tuple[tuple[str, str], ...]) -> Request:
    mine = (("client_id", "client-two"), ("client_secret", "secret-of-two"))
    body = write_form((*fields, *mine)).encode()
    return Request("POST", f"{world.sandbox.base_url}/oauth2/token", Headers((("Content-Type", FORM),)), body)
