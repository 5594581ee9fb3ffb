"""What tokens are asked for, and granted, beyond scope: resources (RFC 8707) and authorization details (RFC 9396)."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from valetkey.http import Pairs
    from valetkey.oauth2.server import AuthorizationServer

MAX_DETAILS_OCTETS = 8192
_NO_SCOPE = frozenset(' "\\')


def is_scope(text: object) -> bool:
    """Whether it is one scope token (RFC 6749 section 3.3)."""
    if not isinstance(text, str) or not text:
        return False
    return text.isascii() and text.isprintable() and not _NO_SCOPE.intersection(text)


def resource_problems(resources: tuple[str, ...]) -> list[str]:
    """What is wrong with resource indicators: each is an absolute URI without a fragment (RFC 8707 section 2)."""
    problems = []
    for resource in resources:
        scheme, colon, rest = resource.partition(":")
        sound = scheme[:1].isalpha() and all(one.isalnum() or one in "+-." for one in scheme)
        if not colon or not rest or not sound or not resource.isascii() or not resource.isprintable():
            problems.append("resources: each is an absolute URI, such as https://api.example.com/")
        elif "#" in resource or " " in resource:
            problems.append("resources: a resource has neither a fragment nor a blank (RFC 8707 section 2)")
    if len(set(resources)) != len(resources):
        problems.append("resources: one stands there twice")
    return problems


def details_problems(text: str) -> list[str]:
    """What is wrong with authorization details: a JSON array of objects, each with a type (RFC 9396 section 2)."""
    if not text:
        return []
    from valetkey.oauth2.strict_json import read_json_object

    try:
        found = read_json_object(b'{"details":' + text.encode() + b"}", limit=MAX_DETAILS_OCTETS)
    except ValueError:
        return [f"authorization_details: it must be JSON of at most {MAX_DETAILS_OCTETS} octets"]
    details = found["details"]
    if len(found) != 1 or not isinstance(details, list) or not details:
        return ["authorization_details: it must be a JSON array of objects, each with a type (RFC 9396 section 2)"]
    if not all(isinstance(one, dict) and isinstance(one.get("type"), str) and one["type"] for one in details):
        return ["authorization_details: every item is an object with a type (RFC 9396 section 2)"]
    return []


def requested(
    server: AuthorizationServer, scope: tuple[str, ...], resources: tuple[str, ...] = ()
) -> list[tuple[str, str]]:
    """What a request asks for that no authorization request has asked for before it: scope, resources and details.

    RFC 9396 section 3 lets details stand wherever scope may. A code and a refresh token carry what was granted already:
    saying it again could only make it less (section 6).
    resources: other ones than the server's.
    """
    fields = [(server.scope_parameter, server.scope_separator.join(scope))] if scope else []
    fields += [("resource", resource) for resource in resources or server.resources]  # 8707 s2
    if server.authorization_details:  # 9396 s6
        fields.append(("authorization_details", server.authorization_details))
    return fields


def granted_details(extra: Pairs) -> tuple[dict[str, Any], ...]:
    """The authorization details of a token response (RFC 9396 section 7); empty where it has none that can be read.

    extra: what the token response said beside the tokens.
    """
    text = dict(extra).get("authorization_details")
    if text is None:
        return ()
    from valetkey.oauth2.strict_json import read_json_object

    try:
        found = read_json_object(b'{"details":' + text.encode() + b"}", limit=2 * MAX_DETAILS_OCTETS)
    except ValueError:
        return ()
    details = found["details"]
    if len(found) != 1 or not isinstance(details, list):
        return ()
    return tuple(one for one in details if isinstance(one, dict))
