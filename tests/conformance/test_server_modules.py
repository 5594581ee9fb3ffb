"""The sandbox is held to the FAPI 2.0 modules for authorization servers: each test bears the name of its module.

Which modules there are, and why some do not apply, stands in `modules`; docs/conformance.md is made from it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.conformance.bank import OTHER_KEY, Bank, error_of
from tests.conformance.modules import FAPI2, SERVER_TESTS
from tests.oauth2.tokens import compact, ec_jwk, rsa_jwk, rsa_key
from tests.sandbox.steps import BASE_URL, VERIFIER, fields, refusal

from valetkey.digest import sha256
from valetkey.http import base64url, with_query
from valetkey.oauth2.jws import read_jws
from valetkey.oauth2.signed_jwt import thumbprint

if TYPE_CHECKING:
    from collections.abc import Callable

    from valetkey.http import Response

OTHERS = {"key": rsa_key(2048, OTHER_KEY)}
OURS = thumbprint(tuple((name, str(text)) for name, text in ec_jwk().items()))
ANOTHER = {"alg": "RS256", "jwk": rsa_jwk()}
GRANTED = 200
BAD_CLIENT, BAD_REQUEST, BAD_GRANT = (401, "invalid_client"), (400, "invalid_request"), (400, "invalid_grant")
BAD_OBJECT, BAD_PROOF = (400, "invalid_request_object"), (400, "invalid_dpop_proof")
A_PAGE = (400, "")


def outcome(answer: Response) -> Any:
    return answer.status if answer.status < 300 else refusal(answer)


def page(answer: Response) -> Any:
    """A page that keeps the browser here, or the error that the client is told."""
    location = answer.headers.get("Location")
    return error_of(location) if location else (answer.status, "")


def push(**changes: Any) -> Callable[[Bank], Any]:
    """The outcome of pushing a request with these changes."""
    return lambda bank: outcome(bank.push(bank.request(**changes)))


def sign(header: dict[str, Any] | None = None, /, *, seconds: dict[str, int] | None = None, **changes: Any) -> Any:
    """The outcome of pushing a signed request with these changes. seconds: claims, from now on."""

    def act(bank: Bank) -> Any:
        later = {name: int(bank.clock()) + offset for name, offset in (seconds or {}).items()}
        return outcome(bank.push({"request": bank.request_object(header=header, **later, **changes)}))

    return act


def assert_as(*, at: str = "par", seconds: dict[str, int] | None = None, **changes: Any) -> Callable[[Bank], Any]:
    """The outcome of a request to an endpoint by a client whose assertion is changed like that."""

    def act(bank: Bank) -> Any:
        code = bank.answered(bank.pushed())["code"]
        later = {name: int(bank.clock()) + offset for name, offset in (seconds or {}).items()}
        by = bank.authenticated(**later, **changes)
        return outcome(bank.push(by=by) if at == "par" else bank.redeem_code(code, by=by))

    return act


def prove(*, seconds: dict[str, int] | None = None, header: Any = None, **changes: Any) -> Callable[[Bank], Any]:
    """The outcome of redeeming a code with a proof that is changed like that."""

    def act(bank: Bank) -> Any:
        code = bank.answered(bank.pushed())["code"]
        later: dict[str, Any] = {name: int(bank.clock()) + offset for name, offset in (seconds or {}).items()}
        return outcome(bank.redeem_code(code, bank.proof("/oauth2/token", header=header, **later, **changes)))

    return act


def redeem(**changes: Any) -> Callable[[Bank], Any]:
    """The outcome of redeeming a code with these changes."""
    return lambda bank: outcome(bank.redeem_code(bank.answered(bank.pushed())["code"], **changes))


def happy(bank: Bank) -> Any:
    granted = bank.grant()
    assert (granted["token_type"], fields(bank.ask_me(granted["access_token"]))["account"]) == ("DPoP", "alice")
    return GRANTED


def code_twice(bank: Bank) -> Any:
    code = bank.answered(bank.pushed())["code"]
    token = fields(bank.redeem_code(code))["access_token"]
    bank.clock.sleep(1)
    again = outcome(bank.redeem_code(code))
    assert bank.ask_me(token).status == 401  # 6749 s4.1.2: what came of it is revoked
    return again


def late_code(bank: Bank) -> Any:
    code = bank.answered(bank.pushed())["code"]
    bank.clock.sleep(61)
    return outcome(bank.redeem_code(code))


def code_of_another(bank: Bank) -> Any:
    code = bank.answered(bank.pushed())["code"]
    return outcome(bank.redeem_code(code, by=bank.authenticated(client_id="other", header=OTHERS)))


def without_a_proof(bank: Bank) -> Any:
    return outcome(bank.redeem_code(bank.answered(bank.pushed())["code"], ("X-None", "1")))


def scheme_in_any_case(bank: Bank) -> Any:
    token = bank.grant()["access_token"]
    return {bank.ask_me(token, scheme=scheme).status for scheme in ("DPoP", "dpop", "DPOP")}


def proofs_at_the_api(bank: Bank) -> Any:
    token = bank.grant()["access_token"]

    def proof(**changes: Any) -> tuple[str, str]:
        return bank.proof("/oauth2/me", "GET", **{"ath": _ath(token), **changes})

    wrong: list[dict[str, Any]] = [
        {"ath": _ath("another")},
        {"htm": "POST"},
        {"htu": f"{BASE_URL}/oauth2/echo"},
        {"iat": 1},
        {"header": {"typ": "jwt"}},
        {"header": {"alg": "RS256", "jwk": rsa_jwk()}},  # another key than the token's
        {"header": {"jwk": rsa_jwk()}},  # another key than signed it
    ]
    refused = {bank.ask_me(token, proof(**one)).status for one in wrong}
    once = proof()
    twice = [bank.ask_me(token, once).status for _ in range(2)]
    both = bank.ask_me(token, proof(), proof()).status
    return refused, twice, both, bank.ask_me(token, ("X-None", "1")).status, bank.ask_me(token, scheme="Bearer").status


def _ath(token: str) -> str:
    return base64url(sha256(token.encode()).digest())


def long_state(bank: Bank) -> Any:
    return len(bank.answered(bank.pushed(state="s" * 384))["state"])


def without_state(bank: Bank) -> Any:
    return sorted(bank.answered(bank.pushed(state=None)))


def nonce_of(length: int) -> Callable[[Bank], Any]:
    def act(bank: Bank) -> Any:
        nonce = "n" * length or None
        return len(read_jws(bank.grant(nonce=nonce)["id_token"]).claims.get("nonce", ""))

    return act


def inside_counts(name: str) -> Callable[[Bank], Any]:
    """What stands beside a signed request does not count (RFC 9101 section 6.3)."""

    def act(bank: Bank) -> Any:
        answer = bank.push({"request": bank.request_object(), name: "outside"})
        assert answer.status == 201
        return dict(next(iter(bank.sandbox.state.pushed.values())).parameters)[name]

    return act


def state_outside_only(bank: Bank) -> Any:
    assert bank.push({"request": bank.request_object(state=None), "state": "outside"}).status == 201
    return dict(next(iter(bank.sandbox.state.pushed.values())).parameters).get("state")


def reference_twice(bank: Bank) -> Any:
    location = bank.pushed()
    assert "code" in bank.answered(location)
    return page(bank.get(location))


def reference_before_the_end(bank: Bank) -> Any:
    location = bank.pushed()
    assert bank.get(location).status == 200
    return sorted(bank.answered(location))


def late_reference(bank: Bank) -> Any:
    location = bank.pushed()
    bank.clock.sleep(601)
    return page(bank.get(location))


def reference_of_another(bank: Bank) -> Any:
    return page(bank.get(bank.pushed().replace("client_id=app", "client_id=other")))


def reference_with_parameters(bank: Bank) -> Any:
    location = bank.pushed()
    answered = bank.answered(f"{location}&state=outside")
    return answered["state"], sorted(answered)


def not_pushed(bank: Bank) -> Any:
    return page(bank.get(with_query(f"{BASE_URL}/oauth2/authorize", list(bank.request().items()))))


def bound_from_the_start(
    asked: str = "", *, pushed_with: Any = None, redeemed_with: Any = None
) -> Callable[[Bank], Any]:
    """The outcome of redeeming a code, or of pushing its request, where the request names a key or is proved with it.

    asked: `dpop_jkt`. pushed_with, redeemed_with: the header of the proof at either endpoint; None: none, and the usual.
    """

    def act(bank: Bank) -> Any:
        proofs = () if pushed_with is None else (bank.proof("/oauth2/par", header=pushed_with),)
        request = bank.request(dpop_jkt=asked or None)
        answer = bank.post("/oauth2/par", *proofs, **request, **bank.authenticated())
        if answer.status != 201:
            return outcome(answer)
        code = bank.answered(bank.at(json.loads(answer.body)["request_uri"]))["code"]
        return outcome(bank.redeem_code(code, bank.proof("/oauth2/token", header=redeemed_with)))

    return act


def refreshing(bank: Bank) -> Any:
    first = bank.grant()
    form = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
    proof = lambda: bank.proof("/oauth2/token")  # noqa: E731 - each time another
    other = bank.post("/oauth2/token", proof(), **form, **bank.authenticated(client_id="other", header=OTHERS))
    fresh = fields(bank.post("/oauth2/token", proof(), **form, **bank.authenticated()))
    assert bank.ask_me(fresh["access_token"]).status == 200
    return refusal(other)


def described(bank: Bank) -> Any:
    found = fields(bank.get("/.well-known/openid-configuration"))
    wanted = ("pushed_authorization_request_endpoint", "dpop_signing_alg_values_supported", "jwks_uri")
    assert all(found[name] for name in wanted)
    assert "private_key_jwt" in found["token_endpoint_auth_methods_supported"]
    return found["require_pushed_authorization_requests"], found["authorization_response_iss_parameter_supported"]


def denied(bank: Bank) -> Any:
    return bank.answered(bank.pushed(), decision="deny")["error"]


def wrong_method(bank: Bank) -> Any:
    answer = bank.get("/oauth2/par")
    return answer.status, answer.headers.get("Allow")


def unsigned(bank: Bank) -> Any:
    claims = {"iss": "app", "aud": BASE_URL, "exp": int(bank.clock()) + 50, "nbf": 1, **bank.request()}
    texts = [compact({"alg": "none", "typ": "oauth-authz-req+jwt"}, claims, signature) for signature in (b"", b"x")]
    return {outcome(bank.push({"request": text})) for text in texts}


def scope_order(bank: Bank) -> Any:
    return bank.grant(scope="read openid")["scope"]


def signing_required(bank: Bank) -> Any:
    return outcome(Bank(require_signed_request_object=True).push())


CHECKS: dict[str, tuple[Callable[[Bank], Any], Any]] = {
    "happy-flow": (happy, GRANTED),
    "discovery-end-point-verification": (described, (True, True)),
    "access-token-type-header-case-sensitivity": (scheme_in_any_case, {200}),
    "attempt-reuse-authorization-code-after-one-second": (code_twice, BAD_GRANT),
    "ensure-token-endpoint-fails-with-expired-auth-code": (late_code, BAD_GRANT),
    "ensure-authorization-code-is-bound-to-client": (code_of_another, BAD_GRANT),
    "ensure-client-id-in-token-endpoint": (redeem(client_id="other"), BAD_CLIENT),
    "ensure-client-assertion-in-token-endpoint": (redeem(client_assertion=None), BAD_CLIENT),
    "ensure-client-assertion-with-exp-is-5-minutes-in-past-fails": (
        assert_as(at="token", seconds={"exp": -300}),
        BAD_CLIENT,
    ),
    "ensure-client-assertion-with-no-sub-fails": (assert_as(at="token", sub=None), BAD_CLIENT),
    "ensure-client-assertion-with-wrong-aud-fails": (assert_as(at="token", aud="https://another.example"), BAD_CLIENT),
    "par-ensure-jwt-client-assertions-nbf-8-seconds-in-the-future-is-accepted": (assert_as(seconds={"nbf": 8}), 201),
    "par-ensure-jwt-client-assertions-nbf-over-60-seconds-in-the-future-fails": (
        assert_as(seconds={"nbf": 65}),
        BAD_CLIENT,
    ),
    "par-test-array-as-audience-fails": (assert_as(aud=[BASE_URL]), BAD_CLIENT),
    "par-test-par-endpoint-url-as-audience-fails": (assert_as(aud=f"{BASE_URL}/oauth2/par"), BAD_CLIENT),
    "par-test-token-endpoint-url-as-audience-fails": (assert_as(aud=f"{BASE_URL}/oauth2/token"), BAD_CLIENT),
    "ensure-pkce-code-verifier-required": (redeem(code_verifier=None), BAD_GRANT),
    "incorrect-pkce-code-verifier-rejected": (redeem(code_verifier=VERIFIER[::-1]), BAD_GRANT),
    "par-ensure-pkce-required": (push(code_challenge=None, code_challenge_method=None), BAD_REQUEST),
    "par-plain-pkce-rejected": (push(code_challenge_method="plain"), BAD_REQUEST),
    "ensure-redirect-uri-in-authorization-request": (push(redirect_uri=None), BAD_REQUEST),
    "ensure-registered-redirect-uri": (push(redirect_uri="https://evil.example/callback"), BAD_REQUEST),
    "plain-fapi-tolerate-unregistered-redirect-uri": (push(redirect_uri="https://app.example/new"), BAD_REQUEST),
    "ensure-response-type-code-idtoken-fails": (
        push(response_type="code id_token"),
        (400, "unsupported_response_type"),
    ),
    "ensure-response-type-token-fails": (push(response_type="token"), (400, "unsupported_response_type")),
    "ensure-other-scope-order-succeeds": (scope_order, "read openid"),
    "ensure-authorization-request-with-64-char-nonce-success": (nonce_of(64), 64),
    "ensure-authorization-request-with-long-nonce": (nonce_of(384), 384),
    "ensure-authorization-request-without-nonce-success": (nonce_of(0), 0),
    "ensure-authorization-request-with-long-state": (long_state, 384),
    "ensure-authorization-request-without-state-success": (without_state, ["code", "iss"]),
    "user-rejects-authentication": (denied, "access_denied"),
    "par-attempt-invalid-http-method": (wrong_method, (405, "POST")),
    "par-attempt-reuse-request_uri": (reference_twice, A_PAGE),
    "par-attempt-to-use-expired-request_uri": (late_reference, A_PAGE),
    "par-attempt-to-use-request_uri-for-different-client": (reference_of_another, A_PAGE),
    "par-authorization-request-containing-request_uri": (sign(request_uri="urn:example:1"), BAD_OBJECT),
    "par-authorization-request-containing-request_uri-form-param": (push(request_uri="urn:example:1"), BAD_REQUEST),
    "par-ensure-reused-request-uri-prior-to-auth-completion-succeeds": (
        reference_before_the_end,
        ["code", "iss", "state"],
    ),
    "par-without-duplicate-parameters": (reference_with_parameters, ("the-state", ["code", "iss", "state"])),
    "ensure-unsigned-authorization-request-without-using-par-fails": (not_pushed, A_PAGE),
    "ensure-unsigned-request-at-par-endpoint-fails": (signing_required, BAD_REQUEST),
    "ensure-expired-request-object-fails": (sign(seconds={"exp": -300}), BAD_OBJECT),
    "ensure-request-object-with-bad-aud-fails": (sign(aud="https://another.example"), BAD_OBJECT),
    "ensure-request-object-with-exp-over-60-fails": (sign(seconds={"exp": 4200}), BAD_OBJECT),
    "ensure-request-object-with-multiple-aud-succeeds": (sign(aud=[BASE_URL, "https://another.example"]), 201),
    "ensure-request-object-with-nbf-8-seconds-in-the-future-is-accepted": (sign(seconds={"nbf": 8}), 201),
    "ensure-request-object-with-nbf-over-60-fails": (sign(seconds={"nbf": -4200}), BAD_OBJECT),
    "ensure-request-object-without-exp-fails": (sign(exp=None), BAD_OBJECT),
    "ensure-request-object-without-nbf-fails": (sign(nbf=None), BAD_OBJECT),
    "ensure-request-object-without-redirect-uri-fails": (sign(redirect_uri=None), BAD_REQUEST),
    "ensure-request-object-with-invalid-signature-fails": (sign(OTHERS), BAD_OBJECT),
    "ensure-matching-key-in-authorization-request": (sign(OTHERS), BAD_OBJECT),
    "ensure-request-object-signature-algorithm-is-not-none": (unsigned, {BAD_OBJECT}),
    "ensure-different-nonce-inside-and-outside-request-object": (inside_counts("nonce"), "the-nonce"),
    "ensure-different-state-inside-and-outside-request-object": (inside_counts("state"), "the-state"),
    "state-only-outside-request-object-not-used": (state_outside_only, None),
    "dpop-negative-tests": (proofs_at_the_api, ({401}, [200, 401], 401, 401, 401)),
    "ensure-holder-of-key-required": (without_a_proof, BAD_PROOF),
    "ensure-dpopproof-with-iat-10seconds-after-succeeds": (prove(seconds={"iat": 10}), GRANTED),
    "ensure-dpopproof-with-iat-10seconds-before-succeeds": (prove(seconds={"iat": -10}), GRANTED),
    "check-dpop-proof-nbf-exp": (prove(seconds={"nbf": 0, "exp": 60}), GRANTED),
    "refresh-token": (refreshing, BAD_GRANT),
    "ensure-dpop-auth-code-binding-success": (bound_from_the_start(OURS), GRANTED),
    "ensure-dpopproof-at-par-endpoint-binding-success": (bound_from_the_start(pushed_with={}), GRANTED),
    "ensure-mismatched-dpop-jkt-fails": (bound_from_the_start(OURS, pushed_with=ANOTHER), BAD_PROOF),
    "ensure-token-endpoint-fails-with-mismatched-dpop-jkt": (
        bound_from_the_start(OURS, redeemed_with=ANOTHER),
        BAD_GRANT,
    ),
    "ensure-token-endpoint-fails-with-mismatched-dpop-proof-jkt": (
        bound_from_the_start(pushed_with={}, redeemed_with=ANOTHER),
        BAD_GRANT,
    ),
}


@pytest.mark.parametrize("name", [pytest.param(name, id=f"{FAPI2}-{name}") for name in SERVER_TESTS])
def test_the_sandbox(name: str) -> None:
    act, expected = CHECKS[name]

    assert act(Bank()) == expected


def test_every_check_is_of_a_module() -> None:
    assert sorted(CHECKS) == sorted(SERVER_TESTS)
