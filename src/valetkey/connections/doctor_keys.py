"""Whether the private key of a registration signs: a key in the configuration, or one that stays in a key service.

The one rule: what is signed is a sentence that is of no use to anybody, and what a signer raises is named by its kind
alone, for its text may hold anything.
"""

from __future__ import annotations

from valetkey.connections.doctor import Finding
from valetkey.effects import PublicKey, Sign
from valetkey.errors import ValetkeyError
from valetkey.http import Headers, Response
from valetkey.keys.verify import signature_is_right
from valetkey.oauth2.jwks import read_key_set
from valetkey.oauth2.server import AuthorizationServer
from valetkey.oauth2.signed_jwt import thumbprint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from valetkey.effects import Op, PrivateKey, SignatureAlgorithm
    from valetkey.http import Pairs
    from valetkey.oauth2.jwks import VerificationKey
    from valetkey.providers.registration import Registration

VERIFIED = ("RS256", "PS256", "ES256")  # what `signature_is_right` knows
PROBE = b"valetkey doctor: a signature that proves nothing"
EC_OCTETS = 64  # r and s as they are (RFC 7518 section 3.4)
LEAST_RSA_OCTETS = 256
"""Octets of a signature by the shortest RSA key that is used, 2,048 bits."""


def look_at_key(registration: Registration) -> Op[list[Finding]]:
    """What comes of signing once with each algorithm that the registration needs its private key for."""
    key: PrivateKey | None = getattr(registration.client, "private_key", None)
    found: list[Finding] = []
    for algorithm in _algorithms(registration):
        if key is not None:
            found += yield from _signs(registration.name, key, algorithm)
    return found


def _algorithms(registration: Registration) -> tuple[SignatureAlgorithm, ...]:
    """The algorithms that the key must serve: of client assertions, request objects, OAuth 1.0a's signatures."""
    server = registration.provider.server
    if not isinstance(server, AuthorizationServer):
        from valetkey.oauth1.signature import RSA_ALGORITHMS

        one = RSA_ALGORITHMS.get(server.signature_method)
        return () if one is None else (one,)
    needed: list[SignatureAlgorithm] = []
    if server.token_endpoint_auth_method == "private_key_jwt":  # noqa: S105 - a method
        needed.append(server.token_endpoint_auth_signing_alg)
    if server.request_object_signing_alg and server.request_object_signing_alg not in needed:
        needed.append(server.request_object_signing_alg)
    return tuple(needed)


def _signs(name: str, key: PrivateKey, algorithm: SignatureAlgorithm) -> Op[list[Finding]]:
    setting = f"VALETKEY_{name.partition(':')[0].upper().replace('-', '_')}_PRIVATE_KEY"

    def problem(what: str, advice: str) -> list[Finding]:
        return [Finding("problem", name, "private_key", what, advice)]

    if key.signer is not None:
        advice = (
            f"check {setting}_SIGNER, that its module is in this deployment, and that this deployment may sign with "
            "the key in its key service"
        )
    else:
        advice = f"check {setting} and its password, and that the key is of the kind that the algorithm needs"
    try:
        signature: object = yield from Sign(key, algorithm, PROBE)
    except ValetkeyError as failed:
        return problem(f"its private key does not sign {algorithm}: {failed}", advice)
    except Exception as error:  # noqa: BLE001 - code of the application's
        return problem(f"the signer of its private key failed with {type(error).__name__}", advice)
    if not isinstance(signature, bytes):
        close = getattr(signature, "close", None)
        if close is not None:
            close()  # a coroutine that nobody awaits
        what = f"the signer of its private key answers {type(signature).__name__} in place of bytes"
        return problem(what, "let it return the signature's octets; one that is awaited needs an AsyncVault")
    return (yield from _is_right(name, key, algorithm, signature))


def _is_right(name: str, key: PrivateKey, algorithm: SignatureAlgorithm, signature: bytes) -> Op[list[Finding]]:
    """Whether the signature has the form of its algorithm and, where the public key is known, is by that one."""
    octets = len(signature)
    if algorithm == "ES256" and octets != EC_OCTETS:
        what = f"its private key's signature has {octets} octets, and one of ES256 has {EC_OCTETS}"
        advice = "let the signer answer r and s, 32 octets each, in place of the DER form that key services give"
        return [Finding("problem", name, "private_key", what, advice)]
    if algorithm != "ES256" and (octets < LEAST_RSA_OCTETS or octets % 8):
        what = f"its private key's signature has {octets} octets, which none of {algorithm} has"
        advice = (
            f"let the signer answer the octets themselves, not encoded, by a key of {LEAST_RSA_OCTETS * 8} bits or more"
        )
        return [Finding("problem", name, "private_key", what, advice)]
    if key.signer is not None:
        what = (
            f"its signer signs {algorithm}; which public key belongs to it, only the provider and the key service know"
        )
        return [Finding("note", name, "private_key", what, "compare the two where the provider refuses the signature")]
    members = yield from PublicKey(key)
    public = _public(members)
    if public is None:
        what = "its private key is refused by careful providers: an unsafe exponent, or a generator known to be broken"
        return [Finding("problem", name, "private_key", what, "make another key, and register its public half")]
    if algorithm in VERIFIED and not signature_is_right(public, algorithm, PROBE, signature=signature):
        what = f"what its private key signs by {algorithm} does not verify with its own public half"
        return [
            Finding("problem", name, "private_key", what, "this machine's cryptography is broken: look at its OpenSSL")
        ]
    what = f"its private key signs {algorithm}; its public half has the JWK thumbprint {thumbprint(members)} (RFC 7638)"
    return [Finding("note", name, "private_key", what, "the provider must know this key")]


def _public(members: Pairs) -> VerificationKey | None:
    """The public key as a provider reads it, or None where it would not."""
    import json

    body = json.dumps({"keys": [dict(members)]}).encode()
    return next(iter(read_key_set(Response(200, Headers(), body)).keys), None)
