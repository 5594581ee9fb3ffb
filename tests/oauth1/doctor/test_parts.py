"""A signed request taken apart: what stands where, and what is remarked of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from valetkey.errors import ConfigurationError
from valetkey.http import FORM, Headers, Request
from valetkey.oauth1.doctor.parts import Parts, decoded_once_more, take_apart
from valetkey.secret import Secret

PROTOCOL = (
    ("oauth_consumer_key", "k"),
    ("oauth_signature_method", "HMAC-SHA1"),
    ("oauth_timestamp", "1"),
    ("oauth_nonce", "n"),
)
SIGNED = (*PROTOCOL, ("oauth_signature", "s%3D"))
HEADER = "OAuth " + ", ".join(f'{name}="{text}"' for name, text in SIGNED)
IN_QUERY = "&".join(f"{name}={text}" for name, text in SIGNED)


def apart(
    url: str = "https://api.example/x",
    *,
    header: str | None = HEADER,
    body: str = "",
    kind: str = "",
    method: str = "GET",
) -> Parts:
    fields = [("Authorization", header)] if header is not None else []
    fields += [("Content-Type", kind)] if kind else []
    request = Request(method, url, Headers(tuple(fields)), body.encode())
    return take_apart(request, client_secret=Secret("c"), token_secret=None)


def test_a_request_with_nothing_odd_is_taken_apart_without_a_remark() -> None:
    parts = apart("https://api.example/x?b=2&a=%20", body="c=3+4&d=", kind=FORM, method="post")
    making = parts.making

    assert parts.remarks == ()
    assert (parts.placement, parts.signature, parts.content_type) == ("header", Secret("s="), FORM)
    assert (making.method, making.scheme, making.host, making.port, making.path) == (
        "POST",
        "https",
        "api.example",
        "",
        "/x",
    )
    assert (making.written_host, making.written_port) == ("api.example", "")
    assert (making.protocol, making.realm, making.signature_method) == (PROTOCOL, None, "HMAC-SHA1")
    assert (making.query, making.form, making.body_form) == (
        (("b", "2"), ("a", " ")),
        (("c", "3 4"), ("d", "")),
        (("c", "3 4"), ("d", "")),
    )
    assert (making.raw_query, making.raw_form) == ("b=2&a=%20", "c=3+4&d=")
    assert (making.client_secret, making.token_secret) == (Secret("c"), None)
    assert (parts.parameter("oauth_nonce"), parts.parameter("oauth_token")) == ("n", "")


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("HTTPS://API.Example:443/A", ("https", "api.example", "", "/A", "API.Example", "443")),
        ("http://api.example:80", ("http", "api.example", "", "/", "api.example", "80")),
        ("http://api.example:443/?", ("http", "api.example", "443", "/", "api.example", "443")),
        ("https://[::1]:8443/a?b#c?d", ("https", "::1", "8443", "/a", "::1", "8443")),
        ("https://[::1]/", ("https", "::1", "", "/", "::1", "")),
        ("https://u:p@api.example/a#b", ("https", "api.example", "", "/a", "api.example", "")),
        ("https://api.example/a?to=https://b.example/", ("https", "api.example", "", "/a", "api.example", "")),
        ("https://api.example?x=1", ("https", "api.example", "", "/", "api.example", "")),
        ("https://api.example/a/b@c", ("https", "api.example", "", "/a/b@c", "api.example", "")),
    ],
)
def test_an_address_is_read_leniently(url: str, address: tuple[str, ...]) -> None:
    making = apart(url).making

    assert (
        making.scheme,
        making.host,
        making.port,
        making.path,
        making.written_host,
        making.written_port,
    ) == address


@pytest.mark.parametrize("url", ["api.example", "ftp://api.example/", "/x", "https:/x"])
def test_a_url_of_another_kind_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="https://"):
        _ = apart(url)


@pytest.mark.parametrize(
    ("url", "header", "body", "placement"),
    [
        (f"https://a.example/?x=1&{IN_QUERY}&y=2", None, "z=3", "query"),
        ("https://a.example/?x=1&y=2", None, f"z=3&{IN_QUERY}", "body"),
        ("https://a.example/?x=1&y=2", HEADER, "z=3", "header"),
    ],
)
def test_protocol_parameters_are_found_where_they_stand(
    url: str, header: str | None, body: str, placement: str
) -> None:
    parts = apart(url, header=header, body=body, kind=FORM)

    assert (parts.placement, parts.making.protocol, parts.signature) == (placement, PROTOCOL, Secret("s="))
    assert (parts.making.query, parts.making.form) == ((("x", "1"), ("y", "2")), (("z", "3"),))
    assert (parts.making.raw_query, parts.making.raw_form) == ("x=1&y=2", "z=3")
    assert parts.remarks == ()


@pytest.mark.parametrize(("url", "body"), [("https://a.example/", ""), ("https://a.example/?oauth=1", "xoauth_a=1")])
def test_a_request_that_is_not_signed_says_so(url: str, body: str) -> None:
    with pytest.raises(ConfigurationError, match="oauth_"):
        _ = apart(url, header="Bearer x", body=body, kind=FORM)


@pytest.mark.parametrize(
    ("kind", "body", "form", "body_form"),
    [
        (FORM, "a=1", True, True),
        (f" {FORM.upper()} ; charset=x", "a=1", True, True),
        ("text/plain", "a=1", False, True),
        ("", "a=1", False, True),
        ("application/json", '{"a":"="}', False, False),
        ("text/html", " <a=1>", False, False),
        ("application/json", "[=]", False, False),
        (FORM, "a", False, False),
    ],
)
def test_a_body_is_a_form_by_its_type_and_looks_like_one_by_itself(
    kind: str, body: str, form: bool, body_form: bool
) -> None:
    making = apart(body=body, kind=kind).making

    assert (bool(making.form), bool(making.body_form)) == (form, body_form)


def remarks(header: str = HEADER, url: str = "https://a.example/", **more: str) -> str:
    return "; ".join(apart(url, header=header, **more).remarks)


@pytest.mark.parametrize("name", ["oauth_consumer_key", "oauth_signature_method", "oauth_timestamp", "oauth_nonce"])
def test_what_is_missing_is_remarked(name: str) -> None:
    assert f"{name} is missing" in remarks(HEADER.replace(name, "oauth_x"))
    if name == "oauth_signature_method":
        assert apart(header=HEADER.replace(name, "oauth_x")).making.signature_method == ""


def test_plaintext_needs_no_timestamp_and_no_nonce() -> None:
    assert remarks('OAuth oauth_consumer_key="k", oauth_signature_method="PLAINTEXT", oauth_signature="s%26"') == ""


def test_two_places_two_headers_and_a_parameter_twice_are_remarked() -> None:
    assert "header and query" in remarks(url="https://a.example/?oauth_token=1")
    assert "header and body" in remarks(body="oauth_token=1", kind=FORM)
    assert "twice" in remarks(HEADER + ', oauth_nonce="m"')
    request = Request("GET", "https://a.example/", Headers((("Authorization", HEADER), ("authorization", HEADER))))
    assert "two Authorization" in take_apart(request, client_secret=None, token_secret=None).remarks[0]
    other = Request("GET", "https://a.example/", Headers((("Authorization", "Basic x"), ("Authorization", HEADER))))
    parts = take_apart(other, client_secret=None, token_secret=None)
    assert ("two Authorization" in parts.remarks[0], parts.making.protocol) == (True, PROTOCOL)


@pytest.mark.parametrize(
    ("kind", "body", "missing"), [(FORM, "", True), (FORM, "a", False), ("", "", False), ("text/plain", "", False)]
)
def test_a_form_without_a_body_is_told_from_a_body_and_from_no_form(kind: str, body: str, missing: bool) -> None:
    assert apart(kind=kind, body=body).form_is_missing is missing


def test_fields_of_a_form_of_several_parts_are_what_its_body_would_be_as_a_form() -> None:
    request = Request("POST", "https://a.example/", Headers((("Authorization", HEADER),)), b'--x; name="a"')

    parts = take_apart(request, client_secret=None, token_secret=None, fields=(("a", "b"),))

    assert (parts.making.body_form, parts.making.form) == ((("a", "b"),), ())


@pytest.mark.parametrize("character", ["+", "/", "="])
def test_a_signature_that_is_not_encoded_is_remarked(character: str) -> None:
    assert "percent-encoded" in remarks(HEADER.replace("s%3D", f"s{character}x"))
    assert remarks(HEADER.replace('"n"', f'"n{character}"')) == "", "only the signature's characters are at risk"
    assert "percent-encoded" not in remarks(HEADER.replace("s%3D", f"s{character}%3D"))
    assert remarks(HEADER.replace("s%3D", "plainX")) == ""


@pytest.mark.parametrize(
    "header",
    [
        HEADER.replace('oauth_nonce="n"', "oauth_nonce=n"),
        HEADER.replace('oauth_nonce="n"', "oauth_nonce='n'"),
        HEADER.removesuffix('"'),
        HEADER + ", x",
    ],
)
def test_a_header_that_is_not_written_as_the_rfc_says_is_remarked_and_read(header: str) -> None:
    assert "3.5.1" in remarks(header)
    assert apart(header=header).making.protocol[0] == ("oauth_consumer_key", "k")


def test_a_header_may_end_with_a_comma_and_a_realm_may_have_an_apostrophe() -> None:
    named = HEADER.replace("OAuth ", """OAuth realm="Bob's photos", """)

    assert remarks(f"{named}, ") == ""


def test_a_body_that_is_no_text_and_a_type_that_is_missing_are_taken_as_they_are() -> None:
    request = Request("POST", "https://a.example/", Headers((("Authorization", HEADER),)), b"\xff=1")

    parts = take_apart(request, client_secret=None, token_secret=None)

    assert (parts.content_type, parts.making.form, parts.making.body_form) == ("", (), (("\ufffd", "1"),))


def test_a_realm_with_commas_is_one_and_is_no_parameter() -> None:
    for name in ("realm", "REALM"):
        parts = apart(header=HEADER.replace("OAuth ", f'oauth {name}="a, b=c",'))
        assert (parts.making.realm, parts.making.protocol, parts.remarks) == ("a, b=c", PROTOCOL, ())
    parts = apart(header=HEADER.replace(", ", " ,\t").replace("=", " = ", 1) + " , ")
    assert (parts.making.protocol, parts.signature) == (PROTOCOL, Secret("s="))


def test_names_and_values_of_the_header_are_decoded_once() -> None:
    assert ("oauth_a b", "%20") in apart(header=HEADER + ', oauth_a%20b="%2520"').making.protocol


def test_too_many_fields_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="1,000"):
        _ = apart("https://a.example/?" + "&".join(["a=1"] * 1001))
    assert len(apart("https://a.example/?" + "&".join(["a=1"] * 1000)).making.query) == 1000


@pytest.mark.parametrize(("text", "decoded"), [("a%2Bb", "a+b"), ("a+b", "a+b"), ("a%252B", "a%2B")])
def test_a_signature_is_decoded_once_more_and_its_plus_is_kept(text: str, decoded: str) -> None:
    assert decoded_once_more(text) == decoded


@given(st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=60), st.text(max_size=40))
def test_any_header_and_query_are_taken_apart_or_a_configuration_error(header: str, query: str) -> None:
    try:
        parts = apart(f"https://a.example/?{query}", header=f"OAuth {header}")
    except ConfigurationError:
        return
    assert parts.placement in ("header", "query", "body")
