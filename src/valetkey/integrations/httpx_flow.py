"""What `VaultAuth` for httpx and for httpx2 have in common: all of it but the classes that each library asks for.

Both follow redirects below the auth, copying headers and body of the request. So credentials travel in a `Headers`
that shows them to who sends and not to who copies; a hop on the same origin that was made without them is then
authorized and made again.

Not here: an import of either library. `httpx.py` and `httpx2.py` mix these classes with their own.
"""

from __future__ import annotations

from valetkey.errors import ConfigurationError
from valetkey.http import Headers, Request
from valetkey.integrations.credentials import added_headers, bearer_token, same_origin, without_fragment
from valetkey.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
    from typing import Any, ClassVar

    from valetkey.http import Pairs
    from valetkey.integrations.credentials import AsyncSigningVault, SigningVault
    from valetkey.secret import Secret

    class _Headers:
        """What both libraries' Headers are."""

        def __init__(self, headers: object) -> None: ...

        @property
        def raw(self) -> list[tuple[bytes, bytes]]: ...

else:
    _Headers = object

MAX_SENT = 7  # the request, five redirects, one repetition after a 401


@value
class _Ask:
    """The step in which the vault authorizes a request."""

    request: Request
    rejected: Secret | None


class AuthFlow:
    """Authorizes requests with a vault's connection. Raises in the call what `vault.sign` raises.

    An `AsyncVault` needs an `AsyncClient`; a `Vault` in an `AsyncClient` holds up the event loop while it refreshes.
    """

    requires_request_body = True
    _library: ClassVar[Any]
    """The module: its Request, URL and ByteStream, and the two classes below as they were mixed with its own."""
    _carried: ClassVar[Any]
    _sent_once: ClassVar[Any]

    def __init__(
        self, vault: SigningVault | AsyncSigningVault, registration: str, resource_owner: str, account: str = ""
    ) -> None:
        self._vault = vault
        self._registration, self._resource_owner, self._account = registration, resource_owner, account

    def sync_auth_flow(self, request: Any) -> Generator[Any, Any, None]:
        """The flow for `Client`."""
        request.read()
        flow = self._flow(request)
        step: Any = next(flow)
        while step is not None:
            reply: Any = self._authorized(step) if isinstance(step, _Ask) else (yield step)
            if hasattr(reply, "__await__"):
                reply.close()
                message = "an AsyncVault authorizes an httpx.AsyncClient: use a Vault with httpx.Client"
                raise ConfigurationError(message)
            step = _next(flow, reply)

    async def async_auth_flow(self, request: Any) -> AsyncGenerator[Any, Any]:
        """The flow for `AsyncClient`."""
        await request.aread()
        flow = self._flow(request)
        step: Any = next(flow)
        while step is not None:
            reply: Any = self._authorized(step) if isinstance(step, _Ask) else (yield step)
            if hasattr(reply, "__await__"):
                reply = await reply
            step = _next(flow, reply)

    def _authorized(self, step: _Ask) -> object:
        return self._vault.sign(
            step.request,
            registration=self._registration,
            resource_owner=self._resource_owner,
            account=self._account,
            rejected=step.rejected,
        )

    def _flow(self, target: Any) -> Generator[Any, Any, None]:
        """Both colours: authorize, send; after a redirect on the same origin or one 401, again."""
        rejected: Secret | None = None
        repeated = False
        for _ in range(MAX_SENT):
            request = _read(target)
            signed: Request = yield _Ask(request, rejected)
            token = bearer_token(signed)
            if rejected is not None and token == rejected:
                return
            sent = self._carrying(target, request, signed)
            response: Any = yield sent
            last, rejected = response.request, None
            if last is not sent:
                hops = [*(earlier.request for earlier in response.history), last]
                if last.method not in ("GET", "HEAD") or not all(
                    same_origin(request.url, str(hop.url)) for hop in hops
                ):
                    return
                if not isinstance(last.stream, self._library.ByteStream):
                    return
                last.read()
                target = last
            elif response.status_code == 401 and token is not None and not repeated:
                repeated, rejected = True, token
            else:
                return

    def _carrying(self, target: Any, request: Request, signed: Request) -> Any:
        """A copy of the request that carries what authorizing added."""
        added = added_headers(request, signed)
        stream: Any = target.stream
        if signed.body != request.body:
            added = (*(pair for pair in added if pair[0].lower() != "content-length"), _length(signed.body))
            stream = self._sent_once(signed.body)
        url = target.url if signed.url == request.url else self._library.URL(signed.url)
        copy: Any = self._library.Request(target.method, url, stream=stream, extensions=target.extensions)
        copy.headers = self._carried(target.headers, added)
        return copy


def _next(flow: Generator[Any, Any, None], reply: object) -> Any:
    try:
        return flow.send(reply)
    except StopIteration:
        return None


def _read(request: Any) -> Request:
    """The request that will be sent."""
    headers = Headers(tuple((name.decode("latin-1"), text.decode("latin-1")) for name, text in request.headers.raw))
    return Request(request.method, without_fragment(str(request.url)), headers, request.content)


def _length(body: bytes) -> tuple[str, str]:
    return ("Content-Length", str(len(body)))


class SentOnce:
    """A signed body. The hop of a redirect that would send it again fails before an octet of it is sent."""

    def __init__(self, body: bytes) -> None:
        self._pieces = [body]

    def _take(self) -> bytes:
        if not self._pieces:
            message = "a signed body was redirected: send the request to its new URL"
            raise ConfigurationError(message)
        return self._pieces.pop()

    def __iter__(self) -> Iterator[bytes]:
        yield self._take()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._take()


class CarriedHeaders(_Headers):
    """Headers with credentials that are read and sent with the others, and not copied: `Headers(these)` has none."""

    def __init__(self, headers: Any, added: Pairs) -> None:
        super().__init__(headers)
        self._added = [(name.encode("latin-1"), text.encode("latin-1")) for name, text in added]
        self._names = {name.lower() for name, _ in self._added}

    @property
    def raw(self) -> list[tuple[bytes, bytes]]:
        """What is sent."""
        return [pair for pair in super().raw if pair[0].lower() not in self._names] + self._added

    _plain: ClassVar[Any]
    """The library's own Headers."""

    def _all(self) -> Any:
        plain: Any = self._plain(self.raw)
        return plain

    def keys(self) -> Any:
        """The names."""
        return self._all().keys()

    def values(self) -> Any:
        """What they say."""
        return self._all().values()

    def items(self) -> Any:
        """Names with what they say, joined."""
        return self._all().items()

    def multi_items(self) -> Any:
        """Names with what they say, in order."""
        return self._all().multi_items()

    def get_list(self, key: str, split_commas: bool = False) -> Any:  # noqa: FBT001, FBT002 - httpx's
        """What one name says, in order."""
        return self._all().get_list(key, split_commas)

    def __getitem__(self, key: str) -> Any:
        return self._all()[key]

    def __contains__(self, key: object) -> bool:
        return key in self._all()

    def __iter__(self) -> Iterator[Any]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())
