"""What an endpoint's error comes to, where the entry explains it and where nobody does (RFC 6749 section 5.2)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.oauth2.peer import NOW, SERVER, answer

from valetkey.errors import Explanation, MalformedResponse, ProviderError, in_words
from valetkey.http import FORM
from valetkey.oauth2.error_response import error_response, read_answer
from valetkey.value import replace

if TYPE_CHECKING:
    from valetkey.oauth2.server import AuthorizationServer

SUBCODE = Explanation("1234", "the app waits for its review", "ask for it", "https://docs.example/a", "2026-01-01")
GRANT = Explanation("invalid_grant", "the device was removed", "connect again", "https://docs.example/b", "2026-01-01")
WORDS = replace(SUBCODE, code="app is disabled", means="the app was switched off", in_text=True)
SERVERS_OWN = replace(SERVER, errors=(SUBCODE, GRANT, WORDS))


def error_of(members: dict[str, Any], server: AuthorizationServer = SERVERS_OWN) -> ProviderError:
    return error_response(server, answer(json.dumps(members), status=400), received_at=NOW)


def test_a_code_that_the_entry_explains_is_told_in_its_words() -> None:
    error = error_of({"error": "invalid_grant", "error_description": "canary"})

    assert (error.error, error.explanation) == ("invalid_grant", GRANT)
    assert str(error) == f"the provider answered 400 invalid_grant: {in_words(GRANT)}"


def test_a_code_of_the_providers_own_is_shown_beside_the_registered_one() -> None:
    error = error_of({"error": "invalid_request", "error_code": 1234, "error_description": "canary"})

    assert (error.error, error.explanation) == ("invalid_request", SUBCODE)
    assert str(error) == f"the provider answered 400 invalid_request (1234): {in_words(SUBCODE)}"


def test_of_two_codes_that_are_explained_the_first_counts() -> None:
    assert error_of({"error": "invalid_grant", "error_code": 1234}).explanation == GRANT


def test_words_of_a_description_are_found_before_codes() -> None:
    said = {"error": "invalid_grant", "error_description": "This App is disabled, canary"}

    assert error_of(said).explanation == WORDS
    assert error_of(said).error == "invalid_grant"
    assert error_of(said, replace(SERVER, errors=(replace(WORDS, stands_for="invalid_client"),))).error == (
        "invalid_client"
    )


@pytest.mark.parametrize("code", ["other", "1235", True])
def test_what_nobody_explained_is_told_by_what_the_code_means_everywhere(code: object) -> None:
    error = error_of({"error": "invalid_scope", "code": code})

    assert (error.error, error.explanation) == ("invalid_scope", None)
    assert str(error) == "the provider answered 400 invalid_scope: ask for a scope that the provider knows"


@pytest.mark.parametrize("code", [True, None, 1.5, [], {}])
def test_a_code_is_a_word_or_a_number(code: object) -> None:
    explained = replace(SUBCODE, code=str(code))

    assert error_of({"error": code}, replace(SERVER, errors=(explained,))).explanation is None


@pytest.mark.parametrize(
    "members",
    [
        {"error": {"type": "OAuthException", "code": 1234, "message": "canary"}, "code": "other"},
        {"errors": ["canary", {"errorType": "unknown"}, {"errorType": "1234", "message": "canary"}]},
        {"error": "invalid_request", "errors": [{"code": 1234}]},
        {"errors": [{}] * 7 + [{"code": 1234}]},
    ],
)
def test_an_error_is_found_in_an_object_and_in_a_list_of_them(members: dict[str, Any]) -> None:
    """As Facebook and Fitbit tell them."""
    assert error_of(members).explanation == SUBCODE


@pytest.mark.parametrize(
    "members",
    [{"errors": [{}] * 8 + [{"code": 1234}]}, {"error": [{"code": 1234}]}, {"errors": {"code": 1234}}, {"errors": 7}],
)
def test_an_error_is_looked_for_nowhere_else(members: dict[str, Any]) -> None:
    assert error_of(members).explanation is None


def test_of_an_object_and_what_stands_beside_it_the_object_is_read_first() -> None:
    assert error_of({"error": {"code": "invalid_grant"}, "code": 1234}).explanation == GRANT
    assert error_of({"code": "invalid_grant", "errors": [{"code": 1234}]}).explanation == GRANT


@pytest.mark.parametrize("name", ["error_description", "message", "detail", "reason"])
def test_words_are_looked_for_in_every_text_and_not_across_two(name: str) -> None:
    assert error_of({"errors": [{name: "the app is disabled"}]}).explanation == WORDS
    assert error_of({name: "the app is", "errors": [{"message": "disabled", "detail": 7}]}).explanation is None
    assert error_of({name: "the app is disabled", "errors": [{"message": "canary"}]}).explanation == WORDS
    assert error_of({name: "x" * 4084 + " app is disabled"}).explanation is None
    assert error_of({name: "x" * 4080 + " app is disabled"}).explanation == WORDS


def test_members_that_were_read_already_are_not_read_again() -> None:
    response = answer("[", status=400)

    assert error_response(SERVER, response, received_at=NOW, fields={"error": "invalid_scope"}).error == "invalid_scope"
    assert isinstance(error_response(SERVER, response, received_at=NOW), MalformedResponse)


@pytest.mark.parametrize("kind", [FORM, f"{FORM};charset=utf-8;x=y", f" {FORM.upper()} ", "text/plain", ""])
def test_a_form_is_read_where_the_content_type_may_be_one(kind: str) -> None:
    assert read_answer(answer("error=a&x=1", content_type=kind)) == {"error": "a", "x": "1"}
    assert read_answer(answer(' \r\n\t{"error":"a"}', content_type=kind)) == {"error": "a"}


@pytest.mark.parametrize("kind", ["application/json", "text/html", "XXXX", f"x;{FORM}"])
def test_everything_else_is_json(kind: str) -> None:
    with pytest.raises(ValueError, match="JSON"):
        _ = read_answer(answer("error=a", content_type=kind))


def test_nothing_is_empty() -> None:
    for body in ("", " \r\n\t"):
        with pytest.raises(ValueError, match=r"^empty$"):
            _ = read_answer(answer(body))
