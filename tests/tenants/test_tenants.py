"""Tenants with hosts of their own: which names are one, and that none gets anything of another's."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.tenants.tenancy import CALLBACK, TABLE, Tenancy, tenants_of
from tests.trace.recording import watch
from tests.web.world import SAME_ORIGIN, Browser, query_of

from valetkey.config import read_configuration, settings
from valetkey.connections.authorize import begin_authorization, finish_authorization
from valetkey.connections.call import call
from valetkey.connections.doctor import diagnose
from valetkey.connections.links import connect_url
from valetkey.connections.manage import connections, revoke
from valetkey.connections.registrations import find_registration, registered
from valetkey.connections.sign import access_token
from valetkey.errors import CallbackError, ConfigurationError, ReauthorizationRequired, RequestRefused
from valetkey.http import Headers, Request, read_url
from valetkey.keys.local import generate_key
from valetkey.providers import tenants as tenants_module
from valetkey.providers.catalog import load_provider, read_provider
from valetkey.providers.registration import register
from valetkey.providers.schema import is_context, is_tenant
from valetkey.sandbox import approve
from valetkey.secret import Secret
from valetkey.testing.world import callback_request

if TYPE_CHECKING:
    from valetkey.connections.connection import Connection

HOSTILE = [
    "", "ACME", "Acme", "a.b", "acme.evil.example", "acme#", "acme/", "acme?x", "acme@evil.example", "acme%2e", "acme:b",
    "-acme", "acme-", "xn--pypal-4ve", "ac--me", "a" * 64, "\u0430cme", "acme\n", " acme", "acme ", "acme\0", "..", ".",
    "acme\\evil", "[::1]", "127.0.0.1", "a_b", "acme\u3002evil", "\uff41cme", "acme\u2044",
]  # fmt: skip
SOUND = ["acme", "a", "0", "127", "acme-2", "a" * 63, "x1-y2-z3"]


@pytest.mark.parametrize("tenant", HOSTILE)
def test_what_is_no_label_of_a_host_is_no_tenant(tenant: str) -> None:
    assert not is_tenant(tenant)
    assert tenants_of().of(tenant) is None
    assert not is_context(f"desk:{tenant}")


@pytest.mark.parametrize("tenant", SOUND)
def test_a_label_is_a_tenant_with_its_own_hosts_and_redirect_uri(tenant: str) -> None:
    found = tenants_of().of(tenant)

    assert found is not None
    assert found.name == f"desk:{tenant}"
    assert found.redirect_uri == f"{CALLBACK}:{tenant}"
    assert found.provider.api_hosts == (f"{tenant}.desk.example",)
    assert read_url(found.provider.server.token_endpoint).host == f"{tenant}.desk.example"
    assert found.provider.title == f"Desk ({tenant})"


@given(tenant=st.text(max_size=80) | st.from_regex(r"[a-z0-9.:/@%#-]{1,70}", fullmatch=True))
def test_whatever_is_asked_for_the_host_is_the_providers_own(tenant: str) -> None:
    found = tenants_of().of(tenant)

    if found is not None:
        for url in (found.provider.server.token_endpoint, found.provider.server.authorization_endpoint):
            host = read_url(url).host
            assert host.endswith(".desk.example")
            assert host.count(".") == 2
            assert host.partition(".")[0] == tenant


def test_a_registration_may_be_for_a_few_tenants_only() -> None:
    tenants = tenants_of(allowed=("acme", "globex"))

    assert tenants.of("acme") is not None
    assert tenants.of("initech") is None


def test_a_provider_may_have_a_fixed_list_such_as_regions() -> None:
    tenants = tenants_of(rules={"allowed": ["eu", "us"]})

    assert [tenants.of(name) is not None for name in ("eu", "us", "mars")] == [True, True, False]
    with pytest.raises(ConfigurationError, match="none of the provider's: eu, us"):
        tenants_of(rules={"allowed": ["eu", "us"]}, allowed=("mars",))


def test_names_that_somebody_tries_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tenants_module, "MAX_KEPT", 3)
    tenants = tenants_of()

    first = tenants.of("acme")
    assert tenants.of("acme") is first
    for number in range(10):
        _ = tenants.of(f"t{number}")

    assert len(tenants.kept) <= 3


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"server": {"token_endpoint": "https://example.com/{tenant}/token"}}, "first label of a host"),
        ({"server": {"token_endpoint": "https://{tenant}/token"}}, "first label of a host"),
        ({"server": {"token_endpoint": "https://{tenant}.com/token"}}, "first label of a host"),
        ({"server": {"token_endpoint": "https://x-{tenant}.desk.example/token"}}, "first label of a host"),
        ({"server": {"token_endpoint": "https://{tenant}.desk.example/{tenant}"}}, "first label of a host"),
        ({"server": {"token_endpoint": "https://{tenant}@desk.example/token"}}, "first label of a host"),
        ({"server": {"token_endpoint": "http://{tenant}.desk.example/token"}}, "must start with https"),
        ({"server": {"scope_parameter": "{tenant}.desk.example"}}, "first label of a host"),
        ({"api_hosts": ["*.desk.example"]}, "a host of every tenant"),
        ({"tenants": {"allowed": ["A"]}}, "not a label"),
        ({"tenants": {"alowed": ["a"]}}, "alowed is not a known key"),
        ({"tenants": "yes"}, "it must be a table"),
    ],
)
def test_an_entry_that_would_let_a_tenant_choose_more_than_its_label_is_refused(
    change: dict[str, Any], expected: str
) -> None:
    table = copy.deepcopy(TABLE)
    for key, item in change.items():
        table[key] = {**table[key], **item} if key == "server" else item

    with pytest.raises(ConfigurationError) as caught:
        read_provider(table)

    assert expected in "\n".join(caught.value.problems)


def test_an_entry_with_tenants_is_not_registered_as_if_it_had_none() -> None:
    provider = read_provider(TABLE)

    with pytest.raises(ConfigurationError, match="register_tenants"):
        register("desk", provider, client_id="c", client_secret=Secret("s"), redirect_uri=CALLBACK)
    with pytest.raises(ConfigurationError, match="hosts of their own"):
        tenants_module.register_tenants("github", load_provider("github"), redirect_uri=CALLBACK)


def begun(here: Tenancy, context: str, owner: str = "alice", cookies: Any = ()) -> Any:
    return here.world.run(begin_authorization(here.world.settings, context, resource_owner=owner, cookies=cookies))


def came_back(here: Tenancy, redirect: Any) -> Request:
    tenant = read_url(redirect.location).host.partition(".")[0]
    return callback_request(approve(here.sandboxes[tenant].respond, redirect.location), redirect.set_cookies)


def finished(here: Tenancy, request: Request, owner: str = "alice") -> Any:
    return here.world.run(finish_authorization(here.world.settings, request, resource_owner=owner))


def connected(here: Tenancy, tenant: str, owner: str = "alice") -> Connection:
    found: Connection = finished(here, came_back(here, begun(here, f"desk:{tenant}", owner)), owner).connection
    return found


def test_two_tenants_are_two_connections_and_each_is_used_at_its_own_host() -> None:
    here = Tenancy("acme", "globex")
    for tenant in ("acme", "globex"):
        assert connected(here, tenant).registration == f"desk:{tenant}"
    tokens = [
        here.world.run(access_token(here.world.settings, f"desk:{tenant}", resource_owner="alice")).reveal()
        for tenant in ("acme", "globex")
    ]
    here.sent.clear()

    for tenant in ("acme", "globex"):
        request = Request("GET", f"https://{tenant}.desk.example/oauth2/me")
        response = here.world.run(
            call(here.world.settings, request, registration=f"desk:{tenant}", resource_owner="alice")
        )
        assert response.status == 200

    assert len(set(tokens)) == 2
    assert [read_url(url).host for url in here.sent] == ["acme.desk.example", "globex.desk.example"]
    page = here.world.run(connections(here.world.settings, resource_owner="alice"))
    assert {one.registration for one in page.connections} == {"desk:acme", "desk:globex"}


@pytest.mark.parametrize(
    "url",
    [
        "https://globex.desk.example/oauth2/me",
        "https://desk.example/oauth2/me",
        "https://acme.desk.example.evil.example/",
        "https://x.acme.desk.example/",
    ],
)
def test_a_token_of_one_tenant_goes_to_no_other_host(url: str) -> None:
    here = Tenancy("acme", "globex")
    _ = connected(here, "acme")
    here.sent.clear()

    with pytest.raises(ConfigurationError):
        _ = here.world.run(
            call(here.world.settings, Request("GET", url), registration="desk:acme", resource_owner="alice")
        )
    assert here.sent == []


def test_a_connection_of_one_tenant_is_none_of_another() -> None:
    here = Tenancy("acme", "globex")
    _ = connected(here, "acme")

    with pytest.raises(ReauthorizationRequired, match="desk:globex"):
        _ = here.world.run(access_token(here.world.settings, "desk:globex", resource_owner="alice"))


def test_tokens_are_refreshed_and_revoked_at_the_tenants_own_host() -> None:
    here = Tenancy("acme", "globex")
    _ = connected(here, "acme")
    here.world.clock.time += 4000
    here.sent.clear()

    _ = here.world.run(access_token(here.world.settings, "desk:acme", resource_owner="alice"))
    _ = here.world.run(revoke(here.world.settings, "desk:acme", resource_owner="alice"))

    assert here.sent == ["https://acme.desk.example/oauth2/token", "https://acme.desk.example/oauth2/revoke"]


def test_a_tenants_answer_at_another_tenants_callback_is_refused_before_anything_is_sent() -> None:
    here = Tenancy("acme", "globex")
    request = came_back(here, begun(here, "desk:acme"))
    moved = Request("GET", request.url.replace("callback/desk:acme", "callback/desk:globex"), request.headers)
    here.sent.clear()

    with pytest.raises(CallbackError) as caught:
        _ = finished(here, moved)

    assert caught.value.reason == "context_mismatch"
    assert here.sent == []


def test_a_malicious_tenant_that_sends_the_victim_on_to_an_honest_one_gets_no_code() -> None:
    """COAT (BCP 240 update): `evil` answers its own authorization request by redirecting to `acme` with its own state."""
    here = Tenancy("acme", "evil")
    redirect = begun(here, "desk:evil")
    asked = query_of(redirect.location)
    onward = begun(here, "desk:acme", "mallory").location
    hijacked = onward.replace(query_of(onward)["state"], asked["state"])
    code_of_acme = approve(here.sandboxes["acme"].respond, hijacked)
    request = callback_request(code_of_acme, redirect.set_cookies)
    here.sent.clear()

    with pytest.raises(CallbackError) as caught:
        _ = finished(here, request)

    assert caught.value.reason == "context_mismatch"
    assert here.sent == []


def test_a_cookie_of_one_tenants_flow_opens_for_no_other() -> None:
    here = Tenancy("acme", "globex")
    request = came_back(here, begun(here, "desk:acme"))
    jar = request.headers.get("cookie") or ""
    forged = Headers((("Cookie", jar.replace("desk:acme~", "desk:globex~")),))
    moved = Request("GET", request.url.replace("callback/desk:acme", "callback/desk:globex"), forged)

    with pytest.raises(CallbackError) as caught:
        _ = finished(here, moved)

    assert caught.value.reason == "flow_cookie_invalid"


def test_a_registration_with_tenants_is_not_usable_without_one() -> None:
    here = Tenancy("acme")

    with pytest.raises(ConfigurationError, match=r"has tenants: say whose, such as desk:acme"):
        _ = here.world.run(registered(here.world.settings, "desk"))
    with pytest.raises(ConfigurationError, match="desk:TENANT"):
        _ = here.world.run(registered(here.world.settings, "disk"))
    with pytest.raises(RequestRefused) as caught:
        _ = begun(here, "desk")
    assert caught.value.status == 404
    assert here.world.run(find_registration(here.world.settings, "one:acme")) is None


@pytest.mark.parametrize("tenant", ["ACME", "a.b", "acme%2Eevil", "xn--a", "acme:b", "..", "globex"])
def test_pages_know_no_tenant_that_is_none_or_not_allowed(tenant: str) -> None:
    here = Tenancy("acme", allowed=("acme",))
    browser = Browser(here.world, "alice")  # type: ignore[arg-type]

    for page in ("connect", "callback"):
        assert browser.get(f"/oauth/{page}/desk:{tenant}").status == 404
    assert browser.send("POST", f"/oauth/connect/desk:{tenant}", headers=SAME_ORIGIN, form={}).status == 404
    assert here.sent == []


def through_pages(here: Tenancy, browser: Browser, tenant: str, callback: str = "") -> Any:
    response = browser.send("POST", f"/oauth/connect/desk:{tenant}", headers=SAME_ORIGIN, form={})
    assert response.status == 303, response.body
    back = approve(here.sandboxes[tenant].respond, response.headers.get("location") or "")
    target = "/" + back.split("/", 3)[3]
    return browser.get(target.replace("/callback/desk:acme", callback) if callback else target)


def test_a_person_connects_two_tenants_through_the_pages() -> None:
    here = Tenancy("acme", "globex")
    browser = Browser(here.world, "alice")  # type: ignore[arg-type]

    assert "Desk (acme)" in browser.get("/oauth/connect/desk:acme").body.decode()
    for tenant in ("acme", "globex"):
        answer = through_pages(here, browser, tenant)
        assert answer.status == 303
        assert (answer.headers.get("location") or "").endswith(f"connected=desk%3A{tenant}")
    page = browser.get("/oauth/connections?connected=desk%3Aacme").body.decode()

    assert "Desk (acme) is connected." in page
    assert "Desk (globex)" in page
    form = browser.form_on("/oauth/connections", action="/connections/forget")
    assert browser.send("POST", "/oauth/connections/forget", form=form).status == 303


def test_a_connect_link_is_for_one_tenant() -> None:
    here = Tenancy("acme")
    link = here.world.run(connect_url(here.world.settings, "desk:acme", resource_owner="alice"))
    browser = Browser(here.world, "alice")  # type: ignore[arg-type]

    assert "Desk (acme)" in browser.get("/oauth" + link.partition("/oauth")[2]).body.decode()


# --- One redirect URI for all tenants


def test_where_a_provider_takes_one_redirect_uri_the_tenant_comes_from_the_sealed_flow() -> None:
    here = Tenancy("acme", "globex", shared=True)
    browser = Browser(here.world, "alice")  # type: ignore[arg-type]

    for tenant in ("acme", "globex"):
        answer = through_pages(here, browser, tenant)
        assert answer.status == 303, answer.body
        assert (answer.headers.get("location") or "").endswith(f"connected=desk%3A{tenant}")

    page = here.world.run(connections(here.world.settings, resource_owner="alice"))
    assert {one.registration for one in page.connections} == {"desk:acme", "desk:globex"}


def test_a_reload_of_a_shared_callback_shows_success_again() -> None:
    here = Tenancy("acme", shared=True)
    request = came_back(here, begun(here, "desk:acme"))
    first = finished(here, request)
    again = Request("GET", request.url, Headers((("Cookie", first.set_cookies[0].partition(";")[0]),)))

    assert finished(here, again).repeated


def test_a_shared_callback_believes_no_context_that_was_not_sealed() -> None:
    here = Tenancy("acme", "globex", shared=True)
    request = came_back(here, begun(here, "desk:acme"))
    jar = request.headers.get("cookie") or ""
    here.sent.clear()

    def reason(url: str, cookie: str) -> str:
        with pytest.raises(RequestRefused) as caught:
            _ = finished(here, Request("GET", url, Headers((("Cookie", cookie),) if cookie else ())))
        return caught.value.reason

    assert reason(request.url, jar.replace("desk:acme~", "desk:globex~")) == "flow_cookie_invalid"
    assert reason(request.url, jar.replace("desk:acme~", "one~")) == "context_mismatch"
    assert reason(request.url, jar.replace("desk:acme~", "desk:ACME~")) == "unknown_registration"
    assert reason(request.url, "") == "wrong_browser"
    assert reason(request.url.partition("?")[0], jar) == "state_missing"
    assert reason(request.url.replace("callback/desk?", "callback/desk:acme?"), jar) == "unknown_registration"
    assert here.sent == []


def test_the_issuer_tells_tenants_apart_behind_one_redirect_uri() -> None:
    """Mix-up (RFC 9207): the code of `acme` comes back into the flow of `evil`."""
    here = Tenancy("acme", "evil", shared=True)
    redirect = begun(here, "desk:evil")
    onward = begun(here, "desk:acme", "mallory").location
    hijacked = onward.replace(query_of(onward)["state"], query_of(redirect.location)["state"])
    request = callback_request(approve(here.sandboxes["acme"].respond, hijacked), redirect.set_cookies)
    here.sent.clear()

    with pytest.raises(CallbackError) as caught:
        _ = finished(here, request)

    assert caught.value.reason == "issuer_mismatch"
    assert here.sent == []


def test_one_redirect_uri_for_all_needs_a_state_in_the_query() -> None:
    with pytest.raises(ConfigurationError, match="needs a `state` in the query"):
        tenants_of(rules={"shared_redirect_uri": True}, response_mode="form_post")


# --- Around it


def test_a_flow_of_a_tenant_is_traced_under_its_context() -> None:
    here = Tenancy("acme")
    sink = watch(here.world)

    _ = connected(here, "acme")

    (trace,) = sink.traces()
    assert trace.registration == "desk:acme"
    assert trace.file_name.startswith("desk-acme-flow-")


def test_the_doctor_says_which_redirect_uri_each_tenant_has() -> None:
    here, shared = Tenancy("acme"), Tenancy("acme", shared=True)

    def said(one: Tenancy) -> list[str]:
        found = one.world.run(diagnose(one.world.settings))
        about = [finding for finding in found.findings if finding.about == "desk"]
        return [finding.what for finding in about if finding.check == "redirect_uri"]

    assert said(here) == [f"its redirect URI is {CALLBACK}:TENANT, one for each"]
    assert said(shared) == [f"its redirect URI is {CALLBACK}"]


def environment(**changes: str) -> dict[str, str]:
    return {
        "VALETKEY_STORE": "sqlite:///tmp/v.db",
        "VALETKEY_KEY": generate_key(lambda octets: bytes(range(100, 100 + octets)), key_id="k"),
        "VALETKEY_BASE_URL": "https://app.example/oauth",
        "VALETKEY_ZENDESK_CLIENT_ID": "zdg-notes",
        "VALETKEY_ZENDESK_CLIENT_SECRET": "secret",
        **changes,
    }


def test_a_registration_with_tenants_is_configured_like_any_other() -> None:
    found = settings(read_configuration(environment()))

    assert found.registrations == {}
    acme = found.tenants["zendesk"].of("acme")
    assert acme is not None
    assert acme.redirect_uri == "https://app.example/oauth/callback/zendesk:acme"
    assert acme.provider.server.token_endpoint == "https://acme.zendesk.com/oauth/tokens"
    few = settings(read_configuration(environment(VALETKEY_ZENDESK_TENANTS="acme, globex")))
    assert few.tenants["zendesk"].allowed == ("acme", "globex")
    assert few.tenants["zendesk"].of("initech") is None


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"VALETKEY_ZENDESK_TENANTS": "Acme"}, "VALETKEY_ZENDESK_TENANTS: 'Acme' is no tenant"),
        (
            {"VALETKEY_GITHUB_TENANTS": "a", "VALETKEY_GITHUB_CLIENT_ID": "i", "VALETKEY_GITHUB_CLIENT_SECRET": "s"},
            "VALETKEY_GITHUB_TENANTS: GitHub has no tenants",
        ),
    ],
)
def test_what_is_wrong_with_tenants_is_said_at_start(changes: dict[str, str], expected: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        _ = read_configuration(environment(**changes))

    assert expected in "\n".join(caught.value.problems)


def test_the_tenants_of_the_catalog_are_hosts_of_their_vendors() -> None:
    okta = load_provider("okta")
    assert okta.for_tenant is not None
    acme = okta.for_tenant("acme")

    assert (acme.server.issuer, acme.server.discovery) == ("https://acme.okta.com", "oidc")  # type: ignore[union-attr]
    assert acme.api_hosts == ("acme.okta.com",)
    with pytest.raises(ConfigurationError, match="no tenant of this provider"):
        _ = okta.for_tenant("evil.example#")
