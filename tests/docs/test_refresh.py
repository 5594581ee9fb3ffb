"""docs/refresh.md names for each failure a test, and the test is there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
NAMED = re.compile(r"\[(test_\w+)\]\(\.\./(tests/[\w/]+\.py)\)")


def test_each_failure_names_a_test_that_is_in_its_file() -> None:
    text = (ROOT / "docs/refresh.md").read_text()
    table = text.partition("## When something goes wrong")[2].partition("\n## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("| ")][1:]

    for row in rows:
        found = NAMED.search(row)
        assert found, row
        name, file = found.groups()
        assert f"def {name}(" in (ROOT / file).read_text(), name
    assert len(rows) > 15
