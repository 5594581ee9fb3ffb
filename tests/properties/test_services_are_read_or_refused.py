"""Whatever a key service, an endpoint for tokens or any HTTP server answers is what was asked for, or the room's error."""

from __future__ import annotations

import base64
import json
import socket
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from tests.clouds.token_world import TokenWorld
from tests.keys.fakes import Tokens
from tests.keys.steps import World, ring
from tests.properties.outside import bodies, nearly, octets, outcome
from tests.properties.test_errors_bring_nothing_along import held

from valetkey.clouds.aws_credentials import AwsCredentialSource
from valetkey.clouds.aws_sigv4 import can_sign
from valetkey.clouds.aws_web_identity import read_credentials
from valetkey.clouds.azure_credentials import AzureTokenSource, storage_account_key
from valetkey.clouds.google_credentials import GoogleTokenSource
from valetkey.drivers.drive import drive
from valetkey.drivers.transports.stdlib import StdlibTransport
from valetkey.drivers.transports.wire import MAX_BODY
from valetkey.effects import CONFIGURED, Place, Send
from valetkey.errors import ConfigurationError, StoreError, TransportError
from valetkey.http import Headers, Request, Response
from valetkey.keys.aws_kms import AwsKms
from valetkey.keys.azure_key_vault import AzureKeyVault
from valetkey.keys.gcp_kms import GcpKms, crc32c
from valetkey.keys.key_service import WrappedKey

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CANARY = "canary-7f3a"
STATUSES = st.sampled_from([200] * 8 + [204, 302, 400, 401, 403, 404, 429, 503])

# --- key services

KEY = bytes(range(1, 33))
ARN = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
GCP_NAME = "projects/p/locations/l/keyRings/r/cryptoKeys/k"
VAULT_NAME = "https://name.vault.azure.net/keys/key/0123456789abcdef"
ENVIRON = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": CANARY}


def b64(found: bytes) -> str:
    return base64.b64encode(found).decode()


SERVICES: dict[str, tuple[Any, WrappedKey, list[Any]]] = {
    "aws-kms": (
        lambda: AwsKms(credentials=AwsCredentialSource(ENVIRON)),
        WrappedKey("k-1", "aws-kms", ARN, b"wrapped"),
        [
            {"Plaintext": b64(KEY), "KeyId": ARN, "CiphertextBlob": b64(b"wrapped")},
            {"__type": "com.amazonaws.kms#DisabledException", "message": CANARY},
        ],
    ),
    "gcp-kms": (
        lambda: GcpKms(credentials=Tokens()),
        WrappedKey("k-1", "gcp-kms", GCP_NAME, b"wrapped"),
        [
            {
                "plaintext": b64(KEY),
                "plaintextCrc32c": str(crc32c(KEY)),
                "ciphertext": b64(b"wrapped"),
                "ciphertextCrc32c": str(crc32c(b"wrapped")),
                "verifiedPlaintextCrc32c": True,
                "verifiedAdditionalAuthenticatedDataCrc32c": True,
            },
            {"error": {"code": 403, "message": CANARY, "status": "PERMISSION_DENIED"}},
        ],
    ),
    "azure-key-vault": (
        lambda: AzureKeyVault(credentials_for=lambda _: Tokens()),
        WrappedKey("k-1", "azure-key-vault", VAULT_NAME, b"wrapped"),
        [
            {"kid": VAULT_NAME, "value": b64(KEY + bytes(32))},
            {"error": {"code": "Forbidden", "message": CANARY, "innererror": {"code": "KeyDisabled"}}},
        ],
    ),
}


@pytest.mark.parametrize("name", sorted(SERVICES))
@given(data=st.data(), deed=st.sampled_from(["unwrap", "wrap", "seal"]))
@settings(max_examples=80)
def test_a_key_is_unwrapped_or_wrapped_or_a_store_error_names_it(name: str, data: st.DataObject, deed: str) -> None:
    make, wrapped, right = SERVICES[name]
    service = make()
    response = Response(data.draw(STATUSES), Headers(), data.draw(bodies(*right)))
    programs: dict[str, Callable[[], Any]] = {
        "unwrap": lambda: service.unwrap(wrapped, environment="production"),
        "wrap": lambda: service.wrap(wrapped.name, key_id="k-1", environment="production"),
        "seal": lambda: ring(wrapped, service=service).seal(Place("flow", ("a",)), b"plain"),
    }

    found: Any
    found, error = outcome(lambda: World(lambda _: response).run(programs[deed]()), StoreError, ConfigurationError)

    assert (found is None) == (error is not None)
    if error is not None:
        assert CANARY not in held(error)
        assert b64(KEY)[:20] not in held(error)
        assert wrapped.name in str(error)
    elif deed == "unwrap":
        assert len(found) == 32
        assert response.status == 200
    elif deed == "wrap":
        assert found.wrapped


# --- tokens of platforms


TOKEN = {"access_token": CANARY, "token_type": "Bearer", "expires_in": 3600}
REFUSAL = {"error": "invalid_grant", "error_description": CANARY}
CONSENT = {"type": "authorized_user", "client_id": "id", "client_secret": CANARY, "refresh_token": CANARY}
PLACES: dict[str, dict[str, str]] = {
    "entra": {"AZURE_CLIENT_SECRET": CANARY, "AZURE_CLIENT_ID": "c", "AZURE_TENANT_ID": "t"},
    "app service": {"IDENTITY_ENDPOINT": "http://127.0.0.1:1/token", "IDENTITY_HEADER": CANARY},
    "virtual machine": {},
}


@pytest.mark.parametrize("place", sorted(PLACES))
@given(status=STATUSES, body=bodies(TOKEN, {**TOKEN, "expires_on": "1893456000"}, REFUSAL))
@settings(max_examples=50)
def test_a_token_of_azure_is_usable_or_a_store_error(place: str, status: int, body: bytes) -> None:
    source = AzureTokenSource(PLACES[place], resource="https://storage.azure.com")

    _usable(partial(TokenWorld(Response(status, Headers(), body)).current, source))


@given(status=STATUSES, body=bodies(TOKEN, REFUSAL))
@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_token_of_google_is_usable_or_a_store_error(tmp_path: Path, status: int, body: bytes) -> None:
    path = tmp_path / "credentials.json"
    path.write_text(json.dumps(CONSENT))
    for environ in ({"GOOGLE_APPLICATION_CREDENTIALS": str(path)}, {"CLOUDSDK_CONFIG": str(tmp_path / "none")}):
        source = GoogleTokenSource(environ, scope=("s",))
        _usable(partial(TokenWorld(Response(status, Headers(), body)).current, source))


def _usable(ask: Callable[[], str]) -> None:
    token, error = outcome(ask, StoreError)

    assert (token is None) == (error is not None)
    if error is not None:
        assert CANARY not in held(error)
    else:
        assert token
        assert token.isascii()
        assert token.isprintable()


VARIABLES = (
    *(
        "AZURE_CLIENT_SECRET",
        "AZURE_CLIENT_ID",
        "AZURE_TENANT_ID",
        "AZURE_AUTHORITY_HOST",
        "AZURE_FEDERATED_TOKEN_FILE",
    ),
    *("IDENTITY_ENDPOINT", "IDENTITY_HEADER", "AZURE_POD_IDENTITY_AUTHORITY_HOST", "GCE_METADATA_HOST"),
    *("AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ENDPOINT_URL_STS", "AWS_REGION", "AWS_PROFILE"),
    *("AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "GOOGLE_APPLICATION_CREDENTIALS"),
    *("AWS_CONTAINER_AUTHORIZATION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"),
)


@given(
    st.dictionaries(
        st.sampled_from(VARIABLES),
        nearly("https://a.example/x", "http://127.0.0.1:1/x", "/v2/c", "eu-central-1", "a", "metadata", "/dev/null"),
        max_size=6,
    )
)
@settings(max_examples=150)
@example({"AZURE_POD_IDENTITY_AUTHORITY_HOST": "a b"})
@example({"AWS_WEB_IDENTITY_TOKEN_FILE": "\0", "AWS_ROLE_ARN": "a"})
@example({"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "\0", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/a"})
@example({"AWS_CONTAINER_AUTHORIZATION_TOKEN": "\ud800", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/a"})
@example({"AZURE_FEDERATED_TOKEN_FILE": "\ud800", "AZURE_CLIENT_ID": "c", "AZURE_TENANT_ID": "t"})
@example({"AZURE_CLIENT_SECRET": "\ud800", "AZURE_CLIENT_ID": "c", "AZURE_TENANT_ID": "t"})
def test_whatever_stands_in_the_environment_is_asked_or_the_error_says_what_to_mend(environ: dict[str, str]) -> None:
    environ = {"HOME": "/nowhere", **environ}
    world = TokenWorld(Response(404))
    sources: list[Any] = [
        AzureTokenSource(environ, resource="r"),
        GoogleTokenSource(environ, scope=("s",)),
        AwsCredentialSource(environ),
    ]
    for source in sources:
        _, error = outcome(partial(drive, source.current(), world.answer), StoreError, ConfigurationError)
        assert error


PASTED = ["AKIDEXAMPLE\n", "a\r\nb", "\u20ac", "\udcff", "caf\xe9", "\0"]


@pytest.mark.parametrize("name", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"])
@pytest.mark.parametrize("text", PASTED)
def test_a_key_of_aws_that_no_header_may_hold_is_a_configuration_error(name: str, text: str, tmp_path: Path) -> None:
    environ = {**ENVIRON, name: f"{CANARY}{text}"}
    profile = tmp_path / "credentials"
    lines = "".join(f"{key.lower()} = {found}\n" for key, found in environ.items())
    profile.write_bytes(octets(f"[default]\n{lines}"))
    tries = [environ, {"AWS_SHARED_CREDENTIALS_FILE": str(profile), "AWS_CONFIG_FILE": "/none"}]

    for found in tries if "\n" not in text else tries[:1]:  # a line break is the end of a line in a file
        with pytest.raises(ConfigurationError) as caught:
            _ = drive(AwsCredentialSource(found).current(), TokenWorld(Response(404)).answer)
        assert CANARY not in held(caught.value)


STS = "<R><Credentials><SessionToken>t</SessionToken><SecretAccessKey>canary-7f3a</SecretAccessKey><Expiration>"
STS += "2027-01-01T00:00:00Z</Expiration><AccessKeyId>A</AccessKeyId></Credentials></R>"


@given(nearly(STS))
@example(STS.replace("<R>", "<R>\udcff"))
@example(STS.replace(">A<", ">caf\xe9<"))
def test_credentials_of_sts_can_sign_or_are_a_store_error_without_them(text: str) -> None:
    response = Response(200, Headers(), octets(text))

    found, error = outcome(lambda: read_credentials(response), StoreError)

    assert found is None or can_sign(found)
    assert error is None or CANARY not in held(error)


@given(nearly(f"AccountName=account;AccountKey={b64(CANARY.encode())};EndpointSuffix=core.windows.net", ";=;"))
def test_a_connection_string_of_azure_gives_a_key_or_a_configuration_error(text: str) -> None:
    environ = {"AZURE_STORAGE_CONNECTION_STRING": text}

    key, error = outcome(lambda: storage_account_key(environ, "account"), ConfigurationError)

    assert key is None or base64.b64decode(key.reveal(), validate=True) is not None
    assert error is None or b64(CANARY.encode()) not in held(error)


# --- what an HTTP server sends, octet by octet

ANSWER = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\nX-A: b\r\n\r\nok"
CHUNKED = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
INTERIM = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n"


@given(
    (nearly(ANSWER, CHUNKED, INTERIM) | nearly(ANSWER).flatmap(nearly)).map(octets) | st.binary(max_size=60),
    st.sampled_from(["GET", "HEAD", "POST"]),
)
@settings(max_examples=300)
@example(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n", "GET")
@example(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"9" * 5_000 + b"\r\n", "GET")
@example(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\nok\r\n0\r\n\r\n", "GET")
@example(b"HTTP/1.1 " + b"9" * 5_000 + b" OK\r\n\r\n", "GET")
@example(b"HTTP/1.1 200 OK\r\nX: caf\xe9\x00\r\nContent-Length: 0\r\n\r\n", "GET")
@example(b"HTTP/1.1 200 OK\r\nX : y\r\nContent-Length: 0\r\n\r\n", "GET")
@example(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset*=x''%zz\r\nContent-Length: 0\r\n\r\n", "GET")
@example(b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200 + b"\r\n", "GET")
def test_octets_of_a_server_are_an_answer_or_a_transport_error(sent: bytes, method: str) -> None:
    ours, theirs = socket.socketpair()
    transport = StdlibTransport(dial=lambda *_: ours)
    theirs.sendall(sent)
    theirs.shutdown(socket.SHUT_WR)
    request = Request(method, f"http://127.0.0.1/{CANARY}")

    with theirs, ours:
        response, error = outcome(lambda: transport.send(Send(request, CONFIGURED, time.time() + 30)), TransportError)

    assert (response is None) == (error is not None)
    if response is not None:
        assert 200 <= response.status <= 999
        assert len(response.body) <= MAX_BODY
        assert not response.body or response.body in sent or b"chunked" in sent.lower()
        assert all("\r" not in text and "\n" not in text for _, text in response.headers.pairs)
        return
    assert error
    assert error.maybe_received
    assert CANARY not in held(error)
    said = sent.partition(b"\r\n\r\n")[2].decode("latin-1")
    assert len(said) < 8 or said not in held(error)
