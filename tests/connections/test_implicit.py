"""The implicit grant (RFC 6749 section 4.2), which only an opt-in opens: whatever is in a fragment, whoever puts it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.connections.steps import begun, credentials, failure, returning, row, standing, token, works

from valetkey.async_vault import AsyncVault
from valetkey.connections.authorize import Finished, finish_authorization
from valetkey.connections.claims import claim_key
from valetkey.connections.connection import ACTIVE
from valetkey.connections.doctor import diagnose
from valetkey.connections.links import begin_from_link, complete_authorization, connect_url
from valetkey.connections.manage import revoke
from valetkey.connections.pending import read_state
from valetkey.errors import (
    AuthorizationDenied,
    CallbackError,
    ConfigurationError,
    ProviderError,
    ReauthorizationRequired,
    RequestRefused,
    StoreError,
    TransportError,
    ValetkeyError,
)
from valetkey.http import FORM, Headers, Request, read_form, write_form
from valetkey.oauth2.client import Client
from valetkey.oauth2.implicit import MAX_FRAGMENT, implicit_tokens, read_handed_over, read_implicit_answer
from valetkey.oauth2.server import AuthorizationServer
from valetkey.providers.catalog import load_provider
from valetkey.providers.registration import register
from valetkey.sandbox import approve
from valetkey.sandbox.clients import GRANT_TYPES, IMPLICIT, SandboxClient
from valetkey.secret import Secret
from valetkey.testing.crash import crashes
from valetkey.testing.interleave import random_schedules, schedules
from valetkey.testing.world import BASE_URL, PROVIDER_URL, World, register_at_sandbox, sandbox_client
from valetkey.value import replace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from valetkey.effects import Op
    from valetkey.providers.registration import Registration

KINDS = ("token", "id_token token")
SCOPES = {"token": ("read",), "id_token token": ("openid", "read")}
BASE_SCOPES = ("openid", "read", "write")


def registration(kind: str = "token", *, accept: bool = True, **server: Any) -> Registration:
    at = register_at_sandbox("two", "sandbox-oauth2", "client-two", Secret("secret-of-two"))
    found = replace(at.provider.server, response_type=kind, **server)
    provider = replace(at.provider, server=found)
    return replace(at, provider=provider, scope=SCOPES[kind], accept_implicit_grant=accept)


def world_of(kind: str = "token", *, accept: bool = True, server: dict[str, Any] | None = None, **client: Any) -> World:
    """A provider that gives tokens out in fragments, and a registration that takes them."""
    wanted = {"grant_types": (*GRANT_TYPES, IMPLICIT), "scopes": BASE_SCOPES, **client}
    world = World(client=sandbox_client(**wanted))
    known = {**world.settings.registrations, "two": registration(kind, accept=accept, **(server or {}))}
    world.settings = replace(world.settings, registrations=known, completion_url="https://app.example/done")
    return world


def finish(world: World, request: Request, resource_owner: str | None = "alice") -> Op[Finished]:
    return finish_authorization(world.settings, request, resource_owner=resource_owner)


def waiting(kind: str = "token", **changes: Any) -> tuple[World, Request]:
    """A world whose browser posts the fragment just now."""
    world = world_of(kind, **changes)
    request = returning(world, begun(world))
    world.network.sent.clear()
    return world, request


def fields_of(request: Request) -> dict[str, str]:
    """What is in the fragment that the request posts."""
    return dict(read_form(dict(read_form(request.body.decode()))["fragment"]))


def posting(request: Request, fragment: str) -> Request:
    return replace(request, body=write_form((("fragment", fragment),)).encode())


def changed(request: Request, **changes: str | None) -> Request:
    fields = {name: text for name, text in (fields_of(request) | changes).items() if text is not None}
    return posting(request, write_form(fields.items()))


def refused(world: World, request: Request, resource_owner: str | None = "alice") -> RequestRefused:
    """The error of a callback that brings nothing."""
    error = failure(world, finish(world, request, resource_owner))
    assert isinstance(error, RequestRefused), error
    assert error.status < 500
    assert row(world) is None
    for secret in ("sandbox-access-", fields_of(request).get("access_token") or "canary"):
        assert secret not in f"{error!r} {error} {error.__context__!r} {error.__cause__!r}"
    return error


# --- what it does


def test_a_token_that_introspection_shows_as_ours_is_a_connection() -> None:
    world, request = waiting()

    connection = world.run(finish(world, request)).connection

    assert connection is not None
    assert (connection.state, connection.scope) == (ACTIVE, ("read",))
    assert credentials(world).current.refresh_token is None
    assert works(world, world.run(token(world)))
    assert [url.rpartition("/")[2] for url in world.network.sent] == ["introspect"]
    assert "sandbox-access-" not in repr(world.network.sent)
    assert "sandbox-access-" not in repr(world.store.rows._rows)


def test_an_id_token_says_whose_account_it_is_and_nobody_else_is_asked() -> None:
    world, request = waiting("id_token token")

    connection = world.run(finish(world, request)).connection

    assert connection is not None
    assert (connection.subject, connection.issuer) == ("alice", world.sandbox.issuer)
    assert [url.rpartition("/")[2] for url in world.network.sent] == ["jwks"]
    assert works(world, world.run(token(world)))


def test_the_request_asks_for_tokens_without_a_challenge_and_for_an_id_token_with_a_nonce() -> None:
    for kind in KINDS:
        asked = dict(read_form(begun(world_of(kind)).location.partition("?")[2]))
        assert asked["response_type"] == kind
        assert "code_challenge" not in asked
        assert "response_mode" not in asked
        assert ("nonce" in asked) == ("id_token" in kind)


def test_when_the_token_has_ended_the_resource_owner_is_asked_again_and_why() -> None:
    world, request = waiting()
    _ = world.run(finish(world, request))
    world.clock.time += 3601

    error = failure(world, token(world))

    assert isinstance(error, ReauthorizationRequired)
    assert error.reason == "expired_without_refresh_token"
    assert error.connect_url == f"{BASE_URL}/connect/two"
    assert world.connect().generation == 2
    assert works(world, world.run(token(world)))


def test_a_refresh_token_in_a_fragment_is_not_kept() -> None:
    world, request = waiting()

    _ = world.run(finish(world, changed(request, refresh_token="canary")))

    assert credentials(world).current.refresh_token is None


def test_lifetime_and_scope_are_the_providers_word_not_the_browsers() -> None:
    world, request = waiting()

    _ = world.run(finish(world, changed(request, expires_in="999999", scope="read write admin")))

    found = standing(world)
    assert found.access_expires_at <= world.clock.time + 3600
    assert found.scope == ("read",)


def test_a_provider_that_says_no_lifetime_is_asked_for_it() -> None:
    world, request = waiting()

    _ = world.run(finish(world, changed(request, expires_in=None)))

    assert standing(world).access_expires_at > world.clock.time


def test_it_is_revoked_as_any_other() -> None:
    world, request = waiting()
    _ = world.run(finish(world, request))
    secret = world.run(token(world))

    _ = world.run(revoke(world.settings, "two", resource_owner="alice"))

    assert not works(world, secret)


# --- without the opt-in


def test_without_the_opt_in_nothing_is_asked_for() -> None:
    world = world_of(accept=False)

    with pytest.raises(ConfigurationError, match="accept_implicit_grant"):
        begun(world)


def test_without_the_opt_in_nothing_is_read() -> None:
    world, request = waiting()
    known = {"two": registration(accept=False)}
    world.settings = replace(world.settings, registrations=known)

    error = failure(world, finish(world, request))

    assert isinstance(error, ConfigurationError)
    assert row(world) is None
    assert world.network.sent == []


def test_a_registration_for_codes_refuses_a_fragment_that_is_posted() -> None:
    world, request = waiting()
    at = register_at_sandbox("two", "sandbox-oauth2", "client-two", Secret("secret-of-two"))
    world.settings = replace(world.settings, registrations={"two": replace(at, accept_implicit_grant=True)})

    error = failure(world, finish(world, request))

    assert isinstance(error, RequestRefused)
    assert (error.reason, error.status) == ("method_not_allowed", 405)
    assert row(world) is None


def registered(**changes: Any) -> Registration:
    wanted = {"client_id": "c", "client_secret": Secret("s"), "redirect_uri": f"{BASE_URL}/callback/two", **changes}
    return register("two", load_provider("sandbox-oauth2"), **wanted)


def test_registering_needs_the_opt_in_and_says_why() -> None:
    with pytest.raises(ConfigurationError, match=r"9700 section 2\.1\.2"):
        registered(response_type="token")
    assert registered(response_type="token", accept_implicit_grant=True).takes_fragments
    assert not registered(accept_implicit_grant=True).takes_fragments


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"response_type": "id_token token", "scope": ("read",)}, "needs openid in the `scope`"),
        ({"response_type": "code token"}, "must be one of code, token, id_token token"),
        ({"response_type": "token", "response_mode": "form_post"}, "leave response_mode out"),
        ({"response_type": "token", "dpop_bound_access_tokens": True}, "leave dpop_bound_access_tokens out"),
    ],
)
def test_what_does_not_go_together_is_said_at_the_start(changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        registered(accept_implicit_grant=True, **changes)


def test_a_server_that_cannot_say_whose_token_it_is_is_none_for_this() -> None:
    where = ("https://as.example", "https://as.example/a", "https://as.example/t")

    with pytest.raises(ConfigurationError, match="introspection_endpoint"):
        AuthorizationServer(*where, response_type="token")
    with pytest.raises(ConfigurationError, match="jwks_uri"):
        AuthorizationServer(*where, response_type="id_token token")


def test_an_id_token_without_openid_in_the_scope_is_not_asked_for() -> None:
    world = world_of("id_token token")

    with pytest.raises(ConfigurationError, match="openid"):
        begun(world, scope=("read",))


def test_the_doctor_does_not_forget_the_opt_in() -> None:
    found = world_of().run(diagnose(world_of().settings, request=None)).findings

    assert [finding.about for finding in found if finding.check == "opt_in"] == ["two"]


# --- whoever else comes with a fragment


def test_a_fragment_stolen_into_another_browser_is_worth_nothing() -> None:
    world, request = waiting()

    error = refused(world, replace(request, headers=Headers((("Content-Type", FORM),))))

    assert error.reason == "wrong_browser"
    assert world.network.sent == []


def test_a_fragment_of_another_browsers_flow_is_worth_nothing_in_this_one() -> None:
    world, request = waiting()
    attackers = returning(world, begun(world, resource_owner="mallory"))

    error = refused(world, replace(request, body=attackers.body))

    assert error.reason == "wrong_browser"


def test_another_person_in_the_same_browser_gets_nothing() -> None:
    world, request = waiting()

    assert refused(world, request, "bob").reason == "user_changed"


def substituted(world: World, request: Request) -> Request:
    """The same answer with a token that the provider gave to another client for the same account."""
    other = SandboxClient(
        "attacker", Secret("x"), redirect_uris=("https://evil.example/cb",), grant_types=(IMPLICIT,), scopes=BASE_SCOPES
    )
    world.sandbox._clients["attacker"] = other
    query = (("response_type", "token"), ("client_id", "attacker"), ("scope", "read"), ("state", "s"))
    landed = approve(world.sandbox.respond, f"{PROVIDER_URL}/oauth2/authorize?{write_form(query)}")
    return changed(request, access_token=dict(read_form(landed.partition("#")[2]))["access_token"])


@pytest.mark.parametrize(("sees_all", "reason"), [(False, "token_inactive"), (True, "token_of_another_client")])
def test_a_token_of_another_client_is_not_kept(sees_all: bool, reason: str) -> None:
    world, request = waiting(resource_server=sees_all)
    forged = substituted(world, request)

    assert refused(world, forged).reason == reason
    assert refused(world, request).reason == "already_used", "the flow is over, whatever comes after"


def test_a_token_of_another_client_does_not_pass_beside_a_true_id_token() -> None:
    world, request = waiting("id_token token")

    assert refused(world, substituted(world, request)).reason == "id_token_at_hash"


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("nonce_missing", "id_token_nonce"),
        ("nonce_wrong", "id_token_nonce"),
        ("at_hash_missing", "id_token_at_hash"),
        ("at_hash_wrong", "id_token_at_hash"),
        ("aud_missing", "id_token_audience"),
        ("aud_wrong", "id_token_audience"),
        ("aud_extra", "id_token_audience"),
        ("sub_missing", "id_token_subject"),
        ("exp_past", "id_token_expired"),
        ("iat_future", "id_token_times"),
        ("signature_wrong", "id_token_signature"),
        ("alg_none", "id_token_malformed"),
        ("alg_symmetric", "id_token_algorithm"),
        ("encrypted", "id_token_malformed"),
        ("iss_wrong", "issuer_mismatch"),
        ("iss_missing", "id_token_issuer"),
        ("state_missing", "state_missing"),
        ("state_wrong", "state_mismatch"),
    ],
)
def test_an_answer_with_one_thing_wrong_is_refused(fault: str, reason: str) -> None:
    world = world_of("id_token token")
    redirect = begun(world)
    world.sandbox.faults.add(endpoint="consent", fault=fault)
    request = returning(world, redirect)

    assert refused(world, request).reason == reason


def test_an_id_token_of_the_wrong_issuer_is_refused_even_if_the_answer_is_not() -> None:
    world = world_of("id_token token")
    redirect = begun(world)
    world.sandbox.faults.add(endpoint="consent", fault="iss_wrong")
    request = returning(world, redirect)

    assert refused(world, changed(request, iss=world.sandbox.issuer)).reason == "id_token_issuer"


def test_an_id_token_says_who_answered_where_the_answer_itself_does_not() -> None:
    world, request = waiting("id_token token")

    assert world.run(finish(world, changed(request, iss=None))).connection is not None


def test_an_error_must_say_who_sent_it_even_beside_an_id_token() -> None:
    world, request = waiting("id_token token")

    assert refused(world, changed(request, iss=None, error="access_denied")).reason == "issuer_missing"


def test_an_id_token_that_is_left_out_is_missed() -> None:
    world, request = waiting("id_token token")

    assert refused(world, changed(request, id_token=None)).reason == "id_token_missing"


def test_a_flow_that_was_begun_without_a_nonce_takes_no_id_token() -> None:
    world, request = waiting("token")
    known = {"two": registration("id_token token")}
    world.settings = replace(world.settings, registrations=known)

    assert refused(world, changed(request, id_token="a.b.c")).reason == "id_token_nonce"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"access_token": None}, "malformed_callback"),
        ({"access_token": ""}, "malformed_callback"),
        ({"access_token": "a b"}, "malformed_callback"),
        ({"access_token": "a\r\nb"}, "malformed_callback"),
        ({"access_token": "é"}, "malformed_callback"),
        ({"token_type": None}, "malformed_callback"),
        ({"token_type": "mac"}, "malformed_callback"),
        ({"scope": "é"}, "malformed_callback"),
        ({"session_state": "a\0b"}, "malformed_callback"),
        ({"access_token": None, "code": "c"}, "malformed_callback"),
        ({"state": None}, "state_missing"),
        ({"state": ""}, "state_missing"),
        ({"state": "é"}, "state_mismatch"),
        ({"state": "A" * 43}, "wrong_browser"),
        ({"iss": None}, "issuer_missing"),
        ({"iss": ""}, "issuer_mismatch"),
        ({"iss": PROVIDER_URL + "/"}, "issuer_mismatch"),
        ({"error": "server_error"}, "provider_unavailable"),
        ({"error": "<script>"}, "provider_error"),
    ],
)
def test_a_fragment_that_is_not_an_answer_is_refused_before_anybody_is_asked(
    changes: dict[str, str | None], reason: str
) -> None:
    world, request = waiting()

    assert refused(world, changed(request, **changes)).reason == reason
    assert world.network.sent == []
    assert world.run(finish(world, request)).connection is not None, "the flow is not over by what is no answer"


def test_a_wrong_half_of_the_state_is_refused() -> None:
    world, request = waiting()
    state = fields_of(request)["state"]
    forged = state[:-4] + ("AAAA" if not state.endswith("AAAA") else "BBBA")

    assert refused(world, changed(request, state=forged)).reason == "state_mismatch"


@pytest.mark.parametrize("name", ["access_token", "state", "token_type", "expires_in", "scope", "iss"])
def test_a_parameter_that_comes_twice_is_refused(name: str) -> None:
    world, request = waiting()
    fragment = write_form(fields_of(request).items())

    assert refused(world, posting(request, f"{fragment}&{name}=x")).reason == "duplicate_parameter"
    assert world.network.sent == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"fragment=",
        b"fragment=%25zz",
        b"fragment=a%3Db&fragment=c%3Dd",
        b"fragment=%ff",
        b"other=1",
        b"fragment=" + b"a" * (MAX_FRAGMENT + 1),
        b"fragment=" + b"%26" * 2000,
    ],
)
def test_a_body_that_hands_nothing_over_is_refused(body: bytes) -> None:
    world, request = waiting()

    error = failure(world, finish(world, replace(request, body=body)))

    assert isinstance(error, CallbackError)
    assert error.reason in ("malformed_callback", "state_missing")
    assert row(world) is None


@pytest.mark.parametrize("method", ["PUT", "HEAD", "DELETE"])
def test_other_methods_are_refused(method: str) -> None:
    world, request = waiting()

    assert refused(world, replace(request, method=method)).status == 405


def test_json_is_no_form() -> None:
    world, request = waiting()

    headers = request.headers.with_set("Content-Type", "application/json")
    assert refused(world, replace(request, headers=headers)).status == 415


def test_a_token_in_the_query_counts_for_nothing() -> None:
    world, request = waiting()
    query = write_form(fields_of(request).items())
    asked = Request("GET", f"{request.url}?{query}", request.headers)

    error = failure(world, finish(world, asked))

    assert isinstance(error, CallbackError)
    assert error.reason == "malformed_callback"
    assert "sandbox-access-" not in str(error)
    assert world.network.sent == []
    assert row(world) is None


@pytest.mark.parametrize("where", ["query", "fragment"])
def test_a_denial_closes_the_flow_wherever_it_comes(where: str) -> None:
    world = world_of()
    redirect = begun(world)
    request = returning(world, redirect, decision="deny")
    if where == "query":
        query = write_form(fields_of(request).items())
        request = Request("GET", f"{request.url}?{query}", request.headers)

    error = failure(world, finish(world, request))

    assert isinstance(error, AuthorizationDenied)
    assert "Max-Age=0" in error.set_cookies[0]
    assert row(world) is None


fragment_texts = st.one_of(
    st.text(max_size=200),
    st.lists(
        st.tuples(
            st.sampled_from(["access_token", "token_type", "state", "expires_in", "scope", "id_token", "error", "iss"]),
            st.one_of(st.text(max_size=20), st.sampled_from(["bearer", "Bearer", "3600", "read"])),
        ),
        max_size=8,
    ).map(write_form),
)


@given(fragment_texts)
def test_any_fragment_is_read_or_refused_and_never_quoted(text: str) -> None:
    server: Any = registration().provider.server
    body = b"fragment=" + write_form((("", text),)).encode()[1:]
    refusal = ""
    try:
        pairs = read_handed_over(Request("POST", "/x", Headers((("Content-Type", FORM),)), body))
        assert pairs == read_form(text)
        answer = read_implicit_answer(pairs, server=replace(server, iss_required=False))
        found = implicit_tokens(answer, server=server, received_at=0)
    except CallbackError as error:
        refusal = str(error)
    else:
        assert found.token_type == "bearer"
        assert found.access_token.reveal() == dict(pairs)["access_token"]
        assert found.id_token is None
    assert len(text) < 8 or text not in refusal


# --- when something fails


@pytest.mark.parametrize("fault", ["lose_request", "lose_response", "status"])
def test_a_provider_that_cannot_be_asked_now_is_asked_again_by_the_same_answer(fault: str) -> None:
    world, request = waiting()
    world.sandbox.faults.add(endpoint="introspect", fault=fault)

    error = failure(world, finish(world, request))

    assert isinstance(error, TransportError)
    assert not error.maybe_received
    assert row(world) is None
    assert world.run(finish(world, request)).connection is not None


def test_keys_out_of_reach_are_tried_again_by_the_same_answer() -> None:
    world, request = waiting("id_token token")
    world.sandbox.faults.add(endpoint="jwks", fault="status")

    assert isinstance(failure(world, finish(world, request)), TransportError)
    assert world.run(finish(world, request)).connection is not None


def test_an_introspection_that_is_no_answer_keeps_nothing() -> None:
    world, request = waiting()
    world.sandbox.faults.add(endpoint="introspect", fault="html")

    assert refused(world, request).reason == "token_unverified"


def test_a_client_that_may_not_ask_is_told_so() -> None:
    world, request = waiting()
    at = world.settings.registrations["two"]
    assert isinstance(at.client, Client)
    wrong = replace(at, client=replace(at.client, client_secret=Secret("canary")))
    world.settings = replace(world.settings, registrations={"two": wrong})

    error = failure(world, finish(world, request))

    assert isinstance(error, ProviderError)
    assert error.error == "invalid_client"
    assert row(world) is None


@pytest.mark.parametrize("kind", KINDS)
def test_a_crash_at_any_effect_never_strands_the_owner_and_never_makes_two_connections(kind: str) -> None:
    world, request = waiting(kind)
    outcomes = set()

    for crashed in crashes(world.fork, lambda at: finish(at, request)):
        after = crashed.world
        kept = after.settings.registrations["two"].kept_keys
        assert kept is not None
        kept.found = None  # a process that died remembers nothing
        try:
            again = after.run(finish(after, request))  # the same fragment, posted once more
            assert again.connection is not None
            assert again.connection.generation == 1
            outcomes.add("connected")
        except CallbackError as error:
            outcomes.add(error.reason)
        assert "sandbox-access-" not in repr(after.store.rows._rows)
        assert after.connect().state == ACTIVE, "starting again always works"

    assert outcomes == {"connected", "in_doubt"}


def test_the_same_fragment_posted_twice_in_any_order_is_one_connection() -> None:
    world, request = waiting()

    def make() -> tuple[World, Sequence[Op[Any]]]:
        fork = world.fork()
        return fork, [finish(fork, request), finish(fork, request)]

    for run in schedules(make, depth=12):
        assert run.errors == [None, None], run
        assert sorted(finished.repeated for finished in run.results) == [False, True], run
        assert standing(run.world).generation == 1, run
        assert run.world.sandbox.seen.count("introspect") == 1, run


def test_eight_posts_of_one_fragment_are_one_connection() -> None:
    world, request = waiting()

    def make() -> tuple[World, Sequence[Op[Any]]]:
        fork = world.fork()
        return fork, [finish(fork, request) for _ in range(8)]

    for run in random_schedules(make, seeds=15):
        assert run.errors == [None] * 8, run
        assert standing(run.world).generation == 1, run


def test_a_reload_after_success_shows_success_and_asks_nobody() -> None:
    world, request = waiting()
    finished = world.run(finish(world, request))
    jar = finished.set_cookies[0].partition(";")[0]
    world.network.sent.clear()

    again = world.run(finish(world, replace(request, headers=request.headers.with_set("Cookie", jar))))

    assert again.repeated
    assert world.network.sent == []


def test_an_outage_of_the_store_says_so() -> None:
    world, request = waiting()
    world.store.outages = 100

    assert isinstance(failure(world, finish(world, request)), StoreError)


# --- connect links: the callback cannot see who came back


def handed_over(kind: str = "token") -> tuple[World, str]:
    world = world_of(kind)
    link = world.run(connect_url(world.settings, "two", resource_owner="alice")).rpartition("/")[2]
    redirect = world.run(begin_from_link(world.settings, link, resource_owner=None, cookies=()))
    finished = world.run(finish(world, returning(world, redirect), None))
    assert finished.connection is None
    return world, finished.return_to.rpartition("=")[2]


def completing(world: World, handle: str, owner: str = "alice") -> Op[Any]:
    return complete_authorization(world.settings, handle, resource_owner=owner)


@pytest.mark.parametrize("kind", KINDS)
def test_behind_a_link_the_answer_waits_sealed_until_the_person_is_named(kind: str) -> None:
    world, handle = handed_over(kind)
    assert "sandbox-access-" not in repr(world.store.rows._rows)
    assert "sandbox-access-" not in handle
    assert world.sandbox.seen.count("introspect") == 0
    world.clock.time += 30

    assert world.run(completing(world, handle)).state == ACTIVE
    assert works(world, world.run(token(world)))
    assert standing(world).access_expires_at <= world.clock.time - 30 + 3600, "it did not begin to live just now"


def test_behind_a_link_another_person_gets_nothing() -> None:
    world, handle = handed_over()

    error = failure(world, completing(world, handle, "mallory"))

    assert isinstance(error, CallbackError)
    assert error.reason == "user_changed"
    assert row(world) is None
    assert row(world, resource_owner="mallory") is None


def test_behind_a_link_a_minute_is_all_there_is() -> None:
    world, handle = handed_over()
    world.clock.time += 61

    error = failure(world, completing(world, handle))

    assert isinstance(error, CallbackError)
    assert error.reason == "flow_expired"


def test_a_claim_that_is_done_holds_no_token() -> None:
    world, request = waiting()
    _ = world.run(finish(world, request))
    flow, _ = read_state(fields_of(request)["state"])

    claim = world.store.rows.load(claim_key(flow))

    assert claim is not None
    assert claim.sealed == b""


def test_both_vaults_take_it() -> None:
    world, request = waiting()

    async def connect() -> Any:
        vault = AsyncVault(
            world.settings, store=world.store, keys=world.keys, transport=world.network, clock=world.clock
        )
        _ = await vault.finish_authorization(request, resource_owner="alice")
        return await vault.access_token("two", "alice")

    assert works(world, asyncio.run(connect()))
    other = returning(world, begun(world, resource_owner="bob"))
    assert world.vault().finish_authorization(other, resource_owner="bob").connection is not None


def test_secrets_of_an_answer_are_in_no_error_whatever_fails() -> None:
    for fault in ("lose_response", "html", "status"):
        world, request = waiting()
        world.sandbox.faults.add(endpoint="introspect", fault=fault)
        error: BaseException | None = failure(world, finish(world, request))
        assert isinstance(error, ValetkeyError)
        while error is not None:
            assert fields_of(request)["access_token"] not in f"{error} {error!r}"
            error = error.__cause__ or error.__context__
