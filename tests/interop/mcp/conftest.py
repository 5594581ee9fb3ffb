from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.interop.mcp.sdk_server import SdkServer, sdk_server

from valetkey.async_vault import AsyncVault
from valetkey.vault import Vault

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def sdk() -> Iterator[SdkServer]:
    """An MCP server of the official Python SDK."""
    yield from sdk_server()


@pytest.fixture(params=[Vault, AsyncVault], ids=["blocking", "awaiting"])
def colour(request: pytest.FixtureRequest) -> type[Vault | AsyncVault]:
    return request.param  # type: ignore[no-any-return]
