"""The sandbox's implicit grant (RFC 6749 section 4.2): only for who is registered for it, and only in the fragment."""

from __future__ import annotations

import json
from typing import Any

import pytest

from valetkey.http import Request, read_form, write_form
from valetkey.sandbox import Sandbox, SandboxClient, approve
from valetkey.sandbox.clients import GRANT_TYPES, IMPLICIT, OPENID, READ
from valetkey.testing.world import PROVIDER_URL, VirtualClock

REDIRECT_URI = "https://client.example/cb"
ALLOWED = SandboxClient(
    "old", redirect_uris=(REDIRECT_URI,), scopes=(READ, OPENID), grant_types=(*GRANT_TYPES, IMPLICIT)
)
PLAIN = SandboxClient("plain", redirect_uris=(REDIRECT_URI,), scopes=(READ, OPENID))
ASKED = {"client_id": "old", "response_type": "token", "scope": READ, "state": "s"}


def sandbox(*clients: SandboxClient) -> Sandbox:
    clock = VirtualClock()
    return Sandbox(now=clock.now, random=clock.random, base_url=PROVIDER_URL, clients=clients or (ALLOWED, PLAIN))


def authorize_url(**changes: str) -> str:
    return f"{PROVIDER_URL}/oauth2/authorize?{write_form((ASKED | changes).items())}"


def answer_to(at: Sandbox, decision: str = "allow", **changes: str) -> tuple[dict[str, str], dict[str, str]]:
    """What is in the query, and in the fragment."""
    landed = approve(at.respond, authorize_url(**changes), decision=decision)
    assert landed.startswith(REDIRECT_URI)
    address, _, fragment = landed.partition("#")
    return dict(read_form(address.partition("?")[2])), dict(read_form(fragment))


def refusal(at: Sandbox, **changes: str) -> tuple[str, str]:
    """Where the error is, and which."""
    location = at.respond(Request("GET", authorize_url(**changes))).headers.get("Location") or ""
    where = "fragment" if "#" in location else "query"
    return where, dict(read_form(location.replace("#", "?").partition("?")[2])).get("error", "")


def test_a_token_comes_in_the_fragment_without_a_refresh_token() -> None:
    query, fragment = answer_to(sandbox())

    assert query == {}
    assert set(fragment) == {"access_token", "token_type", "expires_in", "scope", "state", "iss"}
    assert (fragment["token_type"], fragment["state"], fragment["iss"]) == ("Bearer", "s", PROVIDER_URL)


def test_an_id_token_comes_with_it_where_it_is_asked_for() -> None:
    query, fragment = answer_to(
        sandbox(), response_type="id_token token", scope=f"{OPENID} {READ}", nonce="a-nonce-of-this-flow"
    )

    assert query == {}
    assert fragment["id_token"].count(".") == 2


def test_a_denial_comes_in_the_fragment_too() -> None:
    query, fragment = answer_to(sandbox(), decision="deny")

    assert query == {}
    assert (fragment["error"], fragment["state"]) == ("access_denied", "s")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"client_id": "plain"}, ("query", "unauthorized_client")),
        ({"response_mode": "query"}, ("fragment", "invalid_request")),
        ({"response_mode": "form_post"}, ("fragment", "invalid_request")),
        ({"scope": "admin"}, ("fragment", "invalid_scope")),
        ({"response_type": "id_token token", "scope": OPENID}, ("fragment", "invalid_request")),
        ({"response_type": "id_token token", "nonce": "n"}, ("fragment", "invalid_scope")),
        ({"response_type": "token id_token"}, ("query", "unsupported_response_type")),
        ({"response_type": "code token"}, ("query", "unsupported_response_type")),
        ({"response_type": "code"}, ("query", "invalid_request")),  # without PKCE
        ({"prompt": "none"}, ("fragment", "login_required")),
    ],
)
def test_it_is_strict(changes: dict[str, str], expected: tuple[str, str]) -> None:
    assert refusal(sandbox(), **changes) == expected


def test_nobody_gets_tokens_where_nobody_is_registered_for_them() -> None:
    assert refusal(sandbox(PLAIN), client_id="plain") == ("query", "unsupported_response_type")


def test_metadata_says_so_only_where_somebody_may() -> None:
    def metadata(*clients: SandboxClient) -> dict[str, Any]:
        url = f"{PROVIDER_URL}/.well-known/oauth-authorization-server"
        found: dict[str, Any] = json.loads(sandbox(*clients).respond(Request("GET", url)).body)
        return found

    assert metadata(PLAIN)["response_types_supported"] == ["code"]
    assert metadata(ALLOWED)["response_types_supported"] == ["code", "token", "id_token token"]
    assert "fragment" in metadata(ALLOWED)["response_modes_supported"]
    assert "implicit" in metadata(ALLOWED)["grant_types_supported"]
