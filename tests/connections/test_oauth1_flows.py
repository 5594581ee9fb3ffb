"""What OAuth 1.0a does beyond its three legs, from the vault's front door to a strict provider and back."""

from __future__ import annotations

import asyncio
import json
import time
import tomllib
from email.utils import formatdate
from typing import TYPE_CHECKING, Any

import pytest

from valetkey.async_vault import AsyncVault
from valetkey.connections.cookies import read_cookies
from valetkey.connections.refresh import current_tokens
from valetkey.dates import write_time
from valetkey.errors import CallbackError, ConfigurationError, ProviderError, ReauthorizationRequired, StoreError
from valetkey.http import Headers, Request, Response, read_form
from valetkey.oauth1.clocks import MAX_HOSTS, ClockOffsets
from valetkey.oauth1.credentials import Server
from valetkey.providers.catalog import load_provider, read_provider
from valetkey.providers.registration import register
from valetkey.sandbox import SandboxClient, approve
from valetkey.secret import Secret
from valetkey.testing.world import BASE_URL, PROVIDER_URL, World, callback_request
from valetkey.value import replace
from valetkey.web.routes import respond

if TYPE_CHECKING:
    from collections.abc import Callable

    from valetkey.connections.connection import Tokens

PASSWORD = "wonderland"


def world_of(client: dict[str, Any] | None = None, *, server: dict[str, Any] | None = None, **given: Any) -> World:
    """A world whose registration `one` and its client at the sandbox are changed like that."""
    world = World()
    callbacks = (f"{BASE_URL}/callback/one",)
    world.sandbox.register(
        SandboxClient("client-one", Secret("secret-of-one"), **{"callbacks": callbacks, **(client or {})})
    )
    provider = load_provider("sandbox-oauth1")
    assert isinstance(provider.server, Server)
    provider = replace(provider, server=replace(provider.server, **(server or {})))
    fields: dict[str, Any] = {
        "client_id": "client-one",
        "client_secret": Secret("secret-of-one"),
        "redirect_uri": callbacks[0],
        **given,
    }
    world.settings = replace(world.settings, registrations={"one": register("one", provider, **fields)})
    return world


def tokens(world: World) -> Tokens:
    return world.run(current_tokens(world.settings, world.settings.registrations["one"], resource_owner="alice"))


def me(world: World) -> int:
    return world.vault().session("one", "alice").get(f"{PROVIDER_URL}/oauth1/me").status


# Renewal

SESSIONS: dict[str, Any] = {"oauth1_token_seconds": 3600, "session_handles": True}
AT_ENDPOINT = {"renewal_endpoint": f"{PROVIDER_URL}/oauth1/renew"}
PROLONGED = {**AT_ENDPOINT, "renewal_keeps_token": True, "token_lifetime_seconds": 7200, "renewal_method": "GET"}


def test_a_token_with_a_session_handle_is_replaced_when_it_ends() -> None:
    world = world_of(SESSIONS, server=AT_ENDPOINT)
    connection = world.connect("one")
    before = tokens(world)
    assert connection.access_expires_at == int(world.clock.time) + 3600

    world.clock.time += 3601
    after = tokens(world)

    assert before.access_token != after.access_token
    assert before.refresh_token != after.refresh_token
    assert me(world) == 200
    assert world.sandbox.seen.count("oauth1_renew") == 1


def test_a_token_that_the_provider_prolongs_stays_the_same_and_is_renewed_once_for_everybody() -> None:
    world = world_of({"oauth1_token_seconds": 7200}, server=PROLONGED)
    world.connect("one")
    before = tokens(world)

    world.clock.time += 7201
    found = [tokens(world) for _ in range(5)]

    assert found == [before] * 5
    assert me(world) == 200
    assert world.sandbox.seen.count("oauth1_renew") == 1


def test_a_session_handle_is_kept_inside_the_seal_and_nowhere_else() -> None:
    world = world_of(SESSIONS, server=AT_ENDPOINT)
    world.connect("one")
    handle = tokens(world).refresh_token
    assert handle is not None

    rows = repr(list(world.store.rows._rows.values()))

    assert handle.reveal() not in rows
    assert "session" not in rows


def test_a_token_that_is_not_renewed_any_more_asks_the_resource_owner_again() -> None:
    world = world_of(SESSIONS, server=AT_ENDPOINT)
    world.connect("one")
    rows = world.sandbox.state.token_credentials
    rows.update({name: replace(row, revoked=True) for name, row in rows.items()})

    world.clock.time += 3601
    with pytest.raises(ReauthorizationRequired, match="invalid_grant"):
        tokens(world)


def test_an_outage_of_the_renewal_endpoint_asks_nobody_to_connect_again() -> None:
    world = world_of(SESSIONS, server=AT_ENDPOINT)
    world.connect("one")
    world.sandbox.faults.add(endpoint="oauth1_renew", fault="status", status=503, times=1)

    world.clock.time += 3601
    with pytest.raises(ProviderError):
        tokens(world)
    world.clock.time += 60

    assert tokens(world).access_token
    assert me(world) == 200


def test_a_401_renews_a_token_that_ended_before_its_time() -> None:
    world = world_of({"oauth1_token_seconds": 60}, server=PROLONGED)
    world.connect("one")

    world.clock.time += 120

    assert me(world) == 200
    assert world.sandbox.seen.count("oauth1_renew") == 1


def test_a_token_that_ends_and_cannot_be_renewed_asks_the_resource_owner_again() -> None:
    world = world_of({"oauth1_token_seconds": 60}, server={"token_lifetime_seconds": 60})
    world.connect("one")

    world.clock.time += 61
    with pytest.raises(ReauthorizationRequired, match="expired_without_refresh_token"):
        tokens(world)


# A verifier that is typed in

TYPED: dict[str, Any] = {"verifier_typed": True}
OOB = {"callbacks": ("oob",)}


def test_a_verifier_that_the_provider_shows_is_typed_in() -> None:
    world = world_of(OOB, server=TYPED)
    vault = world.vault()
    begun = vault.begin_authorization("one", "alice", cookies={})
    assert begun.location.startswith(f"{BASE_URL}/verifier/one?state=")
    shown = approve(world.sandbox.respond, begun.provider_page).partition("oauth_verifier=")[2]
    cookies = read_cookies(callback_request("https://app.example/", begun.set_cookies).headers)
    state = begun.location.partition("state=")[2]

    finished = vault.finish_with_verifier("one", f" {shown}\n", state=state, cookies=cookies, resource_owner="alice")

    assert finished.connection is not None
    assert me(world) == 200


@pytest.mark.parametrize(
    ("typed", "error"), [("wrong", ProviderError), ("", CallbackError), ("x" * 600, CallbackError)]
)
def test_a_wrong_verifier_connects_nothing(typed: str, error: type[Exception]) -> None:
    world = world_of(OOB, server=TYPED)
    vault = world.vault()
    begun = vault.begin_authorization("one", "alice", cookies={})
    approve(world.sandbox.respond, begun.provider_page)
    cookies = read_cookies(callback_request("https://app.example/", begun.set_cookies).headers)
    state = begun.location.partition("state=")[2]

    with pytest.raises(error):
        vault.finish_with_verifier("one", typed, state=state, cookies=cookies, resource_owner="alice")
    assert vault.connection("one", "alice") is None


def test_another_persons_or_browsers_verifier_form_is_refused() -> None:
    world = world_of(OOB, server=TYPED)
    vault = world.vault()
    begun = vault.begin_authorization("one", "alice", cookies={})
    shown = approve(world.sandbox.respond, begun.provider_page).partition("oauth_verifier=")[2]
    cookies = read_cookies(callback_request("https://app.example/", begun.set_cookies).headers)
    state = begun.location.partition("state=")[2]

    with pytest.raises(CallbackError, match="another person"):
        vault.finish_with_verifier("one", shown, state=state, cookies=cookies, resource_owner="mallory")
    with pytest.raises(CallbackError, match="did not start"):
        vault.finish_with_verifier("one", shown, state=state, cookies={}, resource_owner="alice")


def browse(world: World, method: str, url: str, jar: str, body: str = "", **headers: str) -> Response:
    pairs = [("Cookie", jar), *((name.replace("_", "-"), text) for name, text in headers.items())]
    if body:
        pairs.append(("Content-Type", "application/x-www-form-urlencoded"))
    request = Request(method, "/" + url.split("/", 3)[3], Headers(tuple(pairs)), body.encode())
    return world.run(respond(world.settings, request, "alice"))


def test_the_page_for_verifiers_links_to_the_provider_and_takes_the_verifier() -> None:
    world = world_of(OOB, server=TYPED)
    going = browse(world, "POST", f"{BASE_URL}/connect/one", "", "return_to=", Sec_Fetch_Site="same-origin")
    location = going.headers.get("Location") or ""
    jar = "; ".join(text.partition(";")[0] for text in going.headers.all("Set-Cookie"))

    page = browse(world, "GET", location, jar)
    link = page.body.decode().partition('plain wide" href="')[2].partition('"')[0].replace("&amp;", "&")
    shown = approve(world.sandbox.respond, link).partition("oauth_verifier=")[2]
    state = location.partition("state=")[2]
    done = browse(
        world, "POST", f"{BASE_URL}/verifier/one", jar, f"state={state}&verifier={shown}", Sec_Fetch_Site="same-origin"
    )

    assert (page.status, done.status) == (200, 303)
    assert done.headers.get("Location") == f"{BASE_URL}/connections?connected=one"
    assert me(world) == 200


@pytest.mark.parametrize("headers", [{"Sec_Fetch_Site": "cross-site"}, {}])
def test_a_form_of_another_site_cannot_type_in_a_verifier(headers: dict[str, str]) -> None:
    world = world_of(OOB, server=TYPED)

    refused = browse(world, "POST", f"{BASE_URL}/verifier/one", "", "state=x&verifier=1", **headers)

    assert refused.status == 403


def test_there_is_no_verifier_page_for_a_provider_that_redirects() -> None:
    world = World()

    assert browse(world, "GET", f"{BASE_URL}/verifier/one?state=x", "").status == 404
    assert browse(world, "GET", f"{BASE_URL}/verifier/two?state=x", "").status == 404


# The client alone


def test_the_client_alone_signs_without_token_and_resource_owner() -> None:
    world = world_of()
    vault = world.vault()

    signed = vault.sign_as_client(Request("GET", f"{PROVIDER_URL}/oauth1/client?a=b"), registration="one")

    assert "oauth_token" not in (signed.headers.get("Authorization") or "")
    assert world.sandbox.respond(signed).status == 200
    assert vault.client_session("one").get(f"{PROVIDER_URL}/oauth1/client").json() == {"client": "client-one"}


def test_the_client_alone_signs_for_the_providers_hosts_only() -> None:
    vault = world_of().vault()

    with pytest.raises(ConfigurationError, match="not one of"):
        vault.sign_as_client(Request("GET", "https://evil.example/"), registration="one")


def test_a_provider_for_clients_alone_has_nobody_to_authorize() -> None:
    world = world_of(server={"client_only": True})

    with pytest.raises(ConfigurationError, match="use sign_as_client"):
        world.vault().begin_authorization("one", "alice")


# xAuth


def test_xauth_connects_where_the_registration_accepts_it() -> None:
    world = world_of({"xauth": True}, accept_xauth=True)

    connection = world.vault().connect_by_xauth("one", "alice", username="alice", password=Secret(PASSWORD))

    assert connection.state == "active"
    assert me(world) == 200
    assert PASSWORD not in repr(list(world.store.rows._rows.values()))


def test_xauth_without_the_opt_in_sends_no_password() -> None:
    world = world_of({"xauth": True})

    with pytest.raises(ConfigurationError, match="set accept_xauth"):
        world.vault().connect_by_xauth("one", "alice", username="alice", password=Secret(PASSWORD))
    assert world.network.sent == []


def test_a_wrong_password_connects_nothing_and_is_in_no_error() -> None:
    world = world_of({"xauth": True}, accept_xauth=True)

    with pytest.raises(ProviderError) as caught:
        world.vault().connect_by_xauth("one", "alice", username="alice", password=Secret("canary-wrong"))
    assert caught.value.error == "permission_denied"
    assert "canary" not in str(caught.value)


# What providers do differently


def test_a_callback_on_the_authorization_page_is_not_in_the_first_request() -> None:
    world = world_of({"callback_at_authorization": True}, server={"callback_in_authorization": True})
    begun = world.vault().begin_authorization("one", "alice")
    query = dict(read_form(begun.location.partition("?")[2]))
    assert query["oauth_callback"].startswith(f"{BASE_URL}/callback/one?state=")

    request = callback_request(approve(world.sandbox.respond, begun.location), begun.set_cookies)
    finished = world.vault().finish_authorization(request, resource_owner="alice")

    assert finished.connection is not None


def test_each_endpoint_may_have_its_own_method() -> None:
    world = world_of(server={"temporary_credentials_method": "GET", "token_method": "POST"})

    world.connect("one")

    methods = {entry.endpoint: entry.method for entry in world.sandbox.seen.entries()}
    assert (methods["oauth1_initiate"], methods["oauth1_token"]) == ("GET", "POST")


def test_the_authorization_page_may_want_key_and_token_under_their_own_names() -> None:
    world = world_of(server={"authorization_token_parameter": "token"})
    provider = replace(world.settings.registrations["one"].provider, client_identifier_parameter="key")
    one = register("one", provider, client_id="client-one", client_secret=Secret("s"), redirect_uri="https://a.example")

    assert one.provider.server.authorization_parameters == (("key", "client-one"),)


TABLE = """
name = "acme"
title = "Acme"
protocol = "oauth1"
source = "https://acme.example/docs"
verified_on = "2026-11-22"
tried = "never"
api_hosts = ["api.acme.example"]
[server]
client_only = true
signature_method = "RSA-PSS"
parameter_encoding = "unencoded"
body_hash_algorithm = "SHA256"
[rotation]
kind = "none"
"""


def test_a_table_describes_a_provider_for_clients_alone() -> None:
    server = read_provider(tomllib.loads(TABLE)).server

    assert isinstance(server, Server)
    assert (server.client_only, server.signature_method, server.token_endpoint) == (True, "RSA-PSS", "")


def test_a_table_without_endpoints_and_without_that_word_is_a_mistake() -> None:
    with pytest.raises(ConfigurationError, match="token_endpoint is missing"):
        read_provider(tomllib.loads(TABLE.replace("client_only = true", "")))


def test_a_typed_verifier_and_a_lost_state_contradict_each_other() -> None:
    words = "client_only = true\nverifier_typed = true\nstate_in_callback = false"

    with pytest.raises(ConfigurationError, match="remove state_in_callback"):
        read_provider(tomllib.loads(TABLE.replace("client_only = true", words)))


# Clocks


@pytest.mark.parametrize("ahead", [3600, -80_000])
def test_another_clock_is_learned_once_and_used_by_every_later_signature(ahead: int) -> None:
    world = world_of()
    world.sandbox.now = lambda: world.clock.time + ahead

    world.connect("one")
    connecting = len(world.network.sent)
    statuses = [me(world) for _ in range(3)]

    assert connecting == 3  # the first request twice, the second once
    assert statuses == [200, 200, 200]
    assert len(world.network.sent) == connecting + 3


def test_a_resource_server_with_another_clock_costs_one_more_request_once() -> None:
    world = world_of()
    world.connect("one")
    world.sandbox.now = lambda: world.clock.time + 4000
    before = len(world.network.sent)

    assert [me(world), me(world)] == [200, 200]
    assert len(world.network.sent) == before + 3


def test_an_offset_that_does_not_help_is_forgotten() -> None:
    world = world_of()
    world.connect("one")
    rows = world.sandbox.state.token_credentials
    rows.clear()
    registration = world.settings.registrations["one"]
    assert registration.clocks is not None
    world.sandbox.now = lambda: world.clock.time + 4000

    assert me(world) == 401
    assert registration.clocks.of("127.0.0.1") == 0


def client_me(world: World) -> int:
    return world.vault().client_session("one").get(f"{PROVIDER_URL}/oauth1/client").status


@pytest.mark.parametrize("ahead", [200_000, -200_000])
@pytest.mark.parametrize("ask", [me, client_me])
def test_a_clock_that_is_wrong_by_days_is_named_with_both_times(ahead: int, ask: Callable[[World], int]) -> None:
    world = world_of()
    world.connect("one")
    world.sandbox.now = lambda: world.clock.time + ahead
    before = len(world.network.sent)

    with pytest.raises(ProviderError) as caught:
        ask(world)

    assert (caught.value.error, caught.value.status, len(world.network.sent)) == ("clock_skew", 401, before + 1)
    for said in (world.clock.time, world.clock.time + ahead):
        assert write_time(int(said)) in str(caught.value)
    world.sandbox.now = world.clock.now
    assert ask(world) == 200


@pytest.mark.parametrize("verb", ["session", "client_session"])
def test_an_async_session_names_both_times_as_well(verb: str) -> None:
    world = world_of()
    world.connect("one")
    world.sandbox.now = lambda: world.clock.time + 200_000
    path, owner = ("me", ("alice",)) if verb == "session" else ("client", ())

    async def ask() -> None:
        vault = AsyncVault(
            world.settings, store=world.store, keys=world.keys, transport=world.network, clock=world.clock
        )
        _ = await getattr(vault, verb)("one", *owner).get(f"{PROVIDER_URL}/oauth1/{path}")

    with pytest.raises(ProviderError, match=r"our clock says .*, the provider's ") as caught:
        asyncio.run(ask())
    assert caught.value.error == "clock_skew"


def answered(world: World, monkeypatch: pytest.MonkeyPatch, body: str, *, status: int = 401, ahead: int = 0) -> None:
    """Every answer of the API is this one."""

    def refuse(_: Request) -> Response:
        date = formatdate(world.clock.time + ahead, usegmt=True)
        return Response(status, Headers((("Date", date),)), body.encode())

    monkeypatch.setattr(world.sandbox, "respond", refuse)


def test_a_timestamp_that_is_refused_at_the_servers_own_time_is_named_too(monkeypatch: pytest.MonkeyPatch) -> None:
    world = world_of()
    world.connect("one")
    answered(world, monkeypatch, "oauth_problem=timestamp_refused", ahead=300)
    before = len(world.network.sent)

    with pytest.raises(ProviderError, match="our clock says") as caught:
        me(world)

    assert (caught.value.error, len(world.network.sent)) == ("clock_skew", before + 2)
    clocks = world.settings.registrations["one"].clocks
    assert clocks is not None
    assert clocks.of("127.0.0.1") == 0


@pytest.mark.parametrize(
    ("body", "ahead", "sent"), [("oauth_problem=token_rejected", 200_000, 1), ("", 30, 1), ("", 300, 2)]
)
def test_a_refusal_for_another_reason_stays_the_answer(
    monkeypatch: pytest.MonkeyPatch, body: str, ahead: int, sent: int
) -> None:
    world = world_of()
    world.connect("one")
    answered(world, monkeypatch, body, ahead=ahead)
    before = len(world.network.sent)

    assert me(world) == 401
    assert len(world.network.sent) == before + sent


def test_no_more_than_a_day_is_believed_and_no_more_than_some_hosts_are_remembered() -> None:
    clocks = ClockOffsets()
    for number in range(MAX_HOSTS + 1):
        clocks.learn(f"{number}.example", number + 1)
    clocks.learn("far.example", 86_401)

    assert (clocks.of("0.example"), clocks.of("1.example"), clocks.of("far.example")) == (0, 2, 0)
    assert repr(clocks) == f"ClockOffsets({MAX_HOSTS} hosts)"


# Keys that stay elsewhere


@pytest.mark.parametrize("awaited", [False, True])
def test_a_key_service_signs_for_both_colours_of_vault(*, awaited: bool) -> None:
    from tests.oauth1.cast import key_pair

    from valetkey.effects import PrivateKey
    from valetkey.keys.signer import LocalSigner

    private, public = key_pair()

    def service(algorithm: Any, message: bytes) -> bytes:
        return LocalSigner().sign_here(PrivateKey(Secret(private)), algorithm, message)

    async def async_service(algorithm: Any, message: bytes) -> bytes:
        await asyncio.sleep(0)
        return service(algorithm, message)

    client = {"rsa_public_key": public}
    signer = async_service if awaited else service
    world = world_of(client, server={"signature_method": "RSA-PSS"}, client_secret=None, private_key=signer)
    request = Request("GET", f"{PROVIDER_URL}/oauth1/client")
    if awaited:
        vault = AsyncVault(
            world.settings, store=world.store, keys=world.keys, transport=world.network, events=world.events
        )
        world.sandbox.now = time.time
        signed = asyncio.run(vault.sign_as_client(request, registration="one"))
        with pytest.raises(ConfigurationError, match="needs an AsyncVault"):
            world.vault().sign_as_client(request, registration="one")
    else:
        signed = world.vault().sign_as_client(request, registration="one")

    assert json.loads(world.sandbox.respond(signed).body) == {"client": "client-one"}


def test_a_key_service_that_fails_is_an_outage_without_its_words() -> None:
    def failing(_: Any, __: bytes) -> bytes:
        message = "canary"
        raise RuntimeError(message)

    world = world_of(server={"signature_method": "RSA-SHA256"}, client_secret=None, private_key=failing)

    with pytest.raises(StoreError, match="failed with RuntimeError") as caught:
        world.vault().sign_as_client(Request("GET", f"{PROVIDER_URL}/oauth1/client"), registration="one")
    assert "canary" not in str(caught.value)
