"""Traces of servers that a resource owner named: their URLs are nobody's configuration, and may hold a key."""

from __future__ import annotations

import pytest
from tests.connections.internet import URL, Internet, back
from tests.trace.recording import Lines, watch

from valetkey.connections.authorize import finish_authorization
from valetkey.connections.call import call
from valetkey.connections.mcp import begin_mcp_authorization
from valetkey.connections.unenrol import forget_enrolled
from valetkey.http import Headers, Request
from valetkey.testing.world import World
from valetkey.trace.known import MAX_HOSTS, Known
from valetkey.trace.redact import MAX_SECRETS, Redactor

KEYED = "https://mcp.notes.example/s/KEY-canary-9431/mcp"
MANAGED = {
    "registration_client_uri": "https://as.notes.example/register/canary-77",
    "registration_access_token": "canary-tt",
}


def traced(url: str, *, challenge: bool = True) -> Lines:
    """Connected, called, and given back at the authorization server."""
    world = World()
    internet = Internet(world)
    server = internet.server()
    _ = internet.resource(url, server, challenge=challenge)
    server.registered = dict(MANAGED)
    sink = watch(world)
    going = world.run(begin_mcp_authorization(world.settings, url, resource_owner="alice", cookies=()))
    _ = world.run(finish_authorization(world.settings, back(world, server, going), resource_owner="alice"))
    request = Request("POST", url, Headers(), b'{"jsonrpc":"2.0","id":1,"method":"tools/list"}')
    _ = world.run(call(world.settings, request, registration=url, resource_owner="alice"))
    world.clock.time += 4000
    _ = world.run(call(world.settings, request, registration=url, resource_owner="alice"))
    _ = world.run(forget_enrolled(world.settings, url))
    return sink


@pytest.mark.parametrize("challenge", [True, False])
def test_a_key_in_the_url_of_a_server_is_in_no_trace(challenge: bool) -> None:
    sink = traced(KEYED, challenge=challenge)

    assert len(sink.records) > 10
    assert "canary" not in sink.text


def test_every_step_of_connecting_a_server_is_shown_with_its_reason() -> None:
    sink = traced(URL)

    assert "about:blank" not in sink.text
    assert "withheld" not in sink.text
    assert {comment.partition(";")[0] for comment in sink.comments()} >= {
        "protected resource metadata (RFC 9728 section 3)",
        "authorization server metadata (RFC 8414 section 3)",
        "dynamic client registration (RFC 7591 section 3.1)",
        "end of a registration (RFC 7592 section 2.3)",
        "token request (RFC 6749 section 4.1.3)",
        "refresh (RFC 6749 section 6)",
    }
    assert "https://as.notes.example/token" in sink.text


def test_hosts_that_people_name_do_not_fill_the_memory() -> None:
    known = Known()

    for number in range(MAX_HOSTS + 100):
        known.add_host(f"https://h{number}.example/")

    assert len(known.hosts) == MAX_HOSTS


def test_a_run_over_many_connections_remembers_its_latest_secrets_and_not_all() -> None:
    redactor = Redactor(b"k" * 32, Known())

    for number in range(MAX_SECRETS + 100):
        _ = redactor.secret("of-the-client")
        _ = redactor.secret(f"of-connection-{number}")

    assert len(redactor.secrets) == MAX_SECRETS
    assert redactor.tainted(f"x of-connection-{MAX_SECRETS + 99} x")
    assert redactor.tainted("of-the-client")  # met again and again
    assert not redactor.tainted("of-connection-0")
