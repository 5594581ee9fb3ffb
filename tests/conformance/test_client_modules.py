"""Every client module that applies, under its own name: the real vault in both colours, the whole way at the sandbox.

Which they are, what each asks, and why the others do not apply stands in `modules`; docs/conformance.md is made from it.
A flow that must stop is asked three things: that it stopped at that step for that reason, that nothing was kept, and that
nobody was asked for anything afterwards.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.conformance.modules import BEGUN, CLIENTS, CLIENTS_AMONG_SERVERS, FINISHED, REFRESHED, USERINFO, Case
from tests.conformance.stage import Stage, reason_of

from valetkey.async_vault import AsyncVault
from valetkey.errors import RefreshInProgress, ValetkeyError
from valetkey.http import read_form
from valetkey.testing.world import PROVIDER_URL
from valetkey.value import replace
from valetkey.vault import Vault

if TYPE_CHECKING:
    from collections.abc import Callable

ANSWERS = {**CLIENTS, **CLIENTS_AMONG_SERVERS}
CASES = {name: answer for name, answer in ANSWERS.items() if isinstance(answer, Case)}
BY_COLOUR = pytest.mark.parametrize("colour", [Vault, AsyncVault], ids=["blocking", "awaiting"])


@BY_COLOUR
@pytest.mark.parametrize("name", CASES)
def test_the_client(name: str, colour: type[Vault | AsyncVault]) -> None:
    case = CASES[name]
    stage = Stage(colour, case)

    if case.ends is None:
        PLAYS[case.play](stage)
    else:
        stops(stage, case)


def stops(stage: Stage, case: Case) -> None:
    """The flow goes as far as it may, stops there for that reason, and nothing of it is kept or used."""
    step, reason = case.ends or ("", "")
    if step == BEGUN:
        stopped(stage.begin, reason)
        assert (stage.asked("authorize"), stage.connections()) == (0, ())
        return
    request = stage.coming_back(stage.begin())
    if step == FINISHED:
        stopped(lambda: stage.finish(request), reason)
        granted = reason.startswith("id_token_")
        stopped(lambda: stage.finish(request), "already_used" if granted else reason)
        assert stage.connections() == ()
        assert stage.asked("token", outcome="ok") == int(granted and case.response_type == "code")
        assert stage.asked("userinfo") == stage.asked("me") == 0
        return
    stage.finish(request)
    if step == USERINFO:
        stopped(stage.userinfo, reason)
        assert len(stage.connections()) == 1
        return
    assert step == REFRESHED
    assert isinstance(caught(stage.refresh), ValetkeyError)
    [connection] = stage.connections()
    assert (connection.last_error, connection.generation) == (reason, 1)  # the old tokens are what is kept


def stopped(act: Callable[[], Any], reason: str) -> None:
    error = caught(act)
    assert error is not None, f"it went through, and should have stopped: {reason}"
    assert reason_of(error) == reason


def caught(act: Callable[[], Any]) -> ValetkeyError | None:
    try:
        act()
    except RefreshInProgress as error:
        return error
    except ValetkeyError as error:
        return error
    return None


def goes_through(stage: Stage) -> None:
    """Connected, known by name, and the API answers."""
    connection = stage.connect()

    assert (connection.issuer, connection.subject) == (PROVIDER_URL, "alice")
    assert connection.scope == ("openid", "read")
    assert stage.userinfo().subject == "alice"
    assert stage.resource()["account"] == "alice"
    assert stage.sandbox.faults.pending() == ()  # every fault was met


def every_part_of_the_profile(stage: Stage) -> None:
    """Discovery, a pushed request, private_key_jwt, PKCE, a bound token with nonces, iss; signed where it says so."""
    goes_through(stage)

    assert stage.asked("metadata", outcome="ok") == 1
    assert stage.asked("pushed_authorization_request", outcome="ok") == 1
    assert stage.asked("token", outcome="use_dpop_nonce") == 1
    assert stage.asked("token", outcome="ok") == 1
    assert stage.asked("me", outcome="ok") == 1
    assert stage.asked("me", outcome="use_dpop_nonce") == 0  # the nonce of the origin was known by then
    assert {token.bound_to != "" for token in stage.sandbox.state.access_tokens.values()} == {True}


def without_nonces(stage: Stage) -> None:
    stage.sandbox.dpop_nonces = False

    goes_through(stage)

    assert stage.asked("token") == 1


def a_new_nonce_at_the_api(stage: Stage) -> None:
    """The nonce that was learned at the token endpoint has ended; the API says so in odd case."""
    stage.connect()
    stage.sandbox.faults.add(endpoint="me", fault="scheme_swapped")
    stage.world.clock.time += 301

    assert stage.resource()["account"] == "alice"
    assert [entry.outcome for entry in stage.sandbox.seen.entries("me")] == ["use_dpop_nonce", "ok"]
    stage.world.clock.time += 301
    assert stage.userinfo().subject == "alice"
    assert [entry.outcome for entry in stage.sandbox.seen.entries("userinfo")] == ["use_dpop_nonce", "ok"]
    assert stage.asked("token", grant_type="refresh_token") == 0  # no token was refused


def client_secret_basic(stage: Stage) -> None:
    """The sandbox registered it for this method alone."""
    assert stage.world.client.authentication == "client_secret_basic"

    goes_through(stage)


def metadata_and_keys(stage: Stage) -> None:
    goes_through(stage)

    assert stage.asked("metadata", outcome="ok") == stage.asked("jwks", outcome="ok") == 1


def a_nonce_is_sent(stage: Stage) -> None:
    """Each flow has its own."""
    nonces = [dict(read_form(stage.begin().location.partition("?")[2]))["nonce"] for _ in range(2)]

    assert len({nonce for nonce in nonces if len(nonce) == 22}) == 2


def refreshed(stage: Stage) -> None:
    stage.connect()

    stage.refresh()

    assert stage.userinfo().subject == "alice"
    assert [connection.generation for connection in stage.connections()] == [2]
    assert stage.asked("token", grant_type="refresh_token", outcome="ok") == 1


def refused_at_the_api(stage: Stage) -> None:
    """The provider gives out a new refresh token each time, as FAPI 2.0 lets it for good reasons."""
    stage.sandbox.register(replace(stage.world.client, rotation="window"))
    stage.connect()

    for _ in range(2):
        stage.world.clock.time += 60
        stage.sandbox.faults.add(endpoint="me", fault="status", status=401)
        assert stage.resource()["account"] == "alice"

    assert stage.asked("token", grant_type="refresh_token", outcome="ok") == 2
    assert [connection.generation for connection in stage.connections()] == [3]


def registered_on_the_way(stage: Stage) -> None:
    """The vault knows a URL, and nothing of the provider."""
    url = f"{PROVIDER_URL}/oauth2/me"

    stage.finish(stage.coming_back(stage.did(stage.vault.begin_mcp_authorization(url, "alice"))))

    assert stage.resource(url)["account"] == "alice"
    assert stage.asked("register", outcome="ok") == 1


def aliases(stage: Stage) -> None:
    """A name that is for clients with a certificate alone; the browser goes to the usual one."""
    stage.connect()

    assert stage.userinfo().subject == "alice"
    assert stage.terminator.certified == ["/oauth2/token", "/oauth2/userinfo"]


def userinfo_is_signed(stage: Stage) -> None:
    """And one that is spoilt is not read."""
    stage.sandbox.register(replace(stage.world.client, userinfo_signed_response_alg="RS256"))
    stage.connect()

    assert (stage.userinfo().subject, stage.userinfo().claims["name"]) == ("alice", "Alice Liddell")
    for fault in ("signature_wrong", "alg_none", "alg_symmetric", "kid_wrong", "iss_wrong", "aud_wrong", "encrypted"):
        stage.sandbox.faults.add(endpoint="userinfo", fault=fault)
        stopped(stage.userinfo, "malformed_response")


def claims_by_scope(stage: Stage) -> None:
    wanted = ("openid", "profile", "email", "phone", "address")
    stage.finish(stage.coming_back(stage.begin(scope=wanted)))

    claims = stage.userinfo().claims

    assert {"preferred_username", "email", "phone_number", "address"} <= set(claims)


def keys_rotated_between_flows(stage: Stage) -> None:
    stage.connect()
    stage.sandbox.signing_keys.rotate()

    assert stage.connect().subject == "alice"
    assert stage.asked("jwks", outcome="ok") == 2


def userinfo_by_header(stage: Stage) -> None:
    """The sandbox takes it nowhere else (`bearer_token_valid`)."""
    stage.connect()

    assert stage.userinfo().subject == "alice"
    assert stage.asked("userinfo", method="GET", outcome="ok") == 1


def an_error_by_form_post(stage: Stage) -> None:
    request = stage.coming_back(stage.begin(), decision="deny")

    stopped(lambda: stage.finish(request), "access_denied")

    assert request.method == "POST"
    assert stage.connections() == ()


PLAYS: dict[str, Callable[[Stage], None]] = {
    "": goes_through,
    "every part of the profile": every_part_of_the_profile,
    "without nonces": without_nonces,
    "a new nonce at the API": a_new_nonce_at_the_api,
    "client_secret_basic": client_secret_basic,
    "metadata and keys": metadata_and_keys,
    "a nonce is sent": a_nonce_is_sent,
    "refreshed": refreshed,
    "refused at the API": refused_at_the_api,
    "registered on the way": registered_on_the_way,
    "aliases": aliases,
    "userinfo is signed": userinfo_is_signed,
    "claims by scope": claims_by_scope,
    "keys rotated between flows": keys_rotated_between_flows,
    "userinfo by header": userinfo_by_header,
    "an error by form_post": an_error_by_form_post,
}
