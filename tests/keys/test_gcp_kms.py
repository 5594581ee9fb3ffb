"""A ring of keys wrapped by Google Cloud KMS, against a strict fake written from its REST reference (`fakes`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.keys.fakes import GoogleKms, Tokens
from tests.keys.steps import PLACE, World, refuse, ring

from valetkey.errors import ConfigurationError, KeyUnavailable, StoreError
from valetkey.keys.gcp_kms import GcpKms, crc32c, name_problem
from valetkey.keys.key_service import MAX_ATTEMPTS
from valetkey.value import replace

if TYPE_CHECKING:
    from valetkey.keys.key_service import WrappedKey

NAME = "projects/p-1/locations/europe-west1/keyRings/valetkey/cryptoKeys/data.key"


class Bench:
    def __init__(self) -> None:
        self.kms = GoogleKms(NAME)
        self.tokens = Tokens()
        self.service = GcpKms(credentials=self.tokens)
        self.world = World(self.kms.send)

    def wrap(self) -> WrappedKey:
        found: WrappedKey = self.world.run(self.service.wrap(NAME, key_id="k-1", environment="production"))
        self.world.sent.clear()
        return found

    def failure(self, wrapped: WrappedKey, environment: str = "production") -> KeyUnavailable:
        with pytest.raises(KeyUnavailable) as caught:
            self.world.run(ring(wrapped, service=self.service, environment=environment).seal(PLACE, b"x"))
        assert "canary" not in str(caught.value)
        assert caught.value.key_id == wrapped.key_id
        return caught.value


def test_what_was_sealed_opens_in_another_cold_start_after_one_unwrap_each() -> None:
    bench = Bench()
    wrapped = bench.wrap()
    sealed = bench.world.run(ring(wrapped, service=bench.service).seal(PLACE, b"x"))
    fresh = ring(wrapped, service=bench.service)

    for _ in range(20):
        assert bench.world.run(fresh.open(PLACE, sealed)) == b"x"

    assert len(bench.world.sent) == 2
    assert bench.tokens.given == 1
    assert (wrapped.service, wrapped.name) == ("gcp-kms", NAME)


@pytest.mark.parametrize(("key_id", "environment"), [("k-1", "staging"), ("k-2", "production")])
def test_a_key_wrapped_for_elsewhere_is_refused_by_the_service(key_id: str, environment: str) -> None:
    bench = Bench()

    error = bench.failure(replace(bench.wrap(), key_id=key_id), environment)

    assert "VALETKEY_ENVIRONMENT as it was" in str(error)


def test_an_altered_wrapped_key_is_refused_by_the_service() -> None:
    bench = Bench()
    wrapped = bench.wrap()

    error = bench.failure(replace(wrapped, wrapped=wrapped.wrapped[:-1] + b"?"))

    assert "was altered" in str(error)


def test_a_denied_or_disabled_or_missing_key_is_a_sentence_and_works_again_when_it_is_back() -> None:
    bench = Bench()
    wrapped = bench.wrap()
    bench.kms.denied = True
    assert "roles/cloudkms.cryptoKeyDecrypter" in str(bench.failure(wrapped))
    bench.kms.denied, bench.kms.disabled = False, True
    assert "enable or restore it" in str(bench.failure(wrapped))
    assert "no such key" in str(bench.failure(replace(wrapped, name=NAME + "x")))
    assert len(bench.world.sent) == 3

    bench.kms.disabled = False

    assert bench.world.run(ring(wrapped, service=bench.service).seal(PLACE, b"x"))


def test_a_token_that_was_revoked_is_renewed_once_and_a_caller_google_does_not_know_is_no_matter_of_the_key() -> None:
    bench = Bench()
    wrapped = bench.wrap()
    bench.kms.revoked = {"canary-token-1"}
    assert bench.world.run(ring(wrapped, service=bench.service).seal(PLACE, b"x"))
    assert bench.tokens.given == 2
    bench.kms.revoked = {f"canary-token-{number}" for number in range(20)}

    with pytest.raises(StoreError) as caught:
        bench.world.run(ring(wrapped, service=bench.service).seal(PLACE, b"x"))

    assert not isinstance(caught.value, KeyUnavailable)


@pytest.mark.parametrize(
    "tamper",
    [
        {"plaintextCrc32c": "1"},
        {"plaintextCrc32c": None},
        {"plaintext": "QUJD"},
        {"plaintext": None},
        {"plaintext": "A" * 43 + "="},
    ],
)
def test_an_answer_that_was_damaged_on_its_way_is_refused(tamper: dict[str, object]) -> None:
    bench = Bench()
    wrapped = bench.wrap()
    bench.kms.tamper = tamper

    assert "not the key that was wrapped" in str(bench.failure(wrapped))


@pytest.mark.parametrize(
    "tamper",
    [{"verifiedPlaintextCrc32c": False}, {"ciphertextCrc32c": "5"}, {"ciphertext": ""}, {"ciphertext": 5}],
)
def test_a_wrapped_key_that_was_damaged_on_its_way_is_refused(tamper: dict[str, object]) -> None:
    bench = Bench()
    bench.kms.tamper = tamper

    with pytest.raises(KeyUnavailable):
        bench.wrap()


def test_who_may_not_wrap_is_told_the_role() -> None:
    bench = Bench()
    bench.kms.denied = True

    with pytest.raises(KeyUnavailable, match=r"roles/cloudkms.cryptoKeyEncrypter"):
        bench.wrap()


def test_a_service_that_is_down_is_an_outage() -> None:
    world = World(refuse(503, {"error": {"code": 503, "status": "UNAVAILABLE"}}))
    wrapped = Bench().wrap()

    with pytest.raises(StoreError, match=r"out of reach .UNAVAILABLE."):
        world.run(ring(wrapped, service=GcpKms(credentials=Tokens())).seal(PLACE, b"x"))

    assert len(world.sent) == MAX_ATTEMPTS


def test_checksums_are_those_of_rfc_3720() -> None:
    assert crc32c(b"123456789") == 0xE3069283
    assert crc32c(bytes(32)) == 0x8A9136AA  # RFC 3720 appendix B.4
    assert crc32c(b"\xff" * 32) == 0x62A8AB43
    assert crc32c(bytes(range(32))) == 0x46DD794E
    assert crc32c(bytes(range(31, -1, -1))) == 0x113FDB5C


@pytest.mark.parametrize(
    "name",
    ["", "projects/p", NAME + "/cryptoKeyVersions/1", NAME.replace("p-1", "../x"), NAME.replace("p-1", ""), f"/{NAME}"],
)
def test_a_name_that_is_no_key_of_cloud_kms_is_a_problem(name: str) -> None:
    assert "without a version" in name_problem(name)
    assert name_problem(NAME) == ""
    assert name_problem(NAME.replace("p-1", "example.com:p")) == ""


def test_an_endpoint_that_would_not_be_safe_is_refused() -> None:
    with pytest.raises(ConfigurationError):
        GcpKms(credentials=Tokens(), endpoint="http://kms.example/")
