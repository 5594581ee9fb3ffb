"""The whole way through the sandbox in every response mode, with everything that can be wrong with the answer."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from tests.connections.steps import begun, failure, row, world_of

from valetkey.async_vault import AsyncVault
from valetkey.connections.authorize import finish_authorization
from valetkey.errors import AuthorizationDenied, CallbackError, RequestRefused
from valetkey.http import Headers, Request
from valetkey.oauth2.kept import KeptKeys
from valetkey.sandbox import approve, approve_posting
from valetkey.testing.world import callback_request, posted_request
from valetkey.value import replace

if TYPE_CHECKING:
    from valetkey.connections.authorize import Redirect
    from valetkey.testing.world import World

MODES = ("query", "form_post", "jwt", "query.jwt", "form_post.jwt")
POSTED = ("form_post", "form_post.jwt")


def world_with(mode: str) -> World:
    world = world_of()
    two = world.settings.registrations["two"]
    server: Any = replace(two.provider.server, response_mode=mode)
    two = replace(two, provider=replace(two.provider, server=server), kept_keys=KeptKeys())
    world.settings = replace(world.settings, registrations={**world.settings.registrations, "two": two})
    return world


def coming(world: World, redirect: Redirect, mode: str, *, decision: str = "allow") -> Request:
    """The browser, as it comes back."""
    if mode not in POSTED:
        return callback_request(
            approve(world.sandbox.respond, redirect.location, decision=decision), redirect.set_cookies
        )
    target, fields = approve_posting(world.sandbox.respond, redirect.location, decision=decision)
    return posted_request(target, fields, redirect.set_cookies)


def finish(world: World, request: Request) -> Any:
    return finish_authorization(world.settings, request, resource_owner="alice")


@pytest.mark.parametrize("mode", MODES)
def test_an_account_is_connected_and_a_reload_shows_it_again(mode: str) -> None:
    world = world_with(mode)
    redirect = begun(world)
    request = coming(world, redirect, mode)

    finished = world.vault().finish_authorization(request, resource_owner="alice")

    assert finished.connection is not None
    assert finished.connection.state == "active"
    crosses = [cookie for cookie in finished.set_cookies if mode not in POSTED or "SameSite=None; Secure" in cookie]
    again = replace(request, headers=request.headers.with_set("Cookie", crosses[0].partition(";")[0]))
    assert world.run(finish(world, again)).repeated


@pytest.mark.parametrize("mode", MODES)
def test_the_awaiting_vault_does_the_same(mode: str) -> None:
    world = world_with(mode)
    redirect = begun(world)
    request = coming(world, redirect, mode)

    async def go() -> Any:
        vault = AsyncVault(world.settings, store=world.store, keys=world.keys, transport=world.network)
        vault._ports = world.ports
        try:
            return await vault.finish_authorization(request, resource_owner="alice")
        finally:
            await vault.close()

    assert asyncio.run(go()).connection.state == "active"


@pytest.mark.parametrize("mode", MODES)
def test_a_denial_is_one_in_every_mode_and_closes_the_flow(mode: str) -> None:
    world = world_with(mode)
    redirect = begun(world)

    caught = failure(world, finish(world, coming(world, redirect, mode, decision="deny")))

    assert isinstance(caught, AuthorizationDenied)
    assert "Max-Age=0" in caught.set_cookies[0]
    assert row(world) is None


# The OpenID Foundation's eight client modules on JARM stand first, by what the provider does.
@pytest.mark.parametrize("mode", ["query.jwt", "form_post.jwt"])
@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("alg_none", "jarm_algorithm"),
        ("exp_past", "jarm_expired"),
        ("aud_wrong", "jarm_audience"),
        ("iss_wrong", "jarm_issuer"),
        ("signature_wrong", "jarm_signature"),
        ("aud_missing", "jarm_audience"),
        ("exp_missing", "jarm_times"),
        ("iss_missing", "jarm_issuer"),
        ("aud_extra", "jarm_audience"),
        ("alg_symmetric", "jarm_algorithm"),
        ("kid_wrong", "jarm_unknown_key"),
        ("encrypted", "jarm_encrypted"),
        ("state_missing", "state_missing"),
        ("state_wrong", "state_mismatch"),
        ("aud_array", ""),
        ("key_rotated", ""),
        ("kid_missing", ""),
        ("alg_other", ""),  # of the three that are accepted where the registration chose none
    ],
)
def test_what_is_wrong_with_a_signed_answer_is_named_and_nothing_is_exchanged(
    mode: str, fault: str, reason: str
) -> None:
    world = world_with(mode)
    redirect = begun(world)
    world.sandbox.faults.add(endpoint="consent", fault=fault)
    request = coming(world, redirect, mode)

    if not reason:
        assert world.run(finish(world, request)).connection is not None
        return
    caught = failure(world, finish(world, request))

    assert isinstance(caught, CallbackError)
    assert (caught.reason, caught.set_cookies, row(world)) == (reason, (), None)
    assert world.sandbox.seen.count("token") == 0


@pytest.mark.parametrize(
    ("asked", "taken", "reason"), [("query", "query.jwt", "jarm_missing"), ("query.jwt", "query", "state_missing")]
)
def test_an_answer_in_another_mode_than_the_registrations_is_refused(asked: str, taken: str, reason: str) -> None:
    world = world_with(asked)
    redirect = begun(world)
    request = coming(world, redirect, asked)
    world.settings = world_with(taken).settings

    caught = failure(world, finish(world, request))

    assert isinstance(caught, CallbackError)
    assert caught.reason == reason


@pytest.mark.parametrize("mode", POSTED)
def test_only_cookies_that_cross_sites_come_with_a_post(mode: str) -> None:
    world = world_with(mode)
    redirect = begun(world)
    request = coming(world, redirect, mode)

    assert "SameSite=None; Secure" in redirect.set_cookies[0]
    assert request.method == "POST"
    assert failure(
        world, finish(world, replace(request, headers=request.headers.with_set("Cookie", "a=b")))
    ).reason == (  # type: ignore[attr-defined]
        "wrong_browser"
    )


@pytest.mark.parametrize("mode", POSTED)
@pytest.mark.parametrize(
    ("media_type", "status"),
    [
        ("text/plain", 415),
        ("application/json", 415),
        ("multipart/form-data; boundary=x", 415),
        ("", 415),
        ("APPLICATION/X-WWW-FORM-URLENCODED; charset=UTF-8", 200),
    ],
)
def test_a_post_of_another_type_is_refused(mode: str, media_type: str, status: int) -> None:
    world = world_with(mode)
    redirect = begun(world)
    request = coming(world, redirect, mode)
    request = replace(request, headers=request.headers.with_set("Content-Type", media_type))

    if status == 200:
        assert world.run(finish(world, request)).connection is not None
        return
    caught = failure(world, finish(world, request))

    assert isinstance(caught, RequestRefused)
    assert (caught.reason, caught.status) == ("unsupported_media_type", 415)


@pytest.mark.parametrize("mode", POSTED)
@pytest.mark.parametrize("body", [b"response=" + b"a" * 70_000, b"code=%zz&state=x", b"\xff\xfe", b"code=\xc3\xa9"])
def test_a_post_that_is_too_long_or_not_a_form_is_refused(mode: str, body: bytes) -> None:
    world = world_with(mode)
    redirect = begun(world)
    request = coming(world, redirect, mode)

    caught = failure(world, finish(world, replace(request, body=body)))

    assert isinstance(caught, CallbackError)
    assert caught.reason in ("malformed_callback", "state_missing", "jarm_missing")


@pytest.mark.parametrize("mode", POSTED)
def test_a_posted_answer_is_read_from_the_body_alone(mode: str) -> None:
    world = world_with(mode)
    redirect = begun(world)
    request = coming(world, redirect, mode)
    query = request.body.decode()

    for other in (replace(request, url=f"{request.url}?{query}", body=b""), replace(request, body=b"")):
        assert isinstance(failure(world, finish(world, other)), CallbackError)
    polluted = replace(request, url=f"{request.url}?error=access_denied&state=x&response=x")

    assert world.run(finish(world, polluted)).connection is not None


@pytest.mark.parametrize("mode", ["query", "jwt", "query.jwt"])
def test_where_the_provider_redirects_a_post_is_refused(mode: str) -> None:
    world = world_with(mode)
    request = Request("POST", "/oauth/callback/two", Headers())

    caught = failure(world, finish(world, request))

    assert isinstance(caught, RequestRefused)
    assert caught.status == 405
