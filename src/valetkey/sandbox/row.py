"""A row of the sandbox's table."""

from __future__ import annotations

from valetkey.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from valetkey.http import Response
    from valetkey.sandbox.exchange import Exchange, Refusal

    Check: TypeAlias = Callable[[Exchange], None]


@value
class Endpoint:
    """A row of the table.

    name: what faults and `seen` call it. scope: what an access token must cover. says: one line for the front page.
    """

    name: str
    path: str
    methods: tuple[str, ...]
    checks: tuple[Check, ...]
    act: Callable[[Exchange], Response]
    refuse: Callable[[Exchange, Refusal], Response]
    when: tuple[str, str] | None = None
    scope: str = ""
    says: str = ""


def refuse_all(_: Exchange) -> Response:
    """Behind a row whose last check always refuses."""
    raise AssertionError
