"""Raw targets and header values again, from what a platform made of them. Pure; shared by the gateways."""

from __future__ import annotations

MAX_TARGET = 65_536  # servers give up earlier; what is encoded here is encoded one character after the other
PATH_CHARACTERS = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/:@!$&'()*+,;=")
UNSAFE_IN_TARGET = frozenset(' "#<>\\^`{|}')


def encode_path(octets: bytes) -> str:
    """A path that was decoded, encoded again; `%` becomes `%25`, so nothing is decoded twice (RFC 3986 section 2.4).

    Raises ValueError where it is longer than any target.
    """
    _check_length(octets)
    return "".join([chr(octet) if octet in PATH_CHARACTERS else f"%{octet:02X}" for octet in octets])


def encode_query(text: str) -> str:
    """A target that is still encoded, with whatever may not stand in one encoded too. Raises ValueError as above."""
    _check_length(text)
    if text.isascii() and text.isprintable() and not UNSAFE_IN_TARGET.intersection(text):
        return text
    return "".join(
        [
            character
            if character.isascii() and character.isprintable() and character not in UNSAFE_IN_TARGET
            else "".join([f"%{octet:02X}" for octet in character.encode()])
            for character in text
        ]
    )


def _check_length(target: str | bytes) -> None:
    if len(target) > MAX_TARGET:
        message = f"a target has at most {MAX_TARGET} octets"
        raise ValueError(message)


def clean_header(text: str) -> str:
    """A header value as the latin-1 that HTTP has: a platform that decoded UTF-8 is undone."""
    return text if text.isascii() else text.encode().decode("latin-1")
