"""Sessions: what a request is made of, what an answer gives, where a redirect may go."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from valetkey.dates import http_date
from valetkey.drivers.session import Answer, AsyncSession, Session
from valetkey.errors import ConfigurationError, MalformedResponse, ProviderError, TargetRefused
from valetkey.http import Headers, Request, Response

if TYPE_CHECKING:
    from collections.abc import Callable

API = "https://api.example/1/things"


class Wire:
    """Answers with what a test wrote down, in order, and keeps what it was asked."""

    def __init__(self, *responses: Response) -> None:
        self._responses = list(responses)
        self.requests: list[Request] = []

    def __call__(self, request: Request) -> Response:
        self.requests.append(request)
        return self._responses.pop(0) if self._responses else Response(200, Headers(), b"ok")


def in_sync(wire: Wire, method: str, url: str, **given: object) -> Answer:
    call: Callable[..., Answer] = getattr(Session(wire), method)
    return call(url, **given)


def in_async(wire: Wire, method: str, url: str, **given: object) -> Answer:
    async def send(request: Request) -> Response:
        return wire(request)

    async def main() -> Answer:
        answer: Answer = await getattr(AsyncSession(send), method)(url, **given)
        return answer

    return asyncio.run(main())


@pytest.fixture(params=[in_sync, in_async], ids=["sync", "async"])
def call(request: pytest.FixtureRequest) -> Callable[..., Answer]:
    made: Callable[..., Answer] = request.param
    return made


def redirect(location: str, status: int = 302) -> Response:
    return Response(status, Headers((("Location", location),)))


@pytest.mark.parametrize("method", ["get", "post", "put", "patch", "delete"])
def test_each_verb_is_its_method(call: Callable[..., Answer], method: str) -> None:
    wire = Wire()

    assert call(wire, method, API).status == 200
    assert wire.requests == [Request(method.upper(), API)]


def test_parameters_are_added_to_the_query_and_a_form_is_the_body(call: Callable[..., Answer]) -> None:
    wire = Wire()

    call(wire, "post", API + "?a=1", params={"b": "x y", "n": 2}, data=[("c", "ä&"), ("c", "+")], headers={"X-A": "1"})

    request = wire.requests[0]
    assert request.url == API + "?a=1&b=x%20y&n=2"
    assert request.body == b"c=%C3%A4%26&c=%2B"
    assert request.headers.pairs == (("X-A", "1"), ("Content-Type", "application/x-www-form-urlencoded"))


def test_json_and_octets_are_bodies_and_a_content_type_of_the_callers_stays(call: Callable[..., Answer]) -> None:
    wire = Wire()

    call(wire, "post", API, json={"a": ["ä"]})
    call(wire, "put", API, json=False, headers={"content-type": "application/problem+json"})
    call(wire, "patch", API, body=b"\0raw", headers={"Content-Type": "text/plain"})

    assert [request.body for request in wire.requests] == [b'{"a":["\\u00e4"]}', b"false", b"\0raw"]
    assert [request.headers.all("content-type") for request in wire.requests] == [
        ("application/json",),
        ("application/problem+json",),
        ("text/plain",),
    ]


@pytest.mark.parametrize(
    ("url", "given"),
    [
        (API, {"data": {"a": "b"}, "json": {}}),
        (API, {"json": {}, "body": b""}),
        ("/relative", {}),
        ("ftp://api.example/", {}),
        ("https://user@api.example/", {}),
        ("https://api.example/#fragment", {}),
        (API, {"headers": {"X-A": "1\r\nX-B: 2"}}),
        (API, {"headers": {"X A": "1"}}),
        (API, {"headers": {"X-A": "\u20ac"}}),
    ],
)
def test_a_request_that_http_does_not_have_is_the_developers_to_change(
    call: Callable[..., Answer], url: str, given: dict[str, object]
) -> None:
    wire = Wire()

    with pytest.raises(ConfigurationError):
        call(wire, "get", url, **given)
    assert wire.requests == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_get_that_the_same_origin_redirects_is_authorized_anew(call: Callable[..., Answer], status: int) -> None:
    wire = Wire(redirect("/2/things?x=1#top", status), redirect("https://API.example:443/3", status))

    answer = call(wire, "get", API, headers={"X-A": "1"})

    assert [request.url for request in wire.requests] == [
        API,
        "https://api.example/2/things?x=1",
        "https://api.example/3",
    ]
    assert all(request.headers.pairs == (("X-A", "1"),) for request in wire.requests)
    assert answer.url == "https://api.example/3"


@pytest.mark.parametrize(
    "location",
    [
        "https://evil.example/",
        "//evil.example/",
        "http://api.example/1/things",
        "https://api.example:8443/",
        "https://api.example.evil.example/",
        "https://api.example@evil.example/",
        "https://a b/",
        "javascript:alert(1)",
    ],
)
def test_a_redirect_to_another_origin_is_an_error_and_never_asked(call: Callable[..., Answer], location: str) -> None:
    """CVE-2018-18074: credentials followed a redirect to another host."""
    wire = Wire(redirect(location + "?secret=canary"))

    with pytest.raises(ProviderError) as caught:
        call(wire, "get", API + "?secret=canary")

    assert len(wire.requests) == 1
    assert caught.value.error == "redirect_refused"
    assert caught.value.status == 302
    assert "canary" not in str(caught.value)


def test_a_url_of_the_callers_own_that_gets_no_credentials_is_the_callers_to_change(
    call: Callable[..., Answer],
) -> None:
    class Elsewhere(Wire):
        def __call__(self, request: Request) -> Response:
            if request.url != API:
                message = "it does not get its credentials"
                raise TargetRefused(message)
            return super().__call__(request)

    with pytest.raises(TargetRefused):
        call(Elsewhere(), "get", "https://api.example/other")
    with pytest.raises(ProviderError, match="it does not get its credentials") as caught:
        call(Elsewhere(redirect("/other")), "get", API)
    assert (caught.value.error, caught.value.status) == ("redirect_refused", 302)


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_what_changes_something_is_not_sent_twice(call: Callable[..., Answer], method: str) -> None:
    wire = Wire(redirect("/2", 307))

    with pytest.raises(ProviderError, match="redirected a"):
        call(wire, method, API)
    assert len(wire.requests) == 1


def test_redirects_end(call: Callable[..., Answer]) -> None:
    wire = Wire(*[redirect("/again")] * 20)

    with pytest.raises(ProviderError, match="more than 5 times"):
        call(wire, "get", API)
    assert len(wire.requests) == 6


@pytest.mark.parametrize("response", [Response(304), Response(302), Response(300, Headers((("Location", "/a"),)))])
def test_what_is_not_a_redirect_is_the_answer(call: Callable[..., Answer], response: Response) -> None:
    assert call(Wire(response), "get", API).status == response.status


def test_an_answer_reads_its_body() -> None:
    headers = Headers((("Content-Type", 'text/plain; charset="ISO-8859-1"'),))

    assert Answer(200, headers, b"\xe4", API).text == "ä"
    assert Answer(200, Headers(), "ä".encode(), API).text == "ä"
    assert Answer(200, Headers((("Content-Type", "text/plain; charset=nonsense"),)), b"a\xff", API).text == "a\ufffd"
    assert Answer(200, Headers(), b'{"a": 1}', API).json() == {"a": 1}


@pytest.mark.parametrize("body", [b"<html>canary", b"\xff", b"", b"[" * 100_000])
def test_a_body_that_is_not_json_is_an_error_without_the_body(body: bytes) -> None:
    with pytest.raises(MalformedResponse) as caught:
        Answer(502, Headers(), body, API + "?secret=canary").json()

    assert caught.value.status == 502
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7.0),
        ("99999", 3600.0),
        ("soon", None),
        ("-1", None),
        ("9" * 400, 3600.0),
        ("Wed, 21 Oct 2026 07:28:00 GMT", None),  # nobody knows what time it is there
    ],
)
def test_an_answer_of_400_or_more_can_be_raised(text: str, seconds: float | None) -> None:
    with pytest.raises(ProviderError) as caught:
        Answer(429, Headers((("Retry-After", text),)), b"canary", API + "?q=canary").raise_for_status()

    assert (caught.value.status, caught.value.retry_after) == (429, seconds)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(("ahead", "seconds"), [(90, 90.0), (0, 0.0), (-5, 0.0), (86_400, 3600.0)])
def test_a_moment_to_come_again_counts_from_the_answers_own_date(ahead: int, seconds: float) -> None:
    told = 1_792_567_680
    headers = Headers((("date", http_date(told)), ("retry-after", http_date(told + ahead))))

    with pytest.raises(ProviderError) as caught:
        Answer(503, headers, b"", API).raise_for_status()

    assert caught.value.retry_after == seconds


def test_an_answer_below_400_is_given_back_and_prints_without_its_body() -> None:
    answer = Answer(200, Headers((("Set-Cookie", "canary"),)), b"canary", API + "?q=canary")

    assert answer.raise_for_status() is answer
    assert repr(answer) == "Answer(200, 6 octets)"
