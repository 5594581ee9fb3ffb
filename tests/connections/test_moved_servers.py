"""A server that somebody named, and that says something else of itself later: its metadata is its own word."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.connections.internet import URL, Internet, Server, back, said
from tests.connections.steps import failure

from valetkey.connections.authorize import finish_authorization
from valetkey.connections.device import begin_device_authorization
from valetkey.connections.introspect import introspect
from valetkey.connections.manage import revoke
from valetkey.connections.mcp import begin_mcp_authorization
from valetkey.connections.sign import access_token
from valetkey.errors import ConfigurationError, ReauthorizationRequired, RequestRefused
from valetkey.http import FORM, Headers, Request
from valetkey.testing.world import World
from valetkey.web.routes import respond

if TYPE_CHECKING:
    from valetkey.connections.authorize import Redirect

HONEST = "https://as.honest.example"
EVIL = "https://as.evil.example"
HOUR = 3600
ENDPOINTS = ("authorization_endpoint", "token_endpoint", "revocation_endpoint", "registration_endpoint")
IN_ITS_ANSWERS = "authorization_response_iss_parameter_supported"


def dressed() -> tuple[World, Internet, Server, Server]:
    """An attacker's resource, whose authorization server says that its endpoints are those of an honest one."""
    world = World()
    internet = Internet(world)
    honest, evil = internet.server(HONEST), internet.server(EVIL)
    for server in (honest, evil):  # of the kind that does not know RFC 9207
        server.said[IN_ITS_ANSWERS] = False
    evil.own = dict(evil.said)  # type: ignore[attr-defined]
    _ = internet.resource(URL, evil)
    evil.said.update({name: honest.said[name] for name in ENDPOINTS})
    return world, internet, honest, evil


def undress(evil: Server) -> None:
    """From now on it says what it is, to everybody who asks."""
    evil.said.update(evil.own)  # type: ignore[attr-defined]


def begun(world: World, owner: str = "alice") -> Redirect:
    return world.run(begin_mcp_authorization(world.settings, URL, resource_owner=owner, cookies=()))


def returning(world: World, server: Server) -> Request:
    """Alice's callback; what was known of the server has lapsed between her redirect and this."""
    _ = begun(world, "mallory")
    world.clock.time += HOUR - 30
    request = back(world, server, begun(world))
    world.clock.time += 60
    return request


def connected(world: World, server: Server) -> str:
    done = world.run(finish_authorization(world.settings, back(world, server, begun(world)), resource_owner="alice"))
    assert done.connection is not None
    return done.connection.registration


def bodies(internet: Internet, host: str) -> str:
    return " ".join(request.body.decode() for request in internet.sent if request.url.startswith(host))


def test_a_code_never_goes_to_where_a_server_moved_while_somebody_consented() -> None:
    world, internet, honest, evil = dressed()
    request = returning(world, honest)
    undress(evil)

    caught = failure(world, finish_authorization(world.settings, request, resource_owner="alice"))

    assert isinstance(caught, ReauthorizationRequired)
    assert caught.reason == "server_changed"
    assert (evil.tokens_asked, honest.tokens_asked) == ([], [])
    assert "code-" not in bodies(internet, EVIL)


@pytest.mark.parametrize("by", ["mallory", None])
def test_a_refresh_token_never_goes_to_where_a_server_moved(by: str | None) -> None:
    world, internet, honest, evil = dressed()
    name = connected(world, honest)
    undress(evil)
    world.clock.time += HOUR + 60
    if by is not None:  # who connects the moved server anew moves nobody else's connection
        _ = begun(world, by)

    caught = failure(world, access_token(world.settings, name, resource_owner="alice"))

    assert isinstance(caught, ReauthorizationRequired)
    assert caught.reason == "server_changed"
    assert evil.tokens_asked == []
    assert "refresh-" not in bodies(internet, EVIL)


@pytest.mark.parametrize("verb", [revoke, introspect])
def test_no_other_endpoint_that_moved_is_sent_a_token(verb: Any) -> None:
    world, internet, honest, evil = dressed()
    name = connected(world, honest)
    evil.said["introspection_endpoint"] = f"{EVIL}/introspect"
    evil.said["revocation_endpoint"] = f"{EVIL}/revoke"
    world.clock.time += HOUR + 60

    caught = failure(world, verb(world.settings, name, resource_owner="alice"))

    assert isinstance(caught, ReauthorizationRequired)
    assert "-of-as.honest.example" not in bodies(internet, EVIL)


@pytest.mark.parametrize(
    "name",
    ["token_endpoint", "revocation_endpoint", "introspection_endpoint", "pushed_authorization_request_endpoint"],
)
def test_a_server_that_takes_credentials_at_two_hosts_is_refused_unless_its_answers_say_whose_they_are(
    name: str,
) -> None:
    world, _, honest, evil = dressed()
    evil.said[name] = f"{EVIL}/elsewhere"

    caught = failure(world, begin_mcp_authorization(world.settings, URL, resource_owner="alice", cookies=()))

    assert isinstance(caught, RequestRefused)
    assert "iss" in str(caught)
    assert honest.asked == evil.asked == []


def test_a_server_that_takes_back_its_promise_of_iss_gets_no_code() -> None:
    world, _, honest, evil = dressed()
    evil.said[IN_ITS_ANSWERS], evil.said["token_endpoint"] = True, f"{EVIL}/token"
    request = returning(world, honest)
    evil.said[IN_ITS_ANSWERS] = False

    caught = failure(world, finish_authorization(world.settings, request, resource_owner="alice"))

    assert isinstance(caught, ReauthorizationRequired)
    assert evil.tokens_asked == []


def test_an_honest_server_that_learns_to_say_iss_keeps_its_clients_and_connections() -> None:
    world, _, honest, evil = dressed()
    name = connected(world, honest)
    evil.said[IN_ITS_ANSWERS] = True
    world.clock.time += HOUR + 60

    _ = world.run(access_token(world.settings, name, resource_owner="alice"))
    _ = begun(world, "bob")

    assert len(honest.asked) == 1
    assert [fields["grant_type"] for fields in honest.tokens_asked] == ["authorization_code", "refresh_token"]


def test_a_server_that_moved_is_connected_anew_with_a_client_of_its_own() -> None:
    world, _, honest, evil = dressed()
    before = connected(world, honest)
    undress(evil)
    world.clock.time += HOUR + 60

    after = connected(world, evil)

    assert after != before
    assert [fields["grant_type"] for fields in evil.tokens_asked] == ["authorization_code"]
    assert world.run(access_token(world.settings, URL, resource_owner="alice")).reveal().endswith("as.evil.example")


@pytest.mark.parametrize(
    "changed",
    [
        {"code_challenge_methods_supported": None},
        {"code_challenge_methods_supported": ["plain"]},
        {"token_endpoint_auth_methods_supported": ["none of ours"]},
    ],
)
def test_a_server_that_becomes_unusable_is_a_page_for_the_person_and_no_failure_of_ours(changed: Any) -> None:
    world, _, honest, evil = dressed()
    request = returning(world, honest)
    evil.said.update(changed)

    answer = world.run(respond(world.settings, request, "alice"))

    assert 400 <= answer.status < 500
    assert evil.tokens_asked == honest.tokens_asked == []


UNREQUESTABLE = [
    {"require_signed_request_object": True},
    {"authorization_endpoint": f"{HONEST}/authorize?state=theirs"},
    {"authorization_endpoint": f"{HONEST}/authorize?resource=theirs"},
    {"authorization_endpoint": f"{HONEST}/authorize?scope=all"},
]


@pytest.mark.parametrize("changed", [*UNREQUESTABLE, {"require_pushed_authorization_requests": True}])
def test_a_server_that_takes_no_request_of_ours_is_refused_and_nobody_is_registered_there(changed: Any) -> None:
    world, _, honest, evil = dressed()
    evil.said.update(changed)

    caught = failure(world, begin_mcp_authorization(world.settings, URL, resource_owner="alice", cookies=()))

    refused = (
        getattr(caught, "reason", "") == "resource_refused" or getattr(caught, "error", "") == "malformed_response"
    )
    assert refused, caught
    assert honest.asked == evil.asked == []


@pytest.mark.parametrize("changed", UNREQUESTABLE)
def test_a_server_that_takes_no_request_of_ours_any_more_is_a_page(changed: Any) -> None:
    world, _, honest, evil = dressed()
    name = connected(world, honest)
    evil.said.update(changed)
    world.clock.time += HOUR + 60
    headers = Headers((("Content-Type", FORM), ("Sec-Fetch-Site", "same-origin"), ("Host", "app.example")))

    answer = world.run(respond(world.settings, Request("POST", f"/oauth/connect/{name}", headers), "alice"))

    assert answer.status == 400
    assert b"This server cannot be connected" in answer.body
    assert world.run(access_token(world.settings, URL, resource_owner="alice")).reveal() in honest.access


@pytest.mark.parametrize("method", ["tls_client_auth", "self_signed_tls_client_auth", "private_key_jwt"])
def test_a_client_goes_on_authenticating_as_it_was_registered_whatever_is_offered_later(method: str) -> None:
    world, _, honest, evil = dressed()
    request = returning(world, honest)
    evil.said["token_endpoint_auth_methods_supported"] = [method]
    evil.said["tls_client_certificate_bound_access_tokens"] = True
    evil.said["mtls_endpoint_aliases"] = {"token_endpoint": f"{EVIL}/token"}

    answer = world.run(respond(world.settings, request, "alice"))

    assert answer.status == 303
    assert len(honest.tokens_asked) == 1
    assert evil.tokens_asked == []


def test_no_device_code_is_taken_from_one_server_to_another() -> None:
    world, internet, honest, evil = dressed()
    undress(evil)
    evil.said[IN_ITS_ANSWERS], evil.said["device_authorization_endpoint"] = True, f"{HONEST}/device"
    codes = {"device_code": "device-code-1", "user_code": "AB-CD", "verification_uri": HONEST, "expires_in": 600}
    internet.pages[f"{HONEST}/device"] = lambda _: said(codes)
    _ = begun(world)

    caught = failure(world, begin_device_authorization(world.settings, URL, resource_owner="alice"))

    assert isinstance(caught, ConfigurationError)
    assert internet.asked(f"{HONEST}/device") == 0
    assert honest.tokens_asked == evil.tokens_asked == []
