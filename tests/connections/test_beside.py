"""What comes beside the credentials: read by the application, in both colours, and never a credential among it."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.connections import test_implicit as implicit
from tests.connections.steps import begun, credentials, record, returning, standing, token, world_of
from tests.connections.test_password import accepting, connecting
from tests.connections.test_response_modes import coming, world_with

from valetkey.async_vault import AsyncVault
from valetkey.connections.assertion import exchange_token
from valetkey.connections.authorize import finish_authorization
from valetkey.connections.beside import MAX_FIELDS, beside, newer
from valetkey.connections.client import client_connection, client_token
from valetkey.connections.codec import MAX_CONTENT_OCTETS, read_credentials, write_credentials
from valetkey.connections.connection import Connection, Credentials, Tokens
from valetkey.connections.links import begin_from_link, complete_authorization, connect_url
from valetkey.connections.manage import connection, connections
from valetkey.connections.pending import Pending, pack_pending, unpack_pending
from valetkey.connections.records import seal_credentials, write_record
from valetkey.effects import Send
from valetkey.http import with_query
from valetkey.sandbox.clients import GRANT_TYPES, PASSWORD
from valetkey.secret import Secret
from valetkey.testing.crash import crashes
from valetkey.value import replace

if TYPE_CHECKING:
    from valetkey.http import Request, Response
    from valetkey.testing.world import World

DETAILS = [{"type": "payment", "actions": ["initiate"], "sum": {"amount": "123.50"}}]
SAID: dict[str, Any] = {
    "instance_url": "https://eu1.example.com",
    "user_id": 7,
    "name": "山田\u3000太郎",
    "authorization_details": DETAILS,
}
READ = (("instance_url", "https://eu1.example.com"), ("user_id", "7"), ("name", "山田\u3000太郎"))


class Talkative:
    """The world's network, whose token endpoint says more than it must."""

    blocking = False

    def __init__(self, world: World, **more: Any) -> None:
        self.world, self.more = world, more or SAID
        world.ports._performers[Send] = self.send

    def send(self, effect: Send) -> Response:
        response = self.world.network.send(effect)
        if effect.request.url.endswith("/oauth2/token") and response.status == 200:
            members = {**json.loads(response.body), **self.more}
            return replace(response, body=json.dumps(members).encode())
        return response


def test_what_the_provider_answered_beside_the_tokens_is_read_from_the_connection() -> None:
    world = world_of()
    Talkative(world)

    connected = world.connect()

    for found in (connected, standing(world), world.run(connections(world.settings, resource_owner="alice"))):
        shown = found if isinstance(found, Connection) else found.connections[0]
        assert shown.extra[:3] == READ
        assert shown.authorization_details == tuple(DETAILS)
        assert shown.callback_parameters == ()


def test_both_vaults_read_it() -> None:
    world = world_of()
    network = Talkative(world)

    async def connecting() -> tuple[Connection | None, Connection | None]:
        ports = {"store": world.store, "keys": world.keys, "transport": network, "clock": world.clock}
        vault = AsyncVault(world.settings, **ports)  # type: ignore[arg-type]
        request = returning(world, begun(world))
        finished = await vault.finish_authorization(request, resource_owner="alice")
        return finished.connection, await vault.connection("two", "alice")

    for found in (*asyncio.run(connecting()), world.vault().connection("two", "alice")):
        assert found is not None
        assert dict(found.extra)["instance_url"] == "https://eu1.example.com"
        assert found.authorization_details == tuple(DETAILS)


def test_a_refresh_says_anew_what_it_says_and_leaves_the_rest() -> None:
    world = world_of()
    network = Talkative(world)
    _ = world.connect()
    network.more = {"instance_url": "https://eu2.example.com", "authorization_details": [{"type": "payment"}]}
    world.clock.time += 4000

    _ = world.run(token(world))

    found = standing(world)
    assert found.generation == 2
    assert dict(found.extra)["instance_url"] == "https://eu2.example.com"
    assert dict(found.extra)["user_id"] == "7"
    assert found.authorization_details == ({"type": "payment"},)


def test_a_new_consent_begins_with_nothing() -> None:
    world = world_of()
    network = Talkative(world)
    _ = world.connect()
    network.more = {"user_id": 8}

    assert world.connect().extra == (("user_id", "8"),)
    assert standing(world).extra == (("user_id", "8"),)


def test_oauth_1_says_whose_account_it_is() -> None:
    world = world_of()

    connected = world.connect("one")

    assert dict(connected.extra) == {"screen_name": "alice"}
    assert standing(world, "one").extra == connected.extra


def test_it_is_sealed_and_not_printed() -> None:
    world = world_of()
    Talkative(world)
    connected = world.connect()

    stored = world.store.rows._rows.values()
    assert all("eu1.example.com" not in repr(row.clear) and b"eu1.example.com" not in row.sealed for row in stored)
    assert "eu1.example.com" not in repr(connected)
    assert "instance_url" in repr(connected)
    assert "state='active'" in repr(connected)


CREDENTIALS = {
    "page_token": "CANARY-1",
    "oauth_token_secret": "CANARY-2",
    "clientSecret": "CANARY-3",
    "api-key": "CANARY-4",
    "password": "CANARY-5",
    "code": "CANARY-6",
    "private_key": "CANARY-7",
    "oauth_session_handle": "CANARY-8",
    "who": "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJDQU5BUlkifQ.CANARY-9",
}


def test_no_credential_is_among_it_under_any_name() -> None:
    world = world_of()
    network = Talkative(world, **CREDENTIALS, fine="yes")

    connected = world.connect()

    assert connected.extra == (("fine", "yes"),)
    assert credentials(world).extra == (("fine", "yes"),), "nor is it kept"
    network.more = {**CREDENTIALS, "copy": "see sandbox-access-", "fine": "still"}
    world.clock.time += 4000
    _ = world.run(token(world))
    assert dict(standing(world).extra)["fine"] == "still"
    assert "CANARY" not in str(standing(world).extra)


def test_a_token_that_is_repeated_under_another_name_is_one() -> None:
    tokens = Tokens(Secret("access-token-1"), Secret("refresh-token-1"), Secret("secret-of-the-token"))

    for one in ("access-token-1", "https://x.example/?t=refresh-token-1", "secret-of-the-token."):
        assert beside((("link", one), ("id", "7")), tokens=tokens) == (("id", "7"),)
    assert beside((("id", "7"),), tokens=Tokens(Secret("7"))) == (("id", "7"),), "a token of one letter is everywhere"


def test_what_an_older_valetkey_kept_is_looked_at_again() -> None:
    world = world_of()
    _ = world.connect()
    found = record(world)
    older = replace(credentials(world), extra=(*CREDENTIALS.items(), ("team_id", "T1")))
    at, sealed = world.run(seal_credentials(world.settings, found.key, found.connection, older))
    _ = world.run(write_record(found.key, found.version, at, sealed))

    assert standing(world).extra == (("team_id", "T1"),)


def test_the_client_reads_what_came_with_its_own_token() -> None:
    world = world_of()
    Talkative(world)
    mine = world.run(client_token(world.settings, "two"))

    found = world.run(client_connection(world.settings, "two"))

    assert dict(found.extra)["instance_url"] == "https://eu1.example.com"
    assert found.authorization_details == tuple(DETAILS)
    assert world.run(client_token(world.settings, "two")) == mine
    assert world.sandbox.seen.count("token", grant_type="client_credentials") == 1
    assert world.vault().client_connection("two", scope=("read",)).scope == ("read",)


def test_an_exchanged_token_says_what_came_with_it() -> None:
    world = world_of()
    Talkative(world, **SAID, page_token="CANARY")
    _ = world.connect()

    found = world.run(exchange_token(world.settings, "two", subject_token=world.run(token(world))))

    assert dict(found.extra)["user_id"] == "7"
    assert found.authorization_details == tuple(DETAILS)
    assert {"issued_token_type", "page_token"}.isdisjoint(dict(found.extra))
    assert "eu1.example.com" not in repr(found)


# --- the callback


def bringing(request: Request, *more: tuple[str, str]) -> Request:
    return replace(request, url=with_query(request.url, more))


def test_what_the_browser_brought_is_read_apart_from_what_the_provider_said() -> None:
    world = world_of()
    Talkative(world, realmId="17")
    request = bringing(returning(world, begun(world)), ("realmId", "42"), ("access_token", "CANARY"), ("x", "a\nb"))

    finished = world.run(finish_authorization(world.settings, request, resource_owner="alice"))

    assert finished.connection is not None
    for found in (finished.connection, standing(world)):
        assert dict(found.callback_parameters) == {"realmId": "42"}
        assert found.extra == (("realmId", "17"),)
        assert "42" not in repr(found.callback_parameters[0][0])
    again = world.run(finish_authorization(world.settings, request, resource_owner="alice"))
    assert again.connection is not None
    assert again.connection.callback_parameters == finished.connection.callback_parameters


def test_refreshes_leave_what_the_browser_brought() -> None:
    world = world_of()
    request = bringing(returning(world, begun(world)), ("realmId", "42"))
    _ = world.run(finish_authorization(world.settings, request, resource_owner="alice"))
    world.clock.time += 4000

    _ = world.run(token(world))

    assert standing(world).callback_parameters == (("realmId", "42"),)


def test_oauth_1_callbacks_bring_things_too() -> None:
    world = world_of()
    request = bringing(returning(world, begun(world, "one")), ("shop", "s-1"), ("oauth_extra_token", "CANARY"))

    finished = world.run(finish_authorization(world.settings, request, resource_owner="alice"))

    assert finished.connection is not None
    assert finished.connection.callback_parameters == (("shop", "s-1"),)


def test_a_signed_answer_brings_its_own_claims_alone() -> None:
    world = world_with("query.jwt")
    request = bringing(coming(world, begun(world), "query.jwt"), ("realmId", "42"))

    finished = world.run(finish_authorization(world.settings, request, resource_owner="alice"))

    assert finished.connection is not None
    assert finished.connection.callback_parameters == ()


@pytest.mark.parametrize("kind", implicit.KINDS)
def test_what_a_fragment_brings_is_the_browsers_word(kind: str) -> None:
    world, request = implicit.waiting(kind)
    request = implicit.changed(request, instance_url="https://evil.example", session_token="CANARY")

    found = world.run(implicit.finish(world, request)).connection

    assert found is not None
    assert (found.extra, found.callback_parameters) == ((), (("instance_url", "https://evil.example"),))
    assert standing(world).callback_parameters == found.callback_parameters


def linked(world: World) -> tuple[str, World]:
    """A handle of a flow that a connect link began and whose callback brought something."""
    world.settings = replace(world.settings, completion_url="https://app.example/done")
    link = world.run(connect_url(world.settings, "two", resource_owner="alice")).rpartition("/")[2]
    redirect = world.run(begin_from_link(world.settings, link, resource_owner=None, cookies=()))
    request = bringing(returning(world, redirect), ("realmId", "42"))
    location = world.run(finish_authorization(world.settings, request, resource_owner=None)).return_to
    return location.rpartition("=")[2], world


def test_it_waits_with_the_code_behind_a_connect_link() -> None:
    handle, world = linked(world_of())

    found = world.run(complete_authorization(world.settings, handle, resource_owner="alice"))

    assert found.callback_parameters == standing(world).callback_parameters == (("realmId", "42"),)


def test_a_crash_at_any_effect_of_a_completion_leaves_both_or_neither() -> None:
    handle, world = linked(world_of())

    for crashed in crashes(
        world.fork,
        lambda fork: complete_authorization(fork.settings, handle, resource_owner="alice"),
        every=False,
    ):
        after = crashed.world
        found = after.run(connection(after.settings, "two", resource_owner="alice"))
        assert found is None or found.callback_parameters == (("realmId", "42"),), crashed


@pytest.mark.parametrize("left_out", [None, ("a" * 22, "b" * 22)])
@pytest.mark.parametrize("brought", [(), (("realmId", "42"), ("é", ""))])
def test_a_waiting_flow_comes_back_as_it_was(left_out: Any, brought: Any) -> None:
    pending = Pending("two", "0" * 32, "1" * 32, "2" * 64, 5, "https://x.example/", nonce="n", left_out=left_out)
    pending = pending if left_out else replace(pending, brought=brought)

    assert unpack_pending("two", "0" * 32, pack_pending(pending)) == pending
    assert len(json.loads(pack_pending(pending))) in ((15,) if left_out else (13 + bool(brought),))


def test_a_password_that_an_answer_repeats_is_not_read() -> None:
    world = accepting(world_of(grant_types=(*GRANT_TYPES, PASSWORD)))
    Talkative(world, user_password="wonderland", plan="pro")

    assert world.run(connecting(world)).extra == (("plan", "pro"),)


# --- bounds


TEXTS = st.text(max_size=40) | st.sampled_from([*CREDENTIALS, *SAID, "x" * 600, "a\x00b", "A-TOKEN-OF-SOMEBODY"])


@given(st.lists(st.tuples(TEXTS, TEXTS), max_size=80), st.lists(st.tuples(TEXTS, TEXTS), max_size=80))
def test_whatever_comes_it_is_short_single_and_no_token(one: Any, other: Any) -> None:
    tokens = Tokens(Secret("A-TOKEN-OF-SOMEBODY"))

    told, older = beside(tuple(one), tokens=tokens), beside(tuple(other), tokens=tokens)
    both = newer(told, older)

    for pairs in (told, older, both):
        assert len(pairs) <= MAX_FIELDS
        assert len({name for name, _ in pairs}) == len(pairs)
        assert all(len((name + text).encode("utf-8", "surrogatepass")) <= 8300 for name, text in pairs)
        assert all("A-TOKEN" not in text and not name.lower().endswith("token") for name, text in pairs)
    assert both[: len(told)] == told
    assert beside(told, tokens=tokens) == told


@pytest.mark.parametrize("text", ["", "[", "{}", "[1]", '["a"]', "7", "[]", '[{"type":"a"}],"x":[', "é" * 9000])
def test_authorization_details_that_are_none_are_empty(text: str) -> None:
    assert Connection("two", "alice", extra=(("authorization_details", text),)).authorization_details == ()


def test_where_the_row_would_be_too_large_it_is_what_is_left_out() -> None:
    much = tuple((f"name-{number}", "x" * 490) for number in range(MAX_FIELDS))
    whole = Credentials("alice", Tokens(Secret("t" * 20_000)), extra=much, callback_parameters=much[:2])

    found = read_credentials(write_credentials(whole))
    larger = write_credentials(replace(whole, current=Tokens(Secret("t" * 46_000))))

    assert (found.extra, found.callback_parameters) == (much, much[:2])
    assert len(larger) <= MAX_CONTENT_OCTETS
    assert (read_credentials(larger).extra, read_credentials(larger).callback_parameters) == ((), ())
