"""What this process remembers of an authorization server: its keys and its metadata as they were fetched last.

The one rule: a memory and nothing more. Two of them are equal, so that what was fetched is no part of a registration,
and everything works without: it is fetched or loaded again.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.oauth2.jwks import KeySet
    from valetkey.oauth2.metadata import Metadata


class KeptKeys:
    """A server's key set. asked_at: when it was last fetched because of a key that it did not have."""

    __slots__ = ("asked_at", "fetched_at", "found", "uri")

    def __init__(self) -> None:
        self.found: KeySet | None = None
        self.uri = ""
        self.fetched_at = 0.0
        self.asked_at = 0.0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, KeptKeys)

    def __hash__(self) -> int:
        return hash(KeptKeys)

    def __repr__(self) -> str:
        return f"KeptKeys({len(self.found.keys) if self.found else 0} keys)"


class KeptMetadata:
    """A server's metadata, used without looking until `fresh_until` (Unix seconds)."""

    __slots__ = ("found", "fresh_until")

    def __init__(self) -> None:
        self.found: Metadata | None = None
        self.fresh_until = 0.0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, KeptMetadata)

    def __hash__(self) -> int:
        return hash(KeptMetadata)

    def __repr__(self) -> str:
        return f"KeptMetadata({self.found.issuer if self.found else 'nothing'})"
