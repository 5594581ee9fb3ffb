"""The resource owner password grant (RFC 6749 section 4.3)."""

from __future__ import annotations

import json

import pytest
from tests.oauth2.peer import CLIENT, NOW, SERVER, Peer, answer, form_of

from valetkey.errors import ProviderError, RequestRefused
from valetkey.oauth2.password import password_grant
from valetkey.secret import Secret
from valetkey.value import replace

GRANTED = answer('{"access_token":"at","token_type":"bearer"}')


def ask(username: str, password: str) -> Peer:
    peer = Peer(GRANTED)
    _ = peer.run(password_grant(SERVER, CLIENT, username=username, password=Secret(password), not_after=NOW))
    return peer


def test_a_name_and_a_password_are_traded_for_tokens() -> None:
    server = replace(SERVER, scope_parameter="scopes", scope_separator=",", resources=("https://api.example/",))
    peer = Peer(GRANTED)

    tokens = peer.run(
        password_grant(
            server, CLIENT, username="al", password=Secret("p w"), scope=("read", "write"), not_after=NOW + 5
        )
    )

    assert tokens.access_token == Secret("at")
    assert (peer.request.url, peer.sent[0].not_after) == ("https://as.example/token", NOW + 5)
    assert form_of(peer.request) == {
        "grant_type": "password",
        "username": "al",
        "password": "p w",
        "scopes": "read,write",
        "resource": "https://api.example/",
    }


def test_without_a_scope_none_is_sent() -> None:
    assert form_of(ask("al", "pw").request) == {"grant_type": "password", "username": "al", "password": "pw"}


@pytest.mark.parametrize("text", ["x", "x" * 1024, "a\tb", " ", "~", "\x80", "\ud7ff", "\ue000", "\N{GRINNING FACE}"])
def test_what_a_person_can_type_is_sent(text: str) -> None:
    assert form_of(ask(text, text).request)["username"] == text


@pytest.mark.parametrize("text", ["", "x" * 1025, "a\r\nb", "\0", "\x1f", "\x7f", "\ud800", "a\udfff"])
def test_what_cannot_be_sent_is_refused_and_not_quoted(text: str) -> None:
    for pair in (("canary", text), (text, "canary")):
        with pytest.raises(RequestRefused) as caught:
            _ = ask(*pair)
        assert (caught.value.reason, caught.value.status) == ("malformed_request", 400)
        assert "canary" not in str(caught.value)


def test_a_wrong_password_says_so_and_when_to_try_again() -> None:
    peer = Peer(answer('{"error":"invalid_grant"}', status=401, Retry_After="9"))

    with pytest.raises(ProviderError, match="password") as caught:
        peer.run(password_grant(SERVER, CLIENT, username="al", password=Secret("pw"), not_after=NOW))

    assert (caught.value.error, caught.value.status, caught.value.retry_after) == ("invalid_grant", 401, 9.0)


def test_another_refusal_is_not_blamed_on_the_password() -> None:
    peer = Peer(answer(json.dumps({"error": "invalid_client"}), status=400))

    with pytest.raises(ProviderError) as caught:
        peer.run(password_grant(SERVER, CLIENT, username="al", password=Secret("pw"), not_after=NOW))

    assert caught.value.error == "invalid_client"
    assert "password is wrong" not in str(caught.value)
