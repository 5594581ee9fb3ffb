"""SHA-1 on machines whose OpenSSL policy forbids it (RFC 5849 section 3.4.2 has no other hash)."""

from __future__ import annotations

import hmac
import subprocess
import sys
from base64 import b64encode
from hashlib import sha1, sha256
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

import pytest
from tests.oauth1.cast import CLIENT, KEYS, NOW, TOKEN, URL

from valetkey.http import Request
from valetkey.oauth1.sign import sign_request
from valetkey.oauth1.verify import check_signature, read_signed_request

if TYPE_CHECKING:
    import hashlib

    from valetkey.oauth1.credentials import BodyHash

PROGRAM = """
import sys
sys.modules["_hashlib"] = None  # OpenSSL's hashes are out of reach
from valetkey.http import Request
from valetkey.oauth1.credentials import ClientCredentials
from valetkey.oauth1.sign import sign_request
from valetkey.secret import Secret
signed = sign_request(
    Request("POST", "https://photos.example.net/initiate"), ClientCredentials("dpf43f3p2l4k3l03", Secret("kd94hf93k423kf44")),
    token=None, timestamp=137131200, nonce="wIjqoxSZg8m", extra_parameters=(("oauth_callback", "oob"),),
)
print(signed.headers.get("Authorization").partition('oauth_signature="')[2].partition('"')[0])
"""  # fmt: skip


def test_hmac_sha1_needs_nothing_of_openssl() -> None:
    run = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)

    pairs = "oauth_callback=oob&oauth_consumer_key=dpf43f3p2l4k3l03&oauth_nonce=wIjqoxSZg8m"
    pairs += "&oauth_signature_method=HMAC-SHA1&oauth_timestamp=137131200&oauth_version=1.0"
    base = f"POST&https%3A%2F%2Fphotos.example.net%2Finitiate&{quote(pairs, safe='')}"
    expected = b64encode(hmac.digest(b"kd94hf93k423kf44&", base.encode(), "sha1")).decode()
    assert unquote(run.stdout.strip()) == expected


@pytest.mark.parametrize(("algorithm", "digest"), [("SHA1", sha1(b"{}")), ("SHA256", sha256(b"{}"))])
def test_a_body_hash_by_a_named_algorithm_is_one_that_a_server_takes(
    algorithm: BodyHash, digest: hashlib._Hash
) -> None:
    signed = sign_request(
        Request("POST", URL, body=b"{}"),
        CLIENT,
        token=TOKEN,
        timestamp=NOW,
        nonce="n" * 20,
        signature_method="HMAC-SHA512",
        body_hash_algorithm=algorithm,
    )

    found = read_signed_request(signed)
    check_signature(found, KEYS)
    assert found.parameter("oauth_body_hash") == b64encode(digest.digest()).decode()
