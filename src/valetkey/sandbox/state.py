"""What the sandbox remembers, in memory.

The one rule: codes, tokens, sessions and handles stand under their SHA-256 and nowhere else; each record is a value
that is replaced, never changed. Locking is `Sandbox`'s.
"""

from __future__ import annotations

from hashlib import sha256

from valetkey.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    from valetkey.http import Pairs

SWEEP_EVERY = 256  # requests


def fingerprint(text: str) -> str:
    """The SHA-256 under which an issued text is kept."""
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


@value
class Session:
    """A browser: its form token, who signed in, and on the way to which target (its SHA-256; for `prompt=login`)."""

    form_token: str
    expires_at: float
    account: str = ""
    fresh_for: str = ""


@value
class PendingConsent:
    """A consent page that was shown, to one session, and what a yes would grant.

    device: the SHA-256 of the device code whose user code was typed in; then nobody is redirected.
    request_uri: the SHA-256 of the reference to the pushed request, which a yes or no uses up.
    bound_to: the thumbprint of the key that the code will have to be redeemed with (RFC 9449 section 10).
    temporary: the identifier in clear, while the page waits: the callback repeats it, and it proves nothing.
    """

    session: str
    protocol: Literal["oauth1", "oauth2"]
    client_id: str
    account: str
    expires_at: float
    temporary: str = ""
    redirect_uri: str = ""
    redirect_uri_given: bool = True
    scope: tuple[str, ...] = ()
    state: str | None = None
    code_challenge: str = ""
    device: str = ""
    nonce: str | None = None
    response_mode: str = "query"
    resource: str = ""
    details: str = ""
    request_uri: str = ""
    bound_to: str = ""
    response_type: str = "code"


@value
class Code:
    """An authorization code (RFC 6749 section 4.1.2); family is set once it was used."""

    client_id: str
    account: str
    scope: tuple[str, ...]
    redirect_uri: str
    redirect_uri_given: bool
    code_challenge: str
    expires_at: float
    family: str = ""
    nonce: str | None = None
    resource: str = ""
    bound_to: str = ""
    details: str = ""


@value
class PushedRequest:
    """An authorization request that was pushed (RFC 9126), under the SHA-256 of its reference."""

    client_id: str
    parameters: Pairs
    expires_at: float


@value
class DeviceGrant:
    """A device code (RFC 8628 section 3.2), under its SHA-256.

    user_code: in capitals, without the hyphen. polled_at: when the client asked last.
    decision: `allow`, `deny` or empty.
    """

    client_id: str
    scope: tuple[str, ...]
    user_code: str
    expires_at: float
    interval: int
    polled_at: float = 0.0
    account: str = ""
    decision: str = ""
    details: str = ""


@value
class Family:
    """A grant: everything that came out of one authorization code.

    account: empty where it is the client's own.

    details: the authorization details that were granted, as JSON (RFC 9396); empty where none were.
    """

    client_id: str
    account: str
    scope: tuple[str, ...]
    revoked: bool = False
    resource: str = ""
    details: str = ""


@value
class AccessToken:
    """An access token of a family. bound_to: the thumbprint of the key that must be proved with it (RFC 9449)."""

    family: str
    scope: tuple[str, ...]
    issued_at: float
    expires_at: float
    bound_to: str = ""


@value
class RefreshToken:
    """A refresh token of a family; parent is the one that it was obtained with."""

    family: str
    issued_at: float
    parent: str = ""
    used_at: float | None = None
    successor_used: bool = False


@value
class TemporaryCredential:
    """Temporary credentials (RFC 5849 section 2.1); verifier is the SHA-256 of the one that was handed out."""

    client_id: str
    callback: str
    expires_at: float
    account: str = ""
    verifier: str = ""
    denied: bool = False
    wrong_verifiers: int = 0


@value
class TokenCredential:
    """Token credentials (RFC 5849 section 2.3).

    expires_at: 0 where they do not expire. session: the SHA-256 of the handle that renews them, empty where none does.
    """

    client_id: str
    account: str
    issued_at: float
    revoked: bool = False
    expires_at: float = 0.0
    session: str = ""


class State:
    """Every record of the sandbox, by the SHA-256 of what names it."""

    def __init__(self) -> None:
        self.sessions: dict[str, Session] = {}
        self.consents: dict[str, PendingConsent] = {}
        self.consented: set[tuple[str, str, str]] = set()  # account, client_id, one scope each
        self.codes: dict[str, Code] = {}
        self.families: dict[str, Family] = {}
        self.access_tokens: dict[str, AccessToken] = {}
        self.refresh_tokens: dict[str, RefreshToken] = {}
        self.temporary: dict[str, TemporaryCredential] = {}
        self.token_credentials: dict[str, TokenCredential] = {}
        self.device_grants: dict[str, DeviceGrant] = {}
        self.wrong_user_codes: dict[str, tuple[float, ...]] = {}  # by account: when
        self.assertions: dict[str, float] = {}  # until when each one that was used would live; proofs too
        self.pushed: dict[str, PushedRequest] = {}
        self.key_rotations = 0
        self._requests = 0

    def sweep(self, now: float) -> None:
        """Forget, now and then, what has expired; a used code stays as long as reuse would be worth noticing."""
        self._requests += 1
        if self._requests % SWEEP_EVERY:
            return
        self.sessions = {key: row for key, row in self.sessions.items() if row.expires_at > now}
        self.consents = {key: row for key, row in self.consents.items() if row.expires_at > now}
        self.codes = {key: row for key, row in self.codes.items() if row.expires_at > now - 3600}
        self.access_tokens = {key: row for key, row in self.access_tokens.items() if row.expires_at > now}
        self.pushed = {key: row for key, row in self.pushed.items() if row.expires_at > now}
        self.device_grants = {key: row for key, row in self.device_grants.items() if row.expires_at > now - 3600}
        self.assertions = {key: until for key, until in self.assertions.items() if until > now}
        self.temporary = {key: row for key, row in self.temporary.items() if row.expires_at > now}
