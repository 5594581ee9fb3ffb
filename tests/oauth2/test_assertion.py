"""Assertions as grants (RFC 7521 section 4.1, RFC 7522, RFC 7523)."""

from __future__ import annotations

from typing import Any

import pytest
from tests.oauth2.peer import CLIENT, NOW, SERVER, Peer, answer, form_of

from valetkey.errors import ConfigurationError
from valetkey.http import read_form
from valetkey.oauth2.assertion import jwt_bearer_grant, saml_bearer_grant
from valetkey.secret import Secret
from valetkey.value import replace

GRANTED = answer('{"access_token":"at","token_type":"bearer","expires_in":60}')
GRANTS: list[tuple[Any, str, str]] = [
    (jwt_bearer_grant, "urn:ietf:params:oauth:grant-type:jwt-bearer", "eyJh.eyJp.c2ln-_"),
    (saml_bearer_grant, "urn:ietf:params:oauth:grant-type:saml2-bearer", "PHNhbWw-Li4u_A=="),
]


@pytest.mark.parametrize(("grant", "grant_type", "assertion"), GRANTS)
def test_an_assertion_is_traded_for_tokens(grant: Any, grant_type: str, assertion: str) -> None:
    server = replace(SERVER, scope_parameter="scopes", scope_separator=",", resources=("https://a.example/", "urn:b:c"))
    peer = Peer(GRANTED)

    tokens = peer.run(grant(server, CLIENT, assertion=Secret(assertion), scope=("read", "write"), not_after=NOW + 5))

    assert (tokens.access_token, tokens.expires_at) == (Secret("at"), int(NOW) + 60)
    assert (peer.request.url, peer.sent[0].not_after) == ("https://as.example/token", NOW + 5)
    assert read_form(peer.request.body.decode()) == (
        ("grant_type", grant_type),
        ("assertion", assertion),
        ("scopes", "read,write"),
        ("resource", "https://a.example/"),
        ("resource", "urn:b:c"),
    )


@pytest.mark.parametrize(("grant", "grant_type", "assertion"), GRANTS)
def test_without_a_scope_none_is_sent(grant: Any, grant_type: str, assertion: str) -> None:
    peer = Peer(GRANTED)

    _ = peer.run(grant(SERVER, CLIENT, assertion=Secret(assertion), not_after=NOW))

    assert form_of(peer.request) == {"grant_type": grant_type, "assertion": assertion}


@pytest.mark.parametrize(
    "text",
    ["", "a", "a.b", "a.b.", ".b.c", "a..c", "a.b.c.d", "a.b.c=", "a.b.c d", "a.b.\N{LATIN SMALL LETTER E WITH ACUTE}"],
)
def test_what_is_no_jwt_is_not_sent(text: str) -> None:
    with pytest.raises(ConfigurationError):
        Peer().run(jwt_bearer_grant(SERVER, CLIENT, assertion=Secret(text), not_after=NOW))


@pytest.mark.parametrize("text", ["", "<saml>", "PHNh+bWw", "PHNh/bWw", "PHNh bWw", "=a"])
def test_what_is_no_encoded_saml_assertion_is_not_sent(text: str) -> None:
    with pytest.raises(ConfigurationError):
        Peer().run(saml_bearer_grant(SERVER, CLIENT, assertion=Secret(text), not_after=NOW))


@pytest.mark.parametrize(("grant", "grant_type", "assertion"), GRANTS)
def test_an_assertion_has_at_most_64_kib(grant: Any, grant_type: str, assertion: str) -> None:
    longest = "a.b.".ljust(65_536, "c") if grant is jwt_bearer_grant else "a" * 65_536
    peer = Peer(GRANTED)

    _ = peer.run(grant(SERVER, CLIENT, assertion=Secret(longest), not_after=NOW))
    with pytest.raises(ConfigurationError):
        Peer().run(grant(SERVER, CLIENT, assertion=Secret(longest + "c"), not_after=NOW))
    assert len(peer.sent) == 1
