"""The token endpoint: codes, client authentication, and how requests must look."""

from __future__ import annotations

import json
import threading
from base64 import b64encode

import pytest
from tests.sandbox.steps import APP, OTHER, PUBLIC, REDIRECT_URI, VERIFIER, Bench, basic, callback, fields, refusal

from valetkey.http import FORM, Headers, Request, Response, write_form
from valetkey.sandbox import approve
from valetkey.secret import Secret
from valetkey.value import replace

BAD_GRANT = (400, "invalid_grant")
BAD_CLIENT = (401, "invalid_client")


def test_a_code_becomes_tokens_that_work_and_are_not_to_be_stored() -> None:
    bench = Bench()

    response = bench.redeem(bench.code())

    found = fields(response)
    assert (found["token_type"], found["expires_in"], found["scope"]) == ("Bearer", 3600, "read")
    assert bench.works(found["access_token"])
    assert response.headers.get("Cache-Control") == "no-store"
    assert response.headers.get("Pragma") == "no-cache"


def test_nothing_that_was_issued_is_kept_in_clear() -> None:
    bench = Bench()
    code = bench.code()
    found = fields(bench.redeem(code))

    kept = repr(vars(bench.sandbox.state)) + repr(list(bench.sandbox.seen))

    for secret in (code, found["access_token"], found["refresh_token"], "app-secret", VERIFIER):
        assert secret not in kept


def test_a_code_used_twice_is_refused_and_ends_what_it_gave() -> None:
    bench = Bench()
    code = bench.code()
    found = fields(bench.redeem(code))

    assert refusal(bench.redeem(code)) == BAD_GRANT
    assert not bench.works(found["access_token"])
    assert refusal(bench.refresh(found["refresh_token"])) == BAD_GRANT


@pytest.mark.parametrize(
    "changes",
    [
        {"client_secret": "wrong"},
        {"client_id": "other", "client_secret": "other-secret"},
        {"code_verifier": "x" * 43},
        {"redirect_uri": REDIRECT_URI + "/"},
    ],
)
def test_a_second_use_by_somebody_who_could_not_have_used_it_ends_nothing(changes: dict[str, str]) -> None:
    bench = Bench()
    code = bench.code()
    found = fields(bench.redeem(code))

    assert bench.redeem(code, **changes).status in (400, 401)
    assert bench.works(found["access_token"])


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"code": "unknown"}, BAD_GRANT),
        ({"code": None}, (400, "invalid_request")),
        ({"code": ""}, (400, "invalid_request")),
        ({"client_id": "other", "client_secret": "other-secret"}, BAD_GRANT),
        ({"client_id": "public", "client_secret": None}, BAD_GRANT),
        ({"redirect_uri": None}, BAD_GRANT),
        ({"redirect_uri": REDIRECT_URI + "/"}, BAD_GRANT),
        ({"code_verifier": None}, BAD_GRANT),
        ({"code_verifier": VERIFIER[:-1] + "l"}, BAD_GRANT),
        ({"code_verifier": "short"}, BAD_GRANT),
        ({"code_verifier": VERIFIER + "é"}, BAD_GRANT),
        ({"grant_type": None}, (400, "invalid_request")),
        ({"grant_type": "password"}, (400, "unsupported_grant_type")),
        ({"grant_type": "implicit"}, (400, "unsupported_grant_type")),
    ],
)
def test_a_code_is_bound_to_its_client_redirect_uri_and_verifier(
    changes: dict[str, str | None], expected: tuple[int, str]
) -> None:
    bench = Bench()
    code = bench.code()

    assert refusal(bench.redeem(code, **changes)) == expected
    assert bench.redeem(code).status == 200


def test_a_verifier_without_a_challenge_is_refused() -> None:
    bench = Bench(replace(APP, pkce_required=False))
    code = bench.code(code_challenge=None, code_challenge_method=None)

    assert refusal(bench.redeem(code)) == BAD_GRANT
    assert bench.redeem(code, code_verifier=None).status == 200


def test_a_redirect_uri_that_was_left_out_may_be_left_out_again() -> None:
    bench = Bench()

    assert bench.redeem(bench.code(redirect_uri=None), redirect_uri=None).status == 200
    assert bench.redeem(bench.code(redirect_uri=None)).status == 200
    assert refusal(bench.redeem(bench.code(redirect_uri=None), redirect_uri="https://x.example/")) == BAD_GRANT


@pytest.mark.parametrize(("seconds", "status"), [(59, 200), (60, 400)])
def test_a_code_lives_a_minute(seconds: int, status: int) -> None:
    bench = Bench()
    code = bench.code()

    bench.clock.sleep(seconds)

    assert bench.redeem(code).status == status


def test_sixteen_threads_redeem_one_code_and_one_wins() -> None:
    bench = Bench()
    code = bench.code()
    answers: list[Response] = []
    start = threading.Barrier(16)

    def redeem() -> None:
        start.wait()
        answers.append(bench.redeem(code))

    threads = [threading.Thread(target=redeem) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(answer.status for answer in answers) == [200] + [400] * 15
    assert bench.sandbox.seen.count("token", outcome="ok") == 1


def test_basic_credentials_are_form_decoded() -> None:
    odd = replace(APP, client_id="app:1", secret=Secret("p+q %&é"))
    bench = Bench(odd)
    code = bench.code(client_id="app:1")

    response = bench.redeem(code, basic("app:1", "p+q %&é"), client_id=None, client_secret=None)

    assert response.status == 200


@pytest.mark.parametrize(
    ("header", "changes"),
    [
        (None, {"client_secret": "wrong"}),
        (None, {"client_secret": None}),
        (None, {"client_id": "nobody"}),
        (None, {"client_id": None}),
        (None, {"client_id": "public", "client_secret": "guess"}),
        (None, {"client_id": "public", "client_secret": ""}),
        (None, {"client_assertion": "x", "client_assertion_type": "y"}),
        (basic("app", "app-secret")[1], {}),
        (basic("app", "app-secret")[1], {"client_secret": None, "client_id": "other"}),
        (basic("app", "wrong")[1], {"client_secret": None}),
        (basic("public", "")[1], {"client_secret": None, "client_id": None}),
        ("Basic !!!!", {"client_secret": None}),
        ("Basic " + b64encode(b"app").decode(), {"client_secret": None}),
        ("Basic " + b64encode(b"app:%zz").decode(), {"client_secret": None}),
        ("Basic " + b64encode(b"\xff:\xff").decode(), {"client_secret": None}),
        ("Basic", {"client_secret": None}),
        ("Bearer abc", {"client_secret": None}),
        (basic("app", "app-secret")[1].replace("Basic", "Digest"), {"client_secret": None}),
    ],
)
def test_a_client_that_does_not_prove_itself_in_one_way_is_challenged(
    header: str | None, changes: dict[str, str | None]
) -> None:
    bench = Bench()
    code = bench.code()
    headers = () if header is None else (("Authorization", header),)

    response = bench.redeem(code, *headers, **changes)

    if changes.get("client_id") == "public" and changes.get("client_secret") == "":
        assert refusal(response) == BAD_GRANT  # without a value is as if omitted: it is the public client
    else:
        assert refusal(response) == BAD_CLIENT
        assert (response.headers.get("WWW-Authenticate") or "").startswith("Basic realm=")
    assert bench.redeem(code).status == 200


def test_two_authorization_headers_are_refused() -> None:
    bench = Bench()
    header = basic("app", "app-secret")

    assert refusal(bench.redeem(bench.code(), header, header, client_secret=None)) == BAD_CLIENT


@pytest.mark.parametrize(
    ("registered", "by_basic", "by_post"),
    [("client_secret_basic", 200, 401), ("client_secret_post", 401, 200), ("any_secret", 200, 200)],
)
def test_a_client_authenticates_by_the_method_it_registered(registered: str, by_basic: int, by_post: int) -> None:
    bench = Bench(replace(APP, authentication=registered))

    assert bench.redeem(bench.code(), basic("app", "app-secret"), client_secret=None).status == by_basic
    assert bench.redeem(bench.code()).status == by_post


def test_a_public_client_proves_itself_by_its_verifier() -> None:
    bench = Bench()
    code = bench.code(client_id="public")

    assert bench.redeem(code, client_id="public", client_secret=None).status == 200


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json, application/x-www-form-urlencoded",
        "application/json",
        "text/plain",
        "multipart/form-data",
        "",
        None,
    ],
)
def test_a_body_that_is_not_a_form_is_refused(content_type: str | None) -> None:
    bench = Bench()
    pairs = [("grant_type", "authorization_code"), ("code", bench.code()), ("client_id", "app")]
    headers = Headers() if content_type is None else Headers((("Content-Type", content_type),))

    response = bench.sandbox.respond(Request("POST", "/oauth2/token", headers, write_form(pairs).encode()))

    assert refusal(response) == (400, "invalid_request")


def test_two_content_types_are_refused_and_a_charset_is_not() -> None:
    bench = Bench()
    body = write_form([("grant_type", "refresh_token"), ("client_id", "public"), ("refresh_token", "x")]).encode()

    def send(*types: str) -> Response:
        return bench.sandbox.respond(
            Request("POST", "/oauth2/token", Headers(tuple(("Content-Type", text) for text in types)), body)
        )

    assert refusal(send(FORM, FORM)) == (400, "invalid_request")
    assert refusal(send("Application/X-WWW-form-urlencoded; charset=UTF-8")) == BAD_GRANT


@pytest.mark.parametrize("name", ["grant_type", "code", "client_id", "client_secret", "redirect_uri", "anything"])
def test_a_parameter_given_twice_is_refused(name: str) -> None:
    bench = Bench()
    code = bench.code()
    good = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": REDIRECT_URI,
        "code_verifier": VERIFIER,
        "client_id": "app",
        "client_secret": "app-secret",
    }

    pairs = [*good.items(), (name, good.get(name, "1")), (name, good.get(name, "1"))]

    assert refusal(bench.post_pairs("/oauth2/token", pairs)) == (400, "invalid_request")
    assert bench.redeem(code).status == 200


def test_parameters_in_the_url_of_the_token_endpoint_are_refused() -> None:
    bench = Bench()

    response = bench.post("/oauth2/token?client_secret=app-secret", grant_type="refresh_token", client_id="app")

    assert refusal(response) == (400, "invalid_request")


def test_other_methods_are_answered_with_405() -> None:
    bench = Bench()

    response = bench.sandbox.respond(Request("GET", "/oauth2/token"))

    assert (response.status, response.headers.get("Allow")) == (405, "POST")


@pytest.mark.parametrize("body", [b"grant_type=%", b"grant_type=%f", b"a=%ff", b"\xff=1", b"a=" + b"x" * 70_000])
def test_a_body_that_cannot_be_read_is_refused(body: bytes) -> None:
    bench = Bench()

    response = bench.sandbox.respond(Request("POST", "/oauth2/token", Headers((("Content-Type", FORM),)), body))

    assert response.status in (400, 413)
    assert json.loads(response.body)["error"] == "invalid_request"


def test_a_description_never_repeats_the_request() -> None:
    bench = Bench()

    response = bench.redeem("canary-code", client_secret="canary-secret", redirect_uri="https://canary.example/")

    assert b"canary" not in response.body + repr(response.headers).encode()


def test_codes_of_two_clients_do_not_mix() -> None:
    both = replace(OTHER, redirect_uris=(REDIRECT_URI,))
    bench = Bench(APP, both)
    stolen = callback(approve(bench.sandbox.respond, bench.location()))["code"]

    assert refusal(bench.redeem(stolen, client_id="other", client_secret="other-secret")) == BAD_GRANT


def test_a_client_gets_a_token_for_itself_and_no_refresh_token() -> None:
    bench = Bench()

    found = fields(bench.post("/oauth2/token", basic("app", "app-secret"), grant_type="client_credentials"))

    assert "refresh_token" not in found
    assert bench.me(found["access_token"]).status == 403
    headers = ("Authorization", f"Bearer {found['access_token']}")
    assert fields(bench.get("/oauth2/client", headers)) == {"client": "app"}
    seen = fields(bench.post("/oauth2/introspect", basic("app", "app-secret"), token=found["access_token"]))
    assert seen["sub"] == "app"
    assert "username" not in seen


def test_a_public_client_or_one_that_is_not_registered_for_it_gets_none() -> None:
    bench = Bench(APP, PUBLIC, replace(OTHER, grant_types=("authorization_code",)))

    public = bench.post("/oauth2/token", grant_type="client_credentials", client_id="public")
    other = bench.post("/oauth2/token", basic("other", "other-secret"), grant_type="client_credentials")
    wide = bench.post("/oauth2/token", basic("app", "app-secret"), grant_type="client_credentials", scope="admin")

    assert refusal(public) == refusal(other) == (400, "unauthorized_client")
    assert refusal(wide) == (400, "invalid_scope")
