"""AWS Lambda behind API Gateway (REST and HTTP API), a function URL or an Application Load Balancer.

    shape      path                          query                   cookies                    Set-Cookie
    rest (v1)  encoded; stage not in `path`  decoded, multi-value    in headers                 multiValueHeaders
    http (v2)  decoded; with the stage       rawQueryString          `cookies` only             `cookies`
    url        encoded                       rawQueryString          `cookies` and in headers   `cookies`
    alb        encoded                       as sent, still encoded  in headers                 write_alb_headers

The one rule: what two fields of an event say is taken from the richer one; where they cannot both be, it is refused.
Not here: identity from headers. A `resource_owner` reads `request.platform["requestContext"]`, which the platform made.
"""

from __future__ import annotations

from binascii import Error as BinasciiError
from binascii import a2b_base64, b2a_base64

from valetkey.errors import ConfigurationError
from valetkey.gateways.serve import finish, serve
from valetkey.gateways.targets import clean_header, encode_path, encode_query
from valetkey.http import Headers, Request, write_form

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager
    from typing import Any, Literal, Protocol, TypeAlias

    from valetkey.gateways.serve import ResourceOwner, Runs
    from valetkey.http import Response

    Event: TypeAlias = Mapping[str, Any]
    Shape: TypeAlias = Literal["rest", "http", "url", "alb"]

    class RunsOnLambda(Runs, Protocol):
        """A vault that can be told of an invocation."""

        def invocation(self, context: object) -> AbstractContextManager[object]:
            """Let the vault see how much time is left."""
            ...


SINGLE_COOKIE_CASES = 2 ** len("setcookie")


def lambda_handler(
    vault: RunsOnLambda, *, resource_owner: ResourceOwner
) -> Callable[[Event, object], dict[str, object]]:
    """The handler to name in the function's configuration; takes the events of all four fronts.

    resource_owner: (Request) -> str | None, or a coroutine function; `request.platform` is the event.
    """

    def handler(event: Event, context: object) -> dict[str, object]:
        shape = event_shape(event)
        with vault.invocation(context):
            path = vault.settings.path
            steps = serve(vault, lambda: read_event(event, base_path=path), resource_owner=resource_owner)
            return write_response(finish(steps), event, shape=shape)

    return handler


def event_shape(event: Event) -> Shape:
    """Which front sent the event. Raises ConfigurationError for one that is no HTTP request."""
    context = event.get("requestContext") if hasattr(event, "get") else None
    if isinstance(context, dict):
        if event.get("version") == "2.0" and isinstance(context.get("http"), dict):
            return "url" if ".lambda-url." in str(context.get("domainName", "")) else "http"
        if "elb" in context and "httpMethod" in event:
            return "alb"
        if "httpMethod" in event and "path" in event:
            return "rest"
    message = (
        "the event is not an HTTP request: put the function behind API Gateway (payload 1.0 or 2.0), "
        "a function URL or an Application Load Balancer"
    )
    raise ConfigurationError(message)


def read_event(event: Event, *, base_path: str = "") -> Request:
    """The request of an event. Raises ValueError for one that cannot be read.

    base_path: the path of the base URL, which says whether the name of the stage belongs to it.
    """
    shape = event_shape(event)
    if shape in ("http", "url"):
        context = event["requestContext"]
        target = _path_v2(event, base_path, decoded=shape == "http")
        query = encode_query(_text(event.get("rawQueryString")))
        method = _text(context["http"].get("method"))
        headers = _headers_v2(event)
    else:
        target = encode_query(_path_rest(event, base_path) if shape == "rest" else _text(event["path"]))
        query = _query_rest(event) if shape == "rest" else _query_alb(event)
        method = _text(event["httpMethod"])
        headers = _headers_v1(event)
    return Request(method, f"{target}?{query}" if query else target, headers, _body(event), event)


def write_response(response: Response, event: Event, *, shape: Shape) -> dict[str, object]:
    """The response as the front that sent the event wants it."""
    try:
        body, encoded = response.body.decode(), False
    except UnicodeDecodeError:
        body, encoded = b2a_base64(response.body, newline=False).decode(), True
    answer: dict[str, object] = {"statusCode": response.status, "body": body, "isBase64Encoded": encoded}
    if shape in ("http", "url"):
        cookies = response.headers.all("set-cookie")
        fields = [pair for pair in response.headers.pairs if pair[0].lower() != "set-cookie"]
        answer["headers"] = {name: ", ".join(texts) for name, texts in _grouped(fields).items()}
        return {**answer, "cookies": list(cookies)} if cookies else answer
    if shape == "alb":
        return {**answer, "statusDescription": str(response.status), **write_alb_headers(response, event)}
    return {**answer, "multiValueHeaders": _grouped(response.headers.pairs)}


def write_alb_headers(response: Response, event: Event) -> dict[str, object]:
    """The header fields as `multiValueHeaders` where the target group has them on (as its events show), else `headers`.

    Without them only one field of each name survives; a name may be spelled in different cases, and browsers read them
    all as one, so several Set-Cookie go out as `set-cookie`, `Set-cookie`, `sEt-cookie` and so on.
    """
    if isinstance(event.get("multiValueHeaders"), dict):
        return {"multiValueHeaders": _grouped(response.headers.pairs)}
    single: dict[str, str] = {}
    for name, texts in _grouped(response.headers.pairs).items():
        if name.lower() == "set-cookie":
            single |= {_spelling(index): text for index, text in enumerate(texts[:SINGLE_COOKIE_CASES])}
        else:
            single[name] = ", ".join(texts)
    return {"headers": single}


def _spelling(index: int) -> str:
    letters = []
    for letter in "set-cookie":
        if letter == "-":
            letters.append(letter)
        else:
            letters.append(letter.upper() if index & 1 else letter)
            index >>= 1
    return "".join(letters)


def _grouped(pairs: object) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = {}
    spelled: dict[str, str] = {}
    for name, text in pairs:  # type: ignore[attr-defined]
        grouped.setdefault(spelled.setdefault(name.lower(), name), []).append(text)
    return grouped


def _text(found: object) -> str:
    if found is None:
        return ""
    if not isinstance(found, str):
        message = "a field of the event is not a string"
        raise ValueError(message)  # noqa: TRY004 - the event came from outside
    return found


def _path_rest(event: Event, base_path: str) -> str:
    """With the stage where the base URL has it, else without: `path` leaves it out, requestContext.path does not."""
    with_stage, without = _text(event["requestContext"].get("path")), _text(event["path"])
    return with_stage if base_path and with_stage.startswith(base_path + "/") else without


def _path_v2(event: Event, base_path: str, *, decoded: bool) -> str:
    path = _text(event.get("rawPath"))
    stage = "/" + str(event["requestContext"].get("stage") or "$default")
    if path.startswith(stage + "/") and not (base_path + "/").startswith(stage + "/"):
        path = path[len(stage) :]
    return encode_path(path.encode()) if decoded else encode_query(path)


def _query_rest(event: Event) -> str:
    several = event.get("multiValueQueryStringParameters")
    if isinstance(several, dict):
        return write_form([(_text(name), _text(text)) for name, texts in several.items() for text in texts or ()])
    single = event.get("queryStringParameters")
    return write_form([(_text(name), _text(text)) for name, text in single.items()]) if isinstance(single, dict) else ""


def _query_alb(event: Event) -> str:
    several = event.get("multiValueQueryStringParameters")
    if isinstance(several, dict):
        pairs = [(_text(name), _text(text)) for name, texts in several.items() for text in texts or ()]
    else:
        single = event.get("queryStringParameters")
        pairs = [(_text(name), _text(text)) for name, text in single.items()] if isinstance(single, dict) else []
    return encode_query("&".join([f"{name}={text}" for name, text in pairs]))


def _headers_v1(event: Event) -> Headers:
    several = event.get("multiValueHeaders")
    if isinstance(several, dict):
        pairs = [(name.lower(), text) for name, texts in several.items() for text in texts or ()]
    else:
        single = event.get("headers")
        pairs = [(name.lower(), text) for name, text in single.items()] if isinstance(single, dict) else []
    return Headers(tuple((name, clean_header(_text(text))) for name, text in pairs))


def _headers_v2(event: Event) -> Headers:
    single = event.get("headers")
    fields = (
        {name.lower(): clean_header(_text(text)) for name, text in single.items()} if isinstance(single, dict) else {}
    )
    again = fields.pop("cookie", "")
    listed = [clean_header(_text(cookie)) for cookie in event.get("cookies") or ()]
    # A function URL says every cookie twice; a client may still send the same name with two values.
    listed += [cookie for cookie in again.split("; ") if cookie and cookie not in listed]
    pairs = tuple(fields.items())
    return Headers((*pairs, ("cookie", "; ".join(listed))) if listed else pairs)


def _body(event: Event) -> bytes:
    text = _text(event.get("body"))
    if event.get("isBase64Encoded") is not True:
        return text.encode()
    try:
        octets = a2b_base64(text.encode("ascii"), strict_mode=True)
    except BinasciiError:
        message = "the body is said to be base64 and is not"
        raise ValueError(message) from None
    if b2a_base64(octets, newline=False).decode() != text:
        message = "the body is not canonical base64"
        raise ValueError(message)
    return octets
