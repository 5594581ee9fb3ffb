"""Who is told of events: the webhook and the application's own functions.

The one rule: a URL that a webhook goes to is https on its usual port, or on loopback; a secret is never shown.
"""

from __future__ import annotations

from valetkey.http import is_loopback, read_url
from valetkey.providers.schema import url_problem
from valetkey.secret import Secret

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from valetkey.config.sources import Sources
    from valetkey.connections.webhook import Webhook

HOOKS = ("on_event", "on_unsaved")


def read_webhook(sources: Sources) -> Webhook | None:
    """The webhook, or None where there is none; problems go into the sources."""
    url, secrets, events = sources.text("webhook_url"), sources.texts("webhook_secret"), sources.texts("webhook_events")
    if not url:
        for key in ("webhook_secret", "webhook_events"):
            if sources.has(key):
                sources.problem(key, f"it is of no use without {sources.variable('webhook_url')}")
        return None
    from valetkey.connections.events import EVENTS
    from valetkey.connections.webhook import Webhook, secret_problem

    problem = _url_problem(url)
    if problem:
        sources.problem("webhook_url", problem)
    if not secrets:
        hint = "what signs the webhook, such as whsec_...; make one with: valetkey events secret"
        sources.problems.append(f"{sources.variable('webhook_secret')} is missing: {hint}")
    for problem in filter(None, map(secret_problem, secrets)):
        sources.problem("webhook_secret", problem)
    unknown = [name for name in events if name not in EVENTS]
    if unknown:
        sources.problem("webhook_events", f"not an event: {', '.join(unknown)} (known: {', '.join(EVENTS)})")
    return Webhook(url, tuple(map(Secret, secrets)), events)


def read_hooks(sources: Sources) -> Mapping[str, str]:
    """The names of the functions, by the parameter of a vault that takes them; problems go into the sources."""
    found = {}
    for key in HOOKS:
        name = sources.text(key)
        if not name:
            continue
        module, colon, function = name.partition(":")
        if not colon or not function.isidentifier() or not all(part.isidentifier() for part in module.split(".")):
            sources.problem(key, "it names a function as package.module:function")
        found[key] = name
    return found


def _url_problem(url: str) -> str:
    problem = url_problem(url, loopback_allowed=True)
    if problem:
        return problem
    parts = read_url(url)
    if not is_loopback(parts.host) and parts.port not in (None, 443):
        return "it must be on the usual port of https: a webhook goes to public addresses only"
    return ""
