"""The page about HTTP clients: its blocks run in order, with the real libraries; what a comment says they print, they print."""

from __future__ import annotations

import io
import re
from contextlib import redirect_stdout
from pathlib import Path

PAGE = (Path(__file__).parents[2] / "docs" / "http-clients.md").read_text()
PYTHON = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_every_block_prints_what_its_comments_say() -> None:
    names: dict[str, object] = {}
    promises = 0
    for block in PYTHON:
        printed = io.StringIO()
        with redirect_stdout(printed):
            exec(compile(block, "docs/http-clients.md", "exec"), names)
        promised = re.findall(r"print\(.*\)  # (.*)$", block, re.MULTILINE)
        for listed in re.findall(r"# prints (.*)$", block, re.MULTILINE):
            promised += listed.split(", ")
        assert printed.getvalue().splitlines() == promised
        promises += len(promised)

    assert promises == 14
