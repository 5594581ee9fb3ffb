"""What a JWT says beside its fingerprint: header and claims, read without a key and believed by nobody."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from valetkey.http import base64url_decode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MAX_READ = 65_536


def describe_jwt(text: str, redact: Callable[[Any], Any]) -> str:
    """`(JWT header {...} claims {...})` of a signed or encrypted token, empty for everything else.

    redact: makes a JSON value harmless.
    """
    parts = text.split(".")
    if len(parts) not in (3, 5) or len(text) > MAX_READ:
        return ""
    header = _read_part(parts[0])
    if header is None:
        return ""
    claims = _read_part(parts[1]) if len(parts) == 3 else None  # 7515 s3.1, 7516 s3.1
    said = f" claims {json.dumps(redact(claims))}" if claims is not None else ""
    return f"({'JWT' if len(parts) == 3 else 'JWE'} header {json.dumps(redact(header))}{said})"


def _read_part(text: str) -> Mapping[str, Any] | None:
    try:
        found = json.loads(base64url_decode(text))
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
