"""Registrations whose provider gives every tenant a host of its own (`providers.tenants`).

The one rule: a host is asked only where somebody of ours named its tenant; an example's may be a stranger's. What does
not need a tenant is looked at once, as of an example.
"""

from __future__ import annotations

from valetkey.connections.doctor import Finding, look_at_cookie, plain
from valetkey.connections.doctor_providers import look_at_registration, look_at_scopes, look_at_settings
from valetkey.oauth2.server import AuthorizationServer
from valetkey.providers.tenants import EXAMPLE
from valetkey.value import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.connections.settings import Settings
    from valetkey.effects import Op
    from valetkey.providers.tenants import Tenants

MAX_ASKED = 5  # tenants of one registration that are asked without being named


def look_at_tenants(
    settings: Settings, tenants: Tenants, named: tuple[str, ...], asked: dict[str, tuple[Finding, ...]]
) -> Op[list[Finding]]:
    """What is wrong with a registration for all tenants, and with each tenant that somebody named.

    named: tenants that whoever asks the doctor gave; else the first few that the registration is limited to.
    """
    name = tenants.name
    own = tenants.redirect_uri if tenants.shared_redirect_uri else f"{tenants.redirect_uri}:TENANT, one for each"
    found = [
        Finding("note", name, "redirect_uri", f"its redirect URI is {own}", "register exactly that at the provider")
    ]
    few = tuple(dict.fromkeys(named)) or tenants.allowed[:MAX_ASKED]
    example = tenants.make(tenants.allowed[0] if tenants.allowed else EXAMPLE)
    everywhere = yield from look_at_settings(example)
    found += [replace(one, about=name) for one in everywhere]
    found += [replace(one, about=name) for one in (yield from look_at_cookie(settings, example))]
    server = example.provider.server
    if not few and isinstance(server, AuthorizationServer):
        found += [replace(one, about=name) for one in look_at_scopes(example, server, None)]
    if not few:
        what = "its provider was not asked: every tenant has a host of its own"
        advice = f"name one, `valetkey doctor --tenant {name}:TENANT`, or vault.doctor(tenants=('{name}:TENANT',))"
        found.append(Finding("note", name, "tenant", what, advice))
    said = {(one.check, one.what) for one in everywhere}
    for tenant in few:
        at = tenants.of(tenant)
        if at is None:
            what = f"{plain(tenant) or 'nothing'} is no tenant of it"
            advice = "write one label of a host name in lower case; VALETKEY_..._TENANTS may narrow them"
            found.append(Finding("problem", name, "tenant", what, advice))
            continue
        looked = yield from look_at_registration(settings, at, asked)
        found += [one for one in looked if (one.check, one.what) not in said]  # those are true of all
    if not named and len(tenants.allowed) > MAX_ASKED:
        what = f"{len(tenants.allowed) - MAX_ASKED} of its tenants were not asked"
        found.append(Finding("note", name, "tenant", what, f"name each: `valetkey doctor --tenant {name}:TENANT`"))
    return found


def unknown_contexts(settings: Settings, contexts: tuple[str, ...]) -> list[Finding]:
    """What was named as a tenant's context and belongs to no registration with tenants."""
    found = []
    for context in contexts:
        if context.partition(":")[0] not in settings.tenants:
            known = ", ".join(sorted(settings.tenants)) or "none"
            what = f"{plain(context)} names no registration with tenants (there are: {known})"
            advice = "write REGISTRATION:TENANT, such as zendesk:acme"
            found.append(Finding("problem", "tenants", "tenant", what, advice))
    return found
