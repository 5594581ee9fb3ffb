"""The OAuth 2.0 authorization endpoint: what it takes, what it refuses, and where refusals go."""

from __future__ import annotations

import pytest
from tests.sandbox.steps import APP, BASE_URL, OTHER_URI, REDIRECT_URI, Bench, callback

from valetkey.sandbox import SandboxClient, approve
from valetkey.sandbox.visitor import Visitor
from valetkey.value import replace

LONG = "a" * 43


def test_a_consented_request_comes_back_with_code_state_and_issuer() -> None:
    bench = Bench()

    came_back = approve(bench.sandbox.respond, bench.location())

    assert came_back.startswith(REDIRECT_URI + "?")
    found = callback(came_back)
    assert found.pop("code")
    assert found == {"state": "s t&te", "iss": BASE_URL}


def test_a_denial_comes_back_with_error_state_and_issuer() -> None:
    bench = Bench()

    found = callback(approve(bench.sandbox.respond, bench.location(), decision="deny"))

    del found["error_description"]
    assert found == {"error": "access_denied", "state": "s t&te", "iss": BASE_URL}
    assert bench.sandbox.state.codes == {}


def test_without_state_none_is_sent_back() -> None:
    bench = Bench()

    found = callback(approve(bench.sandbox.respond, bench.location(state=None)))

    assert set(found) == {"code", "iss"}


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": None}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": "code token"}, "unsupported_response_type"),
        ({"response_mode": "fragment"}, "invalid_request"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge": None, "code_challenge_method": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"code_challenge": LONG[:-1]}, "invalid_request"),
        ({"code_challenge": LONG[:-1] + "="}, "invalid_request"),
        ({"scope": "read admin"}, "invalid_scope"),
        ({"scope": "read  write"}, "invalid_scope"),
        ({"scope": 'read"'}, "invalid_scope"),
        ({"prompt": "none login"}, "invalid_request"),
        ({"prompt": "pretty"}, "invalid_request"),
        ({"prompt": "none"}, "login_required"),
    ],
)
def test_a_wrong_request_from_a_proved_redirect_uri_goes_back_there(changes: dict[str, str], error: str) -> None:
    bench = Bench()

    response = bench.get(bench.location(**changes))

    assert response.status == 303
    location = response.headers.get("Location") or ""
    assert location.startswith(REDIRECT_URI + "?")
    found = callback(location)
    assert (found["error"], found["state"], found["iss"]) == (error, "s t&te", BASE_URL)
    assert bench.sandbox.seen.count("authorize", outcome=error) == 1


@pytest.mark.parametrize(
    "redirect_uri",
    [
        REDIRECT_URI + "/",
        REDIRECT_URI + "?x=1",
        REDIRECT_URI.upper(),
        REDIRECT_URI.replace("https", "http"),
        REDIRECT_URI + "/../evil",
        "https://app.example@evil.example/oauth/callback/sandbox",
        OTHER_URI,
        "javascript:alert(1)",
    ],
)
@pytest.mark.parametrize(
    "changes", [{}, {"response_type": "token"}, {"scope": "admin"}, {"prompt": "none"}, {"code_challenge": None}]
)
def test_no_error_of_any_kind_is_redirected_to_an_unregistered_uri(
    redirect_uri: str, changes: dict[str, str | None]
) -> None:
    bench = Bench()

    response = bench.get(bench.location(redirect_uri=redirect_uri, **changes))

    assert (response.status, response.headers.get("Location")) == (400, None)
    assert b"evil" not in response.body


@pytest.mark.parametrize("client_id", [None, "", "nobody", "app\0", "app "])
def test_an_unknown_client_is_told_so_on_a_page(client_id: str | None) -> None:
    bench = Bench()

    response = bench.get(bench.location(client_id=client_id))

    assert (response.status, response.headers.get("Location")) == (400, None)


def test_the_redirect_uri_may_be_left_out_only_where_one_is_registered() -> None:
    two = replace(APP, client_id="two", redirect_uris=(REDIRECT_URI, OTHER_URI))
    bench = Bench(APP, two)

    assert approve(bench.sandbox.respond, bench.location(redirect_uri=None)).startswith(REDIRECT_URI)
    assert bench.get(bench.location(redirect_uri=None, client_id="two")).status == 400


@pytest.mark.parametrize("name", ["client_id", "redirect_uri"])
def test_a_repeated_client_or_redirect_uri_stays_on_the_page(name: str) -> None:
    bench = Bench()

    response = bench.get(bench.location() + f"&{name}=app")

    assert response.headers.get("Location") is None or name == "client_id"
    assert response.status in (303, 400)
    assert bench.sandbox.seen.count("authorize", outcome="invalid_request") == 1


def test_a_repeated_state_is_refused_and_not_sent_back() -> None:
    bench = Bench()

    location = bench.get(bench.location() + "&state=another").headers.get("Location") or ""

    assert "state" not in callback(location)
    assert callback(location)["error"] == "invalid_request"


def test_a_broken_escape_is_refused_on_a_page() -> None:
    bench = Bench()

    assert bench.get(bench.location() + "&x=%zz").status == 400
    assert bench.get(bench.location() + "&x=%ff").status == 400


def test_a_client_that_is_registered_so_may_go_without_pkce_but_not_with_plain() -> None:
    old = replace(APP, pkce_required=False)
    bench = Bench(old)
    without: dict[str, str | None] = {"code_challenge": None, "code_challenge_method": None}

    assert bench.code(**without)
    assert "error=invalid_request" in (
        bench.get(bench.location(code_challenge_method="plain")).headers.get("Location") or ""
    )


def test_prompt_none_gives_a_code_only_for_what_was_consented_to_that_client() -> None:
    other = SandboxClient("other", None, redirect_uris=(REDIRECT_URI,))
    bench = Bench(APP, other)
    visitor = Visitor(bench.sandbox.respond)
    answers = {"account": "alice", "password": "wonderland", "decision": "allow"}

    def silent(**changes: str) -> dict[str, str]:
        response = visitor.request("GET", bench.location(prompt="none", **changes))
        return callback(response.headers.get("Location") or "")

    visitor.walk(bench.location(), answers)

    assert "code" in silent()
    assert silent(scope="write")["error"] == "consent_required"
    assert silent(client_id="other")["error"] == "consent_required"


def test_prompt_login_asks_a_signed_in_visitor_for_the_password_again() -> None:
    bench = Bench()
    visitor = Visitor(bench.sandbox.respond)
    answers = {"account": "alice", "password": "wonderland", "decision": "allow"}
    visitor.walk(bench.location(), answers)

    plain = visitor.request("GET", bench.location())
    again = visitor.request("GET", bench.location(prompt="login"))

    assert b"Allow The App" in plain.body
    assert b"Who are you today" in again.body
    assert "code" in callback(visitor.walk(bench.location(prompt="login"), answers))


def test_the_issuer_can_be_kept_out_of_answers_as_older_servers_do() -> None:
    bench = Bench(iss_in_responses=False)

    assert "iss" not in callback(approve(bench.sandbox.respond, bench.location()))
    assert (
        b'"authorization_response_iss_parameter_supported":false'
        in bench.get("/.well-known/oauth-authorization-server").body
    )


@pytest.mark.parametrize(
    "uri",
    ["http://app.example/cb", "https://app.example/cb#x", "/cb", "javascript:x", "https://app.example/ cb", "data:x"],
)
def test_a_client_cannot_be_registered_with_a_redirect_uri_that_is_unsafe(uri: str) -> None:
    with pytest.raises(Exception, match="redirect URI"):
        SandboxClient("x", redirect_uris=(uri,))


@pytest.mark.parametrize("uri", ["https://a.example/cb?x=1", "http://127.0.0.1:8000/cb", "com.example.app:/cb"])
def test_https_loopback_and_private_scheme_redirect_uris_are_registered(uri: str) -> None:
    bench = Bench(replace(APP, redirect_uris=(uri,)))

    came_back = approve(bench.sandbox.respond, bench.location(redirect_uri=uri))

    assert came_back.startswith(uri + ("&code=" if "?" in uri else "?code="))
