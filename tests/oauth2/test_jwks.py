from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.oauth2.tokens import ec_jwk, key_set_answer, rsa_jwk, rsa_key

from valetkey.effects import Now, Send
from valetkey.errors import MalformedResponse, ProviderError
from valetkey.http import Headers, Response
from valetkey.oauth2.jwks import MAX_KEY_SET_OCTETS, key_set, key_set_anew, read_key_set
from valetkey.oauth2.kept import KeptKeys

if TYPE_CHECKING:
    from valetkey.effects import WireOp

URI = "https://as.example/keys"


class Server:
    """Answers with what it has, and counts."""

    def __init__(self, *entries: Any) -> None:
        self.now, self.entries, self.asked = 1_800_000_000.0, list(entries), 0

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
                case Send():
                    self.asked += 1
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
