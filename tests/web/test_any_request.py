"""Whatever a browser, a robot or an attacker sends is answered by a protected page below 500."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.web.world import BASE, CANARY, SAME_ORIGIN, World, location, query_of, without_our_script

from valetkey.connections.links import connect_url
from valetkey.connections.settings import McpSettings
from valetkey.errors import ConfigurationError
from valetkey.http import FORM, Headers, Request, write_form
from valetkey.value import replace
from valetkey.web.pages import PROTECTIVE
from valetkey.web.routes import respond

LOAD_BALANCER_OCTETS = 1_000_000  # what an Application Load Balancer takes of an answer
NASTY = [
    "",
    "\0",
    "\r\nSet-Cookie: a=b",
    "%0d%0aSet-Cookie:%20a=b",
    "<script>alert(1)</script>",
    '"><img src=x>',
    "../../etc/passwd",
    "\N{RIGHT-TO-LEFT OVERRIDE}txt",
    "\N{FULLWIDTH DIGIT ONE}\N{FULLWIDTH DIGIT TWO}",
    "1_000",
    "\N{GRINNING FACE}" * 80,
    "x" * 5_000,
    "javascript:alert(1)",
    "//evil.example",
    "\\\\evil.example",
]
FIELDS = (
    *("state", "code", "error", "error_description", "error_uri", "iss", "oauth_token", "oauth_verifier", "denied"),
    *("return_to", "account", "registration", "form", "cursor", "connected", "handle", "access_token", "url"),
)
PATHS = (
    *("/connections", "/connections/revoke", "/connections/forget", "/connect/github", "/connect/poster"),
    *(
        "/callback/github",
        "/callback/poster",
        "/link/vk1.test.AAAA",
        "/link/x",
        "/doctor/vk1.test.AAAA",
        "/doctor/x",
        "/connect/nobody",
        "/elsewhere",
        "/verifier/github",
        "/mcp",
        f"/client/mcp-{'0' * 24}-{'1' * 24}",
        f"/connect/mcp-{'0' * 24}-{'1' * 24}",
        f"/callback/mcp-{'0' * 24}-{'1' * 24}",
        "",
    ),
)
texts = st.one_of(st.sampled_from(NASTY), st.text(max_size=40))
pairs = st.lists(st.tuples(st.sampled_from(FIELDS), texts), max_size=6)
raw = st.one_of(pairs.map(write_form), st.text(st.characters(max_codepoint=0x2FF), max_size=60))
latin1 = st.text(st.characters(max_codepoint=0xFF, exclude_characters="\r\n\0"), max_size=60)
headers = st.lists(
    st.one_of(
        st.tuples(st.just("Cookie"), latin1),
        st.tuples(st.just("Sec-Fetch-Site"), st.sampled_from(["same-origin", "none", "cross-site", "", "x"])),
        st.tuples(st.just("Origin"), st.sampled_from(["https://app.example", "null", "https://evil.example", ""])),
        st.tuples(st.just("Content-Type"), st.sampled_from([FORM, f"{FORM};charset=x", "application/json", ""])),
        st.tuples(st.sampled_from(["Host", "X-Forwarded-Host", "Forwarded", "X-Original-Url"]), latin1),
    ),
    max_size=5,
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(["GET", "POST", "HEAD", "OPTIONS", "PUT", "get", ""]),
    st.sampled_from(PATHS),
    raw,
    headers,
    st.one_of(raw.map(lambda text: text.encode("utf-8", "replace")), st.binary(max_size=60)),
    st.sampled_from(["alice", None]),
)
def test_any_request_gets_a_protected_page_below_500(
    method: str, path: str, query: str, fields: list[tuple[str, str]], body: bytes, owner: str | None
) -> None:
    world = World(mcp=McpSettings(page=True))
    request = Request(method, f"/oauth{path}?{query}", Headers(tuple(fields)), body)

    response = world.run(respond(world.settings, request, owner))

    assert 200 <= response.status < 500
    for name, text in PROTECTIVE:
        assert response.headers.get(name) == text
    going = response.headers.get("location")
    assert going is None or going.startswith(("https://app.example/oauth/", "https://github.example/authorize?"))
    assert CANARY not in response.body.decode() + repr(response.headers.pairs)


@pytest.mark.parametrize("nasty", NASTY, ids=range(len(NASTY)))
@pytest.mark.parametrize("field", FIELDS)
def test_a_field_of_any_text_breaks_neither_page_nor_header(field: str, nasty: str) -> None:
    world = World(completion_url="https://app.example/done")
    browser = world.browser()
    state = browser.start()["state"]
    answers = [
        browser.get(f"/oauth/{page}?{write_form(((field, nasty),))}")
        for page in ("connections", "connect/github", "callback/github", f"callback/github?state={state}")
    ]
    answers += [
        browser.send("POST", f"/oauth/{page}", headers=SAME_ORIGIN, form={field: nasty})
        for page in ("connect/github", "connections/revoke", "connections/forget", "callback/poster")
    ]

    for answer in answers:
        assert answer.status < 500
        assert all(text.isprintable() for _, text in answer.headers.pairs)
        page = without_our_script(answer)
        assert "<script" not in page
        assert "<img" not in page
        assert "\N{RIGHT-TO-LEFT OVERRIDE}" not in page.replace(f'value="{nasty}"', "")


def test_a_cookie_or_link_of_another_environment_is_refused() -> None:
    world = World(completion_url="https://app.example/done")
    link = world.run(connect_url(world.settings, "github", resource_owner="alice")).removeprefix(BASE)
    visitor = world.browser(None)
    asked = query_of(location(visitor.send("POST", f"/oauth{link}", headers=SAME_ORIGIN, form={})))
    callback = f"/oauth/callback/github?code=c&state={asked['state']}"

    world.settings = replace(world.settings, environment="staging")

    assert visitor.get(f"/oauth{link}").status == 404
    answer = visitor.get(callback)
    assert answer.status == 400
    assert "cannot read what we kept in your browser" in answer.body.decode()
    assert world.provider.requests == []


def test_the_largest_page_is_one_that_every_front_hands_on() -> None:
    world = World()
    browser = world.browser()
    for number in range(100):
        assert browser.connect(account=f"{number:03d}" + "&" * 61).status == 303

    answer = browser.get("/oauth/connections")

    assert answer.status == 200
    assert len(answer.body) < LOAD_BALANCER_OCTETS


def test_an_identity_that_a_header_claims_is_nobody() -> None:
    claims = ("X-User", "X-Amzn-Oidc-Identity", "X-Forwarded-User", "Remote-User", "X_Remote_User")
    browser = World().browser(None)

    for name in claims:
        assert browser.send("GET", "/oauth/connections", headers=((name, "alice"),)).status == 401


def test_a_label_that_no_row_could_hold_is_the_callers_mistake() -> None:
    world = World()

    with pytest.raises(ConfigurationError, match="200 octets"):
        world.run(connect_url(world.settings, "github", resource_owner="alice", account="x" * 201))
