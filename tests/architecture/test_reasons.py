"""Traces say why a request was sent: every program that sends has its row."""

from __future__ import annotations

import ast
from pathlib import Path

from valetkey.trace.reasons import CAUSES, NO_STEPS, SHARED, STEPS

SOURCE = Path(__file__).parents[2] / "src" / "valetkey"


def senders() -> set[str]:
    """Every program of the protocols and of connections that sends: `room.module:function`."""
    found = set()
    for room in ("oauth1", "oauth2", "connections"):
        for path in (SOURCE / room).rglob("*.py"):
            module = ".".join(path.relative_to(SOURCE).with_suffix("").parts)
            for function in ast.walk(ast.parse(path.read_text())):
                if isinstance(function, ast.FunctionDef):
                    calls = [
                        one.func.id
                        for one in ast.walk(function)
                        if isinstance(one, ast.Call) and isinstance(one.func, ast.Name)
                    ]
                    if "Send" in calls or (calls.count("ask") and function.name != "ask"):
                        found.add(f"{module}:{function.name}")
    return found


HELPERS = {"oauth2.endpoint:_ask_once"}  # named by those who call them


def test_every_program_that_sends_has_a_reason() -> None:
    missing = senders() - STEPS.keys() - SHARED.keys() - HELPERS

    assert not missing, f"give each a row in valetkey.trace.reasons.STEPS: {sorted(missing)}"


def test_every_reason_belongs_to_a_program_that_is_there() -> None:
    for name in (*STEPS, *SHARED, *NO_STEPS, *CAUSES):
        module, _, function = name.partition(":")
        path = SOURCE / f"{module.replace('.', '/')}.py"

        assert path.exists(), name
        assert f"def {function}" in path.read_text(), name
