"""Providers where every tenant has a host of its own: one registration, a context and a redirect URI for each tenant.

    registration `zendesk`, tenant `acme`  ->  context `zendesk:acme`, hosts https://acme.zendesk.com/...

The one rule: a tenant is one label of a host name, in the one spelling that DNS and people agree on, and it is checked
before a URL is made of it. What a tenant's URLs may look like is the entry's; which tenants there may be is the
registration's.
Not here: finding a context by its name (`connections.registrations`).
"""

from __future__ import annotations

from valetkey.errors import ConfigurationError
from valetkey.providers.registration import Registration, register
from valetkey.providers.schema import is_tenant
from valetkey.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from valetkey.providers.provider import Provider

SEPARATOR = ":"
MAX_KEPT = 256


@value
class Tenants:
    """A registration at a provider with tenants.

    allowed: the tenants that it is for; empty: every one that the provider has.
    redirect_uri: of all of them, where the provider takes one only; a context's own ends with `:` and its tenant.
    kept: what was made in this process, so that what a context learns (keys, clocks, nonces) is not lost at once.
    """

    name: str
    title: str
    allowed: tuple[str, ...]
    redirect_uri: str
    shared_redirect_uri: bool
    make: Callable[[str], Registration]
    kept: dict[str, Registration]

    def of(self, tenant: str) -> Registration | None:
        """The tenant's registration; None for what is no tenant, or not one of ours."""
        if not is_tenant(tenant) or (self.allowed and tenant not in self.allowed):
            return None
        found = self.kept.get(tenant)
        if found is None:
            found = self.make(tenant)
            if len(self.kept) >= MAX_KEPT:  # somebody tries names: what is known anew is only slower
                self.kept.clear()
            self.kept[tenant] = found
        return found

    def __repr__(self) -> str:
        return f"Tenants({self.name}, {', '.join(self.allowed) or 'any'})"


def register_tenants(
    name: str, provider: Provider, *, redirect_uri: str, allowed: tuple[str, ...] = (), **given: Any
) -> Tenants:
    """The registration of an application that every tenant of the provider may use.

    provider: one with tenants, as `load_provider` reads it. allowed: see `Tenants`. given: what `register` takes.
    Raises ConfigurationError with everything that is wrong.
    """
    rules, for_tenant = provider.tenants, provider.for_tenant
    if rules is None or for_tenant is None:
        message = f"{name}: `tenants` belongs to providers whose tenants have hosts of their own"
        raise ConfigurationError(message)
    problems = [f"{name}: `tenants`: {tenant!r} is no tenant: {WRITTEN}" for tenant in allowed if not is_tenant(tenant)]
    problems += [
        f"{name}: `tenants`: {tenant!r} is none of the provider's: {', '.join(rules.allowed)}"
        for tenant in allowed
        if rules.allowed and tenant not in rules.allowed
    ]
    if problems:
        raise ConfigurationError(problems)

    def make(tenant: str) -> Registration:
        own = redirect_uri if rules.shared_redirect_uri else f"{redirect_uri}{SEPARATOR}{tenant}"
        return register(f"{name}{SEPARATOR}{tenant}", for_tenant(tenant), redirect_uri=own, **given)

    few = allowed or rules.allowed
    found = Tenants(name, provider.title, few, redirect_uri, rules.shared_redirect_uri, make, {})
    example = make(few[0] if few else EXAMPLE)  # so that whatever is wrong is said at start
    server: Any = example.provider.server
    plain = getattr(server, "state_in_callback", getattr(server, "response_mode", "query") == "query")
    if rules.shared_redirect_uri and (example.takes_fragments or not plain):
        message = f"{name}: one redirect URI for all tenants needs a `state` in the query of the callback"
        raise ConfigurationError(message)
    return found


EXAMPLE = "tenant"
WRITTEN = "one label of a host name in lower case, such as acme"
