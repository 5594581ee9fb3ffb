"""The OpenID Foundation's test modules as a checklist: what each asks of a client, and how it is answered here.

    Case(...)            it is played against the sandbox by `test_client_modules`, under the module's name
    NotApplicable(...)   it is not, and why

docs/conformance.md is made from this table by `make docs`. Names are the suite's, sentences are ours.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

REVISION = "12f2a4dac"
FAPI1 = "fapi1-advanced-final-client-test"
FAPI2 = "fapi2-security-profile-final"
FAPI2_CLIENTS = (f"{FAPI2}-client-test", "fapi2-security-profile-id2-client-test")
OPENID = "oidcc-client-test"

Profile: TypeAlias = Literal["openid", "fapi2", "signed"]
Fault: TypeAlias = tuple[str, str]
BEGUN, FINISHED, USERINFO, REFRESHED = "begin", "finish", "userinfo", "refresh"


@dataclass(frozen=True)
class Case:
    """A flow that is played to its end, or to where the client stops it.

    asks: what the module wants, in a sentence. faults: endpoint and word, each once; `refresh` is the token endpoint
    for refresh tokens. ends: the step that fails and the reason; empty where it goes through.
    profile: `openid` (client_secret_basic), `fapi2` (pushed requests, private_key_jwt, DPoP with nonces), `signed` (the
    same with signed requests and signed answers). play: a way of its own through the flow (`test_client_modules`).
    algorithm: how id_tokens are signed. response_mode: how the answer comes back.
    response_type: another than the code flow's, which a registration must accept loudly.
    certificate: the client has one that its tokens are bound to (RFC 8705).
    """

    asks: str
    faults: tuple[Fault, ...] = ()
    ends: tuple[str, str] | None = None
    profile: Profile = "openid"
    play: str = ""
    algorithm: str = ""
    response_mode: str = ""
    certificate: bool = False
    response_type: str = "code"


@dataclass(frozen=True)
class NotApplicable:
    """why: what valetkey does instead, or why a client like it has no use for it."""

    why: str


Answer: TypeAlias = Case | NotApplicable


def refused(asks: str, fault: str, reason: str, *, at: str = "token") -> Case:
    """A case in which the answer of one endpoint is spoilt and the flow is stopped when the browser is back."""
    return Case(asks, ((at, fault),), (FINISHED, reason))


GOES_THROUGH = "the flow goes through"
ISSUER_OF_METADATA = Case(
    "metadata whose issuer is another one is not used",
    (("metadata", "issuer_wrong"),),
    (BEGUN, "malformed_response"),
)

ID_TOKEN: dict[str, Case] = {
    "invalid-alternate-alg": refused(
        "an id_token signed with another algorithm than the announced one is refused", "alg_other", "id_token_algorithm"
    ),
    "invalid-aud": refused("an id_token for another client is refused", "aud_wrong", "id_token_audience"),
    "invalid-expired-exp": refused("an id_token that has ended is refused", "exp_past", "id_token_expired"),
    "invalid-iss": refused("an id_token of another issuer is refused", "iss_wrong", "id_token_issuer"),
    "invalid-missing-aud": refused("an id_token without aud is refused", "aud_missing", "id_token_audience"),
    "invalid-missing-exp": refused("an id_token without exp is refused", "exp_missing", "id_token_times"),
    "invalid-missing-iss": refused("an id_token without iss is refused", "iss_missing", "id_token_issuer"),
    "invalid-missing-nonce": refused(
        "an id_token without the nonce that was sent is refused", "nonce_missing", "id_token_nonce"
    ),
    "invalid-nonce": refused("an id_token with another flow's nonce is refused", "nonce_wrong", "id_token_nonce"),
    "invalid-null-alg": refused("an id_token that is not signed is refused", "alg_none", "id_token_malformed"),
    "invalid-secondary-aud": refused(
        "an id_token that is also for somebody unknown is refused", "aud_extra", "id_token_audience"
    ),
    "valid-aud-as-array": Case("an aud that is a list of this client alone is taken", (("token", "aud_array"),)),
}

OPEN_BANKING = NotApplicable(
    "Open Banking's consent objects are the application's: id_tokens are checked and then dropped, their other claims are "
    "handed to nobody. A consent is asked for with authorization_details or a parameter of the registration."
)
OPEN_BANKING_RESPONSE = NotApplicable(
    "The signed answers of Open Banking Brazil's payment API are bodies of a protected resource, which belong to the "
    "application: valetkey brings them as they came."
)

JARM: dict[str, Case] = {
    "ensure-jarm-signature-is-not-none": refused(
        "a response that is not signed is refused", "alg_none", "jarm_algorithm", at="consent"
    ),
    "ensure-jarm-with-expired-exp-fails": refused(
        "a signed response that has ended is refused", "exp_past", "jarm_expired", at="consent"
    ),
    "ensure-jarm-with-invalid-aud-fails": refused(
        "a response for another client is refused", "aud_wrong", "jarm_audience", at="consent"
    ),
    "ensure-jarm-with-invalid-iss-fails": refused(
        "a response of another issuer is refused", "iss_wrong", "jarm_issuer", at="consent"
    ),
    "ensure-jarm-with-invalid-sig-fails": refused(
        "a response with a wrong signature is refused", "signature_wrong", "jarm_signature", at="consent"
    ),
    "ensure-jarm-without-aud-fails": refused(
        "a response without aud is refused", "aud_missing", "jarm_audience", at="consent"
    ),
    "ensure-jarm-without-exp-fails": refused(
        "a response without exp is refused", "exp_missing", "jarm_times", at="consent"
    ),
    "ensure-jarm-without-iss-fails": refused(
        "a response without iss is refused", "iss_missing", "jarm_issuer", at="consent"
    ),
}

FAPI2_ANSWERS: dict[str, Answer] = {
    "discovery-issuer-mismatch": ISSUER_OF_METADATA,
    "ensure-authorization-response-with-invalid-missing-state-fails": refused(
        "a response without the state that was sent is refused", "state_missing", "state_missing", at="consent"
    ),
    "ensure-authorization-response-with-invalid-state-fails": refused(
        "a response with another state is refused", "state_wrong", "state_mismatch", at="consent"
    ),
    **{name: replace(case, profile="signed") for name, case in JARM.items()},
    "happy-path": Case(GOES_THROUGH, play="every part of the profile"),
    "happy-path-no-dpop-nonce": Case("the flow goes through where no nonces are wanted", play="without nonces"),
    **ID_TOKEN,
    "invalid-authorization-response-iss": refused(
        "a response of another issuer is refused, and no other endpoint is asked",
        "iss_wrong",
        "issuer_mismatch",
        at="consent",
    ),
    "invalid-openbanking-intent-id": OPEN_BANKING,
    "remove-authorization-response-iss": refused(
        "a response without the iss that was announced is refused, and no other endpoint is asked",
        "iss_missing",
        "issuer_missing",
        at="consent",
    ),
    "rs-dpop-auth-scheme-case-insensitivity": Case(
        "a resource server that wants another nonce, with the scheme in odd case, gets it",
        play="a new nonce at the API",
    ),
    "token-endpoint-response-without-expires_in": Case(
        "an answer without expires_in is taken", (("token", "expires_in_missing"),)
    ),
    "token-type-case-insensitivity": Case("the token_type is read in any case", (("token", "token_type_swapped"),)),
}

HYBRID = (
    "`code id_token` is not spoken: what the front channel brings is a code, bound by PKCE, nonce and iss, so there is "
)
FAPI1_ANSWERS: dict[str, Answer] = {
    "": Case(GOES_THROUGH, profile="signed", play="every part of the profile"),
    "discovery-issuer-mismatch": replace(ISSUER_OF_METADATA, profile="signed"),
    "encrypted-idtoken": NotApplicable(
        "Encrypted id_tokens are refused as `id_token_malformed` (the module after this one): nobody but the token "
        "endpoint and the client sees an id_token of the code flow, both over TLS."
    ),
    "encrypted-idtoken-usingrsa15": refused("an encrypted id_token is refused", "encrypted", "id_token_malformed"),
    "iat-is-week-in-past": refused("an id_token that was issued a week ago is refused", "iat_past", "id_token_times"),
    "invalid-chash": NotApplicable(f"{HYBRID}no c_hash to compare."),
    "invalid-shash": NotApplicable(f"{HYBRID}no s_hash to compare."),
    "invalid-missing-shash": NotApplicable(f"{HYBRID}no s_hash to miss."),
    "invalid-openbanking-intent-id": OPEN_BANKING,
    "invalid-signature": refused(
        "an id_token with a wrong signature is refused", "signature_wrong", "id_token_signature"
    ),
    "missing-athash": Case(
        "without at_hash, which the code flow need not have, the flow goes through", (("token", "at_hash_missing"),)
    ),
    "no-scope-in-token-endpoint-response": Case(
        "an answer without scope granted what was asked for", (("token", "scope_missing"),)
    ),
    "payment-consent-response-valid-aud-as-array": OPEN_BANKING_RESPONSE,
    "unencrypted-request-object-with-par": Case(
        "a signed request is pushed", profile="signed", play="every part of the profile"
    ),
    **ID_TOKEN,
}

NO_LOGOUT = (
    "valetkey keeps connections, not login sessions: there is none that a provider could end or a person could log out "
    "of. A connection is ended with `revoke`; one that the provider ended is marked at its next use."
)
OPENID_ANSWERS: dict[str, Answer] = {
    "": Case(GOES_THROUGH),
    "3rd-party-init-login": NotApplicable(
        "A flow begins with a same-origin POST or a connect link, by decision: a start that any site can trigger connects "
        "somebody else's account (CVE-2015-9284)."
    ),
    "aggregated-claims": NotApplicable(
        "Userinfo is handed over as it came, `_claim_names` and `_claim_sources` among it: whose signatures of third "
        "parties count is the application's decision."
    ),
    "client-secret-basic": Case("the client authenticates with client_secret_basic", play="client_secret_basic"),
    "discovery-issuer-mismatch": ISSUER_OF_METADATA,
    "discovery-jwks-uri-keys": Case("the keys come from the jwks_uri of the metadata", play="metadata and keys"),
    "discovery-openid-config": Case("every endpoint comes from the metadata", play="metadata and keys"),
    "discovery-webfinger-acct": NotApplicable(
        "Issuers are written down by the operator, who chooses whom to connect; none is looked up by a person's address."
    ),
    "discovery-webfinger-url": NotApplicable(
        "Issuers are written down by the operator, who chooses whom to connect; none is looked up by a person's URL."
    ),
    "distributed-claims": NotApplicable(
        "No URL that an answer names is fetched, by decision: userinfo is handed over as it came."
    ),
    "dynamic-registration": Case(
        "a client that nobody registered registers itself, when a resource is connected by its URL",
        play="registered on the way",
    ),
    "form-post-error": Case(
        "an error that is posted back is read and shown", play="an error by form_post", response_mode="form_post"
    ),
    "idtoken-sig-none": refused(
        "an id_token that is not signed is refused, as a client may", "alg_none", "id_token_malformed"
    ),
    "idtoken-sig-rs256": Case("an id_token signed with RS256 is accepted", algorithm="RS256"),
    "invalid-athash": refused("an id_token of another access token is refused", "at_hash_wrong", "id_token_at_hash"),
    "invalid-aud": ID_TOKEN["invalid-aud"],
    "invalid-chash": NotApplicable(f"{HYBRID}no c_hash to compare."),
    "invalid-iss": ID_TOKEN["invalid-iss"],
    "invalid-sig-es256": replace(
        refused("a wrong signature with ES256 is refused", "signature_wrong", "id_token_signature"), algorithm="ES256"
    ),
    "invalid-sig-hs256": refused(
        "a signature with HS256 is refused, right or wrong: the client's secret is no signing key",
        "alg_symmetric",
        "id_token_algorithm",
    ),
    "invalid-sig-rs256": replace(
        refused("a wrong signature with RS256 is refused", "signature_wrong", "id_token_signature"), algorithm="RS256"
    ),
    "kid-absent-multiple-jwks": Case(
        "without kid and with several keys, the few that fit are tried",
        (("token", "kid_missing"), ("jwks", "keys_several")),
    ),
    "kid-absent-single-jwks": Case("without kid, the one key that fits is used", (("token", "kid_missing"),)),
    "missing-athash": replace(
        refused(
            "an id_token beside an access token from the front channel is refused without at_hash",
            "at_hash_missing",
            "id_token_at_hash",
            at="consent",
        ),
        response_type="id_token token",
    ),
    "missing-aud": ID_TOKEN["invalid-missing-aud"],
    "missing-chash": NotApplicable(f"{HYBRID}no c_hash to miss."),
    "missing-iat": refused("an id_token without iat is refused", "iat_missing", "id_token_times"),
    "missing-sub": refused("an id_token without sub is refused", "sub_missing", "id_token_subject"),
    "mtls-endpoint-aliases": Case(
        "with a client certificate, the endpoints are asked at their aliases", play="aliases", certificate=True
    ),
    "nonce-invalid": ID_TOKEN["invalid-nonce"],
    "nonce-unless-code-flow": Case("a nonce is sent, in the code flow too", play="a nonce is sent"),
    "refresh-token": Case("tokens are refreshed and the new ones used", play="refreshed"),
    "refresh-token-invalid-issuer": Case(
        "a refreshed id_token of another issuer is refused, and the old tokens stay",
        (("refresh", "iss_wrong"),),
        (REFRESHED, "id_token_issuer"),
        play="refreshed",
    ),
    "refresh-token-invalid-sub": Case(
        "a refreshed id_token of another account is refused, and the old tokens stay",
        (("refresh", "sub_wrong"),),
        (REFRESHED, "subject_changed"),
        play="refreshed",
    ),
    "request-uri-signed-none": NotApplicable(
        "A request that is handed over by reference is pushed (RFC 9126), and signed or authenticated."
    ),
    "request-uri-signed-rs256": NotApplicable(
        "The client hosts no request objects for the provider to fetch: a signed request is pushed (RFC 9126), as in "
        f"`{FAPI1}-unencrypted-request-object-with-par`."
    ),
    "rp-backchannel-rpinitlogout": NotApplicable(NO_LOGOUT),
    "rp-backchannel-rpinitlogout-alg-none": NotApplicable(NO_LOGOUT),
    "rp-backchannel-rpinitlogout-no-event": NotApplicable(NO_LOGOUT),
    "rp-backchannel-rpinitlogout-with-nonce": NotApplicable(NO_LOGOUT),
    "rp-backchannel-rpinitlogout-wrong-alg": NotApplicable(NO_LOGOUT),
    "rp-backchannel-rpinitlogout-wrong-aud": NotApplicable(NO_LOGOUT),
    "rp-backchannel-rpinitlogout-wrong-event": NotApplicable(NO_LOGOUT),
    "rp-backchannel-rpinitlogout-wrong-iss": NotApplicable(NO_LOGOUT),
    "rp-frontchannel-opinitlogout": NotApplicable(NO_LOGOUT),
    "rp-frontchannel-rpinitlogout": NotApplicable(NO_LOGOUT),
    "rp-init-logout": NotApplicable(NO_LOGOUT),
    "rp-init-logout-no-state": NotApplicable(NO_LOGOUT),
    "rp-init-logout-other-state": NotApplicable(NO_LOGOUT),
    "scope-userinfo-claims": Case("scope asks for claims, which userinfo then has", play="claims by scope"),
    "session-management": NotApplicable(NO_LOGOUT),
    "signing-key-rotation": Case(
        "keys that were rotated after a flow are fetched anew for the next", play="keys rotated between flows"
    ),
    "signing-key-rotation-just-before-signing": Case(
        "a key that was rotated in the middle of a flow is fetched", (("token", "key_rotated"),)
    ),
    "userinfo-bearer-body": NotApplicable(
        "Access tokens travel in the Authorization header alone, by decision: a form is logged more often (RFC 6750 section 2)."
    ),
    "userinfo-bearer-header": Case(
        "userinfo is asked with the token in the Authorization header", play="userinfo by header"
    ),
    "userinfo-invalid-sub": Case(
        "what userinfo says of another account is refused", (("userinfo", "sub_wrong"),), (USERINFO, "subject_mismatch")
    ),
    "userinfo-signed": Case("a signed answer of userinfo is verified and read", play="userinfo is signed"),
}


def _named(prefix: str, answers: dict[str, Answer], profile: Profile) -> dict[str, Answer]:
    """The answers under the modules' whole names; a case of the default profile is played in that of its family."""
    found: dict[str, Answer] = {}
    for name, answer in answers.items():
        if isinstance(answer, Case) and answer.profile == "openid":
            answer = replace(answer, profile=profile)  # noqa: PLW2901 - the same answer
        found[f"{prefix}-{name}" if name else prefix] = answer
    return found


CLIENTS: dict[str, Answer] = {
    **_named(FAPI1, FAPI1_ANSWERS, "signed"),
    **_named(FAPI2_CLIENTS[0], FAPI2_ANSWERS, "fapi2"),
    **_named(FAPI2_CLIENTS[1], FAPI2_ANSWERS, "fapi2"),
    **_named(OPENID, OPENID_ANSWERS, "openid"),
}
"""The suite's 145 client modules."""

CLIENTS_AMONG_SERVERS: dict[str, Answer] = {
    f"{FAPI2}-client-brazildcr-happypath-test": NotApplicable(
        "A rule of Open Banking Brazil: a client that registers itself with a software statement of its directory."
    ),
    f"{FAPI2}-client-refresh-token-test": Case(
        "an access token that the API refuses is refreshed, each time with the newest refresh token",
        profile="fapi2",
        play="refused at the API",
    ),
}
"""Two more, which stand among the modules for servers."""


RS256 = NotApplicable("The sandbox is for every client, not for banks alone: it takes RS256 as RFC 7518 defines it.")
CLAIMS = NotApplicable("The `claims` parameter (OpenID Connect Core section 5.5) is optional and not spoken.")
AUSTRALIA = NotApplicable("A rule of Australia's ConnectID, which the sandbox does not know.")
BRAZIL = NotApplicable("A rule of Open Banking Brazil, which the sandbox does not know.")
_BRAZIL = (
    "brazil-dcr-bad-mtls brazil-dcr-invalid-jwks-by-value brazil-dcr-invalid-jwks-uri brazil-dcr-invalid-redirect-uri "
    "brazil-dcr-invalid-software-statement-signature brazil-dcr-no-mtls brazil-dcr-no-redirect-uri "
    "brazil-dcr-no-software-statement brazil-ensure-bad-payment-signature-fails brazildcr-client-delete "
    "brazildcr-happy-flow brazildcr-happy-flow-variant brazildcr-happy-flow-variant-2 "
    "brazildcr-invalid-registration-access-token brazildcr-update-client-config "
    "brazildcr-update-client-config-bad-jwks-uri brazildcr-update-client-config-invalid-jwks-by-value "
    "brazildcr-update-client-config-invalid-redirect-uri"
)
_AUSTRALIA = (
    "australia-connectid-ensure-invalid-purpose-fails australia-connectid-ensure-request-object-with-exp-over-10-fails "
    "australia-connectid-ensure-request-object-with-nbf-over-15-fails "
    "australia-connectid-test-claims-parameter-idtoken-identity-claims"
)
SERVER_NOT_APPLICABLE: dict[str, NotApplicable] = {
    **dict.fromkeys(_BRAZIL.split(), BRAZIL),
    **dict.fromkeys(_AUSTRALIA.split(), AUSTRALIA),
    "ensure-server-handles-non-matching-intent-id": NotApplicable(
        "Consent objects of Open Banking are not the sandbox's."
    ),
    "ensure-signed-client-assertion-with-RS256-fails": RS256,
    "ensure-signed-request-object-with-RS256-fails": RS256,
    "test-claims-parameter-identity-claims": CLAIMS,
    "test-essential-acr-sca-claim": CLAIMS,
}
"""What the sandbox, as an authorization server, is not asked; the rest is SERVER_TESTS."""

SERVER_TESTS = (
    "ensure-dpop-auth-code-binding-success",
    "ensure-dpopproof-at-par-endpoint-binding-success",
    "ensure-mismatched-dpop-jkt-fails",
    "ensure-token-endpoint-fails-with-mismatched-dpop-jkt",
    "ensure-token-endpoint-fails-with-mismatched-dpop-proof-jkt",
    "access-token-type-header-case-sensitivity",
    "attempt-reuse-authorization-code-after-one-second",
    "check-dpop-proof-nbf-exp",
    "discovery-end-point-verification",
    "dpop-negative-tests",
    "ensure-authorization-code-is-bound-to-client",
    "ensure-authorization-request-with-64-char-nonce-success",
    "ensure-authorization-request-with-long-nonce",
    "ensure-authorization-request-with-long-state",
    "ensure-authorization-request-without-nonce-success",
    "ensure-authorization-request-without-state-success",
    "ensure-client-assertion-in-token-endpoint",
    "ensure-client-assertion-with-exp-is-5-minutes-in-past-fails",
    "ensure-client-assertion-with-no-sub-fails",
    "ensure-client-assertion-with-wrong-aud-fails",
    "ensure-client-id-in-token-endpoint",
    "ensure-different-nonce-inside-and-outside-request-object",
    "ensure-different-state-inside-and-outside-request-object",
    "ensure-dpopproof-with-iat-10seconds-after-succeeds",
    "ensure-dpopproof-with-iat-10seconds-before-succeeds",
    "ensure-expired-request-object-fails",
    "ensure-holder-of-key-required",
    "ensure-matching-key-in-authorization-request",
    "ensure-other-scope-order-succeeds",
    "ensure-pkce-code-verifier-required",
    "ensure-redirect-uri-in-authorization-request",
    "ensure-registered-redirect-uri",
    "ensure-request-object-signature-algorithm-is-not-none",
    "ensure-request-object-with-bad-aud-fails",
    "ensure-request-object-with-exp-over-60-fails",
    "ensure-request-object-with-invalid-signature-fails",
    "ensure-request-object-with-multiple-aud-succeeds",
    "ensure-request-object-with-nbf-8-seconds-in-the-future-is-accepted",
    "ensure-request-object-with-nbf-over-60-fails",
    "ensure-request-object-without-exp-fails",
    "ensure-request-object-without-nbf-fails",
    "ensure-request-object-without-redirect-uri-fails",
    "ensure-response-type-code-idtoken-fails",
    "ensure-response-type-token-fails",
    "ensure-token-endpoint-fails-with-expired-auth-code",
    "ensure-unsigned-authorization-request-without-using-par-fails",
    "ensure-unsigned-request-at-par-endpoint-fails",
    "happy-flow",
    "incorrect-pkce-code-verifier-rejected",
    "par-attempt-invalid-http-method",
    "par-attempt-reuse-request_uri",
    "par-attempt-to-use-expired-request_uri",
    "par-attempt-to-use-request_uri-for-different-client",
    "par-authorization-request-containing-request_uri",
    "par-authorization-request-containing-request_uri-form-param",
    "par-ensure-jwt-client-assertions-nbf-8-seconds-in-the-future-is-accepted",
    "par-ensure-jwt-client-assertions-nbf-over-60-seconds-in-the-future-fails",
    "par-ensure-pkce-required",
    "par-ensure-reused-request-uri-prior-to-auth-completion-succeeds",
    "par-plain-pkce-rejected",
    "par-test-array-as-audience-fails",
    "par-test-par-endpoint-url-as-audience-fails",
    "par-test-token-endpoint-url-as-audience-fails",
    "par-without-duplicate-parameters",
    "plain-fapi-tolerate-unregistered-redirect-uri",
    "refresh-token",
    "state-only-outside-request-object-not-used",
    "user-rejects-authentication",
)
"""What the sandbox is held to, by `test_server_modules`."""
