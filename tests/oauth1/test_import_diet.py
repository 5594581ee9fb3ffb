"""A signature in a fresh process loads these modules and no others."""

from __future__ import annotations

import json
import subprocess
import sys

BUILT_IN = {"__future__", "_operator", "binascii", "_sha1", "_sha2", "_sha256", "_sha512"}
OURS = {
    "valetkey",
    "valetkey.value",
    "valetkey.secret",
    "valetkey.digest",
    "valetkey.http",
    "valetkey.oauth1",
    "valetkey.oauth1.credentials",
    "valetkey.oauth1.signature",
    "valetkey.oauth1.transmission",
    "valetkey.oauth1.sign",
}
PROGRAM = """
import sys
before = set(sys.modules)
from valetkey.http import Request
from valetkey.oauth1.credentials import ClientCredentials, TokenCredentials
from valetkey.oauth1.sign import sign_request
from valetkey.secret import Secret
signed = sign_request(
    Request("GET", "https://api.example.com/1?a=b%20c"), ClientCredentials("c", Secret("s")),
    token=TokenCredentials("t", Secret("u")), timestamp=1700000000, nonce="0123456789abcdef01234567",
)
assert "oauth_signature=" in signed.headers.get("Authorization")
after = set(sys.modules)
import json
print(json.dumps(sorted(after - before)))
"""


def test_a_signature_in_a_fresh_process_loads_only_built_in_modules_and_ours() -> None:
    run = subprocess.run([sys.executable, "-I", "-c", PROGRAM], capture_output=True, text=True, check=True)

    loaded = set(json.loads(run.stdout))

    assert loaded - BUILT_IN == OURS
