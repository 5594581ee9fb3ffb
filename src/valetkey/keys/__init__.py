"""Key rings: authenticated encryption bound to a place, and private keys that sign.

`aead` seals one value under one key; `local` is the ring of keys that the operator wrote down; `envelope` is the ring
whose keys a key service wraps, `aws_kms`, `gcp_kms` and `azure_key_vault` ask the three of them, `key_service` is what
they share, and `open` makes either ring from its text. `signer` makes RSA and EC signatures with keys in PEM.
`cryptography` is imported by the functions that need it, never with the module.

The one rule: a key is chosen by its id, never by trial. Not here: what is sealed and for which place (`connections`).
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable
    from typing import Protocol

    from valetkey.effects import Place, WireOp

    class KeyRing(Protocol):
        """Seals with its first key, opens with the one that the sealed value names."""

        def seal(self, place: Place, plaintext: bytes) -> bytes | Awaitable[bytes] | WireOp[bytes]:
            """`vk1.<key id>.<base64url>` as ASCII octets."""
            ...

        def derive(self, place: Place) -> bytes | Awaitable[bytes] | WireOp[bytes]:
            """32 octets that only this ring can make, for a place where nothing is sealed. Raises KeyUnavailable."""
            ...

        def open(self, place: Place, sealed: bytes) -> bytes | Awaitable[bytes] | WireOp[bytes]:
            """The plaintext. Raises KeyUnavailable, SealBroken."""
            ...
