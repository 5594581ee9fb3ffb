"""Traces of a client that a configured registration has made at run time: every secret of it is a fingerprint."""

from __future__ import annotations

import json

from tests.connections.internet import ISSUER, Internet, back, said
from tests.trace.recording import Lines, watch

from valetkey.connections.authorize import begin_authorization, finish_authorization
from valetkey.connections.reenrol import update_enrolled
from valetkey.connections.unenrol import forget_enrolled
from valetkey.providers.discovered import discovered_provider
from valetkey.providers.registration import register
from valetkey.secret import Secret
from valetkey.testing.world import BASE_URL, World
from valetkey.value import replace


def traced() -> Lines:
    """Registered, connected, and given back."""
    world = World()
    internet = Internet(world)
    server = internet.server()
    internet.pages[f"{ISSUER}/register/canary-77"] = lambda request: said(
        {**json.loads(request.body or b"{}"), "registration_access_token": "canary-next"}
    )
    server.registered = {
        "client_secret": "canary-client-secret",
        "registration_client_uri": f"{ISSUER}/register/canary-77",
        "registration_access_token": "canary-management",
    }
    registration = register(
        "notes",
        discovered_provider("oauth2-discovery", issuer=ISSUER),
        redirect_uri=f"{BASE_URL}/callback/notes",
        client_registration="dynamic",
        initial_access_token=Secret("canary-initial-access-token"),
        software_statement=Secret("canary.software.statement"),
    )
    world.settings = replace(world.settings, registrations={"notes": registration})
    sink = watch(world)
    going = world.run(begin_authorization(world.settings, "notes", resource_owner="alice", cookies=()))
    _ = world.run(finish_authorization(world.settings, back(world, server, going), resource_owner="alice"))
    world.run(update_enrolled(world.settings, "notes"))
    _ = world.run(forget_enrolled(world.settings, "notes"))
    assert server.asked[0]["authorization"] == "Bearer canary-initial-access-token"
    return sink


def test_no_secret_of_a_registration_is_in_its_trace() -> None:
    sink = traced()

    assert len(sink.records) > 5
    assert "canary" not in sink.text


def test_each_step_is_shown_with_its_reason() -> None:
    sink = traced()

    assert "about:blank" not in sink.text
    assert "withheld" not in sink.text
    assert {comment.partition(";")[0] for comment in sink.comments()} >= {
        "authorization server metadata (RFC 8414 section 3)",
        "dynamic client registration (RFC 7591 section 3.1)",
        "token request (RFC 6749 section 4.1.3)",
        "change of a registration (RFC 7592 section 2.2)",
        "end of a registration (RFC 7592 section 2.3)",
    }
