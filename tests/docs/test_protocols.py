"""The blocks of the pages about OAuth 2.0, MCP and events run as they stand, in a world whose provider is the sandbox."""

from __future__ import annotations

import ast
import os
import re
import sys
import time
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from tests.connections.steps import world_of

from valetkey.connections.settings import McpSettings
from valetkey.connections.webhook import Webhook, webhook_request, write_body, write_secret
from valetkey.effects import Event
from valetkey.errors import ReauthorizationRequired
from valetkey.keys.local import generate_key
from valetkey.oauth2.kept import KeptKeys
from valetkey.sandbox import approve, approve_device
from valetkey.sandbox.clients import GRANT_TYPES, OPENID, PASSWORD, READ
from valetkey.secret import Secret
from valetkey.testing.world import BASE_URL, PROVIDER_URL, World, callback_request, register_at_sandbox
from valetkey.value import replace
from valetkey.vault import Vault

if TYPE_CHECKING:
    from collections.abc import Iterator

DOCS = Path(__file__).parents[2] / "docs"
MCP_URL = "https://mcp.example.com/mcp"
WEBHOOK_SECRET = write_secret(b"w" * 32)


def blocks(page: str) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```$", (DOCS / page).read_text(), re.MULTILINE | re.DOTALL)


def block(page: str, holding: str) -> str:
    """The one Python block of the page that has this in it."""
    (found,) = [text for text in blocks(page) if holding in text]
    return found


def statements(text: str, names: dict[str, Any]) -> Iterator[Any]:
    """Runs the block, a statement for each step: what an expression came to, None for the others."""
    for node in ast.parse(text).body:
        if isinstance(node, ast.Expr):
            yield eval(compile(ast.Expression(node.value), "docs", "eval"), names)
        else:
            exec(compile(ast.Module([node], []), "docs", "exec"), names)
            yield None


def world_of_the_pages() -> World:
    """Its registrations are called as the pages call them."""
    world = world_of(
        redirect_uris=tuple(f"{BASE_URL}/callback/{name}" for name in ("example", "google")),
        grant_types=(*GRANT_TYPES, PASSWORD),
        scopes=(OPENID, READ),
    )
    example, google = (
        register_at_sandbox(name, "sandbox-oauth2", "client-two", Secret("secret-of-two"))
        for name in ("example", "google")
    )
    example = replace(example, accept_password_grant=True)
    google = replace(google, scope=(OPENID, READ), kept_keys=KeptKeys())
    world.settings = replace(
        world.settings,
        registrations={"example": example, "google": google},
        mcp=McpSettings(accept_loopback=True),
    )
    return world


@pytest.mark.parametrize("page", ["oauth2.md", "mcp.md", "events.md"])
def test_no_block_of_these_pages_is_left_out(page: str) -> None:
    run = re.findall(rf'block\("{page}", (".+?"|MCP_URL)\)', Path(__file__).read_text())

    assert len(run) == len(set(run)) == len(blocks(page))


def test_a_connection_knows_who_it_is_as_the_page_says() -> None:
    world = world_of_the_pages()
    _ = world.connect("google", "user-17")

    _, who, claims = statements(block("oauth2.md", "vault.userinfo("), {"vault": world.vault()})

    assert who == (PROVIDER_URL, "alice")
    assert claims["sub"] == "alice"


def test_what_came_beside_the_tokens_is_read_as_the_page_says() -> None:
    world = world_of_the_pages()
    _ = world.connect("example")

    beside = list(statements(block("oauth2.md", "connection.extra"), {"vault": world.vault()}))

    assert beside == [None, None, (), None], "the sandbox says nothing beside them"


def test_a_token_is_introspected_as_the_page_says() -> None:
    world = world_of_the_pages()
    _ = world.connect("example")

    _, found = statements(block("oauth2.md", "vault.introspect("), {"vault": world.vault()})

    assert found == (True, (READ,), int(world.clock.now()) + world.client.access_token_seconds, "alice")


def test_a_device_is_authorized_as_the_page_says(capsys: pytest.CaptureFixture[str]) -> None:
    world = world_of_the_pages()
    names: dict[str, Any] = {"vault": world.vault()}
    steps = statements(block("oauth2.md", "begin_device_authorization"), names)

    _ = next(steps), next(steps)
    uri, code = capsys.readouterr().out.split()
    _ = approve_device(world.sandbox.respond, uri, code)
    world.clock.time += 6
    _ = list(steps)

    assert names["step"].connection.registration == "example"
    assert world.vault().access_token("example", "alice")


def test_a_password_is_taken_as_the_page_says() -> None:
    world = world_of_the_pages()
    names = {"vault": world.vault(), "Secret": Secret, "typed_name": "alice", "typed_password": "wonderland"}

    (made,) = statements(block("oauth2.md", "connect_by_password("), names)

    assert (made.registration, made.scope) == ("example", (READ,))


def test_an_mcp_server_is_connected_and_asked_as_the_page_says() -> None:
    world = world_of_the_pages()
    vault, browser = world.vault(), SimpleNamespace(cookies={})
    names: dict[str, Any] = {"vault": vault, "request": browser}
    steps = statements(block("mcp.md", MCP_URL).replace(MCP_URL, f"{PROVIDER_URL}/mcp"), names)

    _ = next(steps)
    back = approve(world.sandbox.respond, names["going"].location)
    _ = vault.finish_authorization(callback_request(back, names["going"].set_cookies), resource_owner="alice")
    _, answer = steps

    assert [tool["name"] for tool in answer.json()["result"]["tools"]] == ["whoami"]


def test_a_function_is_told_as_the_page_says(monkeypatch: pytest.MonkeyPatch) -> None:
    mailed: list[tuple[str, str]] = []
    hooks = ModuleType("myapp.hooks")
    vars(hooks)["mail"] = lambda *words: mailed.append(words)
    monkeypatch.setitem(sys.modules, "myapp.hooks", hooks)
    text = block("events.md", "on_event=told")
    (variable,) = re.findall(r"# (VALETKEY_ON_EVENT)=(\S+)", text)
    for name in [name for name in os.environ if name.startswith("VALETKEY_")]:
        monkeypatch.delenv(name)
    for name, value in [
        variable,
        ("VALETKEY_BASE_URL", "https://app.example/oauth"),
        ("VALETKEY_STORE", "memory:"),
        ("VALETKEY_KEY", generate_key(os.urandom)),
        ("VALETKEY_GITHUB_CLIENT_ID", "id"),
        ("VALETKEY_GITHUB_CLIENT_SECRET", "canary"),
        ("VALETKEY_CONFIG", os.devnull),
    ]:
        monkeypatch.setenv(name, value)
    world = world_of(refresh_tokens=False)
    _ = world.connect("two")
    world.clock.time += world.client.access_token_seconds + 1
    parts = {name: part for name, part in world.parts().items() if name != "events"}
    vars(hooks).update(settings=world.settings, parts=parts, Vault=Vault)

    exec(compile(text.replace("..., ", "**parts, "), "docs/events.md", "exec"), vars(hooks))
    with pytest.raises(ReauthorizationRequired):
        _ = vars(hooks)["vault"].access_token("two", "alice")

    assert mailed == [("alice", "two")]


def test_a_webhook_is_verified_as_the_page_says() -> None:
    event = Event("needs_reauthorization", "github", {"reason": "invalid_grant"}, "alice")
    now = int(time.time())
    webhook = Webhook("https://app.example/hook", (Secret(WEBHOOK_SECRET),))
    sent = webhook_request(webhook, write_body(event, told_at=now), event_id="e", now=now)
    text = block("events.md", "Webhook(").replace("whsec_...", WEBHOOK_SECRET)
    names: dict[str, Any] = {"request": SimpleNamespace(body=sent.body, headers=dict(sent.headers.pairs))}

    exec(compile(text, "docs/events.md", "exec"), names)

    promised = ast.literal_eval(re.sub(r", \.\.\.\}", "}", re.findall(r"^# (\{.*\})$", text, re.MULTILINE)[0]))
    assert promised.keys() == names["content"].keys()
    assert promised["type"] == names["content"]["type"]
    assert promised["data"].items() <= names["content"]["data"].items()
