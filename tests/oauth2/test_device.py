"""The device authorization request and its answer (RFC 8628 section 3); the polling is in tests/connections."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.oauth2.peer import CLIENT, NOW, SERVER, Peer, answer, form_of

from valetkey.errors import ConfigurationError, MalformedResponse, ProviderError
from valetkey.oauth2.device import DeviceCodes, device_token, read_device_codes, request_device_codes
from valetkey.secret import Secret
from valetkey.value import replace

DEVICE_SERVER = replace(SERVER, device_authorization_endpoint="https://as.example/device")
LOCAL = replace(DEVICE_SERVER, token_endpoint="http://localhost:9/token")
CODES: dict[str, Any] = {
    "device_code": "dc-canary",
    "user_code": "WDJB-MJHT",
    "verification_uri": "https://as.example/activate",
    "verification_uri_complete": "https://as.example/activate?user_code=WDJB-MJHT",
    "expires_in": 1800,
    "interval": 7,
}


def read(server: Any = DEVICE_SERVER, *, status: Any = 200, without: Any = "", **changes: Any) -> DeviceCodes:
    members = {name: text for name, text in (CODES | changes).items() if name != without}
    return read_device_codes(answer(json.dumps(members), status=status), server=server, received_at=NOW)


def test_codes_are_asked_for_with_the_clients_authentication_scope_and_resources() -> None:
    server = replace(DEVICE_SERVER, scope_parameter="scopes", scope_separator=",", resources=("https://api.example/",))
    peer = Peer(answer(json.dumps(CODES)))

    codes = peer.run(request_device_codes(server, CLIENT, scope=("read", "write"), not_after=NOW + 5))

    assert (peer.request.method, peer.request.url) == ("POST", "https://as.example/device")
    assert peer.sent[0].not_after == NOW + 5
    assert peer.request.headers.get("Authorization") is not None
    assert form_of(peer.request) == {"scopes": "read,write", "resource": "https://api.example/"}
    assert codes == DeviceCodes(
        Secret("dc-canary"),
        "WDJB-MJHT",
        "https://as.example/activate",
        "https://as.example/activate?user_code=WDJB-MJHT",
        int(NOW) + 1800,
        7,
    )


def test_without_a_scope_none_is_sent() -> None:
    peer = Peer(answer(json.dumps(CODES)))

    _ = peer.run(request_device_codes(DEVICE_SERVER, CLIENT, not_after=NOW))

    assert form_of(peer.request) == {}


def test_a_server_without_the_endpoint_is_not_asked() -> None:
    with pytest.raises(ConfigurationError, match="device_authorization_endpoint"):
        Peer().run(request_device_codes(SERVER, CLIENT, not_after=NOW))


def test_a_poll_sends_the_code_once_and_reads_tokens() -> None:
    peer = Peer(answer('{"access_token":"at","token_type":"bearer"}'))

    tokens = peer.run(device_token(SERVER, CLIENT, device_code=Secret("dc-canary"), not_after=NOW + 5))

    assert tokens.access_token == Secret("at")
    assert peer.request.url == "https://as.example/token"
    assert peer.sent[0].not_after == NOW + 5
    assert form_of(peer.request) == {
        "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
        "device_code": "dc-canary",
    }


@pytest.mark.parametrize("code", ["authorization_pending", "slow_down", "access_denied", "expired_token"])
def test_what_a_poll_is_told_is_the_errors_code(code: str) -> None:
    peer = Peer(answer(json.dumps({"error": code}), status=400))

    with pytest.raises(ProviderError) as caught:
        peer.run(device_token(SERVER, CLIENT, device_code=Secret("dc-canary"), not_after=NOW))

    assert caught.value.error == code


@pytest.mark.parametrize("interval", [None, 5, "5", 5.9])
def test_the_interval_is_five_seconds_where_nothing_else_is_said(interval: Any) -> None:
    assert read(interval=interval).interval == 5


@pytest.mark.parametrize(
    ("given", "seconds"), [(1, 1), (0.5, 1), (300, 300), ("300", 300), (86_400, 86_400), ("000000086", 86)]
)
def test_lifetimes_and_intervals_come_as_numbers_and_as_digits(given: Any, seconds: int) -> None:
    assert read(expires_in=given).expires_at == int(NOW) + seconds
    if seconds <= 300:
        assert read(interval=given).interval == seconds


@pytest.mark.parametrize(
    "wrong", [0, -1, True, "", "-5", "1e3", "0000000086", "\N{ARABIC-INDIC DIGIT FIVE}", [], {}, 86_401]
)
def test_a_lifetime_or_interval_that_cannot_be_used_is_refused(wrong: Any) -> None:
    for name in ("expires_in", "interval"):
        with pytest.raises(MalformedResponse, match=f"no usable {name}$"):
            _ = read(**{name: wrong})


def test_an_interval_over_five_minutes_is_refused_and_a_lifetime_is_required() -> None:
    assert read(interval=300).interval == 300
    with pytest.raises(MalformedResponse):
        _ = read(interval=301)
    with pytest.raises(MalformedResponse):
        _ = read(without="expires_in")


@pytest.mark.parametrize(("name", "limit"), [("device_code", 4096), ("user_code", 64)])
def test_a_code_is_printable_ascii_within_a_limit(name: str, limit: int) -> None:
    _ = read(**{name: "x" * limit})
    for wrong in (None, "", 7, "x" * (limit + 1), "c\r\nd", "\N{FULLWIDTH DIGIT ONE}", ["c"]):
        with pytest.raises(MalformedResponse):
            _ = read(**{name: wrong})


def test_googles_name_for_the_page_is_known_and_the_page_with_the_code_may_be_missing() -> None:
    codes = read(without="verification_uri", verification_url="https://as.example/g", verification_uri_complete=None)

    assert (codes.verification_uri, codes.verification_uri_complete) == ("https://as.example/g", "")


@pytest.mark.parametrize(
    "page",
    [
        None,
        "",
        7,
        ["https://as.example/"],
        "javascript:alert(1)",
        "http://as.example/activate",
        "https://user@as.example/",
        "https://as.example/" + "x" * 2048,
        "http://localhost:9/activate",
    ],
)
def test_a_page_that_nobody_may_be_sent_to_is_refused(page: Any) -> None:
    with pytest.raises(MalformedResponse):
        _ = read(verification_uri=page)
    if page:
        with pytest.raises(MalformedResponse):
            _ = read(verification_uri_complete=page)


def test_a_page_on_loopback_is_for_a_server_on_loopback() -> None:
    longest = "https://as.example/".ljust(2048, "x")

    assert read(LOCAL, verification_uri="http://127.0.0.1:9/a").verification_uri == "http://127.0.0.1:9/a"
    assert read(verification_uri=longest).verification_uri == longest
    with pytest.raises(MalformedResponse):
        _ = read(LOCAL, verification_uri="http://as.example/a")


@pytest.mark.parametrize("status", [201, 400, 500])
def test_an_answer_with_another_status_is_an_error_whatever_it_says(status: int) -> None:
    with pytest.raises(ProviderError) as caught:
        _ = read(status=status, error="invalid_scope")

    assert caught.value.error == ("server_error" if status == 500 else "invalid_scope")


def test_an_error_with_status_200_is_an_error() -> None:
    with pytest.raises(ProviderError) as caught:
        _ = read(error="unauthorized_client")

    assert (caught.value.error, caught.value.status) == ("unauthorized_client", 200)


@pytest.mark.parametrize("body", ["", "<html>", "[]", '{"device_code":"a","device_code":"b"}'])
def test_what_is_no_answer_is_malformed(body: str) -> None:
    with pytest.raises(MalformedResponse) as caught:
        _ = read_device_codes(answer(body), server=DEVICE_SERVER, received_at=NOW)

    assert caught.value.status == 200


@pytest.mark.parametrize("status", [201, 302, 400, 401])
def test_codes_with_another_status_are_no_codes(status: int) -> None:
    with pytest.raises(ProviderError) as caught:
        _ = read(status=status)

    assert caught.value.status == status


@pytest.mark.parametrize("status", [200, 429])
def test_when_to_try_again_is_read_against_the_moment_of_the_answer(status: int) -> None:
    date = "Sun, 15 Jun 2025 15:06:45 GMT"
    response = answer('{"error":"slow_down"}', status=status, Retry_After=date)

    with pytest.raises(ProviderError) as caught:
        _ = read_device_codes(response, server=DEVICE_SERVER, received_at=NOW)

    assert caught.value.retry_after == 4.25


def test_a_single_character_is_a_code_and_a_refusal_is_read_in_the_servers_own_words() -> None:
    assert read(user_code="x", device_code="y").user_code == "x"
    server = replace(DEVICE_SERVER, error_aliases=(("nope", "invalid_scope"),))
    peer = Peer(answer('{"error":"nope"}', status=400))

    with pytest.raises(ProviderError) as caught:
        peer.run(request_device_codes(server, CLIENT, not_after=NOW))

    assert caught.value.error == "invalid_scope"
