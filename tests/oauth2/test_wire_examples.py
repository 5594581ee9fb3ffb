"""What the RFCs print as examples of answers and requests, read and built (tests/vectors/oauth2_wire.json)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.oauth2.peer import CLIENT, NOW, SERVER, Peer, answer, form_of
from tests.oauth2.vectors import load

from valetkey.errors import AuthorizationDenied, CallbackError
from valetkey.http import base64url, read_form
from valetkey.oauth2.assertion import jwt_bearer_grant
from valetkey.oauth2.authorization import read_authorization_response
from valetkey.oauth2.authorization_request import PushedRequest, read_pushed_response
from valetkey.oauth2.device import DeviceCodes, read_device_codes
from valetkey.secret import Secret
from valetkey.value import replace

VECTORS = load("oauth2_wire")


def source(vector: Any) -> str:
    return str(vector["source"])


@pytest.mark.parametrize("vector", VECTORS["device"], ids=source)
def test_the_published_device_authorization_answer_is_read(vector: Any) -> None:
    expect = vector["expect"]

    found = read_device_codes(answer(json.dumps(vector["input"])), server=SERVER, received_at=NOW)

    assert found == DeviceCodes(
        Secret(expect["device_code"]),
        expect["user_code"],
        expect["verification_uri"],
        expect["verification_uri_complete"],
        int(NOW) + expect["lives"],
        expect["interval"],
    )


@pytest.mark.parametrize("vector", VECTORS["pushed"], ids=source)
def test_the_published_answer_to_a_pushed_request_is_read(vector: Any) -> None:
    expect = vector["expect"]

    found = read_pushed_response(answer(json.dumps(vector["input"]), status=201), server=SERVER, received_at=NOW)

    assert found == PushedRequest(expect["request_uri"], int(NOW) + expect["lives"])


@pytest.mark.parametrize("vector", VECTORS["jwt_bearer"], ids=source)
def test_the_published_jwt_is_sent_as_a_grant(vector: Any) -> None:
    parts = [json.dumps(vector["input"][name], separators=(",", ":")) for name in ("header", "claims")]
    assertion = ".".join(base64url(part.encode()) for part in (*parts, "a signature"))
    peer = Peer(answer('{"access_token":"at","token_type":"bearer"}'))

    tokens = peer.run(jwt_bearer_grant(SERVER, CLIENT, assertion=Secret(assertion), not_after=NOW))

    assert peer.request.body.decode().startswith(vector["expect"])
    assert form_of(peer.request)["assertion"] == assertion
    assert tokens.access_token == Secret("at")


@pytest.mark.parametrize("vector", VECTORS["callbacks"], ids=source)
def test_the_published_answers_of_an_issuer_are_that_issuers_alone(vector: Any) -> None:
    location, issuer = vector["input"]["location"], vector["input"]["issuer"]
    server = replace(SERVER, issuer=issuer, iss_required=True)
    pairs = read_form(location.partition("?")[2])

    try:
        found = read_authorization_response(pairs, server=server).code
    except AuthorizationDenied as denied:
        found = Secret(denied.reason)

    assert found == Secret(vector["expect"])
    with pytest.raises(CallbackError) as caught:
        _ = read_authorization_response(pairs, server=replace(server, issuer="https://attacker.example"))
    assert caught.value.reason == "issuer_mismatch"
