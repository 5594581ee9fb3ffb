"""Refreshing, in every rotation mode, with replays."""

from __future__ import annotations

from typing import Any

import pytest
from tests.sandbox.steps import APP, OTHER, Bench, fields, refusal

from valetkey.errors import ConfigurationError
from valetkey.sandbox import SandboxClient
from valetkey.value import replace

BAD_GRANT = (400, "invalid_grant")


def rotating(mode: str, **options: Any) -> Bench:
    return Bench(replace(APP, rotation=mode, **options), OTHER)


def next_token(bench: Bench, refresh_token: str) -> str:
    found: str = fields(bench.refresh(refresh_token))["refresh_token"]
    return found


@pytest.mark.parametrize("mode", ["none", "stable", "window", "until_new_used", "strict", "strict_family"])
def test_every_mode_gives_a_new_access_token_of_the_same_scope(mode: str) -> None:
    bench = rotating(mode)
    first = bench.tokens(scope="read write")

    second = fields(bench.refresh(first["refresh_token"]))

    assert second["access_token"] != first["access_token"]
    assert second["scope"] == "read write"
    assert bench.works(first["access_token"])
    assert bench.works(second["access_token"])


def test_mode_none_repeats_no_refresh_token_and_the_old_one_stays() -> None:
    bench = rotating("none")
    kept = bench.tokens()["refresh_token"]

    for _ in range(3):
        assert "refresh_token" not in fields(bench.refresh(kept))
        bench.clock.sleep(1000)


def test_mode_stable_repeats_the_same_refresh_token() -> None:
    bench = rotating("stable")
    kept = bench.tokens()["refresh_token"]

    assert next_token(bench, kept) == next_token(bench, kept) == kept


def test_mode_strict_takes_a_refresh_token_once_and_spares_its_successor() -> None:
    bench = rotating("strict")
    first = bench.tokens()["refresh_token"]
    second = next_token(bench, first)

    assert refusal(bench.refresh(first)) == BAD_GRANT
    assert bench.refresh(second).status == 200


def test_mode_strict_family_ends_the_grant_at_a_replay() -> None:
    bench = rotating("strict_family")
    tokens = bench.tokens()
    renewed = fields(bench.refresh(tokens["refresh_token"]))

    assert refusal(bench.refresh(tokens["refresh_token"])) == BAD_GRANT
    assert refusal(bench.refresh(renewed["refresh_token"])) == BAD_GRANT
    assert not bench.works(tokens["access_token"])
    assert not bench.works(renewed["access_token"])


def test_a_replay_in_one_grant_leaves_the_same_clients_other_grants_alone() -> None:
    bench = rotating("strict_family")
    one, two = bench.tokens(), bench.tokens()
    bench.refresh(one["refresh_token"])

    bench.refresh(one["refresh_token"])

    assert bench.refresh(two["refresh_token"]).status == 200


@pytest.mark.parametrize(("seconds", "status"), [(0, 200), (59, 200), (60, 400), (3600, 400)])
def test_mode_window_takes_the_previous_token_for_its_seconds(seconds: int, status: int) -> None:
    bench = rotating("window", window_seconds=60)
    first = bench.tokens()["refresh_token"]
    bench.refresh(first)

    bench.clock.sleep(seconds)

    assert bench.refresh(first).status == status


def test_mode_window_counts_from_the_first_use_not_from_the_last() -> None:
    bench = rotating("window", window_seconds=60)
    first = bench.tokens()["refresh_token"]
    bench.refresh(first)
    bench.clock.sleep(40)
    bench.refresh(first)

    bench.clock.sleep(40)

    assert refusal(bench.refresh(first)) == BAD_GRANT


def test_mode_window_keeps_both_successors_of_a_repeated_token() -> None:
    bench = rotating("window")
    first = bench.tokens()["refresh_token"]
    lost, received = next_token(bench, first), next_token(bench, first)

    assert bench.refresh(received).status == 200
    assert bench.refresh(lost).status == 200


@pytest.mark.parametrize("mode", ["window", "until_new_used"])
def test_a_grandparent_token_is_refused_inside_the_window_and_ends_the_grant(mode: str) -> None:
    bench = rotating(mode)
    first = bench.tokens()["refresh_token"]
    second = next_token(bench, first)
    third = next_token(bench, second)

    assert refusal(bench.refresh(first)) == BAD_GRANT
    assert refusal(bench.refresh(third)) == BAD_GRANT


def test_whether_reuse_ends_the_grant_can_be_set_for_a_client() -> None:
    bench = rotating("window", window_seconds=0, reuse_kills_family=False)
    first = bench.tokens()["refresh_token"]
    second = next_token(bench, first)

    assert refusal(bench.refresh(first)) == BAD_GRANT
    assert bench.refresh(second).status == 200


def test_mode_until_new_used_takes_the_previous_token_however_late_until_the_new_one_is_used() -> None:
    bench = rotating("until_new_used", reuse_kills_family=False)
    first = bench.tokens()["refresh_token"]
    next_token(bench, first)
    bench.clock.sleep(86_400)
    second = next_token(bench, first)

    bench.refresh(second)

    assert refusal(bench.refresh(first)) == BAD_GRANT


@pytest.mark.parametrize("mode", ["none", "window", "until_new_used", "strict", "strict_family"])
def test_a_revoked_token_is_refused_even_inside_its_window(mode: str) -> None:
    bench = rotating(mode)
    first = bench.tokens()
    second = fields(bench.refresh(first["refresh_token"]))
    newest = second.get("refresh_token", first["refresh_token"])

    bench.post("/oauth2/revoke", token=newest, client_id="app", client_secret="app-secret")

    assert refusal(bench.refresh(first["refresh_token"])) == BAD_GRANT
    assert not bench.works(second["access_token"])


@pytest.mark.parametrize("mode", ["none", "window", "strict", "strict_family"])
def test_another_clients_attempt_is_refused_and_spends_nothing(mode: str) -> None:
    bench = rotating(mode)
    mine = bench.tokens()["refresh_token"]

    assert refusal(bench.refresh(mine, client_id="other", client_secret="other-secret")) == BAD_GRANT
    assert bench.refresh(mine).status == 200


def test_an_unauthenticated_attempt_spends_nothing() -> None:
    bench = rotating("strict_family")
    mine = bench.tokens()["refresh_token"]

    assert refusal(bench.refresh(mine, client_secret="wrong")) == (401, "invalid_client")
    assert bench.refresh(mine).status == 200


@pytest.mark.parametrize(("scope", "status"), [("read", 200), ("read write", 400), ("write", 400), ("read  read", 400)])
def test_a_refresh_may_narrow_the_scope_and_never_widen_it(scope: str, status: int) -> None:
    bench = rotating("strict_family")
    mine = bench.tokens(scope="read")["refresh_token"]

    response = bench.refresh(mine, scope=scope)

    assert response.status == status
    if status == 400:
        assert refusal(response) == (400, "invalid_scope")
        assert bench.refresh(mine).status == 200  # nothing was written


def test_a_narrowed_access_token_does_not_narrow_the_grant() -> None:
    bench = rotating("strict")
    first = bench.tokens(scope="read write")["refresh_token"]

    narrowed = fields(bench.refresh(first, scope="read"))

    assert narrowed["scope"] == "read"
    assert fields(bench.refresh(narrowed["refresh_token"]))["scope"] == "read write"


def test_an_access_token_is_no_refresh_token() -> None:
    bench = rotating("none")

    assert refusal(bench.refresh(bench.tokens()["access_token"])) == BAD_GRANT
    assert refusal(bench.refresh("unknown")) == BAD_GRANT
    assert refusal(bench.refresh("")) == (400, "invalid_request")


def test_old_access_tokens_die_at_a_refresh_where_the_provider_does_so() -> None:
    bench = rotating("strict", old_access_dies=True)
    first = bench.tokens()
    sibling = bench.tokens()

    second = fields(bench.refresh(first["refresh_token"]))

    assert not bench.works(first["access_token"])
    assert bench.works(second["access_token"])
    assert bench.works(sibling["access_token"])


def test_an_access_token_lives_as_long_as_the_client_is_configured_for() -> None:
    bench = rotating("strict", access_token_seconds=300)
    found = bench.tokens()

    assert found["expires_in"] == 300
    bench.clock.sleep(299)
    assert bench.works(found["access_token"])
    bench.clock.sleep(1)
    assert not bench.works(found["access_token"])


def test_a_client_without_refresh_tokens_gets_none() -> None:
    bench = rotating("strict", refresh_tokens=False)

    assert "refresh_token" not in bench.tokens()


def test_a_grant_ends_after_ninety_days_without_use() -> None:
    bench = rotating("none")
    mine = bench.tokens()["refresh_token"]

    bench.clock.sleep(90 * 86_400)

    assert refusal(bench.refresh(mine)) == BAD_GRANT


def test_an_unknown_rotation_mode_is_refused_with_the_names_of_those_there_are() -> None:
    with pytest.raises(ConfigurationError, match="until_new_used"):
        SandboxClient("x", rotation="sometimes")  # type: ignore[arg-type]
