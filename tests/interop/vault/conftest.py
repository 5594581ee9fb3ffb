"""Both colours of the vault on both stores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.stores.bench import TRANSPORT
from tests.stores.conftest import make_table
from tests.stores.servers import moto as serve_moto

from valetkey.async_vault import AsyncVault
from valetkey.vault import Vault

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def moto() -> Iterator[str]:
    yield from serve_moto()
    TRANSPORT.close()


@pytest.fixture(params=[Vault, AsyncVault], ids=["blocking", "awaiting"])
def colour(request: pytest.FixtureRequest) -> type[Vault | AsyncVault]:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture(params=["sqlite", "dynamodb"])
def store_url(request: Any, tmp_path: Path) -> str:
    """A store of its own for each test."""
    if request.param == "sqlite":
        return f"sqlite://{tmp_path}/connections.db"
    endpoint = request.getfixturevalue("moto")
    return f"dynamodb://{make_table(endpoint)}?endpoint={endpoint}"
