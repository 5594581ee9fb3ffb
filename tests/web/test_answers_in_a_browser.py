"""Every way in which an answer comes back, in a real Chromium: the sandbox on one site, the application on another."""

from __future__ import annotations

import ssl
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import trustme
from tests.browser.chromium import chromium_running
from tests.web.test_in_a_browser import Quiet, Server

from valetkey.connections.cookies import read_cookies
from valetkey.gateways.wsgi import wsgi_app
from valetkey.http import Headers, Request, read_form
from valetkey.providers.catalog import load_provider
from valetkey.providers.registration import register
from valetkey.sandbox.visitor import PASSWORDS
from valetkey.secret import Secret
from valetkey.testing.world import World
from valetkey.value import replace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

POST = """([action, fields]) => {
    const form = Object.assign(document.createElement('form'), {method: 'post', action});
    for (const [name, value] of fields) form.append(Object.assign(document.createElement('input'), {name, value}));
    document.body.append(form);
    form.submit();
}"""
MODES = ("query", "form_post", "query.jwt", "form_post.jwt")


class TwoSites:
    """The application and the sandbox on one port of this machine, told apart by name. `posted`: the callback's POSTs."""

    def __init__(self, scheme: str, application: str, provider: str, port: int) -> None:
        self.base, self.provider = f"{scheme}://{application}:{port}/oauth", f"{scheme}://{provider}:{port}"
        self.application, self.posted = application, 0
        self.world = World()
        self.world.sandbox.base_url = self.provider
        self.world.sandbox.register(
            replace(self.world.client, redirect_uris=tuple(f"{self.base}/callback/{name_of(mode)}" for mode in MODES))
        )
        entry = load_provider("sandbox-oauth2", base_url=self.provider)
        registrations = {
            name_of(mode): register(
                name_of(mode),
                entry,
                client_id=self.world.client.client_id,
                client_secret=Secret("secret-of-two"),
                redirect_uri=f"{self.base}/callback/{name_of(mode)}",
                response_mode=mode,
            )
            for mode in MODES
        }
        self.world.settings = replace(self.world.settings, registrations=registrations, base_url=self.base)
        self.pages = wsgi_app(
            self.world.vault(), resource_owner=lambda asked: dict(read_cookies(asked.headers)).get("s")
        )
        self._lock = threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        if environ["HTTP_HOST"].startswith(self.application):
            with self._lock:
                self.posted += environ["REQUEST_METHOD"] == "POST" and "/callback/" in environ["PATH_INFO"]
                return self.pages(environ, start_response)
        with self._lock:
            response = self.world.sandbox.respond(request_of(environ))
        start_response(f"{response.status} OK", list(response.headers.pairs))
        return [response.body]


def name_of(mode: str) -> str:
    return mode.replace(".", "-").replace("_", "-")


def request_of(environ: dict[str, Any]) -> Request:
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    named = {"Cookie": "HTTP_COOKIE", "Origin": "HTTP_ORIGIN", "Content-Type": "CONTENT_TYPE"}
    fields = tuple((name, environ[key]) for name, key in named.items() if environ.get(key))
    query = environ["QUERY_STRING"]
    target = environ["PATH_INFO"] + (f"?{query}" if query else "")
    return Request(environ["REQUEST_METHOD"], target, Headers(fields), body)


@contextmanager
def serving(scheme: str, application: str, provider: str) -> Iterator[TwoSites]:
    with Server(("127.0.0.1", 0), Quiet) as server:
        sites = TwoSites(scheme, application, provider, server.server_port)
        server.set_app(sites)
        if scheme == "https":
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            trustme.CA().issue_cert(application, provider).configure_cert(context)
            server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield sites
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with chromium_running() as browser:
        yield browser


@pytest.fixture(scope="module")
def https() -> Iterator[TwoSites]:
    with serving("https", "app.rp-one.test", "login.op-two.test") as found:
        yield found


@pytest.fixture(scope="module")
def http() -> Iterator[TwoSites]:
    with serving("http", "localhost", "127.0.0.1") as found:
        yield found


@contextmanager
def signed_in(chromium: Browser, sites: TwoSites, owner: str, same_site: Any = "Lax") -> Iterator[Page]:
    """Somebody's page; whose session cookie it is, is the application's matter."""
    context = chromium.new_context(ignore_https_errors=True)
    context.set_default_timeout(15_000)
    secure = sites.base.startswith("https:")
    cookie: Any = {"name": "s", "value": owner, "url": sites.base, "secure": secure, "sameSite": same_site}
    context.add_cookies([cookie])
    yield context.new_page()
    context.close()


def connect(page: Page, sites: TwoSites, mode: str, *, decision: str = "Allow") -> None:
    page.goto(f"{sites.base}/connect/{name_of(mode)}")
    page.get_by_role("button").click()
    page.get_by_role("textbox", name="Password").fill(PASSWORDS["alice"])
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name=decision).click()


@pytest.mark.parametrize("mode", MODES)
def test_a_lax_session_is_found_whichever_way_the_answer_comes(chromium: Browser, https: TwoSites, mode: str) -> None:
    before = https.posted
    with signed_in(chromium, https, f"lax-{mode}") as page:
        connect(page, https, mode)
        page.wait_for_url(f"**/connections?connected={name_of(mode)}")

        assert "is connected" in page.get_by_role("status").inner_text()
        assert https.posted - before == int(mode.startswith("form_post"))


@pytest.mark.parametrize("mode", ["form_post", "form_post.jwt"])
def test_a_session_that_crosses_sites_finishes_in_the_post_itself_and_again(
    chromium: Browser, https: TwoSites, mode: str
) -> None:
    answers: list[str] = []
    before = https.world.sandbox.seen.count("token", grant_type="authorization_code")
    with signed_in(chromium, https, f"none-{mode}", "None") as page:
        page.on("request", lambda asked: answers.append(asked.post_data or "") if "/callback/" in asked.url else None)
        connect(page, https, mode)
        page.wait_for_url(f"**/connections?connected={name_of(mode)}")
        [answer] = answers
        page.goto("about:blank")  # of no site at all, so that what it posts crosses sites
        page.evaluate(POST, [f"{https.base}/callback/{name_of(mode)}", list(read_form(answer))])
        page.wait_for_url(f"**/connections?connected={name_of(mode)}")

        assert "is connected" in page.get_by_role("status").inner_text()
    assert https.world.sandbox.seen.count("token", grant_type="authorization_code") == before + 1


@pytest.mark.parametrize("mode", ["form_post", "form_post.jwt"])
def test_a_denial_that_is_posted_is_a_page_and_connects_nothing(chromium: Browser, https: TwoSites, mode: str) -> None:
    with signed_in(chromium, https, f"deny-{mode}") as page:
        connect(page, https, mode, decision="Deny")
        page.get_by_role("heading", name="Not connected").wait_for()

        assert [cookie for cookie in page.context.cookies() if "vk-" in str(cookie.get("name"))] == []


def test_an_answer_that_is_not_signed_by_the_provider_is_a_page_that_shows_nothing_of_it(
    chromium: Browser, https: TwoSites
) -> None:
    https.world.sandbox.faults.add(endpoint="consent", fault="signature_wrong")
    with signed_in(chromium, https, "forged") as page:
        connect(page, https, "form_post.jwt")
        page.get_by_role("heading", name="We cannot be sure who answered").wait_for()

        assert "ey" + "J" not in page.content()


@pytest.mark.parametrize("mode", ["query", "form_post.jwt"])
def test_on_this_machine_it_works_without_tls_as_well(chromium: Browser, http: TwoSites, mode: str) -> None:
    with signed_in(chromium, http, f"local-{mode}") as page:
        connect(page, http, mode)
        page.wait_for_url(f"**/connections?connected={name_of(mode)}")

        assert "is connected" in page.get_by_role("status").inner_text()
