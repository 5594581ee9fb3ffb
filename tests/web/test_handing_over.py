"""The page that hands a fragment over, where the registration accepts the implicit grant, and the post of that page."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from tests.connections.steps import begun, returning, row
from tests.connections.test_implicit import waiting, world_of
from tests.web.world import TEMPLATES, text_of, without_our_script

from valetkey.http import FORM, Headers, Request, read_form, write_form
from valetkey.testing.world import BASE_URL
from valetkey.web.routes import respond

if TYPE_CHECKING:
    from valetkey.http import Response
    from valetkey.testing.world import World

CALLBACK = "/oauth/callback/two"


def get(world: World, query: str = "", owner: str | None = "alice") -> Response:
    return world.run(respond(world.settings, Request("GET", CALLBACK + query), owner))


def post(world: World, request: Request, owner: str | None = "alice", **headers: str | None) -> Response:
    """The page's own post, with some headers of the browser different, or missing where they are None."""
    found = [pair for pair in request.headers.pairs if pair[0].lower().replace("-", "_") not in headers]
    found += [(name.replace("_", "-"), text) for name, text in headers.items() if text is not None]
    sent = Request("POST", request.url, Headers(tuple(found)), request.body)
    return world.run(respond(world.settings, sent, owner))


def with_token(world: World, request: Request, *, token_of: str = "alice") -> Request:
    page = text_of(get(world, owner=token_of))
    found = re.search(r'name="form" value="([^"]+)"', page)
    assert found is not None
    fields = (("form", found.group(1)), *read_form(request.body.decode()))
    return Request("POST", request.url, request.headers, write_form(fields).encode())


def test_the_page_has_one_form_and_one_script_and_nothing_from_elsewhere() -> None:
    response = get(world_of())

    page, headers = text_of(response), dict(response.headers.pairs)
    assert response.status == 200
    assert f'action="{BASE_URL}/callback/two" autocomplete="off"' in page
    assert "<script" not in without_our_script(response)
    assert page.count("<form") == 1
    assert not re.search(r"\s(src|onclick|style)=", page)
    assert (headers["Cache-Control"], headers["Referrer-Policy"]) == ("no-store", "no-referrer")
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert "Set-Cookie" not in headers


def test_without_javascript_the_page_explains_itself() -> None:
    noscript = text_of(get(world_of())).partition("<noscript>")[2].partition("</noscript>")[0]

    assert "needs JavaScript" in noscript
    assert "Close this tab" in noscript


def test_the_script_takes_the_fragment_away_before_anything_else() -> None:
    lines = [line.strip() for line in (TEMPLATES / "fragment_handed_over.js").read_text().splitlines()]

    assert lines[1:3] == [
        "const fragment = location.hash.slice(1);",
        'history.replaceState(null, "", location.pathname);',
    ]


@pytest.mark.parametrize(
    "query", ["?code=c", "?state=s", "?error=access_denied", "?%zz", "?access_token=canary&state=s"]
)
def test_an_answer_in_the_query_is_no_fragment(query: str) -> None:
    response = get(world_of(), query)

    assert response.status == 400
    assert "script" not in text_of(response)
    assert "canary" not in text_of(response)


@pytest.mark.parametrize("method", ["HEAD", "PUT", "OPTIONS"])
def test_robots_do_nothing(method: str) -> None:
    world = world_of()

    assert world.run(respond(world.settings, Request(method, CALLBACK), "alice")).status == 405


def test_the_post_of_the_page_ends_at_a_clean_address() -> None:
    world, request = waiting()

    response = post(world, request)

    assert response.status == 303
    assert response.headers.get("location") == f"{BASE_URL}/connections?connected=two"
    assert "sandbox-access-" not in repr(response.headers.pairs)
    assert row(world) is not None


@pytest.mark.parametrize(
    "headers",
    [
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
        {"sec_fetch_site": None, "origin": "https://evil.example"},
        {"sec_fetch_site": "same-origin", "origin": "https://evil.example"},
    ],
)
@pytest.mark.parametrize("owner", ["alice", None])
def test_a_post_of_another_site_is_refused_whatever_else_it_brings(
    headers: dict[str, str | None], owner: str | None
) -> None:
    world, request = waiting()

    response = post(world, with_token(world, request), owner, **headers)

    assert response.status == 403
    assert row(world) is None
    assert world.network.sent == []


@pytest.mark.parametrize("headers", [{"sec_fetch_site": None}, {"sec_fetch_site": None, "origin": "null"}])
def test_a_browser_that_says_nothing_needs_the_token_of_the_page(headers: dict[str, str | None]) -> None:
    world, request = waiting()

    assert post(world, request, **headers).status == 403
    assert post(world, with_token(world, request, token_of="mallory"), **headers).status == 403
    assert post(world, request, None, **headers).status == 403
    assert row(world) is None
    assert post(world, with_token(world, request), **headers).status == 303


@pytest.mark.parametrize("kind", ["token", "id_token token"])
def test_a_forged_answer_is_a_page_that_quotes_nothing(kind: str) -> None:
    world, request = waiting(kind)
    fragment = dict(read_form(request.body.decode()))["fragment"]
    state = dict(read_form(fragment))["state"]
    forged = write_form((("access_token", "canary-7f3a"), ("token_type", "bearer"), ("state", state)))
    forged += "&iss=" + world.sandbox.issuer + "&error_description=canary-7f3a"
    sent = Request("POST", request.url, request.headers, write_form((("fragment", forged),)).encode())

    response = post(world, sent)

    assert response.status == 400
    assert "canary" not in text_of(response) + repr(response.headers.pairs)
    assert "<script" not in text_of(response)
    assert row(world) is None


def test_what_was_merely_seen_is_told_here_too() -> None:
    world = world_of()
    request = Request("POST", CALLBACK, Headers((("Content-Type", FORM),)), b"fragment_seen=1")

    assert world.run(respond(world.settings, request, "alice")).status == 400


def test_a_link_hands_the_person_back_to_the_application() -> None:
    from valetkey.connections.links import begin_from_link, connect_url

    world = world_of()
    link = world.run(connect_url(world.settings, "two", resource_owner="alice")).rpartition("/")[2]
    redirect: Any = world.run(begin_from_link(world.settings, link, resource_owner=None, cookies=()))

    response = post(world, returning(world, redirect), None)

    assert response.status == 303
    assert (response.headers.get("location") or "").startswith("https://app.example/done?handle=")
    assert 'name="form"' not in text_of(get(world, owner=None))
    assert begun(world).location
