"""What the stores share: limits and text forms."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from valetkey.effects import Key
from valetkey.stores import rows

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
names = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=250)
columns = st.text("abcdefghijklmnopqrstuvwxyz0123456789_", min_size=1, max_size=64).filter(
    lambda name: name not in rows.RESERVED_COLUMNS
)
clears = st.dictionaries(columns, texts | st.integers(-(2**63), 2**63 - 1), max_size=12)


@given(clears)
def test_clear_columns_survive_their_text_form(clear: dict[str, str | int]) -> None:
    rows.check_clear(clear)

    assert rows.read_clear(rows.write_clear(clear)) == clear


@given(clears)
def test_equal_clear_columns_have_one_text_form(clear: dict[str, str | int]) -> None:
    assert rows.write_clear(dict(reversed(clear.items()))) == rows.write_clear(clear)


@given(names, names)
def test_a_cursor_leads_back_to_its_key(partition: str, name: str) -> None:
    key = Key(partition, name)

    assert rows.read_cursor(rows.write_cursor(key), partition) == key
    assert rows.read_cursor(rows.write_cursor(key), None) == key


@given(st.text(max_size=60))
def test_whatever_stands_in_a_cursor_it_is_read_or_refused(cursor: str) -> None:
    try:
        key = rows.read_cursor(cursor, None)
    except ValueError:
        return
    assert rows.write_cursor(key) == cursor


@pytest.mark.parametrize("text", ["", "[]", "{", '{"a": 1.5}', '{"a": true}', '{"a": null}', '{"a": [1]}', "1"])
def test_clear_columns_that_are_not_ours_are_refused(text: str) -> None:
    with pytest.raises(ValueError):
        rows.read_clear(text)
