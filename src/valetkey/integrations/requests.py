"""`VaultAuth` for requests.

    requests.get("https://api.github.com/user", auth=VaultAuth(vault, "github", "alice"))

requests copies the headers of a request to the next hop of a redirect. So when a redirect arrives, the credentials are
taken off before it does, and where the same origin is asked again, new ones for the new URL are put in their place.
"""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

from requests.auth import AuthBase
from requests.cookies import extract_cookies_to_jar
from requests.sessions import SessionRedirectMixin
from requests.utils import requote_uri

from valetkey.http import Headers, Request
from valetkey.integrations.credentials import (
    Authorizer,
    Authorizing,
    added_headers,
    at_once,
    same_origin,
    without_fragment,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from requests import PreparedRequest, Response

    from valetkey.connections.attempt import Attempt
    from valetkey.integrations.credentials import SigningVault

_KEEPS_BODY = (307, 308)
_OF_THE_BODY = ("Content-Length", "Content-Type", "Transfer-Encoding")


class VaultAuth(Authorizing, AuthBase):
    """Authorizes requests with a vault's connection. Raises in the call what `vault.sign` raises."""

    def __init__(self, vault: SigningVault, registration: str, resource_owner: str, account: str = "") -> None:
        self._authorizer = Authorizer(vault, registration, resource_owner, account)

    def __call__(self, r: PreparedRequest) -> PreparedRequest:
        """The request, authorized as it will be sent."""
        _read_body(r)
        journey = _Journey(self._authorizer)
        journey.authorize(r)
        r.register_hook("response", journey.arrived)  # type: ignore[no-untyped-call]
        return r


class _Journey:
    """One call of the user's: a request, its redirects, and what the vault makes of refusals."""

    def __init__(self, authorizer: Authorizer) -> None:
        self._authorizer = authorizer
        self._attempt: Attempt | None = None
        self._before: tuple[str, dict[str, str | None], object] | None = None

    def authorize(self, prepared: PreparedRequest) -> None:
        """Put credentials on the request."""
        self._put(prepared, at_once(self._authorizer.attempt(_read(prepared))))

    def _put(self, prepared: PreparedRequest, attempt: Attempt) -> None:
        request, signed = _read(prepared), attempt.signed
        self._attempt = attempt
        changed = dict(added_headers(request, signed))
        if signed.body != request.body:
            changed["Content-Length"] = str(len(signed.body))
        before = {name: prepared.headers.get(name) for name in changed}
        self._before = (prepared.url or "", before, prepared.body)
        prepared.headers.update(changed)
        if signed.body != request.body:
            prepared.body = signed.body
        if signed.url != request.url:
            prepared.url = signed.url

    def strip(self, prepared: PreparedRequest) -> None:
        """Take the credentials off again."""
        if self._before is None:
            return
        prepared.url, headers, prepared.body = self._before  # type: ignore[assignment] # as it was
        for name, text in headers.items():
            prepared.headers.pop(name, None)
            if text is not None:
                prepared.headers[name] = text
        self._before = None

    def arrived(self, response: Response, *_: object, **sending: Any) -> Response:
        """The hook: what is done before requests looks at the response."""
        attempt = self._attempt if self._before is not None else None
        while attempt is not None and attempt.asks_about(response.status_code):  # the vault ends it
            attempt = self._following(attempt, response)
            if attempt is not None:
                response = self._send(attempt, response, sending)
        if response.is_redirect:
            self._redirect(response)
        return response

    def _following(self, attempt: Attempt, response: Response) -> Attempt | None:
        try:
            body = response.content if attempt.reads_body(response.status_code) else b""
            fields = getattr(response.raw, "headers", None) or response.headers  # those that are not joined yet
            reply = self._authorizer.next_attempt(attempt, response.status_code, fields.items(), body)
            following: Attempt | None = at_once(reply)
        except BaseException:
            response.close()
            raise
        return following

    def _send(self, attempt: Attempt, response: Response, sending: dict[str, Any]) -> Response:
        prepared = response.request
        self.strip(prepared)
        self._put(prepared, attempt)
        response.content  # noqa: B018 - read, so that the connection can be used again
        response.close()
        jar: Any = prepared._cookies  # type: ignore[attr-defined] # noqa: SLF001 - as requests' own digest does
        extract_cookies_to_jar(jar, prepared, response.raw)  # type: ignore[no-untyped-call]
        prepared.prepare_cookies(jar)
        again: Response = response.connection.send(prepared, **sending)
        again.history.append(response)
        again.request = prepared
        return again

    def _redirect(self, response: Response) -> None:
        """Leave on the request what its next hop may see: requests copies it after this."""
        prepared = response.request
        signed_url = prepared.url or ""
        was_authorized = self._before is not None
        self.strip(prepared)
        target = _target(response)
        if not was_authorized or not same_origin(signed_url, target):
            return
        ahead = prepared.copy()
        ahead.url = target
        SessionRedirectMixin().rebuild_method(ahead, response)
        if response.status_code not in _KEEPS_BODY:
            ahead.body = None
            for name in _OF_THE_BODY:
                ahead.headers.pop(name, None)
        plain = _read(ahead)
        self.authorize(ahead)
        prepared.headers.update(added_headers(plain, _read(ahead)))
        if response.status_code in _KEEPS_BODY:
            prepared.body = ahead.body
        if ahead.url != target:
            response.headers["location"] = str(ahead.url)  # parameters that stand in the query


def _target(response: Response) -> str:
    """The URL that requests will go to next, spelled as requests spells it."""
    location = SessionRedirectMixin().get_redirect_target(response) or ""
    if location.startswith("//"):
        location = f"{urlsplit(response.url).scheme}:{location}"
    parts = urlsplit(location)
    location = parts.geturl()
    url = requote_uri(location) if parts.netloc else urljoin(response.url, requote_uri(location))
    return without_fragment(url)


def _read(prepared: PreparedRequest) -> Request:
    """The request that will be sent."""
    headers = Headers(tuple((_text(name), _text(text)) for name, text in prepared.headers.items()))
    body = prepared.body
    assert body is None or isinstance(body, bytes)
    return Request(prepared.method or "GET", without_fragment(prepared.url or ""), headers, body or b"")


def _text(octets: str | bytes) -> str:
    return octets if isinstance(octets, str) else octets.decode("latin-1")


def _read_body(prepared: PreparedRequest) -> None:
    """Make octets of the body, whatever it was given as."""
    body: Any = prepared.body
    if body is None or isinstance(body, bytes):
        return
    if isinstance(body, str):
        prepared.body = body.encode()
    else:
        read = body.read() if hasattr(body, "read") else b"".join(map(_octets, body))
        prepared.body = _octets(read)
    prepared.headers.pop("Transfer-Encoding", None)
    prepared.headers["Content-Length"] = str(len(prepared.body or b""))


def _octets(piece: str | bytes) -> bytes:
    return piece.encode() if isinstance(piece, str) else bytes(piece)
