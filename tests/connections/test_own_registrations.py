"""Registrations of the configuration whose client is made at run time (RFC 7591), or is a document of ours."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.connections.internet import ISSUER, URL, Internet, Server, back, said
from tests.connections.steps import failure

from valetkey.connections.assertion import connect_by_assertion, exchange_token
from valetkey.connections.authorize import begin_authorization, finish_authorization
from valetkey.connections.client import client_token
from valetkey.connections.device import begin_device_authorization, poll_device_authorization
from valetkey.connections.doctor import diagnose
from valetkey.connections.enrolled_rows import configured_key, load_enrolled
from valetkey.connections.identity import userinfo
from valetkey.connections.introspect import introspect
from valetkey.connections.keepalive import keepalive
from valetkey.connections.manage import connection, forget, revoke
from valetkey.connections.mcp import begin_mcp_authorization
from valetkey.connections.password import connect_by_password
from valetkey.connections.present_client import client_refused, renewed
from valetkey.connections.reenrol import update_enrolled
from valetkey.connections.reseal import reseal_page
from valetkey.connections.settings import McpSettings
from valetkey.connections.sign import access_token
from valetkey.connections.unenrol import enrolled_page, forget_enrolled
from valetkey.drivers.drive import drive
from valetkey.effects import Load
from valetkey.errors import (
    ConfigurationError,
    MalformedResponse,
    ProviderError,
    ReauthorizationRequired,
    RefreshInProgress,
    ServerUnusable,
    StoreError,
)
from valetkey.http import FORM, Headers, Request, read_form
from valetkey.keys.jwk import make_key, public_jwk
from valetkey.providers.discovered import discovered_provider
from valetkey.providers.registration import register
from valetkey.secret import Secret
from valetkey.testing.world import BASE_URL, World
from valetkey.value import replace
from valetkey.web.routes import respond

if TYPE_CHECKING:
    from collections.abc import Callable

    from valetkey.connections.authorize import Redirect
    from valetkey.effects import Op
    from valetkey.providers.registration import Registration

OTHER = "https://as.other.example"
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
TOKEN = "canary-initial-access-token"
JWT = Secret("e30.e30.c2ln")


def notes(issuer: str = ISSUER, **changes: Any) -> Registration:
    """A registration that says which issuer, and nothing of a client."""
    provider = discovered_provider("oauth2-discovery", issuer=issuer, api_hosts=("api.notes.example",))
    wanted = {"client_registration": "dynamic", "redirect_uri": f"{BASE_URL}/callback/notes", "scope": ("notes:read",)}
    return register("notes", provider, **wanted | changes)


def there(**changes: Any) -> tuple[World, Internet, Server]:
    """A world with that registration and its issuer."""
    world = World()
    internet = Internet(world)
    server = internet.server()
    server.said |= {
        "device_authorization_endpoint": f"{ISSUER}/device",
        "introspection_endpoint": f"{ISSUER}/introspect",
    }
    configure(world, notes(**changes))
    return world, internet, server


def configure(world: World, registration: Registration) -> None:
    """What the operator has deployed by now; processes begin anew."""
    world.settings = replace(world.settings, registrations={"notes": registration}, cache=None)


def begin(world: World, owner: str = "alice") -> Op[Redirect]:
    return begin_authorization(world.settings, "notes", resource_owner=owner, cookies=())


def connect(world: World, server: Server, owner: str = "alice") -> Any:
    going = world.run(begin(world, owner))
    request = back(world, server, going)
    return world.run(finish_authorization(world.settings, request, resource_owner=owner)).connection


def token(world: World, owner: str = "alice") -> Op[Secret]:
    return access_token(world.settings, "notes", resource_owner=owner)


def row(world: World) -> Any:
    found = world.run(load_enrolled(world.settings, configured_key("notes")))
    assert found is not None
    return found


# The whole way


def test_an_issuer_alone_registers_connects_refreshes_and_revokes() -> None:
    world, internet, server = there()

    connected = connect(world, server)
    first = world.run(token(world))
    world.clock.time += 3700
    second = world.run(token(world))
    ended = world.run(revoke(world.settings, "notes", resource_owner="alice"))

    assert (connected.registration, connected.scope) == ("notes", ("notes:read",))
    assert first != second
    assert ended.at_provider == "revoked"
    assert {fields["client_id"] for fields in server.tokens_asked} == {"client-1"}
    assert internet.asked(f"{ISSUER}/register") == 1


@pytest.mark.parametrize(
    "changed",
    [
        {"require_signed_request_object": True},
        {"authorization_endpoint": f"{ISSUER}/authorize?state=theirs"},
        {"code_challenge_methods_supported": ["plain"]},
    ],
)
def test_an_issuer_that_no_request_can_be_sent_to_is_not_registered_at(changed: Any) -> None:
    world, _, server = there()
    server.said |= changed

    caught = failure(world, begin(world))

    assert isinstance(caught, ServerUnusable)
    assert server.asked == []


@pytest.mark.parametrize(
    ("way", "changed"),
    [
        ("dynamic", {"registration_endpoint": None}),
        ("dynamic", {"token_endpoint_auth_methods_supported": ["tls_client_auth"]}),
        ("dynamic", {"require_signed_request_object": True}),
        ("document", {"client_id_metadata_document_supported": False}),
    ],
)
def test_an_issuer_that_takes_no_client_of_ours_is_a_page_and_no_failure_of_ours(way: str, changed: Any) -> None:
    world, _, server = there(client_registration=way)
    server.said |= changed
    headers = Headers((("Content-Type", FORM), ("Sec-Fetch-Site", "same-origin"), ("Host", "app.example")))

    answer = world.run(respond(world.settings, Request("POST", "/oauth/connect/notes", headers), "alice"))

    assert answer.status == 400
    assert b"This service cannot be connected now" in answer.body
    assert server.asked == []


def test_it_asks_for_what_it_will_use_and_for_no_more() -> None:
    world, _, server = there()
    world.settings = replace(world.settings, application="Notes")

    _ = world.run(begin(world))

    assert server.asked == [
        {
            "redirect_uris": [f"{BASE_URL}/callback/notes"],
            "client_name": "Notes",
            "token_endpoint_auth_method": "client_secret_post",
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "application_type": "web",
            "software_id": "valetkey",
            "client_uri": "https://app.example",
            "scope": "notes:read",
            "authorization": None,
        }
    ]


def test_another_process_uses_the_same_client_and_its_row_does_not_lapse() -> None:
    world, _, server = there()
    _ = world.run(begin(world))
    world.clock.time += 40 * 86_400
    configure(world, notes())

    assert connect(world, server).state == "active"
    assert len(server.asked) == 1
    assert row(world).expires_at == 0


def test_what_the_registration_says_of_its_tokens_and_requests_is_registered() -> None:
    world, _, server = there(
        dpop_bound_access_tokens=True, require_pushed_authorization_requests=True, software_statement=Secret("s.t.a")
    )
    server.said["pushed_authorization_request_endpoint"] = f"{ISSUER}/par"

    _ = failure(world, begin(world))  # nobody is at /par

    (asked,) = server.asked
    assert asked["dpop_bound_access_tokens"] is asked["require_pushed_authorization_requests"] is True
    assert asked["software_statement"] == "s.t.a"


def test_a_client_with_a_private_key_registers_its_public_half() -> None:
    key = make_key()
    world, _, server = there(private_key=replace(key, key_id="k-1"), signature_method="ES256")
    server.said["token_endpoint_auth_methods_supported"] = ["client_secret_basic", "private_key_jwt"]
    server.registered = {"client_secret": None}

    _ = world.run(begin(world))

    (asked,) = server.asked
    assert asked["token_endpoint_auth_method"] == "private_key_jwt"
    assert asked["token_endpoint_auth_signing_alg"] == "ES256"
    (jwk,) = asked["jwks"]["keys"]
    assert {"kid": "k-1", "use": "sig", "kty": "EC"}.items() <= jwk.items()
    assert set(jwk) == {"kty", "crv", "x", "y", "kid", "use"}, "the private half stays"
    assert row(world).clients[0].client_secret is None


@pytest.mark.parametrize("made", ["client_secret_post", "none"])
def test_a_server_that_makes_another_kind_of_client_than_was_chosen_is_refused(made: str) -> None:
    world, _, server = there(private_key=make_key(), signature_method="ES256")
    server.said["token_endpoint_auth_methods_supported"] = ["private_key_jwt"]
    server.registered = {"token_endpoint_auth_method": made}

    caught = failure(world, begin(world))

    assert isinstance(caught, MalformedResponse)
    assert "not asked for" in str(caught)
    assert row(world).clients == ()


def test_a_public_client_registers_as_one() -> None:
    world, _, server = there(public_client=True)

    assert connect(world, server).state == "active"
    assert server.asked[0]["token_endpoint_auth_method"] == "none"
    assert "client_secret" not in server.tokens_asked[0]


@pytest.mark.parametrize(
    "answer",
    [
        {"redirect_uris": ["https://evil.example/callback"]},
        {"grant_types": ["authorization_code", "refresh_token"]},
        {"grant_types": ["client_credentials"]},
        {"response_types": ["token"]},
        {"client_secret": None},
        {"client_id": None},
    ],
)
def test_a_registration_that_is_not_the_one_that_was_asked_for_is_refused(answer: dict[str, Any]) -> None:
    world, _, server = there(grant_types=("authorization_code", "client_credentials"))
    server.registered = answer

    assert isinstance(failure(world, begin(world)), MalformedResponse)
    assert row(world).clients == ()
    assert row(world).attempt == "", "the claim was given back"


def test_a_server_that_gives_no_refresh_tokens_may_say_so() -> None:
    world, _, server = there()
    server.registered = {"grant_types": ["authorization_code"]}

    assert connect(world, server).state == "active"


# The initial access token


@pytest.mark.parametrize("where", ["registration", "by issuer", "both"])
def test_the_initial_access_token_goes_to_the_registration_endpoint_alone(where: str) -> None:
    own = Secret(TOKEN) if where != "by issuer" else None
    world, internet, server = there(initial_access_token=own)
    general = {"registration": (), "by issuer": ((ISSUER, Secret(TOKEN)),), "both": ((ISSUER, Secret("another")),)}
    world.settings = replace(world.settings, mcp=McpSettings(initial_access_tokens=general[where]))

    _ = connect(world, server)

    assert server.asked[0]["authorization"] == f"Bearer {TOKEN}"
    told = [request.url for request in internet.sent if TOKEN in repr(request.headers.pairs) + repr(request.body)]
    assert told == [f"{ISSUER}/register"]
    assert TOKEN not in repr(world.settings)


def test_the_token_of_one_issuer_is_not_sent_to_another() -> None:
    world, _, server = there()
    world.settings = replace(world.settings, mcp=McpSettings(initial_access_tokens=((OTHER, Secret(TOKEN)),)))

    _ = world.run(begin(world))

    assert server.asked[0]["authorization"] is None


def test_an_issuer_that_wants_a_token_is_said_so() -> None:
    world, _, server = there()
    server.registered, server.registration_status = {"error": "invalid_token"}, 401

    caught = failure(world, begin(world))

    assert isinstance(caught, ProviderError)
    assert caught.error == "invalid_token"
    assert "initial access token" in str(caught)
    assert row(world).attempt == "", "the next caller may try at once"


# The verbs that begin something

BEGINNING: dict[str, tuple[tuple[str, ...], Callable[[World], Op[Any]]]] = {
    "client": (("client_credentials",), lambda world: client_token(world.settings, "notes")),
    "device": ((DEVICE,), lambda world: begin_device_authorization(world.settings, "notes", resource_owner="alice")),
    "jwt": (
        ("urn:ietf:params:oauth:grant-type:jwt-bearer",),
        lambda world: connect_by_assertion(world.settings, "notes", resource_owner="alice", assertion=JWT),
    ),
    "saml": (
        ("urn:ietf:params:oauth:grant-type:saml2-bearer",),
        lambda world: connect_by_assertion(
            world.settings, "notes", resource_owner="alice", assertion=Secret("PGE-PC9hPg"), kind="saml"
        ),
    ),
    "exchange": (
        ("urn:ietf:params:oauth:grant-type:token-exchange",),
        lambda world: exchange_token(world.settings, "notes", subject_token=Secret("theirs")),
    ),
    "password": (
        ("password",),
        lambda world: connect_by_password(
            world.settings, "notes", resource_owner="alice", username="alice", password=Secret("wonderland")
        ),
    ),
}


@pytest.mark.parametrize("verb", BEGINNING)
def test_every_verb_that_begins_something_registers_the_client_that_it_needs(verb: str) -> None:
    grant_types, program = BEGINNING[verb]
    world, _, server = there(grant_types=grant_types, accept_password_grant=verb == "password")

    _ = world.run(program(world))
    _ = world.run(program(world))

    (asked,) = server.asked
    refreshed = ["refresh_token"] if verb in ("device", "password") else []
    assert asked["grant_types"] == [*grant_types, *refreshed]
    assert asked["redirect_uris"] == asked["response_types"] == []


@pytest.mark.parametrize("verb", BEGINNING)
def test_a_verb_that_the_client_was_not_to_be_registered_for_says_what_to_configure(verb: str) -> None:
    (grant_type,), program = BEGINNING[verb]
    # with accept_password_grant alone the password is among them, so something else must be named
    world, internet, _ = there(grant_types=("authorization_code",), accept_password_grant=verb == "password")

    caught = failure(world, program(world))

    assert isinstance(caught, ConfigurationError)
    assert f"name {grant_type} in grant_types" in str(caught)
    assert internet.sent == []


@pytest.mark.parametrize("verb", BEGINNING)
def test_a_client_that_any_verb_hears_is_unknown_is_registered_anew(verb: str) -> None:
    grant_types, program = BEGINNING[verb]
    world, _, server = there(grant_types=grant_types, accept_password_grant=verb == "password")
    _ = world.run(program(world))
    server.clients.clear()
    world.clock.time += 4000

    _ = failure(world, program(world))
    world.clock.time += 60  # a refresh cools down
    _ = world.run(program(world))

    assert len(server.asked) == 2


def test_the_way_of_a_device_is_gone_to_its_end() -> None:
    world, _, _ = there(grant_types=(DEVICE,))
    begun = world.run(begin_device_authorization(world.settings, "notes", resource_owner="alice"))
    world.clock.time += begun.interval + 1
    configure(world, notes(grant_types=(DEVICE,)))

    step = world.run(poll_device_authorization(world.settings, begun.handle, resource_owner="alice"))

    assert step.connection is not None
    assert step.connection.state == "active"


def test_an_application_alone_is_never_registered_as_a_public_client() -> None:
    world, _, server = there(grant_types=("client_credentials",))
    server.said["token_endpoint_auth_methods_supported"] = ["none"]

    caught = failure(world, client_token(world.settings, "notes"))

    assert isinstance(caught, ConfigurationError)
    assert "registers no clients by itself, or none that valetkey can be" in str(caught)
    assert server.asked == []


# Clients that end


def refused_once(world: World, server: Server) -> None:
    """The server has lost the client, and says so at a refresh."""
    server.clients.clear()
    world.clock.time += 3700
    assert isinstance(failure(world, token(world)), ProviderError)
    world.clock.time += 60


@pytest.mark.parametrize("how", ["refused", "expired"])
def test_a_client_that_has_ended_is_made_anew_and_old_connections_say_so(how: str) -> None:
    world, _, server = there()
    if how == "expired":
        server.registered = {"client_secret_expires_at": int(world.clock.time) + 3800}
    _ = connect(world, server)
    if how == "refused":
        refused_once(world, server)
    else:
        world.clock.time += 3800
    server.registered = {}

    caught = failure(world, token(world))
    again = connect(world, server, "bob")

    assert isinstance(caught, ReauthorizationRequired)
    assert caught.reason == "client_ended"
    assert again.state == "active"
    assert len(server.asked) == 2
    assert isinstance(failure(world, token(world)), ReauthorizationRequired)
    assert connect(world, server).state == "active"


def test_an_old_connection_is_not_refreshed_with_the_new_client() -> None:
    world, _, server = there()
    _ = connect(world, server)
    refused_once(world, server)
    _ = connect(world, server, "bob")
    sent = len(server.tokens_asked)

    caught = failure(world, token(world))

    assert isinstance(caught, ReauthorizationRequired)
    assert caught.reason == "client_ended"
    assert len(server.tokens_asked) == sent


def test_a_client_that_is_refused_at_once_is_not_registered_again_and_again() -> None:
    world, _, server = there(grant_types=("client_credentials",))
    server.registered = {"client_secret": "another than the server will know"}
    server.clients = _Forgetful()

    for _ in range(5):
        caught = failure(world, client_token(world.settings, "notes"))
        assert isinstance(caught, ProviderError | RefreshInProgress)
        world.clock.time += 61

    assert len(server.asked) == 1


class _Forgetful(dict[str, Any]):
    def __setitem__(self, name: str, found: Any) -> None:
        """It never keeps anything."""


# What the operator changes


def test_another_issuer_gets_a_client_of_its_own_and_nothing_of_the_old_ones() -> None:
    world, internet, server = there()
    _ = connect(world, server)
    old = {"secret-1-of-" + ISSUER, *server.refresh, *server.access}
    other = internet.server(OTHER)
    configure(world, notes(OTHER))
    world.clock.time += 3700

    before = failure(world, token(world))
    kept = world.run(connection(world.settings, "notes", resource_owner="alice"))
    assert connect(world, other, "bob").state == "active"
    after = failure(world, token(world))

    assert isinstance(before, ReauthorizationRequired)
    assert (before.reason, before.connect_url) == ("not_registered", f"{BASE_URL}/connect/notes")
    assert kept is not None
    assert kept.state == "active", "the configuration may be what is wrong: nothing has ended"
    assert isinstance(after, ReauthorizationRequired)
    assert after.reason == "client_ended"
    told = [request for request in internet.sent if request.url.startswith(OTHER)]
    assert not [one for one in told if any(text in repr(one.body) + repr(one.headers.pairs) for text in old)]
    assert [client.issuer for client in row(world).clients] == [ISSUER, OTHER]


def _not_asked(_: Request) -> Any:
    message = "nothing of another client's is sent here"
    raise AssertionError(message)


def test_what_was_granted_to_an_older_client_is_sent_to_no_endpoint_of_the_new_ones_issuer() -> None:
    world, internet, server = there()
    _ = connect(world, server)
    other = internet.server(OTHER)
    for endpoint in ("introspection", "userinfo", "revocation"):
        other.said[f"{endpoint}_endpoint"] = f"{OTHER}/{endpoint}"
        internet.pages[f"{OTHER}/{endpoint}"] = _not_asked
    configure(world, notes(OTHER))
    world.clock.time += 100
    _ = connect(world, other, "bob")

    for verb in (introspect, userinfo):
        caught = failure(world, verb(world.settings, "notes", resource_owner="alice"))
        assert isinstance(caught, ReauthorizationRequired)
        assert caught.reason == "client_ended"
    ended = world.run(revoke(world.settings, "notes", resource_owner="alice"))

    assert (ended.at_provider, ended.reason) == ("failed", "client_ended")
    kept = world.run(connection(world.settings, "notes", resource_owner="alice"))
    assert kept is not None
    assert (kept.state, kept.last_error) == ("revoking", "client_ended")
    world.run(forget(world.settings, "notes", resource_owner="alice"))


def test_an_issuer_that_was_changed_by_mistake_ends_no_connection() -> None:
    world, internet, server = there()
    _ = connect(world, server)
    _ = internet.server(OTHER)
    configure(world, notes(OTHER))
    world.clock.time += 3700
    _ = world.run(keepalive(world.settings))
    assert isinstance(failure(world, token(world)), ReauthorizationRequired)

    configure(world, notes())

    assert world.run(token(world)).reveal() in server.access
    assert len(server.asked) == 1


def test_another_base_url_is_said_and_nothing_is_registered_behind_the_operators_back() -> None:
    world, _, server = there()
    _ = connect(world, server)
    configure(world, notes(redirect_uri="https://new.example/oauth/callback/notes"))

    caught = failure(world, begin(world))

    assert isinstance(caught, ConfigurationError)
    assert f"{BASE_URL}/callback/notes" in str(caught)
    assert "valetkey registrations forget notes" in str(caught)
    assert len(server.asked) == 1
    world.clock.time += 3700
    assert world.run(token(world)).reveal() in server.access, "those that are there go on"


def test_what_the_change_is_nothing_to_goes_on() -> None:
    wanted = ("authorization_code", "client_credentials")
    world, _, server = there(grant_types=wanted)
    _ = world.run(begin(world))

    moved = notes(grant_types=wanted, redirect_uri="https://new.example/oauth/callback/notes")
    configure(world, moved)
    assert world.run(client_token(world.settings, "notes")).reveal() in server.access
    configure(world, notes(grant_types=(*wanted, DEVICE), token_endpoint_auth_method="client_secret_basic"))
    assert connect(world, server).state == "active"

    assert len(server.asked) == 1


def test_a_grant_type_that_was_added_later_is_said() -> None:
    world, _, server = there()
    _ = connect(world, server)
    configure(world, notes(grant_types=("authorization_code", "client_credentials")))

    caught = failure(world, client_token(world.settings, "notes"))

    assert isinstance(caught, ConfigurationError)
    assert "registered before grant_types named client_credentials" in str(caught)


def test_a_server_that_changes_what_it_offers_is_still_told_what_was_registered() -> None:
    world, _, server = there()
    _ = world.run(begin(world))
    server.said["token_endpoint_auth_methods_supported"] = ["none", "client_secret_basic"]
    world.clock.time += 90_000
    configure(world, notes())

    assert connect(world, server).state == "active"
    assert server.tokens_asked[0]["client_secret"] == f"secret-1-of-{ISSUER}"


def test_a_registration_that_was_configured_by_hand_before_begins_anew() -> None:
    world, _, server = there(client_registration="", client_id="by-hand", client_secret=Secret("canary-by-hand"))
    server.clients["by-hand"] = {"client_secret": "canary-by-hand", "redirect_uris": [f"{BASE_URL}/callback/notes"]}
    server.said["token_endpoint_auth_methods_supported"] = ["client_secret_post"]
    _ = connect(world, server)
    configure(world, notes())
    world.clock.time += 3700

    assert isinstance(failure(world, token(world)), ReauthorizationRequired)
    assert connect(world, server).state == "active"


# Telling the issuer (RFC 7592 section 2.2)


class Managed:
    """An issuer that lets clients be managed, with another token after each change."""

    def __init__(self, internet: Internet, server: Server, *, at: str = ISSUER) -> None:
        self.server = server
        self.answered: dict[str, Any] = {}
        self.asked: list[tuple[str, str | None, dict[str, Any]]] = []
        self.at = at
        self.token = "canary-management-0"
        server.registered = {"registration_client_uri": f"{at}/manage/1", "registration_access_token": self.token}
        internet.pages[f"{at}/manage/1"] = self.answer

    def answer(self, request: Request) -> Any:
        self.asked.append((request.method, request.headers.get("authorization"), json.loads(request.body or b"{}")))
        if request.headers.get("authorization") != f"Bearer {self.token}":
            return said({"error": "invalid_token"}, 401)
        if request.method == "DELETE":
            return said({}, 204)
        self.token = f"canary-management-{len(self.asked)}"
        told = json.loads(request.body)
        manage = {"registration_client_uri": f"{self.at}/manage/1", "registration_access_token": self.token}
        answer = {**self.server.clients["client-1"], **told, **manage, **self.answered}
        answer = {name: found for name, found in answer.items() if found is not None}
        self.server.clients["client-1"] = answer
        return said(answer)


def update(world: World) -> None:
    world.run(update_enrolled(world.settings, "notes"))


def test_an_issuer_that_is_told_keeps_the_client_and_every_connection() -> None:
    world, internet, server = there()
    managed = Managed(internet, server)
    _ = connect(world, server)
    moved = "https://new.example/oauth/callback/notes"
    configure(world, notes(redirect_uri=moved, grant_types=("authorization_code", "client_credentials")))
    world.clock.time += 1000

    update(world)
    world.clock.time += 3700
    configure(world, world.settings.registrations["notes"])

    assert world.run(token(world)).reveal() in server.access
    assert world.run(client_token(world.settings, "notes")).reveal() in server.access
    assert dict(read_form(world.run(begin(world)).location.partition("?")[2]))["redirect_uri"] == moved
    assert len(server.asked) == 1
    ((method, bearer, told),) = managed.asked
    assert (method, bearer) == ("PUT", "Bearer canary-management-0")
    assert (told["client_id"], told["client_secret"]) == ("client-1", f"secret-1-of-{ISSUER}")
    assert (told["redirect_uris"], told["grant_types"][1]) == ([moved], "client_credentials")
    assert not {"registration_access_token", "client_secret_expires_at", "client_id_issued_at"} & told.keys()
    (client,) = row(world).clients
    assert client.registration_token == Secret("canary-management-1")
    assert world.run(forget_enrolled(world.settings, "notes")) == "deleted"


def test_a_key_that_was_changed_is_said_until_the_issuer_is_told() -> None:
    old, new = make_key(), make_key()
    world, internet, server = there(private_key=old, signature_method="ES256")
    server.said["token_endpoint_auth_methods_supported"] = ["private_key_jwt"]
    managed = Managed(internet, server)
    server.registered["client_secret"] = None
    _ = world.run(begin(world))
    world.clock.time += 4000
    configure(world, notes(private_key=new, signature_method="ES256"))

    caught = failure(world, begin(world))
    assert any("another private key than is configured" in one for one in findings(world)["problem"])
    update(world)

    assert isinstance(caught, ConfigurationError)
    assert "valetkey registrations update notes" in str(caught)
    assert "problem" not in findings(world)
    assert world.run(begin(world)).location
    (jwk,) = managed.asked[0][2]["jwks"]["keys"]
    assert jwk["x"] == dict(public_jwk(new))["x"]
    assert "client_secret" not in managed.asked[0][2]


def test_a_secret_that_the_issuer_renews_is_kept_and_one_that_it_leaves_out_goes_on() -> None:
    world, internet, server = there()
    managed = Managed(internet, server)
    _ = world.run(begin(world))

    managed.answered = {"client_secret": "canary-renewed", "client_secret_expires_at": int(world.clock.time) + 9000}
    update(world)
    renewed_ones = row(world).clients[0]
    managed.answered = {"client_secret": None, "client_secret_expires_at": None}
    update(world)

    assert renewed_ones.client_secret == row(world).clients[0].client_secret == Secret("canary-renewed")
    assert renewed_ones.secret_expires_at == row(world).clients[0].secret_expires_at == world.clock.time + 9000


@pytest.mark.parametrize(
    "answer",
    [
        {"client_id": "another"},
        {"redirect_uris": ["https://evil.example/"]},
        {"token_endpoint_auth_method": "none"},
        {"grant_types": []},
    ],
)
def test_another_client_in_its_place_is_refused_and_the_old_one_stays(answer: dict[str, Any]) -> None:
    world, internet, server = there()
    managed = Managed(internet, server)
    _ = world.run(begin(world))
    before = row(world).clients
    managed.answered = answer

    assert isinstance(failure(world, update_enrolled(world.settings, "notes")), MalformedResponse)
    assert row(world).clients == before
    assert row(world).attempt == ""


def test_an_issuer_that_says_no_leaves_the_client_as_it_was() -> None:
    world, internet, server = there()
    managed = Managed(internet, server)
    _ = world.run(begin(world))
    before = row(world).clients
    managed.token = "another"

    caught = failure(world, update_enrolled(world.settings, "notes"))

    assert isinstance(caught, ProviderError)
    assert (row(world).clients, row(world).attempt) == (before, "")


def test_where_it_is_told_reaches_no_further_than_its_issuer() -> None:
    world, internet, server = there()
    _ = Managed(internet, server, at="https://elsewhere.example")
    _ = world.run(begin(world))

    update(world)

    assert ("elsewhere.example", "public") in internet.reaches
    assert ("elsewhere.example", "configured") not in internet.reaches


def test_who_cannot_be_told_is_said() -> None:
    world, _, _ = there()
    nobody = failure(world, update_enrolled(world.settings, "notes"))
    _ = world.run(begin(world))
    unmanaged = failure(world, update_enrolled(world.settings, "notes"))
    world, _, _ = documented()
    document = failure(world, update_enrolled(world.settings, "notes"))

    assert isinstance(nobody, ReauthorizationRequired)
    assert nobody.reason == "not_registered"
    assert isinstance(unmanaged, ConfigurationError)
    assert "gave nothing to manage the client with" in str(unmanaged)
    assert isinstance(document, ConfigurationError)
    assert isinstance(failure(world, update_enrolled(world.settings, "github")), ConfigurationError)


def test_one_tells_at_a_time_and_a_mark_beside_it_does_not_lose_what_was_told() -> None:
    world, internet, server = there()
    managed = Managed(internet, server)
    _ = world.run(begin(world))
    world.clock.time += 4000
    inner = internet.pages[f"{ISSUER}/manage/1"]
    seen = []

    def meanwhile(request: Request) -> Any:
        seen.append(failure(world, update_enrolled(world.settings, "notes")))
        at = world.run(renewed(world.settings, world.settings.registrations["notes"]))
        world.run(client_refused(world.settings, at))
        return inner(request)

    internet.pages[f"{ISSUER}/manage/1"] = meanwhile

    update(world)

    assert isinstance(seen[0], RefreshInProgress)
    assert len(managed.asked) == 1
    assert row(world).clients[0].registration_token == Secret("canary-management-1")


# Without a client


@pytest.mark.parametrize("verb", [revoke, introspect])
def test_what_needs_the_client_and_has_none_asks_to_connect(verb: Any) -> None:
    world, _, server = there()
    _ = connect(world, server)
    _ = world.run(forget_enrolled(world.settings, "notes"))

    caught = failure(world, verb(world.settings, "notes", resource_owner="alice"))

    assert isinstance(caught, ReauthorizationRequired)
    assert (caught.reason, caught.connect_url) == ("not_registered", f"{BASE_URL}/connect/notes")


def test_a_callback_without_its_client_is_an_error_of_the_browsers_page() -> None:
    world, _, server = there()
    request = back(world, server, world.run(begin(world)))
    _ = world.run(forget_enrolled(world.settings, "notes"))

    response = world.run(respond(world.settings, request, "alice"))

    assert response.status == 409
    assert b"/oauth/connect/notes" in response.body
    assert server.tokens_asked == []


@pytest.mark.parametrize(
    "changes",
    [{"registration_endpoint": None}, {"token_endpoint_auth_methods_supported": ["private_key_jwt"]}],
)
def test_an_issuer_that_registers_nobody_is_a_mistake_of_the_configuration(changes: dict[str, Any]) -> None:
    world, _, server = there()
    server.said = {name: found for name, found in (server.said | changes).items() if found is not None}

    caught = failure(world, begin(world))

    assert isinstance(caught, ConfigurationError)
    assert "configure its client_id in place of client_registration" in str(caught)


def test_a_store_that_is_down_registers_nobody() -> None:
    world, _, server = there()
    _ = world.run(begin(world))
    world.store.outages = 50

    assert isinstance(failure(world, begin(world)), StoreError)
    assert len(server.asked) == 1


# What is kept, and how it ends


def test_operators_see_it_forget_it_and_seal_it_anew() -> None:
    world, internet, server = there()
    server.registered = {
        "registration_client_uri": f"{ISSUER}/register/1",
        "registration_access_token": "canary-management",
    }
    internet.pages[f"{ISSUER}/register/1"] = _deleted
    _ = connect(world, server)

    (listed,) = world.run(enrolled_page(world.settings)).rows
    assert (listed.by_url, listed.name_of(listed.clients[0])) == (False, "notes")
    assert world.run(reseal_page(world.settings)).already == 2, "the connection and the registration"
    assert world.run(forget_enrolled(world.settings, "notes")) == "deleted"

    assert world.run(enrolled_page(world.settings)).rows == ()
    (deletion,) = [one for one in internet.sent if one.method == "DELETE"]
    assert deletion.headers.get("authorization") == "Bearer canary-management"
    assert isinstance(failure(world, forget_enrolled(world.settings, "notes")), ConfigurationError)
    assert connect(world, server).state == "active"


def _deleted(_: Request) -> Any:
    return said({}, 204)


def test_forgetting_ends_the_clients_at_all_issuers_and_needs_no_configuration() -> None:
    world, internet, server = there()
    server.registered = {"registration_client_uri": f"{ISSUER}/r/1", "registration_access_token": "one"}
    _ = world.run(begin(world))
    other = internet.server(OTHER)
    other.registered = {"registration_client_uri": f"{OTHER}/r/1", "registration_access_token": "two"}
    configure(world, notes(OTHER))
    _ = world.run(begin(world))
    world.settings = replace(world.settings, registrations={})
    internet.pages[f"{ISSUER}/r/1"] = _deleted
    internet.pages[f"{OTHER}/r/1"] = lambda _: said({}, 403)

    assert world.run(forget_enrolled(world.settings, "notes")) == "failed", "the other one let nobody delete it"

    deleted = {one.url: one.headers.get("authorization") for one in internet.sent if one.method == "DELETE"}
    assert deleted == {f"{ISSUER}/r/1": "Bearer one", f"{OTHER}/r/1": "Bearer two"}
    assert world.run(enrolled_page(world.settings)).rows == ()


def test_where_a_client_is_deleted_reaches_no_further_than_its_issuer() -> None:
    world, internet, server = there()
    server.registered = {
        "registration_client_uri": "https://elsewhere.example/r/1",
        "registration_access_token": "one",
    }
    internet.pages["https://elsewhere.example/r/1"] = _deleted
    _ = world.run(begin(world))

    _ = world.run(forget_enrolled(world.settings, "notes"))

    assert ("elsewhere.example", "public") in internet.reaches
    assert ("as.notes.example", "configured") in internet.reaches


def test_endpoints_elsewhere_than_at_the_issuer_are_reached_on_the_public_internet_alone() -> None:
    world, internet, server = there()
    server.said["registration_endpoint"] = "https://registry.example/register"
    internet.pages["https://registry.example/register"] = internet.pages[f"{ISSUER}/register"]

    _ = connect(world, server)

    assert ("registry.example", "public") in internet.reaches
    assert ("registry.example", "configured") not in internet.reaches


def test_a_resource_of_the_same_issuer_has_a_client_of_its_own() -> None:
    world, internet, server = there()
    _ = internet.resource(URL, server)
    _ = world.run(begin(world))

    _ = world.run(begin_mcp_authorization(world.settings, URL, resource_owner="alice", cookies=()))

    assert [asked["redirect_uris"][0].rpartition("/")[2][:5] for asked in server.asked] == [
        "notes",
        "mcp-" + row_digit(URL),
    ]
    assert len(world.run(enrolled_page(world.settings)).rows) == 2


def test_a_resource_that_is_configured_has_the_client_of_its_registration() -> None:
    world, internet, server = there(
        resources=(URL,), private_key=make_key(), signature_method="ES256", scope=("notes:read",)
    )
    server.said["token_endpoint_auth_methods_supported"] = ["private_key_jwt"]
    _ = internet.resource(URL, server)

    going = world.run(begin_mcp_authorization(world.settings, URL, resource_owner="alice", cookies=()))
    again = world.run(begin_authorization(world.settings, URL, resource_owner="alice", cookies=()))

    assert [dict(read_form(one.location.partition("?")[2]))["client_id"] for one in (going, again)] == ["client-1"] * 2
    assert server.asked[0]["redirect_uris"] == [f"{BASE_URL}/callback/notes"]
    assert world.run(forget_enrolled(world.settings, URL)) == "unsupported"
    assert world.run(enrolled_page(world.settings)).rows == ()


def row_digit(url: str) -> str:
    from valetkey.connections.enrolled_rows import enrolled_key

    return enrolled_key(url).name.rpartition("/")[2][0]


# Documents


def documented(**changes: Any) -> tuple[World, Internet, Server]:
    world, internet, server = there(client_registration="document", **changes)
    server.said["client_id_metadata_document_supported"] = True
    return world, internet, server


def shown(world: World, name: str = "notes") -> Any:
    response = world.run(respond(world.settings, Request("GET", f"/oauth/client/{name}"), None))
    assert response.status == 200
    return json.loads(response.body)


def test_a_document_connects_and_nothing_is_sent_or_stored_before() -> None:
    world, internet, server = documented()

    going = world.run(begin(world))
    assert internet.asked(f"{ISSUER}/register") == 0
    assert not [key for key in world.store.rows._rows if key[1].startswith("registration/")]
    connected = world.run(finish_authorization(world.settings, back(world, server, going), resource_owner="alice"))
    world.clock.time += 3700

    asked = dict(read_form(going.location.partition("?")[2]))
    assert asked["client_id"] == shown(world)["client_id"] == f"{BASE_URL}/client/notes"
    assert connected.connection is not None
    assert world.run(token(world)).reveal() in server.access
    assert {fields["client_id"] for fields in server.tokens_asked} == {f"{BASE_URL}/client/notes"}


def test_the_document_says_what_this_registration_does() -> None:
    world, _, _ = documented(dpop_bound_access_tokens=True)
    world.settings = replace(world.settings, application="Notes")

    assert shown(world) == {
        "client_id": f"{BASE_URL}/client/notes",
        "redirect_uris": [f"{BASE_URL}/callback/notes"],
        "client_name": "Notes",
        "token_endpoint_auth_method": "none",
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "application_type": "web",
        "software_id": "valetkey",
        "client_uri": "https://app.example",
        "dpop_bound_access_tokens": True,
    }


def test_a_document_of_a_client_with_a_key_shows_its_public_half() -> None:
    key = make_key()
    world, _, server = documented(private_key=key, signature_method="ES256")
    server.said["token_endpoint_auth_methods_supported"] = ["private_key_jwt"]

    document = shown(world)
    _ = world.run(begin(world))

    assert document["token_endpoint_auth_method"] == "private_key_jwt"
    (jwk,) = document["jwks"]["keys"]
    assert set(jwk) == {"kty", "crv", "x", "y", "kid", "use"}


def test_only_registrations_that_are_documents_have_one() -> None:
    world, _, _ = there()

    for name in ("notes", "github", "two"):
        response = world.run(respond(world.settings, Request("GET", f"/oauth/client/{name}"), None))
        assert response.status == 404


def test_an_issuer_that_does_not_say_that_it_reads_documents_is_not_sent_anybody() -> None:
    world, _, server = documented()
    del server.said["client_id_metadata_document_supported"]

    caught = failure(world, begin(world))

    assert isinstance(caught, ConfigurationError)
    assert "client_registration dynamic" in str(caught)


# The doctor


def findings(world: World) -> dict[str, list[str]]:
    """What it says of the client, by level."""
    found: dict[str, list[str]] = {}
    for one in world.run(diagnose(world.settings)).findings:
        if one.about == "notes" and one.check == "client_registration":
            found.setdefault(one.level, []).append(f"{one.what}: {one.advice}")
    return found


def other_checks(world: World) -> dict[str, str]:
    return {one.check: one.level for one in world.run(diagnose(world.settings)).findings if one.about == "notes"}


def test_the_doctor_says_that_nothing_is_registered_yet_and_registers_nothing() -> None:
    world, _, server = there()

    (said_of_it,) = findings(world)["note"]

    assert "no client is registered for it yet" in said_of_it
    assert "without an initial access token: an issuer that wants one answers invalid_token" in said_of_it
    assert server.asked == []
    assert "problem" not in findings(world)
    assert "problem" not in other_checks(world).values()


@pytest.mark.parametrize("general", [True, False])
def test_the_doctor_says_that_an_initial_access_token_is_there_and_not_which(general: bool) -> None:
    world, _, _ = there(initial_access_token=None if general else Secret(TOKEN))
    if general:
        world.settings = replace(world.settings, mcp=McpSettings(initial_access_tokens=((ISSUER, Secret(TOKEN)),)))

    (said_of_it,) = findings(world)["note"]

    assert "with the initial access token" in said_of_it
    assert TOKEN not in said_of_it


@pytest.mark.parametrize("days", [None, 10, 100])
def test_the_doctor_says_since_when_and_until_when(days: int | None) -> None:
    world, _, server = there()
    server.registered = {"client_secret_expires_at": int(world.clock.time) + (days or 0) * 86_400 if days else 0}
    _ = world.run(begin(world))

    found = findings(world)

    assert "its client was registered at 2027-01-15" in found["note"][0]
    assert ("its secret is good until" in found["note"][0]) == (days is not None)
    assert ("warning" in found) == (days == 10)
    assert "problem" not in other_checks(world).values(), "it authenticates as it was registered"


def test_the_doctor_says_what_has_ended() -> None:
    world, _, server = there()
    _ = connect(world, server)
    refused_once(world, server)

    assert "its issuer refuses its client" in findings(world)["warning"][0]


def test_the_doctor_says_what_the_configuration_has_changed_and_what_the_server_left_out() -> None:
    world, _, server = there()
    server.registered = {"scope": "other"}
    _ = world.run(begin(world))
    configure(world, notes(redirect_uri="https://new.example/oauth/callback/notes"))

    found = findings(world)

    assert "registered for the redirect URI" in found["problem"][0]
    assert "registered without notes:read of its scope" in found["warning"][0]


def test_the_doctor_says_that_a_client_proves_itself_otherwise_than_is_configured_by_now() -> None:
    world, _, _ = there()
    _ = world.run(begin(world))
    configure(
        world, notes(token_endpoint_auth_method="client_secret_basic", grant_types=("authorization_code", DEVICE))
    )

    found = findings(world)

    assert "proves itself by client_secret_post" in found["warning"][0]
    assert [f"before grant_types named {DEVICE}" in one for one in found["problem"]] == [True]


@pytest.mark.parametrize("way", ["dynamic", "document"])
def test_the_doctor_says_that_an_issuer_cannot_have_such_a_client(way: str) -> None:
    world, _, server = there(client_registration=way)
    del server.said["registration_endpoint"]

    (problem,) = findings(world)["problem"]

    assert ("no registration_endpoint" if way == "dynamic" else "does not say that it reads such documents") in problem


def test_the_doctor_says_that_an_issuer_offers_no_way_to_prove_who_the_client_is() -> None:
    world, _, _ = there(private_key=make_key(), signature_method="ES256")

    assert any("no way for its client to prove who it is: private_key_jwt" in one for one in findings(world)["problem"])


def test_the_doctor_shows_the_document_and_a_store_that_is_down() -> None:
    world, _, _ = documented()
    assert f"{BASE_URL}/client/notes" in findings(world)["note"][0]
    world, _, _ = there()
    world.store.outages = 1000

    assert "cannot be seen" in findings(world)["problem"][0]


def test_a_store_that_is_slow_keeps_nobody_from_refreshing() -> None:
    world, _, server = there()
    _ = connect(world, server)
    world.clock.time += 3700

    def slowly(effect: Any) -> object:
        if isinstance(effect, Load):
            world.clock.sleep(0.6)
        return world.answer(effect)

    assert drive(token(world), slowly).reveal() in server.access


@pytest.mark.parametrize("why", ["somebody else registers", "the row cannot be read"])
def test_a_token_that_lives_is_handed_out_while_its_client_cannot_be_had(why: str) -> None:
    world, _, server = there(grant_types=("client_credentials",))
    server.registered = {"client_secret_expires_at": int(world.clock.time) + 3590}
    first = world.run(client_token(world.settings, "notes"))
    world.clock.time += 3560
    stored = world.store.rows.load(configured_key("notes"))
    assert stored is not None
    busy = {**stored.clear, "attempt": "ab" * 16, "claimed_until": int(world.clock.time) + 60}
    changed = {
        "somebody else registers": replace(stored, version=b"1" * 16, clear=busy),
        "the row cannot be read": replace(stored, version=b"1" * 16, sealed=b"broken"),
    }
    _ = world.store.swap(stored.key, stored.version, changed[why])

    assert world.run(client_token(world.settings, "notes")) == first
