from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.oauth2.peer import CLIENT, SERVER
from tests.oauth2.vectors import load

from valetkey.errors import AuthorizationDenied, CallbackError, ConfigurationError, Explanation, ServerUnusable
from valetkey.http import read_form
from valetkey.oauth2.authorization import authorization_url, read_authorization_response
from valetkey.oauth2.client import Client
from valetkey.oauth2.server import PKCE_REFUSED_BY_PROVIDER, AuthorizationServer
from valetkey.value import replace

if TYPE_CHECKING:
    from valetkey.http import Pairs

VECTORS = load("oauth2_authorization")
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def query_of(url: str) -> dict[str, str]:
    pairs = read_form(url.partition("?")[2])
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


def reason_of(query: str, server: AuthorizationServer = SERVER) -> str:
    with pytest.raises(CallbackError) as caught:
        read_authorization_response(read_form(query), server=server)
    assert caught.value.status == 400
    return caught.value.reason


# The request.


@pytest.mark.parametrize("vector", VECTORS["requests"], ids=lambda vector: vector["source"])
def test_the_published_request_is_built(vector: dict) -> None:
    given_ = vector["input"]
    server = AuthorizationServer(None, given_["authorization_endpoint"], "", pkce=PKCE_REFUSED_BY_PROVIDER)

    url = authorization_url(
        server,
        Client(given_["client_id"], None, given_["redirect_uri"]),
        state=given_["state"],
        scope=(),
        code_challenge=None,
    )

    assert url == vector["expect"]


def test_the_request_says_who_asks_for_what_and_where_to_return() -> None:
    url = authorization_url(SERVER, CLIENT, state="s", scope=("a", "b:c"), code_challenge=CHALLENGE, nonce="n")

    assert url.startswith("https://as.example/authorize?")
    assert query_of(url) == {
        "response_type": "code",
        "client_id": "client",
        "redirect_uri": "https://app.example/callback/x",
        "scope": "a b:c",
        "state": "s",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
        "nonce": "n",
    }


def test_an_empty_scope_is_left_out() -> None:
    assert "scope" not in query_of(authorization_url(SERVER, CLIENT, state="s", scope=(), code_challenge=CHALLENGE))


def test_habits_of_a_provider_are_followed() -> None:
    server = replace(
        SERVER,
        authorization_endpoint="https://as.example/authorize?tenant=1",
        authorization_parameters=(("access_type", "offline"),),
        scope_separator=",",
        scope_parameter="user_scope",
        response_mode="form_post",
    )

    query = query_of(
        authorization_url(
            server, CLIENT, state="s", scope=("a", "b"), code_challenge=CHALLENGE, extra=(("login_hint", "x"),)
        )
    )

    assert query["tenant"] == "1"
    assert query["access_type"] == "offline"
    assert query["user_scope"] == "a,b"
    assert query["response_mode"] == "form_post"
    assert query["login_hint"] == "x"


@pytest.mark.parametrize(
    "name", ["state", "client_id", "redirect_uri", "code_challenge", "nonce", "scope", "iss", "tenant", "prompt"]
)
def test_a_parameter_of_ours_is_not_set_a_second_time(name: str) -> None:
    server = replace(
        SERVER,
        authorization_endpoint="https://as.example/authorize?tenant=1",
        authorization_parameters=(("prompt", "consent"),),
    )

    with pytest.raises(ConfigurationError, match=name):
        authorization_url(server, CLIENT, state="s", scope=("a",), code_challenge=CHALLENGE, extra=((name, "x"),))


@pytest.mark.parametrize(
    "server",
    [
        replace(SERVER, authorization_parameters=(("prompt", "consent"),)),
        replace(SERVER, authorization_endpoint="https://as.example/authorize?prompt=consent"),
    ],
)
def test_each_place_for_parameters_counts_alone(server: AuthorizationServer) -> None:
    url = authorization_url(server, CLIENT, state="s", scope=(), code_challenge=CHALLENGE)
    assert query_of(url)["prompt"] == "consent"

    plain = authorization_url(SERVER, CLIENT, state="s", scope=(), code_challenge=CHALLENGE, extra=(("prompt", "x"),))
    assert query_of(plain)["prompt"] == "x"

    with pytest.raises(ConfigurationError, match="prompt"):
        authorization_url(server, CLIENT, state="s", scope=(), code_challenge=CHALLENGE, extra=(("prompt", "x"),))


def test_an_endpoint_that_sets_our_parameters_is_refused() -> None:
    server = replace(SERVER, authorization_endpoint="https://as.example/authorize?client_id=other")

    with pytest.raises(ConfigurationError, match="client_id"):
        authorization_url(server, CLIENT, state="s", scope=(), code_challenge=CHALLENGE)


@pytest.mark.parametrize("field", ["authorization_parameters", "token_parameters"])
def test_a_server_that_sets_our_parameters_is_refused_when_it_is_made(field: str) -> None:
    with pytest.raises(ConfigurationError, match="client_id"):
        replace(SERVER, **{field: (("client_id", "x"),)})
    with pytest.raises(ConfigurationError, match="twice"):
        replace(SERVER, **{field: (("x", "1"), ("x", "2"))})


def test_a_separator_stands_between_two_scopes() -> None:
    with pytest.raises(ConfigurationError, match="scope_separator"):
        replace(SERVER, scope_separator="")


def test_a_server_that_advertises_iss_needs_an_issuer() -> None:
    with pytest.raises(ConfigurationError, match="issuer"):
        replace(SERVER, issuer=None, iss_required=True)


def test_pkce_is_left_out_only_where_the_provider_refuses_it() -> None:
    refusing = replace(SERVER, pkce=PKCE_REFUSED_BY_PROVIDER)

    with pytest.raises(ConfigurationError, match="needs a code challenge"):
        authorization_url(SERVER, CLIENT, state="s", scope=(), code_challenge=None)
    with pytest.raises(ConfigurationError, match="leave the code challenge out"):
        authorization_url(refusing, CLIENT, state="s", scope=(), code_challenge=CHALLENGE)


# The response.


@pytest.mark.parametrize("vector", VECTORS["responses"], ids=lambda vector: vector["source"])
def test_the_published_response_is_read(vector: dict) -> None:
    given_, expect = vector["input"], vector["expect"]
    server = replace(SERVER, issuer=given_["issuer"], iss_required=given_["iss_required"])

    if "reason" in expect:
        assert reason_of(given_["query"], server) == expect["reason"]
    else:
        response = read_authorization_response(read_form(given_["query"]), server=server)
        assert response.code.reveal() == expect["code"]


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("", "malformed_callback"),
        ("state=s", "malformed_callback"),
        ("code=&state=s", "malformed_callback"),
        ("code=a&code=a", "duplicate_parameter"),
        ("code=a&state=s&state=s", "duplicate_parameter"),
        ("error=a&error=b", "duplicate_parameter"),
        ("code=a%0d%0ab", "malformed_callback"),
        ("code=a%00b", "malformed_callback"),
        ("code=a%7Fb", "malformed_callback"),
        ("code=%C3%A9", "malformed_callback"),
        ("code=" + "a" * 2049, "malformed_callback"),
        ("code=a&error=access_denied", "access_denied"),
        ("code=a&error=invalid_scope", "provider_error"),
        ("error=server_error", "provider_unavailable"),
        ("error=temporarily_unavailable", "provider_unavailable"),
        ("error=unheard_of", "provider_error"),
        ("access_token=a&token_type=bearer", "malformed_callback"),
    ],
)
def test_a_callback_that_is_wrong_is_refused_with_its_reason(query: str, reason: str) -> None:
    assert reason_of(query) == reason


def test_a_resource_that_the_server_knows_nothing_of_is_named_as_the_reason() -> None:
    with pytest.raises(CallbackError, match=r"invalid_target\): it gives no tokens for that resource"):
        read_authorization_response((("error", "invalid_target"),), server=SERVER)


def test_a_code_of_the_greatest_length_is_taken() -> None:
    response = read_authorization_response((("code", "a" * 2048),), server=SERVER)

    assert len(response.code.reveal()) == 2048


def test_a_denial_has_a_class_of_its_own() -> None:
    with pytest.raises(AuthorizationDenied):
        read_authorization_response((("error", "access_denied"),), server=SERVER)


def test_a_query_begins_at_the_first_question_mark() -> None:
    """RFC 3986 section 3.4: it may hold another one."""
    server = replace(SERVER, authorization_endpoint="https://as.example/authorize?client_id=other&a=b?c")

    with pytest.raises(ConfigurationError, match="client_id is set twice"):
        authorization_url(server, CLIENT, state="s", scope=(), code_challenge=CHALLENGE)


@pytest.mark.parametrize(
    ("query", "extra", "theirs"),
    [
        ("?tenant=1&state=x", (), True),
        ("?tenant=1&prompt=none", (("prompt", "consent"),), True),
        ("?tenant=1&tenant=2", (), True),
        ("?tenant=1", (("prompt", "none"), ("prompt", "login")), False),
        ("", (("state", "x"),), False),
    ],
)
def test_who_set_a_parameter_twice_is_told(query: str, extra: tuple[tuple[str, str], ...], *, theirs: bool) -> None:
    """What stands in the endpoint's own query may have come with the server's metadata: nobody here wrote it."""
    server = replace(SERVER, authorization_endpoint=f"https://as.example/authorize{query}")

    with pytest.raises(ConfigurationError, match="set twice") as caught:
        authorization_url(server, CLIENT, state="s", scope=(), code_challenge=CHALLENGE, extra=extra)

    assert isinstance(caught.value, ServerUnusable) is theirs
    assert ("https://as.example has it in the query" in str(caught.value)) is theirs


def test_a_providers_own_word_for_a_denial_is_one_too() -> None:
    server = replace(SERVER, error_aliases=(("user_cancelled_login", "access_denied"),))

    assert reason_of("error=user_cancelled_login", server) == "access_denied"


@pytest.mark.parametrize("code", ["access_denied", "app_not_verified", "E_17"])
def test_a_providers_own_explanation_of_its_code_is_told(code: str) -> None:
    explained = Explanation(code, "the app waits for its review", "ask for it", "https://docs.example", "2026-01-01")
    other = replace(explained, code="other", means="something else")
    server = replace(SERVER, errors=(other, explained))

    with pytest.raises(CallbackError, match="the app waits for its review; ask for it") as caught:
        read_authorization_response((("error", code),), server=server)
    assert caught.value.explanation == explained

    with pytest.raises(CallbackError) as caught:
        read_authorization_response((("error", code),), server=replace(server, errors=(other,)))
    assert caught.value.explanation is None
    assert "None" not in str(caught.value)


def test_words_of_a_description_are_explained_and_stand_for_a_code() -> None:
    """Microsoft says nearly everything there; the description itself is somebody else's text, and never shown."""
    words = Explanation("E65004", "the person declined", "start again", "https://docs.example", "2026-01-01", True)
    server = replace(SERVER, errors=(words,))
    answer = (("error", "invalid_request"), ("error_description", "E65004: canary"))

    for stands_for, kind in (("", CallbackError), ("access_denied", AuthorizationDenied)):
        saying = replace(server, errors=(replace(words, stands_for=stands_for),))
        with pytest.raises(CallbackError, match="the person declined; start again") as caught:
            read_authorization_response(answer, server=saying)
        assert type(caught.value) is kind
        assert caught.value.explanation == saying.errors[0]
        assert "canary" not in str(caught.value)
    for other in ((), (("ERROR_DESCRIPTION", "E65004"),), (("error_description", "E650041"),)):
        with pytest.raises(CallbackError) as caught:
            read_authorization_response((("error", "invalid_request"), *other), server=server)
        assert caught.value.explanation is None


@pytest.mark.parametrize("error", ["<script>", "Invalid_Scope", "a" * 65, "invalid scope", "x\n", "\u202einvalid"])
def test_an_error_that_does_not_look_like_a_code_is_not_shown(error: str) -> None:
    with pytest.raises(CallbackError) as caught:
        read_authorization_response((("error", error), ("error_description", "CANARY")), server=SERVER)

    assert error not in str(caught.value)
    assert "CANARY" not in str(caught.value)


def test_an_error_code_is_shown_but_never_its_description_or_uri() -> None:
    with pytest.raises(CallbackError) as caught:
        read_authorization_response(
            (("error", "invalid_scope"), ("error_description", "<b>"), ("error_uri", "javascript:")), server=SERVER
        )

    assert "invalid_scope" in str(caught.value)
    assert "<b>" not in str(caught.value)
    assert "javascript" not in str(caught.value)


@pytest.mark.parametrize(
    "iss",
    [
        "https://as.example/",
        "https://AS.example",
        "https://as.example:443",
        "https://as%2Eexample",
        "http://as.example",
        "https://other.example",
        "",
    ],
)
@pytest.mark.parametrize("rest", [("code", "a"), ("error", "access_denied")])
def test_an_issuer_that_differs_at_all_is_refused_for_codes_and_errors(iss: str, rest: tuple[str, str]) -> None:
    with pytest.raises(CallbackError) as caught:
        read_authorization_response((rest, ("iss", iss)), server=SERVER)

    assert caught.value.reason == "issuer_mismatch"
    assert not isinstance(caught.value, AuthorizationDenied)
    assert rest[1] not in str(caught.value).split()


def test_an_issuer_that_was_advertised_must_be_there() -> None:
    assert reason_of("code=a", replace(SERVER, iss_required=True)) == "issuer_missing"


def test_an_issuer_that_was_not_advertised_is_accepted_where_it_is_equal() -> None:
    response = read_authorization_response((("code", "a"), ("iss", "https://as.example")), server=SERVER)

    assert response.iss == "https://as.example"


def test_an_empty_issuer_is_refused_even_where_none_is_known() -> None:
    assert reason_of("code=a&iss=", replace(SERVER, issuer=None)) == "issuer_mismatch"


def test_the_longest_error_code_is_shown() -> None:
    with pytest.raises(CallbackError, match="a" * 64):
        read_authorization_response((("error", "a" * 64),), server=SERVER)


def test_a_parameter_of_the_callback_is_kept_up_to_512_characters() -> None:
    fits, too_long = ("fits", "x" * 508), ("long", "x" * 509)

    response = read_authorization_response((("code", "a"), fits, too_long), server=SERVER)

    assert response.extra == (fits,)


def test_tokens_in_a_callback_are_dropped_and_other_parameters_kept() -> None:
    pairs = (("code", "a"), ("state", "s"), ("realmId", "42"), ("access_token", "CANARY"), ("id_token", "CANARY"))

    response = read_authorization_response(pairs, server=SERVER)

    assert response.extra == (("realmId", "42"),)
    assert "CANARY" not in repr(response)


def test_a_code_under_a_providers_own_name_is_found() -> None:
    server = replace(SERVER, code_parameter="auth_code")

    assert read_authorization_response((("auth_code", "a"),), server=server).code.reveal() == "a"
    assert reason_of("code=a", server) == "malformed_callback"


NAMES = st.sampled_from(["code", "state", "iss", "error", "error_description", "access_token", "x"]) | st.text(
    max_size=5
)


@given(st.lists(st.tuples(NAMES, st.text(max_size=80)), max_size=8).map(tuple), st.booleans())
def test_any_callback_gives_a_code_or_a_callback_error(pairs: Pairs, iss_required: bool) -> None:
    server = replace(SERVER, iss_required=iss_required)

    try:
        response = read_authorization_response(pairs, server=server)
    except CallbackError:
        return
    assert pairs.count(("code", response.code.reveal())) == 1
    assert dict(pairs).get("iss", server.issuer) == server.issuer
    assert not dict(pairs).get("error")


# The cold start.


def test_an_authorization_url_with_pkce_loads_a_handful_of_built_in_modules() -> None:
    program = """
import sys
before = set(sys.modules)
from valetkey.oauth2.authorization import authorization_url
from valetkey.oauth2.client import Client
from valetkey.oauth2.pkce import code_challenge, code_verifier
from valetkey.oauth2.server import AuthorizationServer
server = AuthorizationServer(None, "https://as.example/authorize", "https://as.example/token")
client = Client("id", None, "https://app.example/callback/x")
challenge = code_challenge(code_verifier(bytes(32)))
assert challenge in authorization_url(server, client, state="s", scope=("a",), code_challenge=challenge)
print(*sorted(set(sys.modules) - before))
"""

    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    loaded = set(result.stdout.split())
    ours = {module for module in loaded if module.split(".")[0] == "valetkey"}
    assert ours == {
        "valetkey",
        "valetkey.digest",
        "valetkey.errors",
        "valetkey.http",
        "valetkey.oauth2",
        "valetkey.oauth2.authorization",
        "valetkey.oauth2.client",
        "valetkey.oauth2.pkce",
        "valetkey.oauth2.server",
        "valetkey.secret",
        "valetkey.value",
    }
    # Built-in C modules, and whichever of them an interpreter has loaded at start anyway.
    assert loaded - ours <= {"__future__", "_operator", "_sha1", "_sha2", "_sha256", "_sha512", "binascii"}
