"""A signed request taken apart, leniently: what a server would refuse is what is brought here.

The one rule: whatever had to be guessed is said in `remarks`.
"""

from __future__ import annotations

from urllib.parse import parse_qsl, unquote

from valetkey.errors import ConfigurationError
from valetkey.http import FORM
from valetkey.oauth1.doctor.making import DEFAULT_PORTS, Making
from valetkey.secret import Secret
from valetkey.value import value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.http import Pairs, Request

REQUIRED = ("oauth_consumer_key", "oauth_signature_method", "oauth_timestamp", "oauth_nonce")


@value
class Parts:
    """What stands where. signature: as it was sent, decoded once; empty where there is none.

    placement: header, query or body. making: how the signature of this request is made rightly.
    form_is_missing: the Content-Type is that of a form, and there is no body.
    """

    making: Making
    placement: str
    signature: Secret
    content_type: str
    remarks: tuple[str, ...]
    form_is_missing: bool

    def parameter(self, name: str) -> str:
        """The protocol parameter of that name, or the empty text."""
        return dict(self.making.protocol).get(name, "")


def take_apart(
    request: Request, *, client_secret: Secret | None, token_secret: Secret | None, fields: Pairs = ()
) -> Parts:
    """The parts. Raises ConfigurationError where the request is not signed with OAuth 1.0a at all.

    fields: those of a form of several parts, which nobody signs but by mistake.
    """
    remarks: list[str] = []
    scheme, host, port, path, raw_query = _address(request.url)
    content_type = request.headers.get("Content-Type") or ""
    raw_body = request.body.decode("utf-8", "replace")
    is_form = content_type.partition(";")[0].strip().lower() == FORM
    as_form = _pairs(raw_body) if "=" in raw_body and not raw_body.lstrip().startswith(("{", "<", "[")) else ()
    realm, header = _header(request, remarks)
    query, form = _pairs(raw_query), as_form if is_form else ()
    placement, protocol, query, form = _protocol(header, query, form, remarks)
    own = dict(protocol)
    signature = own.pop("oauth_signature", "")
    protocol = tuple(pair for pair in protocol if pair[0] != "oauth_signature")
    method = own.get("oauth_signature_method", "")
    remarks += [f"{name} is missing" for name in REQUIRED if not own.get(name) and method != "PLAINTEXT"]
    if len(own) != len(protocol):
        remarks.append("a protocol parameter stands twice: servers refuse that")
    making = Making(
        method=request.method.upper(),
        scheme=scheme,
        host=host.lower(),
        port="" if port == DEFAULT_PORTS[scheme] else port,
        path=path or "/",
        written_host=host,
        written_port=port,
        protocol=protocol,
        query=query,
        form=form,
        raw_query="&".join(field for field in raw_query.split("&") if not field.startswith("oauth_")),
        raw_form="&".join(field for field in raw_body.split("&") if not field.startswith("oauth_")),
        body_form=fields or as_form,
        realm=realm,
        signature_method=method,
        client_secret=client_secret,
        token_secret=token_secret,
    )
    return Parts(making, placement, Secret(signature), content_type, tuple(remarks), is_form and not request.body)


def _address(url: str) -> tuple[str, str, str, str, str]:
    """Scheme, host and port as written, path and query."""
    scheme, separator, rest = url.partition("://")
    scheme = scheme.lower()
    if not separator or scheme not in DEFAULT_PORTS:
        message = "the request's URL starts with https:// or http://"
        raise ConfigurationError(message)
    rest, _, query = rest.partition("#")[0].partition("?")
    authority, slash, path = rest.partition("/")
    authority = authority.rpartition("@")[2]
    if authority.startswith("["):
        host, _, after = authority[1:].partition("]")
        return scheme, host, after.removeprefix(":"), slash + path, query
    host, _, port = authority.partition(":")
    return scheme, host, port, slash + path, query


def _pairs(text: str) -> Pairs:
    try:
        return tuple(parse_qsl(text, keep_blank_values=True, max_num_fields=1000))
    except ValueError:
        message = "the query or form has more than 1,000 fields"
        raise ConfigurationError(message) from None


def _header(request: Request, remarks: list[str]) -> tuple[str | None, Pairs]:
    sent = request.headers.all("Authorization")
    if len(sent) > 1:
        remarks.append("there are two Authorization headers: servers refuse that")
    headers = [text for text in sent if text[:6].lower() == "oauth "]
    if not headers:
        return None, ()
    realm: str | None = None
    pairs = []
    for field in _fields(headers[0][6:], remarks):
        name, _, quoted = field.partition("=")
        name, quoted = name.strip(), quoted.strip().strip('"')
        if name.lower() == "realm":
            realm = quoted
            continue
        if name == "oauth_signature" and "%" not in quoted and set(quoted) & set("+/="):
            remarks.append("the signature in the header is not percent-encoded: some servers read its + as a space")
        pairs.append((unquote(name), unquote(quoted)))
    return realm, tuple(pairs)


def _fields(text: str, remarks: list[str]) -> list[str]:
    """The fields of the header, split at commas that stand outside quotes."""
    fields, quoted = [""], False
    for character in text:
        quoted ^= character == '"'
        if character == "," and not quoted:
            fields.append("")
        else:
            fields[-1] += character
    if quoted or any('="' not in field for field in fields if field.strip()):
        remarks.append('the header is not written name="value", name="value": servers may refuse it (section 3.5.1)')
    return [field for field in fields if field.strip()]


def _protocol(header: Pairs, query: Pairs, form: Pairs, remarks: list[str]) -> tuple[str, Pairs, Pairs, Pairs]:
    """Where the protocol parameters stand, those, and what remains of query and form."""
    places = {"header": header, "query": query, "body": form}
    with_them = [place for place, pairs in places.items() if any(name.startswith("oauth_") for name, _ in pairs)]
    if not with_them:
        message = "the request carries no oauth_* parameters: give it as it was sent, with its signature"
        raise ConfigurationError(message)
    if len(with_them) > 1:
        remarks.append(f"protocol parameters stand in {' and '.join(with_them)}: one place is allowed (section 3.5)")
    place = with_them[0]
    if place == "header":
        return place, header, query, form
    own = tuple(pair for pair in places[place] if pair[0].startswith("oauth_"))
    rest = tuple(pair for pair in places[place] if not pair[0].startswith("oauth_"))
    return (place, own, rest, form) if place == "query" else (place, own, query, rest)


def decoded_once_more(text: str) -> str:
    """The signature where it was encoded twice on its way."""
    return unquote(text)
