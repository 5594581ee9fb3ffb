"""Whatever is sent, the sandbox answers, below 500, and grants nothing."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.sandbox.steps import REDIRECT_URI, VERIFIER, Bench

from valetkey.http import FORM, Headers, Request, write_form
from valetkey.sandbox.table import TABLE

NAMES = [
    "client_id",
    "client_secret",
    "redirect_uri",
    "response_type",
    "code",
    "state",
    "scope",
    "code_challenge",
    "code_challenge_method",
    "prompt",
    "grant_type",
    "code_verifier",
    "refresh_token",
    "token",
    "form_token",
    "consent",
    "decision",
    "account",
    "password",
    "target",
    "oauth_token",
    "oauth_consumer_key",
    "oauth_signature",
    "oauth_signature_method",
    "oauth_timestamp",
    "oauth_nonce",
    "oauth_callback",
]
GOOD = [
    "app",
    "other",
    "code",
    "S256",
    "read",
    "login",
    "none",
    REDIRECT_URI,
    VERIFIER,
    "refresh_token",
    "allow",
    "oob",
]
GOOD += [
    "authorization_code",
    "alice",
    "HMAC-SHA1",
    "PLAINTEXT",
    "RSA-SHA1",
    "1800000000",
    "other-secret",
    "",
    "%",
    "é",
]
texts = st.sampled_from(GOOD) | st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
pairs = st.lists(st.tuples(st.sampled_from(NAMES), texts), max_size=8)
header_text = st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=40)
headers = st.lists(
    st.one_of(
        st.tuples(
            st.just("Authorization"),
            st.sampled_from(["Basic ", "Bearer ", "OAuth ", ""]).flatmap(
                lambda scheme: header_text.map(lambda text: scheme + text)
            ),
        ),
        st.tuples(st.sampled_from(["Cookie", "Origin", "Host"]), header_text),
        st.tuples(st.just("Content-Type"), st.sampled_from([FORM, "application/json"]) | header_text),
    ),
    max_size=4,
)
bodies = st.binary(max_size=40) | pairs.map(lambda found: write_form(found).encode())


@settings(max_examples=300, deadline=None)
@given(
    method=st.sampled_from(["GET", "POST", "DELETE", "HEAD"]),
    path=st.sampled_from([row.path for row in TABLE] + ["/%zz", "/x", "*", "//"]),
    query=pairs.map(write_form) | st.text(max_size=20),
    headers=headers,
    body=bodies,
)
def test_no_request_makes_a_server_error_or_gets_a_grant(
    method: str, path: str, query: str, headers: list[tuple[str, str]], body: bytes
) -> None:
    bench = Bench(control=True)

    response = bench.sandbox.respond(Request(method, f"{path}?{query}", Headers(tuple(headers)), body))

    assert response.status < 500
    state = bench.sandbox.state
    granted = [state.codes, state.access_tokens, state.token_credentials, state.temporary]
    assert granted == [{}, {}, {}, {}]
