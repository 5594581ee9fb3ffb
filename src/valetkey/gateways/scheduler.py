"""A scheduler's event (EventBridge, Cloud Scheduler, an Azure timer): keep connections alive, deliver kept events.

    handler = keepalive_handler(Vault.from_env())

The one rule: the event is not looked at, whatever it holds: that the function was called is all it says. What comes
back is numbers and what needs a person, for the scheduler's log; it holds no token.
Not here: how a sweep works (`connections.keepalive`), how events are sent (`connections.outbox`).
"""

from __future__ import annotations

from valetkey.connections.keepalive import keepalive
from valetkey.connections.outbox import deliver_events

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from contextlib import AbstractContextManager
    from typing import Any, Protocol

    from valetkey.connections.keepalive import Keepalive
    from valetkey.connections.outbox import Delivery
    from valetkey.connections.settings import Settings
    from valetkey.effects import Op

    class Sweeps(Protocol):
        """A Vault or AsyncVault."""

        @property
        def settings(self) -> Settings:
            """The deployment as the programs see it."""
            ...

        def run(self, op: Op[Any]) -> Any:
            """The program's result, or something to await for it."""
            ...

        def invocation(self, context: object) -> AbstractContextManager[object]:
            """Let the vault see how much time is left."""
            ...


def keepalive_handler(vault: Sweeps) -> Callable[..., dict[str, object]]:
    """The handler to name in the function's configuration; call it with whatever the platform passes.

    `(event, context)` on AWS Lambda, one argument or two elsewhere. Give the function minutes, and call it every hour.
    """

    def handler(event: object = None, context: object = None) -> dict[str, object]:
        del event
        with vault.invocation(context):
            delivery: Delivery = _result(vault.run(deliver_events(vault.settings)))
            swept: Keepalive = _result(vault.run(keepalive(vault.settings)))
        return {**described(swept), "events": {name: getattr(delivery, name) for name in delivery.__match_args__}}

    return handler


def described(swept: Keepalive) -> dict[str, object]:
    """The report as JSON has it."""
    fields: dict[str, object] = {name: getattr(swept, name) for name in swept.__match_args__}
    waiting = [{name: getattr(item, name) for name in item.__match_args__} for item in swept.waiting]
    return {**fields, "waiting": waiting, "finished": not swept.cursor}


def _result(answer: Any) -> Any:
    """The answer, awaited on a loop of its own where the vault is an AsyncVault."""
    if not hasattr(answer, "__await__"):
        return answer
    import asyncio

    async def waited() -> Any:
        awaited: Awaitable[Any] = answer
        return await awaited

    return asyncio.run(waited())
