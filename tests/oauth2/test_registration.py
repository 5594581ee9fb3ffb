"""Dynamic client registration (RFC 7591), and its end (RFC 7592)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.oauth2.crypto_peer import SigningPeer
from tests.oauth2.peer import NOW, Peer, answer

from valetkey.effects import CONFIGURED, PUBLIC
from valetkey.errors import MalformedResponse, ProviderError
from valetkey.http import Headers, Response
from valetkey.keys.jwk import make_key, public_jwk
from valetkey.oauth2.client_metadata import client_document, client_keys, client_metadata
from valetkey.oauth2.registration import (
    METHODS,
    RegisteredClient,
    chosen_method,
    delete_client,
    read_registration,
    register_client,
    update_client,
)
from valetkey.oauth2.signed_jwt import thumbprint
from valetkey.secret import Secret
from valetkey.value import replace

REDIRECT_URI = "https://client.example.org/callback"
METADATA = client_metadata(
    redirect_uri=REDIRECT_URI, application="My Example Client", home="https://client.example.org",
    method="client_secret_basic", scope=("read", "write"),
)  # fmt: skip
# RFC 7591 section 3.2.1, with the redirect URI that was asked for
ANSWER = {
    "client_id": "s6BhdRkqt3",
    "client_secret": "cf136dc3c1fc93f31185e5885805d",
    "client_id_issued_at": 2893256800,
    "client_secret_expires_at": 2893276800,
    "redirect_uris": [REDIRECT_URI],
    "grant_types": ["authorization_code", "refresh_token"],
    "client_name": "My Example Client",
    "token_endpoint_auth_method": "client_secret_basic",
    "logo_uri": "https://client.example.org/logo.png",
    "jwks_uri": "https://client.example.org/my_public_keys.jwks",
    "example_extension_parameter": "example_value",
}
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.sampled_from([*METHODS, REDIRECT_URI]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def test_an_application_without_a_name_is_called_by_its_host() -> None:
    said = client_metadata(redirect_uri=REDIRECT_URI, application="", home="", method="none")

    assert said["client_name"] == "client.example.org"


def read(**changed: Any) -> RegisteredClient:
    body = json.dumps({**ANSWER, **changed})
    return read_registration(answer(body, status=201), metadata=METADATA, reach=PUBLIC, received_at=NOW)


def test_the_rfcs_example_is_read() -> None:
    found = read()

    assert found.client_id == "s6BhdRkqt3"
    assert found.client_secret == Secret("cf136dc3c1fc93f31185e5885805d")
    assert found.token_endpoint_auth_method == "client_secret_basic"
    assert found.secret_expires_at == 2893276800
    assert found.scope is None


def test_what_is_left_out_is_as_it_was_asked_for() -> None:
    body = json.dumps({"client_id": "a", "client_secret": "b"})

    found = read_registration(answer(body), metadata=METADATA, reach=PUBLIC, received_at=NOW)

    assert (found.token_endpoint_auth_method, found.secret_expires_at) == ("client_secret_basic", 0)


@given(st.dictionaries(st.sampled_from([*ANSWER, "scope", "registration_client_uri"]), json_values))
def test_any_answer_is_a_client_or_refused(changed: dict[str, Any]) -> None:
    try:
        found = read(**changed)
    except MalformedResponse:
        return
    assert found.client_id
    assert found.token_endpoint_auth_method in METHODS
    assert (found.client_secret is None) == (found.token_endpoint_auth_method == "none")
    assert json.loads(json.dumps({**ANSWER, **changed})).get("redirect_uris", [REDIRECT_URI]) == [REDIRECT_URI]


@given(st.binary(max_size=200), st.sampled_from([200, 201, 400, 401, 500]))
def test_any_body_is_refused_with_a_named_error(body: bytes, status: int) -> None:
    with pytest.raises(ProviderError):
        read_registration(answer(body, status=status), metadata=METADATA, reach=PUBLIC, received_at=NOW)


@pytest.mark.parametrize("uri", ["http://as.example/1", "file:///x", "", "https://u@as.example/", 7])
def test_a_client_is_managed_over_https_or_not_at_all(uri: Any) -> None:
    if uri == 7:
        with pytest.raises(MalformedResponse):
            read(registration_client_uri=uri, registration_access_token="t")
        return
    found = read(registration_client_uri=uri, registration_access_token="t")

    assert (found.configuration_uri, found.registration_token) == ("", None)


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        (("client_secret_basic", "client_secret_post", "none"), "client_secret_post"),
        (("client_secret_basic",), "client_secret_basic"),
        (("private_key_jwt", "none"), "none"),
        (("private_key_jwt", "tls_client_auth"), None),
        ((), None),
    ],
)
def test_the_client_authenticates_as_the_server_offers(offered: tuple[str, ...], chosen: str | None) -> None:
    assert chosen_method(offered) == chosen


@pytest.mark.parametrize("redirect_uri", ["http://localhost:8000/callback", "http://127.0.0.1/callback"])
def test_a_client_on_loopback_is_a_native_application(redirect_uri: str) -> None:
    metadata = client_metadata(redirect_uri=redirect_uri, application="x", home="http://localhost", method="none")

    assert metadata["application_type"] == "native"
    assert "client_uri" not in metadata


def test_the_document_names_itself_and_agrees_on_no_secret() -> None:
    document = client_document("https://a.example/client/x", redirect_uri=REDIRECT_URI, application="x", home="")

    assert document["client_id"] == "https://a.example/client/x"
    assert document["token_endpoint_auth_method"] == "none"
    assert "scope" not in document


def test_the_initial_access_token_is_a_bearer_token() -> None:
    peer = Peer(answer(json.dumps(ANSWER), status=201))

    found = peer.run(
        register_client(
            "https://as.example/register",
            METADATA,
            initial_access_token=Secret("canary"),
            reach=PUBLIC,
            not_after=NOW + 10,
        )
    )

    assert found.client_id == "s6BhdRkqt3"
    assert peer.request.headers.get("authorization") == "Bearer canary"
    assert json.loads(peer.request.body) == METADATA
    assert "canary" not in repr(peer.request)


@pytest.mark.parametrize(("status", "gone"), [(204, True), (401, True), (404, True), (405, False), (500, False)])
def test_a_client_is_deleted_where_the_server_lets_it(status: int, gone: bool) -> None:
    peer = Peer(Response(status))

    assert peer.run(delete_client("https://as.example/1", Secret("t"), reach=PUBLIC, not_after=NOW)) is gone
    assert peer.request.method == "DELETE"


def test_a_server_in_difficulties_says_when_to_come_back() -> None:
    busy = Response(429, Headers((("Retry-After", "7"),)), b"{}")

    with pytest.raises(ProviderError) as caught:
        read_registration(busy, metadata=METADATA, reach=PUBLIC, received_at=NOW)
    assert (caught.value.error, caught.value.retry_after) == ("temporarily_unavailable", 7)


def refused(**changed: Any) -> str:
    with pytest.raises(MalformedResponse) as caught:
        read(**changed)
    assert caught.value.status == 201
    return str(caught.value)


def test_the_client_says_of_itself_what_the_grant_needs() -> None:
    """Section 2; application_type is OpenID Connect Registration's, section 2."""
    said = client_metadata(
        redirect_uri=REDIRECT_URI, application="My Example Client", home="https://client.example.org",
        method="client_secret_basic", scope=("read", "write"),
    )  # fmt: skip

    assert said == {
        "redirect_uris": [REDIRECT_URI],
        "client_name": "My Example Client",
        "token_endpoint_auth_method": "client_secret_basic",
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "application_type": "web",
        "software_id": "valetkey",
        "client_uri": "https://client.example.org",
        "scope": "read write",
    }


def test_the_document_calls_the_application_by_its_name() -> None:
    document = client_document("https://a.example/x", redirect_uri=REDIRECT_URI, application="Shop", home="")

    assert document["client_name"] == "Shop"


def test_a_registration_without_an_initial_token_has_no_credentials() -> None:
    peer = Peer(answer(json.dumps(ANSWER), status=201))

    peer.run(register_client("https://as.example/register", METADATA, reach=PUBLIC, not_after=NOW + 10))

    assert (peer.request.method, peer.request.url) == ("POST", "https://as.example/register")
    assert peer.request.headers.get("Authorization") is None
    assert peer.request.headers.get("Content-Type") == "application/json"
    assert peer.request.headers.get("Accept") == "application/json"


def test_a_client_is_deleted_at_its_own_address_with_its_own_token() -> None:
    peer = Peer(Response(200))

    assert peer.run(delete_client("https://as.example/1", Secret("canary"), reach=PUBLIC, not_after=NOW))
    assert peer.request.url == "https://as.example/1"
    assert peer.request.headers.get("Authorization") == "Bearer canary"


@pytest.mark.parametrize(
    "changed",
    [
        {"redirect_uris": ["https://evil.example/"]},
        {"redirect_uris": [REDIRECT_URI, "https://evil.example/"]},
        {"redirect_uris": []},
        {"redirect_uris": None},
        {"grant_types": ["refresh_token"]},
        {"grant_types": []},
        {"grant_types": "authorization_code"},
        {"response_types": ["token"]},
        {"response_types": {"code": 1}},
        {"token_endpoint_auth_method": "private_key_jwt"},
        {"token_endpoint_auth_method": None},
        {"client_secret": None},
        {"client_secret": ""},
        {"client_id": None},
        {"client_id": ""},
    ],
)
def test_another_client_than_was_asked_for_is_refused(changed: dict[str, Any]) -> None:
    assert "cannot be used: with" in refused(**changed)


@pytest.mark.parametrize(
    "changed", [{"grant_types": None}, {"response_types": None}, {"response_types": ["x", "code"]}]
)
def test_what_the_server_says_nothing_of_is_as_it_was_asked_for(changed: dict[str, Any]) -> None:
    assert read(**changed) == read()


@pytest.mark.parametrize("secret", [{}, {"client_secret": "s"}, {"client_secret": ""}])
def test_a_public_client_keeps_no_secret(secret: dict[str, str]) -> None:
    """And nothing that it does not keep can expire."""
    members = {"client_id": "a", "token_endpoint_auth_method": "none", "client_secret_expires_at": 1, **secret}

    found = read_registration(answer(json.dumps(members)), metadata=METADATA, reach=PUBLIC, received_at=NOW)

    assert found == RegisteredClient("a", None, "none")


@pytest.mark.parametrize(
    "expires_at", [True, "60", 1.5, -1, 2**53, None, int(NOW), int(NOW) - 60, int(NOW) + 30, int(NOW) + 60]
)
def test_a_secret_that_does_not_last_is_refused(expires_at: object) -> None:
    assert "client_secret" in refused(client_secret_expires_at=expires_at)


@pytest.mark.parametrize("expires_at", [0, int(NOW) + 61, 2**53 - 1])
def test_a_secret_that_lasts_is_kept_with_its_end(expires_at: int) -> None:
    assert read(client_secret_expires_at=expires_at).secret_expires_at == expires_at


def test_a_secret_lasts_for_more_than_a_minute() -> None:
    body = json.dumps({**ANSWER, "client_secret_expires_at": 1060})

    assert read_registration(answer(body), metadata=METADATA, reach=PUBLIC, received_at=999.5).secret_expires_at == 1060
    with pytest.raises(MalformedResponse):
        read_registration(answer(body), metadata=METADATA, reach=PUBLIC, received_at=1000)


@pytest.mark.parametrize(
    ("name", "longest"),
    [
        ("client_id", 1024),
        ("client_secret", 2048),
        ("registration_client_uri", 2048),
        ("registration_access_token", 2048),
        ("scope", 2048),
    ],
)
def test_texts_are_short_and_printable_or_refused(name: str, longest: int) -> None:
    wrong: tuple[Any, ...] = ("x" * (longest + 1), "x\n", "\u00e9", 7, ["x"], {})

    assert read(**{name: "x" * longest})
    for text in wrong:
        assert (name if name != "scope" else "scope that is none") in refused(**{name: text})


@pytest.mark.parametrize(
    ("said", "scope"), [(None, None), ("", ()), ("read", ("read",)), ("read  write", ("read", "write"))]
)
def test_the_scope_is_what_the_server_says(said: str | None, scope: tuple[str, ...] | None) -> None:
    assert read(scope=said).scope == scope


def managed(uri: str | None, token: str | None, reach: Any = PUBLIC) -> tuple[str, Secret | None]:
    body = json.dumps({**ANSWER, "registration_client_uri": uri, "registration_access_token": token})
    found = read_registration(answer(body, status=201), metadata=METADATA, reach=reach, received_at=NOW)
    return found.configuration_uri, found.registration_token


def test_where_and_with_what_a_client_can_be_deleted_is_kept_together() -> None:
    assert managed("https://as.example/1", "t") == ("https://as.example/1", Secret("t"))
    for uri, token in (("https://as.example/1", None), ("https://as.example/1", ""), (None, "t"), ("", "t")):
        assert managed(uri, token) == ("", None)


def test_a_client_is_managed_on_loopback_only_where_it_was_configured() -> None:
    loopback = "http://127.0.0.1:8000/1"

    assert managed(loopback, "t", CONFIGURED) == (loopback, Secret("t"))
    assert managed(loopback, "t") == ("", None)
    assert managed("http://as.example/1", "t", CONFIGURED) == ("", None)


def test_the_reach_of_the_endpoint_is_that_of_its_answer() -> None:
    loopback = "http://127.0.0.1:8000/1"
    body = json.dumps({**ANSWER, "registration_client_uri": loopback, "registration_access_token": "t"})

    for reach, expected in ((PUBLIC, ""), (CONFIGURED, loopback)):
        peer = Peer(answer(body, status=201))
        found = peer.run(register_client("http://127.0.0.1:8000/r", METADATA, reach=reach, not_after=NOW + 10))
        assert (found.configuration_uri, peer.sent[0].reach) == (expected, reach)


@pytest.mark.parametrize(
    ("status", "body", "error", "advice"),
    [
        (400, '{"error":"invalid_redirect_uri"}', "invalid_redirect_uri", "application_type"),
        (400, '{"error":"invalid_client_metadata"}', "invalid_client_metadata", "does not take the client's metadata"),
        (401, '{"error":"invalid_token"}', "invalid_token", "initial access token"),
        (401, "", "invalid_token", "initial access token"),
        (403, "<p>no</p>", "invalid_token", "initial access token"),
        (400, "[]", "registration_refused", "documentation"),
        (402, '{"error":7}', "registration_refused", "documentation"),
        (404, '{"error":"a\\nb"}', "registration_refused", "documentation"),
        (404, '{"error":"their_own"}', "their_own", "documentation"),
        (302, "", "registration_refused", "documentation"),
        (429, '{"error":"invalid_token"}', "temporarily_unavailable", "documentation"),
        (500, '{"error":"invalid_token"}', "server_error", "documentation"),
        (503, "", "server_error", "documentation"),
    ],
)
def test_a_refusal_has_the_servers_word_or_a_word_of_ours(status: int, body: str, error: str, advice: str) -> None:
    """Sections 3.2.2 and 3 (an initial access token is asked for with 401)."""
    with pytest.raises(ProviderError, match=advice) as caught:
        read_registration(answer(body, status=status), metadata=METADATA, reach=PUBLIC, received_at=NOW)
    assert (caught.value.error, caught.value.status) == (error, status)


def test_a_date_to_come_back_is_counted_from_the_answer() -> None:
    busy = Response(503, Headers((("Retry-After", "Sun, 15 Jun 2025 15:07:10 GMT"),)), b"")

    with pytest.raises(ProviderError) as caught:
        read_registration(busy, metadata=METADATA, reach=PUBLIC, received_at=NOW)
    assert caught.value.retry_after is not None
    assert 0 < caught.value.retry_after < 600


# Other clients than one for authorization codes

ALONE = client_metadata(
    redirect_uri=REDIRECT_URI, application="x", home="", method="private_key_jwt", grant_types=("client_credentials",),
    more={"jwks": {"keys": []}},
)  # fmt: skip


def test_a_client_without_a_browser_names_no_redirect_uri() -> None:
    """Section 2: redirect URIs and response types belong to flows with redirection."""
    assert (ALONE["redirect_uris"], ALONE["response_types"], ALONE["grant_types"]) == ([], [], ["client_credentials"])
    assert ALONE["client_name"] == "x"
    assert ALONE["jwks"] == {"keys": []}


def read_alone(methods: Any = ("private_key_jwt",), **changed: Any) -> RegisteredClient:
    body = json.dumps({"client_id": "a", **changed})
    return read_registration(answer(body), metadata=ALONE, methods=methods, reach=PUBLIC, received_at=NOW)


def test_a_client_with_a_key_has_no_secret() -> None:
    """A server may give out one all the same: it is of no use, and is not kept."""
    assert read_alone() == read_alone(client_secret="canary", client_secret_expires_at=1)
    assert read_alone().token_endpoint_auth_method == "private_key_jwt"
    assert read_alone().client_secret is None


@pytest.mark.parametrize("method", METHODS)
def test_only_the_methods_that_were_meant_are_taken(method: str) -> None:
    with pytest.raises(MalformedResponse, match="not asked for"):
        read_alone(token_endpoint_auth_method=method, client_secret="s")
    with pytest.raises(MalformedResponse, match="not asked for"):
        read_alone(methods=())


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_jwt"])
def test_each_method_with_a_secret_needs_one(method: Any) -> None:
    with pytest.raises(MalformedResponse, match="without the client_secret"):
        read_alone(methods=(method,), token_endpoint_auth_method=method)

    assert read_alone(methods=(method,), token_endpoint_auth_method=method, client_secret="s").client_secret


@pytest.mark.parametrize("changed", [{"redirect_uris": [REDIRECT_URI]}, {"grant_types": ["authorization_code"]}])
def test_a_client_for_something_else_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(MalformedResponse):
        read_alone(**changed)


def test_every_grant_type_that_was_asked_for_must_be_there_but_refresh_tokens() -> None:
    assert read(grant_types=["authorization_code"]) == read()
    assert "grant_types that lack authorization_code" in refused(grant_types=["refresh_token"])


def test_how_a_client_authenticates_is_chosen_among_what_it_may() -> None:
    offered = ("none", "client_secret_post", "client_secret_basic")

    assert chosen_method(offered, ("client_secret_basic", "none")) == "client_secret_basic"
    assert chosen_method(offered, ("private_key_jwt",)) is None


@pytest.mark.parametrize("key_id", ["", "k-1"])
def test_the_keys_of_a_client_are_the_public_half_by_the_name_that_it_signs_with(key_id: str) -> None:
    key = replace(make_key(), key_id=key_id)
    (jwk,) = SigningPeer(Response(200)).run(client_keys(key))["keys"]

    assert jwk == {**dict(public_jwk(key)), "kid": key_id or thumbprint(public_jwk(key)), "use": "sig"}
    assert "d" not in jwk


def test_a_document_of_a_client_with_a_key_says_what_it_may() -> None:
    document = client_document(
        "https://a.example/client/x", redirect_uri=REDIRECT_URI, application="x", home="", method="private_key_jwt",
        grant_types=("client_credentials",), more={"jwks": {"keys": []}},
    )  # fmt: skip

    assert document == {**ALONE, "client_id": "https://a.example/client/x"}


# What the server is told later (RFC 7592 section 2.2)

BEFORE = RegisteredClient(
    "s6BhdRkqt3", Secret("canary-secret"), "client_secret_basic", 2893276800, None, "https://as.example/1", Secret("canary-1")
)  # fmt: skip


def updated(before: RegisteredClient = BEFORE, **answered: Any) -> tuple[Peer, RegisteredClient]:
    peer = Peer(answer(json.dumps({"client_id": "s6BhdRkqt3", **answered})))
    methods = (before.token_endpoint_auth_method,)
    metadata = {**METADATA, "token_endpoint_auth_method": before.token_endpoint_auth_method}
    return peer, peer.run(update_client(before, metadata, methods=methods, reach=PUBLIC, not_after=NOW + 10))


def test_a_client_is_told_anew_at_its_own_address_with_all_that_it_is() -> None:
    peer, found = updated()

    assert (peer.request.method, peer.request.url) == ("PUT", "https://as.example/1")
    assert peer.request.headers.get("Authorization") == "Bearer canary-1"
    assert json.loads(peer.request.body) == {**METADATA, "client_id": "s6BhdRkqt3", "client_secret": "canary-secret"}
    assert found == BEFORE
    assert "canary" not in repr(peer.request)


def test_a_client_without_a_secret_names_none() -> None:
    before = replace(BEFORE, client_secret=None, token_endpoint_auth_method="none", secret_expires_at=0)

    peer, found = updated(before)

    assert "client_secret" not in json.loads(peer.request.body)
    assert found == before


def test_what_the_server_changes_on_that_occasion_is_kept() -> None:
    _, found = updated(
        client_secret="next", client_secret_expires_at=0, registration_access_token="canary-2",
        registration_client_uri="https://as.example/2", scope="read",
    )  # fmt: skip

    assert (found.client_secret, found.secret_expires_at, found.scope) == (Secret("next"), 0, ("read",))
    assert (found.configuration_uri, found.registration_token) == ("https://as.example/2", Secret("canary-2"))


def test_half_of_what_manages_a_client_leaves_both_as_they_were() -> None:
    _, found = updated(registration_client_uri="https://as.example/2")

    assert (found.configuration_uri, found.registration_token) == ("https://as.example/1", Secret("canary-1"))


@pytest.mark.parametrize("client_id", ["another", None, 7])
def test_another_client_in_its_place_is_refused(client_id: Any) -> None:
    with pytest.raises(MalformedResponse, match="another client_id than it had"):
        updated(client_id=client_id)


def test_a_secret_whose_end_is_past_is_refused_there_too() -> None:
    with pytest.raises(MalformedResponse):
        updated(replace(BEFORE, secret_expires_at=int(NOW)))


@pytest.mark.parametrize("method", ["none", "client_secret_post"])
def test_a_method_that_this_caller_did_not_offer_is_refused(method: str) -> None:
    """Another caller may have offered it: what is asked for is what is taken."""
    said = ANSWER | {"token_endpoint_auth_method": method}
    offered = ("client_secret_basic",)

    for asked in (
        register_client("https://as.example/r", METADATA, methods=offered, reach=PUBLIC, not_after=NOW + 10),  # type: ignore[arg-type]
        update_client(BEFORE, METADATA, methods=offered, reach=PUBLIC, not_after=NOW + 10),  # type: ignore[arg-type]
    ):
        with pytest.raises(MalformedResponse, match="token_endpoint_auth_method that was not asked for"):
            Peer(answer(json.dumps(said), status=200)).run(asked)


@pytest.mark.parametrize(("reach", "kept"), [(PUBLIC, "https://as.example/1"), (CONFIGURED, "http://127.0.0.1:8000/1")])
def test_where_a_client_is_managed_after_a_change_is_as_near_as_it_may_be(reach: Any, kept: str) -> None:
    said = ANSWER | {"registration_client_uri": "http://127.0.0.1:8000/1", "registration_access_token": "new"}

    asked = update_client(BEFORE, METADATA, methods=METHODS, reach=reach, not_after=NOW + 10)

    assert Peer(answer(json.dumps(said))).run(asked).configuration_uri == kept
