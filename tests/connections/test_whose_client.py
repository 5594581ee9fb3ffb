"""Which client a connection belongs to: tokens go to no other, whatever the configuration says by now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.connections.internet import ISSUER, back
from tests.connections.steps import failure
from tests.connections.test_own_registrations import DEVICE, OTHER, begin, configure, connect, notes, there, token

from valetkey.connections.authorize import finish_authorization
from valetkey.connections.client import client_token
from valetkey.connections.device import begin_device_authorization, poll_device_authorization
from valetkey.connections.identity import userinfo
from valetkey.connections.introspect import introspect
from valetkey.connections.links import begin_from_link, complete_authorization, connect_url
from valetkey.connections.manage import connection, revoke
from valetkey.connections.unenrol import forget_enrolled
from valetkey.errors import CallbackError, ReauthorizationRequired
from valetkey.http import read_form
from valetkey.secret import Secret
from valetkey.value import replace

if TYPE_CHECKING:
    from valetkey.testing.world import World


def switched_back(**changes: Any) -> tuple[World, Any, Any, Any]:
    """Alice connected at the one issuer while the other, which the configuration names again now, had a client."""
    world, internet, server = there(**changes)
    other = internet.server(OTHER)
    other.said |= {"introspection_endpoint": f"{OTHER}/introspect", "userinfo_endpoint": f"{OTHER}/userinfo"}
    configure(world, notes(OTHER))
    _ = world.run(begin(world, "bob"))
    world.clock.time += 1000
    configure(world, notes())
    _ = connect(world, server)
    configure(world, notes(OTHER))
    return world, internet, server, other


def sent_to_other(internet: Any, texts: set[str]) -> list[str]:
    told = [request for request in internet.sent if request.url.startswith(OTHER)]
    return [one.url for one in told if any(text in repr(one.body) + repr(one.headers.pairs) for text in texts)]


def test_a_refresh_token_of_one_issuer_is_not_sent_to_another_that_has_an_older_client() -> None:
    world, internet, server, _ = switched_back()
    world.clock.time += 3700

    caught = failure(world, token(world))

    assert sent_to_other(internet, {*server.refresh, *server.access}) == []
    assert isinstance(caught, ReauthorizationRequired)
    assert caught.reason == "client_ended"


@pytest.mark.parametrize("verb", [introspect, userinfo])
def test_tokens_of_one_issuer_are_not_shown_to_another(verb: Any) -> None:
    world, internet, server, _ = switched_back()

    caught = failure(world, verb(world.settings, "notes", resource_owner="alice"))

    assert isinstance(caught, ReauthorizationRequired)
    assert caught.reason == "client_ended"
    assert sent_to_other(internet, {*server.refresh, *server.access}) == []


def test_tokens_of_one_issuer_are_not_given_back_to_another() -> None:
    world, internet, server, _ = switched_back()

    ended = world.run(revoke(world.settings, "notes", resource_owner="alice"))

    assert (ended.at_provider, ended.reason) == ("failed", "client_ended")
    assert sent_to_other(internet, {*server.refresh, *server.access}) == []


def test_a_connection_of_another_issuer_is_back_with_the_configuration() -> None:
    world, _, server, _ = switched_back()
    assert isinstance(failure(world, token(world)), ReauthorizationRequired), "nor is the API shown a token that lives"
    world.clock.time += 3700
    _ = failure(world, token(world))

    configure(world, notes())

    assert world.run(token(world)).reveal() in server.access


def test_what_a_document_got_at_one_issuer_is_not_sent_to_another() -> None:
    world, internet, server = there(client_registration="document")
    other = internet.server(OTHER)
    for one in (server, other):
        one.said["client_id_metadata_document_supported"] = True
    _ = connect(world, server)
    configure(world, notes(OTHER, client_registration="document"))

    while_it_lives = failure(world, token(world))
    world.clock.time += 3700
    later = failure(world, token(world))

    assert sent_to_other(internet, {*server.refresh, *server.access}) == []
    for caught in (while_it_lives, later):
        assert isinstance(caught, ReauthorizationRequired)
        assert caught.reason == "client_ended"
    kept = world.run(connection(world.settings, "notes", resource_owner="alice"))
    assert kept is not None
    assert kept.state == "active", "the configuration may be what is wrong"


def test_whose_tokens_they_are_is_known_whatever_the_clocks_say() -> None:
    world, internet, server = there()
    world.clock.time += 900  # this machine is ahead of the one that registers later
    _ = connect(world, server)
    world.clock.time -= 900
    _ = world.run(forget_enrolled(world.settings, "notes"))
    _ = world.run(begin(world, "bob"))
    world.clock.time += 5000
    sent = internet.asked(f"{ISSUER}/token")

    caught = failure(world, token(world))

    assert isinstance(caught, ReauthorizationRequired)
    assert caught.reason == "client_ended"
    assert internet.asked(f"{ISSUER}/token") == sent


def test_a_server_that_gives_the_same_identifier_again_keeps_the_connections() -> None:
    world, _, server = there()
    server.registered = {"client_id": "the-same"}
    _ = connect(world, server)
    _ = world.run(forget_enrolled(world.settings, "notes"))
    world.clock.time += 3700
    _ = world.run(begin(world, "bob"))

    assert world.run(token(world)).reveal() in server.access


def test_the_applications_own_token_of_one_issuer_is_not_used_with_another() -> None:
    alone = ("client_credentials",)
    world, internet, server = there(grant_types=alone)
    other = internet.server(OTHER)
    first = world.run(client_token(world.settings, "notes"))
    configure(world, notes(OTHER, grant_types=alone))

    second = world.run(client_token(world.settings, "notes"))
    configure(world, notes(grant_types=alone))
    third = world.run(client_token(world.settings, "notes"))

    assert second.reveal() in other.access
    assert third.reveal() in server.access
    assert len({first, second, third}) == 3


def test_a_device_code_of_one_issuer_is_not_sent_to_another() -> None:
    grants = ("authorization_code", DEVICE)
    world, internet, _ = there(grant_types=grants)
    _ = internet.server(OTHER)
    begun = world.run(begin_device_authorization(world.settings, "notes", resource_owner="alice"))
    configure(world, notes(OTHER, grant_types=grants))
    _ = world.run(begin(world, "bob"))
    world.clock.time += begun.interval + 1

    caught = failure(world, poll_device_authorization(world.settings, begun.handle, resource_owner="alice"))

    assert isinstance(caught, CallbackError)
    assert caught.reason == "issuer_mismatch"
    assert sent_to_other(internet, {"device-1"}) == []
    configure(world, notes(grant_types=grants))
    step = world.run(poll_device_authorization(world.settings, begun.handle, resource_owner="alice"))
    assert step.connection is not None, "where the variable was wrong nothing is lost"


def test_a_code_that_waits_for_its_owner_is_not_sent_to_another_issuer() -> None:
    world, internet, server = there()
    world.settings = replace(world.settings, completion_url="https://app.example/done")
    other = internet.server(OTHER)
    other.made = 100  # so that its codes have other names
    link = world.run(connect_url(world.settings, "notes", resource_owner="alice")).rpartition("/")[2]
    going = world.run(begin_from_link(world.settings, link, resource_owner=None, cookies=()))
    landed = world.run(finish_authorization(world.settings, back(world, server, going), resource_owner=None))
    handle = dict(read_form(landed.return_to.partition("?")[2]))["handle"]
    configure(world, notes(OTHER))
    _ = connect(world, other, "bob")

    caught = failure(world, complete_authorization(world.settings, handle, resource_owner="alice"))

    assert isinstance(caught, CallbackError)
    assert caught.reason == "issuer_mismatch"
    assert sent_to_other(internet, set(server.codes)) == []
    configure(world, notes())
    assert world.run(complete_authorization(world.settings, handle, resource_owner="alice")).state == "active"


def by_hand(issuer: str, client_id: str, secret: str) -> Any:
    return notes(issuer, client_registration="", client_id=client_id, client_secret=Secret(secret))


def test_what_a_made_client_got_is_not_sent_to_another_issuer_where_the_client_is_configured_by_hand() -> None:
    world, internet, server = there()
    other = internet.server(OTHER)
    other.said["token_endpoint_auth_methods_supported"] = ["client_secret_post"]
    _ = connect(world, server)
    configure(world, by_hand(OTHER, "by-hand", "canary-by-hand"))

    lives = failure(world, token(world))
    world.clock.time += 3700
    over = failure(world, token(world))
    ended = world.run(revoke(world.settings, "notes", resource_owner="alice"))

    for caught in (lives, over):
        assert isinstance(caught, ReauthorizationRequired)
        assert caught.reason == "client_ended"
    assert (ended.at_provider, ended.reason) == ("failed", "client_ended")
    assert sent_to_other(internet, {*server.refresh, *server.access}) == []


def test_a_made_client_that_is_configured_by_hand_from_now_on_keeps_its_connections() -> None:
    world, _, server = there()
    server.said["token_endpoint_auth_methods_supported"] = ["client_secret_post"]
    _ = connect(world, server)
    configure(world, by_hand(ISSUER, "client-1", f"secret-1-of-{ISSUER}"))
    world.clock.time += 3700

    assert world.run(token(world)).reveal() in server.access
