"""Words as the shell makes them, and what it would put in."""

from __future__ import annotations

import shlex
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.machine import unavailable

from valetkey.errors import ConfigurationError
from valetkey.oauth1.doctor.shell import CONTINUED, CUT, ON_WINDOWS, VARIABLES, split_command


def split(text: str) -> tuple[list[str], list[str]]:
    remarks: list[str] = []
    return split_command(text, remarks), remarks


@given(st.lists(st.text(max_size=12), max_size=5))
def test_what_is_quoted_comes_out_as_it_was(words: list[str]) -> None:
    assert split(shlex.join(words)) == (words, [])


WORDS = [
    ("a  b\tc", ["a", "b", "c"]),
    ("a\\ b 'c d'\"e f\"", ["a b", "c de f"]),
    ("'' \"\" x''", ["", "", "x"]),
    ('\'a\\b\' "a\\b" "\\"\\\\\\$"', ["a\\b", "a\\b", '"\\$']),
    ('a\\\nb "c\\\nd"', ["ab", "cd"]),
    ("$'it\\'s\\n\\u0021\\x41\\101\\\\' $\"x\"", ["it's\n!AA\\", "x"]),
    ("$'\\u0021abcd\\U0001F511'", ["!abcd\N{KEY}"]),
    ("$'\\xc3\\xa9\\?\\q'", ["\N{LATIN SMALL LETTER E WITH ACUTE}?\\q"]),
    ("a#b #c 'd", ["a#b"]),
    ("a$ b$", ["a$", "b$"]),
    ("a >/dev/null b 2>/dev/null c 2>&1 </dev/null 2d", ["a", "b", "c", "2d"]),
]


@pytest.mark.parametrize(("text", "words"), WORDS)
def test_quotes_are_read_as_bash_reads_them(text: str, words: list[str]) -> None:
    assert split(text)[0] == words


@pytest.mark.parametrize("text", [text for text, _ in WORDS if ">" not in text])
def test_bash_itself_reads_them_so(text: str) -> None:
    bash = shutil.which("bash")
    if bash is None:
        unavailable("the quotes of bash need bash, which is not on this machine")
    # In another locale bash would write another text for what \u names.
    done = subprocess.run(
        [bash, "-c", f"printf '%s\\0' {text}"], capture_output=True, check=True, timeout=30, env={"LC_ALL": "C.UTF-8"}
    )

    assert done.stdout.decode().split("\0")[:-1] == split(text)[0]


@pytest.mark.parametrize("text", ["a | b", "a; b", "a&b", "a && b"])
def test_a_command_ends_where_the_shell_ends_it_and_this_is_said(text: str) -> None:
    assert split(text) == (["a"], [CUT])


@pytest.mark.parametrize("text", ["a &", "a;\n", "a ; "])
def test_an_end_with_nothing_behind_it_is_not_worth_a_word(text: str) -> None:
    assert split(text) == (["a"], [])


@pytest.mark.parametrize("text", ["a\n-b", "a\r\n-b\nc"])
def test_lines_that_lost_their_backslash_are_read_on_and_this_is_said(text: str) -> None:
    words, remarks = split(text)

    assert words == text.split()
    assert remarks == [CONTINUED]
    assert split("\na\n\n") == (["a"], [])


@pytest.mark.parametrize("text", ["$TOKEN", '"x $TOKEN"', "${TOKEN}", '"$(cat t)"', "`cat`", '"`cat`"', "$'a' $b"])
def test_what_the_shell_would_put_in_is_said(text: str) -> None:
    assert split(text)[1] == [VARIABLES]


@pytest.mark.parametrize("text", ["'$TOKEN'", '"\\$TOKEN"', "\\$TOKEN", "$'$a'", '"5$"', "'`'"])
def test_a_dollar_that_stands_for_itself_is_not(text: str) -> None:
    assert split(text)[1] == []


@pytest.mark.parametrize("text", ["'", '"', "a 'b", '"a\\"', "$'a\\'", "$'", '^"a', '$"'])
def test_quotes_that_do_not_match_are_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="quotes do not match"):
        _ = split(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            'curl ^"https://a.example/?a=1^&b=2^" ^\r\n  -H ^"A: b^"',
            ["curl", "https://a.example/?a=1&b=2", "-H", "A: b"],
        ),
        ('curl ^"^{^\\^"a^\\^":1^}^"', ["curl", '{"a":1}']),
        ('curl ^"a^\n\nb^" ^\n-s', ["curl", "a\nb", "-s"]),
        ('curl "a^b" ^\n"c ""d"" e"', ["curl", "a^b", 'c "d" e']),
        ('curl ^\n"a\\\\" "b\\\\\\"c" d\\e ""', ["curl", "a\\", 'b\\"c', "d\\e", ""]),
        ('curl ^"100%^25^" ^\n-x', ["curl", "100%25", "-x"]),
        ('curl ^"a^" -X PUT ^\n-x', ["curl", "a", "-X", "PUT", "-x"]),
        (' \t curl ^"a^"', ["curl", "a"]),
        ('curl ^"a^" \\ b \\\\', ["curl", "a", "\\", "b", "\\\\"]),
    ],
)
def test_what_browsers_copy_for_windows_is_read_as_windows_reads_it(text: str, words: list[str]) -> None:
    assert split(text) == (words, [ON_WINDOWS])


def test_the_windows_command_line_ends_a_command_as_well() -> None:
    assert split('curl ^"a^" & b') == (["curl", "a"], [ON_WINDOWS, CUT])
    assert split('curl ^"a^" > b') == (["curl", "a"], [ON_WINDOWS, CUT])
    assert split('curl "a&b" ^\n-s &') == (["curl", "a&b", "-s"], [ON_WINDOWS])


@given(st.text(max_size=60) | st.text(alphabet="ab \\'\"$^\n\r|&;<>#`", max_size=60))
def test_any_text_is_words_or_a_configuration_error(text: str) -> None:
    try:
        words, _ = split(text)
    except ConfigurationError:
        return
    assert all(isinstance(word, str) for word in words)


def test_a_character_that_there_is_not_and_an_octet_that_is_no_text_break_nothing() -> None:
    assert split("$'\\U0010FFFF'")[0] == ["\U0010ffff"]
    assert split("$'\\U00110000'")[0] == ["\ufffd"]
    assert split("$'\\xff'")[0] == [b"\xff".decode("utf-8", "surrogateescape")]
    assert split("$'a\\\\b'")[0] == ["a\\b"]
    assert split("$'\\X'")[0] == ["\\X"]
    half = b"\xed\xa0\x80x".decode("utf-8", "surrogateescape")
    assert split("$'\ud800'x \ud800x '\ud800'x $'\\ud800'x")[0] == [half] * 4


def test_a_number_before_a_redirection_is_no_word_and_a_word_is() -> None:
    assert split("a 12>file b")[0] == ["a", "b"]
    assert split("a b>file c")[0] == ["a", "b", "c"]
    assert split("a >|file b")[0] == ["a", "b"]
    assert split("a 2>>file b")[0] == ["a", "b"]
    assert split("a >f b")[0] == ["a", "b"]


def test_a_translated_text_is_read_as_a_quoted_one() -> None:
    assert split('$"a b" c') == (["a b", "c"], [])


def test_variables_behind_a_backslash_are_text() -> None:
    assert split('"\\$HOME"') == (["$HOME"], [])
    assert split('"a\\\n$HOME"')[1] != []


def test_a_dollar_sign_before_no_name_is_itself() -> None:
    assert split("a$ b$% $") == (["a$", "b$%", "$"], [])
