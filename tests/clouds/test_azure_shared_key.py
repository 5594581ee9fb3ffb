"""Shared Key for the Table service, with Microsoft's own SDK as the oracle."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from azure.core.credentials import AzureNamedKeyCredential
from azure.core.rest import HttpRequest
from azure.data.tables._authentication import SharedKeyCredentialPolicy
from hypothesis import given
from hypothesis import strategies as st

from valetkey.clouds.azure_shared_key import (
    canonicalized_resource,
    shared_key_lite_text,
    shared_key_text,
    sign_with_shared_key,
    sign_with_shared_key_lite,
)
from valetkey.dates import http_date, read_time, write_time
from valetkey.http import Headers, Request, percent_encode
from valetkey.secret import Secret

KEY = Secret("Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==")


def test_the_text_that_shared_key_signs_is_the_documented_one() -> None:
    headers = Headers((("Content-Type", "application/json"), ("x-ms-date", "Mon, 07 Sep 2026 10:00:00 GMT")))
    request = Request("POST", "https://acme.table.core.windows.net/Tables", headers)

    text = shared_key_text(request, "acme")

    assert text == "POST\n\napplication/json\nMon, 07 Sep 2026 10:00:00 GMT\n/acme/Tables"


def test_the_text_that_shared_key_lite_signs_is_the_documented_one() -> None:
    """The example of "Authorize with Shared Key", Shared Key Lite for the Table service."""
    request = Request(
        "GET",
        "https://testaccount1.table.core.windows.net/Tables",
        Headers((("Date", "Sun, 11 Oct 2009 19:52:39 GMT"),)),
    )

    assert shared_key_lite_text(request, "testaccount1") == "Sun, 11 Oct 2009 19:52:39 GMT\n/testaccount1/Tables"


def test_the_date_of_our_own_header_is_the_one_that_is_signed() -> None:
    request = Request("GET", "https://acme.table.core.windows.net/t", Headers((("Date", "another"),)))

    signed = sign_with_shared_key(request, account="acme", key=KEY, now=784_111_777)

    assert signed.headers.get("x-ms-date") == "Sun, 06 Nov 1994 08:49:37 GMT"
    assert "another" not in shared_key_text(signed, "acme")


@pytest.mark.parametrize(
    ("url", "resource"),
    [
        ("http://127.0.0.1:10002/dev/rows()?$top=1", "/acme/dev/rows()"),
        ("https://h/?restype=service&comp=properties", "/acme/?comp=properties"),
        ("https://h/rows(PartitionKey='a%20b')", "/acme/rows(PartitionKey='a%20b')"),
        ("https://h/rows?competition=x", "/acme/rows"),
    ],
)
def test_of_the_query_only_comp_is_signed_and_the_path_as_it_is_sent(url: str, resource: str) -> None:
    assert canonicalized_resource(url, "acme") == resource


@given(
    method=st.sampled_from(["GET", "POST", "PUT", "DELETE"]),
    name=st.text(st.characters(codec="ascii"), max_size=20),
    kind=st.sampled_from(["", "application/json"]),
)
def test_microsofts_sdk_makes_the_same_signature(method: str, name: str, kind: str) -> None:
    url = f"https://acme.table.core.windows.net/rows(PartitionKey='{percent_encode(name)}',RowKey='x')"
    headers = Headers((("Content-Type", kind),) if kind else ())
    ours = sign_with_shared_key(Request(method, url, headers), account="acme", key=KEY, now=1_700_000_000)
    theirs = HttpRequest(method, url, headers=dict(ours.headers.pairs))
    del theirs.headers["Authorization"]
    policy = SharedKeyCredentialPolicy(AzureNamedKeyCredential("acme", KEY.reveal()))

    asked: Any = SimpleNamespace(http_request=theirs, context=SimpleNamespace(transport=None))
    policy.sign_request(asked)

    assert theirs.headers["Authorization"] == ours.headers.get("Authorization")


def test_the_lite_signature_covers_date_and_resource_alone() -> None:
    signed = [
        sign_with_shared_key_lite(Request(method, "https://h/rows", headers), account="acme", key=KEY, now=1)
        for method, headers in (("GET", Headers()), ("PUT", Headers((("Content-Type", "x"),))))
    ]

    assert len({request.headers.get("Authorization") for request in signed}) == 1
    assert (signed[0].headers.get("Authorization") or "").startswith("SharedKeyLite acme:")


def test_a_key_that_is_not_base64_is_refused_without_being_shown() -> None:
    with pytest.raises(ValueError) as caught:
        sign_with_shared_key(Request("GET", "https://h/"), account="acme", key=Secret("canary!"), now=1)

    assert "canary" not in str(caught.value)


@given(st.integers(0, 253_402_300_799))
def test_times_are_written_as_they_are_read(unix_seconds: int) -> None:
    from email.utils import formatdate

    assert read_time(write_time(unix_seconds)) == unix_seconds
    assert http_date(unix_seconds) == formatdate(unix_seconds, usegmt=True)
