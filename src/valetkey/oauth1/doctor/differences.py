"""Where two base strings part. Names of parameters are said, values never: they may be secret."""

from __future__ import annotations

from urllib.parse import unquote

from valetkey.oauth1.doctor.making import base_string_uri

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.oauth1.doctor.making import Making

MAX_SHOWN = 120


def differences(theirs: str, ours: str, right: Making) -> tuple[str, ...]:
    """One sentence for each part in which the other side's base string differs from the right one."""
    parts, mine = theirs.split("&"), ours.split("&")
    if len(parts) != 3:
        return (f"a base string has three parts joined by &, this one has {len(parts)} (section 3.4.1.1)",)
    found = []
    if parts[0] != mine[0]:
        found.append(f"method: they signed {parts[0][:16]}, the request is {right.method} (section 3.4.1.1)")
    address = unquote(parts[1])
    if address != base_string_uri(right):
        shown = address.partition("?")[0][:MAX_SHOWN] + ("?..." if "?" in address else "")
        found.append(f"address: they signed {shown}, right is {base_string_uri(right)} (section 3.4.1.2)")
    elif parts[1] != mine[1]:
        found.append("address: the same, but encoded differently (section 3.6)")
    return (*found, *_of_parameters(parts[2], mine[2]))


def _of_parameters(theirs: str, ours: str) -> list[str]:
    if theirs == ours:
        return []
    one, other = unquote(theirs).split("&"), unquote(ours).split("&")
    if one == other:
        return ["parameters: encoded differently as a whole (section 3.6)"]
    if sorted(one) == sorted(other):
        return ["parameters: the same ones in another order (section 3.4.1.3.2)"]
    names = [{field.partition("=")[0] for field in fields} for fields in (one, other)]
    found = []
    if names[1] - names[0]:
        found.append(f"parameters that they did not sign: {_listed(names[1] - names[0])} (section 3.4.1.3.1)")
    if names[0] - names[1]:
        found.append(f"parameters that they signed and the request has not: {_listed(names[0] - names[1])}")
    differ = {field.partition("=")[0] for field in set(one) ^ set(other)} & names[0] & names[1]
    if differ:
        found.append(f"parameters with another value or another encoding: {_listed(differ)} (section 3.6)")
    return found or ["parameters: the same ones, but not each as often (section 3.4.1.3.1)"]


def _listed(names: set[str]) -> str:
    shown = sorted(name[:40] if name.isprintable() else "?" for name in names)
    return ", ".join(shown[:12]) + (", ..." if len(shown) > 12 else "")
