"""OAuth 1.0a: the three legs, and everything that a strict server refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests.sandbox.steps import (
    APP,
    BASE_URL,
    OTHER,
    OTHER_URI,
    REDIRECT_URI,
    Bench,
    callback,
    fields,
    form_fields,
    refusal,
)

from valetkey.errors import ConfigurationError, StoreError
from valetkey.http import Headers, Request, Response, percent_encode, read_form
from valetkey.oauth1.credentials import ClientCredentials, TemporaryCredentials, TokenCredentials
from valetkey.sandbox import SandboxClient, approve
from valetkey.sandbox.visitor import VisitFailed
from valetkey.secret import Secret
from valetkey.value import replace

if TYPE_CHECKING:
    from collections.abc import Callable

OTHER_CLIENT = ClientCredentials("other", Secret("other-secret"))


def problem(response: Response) -> tuple[int, str]:
    return refusal(response)


@pytest.mark.parametrize("method", ["HMAC-SHA1", "HMAC-SHA256", "HMAC-SHA512", "PLAINTEXT"])
def test_three_legs_lead_to_a_protected_resource(method: str) -> None:
    bench = Bench()
    options = {"signature_method": method}
    temporary = bench.temporary(REDIRECT_URI + "?state=a%20b", **options)

    came_back = approve(bench.sandbox.respond, bench.page_for(temporary), account="bob")
    found = form_fields(bench.exchange(temporary, callback(came_back)["oauth_verifier"], **options))

    assert came_back.startswith(REDIRECT_URI + "?state=a%20b&oauth_token=")
    assert found["screen_name"] == "bob"
    token = TokenCredentials(found["oauth_token"], Secret(found["oauth_token_secret"]))
    request = bench.signed("GET", "/oauth1/me?q=%C3%A9+x", token=token, signature_method=method)  # type: ignore[arg-type]
    assert fields(bench.sandbox.respond(request))["account"] == "bob"


def test_a_form_body_is_covered_by_the_signature() -> None:
    bench = Bench()
    token = bench.token_credentials()
    request = bench.signed("POST", "/oauth1/echo", token=token, body=b"note=caf%C3%A9&note=2")

    altered = replace(request, body=b"note=caf%C3%A9&note=3")

    assert problem(bench.sandbox.respond(altered)) == (401, "signature_invalid")
    assert fields(bench.sandbox.respond(request))["form"] == [["note", "café"], ["note", "2"]]


def test_nothing_secret_is_kept_in_clear() -> None:
    bench = Bench()
    temporary = bench.temporary()
    verifier = bench.verifier(temporary)
    token = form_fields(bench.exchange(temporary, verifier))

    kept = repr(vars(bench.sandbox.state)) + repr(list(bench.sandbox.seen))

    for secret in (temporary.identifier, temporary.secret.reveal(), verifier, *token.values()):
        assert secret == "alice" or secret not in kept


def test_a_denial_comes_back_with_denied_and_error_and_the_callbacks_own_query() -> None:
    bench = Bench()
    temporary = bench.temporary(REDIRECT_URI + "?state=x")

    came_back = approve(bench.sandbox.respond, bench.page_for(temporary), decision="deny")

    assert callback(came_back) == {"state": "x", "denied": temporary.identifier, "error": "access_denied"}
    assert problem(bench.exchange(temporary, "any")) == (401, "permission_denied")


def test_out_of_band_the_verifier_is_shown_on_a_page() -> None:
    bench = Bench()
    temporary = bench.temporary("oob")

    came_back = approve(bench.sandbox.respond, bench.page_for(temporary))

    assert bench.exchange(temporary, callback(came_back)["oauth_verifier"]).status == 200


@pytest.mark.parametrize(
    "wanted",
    [
        "https://app.example/oauth/callback/sandbox/",
        "https://evil.example/oauth/callback/sandbox",
        "https://app.example@evil.example/",
        OTHER_URI,
        "/relative",
        REDIRECT_URI + "#fragment",
        REDIRECT_URI + "?é",
        "javascript:alert(1)",
    ],
)
def test_a_callback_that_is_not_registered_is_refused(wanted: str) -> None:
    bench = Bench()

    request = bench.signed("POST", "/oauth1/initiate", extra=(("oauth_callback", wanted),))

    assert problem(bench.sandbox.respond(request)) == (400, "parameter_rejected")


def test_a_missing_callback_is_refused() -> None:
    bench = Bench()

    assert problem(bench.sandbox.respond(bench.signed("POST", "/oauth1/initiate"))) == (400, "parameter_absent")


def test_temporary_credentials_are_exchanged_once() -> None:
    bench = Bench()
    temporary = bench.temporary()
    verifier = bench.verifier(temporary)
    bench.exchange(temporary, verifier)

    assert problem(bench.exchange(temporary, verifier)) == (401, "token_rejected")


def test_before_the_resource_owner_answered_nothing_is_exchanged() -> None:
    bench = Bench()
    temporary = bench.temporary()

    assert problem(bench.exchange(temporary, "guess")) == (401, "permission_unknown")


def test_a_verifier_is_required_and_three_wrong_ones_end_the_authorization() -> None:
    bench = Bench()
    temporary = bench.temporary()
    verifier = bench.verifier(temporary)

    assert problem(bench.exchange(temporary, None)) == (400, "parameter_absent")
    for _ in range(3):
        assert problem(bench.exchange(temporary, "wrong")) == (401, "verifier_invalid")
    assert problem(bench.exchange(temporary, verifier)) == (401, "token_rejected")


def test_two_wrong_verifiers_are_forgiven() -> None:
    bench = Bench()
    temporary = bench.temporary()
    verifier = bench.verifier(temporary)
    bench.exchange(temporary, "wrong")
    bench.exchange(temporary, "wrong\u00e9")

    assert bench.exchange(temporary, verifier).status == 200


def test_another_client_cannot_exchange_or_use_what_is_not_its_own() -> None:
    bench = Bench()
    temporary = bench.temporary()
    verifier = bench.verifier(temporary)
    assert problem(bench.exchange(temporary, verifier, client=OTHER_CLIENT)) == (401, "token_rejected")
    found = form_fields(bench.exchange(temporary, verifier))
    token = TokenCredentials(found["oauth_token"], Secret(found["oauth_token_secret"]))

    for method, path in (("GET", "/oauth1/me"), ("POST", "/oauth1/revoke")):
        request = bench.signed(method, path, token=token, client=OTHER_CLIENT)
        assert problem(bench.sandbox.respond(request)) == (401, "token_rejected")

    assert bench.sandbox.respond(bench.signed("GET", "/oauth1/me", token=token)).status == 200


@pytest.mark.parametrize(("seconds", "works"), [(599, True), (600, False)])
def test_temporary_credentials_live_ten_minutes(seconds: int, works: bool) -> None:
    bench = Bench()
    temporary = bench.temporary()
    verifier = bench.verifier(temporary)

    bench.clock.sleep(seconds)

    assert (bench.exchange(temporary, verifier).status == 200) is works


def test_an_answered_authorization_is_not_asked_again() -> None:
    bench = Bench()
    temporary = bench.temporary()
    bench.verifier(temporary)

    assert bench.get(bench.page_for(temporary)).status == 400
    with pytest.raises(VisitFailed, match="answered before"):
        approve(bench.sandbox.respond, bench.page_for(temporary))
    with pytest.raises(VisitFailed, match="unknown"):
        approve(bench.sandbox.respond, f"{BASE_URL}/oauth1/authorize?oauth_token=unknown")


def test_revoked_token_credentials_open_nothing() -> None:
    bench = Bench()
    token = bench.token_credentials()

    assert bench.sandbox.respond(bench.signed("POST", "/oauth1/revoke", token=token)).status == 200
    assert problem(bench.sandbox.respond(bench.signed("GET", "/oauth1/me", token=token))) == (401, "token_revoked")


def test_temporary_credentials_are_no_token_credentials() -> None:
    bench = Bench()
    temporary = bench.temporary()

    assert problem(bench.sandbox.respond(bench.signed("GET", "/oauth1/me", token=temporary))) == (401, "token_rejected")
    assert problem(bench.sandbox.respond(bench.signed("GET", "/oauth1/me"))) == (400, "parameter_absent")


def test_a_nonce_is_used_once_with_its_timestamp_client_and_token() -> None:
    bench = Bench()
    token = bench.token_credentials()
    now = int(bench.clock())

    def me(nonce: str, timestamp: int) -> Response:
        return bench.sandbox.respond(bench.signed("GET", "/oauth1/me", token=token, nonce=nonce, timestamp=timestamp))

    assert me("a" * 24, now).status == 200
    assert problem(me("a" * 24, now)) == (401, "nonce_used")
    assert me("a" * 24, now + 1).status == 200
    assert me("b" * 24, now).status == 200


def test_a_wrong_signature_uses_up_no_nonce() -> None:
    bench = Bench()
    token = bench.token_credentials()
    thief = ClientCredentials("app", Secret("guess"))

    wrong = bench.signed("GET", "/oauth1/me", token=token, client=thief, nonce="n" * 24)
    right = bench.signed("GET", "/oauth1/me", token=token, nonce="n" * 24)

    assert problem(bench.sandbox.respond(wrong)) == (401, "signature_invalid")
    assert bench.sandbox.respond(right).status == 200


class BrokenNonces:
    def add(self, nonce: tuple[str, ...], *, expires_at: float, now: float) -> bool:
        message = "the nonces are down"
        raise StoreError(message)


def test_where_nonces_cannot_be_remembered_nothing_is_let_through() -> None:
    bench = Bench(nonces=BrokenNonces())
    request = bench.signed("POST", "/oauth1/initiate", extra=(("oauth_callback", REDIRECT_URI),))

    response = bench.sandbox.respond(request)

    assert (response.status, response.headers.get("Retry-After")) == (503, "1")
    assert bench.sandbox.state.temporary == {}


@pytest.mark.parametrize(("offset", "status"), [(0, 200), (300, 200), (-300, 200), (301, 401), (-301, 401)])
def test_a_timestamp_is_within_five_minutes(offset: int, status: int) -> None:
    bench = Bench()
    token = bench.token_credentials()

    request = bench.signed("GET", "/oauth1/me", token=token, timestamp=int(bench.clock()) + offset)

    assert bench.sandbox.respond(request).status == status


def altered(request: Request, change: Callable[[list[tuple[str, str]]], object]) -> Request:
    """The request with its Authorization header's parameters changed."""
    header = request.headers.get("Authorization") or ""
    pairs = [tuple(part.replace('"', "").split("=", 1)) for part in header.removeprefix("OAuth ").split(", ")]
    fields_ = [(name, text) for name, text in pairs]
    change(fields_)
    text = "OAuth " + ", ".join(f'{name}="{value}"' for name, value in fields_)
    return replace(request, headers=Headers((("Authorization", text),)))


def setting(name: str, text: str | None) -> Callable[[list[tuple[str, str]]], object]:
    def change(pairs: list[tuple[str, str]]) -> None:
        pairs[:] = [pair for pair in pairs if pair[0] != name]
        if text is not None:
            pairs.append((name, text))

    return change


@pytest.mark.parametrize(
    ("name", "text", "status"),
    [
        ("oauth_timestamp", "1e9", 400),
        ("oauth_timestamp", "%20123", 400),
        ("oauth_timestamp", "-1", 400),
        ("oauth_timestamp", "1_800_000_000", 400),
        ("oauth_timestamp", percent_encode("１８"), 400),
        ("oauth_timestamp", "1" * 13, 400),
        ("oauth_timestamp", "", 400),
        ("oauth_timestamp", None, 400),
        ("oauth_nonce", None, 400),
        ("oauth_nonce", "", 400),
        ("oauth_nonce", "n" * 300, 400),
        ("oauth_version", "2.0", 400),
        ("oauth_signature_method", "HMAC-MD5", 400),
        ("oauth_signature_method", None, 400),
        ("oauth_signature", None, 400),
        ("oauth_signature", "%C3%A9", 401),
        ("oauth_signature", "AAAA", 401),
        ("oauth_signature", "x" * 4000, 401),
        ("oauth_consumer_key", "nobody", 401),
        ("oauth_consumer_key", None, 400),
        ("oauth_token", "unknown", 401),
    ],
)
def test_a_protocol_parameter_that_is_wrong_is_refused_and_never_a_server_error(
    name: str, text: str | None, status: int
) -> None:
    bench = Bench()
    request = bench.signed("GET", "/oauth1/me", token=bench.token_credentials())

    response = bench.sandbox.respond(altered(request, setting(name, text)))

    assert response.status == status
    challenged = (response.headers.get("WWW-Authenticate") or "").startswith("OAuth ")
    assert challenged is (status == 401)
    assert dict(read_form(response.body.decode()))["oauth_problem"]


def test_parameters_twice_or_in_two_places_are_refused() -> None:
    bench = Bench()
    token = bench.token_credentials()
    request = bench.signed("GET", "/oauth1/me", token=token)

    twice = altered(request, lambda pairs: pairs.append(("oauth_nonce", "another")))
    two_places = replace(request, url=request.url + "?oauth_nonce=another")
    two_headers = replace(request, headers=Headers((*request.headers.pairs, *request.headers.pairs)))

    for wrong in (twice, two_places, two_headers):
        assert problem(bench.sandbox.respond(wrong)) == (400, "parameter_rejected")


def test_an_unsigned_request_is_challenged() -> None:
    bench = Bench()

    response = bench.get("/oauth1/me")

    assert response.status == 401
    assert response.headers.get("WWW-Authenticate") == 'OAuth realm="valetkey sandbox"'


def test_an_unknown_client_hears_the_same_as_a_wrong_signature() -> None:
    bench = Bench()
    extra = (("oauth_callback", REDIRECT_URI),)

    answers = [
        bench.sandbox.respond(bench.signed("POST", "/oauth1/initiate", client=client, extra=extra)).body
        for client in (ClientCredentials("nobody", Secret("x")), ClientCredentials("app", Secret("x")))
    ]

    assert answers[0] == answers[1]


@pytest.mark.parametrize(
    ("base_url", "allowed", "works"),
    [
        ("http://127.0.0.1:8400", None, True),
        ("https://sandbox.example", None, True),
        ("http://sandbox.example", None, False),
        ("http://sandbox.example", True, True),
        ("http://127.0.0.1:8400", False, False),
    ],
)
def test_plaintext_is_taken_only_where_nobody_listens(base_url: str, allowed: bool | None, works: bool) -> None:
    bench = Bench(base_url=base_url, plaintext_allowed=allowed)
    extra = (("oauth_callback", REDIRECT_URI),)

    response = bench.sandbox.respond(
        bench.signed("POST", "/oauth1/initiate", signature_method="PLAINTEXT", extra=extra)
    )

    assert (response.status == 200) is works


def test_a_client_that_left_sha1_behind_is_not_imitated_with_it() -> None:
    bench = Bench(replace(APP, signature_methods=("HMAC-SHA256",)))
    extra = (("oauth_callback", REDIRECT_URI),)

    def initiate(method: str) -> Response:
        request = bench.signed("POST", "/oauth1/initiate", signature_method=method, extra=extra)  # type: ignore[arg-type]
        return bench.sandbox.respond(request)

    assert problem(initiate("HMAC-SHA1")) == (401, "signature_method_rejected")
    assert initiate("HMAC-SHA256").status == 200


def test_a_public_key_is_no_shared_secret_and_a_secret_is_no_key() -> None:
    public_key = rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key()
    pem = public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    keyed = SandboxClient("keyed", rsa_public_key=pem, callbacks=(REDIRECT_URI,))
    bench = Bench(APP, keyed)
    extra = (("oauth_callback", REDIRECT_URI),)

    confused = bench.signed(
        "POST",
        "/oauth1/initiate",
        client=ClientCredentials("keyed", Secret(pem)),
        signature_method="HMAC-SHA1",
        extra=extra,
    )
    reverse = altered(
        bench.signed("POST", "/oauth1/initiate", extra=extra), setting("oauth_signature_method", "RSA-SHA1")
    )

    assert problem(bench.sandbox.respond(confused)) == (401, "signature_method_rejected")
    assert problem(bench.sandbox.respond(reverse)) == (401, "signature_method_rejected")


def test_what_is_no_rsa_key_cannot_be_registered() -> None:
    with pytest.raises(ConfigurationError, match="RSA public key"):
        SandboxClient("x", rsa_public_key="-----BEGIN PUBLIC KEY-----")


def test_a_client_of_oauth2_only_is_not_known_to_oauth1() -> None:
    bench = Bench(replace(APP, callbacks=()), OTHER)
    request = bench.signed("POST", "/oauth1/initiate", extra=(("oauth_callback", REDIRECT_URI),))

    assert problem(bench.sandbox.respond(request)) == (401, "signature_invalid")


def test_temporary_credentials_of_a_wrong_secret_are_refused() -> None:
    bench = Bench()
    temporary = bench.temporary()
    verifier = bench.verifier(temporary)
    guessed = TemporaryCredentials(temporary.identifier, Secret("guess"))

    assert problem(bench.exchange(guessed, verifier)) == (401, "signature_invalid")


def test_a_body_that_is_too_long_is_refused_before_anything_is_verified() -> None:
    bench = Bench()
    request = bench.signed("POST", "/oauth1/echo", token=bench.token_credentials(), body=b"a=" + b"x" * 70_000)

    assert problem(bench.sandbox.respond(request)) == (413, "parameter_rejected")
