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
    UNUSABLE,
    ResourceMetadata,
    fetch_resource_metadata,
    is_plain_path,
    is_same_resource,
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


def refused(**changed: Any) -> MalformedResponse:
    with pytest.raises(MalformedResponse) as caught:
        read(**changed)
    assert (caught.value.error, caught.value.status) == (UNUSABLE, 200)
    return caught.value


def read(**changed: Any) -> ResourceMetadata:
    return read_resource_metadata(answer(json.dumps({**DOCUMENT, **changed})), resource=URL)


def challenged(*challenges: str) -> Response:
    return Response(401, Headers(tuple(("WWW-Authenticate", challenge) for challenge in challenges)))


def test_the_question_is_a_ping_and_the_documents_are_got() -> None:
    peer = Peer(Response(401), Response(404), answer(json.dumps(DOCUMENT)))

    assert peer.run(fetch_resource_metadata(URL, not_after=NOW + 10)) == read()

    asked, *got = [send.request for send in peer.sent]
    assert (asked.method, asked.url) == ("POST", URL)
    assert json.loads(asked.body)["method"] == "ping"
    assert asked.headers.get("Content-Type") == "application/json"
    assert asked.headers.get("Accept") == "application/json, text/event-stream"
    assert [(request.method, request.url) for request in got] == [("GET", url) for url in metadata_urls(URL)]
    assert [request.headers.get("Accept") for request in got] == ["application/json"] * 2


@pytest.mark.parametrize("status", [400, 404, 410, 499])
def test_the_root_is_asked_where_the_path_has_nothing(status: int) -> None:
    peer = Peer(Response(401), Response(status), Response(status))

    with pytest.raises(ProviderError) as caught:
        peer.run(fetch_resource_metadata(URL, not_after=NOW + 10))
    assert (caught.value.error, caught.value.status) == ("resource_metadata_missing", status)
    assert len(peer.sent) == 3


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_server_in_difficulties_is_not_asked_for_more(status: int) -> None:
    peer = Peer(Response(401), Response(status))

    with pytest.raises(ProviderError) as caught:
        peer.run(fetch_resource_metadata(URL, not_after=NOW + 10))
    assert (caught.value.error, caught.value.status) == ("server_error", status)


@pytest.mark.parametrize("status", [201, 206, 304])
def test_metadata_comes_with_status_200_only(status: int) -> None:
    with pytest.raises(MalformedResponse) as caught:
        read_resource_metadata(answer(json.dumps(DOCUMENT), status=status), resource=URL)
    assert (caught.value.error, caught.value.status) == (UNUSABLE, status)


def test_only_a_401_has_a_challenge() -> None:
    """What a resource says to somebody it let in, or to nobody in particular, is no challenge."""
    elsewhere = 'Bearer resource_metadata="https://resource.example.com/there", scope="all"'
    peer = Peer(
        Response(403, Headers((("WWW-Authenticate", elsewhere),))),
        answer(json.dumps(DOCUMENT)),
    )

    assert peer.run(fetch_resource_metadata(URL, not_after=NOW + 10)).scope == ("profile", "email", "phone")
    assert peer.request.url == metadata_urls(URL)[0]


def test_the_scope_of_the_challenge_counts_and_the_rest_is_the_documents() -> None:
    document = {**DOCUMENT, "dpop_bound_access_tokens_required": True}
    peer = Peer(challenged('DPoP scope="files:read files:write"'), answer(json.dumps(document)))

    found = peer.run(fetch_resource_metadata(URL, not_after=NOW + 10))

    servers, listed = tuple(DOCUMENT["authorization_servers"]), ("profile", "email", "phone")
    assert found == ResourceMetadata(URL, servers, ("files:read", "files:write"), True, listed)


def test_only_challenges_for_tokens_are_read() -> None:
    evil = 'Digest resource_metadata="https://evil.example/", scope="all"'

    assert read_resource_challenge(challenged(evil)) == ("", ())
    assert read_resource_challenge(challenged(evil, 'DPoP scope="a"', 'Bearer scope="b"')) == ("", ("a",))


@pytest.mark.parametrize(
    ("scope", "sound"),
    [
        (" ".join(["a"] * 100), True),
        (" ".join(["a"] * 101), False),
        ("X:read", True),
        ("a" * 4000, True),
        ("a" * 4001, False),
        ("a b\u00e9", False),
        ('a b\\"c', False),
        ("a\\\\b c", False),
        ("a b\x7f", False),
    ],
)
def test_a_scope_of_a_challenge_is_taken_whole_or_not_at_all(scope: str, sound: bool) -> None:
    """It ends in an address that a browser is sent to."""
    assert read_resource_challenge(challenged(f'Bearer scope="{scope}"'))[1] == (tuple(scope.split()) if sound else ())


@pytest.mark.parametrize("reach", [PUBLIC, CONFIGURED])
@pytest.mark.parametrize(
    "named",
    [
        "http://resource.example.com/there", "http://10.0.0.1/", "file:///etc/passwd", "/there", "x", "https://",
        "https://user@resource.example.com/there",
    ],
)  # fmt: skip
def test_a_challenge_names_https_or_nothing_is_fetched(named: str, reach: Any) -> None:
    peer = Peer(challenged(f'Bearer resource_metadata="{named}"'))

    with pytest.raises(MalformedResponse) as caught:
        peer.run(fetch_resource_metadata(URL, reach=reach, not_after=NOW + 10))
    assert (caught.value.error, caught.value.status) == (UNUSABLE, 401)
    assert [send.request.url for send in peer.sent] == [URL]


def test_a_challenge_names_loopback_only_where_it_was_configured() -> None:
    resource, there = "http://127.0.0.1:8000/mcp", "http://127.0.0.1:8000/there"
    document = json.dumps({**DOCUMENT, "resource": resource})
    responses = (challenged(f'Bearer resource_metadata="{there}"'), answer(document))
    peer = Peer(*responses)

    assert peer.run(fetch_resource_metadata(resource, reach=CONFIGURED, not_after=NOW + 10)).resource == resource
    assert [(send.request.url, send.reach) for send in peer.sent] == [(resource, CONFIGURED), (there, CONFIGURED)]
    with pytest.raises(MalformedResponse):
        Peer(*responses).run(fetch_resource_metadata(URL, not_after=NOW + 10))
    with pytest.raises(MalformedResponse):
        read_resource_metadata(answer(document), resource=resource)


@pytest.mark.parametrize(
    "said",
    [
        None, 7, "", "https://evil.example/resource1", f"{URL}/", f"{URL}x", "http://resource.example.com/resource1",
        f"{URL}?x", "https://resource.example.com:8443/resource1", [URL],
    ],
)  # fmt: skip
def test_a_document_of_another_resource_is_not_believed(said: object) -> None:
    """Section 3.3: or a token for somebody else's resource could be asked for in this one's name."""
    assert "connect" not in str(refused(resource=said))


ABOVE = "https://resource.example.com"


@pytest.mark.parametrize("said", [ABOVE, f"{ABOVE}/", ABOVE + "/" * (500 - len(ABOVE))])
def test_a_document_of_what_lies_above_says_what_to_connect(said: str) -> None:
    assert f": connect {said} if that is meant" in str(refused(resource=said))


@pytest.mark.parametrize(
    "said",
    ["https:", "https://", f"{ABOVE}/res", f"{ABOVE}X", "/", "https://\u00e9", ABOVE + "/" * (501 - len(ABOVE))],
)
def test_nothing_else_is_proposed(said: str) -> None:
    assert str(refused(resource=said)).endswith("it speaks of another resource")


def test_host_and_default_port_are_spelled_as_one_likes() -> None:
    assert read(resource="https://Resource.EXAMPLE.com:443/resource1").resource.endswith("/resource1")
    assert is_same_resource("https://a.example/", "https://a.example", reach=PUBLIC)
    assert not is_same_resource("https://a.example:8443/", "https://a.example:8443", reach=PUBLIC)
    assert is_same_resource("https://a.example:8443/", "https://a.example:8443", reach=CONFIGURED)


@pytest.mark.parametrize(
    ("name", "members", "sound"),
    [
        ("authorization_servers", [], False),
        ("authorization_servers", None, False),
        ("authorization_servers", "https://as.example", False),
        ("authorization_servers", {"https://as.example": 1}, False),
        ("authorization_servers", ["https://as.example", 7], False),
        ("authorization_servers", ["https://as.example"] * 10, True),
        ("authorization_servers", ["https://as.example"] * 11, False),
        ("authorization_servers", ["x" * 500, "y"], True),
        ("authorization_servers", ["x" * 501, "y"], False),
        ("bearer_methods_supported", ["header"], True),
        ("bearer_methods_supported", ["body", "query"], False),
        ("bearer_methods_supported", [], False),
        ("bearer_methods_supported", None, True),
        ("scopes_supported", None, True),
        ("scopes_supported", [], True),
        ("scopes_supported", ["a"] * 100, True),
        ("scopes_supported", ["a"] * 101, False),
        ("scopes_supported", ["a" * 4000], True),
        ("scopes_supported", ["a" * 4001], False),
        ("scopes_supported", ["a", "b c"], False),
        ("scopes_supported", ["a", ""], False),
        ("scopes_supported", ["a", 'b"'], False),
        ("scopes_supported", ["a", "b\\"], False),
        ("scopes_supported", ["a", "\u00e9"], False),
        ("scopes_supported", ["a", "b\n"], False),
    ],
)
def test_members_are_taken_as_they_should_be_or_refused(name: str, members: object, sound: bool) -> None:
    if sound:
        assert isinstance(read(**{name: members}), ResourceMetadata)
    else:
        refused(**{name: members})


@pytest.mark.parametrize(("said", "required"), [(True, True), (False, False), ("true", False), (None, False)])
def test_bound_tokens_are_wanted_where_the_document_says_so(said: object, required: bool) -> None:
    assert read(dpop_bound_access_tokens_required=said).dpop_bound_access_tokens_required is required


@pytest.mark.parametrize(
    "text",
    [f"{URL}?", f"{URL}?a=b", f"{URL}/../x", "http://a.example/x", "https://a.example:8443/x", "https://a.example/;x"],
)
def test_what_no_token_could_be_bound_to_is_no_resource(text: str) -> None:
    with pytest.raises(ValueError, match=r"query|two ways|https|port"):
        read_resource(text)


def test_a_resource_has_at_most_500_characters() -> None:
    longest = "https://a.example/" + "x" * 482

    assert read_resource(longest) == longest
    with pytest.raises(ValueError, match="500"):
        read_resource(f"{longest}x")
