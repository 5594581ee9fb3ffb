from __future__ import annotations

import pytest
from tests.oauth2.peer import CLIENT, NOW, SERVER, Peer, answer, form_of

from valetkey.errors import ConfigurationError, MalformedResponse, ProviderError, TransportError
from valetkey.http import Response
from valetkey.oauth2.revocation import revoke_token
from valetkey.secret import Secret
from valetkey.value import replace

TOKEN = Secret("rt-canary")


def revoke(*responses: Response | Exception) -> Peer:
    peer = Peer(*responses)
    peer.run(revoke_token(SERVER, CLIENT, token=TOKEN, token_type_hint="refresh_token", not_after=NOW + 5))
    return peer


def test_a_token_is_given_back_with_the_clients_authentication() -> None:
    peer = revoke(Response(200))

    assert (peer.request.method, peer.request.url) == ("POST", "https://as.example/revoke")
    assert form_of(peer.request) == {"token": "rt-canary", "token_type_hint": "refresh_token"}
    assert peer.request.headers.get("Authorization") is not None
    assert (peer.sent[0].kept, peer.sent[0].not_after, peer.sent[0].reach) == (False, NOW + 5, "configured")


@pytest.mark.parametrize(
    "response",
    [
        Response(200),
        Response(204),
        answer("<html>", content_type="text/html"),
        answer('{"error":"invalid_token"}', status=400),
        answer('{"error":"invalid_token"}', status=401),
    ],
)
def test_a_token_that_is_gone_already_is_given_back_too(response: Response) -> None:
    assert len(revoke(response).sent) == 1


@pytest.mark.parametrize(
    ("response", "error"),
    [
        (answer('{"error":"unsupported_token_type"}', status=400), "unsupported_token_type"),
        (answer('{"error":"invalid_client"}', status=401), "invalid_client"),
        (answer("", status=503, Retry_After="30"), "server_error"),
        (answer("", status=302, Location="https://other.example"), "malformed_response"),
        (answer("<html>", status=404), "malformed_response"),
    ],
)
def test_a_refusal_is_not_taken_for_success(response: Response, error: str) -> None:
    with pytest.raises(ProviderError) as caught:
        revoke(response)

    assert caught.value.error == error
    assert isinstance(caught.value, MalformedResponse) == (error == "malformed_response")
    assert caught.value.retry_after == (30.0 if error == "server_error" else None)


def test_an_answer_that_was_lost_is_reported() -> None:
    with pytest.raises(TransportError):
        revoke(TransportError("lost", maybe_received=True))


def test_the_hint_may_be_left_out() -> None:
    peer = Peer(Response(200))

    peer.run(revoke_token(SERVER, CLIENT, token=TOKEN, token_type_hint=None, not_after=NOW))

    assert form_of(peer.request) == {"token": "rt-canary"}


def test_a_server_without_the_endpoint_is_not_asked() -> None:
    server = replace(SERVER, revocation_endpoint=None)

    with pytest.raises(ConfigurationError, match="revocation"):
        Peer().run(revoke_token(server, CLIENT, token=TOKEN, token_type_hint=None, not_after=NOW))


def test_a_status_of_300_is_no_success() -> None:
    with pytest.raises(MalformedResponse) as caught:
        revoke(Response(300))

    assert caught.value.status == 300


def test_when_to_try_again_is_read_against_the_moment_of_the_answer() -> None:
    with pytest.raises(ProviderError) as caught:
        revoke(answer("", status=503, Retry_After="Sun, 15 Jun 2025 15:06:45 GMT"))

    assert caught.value.retry_after == 4.25
