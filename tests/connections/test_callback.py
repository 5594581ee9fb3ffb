"""What comes back to the callback, and must not be taken: state, browser, person, context, issuer, verifier."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.connections.steps import begun, credentials, failure, returning, row, standing, token, works, world_of

from valetkey.connections.authorize import Finished, begin_authorization, finish_authorization
from valetkey.connections.claims import claim_key
from valetkey.connections.cookies import read_cookies
from valetkey.connections.links import connect_url
from valetkey.connections.pending import done_cookie, read_state
from valetkey.errors import (
    AuthorizationDenied,
    AuthorizationExpired,
    CallbackError,
    ConfigurationError,
    ProviderError,
    RequestRefused,
)
from valetkey.http import FORM, Headers, Request, base64url, read_form, write_form
from valetkey.keys.local import LocalKeyRing
from valetkey.testing.world import World, callback_request
from valetkey.value import replace

if TYPE_CHECKING:
    from valetkey.effects import Op
    from valetkey.http import Pairs

PROTOCOLS = ("one", "two")


def finish(world: World, request: Request, resource_owner: str | None = "alice") -> Op[Finished]:
    return finish_authorization(world.settings, request, resource_owner=resource_owner)


def refused(world: World, request: Request, reason: str, resource_owner: str | None = "alice") -> RequestRefused:
    """The refusal, after which nothing was exchanged and nothing stored."""
    before = dict(world.store.rows._rows)
    sent = len(world.network.sent)

    error = failure(world, finish(world, request, resource_owner))

    assert isinstance(error, RequestRefused), error
    assert error.reason == reason
    assert error.status < 500
    assert world.store.rows._rows == before, "something was stored"
    assert len(world.network.sent) == sent, "something was sent"
    return error


def waiting(registration: str = "two") -> tuple[World, Request]:
    world = world_of()
    return world, returning(world, begun(world, registration))


def parameters(request: Request) -> dict[str, str]:
    return dict(read_form(request.url.partition("?")[2]))


def with_parameters(request: Request, pairs: Pairs | dict[str, str]) -> Request:
    items = tuple(pairs.items()) if isinstance(pairs, dict) else pairs
    return replace(request, url=f"{request.url.partition('?')[0]}?{write_form(items)}")


def changed(request: Request, **changes: str | None) -> Request:
    merged = {**parameters(request), **changes}
    return with_parameters(request, {name: text for name, text in merged.items() if text is not None})


def cookie(request: Request) -> str:
    return request.headers.get("cookie") or ""


def with_cookie(request: Request, text: str) -> Request:
    return replace(request, headers=request.headers.with_set("Cookie", text))


# --- state


@pytest.mark.parametrize("registration", PROTOCOLS)
def test_a_callback_without_state_belongs_to_no_flow(registration: str) -> None:
    world, request = waiting(registration)

    error = refused(world, changed(request, state=None), "state_missing")

    assert error.set_cookies == ()
    assert world.run(finish(world, request)).connection is not None, "the flow is still good"


@pytest.mark.parametrize("registration", PROTOCOLS)
@pytest.mark.parametrize(
    "state",
    ["x", "é", "\x00", "🦉" * 40, "a" * 100_00, "A" * 43, "=" * 43, "../../etc", "a b", "%", "-_" * 21, "'\"<script>"],
)
def test_a_state_that_was_never_given_out_is_refused(registration: str, state: str) -> None:
    world, request = waiting(registration)

    error = failure(world, finish(world, changed(request, state=state)))

    assert isinstance(error, CallbackError)
    assert error.reason in ("state_mismatch", "wrong_browser", "malformed_callback")
    assert row(world, registration) is None


def test_a_callback_of_100_kilobytes_is_refused_before_anything_is_opened() -> None:
    world, request = waiting()
    _ = refused(world, changed(request, state="a" * 100_000), "malformed_callback")


@pytest.mark.parametrize("registration", PROTOCOLS)
def test_a_state_whose_second_half_is_wrong_is_refused(registration: str) -> None:
    world, request = waiting(registration)
    flow, half = read_state(parameters(request)["state"])
    for position in range(0, 32, 5):
        digit = "0" if half[position] != "0" else "1"
        forged = bytes.fromhex(flow + half[:position] + digit + half[position + 1 :])
        _ = refused(world, changed(request, state=base64url(forged)), "state_mismatch")


@pytest.mark.parametrize("registration", PROTOCOLS)
@pytest.mark.parametrize("name", ["state", "code", "oauth_verifier", "iss", "unknown"])
def test_a_parameter_that_is_there_twice_is_refused(registration: str, name: str) -> None:
    world, request = waiting(registration)
    pairs = (*parameters(request).items(), (name, "x"), (name, "x"))

    _ = refused(world, with_parameters(request, pairs), "duplicate_parameter")


@pytest.mark.parametrize(
    "query", ["state=%ZZ&code=x", "state=%C3%28&code=x", "state=%ff&code=x", "&".join("a=b" for _ in range(1100))]
)
def test_a_callback_that_is_not_a_form_is_refused(query: str) -> None:
    world, request = waiting()

    error = failure(world, finish(world, replace(request, url=f"/oauth/callback/two?{query}")))

    assert isinstance(error, RequestRefused)
    assert error.reason == "malformed_callback"


@pytest.mark.parametrize("registration", PROTOCOLS)
@pytest.mark.parametrize("seconds", [661, 3600, 86_400])
def test_a_flow_that_is_older_than_ten_minutes_is_refused(registration: str, seconds: int) -> None:
    world = world_of()
    request = returning(world, begun(world, registration))
    world.clock.time += seconds

    assert isinstance(refused(world, request, "flow_expired"), AuthorizationExpired)


def test_a_flow_is_good_for_ten_minutes_and_a_minute_of_skew_either_way() -> None:
    for seconds in (-59, 0, 600, 659):
        world = world_of()
        redirect = begun(world)
        request = returning(world, redirect)
        pending_only = world.fork()
        pending_only.clock.time += seconds
        error = failure(pending_only, finish(pending_only, changed(request, code=None)))
        assert isinstance(error, CallbackError)
        assert error.reason == "malformed_callback", seconds


# --- browser


@pytest.mark.parametrize("registration", PROTOCOLS)
def test_another_browser_cannot_finish(registration: str) -> None:
    world, request = waiting(registration)
    other = returning(world, begun(world, registration))

    _ = refused(world, replace(request, headers=Headers()), "wrong_browser")
    _ = refused(world, with_cookie(request, cookie(other)), "wrong_browser")


@pytest.mark.parametrize("registration", PROTOCOLS)
def test_every_character_of_the_flow_cookie_counts(registration: str) -> None:
    world, request = waiting(registration)
    name, _, text = cookie(request).partition("=")

    for position, character in enumerate(text):
        forged = text[:position] + ("A" if character != "A" else "B") + text[position + 1 :]
        error = failure(world, finish(world, with_cookie(request, f"{name}={forged}")))
        assert isinstance(error, CallbackError), position
        assert error.reason in ("flow_cookie_invalid", "wrong_browser", "flow_expired"), position
    assert row(world, registration) is None


@pytest.mark.parametrize("change", ["", "x", "{}=", "{}==", "={}", "{}.", "{}A", "~~", "two~~", "\x7f", "é{}", "{}{}"])
def test_a_flow_cookie_that_was_cut_or_padded_or_decorated_is_refused(change: str) -> None:
    world, request = waiting()
    name, _, text = cookie(request).partition("=")
    forged = text[:-1] if change == "" else change.replace("{}", text)

    error = failure(world, finish(world, with_cookie(request, f"{name}={forged}")))

    assert isinstance(error, CallbackError)
    assert error.reason in ("flow_cookie_invalid", "wrong_browser")


def test_a_value_sealed_for_another_purpose_never_opens_as_a_flow() -> None:
    world, request = waiting()
    name, _, text = cookie(request).partition("=")
    context, flow, _ = text.split("~")
    _ = world.connect("two", "bob")
    link = world.run(connect_url(world.settings, "two", resource_owner="alice")).rpartition("/")[2]
    sealed = [link, *(kept.sealed.decode() for kept in world.store.rows._rows.values() if kept.sealed)]
    assert len(sealed) >= 2

    for text in sealed:
        _ = refused(world, with_cookie(request, f"{name}={context}~{flow}~{text}"), "flow_cookie_invalid")


def test_the_marker_of_a_finished_flow_is_no_flow() -> None:
    world, request = waiting()
    flow, _ = read_state(parameters(request)["state"])
    marker = world.run(done_cookie(world.settings, "two", flow)).partition(";")[0]

    assert isinstance(refused(world, with_cookie(request, marker), "already_used"), AuthorizationExpired)


def test_the_good_one_of_several_cookies_of_one_name_is_found() -> None:
    world, request = waiting()
    name, _, text = cookie(request).partition("=")
    jar = f'junk; ={name}; {name}=old; a="b; {name}="{text[:-3]}"; {name}={text}; {name}=; z=\x7f'

    assert world.run(finish(world, with_cookie(request, jar))).connection is not None


def test_the_cookie_is_found_in_a_second_cookie_field() -> None:
    world, request = waiting()
    fields = Headers((("Cookie", "session=abc"), ("cookie", cookie(request))))

    assert world.run(finish(world, replace(request, headers=fields))).connection is not None


def test_a_robot_that_asks_by_head_changes_nothing() -> None:
    world, request = waiting()
    for method in ("HEAD", "PUT", "DELETE", "OPTIONS", "get"):
        error = refused(world, replace(request, method=method), "method_not_allowed")
        assert error.status == 405


def test_a_posted_callback_is_refused_where_the_provider_redirects() -> None:
    world, request = waiting()
    posted = replace(request, method="POST", url="/oauth/callback/two", body=request.url.partition("?")[2].encode())

    assert refused(world, posted, "method_not_allowed").status == 405


def form_post(world: World) -> None:
    registration = world.settings.registrations["two"]
    server = replace(registration.provider.server, response_mode="form_post")
    changed_one = replace(registration, provider=replace(registration.provider, server=server))
    world.settings = replace(world.settings, registrations={**world.settings.registrations, "two": changed_one})


def test_a_provider_that_posts_gets_a_cookie_that_crosses_sites_and_its_body_is_read() -> None:
    world, request = waiting()
    form_post(world)
    redirect = begun(world)
    assert "SameSite=None" in redirect.set_cookies[0]
    headers = request.headers.with_set("Content-Type", "application/json")
    posted = replace(request, method="POST", url="/oauth/callback/two", headers=headers, body=b'{"state":"x"}')
    assert refused(world, posted, "unsupported_media_type").status == 415

    body = request.url.partition("?")[2].encode()
    headers = request.headers.with_set("Content-Type", f"{FORM}; charset=utf-8")
    assert world.run(finish(world, replace(posted, headers=headers, body=body))).connection is not None


# --- person


@pytest.mark.parametrize("registration", PROTOCOLS)
@pytest.mark.parametrize("owner", ["bob", "Alice", "alice ", "alicé", "a\u0301lice", "alice\x00"])
def test_another_person_than_the_one_who_began_is_refused(registration: str, owner: str) -> None:
    world, request = waiting(registration)

    _ = refused(world, request, "user_changed", owner)


@pytest.mark.parametrize("registration", PROTOCOLS)
def test_a_callback_in_which_nobody_is_signed_in_is_refused(registration: str) -> None:
    world, request = waiting(registration)

    assert refused(world, request, "owner_unknown", None).status == 401


def test_a_finished_flow_does_not_tell_the_next_person_of_the_browser_anything() -> None:
    world, request = waiting()
    _ = world.connect("two", "bob")
    finished = world.run(finish(world, request))
    again = with_cookie(request, finished.set_cookies[0].partition(";")[0])

    _ = refused(world, again, "user_changed", "bob")
    _ = refused(world, again, "already_used", None)
    assert world.run(finish(world, again)).repeated


# --- context


def with_second(world: World) -> None:
    """A second registration at the same provider, of another tenant."""
    two = world.settings.registrations["two"]
    client = replace(two.client, redirect_uri="https://app.example/oauth/callback/other")
    other = replace(two, name="other", client=client, redirect_uri="https://app.example/oauth/callback/other")
    world.settings = replace(world.settings, registrations={**world.settings.registrations, "other": other})


def test_an_answer_at_another_registrations_callback_is_refused_before_the_code_is_sent() -> None:
    world, request = waiting()
    with_second(world)
    moved = replace(request, url=request.url.replace("/callback/two", "/callback/other"))

    _ = refused(world, moved, "context_mismatch")


def test_a_finished_flow_at_another_registrations_callback_is_refused() -> None:
    world, request = waiting()
    with_second(world)
    finished = world.run(finish(world, request))
    again = with_cookie(request, finished.set_cookies[0].partition(";")[0])

    _ = refused(world, replace(again, url=again.url.replace("/callback/two", "/callback/other")), "context_mismatch")


@pytest.mark.parametrize(
    "name", ["nobody", "TWO", "two/", "../two", "%74wo", "two%00", "", "twо", "x" * 300, "two\\", "/two", "two;x"]
)
def test_a_callback_of_no_registration_is_not_found(name: str) -> None:
    world, request = waiting()
    moved = replace(request, url=request.url.replace("/callback/two", f"/callback/{name}"))

    assert refused(world, moved, "unknown_registration").status == 404


# --- the provider's answer


@pytest.mark.parametrize(
    "iss",
    [
        "",
        "http://127.0.0.1:8400/",
        "HTTP://127.0.0.1:8400",
        "http://127.0.0.1",
        "http://127.0.0.1:8400%2F",
        "https://evil.example",
    ],
)
def test_an_answer_of_another_issuer_is_refused(iss: str) -> None:
    world, request = waiting()

    _ = refused(world, changed(request, iss=iss), "issuer_mismatch")


def test_an_answer_that_leaves_its_issuer_out_is_refused_where_it_was_promised() -> None:
    world, request = waiting()

    _ = refused(world, changed(request, iss=None), "issuer_missing")


def test_an_issuer_that_changed_in_the_configuration_while_the_flow_was_under_way_is_refused() -> None:
    world, request = waiting()
    two = world.settings.registrations["two"]
    server = replace(two.provider.server, issuer="https://new.example")
    other = replace(two, provider=replace(two.provider, server=server))
    world.settings = replace(world.settings, registrations={**world.settings.registrations, "two": other})

    _ = refused(world, request, "issuer_mismatch")


@pytest.mark.parametrize("code", [None, "", "x" * 2100, "a\nb", "é", "a\x00"])
def test_a_callback_whose_code_is_none_is_refused(code: str | None) -> None:
    world, request = waiting()

    _ = refused(world, changed(request, code=code), "malformed_callback")


def test_a_code_of_another_session_fails_at_the_provider_and_leaves_nothing() -> None:
    world, request = waiting()
    mine = returning(world, begun(world, resource_owner="mallory"))

    error = failure(world, finish(world, changed(request, code=parameters(mine)["code"])))

    assert isinstance(error, ProviderError)
    assert error.error == "invalid_grant"
    assert row(world) is None


def test_tokens_in_the_query_are_ignored() -> None:
    world, request = waiting()

    finished = world.run(finish(world, changed(request, access_token="stolen", expires_in="9")))

    assert finished.connection is not None
    assert credentials(world).current.access_token.reveal() != "stolen"


@pytest.mark.parametrize("error", ["server_error", "temporarily_unavailable"])
def test_an_outage_at_the_provider_can_be_tried_again(error: str) -> None:
    world, request = waiting()
    _ = refused(world, changed(request, code=None, error=error), "provider_unavailable")


@pytest.mark.parametrize("error", ["invalid_scope", "<script>", "a" * 100, "Ünknown", "invalid scope\u202e"])
def test_only_words_of_the_provider_that_are_codes_are_repeated(error: str) -> None:
    world, request = waiting()

    found = refused(
        world,
        changed(request, code=None, error=error, error_description="<script>", error_uri="javascript:x"),
        "provider_error",
    )

    assert (error in str(found)) == (error == "invalid_scope")
    assert "script" not in str(found)


def test_an_error_beside_a_code_is_an_error() -> None:
    world, request = waiting()
    _ = refused(world, changed(request, error="access_denied"), "access_denied")


@pytest.mark.parametrize("registration", PROTOCOLS)
def test_a_denial_closes_its_flow_and_leaves_an_existing_connection_alone(registration: str) -> None:
    world = world_of()
    _ = world.connect(registration)
    before = standing(world, registration)
    redirect = begun(world, registration)
    request = returning(world, redirect, decision="deny")

    error = refused(world, request, "access_denied")

    assert isinstance(error, AuthorizationDenied)
    assert "Max-Age=0" in error.set_cookies[0]
    assert error.set_cookies[0].partition("=")[0] == redirect.set_cookies[-1].partition("=")[0]
    assert standing(world, registration) == before


@pytest.mark.parametrize(
    "query", ["error=access_denied", "denied=abc", "error=access_denied&state=", "oauth_problem=user_refused"]
)
def test_a_denial_that_names_no_flow_closes_nothing(query: str) -> None:
    for registration in PROTOCOLS:
        world, request = waiting(registration)
        anonymous = replace(request, url=f"/oauth/callback/{registration}?{query}")

        assert refused(world, anonymous, "state_missing").set_cookies == ()
        assert world.run(finish(world, request)).connection is not None


# --- OAuth 1.0a (RFC 5849 section 2.2)


def test_a_callback_without_a_verifier_is_refused() -> None:
    world, request = waiting("one")
    for verifier in (None, ""):
        _ = refused(world, changed(request, oauth_verifier=verifier), "verifier_missing")


@pytest.mark.parametrize("verifier", ["x" * 600, "a\nb", "\x00"])
def test_a_verifier_that_is_none_is_refused(verifier: str) -> None:
    world, request = waiting("one")
    _ = refused(world, changed(request, oauth_verifier=verifier), "malformed_callback")


def test_a_verifier_of_another_flow_fails_at_the_provider() -> None:
    world, request = waiting("one")
    other = returning(world, begun(world, "one", resource_owner="mallory"))

    error = failure(world, finish(world, changed(request, oauth_verifier=parameters(other)["oauth_verifier"])))

    assert isinstance(error, ProviderError)
    assert row(world, "one") is None


def test_temporary_credentials_of_another_flow_are_refused() -> None:
    world, request = waiting("one")
    other = returning(world, begun(world, "one", resource_owner="mallory"))
    stolen = parameters(other)

    _ = refused(world, changed(request, oauth_token=stolen["oauth_token"]), "temporary_credentials_mismatch")
    _ = refused(
        world,
        changed(request, oauth_token=stolen["oauth_token"], oauth_verifier=stolen["oauth_verifier"]),
        "temporary_credentials_mismatch",
    )


def test_a_callback_without_the_temporary_identifier_is_refused() -> None:
    world, request = waiting("one")
    _ = refused(world, changed(request, oauth_token=None), "malformed_callback")


def without_state(world: World) -> None:
    one = world.settings.registrations["one"]
    server = replace(one.provider.server, state_in_callback=False)
    other = replace(one, provider=replace(one.provider, server=server))
    world.settings = replace(world.settings, registrations={**world.settings.registrations, "one": other})


def test_a_provider_that_drops_the_callbacks_query_is_found_by_the_temporary_identifier() -> None:
    world = world_of()
    without_state(world)
    redirect = begun(world, "one")
    request = returning(world, redirect)
    assert "state" not in parameters(request)
    other = returning(world, begun(world, "one", resource_owner="mallory"))

    _ = refused(world, replace(request, headers=Headers()), "wrong_browser")
    _ = refused(world, with_cookie(request, cookie(other)), "wrong_browser")
    _ = refused(world, request, "user_changed", "bob")
    _ = refused(world, with_parameters(request, {"oauth_verifier": "x"}), "state_missing")
    assert world.run(finish(world, request)).connection is not None


# --- replay, keys, claims


@pytest.mark.parametrize("registration", PROTOCOLS)
def test_a_replay_with_the_first_cookie_exchanges_nothing(registration: str) -> None:
    world, request = waiting(registration)
    _ = world.run(finish(world, request))
    sent = len(world.network.sent)

    again = world.run(finish(world, request))

    assert again.repeated
    assert len(world.network.sent) == sent
    _ = refused(world, replace(request, headers=Headers()), "wrong_browser")


def test_a_replay_after_the_connection_was_forgotten_exchanges_nothing() -> None:
    from valetkey.connections.manage import forget

    world, request = waiting()
    _ = world.run(finish(world, request))
    world.run(forget(world.settings, "two", resource_owner="alice"))

    _ = refused(world, request, "already_used")


def test_a_claim_outlives_the_cookie_that_led_to_it() -> None:
    world, request = waiting()
    _ = world.run(finish(world, request))
    flow, _ = read_state(parameters(request)["state"])

    assert world.store.rows._rows[claim_key(flow).partition, "claim"].expires_at >= world.clock.now() + 660


def test_a_cookie_of_a_retired_key_says_that_the_flow_is_too_old() -> None:
    world, request = waiting()
    ring = world.keys
    world.ports._performers.update(
        ports_with(world, LocalKeyRing([("new", world.clock.random(32))], random=world.clock.random))
    )
    _ = refused(world, request, "flow_expired")

    world.ports._performers.update(ports_with(world, ring))
    assert world.run(finish(world, request)).connection is not None, "the key came back"


def ports_with(world: World, keys: LocalKeyRing) -> dict[Any, Any]:
    from valetkey.effects import Open, Seal

    return {
        Seal: lambda effect: keys.seal(effect.place, effect.plaintext),
        Open: lambda effect: keys.open(effect.place, effect.sealed),
    }


# --- several flows at once


def jar_of(*redirects: Any) -> Pairs:
    """What a browser holds after those redirects, in order."""
    jar: dict[str, str] = {}
    for redirect in redirects:
        for text in redirect.set_cookies:
            name, _, rest = text.partition("=")
            if "Max-Age=0" in text:
                _ = jar.pop(name, None)
            else:
                jar[name] = rest.partition(";")[0]
    return tuple(jar.items())


def test_eight_tabs_all_finish() -> None:
    world = world_of()
    redirects: list[Any] = []
    for index in range(8):
        redirects.append(begun(world, PROTOCOLS[index % 2], cookies=jar_of(*redirects), account=f"tab {index}"))
        world.clock.time += 5
    cookies = "; ".join(f"{name}={text}" for name, text in jar_of(*redirects))

    for redirect in reversed(redirects):
        request = with_cookie(returning(world, redirect), cookies)
        assert world.run(finish(world, request)).connection is not None


def test_a_ninth_flow_makes_the_oldest_go() -> None:
    world = world_of()
    redirects: list[Any] = []
    for _ in range(8):
        redirects.append(begun(world, cookies=tuple(reversed(jar_of(*redirects)))))
        world.clock.time += 5
    oldest = redirects[0].set_cookies[-1].partition("=")[0]

    ninth = begun(world, cookies=tuple(reversed(jar_of(*redirects))))

    gone = [text.partition("=")[0] for text in ninth.set_cookies if "Max-Age=0" in text]
    assert gone == [oldest]
    assert len(jar_of(*redirects, ninth)) == 8


def test_cookies_of_flows_stay_under_six_kilobytes_together() -> None:
    world = world_of()
    redirects: list[Any] = []
    for _ in range(12):
        redirects.append(begun(world, cookies=jar_of(*redirects), return_to="/" + "x" * 150))
        world.clock.time += 5
    jar = jar_of(*redirects)
    assert sum(len(name) + len(text) for name, text in jar) <= 6_100
    assert len(jar) <= 8


def test_what_others_put_under_our_prefix_is_left_alone_or_goes_first() -> None:
    world = world_of()
    junk = tuple((f"__Host-vk-{index:012x}", "junk") for index in range(9))
    strange = (("__Host-vk-zzzzzzzzzzzz", "a"), ("__Host-vk-short", "b"), ("session", "c"))

    redirect = begun(world, cookies=(*junk, *strange))

    gone = {text.partition("=")[0] for text in redirect.set_cookies if "Max-Age=0" in text}
    assert gone <= {name for name, _ in junk}
    assert len(gone) == 2


def test_a_jar_full_of_junk_is_emptied_in_answers_that_every_front_hands_on() -> None:
    """API Gateway takes 10,240 octets of header fields."""
    world = world_of()
    jar = {f"__Host-vk-{index:012x}": "junk" for index in range(180)}
    for _ in range(9):
        redirect = begun(world, cookies=tuple(jar.items()))
        assert sum(map(len, redirect.set_cookies)) + len(redirect.location) < 5_000
        for text in redirect.set_cookies[:-1]:
            del jar[text.partition("=")[0]]

    assert len(jar) < 9


def test_ten_thousand_starts_write_nothing_to_the_store() -> None:
    world = world_of()
    for _ in range(300):
        _ = begun(world)
    assert not world.store.rows._rows


def test_the_cookie_has_every_protection_that_there_is() -> None:
    world = world_of()
    text = begun(world).set_cookies[-1]

    name, _, rest = text.partition("=")
    assert name.startswith("__Host-vk-")
    assert set(rest.split("; ")[1:]) == {"Path=/", "Max-Age=600", "HttpOnly", "SameSite=Lax", "Secure"}
    assert len(rest.partition(";")[0]) <= 750


def test_a_cookie_on_localhost_goes_without_what_browsers_refuse_there() -> None:
    world = world_of()
    world.settings = replace(world.settings, base_url="http://localhost:8000/oauth")

    text = begun(world).set_cookies[-1]

    assert text.startswith("vk-")
    assert "Secure" not in text


# --- what is refused at the start


@pytest.mark.parametrize("account", ["x" * 201, "é" * 101, "\ud800", "🦉" * 51])
def test_an_account_label_that_cannot_be_stored_is_refused_before_anybody_consents(account: str) -> None:
    world = world_of()

    error = failure(
        world, begin_authorization(world.settings, "two", resource_owner="alice", cookies=(), account=account)
    )

    assert isinstance(error, ConfigurationError)
    assert isinstance(
        failure(world, connect_url(world.settings, "two", resource_owner="alice", account=account)), ConfigurationError
    )


@pytest.mark.parametrize("account", ["x" * 200, "é" * 100, "a/b", "..", "%2e", "a b", "\x00", "#", "work:1", "🦉" * 50])
def test_every_other_account_label_finds_its_own_connection(account: str) -> None:
    world = world_of()

    found = world.connect("two", "alice", account)

    assert found.account == account
    assert row(world) is None
    assert row(world, account=account) is not None


@pytest.mark.parametrize(
    "owner",
    [
        "alice:1",
        "a/b",
        "a#b",
        "nul\x00",
        "x" * 10_000,
        "🦉",
        "caf\u00e9",
        "cafe\u0301",
        "Alice",
        "alıce",
        "İ",
        "\ud800",
        " ",
    ],
)
def test_every_owner_is_kept_apart_byte_for_byte(owner: str) -> None:
    world = world_of()
    others = [
        "alice",
        "café",
        "cafe\u0301",
        "caf\u00e9",
        "alice ",
        owner.lower(),
        owner.upper(),
        owner.strip() or "nobody",
    ]

    _ = world.connect("two", owner)

    assert row(world, resource_owner=owner) is not None
    for other in others:
        if other != owner:
            assert row(world, resource_owner=other) is None, other


def test_state_and_flow_are_never_the_same_twice() -> None:
    world = world_of()
    locations = [begun(world).location for _ in range(50)]
    states = {dict(read_form(location.partition("?")[2]))["state"] for location in locations}
    challenges = {dict(read_form(location.partition("?")[2]))["code_challenge"] for location in locations}
    assert len(states) == len(challenges) == 50


def test_a_scope_that_was_asked_for_comes_back_with_the_connection() -> None:
    world = world_of()
    redirect = begun(world, scope=("read", "write"))

    finished = world.run(finish(world, returning(world, redirect)))

    assert finished.connection is not None
    assert standing(world).scope == ("read", "write")


def test_the_way_back_is_kept() -> None:
    world = world_of()
    redirect = begun(world, return_to="/reports?week=3")
    assert world.run(finish(world, returning(world, redirect))).return_to == "/reports?week=3"


def test_the_longest_account_label_and_the_longest_way_back_fit_a_cookie_together() -> None:
    world = world_of()
    redirect = begun(world, account="é" * 100, return_to="/" + "x" * 190)
    assert world.run(finish(world, returning(world, redirect))).return_to == "/" + "x" * 190
    assert row(world, account="é" * 100) is not None


def test_a_flow_that_does_not_fit_a_cookie_says_what_to_shorten() -> None:
    world = world_of()
    error = failure(
        world,
        begin_authorization(world.settings, "two", resource_owner="alice", cookies=(), scope=("read", "x" * 2_400)),
    )
    assert isinstance(error, RequestRefused)
    assert error.reason == "flow_too_large"


def test_a_callback_reads_as_the_browser_sends_it() -> None:
    world, request = waiting()
    assert callback_request("https://app.example/oauth/callback/two?a=b", ()).url == "/oauth/callback/two?a=b"
    assert read_cookies(request.headers)[0][0].startswith("__Host-vk-")
    assert world.run(finish(world, request)).connection is not None
    assert works(world, world.run(token(world)))
