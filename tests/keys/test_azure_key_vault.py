"""A ring of keys wrapped by Azure Key Vault, against a strict fake written from its REST reference (`fakes`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.keys.fakes import KeyVault, Tokens
from tests.keys.steps import PLACE, World, refuse, ring

from valetkey.errors import KeyUnavailable, StoreError
from valetkey.keys.azure_key_vault import AzureKeyVault, name_problem
from valetkey.value import replace

if TYPE_CHECKING:
    from valetkey.keys.key_service import WrappedKey

NAME = "https://fleet.vault.azure.net/keys/valetkey/0698c2156c1a4e1da5b6bab6f6422fd6"


class Bench:
    def __init__(self) -> None:
        self.vault = VAULT
        self.vault.__dict__.update(revoked=set(), denied=False, tamper={}, error="")
        self.tokens = Tokens()
        self.resources: list[str] = []
        self.service = AzureKeyVault(credentials_for=self._source)
        self.world = World(self.vault.send)

    def _source(self, resource: str) -> Tokens:
        self.resources.append(resource)
        return self.tokens

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


VAULT = KeyVault(NAME)  # an RSA key takes a moment to make


def test_what_was_sealed_opens_in_another_cold_start_after_one_unwrap_each() -> None:
    bench = Bench()
    wrapped = bench.wrap()
    sealed = bench.world.run(ring(wrapped, service=bench.service).seal(PLACE, b"x"))
    fresh = ring(wrapped, service=bench.service)

    for _ in range(20):
        assert bench.world.run(fresh.open(PLACE, sealed)) == b"x"

    assert len(bench.world.sent) == 2
    assert set(bench.resources) == {"https://vault.azure.net"}
    assert bench.tokens.given == 1


@pytest.mark.parametrize(("key_id", "environment"), [("k-1", "staging"), ("k-2", "production")])
def test_a_key_wrapped_for_elsewhere_is_refused(key_id: str, environment: str) -> None:
    bench = Bench()

    error = bench.failure(replace(bench.wrap(), key_id=key_id), environment)

    assert "for this key id and environment" in str(error)


def test_an_altered_wrapped_key_is_refused_by_the_service() -> None:
    bench = Bench()
    wrapped = bench.wrap()

    assert "was altered" in str(bench.failure(replace(wrapped, wrapped=wrapped.wrapped[:-1] + b"?")))


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("ForbiddenByRbac", "Key Vault Crypto User"),
        ("KeyDisabled", "enable it in the vault"),
        ("ForbiddenByFirewall", "firewall"),
        ("KeyExpired", "expiry"),
        ("SomethingNew", "Key Vault Crypto User"),  # any other 403 is a matter of permission
    ],
)
def test_a_refusal_is_a_sentence_that_says_what_to_do_and_the_key_works_again_afterwards(
    code: str, sentence: str
) -> None:
    bench = Bench()
    wrapped = bench.wrap()
    bench.vault.error = code

    assert sentence in str(bench.failure(wrapped))
    assert len(bench.world.sent) == 1

    bench.vault.error = ""
    assert bench.world.run(ring(wrapped, service=bench.service).seal(PLACE, b"x"))


def test_a_version_that_is_not_there_is_named() -> None:
    bench = Bench()

    error = bench.failure(replace(bench.wrap(), name=NAME[:-1] + "0"))

    assert "no such key or version" in str(error)


def test_a_token_that_was_revoked_is_renewed() -> None:
    bench = Bench()
    wrapped = bench.wrap()
    bench.vault.revoked = {"canary-token-1"}

    assert bench.world.run(ring(wrapped, service=bench.service).seal(PLACE, b"x"))

    assert bench.tokens.given == 2


@pytest.mark.parametrize(
    "tamper", [{"kid": NAME[:-1] + "0"}, {"kid": None}, {"value": "AAAA"}, {"value": 5}, {"value": "?"}]
)
def test_an_answer_that_is_no_key_of_ours_is_refused(tamper: dict[str, object]) -> None:
    bench = Bench()
    wrapped = bench.wrap()
    bench.vault.tamper = tamper

    assert "not the key that was wrapped" in str(bench.failure(wrapped))


def test_who_may_not_wrap_is_told_the_role_and_a_damaged_answer_is_refused() -> None:
    bench = Bench()
    bench.vault.denied = True
    with pytest.raises(KeyUnavailable, match="give yourself the role Key Vault Crypto User"):
        bench.wrap()
    bench.vault.denied, bench.vault.tamper = False, {"value": ""}

    with pytest.raises(KeyUnavailable):
        bench.wrap()


def test_a_vault_that_is_down_is_an_outage() -> None:
    wrapped = Bench().wrap()

    with pytest.raises(StoreError, match="out of reach"):
        World(refuse(503, b"")).run(ring(wrapped, service=Bench().service).seal(PLACE, b"x"))


@pytest.mark.parametrize(
    "name",
    [
        "",
        "fleet/keys/valetkey/1",
        "https://fleet.vault.azure.net/keys/valetkey",
        "https://fleet.vault.azure.net/secrets/valetkey/1",
        "https://fleet.vault.azure.net/keys/valetkey/1/",
        "https://fleet.vault.azure.net:444/keys/valetkey/1",
        "https://fleet.vault.azure.net.evil.example/keys/valetkey/1",
        "https://evil.example/keys/valetkey/1",
        "https://a.b.vault.azure.net/keys/valetkey/1",
        "http://fleet.vault.azure.net/keys/valetkey/1",
        "https://fleet.vault.azure.net/keys/val%2Fetkey/1",
    ],
)
def test_a_token_goes_to_no_other_host_than_a_vaults(name: str) -> None:
    assert "with the version" in name_problem(name)


def test_vaults_of_every_azure_cloud_are_taken() -> None:
    for host in ("vault.azure.net", "managedhsm.azure.net", "vault.azure.cn", "vault.usgovcloudapi.net"):
        assert name_problem(NAME.replace("vault.azure.net", host)) == ""
