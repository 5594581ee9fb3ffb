"""Whatever a browser sends, through whatever front, is read in one way or refused with a status below 500."""

from __future__ import annotations

import asyncio
import io
import json
from typing import Any
from urllib.parse import parse_qsl, unquote, urljoin, urlsplit

from hypothesis import assume, example, given
from hypothesis import strategies as st
from tests.properties.outside import SPECIAL, altered, anything, nearly, octets, outcome
from tests.web.world import World

from valetkey.connections.links import read_handle, read_link
from valetkey.connections.pending import find_pending, read_state
from valetkey.connections.rescue_line import read_rescue_line, write_rescue_line
from valetkey.connections.settings import read_return_to, single_valued
from valetkey.effects import Key, Row
from valetkey.errors import CallbackError, ConfigurationError, RequestRefused
from valetkey.gateways.asgi import read_body, read_scope
from valetkey.gateways.aws import read_event
from valetkey.gateways.wsgi import read_environ
from valetkey.http import base64url, base64url_decode, percent_decode, read_form, read_url, write_form
from valetkey.value import replace
from valetkey.web.forms import MAX_BODY, decode_pairs, open_cursor, token_accepted
from valetkey.web.routes import match

TARGETS = ("/oauth/callback/github?code=c&state=s", "/oauth/connect/github", "/oauth/link/vk1.a.AAAA")


# --- encodings


@given(nearly("a=b&c=d%20e&a=%C3%A9+x", *TARGETS) | st.text(max_size=40))
@example("&".join(["a"] * 1001))
def test_a_form_is_read_strictly_and_otherwise_as_the_standard_library_reads_it(text: str) -> None:
    assume(not any("\ud800" <= character <= "\udfff" for character in text))  # no octets decode to that
    pairs, error = outcome(lambda: read_form(text), ValueError)

    if pairs is None:
        assert error
        return
    assert pairs == tuple(
        parse_qsl(text, keep_blank_values=True, strict_parsing=False, max_num_fields=None, separator="&")
    )
    assert read_form(write_form(pairs)) == pairs


@given(st.binary(max_size=60))
def test_octets_come_back_from_base64url(content: bytes) -> None:
    assert base64url_decode(base64url(content)) == content


@given(nearly("YWJjZA", "_-8") | st.text(max_size=12))
def test_base64url_has_one_spelling(text: str) -> None:
    found, _ = outcome(lambda: base64url_decode(text), ValueError)

    assert found is None or base64url(found) == text


@given(nearly("a%20b%C3%A9", "%E2%82%AC") | st.text(max_size=20))
def test_percent_escapes_are_utf_8_or_refused(text: str) -> None:
    found, error = outcome(lambda: percent_decode(text), ValueError)

    assert (found is None) != (error is None)


@given(
    nearly("https://a.example:8443/p/q?x=1", "http://[::1]:9/", "https://10.0.0.1", "https://xn--bcher-kva.example/")
    | st.text(max_size=30)
)
@example("https://a.example\\@b.example/")
@example("https://a.example%00.b.example/")
@example("https://a.example:443@b.example/")
def test_a_url_that_is_read_has_the_host_that_the_standard_library_sees(text: str) -> None:
    url, _ = outcome(lambda: read_url(text), ValueError)
    if url is None:
        return

    theirs, _ = outcome(lambda: urlsplit(text), ValueError)
    if theirs is None:
        assert ":" in url.host, "an address that no socket takes"
        return
    assert (url.scheme, url.host, url.port) == (theirs.scheme, theirs.hostname, theirs.port)
    assert (url.path, url.query) == (theirs.path or "/", theirs.query)
    assert read_url(f"{url.origin}{url.path}").origin == url.origin


# --- fields of a callback


@given(nearly("A" * 43, "_" * 43) | st.text(max_size=60))
def test_a_state_or_a_handle_is_two_halves_or_refused(text: str) -> None:
    unknown = CallbackError("handle_unknown", "no")
    for read in (read_state, lambda handle: read_handle(handle, unknown)):
        found, error = outcome(lambda read=read: read(text), CallbackError)  # type: ignore[misc]
        assert (found is None) == (error is not None)
        assert found is None or base64url(bytes.fromhex("".join(found))) == text


@given(st.lists(st.tuples(st.text(max_size=3), st.text(max_size=3)), max_size=6).map(tuple))
def test_a_name_that_comes_twice_is_refused(pairs: tuple[tuple[str, str], ...]) -> None:
    found, _ = outcome(lambda: single_valued(pairs), RequestRefused)

    assert (found is None) == (len(dict(pairs)) < len(pairs))


SETTINGS = replace(World().settings, return_hosts=("shop.example",))
HERE = "https://app.example/oauth/callback/github"


@given(
    nearly("/reports?a=1", "https://shop.example/x", "https://shop.example", "//evil.example", "/\\evil.example")
    | st.text(max_size=20)
)
@example("/%2f%2fevil.example")
@example("https://shop.example:443/")
@example("https://shop.example.evil.example/")
@example("/a/..//evil.example")
@example("/%reports?a=1")
@example("/search?q=%e9")
def test_nobody_is_sent_to_a_host_that_is_not_allowed(text: str) -> None:
    found, error = outcome(lambda: read_return_to(SETTINGS, text), RequestRefused)
    if found is None:
        assert error
        assert error.status < 500
        return

    for seen in (found, found.replace("\\", "/"), unquote(found)):
        target = urlsplit(urljoin(HERE, seen))
        assert target.scheme == "https"
        assert target.hostname in ("app.example", "shop.example")


# --- what is sealed, as a browser may bring it back


@given(nearly("vk1.test.AAAA", "vk1.k." + "A" * 80) | st.text(max_size=60))
def test_a_link_or_a_cursor_or_a_form_that_we_did_not_seal_is_refused(text: str) -> None:
    world = World()

    _, refused = outcome(lambda: world.run(read_link(world.settings, text)), RequestRefused)
    assert refused
    assert refused.reason == "link_invalid"
    if text:
        _, refused = outcome(lambda: world.run(open_cursor(world.settings, "alice", text)), RequestRefused)
        assert refused
    assert not world.run(token_accepted(world.settings, "alice", "connect", token=text))


@given(nearly("github~" + "0" * 32 + "~vk1.k.AAAA") | st.text(max_size=60))
def test_a_cookie_that_we_did_not_seal_is_refused(text: str) -> None:
    world = World()
    flow = "0" * 32

    _, refused = outcome(
        lambda: world.run(find_pending(world.settings, (("__Host-vk-000000000000", text),), flow=flow)), CallbackError
    )

    assert refused
    assert refused.reason in ("wrong_browser", "flow_cookie_invalid", "flow_expired")


@given(nearly("/oauth/connections", *TARGETS) | st.text(max_size=30))
def test_a_path_is_matched_or_not_found(target: str) -> None:
    found, refused = outcome(lambda: match(SETTINGS, target), RequestRefused)

    assert (found is None) == (refused is not None)
    assert found is None or found[1] == "" or found[1] in target


@given(st.binary(max_size=40) | nearly("a=b&c=%20").map(octets))
def test_a_body_is_a_form_or_refused(body: bytes) -> None:
    found, refused = outcome(lambda: decode_pairs(body), RequestRefused)

    assert (found is None) == (refused is not None)


# --- rescue lines, as logs and queues pass them on


CLEAR: dict[str, str | int] = {
    "registration": "two",
    "state": "active",
    "incarnation": "00",
    "generation": 2,
    "access_expires_at": 5,
    "refresh_due_at": 4,
}
RESCUED = Row(Key("p", "rescue/x"), b"version", CLEAR, b"vk1.k.AAAA", 9)
LINE = write_rescue_line(RESCUED)


@given(st.text(max_size=10), st.sampled_from(["", " ", "\n", '"', "}"]))
def test_a_rescue_line_is_found_in_whatever_a_log_puts_around_it(before: str, after: str) -> None:
    assume("vkr1." not in before)

    assert read_rescue_line(before + LINE + after, version=b"version") == RESCUED


ANY_LINE = (
    altered({"partition": "p", "name": "rescue/x", "clear": CLEAR, "sealed": "s", "expires_at": 9}) | anything
).map(lambda found: "vkr1." + base64url(json.dumps(found).encode()))


@given(nearly(LINE) | ANY_LINE | st.text(max_size=20).map("vkr1.".__add__))
@example("vkr1." + base64url(b"[" * 100_000))
def test_any_other_rescue_line_is_a_row_or_a_value_error_or_none(line: str) -> None:
    row, _ = outcome(lambda: read_rescue_line(line, version=b"v"), ValueError)

    if row is not None:
        assert row.key.name.startswith("rescue/")
        assert row.clear.keys() == CLEAR.keys()


# --- fronts

latin = st.text(st.characters(max_codepoint=255, exclude_characters="\r\n\0"), max_size=20)


@given(st.data())
def test_an_event_of_aws_is_a_request_or_a_value_error(data: st.DataObject) -> None:
    event: dict[str, Any] = {
        "version": data.draw(st.sampled_from(["2.0", "1.0"])),
        "path": data.draw(nearly(*TARGETS)),
        "rawPath": data.draw(nearly(*TARGETS)),
        "httpMethod": data.draw(st.sampled_from(["GET", "POST", ""])),
        "rawQueryString": data.draw(st.text(max_size=20)),
        "multiValueQueryStringParameters": data.draw(st.none() | st.dictionaries(latin, st.lists(latin, max_size=2))),
        "queryStringParameters": data.draw(st.none() | st.dictionaries(latin, latin)),
        "headers": data.draw(st.none() | st.dictionaries(st.text(max_size=8), st.text(max_size=8))),
        "cookies": data.draw(st.lists(st.text(max_size=8), max_size=2)),
        "body": data.draw(st.none() | st.text(max_size=20)),
        "isBase64Encoded": data.draw(st.booleans()),
        "requestContext": data.draw(
            st.sampled_from(
                [{"http": {"method": "GET"}}, {"elb": {}}, {"path": "/prod/x"}, {"http": {}, "stage": "prod"}]
            )
        ),
    }
    for name in data.draw(st.lists(st.sampled_from(sorted(event)), max_size=2)):
        event[name] = data.draw(st.sampled_from(SPECIAL) | st.none())

    request, _ = outcome(lambda: read_event(event), ValueError, ConfigurationError)

    if request is not None:
        assert request.url.isascii()
        assert request.url.isprintable()


@given(
    st.binary(max_size=30) | st.sampled_from(TARGETS).map(octets),
    st.binary(max_size=20),
    st.lists(st.tuples(st.binary(max_size=8), st.binary(max_size=8)), max_size=3),
    st.text(max_size=12),
)
def test_a_scope_of_asgi_is_a_request_or_a_value_error(
    raw: bytes, query: bytes, headers: list[tuple[bytes, bytes]], path: str
) -> None:
    scope = {"method": "GET", "raw_path": raw, "path": path, "query_string": query, "headers": headers}

    request, _ = outcome(lambda: read_scope(scope, b""), ValueError)

    if request is not None:
        assert request.url.isascii()
        assert request.url.isprintable()


@given(st.lists(st.binary(max_size=40_000), max_size=5))
def test_a_body_of_asgi_is_read_no_further_than_its_limit(parts: list[bytes]) -> None:
    messages = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
    messages.append({"type": "http.request", "body": b"", "more_body": False})

    async def receive() -> Any:
        return messages.pop(0)

    assert asyncio.run(read_body(receive)) == b"".join(parts)[: MAX_BODY + 1]


@given(
    latin,
    latin,
    st.none() | latin | st.sampled_from(["0", "5", "9" * 13, "-1", "+5", "1_0", "65537"]),
    st.binary(max_size=9),
)
def test_an_environ_of_wsgi_is_a_request_or_refused(path: str, query: str, length: str | None, body: bytes) -> None:
    environ: dict[str, Any] = {"REQUEST_METHOD": "POST", "PATH_INFO": path, "QUERY_STRING": query}
    environ |= {"wsgi.input": io.BytesIO(body), "HTTP_X_Y": query} | (
        {} if length is None else {"CONTENT_LENGTH": length}
    )

    request, _ = outcome(lambda: read_environ(environ), ValueError, RequestRefused)

    if request is not None:
        assert request.url.isascii()
        assert request.url.isprintable()
        assert not length or request.body == body[: int(length)]
