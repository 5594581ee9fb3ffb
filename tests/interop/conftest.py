from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.certificates import authority
from tests.interop import peers

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def tls_oidc_provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[peers.NodeOidcProvider]:
    """The same over TLS, with a second port that asks for client certificates (RFC 8705)."""
    folder = tmp_path_factory.mktemp("certificates")
    own = authority().issue_cert("localhost", "127.0.0.1")
    (folder / "server.pem").write_bytes(own.private_key_and_cert_chain_pem.bytes())
    (folder / "ca.pem").write_bytes(authority().cert_pem.bytes())
    yield from peers.node_oidc_provider(folder)


@pytest.fixture(scope="session")
def node_oidc_provider() -> Iterator[peers.NodeOidcProvider]:
    """The npm package oidc-provider: its base URL and clients. Rotates refresh tokens, kills the family on replay."""
    yield from peers.node_oidc_provider()
