"""Dynamic client registration (RFC 7591), and its end (RFC 7592)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.oauth2.peer import NOW, Peer, answer

from valetkey.effects import PUBLIC
from valetkey.errors import MalformedResponse, ProviderError
from valetkey.http import Headers, Response
from valetkey.oauth2.registration import (
    METHODS,
    RegisteredClient,
    chosen_method,
    client_document,
    client_metadata,
    delete_client,
    read_registration,
    register_client,
)
from valetkey.secret import Secret

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
