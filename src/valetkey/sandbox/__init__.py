"""The sandbox: a strict OAuth 1.0a and OAuth 2.0 provider to try things on and to test against.

    from valetkey.sandbox import Sandbox, SandboxClient, serve

What is where:

    sandbox.py     `Sandbox`: one request in, one response out; in memory, thread-safe, no sockets
    table.py       which path runs which checks in which order, and what acts once all of them passed
    row.py         what a row is; table_oauth1.py: those of OAuth 1.0a
    checks/        one small file per check; a check passes silently or raises `Refusal`
    endpoints/     what acts: pages, codes, tokens, protected resources
    responses.py   how an authorization response goes back: in the query, posted, as a signed JWT
    refusals.py    how a refusal reads in each endpoint's dialect (JSON, redirect, page, oauth_problem, challenge)
    state.py       what is remembered; rotation.py: which refresh tokens may still be used
    signing.py     its keys and what it signs; id_tokens.py: who signed in; spoilt.py: what faults do to both
    client_jwt.py  what clients sign; proofs.py: proofs that they hold a key
    faults.py      misbehaviour on request; seen.py: what was asked, without secrets
    server.py      the same on a loopback port; visitor.py: a visitor who signs in and consents, for tests

The one rule: an endpoint acts only after every check of its row of the table has passed. A check changes nothing but
the exchange; the four that punish (a code or refresh token used twice, a nonce, a wrong verifier) stand last.
What is issued is kept as SHA-256 only; the secrets of OAuth 1.0a, which a server must know to verify HMAC, are derived
from one key of this process when they are needed.

Not here: signatures (`oauth1.verify`), the client's side of anything, persistence. The accounts alice and bob have
their password printed on the sign-in page: this provider protects nothing.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.sandbox.clients import SandboxAccount, SandboxClient, demo_clients, old_grant_clients
    from valetkey.sandbox.faults import ResponseLost
    from valetkey.sandbox.sandbox import Sandbox
    from valetkey.sandbox.server import serve
    from valetkey.sandbox.visitor import approve, approve_device, approve_posting

_HOMES = {
    "Sandbox": "sandbox",
    "SandboxAccount": "clients",
    "SandboxClient": "clients",
    "ResponseLost": "faults",
    "approve": "visitor",
    "approve_device": "visitor",
    "approve_posting": "visitor",
    "demo_clients": "clients",
    "old_grant_clients": "clients",
    "serve": "server",
}
__all__ = [
    "ResponseLost",
    "Sandbox",
    "SandboxAccount",
    "SandboxClient",
    "approve",
    "approve_device",
    "approve_posting",
    "demo_clients",
    "old_grant_clients",
    "serve",
]


def __getattr__(name: str) -> object:
    """The public names, imported when they are first asked for."""
    if name not in _HOMES:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
