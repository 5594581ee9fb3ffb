"""Vault and AsyncVault with an MCP server of the official Python SDK, which this project did not write."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.interop.mcp.sdk_server import SCOPE
from tests.interop.mcp.visitors import OWNER, Stranger

from valetkey.connections.unenrol import enrolled_page, forget_enrolled
from valetkey.errors import ConfigurationError, ReauthorizationRequired

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.interop.mcp.sdk_server import SdkServer

    from valetkey.async_vault import AsyncVault
    from valetkey.vault import Vault

ACCEPT = {"Accept": "application/json, text/event-stream"}


@pytest.fixture
def party(colour: type[Vault | AsyncVault], tmp_path: Path, sdk: SdkServer) -> Iterator[Stranger]:
    with Stranger(colour, f"sqlite://{tmp_path}/connections.db", sdk.url) as found:
        yield found


def answered(party: Stranger, method: str, **params: Any) -> Any:
    """What the server answers to an MCP request with the session's token."""
    message = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    session = party.vault.session(party.url, OWNER)
    return party.done(session.post(party.url, json=message, headers=ACCEPT))


def asked(party: Stranger, method: str, **params: Any) -> Any:
    """The result of one that goes well."""
    response = answered(party, method, **params)
    assert response.status == 200, response.body
    return response.json()["result"]


def test_a_url_is_all_that_a_tool_call_needs(party: Stranger, sdk: SdkServer) -> None:
    registered = sdk.provider.registrations

    connection = party.connect()
    version = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "notes", "version": "1"}}
    hello = asked(party, "initialize", **version)
    called = asked(party, "tools/call", name="count_notes", arguments={"folder": "work"})

    assert connection.scope == ("notes:read",)
    assert hello["serverInfo"]["name"] == "notes"
    assert called["content"][0]["text"] == "3 notes in work"
    assert sdk.provider.registrations == registered + 1
    assert set(sdk.provider.resources) == {sdk.url}


def test_the_connection_is_refreshed_and_revoked_by_the_url(party: Stranger, sdk: SdkServer) -> None:
    _ = party.connect()
    first = party.done(party.vault.access_token(party.url, OWNER))
    party.later.ahead += 3700
    party.vault = party.again()

    second = party.done(party.vault.access_token(party.url, OWNER))
    assert second != first
    assert sdk.provider.access[second.reveal()].resource == sdk.url

    assert party.done(party.vault.revoke(party.url, OWNER)).at_provider == "revoked"
    with pytest.raises(ReauthorizationRequired, match="not_connected"):
        party.done(party.vault.access_token(party.url, OWNER))


def test_its_token_goes_to_no_other_port_path_or_host(party: Stranger, sdk: SdkServer) -> None:
    _ = party.connect()
    origin = sdk.url.removesuffix("/mcp")
    elsewhere = [f"{origin}/", f"{origin}/mcp2", f"{origin}/mcp/../x", "http://127.0.0.1:9/mcp", "http://localhost/mcp"]

    for url in elsewhere:
        with pytest.raises(ConfigurationError):
            party.done(party.vault.session(party.url, OWNER).get(url))


def test_everybody_who_connects_it_shares_one_registration(party: Stranger, sdk: SdkServer) -> None:
    registered = sdk.provider.registrations

    found = party.at_once(lambda vault: vault.begin_mcp_authorization(party.url, OWNER), callers=12)

    assert len({going.location.partition("&redirect_uri")[0] for going in found}) == 1
    assert sdk.provider.registrations == registered + 1


def test_a_forgotten_registration_is_made_anew(party: Stranger, sdk: SdkServer) -> None:
    _ = party.connect()
    assert party.done(party.vault.run(forget_enrolled(party.settings, party.url))) == "unsupported"
    assert party.done(party.vault.run(enrolled_page(party.settings))).rows == ()
    registered = sdk.provider.registrations

    assert party.connect().registration.startswith("mcp-")
    assert sdk.provider.registrations == registered + 1


def test_a_403_that_names_no_scope_is_the_answer_and_what_is_required_by_the_url_then_suffices(
    party: Stranger, sdk: SdkServer
) -> None:
    """The SDK says only in its description which scope it wants; the application knows."""
    sdk.provider.withholds = True
    connection = party.connect()
    sdk.provider.withholds = False
    assert connection.scope == ()
    assert answered(party, "tools/list").status == 403
    with pytest.raises(ReauthorizationRequired) as caught:
        party.done(party.vault.require(party.url, OWNER, scope=(SCOPE,)))

    wanted, _ = party.consent(caught.value.connect_url)

    assert (wanted["scope"], wanted["resource"]) == (SCOPE, sdk.url)
    assert asked(party, "tools/list")["tools"][0]["name"] == "count_notes"
    assert party.done(party.vault.require(party.url, OWNER, scope=(SCOPE,))).scope == (SCOPE,)
