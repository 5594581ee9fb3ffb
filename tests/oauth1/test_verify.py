from __future__ import annotations

import pytest
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given
from hypothesis import strategies as st
from tests.oauth1.cast import CLIENT, CLIENT_SECRET, KEYS, NOW, TOKEN, URL, form_request, key_pair

from valetkey.errors import RequestRefused
from valetkey.http import FORM, Headers, Request
from valetkey.oauth1.sign import sign_request
from valetkey.oauth1.signature import body_hash, hmac_signature
from valetkey.oauth1.transmission import authorization_header
from valetkey.oauth1.verify import (
    NOBODY,
    Keys,
    check_signature,
    check_timestamp,
    is_rsa_public_key,
    read_signed_request,
)
from valetkey.secret import Secret
from valetkey.value import replace

GOOD = {
    "oauth_consumer_key": "dpf43f3p2l4k3l03",
    "oauth_signature_method": "HMAC-SHA1",
    "oauth_timestamp": "1700000000",
    "oauth_nonce": "0123456789abcdef01234567",
    "oauth_signature": "74KNZJeDHnMBp0EMJ9ZHt%2FXKycU%3D",
}


def with_header(changes: dict[str, str | None], *, url: str = URL) -> Request:
    fields = {name: text for name, text in {**GOOD, **changes}.items() if text is not None}
    return Request("GET", url, Headers((("Authorization", authorization_header(fields.items())),)))


def refusal(request: Request, *, plaintext_over_http: bool = False) -> tuple[str, int]:
    with pytest.raises(RequestRefused) as caught:
        read_signed_request(request, plaintext_over_http=plaintext_over_http)
    return caught.value.reason, caught.value.status


def signature_refusal(request: Request, keys: Keys) -> tuple[str, int]:
    with pytest.raises(RequestRefused) as caught:
        check_signature(read_signed_request(request), keys)
    assert "canary" not in str(caught.value)
    return caught.value.reason, caught.value.status


def test_the_good_request_of_these_tests_is_read() -> None:
    signed = read_signed_request(with_header({"oauth_version": "1.0", "oauth_verifier": "v"}))

    assert (signed.client_identifier, signed.token_identifier, signed.timestamp) == ("dpf43f3p2l4k3l03", None, NOW)
    assert signed.parameters == (("oauth_verifier", "v"),)
    assert (signed.parameter("oauth_verifier"), signed.parameter("oauth_callback")) == ("v", None)
    assert "v" not in repr(signed).partition("(")[2].replace("dpf43f3p2l4k3l03", "").replace("HMAC-SHA1", "")


@pytest.mark.parametrize(
    "timestamp",
    [
        "",
        "1e9",
        "%20123",
        "123%20",
        "-1",
        "+1",
        "1_0",
        "0x1",
        "1.0",
        "1234567890123",
        "%EF%BC%91%EF%BC%92",
        "%D9%A1",
        "1%0A",
    ],
)
def test_a_timestamp_is_one_to_twelve_ascii_digits(timestamp: str) -> None:
    assert refusal(with_header({"oauth_timestamp": timestamp})) == ("parameter_rejected", 400)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"oauth_version": "2.0"}, ("version_rejected", 400)),
        ({"oauth_version": ""}, ("version_rejected", 400)),
        ({"oauth_signature_method": "HMAC-MD5"}, ("signature_method_rejected", 400)),
        ({"oauth_signature_method": "hmac-sha1"}, ("signature_method_rejected", 400)),
        ({"oauth_signature_method": None}, ("parameter_absent", 400)),
        ({"oauth_consumer_key": None}, ("parameter_absent", 400)),
        ({"oauth_consumer_key": ""}, ("parameter_absent", 400)),
        ({"oauth_signature": None}, ("parameter_absent", 400)),
        ({"oauth_signature": ""}, ("parameter_absent", 400)),
        ({"oauth_timestamp": None}, ("parameter_absent", 400)),
        ({"oauth_nonce": None}, ("parameter_absent", 400)),
        ({"oauth_nonce": ""}, ("parameter_rejected", 400)),
        ({"oauth_nonce": "a" * 256}, ("parameter_rejected", 400)),
        ({"oauth_token": "%ff"}, ("parameter_rejected", 400)),
        ({"oauth_token": "%zz"}, ("parameter_rejected", 400)),
    ],
)
def test_a_parameter_that_is_wrong_or_missing_is_named(
    changes: dict[str, str | None], expected: tuple[str, int]
) -> None:
    assert refusal(with_header(changes)) == expected


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        (with_header({"oauth_token": "%ff"}), "the octets are not UTF-8"),
        (with_header({"oauth_token": "%zz"}), "a percent sign is followed by two hexadecimal digits"),
        (replace(with_header({}), method="\ud800"), "it holds text that is not UTF-8"),
    ],
)
def test_a_refusal_says_why_and_nothing_of_the_text(request_: Request, why: str) -> None:
    with pytest.raises(RequestRefused, match=f"^{why}$"):
        read_signed_request(request_)


def test_a_method_that_this_server_does_not_take_is_refused() -> None:
    with pytest.raises(RequestRefused) as caught:
        read_signed_request(with_header({}), methods=("HMAC-SHA256",))

    assert (caught.value.reason, caught.value.status) == ("signature_method_rejected", 400)


@pytest.mark.parametrize(
    "request_",
    [
        with_header({}, url=f"{URL}&oauth_token=x"),
        with_header({}, url=f"{URL}&oauth_signature=x"),
        with_header({}, url=f"{URL}&a=%zz"),
        with_header({}, url="https://user@example.com/"),
        replace(
            with_header({}),
            method="POST",
            headers=with_header({}).headers.with_added("Content-Type", FORM),
            body=b"oauth_nonce=1",
        ),
        replace(form_request("oauth_nonce=1"), url=f"{URL}&oauth_nonce=1"),
        replace(with_header({}), headers=with_header({}).headers.with_added("Authorization", "Bearer x")),
        Request("GET", URL, Headers((("Authorization", 'OAuth oauth_nonce="1", oauth_nonce="1"'),))),
        Request("GET", f"{URL}&oauth_nonce=1&oauth_nonce=1"),
        form_request("oauth_nonce=1&oauth_nonce=1"),
        form_request("oauth_nonce=é"),
        Request("POST", URL, Headers((("Content-Type", FORM), ("Content-Type", FORM))), b"oauth_nonce=1"),
    ],
)
def test_parameters_in_two_places_or_twice_or_unreadable_are_refused(request_: Request) -> None:
    assert refusal(request_) == ("parameter_rejected", 400)


@pytest.mark.parametrize("headers", [(), (("Authorization", "Bearer abc"),), (("Authorization", "OAuth"),)])
def test_a_request_that_is_not_signed_is_told_so(headers: tuple[tuple[str, str], ...]) -> None:
    assert refusal(Request("GET", URL, Headers(headers))) == ("parameter_absent", 401)


def test_plaintext_is_for_https_unless_allowed_and_needs_neither_time_nor_nonce() -> None:
    changes: dict[str, str | None] = {
        "oauth_signature_method": "PLAINTEXT",
        "oauth_timestamp": None,
        "oauth_nonce": None,
    }
    plain = with_header(changes, url="http://127.0.0.1/")

    assert refusal(plain) == ("signature_method_rejected", 400)
    read = read_signed_request(plain, plaintext_over_http=True)
    assert (read.timestamp, read.nonce) == (None, None)
    check_timestamp(read, now=0)
    assert read_signed_request(with_header(changes)).signature_method == "PLAINTEXT"
    assert refusal(with_header({**changes, "oauth_nonce": "a"})) == ("parameter_absent", 400)


@pytest.mark.parametrize("away", [-301, 301, 10**11])
def test_a_timestamp_outside_the_window_is_refused(away: int) -> None:
    signed = read_signed_request(with_header({}))

    with pytest.raises(RequestRefused) as caught:
        check_timestamp(signed, now=NOW + away)

    assert (caught.value.reason, caught.value.status) == ("timestamp_refused", 401)
    check_timestamp(signed, now=NOW + 300)
    check_timestamp(signed, now=NOW - 300)


@pytest.mark.parametrize("method", ["HMAC-SHA1", "HMAC-SHA512", "PLAINTEXT", "RSA-SHA1", "RSA-SHA256"])
@pytest.mark.parametrize("signature", ["%C3%A9", "%E2%98%83" * 9, "a", "AAAA", "%00", "=", "a%0A", "%F0%9F%92%A9"])
def test_a_signature_of_any_characters_and_length_is_refused_and_breaks_nothing(method: str, signature: str) -> None:
    request = with_header({"oauth_signature_method": method, "oauth_signature": signature})

    assert signature_refusal(request, replace(KEYS, public_key=key_pair()[1])) == ("signature_invalid", 401)


@given(st.text(max_size=40), st.sampled_from(["header", "query", "body"]))
def test_garbage_is_refused_and_breaks_nothing(text: str, place: str) -> None:
    text = text.replace("\r", "").replace("\n", "").replace("\0", "").encode("latin-1", "ignore").decode("latin-1")
    request = {
        "header": lambda: Request("GET", URL, Headers((("Authorization", f"OAuth {text}"),))),
        "query": lambda: Request("GET", f"{URL}&oauth_{text}"),
        "body": lambda: form_request(f"oauth_{text}"),
    }[place]()

    assert refusal(request)[1] in (400, 401)


def test_an_unknown_client_is_refused_after_the_same_work() -> None:
    signed = sign_request(Request("GET", URL), CLIENT, token=TOKEN, timestamp=NOW, nonce="n")

    assert signature_refusal(signed, NOBODY) == ("signature_invalid", 401)
    for method in ("PLAINTEXT", "RSA-SHA1", "RSA-SHA512"):
        request = with_header({"oauth_signature_method": method, "oauth_signature": "AAAA"})
        assert signature_refusal(request, NOBODY) == ("signature_invalid", 401)


def test_keys_of_one_kind_do_not_serve_the_other() -> None:
    public = key_pair()[1]
    read = read_signed_request(with_header({}))
    # What an attacker who knows the public key would send to a server that takes any key for an HMAC secret.
    forged = hmac_signature("HMAC-SHA1", read.base_string, Secret(public), None)

    for keys in (Keys(None, public_key=public), Keys(Secret(public)), Keys(Secret("\n" + public))):
        with pytest.raises(RequestRefused) as caught:
            check_signature(replace(read, signature=Secret(forged)), keys)
        assert (caught.value.reason, caught.value.status) == ("signature_method_rejected", 401)
    rsa = with_header({"oauth_signature_method": "RSA-SHA1"})
    assert signature_refusal(rsa, Keys(Secret(CLIENT_SECRET))) == ("signature_method_rejected", 401)


def pem_of(key: ec.EllipticCurvePrivateKey) -> str:
    encoding, form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(encoding, form).decode()


def test_an_elliptic_curve_key_makes_no_rsa_signature_valid() -> None:
    pem = pem_of(ec.generate_private_key(ec.SECP256R1()))
    request = with_header({"oauth_signature_method": "RSA-SHA256", "oauth_signature": "AAAA"})

    assert signature_refusal(request, Keys(None, public_key=pem)) == ("signature_invalid", 401)


class Forbidding:
    """A key on a machine whose crypto policy forbids this hash in signatures."""

    def verify(self, *_: object) -> None:
        raise UnsupportedAlgorithm("SHA1 is forbidden by policy")


def test_a_hash_that_the_machines_policy_forbids_is_refused_and_never_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    _ = rsa.RSAPublicKey.register(Forbidding)
    monkeypatch.setattr(serialization, "load_pem_public_key", lambda _: Forbidding())

    request = with_header({"oauth_signature_method": "RSA-SHA1", "oauth_signature": "AAAA"})

    assert signature_refusal(request, Keys(None, public_key="PEM")) == ("signature_method_rejected", 401)


def test_a_public_key_is_told_from_other_keys_and_other_text() -> None:
    private, public = key_pair()

    assert is_rsa_public_key(public)
    for text in ("", "\ud800", private, public.replace("M", "!"), pem_of(ec.generate_private_key(ec.SECP256R1()))):
        assert not is_rsa_public_key(text)


def test_a_body_hash_that_is_wrong_or_on_a_form_is_refused() -> None:
    json = form_request("{}", kind="application/json")
    signed = sign_request(json, CLIENT, token=TOKEN, timestamp=NOW, nonce="n", signature_method="HMAC-SHA256")
    form = replace(with_header({"oauth_body_hash": "x"}), body=b"a=b")
    form = replace(form, headers=form.headers.with_added("Content-Type", FORM))

    assert refusal(replace(signed, body=b"[]")) == ("signature_invalid", 401)
    assert refusal(form) == ("parameter_rejected", 400)


def test_a_body_hash_by_sha1_is_taken_with_every_method() -> None:
    # What Authlib and oauthlib send, whatever the signature method.
    hashed = body_hash("HMAC-SHA1", b"{}").replace("=", "%3D").replace("/", "%2F").replace("+", "%2B")
    for method in ("HMAC-SHA512", "PLAINTEXT"):
        request = replace(with_header({"oauth_signature_method": method, "oauth_body_hash": hashed}), body=b"{}")
        assert read_signed_request(request).parameter("oauth_body_hash") == body_hash("HMAC-SHA1", b"{}")
