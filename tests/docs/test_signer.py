"""The signer that docs/oauth1.md has to be copied makes the signatures that are asked of it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

PAGE = Path(__file__).parents[2] / "docs" / "oauth1.md"
PKCS1, PSS = padding.PKCS1v15(), padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)
ALGORITHMS: dict[str, tuple[Any, Any]] = {
    "RS256": (PKCS1, hashes.SHA256()),
    "RS512": (PKCS1, hashes.SHA512()),
    "PS256": (PSS, hashes.SHA256()),
}
IN_KMS: dict[str, tuple[Any, Any]] = {
    "RSASSA_PKCS1_V1_5_SHA_256": ALGORITHMS["RS256"],
    "RSASSA_PKCS1_V1_5_SHA_512": ALGORITHMS["RS512"],
    "RSASSA_PSS_SHA_256": ALGORITHMS["PS256"],
}


class Kms:
    """AWS KMS, as far as its `Sign` is documented: at most 4096 octets, and a digest of the algorithm's own length."""

    def __init__(self) -> None:
        self.key = rsa.generate_private_key(65537, 2048)

    def sign(self, *, KeyId: str, Message: bytes, MessageType: str, SigningAlgorithm: str) -> dict[str, bytes]:  # noqa: N803 - AWS's words
        assert KeyId == "key"
        assert len(Message) <= 4096
        pad, digest = IN_KMS[SigningAlgorithm]
        return {"Signature": self.key.sign(Message, pad, Prehashed(digest) if MessageType == "DIGEST" else digest)}


@pytest.mark.parametrize("algorithm", sorted(ALGORITHMS))
@pytest.mark.parametrize("length", [10, 5000])
def test_it_signs_with_the_algorithm_that_it_is_told_and_messages_of_any_length(algorithm: str, length: int) -> None:
    (block,) = [each for each in re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL) if "def sign(" in each]
    kms = Kms()
    names: dict[str, Any] = {"kms": kms, "KEY": "key"}
    exec(block, names)

    signature = names["sign"](algorithm, b"m" * length)

    kms.key.public_key().verify(signature, b"m" * length, *ALGORITHMS[algorithm])
