"""The same request with valetkey: the vault is configured by the environment.

valetkey_program.py DATABASE BASE_URL
"""

from __future__ import annotations

import sys

from saved import run

from valetkey import Vault

BASE_URL = sys.argv[2]
VAULT = Vault.from_env()


def call() -> str:
    answer = VAULT.session("sandbox-oauth2", "alice").get(f"{BASE_URL}/oauth2/me")
    return "ok" if answer.status == 200 else f"status {answer.status}"


if __name__ == "__main__":
    run(call)
