"""Where Azure puts credentials: keys in the environment, Entra, and managed identities' endpoints."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING

import pytest
from tests.clouds.token_world import NO_ANSWER, START, TokenWorld, refusal, token

from valetkey.clouds.azure_credentials import AzureTokenSource, storage_account_key, storage_table_endpoint
from valetkey.clouds.tokens import MAX_ATTEMPTS
from valetkey.drivers.drive import drive
from valetkey.drivers.transports.stdlib import StdlibTransport
from valetkey.effects import CONFIGURED, PLATFORM, Now, Remaining, Send
from valetkey.errors import ConfigurationError, StoreError
from valetkey.http import Response, read_form, read_url

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from valetkey.errors import TransportError

STORAGE = "https://storage.azure.com"
CLIENT = {"AZURE_TENANT_ID": "tenant.example", "AZURE_CLIENT_ID": "client-1"}
SECRET = CLIENT | {"AZURE_CLIENT_SECRET": "canary-secret"}
APP = {"IDENTITY_ENDPOINT": "http://169.254.129.2:8081/msi/token", "IDENTITY_HEADER": "canary-header"}


def source(environ: dict[str, str]) -> AzureTokenSource:
    return AzureTokenSource(environ, resource=STORAGE)


def query(sent: Send) -> dict[str, str]:
    return dict(read_form(read_url(sent.request.url).query))


def test_a_client_secret_is_traded_for_a_token() -> None:
    world = TokenWorld(token())

    assert world.current(source(SECRET)) == "canary-token"

    (sent,) = world.sent
    assert sent.request.url == "https://login.microsoftonline.com/tenant.example/oauth2/v2.0/token"
    assert dict(read_form(sent.request.body.decode())) == {
        "grant_type": "client_credentials",
        "client_id": "client-1",
        "client_secret": "canary-secret",
        "scope": "https://storage.azure.com/.default",
    }
    assert (sent.reach, sent.kept) == (CONFIGURED, False)


def test_a_federated_token_is_read_each_time_and_traded(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("first\n")
    world = TokenWorld(token())
    federated = source(CLIENT | {"AZURE_FEDERATED_TOKEN_FILE": str(path)})
    world.current(federated)
    path.write_text("second")
    federated.forget()

    world.current(federated)

    forms = [dict(read_form(sent.request.body.decode())) for sent in world.sent]
    assert [form["client_assertion"] for form in forms] == ["first", "second"]
    assert forms[0]["client_assertion_type"] == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@pytest.mark.parametrize("client", [{}, {"AZURE_CLIENT_ID": "client-1"}], ids=["one", "of several"])
def test_app_service_is_asked_at_the_platforms_address(client: dict[str, str]) -> None:
    world = TokenWorld(token(expires_on=str(START + 7200)))

    world.current(source(APP | client))

    (sent,) = world.sent
    assert sent.request.url.startswith("http://169.254.129.2:8081/msi/token?")
    assert sent.request.headers.get("x-identity-header") == "canary-header"
    assert query(sent) == {"api-version": "2019-08-01", "resource": STORAGE} | (
        {"client_id": "client-1"} if client else {}
    )
    assert sent.reach == PLATFORM


def test_a_virtual_machine_asks_the_metadata_service() -> None:
    world = TokenWorld(token(expires_on=str(START + 7200), expires_in="7200"))

    world.current(source({}))

    (sent,) = world.sent
    assert sent.request.url.startswith("http://169.254.169.254/metadata/identity/oauth2/token?")
    assert query(sent) == {"api-version": "2018-02-01", "resource": STORAGE}
    assert (sent.request.headers.get("metadata"), sent.reach) == ("true", PLATFORM)


def test_another_clouds_entra_is_asked_over_https_only() -> None:
    world = TokenWorld(token())
    world.current(source(SECRET | {"AZURE_AUTHORITY_HOST": "https://login.microsoftonline.us/"}))
    assert world.sent[0].request.url.startswith("https://login.microsoftonline.us/tenant.example/")

    for host in ("http://login.example", "https://login.example/path", "canary"):
        with pytest.raises(ConfigurationError, match="AZURE_AUTHORITY_HOST") as caught:
            world.current(source(SECRET | {"AZURE_AUTHORITY_HOST": host}))
        assert "canary" not in str(caught.value)


@pytest.mark.parametrize("missing", ["AZURE_TENANT_ID", "AZURE_CLIENT_ID"])
def test_half_of_a_client_is_refused(missing: str) -> None:
    environ = {name: text for name, text in SECRET.items() if name != missing}

    with pytest.raises(ConfigurationError, match="set both"):
        TokenWorld(token()).current(source(environ))


def test_a_tenant_that_would_lead_elsewhere_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="AZURE_TENANT_ID"):
        TokenWorld(token()).current(source(SECRET | {"AZURE_TENANT_ID": "../evil"}))


def test_a_token_is_kept_until_shortly_before_it_expires() -> None:
    azure, world = source(SECRET), TokenWorld(token("first"), token("second"))
    world.current(azure)
    world.now = START + 3600 - 226
    assert world.current(azure) == "first"
    assert len(world.sent) == 1

    world.now += 1

    assert world.current(azure) == "second"


def test_a_token_that_still_lives_survives_a_failed_renewal() -> None:
    azure, world = source(SECRET), TokenWorld(token("first"), NO_ANSWER)
    world.current(azure)
    world.now = START + 3600 - 100
    assert world.current(azure) == "first"

    world.now = START + 3600

    with pytest.raises(StoreError, match="gave no access token"):
        world.current(azure)


@pytest.mark.parametrize("first", [NO_ANSWER, Response(500), Response(429)], ids=["no answer", "500", "429"])
def test_a_failure_that_may_pass_is_tried_again(first: Response | TransportError) -> None:
    world = TokenWorld(first, token())

    assert world.current(source(SECRET)) == "canary-token"


def test_a_metadata_service_that_is_being_updated_is_asked_again() -> None:
    assert TokenWorld(Response(410), Response(404), token()).current(source({})) == "canary-token"


def test_trying_ends() -> None:
    world = TokenWorld(NO_ANSWER)

    with pytest.raises(StoreError, match="AZURE_STORAGE_KEY"):
        world.current(source({}))

    assert len(world.sent) == MAX_ATTEMPTS


def test_nothing_is_asked_when_no_time_is_left() -> None:
    world = TokenWorld(token(), remaining=0.1)

    with pytest.raises(StoreError):
        world.current(source(SECRET))

    assert not world.sent


def test_a_refusal_says_its_registered_word_and_nothing_else() -> None:
    world = TokenWorld(refusal("invalid_client", 401))

    with pytest.raises(StoreError, match=r"Entra ID gave no access token \(invalid_client\)") as caught:
        world.current(source(SECRET))

    assert len(world.sent) == 1
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    "answer",
    [
        Response(200, body=b"canary"),
        Response(200, body=b"[]"),
        token(access_token=""),
        token(access_token="canary token"),
        token(token_type="mac"),
        token(expires_in=None),
        token(expires_in="canary"),
    ],
)
def test_an_answer_that_is_no_token_is_an_error_that_quotes_none_of_it(answer: Response) -> None:
    with pytest.raises(StoreError, match="not an access token") as caught:
        TokenWorld(answer).current(source(SECRET))

    assert "canary" not in str(caught.value)


def test_the_source_prints_nothing_of_what_it_holds() -> None:
    azure = source(SECRET)
    TokenWorld(token()).current(azure)

    assert "canary" not in repr(azure) + str(azure) + repr(azure._kept)


@pytest.mark.parametrize(
    "environ",
    [
        {"AZURE_STORAGE_KEY": "a2V5"},
        {"AZURE_STORAGE_KEY": "a2V5", "AZURE_STORAGE_ACCOUNT": "acme"},
        {
            "AZURE_STORAGE_CONNECTION_STRING": (
                "DefaultEndpointsProtocol=https;AccountName=acme;AccountKey=a2V5;EndpointSuffix=core.windows.net"
            )
        },
    ],
)
def test_the_accounts_key_comes_from_the_environment(environ: dict[str, str]) -> None:
    key = storage_account_key(environ, "acme")

    assert key is not None
    assert key.reveal() == "a2V5"


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"AZURE_STORAGE_KEY": "a2V5", "AZURE_STORAGE_ACCOUNT": "other"},
        {"AZURE_STORAGE_CONNECTION_STRING": "AccountName=other;AccountKey=a2V5"},
        {"AZURE_STORAGE_CONNECTION_STRING": "UseDevelopmentStorage=true"},
        {
            "AZURE_STORAGE_CONNECTION_STRING": "AccountName=other;AccountKey=a2V5;TableEndpoint=https://elsewhere.example"
        },
    ],
)
def test_another_accounts_key_is_not_used(environ: dict[str, str]) -> None:
    assert storage_account_key(environ, "acme") is None
    assert storage_table_endpoint(environ, "acme") == ""


def test_a_broken_key_is_refused_without_being_shown() -> None:
    with pytest.raises(ConfigurationError, match="not base64") as caught:
        storage_account_key({"AZURE_STORAGE_KEY": "canary key"}, "acme")

    assert "canary" not in str(caught.value)


class Identity(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        right = self.headers["X-IDENTITY-HEADER"] == "canary-header"
        answer = json.dumps({"access_token": "t", "expires_on": "4102444800", "token_type": "Bearer"}).encode()
        self.send_response(200 if right else 401)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def endpoint() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Identity)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/msi/token"
    server.shutdown()
    thread.join()
    server.server_close()


def test_an_identity_endpoint_on_loopback_is_asked_over_a_real_connection(endpoint: str) -> None:
    azure = source({"IDENTITY_ENDPOINT": endpoint, "IDENTITY_HEADER": "canary-header"})
    performers: dict[type, Callable[..., object]] = {Now: lambda _: time.time(), Remaining: lambda _: 30.0}
    with StdlibTransport() as transport:
        performers[Send] = transport.send
        found = drive(azure.current(), lambda effect: performers[type(effect)](effect))

    assert found.reveal() == "t"


def test_an_identity_endpoint_elsewhere_is_never_asked_over_plain_http() -> None:
    azure = source({"IDENTITY_ENDPOINT": "http://identity.example/token", "IDENTITY_HEADER": "h"})
    world = TokenWorld(token())
    with StdlibTransport(resolver=lambda *_: pytest.fail("a name was resolved")) as transport:
        world.current(azure)

        with pytest.raises(Exception, match="fixed addresses"):
            transport.send(world.sent[0])


@pytest.mark.parametrize("change", [{"IDENTITY_ENDPOINT": "canary"}, {"IDENTITY_HEADER": "canary\r\nX: y"}])
def test_an_identity_endpoint_that_is_none_is_refused(change: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match="IDENTITY_ENDPOINT") as caught:
        TokenWorld(token()).current(source(APP | change))

    assert "canary" not in str(caught.value)
