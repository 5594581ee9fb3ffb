"""The comparison's tables are whole, and what they say of valetkey names a test that exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from valetkey.providers.catalog import load_provider, provider_names

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "comparison.md").read_text()
LIBRARIES = ["Authlib", "requests-oauthlib", "requests_oauth2client", "grant", "Nango", "openid-client"]


def rows() -> list[list[str]]:
    """Every row of every table, its cells stripped."""
    lines = [line for line in PAGE.splitlines() if line.startswith("|") and not line.startswith("|---")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


CAPABILITIES = [row for row in rows() if row[0] != "capability"]


def test_each_table_compares_with_the_same_libraries() -> None:
    headings = [row for row in rows() if row[0] == "capability"]

    assert headings
    assert all(heading == ["capability", "valetkey", *LIBRARIES] for heading in headings)


@pytest.mark.parametrize("row", CAPABILITIES, ids=lambda row: row[0])
def test_what_valetkey_does_is_shown_by_a_test_that_exists(row: list[str]) -> None:
    named = re.findall(r"`(tests/[^`]+)`", row[1])

    assert named or row[1] == "no"
    for name in named:
        file, _, function = name.partition("::")
        assert re.search(rf"^(async )?def {function}\(", (ROOT / file).read_text(), re.MULTILINE), name


def test_the_entries_of_the_catalog_are_counted() -> None:
    entries = [load_provider(name) for name in provider_names() if not name.startswith("sandbox-")]
    (row,) = [row for row in CAPABILITIES if row[0] == "catalog of providers"]

    explained = sum(bool(one.server.errors) for one in entries)
    assert row[1].startswith(f"{len(entries)}, each with its source and date, {explained} with what their errors mean")
    front = f"[{len(entries)}](docs/providers.md) from GitHub to Zoom, of {explained} what their errors mean"
    assert front in (ROOT / "README.md").read_text()


@pytest.mark.parametrize("row", CAPABILITIES, ids=lambda row: row[0])
def test_what_others_do_says_where_it_was_read(row: list[str]) -> None:
    assert len(row) == len(LIBRARIES) + 2
    for cell in row[2:]:
        assert "`" in cell or re.match(r"no\b", cell) or row[0] == "sync and async", cell
