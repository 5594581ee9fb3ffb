"""Where two base strings part, told without a value in it."""

from __future__ import annotations

from typing import Any

import pytest

from valetkey.oauth1.doctor.differences import differences
from valetkey.oauth1.doctor.making import Making, base_string
from valetkey.secret import Secret
from valetkey.value import replace

RIGHT = Making(
    "POST",
    "https",
    "api.example.com",
    "",
    "/v1/things",
    "api.example.com",
    "",
    (("oauth_consumer_key", "k"), ("oauth_nonce", "n")),
    (("a", "1"),),
    (("b", "2 canary"),),
    "a=1",
    "b=2%20canary",
    (),
    None,
    "HMAC-SHA1",
    Secret("canary"),
    None,
)
OURS = base_string(RIGHT)


def told(**changes: Any) -> tuple[str, ...]:
    """What is said of somebody who signed the request with these changes."""
    found = differences(base_string(replace(RIGHT, **changes)), OURS, RIGHT)
    assert "canary" not in " ".join(found), "values are never said"
    return found


def test_of_two_that_are_the_same_nothing_is_said() -> None:
    assert told() == ()


@pytest.mark.parametrize(("theirs", "count"), [("", 1), ("POST", 1), ("POST&x", 2), (f"{OURS}&more", 4)])
def test_a_text_without_three_parts_is_no_base_string(theirs: str, count: int) -> None:
    (only,) = differences(theirs, OURS, RIGHT)

    assert f"has {count} " in only


def test_each_part_that_differs_is_one_sentence() -> None:
    method, address, parameters = told(method="GET", path="/other", query=())

    assert method.startswith("method")
    assert "GET" in method
    assert "POST" in method
    assert "https://api.example.com/other" in address
    assert "https://api.example.com/v1/things" in address
    assert parameters.startswith("parameters that they did not sign: a ")


def test_an_address_with_a_query_is_said_without_it_and_a_long_one_is_cut() -> None:
    (queried,) = told(uri_query="?secret=canary")
    (plain,) = told(host="other.example.com")
    (long,) = told(path="/" + "x" * 500)

    assert "https://api.example.com/v1/things?..., right is" in queried
    assert "signed https://other.example.com/v1/things, right is" in plain
    assert "x" * 90 in long
    assert "x" * 121 not in long


def test_the_same_parameters_in_another_order_are_called_that() -> None:
    (only,) = told(order="given")

    assert "another order" in only
    (only,) = differences(
        base_string(replace(RIGHT, query=(("b", "2 canary"),), form=(("a", "1"),), order="")), OURS, RIGHT
    )
    assert "another order" in only


@pytest.mark.parametrize(
    ("changes", "sentences"),
    [
        ({"form": ()}, ["did not sign: b "]),
        ({"form": (("b", "2 canary"), ("c", "canary"))}, ["the request has not: c"]),
        ({"form": (("b", "canary"),)}, ["another value or another encoding: b "]),
        ({"query": (("x", "canary"),), "form": (("b", "canary"),)}, ["did not sign: a ", "has not: x", "encoding: b "]),
        ({"encode": "plus"}, ["another value or another encoding: b "]),
        ({"query": (("a", "1"), ("a", "x=canary")), "encode": "none"}, ["another value or another encoding: a, b "]),
        ({"form": (("b", "2=canary"),), "encode": "none"}, ["another value or another encoding: b "]),
    ],
)
def test_parameters_are_named_by_what_became_of_them(changes: dict[str, Any], sentences: list[str]) -> None:
    found = told(**changes)

    assert len(found) == len(sentences)
    for sentence, words in zip(found, sentences, strict=True):
        assert words in sentence


def test_parameters_that_were_not_encoded_a_second_time_differ_as_a_whole() -> None:
    method, address, parameters = OURS.split("&")
    theirs = "&".join((method, address, parameters.replace("%3D", "%3d")))

    (only,) = differences(theirs, OURS, RIGHT)

    assert "as a whole" in only


def test_an_address_that_is_written_with_other_escapes_is_told() -> None:
    (only,) = differences(OURS.replace("%3A%2F%2F", "%3a%2f%2f", 1), OURS, RIGHT)

    assert only.startswith("address: the same, but encoded differently")


def test_a_method_is_compared_as_it_is_written_and_cut_where_it_is_long() -> None:
    odd = replace(RIGHT, method="POST/1")
    (long,) = differences(base_string(replace(RIGHT, method="ABCDEFGHIJKLMNOPQ")), OURS, RIGHT)

    assert differences(base_string(odd), base_string(odd), odd) == ()
    assert "they signed ABCDEFGHIJKLMNOP, the request is POST" in long


def test_a_parameter_that_was_signed_once_too_often_is_no_other_encoding() -> None:
    (only,) = told(form=RIGHT.form * 2)

    assert "as often" in only


def test_names_are_few_short_and_printable() -> None:
    many = tuple((f"n{number:02}", "canary") for number in range(13))
    (some,) = told(form=(*RIGHT.form, *many[:12]))
    (more,) = told(form=(*RIGHT.form, *many))
    (odd,) = told(form=(*RIGHT.form, ("x" * 60, "1")))

    assert some.endswith(", ".join(name for name, _ in many[:12]))
    assert more.endswith("n11, ...")
    assert "x" * 40 in odd
    assert "x" * 41 not in odd
    theirs = OURS + "%26" + "\x07" + "%3D1"
    assert differences(theirs, OURS, RIGHT)[0].endswith(": ?")
