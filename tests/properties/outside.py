"""What others may send: anything at all, and what is nearly right, which finds more."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, TypeVar

from hypothesis import strategies as st

from valetkey.http import Headers, Response

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

T = TypeVar("T")
E = TypeVar("E", bound=Exception)

SPECIAL = [
    *(
        '"',
        "\\",
        "%",
        "%zz",
        "%00",
        "&",
        "=",
        ",",
        ";",
        ":",
        "/",
        "?",
        "#",
        "@",
        "[",
        "]",
        "{",
        "}",
        "<",
        ">",
        "~",
        ".",
    ),
    *("\0", "\r\n", "\x7f", "\xe9", "\u20ac", "\ud800", "\u202e", "\u0661", "\uff11", "\U0001f600"),
    *("NaN", "1e999", "-1", "1_000", "9" * 50, "null", "true", " ", "\t", "x" * 300, "[" * 3_000),
]
anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["", "0", "3600", "1e3", "9" * 50, "https://x.example/", "http://127.0.0.1/", "\ud800", "a\r\nb"])
    | st.sampled_from([0, -1, 1.5, 2**31, 2**63, 10**60, float("inf"), float("nan")]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


@st.composite
def nearly(draw: st.DrawFn, *right: str) -> str:
    """A text that was right, with up to three pieces of it cut out, doubled, moved or replaced."""
    text = draw(st.sampled_from(right))
    for _ in range(draw(st.integers(0, 3))):
        start, end = sorted((draw(st.integers(0, len(text))), draw(st.integers(0, len(text)))))
        end = min(end, start + draw(st.integers(0, 12)))
        piece = draw(st.just("") | st.just(text[start:end] * 2) | st.sampled_from(SPECIAL) | st.text(max_size=4))
        text = text[:start] + piece + text[end:]
    return text


def outcome(read: Callable[[], T], *errors: type[E]) -> tuple[T | None, E | None]:
    """What was read, or which of these errors refused it; any other error is the test's failure."""
    try:
        return read(), None
    except errors as error:
        return None, error


def octets(text: str) -> bytes:
    """The text as it may come over a wire."""
    return text.encode("utf-8", "surrogatepass")


@st.composite
def altered(draw: st.DrawFn, right: Mapping[str, Any]) -> dict[str, Any]:
    """A right object with some of its members taken out or replaced by anything."""
    members = dict(right)
    for name in draw(st.lists(st.sampled_from(sorted(right)), max_size=3, unique=True)):
        if draw(st.booleans()):
            members[name] = draw(anything)
        else:
            del members[name]
    return members | draw(st.dictionaries(st.text(max_size=6), anything, max_size=2))


def documents(*right: Mapping[str, Any]) -> st.SearchStrategy[bytes]:
    """JSON objects that were right, JSON that never was, and octets that are no JSON at all."""
    written = st.sampled_from([json.dumps(one) for one in right])
    return (
        st.one_of([altered(one) for one in right]).map(lambda members: json.dumps(members).encode())
        | written.flatmap(nearly).map(octets)
        | anything.map(lambda found: json.dumps(found).encode())
        | st.binary(max_size=60)
        | st.sampled_from([b"", b"\xef\xbb\xbf{}", '{"a":1}'.encode("utf-16")])
        | st.sampled_from([b"[", b'{"a":']).map(lambda opening: opening * 100_000)
    )


@st.composite
def answers(
    draw: st.DrawFn, bodies: st.SearchStrategy[bytes], *, statuses: Sequence[int] = (200,), names: Sequence[str] = ()
) -> Response:
    """Answers with those bodies; a right status more often than any other, and header fields of those names."""
    status = draw(st.sampled_from(statuses) | st.sampled_from(statuses) | st.integers(100, 599))
    kinds = ["application/json", "text/plain", "text/html", "application/x-www-form-urlencoded", "x", ""]
    fields = [("Content-Type", kind) for kind in draw(st.lists(st.sampled_from(kinds), max_size=2))]
    for name in names:
        for text in draw(st.lists(st.text(st.characters(max_codepoint=255, exclude_characters="\r\n\0")), max_size=2)):
            fields.append((name, text))
    return Response(status, Headers(tuple(fields)), draw(bodies))


@st.composite
def bent(draw: st.DrawFn, *right: Any) -> Any:
    """What was right as JSON, with up to three of its parts, at any depth, taken out or replaced by anything."""
    content = json.loads(json.dumps(draw(st.sampled_from(right))))
    for _ in range(draw(st.integers(0, 3))):
        place = content
        while isinstance(place, dict | list) and place:
            where: Any = draw(st.sampled_from(list(place) if isinstance(place, dict) else range(len(place))))
            if not isinstance(place[where], dict | list) or not place[where] or draw(st.booleans()):
                if draw(st.booleans()):
                    place[where] = draw(anything)
                else:
                    del place[where]
                break
            place = place[where]
    return content


def bodies(*right: Any) -> st.SearchStrategy[bytes]:
    """JSON that was right and is bent, most of it; JSON that is something else, and octets that are none."""
    written = [json.dumps(one) for one in right]
    slightly = bent(*right).map(lambda found: json.dumps(found).encode())
    otherwise = (
        nearly(*written).map(octets)
        | anything.map(lambda found: json.dumps(found).encode())
        | st.binary(max_size=60)
        | st.sampled_from([b"", b"[]", b"{}", b"[" * 100_000])
    )
    return st.integers(0, 3).flatmap(lambda chance: slightly if chance else otherwise)
