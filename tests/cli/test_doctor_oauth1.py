"""`valetkey doctor oauth1` at the command line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from tests.oauth1.cast import key_pair

from valetkey.cli.commands import valetkey as command
from valetkey.http import FORM, Headers, Request
from valetkey.oauth1.credentials import ClientCredentials, TokenCredentials
from valetkey.oauth1.sign import sign_request
from valetkey.secret import Secret

if TYPE_CHECKING:
    from pathlib import Path

    from click.testing import Result

SECRET = "canary-client-secret&"
SECRETS = {
    "VALETKEY_DOCTOR_CLIENT_SECRET": SECRET,
    "VALETKEY_DOCTOR_TOKEN_SECRET": "canary-token-secret",
}


def signed(**changes: str) -> Request:
    url = changes.get("url", "https://api.example.com/1?a=b%20c")
    return sign_request(
        Request("GET", url),
        ClientCredentials("client", Secret(SECRETS["VALETKEY_DOCTOR_CLIENT_SECRET"])),
        token=TokenCredentials("token", Secret(changes.get("token_secret", SECRETS["VALETKEY_DOCTOR_TOKEN_SECRET"]))),
        timestamp=1_700_000_000,
        nonce="0123456789abcdef01234567",
    )


def curl(request: Request) -> str:
    return f"curl '{request.url}' -H 'Authorization: {request.headers.get('Authorization')}'"


def run(*arguments: str, given: str = "", **environment: str) -> Result:
    result = CliRunner().invoke(command, ["doctor", "oauth1", *arguments], input=given, env=environment)
    assert "canary" not in result.output
    assert "Traceback" not in result.output
    return result


def test_a_right_signature_ends_with_status_0_and_says_where_else_to_look() -> None:
    result = run("--curl", "-", given=curl(signed()), **SECRETS)

    assert result.exit_code == 0, result.output
    assert "exactly what RFC 5849 says" in result.output
    assert "GET&https%3A%2F%2Fapi.example.com%2F1&a%3Db%2520c" in result.output
    assert "seconds ago" in result.output


def test_a_mistake_is_named_with_what_to_do_and_ends_with_status_1() -> None:
    result = run("--curl", "-", given=curl(signed(token_secret="")), **SECRETS)

    assert result.exit_code == 1
    assert "the token's secret was not part of the key" in result.output
    assert "What to do: use it" in result.output


def test_json_names_findings_pieces_and_fingerprints() -> None:
    result = run("--json", "--curl", "-", given=curl(signed(token_secret="")), **SECRETS)

    found = json.loads(result.output)
    assert found["verdict"] == "explained"
    assert [one["name"] for one in found["findings"][0]] == ["token_secret_left_out"]
    assert found["fingerprints"]["client_secret"].startswith("sha256:")
    assert {piece["section"] for piece in found["pieces"]} >= {"3.4.1.1", "3.4.1.2", "3.4.1.3.1", "3.4.1.3.2", "3.4.2"}


def test_the_request_may_come_in_fields_and_secrets_in_files(tmp_path: Path) -> None:
    request = signed()
    for name, text in SECRETS.items():
        (tmp_path / name).write_text(f"{text}\n")

    result = run(
        "--json", "--method", "GET", "--url", request.url,
        "--header", f"Authorization: {request.headers.get('Authorization')}",
        "--client-secret-file", str(tmp_path / "VALETKEY_DOCTOR_CLIENT_SECRET"),
        "--token-secret-file", str(tmp_path / "VALETKEY_DOCTOR_TOKEN_SECRET"),
    )  # fmt: skip

    assert json.loads(result.output)["verdict"] == "correct"


def test_a_base_string_of_the_other_side_needs_no_secret(tmp_path: Path) -> None:
    path = tmp_path / "base.txt"
    path.write_text("GET&http%3A%2F%2Fapi.example.com%2F1&a%3Db%2520c%26oauth_consumer_key%3Dclient\n")

    result = run("--json", "--curl", "-", "--their-base-string-file", str(path), given=curl(signed()))

    found = json.loads(result.output)
    assert found["verdict"] == "unexplained"
    assert "they signed http://api.example.com/1" in found["differences"][0]
    assert "oauth_nonce" in found["differences"][1]


def test_files_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    base, sent = tmp_path / "base.txt", tmp_path / "sent.txt"
    _ = base.write_text("\ufeffGET&http%3A%2F%2Fapi.example.com%2F1&a%3Db%2520c%26oauth_consumer_key%3Dclient\n")
    _ = sent.write_text(f"\ufeff{curl(signed())}")

    result = run("--json", "--curl", str(sent), "--their-base-string-file", str(base))

    assert "they signed http://api.example.com/1" in json.loads(result.output)["differences"][0]


@pytest.mark.parametrize(
    "arguments", [(), ("--curl", "-", "--url", "https://a.example"), ("--har", "missing.har"), ("--curl", "-")]
)
def test_a_command_that_gives_no_readable_request_ends_with_status_2(arguments: tuple[str, ...]) -> None:
    assert run(*arguments).exit_code == 2


def test_what_no_combination_explains_is_said_with_their_number() -> None:
    given = {**SECRETS, "VALETKEY_DOCTOR_CLIENT_SECRET": "something else"}

    result = run("--curl", "-", given=curl(signed()), **given)

    assert result.exit_code == 1
    assert "None of the" in result.output
    assert "A wrong secret looks like this" in result.output


def test_what_was_not_understood_of_a_curl_command_is_a_remark() -> None:
    result = run("--json", "--curl", "-", given=f"{curl(signed())} --photos", **SECRETS)

    found = json.loads(result.output)
    assert found["verdict"] == "correct"
    assert "curl has no --photos" in found["remarks"][0]
    assert "Remark: curl has no --photos" in run("--curl", "-", given=f"{curl(signed())} --photos", **SECRETS).output


@pytest.mark.parametrize(
    ("header", "remark"),
    [
        ('"Authorization: $AUTH"', "Remark: the command holds a variable or another command of the shell"),
        ("@headers", "Remark: headers in a file (-H @...) were not read: put them into the command"),
    ],
)
def test_where_the_signature_went_is_said_with_the_error_that_there_is_none(header: str, remark: str) -> None:
    result = run("--curl", "-", given=f"curl '{signed().url}' -H {header}", **SECRETS)

    assert result.exit_code == 2
    assert "carries no oauth_* parameters" in result.output
    assert remark.lower() in result.output.lower()


def test_a_form_of_several_parts_that_was_signed_as_a_form_is_explained() -> None:
    form = Request("POST", signed().url, Headers((("Content-Type", FORM),)), b"b=c")
    client = ClientCredentials("client", Secret(SECRET))
    request = sign_request(form, client, token=None, timestamp=1_700_000_000, nonce="0123456789abcdef01234567")

    result = run("--json", "--curl", "-", given=f"{curl(request)} -F b=c", VALETKEY_DOCTOR_CLIENT_SECRET=SECRET)

    assert [one["name"] for one in json.loads(result.output)["findings"][0]] == ["body_counted_as_form"]


def test_a_body_of_any_octets_is_read_from_a_file(tmp_path: Path) -> None:
    picture = tmp_path / "picture.png"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n\xff")
    fields = ("--method", "GET", "--url", signed().url)
    header = ("--header", f"Authorization: {signed().headers.get('Authorization')}")

    given = run("--json", "--body-file", str(picture), *fields, *header, **SECRETS)
    read = run("--json", "--body-file", str(picture), "--curl", "-", given=f"{curl(signed())} -X GET -T x", **SECRETS)

    assert [json.loads(result.output)["verdict"] for result in (given, read)] == ["correct", "correct"]
    assert run("--body-file", str(tmp_path / "none"), *fields, *header, **SECRETS).exit_code == 2


def test_a_hash_of_another_body_is_told_and_ends_with_status_1() -> None:
    request = sign_request(
        Request("POST", "https://api.example.com/1", body=b'{"pay":1}'),
        ClientCredentials("client", Secret(SECRETS["VALETKEY_DOCTOR_CLIENT_SECRET"])),
        token=None,
        timestamp=1_700_000_000,
        nonce="0123456789abcdef01234567",
    )
    command = f"{curl(request)} -H 'Content-Type: application/json' -d '{{\"pay\":1000000}}'"
    environment = {"VALETKEY_DOCTOR_CLIENT_SECRET": SECRETS["VALETKEY_DOCTOR_CLIENT_SECRET"]}

    shown = run("--curl", "-", given=command, **environment)
    listed = run("--json", "--curl", "-", given=command, **environment)

    assert (shown.exit_code, listed.exit_code) == (1, 1)
    assert "is right, but oauth_body_hash in it is not that of the body" in shown.output
    assert "oauth_body_hash is not the hash of this body (section 3.2 of OAuth Request Body Hash)" in shown.output
    assert json.loads(listed.output)["body_hash"][0]["name"] == "body_hash_of_another_body"


def test_the_private_key_is_read_for_its_public_half_and_never_shown(tmp_path: Path) -> None:
    private = key_pair()[0]
    (tmp_path / "key.pem").write_text(private)
    header = 'OAuth oauth_consumer_key="c", oauth_signature_method="RSA-SHA256", oauth_signature="eA%3D%3D"'
    fields = ("--url", "https://a.example/", "--header", f"Authorization: {header}")

    result = run("--public-key-file", str(tmp_path / "key.pem"), *fields)

    assert result.exit_code == 1
    assert "the signature has 1 octets, this key's have 256" in result.output
    assert private.splitlines()[1] not in result.output
    assert "A wrong secret looks like this" not in result.output
    assert "give it, its certificate or its private key" in run(*fields).output
