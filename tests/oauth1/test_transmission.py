from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from valetkey.http import percent_encode
from valetkey.oauth1.signature import encoded_parameters
from valetkey.oauth1.transmission import (
    MAX_HEADER_CHARACTERS,
    MAX_HEADER_PARAMETERS,
    authorization_header,
    read_authorization_header,
)

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
NAMES = TEXTS.filter(lambda name: bool(name) and name.lower() != "realm")
REALMS = st.one_of(st.none(), st.text(st.characters(min_codepoint=32, max_codepoint=126, exclude_characters='"\\')))


@given(st.lists(st.tuples(NAMES, TEXTS), max_size=8), REALMS)
def test_an_authorization_header_comes_back_as_it_was_written(pairs: list[tuple[str, str]], realm: str | None) -> None:
    header = authorization_header(encoded_parameters(pairs), realm=realm)

    assert read_authorization_header(header) == (realm, tuple(pairs))


def test_the_header_of_the_rfc_is_read() -> None:
    # RFC 5849 section 3.5.1, and its line breaks as the spaces they stand for
    header = (
        'OAuth realm="Example",     oauth_consumer_key="0685bd9184jfhq22",  oauth_token="ad180jjd733klru7",'
        ' oauth_signature_method="HMAC-SHA1", oauth_signature="wOJIO9A2W5mFwDgiDvZbTSMK%2FPY%3D",'
        ' oauth_timestamp="137131200",\toauth_nonce="4572616e48616d6d65724c61686176", oauth_version="1.0"'
    )

    realm, pairs = read_authorization_header(header)

    assert realm == "Example"
    assert len(pairs) == 7
    assert dict(pairs)["oauth_signature"] == "wOJIO9A2W5mFwDgiDvZbTSMK/PY="


def test_the_scheme_and_the_name_of_the_realm_have_no_case() -> None:
    assert read_authorization_header('oAuTH Realm="a, b=c",a="1"') == ("a, b=c", (("a", "1"),))


@pytest.mark.parametrize(
    "header",
    [
        'Bearer a="1"',
        "OAuth a=1",
        'OAuth a="1',
        'OAuth a"1"',
        'OAuth ="1"',
        'OAuth a="1" b="2"',
        'OAuth a="1",, b="2"',
        'OAuth ,a="1"',
        'OAuth a="1",',
        'OAuth a="1" trailing',
        'OAuth a ="1"',
        'OAuth a= "1"',
        'OAuth a, b="1"',
        'OAuth a="1\\"2"',
        'OAuth a="%zz"',
        'OAuth a="%ff"',
        'OAuth é="1"',
        'OAuth a="é"',
        'OAuth realm="a", realm="b"',
        "OAuth " + ", ".join(f'a{number}="1"' for number in range(MAX_HEADER_PARAMETERS + 1)),
        f'OAuth a="{"1" * MAX_HEADER_CHARACTERS}"',
    ],
)
def test_a_header_with_more_than_one_reading_is_refused(header: str) -> None:
    with pytest.raises(ValueError):
        read_authorization_header(header)


@given(st.text(st.sampled_from('OAuth realm=",%\\ab1 \t')))
def test_what_is_read_is_what_would_be_written(text: str) -> None:
    try:
        realm, pairs = read_authorization_header("OAuth " + text)
    except ValueError:
        return

    written = authorization_header(
        [(percent_encode(name), percent_encode(value)) for name, value in pairs], realm=realm
    )

    assert read_authorization_header(written) == (realm, pairs)
