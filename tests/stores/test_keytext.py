"""Keys as plain ASCII text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from valetkey.stores.keytext import read_key_text, write_key_text

CHARACTERS = st.characters(codec="utf-8")
TEXTS = st.text(CHARACTERS, max_size=60)
ALLOWED = frozenset("!.:_~-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")


def test_the_text_is_the_one_that_rows_stand_under() -> None:
    """A vector: rows that were written under it must be found for ever."""
    assert write_key_text("connection/github/alice%20b#\U0001f511", 512) == (
        "connection.2fgithub.2falice!2520b!23~f0~9f~94~91"
    )
    assert write_key_text("a:b_c~d", 512) == "a:3ab_5fc~7ed"
    assert write_key_text("x" * 600, 512) == (
        "x" * 446 + ".h5130b33e6b87fbf5316ed9049e98924eb110800bcbaaad8050f642fba6df37c9"
    )


@given(TEXTS)
def test_what_was_written_is_read(part: str) -> None:
    text = write_key_text(part, 10_000)

    assert read_key_text(text) == part
    assert ALLOWED.issuperset(text)


@given(TEXTS, TEXTS)
def test_texts_sort_as_the_parts_do(one: str, other: str) -> None:
    texts = write_key_text(one, 10_000), write_key_text(other, 10_000)

    assert (texts[0] < texts[1]) == (one.encode() < other.encode())


@given(st.text(CHARACTERS, min_size=1, max_size=200), st.integers(70, 120))
def test_what_is_too_long_is_cut_and_kept_apart_by_its_hash(part: str, most: int) -> None:
    text = write_key_text(part, most)

    assert len(text) <= most
    assert read_key_text(text) == (part if len(write_key_text(part, 10_000)) <= most else None)
    assert write_key_text(part + "x", most) != text


@pytest.mark.parametrize("text", ["a b", "/", "!2g", "!2", ".h12", "~FF", "a.h" + "0" * 63, "\u00e9", "~ff"])
def test_what_was_not_written_here_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        read_key_text(text)
