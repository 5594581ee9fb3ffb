"""The search for the mistake, or the two, that make exactly the signature or base string in question."""

from __future__ import annotations

from valetkey.errors import ConfigurationError
from valetkey.oauth1.doctor.body_hash import body_hash_problems
from valetkey.oauth1.doctor.differences import differences
from valetkey.oauth1.doctor.making import base_string, signature
from valetkey.oauth1.doctor.mistake import Mistake
from valetkey.oauth1.doctor.mistakes import mistakes_for
from valetkey.oauth1.doctor.parts import Parts, decoded_once_more, take_apart
from valetkey.oauth1.doctor.rsa import octets_of, open_signature, read_rsa_key
from valetkey.oauth1.signature import RSA_ALGORITHMS
from valetkey.secret import Secret, constant_time_equal
from valetkey.value import replace, value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Literal, TypeAlias

    from valetkey.http import Pairs, Request
    from valetkey.oauth1.doctor.making import Making
    from valetkey.oauth1.doctor.rsa import RsaKey

    Verdict: TypeAlias = Literal["correct", "wrong_body_hash", "explained", "unexplained", "incomplete"]
    Whose: TypeAlias = Literal["request", "other side"]
    Judge: TypeAlias = Callable[[Making], tuple[Mistake, ...] | None]

MAX_FINDINGS = 6
FORM_IS_MISSING = "the Content-Type says that there is a form, but there is no body: give it, for its fields are signed"


@value
class Question:
    """What the other side says. Empty where it says nothing but `invalid`.

    signature: the one it computed or expected. base_string: the one it signed.
    public_key: the client's, for the RSA methods, in PEM: the key itself, a certificate, or the private key.
    """

    signature: Secret = Secret("")
    base_string: str = ""
    public_key: str = ""

    def __repr__(self) -> str:
        return "Question(...)"


@value
class Diagnosis:
    """What was found.

    verdict: `correct`: exactly as RFC 5849 has it; `wrong_body_hash`: that too, but the hash in it is not the body's;
      `explained`: by `findings`, each of one mistake or two;
      `unexplained`: by none of the `tried` combinations; `incomplete`: a secret or a signature is missing, see remarks.
    whose: whose signature or base string it is about: the request's own, or the other side's.
    request_is_correct: whether the request's own signature is right; None where nobody can tell.
    body_hash: what is wrong with `oauth_body_hash`, which the signature covers and which covers the body.
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
    body_hash: tuple[Mistake, ...] = ()


def diagnose(
    request: Request,
    *,
    client_secret: Secret | None,
    token_secret: Secret | None = None,
    question: Question | None = None,
    body_is_known: bool = True,
    fields: Pairs = (),
) -> Diagnosis:
    """What is wrong between this request and the other side.

    body_is_known: False where the request was sent with a body that is not there, which only its hash depends on.
    fields: those of a form of several parts, where they are known.
    Raises ConfigurationError where the request is not signed, a secret is no text or the public key is none.
    """
    question = question or Question()
    _check_given(client_secret, token_secret)
    key = read_rsa_key(question.public_key) if question.public_key else None
    parts = take_apart(request, client_secret=client_secret, token_secret=token_secret, fields=fields)
    right = parts.making
    base = base_string(right)
    expected = Secret(signature(right, base))
    own = _is_right(key, right, parts.signature.reveal())
    whose: Whose = "other side" if question.signature or question.base_string else "request"
    body_hash, about_body = body_hash_problems(request, parts, body_is_known=body_is_known)
    remarks = (*parts.remarks, *about_body)
    found = Diagnosis("incomplete", whose, (), 0, parts, expected, own, remarks=remarks, body_hash=tuple(body_hash))
    problem = _missing(found, question)
    if problem:
        return replace(found, remarks=(*found.remarks, problem))
    if question.base_string:
        found = replace(found, differences=differences(question.base_string, base, right))
    found = _searched(found, question, key)
    return replace(found, verdict="wrong_body_hash") if found.verdict == "correct" and found.body_hash else found


def _check_given(client_secret: Secret | None, token_secret: Secret | None) -> None:
    for whose, secret in (("client", client_secret), ("token", token_secret)):
        try:
            _ = secret and secret.reveal().encode()
        except UnicodeEncodeError:
            message = f"the {whose} secret is not UTF-8 text: look at the variable or file that it comes from"
            raise ConfigurationError(message) from None


def _searched(found: Diagnosis, question: Question, key: RsaKey | None) -> Diagnosis:
    parts, tried = found.parts, 0
    wanted = (question.signature or parts.signature).reveal()
    judge = _judge(parts.making.signature_method, key, wanted)
    only_base_string = bool(question.base_string and not question.signature)
    least = 0
    for size, making, mistakes in _combinations(parts.making, _effective(parts, question)):
        if found.findings and size > least:
            break
        tried += 1
        if question.base_string and base_string(making) != question.base_string:
            continue
        transport = () if only_base_string else judge(making)
        if transport is None:
            continue
        if not mistakes and not transport:
            return replace(found, verdict="correct", tried=tried)
        least = size
        found = replace(found, findings=(*found.findings, (*mistakes, *transport))[:MAX_FINDINGS])
    if found.findings:
        return replace(found, verdict="explained", tried=tried)
    about_form = (FORM_IS_MISSING,) if parts.form_is_missing else ()
    about_key = () if key is None or only_base_string else (_about_key(key, wanted),)
    return replace(found, verdict="unexplained", tried=tried, remarks=(*found.remarks, *about_form, *about_key))


def _missing(found: Diagnosis, question: Question) -> str:
    """What is needed to search and is not there."""
    making = found.parts.making
    method = making.signature_method
    if question.base_string and not question.signature:
        return ""
    if not (question.signature or found.parts.signature):
        return "there is no signature to compare with: neither in the request nor from the other side"
    if method in RSA_ALGORITHMS:
        said = f"{method} needs the client's public key (PEM) to compare: give it, its certificate or its private key"
        return "" if question.public_key else said
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


def _judge(method: str, key: RsaKey | None, text: str) -> Judge:
    """Who says of a making which mistakes around it make this signature; None where it is not this making's."""
    # The same text twice is the text as it is, which comes last.
    spellings = {text.replace(" ", "+"): (PLUS_LOST,), decoded_once_more(text): (ENCODED_TWICE,), text: ()}
    if key is None or method not in RSA_ALGORITHMS:

        def compared(making: Making) -> tuple[Mistake, ...] | None:
            made = signature(making, base_string(making))
            fits = (around for spelling, around in spellings.items() if made and constant_time_equal(made, spelling))
            return next(fits, None)

        return compared
    opened = [(one, around) for spelling, around in spellings.items() for one in open_signature(key, spelling)]

    def verified(making: Making) -> tuple[Mistake, ...] | None:
        base = base_string(making)
        fits = ((*around, *one.mistakes_against(method)) for one, around in opened if one.is_of(base))
        return next(fits, None)

    return verified


def _about_key(key: RsaKey, text: str) -> str:
    """What can be said of a signature that is none of the base strings that were tried."""
    found = next((one for one in open_signature(key, text) if one.is_certain), None)
    if found is not None:
        made = f"{found.padding} with {found.hash_name}"
        return f"this key made the signature ({made}), but of a base string that no mistake known here makes"
    octets = octets_of(text)
    if octets != key.octets:
        return f"the signature has {octets} octets, this key's have {key.octets}: another key made it, or none (HMAC)"
    return "this key did not make the signature: the client signs with another one, or it was changed on the way"


def _is_right(key: RsaKey | None, making: Making, text: str) -> bool | None:
    """Whether the signature is exactly this making's; None where the keys to tell are missing."""
    is_rsa = making.signature_method in RSA_ALGORITHMS
    if not text or (key is None if is_rsa else making.client_secret is None or not signature(making, "")):
        return None
    return _judge(making.signature_method, key, text)(making) == ()


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
