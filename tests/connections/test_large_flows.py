"""Flows that do not fit into 728 characters: what the registration says again is not carried, but compared."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.connections.internet import Internet, Server, back
from tests.connections.steps import begun, failure, returning, row, world_of

from valetkey.connections.authorize import begin_authorization, finish_authorization
from valetkey.connections.connection import ACTIVE
from valetkey.connections.links import begin_from_link, complete_authorization, connect_url
from valetkey.connections.mcp import begin_mcp_authorization
from valetkey.connections.pending import (
    MAX_FLOWS,
    MAX_TOGETHER,
    MAX_VALUE,
    MAX_WHOLE,
    open_pending,
    pack_pending,
    seal_pending,
)
from valetkey.connections.scope import require
from valetkey.connections.seal import done_place, flow_place, lean_flow_place
from valetkey.effects import Open
from valetkey.errors import CallbackError, ConfigurationError, ReauthorizationRequired, RequestRefused, SealBroken
from valetkey.http import read_form
from valetkey.testing.crash import crashes
from valetkey.testing.world import World
from valetkey.value import replace

if TYPE_CHECKING:
    from valetkey.connections.authorize import Redirect
    from valetkey.http import Pairs, Request
    from valetkey.providers.registration import Registration

LONG_URL = "https://mcp.notes.example/" + "/".join(["tenant-of-somebody"] * 24)
LONG_ISSUER = "https://as.notes.example/" + "i" * 470
LONG_BASE = "https://app.example/" + "b" * 600
LONG_RETURN = "/" + "r" * 190


def far_away() -> tuple[World, Internet, Server]:
    """A world whose every address is long."""
    world = World()
    world.settings = replace(world.settings, base_url=LONG_BASE)
    internet = Internet(world)
    server = internet.server(LONG_ISSUER)
    _ = internet.resource(LONG_URL, server)
    return world, internet, server


def asked(world: World, **changes: Any) -> Redirect:
    wanted: Any = {"resource_owner": "alice", "cookies": (), **changes}
    return world.run(begin_mcp_authorization(world.settings, LONG_URL, **wanted))


def finished(world: World, request: Request, owner: str | None = "alice") -> Any:
    return finish_authorization(world.settings, request, resource_owner=owner)


def cookie_of(redirect: Redirect) -> str:
    return redirect.set_cookies[-1].partition(";")[0].partition("=")[2]


def jar_of(redirects: list[Redirect]) -> Pairs:
    jar: dict[str, str] = {}
    for redirect in redirects:
        for text in redirect.set_cookies:
            name, _, rest = text.partition("=")
            jar[name] = rest.partition(";")[0]
            if "Max-Age=0" in text:
                del jar[name]
    return tuple(jar.items())


def long_registration(world: World, **changes: Any) -> Registration:
    """`two` with a redirect URI that no cookie has room for."""
    two = world.settings.registrations["two"]
    uri = changes.pop("redirect_uri", f"https://app.example/oauth/callback/two?{'u' * 700}")
    client: Any = replace(two.client, redirect_uri=uri)
    return replace(two, redirect_uri=uri, client=client, **changes)


def with_two(world: World, registration: Registration) -> World:
    known = {**world.settings.registrations, "two": registration}
    world.settings = replace(world.settings, registrations=known)
    return world


def long_two() -> World:
    """A world whose `two` has a redirect URI that no cookie has room for, registered at the sandbox too."""
    world = world_of(redirect_uris=(f"https://app.example/oauth/callback/two?{'u' * 700}",))
    return with_two(world, long_registration(world))


# What works


def test_a_server_whose_every_address_is_long_is_connected() -> None:
    world, _, server = far_away()

    going = asked(world, account="x" * 64, return_to=LONG_RETURN)
    done = world.run(finished(world, back(world, server, going)))

    assert done.connection.state == ACTIVE
    assert done.connection.account == "x" * 64
    assert done.return_to == LONG_RETURN
    sent = dict(read_form(going.location.partition("?")[2]))["redirect_uri"]
    assert len(sent) > 600
    assert [fields["redirect_uri"] for fields in server.tokens_asked] == [sent]  # 6749 s4.1.3: identical


def test_eight_tabs_of_long_addresses_all_finish() -> None:
    world, _, server = far_away()
    tabs: list[Redirect] = []
    for index in range(8):
        tabs.append(asked(world, cookies=jar_of(tabs), account=f"tab {index}", return_to="/reports?week=3"))
        world.clock.time += 5
    jar = jar_of(tabs)
    cookies = "; ".join(f"{name}={text}" for name, text in jar)

    assert len(jar) == 8
    for tab in reversed(tabs):
        request = back(world, server, tab)
        request = replace(request, headers=request.headers.with_set("Cookie", cookies))
        assert world.run(finished(world, request)).connection is not None


def test_the_largest_flow_that_is_carried_whole_fits_eight_times() -> None:
    name = "__Host-vk-" + "0" * 12
    assert MAX_FLOWS * (MAX_WHOLE + len(name)) <= MAX_TOGETHER


def test_a_link_to_a_flow_that_is_large_is_completed() -> None:
    world = long_two()
    world.settings = replace(world.settings, completion_url="https://app.example/done")
    link = world.run(connect_url(world.settings, "two", resource_owner="alice")).rpartition("/")[2]
    going = world.run(begin_from_link(world.settings, link, resource_owner=None, cookies=()))
    handle = world.run(finished(world, returning(world, going), None)).return_to.rpartition("=")[2]

    assert world.run(complete_authorization(world.settings, handle, resource_owner="alice")).state == ACTIVE


@pytest.mark.parametrize("words", [1, 8, 20, 35])
def test_whatever_scope_a_page_of_ours_asks_for_a_flow_carries(words: int) -> None:
    world = world_of()
    account, scope = "x" * 64, tuple(f"https://api.example/auth/{index:02}.readonly" for index in range(words))
    with pytest.raises(ReauthorizationRequired) as required:
        _ = world.run(require(world.settings, "two", resource_owner="alice", scope=scope, account=account))
    assert "ask=" in required.value.connect_url
    union = (*world.settings.registrations["two"].scope, *scope)

    going = begun(world, scope=union, account=account, return_to="/" + "x" * 199)

    found = world.run(open_pending(world.settings, cookie_of(going)))
    assert found is not None
    assert found.scope.split(" ") == list(union)


def test_the_longest_ask_there_is_fits_into_a_cookie() -> None:
    """The page's own limit is the narrower one: nobody is sent to a page whose button does not work."""
    world = long_two()
    ask = "https://api.example/auth/"
    longest = ""
    for length in range(1_300, 1_500):
        scope = (ask + "s" * (length - len(ask)),)
        try:
            _ = world.run(require(world.settings, "two", resource_owner="alice", scope=scope))
        except ReauthorizationRequired:
            longest = scope[0]
        except ConfigurationError:
            break
    assert len(longest) > 1_300

    going = begun(world, scope=("read", longest), return_to="/" + "x" * 199)

    assert len(cookie_of(going)) <= MAX_VALUE


# What must not


@pytest.mark.parametrize("account", ["", "x" * 200])
def test_a_redirect_uri_that_changed_meanwhile_is_refused_by_name_and_no_code_is_sent(account: str) -> None:
    world = long_two()
    request = returning(world, begun(world, account=account))
    moved = f"https://app.example/oauth/callback/two?{'v' * 700}"
    _ = with_two(world, long_registration(world, redirect_uri=moved))
    sent = len(world.network.sent)

    error = failure(world, finished(world, request))

    assert isinstance(error, CallbackError)
    assert error.reason == "redirect_uri_changed"
    assert len(world.network.sent) == sent
    assert row(world, account=account) is None
    _ = with_two(world, long_registration(world))
    assert world.run(finished(world, request)).connection is not None, "nothing was spent"


def test_an_issuer_that_changed_meanwhile_gets_no_code() -> None:
    world = long_two()
    request = returning(world, begun(world))
    two = world.settings.registrations["two"]
    server: Any = replace(two.provider.server, issuer="https://evil.example")
    _ = with_two(world, replace(two, provider=replace(two.provider, server=server)))
    sent = len(world.network.sent)

    error = failure(world, finished(world, request))

    assert isinstance(error, CallbackError)
    assert error.reason == "issuer_mismatch"
    assert len(world.network.sent) == sent


def test_the_answer_of_another_issuer_is_refused_as_ever() -> None:
    world, _, server = far_away()
    going = asked(world)
    request = back(world, server, going)
    for instead in ("https%3A%2F%2Fevil.example", ""):
        url = request.url.partition("&iss=")[0] + (f"&iss={instead}" if instead else "")
        error = failure(world, finished(world, replace(request, url=url)))
        assert isinstance(error, CallbackError)
        assert error.reason == ("issuer_mismatch" if instead else "issuer_missing")
    assert server.tokens_asked == []


@pytest.mark.parametrize(
    ("owner", "later", "reason"),
    [("bob", 0, "user_changed"), ("alice", 700, "flow_expired"), (None, 0, "owner_unknown")],
)
def test_person_and_time_are_looked_at_as_ever(owner: str | None, later: int, reason: str) -> None:
    world = long_two()
    request = returning(world, begun(world))
    world.clock.time += later

    error = failure(world, finished(world, request, owner))

    assert isinstance(error, RequestRefused)
    assert error.reason == reason


@pytest.mark.parametrize("cut", [1, 40])
def test_a_cookie_that_was_altered_opens_no_more(cut: int) -> None:
    world = long_two()
    request = returning(world, begun(world))
    cookie = request.headers.get("cookie") or ""
    for altered in (cookie[:-cut], cookie[:-cut] + "A" * cut, cookie.replace("~vk1.", "~vk1.x", 1)):
        if altered != cookie:
            error = failure(
                world, finished(world, replace(request, headers=request.headers.with_set("Cookie", altered)))
            )
            assert isinstance(error, CallbackError)
            assert error.reason in {"flow_cookie_invalid", "flow_expired"}


def test_a_scope_that_no_cookie_has_room_for_is_refused_before_anybody_is_asked() -> None:
    world = world_of()
    wanted = begin_authorization(
        world.settings, "two", resource_owner="alice", cookies=(), scope=("read", "x" * MAX_VALUE)
    )

    error = failure(world, wanted)

    assert isinstance(error, RequestRefused)
    assert error.reason == "flow_too_large"
    assert error.status == 400
    assert "return_to or scope" in str(error)


# Versions


def test_what_fits_is_carried_as_an_older_valetkey_reads_it() -> None:
    world = world_of()

    context, flow, sealed = cookie_of(begun(world)).split("~")

    members = json.loads(world.keys.open(flow_place(world.settings.environment, context, flow), sealed.encode()))
    assert len(members) == 13
    assert members[3].endswith("/callback/two")


def test_an_older_valetkey_finds_nothing_that_it_could_misread() -> None:
    """It knows two places for such a cookie, and says `flow_cookie_invalid` where it opens at neither."""
    world = long_two()

    context, flow, sealed = cookie_of(begun(world)).split("~")

    for place_of in (flow_place, done_place):
        with pytest.raises(SealBroken):
            world.keys.open(place_of(world.settings.environment, context, flow), sealed.encode())
    assert world.run(_opened(lean_flow_place(world.settings.environment, context, flow), sealed))


def _opened(place: Any, sealed: str) -> Any:
    return (yield from Open(place, sealed.encode()))


def test_a_flow_that_an_older_valetkey_carried_whole_is_finished() -> None:
    """Its limit was 750 characters, above what is carried whole now."""
    world = world_of()
    going = begun(world)
    pending = world.run(open_pending(world.settings, cookie_of(going)))
    assert pending is not None
    older = replace(pending, return_to="/" + "x" * 190, account="x" * 36)

    sealed = world.keys.seal(
        flow_place(world.settings.environment, older.context, older.flow), pack_pending(older)
    ).decode()
    text = f"{older.context}~{older.flow}~{sealed}"
    assert MAX_WHOLE < len(text) <= 750, len(text)
    assert world.run(seal_pending(world.settings, older)) != text
    request = returning(world, going)
    name = (request.headers.get("cookie") or "").partition("=")[0]

    done = world.run(finished(world, replace(request, headers=request.headers.with_set("Cookie", f"{name}={text}"))))

    assert done.return_to == older.return_to


# Crashes


def test_a_crash_at_any_effect_of_a_large_flow_never_strands_the_owner() -> None:
    world = long_two()
    request = returning(world, begun(world))
    outcomes = set()

    for crashed in crashes(world.fork, lambda at: finished(at, request)):
        after = crashed.world
        try:
            assert after.run(finished(after, request)).connection is not None
            outcomes.add("connected")
        except CallbackError as error:
            outcomes.add(error.reason)
        assert sum(url.endswith("/oauth2/token") for url in after.network.sent) <= 1, crashed
        again = after.run(finished(after, returning(after, begun(after))))
        assert again.connection.state == ACTIVE, "starting again always works"
    assert outcomes == {"connected", "in_doubt"}


def test_a_crash_while_a_large_flow_is_begun_leaves_nothing() -> None:
    world = long_two()
    for crashed in crashes(
        world.fork, lambda at: begin_authorization(at.settings, "two", resource_owner="alice", cookies=())
    ):
        assert not crashed.world.store.rows._rows
