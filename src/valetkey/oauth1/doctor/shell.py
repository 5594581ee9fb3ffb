"""A command line taken apart into words, as bash or the Windows command line would.

The one rule: what a shell would put in and cannot be known here (variables, other commands) is said in `remarks`; the
words come out as the program gets them. Not here: what the words mean (`curl`).
"""

from __future__ import annotations

import re

from valetkey.errors import ConfigurationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

BLANKS = " \t\r\n"
ENDS = "|&;"
# Where Chrome, Edge and Firefox copy for cmd, quotes are ^" and a line goes on after a ^ at its end.
WINDOWS = re.compile(r'(?:^|\s)\^"|\^\r?\n')
VARIABLE = re.compile(r"\$[A-Za-z_{(]|`")
ANSI_C = re.compile(r"\\(?:([0-7]{1,3})|x([0-9A-Fa-f]{1,2})|u([0-9A-Fa-f]{1,4})|U([0-9A-Fa-f]{1,8})|(.))", re.DOTALL)
PLAIN = re.compile(r"""[^\\'"$<>|&;` \t\r\n]+""")
QUOTED = {
    "'": re.compile(r"([^']*)'"),
    '"': re.compile(r'([^"\\]*(?:\\.[^"\\]*)*)"', re.DOTALL),
    "$'": re.compile(r"([^'\\]*(?:\\.[^'\\]*)*)'", re.DOTALL),
}
SLASHES = re.compile(r"\\*")
MORE = re.compile(r"[^ \t\r\n]")
MORE_THAN_ENDS = re.compile(r"[^|&;<> \t\r\n]")
ANSI_C_LETTERS = {"a": "\a", "b": "\b", "e": "\33", "E": "\33", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}

CUT = "the shell ends the command at a | & or ; outside quotes; the rest was not read (a URL with & needs quotes)"
CONTINUED = "a line ends without what continues it: the next one was read as part of the command"
VARIABLES = "the command holds a variable or another command of the shell ($... or `...`): put in what it stands for"
ON_WINDOWS = "the command was read as one of the Windows command line (cmd)"


def split_command(text: str, remarks: list[str]) -> list[str]:
    """The words of the first command. Raises ConfigurationError where its quotes do not match.

    Octets that are no text are in them as surrogateescape has them; half a character becomes such octets, too.
    """
    text = text.encode("utf-8", "surrogatepass").decode("utf-8", "surrogateescape")
    if WINDOWS.search(text):
        remarks.append(ON_WINDOWS)
        return _windows_words(_without_carets(text, remarks))
    words = _Posix(text).words(remarks)
    remarks[:] = dict.fromkeys(remarks)
    return words


class _Posix:
    """The quotes of POSIX (shell command language, section 2.2), and bash's $'...'."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.place = 0
        self.found: list[str] = []
        self.word = ""
        self.begun = False  # a word, which may be empty
        self.to_file = False  # the next word is the file of a redirection

    def words(self, remarks: list[str]) -> list[str]:
        readers: dict[str, Callable[[list[str]], None]] = {
            "\\": self._backslash,
            "'": self._single,
            '"': self._double,
            "$": self._dollar,
            "<": self._redirection,
            ">": self._redirection,
        }
        while self.place < len(self.text):
            character = self.text[self.place]
            if character in readers:
                readers[character](remarks)
            elif character in ENDS:
                if MORE_THAN_ENDS.search(self.text, self.place):
                    remarks.append(CUT)
                break
            elif character == "#" and not self.begun:
                line = self.text.find("\n", self.place)
                self.place = line if line >= 0 else len(self.text)
            elif character in BLANKS:
                self._end()
                self.place += 1
                if character == "\n" and self.found and MORE.search(self.text, self.place):
                    remarks.append(CONTINUED)
            else:
                plain = PLAIN.match(self.text, self.place)
                if plain is None:
                    remarks.append(VARIABLES)
                run = plain.group() if plain else character
                self._add(run, len(run))
        self._end()
        return self.found

    def _add(self, text: str, octets: int) -> None:
        self.word += text
        self.begun = True
        self.place += octets

    def _end(self) -> None:
        if self.begun and not self.to_file:
            self.found.append(self.word)
        self.to_file = self.to_file and not self.begun
        self.word, self.begun = "", False

    def _backslash(self, remarks: list[str]) -> None:
        _ = remarks
        for end in ("\r\n", "\n"):
            if self.text.startswith(end, self.place + 1):
                self.place += 1 + len(end)
                return
        self._add(self.text[self.place + 1 : self.place + 2], 2)

    def _single(self, remarks: list[str]) -> None:
        _ = remarks
        inner = self._inner("'")
        self._add(inner, len(inner) + 2)

    def _double(self, remarks: list[str]) -> None:
        inner = self._inner('"')
        if VARIABLE.search(re.sub(r"\\.", "", inner, flags=re.DOTALL)):
            remarks.append(VARIABLES)
        self._add(re.sub(r'\\(?:([$`"\\])|\r?\n)', r"\1", inner), len(inner) + 2)

    def _dollar(self, remarks: list[str]) -> None:
        following = self.text[self.place + 1 : self.place + 2]
        if following == "'":
            inner = self._inner("$'")
            self._add(_ansi_c(inner), len(inner) + 3)
        elif following == '"':  # in the language of the locale: the same text
            self.place += 1
            self._double(remarks)
        else:
            if VARIABLE.match(self.text, self.place):
                remarks.append(VARIABLES)
            self._add("$", 1)

    def _redirection(self, remarks: list[str]) -> None:
        _ = remarks
        if self.word.isdigit():  # 2>
            self.word, self.begun = "", False
        self._end()
        while self.text[self.place : self.place + 1] in ("<", ">", "&", "|"):
            self.place += 1
        self.to_file = True

    def _inner(self, opening: str) -> str:
        found = QUOTED[opening].match(self.text, self.place + len(opening))
        if found is None:
            raise _unmatched()
        return found.group(1)


def _ansi_c(text: str) -> str:
    """What $'...' stands for (bash manual, ANSI-C quoting)."""

    def one(match: re.Match[str]) -> bytes:
        octal, hexadecimal, short, long, letter = match.groups()
        if octal or hexadecimal:
            return bytes([int(octal or hexadecimal, 8 if octal else 16) & 255])
        if short or long:
            code = int(short or long, 16)
            return chr(code if code < 0x110000 else 0xFFFD).encode("utf-8", "surrogatepass")
        return (ANSI_C_LETTERS.get(letter) or (letter if letter in "\\'\"?" else f"\\{letter}")).encode()

    octets, place = b"", 0
    for match in ANSI_C.finditer(text):
        octets += text[place : match.start()].encode("utf-8", "surrogateescape") + one(match)
        place = match.end()
    return (octets + text[place:].encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape")


def _without_carets(text: str, remarks: list[str]) -> str:
    """What cmd.exe hands to the program: outside quotes a ^ takes the meaning from what follows, a line's end too."""
    text = text.replace("\r\n", "\n")
    kept, quoted, place = "", False, 0
    while place < len(text):
        character = text[place]
        if character == "^" and not quoted:
            place += 1
            if text[place : place + 1] == "\n":
                place += 1
            character = text[place : place + 1]
        elif character == '"':
            quoted = not quoted
        elif not quoted and character in "|&<>":
            if MORE_THAN_ENDS.search(text, place):
                remarks.append(CUT)
            break
        kept += character
        place += 1
    return kept


def _windows_words(text: str) -> list[str]:
    r"""Words as Microsoft's C runtime makes them: \" is a quote, "" inside quotes is one too."""
    found, word, begun, quoted, place = list[str](), "", False, False, 0
    while place < len(text):
        slashes = len(SLASHES.match(text, place).group())  # type: ignore[union-attr]  # it matches nothing, too
        character = text[place + slashes : place + slashes + 1]
        place += slashes + 1
        if character == '"':
            word += "\\" * (slashes // 2)
            begun = True
            if slashes % 2:
                word += '"'
            elif quoted and text[place : place + 1] == '"':
                word += '"'
                place += 1
            else:
                quoted = not quoted
            continue
        word += "\\" * slashes
        begun = begun or slashes > 0
        if character in BLANKS and not quoted:
            found += [word] if begun else []
            word, begun = "", False
        else:
            word += character
            begun = True
    if quoted:
        raise _unmatched()
    return [*found, word] if begun else found


def _unmatched() -> ConfigurationError:
    return ConfigurationError("the curl command cannot be read: its quotes do not match")
