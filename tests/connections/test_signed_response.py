"""Answers that come as a signed JWT (JARM): what is believed, what is not, and what an answer that is not can do."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.connections.openid import JWKS, OpenidNetwork, openid_world
from tests.connections.steps import begun, failure, row
from tests.oauth2.tokens import compact, ec_jwk, rsa_jwk, rsa_key, signed

from valetkey.connections.authorize import finish_authorization
from valetkey.connections.links import begin_from_link, complete_authorization, connect_url
from valetkey.errors import AuthorizationDenied, CallbackError, ConfigurationError, TransportError
from valetkey.http import FORM, Headers, Request, base64url, read_form, with_query, write_form
from valetkey.sandbox import approve
from valetkey.testing.world import PROVIDER_URL, callback_request
from valetkey.value import replace
from valetkey.web.reasons import REASONS

if TYPE_CHECKING:
    from valetkey.connections.authorize import Finished, Redirect
    from valetkey.testing.world import World

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(("state", "alg", "iss", "x")), inner),
    max_leaves=6,
)


def json_octets(found: Any) -> bytes:
    return json.dumps(found).encode()


CALLBACK = "https://app.example/oauth/callback/two"


def signing_world(*, discovery: str = "", **server: Any) -> tuple[World, OpenidNetwork]:
    """A world whose `two` takes signed answers alone. server: further habits of the provider."""
    world, network = openid_world(discovery=discovery)
    two = world.settings.registrations["two"]
    found: Any = replace(two.provider.server, **{"response_mode": "query.jwt", **server})
    two = replace(two, provider=replace(two.provider, server=found), scope=("read",))  # no openid: this is about JARM
    world.settings = replace(world.settings, registrations={"two": two})
    return world, network


def answer(world: World, redirect: Redirect, *, decision: str = "allow") -> dict[str, Any]:
    """What the provider would sign: its plain answer, with the claims of section 2.1."""
    plain = redirect.location.replace("&response_mode=query.jwt", "").replace("&response_mode=form_post.jwt", "")
    pairs = dict(read_form(approve(world.sandbox.respond, plain, decision=decision).partition("?")[2]))
    return {**pairs, "iss": world.sandbox.issuer, "aud": "client-two", "exp": int(world.clock.now()) + 300}


def coming(redirect: Redirect, *pairs: tuple[str, str]) -> Request:
    return callback_request(with_query(CALLBACK, pairs), redirect.set_cookies)


def finish(world: World, request: Request) -> Any:
    return finish_authorization(world.settings, request, resource_owner="alice")


def jwt(claims: dict[str, Any], **header: Any) -> str:
    said = {name: claim for name, claim in claims.items() if claim is not None}
    return signed(said, **{"kid": "a", **header})


def refused(world: World, request: Request, reason: str) -> CallbackError:
    """The error, after which nothing is stored, nothing was sent to the token endpoint, and the flow is open."""
    tokens = world.network.sent.count(f"{PROVIDER_URL}/oauth2/token")
    rows = dict(world.store.rows._rows)
    caught = failure(world, finish(world, request))
    assert isinstance(caught, CallbackError)
    assert caught.reason == reason
    assert caught.set_cookies == ()
    assert world.store.rows._rows == rows
    assert world.network.sent.count(f"{PROVIDER_URL}/oauth2/token") == tokens
    return caught


UNTOUCHED, NETWORK = signing_world()
BEGUN = begun(UNTOUCHED)


def test_a_signed_answer_connects() -> None:
    world, _ = signing_world()
    redirect = begun(world)

    finished: Finished = world.run(finish(world, coming(redirect, ("response", jwt(answer(world, redirect))))))

    assert dict(read_form(redirect.location.partition("?")[2]))["response_mode"] == "query.jwt"
    assert finished.connection is not None
    assert finished.connection.state == "active"


@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES256"])
def test_every_algorithm_of_the_list_is_verified(algorithm: str) -> None:
    world, network = signing_world(authorization_response_algorithms=(algorithm,))
    network.keys = [rsa_jwk(kid="a"), ec_jwk(kid="e")]
    redirect = begun(world)
    text = jwt(answer(world, redirect), alg=algorithm, kid="e" if algorithm == "ES256" else "a")

    assert world.run(finish(world, coming(redirect, ("response", text)))).connection is not None


def test_the_mode_jwt_is_the_query_for_a_code() -> None:
    world, _ = signing_world(response_mode="jwt")
    redirect = begun(world)
    world.settings = replace(world.settings)
    plain = replace(redirect, location=redirect.location.replace("&response_mode=jwt", ""))
    request = coming(redirect, ("response", jwt(answer(world, plain))))

    assert "SameSite=Lax" in redirect.set_cookies[0]
    assert failure(world, finish(world, replace(request, method="POST"))).reason == "method_not_allowed"  # type: ignore[attr-defined]
    assert world.run(finish(world, request)).connection is not None


def test_a_posted_one_connects_too() -> None:
    world, _ = signing_world(response_mode="form_post.jwt")
    redirect = begun(world)
    body = write_form((("response", jwt(answer(world, redirect))),)).encode()
    request = coming(redirect)
    posted = replace(request, method="POST", headers=request.headers.with_set("Content-Type", FORM), body=body)

    finished = world.run(finish(world, posted))

    assert finished.connection is not None
    assert "SameSite=None; Secure" in redirect.set_cookies[0]
    assert "SameSite=None; Secure" in finished.set_cookies[0]  # or a reload of the post would not show success


# The OpenID Foundation's client modules `fapi2-security-profile-final-client-test-ensure-jarm-...`, by their names.
@pytest.mark.parametrize(
    ("module", "claims", "header", "reason"),
    [
        ("signature-is-not-none", {}, {"alg": "none"}, "jarm_algorithm"),
        ("with-expired-exp-fails", {"exp": 1_799_999_939}, {}, "jarm_expired"),
        ("with-invalid-aud-fails", {"aud": "another-client"}, {}, "jarm_audience"),
        ("with-invalid-iss-fails", {"iss": "https://evil.example"}, {}, "jarm_issuer"),
        ("with-invalid-sig-fails", {}, {"key": rsa_key(2048, 9)}, "jarm_signature"),
        ("without-aud-fails", {"aud": None}, {}, "jarm_audience"),
        ("without-exp-fails", {"exp": None}, {}, "jarm_times"),
        ("without-iss-fails", {"iss": None}, {}, "jarm_issuer"),
    ],
)
def test_what_the_conformance_suite_sends_is_refused(
    module: str, claims: dict[str, Any], header: dict[str, Any], reason: str
) -> None:
    del module
    world, _ = signing_world()
    redirect = begun(world)
    right = answer(world, redirect)

    refused(world, coming(redirect, ("response", jwt({**right, **claims}, **header))), reason)

    assert world.run(finish(world, coming(redirect, ("response", jwt(right))))).connection is not None


@pytest.mark.parametrize(
    ("claims", "header", "reason"),
    [
        ({"aud": ["client-two", "another-client"]}, {}, "jarm_audience"),
        ({"aud": []}, {}, "jarm_audience"),
        ({"aud": ["client-two"] * 33}, {}, "jarm_audience"),
        ({"aud": {"client-two": 1}}, {}, "jarm_audience"),
        ({"iss": "http://127.0.0.1:8400/"}, {}, "jarm_issuer"),
        ({"iss": ["http://127.0.0.1:8400"]}, {}, "jarm_malformed"),
        ({"exp": "1800000300"}, {}, "jarm_times"),
        ({"exp": True}, {}, "jarm_times"),
        ({"exp": 1e30}, {}, "jarm_times"),
        ({"nbf": 1_800_000_061}, {}, "jarm_times"),
        ({"iat": "now"}, {}, "jarm_times"),
        ({"code": ["a", "b"]}, {}, "jarm_malformed"),
        ({"error": 1}, {}, "jarm_malformed"),
        ({"state": None}, {}, "state_missing"),
        ({}, {"alg": "HS256"}, "jarm_algorithm"),
        ({}, {"alg": "RS512"}, "jarm_algorithm"),
        ({}, {"typ": "at+jwt"}, "jarm_type"),
        ({}, {"typ": "dpop+jwt"}, "jarm_type"),
        ({}, {"kid": "../../keys"}, "jarm_unknown_key"),
        ({}, {"crit": ["exp"]}, "jarm_malformed"),
        ({}, {"key": rsa_key(2048, 9), "jwk": rsa_jwk(rsa_key(2048, 9))}, "jarm_signature"),
    ],
)
def test_each_check_that_fails_has_a_reason_and_leaves_the_flow_open(
    claims: dict[str, Any], header: dict[str, Any], reason: str
) -> None:
    world, _ = signing_world()
    redirect = begun(world)
    right = answer(world, redirect)

    refused(world, coming(redirect, ("response", jwt({**right, **claims}, **header))), reason)

    assert world.run(finish(world, coming(redirect, ("response", jwt(right))))).connection is not None


def test_the_audience_may_be_a_list_of_this_client_alone_and_clocks_may_differ_by_a_minute() -> None:
    world, _ = signing_world()
    redirect = begun(world)
    now = int(world.clock.now())
    claims = {"aud": ["client-two"], "exp": now - 59, "nbf": now + 60, "iat": now + 60}

    request = coming(redirect, ("response", jwt({**answer(world, redirect), **claims})))

    assert world.run(finish(world, request)).connection is not None


def test_an_algorithm_that_the_registration_did_not_choose_is_refused() -> None:
    world, _ = signing_world(authorization_response_algorithms=("PS256",))
    redirect = begun(world)

    refused(world, coming(redirect, ("response", jwt(answer(world, redirect)))), "jarm_algorithm")


parts = st.one_of(st.binary(max_size=40), st.text(max_size=40).map(str.encode), json_values.map(json_octets))


@given(
    st.lists(st.tuples(st.sampled_from(("response", "code", "x")), parts, parts, st.binary(max_size=40)), max_size=2)
)
def test_whatever_comes_as_an_answer_is_refused_and_nothing_is_fetched_or_kept(answers: list[Any]) -> None:
    pairs = [(name, ".".join(base64url(part) for part in octets)) for name, *octets in answers]
    request = coming(BEGUN, *pairs)

    caught = failure(UNTOUCHED, finish(UNTOUCHED, request))

    assert isinstance(caught, CallbackError)
    assert caught.reason in REASONS
    assert (NETWORK.sent, UNTOUCHED.store.rows._rows) == ([], {})


@pytest.mark.parametrize("beside", [("code", "stolen"), ("state", "x"), ("error", "access_denied"), ("iss", "x")])
def test_plain_parameters_beside_the_signed_ones_are_refused(beside: tuple[str, str]) -> None:
    world, _ = signing_world()
    redirect = begun(world)
    text = jwt(answer(world, redirect))

    for pairs in ((("response", text), beside), (beside, ("response", text))):
        refused(world, coming(redirect, *pairs), "jarm_mixed")


def test_a_plain_answer_is_a_downgrade_and_is_refused() -> None:
    world, _ = signing_world()
    redirect = begun(world)
    plain = {name: text for name, text in answer(world, redirect).items() if isinstance(text, str) and name != "aud"}
    denied = {**{name: text for name, text in plain.items() if name != "code"}, "error": "access_denied"}

    for pairs in (plain, denied, {**plain, "response": ""}, {}):
        refused(world, coming(redirect, *pairs.items()), "jarm_missing")


def test_two_signed_answers_are_none() -> None:
    world, _ = signing_world()
    redirect = begun(world)
    text = jwt(answer(world, redirect))

    refused(world, coming(redirect, ("response", text), ("response", text)), "duplicate_parameter")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a.b.c.d.e", "jarm_encrypted"),
        ("a.b.", "jarm_algorithm"),
        ("a.b", "jarm_malformed"),
        ("....", "jarm_encrypted"),
        ("é.é.é", "jarm_malformed"),
        ("=.=.=", "jarm_malformed"),
        ("x" * 16_000, "jarm_malformed"),
        ("x" * 17_000, "malformed_callback"),
        (compact(b'{"alg":"RS256","alg":"none"}', b"{}"), "jarm_malformed"),
        (compact({"alg": "RS256"}, b'{"state":"a","state":"b"}'), "jarm_malformed"),
        (compact({"alg": "RS256"}, b"[]"), "jarm_malformed"),
        (compact({"alg": "RS256"}, b"\xff"), "jarm_malformed"),
    ],
)
def test_what_is_no_signed_answer_is_refused_before_anything_is_fetched(text: str, reason: str) -> None:
    world, network = signing_world()
    redirect = begun(world)
    network.sent.clear()

    refused(world, coming(redirect, ("response", text)), reason)

    assert network.sent == []


def test_for_a_browser_without_the_flows_cookie_nothing_is_fetched() -> None:
    world, network = signing_world()
    redirect = begun(world)
    text = jwt(answer(world, redirect))
    network.sent.clear()

    refused(world, replace(coming(redirect, ("response", text)), headers=Headers()), "wrong_browser")
    other = begun(world)
    refused(world, coming(other, ("response", text)), "wrong_browser")

    assert network.sent == []


def test_a_denial_closes_the_flow_only_where_it_is_signed() -> None:
    world, _ = signing_world()
    redirect = begun(world)
    right = answer(world, redirect, decision="deny")
    forged = jwt({**right, "error_description": "<script>canary</script>"}, key=rsa_key(2048, 9))

    caught = refused(world, coming(redirect, ("response", forged)), "jarm_signature")
    assert "canary" not in str(caught)
    denied = failure(world, finish(world, coming(redirect, ("response", jwt({**right, "error_description": "<b>no"})))))

    assert isinstance(denied, AuthorizationDenied)
    assert "<b>" not in str(denied)
    assert "Max-Age=0" in denied.set_cookies[0]


def test_an_answer_with_half_of_another_state_is_refused_before_it_is_verified() -> None:
    world, network = signing_world()
    redirect = begun(world)
    right = answer(world, redirect)
    network.sent.clear()
    state = right["state"][:-2] + ("AA" if right["state"][-2:] != "AA" else "BA")

    refused(world, coming(redirect, ("response", jwt({**right, "state": state}))), "state_mismatch")

    assert network.sent == []


def test_while_the_keys_are_out_of_reach_nothing_is_spent_and_a_reload_connects() -> None:
    world, network = signing_world()
    redirect = begun(world)
    request = coming(redirect, ("response", jwt(answer(world, redirect))))
    network.jwks_down = True

    for _ in range(2):
        caught = failure(world, finish(world, request))
        assert isinstance(caught, TransportError)
        assert not caught.maybe_received
    network.jwks_down = False

    assert world.run(finish(world, request)).connection is not None
    assert network.sent.count("/oauth2/token") == 1


def test_a_key_that_was_rotated_is_fetched_once_and_its_failure_is_tried_again() -> None:
    world, network = signing_world()
    first = begun(world)
    assert world.run(finish(world, coming(first, ("response", jwt(answer(world, first)))))).connection is not None
    network.keys = [rsa_jwk(rsa_key(2048, 3), kid="b")]
    redirect = begun(world)
    request = coming(redirect, ("response", jwt(answer(world, redirect), kid="b", key=rsa_key(2048, 3))))
    network.jwks_down = True
    assert isinstance(failure(world, finish(world, request)), TransportError)
    network.jwks_down = False
    refused(world, request, "jarm_unknown_key")  # it was asked a moment ago

    world.clock.time += 61
    later = begun(world)
    text = jwt(answer(world, later), kid="b", key=rsa_key(2048, 3))

    assert world.run(finish(world, coming(later, ("response", text)))).connection is not None
    assert network.sent.count(JWKS.removeprefix(PROVIDER_URL)) == 3


def test_a_reload_shows_success_again_and_sends_nothing() -> None:
    world, network = signing_world()
    redirect = begun(world)
    text = jwt(answer(world, redirect))
    finished = world.run(finish(world, coming(redirect, ("response", text))))
    again = callback_request(with_query(CALLBACK, (("response", text),)), finished.set_cookies)
    network.sent.clear()
    world.clock.time += 500  # by then the answer has expired

    assert world.run(finish(world, again)).repeated
    assert network.sent == []


def test_an_answer_that_is_sent_twice_with_the_first_cookie_exchanges_once() -> None:
    world, network = signing_world()
    redirect = begun(world)
    request = coming(redirect, ("response", jwt(answer(world, redirect))))

    assert [world.run(finish(world, request)).repeated for _ in range(2)] == [False, True]
    assert network.sent.count("/oauth2/token") == 1


@pytest.mark.parametrize(("claims", "reason"), [({}, ""), ({"aud": "another"}, "jarm_audience")])
def test_what_began_with_a_link_is_verified_before_it_waits(claims: dict[str, Any], reason: str) -> None:
    world, _ = signing_world()
    world.settings = replace(world.settings, completion_url="https://app.example/done")
    link = world.run(connect_url(world.settings, "two", resource_owner="alice")).rpartition("/")[2]
    redirect = world.run(begin_from_link(world.settings, link, resource_owner=None, cookies=()))
    request = coming(redirect, ("response", jwt({**answer(world, redirect), **claims})))
    finishing = finish_authorization(world.settings, request, resource_owner=None)

    if reason:
        caught = failure(world, finishing)
        assert isinstance(caught, CallbackError)
        assert caught.reason == reason
    else:
        handle = world.run(finishing).return_to.rpartition("=")[2]
        done = world.run(complete_authorization(world.settings, handle, resource_owner="alice"))
        assert done.state == "active"


def test_an_answer_of_another_flow_of_the_same_browser_brings_that_flows_connection_alone() -> None:
    world, _ = signing_world()
    one, two = begun(world, account="one"), begun(world, account="two")
    text = jwt(answer(world, one))
    jar = "; ".join(cookie.partition(";")[0] for cookie in (*one.set_cookies, *two.set_cookies))
    request = Request("GET", f"/oauth/callback/two?response={text}", Headers((("Cookie", jar),)))

    assert world.run(finish(world, request)).connection.account == "one"
    assert row(world, account="two") is None


def test_signed_answers_need_an_issuer_and_keys() -> None:
    with pytest.raises(ConfigurationError, match="jwks_uri"):
        signing_world(jwks_uri=None)
    with pytest.raises(ConfigurationError, match="authorization_response_algorithms"):
        signing_world(authorization_response_algorithms=("HS256",))


@pytest.mark.parametrize(
    ("said", "chosen", "algorithm", "reason"),
    [
        (["PS256", "none"], (), "RS256", "jarm_algorithm"),
        (["PS256", "none"], (), "PS256", ""),
        (["RS256", "PS256"], ("PS256",), "RS256", "jarm_algorithm"),
        (["RS256"], ("PS256",), "PS256", ""),
        (None, (), "RS256", ""),
    ],
)
def test_with_discovery_the_metadata_names_the_algorithms_that_the_registration_does_not(
    said: list[str] | None, chosen: tuple[str, ...], algorithm: str, reason: str
) -> None:
    changes = {"authorization_response_algorithms": chosen} if chosen else {}
    world, network = signing_world(discovery="oidc", **changes)
    network.metadata = {"authorization_signing_alg_values_supported": said}
    redirect = begun(world)
    request = coming(redirect, ("response", jwt(answer(world, redirect), alg=algorithm)))

    if reason:
        refused(world, request, reason)
    else:
        assert world.run(finish(world, request)).connection is not None
