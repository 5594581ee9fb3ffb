"""A person with a browser of their own: what they click and type, and nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from tests.browser.deployment import TITLES

if TYPE_CHECKING:
    from playwright._impl._api_structures import SetCookieParam
    from playwright.sync_api import Browser, Page
    from tests.browser.deployment import Deployment

TIMEOUT_MILLISECONDS = 15_000
PASSWORDS = {"alice": "wonderland", "bob": "pickwick"}


class Person:
    """One browser profile; every page in it says on the console what it has to complain about."""

    def __init__(
        self,
        chromium: Browser,
        deployment: Deployment,
        *,
        owner: str | None = "alice",
        session_path: str = "/",
        **profile: Any,
    ) -> None:
        self.deployment = deployment
        self.context = chromium.new_context(**profile)
        self.context.set_default_timeout(TIMEOUT_MILLISECONDS)
        self.complaints: list[str] = []
        self.visited: list[str] = []
        self.context.on("console", lambda message: self.complaints.append(message.text))
        self.context.on("request", lambda request: self.visited.append(request.url))
        if owner is not None:
            self.sign_in_to_application(owner, path=session_path)
        self.page = self.tab()

    def sign_in_to_application(self, owner: str, *, path: str = "/", same_site: Any = "Lax") -> None:
        """The application's session cookie; SameSite=None needs Secure, which Chromium takes on localhost."""
        cookie: SetCookieParam = {"name": "session", "value": owner, "domain": "localhost", "path": path}
        cookie["httpOnly"], cookie["sameSite"], cookie["secure"] = True, same_site, same_site == "None"
        self.context.add_cookies([cookie])

    def tab(self) -> Page:
        """One more tab."""
        return self.context.new_page()

    def open(self, path: str, page: Page | None = None) -> Page:
        """Go to one of valetkey's pages of the application."""
        page = page or self.page
        page.goto(f"{self.deployment.base_url}/{path}")
        return page

    def press_connect(self, registration: str, page: Page | None = None) -> Page:
        """Open the connect page and press its button."""
        page = self.open(f"connect/{registration}", page)
        page.get_by_role("button", name=f"Continue to {TITLES[registration]}").click()
        page.wait_for_url(f"{self.deployment.provider_url}/**")
        return page

    def sign_in_at_provider(self, page: Page | None = None, *, account: str = "alice") -> None:
        """Choose the account and type its password, if the provider asks."""
        page = page or self.page
        if page.get_by_role("heading", name="Sign in").count():
            page.get_by_role("radio", name=f"{account}, password").check()
            page.get_by_role("textbox", name="Password").fill(PASSWORDS[account])
            page.get_by_role("button", name="Sign in").click()
        page.get_by_role("button", name="Allow").wait_for()

    def decide(self, decision: str = "Allow", page: Page | None = None) -> None:
        """Press Allow or Deny, and come back to the application."""
        page = page or self.page
        page.get_by_role("button", name=decision).click()
        page.wait_for_url(f"{self.deployment.origin}/**")

    def connect(self, registration: str, *, account: str = "alice", page: Page | None = None) -> Page:
        """The whole way."""
        page = self.press_connect(registration, page)
        self.sign_in_at_provider(page, account=account)
        self.decide("Allow", page)
        page.wait_for_url(f"**/connections?connected={registration}")
        return page

    def heading(self, page: Page | None = None) -> str:
        """The one heading of the first rank that every page has."""
        return (page or self.page).get_by_role("heading", level=1).inner_text()

    def callbacks(self) -> list[str]:
        """The callback URLs that this browser was sent to, codes and all."""
        return [url for url in self.visited if "/callback/" in url]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.context.close()
