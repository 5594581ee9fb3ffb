"""A ring of keys wrapped by AWS KMS, against moto's KMS; refusals that moto does not make come from a stub server."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from tests.keys.steps import ENVIRON, PLACE, REGION, World, refuse, ring

from valetkey.clouds.aws_credentials import AwsCredentialSource
from valetkey.errors import ConfigurationError, KeyUnavailable, StoreError, TransportError
from valetkey.http import Response
from valetkey.keys.aws_kms import AwsKms, name_problem
from valetkey.keys.key_service import MAX_ATTEMPTS, WrappedKey
from valetkey.keys.open import open_key_ring, write_key
from valetkey.value import replace

if TYPE_CHECKING:
    from tests.keys.steps import KmsServer

    from valetkey.effects import Send

ARN = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
WRAPPED = WrappedKey("k-1", "aws-kms", ARN, b"wrapped")


def stub(environ: dict[str, str] | None = None) -> AwsKms:
    return AwsKms(credentials=AwsCredentialSource(environ or ENVIRON))


def error(code: str, status: int = 400) -> tuple[int, object]:
    return status, {"__type": code, "message": "canary-body"}


def test_what_was_sealed_opens_in_another_cold_start_after_one_unwrap_each(kms: KmsServer) -> None:
    wrapped = kms.wrap(kms.create_key())
    world, other = kms.world(), kms.world()

    sealed = world.run(ring(wrapped, service=kms.service).seal(PLACE, b"tokens"))

    assert sealed.startswith(b"vk1.k-1.")
    fresh = ring(wrapped, service=kms.service)
    for _ in range(50):
        assert other.run(fresh.open(PLACE, sealed)) == b"tokens"
    assert (len(world.sent), len(other.sent)) == (1, 1)


def test_the_text_of_a_ring_makes_it_anew(kms: KmsServer) -> None:
    wrapped = kms.wrap(kms.create_key())
    text = write_key(wrapped)
    world = kms.world()

    found = open_key_ring(
        text, random=bytes, environ={**ENVIRON, "AWS_ENDPOINT_URL_KMS": kms.endpoint}, environment="production"
    )

    assert text.startswith(f"k-1:aws-kms:arn:aws:kms:{REGION}:")
    sealed = world.run(found.seal(PLACE, b"tokens"))
    assert world.run(ring(wrapped, service=kms.service).open(PLACE, sealed)) == b"tokens"


def test_an_alias_is_written_down_as_the_key_behind_it(kms: KmsServer) -> None:
    arn = kms.create_key()
    alias = f"alias/valetkey-{arn[-8:]}"
    kms.administer("CreateAlias", AliasName=alias, TargetKeyId=arn.rpartition("/")[2])

    wrapped = kms.wrap(arn.rpartition(":")[0] + f":{alias}")

    assert wrapped.name == arn


@pytest.mark.parametrize(
    ("key_id", "environment"), [("k-1", "staging"), ("k-2", "production")], ids=["another environment", "another id"]
)
def test_a_key_wrapped_for_elsewhere_is_refused_by_the_service(kms: KmsServer, key_id: str, environment: str) -> None:
    wrapped = replace(kms.wrap(kms.create_key()), key_id=key_id)
    found = ring(wrapped, service=kms.service, environment=environment)

    with pytest.raises(KeyUnavailable, match="VALETKEY_ENVIRONMENT as it was") as caught:
        kms.world().run(found.seal(PLACE, b"x"))

    assert caught.value.key_id == key_id


def test_an_altered_wrapped_key_is_refused_by_the_service(kms: KmsServer) -> None:
    wrapped = kms.wrap(kms.create_key())
    octets = bytearray(wrapped.wrapped)
    octets[-1] ^= 1

    with pytest.raises(KeyUnavailable, match="was altered"):
        kms.world().run(ring(replace(wrapped, wrapped=bytes(octets)), service=kms.service).seal(PLACE, b"x"))


def test_a_key_that_is_not_the_one_that_wrapped_is_refused_by_the_service(kms: KmsServer) -> None:
    wrapped = replace(kms.wrap(kms.create_key()), name=kms.create_key())

    with pytest.raises(KeyUnavailable, match="cannot be unwrapped by AWS KMS"):
        kms.world().run(ring(wrapped, service=kms.service).seal(PLACE, b"x"))


def test_a_key_that_does_not_exist_is_named(kms: KmsServer) -> None:
    wrapped = replace(kms.wrap(kms.create_key()), name=ARN.replace("111122223333", "123456789012"))

    with pytest.raises(KeyUnavailable, match=r"sealing key 'k-1' cannot be unwrapped by AWS KMS .*the rows are kept"):
        kms.world().run(ring(wrapped, service=kms.service).seal(PLACE, b"x"))


def test_a_missing_key_is_named_and_opens_again_when_it_is_back(kms: KmsServer) -> None:
    one, two = kms.wrap(kms.create_key(), "k-1"), kms.wrap(kms.create_key(), "k-2")
    world = kms.world()
    sealed = world.run(ring(one, service=kms.service).seal(PLACE, b"x"))

    with pytest.raises(KeyUnavailable, match="add it back") as caught:
        world.run(ring(two, service=kms.service).open(PLACE, sealed))

    assert caught.value.key_id == "k-1"
    assert world.run(ring(two, one, service=kms.service).open(PLACE, sealed)) == b"x"


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("AccessDeniedException", "access denied: allow this function's role kms:Decrypt"),
        ("DisabledException", "the key is disabled: enable it"),
        ("KMSInvalidStateException", "waits for its deletion"),
        ("com.amazonaws.kms#NotFoundException", "no such key in this region"),
        ("IncorrectKeyException", "correct the ARN"),
        ("SomethingNew", "status 400, SomethingNew"),
        ("<script>canary</script>", "an error without a code"),
    ],
)
def test_a_refusal_is_a_sentence_that_says_what_to_do_and_is_not_repeated(code: str, sentence: str) -> None:
    world = World(refuse(*error(code)))

    with pytest.raises(KeyUnavailable) as caught:
        world.run(ring(WRAPPED, service=stub()).seal(PLACE, b"x"))

    assert sentence in str(caught.value)
    assert ARN in str(caught.value)
    assert "canary" not in str(caught.value)
    assert len(world.sent) == 1


@pytest.mark.parametrize("code", ["UnrecognizedClientException", "InvalidSignatureException"])
def test_wrong_credentials_are_an_error_that_says_nothing_of_the_key(code: str) -> None:
    with pytest.raises(StoreError, match="AWS") as caught:
        World(refuse(*error(code))).run(ring(WRAPPED, service=stub()).seal(PLACE, b"x"))

    assert not isinstance(caught.value, KeyUnavailable)


@pytest.mark.parametrize(
    "answer",
    [error("KMSInternalException", 500), error("ThrottlingException"), (503, b"<html>"), (200, b"<html>"), (429, b"")],
)
def test_a_service_that_is_down_is_asked_again_and_then_is_an_outage(answer: tuple[int, object]) -> None:
    world = World(refuse(*answer))

    with pytest.raises(StoreError, match="out of reach") as caught:
        world.run(ring(WRAPPED, service=stub()).seal(PLACE, b"x"))

    assert not isinstance(caught.value, KeyUnavailable)
    assert len(world.sent) == MAX_ATTEMPTS
    assert len(world.slept) == MAX_ATTEMPTS - 1


def test_no_answer_is_an_outage_and_nothing_is_sent_without_time() -> None:
    def nothing(_: Send) -> Response:
        raise TransportError("cut", maybe_received=True)

    world, late = World(nothing), World(nothing)
    late.remaining = 0.1

    for each in (world, late):
        with pytest.raises(StoreError, match="out of reach"):
            each.run(ring(WRAPPED, service=stub()).seal(PLACE, b"x"))

    assert (len(world.sent), len(late.sent)) == (MAX_ATTEMPTS, 0)


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"KeyId": ARN, "Plaintext": "AAAA"},
        {"KeyId": ARN, "Plaintext": 5},
        {"KeyId": ARN, "Plaintext": "canary!"},
        {"KeyId": ARN.replace("1234abcd", "ffffffff"), "Plaintext": "A" * 43 + "="},
    ],
)
def test_an_answer_that_is_no_key_of_ours_is_refused(answer: object) -> None:
    with pytest.raises(KeyUnavailable, match="not the key that was wrapped") as caught:
        World(refuse(200, answer)).run(ring(WRAPPED, service=stub()).seal(PLACE, b"x"))

    assert "canary" not in str(caught.value)


def test_the_request_names_the_key_and_the_region_of_its_arn() -> None:
    world = World(refuse(*error("DisabledException")))

    with pytest.raises(KeyUnavailable):
        world.run(ring(WRAPPED, service=stub()).seal(PLACE, b"x"))

    request = world.sent[0].request
    content = json.loads(request.body)
    assert request.url == "https://kms.eu-central-1.amazonaws.com/"
    assert content["KeyId"] == ARN
    assert content["EncryptionContext"] == {"valetkey:environment": "production", "valetkey:key": "k-1"}
    assert "/eu-central-1/kms/aws4_request" in str(request.headers.get("authorization"))


def test_a_new_key_that_may_not_be_made_is_a_sentence_for_the_operator() -> None:
    with pytest.raises(StoreError, match=r"cannot be made .* kms:GenerateDataKeyWithoutPlaintext"):
        World(refuse(*error("AccessDeniedException"))).run(stub().wrap(ARN, key_id="k-1", environment="production"))
    with pytest.raises(KeyUnavailable):
        World(refuse(200, {"KeyId": ARN})).run(stub().wrap(ARN, key_id="k-1", environment="production"))


@pytest.mark.parametrize(
    "name",
    [
        "",
        "alias/valetkey",
        "1234abcd-12ab-34cd-56ef-1234567890ab",
        ARN.replace("kms", "s3"),
        ARN.replace("arn:aws:", "arn:evil:"),
        ARN.replace("eu-central-1", "evil.example/"),
        ARN.replace("111122223333", "12"),
        ARN.replace("key/", "grant/"),
        ARN + "/../x y",
    ],
)
def test_a_name_that_is_no_arn_of_a_key_is_a_problem(name: str) -> None:
    assert "named by its ARN" in name_problem(name)


def test_names_of_keys_in_every_partition_are_taken() -> None:
    for name in (
        ARN,
        ARN.replace("arn:aws:", "arn:aws-cn:"),
        ARN.replace(":key/", ":key/mrk-"),
        ARN.replace(":key/", ":alias/"),
    ):
        assert name_problem(name) == ""


@pytest.mark.parametrize("endpoint", ["http://kms.example", "https://kms.example/path", "ftp://x", "https://u@x"])
def test_an_endpoint_that_would_not_be_safe_is_refused(endpoint: str) -> None:
    with pytest.raises(ConfigurationError, match="endpoint of AWS KMS"):
        AwsKms(credentials=AwsCredentialSource(ENVIRON), endpoint=endpoint)


def test_nothing_that_is_printed_holds_a_key_or_a_secret(kms: KmsServer) -> None:
    wrapped = kms.wrap(kms.create_key())
    found = ring(wrapped, service=kms.service)
    kms.world().run(found.seal(PLACE, b"x"))

    assert repr(found) == "EnvelopeKeyRing(k-1)"
    assert "canary" not in repr(kms.service) + repr(found)
    assert repr(wrapped.wrapped) not in repr(wrapped)


def test_expired_credentials_are_asked_for_anew() -> None:
    environ = {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/x"}
    given: list[str] = []

    def answers(effect: Send) -> Response:
        if effect.request.url.startswith("http://169.254.170.2/"):
            given.append(f"ASIA{len(given)}")
            found = {
                "AccessKeyId": given[-1],
                "SecretAccessKey": "S",
                "Token": "T",
                "Expiration": "2036-01-01T00:00:00Z",
            }
            return Response(200, body=json.dumps(found).encode())
        signed = str(effect.request.headers.get("authorization"))
        code = "ExpiredTokenException" if "ASIA0" in signed else "DisabledException"
        return refuse(*error(code))(effect)

    with pytest.raises(KeyUnavailable, match="enable it"):
        World(answers).run(ring(WRAPPED, service=stub(environ)).seal(PLACE, b"x"))

    assert given == ["ASIA0", "ASIA1"]


def test_asking_again_stops_when_the_invocation_has_no_time_for_it() -> None:
    world = World(refuse(503, b""))
    world.remaining = 0.21

    with pytest.raises(StoreError, match="out of reach"):
        world.run(ring(WRAPPED, service=stub()).seal(PLACE, b"x"))

    assert len(world.sent) < MAX_ATTEMPTS
