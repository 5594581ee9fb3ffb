"""`VaultAuth` in requests, httpx, httpx2, aiohttp and urllib3: the same promises, against real servers on loopback."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlencode

import aiohttp
import httpx
import httpx2
import pytest
import requests
import urllib3
from tests.integrations.provider import AsyncFakeVault, FakeVault, Provider, has_credentials
from werkzeug import Response as Outgoing

from valetkey.errors import ConfigurationError
from valetkey.http import read_url
from valetkey.integrations.aiohttp import VaultAuth as AiohttpAuth
from valetkey.integrations.httpx import VaultAuth as HttpxAuth
from valetkey.integrations.httpx2 import VaultAuth as Httpx2Auth
from valetkey.integrations.requests import VaultAuth as RequestsAuth
from valetkey.integrations.urllib3 import VaultPool

if TYPE_CHECKING:
    from valetkey.http import Request


class Got(NamedTuple):
    status: int
    body: bytes
    url: str


Call = Callable[..., Got]


def by_requests(vault: FakeVault, method: str, url: str, *, follow: bool = True, **given: Any) -> Got:
    given["data"] = given.pop("content", given.get("data"))
    with requests.Session() as session:
        session.trust_env = False
        auth = RequestsAuth(vault, "example", "alice", "work")
        response = session.request(method, url, auth=auth, allow_redirects=follow, timeout=5, **given)
        return Got(response.status_code, response.content, response.url)


def by_httpx(vault: FakeVault, method: str, url: str, *, follow: bool = True, **given: Any) -> Got:
    with httpx.Client(auth=HttpxAuth(vault, "example", "alice", "work"), trust_env=False) as client:
        response = client.request(method, url, follow_redirects=follow, **given)
        return Got(response.status_code, response.content, str(response.url))


def by_httpx2(vault: FakeVault, method: str, url: str, *, follow: bool = True, **given: Any) -> Got:
    with httpx2.Client(auth=Httpx2Auth(vault, "example", "alice", "work"), trust_env=False) as client:
        response = client.request(method, url, follow_redirects=follow, **given)
        return Got(response.status_code, response.content, str(response.url))


def streamed(given: dict[str, Any]) -> dict[str, Any]:
    """The same with an awaited stream in the place of an iterator."""
    if "content" not in given or isinstance(given["content"], bytes):
        return given
    pieces = given["content"]

    async def stream() -> AsyncIterator[bytes]:
        for piece in pieces:
            yield piece

    return given | {"content": stream()}


def async_by(library: Any, auth_class: Any) -> Call:
    def call(vault: FakeVault, method: str, url: str, *, follow: bool = True, **given: Any) -> Got:
        async def main() -> Got:
            auth = auth_class(AsyncFakeVault(vault), "example", "alice", "work")
            async with library.AsyncClient(auth=auth, trust_env=False) as client:
                response = await client.request(method, url, follow_redirects=follow, **streamed(given))
                return Got(response.status_code, response.content, str(response.url))

        return asyncio.run(main())

    return call


def by_aiohttp(vault: FakeVault, method: str, url: str, *, follow: bool = True, **given: Any) -> Got:
    async def main() -> Got:
        named = streamed(given)
        named["data"] = named.pop("content", named.get("data"))
        files = named.pop("files", None)
        if files is not None:
            named["data"] = form = aiohttp.FormData()
            for field, (filename, file, content_type) in files.items():
                form.add_field(field, file, filename=filename, content_type=content_type)
        auth = AiohttpAuth(AsyncFakeVault(vault), "example", "alice", "work")
        session = aiohttp.ClientSession(middlewares=(auth,))
        async with session, session.request(method, url, allow_redirects=follow, **named) as response:
            return Got(response.status, await response.read(), str(response.url))

    return asyncio.run(main())


def by_urllib3(vault: FakeVault, method: str, url: str, *, follow: bool = True, **given: Any) -> Got:
    if "params" in given:
        url += ("&" if "?" in url else "?") + urlencode(given.pop("params"))
    if "files" in given:
        given["fields"] = {name: (file[0], file[1].read(), file[2]) for name, file in given.pop("files").items()}
    if "data" in given:
        given["fields"], given["encode_multipart"] = given.pop("data"), False
    if "content" in given:
        given["body"] = given.pop("content")
    with urllib3.PoolManager() as pool:
        ours = VaultPool(pool, vault, "example", "alice", "work")
        response = ours.request(method, url, redirect=follow, timeout=5, **given)
        return Got(response.status, response.data, url)


CLIENTS: dict[str, Call] = {
    "requests": by_requests,
    "httpx": by_httpx,
    "async httpx": async_by(httpx, HttpxAuth),
    "httpx2": by_httpx2,
    "async httpx2": async_by(httpx2, Httpx2Auth),
    "aiohttp": by_aiohttp,
    "urllib3": by_urllib3,
}


@pytest.fixture(params=list(CLIENTS))
def call(request: pytest.FixtureRequest) -> Call:
    return CLIENTS[request.param]


@pytest.fixture(scope="module")
def both() -> Iterator[tuple[Provider, Provider]]:
    with Provider() as provider, Provider() as elsewhere:
        yield provider, elsewhere


@pytest.fixture
def provider(both: tuple[Provider, Provider]) -> Provider:
    provider, elsewhere = both
    for one in both:
        one.seen.clear()
        one.nonces.clear()
        one.routes.clear()
        one.good_tokens = {"good"}
    provider.away = elsewhere.url
    elsewhere.routes["/landing"] = lambda _: Outgoing("landed")
    return provider


@pytest.fixture
def elsewhere(both: tuple[Provider, Provider]) -> Provider:
    return both[1]


@pytest.fixture(params=["header", "query", "body", "bearer"])
def vault(request: pytest.FixtureRequest, provider: Provider) -> FakeVault:
    if request.param == "bearer":
        return FakeVault(provider.url, protocol="oauth2")
    return FakeVault(provider.url, placement=request.param)


def pieces() -> Iterator[bytes]:
    yield b"one "
    yield b"two"


BODIES: dict[str, tuple[Callable[[], dict[str, Any]], bytes]] = {
    "form": (lambda: {"data": {"a": "x y", "ä": "&="}}, b"a=x+y&%C3%A4=%26%3D"),
    "octets": (lambda: {"content": b"\0\xff raw"}, b"\0\xff raw"),
    "json": (lambda: {"json": {"a": 1}}, b'"a"'),
    "multipart": (lambda: {"files": {"f": ("name.txt", io.BytesIO(b"in the file"), "text/plain")}}, b"in the file"),
    "streamed": (lambda: {"content": pieces()}, b"one two"),
}


@pytest.mark.parametrize("kind", list(BODIES))
def test_a_body_is_signed_as_it_is_sent(call: Call, vault: FakeVault, provider: Provider, kind: str) -> None:
    given, expected = BODIES[kind]

    got = call(vault, "POST", provider.url + "/echo?q=1%202&q=%7E", **given())

    assert got.status == 200, got.body
    assert expected in provider.seen[0].body
    assert vault.calls == [("example", "alice", "work", None)]


def test_a_get_is_signed_with_its_query_as_it_is_sent(call: Call, vault: FakeVault, provider: Provider) -> None:
    got = call(vault, "GET", provider.url + "/echo?z=1", params={"a": "x y+ä", "b": "~*'()"})

    assert got.status == 200, got.body


def test_a_fragment_is_not_signed(call: Call, vault: FakeVault, provider: Provider) -> None:
    assert call(vault, "GET", provider.url + "/echo?a=1#part").status == 200


def test_another_host_gets_nothing(call: Call, vault: FakeVault, provider: Provider, elsewhere: Provider) -> None:
    with pytest.raises(ConfigurationError):
        call(vault, "GET", elsewhere.url + "/echo")
    assert elsewhere.seen == []


def test_an_authorization_header_of_the_callers_own_is_refused(
    call: Call, vault: FakeVault, provider: Provider
) -> None:
    with pytest.raises(ConfigurationError):
        call(vault, "GET", provider.url + "/echo", headers={"Authorization": "Basic x"})
    assert provider.seen == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_on_the_same_origin_is_authorized_anew(
    call: Call, vault: FakeVault, provider: Provider, status: int
) -> None:
    """Nothing is sent twice: the provider refuses a nonce that it has seen, and a signature for another URL."""
    got = call(vault, "GET", provider.url + f"/to/{status}/to/{status}/echo?x=1")

    assert got.status == 200, got.body
    authorized = [request for request in provider.seen if has_credentials(request)]
    assert len(authorized) == 3
    if vault.protocol == "oauth1":
        assert len(provider.nonces) == 3


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_redirect_to_another_host_carries_no_credentials(
    call: Call, vault: FakeVault, provider: Provider, elsewhere: Provider, status: int, method: str
) -> None:
    """CVE-2018-18074, and the same for a signature in a form body that 307 and 308 send again."""
    form = {"data": {"a": "b"}} if method == "POST" else {}

    got = call(vault, method, provider.url + f"/away/{status}", **form)

    assert got.body == b"landed"
    assert len(provider.seen) == 1
    assert len(elsewhere.seen) <= 1
    assert not any(map(has_credentials, elsewhere.seen))
    assert len(vault.calls) == 1


def test_a_redirect_is_left_alone_where_the_caller_does_not_follow(
    call: Call, vault: FakeVault, provider: Provider
) -> None:
    assert call(vault, "GET", provider.url + "/to/302/echo", follow=False).status == 302
    assert len(provider.seen) == 1


@pytest.mark.parametrize("status", [307, 308])
@pytest.mark.parametrize("kind", list(BODIES))
def test_a_body_that_is_redirected_with_its_method_is_authorized_anew(
    call: Call, vault: FakeVault, provider: Provider, kind: str, status: int
) -> None:
    given, expected = BODIES[kind]

    got = call(vault, "POST", provider.url + f"/to/{status}/echo?x=1", **given())

    assert got.status == 200, got.body
    first, *between, last = provider.seen
    assert expected in first.body
    assert expected in last.body
    assert last.method == "POST"
    assert read_url(last.url).path == "/echo"
    assert not any(map(has_credentials, between))
    if vault.protocol == "oauth1":
        assert len(provider.nonces) == 2  # none was sent twice


@pytest.mark.parametrize("status", [301, 302, 303])
def test_a_form_whose_redirect_may_become_a_get_is_authorized_anew(
    call: Call, vault: FakeVault, provider: Provider, status: int
) -> None:
    got = call(vault, "POST", provider.url + f"/to/{status}/echo?x=1", data={"a": "b"})

    assert got.status == 200, got.body
    if status == 303:
        assert (provider.seen[-1].method, provider.seen[-1].headers.get("content-type")) == ("GET", None)


@pytest.mark.parametrize("answer", [200, 201, 500, 503])
def test_a_redirected_post_that_may_have_been_done_is_not_sent_again(
    call: Call, provider: Provider, answer: int
) -> None:
    """httpx and httpx2 make the first hop without credentials; where nothing refused it, it is not repeated."""
    vault = FakeVault(provider.url)
    provider.routes["/does"] = lambda _: Outgoing("", answer)

    assert call(vault, "POST", provider.url + "/to/307/does", data={"a": "b"}).status == answer
    assert provider.statuses == ["/to/307/does", "/does"]


def test_a_redirect_of_who_has_no_credentials_is_not_followed_with_them(call: Call, provider: Provider) -> None:
    """A hop without credentials may be sent to a login page: the hop itself is authorized, not that page."""
    vault = FakeVault(provider.url)

    def guarded(request: Request) -> Outgoing:
        if not has_credentials(request):
            return Outgoing("", 302, headers={"Location": "/login"})
        return Outgoing("in", 401 if provider.refusal(request) else 200)

    provider.routes["/guarded"] = guarded
    provider.routes["/login"] = lambda _: Outgoing("login")

    for method, status in (("GET", 302), ("POST", 307)):
        assert call(vault, method, provider.url + f"/to/{status}/guarded").body == b"in"
    assert not any(has_credentials(request) for request in provider.seen if "/login" in request.url)


def test_redirects_without_end_end(call: Call, vault: FakeVault, provider: Provider) -> None:
    provider.routes["/round"] = lambda _: Outgoing("", 302, headers={"Location": "/round"})

    too_many = (
        requests.TooManyRedirects,
        httpx.TooManyRedirects,
        httpx2.TooManyRedirects,
        aiohttp.TooManyRedirects,
        urllib3.exceptions.MaxRetryError,
    )
    with pytest.raises(too_many):
        call(vault, "GET", provider.url + "/round")


@pytest.mark.parametrize("kind", list(BODIES))
def test_a_401_is_tried_once_more_with_another_token(call: Call, provider: Provider, kind: str) -> None:
    vault = FakeVault(provider.url, protocol="oauth2")
    vault.tokens = ["stale", "good"]

    got = call(vault, "POST", provider.url + "/echo", **BODIES[kind][0]())

    assert got.status == 200
    assert [called[3] and called[3].reveal() for called in vault.calls] == [None, "stale"]
    assert provider.seen[0].body == provider.seen[1].body != b""


def test_a_401_to_the_second_token_is_the_answer(call: Call, provider: Provider) -> None:
    vault = FakeVault(provider.url, protocol="oauth2")
    vault.tokens = ["stale", "stale too", "good"]

    assert call(vault, "GET", provider.url + "/echo").status == 401
    assert len(provider.seen) == 2


def test_a_401_is_the_answer_where_there_is_no_other_token(call: Call, provider: Provider) -> None:
    vault = FakeVault(provider.url, protocol="oauth2")
    vault.tokens = ["stale"]

    assert call(vault, "GET", provider.url + "/echo").status == 401
    assert len(provider.seen) == 1


@pytest.mark.parametrize("status", [403, 500])
def test_other_failures_do_not_refresh(call: Call, provider: Provider, status: int) -> None:
    vault = FakeVault(provider.url, protocol="oauth2")
    vault.tokens = ["good", "better"]
    provider.routes["/fails"] = lambda _: Outgoing("", status)

    assert call(vault, "GET", provider.url + "/fails").status == status
    assert len(vault.calls) == 1


def test_a_401_to_a_signature_is_the_answer(call: Call, provider: Provider) -> None:
    vault = FakeVault(provider.url)
    provider.routes["/refuses"] = lambda _: Outgoing("", 401)

    assert call(vault, "GET", provider.url + "/refuses").status == 401
    assert len(provider.seen) == 1


def test_a_redirect_after_a_refreshed_token_carries_the_new_one_and_not_elsewhere(
    call: Call, provider: Provider, elsewhere: Provider
) -> None:
    vault = FakeVault(provider.url, protocol="oauth2")
    vault.tokens = ["stale", "good"]

    assert call(vault, "GET", provider.url + "/to/302/echo").status == 200
    vault.tokens = ["stale", "good"]
    assert call(vault, "GET", provider.url + "/away/302").body == b"landed"

    assert not any(map(has_credentials, elsewhere.seen))


def test_a_401_of_another_host_does_not_bring_it_a_token(call: Call, provider: Provider, elsewhere: Provider) -> None:
    vault = FakeVault(provider.url, protocol="oauth2")
    vault.tokens = ["good", "better"]
    elsewhere.routes["/landing"] = lambda _: Outgoing("", 401)

    assert call(vault, "GET", provider.url + "/away/302").status == 401
    assert len(vault.calls) == 1
    assert not any(map(has_credentials, elsewhere.seen))


def test_a_way_through_another_host_back_is_not_authorized(provider: Provider, elsewhere: Provider, call: Call) -> None:
    """Otherwise another host would choose which of the provider's URLs are asked with our credentials."""
    vault = FakeVault(provider.url, protocol="oauth2")
    elsewhere.routes["/landing"] = lambda _: Outgoing("", 302, headers={"Location": provider.url + "/echo"})

    assert call(vault, "GET", provider.url + "/away/302").status == 401
    assert [has_credentials(request) for request in provider.seen] == [True, False]


def test_cookies_of_the_session_travel_on(provider: Provider) -> None:
    vault = FakeVault(provider.url, protocol="oauth2")
    vault.tokens = ["stale", "good"]

    def sets_a_cookie(request: Request) -> Outgoing:
        good = "good" in (request.headers.get("authorization") or "")
        return Outgoing("", 200 if good else 401, headers={"Set-Cookie": "seen=1; Path=/"})

    provider.routes["/cookie"] = sets_a_cookie
    with requests.Session() as session:
        session.trust_env = False
        response = session.get(provider.url + "/cookie", auth=RequestsAuth(vault, "example", "alice"), timeout=5)

    assert response.status_code == 200
    assert provider.seen[1].headers.get("cookie") == "seen=1"


def test_a_hook_of_httpx_sees_and_changes_the_headers_that_are_sent(provider: Provider) -> None:
    vault = FakeVault(provider.url, protocol="oauth2")
    seen: list[str] = []

    def hook(request: httpx.Request) -> None:
        seen.append(request.headers["authorization"])
        assert "authorization" in {name.lower() for name in request.headers}
        assert len(request.headers) == len(list(request.headers.items())) == len(request.headers.values())
        request.headers["X-Trace"] = "1"

    with httpx.Client(auth=HttpxAuth(vault, "e", "a"), event_hooks={"request": [hook]}, trust_env=False) as client:
        assert client.get(provider.url + "/echo").status_code == 200

    assert seen == ["Bearer good"]
    assert provider.seen[0].headers.get("x-trace") == "1"


def test_an_async_vault_in_a_sync_client_is_a_mistake_that_is_named(provider: Provider) -> None:
    vault = AsyncFakeVault(FakeVault(provider.url))

    client = httpx.Client(auth=HttpxAuth(vault, "e", "a"), trust_env=False)
    with client, pytest.raises(ConfigurationError, match="AsyncClient"):
        client.get(provider.url + "/echo")
    assert provider.seen == []


def test_a_vault_in_an_async_client_works(provider: Provider) -> None:
    vault = FakeVault(provider.url)

    async def main() -> int:
        async with httpx.AsyncClient(auth=HttpxAuth(vault, "e", "a"), trust_env=False) as client:
            return (await client.get(provider.url + "/echo")).status_code

    assert asyncio.run(main()) == 200


def test_a_file_is_signed_from_where_it_stands(provider: Provider) -> None:
    vault = FakeVault(provider.url)
    upload = io.BytesIO(b"skipped, sent")
    upload.seek(9)

    assert by_requests(vault, "PUT", provider.url + "/echo", data=upload).body == b"sent"


def test_a_retry_of_urllib3_is_signed_anew(provider: Provider) -> None:
    vault = FakeVault(provider.url)
    answers = [503, 503, 200]
    provider.routes["/busy"] = lambda request: Outgoing(
        provider.refusal(request), answers.pop(0), headers={"Retry-After": "0"}
    )

    assert by_urllib3(vault, "GET", provider.url + "/busy") == (200, b"", provider.url + "/busy")
    assert len(provider.nonces) == 3


def test_urllib3_gives_up_where_its_retries_end(provider: Provider) -> None:
    vault = FakeVault(provider.url)
    dead = Provider()
    with dead:
        vault.origin = url = dead.url

    with pytest.raises(urllib3.exceptions.MaxRetryError):
        by_urllib3(vault, "GET", url + "/", retries=2)
    assert len(vault.calls) == 3
    with pytest.raises(urllib3.exceptions.NewConnectionError):
        by_urllib3(vault, "GET", url + "/", retries=False)


def test_a_pool_over_a_pool_uses_its_connections_and_headers(provider: Provider) -> None:
    vault = FakeVault(provider.url)
    with urllib3.PoolManager(headers={"X-App": "1"}) as pool:
        with VaultPool(pool, vault, "e", "a") as ours:
            assert ours.connection_from_url(provider.url) is pool.connection_from_url(provider.url)
            assert ours.request("POST", provider.url + "/echo", body=io.BytesIO(b"x")).data == b"x"
            assert ours.request("POST", provider.url + "/echo", body="ä").data == "ä".encode()
        assert pool.connection_from_url(provider.url).num_connections == 1

    assert provider.seen[0].headers.get("x-app") == "1"


def test_two_calls_of_one_task_in_aiohttp_are_not_hops_of_one(provider: Provider, elsewhere: Provider) -> None:
    """The second one goes to another host on its own account: that is a mistake, not a redirect."""
    vault = FakeVault(provider.url)

    async def main() -> int:
        async with aiohttp.ClientSession(middlewares=(AiohttpAuth(vault, "e", "a"),)) as session:
            async with session.get(provider.url + "/away/302") as response:
                assert response.status == 200
            with pytest.raises(ConfigurationError):
                await session.get(elsewhere.url + "/landing")
            async with session.get(provider.url + "/echo") as response:
                return response.status

    assert asyncio.run(main()) == 200
