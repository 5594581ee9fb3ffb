"""The search for the mistake, or the two, that make exactly the signature or base string in question."""

from __future__ import annotations

from valetkey.errors import ConfigurationError
from valetkey.oauth1.doctor.differences import differences
from valetkey.oauth1.doctor.making import base_string, signature
from valetkey.oauth1.doctor.mistake import Mistake
from valetkey.oauth1.doctor.mistakes import mistakes_for
from valetkey.oauth1.doctor.parts import Parts, decoded_once_more, take_apart
from valetkey.oauth1.signature import RSA_ALGORITHMS
from valetkey.secret import Secret, constant_time_equal
from valetkey.value import replace, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Literal, TypeAlias

    from valetkey.http import Request
    from valetkey.oauth1.doctor.making import Making

    Verdict: TypeAlias = Literal["correct", "explained", "unexplained", "incomplete"]
    Whose: TypeAlias = Literal["request", "other side"]

MAX_FINDINGS = 6


@value
class Question:
    """What the other side says. Empty where it says nothing but `invalid`.

    signature: the one it computed or expected. base_string: the one it signed. public_key: PEM, for the RSA methods.
    """

    signature: Secret = Secret("")
    base_string: str = ""
    public_key: str = ""


@value
class Diagnosis:
    """What was found.

    verdict: `correct`: exactly as RFC 5849 has it; `explained`: by `findings`, each of one mistake or two;
      `unexplained`: by none of the `tried` combinations; `incomplete`: a secret or a signature is missing, see remarks.
    whose: whose signature or base string it is about: the request's own, or the other side's.
    request_is_correct: whether the request's own signature is right; None where nobody can tell.
    """

    verdict: Verdict
    whose: Whose
    findings: tuple[tuple[Mistake, ...], ...]
    tried: int
    parts: Parts
    expected: Secret
    request_is_correct: bool | None
    differences: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


def diagnose(
    request: Request,
    *,
    client_secret: Secret | None,
    token_secret: Secret | None = None,
    question: Question | None = None,
) -> Diagnosis:
    """What is wrong between this request and the other side.

    Raises ConfigurationError where the request is not signed, a secret is no text or the public key is none.
    """
    question = question or Question()
    _check_given(client_secret, token_secret, question.public_key)
    parts = take_apart(request, client_secret=client_secret, token_secret=token_secret)
    right = parts.making
    base = base_string(right)
    expected = Secret(signature(right, base))
    own = _fits(question, right, parts.signature.reveal())
    whose: Whose = "other side" if question.signature or question.base_string else "request"
    found = Diagnosis("incomplete", whose, (), 0, parts, expected, own, remarks=parts.remarks)
    problem = _missing(found, question)
    if problem:
        return replace(found, remarks=(*found.remarks, problem))
    if question.base_string:
        found = replace(found, differences=differences(question.base_string, base, right))
    return _searched(found, question)


def _check_given(client_secret: Secret | None, token_secret: Secret | None, public_key: str) -> None:
    for whose, secret in (("client", client_secret), ("token", token_secret)):
        try:
            _ = (secret.reveal() if secret is not None else "").encode()
        except UnicodeEncodeError:
            message = f"the {whose} secret is not UTF-8 text: look at the variable or file that it comes from"
            raise ConfigurationError(message) from None
    if not public_key:
        return
    from valetkey.oauth1.verify import is_rsa_public_key

    if not is_rsa_public_key(public_key):
        message = (
            "the client's public key is no RSA key in PEM form (-----BEGIN PUBLIC KEY-----);"
            " openssl x509 -pubkey -noout takes it out of a certificate"
        )
        raise ConfigurationError(message)


def _searched(found: Diagnosis, question: Question) -> Diagnosis:
    parts, tried = found.parts, 0
    wanted = question.signature or parts.signature
    for size, making, mistakes in _combinations(parts.making, _effective(parts, question)):
        if found.findings and size > len(found.findings[0]):
            break
        tried += 1
        if question.base_string and base_string(making) != question.base_string:
            continue
        transport = _transported(question, making, wanted)
        if transport is None:
            continue
        if not mistakes and not transport:
            return replace(found, verdict="correct", tried=tried)
        found = replace(found, findings=(*found.findings, (*mistakes, *transport))[:MAX_FINDINGS])
    return replace(found, verdict="explained" if found.findings else "unexplained", tried=tried)


def _missing(found: Diagnosis, question: Question) -> str:
    """What is needed to search and is not there."""
    making = found.parts.making
    method = making.signature_method
    if question.base_string and not question.signature:
        return ""
    if not (question.signature or found.parts.signature):
        return "there is no signature to compare with: neither in the request nor from the other side"
    if method in RSA_ALGORITHMS:
        return "" if question.public_key else f"{method} needs the client's public key (PEM) to compare"
    if not found.expected:
        return "oauth_signature_method is none that is known"
    return "" if making.client_secret is not None else f"{method} needs the client secret to compare"


def _effective(parts: Parts, question: Question) -> list[Mistake]:
    """The mistakes that change anything of what is compared."""
    right = parts.making
    base, text = base_string(right), signature(right, base_string(right))
    by_base = question.base_string or right.signature_method in RSA_ALGORITHMS  # whose signatures are not made here
    by_signature = question.signature or not question.base_string
    found = []
    for mistake in mistakes_for(right, parts.content_type):
        making = mistake.change(right)
        changed = base_string(making)
        if (by_base and changed != base) or (by_signature and signature(making, changed) != text):
            found.append(mistake)
    return found


def _combinations(right: Making, singles: list[Mistake]) -> Iterator[tuple[int, Making, tuple[Mistake, ...]]]:
    """No mistake, each one, then each two."""
    yield 0, right, ()
    for mistake in singles:
        yield 1, mistake.change(right), (mistake,)
    for place, first in enumerate(singles):
        once = first.change(right)
        for second in singles[place + 1 :]:
            yield 2, second.change(once), (first, second)


def _transported(question: Question, making: Making, wanted: Secret) -> tuple[Mistake, ...] | None:
    """The mistakes in how the signature travelled, where it is this one; None where it is not."""
    if question.base_string and not question.signature:
        return ()
    text = wanted.reveal()
    if _fits(question, making, text):
        return ()
    if decoded_once_more(text) != text and _fits(question, making, decoded_once_more(text)):
        return (ENCODED_TWICE,)
    if " " in text and _fits(question, making, text.replace(" ", "+")):
        return (PLUS_LOST,)
    return None


def _fits(question: Question, making: Making, text: str) -> bool | None:
    """Whether the signature is this making's; None where the keys to tell are missing."""
    if not text:
        return None
    if making.signature_method in RSA_ALGORITHMS:
        if not question.public_key:
            return None
        from valetkey.oauth1.verify import rsa_signature_is_valid

        return rsa_signature_is_valid(question.public_key, making.signature_method, base_string(making), text)
    made = signature(making, base_string(making)) if making.client_secret is not None else ""
    return constant_time_equal(made, text) if made else None


ENCODED_TWICE = Mistake(
    "signature_encoded_twice",
    "3.5.1",
    "the signature itself is right, but was percent-encoded twice on its way",
    "encode it once, where it is put into the header, query or body",
    lambda making: making,
)
PLUS_LOST = Mistake(
    "signature_plus_lost",
    "3.5.1",
    "the signature itself is right, but its + became a blank on its way",
    "percent-encode the signature where it is put into the header, query or body",
    lambda making: making,
)
