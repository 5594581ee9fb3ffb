"""The page for MCP servers, and the document that an authorization server reads instead of a registration."""

from __future__ import annotations

import json
from html import escape
from typing import TYPE_CHECKING, Any

import pytest
from tests.connections.internet import ISSUER, URL, Internet, Server
from tests.web.world import BASE, SAME_ORIGIN, World, forms_of, location, query_of, text_of

from valetkey.connections.device import begin_device_authorization
from valetkey.connections.manage import connection, forget, revoke
from valetkey.connections.password import connect_by_password
from valetkey.connections.scope import require
from valetkey.connections.settings import McpSettings
from valetkey.connections.sign import access_token, sign
from valetkey.connections.unenrol import forget_enrolled
from valetkey.effects import Seal
from valetkey.errors import ConfigurationError, KeyUnavailable, ReauthorizationRequired
from valetkey.http import Request, Response, percent_encode
from valetkey.secret import Secret
from valetkey.web.pages import PROTECTIVE

if TYPE_CHECKING:
    from collections.abc import Callable

OPEN = McpSettings(page=True)
KEYED = "https://mcp.notes.example/s/sk_live_canary4eC39HqLyjWDarj/mcp"


def there(mcp: McpSettings = OPEN) -> tuple[World, Internet, Server]:
    world: Any = World(mcp=mcp)
    internet = Internet(world)
    server = internet.server()
    _ = internet.resource(URL, server)
    return world, internet, server


def test_a_resource_owner_enters_a_url_and_comes_back_connected() -> None:
    world, _, server = there()
    browser = world.browser()

    page = browser.get(f"/oauth/mcp?url={URL}&return_to=/reports")
    form = browser.form_on(f"/oauth/mcp?url={URL}&return_to=/reports", action="/mcp")
    going = browser.send("POST", "/oauth/mcp", form={**form, "url": f" {URL} "})
    came_back = browser.get(server.authorize(location(going)).removeprefix("https://app.example"))

    assert f'value="{URL}"' in text_of(page)
    assert going.status == came_back.status == 303
    assert location(came_back) == "https://app.example/reports"
    listed = text_of(browser.get("/oauth/connections"))
    assert "mcp.notes.example/mcp" in listed
    assert "Disconnect mcp.notes.example/mcp" in listed


def test_its_connection_is_ended_on_the_page() -> None:
    world, _, server = there()
    browser = world.browser()
    going = browser.send("POST", "/oauth/mcp", headers=SAME_ORIGIN, form={"url": URL})
    _ = browser.get(server.authorize(location(going)).removeprefix("https://app.example"))

    ended = browser.send(
        "POST", "/oauth/connections/revoke", form=browser.form_on("/oauth/connections", action="revoke")
    )

    assert "mcp.notes.example/mcp is disconnected" in text_of(ended)
    assert server.access == set()


def test_its_own_connect_page_starts_again_at_the_issuer_that_the_server_trusts_now() -> None:
    world, internet, server = there()
    browser = world.browser()
    going = browser.send("POST", "/oauth/mcp", headers=SAME_ORIGIN, form={"url": URL})
    _ = browser.get(server.authorize(location(going)).removeprefix("https://app.example"))
    name = query_of(location(going))["redirect_uri"].rpartition("/")[2]
    _ = internet.resource(URL, internet.server("https://as.other.example"))

    assert "Connect mcp.notes.example/mcp" in text_of(browser.get(f"/oauth/connect/{name}"))
    again = browser.send("POST", f"/oauth/connect/{name}", headers=SAME_ORIGIN, form={})

    assert location(again).startswith("https://as.other.example/authorize?")


@pytest.mark.parametrize(
    "headers", [(), (("Sec-Fetch-Site", "cross-site"),), (("Origin", "https://evil.example"),), (("Origin", "null"),)]
)
def test_only_our_own_form_or_a_page_of_our_origin_may_name_a_server(headers: Any) -> None:
    world, internet, _ = there()

    response = world.browser().send("POST", "/oauth/mcp", headers=headers, form={"url": URL})

    assert response.status == 403
    assert internet.sent == []


def test_loading_the_page_asks_nobody() -> None:
    world, internet, _ = there()

    assert world.browser().get(f"/oauth/mcp?url={URL}").status == 200
    assert internet.sent == []


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_there_is_no_such_page_unless_the_operator_wants_it(method: str) -> None:
    world, internet, _ = there(McpSettings())

    response = world.browser().send(method, "/oauth/mcp", headers=SAME_ORIGIN, form={"url": URL})

    assert response.status == 404
    assert internet.sent == []


def test_nobody_connects_without_being_signed_in() -> None:
    world, internet, _ = there()

    assert world.browser(None).send("POST", "/oauth/mcp", headers=SAME_ORIGIN, form={"url": URL}).status == 401
    assert internet.sent == []


@pytest.mark.parametrize(
    ("url", "status"),
    [
        ("http://mcp.notes.example/mcp", 400),
        ("https://10.0.0.1:80/mcp", 400),
        ("<script>alert(1)</script>", 400),
        ("", 400),
        ("x" * 5000, 400),
        ("https://mcp.nowhere.example", 502),
    ],
)
def test_a_url_that_cannot_be_connected_stands_in_the_field_of_the_page_and_nowhere_else(url: str, status: int) -> None:
    world, _, _ = there()

    response = world.browser().send("POST", "/oauth/mcp", headers=SAME_ORIGIN, form={"url": url})

    text = text_of(response)
    field = f'value="{escape(url[:500])}">'
    assert response.status == status
    assert text.count(field) == 1
    assert not url or escape(url[:500]) not in text.replace(field, "")
    assert "<script" not in text
    assert all(url not in value for _, value in response.headers.pairs if url)


@pytest.mark.parametrize(
    ("wrong", "status", "title"),
    [
        ("nobody there", 502, "This server does not answer"),
        ("another path", 400, "This address cannot be connected"),
        ("about another", 400, "This address cannot be connected"),
        ("no issuer", 400, "This server cannot be connected"),
    ],
)
def test_a_wrong_address_is_said_to_be_wrong_with_the_way_back_to_the_field(
    wrong: str, status: int, title: str
) -> None:
    world, internet, server = there()
    if wrong == "about another":
        internet.documents[URL]["resource"] = "https://mcp.notes.example/other"
    elif wrong == "no issuer":
        server.said["token_endpoint"] = 7
    url = {"nobody there": "https://mcp.nowhere.example/mcp", "another path": "https://mcp.notes.example/mpc"}
    internet.pages["https://mcp.notes.example/mpc"] = lambda _: Response(404)

    response = world.browser().send("POST", "/oauth/mcp", headers=SAME_ORIGIN, form={"url": url.get(wrong, URL)})

    text = text_of(response)
    assert (response.status, f"<h1>{title}</h1>" in text) == (status, True), text
    assert ">Try again</button>" in text
    assert f'action="{BASE}/mcp"' in text
    assert "The service said" not in text
    assert "nowhere" not in text.replace('value="https://mcp.nowhere.example/mcp"', "")


def test_after_a_refusal_the_page_s_own_form_connects_with_all_that_was_filled_in() -> None:
    world, internet, server = there()
    browser = world.browser()
    wrong = "https://mcp.notes.example/mpc"
    internet.pages[wrong] = lambda _: Response(404)
    form = browser.form_on("/oauth/mcp?return_to=/reports&account=work", action="/mcp")

    refused = browser.send("POST", "/oauth/mcp", form={**form, "url": wrong})
    _, again = next(forms_of(refused))
    going = browser.send("POST", "/oauth/mcp", form={**again, "url": URL})
    came_back = browser.get(server.authorize(location(going)).removeprefix("https://app.example"))

    assert refused.status == 400
    assert f'value="{wrong}">' in text_of(refused)
    assert again["account"] == "work"
    assert location(came_back) == "https://app.example/reports"
    assert "work" in text_of(browser.get("/oauth/connections"))


def test_a_long_address_comes_back_whole() -> None:
    world, _, _ = there()
    long = "https://mcp.nowhere.example/" + "a" * 470

    refused = world.browser().send("POST", "/oauth/mcp", headers=SAME_ORIGIN, form={"url": long})

    assert f'value="{long}">' in text_of(refused)
    assert f'value="{long}">' in text_of(world.browser().get(f"/oauth/mcp?url={long}"))


@pytest.mark.parametrize(
    ("headers", "status"),
    [((), 403), ((("Sec-Fetch-Site", "cross-site"),), 403), ((("Origin", "https://evil.example"),), 403)],
)
def test_what_another_site_posts_is_shown_in_no_page_of_ours(headers: Any, status: int) -> None:
    world, _, _ = there()

    response = world.browser().send("POST", "/oauth/mcp", headers=headers, form={"url": "https://evil.example/look"})

    assert response.status == status
    assert "evil.example" not in text_of(response)
    assert "<form" not in text_of(response)


@pytest.mark.parametrize("more", [{"account": "x" * 65}, {"return_to": "//evil.example"}])
def test_what_no_form_of_ours_holds_is_refused_without_one(more: dict[str, str]) -> None:
    world, internet, _ = there()

    response = world.browser().send("POST", "/oauth/mcp", headers=SAME_ORIGIN, form={"url": URL, **more})

    assert response.status == 400
    assert "evil" not in text_of(response)
    assert "x" * 65 not in text_of(response)
    assert internet.sent == []


def test_an_outage_of_the_keys_while_the_form_is_made_again_is_a_page_too() -> None:
    world, internet, _ = there()
    internet.pages.clear()
    wanted = {"url": "https://mcp.nowhere.example/mcp"}

    def no_key(effect: object) -> None:
        if isinstance(effect, Seal):
            raise KeyUnavailable("k")

    world.before = no_key
    response = world.browser().send("POST", "/oauth/mcp", headers=SAME_ORIGIN, form=wanted)

    assert response.status == 503
    assert "<form" not in text_of(response)


# Links of ours


def connect_link(world: World, url: str = URL) -> str:
    """The address that an error of the vault carries, from the root on."""
    with pytest.raises(ReauthorizationRequired) as required:
        world.run(access_token(world.settings, url, resource_owner="alice"))
    return required.value.connect_url.removeprefix("https://app.example")


def test_a_link_of_ours_fills_in_the_address_without_showing_it() -> None:
    world, _, server = there()
    link = connect_link(world, KEYED)
    browser = world.browser()

    page = browser.get(link)

    assert link.startswith("/oauth/mcp?server=vk1.")
    assert "canary" not in link
    assert f'value="{KEYED}">' in text_of(page)
    assert server.asked == []


def test_such_a_link_shows_the_address_to_nobody_else() -> None:
    world, _, _ = there()
    link = connect_link(world, KEYED)

    response = world.browser("bob").get(link)

    assert response.status == 404
    assert "canary" not in text_of(response)


@pytest.mark.parametrize(
    "verb",
    [
        lambda settings: connection(settings, KEYED, resource_owner="alice"),
        lambda settings: revoke(settings, KEYED, resource_owner="alice"),
        lambda settings: forget(settings, KEYED, resource_owner="alice"),
        lambda settings: require(settings, KEYED, resource_owner="alice", scope=("a",)),
        lambda settings: begin_device_authorization(settings, KEYED, resource_owner="alice"),
        lambda settings: sign(settings, Request("GET", KEYED), registration=KEYED, resource_owner="alice"),
    ],
)
def test_every_verb_that_names_somebody_leads_them_to_the_filled_in_field(verb: Any) -> None:
    world, _, _ = there()

    with pytest.raises(ReauthorizationRequired) as required:
        world.run(verb(world.settings))

    page = world.browser().get(required.value.connect_url.removeprefix("https://app.example"))
    assert f'value="{KEYED}">' in text_of(page)


@pytest.mark.parametrize(("later", "status"), [(86_400, 200), (86_402, 410)])
def test_such_a_link_is_good_for_a_day(later: int, status: int) -> None:
    world, _, _ = there()
    link = connect_link(world)
    world.clock.at += later

    assert world.browser().get(link).status == status


@pytest.mark.parametrize(
    "change", [lambda link: link[:-1], lambda link: link + "A" * 2000, lambda _: "/oauth/mcp?server=x"]
)
def test_a_link_that_was_altered_opens_no_page(change: Callable[[str], str]) -> None:
    world, _, _ = there()

    response = world.browser().get(change(connect_link(world)))

    assert response.status == 404
    assert "notes" not in text_of(response)


@pytest.mark.parametrize("path", ["x" * 500, "é", "\ud800", "\x00", "a\nb"])
def test_an_address_that_nobody_can_connect_is_left_out_of_the_link(path: str) -> None:
    world, _, _ = there()
    assert connect_link(world, f"https://mcp.notes.example/{path}") == "/oauth/mcp"


@pytest.mark.parametrize("letter", ["x", '"', "\\", "/"])
def test_the_longest_address_fits_into_a_link(letter: str) -> None:
    world, _, _ = there()
    address = "https://mcp.notes.example/" + letter * 474

    page = world.browser().get(connect_link(world, address))

    assert f'value="{escape(address).replace("&quot;", "&#34;")}">' in text_of(page)


def test_without_a_key_the_link_leads_to_the_empty_field() -> None:
    world, _, _ = there()

    def no_key(effect: object) -> None:
        if isinstance(effect, Seal):
            raise KeyUnavailable("k")

    world.before = no_key
    assert connect_link(world) == "/oauth/mcp"


def test_a_key_in_an_address_is_shown_to_nobody_but_in_the_field() -> None:
    """Pages, addresses of ours, errors and events, from the first link to the last page."""
    world, internet, server = there()
    closed = internet.server("https://closed.example")
    closed.said["registration_endpoint"] = None
    _ = internet.resource(KEYED, closed)
    browser = world.browser()
    seen = [connect_link(world, KEYED)]
    with pytest.raises(ReauthorizationRequired) as required:
        world.run(access_token(world.settings, KEYED, resource_owner="alice"))
    seen.append(str(required.value))
    refused = browser.send("POST", "/oauth/mcp", headers=SAME_ORIGIN, form={"url": KEYED})
    seen += [text_of(refused).replace(f'value="{KEYED}"', ""), refused.concluded]
    assert "s/…/mcp" in refused.concluded
    _ = internet.resource(KEYED, server)
    going = browser.send("POST", "/oauth/mcp", headers=SAME_ORIGIN, form={"url": KEYED})
    seen += [
        location(going).replace(percent_encode(KEYED), ""),
        going.concluded,
    ]  # 8707: `resource` is the server's to read
    came_back = browser.get(server.authorize(location(going)).removeprefix("https://app.example"))
    seen.append(location(came_back))
    name = query_of(location(going))["redirect_uri"].rpartition("/")[2]
    seen += [text_of(browser.get(f"/oauth/connect/{name}")), text_of(browser.get("/oauth/connections"))]
    seen.append(str(world.heard.events))

    assert "mcp.notes.example/s/…/mcp" in seen[-2]
    assert [text for text in seen if "canary" in text] == []


def test_the_errors_of_verbs_that_take_no_address_do_not_say_it() -> None:
    world, _, _ = there()
    for program in (
        connect_by_password(world.settings, KEYED, resource_owner="alice", username="u", password=Secret("p")),
        forget_enrolled(world.settings, KEYED),
    ):
        with pytest.raises((ConfigurationError, ReauthorizationRequired)) as refused:
            world.run(program)
        assert "canary" not in str(refused.value)
        assert "mcp.notes.example/s/…/mcp" in str(refused.value)


def test_an_unsafe_server_gets_a_page_and_no_traceback() -> None:
    world, _, server = there()
    server.said["code_challenge_methods_supported"] = None

    response = world.browser().send("POST", "/oauth/mcp", headers=SAME_ORIGIN, form={"url": URL})

    assert response.status == 400
    assert "This server cannot be connected" in text_of(response)
    assert ISSUER not in text_of(response)


def test_the_document_is_the_client_that_its_address_names() -> None:
    world, _, server = there()
    server.said["client_id_metadata_document_supported"] = True
    browser = world.browser()
    going = browser.send("POST", "/oauth/mcp", headers=SAME_ORIGIN, form={"url": URL})
    asked = query_of(location(going))

    response = world.browser(None).get(asked["client_id"].removeprefix("https://app.example"))

    document = json.loads(response.body)
    assert document["client_id"] == asked["client_id"]
    assert document["redirect_uris"] == [asked["redirect_uri"]]
    assert document["token_endpoint_auth_method"] == "none"
    assert document["client_name"] == "Reports"
    assert "client_secret" not in document
    assert response.headers.get("content-type") == "application/json"
    assert len(response.body) < 5 * 1024  # draft section 8.7
    assert all(response.headers.get(name) == text for name, text in PROTECTIVE)


@pytest.mark.parametrize("name", ["github", "mcp-", "mcp-x-y", "mcp-" + "a" * 24 + "-" + "g" * 24, "nobody", "..%2f"])
def test_there_is_a_document_for_nothing_else(name: str) -> None:
    world, _, _ = there()

    assert world.browser(None).get(f"/oauth/client/{name}").status == 404


def test_a_document_costs_the_store_nothing() -> None:
    world, _, _ = there()
    seen: list[str] = []
    world.before = lambda effect: seen.append(type(effect).__name__)

    assert world.browser(None).get(f"/oauth/client/mcp-{'a' * 24}-{'b' * 24}").status == 200
    assert seen == []
    assert BASE.startswith("https")
