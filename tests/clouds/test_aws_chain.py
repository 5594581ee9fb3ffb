"""Web identity against moto's STS, shared profiles with botocore as an oracle, and boto3's own chain when asked for."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from botocore.session import Session
from hypothesis import given
from hypothesis import strategies as st
from tests.stores import servers

from valetkey.clouds.aws_credentials import AwsCredentialSource
from valetkey.clouds.aws_profiles import profile_credentials
from valetkey.clouds.aws_web_identity import read_credentials
from valetkey.clouds.tokens import MAX_ATTEMPTS
from valetkey.drivers.drive import drive
from valetkey.drivers.transports.stdlib import StdlibTransport
from valetkey.effects import CONFIGURED, Now, Random, Remaining, Send, Sleep
from valetkey.errors import ConfigurationError, StoreError, TransportError
from valetkey.http import Headers, Response, read_form

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from valetkey.clouds.aws_sigv4 import AwsCredentials

ROLE = "arn:aws:iam::111122223333:role/fleet"
ANSWER = (
    '<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">'
    "<AssumeRoleWithWebIdentityResult><Audience>sts.amazonaws.com</Audience><AssumedRoleUser><Arn>arn</Arn>"
    "</AssumedRoleUser><Credentials><SessionToken>canary-session</SessionToken><SecretAccessKey>canary-secret"
    "</SecretAccessKey><Expiration>2036-11-01T23:00:23Z</Expiration><AccessKeyId>ASIAROLE</AccessKeyId></Credentials>"
    "</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"
)


def refused(code: str, status: int = 400) -> Response:
    body = (
        f"<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>canary</Message></Error></ErrorResponse>"
    )
    return Response(status, Headers(), body.encode())


class World:
    """A clock and a network that answers from a list, the last answer for ever."""

    def __init__(self, *answers: Response | TransportError, send: Callable[[Send], Response] | None = None) -> None:
        self.answers, self.send = list(answers), send
        self.sent: list[Send] = []

    def answer(self, effect: object) -> object:
        match effect:
            case Now():
                return time.time()
            case Remaining():
                return 30.0
            case Random(octets):
                return os.urandom(octets)
            case Sleep():
                return None
            case Send():
                self.sent.append(effect)
                if self.send is not None:
                    return self.send(effect)
                reply = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                if isinstance(reply, TransportError):
                    raise reply
                return reply
        raise AssertionError(effect)

    def current(self, source: AwsCredentialSource) -> AwsCredentials:
        return drive(source.current(), self.answer)


@pytest.fixture
def web_identity(tmp_path: Path) -> dict[str, str]:
    path = tmp_path / "token"
    path.write_text("canary.jwt.token\n")
    return {"AWS_ROLE_ARN": ROLE, "AWS_WEB_IDENTITY_TOKEN_FILE": str(path), "AWS_REGION": "eu-central-1"}


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    yield from servers.moto()


def ok(**changes: str) -> Response:
    body = ANSWER
    for old, new in changes.items():
        assert old in body
        body = body.replace(old, new)
    return Response(200, Headers(), body.encode())


def test_a_role_is_assumed_at_sts_by_the_token_in_the_file(web_identity: dict[str, str], moto: str) -> None:
    with StdlibTransport() as transport:
        world = World(send=transport.send)
        source = AwsCredentialSource({**web_identity, "AWS_ENDPOINT_URL_STS": moto})

        first, second = world.current(source), world.current(source)

    assert first == second
    assert len(world.sent) == 1
    assert first.access_key_id.startswith("ASIA")
    assert first.session_token is not None
    assert first.expires_at > time.time() + 3_000


def test_the_request_goes_to_the_regions_sts_unsigned_and_the_file_is_read_each_time(
    web_identity: dict[str, str], tmp_path: Path
) -> None:
    world, source = World(ok()), AwsCredentialSource({**web_identity, "AWS_ROLE_SESSION_NAME": "report"})
    found = world.current(source)
    (tmp_path / "token").write_text("second")
    source.forget()
    world.current(source)

    fields = [dict(read_form(sent.request.body.decode())) for sent in world.sent]
    assert (found.access_key_id, found.secret_access_key.reveal()) == ("ASIAROLE", "canary-secret")
    assert found.session_token is not None
    assert found.session_token.reveal() == "canary-session"
    assert world.sent[0].request.url == "https://sts.eu-central-1.amazonaws.com/"
    assert world.sent[0].reach == CONFIGURED
    assert world.sent[0].request.headers.get("authorization") is None
    assert [each["WebIdentityToken"] for each in fields] == ["canary.jwt.token", "second"]
    assert (fields[0]["RoleArn"], fields[0]["RoleSessionName"]) == (ROLE, "report")


@pytest.mark.parametrize(
    ("region", "url"),
    [("", "https://sts.amazonaws.com/"), ("cn-north-1", "https://sts.cn-north-1.amazonaws.com.cn/")],
)
def test_where_sts_is_depends_on_the_region(web_identity: dict[str, str], region: str, url: str) -> None:
    world = World(ok())

    world.current(AwsCredentialSource({**web_identity, "AWS_REGION": region}))

    assert world.sent[0].request.url == url


@pytest.mark.parametrize(
    "changes",
    [
        {"AWS_ROLE_ARN": ""},
        {"AWS_REGION": "evil.example/"},
        {"AWS_ENDPOINT_URL_STS": "http://sts.example/"},
        {"AWS_ENDPOINT_URL_STS": "https://user@sts.example/"},
    ],
)
def test_the_token_goes_nowhere_else(web_identity: dict[str, str], changes: dict[str, str]) -> None:
    world = World(ok())

    with pytest.raises(ConfigurationError):
        world.current(AwsCredentialSource({**web_identity, **changes}))

    assert not world.sent


def test_a_token_file_that_is_not_there_is_one_sentence(web_identity: dict[str, str], tmp_path: Path) -> None:
    for content in (None, "", "x" * 30_000):
        path = tmp_path / "other"
        if content is not None:
            path.write_text(content)
        with pytest.raises(StoreError, match="AWS_WEB_IDENTITY_TOKEN_FILE names a file"):
            World(ok()).current(AwsCredentialSource({**web_identity, "AWS_WEB_IDENTITY_TOKEN_FILE": str(path)}))


@pytest.mark.parametrize(
    ("code", "sentence", "attempts"),
    [
        ("AccessDenied", "trust policy", 1),
        ("ExpiredTokenException", "the token has expired", 1),
        ("InvalidIdentityToken", "register its identity provider", 1),
        ("IDPCommunicationError", "cannot reach the identity provider", MAX_ATTEMPTS),
        ("<i>canary</i>", "an error without a code", 1),
    ],
)
def test_a_refusal_is_one_sentence(web_identity: dict[str, str], code: str, sentence: str, attempts: int) -> None:
    world = World(refused(code))

    with pytest.raises(StoreError, match=sentence) as caught:
        world.current(AwsCredentialSource(web_identity))

    assert "canary" not in str(caught.value)
    assert len(world.sent) == attempts


def test_a_failure_that_may_pass_is_tried_again(web_identity: dict[str, str]) -> None:
    cut = TransportError("cut", maybe_received=True)
    world = World(cut, refused("InternalFailure", 500), ok())

    assert world.current(AwsCredentialSource(web_identity)).access_key_id == "ASIAROLE"
    with pytest.raises(StoreError, match="no answer"):
        World(cut).current(AwsCredentialSource(web_identity))
    with pytest.raises(StoreError, match="status 502"):
        World(Response(502, Headers(), b"canary")).current(AwsCredentialSource(web_identity))


@pytest.mark.parametrize(
    "response",
    [
        Response(200, Headers(), b""),
        Response(200, Headers(), b"<html>canary</html>"),
        Response(200, Headers(), b"\xff"),
        Response(200, Headers(), ANSWER.encode() + b" " * 70_000),
        Response(200, Headers(), b"<!DOCTYPE x [<!ENTITY a 'canary'>]>" + ANSWER.encode()),
        Response(200, Headers(), ANSWER.encode() * 2),
        ok(ASIAROLE="&a;"),
        ok(ASIAROLE=""),
        ok(ASIAROLE="<b>x</b>"),
        ok(ASIAROLE="line\nbreak"),
        ok(**{"2036-11-01T23:00:23Z": "soon"}),
        ok(**{"<AccessKeyId>ASIAROLE</AccessKeyId>": ""}),
        ok(**{"</SecretAccessKey>": ""}),
    ],
)
def test_an_answer_that_is_not_credentials_is_refused_and_not_quoted(response: Response) -> None:
    with pytest.raises(StoreError, match="not credentials") as caught:
        read_credentials(response)

    assert "canary" not in str(caught.value)
    assert caught.value.__cause__ is None


def shared(tmp_path: Path, credentials: str = "", config: str = "") -> dict[str, str]:
    (tmp_path / "credentials").write_text(credentials)
    (tmp_path / "config").write_text(config)
    return {
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials"),
        "AWS_CONFIG_FILE": str(tmp_path / "config"),
    }


def entry(section: str, identifier: str, **more: str) -> str:
    lines = {"aws_access_key_id": identifier, "aws_secret_access_key": f"canary-{identifier}", **more}
    return f"[{section}]\n" + "".join(f"{name} = {text}\n" for name, text in lines.items())


CREDENTIALS = entry("default", "D") + entry("work", "W", aws_session_token="canary-token")
CONFIG = entry("profile only", "O", region="eu-west-1", s3="\n  max_queue_size = 5") + entry("profile work", "X")


@pytest.mark.parametrize(("profile", "identifier"), [("", "D"), ("work", "W"), ("only", "O"), ("default", "D")])
def test_a_profiles_keys_are_those_that_botocore_finds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, profile: str, identifier: str
) -> None:
    environ = shared(tmp_path, CREDENTIALS, CONFIG) | ({"AWS_PROFILE": profile} if profile else {})
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, text in environ.items():
        monkeypatch.setenv(name, text)

    found = World().current(AwsCredentialSource(environ))
    oracle = Session().get_credentials()

    token = found.session_token.reveal() if found.session_token else None
    assert found.access_key_id == identifier
    assert (found.access_key_id, found.secret_access_key.reveal(), token) == (
        oracle.access_key,
        oracle.secret_key,
        oracle.token,
    )


def test_the_files_stand_in_the_home_directory_where_nothing_else_is_said(tmp_path: Path) -> None:
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "config").write_text(entry("default", "HOME"))
    (tmp_path / "elsewhere").write_text(entry("default", "ELSEWHERE"))

    found = profile_credentials({"HOME": str(tmp_path)})
    other = profile_credentials({"HOME": str(tmp_path), "AWS_SHARED_CREDENTIALS_FILE": "~/elsewhere"})

    assert found is not None
    assert other is not None
    assert (found.access_key_id, other.access_key_id) == ("HOME", "ELSEWHERE")


def test_the_order_is_environment_web_identity_profile_container(web_identity: dict[str, str], tmp_path: Path) -> None:
    container = {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/x"}
    files = shared(tmp_path, CREDENTIALS)
    keys = {"AWS_ACCESS_KEY_ID": "E", "AWS_SECRET_ACCESS_KEY": "canary"}
    everything = {**keys, **web_identity, **files, **container}

    assert World(ok()).current(AwsCredentialSource(everything)).access_key_id == "E"
    assert World(ok()).current(AwsCredentialSource({**web_identity, **files, **container})).access_key_id == "ASIAROLE"
    assert World(ok()).current(AwsCredentialSource({**files, **container})).access_key_id == "D"
    world = World(Response(404))
    with pytest.raises(StoreError, match="container's credential endpoint"):
        world.current(AwsCredentialSource({**shared(tmp_path), **container}))


@pytest.mark.parametrize(
    ("credentials", "profile", "sentence"),
    [
        (CREDENTIALS, "absent", "in neither of the shared files"),
        ("[sso]\nsso_session = x\n", "sso", "has no keys of its own.*boto3"),
        ("[half]\naws_access_key_id = canary\n", "half", "it needs both"),
        ("canary without a section", "work", "not in the form"),
        ("[work\naws_access_key_id = canary", "work", "not in the form"),
    ],
)
def test_a_profile_that_cannot_be_used_is_one_sentence(
    tmp_path: Path, credentials: str, profile: str, sentence: str
) -> None:
    environ = shared(tmp_path, credentials) | {"AWS_PROFILE": profile}

    with pytest.raises(ConfigurationError, match=sentence) as caught:
        World().current(AwsCredentialSource(environ))

    assert "canary" not in str(caught.value)
    assert len(caught.value.problems) == 1


def test_files_that_cannot_be_read_are_one_sentence(tmp_path: Path) -> None:
    environ = shared(tmp_path)
    (tmp_path / "credentials").write_bytes(b"\xff")

    with pytest.raises(ConfigurationError, match="cannot be read"):
        profile_credentials(environ)
    assert profile_credentials({}) is None


@given(st.text(max_size=200))
def test_whatever_stands_in_a_file_is_read_or_is_a_configuration_error(text: str) -> None:
    from pathlib import Path
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as directory:
        path = Path(directory) / "credentials"
        path.write_text(f"[default]\n{text}", encoding="utf-8", errors="replace")
        try:
            found = profile_credentials({"AWS_SHARED_CREDENTIALS_FILE": str(path)})
        except ConfigurationError:
            return
    assert found is None or found.access_key_id


def test_boto3_is_asked_only_where_somebody_says_so_and_then_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    process = "[default]\ncredential_process = " + f"{sys.executable} {tmp_path / 'program.py'}\n"
    (tmp_path / "program.py").write_text(
        'print(\'{"Version": 1, "AccessKeyId": "P", "SecretAccessKey": "canary", "SessionToken": "T"}\')'
    )
    for name, text in shared(tmp_path, config=process).items():
        monkeypatch.setenv(name, text)
    source = AwsCredentialSource({"VALETKEY_AWS_CREDENTIALS": "boto3", "AWS_ACCESS_KEY_ID": "not read"})

    found = World().current(source)
    source.forget()

    assert (found.access_key_id, World().current(source)) == ("P", found)
    assert found.session_token is not None


def test_boto3_that_finds_nothing_or_is_not_there_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, text in (shared(tmp_path) | {"AWS_EC2_METADATA_DISABLED": "true"}).items():
        monkeypatch.setenv(name, text)

    def source(word: str = "boto3") -> AwsCredentialSource:
        return AwsCredentialSource({"VALETKEY_AWS_CREDENTIALS": word})

    with pytest.raises(ConfigurationError, match="boto3 found no AWS credentials"):
        World().current(source())
    with pytest.raises(ConfigurationError, match="has one value: boto3"):
        World().current(source("yes"))
    monkeypatch.setenv("AWS_PROFILE", "absent")
    with pytest.raises(StoreError, match="ProfileNotFound"):
        World().current(source())
    missing: Any = None
    monkeypatch.setitem(sys.modules, "boto3", missing)
    with pytest.raises(ConfigurationError, match="needs boto3"):
        World().current(source())
