"""Where parameters stand in a request, and how they are read from there (RFC 5849 sections 3.4.1.3.1 and 3.5).

The one rule: a parameter has one place. What stands in two, or cannot be read in exactly one way, raises `ValueError`
with a reason that holds none of it. Not here: what is signed (`signature`) and whether it is right (`verify`).
"""

from __future__ import annotations

from valetkey.http import FORM, TOKEN, Request, percent_decode, read_form

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from valetkey.http import Pairs
    from valetkey.oauth1.credentials import Placement

MAX_HEADER_CHARACTERS = 16_384
MAX_HEADER_PARAMETERS = 100


def is_form(request: Request) -> bool:
    """Whether the body is a single-part form, whose parameters are signed (section 3.4.1.3.1)."""
    kinds = request.headers.all("Content-Type")
    if len(kinds) > 1:
        message = "a request has one Content-Type"
        raise ValueError(message)
    return bool(kinds) and kinds[0].partition(";")[0].strip().lower() == FORM


def query_parameters(request: Request) -> Pairs:
    """The parameters of the URL's query, decoded, in order."""
    return read_form(request.url.partition("?")[2])


def body_parameters(request: Request) -> Pairs:
    """The parameters of a form body, decoded, in order; none for a body of another kind."""
    if not request.body or not is_form(request):
        return ()
    if not request.body.isascii():
        message = "a form body is percent-encoded: it holds only ASCII"
        raise ValueError(message)
    return read_form(request.body.decode())


def request_parameters(request: Request) -> Pairs:
    """Query and form body parameters; any `oauth_*` among them is refused: the signer alone writes those."""
    pairs = query_parameters(request)
    if request.body:
        pairs += body_parameters(request)
    for name, _ in pairs:
        if name.startswith("oauth_"):
            message = "parameters named oauth_* are the signer's to write: take them out of the query or body"
            raise ValueError(message)
    return pairs


def place_parameters(
    request: Request, encoded: Iterable[tuple[str, str]], *, placement: Placement, realm: str | None
) -> Request:
    """The request with the protocol parameters, encoded already, in one of the places of section 3.5."""
    if placement == "header":
        return _in_header(request, encoded, realm)
    if realm is not None:
        message = "a realm can only stand in the Authorization header: use placement header, or no realm"
        raise ValueError(message)
    written = "&".join([f"{name}={text}" for name, text in encoded])
    if placement == "query":
        separator = "" if request.url.endswith(("?", "&")) else "&" if "?" in request.url else "?"
        url = f"{request.url}{separator}{written}"
        return Request(request.method, url, request.headers, request.body, request.platform)
    return _in_body(request, written)


def _in_header(request: Request, encoded: Iterable[tuple[str, str]], realm: str | None) -> Request:
    if request.headers.get("Authorization") is not None:
        message = "the request has an Authorization header already: leave it to the signer"
        raise ValueError(message)
    headers = request.headers.with_added("Authorization", authorization_header(encoded, realm=realm))
    return Request(request.method, request.url, headers, request.body, request.platform)


def _in_body(request: Request, written: str) -> Request:
    # 5849 s3.5.2: only in a form, and a form needs a method whose body means something (RFC 9110 s9.3).
    if request.method.upper() in ("GET", "HEAD", "DELETE", "OPTIONS", "TRACE"):
        message = f"a {request.method.upper()} request carries no form: use placement header or query"
        raise ValueError(message)
    headers = request.headers
    if not request.body and headers.get("Content-Type") is None:
        headers = headers.with_added("Content-Type", FORM)
    elif not is_form(request):
        message = "the body is not a form, so parameters cannot be added to it: use placement header"
        raise ValueError(message)
    separator = b"&" if request.body and not request.body.endswith(b"&") else b""
    body = request.body + separator + written.encode()
    return Request(request.method, request.url, headers, body, request.platform)


def authorization_header(encoded: Iterable[tuple[str, str]], *, realm: str | None = None) -> str:
    """The value of the Authorization header (section 3.5.1) from parameters that are encoded already."""
    fields = [f'{name}="{text}"' for name, text in encoded]
    if realm is not None:
        if not realm.isascii() or not realm.isprintable() or '"' in realm or "\\" in realm:
            message = "a realm holds printable ASCII without quotes and backslashes"
            raise ValueError(message)
        fields.insert(0, f'realm="{realm}"')
    return "OAuth " + ", ".join(fields)


def read_authorization_header(text: str) -> tuple[str | None, Pairs]:
    """The realm, undecoded, and the decoded parameters of an `OAuth` Authorization header (section 3.5.1)."""
    scheme, _, rest = text.partition(" ")
    if scheme.lower() != "oauth":
        message = "the Authorization header is not of the OAuth scheme"
        raise ValueError(message)
    realm: str | None = None
    pairs: list[tuple[str, str]] = []
    for name, quoted in read_quoted_list(rest):
        if len(name) == 5 and name.lower() == "realm":
            if realm is not None:
                message = "the Authorization header has two realms"
                raise ValueError(message)
            realm = quoted
        else:
            decoded = percent_decode(quoted) if "%" in quoted else quoted
            pairs.append((percent_decode(name) if "%" in name else name, decoded))
    return realm, tuple(pairs)


def read_quoted_list(text: str) -> Pairs:
    """The pairs of `name="value", ...`, as written between the quotes; every value must be quoted."""
    if len(text) > MAX_HEADER_CHARACTERS:
        message = f"a list of header parameters has at most {MAX_HEADER_CHARACTERS} characters"
        raise ValueError(message)
    # Names stand at the even places, values at the odd ones; no backslash, so that no quote is part of a value.
    pieces = text.split('"')
    last = pieces.pop().strip(" \t")
    if last or len(pieces) % 2 or len(pieces) > 2 * MAX_HEADER_PARAMETERS or "\\" in text or not text.isascii():
        message = f'a header has at most {MAX_HEADER_PARAMETERS} parameters, written name="value"'
        raise ValueError(message)
    pairs: list[tuple[str, str]] = []
    for before, quoted in zip(pieces[::2], pieces[1::2], strict=True):
        name = before[2:-1]
        if not (pairs and name.isidentifier() and before == f", {name}="):  # all but a few look like this
            name = _read_name(before, first=not pairs)
        pairs.append((name, quoted))
    return tuple(pairs)


def _read_name(before: str, *, first: bool) -> str:
    """The name in what stands before a quoted value: `, name=`, the comma missing before the first."""
    comma, _, named = before.rpartition(",")
    name = named.strip(" \t").removesuffix("=")
    if not name or not TOKEN.issuperset(name) or named[-1:] != "=":
        message = 'header parameters are written name="value"'
        raise ValueError(message)
    if comma.strip(" \t") or first == ("," in before):
        message = "header parameters are separated by one comma"
        raise ValueError(message)
    return name
