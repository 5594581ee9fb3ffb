"""Protected resource metadata (RFC 9728)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.oauth2.peer import NOW, Peer, answer

from valetkey.effects import CONFIGURED, PUBLIC
from valetkey.errors import MalformedResponse, ProviderError
from valetkey.http import Headers, Response, read_url
from valetkey.oauth2.protected_resource import (
    fetch_resource_metadata,
    is_plain_path,
    metadata_urls,
    read_resource,
    read_resource_challenge,
    read_resource_metadata,
)

URL = "https://resource.example.com/resource1"
# RFC 9728 section 3.2
DOCUMENT = {
    "resource": URL,
    "authorization_servers": ["https://as1.example.com", "https://as2.example.net"],
    "bearer_methods_supported": ["header", "body"],
    "scopes_supported": ["profile", "email", "phone"],
    "resource_documentation": f"{URL}/resource_documentation.html",
}
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.sampled_from([URL, "https://as.example"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


def test_the_rfcs_example_is_read() -> None:
    found = read_resource_metadata(answer(json.dumps(DOCUMENT)), resource=URL)

    assert found.authorization_servers == ("https://as1.example.com", "https://as2.example.net")
    assert found.scope == ("profile", "email", "phone")
    assert found.resource == URL


def test_the_well_known_part_stands_before_the_path() -> None:
    # section 3.1, and the root as MCP adds it
    assert metadata_urls(URL) == (
        "https://resource.example.com/.well-known/oauth-protected-resource/resource1",
        "https://resource.example.com/.well-known/oauth-protected-resource",
    )
    assert metadata_urls("https://resource.example.com") == (
        "https://resource.example.com/.well-known/oauth-protected-resource",
    )


def test_the_rfcs_challenge_is_read() -> None:
    # section 5.1
    where = "https://resource.example.com/.well-known/oauth-protected-resource"
    challenge = f'Bearer resource_metadata="{where}"'

    assert read_resource_challenge(Response(401, Headers((("WWW-Authenticate", challenge),)))) == (where, ())


@pytest.mark.parametrize(
    "challenge",
    ["", "Basic realm=x", "Bearer", 'Bearer scope="a\\"b"', 'Bearer resource_metadata="x', "Bearer " + "x" * 100_000],
)
def test_a_challenge_that_says_nothing_usable_leaves_the_well_known_places(challenge: str) -> None:
    asked = Response(401, Headers((("WWW-Authenticate", challenge),)))
    peer = Peer(asked, answer(json.dumps(DOCUMENT)))

    assert peer.run(fetch_resource_metadata(URL, not_after=NOW + 10)).resource == URL
    assert peer.request.url == metadata_urls(URL)[0]


def test_a_document_that_the_challenge_names_is_not_looked_for_elsewhere() -> None:
    challenge = 'Bearer resource_metadata="https://resource.example.com/there"'
    peer = Peer(Response(401, Headers((("WWW-Authenticate", challenge),))), Response(404))

    with pytest.raises(ProviderError):
        peer.run(fetch_resource_metadata(URL, not_after=NOW + 10))
    assert [send.request.url for send in peer.sent] == [URL, "https://resource.example.com/there"]
    assert {send.reach for send in peer.sent} == {PUBLIC}


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirects_are_not_followed(status: int) -> None:
    peer = Peer(Response(401), Response(status, Headers((("Location", "https://evil.example/"),))))

    with pytest.raises(MalformedResponse):
        peer.run(fetch_resource_metadata(URL, not_after=NOW + 10))


def test_the_question_carries_no_credentials() -> None:
    peer = Peer(Response(401), answer(json.dumps(DOCUMENT)))

    _ = peer.run(fetch_resource_metadata(URL, not_after=NOW + 10))

    assert all(send.request.headers.get("authorization") is None for send in peer.sent)


@given(st.dictionaries(st.sampled_from([*DOCUMENT, "x"]), json_values))
def test_any_document_is_read_or_refused(members: dict[str, Any]) -> None:
    try:
        found = read_resource_metadata(answer(json.dumps({**DOCUMENT, **members})), resource=URL)
    except MalformedResponse:
        return
    assert found.resource == URL
    assert 0 < len(found.authorization_servers) <= 10


@given(st.binary(max_size=200))
def test_any_body_is_read_or_refused(body: bytes) -> None:
    with pytest.raises(MalformedResponse):
        read_resource_metadata(answer(body), resource=URL)


@given(st.text(max_size=60) | st.text(max_size=30).map(lambda text: f"https://a.example/{text}"))
def test_a_resource_is_canonical_or_refused(text: str) -> None:
    try:
        found = read_resource(text)
    except ValueError:
        return
    assert read_resource(found) == found
    assert read_url(found).scheme == "https"
    assert "?" not in found


@pytest.mark.parametrize("path", ["/a/.", "/a/..", "/../a", "/./a", "//a", "/a//b", "/%2E%2e/a", "/a%2Fb", "/a;b", "a"])
def test_a_path_that_can_be_read_in_two_ways_is_not_plain(path: str) -> None:
    assert not is_plain_path(path)


@pytest.mark.parametrize("path", ["/", "/mcp", "/a/b.c", "/a/", "/%20", "/..a"])
def test_ordinary_paths_are_plain(path: str) -> None:
    assert is_plain_path(path)


def test_loopback_is_a_resource_only_where_it_was_configured() -> None:
    assert read_resource("http://127.0.0.1:8000/mcp", reach=CONFIGURED) == "http://127.0.0.1:8000/mcp"
    with pytest.raises(ValueError, match="https"):
        read_resource("http://127.0.0.1:8000/mcp")
