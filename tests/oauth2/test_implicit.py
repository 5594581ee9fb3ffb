"""What a fragment is read for, and what is never taken from it (RFC 6749 section 4.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.oauth2.peer import NOW, SERVER

from valetkey.errors import AuthorizationDenied, CallbackError, RequestRefused
from valetkey.http import FORM, Headers, Request, read_form, write_form
from valetkey.oauth2.implicit import (
    MAX_BODY,
    MAX_FRAGMENT,
    beside_tokens,
    implicit_tokens,
    read_handed_over,
    read_implicit_answer,
)
from valetkey.secret import Secret
from valetkey.value import replace

if TYPE_CHECKING:
    from valetkey.oauth2.server import AuthorizationServer

URL = "https://app.example/callback/x"
TOKENS = replace(SERVER, response_type="token")
WITH_ID_TOKEN = replace(TOKENS, response_type="id_token token", jwks_uri="https://as.example/jwks", iss_required=True)
ANSWER = {"access_token": "at", "token_type": "Bearer", "expires_in": "3600", "state": "s"}


def posted(body: str, content_type: str | None = FORM) -> Request:
    headers = () if content_type is None else (("Content-Type", content_type),)
    return Request("POST", URL, Headers(headers), body.encode("latin-1"))


def read(answer: dict[str, str], server: AuthorizationServer = TOKENS) -> dict[str, str]:
    return dict(read_form(read_implicit_answer(tuple(answer.items()), server=server).reveal()))


@pytest.mark.parametrize("content_type", [FORM, f"{FORM}; charset=utf-8", f" {FORM.upper()} ;x=;y"])
def test_the_fragment_that_our_page_posts_is_read(content_type: str) -> None:
    body = write_form([("other", "1"), ("fragment", "access_token=a%20b&state=s&x=%C3%A9")])

    found = read_handed_over(posted(body, content_type))

    assert found == (("access_token", "a b"), ("state", "s"), ("x", "\u00e9"))


@pytest.mark.parametrize("body", ["", "x=1", "FRAGMENT=a%3D1", "fragment=a%3D1&fragment=a%3D1"])
def test_a_post_without_exactly_one_fragment_is_malformed(body: str) -> None:
    with pytest.raises(CallbackError) as caught:
        read_handed_over(posted(body))
    assert caught.value.reason == "malformed_callback"


@pytest.mark.parametrize("content_type", [None, "", "text/plain", "multipart/form-data", f"{FORM}x", f"x;{FORM}"])
def test_only_a_form_is_taken(content_type: str | None) -> None:
    """text/plain and multipart bodies are what a form of another site can send most freely."""
    with pytest.raises(RequestRefused) as caught:
        read_handed_over(posted("fragment=a%3D1", content_type))
    assert (caught.value.reason, caught.value.status) == ("unsupported_media_type", 415)


@pytest.mark.parametrize("method", ["PUT", "HEAD", "DELETE", "OPTIONS", "get", "post"])
def test_no_other_method_brings_a_fragment(method: str) -> None:
    request = Request(method, f"{URL}?state=s", Headers((("Content-Type", FORM),)), b"fragment=a%3D1")

    with pytest.raises(RequestRefused) as caught:
        read_handed_over(request)
    assert (caught.value.reason, caught.value.status) == ("method_not_allowed", 405)


def test_tokens_and_codes_in_a_query_never_count() -> None:
    """They are in logs and histories by then."""
    query = "access_token=a&id_token=b&refresh_token=c&code=d&state=s&error=access_denied"

    assert read_handed_over(Request("GET", f"{URL}?{query}")) == (("state", "s"), ("error", "access_denied"))
    assert read_handed_over(Request("GET", URL)) == ()


def test_a_fragment_is_read_up_to_its_limit() -> None:
    longest = "a=" + "x" * (MAX_FRAGMENT - 2)
    assert read_handed_over(Request("GET", f"{URL}?{longest}")) == (("a", longest[2:]),)
    assert read_handed_over(posted(f"fragment={longest.replace('=', '%3D')}")) == (("a", longest[2:]),)

    for request in (Request("GET", f"{URL}?{longest}x"), posted(f"fragment={longest.replace('=', '%3D')}x")):
        with pytest.raises(CallbackError):
            read_handed_over(request)


def test_a_body_is_read_up_to_its_limit() -> None:
    """Four times as much: every character of the fragment may be an escape in the form."""
    body = "fragment=a%3D1&x="
    body += "x" * (MAX_BODY - len(body))
    assert MAX_BODY == 4 * MAX_FRAGMENT
    assert read_handed_over(posted(body)) == (("a", "1"),)

    with pytest.raises(CallbackError):
        read_handed_over(posted(f"{body}x"))


@pytest.mark.parametrize("text", ["%", "%zz", "%ff", "&".join("x" * 2000)])
def test_what_is_no_form_is_malformed_wherever_it_stands(text: str) -> None:
    for request in (
        Request("GET", f"{URL}?{text}"),
        posted(text),
        posted(write_form([("fragment", text)])),
    ):
        with pytest.raises(CallbackError) as caught:
            read_handed_over(request)
        assert caught.value.reason == "malformed_callback"
        assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_an_octet_that_is_no_utf_8_is_no_crash() -> None:
    found = read_handed_over(Request("POST", URL, Headers((("Content-Type", FORM),)), b"fragment=a%3D1&\xff=\xe9"))

    assert found == (("a", "1"),)


def test_state_issuer_codes_and_refresh_tokens_are_not_kept() -> None:
    """Section 4.2.2: no refresh token is issued; a code would be another grant's."""
    found = read({**ANSWER, "iss": "https://as.example", "refresh_token": "r", "code": "c", "team": "7"})

    assert found == {"access_token": "at", "token_type": "Bearer", "expires_in": "3600", "team": "7"}


@pytest.mark.parametrize("character", ["\0", "\n", "\r", "\x1f", "\x7f"])
def test_a_control_character_anywhere_refuses_the_answer(character: str) -> None:
    for more in ({"x": f"a{character}"}, {f"a{character}": "x"}):
        with pytest.raises(CallbackError) as caught:
            read(ANSWER | more)
        assert caught.value.reason == "malformed_callback"


def test_a_blank_is_no_control_character() -> None:
    assert read({**ANSWER, "scope": "a b", "x": "\u00e9~"})["scope"] == "a b"


@pytest.mark.parametrize("server", [TOKENS, WITH_ID_TOKEN], ids=["token", "id_token token"])
def test_an_answer_of_another_issuer_is_refused_before_its_error_is_read(server: AuthorizationServer) -> None:
    for answer in ({**ANSWER, "id_token": "i"}, {"error": "access_denied"}):
        with pytest.raises(CallbackError) as caught:
            read({**answer, "iss": "https://evil.example"}, server)
        assert caught.value.reason == "issuer_mismatch"


def test_the_issuer_of_an_id_token_stands_in_for_the_one_of_the_answer() -> None:
    assert read({**ANSWER, "id_token": "i"}, WITH_ID_TOKEN)["id_token"] == "i"


@pytest.mark.parametrize(
    ("answer", "server"),
    [
        ({**ANSWER}, WITH_ID_TOKEN),
        ({"error": "access_denied", "id_token": "i"}, WITH_ID_TOKEN),
        ({**ANSWER, "id_token": "i"}, replace(TOKENS, iss_required=True)),
    ],
    ids=["no id_token", "an error", "an id_token that was not asked for"],
)
def test_nothing_else_stands_in_for_the_issuer(answer: dict[str, str], server: AuthorizationServer) -> None:
    with pytest.raises(CallbackError) as caught:
        read(answer, server)
    assert caught.value.reason == "issuer_missing"


def test_a_refusal_is_a_refusal() -> None:
    with pytest.raises(AuthorizationDenied):
        read({**ANSWER, "error": "access_denied"})


def test_an_access_token_twice_is_nobodys() -> None:
    with pytest.raises(CallbackError) as caught:
        read_implicit_answer((*ANSWER.items(), ("access_token", "mine")), server=TOKENS)
    assert caught.value.reason == "duplicate_parameter"


@pytest.mark.parametrize(
    "changed", [{"access_token": ""}, {"access_token": "a b"}, {"token_type": "mac"}, {"scope": "\u00e9"}]
)
def test_an_answer_without_a_usable_token_is_refused_without_its_contents(changed: dict[str, str]) -> None:
    with pytest.raises(CallbackError) as caught:
        read(ANSWER | changed)
    assert caught.value.reason == "malformed_callback"
    assert caught.value.__context__ is None


def test_the_tokens_are_read_as_a_token_endpoints_are() -> None:
    kept = read_implicit_answer(tuple({**ANSWER, "scope": "a b", "id_token": "i"}.items()), server=WITH_ID_TOKEN)

    found = implicit_tokens(kept, server=WITH_ID_TOKEN, received_at=NOW)

    assert (found.access_token, found.id_token) == (Secret("at"), Secret("i"))
    assert (found.token_type, found.scope, found.expires_at) == ("bearer", ("a", "b"), int(NOW) + 3600)
    assert found.refresh_token is None


def test_an_id_token_that_was_not_asked_for_is_dropped() -> None:
    """No nonce belongs to it, so it proves nothing."""
    kept = read_implicit_answer(tuple({**ANSWER, "id_token": "\u00e9 not even one"}.items()), server=TOKENS)

    assert implicit_tokens(kept, server=TOKENS, received_at=NOW).id_token is None
    assert implicit_tokens(read_implicit_answer(tuple(ANSWER.items()), server=TOKENS), server=TOKENS, received_at=0)


def test_what_stands_beside_the_tokens_is_everything_that_is_not_defined() -> None:
    defined = ("access_token", "id_token", "refresh_token", "code", "state", "iss", "token_type", "expires_in", "scope")
    answer = (*((name, "canary") for name in defined), ("account_id", "7"), ("region", "scope"))

    assert beside_tokens(answer) == (("account_id", "7"), ("region", "scope"))
