"""An HTTP session whose every request is authorized by the function that it is made with.

The one rule: credentials go to the origin that was asked and nowhere else. A GET that the same origin redirects is
authorized anew, at most five times; every other redirect is an error that says where it led.
Not here: signing, the allow-list of hosts, refreshing after a 401: all in the `send` that the vault passes in.
"""

from __future__ import annotations

from valetkey.errors import ConfigurationError, MalformedResponse, ProviderError, TargetRefused
from valetkey.http import FORM, Headers, Request, read_url, with_query, write_form
from valetkey.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping
    from typing import Any, TypeAlias

    from valetkey.http import Pairs, Response

    Fields: TypeAlias = Mapping[str, str | int] | Iterable[tuple[str, str | int]]

MAX_REDIRECTS = 5
REDIRECTS = (301, 302, 303, 307, 308)


@value
class Answer:
    """What a resource server answered, read completely; url is where it came from."""

    status: int
    headers: Headers
    body: bytes
    url: str

    @property
    def text(self) -> str:
        """The body as text, in the character set that it names or in UTF-8; octets that do not decode become U+FFFD."""
        content_type = self.headers.get("content-type") or ""
        named = content_type.lower().partition("charset=")[2].partition(";")[0].strip(' "')
        try:
            return self.body.decode(named or "utf-8", "replace")
        except LookupError:
            return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """The body, read as JSON. Raises MalformedResponse."""
        import json

        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            pass
        message = f"{read_url(self.url).origin} answered {self.status} with a body that is not JSON"
        raise MalformedResponse(message, status=self.status)  # not in `except`: that error has the body in it

    def raise_for_status(self) -> Answer:
        """This answer where its status is below 400. Raises ProviderError with the status and `retry_after`.

        retry_after: at most an hour; a moment counts from the answer's own Date.
        """
        if self.status < 400:
            return self
        from valetkey.dates import read_retry_after_of

        seconds = read_retry_after_of(self.headers.get("Retry-After"), date=self.headers.get("Date"))
        message = f"{read_url(self.url).origin} answered {self.status}"
        raise ProviderError(message, error="http_status", status=self.status, retry_after=seconds)

    def __repr__(self) -> str:
        return f"Answer({self.status}, {len(self.body)} octets)"


def build_request(
    method: str,
    url: str,
    *,
    params: Fields | None = None,
    data: Fields | None = None,
    json: object = None,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
) -> Request:
    """The request, not yet authorized.

    params are added to the query; data is a form, json any JSON value, body the octets as they
    are: at most one of the three.
    Raises ConfigurationError where HTTP has no such request.
    """
    if sum(given is not None for given in (data, json, body)) > 1:
        message = "a request has one body: pass data, json or body"
        raise ConfigurationError(message)
    content_type, octets = "", body or b""
    if data is not None:
        content_type, octets = FORM, write_form(_pairs(data)).encode()
    elif json is not None:
        from json import dumps

        content_type, octets = "application/json", dumps(json, separators=(",", ":")).encode()
    try:
        fields = Headers(tuple((headers or {}).items()))
        if content_type and fields.get("content-type") is None:
            fields = fields.with_added("Content-Type", content_type)
        target = with_query(url, _pairs(params)) if params is not None else url
        read_url(target)
    except ValueError as error:
        message = f"the request cannot be sent: {error}"
        raise ConfigurationError(message) from None
    return Request(method.upper(), target, fields, octets)


def redirected(request: Request, response: Response, *, followed: int) -> Request | None:
    """The request that a redirect asks for, None where the response is the answer. Raises ProviderError.

    Codes 301 and 302 keep GET and HEAD (RFC 9110 section 15.4); other methods are not sent twice.
    """
    location = response.headers.get("location")
    if response.status not in REDIRECTS or location is None:
        return None
    here = read_url(request.url)
    try:
        there = read_url(_resolved(request.url, location))
    except ValueError:
        raise _refused(response, f"{here.origin} redirected to something that is not a URL") from None
    if there.origin != here.origin:
        message = f"{here.origin} redirected to {there.origin}: credentials stay where they are; ask there without them"
        raise _refused(response, message)
    if request.method not in ("GET", "HEAD"):
        raise _refused(response, f"{here.origin} redirected a {request.method}: send it to the new URL yourself")
    if followed >= MAX_REDIRECTS:
        raise _refused(response, f"{here.origin} redirected more than {MAX_REDIRECTS} times")
    target = f"{there.origin}{there.path}" + (f"?{there.query}" if there.query else "")
    return Request(request.method, target, request.headers, request.body)


def led_astray(before: Response | None, refused: TargetRefused) -> ConfigurationError | ProviderError:
    """What to raise for a request to elsewhere: the redirect is whose word it is, where there was one before."""
    return refused if before is None else _refused(before, f"there was a redirect, which is not followed: {refused}")


class Session:
    """Requests for one connection, sent by the function that authorizes them."""

    def __init__(self, send: Callable[[Request], Response]) -> None:
        self._send = send

    def request(
        self,
        method: str,
        url: str,
        *,
        params: Fields | None = None,
        data: Fields | None = None,
        json: object = None,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Answer:
        """The answer to an authorized request. Raises what `vault.sign` raises, TransportError, ProviderError."""
        request = build_request(method, url, params=params, data=data, json=json, headers=headers, body=body)
        before: Response | None = None
        for followed in range(MAX_REDIRECTS + 1):
            try:
                response = self._send(request)
            except TargetRefused as refused:
                raise led_astray(before, refused) from None
            before = response
            following = redirected(request, response, followed=followed)
            if following is None:
                break
            request = following
        return Answer(response.status, response.headers, response.body, request.url)

    def get(self, url: str, **given: Any) -> Answer:
        """GET; takes what `request` takes."""
        return self.request("GET", url, **given)

    def post(self, url: str, **given: Any) -> Answer:
        """POST; takes what `request` takes."""
        return self.request("POST", url, **given)

    def put(self, url: str, **given: Any) -> Answer:
        """PUT; takes what `request` takes."""
        return self.request("PUT", url, **given)

    def patch(self, url: str, **given: Any) -> Answer:
        """PATCH; takes what `request` takes."""
        return self.request("PATCH", url, **given)

    def delete(self, url: str, **given: Any) -> Answer:
        """DELETE; takes what `request` takes."""
        return self.request("DELETE", url, **given)


class AsyncSession:
    """The same, awaited."""

    def __init__(self, send: Callable[[Request], Awaitable[Response]]) -> None:
        self._send = send

    async def request(
        self,
        method: str,
        url: str,
        *,
        params: Fields | None = None,
        data: Fields | None = None,
        json: object = None,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Answer:
        """The answer to an authorized request. Raises what `vault.sign` raises, TransportError, ProviderError."""
        request = build_request(method, url, params=params, data=data, json=json, headers=headers, body=body)
        before: Response | None = None
        for followed in range(MAX_REDIRECTS + 1):
            try:
                response = await self._send(request)
            except TargetRefused as refused:
                raise led_astray(before, refused) from None
            before = response
            following = redirected(request, response, followed=followed)
            if following is None:
                break
            request = following
        return Answer(response.status, response.headers, response.body, request.url)

    async def get(self, url: str, **given: Any) -> Answer:
        """GET; takes what `request` takes."""
        return await self.request("GET", url, **given)

    async def post(self, url: str, **given: Any) -> Answer:
        """POST; takes what `request` takes."""
        return await self.request("POST", url, **given)

    async def put(self, url: str, **given: Any) -> Answer:
        """PUT; takes what `request` takes."""
        return await self.request("PUT", url, **given)

    async def patch(self, url: str, **given: Any) -> Answer:
        """PATCH; takes what `request` takes."""
        return await self.request("PATCH", url, **given)

    async def delete(self, url: str, **given: Any) -> Answer:
        """DELETE; takes what `request` takes."""
        return await self.request("DELETE", url, **given)


def _pairs(fields: Fields) -> Pairs:
    items = fields.items() if hasattr(fields, "items") else fields
    return tuple((name, str(text)) for name, text in items)


def _resolved(base: str, location: str) -> str:
    from urllib.parse import urljoin

    return urljoin(base, location.partition("#")[0])


def _refused(response: Response, message: str) -> ProviderError:
    return ProviderError(message, error="redirect_refused", status=response.status)
