"""How the sandbox's authorization responses go back: redirected, posted, signed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.sandbox.steps import APP, BASE_URL, REDIRECT_URI, Bench, callback

from valetkey.http import Request
from valetkey.sandbox import approve, approve_posting
from valetkey.sandbox.visitor import VisitFailed, read_forms
from valetkey.value import replace

if TYPE_CHECKING:
    from valetkey.http import Response

MODES = ("query", "form_post", "jwt", "query.jwt", "form_post.jwt")


def answered(bench: Bench, mode: str, **visit: Any) -> dict[str, str]:
    location = bench.location(response_mode=mode)
    if not mode.startswith("form_post"):
        return callback(approve(bench.sandbox.respond, location, **visit))
    target, fields = approve_posting(bench.sandbox.respond, location, **visit)
    assert target == REDIRECT_URI
    return dict(fields)


def read_signed(bench: Bench, text: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims, verified by another library with the published keys."""
    from joserfc import jwt
    from joserfc.jwk import KeySet

    keys = json.loads(bench.sandbox.respond(Request("GET", f"{BASE_URL}/oauth2/jwks")).body)
    token = jwt.decode(text, KeySet.import_key_set(keys), algorithms=["RS256", "PS256", "ES256"])
    return dict(token.header), dict(token.claims)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("decision", ["allow", "deny"])
def test_every_mode_brings_the_same_answer(mode: str, decision: str) -> None:
    bench = Bench()

    found = answered(bench, mode, decision=decision)

    if mode.endswith("jwt"):
        assert set(found) == {"response"}
        _, found = read_signed(bench, found["response"])
        assert found.pop("aud") == "app"
        assert float(found.pop("exp")) == bench.clock.time + 300
    assert (found["state"], found["iss"]) == ("s t&te", BASE_URL)
    assert ("code" in found, found.get("error")) == ((True, None) if decision == "allow" else (False, "access_denied"))


@pytest.mark.parametrize("mode", MODES)
def test_a_refused_request_is_told_in_the_mode_that_it_asks_for(mode: str) -> None:
    bench = Bench()

    response = bench.get(bench.location(response_mode=mode, scope="admin"))

    assert response.status == (200 if mode.startswith("form_post") else 303)
    found = form_of(response) if mode.startswith("form_post") else callback(response.headers.get("Location") or "")
    if mode.endswith("jwt"):
        _, found = read_signed(bench, found["response"])
    assert (found["error"], found["state"], found["iss"]) == ("invalid_scope", "s t&te", BASE_URL)


def form_of(response: Response) -> dict[str, str]:
    [form] = read_forms(response.body.decode())
    assert form.action == REDIRECT_URI
    return form.fields


@pytest.mark.parametrize("mode", ["fragment", "fragment.jwt", "web_message", "QUERY"])
def test_a_mode_that_there_is_not_is_refused_in_the_query(mode: str) -> None:
    bench = Bench()

    response = bench.get(bench.location(response_mode=mode))

    assert callback(response.headers.get("Location") or "")["error"] == "invalid_request"


@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES256"])
def test_an_answer_is_signed_as_the_client_is_registered(algorithm: Any) -> None:
    bench = Bench(replace(APP, authorization_signed_response_alg=algorithm))

    header, _ = read_signed(bench, answered(bench, "query.jwt")["response"])

    assert (header["alg"], header["typ"]) == (algorithm, "JWT")


def test_the_page_that_posts_escapes_what_it_posts_and_runs_one_line_of_script() -> None:
    bench = Bench()
    state = "\"><script>alert(1)</script>&'"

    response = bench.get(bench.location(response_mode="form_post", scope="admin", state=state))

    page, policy = response.body.decode(), response.headers.get("Content-Security-Policy") or ""
    assert "alert(1)</script>" not in page
    assert form_of(response)["state"] == state
    assert page.count("<script>") == 1
    assert "script-src 'sha256-" in policy
    assert "https://app.example" in policy
    assert "unsafe" not in policy
    assert response.headers.get("Cache-Control") == "no-store"


def test_every_other_page_runs_no_script() -> None:
    bench = Bench()

    response = bench.get(bench.location())

    assert "script-src" not in (response.headers.get("Content-Security-Policy") or "")
    assert "<script" not in response.body.decode()


def test_a_visitor_says_that_the_answer_is_posted_or_is_not() -> None:
    bench = Bench()

    with pytest.raises(VisitFailed, match="approve_posting"):
        approve(bench.sandbox.respond, bench.location(response_mode="form_post"))
    with pytest.raises(VisitFailed, match="use approve"):
        approve_posting(bench.sandbox.respond, bench.location())


def test_the_metadata_lists_the_modes_and_how_answers_are_signed() -> None:
    bench = Bench()

    found = json.loads(bench.get(f"{BASE_URL}/.well-known/oauth-authorization-server").body)

    assert found["response_modes_supported"] == list(MODES)
    assert found["authorization_signing_alg_values_supported"] == ["RS256", "PS256", "ES256"]
