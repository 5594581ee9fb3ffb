from __future__ import annotations

import re
from urllib.parse import quote

import pytest
from tests.web.world import (
    BASE,
    CANARY,
    SAME_ORIGIN,
    World,
    forms_of,
    location,
    query_of,
    text_of,
    without_our_script,
)

from valetkey.connections.links import complete_authorization, connect_url
from valetkey.effects import List, Load, Open, Place, Seal, Swap
from valetkey.errors import StoreError, TransportError
from valetkey.http import Headers, Request, Response, write_form
from valetkey.web.forms import seal_cursor
from valetkey.web.routes import respond

NO_SUCH_PATHS = [
    "/",
    "",
    "/oauth",
    "/oauth/",
    "/connections",
    "/callback/github",
    "/oauthx/connections",
    "/OAUTH/connections",
    "//oauth/connections",
    "/oauth//connections",
    "/oauth//callback/github",
    "/oauth/./callback/github",
    "/oauth/x/../callback/github",
    "/oauth/callback/github/",
    "/oauth/callback/",
    "/oauth/callback",
    "/oauth/Callback/github",
    "/oauth/callback/GitHub",
    "/oauth/callback/git%68ub",
    "/oauth/callback/%2e%2e",
    "/oauth/callback/..",
    "/oauth/callback/../../etc/passwd",
    "/oauth/callback/-github",
    "/oauth/callback/github%00",
    "/oauth/callback/github\n",
    "/oauth/callback/" + "a" * 64,
    "/oauth/callback/" + "a" * 300,
    "/oauth/callback/gıthub",
    "/oauth/callback/github;x",
    "/oauth/callback/unknown",
    "/oauth/connect/unknown",
    "/oauth/connect/__proto__",
    "/oauth/connections/",
    "/oauth/connections/other",
    "http://app.example/oauth/connections",
    "*",
]


@pytest.mark.parametrize("target", NO_SUCH_PATHS)
def test_a_path_that_is_not_exactly_ours_is_not_found(target: str) -> None:
    browser = World().browser()

    response = browser.get(target)

    assert response.status == 404
    assert "There is no such page" in text_of(response)


def test_every_path_that_is_not_found_gets_the_same_page() -> None:
    browser = World().browser()

    bodies = {browser.get(target).body for target in NO_SUCH_PATHS}

    assert len(bodies) == 1


def test_pages_live_at_the_root_where_the_base_url_has_no_path() -> None:
    browser = World("https://app.example").browser()

    assert browser.get("/connections").status == 200
    assert browser.get("//connections").status == 404


TARGETS = [
    ("/oauth/connections", "GET"),
    ("/oauth/connections/revoke", "POST"),
    ("/oauth/connections/forget", "POST"),
    ("/oauth/connect/github", "GET, POST"),
    ("/oauth/callback/github", "GET, POST"),
]


@pytest.mark.parametrize(("target", "allowed"), TARGETS)
@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "TRACE", "PUT", "DELETE", "PATCH", "get", "POST ", "CONNECT"])
def test_other_methods_are_refused_and_touch_nothing(method: str, target: str, allowed: str) -> None:
    world = World()
    touched: list[object] = []
    world.before = touched.append

    response = world.browser().send(method, target)

    assert response.status == 405
    assert response.headers.get("allow") == allowed
    assert touched == []
    assert (response.body == b"") == (method == "HEAD")


def test_a_post_to_a_callback_of_a_provider_that_redirects_is_refused() -> None:
    world = World()

    response = world.browser().send("POST", "/oauth/callback/github", form={"code": "x", "state": "y"})

    assert response.status == 405
    assert response.headers.get("allow") == "GET"
    assert world.provider.requests == []


@pytest.mark.parametrize("target", ["/oauth/connections", "/oauth/connect/github", "/oauth/callback/github?state=x"])
def test_nobody_signed_in_is_told_to_sign_in_or_start_again(target: str) -> None:
    response = World().browser(owner=None).get(target)

    assert response.status in (400, 401)
    if "callback" not in target:
        assert response.status == 401
        assert response.headers.get("www-authenticate") is not None
        assert "sign in" in text_of(response).lower()


# Protective headers.


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("GET", "/oauth/connections"),
        ("GET", "/oauth/connect/github"),
        ("GET", "/oauth/callback/github"),
        ("GET", "/nowhere"),
        ("TRACE", "/oauth/connections"),
        ("POST", "/oauth/connections/revoke"),
        ("POST", "/oauth/connect/github"),
    ],
)
def test_every_answer_protects_itself(method: str, target: str) -> None:
    response = World().browser().send(method, target, headers=SAME_ORIGIN)

    assert_protected(response)


def assert_protected(response: Response) -> None:
    headers = response.headers
    assert headers.all("cache-control") == ("no-store",)
    assert headers.all("vary") == ("Cookie",)
    assert headers.all("referrer-policy") == ("no-referrer",)
    assert headers.all("x-content-type-options") == ("nosniff",)
    assert headers.all("x-frame-options") == ("DENY",)
    (policy,) = headers.all("content-security-policy")
    directives = dict(directive.strip().partition(" ")[::2] for directive in policy.split(";"))
    assert directives["default-src"] == "'none'"
    assert directives["frame-ancestors"] == "'none'"
    assert directives["base-uri"] == "'none'"
    assert "form-action" in directives
    assert "unsafe" not in policy
    assert "<script" not in without_our_script(response)


# Starting.


def test_the_connect_page_names_application_and_provider_and_binds_nothing() -> None:
    world = World()

    response = world.browser().get("/oauth/connect/github")

    assert response.status == 200
    assert "Reports" in text_of(response)
    assert "GitHub" in text_of(response)
    assert text_of(response).count("<button") == 1
    assert response.headers.all("set-cookie") == ()
    assert world.provider.requests == []


def test_the_button_leads_to_the_provider_with_a_flow_cookie() -> None:
    browser = World().browser()
    form = browser.form_on("/oauth/connect/github", action="/connect/github")

    response = browser.send("POST", "/oauth/connect/github", form=form)

    assert response.status == 303
    assert location(response).startswith("https://github.example/authorize?")
    (cookie,) = response.headers.all("set-cookie")
    assert cookie.startswith("__Host-vk-")
    assert_protected(response)


@pytest.mark.parametrize(
    "headers",
    [
        (("Sec-Fetch-Site", "same-origin"),),
        (("Sec-Fetch-Site", "same-origin"), ("Origin", "https://app.example")),
        (("Sec-Fetch-Site", "same-origin"), ("Origin", "null")),
        (("Origin", "https://app.example"),),
    ],
)
def test_a_page_of_our_origin_may_start_without_a_token(headers: tuple[tuple[str, str], ...]) -> None:
    response = World().browser().send("POST", "/oauth/connect/github", headers=headers)

    assert response.status == 303


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ((), "open for too long"),
        ((("Origin", "null"),), "open for too long"),
        ((("Sec-Fetch-Site", "none"),), "open for too long"),
        ((("Host", "app.example"),), "open for too long"),
        ((("Sec-Fetch-Site", "cross-site"),), "another site"),
        ((("Sec-Fetch-Site", "same-site"),), "another site"),
        ((("Sec-Fetch-Site", "same-origin"), ("Origin", "https://evil.example")), "another site"),
        ((("Origin", "https://evil.example"),), "another site"),
        ((("Origin", "https://app.example.evil.example"),), "another site"),
        ((("Origin", "http://app.example"),), "another site"),
        ((("Origin", "https://app.example:8443"),), "another site"),
        ((("Origin", "https://other.example"), ("Host", "other.example")), "another site"),
        ((("Origin", "https://other.example"), ("X-Forwarded-Host", "other.example")), "another site"),
        ((("Sec-Fetch-Site", "SAME-ORIGIN"),), "another site"),
    ],
)
def test_a_forged_start_binds_nothing(headers: tuple[tuple[str, str], ...], reason: str) -> None:
    world = World()

    response = world.browser().send("POST", "/oauth/connect/github", headers=headers)

    assert response.status == 403
    assert reason in text_of(response)
    assert response.headers.all("set-cookie") == ()


def test_a_token_does_not_excuse_another_site() -> None:
    browser = World().browser()
    form = browser.form_on("/oauth/connect/github", action="/connect/github")

    response = browser.send("POST", "/oauth/connect/github", form=form, headers=(("Sec-Fetch-Site", "cross-site"),))

    assert response.status == 403


@pytest.mark.parametrize("owner", ["bob", "alice ", "ALICE"])
def test_a_token_of_another_resource_owner_is_refused(owner: str) -> None:
    world = World()
    form = world.browser("alice").form_on("/oauth/connect/github", action="/connect/github")

    response = world.browser(owner).send("POST", "/oauth/connect/github", form=form)

    assert response.status == 403


@pytest.mark.parametrize(("seconds", "status"), [(0, 303), (3599, 303), (3601, 403), (-59, 303), (-120, 403)])
def test_a_token_is_good_for_an_hour(seconds: int, status: int) -> None:
    world = World()
    browser = world.browser()
    form = browser.form_on("/oauth/connect/github", action="/connect/github")
    world.clock.at += seconds

    assert browser.send("POST", "/oauth/connect/github", form=form).status == status


def test_a_token_for_one_action_is_not_good_for_another() -> None:
    world = World()
    browser = world.browser()
    browser.connect()
    form = browser.form_on("/oauth/connect/github", action="/connect/github")

    response = browser.send(
        "POST", "/oauth/connections/revoke", form={"form": form["form"], "registration": "github"}, headers=SAME_ORIGIN
    )

    assert response.status == 403
    assert "GitHub" in text_of(browser.get("/oauth/connections"))


@pytest.mark.parametrize("environment", ["production"])
def test_a_token_of_another_environment_is_refused(environment: str) -> None:
    form = World(environment="staging").browser().form_on("/oauth/connect/github", action="/connect/github")

    response = World(environment=environment).browser().send("POST", "/oauth/connect/github", form=form)

    assert response.status == 403


def test_a_token_altered_at_any_place_is_refused() -> None:
    browser = World().browser()
    token = browser.form_on("/oauth/connect/github", action="/connect/github")["form"]

    for place in range(len(token)):
        altered = token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]
        assert browser.send("POST", "/oauth/connect/github", form={"form": altered}).status == 403


@pytest.mark.parametrize(
    "token", ["", "vk1", "vk1..", "vk1.test.", "vk1.unknown.AAAA", "x" * 600, "é", "\x00", "vk1.test.=="]
)
def test_a_token_that_is_none_is_refused(token: str) -> None:
    assert World().browser().send("POST", "/oauth/connect/github", form={"form": token}).status == 403


@pytest.mark.parametrize("purpose", ["flow", "done", "connection", "link"])
def test_what_was_sealed_for_something_else_is_no_token(purpose: str) -> None:
    world = World()
    form = Place("form", ("default", "0" * 64, "connect"))
    sealed = world.keys.seal(Place(purpose, form.fields), b"1793318400")

    assert world.browser().send("POST", "/oauth/connect/github", form={"form": sealed.decode()}).status == 403


def test_scope_client_and_redirect_uri_are_never_taken_from_a_request() -> None:
    browser = World().browser()
    hostile = {
        "scope": "admin",
        "client_id": "mine",
        "redirect_uri": "https://evil.example/",
        "prompt": "none",
        "state": "fixed",
    }

    page = browser.get("/oauth/connect/github?" + write_form(hostile.items()))
    asked = browser.start(**hostile)

    assert "evil" not in text_of(page)
    assert asked["scope"] == "read"
    assert asked["client_id"] == "id-of-github"
    assert asked["redirect_uri"] == f"{BASE}/callback/github"
    assert asked["state"] != "fixed"
    assert "prompt" not in asked


@pytest.mark.parametrize("name", ["Host", "X-Forwarded-Host", "X-Forwarded-Proto", "Forwarded", "X-Forwarded-Prefix"])
def test_links_are_built_from_the_configured_base_url_only(name: str) -> None:
    browser = World().browser()

    page = browser.send("GET", "/oauth/connect/github", headers=((name, "evil.example"),))
    started = browser.send("POST", "/oauth/connect/github", headers=((name, "evil.example"), *SAME_ORIGIN))

    assert f'action="{BASE}/connect/github"' in text_of(page)
    assert "evil.example" not in text_of(page)
    assert query_of(location(started))["redirect_uri"] == f"{BASE}/callback/github"


HOSTILE_RETURN_TO = [
    "https://evil.example/",
    "//evil.example",
    "///evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "/\t/evil.example",
    "https:evil.example",
    "https:/evil.example",
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "data:text/html,x",
    "/x\r\nSet-Cookie: a=b",
    "/x%0d%0aSet-Cookie:a=b",
    "/x\x00",
    "https://app.example@evil.example/",
    "https://app.example.evil.example/",
    "/" + "a" * 4000,
    "reports",
    "?x",
    "#x",
    "/%2f/evil.example/%2f%2f",
    '/"><script>alert(1)</script>',
]


@pytest.mark.parametrize("return_to", HOSTILE_RETURN_TO)
def test_a_hostile_way_back_is_refused_and_not_repeated(return_to: str) -> None:
    browser = World().browser()

    page = browser.get("/oauth/connect/github?return_to=" + quote(return_to, safe=""))
    started = browser.send("POST", "/oauth/connect/github", form={"return_to": return_to}, headers=SAME_ORIGIN)

    for response in (page, started):
        assert response.status == 400
        assert "evil" not in text_of(response)
        assert "<script" not in text_of(response)
        assert response.headers.get("location") is None


def test_a_way_back_goes_through_the_page_to_the_end() -> None:
    browser = World().browser()
    form = browser.form_on("/oauth/connect/github?return_to=" + quote("/reports?week=47"), action="/connect/github")
    assert form["return_to"] == "/reports?week=47"

    response = browser.connect(**form)

    assert location(response) == "https://app.example/reports?week=47"


# Coming back.


def test_the_callback_leads_to_a_clean_url() -> None:
    browser = World().browser()

    response = browser.connect()

    assert response.status == 303
    assert location(response) == f"{BASE}/connections?connected=github"
    assert CANARY not in str(response.headers)
    assert_protected(response)


def test_a_reload_of_the_callback_shows_success_and_exchanges_nothing() -> None:
    world = World()
    browser = world.browser()
    asked = browser.start()
    target = "/oauth/callback/github?" + write_form((("code", "c"), ("state", asked["state"])))
    first = browser.get(target)
    exchanges = len(world.provider.requests)

    again = browser.get(target)

    assert first.status == again.status == 303
    assert len(world.provider.requests) == exchanges


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("code=c", "cannot tell what this belongs to"),
        ("code=c&state=short", ""),
        ("code=c&state=" + "A" * 43, "not under way in this browser"),
        ("code=c&state=" + "A" * 43 + "&state=" + "A" * 43, "came twice"),
        ("code=%ff&state=x", ""),
        ("code=%zz", ""),
        ("error=access_denied", ""),
        ("error=access_denied&error_description=<script>alert(1)</script>", ""),
    ],
)
def test_a_broken_callback_is_a_page_for_people(query: str, sentence: str) -> None:
    world = World()

    response = world.browser().get(f"/oauth/callback/github?{query}")

    assert 400 <= response.status < 500
    assert sentence in text_of(response)
    assert "<script" not in text_of(response)
    assert world.provider.requests == []
    assert_protected(response)


def test_another_browser_does_not_finish_what_this_one_started() -> None:
    world = World()
    asked = world.browser("alice").start()

    response = world.browser("alice").get(
        "/oauth/callback/github?" + write_form((("code", "c"), ("state", asked["state"])))
    )

    assert response.status == 400
    assert "not under way in this browser" in text_of(response)


def test_another_person_in_the_same_browser_does_not_finish_it() -> None:
    world = World()
    browser = world.browser("alice")
    asked = browser.start()
    browser.owner = "bob"

    response = browser.get("/oauth/callback/github?" + write_form((("code", "c"), ("state", asked["state"]))))

    assert response.status == 400
    assert "somebody else" in text_of(response)
    assert world.provider.requests == []


def test_an_answer_at_another_registrations_callback_is_refused() -> None:
    world = World()
    browser = world.browser()
    asked = browser.start("github")

    response = browser.get("/oauth/callback/poster?" + write_form((("code", "c"), ("state", asked["state"]))))

    assert response.status == 400
    assert world.provider.requests == []


@pytest.mark.parametrize("description", ["<script>alert(1)</script>", '"><img src=x>', "\u202eevil", "x" * 100_000])
def test_a_denial_is_told_without_the_providers_words(description: str) -> None:
    browser = World().browser()
    asked = browser.start()
    pairs = (
        ("error", "access_denied"),
        ("error_description", description),
        ("error_uri", "javascript:alert(1)"),
        ("state", asked["state"]),
    )

    response = browser.get("/oauth/callback/github?" + write_form(pairs))

    assert 400 <= response.status < 500
    assert description not in text_of(response)
    assert "javascript:" not in text_of(response)
    assert "Start again with GitHub" in text_of(response)


@pytest.mark.parametrize(
    "junk", ["=", ";;;", "a=b=c", "a;b", '"', "{}=x", "\xff=\xff", "a=\x01", ",", "__Host-vk-", "é=ü"]
)
def test_junk_among_the_cookies_does_not_hide_the_good_one(junk: str) -> None:
    browser = World().browser()
    asked = browser.start()
    ((name, text),) = browser.jar.items()
    browser.jar.clear()

    response = browser.send(
        "GET",
        "/oauth/callback/github?" + write_form((("code", "c"), ("state", asked["state"]))),
        headers=(("Cookie", f"{junk}; {name}=other; {name}={text}; {junk}"),),
    )

    assert response.status == 303


def test_a_posted_answer_is_taken_again_by_get_so_that_the_lax_session_is_seen() -> None:
    browser = World().browser()
    asked = browser.start("poster")
    browser.owner = None  # a cross-site post carries no SameSite=Lax session

    posted = browser.send(
        "POST",
        "/oauth/callback/poster",
        form={"code": "c", "state": asked["state"], "id_token": "x", "user": "{}"},
        headers=(("Sec-Fetch-Site", "cross-site"), ("Origin", "https://poster.example")),
    )
    browser.owner = "alice"
    finished = browser.get(location(posted).removeprefix("https://app.example"))

    assert posted.status == 303
    assert set(query_of(location(posted))) == {"code", "state"}
    assert location(finished) == f"{BASE}/connections?connected=poster"


def test_a_posted_answer_that_makes_no_url_is_refused() -> None:
    """Sixty kilobytes in a Location would be the platform's failure, not ours to give."""
    response = World().browser(None).send("POST", "/oauth/callback/poster", form={"code": "é" * 9_000, "state": "x"})

    assert response.status == 400
    assert response.headers.get("location") is None


def test_a_posted_answer_with_a_visible_session_finishes_at_once() -> None:
    browser = World().browser()
    asked = browser.start("poster")

    response = browser.send("POST", "/oauth/callback/poster", form={"code": "c", "state": asked["state"]})

    assert location(response) == f"{BASE}/connections?connected=poster"


@pytest.mark.parametrize("media_type", ["application/json", "text/plain", "multipart/form-data; boundary=x", ""])
@pytest.mark.parametrize("target", ["/oauth/callback/poster", "/oauth/connections/revoke", "/oauth/connections/forget"])
def test_only_html_forms_are_read(media_type: str, target: str) -> None:
    headers = (("Content-Type", media_type),) if media_type else ()

    response = World().browser().send("POST", target, headers=headers, body=b'{"code": "x"}')

    assert response.status == 415


@pytest.mark.parametrize("target", ["/oauth/connect/github", "/oauth/callback/poster", "/oauth/connections/revoke"])
@pytest.mark.parametrize(("size", "status"), [(64 * 1024, 400), (64 * 1024 + 1, 413)])
def test_a_body_has_a_limit(target: str, size: int, status: int) -> None:
    response = (
        World()
        .browser()
        .send(
            "POST",
            target,
            headers=(("Content-Type", "application/x-www-form-urlencoded"), *SAME_ORIGIN),
            body=b"%" * size,
        )
    )

    assert response.status == status


@pytest.mark.parametrize("name", ["Origin", "Sec-Fetch-Site", "Content-Type", "Host"])
def test_a_header_that_came_twice_is_refused(name: str) -> None:
    response = (
        World()
        .browser()
        .send("POST", "/oauth/connect/github", headers=(*SAME_ORIGIN, (name, "a"), (name.lower(), "a")))
    )

    assert response.status == 400


def test_a_field_that_came_twice_is_refused() -> None:
    response = (
        World()
        .browser()
        .send(
            "POST",
            "/oauth/connect/github",
            headers=(("Content-Type", "application/x-www-form-urlencoded"), *SAME_ORIGIN),
            body=b"return_to=%2Fa&return_to=%2Fb",
        )
    )

    assert response.status == 400
    assert "twice" in text_of(response)


# The connections page.


def test_the_page_says_what_is_connected_and_what_could_be() -> None:
    browser = World().browser()
    browser.connect()

    text = text_of(browser.get("/oauth/connections?connected=github"))

    assert "GitHub is connected." in text
    assert "Connected" in text
    assert "Poster &amp; &lt;Sons&gt;" in text
    assert "<Sons>" not in text
    assert CANARY not in text


def test_a_page_repeats_success_only_where_it_is_so() -> None:
    browser = World().browser()

    text = text_of(browser.get("/oauth/connections?connected=github"))

    assert "is connected." not in text.replace("Nothing is connected yet.", "")


def test_two_resource_owners_in_one_process_see_only_their_own() -> None:
    world = World()
    world.browser("alice").connect(account="work")

    assert "work" in text_of(world.browser("alice").get("/oauth/connections"))
    assert "work" not in text_of(world.browser("bob").get("/oauth/connections"))


def test_disconnecting_tells_the_provider_and_shows_its_answer() -> None:
    world = World()
    browser = world.browser()
    browser.connect()
    form = browser.form_on("/oauth/connections", action="/connections/revoke")

    response = browser.send("POST", "/oauth/connections/revoke", form=form, headers=SAME_ORIGIN)

    assert response.status == 200
    assert "GitHub is disconnected" in text_of(response)
    assert any(request.url.endswith("/revoke") for request in world.provider.requests)
    assert "Nothing is connected yet" in text_of(browser.get("/oauth/connections"))
    assert_protected(response)


def test_forgetting_tells_nobody() -> None:
    world = World()
    browser = world.browser()
    browser.connect()
    before = len(world.provider.requests)
    form = browser.form_on("/oauth/connections", action="/connections/forget")

    response = browser.send("POST", "/oauth/connections/forget", form=form)

    assert location(response) == f"{BASE}/connections"
    assert len(world.provider.requests) == before
    assert "Nothing is connected yet" in text_of(browser.get("/oauth/connections"))


@pytest.mark.parametrize("action", ["revoke", "forget"])
@pytest.mark.parametrize("headers", [(), SAME_ORIGIN, (("Origin", "https://app.example"),)])
def test_ending_a_connection_needs_our_own_form(action: str, headers: tuple[tuple[str, str], ...]) -> None:
    browser = World().browser()
    browser.connect()

    response = browser.send("POST", f"/oauth/connections/{action}", form={"registration": "github"}, headers=headers)

    assert response.status == 403
    assert "Nothing is connected yet" not in text_of(browser.get("/oauth/connections"))


def test_disconnecting_twice_is_no_fault() -> None:
    browser = World().browser()
    browser.connect()
    form = browser.form_on("/oauth/connections", action="/connections/revoke")
    browser.send("POST", "/oauth/connections/revoke", form=form)

    assert browser.send("POST", "/oauth/connections/revoke", form=form).status < 500


def test_a_second_account_has_its_own_buttons() -> None:
    browser = World().browser()
    browser.connect(account="work")
    browser.connect(account="home")

    forms = [form for action, form in forms_of(browser.get("/oauth/connections")) if action.endswith("/revoke")]

    assert sorted(form["account"] for form in forms) == ["home", "work"]


@pytest.mark.parametrize("account", ["x" * 65, "\N{GRINNING FACE}" * 64], ids=["characters", "octets"])
def test_a_long_account_label_is_refused_wherever_it_comes(account: str) -> None:
    browser = World().browser()
    browser.connect()

    answers = [browser.send("POST", "/oauth/connect/github", form={"account": account}, headers=SAME_ORIGIN)]
    answers.append(browser.get("/oauth/connect/github?" + write_form((("account", account),))))
    for action in ("revoke", "forget"):
        fields = browser.form_on("/oauth/connections", action=f"/connections/{action}")
        answers.append(browser.send("POST", f"/oauth/connections/{action}", form={**fields, "account": account}))

    assert [answer.status for answer in answers] == [400] * 4


# Outages.


def test_a_provider_that_does_not_answer_is_an_outage_and_not_a_fault_of_the_browser() -> None:
    world = World()
    browser = world.browser()
    asked = browser.start()

    def silent(_: Request) -> Response:
        raise TransportError(f"connection refused {CANARY}", maybe_received=False)

    world.provider.failure = silent
    response = browser.get("/oauth/callback/github?" + write_form((("code", "c"), ("state", asked["state"]))))

    assert response.status == 502
    assert CANARY not in text_of(response)
    assert_protected(response)


def test_a_provider_that_is_overloaded_says_when_to_come_again() -> None:
    world = World()
    browser = world.browser()
    asked = browser.start()
    world.provider.failure = lambda _: Response(503, Headers((("Retry-After", "17"),)), CANARY.encode())

    response = browser.get("/oauth/callback/github?" + write_form((("code", "c"), ("state", asked["state"]))))

    assert response.status in (502, 503)
    assert response.headers.get("retry-after") in (None, "17")
    assert CANARY not in text_of(response)


def test_a_code_that_the_provider_refuses_is_a_page_below_500() -> None:
    world = World()
    browser = world.browser()
    asked = browser.start()
    world.provider.failure = lambda _: Response(
        400,
        Headers((("Content-Type", "application/json"),)),
        b'{"error": "invalid_grant", "error_description": "<b>' + CANARY.encode() + b'</b>"}',
    )

    response = browser.get("/oauth/callback/github?" + write_form((("code", "c"), ("state", asked["state"]))))

    assert 400 <= response.status < 500
    assert CANARY not in text_of(response)
    assert "Nothing is connected yet" in text_of(browser.get("/oauth/connections"))


@pytest.mark.parametrize("effect", [Load, Swap, Seal, Open])
def test_a_store_or_key_service_that_is_down_is_a_page_and_loses_nothing(effect: type) -> None:
    world = World()
    browser = world.browser()
    asked = browser.start()

    def fail(asked_for: object) -> None:
        if isinstance(asked_for, effect):
            raise StoreError(f"down {CANARY}")

    world.before = fail
    response = browser.get("/oauth/callback/github?" + write_form((("code", "c"), ("state", asked["state"]))))

    assert response.status in (400, 503)
    assert CANARY not in text_of(response)


def test_what_nobody_expects_is_left_to_the_gateway() -> None:
    world = World()

    def fail(_: object) -> None:
        raise ZeroDivisionError

    world.before = fail
    with pytest.raises(ZeroDivisionError):
        world.run(respond(world.settings, Request("GET", "/oauth/connections"), "alice"))


# Connect links.


def link_for(world: World, owner: str = "alice", **about: str) -> str:
    url = world.run(connect_url(world.settings, "github", resource_owner=owner, **about))
    assert url.startswith(f"{BASE}/link/")
    return url.removeprefix("https://app.example")


def test_opening_a_link_shows_for_what_it_is_and_does_nothing() -> None:
    world = World()
    link = link_for(world, account="work")
    written: list[object] = []
    world.before = lambda effect: written.append(effect) if isinstance(effect, Swap) else None

    pages = [world.browser(owner=None).get(link) for _ in range(3)]

    for page in pages:
        assert page.status == 200
        assert "GitHub" in text_of(page)
        assert "work" in text_of(page)
        assert page.headers.all("set-cookie") == ()
    assert written == []


def test_the_button_of_a_link_leads_to_the_provider_and_back_to_the_application() -> None:
    world = World(completion_url="https://app.example/finish")
    browser = world.browser(owner=None)
    link = link_for(world)

    started = browser.send("POST", link, headers=SAME_ORIGIN)
    state = query_of(location(started))["state"]
    back = browser.get("/oauth/callback/github?" + write_form((("code", "c"), ("state", state))))

    assert location(back).startswith("https://app.example/finish?handle=")
    assert world.provider.requests == []
    handle = query_of(location(back))["handle"]
    connected = world.run(complete_authorization(world.settings, handle, resource_owner="alice"))
    assert connected.resource_owner == "alice"


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ((), "cannot tell where this came from"),
        ((("Origin", "null"),), "cannot tell where this came from"),
        ((("Sec-Fetch-Site", "cross-site"),), "another site"),
        ((("Origin", "https://evil.example"),), "another site"),
    ],
)
def test_a_forged_post_of_a_link_consumes_nothing(headers: tuple[tuple[str, str], ...], reason: str) -> None:
    world = World()
    browser = world.browser(owner=None)
    link = link_for(world)

    refused = browser.send("POST", link, headers=headers)

    assert refused.status == 403
    assert reason in text_of(refused)
    assert refused.headers.all("set-cookie") == ()
    assert browser.send("POST", link, headers=SAME_ORIGIN).status == 303


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_link_for_somebody_else_is_refused_before_anything_is_bound(method: str) -> None:
    world = World()

    response = world.browser("mallory").send(method, link_for(world), headers=SAME_ORIGIN)

    assert response.status == 403
    assert "somebody else" in text_of(response)
    assert response.headers.all("set-cookie") == ()


def test_a_link_works_once() -> None:
    world = World()
    link = link_for(world)
    world.browser(owner=None).send("POST", link, headers=SAME_ORIGIN)

    again = world.browser(owner=None).send("POST", link, headers=SAME_ORIGIN)

    assert again.status == 410
    assert "used before" in text_of(again)


def test_an_old_link_asks_for_a_new_one() -> None:
    world = World()
    link = link_for(world)
    world.clock.at += 3601

    assert world.browser(owner=None).get(link).status == 410


@pytest.mark.parametrize("link", ["vk1.test.AAAA", "x", "vk1.unknown.AAAA", "A" * 2048])
def test_a_link_that_is_none_is_not_found(link: str) -> None:
    response = World().browser(owner=None).get(f"/oauth/link/{link}")

    assert response.status == 404
    assert "does not work" in text_of(response)


def test_a_link_that_is_too_long_is_not_opened() -> None:
    world = World()
    touched: list[object] = []
    world.before = touched.append

    assert world.browser(owner=None).get("/oauth/link/" + "A" * 2049).status == 404
    assert touched == []


@pytest.mark.parametrize("cursor", ["x", "AAAA", "vk1.test.AAAA", "é", "\x00", "A" * 5000, "vk1..", "../.."])
def test_a_cursor_that_is_not_ours_never_reaches_the_store(cursor: str) -> None:
    world = World()
    touched: list[object] = []
    world.before = lambda effect: touched.append(effect) if isinstance(effect, List) else None

    response = world.browser().get("/oauth/connections?" + write_form((("cursor", cursor),)))

    assert response.status == 400
    assert touched == []


def test_many_connections_take_several_pages_and_none_is_missing() -> None:
    world = World()
    browser = world.browser()
    for number in range(103):
        browser.jar.clear()
        browser.connect(account=f"account-{number:03}")

    first = text_of(browser.get("/oauth/connections"))
    (more,) = re.findall(r'href="https://app\.example([^"]*cursor=[^"]*)"', first)
    second = text_of(browser.get(more))

    found = re.findall(r"account-\d{3}(?=</span>)", first + second)
    assert len(found) == len(set(found)) == 103
    assert "Show more" not in second


def test_a_cursor_of_another_resource_owner_is_refused() -> None:
    world = World()
    sealed = world.run(seal_cursor(world.settings, "alice", "x"))

    assert world.browser("bob").get(f"/oauth/connections?cursor={sealed}").status == 400


def test_no_page_on_the_way_shows_a_secret() -> None:
    world = World()
    browser = world.browser()
    pages = [browser.get("/oauth/connect/github?account=work"), browser.connect(account="work")]
    state = world.provider.requests[-1].body.decode()
    form = browser.form_on("/oauth/connections", action="/connections/revoke")
    pages += [
        browser.get("/oauth/connections?connected=github"),
        browser.send("POST", "/oauth/connections/revoke", form=form),
    ]

    assert CANARY in state  # the canaries did travel
    for page in pages:
        assert CANARY not in text_of(page)
        assert CANARY not in str(page.headers)


def test_a_link_may_be_followed_by_its_owner_with_the_pages_own_form() -> None:
    world = World()
    browser = world.browser("alice")
    link = link_for(world)
    form = browser.form_on(link, action=link)

    without = browser.send("POST", link)
    started = browser.send("POST", link, form=form)
    state = query_of(location(started))["state"]
    finished = browser.get("/oauth/callback/github?" + write_form((("code", "c"), ("state", state))))

    assert without.status == 403
    assert location(finished) == f"{BASE}/connections?connected=github"


@pytest.mark.parametrize("name", ["", "GitHub", "../x", "x" * 64])
def test_only_a_name_can_be_forgotten(name: str) -> None:
    browser = World().browser()
    browser.connect()
    form = browser.form_on("/oauth/connections", action="/connections/forget") | {"registration": name}

    assert browser.send("POST", "/oauth/connections/forget", form=form).status == 404


def test_of_flows_begun_in_the_same_second_the_first_is_given_up() -> None:
    browser = World().browser()
    for _ in range(8):
        browser.start()
    first, *others = browser.jar

    browser.start()

    assert list(browser.jar)[:7] == others
    assert first not in browser.jar
