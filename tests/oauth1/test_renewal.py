"""Tokens that end and are renewed, and tokens for a password."""

from __future__ import annotations

from typing import Any

import pytest
from tests.oauth1.cast import CLIENT, CLIENT_SECRET, NOW, TOKEN, TOKEN_SECRET, World
from tests.oauth1.test_authorize import SERVER, granting, http_date, strict

from valetkey.drivers.drive import drive
from valetkey.errors import Explanation, MalformedResponse, ProviderError
from valetkey.http import FORM, Headers, Request, Response, read_form
from valetkey.oauth1.clocks import ClockOffsets
from valetkey.oauth1.renewal import renew_token_credentials, request_token_by_password
from valetkey.oauth1.verify import Keys, SignedRequest, check_signature, read_signed_request
from valetkey.secret import Secret
from valetkey.value import replace

HANDLE = Secret("handle-canary")


def renew(world: World, *, server: Any = SERVER, handle: Secret | None = HANDLE, **more: Any) -> Any:
    op = renew_token_credentials(server, CLIENT, token=TOKEN, session_handle=handle, not_after=NOW + 5, **more)
    return drive(op, world.answer)


def signed_with_token(seen: list[SignedRequest]) -> World:
    def answer(signed: SignedRequest) -> Response:
        seen.append(signed)
        return granting(signed)

    return World(strict(answer, token_secret=Secret(TOKEN_SECRET)))


def test_a_session_handle_is_signed_with_the_old_token_and_buys_a_new_one() -> None:
    seen: list[SignedRequest] = []
    world = signed_with_token(seen)

    found = renew(world)

    assert (found.identifier, found.secret) == ("nnch734d00sl2jdk", Secret("pfkkdhi9sl3r4s00"))
    assert (seen[0].token_identifier, seen[0].parameter("oauth_session_handle")) == (TOKEN.identifier, "handle-canary")
    assert (world.sent[0].request.method, world.sent[0].request.url) == ("POST", SERVER.token_endpoint)
    assert world.sent[0].not_after == NOW + 5


def test_without_a_handle_none_is_sent() -> None:
    seen: list[SignedRequest] = []

    _ = renew(signed_with_token(seen), handle=None)

    assert seen[0].parameter("oauth_session_handle") is None


def test_a_provider_may_prolong_the_same_token_at_an_endpoint_of_its_own() -> None:
    server = replace(
        SERVER, renewal_endpoint="https://photos.example.net/renew", renewal_method="GET", renewal_keeps_token=True
    )
    world = World(lambda _: Response(200, body=b"whatever"))

    assert renew(world, server=server, handle=None) is TOKEN
    assert (world.sent[0].request.method, world.sent[0].request.url) == ("GET", "https://photos.example.net/renew")


def test_a_refusal_to_prolong_is_no_success() -> None:
    server = replace(SERVER, renewal_endpoint="https://photos.example.net/renew", renewal_keeps_token=True)

    with pytest.raises(ProviderError) as caught:
        renew(World(lambda _: Response(401, body=b"oauth_problem=token_expired")), server=server)

    assert caught.value.error == "token_expired"


def test_an_answer_without_credentials_is_malformed() -> None:
    with pytest.raises(MalformedResponse):
        renew(World(lambda _: Response(200, body=b"whatever")))


@pytest.mark.parametrize("by_password", [False, True])
def test_a_clock_that_is_wrong_is_set_right_once_and_remembered(by_password: bool) -> None:
    clocks, theirs = ClockOffsets(), NOW + 5_000
    world = World(strict(granting, clock=theirs, token_secret=None if by_password else Secret(TOKEN_SECRET)))

    if by_password:
        password = Secret("pw")
        op = request_token_by_password(SERVER, CLIENT, username="u", password=password, not_after=NOW, clocks=clocks)
        _ = drive(op, world.answer)
    else:
        _ = renew(world, clocks=clocks)

    assert len(world.sent) == 2
    assert clocks.of("photos.example.net") == 5_000
    assert http_date(theirs)


def test_a_password_travels_in_the_signed_form_of_a_post() -> None:
    seen: list[Request] = []

    def respond(request: Request) -> Response:
        check_signature(read_signed_request(request), Keys(Secret(CLIENT_SECRET)))
        seen.append(request)
        return Response(200, Headers(), b"oauth_token=t&oauth_token_secret=s&user_id=7")

    world = World(respond)
    op = request_token_by_password(SERVER, CLIENT, username="al&ice", password=Secret("p=w canary"), not_after=NOW + 5)
    found = drive(op, world.answer)

    assert (found.identifier, found.secret, found.extra) == ("t", Secret("s"), (("user_id", "7"),))
    assert (seen[0].method, seen[0].url, world.sent[0].not_after) == ("POST", SERVER.token_endpoint, NOW + 5)
    assert seen[0].headers.get("Content-Type") == FORM
    assert read_form(seen[0].body.decode()) == (
        ("x_auth_mode", "client_auth"),
        ("x_auth_username", "al&ice"),
        ("x_auth_password", "p=w canary"),
    )


@pytest.mark.parametrize("how", ["new token", "same token", "password"])
def test_the_entrys_explanations_of_errors_are_told_at_a_renewal_and_for_a_password(how: str) -> None:
    explained = Explanation("token_expired", "it waits for nobody", "start anew", "https://docs.example", "2026-01-01")
    server = replace(SERVER, errors=(explained,), renewal_keeps_token=how == "same token")
    world = World(lambda _: Response(401, body=b"oauth_problem=token_expired"))

    ops = {
        "new token": renew_token_credentials(server, CLIENT, token=TOKEN, session_handle=HANDLE, not_after=NOW),
        "same token": renew_token_credentials(server, CLIENT, token=TOKEN, session_handle=None, not_after=NOW),
        "password": request_token_by_password(server, CLIENT, username="u", password=Secret("p"), not_after=NOW),
    }

    with pytest.raises(ProviderError, match="it waits for nobody") as caught:
        drive(ops[how], world.answer)
    assert caught.value.explanation == explained
