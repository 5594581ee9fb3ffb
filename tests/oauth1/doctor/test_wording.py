"""The base string shown step by step, without a secret in it."""

from __future__ import annotations

from typing import Any

import pytest
from tests.oauth1.doctor.test_differences import RIGHT

from valetkey.oauth1.doctor.making import Making, base_string
from valetkey.oauth1.doctor.wording import explain, fingerprint, hidden
from valetkey.secret import Secret
from valetkey.value import replace

TELLING = ("x_auth_password", "client_secret", "oauth_verifier", "code", "access_token", "client_assertion", "pin")
ALSO_TELLING = ("api_key", "oauth_session_handle", "signature", "PASSWORD")


@pytest.mark.parametrize("name", [*TELLING, *ALSO_TELLING])
@pytest.mark.parametrize("place", ["protocol", "query", "form"])
def test_a_value_that_may_be_a_secret_is_a_fingerprint_wherever_it_stands(place: str, name: str) -> None:
    shown = hidden(replace(RIGHT, **{place: ((name, "canary"),)}))

    ((same, text),) = getattr(shown, place)
    assert same == name
    assert text == f"HIDDEN-{fingerprint(Secret('canary')).removeprefix('sha256:')}"


@pytest.mark.parametrize("name", ["oauth_consumer_key", "oauth_signature_method", "oauth_token", "page", "oauth_nonce"])
def test_a_value_that_proves_nothing_is_shown(name: str) -> None:
    assert hidden(replace(RIGHT, query=((name, "shown"),))).query == ((name, "shown"),)


def test_an_empty_value_is_shown_empty() -> None:
    assert hidden(replace(RIGHT, query=(("password", ""),))).query == (("password", ""),)


def test_a_secret_is_told_by_a_fingerprint_and_that_it_is_missing_or_empty() -> None:
    one, other = fingerprint(Secret("canary")), fingerprint(Secret("canary2"))

    assert one.startswith("sha256:")
    assert len(one) == len("sha256:") + 8
    assert one != other
    assert (fingerprint(None), fingerprint(Secret(""))) == ("not given", "empty")


class Diagnosed:
    """As much of a diagnosis as is explained."""

    def __init__(self, making: Making, expected: str) -> None:
        self.expected = Secret(expected)
        self.parts = type("Parts", (), {"making": making, "placement": "header"})()


@pytest.mark.parametrize(
    ("method", "section", "shown"),
    [
        ("HMAC-SHA256", "3.4.2", "made-of-it"),
        ("PLAINTEXT", "3.4.4", fingerprint(Secret("made-of-it"))),
    ],
)
def test_the_steps_are_those_of_the_sections(method: str, section: str, shown: str) -> None:
    making = replace(RIGHT, signature_method=method, client_secret=Secret("canary"), token_secret=Secret("other"))
    diagnosis: Any = Diagnosed(making, "made-of-it")

    pieces = explain(diagnosis)

    assert [piece.section for piece in pieces] == [
        "3.4.1.1",
        "3.4.1.2",
        *["3.4.1.3.1"] * 4,
        "3.4.1.3.2",
        "3.4.1.1",
        "3.4.2",
        "3.4.2",
        section,
    ]
    texts = [piece.text for piece in pieces]
    assert texts[:2] == ["POST", "https://api.example.com/v1/things"]
    assert texts[2:6] == ["oauth_consumer_key=k", "oauth_nonce=n", "a=1", "b=2%20canary"]
    assert [piece.title.rpartition(" ")[2] for piece in pieces[2:6]] == ["header", "header", "query", "form"]
    assert texts[6] == "a=1&b=2%20canary&oauth_consumer_key=k&oauth_nonce=n"
    assert texts[7] == base_string(making)
    assert texts[8:10] == [fingerprint(Secret("canary")), fingerprint(Secret("other"))]
    assert [piece.title for piece in pieces[:2]] == ["method", "base string URI"]
    assert (pieces[-1].title, texts[-1]) == (f"{method} signature", shown)


@pytest.mark.parametrize("method", ["RSA-SHA1", "HMAC-SHA999"])
def test_a_signature_that_is_not_made_here_is_not_shown(method: str) -> None:
    diagnosis: Any = Diagnosed(replace(RIGHT, signature_method=method, client_secret=Secret("canary")), "")

    assert explain(diagnosis)[-1].title == "token secret"


@pytest.mark.parametrize("method", ["HMAC-SHA1", "PLAINTEXT"])
def test_a_signature_that_lacks_its_client_secret_is_not_shown(method: str) -> None:
    diagnosis: Any = Diagnosed(replace(RIGHT, signature_method=method, client_secret=None), "made-without-it")

    assert explain(diagnosis)[-1].title == "token secret"
