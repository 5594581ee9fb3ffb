from __future__ import annotations

from binascii import b2a_base64
from inspect import CORO_CLOSED, getcoroutinestate
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.oauth1.cast import CLIENT, KEYS, NOW, TOKEN, URL, World, form_request, key_pair, rsa_client

from valetkey.digest import sha256, sha512
from valetkey.drivers.drive import drive
from valetkey.effects import Sign
from valetkey.errors import ConfigurationError, RequestRefused, StoreError
from valetkey.http import FORM, Headers, Request, read_form, write_form
from valetkey.oauth1.credentials import Server
from valetkey.oauth1.sign import sign, sign_for, sign_request
from valetkey.oauth1.signature import SIGNATURE_METHODS
from valetkey.oauth1.verify import Keys, check_signature, check_timestamp, read_signed_request
from valetkey.secret import Secret
from valetkey.value import replace

if TYPE_CHECKING:
    from valetkey.oauth1.credentials import Placement, SignatureMethod

PLACEMENTS: tuple[Placement, ...] = ("header", "query", "body")
HMAC_METHODS: tuple[SignatureMethod, ...] = ("HMAC-SHA1", "HMAC-SHA256", "HMAC-SHA512")
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
PAIRS = st.lists(st.tuples(TEXTS.filter(lambda name: not name.startswith("oauth_")), TEXTS), max_size=5)


def signed_by_any(request: Request, method: SignatureMethod, placement: Placement) -> Request:
    op = sign(request, rsa_client(), token=TOKEN, signature_method=method, placement=placement)
    return drive(op, World().answer)


def is_valid(request: Request, keys: Keys) -> bool:
    try:
        check_signature(read_signed_request(request), keys)
    except RequestRefused:
        return False
    return True


@pytest.mark.parametrize("placement", PLACEMENTS)
@pytest.mark.parametrize("method", SIGNATURE_METHODS)
def test_what_is_signed_verifies_and_nothing_else_does(method: SignatureMethod, placement: Placement) -> None:
    request = form_request("c2&a3=2+q&naïve=☃".replace("ï", "%C3%AF").replace("☃", "%E2%98%83"))
    keys = replace(KEYS, public_key=key_pair()[1])

    signed = signed_by_any(request, method, placement)
    read = read_signed_request(signed)

    assert (read.placement, read.signature_method, read.timestamp) == (placement, method, NOW)
    assert is_valid(signed, keys)
    assert not is_valid(signed, Keys(Secret("other"), KEYS.token_secret))
    if method != "PLAINTEXT":  # which signs nothing but the secrets
        assert not is_valid(replace(signed, method="PUT"), keys)
        assert not is_valid(replace(signed, url=signed.url.replace("vacation", "vocation")), keys)
        assert not is_valid(replace(signed, body=signed.body.replace(b"2+q", b"3+q")), keys)


@given(st.sampled_from(HMAC_METHODS), st.sampled_from(PLACEMENTS), PAIRS, PAIRS)
def test_any_parameters_survive_signing_and_verifying(
    method: SignatureMethod, placement: Placement, query: list[tuple[str, str]], form: list[tuple[str, str]]
) -> None:
    request = form_request(write_form(form), url=f"https://example.com/a?{write_form(query)}")

    signed = sign_request(
        request, CLIENT, token=TOKEN, timestamp=NOW, nonce="n", signature_method=method, placement=placement
    )

    assert is_valid(signed, KEYS)
    assert set(read_form(request.body.decode())) <= set(read_form(signed.body.decode()))


@given(st.data(), st.sampled_from(SIGNATURE_METHODS))
def test_a_signature_with_any_character_flipped_fails(data: st.DataObject, method: SignatureMethod) -> None:
    keys = replace(KEYS, public_key=key_pair()[1])
    read = read_signed_request(signed_by_any(Request("GET", URL), method, "header"))
    text = read.signature.reveal()
    at = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.characters().filter(lambda character: character != text[at]))

    flipped = replace(read, signature=Secret(text[:at] + other + text[at + 1 :]))

    check_signature(read, keys)
    with pytest.raises(RequestRefused) as caught:
        check_signature(flipped, keys)
    assert (caught.value.reason, caught.value.status) == ("signature_invalid", 401)


@given(st.data())
def test_a_base_string_with_any_character_flipped_fails(data: st.DataObject) -> None:
    read = read_signed_request(sign_request(Request("GET", URL), CLIENT, token=TOKEN, timestamp=NOW, nonce="n"))
    at = data.draw(st.integers(0, len(read.base_string) - 1))
    flipped = read.base_string[:at] + chr(ord(read.base_string[at]) ^ 1) + read.base_string[at + 1 :]

    with pytest.raises(RequestRefused):
        check_signature(replace(read, base_string=flipped), KEYS)


def test_time_and_nonce_come_from_the_world() -> None:
    world = World(now=1_700_000_000.9)

    first = read_signed_request(drive(sign(Request("GET", URL), CLIENT, token=TOKEN, clock_offset=-5), world.answer))
    second = read_signed_request(drive(sign(Request("GET", URL), CLIENT, token=TOKEN), world.answer))

    assert (first.timestamp, second.timestamp) == (1_699_999_995, 1_700_000_000)
    assert first.nonce != second.nonce
    # 20 to 30 ASCII alphanumerics are what the strictest servers take
    assert all(nonce is not None and len(nonce) == 24 and nonce.isalnum() for nonce in (first.nonce, second.nonce))
    check_timestamp(first, now=1_700_000_000)


def test_a_request_without_a_token_has_no_oauth_token() -> None:
    signed = sign_request(Request("GET", URL), CLIENT, token=None, timestamp=NOW, nonce="n")

    assert read_signed_request(signed).token_identifier is None
    assert is_valid(signed, Keys(KEYS.client_secret))


def test_the_header_carries_the_realm_first_and_the_signature_last() -> None:
    signed = sign_request(Request("GET", URL), CLIENT, token=None, timestamp=NOW, nonce="n", realm="Schoology API")

    header = signed.headers.get("Authorization") or ""

    assert header.startswith('OAuth realm="Schoology API", oauth_consumer_key="dpf43f3p2l4k3l03", ')
    assert header.rpartition(", ")[2].startswith("oauth_signature=")
    assert read_signed_request(signed).realm == "Schoology API"
    assert (signed.url, signed.body) == (URL, b"")


def test_the_body_of_an_empty_post_becomes_a_form() -> None:
    request = Request("POST", "https://example.com/")

    signed = sign_request(request, CLIENT, token=None, timestamp=NOW, nonce="n", placement="body")

    assert signed.headers == Headers((("Content-Type", FORM),))
    assert dict(read_form(signed.body.decode()))["oauth_nonce"] == "n"


def test_json_and_multipart_bodies_are_covered_by_their_hash_and_not_as_parameters() -> None:
    for kind in ("application/json", "multipart/form-data; boundary=x"):
        request = form_request("a=b&oauth_token=not-a-parameter", kind=kind)

        signed = sign_request(request, CLIENT, token=TOKEN, timestamp=NOW, nonce="n")

        assert is_valid(signed, KEYS)
        assert "a%3Db" not in read_signed_request(signed).base_string
        assert not is_valid(replace(signed, body=b"a=c"), KEYS)
        without = sign_request(request, CLIENT, token=TOKEN, timestamp=NOW, nonce="n", body_hash=False)
        assert is_valid(without, KEYS)
        assert "oauth_body_hash" not in (without.headers.get("Authorization") or "")


@pytest.mark.parametrize(
    "request_",
    [
        Request("GET", "https://example.com/?oauth_token=mine"),
        Request("GET", "https://example.com/?%6Fauth_nonce=mine"),
        Request("GET", "https://user@example.com/"),
        Request("GET", "https://example.com/#fragment"),
        Request("GET", "https://example.com/?a=%zz"),
        Request("GET", "https://example.com/?a=%ff"),
        Request("GET", "/relative"),
        Request("GET", URL, Headers((("authorization", "Bearer x"),))),
        form_request("oauth_verifier=mine"),
        form_request("a=é"),
        form_request("a=%E9"),
        Request("POST", URL, Headers((("Content-Type", FORM), ("Content-Type", "text/plain"))), b"a=b"),
        Request("\ud800", URL),
    ],
)
def test_a_request_that_has_no_one_reading_is_not_signed(request_: Request) -> None:
    with pytest.raises(ConfigurationError, match="cannot be signed"):
        sign_request(request_, CLIENT, token=TOKEN, timestamp=NOW, nonce="n")


def test_a_placement_that_does_not_fit_is_refused() -> None:
    def attempt(request: Request, placement: Placement, realm: str | None = None) -> None:
        with pytest.raises(ConfigurationError):
            sign_request(request, CLIENT, token=None, timestamp=NOW, nonce="n", placement=placement, realm=realm)

    attempt(Request("GET", URL), "body")
    attempt(form_request("{}", kind="application/json"), "body")
    attempt(Request("GET", URL), "query", "realm")
    attempt(Request("GET", URL), "header", 'quote"')
    attempt(Request("GET", URL), "header", "line\r\nX: y")


def test_extra_parameters_may_not_replace_what_the_signer_writes() -> None:
    for extra in (
        (("oauth_token", "x"),),
        (("oauth_signature", "x"),),
        (("realm", "x"),),
        (("oauth_callback", "a"), ("oauth_callback", "b")),
    ):
        with pytest.raises(ConfigurationError):
            sign_request(Request("GET", URL), CLIENT, token=None, timestamp=NOW, nonce="n", extra_parameters=extra)


def test_methods_that_cannot_be_made_here_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="program sign"):
        sign_request(Request("GET", URL), CLIENT, token=None, timestamp=NOW, nonce="n", signature_method="RSA-SHA1")
    with pytest.raises(ConfigurationError, match="private key"):
        drive(sign(Request("GET", URL), CLIENT, token=None, signature_method="RSA-SHA256"), World().answer)
    with pytest.raises(ConfigurationError, match="HMAC"):
        sign_request(Request("GET", URL), CLIENT, token=None, timestamp=NOW, nonce="n", signature_method="MD5")  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="timestamp"):
        sign_request(Request("GET", URL), CLIENT, token=None, timestamp=-1, nonce="n")


def test_an_rsa_request_that_has_no_one_reading_is_not_signed() -> None:
    client = rsa_client()
    op = sign(Request("GET", URL + "&oauth_x=1"), client, token=None, signature_method="RSA-SHA1")
    with pytest.raises(ConfigurationError, match="oauth_"):
        drive(op, World().answer)
    op = sign(Request("GET", URL), client, token=None, signature_method="RSA-SHA1", placement="body")
    with pytest.raises(ConfigurationError, match="placement"):
        drive(op, World().answer)


def test_text_that_is_not_unicode_is_refused_without_a_word_of_it() -> None:
    with pytest.raises(ConfigurationError, match=r"text that is not Unicode$"):
        sign_request(Request("\ud800", URL), CLIENT, token=TOKEN, timestamp=NOW, nonce="n")


def test_no_secret_is_in_a_refusal_or_in_what_is_printed() -> None:
    with pytest.raises(ConfigurationError) as caught:
        sign_request(Request("GET", "https://example.com/#canary"), CLIENT, token=TOKEN, timestamp=NOW, nonce="n")

    printed = f"{caught.value!r} {CLIENT!r} {TOKEN!r} {KEYS!r} {rsa_client()!r}"

    assert "canary" not in printed
    assert "PRIVATE" not in printed


@pytest.mark.parametrize("method", ["HMAC-SHA512", "RSA-SHA512"])
@pytest.mark.parametrize("hashed", [True, False])
def test_a_request_is_signed_with_everything_that_its_server_wants(method: SignatureMethod, hashed: bool) -> None:
    server = Server(
        "https://a.example/i",
        "https://a.example/a",
        "https://a.example/t",
        signature_method=method,
        realm="Photos",
        body_hash=hashed,
        body_hash_algorithm="SHA256",
    )
    request = Request("POST", "https://api.example/x", Headers((("Content-Type", "application/json"),)), b"{}")
    extra = (("oauth_callback", "oob"),)

    op = sign_for(server, request, rsa_client(), token=TOKEN, extra_parameters=extra, clock_offset=60)
    signed = read_signed_request(drive(op, World().answer))

    check_signature(signed, Keys(KEYS.client_secret, KEYS.token_secret, key_pair()[1]))
    assert (signed.token_identifier, signed.realm, signed.timestamp) == (TOKEN.identifier, "Photos", NOW + 60)
    expected = b2a_base64(sha256(b"{}").digest(), newline=False).decode()
    assert (signed.signature_method, signed.parameter("oauth_callback")) == (method, "oob")
    assert signed.parameter("oauth_body_hash") == (expected if hashed else None)


@pytest.mark.parametrize("method", ["HMAC-SHA512", "RSA-SHA512"])
def test_a_body_that_is_no_form_is_hashed_by_the_methods_own_hash_unless_another_is_named(
    method: SignatureMethod,
) -> None:
    request = Request("POST", "https://api.example/x", Headers((("Content-Type", "application/json"),)), b"{}")

    op = sign(request, rsa_client(), token=TOKEN, signature_method=method)
    signed = read_signed_request(drive(op, World().answer))

    assert signed.parameter("oauth_body_hash") == b2a_base64(sha512(b"{}").digest(), newline=False).decode()


@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (RuntimeError("canary"), StoreError),
        (ConfigurationError("ours"), ConfigurationError),
        ("canary", ConfigurationError),
    ],
)
def test_a_signer_that_fails_or_answers_something_else_signs_nothing(
    failure: object, expected: type[Exception]
) -> None:
    """Its errors are code of the application's and may hold anything."""

    def answer(effect: Any) -> object:
        if not isinstance(effect, Sign):
            return World().answer(effect)
        if isinstance(failure, Exception):
            raise failure
        return failure

    request = Request("GET", "https://api.example/x")
    with pytest.raises(expected) as caught:
        drive(sign(request, rsa_client(), token=None, signature_method="RSA-SHA256"), answer)
    assert "canary" not in f"{caught.value!r} {caught.value}"
    assert expected is not StoreError or "RuntimeError" in str(caught.value)


def test_a_signer_whose_answer_is_to_be_awaited_is_told_so_and_nobody_waits_for_it() -> None:
    async def answer_later() -> bytes:
        return b""

    answer = answer_later()
    op = sign(Request("GET", URL), rsa_client(), token=None, signature_method="RSA-SHA256")

    with pytest.raises(ConfigurationError, match="an async one needs an AsyncVault"):
        drive(op, lambda effect: answer if isinstance(effect, Sign) else World().answer(effect))
    assert getcoroutinestate(answer) == CORO_CLOSED


def test_a_timestamp_is_positive_and_a_secret_in_the_clear_has_no_body_hash() -> None:
    request = Request("POST", "https://api.example/x", Headers((("Content-Type", "application/json"),)), b"{}")

    signed = sign_request(request, CLIENT, token=None, timestamp=1, nonce="n", signature_method="PLAINTEXT")
    header = signed.headers.get("Authorization") or ""
    assert 'oauth_timestamp="1"' in header
    assert 'oauth_version="1.0"' in header
    assert "oauth_body_hash" not in header
    with pytest.raises(ConfigurationError, match="timestamp"):
        sign_request(request, CLIENT, token=None, timestamp=0, nonce="n")
