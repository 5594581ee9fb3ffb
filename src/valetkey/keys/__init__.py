"""Key rings: authenticated encryption bound to a place, and private keys that sign.

The one rule: a key is chosen by its id, never by trial. Not here: what is sealed and for which place (`connections`).
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from valetkey.effects import Place
    from valetkey.stores import Answer

    class KeyRing(Protocol):
        """Seals with its first key, opens with the one that the sealed value names."""

        def seal(self, place: Place, plaintext: bytes) -> Answer[bytes]:
            """`vk1.<key id>.<base64url>` as ASCII octets."""
            ...

        def open(self, place: Place, sealed: bytes) -> Answer[bytes]:
            """The plaintext. Raises KeyUnavailable, SealBroken."""
            ...
