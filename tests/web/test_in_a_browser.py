"""The pages in a real Chromium: cross-site cookies, fetch metadata and form-action are what the browser makes of them."""

from __future__ import annotations

import ssl
import threading
from contextlib import contextmanager
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

import pytest
import trustme
from tests.browser.chromium import chromium_running
from tests.web.world import World, registration

from valetkey.connections.cookies import read_cookies
from valetkey.gateways.wsgi import wsgi_app
from valetkey.http import read_form, with_query
from valetkey.value import replace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, BrowserContext, Page

    from valetkey.http import Request

pytestmark = pytest.mark.browser

SITES = ("app.rp-one.test", "login.op-two.test", "company.idp-three.test", "evil.four.test")


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Browsers open connections that they never use."""


class Quiet(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


class Sites:
    """The application, a provider, a company's sign-in page and an attacker, each on a site of its own, with TLS."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.base = f"https://app.rp-one.test:{port}/oauth"
        self.world = World(self.base)
        registrations = [
            registration("github", "GitHub", base=self.base, origin=self.origin("login.op-two.test")),
            registration(
                "poster", "Poster", base=self.base, origin=self.origin("login.op-two.test"), response_mode="form_post"
            ),
        ]
        self.world.settings = replace(self.world.settings, registrations={one.name: one for one in registrations})
        self.pages = wsgi_app(self.world, resource_owner=self.owner)

    def origin(self, site: str) -> str:
        return f"https://{site}:{self.port}"

    def owner(self, request: Request) -> str | None:
        return dict(read_cookies(request.headers)).get("session")

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        site = environ["HTTP_HOST"].partition(":")[0]
        path = environ["PATH_INFO"]
        asked = dict(read_form(environ["QUERY_STRING"]))
        if site == "app.rp-one.test" and path.startswith("/oauth/"):
            return self.pages(environ, start_response)
        body, headers = "<p>nothing here", [("Content-Type", "text/html")]
        if path == "/authorize" and "/callback/poster" in asked["redirect_uri"]:
            body = (
                f'<form method="post" action="{asked["redirect_uri"]}"><input name="code" value="c">'
                f'<input name="state" value="{asked["state"]}"></form><script>document.forms[0].submit()</script>'
            )
        elif path == "/authorize":  # sends the browser on to the company's own sign-in, on a third site
            headers.append(("Location", with_query(self.origin("company.idp-three.test") + "/sso", asked.items())))
        elif path == "/sso":
            answer = (("code", "c"), ("state", asked["state"]))
            headers.append(("Location", with_query(asked["redirect_uri"], answer)))
        elif path == "/forged":
            body = f'<form method="post" action="{asked["to"]}"></form><script>document.forms[0].submit()</script>'
        elif path == "/framed":
            body = f'<iframe src="{self.base}/connections"></iframe>'
        start_response("302 Found" if len(headers) == 2 else "200 OK", headers)
        return [body.encode()]


@contextmanager
def serving() -> Iterator[Sites]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert(*SITES).configure_cert(context)
    with Server(("127.0.0.1", 0), Quiet) as server:
        sites = Sites(server.server_port)
        server.set_app(sites)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield sites
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def sites() -> Iterator[Sites]:
    with serving() as found:
        yield found


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with chromium_running() as browser:
        yield browser


@pytest.fixture
def page(chromium: Browser, sites: Sites, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page of somebody who is signed in to the application with an ordinary SameSite=Lax cookie."""
    context: BrowserContext = chromium.new_context(ignore_https_errors=True)
    context.set_default_timeout(15_000)
    context.add_cookies(
        [
            {
                "name": "session",
                "value": request.node.name,
                "domain": "app.rp-one.test",
                "path": "/",
                "secure": True,
                "httpOnly": True,
                "sameSite": "Lax",
            }
        ]
    )
    page = context.new_page()
    page.set_extra_http_headers({})
    yield page
    context.close()


def test_an_account_is_connected_across_three_sites(page: Page, sites: Sites) -> None:
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))

    page.goto(f"{sites.base}/connect/github")
    page.get_by_role("button", name="Continue to GitHub").click()
    page.wait_for_url("**/connections?connected=github")

    assert page.get_by_role("status").inner_text() == "GitHub is connected."
    assert [text for text in complaints if "favicon" not in text and "404" not in text] == []


def test_the_list_connects_and_disconnects(page: Page, sites: Sites) -> None:
    page.goto(f"{sites.base}/connections")
    page.get_by_role("listitem").filter(has_text="GitHub").get_by_role("button", name="Connect").click()
    page.wait_for_url("**/connections?connected=github")
    page.get_by_text("Disconnect", exact=True).click()
    page.get_by_role("button", name="Disconnect GitHub").click()

    assert page.get_by_role("heading").inner_text() == "GitHub is disconnected"
    page.get_by_role("link", name="Your connections").click()
    assert page.get_by_text("Nothing is connected yet.").is_visible()


def test_a_provider_that_posts_its_answer_finds_the_lax_session(page: Page, sites: Sites) -> None:
    page.goto(f"{sites.base}/connect/poster")
    page.get_by_role("button").click()
    page.wait_for_url("**/connections?connected=poster")

    assert page.get_by_role("status").inner_text() == "Poster is connected."


def test_a_reload_after_connecting_shows_success_again(page: Page, sites: Sites) -> None:
    page.goto(f"{sites.base}/connect/github")
    page.get_by_role("button").click()
    page.wait_for_url("**/connections?connected=github")
    page.go_back()
    page.go_forward()
    page.reload()

    assert page.get_by_role("status").inner_text() == "GitHub is connected."


@pytest.mark.parametrize("target", ["connect/github", "connections/revoke", "connections/forget"])
def test_another_sites_form_does_nothing(page: Page, sites: Sites, target: str) -> None:
    to = f"{sites.base}/{target}"

    page.goto(with_query(sites.origin("evil.four.test") + "/forged", (("to", to),)))
    page.wait_for_url(to)

    # The Lax session is not sent along, so nobody is even known; with it, the site would be.
    assert page.get_by_role("heading").inner_text() in ("Please sign in first", "This came from another site")
    assert [cookie for cookie in page.context.cookies() if "vk-" in str(cookie.get("name"))] == []


def test_another_site_cannot_frame_the_pages(page: Page, sites: Sites) -> None:
    page.goto(sites.origin("evil.four.test") + "/framed")
    page.wait_for_load_state("networkidle")

    assert all("Connections" not in frame.content() for frame in page.frames)


@pytest.mark.parametrize("width", [375, 1280])
def test_pages_fit_the_screen(page: Page, sites: Sites, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 700})

    for target in ("connections", "connect/github?account=" + "w" * 64, "callback/github", "nowhere"):
        page.goto(f"{sites.base}/{target}")
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), target
        assert page.evaluate("getComputedStyle(document.querySelector('main')).maxWidth") != "none"  # the style applies
