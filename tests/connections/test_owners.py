"""Who a connection is for is said by a non-empty text, at every verb."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.connections.steps import world_of

from valetkey.errors import ConfigurationError
from valetkey.http import Headers, Request

if TYPE_CHECKING:
    from collections.abc import Callable

    from valetkey.vault import Vault

ME = Request("GET", "http://127.0.0.1:8400/oauth2/me")


def come_back(vault: Vault) -> Request:
    begun = vault.begin_authorization("two", resource_owner="alice", cookies=())
    state = begun.location.partition("state=")[2].partition("&")[0]
    cookies = Headers((("Cookie", begun.set_cookies[-1].partition(";")[0]),))
    return Request("GET", f"/oauth/callback/two?code=c&iss=http%3A%2F%2F127.0.0.1%3A8400&state={state}", cookies)


VERBS: dict[str, Callable[[Vault, Any], object]] = {
    "begin_authorization": lambda vault, owner: vault.begin_authorization("two", resource_owner=owner, cookies=()),
    "finish_authorization": lambda vault, owner: vault.finish_authorization(come_back(vault), resource_owner=owner),
    "connect_url": lambda vault, owner: vault.connect_url("two", owner),
    "access_token": lambda vault, owner: vault.access_token("two", owner),
    "sign": lambda vault, owner: vault.sign(ME, registration="two", resource_owner=owner),
    "session": lambda vault, owner: vault.session("two", owner).get(ME.url),
    "connection": lambda vault, owner: vault.connection("two", owner),
    "connections": lambda vault, owner: vault.connections(owner),
    "revoke": lambda vault, owner: vault.revoke("two", owner),
    "forget": lambda vault, owner: vault.forget("two", owner),
}


@pytest.mark.parametrize("owner", ["", 5, b"alice", ["alice"]], ids=repr)
@pytest.mark.parametrize("verb", VERBS)
def test_who_is_nobody_has_no_connection(verb: str, owner: object) -> None:
    """An application that passes "" for all who are not signed in would give one person's account to everybody."""
    world = world_of()
    _ = world.connect()

    with pytest.raises(ConfigurationError, match="named by a non-empty str"):
        VERBS[verb](world.vault(), owner)


def test_a_number_and_its_text_are_not_two_people() -> None:
    world = world_of()
    _ = world.connect(resource_owner="5")
    vault = world.vault()

    assert vault.connection("two", "5") is not None
    with pytest.raises(ConfigurationError, match=r"not by int: write str\(\.\.\.\)"):
        vault.connection("two", 5)  # type: ignore[arg-type]
