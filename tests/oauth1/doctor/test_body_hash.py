"""The hash of a body that the signature covers, against the body itself."""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64encode, urlsafe_b64encode
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.oauth1.doctor.careless import CLIENT_SECRET, OAUTH, TOKEN_SECRET, Signer, enc, examine

from valetkey.http import FORM, Headers, Request
from valetkey.oauth1.doctor.diagnose import diagnose
from valetkey.secret import Secret

if TYPE_CHECKING:
    from valetkey.oauth1.doctor.diagnose import Diagnosis

BODY = b'{"pay": 1,\r\n"to": "caf\xc3\xa9"}\n'
KEY = f"{enc(CLIENT_SECRET)}&{enc(TOKEN_SECRET)}".encode()


def hashed(body: bytes, algorithm: str = "sha1") -> str:
    return b64encode(hashlib.new(algorithm, body).digest()).decode()


def signed(
    given: str | None, *, body: bytes = BODY, kind: str = "application/json", method: str = "HMAC-SHA1"
) -> Request:
    """Signed rightly with that hash, whatever the body."""
    oauth = {**OAUTH, "oauth_signature_method": method, **({} if given is None else {"oauth_body_hash": given})}
    signer = Signer(oauth=oauth, form=[], digest=method.partition("-")[2].lower())
    request = signer.request()
    return Request("POST", request.url, request.headers.with_set("Content-Type", kind), body)


def looked_at(given: str | None, **more: str) -> Diagnosis:
    diagnosis = examine(signed(given, **more))  # type: ignore[arg-type]
    assert diagnosis.request_is_correct
    return diagnosis


def test_the_hash_of_the_body_is_right_by_the_methods_own_algorithm() -> None:
    for method, algorithm in (("HMAC-SHA1", "sha1"), ("HMAC-SHA256", "sha256"), ("HMAC-SHA512", "sha512")):
        diagnosis = looked_at(hashed(BODY, algorithm), method=method)
        assert (diagnosis.verdict, diagnosis.body_hash, diagnosis.remarks) == ("correct", (), ())


@pytest.mark.parametrize(("method", "algorithm"), [("HMAC-SHA1", "sha256"), ("HMAC-SHA256", "sha1")])
def test_another_algorithm_than_the_methods_is_remarked(method: str, algorithm: str) -> None:
    diagnosis = looked_at(hashed(BODY, algorithm), method=method)

    assert (diagnosis.verdict, diagnosis.body_hash) == ("correct", ())
    (remark,) = diagnosis.remarks
    assert f"made by {algorithm.upper()}, the signature by {method[5:]}" in remark
    assert "section 3.1 of OAuth Request Body Hash" in remark


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("of_another_body", hashed(b'{"pay": 1000000}')),
        ("of_another_body", "x"),
        ("of_nothing", hashed(b"")),
        ("of_nothing", hashed(b"", "sha256")),
        ("line_break", hashed(BODY[:-1])),
        ("line_break", hashed(BODY + b"\n")),
        ("line_break", hashed(BODY + b"\r\n", "sha512")),
        ("line_ends", hashed(BODY.replace(b"\r\n", b"\n"))),
        ("line_ends", hashed(BODY.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))),
        ("json", hashed(b'{"pay":1,"to":"caf\xc3\xa9"}')),
        ("json", hashed(b'{"pay": 1, "to": "caf\\u00e9"}')),
        ("output", hashlib.sha1(BODY).hexdigest()),
        ("output", urlsafe_b64encode(hashlib.sha256(BODY).digest()).decode().rstrip("=")),
        ("keyed", b64encode(hmac.digest(KEY, BODY, "sha1")).decode()),
    ],
)
def test_a_hash_that_is_not_the_bodys_is_named_with_the_section_of_the_extension(name: str, given: str) -> None:
    diagnosis = looked_at(given)

    assert (diagnosis.verdict, diagnosis.findings) == ("wrong_body_hash", ())
    (found,) = diagnosis.body_hash
    assert (found.name, found.section) == (f"body_hash_{name}", "3.2 of OAuth Request Body Hash")
    assert found.says
    assert found.advice
    assert found.change(diagnosis.parts.making) is diagnosis.parts.making


@pytest.mark.parametrize(
    ("body", "hashed_body"),
    [
        (b'{"b": [1, 2], "a": "x"}', b'{"a":"x","b":[1,2]}'),
        (b'{"b": [1, 2], "a": "x"}', b'{"b":[1,2],"a":"x"}'),
        (b'{"a":"x","b":[1,2]}', b'{"a": "x", "b": [1, 2]}'),
        (b'{"a":"\xc3\xa9"}', b'{"a": "\\u00e9"}'),
        (b'{"a":"\\ud800"}', b'{"a": "\xed\xa0\x80"}'),
    ],
)
def test_the_same_json_is_known_however_it_was_written(body: bytes, hashed_body: bytes) -> None:
    diagnosis = examine(signed(hashed(hashed_body), body=body))

    assert [one.name for one in diagnosis.body_hash] == ["body_hash_json"]


def test_only_line_breaks_are_taken_from_the_end_of_a_body() -> None:
    for other, name in ((b"x ", "line_break"), (b"x", "of_another_body")):
        diagnosis = examine(signed(hashed(other), body=b"x \r\n"))
        assert [one.name for one in diagnosis.body_hash] == [f"body_hash_{name}"]


def test_it_is_said_how_the_hash_was_written() -> None:
    (found,) = examine(signed(b64encode(hashlib.sha1(BODY).hexdigest().encode()).decode())).body_hash

    assert found.says == "the hash of the body was written as base64 of hex"


@pytest.mark.parametrize(
    ("method", "algorithm"), [("RSA-PSS", "sha256"), ("RSA-SHA1", "sha1"), ("RSA-SHA256", "sha256")]
)
def test_the_methods_of_rsa_have_a_hash_of_their_own_too(method: str, algorithm: str) -> None:
    def remarks(by: str) -> list[str]:
        oauth = {**OAUTH, "oauth_signature_method": method, "oauth_body_hash": hashed(BODY, by)}
        request = Signer(oauth=oauth, form=[]).request()
        sent = Request("POST", request.url, request.headers.with_set("Content-Type", "application/json"), BODY)
        return [one for one in diagnose(sent, client_secret=None).remarks if "made by" in one]

    assert remarks(algorithm) == []
    assert f"the signature by {algorithm.upper()}:" in remarks("sha512")[0]


def test_a_form_has_no_hash() -> None:
    diagnosis = looked_at(hashed(b""), body=b"", kind=f"{FORM}; charset=utf-8")  # type: ignore[arg-type]

    assert diagnosis.verdict == "wrong_body_hash"
    assert [(one.name, one.section) for one in diagnosis.body_hash] == [
        ("body_hash_with_form", "4.1.1 of OAuth Request Body Hash")
    ]
    assert diagnosis.body_hash[0].change(diagnosis.parts.making) == diagnosis.parts.making


def test_letters_at_the_end_of_a_body_are_no_line_break() -> None:
    broken = looked_at(hashed(b"eXX"), body=b"eXX\r\n", kind="text/plain")  # type: ignore[arg-type]
    other = looked_at(hashed(b"e"), body=b"eXX\r\n", kind="text/plain")  # type: ignore[arg-type]

    assert [one.name for one in broken.body_hash] == ["body_hash_line_break"]
    assert [one.name for one in other.body_hash] == ["body_hash_of_another_body"]


def test_a_body_that_nothing_signs_is_remarked() -> None:
    diagnosis = looked_at(None)

    assert (diagnosis.verdict, diagnosis.body_hash) == ("correct", ())
    assert "section 4.1.1 of OAuth Request Body Hash" in diagnosis.remarks[-1]
    assert looked_at(None, body=b"").remarks == ()  # type: ignore[arg-type]
    assert looked_at(None, body=b"", kind=FORM).remarks == ()  # type: ignore[arg-type]
    assert looked_at(hashed(b""), body=b"").remarks == ()  # type: ignore[arg-type]
    header = 'OAuth oauth_consumer_key="a", oauth_signature_method="PLAINTEXT", oauth_signature="s%26"'
    plain = Request("POST", "https://a.example/", Headers((("Authorization", header),)), b"x")
    assert diagnose(plain, client_secret=Secret("s")).remarks == ()


def test_a_body_that_is_not_known_is_not_compared() -> None:
    diagnosis = diagnose(
        signed(hashed(BODY), body=b""),
        client_secret=Secret(CLIENT_SECRET),
        token_secret=Secret(TOKEN_SECRET),
        body_is_known=False,
    )
    nothing = diagnose(signed(None, body=b""), client_secret=Secret(CLIENT_SECRET), body_is_known=False)

    assert (diagnosis.verdict, diagnosis.body_hash) == ("correct", ())
    assert "was not compared" in diagnosis.remarks[-1]
    assert any("nothing signs the body" in remark for remark in nothing.remarks)


def test_the_hash_is_looked_at_without_any_secret_and_beside_other_mistakes() -> None:
    alone = examine(signed("x"), client_secret=None)
    wrong = examine(signed("x"), client_secret=Secret("another"))

    assert [(one.verdict, one.body_hash[0].name) for one in (alone, wrong)] == [
        ("incomplete", "body_hash_of_another_body"),
        ("unexplained", "body_hash_of_another_body"),
    ]


@given(st.binary(max_size=60) | st.text(max_size=20).map(str.encode), st.text(max_size=30), st.booleans())
def test_any_body_and_any_hash_have_a_diagnosis(body: bytes, given: str, known: bool) -> None:
    found = diagnose(signed(given, body=body), client_secret=None, body_is_known=known)

    assert found.verdict == "incomplete"
    assert len(found.body_hash) <= 1
