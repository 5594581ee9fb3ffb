"""Authorization requests that are pushed (RFC 9126), signed (RFC 9101), or ask for more than scope (RFC 8707, 9396)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from tests.oauth2.crypto_peer import SigningPeer, is_signed_by, read_jwt
from tests.oauth2.peer import CLIENT, NOW, PUBLIC_CLIENT, SERVER, answer, form_of

from valetkey.errors import ConfigurationError, MalformedResponse, ProviderError
from valetkey.http import read_form
from valetkey.keys.jwk import make_key, public_jwk
from valetkey.oauth2.authorization import authorization_parameters, authorization_url
from valetkey.oauth2.authorization_request import (
    PushedRequest,
    push_request,
    read_pushed_response,
    request_authorization,
)
from valetkey.oauth2.requested import details_problems, resource_problems
from valetkey.oauth2.token import exchange_code, refresh_grant
from valetkey.secret import Secret
from valetkey.value import replace

if TYPE_CHECKING:
    from valetkey.oauth2.client import Client
    from valetkey.oauth2.server import AuthorizationServer

DETAILS = '[{"type": "account", "actions": ["read"]}]'
TOKENS = '{"access_token": "a", "token_type": "Bearer"}'
PUSHED = '{"request_uri": "urn:ietf:params:oauth:request_uri:abc", "expires_in": 60}'
PUSHING = replace(SERVER, pushed_authorization_request_endpoint="https://as.example/par")
SIGNING = replace(SERVER, request_object_signing_alg="ES256")
RESOURCES = ("https://api.example/", "urn:example:second")


def asked(server: AuthorizationServer, client: Client = CLIENT) -> list[tuple[str, str]]:
    return authorization_parameters(server, client, state="s-1", scope=("read",), code_challenge="c" * 43)


def location(peer: SigningPeer, server: AuthorizationServer, client: Client = CLIENT) -> str:
    op = request_authorization(server, client, parameters=asked(server, client), not_after=NOW + 9)
    return peer.run(op)


def query(url: str) -> dict[str, str]:
    return dict(read_form(url.partition("?")[2]))


def test_the_browser_carries_a_reference_and_the_server_has_the_request() -> None:
    peer = SigningPeer(answer(PUSHED, status=201))

    url = location(peer, PUSHING)

    assert url.startswith("https://as.example/authorize?")
    assert query(url) == {"client_id": "client", "request_uri": "urn:ietf:params:oauth:request_uri:abc"}
    assert form_of(peer.request) == dict(asked(PUSHING))
    assert (peer.request.headers.get("Authorization") or "").startswith("Basic ")


@pytest.mark.parametrize(
    ("method", "client"),
    [
        ("client_secret_post", CLIENT),
        ("none", PUBLIC_CLIENT),
        ("client_secret_jwt", CLIENT),
        ("client_secret_basic", PUBLIC_CLIENT),
    ],
)
def test_a_pushed_request_says_once_who_asks(method: str, client: Client) -> None:
    peer = SigningPeer(answer(PUSHED, status=201))

    _ = location(peer, replace(PUSHING, token_endpoint_auth_method=method), client)

    assert form_of(peer.request)["client_id"] == "client"


@pytest.mark.parametrize(
    "body",
    [
        "",
        "<html>canary</html>",
        "[]",
        "{}",
        '{"request_uri": "", "expires_in": 60}',
        '{"request_uri": 7, "expires_in": 60}',
        '{"request_uri": "urn:caf\\u00e9", "expires_in": 60}',
        '{"request_uri": "urn:a\\nb", "expires_in": 60}',
        '{"request_uri": "urn:x", "expires_in": 0}',
        '{"request_uri": "urn:x", "expires_in": -1}',
        '{"request_uri": "urn:x", "expires_in": true}',
        '{"request_uri": "urn:x", "expires_in": "60"}',
        '{"request_uri": "urn:x"}',
        json.dumps({"request_uri": "u" * 1025, "expires_in": 60}),
    ],
)
def test_an_answer_that_is_no_reference_is_refused_without_being_quoted(body: str) -> None:
    with pytest.raises(MalformedResponse) as caught:
        location(SigningPeer(answer(body, status=201)), PUSHING)

    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("status", [400, 401, 403, 413, 429, 503])
def test_a_refused_push_is_the_providers_error(status: int) -> None:
    with pytest.raises(ProviderError) as caught:
        location(SigningPeer(answer('{"error": "invalid_request"}', status=status)), PUSHING)

    assert caught.value.status == status


def test_a_reference_is_known_to_expire() -> None:
    peer = SigningPeer(answer(PUSHED, status=201))

    pushed = peer.run(push_request(PUSHING, CLIENT, parameters=asked(PUSHING), not_after=NOW + 9))

    assert pushed.expires_at == int(NOW) + 60


def test_a_signed_request_stands_in_the_url_with_nothing_beside_it() -> None:
    key = make_key()

    url = location(SigningPeer(), SIGNING, replace(CLIENT, private_key=key))

    carried = query(url)
    header, claims = read_jwt(carried["request"])
    assert set(carried) == {"client_id", "request"}
    assert (header["alg"], header["typ"]) == ("ES256", "oauth-authz-req+jwt")
    assert is_signed_by(carried["request"], dict(public_jwk(key)))
    assert claims.items() >= dict(asked(SIGNING)).items()
    assert (claims["iss"], claims["aud"]) == ("client", "https://as.example")
    assert (claims["iat"], claims["nbf"], claims["exp"]) == (int(NOW), int(NOW), int(NOW) + 300)
    assert "sub" not in claims  # 9101 s10.8: it must not be taken for a client assertion


def test_a_signed_request_holds_lists_and_objects_as_json() -> None:
    server = replace(SIGNING, resources=RESOURCES, authorization_details=DETAILS)

    url = location(SigningPeer(), server, replace(CLIENT, private_key=make_key()))

    _, claims = read_jwt(query(url)["request"])
    assert claims["resource"] == list(RESOURCES)
    assert claims["authorization_details"] == json.loads(DETAILS)


def test_a_signed_request_is_pushed_where_both_are_wanted() -> None:
    server = replace(SIGNING, pushed_authorization_request_endpoint="https://as.example/par")
    peer = SigningPeer(answer(PUSHED, status=201))

    url = location(peer, server, replace(CLIENT, private_key=make_key()))

    assert set(query(url)) == {"client_id", "request_uri"}
    assert set(form_of(peer.request)) == {"client_id", "request"}


def test_a_request_is_not_signed_without_a_key_or_an_issuer() -> None:
    with pytest.raises(ConfigurationError, match="private key"):
        location(SigningPeer(), SIGNING)
    with pytest.raises(ConfigurationError, match="need the issuer"):
        replace(SIGNING, issuer=None)


def test_resources_go_along_with_every_request() -> None:
    server = replace(SERVER, resources=RESOURCES)
    peer = SigningPeer(answer(TOKENS), answer(TOKENS))
    url = authorization_url(server, CLIENT, state="s", scope=(), code_challenge="c" * 43)

    peer.run(exchange_code(server, CLIENT, code=Secret("c"), code_verifier=Secret("v"), not_after=NOW + 9))
    peer.run(refresh_grant(server, CLIENT, refresh_token=Secret("r"), not_after=NOW + 9))

    asked_for = [read_form(url.partition("?")[2]), *(read_form(sent.request.body.decode()) for sent in peer.sent)]
    assert [[text for name, text in pairs if name == "resource"] for pairs in asked_for] == [list(RESOURCES)] * 3


def test_several_resources_are_a_list_where_the_body_is_json() -> None:
    server = replace(SERVER, resources=RESOURCES, token_encoding="json")
    peer = SigningPeer(answer(TOKENS))

    peer.run(refresh_grant(server, CLIENT, refresh_token=Secret("r"), not_after=NOW + 9))

    assert json.loads(peer.request.body)["resource"] == list(RESOURCES)


@pytest.mark.parametrize(
    "resource", ["", "api", "/api", "https://a.example/#b", "https://a b.example/", "1:x", ":x", "https:", "urn:é"]
)
def test_a_resource_is_an_absolute_uri_without_a_fragment(resource: str) -> None:
    with pytest.raises(ConfigurationError, match="resources"):
        replace(SERVER, resources=(resource,))


def test_a_resource_stands_there_once() -> None:
    with pytest.raises(ConfigurationError, match="twice"):
        replace(SERVER, resources=("urn:x", "urn:x"))


def test_authorization_details_are_asked_for_and_kept_as_they_were_granted() -> None:
    server = replace(SERVER, authorization_details=DETAILS)
    granted = f'{{"access_token": "a", "token_type": "Bearer", "authorization_details": {DETAILS}}}'
    url = authorization_url(server, CLIENT, state="s", scope=(), code_challenge="c" * 43)
    op = exchange_code(server, CLIENT, code=Secret("c"), code_verifier=Secret("v"), not_after=NOW + 9)

    tokens = SigningPeer(answer(granted)).run(op)

    assert query(url)["authorization_details"] == DETAILS
    assert json.loads(dict(tokens.extra)["authorization_details"]) == json.loads(DETAILS)


@pytest.mark.parametrize("echo", ["7", '"x"', "{}", json.dumps(["x" * 9000])])
def test_an_echo_that_is_no_list_or_too_long_is_left_out(echo: str) -> None:
    body = f'{{"access_token": "a", "token_type": "Bearer", "authorization_details": {echo}}}'
    op = refresh_grant(SERVER, CLIENT, refresh_token=Secret("r"), not_after=NOW + 9)

    tokens = SigningPeer(answer(body)).run(op)

    assert not dict(tokens.extra).get("authorization_details", "").startswith("[")


@pytest.mark.parametrize(
    "details",
    [
        "{}",
        "[]",
        "[1]",
        "[{}]",
        '[{"type": ""}]',
        '[{"type": 1}]',
        '[{"type": "a"}',
        '[{"type": "a", "type": "b"}]',
        '[{"type": "a"}], "more": 1',
        '[{"type": "a", "x": NaN}]',
        "[" * 5000,
        '[{"type": "' + "a" * 9000 + '"}]',
    ],
)
def test_details_are_a_json_array_of_objects_with_a_type(details: str) -> None:
    with pytest.raises(ConfigurationError, match="authorization_details"):
        replace(SERVER, authorization_details=details)


@pytest.mark.parametrize("name", ["request", "request_uri", "dpop_jkt"])
def test_an_entry_cannot_set_what_is_ours_to_set(name: str) -> None:
    with pytest.raises(ConfigurationError, match="remove it"):
        replace(SERVER, authorization_parameters=((name, "x"),))


def read_pushed(members: object, status: int = 201) -> PushedRequest:
    return read_pushed_response(answer(json.dumps(members), status=status), server=PUSHING, received_at=NOW)


def test_a_server_without_the_endpoint_is_not_pushed_to() -> None:
    with pytest.raises(ConfigurationError):
        SigningPeer().run(push_request(SERVER, CLIENT, parameters=(), not_after=NOW + 9))


def test_a_request_is_pushed_whole_to_its_own_endpoint_and_in_time() -> None:
    peer = SigningPeer(answer(PUSHED, status=201))
    server = replace(PUSHING, token_endpoint_auth_method="client_secret_post")

    _ = location(peer, server)

    assert (peer.request.url, peer.sent[0].not_after) == ("https://as.example/par", NOW + 9)
    assert form_of(peer.request).items() >= dict(asked(server)).items()


@pytest.mark.parametrize("status", [200, 201])
def test_both_statuses_of_success_are_success(status: int) -> None:
    assert read_pushed({"request_uri": "urn:x", "expires_in": 60}, status) == PushedRequest("urn:x", int(NOW) + 60)


@pytest.mark.parametrize("status", [202, 204, 400, 401, 503])
def test_any_other_status_is_a_refusal_whatever_it_says(status: int) -> None:
    with pytest.raises(ProviderError) as caught:
        _ = read_pushed({"request_uri": "urn:x", "expires_in": 60, "error": "invalid_request"}, status)

    assert caught.value.status == status


@pytest.mark.parametrize(("members", "good"), [
    ({"request_uri": "u", "expires_in": 1}, True),
    ({"request_uri": "u" * 1024, "expires_in": 60}, True),
    ({"request_uri": "u" * 1025, "expires_in": 60}, False),
    ({"request_uri": "", "expires_in": 60}, False),
    ({"request_uri": "u\r\n", "expires_in": 60}, False),
    ({"request_uri": "u", "expires_in": 0}, False),
    ({"request_uri": "u", "expires_in": True}, False),
    ({"request_uri": "u", "expires_in": "60"}, False),
    ({"request_uri": "u"}, False),
])  # fmt: skip
def test_a_reference_has_a_length_and_a_lifetime(members: dict[str, object], good: bool) -> None:
    if good:
        assert read_pushed(members).request_uri == members["request_uri"]
        return
    with pytest.raises(MalformedResponse) as caught:
        _ = read_pushed(members)
    assert caught.value.status == 201


def test_a_signed_request_has_an_id_of_its_own_and_names_its_key() -> None:
    key = make_key()
    server = replace(SIGNING, resources=("https://api.example/",))
    peer = SigningPeer()
    client = replace(CLIENT, private_key=key)

    first, second = (query(location(peer, server, client))["request"] for _ in range(2))

    header, claims = read_jwt(first)
    assert header["kid"]
    assert claims["jti"] != read_jwt(second)[1]["jti"]
    assert claims["resource"] == "https://api.example/", "a single one is no array"


def test_a_refusal_to_take_a_request_says_when_to_try_again_and_which_status_it_had() -> None:
    date = "Sun, 15 Jun 2025 15:06:45 GMT"
    with pytest.raises(ProviderError) as caught:
        _ = read_pushed_response(answer("{}", status=503, Retry_After=date), server=PUSHING, received_at=NOW)
    assert caught.value.retry_after == 4.25

    with pytest.raises(MalformedResponse) as malformed:
        _ = read_pushed_response(answer("<html>", status=200), server=PUSHING, received_at=NOW)
    assert malformed.value.status == 200


@pytest.mark.parametrize(
    ("resource", "good"),
    [
        ("a:b", True),
        ("a+b-c.d1:e", True),
        ("a1:b", True),
        ("1a:b", False),
        ("+a:b", False),
        (":b", False),
        ("a:", False),
        ("a_b:c", False),
        ("a b:c", False),
        ("a:b#c", False),
        ("a:b c", False),
        ("a:\N{LATIN SMALL LETTER E WITH ACUTE}", False),
        ("a:\t", False),
    ],
)
def test_a_resource_is_an_absolute_uri(resource: str, good: bool) -> None:
    assert (resource_problems((resource,)) == []) == good


@pytest.mark.parametrize(
    "details", ['[{"type":"a"},{"type":""}]', '[{"type":"a"},{}]', '[{"type":"a"},"b"]', '[{"type":7}]', "[]", "{}"]
)
def test_every_detail_has_a_type(details: str) -> None:
    assert details_problems(details)
