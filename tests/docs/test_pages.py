"""Every page's blocks: Python that means something, commands with options that there are, variables that are configured.

Pages whose blocks run as they stand have a test of their own beside this one.
"""

from __future__ import annotations

import ast
import inspect
import os
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import pytest
from tests.gateways import events

from valetkey.cli.commands import valetkey
from valetkey.cli.demo.deployment import Deployment
from valetkey.config import read_configuration
from valetkey.http import Headers, Request
from valetkey.keys.local import generate_key
from valetkey.vault import Vault

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGES = sorted((Path(__file__).parents[2] / "docs").glob("*.md"))
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
KEPT = {
    "VALETKEY_BASE_URL": "https://app.example/oauth",
    "VALETKEY_STORE": "memory:",
    "VALETKEY_GITHUB_CLIENT_ID": "id",
    "VALETKEY_GITHUB_CLIENT_SECRET": "canary",
    "VALETKEY_CONFIG": os.devnull,
}


def blocks(page: Path, *kinds: str) -> list[str]:
    return [text for kind, text in BLOCK.findall(page.read_text()) if kind in kinds]


PYTHON = [
    pytest.param(page.name, text, id=f"{page.stem}-{index}")
    for page in PAGES
    for index, text in enumerate(blocks(page, "python"))
]
COMMANDS = [
    pytest.param(line, id=f"{page.stem}-{line.split('  ')[0]}")
    for page in PAGES
    for text in blocks(page, "", "sh")
    for line in text.splitlines()
    if line.startswith("valetkey ")
]
VARIABLES = [
    pytest.param(text, id=f"{page.stem}-{index}")
    for page in PAGES
    for index, text in enumerate(blocks(page, "", "sh"))
    if text.startswith("VALETKEY_")
]


@pytest.mark.parametrize(("page", "text"), PYTHON)
def test_what_a_block_imports_is_there_and_what_it_calls_takes_what_it_gives(page: str, text: str) -> None:
    tree = ast.parse(text, page)

    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("valetkey"):
            exec(compile(ast.Module([node], []), page, "exec"), {})
        called = node.func if isinstance(node, ast.Call) else None
        if isinstance(called, ast.Attribute) and ast.unparse(called.value) in ("vault", "async_vault"):
            assert isinstance(node, ast.Call)
            if any(isinstance(each, ast.Starred) for each in node.args):
                continue
            given = {each.arg: None for each in node.keywords if each.arg}
            _ = inspect.signature(getattr(Vault, called.attr)).bind(None, *node.args, **given)


def resolved(words: list[str]) -> tuple[click.Command, list[str]]:
    """The command that they name, and what is left for it."""
    command: click.Command = valetkey
    while words and isinstance(command, click.Group):
        found = command.get_command(click.Context(command), words[0])
        if found is None:
            break
        command, words = found, words[1:]
    return command, words


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_is_there_with_the_options_that_it_is_given(line: str) -> None:
    command, left = resolved(shlex.split(re.split(r"   | or ", line, maxsplit=1)[0])[1:])

    assert not isinstance(command, click.Group) or command.invoke_without_command, line
    options = {name for each in command.params if isinstance(each, click.Option) for name in each.opts}
    assert {word for word in left if word.startswith("--")} <= options


@pytest.mark.parametrize("text", VARIABLES)
def test_variables_are_those_of_the_configuration(text: str, tmp_path: Path) -> None:
    found = re.findall(r"^(VALETKEY_\w+)=(\S*)", text, re.MULTILINE)
    secret = "whsec_" + "A" * 43 + "="
    environ = {name: value.replace("whsec_...", secret).replace("...", "something") for name, value in found}
    if "VALETKEY_KEY" in environ:
        environ["VALETKEY_KEY"] = generate_key(os.urandom)
    environ = {name: str(tmp_path) if value == "./traces" else value for name, value in environ.items()}

    configured = read_configuration({**KEPT, "VALETKEY_KEY": generate_key(os.urandom), **environ})

    named = {name.split("_")[1].lower() for name in environ if name.endswith(("_PROVIDER", "_ISSUER"))}
    assert named <= set(configured.registrations)
    assert len(environ) > 1 or "VALETKEY_TRACE" in environ


@pytest.fixture(scope="module")
def deployment() -> Iterator[Deployment]:
    with Deployment(port=0, sandbox_port=0) as deployment:
        yield deployment


def test_the_doctor_is_asked_inside_a_function(deployment: Deployment) -> None:
    page = next(page for page in PAGES if page.name == "doctor.md")
    found: dict[str, Any] = {"vault": deployment.vault}
    for text in blocks(page, "python"):
        exec(compile(text, page.name, "exec"), found)

    class Context:
        def get_remaining_time_in_millis(self) -> int:
            return 20_000

    alone = found["handler"]({}, Context())
    elsewhere = Request("GET", "/oauth/connections", Headers((("Host", "other.example"),)))
    by_request = found["handler"](events.http(elsewhere), Context())

    assert all(set(one) == {"level", "about", "what", "advice"} for one in (*alone, *by_request))
    assert any("redirect_uri" in one["what"] or "/callback/" in one["what"] for one in alone)
    assert any(one["level"] == "problem" and "other.example" in one["what"] for one in by_request)
    assert not any("other.example" in one["what"] for one in alone)
