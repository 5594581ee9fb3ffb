"""Where a fleet keeps its rows: a table or prefix of its own for each test."""

from __future__ import annotations

import os
from urllib.parse import quote


def dynamodb_url(endpoint: str) -> str:
    table = f"fleet-{os.urandom(4).hex()}"
    return f"dynamodb://{table}?region=eu-central-1&endpoint={quote(endpoint, safe='')}"


def postgres_options() -> str:
    return f"?table=fleet_{os.urandom(4).hex()}"


def redis_options() -> str:
    return f"?prefix=fleet-{os.urandom(4).hex()}"
