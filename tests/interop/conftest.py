from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.interop import peers

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def node_oidc_provider() -> Iterator[peers.NodeOidcProvider]:
    """The npm package oidc-provider: its base URL and clients. Rotates refresh tokens, kills the family on replay."""
    yield from peers.node_oidc_provider()
