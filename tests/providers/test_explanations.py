"""What a provider means by its error codes, from the catalog, wherever somebody meets the error."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from tests.connections.steps import expired, token, world_of
from tests.providers.test_the_catalog import NAMES, problems_of, sound
from tests.trace.recording import watch

from valetkey.cli.commands import valetkey as command
from valetkey.cli.output import report
from valetkey.connections.authorize import begin_authorization, finish_authorization
from valetkey.errors import (
    AuthorizationDenied,
    CallbackError,
    Explanation,
    ProviderError,
    ReauthorizationRequired,
    find_explanation,
)
from valetkey.http import Headers, Request, Response
from valetkey.oauth1.answers import check_success, read_token_credentials
from valetkey.oauth2.authorization import read_authorization_response
from valetkey.oauth2.error_response import error_response
from valetkey.oauth2.server import AuthorizationServer
from valetkey.providers import schema
from valetkey.providers.catalog import load_provider, read_provider
from valetkey.sandbox import approve
from valetkey.testing.world import callback_request
from valetkey.value import replace
from valetkey.web.pages import render_refusal
from valetkey.web.refusals import describe
from valetkey.web.routes import respond

if TYPE_CHECKING:
    from valetkey.effects import Op
    from valetkey.testing.world import World

EXPLAINED = [(name, one) for name in NAMES for one in load_provider(name).server.errors]
GITHUB = load_provider("github").server


def answered(body: dict[str, Any], server: Any = GITHUB, status: int = 200) -> ProviderError:
    response = Response(status, Headers((("Content-Type", "application/json"),)), json.dumps(body).encode())
    return error_response(server, response, received_at=0)


@pytest.mark.parametrize(("name", "one"), EXPLAINED, ids=lambda part: getattr(part, "code", part))
def test_an_explanation_is_short_dated_and_from_a_page(name: str, one: Explanation) -> None:
    assert one.source.startswith("https://")
    assert schema.is_date(one.verified_on)
    assert not one.means.endswith(".")
    assert not one.advice.endswith(".")
    assert len(one.means) + len(one.advice) < 2 * schema.MAX_EXPLANATION


def test_a_code_of_the_providers_own_is_told_with_what_it_means_and_stands_for() -> None:
    error = answered({"error": "bad_verification_code", "error_description": "canary"})

    assert error.error == "invalid_grant"
    assert error.explanation is not None
    assert error.explanation.code == "bad_verification_code"
    assert str(error) == (
        "the provider answered 200 invalid_grant (bad_verification_code): the code is wrong, expired, or not the one of "
        f"this authorization; start the authorization again to get a new one ({error.explanation.source})"
    )


def test_a_code_that_nobody_explains_is_told_as_before() -> None:
    error = answered({"error": "made_up"})

    assert error.explanation is None
    assert str(error) == "the provider answered 200 made_up: see the provider's documentation for this code"


def test_a_code_that_is_no_word_can_be_explained_too() -> None:
    table = sound()
    table["server"] = {
        **table["server"],  # type: ignore[dict-item]
        "errors": {
            "AB-1017": {
                "means": "the tenant is blocked",
                "advice": "ask its administrator",
                "source": "https://example.com/errors",
                "verified_on": "2026-11-27",
            }
        },
    }
    server = read_provider(table).server

    error = answered({"errors": [{"code": "AB-1017"}]}, server, 400)

    assert error.error == "provider_error"
    assert "provider_error (AB-1017): the tenant is blocked; ask its administrator" in str(error)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"means": "x" * 201}, "must be short"),
        ({"source": "http://example.com/"}, "must start with https"),
        ({"verified_on": "yesterday"}, "it must be a date"),
        ({"advise": "x"}, "advise is not a known key"),
        ({"means": None}, "means"),
    ],
)
def test_an_explanation_without_a_source_or_too_long_is_a_problem_of_the_entry(
    change: dict[str, Any], expected: str
) -> None:
    one = {"means": "a", "advice": "b", "source": "https://example.com/", "verified_on": "2026-11-27", **change}
    table = sound()
    table["server"] = {**table["server"], "errors": {"code": one}}  # type: ignore[dict-item]

    assert expected in problems_of(table)


@pytest.mark.parametrize("errors", [{"code": "text"}, {"x" * 65: {}}, {"": {}}])
def test_explanations_are_tables_under_codes(errors: dict[str, Any]) -> None:
    table = sound()
    table["server"] = {**table["server"], "errors": errors}  # type: ignore[dict-item]

    assert "it must be a table under a code" in problems_of(table)


def test_a_callback_with_the_providers_own_error_is_explained() -> None:
    assert isinstance(GITHUB, AuthorizationServer)

    with pytest.raises(CallbackError, match="GitHub has suspended the application") as caught:
        read_authorization_response((("error", "application_suspended"),), server=GITHUB)
    with pytest.raises(AuthorizationDenied, match="the person did not allow access") as denied:
        read_authorization_response((("error", "access_denied"),), server=GITHUB)

    assert caught.value.explanation is not None
    assert denied.value.explanation is not None


def test_oauth_problem_is_explained() -> None:
    errors = load_provider("sandbox-oauth1").server.errors
    refused = Response(401, Headers(), b"oauth_problem=nonce_used")

    with pytest.raises(ProviderError, match="the nonce was used before with this timestamp") as caught:
        check_success(refused, errors=errors)
    with pytest.raises(ProviderError, match="sign the request again"):
        read_token_credentials(replace(refused, status=200), errors=errors)

    assert caught.value.explanation is not None
    assert caught.value.explanation.code == "nonce_used"


def a_wrong_verifier(world: World) -> Request:
    redirect = world.run(begin_authorization(world.settings, "one", resource_owner="alice", cookies=()))
    came = callback_request(approve(world.sandbox.respond, redirect.location), redirect.set_cookies)
    head, _, _ = came.url.partition("oauth_verifier=")
    return replace(came, url=f"{head}oauth_verifier=wrong")


def test_the_page_says_what_the_provider_means_and_nothing_of_what_it_said() -> None:
    world = world_of()
    request = a_wrong_verifier(world)

    page = world.run(respond(world.settings, request, "alice"))

    text = page.body.decode()
    assert page.status == 400
    assert "What Sandbox (OAuth 1.0a) means by it: the verifier is not the one" in text
    assert "https://www.rfc-editor.org" not in text


def test_an_explanation_is_escaped_on_a_page() -> None:
    world = world_of()
    explained = Explanation("c", "<script>alert(1)</script> & more", "x", "https://example.com/", "2026-11-27")
    error = ProviderError("x", error="invalid_request", status=400, explanation=explained)

    page = render_refusal(world.settings, describe(error), registration="two").body.decode()

    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; more" in page


def test_the_whole_way_ends_with_the_explanation_in_the_error_and_in_the_trace() -> None:
    world = world_of()
    request = a_wrong_verifier(world)
    sink = watch(world)

    with pytest.raises(ProviderError, match="the verifier is not the one") as caught:
        _ = world.run(finish_authorization(world.settings, request, resource_owner="alice"))

    assert caught.value.error == "verifier_invalid"
    assert "the verifier is not the one that the resource owner was sent back with" in sink.traces()[0].outcome


def test_a_refresh_that_failed_is_explained() -> None:
    world = expired()
    world.sandbox.faults.add(endpoint="token", fault="error_with_status_200", error="unauthorized_client")

    def refresh() -> Op[Any]:
        return token(world)

    with pytest.raises(ProviderError, match="the client is not registered for this grant"):
        _ = world.run(refresh())


def test_the_command_line_prints_it(capsys: pytest.CaptureFixture[str]) -> None:
    error = answered({"error": "device_flow_disabled"})

    assert report(error, as_json=True) == 1
    said = json.loads(capsys.readouterr().err)
    assert said["explanation"]["means"] == "the device flow is not enabled in the application's settings"
    assert report(error, as_json=False) == 1
    assert "enable it there" in capsys.readouterr().err

    shown = CliRunner().invoke(command, ["providers", "show", "github"]).output
    assert "error: unverified_user_email" in shown
    assert "ask them to verify it, then connect again" in " ".join(shown.split())


def with_words(words: str, **more: Any) -> dict[str, Any]:
    one = {"means": "a", "advice": "b", "source": "https://example.com/", "verified_on": "2026-11-28", "in_text": True}
    table = sound()
    table["server"] = {**table["server"], "errors": {words: {**one, **more}}}  # type: ignore[dict-item]
    return table


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("AB-1017", True),
        ("ab-1017: the tenant is blocked", True),
        ("(AB-1017)", True),
        ("AB-10170 and AB-1017", True),
        ("AB-10170", False),
        ("XAB-1017", False),
        ("AB-1017\u0660", False),
        ("", False),
        ("x" * 5000 + " AB-1017", False),
    ],
)
def test_words_of_a_description_are_found_whole_in_any_case_and_near_its_beginning(text: str, found: bool) -> None:
    server = read_provider(with_words("AB-1017")).server

    error = answered({"error": "invalid_request", "error_description": text}, server, 400)

    assert (error.explanation is not None) is found
    assert error.error == "invalid_request"


def test_words_that_amount_to_another_code_are_acted_on_as_that_code() -> None:
    server = read_provider(with_words("token was invalid", stands_for="invalid_grant")).server
    assert isinstance(server, AuthorizationServer)

    error = answered({"error": "invalid_request", "error_description": "The token was invalid."}, server, 400)
    pairs = (("error", "invalid_request"), ("error_description", "token was invalid"))
    with pytest.raises(CallbackError) as caught:
        read_authorization_response(pairs, server=server)

    assert error.error == "invalid_grant"
    assert "400 invalid_grant (token was invalid): a; b" in str(error)
    assert "(invalid_grant): a; b" in str(caught.value)


def test_words_are_no_code_and_a_code_is_no_word() -> None:
    words, code = read_provider(with_words("slow")).server, read_provider(with_words("slow", in_text=False)).server

    assert answered({"error": "slow"}, words, 400).explanation is None
    assert answered({"error": "slow"}, code, 400).explanation is not None
    assert answered({"error": "x", "error_description": "slow"}, code, 400).explanation is None


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"in_text": "yes"}, "in_text: it must be true or false"),
        ({"stands_for": "made_up"}, "stands_for: it must be one of"),
        ({"in_text": False, "stands_for": "invalid_grant"}, "stands_for is for words in_text"),
    ],
)
def test_a_mistake_about_words_is_named(change: dict[str, Any], expected: str) -> None:
    assert expected in problems_of(with_words("words", **change))


def test_what_words_stand_for_is_not_for_oauth1() -> None:
    table = with_words("words", stands_for="invalid_grant") | {"protocol": "oauth1"}
    table["server"]["temporary_credentials_endpoint"] = "https://example.com/initiate"

    assert "stands_for is a word of OAuth 2.0" in problems_of(table)


@given(text=st.text() | st.from_regex(r"[ ab.]{0,12}(a b)?[ ab.]{0,12}"), words=st.sampled_from(["a b", "b", "a.b"]))
def test_whole_words_are_found_as_a_reader_would(text: str, words: str) -> None:
    one = Explanation(words, "m", "a", "https://example.com/", "2026-11-28", in_text=True)

    found = find_explanation((one,), (), text=text)

    around = rf"(?<![^\W_]){re.escape(words)}(?![^\W_])"
    assert (found is not None) == bool(re.search(around, text.lower()))


def test_who_must_connect_again_is_told_why_on_the_page_and_on_the_command_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    world = expired()
    world.sandbox.faults.add(endpoint="token", fault="error_with_status_200", error="invalid_grant")

    with pytest.raises(
        ReauthorizationRequired, match=r"\(invalid_grant\): the code or refresh token was used"
    ) as caught:
        _ = world.run(token(world))

    page = render_refusal(world.settings, describe(caught.value), registration="two").body.decode()
    assert "the code or refresh token was used before" in page
    assert report(caught.value, as_json=True) == 1
    said = json.loads(capsys.readouterr().err)
    assert (said["reason"], said["explanation"]["code"]) == ("invalid_grant", "invalid_grant")
