"""A grant that is given a key asks for tokens that are bound to it, and takes no others (RFC 9449 section 5)."""

from __future__ import annotations

from typing import Any

import pytest
from tests.oauth2.crypto_peer import SigningPeer
from tests.oauth2.peer import CLIENT, NOW, SERVER, answer

from valetkey.errors import MalformedResponse
from valetkey.keys.jwk import make_key
from valetkey.oauth2.assertion import jwt_bearer_grant, saml_bearer_grant
from valetkey.oauth2.client_credentials import client_credentials_grant
from valetkey.oauth2.device import device_token
from valetkey.oauth2.dpop import Nonces, ProofKey
from valetkey.oauth2.password import password_grant
from valetkey.oauth2.token import exchange_code, refresh_grant
from valetkey.secret import Secret

SECRET = Secret("a.b.c")
GRANTS: dict[str, tuple[Any, dict[str, Any]]] = {
    "code": (exchange_code, {"code": SECRET, "code_verifier": SECRET}),
    "refresh": (refresh_grant, {"refresh_token": SECRET}),
    "client": (client_credentials_grant, {}),
    "device": (device_token, {"device_code": SECRET}),
    "jwt": (jwt_bearer_grant, {"assertion": SECRET}),
    "saml": (saml_bearer_grant, {"assertion": Secret("abc")}),
    "password": (password_grant, {"username": "u", "password": SECRET}),
}


@pytest.mark.parametrize("name", GRANTS)
@pytest.mark.parametrize("token_type", ["DPoP", "Bearer"])
def test_a_bound_grant_is_proven_and_a_bearer_token_is_refused(name: str, token_type: str) -> None:
    grant, given = GRANTS[name]
    peer = SigningPeer(answer(f'{{"access_token":"at","token_type":"{token_type}"}}'))
    op = grant(SERVER, CLIENT, **given, proof_key=ProofKey(make_key(), Nonces()), not_after=NOW + 5)

    if token_type == "DPoP":
        assert peer.run(op).token_type == "dpop"
    else:
        with pytest.raises(MalformedResponse) as caught:
            peer.run(op)
        assert caught.value.error == "dpop_downgrade"
        assert caught.value.status == 200
    assert peer.request.headers.get("DPoP")
