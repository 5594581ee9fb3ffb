from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.oauth2.peer import NOW, Peer, answer
from tests.oauth2.vectors import load

from valetkey.effects import CONFIGURED, PUBLIC
from valetkey.errors import MalformedResponse, ProviderError
from valetkey.http import Response
from valetkey.oauth2.metadata import (
    Metadata,
    authorization_server,
    fetch_metadata,
    metadata_urls,
    read_metadata,
    write_metadata,
)
from valetkey.value import replace

if TYPE_CHECKING:
    from valetkey.effects import Reach

VECTORS = load("oauth2_metadata")
ISSUER = "https://as.example"
DOCUMENT = {
    "issuer": ISSUER,
    "authorization_endpoint": "https://as.example/authorize",
    "token_endpoint": "https://as.example/token",
}


def read(reach: Reach = PUBLIC, **members: Any) -> Metadata:
    return read_metadata(answer(json.dumps({**DOCUMENT, **members})), issuer=ISSUER, reach=reach)


@pytest.mark.parametrize("vector", VECTORS["documents"], ids=lambda vector: vector["source"])
def test_the_published_document_is_read(vector: dict) -> None:
    issuer = vector["input"]["issuer"]

    metadata = read_metadata(answer(json.dumps(vector["input"]["document"])), issuer=issuer)

    for name, expected in vector["expect"].items():
        assert getattr(metadata, name) == (tuple(expected) if isinstance(expected, list) else expected)


@pytest.mark.parametrize("vector", VECTORS["urls"], ids=lambda vector: vector["input"])
def test_the_well_known_part_stands_before_the_issuers_path(vector: dict) -> None:
    assert metadata_urls(vector["input"]) == tuple(vector["expect"])


def test_a_slash_at_the_end_of_an_issuer_is_not_repeated() -> None:
    assert metadata_urls("https://as.example/")[0] == "https://as.example/.well-known/oauth-authorization-server"
    assert metadata_urls("https://as.example/t/")[2] == "https://as.example/t/.well-known/openid-configuration"


@pytest.mark.parametrize(
    "issuer",
    [
        "http://as.example",
        "http://localhost",
        "ftp://as.example",
        "https://u@as.example",
        "https://as.example?x=1",
        "https://as.example#x",
        "as.example",
        "",
        "https://as.example/é",
    ],
)
def test_an_issuer_is_an_https_url_without_query(issuer: str) -> None:
    with pytest.raises(ValueError, match=r"\bissuer\b"):
        Peer().run(fetch_metadata(issuer, not_after=NOW))


def test_http_is_for_loopback_and_configured_issuers_only() -> None:
    assert metadata_urls("http://127.0.0.1:8080", reach=CONFIGURED)
    with pytest.raises(ValueError, match="https"):
        metadata_urls("http://as.example", reach=CONFIGURED)


@pytest.mark.parametrize("issuer", ["https://as.example/", "https://AS.example", "https://other.example", "", None, 1])
def test_metadata_of_another_issuer_is_refused(issuer: object) -> None:
    with pytest.raises(MalformedResponse, match="issuer"):
        read(issuer=issuer)


@pytest.mark.parametrize(
    "name",
    [
        "authorization_endpoint",
        "token_endpoint",
        "revocation_endpoint",
        "introspection_endpoint",
        "registration_endpoint",
        "jwks_uri",
    ],
)
@pytest.mark.parametrize(
    "url",
    [
        "http://as.example/x",
        "http://127.0.0.1/x",
        "file:///etc/passwd",
        "https://u:p@as.example/",
        "data:,x",
        "javascript:1",
        "",
        1,
        [],
        "https://as.example/#f",
        "https:///x",
    ],
)
def test_an_endpoint_that_is_not_https_is_refused(name: str, url: object) -> None:
    with pytest.raises(MalformedResponse, match=name):
        read(PUBLIC, **{name: url})


def test_a_configured_issuer_may_have_its_endpoints_on_loopback() -> None:
    assert read(CONFIGURED, token_endpoint="http://localhost:1/token").token_endpoint == "http://localhost:1/token"


@pytest.mark.parametrize("name", ["authorization_endpoint", "token_endpoint"])
def test_the_endpoints_of_the_code_flow_must_be_there(name: str) -> None:
    with pytest.raises(MalformedResponse, match=name):
        read(PUBLIC, **{name: None})


@pytest.mark.parametrize(
    "name", ["scopes_supported", "code_challenge_methods_supported", "token_endpoint_auth_methods_supported"]
)
@pytest.mark.parametrize("listed", ["S256", 1, [1], {"a": 1}, ["x"] * 501])
def test_a_list_of_the_wrong_kind_is_refused(name: str, listed: object) -> None:
    with pytest.raises(MalformedResponse, match=name):
        read(PUBLIC, **{name: listed})


def test_a_list_may_have_500_entries() -> None:
    assert len(read(scopes_supported=["x"] * 500).scopes_supported or ()) == 500


def test_a_document_of_more_than_64_kib_is_refused() -> None:
    with pytest.raises(MalformedResponse, match="longer"):
        read(x="x" * 65536)

    padded = json.dumps(DOCUMENT).encode().ljust(65536)
    assert read_metadata(answer(padded), issuer=ISSUER).issuer == ISSUER
    with pytest.raises(MalformedResponse, match="longer"):
        read_metadata(answer(padded + b" "), issuer=ISSUER)


@pytest.mark.parametrize(
    "body", ["", "<html>", "[]", '{"issuer":"https://as.example","issuer":"https://as.example"}', "[" * 60_000]
)
def test_a_document_that_is_not_one_is_malformed(body: str) -> None:
    with pytest.raises(MalformedResponse):
        read_metadata(answer(body), issuer=ISSUER)


@pytest.mark.parametrize("status", [201, 204, 301, 302, 404, 500])
def test_only_status_200_has_metadata(status: int) -> None:
    with pytest.raises(MalformedResponse):
        read_metadata(answer(json.dumps(DOCUMENT), status=status), issuer=ISSUER)


def test_metadata_is_fetched_from_the_first_place_that_has_it() -> None:
    peer = Peer(answer("", status=401), answer(json.dumps({**DOCUMENT, "issuer": "https://as.example/t"})))

    metadata = peer.run(fetch_metadata("https://as.example/t", not_after=NOW + 5))

    assert metadata.issuer == "https://as.example/t"
    assert [effect.request.url for effect in peer.sent] == list(metadata_urls("https://as.example/t"))[:2]
    assert {(effect.reach, effect.request.method, effect.not_after) for effect in peer.sent} == {
        ("public", "GET", NOW + 5)
    }


@pytest.mark.parametrize("status", [400, 404, 410])
def test_an_issuer_without_metadata_is_an_error(status: int) -> None:
    peer = Peer(*[answer("", status=status)] * 2)

    with pytest.raises(ProviderError) as caught:
        peer.run(fetch_metadata(ISSUER, not_after=NOW))

    assert (caught.value.error, caught.value.status) == ("provider_error", status)
    assert not peer.responses


@pytest.mark.parametrize(
    ("status", "error"), [(500, "server_error"), (429, "provider_error"), (302, "malformed_response")]
)
def test_a_failure_is_not_answered_by_looking_elsewhere(status: int, error: str) -> None:
    peer = Peer(answer("", status=status))

    with pytest.raises(ProviderError) as caught:
        peer.run(fetch_metadata(ISSUER, not_after=NOW))

    assert caught.value.error == error


def test_a_mismatched_issuer_is_not_answered_by_looking_elsewhere() -> None:
    peer = Peer(answer(json.dumps({**DOCUMENT, "issuer": "https://evil.example"})), answer(json.dumps(DOCUMENT)))

    with pytest.raises(MalformedResponse, match="issuer"):
        peer.run(fetch_metadata(ISSUER, not_after=NOW))

    assert len(peer.sent) == 1


def test_metadata_becomes_a_server() -> None:
    metadata = read(
        revocation_endpoint="https://as.example/revoke",
        introspection_endpoint="https://as.example/introspect",
        authorization_response_iss_parameter_supported=True,
        token_endpoint_auth_methods_supported=["private_key_jwt", "client_secret_post"],
        code_challenge_methods_supported=["plain", "S256"],
    )

    server = authorization_server(metadata)

    assert server.issuer == ISSUER
    assert server.iss_required
    assert server.token_endpoint_auth_method == "client_secret_post"
    assert server.revocation_endpoint == "https://as.example/revoke"
    assert server.reach == "public"
    assert server.pkce == "S256"


@pytest.mark.parametrize(
    ("methods", "expected"),
    [(("client_secret_post", "client_secret_basic"), "client_secret_basic"), (("none",), "none")],
)
def test_the_clients_authentication_is_one_that_is_offered(methods: tuple[str, ...], expected: str) -> None:
    metadata = replace(read(), token_endpoint_auth_methods_supported=methods)

    assert authorization_server(metadata).token_endpoint_auth_method == expected


def test_a_server_that_cannot_be_used_safely_is_refused() -> None:
    with pytest.raises(ValueError, match="S256"):
        authorization_server(read(code_challenge_methods_supported=["plain"]))
    with pytest.raises(ValueError, match="client_secret_basic"):
        authorization_server(read(token_endpoint_auth_methods_supported=["spiffe_jwt"]))


@pytest.mark.parametrize("flag", ["true", 1, None])
def test_whether_iss_is_sent_is_a_boolean(flag: object) -> None:
    with pytest.raises(MalformedResponse, match="iss_parameter"):
        read(authorization_response_iss_parameter_supported=flag)


VALUES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=9)
    | st.lists(st.text(max_size=4), max_size=2)
    | st.just("https://a.example/x")
)


@given(
    st.binary(max_size=60)
    | st.dictionaries(st.sampled_from([*DOCUMENT, "jwks_uri", "scopes_supported"]), VALUES).map(
        lambda members: json.dumps({**members, "issuer": ISSUER}).encode()
    )
)
def test_any_document_is_metadata_or_malformed(body: bytes) -> None:
    try:
        metadata = read_metadata(answer(body), issuer=ISSUER)
    except MalformedResponse:
        return
    assert metadata.token_endpoint.startswith("https://")


@pytest.mark.parametrize(("required", "pushed"), [(True, "https://as.example/par"), (False, None), (None, None)])
def test_requests_are_pushed_where_the_server_requires_it(required: bool | None, pushed: str | None) -> None:
    """RFC 9126 section 5; without a word it is false."""
    members: dict[str, Any] = {"pushed_authorization_request_endpoint": "https://as.example/par"}
    if required is not None:
        members["require_pushed_authorization_requests"] = required

    assert authorization_server(read(**members)).pushed_authorization_request_endpoint == pushed


@pytest.mark.parametrize(("said", "required"), [(True, True), (False, False), (None, False), ("true", False)])
def test_a_server_that_takes_signed_requests_alone_is_known(said: object, *, required: bool) -> None:
    """RFC 9101 section 10.5."""
    members: dict[str, Any] = {} if said is None else {"require_signed_request_object": said}

    found = read(**members)

    assert found.require_signed_request_object is required
    assert authorization_server(found).require_signed_request_object is required


def test_a_server_that_requires_pushed_requests_and_takes_none_contradicts_itself() -> None:
    """RFC 9126 section 5."""
    with pytest.raises(MalformedResponse, match="and no pushed_authorization_request_endpoint"):
        read(require_pushed_authorization_requests=True)
    assert read(require_pushed_authorization_requests=False).token_endpoint


def test_an_endpoint_for_pushed_requests_is_checked_like_the_others() -> None:
    with pytest.raises(MalformedResponse, match="pushed_authorization_request_endpoint"):
        read(pushed_authorization_request_endpoint="http://as.example/par")


@pytest.mark.parametrize(
    ("offered", "method"),
    [
        (["private_key_jwt"], "private_key_jwt"),
        (["private_key_jwt", "none"], "none"),
        (["client_secret_jwt"], "client_secret_jwt"),
    ],
)
def test_methods_that_sign_are_the_last_choice(offered: list[str], method: str) -> None:
    server = authorization_server(read(token_endpoint_auth_methods_supported=offered))

    assert server.token_endpoint_auth_method == method


ENDPOINTS: tuple[str, ...] = tuple(name for name in Metadata.__match_args__ if name.endswith(("_endpoint", "_uri")))
WHOLE = replace(
    Metadata(
        ISSUER,
        "",
        "",
        id_token_signing_alg_values_supported=("ES256", "none", "HS256"),
        scopes_supported=("read",),
        code_challenge_methods_supported=("S256",),
        token_endpoint_auth_methods_supported=("none",),
        authorization_response_iss_parameter_supported=True,
        require_pushed_authorization_requests=True,
        require_signed_request_object=True,
        response_modes_supported=("query", "jwt"),
        authorization_signing_alg_values_supported=("ES256",),
        client_id_metadata_document_supported=True,
        tls_client_certificate_bound_access_tokens=True,
        protected_resources=("https://as.example/mcp",),
    ),
    **{name: f"https://as.example/{name}" for name in ENDPOINTS},
)


def test_every_member_that_is_used_is_written_and_read_again() -> None:
    assert read_metadata(Response(200, body=write_metadata(WHOLE)), issuer=ISSUER) == WHOLE


def test_a_server_is_made_of_everything_that_its_metadata_says() -> None:
    server = authorization_server(WHOLE, reach=CONFIGURED)

    for name in (
        "issuer",
        "authorization_endpoint",
        "token_endpoint",
        "revocation_endpoint",
        "introspection_endpoint",
        "device_authorization_endpoint",
        "jwks_uri",
        "userinfo_endpoint",
        "pushed_authorization_request_endpoint",
    ):
        assert getattr(server, name) == getattr(WHOLE, name), name
    assert (server.reach, server.iss_required, server.token_endpoint_auth_method) == ("configured", True, "none")
    assert server.authorization_response_algorithms == ("ES256",)


@pytest.mark.parametrize(
    ("said", "used"),
    [
        (("ES256", "none", "HS256"), ("ES256",)),
        (("PS256", "RS256"), ("RS256", "PS256")),
        (None, ("RS256",)),
    ],
)
def test_id_tokens_are_signed_as_is_said_and_we_verify(said: tuple[str, ...] | None, used: tuple[str, ...]) -> None:
    found = authorization_server(replace(WHOLE, id_token_signing_alg_values_supported=said))

    assert found.id_token_algorithms == used


def test_an_issuer_that_says_nothing_of_iss_is_not_held_to_it() -> None:
    assert not authorization_server(read()).iss_required


LOCAL_URL = "http://127.0.0.1:9/x"


@pytest.mark.parametrize("name", ENDPOINTS)
def test_every_endpoint_is_https_unless_the_operator_configured_loopback(name: str) -> None:
    assert getattr(read(reach=CONFIGURED, **{name: LOCAL_URL}), name) == LOCAL_URL
    for url in (LOCAL_URL, "http://as.example/x", "https://u@as.example/", "javascript:x", 7, ["https://as.example/"]):
        members: dict[str, Any] = {name: url}
        with pytest.raises(MalformedResponse) as caught:
            _ = read(**members)
        assert caught.value.status == 200


@pytest.mark.parametrize("texts", [["a", 1], [1, "a"], "a", {"a": 1}, ["a"] * 1000])
def test_a_list_holds_texts_and_not_too_many(texts: Any) -> None:
    with pytest.raises(MalformedResponse):
        _ = read(scopes_supported=texts)


def test_metadata_is_asked_for_as_json_and_on_loopback_only_where_that_is_configured() -> None:
    issuer = "http://127.0.0.1:9"
    document = {name: text.replace(ISSUER, issuer) for name, text in DOCUMENT.items()}
    peer = Peer(answer(json.dumps(document)))

    found = peer.run(fetch_metadata(issuer, not_after=NOW + 5, reach=CONFIGURED))

    assert found.token_endpoint == f"{issuer}/token"
    assert peer.request.headers.get("Accept") == "application/json"
    assert (peer.request.method, peer.sent[0].reach, peer.sent[0].not_after) == ("GET", "configured", NOW + 5)
    with pytest.raises(ValueError, match="https"):
        Peer().run(fetch_metadata(issuer, not_after=NOW))


@pytest.mark.parametrize("status", [201, 204, 302, 404])
def test_an_answer_that_is_not_200_is_no_metadata_and_says_so(status: int) -> None:
    with pytest.raises(MalformedResponse) as caught:
        _ = read_metadata(answer(json.dumps(DOCUMENT), status=status), issuer=ISSUER)

    assert caught.value.status == status


@pytest.mark.parametrize("issuer", ["https://as.example/X", "https://as.example/tX/", "https://as.example/t//"])
def test_only_slashes_are_cut_off_an_issuers_path(issuer: str) -> None:
    path = issuer.removeprefix("https://as.example").rstrip("/")

    assert metadata_urls(issuer)[0] == f"https://as.example/.well-known/oauth-authorization-server{path}"


def test_what_is_not_known_is_not_written() -> None:
    assert b"null" not in write_metadata(read())


@pytest.mark.parametrize("said", ["true", 1, None, []])
def test_a_server_binds_tokens_to_certificates_only_where_it_says_true(said: object) -> None:
    assert not read(tls_client_certificate_bound_access_tokens=said).tls_client_certificate_bound_access_tokens


def test_a_url_has_at_most_2000_characters() -> None:
    """A browser is sent to one of them."""
    longest = "https://as.example/" + "x" * (2000 - len("https://as.example/"))

    assert read(authorization_endpoint=longest).authorization_endpoint == longest
    with pytest.raises(MalformedResponse, match="more than 2000 characters"):
        read(authorization_endpoint=f"{longest}x")
