from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest
from tests.oauth2.tokens import ec_jwk, key_set_answer, rsa_jwk, rsa_key

from valetkey.effects import Now, Send
from valetkey.errors import MalformedResponse, ProviderError
from valetkey.http import Headers, Response, base64url
from valetkey.oauth2.jwks import MAX_KEY_SET_OCTETS, ORDERS, key_set, key_set_anew, read_key_set
from valetkey.oauth2.kept import KeptKeys

if TYPE_CHECKING:
    from valetkey.effects import WireOp

URI = "https://as.example/keys"


class Server:
    """Answers with what it has, and counts."""

    def __init__(self, *entries: Any) -> None:
        self.now, self.entries, self.asked = 1_800_000_000.0, list(entries), 0
        self.urls: list[str] = []

    def run(self, op: WireOp[Any]) -> Any:
        reply: Any = None
        while True:
            try:
                effect = op.send(reply)
            except StopIteration as done:
                return done.value
            match effect:
                case Now():
                    reply = self.now
                case Send(request, reach, not_after):
                    self.asked += 1
                    self.urls.append(request.url)
                    assert (request.method, request.headers.get("Accept")) == ("GET", "application/json")
                    assert (reach, not_after) == ("public", self.now + 10)
                    reply = key_set_answer(*self.entries)


def get(server: Server, kept: KeptKeys) -> Any:
    return server.run(key_set(kept, URI, reach="public", not_after=server.now + 10))


def again(server: Server, kept: KeptKeys) -> Any:
    return server.run(key_set_anew(kept, URI, reach="public", not_after=server.now + 10))


def test_a_key_set_is_fetched_once_an_hour() -> None:
    server, kept = Server(rsa_jwk(kid="a")), KeptKeys()

    get(server, kept)
    server.now += 3599
    get(server, kept)
    assert server.asked == 1
    server.now += 1
    get(server, kept)

    assert server.asked == 2


def test_unknown_ids_make_one_request_a_minute() -> None:
    server, kept = Server(rsa_jwk(kid="a")), KeptKeys()
    get(server, kept)

    found = [again(server, kept) for _ in range(5)]

    assert server.asked == 2
    assert [one is not None for one in found] == [True, False, False, False, False]
    server.now += 60
    assert again(server, kept) is not None


def test_a_rotated_key_is_found_by_the_one_fetch() -> None:
    server, kept = Server(rsa_jwk(kid="old")), KeptKeys()
    assert get(server, kept).candidates("new", "RS256") == ()

    server.entries = [rsa_jwk(kid="new")]

    assert len(again(server, kept).candidates("new", "RS256")) == 1


def test_another_uri_is_another_set() -> None:
    server, kept = Server(rsa_jwk(kid="a")), KeptKeys()
    get(server, kept)

    server.run(key_set(kept, "https://other.example/keys", reach="public", not_after=server.now + 10))

    assert server.asked == 2


@pytest.mark.parametrize("key_id", ["../../etc/passwd", "' OR 1=1 --", "x" * 10_000, "\0", "a "])
def test_a_key_id_is_only_ever_looked_up(key_id: str) -> None:
    found = read_key_set(key_set_answer(rsa_jwk(kid="a")))

    assert found.candidates(key_id, "RS256") == ()
    assert len(found.candidates("a", "RS256")) == 1


def test_two_keys_of_one_id_are_nobodys_even_where_one_is_unusable() -> None:
    good, other = rsa_jwk(kid="a"), rsa_jwk(rsa_key(2048, 1), kid="a")

    for pair in ((good, other), (good, {"kty": "oct", "kid": "a", "k": "AA"})):
        found = read_key_set(key_set_answer(*pair))
        assert found.candidates("a", "RS256") == ()
        assert found.candidates("", "RS256") == ()


def test_a_token_without_an_id_is_tried_with_the_few_keys_that_fit() -> None:
    keys = [rsa_jwk(kid=f"k{number}") for number in range(4)]

    assert len(read_key_set(key_set_answer(*keys, ec_jwk(kid="e"))).candidates("", "RS256")) == 4
    assert len(read_key_set(key_set_answer(*keys, ec_jwk(kid="e"))).candidates("", "ES256")) == 1
    assert read_key_set(key_set_answer(*keys, rsa_jwk(kid="k5"))).candidates("", "RS256") == ()


@pytest.mark.parametrize(
    "entry",
    [
        rsa_jwk(rsa_key(1024)),
        rsa_jwk(e="AQ"),
        rsa_jwk(e="Ag"),
        rsa_jwk(e=""),
        rsa_jwk(n=7),
        rsa_jwk(n="é"),
        rsa_jwk(n=""),
        rsa_jwk(use="enc"),
        rsa_jwk(key_ops=["encrypt"]),
        rsa_jwk(key_ops="verify"),
        rsa_jwk(kid=7),
        rsa_jwk(alg=7),
        {"kty": "RSA"},
        {"kty": "oct", "k": "AAAA"},
        {"kty": "EC", "crv": "P-384", "x": "AA", "y": "AA"},
        ec_jwk(x="AA"),
        "a text",
        None,
    ],
)
def test_a_key_that_is_weak_or_not_one_is_passed_over(entry: Any) -> None:
    assert read_key_set(key_set_answer(entry, ec_jwk(kid="good"))).keys[0].key_id == "good"


def test_a_point_that_is_not_on_the_curve_verifies_nothing() -> None:
    from valetkey.keys.verify import signature_is_right

    [key] = read_key_set(key_set_answer(ec_jwk(y=ec_jwk()["x"]))).keys

    assert not signature_is_right(key, "ES256", b"m", signature=b"\1" * 64)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b"{}",
        b'{"keys":{}}',
        b'{"keys":[' + b",".join([b"{}"] * 101) + b"]}",
        b'{"keys":[],"x":"' + b"y" * MAX_KEY_SET_OCTETS + b'"}',
    ],
)
def test_what_is_not_a_key_set_of_a_reasonable_size_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedResponse):
        read_key_set(Response(200, Headers(), body))


@pytest.mark.parametrize("status", [302, 404, 500])
def test_a_key_set_that_is_not_there_is_the_providers_error(status: int) -> None:
    with pytest.raises(ProviderError) as caught:
        read_key_set(key_set_answer(rsa_jwk(), status=status))

    assert caught.value.error == "jwks_unavailable"


def test_two_that_ask_in_the_same_moment_share_one_answer_and_another_address_is_another_set() -> None:
    server, kept = Server(rsa_jwk(kid="a")), KeptKeys()

    assert get(server, kept) is get(server, kept)
    kept.uri = "https://as.example/other"
    _ = get(server, kept)

    server.now += 61
    _ = again(server, kept)

    assert server.urls == [URI, URI, URI]


def usable(**changes: Any) -> bool:
    return bool(read_key_set(key_set_answer(rsa_jwk(**changes))).keys)


def modulus(octets: int = 256, first: int = 0xFF, last: int = 0xFF) -> str:
    return base64url(bytes([first]) + b"\xaa" * (octets - 2) + bytes([last]))


@pytest.mark.parametrize(
    ("n", "good"),
    [
        (modulus(256), True),
        (modulus(256, first=0x80), True),
        (modulus(256, first=0x7F), False),
        (modulus(255), False),
        (modulus(1024), True),
        (modulus(1025), False),
        (modulus(256, last=0xFE), False),
        (base64url(b"\0\0" + b"\xaa" * 255 + b"\1"), True),
        (base64url(b""), False),
        (base64url(bytes(256)), False),
        (base64url(b"X" + b"\xaa" * 255 + b"\1"), False),
    ],
)
def test_a_modulus_is_odd_and_of_2048_to_8192_bits(n: str, good: bool) -> None:
    assert usable(n=n) == good


def test_a_modulus_of_the_generator_whose_keys_can_be_factored_is_refused() -> None:
    """CVE-2017-15361: its primes are k * M + (65537 ** a mod M), where M is a product of the first primes."""
    product = math.prod(prime for prime in range(2, 702) if all(prime % other for other in range(2, prime)))
    most = (1 << 1024) // product
    first, second = ((most - 1 - n) * product + pow(65537, 123_457 + n, product) for n in range(2))

    made = first * second

    assert made.bit_length() == 2048
    assert not usable(n=base64url(made.to_bytes(256, "big")))
    assert usable(n=base64url((made + 2).to_bytes(256, "big")))
    for prime, order in ORDERS:
        assert [power for power in range(1, order + 1) if pow(65537, power, prime) == 1] == [order]


@pytest.mark.parametrize(
    ("e", "good"),
    [
        (3, True),
        (65537, True),
        (2**33 - 1, True),
        (2**33 + 1, False),
        (1, False),
        (0, False),
        (2, False),
        (65536, False),
    ],
)
def test_an_exponent_is_odd_more_than_one_and_short(e: int, good: bool) -> None:
    assert usable(e=base64url(e.to_bytes(5, "big"))) == good


@pytest.mark.parametrize(
    ("kind", "curve", "good"),
    [
        ("EC", "P-256", True),
        ("EC", "secp256k1", False),
        ("EC", "P-384", False),
        ("OKP", "P-256", False),
        ("RSA", "P-256", False),
        ("oct", "P-256", False),
    ],
)
def test_a_curve_of_the_same_size_is_another_curve(kind: str, curve: str, good: bool) -> None:
    assert bool(read_key_set(key_set_answer({**ec_jwk(), "kty": kind, "crv": curve})).keys) == good


def test_a_set_has_at_most_100_keys_and_says_which_status_it_had() -> None:
    assert read_key_set(key_set_answer(*[{"kty": "oct"}] * 100)).keys == ()
    for entries, status, error in (([{}] * 101, 200, MalformedResponse), ([], 404, ProviderError)):
        with pytest.raises(error) as caught:
            _ = read_key_set(key_set_answer(*entries, status=status))
        assert caught.value.status == status


def test_a_key_without_an_id_has_none() -> None:
    assert [key.key_id for key in read_key_set(key_set_answer(ec_jwk())).keys] == [""]
