"""The profiles of the modules over sockets, with the transport, the clock and the chance of production."""

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING, Any

import pytest
from tests.conformance.modules import Case
from tests.conformance.stage import provider_client, registration

from valetkey.async_vault import AsyncVault
from valetkey.connections.settings import Settings
from valetkey.keys.local import LocalKeyRing
from valetkey.sandbox import Sandbox, approve, serve
from valetkey.stores.memory import MemoryStore
from valetkey.testing.world import BASE_URL, callback_request
from valetkey.vault import Vault

if TYPE_CHECKING:
    from tests.conformance.modules import Profile


@pytest.mark.parametrize("profile", ["openid", "fapi2", "signed"])
@pytest.mark.parametrize("colour", [Vault, AsyncVault], ids=["blocking", "awaiting"])
def test_an_account_is_connected_and_the_api_answers(profile: Profile, colour: type[Vault | AsyncVault]) -> None:
    case = Case("", profile=profile)
    sandbox = Sandbox(
        now=time.time, random=os.urandom, clients=(provider_client(case),), dpop_nonces=profile != "openid"
    )

    with serve(sandbox) as server:
        settings = Settings({"op": registration(case, issuer=server.base_url)}, BASE_URL)
        keys = LocalKeyRing([("test", os.urandom(32))], random=os.urandom)
        vault = colour(settings, store=MemoryStore(now=time.time), keys=keys)
        if isinstance(vault, Vault):
            subject, account = blocking(vault, server.base_url)
            vault.close()
        else:
            subject, account = asyncio.run(awaiting(vault, server.base_url))

    assert (subject, account) == ("alice", "alice")
    assert sandbox.seen.count("token", outcome="use_dpop_nonce") == int(profile != "openid")


def blocking(vault: Vault, provider: str) -> tuple[str, Any]:
    begun = vault.begin_authorization("op", "alice")
    request = callback_request(approve(provider, begun.location), begun.set_cookies)
    vault.finish_authorization(request, resource_owner="alice")
    answer = vault.session("op", "alice").get(f"{provider}/oauth2/me").json()
    return vault.userinfo("op", "alice").subject, answer["account"]


async def awaiting(vault: AsyncVault, provider: str) -> tuple[str, Any]:
    begun = await vault.begin_authorization("op", "alice")
    location = await asyncio.to_thread(approve, provider, begun.location)
    await vault.finish_authorization(callback_request(location, begun.set_cookies), resource_owner="alice")
    answer = (await vault.session("op", "alice").get(f"{provider}/oauth2/me")).json()
    subject = (await vault.userinfo("op", "alice")).subject
    await vault.close()
    return subject, answer["account"]
