"""Use an access token (RFC 6750), and read why one was refused."""

from __future__ import annotations

from valetkey.http import TOKEN
from valetkey.value import replace, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.http import Headers, Pairs, Request
    from valetkey.secret import Secret

MAX_CHALLENGE_LENGTH = 8192
MAX_CHALLENGES = 16
MAX_PARAMETERS = 32
_BLANKS = " \t"
_TOKEN68 = frozenset("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-._~+/")


def authorize_request(request: Request, access_token: Secret) -> Request:
    """The request with the access token in its Authorization header (RFC 6750 section 2.1).

    A request that has one already raises ValueError: nobody could say whose should count.
    """
    if request.headers.get("Authorization") is not None:
        message = "the request has an Authorization header already: leave it out, the access token goes there"
        raise ValueError(message)
    text = access_token.reveal()
    if not text or not text.isascii() or not text.isprintable() or " " in text:
        message = "the access token cannot stand in a header: it holds a blank or a character outside printable ASCII"
        raise ValueError(message)
    return replace(request, headers=request.headers.with_added("Authorization", f"Bearer {text}"))


@value
class Challenge:
    """One challenge of a WWW-Authenticate header: a scheme, and either parameters or a token68.

    scheme: in lower case, and so are the parameters' names.
    """

    scheme: str
    parameters: Pairs = ()
    token68: str = ""

    def get(self, name: str) -> str | None:
        """The parameter's text, or None."""
        return dict(self.parameters).get(name)


def read_challenges(headers: Headers) -> tuple[Challenge, ...]:
    """The challenges of an answer, in order (RFC 9110 section 11.6.1).

    Takes time in proportion to the input and stops at limits; a header is read up to where it is broken.
    """
    challenges: list[Challenge] = []
    left = MAX_CHALLENGE_LENGTH
    for text in headers.all("WWW-Authenticate"):
        left -= len(text)
        if left < 0:
            break
        challenges += _read_header(text)
    return tuple(challenges[:MAX_CHALLENGES])


def _read_header(text: str) -> list[Challenge]:
    challenges: list[Challenge] = []
    position = _skip(text, 0, " \t,")
    while position < len(text) and len(challenges) < MAX_CHALLENGES:
        end = _skip(text, position, TOKEN)
        scheme = text[position:end].lower()
        if not scheme or text[end : end + 1] not in ("", " ", "\t", ","):
            break
        position = _skip(text, end, _BLANKS)
        token68, after = _read_token68(text, position)
        if token68:
            challenges.append(Challenge(scheme, token68=token68))
            position = _skip(text, after, " \t,")
            continue
        parameters, position = _read_parameters(text, position)
        if position < 0:
            break
        challenges.append(Challenge(scheme, parameters))
    return challenges


def _read_token68(text: str, position: int) -> tuple[str, int]:
    """A token68 that fills its challenge, and where it ends; an empty one where there are parameters instead."""
    end = _skip(text, _skip(text, position, _TOKEN68), "=")
    after = _skip(text, end, _BLANKS)
    return (text[position:end], after) if text[after : after + 1] in ("", ",") else ("", position)


def _read_parameters(text: str, position: int) -> tuple[Pairs, int]:
    """The parameters from here on, and where the next challenge starts; -1 where they are broken."""
    found: dict[str, str] = {}
    position = _skip(text, position, " \t,")
    while position < len(text):
        end = _skip(text, position, TOKEN)
        name = text[position:end].lower()
        equals = _skip(text, end, _BLANKS)
        if not name or text[equals : equals + 1] != "=":
            break  # the next challenge's scheme, or something that its reader refuses
        parameter, after = _read_text(text, _skip(text, equals + 1, _BLANKS))
        if after < 0 or name in found or len(found) == MAX_PARAMETERS:  # 9110 s11.2: a name occurs once
            return (), -1
        found[name] = parameter
        position = _skip(text, after, _BLANKS)
        if text[position : position + 1] not in ("", ","):
            return (), -1
        position = _skip(text, position, " \t,")
    return tuple(found.items()), position


def _read_text(text: str, position: int) -> tuple[str, int]:
    """A token or quoted string and where it ends; -1 where it does not (RFC 9110 sections 5.6.2 and 5.6.4)."""
    if text[position : position + 1] != '"':
        end = _skip(text, position, TOKEN)
        return text[position:end], end if end > position else -1
    pieces: list[str] = []
    position += 1
    while position < len(text):
        character = text[position]
        if character == '"':
            return "".join(pieces), position + 1
        if character == "\\":
            position += 1
        pieces.append(text[position : position + 1])
        position += 1
    return "", -1


def _skip(text: str, position: int, characters: str | frozenset[str]) -> int:
    while position < len(text) and text[position] in characters:
        position += 1
    return position
