"""A mistake: what was done, what to do, and what it changes in the making of a signature."""

from __future__ import annotations

from valetkey.value import replace, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from valetkey.oauth1.doctor.making import Making

    Change: TypeAlias = Callable[[Making], Making]


@value
class Mistake:
    """A mistake of one kind. says: what was done; advice: what to do; section: of RFC 5849."""

    name: str
    section: str
    says: str
    advice: str
    change: Change

    def __repr__(self) -> str:
        return f"Mistake({self.name!r})"


def setting(**fields: object) -> Change:
    """The change that gives those fields those values."""
    return lambda making: replace(making, **fields)
