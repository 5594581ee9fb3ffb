"""Whether `oauth_body_hash` is that of the body (OAuth Request Body Hash 1.0, draft 4).

The one rule: it is apart from the signature, which covers the hash and not the body: a request can be signed rightly
with the hash of another body, and is refused all the same. What is wrong is named where one of the ways that are known
makes exactly this hash.
"""

from __future__ import annotations

from valetkey.http import FORM
from valetkey.oauth1.doctor.making import OUTPUTS, signing_key
from valetkey.oauth1.doctor.mistake import Mistake
from valetkey.secret import constant_time_equal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from valetkey.http import Request
    from valetkey.oauth1.doctor.making import Making
    from valetkey.oauth1.doctor.parts import Parts

NAME = "oauth_body_hash"
DRAFT = "of OAuth Request Body Hash"
ALGORITHMS = ("SHA1", "SHA256", "SHA512")
ADVICE = "hash the octets of the body as they are sent, and write the hash in base64 with its padding"


def body_hash_problems(request: Request, parts: Parts, *, body_is_known: bool) -> tuple[list[Mistake], list[str]]:
    """What is wrong with the hash of the body, and what is to be known about it."""
    given = parts.parameter(NAME)
    is_form = parts.content_type.partition(";")[0].strip().lower() == FORM
    if given and is_form:
        return [_with_form()], []
    if given and body_is_known:
        return _compared(request.body, given, parts.making)
    if given:
        return [], [f"{NAME} was not compared: the body is not known; give it as it was sent"]
    if is_form or parts.making.signature_method == "PLAINTEXT" or (body_is_known and not request.body):
        return [], []
    return [], [f"nothing signs the body, which is no form: servers that want {NAME} refuse it (section 4.1.1 {DRAFT})"]


def _compared(body: bytes, given: str, making: Making) -> tuple[list[Mistake], list[str]]:
    own = _own_algorithm(making.signature_method)
    for algorithm in ALGORITHMS:
        if constant_time_equal(_hash(algorithm, body, "base64"), given):
            said = f"{NAME} was made by {algorithm}, the signature by {own}: not every server takes that"
            return [], [] if algorithm == own else [f"{said} (section 3.1 {DRAFT})"]
    return [_explained(body, given, making)], []


def _own_algorithm(method: str) -> str:
    return "SHA256" if method == "RSA-PSS" else method.partition("-")[2] or method


def _hash(algorithm: str, body: bytes, output: str) -> str:
    import hashlib

    return OUTPUTS[output](hashlib.new(algorithm.lower(), body, usedforsecurity=False).digest())


def _with_form() -> Mistake:
    return Mistake(
        "body_hash_with_form",
        f"4.1.1 {DRAFT}",
        "a form is signed itself, and carries a hash of the body as well",
        f"leave {NAME} out where the body is application/x-www-form-urlencoded",
        lambda making: making,
    )


def _explained(body: bytes, given: str, making: Making) -> Mistake:
    for algorithm in ALGORITHMS:
        for name, says, advice, other in _bodies(body):
            if constant_time_equal(_hash(algorithm, other, "base64"), given):
                return _mistake(name, says, advice)
        for output in OUTPUTS:
            if constant_time_equal(_hash(algorithm, body, output), given):
                return _mistake("output", f"the hash of the body was written as {output.replace('_', ' ')}", ADVICE)
        if making.client_secret is not None and constant_time_equal(_keyed(algorithm, body, making), given):
            return _mistake("keyed", "the hash of the body was made with the signing key (HMAC)", ADVICE)
    return _mistake(
        "of_another_body",
        f"{NAME} is not the hash of this body",
        "hash the very octets that are sent, after everything that changes them; look at what changes them on the way",
    )


def _keyed(algorithm: str, body: bytes, making: Making) -> str:
    import hmac

    return OUTPUTS["base64"](hmac.digest(signing_key(making).encode(), body, algorithm.lower()))


def _mistake(name: str, says: str, advice: str) -> Mistake:
    return Mistake(f"body_hash_{name}", f"3.2 {DRAFT}", says, advice, lambda making: making)


def _bodies(body: bytes) -> Iterator[tuple[str, str, str, bytes]]:
    """Bodies that may have been hashed in place of this one."""
    yield "of_nothing", "the hash is that of an empty body", "hash the body after it was put into the request", b""
    lines = "hash and send the same octets: a file, an editor or a template adds or takes line breaks"
    yield "line_break", "the body was hashed without the line break at its end", lines, body.rstrip(b"\r\n")
    for end in (b"\n", b"\r\n"):
        yield "line_break", "the body was hashed with a line break at its end that was not sent", lines, body + end
    for ends in (body.replace(b"\r\n", b"\n"), body.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")):
        yield "line_ends", "the body was hashed with other line ends (LF, CR LF)", lines, ends
    for text in _same_json(body):
        said = "the body was hashed as the same JSON, written otherwise"
        yield "json", said, "write the JSON once, and hash and send that text", text.encode("utf-8", "surrogatepass")


def _same_json(body: bytes) -> list[str]:
    """The JSON of the body as other writers have it: blanks, escapes, order of names."""
    import json

    try:
        found = json.loads(body)
        return [
            json.dumps(found, separators=separators, ensure_ascii=escapes, sort_keys=ordered)
            for separators in ((",", ":"), (", ", ": "))
            for escapes in (False, True)
            for ordered in (False, True)
        ]
    except (ValueError, TypeError, RecursionError):
        return []
