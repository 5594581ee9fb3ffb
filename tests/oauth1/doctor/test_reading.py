"""Requests as people have them at hand: what curl would send, what a browser recorded."""

from __future__ import annotations

import json
import shlex
from typing import Any
from urllib.parse import unquote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from valetkey.errors import ConfigurationError
from valetkey.http import FORM, Headers, Request
from valetkey.oauth1.doctor.reading import WITH_VALUE, build_request, read_curl, read_har

URL = "https://api.example/photos?size=original"
JSON = "application/json"

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)
values = st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=30).map(
    str.strip
)
names = st.from_regex(r"[A-Za-z][A-Za-z-]{0,15}", fullmatch=True)


@given(
    st.sampled_from(["GET", "POST", "PUT", "DELETE"]),
    st.lists(st.tuples(names, values), max_size=4),
    texts,
    st.sampled_from(["-d", "--data", "--data-ascii", "--data-raw", "--data-binary"]),
    st.permutations([("-X", "POST"), ("--request", "PUT"), ("-s",), ("-o", "/dev/null"), ("--url", URL)]),
)
def test_whatever_a_curl_command_says_is_what_is_read(
    method: str, headers: list[tuple[str, str]], body: str, data: str, noise: list[tuple[str, ...]]
) -> None:
    words = ["curl", *[word for part in noise for word in part], "-X", method]
    for name, text in headers:
        words += ["-H", f"{name}: {text}"]
    sent = body.lstrip("@")
    if sent:
        words += [data, sent]

    request = read_curl(shlex.join(words))

    assert (request.method, request.url, request.body) == (method, URL, sent.encode())
    assert request.headers.pairs[: len(headers)] == tuple(headers)


def test_lines_that_are_continued_are_one_command() -> None:
    for end in ("\n", "\r\n"):
        command = f"curl \\{end}-H 'A: b' \\{end}{URL}"
        assert read_curl(command) == Request("GET", URL, Headers((("A", "b"),)))


@pytest.mark.parametrize("program", ["curl", "/usr/bin/curl", "C:/tools/curl.exe", "curl.exe"])
def test_curl_is_known_by_its_path(program: str) -> None:
    assert read_curl(f"{program} {URL}").url == URL


@pytest.mark.parametrize("program", ["", "wget", "curly", "curl.exe.txt", ".execurl", "x/curl/y"])
def test_another_program_is_not_taken_for_curl(program: str) -> None:
    with pytest.raises(ConfigurationError, match="curl"):
        _ = read_curl(f"{program} {URL}")


@pytest.mark.parametrize(
    "options",
    ["-X PUT", "-XPUT", "--request PUT", "--request=PUT", "-sX PUT", "-sSLXPUT", "-X GET -X PUT", "-d a=b -X PUT"],
)
def test_a_method_is_read_however_it_is_written_and_the_last_one_counts(options: str) -> None:
    assert read_curl(f"curl {options} {URL}").method == "PUT"


@pytest.mark.parametrize("options", ["-H 'A: b'", "-H'A: b'", "--header 'A: b'", "--header='A: b'", "-sH ' A :  b '"])
def test_a_header_is_read_however_it_is_written(options: str) -> None:
    assert read_curl(f"curl {options} {URL}").headers.pairs == (("A", "b"),)


@pytest.mark.parametrize("option", ["-I", "--head", "-sI"])
def test_a_request_for_the_head_alone_is_head(option: str) -> None:
    assert read_curl(f"curl {option} {URL}").method == "HEAD"


@pytest.mark.parametrize("option", WITH_VALUE)
def test_an_option_that_does_not_matter_takes_its_value_along(option: str) -> None:
    assert read_curl(f"curl {option} value {URL}") == read_curl(f"curl {URL}")
    assert read_curl(f"curl {URL} {option}").url == URL


def test_only_the_first_url_counts() -> None:
    assert read_curl(f"curl --url {URL} https://other.example").url == URL
    assert read_curl(f"curl --url={URL}").url == URL
    assert read_curl("curl api.example/x").url == "http://api.example/x"


@pytest.mark.parametrize("option", ["-X", "-H", "-d", "--url", "--data-urlencode"])
def test_an_option_without_its_value_breaks_nothing(option: str) -> None:
    try:
        request = read_curl(f"curl {URL} {option}")
    except ConfigurationError:
        assert option == "-H"
    else:
        assert request == Request("" if option == "-X" else "GET", URL)


def test_data_makes_a_form_that_is_posted_and_several_are_joined() -> None:
    request = read_curl(
        f"curl {URL} -d a=1 --data-raw @b --data-urlencode 'c=2 &3' --data-urlencode 'a b' --data-urlencode '=x y'"
    )

    assert (request.method, request.headers.pairs) == ("POST", (("Content-Type", FORM),))
    assert request.body == b"a=1&@b&c=2+%263&a+b&x+y"
    assert read_curl(f"curl {URL} --data-urlencode 'a=b=c'").body == b"a=b%3Dc"
    assert unquote_plus("2+%263") == "2 &3"


@pytest.mark.parametrize("kind", ["Content-Type", "content-type", "CONTENT-TYPE"])
def test_a_content_type_that_is_given_stays_the_only_one(kind: str) -> None:
    assert read_curl(f"curl {URL} -d x -H '{kind}: text/plain'").headers.pairs == ((kind, "text/plain"),)


def test_json_has_its_content_type() -> None:
    request = read_curl(f"curl {URL} --json '{{}}'")

    assert (request.method, request.body, request.headers.pairs) == ("POST", b"{}", (("Content-Type", JSON),))


@pytest.mark.parametrize("option", ["-G", "--get", "-sG"])
def test_data_goes_into_the_query_where_it_is_asked_to(option: str) -> None:
    request = read_curl(f"curl {option} {URL} -d a=1 -d b=2")

    assert request == Request("GET", f"{URL}&a=1&b=2")
    assert read_curl("curl -G https://a.example/x -d a=1").url == "https://a.example/x?a=1"
    assert read_curl("curl -G https://a.example/x").url == "https://a.example/x"


@pytest.mark.parametrize("option", ["-d", "--data", "--data-ascii", "--data-binary", "--data-urlencode", "--json"])
def test_a_body_in_a_file_is_asked_for(option: str) -> None:
    with pytest.raises(ConfigurationError, match="file"):
        _ = read_curl(f"curl {URL} {option} @secrets.txt")


@pytest.mark.parametrize("command", ["curl", "curl -s", "curl ''", "curl --url"])
def test_a_command_without_a_url_says_so(command: str) -> None:
    with pytest.raises(ConfigurationError, match="URL"):
        _ = read_curl(command)


@given(st.text(max_size=80) | texts.map(lambda text: f"curl {text}"))
def test_any_text_is_a_request_or_a_configuration_error(command: str) -> None:
    try:
        request = read_curl(command)
    except ConfigurationError:
        return
    assert "://" in request.url


# HAR


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
        _ = build_request("GET", URL, [header], "")


def test_octets_that_came_through_the_command_line_are_kept() -> None:
    assert build_request("POST", URL, [], "a=\udcff").body == b"a=\xff"
