"""The key ring that an operator writes down."""

from __future__ import annotations

import base64
import os
import pickle
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from valetkey.effects import Place
from valetkey.errors import ConfigurationError, KeyUnavailable
from valetkey.keys.local import SAMPLE_KEY, LocalKeyRing, generate_key

if TYPE_CHECKING:
    from pathlib import Path

PLACE = Place("connection", ("github", "alice"))
OLD, NEW, NEWEST = (bytes((number * step + 200) % 256 for number in range(32)) for step in (7, 11, 13))


def line(key_id: str, octets: bytes) -> str:
    return f"{key_id}:{base64.urlsafe_b64encode(octets).decode().rstrip('=')}"


def ring(text: str) -> LocalKeyRing:
    return LocalKeyRing.from_text(text, random=os.urandom)


def problems(text: str) -> tuple[str, ...]:
    with pytest.raises(ConfigurationError) as caught:
        ring(text)
    return caught.value.problems


def test_the_first_key_seals_and_every_key_opens() -> None:
    both = ring(f"{line('new', NEW)},{line('old', OLD)}")

    assert both.seal(PLACE, b"x").startswith(b"vk1.new.")
    assert both.open(PLACE, ring(line("old", OLD)).seal(PLACE, b"from before")) == b"from before"
    assert both.key_ids == ("new", "old")


def test_a_rotation_in_three_steps_never_leaves_an_instance_that_cannot_open() -> None:
    before = ring(line("old", OLD))
    open_only = ring(f"{line('old', OLD)}\n{line('new', NEW)}")
    promoted = ring(f"{line('new', NEW)}\n{line('old', OLD)}")
    retired = ring(line("new", NEW))

    for earlier, later in ((before, open_only), (open_only, promoted), (promoted, retired)):
        if earlier is not promoted:
            assert later.open(PLACE, earlier.seal(PLACE, b"x")) == b"x"
            assert earlier.open(PLACE, later.seal(PLACE, b"x")) == b"x"
    assert retired.open(PLACE, promoted.seal(PLACE, b"x")) == b"x"


def test_a_key_removed_too_early_is_named_and_opens_again_when_it_is_back() -> None:
    sealed = ring(line("old", OLD)).seal(PLACE, b"x")

    with pytest.raises(KeyUnavailable) as caught:
        ring(line("new", NEW)).open(PLACE, sealed)

    assert caught.value.key_id == "old"
    assert ring(f"{line('new', NEW)},{line('old', OLD)}").open(PLACE, sealed) == b"x"


@pytest.mark.parametrize("octets", [OLD, NEW, b"\xfb\xef\xbe" * 9 + bytes(range(5)) + b""])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode], ids=["base64", "base64url"])
@pytest.mark.parametrize("padded", [True, False], ids=["padded", "bare"])
def test_either_base64_is_read_with_padding_or_without(octets: bytes, encode: object, padded: bool) -> None:
    octets = octets if len(set(octets)) > 10 else NEWEST
    text = encode(octets).decode()  # type: ignore[operator]
    text = text if padded else text.rstrip("=")

    assert ring(f"a:{text}").open(PLACE, ring(line("a", octets)).seal(PLACE, b"x")) == b"x"


def test_lines_commas_blanks_and_comments_may_stand_between_keys() -> None:
    text = f"# the newest first\n  {line('c', NEWEST)} ,\n\n{line('b', NEW)},{line('a', OLD)}\n# end"

    assert ring(text).key_ids == ("c", "b", "a")


def test_a_generated_line_is_a_ring() -> None:
    made, other = generate_key(os.urandom), generate_key(os.urandom)

    assert ring(f"{made}\n{other}").open(PLACE, ring(made).seal(PLACE, b"x")) == b"x"
    assert made.partition(":")[0] != other.partition(":")[0]
    assert generate_key(os.urandom, key_id="2026-11").startswith("2026-11:")


@pytest.mark.parametrize("key_id", ["UPPER", "under_score", "a" * 33, "file", "a.b", "\u00e9"])
def test_a_key_is_not_generated_under_an_id_that_would_not_be_read(key_id: str) -> None:
    with pytest.raises(ConfigurationError, match="key id"):
        generate_key(os.urandom, key_id=key_id)


def test_keys_may_stand_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    path.write_text(f"{line('new', NEW)}\n{line('old', OLD)}\n")

    assert ring(f"file:{path}\n").key_ids == ("new", "old")


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(NEW)

    assert problems(f"file:{tmp_path}/none") == (
        f"file:{tmp_path}/none: cannot be read (No such file or directory): check the path and its permissions",
    )
    assert "is not text" in problems(f"file:{tmp_path}/binary")[0]


def test_problems_in_a_file_name_the_file(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("short:AAAA")

    assert problems(f"file:{tmp_path}/keys")[0].startswith(f"file:{tmp_path}/keys: key 1 (short)")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "no key"),
        (" ,\n, # no", "has no key id"),
        ("# nothing but a comment", "no key"),
        (line("a", OLD[:31]), r"key 1 \(a\) is not base64 of 32 octets"),
        (line("a", OLD + b"x"), r"key 1 \(a\) is not base64 of 32 octets"),
        ("a:", "is not base64"),
        ("a:!" + "A" * 42, "is not base64"),
        (line("A", OLD), "has no key id"),
        (line("a_b", OLD), "has no key id"),
        (line("", OLD), "has no key id"),
        (line("a" * 33, OLD), "has no key id"),
        (line("a", OLD).partition(":")[2], "key 1 has no key id"),
        (line("a", bytes(32)), "key a is a sample, a repetition or typed text"),
        (line("a", b"\xff" * 32), "key a is a sample, a repetition"),
        (line("a", b"\x01\x80" * 16), "key a is a sample, a repetition"),
        (line("a", b"correct horse battery staple 123"), "typed text"),
        (f"a:{SAMPLE_KEY}", "key a is a sample"),
        (f"{line('a', OLD)},{line('a', NEW)}", "key id a stands there twice"),
        (f"{line('a', OLD)},{line('b', OLD)}", "keys a and b are the same"),
        (",".join(line(f"k{n}", os.urandom(32)) for n in range(33)), "too many"),
    ],
)
def test_a_key_that_is_none_is_refused(text: str, problem: str) -> None:
    import re

    said = "\n".join(problems(text))

    assert re.search(problem, said), said


def test_everything_that_is_wrong_is_said_at_once() -> None:
    text = ",".join((line("fine", NEW), "no-colon", line("short", OLD[:8]), line("zero", bytes(32)), line("fine", OLD)))

    said = problems(text)

    assert len(said) == 4
    assert all(sentence.startswith("VALETKEY_KEY: ") for sentence in said)


@given(st.binary(min_size=16, max_size=40), st.booleans(), st.booleans())
def test_no_message_holds_a_key(octets: bytes, named: bool, twice: bool) -> None:
    encoded = base64.urlsafe_b64encode(octets).decode().rstrip("=")
    text = f"a:{encoded}" if named else encoded
    text = f"{text},{text}" if twice else text
    try:
        made = ring(text)
    except ConfigurationError as error:
        said = str(error) + repr(error) + repr(error.__cause__) + repr(error.__context__)
    else:
        said = repr(made) + str(made)

    assert encoded not in said
    assert encoded[:12] not in said
    assert repr(octets)[2:-1] not in said


@pytest.mark.parametrize(
    ("pairs", "problem"),
    [
        ([], "no key"),
        ([("A", OLD)], "no key id"),
        ([("a", OLD[:31])], "31 octets instead of 32"),
        ([("a", bytes(32))], "sample"),
        ([("a", OLD), ("a", NEW)], "twice"),
    ],
)
def test_a_ring_made_of_octets_is_checked_alike(pairs: list[tuple[str, bytes]], problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        LocalKeyRing(pairs, random=os.urandom)


def test_a_ring_is_not_printed_or_pickled() -> None:
    made = ring(line("a", OLD))

    assert repr(made) == "LocalKeyRing(a)"
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(made)
