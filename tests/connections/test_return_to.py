"""Where a browser is sent back to: our own paths and allowed hosts, whatever else it may look like (RFC 9700 4.11)."""

from __future__ import annotations

import pytest

from valetkey.connections.settings import Settings, read_return_to
from valetkey.errors import RequestRefused

SETTINGS = Settings({}, "https://app.example/oauth", return_to="/home", return_hosts=("www.example",))

HOSTILE = [
    "//evil.example",
    "///evil.example",
    "////evil.example",
    "/\\evil.example",
    "\\\\evil.example",
    "\\/evil.example",
    "/\\/evil.example",
    "/%5cevil.example",
    "/%5C%5Cevil.example",
    "/%2f%2fevil.example",
    "/%2F%2Fevil.example",
    "//%2fevil.example",
    "/.//evil.example",
    "/..//evil.example",
    "/a/..//evil.example",
    "/a//evil.example",
    "/\tevil.example",
    "/\t/evil.example",
    "\t//evil.example",
    " //evil.example",
    "/ /evil.example",
    "/\n/evil.example",
    "/\r\nLocation: https://evil.example",
    "/%0d%0aLocation:%20https://evil.example",
    "/%0aSet-Cookie:a=b",
    "/%09/evil.example",
    "/%00",
    "/\x00",
    "/\x7f",
    "/\u2028evil",
    "/。evil.example",
    "/／evil.example",
    "https://evil.example",
    "https:evil.example",
    "https:/evil.example",
    "https:///evil.example",
    "https:\\\\evil.example",
    "HTTPS://EVIL.EXAMPLE",
    "http://www.example/",
    "http://app.example/",
    "https://www.example.evil.example/",
    "https://www.example@evil.example/",
    "https://www.example:443@evil.example/",
    "https://www.example%40evil.example/",
    "https://www.example\\@evil.example/",
    "https://www.example:8443/",
    "https://www.example./",
    "https://evil-www.example/",
    "https://wwwXexample/",
    "https://www.example#@evil.example/",
    "https://evil.example#www.example",
    "https://evil.example?www.example",
    "https://evil.example/www.example",
    "https://[::1]/",
    "https://127.0.0.1/",
    "javascript:alert(1)",
    "JavaScript:alert(1)",
    "java\tscript:alert(1)",
    "/javascript:alert(1)",
    "data:text/html,<script>",
    "vbscript:x",
    "file:///etc/passwd",
    "evil.example",
    "reports",
    "?next=https://evil.example",
    "#evil",
    "/#@evil.example",
    "/user@evil.example",
    "/<script>",
    '/"onload=',
    "/'x'",
    "/{{7*7}}",
    "/" + "x" * 200,
    "ftp://www.example/",
    "//www.example",
]


@pytest.mark.parametrize("return_to", HOSTILE)
def test_a_hostile_way_back_is_refused_and_not_repeated(return_to: str) -> None:
    with pytest.raises(RequestRefused) as caught:
        _ = read_return_to(SETTINGS, return_to)

    assert caught.value.reason == "return_to_refused"
    assert caught.value.status == 400
    assert "evil" not in str(caught.value)


@pytest.mark.parametrize(
    "return_to",
    [
        "/",
        "/reports",
        "/reports?week=3&of=2026",
        "/a/b/c-d_e.f~g",
        "/x%20y",
        "https://www.example/",
        "https://www.example:443/x?y=z",
    ],
)
def test_a_path_of_ours_and_an_allowed_host_are_taken_as_they_are(return_to: str) -> None:
    assert read_return_to(SETTINGS, return_to) == return_to


@pytest.mark.parametrize("return_to", [None, ""])
def test_no_way_back_means_the_configured_one(return_to: str | None) -> None:
    assert read_return_to(SETTINGS, return_to) == "/home"


def test_the_table_holds_at_least_65_shapes() -> None:
    assert len(set(HOSTILE)) >= 65
