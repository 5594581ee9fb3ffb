from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.gateways import events
from tests.web.world import World

from valetkey.connections.cookies import read_cookies
from valetkey.errors import ConfigurationError
from valetkey.gateways.aws import event_shape, lambda_handler, read_event, write_response
from valetkey.http import FORM, Headers, Request, Response, percent_encode, read_form, write_form

if TYPE_CHECKING:
    from valetkey.http import Pairs

SHAPES = sorted(events.SHAPES)
segments = st.text(alphabet="abcdefghijklmnopqrstuvwxyz0123456789-._~", min_size=1, max_size=12)
paths = st.lists(segments, min_size=1, max_size=4).map(lambda parts: "/" + "/".join(parts))
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=10)
queries = st.lists(st.tuples(names, texts), max_size=5, unique_by=lambda pair: pair[0])
cookie_texts = st.text(alphabet="abcXYZ019-_.~=", max_size=20)
cookies = st.lists(
    st.tuples(st.text(alphabet="abc_-", min_size=1, max_size=6), cookie_texts),
    max_size=4,
    unique_by=lambda pair: pair[0],
)


def request(
    target: str,
    *,
    method: str = "GET",
    headers: Pairs = (),
    form: Pairs = (),
    cookie: list[tuple[str, str]] | None = None,
) -> Request:
    if cookie:
        headers = (*headers, ("cookie", "; ".join(f"{name}={text}" for name, text in cookie)))
    if form:
        return Request("POST", target, Headers((*headers, ("content-type", FORM))), write_form(form).encode())
    return Request(method, target, Headers(headers))


@pytest.mark.parametrize("shape", SHAPES)
@given(path=paths, query=queries, form=queries, cookie=cookies)
def test_a_request_comes_through_every_front_as_it_was(
    shape: str, path: str, query: list[tuple[str, str]], form: list[tuple[str, str]], cookie: list[tuple[str, str]]
) -> None:
    target = f"{path}?{write_form(query)}" if query else path
    sent = request(target, form=tuple(form), cookie=cookie)
    event = json.loads(json.dumps(events.SHAPES[shape](sent)))

    found = read_event(event)

    assert found.method == sent.method
    assert found.url.partition("?")[0] == path
    assert read_form(found.url.partition("?")[2]) == tuple(query)
    assert found.body == sent.body
    assert read_cookies(found.headers) == read_cookies(sent.headers)
    assert found.headers.get("content-type") == sent.headers.get("content-type")
    assert found.platform == event


@pytest.mark.parametrize("shape", ["rest", "http", "url", "alb_multi"])
def test_repeated_query_parameters_stay_repeated(shape: str) -> None:
    sent = request("/oauth/callback/github?code=a&code=b,c&state=x%2Cy")

    found = read_event(events.SHAPES[shape](sent))

    assert sorted(read_form(found.url.partition("?")[2])) == [("code", "a"), ("code", "b,c"), ("state", "x,y")]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("code", ["a+b", "a b", "4/0AX%2F", "ü", "a&b=c", "%", "#", '"<>'])
def test_a_code_is_decoded_exactly_once(shape: str, code: str) -> None:
    sent = request(f"/oauth/callback/github?code={percent_encode(code)}")

    found = read_event(events.SHAPES[shape](sent))

    assert read_form(found.url.partition("?")[2]) == (("code", code),)


def test_a_path_that_the_front_decoded_is_encoded_again_and_never_decoded_twice() -> None:
    for raw in (
        "/callback/a%252Fb",
        "/callback/git%2568ub",
        "/callback/a%3Fcode=x",
        "/callback/a%20b",
        "/callback/%C3%BC",
    ):
        found = read_event(events.http(request(raw)))
        assert found.url == raw.replace("%3Fcode", "%3Fcode")
    assert read_event(events.http(request("/callback/a%2Fb"))).url == "/callback/a/b"  # the front lost it


@pytest.mark.parametrize(
    ("base_path", "target", "custom_domain"),
    [
        ("/prod", "/prod/callback/github", False),  # the execute-api URL is the base URL
        ("/oauth", "/oauth/callback/github", True),  # a base path mapping, as the path says too
        ("", "/callback/github", True),  # a custom domain's root
        ("/prod/oauth", "/prod/oauth/callback/github", False),
    ],
)
def test_the_stage_of_a_rest_api_counts_where_the_base_url_has_it(
    base_path: str, target: str, custom_domain: bool
) -> None:
    event = events.rest(request(target), custom_domain=custom_domain)

    assert read_event(event, base_path=base_path).url == target


def test_a_rest_api_reached_by_its_own_name_behind_a_custom_base_url_is_routed_without_the_stage() -> None:
    assert read_event(events.rest(request("/prod/oauth/connections")), base_path="/oauth").url == "/oauth/connections"
    assert read_event(events.rest(request("/prod/connections")), base_path="").url == "/connections"


@pytest.mark.parametrize(
    ("stage", "raw", "base_path", "target"),
    [
        ("$default", "/oauth/connections", "/oauth", "/oauth/connections"),
        ("prod", "/prod/connections", "/prod", "/prod/connections"),
        ("prod", "/prod/oauth/connections", "/oauth", "/oauth/connections"),
        ("prod", "/prod/connections", "", "/connections"),
        ("prod", "/production/connections", "", "/production/connections"),
        ("oauth", "/oauth/connections", "/oauth", "/oauth/connections"),
    ],
)
def test_the_stage_of_an_http_api_counts_where_the_base_url_has_it(
    stage: str, raw: str, base_path: str, target: str
) -> None:
    assert read_event(events.http(request(raw), stage=stage), base_path=base_path).url == target


def test_multi_value_headers_win_over_single_ones() -> None:
    event = events.rest(request("/connections", headers=(("X-A", "1"), ("X-A", "2"))))
    event["headers"] = {"X-A": "other", "Cookie": "evil=1"}

    found = read_event(event)

    assert found.headers.all("x-a") == ("1", "2")
    assert found.headers.get("cookie") is None


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", ["cookie", "Cookie", "COOKIE", "cOOkie"])
def test_header_names_count_in_any_case(shape: str, name: str) -> None:
    event = events.SHAPES[shape](request("/connections", headers=(("cookie", "a=1"), ("accept", "x"))))
    event.pop("cookies", None)
    for field, value in (("headers", "a=1"), ("multiValueHeaders", ["a=1"])):
        if isinstance(event.get(field), dict):
            event[field] = {name: value}

    assert read_event(event).headers.all("cookie") == ("a=1",)


def test_cookies_that_a_function_url_says_twice_count_once() -> None:
    event = events.url(request("/connections", cookie=[("a", "1"), ("b", "2")]))
    assert event["cookies"] == ["a=1", "b=2"]
    assert event["headers"]["cookie"] == "a=1; b=2"

    assert read_cookies(read_event(event).headers) == (("a", "1"), ("b", "2"))


def test_two_cookies_of_one_name_are_both_kept() -> None:
    event = events.url(request("/connections"))
    event["cookies"], event["headers"]["cookie"] = ["a=1"], "a=1; a=2"

    assert read_cookies(read_event(event).headers) == (("a", "1"), ("a", "2"))


def test_a_header_that_the_front_decoded_as_utf_8_is_latin_1_again() -> None:
    event = events.http(request("/connections"))
    event["headers"]["x-name"] = "日本"

    assert read_event(event).headers.get("x-name") == "日本".encode().decode("latin-1")


BAD_BODIES = [
    ("not base64!", True),
    ("YQ", True),
    ("YQ=", True),
    ("YR==", True),
    ("YQ==\n", True),
    ("YQ==YQ==", True),
    ("Y-_=", True),
    ("é", True),
    (7, False),
    ("\ud800", False),
    ({"a": 1}, True),
]


@pytest.mark.parametrize(("body", "encoded"), BAD_BODIES)
@pytest.mark.parametrize("shape", SHAPES)
def test_a_body_that_is_not_what_it_says_is_a_bad_request(shape: str, body: object, encoded: bool) -> None:
    event = events.SHAPES[shape](request("/oauth/connections/revoke", form=(("a", "b"),)))
    event |= {"body": body, "isBase64Encoded": encoded}

    answer = lambda_handler(World(), resource_owner=lambda _: "alice")(event, None)

    assert answer["statusCode"] == 400


@pytest.mark.parametrize(
    "change",
    [
        {"rawPath": 7},
        {"rawQueryString": []},
        {"headers": {"a": 1}},
        {"headers": {"a\n": "b"}},
        {"headers": {"a": "b\r\nc: d"}},
        {"cookies": [1]},
    ],
)
def test_an_event_with_fields_of_another_kind_is_a_bad_request(change: dict[str, Any]) -> None:
    event = events.http(request("/oauth/connections")) | change

    assert lambda_handler(World(), resource_owner=lambda _: "alice")(event, None)["statusCode"] == 400


@pytest.mark.parametrize("shape", ["rest", "alb"])
@pytest.mark.parametrize("texts", [None, [None], []])
def test_a_parameter_without_a_value_is_no_failure(shape: str, texts: object) -> None:
    event = events.SHAPES[shape](request("/oauth/connections")) | {"multiValueQueryStringParameters": {"cursor": texts}}

    assert lambda_handler(World(), resource_owner=lambda _: "alice")(event, None)["statusCode"] == 200


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"Records": [{"eventSource": "aws:sqs"}]},
        {"version": "2.0"},
        {"version": "0", "detail-type": "Scheduled Event"},
        {"requestContext": {}},
        {"requestContext": {"http": {}}},
        {"requestContext": {"routeKey": "$connect", "connectionId": "x"}},
        [],
        "text",
        None,
    ],
)
def test_an_event_that_is_no_request_names_what_to_put_in_front(event: Any) -> None:
    with pytest.raises(ConfigurationError, match="API Gateway"):
        event_shape(event)


@pytest.mark.parametrize(
    ("shape", "named"), [("rest", "rest"), ("http", "http"), ("url", "url"), ("alb", "alb"), ("alb_multi", "alb")]
)
def test_each_front_is_told_apart(shape: str, named: str) -> None:
    assert event_shape(events.SHAPES[shape](request("/"))) == named


TWO_COOKIES = Response(
    303, Headers((("Location", "/x"), ("Set-Cookie", "a=1; Path=/"), ("Vary", "Cookie"), ("Set-Cookie", "b=2, c"))), b""
)


def cookies_set(answer: dict[str, Any]) -> list[str]:
    found = list(answer.get("cookies", []))
    for name, texts in answer.get("multiValueHeaders", {}).items():
        found += texts if name.lower() == "set-cookie" else []
    found += [text for name, text in answer.get("headers", {}).items() if name.lower() == "set-cookie"]
    return found


@pytest.mark.parametrize("shape", SHAPES)
def test_both_cookies_go_out_by_every_front(shape: str) -> None:
    event = events.SHAPES[shape](request("/"))

    answer = write_response(TWO_COOKIES, event, shape=event_shape(event))

    assert json.loads(json.dumps(answer)) == answer
    assert cookies_set(answer) == ["a=1; Path=/", "b=2, c"]
    assert answer["statusCode"] == 303


def test_nine_cookies_go_out_by_a_load_balancer_without_multi_value_headers() -> None:
    event = events.alb(request("/"))
    response = Response(303, Headers(tuple(("Set-Cookie", f"c{number}=x") for number in range(9))))

    assert cookies_set(write_response(response, event, shape="alb")) == [f"c{number}=x" for number in range(9)]


@pytest.mark.parametrize("shape", SHAPES)
def test_a_body_that_is_not_text_goes_out_as_base64(shape: str) -> None:
    event = events.SHAPES[shape](request("/"))

    answer = write_response(Response(200, Headers(), b"\xff\x00"), event, shape=event_shape(event))

    assert answer["isBase64Encoded"] is True
    assert base64.b64decode(str(answer["body"])) == b"\xff\x00"


@pytest.mark.parametrize("shape", SHAPES)
def test_an_account_is_connected_through_every_front(shape: str) -> None:
    world = World()
    seen: list[object] = []

    def owner(request: Request) -> str:
        seen.append(request.platform)
        return "alice"

    handler = lambda_handler(world, resource_owner=owner)
    build = events.SHAPES[shape]
    start = build(Request("POST", "/oauth/connect/github", Headers((("sec-fetch-site", "same-origin"),))))
    started = handler(start, "context")
    (cookie,) = cookies_set(started)
    where = header(started, "location")
    state = dict(read_form(where.partition("?")[2]))["state"]

    back = build(
        Request(
            "GET",
            f"/oauth/callback/github?code=c&state={state}",
            Headers((("cookie", cookie.partition(";")[0]),)),
        )
    )
    finished = handler(back, "context")

    assert started["statusCode"] == finished["statusCode"] == 303
    assert header(finished, "location") == "https://app.example/oauth/connections?connected=github"
    assert seen == [start, back]
    assert world.invocations == ["context", "context"]


def header(answer: dict[str, Any], name: str) -> str:
    fields = answer.get("multiValueHeaders") or answer["headers"]
    (found,) = [text for key, text in fields.items() if key.lower() == name]
    return str(found[0] if isinstance(found, list) else found)


def test_what_may_not_stand_in_a_target_is_encoded() -> None:
    event = events.url(request("/oauth/connections")) | {"rawQueryString": 'a=b c&d="ü"', "rawPath": "/a b"}

    assert read_event(event).url == "/a%20b?a=b%20c&d=%22%C3%BC%22"
