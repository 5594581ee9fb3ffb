"""Events as the four fronts send them, made from a request; modelled on the published samples."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from valetkey.http import Request, read_form

if TYPE_CHECKING:
    from collections.abc import Callable

    Event = dict[str, Any]


def _body(request: Request, *, binary: bool) -> dict[str, Any]:
    if not request.body:
        return {"body": None, "isBase64Encoded": False}
    if binary:
        return {"body": base64.b64encode(request.body).decode(), "isBase64Encoded": True}
    return {"body": request.body.decode(), "isBase64Encoded": False}


def _multi(pairs: Any) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = {}
    for name, text in pairs:
        grouped.setdefault(name, []).append(text)
    return grouped


def _last(pairs: Any) -> dict[str, str]:
    return dict(pairs)


def rest(request: Request, *, stage: str = "prod", custom_domain: bool = False) -> Event:
    """API Gateway REST API, payload 1.0; `path` leaves the stage out, requestContext.path has it."""
    path, _, query = request.url.partition("?")
    inner = path if custom_domain else path.removeprefix(f"/{stage}")
    decoded = read_form(query)
    return {
        "resource": "/{proxy+}",
        "path": inner,
        "httpMethod": request.method,
        "headers": _last(request.headers.pairs),
        "multiValueHeaders": _multi(request.headers.pairs),
        "queryStringParameters": _last(decoded) or None,
        "multiValueQueryStringParameters": _multi(decoded) or None,
        "pathParameters": {"proxy": inner.lstrip("/")},
        "stageVariables": None,
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "1234567890",
            "domainName": "1234567890.execute-api.us-east-1.amazonaws.com",
            "httpMethod": request.method,
            "path": path,
            "protocol": "HTTP/1.1",
            "requestId": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
            "resourcePath": "/{proxy+}",
            "stage": stage,
            "identity": {"sourceIp": "192.0.2.1", "userAgent": "test"},
        },
        **_body(request, binary=False),
    }


def http(request: Request, *, stage: str = "$default", domain: str = "id.execute-api.us-east-1.amazonaws.com") -> Event:
    """API Gateway HTTP API, payload 2.0: rawPath decoded, cookies in their own array only."""
    return _version_2(request, stage=stage, domain=domain, decoded=True, cookies_twice=False)


def url(request: Request, *, domain: str = "abcdefg.lambda-url.us-east-1.on.aws") -> Event:
    """A function URL: rawPath encoded, cookies twice."""
    return _version_2(request, stage="$default", domain=domain, decoded=False, cookies_twice=True)


def _version_2(request: Request, *, stage: str, domain: str, decoded: bool, cookies_twice: bool) -> Event:
    path, _, query = request.url.partition("?")
    raw_path = unquote(path) if decoded else path
    cookies = [cookie for field in request.headers.all("cookie") for cookie in field.split("; ")]
    headers = {
        name.lower(): ",".join(request.headers.all(name))
        for name, _ in request.headers.pairs
        if cookies_twice or name.lower() != "cookie"
    }
    if cookies_twice and cookies:
        headers["cookie"] = "; ".join(cookies)
    event: Event = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": raw_path,
        "rawQueryString": query,
        "headers": headers,
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "id",
            "domainName": domain,
            "domainPrefix": domain.partition(".")[0],
            "http": {"method": request.method, "path": raw_path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1"},
            "requestId": "id",
            "routeKey": "$default",
            "stage": stage,
            "time": "22/Nov/2026:00:00:00 +0000",
            "timeEpoch": 1795305600000,
        },
        **_body(request, binary=True),
    }
    if cookies:
        event["cookies"] = cookies
    if query:
        event["queryStringParameters"] = {name: ",".join(texts) for name, texts in _multi(read_form(query)).items()}
    return event


def _alb(request: Request) -> tuple[Event, list[tuple[str, str]]]:
    path, _, query = request.url.partition("?")
    arn = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/f/49e9d65c45c6791a"
    raw = [(field.partition("=")[0], field.partition("=")[2]) for field in query.split("&") if field]
    event = {
        "requestContext": {"elb": {"targetGroupArn": arn}},
        "httpMethod": request.method,
        "path": path,
        **_body(request, binary=True),
    }
    if not request.body:
        event["body"] = ""
    return event, raw


def alb(request: Request) -> Event:
    """A load balancer whose target group has multi-value headers off: the last of several wins."""
    event, raw = _alb(request)
    headers = {name.lower(): text for name, text in request.headers.pairs}
    return {**event, "headers": headers, "queryStringParameters": dict(raw)}


def alb_multi(request: Request) -> Event:
    """A load balancer whose target group has multi-value headers on."""
    event, raw = _alb(request)
    headers = _multi((name.lower(), text) for name, text in request.headers.pairs)
    return {**event, "multiValueHeaders": headers, "multiValueQueryStringParameters": _multi(raw)}


SHAPES: dict[str, Callable[[Request], Event]] = {
    "rest": rest,
    "http": http,
    "url": url,
    "alb": alb,
    "alb_multi": alb_multi,
}
