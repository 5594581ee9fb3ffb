"""The text of a ring that has wrapped keys in it, and what is said of one that is wrong."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.keys.steps import ENVIRON

from valetkey.config import read_key
from valetkey.errors import ConfigurationError
from valetkey.keys.aws_kms import AwsKms
from valetkey.keys.azure_key_vault import AzureKeyVault
from valetkey.keys.envelope import EnvelopeKeyRing
from valetkey.keys.gcp_kms import GcpKms
from valetkey.keys.key_service import WrappedKey
from valetkey.keys.local import LocalKeyRing, generate_key
from valetkey.keys.open import open_key_ring, open_service, read_key_ring, write_key, write_key_ring

if TYPE_CHECKING:
    from pathlib import Path

    from valetkey.keys.open import RingKey

AWS = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
GOOGLE = "projects/p-1/locations/global/keyRings/r/cryptoKeys/k"
AZURE = "https://fleet.vault.azure.net/keys/valetkey/0698c2156c1a4e1da5b6bab6f6422fd6"
NAMES = {"aws-kms": AWS, "gcp-kms": GOOGLE, "azure-key-vault": AZURE}
LOCAL = generate_key(os.urandom, key_id="local")


def problem(text: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        read_key_ring(text)
    assert "canary" not in str(caught.value)
    return "\n".join(caught.value.problems)


@given(
    st.lists(
        st.tuples(st.sampled_from([*NAMES, "local"]), st.binary(min_size=1, max_size=300)), min_size=1, max_size=8
    ),
    st.sampled_from(["\n", ",", " ,\n# a comment\n"]),
)
def test_every_ring_that_can_be_written_is_read_back(chosen: list[tuple[str, bytes]], separator: str) -> None:
    ring: list[RingKey] = []
    for number, (service, octets) in enumerate(chosen):
        if service == "local":
            ring.append((f"k-{number}", os.urandom(32)))
        else:
            ring.append(WrappedKey(f"k-{number}", service, NAMES[service], octets))

    assert read_key_ring(separator.join(write_key(key) for key in ring)) == tuple(ring)
    assert read_key_ring(write_key_ring(tuple(ring))) == tuple(ring)


def test_a_ring_of_local_keys_only_is_the_local_ring_and_any_other_one_the_envelope() -> None:
    local = open_key_ring(LOCAL, random=os.urandom, environ={})
    mixed = open_key_ring(f"{LOCAL},k-1:aws-kms:{AWS}:QUJD", random=os.urandom, environ=ENVIRON)

    assert isinstance(local, LocalKeyRing)
    assert isinstance(mixed, EnvelopeKeyRing)
    assert mixed.key_ids == ("local", "k-1")


def test_base64_is_taken_in_both_alphabets_with_and_without_padding() -> None:
    octets = b"\xfb\xff\xfe\x00"

    for text in ("-__-AA", "+//+AA==", "-__-AA=="):
        assert read_key_ring(f"k-1:aws-kms:{AWS}:{text}") == (WrappedKey("k-1", "aws-kms", AWS, octets),)


def test_a_ring_may_stand_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "ring"
    path.write_text(f"{LOCAL}\nk-1:gcp-kms:{GOOGLE}:QUJD\n")

    assert len(read_key_ring(f"file:{path}")) == 2
    assert read_key({"VALETKEY_KEY_FILE": str(path), "VALETKEY_ENVIRONMENT": "staging"})[1] == "staging"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "no key"),
        (f"k-1:hsm:{AWS}:QUJD", "names no key service"),
        ("k-1:aws-kms:canary:QUJD", "named by its ARN"),
        (f"k-1:aws-kms:{AWS}:", "does not end in base64"),
        (f"k-1:aws-kms:{AWS}:canary!", "does not end in base64"),
        (f"k-1:aws-kms:{AWS}", "named by its ARN"),
        (f"K_1:aws-kms:{AWS}:QUJD", "has no key id"),
        (f"k-1:aws-kms:{AWS}:{'A' * 20_000}", "does not end in base64"),
        ("k-1:azure-key-vault:https://evil.example/keys/k/1:QUJD", "with the version"),
        (f"k-1:gcp-kms:{GOOGLE}/cryptoKeyVersions/1:QUJD", "without a version"),
        (f"{LOCAL},local:aws-kms:{AWS}:QUJD", "stands there twice"),
        (f"{LOCAL},k-9:canary:canary:canary", "names no key service"),
        ("k-1:canary", "not base64 of 32 octets"),
    ],
)
def test_a_ring_that_is_wrong_is_told_by_the_key_and_quotes_none(text: str, sentence: str) -> None:
    found = problem(text)

    assert sentence in found
    assert found.startswith("VALETKEY_KEY: ")


def test_the_problems_of_all_keys_are_told_at_once() -> None:
    assert len(problem(f"k-1:hsm:{AWS}:QUJD,k-2:aws-kms:x:QUJD,nothing").splitlines()) == 3


@pytest.mark.parametrize(
    ("service", "kind"), [("aws-kms", AwsKms), ("gcp-kms", GcpKms), ("azure-key-vault", AzureKeyVault)]
)
def test_each_service_is_opened_without_asking_it_anything(service: str, kind: type) -> None:
    assert isinstance(open_service(service, NAMES[service], environ={}), kind)
