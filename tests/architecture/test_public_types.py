"""Types of other people's HTTP clients stand in no interface of ours, but in the integration for that very client."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import valetkey

SOURCE = Path(__file__).parents[2] / "src" / "valetkey"
LIBRARIES = {"requests", "httpx", "httpx2", "aiohttp", "urllib3", "httpcore", "httpcore2", "yarl"}


def imported(tree: ast.Module) -> dict[str, str]:
    """What each name of the file comes from, imports for type checkers included."""
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {(one.asname or one.name.partition(".")[0]): one.name for one in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {(one.asname or one.name): f"{node.module}.{one.name}" for one in node.names}
    return found


def types_said(body: list[ast.stmt], within: str = "") -> list[tuple[str, ast.expr]]:
    """Where each annotation or base class of a public name stands, and what it says."""
    found: list[tuple[str, ast.expr]] = []
    for node in body:
        if isinstance(node, ast.If):  # Protocols and aliases for type checkers
            found += types_said(node.body, within)
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            found += [(f"{within}{node.name}", base) for base in node.bases]
            found += types_said(node.body, f"{within}{node.name}.")
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            if node.name.startswith("_") and not node.name.endswith("__"):
                continue
            given = node.args
            arguments = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
            said = [one.annotation for one in arguments if one is not None] + [node.returns]
            found += [(f"{within}{node.name}", one) for one in said if one is not None]
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id[0] != "_":
            found.append((f"{within}{node.target.id}", node.annotation))
            found += [(f"{within}{node.target.id}", node.value)] if node.value is not None else []
    return found


def named(expression: ast.expr) -> set[str]:
    """Every name in an annotation, in those that are written as text too."""
    found = set()
    for node in ast.walk(expression):
        if isinstance(node, ast.Name):
            found.add(node.id)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.isidentifier():
            found.add(node.value)
    return found


def foreign(text: str) -> set[tuple[str, str]]:
    """Which public names of a file have which library in their types."""
    tree = ast.parse(text)
    origins = imported(tree)
    aliases = {  # private aliases such as `Handler` stand for what they say
        node.target.id: named(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None
    }
    found = set()
    for where, expression in types_said(tree.body):
        names = named(expression)
        names |= {inner for name in names for inner in aliases.get(name, ())}
        libraries = {origins.get(name, "").partition(".")[0] for name in names} & LIBRARIES
        found |= {(where, library) for library in libraries}
    return found


def test_a_librarys_types_stand_in_its_own_integration_alone() -> None:
    found = {path.relative_to(SOURCE).as_posix(): foreign(path.read_text()) for path in SOURCE.rglob("*.py")}

    libraries = {name: {library for _, library in where} for name, where in found.items() if where}
    assert libraries == {
        "integrations/requests.py": {"requests"},
        "integrations/httpx.py": {"httpx"},
        "integrations/httpx2.py": {"httpx2"},
        "integrations/aiohttp.py": {"aiohttp"},
        "integrations/urllib3.py": {"urllib3"},
    }


def test_an_integration_is_made_with_types_of_ours_and_only_a_pool_is_over_a_pool() -> None:
    made = {
        f"{path.stem}.{where}"
        for path in (SOURCE / "integrations").glob("*.py")
        for where, _ in foreign(path.read_text())
        if where.endswith((".__init__", ".as_client"))
    }

    assert made == {"urllib3.VaultPool.__init__", "urllib3.VaultPool.as_client"}


@pytest.mark.parametrize(
    "text",
    [
        "import requests\ndef send(session: requests.Session) -> None: ...",
        "if TYPE_CHECKING:\n    from httpx import Client\nclass Vault:\n    def ask(self) -> list[Client] | None: ...",
        "from aiohttp import ClientSession\nclass Ours(ClientSession): ...",
        "if TYPE_CHECKING:\n    from urllib3 import Retry\nclass Value:\n    retries: 'Retry'",
        "import httpx2 as h\nasync def f(*, one: int, **more: h.Client) -> None: ...",
        "if TYPE_CHECKING:\n    from requests import Response\n    A: TypeAlias = list[Response]\ndef f(x: A) -> None: ...",
    ],
)
def test_the_check_finds_what_it_is_for(text: str) -> None:
    assert foreign(text)


def test_all_public_names_together_load_none_of_them() -> None:
    program = (
        f"import sys; sys.path.insert(0, {str(SOURCE.parent)!r}); import valetkey\n"
        f"for name in {valetkey.__all__!r}: getattr(valetkey, name)\n"
        f"print(sorted({LIBRARIES!r} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"
