"""Signature Version 4 against AWS's published examples and against botocore."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING
from unittest import mock

import botocore.auth
import pytest
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from valetkey.clouds.aws_sigv4 import AwsCredentials, canonical_request, sign_request
from valetkey.http import FORM, Headers, Request, percent_encode
from valetkey.secret import Secret

if TYPE_CHECKING:
    from valetkey.http import Pairs

# The identity, time and place of AWS's Signature Version 4 test suite.
CREDENTIALS = AwsCredentials("AKIDEXAMPLE", Secret("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"))
NOW = 1_440_938_160  # 20150830T123600Z
SIGNED = "host;x-amz-date"


def signature(request: Request, credentials: AwsCredentials = CREDENTIALS) -> tuple[str, str]:
    signed = sign_request(request, credentials, region="us-east-1", service="service", now=NOW)
    authorization = signed.headers.get("authorization") or ""
    start, names, found = authorization.split(", ")
    assert start == "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request"
    return names.removeprefix("SignedHeaders="), found.removeprefix("Signature=")


@pytest.mark.parametrize(
    ("example", "method", "target", "headers", "body", "names", "expected"),
    [
        (
            "get-vanilla",
            "GET",
            "/",
            (),
            b"",
            SIGNED,
            "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
        ),
        (
            "post-vanilla",
            "POST",
            "/",
            (),
            b"",
            SIGNED,
            "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
        ),
        (
            "get-vanilla-query-order-key-case",
            "GET",
            "/?Param2=value2&Param1=value1",
            (),
            b"",
            SIGNED,
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        ),
        (
            "get-header-value-trim",
            "GET",
            "/",
            (("My-Header1", " value1"), ("My-Header2", ' "a   b   c"')),
            b"",
            "host;my-header1;my-header2;x-amz-date",
            "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
        ),
        (
            "post-x-www-form-urlencoded",
            "POST",
            "/",
            (("Content-Type", FORM),),
            b"Param1=value1",
            "content-type;host;x-amz-date",
            "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
        ),
    ],
    ids=lambda argument: argument if isinstance(argument, str) and argument.startswith(("get-", "post-")) else "",
)
def test_the_published_examples_are_signed_alike(
    example: str, method: str, target: str, headers: Pairs, body: bytes, names: str, expected: str
) -> None:
    request = Request(method, "https://example.amazonaws.com" + target, Headers(headers), body)

    assert signature(request) == (names, expected)


def test_the_published_canonical_request_of_get_vanilla() -> None:
    headers = Headers((("Host", "example.amazonaws.com"), ("X-Amz-Date", "20150830T123600Z")))
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

    text = canonical_request(Request("GET", "https://example.amazonaws.com/", headers), ("host", "x-amz-date"))

    assert text == f"GET\n/\n\nhost:example.amazonaws.com\nx-amz-date:20150830T123600Z\n\nhost;x-amz-date\n{empty}"


@pytest.mark.parametrize(
    ("path", "canonical"),
    [
        ("", "/"),
        ("/", "/"),
        ("//", "/"),
        ("/./", "/"),
        ("/example/..", "/"),
        ("/../..", "/"),
        ("//example//", "/example/"),
        ("/./example", "/example"),
        ("/example/../other/", "/other/"),
        ("/-._~0aZ", "/-._~0aZ"),
        ("/a%20b", "/a%2520b"),
        ("/table:1", "/table%3A1"),
    ],
)
def test_paths_are_normalized_and_encoded_once_more(path: str, canonical: str) -> None:
    text = canonical_request(Request("GET", "https://example.amazonaws.com" + path), ())

    assert text.split("\n")[1] == canonical


def test_a_session_token_is_signed_and_sent() -> None:
    credentials = AwsCredentials("AKIDEXAMPLE", CREDENTIALS.secret_access_key, Secret("session-canary"))

    signed = sign_request(
        Request("GET", "https://example.amazonaws.com/"), credentials, region="us-east-1", service="service", now=NOW
    )

    assert signed.headers.get("x-amz-security-token") == "session-canary"
    assert "host;x-amz-date;x-amz-security-token" in (signed.headers.get("authorization") or "")


def test_signing_again_replaces_the_earlier_signature() -> None:
    once = sign_request(
        Request("GET", "https://example.amazonaws.com/"), CREDENTIALS, region="us-east-1", service="service", now=1
    )

    assert signature(once) == signature(Request("GET", "https://example.amazonaws.com/"))


def test_headers_that_proxies_change_are_not_signed() -> None:
    moving = (
        ("User-Agent", "x"),
        ("X-Amzn-Trace-Id", "Root=1"),
        ("Connection", "close"),
        ("Transfer-Encoding", "chunked"),
    )

    names, _ = signature(Request("GET", "https://example.amazonaws.com/", Headers(moving)))

    assert names == SIGNED


def test_nothing_secret_is_printed() -> None:
    signed = sign_request(
        Request("GET", "https://example.amazonaws.com/"),
        AwsCredentials("AKID", Secret("canary-secret"), Secret("canary-token")),
        region="us-east-1",
        service="service",
        now=NOW,
    )

    assert "canary" not in repr(signed) + repr(AwsCredentials("AKID", Secret("canary-secret"), Secret("canary-token")))
    assert "canary-secret" not in str(signed.headers.pairs)


segments = st.lists(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8).map(percent_encode)
    | st.sampled_from(["", ".", ".."]),
    max_size=5,
)
words = st.text(st.characters(exclude_categories=["Cs"]), max_size=8).map(percent_encode)
header_texts = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=20)


@given(
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE"]),
    host=st.sampled_from(["dynamodb.eu-central-1.amazonaws.com", "127.0.0.1:8000", "Example.COM:443", "[::1]:8000"]),
    path=segments,
    query=st.lists(st.tuples(words, words), max_size=5),
    headers=st.dictionaries(
        st.sampled_from(["X-Amz-Target", "content-type", "X-a", "x-B", "User-Agent"]), header_texts
    ),
    body=st.binary(max_size=100),
    token=st.none() | st.text("abc+/=", min_size=1, max_size=20),
    now=st.integers(0, 4_102_444_799),
)
def test_botocore_signs_alike(
    method: str,
    host: str,
    path: list[str],
    query: list[tuple[str, str]],
    headers: dict[str, str],
    body: bytes,
    token: str | None,
    now: int,
) -> None:
    url = f"https://{host}/{'/'.join(path)}" + ("?" + "&".join("=".join(pair) for pair in query) if query else "")
    secret = "wJalrXUtnFEMI"
    theirs = AWSRequest(method, url, headers=headers, data=body)
    with mock.patch.object(botocore.auth, "get_current_datetime", return_value=datetime.fromtimestamp(now, UTC)):
        botocore.auth.SigV4Auth(Credentials("AKID", secret, token), "dynamodb", "eu-central-1").add_auth(theirs)

    ours = sign_request(
        Request(method, url, Headers(tuple(headers.items())), body),
        AwsCredentials("AKID", Secret(secret), Secret(token) if token else None),
        region="eu-central-1",
        service="dynamodb",
        now=now,
    )

    assert ours.headers.get("x-amz-date") == theirs.headers["X-Amz-Date"]
    assert ours.headers.get("authorization") == theirs.headers["Authorization"]
