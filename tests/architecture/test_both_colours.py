"""Every verb meets a server that this project did not write, through Vault and through AsyncVault.

The tests in `tests/interop/vault` and `tests/interop/mcp` are told their colour by a parameter; so a verb that is called there is
called in both.
"""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

from valetkey.vault import Vault

INTEROP = Path(__file__).parents[1] / "interop"
TREES = [ast.parse(file.read_text()) for room in ("vault", "mcp") for file in sorted((INTEROP / room).glob("*.py"))]
CALLS = [node for tree in TREES for node in ast.walk(tree) if isinstance(node, ast.Call)]
BY_INTEGRATIONS = {"attempt", "attempt_as_client", "next_attempt"}
"""What everybody's own HTTP client asks a vault, in `test_own_clients.CLIENTS`, which names the colour of each."""
NOBODY_ELSE_HAS = {"connect_by_xauth": "no package was found that has the server's side of xAuth: the sandbox has it"}


def verbs() -> set[str]:
    """The verbs of a vault that an application calls."""
    named = {name for name, member in vars(Vault).items() if inspect.isfunction(member)}
    return {name for name in named if not name.startswith("_")} - {"run", "close"}


def called() -> set[str]:
    """The names of what is called on something that is named a vault, or was just made one."""
    found = set()
    for call in CALLS:
        if isinstance(call.func, ast.Attribute):
            whose = ast.unparse(call.func.value)
            if whose.endswith(("vault", ".again()", "restored")):
                found.add(call.func.attr)
    return found


def test_every_verb_is_called_with_a_server_of_others() -> None:
    missing = verbs() - called() - BY_INTEGRATIONS - set(NOBODY_ELSE_HAS)

    assert missing == set()
    assert not called() & set(NOBODY_ELSE_HAS), "somebody has it: take it off the list"


def test_the_colour_of_a_vault_in_these_tests_is_always_a_parameter() -> None:
    made = [ast.unparse(call.args[0]) for call in CALLS if ast.unparse(call.func) in ("Party", "Stranger")]

    assert set(made) == {"colour", "party.colour"}
    assert not [call for call in CALLS if ast.unparse(call.func) in ("Vault", "AsyncVault")]
