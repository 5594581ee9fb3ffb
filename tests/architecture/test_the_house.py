"""The shape of the house: imports go down, programs are run, names load when they are used, verbs exist in both colours."""

from __future__ import annotations

import ast
import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest
from tools import program_guard, tables

import valetkey
from valetkey.async_vault import AsyncVault
from valetkey.vault import Vault

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "valetkey"


def test_imports_only_go_down() -> None:
    done = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout


def test_no_program_is_built_without_being_run() -> None:
    assert program_guard.findings(SOURCE) == []


@pytest.mark.parametrize(
    ("source", "finding"),
    [
        ("def f() -> Op[int]:\n    x = yield Now()\n", "a bare yield"),
        ("class Now(Effect[float]): ...\ndef f() -> Op[int]:\n    Now()\n    yield from g()\n", "built but never run"),
        ("def g() -> Op[int]: ...\ndef f() -> Op[int]:\n    x = g()\n    yield from h()\n", "assigned but never run"),
        (
            "def f() -> Op[int]:\n    try:\n        pass\n    finally:\n        yield from g()\n",
            "an effect in `finally`",
        ),
    ],
)
def test_the_guard_finds_what_type_checkers_do_not(source: str, finding: str) -> None:
    tree = ast.parse(source)
    path = Path("room.py")

    found = program_guard.findings_in(path, tree, program_guard.lazy_names({path: tree}))

    assert any(finding in line for line in found)


def test_a_program_that_is_handed_on_is_no_finding() -> None:
    tree = ast.parse("def g() -> Op[int]: ...\ndef f() -> Op[int]:\n    op = g()\n    return (yield from op)\n")
    path = Path("room.py")

    assert program_guard.findings_in(path, tree, program_guard.lazy_names({path: tree})) == []


def verbs(front: type) -> dict[str, str]:
    found = {}
    for name, member in inspect.getmembers(front, inspect.isfunction):
        if not name.startswith("_"):
            parameters = inspect.signature(member).parameters.values()
            found[name] = ", ".join(str(parameter) for parameter in parameters)
    return found


def test_both_vaults_have_the_same_verbs_with_the_same_parameters() -> None:
    assert verbs(Vault) == verbs(AsyncVault)
    assert {"begin_authorization", "finish_authorization", "sign", "access_token", "revoke"} <= set(verbs(Vault))


def test_every_public_name_is_there_and_documented() -> None:
    for name in valetkey.__all__:
        found = getattr(valetkey, name)

        assert found.__doc__, name
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        valetkey.Nothing  # noqa: B018


def test_every_room_says_what_it_is_for() -> None:
    rooms = [path for path in SOURCE.iterdir() if path.is_dir() and path.name != "__pycache__"]

    for room in rooms:
        page = ast.get_docstring(ast.parse((room / "__init__.py").read_text())) or ""
        assert "one rule" in page.lower(), room.name
        assert "not here" in page.lower(), room.name


def test_no_file_outgrows_a_few_screens() -> None:
    sizes = {path: len(path.read_text().splitlines()) for path in SOURCE.rglob("*.py")}

    assert {path.name: size for path, size in sizes.items() if size > 420} == {}


def test_nothing_branches_on_a_provider_by_name() -> None:
    names = {path.stem for path in (SOURCE / "providers" / "catalog").glob("*.toml")}
    found = []
    for path in SOURCE.rglob("*.py"):
        if path.relative_to(SOURCE).parts[0] in ("cli", "testing", "sandbox"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Compare):
                texts = {part.value for part in ast.walk(node) if isinstance(part, ast.Constant)}
                if texts & names:
                    found.append(f"{path}:{node.lineno}")

    assert found == []


def modules_after(statement: str) -> set[str]:
    """Top-level modules that a fresh interpreter has after the statement and not before."""
    program = (
        "import sys; before = set(sys.modules)\n"
        f"{statement}\n"
        "print('\\n'.join(name for name in sys.modules if name not in before))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program_with_path(program)], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def program_with_path(program: str) -> str:
    site = str(Path(importlib.import_module("valetkey").__file__ or "").parents[1])
    return f"import sys; sys.path.insert(0, {site!r})\n{program}"


def test_importing_valetkey_imports_nothing_else() -> None:
    assert modules_after("import valetkey") == {"valetkey"}


def test_the_compiled_catalog_is_what_its_files_say() -> None:
    assert tables.stale_catalog(write=False) == [], "run make docs"


def test_the_tables_in_the_documents_are_those_of_the_code() -> None:
    for path in (ROOT / "docs").glob("*.md"):
        assert tables.with_tables(path.read_text()) == path.read_text(), f"{path.name}: run make docs"
