"""Proofs of possession (RFC 9449)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.oauth2.crypto_peer import SigningPeer, is_signed_by, read_jwt
from tests.oauth2.peer import CLIENT, NOW, SERVER, answer, form_of
from tests.oauth2.vectors import load

from valetkey.digest import sha256
from valetkey.errors import ConfigurationError, MalformedResponse, ProviderError, TransportError
from valetkey.http import Headers, Request, Response, base64url
from valetkey.keys.jwk import make_key, public_jwk
from valetkey.oauth2.dpop import MAX_NONCE_LENGTH, MAX_ORIGINS, Nonces, ProofKey, prove, read_nonce, wants_nonce
from valetkey.oauth2.signed_jwt import write_signing_input
from valetkey.oauth2.token import exchange_code, refresh_grant
from valetkey.secret import Secret
from valetkey.value import replace

if TYPE_CHECKING:
    from valetkey.oauth2.token_response import TokenResponse

TOKENS = '{"access_token": "a-canary", "token_type": "DPoP", "refresh_token": "r2"}'
VECTORS = load("dpop")


def wanting(nonce: str = "n-1", *, status: int = 400) -> Response:
    return answer('{"error": "use_dpop_nonce"}', status=status, DPoP_Nonce=nonce)


def challenge(nonce: str = "n-1") -> Response:
    fields = (("WWW-Authenticate", 'DPoP error="use_dpop_nonce", algs="ES256"'), ("DPoP-Nonce", nonce))
    return Response(401, Headers(fields))


def a_key() -> ProofKey:
    return ProofKey(make_key(), Nonces())


def exchanged(peer: SigningPeer, key: ProofKey) -> TokenResponse:
    op = exchange_code(SERVER, CLIENT, code=Secret("c"), code_verifier=Secret("v"), proof_key=key, not_after=NOW + 9)
    return peer.run(op)


def proof_of(request: Request) -> tuple[dict[str, Any], dict[str, Any]]:
    (proof,) = request.headers.all("DPoP")
    return read_jwt(proof)


@pytest.mark.parametrize("vector", VECTORS["proofs"], ids=lambda vector: vector["section"])
def test_what_is_signed_is_written_as_in_the_standard(vector: dict[str, Any]) -> None:
    signed, _, _ = vector["proof"].rpartition(".")

    assert write_signing_input(vector["header"], vector["claims"]) == signed
    assert is_signed_by(vector["proof"], vector["header"]["jwk"])


def test_the_hash_of_the_access_token_is_that_of_the_standard() -> None:
    key, token = a_key(), VECTORS["ath"]["access_token"]
    request = Request("GET", "https://resource.example.org/protectedresource")

    proved = SigningPeer().run(prove(request, key, access_token=Secret(token)))

    assert proof_of(proved)[1]["ath"] == VECTORS["ath"]["ath"]
    assert proved.headers.all("Authorization") == (f"DPoP {token}",)


def test_a_proof_shows_the_public_key_and_is_signed_by_the_private_one() -> None:
    key = a_key()
    proved = SigningPeer().run(prove(Request("POST", "https://as.example/token"), key))

    header, claims = proof_of(proved)

    assert header == {"alg": "ES256", "typ": "dpop+jwt", "jwk": dict(public_jwk(key.key))}
    assert set(header["jwk"]) == {"crv", "kty", "x", "y"}
    assert is_signed_by(proved.headers.get("DPoP") or "", header["jwk"])
    assert claims.pop("jti")
    assert claims == {"htm": "POST", "htu": "https://as.example/token", "iat": int(NOW)}


@pytest.mark.parametrize(
    ("url", "htu"),
    [
        ("https://API.example/a?b=c", "https://api.example/a"),
        ("https://api.example:443/a/", "https://api.example/a/"),
        ("https://api.example:8443/a%2Fb", "https://api.example:8443/a%2Fb"),
        ("https://api.example", "https://api.example/"),
    ],
)
def test_the_url_in_a_proof_has_neither_query_nor_default_port_and_its_host_in_lower_case(url: str, htu: str) -> None:
    proved = SigningPeer().run(prove(Request("GET", url), a_key()))

    assert proof_of(proved)[1]["htu"] == htu


def test_a_proof_of_the_callers_own_is_replaced() -> None:
    request = Request("GET", "https://api.example/", Headers((("dpop", "theirs"),)))

    proved = SigningPeer().run(prove(request, a_key()))

    assert len(proved.headers.all("DPoP")) == 1
    assert proof_of(proved)


def test_a_code_is_exchanged_once_more_with_the_nonce_that_the_server_wants() -> None:
    peer, key = SigningPeer(wanting(), answer(TOKENS, DPoP_Nonce="n-2")), a_key()

    tokens = exchanged(peer, key)

    first, second = (proof_of(sent.request)[1] for sent in peer.sent)
    assert tokens.token_type == "dpop"
    assert "nonce" not in first
    assert second["nonce"] == "n-1"
    assert first["jti"] != second["jti"]
    assert form_of(peer.sent[0].request) == form_of(peer.sent[1].request)


def test_the_last_nonce_is_used_for_the_next_request_at_this_origin_only() -> None:
    peer, key = SigningPeer(answer(TOKENS, DPoP_Nonce="n-9"), answer(TOKENS)), a_key()
    exchanged(peer, key)

    peer.run(refresh_grant(SERVER, CLIENT, refresh_token=Secret("r"), proof_key=key, not_after=NOW + 9))
    elsewhere = peer.run(prove(Request("GET", "https://api.example/"), key))

    assert proof_of(peer.request)[1]["nonce"] == "n-9"
    assert "nonce" not in proof_of(elsewhere)[1]


def test_a_server_that_always_wants_another_nonce_is_asked_twice() -> None:
    peer = SigningPeer(wanting("n-1"), wanting("n-2"))

    with pytest.raises(ProviderError) as caught:
        exchanged(peer, a_key())

    assert (caught.value.error, len(peer.sent)) == ("use_dpop_nonce", 2)


@pytest.mark.parametrize(
    "refusal",
    [
        answer('{"error": "use_dpop_nonce"}', status=400),
        answer('{"error": "invalid_grant"}', status=400, DPoP_Nonce="n"),
        answer('{"error": "use_dpop_nonce"}', status=400, DPoP_Nonce="n" * (MAX_NONCE_LENGTH + 1)),
        answer('{"error": "use_dpop_nonce"}', status=400, DPoP_Nonce='with "quotes"'),
        answer('{"error": "use_dpop_nonce"}', status=500, DPoP_Nonce="n"),
    ],
    ids=["no nonce", "another error", "a nonce too long", "not a nonce", "a server error"],
)
def test_a_code_is_not_sent_again_for_any_other_refusal(refusal: Response) -> None:
    peer = SigningPeer(refusal)

    with pytest.raises(ProviderError):
        exchanged(peer, a_key())

    assert len(peer.sent) == 1


def test_a_lost_answer_is_not_followed_by_a_second_request() -> None:
    peer = SigningPeer(TransportError("lost", maybe_received=True))

    with pytest.raises(TransportError):
        exchanged(peer, a_key())

    assert len(peer.sent) == 1


@pytest.mark.parametrize("token_type", ['"Bearer"', '"bearer"', '"mac"', "null", '""', "7"])
def test_an_answer_that_is_not_bound_to_the_key_is_refused(token_type: str) -> None:
    peer = SigningPeer(answer(f'{{"access_token": "a-canary", "token_type": {token_type}}}'))

    with pytest.raises(MalformedResponse) as caught:
        exchanged(peer, a_key())

    assert caught.value.error == "dpop_downgrade"
    assert "canary" not in str(caught.value)


def test_a_grant_that_does_not_bind_is_refused_where_tokens_must_be_bound() -> None:
    server = replace(SERVER, dpop_bound_access_tokens=True)
    peer = SigningPeer()

    with pytest.raises(ConfigurationError, match="not bound to a key"):
        peer.run(exchange_code(server, CLIENT, code=Secret("c"), code_verifier=Secret("v"), not_after=NOW + 9))

    assert peer.sent == []


def test_a_connection_from_before_goes_on_with_bearer_tokens() -> None:
    server = replace(SERVER, dpop_bound_access_tokens=True)
    peer = SigningPeer(answer('{"access_token": "a", "token_type": "Bearer"}'))

    tokens = peer.run(refresh_grant(server, CLIENT, refresh_token=Secret("r"), not_after=NOW + 9))

    assert tokens.token_type == "bearer"
    assert peer.request.headers.get("DPoP") is None


def test_a_bound_token_that_nobody_asked_for_is_refused() -> None:
    op = exchange_code(SERVER, CLIENT, code=Secret("c"), code_verifier=Secret("v"), not_after=NOW + 9)

    with pytest.raises(MalformedResponse):
        SigningPeer(answer(TOKENS)).run(op)


def test_a_resource_server_says_in_a_challenge_that_it_wants_a_nonce() -> None:
    assert wants_nonce(challenge())
    assert wants_nonce(wanting())
    assert not wants_nonce(Response(401, Headers((("WWW-Authenticate", 'DPoP error="use_dpop_nonce"'),))))
    assert not wants_nonce(Response(401, Headers((("WWW-Authenticate", "DPoP"), ("DPoP-Nonce", "n")))))
    assert not wants_nonce(Response(200, Headers((("DPoP-Nonce", "n"),))))


@pytest.mark.parametrize("nonces", [(), ("",), ("a b",), ("a", "b"), ('a"',), ("a\\",), ("\xe9",), ("a\t",)])
def test_what_is_not_one_nonce_is_not_believed(nonces: tuple[str, ...]) -> None:
    response = Response(200, Headers(tuple(("DPoP-Nonce", nonce) for nonce in nonces)))

    assert read_nonce(response) is None


def test_nonces_of_many_origins_are_bounded_and_the_oldest_goes_first() -> None:
    nonces = Nonces()
    for number in range(MAX_ORIGINS + 1):
        nonces.learn(Request("GET", f"https://h{number}.example/"), challenge(f"n-{number}"))

    assert nonces.of(Request("GET", "https://h0.example/")) is None
    assert nonces.of(Request("GET", f"https://h{MAX_ORIGINS}.example/x")) == f"n-{MAX_ORIGINS}"
    assert repr(nonces) == f"Nonces({MAX_ORIGINS} origins)"


def test_nothing_of_the_key_or_the_token_is_printed() -> None:
    key = a_key()
    proved = SigningPeer().run(prove(Request("GET", "https://api.example/"), key, access_token=Secret("a-canary")))

    assert "PRIVATE" not in repr(key)
    assert "canary" not in repr(proved)
    assert base64url(sha256(b"a-canary").digest()) not in repr(proved)


def test_an_answer_without_a_nonce_leaves_the_last_one_in_use() -> None:
    nonces, request = Nonces(), Request("POST", "https://as.example/token")
    nonces.learn(request, answer("{}", DPoP_Nonce="n-1"))

    nonces.learn(request, answer("{}"))
    nonces.learn(request, answer("{}", DPoP_Nonce='"'))

    assert nonces.of(request) == "n-1"


@pytest.mark.parametrize("length", [1, MAX_NONCE_LENGTH])
def test_a_nonce_of_any_length_within_the_limit_is_taken(length: int) -> None:
    assert read_nonce(answer("{}", DPoP_Nonce="n" * length)) == "n" * length
    assert read_nonce(answer("{}", DPoP_Nonce="n" * (MAX_NONCE_LENGTH + 1))) is None


def test_both_requests_of_a_repeated_one_end_in_time_and_go_as_far() -> None:
    peer = SigningPeer(wanting(), answer(TOKENS))
    server = replace(SERVER, reach="public")
    op = exchange_code(
        server, CLIENT, code=Secret("c"), code_verifier=Secret("v"), proof_key=a_key(), not_after=NOW + 9
    )

    _ = peer.run(op)

    assert [(one.reach, one.not_after) for one in peer.sent] == [("public", NOW + 9)] * 2


def test_what_was_learned_is_no_part_of_what_a_registration_is() -> None:
    assert hash(Nonces()) == hash(Nonces())
    assert Nonces() == Nonces()


def test_the_nonces_of_a_process_can_be_counted_and_never_read() -> None:
    nonces = Nonces()
    nonces.learn(Request("POST", "https://as.example/token"), answer("{}", DPoP_Nonce="canary"))

    assert repr(nonces) == "Nonces(1 origins)"
