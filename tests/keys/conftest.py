"""A KMS server and the world that asks it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.keys.steps import KmsServer
from tests.stores import servers

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def kms_endpoint() -> Iterator[str]:
    yield from servers.moto()


@pytest.fixture
def kms(kms_endpoint: str) -> Iterator[KmsServer]:
    with KmsServer(kms_endpoint) as server:
        yield server
