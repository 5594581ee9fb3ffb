"""The pages: who may answer them, and what a browser is told about them."""

from __future__ import annotations

import pytest
from tests.sandbox.steps import APP, BASE_URL, REDIRECT_URI, Bench, callback

from valetkey.http import FORM, Headers, Request, Response, write_form
from valetkey.sandbox import approve
from valetkey.sandbox.visitor import VisitFailed, Visitor, read_forms
from valetkey.value import replace

ALICE = {"account": "alice", "password": "wonderland"}


def signed_in(bench: Bench, account: str = "alice", password: str = "wonderland") -> tuple[Visitor, Response]:
    """A visitor in front of the consent page."""
    visitor = Visitor(bench.sandbox.respond)
    page = visitor.request("GET", bench.location())
    form = read_forms(page.body.decode())[0]
    answer = visitor.request("POST", BASE_URL + form.action, tuple((form.fields | ALICE).items()))
    assert answer.status == 303
    return visitor, visitor.request("GET", bench.location())


def consent(page: Response, **changes: str) -> tuple[tuple[str, str], ...]:
    form = read_forms(page.body.decode())[0]
    return tuple((form.fields | {"decision": "allow"} | changes).items())


def test_every_page_forbids_frames_scripts_and_storing() -> None:
    bench = Bench()
    _visitor, consent_page = signed_in(bench)
    pages = [bench.get("/"), bench.get(bench.location()), consent_page, bench.get("/oauth2/authorize"), bench.get("/x")]

    for page in pages:
        policy = page.headers.get("Content-Security-Policy") or ""
        assert policy.startswith("default-src 'none'; style-src 'sha256-")
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert page.headers.get("X-Frame-Options") == "DENY"
        assert page.headers.get("Cache-Control") == "no-store"
        assert b"<script" not in page.body
        assert b'name="viewport"' in page.body


def test_the_style_sheet_is_the_one_that_the_policy_names() -> None:
    from base64 import b64encode
    from hashlib import sha256

    page = Bench().get("/")
    style = page.body.partition(b"<style>")[2].partition(b"</style>")[0]

    digest = b64encode(sha256(style).digest()).decode()

    assert f"'sha256-{digest}'" in (page.headers.get("Content-Security-Policy") or "")


def test_the_consent_page_names_client_account_and_scope_and_lets_its_form_lead_to_the_client() -> None:
    bench = Bench()

    _, page = signed_in(bench)

    for text in (b"The App", b"Alice Liddell", b"See your name", REDIRECT_URI.encode()):
        assert text in page.body
    assert "form-action 'self' https://app.example " in (page.headers.get("Content-Security-Policy") or "")


def test_a_clients_name_is_escaped() -> None:
    bench = Bench(replace(APP, name="<script>alert(1)</script>"))

    _, page = signed_in(bench)

    assert b"<script" not in page.body
    assert b"&lt;script&gt;" in page.body


def test_the_session_cookie_is_for_http_only_and_same_site() -> None:
    cookie = Bench().get(Bench().location()).headers.get("Set-Cookie") or ""
    secure = Bench(base_url="https://sandbox.example")
    secure_cookie = secure.get(secure.location()).headers.get("Set-Cookie") or ""

    assert "; HttpOnly; SameSite=Lax" in cookie
    assert "Secure" not in cookie
    assert secure_cookie.startswith("__Host-valetkey-sandbox=")
    assert secure_cookie.endswith("; Secure")


def test_signing_in_draws_a_new_session() -> None:
    bench = Bench()
    visitor = Visitor(bench.sandbox.respond)
    page = visitor.request("GET", bench.location())
    before = dict(visitor.cookies)
    form = read_forms(page.body.decode())[0]

    visitor.request("POST", BASE_URL + "/sign-in", tuple((form.fields | ALICE).items()))

    assert visitor.cookies != before
    visitor.cookies = before
    assert b"Who are you today" in visitor.request("GET", bench.location()).body


@pytest.mark.parametrize(
    "wrong", [{"password": "pickwick"}, {"account": "bob"}, {"account": "nobody"}, {"password": ""}]
)
def test_a_wrong_password_shows_the_page_again(wrong: dict[str, str]) -> None:
    bench = Bench()

    with pytest.raises(VisitFailed, match="401"):
        approve(bench.sandbox.respond, bench.location(), **{"account": "alice", "password": "wonderland"} | wrong)


@pytest.mark.parametrize(
    "target", ["https://evil.example/", "//evil.example/", "/\\evil.example", "javascript:x", "/oauth2/token", "x", ""]
)
def test_signing_in_never_leads_to_another_site(target: str) -> None:
    bench = Bench()
    visitor = Visitor(bench.sandbox.respond)
    form = read_forms(visitor.request("GET", bench.location()).body.decode())[0]

    answer = visitor.request("POST", BASE_URL + "/sign-in", tuple((form.fields | ALICE | {"target": target}).items()))

    assert answer.headers.get("Location") == BASE_URL + "/"


@pytest.mark.parametrize("changes", [{"form_token": ""}, {"form_token": "guess"}, {"form_token": "\u00e9"}])
def test_a_forged_consent_grants_nothing(changes: dict[str, str]) -> None:
    bench = Bench()
    visitor, page = signed_in(bench)

    answer = visitor.request("POST", BASE_URL + "/consent", consent(page, **changes))

    assert (answer.status, answer.headers.get("Location")) == (403, None)
    assert bench.sandbox.state.codes == {}


@pytest.mark.parametrize("origins", [("https://evil.example",), ("null",), (BASE_URL, BASE_URL), ("http://127.0.0.1",)])
def test_a_form_from_another_origin_is_refused(origins: tuple[str, ...]) -> None:
    bench = Bench()
    visitor, page = signed_in(bench)
    cookie = "; ".join(f"{name}={text}" for name, text in visitor.cookies.items())
    headers = (("Content-Type", FORM), ("Cookie", cookie), *(("Origin", origin) for origin in origins))

    answer = bench.sandbox.respond(Request("POST", "/consent", Headers(headers), write_form(consent(page)).encode()))

    assert answer.status == 403


def test_a_consent_page_is_answered_once_by_the_browser_and_account_it_was_shown_to() -> None:
    bench = Bench()
    alice, alices_page = signed_in(bench)
    bob, bobs_page = signed_in(bench)

    stolen = dict(consent(bobs_page)) | {"consent": dict(consent(alices_page))["consent"]}
    assert bob.request("POST", BASE_URL + "/consent", tuple(stolen.items())).status == 400
    first = alice.request("POST", BASE_URL + "/consent", consent(alices_page))
    second = alice.request("POST", BASE_URL + "/consent", consent(alices_page))

    assert (first.status, second.status) == (303, 400)
    assert bench.sandbox.seen.count("consent", outcome="ok") == 1


def test_a_consent_page_is_too_old_after_ten_minutes() -> None:
    bench = Bench()
    visitor, page = signed_in(bench)

    bench.clock.sleep(600)

    assert visitor.request("POST", BASE_URL + "/consent", consent(page)).status == 400


@pytest.mark.parametrize("decision", ["", "yes", "ALLOW"])
def test_only_allow_and_deny_are_answers(decision: str) -> None:
    bench = Bench()
    visitor, page = signed_in(bench)

    assert visitor.request("POST", BASE_URL + "/consent", consent(page, decision=decision)).status == 400
    assert visitor.request("POST", BASE_URL + "/consent", consent(page)).status == 303


def test_two_consent_pages_of_one_oauth1_authorization_are_answered_once() -> None:
    bench = Bench()
    visitor, _ = signed_in(bench)
    location = bench.page_for(bench.temporary())
    one, two = visitor.request("GET", location), visitor.request("GET", location)

    first = visitor.request("POST", BASE_URL + "/consent", consent(one))
    second = visitor.request("POST", BASE_URL + "/consent", consent(two, decision="deny"))

    assert "oauth_verifier" in callback(first.headers.get("Location") or "")
    assert second.status == 400


def test_another_account_can_be_used_from_the_consent_page() -> None:
    bench = Bench()
    visitor, page = signed_in(bench)
    switch = read_forms(page.body.decode())[1]

    answer = visitor.request("POST", BASE_URL + switch.action, tuple(switch.fields.items()))

    assert answer.headers.get("Location") == bench.location()
    assert b"Who are you today" in visitor.request("GET", bench.location()).body


def test_a_session_ends_after_eight_hours() -> None:
    bench = Bench()
    visitor, _ = signed_in(bench)

    bench.clock.sleep(8 * 3600)

    assert b"Who are you today" in visitor.request("GET", bench.location()).body


def test_two_session_cookies_are_none() -> None:
    bench = Bench()
    visitor, _ = signed_in(bench)
    (name, text), *_ = visitor.cookies.items()

    page = bench.get(bench.location(), ("Cookie", f"{name}={text}; {name}=other"))

    assert b"Who are you today" in page.body


def test_the_front_page_says_who_is_signed_in_and_shows_no_secret() -> None:
    bench = Bench()
    visitor, _ = signed_in(bench)

    page = visitor.request("GET", BASE_URL + "/").body

    assert b"<b>alice</b>" in page
    assert b"/oauth2/token" in page
    assert b"app-secret" not in page


def test_after_a_wrong_password_the_same_account_is_still_chosen() -> None:
    bench = Bench()
    visitor = Visitor(bench.sandbox.respond)
    form = read_forms(visitor.request("GET", bench.location()).body.decode())[0]

    sent = form.fields | {"account": "bob", "password": "wrong"}
    page = visitor.request("POST", BASE_URL + "/sign-in", tuple(sent.items()))

    assert b'value="bob" checked' in page.body
    assert page.body.count(b" checked") == 1
