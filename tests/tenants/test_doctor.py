"""The doctor and providers whose tenants have hosts of their own: only named tenants are asked, all else is looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.tenants.tenancy import Tenancy

from valetkey.connections.doctor import diagnose
from valetkey.http import Headers, Request
from valetkey.value import replace

if TYPE_CHECKING:
    from valetkey.connections.doctor import Finding

HERE = Request("GET", "/oauth/connections", Headers((("Host", "app.example"),)))


def looked(tenancy: Tenancy, *tenants: str) -> tuple[list[Finding], set[str]]:
    """What was found, and the hosts that were asked."""
    world = tenancy.world
    world.network.sent.clear()
    asked: list[str] = []
    send = tenancy.send

    def noting(effect: Any) -> Any:
        asked.append(effect.request.url.split("/")[2])
        return send(effect)

    from valetkey.effects import Send

    world.ports._performers[Send] = noting
    found = list(world.run(diagnose(world.settings, request=HERE, tenants=tenants)).findings)
    assert all(one.advice for one in found)
    return [one for one in found if one.about.startswith("desk") or one.about == "tenants"], {
        host for host in asked if host.endswith(".desk.example")
    }


def with_secret_that_ends(tenancy: Tenancy, day: str) -> Tenancy:
    world = tenancy.world
    desk = world.settings.tenants["desk"]

    def make(tenant: str) -> Any:
        return replace(desk.make(tenant), client_secret_expires=day, accept_password_grant=True)

    world.settings = replace(world.settings, tenants={"desk": replace(desk, make=make, kept={})})
    return tenancy


def test_what_needs_no_tenant_is_told_without_asking_anybody() -> None:
    tenancy = with_secret_that_ends(Tenancy("acme"), "2020-01-01")

    found, asked = looked(tenancy)

    assert asked == set()
    assert {(one.level, one.about, one.check) for one in found} >= {
        ("problem", "desk", "secret_age"),
        ("warning", "desk", "opt_in"),
        ("note", "desk", "redirect_uri"),
        ("note", "desk", "tenant"),
    }
    assert [one.advice for one in found if one.check == "tenant"] == [
        "name one, `valetkey doctor --tenant desk:TENANT`, or vault.doctor(tenants=('desk:TENANT',))"
    ]


def test_a_named_tenant_is_asked_and_no_other() -> None:
    tenancy = with_secret_that_ends(Tenancy("acme", "other"), "2020-01-01")
    tenancy.sandboxes["acme"].now = lambda: tenancy.world.clock.time + 7200

    found, asked = looked(tenancy, "desk:acme")

    assert asked == {"acme.desk.example"}
    assert [one.check for one in found if one.check in ("secret_age", "opt_in")] == ["secret_age", "opt_in"]  # once
    assert "its redirect URI is https://app.example/oauth/callback/desk:acme" in [one.what for one in found]
    whole = tenancy.world.run(diagnose(tenancy.world.settings, request=HERE, tenants=("desk:acme",)))
    assert [one.level for one in whole.findings if one.check == "clock"] == ["problem"]


def test_the_tenants_that_a_registration_is_limited_to_are_asked_unnamed() -> None:
    _, asked = looked(Tenancy("acme", "other", allowed=("acme", "other")))

    assert asked == {"acme.desk.example", "other.desk.example"}


def test_of_many_tenants_a_few_are_asked_and_the_rest_is_told() -> None:
    names = tuple(f"t{number}" for number in range(8))

    found, asked = looked(Tenancy(*names, allowed=names))

    assert len(asked) == 5
    assert "3 of its tenants were not asked" in [one.what for one in found]


def test_a_tenant_that_does_not_answer_is_a_problem() -> None:
    found, _ = looked(Tenancy("acme"), "desk:nobody")

    assert [(one.about, one.level) for one in found if one.check == "reach"] == [("desk:nobody", "problem")]


@pytest.mark.parametrize("context", ["desk", "desk:", "desk:A.B", "desk:evil.example/x", "two:acme", "\x1b[31m:x", ""])
def test_what_is_no_tenants_context_is_a_problem_and_asks_nobody(context: str) -> None:
    found, asked = looked(Tenancy("acme"), context)

    (problem,) = [one for one in found if one.check == "tenant" and one.level == "problem"]
    assert "\x1b" not in problem.what
    assert asked == set()


def test_a_tenant_outside_the_registrations_limits_is_a_problem() -> None:
    found, asked = looked(Tenancy("acme", "other", allowed=("acme",)), "desk:other")

    assert [one.what for one in found if one.level == "problem"] == ["other is no tenant of it"]
    assert asked == set()
