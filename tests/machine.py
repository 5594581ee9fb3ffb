"""What tests need of the machine that they run on: what is missing is said in one visible line."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import NoReturn

import pytest

CACHE = Path(__file__).parents[1] / ".cache"


def unavailable(reason: str) -> NoReturn:
    """Skip with one visible line, or fail where nothing may be skipped."""
    if os.environ.get("VALETKEY_NOTHING_SKIPPED") == "1":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def node_or_skip(what: str) -> str:
    """The path of Node.js. what: who needs it."""
    node = shutil.which("node")
    if node is None:
        unavailable(f"{what} needs Node.js, which is not on this machine")
    return node


def install_npm_packages(package: Path, folder: Path, *, what: str) -> None:
    """The pinned npm packages in the git-ignored cache, installed unless these very ones are there.

    package: the package.json that names them. what: who needs them.
    """
    wanted, installed = package.read_text(), folder / "package.json"
    there = all((folder / "node_modules" / name).is_dir() for name in json.loads(wanted)["dependencies"])
    if there and installed.is_file() and installed.read_text() == wanted:
        return
    npm = shutil.which("npm")
    if npm is None:
        unavailable(f"{what} need npm, which is not on this machine")
    folder.mkdir(parents=True, exist_ok=True)
    installed.write_text(wanted)
    command = [npm, "install", "--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        installed.unlink()
        unavailable(f"the npm packages that {what} need could not be installed")
