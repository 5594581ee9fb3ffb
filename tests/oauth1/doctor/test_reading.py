"""Requests as people have them at hand: what a browser recorded, and loose fields."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from valetkey.errors import ConfigurationError
from valetkey.http import FORM, Headers, Request
from valetkey.oauth1.doctor.reading import build_request, read_har

URL = "https://api.example/photos?size=original"
JSON = "application/json"


def entry(**changes: Any) -> dict[str, Any]:
    request = {
        "method": "POST",
        "url": URL,
        "headers": [
            {"name": ":authority", "value": "x"},
            {"name": "Authorization", "value": 'OAuth oauth_signature="x"'},
        ],
        "postData": {"mimeType": FORM, "text": "a=1"},
    }
    return {"request": request | changes}


def har(*entries: Any) -> str:
    return json.dumps({"log": {"entries": list(entries)}})


READ = Request("POST", URL, Headers((("Authorization", 'OAuth oauth_signature="x"'), ("Content-Type", FORM))), b"a=1")


def test_a_request_is_read_from_a_file_an_entry_or_the_request_itself() -> None:
    plain = entry(headers=[])

    assert read_har(har(plain, entry(), plain)) == READ
    assert read_har(json.dumps(entry())) == READ
    assert read_har(json.dumps(entry()["request"])) == READ


def test_a_byte_order_mark_at_the_beginning_is_no_part_of_the_file() -> None:
    assert read_har("\ufeff" + har(entry())) == READ
    with pytest.raises(ConfigurationError, match="not a HAR file"):
        _ = read_har("\ufeff\ufeff" + har(entry()))


def test_an_entry_is_chosen_by_its_number_from_0() -> None:
    text = har(entry(url="https://a.example/0"), entry(url="https://a.example/1"))

    assert [read_har(text, entry=number).url[-1] for number in (0, 1)] == ["0", "1"]
    for number in (-1, 2):
        with pytest.raises(ConfigurationError, match="2 entries"):
            _ = read_har(text, entry=number)


@pytest.mark.parametrize(("entries", "count"), [([], 0), ([entry(headers=[])], 0), ([entry(), entry()], 2)])
def test_several_signed_requests_or_none_ask_for_a_number(entries: list[Any], count: int) -> None:
    with pytest.raises(ConfigurationError, match=f"has {count} signed requests"):
        _ = read_har(har(*entries))


def test_posted_parameters_are_joined_where_there_is_no_text() -> None:
    posted = {"mimeType": FORM, "params": [{"name": "a", "value": "1"}, {"name": "b"}]}

    assert read_har(json.dumps(entry(postData=posted))).body == b"a=1&b="


def test_a_body_in_base64_is_decoded_where_the_entry_says_so() -> None:
    posted = {"mimeType": FORM, "text": "YT3/", "encoding": "base64"}

    assert read_har(json.dumps(entry(postData=posted))).body == b"a=\xff"
    for plain in ({"encoding": "utf-8"}, {"encoding": None}):
        assert read_har(json.dumps(entry(postData=posted | plain))).body == b"YT3/"
    for text in ("YT3", "\N{EURO SIGN}", 3):
        with pytest.raises(ConfigurationError, match="not a HAR file"):
            _ = read_har(json.dumps(entry(postData=posted | {"text": text})))


def test_octets_of_a_body_that_are_no_text_are_kept() -> None:
    assert read_har(json.dumps(entry(postData={"mimeType": FORM, "text": "a=\udcff"}))).body == b"a=\xff"


def test_the_content_type_of_the_header_wins_and_a_body_is_not_needed() -> None:
    headers = [{"name": "content-type", "value": JSON}, {"name": "Accept", "value": "*/*"}]

    assert read_har(json.dumps(entry(headers=headers))).headers.pairs == (("content-type", JSON), ("Accept", "*/*"))
    empty: dict[str, Any] = {}
    for nothing in (None, empty):
        bare = read_har(json.dumps(entry(headers=[], postData=nothing)))
        assert (bare.headers, bare.body) == (Headers(), b"")
    request = {name: text for name, text in entry()["request"].items() if name in ("method", "url")}
    assert read_har(json.dumps(request)) == Request("POST", URL)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["log", "entries", "request", "headers", "name", "value", "url", "x"]), inner)
    ),
    max_leaves=8,
)


@given(
    anything
    | st.builds(
        lambda name, part: entry(**{name: part}), st.sampled_from(["method", "url", "headers", "postData"]), anything
    )
)
def test_any_json_is_a_request_or_a_configuration_error(found: Any) -> None:
    try:
        request = read_har(json.dumps(found))
    except ConfigurationError:
        return
    assert isinstance(request.method, str)
    assert "://" in request.url


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "\ud800", '{"a":1}', '{"log":{"entries":3}}'])
def test_what_is_no_har_file_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError):
        _ = read_har(text)


@pytest.mark.parametrize("header", [("A b", "c"), ("A", "b\r\nc"), ("", "x"), ("A", "\N{EURO SIGN}")])
def test_what_no_request_can_hold_is_refused(header: tuple[str, str]) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        _ = build_request("GET", URL, [header], b"")


def test_octets_that_are_no_text_are_kept() -> None:
    assert build_request("POST", URL, [], b"a=\xff").body == b"a=\xff"


def test_a_url_without_a_scheme_is_one_of_http() -> None:
    assert build_request("GET", "api.example.com/v1?a=1", [], b"").url == "http://api.example.com/v1?a=1"
    assert build_request("GET", "https://api.example.com/v1", [], b"").url == "https://api.example.com/v1"


def test_a_url_that_is_no_text_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="URL is not UTF-8"):
        _ = build_request("GET", "https://a.example/\udcff", [], b"")
