"""Signed tokens and key sets of every kind, made with `cryptography` and, as another opinion, with joserfc."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from valetkey.http import Headers, Response, base64url


@cache
def rsa_key(bits: int = 2048, number: int = 0) -> rsa.RSAPrivateKey:
    del number
    return rsa.generate_private_key(65537, bits)


@cache
def ec_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _big(number: int) -> str:
    return base64url(number.to_bytes((number.bit_length() + 7) // 8, "big"))


def rsa_jwk(key: rsa.RSAPrivateKey | None = None, **more: Any) -> dict[str, Any]:
    numbers = (key or rsa_key()).public_key().public_numbers()
    return {"kty": "RSA", "n": _big(numbers.n), "e": _big(numbers.e), **more}


def ec_jwk(**more: Any) -> dict[str, Any]:
    numbers = ec_key().public_key().public_numbers()
    x, y = (base64url(number.to_bytes(32, "big")) for number in (numbers.x, numbers.y))
    return {"kty": "EC", "crv": "P-256", "x": x, "y": y, **more}


def key_set_answer(*entries: Any, status: int = 200) -> Response:
    return Response(status, Headers(), json.dumps({"keys": list(entries)}).encode())


def compact(header: dict[str, Any] | bytes, claims: dict[str, Any] | bytes, signature: bytes = b"\1") -> str:
    octets = [part if isinstance(part, bytes) else json.dumps(part).encode() for part in (header, claims)]
    return ".".join(base64url(part) for part in (*octets, signature))


def signed(claims: dict[str, Any], *, alg: str = "RS256", key: rsa.RSAPrivateKey | None = None, **header: Any) -> str:
    text = compact({"alg": alg, **header}, claims).rpartition(".")[0]
    return f"{text}.{base64url(sign(alg, text.encode(), key))}"


def sign(alg: str, message: bytes, key: rsa.RSAPrivateKey | None = None) -> bytes:
    if alg == "ES256":
        r, s = decode_dss_signature(ec_key().sign(message, ec.ECDSA(SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")
    if alg == "PS256":
        return (key or rsa_key()).sign(message, padding.PSS(padding.MGF1(SHA256()), 32), SHA256())
    return (key or rsa_key()).sign(message, padding.PKCS1v15(), SHA256())
