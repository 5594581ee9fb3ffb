"""One request on its way through the checks of its row of the table."""

from __future__ import annotations

from valetkey.http import FORM, percent_decode, read_form

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.http import Pairs, Request
    from valetkey.oauth1.verify import SignedRequest
    from valetkey.sandbox.clients import SandboxAccount, SandboxClient
    from valetkey.sandbox.row import Endpoint
    from valetkey.sandbox.sandbox import Sandbox
    from valetkey.sandbox.state import (
        AccessToken,
        Code,
        DeviceGrant,
        Family,
        PendingConsent,
        RefreshToken,
        TemporaryCredential,
        TokenCredential,
    )

COOKIE = "valetkey_sandbox"
MAX_BODY = 65_536  # octets


class Refusal(Exception):
    """A check did not pass.

    error: the code that the endpoint's protocol has for it. description: one sentence without any of the input.
    """

    def __init__(
        self,
        error: str,
        description: str,
        *,
        status: int = 400,
        retry_after: int | None = None,
        headers: Pairs = (),
    ) -> None:
        self.error = error
        self.description = description
        self.status = status
        self.retry_after = retry_after
        self.headers = headers
        super().__init__(error)


class Exchange:
    """The request, and what the checks found out so far; a later check relies on what an earlier one set."""

    client: SandboxClient
    account: SandboxAccount
    redirect_uri: str
    redirect_uri_given: bool
    resource: str
    details: str
    scope: tuple[str, ...]
    code_challenge: str
    response_type: str
    code: Code
    device: str
    device_grant: DeviceGrant
    refresh_token: RefreshToken
    access_token: AccessToken
    family: Family
    consent: PendingConsent
    signed: SignedRequest
    temporary: TemporaryCredential
    token_credential: TokenCredential

    def __init__(self, sandbox: Sandbox, request: Request, target: str) -> None:
        self.sandbox = sandbox
        self.request = request
        self.target = target
        self.now = sandbox.now()
        path, _, self.raw_query = target.partition("?")
        self.malformed = False
        self.path = self._decoded(path)
        self.query = self._pairs(self.raw_query)
        self.form: Pairs = ()
        if content_type(request) == FORM and len(request.body) <= MAX_BODY:
            self.form = self._pairs(self._decoded_body())
        self.notes: dict[str, str] = {}  # for `seen`: no secrets
        self.endpoint: Endpoint | None = None
        self.bound_to = self.request_uri = ""
        self.fault = ""  # the word of the one that acts from within

    def _decoded(self, path: str) -> str:
        try:
            return percent_decode(path)
        except ValueError:
            self.malformed = True
            return ""

    def _decoded_body(self) -> str:
        try:
            return self.request.body.decode()
        except UnicodeDecodeError:
            self.malformed = True
            return ""

    def _pairs(self, text: str) -> Pairs:
        try:
            return read_form(text)
        except ValueError:
            self.malformed = True
            return ()

    def parameter(self, name: str) -> str | None:
        """The query's or the form's parameter; one without a value counts as absent (RFC 6749 section 3.1)."""
        pairs = self.form if self.request.method == "POST" else self.query
        return next((text for key, text in pairs if key == name and text), None)

    @property
    def session_cookie(self) -> str:
        """The sandbox's own cookie, empty where there is none or more than one."""
        cookies = [
            part.strip().partition("=")[2]
            for header in self.request.headers.all("Cookie")
            for part in header.split(";")
            if part.strip().partition("=")[0] == self.sandbox.cookie_name
        ]
        return cookies[0] if len(cookies) == 1 else ""


def content_type(request: Request) -> str | None:
    """The media type without its parameters, None where there is not exactly one."""
    values = request.headers.all("Content-Type")
    if len(values) != 1 or "," in values[0]:
        return None
    return values[0].partition(";")[0].strip().lower()
