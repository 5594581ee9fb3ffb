"""Which refresh tokens may still be used, by rotation mode (RFC 9700 section 4.14.2).

    mode             first use   again, successor unused          again, successor used
    none, stable     yes         yes (there is no successor)
    window           yes         yes, for window_seconds          no
    until_new_used   yes         yes                              no
    strict           yes         no                               no
    strict_family    yes         no, and the grant is revoked     no, and the grant is revoked

A token that is used again in its window gets one more successor; siblings live side by side until one of their own
successors is used. Where reuse kills the family, every `no` above but `strict`'s revokes the grant.
"""

from __future__ import annotations

from valetkey.value import replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.sandbox.clients import SandboxClient
    from valetkey.sandbox.state import RefreshToken, State


def may_be_used(token: RefreshToken, client: SandboxClient, *, now: float) -> bool:
    """Whether the token still works."""
    if client.rotation in ("none", "stable") or token.used_at is None:
        return True
    if token.successor_used:
        return False
    if client.rotation == "window":
        return now < token.used_at + client.window_seconds
    return client.rotation == "until_new_used"


def reuse_kills_family(client: SandboxClient) -> bool:
    """Whether a spent token revokes its whole grant: the client's own setting, else the mode's habit."""
    if client.reuse_kills_family is not None:
        return client.reuse_kills_family
    return client.rotation in ("window", "until_new_used", "strict_family")


def mark_used(state: State, name: str, *, now: float) -> None:
    """Write down the use: a window starts with the first one, and a used successor ends its parent's."""
    token = state.refresh_tokens[name]
    if token.used_at is None:
        state.refresh_tokens[name] = replace(token, used_at=now)
    parent = state.refresh_tokens.get(token.parent)
    if parent is not None:
        state.refresh_tokens[token.parent] = replace(parent, successor_used=True)
