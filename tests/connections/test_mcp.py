"""Connecting an MCP server by its URL: metadata, registration, and what a hostile server can and cannot do."""

from __future__ import annotations

import json
from traceback import TracebackException
from typing import TYPE_CHECKING, Any

import pytest
from tests.connections.internet import ISSUER, PRM, URL, Internet, Server, back, said
from tests.connections.steps import failure

from valetkey.connections.authorize import begin_authorization, finish_authorization
from valetkey.connections.call import call
from valetkey.connections.doctor import diagnose
from valetkey.connections.enrolled_rows import enrolled_key, load_enrolled
from valetkey.connections.manage import connection, connections, forget, revoke
from valetkey.connections.mcp import begin_mcp_authorization
from valetkey.connections.registrations import registered
from valetkey.connections.reseal import reseal_page
from valetkey.connections.scope import read_ask
from valetkey.connections.server_page import read_server_page
from valetkey.connections.settings import McpSettings
from valetkey.connections.sign import access_token, sign
from valetkey.connections.unenrol import enrolled_page, forget_enrolled
from valetkey.errors import (
    CallbackError,
    ConfigurationError,
    MalformedResponse,
    ProviderError,
    ReauthorizationRequired,
    RequestRefused,
    StoreError,
    TransportError,
)
from valetkey.http import Headers, Request, Response, read_form
from valetkey.keys.local import LocalKeyRing
from valetkey.oauth2.client import Client
from valetkey.oauth2.kept import KeptKeys, KeptMetadata
from valetkey.providers.discovered import discovered_provider
from valetkey.providers.registration import register
from valetkey.secret import Secret
from valetkey.testing.world import BASE_URL, World
from valetkey.value import replace

if TYPE_CHECKING:
    from valetkey.connections.authorize import Redirect
    from valetkey.connections.connection import Connection

OTHER = "https://as.other.example"


def there(**more: Any) -> tuple[World, Internet, Server]:
    """A world with one MCP server and the authorization server that it trusts."""
    world = World()
    internet = Internet(world)
    server = internet.server()
    _ = internet.resource(URL, server, **more)
    return world, internet, server


def begun(world: World, url: str = URL, **changes: Any) -> Redirect:
    wanted = {"resource_owner": "alice", "cookies": (), **changes}
    return world.run(begin_mcp_authorization(world.settings, url, **wanted))


def refused(world: World, url: str = URL) -> Exception:
    return failure(world, begin_mcp_authorization(world.settings, url, resource_owner="alice", cookies=()))


def connect(world: World, server: Server, url: str = URL, owner: str = "alice", **changes: Any) -> Connection:
    going = begun(world, url, resource_owner=owner, **changes)
    done = world.run(finish_authorization(world.settings, back(world, server, going), resource_owner=owner))
    assert done.connection is not None
    return done.connection


def called(world: World, url: str = URL, target: str = "") -> Any:
    request = Request("POST", target or url, Headers(), b"{}")
    return world.run(call(world.settings, request, registration=url, resource_owner="alice"))


def asked(going: Redirect) -> dict[str, str]:
    return dict(read_form(going.location.partition("?")[2]))


# One call


def test_a_url_connects_calls_refreshes_and_revokes() -> None:
    world, internet, server = there()

    connected = connect(world, server)
    assert called(world).status == 200
    world.clock.time += 3700
    assert called(world).status == 200
    ended = world.run(revoke(world.settings, URL, resource_owner="alice"))

    assert connected.scope == ("notes:read",)
    assert [fields["grant_type"] for fields in server.tokens_asked] == ["authorization_code", "refresh_token"]
    assert {fields["resource"] for fields in server.tokens_asked} == {URL}
    assert ended.at_provider == "revoked"
    assert {reach for _, reach in internet.reaches} == {"public"}


def test_a_connection_is_found_and_forgotten_by_the_url_or_the_name() -> None:
    world, _, server = there()
    name = connect(world, server).registration

    for known in (URL, name):
        found = world.run(connection(world.settings, known, resource_owner="alice"))
        assert found is not None
        assert found.registration == name
    world.run(forget(world.settings, URL, resource_owner="alice"))

    assert world.run(connections(world.settings, resource_owner="alice")).connections == ()


def test_a_url_that_nobody_has_connected_asks_to_connect_it() -> None:
    world, _, _ = there()
    world.settings = replace(world.settings, mcp=McpSettings(page=True))

    caught = failure(world, access_token(world.settings, URL, resource_owner="alice"))

    assert isinstance(caught, ReauthorizationRequired)
    page, _, sealed = caught.connect_url.partition("?server=")
    assert page == f"{BASE_URL}/mcp"
    assert world.run(read_server_page(world.settings, sealed, owner="alice")) == URL


@pytest.mark.parametrize("text", ["HTTPS://MCP.Notes.example:443/mcp", URL])
def test_one_server_is_one_registration_however_its_host_is_written(text: str) -> None:
    world, _, server = there()

    assert connect(world, server, text).registration == connect(world, server).registration
    assert server.made == 5  # one client, two codes, two pairs of tokens


def test_the_host_alone_is_the_same_with_and_without_its_slash() -> None:
    world = World()
    internet = Internet(world)
    server = internet.server()
    _ = internet.resource("https://mcp.notes.example", server, resource="https://mcp.notes.example/")
    internet.pages["https://mcp.notes.example"] = lambda _: Response(401, Headers(), b"")

    going = begun(world, "https://mcp.notes.example")

    assert asked(going)["resource"] == "https://mcp.notes.example/"  # as it spells itself


def test_the_challenge_says_what_to_ask_for() -> None:
    world, internet, server = there()
    text = f'Bearer error="invalid_token", scope="notes:write", resource_metadata="https://mcp.notes.example{PRM}/mcp"'
    internet.pages[URL] = lambda _: Response(401, Headers((("WWW-Authenticate", text),)), b"")
    server.said["scopes_supported"] = ["offline_access"]

    assert asked(begun(world))["scope"] == "notes:write offline_access"
    assert asked(begun(world, scope=("mine",)))["scope"] == "mine"


@pytest.mark.parametrize(
    ("listed", "known", "registered_for"),
    [
        (["notes:read", "notes:write", "notes:admin"], ["notes:write", "notes:read", "mail"], "notes:read notes:write"),
        (["notes:read", "notes:write"], None, "notes:read"),
        (["notes:write"], ["notes:write", "offline_access"], "notes:read offline_access notes:write"),
    ],
)
def test_a_client_is_registered_for_what_may_be_wanted_later_and_asks_for_what_is_wanted_now(
    listed: list[str], known: list[str] | None, registered_for: str
) -> None:
    """A server may refuse a client the scope that it was not registered for (RFC 7591 section 2)."""
    world, internet, server = there()
    text = f'Bearer scope="notes:read", resource_metadata="https://mcp.notes.example{PRM}/mcp"'
    internet.pages[URL] = lambda _: Response(401, Headers((("WWW-Authenticate", text),)), b"")
    internet.documents[URL]["scopes_supported"] = listed
    if known is not None:
        server.said["scopes_supported"] = known

    going = begun(world)

    assert server.asked[0]["scope"] == registered_for
    assert asked(going)["scope"] == registered_for.removesuffix(" notes:write")
    assert asked(begun(world, scope=("notes:write",)))["scope"] == "notes:write"
    assert len(server.asked) == 1


def test_more_scope_than_a_registration_can_hold_keeps_nobody_from_connecting() -> None:
    world, internet, server = there()
    listed = [f"https://api.notes.example/auth/{number:03}" for number in range(100)]
    text = f'Bearer scope="{listed[0]}", resource_metadata="https://mcp.notes.example{PRM}/mcp"'
    internet.pages[URL] = lambda _: Response(401, Headers((("WWW-Authenticate", text),)), b"")
    internet.documents[URL]["scopes_supported"] = server.said["scopes_supported"] = listed

    assert connect(world, server).state == "active"
    assert asked(begun(world))["scope"] == listed[0]
    assert server.asked[0]["scope"].split(" ") == listed[:58]


def test_without_a_challenge_the_metadata_is_found_at_the_path_then_at_the_root() -> None:
    world, internet, server = there(challenge=False)
    assert begun(world).location.startswith(f"{ISSUER}/authorize?")

    at_path = internet.pages.pop(f"https://mcp.notes.example{PRM}/mcp")
    internet.pages[f"https://mcp.notes.example{PRM}"] = at_path

    assert begun(world).location.startswith(f"{ISSUER}/authorize?")
    del server


def test_issuers_with_a_path_are_asked_where_rfc_8414_says() -> None:
    world = World()
    internet = Internet(world)
    server = internet.server("https://as.notes.example/tenant")
    _ = internet.resource(URL, server)

    assert connect(world, server).registration.startswith("mcp-")


# The client


def test_the_client_says_what_it_is() -> None:
    world, _, server = there()

    going = begun(world)

    (wanted,) = server.asked
    assert wanted["redirect_uris"] == [asked(going)["redirect_uri"]]
    assert wanted["grant_types"] == ["authorization_code", "refresh_token"]
    assert wanted["token_endpoint_auth_method"] == "client_secret_post"
    assert wanted["application_type"] == "web"
    assert wanted["client_uri"] == "https://app.example"
    assert wanted["scope"] == "notes:read"
    assert wanted["authorization"] is None


def test_an_initial_access_token_goes_to_its_own_issuer_only() -> None:
    world, internet, server = there()
    other = internet.server(OTHER)
    _ = internet.resource("https://mcp.other.example/mcp", other)
    world.settings = replace(
        world.settings, mcp=McpSettings(initial_access_tokens=((ISSUER, Secret("canary-initial")),))
    )

    _ = begun(world)
    _ = begun(world, "https://mcp.other.example/mcp")

    assert server.asked[0]["authorization"] == "Bearer canary-initial"
    assert other.asked[0]["authorization"] is None


def test_a_document_is_the_client_where_the_server_reads_them() -> None:
    world, _, server = there()
    server.said["client_id_metadata_document_supported"] = True

    connected = connect(world, server)

    assert server.asked == []
    assert server.tokens_asked[0]["client_id"] == f"{BASE_URL}/client/{connected.registration}"
    assert "client_secret" not in server.tokens_asked[0]


@pytest.mark.parametrize("why", ["loopback", "switched off", "no public clients"])
def test_without_a_readable_document_the_client_is_registered(why: str) -> None:
    world, _, server = there()
    server.said["client_id_metadata_document_supported"] = True
    if why == "loopback":
        world.settings = replace(world.settings, base_url="http://localhost:8000")
    if why == "switched off":
        world.settings = replace(world.settings, mcp=McpSettings(client_documents=False))
    if why == "no public clients":
        server.said["token_endpoint_auth_methods_supported"] = ["client_secret_basic"]

    _ = begun(world)

    assert len(server.asked) == 1


def test_the_operators_own_client_goes_first() -> None:
    world, _, server = there()
    server.said["client_id_metadata_document_supported"] = True
    ours = register(
        "notes",
        discovered_provider("oauth2-discovery", issuer=ISSUER, api_hosts=("mcp.notes.example",)),
        client_id="ours",
        client_secret=Secret("canary"),
        redirect_uri=f"{BASE_URL}/callback/notes",
        resources=(URL,),
    )
    world.settings = replace(world.settings, registrations={"notes": ours})

    assert asked(begun(world))["client_id"] == "ours"
    assert world.run(load_enrolled(world.settings, enrolled_key(URL))) is None


def test_the_operators_own_client_is_not_used_with_another_issuer() -> None:
    world, _, _ = there()
    ours = register(
        "notes",
        discovered_provider("oauth2-discovery", issuer=OTHER, api_hosts=("mcp.notes.example",)),
        client_id="ours",
        client_secret=Secret("canary"),
        redirect_uri=f"{BASE_URL}/callback/notes",
        resources=(URL,),
    )
    world.settings = replace(world.settings, registrations={"notes": ours})

    error = refused(world)
    assert (vars(error)["reason"], "other issuers" in str(error)) == ("resource_refused", True)


def test_a_server_that_registers_nobody_is_refused_with_what_to_do() -> None:
    world, _, server = there()
    del server.said["registration_endpoint"]

    caught = refused(world)

    assert isinstance(caught, RequestRefused)
    assert "configure the client" in str(caught)


# Expiry and refusal


def test_a_secret_that_expired_is_registered_anew_when_somebody_connects() -> None:
    world, _, server = there()
    server.registered["client_secret_expires_at"] = int(world.clock.time) + 5000
    _ = connect(world, server)
    world.clock.time += 6000

    caught = failure(world, access_token(world.settings, URL, resource_owner="alice"))
    assert isinstance(caught, ReauthorizationRequired)
    assert caught.reason == "client_ended"
    server.registered["client_secret_expires_at"] = 0
    again = connect(world, server)

    assert len(server.asked) == 2
    assert server.tokens_asked[-1]["client_id"] != server.tokens_asked[0]["client_id"]
    assert again.generation == 2


def test_a_client_that_the_server_has_forgotten_is_registered_anew_once_in_ten_minutes() -> None:
    world, _, server = there()
    _ = connect(world, server)
    server.clients.clear()
    world.clock.time += 3700

    assert isinstance(failure(world, access_token(world.settings, URL, resource_owner="alice")), ProviderError)
    caught = failure(world, access_token(world.settings, URL, resource_owner="alice"))
    while not isinstance(caught, ReauthorizationRequired):
        world.clock.time += 60
        caught = failure(world, access_token(world.settings, URL, resource_owner="alice"))
    assert caught.reason == "client_ended"
    going = begun(world)
    assert len(server.asked) == 2

    server.clients.clear()  # and this one is refused at once
    server.clients[asked(going)["client_id"]] = {"redirect_uris": [asked(going)["redirect_uri"]]}
    request = back(world, server, going)
    server.clients.clear()
    assert isinstance(
        failure(world, finish_authorization(world.settings, request, resource_owner="alice")), ProviderError
    )
    _ = begun(world)

    assert len(server.asked) == 2


def test_a_connection_by_the_old_client_is_not_refreshed_with_the_new_one() -> None:
    world, _, server = there()
    server.registered["client_secret_expires_at"] = int(world.clock.time) + 5000
    _ = connect(world, server)
    world.clock.time += 6000
    server.registered["client_secret_expires_at"] = 0
    _ = connect(world, server, owner="bob")

    caught = failure(world, access_token(world.settings, URL, resource_owner="alice"))

    assert isinstance(caught, ReauthorizationRequired)


# Another issuer


def test_a_resource_that_changes_its_issuer_becomes_another_registration() -> None:
    world, internet, server = there()
    first = connect(world, server)
    other = internet.server(OTHER)
    _ = internet.resource(URL, other)

    second = connect(world, other)

    assert second.registration != first.registration
    sent = [request for request in internet.sent if request.url.startswith(OTHER)]
    secrets = [server.clients["client-1"]["client_secret"], *server.refresh, *server.access]
    assert not any(secret.encode() in request.body for request in sent for secret in secrets)
    assert world.run(access_token(world.settings, URL, resource_owner="alice")).reveal() in other.access


def test_the_old_connection_can_still_be_revoked_at_its_own_issuer() -> None:
    world, internet, server = there()
    first = connect(world, server)
    other = internet.server(OTHER)
    _ = internet.resource(URL, other)
    _ = connect(world, other)

    assert world.run(revoke(world.settings, first.registration, resource_owner="alice")).at_provider == "revoked"
    assert server.access == set()


def test_the_page_of_the_old_registration_leads_to_the_new_issuer() -> None:
    world, internet, server = there()
    first = connect(world, server)
    _ = internet.resource(URL, internet.server(OTHER))

    going = world.run(begin_authorization(world.settings, first.registration, resource_owner="alice", cookies=()))

    assert going.location.startswith(f"{OTHER}/authorize?")


def test_an_issuer_that_is_still_named_is_kept_even_if_another_is_named_first() -> None:
    world, internet, server = there()
    _ = connect(world, server)
    _ = internet.resource(URL, internet.server(OTHER), server)

    assert begun(world).location.startswith(f"{ISSUER}/authorize?")


# More scope


def wants_more(internet: Internet, scope: str = "notes:write") -> None:
    text = f'Bearer error="insufficient_scope", scope="{scope}"'
    usual = internet.pages[URL]

    def answer(request: Request) -> Response:
        if request.headers.get("authorization"):
            return Response(403, Headers((("WWW-Authenticate", text),)), b"")
        return usual(request)

    internet.pages[URL] = answer


def calling(world: World) -> Any:
    request = Request("POST", URL, Headers(), b"{}")
    return call(world.settings, request, registration=URL, resource_owner="alice")


def test_a_403_asks_for_what_is_missing_together_with_what_is_there() -> None:
    world, internet, server = there()
    name = connect(world, server).registration
    wants_more(internet)

    caught = failure(world, calling(world))

    assert isinstance(caught, ReauthorizationRequired)
    assert caught.connect_url.startswith(f"{BASE_URL}/connect/{name}?ask=")
    found = registered(world.settings, URL)
    ask = dict(read_form(caught.connect_url.partition("?")[2]))["ask"]
    wanted = world.run(read_ask(world.settings, world.run(found), ask, resource_owner="alice"))
    assert wanted.scope == ("notes:read", "notes:write")


def test_what_was_withheld_is_not_asked_for_again_within_the_hour() -> None:
    world, internet, server = there()
    _ = connect(world, server)
    wants_more(internet)
    server.scope_granted = "notes:read"
    assert isinstance(failure(world, calling(world)), ReauthorizationRequired)
    _ = connect(world, server, scope=("notes:read", "notes:write"))

    assert world.run(calling(world)).status == 403
    world.clock.time += 3700

    assert isinstance(failure(world, calling(world)), ReauthorizationRequired)


def test_what_was_withheld_is_remembered_over_a_refresh_and_forgotten_with_the_next_consent() -> None:
    world, internet, server = there()
    wants_more(internet)
    server.scope_granted = "notes:read"
    _ = connect(world, server, scope=("notes:read", "notes:write"))
    first = world.run(access_token(world.settings, URL, resource_owner="alice"))
    world.clock.time += 1000
    _ = world.run(access_token(world.settings, URL, resource_owner="alice", rejected=first))
    assert server.tokens_asked[-1]["grant_type"] == "refresh_token"
    assert world.run(calling(world)).status == 403

    server.scope_granted = None
    _ = connect(world, server, scope=("notes:read", "notes:write"))
    wants_more(internet, "notes:delete")

    assert isinstance(failure(world, calling(world)), ReauthorizationRequired)


# Hostile metadata


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://mcp.notes.example/mcp", "https"),
        ("https://user@mcp.notes.example/mcp", "user name"),
        ("https://mcp.notes.example:8443/mcp", "port"),
        ("https://mcp.notes.example/mcp#x", "fragment"),
        ("https://mcp.notes.example/mcp?x=1", "query"),
        ("https://mcp.notes.example/a/../mcp", "two ways"),
        ("https://mcp.notes.example/a/%2e%2e/mcp", "two ways"),
        ("https://mcp.notes.example/a%2fmcp", "two ways"),
        ("https://mcp.notes.example//mcp", "two ways"),
        ("file:///etc/passwd", "https"),
        ("https://", "host"),
        ("https://xn--\u0430.example/", "ASCII"),
        ("https://mcp.notes.example/" + "x" * 600, "characters"),
        ("http://127.0.0.1:8000/mcp", "https"),
        ("", "https"),
    ],
)
def test_urls_that_cannot_be_a_resource_are_refused_before_anything_is_sent(url: str, why: str) -> None:
    world, internet, _ = there()

    caught = refused(world, url)

    assert isinstance(caught, RequestRefused)
    assert caught.reason == "resource_url_refused"
    assert why in str(caught)
    assert internet.sent == []


@pytest.mark.parametrize(
    "changed",
    [
        {"resource": "https://mcp.honest.example/mcp"},
        {"resource": "https://mcp.notes.example"},
        {"resource": "https://mcp.notes.example/mcp/"},
        {"resource": URL + "?x"},
        {"resource": None},
        {"resource": [URL]},
        {"authorization_servers": []},
        {"authorization_servers": ISSUER},
        {"authorization_servers": [1]},
        {"authorization_servers": ["https://as.example"] * 11},
        {"bearer_methods_supported": ["query"]},
        {"scopes_supported": ["two words"]},
        {"scopes_supported": ["x" * 600] * 100},
        {"authorization_servers": [f"{ISSUER}/{'i' * 30_000}"]},
        {"padding": "x" * 70_000},
    ],
)
def test_a_resource_that_speaks_of_another_or_says_too_much_is_refused(changed: dict[str, Any]) -> None:
    world, internet, server = there()
    internet.documents[URL].update(changed)

    assert isinstance(refused(world), MalformedResponse)
    assert server.asked == []


def test_a_document_about_the_whole_host_says_which_url_to_connect() -> None:
    world, internet, _ = there()
    internet.documents[URL]["resource"] = "https://mcp.notes.example"

    assert "connect https://mcp.notes.example if that is meant" in str(refused(world))


@pytest.mark.parametrize(
    "named", ["http://169.254.169.254/latest", "file:///etc/passwd", "https://u@x.example/", "ftp://x.example/", "x"]
)
def test_a_challenge_cannot_lead_anywhere_but_to_https(named: str) -> None:
    world, internet, _ = there()
    text = f'Bearer resource_metadata="{named}"'
    internet.pages[URL] = lambda _: Response(401, Headers((("WWW-Authenticate", text),)), b"")

    assert isinstance(refused(world), MalformedResponse)
    assert len(internet.sent) == 1


@pytest.mark.parametrize(
    "issuer", ["http://as.notes.example", "https://as.notes.example?x", "file:///x", "https://u@x", "javascript:1", ""]
)
def test_an_issuer_that_is_no_https_url_is_refused(issuer: str) -> None:
    world, internet, _ = there()
    internet.documents[URL]["authorization_servers"] = [issuer]

    assert isinstance(refused(world), RequestRefused)


@pytest.mark.parametrize(
    "changed",
    [
        {"issuer": "https://as.notes.example/"},
        {"issuer": OTHER},
        {"token_endpoint": "http://as.notes.example/token"},
        {"registration_endpoint": "http://169.254.169.254/"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"authorization_endpoint": f"{ISSUER}/{'a' * 3000}"},
        {"padding": "x" * 70_000},
    ],
)
def test_authorization_server_metadata_that_is_not_to_be_believed_is_refused(changed: dict[str, Any]) -> None:
    world, _, server = there()
    server.said.update(changed)

    assert isinstance(refused(world), MalformedResponse)
    assert server.asked == []


@pytest.mark.parametrize("methods", [None, [], ["plain"]])
def test_a_server_without_s256_is_refused(methods: list[str] | None) -> None:
    world, _, server = there()
    server.said["code_challenge_methods_supported"] = methods

    caught = refused(world)

    assert isinstance(caught, RequestRefused)
    assert "S256" in str(caught)
    assert server.asked == []


def test_a_code_is_not_taken_from_one_host_to_another_unless_it_says_whose_it_is() -> None:
    world, _, server = there()
    server.said["authorization_endpoint"] = "https://as.honest.example/authorize"
    assert begun(world).location.startswith("https://as.honest.example/authorize?")

    server.said["authorization_response_iss_parameter_supported"] = False
    world.clock.time += 90_000  # the metadata that is kept has lapsed

    caught = refused(world)
    assert isinstance(caught, RequestRefused)
    assert "iss" in str(caught)


@pytest.mark.parametrize(("listed", "refuses"), [(["https://other.example/mcp"], True), ([], True), ([URL], False)])
def test_an_issuer_that_lists_its_resources_must_list_this_one(listed: list[str], refuses: bool) -> None:
    world, _, server = there()
    server.said["protected_resources"] = listed

    if not refuses:
        assert begun(world).location
        return
    caught = refused(world)
    assert isinstance(caught, RequestRefused)
    assert "none of them" in str(caught)
    assert server.asked == []


def test_at_most_four_issuers_of_a_resource_are_remembered() -> None:
    world, internet, _ = there()
    for number in range(6):
        _ = internet.resource(URL, internet.server(f"https://as{number}.example"))
        _ = begun(world)

    row = world.run(load_enrolled(world.settings, enrolled_key(URL)))

    assert row is not None
    assert [client.issuer for client in row.clients] == [f"https://as{number}.example" for number in range(2, 6)]


@pytest.mark.parametrize("iss", [(), (("iss", "https://as.honest.example"),), (("iss", f"{ISSUER}/"),)])
def test_a_code_of_an_honest_server_never_reaches_the_token_endpoint_of_another(iss: tuple[Any, ...]) -> None:
    world, _, server = there()
    going = begun(world)
    request = back(world, server, going)
    kept = tuple(pair for pair in read_form(request.url.partition("?")[2]) if pair[0] != "iss")
    from valetkey.http import with_query

    target = with_query(request.url.partition("?")[0], (*kept, *iss))

    caught = failure(world, finish_authorization(world.settings, replace(request, url=target), resource_owner="alice"))

    assert isinstance(caught, CallbackError)
    assert server.tokens_asked == []


def test_a_callback_of_one_server_does_not_finish_the_flow_of_another() -> None:
    world, internet, server = there()
    evil = internet.server("https://as.evil.example")
    _ = internet.resource("https://mcp.evil.example/mcp", evil)
    going = begun(world, "https://mcp.evil.example/mcp")
    _ = begun(world)
    request = back(world, evil, going)
    honest = enrolled_key(URL)
    row = world.run(load_enrolled(world.settings, honest))
    assert row is not None
    from valetkey.connections.enrolled_rows import enrolled_name

    name = enrolled_name(honest, ISSUER, "")
    target = f"/oauth/callback/{name}?" + request.url.partition("?")[2]

    caught = failure(world, finish_authorization(world.settings, replace(request, url=target), resource_owner="alice"))

    assert isinstance(caught, CallbackError)
    assert server.tokens_asked == evil.tokens_asked == []


@pytest.mark.parametrize(
    "changed",
    [
        {"client_id": None},
        {"client_id": 7},
        {"client_id": "x" * 2000},
        {"client_id": "a\nb"},
        {"client_secret": None},
        {"client_secret": ["x"]},
        {"client_secret_expires_at": "soon"},
        {"client_secret_expires_at": True},
        {"client_secret_expires_at": -1},
        {"client_secret_expires_at": 12},
        {"redirect_uris": ["https://evil.example/"]},
        {"redirect_uris": "https://app.example"},
        {"grant_types": ["client_credentials"]},
        {"response_types": ["token"]},
        {"token_endpoint_auth_method": "private_key_jwt"},
        {"token_endpoint_auth_method": "tls_client_auth"},
        {"scope": 1},
        {"padding": "x" * 70_000},
    ],
)
def test_a_registration_that_is_not_what_was_asked_for_is_refused(changed: dict[str, Any]) -> None:
    world, _, server = there()
    server.registered.update(changed)

    assert isinstance(refused(world), MalformedResponse)
    row = world.run(load_enrolled(world.settings, enrolled_key(URL)))
    assert row is not None
    assert (row.attempt, row.clients) == ("", ())


def test_what_the_server_changed_is_honoured_where_it_is_safe() -> None:
    world, internet, server = there()
    internet.documents[URL]["scopes_supported"] = ["notes:read", "notes:write"]
    server.registered.update({"token_endpoint_auth_method": "none", "scope": "notes:write", "unknown": {"x": 1}})

    _ = connect(world, server)

    assert "client_secret" not in server.tokens_asked[0]
    assert asked(begun(world))["scope"] == "notes:write"  # the next time as well


@pytest.mark.parametrize(
    ("status", "error", "word"),
    [
        (400, "invalid_redirect_uri", "redirect URI"),
        (400, "invalid_client_metadata", "metadata"),
        (400, "<b>not a code</b>", "registration_refused"),
        (401, None, "initial access token"),
        (403, None, "initial access token"),
        (503, "x", "server_error"),
        (307, None, "registration_refused"),
    ],
)
def test_a_refused_registration_says_why_and_lets_the_next_one_try(status: int, error: Any, word: str) -> None:
    world, _, server = there()
    server.registration_status, server.registered = status, {"error": error, "error_description": "canary"}

    caught = refused(world)
    assert isinstance(caught, ProviderError)
    assert word in str(caught)
    assert "canary" not in str(caught)
    server.registration_status, server.registered = 201, {}

    assert begun(world).location


# The token goes nowhere else


@pytest.mark.parametrize(
    "target",
    [
        "https://mcp.notes.example/",
        "https://mcp.notes.example/mcp2",
        "https://mcp.notes.example/mcp/../other",
        "https://mcp.notes.example/mcp/%2e%2e/other",
        "https://mcp.notes.example:8443/mcp",
        "http://mcp.notes.example/mcp",
        "https://as.notes.example/mcp",
        "https://mcp.notes.example.evil.example/mcp",
    ],
)
def test_the_token_goes_to_no_other_url(target: str) -> None:
    world, _, server = there()
    _ = connect(world, server)

    caught = failure(
        world, sign(world.settings, Request("GET", target, Headers()), registration=URL, resource_owner="alice")
    )

    assert isinstance(caught, ConfigurationError)


@pytest.mark.parametrize("target", [URL, f"{URL}/messages", f"{URL}?session=1"])
def test_the_token_goes_to_the_url_and_below(target: str) -> None:
    world, _, server = there()
    _ = connect(world, server)

    signed = world.run(
        sign(world.settings, Request("GET", target, Headers()), registration=URL, resource_owner="alice")
    )

    assert (signed.headers.get("authorization") or "").startswith("Bearer access-")


def test_loopback_is_for_those_who_opted_in() -> None:
    world = World()
    internet = Internet(world)
    server = internet.server("http://127.0.0.1:9000")
    _ = internet.resource("http://127.0.0.1:9000/mcp", server)
    assert "VALETKEY_MCP_ACCEPT_LOOPBACK" in str(refused(world, "http://127.0.0.1:9000/mcp"))
    assert "VALETKEY_MCP_ACCEPT_LOOPBACK" not in str(refused(world, "http://mcp.notes.example/mcp"))

    world.settings = replace(world.settings, mcp=McpSettings(accept_loopback=True))
    _ = connect(world, server, "http://127.0.0.1:9000/mcp")

    assert {reach for _, reach in internet.reaches} == {"configured"}


def test_a_public_resource_leads_to_loopback_for_nobody() -> None:
    world, internet, _ = there()
    world.settings = replace(world.settings, mcp=McpSettings(accept_loopback=True))
    internet.documents[URL]["authorization_servers"] = ["http://127.0.0.1:9000"]

    assert isinstance(refused(world), RequestRefused)


# What is kept


def test_a_registration_that_nobody_finished_to_use_lapses_and_one_that_was_used_stays() -> None:
    world, _, server = there()
    _ = begun(world)
    row = world.store.load(enrolled_key(URL))
    assert row is not None
    assert row.expires_at == int(world.clock.time) + 86_400

    _ = connect(world, server)

    row = world.store.load(enrolled_key(URL))
    assert row is not None
    assert row.expires_at == 0


def test_the_row_tells_nothing_without_the_key() -> None:
    world, _, server = there()
    _ = connect(world, server)

    row = world.store.load(enrolled_key(URL))

    assert row is not None
    told = json.dumps(dict(row.clear)) + row.sealed.decode() + str(row.key)
    assert not any(word in told for word in ("secret-1", "client-1", "notes.example"))


def test_a_row_that_was_moved_to_another_resource_does_not_open() -> None:
    world, internet, server = there()
    _ = connect(world, server)
    row = world.store.load(enrolled_key(URL))
    assert row is not None
    _ = internet.resource("https://mcp.evil.example/mcp", internet.server("https://as.evil.example"))
    elsewhere = replace(row, key=enrolled_key("https://mcp.evil.example/mcp"))
    assert world.store.swap(elsewhere.key, None, elsewhere) == "won"

    assert isinstance(refused(world, "https://mcp.evil.example/mcp"), StoreError)


def test_keys_are_rotated_under_it() -> None:
    world, _, server = there()
    _ = connect(world, server)
    new = ("new", world.clock.random(32))
    ring = LocalKeyRing([new, ("test", world.keys._keys["test"])], random=world.clock.random)
    _ring(world, ring)

    swept = world.run(reseal_page(world.settings))
    _ring(world, LocalKeyRing([new], random=world.clock.random))
    world.clock.time += 3700

    assert swept.resealed >= 2
    assert called(world).status == 200


def _ring(world: World, ring: LocalKeyRing) -> None:
    from valetkey.effects import Open, Seal

    world.ports._performers[Seal] = lambda effect: ring.seal(effect.place, effect.plaintext)
    world.ports._performers[Open] = lambda effect: ring.open(effect.place, effect.sealed)


def test_operators_see_and_forget_registrations() -> None:
    world, internet, server = there()
    server.registered["registration_client_uri"] = f"{ISSUER}/register/1"
    server.registered["registration_access_token"] = "canary-management"
    name = connect(world, server).registration

    def deleted(request: Request) -> Response:
        server.deleted.append(request.headers.get("authorization") or "")
        return Response(204, Headers(), b"")

    internet.pages[f"{ISSUER}/register/1"] = deleted
    (row,) = world.run(enrolled_page(world.settings)).rows
    assert (row.resource, row.issuer, len(row.clients)) == (URL, ISSUER, 1)

    assert world.run(forget_enrolled(world.settings, URL)) == "deleted"

    assert server.deleted == ["Bearer canary-management"]
    assert world.run(enrolled_page(world.settings)).rows == ()
    assert isinstance(failure(world, forget_enrolled(world.settings, name)), ConfigurationError)
    assert isinstance(failure(world, access_token(world.settings, name, resource_owner="alice")), ConfigurationError)


def test_a_server_that_is_down_does_not_keep_operators_from_forgetting() -> None:
    world, internet, server = there()
    server.registered["registration_client_uri"] = "https://gone.example/1"
    server.registered["registration_access_token"] = "t"
    _ = connect(world, server)
    del internet

    assert world.run(forget_enrolled(world.settings, URL)) == "failed"
    assert world.run(enrolled_page(world.settings)).rows == ()


def test_what_cannot_be_connected_says_that_it_publishes_nothing() -> None:
    world, internet, _ = there(challenge=False)
    del internet.pages[f"https://mcp.notes.example{PRM}/mcp"]

    caught = refused(world)
    assert isinstance(caught, ProviderError)
    assert caught.error == "resource_metadata_missing"
    internet.pages[f"https://mcp.notes.example{PRM}/mcp"] = lambda _: Response(503, Headers(), b"")

    caught = refused(world)
    assert isinstance(caught, ProviderError)
    assert caught.error == "server_error"
    assert isinstance(refused(world, "https://mcp.nowhere.example/mcp"), TransportError)
    assert said({}).status == 200


def test_nothing_of_it_is_loaded_by_a_configured_registration() -> None:
    import subprocess
    import sys

    code = (
        "import os, sys, valetkey.connections.call, valetkey.connections.authorize, valetkey.connections.refresh\n"
        "from valetkey.config import read_configuration as read\n"
        "from valetkey.keys.local import generate_key\n"
        "read({'VALETKEY_STORE': 'memory:', 'VALETKEY_KEY': generate_key(os.urandom, key_id='k1'),\n"
        "'VALETKEY_BASE_URL': 'https://a.example', 'VALETKEY_LOGIN_ISSUER': 'https://b.example',\n"
        "'VALETKEY_LOGIN_CLIENT_ID': 'c', 'VALETKEY_LOGIN_CLIENT_SECRET': 'd'})\n"
        "words = ('enrol', 'protected_resource', 'registration', 'present_client', 'own_metadata')\n"
        "known = ('providers.registration', 'config.registrations', 'connections.registrations')\n"
        "print([name for name in sys.modules if any(w in name for w in words) and not name.endswith(known)])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert found.stdout.strip() == "[]"


def test_registrations_are_equal_whatever_they_have_fetched() -> None:
    world, _, server = there()
    _ = connect(world, server)
    one = world.run(registered(world.settings, URL))

    assert one == world.run(registered(world.settings, URL))
    assert isinstance(one.client, Client)
    assert one.kept_keys == KeptKeys()
    assert one.kept_metadata == KeptMetadata()


def test_the_doctor_says_what_was_opened() -> None:
    world, _, _ = there()
    world.settings = replace(world.settings, mcp=McpSettings(page=True, accept_loopback=True))

    found = {one.check: one.level for one in world.run(diagnose(world.settings)).findings if one.about == "mcp"}

    assert found == {"page": "note", "accept_loopback": "warning"}
    assert not [
        one for one in world.run(diagnose(replace(world.settings, mcp=McpSettings()))).findings if one.about == "mcp"
    ]


def test_no_secret_of_a_registration_is_printed_anywhere() -> None:
    world, _, server = there()
    server.registered |= {"registration_client_uri": f"{ISSUER}/1", "registration_access_token": "secret-canary-token"}
    world.settings = replace(world.settings, mcp=McpSettings(initial_access_tokens=((ISSUER, Secret("secret-first")),)))
    _ = connect(world, server)
    row = world.run(load_enrolled(world.settings, enrolled_key(URL)))
    told = [
        repr(row),
        repr(world.run(registered(world.settings, URL))),
        repr(world.settings),
        repr(world.events.events),
    ]

    server.registered["client_id"] = 7
    server.registered["client_secret_expires_at"] = 0
    _ = world.run(forget_enrolled(world.settings, URL))
    caught = refused(world)
    frames = TracebackException.from_exception(caught, capture_locals=True).stack
    told += [repr(frame.locals) for frame in frames if "/valetkey/connections/" in frame.filename]

    assert isinstance(caught, MalformedResponse)
    assert len(told) > 6
    assert not [text for text in told if "secret-" in text]


def test_clients_as_long_as_servers_may_make_them_fit_into_the_row_and_the_newest_is_kept() -> None:
    world, internet, _ = there(scopes_supported=["s" * 39] * 100)
    for number in range(5):
        server = internet.server(f"https://as{number}.example/{'i' * 70}")
        server.registered = {
            "client_id": '"' * 1024,
            "client_secret": '"' * 2048,
            "registration_client_uri": f"https://as{number}.example/{'u' * 2000}",
            "registration_access_token": '"' * 2048,
            "scope": " ".join(["s" * 39] * 50),
        }
        internet.documents[URL]["authorization_servers"] = [server.issuer]
        _ = begun(world)

    row = world.run(load_enrolled(world.settings, enrolled_key(URL)))

    assert row is not None
    assert row.clients
    assert row.clients[-1].issuer == row.issuer == server.issuer


def test_metadata_that_no_row_holds_is_read_by_each_process_and_stops_nobody() -> None:
    world, _, server = there()
    server.said["scopes_supported"] = ["y" * 120] * 490

    assert connect(world, server).scope == ("notes:read",)
