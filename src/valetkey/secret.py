"""A string that cannot be printed.

The one rule: `.reveal()` is the only way out, so that every place where a secret leaves is found by one search.
"""

from __future__ import annotations

from _operator import _compare_digest

REDACTED = "***"


class Secret:
    """Holds a secret string; prints, formats and logs as `***`, and refuses to be pickled or put into JSON."""

    __slots__ = ("_text",)
    _text: str

    def __init__(self, text: str) -> None:
        if not isinstance(text, str):
            message = f"a Secret holds a str, not {type(text).__name__}"
            raise TypeError(message)
        object.__setattr__(self, "_text", text)

    def reveal(self) -> str:
        """The secret itself. Call it where the octets are needed, never earlier."""
        return self._text

    def __setattr__(self, name: str, _: object) -> None:
        raise AttributeError(name)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        # surrogatepass: an unpaired surrogate must compare, not raise
        mine, theirs = self._text.encode("utf-8", "surrogatepass"), other._text.encode("utf-8", "surrogatepass")
        return _compare_digest(mine, theirs)

    def __hash__(self) -> int:
        return hash(("Secret", self._text))

    def __bool__(self) -> bool:
        return bool(self._text)

    def __repr__(self) -> str:
        return f"Secret({REDACTED})"

    def __str__(self) -> str:
        return REDACTED

    def __format__(self, _: str) -> str:
        return REDACTED

    def __reduce__(self) -> str:
        message = "a Secret is not pickled: seal it instead"
        raise TypeError(message)


def constant_time_equal(one: str, other: str) -> bool:
    """Whether two texts are equal, in a time that does not depend on where they differ; non-ASCII compares too."""
    return _compare_digest(one.encode("utf-8", "surrogatepass"), other.encode("utf-8", "surrogatepass"))
