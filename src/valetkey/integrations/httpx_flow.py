"""What `VaultAuth` for httpx and for httpx2 have in common: all of it but the classes that each library asks for.

Both follow redirects below the auth, copying headers and body of the request. So credentials travel in a `Headers` and
in a stream that show them to who sends and not to who copies; the first hop on the same origin, which was made without
them, is then authorized and made again. One that is not a GET is made again only where it was refused or redirected:
otherwise it may have been done.

Not here: an import of either library. `httpx.py` and `httpx2.py` mix these classes with their own.
"""

from __future__ import annotations

from itertools import pairwise

from valetkey.http import Headers, Request
from valetkey.integrations.credentials import (
    Authorizer,
    Authorizing,
    added_headers,
    at_once,
    awaited,
    same_origin,
    without_fragment,
)
from valetkey.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
    from typing import Any, ClassVar

    from valetkey.connections.attempt import Attempt
    from valetkey.http import Pairs
    from valetkey.integrations.credentials import AsyncSigningVault, SigningVault

    class _Headers:
        """What both libraries' Headers are."""

        def __init__(self, headers: object) -> None: ...

        @property
        def raw(self) -> list[tuple[bytes, bytes]]: ...

else:
    _Headers = object

MAX_HOPS = 21  # the request and httpx's own limit of redirects


@value
class _Ask:
    """The step in which the vault authorizes a request."""

    request: Request


@value
class _Tell:
    """The step in which the vault is told what was answered."""

    attempt: Attempt
    response: Any

    @property
    def reads_body(self) -> bool:
        return self.attempt.reads_body(self.response.status_code)


class AuthFlow(Authorizing):
    """Authorizes requests with a vault's connection. Raises in the call what `vault.sign` raises.

    An `AsyncVault` needs an `AsyncClient`; a `Vault` in an `AsyncClient` holds up the event loop while it refreshes.
    """

    requires_request_body = True
    _library: ClassVar[Any]
    """The module: its Request, URL and ByteStream, and the two classes below as they were mixed with its own."""
    _carried: ClassVar[Any]
    _bodies: ClassVar[Any]

    def __init__(
        self, vault: SigningVault | AsyncSigningVault, registration: str, resource_owner: str, account: str = ""
    ) -> None:
        self._authorizer = Authorizer(vault, registration, resource_owner, account)

    def sync_auth_flow(self, request: Any) -> Generator[Any, Any, None]:
        """The flow for `Client`."""
        request.read()
        flow = self._flow(request)
        step: Any = next(flow)
        while step is not None:
            if isinstance(step, _Tell) and step.reads_body:
                step.response.read()
            reply: Any = at_once(self._asked(step)) if isinstance(step, _Ask | _Tell) else (yield step)
            step = _next(flow, reply)

    async def async_auth_flow(self, request: Any) -> AsyncGenerator[Any, Any]:
        """The flow for `AsyncClient`."""
        await request.aread()
        flow = self._flow(request)
        step: Any = next(flow)
        while step is not None:
            if isinstance(step, _Tell) and step.reads_body:
                await step.response.aread()
            reply: Any = await awaited(self._asked(step)) if isinstance(step, _Ask | _Tell) else (yield step)
            step = _next(flow, reply)

    def _asked(self, step: _Ask | _Tell) -> Any:
        if isinstance(step, _Ask):
            return self._authorizer.attempt(step.request)
        response, body = step.response, step.response.content if step.reads_body else b""
        return self._authorizer.next_attempt(step.attempt, response.status_code, _texts(response.headers.raw), body)

    def _flow(self, target: Any) -> Generator[Any, Any, None]:
        """Both colours: authorize, send, and as the vault says again; after a redirect on the same origin anew."""
        for _ in range(MAX_HOPS):
            request = _read(target)
            attempt: Attempt | None = yield _Ask(request)
            hop: Any = None
            while attempt is not None and hop is None:  # the vault ends it
                sent = self._carrying(target, request, attempt.signed)
                response: Any = yield sent
                if response.request is not sent:
                    hop = _first_hop(sent, response)
                    if hop is None or not same_origin(request.url, str(hop.url)):
                        return
                elif attempt.asks_about(response.status_code):
                    attempt = yield _Tell(attempt, response)
                else:
                    return
            if hop is None:
                return
            hop.read()
            if hop.method != target.method:  # it has no body any more, and must not be signed as if it had a form
                hop.headers.pop("Content-Type", None)
            target = hop
        message = "the provider redirects without end"
        raise self._library.TooManyRedirects(message, request=target)

    def _carrying(self, target: Any, request: Request, signed: Request) -> Any:
        """A copy of the request that carries what authorizing added."""
        added = added_headers(request, signed)
        stream: Any = target.stream
        if signed.body != request.body:
            added = (*(pair for pair in added if pair[0].lower() != "content-length"), _length(signed.body))
            stream = self._bodies(signed.body, request.body)
        url = target.url if signed.url == request.url else self._library.URL(signed.url)
        copy: Any = self._library.Request(target.method, url, stream=stream, extensions=target.extensions)
        copy.headers = self._carried(target.headers, added)
        return copy


def _next(flow: Generator[Any, Any, None], reply: object) -> Any:
    try:
        return flow.send(reply)
    except StopIteration:
        return None


def _first_hop(sent: Any, response: Any) -> Any:
    """The request that the redirect of the sent one led to; None where it may not be made again."""
    answers = [*response.history, response]
    for answer, following in pairwise(answers):
        if answer.request is sent:
            hop = following.request
            undone = hop.method in ("GET", "HEAD") or 300 <= following.status_code < 500
            return hop if undone else None
    return None


def _read(request: Any) -> Request:
    """The request that will be sent."""
    return Request(
        request.method, without_fragment(str(request.url)), Headers(_texts(request.headers.raw)), request.content
    )


def _texts(raw: list[tuple[bytes, bytes]]) -> Pairs:
    return tuple((name.decode("latin-1"), text.decode("latin-1")) for name, text in raw)


def _length(body: bytes) -> tuple[str, str]:
    return ("Content-Length", str(len(body)))


class Bodies:
    """A signed body for the request that it was made for; the hop of a redirect takes along the one without signature.

    A transport that repeats the request by itself finds the other one too, whose length is not the one that was
    told: it fails, and nothing is sent with half a signature.
    """

    def __init__(self, signed: bytes, plain: bytes) -> None:
        self._next, self._plain = signed, plain

    def _take(self) -> bytes:
        taken, self._next = self._next, self._plain
        return taken

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
