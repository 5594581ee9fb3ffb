from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from valetkey.http import FORM, Headers, Request, percent_encode
from valetkey.oauth1.signature import encoded_parameters
from valetkey.oauth1.transmission import (
    MAX_HEADER_CHARACTERS,
    MAX_HEADER_PARAMETERS,
    authorization_header,
    body_parameters,
    is_form,
    place_parameters,
    query_parameters,
    read_authorization_header,
    request_parameters,
)

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
NAMES = TEXTS.filter(lambda name: bool(name) and name.lower() != "realm")
REALMS = st.one_of(st.none(), st.text(st.characters(min_codepoint=32, max_codepoint=126, exclude_characters='"\\')))


@given(st.lists(st.tuples(NAMES, TEXTS), max_size=8), REALMS)
def test_an_authorization_header_comes_back_as_it_was_written(pairs: list[tuple[str, str]], realm: str | None) -> None:
    header = authorization_header(encoded_parameters(pairs), realm=realm)

    assert read_authorization_header(header) == (realm, tuple(pairs))


def test_the_header_of_the_rfc_is_read() -> None:
    # RFC 5849 section 3.5.1, and its line breaks as the spaces they stand for
    header = (
        'OAuth realm="Example",     oauth_consumer_key="0685bd9184jfhq22",  oauth_token="ad180jjd733klru7",'
        ' oauth_signature_method="HMAC-SHA1", oauth_signature="wOJIO9A2W5mFwDgiDvZbTSMK%2FPY%3D",'
        ' oauth_timestamp="137131200",\toauth_nonce="4572616e48616d6d65724c61686176", oauth_version="1.0"'
    )

    realm, pairs = read_authorization_header(header)

    assert realm == "Example"
    assert len(pairs) == 7
    assert dict(pairs)["oauth_signature"] == "wOJIO9A2W5mFwDgiDvZbTSMK/PY="


def test_the_scheme_and_the_name_of_the_realm_have_no_case() -> None:
    assert read_authorization_header('oAuTH Realm="a, b=c",a="1"') == ("a, b=c", (("a", "1"),))


@pytest.mark.parametrize(
    "header",
    [
        'Bearer a="1"',
        "OAuth a=1",
        'OAuth a="1',
        'OAuth a"1"',
        'OAuth ="1"',
        'OAuth a="1" b="2"',
        'OAuth a="1",, b="2"',
        'OAuth ,a="1"',
        'OAuth a="1",',
        'OAuth a="1" trailing',
        'OAuth a ="1"',
        'OAuth a= "1"',
        'OAuth a, b="1"',
        'OAuth a="1\\"2"',
        'OAuth a="1\\2"',
        'OAuth a\\="1"',
        'OAuth a="1"\f',
        'OAuth a="1",\x0bb="2"',
        'OAuth a="1",\nb="2"',
        'OAuth a="1"\u2028, b="2"',
        'OAuth a="1"\n, b="2"',
        'OAuth a="1"X',
        'OAuth a="1" X, b="2"',
        'OAuth a="%zz"',
        'OAuth a="%ff"',
        'OAuth é="1"',
        'OAuth a="é"',
        'OAuth realm="a", realm="b"',
        "OAuth " + ", ".join(f'a{number}="1"' for number in range(MAX_HEADER_PARAMETERS + 1)),
        f'OAuth a="{"1" * MAX_HEADER_CHARACTERS}"',
    ],
)
def test_a_header_with_more_than_one_reading_is_refused(header: str) -> None:
    with pytest.raises(ValueError):
        read_authorization_header(header)


@given(st.text(st.sampled_from('OAuth realm=",%\\ab1 \t')))
def test_what_is_read_is_what_would_be_written(text: str) -> None:
    try:
        realm, pairs = read_authorization_header("OAuth " + text)
    except ValueError:
        return

    written = authorization_header(
        [(percent_encode(name), percent_encode(value)) for name, value in pairs], realm=realm
    )

    assert read_authorization_header(written) == (realm, pairs)


SIGNED = (("oauth_a", "1"), ("oauth_b", "%20"))
PLATFORM = {"from": "elsewhere"}


def request(url: str = "https://a.example/", *, method: str = "POST", body: bytes = b"", kind: str = "") -> Request:
    return Request(method, url, Headers((("Content-Type", kind),) if kind else ()), body, PLATFORM)


@pytest.mark.parametrize(
    ("kind", "form"),
    [
        (FORM, True),
        (f"{FORM}; charset=UTF-8", True),
        (f" {FORM.upper()} ;x", True),
        ("multipart/form-data", False),
        (f"{FORM}X", False),
        ("", False),
    ],
)
def test_a_form_is_known_by_its_type(kind: str, form: bool) -> None:
    assert is_form(request(kind=kind)) == form
    assert body_parameters(request(body=b"a=1", kind=kind)) == ((("a", "1"),) if form else ())


def test_two_types_are_none() -> None:
    both = Request("POST", "https://a.example/", Headers((("Content-Type", FORM), ("content-type", "x"))), b"a=1")

    with pytest.raises(ValueError, match="one Content-Type"):
        _ = body_parameters(both)


@pytest.mark.parametrize(
    ("url", "placed"),
    [
        ("https://a.example/", "https://a.example/?oauth_a=1&oauth_b=%20"),
        ("https://a.example/?", "https://a.example/?oauth_a=1&oauth_b=%20"),
        ("https://a.example/?x=1", "https://a.example/?x=1&oauth_a=1&oauth_b=%20"),
        ("https://a.example/?x=1&", "https://a.example/?x=1&oauth_a=1&oauth_b=%20"),
    ],
)
def test_parameters_are_put_into_a_query_as_they_are(url: str, placed: str) -> None:
    assert place_parameters(request(url), SIGNED, placement="query", realm=None) == request(placed)


@pytest.mark.parametrize(
    ("body", "placed"),
    [
        (b"", b"oauth_a=1&oauth_b=%20"),
        (b"x=1", b"x=1&oauth_a=1&oauth_b=%20"),
        (b"x=1&", b"x=1&oauth_a=1&oauth_b=%20"),
    ],
)
def test_parameters_are_put_into_a_form_as_they_are(body: bytes, placed: bytes) -> None:
    assert place_parameters(request(body=body, kind=FORM), SIGNED, placement="body", realm=None) == request(
        body=placed, kind=FORM
    )


def test_a_request_without_a_body_becomes_a_form_and_one_of_another_type_does_not() -> None:
    assert place_parameters(request(), SIGNED, placement="body", realm=None) == request(
        body=b"oauth_a=1&oauth_b=%20", kind=FORM
    )
    for other in (request(kind="text/plain"), request(body=b"x", kind="text/plain"), request(body=b"x=1")):
        with pytest.raises(ValueError, match="not a form"):
            _ = place_parameters(other, SIGNED, placement="body", realm=None)


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "OPTIONS", "TRACE", "get"])
def test_a_method_whose_body_means_nothing_carries_no_form(method: str) -> None:
    with pytest.raises(ValueError, match=method.upper()):
        _ = place_parameters(request(method=method), SIGNED, placement="body", realm=None)


@pytest.mark.parametrize("placement", ["query", "body"])
def test_a_realm_stands_in_the_header_alone(placement: Any) -> None:
    with pytest.raises(ValueError, match="realm"):
        _ = place_parameters(request(), SIGNED, placement=placement, realm="r")
    placed = place_parameters(request(), SIGNED, placement="header", realm="r")

    assert placed.headers.pairs == (("Authorization", 'OAuth realm="r", oauth_a="1", oauth_b="%20"'),)
    assert (placed.method, placed.url, placed.body, placed.platform) == ("POST", "https://a.example/", b"", PLATFORM)


def test_a_header_that_is_there_already_is_left_to_nobody() -> None:
    signed = Request("GET", "https://a.example/", Headers((("authorization", "Bearer x"),)))

    with pytest.raises(ValueError, match="already"):
        _ = place_parameters(signed, SIGNED, placement="header", realm=None)


@pytest.mark.parametrize("realm", ['a"b', "a\\b", "a\tb", "\N{LATIN SMALL LETTER E WITH ACUTE}"])
def test_a_realm_that_would_need_an_escape_is_refused(realm: str) -> None:
    with pytest.raises(ValueError, match="realm"):
        _ = authorization_header(SIGNED, realm=realm)


@pytest.mark.parametrize("given", [request("https://a.example/?oauth_x=1"), request(body=b"oauth_token=1", kind=FORM)])
def test_protocol_parameters_of_the_caller_are_refused(given: Request) -> None:
    with pytest.raises(ValueError, match="oauth_"):
        _ = request_parameters(given)


def test_parameters_of_query_and_form_are_read_in_order_and_a_form_holds_only_ascii() -> None:
    found = request_parameters(request("https://a.example/?b=1&a=2", body=b"d=3&c=%C3%A9", kind=FORM))

    assert found == (("b", "1"), ("a", "2"), ("d", "3"), ("c", "\N{LATIN SMALL LETTER E WITH ACUTE}"))
    with pytest.raises(ValueError, match="ASCII"):
        _ = request_parameters(request(body=b"a=\xc3\xa9", kind=FORM))


@pytest.mark.parametrize(
    ("header", "good"),
    [
        ("OAuth " + ", ".join(f'a{number}="1"' for number in range(MAX_HEADER_PARAMETERS)), True),
        (f'OAuth a="{"1" * (MAX_HEADER_CHARACTERS - 4)}"', True),
        (f'OAuth a="{"1" * (MAX_HEADER_CHARACTERS - 3)}"', False),
        ('OAuth a="1" ,\tb="2" \t', True),
        ('OAuth a.b-c="1"', True),
        ('OAuth a b="1"', False),
        ('OAuth a="1", x, b="2"', False),
        ('OAuth a="1"; b="2"', False),
        ("OAuth", True),
        ('OAuth realm="", Realm="x"', False),
        ('OAuth %41="1"', True),
    ],
)
def test_limits_and_separators_of_a_header_are_what_they_are_said_to_be(header: str, good: bool) -> None:
    if good:
        _ = read_authorization_header(header)
    else:
        with pytest.raises(ValueError):
            _ = read_authorization_header(header)


def test_only_a_realm_is_no_parameter() -> None:
    """Whatever else has five letters is signed, and so are names that begin or end as anything does."""
    header = 'OAuth realm="r", token="1",Xx="2", x="3", longer_name="4"'

    assert read_authorization_header(header) == (
        "r",
        (("token", "1"), ("Xx", "2"), ("x", "3"), ("longer_name", "4")),
    )
    assert read_authorization_header('OAuth token="1"') == (None, (("token", "1"),))


def test_a_query_begins_at_the_first_question_mark() -> None:
    """RFC 3986 section 3.4: it may hold another one."""
    assert query_parameters(Request("GET", "https://a.example/?b=c?d&e=f?g=h")) == (("b", "c?d"), ("e", "f?g=h"))
