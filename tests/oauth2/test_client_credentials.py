"""The client credentials grant (RFC 6749 section 4.4)."""

from __future__ import annotations

import pytest
from tests.oauth2.peer import CLIENT, NOW, SERVER, Peer, answer, form_of

from valetkey.errors import ConfigurationError
from valetkey.oauth2.client_credentials import client_credentials_grant
from valetkey.secret import Secret
from valetkey.value import replace

GRANTED = answer('{"access_token":"at","token_type":"bearer","expires_in":60,"refresh_token":"rt","scope":"read"}')


def test_a_client_gets_a_token_for_itself_and_no_refresh_token() -> None:
    server = replace(SERVER, scope_parameter="scopes", scope_separator=",", resources=("https://api.example/",))
    peer = Peer(GRANTED)

    tokens = peer.run(client_credentials_grant(server, CLIENT, scope=("read", "write"), not_after=NOW + 5))

    assert (tokens.access_token, tokens.refresh_token, tokens.scope) == (Secret("at"), None, ("read",))
    assert (peer.request.url, peer.sent[0].not_after) == ("https://as.example/token", NOW + 5)
    assert peer.request.headers.get("Authorization") is not None
    assert form_of(peer.request) == {
        "grant_type": "client_credentials",
        "scopes": "read,write",
        "resource": "https://api.example/",
    }


def test_without_a_scope_none_is_sent() -> None:
    peer = Peer(GRANTED)

    _ = peer.run(client_credentials_grant(SERVER, CLIENT, not_after=NOW))

    assert form_of(peer.request) == {"grant_type": "client_credentials"}


def test_a_public_client_is_refused() -> None:
    server = replace(SERVER, token_endpoint_auth_method="none")

    with pytest.raises(ConfigurationError):
        Peer().run(client_credentials_grant(server, CLIENT, not_after=NOW))
