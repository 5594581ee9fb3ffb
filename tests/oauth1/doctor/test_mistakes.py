"""Every mistake that the doctor knows, made by code that shares nothing with valetkey: it names that one and no other."""

from __future__ import annotations

import re
from base64 import b64encode, urlsafe_b64encode
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from tests.oauth1.doctor.careless import (
    BASE_URI,
    BODY,
    CLIENT_SECRET,
    HOST,
    NO_TOKEN,
    OAUTH,
    QUERY,
    TOKEN_SECRET,
    URL,
    Signer,
    enc,
    examine,
    names,
    pairs,
    raw_pairs,
    same,
)

from valetkey.http import FORM, Headers, Request
from valetkey.oauth1.doctor.making import base_string, normalized, signature
from valetkey.oauth1.doctor.mistakes import mistakes_for
from valetkey.oauth1.doctor.parts import take_apart
from valetkey.secret import Secret
from valetkey.value import replace

SECTIONS = {
    "escapes_not_decoded": "3.4.1.3.1",
    "encoded_twice": "3.6",
    "plus_for_space": "3.6",
    "plus_not_decoded": "3.4.1.3.1",
    "not_encoded": "3.6",
    "protocol_parameters_not_encoded": "3.6",
    "parts_not_encoded": "3.4.1.1",
    "lower_case_escapes": "3.6",
    "marks_not_encoded": "3.6",
    "slash_not_encoded": "3.6",
    "tilde_encoded": "3.6",
    "latin1_not_utf8": "3.6",
    "sorted_before_encoding": "3.4.1.3.2",
    "sorted_as_joined": "3.4.1.3.2",
    "sorted_by_name_only": "3.4.1.3.2",
    "not_sorted": "3.4.1.3.2",
    "query_left_out": "3.4.1.3.1",
    "query_in_address": "3.4.1.2",
    "query_in_address_only": "3.4.1.2",
    "empty_values_left_out": "3.4.1.3.1",
    "repeated_names_collapsed": "3.4.1.3.1",
    "realm_included": "3.4.1.3.1",
    "empty_signature_included": "3.4.1.3.1",
    "empty_token_added": "3.1",
    "version_added": "3.1",
    "body_counted_as_form": "3.4.1.3.1",
    "form_left_out": "3.4.1.3.1",
    "default_port_kept": "3.4.1.2",
    "port_left_out": "3.4.1.2",
    "host_case_kept": "3.4.1.2",
    "scheme": "3.4.1.2",
    "trailing_slash_added": "3.4.1.2",
    "trailing_slash_removed": "3.4.1.2",
    "path_decoded": "3.4.1.2",
    "path_lower_case": "3.4.1.2",
    "method_not_in_capitals": "3.4.1.1",
    "method_as_title": "3.4.1.1",
    **{f"other_method:{method}": "3.4.1.1" for method in ("GET", "PUT", "DELETE", "PATCH", "HEAD")},
    "token_secret_left_out": "3.4.2",
    "ampersand_left_out": "3.4.2",
    "client_secret_only": "3.4.2",
    "secrets_not_encoded": "3.4.2",
    "secrets_swapped": "3.4.2",
    "line_break_in_client_secret": "3.4.2",
    "blanks_in_client_secret": "3.4.2",
    "escapes_in_client_secret": "2.1",
    "line_break_in_token_secret": "3.4.2",
    "blanks_in_token_secret": "3.4.2",
    "escapes_in_token_secret": "2.1",
    "other_hash:HMAC-SHA256": "3.4.2",
    "other_hash:HMAC-SHA512": "3.4.2",
    "output_hex": "3.4.2",
    "output_base64_of_hex": "3.4.2",
    "output_base64url": "3.4.2",
    "output_unpadded": "3.4.2",
    **{f"parameter_left_out:{name}": "3.4.1.3.1" for name, _ in [*OAUTH.items(), *pairs(QUERY), *pairs(BODY)]},
}
ELSEWHERE = {
    "charset_in_content_type": "3.4.1.3.1",
    "other_method:POST": "3.4.1.1",
    "other_hash:HMAC-SHA1": "3.4.2",
}


def lower(text: str) -> str:
    return re.sub("%..", lambda found: found[0].lower(), enc(text))


def key(client: str = CLIENT_SECRET, token: str = TOKEN_SECRET) -> str:
    return f"{enc(client)}&{enc(token)}"


# The mistake, who makes it, the request, the secrets that the doctor is given.
Row = tuple[str, Signer, Request, dict[str, Any]]


def row(
    mistake: str,
    url: str = URL,
    body: str = BODY,
    *,
    kind: str = FORM,
    sent_as: str = "POST",
    client_secret: str = CLIENT_SECRET,
    token_secret: str = TOKEN_SECRET,
    **steps: Any,
) -> Row:
    """A request and, in `steps`, what was done wrong; else query and form are signed as they are meant."""
    steps = {"query": pairs(url.partition("?")[2]), "form": pairs(body)} | steps
    signer = Signer(**steps).until("-_") if mistake == "output_base64url" else Signer(**steps)
    given = {"client_secret": Secret(client_secret), "token_secret": Secret(token_secret)}
    return mistake, signer, signer.request(url=url, body=body, kind=kind, method=sent_as), given


PLUS = (f"{BASE_URI}?a=1+2&&b+c=d%2B&h=i=j", "&e=3+4&&f+g=%20")
PLUS_KEPT: dict[str, Any] = {"query": [("a", "1+2"), ("b+c", "d+"), ("h", "i=j")], "form": [("e", "3+4"), ("f+g", " ")]}
NOT_DECODED: dict[str, Any] = {
    "query": [("a", "1+2"), ("b+c", "d%2B"), ("h", "i=j")],
    "form": [("e", "3+4"), ("f+g", "%20")],
}
ENCODING = [
    row("escapes_not_decoded", query=raw_pairs(QUERY), form=raw_pairs(BODY)),
    row("escapes_not_decoded", *PLUS, **NOT_DECODED),
    row("escapes_not_decoded", *PLUS, kind="text/plain", **NOT_DECODED | {"form": []}),
    row("encoded_twice", encode=lambda text: enc(enc(text))),
    row("plus_for_space", encode=lambda text: quote_plus(text, safe="~")),
    row("plus_not_decoded", *PLUS, **PLUS_KEPT),
    row("plus_not_decoded", *PLUS, kind="text/plain", **PLUS_KEPT | {"form": []}),
    row("not_encoded", encode=same),
    row("protocol_parameters_not_encoded", encode_protocol=same),
    row("parts_not_encoded", outer=same),
    row("lower_case_escapes", encode=lower, outer=lower),
    row("marks_not_encoded", encode=lambda text: quote(text, safe="~!*'()"), body="a='b'&c=(d)"),
    row("slash_not_encoded", encode=lambda text: quote(text, safe="~/")),
    row("tilde_encoded", encode=lambda text: enc(text).replace("~", "%7E")),
    row("latin1_not_utf8", encode=lambda text: quote(text.encode("latin-1", "replace"), safe="~"), body="a=%E2%82%AC"),
]
SORTING = [
    row("sorted_before_encoding", sort_key=lambda row: row[2:], body="a:=1&a0=2&a0=2"),
    row("sorted_as_joined", sort_key=lambda row: f"{row[0]}={row[1]}", body="a=1&a-b=2"),
    row("sorted_by_name_only", sort_key=lambda row: row[0]),
    row("not_sorted", sort_key=None),
]
TOKEN_EMPTY = OAUTH | {"oauth_token": ""}
NO_VERSION = {name: text for name, text in OAUTH.items() if name != "oauth_version"}
PARAMETERS = [
    row("query_left_out", query=[]),
    row("query_in_address", base_uri=f"{BASE_URI}?{QUERY}"),
    row("query_in_address_only", base_uri=f"{BASE_URI}?{QUERY}", query=[]),
    row("empty_values_left_out", f"{BASE_URI}?a=&b=1", "c=&d=2", oauth=TOKEN_EMPTY, unsigned=("oauth_token", "a", "c")),
    row("repeated_names_collapsed", f"{BASE_URI}?a=1&b=2&a=3", "c=1&a=4&c=2",
        query=[("a", "3"), ("b", "2")], form=[("c", "2"), ("a", "4")]),
    row("realm_included", more=[("realm", "Photos")]),
    row("empty_signature_included", more=[("oauth_signature", "")]),
    row("empty_token_added", oauth=NO_TOKEN, more=[("oauth_token", "")]),
    row("version_added", oauth=NO_VERSION, more=[("oauth_version", "1.0")]),
    row("form_left_out", form=[]),
    row("charset_in_content_type", form=[], kind=f"{FORM}; charset=UTF-8"),
    row("body_counted_as_form", kind="text/plain"),
    *(row(f"parameter_left_out:{name}", unsigned=(name,)) for name in dict([*OAUTH.items(), *pairs(QUERY), *pairs(BODY)])),
]  # fmt: skip
ADDRESSES = [
    row("default_port_kept", base_uri=f"{HOST}:443/v1/Things/"),
    row("default_port_kept", "http://[::1]/v1?a=b", base_uri="http://[::1]:80/v1"),
    row("port_left_out", f"{HOST}:8443/v1?a=b", base_uri=f"{HOST}/v1"),
    row("host_case_kept", base_uri="https://API.Example.com/v1/Things/"),
    row("scheme", base_uri=BASE_URI.replace("https", "http")),
    row("scheme", "http://api.example.com/v1?a=b", base_uri=f"{HOST}/v1"),
    row("scheme", "http://api.example.com:443/v1?a=b", base_uri=f"{HOST}/v1"),
    row("scheme", f"{HOST}:8443/v1?a=b", base_uri="http://api.example.com:8443/v1"),
    row("trailing_slash_added", f"{HOST}/v1?a=b", base_uri=f"{HOST}/v1/"),
    row("trailing_slash_removed", base_uri=BASE_URI[:-1]),
    row("trailing_slash_removed", f"{HOST}?a=b", base_uri=HOST),
    row("trailing_slash_removed", f"{HOST}/X/?a=b", base_uri=f"{HOST}/X"),
    row("path_decoded", f"{HOST}/a%20b?a=b", base_uri=f"{HOST}/a b"),
    row("path_lower_case", base_uri=BASE_URI.lower()),
]
METHODS = [
    row("method_not_in_capitals", method="post"),
    row("method_as_title", method="Post"),
    *(row(f"other_method:{method}", method=method) for method in ("GET", "PUT", "DELETE", "PATCH", "HEAD")),
    row("other_method:POST", sent_as="PUT"),
]
KEYS = [
    row("token_secret_left_out", key=key(token="")),
    row("client_secret_only", key=enc(CLIENT_SECRET)),
    row("secrets_not_encoded", key=f"{CLIENT_SECRET}&{TOKEN_SECRET}"),
    row("secrets_swapped", key=key(TOKEN_SECRET, CLIENT_SECRET)),
    row("line_break_in_client_secret", key=key(f"{CLIENT_SECRET}\n")),
    row("line_break_in_token_secret", key=key(token=f"{TOKEN_SECRET}\n")),
    row("blanks_in_client_secret", client_secret=f" {CLIENT_SECRET}\n"),
    row("blanks_in_token_secret", token_secret=f"\t{TOKEN_SECRET} "),
    row("escapes_in_client_secret", client_secret=enc(CLIENT_SECRET)),
    row("escapes_in_token_secret", token_secret=enc(TOKEN_SECRET)),
    row("other_hash:HMAC-SHA256", digest="sha256"),
    row("other_hash:HMAC-SHA512", digest="sha512"),
    row("other_hash:HMAC-SHA1", oauth=OAUTH | {"oauth_signature_method": "HMAC-SHA256"}),
    row("output_hex", text=bytes.hex),
    row("output_base64_of_hex", text=lambda octets: b64encode(octets.hex().encode()).decode()),
    row("output_base64url", text=lambda octets: urlsafe_b64encode(octets).decode()),
    row("output_unpadded", text=lambda octets: b64encode(octets).decode().rstrip("=")),
]
ROWS = [*ENCODING, *SORTING, *PARAMETERS, *ADDRESSES, *METHODS, *KEYS]


@pytest.mark.parametrize(("mistake", "signer", "request_", "given"), ROWS, ids=[row[0] for row in ROWS])
def test_each_mistake_makes_the_signature_of_one_who_makes_it(
    mistake: str, signer: Signer, request_: Request, given: dict[str, Any]
) -> None:
    parts = take_apart(request_, **given)

    made = [one.change(parts.making) for one in mistakes_for(parts.making, parts.content_type) if one.name == mistake]

    assert [signature(making, base_string(making)) for making in made] == [signer.signature()]


@pytest.mark.parametrize(("mistake", "signer", "request_", "given"), ROWS, ids=[row[0] for row in ROWS])
def test_each_mistake_and_no_other_is_named_by_the_signature_that_it_makes(
    mistake: str, signer: Signer, request_: Request, given: dict[str, Any]
) -> None:
    diagnosis = examine(request_, **given)

    assert diagnosis.parts.signature.reveal() == signer.signature()
    assert (diagnosis.verdict, diagnosis.whose) == ("explained", "request")
    assert names(diagnosis) == [mistake]
    assert diagnosis.findings[0][0].section == (SECTIONS | ELSEWHERE)[mistake]
    assert (diagnosis.request_is_correct, diagnosis.differences) == (False, ())


def test_a_key_without_its_ampersand_is_named_where_there_is_no_token() -> None:
    diagnosis = examine(Signer(key=enc(CLIENT_SECRET), oauth=NO_TOKEN).request(), token_secret=None)

    assert names(diagnosis) == ["ampersand_left_out", "client_secret_only"], "they are the same here"
    assert diagnosis.findings[0][0].section == "3.4.2"


def test_a_signature_that_was_encoded_twice_is_named() -> None:
    (found,) = examine(Signer(text=lambda octets: enc(b64encode(octets).decode())).request()).findings

    assert [(one.name, one.section) for one in found] == [("signature_encoded_twice", "3.5.1")]


def test_a_signature_whose_plus_became_a_blank_is_named() -> None:
    given = Signer().until("+").request()
    header = (given.headers.get("Authorization") or "").replace("%2B", "%20")  # nothing else in it has a plus

    (found,) = examine(replace(given, headers=given.headers.with_set("Authorization", header))).findings

    assert [(one.name, one.section) for one in found] == [("signature_plus_lost", "3.5.1")]


def test_a_parameter_in_two_places_is_sorted_before_it_is_encoded_in_two_ways() -> None:
    right = examine(Signer().request()).parts.making

    both = replace(right, protocol=(("b", " "), ("a", " ")), query=(("a", " "),), form=(), order="decoded")

    assert normalized(replace(both, encode_protocol="none")) == "a= &a=%20&b= "


def test_every_mistake_is_known_by_its_name_and_its_section() -> None:
    parts = examine(Signer().request()).parts
    known = mistakes_for(parts.making, parts.content_type)

    assert {one.name: one.section for one in known} == SECTIONS
    for whose in ("client", "token"):
        of_one = [one.says for one in known if one.name.endswith(f"_in_{whose}_secret")]
        assert [says.startswith(f"the {whose}'s secret ") for says in of_one] == [True] * 3
    assert {row[0] for row in ROWS} | {"ampersand_left_out"} == {*SECTIONS, *ELSEWHERE}


def test_every_mistake_says_what_was_done_and_what_to_do() -> None:
    right = examine(Signer().request()).parts.making
    plain, charset = mistakes_for(right, FORM), mistakes_for(right, f"{FORM}; charset=UTF-8")

    assert all(one.says and one.advice for one in (*plain, *charset))
    (left_out,) = [one for one in plain if one.name == "form_left_out"]
    (with_charset,) = [one for one in charset if one.name == "charset_in_content_type"]
    assert "charset" not in left_out.says + left_out.advice.partition(",")[0]
    assert "charset" in with_charset.says
    assert "without charset" in with_charset.advice


def test_base64_for_urls_without_its_padding_is_two_mistakes_made_together() -> None:
    signer = Signer(text=lambda octets: urlsafe_b64encode(octets).decode().rstrip("=")).until("-_")

    assert names(examine(signer.request())) == ["output_base64url and output_unpadded"]


PROTOCOL = (
    ("oauth_consumer_key", "k"),
    ("oauth_signature_method", "HMAC-SHA1"),
    ("oauth_token", "t"),
    ("oauth_version", "1.0"),
)
FIELDS = ", ".join(f'{name}="{text}"' for name, text in PROTOCOL)
IN_HEADER = Headers((("Authorization", f"OAuth {FIELDS}"),))


def without_effect(request: Request) -> set[str]:
    """The mistakes that change nothing of the request's signature, but for one whose effect is up to chance."""
    right = take_apart(request, client_secret=Secret("c"), token_secret=None).making
    made = {one.name: one.change(right) for one in mistakes_for(right, request.headers.get("Content-Type") or "")}
    text = signature(right, base_string(right))
    found = {name for name, making in made.items() if signature(making, base_string(making)) == text}
    return found - {"output_base64url"}


def test_a_mistake_that_cannot_have_been_made_with_a_request_changes_nothing() -> None:
    always = {
        *("escapes_not_decoded", "plus_not_decoded", "encoded_twice", "plus_for_space"),
        *("not_encoded", "protocol_parameters_not_encoded"),
        *("marks_not_encoded", "slash_not_encoded", "tilde_encoded", "latin1_not_utf8"),
        *("sorted_before_encoding", "sorted_as_joined", "sorted_by_name_only"),
        *("empty_values_left_out", "repeated_names_collapsed"),
        *("realm_included", "empty_token_added", "version_added", "body_counted_as_form"),
        *("port_left_out", "host_case_kept", "trailing_slash_removed", "path_decoded", "path_lower_case"),
        *("token_secret_left_out", "secrets_not_encoded", "line_break_in_token_secret"),
        *(f"{what}_in_{whose}_secret" for what in ("blanks", "escapes") for whose in ("client", "token")),
    }

    assert without_effect(Request("GET", f"{HOST}/x?a=b", IN_HEADER)) == always
    no_query = {"query_left_out", "query_in_address", "query_in_address_only", "not_sorted", "trailing_slash_added"}
    assert without_effect(Request("GET", f"{HOST}/x/", IN_HEADER)) == (always | no_query) - {"trailing_slash_removed"}
    body = "&".join(f"{name}={text}" for name, text in (*PROTOCOL, ("z", "1")))
    in_body = without_effect(Request("POST", f"{HOST}/x?a=b", Headers((("Content-Type", FORM),)), body.encode()))
    assert in_body == always, "a form is counted once, without the protocol parameters in it"
