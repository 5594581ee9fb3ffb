"""Answers in the fragment where nobody accepted them: they are recognised, and nothing in them is used."""

from __future__ import annotations

import pytest
from tests.web.world import SAME_ORIGIN, TEMPLATES, World, registration, text_of, without_our_script

from valetkey.http import FORM
from valetkey.value import replace
from valetkey.web.fragments import SEEN

CALLBACK = "/oauth/callback/github"
POSTED = (("Content-Type", FORM), *SAME_ORIGIN)


@pytest.mark.parametrize("query", ["", "?", "?iss=https://github.example", "?access_token=canary-7f3a", "?x=%3C"])
def test_a_callback_that_answers_nothing_is_the_same_error_as_ever_and_looks_for_a_fragment(query: str) -> None:
    world = World()

    response = world.browser().get(f"{CALLBACK}{query}")

    assert response.status == 400
    page = text_of(response)
    assert "cannot tell what this belongs to" in page
    assert "<script>" in page
    assert "<script" not in without_our_script(response)
    assert "form-action 'self'" in (response.headers.get("content-security-policy") or "")
    assert "canary" not in page
    assert world.provider.requests == []


@pytest.mark.parametrize("query", ["code=c", "error=access_denied", "state=s", "response=a.b.c", "code=", "%zz", "%ff"])
def test_a_callback_that_answers_in_its_query_has_no_script(query: str) -> None:
    response = World().browser().get(f"{CALLBACK}?{query}")

    assert response.status == 400
    assert "script" not in text_of(response)
    assert "script-src" not in (response.headers.get("content-security-policy") or "")


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PUT"])
def test_other_methods_do_nothing(method: str) -> None:
    assert World().browser().send(method, CALLBACK).status == 405


def test_the_script_that_looks_takes_the_fragment_away_first_and_cannot_post_it() -> None:
    script = (TEMPLATES / "fragment_seen.js").read_text()

    lines = [line.strip() for line in script.splitlines()]
    assert lines[1:3] == ["if (!location.hash) return;", 'history.replaceState(null, "", location.pathname);']
    assert script.count("location.hash") == 1
    assert "location.href" not in script
    assert 'field.name = "fragment_seen"' in script
    assert 'field.value = "1"' in script


@pytest.mark.parametrize("headers", [POSTED, (("Content-Type", f"{FORM}; charset=UTF-8"), ("Origin", "null"))])
def test_a_fragment_that_was_seen_is_told_with_its_reason_and_what_to_use(headers: tuple[tuple[str, str], ...]) -> None:
    world = World()

    response = world.browser().send("POST", CALLBACK, headers=headers, body=SEEN)

    page = text_of(response)
    assert response.status == 400
    assert "RFC 9700 section 2.1.2" in page.replace("\n", " ")
    assert "authorization code grant" in page
    assert "Start again with GitHub" in page
    assert "script" not in page
    assert world.provider.requests == []
    assert response.headers.all("set-cookie") == ()


def test_the_error_names_the_grant_to_use_for_who_reads_logs() -> None:
    from valetkey.errors import CallbackError
    from valetkey.http import Headers, Request
    from valetkey.web.fragments import refuse_seen
    from valetkey.web.visit import Visit

    request = Request("POST", CALLBACK, Headers(POSTED), SEEN)
    with pytest.raises(CallbackError, match=r"9700 section 2\.1\.2.*authorization code grant") as caught:
        refuse_seen(Visit(World().settings, request, None, "github"))
    assert (caught.value.reason, caught.value.status) == ("implicit_answer", 400)


def test_another_site_is_not_told_anything() -> None:
    response = (
        World()
        .browser()
        .send("POST", CALLBACK, headers=(("Content-Type", FORM), ("Sec-Fetch-Site", "cross-site")), body=SEEN)
    )

    assert response.status == 403


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (FORM, b"fragment_seen=2"),
        (FORM, b"fragment_seen=1&access_token=canary-7f3a"),
        (FORM, b"fragment=access_token%3Dcanary-7f3a"),
        (FORM, b"access_token=canary-7f3a&token_type=bearer&state=s"),
        ("text/plain", SEEN),
        (FORM, b""),
    ],
)
def test_whatever_else_is_posted_to_a_callback_that_redirects_is_refused_as_ever(
    content_type: str, body: bytes
) -> None:
    world = World()

    response = world.browser().send("POST", CALLBACK, headers=(("Content-Type", content_type), *SAME_ORIGIN), body=body)

    assert response.status == 405
    assert "canary" not in text_of(response)
    assert world.provider.requests == []


def test_a_provider_that_posts_is_told_too() -> None:
    response = World().browser().send("POST", "/oauth/callback/poster", headers=POSTED, body=SEEN)

    assert response.status == 400
    assert "behind the # of the address" in text_of(response)


def test_oauth_1_has_no_fragments() -> None:
    world = World()
    at = registration("old", "Old")
    old = replace(at, provider=replace(at.provider, protocol="oauth1"))
    world.settings = replace(world.settings, registrations={"old": old})

    assert "script" not in text_of(world.browser().get("/oauth/callback/old"))


def test_a_flow_that_is_under_way_goes_on_after_a_fragment_was_seen() -> None:
    browser = World().browser()
    asked = browser.start()

    _ = browser.get(CALLBACK)
    _ = browser.send("POST", CALLBACK, headers=POSTED, body=SEEN)

    assert browser.get(f"{CALLBACK}?code=c&state={asked['state']}").status == 303
