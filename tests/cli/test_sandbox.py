"""What `valetkey sandbox` is for: the opt-ins of docs/oauth2.md, tried by hand with the clients that it prints."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from valetkey.cli.sandbox import announce
from valetkey.errors import ConfigurationError, ProviderError
from valetkey.keys.local import generate_key
from valetkey.sandbox import Sandbox, approve, demo_clients, old_grant_clients, serve
from valetkey.secret import Secret
from valetkey.testing.world import callback_request
from valetkey.vault import Vault

if TYPE_CHECKING:
    from collections.abc import Iterator

BASE = "http://localhost:9/oauth"
PAGE = Path(__file__).parents[2] / "docs" / "oauth2.md"


@pytest.fixture
def provider() -> Iterator[Sandbox]:
    """As the command starts it."""
    callback = f"{BASE}/callback/fragment"
    clients = (*demo_clients(redirect_uris=(callback,)), *old_grant_clients(redirect_uris=(callback,)))
    with serve(Sandbox(now=time.time, random=os.urandom, clients=clients)) as running:
        yield running.sandbox


def settings_on_the_page(name: str) -> dict[str, str]:
    """The block of the page that configures the registration of that name."""
    prefix = f"VALETKEY_{name.upper()}_"
    lines = re.findall(rf"^({prefix}[A-Z_]+)=(\S+)$", PAGE.read_text(), re.MULTILINE)
    assert len(lines) >= 4
    return dict(lines)


def vault_of(provider: Sandbox, tmp_path: Path, configured: dict[str, str]) -> Vault:
    return Vault.from_env(
        {
            "VALETKEY_STORE": f"sqlite://{tmp_path}/rows.db",
            "VALETKEY_KEY": generate_key(os.urandom),
            "VALETKEY_BASE_URL": BASE,
            "VALETKEY_SANDBOX_BASE_URL": provider.base_url,
            **configured,
        }
    )


def test_the_password_grant_is_tried_as_the_page_says(provider: Sandbox, tmp_path: Path) -> None:
    vault = vault_of(provider, tmp_path, settings_on_the_page("old"))

    vault.connect_by_password("old", "alice", username="bob", password=Secret("pickwick"))

    answer = vault.session("old", "alice").get(f"{provider.base_url}/oauth2/me").json()
    assert answer["account"] == "bob"
    with pytest.raises(ProviderError) as wrong:
        vault.connect_by_password("old", "alice", username="bob", password=Secret("wonderland"))
    assert wrong.value.error == "invalid_grant"
    vault.close()


def test_the_implicit_grant_is_tried_as_the_page_says(provider: Sandbox, tmp_path: Path) -> None:
    vault = vault_of(provider, tmp_path, settings_on_the_page("fragment"))
    going = vault.begin_authorization("fragment", "alice")
    came_back = approve(provider.base_url, going.location)

    vault.finish_authorization(callback_request(came_back, going.set_cookies), resource_owner="alice")

    assert "#" in came_back
    answer = vault.session("fragment", "alice").get(f"{provider.base_url}/oauth2/me").json()
    assert answer["account"] == "alice"
    vault.close()


@pytest.mark.parametrize("name", ["old", "fragment"])
def test_without_the_opt_in_nothing_of_it_works(provider: Sandbox, tmp_path: Path, name: str) -> None:
    configured = {key: text for key, text in settings_on_the_page(name).items() if "ACCEPT" not in key}

    with pytest.raises(ConfigurationError):
        vault_of(provider, tmp_path, configured).connect_by_password(
            name, "alice", username="alice", password=Secret("wonderland")
        )

    assert provider.seen.count("token") == 0


@pytest.mark.parametrize(("client", "grant"), [("demo-oauth2", "password"), ("demo-implicit", "client_credentials")])
def test_each_client_may_do_its_own_grant_and_no_other(provider: Sandbox, client: str, grant: str) -> None:
    from valetkey.http import FORM, Headers, Request, write_form

    fields = {"grant_type": grant, "username": "alice", "password": "wonderland", "client_id": client}
    fields["client_secret"] = f"{client}-secret"
    body = write_form(tuple(fields.items())).encode()

    answer = provider.respond(
        Request("POST", f"{provider.base_url}/oauth2/token", Headers((("Content-Type", FORM),)), body)
    )

    assert answer.status == 400
    assert b"unauthorized_client" in answer.body


def test_every_client_is_printed_with_its_secret(capsys: pytest.CaptureFixture[str]) -> None:
    announce("http://127.0.0.1:8400", (*demo_clients(), *old_grant_clients()), as_json=False)

    said = capsys.readouterr().out
    for name in ("demo-oauth1", "demo-oauth2", "demo-password", "demo-implicit"):
        assert f"{name}-secret" in said
