"""An MCP server behind the npm package @cloudflare/workers-oauth-provider, which reads client id metadata documents."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from tests.interop.mcp.visitors import OWNER, Stranger
from tests.interop.peers import NODE, SOURCES, install
from tests.interop.vault.parties import BASE_URL, Pages
from tests.machine import node_or_skip

from valetkey.connections.enrolled_rows import enrolled_key, load_enrolled
from valetkey.connections.settings import Settings
from valetkey.http import Request
from valetkey.sandbox.visitor import over_http

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from valetkey.async_vault import AsyncVault
    from valetkey.vault import Vault

pytestmark = pytest.mark.node
ORIGIN = BASE_URL.removesuffix("/oauth")


@pytest.fixture(scope="module")
def pages() -> Iterator[str]:
    """Our pages, on this machine: what the world calls https://app.example."""
    with Pages(Settings({}, BASE_URL, application="Notes")) as served:
        yield served.origin


@pytest.fixture(scope="module", params=["document", "dynamic"])
def worker(request: Any, pages: str) -> Iterator[tuple[str, str]]:
    """The server's URL, and how a client comes to it."""
    node = node_or_skip("workers-oauth-provider")
    install()
    script, pipe = str(SOURCES / "workers_oauth_provider.mjs"), subprocess.PIPE
    environ = os.environ | {"DOCUMENTS": "on" if request.param == "document" else "off"}
    with subprocess.Popen(
        [node, script, str(NODE), ORIGIN, pages], stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True,
        env=environ,
    ) as process:  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            if not line.startswith("{"):
                pytest.fail("workers-oauth-provider did not start", pytrace=False)
            yield json.loads(line)["url"], request.param
        finally:
            process.stdin.close()  # its end
            _ = process.wait(10)


@pytest.fixture
def party(colour: type[Vault | AsyncVault], tmp_path: Path, worker: tuple[str, str]) -> Iterator[Stranger]:
    with Stranger(colour, f"sqlite://{tmp_path}/connections.db", worker[0]) as found:
        yield found


def test_it_is_connected_called_refreshed_and_revoked_by_its_url(party: Stranger, worker: tuple[str, str]) -> None:
    connection = party.connect()
    called = party.done(party.vault.session(party.url, OWNER).post(party.url, json={}))
    first = party.done(party.vault.access_token(party.url, OWNER))
    party.later.ahead += 4000
    party.vault = party.again()
    second = party.done(party.vault.access_token(party.url, OWNER))
    again = party.done(party.vault.session(party.url, OWNER).post(party.url, json={}))

    assert called.json()["userId"] == again.json()["userId"] == "alice"
    assert "mcp:read" in connection.scope
    assert first != second
    assert party.done(party.vault.revoke(party.url, OWNER)).at_provider == "revoked"
    row = party.done(party.vault.run(load_enrolled(party.settings, enrolled_key(party.url))))
    assert [client.enrolment for client in row.clients] == [worker[1]]


def test_the_document_that_it_read_was_ours(party: Stranger, worker: tuple[str, str]) -> None:
    url, enrolment = worker
    connection = party.connect()

    fetched = json.loads(over_http(Request("GET", url.removesuffix("/mcp") + "/fetched")).body)

    document = f"{BASE_URL}/client/{connection.registration}"
    assert (document in fetched) == (enrolment == "document")
