"""Finds the mistakes in a generator program that no type checker sees. Prints `file:line: message`, ends with 1 if any.

    python tools/program_guard.py src/valetkey

- a bare `yield` outside effects.py, but for functions that say they are an Iterator: it loses the type of the answer
- an effect or program that is built, or assigned, but never run with `yield from` (or handed on)
- an effect inside `finally`: it does not happen when the process dies
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path

PROGRAM_TYPES = {"Op", "WireOp"}
PROGRAM_ROOMS = {"oauth1", "oauth2", "clouds", "providers", "stores", "keys", "connections", "web"}


def name_of(node: ast.expr | None) -> str:
    """The last word of a name, attribute or subscript."""
    while isinstance(node, ast.Subscript):
        node = node.value
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def lazy_names(trees: dict[Path, ast.Module]) -> set[str]:
    """What does nothing when it is called, until `yield from` runs it."""
    lazy: set[str] = set()
    for tree in trees.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and "Effect" in map(name_of, node.bases):
                lazy.add(node.name)
            if isinstance(node, ast.FunctionDef) and name_of(node.returns) in PROGRAM_TYPES:
                lazy.add(node.name)
    return lazy


def is_lazy_call(node: ast.AST | None, lazy: set[str]) -> bool:
    """Whether the expression builds a program or an effect by a plain name."""
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in lazy


def findings_in(path: Path, tree: ast.Module, lazy: set[str]) -> list[str]:
    """What is wrong in one file."""
    found = []
    iterators = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and name_of(node.returns) in ("Iterator", "AsyncIterator")
    ]
    plain = {id(node) for iterator in iterators for node in ast.walk(iterator)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Yield) and path.name != "effects.py" and id(node) not in plain:
            found.append(f"{path}:{node.lineno}: a bare yield loses the type of the answer; use yield from")
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and is_lazy_call(node.value, lazy):
            found.append(f"{path}:{node.lineno}: {name_of(node.value.func)}() is built but never run")
        if isinstance(node, ast.FunctionDef) and name_of(node.returns) in PROGRAM_TYPES:
            found += _in_program(path, node, lazy)
    return found


def _in_program(path: Path, program: ast.FunctionDef, lazy: set[str]) -> list[str]:
    found = []
    for part in ast.walk(program):
        if isinstance(part, ast.Try):
            inside = [node for statement in part.finalbody for node in ast.walk(statement)]
            if any(isinstance(node, ast.YieldFrom) for node in inside):
                found.append(f"{path}:{part.lineno}: an effect in `finally` does not happen when the process dies")
        if isinstance(part, ast.Assign) and is_lazy_call(part.value, lazy):
            used = {name_of(target) for target in part.targets}
            runs = [node.value for node in ast.walk(program) if isinstance(node, ast.YieldFrom | ast.Return)]
            if not any(isinstance(node, ast.Name) and node.id in used for node in runs):
                found.append(f"{path}:{part.lineno}: a program is assigned but never run")
    return found


def program_files(root: Path) -> list[Path]:
    """The files of the rooms that hold programs."""
    return sorted(
        path
        for path in root.rglob("*.py")
        if path.relative_to(root).parts[0] in PROGRAM_ROOMS or path.name in ("effects.py", "vault.py", "async_vault.py")
    )


def findings(root: Path) -> list[str]:
    """Everything that is wrong below the package's folder."""
    trees = {path: ast.parse(path.read_text()) for path in program_files(root)}
    lazy = lazy_names(trees)
    return [line for path, tree in trees.items() for line in findings_in(path, tree, lazy)]


if __name__ == "__main__":
    report = findings(Path(sys.argv[1]))
    print("\n".join(report) or "programs: nothing found")
    sys.exit(bool(report))
