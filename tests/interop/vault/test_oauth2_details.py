"""Vault and AsyncVault with oidc-provider: authorization details (RFC 9396), which it enriches when it grants them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from tests.interop.vault.parties import OWNER, Party
from tests.interop.vault.test_oauth2_grants import DEVICE_CODE, Person
from tests.interop.vault.test_oauth2_proofs import posted, registered

from valetkey.errors import CallbackError, ProviderError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.interop.peers import NodeOidcProvider

    from valetkey.async_vault import AsyncVault
    from valetkey.providers.registration import Registration
    from valetkey.vault import Vault

pytestmark = pytest.mark.node
WANTED = {"type": "payment_initiation", "actions": ["initiate"], "locations": ["https://example.com/payments"]}
GRANTED = ({**WANTED, "consent": "c-1"},)
GRANTS = ["authorization_code", "refresh_token", "client_credentials", DEVICE_CODE]


def asking(peer: NodeOidcProvider, *wanted: object) -> Registration:
    client = {"grant_types": GRANTS, "authorization_details_types": ["payment_initiation"]}
    details = json.dumps(wanted or [WANTED])
    # oidc-provider takes details only for a resource
    return registered(peer, client=client, authorization_details=details, resources=("https://api.example/",))


def test_a_code_brings_what_was_granted_and_a_refresh_keeps_it(
    node_oidc_provider: NodeOidcProvider, colour: type[Vault | AsyncVault], tmp_path: Path
) -> None:
    with Party(colour, f"sqlite://{tmp_path}/c.db", asking(node_oidc_provider)) as party:
        party.connect()
        assert party.done(party.vault.connection("peer", OWNER)).authorization_details == GRANTED

        party.later.ahead = 4000
        _ = party.done(party.vault.access_token("peer", OWNER))

        found = party.done(party.vault.connection("peer", OWNER))
        assert (found.generation, found.authorization_details) == (2, GRANTED)


def test_a_device_and_the_client_itself_ask_for_them_too(
    node_oidc_provider: NodeOidcProvider, colour: type[Vault | AsyncVault], tmp_path: Path
) -> None:
    with Party(colour, f"sqlite://{tmp_path}/c.db", asking(node_oidc_provider)) as party:
        begun = party.done(party.vault.begin_device_authorization("peer", OWNER))
        _ = Person().decide(begun.verification_uri, begun.user_code, "confirm")
        party.later.ahead = 6
        connected = party.done(party.vault.poll_device_authorization(begun.handle, OWNER)).connection
        mine = party.done(party.vault.client_connection("peer", scope=("api",)))

        assert connected.authorization_details == mine.authorization_details == GRANTED
        assert "authorization_details" in posted(party, "/device/auth")[0]


def test_a_type_that_the_provider_does_not_know_is_told_by_its_name(
    node_oidc_provider: NodeOidcProvider, colour: type[Vault | AsyncVault], tmp_path: Path
) -> None:
    registration = asking(node_oidc_provider, {"type": "anything"})
    with Party(colour, f"sqlite://{tmp_path}/c.db", registration) as party:
        with pytest.raises(CallbackError, match="invalid_authorization_details"):
            party.connect()
        with pytest.raises(ProviderError) as caught:
            party.done(party.vault.client_token("peer", scope=("api",)))

    assert caught.value.error == "invalid_authorization_details"
