"""Whatever a cloud, a store or a file says is what was asked for or the error that says who must act."""

from __future__ import annotations

import gzip
import json
import re
import zlib
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from tests.properties.outside import SPECIAL, altered, answers, anything, documents, nearly, octets, outcome
from tests.properties.test_errors_bring_nothing_along import held

from valetkey.clouds import aws_credentials, aws_web_identity
from valetkey.clouds.google_credentials import GoogleTokenSource
from valetkey.clouds.tokens import read_token
from valetkey.config import read_configuration
from valetkey.config.sources import GENERAL, OF_REGISTRATIONS
from valetkey.connections.webhook import secret_problem
from valetkey.dates import read_time, write_time
from valetkey.drivers.transports import wire
from valetkey.effects import Key, PrivateKey, Row
from valetkey.errors import ConfigurationError, StoreError
from valetkey.http import Response
from valetkey.keys.aead import is_key_id
from valetkey.keys.key_service import Refused, read_answer, read_octets
from valetkey.keys.open import read_key_ring
from valetkey.keys.signer import LocalSigner
from valetkey.providers.catalog import load_provider, read_provider
from valetkey.secret import Secret
from valetkey.stores import azure_tables, dynamodb, firestore, redis_commands, rows
from valetkey.stores.open import check_store_url

if TYPE_CHECKING:
    from pathlib import Path

NOW = 1_800_000_000

# --- credentials of platforms

TOKEN = {"access_token": "t", "token_type": "Bearer", "expires_in": 3600, "expires_on": str(NOW + 60)}
CREDENTIALS = {"AccessKeyId": "A", "SecretAccessKey": "s", "Token": "t", "Expiration": "2027-01-01T00:00:00Z"}
STS = (
    "<AssumeRoleWithWebIdentityResponse><Credentials><SessionToken>t</SessionToken><SecretAccessKey>s</SecretAccessKey>"
    "<Expiration>2027-01-01T00:00:00Z</Expiration><AccessKeyId>A</AccessKeyId></Credentials></AssumeRoleWithWebIdentityResponse>"
)


@given(answers(documents(TOKEN)))
@example(Response(200, body=b'{"access_token":"t","expires_in":Infinity}'))
@example(Response(200, body=b'{"access_token":"t","expires_in":1e999}'))
def test_an_access_token_of_a_platform_is_usable_or_a_store_error(response: Response) -> None:
    token, error = outcome(lambda: read_token(response, NOW, who="the platform"), StoreError)

    assert (token is None) == (error is not None)
    assert token is None or token.token.reveal().isprintable()


@given(answers(documents(CREDENTIALS)))
def test_credentials_of_a_container_are_whole_or_a_store_error(response: Response) -> None:
    found, error = outcome(lambda: aws_credentials._read_credentials(response), StoreError)

    assert (found is None) == (error is not None)


@given(answers(nearly(STS).map(octets) | st.binary(max_size=60)))
def test_credentials_of_sts_are_whole_or_a_store_error(response: Response) -> None:
    found, error = outcome(lambda: aws_web_identity.read_credentials(response), StoreError)

    assert (found is None) == (error is not None)


@given(st.integers(0, 253_402_300_799))
def test_a_time_that_is_written_is_read(seconds: int) -> None:
    assert read_time(write_time(seconds)) == seconds


GOOGLE = {
    "type": "service_account",
    "client_email": "a@b.example",
    "private_key": "-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n",
    "token_uri": "https://oauth2.googleapis.com/token",
    "private_key_id": "k",
}


@given(documents(GOOGLE, {**GOOGLE, "type": "authorized_user"}))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_file_of_google_is_credentials_or_an_error_that_names_it(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "credentials.json"
    path.write_bytes(content)
    tokens = GoogleTokenSource({"GOOGLE_APPLICATION_CREDENTIALS": str(path)}, scope=("s",))

    found, _ = outcome(tokens._file, ConfigurationError, StoreError)

    assert found is None or all(isinstance(text, str) for text in found.values())


# --- key services and keys


@given(answers(documents({"Plaintext": "AAAA"}, {"__type": "x#AccessDenied"}, {"error": {"code": "Forbidden"}})))
def test_a_key_service_answers_an_object_or_a_refusal_with_a_plain_code(response: Response) -> None:
    found = read_answer(response)

    if isinstance(found, Refused):
        assert found.code.isascii()
        assert len(found.code) <= 64
    else:
        assert response.status == 200


@given(anything | nearly("AAAA", "_-8=", "+/8="), st.integers(0, 40))
def test_octets_of_a_key_service_are_within_the_limit_or_none(text: object, most: int) -> None:
    found = read_octets(text, most=most)

    assert found is None or len(found) <= most


@given(nearly("2026-11:" + "A" * 43 + ",2026-12:" + "b" * 43) | st.text(max_size=40))
def test_a_key_ring_is_read_or_every_problem_is_told(text: str) -> None:
    found, error = outcome(lambda: read_key_ring(text), ConfigurationError)

    if found is None:
        assert error
        assert error.problems
        assert "A" * 20 not in str(error)
    else:
        assert len(found) > 0


PEM = "-----BEGIN PRIVATE KEY-----\nMEECAQAwEwYHKoZIzj0CAQYIKoZIzj0DAQcEJzAlAgEBBCAB\n-----END PRIVATE KEY-----\n"


@given(nearly(PEM) | st.text(max_size=40), st.booleans(), st.none() | st.text(max_size=8))
@settings(max_examples=60)
def test_a_private_key_is_read_or_a_configuration_error(text: str, pkcs12: bool, password: str | None) -> None:
    secret = None if password is None else Secret(password)
    key = (
        PrivateKey(Secret(""), pkcs12=Secret(text), password=secret)
        if pkcs12
        else PrivateKey(Secret(text), password=secret)
    )

    _, error = outcome(lambda: LocalSigner().sign(key, "RS256", b"x"), ConfigurationError)

    assert error
    assert len(text) < 8 or text not in str(error)


@given(st.text(max_size=60) | nearly("whsec_" + "A" * 32))
def test_a_webhooks_secret_is_one_or_a_problem_that_does_not_quote_it(text: str) -> None:
    problem = secret_problem(text)

    assert not problem or len(text) < 12 or text not in problem


# --- rows as engines give them back

ROW = Row(
    Key("partition/1", "connection/two/\N{GRINNING FACE}"),
    bytes(range(16)),
    {"state": "active", "generation": 3, "empty": ""},
    b"vk1.k.AAAA",
    NOW,
)
strings = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=30)
columns = st.dictionaries(
    st.from_regex(r"[a-z][a-z_]{0,9}", fullmatch=True).filter(lambda name: name not in rows.RESERVED_COLUMNS),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.integers(0, 2**53),
    max_size=4,
)
whole_rows = st.builds(
    Row,
    st.builds(Key, strings, strings),
    st.binary(min_size=16, max_size=16),
    columns,
    st.binary(max_size=40),
    st.integers(0, 2**33),
)


@given(whole_rows)
def test_a_row_comes_back_from_dynamodb_as_it_was(row: Row) -> None:
    assert dynamodb._read_row(json.loads(json.dumps(dynamodb._attributes(row)))) == row


@given(whole_rows)
def test_a_row_comes_back_from_firestore_as_it_was(row: Row) -> None:
    documents = "projects/p/databases/d/documents/c"
    store = firestore.FirestoreStore.__new__(firestore.FirestoreStore)
    store._documents = documents
    document = {"name": store._name(row.key), "fields": firestore._fields(row)}

    assert firestore._read_document(json.loads(json.dumps(document)), documents) == row


@given(whole_rows)
def test_a_row_comes_back_from_azure_as_it_was(row: Row) -> None:
    assert azure_tables._read_entity(json.loads(json.dumps(azure_tables._entity_of(row)))) == row


@given(whole_rows)
def test_a_row_comes_back_from_redis_as_it_was(row: Row) -> None:
    fields = (row.version, rows.write_clear(row.clear).encode(), row.sealed, str(row.expires_at).encode())

    assert redis_commands.read_row(row.key, fields) == row
    assert redis_commands.read_member(None, redis_commands.write_member(row.key)) == row.key


@given(st.binary(max_size=40), st.binary(max_size=40), st.binary(max_size=8))
def test_a_row_of_redis_that_something_else_wrote_is_a_store_error(clear: bytes, sealed: bytes, expires: bytes) -> None:
    found, error = outcome(lambda: redis_commands.read_row(ROW.key, (b"v", clear, sealed, expires)), StoreError)

    assert (found is None) == (error is not None)


# --- bodies as transports take them in


@given(st.binary(max_size=200), st.sampled_from(["gzip", "x-gzip", "deflate", "GZIP ", "identity", "br", "gzip, gzip"]))
def test_a_body_without_its_coding_is_the_one_that_was_sent_or_refused(body: bytes, coding: str) -> None:
    fields = (("Content-Encoding", coding), ("Content-Length", "9"))
    coded = zlib.compress(body) if coding == "deflate" else gzip.compress(body) if "gzip" in coding.lower() else body

    found, _ = outcome(lambda: wire.decoded(fields, coded), wire.Refused)

    assert (found is None) == (coding in ("br", "gzip, gzip") and bool(coded))
    assert found is None or found[1] == body


@given(st.binary(max_size=60) | st.binary(max_size=60).map(gzip.compress), st.integers(0, 80), st.binary(max_size=3))
def test_a_coded_body_that_was_altered_is_a_body_or_refused(body: bytes, cut: int, more: bytes) -> None:
    altered_body = body[:cut] + more + body[cut + 1 :]

    found, refused = outcome(lambda: wire.decoded((("content-encoding", "gzip"),), altered_body), wire.Refused)

    assert (found is None) == (refused is not None)


# --- configuration


@given(
    nearly(
        "memory:",
        "sqlite:///tmp/a.db",
        "dynamodb://table?region=eu-west-1",
        "postgresql://u:canary@h:5432/db?table=t",
        "redis://u:canary@h:6379/0?prefix=x",
        "rediss://h",
        "firestore://project/database",
        "aztables://account/table",
    )
    | st.text(max_size=30)
)
def test_a_store_url_is_understood_or_every_problem_is_told_without_its_password(url: str) -> None:
    problems = check_store_url(url, environ={})

    assert all(isinstance(problem, str) and problem for problem in problems)
    if ":canary@" in url and "?" not in url.partition("@")[0]:
        assert "canary" not in " ".join(problems)


NAMES = [f"VALETKEY_{name.upper()}" for name in GENERAL]
NAMES += [f"VALETKEY_{middle}_{name.upper()}" for middle in ("GITHUB", "TRELLO") for name in OF_REGISTRATIONS]
SECRET = "canary-7f3a"
SECRETS = ("key", "private_key", "client_secret", "private_key_password", "client_certificate_key", "webhook_secret")
USUAL = (
    *("https://app.example/oauth", "github", "sqlite:///tmp/a", "read write", "true", "log", "package.module:function"),
    *("query.jwt", "RS256", "token", "id_token token", '[{"type":"a"}]', "a=b&c=d", "2027-01-01", "*.a.example"),
    *("https://as.example=token", "/dev/null", "/nowhere", "file:/nowhere", "oidc", "S256", "private_key_jwt"),
    *("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "whsec_" + "A" * 32, "postgresql://h/d"),
)


@given(
    st.dictionaries(
        st.sampled_from(NAMES) | st.from_regex(r"VALETKEY_[A-Z_]{0,12}", fullmatch=True),
        st.sampled_from([text for text in SPECIAL if "\0" not in text]) | nearly(*USUAL),
        max_size=8,
    )
)
@settings(max_examples=200)
@example({"VALETKEY_BASE_URL": "nowhere", "VALETKEY_MCP_ACCEPT_LOOPBACK": "true"})
@example({"VALETKEY_KEY": "file:\0", "VALETKEY_GITHUB_CLIENT_SECRET_FILE": "\0"})
@example({"VALETKEY_GITHUB_PRIVATE_KEY_PKCS12_FILE": "\0", "VALETKEY_PROVIDERS_DIR": "\0"})
@example({"VALETKEY_GITHUB_CLIENT_ID": "\udcff", "VALETKEY_GITHUB_CLIENT_SECRET": "\udcff"})
def test_an_environment_is_a_configuration_or_every_problem_is_told(environ: dict[str, str]) -> None:
    found, error = outcome(lambda: read_configuration(environ, None), ConfigurationError)

    assert (found is None) == (error is not None)
    assert error is None or all(error.problems)


@given(st.sampled_from(SECRETS), nearly(f"{SECRET}{SECRET}", f"a:{SECRET}", f"whsec_{SECRET}"), st.booleans())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_secret_in_a_configuration_is_in_none_of_its_problems(
    tmp_path: Path, key: str, text: str, in_file: bool
) -> None:
    assume(SECRET in text)
    named = [pair.partition(":")[0].strip() for pair in re.split(r"[,\n]", text) if ":" in pair]
    assume(key != "key" or not any(is_key_id(name) and SECRET in name for name in named))  # an id is no secret
    path = tmp_path / "secret"
    path.write_bytes(octets(text))
    middle = "" if key in GENERAL else "GITHUB_"
    name = f"VALETKEY_{middle}{key.upper()}"
    environ = {
        "VALETKEY_WEBHOOK_URL": "https://a.example/",
        "VALETKEY_GITHUB_CLIENT_ID": "a",
        "VALETKEY_STORE": "memory:",
    }
    environ |= (
        {name: text}
        if not in_file or key in ("private_key_password", "webhook_secret")
        else {f"{name}_FILE": str(path)}
    )

    _, error = outcome(lambda: read_configuration(environ, None), ConfigurationError)

    assert error
    assert SECRET not in held(error)


written = st.text(max_size=12) | st.booleans() | st.integers() | nearly(*USUAL) | st.lists(nearly(*USUAL), max_size=2)


@given(
    st.dictionaries(st.sampled_from(GENERAL), written, max_size=5),
    st.dictionaries(st.sampled_from(OF_REGISTRATIONS), written, max_size=6),
)
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example({"base_url": "nowhere", "mcp_accept_loopback": True}, {"client_secret_file": "\0"})
def test_tables_of_a_file_are_a_configuration_or_every_problem_is_told(
    tmp_path: Path, general: dict[str, object], github: dict[str, object]
) -> None:
    lines = [f"{name} = {json.dumps(content)}" for name, content in general.items()]
    lines += ["[registrations.github]", *(f"{name} = {json.dumps(content)}" for name, content in github.items())]
    path = tmp_path / "valetkey.toml"
    path.write_text("\n".join(lines))

    found, error = outcome(lambda: read_configuration({}, str(path)), ConfigurationError)

    assert (found is None) == (error is not None)
    assert error is None or all(error.problems)


@given(nearly('[registrations.github]\nclient_id = "a"\nscope = ["x"]\n', 'store = "memory:"\n') | st.text(max_size=40))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_file_is_a_configuration_or_every_problem_is_told(tmp_path: Path, text: str) -> None:
    path = tmp_path / "valetkey.toml"
    path.write_bytes(octets(text))

    found, error = outcome(lambda: read_configuration({}, str(path)), ConfigurationError)

    assert (found is None) == (error is not None)


PROVIDERS: list[dict[str, Any]] = [
    {
        "name": "example",
        "title": "Example",
        "protocol": "oauth2",
        "authorization_endpoint": "https://as.example/authorize",
        "token_endpoint": "https://as.example/token",
        "api_hosts": ["api.example"],
        "rotation": {"kind": "none"},
        "scope_separator": ",",
        "pkce": "S256",
        "source": "https://docs.example/",
        "verified_on": "2026-11-01",
        "tried": "never",
    },
]


@given(st.sampled_from(PROVIDERS).flatmap(altered))
@example({"rotation": 3, "base_url": "{base_url}"})
def test_a_providers_table_is_a_provider_or_every_problem_is_told(table: dict[str, Any]) -> None:
    found, error = outcome(lambda: read_provider(table), ConfigurationError)

    assert (found is None) == (error is not None)
    assert error is None or all(error.problems)


@given(st.text(max_size=30) | nearly("github", "sandbox-oauth2"))
@settings(max_examples=40)
def test_the_name_of_a_provider_is_looked_up_and_leads_nowhere_else(name: str) -> None:
    found, error = outcome(lambda: load_provider(name), ConfigurationError)

    assert (found is None) == (error is not None)
    assert found is None or found.name == name


@pytest.mark.parametrize("name", ["../../etc/passwd", "github/../x", "", "GitHub", "a" * 64])
def test_a_name_that_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError):
        _ = load_provider(name)


def test_a_file_that_is_nested_too_deep_is_a_problem_like_any_other(tmp_path: Path) -> None:
    (tmp_path / "valetkey.toml").write_text("a = " + "[" * 50_000)
    (tmp_path / "example.toml").write_text("a = " + "[" * 50_000)

    with pytest.raises(ConfigurationError, match="nested"):
        _ = read_configuration({}, str(tmp_path / "valetkey.toml"))
    with pytest.raises(ConfigurationError, match="nested"):
        _ = load_provider("example", directory=str(tmp_path))


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"AccessKeyId":"CANARY"', b'{"AccessKeyId":"CANARY","Token":7}'])
def test_credentials_of_a_container_that_cannot_be_read_stay_out_of_the_error(body: bytes) -> None:
    with pytest.raises(StoreError) as caught:
        _ = aws_credentials._read_credentials(Response(200, body=body))

    assert "CANARY" not in held(caught.value)


def test_clear_columns_that_are_nested_too_deep_are_a_row_of_something_else() -> None:
    with pytest.raises(StoreError):
        _ = redis_commands.read_row(ROW.key, (b"v", b"[" * 100_000, b"", b"0"))
