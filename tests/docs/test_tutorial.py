"""The tutorial's blocks, run in order; what a comment says they print, they print."""

from __future__ import annotations

import io
import os
import re
from contextlib import redirect_stdout
from pathlib import Path

from valetkey.config import read_configuration
from valetkey.keys.local import generate_key

PAGE = (Path(__file__).parents[2] / "docs" / "tutorial.md").read_text()
PYTHON = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
(TOML,) = re.findall(r"^```toml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_every_block_prints_what_its_comments_say() -> None:
    names: dict[str, object] = {}
    promises = 0
    for block in PYTHON:
        printed = io.StringIO()
        with redirect_stdout(printed):
            exec(compile(block, "docs/tutorial.md", "exec"), names)
        promised = re.findall(r"print\(.*\)  # (.*)$", block, re.MULTILINE)
        assert printed.getvalue().splitlines() == promised
        promises += len(promised)

    assert promises >= 12


def test_the_file_configures_what_it_says(tmp_path: Path) -> None:
    path = tmp_path / "valetkey.toml"
    path.write_text(TOML)
    environ = {
        "VALETKEY_KEY": generate_key(os.urandom),
        "VALETKEY_GITHUB_CLIENT_SECRET": "s",
    }

    found = read_configuration(environ, str(path))

    assert found.base_url == "https://app.example/oauth"
    assert found.registrations["github"].scope == ("repo", "read:user")
