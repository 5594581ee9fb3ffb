"""Where Google puts credentials: service accounts, a person's consent, the metadata server."""

from __future__ import annotations

import base64
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import parse_qs

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, generate_private_key
from tests.clouds.token_world import NO_ANSWER, TokenWorld, refusal, token

from valetkey.clouds.google_credentials import GoogleTokenSource
from valetkey.drivers.drive import drive
from valetkey.drivers.transports.stdlib import StdlibTransport
from valetkey.effects import CONFIGURED, PLATFORM, Now, Remaining, Send, Sign
from valetkey.errors import ConfigurationError, StoreError
from valetkey.http import read_form
from valetkey.keys.signer import LocalSigner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SCOPE = ("https://www.googleapis.com/auth/datastore", "https://www.googleapis.com/auth/cloudkms")
KEY = generate_private_key(public_exponent=65_537, key_size=2048)
PEM = KEY.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
).decode()
ACCOUNT = {
    "type": "service_account",
    "client_email": "vault@acme.iam.gserviceaccount.com",
    "private_key": PEM,
    "private_key_id": "key-1",
    "token_uri": "https://oauth2.googleapis.com/token",
}
CONSENT = {"type": "authorized_user", "client_id": "id", "client_secret": "canary-s", "refresh_token": "canary-r"}


def source(tmp_path: Path, content: object, **environ: str) -> GoogleTokenSource:
    path = tmp_path / "credentials.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return GoogleTokenSource({"GOOGLE_APPLICATION_CREDENTIALS": str(path), **environ}, scope=SCOPE)


class TokenEndpoint(BaseHTTPRequestHandler):
    """Google's side of RFC 7523: knows the account's public key, and checks what a JWT says."""

    public_key: RSAPublicKey = KEY.public_key()
    refused: ClassVar[list[str]] = []

    def do_POST(self) -> None:
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        try:
            self.check(form)
            self.reply(200, {"access_token": "from-google", "expires_in": 3599, "token_type": "Bearer"})
        except (AssertionError, InvalidSignature, ValueError, KeyError) as error:
            self.refused.append(repr(error))
            self.reply(400, {"error": "invalid_grant", "error_description": "canary-body"})

    def check(self, form: dict[str, list[str]]) -> None:
        assert form["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
        (assertion,) = form["assertion"]
        head, claims, signature = assertion.split(".")
        self.public_key.verify(octets(signature), f"{head}.{claims}".encode(), PKCS1v15(), hashes.SHA256())
        header, said = json.loads(octets(head)), json.loads(octets(claims))
        assert header == {"alg": "RS256", "typ": "JWT", "kid": "key-1"}
        assert said["iss"] == ACCOUNT["client_email"]
        assert said["aud"] == f"http://{self.headers['Host']}/token"
        assert said["scope"] == " ".join(SCOPE)
        assert said["iat"] <= time.time() + 1
        assert said["exp"] - said["iat"] == 3600

    def do_GET(self) -> None:
        right = self.headers["Metadata-Flavor"] == "Google"
        assert self.path.startswith("/computeMetadata/v1/instance/service-accounts/default/token?scopes=")
        self.reply(200 if right else 403, {"access_token": "of-the-machine", "expires_in": 900, "token_type": "Bearer"})

    def reply(self, status: int, content: object) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def octets(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@pytest.fixture
def host() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), TokenEndpoint)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def really(google: GoogleTokenSource) -> str:
    """The token over a real connection."""
    signer = LocalSigner()
    performers: dict[type, Callable[[Any], object]] = {Now: lambda _: time.time(), Remaining: lambda _: 30.0}
    performers[Sign] = lambda effect: signer.sign(effect.key, effect.algorithm, effect.message)
    with StdlibTransport() as transport:
        performers[Send] = transport.send
        return drive(google.current(), lambda effect: performers[type(effect)](effect)).reveal()


def test_a_service_account_signs_for_a_token_and_the_endpoint_verifies_it(tmp_path: Path, host: str) -> None:
    google = source(tmp_path, ACCOUNT | {"token_uri": f"http://{host}/token"})

    assert really(google) == "from-google", TokenEndpoint.refused


def test_a_service_account_with_another_key_is_refused(tmp_path: Path, host: str) -> None:
    other = generate_private_key(public_exponent=65_537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    google = source(tmp_path, ACCOUNT | {"token_uri": f"http://{host}/token", "private_key": other.decode()})

    with pytest.raises(StoreError, match=r"\(invalid_grant\): check that the service account") as caught:
        really(google)

    assert "canary" not in str(caught.value)


def test_a_metadata_server_is_asked_over_a_real_connection(host: str) -> None:
    google = GoogleTokenSource({"GCE_METADATA_HOST": host}, scope=SCOPE)

    assert really(google) == "of-the-machine"


@pytest.mark.parametrize("name", [None, "metadata.google.internal", "169.254.169.254", "metadata"])
def test_the_metadata_server_is_asked_at_its_fixed_address_without_dns(name: str | None) -> None:
    world = TokenWorld(token())

    world.current(GoogleTokenSource({"GCE_METADATA_HOST": name} if name else {}, scope=SCOPE))

    (sent,) = world.sent
    path = "/computeMetadata/v1/instance/service-accounts/default/token"
    assert sent.request.url.partition("?")[0] == f"http://169.254.169.254{path}"
    assert (sent.reach, sent.request.headers.get("metadata-flavor")) == (PLATFORM, "Google")


@pytest.mark.parametrize("name", ["metadata.evil.example", "10.0.0.1", "127.0.0.1/x", "u@127.0.0.1", ""])
def test_the_metadata_server_is_nowhere_else(name: str) -> None:
    with pytest.raises(ConfigurationError, match="GCE_METADATA_HOST"):
        TokenWorld(token()).current(GoogleTokenSource({"GCE_METADATA_HOST": name}, scope=SCOPE))


def test_a_persons_consent_is_traded_for_a_token(tmp_path: Path) -> None:
    world = TokenWorld(token())

    assert world.current(source(tmp_path, CONSENT)) == "canary-token"

    (sent,) = world.sent
    assert sent.request.url == "https://oauth2.googleapis.com/token"
    assert sent.reach == CONFIGURED
    assert dict(read_form(sent.request.body.decode())) == {
        "grant_type": "refresh_token",
        "client_id": "id",
        "client_secret": "canary-s",
        "refresh_token": "canary-r",
    }


@pytest.mark.parametrize("variable", ["CLOUDSDK_CONFIG", "HOME"])
def test_gclouds_own_file_is_found(tmp_path: Path, variable: str) -> None:
    folder = tmp_path if variable == "CLOUDSDK_CONFIG" else tmp_path / ".config" / "gcloud"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "application_default_credentials.json").write_text(json.dumps(CONSENT))
    world = TokenWorld(token())

    world.current(GoogleTokenSource({variable: str(tmp_path)}, scope=SCOPE))

    assert world.sent[0].request.url == "https://oauth2.googleapis.com/token"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("canary", "not a JSON object"),
        ("[]", "not a JSON object"),
        ({"type": "external_account"}, "another kind"),
        ({}, "another kind"),
        ({**ACCOUNT, "private_key": ""}, "without private_key"),
        ({**ACCOUNT, "client_email": 5}, "without client_email"),
        ({**ACCOUNT, "token_uri": "http://token.example/"}, "not https"),
        ({**ACCOUNT, "token_uri": "canary"}, "not https"),
        ({**ACCOUNT, "private_key": "canary"}, "PEM"),
        ({**CONSENT, "refresh_token": ""}, "without refresh_token"),
    ],
)
def test_a_file_that_is_not_understood_is_refused_with_what_is_wrong(
    tmp_path: Path, content: object, problem: str
) -> None:
    with pytest.raises(ConfigurationError, match=problem) as caught:
        TokenWorld(token()).current(source(tmp_path, content))

    assert "canary" not in str(caught.value)


def test_a_file_that_is_not_there_is_an_error() -> None:
    google = GoogleTokenSource({"GOOGLE_APPLICATION_CREDENTIALS": "/nowhere/at/all"}, scope=SCOPE)

    with pytest.raises(StoreError, match="cannot be read"):
        TokenWorld(token()).current(google)


def test_no_credentials_at_all_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(StoreError, match="GOOGLE_APPLICATION_CREDENTIALS"):
        TokenWorld(NO_ANSWER).current(GoogleTokenSource({}, scope=SCOPE))


def test_a_withdrawn_consent_says_to_sign_in_again(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"\(invalid_grant\): sign in again"):
        TokenWorld(refusal("invalid_grant")).current(source(tmp_path, CONSENT))


def test_the_source_prints_nothing_of_what_it_holds(tmp_path: Path) -> None:
    google = source(tmp_path, CONSENT)
    TokenWorld(token()).current(google)

    assert "canary" not in repr(google) + repr(google._kept)
