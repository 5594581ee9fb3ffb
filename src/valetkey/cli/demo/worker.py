"""One process that wants an access token: says `ready`, waits for a line, asks, and says which token it got.

    python -m valetkey.cli.demo.worker REGISTRATION RESOURCE_OWNER

It is configured by the environment like any function, and prints the SHA-256 of the token, never the token.
"""

from __future__ import annotations

import sys
from hashlib import sha256

from valetkey.errors import ValetkeyError
from valetkey.vault import Vault


def main() -> None:
    """Ask for the token when told to."""
    registration, resource_owner = sys.argv[1:]
    vault = Vault.from_env()
    print("ready", flush=True)
    sys.stdin.readline()
    try:
        token = vault.access_token(registration, resource_owner)
        print(sha256(token.reveal().encode()).hexdigest(), flush=True)
    except ValetkeyError as error:
        print(f"{type(error).__name__}: {error}", flush=True)
        sys.exit(1)
    finally:
        vault.close()


if __name__ == "__main__":
    main()
