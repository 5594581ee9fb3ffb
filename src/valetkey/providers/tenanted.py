"""Reading an entry whose tenants have hosts of their own: where `{tenant}` may stand, and what it becomes.

    [tenants]
    [server]
    token_endpoint = "https://{tenant}.zendesk.com/oauth/tokens"

The one rule: `{tenant}` is the first label of a host and nothing else, with the provider's own domain behind it; an
entry that would send one tenant's tokens to another's host is refused.
"""

from __future__ import annotations

from valetkey.providers import schema
from valetkey.providers.provider import TenantRules
from valetkey.providers.tenants import EXAMPLE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from valetkey.providers.provider import Provider

TENANT = "{tenant}"
SCHEMES = ("https://", "http://")  # the second only where the entry is for loopback, which is checked with the URL


def read_tenants(
    table: Mapping[str, object],
    tenant: str,
    *,
    for_tenant: Callable[[str], Provider],
    where: str,
    problems: list[str],
) -> tuple[Mapping[str, object], dict[str, Any]]:
    """The table with that tenant's hosts, and what the provider knows of its tenants; problems are collected."""
    written = table.get("tenants")
    where = f"{where}: tenants"
    rules: dict[str, Any] = {}
    if not isinstance(written, dict):
        problems.append(f"{where}: this provider has none" if written is None else f"{where}: it must be a table")
    else:
        rules = schema.read_table(written, schema.TENANTS, required=(), where=where, problems=problems)
    allowed: tuple[str, ...] = rules.get("allowed", ())
    wrong = [one for one in allowed if not schema.is_tenant(one)]
    if wrong:
        problems.append(f"{where}: allowed: not a label of a host in lower case: {', '.join(wrong)}")
    if tenant and (not schema.is_tenant(tenant) or (allowed and tenant not in allowed)):
        problems.append(f"{where}: that is no tenant of this provider")
        tenant = ""
    kept = {key: item for key, item in table.items() if key != "tenants"}
    shown = tenant or (allowed[0] if allowed and not wrong else EXAMPLE)
    seen: list[str] = []
    filled = {key: _filled(item, shown, key, where, problems, seen) for key, item in kept.items()}
    if not seen:
        problems.append(f"{where}: {TENANT} stands in no URL")
    title = f"{table.get('title')} ({tenant})" if tenant else table.get("title")
    more = {"tenants": TenantRules(**rules), "for_tenant": for_tenant, "tenant": tenant, "title": title}
    return filled, more


def _filled(item: object, tenant: str, key: str, where: str, problems: list[str], seen: list[str]) -> object:
    if isinstance(item, dict):
        return {name: _filled(part, tenant, name, where, problems, seen) for name, part in item.items()}
    if isinstance(item, list):
        return [_filled(part, tenant, key, where, problems, seen) for part in item]
    if not isinstance(item, str):
        return item
    if key == "api_hosts" and item.startswith("*."):
        problems.append(f"{where}: api_hosts: {item} is a host of every tenant: write {TENANT}.{item[2:]}")
    if TENANT not in item:
        return item
    host = item
    for scheme in SCHEMES:
        host = host.removeprefix(scheme)
    host, _, path = host.partition("/")
    domain = host.removeprefix(TENANT).removeprefix(".").partition(":")[0]
    named = key == "api_hosts" or item.startswith(SCHEMES)
    sound = host.startswith(f"{TENANT}.") and TENANT not in domain and TENANT not in path
    if not named or not sound or not schema.is_host(domain):
        problems.append(f"{where}: {key}: {TENANT} is the first label of a host, before the provider's own domain")
        return item
    seen.append(domain)
    return item.replace(TENANT, tenant)
